package runtime

import (
	goruntime "runtime"
	"runtime/debug"
	"sync/atomic"

	"github.com/atoll-platform/atoll/actor"
)

// worker drives the instances that the queue hands out, on one goroutine.
type worker struct {
	q     *queue
	frame frame
	inst  *Instance // being driven
	cost  int       // of it, for the account of its tenant
	begun int       // events of the chunk in hand; 0 outside of one
	bytes int       // of these
	took  bool      // that they are accounted for
	poked atomic.Bool
	wake  chan struct{}

	// guarded by queue.mu
	epoch   uint64 // activations
	seen    uint64 // epoch that the watchdog saw last
	since   uint32 // tick at which it saw it first
	stuck   bool
	idle    bool
	looking bool    // for work; counted in queue.awake
	tenant  *tenant // of inst
	blocked *tenant // that is charged with a stuck worker
}

const (
	quantum  = 512 // events of an activation
	lingers  = 4   // looks at an empty mailbox before it is left
	trickle  = 16  // events that are few for a mailbox that is busy
	tickCost = 2 * quantum
)

func (w *worker) run() {
	done := false
	defer func() {
		if !done {
			w.lost()
		}
	}()
	owed := 0
	for i := w.q.take(w); i != nil; i = w.q.take(w) {
		w.inst, w.cost = i, 1
		w.frame.work = 0
		w.drive(i)
		w.cost += w.frame.work
		w.inst = nil
		if owed += w.cost; owed >= quantum {
			// The program's other goroutines wait for the same processors.
			owed = 0
			goruntime.Gosched()
		}
	}
	done = true
	w.q.leave(w)
}

// lost deals with an actor that ended the worker's goroutine: that was one
// failure of its event, and another worker takes over.
func (w *worker) lost() {
	if i := w.inst; i != nil {
		if n := w.frame.n; n != nil {
			n.fail()
			n.busy = false
		}
		w.inst = nil
		i.mu.Lock()
		if b := i.box; b != nil && b.runner == w {
			w.account(i, b)
		}
		i.mu.Unlock()
		i.release()
	}
	w.q.replace(w)
}

// drive works for an instance until it has nothing to do or has had its share.
func (w *worker) drive(i *Instance) {
	f := &w.frame
	f.n, f.tasks = nil, f.tasks[:0]
	i.mu.Lock()
	i.state = stateRunning
	start := w.q.ticks.Load()
	spent, looks := 0, 0
	for {
		b := i.box
		switch {
		case b == nil && i.one.e != nil && !i.stalled && !i.hardened():
			s := i.one
			i.one = slot{}
			i.mu.Unlock()
			i.handle(f, s)
			spent++
			i.mu.Lock()
			continue
		case b == nil && i.one.e != nil && i.hardened():
			i.needBox()
			continue
		case b == nil:
		case len(b.ops) > 0:
			w.poked.Store(false)
			b.ops, b.late = b.late[:0], b.ops
			i.mu.Unlock()
			for k := range b.late {
				o := b.late[k]
				b.late[k] = op{}
				o.run(f, i)
			}
			b.late = b.late[:0]
			spent++
			i.mu.Lock()
			if i.state == stateClosed {
				i.dropBox()
				i.mu.Unlock()
				return
			}
			continue
		case i.hardened():
			i.dropMail()
		case i.stalled:
		case (spent >= quantum || w.q.ticks.Load()-start >= 2) && !w.q.quiet():
			// Its share is used up and other instances wait.
			i.state = stateQueued
			i.mu.Unlock()
			w.cost += int(w.q.ticks.Load()-start) * tickCost
			w.q.push(i)
			return
		case spent >= quantum:
			spent = 0
			i.mu.Unlock()
			goruntime.Gosched()
			i.mu.Lock()
			continue
		case b.pos < len(b.out) || len(b.in) > 0:
			if b.pos == len(b.out) {
				if len(b.in) < trickle && looks == 0 && spent >= maxChunk && w.q.quiet() {
					// Those who post are as fast as the worker: let them get ahead,
					// else both meet at the lock for each event.
					looks++
					i.mu.Unlock()
					goruntime.Gosched()
					i.mu.Lock()
					continue
				}
				b.in, b.out, b.pos = b.out[:0], b.in, 0
				b.limits(&i.tenant.eng.o)
			}
			spent += w.chunk(i, b)
			looks = 0
			continue
		case looks < lingers && spent >= maxChunk && w.q.quiet():
			// One that is busy may have more at once.
			looks++
			i.mu.Unlock()
			goruntime.Gosched()
			i.mu.Lock()
			continue
		}
		if i.finished() {
			continue
		}
		i.state = stateIdle
		if b != nil && b.empty() {
			i.dropBox()
		}
		i.mu.Unlock()
		w.cost += int(w.q.ticks.Load()-start) * tickCost
		return
	}
}

// chunk works off some events; i.mu is held before and after. Small mailboxes
// are accounted for event by event. While it runs it touches nothing that those
// who post write to.
func (w *worker) chunk(i *Instance, b *box) int {
	size := min(max(b.most/16, 1), maxChunk, len(b.out)-b.pos)
	out := b.out[b.pos : b.pos+size]
	w.took = size == 1
	if w.took {
		// Begun is taken: a full mailbox behind an actor that blocks is exact.
		i.taken(1, sizeOf(out[0].e))
	}
	b.runner = w
	i.mu.Unlock()
	for again := true; again; { // an actor panicked
		again = w.some(i, out)
	}
	i.mu.Lock()
	return w.account(i, b)
}

// some works off events until there is a reason to look up, or until an actor
// panics: then it returns true.
func (w *worker) some(i *Instance, out []slot) (again bool) {
	f := &w.frame
	again = true
	defer f.catch()
	for len(f.tasks) > 0 { // behind the one that panicked
		t := f.pop()
		f.run(t.n, t.e)
	}
	start := w.q.ticks.Load()
	for w.begun < len(out) {
		s := &out[w.begun]
		w.begun++
		w.bytes += sizeOf(s.e)
		if s.n.flags&flagSlot == 0 {
			f.run(s.n, s.e)
		} else {
			i.handle(f, *s)
		}
		if w.poked.Load() {
			w.poked.Store(false)
			break
		}
		if w.q.ticks.Load() != start {
			w.q.progress(w)
			break
		}
	}
	return false
}

// account takes what was begun of a chunk out of the mailbox and returns how
// many events that was; i.mu is held.
func (w *worker) account(i *Instance, b *box) int {
	n := w.begun
	clear(b.out[b.pos : b.pos+n])
	b.pos += n
	if !w.took {
		i.taken(n, w.bytes)
	}
	w.begun, w.bytes = 0, 0
	return n
}

// handle does what a slot asks for; the token is held.
func (i *Instance) handle(f *frame, s slot) {
	if s.n.flags&flagSlot == 0 {
		f.deliver(s.n, s.e)
		return
	}
	switch a := s.n.act.(type) {
	case *ask:
		a.serve(f, s.e)
	case *source:
		f.passOn(a.n, s.e)
	case *barrier:
		i.reached(a)
	case *errand:
		a.run(f)
	}
}

// passOn sends on what a source emitted.
func (f *frame) passOn(n *node, e *actor.Event) {
	f.pass(n, e)
}

// run does the op. What it calls has barriers of its own; this one is for what
// they cannot see, such as a hook that panics.
func (o op) run(f *frame, i *Instance) {
	defer func() {
		if r := recover(); r != nil {
			i.tenant.eng.panicked(i, "", r, debug.Stack())
		}
	}()
	if o.fn != nil {
		o.fn(f)
		return
	}
	o.t.run(f, o.n)
}
