package workload

import (
	"context"
	"math"
	"strings"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// pass brings one workload in step: it plans on the newest state, writes what
// the plan changed unless somebody was faster, in which case it plans again in
// the transaction, and only then tells runners.
func (sh *shard) pass(ctx context.Context, id string, check bool, reports []report) {
	s := sh.sup.s
	v := s.st.View()
	sn := sh.last
	if sn == nil || sn.Index != v.Index() || sn.Workload.ID != id {
		sn = snapshot(v, id)
	}
	sh.last = nil
	if sn == nil {
		sh.forget(id)
		return
	}
	ports := &proposals{s: s}
	lost := func(sn *Snapshot) []report {
		if !check {
			return reports
		}
		return append(reports[:len(reports):len(reports)], sh.lost(sn)...)
	}
	now, index := s.clock(), v.Index()
	d := newDraft(sn, now)
	wd := sh.sup.world(v, ports)
	wd.limit = max(passLimit, len(sn.Instances)/8)
	plan(d, lost(sn), wd)
	if d.touched() || len(d.results) > 0 {
		who := component
		if d.w != nil && d.w.State == Errored && sn.Workload.State != Errored {
			who = healthManager
		}
		ports.closed = true
		_, err := s.st.Update(policy.WithPrincipal(ctx, who), func(tx *store.Tx) error {
			if tx.Index() != v.Index()+1 {
				now := snapshot(tx, id)
				if now == nil {
					return atoll.Errorf(atoll.NotFound, "workload.pass", "gone")
				}
				if !sn.same(now) {
					d = newDraft(now, tx.Now())
				} else {
					d = newDraft(sn, tx.Now())
				}
				ports.next = 0
				wd := sh.sup.world(tx, ports)
				wd.limit = max(passLimit, len(now.Instances)/8)
				plan(d, lost(now), wd)
			}
			if who == healthManager {
				tx.Note("job.update", d.base.Workload.FQN, map[string]any{"state": "errored"})
			}
			if err := s.write(tx, d); err != nil {
				return err
			}
			sh.sup.own(tx.Index(), d)
			index = tx.Index()
			return nil
		})
		switch {
		case atoll.KindOf(err) == atoll.NotFound:
			sh.forget(id)
			return
		case err != nil:
			if ctx.Err() == nil {
				s.log.Warn("what a workload needs could not be written", "workload", id, "error", err)
			}
			sh.back(id, reports)
			sh.sup.timers.set(id, sn.Workload.Seq, s.now().Add(retryCommit), v.Index())
			return
		}
	}
	if d.w != nil && len(d.insts) > passLimit {
		sh.last = d.snapshot(index)
	}
	sh.after(d)
	if check {
		sh.orphans(d)
	}
	sh.sup.timers.set(id, sn.Workload.Seq, d.wake, index)
	if d.more || ports.short {
		sh.push(id, false)
	}
}

// same reports whether two snapshots consist of the same rows.
func (s *Snapshot) same(o *Snapshot) bool {
	if s.Workload != o.Workload || len(s.Slots) != len(o.Slots) || len(s.Instances) != len(o.Instances) || *s.Status != *o.Status {
		return false
	}
	for k := range s.Slots {
		if s.Slots[k] != o.Slots[k] {
			return false
		}
	}
	for k := range s.Instances {
		if s.Instances[k] != o.Instances[k] {
			return false
		}
	}
	return len(s.Generations) == len(o.Generations)
}

// lost reports placed instances that nothing runs.
func (sh *shard) lost(sn *Snapshot) []report {
	var out []report
	for _, i := range sn.Instances {
		if i.State.Placed() && i.State != StateBackoff && sh.runner(i.Workload, runKey{i.ID, i.Run}) == nil {
			out = append(out, report{instance: i.ID, run: i.Run, event: eventLost, at: sh.sup.s.clock()})
		}
	}
	return out
}

// orphans ends runs whose rows are gone or at another run.
func (sh *shard) orphans(d *draft) {
	all := sh.all(d.base.Workload.ID)
	if len(all) == 0 {
		return
	}
	holds := make(map[runKey]bool, len(d.insts))
	for n := range d.insts {
		if i := d.insts[n].row; i != nil && (i.State.Placed() || i.Exit.Stuck) {
			holds[runKey{i.ID, i.Run}] = true
		}
	}
	for _, r := range all {
		if !holds[r.key()] && r.born <= d.base.Index {
			sh.remove(r.inst.Workload, r.key())
			r.tell(verbLose, 0)
		}
	}
}

// forget ends what runs of a workload that is gone.
func (sh *shard) forget(id string) {
	for _, r := range sh.all(id) {
		sh.remove(id, r.key())
		r.tell(verbLose, 0)
	}
	sh.sup.timers.set(id, 0, time.Time{}, math.MaxUint64)
	sh.sup.s.books.drop(id)
}

// after sends the commands of a committed draft and wakes whom it made room for.
func (sh *shard) after(d *draft) {
	s := sh.sup.s
	id := d.base.Workload.ID
	for k := range d.commands {
		c := &d.commands[k]
		key := runKey{c.inst.ID, c.inst.Run}
		switch c.verb {
		case verbNone:
		case verbStart:
			r := newRunner(sh, s.st.View(), d, c)
			sh.add(r)
			sh.sup.begin(r)
		case verbGo:
			if r := sh.runner(id, key); r != nil {
				r.proceed(c.inst.Env)
			}
		case verbDrop:
			s.books.dropInstance(id, c.inst.ID)
			s.dropDir(c.inst)
		case verbSweep:
			s.dropDir(c.inst)
		default:
			sh.tell(id, key, c.verb, c.grace)
		}
	}
	freed, serves, stopped, groups := false, false, false, map[string]bool{}
	for n := range d.insts {
		e := &d.insts[n]
		if e.old == e.row || e.old == nil {
			continue
		}
		serves = serves || e.row == nil || e.row.State != e.old.State && (e.row.State == StateRunning || e.row.State == StateEnded)
		stopped = stopped || e.old.State.atWork() && (e.row == nil || !e.row.State.atWork())
		over := e.row == nil || !e.row.State.Placed() || e.row.Run != e.old.Run
		if e.old.State.Placed() && over && (e.row == nil || !e.row.Exit.Stuck) || e.row != nil && e.old.Exit.Stuck && !e.row.Exit.Stuck {
			freed = freed || e.row == nil || !e.row.State.Placed()
			if r := sh.remove(id, runKey{e.old.ID, e.old.Run}); r != nil {
				r.tell(verbLose, 0)
			}
			if e.old.Group != "" {
				groups[e.old.Group] = true
			}
		} else if e.old.Group != "" && e.old.State == StateNew && over {
			groups[e.old.Group] = true
		}
	}
	if d.w == nil {
		s.books.drop(id)
	}
	for _, n := range d.notes {
		s.books.note(d.base.Workload, n)
	}
	v := s.st.View()
	if freed {
		sh.sup.wakeWaiting(v, WaitCapacity, wakeAtOnce)
	}
	if s.conn != nil && (serves || d.w == nil || d.w.Deleted != nil || d.w.State != Started) {
		sh.sup.wakeWaiting(v, WaitLinks, 0)
	}
	if stopped && s.conn != nil {
		sh.sup.wakeWaiting(v, WaitSources, 0)
	}
	for g := range groups {
		sh.sup.wakeGroup(v, g)
	}
}

// world is what a plan may look at, as of one state.
func (sup *supervisor) world(r store.Reader, ports *proposals) *world {
	s := sup.s
	w := &world{limit: passLimit, suspend: sup.suspending.Load(), dirs: s.dirs != ""}
	w.machines = func() []fleet.Machine { return fleet.All(r) }
	w.up = func(id string) bool {
		m, ok := fleet.ByID(r, id)
		return ok && (m.Local || m.Status != fleet.Down)
	}
	w.drained = func(id string) (bool, time.Time) {
		m, ok := fleet.ByID(r, id)
		if !ok || m.Status != fleet.Draining {
			return false, time.Time{}
		}
		return true, m.DrainBy
	}
	w.reaches = func(name string, m *fleet.Machine) bool {
		d := s.drivers[name]
		return d != nil && d.Reaches(m)
	}
	w.hasTag = func(m *fleet.Machine, tag string) bool {
		id, ok := strings.CutPrefix(tag, "job-")
		if !ok {
			return false
		}
		for i := range instancesByWorkload.All(r, store.KeyOf(id)) {
			if i.Machine == m.ID && i.State.Placed() {
				return true
			}
		}
		return false
	}
	w.short = func() bool { return ports.short }
	w.port = func(machine string, p driver.Port) (driver.Bound, bool) { return ports.take(r, machine, p) }
	var shared any
	w.env = func(d *draft, i *Instance) map[string]store.Sealed { return s.environment(r, d, i, &shared) }
	w.runSlot = func(d *draft, i *Instance) bool { return runSlot(r, d, i) }
	if s.conn != nil {
		w.connected = asked(func(x *Workload) bool {
			sel, ok := s.conn.(Selective)
			return !ok || sel.Needs(r, x)
		})
		w.links = asked(func(x *Workload) bool { return s.conn.Ready(r, x) })
		w.sources = asked(func(x *Workload) bool { return s.conn.StopsBefore(r, x, w.suspend) })
	}
	return w
}

// asked keeps the answer to a question about the one workload of a plan, which
// is the same for each of its instances.
func asked(ask func(*Workload) bool) func(*Workload) bool {
	var known, answer bool
	return func(w *Workload) bool {
		if !known {
			known, answer = true, ask(w)
		}
		return answer
	}
}

// runSlot reports whether a single run may begin: fewer than the limit of its
// group occupy a place, and those that wait longer fit in before it.
func runSlot(r store.Reader, d *draft, i *Instance) bool {
	limit := d.w.Spec.Behave.Runs.Max
	taken := 0
	for o := range instancesByGroup.All(r, store.KeyOf(i.Group, true)) {
		if n := d.byIDIn(o); n == nil || n.State.Placed() || n.Exit.Stuck {
			taken++
		}
	}
	for n := range d.insts {
		if e := &d.insts[n]; e.row != nil && e.row.Group == i.Group && e.row.State.Placed() && (e.old == nil || e.old.State == StateNew) {
			taken++
		}
	}
	for o := range instancesByGroup.All(r, store.KeyOf(i.Group, false)) {
		if taken >= limit || i.Seq != 0 && o.Seq >= i.Seq {
			break
		}
		if n := d.byIDIn(o); n == nil || n.State == StateNew {
			taken++
		}
	}
	return taken < limit
}

// byIDIn returns the draft's row of o, nil if it is of another workload.
func (d *draft) byIDIn(o *Instance) *Instance {
	if o.Workload != d.base.Workload.ID {
		return nil
	}
	if n := d.byID(o.ID); n >= 0 {
		return d.insts[n].row
	}
	return &Instance{State: StateEnded}
}
