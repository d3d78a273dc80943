package view_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/view"
)

// moment is what the timeline of an application shows at one moment.
type moment struct {
	State                     view.TutumState
	Containers                []view.TutumState
	Running, Current, Target  int
	Deployed, Started         bool
	StoppedAt, DestroyedAt    bool
	ExitCodes                 int
	StoppedWithErrors, Listed bool
}

func momentOf(s *workload.Snapshot) moment {
	a := view.GetTutum(s)
	m := moment{
		State: a.State, Running: a.Running, Current: a.Current, Target: a.Target,
		Deployed: !a.DeployedAt.IsZero(), Started: !a.StartedAt.IsZero(), StoppedAt: !a.StoppedAt.IsZero(), DestroyedAt: !a.DestroyedAt.IsZero(),
		StoppedWithErrors: a.StoppedWithErrors, Listed: view.TutumLists(s, time.Now()),
	}
	for _, i := range view.TutumContainers(s) {
		c := view.GetTutumContainer(s, i)
		m.Containers = append(m.Containers, c.State)
		if c.ExitCode != nil {
			m.ExitCodes++
		}
	}
	return m
}

func TestTheTimelineOfAnApplication(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ctx := context.Background()
		check := func(what string, s *workload.Snapshot, want moment) {
			t.Helper()
			if diff := cmp.Diff(want, momentOf(s)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
		}
		s := r.application("serve", view.TutumCreate{Name: "web", Target: ptr(2)})
		check("a creation is accepted", s, moment{
			State: "Starting", Containers: []view.TutumState{"Starting", "Starting"}, Current: 2, Target: 2, Listed: true})
		s = r.settle(s)
		up := moment{State: "Running", Containers: []view.TutumState{"Running", "Running"}, Running: 2, Current: 2, Target: 2,
			Deployed: true, Started: true, Listed: true}
		check("both are up", s, up)
		if a := view.GetTutum(s); !a.DeployedAt.Equal(a.StartedAt) {
			t.Errorf("deployed %v, started %v", a.DeployedAt, a.StartedAt)
		}
		s = r.must(r.StopWorkload(ctx, s.Workload.ID, view.TutumIf(view.TutumStop)))
		check("a stop is accepted", s, moment{State: "Stopping", Containers: []view.TutumState{"Stopping", "Stopping"}, Current: 2, Target: 2,
			Deployed: true, Started: true, Listed: true})
		s = r.settle(s)
		down := moment{State: "Stopped", Containers: []view.TutumState{"Stopped", "Stopped"}, Current: 2, Target: 2,
			Deployed: true, Started: true, StoppedAt: true, ExitCodes: 2, Listed: true}
		check("both have ended", s, down)
		if _, err := r.StopWorkload(ctx, s.Workload.ID, view.TutumIf(view.TutumStop)); atoll.KindOf(err) != atoll.Conflict {
			t.Errorf("a second stop: %v", err)
		}
		s = r.must(r.StartWorkload(ctx, s.Workload.ID, view.TutumIf(view.TutumStart)))
		if got := view.TutumApplicationState(s); got != view.TutumStarting {
			t.Errorf("a start is accepted: %q", got)
		}
		s = r.settle(s)
		up.StoppedAt, up.ExitCodes = true, 2
		check("both are up again", s, up)

		s = r.must(r.patch(s, view.TutumPatch{Target: ptr(3)}))
		check("a scale up is accepted", s, moment{State: "Scaling", Containers: []view.TutumState{"Running", "Running", "Starting"}, Running: 2,
			Current: 3, Target: 3, Deployed: true, Started: true, StoppedAt: true, ExitCodes: 2, Listed: true})
		s = r.settle(s)
		s = r.must(r.patch(s, view.TutumPatch{Target: ptr(2)}))
		check("a scale down is accepted", s, moment{State: "Scaling", Containers: []view.TutumState{"Running", "Running", "Terminating"}, Running: 2,
			Current: 3, Target: 2, Deployed: true, Started: true, StoppedAt: true, ExitCodes: 2, Listed: true})
		s = r.settle(s)
		s = r.must(r.patch(s, view.TutumPatch{Target: ptr(3)}))
		if got := view.GetTutum(r.settle(s)).Containers[2]; view.TutumContainerName(s, got) != "web-4" {
			t.Errorf("the number of a container that is gone comes back: %s", view.TutumContainerName(s, got))
		}

		s = r.must(r.Redeploy(ctx, s.Workload.ID, nil, view.TutumIf(view.TutumRedeploy)))
		if a := view.GetTutum(s); a.State != view.TutumRedeploying || a.Current != 3 || a.Running != 0 {
			t.Errorf("a redeploy is accepted: %q, %d current, %d running", a.State, a.Current, a.Running)
		}
		s = r.settle(s)
		if a := view.GetTutum(s); a.State != view.TutumRunning || a.Current != 3 || view.TutumContainerName(s, a.Containers[2]) != "web-4" {
			t.Errorf("redeployed: %+v", a)
		}

		s = r.must(r.Delete(ctx, s.Workload.ID, view.TutumIf(view.TutumTerminate)))
		if a := view.GetTutum(s); a.State != view.TutumTerminating || !a.DestroyedAt.IsZero() || a.Target != 3 || a.Current != 3 {
			t.Errorf("a termination is accepted: %+v", a)
		}
		s = r.settle(s)
		if a := view.GetTutum(s); a.State != view.TutumTerminated || a.DestroyedAt.IsZero() || a.Target != 3 || a.Current != 0 {
			t.Errorf("terminated: %+v", a)
		}
		if !view.TutumLists(s, time.Now()) || view.TutumLists(s, time.Now().Add(5*time.Minute)) {
			t.Error("what is terminated is listed for five minutes")
		}
		time.Sleep(59 * time.Minute)
		if _, err := r.Get(ctx, s.Workload.ID); err != nil {
			t.Errorf("59 minutes later: %v", err)
		}
		time.Sleep(2 * time.Minute)
		if _, err := r.Get(ctx, s.Workload.ID); atoll.KindOf(err) != atoll.NotFound {
			t.Errorf("61 minutes later: %v", err)
		}
	})
}

func TestSequentialDeploymentWaitsInInit(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		s := r.application("fail", view.TutumCreate{Target: ptr(2), Sequential: true, Repository: "demo/fail"})
		want := []view.TutumState{"Starting", "Init"}
		if diff := cmp.Diff(want, momentOf(s).Containers); diff != "" {
			t.Errorf("at acceptance (-want +got):\n%s", diff)
		}
		time.Sleep(time.Second)
		s = r.settle(s)
		if got := momentOf(s); got.State != view.TutumStopped || !got.StoppedWithErrors || got.ExitCodes != 2 {
			t.Errorf("the first ran and failed, so the next had its turn: %+v", got)
		}
	})
}

func TestRecoveryAsAnApplicationShowsIt(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		s := r.application("fail", view.TutumCreate{Name: "web", Autorestart: "ON_FAILURE"})
		time.Sleep(500 * time.Millisecond)
		s = r.settle(s)
		if got := view.TutumApplicationState(s); got != view.TutumStarting {
			t.Errorf("between two restarts: %q", got)
		}
		if err := view.TutumMay(s, view.TutumStop); err != nil {
			t.Errorf("one that crashes again and again cannot be stopped: %v", err)
		}
		time.Sleep(4 * time.Second)
		s = r.settle(s)
		c := view.GetTutumContainer(s, s.Instances[0])
		if c.State != view.TutumStopped || *c.ExitCode != 1 || *c.ExitCodeMsg != "Exit code 1 (Error)" || !c.StoppedWithErrors {
			t.Errorf("after three restarts: %+v", c)
		}
	})
}

func TestTimesOfOperationsThatLeaveSomethingRunning(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ctx := context.Background()
		s := r.settle(r.application("serve", view.TutumCreate{Name: "web", Target: ptr(2), Sequential: true}))
		began := view.GetTutum(s)

		time.Sleep(time.Hour)
		s = r.settle(r.must(r.StopInstance(ctx, s.Instances[0].ID, view.TutumContainerIf(s.Instances[0].ID, view.TutumStop))))
		if a := view.GetTutum(s); a.State != view.TutumPartlyRunning || a.StartedAt != began.StartedAt || !a.StoppedAt.IsZero() {
			t.Errorf("one container is stopped: %+v", a)
		}
		s = r.settle(r.must(r.StartWorkload(ctx, s.Workload.ID, view.TutumIf(view.TutumStart))))
		again := view.GetTutum(s)
		if again.State != view.TutumRunning || again.StartedAt != began.StartedAt.Add(time.Hour) || again.DeployedAt != began.DeployedAt {
			t.Errorf("the rest is started: %+v", again)
		}

		time.Sleep(time.Hour)
		s = r.settle(r.must(r.Redeploy(ctx, s.Workload.ID, nil, view.TutumIf(view.TutumRedeploy))))
		if a := view.GetTutum(s); a.State != view.TutumRunning || a.DeployedAt != began.DeployedAt.Add(2*time.Hour) {
			t.Errorf("all are redeployed, one after the other: %+v", a)
		}
	})
}

func TestAContainerThatEndsAtOnceHasRun(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		s := r.settle(r.application("instant", view.TutumCreate{Name: "web"}))
		c := view.GetTutumContainer(s, s.Instances[0])
		if c.State != view.TutumStopped || *c.ExitCode != 1 || c.DeployedAt.IsZero() || c.StartedAt.IsZero() {
			t.Errorf("%+v", c)
		}
	})
}

func TestAutodestroyLeavesNothingRunning(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		s := r.application("clean", view.TutumCreate{Name: "web", Autodestroy: "ALWAYS"})
		time.Sleep(time.Second)
		s = r.settle(s)
		a := view.GetTutum(s)
		if a.State != view.TutumNotRunning || a.Target != 0 || a.Current != 0 {
			t.Errorf("%+v", a)
		}
		s = r.must(r.patch(s, view.TutumPatch{Target: ptr(1), Autodestroy: ptr("OFF")}))
		time.Sleep(time.Second)
		s = r.settle(s)
		if a := view.GetTutum(s); a.State != view.TutumStopped || a.Target != 1 || view.TutumContainerName(s, a.Containers[0]) != "web-2" {
			t.Errorf("scaled up again: %+v", a)
		}
	})
}

func TestGetTutum(t *testing.T) {
	s := whole(running, failed, dying)
	s.Workload.Title, s.Workload.FQN = "my web", "job::/t/neo::web-1a2b3c4d"
	s.Workload.Tenant, s.Workload.Home = "neo", workload.Tutum
	s.Workload.Count = 2
	spec := &s.Workload.Spec
	*spec = view.TutumSpec(view.TutumSettings{})
	spec.Image = "reg.example.com:5000/team/web:v2"
	spec.Recover = view.TutumRecovery("ON_FAILURE", "OFF", "ALWAYS")
	spec.Ports = []driver.Port{{Number: 80, Proto: "tcp"}, {Number: 53, Proto: "udp"}}
	spec.Defaults = map[string]string{"LANG": "C", "MODE": "slow"}
	spec.Procs = map[string]driver.Process{"main": {Entrypoint: "/run.sh", Command: `--title "a b"`, Argv: []string{"/run.sh", "--title", "a b"},
		Env: map[string]string{"MODE": "fast", "A": "1"}}}
	s.Status = &workload.Status{Workload: "w", Deployed: noon, Started: noon.Add(time.Minute), Stopped: noon.Add(-time.Minute)}
	i := s.Instances[0]
	i.FirstRunningAt, i.RunningAt = noon, noon.Add(time.Minute)
	i.Exit = workload.Exit{Exit: driver.Exit{Code: 143, At: noon.Add(30 * time.Second)}, Outcome: workload.OutcomeAsked, Ran: true}
	i.Ports = []driver.Bound{{Port: driver.Port{Number: 80, Proto: "tcp"}, Outer: 49153}, {Port: driver.Port{Number: 53, Proto: "udp"}, Outer: 49154}}
	i.Env = map[string]store.Sealed{"MODE": "fast", "A": "1", "LANG": "C", "PORT": "49153", "TUTUM_PORT_80_TCP": "49153", "TUTUM_AUTH": "ApiKey neo:x",
		"DB_1_PORT": "tcp://127.0.0.1:49155", "DB_TUTUM_API_URL": "/api/v1/application/x/"}

	want := view.TutumApplication{
		UUID: "w", Name: "my web", UniqueName: "web-1a2b3c4d",
		ImageName: "reg.example.com:5000/team/web:v2", ImageRepository: "reg.example.com:5000/team/web", ImageTag: "v2",
		State: "Partly running", Target: 2, Current: 3, Running: 1, Stopped: 1,
		Size: "XS", Entrypoint: "/run.sh", RunCommand: `--title "a b"`,
		Ports:       []view.TutumPort{{Inner: 80, Protocol: "tcp"}, {Inner: 53, Protocol: "udp"}},
		Autorestart: "ON_FAILURE", Autoreplace: "OFF", Autodestroy: "ALWAYS",
		DeployedAt: noon, StartedAt: noon.Add(time.Minute), StoppedAt: noon.Add(-time.Minute),
		Containers: s.Instances, Env: []view.TutumVar{{"A", "1"}, {"MODE", "fast"}},
	}
	if diff := cmp.Diff(want, view.GetTutum(s)); diff != "" {
		t.Errorf("application (-want +got):\n%s", diff)
	}
	wantContainer := view.TutumContainer{
		UUID: "i0", Application: "w", Name: "my web", UniqueName: "web-1a2b3c4d-1", Index: 1,
		State: "Running", ExitCode: ptr(143), ExitCodeMsg: ptr("Exit code 143 (Signal 15)"),
		ImageName: "reg.example.com:5000/team/web:v2", ImageRepository: "reg.example.com:5000/team/web", ImageTag: "v2",
		Size: "XS", Entrypoint: "/run.sh", RunCommand: `--title "a b"`,
		Ports:       []view.TutumPort{{Inner: 80, Outer: ptr(49153), Protocol: "tcp"}, {Inner: 53, Outer: ptr(49154), Protocol: "udp"}},
		Autorestart: "ON_FAILURE", Autoreplace: "OFF", Autodestroy: "ALWAYS",
		DeployedAt: noon, StartedAt: noon.Add(time.Minute), StoppedAt: noon.Add(30 * time.Second),
		Env: []view.TutumVar{{"A", "1"}, {"DB_1_PORT", "tcp://127.0.0.1:49155"}, {"DB_TUTUM_API_URL", "/api/v1/application/x/"}, {"MODE", "fast"}},
	}
	if diff := cmp.Diff(wantContainer, view.GetTutumContainer(s, i)); diff != "" {
		t.Errorf("container (-want +got):\n%s", diff)
	}

	i.Retired = &noon
	c := view.GetTutumContainer(s, i)
	if c.State != view.TutumTerminated || !c.DestroyedAt.Equal(noon) || c.Ports[0].Outer != nil {
		t.Errorf("a terminated container: %+v", c)
	}
}

func TestTutumContainerExits(t *testing.T) {
	young := func(i workload.Instance, reason string) *workload.Instance {
		i.Exit.Reason = reason
		return &i
	}
	stoppedYoung := &workload.Instance{State: workload.StateEnded, Run: 1, Exit: ended(workload.OutcomeAsked, 0, false)}
	for name, tt := range map[string]struct {
		i    *workload.Instance
		code *int
		msg  *string
	}{
		"one that has never run has no exit":                {idle, nil, nil},
		"one that runs for the first time has none":         {running, nil, nil},
		"one that was called off before it began has none":  {stoppedYoung, nil, nil},
		"a good end is a success":                           {clean, ptr(0), ptr("Exit code 0 (Success)")},
		"a bad end is an error":                             {failed, ptr(1), ptr("Exit code 1 (Error)")},
		"a signal has its number":                           {timeout, ptr(137), ptr("Exit code 137 (Signal 9)")},
		"a command that is not there says so":               {unborn, ptr(127), ptr("Exit code 127 (Not found)")},
		"a start that failed says why":                      {young(*unborn, "no free port"), ptr(127), ptr("no free port")},
		"one that was lost has no code":                     {lost, nil, nil},
		"one that was lost before it ran says so":           {young(*lostYoung, "the machine is gone"), nil, ptr("the machine is gone")},
		"one that could not be executed has a code of that": {over(workload.OutcomeFailed, 126, true), ptr(126), ptr("Exit code 126 (Not executable)")},
	} {
		t.Run(name, func(t *testing.T) {
			s := whole(tt.i)
			c := view.GetTutumContainer(s, s.Instances[0])
			if diff := cmp.Diff(tt.code, c.ExitCode); diff != "" {
				t.Errorf("code (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.msg, c.ExitCodeMsg); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTutumSize(t *testing.T) {
	for _, size := range []string{"XS", "S", "M", "L", "XL"} {
		r, ok := view.TutumResources(size)
		if !ok || view.TutumSize(r) != size {
			t.Errorf("%s is %+v, which is %s", size, r, view.TutumSize(r))
		}
	}
	for want, r := range map[string]fleet.Resources{
		"XS": {}, "S": {Memory: 256<<20 + 1}, "M": {CPU: 501}, "L": {Memory: 1 << 30, CPU: 2000}, "XL": {Memory: 1 << 40},
	} {
		if got := view.TutumSize(r); got != want {
			t.Errorf("the smallest size that covers %+v is %s, want %s", r, got, want)
		}
	}
	if _, ok := view.TutumResources("xs"); ok {
		t.Error("sizes are case-sensitive")
	}
}

func TestTutumTime(t *testing.T) {
	at := time.Date(2014, 4, 6, 19, 59, 42, 999, time.FixedZone("", 7200))
	if got := view.TutumTime(at); got != "Sun, 6 Apr 2014 17:59:42 +0000" {
		t.Errorf("%s", got)
	}
}

func TestTutumSees(t *testing.T) {
	sees := view.TutumSees("neo")
	for name, tt := range map[string]struct {
		w    workload.Workload
		want bool
	}{
		"the tenant's own":         {workload.Workload{Tenant: "neo"}, true},
		"those of others not":      {workload.Workload{Tenant: "trinity"}, false},
		"those run on request not": {workload.Workload{Tenant: "neo", Spec: view.SyncanoSpec()}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := sees(&tt.w); got != tt.want {
				t.Errorf("seen: %v", got)
			}
		})
	}
}
