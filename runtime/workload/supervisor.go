package workload

import (
	"context"
	"hash/maphash"
	goruntime "runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/fleet"
)

// supervisor keeps what runs in step with the rows. Everything about one
// workload happens in one shard, one pass after the other.
type supervisor struct {
	s      *Service
	shards []*shard
	seed   maphash.Seed
	timers *timers // of workloads
	agenda *timers // of schedules
	gate   *gate

	turns *turns

	suspending atomic.Bool
	stop       context.CancelFunc
	tasks      sync.WaitGroup // shards, watcher, timers
	runs       sync.WaitGroup // runners

	divert func(*draft) // what takes committed operations instead; nil = the supervisor

	mu    sync.Mutex // innermost
	owned map[uint64]any
}

// maxShards bounds the passes that happen at once.
const maxShards = 8

// passLimit is how many rows one pass changes, about: more is left to the next.
// A pass over many rows may change an eighth of them, since it reads them all.
const passLimit = 256

func newSupervisor(s *Service) *supervisor {
	sup := &supervisor{s: s, seed: maphash.MakeSeed(), turns: newTurns(), owned: make(map[uint64]any)}
	sup.timers = newTimers(s.now, func(_ context.Context, id string) { sup.mark(id) })
	sup.agenda = newTimers(s.now, sup.dispatch)
	sup.gate = newGate(startsPerMachine, startsInAll)
	for range min(maxShards, goruntime.GOMAXPROCS(0)) {
		sup.shards = append(sup.shards, newShard(sup))
	}
	return sup
}

func (sup *supervisor) shard(id string) *shard {
	return sup.shards[maphash.String(sup.seed, id)%uint64(len(sup.shards))]
}

// begin lets a runner run.
func (sup *supervisor) begin(r *runner) {
	sup.runs.Add(1)
	go r.run()
}

// mark lets the workload be looked at.
func (sup *supervisor) mark(id string) { sup.shard(id).push(id, false) }

// own remembers that the commit of that index is one after which whoever made
// it looks at the workload anyway.
func (sup *supervisor) own(index uint64, d *draft) {
	var first any
	switch {
	case d.w != nil && d.w != d.base.Workload:
		first = d.w
	case d.st != d.base.Status:
		first = d.st
	}
	for n := 0; first == nil && n < len(d.insts); n++ {
		if e := &d.insts[n]; e.row != e.old && e.row != nil {
			first = e.row
		}
	}
	if first == nil {
		return
	}
	sup.mu.Lock()
	defer sup.mu.Unlock()
	sup.owned[index] = first
}

// isOwn reports whether own was called for the commit. Another commit may have
// the index of one that failed, so the rows decide.
func (sup *supervisor) isOwn(c *store.Commit) bool {
	sup.mu.Lock()
	defer sup.mu.Unlock()
	first, ok := sup.owned[c.Index]
	if !ok {
		return false
	}
	delete(sup.owned, c.Index)
	for k := range c.Changes {
		if c.Changes[k].After == first {
			return true
		}
	}
	return false
}

// component is who changes rows in the background.
var component = &policy.Principal{Kind: policy.Component, Name: "supervisor", Admin: true}

// healthManager is who gives workloads up.
var healthManager = &policy.Principal{Kind: policy.Component, Name: "health_manager", Admin: true}

// start begins to supervise, from the state of index since on.
func (sup *supervisor) start(ctx context.Context, since uint64) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	sup.stop = cancel
	for _, sh := range sup.shards {
		sh.open(func(id string, reports []report) { sh.pass(ctx, id, false, reports) })
		sup.tasks.Go(func() { sh.run(ctx) })
	}
	sup.tasks.Go(func() { sup.timers.run(ctx) })
	sup.tasks.Go(func() { sup.agenda.run(ctx) })
	stream := sup.s.st.WatchFor(ctx, since, func(c *store.Commit) bool { return !sup.isOwn(c) })
	sup.tasks.Go(func() { sup.watch(ctx, stream) })
	sup.markAll()
}

// markAll lets every workload be looked at, runners without a row included.
func (sup *supervisor) markAll() {
	for w := range workloads.All(sup.s.st.View()) {
		sup.shard(w.ID).push(w.ID, true)
	}
	for _, sh := range sup.shards {
		for _, id := range sh.known() {
			sh.push(id, true)
		}
	}
	sup.agenda.clear()
	sup.setAgenda()
}

// watch marks what commits of others concern.
func (sup *supervisor) watch(ctx context.Context, stream *store.Stream) {
	for {
		c, err := stream.Next(ctx)
		if err != nil {
			if _, lost := err.(*store.LostError); !lost {
				return
			}
			sup.mu.Lock()
			clear(sup.owned)
			sup.mu.Unlock()
			sup.markAll()
			continue
		}
		marked := map[string]bool{}
		for k := range c.Changes {
			ch := &c.Changes[k]
			if id := owner(ch); id != "" && !marked[id] {
				marked[id] = true
				sup.shard(id).push(id, true)
			}
			if ch.Table == schedules.Name() {
				sup.rescheduled(ch)
			}
			if ch.Table == fleet.Table().Name() {
				sup.machineChanged(ch)
			}
		}
	}
}

// machineChanged marks what runs on a machine that is not what it was, and what
// waits for one.
func (sup *supervisor) machineChanged(ch *store.Change) {
	m, _ := ch.After.(*fleet.Machine)
	v := sup.s.st.View()
	if m == nil || m.Status != fleet.Up {
		marked := map[string]bool{}
		for i := range instances.All(v) { // it happens rarely: no index is kept for it
			if i.Machine == ch.Key && i.State.Placed() && !marked[i.Workload] {
				marked[i.Workload] = true
				sup.mark(i.Workload)
			}
		}
	}
	sup.wakeWaiting(v, WaitCapacity, wakeAtOnce)
}

// wakeAtOnce bounds how many of those that wait are looked at when room is
// made; the others try again by themselves.
const wakeAtOnce = 64

// wakeWaiting marks what waits for something of that kind: the first most
// workloads, or all if that is 0.
func (sup *supervisor) wakeWaiting(r store.Reader, kind WaitKind, most int) {
	marked := map[string]bool{}
	for i := range instancesByWait.All(r, store.KeyOf(kind)) {
		if !marked[i.Workload] {
			marked[i.Workload] = true
			sup.mark(i.Workload)
		}
		if len(marked) == most {
			return
		}
	}
}

// wakeGroup marks the run of a group that waits longest.
func (sup *supervisor) wakeGroup(r store.Reader, group string) {
	n := 0
	for i := range instancesByGroup.All(r, store.KeyOf(group, false)) {
		sup.mark(i.Workload)
		if n++; n == 8 {
			return
		}
	}
}

// retryCommit is how long a pass waits whose commit failed.
const retryCommit = time.Second
