package view_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/view"
)

// seen is what the interfaces say of one workload.
type seen struct {
	Tutum    view.TutumState
	Apcera   workload.Want
	CxEngage view.CxEngageState
	Count    int
}

func seenOf(s *workload.Snapshot) seen {
	return seen{view.TutumApplicationState(s), view.GetApcera(s).State, view.CxEngageServiceState(s), view.GetCxEngage(s).Count}
}

func TestAnApplicationIsPutAsAJob(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ctx := context.Background()
		s := r.settle(r.application("serve", view.TutumCreate{Name: "web", Target: ptr(2)}))
		check := func(what string, s *workload.Snapshot, want seen) {
			t.Helper()
			if diff := cmp.Diff(want, seenOf(s)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
		}
		check("running", s, seen{"Running", workload.Started, "running", 2})

		stale := s.Workload.Version
		s = r.must(r.putJob(s, func(j *view.ApceraJob) { j.Instances = 3 }))
		check("a count that changes elsewhere is a scaling", s, seen{"Scaling", workload.Started, "degraded", 3})
		if s.Workload.Version != stale+1 {
			t.Errorf("version %d after %d", s.Workload.Version, stale)
		}
		if err := view.ApceraIfVersion(stale)(s); atoll.KindOf(err) != atoll.Conflict || atoll.CodeOf(err) != atoll.Stale {
			t.Errorf("an old version: %v", err)
		}
		s = r.must(r.putJob(s, func(j *view.ApceraJob) { j.State = workload.Stopped }))
		check("a stop supersedes what is under way", s, seen{"Stopping", workload.Stopped, "stopping", 3})
		s = r.settle(s)
		check("stopped", s, seen{"Stopped", workload.Stopped, "stopped", 3})
		if _, err := r.putJob(s, func(j *view.ApceraJob) { j.Instances = 101 }); atoll.KindOf(err) != atoll.Invalid {
			t.Errorf("more than applications may have: %v", err)
		}
		s = r.must(r.putJob(s, func(j *view.ApceraJob) { j.State = workload.Started }))
		check("a start", s, seen{"Starting", workload.Started, "starting", 3})
		s = r.settle(s)

		gen := s.Workload.Gen
		s = r.must(r.putJob(s, func(j *view.ApceraJob) {
			j.Labels = map[string]string{"tier": "front"}
			j.Hard = map[string]bool{"unknown": true}
		}))
		check("labels are nothing to an application", r.settle(s), seen{"Running", workload.Started, "running", 3})
		if s.Workload.Gen != gen {
			t.Error("labels open a generation")
		}
		s = r.must(r.putJob(s, func(j *view.ApceraJob) {
			p := j.Processes["main"]
			p.Environment = map[string]string{"MODE": "fast"}
			j.Processes = map[string]view.ApceraProcess{"main": p}
		}))
		if got := view.TutumApplicationState(s); got != view.TutumRedeploying || s.Workload.Gen != gen+1 {
			t.Errorf("variables: %q, generation %d after %d", got, s.Workload.Gen, gen)
		}
		s = r.settle(s)
		if a := view.GetTutum(s); a.State != view.TutumRunning || !cmp.Equal(a.Env, []view.TutumVar{{Key: "MODE", Value: "fast"}}) {
			t.Errorf("redeployed: %+v", a)
		}
		if _, err := r.putJob(s, func(j *view.ApceraJob) { j.Restart.Mode = view.ApceraAlways }); atoll.KindOf(err) != atoll.Conflict {
			t.Errorf("restart: %v", err)
		}
		if _, err := r.putJob(s, func(j *view.ApceraJob) { j.Resources.Memory, j.Resources.CPU = 512<<20, 500 }); atoll.CodeOf(err) != atoll.RequiresRestart {
			t.Errorf("another size while it runs: %v", err)
		}

		for by, put := range asShown {
			s := r.must(r.Get(ctx, s.Workload.ID))
			change, cond := view.Put(func(_ workload.Origin, d *workload.Desired) error { return put(s, d) }).Update()
			if got := r.must(r.Update(ctx, s.Workload.ID, change, cond)); got.Workload.Version != s.Workload.Version || got.Status.Op.Seq != s.Status.Op.Seq {
				t.Errorf("%s: what is read and sent back writes something", by)
			}
		}
		s = r.must(r.Delete(ctx, s.Workload.ID))
		if view.ApceraSees(s.Workload) || !view.TutumSees("neo")(s.Workload) {
			t.Error("a deleted application is gone for jobs and stays for applications")
		}
		if got := view.TutumApplicationState(r.settle(s)); got != view.TutumTerminated {
			t.Errorf("deleted: %q", got)
		}
	})
}

func TestAServiceStopsAJob(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ctx := context.Background()
		s := r.job("serve", func(j *view.ApceraJob) { j.Instances = 2 })
		time.Sleep(time.Second)
		s = r.settle(s)
		if diff := cmp.Diff(seen{"Running", workload.Started, "running", 2}, seenOf(s)); diff != "" {
			t.Errorf("running (-want +got):\n%s", diff)
		}
		version, old := s.Workload.Version, s.Instances
		s = r.must(r.StopWorkload(ctx, s.Workload.ID))
		s = r.settle(r.must(r.Await(ctx, s.Workload.ID, s.Status.Op.Seq)))
		if diff := cmp.Diff(seen{"Stopped", workload.Stopped, "stopped", 2}, seenOf(s)); diff != "" {
			t.Errorf("stopped (-want +got):\n%s", diff)
		}
		if s.Workload.Version != version+1 {
			t.Errorf("version %d after %d", s.Workload.Version, version)
		}
		for _, i := range old {
			if now, _ := s.Instance(i.ID); view.CxEngageProcessState(now) != "" || view.ApceraStateOf(now) != view.ApceraStopped {
				t.Errorf("process %s is there still", view.CxEngageProcessID(i))
			}
		}
		if err := view.TutumMay(s, view.TutumStart); err != nil {
			t.Errorf("an application cannot start it: %v", err)
		}
		s = r.must(r.StartWorkload(ctx, s.Workload.ID, view.TutumIf(view.TutumStart)))
		time.Sleep(time.Second)
		s = r.settle(s)
		if got := view.CxEngageProcesses(s); len(got) != 2 || got[0].Seq <= old[1].Seq {
			t.Errorf("started again: %d processes", len(got))
		}
	})
}

func TestInstancesAreDeletedElsewhere(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ctx := context.Background()
		// A service deletes an instance of a job: the slot goes, and the gap is filled later.
		s := r.job("serve", func(j *view.ApceraJob) { j.Instances = 3 })
		time.Sleep(time.Second)
		s = r.settle(s)
		s = r.settle(r.must(r.DeleteInstance(ctx, s.Instances[1].ID, workload.SlotGoes)))
		if got := seenOf(s); got != (seen{"Running", workload.Started, "running", 2}) {
			t.Errorf("a job without its second instance: %+v", got)
		}
		s = r.must(r.putJob(s, func(j *view.ApceraJob) { j.Instances = 3 }))
		if i := s.Instances[len(s.Instances)-1]; i.Slot != 1 {
			t.Errorf("the gap is filled by slot %d", i.Slot)
		}

		// A job deletes a container: no step answers that, so its slot is spent.
		s = r.settle(r.application("serve", view.TutumCreate{Name: "web", Target: ptr(2), Autoreplace: "ALWAYS"}))
		s = r.settle(r.must(r.DeleteInstance(ctx, s.Instances[0].ID, workload.SlotStays)))
		if a := view.GetTutum(s); a.State != view.TutumPartlyRunning || a.Target != 2 || a.Current != 1 || !s.Slots[0].Spent {
			t.Errorf("an application without its first container: %+v", a)
		}
		s = r.settle(r.must(r.StartWorkload(ctx, s.Workload.ID, view.TutumIf(view.TutumStart))))
		if a := view.GetTutum(s); a.State != view.TutumRunning || a.Running != 2 || view.TutumContainerName(s, a.Containers[0]) != "web-1" {
			t.Errorf("started again: %+v", a)
		}

		// The same of a service.
		s = r.service("serve", func(v *view.CxEngageService) { v.Name, v.Count = "svc", 2 })
		if got := seenOf(s); got != (seen{"Stopped", workload.Ready, "stopped", 2}) {
			t.Errorf("a new service: %+v", got)
		}
		s = r.must(r.StartWorkload(ctx, s.Workload.ID))
		time.Sleep(time.Second)
		s = r.settle(s)
		s = r.settle(r.must(r.DeleteInstance(ctx, s.Instances[0].ID, workload.SlotStays)))
		if got := seenOf(s); got != (seen{"Partly running", workload.Started, "degraded", 2}) {
			t.Errorf("a service without its first process: %+v", got)
		}
	})
}

func TestAJobThatIsGivenUp(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ctx := context.Background()
		s := r.job("fail", func(j *view.ApceraJob) { j.Rollout.ErroredWindow = 20 })
		time.Sleep(10 * time.Second)
		s = r.settle(s)
		if h := view.GetApceraHealth(s, time.Now()); !h.Flapping {
			t.Errorf("after ten seconds of failures: %+v", h)
		}
		time.Sleep(time.Minute)
		s = r.settle(s)
		if got := seenOf(s); got != (seen{"Stopped", workload.Errored, "failed", 1}) {
			t.Errorf("given up: %+v", got)
		}
		if _, err := r.putJob(s, func(j *view.ApceraJob) { j.Labels = map[string]string{"a": "b"} }); err != nil {
			t.Errorf("a job that is sent back as errored: %v", err)
		}
		s = r.must(r.StartWorkload(ctx, s.Workload.ID, view.TutumIf(view.TutumStart)))
		if got := view.GetApcera(s).State; got != workload.Started {
			t.Errorf("an application starts it: %v", got)
		}
		if h := view.GetApceraHealth(s, time.Now()); h.Flapping {
			t.Error("a start does not clear what was counted")
		}
	})
}

func TestAScriptRunsOnRequest(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ctx := context.Background()
		v := view.SyncanoScript{Label: "hi", Runtime: "go_func", Source: "clean", Config: json.RawMessage(`{"timeout": 5}`)}
		n, found := v.New(policy.MustParseFQN("job::/t/neo::script-1"), "neo", runtimes)
		if len(found) > 0 {
			t.Fatal(found)
		}
		s := r.must(r.Create(ctx, n))
		for name, call := range map[string]func() error{
			"a start": func() error { _, err := r.StartWorkload(ctx, s.Workload.ID); return err },
			"a count": func() error {
				_, err := r.putService(s, func(v *view.CxEngageService) { v.Count = 2 })
				return err
			},
			"a state": func() error {
				_, err := r.putJob(s, func(j *view.ApceraJob) { j.State = workload.Started })
				return err
			},
		} {
			err := call()
			if e, ok := errors.AsType[*atoll.Error](err); !ok || e.Kind != atoll.Conflict || e.Msg != "job::/t/neo::script-1 runs on request" {
				t.Errorf("%s: %v", name, err)
			}
		}
		i, err := r.RunOnce(ctx, s.Workload.ID, workload.Single{Cause: workload.Cause{Kind: workload.CauseAPI}})
		if err != nil {
			t.Fatal(err)
		}
		if got := view.GetSyncanoTrace(i); got.Duration != nil || got.ID != 1 {
			t.Errorf("accepted: %+v", got)
		}
		time.Sleep(time.Second)
		s = r.settle(s)
		i = view.SyncanoTraces(s, workload.CauseAPI, "")[0]
		if diff := cmp.Diff(view.SyncanoTrace{ID: 1, Status: view.SyncanoSuccess, ExecutedAt: i.StartedAt, Duration: ptr(time.Millisecond)}, view.GetSyncanoTrace(i)); diff != "" {
			t.Errorf("run (-want +got):\n%s", diff)
		}
		if got := view.CxEngageServiceState(s); got != view.CxEngageStopped {
			t.Errorf("as a service it is %q", got)
		}
	})
}

func TestAServiceIsRenamed(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		s := r.service("serve", nil)
		id := s.Workload.ID
		s = r.must(r.putService(s, func(v *view.CxEngageService) { v.Name = "my web" }))
		if s.Workload.ID != id || s.Workload.FQN != "job::/t/neo::my~20web" || s.Workload.Title != "my web" || view.GetCxEngage(s).Name != "my web" {
			t.Errorf("renamed: %s %q", s.Workload.FQN, s.Workload.Title)
		}
		if _, err := r.Resolve(context.Background(), policy.MustParseFQN("job::/t/neo::serve")); atoll.KindOf(err) != atoll.NotFound {
			t.Errorf("its old name: %v", err)
		}
		other := r.service("serve", nil)
		if _, err := r.putService(other, func(v *view.CxEngageService) { v.Name = "my web" }); atoll.CodeOf(err) != atoll.Exists {
			t.Errorf("a name that is taken: %v", err)
		}
	})
}

func TestSettingsOfAServiceWaitForTheNextStart(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ctx := context.Background()
		s := r.service("serve", nil)
		s = r.must(r.StartWorkload(ctx, s.Workload.ID))
		s = r.must(r.Await(ctx, s.Workload.ID, s.Status.Op.Seq))
		s = r.must(r.putService(s, func(v *view.CxEngageService) { v.Command = []string{"later"} }))
		if !view.CxEngageRestartRequired(s) || view.CxEngageServiceState(r.settle(s)) != view.CxEngageRunning {
			t.Error("a change is taken up at once")
		}
		s = r.must(r.StopWorkload(ctx, s.Workload.ID))
		s = r.must(r.Await(ctx, s.Workload.ID, s.Status.Op.Seq))
		s = r.must(r.StartWorkload(ctx, s.Workload.ID))
		s = r.must(r.Await(ctx, s.Workload.ID, s.Status.Op.Seq))
		if view.CxEngageRestartRequired(s) {
			t.Error("a start does not take the change up")
		}
		time.Sleep(2 * time.Minute)
		if got := view.CxEngageServiceState(r.settle(s)); got != view.CxEngageFailed {
			t.Errorf("the new function ends after a minute, and the service is %q", got)
		}
	})
}
