package runtime_test

import (
	"context"
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
