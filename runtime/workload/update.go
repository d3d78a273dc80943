package workload

import (
	"context"
	"fmt"
	"reflect"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// Desired is what callers may change of a workload. Maps and slices in it are
// constants: replace them.
type Desired struct {
	FQN   policy.FQN
	Title string
	Text  string
	Spec  Spec
	Count int
	State Want // Ready, Started or Stopped; Errored may only stay
}

// Update changes a workload in one transaction, and under one operation: change
// gets what is wanted now and edits it; it may be called once only. A Desired
// that stays as it was is no change.
//
// A change of the template, with a Manual rollout of anything in the spec, opens
// a generation; of the resources it is refused while the workload is started.
// Kinds: Invalid with every finding; FailedState (requires_restart); Conflict
// (exists) for a name that is taken; Reference, NotFound, Denied, Quota, what
// change or a condition returned, Unavailable.
func (s *Service) Update(ctx context.Context, id string, change func(*Desired) error, conds ...Cond) (*Snapshot, error) {
	return s.updateWithin(ctx, "workload.Update", id, change, nil, conds)
}

// UpdateWithin is Update with a function that runs in its transaction, after the
// rows of the workload are written, and may write rows of its own. Its error
// refuses the update.
func (s *Service) UpdateWithin(ctx context.Context, id string, change func(*Desired) error, within func(tx *store.Tx, s *Snapshot) error, conds ...Cond) (*Snapshot, error) {
	return s.updateWithin(ctx, "workload.UpdateWithin", id, change, within, conds)
}

func (s *Service) updateWithin(ctx context.Context, op, id string, change func(*Desired) error, within func(*store.Tx, *Snapshot) error, conds []Cond) (*Snapshot, error) {
	return s.changeWithin(ctx, op, id, policy.Update, conds, within, func(e *edit) error {
		was := Desired{FQN: e.w.Address(), Title: e.w.Title, Text: e.w.Text, Spec: e.w.Spec, Count: e.w.Count, State: e.w.State}
		is := was
		if err := change(&is); err != nil {
			return err
		}
		return e.update(ctx, &was, &is)
	})
}

func (e *edit) update(ctx context.Context, was, is *Desired) error {
	if err := e.s.checkSpec(&is.Spec, is.Count); err != nil {
		return err
	}
	if !reflect.DeepEqual(was.Spec.Behave, is.Spec.Behave) {
		return atoll.Errorf(atoll.Invalid, "", "how instances are kept and counted is fixed at creation")
	}
	if is.State == Errored && was.State != Errored || is.State > Errored {
		return atoll.Errorf(atoll.Invalid, "", "a workload is made ready, started or stopped")
	}
	if is.Spec.Behave.Runs != (RunLimit{}) && (is.State == Started || is.Count != was.Count) {
		return onRequest(e.w.FQN)
	}
	if err := e.allowed(ctx, was, is); err != nil {
		return err
	}
	if err := pinExists(e.tx, &is.Spec); err != nil {
		return err
	}
	if is.FQN != was.FQN {
		if _, taken := workloadByFQN.Get(e.tx, store.KeyOf(is.FQN.String())); taken {
			return &atoll.Error{Kind: atoll.Conflict, Code: atoll.Exists, Msg: fmt.Sprintf("%s is there already", is.FQN)}
		}
		e.workload().FQN = is.FQN.String()
	}
	if is.Title != was.Title || is.Text != was.Text {
		w := e.workload()
		w.Title, w.Text = is.Title, is.Text
	}
	kind := OpNone
	if !reflect.DeepEqual(was.Spec, is.Spec) {
		replaces, err := replacing(&was.Spec, &is.Spec, is.State)
		if err != nil {
			return err
		}
		if replaces {
			e.generation()
			kind = OpRollout
		}
		e.workload().Spec = is.Spec
	}
	if is.Count != was.Count {
		e.scale(is.Count)
		if kind == OpNone {
			kind = OpScale
		}
	}
	switch {
	case is.State == was.State:
	case is.State == Started:
		if err := e.start(); err != nil {
			return err
		}
		kind = OpStart
	case was.State == Started:
		e.stop(is.State)
		kind = OpStop
	default:
		e.workload().State = is.State
	}
	if kind == OpRollout && e.w.State == Started {
		e.fill(nil)
		e.rollOut()
	}
	if kind != OpNone {
		e.accept(kind)
	}
	if e.touched() {
		e.tx.Note("job.update", e.w.FQN, nil)
		return e.checkQuota()
	}
	return nil
}

// allowed asks for what an update needs beyond the right to update.
func (e *edit) allowed(ctx context.Context, was, is *Desired) error {
	if is.FQN != was.FQN {
		if err := checkAddress(is.FQN); err != nil {
			return err
		}
		if err := e.s.guard.Check(ctx, policy.Do(policy.Create, is.FQN)); err != nil {
			return err
		}
	}
	switch {
	case is.State == was.State:
		return nil
	case is.State == Started:
		return e.s.guard.Check(ctx, policy.Do(policy.Start, was.FQN))
	}
	return e.s.guard.Check(ctx, policy.Do(policy.Stop, was.FQN))
}

// replacing reports whether a change of the spec opens a generation.
func replacing(was, is *Spec, state Want) (bool, error) {
	if is.Rollout.Order == Manual {
		a, b := *was, *is
		a.MaxCount, b.MaxCount = 0, 0
		return !reflect.DeepEqual(a, b), nil
	}
	if was.Resources != is.Resources && state == Started {
		return false, &atoll.Error{Kind: atoll.FailedState, Code: atoll.RequiresRestart, Msg: "resources cannot change while the workload is started"}
	}
	return !reflect.DeepEqual(was.Template, is.Template) || !reflect.DeepEqual(was.Defaults, is.Defaults), nil
}

// generation opens a generation: the present spec is kept for those that run
// it, and slots want the new one, unless it is taken up by hand.
func (e *edit) generation() {
	g := &Generation{Workload: e.w.ID, Gen: e.w.Gen, Spec: e.w.Spec, Until: e.now}
	e.gens, e.born = append(e.gens[:len(e.gens):len(e.gens)], g), append(e.born, g)
	e.workload().Gen++
	if e.w.Spec.Rollout.Order == Manual {
		return
	}
	for k := range e.slots {
		if e.slots[k].row == nil {
			continue
		}
		s := e.slot(k)
		goal := s.Goal
		e.renew(s)
		s.Goal, s.Gen = goal, e.w.Gen
	}
}

// rollOut notes that what serves an older generation is touched.
func (e *edit) rollOut() {
	for n := range e.insts {
		if i := e.insts[n].row; i.Slot != Once && i.Retired == nil && i.State.Live() && i.Gen < e.w.Gen {
			e.inst(n)
		}
	}
}

// Redeploy replaces every instance by one of a new generation, also if nothing
// else changes; a workload that was stopped runs then. change, which may be nil,
// edits the spec. Kinds: as Update.
func (s *Service) Redeploy(ctx context.Context, id string, change func(*Spec) error, conds ...Cond) (*Snapshot, error) {
	const op = "workload.Redeploy"
	return s.change(ctx, op, id, policy.Update, conds, func(e *edit) error {
		spec := e.w.Spec
		if err := s.redeployed(&spec, e.w, change); err != nil {
			return err
		}
		if spec.Behave.Runs != (RunLimit{}) {
			return onRequest(e.w.FQN)
		}
		e.generation()
		e.workload().Spec = spec
		for k := range e.slots {
			if e.slots[k].row != nil {
				s := e.slot(k)
				e.renew(s)
				s.Gen = e.w.Gen
			}
		}
		if e.w.Spec.Rollout.Order == Manual {
			for n := range e.insts { // the record takes the generation up as it starts again
				if i := e.insts[n].row; i.Slot != Once && i.State.Live() && i.Goal == GoalRun {
					e.inst(n).Goal = GoalStop
				}
			}
		}
		if err := e.start(); err != nil {
			return err
		}
		e.rollOut()
		e.accept(OpRollout)
		e.tx.Note("job.redeploy", e.w.FQN, nil)
		return e.checkQuota()
	})
}

// redeployed edits the spec of w for a redeploy, and checks it.
func (s *Service) redeployed(spec *Spec, w *Workload, change func(*Spec) error) error {
	if change != nil {
		if err := change(spec); err != nil {
			return err
		}
	}
	if err := s.checkSpec(spec, w.Count); err != nil {
		return err
	}
	if !reflect.DeepEqual(spec.Behave, w.Spec.Behave) {
		return atoll.Errorf(atoll.Invalid, "", "how instances are kept and counted is fixed at creation")
	}
	return nil
}
