package workload

import (
	"slices"

	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// write puts what a draft changed into a transaction. The capacity and the ports
// of machines follow from the instances alone, so that they are always the sum
// of what is placed.
func (s *Service) write(tx *store.Tx, d *draft) error {
	w := &writer{tx: tx, used: map[string]usage{}}
	if err := w.shape(d); err != nil {
		return err
	}
	same := d.w != nil && !d.fresh && d.w != d.base.Workload && d.w.Version == d.base.Workload.Version // edited there and back again
	for n := range d.insts {
		e := &d.insts[n]
		if e.old == e.row {
			continue
		}
		if same && e.row != nil {
			e.row.SpecVersion = min(e.row.SpecVersion, d.w.Version)
		}
		if e.row != nil && e.old == nil {
			if err := s.number(tx, d, e.row); err != nil {
				return err
			}
		}
		if err := w.instance(e); err != nil {
			return err
		}
	}
	for _, r := range d.results {
		if err := w.result(r); err != nil {
			return err
		}
	}
	if err := w.account(); err != nil {
		return err
	}
	return s.departed(tx, d)
}

// number gives a new instance its id and numbers.
func (s *Service) number(tx *store.Tx, d *draft, i *Instance) error {
	if i.ID == "" {
		i.ID = s.newID()
	}
	seq, err := tx.Next("", "workloadinstance")
	if err != nil {
		return err
	}
	i.Seq = uint64(seq)
	if err := numbers.Insert(tx, &numberRow{Seq: i.Seq, Instance: i.ID}); err != nil {
		return err
	}
	if i.Slot == Once {
		num, err := tx.Next(d.base.Workload.Tenant, "trace")
		if err != nil {
			return err
		}
		i.Num = uint64(num)
	}
	return nil
}

type usage struct {
	sum   fleet.Resources
	count int
}

// writer writes the rows of one draft.
type writer struct {
	tx    *store.Tx
	used  map[string]usage // by machine, changes
	freed bool
}

// shape writes what is not an instance.
func (w *writer) shape(d *draft) error {
	if d.w == nil {
		return w.forget(d)
	}
	if d.w != d.base.Workload {
		if err := workloads.Put(w.tx, d.w); err != nil {
			return err
		}
	}
	if d.st != d.base.Status {
		if err := statuses.Put(w.tx, d.st); err != nil {
			return err
		}
	}
	for k := range d.slots {
		switch e := &d.slots[k]; {
		case e.row == e.old:
		case e.row == nil:
			if _, err := slots.Delete(w.tx, slotKey(e.old)); err != nil {
				return err
			}
		default:
			if err := slots.Put(w.tx, e.row); err != nil {
				return err
			}
		}
	}
	for _, g := range d.born {
		if err := generations.Put(w.tx, g); err != nil {
			return err
		}
	}
	for _, g := range d.gone {
		if _, err := generations.Delete(w.tx, generationKey(g)); err != nil {
			return err
		}
	}
	return nil
}

// forget deletes a workload that nobody may read any more.
func (w *writer) forget(d *draft) error {
	id := d.base.Workload.ID
	for _, s := range d.base.Slots {
		if _, err := slots.Delete(w.tx, slotKey(s)); err != nil {
			return err
		}
	}
	for _, g := range slices.Collect(generationsByWorkload.All(w.tx, store.KeyOf(id))) {
		if _, err := generations.Delete(w.tx, generationKey(g)); err != nil {
			return err
		}
	}
	if _, err := statuses.Delete(w.tx, id); err != nil {
		return err
	}
	_, err := workloads.Delete(w.tx, id)
	return err
}

// instance writes one instance and what it holds of machines.
func (w *writer) instance(e *instEntry) error {
	w.move(e.old, -1)
	w.move(e.row, 1)
	if err := w.ports(e.old, e.row); err != nil {
		return err
	}
	switch {
	case e.row != nil:
		return instances.Put(w.tx, e.row)
	case e.old != nil:
		if _, err := results.Delete(w.tx, e.old.ID); err != nil {
			return err
		}
		if _, err := numbers.Delete(w.tx, numberKey(e.old.Seq)); err != nil {
			return err
		}
		_, err := instances.Delete(w.tx, e.old.ID)
		return err
	}
	return nil
}

func (w *writer) move(i *Instance, sign int) {
	if i == nil || !i.State.Placed() {
		return
	}
	u := w.used[i.Machine]
	if u.count += sign; sign > 0 {
		u.sum = u.sum.Plus(i.Reserved)
	} else {
		u.sum = u.sum.Minus(i.Reserved)
	}
	w.used[i.Machine] = u
}

// account writes what machines have gained and lost.
func (w *writer) account() error {
	ids := make([]string, 0, len(w.used))
	for id, u := range w.used {
		if u != (usage{}) {
			ids = append(ids, id)
			w.freed = w.freed || u.count < 0
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		if err := fleet.Account(w.tx, id, w.used[id].sum, w.used[id].count); err != nil {
			return err
		}
	}
	return nil
}

// held are the ports that an instance keeps others from.
func held(i *Instance) (string, []driver.Bound) {
	if i == nil || i.Retired != nil && !i.Exit.Stuck {
		return "", nil
	}
	return i.Machine, i.Ports
}

func (w *writer) ports(old, row *Instance) error {
	wasOn, was := held(old)
	isOn, is := held(row)
	if len(was) == 0 && len(is) == 0 || wasOn == isOn && slices.Equal(was, is) {
		return nil
	}
	for _, b := range was {
		key := portKey(wasOn, b.Outer)
		if p, ok := takenPorts.Get(w.tx, key); ok && p.Instance == old.ID {
			if _, err := takenPorts.Delete(w.tx, key); err != nil {
				return err
			}
		}
	}
	for _, b := range is {
		if err := takenPorts.Insert(w.tx, &portRow{Machine: isOn, Number: b.Outer, Instance: row.ID}); err != nil {
			return err
		}
	}
	return nil
}

// result adds to what a single run left.
func (w *writer) result(r *RunResult) error {
	row := *r
	if old, ok := results.Get(w.tx, r.Instance); ok {
		if row.Args == nil {
			row.Args = old.Args
		}
	}
	if _, ok := instances.Get(w.tx, r.Instance); !ok {
		return nil
	}
	return results.Put(w.tx, &row)
}

func slotKey(s *Slot) string             { return portKey(s.Workload, s.Index) }
func generationKey(g *Generation) string { return portKey(g.Workload, int(g.Gen)) }
