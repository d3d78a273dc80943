package workload

import (
	"context"
	"slices"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// StartWorkload wants the workload to run at its count. Slots that run already
// are left alone; the others begin anew, with fresh budgets. What it is already
// is no change. Kinds: NotFound, Denied, Reference, Quota, what a condition
// returned, Unavailable.
func (s *Service) StartWorkload(ctx context.Context, id string, conds ...Cond) (*Snapshot, error) {
	return s.startWithin(ctx, id, nil, conds)
}

func (s *Service) startWithin(ctx context.Context, id string, within func(*store.Tx, *Snapshot) error, conds []Cond) (*Snapshot, error) {
	return s.changeWithin(ctx, "workload.StartWorkload", id, policy.Start, conds, within, func(e *edit) error {
		if e.w.Spec.Behave.Runs != (RunLimit{}) {
			return onRequest(e.w.FQN)
		}
		if err := s.checkDriver(&e.w.Spec); err != nil {
			return err
		}
		if err := e.start(); err != nil {
			return err
		}
		if e.touched() {
			e.accept(OpStart)
			e.tx.Note("job.start", e.w.FQN, nil)
			return e.checkQuota()
		}
		return nil
	})
}

// onRequest refuses to keep something running that is run once at a time.
func onRequest(name string) error {
	return &atoll.Error{Kind: atoll.Conflict, Msg: name + " runs on request", Subject: atoll.Subject{Type: "workload", ID: name}}
}

// start is the row edits of a start.
func (e *edit) start() error {
	if err := pinExists(e.tx, &e.w.Spec); err != nil {
		return err
	}
	if e.w.State != Started {
		e.workload().State = Started
		if !e.st.FlapSince.IsZero() {
			st := e.status()
			st.FlapSince, st.FlapFalse = time.Time{}, time.Time{}
		}
	}
	if e.w.Spec.Behave.Strict || len(e.members()) == 0 {
		e.fit()
	}
	n := 0
	for k := range e.slots {
		if e.slots[k].row == nil {
			continue
		}
		if n == e.w.Count {
			break
		}
		n++
		e.startSlot(k)
	}
	e.fill(nil)
	return nil
}

// fit makes as many slots as are wanted.
func (e *edit) fit() {
	have := e.members()
	e.grow(e.w.Count)
	if over := len(have) - e.w.Count; over > 0 {
		e.shrink(have, over)
	}
}

// startSlot makes slot k run, unless it does.
func (e *edit) startSlot(k int) bool {
	s := e.slots[k].row
	if s.Goal == GoalRun && !s.Spent {
		for n := range e.inSlot(k) {
			if i := e.insts[n].row; i.State.Live() && i.Goal == GoalRun {
				return false
			}
		}
		if e.slots[k].old == nil {
			return true // made just now
		}
	}
	e.renew(e.slot(k))
	return true
}

// renew gives a slot a new epoch.
func (e *edit) renew(s *Slot) {
	*s = Slot{Workload: s.Workload, Index: s.Index, Goal: GoalRun, Gen: s.Gen, Epoch: s.Epoch + 1}
	if e.w.Spec.Rollout.Order == Manual {
		s.Gen = e.w.Gen
	}
}

// StopWorkload wants nothing of the workload to run. What it is already is no
// change. Kinds: NotFound, Denied, what a condition returned, Unavailable.
func (s *Service) StopWorkload(ctx context.Context, id string, conds ...Cond) (*Snapshot, error) {
	return s.change(ctx, "workload.StopWorkload", id, policy.Stop, conds, func(e *edit) error {
		e.stop(Stopped)
		if e.touched() {
			e.accept(OpStop)
			e.tx.Note("job.stop", e.w.FQN, nil)
		}
		return nil
	})
}

// stop is the row edits of a stop.
func (e *edit) stop(want Want) {
	if e.w.State != want {
		e.workload().State = want
	}
	for k := range e.slots {
		if s := e.slots[k].row; s != nil && s.Goal == GoalRun {
			e.slot(k).Goal = GoalStop
		}
	}
	for n := range e.insts {
		if i := e.insts[n].row; i.Slot != Once && i.State.Live() && i.Goal == GoalRun {
			e.inst(n).Goal = GoalStop
		}
	}
}

// Scale wants n instances. A workload that is started gets or loses slots at
// once. Kinds: Invalid if n is out of range; NotFound, Denied, Conflict for a
// workload that runs on request, Quota, what a condition returned, Unavailable.
func (s *Service) Scale(ctx context.Context, id string, n int, conds ...Cond) (*Snapshot, error) {
	const op = "workload.Scale"
	return s.change(ctx, op, id, policy.Update, conds, func(e *edit) error {
		if f := e.w.Spec.Check(n); len(f) > 0 {
			return &atoll.Error{Kind: atoll.Invalid, Op: op, Msg: "the count is not valid", Findings: f}
		}
		if e.w.Spec.Behave.Runs != (RunLimit{}) {
			return onRequest(e.w.FQN)
		}
		if n == e.w.Count {
			return nil
		}
		e.scale(n)
		e.accept(OpScale)
		e.tx.Note("job.scale", e.w.FQN, map[string]any{"count": n})
		return e.checkQuota()
	})
}

// scale is the row edits of a change of the count.
func (e *edit) scale(n int) {
	e.workload().Count = n
	have := e.members()
	if e.w.State != Started {
		if !e.w.Spec.Behave.Revive || len(have) > 0 {
			return
		}
		e.w.State = Started
	}
	e.fit()
	e.fill(nil)
}

// members returns the positions of the slots.
func (e *edit) members() []int {
	var out []int
	for k := range e.slots {
		if e.slots[k].row != nil {
			out = append(out, k)
		}
	}
	return out
}

// shrink takes slots away, and their instances with them.
func (e *edit) shrink(have []int, over int) {
	runs := func(k int) bool {
		for n := range e.inSlot(k) {
			if st := e.insts[n].row.State; st == StateRunning || st == StateUpdating {
				return true
			}
		}
		return false
	}
	idle := make(map[int]bool)
	if e.w.Spec.Behave.Shrink == IdleFirst {
		for _, k := range have {
			idle[k] = !runs(k)
		}
	}
	slices.SortFunc(have, func(a, b int) int {
		if idle[a] != idle[b] {
			if idle[a] {
				return -1
			}
			return 1
		}
		return b - a
	})
	for _, k := range have[:over] {
		e.destroySlot(k)
	}
}

// destroySlot takes one slot away, and its instances with it.
func (e *edit) destroySlot(k int) {
	for n := range e.inSlot(k) {
		if e.insts[n].row.Goal != GoalDestroy {
			e.inst(n).Goal = GoalDestroy
		}
	}
	e.dropSlot(k)
}
