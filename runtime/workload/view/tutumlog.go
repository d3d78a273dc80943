package view

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/atoll-platform/atoll/runtime/workload"
)

// tutumLogMax bounds what is shown of an output.
const tutumLogMax = 1 << 20

// TutumLog prints the output of a container: its text in the order of arrival,
// at most the newest 1 MiB, cut at the start of a line, and of that the last
// tail lines; a negative tail is all.
func TutumLog(lines []workload.Line, tail int) string {
	var b strings.Builder
	for _, l := range newest(lines) {
		b.Write(l.Text)
		if l.NL {
			b.WriteByte('\n')
		}
	}
	return lastLines(validText(b.String()), tail)
}

// TutumApplicationLog prints the output of the containers of s that are in lists,
// lines behind the unique name of the container that each is of.
func TutumApplicationLog(s *workload.Snapshot, lines []workload.Line, tail int, now time.Time) string {
	names := map[string]string{}
	for _, i := range s.Instances {
		if TutumListsContainer(s, i, now) {
			names[i.ID] = TutumContainerName(s, i)
		}
	}
	lines = slices.DeleteFunc(slices.Clone(newest(lines)), func(l workload.Line) bool { return l.Instance != "" && names[l.Instance] == "" })
	return lastLines(validText(prefixed(lines, func(id string) string { return names[id] })), tail)
}

// newest returns the lines that may still be shown: those of a hundred containers
// can be a hundred times too many. It leaves more than fits, so that the cut at
// the start of a line is made where all of them are.
func newest(lines []workload.Line) []workload.Line {
	size := 0
	for k := len(lines) - 1; k > 0; k-- {
		if size += len(lines[k].Text) + 1; size > 2*tutumLogMax {
			return lines[k:]
		}
	}
	return lines
}

// validText puts U+FFFD in the place of each byte that is not UTF-8.
func validText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.Map(func(r rune) rune { return r }, s)
}

// lastLines returns the last tail lines of text, and not more than fits; a
// negative tail is all of them.
func lastLines(text string, tail int) string {
	if over := len(text) - tutumLogMax; over > 0 {
		cut := strings.IndexByte(text[over-1:], '\n')
		if cut < 0 || over+cut == len(text) {
			text = text[over:] // one line, longer than all that is shown
			for text != "" && !utf8.RuneStart(text[0]) {
				text = text[1:]
			}
		} else {
			text = text[over+cut:]
		}
	}
	if tail < 0 {
		return text
	}
	at := len(text)
	if strings.HasSuffix(text, "\n") {
		at--
	}
	for ; tail > 0; tail-- {
		if at = strings.LastIndexByte(text[:max(at, 0)], '\n'); at < 0 {
			return text
		}
	}
	if at >= len(text)-1 {
		return ""
	}
	return text[at+1:]
}
