package workload_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload"
)

// newMachines is a rig with two further machines that beat, until quiet is called.
func newMachines(t *testing.T) (r *rig, f *faulty, ids [2]string, quiet func(k int)) {
	r, f = newFaultyRig(t)
	var silent [2]atomic.Bool
	for k, host := range []string{"10.0.0.1", "10.0.0.2"} {
		m, err := r.fleet.Add(t.Context(), fleet.Machine{Host: host, Port: 1, Beats: true, Accepts: true,
			Total: &fleet.Resources{CPU: 1000, Memory: int64(100 - k), Disk: 100, Net: 100}})
		if err != nil {
			t.Fatal(err)
		}
		ids[k] = m.ID
	}
	beat := func() {
		for k, id := range ids {
			if !silent[k].Load() {
				if err := r.fleet.Beat(t.Context(), id); err != nil {
					t.Error(err)
				}
			}
		}
	}
	beat()
	done := make(chan struct{})
	t.Cleanup(func() { close(done) })
	go func() {
		tick := time.NewTicker(fleet.BeatEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				beat()
			case <-done:
				return
			}
		}
	}()
	return r, f, ids, func(k int) { silent[k].Store(true) }
}

func TestASilentMachineLosesWhatRunsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, f, ids, quiet := newMachines(t)
		defer r.stop()
		s := spec("")
		s.Driver, s.Resources.Memory = "faulty", 1
		s.Recover = containers()
		id := r.create(s, 1, workload.Started).Workload.ID
		synctest.Wait()
		i := r.get(id).Instances[0]
		if i.State != workload.StateRunning || i.Machine != ids[0] {
			t.Fatalf("%v on %s", i.State, i.Machine)
		}
		quiet(0)
		time.Sleep(41 * time.Second)
		synctest.Wait()
		i = r.get(id).Instances[0]
		if i.State != workload.StateRunning || i.Machine != ids[1] || i.Run != 2 || i.Exit.Outcome != workload.OutcomeLost {
			t.Errorf("%v on %s, run %d, %v", i.State, i.Machine, i.Run, i.Exit.Outcome)
		}
		if m, _ := fleet.ByID(r.st.View(), ids[0]); m.Used != (fleet.Resources{}) || m.Instances != 0 {
			t.Errorf("used on the lost machine: %+v", m.Used)
		}
		if !f.handles[0].killed {
			t.Error("the lost run was not let go")
		}
	})
}

func TestADrainedMachineIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _, ids, _ := newMachines(t)
		defer r.stop()
		moves, stays := spec(""), spec("")
		moves.Driver, moves.Recover, moves.Resources.Memory = "faulty", containers(), 1
		stays.Driver, stays.Resources.Memory = "faulty", 1
		stays.Place.Machine = ids[0]
		a := r.create(moves, 1, workload.Started).Workload.ID
		b := r.create(stays, 1, workload.Started).Workload.ID
		synctest.Wait()
		if err := r.fleet.Drop(t.Context(), ids[0]); !errors.Is(err, atoll.Conflict) {
			t.Errorf("a machine that a workload names was dropped: %v", err)
		}
		if err := r.fleet.Drain(t.Context(), ids[0], time.Minute); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if i := r.get(a).Instances[0]; i.State != workload.StateRunning || i.Machine != ids[1] {
			t.Errorf("what goes on after a loss: %v on %s", i.State, i.Machine)
		}
		time.Sleep(59 * time.Second)
		synctest.Wait()
		if got := states(r.get(b)); got != "0:running " {
			t.Errorf("before the deadline: %s", got)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if sn := r.get(b); states(sn) != "0:ended " || sn.Workload.State != workload.Stopped || sn.Instances[0].Exit.Outcome != workload.OutcomeAsked {
			t.Errorf("after the deadline: %s, %v", states(sn), sn.Workload.State)
		}
		if err := r.fleet.Undrain(t.Context(), ids[0]); err != nil {
			t.Fatal(err)
		}
		if _, err := r.StartWorkload(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if i := r.get(b).Instances[0]; i.State != workload.StateRunning || i.Machine != ids[0] {
			t.Errorf("started again: %v on %s", i.State, i.Machine)
		}
	})
}
