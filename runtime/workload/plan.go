package workload

import (
	"time"

	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// verb is what the supervisor tells the runner of an instance.
type verb uint8

const (
	verbNone    verb = iota // seen to
	verbStart               // begin a run
	verbGo                  // after the setup
	verbAttach              // let the world reach it
	verbUpdate              // take over a newer version
	verbStop                // end it, gently for so long
	verbRelease             // the run is over: give back what it held
	verbLose                // its machine is gone
	verbDrop                // the row is gone: forget output and directory
	verbSweep               // nobody may need the directory any more
)

// command is a verb for one run. It is sent after the commit.
type command struct {
	inst  *Instance
	verb  verb
	grace time.Duration
	spec  *Spec
}

// event is what a runner reports.
type event uint8

const (
	eventSetup    event = iota + 1 // prepared
	eventRunning                   // started and verified
	eventAttached                  // the world reaches it
	eventUpdated                   // it took over the version
	eventFailed                    // it could not be prepared, started or verified
	eventExit                      // it ended, perhaps long after it was stuck
	eventStuck                     // it did not end when killed
	eventReleased                  // nothing is held any more
	eventLost                      // its machine, or what ran it, is gone
	eventSuspend                   // the platform ended meanwhile
)

// report is an event of one run.
type report struct {
	instance string
	run      int
	event    event
	at       time.Time
	exit     driver.Exit
	forced   bool
	stuck    bool // with eventFailed: it still runs
	good     bool // with eventExit: its start had counted as good
	env      map[string]store.Sealed
	version  uint64
	result   *RunResult
}

// world is what a plan looks at besides the rows of its workload. Its functions
// read; the same state gives the same answers.
type world struct {
	machines  func() []fleet.Machine // a copy
	up        func(machine string) bool
	drained   func(machine string) (bool, time.Time) // and by when
	reaches   func(driver string, m *fleet.Machine) bool
	hasTag    func(m *fleet.Machine, tag string) bool
	port      func(machine string, p driver.Port) (driver.Bound, bool)
	env       func(d *draft, i *Instance) map[string]store.Sealed
	runSlot   func(d *draft, i *Instance) bool
	connected func(w *Workload) bool // setup, attaching and teardown are work; nil = never
	links     func(w *Workload) bool // each started target of its links has an instance that runs
	sources   func(w *Workload) bool // no source of its links has still to stop
	suspend   bool                   // the platform ends
	limit     int                    // changes in one pass, 0 = no limit
	short     func() bool            // there would have been a port, but none may be looked for now
	dirs      bool                   // instances have directories
	keep      bool                   // rows that nobody may read any more are left to the next pass
}

// connects reports whether the connector has work to do for w.
func (wd *world) connects(w *Workload) bool { return wd.connected != nil && wd.connected(w) }

// placeRetry is how often something without a machine is tried again when
// nothing is known to have changed.
const placeRetry = 5 * time.Second

// linkWait bounds the wait for linked sources to stop.
const linkWait = 10 * time.Second

// plan brings a draft in step with what is wanted: it folds in what runners
// report and takes every step that is due, until there is none or the limit of
// one pass is reached. It is a pure function of the draft, the reports, the
// world and the time; a second plan on its result changes nothing.
func plan(d *draft, reports []report, wd *world) {
	at := d.positions(reports)
	for k := range reports {
		if n, ok := at[reports[k].instance]; ok {
			d.fold(n, &reports[k], wd)
		}
	}
	for range 32 {
		before := d.changes + d.steps
		if d.w.Deleted == nil && !wd.suspend {
			d.fill(wd)
		}
		for n := range d.insts {
			if wd.limit > 0 && d.changes >= wd.limit {
				d.more = true
				break
			}
			for range 8 {
				if !d.step(n, wd) {
					break
				}
				d.steps++
			}
		}
		d.flap(wd)
		if d.changes+d.steps == before || d.more {
			break
		}
	}
	if wd.dirs {
		d.sweep()
	}
	d.expire(wd.keep)
	d.phase()
}

// byID returns the position of an instance, -1 if it is not there.
func (d *draft) byID(id string) int {
	for n := range d.insts {
		if row := d.insts[n].row; row != nil && row.ID == id {
			return n
		}
	}
	return -1
}

// positions finds the instances that reports are about.
func (d *draft) positions(reports []report) map[string]int {
	if len(reports) == 0 {
		return nil
	}
	at := make(map[string]int, len(reports))
	for k := range reports {
		at[reports[k].instance] = -1
	}
	for n := range d.insts {
		if row := d.insts[n].row; row != nil {
			if _, ok := at[row.ID]; ok {
				at[row.ID] = n
			}
		}
	}
	for id, n := range at {
		if n < 0 {
			delete(at, id)
		}
	}
	return at
}

// fold takes a report on instance n in. One of another run, or that comes too
// late, is dropped.
func (d *draft) fold(n int, r *report, wd *world) {
	i := d.insts[n].row
	if i.Run != r.run {
		return
	}
	if r.event == eventExit && i.Exit.Stuck && (!i.State.Placed() || i.State == StateTeardown) {
		d.inst(n).Exit.Stuck = false // it did end after all
		return
	}
	if !i.State.Placed() || i.State == StateBackoff && r.event != eventLost && r.event != eventSuspend {
		return
	}
	if r.result != nil && i.Slot == Once {
		d.results = append(d.results, r.result)
	}
	switch r.event {
	case eventSetup:
		if i.State == StateSetup {
			i = d.inst(n)
			if !i.EnvMade {
				i.Env = r.env
			}
			if wd.links != nil && !wd.links(d.w) {
				i.State = StateWaiting
				i.Wait = Wait{Kind: WaitLinks, Until: d.now.Add(d.effective(i).Verify.timeout())}
				return
			}
			d.proceed(n, wd)
		}
	case eventRunning:
		if i.State == StateStarting {
			i = d.inst(n)
			if i.State = StateRunning; wd.connects(d.w) {
				i.State = StateAttaching
				d.send(n, verbAttach, 0)
				return
			}
			d.running(i, r.at)
		}
	case eventAttached:
		if i.State == StateAttaching {
			i = d.inst(n)
			i.State = StateRunning
			d.running(i, r.at)
		}
	case eventUpdated:
		if i.State == StateUpdating {
			i = d.inst(n)
			i.State, i.SpecVersion = StateRunning, max(i.SpecVersion, r.version)
		}
	case eventStuck:
		if i.State != StateStopping {
			return
		}
		i = d.inst(n)
		i.Exit.Stuck, i.Exit.Reason = true, "did not stop"
		if d.effective(i).Stop.Stuck == Abandon {
			d.exit(n, driver.Exit{Code: driver.CodeKilled, Reason: "did not stop", At: r.at}, true, true, wd)
		}
	case eventFailed, eventExit:
		if i.State != StateTeardown {
			if r.good && (i.State == StateStarting || i.State == StateAttaching) {
				d.running(d.inst(n), r.at) // and ended before anybody could say so
			}
			d.exit(n, r.exit, r.forced, r.stuck, wd)
		}
	case eventReleased:
		if i.State == StateTeardown {
			d.released(n, wd)
		}
	case eventLost, eventSuspend:
		d.leave(n, r.event, wd)
	}
}

func (v Verify) timeout() time.Duration {
	if v.Timeout > 0 {
		return v.Timeout
	}
	return DefaultStartTimeout
}

// proceed lets an instance start that was prepared.
func (d *draft) proceed(n int, wd *world) {
	i := d.inst(n)
	i.State, i.Wait = StateStarting, Wait{}
	d.makeEnv(i, wd)
	d.send(n, verbGo, 0)
}

// makeEnv makes the environment of an instance, above what it was prepared with,
// unless it has one.
func (d *draft) makeEnv(i *Instance, wd *world) {
	if i.EnvMade || wd.env == nil {
		return
	}
	env := wd.env(d, i)
	for k, v := range i.Env {
		if _, ok := env[k]; !ok {
			env[k] = v
		}
	}
	i.Env, i.EnvMade = env, true
}

// running notes that an instance serves.
func (d *draft) running(i *Instance, at time.Time) {
	i.Up, i.RunningAt, i.Wait, i.OpSeq = true, at, Wait{}, 0
	if i.FirstRunningAt.IsZero() {
		i.FirstRunningAt = at
	}
}

func (d *draft) send(n int, v verb, grace time.Duration) {
	i := d.insts[n].row
	d.commands = append(d.commands, command{inst: i, verb: v, grace: grace, spec: d.effective(i)})
}

// step takes the next step of one instance that needs no report, if it is due.
func (d *draft) step(n int, wd *world) bool {
	i := d.insts[n].row
	if i == nil || i.Retired != nil {
		return false
	}
	ending := i.Goal != GoalRun || wd.suspend
	switch i.State {
	case StateNew:
		if i.Goal != GoalRun {
			d.rest(n, OutcomeAsked, wd)
			return true
		}
		return !wd.suspend && d.admit(n, wd)
	case StateSetup, StateWaiting:
		if ending {
			d.exit(n, driver.Exit{At: d.now}, false, false, wd)
			return true
		}
		if i.State == StateWaiting && (wd.links(d.w) || !i.Wait.Until.After(d.now)) {
			d.proceed(n, wd)
			return true
		}
		d.wakeAt(i.Wait.Until)
	case StateStarting, StateAttaching, StateRunning, StateUpdating:
		return d.serve(n, ending, wd)
	case StateStopWait:
		if wd.sources == nil || wd.sources(d.w) || !i.Wait.Until.After(d.now) {
			d.stop(n, d.effective(i).Stop.Grace)
			return true
		}
		d.wakeAt(i.Wait.Until)
	case StateBackoff:
		if ending {
			d.rest(n, d.asked(i, wd), wd)
			return true
		}
		if k := d.find(i.Slot); k >= 0 && d.slots[k].row.NotBefore.After(d.now) {
			d.wakeAt(d.slots[k].row.NotBefore)
			return false
		}
		d.begin(n, wd)
		return true
	case StateEnded:
		if i.Goal == GoalDestroy || i.Slot == Once || d.find(i.Slot) < 0 {
			d.retire(n)
			return true
		}
	}
	return false
}

// asked is the outcome of an end that recovery does not answer.
func (d *draft) asked(i *Instance, wd *world) Outcome {
	if i.Goal != GoalRun {
		return OutcomeAsked
	}
	if wd.suspend {
		return OutcomeSuspended
	}
	return OutcomeNone
}

// serve is the step of an instance that has been told to start.
func (d *draft) serve(n int, ending bool, wd *world) bool {
	i := d.insts[n].row
	if !wd.up(i.Machine) {
		d.leave(n, eventLost, wd)
		return true
	}
	spec := d.effective(i)
	switch {
	case ending && i.State == StateStarting, ending && wd.sources == nil:
		d.stop(n, spec.Stop.Grace)
		return true
	case ending:
		if wd.sources(d.w) {
			d.stop(n, spec.Stop.Grace)
			return true
		}
		i = d.inst(n)
		i.State, i.Wait = StateStopWait, Wait{Kind: WaitSources, Until: d.now.Add(linkWait)}
		return true
	}
	if spec.Deadline > 0 {
		if end := i.StartedAt.Add(spec.Deadline); !end.After(d.now) {
			i = d.inst(n)
			i.Wait = Wait{Kind: WaitLimit}
			d.stop(n, 0)
			return true
		} else {
			d.wakeAt(end)
		}
	}
	if i.State == StateRunning && wd.drained != nil {
		if drains, by := wd.drained(i.Machine); drains && d.drain(n, spec, by) {
			return true
		}
	}
	if i.State == StateRunning && i.OpSeq != 0 && !d.outdated(i) {
		d.inst(n).OpSeq = 0
		return true
	}
	if i.State == StateRunning && i.SpecVersion < d.version() && i.Gen == d.w.Gen {
		i = d.inst(n)
		i.SpecVersion = d.version()
		if wd.connects(d.w) {
			i.State = StateUpdating
			d.send(n, verbUpdate, 0)
		}
		return true
	}
	return false
}

// outdated reports whether an instance is to give way to a newer generation.
func (d *draft) outdated(i *Instance) bool {
	k := d.find(i.Slot)
	return k >= 0 && d.w.Spec.Rollout.Order != Manual && i.Gen < d.slots[k].row.Gen
}

// drain lets an instance leave a machine that is drained: those that recovery
// places anew one after the other, others for good once time is up.
func (d *draft) drain(n int, spec *Spec, by time.Time) bool {
	if d.mayDrain(spec) {
		d.inst(n).Wait = Wait{Kind: WaitDrain}
		d.stop(n, spec.Stop.Grace)
		return true
	}
	switch {
	case by.IsZero() || d.moves(spec):
		return false
	case by.After(d.now):
		d.wakeAt(by)
		return false
	}
	i := d.inst(n)
	i.Goal = GoalStop
	if k := d.find(i.Slot); k >= 0 && d.slots[k].row.Goal == GoalRun {
		d.slot(k).Goal = GoalStop
	}
	d.say(i, "instance in slot %d is stopped: its machine is drained", i.Slot)
	if d.w.State == Started && !d.wanted() {
		d.workload().State = Stopped
	}
	return true
}

// wanted reports whether any slot is to run.
func (d *draft) wanted() bool {
	for k := range d.slots {
		if s := d.slots[k].row; s != nil && s.Goal == GoalRun {
			return true
		}
	}
	return false
}

// moves reports whether recovery answers the loss of an instance.
func (d *draft) moves(spec *Spec) bool {
	for _, st := range spec.Recover.Steps {
		if st.On&OnLost != 0 {
			return true
		}
	}
	return false
}

// mayDrain reports whether an instance may leave a machine that is drained:
// those that recovery places anew, one after the other.
func (d *draft) mayDrain(spec *Spec) bool {
	if !d.moves(spec) {
		return false
	}
	for n := range d.insts {
		if o := d.insts[n].row; o != nil && o.Retired == nil && o.Slot != Once && o.State != StateRunning && o.State.Live() {
			return false
		}
	}
	return true
}

// stop tells a runner to end its run.
func (d *draft) stop(n int, grace time.Duration) {
	i := d.inst(n)
	i.State = StateStopping
	if i.Wait.Kind != WaitLimit && i.Wait.Kind != WaitDrain {
		i.Wait = Wait{}
	}
	d.send(n, verbStop, grace)
}
