package workload_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/driver/funcdriver"
)

// faulty is a driver whose Func names what goes wrong.
type faulty struct {
	mu      sync.Mutex
	handles []*faultyHandle
}

func (*faulty) Name() string                { return "faulty" }
func (*faulty) Can() driver.Capabilities    { return driver.Capabilities{} }
func (*faulty) Reaches(*fleet.Machine) bool { return true }
func (*faulty) Check(t *driver.Template) error {
	if t.Func == "check panics" {
		panic("check")
	}
	return nil
}

func (f *faulty) Start(ctx context.Context, r *driver.Run) (driver.Handle, error) {
	h := &faultyHandle{kind: r.Template.Func, done: make(chan struct{}), run: r}
	f.mu.Lock()
	f.handles = append(f.handles, h)
	f.mu.Unlock()
	switch h.kind {
	case "start panics":
		panic("start")
	case "start fails":
		return nil, &driver.StartError{Code: 126, Reason: "not executable"}
	case "starts nothing":
		return nil, nil
	case "start is slow":
		<-ctx.Done()
		return nil, ctx.Err()
	case "start hangs":
		time.Sleep(time.Hour)
	case "ends at once":
		h.end(7)
	case "lies":
		h.end(-3)
	}
	return h, nil
}

type faultyHandle struct {
	kind   string
	run    *driver.Run
	once   sync.Once
	done   chan struct{}
	code   int
	killed bool
}

func (h *faultyHandle) end(code int) {
	h.once.Do(func() {
		h.code = code
		close(h.done)
	})
}

func (h *faultyHandle) Done() <-chan struct{} { return h.done }
func (h *faultyHandle) Exit() driver.Exit {
	if h.kind == "exit panics" {
		panic("exit")
	}
	return driver.Exit{Code: h.code, Reason: "\xff reason"}
}
func (h *faultyHandle) Stop(context.Context) error {
	switch h.kind {
	case "stop panics":
		panic("stop")
	case "stop is ignored":
		return errors.New("no")
	}
	h.end(0)
	return nil
}
func (h *faultyHandle) Kill() error {
	h.killed = true
	h.end(137)
	return nil
}
func (h *faultyHandle) Stats(ctx context.Context) (driver.Stats, error) {
	switch h.kind {
	case "stats panic":
		panic("stats")
	case "stats hang":
		time.Sleep(time.Hour)
	}
	return driver.Stats{PID: 4711}, nil
}

func newFaultyRig(t *testing.T) (*rig, *faulty) {
	t.Helper()
	f := &faulty{}
	r := &rig{TB: t, st: openStore(t)}
	r.fleet = fleet.New(r.st, nil, nil)
	if err := r.fleet.RegisterLocal(t.Context(), "127.0.0.1", 1); err != nil {
		t.Fatal(err)
	}
	var err error
	if r.Service, err = workload.New(r.st, nil, r.fleet, []driver.Driver{f}); err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r, f
}

func TestADriverThatFails(t *testing.T) {
	type seen struct {
		State  workload.State
		Code   int
		Reason string
		Ran    bool
		Forced bool
	}
	tests := map[string]struct {
		fault string
		after time.Duration
		want  seen
	}{
		"a panic in Start is a failed start":             {"start panics", 0, seen{workload.StateEnded, 1, "workload: the driver panicked: start", false, false}},
		"an error of Start keeps its code":               {"start fails", 0, seen{workload.StateEnded, 126, "not executable", false, false}},
		"a driver that starts nothing has failed":        {"starts nothing", 0, seen{workload.StateEnded, 1, "workload: the driver started nothing", false, false}},
		"a start that heeds its context ends with it":    {"start is slow", 121 * time.Second, seen{workload.StateEnded, 1, "not started in time", false, false}},
		"a start that does not is abandoned":             {"start hangs", 126 * time.Second, seen{workload.StateEnded, 1, "not started in time", false, false}},
		"an end at once is the end of a run":             {"ends at once", 0, seen{workload.StateEnded, 7, "\ufffd reason", true, false}},
		"an odd code is kept and the text made readable": {"lies", 0, seen{workload.StateEnded, -3, "\ufffd reason", true, false}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, f := newFaultyRig(t)
				s := spec(tt.fault)
				s.Driver = "faulty"
				id := r.create(s, 1, workload.Started).Workload.ID
				time.Sleep(tt.after)
				synctest.Wait()
				i := r.get(id).Instances[0]
				got := seen{i.State, i.Exit.Code, i.Exit.Reason, i.Exit.Ran, i.Exit.Forced}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("instance (-want +got):\n%s", diff)
				}
				if tt.fault == "start hangs" {
					time.Sleep(time.Hour)
					synctest.Wait()
					if !f.handles[0].killed {
						t.Error("what started too late was not killed")
					}
				}
				r.stop()
			})
		})
	}
}

func TestADriverThatFailsAtTheEnd(t *testing.T) {
	for fault, forced := range map[string]bool{"stop panics": true, "stop is ignored": true, "exit panics": false} {
		t.Run(fault, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, _ := newFaultyRig(t)
				defer r.stop()
				s := spec(fault)
				s.Driver = "faulty"
				id := r.create(s, 1, workload.Started).Workload.ID
				synctest.Wait()
				if _, err := r.StopWorkload(t.Context(), id); err != nil {
					t.Fatal(err)
				}
				time.Sleep(11 * time.Second)
				synctest.Wait()
				if i := r.get(id).Instances[0]; i.State != workload.StateEnded || i.Exit.Forced != forced || i.Exit.Outcome != workload.OutcomeAsked {
					t.Errorf("%v %+v", i.State, i.Exit)
				}
			})
		})
	}
}

func TestStatsOfADriverThatFails(t *testing.T) {
	for fault, kind := range map[string]atoll.Kind{"": 0, "stats panic": atoll.Failed, "stats hang": atoll.Timeout} {
		t.Run(fault, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, _ := newFaultyRig(t)
				defer r.stop()
				s := spec(fault)
				s.Driver = "faulty"
				id := r.create(s, 1, workload.Started).Workload.ID
				synctest.Wait()
				st, err := r.Stats(t.Context(), r.get(id).Instances[0].ID)
				if atoll.KindOf(err) != kind || kind == 0 && st.PID != 4711 {
					t.Errorf("%+v, %v", st, err)
				}
				time.Sleep(time.Hour)
			})
		})
	}
}

func TestACheckThatPanicsIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := newFaultyRig(t)
		defer r.stop()
		s := spec("check panics")
		s.Driver = "faulty"
		_, err := r.Create(t.Context(), workload.NewWorkload{FQN: policy.FQN{Type: "job", Namespace: "/x", Local: "x"}, Spec: s})
		if !errors.Is(err, atoll.Failed) {
			t.Error(err)
		}
	})
}

func TestAStopCancelsAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, f := newFaultyRig(t)
		defer r.stop()
		s := spec("start is slow")
		s.Driver = "faulty"
		id := r.create(s, 40, workload.Started).Workload.ID
		synctest.Wait()
		if n := len(f.handles); n != 16 {
			t.Errorf("%d starts are under way at a time, want 16", n)
		}
		if _, err := r.StopWorkload(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for _, i := range r.get(id).Instances {
			if i.State != workload.StateEnded || i.Exit.Outcome != workload.OutcomeAsked || i.Exit.Ran {
				t.Fatalf("%v %+v", i.State, i.Exit)
			}
		}
	})
}

func TestSeveralProcessesAreOneInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, f := newFaultyRig(t)
		defer r.stop()
		s := spec("")
		s.Driver = "faulty"
		s.Defaults = map[string]string{"A": "image", "B": "image"}
		s.Procs = map[string]driver.Process{"b": {Env: map[string]string{"A": "b"}}, "a": {}}
		id := r.create(s, 1, workload.Started).Workload.ID
		synctest.Wait()
		if len(f.handles) != 2 || f.handles[0].run.Name != "a" || f.handles[1].run.Name != "b" {
			t.Fatalf("%d processes", len(f.handles))
		}
		if diff := cmp.Diff([]string{"A=b", "B=image"}, f.handles[1].run.Env); diff != "" {
			t.Errorf("environment (-want +got):\n%s", diff)
		}
		f.handles[1].end(3)
		synctest.Wait()
		i := r.get(id).Instances[0]
		if i.State != workload.StateEnded || i.Exit.Code != 3 {
			t.Errorf("%v %+v", i.State, i.Exit)
		}
		select {
		case <-f.handles[0].done:
		default:
			t.Error("the other process goes on")
		}
	})
}

func TestShutdownIsIdempotent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, f := newFaultyRig(t)
		s := spec("")
		s.Driver = "faulty"
		r.create(s, 1, workload.Started)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for range 2 {
			if err := r.Shutdown(ctx); err != nil {
				t.Error(err)
			}
		}
		if err := r.Start(ctx); !errors.Is(err, atoll.Unavailable) {
			t.Errorf("a start after the end: %v", err)
		}
		select {
		case <-f.handles[0].done:
		default:
			t.Error("something still runs")
		}
		r.st.Close()
	})
}

func TestShutdownKillsWhatDoesNotStopInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, f := newFaultyRig(t)
		s := spec("stop is ignored")
		s.Driver = "faulty"
		s.Stop.Grace = time.Hour
		id := r.create(s, 3, workload.Started).Workload.ID
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		for k, i := range r.get(id).Instances {
			if !f.handles[k].killed || i.State != workload.StateEnded || i.Exit.Outcome != workload.OutcomeSuspended || !i.Exit.Forced {
				t.Errorf("%v %+v", i.State, i.Exit)
			}
		}
		r.st.Close()
	})
}

// brokenLog fails while it is told to.
type brokenLog struct{ broken atomic.Bool }

func (l *brokenLog) Append(context.Context, *store.Entry) error {
	if l.broken.Load() {
		return errors.New("disk full")
	}
	return nil
}

func TestWhatCouldNotBeWrittenIsWrittenLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &brokenLog{}
		st, err := store.Open(append(workload.Tables(), fleet.Tables()...), store.WithLog(l))
		if err != nil {
			t.Fatal(err)
		}
		r := newRigOn(t, st)
		defer r.stop()
		end := make(chan struct{})
		register(t, r.funcs, "until", func(context.Context, *funcdriver.Task) error { <-end; return nil })
		id := r.create(spec("until"), 1, workload.Started).Workload.ID
		synctest.Wait()
		l.broken.Store(true)
		close(end)
		synctest.Wait()
		if _, err := r.StopWorkload(t.Context(), id); !errors.Is(err, atoll.Unavailable) {
			t.Errorf("an operation while nothing can be written: %v", err)
		}
		if i := r.get(id).Instances[0]; i.State != workload.StateRunning {
			t.Errorf("before: %v", i.State)
		}
		l.broken.Store(false)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if i := r.get(id).Instances[0]; i.State != workload.StateEnded || i.Exit.Outcome != workload.OutcomeClean {
			t.Errorf("after: %v %+v", i.State, i.Exit)
		}
	})
}
