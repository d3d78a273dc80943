package runtime_test

import (
	"context"
	"testing"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime"
)

// sinkRegistry has one type that swallows events.
func sinkRegistry(t testing.TB) *actor.Registry {
	r := testRegistry(t)
	if err := r.RegisterFunc("sink", func(actor.Context, *actor.Event) (*actor.Event, error) { return nil, nil }); err != nil {
		t.Fatal(err)
	}
	return r
}

func sinks() *runtime.Definition {
	return &runtime.Definition{Name: "r", Actors: []runtime.ActorDef{{Name: "in", Type: "sink"}, {Name: "out", Type: "sink"}}, Links: runtime.Links("in -> out")}
}

// post hands events over until one is taken.
func post(t testing.TB, try func() error) {
	for {
		switch err := try(); atoll.KindOf(err) {
		case 0:
			return
		case atoll.Overloaded:
		default:
			t.Fatal(err)
		}
	}
}

func TestTryPostDoesNotAllocate(t *testing.T) {
	w := newWorld(t, worldOption{reg: sinkRegistry(t)})
	id := w.create(as(neoID), sinks()).ID
	ctx, e := as(neoID), actor.NewEvent()
	try := func() error { return w.svc.TryPost(ctx, id, "in", e) }
	post(t, try)
	w.asks.take()
	direct := testing.AllocsPerRun(2000, func() { post(t, directPost(t, w, e)) })
	got := testing.AllocsPerRun(2000, func() { post(t, try) })
	if got > direct {
		t.Errorf("TryPost allocates %v times, the engine %v times", got, direct)
	}
	if asks := w.asks.take(); len(asks) > 0 {
		t.Errorf("the guard was asked %d times though nothing had changed", len(asks))
	}
}

var directs = map[*world]*runtime.Instance{}

// directPost posts to an instance of its own, past the service.
func directPost(t testing.TB, w *world, e *actor.Event) func() error {
	inst := directs[w]
	if inst == nil {
		c, ps := runtime.Check(sinks(), w.reg, nil, runtime.CheckOptions{})
		if ps != nil {
			t.Fatal(ps)
		}
		inst = must[*runtime.Instance](t)(w.engine.Spawn(c, runtime.SpawnOptions{ID: "direct"}))
		directs[w] = inst
	}
	return func() error { return inst.TryPost("in", e) }
}

// BenchmarkTryPost guards what the service adds to the engine's own post: at
// most 150 ns and no allocation.
func BenchmarkTryPost(b *testing.B) {
	w := newWorld(b, worldOption{reg: sinkRegistry(b)})
	id := w.create(as(neoID), sinks()).ID
	e := actor.NewEvent()
	b.Run("engine", func(b *testing.B) {
		try := directPost(b, w, e)
		b.ReportAllocs()
		for b.Loop() {
			post(b, try)
		}
	})
	for name, ctx := range map[string]context.Context{"program": context.Background(), "user": as(neoID)} {
		b.Run("service/"+name, func(b *testing.B) {
			try := func() error { return w.svc.TryPost(ctx, id, "in", e) }
			b.ReportAllocs()
			for b.Loop() {
				post(b, try)
			}
		})
	}
}

// BenchmarkWay guards the answer of the event path by itself.
func BenchmarkWay(b *testing.B) {
	w := newWorld(b, worldOption{reg: sinkRegistry(b)})
	id := w.create(as(neoID), sinks()).ID
	ctx := as(neoID)
	find := runtime.FindWay(w.svc, ctx, id, "in")
	b.ReportAllocs()
	for b.Loop() {
		if err := find(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCreate guards the time to create a runtime, 10 ms at most.
func BenchmarkCreate(b *testing.B) {
	w := newWorld(b, worldOption{reg: sinkRegistry(b)})
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		d := sinks()
		d.Name = "r" + string(rune('a'+i%26)) + actor.Int(int64(i)).String() + "x"
		w.create(context.Background(), d)
		i++
	}
}

func TestPrincipalsAreToldApart(t *testing.T) {
	// Two callers with one account but different rights must not share answers.
	w := newWorld(t, worldOption{})
	w.create(as(neoID), named("r"))
	plain := policy.WithPrincipal(context.Background(), &policy.Principal{Kind: policy.User, UserID: annID, Name: "ann"})
	admin := policy.WithPrincipal(context.Background(), &policy.Principal{Kind: policy.User, UserID: annID, Name: "ann", Admin: true})
	scoped := policy.WithPrincipal(context.Background(), &policy.Principal{Kind: policy.User, UserID: neoID, Name: "neo", Scopes: []string{"job.*"}})
	for range 3 {
		for name, tt := range map[string]struct {
			ctx  context.Context
			want atoll.Kind
		}{"plain": {plain, atoll.Denied}, "admin": {admin, 0}, "scoped": {scoped, atoll.Denied}, "owner": {as(neoID), 0}, "program": {context.Background(), 0}} {
			if err := w.svc.TryPost(tt.ctx, "neo-r", "in", actor.NewEvent()); atoll.KindOf(err) != tt.want {
				t.Errorf("%s: %v, want %v", name, err, tt.want)
			}
		}
	}
}

func TestAnswersAreGivenUpWithTheInstance(t *testing.T) {
	w := newWorld(t, worldOption{})
	w.create(as(neoID), named("r"))
	for range 50 {
		if err := w.svc.TryPost(as(neoID), "r", "in", actor.NewEvent()); err != nil {
			t.Fatal(err)
		}
	}
	if n, _ := runtime.Ways(w.svc); n == 0 {
		t.Error("nothing is remembered")
	}
	must[*runtime.Changed](t)(w.svc.Delete(as(neoID), "r"))
	if n, _ := runtime.Ways(w.svc); n > 0 {
		t.Errorf("%d answers outlive the instance", n)
	}
}

func TestRenamedUserIsFoundAtOnce(t *testing.T) {
	w := newWorld(t, worldOption{})
	w.create(as(neoID), named("r"))
	ctx := as(neoID)
	if err := w.svc.TryPost(ctx, "neo-r", "in", actor.NewEvent()); err != nil {
		t.Fatal(err)
	}
	w.rename(neoID, "trinity")
	if err := w.svc.TryPost(ctx, "neo-r", "in", actor.NewEvent()); atoll.KindOf(err) != atoll.NotFound {
		t.Errorf("by the old name: %v, want not found", err)
	}
	if err := w.svc.TryPost(ctx, "trinity-r", "in", actor.NewEvent()); err != nil {
		t.Errorf("by the new name: %v", err)
	}
}
