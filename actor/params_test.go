package actor_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

type params struct {
	Key     string             `json:"key" param:"required"`
	Limit   float64            `json:"limit" param:"required"`
	Number  int                `json:"number"`
	Small   uint8              `json:"small"`
	On      bool               `json:"on"`
	Names   []string           `json:"names"`
	Weights map[string]float64 `json:"weights"`
	Timer   struct {
		Rate  float64 `json:"rate" param:"required"`
		Times *int64  `json:"times"`
	} `json:"timer"`
	Any    actor.Value `json:"any"`
	Free   any         `json:"free"`
	Hidden string      `json:"-"`
}

func TestDecode(t *testing.T) {
	times := int64(3)
	tests := map[string]struct {
		in       string
		want     params
		findings []atoll.Finding
	}{
		"everything": {
			in: `{"key":"k","limit":1.5,"number":7.0,"small":255,"on":true,"names":["a","b"],"weights":{"x":1,"y":-0.5},"timer":{"rate":2,"times":3},"any":[1.00],"free":{"a":null},"Hidden":"x","-":"y","unknown":{}}`,
			want: params{
				Key: "k", Limit: 1.5, Number: 7, Small: 255, On: true, Names: []string{"a", "b"}, Weights: map[string]float64{"x": 1, "y": -0.5},
				Timer: struct {
					Rate  float64 `json:"rate" param:"required"`
					Times *int64  `json:"times"`
				}{2, &times}, Any: value(t, "[1.00]"), Free: map[string]any{"a": nil},
			},
		},
		"every finding, in order": {
			in: `{"key":7,"limit":"x","number":1.5,"small":256,"on":"true","names":["a",1,null],"weights":{"a/b":"1"},"timer":{"rate":null,"times":1e30}}`,
			findings: []atoll.Finding{
				{Path: "/key", Code: "type", Msg: `"key" must be a string, not number`},
				{Path: "/limit", Code: "type", Msg: `"limit" must be a number, not string`},
				{Path: "/number", Code: "range", Msg: `"number" must be a whole number within the range`},
				{Path: "/small", Code: "range", Msg: `"small" must be a whole number, not negative, within the range`},
				{Path: "/on", Code: "type", Msg: `"on" must be true or false, not string`},
				{Path: "/names/1", Code: "type", Msg: `"1" must be a string, not number`},
				{Path: "/names/2", Code: "type", Msg: `"2" must be a string, not null`},
				{Path: "/weights/a~1b", Code: "type", Msg: `"a/b" must be a number, not string`},
				{Path: "/timer/rate", Code: "required", Msg: `"rate" is required`},
				{Path: "/timer/times", Code: "range", Msg: `"times" must be a whole number within the range`},
			},
		},
		"missing params, and an optional object whose members are required": {
			findings: []atoll.Finding{
				{Path: "/key", Code: "required", Msg: `"key" is required`},
				{Path: "/limit", Code: "required", Msg: `"limit" is required`},
			},
		},
		"params of another kind": {
			in:       `[1]`,
			findings: []atoll.Finding{{Code: "type", Msg: "the value must be an object, not array"}},
		},
		"a value beyond float64": {
			in:       `{"key":"","limit":1e999,"timer":{"rate":0}}`,
			findings: []atoll.Finding{{Path: "/limit", Code: "range", Msg: `"limit" is out of range`}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got params
			findings := actor.Decode(value(t, tt.in), &got)
			if diff := cmp.Diff(tt.findings, findings); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			if tt.findings == nil {
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("decoded (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestDecodeKeepsDefaults(t *testing.T) {
	got := params{Number: 5, Names: []string{"x"}}
	if f := actor.Decode(value(t, `{"key":"k","limit":1,"timer":{"rate":1},"number":null}`), &got); f != nil {
		t.Fatal(f)
	}
	if got.Number != 5 || len(got.Names) != 1 {
		t.Errorf("defaults are gone: %+v", got)
	}
	for _, into := range []any{nil, params{}, new(chan int)} {
		if f := actor.Decode(value(t, `{}`), into); len(f) != 1 || f[0].Code != "target" {
			t.Errorf("Decode into %T: %v", into, f)
		}
	}
}
