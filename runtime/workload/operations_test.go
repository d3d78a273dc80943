package workload_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
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

func TestCreateRefuses(t *testing.T) {
	name := policy.FQN{Type: "job", Namespace: "/x", Local: "y"}
	tests := map[string]struct {
		edit  func(*workload.NewWorkload)
		kind  atoll.Kind
		paths []string
	}{
		"a name that is none":          {func(n *workload.NewWorkload) { n.FQN.Local = "" }, atoll.Invalid, []string{"fqn"}},
		"a name of another type":       {func(n *workload.NewWorkload) { n.FQN.Type = "package" }, atoll.Invalid, []string{"fqn"}},
		"a name that is taken":         {func(n *workload.NewWorkload) { n.FQN.Local = "taken" }, atoll.Conflict, nil},
		"a driver that is not there":   {func(n *workload.NewWorkload) { n.Spec.Driver = "docker" }, atoll.Reference, []string{"driver"}},
		"a function that is not there": {func(n *workload.NewWorkload) { n.Spec.Func = "nobody" }, atoll.Reference, []string{"func"}},
		"a machine that is not there":  {func(n *workload.NewWorkload) { n.Spec.Place.Machine = "m" }, atoll.Reference, []string{"machine"}},
		"a count above the limit":      {func(n *workload.NewWorkload) { n.Count, n.Spec.MaxCount = 101, 100 }, atoll.Invalid, []string{"count"}},
		"everything that is wrong":     {func(n *workload.NewWorkload) { n.Count, n.Spec.Driver, n.Spec.Resources.CPU = -1, "", -1 }, atoll.Invalid, []string{"driver", "count", "resources"}},
		"a port twice, one of no number": {func(n *workload.NewWorkload) {
			n.Spec.Ports = []driver.Port{{Number: 80, Proto: "tcp"}, {Number: 80, Proto: "tcp"}, {Number: 0, Proto: "x"}}
		}, atoll.Invalid, []string{"ports/1", "ports/2", "ports/2"}},
		"restarts without end or delay": {func(n *workload.NewWorkload) {
			n.Spec.Recover.Steps = []workload.Step{{Do: workload.ActionRestart, On: workload.OnFailed, Max: -1}}
		}, atoll.Invalid, []string{"recover/steps/0"}},
		"a variable without a name": {func(n *workload.NewWorkload) {
			n.Spec.Procs = map[string]driver.Process{"main": {Env: map[string]string{"": "x"}}}
		}, atoll.Invalid, []string{"procs/main/env/"}},
		"a state that is a result": {func(n *workload.NewWorkload) { n.State = workload.Errored }, atoll.Invalid, nil},
		"a condition":              {func(n *workload.NewWorkload) { n.Text = "refuse" }, atoll.FailedState, nil},
	}
	for what, tt := range tests {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				defer r.stop()
				n := workload.NewWorkload{FQN: name, Spec: spec("serve"), Count: 1}
				taken := n
				taken.FQN.Local = "taken"
				if _, err := r.Create(t.Context(), taken); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				before := r.st.LastIndex()
				tt.edit(&n)
				_, err := r.Create(t.Context(), n, workload.If(func(sn *workload.Snapshot) error {
					if sn.Workload.Text == "refuse" {
						return atoll.Errorf(atoll.FailedState, "test", "no")
					}
					return nil
				}))
				if k := atoll.KindOf(err); k != tt.kind {
					t.Fatalf("Create: %v, want %v", err, tt.kind)
				}
				var paths []string
				if e, ok := errors.AsType[*atoll.Error](err); ok {
					for _, f := range e.Findings {
						paths = append(paths, f.Path)
					}
				}
				if diff := cmp.Diff(tt.paths, paths); diff != "" {
					t.Errorf("findings (-want +got):\n%s", diff)
				}
				if r.st.LastIndex() != before {
					t.Error("a refused operation changed something")
				}
			})
		})
	}
}

func TestRepeatedOperationsWriteNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		ctx := t.Context()
		id := r.create(spec("serve"), 2, workload.Started).Workload.ID
		synctest.Wait()
		quiet := func(what string, do func() error) {
			t.Helper()
			before := r.st.LastIndex()
			if err := do(); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			synctest.Wait()
			if r.st.LastIndex() != before {
				t.Errorf("%s changed something", what)
			}
		}
		inst := r.get(id).Instances[0].ID
		quiet("a start of what runs", func() error { _, err := r.StartWorkload(ctx, id); return err })
		quiet("a scale to what is", func() error { _, err := r.Scale(ctx, id, 2); return err })
		quiet("an update to what is", func() error {
			_, err := r.Update(ctx, id, func(*workload.Desired) error { return nil })
			return err
		})
		quiet("a start of an instance that runs", func() error { _, err := r.StartInstance(ctx, inst); return err })
		if _, err := r.StopWorkload(ctx, id); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		quiet("a stop of what is stopped", func() error { _, err := r.StopWorkload(ctx, id); return err })
		quiet("a stop of an instance that is stopped", func() error { _, err := r.StopInstance(ctx, inst); return err })
	})
}

func TestInstanceOperationsKeepTheStateTrue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		ctx := t.Context()
		id := r.create(spec("serve"), 2, workload.Started).Workload.ID
		check := func(what string, err error, want string, state workload.Want, count int) {
			t.Helper()
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			synctest.Wait()
			sn := r.get(id)
			if states(sn) != want || sn.Workload.State != state || sn.Workload.Count != count {
				t.Errorf("%s: %s, %v, %d; want %s, %v, %d", what, states(sn), sn.Workload.State, sn.Workload.Count, want, state, count)
			}
		}
		synctest.Wait()
		a, b := r.get(id).Instances[0].ID, r.get(id).Instances[1].ID
		if _, i, err := r.InstanceBySeq(ctx, r.get(id).Instances[1].Seq); err != nil || i.ID != b {
			t.Errorf("by number: %v, %v", i, err)
		}
		if _, _, err := r.InstanceBySeq(ctx, 99); !errors.Is(err, atoll.NotFound) {
			t.Errorf("by a number that nothing has: %v", err)
		}
		_, err := r.StopInstance(ctx, a)
		check("one is stopped", err, "0:ended 1:running ", workload.Started, 2)
		_, err = r.StopInstance(ctx, b)
		check("the last is stopped", err, "0:ended 1:ended ", workload.Stopped, 2)
		_, err = r.StartInstance(ctx, b)
		check("one is started", err, "0:ended 1:running ", workload.Started, 2)
		_, err = r.RestartInstance(ctx, b)
		check("it is restarted", err, "0:ended 1:running ", workload.Started, 2)
		if i := r.get(id).Instances[1]; i.ID != b || i.Run != 3 {
			t.Errorf("restarted: run %d of %s", i.Run, i.ID)
		}
		_, next, err := r.RedeployInstance(ctx, b, nil)
		check("it is redeployed", err, "0:ended 1:running ", workload.Started, 2)
		if i, _ := r.get(id).Instance(next); i == nil || i.State != workload.StateRunning || i.Gen != 2 {
			t.Errorf("redeployed: %+v", i)
		}
		_, err = r.DeleteInstance(ctx, next, workload.SlotGoes)
		check("it is deleted", err, "0:ended ", workload.Stopped, 1)
		if _, err = r.StopInstance(ctx, next); !errors.Is(err, atoll.NotFound) {
			t.Errorf("a stop of what is gone: %v", err)
		}
		_, err = r.DeleteInstance(ctx, a, workload.SlotGoes)
		check("the last is deleted", err, "", workload.Stopped, 0)
		_, err = r.Scale(ctx, id, 1)
		check("scaled up from nothing", err, "2:running ", workload.Started, 1)
	})
}

func TestDeletedInstanceWhoseSlotStays(t *testing.T) {
	for name, tt := range map[string]struct {
		on   workload.Ending
		want string
	}{"is replaced if recovery says so": {workload.OnDeleted, "0:running "}, "is not replaced else": {workload.OnFailed, ""}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				defer r.stop()
				s := job("serve")
				s.Recover.Steps = []workload.Step{{Do: workload.ActionReplace, On: tt.on, Max: 3}}
				id := r.create(s, 1, workload.Started).Workload.ID
				time.Sleep(time.Second)
				synctest.Wait()
				old := r.get(id).Instances[0].ID
				if _, err := r.DeleteInstance(t.Context(), old, workload.SlotStays); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				synctest.Wait()
				sn := r.get(id)
				if states(sn) != tt.want || sn.Workload.Count != 1 || sn.Slots[0].Spent != (tt.want == "") || sn.Slots[0].Attempts != 0 {
					t.Errorf("%q, %+v", states(sn), sn.Slots[0])
				}
			})
		})
	}
}

func TestUpdateRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		ctx := t.Context()
		sn := r.create(job("serve"), 1, workload.Started)
		id := sn.Workload.ID
		time.Sleep(time.Second)
		synctest.Wait()
		edit := func(f func(*workload.Desired)) error {
			_, err := r.Update(ctx, id, func(d *workload.Desired) error { f(d); return nil })
			time.Sleep(time.Second)
			synctest.Wait()
			return err
		}
		err := edit(func(d *workload.Desired) { d.Spec.Resources.Memory = 1 })
		if atoll.CodeOf(err) != atoll.RequiresRestart {
			t.Errorf("resources while started: %v", err)
		}
		if err := edit(func(d *workload.Desired) { d.Spec.Behave.Retain = 0 }); !errors.Is(err, atoll.Invalid) {
			t.Errorf("behaviour: %v", err)
		}
		if err := edit(func(d *workload.Desired) { d.State = workload.Errored }); !errors.Is(err, atoll.Invalid) {
			t.Errorf("a state that is a result: %v", err)
		}
		was := r.get(id).Instances[0]
		if err := edit(func(d *workload.Desired) { d.Spec.Labels = map[string]string{"a": "b"} }); err != nil {
			t.Error(err)
		}
		is := r.get(id)
		if i := is.Instances[0]; i.ID != was.ID || i.Run != was.Run || i.SpecVersion != is.Workload.Version || is.Workload.Gen != 1 {
			t.Errorf("a dynamic change: %+v of version %d", i, is.Workload.Version)
		}
		if err := edit(func(d *workload.Desired) { d.FQN.Local = "renamed" }); err != nil {
			t.Error(err)
		}
		if _, err := r.Resolve(ctx, policy.FQN{Type: "job", Namespace: "/test", Local: "renamed"}); err != nil {
			t.Error(err)
		}
		if err := edit(func(d *workload.Desired) {
			d.State, d.Count, d.Spec.Resources.Memory = workload.Stopped, 2, 1
		}); err != nil {
			t.Error(err)
		}
		if sn := r.get(id); states(sn) != "" || sn.Status.Op.Kind != workload.OpStop || sn.Workload.Count != 2 {
			t.Errorf("all in one: %q %+v", states(sn), sn.Status.Op)
		}
	})
}

func TestOneOfManyEqualOperationsIsAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		id := r.create(spec("serve"), 2, workload.Started).Workload.ID
		synctest.Wait()
		var mu sync.Mutex
		accepted, refused := 0, 0
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				_, err := r.StopWorkload(t.Context(), id, workload.If(func(sn *workload.Snapshot) error {
					if sn.UnderWay() || sn.Workload.State != workload.Started {
						return atoll.Errorf(atoll.FailedState, "test", "not now")
					}
					return nil
				}))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					accepted++
				case errors.Is(err, atoll.FailedState):
					refused++
				}
			})
		}
		all.Wait()
		if accepted != 1 || refused != 19 {
			t.Errorf("%d accepted, %d refused", accepted, refused)
		}
	})
}

// asked notes every question and denies those of an action.
type asked struct {
	mu   sync.Mutex
	deny policy.Action
	all  []string
}

func (a *asked) Decide(_ *policy.Principal, q policy.Question) policy.Decision {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = append(a.all, fmt.Sprint(q.Action, " ", q.Target))
	return policy.Decision{Allowed: q.Action != a.deny}
}

func TestEveryMethodAsksTheGuard(t *testing.T) {
	tests := map[string]struct {
		action policy.Action
		call   func(ctx context.Context, r *rig, id, inst string) error
	}{
		"Create": {policy.Create, func(ctx context.Context, r *rig, _, _ string) error {
			_, err := r.Create(ctx, workload.NewWorkload{FQN: policy.FQN{Type: "job", Namespace: "/g", Local: "new"}, Spec: spec("serve")})
			return err
		}},
		"Update": {policy.Update, func(ctx context.Context, r *rig, id, _ string) error {
			_, err := r.Update(ctx, id, func(*workload.Desired) error { return nil })
			return err
		}},
		"Scale":         {policy.Update, func(ctx context.Context, r *rig, id, _ string) error { _, err := r.Scale(ctx, id, 1); return err }},
		"Redeploy":      {policy.Update, func(ctx context.Context, r *rig, id, _ string) error { _, err := r.Redeploy(ctx, id, nil); return err }},
		"StartWorkload": {policy.Start, func(ctx context.Context, r *rig, id, _ string) error { _, err := r.StartWorkload(ctx, id); return err }},
		"StopWorkload":  {policy.Stop, func(ctx context.Context, r *rig, id, _ string) error { _, err := r.StopWorkload(ctx, id); return err }},
		"Delete":        {policy.Delete, func(ctx context.Context, r *rig, id, _ string) error { _, err := r.Delete(ctx, id); return err }},
		"RunOnce": {policy.Start, func(ctx context.Context, r *rig, id, _ string) error {
			_, err := r.RunOnce(ctx, id, workload.Single{})
			return err
		}},
		"StartInstance":   {policy.Start, func(ctx context.Context, r *rig, _, i string) error { _, err := r.StartInstance(ctx, i); return err }},
		"StopInstance":    {policy.Stop, func(ctx context.Context, r *rig, _, i string) error { _, err := r.StopInstance(ctx, i); return err }},
		"RestartInstance": {policy.Start, func(ctx context.Context, r *rig, _, i string) error { _, err := r.RestartInstance(ctx, i); return err }},
		"RedeployInstance": {policy.Update, func(ctx context.Context, r *rig, _, i string) error {
			_, _, err := r.RedeployInstance(ctx, i, nil)
			return err
		}},
		"DeleteInstance": {policy.Update, func(ctx context.Context, r *rig, _, i string) error {
			_, err := r.DeleteInstance(ctx, i, workload.SlotGoes)
			return err
		}},
		"Get":      {policy.Read, func(ctx context.Context, r *rig, id, _ string) error { _, err := r.Get(ctx, id); return err }},
		"BySeq":    {policy.Read, func(ctx context.Context, r *rig, _, _ string) error { _, err := r.BySeq(ctx, 1); return err }},
		"Instance": {policy.Read, func(ctx context.Context, r *rig, _, i string) error { _, _, err := r.Instance(ctx, i); return err }},
		"Result":   {policy.Read, func(ctx context.Context, r *rig, _, i string) error { _, err := r.Result(ctx, i); return err }},
		"Await":    {policy.Read, func(ctx context.Context, r *rig, id, _ string) error { _, err := r.Await(ctx, id, 0); return err }},
		"Logs": {policy.Read, func(ctx context.Context, r *rig, id, _ string) error {
			_, err := r.Logs(ctx, id, workload.LogQuery{})
			return err
		}},
		"Follow": {policy.Read, func(ctx context.Context, r *rig, id, _ string) error { _, err := r.Follow(ctx, id, "", 0); return err }},
		"Stats":  {policy.Read, func(ctx context.Context, r *rig, _, i string) error { _, err := r.Stats(ctx, i); return err }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &asked{deny: tt.action}
				r := &rig{TB: t, st: openStore(t), funcs: funcdriver.New()}
				register(t, r.funcs, "serve", serve)
				r.fleet = fleet.New(r.st, nil, nil)
				var err error
				if r.Service, err = workload.New(r.st, policy.NewGuard(a), r.fleet, []driver.Driver{r.funcs}); err != nil {
					t.Fatal(err)
				}
				if err := errors.Join(r.fleet.RegisterLocal(t.Context(), "127.0.0.1", 1), r.Start(t.Context())); err != nil {
					t.Fatal(err)
				}
				defer r.stop()
				sn := r.create(spec("serve"), 1, workload.Started)
				synctest.Wait()
				before := r.st.LastIndex()
				ctx := policy.WithPrincipal(t.Context(), &policy.Principal{Kind: policy.User, Name: "neo"})
				if err := tt.call(ctx, r, sn.Workload.ID, sn.Instances[0].ID); !errors.Is(err, atoll.Denied) {
					t.Errorf("%v, want denied", err)
				}
				if r.st.LastIndex() != before {
					t.Error("a denied call changed something")
				}
				if !slices.ContainsFunc(a.all, func(q string) bool { return q == fmt.Sprint(tt.action, " ", sn.Workload.FQN) || name == "Create" }) {
					t.Errorf("asked %v", a.all)
				}
				n := 0
				for range r.List(ctx, workload.Filter{}) {
					n++
				}
				if hidden := tt.action == policy.Read; hidden != (n == 0) {
					t.Errorf("the list has %d", n)
				}
			})
		})
	}
}

func TestQuotaSeesWhatIsAboutToBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, workload.WithQuota(func(_ store.Reader, sn *workload.Snapshot) error {
			if sn.Workload.Count > 2 {
				return atoll.Errorf(atoll.Quota, "test", "two are enough")
			}
			return nil
		}))
		defer r.stop()
		id := r.create(spec("serve"), 2, workload.Started).Workload.ID
		if _, err := r.Scale(t.Context(), id, 3); !errors.Is(err, atoll.Quota) {
			t.Errorf("%v, want quota", err)
		}
		if n := r.get(id).Workload.Count; n != 2 {
			t.Errorf("the count is %d", n)
		}
	})
}

func TestTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := openStore(t)
		defer st.Close()
		r := newRigOn(t, st)
		ctx := t.Context()
		d, err := r.Begin(ctx, "manifest.deploy", "job::/x::y")
		if err != nil {
			t.Fatal(err)
		}
		var followed []string
		var done sync.WaitGroup
		done.Go(func() {
			err := r.FollowTask(ctx, d.ID(), time.Time{}, func(e *workload.TaskEvent) error {
				followed = append(followed, fmt.Sprint(e.Type, " ", e.Payload["message"]))
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		for k := range 3 {
			if err := d.Say(ctx, workload.TaskEvent{Thread: "t", Step: workload.TaskStep{Index: k, Total: 3}, Payload: map[string]string{"message": fmt.Sprint("step ", k)}}); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Complete(ctx, "done"); err != nil {
			t.Fatal(err)
		}
		done.Wait()
		want := []string{"started started", "progress step 0", "progress step 1", "progress step 2", "complete done"}
		if diff := cmp.Diff(want, followed); diff != "" {
			t.Errorf("followed (-want +got):\n%s", diff)
		}
		task, events, err := r.Task(ctx, d.ID(), time.Time{})
		if err != nil || task.State != workload.TaskComplete || len(events) != 5 {
			t.Fatalf("%+v, %d events, %v", task, len(events), err)
		}
		for k := range events[1:] {
			if !events[k+1].Time.After(events[k].Time) {
				t.Errorf("event %d is not later", k+1)
			}
		}
		if _, later, _ := r.Task(ctx, d.ID(), events[2].Time); len(later) != 2 || later[0].ID != events[3].ID {
			t.Errorf("%d events are later than the third", len(later))
		}
		if err := d.Say(ctx, workload.TaskEvent{}); !errors.Is(err, atoll.FailedState) {
			t.Errorf("after the end: %v", err)
		}
		open, err := r.Begin(ctx, "manifest.deploy", "job::/x::z")
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Shutdown(ctx); err != nil {
			t.Fatal(err)
		}
		again := newRigOn(t, st)
		defer again.stop()
		if task, _, err := again.Task(ctx, open.ID(), time.Time{}); err != nil || task.State != workload.TaskErrored {
			t.Errorf("a task whose doer is gone: %+v, %v", task, err)
		}
		time.Sleep(time.Second)
		for range 1005 {
			d, err := again.Begin(ctx, "k", "")
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Fail(ctx, errors.New("no")); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := again.Task(ctx, open.ID(), time.Time{}); !errors.Is(err, atoll.NotFound) {
			t.Errorf("the oldest of too many: %v", err)
		}
	})
}

func TestVariablesOfAnInstanceAreSealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		s := spec("serve")
		s.Procs = map[string]driver.Process{"main": {Env: map[string]string{"SECRET": "swordfish"}}}
		id := r.create(s, 1, workload.Started).Workload.ID
		synctest.Wait()
		i := r.get(id).Instances[0]
		text, err := json.Marshal(i)
		if err != nil || strings.Contains(string(text)+fmt.Sprintf("%+v", i), "swordfish") || i.Env["SECRET"].Reveal() != "swordfish" {
			t.Errorf("%s %v", text, err)
		}
	})
}
