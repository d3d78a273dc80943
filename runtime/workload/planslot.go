package workload

import (
	"slices"
	"time"
)

// fill sees to it that every slot that runs has its instance, of the wanted
// generation. Operations use it at acceptance, the supervisor ever after.
func (d *draft) fill(wd *world) {
	for k := range d.slots {
		if wd != nil && wd.limit > 0 && d.changes >= wd.limit {
			d.more = true
			return
		}
		s := d.slots[k].row
		switch {
		case s == nil:
		case s.Goal != GoalRun:
			for n := range d.inSlot(k) {
				if i := d.insts[n].row; i.State.Live() && i.Goal == GoalRun {
					d.inst(n).Goal = GoalStop
				}
			}
		case !s.Spent:
			d.occupy(k)
		}
	}
}

// occupy makes or revives the instance of one slot that runs.
func (d *draft) occupy(k int) {
	s := d.slots[k].row
	order := d.w.Spec.Rollout.Order
	cur, deleting, live := -1, false, 0
	for n := range d.inSlot(k) {
		i := d.insts[n].row
		if i.State.Live() {
			live++
		}
		switch {
		case i.Goal == GoalDestroy:
			deleting = deleting || i.Gen == s.Gen && i.State.Live()
		case i.Gen == s.Gen || order == Manual && !i.State.Live():
			if cur < 0 {
				cur = n
			}
		}
	}
	switch {
	case cur >= 0:
		if i := d.insts[cur].row; i.State == StateEnded {
			d.revive(cur, s.Gen)
		}
	case deleting:
		return // recovery decides when it has ended
	case live >= 2 || order == Manual && live > 0:
	default:
		n := d.create(k, s.Gen)
		for o := range d.inSlot(k) {
			if o != n && d.insts[o].row.State == StateEnded {
				d.inst(o).Goal = GoalDestroy
			}
		}
		cur = n
	}
	if order != Manual {
		d.rollOver(k, cur)
	}
}

// revive lets a record at rest run again.
func (d *draft) revive(n int, gen uint64) {
	i := d.inst(n)
	i.State, i.Goal, i.Next, i.Wait = StateNew, GoalRun, ActionNone, Wait{}
	if i.Gen != gen {
		i.Gen, i.Env, i.EnvMade = gen, nil, false
	}
}

// rollOver lets the older generations of a slot go when it is time.
func (d *draft) rollOver(k, cur int) {
	s := d.slots[k].row
	r := &d.w.Spec.Rollout
	serving := cur >= 0 && d.insts[cur].row.State >= StateRunning && d.insts[cur].row.State <= StateUpdating
	for n := range d.inSlot(k) {
		i := d.insts[n].row
		if i.Gen >= s.Gen || i.Goal != GoalRun || !i.State.Live() {
			continue
		}
		leave := serving
		switch r.Order {
		case StopFirst:
			if cur >= 0 {
				w, given := d.turn(k, cur)
				leave = !given && w.Kind != WaitTurn
			}
		case StartFirst:
			if i.State != StateRunning && i.State != StateUpdating {
				leave = true // it does not serve anyway
			}
			if until := d.until(i.Gen); r.ForceOldAfter > 0 && !until.IsZero() {
				if end := until.Add(r.ForceOldAfter); !end.After(d.now) {
					leave = true
				} else {
					d.wakeAt(end)
				}
			}
		}
		if leave {
			d.inst(n).Goal = GoalDestroy
		}
	}
}

// until returns when a generation was superseded.
func (d *draft) until(gen uint64) (t time.Time) {
	for _, g := range d.gens {
		if g.Gen == gen {
			t = g.Until
		}
	}
	return t
}

// flap keeps the period of flapping, and gives the workload up after too much of it.
func (d *draft) flap(wd *world) {
	f := d.w.Spec.Recover.Flap
	if f.Min <= 0 || d.w.State != Started || d.w.Deleted != nil {
		return
	}
	now := d.now
	rows := make([]*Slot, 0, len(d.slots))
	any := false
	for k := range d.slots {
		if s := d.slots[k].row; s != nil {
			rows = append(rows, s)
			any = any || len(s.Restarts)+len(s.Replaces) > 0
		}
	}
	if !any && d.st.FlapSince.IsZero() {
		return
	}
	is, next := f.Flapping(rows, d.w.Count, now)
	st := d.st
	switch {
	case is && st.FlapSince.IsZero():
		st = d.status()
		st.FlapSince, st.FlapFalse = now, time.Time{}
		d.notes = append(d.notes, note{"", "the workload flaps"})
	case is && !st.FlapFalse.IsZero():
		st = d.status()
		st.FlapFalse = time.Time{}
	case !is && !st.FlapSince.IsZero() && st.FlapFalse.IsZero():
		st = d.status()
		st.FlapFalse = now
	}
	if !st.FlapFalse.IsZero() {
		if end := st.FlapFalse.Add(f.Window); !end.After(now) {
			st = d.status()
			st.FlapSince, st.FlapFalse = time.Time{}, time.Time{}
		} else {
			d.wakeAt(end)
		}
	}
	if st.FlapSince.IsZero() {
		return
	}
	d.wakeAt(next)
	if f.Errored <= 0 {
		return
	}
	if end := st.FlapSince.Add(f.Errored); end.After(now) {
		d.wakeAt(end)
		return
	}
	d.workload().State = Errored
	for k := range d.slots {
		if s := d.slots[k].row; s != nil && s.Goal == GoalRun {
			d.slot(k).Goal = GoalStop
			for n := range d.inSlot(k) {
				if i := d.insts[n].row; i.State.Live() && i.Goal == GoalRun {
					d.inst(n).Goal = GoalStop
				}
			}
		}
	}
	d.notes = append(d.notes, note{"", "the workload is errored: it has flapped for too long"})
}

// sweep drops the directories that are kept no longer. One in which a run may
// still work that was abandoned stays.
func (d *draft) sweep() {
	after := d.w.Spec.Behave.DirAfter
	for n := range d.insts {
		i := d.insts[n].row
		if i == nil || i.State != StateEnded || i.Run == 0 || i.Swept || i.Exit.Stuck {
			continue
		}
		end := i.Exit.At.Add(after)
		switch {
		case after == WhileInSlot && i.Retired == nil:
			continue
		case after != WhileInSlot && end.After(d.now):
			d.wakeAt(end)
			continue
		}
		i = d.inst(n)
		i.Swept = true
		d.commands = append(d.commands, command{inst: i, verb: verbSweep})
	}
}

// expire drops the rows that nobody may read any more.
func (d *draft) expire(keep bool) {
	b := &d.w.Spec.Behave
	kept, rows := 0, 0
	for n := range slices.Backward(d.insts) {
		i := d.insts[n].row
		if i == nil {
			continue
		}
		rows++
		if i.Retired == nil || i.Exit.Stuck {
			continue
		}
		kept++
		end := i.Retired.Add(b.Retain)
		if end.After(d.now) && (b.RetainMax <= 0 || kept <= b.RetainMax) {
			d.wakeAt(end)
			continue
		}
		if keep {
			d.more = true
			continue
		}
		d.commands = append(d.commands, command{inst: i, verb: verbDrop})
		d.insts[n].row = nil
		d.changes++
		rows--
	}
	d.expireGenerations()
	if d.w.Deleted == nil || rows > 0 {
		return
	}
	if end := d.w.Deleted.Add(b.Tombstone); end.After(d.now) {
		d.wakeAt(end)
		return
	}
	if keep {
		d.more = true
		return
	}
	d.w = nil
	d.changes++
}

func (d *draft) expireGenerations() {
	var kept []*Generation
	for _, g := range d.gens {
		if slices.ContainsFunc(d.insts, func(e instEntry) bool { return e.row != nil && e.row.Gen == g.Gen }) {
			kept = append(kept, g)
			continue
		}
		d.gone = append(d.gone, g)
		d.changes++
	}
	if len(kept) != len(d.gens) {
		d.gens = kept
	}
}

// phase notes when the workload as a whole came up, went down and was gone.
func (d *draft) phase() {
	if d.w == nil {
		return
	}
	live, up, rows, under := false, false, false, false
	for n := range d.insts {
		i := d.insts[n].row
		if i == nil || i.Retired != nil || i.Slot == Once {
			continue
		}
		rows = true
		live = live || i.State.Live()
		up = up || i.State == StateRunning || i.State == StateUpdating
		under = under || i.OpSeq != 0 && i.OpSeq == d.st.Op.Seq
	}
	phase := d.st.Phase
	switch {
	case under && !live:
	case !rows:
		phase = PhaseNone
	case !live:
		phase = PhaseDown
	case up && !under:
		phase = PhaseUp
	case !up:
		phase = PhaseStarting
	}
	if phase != d.st.Phase {
		st := d.status()
		st.Phase = phase
		switch phase {
		case PhaseUp:
			st.Started = d.now
		case PhaseDown:
			st.Stopped = d.now
		}
	}
	if up && !under { // an operation may be over that left something up all the time
		op := &d.st.Op
		if (op.Kind == OpCreate || op.Kind == OpStart) && d.st.Started.Before(op.At) {
			d.status().Started = d.now
		}
		if (op.Kind == OpCreate || op.Kind == OpRollout) && d.st.Deployed.Before(op.At) {
			d.status().Deployed = d.now
		}
	}
	if d.w.Deleted != nil && !live && d.st.Destroyed.IsZero() {
		d.status().Destroyed = d.now
	}
}
