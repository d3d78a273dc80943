package builtin

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/actor"
)

func TestPatterns(t *testing.T) {
	tests := map[string]bool{ // whether the string stands for drawn values
		"N(0, 1)":                             true,
		"N(-1.5,+2.25)":                       true,
		"N( 1 , 2 )":                          true,
		"N(1, -2)":                            true,
		"U(10)":                               true,
		"U( 0.5 )":                            true,
		"['a', 'b']":                          true,
		"['a']":                               true,
		"[ 'a' ,'b c' ]":                      true,
		"['']":                                true,
		"N(1)":                                false,
		"N(1,2,3)":                            false,
		"N(, 1)":                              false,
		"N(a, b)":                             false,
		"N(1, 2":                              false,
		"N (1, 2)":                            false,
		" N(1, 2)":                            false,
		"N(1e3, 2)":                           false,
		"N(1., 2)":                            false,
		"N(.5, 2)":                            false,
		"N(1--, 2)":                           false,
		"N(+-1, 2)":                           false,
		"N(Inf, 1)":                           false,
		"n(1, 2)":                             false,
		"U()":                                 false,
		"U(1, 2)":                             false,
		"U(":                                  false,
		"F(1)":                                false,
		"[]":                                  false,
		"['a', b]":                            false,
		"['a' 'b']":                           false,
		"['a,b']":                             false,
		"['a\"b']":                            false,
		"['a''b']":                            false,
		"['a[b]']":                            false,
		"['a',]":                              false,
		"['a'":                                false,
		"[":                                   false,
		"":                                    false,
		"text":                                false,
		"U(1) and more":                       false,
		"['a'] and more":                      false,
		"U(" + strings.Repeat("9", 400) + ")": false,
	}
	for s, want := range tests {
		if got := parsePattern(s) != nil; got != want {
			t.Errorf("%q is a pattern: %v, want %v", s, got, want)
		}
	}
}

func TestPatternsDrawWhatTheySay(t *testing.T) {
	const n = 20_000
	r := rand.New(rand.NewPCG(7, 7))
	draw := func(pattern string) []float64 {
		fs := make([]float64, n)
		for i := range fs {
			fs[i], _ = parsePattern(pattern)(r).Float()
		}
		return fs
	}
	moments := func(fs []float64) (mean, sd float64) {
		var m moments
		for _, f := range fs {
			m.Add(f)
		}
		return m.mean, m.sd()
	}
	if mean, sd := moments(draw("N(5, 2)")); math.Abs(mean-5) > 0.1 || math.Abs(sd-2) > 0.1 {
		t.Errorf("N(5, 2) has mean %.3f and deviation %.3f", mean, sd)
	}
	u := draw("U(4)")
	if mean, sd := moments(u); math.Abs(mean-2) > 0.1 || math.Abs(sd-4/math.Sqrt(12)) > 0.1 || slices.Min(u) < 0 || slices.Max(u) >= 4 {
		t.Errorf("U(4) has mean %.3f, deviation %.3f, from %g to %g", mean, sd, slices.Min(u), slices.Max(u))
	}
	counts := make(map[string]int)
	for range n {
		s, _ := parsePattern("[' a', 'b ', 'c']")(r).Str()
		counts[s]++
	}
	for _, s := range []string{"a", "b", "c"} {
		if math.Abs(float64(counts[s])-n/3) > n/30 {
			t.Errorf("%q was drawn %d times of %d", s, counts[s], n)
		}
	}
}

func TestFormat(t *testing.T) {
	v, err := actor.ParseValue([]byte(`{"k":"['x']","n":7.10,"m":"F(1)","in":{"u":"U(1)","z":"U(0)"},"l":["U(1)",{"a":"N(1, 1)"}],"nul":null}`))
	if err != nil {
		t.Fatal(err)
	}
	e := compileFormat(v).event(rand.New(rand.NewPCG(1, 1)))
	u, ok := e.Field("in").Get("u").Float()
	if !ok || u < 0 || u >= 1 {
		t.Errorf("in.u = %v, want a number from 0 up to 1", e.Field("in").Get("u"))
	}
	got := strings.Replace(e.String(), e.Field("in").Get("u").String(), "U", 1)
	want := `{"k":"x","n":7.10,"m":"F(1)","in":{"u":U,"z":0},"l":["U(1)",{"a":"N(1, 1)"}],"nul":null}`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("event mismatch (-want +got):\n%s", diff)
	}
}

func TestEqualPatternsDrawOnTheirOwn(t *testing.T) {
	v, _ := actor.ParseValue([]byte(`{"a":"U(1)","b":"U(1)"}`))
	e := compileFormat(v).event(rand.New(rand.NewPCG(1, 1)))
	if e.Field("a").Equal(e.Field("b")) {
		t.Errorf("%s: both fields drew one number", e)
	}
}

func FuzzPattern(f *testing.F) {
	for _, seed := range []string{"N(1, 2)", "U(3.5)", "['a', 'b']", "N(", "[,]", "U(-0)", "['", "N(999999999999999999999, 1)"} {
		f.Add(seed)
	}
	r := rand.New(rand.NewPCG(1, 1))
	f.Fuzz(func(t *testing.T, s string) {
		draw := parsePattern(s)
		if draw == nil {
			return
		}
		if v := draw(r); v.Kind() != actor.NumberKind && v.Kind() != actor.StringKind {
			// Only a product beyond all numbers is neither.
			if len(s) < 300 {
				t.Errorf("%q draws %v", s, v)
			}
		}
		if strings.ContainsAny(s[:1], "NU") != (draw(r).Kind() != actor.StringKind) {
			t.Errorf("%q draws %v", s, draw(r))
		}
	})
}
