package workload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
)

func newTestBooks() *books { return newBooks(func() time.Time { return time.Now().UTC() }) }

// show prints lines as text, a piece that goes on with "…".
func show(lines []Line) []string {
	var out []string
	for _, l := range lines {
		text := fmt.Sprintf("%v %s", l.Stream, l.Text)
		if !l.NL {
			text += "…"
		}
		out = append(out, text)
	}
	return out
}

func TestOutputIsCutIntoLines(t *testing.T) {
	tests := map[string]struct {
		spec   LogSpec
		writes []string
		want   []string
	}{
		"lines end at newlines":                    {writes: []string{"a\nb", "c\n\n"}, want: []string{"stdout a", "stdout bc", "stdout "}},
		"what is left is taken at the end":         {writes: []string{"a\nb"}, want: []string{"stdout a", "stdout b…"}},
		"a long line becomes pieces":               {spec: LogSpec{LineMax: 3}, writes: []string{"abcdefgh\n"}, want: []string{"stdout abc…", "stdout def…", "stdout gh"}},
		"a line of exactly the limit is one piece": {spec: LogSpec{LineMax: 3}, writes: []string{"abc\nd\n"}, want: []string{"stdout abc", "stdout d"}},
		"or its rest is dropped":                   {spec: LogSpec{LineMax: 3, CutLines: true}, writes: []string{"abcd", "efgh\nij\n"}, want: []string{"stdout abc", "stdout ij"}},
		"bytes are bytes":                          {writes: []string{"\xff\x00\n"}, want: []string{"stdout \xff\x00"}},
		"the newest lines stay":                    {spec: LogSpec{Lines: 2}, writes: []string{"a\nb\nc\n"}, want: []string{"stdout b", "stdout c"}},
		"the newest bytes stay":                    {spec: LogSpec{Bytes: 4}, writes: []string{"aaa\nbb\ncc\n"}, want: []string{"stdout bb", "stdout cc"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := newTestBooks()
			w := b.of("w", &tt.spec).writer("i", Stdout)
			for _, s := range tt.writes {
				if n, err := w.Write([]byte(s)); n != len(s) || err != nil {
					t.Fatalf("Write = %d, %v", n, err)
				}
			}
			w.Close()
			if n, err := w.Write([]byte("late\n")); n != 5 || err != nil {
				t.Fatalf("Write after the end = %d, %v", n, err)
			}
			if diff := cmp.Diff(tt.want, show(b.find("w").tail("", -1))); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheBeginningOfALineIsTakenAfterASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBooks()
		w := b.of("w", &LogSpec{}).writer("i", Stderr)
		fmt.Fprint(w, "prompt> ")
		time.Sleep(999 * time.Millisecond)
		synctest.Wait()
		if b.find("w") != nil {
			t.Error("it is there before its time")
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		fmt.Fprint(w, "yes\n")
		if diff := cmp.Diff([]string{"stderr prompt> …", "stderr yes"}, show(b.find("w").tail("", -1))); diff != "" {
			t.Errorf("lines (-want +got):\n%s", diff)
		}
		w.Close()
	})
}

func TestOrderNumbersAndTimesOfManyWriters(t *testing.T) {
	b := newTestBooks()
	spec := LogSpec{Lines: 100_000, InstanceBytes: 1 << 20}
	var all sync.WaitGroup
	for k := range 8 {
		w := b.of("w", &spec).writer(fmt.Sprint("i", k), Stdout)
		all.Go(func() {
			for n := range 1000 {
				fmt.Fprintf(w, "%d\n", n)
			}
		})
	}
	all.Wait()
	lines := b.find("w").tail("", -1)
	if len(lines) != 8000 {
		t.Fatalf("%d lines", len(lines))
	}
	next := map[string]int{}
	for k, l := range lines {
		if k > 0 && (l.Seq != lines[k-1].Seq+1 || l.Time.Before(lines[k-1].Time)) {
			t.Fatalf("line %d has number %d at %v after %d at %v", k, l.Seq, l.Time, lines[k-1].Seq, lines[k-1].Time)
		}
		if string(l.Text) != fmt.Sprint(next[l.Instance]) {
			t.Fatalf("line %q of %s, want %d", l.Text, l.Instance, next[l.Instance])
		}
		next[l.Instance]++
	}
	for k := range 8 {
		if own := b.find("w").tail(fmt.Sprint("i", k), -1); len(own) != 1000 {
			t.Errorf("instance %d has %d lines of its own", k, len(own))
		}
	}
}

func TestAFollowerGetsEverythingOrIsToldWhatItLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBooks()
		w := b.of("w", &LogSpec{Lines: 10}).writer("i", Stdout)
		c := &Cursor{books: b, workload: "w"}
		got := make(chan []string)
		go func() {
			batch, _ := c.Next(t.Context())
			got <- show(batch.Lines)
		}()
		synctest.Wait()
		fmt.Fprint(w, "first\n")
		if diff := cmp.Diff([]string{"stdout first"}, <-got); diff != "" {
			t.Errorf("it waits for the first line (-want +got):\n%s", diff)
		}
		for k := range 25 {
			fmt.Fprintf(w, "%d\n", k)
		}
		batch, err := c.Next(t.Context())
		if err != nil || batch.Lost != 15 || len(batch.Lines) != 10 || string(batch.Lines[0].Text) != "15" {
			t.Errorf("a slow one lost %d and got %v, %v", batch.Lost, show(batch.Lines), err)
		}
		from := batch.Lines[5].Seq
		again := &Cursor{books: b, workload: "w", from: from}
		if batch, err := again.Next(t.Context()); err != nil || batch.Lost != 0 || len(batch.Lines) != 5 || batch.Lines[0].Seq != from {
			t.Errorf("from a number: %v %v", show(batch.Lines), err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := c.Next(ctx); !errors.Is(err, atoll.Canceled) {
			t.Errorf("a caller that gives up: %v", err)
		}
		b.drop("w")
		if _, err := c.Next(t.Context()); !errors.Is(err, atoll.Unavailable) {
			t.Errorf("after the end: %v", err)
		}
		w.Close()
	})
}

func TestOutputOfManyInstancesIsBounded(t *testing.T) {
	b := newTestBooks()
	spec := &LogSpec{Lines: 100}
	for k := range 20_000 {
		id := fmt.Sprint("i", k)
		w := b.of("w", spec).writer(id, Stdout)
		fmt.Fprintln(w, "line of", id)
		w.Close()
		if k >= 5 {
			b.dropInstance("w", fmt.Sprint("i", k-5))
		}
	}
	book := b.find("w")
	if len(book.names) > 5000 || len(book.rings) > 6 {
		t.Errorf("%d names and %d rings are kept", len(book.names), len(book.rings))
	}
	for _, l := range book.tail("", -1) {
		if string(l.Text) != "line of "+l.Instance {
			t.Fatalf("%q is said to be of %s", l.Text, l.Instance)
		}
	}
}

// FuzzLineWriter holds the pieces of any text, cut anywhere, to make the text again.
func FuzzLineWriter(f *testing.F) {
	f.Add("a\nb\n\nc", uint8(1), uint8(3))
	f.Add("long line without an end", uint8(5), uint8(4))
	f.Add("\xff\n\x00\n", uint8(2), uint8(1))
	f.Fuzz(func(t *testing.T, text string, step, most uint8) {
		b := newTestBooks()
		w := b.of("w", &LogSpec{Lines: 1_000_000, LineMax: 1 + int(most)}).writer("i", Stdout)
		for rest := text; rest != ""; {
			n := min(len(rest), 1+int(step))
			_, _ = w.Write([]byte(rest[:n]))
			rest = rest[n:]
		}
		w.Close()
		var again bytes.Buffer
		if k := b.find("w"); k != nil {
			for _, l := range k.tail("i", -1) {
				if len(l.Text) > 1+int(most) {
					t.Fatalf("a piece has %d bytes", len(l.Text))
				}
				again.Write(l.Text)
				if l.NL {
					again.WriteByte('\n')
				}
			}
		}
		if len(text) < 1<<10 && again.String() != text {
			t.Errorf("%q became %q", text, again.String())
		}
	})
}

func TestARingKeepsWhatItSays(t *testing.T) {
	r := ring{maxBytes: 100_000}
	var want []string
	for k := range 3000 {
		text := strings.Repeat("x", k%200)
		r.append(&record{seq: uint64(k), text: []byte(text)})
		want = append(want, text)
	}
	var got []string
	bytes := 0
	r.read(0, func(ordinal uint64, rec *record) bool {
		if rec.seq != ordinal {
			t.Fatalf("record %d is at %d", rec.seq, ordinal)
		}
		got = append(got, string(rec.text))
		bytes += len(rec.text)
		return true
	})
	if len(got) != r.n || bytes != r.bytes || bytes > 100_000 {
		t.Errorf("%d records of %d bytes, it says %d of %d", len(got), bytes, r.n, r.bytes)
	}
	if diff := cmp.Diff(want[len(want)-len(got):], got); diff != "" {
		t.Error("the newest are not those that are kept")
	}
}
