package workload

import (
	"slices"
	"time"

	"github.com/atoll-platform/atoll/internal/store"
)

// Snapshot is one workload with all that belongs to it, as of one index. What
// is said about a workload is a pure function of a Snapshot and a time. The rows
// in it are constants.
type Snapshot struct {
	Index       uint64
	Workload    *Workload
	Slots       []*Slot     // by Index
	Instances   []*Instance // by Seq; retired ones and single runs too
	Generations []*Generation
	Status      *Status
}

// snapshot reads the workload id; nil if there is none.
func snapshot(r store.Reader, id string) *Snapshot {
	w, ok := workloads.Get(r, id)
	if !ok {
		return nil
	}
	s := &Snapshot{Index: r.Index(), Workload: w, Status: &Status{Workload: id}}
	if st, ok := statuses.Get(r, id); ok {
		s.Status = st
	}
	key := store.KeyOf(id)
	s.Slots = slices.Collect(slotsByWorkload.All(r, key))
	s.Instances = slices.Collect(instancesByWorkload.All(r, key))
	if w.Gen > 1 {
		s.Generations = slices.Collect(generationsByWorkload.All(r, key))
	}
	return s
}

// Slot returns the slot of that index.
func (s *Snapshot) Slot(index int) (*Slot, bool) {
	at, ok := slices.BinarySearchFunc(s.Slots, index, func(x *Slot, i int) int { return x.Index - i })
	if !ok {
		return nil, false
	}
	return s.Slots[at], true
}

// Instance returns the instance of that id.
func (s *Snapshot) Instance(id string) (*Instance, bool) {
	for _, i := range s.Instances {
		if i.ID == id {
			return i, true
		}
	}
	return nil, false
}

// Effective returns the spec that instance i follows: the present one, with the
// template of its own generation; with a Manual rollout the whole spec of its
// generation.
func (s *Snapshot) Effective(i *Instance) *Spec {
	return effective(s.Workload, s.Generations, i.Gen)
}

func effective(w *Workload, gens []*Generation, gen uint64) *Spec {
	if gen == w.Gen {
		return &w.Spec
	}
	for _, g := range gens {
		if g.Gen != gen {
			continue
		}
		if w.Spec.Rollout.Order == Manual {
			return &g.Spec
		}
		spec := w.Spec
		spec.Template, spec.Defaults = g.Spec.Template, g.Spec.Defaults
		return &spec
	}
	return &w.Spec
}

// UnderWay reports whether the last operation on the workload has not been
// answered by every instance that it touched.
func (s *Snapshot) UnderWay() bool {
	seq := s.Status.Op.Seq
	if seq == 0 {
		return false
	}
	for _, i := range s.Instances {
		if i.OpSeq == seq {
			return true
		}
	}
	return false
}

// Running counts the instances in slots that run.
func (s *Snapshot) Running() int {
	n := 0
	for _, i := range s.Instances {
		if i.Slot != Once && (i.State == StateRunning || i.State == StateUpdating) {
			n++
		}
	}
	return n
}

// Score is the health of the workload, from 0 to 1: the share of the wanted
// instances that run.
func (s *Snapshot) Score() float64 {
	switch {
	case s.Workload.State != Started || s.Workload.Deleted != nil:
		return 0
	case s.Workload.Count == 0:
		return 1
	}
	return min(1, float64(s.Running())/float64(s.Workload.Count))
}

// Flapping reports whether the workload flaps at now.
func (s *Snapshot) Flapping(now time.Time) bool {
	is, _ := s.Workload.Spec.Recover.Flap.Flapping(s.Slots, s.Workload.Count, now)
	return is
}

// Successor returns the live instance that takes the place of i in its slot, nil if there is none.
func (s *Snapshot) Successor(i *Instance) *Instance {
	for _, o := range slices.Backward(s.Instances) {
		if o.Seq <= i.Seq {
			return nil
		}
		if o.Slot == i.Slot && o.Slot != Once && o.Retired == nil && o.Goal != GoalDestroy {
			return o
		}
	}
	return nil
}
