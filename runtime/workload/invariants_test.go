package workload

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/runtime/fleet"
)

// check holds the rows to what must be true at every moment.
func (x *stepper) check() {
	v := x.st.View()
	used := map[string]usage{}
	ports := map[string]string{}
	type place struct {
		w    string
		slot int
	}
	placed := map[place]int{}
	groups := map[string]int{}
	for i := range instances.All(v) {
		w, _ := workloads.Get(v, i.Workload)
		if w == nil {
			x.t.Fatalf("%s has no workload\n%s", i.ID, x.tail())
		}
		on, bound := held(i)
		for _, b := range bound {
			key := portKey(on, b.Outer)
			if ports[key] != "" {
				x.t.Fatalf("%s and %s share port %s\n%s", ports[key], i.ID, key, x.tail())
			}
			ports[key] = i.ID
			if p, ok := takenPorts.Get(v, key); !ok || p.Instance != i.ID {
				x.t.Fatalf("port %s of %s is not taken\n%s", key, i.ID, x.tail())
			}
		}
		if i.Group != "" && (i.State.Placed() || i.Exit.Stuck) {
			groups[i.Group]++
		}
		if !i.State.Placed() {
			continue
		}
		u := used[i.Machine]
		u.sum, u.count = u.sum.Plus(i.Reserved), u.count+1
		used[i.Machine] = u
		if i.Slot == Once {
			continue
		}
		p := place{i.Workload, i.Slot}
		placed[p]++
		most := 1
		if w.Spec.Rollout.Order == StartFirst {
			most = 2
		}
		if placed[p] > most {
			x.t.Fatalf("%d instances in slot %v\n%s", placed[p], p, x.tail())
		}
	}
	if n := takenPorts.Count(v); n != len(ports) {
		x.t.Fatalf("%d ports are taken, %d are held\n%s", n, len(ports), x.tail())
	}
	for g, n := range groups {
		if n > 2 {
			x.t.Fatalf("%d runs at a time of group %s\n%s", n, g, x.tail())
		}
	}
	for _, m := range fleet.All(v) {
		if u := used[m.ID]; m.Used != u.sum || m.Instances != u.count {
			x.t.Fatalf("machine %s says %v for %d, placed are %v for %d\n%s", m.ID, m.Used, m.Instances, u.sum, u.count, x.tail())
		}
		if free := m.Total.Minus(m.Used); free.Memory < 0 {
			x.t.Fatalf("machine %s has more than it can\n%s", m.ID, x.tail())
		}
	}
}

// again holds a plan to having nothing left to do.
func (x *stepper) again(id string) {
	v := x.st.View()
	sn := snapshot(v, id)
	if sn == nil || len(x.reports[id]) > 0 {
		return
	}
	d := newDraft(sn, x.now)
	plan(d, nil, x.s.sup.world(v, &proposals{s: x.s}))
	if d.touched() || len(d.commands) > 0 {
		var rows []string
		for n := range d.insts {
			if e := &d.insts[n]; e.old != e.row {
				rows = append(rows, cmp.Diff(e.old, e.row))
			}
		}
		x.t.Fatalf("a second plan of %s changes %d rows: %v, status %v\n%s", id, d.changes, rows, cmp.Diff(sn.Status, d.st), x.tail())
	}
}

// rest lets everything come to rest in a world without faults and with room.
func (x *stepper) rest() {
	x.calm = true
	_, err := x.st.Update(context.Background(), func(tx *store.Tx) error {
		for _, m := range []string{"m0", "m1"} {
			err := fleet.Change(tx, m, func(row *fleet.Machine) error {
				row.Status, row.Total = fleet.Up, &fleet.Resources{CPU: 1e9, Memory: 1e9, Disk: 1e9, Net: 1e9}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		x.t.Fatal(err)
	}
	for w := range workloads.All(x.st.View()) {
		x.mark(w.ID)
	}
	for n := 0; ; n++ {
		x.settle()
		x.happen()
		if len(x.dirty) == 0 && !x.advance(3*time.Hour) {
			break
		}
		if n > 3000 {
			x.t.Fatalf("no rest: %v\n%s", x.wakes, x.tail())
		}
	}
	x.settle()
	x.atRest()
}

// atRest holds the rows to what must be true when nothing is going on.
func (x *stepper) atRest() {
	v := x.st.View()
	for w := range workloads.All(v) {
		sn := snapshot(v, w.ID)
		if w.Deleted != nil {
			x.t.Fatalf("%s is still kept\n%s", w.ID, rowsOf(sn))
		}
		if sn.UnderWay() {
			x.t.Fatalf("operation %v of %s never ended\n%s", sn.Status.Op, w.ID, rowsOf(sn))
		}
		want, got := []int{}, []int{}
		for _, s := range sn.Slots {
			if s.Goal == GoalRun && !s.Spent {
				want = append(want, s.Index)
			}
		}
		for _, i := range sn.Instances {
			if i.State.Live() {
				got = append(got, i.Slot)
			}
			if i.State.Live() && i.State != StateRunning {
				x.t.Fatalf("%s rests in %v %+v\n%s", i.ID, i.State, i.Wait, rowsOf(sn))
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			x.t.Fatalf("slots that run and live instances of %s differ (-slots +instances):\n%s\n%s", w.ID, diff, x.tail())
		}
		if w.Spec.Behave.Strict && w.State == Started && len(sn.Slots) != w.Count {
			x.t.Fatalf("%s has %d slots for a count of %d\n%s", w.ID, len(sn.Slots), w.Count, x.tail())
		}
	}
	if len(x.wakes) > 0 {
		x.t.Fatalf("timers are left: %v", x.wakes)
	}
}

// rowsOf prints what matters of a snapshot.
func rowsOf(sn *Snapshot) string {
	var b strings.Builder
	w := sn.Workload
	fmt.Fprintf(&b, "%s gen %d %v count %d deleted %v keep %v order %v sequential %v\n", w.ID, w.Gen, w.State, w.Count, w.Deleted != nil, w.Spec.Behave.Keep, w.Spec.Rollout.Order, w.Spec.Rollout.Sequential)
	for _, s := range sn.Slots {
		fmt.Fprintf(&b, "  slot %d goal %v gen %d spent %v not before %v\n", s.Index, s.Goal, s.Gen, s.Spent, s.NotBefore)
	}
	for _, i := range sn.Instances {
		fmt.Fprintf(&b, "  %s slot %d gen %d run %d goal %v %v wait %v op %d stuck %v retired %v outcome %v\n", i.ID, i.Slot, i.Gen, i.Run, i.Goal, i.State, i.Wait, i.OpSeq, i.Exit.Stuck, i.Retired != nil, i.Exit.Outcome)
	}
	return b.String()
}

// next are the steps within a run.
var next = map[State][]State{
	StateNew:       {StateSetup, StateStarting, StateEnded},
	StateSetup:     {StateWaiting, StateStarting, StateTeardown, StateEnded, StateNew},
	StateWaiting:   {StateStarting, StateTeardown, StateEnded, StateNew},
	StateStarting:  {StateAttaching, StateRunning, StateStopping, StateStopWait, StateTeardown},
	StateAttaching: {StateRunning, StateStopWait, StateStopping, StateTeardown},
	StateRunning:   {StateUpdating, StateStopWait, StateStopping, StateTeardown},
	StateUpdating:  {StateRunning, StateStopWait, StateStopping, StateTeardown},
	StateStopWait:  {StateStopping, StateTeardown},
	StateStopping:  {StateTeardown},
	StateTeardown:  {StateBackoff, StateEnded, StateNew},
	StateBackoff:   {StateEnded, StateNew},
	StateEnded:     {StateNew},
}

// leads reports whether steps lead from one state to another within a run:
// states without work or time in them are left out of the rows.
func leads(from, to State) bool {
	seen := map[State]bool{}
	for open := []State{from}; len(open) > 0; open = open[1:] {
		for _, n := range next[open[0]] {
			if n == to {
				return true
			}
			if !seen[n] && n != StateNew {
				seen[n] = true
				open = append(open, n)
			}
		}
	}
	return false
}

// moves notes every step and holds it against the table of steps.
func (x *stepper) moves(d *draft) {
	for n := range d.insts {
		e := &d.insts[n]
		from, to := State(255), State(255)
		if e.old != nil {
			from = e.old.State
		}
		if e.row != nil {
			to = e.row.State
		}
		if e.old == e.row || from == to && e.old.Run == e.row.Run && e.old.Goal == e.row.Goal {
			continue
		}
		name := ""
		switch {
		case e.row != nil:
			name = e.row.ID
			x.say("%s %v>%v run %d goal %v %v %v", name, from, to, e.row.Run, e.row.Goal, e.row.Exit.Outcome, e.row.Next)
		default:
			x.say("%s dropped", e.old.ID)
		}
		if e.old == nil || e.row == nil {
			continue
		}
		if e.old.Retired != nil && (e.row.Retired == nil || e.row.State != StateEnded || e.row.Run != e.old.Run) {
			x.t.Fatalf("%s revived after it retired\n%s", name, x.tail())
		}
		if e.old.Goal == GoalDestroy && e.row.Goal != GoalDestroy {
			x.t.Fatalf("%s is not to be destroyed any more\n%s", name, x.tail())
		}
		if e.old.Run == e.row.Run && from != to && !leads(from, to) {
			x.t.Fatalf("%s went from %v to %v in one run\n%s", name, from, to, x.tail())
		}
		if e.row.Run > e.old.Run && (from == StateRunning || from == StateStopping) && e.row.Exit.Outcome == OutcomeAsked && d.w.State != Started {
			x.t.Fatalf("%s was started after a stop\n%s", name, x.tail())
		}
	}
}
