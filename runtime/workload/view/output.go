package view

import (
	"strconv"
	"strings"

	"github.com/atoll-platform/atoll/runtime/workload"
)

// AppendApceraLog appends lines of the output of job id as jobs print them: each
// piece with its time, where it was written, and its bytes as they are.
func AppendApceraLog(b []byte, id string, lines []workload.Line) []byte {
	for _, l := range lines {
		b = strconv.AppendInt(b, l.Time.UnixNano(), 10)
		b = append(b, ",job."...)
		b = append(b, id...)
		b = append(b, '.')
		b = append(b, l.Stream.String()...)
		b = append(b, ',')
		b = append(b, l.Text...)
		b = append(b, '\n')
	}
	return b
}

// CxEngageOutput returns the newest n lines of a process, in the order of arrival.
func CxEngageOutput(lines []workload.Line, n int) []string {
	all := wholeLines(lines)
	all = all[max(0, len(all)-max(0, n)):]
	out := make([]string, len(all))
	for k := range all {
		out[k] = validText(string(all[k].Text))
	}
	return out
}

// SyncanoOutput returns what one run has written to a stream.
func SyncanoOutput(output []byte) string { return validText(string(output)) }

// wholeLines joins the pieces of long lines, by instance and stream. A line comes
// where its last piece does; those that have no end yet come last.
func wholeLines(lines []workload.Line) []workload.Line {
	type source struct {
		instance string
		stream   workload.Stream
	}
	begun := map[source][]byte{}
	var order []source
	out := make([]workload.Line, 0, len(lines))
	for _, l := range lines {
		src := source{l.Instance, l.Stream}
		text, ok := begun[src]
		if !l.NL {
			if !ok {
				order = append(order, src)
			}
			begun[src] = append(text, l.Text...)
			continue
		}
		if ok {
			l.Text = append(text, l.Text...)
			delete(begun, src)
		}
		out = append(out, l)
	}
	for _, src := range order {
		if text, ok := begun[src]; ok {
			out = append(out, workload.Line{Instance: src.instance, Stream: src.stream, Text: text})
			delete(begun, src)
		}
	}
	return out
}

// prefixed prints lines behind a name each.
func prefixed(lines []workload.Line, name func(instance string) string) string {
	var b strings.Builder
	for _, l := range wholeLines(lines) {
		if n := name(l.Instance); n != "" {
			b.WriteString("[" + n + "] ")
		}
		b.Write(l.Text)
		b.WriteByte('\n')
	}
	return b.String()
}
