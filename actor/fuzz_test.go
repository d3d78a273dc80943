package actor_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/atoll-platform/atoll/actor"
)

var seeds = []string{
	`{}`, ` { } `, `{"a":1,"b":"x","c":[1,{"d":null}],"e":{"f":true}}`, "{\n\t\"a\" : 1 ,\r\"b\":[ 1 , 2 ] }",
	`{"a":1,"a":2}`, `{"\u0061":1,"a":2}`, `{"a\"b":1,"a\/b":2,"\n":3}`, `{"x":"\ud83d\ude00 \ud800 \\"}`, `{"n":-0.0e-12,"m":1E+400}`,
	`{"a":01}`, `{"a":1.}`, `{"a":.5}`, `{"a":+1}`, `{"a":1e}`, `{"a":tru}`, `{"a":"` + "\x01" + `"}`, `{"a":"` + "\xff" + `"}`, `{"a":"\x"}`, `{"a":"\u12g4"}`,
	`{"a":1,}`, `{,}`, `{"a"}`, `{"a":}`, `[1,2`, `[]`, `null`, `"s"`, `7`, ` `, ``, `{} x`, `{"a":1}{"b":2}`, "\ufeff{}", `{"":""}`,
	`{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"j":10,"k":11,"l":12,"m":13,"n":14,"o":15,"p":16,"q":17,"r":18,"a":19}`,
}

func depth(text []byte) int {
	n, deepest := 0, 0
	d := json.NewDecoder(bytes.NewReader(text))
	for {
		tok, err := d.Token()
		if err != nil {
			return deepest
		}
		switch tok {
		case json.Delim('{'), json.Delim('['):
			n++
			deepest = max(deepest, n)
		case json.Delim('}'), json.Delim(']'):
			n--
		}
	}
}

// decoded is what encoding/json makes of a text.
func decoded(t *testing.T, text []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var x any
	if err := d.Decode(&x); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return x
}

func FuzzParse(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := actor.Parse(text)
		trimmed := bytes.TrimLeft(text, " \t\r\n")
		valid := json.Valid(text) && utf8.Valid(text) && len(trimmed) > 0 && trimmed[0] == '{' && depth(text) <= actor.MaxDepth
		if valid != (err == nil) {
			t.Fatalf("Parse(%q): %v, want valid = %t", text, err, valid)
		}
		if err != nil {
			return
		}
		want, err := json.Marshal(decoded(t, text))
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(decoded(t, []byte(e.String())))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want, got) {
			t.Fatalf("Parse(%q) = %s", text, e)
		}
		for name, v := range e.All() {
			if w := e.Get(actor.KeyOf(name)); w.String() != v.String() {
				t.Fatalf("Parse(%q): field %q is %v and %v", text, name, v, w)
			}
		}
		all, err := json.Marshal(e.Value().Any())
		if err != nil || !bytes.Equal(all, want) {
			t.Fatalf("Parse(%q).Value().Any() = %s, %v", text, all, err)
		}
		again, err := actor.Parse([]byte(e.String()))
		if err != nil || again.String() != e.String() || !again.Equal(e) {
			t.Fatalf("%q prints as %s, which parses as %v, %v", text, e, again, err)
		}
	})
}

func FuzzParseValue(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := actor.ParseValue(text)
		valid := json.Valid(text) && utf8.Valid(text) && depth(text) <= actor.MaxDepth
		if valid != (err == nil) {
			t.Fatalf("ParseValue(%q): %v, want valid = %t", text, err, valid)
		}
		if err != nil {
			return
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, text); err != nil {
			t.Fatal(err)
		}
		if got := v.AppendJSON(nil); !bytes.Equal(got, compact.Bytes()) {
			t.Fatalf("ParseValue(%q) = %s, want %s", text, got, &compact)
		}
		if !v.Equal(v) || !v.Equal(actor.Merge(v, actor.Value{})) {
			t.Fatalf("%s does not equal itself", v)
		}
		v.Float()
		v.Int()
		v.Len()
	})
}

func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"", "*", "a", "a.b", "a[0].b", "a['x y']", "a[-1]", "a[0][1]", "é.$", " a . b [ 1 ] ", "a..b", "a['", "a[999999999999999999999]"} {
		f.Add(s, `{"a":[{"b":1},{"x y":[2]}],"é":{"$":null}}`)
	}
	f.Fuzz(func(t *testing.T, path, text string) {
		p, ok := actor.ParsePath(path)
		e, err := actor.Parse([]byte(text))
		if err != nil {
			return
		}
		v, w := p.EvalEvent(e), p.Eval(e.Value())
		if v.String() != w.String() {
			t.Fatalf("%q of %s: %v of the event, %v of the value", path, text, v, w)
		}
		if !ok && v.Kind() != actor.MissingKind {
			t.Fatalf("%q does not parse and finds %v", path, v)
		}
	})
}

func FuzzCompileTemplate(f *testing.F) {
	for _, s := range []string{`{"a":"${b}"}`, `{"a":["${b.c[0]}",{"x":"${*}"}],"n":1.0}`, `{"a":"${","b":"${}","c":"x${a}"}`, `{"a":{"b":"\u0024{a}"},"a":2}`} {
		f.Add(s, `{"b":{"c":[1,2]},"a":"x"}`)
	}
	f.Fuzz(func(t *testing.T, template, text string) {
		v, err := actor.ParseValue([]byte(template))
		if err != nil {
			return
		}
		tpl, err := actor.CompileTemplate(v)
		if (err == nil) != (v.Kind() == actor.ObjectKind) {
			t.Fatalf("CompileTemplate(%s): %v", v, err)
		}
		e, perr := actor.Parse([]byte(text))
		if err != nil || perr != nil {
			return
		}
		got := tpl.Fill(e)
		if got.Err() != nil {
			return
		}
		if !json.Valid([]byte(got.String())) || got.Len() != v.Len() {
			t.Fatalf("%s filled from %s: %s", v, e, got)
		}
		for name, f := range got.All() {
			if w := got.Field(name); w.String() != f.String() {
				t.Fatalf("field %q: %v and %v", name, f, w)
			}
		}
	})
}
