package rest

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
)

// The input rules of the five dialects.
var (
	ruleC = &Profile{Time: "2006-01-02T15:04:05.000"}
	ruleT = &Profile{Null: NullAbsent, Time: "Mon, 2 Jan 2006 15:04:05 +0000"}
	ruleA = &Profile{Null: NullAbsent, Query: QueryRule{FoldNames: true, LooseBools: true}}
	ruleX = &Profile{Unknown: FieldRefused, ReadOnly: FieldRefusedOnCreate, Duplicate: FieldRefused, Null: NullClears, NoBody: NoBodyObject, Time: "2006-01-02T15:04:05.000Z07:00"}
	ruleS = &Profile{Coerce: true, Query: QueryRule{EmptyAbsent: true}, Time: "2006-01-02T15:04:05.000000Z07:00"}

	allRules = map[string]*Profile{"C": ruleC, "T": ruleT, "A": ruleA, "X": ruleX, "S": ruleS}
)

var post = Operation{Routes: []Route{{"POST", "/x"}}, Body: JSONBody}

func tryAll[In any](t testing.TB, p *Profile, op Operation, src source) (In, []atoll.Finding) {
	t.Helper()
	b, err := newBinder(reflect.TypeFor[In](), &op)
	if err != nil {
		t.Fatalf("newBinder(%T): %v", *new(In), err)
	}
	var in In
	found := bindInto(b, &in, &src, p)
	return in, found
}

func bindInto[In any](b *binder, in *In, src *source, p *Profile) []atoll.Finding {
	return b.bind(reflect.ValueOf(in).Elem(), src, p)
}

func num(s string) json.Number { return json.Number(s) }

func path(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

// run binds one request and returns the input and its findings as "path code".
func run[In any](t testing.TB, p *Profile, op Operation, src source) (In, []string) {
	t.Helper()
	b, err := newBinder(reflect.TypeFor[In](), &op)
	if err != nil {
		t.Fatalf("newBinder(%T): %v", *new(In), err)
	}
	var in In
	var short []string
	for _, f := range bindInto(b, &in, &src, p) {
		short = append(short, strings.TrimSpace(f.Path+" "+f.Code))
	}
	return in, short
}

type scalars struct {
	Name string      `json:"name"`
	N    int         `json:"n"`
	U    uint8       `json:"u"`
	F    float64     `json:"f"`
	On   bool        `json:"on"`
	At   time.Time   `json:"at"`
	Any  any         `json:"any"`
	Raw  Raw         `json:"raw"`
	Opt  Opt[string] `json:"opt"`
	Ptr  *int        `json:"ptr"`
}

func TestScalarsOfABodyAreBoundByTheirExactTypes(t *testing.T) {
	at := time.Date(2015, 1, 21, 12, 18, 8, 791108000, time.UTC)
	one := 1
	tests := map[string]struct {
		body string
		want scalars
		bad  map[string]string // by profile; "" is the others
	}{
		"all values of their types": {
			body: `{"name":"n","n":-3,"u":255,"f":1.5,"on":true,"at":"2015-01-21T12:18:08.791108Z","any":[1e400],"raw":{"b": 1.0, "a":9223372036854775808},"opt":"o","ptr":1}`,
			want: scalars{Name: "n", N: -3, U: 255, F: 1.5, On: true, At: at, Any: []any{num("1e400")}, Raw: Raw(`{"b": 1.0, "a":9223372036854775808}`), Opt: Some("o"), Ptr: &one},
		},
		"nothing leaves zero values":                 {body: `{}`},
		"names in another case bind nothing":         {body: `{"NAME":"x","Name":"x","nAme":"x"}`, bad: map[string]string{"X": "NAME unknown;Name unknown;nAme unknown"}},
		"an escaped name is the name":                {body: `{"n\u0061me":"x"}`, want: scalars{Name: "x"}},
		"an escaped text is its meaning":             {body: `{"name":"a\u00e9\n\ud83d\ude00"}`, want: scalars{Name: "aé\n😀"}},
		"a number for a text is refused but by S":    {body: `{"name":5}`, bad: map[string]string{"": "name type", "S": ""}, want: scalars{}},
		"a fraction for an integer is refused":       {body: `{"n":3.5}`, bad: map[string]string{"": "n type"}},
		"a text for an object is refused":            {body: `{"n":{}}`, bad: map[string]string{"": "n type"}},
		"an integer that does not fit is refused":    {body: `{"u":256,"n":9223372036854775808}`, bad: map[string]string{"": "u type;n type"}},
		"a negative number for a natural is refused": {body: `{"u":-1}`, bad: map[string]string{"": "u type"}},
		"a float that is too large is refused":       {body: `{"f":1e400}`, bad: map[string]string{"": "f type"}},
		"a time that is none is refused":             {body: `{"at":"yesterday"}`, bad: map[string]string{"": "at type"}},
		"one bad field hides no other": {
			body: `{"on":"maybe","n":[],"f":"x","name":"kept"}`, want: scalars{Name: "kept"},
			bad: map[string]string{"": "on type;n type;f type"},
		},
		"a null is refused, absent or cleared": {
			body: `{"opt":null,"n":null}`,
			bad:  map[string]string{"C": "opt null;n null", "S": "opt null;n null"},
			want: scalars{},
		},
	}
	for name, tt := range tests {
		for dialect, p := range allRules {
			t.Run(name+" in "+dialect, func(t *testing.T) {
				got, bad := run[scalars](t, p, post, source{body: []byte(tt.body)})
				want, ok := tt.bad[dialect]
				if !ok {
					want = tt.bad[""]
				}
				if diff := cmp.Diff(want, strings.Join(bad, ";")); diff != "" {
					t.Fatalf("findings (-want +got):\n%s", diff)
				}
				input := tt.want
				switch {
				case name == "a null is refused, absent or cleared" && dialect == "X":
					input.Opt = Cleared[string]()
				case strings.HasPrefix(name, "a number for a text") && dialect == "S":
					input.Name = "5"
				}
				if diff := cmp.Diff(input, got); diff != "" {
					t.Errorf("input (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestCoercionOfS(t *testing.T) {
	tests := map[string]struct {
		body string
		want scalars
		bad  string
	}{
		"the text of an integer":              {body: `{"n":"60","u":" 7 "}`, want: scalars{N: 60, U: 7}},
		"a number without fraction":           {body: `{"n":60.0,"u":2e1}`, want: scalars{N: 60, U: 20}},
		"the text of a float":                 {body: `{"f":"1.5"}`, want: scalars{F: 1.5}},
		"texts that are no JSON numbers":      {body: `{"f":"NaN","n":"0x10","u":"+1"}`, bad: "f type;n type;u type"},
		"one and zero for booleans":           {body: `{"on":1}`, want: scalars{On: true}},
		"words for booleans in any case":      {body: `{"on":"T"}`, want: scalars{On: true}},
		"other numbers are no booleans":       {body: `{"on":2}`, bad: "on type"},
		"a boolean is no text":                {body: `{"name":true}`, bad: "name type"},
		"a list is no text":                   {body: `{"name":[]}`, bad: "name type"},
		"a number keeps its text in a string": {body: `{"name":1.50}`, want: scalars{Name: "1.50"}},
		"a text that contains JSON":           {body: `{"raw":"{\"a\": 1.0}"}`, want: scalars{Raw: Raw(`{"a": 1.0}`)}},
		"a text that contains none":           {body: `{"raw":"abc"}`, want: scalars{Raw: Raw(`"abc"`)}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, bad := run[scalars](t, ruleS, post, source{body: []byte(tt.body)})
			if diff := cmp.Diff(tt.bad, strings.Join(bad, ";")); diff != "" {
				t.Fatalf("findings (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("input (-want +got):\n%s", diff)
			}
		})
	}
	for name, p := range allRules {
		if p.Coerce {
			continue
		}
		t.Run("no coercion in "+name, func(t *testing.T) {
			_, bad := run[scalars](t, p, post, source{body: []byte(`{"n":3.0,"u":"3","f":"1","on":1,"raw":1}`)})
			if diff := cmp.Diff([]string{"n type", "u type", "f type", "on type"}, bad); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestABodyThatCannotBeReadIsOneFinding(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	tests := map[string]struct{ body, want string }{
		"empty":                        {"", "syntax"},
		"blank":                        {" \n", "syntax"},
		"a byte order mark":            {"\uFEFF{}", "syntax"},
		"text after the value":         {`{} x`, "trailing"},
		"two values":                   {`{}{}`, "trailing"},
		"invalid UTF-8":                {"{\"name\":\"\xff\"}", "utf8"},
		"a lone surrogate":             {`{"name":"\ud800"}`, "syntax"},
		"an unclosed object":           {`{"name":1`, "syntax"},
		"a trailing comma":             {`{"n":1,}`, "syntax"},
		"a comment":                    {`{/**/}`, "syntax"},
		"a number with a leading zero": {`{"n":01}`, "syntax"},
		"a control character":          {"{\"name\":\"\n\"}", "syntax"},
		"an array":                     {`[]`, "type"},
		"a text":                       {`"x"`, "type"},
		"null":                         {`null`, "type"},
		"64 levels pass":               {`{"raw":` + deep(63) + `}`, ""},
		"65 levels":                    {`{"raw":` + deep(64) + `}`, "depth"},
		"10,000 levels":                {`{"raw":` + deep(9999) + `}`, "depth"},
		"10,000 unclosed levels":       {strings.Repeat(`{"a":`, 10000), "depth"},
		"brackets in texts are none":   {`{"raw":"` + strings.Repeat("[", 100) + `\"[["}`, ""},
		"white space around it":        {" \r\n\t{} \n", ""},
	}
	for name, tt := range tests {
		for dialect, p := range allRules {
			t.Run(name+" in "+dialect, func(t *testing.T) {
				_, bad := run[scalars](t, p, post, source{body: []byte(tt.body)})
				if got := strings.Join(bad, ";"); got != tt.want {
					t.Errorf("findings %q, want %q", got, tt.want)
				}
			})
		}
	}
}

func TestDuplicateAndUnknownMembers(t *testing.T) {
	type inner struct {
		A int `json:"a"`
	}
	type in struct {
		A     int              `json:"a" alias:"b"`
		In    inner            `json:"in"`
		List  []inner          `json:"list"`
		Map   map[string]inner `json:"map"`
		Raw   Raw              `json:"raw"`
		Unset string           `json:"unset"`
	}
	tests := map[string]struct {
		body string
		want in
		bad  string // in X
	}{
		"the last of equal names counts":   {`{"a":1,"a":2}`, in{A: 2}, "a duplicate"},
		"an alias is the same member":      {`{"a":1,"b":2}`, in{A: 2}, "b duplicate"},
		"a dropped one is not looked at":   {`{"a":"x","a":2}`, in{A: 2}, "a duplicate"},
		"inside an object":                 {`{"in":{"a":1,"a":2}}`, in{In: inner{2}}, "/in/a duplicate"},
		"inside a map":                     {`{"map":{"k":{"a":1},"k":{"a":2}}}`, in{Map: map[string]inner{"k": {2}}}, "/map/k duplicate"},
		"inside a kept value":              {`{"raw":{"k":1,"k":2}}`, in{Raw: Raw(`{"k":1,"k":2}`)}, "raw duplicate"},
		"an unknown member":                {`{"z":1}`, in{}, "z unknown"},
		"unknown members in their order":   {`{"z":1,"a":3,"y":2}`, in{A: 3}, "z unknown;y unknown"},
		"an unknown member in a list":      {`{"list":[{"a":1},{"q/~":1}]}`, in{List: []inner{{1}, {}}}, "/list/1/q~1~0 unknown"},
		"a fault inside a list has a path": {`{"list":[{"a":1}],"in":{}}`, in{List: []inner{{1}}}, ""},
	}
	for name, tt := range tests {
		for dialect, p := range allRules {
			t.Run(name+" in "+dialect, func(t *testing.T) {
				got, bad := run[in](t, p, post, source{body: []byte(tt.body)})
				if dialect == "X" {
					if diff := cmp.Diff(tt.bad, strings.Join(bad, ";")); diff != "" {
						t.Errorf("findings (-want +got):\n%s", diff)
					}
					return
				}
				if bad != nil {
					t.Errorf("findings %q, want none", bad)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("input (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestUnknownMembersAreKeptWhereAFieldTakesThem(t *testing.T) {
	type in struct {
		A    int            `json:"a"`
		Rest map[string]Raw `body:"keep"`
	}
	for dialect, p := range allRules {
		got, bad := run[in](t, p, post, source{body: []byte(`{"z":{"n": 1.0},"a":1,"A":[]}`)})
		if bad != nil {
			t.Errorf("%s: findings %q", dialect, bad)
		}
		want := in{A: 1, Rest: map[string]Raw{"z": Raw(`{"n": 1.0}`), "A": Raw(`[]`)}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: input (-want +got):\n%s", dialect, diff)
		}
	}
}

func TestMembersThatOnlyAnswersCarry(t *testing.T) {
	type in struct {
		ID   string `json:"id" show:"ro"`
		Name string `json:"name" show:"create" rule:"required"`
		Note string `json:"note"`
	}
	put := Operation{Routes: []Route{{"PUT", "/x"}}, Body: JSONBody}
	body := source{body: []byte(`{"id":"x","name":"n","note":"k"}`)}
	for dialect, p := range allRules {
		got, bad := run[in](t, p, post, body)
		if dialect == "X" {
			if diff := cmp.Diff([]string{"id read_only"}, bad); diff != "" {
				t.Errorf("X creates (-want +got):\n%s", diff)
			}
		} else if diff := cmp.Diff(in{Name: "n", Note: "k"}, got); diff != "" || bad != nil {
			t.Errorf("%s creates: %q %s", dialect, bad, diff)
		}
		got, bad = run[in](t, p, put, body)
		if diff := cmp.Diff(in{Note: "k"}, got); diff != "" || bad != nil {
			t.Errorf("%s changes: %q %s", dialect, bad, diff)
		}
	}
	refuse := &Profile{ReadOnly: FieldRefused}
	_, bad := run[in](t, refuse, put, body)
	if diff := cmp.Diff([]string{"id read_only", "name read_only"}, bad); diff != "" {
		t.Errorf("refused everywhere (-want +got):\n%s", diff)
	}
}

func TestSourcesOfOneFieldAreTriedInOrder(t *testing.T) {
	type in struct {
		ID string `path:"pid,object" json:"id" query:"id" rule:"required"`
	}
	op := Operation{Routes: []Route{{"PATCH", "/x"}, {"PATCH", "/x/{pid}"}}, Body: JSONBody, Optional: true}
	query := []Pair{{Name: "id", Value: "q"}}
	tests := map[string]struct {
		src  source
		want string
		bad  string
	}{
		"the path wins":            {source{path: path("pid", "p"), query: query, body: []byte(`{"id":"b"}`)}, "p", ""},
		"the body is second":       {source{query: query, body: []byte(`{"id":"b"}`)}, "b", ""},
		"the query is third":       {source{query: query}, "q", ""},
		"none is required":         {source{}, "", "id required"},
		"a bad body is not hidden": {source{query: query, body: []byte(`{"id":{}}`)}, "", "id type"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, bad := run[in](t, ruleC, op, tt.src)
			if got.ID != tt.want || strings.Join(bad, ";") != tt.bad {
				t.Errorf("bound %q with %q, want %q with %q", got.ID, bad, tt.want, tt.bad)
			}
		})
	}
}

func TestABodyMayHaveToRepeatThePath(t *testing.T) {
	type in struct {
		ID string `path:"id,object" json:"id" rule:"same"`
	}
	op := Operation{Routes: []Route{{"PUT", "/x/{id}"}}, Body: JSONBody}
	for body, want := range map[string]string{`{}`: "", `{"id":"a"}`: "", `{"id":"b"}`: "id same", `{"id":7}`: "id type", `{"id":null}`: "id same"} {
		got, bad := run[in](t, ruleX, op, source{path: path("id", "a"), body: []byte(body)})
		if strings.Join(bad, ";") != want || got.ID != "a" {
			t.Errorf("%s: bound %q with %q, want %q", body, got.ID, bad, want)
		}
	}
}

type colour string

func (colour) Values() []string { return []string{"red", "green"} }

func TestQueryParameters(t *testing.T) {
	type in struct {
		Limit   int       `query:"limit" rule:"min=1 default=25 clamp=100"`
		Exact   bool      `query:"exact"`
		Tags    []string  `query:"tag,list"`
		IDs     []int     `query:"ids,csv"`
		Once    []string  `query:"q,unique"`
		Reverse bool      `query:"reverse,present"`
		Docs    []Pair    `query:"doc,pairs"`
		Colour  colour    `query:"colour"`
		Opt     Opt[int]  `query:"opt"`
		At      time.Time `query:"at"`
	}
	get := Operation{Routes: []Route{{"GET", "/x"}}}
	tests := map[string]struct {
		query string
		want  in
		bad   string
		p     *Profile
	}{
		"nothing gives defaults":            {want: in{Limit: 25}},
		"the last of several counts":        {query: "limit=x&limit=3", want: in{Limit: 3}},
		"a larger value is clamped":         {query: "limit=4000", want: in{Limit: 100}},
		"a small value breaks the rule":     {query: "limit=0", want: in{Limit: 0}, bad: "limit min"},
		"every bad parameter in order":      {query: "opt=x&limit=1.5&exact=1", want: in{}, bad: "opt type;limit type;exact type"},
		"lists collect":                     {query: "tag=b&tag=a&tag=b", want: in{Limit: 25, Tags: []string{"b", "a", "b"}}},
		"equal values count once":           {query: "q=b&q=a&q=b", want: in{Limit: 25, Once: []string{"b", "a"}}},
		"commas separate":                   {query: "ids=1,2&ids=3", want: in{Limit: 25, IDs: []int{1, 2, 3}}},
		"a bad element is named":            {query: "ids=1,x", want: in{Limit: 25, IDs: []int{1}}, bad: "ids type"},
		"presence in any form":              {query: "reverse=", want: in{Limit: 25, Reverse: true}},
		"bare names are pairs":              {query: "doc=a&b&doc=c&d=e", want: in{Limit: 25, Docs: []Pair{{"doc", "a", false}, {"b", "", true}, {"doc", "c", false}}}},
		"names are exact":                   {query: "LIMIT=3", want: in{Limit: 25}},
		"but in A":                          {query: "LIMIT=3&Exact=TRUE", want: in{Limit: 3, Exact: true}, p: ruleA},
		"numbers are booleans in A":         {query: "exact=0", want: in{Limit: 25}, p: ruleA},
		"an empty value is there":           {query: "limit=", bad: "limit type"},
		"but not in S":                      {query: "limit=", want: in{Limit: 25}, p: ruleS},
		"an empty one hides no other in S":  {query: "limit=3&limit=", want: in{Limit: 3}, p: ruleS},
		"values of a type are its enum":     {query: "colour=blue", want: in{Limit: 25, Colour: "blue"}, bad: "colour enum"},
		"an Opt is given":                   {query: "opt=0", want: in{Limit: 25, Opt: Some(0)}},
		"unknown parameters are ignored":    {query: "z=1&y", want: in{Limit: 25, Docs: []Pair{{"y", "", true}}}},
		"unknown parameters are so in X":    {query: "z=1", want: in{Limit: 25}, p: ruleX},
		"times are read as RFC 3339":        {query: "at=2015-01-21T12:18:08Z", want: in{Limit: 25, At: time.Date(2015, 1, 21, 12, 18, 8, 0, time.UTC)}},
		"an escape is taken apart":          {query: "tag=%41%26+b", want: in{Limit: 25, Tags: []string{"A& b"}}},
		"numbers are not texts of numbers":  {query: "limit=0x10", bad: "limit type"},
		"signs and blanks are not numbers":  {query: "limit=%2B5", bad: "limit type"},
		"a number out of range is refused":  {query: "limit=99999999999999999999", bad: "limit type"},
		"leading zeros are refused":         {query: "limit=05", bad: "limit type"},
		"a list beside bad values survives": {query: "ids=x,2", want: in{Limit: 25, IDs: []int{2}}, bad: "ids type"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := tt.p
			if p == nil {
				p = ruleC
			}
			pairs, err := parseQuery(tt.query, 256)
			if err != nil {
				t.Fatal(err)
			}
			got, bad := run[in](t, p, get, source{query: pairs})
			if strings.Join(bad, ";") != tt.bad {
				t.Fatalf("findings %q, want %q", bad, tt.bad)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("input (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheRestOfAQueryIsKept(t *testing.T) {
	type in struct {
		Limit   int    `query:"limit"`
		Filters []Pair `query:"*"`
	}
	got, bad := run[in](t, ruleT, Operation{Routes: []Route{{"GET", "/x"}}},
		source{query: []Pair{{Name: "state", Value: "Running"}, {Name: "limit", Value: "3"}, {Name: "a", Bare: true}}})
	want := in{Limit: 3, Filters: []Pair{{Name: "state", Value: "Running"}, {Name: "a", Bare: true}}}
	if diff := cmp.Diff(want, got); diff != "" || bad != nil {
		t.Errorf("%q (-want +got):\n%s", bad, diff)
	}
}

func TestPathHeaderAndSelf(t *testing.T) {
	type in struct {
		Self
		Name   string `path:"name,scope"`
		ID     uint32 `path:"id,object" rule:"min=1"`
		Digest string `header:"Content-Digest"`
	}
	op := Operation{Routes: []Route{{"GET", "/i/{name}/x/{id}"}}}
	self := Self{Path: "/i/a%2Fb/x/3/", Base: "http://h"}
	got, bad := run[in](t, ruleC, op, source{path: path("name", "a/b", "id", "3"), header: http.Header{"Content-Digest": {"d", "e"}}, self: self})
	if diff := cmp.Diff(in{Self: self, Name: "a/b", ID: 3, Digest: "d"}, got); diff != "" || bad != nil {
		t.Errorf("%q (-want +got):\n%s", bad, diff)
	}
	_, bad = run[in](t, ruleC, op, source{path: path("name", "n", "id", "-1")})
	if diff := cmp.Diff([]string{"id type"}, bad); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

type eventBody struct{ text string }

func (e *eventBody) DecodeBody(b []byte) error {
	if string(b) == "bad" {
		return &atoll.Error{Kind: atoll.Invalid, Findings: []atoll.Finding{{Code: "event", Msg: "the event is bad"}}}
	}
	e.text = string(b)
	return nil
}

func TestABodyMayBeTakenWhole(t *testing.T) {
	raw := Operation{Routes: []Route{{"POST", "/x"}}, Body: RawBody}
	type object struct {
		Body Raw `body:"raw"`
	}
	type anything struct {
		Body Raw `body:"raw,any"`
	}
	type own struct {
		Body eventBody `body:"raw"`
	}
	text := ` {"n": 1.0, "n":2, "big":9223372036854775808} `
	got, bad := run[object](t, ruleC, raw, source{body: []byte(text)})
	if string(got.Body) != text || bad != nil {
		t.Errorf("kept %q with %q, want the text itself", got.Body, bad)
	}
	if _, bad = run[object](t, ruleX, raw, source{body: []byte(text)}); len(bad) != 1 || bad[0] != "duplicate" {
		t.Errorf("X keeps a repeated name: %q", bad)
	}
	if _, bad = run[object](t, ruleC, raw, source{body: []byte(`[]`)}); len(bad) != 1 || bad[0] != "type" {
		t.Errorf("an array instead of an object: %q", bad)
	}
	if got, bad := run[anything](t, ruleC, raw, source{body: []byte(`[1]`)}); string(got.Body) != `[1]` || bad != nil {
		t.Errorf("any value: %q %q", got.Body, bad)
	}
	if got, bad := run[own](t, ruleC, raw, source{body: []byte(`{not looked at`)}); got.Body.text != `{not looked at` || bad != nil {
		t.Errorf("a body that reads itself: %q %q", got.Body.text, bad)
	}
	if _, bad := run[own](t, ruleC, raw, source{body: []byte(`bad`)}); len(bad) != 1 || bad[0] != "event" {
		t.Errorf("its findings: %q", bad)
	}
}

func TestABodyWhereNoneIsExpected(t *testing.T) {
	type in struct {
		Name string `path:"name"`
	}
	op := Operation{Routes: []Route{{"POST", "/x/{name}"}}}
	for body, want := range map[string]string{"": "", "{}": "", `{"a":1}`: "a unknown", "[]": "type", "x": "syntax"} {
		if _, bad := run[in](t, ruleX, op, source{path: path("name", "n"), body: []byte(body)}); strings.Join(bad, ";") != want {
			t.Errorf("X with %q: %q, want %q", body, bad, want)
		}
		if _, bad := run[in](t, ruleC, op, source{path: path("name", "n"), body: []byte(body)}); bad != nil {
			t.Errorf("C with %q: %q, want it ignored", body, bad)
		}
	}
}
