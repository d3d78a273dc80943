package fabric

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/atoll-platform/atoll"
)

// MaxCommand is the length of the longest command line, in characters.
const MaxCommand = 4096

// SplitWords splits a command line into words, as a shell does, but replaces
// nothing: blanks separate words; single quotes keep everything between them;
// between double quotes a backslash goes before " \ $ ` and the end of a line
// only; elsewhere it keeps the next character. A backslash and the end of a line
// behind it are dropped. Two quotes with nothing between them are an empty word.
// Every other character stands for itself.
//
// Invalid has one finding, with path "command": a quote that is left open, a
// backslash at the end, a zero byte, text that is not UTF-8, a line that is too
// long.
func SplitWords(line string) ([]string, error) {
	words, reason := splitWords(line)
	if reason != "" {
		return nil, &atoll.Error{Kind: atoll.Invalid, Op: "fabric.SplitWords", Msg: reason,
			Findings: []atoll.Finding{{Path: "command", Code: "form", Msg: reason}}}
	}
	return words, nil
}

// splitWords is SplitWords with the reason of a failure as text.
func splitWords(line string) (words []string, reason string) {
	switch {
	case !utf8.ValidString(line):
		return nil, "a command is UTF-8 text"
	case strings.ContainsRune(line, 0):
		return nil, "a command has no zero byte"
	case utf8.RuneCountInString(line) > MaxCommand:
		return nil, fmt.Sprintf("a command has at most %d characters", MaxCommand)
	}
	var word []byte
	in := false // a word has begun
	for i := 0; i < len(line); i++ {
		switch c := line[i]; c {
		case ' ', '\t', '\n':
			if in {
				words, word, in = append(words, string(word)), word[:0], false
			}
		case '\'':
			end := strings.IndexByte(line[i+1:], '\'')
			if end < 0 {
				return nil, openQuote("single", line, i)
			}
			word, in = append(word, line[i+1:i+1+end]...), true
			i += 1 + end
		case '"':
			end, text := quoted(line, i+1)
			if end < 0 {
				return nil, openQuote("double", line, i)
			}
			word, in = append(word, text...), true
			i = end
		case '\\':
			if i++; i == len(line) {
				return nil, "there is nothing behind the backslash at the end of the command"
			}
			if line[i] != '\n' {
				word, in = append(word, line[i]), true
			}
		default:
			word, in = append(word, c), true
		}
	}
	if in {
		words = append(words, string(word))
	}
	return words, ""
}

// quoted reads from behind a double quote to the next one. It returns where that
// is, -1 if there is none, and what stands between them.
func quoted(line string, from int) (end int, text []byte) {
	for i := from; i < len(line); i++ {
		switch c := line[i]; c {
		case '"':
			return i, text
		case '\\':
			if i+1 == len(line) {
				return -1, nil
			}
			switch next := line[i+1]; next {
			case '"', '\\', '$', '`':
				text = append(text, next)
			case '\n':
			default:
				text = append(text, c, next)
			}
			i++
		default:
			text = append(text, c)
		}
	}
	return -1, nil
}

func openQuote(kind, line string, at int) string {
	return fmt.Sprintf("the %s quote at character %d of the command is not closed", kind, utf8.RuneCountInString(line[:at])+1)
}
