package workload_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver/funcdriver"
)

func (r *rig) snapshot() string {
	r.Helper()
	var buf strings.Builder
	if err := r.st.Snapshot(&buf); err != nil {
		r.Fatal(err)
	}
	return buf.String()
}

func (r *rig) carry(ctx context.Context, image string) {
	r.Helper()
	if err := r.Carry(ctx, func() error { return r.st.Restore(strings.NewReader(image)) }); err != nil {
		r.Fatal(err)
	}
}

func TestRowsThatAreReplacedAreWhatRunsThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		var running atomic.Int32
		register(t, r.funcs, "count", func(ctx context.Context, tk *funcdriver.Task) error {
			running.Add(1)
			defer running.Add(-1)
			fmt.Fprintln(tk.Stdout(), "here")
			<-ctx.Done()
			time.Sleep(time.Second) // it is given its grace
			return nil
		})
		kept := r.create(spec("count"), 2, workload.Started).Workload.ID
		synctest.Wait()
		before := r.get(kept)
		image := r.snapshot()
		if _, err := r.Scale(t.Context(), kept, 5); err != nil {
			t.Fatal(err)
		}
		gone := r.create(spec("count"), 3, workload.Started).Workload.ID
		synctest.Wait()
		if running.Load() != 8 {
			t.Fatalf("%d run", running.Load())
		}
		r.carry(t.Context(), image)
		synctest.Wait()
		after := r.get(kept)
		if got := states(after); got != "0:running 1:running " || running.Load() != 2 {
			t.Errorf("%s, and %d run", got, running.Load())
		}
		for k, i := range after.Instances {
			if i.ID != before.Instances[k].ID || i.Run != 2 || i.Exit.Outcome != workload.OutcomeSuspended || i.Exit.Reason != "platform restarted" {
				t.Errorf("%s run %d %+v", i.ID, i.Run, i.Exit)
			}
		}
		if _, err := r.Get(t.Context(), gone); err == nil {
			t.Error("a workload of the old rows is still there")
		}
		if m := fleet.All(r.st.View())[0]; m.Instances != 2 {
			t.Errorf("the machine counts %d", m.Instances)
		}
		if lines, err := r.Logs(t.Context(), kept, workload.LogQuery{Instances: []string{after.Instances[0].ID}}); err != nil || len(lines) == 0 {
			t.Errorf("output of a record that was there before: %d lines, %v", len(lines), err)
		}
		if _, err := r.StopWorkload(t.Context(), kept); err != nil { // and it is all in hand
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := states(r.get(kept)); got != "0:ended 1:ended " || running.Load() != 0 {
			t.Errorf("after a stop: %s, and %d run", got, running.Load())
		}
	})
}

func TestReplacementThatFailsDisturbsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		id := r.create(spec("serve"), 2, workload.Started).Workload.ID
		synctest.Wait()
		no := errors.New("no")
		if err := r.Carry(t.Context(), func() error { return no }); !errors.Is(err, no) {
			t.Errorf("Carry: %v", err)
		}
		synctest.Wait()
		for _, i := range r.get(id).Instances {
			if i.State != workload.StateRunning || i.Run != 1 {
				t.Errorf("%v, run %d", i.State, i.Run)
			}
		}
	})
}

func TestWhatWillNotStopIsLeftBehindWhenRowsAreReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		let := make(chan struct{})
		defer close(let)
		first := true
		register(t, r.funcs, "deaf", func(ctx context.Context, _ *funcdriver.Task) error {
			if first {
				first = false
				<-let
				return errors.New("far too late")
			}
			<-ctx.Done()
			return nil
		})
		id := r.create(spec("deaf"), 1, workload.Started).Workload.ID
		synctest.Wait()
		image := r.snapshot()
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r.carry(ctx, image)
		if d := time.Since(begin); d > 5*time.Second {
			t.Errorf("it took %v", d)
		}
		synctest.Wait()
		let <- struct{}{}
		synctest.Wait()
		if i := r.get(id).Instances[0]; i.State != workload.StateRunning || i.Run != 2 {
			t.Errorf("%v, run %d, %+v", i.State, i.Run, i.Exit)
		}
	})
}

func TestRowsAreReplacedWhileEverythingChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		var running atomic.Int32
		register(t, r.funcs, "count", func(ctx context.Context, _ *funcdriver.Task) error {
			running.Add(1)
			defer running.Add(-1)
			<-ctx.Done()
			return nil
		})
		crash := spec("fail")
		crash.Recover = containers()
		r.create(crash, 3, workload.Started)
		id := r.create(spec("count"), 3, workload.Started).Workload.ID
		image := r.snapshot() // in the middle of the start
		for n := range 20 {
			if _, err := r.Scale(t.Context(), id, 1+n%7); err != nil {
				t.Fatal(err)
			}
			if n%3 == 0 {
				time.Sleep(time.Duration(n) * 100 * time.Millisecond)
			}
			r.carry(t.Context(), image)
		}
		synctest.Wait()
		if got := states(r.get(id)); got != "0:running 1:running 2:running " || running.Load() != 3 {
			t.Errorf("%s, and %d run", got, running.Load())
		}
	})
}
