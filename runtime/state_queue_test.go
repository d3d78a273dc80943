package runtime

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/actor"
)

// TestEventsThatWaitAreCarriedOver: those in the mailbox, from posts and from
// sources, go on in the new instance, in their order, and not in the old one.
func TestEventsThatWaitAreCarriedOver(t *testing.T) {
	e := engine(t, EngineOptions{})
	var rec *recorder
	c := graph([]part{{name: "src", make: func() actor.Actor { return idleSource{} }}, {name: "a", make: fn(echo)}, {name: "end", make: func() actor.Actor { return rec }}}, "src end", "a end")
	make := func() *spawned {
		s, err := e.spawnCopies(c, SpawnOptions{ID: "r"}, "")
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	rec = &recorder{}
	old, oldSaw := make(), rec
	old.open()
	i := old.copies[0]
	i.hold(true)
	if err := i.StartSources(); err != nil {
		t.Fatal(err)
	}
	if err := i.StopSources(t.Context()); err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		if err := i.TryPost("a", number(n)); err != nil {
			t.Fatal(err)
		}
		if err := i.ext.Load().sources[0].Emit(t.Context(), number(10+n)); err != nil {
			t.Fatal(err)
		}
	}
	data, err := old.save(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rec = &recorder{}
	fresh := make()
	if err := fresh.load(data); err != nil {
		t.Fatal(err)
	}
	fresh.open()
	if err := quiesce(t.Context(), fresh.copies, nil, 0, true); err != nil {
		t.Fatal(err)
	}
	want := []string{`{"n":0}`, `{"n":10}`, `{"n":1}`, `{"n":11}`, `{"n":2}`, `{"n":12}`}
	if diff := cmp.Diff(want, rec.texts()); diff != "" {
		t.Errorf("the new instance has seen (-want +got):\n%s", diff)
	}
	if err := quiesce(t.Context(), old.copies, nil, 0, true); err != nil { // save has let it go
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, oldSaw.texts()); diff != "" {
		t.Errorf("the old instance goes on with its own (-want +got):\n%s", diff)
	}
}

type idleSource struct{}

func (idleSource) Trigger(actor.Context, *actor.Event) (*actor.Event, error) { return nil, nil }
func (idleSource) Run(ctx context.Context, _ actor.Outlet) error             { <-ctx.Done(); return nil }

// TestAsynchronousWorkIsWaitedFor: what an actor has in hand is handled before
// the state is taken, and what it gives goes on.
func TestAsynchronousWorkIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engine(t, EngineOptions{})
		var done atomic.Int64
		rec := &recorder{}
		c := graph([]part{{name: "slow", make: func() actor.Actor { return &sleeper{done: &done} }}, {name: "end", make: rec.make}}, "slow end")
		s, err := e.spawnCopies(c, SpawnOptions{ID: "r"}, "")
		if err != nil {
			t.Fatal(err)
		}
		s.open()
		for n := range 5 {
			if err := s.copies[0].TryPost("slow", number(n)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		data, err := s.save(t.Context())
		if err != nil || done.Load() != 5 || len(rec.texts()) != 5 {
			t.Errorf("saved %s, %v, with %d of 5 performed and %d passed on", data, err, done.Load(), len(rec.texts()))
		}
	})
}

type sleeper struct{ done *atomic.Int64 }

func (*sleeper) Trigger(actor.Context, *actor.Event) (*actor.Event, error) { return nil, nil }
func (*sleeper) Parallel() int                                             { return 1 }
func (s *sleeper) Perform(_ context.Context, e *actor.Event) (*actor.Event, error) {
	time.Sleep(time.Second)
	s.done.Add(1)
	return e, nil
}
