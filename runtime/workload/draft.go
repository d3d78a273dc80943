package workload

import (
	"sort"
	"time"

	"github.com/atoll-platform/atoll/runtime/fleet"
)

// draft is a Snapshot under change: rows are copied when they are first edited.
// Operations and the supervisor alike edit drafts; commit writes them.
type draft struct {
	now  time.Time
	base *Snapshot

	w     *Workload
	st    *Status
	slots []slotEntry // by Index; those taken away have no row
	insts []instEntry // by Seq, then new ones
	gens  []*Generation
	born  []*Generation // new rows of gens
	gone  []*Generation // dropped rows

	ms    []fleet.Machine            // with Used as this draft makes it; nil until asked for
	freed map[string]fleet.Resources // by machine, before ms was asked for

	results  []*RunResult
	commands []command
	notes    []note
	wake     time.Time // when there is something to look at again
	changes  int       // rows edited
	steps    int       // taken by a plan
	more     bool      // stopped at the limit of one pass
	fresh    bool      // base is of the same transaction
}

type slotEntry struct {
	old, row *Slot
	last     int // newest instance of the slot in insts, -1 = none
}

type instEntry struct {
	old, row *Instance
	prev     int // next older instance of the slot
}

// note is a line for the owner of the workload, from the supervisor.
type note struct {
	instance string
	text     string
}

func newDraft(s *Snapshot, now time.Time) *draft {
	d := &draft{now: now, base: s, w: s.Workload, st: s.Status, gens: s.Generations}
	d.slots = make([]slotEntry, len(s.Slots), len(s.Slots)+4)
	for k, row := range s.Slots {
		d.slots[k] = slotEntry{row, row, -1}
	}
	d.insts = make([]instEntry, 0, len(s.Instances)+4)
	for _, row := range s.Instances {
		d.join(instEntry{old: row, row: row})
	}
	return d
}

// join adds an instance at the end and links it to its slot.
func (d *draft) join(e instEntry) int {
	e.prev = -1
	n := len(d.insts)
	if e.row.Slot != Once && e.row.Retired == nil {
		if k := d.find(e.row.Slot); k >= 0 {
			e.prev, d.slots[k].last = d.slots[k].last, n
		}
	}
	d.insts = append(d.insts, e)
	return n
}

// find returns the position of a slot, -1 if it is not there.
func (d *draft) find(index int) int {
	if index < 0 {
		return -1
	}
	if index < len(d.slots) && d.indexAt(index) == index {
		return d.present(index)
	}
	k := sort.Search(len(d.slots), func(k int) bool { return d.indexAt(k) >= index })
	if k < len(d.slots) && d.indexAt(k) == index {
		return d.present(k)
	}
	return -1
}

func (d *draft) indexAt(k int) int {
	if d.slots[k].row != nil {
		return d.slots[k].row.Index
	}
	return d.slots[k].old.Index
}

func (d *draft) present(k int) int {
	if d.slots[k].row == nil {
		return -1
	}
	return k
}

// workload returns the workload for editing.
func (d *draft) workload() *Workload {
	if d.w == d.base.Workload {
		c := *d.w
		d.w = &c
		d.changes++
	}
	return d.w
}

// status returns the status for editing.
func (d *draft) status() *Status {
	if d.st == d.base.Status {
		c := *d.st
		d.st = &c
		d.changes++
	}
	return d.st
}

// slot returns the slot at position k for editing.
func (d *draft) slot(k int) *Slot {
	e := &d.slots[k]
	if e.row == e.old {
		c := *e.row
		e.row = &c
		d.changes++
	}
	return e.row
}

// inst returns the instance at position n for editing.
func (d *draft) inst(n int) *Instance {
	e := &d.insts[n]
	if e.row == e.old {
		c := *e.row
		e.row = &c
		d.changes++
	}
	return e.row
}

// addSlot makes a slot that runs.
func (d *draft) addSlot(index int) int {
	row := &Slot{Workload: d.w.ID, Index: index, Gen: d.w.Gen, Epoch: 1}
	d.changes++
	k := sort.Search(len(d.slots), func(k int) bool { return d.indexAt(k) >= index })
	if k < len(d.slots) && d.indexAt(k) == index { // taken away before, in this draft
		d.slots[k].row = row
		return k
	}
	d.slots = append(d.slots, slotEntry{})
	copy(d.slots[k+1:], d.slots[k:])
	d.slots[k] = slotEntry{row: row, last: -1}
	return k
}

// dropSlot takes a slot away. Its instances stay, without one.
func (d *draft) dropSlot(k int) {
	if d.slots[k].row != nil {
		d.slots[k].row = nil
		d.changes++
	}
}

// create makes a new instance in slot k.
func (d *draft) create(k int, gen uint64) int {
	s := d.slots[k].row
	d.changes++
	return d.join(instEntry{row: &Instance{Workload: d.w.ID, Slot: s.Index, Gen: gen, SpecVersion: d.version()}})
}

// inSlot yields the positions of the instances of slot k that have not
// retired, the newest first.
func (d *draft) inSlot(k int) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for n := d.slots[k].last; n >= 0; n = d.insts[n].prev {
			if row := d.insts[n].row; row != nil && row.Retired == nil && !yield(n) {
				return
			}
		}
	}
}

// wakeAt makes sure that the workload is looked at again at t.
func (d *draft) wakeAt(t time.Time) {
	if !t.IsZero() && (d.wake.IsZero() || t.Before(d.wake)) {
		d.wake = t
	}
}

func (d *draft) effective(i *Instance) *Spec { return effective(d.w, d.gens, i.Gen) }

// version is what the Version of the workload will be.
func (d *draft) version() uint64 {
	if d.fresh || d.w == d.base.Workload {
		return d.base.Workload.Version
	}
	return d.base.Workload.Version + 1
}

// touched returns whether something is to be written.
func (d *draft) touched() bool { return d.changes > 0 }

// snapshot returns what the draft has, as of the commit that writes it.
func (d *draft) snapshot(index uint64) *Snapshot {
	s := &Snapshot{Index: index, Workload: d.w, Status: d.st, Generations: d.gens}
	s.Slots = make([]*Slot, 0, len(d.slots))
	for k := range d.slots {
		if d.slots[k].row != nil {
			s.Slots = append(s.Slots, d.slots[k].row)
		}
	}
	s.Instances = make([]*Instance, 0, len(d.insts))
	for n := range d.insts {
		if d.insts[n].row != nil {
			s.Instances = append(s.Instances, d.insts[n].row)
		}
	}
	return s
}

// machines returns the machines with what this draft has taken and given back.
func (d *draft) machines(wd *world) []fleet.Machine {
	if d.ms == nil {
		d.ms = wd.machines()
		for k := range d.ms {
			d.ms[k].Used = d.ms[k].Used.Minus(d.freed[d.ms[k].ID])
		}
	}
	return d.ms
}

// vacate takes an instance to a state in which it is not placed.
func (d *draft) vacate(i *Instance, to State) {
	if i.State.Placed() {
		if d.ms == nil {
			if d.freed == nil {
				d.freed = map[string]fleet.Resources{}
			}
			d.freed[i.Machine] = d.freed[i.Machine].Plus(i.Reserved)
		}
		for k := range d.ms {
			if d.ms[k].ID == i.Machine {
				d.ms[k].Used = d.ms[k].Used.Minus(i.Reserved)
			}
		}
	}
	i.State = to
}
