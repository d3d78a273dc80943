package view_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/view"
)

func TestInstanceStates(t *testing.T) {
	type words struct {
		Apcera   view.ApceraInstanceState
		CxEngage view.CxEngageState
		Syncano  view.SyncanoStatus
	}
	for name, tt := range map[string]struct {
		i    *workload.Instance
		want words
	}{
		"new":                                {fresh, words{"NEW", "starting", "pending"}},
		"waiting for its turn":               {waitsTurn, words{"NEW", "starting", "pending"}},
		"waiting for room":                   {waitsRoom, words{"NEW", "starting", "pending"}},
		"new and told to stop":               {calledOff, words{"NEW", "stopping", "processing"}},
		"setting up":                         {setup, words{"SETUP", "starting", "processing"}},
		"waiting for links":                  {waiting, words{"STARTING_WAIT", "starting", "processing"}},
		"starting":                           {starting, words{"STARTING", "starting", "processing"}},
		"attaching":                          {attaching, words{"FIRST_RUNNING", "starting", "processing"}},
		"running":                            {running, words{"RUNNING", "running", "processing"}},
		"updating":                           {updating, words{"UPDATING", "running", "processing"}},
		"running and told to stop":           {told, words{"RUNNING", "stopping", "processing"}},
		"running and told to go":             {dying, words{"RUNNING", "stopping", "processing"}},
		"waiting to stop":                    {stopWait, words{"STOPPING_WAIT", "stopping", "processing"}},
		"stopping":                           {stopping, words{"STOPPING", "stopping", "processing"}},
		"stopping at its deadline":           {overdue, words{"STOPPING", "stopping", "processing"}},
		"torn down before a restart":         {again, words{"TEARDOWN", "backoff", "processing"}},
		"torn down before a replacement":     {replaced, words{"TEARDOWN", "stopping", "processing"}},
		"torn down before its removal":       {removed, words{"TEARDOWN", "stopping", "processing"}},
		"torn down and told to stop":         {halted, words{"TEARDOWN", "stopping", "processing"}},
		"torn down for good":                 {torn, words{"TEARDOWN", "failed", "processing"}},
		"waiting for its restart":            {backoff, words{"STARTING_WAIT", "backoff", "processing"}},
		"made and never started":             {idle, words{"STOPPED", "created", "failure"}},
		"failed to start":                    {unborn, words{"STOPPED", "failed", "failure"}},
		"failed":                             {failed, words{"STOPPED", "failed", "failure"}},
		"lost":                               {lost, words{"STOPPED", "failed", "failure"}},
		"ended well":                         {clean, words{"STOPPED", "exited", "success"}},
		"stopped":                            {asked, words{"STOPPED", "stopped", "failure"}},
		"stopped by the end of the platform": {suspended, words{"STOPPED", "stopped", "failure"}},
		"ran too long":                       {timeout, words{"STOPPED", "failed", "timeout"}},
		"waited too long":                    {queue, words{"STOPPED", "failed", "queue_timeout"}},
		"never allowed":                      {blocked, words{"STOPPED", "failed", "blocked"}},
		"ended and told to go":               {doomed, words{"STOPPED", "stopping", "failure"}},
		"gone":                               {retired, words{"STOPPED", "", "failure"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := words{view.ApceraStateOf(tt.i), view.CxEngageProcessState(tt.i), view.SyncanoStatusOf(tt.i)}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestGetApceraInstance(t *testing.T) {
	bound := func(i workload.Instance) *workload.Instance {
		i.Meta = store.Meta{ID: "i", CreatedAt: noon}
		i.SpecVersion, i.Machine, i.Slot = 4, "m1", 2
		i.Ports = []driver.Bound{{Port: driver.Port{Number: 80, Proto: "tcp"}, Outer: 49153}}
		return &i
	}
	killed := bound(*failed)
	killed.Exit.Outcome, killed.Exit.Forced = workload.OutcomeAsked, true
	stuck := bound(*stopping)
	stuck.Exit.Stuck, stuck.Exit.Reason = true, "did not stop"
	base := view.ApceraInstance{UUID: "i", CreatedAt: noon, Version: 4, Machine: "m1", Slot: 2, Ports: map[int]int{80: 49153}}
	for name, tt := range map[string]struct {
		i    *workload.Instance
		want func(*view.ApceraInstance)
	}{
		"one that serves announces its routes": {bound(*running), func(a *view.ApceraInstance) { a.State, a.Announced = "RUNNING", true }},
		"one that waits for room says why":     {bound(*waitsRoom), func(a *view.ApceraInstance) { a.State, a.Reason = "NEW", "no machine: memory" }},
		"one that failed says so":              {bound(*failed), func(a *view.ApceraInstance) { a.State, a.Exited, a.Failed, a.ExitCode = "STOPPED", true, true, 1 }},
		"one that was stopped has not failed":  {bound(*asked), func(a *view.ApceraInstance) { a.State, a.Exited = "STOPPED", true }},
		"one that had to be killed has failed": {killed, func(a *view.ApceraInstance) { a.State, a.Exited, a.Failed, a.ExitCode = "STOPPED", true, true, 1 }},
		"one that ran too long has failed":     {bound(*timeout), func(a *view.ApceraInstance) { a.State, a.Exited, a.Failed, a.ExitCode = "STOPPED", true, true, 137 }},
		"one that was lost has not failed":     {bound(*lost), func(a *view.ApceraInstance) { a.State, a.Exited = "STOPPED", true }},
		"one torn down has exited":             {bound(*torn), func(a *view.ApceraInstance) { a.State, a.Exited, a.Failed, a.ExitCode = "TEARDOWN", true, true, 1 }},
		"one that does not stop says so":       {stuck, func(a *view.ApceraInstance) { a.State, a.Reason = "STOPPING", "did not stop" }},
		"a restarted one has no code while it runs": {func() *workload.Instance {
			i := bound(*running)
			i.Exit = failed.Exit
			return i
		}(), func(a *view.ApceraInstance) { a.State, a.Announced = "RUNNING", true }},
	} {
		t.Run(name, func(t *testing.T) {
			want := base
			tt.want(&want)
			if diff := cmp.Diff(want, view.GetApceraInstance(tt.i, true)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestApceraInstancesAndHealth(t *testing.T) {
	s := whole(running, updating, fresh)
	s.Workload.Count = 4
	for k := range 12 {
		at := noon.Add(time.Duration(k) * time.Minute)
		i := *retired
		i.ID, i.Seq, i.Retired = fmt.Sprint("r", k), uint64(10+k), &at
		s.Instances = append(s.Instances, &i)
	}
	s.Workload.Spec.Recover.Flap = workload.Flap{Min: 1, Share: 0.1, Window: 5 * time.Minute}
	s.Slots[0].Replaces = []time.Time{noon.Add(11 * time.Minute)}
	now := noon.Add(12 * time.Minute)
	var got []string
	for _, i := range view.ApceraInstances(s, now) {
		got = append(got, i.ID)
	}
	// r0 … r1 are beyond the newest ten, r2 is ten minutes old.
	want := []string{"i0", "i1", "i2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("listed (-want +got):\n%s", diff)
	}
	health := view.ApceraHealth{Flapping: true, Score: 0.5, States: map[view.ApceraInstanceState]int{"RUNNING": 1, "UPDATING": 1, "NEW": 1, "STOPPED": 9}}
	if diff := cmp.Diff(health, view.GetApceraHealth(s, now)); diff != "" {
		t.Errorf("health (-want +got):\n%s", diff)
	}
	if view.GetApceraHealth(s, now.Add(5*time.Minute)).Flapping {
		t.Error("flapping does not end when the events are old")
	}
	for name, tt := range map[string]struct {
		edit func(*workload.Workload)
		want float64
	}{
		"a job that is not started":     {func(w *workload.Workload) { w.State = workload.Ready }, 0},
		"a job of which none is wanted": {func(w *workload.Workload) { w.Count = 0 }, 1},
		"extra instances of a rollout":  {func(w *workload.Workload) { w.Count = 1 }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := whole(running, running)
			tt.edit(s.Workload)
			if got := view.GetApceraHealth(s, now).Score; got != tt.want {
				t.Errorf("score %v, want %v", got, tt.want)
			}
		})
	}
}

func TestCxEngageServiceState(t *testing.T) {
	errored := whole(asked)
	errored.Workload.State = workload.Errored
	successor := whole(dying, fresh)
	successor.Instances[1].Slot, successor.Slots = 0, successor.Slots[:1]
	restarting := whole(told)
	restarting.Slots[0].Goal = workload.GoalRun
	spent := whole(clean)
	spent.Instances, spent.Slots[0].Spent = nil, true
	begins := whole(suspended)
	begins.Slots[0].Spent = false
	for name, tt := range map[string]struct {
		s    *workload.Snapshot
		want view.CxEngageState
	}{
		"nothing wanted and nothing alive is stopped":           {whole(asked, asked), "stopped"},
		"no processes at all is stopped":                        {whole(), "stopped"},
		"nothing wanted and one alive is stopping":              {whole(stopping, asked), "stopping"},
		"all running is running":                                {whole(running, updating), "running"},
		"those that are not wanted do not count":                {whole(running, asked), "running"},
		"some running is degraded":                              {whole(running, backoff), "degraded"},
		"none running and one starting is starting":             {whole(starting, failed), "starting"},
		"none running and one in backoff is starting":           {whole(backoff, failed), "starting"},
		"an old one that ends before its successor is starting": {successor, "starting"},
		"one that is being restarted is starting":               {restarting, "starting"},
		"one that goes on after a restart of all is starting":   {begins, "starting"},
		"none running and one failed is failed":                 {whole(failed, clean), "failed"},
		"all ended well is exited":                              {whole(clean, clean), "exited"},
		"ended, and its record is gone, is exited":              {spent, "exited"},
		"given up is failed":                                    {errored, "failed"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := view.CxEngageServiceState(tt.s); got != tt.want {
				t.Errorf("state %q, want %q", got, tt.want)
			}
		})
	}
}

func TestGetCxEngageProcess(t *testing.T) {
	get := func(i *workload.Instance, fn string) view.CxEngageProcess {
		s := whole(i)
		s.Workload.Seq, s.Workload.Spec.Driver = 3, fn
		s.Slots[0].Attempts = 2
		return view.GetCxEngageProcess(s, s.Instances[0])
	}
	panicked := *failed
	panicked.Exit.Code, panicked.StartedAt = 2, noon.Add(-time.Minute)
	signalled := panicked
	signalled.Exit.Code, signalled.Exit.Signal = 137, "SIGKILL"
	held := *stopping
	held.Exit.Stuck, held.Exit.Reason = true, "did not stop"
	rerun := *running
	rerun.Exit, rerun.StartedAt = failed.Exit, noon.Add(time.Minute)
	for name, tt := range map[string]struct {
		i    *workload.Instance
		fn   string
		want view.CxEngageProcess
	}{
		"a panic is 1":                        {&panicked, "func", view.CxEngageProcess{State: "failed", ExitCode: ptr(1), Started: noon.Add(-time.Minute), Ended: noon}},
		"a process has its code":              {&panicked, "exec", view.CxEngageProcess{State: "failed", ExitCode: ptr(2), Started: noon.Add(-time.Minute), Ended: noon}},
		"a signal has no code":                {&signalled, "exec", view.CxEngageProcess{State: "failed", Signal: "SIGKILL", Started: noon.Add(-time.Minute), Ended: noon}},
		"one that was never started has none": {idle, "func", view.CxEngageProcess{State: "created"}},
		"one that will not stop says so":      {&held, "func", view.CxEngageProcess{State: "stopping", Reason: "did not stop"}},
		"one that runs again has not ended":   {&rerun, "func", view.CxEngageProcess{State: "running", ExitCode: ptr(1), Started: noon.Add(time.Minute)}},
	} {
		t.Run(name, func(t *testing.T) {
			tt.want.ID, tt.want.Service, tt.want.Restarts = "PR1", "SV3", 2
			if diff := cmp.Diff(tt.want, get(tt.i, tt.fn)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestCxEngageCounts(t *testing.T) {
	s := whole(running, asked, retired)
	s.Workload.Gen = 2
	s.Instances[0].Gen = 1
	if n := view.CxEngageDesired(s); n != 1 {
		t.Errorf("desired %d, want 1", n)
	}
	if n := len(view.CxEngageProcesses(s)); n != 2 {
		t.Errorf("%d processes, want 2", n)
	}
	if !view.CxEngageRestartRequired(s) {
		t.Error("an older generation runs, and no restart is required")
	}
	s.Instances[0].Gen = 2
	if view.CxEngageRestartRequired(s) {
		t.Error("the newest generation runs, and a restart is required")
	}
}

func TestGetSyncanoTrace(t *testing.T) {
	run := *clean
	run.Slot, run.Num, run.StartedAt = workload.Once, 9, noon.Add(-1500*time.Microsecond)
	if diff := cmp.Diff(view.SyncanoTrace{ID: 9, Status: "success", ExecutedAt: run.StartedAt, Duration: ptr(time.Millisecond)}, view.GetSyncanoTrace(&run)); diff != "" {
		t.Errorf("ended (-want +got):\n%s", diff)
	}
	run.State = workload.StateRunning
	if diff := cmp.Diff(view.SyncanoTrace{ID: 9, Status: "processing", ExecutedAt: run.StartedAt}, view.GetSyncanoTrace(&run)); diff != "" {
		t.Errorf("running (-want +got):\n%s", diff)
	}
	s := whole(fresh, clean, clean)
	for k, i := range s.Instances {
		i.Slot, i.Cause = workload.Once, workload.Cause{Kind: workload.CauseSchedule, ID: []string{"7", "8", "7"}[k]}
	}
	if got := view.SyncanoTraces(s, workload.CauseSchedule, "7"); len(got) != 2 || got[0].ID != "i2" || got[1].ID != "i0" {
		t.Errorf("traces of a schedule: %v", got)
	}
}

func TestWhoSees(t *testing.T) {
	script := view.SyncanoSpec()
	member := func(tenant string) bool { return tenant == "neo" }
	for name, tt := range map[string]struct {
		w                                workload.Workload
		apcera, tutum, cxengage, syncano bool
	}{
		"a workload of the tenant":            {workload.Workload{Tenant: "neo"}, true, true, true, false},
		"a script of the tenant":              {workload.Workload{Tenant: "neo", Spec: workload.Spec{Behave: script.Behave}}, true, false, true, true},
		"one of another tenant":               {workload.Workload{Tenant: "smith"}, true, false, false, false},
		"one of the tenant, in another realm": {workload.Workload{Tenant: "neo", Realm: "IN2"}, true, true, false, false},
		"one of another, in the realm":        {workload.Workload{Tenant: "smith", Realm: "IN1"}, true, false, true, false},
		"one that was deleted":                {workload.Workload{Tenant: "neo", Deleted: &noon}, false, true, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			got := []bool{view.ApceraSees(&tt.w), view.TutumSees("neo")(&tt.w), view.CxEngageSees("IN1", member)(&tt.w), view.SyncanoSees("neo")(&tt.w)}
			if want := []bool{tt.apcera, tt.tutum, tt.cxengage, tt.syncano}; !slices.Equal(got, want) {
				t.Errorf("seen by %v, want %v", got, want)
			}
		})
	}
}

// anySnapshot draws rows that need not make sense.
func anySnapshot(t *rapid.T) *workload.Snapshot {
	home := rapid.SampledFrom(homes).Draw(t, "home")
	s := &workload.Snapshot{
		Workload: &workload.Workload{Meta: store.Meta{ID: "w"}, FQN: rapid.SampledFrom([]string{"job::/t/neo::web", ""}).Draw(t, "fqn"),
			Home: home, Spec: anySpec(t), Count: rapid.IntRange(0, 3).Draw(t, "count"), State: workload.Want(rapid.IntRange(0, 3).Draw(t, "want")), Gen: 2},
		Status: &workload.Status{Op: workload.Op{Kind: workload.OpKind(rapid.IntRange(0, 6).Draw(t, "op")), Seq: uint64(rapid.IntRange(0, 1).Draw(t, "seq"))}},
	}
	if rapid.Bool().Draw(t, "deleted") {
		s.Workload.Deleted = &noon
		if rapid.Bool().Draw(t, "destroyed") {
			s.Status.Destroyed = noon
		}
	}
	for k := range rapid.IntRange(0, 3).Draw(t, "slots") {
		s.Slots = append(s.Slots, &workload.Slot{Index: k, Goal: workload.Goal(rapid.IntRange(0, 1).Draw(t, "slot goal")), Spent: rapid.Bool().Draw(t, "spent")})
	}
	for k := range rapid.IntRange(0, 4).Draw(t, "instances") {
		i := &workload.Instance{
			Meta: store.Meta{ID: fmt.Sprint("i", k)}, Seq: uint64(k + 1), Slot: rapid.IntRange(-1, 2).Draw(t, "slot"), Gen: uint64(rapid.IntRange(1, 2).Draw(t, "gen")),
			Run: rapid.IntRange(0, 1).Draw(t, "run"), Up: rapid.Bool().Draw(t, "up"), Goal: workload.Goal(rapid.IntRange(0, 2).Draw(t, "goal")),
			State: workload.State(rapid.IntRange(0, 11).Draw(t, "state")), Next: workload.Action(rapid.IntRange(0, 3).Draw(t, "next")),
			Wait: workload.Wait{Kind: workload.WaitKind(rapid.IntRange(0, 10).Draw(t, "wait"))}, OpSeq: uint64(rapid.IntRange(0, 1).Draw(t, "op seq")),
			Exit: ended(workload.Outcome(rapid.IntRange(0, 8).Draw(t, "outcome")), rapid.SampledFrom([]int{0, 1, 137}).Draw(t, "code"), rapid.Bool().Draw(t, "ran")),
		}
		if i.State == workload.StateEnded && rapid.Bool().Draw(t, "retired") {
			i.Retired = &noon
		}
		s.Instances = append(s.Instances, i)
	}
	return s
}

func TestViewsAreTotal(t *testing.T) {
	applications := map[view.TutumState]bool{"Starting": true, "Running": true, "Partly running": true, "Scaling": true, "Redeploying": true, "Stopping": true,
		"Stopped": true, "Start failed": true, "Not running": true, "Terminating": true, "Terminated": true}
	containers := map[view.TutumState]bool{"Init": true, "Starting": true, "Running": true, "Stopping": true, "Stopped": true, "Start failed": true,
		"Terminating": true, "Terminated": true}
	services := map[view.CxEngageState]bool{"stopped": true, "stopping": true, "running": true, "degraded": true, "starting": true, "failed": true, "exited": true}
	procs := map[view.CxEngageState]bool{"": true, "created": true, "starting": true, "running": true, "stopping": true, "stopped": true, "exited": true,
		"failed": true, "backoff": true}
	instances := map[view.ApceraInstanceState]bool{"NEW": true, "SETUP": true, "STARTING_WAIT": true, "STARTING": true, "FIRST_RUNNING": true, "RUNNING": true,
		"UPDATING": true, "STOPPING_WAIT": true, "STOPPING": true, "TEARDOWN": true, "STOPPED": true}
	traces := map[view.SyncanoStatus]bool{"pending": true, "processing": true, "success": true, "failure": true, "timeout": true, "queue_timeout": true, "blocked": true}
	rapid.Check(t, func(t *rapid.T) {
		s := anySnapshot(t)
		a := view.GetTutum(s)
		states := map[view.TutumState]int{}
		for _, i := range a.Containers {
			states[view.TutumContainerState(s, i)]++
		}
		if a.Running != states[view.TutumRunning] || a.Stopped != states[view.TutumStopped] {
			t.Fatalf("an application counts %d running and %d stopped of %v", a.Running, a.Stopped, states)
		}
		if !applications[a.State] {
			t.Fatalf("application in state %q", a.State)
		}
		if a.Running+a.Stopped > a.Current || a.Current != len(a.Containers) || a.Current > len(s.Instances) {
			t.Fatalf("counts %d running, %d stopped, %d current", a.Running, a.Stopped, a.Current)
		}
		for op := view.TutumStart; op <= view.TutumTerminate; op++ {
			_ = view.TutumMay(s, op)
		}
		_, _, _, _ = view.GetApcera(s), view.GetCxEngage(s), view.GetSyncano(s), view.GetApceraHealth(s, noon)
		_, _ = view.TutumLists(s, noon), view.CxEngageRestartRequired(s)
		if st := view.CxEngageServiceState(s); !services[st] {
			t.Fatalf("service in state %q", st)
		}
		for _, i := range s.Instances {
			if c := view.GetTutumContainer(s, i); !containers[c.State] {
				t.Fatalf("container in state %q", c.State)
			}
			if p := view.GetCxEngageProcess(s, i); !procs[p.State] {
				t.Fatalf("process in state %q", p.State)
			}
			if x := view.GetApceraInstance(i, true); !instances[x.State] {
				t.Fatalf("instance in state %q", x.State)
			}
			if x := view.GetSyncanoTrace(i); !traces[x.Status] {
				t.Fatalf("trace in status %q", x.Status)
			}
			for op := view.TutumStart; op <= view.TutumTerminate; op++ {
				_ = view.TutumContainerMay(s, i, op)
			}
		}
	})
}

func TestEveryWordIsReached(t *testing.T) {
	cases := []*workload.Instance{retired, idle, fresh, waitsTurn, calledOff, setup, waiting, starting, attaching, running, updating, told, stopWait, stopping,
		dying, again, replaced, removed, torn, backoff, unborn, failed, lost, clean, asked, suspended, timeout, queue, blocked}
	got := map[string]bool{}
	note := func(kind string, words ...any) {
		for _, w := range words {
			got[fmt.Sprint(kind, " ", w)] = true
		}
	}
	for _, i := range cases {
		s := whole(i)
		note("container", view.TutumContainerState(s, s.Instances[0]))
		note("process", view.CxEngageProcessState(i))
		note("instance", view.ApceraStateOf(i))
		note("trace", view.SyncanoStatusOf(i))
		for _, o := range cases {
			s := whole(i, o)
			note("application", view.TutumApplicationState(s))
			note("service", view.CxEngageServiceState(s))
		}
	}
	for _, kind := range []workload.OpKind{workload.OpCreate, workload.OpStop, workload.OpScale, workload.OpRollout} {
		note("application", view.TutumApplicationState(under(whole(running), kind)))
	}
	gone := deleted(whole())
	gone.Status.Destroyed = noon
	note("application", view.TutumApplicationState(whole()), view.TutumApplicationState(deleted(whole(dying))), view.TutumApplicationState(gone))

	want := map[string][]string{
		"application": {"Starting", "Running", "Partly running", "Scaling", "Redeploying", "Stopping", "Stopped", "Start failed", "Not running", "Terminating", "Terminated"},
		"container":   {"Init", "Starting", "Running", "Stopping", "Stopped", "Start failed", "Terminating", "Terminated"},
		"service":     {"stopped", "stopping", "running", "degraded", "starting", "exited", "failed"},
		"process":     {"created", "starting", "running", "stopping", "stopped", "exited", "failed", "backoff"},
		"instance":    {"NEW", "SETUP", "STARTING_WAIT", "STARTING", "FIRST_RUNNING", "RUNNING", "UPDATING", "STOPPING_WAIT", "STOPPING", "TEARDOWN", "STOPPED"},
		"trace":       {"pending", "processing", "success", "failure", "timeout", "queue_timeout", "blocked"},
	}
	for _, kind := range slices.Sorted(maps.Keys(want)) {
		for _, w := range want[kind] {
			if !got[kind+" "+w] {
				t.Errorf("%s is never in state %q", kind, w)
			}
		}
	}
}
