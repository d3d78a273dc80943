package view

import (
	"slices"
	"time"

	"github.com/atoll-platform/atoll/runtime/workload"
)

// TutumState is the state of an application or of a container.
type TutumState string

// The states. Applications are never in TutumInit, containers never in
// TutumPartlyRunning, TutumScaling, TutumRedeploying and TutumNotRunning.
const (
	TutumInit          TutumState = "Init"
	TutumStarting      TutumState = "Starting"
	TutumRunning       TutumState = "Running"
	TutumPartlyRunning TutumState = "Partly running"
	TutumScaling       TutumState = "Scaling"
	TutumRedeploying   TutumState = "Redeploying"
	TutumStopping      TutumState = "Stopping"
	TutumStopped       TutumState = "Stopped"
	TutumStartFailed   TutumState = "Start failed"
	TutumNotRunning    TutumState = "Not running"
	TutumTerminating   TutumState = "Terminating"
	TutumTerminated    TutumState = "Terminated"
)

// TutumContainerState returns the state of a container of s.
func TutumContainerState(s *workload.Snapshot, i *workload.Instance) TutumState {
	return (&line{s: s}).container(i)
}

// container returns the state of a container.
func (l *line) container(i *workload.Instance) TutumState {
	switch {
	case i.Retired != nil:
		return TutumTerminated
	case i.Goal == workload.GoalDestroy:
		return TutumTerminating
	case i.State == workload.StateEnded:
		return tutumEnded(i)
	case i.Goal == workload.GoalStop:
		return TutumStopping
	}
	switch i.State {
	case workload.StateNew:
		if l.waits(i) {
			return TutumInit
		}
		return TutumStarting
	case workload.StateRunning, workload.StateUpdating:
		return TutumRunning
	case workload.StateStopWait, workload.StateStopping:
		return TutumStopping
	case workload.StateTeardown:
		switch i.Next {
		case workload.ActionReplace, workload.ActionRemove:
			return TutumTerminating
		case workload.ActionRestart:
			return TutumStarting
		}
		return tutumEnded(i)
	}
	return TutumStarting
}

// tutumEnded is the state of a container whose last run is over.
func tutumEnded(i *workload.Instance) TutumState {
	if startFailed(i) {
		return TutumStartFailed
	}
	return TutumStopped
}

// startFailed reports whether the last start of an instance that ended came to nothing.
func startFailed(i *workload.Instance) bool {
	return (i.Exit.Outcome == workload.OutcomeFailed || i.Exit.Outcome == workload.OutcomeLost) && !i.Exit.Ran
}

// line is what new instances of a workload wait for in it: for one of them, or
// with shared, prepared when it is first asked for, for all.
type line struct {
	s      *workload.Snapshot
	shared bool
	live   map[int][]*workload.Instance // by slot
	front  *workload.Instance           // of those in a sequence that have still to run, in the lowest slot
}

// waits reports whether a new instance cannot begin before others of its
// workload have: at acceptance already, when nothing has been planned yet.
func (l *line) waits(i *workload.Instance) bool {
	switch i.Wait.Kind {
	case workload.WaitTurn, workload.WaitPredecessor:
		return true
	case workload.WaitNone:
	default:
		return false
	}
	if !l.shared {
		return slices.ContainsFunc(l.s.Instances, func(o *workload.Instance) bool { return l.blocks(o, i) })
	}
	if l.live == nil {
		l.build()
	}
	return l.front != nil && l.blocks(l.front, i) || slices.ContainsFunc(l.live[i.Slot], func(o *workload.Instance) bool { return l.blocks(o, i) })
}

// blocks reports whether i waits for o: for its end, if o has the slot of i, or
// for its start, if o is before i in a sequence.
func (l *line) blocks(o, i *workload.Instance) bool {
	if o.Slot == workload.Once || !o.State.Live() {
		return false
	}
	rollout := &l.s.Workload.Spec.Rollout
	if o.Slot == i.Slot {
		return o.Seq < i.Seq && !(o.Goal == workload.GoalRun && rollout.Order == workload.StartFirst && o.Gen < i.Gen)
	}
	return rollout.Sequential && i.OpSeq != 0 && o.Slot < i.Slot && toRun(o)
}

// toRun reports whether the next in a sequence waits for a live instance.
func toRun(o *workload.Instance) bool {
	return o.Goal == workload.GoalRun && !o.Up && o.Wait.Kind != workload.WaitCapacity
}

func (l *line) build() {
	l.live = map[int][]*workload.Instance{}
	for _, o := range l.s.Instances {
		if o.Slot == workload.Once || !o.State.Live() {
			continue
		}
		l.live[o.Slot] = append(l.live[o.Slot], o)
		if toRun(o) && (l.front == nil || o.Slot < l.front.Slot) {
			l.front = o
		}
	}
}

// TutumApplicationState returns the state of an application.
func TutumApplicationState(s *workload.Snapshot) TutumState {
	state, _ := tutumStanding(s)
	return state
}

// tutumStanding returns the state of an application, and whether that is derived
// from its containers rather than an operation under way.
func tutumStanding(s *workload.Snapshot) (state TutumState, derived bool) {
	if s.Workload.Deleted != nil {
		if s.Status.Destroyed.IsZero() || anyRecord(s) {
			return TutumTerminating, false
		}
		return TutumTerminated, false
	}
	if s.UnderWay() {
		switch s.Status.Op.Kind {
		case workload.OpCreate, workload.OpStart:
			return TutumStarting, false
		case workload.OpStop:
			return TutumStopping, false
		case workload.OpScale:
			return TutumScaling, false
		case workload.OpRollout:
			return TutumRedeploying, false
		}
	}
	return tutumDerived(s), true
}

func tutumDerived(s *workload.Snapshot) TutumState {
	n := map[TutumState]int{}
	l := &line{s: s, shared: true}
	all, filled, making := 0, map[int]bool{}, false
	for _, i := range s.Instances {
		if i.Slot == workload.Once || i.Retired != nil {
			continue
		}
		filled[i.Slot] = true
		if st := l.container(i); st != TutumTerminating {
			n[st]++
			all++
		} else if sl, ok := s.Slot(i.Slot); ok && sl.Goal == workload.GoalRun && !sl.Spent {
			making = true
		}
	}
	for _, sl := range s.Slots {
		switch {
		case filled[sl.Index]:
		case sl.Goal == workload.GoalRun && !sl.Spent:
			making = true
		default: // made elsewhere, where what has ended leaves no record
			n[TutumStopped]++
			all++
		}
	}
	switch {
	case all == 0 && making:
		return TutumStarting
	case all == 0 && s.Workload.Count > 0:
		return TutumStopped
	case all == 0:
		return TutumNotRunning
	case n[TutumRunning] == all:
		return TutumRunning
	case n[TutumRunning] > 0:
		return TutumPartlyRunning
	case n[TutumStarting]+n[TutumInit] > 0:
		return TutumStarting
	case n[TutumStopping] > 0:
		return TutumStopping
	case n[TutumStopped] > 0:
		return TutumStopped
	}
	return TutumStartFailed
}

// anyRecord reports whether an instance with a slot has not retired.
func anyRecord(s *workload.Snapshot) bool {
	for _, i := range s.Instances {
		if i.Slot != workload.Once && i.Retired == nil {
			return true
		}
	}
	return false
}

// tutumListed is how long what was terminated is still in lists.
const tutumListed = 5 * time.Minute

// TutumLists reports whether an application is in lists: it is not terminated,
// or was not long ago.
func TutumLists(s *workload.Snapshot, now time.Time) bool {
	return TutumApplicationState(s) != TutumTerminated || now.Sub(s.Status.Destroyed) < tutumListed
}

// TutumListsContainer is TutumLists for a container.
func TutumListsContainer(_ *workload.Snapshot, i *workload.Instance, now time.Time) bool {
	return i.Slot != workload.Once && (i.Retired == nil || now.Sub(*i.Retired) < tutumListed)
}

// TutumSees returns which workloads are applications of a tenant: all that
// count for it and do not run on request.
func TutumSees(tenant string) func(*workload.Workload) bool {
	return func(w *workload.Workload) bool {
		return w.Tenant == tenant && w.Spec.Behave.Runs == (workload.RunLimit{})
	}
}

// TutumCanLink reports whether an application may still be linked to.
func TutumCanLink(s *workload.Snapshot) bool { return s.Workload.Deleted == nil }
