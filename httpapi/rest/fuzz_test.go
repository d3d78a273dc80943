package rest

import (
	"bytes"
	"encoding/json"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

type fuzzed struct {
	Name string         `json:"name" alias:"n2" rule:"min=1 max=5 re=[a-z]*"`
	N    int32          `json:"n" rule:"min=-5 max=5 enum=1,2"`
	U    uint64         `json:"u"`
	F    float32        `json:"f"`
	On   Opt[bool]      `json:"on"`
	List []fuzzed       `json:"list" rule:"max=3"`
	Map  map[string]any `json:"map"`
	Raw  Raw            `json:"raw"`
	Ptr  *fuzzed        `json:"ptr"`
	Pass Secret         `json:"pass" rule:"min=6"`
	Kept map[string]Raw `body:"keep"`
}

type loose struct {
	Name string  `json:"name"`
	N    int     `json:"n"`
	F    float64 `json:"f"`
	Raw  Raw     `json:"raw"`
}

// FuzzBody: no body makes the binder panic, and none is accepted that jsontext
// or encoding/json refuses.
func FuzzBody(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"name":"a","n":1,"u":2,"f":0.5,"on":null,"list":[{"n":9}],"map":{"a":[1e400]},"raw":{ "x":1.0},"ptr":{"ptr":null},"z":1}`,
		`{"name":"\ud83d\ude00\"\\"}`, `[]`, ``, "\uFEFF{}", `{"n":1}x`, `{"a":1,"a":2}`, "{\"name\":\"\xff\"}", `{"list":"[{}]","raw":"{\"a\":1}"}`,
		strings.Repeat("[", 70), `{"n":-0,"u":-0,"f":1e39}`, `{"n":`, `{"name":"\`, `{"pass":"hunter2"}`, `{"raw":"\ud800"}`,
	} {
		f.Add([]byte(s))
	}
	op := post
	b, err := newBinder(reflect.TypeFor[fuzzed](), &op)
	if err != nil {
		f.Fatal(err)
	}
	lb, err := newBinder(reflect.TypeFor[loose](), &op)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		for name, p := range allRules {
			var in fuzzed
			found := bindInto(b, &in, &source{body: body}, p)
			if !bytes.Equal(before, body) {
				t.Fatal("the body was changed")
			}
			if len(found) > maxFindings+1 {
				t.Fatalf("%d findings", len(found))
			}
			for _, fd := range found {
				if fd.Code == "" || fd.Msg == "" || !utf8.ValidString(fd.Msg) {
					t.Fatalf("finding %+v", fd)
				}
			}
			if found == nil {
				if !jsontext.Value(body).IsValid(allowRepeated) || !json.Valid(body) {
					t.Fatalf("%s accepts %q", name, body)
				}
				for k, raw := range in.Kept {
					if !json.Valid(raw) {
						t.Fatalf("%s keeps %q as %q", name, raw, k)
					}
				}
				if len(in.Raw) > 0 && !json.Valid(in.Raw) {
					t.Fatalf("%s keeps %q", name, in.Raw)
				}
				again, err := encodeText(in, p)
				if err != nil || !json.Valid([]byte(again)) {
					t.Fatalf("%s: %q does not print: %v", name, again, err)
				}
			}
		}
		// What is accepted without coercion means what encoding/json reads.
		var in, std loose
		if bindInto(lb, &in, &source{body: body}, ruleA) != nil {
			return
		}
		if exactNames(body) && json.Unmarshal(body, &std) == nil && (in.Name != std.Name || in.N != std.N || in.F != std.F) {
			t.Fatalf("%q is %+v, encoding/json reads %+v", body, in, std)
		}
	})
}

func encodeText(v any, p *Profile) (string, error) {
	var b bytes.Buffer
	err := encode(&b, v, p)
	return b.String(), err
}

// exactNames reports whether no member is one that only encoding/json takes for
// a field, for its looser idea of names and nulls.
func exactNames(body []byte) bool {
	var m map[string]json.RawMessage
	if json.Unmarshal(body, &m) != nil {
		return false
	}
	for name, raw := range m {
		for _, field := range []string{"name", "n", "f", "raw"} {
			if name != field && strings.EqualFold(name, field) || string(raw) == "null" {
				return false
			}
		}
	}
	return !bytes.Contains(body, []byte("null"))
}

// FuzzForm: no form makes the binder panic, and what it gives its fields is
// what net/url reads.
func FuzzForm(f *testing.F) {
	for _, s := range []string{"name=a&n=1", "name=%41+b&raw={}", "name=%", "&&=&", "list=[1]&map={", "a;b=c", "name=%ff", "on=T&f=1e3"} {
		f.Add("application/x-www-form-urlencoded", []byte(s))
	}
	f.Add("multipart/form-data; boundary=x", []byte("--x\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nab\r\n--x--"))
	f.Add("multipart/form-data; boundary=x", []byte("--x\r\nContent-Disposition: form-data; name=\"raw\"; filename=\"f\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=41\r\n--x--\r\n"))
	f.Add("multipart/form-data", []byte("--"))
	b, err := newBinder(reflect.TypeFor[fuzzed](), &formOp)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		var in fuzzed
		found := bindInto(b, &in, &source{body: body, contentType: contentType}, ruleS)
		for _, fd := range found {
			if fd.Code == "" || !utf8.ValidString(fd.Msg) {
				t.Fatalf("finding %+v", fd)
			}
		}
		if len(in.Raw) > 0 && !json.Valid(in.Raw) {
			t.Fatalf("it keeps %q", in.Raw)
		}
		if found != nil || contentType != "application/x-www-form-urlencoded" {
			return
		}
		values, err := url.ParseQuery(strings.Trim(string(body), " \t\r\n"))
		if err != nil {
			return // net/url refuses semicolons, a form need not
		}
		if all := append(values["name"], values["n2"]...); len(all) == 1 && in.Name != all[0] {
			t.Fatalf("%q gives the name %q", body, in.Name)
		}
	})
}

// FuzzQuery: what is accepted is what net/url reads, in order.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{"", "a=1&b", "a=%41+&a=", "&&", "=", "a;b", "%", "a=%zz", "a=%ff", "%C3%A9=%F0%9F%98%80"} {
		f.Add(s)
	}
	type in struct {
		N    int      `query:"n" rule:"clamp=9"`
		Tags []string `query:"tag,unique"`
		IDs  []uint16 `query:"ids,csv"`
		Doc  []Pair   `query:"doc,pairs"`
		Rest []Pair   `query:"*"`
	}
	op := Operation{Routes: []Route{{"GET", "/x"}}}
	b, err := newBinder(reflect.TypeFor[in](), &op)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		pairs, err := parseQuery(raw, 256)
		if err != nil {
			return
		}
		if len(pairs) > 256 {
			t.Fatalf("%d pairs", len(pairs))
		}
		want, err := url.ParseQuery(raw)
		if err != nil {
			t.Fatalf("%q is accepted, net/url says %v", raw, err)
		}
		got := url.Values{}
		for _, p := range pairs {
			got[p.Name] = append(got[p.Name], p.Value)
			if !utf8.ValidString(p.Name+p.Value) || p.Bare && p.Value != "" {
				t.Fatalf("pair %+v", p)
			}
		}
		if !reflect.DeepEqual(want, got) {
			t.Fatalf("%q is %v, net/url reads %v", raw, got, want)
		}
		for _, p := range allRules {
			var v in
			bindInto(b, &v, &source{query: pairs}, p)
		}
	})
}
