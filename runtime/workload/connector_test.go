package workload_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver/funcdriver"
)

// linked links the workload titled "source" to the one titled "target".
type linked struct {
	mu    sync.Mutex
	calls []string
	fail  bool
	svc   *workload.Service
}

func (l *linked) call(what string, w *workload.Workload) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, what+" "+w.Title)
	return nil
}

func (l *linked) Prepare(_ context.Context, w *workload.Workload, _ *workload.Spec, _ *workload.Instance, _ string) (map[string]string, error) {
	if l.fail {
		return nil, errors.New("no package")
	}
	return map[string]string{"LINK": "there"}, l.call("prepare", w)
}

func (l *linked) each(title string, look func(*workload.Snapshot)) {
	for sn := range l.svc.List(context.Background(), workload.Filter{Deleted: true}) {
		if sn.Workload.Title == title {
			look(sn)
		}
	}
}

func (l *linked) Ready(_ store.Reader, w *workload.Workload) bool {
	ready := true
	if w.Title == "source" {
		l.each("target", func(sn *workload.Snapshot) {
			ready = ready && (sn.Workload.State != workload.Started || sn.Running() > 0)
		})
	}
	return ready
}

func (l *linked) StopsBefore(_ store.Reader, w *workload.Workload, _ bool) bool {
	may := true
	if w.Title == "target" {
		l.each("source", func(sn *workload.Snapshot) {
			for _, i := range sn.Instances {
				may = may && (!i.State.Live() || i.Goal == workload.GoalRun || i.State > workload.StateStopping)
			}
		})
	}
	return may
}

func (l *linked) Attach(_ context.Context, w *workload.Workload, _ *workload.Instance) error {
	return l.call("attach", w)
}
func (l *linked) Detach(_ context.Context, w *workload.Workload, _ *workload.Instance) error {
	return l.call("detach", w)
}
func (l *linked) Release(_ context.Context, w *workload.Workload, _ *workload.Instance) error {
	return l.call("release", w)
}

func TestLinkedWorkloadsStartAndStopInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &linked{}
		r := newRig(t, workload.WithConnector(l))
		l.svc = r.Service
		env := make(chan string, 1)
		register(t, r.funcs, "source", func(ctx context.Context, t *funcdriver.Task) error {
			env <- t.Getenv("LINK")
			<-ctx.Done()
			time.Sleep(3 * time.Second)
			return nil
		})
		make := func(title, fn string, alive time.Duration) string {
			s := spec(fn)
			s.Verify.MinAlive = alive
			sn := r.create(s, 1, workload.Ready)
			if _, err := r.Update(t.Context(), sn.Workload.ID, func(d *workload.Desired) error {
				d.Title, d.State = title, workload.Started
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			return sn.Workload.ID
		}
		target := make("target", "serve", 5*time.Second)
		source := make("source", "source", 0)
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if a, b := states(r.get(target)), states(r.get(source)); a != "0:starting " || b != "0:waiting " {
			t.Errorf("after 4 s: target %s, source %s", a, b)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if a, b := states(r.get(target)), states(r.get(source)); a != "0:running " || b != "0:running " || <-env != "there" {
			t.Errorf("after 5 s: target %s, source %s", a, b)
		}
		for _, id := range []string{target, source} {
			if _, err := r.StopWorkload(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		// The target was told first, when its source was not stopping yet.
		if a := states(r.get(target)); a != "0:ended " {
			t.Errorf("target %s", a)
		}
		time.Sleep(3 * time.Second)
		for _, id := range []string{source, target} {
			if _, err := r.StartWorkload(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Second)
		<-env
		for _, id := range []string{source, target} {
			if _, err := r.StopWorkload(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if a := states(r.get(target)); a != "0:stop-wait " {
			t.Errorf("target %s while its source stops", a)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if a, b := states(r.get(target)), states(r.get(source)); a != "0:ended " || b != "0:ended " {
			t.Errorf("in the end: target %s, source %s", a, b)
		}
		if slices.Contains(l.calls, "detach source") && slices.Index(l.calls, "detach source") > slices.Index(l.calls, "release source") {
			t.Errorf("calls: %v", l.calls)
		}
		r.stop()
	})
}

func TestASetupThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &linked{fail: true}
		r := newRig(t, workload.WithConnector(l))
		defer r.stop()
		l.svc = r.Service
		id := r.create(spec("serve"), 1, workload.Started).Workload.ID
		synctest.Wait()
		i := r.get(id).Instances[0]
		if i.State != workload.StateEnded || i.Exit.Outcome != workload.OutcomeFailed || i.Exit.Ran || i.Exit.Reason != "setup: no package" {
			t.Errorf("%v %+v", i.State, i.Exit)
		}
		if diff := cmp.Diff([]string{"detach w", "release w"}, l.calls); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	})
}
