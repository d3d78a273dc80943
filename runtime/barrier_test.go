package runtime

import (
	"context"
	goruntime "runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// settler is a source that does what it is told.
type settler struct {
	run func(ctx context.Context, out actor.Outlet) error
}

func (*settler) Trigger(actor.Context, *actor.Event) (*actor.Event, error) { return nil, nil }
func (s *settler) Run(ctx context.Context, out actor.Outlet) error         { return s.run(ctx, out) }

// lagging performs in a second, and notes whether it was closed meanwhile.
type lagging struct{ done, busy, early atomic.Int32 }

func (*lagging) Trigger(actor.Context, *actor.Event) (*actor.Event, error) { return nil, nil }
func (*lagging) Parallel() int                                             { return 1 }
func (l *lagging) Close() error                                            { l.early.Store(l.busy.Load()); return nil }
func (l *lagging) Perform(ctx context.Context, e *actor.Event) (*actor.Event, error) {
	l.busy.Add(1)
	defer l.busy.Add(-1)
	select {
	case <-time.After(time.Second):
		l.done.Add(1)
	case <-ctx.Done():
	}
	return e, ctx.Err()
}

func TestSettle(t *testing.T) {
	type outcome struct {
		kind atoll.Kind
		took time.Duration
	}
	var first, second *lagging
	var ended atomic.Int32
	end := fn(func(actor.Context, *actor.Event) (*actor.Event, error) { ended.Add(1); return nil, nil })
	lag := func(l **lagging) func() actor.Actor { return func() actor.Actor { *l = new(lagging); return *l } }
	panics := fn(func(actor.Context, *actor.Event) (*actor.Event, error) { panic("no") })
	exits := fn(func(actor.Context, *actor.Event) (*actor.Event, error) { goruntime.Goexit(); return nil, nil })
	tests := map[string]struct {
		parts []part
		links []string
		emit  int
		limit time.Duration // of Settle
		close time.Duration // when the instance is closed, without patience
		want  outcome
		ended int32
	}{
		"nothing emitted is settled at once": {
			parts: []part{{name: "end", make: end}}, links: []string{"src end"},
		},
		"events that ran through the graph are settled": {
			parts: []part{{name: "end", make: end}}, links: []string{"src end"}, emit: 3, ended: 3,
		},
		"events that fail are settled": {
			parts: []part{{name: "end", make: panics}}, links: []string{"src end"}, emit: 3,
		},
		"an actor that ends its goroutine does not hold them up": {
			parts: []part{{name: "end", make: exits}}, links: []string{"src end"}, emit: 3,
		},
		"those of an asynchronous actor are settled when it has performed": {
			parts: []part{{name: "one", make: lag(&first)}, {name: "end", make: end}}, links: []string{"src one", "one end"},
			emit: 3, want: outcome{took: 3 * time.Second}, ended: 3,
		},
		"asynchronous actors behind one another are waited for": {
			parts: []part{{name: "one", make: lag(&first)}, {name: "two", make: lag(&second)}, {name: "end", make: end}},
			links: []string{"src one", "one two", "two end"},
			emit:  2, want: outcome{took: 3 * time.Second}, ended: 2,
		},
		"those before in the definition too": {
			parts: []part{{name: "two", make: lag(&second)}, {name: "one", make: lag(&first)}, {name: "end", make: end}},
			links: []string{"src one", "one two", "two end"},
			emit:  1, want: outcome{took: 2 * time.Second}, ended: 1,
		},
		"the children of an asynchronous group are waited for": {
			parts: []part{{name: "one", make: lag(&first), by: []string{"n"}}, {name: "end", make: end}}, links: []string{"src one", "one end"},
			emit: 3, want: outcome{took: time.Second}, ended: 3,
		},
		"the children that have left a group with work on its way are waited for": {
			parts: []part{{name: "one", make: lag(&first), by: []string{"n"}, timeout: &Timeout{Duration: time.Second / 2, Mode: Exit}}, {name: "end", make: end}},
			links: []string{"src one", "one end"}, emit: 3, want: outcome{took: time.Second}, ended: 3,
		},
		"those of an actor that has left are waited for": {
			parts: []part{{name: "one", make: lag(&first), timeout: &Timeout{Duration: time.Second / 2, Mode: Exit}}, {name: "end", make: end}},
			links: []string{"src one", "one end"}, emit: 3, want: outcome{took: 3 * time.Second}, ended: 3,
		},
		"those of asynchronous actors behind children that have left are waited for": {
			parts: []part{{name: "one", make: lag(&first), by: []string{"n"}, timeout: &Timeout{Duration: time.Second / 2, Mode: Exit}}, {name: "two", make: lag(&second)}, {name: "end", make: end}},
			links: []string{"src one", "one two", "two end"}, emit: 2, want: outcome{took: 3 * time.Second}, ended: 2,
		},
		"a stalled mailbox is waited for": {
			parts: []part{{name: "one", make: lag(&first)}, {name: "end", make: end}}, links: []string{"src one", "one end"},
			emit: stageFull + 20, want: outcome{took: (stageFull + 20) * time.Second}, ended: stageFull + 20,
		},
		"the context ends the wait": {
			parts: []part{{name: "one", make: lag(&first)}}, links: []string{"src one"}, emit: 3, limit: 1500 * time.Millisecond,
			want: outcome{kind: atoll.Timeout, took: 1500 * time.Millisecond},
		},
		"an instance that drops its work says so": {
			parts: []part{{name: "one", make: lag(&first)}}, links: []string{"src one"}, emit: 3, close: 1500 * time.Millisecond,
			want: outcome{kind: atoll.Unavailable, took: 1500 * time.Millisecond},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ended.Store(0)
				first, second = nil, nil
				got := make(chan outcome, 1)
				src := &settler{run: func(ctx context.Context, out actor.Outlet) error {
					ctx = context.WithoutCancel(ctx)
					for n := range tt.emit {
						if err := out.Emit(ctx, number(n)); err != nil {
							t.Error(err)
						}
					}
					if tt.limit > 0 {
						var cancel func()
						ctx, cancel = context.WithTimeout(ctx, tt.limit)
						defer cancel()
					}
					start := time.Now()
					err := out.(actor.Settler).Settle(ctx)
					got <- outcome{atoll.KindOf(err), time.Since(start)}
					return nil
				}}
				e := engine(t, EngineOptions{})
				parts := append([]part{{name: "src", make: func() actor.Actor { return src }}}, tt.parts...)
				i := spawn(t, e, graph(parts, tt.links...))
				if err := i.StartSources(); err != nil {
					t.Fatal(err)
				}
				if tt.close > 0 {
					time.Sleep(tt.close)
					gone, cancel := context.WithCancel(t.Context())
					cancel()
					_ = i.Close(gone)
				}
				if o := <-got; o != tt.want {
					t.Errorf("Settle ended with %v after %v, want %v after %v", o.kind, o.took, tt.want.kind, tt.want.took)
				}
				if tt.close == 0 && first != nil && first.early.Load() > 0 {
					t.Error("the actor was closed while it performed")
				}
				if n := ended.Load(); n != tt.ended {
					t.Errorf("%d events had reached the end, want %d", n, tt.ended)
				}
			})
		})
	}
}

func TestSettleWhileTheInstanceCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var one *lagging
		got := make(chan error, 1)
		src := &settler{run: func(ctx context.Context, out actor.Outlet) error {
			if err := out.Emit(ctx, number(1)); err != nil {
				t.Error(err)
			}
			<-ctx.Done()
			got <- out.(actor.Settler).Settle(context.Background())
			return nil
		}}
		i := spawn(t, engine(t, EngineOptions{}), graph([]part{
			{name: "src", make: func() actor.Actor { return src }},
			{name: "one", make: func() actor.Actor { one = new(lagging); return one }},
		}, "src one"))
		if err := i.StartSources(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := i.Close(t.Context()); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := <-got; err != nil || one.done.Load() != 1 {
			t.Errorf("Settle: %v, with %d events performed; a graceful end handles them all", err, one.done.Load())
		}
	})
}

func TestSettleGivenUpLeavesOneSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := make(chan struct{})
		hold := make(chan struct{})
		src := &settler{run: func(ctx context.Context, out actor.Outlet) error {
			defer close(done)
			if err := out.Emit(ctx, number(1)); err != nil {
				t.Error(err)
			}
			for range 1000 {
				ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
				if err := out.(actor.Settler).Settle(ctx); atoll.KindOf(err) != atoll.Timeout {
					t.Errorf("Settle behind an actor that blocks: %v, want a timeout", err)
				}
				cancel()
			}
			return nil
		}}
		i := spawn(t, engine(t, EngineOptions{}), graph([]part{
			{name: "src", make: func() actor.Actor { return src }},
			{name: "one", make: fn(func(actor.Context, *actor.Event) (*actor.Event, error) { <-hold; return nil, nil })},
		}, "src one"))
		if err := i.StartSources(); err != nil {
			t.Fatal(err)
		}
		<-done
		i.mu.Lock()
		waiting := i.box.waiting
		i.mu.Unlock()
		close(hold)
		if waiting > 2 {
			t.Errorf("%d slots wait, want at most the event in hand and the one of the first call", waiting)
		}
	})
}
