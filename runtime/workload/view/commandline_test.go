package view_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/runtime/workload/view"
)

func TestSplitCommand(t *testing.T) {
	for name, tt := range map[string]struct {
		in   string
		want []string
		kind atoll.Kind
	}{
		"nothing is no word":                        {in: " \t\n"},
		"blanks part words":                         {in: " a  b\tc\n", want: []string{"a", "b", "c"}},
		"single quotes keep everything":             {in: `'a  "\ b'c`, want: []string{`a  "\ bc`}},
		"double quotes keep all but some backslash": {in: `"a \"b\" \$x \n"`, want: []string{`a "b" $x \n`}},
		"empty quotes are an empty word":            {in: `a '' ""`, want: []string{"a", "", ""}},
		"a backslash keeps one character":           {in: `a\ b \'`, want: []string{"a b", "'"}},
		"a backslash joins lines":                   {in: "a\\\nb", want: []string{"ab"}},
		"nothing is expanded":                       {in: `$HOME *.txt ~ ; rm`, want: []string{"$HOME", "*.txt", "~", ";", "rm"}},
		"an open single quote":                      {in: `a 'b`, kind: atoll.Invalid},
		"an open double quote":                      {in: `a "b\"`, kind: atoll.Invalid},
		"a backslash at the end":                    {in: `a\`, kind: atoll.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := view.SplitCommand(tt.in)
			if atoll.KindOf(err) != tt.kind {
				t.Fatalf("%v, want kind %v", err, tt.kind)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzSplitCommand(f *testing.F) {
	for _, s := range []string{"", "a b", `'a "b' "c\"d" e\ f`, "a\\\nb", `"\\"`, `''`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words, err := view.SplitCommand(line)
		if err != nil {
			return
		}
		again, err := view.SplitCommand(view.JoinCommand(words))
		if err != nil || !slices.Equal(words, again) {
			t.Errorf("%q is %q, and printed and read again %q, %v", line, words, again, err)
		}
	})
}
