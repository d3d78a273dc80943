package runtime

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// TestSettleReachesAllCopies: an event of a source in one copy that is handed
// over on its way is settled when the others have handled it.
func TestSettleReachesAllCopies(t *testing.T) {
	const events = 24
	pair := func(n int) *actor.Event {
		return actor.NewEvent(actor.Field{Name: "x", Value: actor.Int(int64(n % 7))}, actor.Field{Name: "y", Value: actor.Int(int64(n % 5))}, actor.Field{Name: "z", Value: actor.Int(int64(n % 3))})
	}
	var ended atomic.Int64
	slow := func() actor.Actor { return new(lagging) }
	end := fn(func(actor.Context, *actor.Event) (*actor.Event, error) { ended.Add(1); return nil, nil })
	tests := map[string]struct {
		parts []part
		links []string
		limit time.Duration // of Settle
		close time.Duration // when the copies are closed, without patience
		kind  atoll.Kind
		ended int64
	}{
		"at one group": {
			parts: []part{{name: "a", make: fn(echo), by: []string{"x"}}, {name: "end", make: end}},
			links: []string{"src a", "a end"}, ended: events,
		},
		"at groups in a row with slow actors between them": {
			parts: []part{{name: "a", make: slow, by: []string{"x"}}, {name: "b", make: slow, by: []string{"y"}}, {name: "c", make: slow, by: []string{"z"}}, {name: "end", make: end}},
			links: []string{"src a", "a b", "b c", "c end"}, ended: events,
		},
		"the context ends the wait": {
			parts: []part{{name: "a", make: slow, by: []string{"x"}}},
			links: []string{"src a"}, limit: 1500 * time.Millisecond, kind: atoll.Timeout,
		},
		"copies that drop their work say so": {
			parts: []part{{name: "a", make: slow, by: []string{"x"}}},
			links: []string{"src a"}, close: 1500 * time.Millisecond, kind: atoll.Unavailable,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ended.Store(0)
				got := make(chan atoll.Kind, 3)
				var turn atomic.Int32
				src := func() actor.Actor {
					first := turn.Add(1) == 1
					return &settler{run: func(ctx context.Context, out actor.Outlet) error {
						ctx = context.WithoutCancel(ctx)
						if !first {
							return out.(actor.Settler).Settle(ctx)
						}
						for round := range 2 { // what was settled once is not all there is
							for n := range events / 2 {
								if err := out.Emit(ctx, pair(round*events/2+n)); err != nil {
									t.Error(err)
								}
							}
							if tt.limit > 0 {
								var cancel func()
								ctx, cancel = context.WithTimeout(ctx, tt.limit)
								defer cancel()
							}
							if err := out.(actor.Settler).Settle(ctx); err != nil {
								got <- atoll.KindOf(err)
								return nil
							}
							if n := ended.Load(); tt.ended > 0 && n != int64((round+1)*events/2) {
								t.Errorf("settled with %d events at the end, want %d", n, (round+1)*events/2)
							}
						}
						got <- 0
						return nil
					}}
				}
				e := engine(t, EngineOptions{})
				c := graph(append([]part{{name: "src", make: src}}, tt.parts...), tt.links...)
				c.Def.Distribution = &Distribution{Mode: DuplicateRuntime, Copies: 3}
				s, err := e.spawnCopies(c, SpawnOptions{ID: "r"}, "")
				if err != nil {
					t.Fatal(err)
				}
				s.open()
				if err := s.StartSources(); err != nil {
					t.Fatal(err)
				}
				if tt.close > 0 {
					time.Sleep(tt.close)
					gone, cancel := context.WithCancel(t.Context())
					cancel()
					_ = s.Close(gone)
				}
				if kind := <-got; kind != tt.kind {
					t.Errorf("Settle ended with %v, want %v", kind, tt.kind)
				}
				if n := ended.Load(); n != tt.ended {
					t.Errorf("%d events had reached the end, want %d", n, tt.ended)
				}
			})
		})
	}
}

// TestASourceThatOutlivesItsInstanceIsClosedWhenItReturns, once, and not while it
// runs.
func TestASourceThatOutlivesItsInstanceIsClosedWhenItReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &stuck{release: make(chan struct{})}
		i := spawn(t, engine(t, EngineOptions{}), graph([]part{{name: "src", make: func() actor.Actor { return src }}, {name: "end", make: fn(echo)}}, "src end"))
		if err := i.StartSources(); err != nil {
			t.Fatal(err)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		_ = i.Close(gone)
		synctest.Wait()
		if n := src.closed.Load(); n != 0 {
			t.Errorf("closed %d times while it runs", n)
		}
		close(src.release)
		synctest.Wait()
		if n := src.closed.Load(); n != 1 {
			t.Errorf("closed %d times after it returned", n)
		}
	})
}

// TestASourceThatItsTimeoutRemovesRunsNoMore, whether it ran then or not.
func TestASourceThatItsTimeoutRemovesRunsNoMore(t *testing.T) {
	for name, started := range map[string]bool{"while it runs": true, "before it has run": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := &counted{}
				i := spawn(t, engine(t, EngineOptions{}), graph([]part{{name: "src", make: func() actor.Actor { return src }, timeout: &Timeout{Duration: time.Second, Mode: Exit}}, {name: "end", make: fn(echo)}}, "src end"))
				start := func() {
					if err := i.StartSources(); err != nil {
						t.Fatal(err)
					}
				}
				if started {
					start()
				}
				time.Sleep(2 * time.Second)
				synctest.Wait()
				start()
				time.Sleep(time.Second)
				synctest.Wait()
				runs := int32(0)
				if started {
					runs = 1
				}
				if src.runs.Load() != runs || src.running.Load() != 0 || src.closed.Load() != 1 {
					t.Errorf("%d runs of which %d go on, closed %d times", src.runs.Load(), src.running.Load(), src.closed.Load())
				}
			})
		})
	}
}

// stuck is a source that does not return when it should.
type stuck struct {
	idleSource
	release chan struct{}
	closed  atomic.Int32
}

func (s *stuck) Run(context.Context, actor.Outlet) error { <-s.release; return nil }
func (s *stuck) Close() error                            { s.closed.Add(1); return nil }

// counted is a source that counts its runs.
type counted struct {
	idleSource
	runs, running, closed atomic.Int32
}

func (s *counted) Run(ctx context.Context, _ actor.Outlet) error {
	s.runs.Add(1)
	s.running.Add(1)
	<-ctx.Done()
	s.running.Add(-1)
	return nil
}

func (s *counted) Close() error { s.closed.Add(1); return nil }
