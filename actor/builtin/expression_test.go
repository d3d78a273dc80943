package builtin

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

const exprEvent = `{"a":3,"b":4,"z":0,"s":"text","t":true,"f":false,"o":{"k":7,"n b":8},"l":[{"v":1},{"v":2}],"$x_1":5,"größe":6,"nul":null,"true":1}`

// evaluate returns the JSON text of the result, "missing" or "error: …".
func evaluate(t testing.TB, src string) string {
	t.Helper()
	x, err := parseExpression(src, nil)
	if err != nil {
		return "syntax: " + err.Error()
	}
	e, err := actor.Parse([]byte(exprEvent))
	if err != nil {
		t.Fatal(err)
	}
	v, err := x.run(&scope{event: e})
	switch {
	case errors.Is(err, errMissing):
		return "missing"
	case err != nil:
		if !errors.Is(err, atoll.Failed) {
			t.Errorf("%s: %v is not Failed", src, err)
		}
		e, _ := errors.AsType[*atoll.Error](err)
		return "error: " + e.Msg
	}
	return v.String()
}

func TestExpression(t *testing.T) {
	tests := map[string]string{
		"1":                                "1",
		"0":                                "0",
		"007.50":                           "7.5",
		"1 + 2 * 3":                        "7",
		"(1 + 2) * 3":                      "9",
		"10 - 4 - 3":                       "3",
		"24 / 4 / 2":                       "3",
		"2 * 9 / 3":                        "6",
		"-a":                               "-3",
		"--a":                              "3",
		"2 - -a":                           "5",
		"-a * 2":                           "-6",
		"a-b":                              "-1",
		"'x' + 'y' + s":                    `"xytext"`,
		"''":                               `""`,
		"'\"'":                             `"\""`,
		"a < b":                            "true",
		"a >= 3":                           "true",
		"a <= 2":                           "false",
		"a > b":                            "false",
		"a == 3":                           "true",
		"a != 3":                           "false",
		"s == 'text'":                      "true",
		"s != 'text'":                      "false",
		"t == true":                        "true",
		"t == f":                           "false",
		"!t":                               "false",
		"!!t":                              "true",
		"!a > b":                           "true",
		"t && f || t":                      "true",
		"f && t || f":                      "false",
		"t || f && f":                      "true",
		"a + 1 == b && t":                  "true",
		"f && gone":                        "false",
		"t || gone":                        "true",
		"f || gone":                        "missing",
		"f && 1/z > 0":                     "false",
		"t || s":                           "true",
		"o.k":                              "7",
		"o['n b'] + 1":                     "9",
		" o [ 'k' ] ":                      "7",
		"l[1].v":                           "2",
		"l [ 1 ] . v":                      "2",
		"l[9].v":                           "missing",
		"l[-1]":                            "missing",
		"$x_1":                             "5",
		"größe":                            "6",
		"gone":                             "missing",
		"gone + 1":                         "missing",
		"nul":                              "missing",
		"true":                             "true",
		"o":                                "error: o is not a number, string or boolean",
		"l.v":                              "error: l.v is not a number, string or boolean",
		"a / z":                            "error: division by zero",
		"a + s":                            "error: + needs two numbers or two strings",
		"s - s":                            "error: - needs numbers",
		"s * 2":                            "error: * needs numbers",
		"t + t":                            "error: + needs two numbers or two strings",
		"s < s":                            "error: < needs numbers",
		"a == s":                           "error: == needs operands of one kind",
		"t != a":                           "error: != needs operands of one kind",
		"a && t":                           "error: && needs booleans",
		"f || a":                           "error: || needs booleans",
		"!a":                               "error: ! needs a boolean",
		"-s":                               "error: - needs a number",
		strings.Repeat("9", 308) + " * 10": "error: the result of * is out of range",

		"":          "syntax: at byte 0: unexpected end",
		"a +":       "syntax: at byte 3: unexpected end",
		"a b":       "syntax: at byte 2: unexpected 'b'",
		"(a":        `syntax: at byte 2: want ")", not the end`,
		"a)":        "syntax: at byte 1: unexpected ')'",
		"'x":        "syntax: at byte 1: the text has no closing quote",
		"1.":        "syntax: at byte 2: want a digit",
		".5":        "syntax: at byte 0: unexpected '.'",
		"1 < 2 < 3": "syntax: at byte 6: unexpected '<'",
		"a = b":     "syntax: at byte 2: unexpected '='",
		"a & b":     "syntax: at byte 2: unexpected '&'",
		"l[0][1]":   "syntax: at byte 4: unexpected '['",
		"l[]":       "syntax: at byte 2: want a digit",
		"o.":        "syntax: at byte 2: want a name after the dot",
		"o..k":      "syntax: at byte 2: want a name after the dot",
		"*":         "syntax: at byte 0: unexpected '*'",
		"o.*":       "syntax: at byte 2: want a name after the dot",
		"a\x00":     "syntax: at byte 1: unexpected zero character",
		"a + \xff":  "syntax: at byte 4: the text is not UTF-8",
		strings.Repeat("(", 65) + "1" + strings.Repeat(")", 65): "syntax: at byte 65: more than 64 levels of nesting",
		strings.Repeat("!", 9000):                               "syntax: at byte 8192: an expression has at most 8192 bytes",
		strings.Repeat("9", 400):                                "syntax: at byte 400: the number is out of range",
	}
	for src, want := range tests {
		t.Run(src[:min(len(src), 40)], func(t *testing.T) {
			if diff := cmp.Diff(want, evaluate(t, src)); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAStringCannotGrowWithoutBound(t *testing.T) {
	x, err := parseExpression(strings.TrimSuffix(strings.Repeat("s+", 100), "+"), nil)
	if err != nil {
		t.Fatal(err)
	}
	e := actor.NewEvent(actor.Field{Name: "s", Value: actor.String(strings.Repeat("x", 100_000))})
	if _, err := x.run(&scope{event: e}); !errors.Is(err, atoll.Failed) {
		t.Errorf("run: %v, want Failed", err)
	}
}

func TestAnAliasIsCollectedOnce(t *testing.T) {
	x, err := parseExpression("n + n.x * 0 + m", []string{"n", "m", "unused"})
	if err != nil {
		t.Fatal(err)
	}
	var asked []string
	_, err = x.run(&scope{event: actor.NewEvent(), collect: func(alias string) (actor.Value, error) {
		asked = append(asked, alias)
		return actor.Int(1), nil
	}})
	if !errors.Is(err, errMissing) { // n.x of a number
		t.Errorf("run: %v, want a missing name", err)
	}
	if diff := cmp.Diff([]string{"n"}, asked); diff != "" {
		t.Errorf("collected mismatch (-want +got):\n%s", diff)
	}
}

// A sum of products written with any spacing and any parentheses that change
// nothing has the value that Go computes.
func TestArithmeticAgreesWithGo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		space := rapid.SampledFrom([]string{"", " ", "\t\n"})
		var src strings.Builder
		sum := 0.0
		for i := range rapid.IntRange(1, 6).Draw(t, "terms") {
			product := 1.0
			var term strings.Builder
			for j := range rapid.IntRange(1, 4).Draw(t, "factors") {
				n := rapid.IntRange(0, 9).Draw(t, "n")
				if j > 0 {
					term.WriteString(space.Draw(t, "space") + "*" + space.Draw(t, "space"))
				}
				term.WriteString(string(rune('0' + n)))
				product *= float64(n)
			}
			text := term.String()
			if rapid.Bool().Draw(t, "parens") {
				text = "(" + text + ")"
			}
			switch {
			case i == 0:
				sum = product
			case rapid.Bool().Draw(t, "minus"):
				text, sum = "-"+space.Draw(t, "space")+text, sum-product
			default:
				text, sum = "+"+text, sum+product
			}
			src.WriteString(text)
		}
		x, err := parseExpression(src.String(), nil)
		if err != nil {
			t.Fatalf("%s: %v", src.String(), err)
		}
		v, err := x.run(&scope{event: actor.NewEvent()})
		if got, _ := v.Float(); err != nil || got != sum {
			t.Fatalf("%s = %v, %v; want %v", src.String(), got, err, sum)
		}
	})
}

func FuzzExpression(f *testing.F) {
	for _, seed := range []string{"(x + y) / 2", "a && !b || 'x' == s", "l[0].v['q'] >= -1.5", "--1", "((((", "!", "true.x", "a.b.c[-3]"} {
		f.Add(seed)
	}
	e, err := actor.Parse([]byte(exprEvent))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, src string) {
		x, err := parseExpression(src, []string{"a"})
		if err != nil {
			return
		}
		s := &scope{event: e, collect: func(string) (actor.Value, error) { return actor.Int(1), nil }}
		v, err := x.run(s)
		if err == nil && (v.IsMissing() || v.Kind() > actor.StringKind) {
			t.Errorf("%q = %v", src, v)
		}
		if err != nil && !errors.Is(err, errMissing) && !errors.Is(err, atoll.Failed) {
			t.Errorf("%q fails with %v", src, err)
		}
		if _, err := parseExpression("("+src+")", []string{"a"}); err != nil && len(src) < 4000 && !strings.Contains(err.Error(), "nesting") {
			t.Errorf("%q parses, but not in parentheses: %v", src, err)
		}
	})
}
