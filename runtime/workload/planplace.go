package workload

import (
	"slices"
	"time"

	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// admit lets a new instance in, if nothing keeps it waiting.
func (d *draft) admit(n int, wd *world) bool {
	i := d.insts[n].row
	if i.Exit.Stuck {
		return d.await(n, Wait{Kind: WaitReturn, On: "its last run has not returned", Until: i.Wait.Until}, wd)
	}
	if i.Slot == Once {
		limit := d.w.Spec.Behave.Runs
		if limit.Max > 0 && !wd.runSlot(d, i) {
			w := Wait{Kind: WaitRunSlot}
			if limit.Queue > 0 {
				w.Until = i.CreatedAt.Add(limit.Queue)
				if i.CreatedAt.IsZero() {
					w.Until = d.now.Add(limit.Queue)
				}
				if !w.Until.After(d.now) {
					i = d.inst(n)
					i.Exit = Exit{Exit: driver.Exit{Code: driver.CodeError, Reason: "waited too long for its turn", At: d.now}, Outcome: OutcomeQueueTimeout}
					d.retire(n)
					return true
				}
			}
			return d.await(n, w, wd)
		}
		return d.place(n, wd)
	}
	k := d.find(i.Slot)
	if k < 0 {
		i = d.inst(n)
		i.Goal = GoalDestroy
		return true
	}
	if w, given := d.turn(k, n); given {
		d.giveUp(k, n, wd)
		return true
	} else if w.Kind != WaitNone {
		return d.await(n, w, wd)
	}
	if s := d.slots[k].row; s.NotBefore.After(d.now) {
		d.wakeAt(s.NotBefore)
		return d.await(n, Wait{Kind: WaitTime}, wd)
	}
	return d.place(n, wd)
}

// await notes what an instance waits for.
func (d *draft) await(n int, w Wait, wd *world) bool {
	i := d.insts[n].row
	if i.Exit.Stuck && w.Until.IsZero() {
		if t := d.effective(i).Verify.PlaceTimeout; t > 0 {
			w.Until = d.now.Add(t)
		}
	}
	if w.Kind == WaitReturn && !w.Until.IsZero() && !w.Until.After(d.now) {
		d.inst(n)
		d.failPlace(n, wd, "its last run has not returned")
		return true
	}
	d.wakeAt(w.Until)
	if i.Wait == w {
		return false
	}
	i = d.inst(n)
	i.Wait = w
	return false
}

// turn says what in its own workload a new instance waits for; given says that
// the sequence it belongs to has been given up.
func (d *draft) turn(k, n int) (w Wait, given bool) {
	i := d.insts[n].row
	if d.w.Spec.Rollout.Sequential && i.OpSeq != 0 {
		for j := range k {
			s := d.slots[j].row
			if s == nil || s.Goal != GoalRun {
				continue
			}
			if s.Spent {
				return Wait{}, true
			}
			if !d.settledSlot(j) {
				return Wait{Kind: WaitTurn}, false
			}
		}
	}
	for o := range d.inSlot(k) {
		if o >= n || !d.insts[o].row.State.Live() {
			continue
		}
		if p := d.insts[o].row; p.Goal == GoalRun && d.w.Spec.Rollout.Order == StartFirst && p.Gen < i.Gen {
			continue // it goes on beside the new one
		}
		return Wait{Kind: WaitPredecessor, On: d.insts[o].row.ID}, false
	}
	return Wait{}, false
}

// settledSlot reports whether the newest instance of slot j runs, or waits for
// room, so that the next in a sequence may go.
func (d *draft) settledSlot(j int) bool {
	for o := range d.inSlot(j) {
		p := d.insts[o].row
		if p.Goal == GoalDestroy {
			continue
		}
		return p.Up && p.State.Live() || p.Wait.Kind == WaitCapacity
	}
	return false
}

// giveUp ends a new instance whose sequence has been given up. If an older
// generation still serves the slot, that stays what is wanted there.
func (d *draft) giveUp(k, n int, wd *world) {
	i := d.inst(n)
	i.Exit = Exit{Exit: driver.Exit{Code: driver.CodeError, Reason: "an instance before it could not be started", At: d.now}, Outcome: OutcomeFailed}
	for o := range d.inSlot(k) {
		if p := d.insts[o].row; o < n && p.State.Live() && p.Goal == GoalRun {
			d.slot(k).Gen = p.Gen
			d.retire(n)
			return
		}
	}
	d.slot(k).Spent = true
	d.released(n, wd)
}

// place finds a machine for a new instance and begins its run there.
func (d *draft) place(n int, wd *world) bool {
	i := d.insts[n].row
	spec := d.effective(i)
	ms := d.machines(wd)
	need := fleet.Need{
		Resources: spec.reserves(), Machine: spec.Place.Machine, Realm: d.w.Realm,
		Hard: spec.Place.Hard, Soft: spec.Place.Soft, Prefer: i.Machine, HasTag: wd.hasTag,
		Reaches: func(m *fleet.Machine) bool { return wd.reaches(spec.Driver, m) },
	}
	if len(ms) > 1 {
		need.Load = func(m *fleet.Machine) int { return d.load(m.ID) }
	}
	at, lack := fleet.Choose(ms, need)
	var bound []driver.Bound
	if at >= 0 {
		var ok bool
		if bound, ok = d.bind(i, spec, ms[at].ID, wd); !ok {
			if wd.short != nil && wd.short() {
				d.more = true
				return false
			}
			at, lack = -1, "ports"
		}
	}
	if at < 0 {
		return d.crowded(n, spec, lack, wd)
	}
	i = d.inst(n)
	ms[at].Used = ms[at].Used.Plus(spec.reserves())
	if !slices.Equal(i.Ports, bound) {
		i.Env, i.EnvMade = nil, false // it tells of the ports
	}
	i.Machine, i.Reserved, i.Ports, i.PlacedAt = ms[at].ID, spec.reserves(), bound, d.now
	d.begin(n, wd)
	return true
}

func (d *draft) load(machine string) int {
	n := 0
	for k := range d.insts {
		if row := d.insts[k].row; row != nil && row.Machine == machine && row.State.Placed() {
			n++
		}
	}
	return n
}

// bind gives an instance its ports. A record that comes back to its machine
// keeps those it has.
func (d *draft) bind(i *Instance, spec *Spec, machine string, wd *world) ([]driver.Bound, bool) {
	if len(spec.Ports) == 0 {
		return nil, true
	}
	if i.Machine == machine && len(i.Ports) == len(spec.Ports) {
		same := true
		for k, p := range spec.Ports {
			same = same && i.Ports[k].Port == p
		}
		if same {
			return i.Ports, true
		}
	}
	out := make([]driver.Bound, len(spec.Ports))
	for k, p := range spec.Ports {
		b, ok := wd.port(machine, p)
		if !ok {
			return nil, false
		}
		out[k] = b
	}
	return out, true
}

// crowded lets an instance wait for room. In a rollout that starts the new one
// first the old one then gives way.
func (d *draft) crowded(n int, spec *Spec, lack string, wd *world) bool {
	i := d.insts[n].row
	if k := d.find(i.Slot); k >= 0 {
		for o := range d.inSlot(k) {
			if p := d.insts[o].row; o < n && p.State.Live() && p.Goal == GoalRun && p.Gen < i.Gen {
				d.inst(o).Goal = GoalDestroy
				return true
			}
		}
	}
	w := Wait{Kind: WaitCapacity, On: "no machine: " + lack, Until: i.Wait.Until}
	if i.Wait.Kind != WaitCapacity {
		w.Until = time.Time{}
		if t := spec.Verify.PlaceTimeout; t > 0 {
			w.Until = d.now.Add(t)
		}
		d.say(i, "instance in slot %d cannot be placed: %s", i.Slot, w.On)
	}
	if !w.Until.IsZero() && !w.Until.After(d.now) {
		d.failPlace(n, wd, w.On)
		return true
	}
	d.wakeAt(d.now.Add(placeRetry))
	d.wakeAt(w.Until)
	if i.Wait != w || i.OpSeq != 0 {
		i = d.inst(n)
		i.Wait, i.OpSeq = w, 0
	}
	return false
}

// failPlace ends an instance that found no place in time. Trying again is what
// it has done all the time, so the slot is spent.
func (d *draft) failPlace(n int, wd *world, reason string) {
	i := d.inst(n)
	stuck := i.Exit.Stuck
	i.Exit = Exit{Exit: driver.Exit{Code: driver.CodeError, Reason: reason, At: d.now}, Outcome: OutcomeFailed, Stuck: stuck}
	i.Next, i.Wait = ActionNone, Wait{}
	if k := d.find(i.Slot); k >= 0 {
		d.slot(k).Spent = true
	}
	d.released(n, wd)
}

// begin starts a run of a placed instance.
func (d *draft) begin(n int, wd *world) {
	i := d.inst(n)
	i.Run++
	i.Swept = false
	i.Up, i.Next, i.Wait, i.StartedAt, i.SpecVersion = false, ActionNone, Wait{}, d.now, d.version()
	if i.State = StateSetup; !wd.connects(d.w) {
		i.State = StateStarting
		d.makeEnv(i, wd)
	}
	d.send(n, verbStart, 0)
}
