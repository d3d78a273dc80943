package workload

import (
	"context"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// onInstance performs an operation on one instance that has a slot.
func (s *Service) onInstance(ctx context.Context, op, id string, action policy.Action, conds []Cond, fn func(e *edit, n, k int) error) (*Snapshot, error) {
	if err := s.ready(op); err != nil {
		return nil, err
	}
	i, ok := instances.Get(s.st.View(), id)
	if !ok {
		return nil, noInstance(op, id)
	}
	return s.change(ctx, op, i.Workload, action, conds, func(e *edit) error {
		n := e.byID(id)
		if n < 0 || e.insts[n].row.Retired != nil {
			return noInstance(op, id)
		}
		k := e.find(e.insts[n].row.Slot)
		if k < 0 {
			return atoll.Errorf(atoll.FailedState, op, "the instance is ending")
		}
		return fn(e, n, k)
	})
}

func noInstance(op, id string) error {
	return &atoll.Error{Kind: atoll.NotFound, Op: op, Msg: "there is no such instance", Subject: atoll.Subject{Type: "instance", ID: id}}
}

// keepState makes the state of the workload say what its slots want.
func (e *edit) keepState() {
	runs := false
	for k := range e.slots {
		if s := e.slots[k].row; s != nil && s.Goal == GoalRun {
			runs = true
		}
	}
	switch {
	case runs && e.w.State != Started:
		e.workload().State = Started
		if e.w.Spec.Behave.Strict {
			e.fit()
			e.fill(nil)
		}
	case !runs && e.w.State == Started && len(e.members()) > 0:
		e.workload().State = Stopped
	}
}

// StartInstance lets an instance run that does not. What runs is no change.
// Kinds: NotFound, Denied, FailedState for one that is ending, what a condition
// returned, Unavailable.
func (s *Service) StartInstance(ctx context.Context, id string, conds ...Cond) (*Snapshot, error) {
	const op = "workload.StartInstance"
	return s.onInstance(ctx, op, id, policy.Start, conds, func(e *edit, n, k int) error {
		i := e.insts[n].row
		if i.State.Live() && i.Goal != GoalRun || i.Goal == GoalDestroy {
			return atoll.Errorf(atoll.FailedState, op, "the instance is stopping")
		}
		if err := s.checkDriver(&e.w.Spec); err != nil {
			return err
		}
		if e.startSlot(k) {
			e.fill(nil)
			e.keepState()
			e.tx.Note("job.instance.start", e.w.FQN, map[string]any{"instance": id})
			return e.checkQuota()
		}
		return nil
	})
}

// StopInstance stops one instance; its slot does not run then. What does not
// run is no change. Kinds: as StartInstance.
func (s *Service) StopInstance(ctx context.Context, id string, conds ...Cond) (*Snapshot, error) {
	return s.onInstance(ctx, "workload.StopInstance", id, policy.Stop, conds, func(e *edit, n, k int) error {
		if e.slots[k].row.Goal == GoalRun {
			e.slot(k).Goal = GoalStop
		}
		if i := e.insts[n].row; i.State.Live() && i.Goal == GoalRun {
			e.inst(n).Goal = GoalStop
		}
		e.fill(nil)
		e.keepState()
		if e.touched() {
			e.tx.Note("job.instance.stop", e.w.FQN, map[string]any{"instance": id})
		}
		return nil
	})
}

// RestartInstance stops one instance and starts it again, with the newest
// generation; one that does not run is started. While a restart is pending a
// second one is no change. Kinds: as StartInstance.
func (s *Service) RestartInstance(ctx context.Context, id string, conds ...Cond) (*Snapshot, error) {
	const op = "workload.RestartInstance"
	return s.onInstance(ctx, op, id, policy.Stop, conds, func(e *edit, n, k int) error {
		if err := s.guard.Check(ctx, policy.Do(policy.Start, e.w.Address())); err != nil {
			return err
		}
		i := e.insts[n].row
		if i.Goal == GoalDestroy {
			return atoll.Errorf(atoll.FailedState, op, "the instance is ending")
		}
		if i.State.Live() && i.Goal == GoalStop && e.slots[k].row.Goal == GoalRun {
			return nil
		}
		e.renew(e.slot(k))
		if i.State.Live() {
			e.inst(n).Goal = GoalStop
		}
		e.fill(nil)
		e.keepState()
		e.tx.Note("job.instance.restart", e.w.FQN, map[string]any{"instance": id})
		return nil
	})
}

// Fate is what becomes of the slot of an instance that is deleted.
type Fate uint8

// The fates.
const (
	SlotGoes  Fate = iota // the slot goes too; the count of a Strict workload falls by one
	SlotStays             // recovery decides, as after any end, whether the slot gets another instance
)

// DeleteInstance ends an instance for good: whoever takes the slot with it
// updates the workload, whoever leaves it stops an instance. Kinds: NotFound,
// Denied, FailedState for one that is ending already, what a condition returned,
// Unavailable.
func (s *Service) DeleteInstance(ctx context.Context, id string, fate Fate, conds ...Cond) (*Snapshot, error) {
	const op = "workload.DeleteInstance"
	action := policy.Update
	if fate == SlotStays {
		action = policy.Stop
	}
	return s.onInstance(ctx, op, id, action, conds, func(e *edit, n, k int) error {
		if e.insts[n].row.Goal == GoalDestroy {
			return atoll.Errorf(atoll.FailedState, op, "the instance is ending")
		}
		e.inst(n).Goal = GoalDestroy
		if fate == SlotStays && e.insts[n].row.State.Live() {
			e.tx.Note("job.instance.delete", e.w.FQN, map[string]any{"instance": id})
			return nil
		}
		e.destroySlot(k)
		if e.w.Spec.Behave.Strict {
			w := e.workload()
			w.Count = max(0, w.Count-1)
		}
		e.keepState()
		e.tx.Note("job.instance.delete", e.w.FQN, map[string]any{"instance": id})
		return nil
	})
}

// RedeployInstance replaces one instance by one of a new generation, which
// waits for its end; change, which may be nil, edits the spec. It returns the
// state at acceptance and the id of the successor. Kinds: as Redeploy.
func (s *Service) RedeployInstance(ctx context.Context, id string, change func(*Spec) error, conds ...Cond) (*Snapshot, string, error) {
	const op = "workload.RedeployInstance"
	var next *Instance
	snap, err := s.onInstance(ctx, op, id, policy.Update, conds, func(e *edit, n, k int) error {
		if e.insts[n].row.Goal == GoalDestroy {
			return atoll.Errorf(atoll.FailedState, op, "the instance is ending")
		}
		spec := e.w.Spec
		if err := s.redeployed(&spec, e.w, change); err != nil {
			return err
		}
		g := &Generation{Workload: e.w.ID, Gen: e.w.Gen, Spec: e.w.Spec, Until: e.now}
		e.gens, e.born = append(e.gens[:len(e.gens):len(e.gens)], g), append(e.born, g)
		e.workload().Gen++
		e.workload().Spec = spec
		e.renew(e.slot(k))
		e.slot(k).Gen = e.w.Gen
		for o := range e.inSlot(k) {
			e.inst(o).Goal = GoalDestroy
		}
		next = e.insts[e.create(k, e.w.Gen)].row
		e.keepState()
		e.tx.Note("job.instance.redeploy", e.w.FQN, map[string]any{"instance": id})
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	return snap, next.ID, nil
}

// Delete ends a workload for good. Its name is free at once; what runs is
// stopped in the background, and the row is kept as long as its Behave says. Kinds:
// NotFound, Denied, what a condition returned, Unavailable.
func (s *Service) Delete(ctx context.Context, id string, conds ...Cond) (*Snapshot, error) {
	return s.change(ctx, "workload.Delete", id, policy.Delete, conds, func(e *edit) error {
		return e.remove()
	})
}

// remove is the row edits of a deletion.
func (e *edit) remove() error {
	at := e.now
	e.workload().Deleted = &at
	for n := range e.insts {
		if i := e.insts[n].row; i.Retired == nil && i.Goal != GoalDestroy {
			e.inst(n).Goal = GoalDestroy
		}
	}
	for k := range e.slots {
		e.dropSlot(k)
	}
	e.accept(OpDelete)
	e.tx.Note("job.delete", e.w.FQN, nil)
	return dropBeside(e.tx, e.w.ID)
}

// Refs returns the names of the workloads that match and were not deleted.
func (s *Service) Refs(r store.Reader, match func(*Workload) bool) []policy.FQN {
	var out []policy.FQN
	for w := range workloadBySeq.All(r, store.Key{}) {
		if w.Deleted == nil && match(w) {
			out = append(out, w.Address())
		}
	}
	return out
}

// DeleteWithin marks every workload for deletion that matches, inside a
// transaction of somebody else, such as the deletion of their owner.
func (s *Service) DeleteWithin(tx *store.Tx, match func(*Workload) bool) error {
	var ids []string
	for w := range workloads.All(tx) {
		if w.Deleted == nil && match(w) {
			ids = append(ids, w.ID)
		}
	}
	for _, id := range ids {
		e := &edit{draft: newDraft(snapshot(tx, id), tx.Now()), s: s, tx: tx}
		if err := e.remove(); err != nil {
			return err
		}
		if err := s.write(tx, e.draft); err != nil {
			return err
		}
	}
	return nil
}
