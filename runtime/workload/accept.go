package workload

import (
	"context"
	"slices"
	"time"

	"github.com/atoll-platform/atoll/internal/store"
)

// acceptance is what follows from an operation once it is committed.
type acceptance struct {
	drafts  []*draft
	runners []*runner // in place before the commit: whoever sees their rows finds them
	planned bool
	again   bool // there is more to do than could be done inside
	wake    time.Time
}

// transact writes the draft that fn makes, lets within, which may be nil, add to
// it, and takes the steps that are due at once, so that what can start does so
// without a further commit. It returns the state at acceptance: what was asked
// for, and nothing yet of those steps.
func (s *Service) transact(ctx context.Context, fn func(tx *store.Tx) (*draft, error), within func(*store.Tx, *Snapshot) error) (*Snapshot, error) {
	a := &acceptance{planned: s.sup.turns.try()}
	if a.planned {
		defer s.sup.turns.end()
	}
	var snap *Snapshot
	index, err := s.st.Update(ctx, func(tx *store.Tx) error {
		d, err := fn(tx)
		if err != nil {
			return err
		}
		answer := d.snapshot
		if within == nil && d.touched() && a.planned {
			answer = d.accepted()
			a.plan(s, tx, d)
		}
		if err := a.write(s, tx, d); err != nil {
			return err
		}
		snap = answer(tx.Index())
		if within != nil {
			if err := within(tx, snap); err != nil {
				return err
			}
			if d.touched() {
				d = newDraft(snap, tx.Now())
				d.fresh = true
				a.plan(s, tx, d)
				if err := a.write(s, tx, d); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		s.sup.withdraw(a)
		return nil, err
	}
	if len(a.drafts) > 0 {
		s.sup.take(a, snap.Workload, index)
	}
	return snap, nil
}

// accepted returns a function for the snapshot of the draft as it is now, to be
// called once the draft is written: a plan edits rows in place, and writing gives
// them their ids and versions.
func (d *draft) accepted() func(index uint64) *Snapshot {
	was := *d
	if d.w != d.base.Workload {
		c := *d.w
		was.w = &c
	}
	if d.st != d.base.Status {
		c := *d.st
		was.st = &c
	}
	was.slots = slices.Clone(d.slots)
	for k := range was.slots {
		if e := &was.slots[k]; e.row != nil && e.row != e.old {
			c := *e.row
			e.row = &c
		}
	}
	was.insts = slices.Clone(d.insts)
	for n := range was.insts {
		if e := &was.insts[n]; e.row != nil && e.row != e.old {
			c := *e.row
			e.row = &c
		}
	}
	return func(index uint64) *Snapshot {
		if d.w != nil && was.w != d.base.Workload {
			was.w.Meta, was.w.Seq = d.w.Meta, d.w.Seq
		}
		for n := range was.insts {
			if e, is := &was.insts[n], d.insts[n].row; is != nil && e.row != nil && e.row != e.old {
				e.row.Meta, e.row.Seq, e.row.Num = is.Meta, is.Seq, is.Num
			}
		}
		return was.snapshot(index)
	}
}

// plan takes the steps that are due. Nothing may be dropped yet that the caller
// is to be shown, and no port be looked for.
func (a *acceptance) plan(s *Service, tx *store.Tx, d *draft) {
	if !a.planned {
		return
	}
	ports := &proposals{s: s, closed: true}
	wd := s.sup.world(tx, ports)
	wd.limit, wd.keep = 0, true
	plan(d, nil, wd)
	a.again, a.wake = d.more || ports.short, d.wake
}

func (a *acceptance) write(s *Service, tx *store.Tx, d *draft) error {
	if !d.touched() {
		return nil
	}
	if err := s.write(tx, d); err != nil {
		return err
	}
	a.drafts = append(a.drafts, d)
	s.sup.own(tx.Index(), d)
	if s.sup.divert == nil {
		a.runners = append(a.runners, s.sup.shard(d.base.Workload.ID).prepare(tx, d)...)
	}
	return nil
}

// prepare makes the runners that a draft starts. They are found from now on, and
// begin after the commit.
func (sh *shard) prepare(r store.Reader, d *draft) (made []*runner) {
	for k := range d.commands {
		if c := &d.commands[k]; c.verb == verbStart {
			w := newRunner(sh, r, d, c)
			sh.add(w)
			made = append(made, w)
			c.verb = verbNone
		}
	}
	return made
}

// withdraw forgets the runners of a transaction that was not committed.
func (sup *supervisor) withdraw(a *acceptance) {
	for _, r := range a.runners {
		r.sh.remove(r.inst.Workload, r.key())
		r.cancel()
	}
}

// take does what follows from a committed operation.
func (sup *supervisor) take(a *acceptance, w *Workload, index uint64) {
	if sup.divert != nil {
		for _, d := range a.drafts {
			sup.divert(d)
		}
		return
	}
	for _, r := range a.runners {
		sup.begin(r)
	}
	sh := sup.shard(w.ID)
	for _, d := range a.drafts {
		sh.after(d)
	}
	if !a.planned || a.again {
		sup.mark(w.ID)
		return
	}
	sup.timers.set(w.ID, w.Seq, a.wake, index)
}
