package workload_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver/funcdriver"
)

// watch waits, without polling, until done says so of what was read.
func (r *rig) watch(id string, done func(*workload.Snapshot) bool) {
	r.Helper()
	for {
		v := r.st.View()
		if done(r.get(id)) {
			return
		}
		if err := r.st.Wait(context.Background(), v.Index()+1); err != nil {
			r.Fatal(err)
		}
	}
}

func runs(sn *workload.Snapshot) bool { return sn.Running() > 0 }
func ends(sn *workload.Snapshot) bool { return !sn.Instances[0].State.Live() }

// BenchmarkStartToRunning guards the time from the call of a start, and from its
// acceptance, until a reader sees the instance run. Gate: a median under 50 µs.
func BenchmarkStartToRunning(b *testing.B) {
	r := newRig(b)
	defer r.stop()
	ctx := context.Background()
	id := r.create(spec("serve"), 1, workload.Ready).Workload.ID
	var took, accepted []time.Duration
	for b.Loop() {
		began := time.Now()
		if _, err := r.StartWorkload(ctx, id); err != nil {
			b.Fatal(err)
		}
		took1 := time.Since(began)
		r.watch(id, runs)
		took = append(took, time.Since(began))
		accepted = append(accepted, took[len(took)-1]-took1)
		if _, err := r.StopWorkload(ctx, id); err != nil {
			b.Fatal(err)
		}
		r.watch(id, ends)
	}
	median(b, took, "median")
	median(b, accepted, "accepted")
}

func median(b *testing.B, took []time.Duration, name string) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1e3, name+"-µs")
	b.ReportMetric(float64(took[len(took)/10].Nanoseconds())/1e3, name+"-p10-µs")
}

// BenchmarkVisible guards the time from the end of a function until a reader
// sees it: one pass.
func BenchmarkVisible(b *testing.B) {
	r := newRig(b)
	defer r.stop()
	ctx := context.Background()
	end, ended := make(chan struct{}), make(chan time.Time, 1)
	register(b, r.funcs, "until", func(context.Context, *funcdriver.Task) error {
		<-end
		ended <- time.Now()
		return nil
	})
	id := r.create(spec("until"), 1, workload.Ready).Workload.ID
	var took []time.Duration
	for b.Loop() {
		if _, err := r.StartWorkload(ctx, id); err != nil {
			b.Fatal(err)
		}
		r.watch(id, runs)
		end <- struct{}{}
		at := <-ended
		r.watch(id, ends)
		took = append(took, time.Since(at))
	}
	median(b, took, "median")
}

// rounds starts n instances of a workload, scales to zero and starts them again.
func rounds(tb testing.TB, n, workloads int) {
	r := newRig(tb)
	defer r.stop()
	ctx := context.Background()
	var ids []string
	for range workloads {
		s := spec("serve")
		s.Behave.Retain, s.Behave.Tombstone = 0, 0
		ids = append(ids, r.create(s, n/workloads, workload.Started).Workload.ID)
	}
	all := func(want int) {
		for _, id := range ids {
			for {
				sn := r.get(id)
				if sn.Running() == want && len(sn.Instances) == want {
					break
				}
				time.Sleep(50 * time.Millisecond)
			}
		}
	}
	all(n / workloads)
	for _, id := range ids {
		if _, err := r.Scale(ctx, id, 0); err != nil {
			tb.Fatal(err)
		}
	}
	all(0)
	for _, id := range ids {
		if _, err := r.Scale(ctx, id, n/workloads); err != nil {
			tb.Fatal(err)
		}
	}
	all(n / workloads)
}

// BenchmarkTenThousand guards that 10,000 function instances are started,
// scaled to zero and started again. Gate: 5 s on two cores.
func BenchmarkTenThousand(b *testing.B) {
	for _, w := range []int{1, 100} {
		b.Run(fmt.Sprint(w, " workloads"), func(b *testing.B) {
			for b.Loop() {
				rounds(b, 10_000, w)
			}
		})
	}
}
