package driver_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

func TestSplitWords(t *testing.T) {
	for name, tt := range map[string]struct {
		line   string
		want   []string
		reason string
	}{
		"nothing has no words":                              {line: " \t\r\n"},
		"blanks separate words":                             {line: "  serve \t--port\n80 ", want: []string{"serve", "--port", "80"}},
		"single quotes keep everything":                     {line: `'a  b' 'c\"$x'`, want: []string{"a  b", `c\"$x`}},
		"double quotes keep blanks":                         {line: `"a  b" "it's"`, want: []string{"a  b", "it's"}},
		"a backslash escapes four signs in double quotes":   {line: `"\" \\ \$ \` + "`" + `"`, want: []string{"\" \\ $ `"}},
		"other backslashes in double quotes stay":           {line: `"\n \a \'"`, want: []string{`\n \a \'`}},
		"a backslash keeps the next character":              {line: `a\ b \'c \\ \n`, want: []string{"a b", "'c", `\`, "n"}},
		"a backslash at the end of a line joins lines":      {line: "a\\\nb \"c\\\nd\" \\\n e", want: []string{"ab", "cd", "e"}},
		"parts that touch are one word":                     {line: `a"b c"'d e'\ f`, want: []string{"ab cd e f"}},
		"two quotes are an empty word":                      {line: `'' "" a''b`, want: []string{"", "", "ab"}},
		"nothing is replaced":                               {line: `$HOME ~ *.go a=b $(id) {1,2} # ; | & > <`, want: []string{"$HOME", "~", "*.go", "a=b", "$(id)", "{1,2}", "#", ";", "|", "&", ">", "<"}},
		"text is text":                                      {line: "größe 'zwölf\u00a0Uhr' 日本", want: []string{"größe", "zwölf\u00a0Uhr", "日本"}},
		"an open single quote is named with its place":      {line: `größe 'b`, reason: "the single quote at character 7 of the command is not closed"},
		"an open double quote is named with its place":      {line: `a "b' c`, reason: "the double quote at character 3 of the command is not closed"},
		"a quote that is escaped does not close":            {line: `"a\"`, reason: "the double quote at character 1 of the command is not closed"},
		"a backslash before the end does not close a quote": {line: `"a\`, reason: "the double quote at character 1 of the command is not closed"},
		"a backslash at the end has nothing to keep":        {line: `a \`, reason: "there is nothing behind the backslash at the end of the command"},
		"a zero byte is in no command":                      {line: "a\x00b", reason: "a command has no zero byte"},
		"bytes that are no text are refused":                {line: "a\xff", reason: "a command is UTF-8 text"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := driver.SplitWords(tt.line)
			reason := ""
			if e, ok := errors.AsType[*atoll.Error](err); ok {
				if reason = e.Msg; e.Kind != atoll.Invalid {
					t.Errorf("kind %v", e.Kind)
				}
			}
			if diff := cmp.Diff([]any{tt.want, tt.reason}, []any{got, reason}); diff != "" {
				t.Errorf("SplitWords(%q) (-want +got):\n%s", tt.line, diff)
			}
		})
	}
}

func FuzzSplitWords(f *testing.F) {
	for _, s := range []string{"", "serve --port 80", `sh -c 'echo "$HOME"'`, `a\ b "c\"d" ''`, "x\\\ny", `"open`, "größe '日本'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words, err := driver.SplitWords(line)
		if err != nil {
			if atoll.KindOf(err) != atoll.Invalid {
				t.Errorf("%q: %v", line, err)
			}
			return
		}
		total := 0
		for _, w := range words {
			total += len(w)
		}
		if total > len(line) {
			t.Errorf("%q: words %q are longer than the line", line, words)
		}
		again, err := driver.SplitWords(driver.JoinWords(words))
		if err != nil || !slices.Equal(words, again) {
			t.Errorf("%q: %q, joined and split %q: %v", line, words, again, err)
		}
		if !strings.ContainsAny(line, `'"\`) {
			if want, got := strings.Fields(plain(line)), strings.Fields(plain(strings.Join(words, " "))); !slices.Equal(want, got) || len(got) != len(words) {
				t.Errorf("%q: fields %q, words %q", line, want, words)
			}
		}
	})
}

// plain is line with no blanks but those that a shell sees.
func plain(line string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("\v\f\u0085\u00a0\u1680\u2028\u2029\u202f\u205f\u3000", r) || r >= '\u2000' && r <= '\u200a' {
			return 'x'
		}
		return r
	}, line)
}

// BenchmarkSplitWords guards what each creation from an image does.
func BenchmarkSplitWords(b *testing.B) {
	for b.Loop() {
		if words, err := driver.SplitWords(`serve --name "two words" --path '/var/lib' a\ b`); err != nil || len(words) != 6 {
			b.Fatal(words, err)
		}
	}
}
