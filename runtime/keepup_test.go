package runtime_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/runtime"
)

// stubborn is a source that stops late.
type stubborn struct {
	actor.Func
	runs *atomic.Int32
	late time.Duration
}

func (s stubborn) Run(ctx context.Context, _ actor.Outlet) error {
	s.runs.Add(1)
	defer s.runs.Add(-1)
	<-ctx.Done()
	time.Sleep(s.late)
	return nil
}

// TestStubbornSource holds that a source that stops late delays neither other
// runtimes nor the state in which everything ends.
func TestStubbornSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int32
		reg := testRegistry(t)
		if err := reg.Register(actor.Type{Name: "stubborn", Source: true, Compile: func(actor.Params) (actor.Maker, []atoll.Finding) {
			return func(*actor.Env) (actor.Actor, error) {
				return stubborn{Func: pass, runs: &runs, late: 30 * time.Second}, nil
			}, nil
		}}); err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, worldOption{reg: reg})
		ctx := context.Background()
		w.create(ctx, &runtime.Definition{Name: "slow", Actors: []runtime.ActorDef{{Name: "in", Type: "stubborn"}, {Name: "out", Type: "pass"}}, Links: runtime.Links("in -> out")})
		w.create(ctx, named("quick"))
		must[*runtime.Changed](t)(w.svc.Start(ctx, "slow"))
		synctest.Wait()
		if runs.Load() != 1 {
			t.Fatal("the source does not run")
		}
		brief, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if c := must[*runtime.Changed](t)(w.svc.Stop(brief, "slow")); c.Status != runtime.Stopped {
			t.Errorf("status %s", c.Status)
		}
		// A start before the source has ended is carried out once it has.
		must[*runtime.Changed](t)(w.svc.Start(ctx, "slow"))
		at := time.Now()
		must[*runtime.Changed](t)(w.svc.Start(ctx, "quick"))
		must[runtime.Stats](t)(w.svc.Stats(ctx, "slow"))
		if d := time.Since(at); d > 2*time.Second {
			t.Errorf("others waited %v", d)
		}
		time.Sleep(40 * time.Second)
		synctest.Wait()
		if runs.Load() != 1 {
			t.Errorf("%d sources run, want the restarted one", runs.Load())
		}
		w.consistent()
		must[*runtime.Changed](t)(w.svc.Delete(ctx, "slow"))
		time.Sleep(40 * time.Second)
		if runs.Load() != 0 {
			t.Error("the source outlives its runtime")
		}
		w.consistent()
	})
}

// TestShutdownEndsWithItsContext, however many actors do not return, and those of
// a runtime that was deleted meanwhile.
func TestShutdownEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := testRegistry(t)
		if err := reg.RegisterFunc("deaf", func(actor.Context, *actor.Event) (*actor.Event, error) {
			time.Sleep(time.Minute)
			return nil, nil
		}); err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, worldOption{reg: reg, engine: runtime.EngineOptions{Workers: 2}})
		ctx := context.Background()
		deaf := func(name string, copies int) {
			d := &runtime.Definition{Name: name, Actors: []runtime.ActorDef{{Name: "in", Type: "deaf"}, {Name: "out", Type: "pass"}}, Links: runtime.Links("in -> out")}
			if copies > 1 {
				d.Distribution = &runtime.Distribution{Mode: runtime.DuplicateRuntime, Copies: copies}
			}
			w.create(ctx, d)
			for n := range 3 * copies {
				if err := w.svc.Post(ctx, name, "in", event(t, fmt.Sprintf(`{"n":%d}`, n))); err != nil {
					t.Fatal(err)
				}
			}
		}
		for n := range 8 {
			deaf(fmt.Sprintf("r%d", n), 1)
		}
		deaf("copied", 4)
		deaf("deleted", 1)
		go func() { _, _ = w.svc.Delete(ctx, "deleted") }()
		time.Sleep(10 * time.Millisecond) // it is being closed
		brief, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		at := time.Now()
		if err := w.svc.Shutdown(brief); atoll.KindOf(err) != atoll.Timeout {
			t.Errorf("Shutdown: %v, want timeout", err)
		}
		if d := time.Since(at); d > 1300*time.Millisecond {
			t.Errorf("it took %v", d)
		}
		time.Sleep(5 * time.Minute) // they return after all
	})
}
