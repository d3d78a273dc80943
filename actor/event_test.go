package actor_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

func field(name string, v actor.Value) actor.Field { return actor.Field{Name: name, Value: v} }

func TestParse(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"whitespace between tokens is dropped":      {" {\n\"a\" : [ 1 , { } ] ,\t\"b\" : \" x \" } ", `{"a":[1,{}],"b":" x "}`},
		"number text is kept":                       {`{"a":1.00,"b":-0,"c":1E+2}`, `{"a":1.00,"b":-0,"c":1E+2}`},
		"the last of equal names counts":            {`{"a":1,"b":2,"a":3}`, `{"a":3,"b":2}`},
		"names are equal by what they say":          {`{"\u0061":1,"a":2}`, `{"a":2}`},
		"needless escapes in names are undone":      {`{"\u0061\/":1}`, `{"a/":1}`},
		"needed escapes in names stay":              {`{"\"\\\n":1}`, `{"\"\\\n":1}`},
		"escapes in values stay":                    {`{"a":"\u0061\/"}`, `{"a":"\u0061\/"}`},
		"the empty object":                          {` { } `, `{}`},
		"an empty name":                             {`{"":1}`, `{"":1}`},
		"more fields than are held inline":          {`{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9, "a":0}`, `{"a":0,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9}`},
		"text that is not ASCII":                    {`{"é":"日本"}`, `{"é":"日本"}`},
		"long names that differ in the middle":      {`{"aaaaaaaaXbbbbbbbb":1,"aaaaaaaaYbbbbbbbb":2}`, `{"aaaaaaaaXbbbbbbbb":1,"aaaaaaaaYbbbbbbbb":2}`},
		"nested members of one name are left alone": {`{"a":{"b":1,"b":2}}`, `{"a":{"b":1,"b":2}}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := event(t, tt.in).String(); got != tt.want {
				t.Errorf("Parse(%s) = %s, want %s", tt.in, got, tt.want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	tests := map[string]struct {
		in     string
		code   string
		offset int
	}{
		"an array":                     {"[1]", "object-expected", 0},
		"nothing":                      {"  ", "unexpected-end", 2},
		"text behind the object":       {"{} x", "trailing-data", 3},
		"a missing colon":              {`{"a" 1}`, "colon-expected", 5},
		"a missing value":              {`{"a":}`, "value-expected", 5},
		"a comma at the end":           {`{"a":1,}`, "name-expected", 7},
		"a leading zero":               {`{"a":01}`, "comma-expected", 6},
		"a number without digits":      {`{"a":-}`, "bad-number", 6},
		"an unknown word":              {`{"a":nul}`, "bad-literal", 8},
		"a control character":          {"{\"a\":\"\t\"}", "control-character", 6},
		"a byte that is not UTF-8":     {"{\"a\":\"x\xc3\"}", "bad-utf8", 7},
		"an unknown escape":            {`{"a":"\x"}`, "bad-escape", 7},
		"a name that is not a string":  {`{a:1}`, "name-expected", 1},
		"an open object":               {`{"a":1`, "unexpected-end", 6},
		"an open string":               {`{"a":"x`, "unexpected-end", 7},
		"65 levels":                    {`{"a":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + "}", "too-deep", 68},
		"a byte order mark":            {"\ufeff{}", "object-expected", 0},
		"a surrogate spelt in UTF-8":   {"{\"a\":\"\xed\xa0\x80\"}", "bad-utf8", 6},
		"an overlong slash in UTF-8":   {"{\"a\":\"\xc0\xaf\"}", "bad-utf8", 6},
		"a line break within a number": {"{\"a\":1\n2}", "comma-expected", 7},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := actor.Parse([]byte(tt.in))
			var e *atoll.Error
			if !errors.As(err, &e) || e.Kind != atoll.Invalid || len(e.Findings) != 1 {
				t.Fatalf("Parse: %v, want Invalid with a finding", err)
			}
			want := map[string]any{"offset": tt.offset, "rule": tt.code}
			if diff := cmp.Diff(want, e.Details); diff != "" || e.Findings[0].Code != tt.code {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
	if _, err := actor.Parse([]byte(`{"a":` + strings.Repeat("[", 63) + strings.Repeat("]", 63) + "}")); err != nil {
		t.Errorf("64 levels: %v", err)
	}
	if _, err := actor.Parse([]byte(`{"a":"` + strings.Repeat("x", actor.MaxSize) + `"}`)); atoll.KindOf(err) != atoll.TooLarge {
		t.Errorf("a text above MaxSize: %v, want TooLarge", err)
	}
	if e, err := actor.Parse([]byte(`{"a":"` + strings.Repeat("x", actor.MaxSize-8) + `"}`)); err != nil || e.Field("a").Kind() != actor.StringKind {
		t.Errorf("a text of MaxSize: %v", err)
	}
}

func TestWith(t *testing.T) {
	long := actor.String(strings.Repeat("x", 3000))
	tests := map[string]struct {
		in   string
		with [][]actor.Field
		want string
	}{
		"a new field goes to the end":            {`{"a":1}`, [][]actor.Field{{field("b", actor.Int(2))}}, `{"a":1,"b":2}`},
		"a known field is replaced in its place": {`{"x":9,"y":9}`, [][]actor.Field{{field("x", actor.Int(5))}}, `{"x":5,"y":9}`},
		"several at once":                        {`{"x":9,"y":9}`, [][]actor.Field{{field("z", actor.Int(1)), field("y", actor.Null()), field("z", actor.Int(2))}}, `{"x":9,"y":null,"z":2}`},
		"a missing value removes":                {`{"x":9,"y":9}`, [][]actor.Field{{field("x", actor.Value{}), field("n", actor.Value{})}}, `{"y":9}`},
		"from the empty event":                   {`{}`, [][]actor.Field{{field("é\"", actor.Bool(true))}}, `{"é\"":true}`},
		"the last field is removed":              {`{"x":9}`, [][]actor.Field{{field("x", actor.Value{})}}, `{}`},
		"nothing":                                {`{"x":9}`, [][]actor.Field{{}}, `{"x":9}`},
		"names with escapes are found":           {`{"a\"b":1,"c":2}`, [][]actor.Field{{field(`a"b`, actor.Int(3))}}, `{"a\"b":3,"c":2}`},
		"one more than is held inline":           {`{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8}`, [][]actor.Field{{field("i", actor.Int(9))}, {field("h", actor.Int(0))}}, `{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":0,"i":9}`},
	}
	for name, tt := range tests {
		for _, big := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", text beyond the limit for copies: ", big), func(t *testing.T) {
				e := event(t, tt.in)
				want := event(t, tt.want)
				if big {
					e, want = e.With(field("long", long)), want.With(field("long", long))
				}
				before := e.String()
				got := e
				for _, fields := range tt.with {
					got = got.With(fields...)
				}
				if e.String() != before {
					t.Errorf("the event changed from %s to %s", before, e)
				}
				check(t, got, want)
			})
		}
	}
}

// check compares two events in all ways of reading.
func check(t interface {
	Helper()
	Errorf(string, ...any)
}, got, want *actor.Event) {
	t.Helper()
	if !got.Equal(want) || got.Len() != want.Len() {
		t.Errorf("got %s, want %s", got, want)
	}
	again, err := actor.Parse([]byte(got.String()))
	if err != nil || again.String() != got.String() {
		t.Errorf("%s parses as %v, %v", got, again, err)
	}
	if string(got.AppendJSON(nil)) != got.String() || got.Value().String() != got.String() {
		t.Errorf("%s is written as %s and is the value %v", got, got.AppendJSON(nil), got.Value())
	}
	n := 0
	for name, v := range want.All() {
		k := actor.KeyOf(name)
		if k.Name() != name {
			t.Errorf("the key of %q is that of %q", name, k.Name())
		}
		if !got.Get(k).Equal(v) || !got.Field(name).Equal(v) {
			t.Errorf("field %q is %v, want %v", name, got.Get(k), v)
		}
		f, ok := got.Number(k)
		if wf, wok := v.Float(); ok != wok || f != wf {
			t.Errorf("field %q is the number %v, want %v", name, f, wf)
		}
		s, ok := got.Text(k)
		if ws, wok := v.Text(); ok != wok || s != ws {
			t.Errorf("field %q is the text %q, want %q", name, s, ws)
		}
		n++
	}
	if n != want.Len() {
		t.Errorf("%d fields, Len says %d", n, want.Len())
	}
	if v := got.Get(actor.Key{}); v.Kind() != actor.MissingKind {
		t.Errorf("the zero Key finds %v", v)
	}
}

// TestEventsBehaveAsMaps compares events with an ordered list of members under
// random changes, small and large, narrow and wide.
func TestEventsBehaveAsMaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"a", "b", "c", "", "é", `q"`, "\n", "aaaaaaaaXbbbbbbbb", "aaaaaaaaYbbbbbbbb", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9", "ka", "kb", "kc", "kd", "ke"})
		val := rapid.SampledFrom([]actor.Value{{}, actor.Null(), actor.Int(1), actor.Float(2.5), actor.String("x\"y"), actor.Bool(true), actor.Array(actor.Int(1)), actor.String(strings.Repeat("z", 900))})
		var names []string
		values := map[string]actor.Value{}
		e := actor.NewEvent()
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			var fields []actor.Field
			for range rapid.IntRange(0, 12).Draw(t, "fields") {
				fields = append(fields, field(name.Draw(t, "name"), val.Draw(t, "value")))
			}
			last := map[string]actor.Value{}
			var order []string
			for _, f := range fields {
				if _, ok := last[f.Name]; !ok {
					order = append(order, f.Name)
				}
				last[f.Name] = f.Value
			}
			for _, n := range order {
				_, known := values[n]
				switch v := last[n]; {
				case v.Kind() == actor.MissingKind:
					delete(values, n)
				case known:
					values[n] = v
				default:
					names = append(names, n)
					values[n] = v
				}
			}
			var kept []string
			for _, n := range names {
				if _, ok := values[n]; ok {
					kept = append(kept, n)
				}
			}
			names = kept
			e = e.With(fields...)
			var model []actor.Field
			for _, n := range names {
				model = append(model, field(n, values[n]))
			}
			want := actor.NewEvent(model...)
			check(t, e, want)
			if e.String() != want.String() {
				t.Fatalf("order: %s, want %s", e, want)
			}
		}
	})
}

func TestManyFieldsAreFoundQuickly(t *testing.T) {
	var b strings.Builder
	const n = 50_000
	for i := range n {
		fmt.Fprintf(&b, `,"key-%d":%d`, i, i)
	}
	e := event(t, "{"+b.String()[1:]+`,"key-7":-7}`)
	if e.Len() != n {
		t.Fatalf("%d fields, want %d", e.Len(), n)
	}
	for i := 0; i < n; i += 997 {
		want := float64(i)
		if i == 7 {
			want = -7
		}
		if f, ok := e.Number(actor.KeyOf(fmt.Sprint("key-", i))); !ok || f != want {
			t.Fatalf("key-%d is %v", i, f)
		}
	}
	if size := e.Size(); size > 10*len(e.String()) {
		t.Errorf("%d bytes of text take %d", len(e.String()), size)
	}
}

func TestSize(t *testing.T) {
	e := event(t, sample)
	if over := e.Size() - len(sample); over > 96 {
		t.Errorf("an event of eight fields takes %d bytes beyond its text, want at most 96", over)
	}
}

func TestEventsThatCannotBeBuilt(t *testing.T) {
	big := actor.String(strings.Repeat("x", actor.MaxSize/2+1))
	e := event(t, `{"a":1}`)
	for name, got := range map[string]*actor.Event{
		"new":             actor.NewEvent(field("a", big), field("b", big)),
		"with":            e.With(field("b", big), field("c", big)),
		"with to a large": e.With(field("b", big)).With(field("c", big)),
	} {
		if atoll.KindOf(got.Err()) != atoll.TooLarge || got.Len() != 0 || got.Value().Kind() != actor.MissingKind {
			t.Errorf("%s: %v, %d fields", name, got.Err(), got.Len())
		}
	}
	if e.Err() != nil {
		t.Errorf("a good event: %v", e.Err())
	}
	if _, ok := actor.FromValue(actor.Int(1)); ok {
		t.Error("a number became an event")
	}
	got, ok := actor.FromValue(value(t, `{"\u0061":1,"a":2,"b":{}}`))
	if !ok || got.String() != `{"a":2,"b":{}}` {
		t.Errorf("an object with repeated names became %v", got)
	}
}

func TestEventsOfEachLengthHoldTheirText(t *testing.T) {
	for n := range 600 {
		want := `{"a":"` + strings.Repeat("x", n) + `","b":1}`
		e := event(t, want)
		spaced := event(t, strings.ReplaceAll(want, `,"b"`, ` , "b"`))
		built := actor.NewEvent(actor.Field{Name: "a", Value: actor.String(strings.Repeat("x", n))}, actor.Field{Name: "b", Value: actor.Int(1)})
		with := event(t, `{"a":"y","b":1}`).With(actor.Field{Name: "a", Value: actor.String(strings.Repeat("x", n))})
		if e.String() != want || spaced.String() != want || built.String() != want || with.String() != want {
			t.Fatalf("an event of %d bytes has another text", len(want))
		}
		if b, _ := built.Number(actor.KeyOf("b")); b != 1 || e.Len() != 2 {
			t.Fatalf("an event of %d bytes has %d fields, b is %v", len(want), e.Len(), b)
		}
	}
}

func TestAnEventIsOneAllocation(t *testing.T) {
	text, e := []byte(sample), event(t, sample)
	fields := []actor.Field{{Name: "t", Value: actor.Int(3)}}
	for name, f := range map[string]func(){
		"parsed":   func() { _, _ = actor.Parse(text) },
		"replaced": func() { e.With(fields...) },
	} {
		if n := testing.AllocsPerRun(200, f); n > 1 {
			t.Errorf("an event that is %s takes %v allocations, want 1", name, n)
		}
	}
}
