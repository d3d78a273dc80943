package builtin_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/actor/actortest"
)

// runtimeOf is an outlet whose events are handled when they are let go.
type runtimeOf struct {
	taken   atomic.Int32
	handled chan struct{} // one for each Settle that may succeed; closed lets all
	fail    error
}

func (r *runtimeOf) Emit(context.Context, *actor.Event) error { r.taken.Add(1); return nil }
func (r *runtimeOf) EmitBatch(_ context.Context, es []*actor.Event) error {
	r.taken.Add(int32(len(es)))
	return nil
}

func (r *runtimeOf) Settle(ctx context.Context) error {
	if r.fail != nil {
		return r.fail
	}
	select {
	case <-r.handled:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// committing is a bus that counts commits.
type committing struct {
	actor.Bus
	commits atomic.Int32
	panics  bool
}

type committingSub struct {
	actor.Subscription
	bus *committing
}

func (c *committing) Subscribe(ctx context.Context, topics []string, group string, props map[string]string) (actor.Subscription, error) {
	s, err := c.Bus.Subscribe(ctx, topics, group, props)
	return &committingSub{s, c}, err
}

func (s *committingSub) Commit(m actor.Message) error {
	if s.bus.panics {
		panic("no")
	}
	s.bus.commits.Add(1)
	return s.Subscription.Commit(m)
}

// running runs a consumer until stop is called, which returns what Run did.
func running(t *testing.T, bus actor.Bus, out actor.Outlet) (stop func() error) {
	h := actortest.Start(t, typeOf(t, "kafka-consumer"), `{"topic":"a","kafka":{"group.id":"g"}}`, actortest.WithBus(bus))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Actor().(actor.Source).Run(ctx, out) }()
	return func() error {
		cancel()
		return <-done
	}
}

func TestKafkaConsumerCommitsWhatWasHandled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := &committing{Bus: actor.NewBus()}
		publish(t, bus, "a", `{"n":1}`, `oops`, `{"n":2}`)
		out := &runtimeOf{handled: make(chan struct{})}
		stop := running(t, bus, out)
		synctest.Wait()
		if got := [2]int32{out.taken.Load(), bus.commits.Load()}; got != [2]int32{2, 0} {
			t.Errorf("%d events taken and %d messages committed before they were handled, want 2 and 0", got[0], got[1])
		}
		close(out.handled)
		synctest.Wait()
		if n := bus.commits.Load(); n != 3 {
			t.Errorf("%d messages committed after they were handled, want 3", n)
		}
		if err := stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestKafkaConsumerEmitsAgainWhatWasNotHandled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := &committing{Bus: actor.NewBus()}
		publish(t, bus, "a", `{"n":1}`, `{"n":2}`)
		stop := running(t, bus, &runtimeOf{handled: make(chan struct{})})
		synctest.Wait()
		start := time.Now()
		if err := stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("a consumer whose events are stuck stopped after %v", took)
		}
		h := actortest.Start(t, typeOf(t, "kafka-consumer"), `{"topic":"a","kafka":{"group.id":"g"}}`, actortest.WithBus(bus))
		if diff := cmp.Diff([]string{`{"n":1}`, `{"n":2}`}, consume(t, h, 2)); diff != "" {
			t.Errorf("emitted by the next consumer mismatch (-want +got):\n%s", diff)
		}
	})
}

func TestKafkaConsumerRunsAheadWithinABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := &committing{Bus: actor.NewBus()}
		for n := range 2000 {
			publish(t, bus, "a", fmt.Sprintf(`{"n":%d}`, n))
		}
		out := &runtimeOf{handled: make(chan struct{})}
		stop := running(t, bus, out)
		synctest.Wait()
		if n := out.taken.Load(); n < 256 || n > 600 {
			t.Errorf("%d events emitted and none handled, want a few hundred", n)
		}
		close(out.handled)
		synctest.Wait()
		if n := bus.commits.Load(); n != 2000 {
			t.Errorf("%d messages committed, want all 2000", n)
		}
		if err := stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestKafkaConsumerEndsWhenNothingCanBeCommitted(t *testing.T) {
	tests := map[string]struct {
		bus  *committing
		fail error
		kind atoll.Kind
	}{
		"the runtime is gone": {bus: &committing{Bus: actor.NewBus()}, fail: atoll.Errorf(atoll.Unavailable, "", "gone"), kind: atoll.Unavailable},
		"the bus panics":      {bus: &committing{Bus: actor.NewBus(), panics: true}, kind: atoll.Failed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			publish(t, tt.bus, "a", `{"n":1}`)
			out := &runtimeOf{handled: make(chan struct{}), fail: tt.fail}
			close(out.handled)
			h := actortest.Start(t, typeOf(t, "kafka-consumer"), `{"topic":"a","kafka":{"group.id":"g"}}`, actortest.WithBus(tt.bus))
			if err := h.Actor().(actor.Source).Run(t.Context(), out); atoll.KindOf(err) != tt.kind {
				t.Errorf("Run: %v, want kind %v", err, tt.kind)
			}
		})
	}
}
