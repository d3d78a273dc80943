package rest

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestFieldsDescribeATypeOnce(t *testing.T) {
	type paging struct {
		Limit int `query:"limit" rule:"min=1 max=100 default=25" doc:"How many."`
	}
	type in struct {
		paging
		Self
		Instance string    `path:"instance_name,scope"`
		Name     string    `json:"name" rule:"required max=50" show:"create"`
		Group    Opt[int]  `json:"group" wire:"field" rule:"null"`
		Kind     colour    `json:"kind_of" alias:"kind,type" opt:"required"`
		At       time.Time `json:"created_at" show:"ro"`
		Count    int       `json:"count" show:"computed"`
		Pass     Secret    `json:"pass" show:"wo" label:"the password"`
		Mail     string    `json:"email" wire:"email" rule:"max=254"`
		Links    Raw       `json:"links" links:"self:detail objects:list"`
		hidden   int
	}
	f := func(v float64) *float64 { return &v }
	want := []Field{
		{Name: "limit", GoName: "Limit", Wire: WireInteger, Query: "limit", Min: f(1), Max: f(100), Default: "25", Label: "limit", Doc: "How many."},
		{Name: "instance_name", GoName: "Instance", Wire: WireString, Path: "instance_name", Role: "scope", Label: "instance name"},
		{Name: "name", GoName: "Name", Wire: WireString, JSON: "name", Required: true, OptRequired: true, CreateOnly: true, Max: f(50), Label: "name"},
		{Name: "group", GoName: "Group", Wire: WireField, JSON: "group", Nullable: true, Label: "group"},
		{Name: "kind_of", GoName: "Kind", Wire: WireChoice, JSON: "kind_of", Alias: []string{"kind", "type"}, OptRequired: true, Enum: []string{"red", "green"}},
		{Name: "created_at", GoName: "At", Wire: WireDatetime, JSON: "created_at", ReadOnly: true, Label: "created at"},
		{Name: "count", GoName: "Count", Wire: WireField, JSON: "count", ReadOnly: true, Computed: true},
		{Name: "pass", GoName: "Pass", Wire: WireString, JSON: "pass", WriteOnly: true, Label: "the password"},
		{Name: "email", GoName: "Mail", Wire: WireEmail, JSON: "email", Max: f(254), Label: "email"},
		{Name: "links", GoName: "Links", Wire: WireLinks, JSON: "links", Links: []Link{{"self", "detail"}, {"objects", "list"}}},
	}
	_ = in{hidden: 1} // unexported fields are nobody's business
	got, err := FieldsOf[in]()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Field{}), cmpopts.IgnoreFields(Field{}, "GoType")); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	again, _ := FieldsOf[in]()
	if &again[0] != &got[0] {
		t.Error("the descriptors are made twice")
	}
}

func TestWrongTagsAreRefusedAtConstruction(t *testing.T) {
	op := func(method, path string, body BodyMode) Operation {
		return Operation{Routes: []Route{{method, path}}, Body: body}
	}
	tests := map[string]struct {
		in   any
		op   Operation
		want string
	}{
		"no source": {struct{ A int }{}, post, "has no source"},
		"an unexported field with tags": {struct {
			a int `query:"a"`
		}{}, post, "not exported"},
		"a member twice": {struct {
			A int `json:"a"`
			B int `json:"b" alias:"a"`
		}{}, post, `member "a" is taken`},
		"a parameter twice": {struct {
			A int `query:"a"`
			B int `query:"a"`
		}{}, post, `parameter "a" is taken`},
		"an unknown role": {struct {
			A int `path:"a,thing"`
		}{}, op("GET", "/{a}", NoBody), "path role"},
		"a parameter no route has": {struct {
			A int `path:"a"`
		}{}, op("GET", "/{b}", NoBody), `no route has the path parameter "a"`},
		"a parameter no field takes": {struct{}{}, op("GET", "/x/{b}", NoBody), `no field takes the path parameter "b"`},
		"an unknown query option": {struct {
			A int `query:"a,many"`
		}{}, post, "query option"},
		"a list that is none": {struct {
			A int `query:"a,list"`
		}{}, post, "wants a slice"},
		"a list of bytes": {struct {
			A []byte `query:"a,list"`
		}{}, post, "wants a slice"},
		"presence that is no bool": {struct {
			A int `query:"a,present"`
		}{}, post, "wants a bool"},
		"pairs that are none": {struct {
			A string `query:"*"`
		}{}, post, "wants the type []Pair"},
		"an object in a query": {struct {
			A struct{} `query:"a"`
		}{}, post, "cannot be read from the text"},
		"an unknown json option": {struct {
			A int `json:"a,string"`
		}{}, post, "not supported"},
		"an unknown show": {struct {
			A int `json:"a" show:"never"`
		}{}, post, "show"},
		"a required read-only field": {struct {
			A int `json:"a" show:"ro" rule:"required"`
		}{}, post, "cannot be required"},
		"an unknown rule": {struct {
			A int `json:"a" rule:"nice"`
		}{}, post, `rule "nice": it is not known`},
		"a rule twice": {struct {
			A int `json:"a" rule:"max=1 max=2"`
		}{}, post, "given twice"},
		"a bound of a boolean": {struct {
			A bool `json:"a" rule:"max=1"`
		}{}, post, "has no size"},
		"a fraction for an integer": {struct {
			A int `json:"a" rule:"max=1.5"`
		}{}, post, "wants an integer"},
		"bounds the wrong way round": {struct {
			A int `json:"a" rule:"min=2 max=1"`
		}{}, post, "min is larger than max"},
		"a pattern that is none": {struct {
			A string `json:"a" rule:"re=("`
		}{}, post, "missing closing"},
		"a pattern of a number": {struct {
			A int `json:"a" rule:"re=1"`
		}{}, post, "wants a text"},
		"an argument too much": {struct {
			A int `json:"a" rule:"required=1"`
		}{}, post, "too much"},
		"a default that does not fit the type": {struct {
			A int `json:"a" rule:"default=x"`
		}{}, post, "the default breaks a rule"},
		"a default that breaks a rule": {struct {
			A int `json:"a" rule:"max=1 default=2"`
		}{}, post, "the default breaks a rule"},
		"a required default": {struct {
			A int `json:"a" rule:"required default=2"`
		}{}, post, "no use for a default"},
		"a default secret": {struct {
			A Secret `json:"a" rule:"default=x"`
		}{}, post, "a secret has no default"},
		"same without a path": {struct {
			A string `json:"a" rule:"same"`
		}{}, post, "wants a path and a body source"},
		"a member without a body": {struct {
			A int `json:"a"`
		}{}, op("GET", "/x", NoBody), "takes no body"},
		"members beside the whole body": {struct {
			A int `json:"a"`
			B Raw `body:"raw"`
		}{}, post, "cannot both"},
		"a raw row without a field": {struct{}{}, op("POST", "/x", RawBody), "wants a field"},
		"a raw field of a wrong type": {struct {
			B string `body:"raw"`
		}{}, op("POST", "/x", RawBody), "wants Raw"},
		"a kept rest of a wrong type": {struct {
			B map[string]string `body:"keep"`
		}{}, post, "wants map[string]Raw"},
		"an upload without its mode": {struct {
			B Upload `body:"upload"`
		}{}, post, "go together"},
		"an upload of a wrong type": {struct {
			B []byte `body:"upload"`
		}{}, op("PUT", "/x", UploadBody), "wants the type Upload"},
		"a channel": {struct {
			A chan int `json:"a"`
		}{}, post, "not data"},
		"a function deep inside": {struct {
			A []map[string]struct {
				F func() `json:"f"`
			} `json:"a"`
		}{}, post, "not data"},
		"bytes": {struct {
			A []byte `json:"a"`
		}{}, post, "not a JSON type"},
		"a duration": {struct {
			A time.Duration `json:"a"`
		}{}, post, "no unit"},
		"keys that are no texts": {struct {
			A map[int]int `json:"a"`
		}{}, post, "not texts"},
		"an unknown wire word": {struct {
			A int `json:"a" wire:"number"`
		}{}, post, "wire"},
		"links without types": {struct {
			A Raw `json:"a" links:"self"`
		}{}, post, "links"},
		"an unknown claim": {struct {
			A int `json:"a" opt:"maybe"`
		}{}, post, "opt"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := newBinder(reflect.TypeOf(tt.in), &tt.op)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestEveryFaultOfATypeIsReported(t *testing.T) {
	_, err := newBinder(reflect.TypeFor[struct {
		A int `json:"a" rule:"nice"`
		B int
		C int `path:"c"`
	}](), &post)
	if err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Fatalf("error %v, want the two faults of tags", err)
	}
}

func TestAnswersThatCannotBeWrittenAreRefusedAtConstruction(t *testing.T) {
	type bad struct {
		F chan int `json:"f"`
	}
	o := post
	o.out = reflect.TypeFor[Created[[]bad]]()
	if _, err := newBinder(reflect.TypeFor[struct{}](), &o); err == nil || !strings.Contains(err.Error(), "not data") {
		t.Errorf("error %v", err)
	}
}

func TestTopField(t *testing.T) {
	for path, want := range map[string]string{"": "", "name": "name", "/list/1/x": "list", "/a~1b~0/2": "a/b~"} {
		if got := TopField(path); got != want {
			t.Errorf("TopField(%q) = %q, want %q", path, got, want)
		}
	}
}
