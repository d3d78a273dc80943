package rest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
)

func TestEachRuleNamesItsField(t *testing.T) {
	type in struct {
		Name  string         `json:"name" rule:"min=2 max=5 re=[a-zé]+"`
		Trim  string         `json:"trim" rule:"trim max=3"`
		N     int            `json:"n" rule:"min=-1 max=10 enum=1,5,11"`
		U     uint16         `json:"u" rule:"max=65534"`
		F     float64        `json:"f" rule:"min=0.5 max=1.5"`
		Clamp Opt[int]       `json:"clamp" rule:"clamp=100"`
		List  []string       `json:"list" rule:"min=1 max=2 enum=a,b re=."`
		Map   map[string]int `json:"map" rule:"max=1"`
		Raw   Raw            `json:"raw" rule:"max=5"`
		Kind  colour         `json:"kind"`
		Kinds []colour       `json:"kinds"`
		Ptr   *string        `json:"ptr" rule:"max=1"`
		Null  Opt[string]    `json:"null" rule:"null max=2"`
	}
	type found = []atoll.Finding
	tests := map[string]struct {
		body string
		want found
	}{
		"characters are counted, not bytes": {`{"name":"éééa"}`, nil},
		"too long":                          {`{"name":"abcdef"}`, found{{Path: "name", Code: "max", Msg: `name must have at most 5 characters, it has 6, got "abcdef"`}}},
		"all broken rules of a field": {`{"name":"1"}`, found{
			{Path: "name", Code: "min", Msg: `name must have at least 2 characters, it has 1, got "1"`},
			{Path: "name", Code: "re", Msg: `name must match [a-zé]+, got "1"`},
		}},
		"a pattern holds for the whole text": {`{"name":"ab1"}`, found{{Path: "name", Code: "re", Msg: `name must match [a-zé]+, got "ab1"`}}},
		"a pattern admits no line end":       {`{"name":"ab\n"}`, found{{Path: "name", Code: "re", Msg: `name must match [a-zé]+, got "ab\n"`}}},
		"blanks are cut before counting":     {`{"trim":"  abc  "}`, nil},
		"numbers": {`{"n":11,"u":65535,"f":0.25}`, found{
			{Path: "n", Code: "max", Msg: "n must be at most 10, got 11"},
			{Path: "u", Code: "max", Msg: "u must be at most 65534, got 65535"},
			{Path: "f", Code: "min", Msg: "f must be at least 0.5, got 0.25"},
		}},
		"an enum of numbers": {`{"n":2}`, found{{Path: "n", Code: "enum", Msg: "n must be one of 1, 5, 11, got 2"}}},
		"elements": {`{"list":["a","c","b"]}`, found{
			{Path: "list", Code: "max", Msg: "list must have at most 2 elements, it has 3"},
			{Path: "/list/1", Code: "enum", Msg: `/list/1 must be one of a, b, got "c"`},
		}},
		"an empty list":             {`{"list":[]}`, found{{Path: "list", Code: "min", Msg: "list must have at least 1 elements, it has 0"}}},
		"members":                   {`{"map":{"a":1,"b":2}}`, found{{Path: "map", Code: "max", Msg: "map must have at most 1 elements, it has 2"}}},
		"bytes of a raw value":      {`{"raw":[1,2,3]}`, found{{Path: "raw", Code: "max", Msg: "raw must have at most 5 bytes, it has 7"}}},
		"the values of a type":      {`{"kind":"blue"}`, found{{Path: "kind", Code: "enum", Msg: `kind must be one of red, green, got "blue"`}}},
		"the values of elements":    {`{"kinds":["red","Red"]}`, found{{Path: "/kinds/1", Code: "enum", Msg: `/kinds/1 must be one of red, green, got "Red"`}}},
		"what a pointer points to":  {`{"ptr":"ab"}`, found{{Path: "ptr", Code: "max", Msg: `ptr must have at most 1 characters, it has 2, got "ab"`}}},
		"null is legal where it is": {`{"null":null}`, nil},
		"a value beside null":       {`{"null":"abc"}`, found{{Path: "null", Code: "max", Msg: `null must have at most 2 characters, it has 3, got "abc"`}}},
		"a clamp is no fault":       {`{"clamp":1000}`, nil},
		"absent fields break none":  {`{}`, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, got := tryAll[in](t, ruleC, post, source{body: []byte(tt.body)})
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
	got, _ := tryAll[in](t, ruleC, post, source{body: []byte(`{"trim":" a ","clamp":1000,"null":null}`)})
	if diff := cmp.Diff(in{Trim: "a", Clamp: Some(100), Null: Cleared[string]()}, got); diff != "" {
		t.Errorf("input (-want +got):\n%s", diff)
	}
}

func TestRequiredAndNullByDialect(t *testing.T) {
	type in struct {
		A string      `json:"a" rule:"required"`
		B Opt[string] `json:"b" rule:"required"`
		C Opt[string] `json:"c" rule:"required null"`
		D Opt[string] `json:"d"`
		E string      `json:"e" rule:"null"`
	}
	tests := map[string]struct {
		body string
		want map[string]string
	}{
		"absent":                   {`{}`, map[string]string{"": "a required;b required;c required"}},
		"empty texts are values":   {`{"a":"","b":"","c":""}`, map[string]string{"": ""}},
		"null for a required one":  {`{"a":null,"b":null,"c":null}`, map[string]string{"": "a null;b null", "T": "a required;b required", "A": "a required;b required"}},
		"null for an optional one": {`{"a":"","b":"","c":"","d":null}`, map[string]string{"": "d null", "T": "", "A": "", "X": ""}},
		"null where it is listed":  {`{"a":"","b":"","c":null,"e":null}`, map[string]string{"": ""}},
	}
	for name, tt := range tests {
		for dialect, p := range allRules {
			t.Run(name+" in "+dialect, func(t *testing.T) {
				got, bad := run[in](t, p, post, source{body: []byte(tt.body)})
				want, ok := tt.want[dialect]
				if !ok {
					want = tt.want[""]
				}
				if diff := cmp.Diff(want, strings.Join(bad, ";")); diff != "" {
					t.Errorf("findings (-want +got):\n%s", diff)
				}
				if strings.Contains(tt.body, `"d":null`) && got.D.Null() != (dialect == "X") {
					t.Errorf("d is %v: only X clears with null", got.D.State)
				}
				if strings.Contains(tt.body, `"c":null`) && !got.C.Null() {
					t.Errorf("c is %v, want null", got.C.State)
				}
			})
		}
	}
}

func TestDefaultsFillWhatNoSourceGave(t *testing.T) {
	type in struct {
		N    int      `json:"n" rule:"default=3"`
		S    string   `json:"s" query:"s" rule:"default=x"`
		O    Opt[int] `json:"o" rule:"default=4"`
		L    []string `json:"l" rule:"default=[\"a\"]"`
		B    bool     `json:"b" rule:"default=true"`
		Deep struct {
			N int `json:"n" rule:"default=5"`
		} `json:"deep"`
	}
	want := in{N: 3, S: "x", O: Some(4), L: []string{"a"}, B: true}
	got, bad := run[in](t, ruleC, post, source{body: []byte(`{}`)})
	if diff := cmp.Diff(want, got); diff != "" || bad != nil {
		t.Errorf("%q (-want +got):\n%s", bad, diff)
	}
	got.L[0] = "changed"
	want.Deep.N = 5
	if got, _ = run[in](t, ruleC, post, source{body: []byte(`{"deep":{}}`)}); cmp.Diff(want, got) != "" {
		t.Errorf("a default is shared between requests, or missing inside: %+v", got)
	}
	want = in{S: "q", O: Some(0), L: []string{}}
	got, _ = run[in](t, ruleC, post, source{body: []byte(`{"n":0,"o":0,"l":[],"b":false}`), query: []Pair{{Name: "s", Value: "q"}}})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("given values (-want +got):\n%s", diff)
	}
}
