package runtime

import (
	"context"
	"errors"
	goruntime "runtime"
	"testing"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

func TestShutdownEndsInTime(t *testing.T) {
	base := goruntime.NumGoroutine()
	e := NewEngine(EngineOptions{Workers: 2})
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := newBlocker(t)
	i := spawn(t, e, graph([]part{{name: "a", make: b.make}}))
	for range 3 {
		if err := i.TryPost("a", event(t, `{"block":1}`)); err != nil {
			t.Fatal(err)
		}
	}
	<-b.entered
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	start := time.Now()
	if err := e.Shutdown(ctx); atoll.KindOf(err) != atoll.Timeout {
		t.Errorf("Shutdown with a blocked actor: %v, want Timeout", err)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("it took %v", d)
	}
	if err := i.TryPost("a", number(1)); atoll.KindOf(err) != atoll.Unavailable {
		t.Errorf("Post afterwards: %v, want Unavailable", err)
	}
	if _, err := e.Spawn(i.Checked(), SpawnOptions{}); atoll.KindOf(err) != atoll.Unavailable {
		t.Errorf("Spawn afterwards: %v, want Unavailable", err)
	}
	b.open()
	if err := e.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown once the actor has returned: %v", err)
	}
	if err := e.Start(t.Context()); atoll.KindOf(err) != atoll.Unavailable {
		t.Errorf("Start afterwards: %v, want Unavailable", err)
	}
	settle(t, base)
}

// closing notes that it was closed, and how many events it had by then.
type closing struct {
	n      int
	closed chan int
}

func (c *closing) Trigger(actor.Context, *actor.Event) (*actor.Event, error) {
	c.n++
	return nil, nil
}
func (c *closing) Close() error { c.closed <- c.n; return errors.New("for the log") }

func TestCloseHandlesWhatWasAcceptedFirst(t *testing.T) {
	e := engine(t, EngineOptions{})
	c := &closing{closed: make(chan int, 2)}
	i := spawn(t, e, graph([]part{{name: "a", make: fn(echo)}, {name: "b", make: func() actor.Actor { return c }}}, "a b"))
	s, err := i.Subscribe("a", 10)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 1000 {
		if err := i.Post(t.Context(), "a", number(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := i.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := i.Close(t.Context()); err != nil {
		t.Errorf("a second Close: %v", err)
	}
	if n := <-c.closed; n != 1000 || len(c.closed) != 0 {
		t.Errorf("closed after %d events and %d times more, want 1000 and 0", n, len(c.closed))
	}
	for _, err := range []error{
		i.Post(t.Context(), "a", number(1)), i.StartSources(),
		func() error { _, err := i.Shunt(t.Context(), "a", number(1)); return err }(),
		func() error { _, err := i.Subscribe("a", 1); return err }(),
		func() error { _, err := i.State("a", ""); return err }(),
	} {
		if atoll.KindOf(err) != atoll.Unavailable {
			t.Errorf("after Close: %v, want Unavailable", err)
		}
	}
	var got []string
	for {
		e, err := s.Next(t.Context())
		if err != nil {
			if atoll.KindOf(err) != atoll.Unavailable {
				t.Errorf("Next: %v", err)
			}
			break
		}
		got = append(got, e.String())
	}
	if len(got) != 10 || got[9] != `{"n":999}` || s.Lost() != 990 {
		t.Errorf("the subscription has %v and lost %d, want the last ten and 990", got, s.Lost())
	}
	if n := len(e.instances) + len(e.plans) + len(e.tenants); n != 0 {
		t.Errorf("the engine still knows %d things of it", n)
	}
}

func TestRefuse(t *testing.T) {
	i := spawn(t, engine(t, EngineOptions{}), graph([]part{{name: "a", make: fn(echo)}}))
	i.Refuse(atoll.FailedState)
	_, err := i.Shunt(t.Context(), "a", number(1))
	if post := i.TryPost("a", number(1)); atoll.KindOf(post) != atoll.FailedState || atoll.KindOf(err) != atoll.FailedState {
		t.Errorf("while refused: %v, %v", post, err)
	}
	i.Refuse(0)
	if err := i.TryPost("a", number(1)); err != nil {
		t.Errorf("taken in again: %v", err)
	}
}

func TestSpawnFailsWhole(t *testing.T) {
	e := engine(t, EngineOptions{})
	c := &closing{closed: make(chan int, 1)}
	g := graph([]part{{name: "a", make: func() actor.Actor { return c }}, {name: "b", make: func() actor.Actor { panic("no") }}})
	_, err := e.Spawn(g, SpawnOptions{})
	if atoll.KindOf(err) != atoll.Failed {
		t.Errorf("Spawn: %v, want Failed", err)
	}
	if len(c.closed) != 1 {
		t.Error("the actor made before was not closed")
	}
	if n := len(e.instances) + len(e.plans) + len(e.tenants); n != 0 {
		t.Errorf("the engine still knows %d things of it", n)
	}
}
