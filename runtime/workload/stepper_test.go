package workload

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// simDriver takes everything and runs nothing: the stepper does.
type simDriver struct{}

func (simDriver) Name() string                  { return "sim" }
func (simDriver) Can() driver.Capabilities      { return driver.Capabilities{RunOnce: true} }
func (simDriver) Check(*driver.Template) error  { return nil }
func (simDriver) Reaches(m *fleet.Machine) bool { return true }
func (simDriver) Start(context.Context, *driver.Run) (driver.Handle, error) {
	return nil, fmt.Errorf("the stepper runs things")
}

// simRun is one run in the stepper.
type simRun struct {
	key              runKey
	workload         string
	up, stop, zombie bool
	released         bool
}

// stepper drives the same plans, on the same rows, as the supervisor, in one
// goroutine, with a seed for everything that happens by chance.
type stepper struct {
	t    *testing.T
	r    *rand.Rand
	st   *store.Store
	s    *Service
	now  time.Time
	ids  int
	port int

	wakes   map[string]time.Time
	dirty   []string
	reports map[string][]report
	runs    map[runKey]*simRun
	calm    bool
	log     []string
	conn    bool
}

func newStepper(t *testing.T, seed uint64, connected bool) *stepper {
	x := &stepper{t: t, r: rand.New(rand.NewPCG(seed, 7)), now: time.Unix(1_700_000_000, 0).UTC(), port: 40000,
		wakes: map[string]time.Time{}, reports: map[string][]report{}, runs: map[runKey]*simRun{}, conn: connected}
	x.open()
	_, err := x.st.Update(context.Background(), func(tx *store.Tx) error {
		for k := range 2 {
			total := fleet.Resources{CPU: 4000, Memory: 12, Disk: 100, Net: 100}
			if _, err := fleet.Add(tx, fleet.Machine{Meta: store.Meta{ID: fmt.Sprint("m", k)}, Host: fmt.Sprintf("10.0.0.%d", k), Port: 1, Total: &total, Accepts: true}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// open makes a store and a service over it.
func (x *stepper) open() {
	st, err := store.Open(append(Tables(), fleet.Tables()...), store.WithClock(func() time.Time { return x.now }))
	if err != nil {
		x.t.Fatal(err)
	}
	x.st = st
	opts := []Option{WithClock(func() time.Time { return x.now }),
		WithIDs(func() string { x.ids++; return fmt.Sprintf("id%05d", x.ids) }),
		WithPorts(func(string, string) (int, bool) { x.port++; return x.port, true })}
	if x.conn {
		opts = append(opts, WithConnector(simConnector{}))
	}
	if x.s, err = New(st, nil, fleet.New(st, nil, nil), []driver.Driver{simDriver{}}, opts...); err != nil {
		x.t.Fatal(err)
	}
	x.s.life.Store(live)
	x.s.sup.divert = func(d *draft) {
		x.moves(d)
		for k := range d.commands {
			x.command(&d.commands[k])
		}
	}
}

// simConnector has links that are always ready.
type simConnector struct{}

func (simConnector) Prepare(context.Context, *Workload, *Spec, *Instance, string) (map[string]string, error) {
	return nil, nil
}
func (simConnector) Ready(_ store.Reader, w *Workload) bool                    { return w.Seq%2 == 0 }
func (simConnector) StopsBefore(_ store.Reader, w *Workload, _ bool) bool      { return w.Seq%3 != 0 }
func (simConnector) Attach(context.Context, *Workload, *Instance) error        { return nil }
func (simConnector) Detach(context.Context, *Workload, *Instance) error        { return nil }
func (simConnector) Release(_ context.Context, _ *Workload, _ *Instance) error { return nil }

// restart ends the platform as a crash does and starts it on what was stored.
func (x *stepper) restart() {
	var buf strings.Builder
	if err := x.st.Snapshot(&buf); err != nil {
		x.t.Fatal(err)
	}
	x.open()
	if err := x.st.Restore(strings.NewReader(buf.String())); err != nil {
		x.t.Fatal(err)
	}
	x.runs, x.reports, x.wakes, x.dirty = map[runKey]*simRun{}, map[string][]report{}, map[string]time.Time{}, nil
	if err := x.s.suspendAll(context.Background()); err != nil {
		x.t.Fatal(err)
	}
	x.check()
	for w := range workloads.All(x.st.View()) {
		x.mark(w.ID)
	}
}

func (x *stepper) mark(id string) {
	if !slices.Contains(x.dirty, id) {
		x.dirty = append(x.dirty, id)
	}
}

func (x *stepper) say(format string, args ...any) {
	x.log = append(x.log, fmt.Sprintf(format, args...))
}

// pass does for one workload what a shard does.
func (x *stepper) pass(id string) {
	v := x.st.View()
	sn := snapshot(v, id)
	if sn == nil {
		delete(x.wakes, id)
		delete(x.reports, id)
		return
	}
	reports := x.reports[id]
	delete(x.reports, id)
	ports := &proposals{s: x.s}
	d := newDraft(sn, x.now)
	plan(d, reports, x.s.sup.world(v, ports))
	if d.touched() || len(d.results) > 0 {
		if _, err := x.st.Update(context.Background(), func(tx *store.Tx) error { return x.s.write(tx, d) }); err != nil {
			x.t.Fatalf("pass of %s: %v\n%s", id, err, x.tail())
		}
	}
	x.moves(d)
	for k := range d.commands {
		x.command(&d.commands[k])
	}
	delete(x.wakes, id)
	if !d.wake.IsZero() {
		x.wakes[id] = d.wake
	}
	if d.more {
		x.mark(id)
		return
	}
	x.check()
	x.again(id)
}

func (x *stepper) command(c *command) {
	key := runKey{c.inst.ID, c.inst.Run}
	run := x.runs[key]
	switch c.verb {
	case verbStart:
		if run != nil {
			x.t.Fatalf("run %v began twice\n%s", key, x.tail())
		}
		x.runs[key] = &simRun{key: key, workload: c.inst.Workload}
	case verbStop:
		if run != nil {
			run.stop = true
		}
	case verbRelease:
		x.report(c.inst.Workload, key, eventReleased, driver.Exit{})
		if run != nil {
			run.released = true
		}
	case verbAttach:
		x.report(c.inst.Workload, key, eventAttached, driver.Exit{})
	case verbUpdate:
		x.report(c.inst.Workload, key, eventUpdated, driver.Exit{})
	case verbGo:
		if run != nil {
			run.up = false
		}
	case verbLose:
		delete(x.runs, key)
	}
}

func (x *stepper) report(workload string, key runKey, e event, exit driver.Exit) {
	version := uint64(0)
	if w, ok := workloads.Get(x.st.View(), workload); ok {
		version = w.Version
	}
	x.reports[workload] = append(x.reports[workload], report{instance: key.instance, run: key.run, event: e, at: x.now, exit: exit, version: version})
	x.mark(workload)
}

// happen lets one thing happen to one run.
func (x *stepper) happen() {
	keys := make([]runKey, 0, len(x.runs))
	for k := range x.runs {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b runKey) int {
		if c := strings.Compare(a.instance, b.instance); c != 0 {
			return c
		}
		return a.run - b.run
	})
	if len(keys) == 0 {
		return
	}
	for _, key := range keys {
		if !x.calm && x.r.IntN(3) != 0 {
			continue
		}
		x.happenTo(x.runs[key])
		if !x.calm {
			return
		}
	}
}

func (x *stepper) happenTo(run *simRun) {
	end := func(e event, code int) {
		delete(x.runs, run.key)
		x.report(run.workload, run.key, e, driver.Exit{Code: code})
	}
	i, ok := instances.Get(x.st.View(), run.key.instance)
	switch {
	case run.zombie:
		if !x.calm && x.r.IntN(4) > 0 {
			return
		}
		end(eventExit, 137)
	case !ok || i.Run != run.key.run || !i.State.Placed():
		delete(x.runs, run.key)
	case run.stop:
		if x.calm || x.r.IntN(5) > 0 {
			end(eventExit, x.r.IntN(2)*143)
		} else {
			run.zombie = true
			x.report(run.workload, run.key, eventStuck, driver.Exit{})
		}
	case i.State == StateSetup:
		if !x.calm && x.r.IntN(6) == 0 {
			end(eventFailed, 1)
		} else {
			x.report(run.workload, run.key, eventSetup, driver.Exit{})
		}
	case i.State == StateStarting:
		if !x.calm && x.r.IntN(4) == 0 {
			end(eventFailed, 127)
		} else {
			x.report(run.workload, run.key, eventRunning, driver.Exit{})
		}
	case !x.calm && i.State == StateRunning && x.r.IntN(3) == 0:
		end(eventExit, x.r.IntN(3))
	case !x.calm && x.r.IntN(40) == 0:
		end(eventLost, 0)
	case i.Slot == Once && i.State == StateRunning:
		end(eventExit, 0)
	}
}

// settle lets everything that is due happen, without the time going on.
func (x *stepper) settle() {
	for n := 0; len(x.dirty) > 0; n++ {
		if n > 2000 {
			x.t.Fatalf("no end of passes\n%s", x.tail())
		}
		id := x.dirty[0]
		x.dirty = x.dirty[1:]
		x.pass(id)
	}
}

// advance lets the time go on to the next moment at which something is due.
func (x *stepper) advance(most time.Duration) bool {
	at := time.Time{}
	for _, w := range x.wakes {
		if at.IsZero() || w.Before(at) {
			at = w
		}
	}
	if at.IsZero() {
		x.now = x.now.Add(most)
		return false
	}
	if end := x.now.Add(most); at.After(end) {
		x.now = end
		return true
	}
	if at.After(x.now) {
		x.now = at
	}
	ids := make([]string, 0, len(x.wakes))
	for id, w := range x.wakes {
		if !w.After(x.now) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		x.mark(id)
	}
	return true
}

// operate performs one random operation.
func (x *stepper) operate() {
	ctx := context.Background()
	var all []string
	for w := range workloadBySeq.All(x.st.View(), store.Key{}) {
		if w.Deleted == nil {
			all = append(all, w.ID)
		}
	}
	if len(all) == 0 || len(all) < 4 && x.r.IntN(4) == 0 {
		sp := x.spec()
		sn, err := x.s.Create(ctx, NewWorkload{FQN: policy.FQN{Type: "job", Namespace: "/t", Local: fmt.Sprint("w", x.ids)}, Tenant: fmt.Sprint("t", x.r.IntN(2)),
			Spec: sp, Count: x.r.IntN(5), State: Want(x.r.IntN(2))})
		x.done("create", sn, err)
		return
	}
	id := all[x.r.IntN(len(all))]
	sn := snapshot(x.st.View(), id)
	inst := ""
	if n := len(sn.Instances); n > 0 {
		inst = sn.Instances[x.r.IntN(n)].ID
	}
	var err error
	var name string
	switch x.r.IntN(16) {
	case 0, 1:
		name = "start"
		sn, err = x.s.StartWorkload(ctx, id)
	case 2:
		name = "stop"
		sn, err = x.s.StopWorkload(ctx, id)
	case 3, 4:
		name = "scale"
		sn, err = x.s.Scale(ctx, id, x.r.IntN(6))
	case 5:
		name = "redeploy"
		sn, err = x.s.Redeploy(ctx, id, nil)
	case 6:
		name = "start instance " + inst
		sn, err = x.s.StartInstance(ctx, inst)
	case 7:
		name = "stop instance " + inst
		sn, err = x.s.StopInstance(ctx, inst)
	case 8:
		name = "restart instance " + inst
		sn, err = x.s.RestartInstance(ctx, inst)
	case 9:
		name = "delete instance " + inst
		sn, err = x.s.DeleteInstance(ctx, inst, Fate(x.r.IntN(2)))
	case 10:
		name = "redeploy instance " + inst
		sn, _, err = x.s.RedeployInstance(ctx, inst, nil)
	case 11:
		name = "update"
		sn, err = x.s.Update(ctx, id, func(d *Desired) error {
			d.Spec.Func = fmt.Sprint("f", x.r.IntN(3))
			if x.r.IntN(3) == 0 {
				d.Spec.Weight = float64(x.r.IntN(3))
			}
			if x.r.IntN(4) == 0 {
				d.Count = x.r.IntN(5)
			}
			return nil
		})
	case 12:
		if x.r.IntN(3) > 0 {
			return
		}
		name = "delete"
		sn, err = x.s.Delete(ctx, id)
	case 13:
		name = "run once"
		_, err = x.s.RunOnce(ctx, id, Single{Args: json.RawMessage(`{"a":1}`)})
		x.mark(id)
		sn = nil
	case 15:
		name = "machine"
		m := fmt.Sprint("m", x.r.IntN(2))
		status := []fleet.State{fleet.Up, fleet.Up, fleet.Draining, fleet.Down}[x.r.IntN(4)]
		_, err = x.st.Update(ctx, func(tx *store.Tx) error {
			return fleet.Change(tx, m, func(row *fleet.Machine) error { row.Status = status; return nil })
		})
		name += " " + status.String()
		for w := range workloads.All(x.st.View()) {
			x.mark(w.ID)
		}
		sn = nil
	case 14:
		name = "capacity"
		m := fmt.Sprint("m", x.r.IntN(2))
		_, err = x.st.Update(ctx, func(tx *store.Tx) error {
			row, _ := fleet.ByID(tx, m)
			total := row.Used.Plus(fleet.Resources{CPU: 4000, Memory: int64(x.r.IntN(12)), Disk: 100, Net: 100})
			return fleet.SetTotal(tx, m, &total)
		})
		sn = nil
	}
	x.done(name+" of "+id, sn, err)
}

func (x *stepper) done(what string, sn *Snapshot, err error) {
	switch k := atoll.KindOf(err); k {
	case 0:
		x.say("op %s", what)
	case atoll.NotFound, atoll.FailedState, atoll.Conflict:
		x.say("op %s: %v", what, k)
		return
	default:
		x.t.Fatalf("%s: %v\n%s", what, err, x.tail())
	}
	if sn != nil {
		x.mark(sn.Workload.ID)
	}
	x.check()
}

// spec returns one of the shapes that the interfaces need.
func (x *stepper) spec() Spec {
	delay := Delay{Free: x.r.IntN(2) == 0, First: time.Second, Top: time.Minute, ResetAfter: 10 * time.Second}
	s := Spec{Template: driver.Template{Driver: "sim", Func: "f"}, Stop: Stop{Grace: 5 * time.Second, Stuck: StuckPolicy(x.r.IntN(2))},
		Resources: fleet.Resources{Memory: int64(x.r.IntN(4))}}
	for k := range x.r.IntN(3) {
		s.Ports = append(s.Ports, driver.Port{Number: 80 + k, Proto: "tcp"})
	}
	switch x.r.IntN(4) {
	case 0:
		s.Behave = Behave{Keep: KeepHistory, Index: Dense, Strict: true, Retain: 10 * time.Minute, RetainMax: 10}
		s.Rollout = Rollout{Order: StartFirst, ForceOldAfter: 2 * time.Minute}
		s.Recover = Recovery{Steps: []Step{{Do: ActionReplace, On: OnClean | OnFailed | OnLost | OnDeleted, Max: 3, Delay: delay}}, Flap: Flap{Min: 3, Share: 0.5, Window: 300 * time.Second, Errored: 200 * time.Second}}
	case 1:
		s.Behave = Behave{Keep: KeepRecord, Index: Ascending, Shrink: IdleFirst, Strict: true, Revive: true, Retain: time.Hour, Tombstone: time.Hour}
		s.Rollout = Rollout{Order: StopFirst, Sequential: x.r.IntN(2) == 0}
		s.Verify.PlaceTimeout = 120 * time.Second
		s.Recover = Recovery{Steps: []Step{
			{Do: ActionRestart, On: OnClean | OnFailed | OnLost, Max: 3, Window: time.Minute, Delay: Delay{Free: true, First: time.Second, Top: time.Minute}},
			{Do: ActionReplace, On: OnFailed | OnLost, Max: 3, Window: 5 * time.Minute},
			{Do: ActionRemove, On: OnFailed, Max: -1}}[:1+x.r.IntN(3)]}
	case 2:
		s.Behave = Behave{Keep: KeepRecord, Index: Ascending}
		s.Rollout = Rollout{Order: Manual}
		s.Recover = Recovery{Steps: []Step{{Do: ActionRestart, On: OnFailed | OnLost, Max: 2, Delay: delay}}}
	case 3:
		s.Behave = Behave{Keep: KeepHistory, Retain: time.Hour, Runs: RunLimit{Max: 2, Queue: 30 * time.Second}}
		s.Deadline = 30 * time.Second
	}
	return s
}

func (x *stepper) tail() string {
	from := max(0, len(x.log)-40)
	return strings.Join(x.log[from:], "\n")
}

func (x *stepper) run(steps int, crashes bool) {
	for range steps {
		switch n := x.r.IntN(10); {
		case n < 2:
			x.operate()
		case n < 6:
			x.happen()
		case n < 7:
			x.advance(time.Duration(1+x.r.IntN(20)) * time.Second)
		case crashes && x.r.IntN(60) == 0:
			x.say("crash")
			x.restart()
		default:
			if len(x.dirty) > 0 {
				k := x.r.IntN(len(x.dirty))
				id := x.dirty[k]
				x.dirty = slices.Delete(x.dirty, k, k+1)
				x.pass(id)
			}
		}
	}
	x.rest()
}

func TestRandomOperationsAndReportsKeepTheInvariants(t *testing.T) {
	for seed := range uint64(Sized(60)) {
		if testing.Short() && seed > 10 {
			return
		}
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			newStepper(t, seed, seed%3 == 0).run(400, seed%2 == 0)
		})
	}
}

func TestTheSameSeedHasTheSameHistory(t *testing.T) {
	history := func() []string {
		x := newStepper(t, 42, true)
		x.run(600, true)
		return x.log
	}
	if diff := cmp.Diff(history(), history()); diff != "" {
		t.Errorf("two runs differ:\n%s", diff)
	}
}
