package workload_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	goruntime "runtime"
	"slices"
	"strings"
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

// containers are the recovery steps of a container: restart, then replace, then remove.
func containers() workload.Recovery {
	on := workload.OnClean | workload.OnFailed | workload.OnLost
	return workload.Recovery{Steps: []workload.Step{
		{Do: workload.ActionRestart, On: on, Max: 3, Window: time.Minute, Delay: workload.Delay{Free: true, First: time.Second, Top: time.Minute}},
		{Do: workload.ActionReplace, On: on, Max: 3, Window: 5 * time.Minute},
		{Do: workload.ActionRemove, On: on, Max: -1},
	}}
}

func TestACrashingContainerIsRestartedThenReplacedThenRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		var starts []time.Duration
		begin := time.Now()
		register(t, r.funcs, "crash", func(context.Context, *funcdriver.Task) error {
			starts = append(starts, time.Since(begin))
			return errors.New("crash")
		})
		s := spec("crash")
		s.Recover = containers()
		id := r.create(s, 1, workload.Started).Workload.ID
		time.Sleep(time.Minute)
		synctest.Wait()
		// Each of four records starts at once and after 0, 1 and 2 s; a
		// replacement follows at once and begins anew.
		var want []time.Duration
		for k := range 4 {
			at := time.Duration(3*k) * time.Second
			want = append(want, at, at, at+time.Second, at+3*time.Second)
		}
		if diff := cmp.Diff(want, starts); diff != "" {
			t.Errorf("starts (-want +got):\n%s", diff)
		}
		sn := r.get(id)
		if sn.Workload.Count != 0 || len(sn.Slots) != 0 || states(sn) != "" || sn.Workload.State != workload.Started {
			t.Errorf("after all: %+v with %d slots", sn.Workload, len(sn.Slots))
		}
		if i := sn.Instances[0]; i.Exit.Code != 1 || i.Exit.Outcome != workload.OutcomeFailed || i.Exit.Reason != "crash" {
			t.Errorf("exit: %+v", i.Exit)
		}
	})
}

func TestAFunctionThatWillNotStop(t *testing.T) {
	for _, policy := range []workload.StuckPolicy{workload.Abandon, workload.Hold} {
		t.Run(policy.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				defer r.stop()
				let := make(chan struct{})
				register(t, r.funcs, "deaf", func(context.Context, *funcdriver.Task) error { <-let; return nil })
				s := spec("deaf")
				s.Stop.Stuck = policy
				s.Ports = []driver.Port{{Number: 80, Proto: "tcp"}}
				id := r.create(s, 1, workload.Started).Workload.ID
				synctest.Wait()
				if _, err := r.StopWorkload(t.Context(), id); err != nil {
					t.Fatal(err)
				}
				time.Sleep(11 * time.Second)
				synctest.Wait()
				if i := r.get(id).Instances[0]; i.State != workload.StateStopping || i.Exit.Stuck {
					t.Errorf("after the kill: %v %+v", i.State, i.Exit)
				}
				time.Sleep(time.Second)
				synctest.Wait()
				i := r.get(id).Instances[0]
				if policy == workload.Hold {
					if i.State != workload.StateStopping || !i.Exit.Stuck || i.Exit.Reason != "did not stop" {
						t.Errorf("held: %v %+v", i.State, i.Exit)
					}
				} else if i.State != workload.StateEnded || !i.Exit.Stuck || !i.Exit.Forced || i.Exit.Code != 137 || len(i.Ports) != 1 {
					t.Errorf("abandoned: %v %+v %v", i.State, i.Exit, i.Ports)
				}
				if policy == workload.Abandon { // it does not run twice at a time
					if _, err := r.StartWorkload(t.Context(), id); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
					if i := r.get(id).Instances[0]; i.State != workload.StateNew || i.Wait.Kind != workload.WaitReturn {
						t.Errorf("started again: %v %+v", i.State, i.Wait)
					}
				}
				close(let)
				synctest.Wait()
				i = r.get(id).Instances[0]
				if i.Exit.Stuck || policy == workload.Hold && i.State != workload.StateEnded {
					t.Errorf("after its return: %v %+v", i.State, i.Exit)
				}
			})
		})
	}
}

func TestPlatformEndsAndStartsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := openStore(t)
		defer st.Close()
		first := newRigOn(t, st)
		record := first.create(spec("serve"), 2, workload.Started).Workload.ID
		job := spec("serve")
		job.Behave = workload.Behave{Keep: workload.KeepHistory, Index: workload.Dense, Strict: true, Retain: 10 * time.Minute}
		history := first.create(job, 1, workload.Started).Workload.ID
		stopped := first.create(spec("serve"), 1, workload.Started).Workload.ID
		synctest.Wait()
		if _, err := first.StopWorkload(t.Context(), stopped); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := first.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := first.StartWorkload(t.Context(), stopped); !errors.Is(err, atoll.Unavailable) {
			t.Errorf("a start after the end: %v", err)
		}
		before := first.get(record)
		for _, i := range before.Instances {
			if i.State != workload.StateEnded || i.Exit.Outcome != workload.OutcomeSuspended || i.Exit.Code != 0 {
				t.Errorf("suspended: %v %+v", i.State, i.Exit)
			}
		}
		second := newRigOn(t, st)
		defer second.stop()
		synctest.Wait()
		after := second.get(record)
		if states(after) != "0:running 1:running " || after.Instances[0].ID != before.Instances[0].ID || after.Instances[0].Run != 2 {
			t.Errorf("records: %s", states(after))
		}
		if sn := second.get(history); states(sn) != "0:running " || len(sn.Instances) != 2 {
			t.Errorf("history: %s of %d", states(sn), len(sn.Instances))
		}
		if got := states(second.get(stopped)); got != "0:ended " {
			t.Errorf("stopped: %s", got)
		}
	})
}

func TestRowsOfACrashedProcessAreSuspended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		id := r.create(spec("serve"), 1, workload.Started).Workload.ID
		synctest.Wait()
		var buf strings.Builder
		if err := r.st.Snapshot(&buf); err != nil {
			t.Fatal(err)
		}
		r.stop()
		st := openStore(t)
		if err := st.Restore(strings.NewReader(buf.String())); err != nil {
			t.Fatal(err)
		}
		again := newRigOn(t, st)
		defer again.stop()
		synctest.Wait()
		i := again.get(id).Instances[0]
		if i.State != workload.StateRunning || i.Run != 2 || i.Exit.Outcome != workload.OutcomeSuspended || i.Exit.Reason != "platform restarted" {
			t.Errorf("%v run %d %+v", i.State, i.Run, i.Exit)
		}
		if m := fleet.All(st.View())[0]; m.Instances != 1 {
			t.Errorf("the machine counts %d", m.Instances)
		}
	})
}

func TestShutdownInTheMiddleOfAScaleUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := openStore(t)
		defer st.Close()
		r := newRigOn(t, st)
		s := spec("serve")
		s.Verify.MinAlive = time.Second
		id := r.create(s, 500, workload.Started).Workload.ID
		time.Sleep(time.Millisecond)
		if err := r.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, i := range r.get(id).Instances {
			if i.State.Placed() {
				t.Fatalf("%s is %v", i.ID, i.State)
			}
		}
		if m := fleet.All(st.View())[0]; m.Instances != 0 {
			t.Errorf("the machine counts %d", m.Instances)
		}
	})
}

// script is the spec of something that runs on request.
func script(fn string) workload.Spec {
	s := spec(fn)
	s.Deadline = 20 * time.Second
	s.Stop.Grace = 0
	s.Behave = workload.Behave{Keep: workload.KeepHistory, Retain: 24 * time.Hour, RetainMax: 1000, Runs: workload.RunLimit{Max: 2, Queue: 30 * time.Second}}
	return s
}

func TestSingleRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		r := newRig(t)
		defer r.stop()
		register(t, r.funcs, "add", func(_ context.Context, t *funcdriver.Task) error {
			fmt.Fprintln(t.Stdout(), "adding")
			return t.Result(json.RawMessage(`{"got":` + string(t.Args()) + `}`))
		})
		register(t, r.funcs, "twice", func(_ context.Context, t *funcdriver.Task) error {
			_ = t.Result(json.RawMessage(`1`))
			_ = t.Result(json.RawMessage(`2`))
			return nil
		})
		run := func(id string, single workload.Single) *workload.Instance {
			t.Helper()
			i, err := r.RunOnce(ctx, id, single)
			if err != nil {
				t.Fatal(err)
			}
			return i
		}
		outcome := func(i *workload.Instance) workload.Outcome {
			t.Helper()
			_, now, err := r.Instance(ctx, i.ID)
			if err != nil {
				t.Fatal(err)
			}
			return now.Exit.Outcome
		}
		add := r.create(script("add"), 0, workload.Ready).Workload.ID
		i := run(add, workload.Single{Args: json.RawMessage(`{"x":1}`), Cause: workload.Cause{Kind: workload.CauseAPI}})
		synctest.Wait()
		got, err := r.Result(ctx, i.ID)
		want := &workload.RunResult{Instance: i.ID, Args: json.RawMessage(`{"x":1}`), Result: json.RawMessage(`{"got":{"x":1}}`), Stdout: []byte("adding\n")}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("result (-want +got):\n%s%v", diff, err)
		}
		if outcome(i) != workload.OutcomeClean || i.Num != 1 {
			t.Errorf("outcome %v of number %d", outcome(i), i.Num)
		}
		twice := r.create(script("twice"), 0, workload.Ready).Workload.ID
		i = run(twice, workload.Single{})
		synctest.Wait()
		if outcome(i) != workload.OutcomeFailed {
			t.Errorf("two results: %v", outcome(i))
		}
		if i = run(add, workload.Single{Cause: workload.Cause{Depth: 9}}); outcome(i) != workload.OutcomeBlocked {
			t.Errorf("too deep: %v", outcome(i))
		}
		if _, err := r.RunOnce(ctx, add, workload.Single{Args: json.RawMessage(`{`)}); !errors.Is(err, atoll.Invalid) {
			t.Errorf("bad arguments: %v", err)
		}
		if _, err := r.StartWorkload(ctx, add); !errors.Is(err, atoll.Conflict) {
			t.Errorf("a start of a script: %v", err)
		}

		// Two at a time of one tenant, in order, over several workloads.
		slow := r.create(script("serve"), 0, workload.Ready).Workload.ID
		other := r.create(script("serve"), 0, workload.Ready).Workload.ID
		var all []*workload.Instance
		for k := range 6 {
			all = append(all, run([]string{slow, other}[k%2], workload.Single{}))
		}
		time.Sleep(19 * time.Second)
		synctest.Wait()
		var now []string
		for _, i := range all {
			_, x, _ := r.Instance(ctx, i.ID)
			now = append(now, x.State.String())
		}
		if diff := cmp.Diff([]string{"running", "running", "new", "new", "new", "new"}, now); diff != "" {
			t.Errorf("after 19 s (-want +got):\n%s", diff)
		}
		time.Sleep(35 * time.Second)
		synctest.Wait()
		var outcomes []string
		for _, i := range all {
			outcomes = append(outcomes, outcome(i).String())
		}
		slices.Sort(outcomes)
		if diff := cmp.Diff([]string{"queue-timeout", "queue-timeout", "timeout", "timeout", "timeout", "timeout"}, outcomes); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
	})
}

// job is a workload of jobs: history, a new instance runs before the old one ends.
func job(fn string) workload.Spec {
	s := spec(fn)
	s.Behave = workload.Behave{Keep: workload.KeepHistory, Index: workload.Dense, Strict: true, Retain: 10 * time.Minute, RetainMax: 10}
	s.Rollout = workload.Rollout{Order: workload.StartFirst, ForceOldAfter: 2 * time.Minute}
	s.Verify.MinAlive = 250 * time.Millisecond
	return s
}

func TestARolloutThatStartsFirstNeverLeavesASlotAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		register(t, r.funcs, "serve2", serve)
		id := r.create(job("serve"), 3, workload.Started).Workload.ID
		time.Sleep(time.Second)
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		least := 3
		stream := r.st.Watch(ctx, r.st.LastIndex(), nil)
		var watched sync.WaitGroup
		watched.Go(func() {
			for {
				if _, err := stream.Next(ctx); err != nil {
					return
				}
				least = min(least, r.get(id).Running())
			}
		})
		sn, err := r.Update(t.Context(), id, func(d *workload.Desired) error { d.Spec.Func = "serve2"; return nil })
		if err != nil || !sn.UnderWay() {
			t.Fatal(err)
		}
		if _, err := r.Await(t.Context(), id, sn.Status.Op.Seq); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		cancel()
		watched.Wait()
		sn = r.get(id)
		if states(sn) != "0:running 1:running 2:running " || least < 3 {
			t.Errorf("%s, at least %d ran", states(sn), least)
		}
		for _, i := range sn.Instances {
			if i.Retired == nil && i.Gen != 2 {
				t.Errorf("%s is of generation %d", i.ID, i.Gen)
			}
		}
	})
}

func TestSequenceGoesOnWhenTheOneBeforeRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		s := spec("serve")
		s.Rollout.Sequential = true
		s.Verify.MinAlive = time.Second
		id := r.create(s, 3, workload.Started).Workload.ID
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		if got := states(r.get(id)); got != "0:running 1:starting 2:new " {
			t.Errorf("after 1.5 s: %s", got)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := states(r.get(id)); got != "0:running 1:running 2:running " {
			t.Errorf("after 3.5 s: %s", got)
		}
		bad := spec("fail")
		bad.Rollout.Sequential = true
		bad.Verify.MinAlive = time.Second
		id = r.create(bad, 3, workload.Started).Workload.ID
		time.Sleep(5 * time.Second)
		synctest.Wait()
		sn := r.get(id)
		if states(sn) != "0:ended 1:ended 2:ended " || sn.Instances[2].Exit.Ran || sn.Instances[2].Run != 0 || sn.UnderWay() {
			t.Errorf("given up: %s %+v", states(sn), sn.Instances[2].Exit)
		}
	})
}

func TestCapacityIsExactUnderParallelStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		_, err := r.st.Update(t.Context(), func(tx *store.Tx) error {
			return fleet.SetTotal(tx, fleet.All(tx)[0].ID, &fleet.Resources{CPU: 1e6, Memory: 50, Disk: 1e9, Net: 1e9})
		})
		if err != nil {
			t.Fatal(err)
		}
		s := spec("serve")
		s.Resources.Memory = 1
		var ids []string
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				names := atomic.AddInt64(&parallel, 1)
				sn, err := r.Create(t.Context(), workload.NewWorkload{FQN: policy.FQN{Type: "job", Namespace: "/p", Local: fmt.Sprint("p", names)}, Spec: s, Count: 10, State: workload.Started})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				ids = append(ids, sn.Workload.ID)
			})
		}
		all.Wait()
		synctest.Wait()
		running := func() (n int) {
			for _, id := range ids {
				n += r.get(id).Running()
			}
			return n
		}
		if m := fleet.All(r.st.View())[0]; running() != 50 || m.Used.Memory != 50 {
			t.Errorf("%d run, %d bytes are used", running(), m.Used.Memory)
		}
		waiting := 0
		for _, id := range ids {
			for _, i := range r.get(id).Instances {
				if i.Wait.Kind == workload.WaitCapacity && i.Wait.On == "no machine: memory" {
					waiting++
				}
			}
		}
		if waiting != 50 {
			t.Errorf("%d wait for memory", waiting)
		}
		if _, err := r.Scale(t.Context(), ids[0], 0); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if m := fleet.All(r.st.View())[0]; m.Used.Memory != 50 {
			t.Errorf("room was made, but %d bytes are used", m.Used.Memory)
		}
	})
}

var parallel int64

func TestAHundredCrashLoopsCostBoundedWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		var starts atomic.Int64
		register(t, r.funcs, "loop", func(context.Context, *funcdriver.Task) error {
			starts.Add(1)
			return errors.New("again")
		})
		s := job("loop")
		s.Recover = workload.Recovery{Steps: []workload.Step{{Do: workload.ActionReplace, On: workload.OnFailed, Max: -1,
			Delay: workload.Delay{Free: true, First: time.Second, Top: time.Minute, ResetAfter: 10 * time.Second}}}}
		for range 100 {
			r.create(s, 1, workload.Started)
		}
		begin := r.st.LastIndex()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		// 0, 1, 2, 4 … 60 s: 8 starts in the first two minutes, then one a minute.
		if n := starts.Load(); n < 100*14 || n > 100*17 {
			t.Errorf("%d starts in ten minutes", n)
		}
		if n := r.st.LastIndex() - begin; n > 100*17*6 {
			t.Errorf("%d commits for %d starts", n, starts.Load())
		}
	})
}

func TestIdleWorkloadsHoldNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 10,000 rows")
	}
	r := newRig(t)
	defer r.stop()
	before := goruntime.NumGoroutine()
	s := spec("serve")
	for range workload.Sized(10_000) {
		r.create(s, 1, workload.Ready)
	}
	for r.Busy() {
		goruntime.Gosched()
	}
	for deadline := time.Now().Add(10 * time.Second); goruntime.NumGoroutine() > before+2; goruntime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", goruntime.NumGoroutine(), before)
		}
	}
	if n := r.Timers(); n != 0 {
		t.Errorf("%d timers", n)
	}
}

func TestRoundsLeaveNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		s := spec("serve")
		s.Behave.Retain = 0
		id := r.create(s, 300, workload.Started).Workload.ID
		synctest.Wait()
		type held struct{ Rows, Runners int }
		var counts, want []held
		var goroutines []int
		for range 4 {
			if _, err := r.Scale(t.Context(), id, 0); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if _, err := r.Scale(t.Context(), id, 300); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if n := r.get(id).Running(); n != 300 {
				t.Fatalf("%d run", n)
			}
			counts = append(counts, held{len(r.get(id).Instances), r.Runners()})
			want = append(want, held{300, 300})
			goroutines = append(goroutines, goruntime.NumGoroutine())
		}
		if diff := cmp.Diff(want, counts); diff != "" {
			t.Errorf("rows and runners by round (-want +got):\n%s", diff)
		}
		// The count is the process's: one of the tests before may still be on its way out, but a
		// round that leaves one behind shows as three.
		if grown := goroutines[3] - goroutines[0]; grown >= 3 {
			t.Errorf("goroutines by round: %v", goroutines)
		}
	})
}

func TestPortsAreVerifiedAndNobodyElses(t *testing.T) {
	r := newRig(t)
	defer r.stop()
	register(t, r.funcs, "listen", func(ctx context.Context, task *funcdriver.Task) error {
		l, err := task.Listen(80)
		if err != nil {
			return err
		}
		<-ctx.Done()
		return l.Close()
	})
	s := spec("listen")
	s.Ports = []driver.Port{{Number: 80, Proto: "tcp"}, {Number: 53, Proto: "udp"}}
	s.Verify.Ports = true
	sn := r.create(s, 20, workload.Started)
	if _, err := r.Await(t.Context(), sn.Workload.ID, sn.Status.Op.Seq); err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, i := range r.get(sn.Workload.ID).Instances {
		if i.State != workload.StateRunning || len(i.Ports) != 2 {
			t.Fatalf("%v %v", i.State, i.Ports)
		}
		for _, p := range i.Ports {
			if seen[p.Outer] {
				t.Errorf("port %d is given twice", p.Outer)
			}
			seen[p.Outer] = true
		}
	}
	deaf := s
	deaf.Func = "serve"
	deaf.Verify.Timeout = 200 * time.Millisecond
	sn = r.create(deaf, 1, workload.Started)
	sn, err := r.Await(t.Context(), sn.Workload.ID, sn.Status.Op.Seq)
	if err != nil {
		t.Fatal(err)
	}
	if x := sn.Instances[0].Exit; x.Outcome != workload.OutcomeFailed || x.Ran || x.Reason != "port 80 not answering" {
		t.Errorf("not verified: %+v", x)
	}
}
