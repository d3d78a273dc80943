package runtime_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/actor/builtin"
	"github.com/atoll-platform/atoll/runtime"
)

// gated is an actor type whose actors, asynchronous ones, let an event pass in a
// second. Those of odd numbers never pass while it is shut.
type gated struct {
	mu   sync.Mutex
	shut bool
	seen map[string]int // events that have passed
}

func (g *gated) Trigger(actor.Context, *actor.Event) (*actor.Event, error) { return nil, nil }
func (g *gated) Parallel() int                                             { return 4 }
func (g *gated) Perform(ctx context.Context, e *actor.Event) (*actor.Event, error) {
	n, _ := e.Field("n").Int()
	wait := time.Second
	if g.shut && n%2 == 1 {
		wait = time.Hour
	}
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen[e.String()]++
	return e, nil
}

func (g *gated) registry(t testing.TB) *actor.Registry {
	reg := builtin.Registry().Clone()
	g.seen = make(map[string]int)
	if err := reg.Register(actor.Type{Name: "gated", Compile: func(actor.Params) (actor.Maker, []atoll.Finding) {
		return func(*actor.Env) (actor.Actor, error) { return g, nil }, nil
	}}); err != nil {
		t.Fatal(err)
	}
	return reg
}

// TestMessagesThatAnotherCopyHasNotHandledComeAgain: a runtime in copies that is
// cut off has committed no message which was handed over to another copy, and
// from there to a third, and not handled there; the next runtime of the group
// gets it again.
func TestMessagesThatAnotherCopyHasNotHandledComeAgain(t *testing.T) {
	for zone := range 4 { // with the same key, so that the way leads over different copies
		t.Run(fmt.Sprintf("zone %d", zone), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { redeliver(t, zone) })
		})
	}
}

func redeliver(t *testing.T, zone int) {
	const messages = 40
	ctx := context.Background()
	bus := actor.NewBus()
	text := func(n int) string { return fmt.Sprintf(`{"n":%d,"key":"k","zone":%d}`, n, zone) }
	for n := range messages {
		if err := bus.Publish(ctx, "t", "", []byte(text(n))); err != nil {
			t.Fatal(err)
		}
	}
	begin := func(g *gated) *world {
		w := newWorld(t, worldOption{reg: g.registry(t), env: &actor.Env{Bus: bus, Now: time.Now}})
		w.create(ctx, &runtime.Definition{Name: "r",
			Actors: []runtime.ActorDef{
				{Name: "in", Type: "kafka-consumer", Params: runtime.Params(map[string]any{"topic": "t", "kafka": map[string]any{"group.id": "g"}})},
				{Name: "by", Type: "httpbroadcast", Group: runtime.By("key")},
				{Name: "far", Type: "gated", Group: runtime.By("zone")}},
			Links:        runtime.Links("in -> by -> far"),
			Distribution: &runtime.Distribution{Mode: runtime.DuplicateRuntime, Copies: 3}})
		must[*runtime.Changed](t)(w.svc.Start(ctx, "r"))
		return w
	}
	first, second := &gated{shut: true}, &gated{}
	w := begin(first)
	time.Sleep(10 * time.Second)
	gone, cancel := context.WithCancel(ctx)
	cancel()
	_ = w.svc.Shutdown(gone)
	time.Sleep(time.Minute) // what is left of it ends

	w = begin(second)
	time.Sleep(time.Minute)
	must[*runtime.Changed](t)(w.svc.Stop(ctx, "r"))
	for n := range messages {
		if first.seen[text(n)]+second.seen[text(n)] < 1 {
			t.Errorf("%s was handled by none", text(n))
		}
	}
}
