package workload_test

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// adopter is a driver whose runs go on without the platform.
type adopter struct {
	faulty
	panics bool
}

func (*adopter) Can() driver.Capabilities { return driver.Capabilities{Adopt: true} }

func (a *adopter) Adopt(context.Context) ([]driver.Adopted, error) {
	if a.panics {
		panic("adopt")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []driver.Adopted
	for _, h := range a.handles {
		select {
		case <-h.done:
		default:
			out = append(out, driver.Adopted{Instance: h.run.Instance, Attempt: h.run.Attempt, Handle: h})
		}
	}
	return append(out, driver.Adopted{Instance: "nothing"}), nil
}

// crash leaves a platform behind as it is and starts another one on its rows.
func crash(t *testing.T, r *rig, d driver.Driver) *rig {
	t.Helper()
	next := &rig{TB: t, st: openStore(t)}
	var rows bytes.Buffer
	if err := r.st.Snapshot(&rows); err != nil {
		t.Fatal(err)
	}
	if err := next.st.Restore(&rows); err != nil {
		t.Fatal(err)
	}
	var err error
	next.fleet = fleet.New(next.st, nil, nil)
	if next.Service, err = workload.New(next.st, nil, next.fleet, []driver.Driver{d}); err != nil {
		t.Fatal(err)
	}
	if err := next.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return next
}

func TestRunsThatGoOnAreAdopted(t *testing.T) {
	for name, panics := range map[string]bool{"known ones": false, "of a driver that panics none": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &adopter{}
				r := &rig{TB: t, st: openStore(t)}
				r.fleet = fleet.New(r.st, nil, nil)
				if err := r.fleet.RegisterLocal(t.Context(), "127.0.0.1", 1); err != nil {
					t.Fatal(err)
				}
				var err error
				if r.Service, err = workload.New(r.st, nil, r.fleet, []driver.Driver{a}); err != nil {
					t.Fatal(err)
				}
				if err := r.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				s := spec("")
				s.Driver = "faulty"
				id := r.create(s, 2, workload.Started).Workload.ID
				synctest.Wait()
				// What the rows do not know any more goes on too.
				stray, err := a.Start(t.Context(), &driver.Run{Instance: r.get(id).Instances[0].ID, Attempt: 7, Template: &driver.Template{}})
				if err != nil {
					t.Fatal(err)
				}
				a.panics = panics
				next := crash(t, r, a)
				synctest.Wait()
				type seen struct {
					State workload.State
					Run   int
				}
				want := []seen{{workload.StateRunning, 1}, {workload.StateRunning, 1}}
				if panics {
					want = []seen{{workload.StateRunning, 2}, {workload.StateRunning, 2}}
				}
				var got []seen
				for _, i := range next.get(id).Instances {
					got = append(got, seen{i.State, i.Run})
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("instances (-want +got):\n%s", diff)
				}
				select {
				case <-stray.Done():
				default:
					if !panics {
						t.Error("a run that no row knows goes on")
					}
				}
				// An adopted run is stopped, and its end seen, as any other.
				if !panics {
					for _, h := range a.handles {
						if h.run.Instance == next.get(id).Instances[0].ID {
							h.end(3)
						}
					}
					synctest.Wait()
					if i := next.get(id).Instances[0]; i.State != workload.StateEnded || i.Exit.Code != 3 {
						t.Errorf("after its end: %v %+v", i.State, i.Exit)
					}
				}
				if _, err := next.StopWorkload(t.Context(), id); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				synctest.Wait()
				if got := states(next.get(id)); got != "0:ended 1:ended " {
					t.Errorf("after a stop: %s", got)
				}
				next.stop()
				r.stop() // the one left behind
			})
		})
	}
}
