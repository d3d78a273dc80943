package actor_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/actor"
)

func value(t testing.TB, text string) actor.Value {
	t.Helper()
	if text == "" {
		return actor.Value{}
	}
	v, err := actor.ParseValue([]byte(text))
	if err != nil {
		t.Fatalf("ParseValue(%q): %v", text, err)
	}
	return v
}

func event(t testing.TB, text string) *actor.Event {
	t.Helper()
	e, err := actor.Parse([]byte(text))
	if err != nil {
		t.Fatalf("Parse(%q): %v", text, err)
	}
	return e
}

func TestPathEval(t *testing.T) {
	const in = `{"l":[{"v":1},{"w":2},{"v":3}],"o":{"k":"z","l":[{"x":5}]},"n":[[{"d":1}],[[{"d":2}]],3],"a":[5,6],"é1":true,"_x":1,"$y":2,"odd name":4,"q":{"a-b":7,"":8}}`
	tests := map[string]struct {
		path   string
		want   string // "" is missing
		broken bool
	}{
		"an element of an array, then its member":              {path: "l[1].w", want: "2"},
		"a name on an array with one such object is its value": {path: "l.w", want: "2"},
		"a name on an array with several is their array":       {path: "l.v", want: "[1,3]"},
		"a quoted member":                          {path: "o['k']", want: `"z"`},
		"an index out of range is missing":         {path: "l[9]"},
		"an index of an object is missing":         {path: "o[0]"},
		"two dots do not parse":                    {path: "l..v", broken: true},
		"the empty path is the whole":              {path: "", want: in},
		"a star is the whole":                      {path: "*", want: in},
		"a star between names stays":               {path: "o.*.k", want: `"z"`},
		"a name on nested arrays is searched flat": {path: "n.d", want: "[1,2]"},
		"a name in a quoted member of arrays":      {path: "o['l'].x", want: "5"},
		"a quoted member of an array's objects":    {path: "l['v']", want: "[1,3]"},
		"a name on an array without such objects":  {path: "l.zip"},
		"a name on a number is missing":            {path: "a[0].b"},
		"a negative index is missing":              {path: "a[-1]"},
		"an index too large for any integer":       {path: "a[99999999999999999999999]"},
		"spaces between tokens are ignored":        {path: " a [ 1 ] ", want: "6"},
		"spaces around the dot are ignored":        {path: "o . k", want: `"z"`},
		"letters are those of Unicode":             {path: "é1", want: "true"},
		"underscore and dollar begin names":        {path: "_x", want: "1"},
		"a dollar begins a name":                   {path: "$y", want: "2"},
		"quotes hold any text":                     {path: "q['a-b']", want: "7"},
		"quotes hold no text":                      {path: "q['']", want: "8"},
		"two brackets in a row do not parse":       {path: "a[0][1]", broken: true},
		"a dash in a name does not parse":          {path: "a-b", broken: true},
		"a digit first does not parse":             {path: "1a", broken: true},
		"a bracket without a name does not parse":  {path: "[0]", broken: true},
		"an open bracket does not parse":           {path: "a[0", broken: true},
		"an open quote does not parse":             {path: "o['k]", broken: true},
		"a dot at the end does not parse":          {path: "a.", broken: true},
		"a dot at the start does not parse":        {path: ".a", broken: true},
		"names with a space between do not parse":  {path: "a b", broken: true},
		"a bracket without index does not parse":   {path: "a[]", broken: true},
		"a fraction as index does not parse":       {path: "a[1.5]", broken: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p, ok := actor.ParsePath(tt.path)
			if ok == tt.broken {
				t.Errorf("ParsePath(%q) = %t", tt.path, ok)
			}
			want := value(t, tt.want)
			if diff := cmp.Diff(want, p.Eval(value(t, in))); diff != "" {
				t.Errorf("Eval mismatch (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(want, p.EvalEvent(event(t, in))); diff != "" {
				t.Errorf("EvalEvent mismatch (-want +got):\n%s", diff)
			}
		})
	}
}
