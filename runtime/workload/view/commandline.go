package view

import (
	"strings"

	"github.com/atoll-platform/atoll"
)

// SplitCommand splits a command line into words as a shell does: blanks part
// words, single and double quotes and the backslash keep them together. Nothing
// is expanded. Kind: Invalid for a quote that is not closed or a backslash at the end.
func SplitCommand(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	in := false // a word has begun
	for k := 0; k < len(line); k++ {
		switch c := line[k]; c {
		case ' ', '\t', '\n', '\r':
			if in {
				words, in = append(words, word.String()), false
				word.Reset()
			}
		case '\'':
			end := strings.IndexByte(line[k+1:], '\'')
			if end < 0 {
				return nil, atoll.Errorf(atoll.Invalid, "view.SplitCommand", "a quote is not closed")
			}
			word.WriteString(line[k+1 : k+1+end])
			k, in = k+1+end, true
		case '"':
			end, ok := doubleQuoted(line, k+1, &word)
			if !ok {
				return nil, atoll.Errorf(atoll.Invalid, "view.SplitCommand", "a quote is not closed")
			}
			k, in = end, true
		case '\\':
			if k+1 == len(line) {
				return nil, atoll.Errorf(atoll.Invalid, "view.SplitCommand", "there is nothing behind the last backslash")
			}
			k, in = k+1, true
			if line[k] != '\n' {
				word.WriteByte(line[k])
			}
		default:
			word.WriteByte(c)
			in = true
		}
	}
	if in {
		words = append(words, word.String())
	}
	return words, nil
}

// doubleQuoted reads what is between double quotes from k on and returns where
// the closing one is.
func doubleQuoted(line string, k int, word *strings.Builder) (int, bool) {
	for ; k < len(line); k++ {
		switch c := line[k]; {
		case c == '"':
			return k, true
		case c == '\\' && k+1 < len(line) && strings.IndexByte("\"\\$`\n", line[k+1]) >= 0:
			k++
			if line[k] != '\n' {
				word.WriteByte(line[k])
			}
		default:
			word.WriteByte(c)
		}
	}
	return k, false
}

// JoinCommand returns a command line that SplitCommand splits into words.
func JoinCommand(words []string) string {
	var b strings.Builder
	for k, w := range words {
		if k > 0 {
			b.WriteByte(' ')
		}
		if w != "" && !strings.ContainsAny(w, " \t\r\n'\"\\") {
			b.WriteString(w)
			continue
		}
		b.WriteString("'" + strings.ReplaceAll(w, "'", `'\''`) + "'")
	}
	return b.String()
}
