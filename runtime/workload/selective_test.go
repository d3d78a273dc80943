package workload_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// choosy needs the workload titled "source" alone, and hears of every end.
type choosy struct {
	*linked
}

func (c *choosy) Needs(_ store.Reader, w *workload.Workload) bool { return w.Title == "source" }

func (c *choosy) Dropped(_ *store.Tx, w *workload.Workload) error { return c.call("dropped", w) }

func (c *choosy) Ended(_ *store.Tx, w *workload.Workload) error {
	if w.Deleted == nil {
		return errors.New("it ends before it is deleted")
	}
	return c.call("ended", w)
}

func (c *choosy) Forgotten(_ *store.Tx, w *workload.Workload) error { return c.call("forgotten", w) }

func TestAConnectorChoosesWhatItPreparesAndHearsOfEveryEnd(t *testing.T) {
	for _, title := range []string{"source", "other"} {
		t.Run(title, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &choosy{linked: &linked{}}
				r := newRig(t, workload.WithConnector(c))
				defer r.stop()
				c.svc = r.Service
				s := spec("serve")
				sn := r.create(s, 1, workload.Ready)
				if _, err := r.Update(t.Context(), sn.Workload.ID, func(d *workload.Desired) error {
					d.Title, d.State = title, workload.Started
					return nil
				}); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if got := states(r.get(sn.Workload.ID)); got != "0:running " {
					t.Fatalf("instances %s", got)
				}
				if _, err := r.Delete(t.Context(), sn.Workload.ID); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Hour)
				synctest.Wait()
				want := []string{"dropped " + title, "ended " + title, "forgotten " + title}
				if title == "source" {
					want = []string{"prepare source", "attach source", "dropped source", "detach source", "detach source", "release source", "ended source", "forgotten source"}
				}
				c.mu.Lock()
				defer c.mu.Unlock()
				got := slices.Clone(c.calls)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("calls (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestTheEnvironmentIsMadeOnceForEachGenerationAndItsPorts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		asked := 0
		port := 40000
		r := newRig(t, workload.WithEnv(workload.EnvContainer, func(q *workload.EnvRequest) map[string]string {
			asked++
			siblings := 0
			for i := range q.Siblings {
				if i.Workload != q.Workload.ID {
					t.Errorf("sibling %+v", i)
				}
				siblings++
			}
			if siblings == 0 || q.Reader == nil || q.Spec.Driver != "func" || len(q.Instance.Ports) != 1 {
				t.Errorf("%d siblings, %+v", siblings, q.Instance)
			}
			return map[string]string{"ASKED": string(rune('0' + asked))}
		}), workload.WithPorts(func(string, string) (int, bool) { port++; return port, true }))
		defer r.stop()
		s := spec("serve")
		s.Behave.Env, s.Ports = workload.EnvContainer, []driver.Port{{Number: 80, Proto: "tcp"}}
		id := r.create(s, 1, workload.Started).Workload.ID
		check := func(what, want string) {
			t.Helper()
			synctest.Wait()
			for _, i := range r.get(id).Instances {
				if i.Retired == nil && (i.Env["ASKED"].Reveal() != want || !i.EnvMade) {
					t.Errorf("%s: asked %q, want %q", what, i.Env["ASKED"].Reveal(), want)
				}
			}
		}
		current := func() string {
			for _, i := range r.get(id).Instances {
				if i.Retired == nil {
					return i.ID
				}
			}
			return ""
		}
		check("started", "1")
		if _, err := r.StopWorkload(ctx, id); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := r.StartWorkload(ctx, id); err != nil {
			t.Fatal(err)
		}
		check("started again", "1")
		if _, err := r.RestartInstance(ctx, current()); err != nil {
			t.Fatal(err)
		}
		check("restarted", "1")
		if _, err := r.Redeploy(ctx, id, nil); err != nil {
			t.Fatal(err)
		}
		check("redeployed", "2")
		if _, _, err := r.RedeployInstance(ctx, current(), func(s *workload.Spec) error {
			s.Image = "another"
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		check("one redeployed", "3")
		if sn := r.get(id); sn.Workload.Spec.Image != "another" || sn.Workload.Gen != 3 {
			t.Errorf("%+v", sn.Workload.Spec.Template)
		}
		if _, _, err := r.RedeployInstance(ctx, current(), func(*workload.Spec) error { return atoll.Errorf(atoll.Conflict, "", "no") }); atoll.KindOf(err) != atoll.Conflict {
			t.Error(err)
		}
		if _, _, err := r.RedeployInstance(ctx, current(), func(s *workload.Spec) error { s.Func = "nobody"; return nil }); atoll.KindOf(err) != atoll.Reference {
			t.Error(err)
		}
		check("refused", "3")
	})
}

func TestUpdateWithinIsOneTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		r := newRig(t)
		defer r.stop()
		id := r.create(spec("serve"), 1, workload.Started).Workload.ID
		synctest.Wait()
		title := func(d *workload.Desired) error { d.Title = "new"; return nil }
		_, err := r.UpdateWithin(ctx, id, title, func(*store.Tx, *workload.Snapshot) error { return atoll.Errorf(atoll.Quota, "", "no") })
		if atoll.KindOf(err) != atoll.Quota || r.get(id).Workload.Title != "w" {
			t.Errorf("%v, %s", err, r.get(id).Workload.Title)
		}
		called := 0
		sn, err := r.UpdateWithin(ctx, id, title, func(tx *store.Tx, sn *workload.Snapshot) error {
			called++
			if w, ok := workload.Table().Get(tx, id); !ok || w.Title != "new" || sn.Workload.Title != "new" {
				t.Errorf("inside it is %+v", w)
			}
			return nil
		})
		if err != nil || called != 1 || sn.Workload.Title != "new" {
			t.Errorf("%v, called %d times", err, called)
		}
		if got, ok := workload.SnapshotOf(r.st.View(), id); !ok || got.Workload.Title != "new" || len(slices.Collect(workload.InstancesOf(r.st.View(), id))) != 1 {
			t.Errorf("%v", got)
		}
		if _, ok := workload.SnapshotOf(r.st.View(), "nobody"); ok {
			t.Error("nobody is there")
		}
	})
}
