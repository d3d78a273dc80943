package view_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/view"
)

var noon = time.Date(2014, 4, 6, 12, 0, 0, 0, time.UTC)

// Instances in each of the situations that interfaces have words for.
var (
	retired   = &workload.Instance{State: workload.StateEnded, Retired: &noon, Exit: workload.Exit{Outcome: workload.OutcomeAsked}}
	idle      = &workload.Instance{State: workload.StateEnded}
	fresh     = &workload.Instance{State: workload.StateNew}
	waitsTurn = &workload.Instance{State: workload.StateNew, Wait: workload.Wait{Kind: workload.WaitTurn}}
	waitsPred = &workload.Instance{State: workload.StateNew, Wait: workload.Wait{Kind: workload.WaitPredecessor}}
	waitsRoom = &workload.Instance{State: workload.StateNew, Wait: workload.Wait{Kind: workload.WaitCapacity, On: "no machine: memory"}}
	calledOff = &workload.Instance{State: workload.StateNew, Goal: workload.GoalStop}
	setup     = &workload.Instance{State: workload.StateSetup, Run: 1}
	waiting   = &workload.Instance{State: workload.StateWaiting, Run: 1}
	starting  = &workload.Instance{State: workload.StateStarting, Run: 1}
	attaching = &workload.Instance{State: workload.StateAttaching, Run: 1}
	running   = &workload.Instance{State: workload.StateRunning, Run: 1, Up: true}
	updating  = &workload.Instance{State: workload.StateUpdating, Run: 1, Up: true}
	told      = &workload.Instance{State: workload.StateRunning, Run: 1, Up: true, Goal: workload.GoalStop}
	stopWait  = &workload.Instance{State: workload.StateStopWait, Run: 1, Goal: workload.GoalStop}
	stopping  = &workload.Instance{State: workload.StateStopping, Run: 1, Goal: workload.GoalStop}
	overdue   = &workload.Instance{State: workload.StateStopping, Run: 1, Wait: workload.Wait{Kind: workload.WaitLimit}}
	dying     = &workload.Instance{State: workload.StateRunning, Run: 1, Up: true, Goal: workload.GoalDestroy}
	doomed    = &workload.Instance{State: workload.StateEnded, Run: 1, Goal: workload.GoalDestroy, Exit: workload.Exit{Outcome: workload.OutcomeAsked}}
	again     = &workload.Instance{State: workload.StateTeardown, Run: 1, Next: workload.ActionRestart, Exit: ended(workload.OutcomeFailed, 1, true)}
	replaced  = &workload.Instance{State: workload.StateTeardown, Run: 1, Next: workload.ActionReplace, Exit: ended(workload.OutcomeFailed, 1, true)}
	removed   = &workload.Instance{State: workload.StateTeardown, Run: 1, Next: workload.ActionRemove, Exit: ended(workload.OutcomeClean, 0, true)}
	halted    = &workload.Instance{State: workload.StateTeardown, Run: 1, Next: workload.ActionRestart, Goal: workload.GoalStop, Exit: ended(workload.OutcomeFailed, 1, true)}
	torn      = &workload.Instance{State: workload.StateTeardown, Run: 1, Exit: ended(workload.OutcomeFailed, 1, true)}
	backoff   = &workload.Instance{State: workload.StateBackoff, Run: 1, Exit: ended(workload.OutcomeFailed, 1, true)}
	unborn    = over(workload.OutcomeFailed, 127, false)
	lostYoung = over(workload.OutcomeLost, 0, false)
	failed    = over(workload.OutcomeFailed, 1, true)
	lost      = over(workload.OutcomeLost, 0, true)
	clean     = over(workload.OutcomeClean, 0, true)
	asked     = over(workload.OutcomeAsked, 0, true)
	suspended = over(workload.OutcomeSuspended, 0, true)
	timeout   = over(workload.OutcomeTimeout, 137, true)
	queue     = over(workload.OutcomeQueueTimeout, 1, false)
	blocked   = over(workload.OutcomeBlocked, 1, false)
)

func ended(o workload.Outcome, code int, ran bool) workload.Exit {
	return workload.Exit{Exit: driver.Exit{Code: code, At: noon}, Outcome: o, Ran: ran}
}

func over(o workload.Outcome, code int, ran bool) *workload.Instance {
	return &workload.Instance{State: workload.StateEnded, Run: 1, Exit: ended(o, code, ran)}
}

// whole is a started workload with these instances, one in each slot. Those that
// have failed for good leave their slots spent; those told to stop, stopped.
func whole(is ...*workload.Instance) *workload.Snapshot {
	s := &workload.Snapshot{
		Workload: &workload.Workload{Meta: store.Meta{ID: "w"}, FQN: "job::/t/neo::web", Count: len(is), State: workload.Started, Gen: 1},
		Status:   &workload.Status{Workload: "w"},
	}
	for k, i := range is {
		c := *i
		c.ID, c.Seq, c.Slot, c.Workload = fmt.Sprint("i", k), uint64(k+1), k, "w"
		s.Instances = append(s.Instances, &c)
		sl := &workload.Slot{Workload: "w", Index: k}
		switch {
		case c.Goal == workload.GoalStop, c.Exit.Outcome == workload.OutcomeAsked:
			sl.Goal = workload.GoalStop
		case c.State == workload.StateEnded && c.Run > 0:
			sl.Spent = true
		}
		s.Slots = append(s.Slots, sl)
	}
	return s
}

// under puts an operation under way.
func under(s *workload.Snapshot, kind workload.OpKind) *workload.Snapshot {
	s.Status.Op = workload.Op{Kind: kind, Seq: 7}
	for _, i := range s.Instances {
		i.OpSeq = 7
	}
	return s
}

func deleted(s *workload.Snapshot) *workload.Snapshot {
	s.Workload.Deleted = &noon
	return s
}

func TestTutumContainerState(t *testing.T) {
	for name, tt := range map[string]struct {
		i    *workload.Instance
		want view.TutumState
	}{
		"a new one is starting":                               {fresh, view.TutumStarting},
		"one that waits for its turn is in Init":              {waitsTurn, view.TutumInit},
		"one that waits for its predecessor is in Init":       {waitsPred, view.TutumInit},
		"one that waits for room is starting":                 {waitsRoom, view.TutumStarting},
		"a start that is called off is stopping":              {calledOff, view.TutumStopping},
		"setting up is starting":                              {setup, view.TutumStarting},
		"waiting for links is starting":                       {waiting, view.TutumStarting},
		"starting is starting":                                {starting, view.TutumStarting},
		"attaching is starting":                               {attaching, view.TutumStarting},
		"running is running":                                  {running, view.TutumRunning},
		"updating is running":                                 {updating, view.TutumRunning},
		"one told to stop is stopping at once":                {told, view.TutumStopping},
		"waiting to stop is stopping":                         {stopWait, view.TutumStopping},
		"stopping is stopping":                                {stopping, view.TutumStopping},
		"running into its deadline is stopping":               {overdue, view.TutumStopping},
		"one told to go is terminating at once":               {dying, view.TutumTerminating},
		"a stopped one told to go is terminating":             {doomed, view.TutumTerminating},
		"one that is restarted is starting":                   {again, view.TutumStarting},
		"one that waits for its restart is starting":          {backoff, view.TutumStarting},
		"one that is replaced is terminating":                 {replaced, view.TutumTerminating},
		"one that is removed by recovery is terminating":      {removed, view.TutumTerminating},
		"one that is stopped before its restart is stopping":  {halted, view.TutumStopping},
		"one that is torn down for good is stopped":           {torn, view.TutumStopped},
		"one that never came up has failed to start":          {unborn, view.TutumStartFailed},
		"one lost before it came up has failed to start":      {lostYoung, view.TutumStartFailed},
		"one that failed after it ran is stopped":             {failed, view.TutumStopped},
		"one that was lost is stopped":                        {lost, view.TutumStopped},
		"one that ended well is stopped":                      {clean, view.TutumStopped},
		"one that was stopped is stopped":                     {asked, view.TutumStopped},
		"one that the end of the platform stopped is stopped": {suspended, view.TutumStopped},
		"one that ran too long is stopped":                    {timeout, view.TutumStopped},
		"one that waited too long is stopped":                 {queue, view.TutumStopped},
		"one that was blocked is stopped":                     {blocked, view.TutumStopped},
		"one that was made and never started is stopped":      {idle, view.TutumStopped},
		"one that has left its slot for good is terminated":   {retired, view.TutumTerminated},
	} {
		t.Run(name, func(t *testing.T) {
			s := whole(tt.i)
			if got := view.TutumContainerState(s, s.Instances[0]); got != tt.want {
				t.Errorf("state %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTutumContainersWaitFromTheMomentOfAcceptance(t *testing.T) {
	s := under(whole(fresh, fresh), workload.OpCreate)
	s.Workload.Spec.Rollout.Sequential = true
	if got := view.TutumContainerState(s, s.Instances[0]); got != view.TutumStarting {
		t.Errorf("the first of a sequence is %q", got)
	}
	if got := view.TutumContainerState(s, s.Instances[1]); got != view.TutumInit {
		t.Errorf("the second of a sequence is %q", got)
	}
	s = whole(dying, fresh)
	s.Instances[1].Slot = 0
	if got := view.TutumContainerState(s, s.Instances[1]); got != view.TutumInit {
		t.Errorf("a successor whose predecessor has not ended is %q", got)
	}
}

func TestTutumApplicationState(t *testing.T) {
	gone := deleted(whole())
	gone.Status.Destroyed = noon
	empty := whole()
	stoppedElsewhere := whole()
	stoppedElsewhere.Workload.Count, stoppedElsewhere.Workload.State = 3, workload.Stopped
	half := whole(running, retired)
	half.Slots[1].Spent = true
	for name, tt := range map[string]struct {
		s    *workload.Snapshot
		want view.TutumState
	}{
		"deleted with something left is terminating":             {deleted(whole(dying)), view.TutumTerminating},
		"deleted with nothing left is terminating until noticed": {deleted(whole()), view.TutumTerminating},
		"deleted and noticed is terminated":                      {gone, view.TutumTerminated},
		"a creation is starting, though one runs":                {under(whole(running, fresh), workload.OpCreate), view.TutumStarting},
		"a start is starting":                                    {under(whole(fresh), workload.OpStart), view.TutumStarting},
		"a stop is stopping":                                     {under(whole(told, running), workload.OpStop), view.TutumStopping},
		"a change of the target is scaling":                      {under(whole(running, dying), workload.OpScale), view.TutumScaling},
		"a replacement of all is redeploying":                    {under(whole(running), workload.OpRollout), view.TutumRedeploying},
		"no containers and none wanted is not running":           {empty, view.TutumNotRunning},
		"what is stopped and has no records is stopped":          {stoppedElsewhere, view.TutumStopped},
		"all running is running":                                 {whole(running, updating), view.TutumRunning},
		"ending ones do not count":                               {whole(running, dying), view.TutumRunning},
		"one of two running is partly running":                   {whole(running, failed), view.TutumPartlyRunning},
		"one of two that left no record is partly running":       {half, view.TutumPartlyRunning},
		"one in recovery is starting":                            {whole(backoff, failed), view.TutumStarting},
		"one in Init is starting":                                {whole(waitsTurn, failed), view.TutumStarting},
		"only one that is being replaced is starting":            {whole(replaced), view.TutumStarting},
		"one told to stop by itself is stopping":                 {whole(stopping, asked), view.TutumStopping},
		"none running and one stopped is stopped":                {whole(clean, unborn), view.TutumStopped},
		"all failed to start is start failed":                    {whole(unborn, unborn), view.TutumStartFailed},
	} {
		t.Run(name, func(t *testing.T) {
			if got := view.TutumApplicationState(tt.s); got != tt.want {
				t.Errorf("state %q, want %q", got, tt.want)
			}
		})
	}
}

// The table of operations of an application: start, stop, scale, change,
// redeploy, terminate.
func TestTutumMay(t *testing.T) {
	gone := deleted(whole())
	gone.Status.Destroyed = noon
	for name, tt := range map[string]struct {
		s     *workload.Snapshot
		state view.TutumState
		may   string
	}{
		"Starting":                    {under(whole(fresh), workload.OpCreate), view.TutumStarting, "------"},
		"Running":                     {whole(running), view.TutumRunning, "-yyyyy"},
		"Partly running":              {whole(running, failed), view.TutumPartlyRunning, "yyyyyy"},
		"Scaling":                     {under(whole(running), workload.OpScale), view.TutumScaling, "------"},
		"Redeploying":                 {under(whole(running), workload.OpRollout), view.TutumRedeploying, "------"},
		"Stopping":                    {under(whole(told), workload.OpStop), view.TutumStopping, "------"},
		"Stopped":                     {whole(asked), view.TutumStopped, "y--yyy"},
		"Start failed":                {whole(unborn), view.TutumStartFailed, "y--yyy"},
		"Not running":                 {whole(), view.TutumNotRunning, "--yy-y"},
		"Terminating":                 {deleted(whole(dying)), view.TutumTerminating, "------"},
		"Terminated":                  {gone, view.TutumTerminated, "------"},
		"Starting by recovery":        {whole(backoff), view.TutumStarting, "-y-y-y"},
		"Stopping of one container":   {whole(stopping), view.TutumStopping, "-y-y-y"},
		"Stopped after another start": {under(whole(asked), workload.OpNone), view.TutumStopped, "y--yyy"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := view.TutumApplicationState(tt.s); got != tt.state {
				t.Fatalf("state %q, want %q", got, tt.state)
			}
			got := ""
			for op := view.TutumStart; op <= view.TutumTerminate; op++ {
				err := view.TutumMay(tt.s, op)
				if ifErr := view.TutumIf(op)(tt.s); (ifErr == nil) != (err == nil) {
					t.Errorf("%v: the condition says %v, the rule %v", op, ifErr, err)
				}
				if err == nil {
					got += "y"
					continue
				}
				got += "-"
				want := &atoll.Error{Kind: atoll.Conflict, Msg: fmt.Sprintf("cannot %v application in state %s", op, tt.state),
					Subject: atoll.Subject{Type: "application", ID: "w"}}
				if diff := cmp.Diff(error(want), err, cmp.AllowUnexported()); diff != "" {
					t.Errorf("%v (-want +got):\n%s", op, diff)
				}
			}
			if got != tt.may {
				t.Errorf("legal %s, want %s", got, tt.may)
			}
		})
	}
}

// The table of operations of a container: start, stop, redeploy, terminate.
func TestTutumContainerMay(t *testing.T) {
	all := []view.TutumOp{view.TutumStart, view.TutumStop, view.TutumRedeploy, view.TutumTerminate}
	may := func(s *workload.Snapshot, i *workload.Instance) string {
		got := ""
		for _, op := range all {
			err := view.TutumContainerMay(s, i, op)
			if ifErr := view.TutumContainerIf(i.ID, op)(s); (ifErr == nil) != (err == nil) {
				t.Errorf("%v: the condition says %v, the rule %v", op, ifErr, err)
			}
			if err == nil {
				got += "y"
				continue
			}
			if atoll.KindOf(err) != atoll.Conflict {
				t.Errorf("%v: %v is no Conflict", op, err)
			}
			got += "-"
		}
		return got
	}
	for name, tt := range map[string]struct {
		i     *workload.Instance
		state view.TutumState
		may   string
	}{
		"Init":         {waitsTurn, view.TutumInit, "---y"},
		"Starting":     {backoff, view.TutumStarting, "----"},
		"Running":      {running, view.TutumRunning, "-yyy"},
		"Stopping":     {stopping, view.TutumStopping, "----"},
		"Stopped":      {failed, view.TutumStopped, "y-yy"},
		"Start failed": {unborn, view.TutumStartFailed, "y-yy"},
		"Terminating":  {dying, view.TutumTerminating, "----"},
		"Terminated":   {retired, view.TutumTerminated, "----"},
	} {
		t.Run(name, func(t *testing.T) {
			s := whole(tt.i)
			if got := view.TutumContainerState(s, s.Instances[0]); got != tt.state {
				t.Fatalf("state %q, want %q", got, tt.state)
			}
			if got := may(s, s.Instances[0]); got != tt.may {
				t.Errorf("legal %s, want %s", got, tt.may)
			}
		})
	}
	t.Run("nothing is legal while the application has an operation under way", func(t *testing.T) {
		for _, i := range []*workload.Instance{waitsTurn, running, failed, unborn} {
			s := under(whole(i, fresh), workload.OpScale)
			if got := may(s, s.Instances[0]); got != "----" {
				t.Errorf("%v: legal %s", i.State, got)
			}
		}
	})
	t.Run("the text names both states", func(t *testing.T) {
		s := under(whole(running), workload.OpScale)
		err := view.TutumContainerMay(s, s.Instances[0], view.TutumStop)
		if want := "cannot stop container in state Running while its application is in state Scaling"; err == nil || err.Error() != want {
			t.Errorf("text %q, want %q", err, want)
		}
		s = whole(failed)
		err = view.TutumContainerMay(s, s.Instances[0], view.TutumStop)
		if want := "cannot stop container in state Stopped"; err == nil || err.Error() != want {
			t.Errorf("text %q, want %q", err, want)
		}
	})
	t.Run("a condition on a container that is gone leaves the answer to the operation", func(t *testing.T) {
		if err := view.TutumContainerIf("nowhere", view.TutumStop)(whole(running)); err != nil {
			t.Error(err)
		}
	})
}

func TestTutumLists(t *testing.T) {
	s := deleted(whole(retired))
	s.Status.Destroyed = noon
	for after, want := range map[time.Duration]bool{0: true, 5*time.Minute - 1: true, 5 * time.Minute: false} {
		if got := view.TutumLists(s, noon.Add(after)); got != want {
			t.Errorf("an application is listed %v after its end: %v", after, got)
		}
		if got := view.TutumListsContainer(s, s.Instances[0], noon.Add(after)); got != want {
			t.Errorf("a container is listed %v after its end: %v", after, got)
		}
	}
	s = whole(running)
	if !view.TutumLists(s, noon) || !view.TutumListsContainer(s, s.Instances[0], noon) {
		t.Error("what is not terminated is not listed")
	}
}
