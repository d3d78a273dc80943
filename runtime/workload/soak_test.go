package workload_test

import (
	"context"
	goruntime "runtime"
	"strconv"
	"testing"

	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload"
)

// TestTenThousandComeAndGo starts 10,000 instances, scales to nothing and starts
// them again: no goroutine, run or row is left, and memory does not grow.
func TestTenThousandComeAndGo(t *testing.T) {
	if testing.Short() {
		t.Skip("starts 10,000 instances three times")
	}
	n := workload.Sized(10_000)
	if n < 10_000 {
		n /= 4 // the race detector is slow
	}
	const history = 64
	st, err := store.Open(append(workload.Tables(), fleet.Tables()...), store.WithHistory(history)) // old rows live in the history
	if err != nil {
		t.Fatal(err)
	}
	r := newRigOn(t, st)
	defer r.stop()
	s := spec("serve")
	s.Behave.Retain = 0
	id := r.create(s, 0, workload.Started).Workload.ID
	idle := goruntime.NumGoroutine()
	const passing = 8
	type round struct{ up, down, runners int }
	var rounds []round
	var heaps []uint64
	for range 3 {
		var seen round
		scale := func(to int) {
			t.Helper()
			if _, err := r.Scale(context.Background(), id, to); err != nil {
				t.Fatal(err)
			}
			r.watch(id, func(sn *workload.Snapshot) bool { return sn.Running() == to && len(sn.Instances) == to })
		}
		scale(n)
		seen.up = goruntime.NumGoroutine() - idle
		scale(0)
		for r.Busy() || goruntime.NumGoroutine() > idle+passing { // the last ones are on their way out
			goruntime.Gosched()
		}
		seen.down, seen.runners = goruntime.NumGoroutine()-idle, r.Runners()
		rounds = append(rounds, seen)
		for k := range 2 * history { // how many rows the last commits hold varies from round to round
			if _, err := r.Update(context.Background(), id, func(d *workload.Desired) error { d.Text = strconv.Itoa(k); return nil }); err != nil {
				t.Fatal(err)
			}
		}
		goruntime.GC()
		goruntime.GC()
		var m goruntime.MemStats
		goruntime.ReadMemStats(&m)
		heaps = append(heaps, m.HeapAlloc)
	}
	for k, got := range rounds {
		// One goroutine for a run, and one for its function; a few may be passing by.
		if got.up > 2*n+passing || got.down > passing || got.runners != 0 {
			t.Errorf("round %d: %d goroutines more while %d ran, %d after, %d runs left", k, got.up, n, got.down, got.runners)
		}
	}
	// The first round fills what is bounded: tables, and old versions for readers.
	if heaps[2] > heaps[1]+heaps[1]/10+1<<20 {
		t.Errorf("memory by round: %v", heaps)
	}
}
