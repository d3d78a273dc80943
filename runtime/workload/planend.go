package workload

import (
	"fmt"
	"time"

	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// exit records that a run is over and decides what follows.
func (d *draft) exit(n int, x driver.Exit, forced, stuck bool, wd *world) {
	i := d.inst(n)
	if x.At.IsZero() {
		x.At = d.now
	}
	out := d.asked(i, wd)
	switch {
	case out != OutcomeNone:
	case i.Wait.Kind == WaitLimit:
		out = OutcomeTimeout
	case i.Wait.Kind == WaitDrain:
		out = OutcomeLost
	case x.Code == 0:
		out = OutcomeClean
	default:
		out = OutcomeFailed
	}
	if out == OutcomeSuspended && i.Slot == Once {
		out, x.Code, x.Reason = OutcomeFailed, max(x.Code, driver.CodeError), restarted
		d.tellResult(i, restarted)
	}
	neverStarted := i.State == StateSetup || i.State == StateWaiting
	failed := x.Code != 0 || x.Signal != ""
	i.Exit = Exit{Exit: x, Outcome: out, Forced: forced, Stuck: stuck, Ran: i.Up || !failed && !neverStarted}
	i.Wait = Wait{}
	d.decide(n)
	if wd.connects(d.w) {
		i.State = StateTeardown
		d.send(n, verbRelease, 0)
		return
	}
	d.released(n, wd)
}

// leave ends a run whose machine, or whose platform, is gone.
func (d *draft) leave(n int, ev event, wd *world) {
	i := d.inst(n)
	out, reason := OutcomeLost, "the machine is gone"
	if ev == eventSuspend {
		out, reason = OutcomeSuspended, restarted
		if i.Slot == Once {
			out = OutcomeFailed
		}
	}
	if i.Goal != GoalRun {
		out = OutcomeAsked
	}
	switch {
	case i.State == StateBackoff && ev == eventLost && i.Goal == GoalRun:
		d.displace(i)
		return
	case i.State == StateBackoff:
		d.rest(n, out, wd)
		return
	case i.State == StateTeardown:
		if i.Next == ActionRestart {
			i.Next = ActionNone // it is at rest, and its slot still runs
		}
	default:
		i.Exit = Exit{Exit: driver.Exit{Code: i.Exit.Code, Reason: reason, At: d.now}, Outcome: out, Ran: i.Up}
		if ev == eventSuspend && i.Slot == Once {
			i.Exit.Code = driver.CodeError
			d.tellResult(i, reason)
		}
		i.Next = ActionNone
		d.decide(n)
	}
	i.Wait = Wait{}
	if ev == eventLost {
		i.Ports = nil
	}
	d.send(n, verbLose, 0)
	d.released(n, wd)
}

// restarted is why a run is over that the end of the platform cut short.
const restarted = "platform restarted"

// tellResult adds a line for the reader of a single run.
func (d *draft) tellResult(i *Instance, text string) {
	for k, r := range d.results {
		if r.Instance == i.ID {
			c := *r
			c.Stderr = append(c.Stderr[:len(c.Stderr):len(c.Stderr)], text...)
			d.results[k] = &c
			return
		}
	}
	d.results = append(d.results, &RunResult{Instance: i.ID, Stderr: []byte(text)})
}

// decide chooses what follows the end of instance n.
func (d *draft) decide(n int) {
	i := d.inst(n)
	i.Next = ActionNone
	k := d.find(i.Slot)
	if k < 0 {
		return
	}
	var end Ending
	switch i.Exit.Outcome {
	case OutcomeClean:
		end = OnClean
	case OutcomeFailed, OutcomeTimeout:
		end = OnFailed
	case OutcomeLost:
		end = OnLost
	case OutcomeAsked:
		if i.Goal != GoalDestroy || d.slots[k].row.Gen != i.Gen {
			return
		}
		end = OnDeleted
	default:
		return
	}
	s := d.slots[k].row
	if s.Goal != GoalRun || s.Spent || d.succeeded(k, n) {
		return
	}
	var ran time.Duration
	if i.Up {
		ran = i.Exit.At.Sub(i.RunningAt)
	}
	do, after := Recover(d.effective(i).Recover, *s, end, ran, d.now)
	i.Next = do
	*d.slot(k) = after
	if do == ActionNone && end&(OnFailed|OnLost) != 0 {
		d.say(i, "instance in slot %d ended (%s) and is not started again", i.Slot, i.Exit.Outcome)
	}
}

func (d *draft) say(i *Instance, format string, args ...any) {
	d.notes = append(d.notes, note{i.ID, fmt.Sprintf(format, args...)})
}

// succeeded reports whether another instance has taken the slot of n already.
func (d *draft) succeeded(k, n int) bool {
	for o := range d.inSlot(k) {
		if o > n && d.insts[o].row.Goal != GoalDestroy {
			return true
		}
	}
	return false
}

// rest ends an instance that does not run.
func (d *draft) rest(n int, out Outcome, wd *world) {
	i := d.inst(n)
	i.Exit.Outcome, i.Exit.At, i.Next, i.Wait = out, d.now, ActionNone, Wait{}
	if i.Goal == GoalDestroy && i.State == StateBackoff {
		d.decide(n)
	}
	d.released(n, wd)
}

// released takes what follows from the end of a run, once nothing is held.
func (d *draft) released(n int, wd *world) {
	i := d.inst(n)
	next := i.Next
	if i.Goal == GoalStop || wd.suspend {
		next = ActionNone
	}
	k := d.find(i.Slot)
	if k < 0 || d.slots[k].row.Goal != GoalRun || d.succeeded(k, n) {
		next = ActionNone
	}
	history := d.w.Spec.Behave.Keep == KeepHistory
	switch {
	case next == ActionRestart && i.Goal == GoalRun && i.Exit.Outcome == OutcomeLost:
		d.displace(i)
	case next == ActionRestart && i.Goal == GoalRun:
		if d.slots[k].row.NotBefore.After(d.now) {
			i.State = StateBackoff
			return
		}
		d.begin(n, wd)
	case i.Goal == GoalDestroy || next == ActionReplace || next == ActionRestart || next == ActionRemove ||
		i.Slot == Once || k < 0 || history || d.succeeded(k, n):
		d.retire(n)
		switch next {
		case ActionReplace, ActionRestart:
			d.create(k, d.slots[k].row.Gen)
		case ActionRemove:
			d.dropSlot(k)
			w := d.workload()
			w.Count = max(0, w.Count-1)
		}
	default:
		d.vacate(i, StateEnded)
		i.OpSeq = 0
	}
}

// retire takes an instance out of its slot for good.
func (d *draft) retire(n int) {
	i := d.inst(n)
	at := d.now
	d.vacate(i, StateEnded)
	i.Retired, i.OpSeq, i.Wait = &at, 0, Wait{}
}

// displace lets an instance be placed anew: its machine is gone.
func (d *draft) displace(i *Instance) {
	d.vacate(i, StateNew)
	i.Next, i.Ports, i.Machine, i.Reserved = ActionNone, nil, "", fleet.Resources{}
}
