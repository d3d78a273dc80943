package fabric_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/runtime/fabric"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/driver/funcdriver"
)

// TestEverythingAtOnceLeavesRowsThatFit lets many callers make, link, stop, start,
// scale, redeploy and delete applications, and looks at what is left.
func TestEverythingAtOnceLeavesRowsThatFit(t *testing.T) {
	for seed := range uint64(4) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			defer r.stop()
			var mu sync.Mutex
			var all []*workload.Snapshot
			pick := func(rnd *rand.Rand) *workload.Snapshot {
				mu.Lock()
				defer mu.Unlock()
				if len(all) == 0 {
					return nil
				}
				return all[rnd.IntN(len(all))]
			}
			var callers sync.WaitGroup
			for c := range uint64(4) {
				callers.Go(func() {
					rnd := rand.New(rand.NewPCG(seed, c))
					for k := range 25 {
						if err := act(r, rnd, fmt.Sprintf("app%d-%d", c, k), pick, func(sn *workload.Snapshot) {
							mu.Lock()
							defer mu.Unlock()
							all = append(all, sn)
						}); err != nil {
							t.Error(err)
						}
						time.Sleep(time.Duration(rnd.IntN(4000)) * time.Millisecond)
					}
				})
			}
			callers.Wait()
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			fits(t, r, all)
		})
	}
}

// act is one random call. What the state at the moment refuses is fine.
func act(r *rig, rnd *rand.Rand, name string, pick func(*rand.Rand) *workload.Snapshot, made func(*workload.Snapshot)) error {
	ctx := context.Background()
	sn := pick(rnd)
	var err error
	switch what := rnd.IntN(10); {
	case sn == nil || what < 4:
		n := application(name, []string{"demo/web", "demo/db:1", "slow", "fail"}[rnd.IntN(4)], count(rnd.IntN(4)), alive(time.Duration(rnd.IntN(3))*time.Second))
		n.Spec.Rollout.Sequential = rnd.IntN(2) == 0
		if rnd.IntN(2) == 0 {
			n.Roles = []string{fabric.RoleGlobal}
		}
		for k := range rnd.IntN(3) {
			if target := pick(rnd); target != nil {
				n.Links = append(n.Links, fabric.NewLink{Target: target.Workload.ID, Name: fmt.Sprint("l", k)})
			}
		}
		if sn, err = r.Create(ctx, n); err == nil {
			made(sn)
		}
	case what == 4:
		_, err = r.ws.StopWorkload(ctx, sn.Workload.ID)
	case what == 5:
		_, err = r.ws.StartWorkload(ctx, sn.Workload.ID)
	case what == 6:
		_, err = r.ws.Scale(ctx, sn.Workload.ID, rnd.IntN(5))
	case what == 7:
		_, err = r.Redeploy(ctx, sn.Workload.ID, nil)
	case what == 8:
		_, err = r.ws.Delete(ctx, sn.Workload.ID)
	default:
		host := fmt.Sprintf("h%d.example.com", rnd.IntN(9))
		_, err = r.Update(ctx, sn.Workload.ID, fabric.Change{WebDNS: &host}, nil)
	}
	switch atoll.KindOf(err) {
	case 0, atoll.NotFound, atoll.FailedState, atoll.Conflict, atoll.Invalid: // a target may be gone by now
		return nil
	}
	return err
}

// fits checks the rows once nothing moves any more.
func fits(t *testing.T, r *rig, all []*workload.Snapshot) {
	t.Helper()
	tokens := map[string]string{}
	linked := 0
	for _, sn := range all {
		sn, err := r.ws.Get(t.Context(), sn.Workload.ID)
		if err != nil {
			t.Fatal(err)
		}
		w, a := sn.Workload, r.Application(sn)
		if w.Deleted == nil && len(a.Roles) > 0 {
			tokens[fabric.Subject(w.ID)] = a.Token.Reveal()
		} else if a.Token != "" {
			t.Errorf("%s has a token", w.FQN)
		}
		for _, l := range append(r.LinksFrom(sn), r.LinksTo(sn)...) {
			linked++
			for _, id := range []string{l.Source, l.Target} {
				if other, err := r.ws.Get(t.Context(), id); err != nil || !other.Status.Destroyed.IsZero() {
					t.Errorf("link %+v: %v", l, err)
				}
			}
		}
		for _, i := range sn.Instances {
			if i.State.Live() && i.State != workload.StateRunning {
				t.Errorf("%s, slot %d: %v, waits for %+v", w.FQN, i.Slot, i.State, i.Wait)
			}
			if i.State == workload.StateRunning && (!i.EnvMade || env(i)["TUTUM_AUTH"] != tokens[fabric.Subject(w.ID)]) {
				t.Errorf("%s, slot %d: environment %v", w.FQN, i.Slot, env(i))
			}
		}
		if sn.UnderWay() || w.Deleted != nil && sn.Status.Destroyed.IsZero() {
			t.Errorf("%s: %+v", w.FQN, sn.Status)
		}
	}
	if diff := cmp.Diff(tokens, r.tokens.live); diff != "" {
		t.Errorf("tokens (-want +got):\n%s", diff)
	}
	if len(all) < 20 || linked == 0 || len(tokens) == 0 {
		t.Errorf("too little happened: %d applications, %d links, %d tokens", len(all), linked, len(tokens))
	}
}

func TestRecoveryKeepsVariablesAndReplacesThemWithTheInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		crash := make(chan struct{})
		r.must(r.funcs.Register("frail", func(ctx context.Context, _ *funcdriver.Task) error {
			select {
			case <-crash:
				return fmt.Errorf("crashed")
			case <-ctx.Done():
				return nil
			}
		}, driver.Image{}))
		r.must(r.Images().Register(fabric.Image{Name: "frail", Driver: "func", Func: "frail"}))
		db := r.get(r.create("db", "demo/db:2"))
		app := r.get(r.create("app", "frail", linkTo(db, ""), func(n *fabric.NewApplication) {
			n.Spec.Recover.Steps = []workload.Step{
				{Do: workload.ActionRestart, On: workload.OnFailed, Max: 1, Window: time.Hour},
				{Do: workload.ActionReplace, On: workload.OnFailed, Max: 1, Window: time.Hour},
			}
		}))
		first := current(app)[0]
		if _, err := r.Redeploy(t.Context(), db.Workload.ID, nil); err != nil { // other ports
			t.Fatal(err)
		}
		db = r.get(db)
		crash <- struct{}{}
		second := current(r.get(app))[0]
		if diff := cmp.Diff(env(first), env(second)); diff != "" || second.ID != first.ID || second.Run != 2 || second.State != workload.StateRunning {
			t.Errorf("restarted: %s run %d %v (-want +got):\n%s", second.ID, second.Run, second.State, diff)
		}
		crash <- struct{}{}
		third := current(r.get(app))[0]
		if diff := cmp.Diff(r.LinkVariables(db), r.ContainerVariables(app, third)); diff != "" || third.ID == first.ID || env(third)["DB_1_PORT"] == env(first)["DB_1_PORT"] {
			t.Errorf("replaced (-want +got):\n%s", diff)
		}
	})
}

func TestASourceWaitsNoLongerThanForAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		db := r.create("db", "demo/db:1", func(n *fabric.NewApplication) {
			n.Spec.Verify = workload.Verify{MinAlive: time.Hour, Timeout: 2 * time.Hour}
		})
		web := r.create("web", "demo/web", linkTo(db, ""))
		time.Sleep(workload.DefaultStartTimeout - time.Second)
		if a := states(r.get(web)); a != "0:waiting " {
			t.Errorf("a second before: %s", a)
		}
		time.Sleep(time.Second)
		if a := states(r.get(web)); a != "0:running " {
			t.Errorf("after the time of a start: %s", a)
		}
	})
}
