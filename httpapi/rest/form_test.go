package rest

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var formOp = Operation{Routes: []Route{{"POST", "/x"}}, Body: FormBody}

type formIn struct {
	Name string   `json:"name" rule:"required"`
	N    int      `json:"n"`
	F    float64  `json:"f"`
	On   bool     `json:"on"`
	List []string `json:"list"`
	Deep struct {
		A int `json:"a"`
	} `json:"deep"`
	Meta  Raw            `json:"meta"`
	Any   any            `json:"any"`
	Group Opt[int]       `json:"group"`
	Kept  map[string]Raw `body:"keep"`
}

func multipartOf(t testing.TB, pairs ...string) (string, []byte) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(pairs); i += 2 {
		if err := w.WriteField(pairs[i], pairs[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.Bytes()
}

func TestFormsBindAsJSONDoes(t *testing.T) {
	tests := map[string]struct {
		pairs []string
		json  string
		bad   string
	}{
		"texts, numbers and booleans": {[]string{"name", "a b&c=é", "n", "60", "f", "1.5", "on", "true"}, `{"name":"a b&c=é","n":60,"f":1.5,"on":true}`, ""},
		"JSON in fields of JSON type": {
			[]string{"name", "x", "list", `["a"]`, "deep", `{"a":1}`, "meta", `{"n":1.0}`, "group", "3"},
			`{"name":"x","list":["a"],"deep":{"a":1},"meta":{"n":1.0},"group":3}`, "",
		},
		"the last of equal names":         {[]string{"name", "a", "name", "b"}, `{"name":"b"}`, ""},
		"unknown fields are kept":         {[]string{"name", "a", "z", "1"}, `{"name":"a","z":"1"}`, ""},
		"names are exact":                 {[]string{"name", "a", "NAME", "b"}, `{"name":"a","NAME":"b"}`, ""},
		"all faults":                      {[]string{"n", "x", "on", "perhaps", "list", "[1"}, `{"n":"x","on":"perhaps","list":"[1"}`, "n type;on type;list type;name required"},
		"a missing one":                   {nil, `{}`, "name required"},
		"an empty text is a value":        {[]string{"name", ""}, `{"name":""}`, ""},
		"a text in a field of any JSON":   {[]string{"name", "a", "meta", "hello"}, `{"name":"a","meta":"hello"}`, ""},
		"quotes and breaks in field text": {[]string{"name", "\"\\\n"}, `{"name":"\"\\\n"}`, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			want, bad := run[formIn](t, ruleS, formOp, source{body: []byte(tt.json)})
			if got := strings.Join(bad, ";"); got != tt.bad {
				t.Fatalf("JSON: findings %q, want %q", got, tt.bad)
			}
			var encoded []string
			for i := 0; i < len(tt.pairs); i += 2 {
				encoded = append(encoded, url.QueryEscape(tt.pairs[i])+"="+url.QueryEscape(tt.pairs[i+1]))
			}
			contentType, parts := multipartOf(t, tt.pairs...)
			for form, src := range map[string]source{
				"urlencoded": {contentType: "application/x-www-form-urlencoded; charset=utf-8", body: []byte(strings.Join(encoded, "&"))},
				"multipart":  {contentType: contentType, body: parts},
			} {
				got, bad := run[formIn](t, ruleS, formOp, src)
				if s := strings.Join(bad, ";"); s != tt.bad {
					t.Errorf("%s: findings %q, want %q", form, s, tt.bad)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s (-json +form):\n%s", form, diff)
				}
			}
		})
	}
}

func TestFormsThatCannotBeRead(t *testing.T) {
	const urlencoded = "application/x-www-form-urlencoded"
	tests := map[string]struct{ contentType, body string }{
		"a bad escape":           {urlencoded, "name=%zz"},
		"bytes that are no text": {urlencoded, "name=%ff"},
		"no boundary":            {"multipart/form-data", "--x--"},
		"no parts":               {"multipart/form-data; boundary=x", "hello"},
		"cut off":                {"multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nab"},
		"a part without a name":  {"multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data\r\n\r\nab\r\n--x--"},
		"a part that is binary":  {"multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\n\xff\r\n--x--"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, bad := run[formIn](t, ruleS, formOp, source{contentType: tt.contentType, body: []byte(tt.body)})
			if diff := cmp.Diff([]string{"syntax"}, bad); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
	var pairs []string
	for i := range maxParts {
		pairs = append(pairs, fmt.Sprint("f", i), "1")
	}
	contentType, body := multipartOf(t, append(pairs[:len(pairs)-2], "name", "n")...)
	if _, bad := run[formIn](t, ruleS, formOp, source{contentType: contentType, body: body}); bad != nil {
		t.Errorf("64 parts: %q", bad)
	}
	contentType, body = multipartOf(t, append(pairs, "name", "n")...)
	if _, bad := run[formIn](t, ruleS, formOp, source{contentType: contentType, body: body}); len(bad) != 1 {
		t.Errorf("65 parts: %q", bad)
	}
}

func TestQueriesThatCannotBeRead(t *testing.T) {
	tests := map[string]struct {
		raw  string
		want []Pair
		ok   bool
	}{
		"empty":                {"", nil, true},
		"order and bare":       {"b=1&a&b=&=x", []Pair{{"b", "1", false}, {"a", "", true}, {"b", "", false}, {"", "x", false}}, true},
		"empty parts":          {"&&a=1&", []Pair{{"a", "1", false}}, true},
		"escapes":              {"%61=%26+%2B", []Pair{{"a", "& +", false}}, true},
		"a semicolon":          {"a=1;b=2", nil, false},
		"a bad escape":         {"a=%", nil, false},
		"a bad name":           {"%g=1", nil, false},
		"not UTF-8":            {"a=%ff", nil, false},
		"256 parameters":       {strings.Repeat("a&", 256), make256(), true},
		"257 parameters":       {strings.Repeat("a&", 257), nil, false},
		"many empty ones":      {strings.Repeat("&", 1000) + "a", []Pair{{"a", "", true}}, true},
		"an escaped semicolon": {"a=%3B", []Pair{{"a", ";", false}}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parseQuery(tt.raw, 256)
			if (err == nil) != tt.ok {
				t.Fatalf("error %v", err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func make256() []Pair {
	pairs := make([]Pair, 256)
	for i := range pairs {
		pairs[i] = Pair{"a", "", true}
	}
	return pairs
}
