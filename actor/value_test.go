package actor_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

func TestValueReads(t *testing.T) {
	type reads struct {
		Kind    string
		Missing bool
		Float   any // nil when it is not one
		Int     any
		Str     any
		Text    any
		Bool    any
		JSON    string
	}
	opt := func(v any, ok bool) any {
		if !ok {
			return nil
		}
		return v
	}
	tests := map[string]struct {
		v    actor.Value
		want reads
	}{
		"missing":                              {actor.Value{}, reads{Kind: "missing", Missing: true, JSON: "null"}},
		"null":                                 {value(t, "null"), reads{Kind: "null", Missing: true, JSON: "null"}},
		"true":                                 {value(t, "true"), reads{Kind: "boolean", Bool: true, JSON: "true"}},
		"false in Go":                          {actor.Bool(false), reads{Kind: "boolean", Bool: false, JSON: "false"}},
		"a whole number":                       {value(t, "7"), reads{Kind: "number", Float: 7.0, Int: int64(7), Text: "7", JSON: "7"}},
		"a whole number with a point":          {value(t, "7.0"), reads{Kind: "number", Float: 7.0, Int: int64(7), Text: "7.0", JSON: "7.0"}},
		"a whole number with an exponent":      {value(t, "-70e-1"), reads{Kind: "number", Float: -7.0, Int: int64(-7), Text: "-70e-1", JSON: "-70e-1"}},
		"a fraction":                           {value(t, "0.1"), reads{Kind: "number", Float: 0.1, Text: "0.1", JSON: "0.1"}},
		"many digits keep their text":          {value(t, "123456789012345678901234567890.10"), reads{Kind: "number", Float: 123456789012345678901234567890.10, Text: "123456789012345678901234567890.10", JSON: "123456789012345678901234567890.10"}},
		"the largest integer":                  {value(t, "9223372036854775807"), reads{Kind: "number", Float: 9223372036854775807.0, Int: int64(math.MaxInt64), Text: "9223372036854775807", JSON: "9223372036854775807"}},
		"one above the largest integer":        {value(t, "9223372036854775808"), reads{Kind: "number", Float: 9223372036854775808.0, Text: "9223372036854775808", JSON: "9223372036854775808"}},
		"the smallest integer":                 {value(t, "-9223372036854775808.00"), reads{Kind: "number", Float: -9223372036854775808.0, Int: int64(math.MinInt64), Text: "-9223372036854775808.00", JSON: "-9223372036854775808.00"}},
		"a number beyond float64":              {value(t, "1e999"), reads{Kind: "number", Text: "1e999", JSON: "1e999"}},
		"an exponent beyond all":               {value(t, "1e-99999999999999999999"), reads{Kind: "number", Float: 0.0, Text: "1e-99999999999999999999", JSON: "1e-99999999999999999999"}},
		"zero with an exponent":                {value(t, "-0e99999999999999999999"), reads{Kind: "number", Float: math.Copysign(0, -1), Int: int64(0), Text: "-0e99999999999999999999", JSON: "-0e99999999999999999999"}},
		"an integer in Go":                     {actor.Int(-5), reads{Kind: "number", Float: -5.0, Int: int64(-5), Text: "-5", JSON: "-5"}},
		"a float in Go":                        {actor.Float(5.5), reads{Kind: "number", Float: 5.5, Text: "5.5", JSON: "5.5"}},
		"a whole float in Go":                  {actor.Float(5), reads{Kind: "number", Float: 5.0, Int: int64(5), Text: "5", JSON: "5"}},
		"a small float in Go":                  {actor.Float(1e-7), reads{Kind: "number", Float: 1e-7, Text: "1e-7", JSON: "1e-7"}},
		"what is no number in JSON":            {actor.Float(math.NaN()), reads{Kind: "null", Missing: true, JSON: "null"}},
		"a string":                             {value(t, `"a\u00e9\n\ud83d\ude00\/"`), reads{Kind: "string", Str: "aé\n😀/", Text: "aé\n😀/", JSON: `"a\u00e9\n\ud83d\ude00\/"`}},
		"a lone surrogate":                     {value(t, `"\ud83dx"`), reads{Kind: "string", Str: "\uFFFDx", Text: "\uFFFDx", JSON: `"\ud83dx"`}},
		"a string in Go":                       {actor.String("a\"\\\x01\x7f\u2028é"), reads{Kind: "string", Str: "a\"\\\x01\x7f\u2028é", Text: "a\"\\\x01\x7f\u2028é", JSON: "\"a\\\"\\\\\\u0001\x7f\u2028é\""}},
		"bytes that are not UTF-8":             {actor.String("a\xffb"), reads{Kind: "string", Str: "a\xffb", Text: "a\xffb", JSON: "\"a\uFFFDb\""}},
		"a numeric string is no number":        {value(t, `"7"`), reads{Kind: "string", Str: "7", Text: "7", JSON: `"7"`}},
		"an array":                             {value(t, ` [ 1 , "x y" ] `), reads{Kind: "array", JSON: `[1,"x y"]`}},
		"an object":                            {value(t, `{ "a" : { } }`), reads{Kind: "object", JSON: `{"a":{}}`}},
		"an object in Go, the last value wins": {actor.Object(actor.Field{Name: "a", Value: actor.Int(1)}, actor.Field{Name: "b"}, actor.Field{Name: "a", Value: actor.Int(2)}), reads{Kind: "object", JSON: `{"a":2}`}},
		"an array in Go":                       {actor.Array(actor.Int(1), actor.Value{}, actor.String("x")), reads{Kind: "array", JSON: `[1,null,"x"]`}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f, fok := tt.v.Float()
			n, nok := tt.v.Int()
			s, sok := tt.v.Str()
			x, xok := tt.v.Text()
			b, bok := tt.v.Bool()
			got := reads{tt.v.Kind().String(), tt.v.IsMissing(), opt(f, fok), opt(n, nok), opt(s, sok), opt(x, xok), opt(b, bok), string(tt.v.AppendJSON(nil))}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestFloatsAreExact(t *testing.T) {
	for _, s := range []string{"0.1", "0.3", "123456789.123456", "999999999999999", "9999999999999999", "0.000000000000001", "1.7976931348623157e308", "5e-324", "-2.5", "21.75", "100000000000000000000000"} {
		var want float64
		if err := json.Unmarshal([]byte(s), &want); err != nil {
			t.Fatal(err)
		}
		if got, ok := value(t, s).Float(); !ok || got != want {
			t.Errorf("%s is %v, want %v", s, got, want)
		}
	}
}

func TestValueMembers(t *testing.T) {
	v := value(t, `{"a":1,"b":{"c":[1,[2],{"d":"x"}]},"a\u0062":3,"q\"":4,"dup":1,"dup":2,"":5}`)
	var names []string
	for name, m := range v.Fields() {
		names = append(names, fmt.Sprint(name, "=", m))
	}
	if diff := cmp.Diff([]string{"a=1", `b={"c":[1,[2],{"d":"x"}]}`, "ab=3", `q"=4`, "dup=2", "=5"}, names); diff != "" {
		t.Errorf("Fields (-want +got):\n%s", diff)
	}
	got := map[string]string{}
	for _, name := range []string{"a", "ab", `a\u0062`, `q"`, "dup", "", "zip"} {
		got[name] = v.Get(name).String()
	}
	want := map[string]string{"a": "1", "ab": "3", `a\u0062`: "missing", `q"`: "4", "dup": "2", "": "5", "zip": "missing"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Get (-want +got):\n%s", diff)
	}
	c := v.Get("b").Get("c")
	elems := []string{c.At(0).String(), c.At(1).At(0).String(), c.At(2).Get("d").String(), c.At(3).String(), c.At(-1).String(), c.Get("x").String(), v.At(0).String()}
	if diff := cmp.Diff([]string{"1", "2", `"x"`, "missing", "missing", "missing", "missing"}, elems); diff != "" {
		t.Errorf("At (-want +got):\n%s", diff)
	}
	if c.Len() != 3 || v.Len() != 6 || v.Get("a").Len() != 0 {
		t.Errorf("Len: %d, %d, %d", c.Len(), v.Len(), v.Get("a").Len())
	}
	// An object with more members than are compared in pairs.
	var b strings.Builder
	for i := range 40 {
		fmt.Fprintf(&b, `,"k%d":%d`, i%30, i)
	}
	wide := value(t, "{"+b.String()[1:]+"}")
	if wide.Len() != 30 || wide.Get("k3").String() != "33" || wide.Get("k15").String() != "15" {
		t.Errorf("a wide object has %d members: %v", wide.Len(), wide)
	}
}

func TestEqual(t *testing.T) {
	tests := map[string]struct {
		a, b string
		want bool
	}{
		"numbers by value":                   {"1.50", "15e-1", true},
		"zeros":                              {"-0", "0.00e5", true},
		"numbers that differ far behind":     {"1.0000000000000000000000001", "1", false},
		"strings by what they say":           {`"\u0061"`, `"a"`, true},
		"a string and a number":              {`"1"`, "1", false},
		"objects in any order":               {`{"a":1,"b":[{"c":2.0}]}`, `{"b":[{"c":2}],"a":1}`, true},
		"objects with another member":        {`{"a":1}`, `{"a":1,"b":null}`, false},
		"arrays in order":                    {`[1,2]`, `[2,1]`, false},
		"null and null":                      {"null", " null", true},
		"true and false":                     {"true", "false", false},
		"members that only look alike":       {`{"a":"b,\"c\":1"}`, `{"a":"b","c":1}`, false},
		"missing and null":                   {"", "null", false},
		"missing and missing":                {"", "", true},
		"an array of arrays and a flat one":  {"[[1],2]", "[1,[2]]", false},
		"huge exponents that differ in size": {"1e99999999999999999999", "2e99999999999999999999", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a, b := value(t, tt.a), value(t, tt.b)
			if a.Equal(b) != tt.want || b.Equal(a) != tt.want {
				t.Errorf("%v equals %v: want %t", a, b, tt.want)
			}
		})
	}
	for _, v := range []actor.Value{actor.Int(7), actor.Float(7), value(t, "7.0")} {
		if !v.Equal(actor.Int(7)) {
			t.Errorf("%v does not equal 7", v)
		}
	}
}

func TestMerge(t *testing.T) {
	tests := map[string]struct{ a, b, want string }{
		"b adds":                              {`{"c":"nl","p":10}`, `{"vat":21}`, `{"c":"nl","p":10,"vat":21}`},
		"b wins in a conflict":                {`{"a":1}`, `{"a":2}`, `{"a":2}`},
		"objects merge recursively":           {`{"o":{"a":1,"b":1}}`, `{"o":{"b":2,"c":3}}`, `{"o":{"a":1,"b":2,"c":3}}`},
		"arrays are united":                   {`{"l":[1,{"x":2}]}`, `{"l":[{"x":2.0},3]}`, `{"l":[1,{"x":2},3]}`},
		"what is there twice stays":           {`[1,1]`, `[2,2,1]`, `[1,1,2,2]`},
		"an array against a number":           {`{"l":[1]}`, `{"l":1}`, `{"l":1}`},
		"null wins like any other":            {`{"l":[1]}`, `{"l":null}`, `{"l":null}`},
		"a missing side":                      {`{"l":[1]}`, ``, `{"l":[1]}`},
		"the other missing side":              {``, `{"l":[1]}`, `{"l":[1]}`},
		"elements are compared, not merged":   {`[{"a":1}]`, `[{"a":1,"b":2}]`, `[{"a":1},{"a":1,"b":2}]`},
		"arrays of arrays unite at the top":   {`[[1],[2]]`, `[[2],[3]]`, `[[1],[2],[3]]`},
		"strings are equal by what they say":  {`["\u0061"]`, `["a","b"]`, `["\u0061","b"]`},
		"an object against an array":          {`{"a":{}}`, `{"a":[]}`, `{"a":[]}`},
		"number text of both sides is intact": {`{"a":1.00}`, `{"b":2.50}`, `{"a":1.00,"b":2.50}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := actor.Merge(value(t, tt.a), value(t, tt.b)); got.String() != value(t, tt.want).String() {
				t.Errorf("Merge: %v, want %s", got, tt.want)
			}
		})
	}
}

func TestValueOf(t *testing.T) {
	type point struct {
		X int    `json:"x"`
		Y string `json:"y,omitempty"`
	}
	e := event(t, `{"a":1.0}`)
	for name, tt := range map[string]struct {
		in   any
		want string
	}{
		"nil":                     {nil, "null"},
		"a struct":                {point{X: 1}, `{"x":1}`},
		"a map":                   {map[string]any{"b": []int{1}, "a": "<"}, `{"a":"<","b":[1]}`},
		"an event":                {e, `{"a":1.0}`},
		"a value":                 {actor.Int(3), "3"},
		"a value within":          {[]actor.Value{value(t, "1.50"), {}}, "[1.50,null]"},
		"an event within a slice": {[]*actor.Event{e}, `[{"a":1.0}]`},
	} {
		v, err := actor.ValueOf(tt.in)
		if err != nil || v.String() != tt.want {
			t.Errorf("%s: %v, %v; want %s", name, v, err, tt.want)
		}
	}
	if _, err := actor.ValueOf(make(chan int)); atoll.KindOf(err) != atoll.Invalid {
		t.Errorf("a channel: %v, want Invalid", err)
	}
	if _, err := actor.EventOf([]int{1}); atoll.KindOf(err) != atoll.Invalid {
		t.Errorf("a slice as event: %v, want Invalid", err)
	}
	var v actor.Value
	if err := json.Unmarshal([]byte(`{"a": [1]}`), &v); err != nil || v.String() != `{"a":[1]}` {
		t.Errorf("Unmarshal: %v, %v", v, err)
	}
}
