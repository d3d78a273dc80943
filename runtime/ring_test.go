package runtime

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/atoll-platform/atoll/actor"
)

// TestCopiesThatHandOverMoreThanTheyTakeGoOn: copies with tiny mailboxes, each
// of which hands most of its events to the others, twice.
func TestCopiesThatHandOverMoreThanTheyTakeGoOn(t *testing.T) {
	e := engine(t, EngineOptions{Workers: 4, Mailbox: func() int { return 16 }})
	var seen atomic.Int64
	c := graph([]part{{name: "in", make: fn(echo)}, {name: "a", make: fn(echo), by: []string{"x"}}, {name: "b", make: fn(echo), by: []string{"y"}},
		{name: "end", make: fn(func(actor.Context, *actor.Event) (*actor.Event, error) { seen.Add(1); return nil, nil })}}, "in a", "a b", "b end")
	c.Def.Distribution = &Distribution{Mode: DuplicateRuntime, Copies: 3}
	s, err := e.spawnCopies(c, SpawnOptions{ID: "r"}, "")
	if err != nil {
		t.Fatal(err)
	}
	s.open()
	to, err := s.router("in", func() string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	const events = 20_000
	for n := range events {
		if err := to.Post(t.Context(), event(t, fmt.Sprintf(`{"n":%d,"x":%d,"y":%d}`, n, n%17, n%19))); err != nil {
			t.Fatal(err)
		}
		if w := s.ring.waiting.Load(); w > 16 {
			t.Fatalf("%d events are on their way between copies, beyond the size of a mailbox", w)
		}
	}
	if err := quiesce(t.Context(), s.copies, s.ring, 0, true); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(0); st.Exceptions != 0 || seen.Load() != events {
		t.Errorf("%d of %d events arrived, %d failed", seen.Load(), events, st.Exceptions)
	}
	if err := s.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

func BenchmarkCopies(b *testing.B) {
	for _, n := range []int{1, 4} {
		b.Run(fmt.Sprintf("copies=%d", n), func(b *testing.B) {
			e := engine(b, EngineOptions{})
			c := graph([]part{{name: "in", make: fn(echo)}, {name: "by", make: fn(echo), by: []string{"x"}}}, "in by")
			c.Def.Distribution = &Distribution{Mode: DuplicateRuntime, Copies: n}
			s, err := e.spawnCopies(c, SpawnOptions{ID: "r"}, "")
			if err != nil {
				b.Fatal(err)
			}
			s.open()
			to, _ := s.router("in", func() string { return "" })
			var es []*actor.Event
			for k := range 64 {
				es = append(es, event(b, fmt.Sprintf(`{"n":%d,"x":"k%d"}`, k, k%16)))
			}
			k := 0
			for b.Loop() {
				if err := to.Post(context.Background(), es[k%len(es)]); err != nil {
					b.Fatal(err)
				}
				k++
			}
			_ = quiesce(context.Background(), s.copies, s.ring, 0, true)
		})
	}
}
