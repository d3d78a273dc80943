package view

import (
	"strconv"
	"time"

	"github.com/atoll-platform/atoll/runtime/workload"
)

// CxEngageState is the state of a service or of a process.
type CxEngageState string

// The states. Only processes are in CxEngageCreated and CxEngageBackoff, only
// services in CxEngageDegraded.
const (
	CxEngageCreated  CxEngageState = "created"
	CxEngageStarting CxEngageState = "starting"
	CxEngageRunning  CxEngageState = "running"
	CxEngageDegraded CxEngageState = "degraded"
	CxEngageStopping CxEngageState = "stopping"
	CxEngageStopped  CxEngageState = "stopped"
	CxEngageExited   CxEngageState = "exited"
	CxEngageFailed   CxEngageState = "failed"
	CxEngageBackoff  CxEngageState = "backoff"
)

// CxEngageProcessState returns the state of a process; "" for one that is gone.
func CxEngageProcessState(i *workload.Instance) CxEngageState {
	ending := i.Goal != workload.GoalRun
	switch i.State {
	case workload.StateEnded:
		switch {
		case i.Retired != nil:
			return ""
		case i.Goal == workload.GoalDestroy:
			return CxEngageStopping
		case i.Run == 0 && i.Exit.Outcome == workload.OutcomeNone:
			return CxEngageCreated
		}
		return cxengageEnded(i)
	case workload.StateTeardown:
		switch {
		case i.Goal == workload.GoalDestroy || i.Next == workload.ActionReplace || i.Next == workload.ActionRemove:
			return CxEngageStopping
		case ending && i.Exit.Outcome != workload.OutcomeAsked:
			return CxEngageStopping
		case i.Next == workload.ActionRestart:
			return CxEngageBackoff
		}
		return cxengageEnded(i)
	case workload.StateStopWait, workload.StateStopping:
		return CxEngageStopping
	}
	switch {
	case ending:
		return CxEngageStopping
	case i.State == workload.StateBackoff:
		return CxEngageBackoff
	case i.State == workload.StateRunning || i.State == workload.StateUpdating:
		return CxEngageRunning
	}
	return CxEngageStarting
}

// cxengageEnded is the state of a process that has ended.
func cxengageEnded(i *workload.Instance) CxEngageState {
	switch i.Exit.Outcome {
	case workload.OutcomeClean:
		return CxEngageExited
	case workload.OutcomeNone, workload.OutcomeAsked, workload.OutcomeSuspended:
		return CxEngageStopped
	}
	return CxEngageFailed
}

// CxEngageServiceState returns the state of a service.
func CxEngageServiceState(s *workload.Snapshot) CxEngageState {
	if s.Workload.State == workload.Errored {
		return CxEngageFailed
	}
	wanted := 0
	n := map[CxEngageState]int{}
	for _, sl := range s.Slots {
		if sl.Goal == workload.GoalRun {
			wanted++
			n[cxengageSlot(s, sl)]++
		}
	}
	switch {
	case wanted == 0 && anyLive(s):
		return CxEngageStopping
	case wanted == 0:
		return CxEngageStopped
	case n[CxEngageRunning] == wanted:
		return CxEngageRunning
	case n[CxEngageRunning] > 0:
		return CxEngageDegraded
	case n[CxEngageStarting] > 0:
		return CxEngageStarting
	case n[CxEngageFailed] > 0:
		return CxEngageFailed
	}
	return CxEngageExited
}

// cxengageSlot says how a slot that is to run does: running, starting, failed or
// exited. An older one that ends before its successor begins is a start.
func cxengageSlot(s *workload.Snapshot, sl *workload.Slot) CxEngageState {
	var last *workload.Instance
	for _, i := range s.Instances {
		if i.Slot != sl.Index {
			continue
		}
		if i.State == workload.StateRunning || i.State == workload.StateUpdating {
			if i.Goal == workload.GoalRun {
				return CxEngageRunning // also an older one, beside its successor
			}
		}
		last = i
	}
	switch {
	case last == nil && sl.Spent:
		return CxEngageExited // its record is gone
	case last == nil:
		return CxEngageStarting
	case last.State == workload.StateEnded && !sl.Spent:
		return CxEngageStarting // the next pass lets it run
	case last.State == workload.StateEnded, last.State == workload.StateTeardown && last.Next == workload.ActionNone && sl.Spent:
		if cxengageEnded(last) == CxEngageFailed {
			return CxEngageFailed
		}
		return CxEngageExited
	}
	return CxEngageStarting
}

// anyLive reports whether an instance with a slot has not ended.
func anyLive(s *workload.Snapshot) bool {
	for _, i := range s.Instances {
		if i.Slot != workload.Once && i.State.Live() {
			return true
		}
	}
	return false
}

// CxEngageProcess is what a process shows of an instance.
type CxEngageProcess struct {
	ID, Service    string // PR<n>, SV<n>
	State          CxEngageState
	ExitCode       *int // nil before the first end, and when a signal ended it
	Signal         string
	Restarts       int // automatic ones since the last explicit start
	Started, Ended time.Time
	Reason         string
}

// GetCxEngageProcess returns an instance of s as a process.
func GetCxEngageProcess(s *workload.Snapshot, i *workload.Instance) CxEngageProcess {
	p := CxEngageProcess{
		ID: CxEngageProcessID(i), Service: CxEngageServiceID(s.Workload), State: CxEngageProcessState(i), Signal: i.Exit.Signal,
		Started: i.StartedAt, Reason: i.Exit.Reason,
	}
	if sl, ok := s.Slot(i.Slot); ok {
		p.Restarts = sl.Attempts
	}
	if !i.StartedAt.IsZero() && !i.Exit.At.Before(i.StartedAt) {
		p.Ended = i.Exit.At
	}
	if exited(i) && i.Exit.Signal == "" {
		code := i.Exit.Code
		if s.Effective(i).Driver == functions {
			code = min(code, 1)
		}
		p.ExitCode = &code
	}
	if i.State == workload.StateStopping && i.Exit.Stuck {
		p.Reason = i.Exit.Reason
	} else if i.Wait.Kind == workload.WaitCapacity || i.Wait.Kind == workload.WaitReturn {
		p.Reason = i.Wait.On
	}
	return p
}

// CxEngageServiceID returns the id of a service.
func CxEngageServiceID(w *workload.Workload) string { return "SV" + strconv.FormatUint(w.Seq, 10) }

// CxEngageProcessID returns the id of a process.
func CxEngageProcessID(i *workload.Instance) string { return "PR" + strconv.FormatUint(i.Seq, 10) }

// CxEngageProcesses returns the processes of a service, in order of their number.
func CxEngageProcesses(s *workload.Snapshot) []*workload.Instance {
	var out []*workload.Instance
	for _, i := range s.Instances {
		if i.Retired == nil {
			out = append(out, i)
		}
	}
	return out
}

// CxEngageDesired counts the processes that are to run.
func CxEngageDesired(s *workload.Snapshot) int {
	n := 0
	for _, sl := range s.Slots {
		if sl.Goal == workload.GoalRun {
			n++
		}
	}
	return n
}

// CxEngageRestartRequired reports whether processes that run were started with
// older settings.
func CxEngageRestartRequired(s *workload.Snapshot) bool {
	for _, i := range s.Instances {
		if i.Slot != workload.Once && i.State.Live() && i.Goal == workload.GoalRun && i.Gen < s.Workload.Gen {
			return true
		}
	}
	return false
}

// CxEngageSees returns which workloads are services of an instance: those that
// belong to it, and those of tenants that do, unless they belong to another.
func CxEngageSees(instance string, tenant func(id string) bool) func(*workload.Workload) bool {
	return func(w *workload.Workload) bool {
		if w.Deleted != nil {
			return false
		}
		if w.Realm != "" {
			return w.Realm == instance
		}
		return tenant(w.Tenant)
	}
}
