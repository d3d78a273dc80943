package workload_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/driver/funcdriver"
)

// rig is a started service with the functions of the tests.
type rig struct {
	testing.TB
	st    *store.Store
	fleet *fleet.Fleet
	funcs *funcdriver.Driver
	*workload.Service
}

func openStore(tb testing.TB) *store.Store {
	tb.Helper()
	st, err := store.Open(append(workload.Tables(), fleet.Tables()...), store.WithActor(policy.ActorName))
	if err != nil {
		tb.Fatal(err)
	}
	return st
}

func register(tb testing.TB, d *funcdriver.Driver, name string, fn funcdriver.Func) {
	tb.Helper()
	if err := d.Register(name, fn, driver.Image{}); err != nil {
		tb.Fatal(err)
	}
}

func serve(ctx context.Context, _ *funcdriver.Task) error {
	<-ctx.Done()
	return nil
}

func newRig(tb testing.TB, opts ...workload.Option) *rig {
	tb.Helper()
	return newRigOn(tb, openStore(tb), opts...)
}

func newRigOn(tb testing.TB, st *store.Store, opts ...workload.Option) *rig {
	tb.Helper()
	r := &rig{TB: tb, st: st, fleet: fleet.New(st, nil, nil), funcs: funcdriver.New()}
	register(tb, r.funcs, "serve", serve)
	register(tb, r.funcs, "clean", func(context.Context, *funcdriver.Task) error { return nil })
	register(tb, r.funcs, "fail", func(context.Context, *funcdriver.Task) error { return fmt.Errorf("no luck") })
	register(tb, r.funcs, "hello", func(ctx context.Context, t *funcdriver.Task) error {
		fmt.Fprintln(t.Stdout(), "hello")
		fmt.Fprintln(t.Stderr(), "oh")
		<-ctx.Done()
		return nil
	})
	if err := r.fleet.RegisterLocal(context.Background(), "127.0.0.1", 2551); err != nil {
		tb.Fatal(err)
	}
	var err error
	if r.Service, err = workload.New(st, nil, r.fleet, []driver.Driver{r.funcs}, opts...); err != nil {
		tb.Fatal(err)
	}
	if err := r.Start(context.Background()); err != nil {
		tb.Fatal(err)
	}
	return r
}

func (r *rig) stop() {
	r.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := r.Shutdown(ctx); err != nil {
		r.Error(err)
	}
	r.st.Close()
}

// spec is a workload of records, as containers are.
func spec(fn string) workload.Spec {
	return workload.Spec{
		Template: driver.Template{Driver: "func", Func: fn},
		Stop:     workload.Stop{Grace: 10 * time.Second},
		Behave: workload.Behave{Keep: workload.KeepRecord, Index: workload.Ascending, Shrink: workload.IdleFirst, Strict: true, Revive: true,
			Retain: time.Hour, Tombstone: time.Hour, DirAfter: workload.WhileInSlot},
	}
}

var names int

func (r *rig) create(s workload.Spec, count int, state workload.Want) *workload.Snapshot {
	r.Helper()
	names++
	sn, err := r.Create(context.Background(), workload.NewWorkload{
		FQN: policy.FQN{Type: "job", Namespace: "/test", Local: fmt.Sprint("w", names)}, Title: "w", Spec: s, Count: count, State: state,
	})
	if err != nil {
		r.Fatal(err)
	}
	return sn
}

func (r *rig) get(id string) *workload.Snapshot {
	r.Helper()
	sn, err := r.Get(context.Background(), id)
	if err != nil {
		r.Fatal(err)
	}
	return sn
}

// states are the states of the instances that have not retired.
func states(sn *workload.Snapshot) string {
	out := ""
	for _, i := range sn.Instances {
		if i.Retired == nil {
			out += fmt.Sprintf("%d:%v ", i.Slot, i.State)
		}
	}
	return out
}

func TestAWorkloadIsStartedScaledStoppedAndDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		r := newRig(t)
		defer r.stop()
		check := func(id, want string) {
			t.Helper()
			synctest.Wait()
			if got := states(r.get(id)); got != want {
				t.Fatalf("instances: %q, want %q", got, want)
			}
		}
		sn := r.create(spec("serve"), 2, workload.Started)
		id := sn.Workload.ID
		if got := states(sn); got != "0:new 1:new " || !sn.UnderWay() {
			t.Fatalf("at acceptance: %q, under way %v", got, sn.UnderWay())
		}
		check(id, "0:running 1:running ")
		if _, err := r.Scale(ctx, id, 3); err != nil {
			t.Fatal(err)
		}
		check(id, "0:running 1:running 2:running ")
		if _, err := r.Scale(ctx, id, 1); err != nil {
			t.Fatal(err)
		}
		check(id, "0:running ")
		if _, err := r.Scale(ctx, id, 2); err != nil {
			t.Fatal(err)
		}
		check(id, "0:running 3:running ")
		if _, err := r.StopWorkload(ctx, id); err != nil {
			t.Fatal(err)
		}
		check(id, "0:ended 3:ended ")
		if sn := r.get(id); sn.UnderWay() || sn.Instances[0].Exit.Outcome != workload.OutcomeAsked || sn.Status.Phase != workload.PhaseDown {
			t.Fatalf("stopped: %+v %+v", sn.Instances[0], sn.Status)
		}
		if _, err := r.StartWorkload(ctx, id); err != nil {
			t.Fatal(err)
		}
		check(id, "0:running 3:running ")
		if _, err := r.Redeploy(ctx, id, nil); err != nil {
			t.Fatal(err)
		}
		check(id, "0:running 3:running ")
		if sn := r.get(id); sn.Workload.Gen != 2 || sn.Instances[len(sn.Instances)-1].Gen != 2 {
			t.Fatalf("redeployed: %+v", sn.Workload)
		}
		if _, err := r.Delete(ctx, id); err != nil {
			t.Fatal(err)
		}
		check(id, "")
		if sn := r.get(id); sn.Status.Destroyed.IsZero() {
			t.Fatal("not destroyed")
		}
		time.Sleep(time.Hour + time.Second)
		synctest.Wait()
		if _, err := r.Get(ctx, id); err == nil {
			t.Error("the tombstone is still there")
		}
		ms := fleet.All(r.st.View())
		if ms[0].Instances != 0 || ms[0].Used != (fleet.Resources{}) {
			t.Errorf("machine: %+v", ms[0])
		}
	})
}

func TestOutputIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		id := r.create(spec("hello"), 1, workload.Started).Workload.ID
		synctest.Wait()
		lines, err := r.Logs(t.Context(), id, workload.LogQuery{})
		if err != nil || len(lines) != 2 || string(lines[0].Text) != "hello" || lines[1].Stream != workload.Stderr {
			t.Errorf("%v %v", lines, err)
		}
	})
}
