package view_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/view"
)

// out is a line of output; a text that ends in … goes on.
func out(instance string, stream workload.Stream, text string) workload.Line {
	text, more := strings.CutSuffix(text, "…")
	return workload.Line{Time: time.Unix(0, 1_000_000_007), Instance: instance, Stream: stream, NL: !more, Text: []byte(text)}
}

func TestTutumLog(t *testing.T) {
	lines := []workload.Line{out("i0", workload.Stdout, "one"), out("i0", workload.Stderr, "t…"), out("i0", workload.Stderr, "wo"), out("i0", workload.Stdout, "a\xff\xfeb"), out("i0", workload.Stdout, "end…")}
	for name, tt := range map[string]struct {
		lines []workload.Line
		tail  int
		want  string
	}{
		"nothing written is empty":             {nil, -1, ""},
		"all of it, in the order of arrival":   {lines, -1, "one\ntwo\na\uFFFD\uFFFDb\nend"},
		"none of it":                           {lines, 0, ""},
		"the last line counts without its end": {lines, 1, "end"},
		"the last two":                         {lines, 2, "a\uFFFD\uFFFDb\nend"},
		"more than there are":                  {lines, 99, "one\ntwo\na\uFFFD\uFFFDb\nend"},
		"the last of lines that have ended":    {lines[:3], 1, "two\n"},
		"an empty line is a line":              {[]workload.Line{out("", 0, "a"), out("", 0, "")}, 1, "\n"},
		"none of lines that have ended":        {lines[:1], 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := view.TutumLog(tt.lines, tt.tail); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestTutumLogIsCutAtTheStartOfALine(t *testing.T) {
	line := strings.Repeat("x", 999)
	var lines []workload.Line
	for range 5000 {
		lines = append(lines, out("i0", 0, line))
	}
	got := view.TutumLog(lines, -1)
	if len(got) != 1048*1000 || !strings.HasPrefix(got, line+"\n") {
		t.Errorf("%d bytes, want the newest 1048 lines", len(got))
	}
	long := strings.Repeat("é", 1<<20)
	for _, l := range [][]workload.Line{{out("i0", 0, long)}, {out("i0", 0, long+"…")}} {
		if got := view.TutumLog(l, -1); len(got) > 1<<20 || len(got) < 1<<20-2 || !strings.HasPrefix(got, "é") {
			t.Errorf("of one long line there are %d bytes that begin with %q", len(got), got[:2])
		}
	}
}

func TestTutumApplicationLog(t *testing.T) {
	s := whole(running, running)
	lines := []workload.Line{
		out("i0", workload.Stdout, "one"), out("i1", workload.Stdout, "long …"), out("i0", workload.Stderr, "two"), out("i1", workload.Stdout, "line"),
		out("", workload.Stderr, "note"), out("gone", workload.Stdout, "old"), out("i1", workload.Stdout, "open…"),
	}
	want := "[web-1] one\n[web-1] two\n[web-2] long line\nnote\n[web-2] open\n"
	if got := view.TutumApplicationLog(s, lines, -1, time.Now()); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := view.TutumApplicationLog(s, lines, 1, time.Now()); got != "[web-2] open\n" {
		t.Errorf("the last line is %q", got)
	}
}

func TestOtherOutput(t *testing.T) {
	lines := []workload.Line{out("i0", workload.Stdout, "one"), out("i0", workload.Stderr, "t…"), out("i0", workload.Stderr, "wo\xff")}
	if got, want := string(view.AppendApceraLog(nil, "j", lines)), "1000000007,job.j.stdout,one\n1000000007,job.j.stderr,t\n1000000007,job.j.stderr,wo\xff\n"; got != want {
		t.Errorf("job %q, want %q", got, want)
	}
	if diff := cmp.Diff([]string{"two\uFFFD"}, view.CxEngageOutput(lines, 1)); diff != "" {
		t.Errorf("process (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{}, view.CxEngageOutput(lines, 0)); diff != "" {
		t.Errorf("no lines of a process (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"one", "two\uFFFD"}, view.CxEngageOutput(lines, 1000)); diff != "" {
		t.Errorf("all of a process (-want +got):\n%s", diff)
	}
	if got := view.SyncanoOutput([]byte("a\xffb")); got != "a\uFFFDb" {
		t.Errorf("script %q", got)
	}
}
