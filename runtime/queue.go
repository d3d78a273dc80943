package runtime

import (
	"context"
	goruntime "runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// tenant is a share of the workers.
type tenant struct {
	name  string
	eng   *Engine
	uses  int          // instances; guarded by Engine.mu
	bytes atomic.Int64 // of events waiting, in blocks

	// guarded by queue.mu
	first, last *Instance // the line
	next        *tenant   // in the ring
	ringed      bool
	credit      int // what it may use before others have their turn
	stuck       int // workers that its actors block
}

// queue is the run queue: a ring of tenants, each with a line of instances that
// have work. Tenants take turns by deficit round robin, counted in triggers and
// in time, so that one with many busy runtimes gets no more than one with few.
//
// The workers sleep while there is nothing to do. A watchdog runs only while
// instances wait and no worker is free: it makes time pass for shares, and adds
// spare workers for those that an actor blocks.
type queue struct {
	eng      *Engine
	ticks    atomic.Uint32 // of the watchdog; read for each event, so on a line of its own
	_        [64]byte
	inbox    atomic.Pointer[Instance] // pushed and in no line yet, the last one first
	_        [64]byte
	awake    atomic.Int32 // workers looking for work; written under mu
	lined    atomic.Bool  // instances are in lines; written under mu
	attended atomic.Bool  // no worker sleeps and the watchdog runs: who pushes has nothing to see to; written under mu

	mu       sync.Mutex // the innermost lock
	n        int        // instances in lines
	head     *tenant    // of the ring
	tail     *tenant
	base     int
	workers  []*worker
	free     []*worker // asleep
	stuck    int
	watching bool
	closed   bool
	end      chan struct{} // closed with it
	left     sync.WaitGroup
}

const (
	tick       = 2 * time.Millisecond
	stuckTicks = 5  // ticks without progress that make a worker stuck
	quietTicks = 20 // ticks without need that end the watchdog
	maxDebt    = 8 * quantum
	stuckShare = 16 // workers that one tenant may block
	idleLooks  = 3
)

func (q *queue) init(e *Engine) { q.eng, q.end = e, make(chan struct{}) }

func (q *queue) start(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.base = n
	for range n {
		q.add()
	}
}

// add starts a worker; q.mu is held.
func (q *queue) add() {
	w := &worker{q: q, wake: make(chan struct{}, 1)}
	q.workers = append(q.workers, w)
	q.look(w, true)
	q.left.Add(1)
	go w.run()
}

// quiet says that no instance waits.
func (q *queue) quiet() bool { return q.inbox.Load() == nil && !q.lined.Load() }

// look notes that a worker looks for work, or no longer; q.mu is held.
func (q *queue) look(w *worker, looking bool) {
	switch {
	case looking && !w.looking:
		q.awake.Add(1)
	case !looking && w.looking:
		q.awake.Add(-1)
	}
	w.looking = looking
}

// line counts instances that came to lines or left them; q.mu is held.
func (q *queue) line(n int) {
	had := q.n > 0
	q.n += n
	if has := q.n > 0; has != had {
		q.lined.Store(has)
	}
}

// push puts an instance at the end of its tenant's line. It takes no lock but
// to wake a worker: whoever finds the inbox empty sees to it that one is awake,
// and who is awake looks at the inbox once more before it sleeps.
func (q *queue) push(i *Instance) {
	for {
		head := q.inbox.Load()
		i.next = head
		if !q.inbox.CompareAndSwap(head, i) {
			continue
		}
		if head == nil && q.awake.Load() == 0 && !q.attended.Load() {
			q.mu.Lock()
			var w *worker
			if q.awake.Load() == 0 {
				w = q.rouse()
			}
			q.mu.Unlock()
			w.rise()
		}
		return
	}
}

// sort moves what was pushed to the lines of the tenants; q.mu is held.
func (q *queue) sort() {
	last := q.inbox.Swap(nil)
	var first *Instance
	for last != nil { // the last one pushed is the first one found
		last.next, first, last = first, last, last.next
	}
	n := 0
	for i := first; i != nil; n++ {
		t, next := i.tenant, i.next
		i.next = nil
		if t.last == nil {
			t.first = i
		} else {
			t.last.next = i
		}
		t.last = i
		if !t.ringed && t.stuck < stuckShare {
			q.ring(t)
		}
		i = next
	}
	q.line(n)
}

// rise wakes a worker that rouse returned, outside of the lock.
func (w *worker) rise() {
	if w != nil {
		w.wake <- struct{}{}
	}
}

// rouse returns a sleeping worker to wake, or sees to it that somebody watches
// those that are busy; q.mu is held.
func (q *queue) rouse() *worker {
	if n := len(q.free); n > 0 {
		w := q.free[n-1]
		q.free = q.free[:n-1]
		w.idle = false
		q.look(w, true)
		q.attended.Store(q.watching && n == 1)
		return w
	}
	if !q.watching && !q.closed {
		q.watching = true
		q.left.Add(1)
		go q.watch()
	}
	q.attended.Store(q.watching)
	return nil
}

// ring puts a tenant at the end of the ring; q.mu is held.
func (q *queue) ring(t *tenant) {
	t.ringed = true
	if q.tail == nil {
		q.head = t
	} else {
		q.tail.next = t
	}
	q.tail = t
}

// unring takes the first tenant out of the ring; q.mu is held.
func (q *queue) unring() {
	t := q.head
	q.head = t.next
	if q.head == nil {
		q.tail = nil
	}
	t.next, t.ringed = nil, false
}

// next returns the instance whose turn it is, nil if there is none; q.mu is held.
func (q *queue) next() *Instance {
	if q.inbox.Load() != nil {
		q.sort()
	}
	for q.head != nil {
		t := q.head
		if t.first == nil || t.stuck >= stuckShare {
			q.unring()
			continue
		}
		if t.credit <= 0 {
			t.credit += quantum
			if t.next != nil {
				q.unring()
				q.ring(t)
			}
			continue
		}
		i := t.first
		t.first = i.next
		i.next = nil
		if t.first == nil {
			t.last = nil
			q.unring()
		}
		q.line(-1)
		return i
	}
	return nil
}

// take charges the worker's tenant for what it did and returns the next
// instance to drive. It sleeps while there is none, and returns nil when the
// worker shall end.
func (q *queue) take(w *worker) *Instance {
	q.mu.Lock()
	if t := w.tenant; t != nil {
		// One alone in the ring owes nobody.
		t.credit = max(t.credit-w.cost, -maxDebt)
		w.tenant = nil
	}
	w.epoch++
	if w.stuck {
		q.unstick(w)
	}
	if len(q.workers)-q.stuck > q.base {
		// A spare is no longer needed.
		q.workers = slices.DeleteFunc(q.workers, func(o *worker) bool { return o == w })
		other := q.settle(w)
		q.mu.Unlock()
		other.rise()
		return nil
	}
	for looks := 0; ; {
		if i := q.next(); i != nil {
			w.tenant = i.tenant
			w.epoch++
			other := q.settle(w)
			q.mu.Unlock()
			other.rise()
			return i
		}
		if q.closed {
			q.look(w, false)
			q.mu.Unlock()
			return nil
		}
		if !w.looking {
			// Who pushed before this was seen has looked at nobody.
			q.look(w, true)
			continue
		}
		if looks == 0 && q.awake.Load() == 1 {
			// Waking somebody costs more than to look again for a while, and one
			// that looks is enough.
			q.mu.Unlock()
			for looks = 1; looks < idleLooks && q.quiet(); looks++ {
				goruntime.Gosched()
			}
			q.mu.Lock()
			continue
		}
		q.attended.Store(false)
		if q.look(w, false); q.inbox.Load() != nil {
			continue
		}
		w.idle = true
		q.free = append(q.free, w)
		q.mu.Unlock()
		<-w.wake
		q.mu.Lock()
		looks = 0
	}
}

// settle notes that a worker does not look for work, and returns one to wake if
// there is work left that nobody looks for; q.mu is held.
func (q *queue) settle(w *worker) *worker {
	q.look(w, false)
	if q.awake.Load() == 0 && !q.attended.Load() && !q.quiet() {
		return q.rouse()
	}
	return nil
}

// unstick marks a worker as free again of what blocked it; q.mu is held.
func (q *queue) unstick(w *worker) {
	w.stuck = false
	q.stuck--
	t := w.blocked
	w.blocked = nil
	t.stuck--
	if !t.ringed && t.first != nil && t.stuck < stuckShare {
		q.ring(t)
	}
}

// progress tells that a long activation is not stuck.
func (q *queue) progress(w *worker) {
	q.mu.Lock()
	w.epoch++
	if w.stuck {
		q.unstick(w)
	}
	q.mu.Unlock()
}

// leave takes a worker off the list at its end.
func (q *queue) leave(w *worker) {
	q.mu.Lock()
	q.workers = slices.DeleteFunc(q.workers, func(o *worker) bool { return o == w })
	q.mu.Unlock()
	q.left.Done()
}

// replace starts another worker for one whose goroutine was ended by an actor.
func (q *queue) replace(w *worker) {
	q.mu.Lock()
	if w.stuck {
		q.unstick(w)
	}
	q.add()
	q.mu.Unlock()
	q.leave(w)
}

// watch is the watchdog.
func (q *queue) watch() {
	defer q.left.Done()
	t := time.NewTicker(tick)
	defer t.Stop()
	for quiet := 0; quiet < quietTicks; {
		select {
		case <-t.C:
		case <-q.end:
			return
		}
		now := q.ticks.Add(1)
		q.mu.Lock()
		for _, w := range q.workers {
			if w.tenant == nil || w.stuck {
				continue
			}
			if w.seen != w.epoch {
				w.seen, w.since = w.epoch, now
			} else if now-w.since >= stuckTicks {
				w.stuck, w.blocked = true, w.tenant
				w.tenant.stuck++
				q.stuck++
			}
		}
		if q.quiet() || q.closed {
			quiet++
		} else {
			quiet = 0
			for len(q.workers)-q.stuck < q.base && len(q.workers) < q.base+q.eng.o.Spares {
				q.add()
			}
		}
		q.mu.Unlock()
	}
	q.mu.Lock()
	q.watching = false
	q.attended.Store(false)
	if !q.quiet() && q.awake.Load() == 0 && !q.closed {
		q.watching = true
		q.left.Add(1)
		go q.watch()
	}
	q.mu.Unlock()
}

// stop ends the workers when the queue is empty and returns how many are still
// inside an actor when ctx ends.
func (q *queue) stop(ctx context.Context) int {
	q.mu.Lock()
	if !q.closed {
		q.closed = true
		close(q.end)
	}
	for _, w := range q.free {
		w.idle = false
		q.look(w, true)
		w.wake <- struct{}{}
	}
	q.free = nil
	q.mu.Unlock()
	done := make(chan struct{})
	go func() {
		q.left.Wait()
		close(done)
	}()
	select {
	case <-done:
		return 0
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.workers)
}
