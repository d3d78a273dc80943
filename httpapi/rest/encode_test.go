package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func encoded(t testing.TB, p *Profile, v any) string {
	t.Helper()
	var b bytes.Buffer
	if err := encode(&b, v, p); err != nil {
		t.Fatalf("encode(%#v): %v", v, err)
	}
	return b.String()
}

type failing struct{}

func (failing) MarshalJSON() ([]byte, error) { return nil, errors.New("broken") }

type lying struct{}

func (lying) MarshalJSON() ([]byte, error) { return []byte(`{"a":}`), nil }

type event struct{ text string }

func (e *event) AppendJSON(dst []byte) []byte { return append(dst, e.text...) }

type node struct {
	Next *node `json:"next,omitempty"`
	N    int   `json:"n"`
}

func TestAnswersAreEncoded(t *testing.T) {
	type base struct {
		ID string `json:"id"`
	}
	type out struct {
		base
		Skip   int            `json:"-"`
		List   []int          `json:"list"`
		Map    map[string]int `json:"map"`
		Ptr    *int           `json:"ptr"`
		Empty  []int          `json:"empty,omitempty"`
		Zero   int            `json:"zero,omitzero"`
		Opt    Opt[int]       `json:"opt"`
		Wo     string         `json:"wo" show:"wo"`
		Path   string         `path:"p"`
		Secret Secret         `json:"secret"`
		Time   time.Time      `json:"time"`
	}
	at := time.Date(2015, 1, 21, 13, 18, 8, 791108123, time.FixedZone("", 3600))
	tests := map[string]struct {
		v    any
		p    *Profile
		want string
	}{
		"null":                             {nil, ruleC, `null`},
		"characters of HTML stay":          {"<a href='x'>&</a>\u2028", ruleC, "\"<a href='x'>&</a>\u2028\""},
		"control characters are escaped":   {"a\"\\\n\x00\u007f", ruleC, "\"a\\\"\\\\\\n\\u0000\u007f\""},
		"text that is not UTF-8 is mended": {"a\xff", ruleC, "\"a\uFFFD\""},
		"integers are exact":               {[]any{int64(math.MaxInt64), uint64(math.MaxUint64), int8(-1)}, ruleC, `[9223372036854775807,18446744073709551615,-1]`},
		"floats are shortest":              {[]any{1.0, 0.1, 1e21, float32(0.1)}, ruleC, `[1,0.1,1e+21,0.1]`},
		"number text survives":             {json.Number("1.0e400"), ruleC, `1.0e400`},
		"raw text survives":                {Raw(` {"b":1.0, "a":"\u003c"}`), ruleC, ` {"b":1.0, "a":"\u003c"}`},
		"an empty raw is null":             {map[string]Raw{"b": nil, "a": Raw("1")}, ruleC, `{"a":1,"b":null}`},
		"unset members":                    {out{}, ruleC, `{"id":"","list":[],"map":{},"ptr":null,"secret":"[redacted]","time":null}`},
		"set members": {out{base: base{"i"}, Skip: 1, List: []int{1}, Map: map[string]int{"b": 1, "a": 2}, Ptr: new(int), Empty: []int{0}, Zero: 1,
			Opt: Some(0), Wo: "hidden", Path: "hidden", Secret: "hidden", Time: at}, ruleC,
			`{"id":"i","list":[1],"map":{"a":2,"b":1},"ptr":0,"empty":[0],"zero":1,"opt":0,"secret":"[redacted]","time":"2015-01-21T12:18:08.791"}`},
		"a nulled Opt": {Cleared[int](), ruleC, `null`},
		"times of T":   {at, ruleT, `"Wed, 21 Jan 2015 12:18:08 +0000"`},
		"times of A":   {at, ruleA, `"2015-01-21T12:18:08.791108123Z"`},
		"times of X":   {at, ruleX, `"2015-01-21T12:18:08.791Z"`},
		"times of S":   {at, ruleS, `"2015-01-21T12:18:08.791108Z"`},
		"a value that writes itself": {struct {
			E *event `json:"e"`
		}{&event{`{"n":1.0}`}}, ruleC, `{"e":{"n":1.0}}`},
		"one that writes its text":    {[]picky{2}, ruleC, `["xx"]`},
		"keys that write their texts": {map[picky]int{2: 1, 1: 2}, ruleC, `{"x":2,"xx":1}`},
		"recursive types":             {node{Next: &node{N: 2}, N: 1}, ruleC, `{"next":{"n":2},"n":1}`},
		"maps of anything":            {map[string]any{"b": []any{true, nil}, "a": map[string]any{}}, ruleC, `{"a":{},"b":[true,null]}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := encoded(t, tt.p, tt.v)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if !json.Valid([]byte(got)) {
				t.Errorf("%s is not JSON", got)
			}
		})
	}
}

type (
	viaPointer struct {
		Next *viaPointer `json:"next,omitempty"`
	}
	viaSlice struct {
		Next []viaSlice `json:"next" rule:"max=9"`
	}
	viaMap struct {
		Next map[string]viaMap `json:"next"`
	}
	slices2 []slices2
	maps2   map[string]maps2
	selfPtr *selfPtr
)

func TestRecursiveTypesMayBeEnteredAnywhere(t *testing.T) {
	for want, v := range map[string]any{
		`{"next":{}}`:              &viaPointer{&viaPointer{}},
		`[{"next":[{"next":[]}]}]`: []viaSlice{{[]viaSlice{{}}}},
		`{"a":{"next":{}}}`:        map[string]viaMap{"a": {}},
		`[[],[[]]]`:                slices2{{}, {{}}},
		`{"a":{"b":{}}}`:           maps2{"a": {"b": nil}},
		`[{"next":{"next":{}}}]`:   []**viaPointer{new(&viaPointer{&viaPointer{&viaPointer{}}})},
	} {
		if got := encoded(t, ruleC, v); got != want {
			t.Errorf("%#v is %s, want %s", v, got, want)
		}
	}
	if _, err := encodeText(new(selfPtr), ruleC); err == nil {
		t.Error("a pointer to itself is written")
	}
}

func TestAFailingEncoderSendsNothing(t *testing.T) {
	loop := &node{}
	loop.Next = loop
	bag := map[string]any{}
	bag["bag"] = bag
	tests := map[string]any{
		"a value that refuses":        []any{1, failing{}},
		"a value that writes no JSON": lying{},
		"not a number":                math.NaN(),
		"infinity":                    []float64{math.Inf(1)},
		"a raw that is no JSON":       Raw(`{"a":}`),
		"a raw with text behind it":   Raw(`{} x`),
		"a number that is none":       json.Number("0x1"),
		"a channel":                   map[string]any{"c": make(chan int)},
		"a pointer to itself":         loop,
		"a map that holds itself":     bag,
	}
	for name, v := range tests {
		t.Run(name, func(t *testing.T) {
			b := bytes.NewBufferString("before")
			if err := encode(b, v, ruleC); err == nil {
				t.Errorf("no error, wrote %s", b)
			}
			if b.String() != "before" {
				t.Errorf("the buffer holds %q", b)
			}
		})
	}
}

func TestASecretIsShownNowhere(t *testing.T) {
	type holder struct {
		S Secret      `json:"s"`
		O Opt[Secret] `json:"o"`
		L []Secret    `json:"l"`
	}
	h := holder{"hunter2", Some(Secret("hunter2")), []Secret{"hunter2"}}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "h", h, "s", h.S)
	std, _ := json.Marshal(h)
	for name, text := range map[string]string{
		"fmt": fmt.Sprintf("%v %+v %#v %s %q %x", h, h, h, h.S, h.S, h.S), "log": log.String(), "encode": encoded(t, ruleC, h), "json": string(std),
	} {
		if strings.Contains(text, "hunter2") || strings.Contains(text, fmt.Sprintf("%x", "hunter2")) {
			t.Errorf("%s shows it: %s", name, text)
		}
	}
	if h.S.Reveal() != "hunter2" {
		t.Error("Reveal does not")
	}
}

func TestWhatIsEncodedReadsBackTheSame(t *testing.T) {
	type inner struct {
		Name string            `json:"name"`
		Tags map[string]string `json:"tags"`
	}
	type value struct {
		N    int64         `json:"n"`
		U    uint32        `json:"u"`
		F    float64       `json:"f"`
		On   bool          `json:"on"`
		List []inner       `json:"list"`
		Opt  Opt[inner]    `json:"opt"`
		At   time.Time     `json:"at"`
		Null Opt[[]string] `json:"null" rule:"null"`
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(0, 8, -1)
		makeInner := func() inner {
			return inner{text.Draw(t, "name"), rapid.MapOfN(text, text, 0, 3).Draw(t, "tags")}
		}
		v := value{
			N: rapid.Int64().Draw(t, "n"), U: rapid.Uint32().Draw(t, "u"), F: rapid.Float64().Draw(t, "f"), On: rapid.Bool().Draw(t, "on"),
			List: []inner{}, At: time.Unix(rapid.Int64Range(1, 4e9).Draw(t, "s"), rapid.Int64Range(0, 999999999).Draw(t, "ns")).UTC(),
		}
		for range rapid.IntRange(0, 3).Draw(t, "len") {
			v.List = append(v.List, makeInner())
		}
		switch rapid.IntRange(0, 2).Draw(t, "opt") {
		case 1:
			v.Opt, v.Null = Some(makeInner()), Cleared[[]string]()
		case 2:
			v.Null = Some([]string{text.Draw(t, "e")})
		}
		var b bytes.Buffer
		if err := encode(&b, v, ruleA); err != nil {
			t.Fatal(err)
		}
		op := post
		bd, err := newBinder(reflect.TypeFor[value](), &op)
		if err != nil {
			t.Fatal(err)
		}
		var got value
		if found := bindInto(bd, &got, &source{body: b.Bytes()}, ruleA); found != nil {
			t.Fatalf("%s: %v", b.String(), found)
		}
		if diff := cmp.Diff(v, got); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", b.String(), diff)
		}
	})
}
