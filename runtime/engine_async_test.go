package runtime

import (
	"context"
	goruntime "runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

func TestAsyncQueueIsBounded(t *testing.T) {
	gate := make(chan struct{})
	act := &gated{gate: gate}
	end := &recorder{}
	i := spawn(t, engine(t, EngineOptions{Mailbox: func() int { return 300 }}), graph([]part{
		{name: "a", make: fn(func(c actor.Context, e *actor.Event) (*actor.Event, error) {
			for n := range 500 {
				c.Emit(number(n))
			}
			return nil, nil
		})},
		{name: "b", make: func() actor.Actor { return act }},
		{name: "end", make: end.make},
	}, "a b", "b end"))
	if err := i.TryPost("a", number(0)); err != nil {
		t.Fatal(err)
	}
	for i.Stats().Exceptions < 200 {
		goruntime.Gosched()
	}
	// The runtime takes no more mail now, and what it holds is bounded.
	took := 0
	for i.TryPost("b", number(took)) == nil {
		took++
	}
	if took > 300 {
		t.Errorf("%d events taken behind a full asynchronous actor", took)
	}
	close(gate)
	if err := i.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := end.texts()
	if len(got) != 300+took || got[0] != `{"n":0}` || got[299] != `{"n":299}` {
		t.Errorf("%d results, want %d in order", len(got), 300+took)
	}
	if act.most.Load() > 3 {
		t.Errorf("%d at a time, want at most 3", act.most.Load())
	}
}

// gated performs when its gate is open.
type gated struct {
	gate      chan struct{}
	now, most atomic.Int64
}

func (*gated) Trigger(actor.Context, *actor.Event) (*actor.Event, error) { return nil, nil }
func (*gated) Parallel() int                                             { return 3 }
func (g *gated) Perform(ctx context.Context, e *actor.Event) (*actor.Event, error) {
	g.most.Store(max(g.most.Load(), g.now.Add(1)))
	defer g.now.Add(-1)
	select {
	case <-g.gate:
		return e, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestAsyncOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := NewEngine(EngineOptions{})
		if err := e.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		act := &performing{}
		i := spawn(t, e, graph([]part{
			{name: "a", make: func() actor.Actor { return act }},
			{name: "c", make: fn(func(c actor.Context, _ *actor.Event) (*actor.Event, error) {
				v, err := c.Collect("x")
				if err != nil {
					return nil, err
				}
				out, _ := actor.FromValue(v)
				return out, nil
			}), collect: []CheckedCollect{{Alias: "x", From: 0, Data: number(7)}}},
		}))
		shunt := func(to string, n int) string {
			out, err := i.Shunt(t.Context(), to, number(n))
			if err != nil {
				return atoll.KindOf(err).String()
			}
			return out.String()
		}
		got := map[string]string{"result": shunt("a", 1), "panic": shunt("a", -1), "slow": shunt("a", 20_000), "collected": shunt("c", 0)}
		want := map[string]string{"result": `{"n":1}`, "panic": "failed", "slow": "timeout", "collected": `{"n":7}`}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if _, err := i.Shunt(t.Context(), "a", number(0)); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := e.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
}

// performing waits for as many milliseconds as the event says.
type performing struct{}

func (*performing) Trigger(actor.Context, *actor.Event) (*actor.Event, error) { return nil, nil }
func (*performing) Parallel() int                                             { return 2 }
func (*performing) Perform(ctx context.Context, e *actor.Event) (*actor.Event, error) {
	n, _ := e.Get(nKey).Int()
	if n < 0 {
		panic("no")
	}
	select {
	case <-time.After(time.Duration(n) * time.Millisecond):
		return e, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestAnActorThatEndsItsGoroutine(t *testing.T) {
	base := goruntime.NumGoroutine()
	e := NewEngine(EngineOptions{Workers: 1})
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	i := spawn(t, e, graph([]part{{name: "a", make: fn(func(_ actor.Context, e *actor.Event) (*actor.Event, error) {
		if n, _ := e.Get(nKey).Int(); n == 1 {
			goruntime.Goexit()
		}
		return e, nil
	})}, {name: "b", make: fn(pass)}}, "a b"))
	for n := range 3 {
		if err := i.Post(t.Context(), "a", number(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := i.Stats()
	if diff := cmp.Diff(Stats{Actors: 2, Messages: 5, Exceptions: 1, Counters: map[string]map[string]uint64{"total": {}}}, s); diff != "" {
		t.Errorf("Stats (-want +got):\n%s", diff)
	}
	settle(t, base)
}

func TestSourcesOfARuntime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := NewEngine(EngineOptions{})
		if err := e.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		end := &recorder{}
		i := spawn(t, e, graph([]part{
			{name: "a", make: func() actor.Actor { return &pacing{} }},
			{name: "bad", make: func() actor.Actor { return panicking{} }},
			{name: "end", make: end.make},
		}, "a end", "bad end"))
		for range 2 {
			if err := i.StartSources(); err != nil {
				t.Fatal(err)
			}
			i.Refuse(0)
			time.Sleep(2500 * time.Millisecond)
			if err := i.StopSources(t.Context()); err != nil {
				t.Fatal(err)
			}
			i.Refuse(atoll.FailedState)
			time.Sleep(time.Hour)
		}
		if diff := cmp.Diff([]string{`{"n":1}`, `{"n":2}`, `{"n":3}`, `{"n":4}`}, end.texts()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if s := i.Stats(); s.Messages != 4 || s.Exceptions != 2 {
			t.Errorf("%+v, want 4 messages at the receiver and 2 exceptions of the source that panics", s)
		}
		if err := i.StartSources(); err != nil {
			t.Fatal(err)
		}
		if err := e.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// pacing emits a number each second.
type pacing struct{ n int }

func (*pacing) Trigger(actor.Context, *actor.Event) (*actor.Event, error) { return nil, nil }
func (p *pacing) Run(ctx context.Context, out actor.Outlet) error {
	for {
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
		p.n++
		if err := out.EmitBatch(ctx, []*actor.Event{number(p.n)}); err != nil {
			return err
		}
	}
}

type panicking struct{}

func (panicking) Trigger(actor.Context, *actor.Event) (*actor.Event, error) { return nil, nil }
func (panicking) Run(context.Context, actor.Outlet) error                   { panic("no") }
