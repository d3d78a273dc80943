package workload

import (
	"iter"
	"maps"
	"strconv"

	"github.com/atoll-platform/atoll/internal/store"
)

var workloads = store.NewTable(store.Spec[Workload]{
	Name: "workloads", Schema: 1,
	Key: func(w *Workload) string { return w.ID },
	FQN: func(_ store.Reader, w *Workload) string { return w.FQN },
	Public: func(w *Workload) any {
		shown := *w
		shown.Spec = w.Spec.sealed()
		return &shown
	},
})

var workloadByFQN = store.Unique(workloads, "fqn", func(w *Workload) (store.Key, bool) {
	return store.KeyOf(w.FQN), w.Deleted == nil
})

var workloadBySeq = store.Unique(workloads, "seq", func(w *Workload) (store.Key, bool) {
	return store.KeyOf(w.Seq), true
})

var workloadsByTenant = store.Index(workloads, "tenant", func(w *Workload) (store.Key, bool) {
	return store.KeyOf(w.Tenant, w.Seq), true
})

var slots = store.NewTable(store.Spec[Slot]{
	Name: "workloadslots", Schema: 1,
	Key: func(s *Slot) string { return s.Workload + "/" + strconv.Itoa(s.Index) },
	FQN: func(r store.Reader, s *Slot) string { return addressOf(r, s.Workload) },
})

var slotsByWorkload = store.Index(slots, "workload", func(s *Slot) (store.Key, bool) {
	return store.KeyOf(s.Workload, s.Index), true
})

var instances = store.NewTable(store.Spec[Instance]{
	Name: "workloadinstances", Schema: 1,
	Key: func(i *Instance) string { return i.ID },
	FQN: func(r store.Reader, i *Instance) string { return addressOf(r, i.Workload) },
})

var instancesByWorkload = store.Index(instances, "workload", func(i *Instance) (store.Key, bool) {
	return store.KeyOf(i.Workload, i.Seq), true
})

// instancesByWait finds what waits for something outside of its workload.
var instancesByWait = store.Index(instances, "wait", func(i *Instance) (store.Key, bool) {
	return store.KeyOf(i.Wait.Kind, i.Seq), i.State.Live() && (i.Wait.Kind == WaitCapacity || i.Wait.Kind == WaitLinks || i.Wait.Kind == WaitSources)
})

// instancesByGroup orders the single runs of a group: those that wait, then
// those that occupy a place.
var instancesByGroup = store.Index(instances, "group", func(i *Instance) (store.Key, bool) {
	return store.KeyOf(i.Group, i.State != StateNew, i.Seq), i.Group != "" && (i.State.Live() || i.Exit.Stuck)
})

// numbers finds instances by their number. It is a table of its own because
// instances change often and their numbers never.
var numbers = store.NewTable(store.Spec[numberRow]{
	Name: "workloadnumbers", Schema: 1,
	Key: func(n *numberRow) string { return numberKey(n.Seq) },
})

func numberKey(seq uint64) string { return strconv.FormatUint(seq, 10) }

var generations = store.NewTable(store.Spec[Generation]{
	Name: "workloadgenerations", Schema: 1,
	Key: func(g *Generation) string { return g.Workload + "/" + strconv.FormatUint(g.Gen, 10) },
	Public: func(g *Generation) any {
		shown := *g
		shown.Spec = g.Spec.sealed()
		return &shown
	},
})

// sealed is what may be shown of a spec to those who do not run it: environments
// are where people put passwords, so their values are left out.
func (s Spec) sealed() Spec {
	s.Defaults = sealed(s.Defaults)
	s.Procs = maps.Clone(s.Procs)
	for name, p := range s.Procs {
		p.Env = sealed(p.Env)
		s.Procs[name] = p
	}
	return s
}

func sealed(vars map[string]string) map[string]string {
	vars = maps.Clone(vars)
	for k, v := range vars {
		vars[k] = store.Sealed(v).String()
	}
	return vars
}

var generationsByWorkload = store.Index(generations, "workload", func(g *Generation) (store.Key, bool) {
	return store.KeyOf(g.Workload, g.Gen), true
})

var statuses = store.NewTable(store.Spec[Status]{
	Name: "workloadstatus", Schema: 1,
	Key: func(s *Status) string { return s.Workload },
	FQN: func(r store.Reader, s *Status) string { return addressOf(r, s.Workload) },
})

var results = store.NewTable(store.Spec[RunResult]{
	Name: "workloadresults", Schema: 1,
	Key: func(r *RunResult) string { return r.Instance },
})

var takenPorts = store.NewTable(store.Spec[portRow]{
	Name: "workloadports", Schema: 1,
	Key: func(p *portRow) string { return portKey(p.Machine, p.Number) },
})

func portKey(machine string, number int) string { return machine + "/" + strconv.Itoa(number) }

func addressOf(r store.Reader, id string) string {
	if w, ok := workloads.Get(r, id); ok {
		return w.FQN
	}
	return ""
}

// Table is the table of workloads, for references and for reading rows without
// asking anybody. Only this package writes it.
func Table() *store.Table[Workload] { return workloads }

// SnapshotOf reads workload id without asking anybody.
func SnapshotOf(r store.Reader, id string) (*Snapshot, bool) {
	sn := snapshot(r, id)
	return sn, sn != nil
}

// InstancesOf yields the instances of workload id, by Seq, without asking anybody.
func InstancesOf(r store.Reader, id string) iter.Seq[*Instance] {
	return instancesByWorkload.All(r, store.KeyOf(id))
}

// Tables lists the tables of this package, for the store to be opened with. The
// tables of package fleet must be in that store too.
func Tables() []store.AnyTable {
	return []store.AnyTable{workloads, slots, instances, generations, statuses, results, takenPorts, numbers, tasks, taskEvents, schedules, triggers}
}
