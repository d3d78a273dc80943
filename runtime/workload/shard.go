package workload

import (
	"context"
	"sync"
	"time"
)

// runKey names one run.
type runKey struct {
	instance string
	run      int
}

// shard looks at workloads one after the other.
type shard struct {
	sup *supervisor

	mu      sync.Mutex
	wake    *sync.Cond
	queue   []string
	head    int
	queued  map[string]bool // in the queue; true = look for runs without rows and rows without runs
	reports map[string][]report
	runners map[string]map[runKey]*runner // by workload
	early   map[runKey]time.Duration      // the grace of stops that came before their runs
	closed  bool
	era     int        // one more when other rows take the place of all
	busy    bool       // a pass is under way
	led     bool       // in the goroutine of a runner
	idle    *sync.Cond // there is nothing to do

	now func(id string, reports []report) // a pass in the goroutine of the caller, nil before the start

	last *Snapshot // what the last pass left, of a workload with many rows; for passes
}

func newShard(sup *supervisor) *shard {
	sh := &shard{sup: sup, queued: map[string]bool{}, reports: map[string][]report{}, runners: map[string]map[runKey]*runner{}}
	sh.wake, sh.idle = sync.NewCond(&sh.mu), sync.NewCond(&sh.mu)
	return sh
}

// open lets passes happen.
func (sh *shard) open(pass func(id string, reports []report)) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.now = pass
}

// push puts a workload at the tail of the queue, unless it is in it.
func (sh *shard) push(id string, check bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.pushLocked(id, check)
}

func (sh *shard) pushLocked(id string, check bool) {
	was, in := sh.queued[id]
	sh.queued[id] = was || check
	if !in {
		sh.queue = append(sh.queue, id)
		if !sh.busy && !sh.led {
			sh.wake.Signal()
		}
	}
}

// report takes what a runner says in. If nothing else is to be done the pass
// happens here and now: to wake another goroutine for it would take longer.
func (sh *shard) report(workload string, r report) {
	if sh.lead(workload, r) {
		defer sh.follow()
		sh.now(workload, []report{r})
	}
}

// lead makes the caller the one that passes happen in, if nobody does and there
// is nothing to do but this; else the report waits for its pass.
func (sh *shard) lead(workload string, r report) bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.now == nil || sh.busy || sh.led || sh.closed || sh.head != len(sh.queue) || len(sh.reports[workload]) > 0 || !sh.sup.turns.try() {
		sh.reports[workload] = append(sh.reports[workload], r)
		sh.pushLocked(workload, false)
		return false
	}
	sh.led = true
	return true
}

// follow lets the goroutine of the shard go on.
func (sh *shard) follow() {
	sh.sup.turns.end()
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.led = false
	if sh.head != len(sh.queue) {
		sh.wake.Signal()
	} else {
		sh.idle.Broadcast()
	}
}

// next waits for a workload to look at. era is when its reports were made.
func (sh *shard) next() (id string, check bool, reports []report, era int, ok bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.busy = false
	for (sh.led || sh.head == len(sh.queue)) && !sh.closed {
		if !sh.led {
			sh.queue, sh.head = sh.queue[:0], 0
			sh.idle.Broadcast()
		}
		sh.wake.Wait()
	}
	sh.busy = true
	if sh.closed {
		return "", false, nil, 0, false
	}
	id = sh.queue[sh.head]
	sh.queue[sh.head] = ""
	if sh.head++; sh.head > 1024 && sh.head*2 > len(sh.queue) {
		sh.queue = append(sh.queue[:0], sh.queue[sh.head:]...)
		sh.head = 0
	}
	check = sh.queued[id]
	delete(sh.queued, id)
	reports = sh.reports[id]
	if most := max(passLimit, len(reports)/4); len(reports) > most {
		sh.reports[id] = reports[most:]
		reports = reports[:most:most]
		sh.pushLocked(id, false)
	} else {
		delete(sh.reports, id)
	}
	return id, check, reports, sh.era, true
}

// back puts reports in front again, whose pass could not be written.
func (sh *shard) back(id string, reports []report) {
	if len(reports) == 0 {
		return
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.reports[id] = append(reports, sh.reports[id]...)
}

func (sh *shard) run(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		sh.mu.Lock()
		defer sh.mu.Unlock()
		sh.closed = true
		sh.wake.Broadcast()
		sh.idle.Broadcast()
	})
	defer stop()
	for {
		id, check, reports, era, ok := sh.next()
		if !ok {
			return
		}
		sh.turn(ctx, id, check, reports, era)
	}
}

// turn is a pass, unless the rows are just being replaced: then it comes after,
// without what runs of the old rows have said.
func (sh *shard) turn(ctx context.Context, id string, check bool, reports []report, era int) {
	sh.sup.turns.begin()
	defer sh.sup.turns.end()
	if sh.past(era) {
		reports = nil
	}
	sh.pass(ctx, id, check, reports)
}

func (sh *shard) past(era int) bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.era != era
}

// known returns the workloads that have runners.
func (sh *shard) known() []string {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	ids := make([]string, 0, len(sh.runners))
	for id := range sh.runners {
		ids = append(ids, id)
	}
	return ids
}

func (sh *shard) runner(workload string, key runKey) *runner {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.runners[workload][key]
}

func (sh *shard) add(r *runner) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	m := sh.runners[r.inst.Workload]
	if m == nil {
		m = map[runKey]*runner{}
		sh.runners[r.inst.Workload] = m
	}
	m[r.key()] = r
	if grace, ok := sh.early[r.key()]; ok {
		delete(sh.early, r.key())
		r.tell(verbStop, grace)
	}
}

// tell passes a verb on to a run. Commits are followed up side by side, so the
// one that stops a run may be so before the one that began it: then the stop
// waits for the run.
func (sh *shard) tell(workload string, key runKey, v verb, grace time.Duration) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if r := sh.runners[workload][key]; r != nil {
		r.tell(v, grace)
		return
	}
	if v != verbStop {
		return // the run is over
	}
	if sh.early == nil {
		sh.early = map[runKey]time.Duration{}
	}
	if before, ok := sh.early[key]; !ok || grace < before {
		sh.early[key] = grace
	}
}

func (sh *shard) remove(workload string, key runKey) *runner {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	delete(sh.early, key)
	m := sh.runners[workload]
	r := m[key]
	if delete(m, key); len(m) == 0 {
		delete(sh.runners, workload)
	}
	return r
}

// all returns the runners of a workload, or of all.
func (sh *shard) all(workload string) []*runner {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	var out []*runner
	for id, m := range sh.runners {
		if workload != "" && id != workload {
			continue
		}
		for _, r := range m {
			out = append(out, r)
		}
	}
	return out
}
