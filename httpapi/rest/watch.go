package rest

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"weak"
)

// Callers that are slow to send a body or to take an answer are cut off by the
// deadlines of their connection. To set one costs as much as all that the kernel
// does for a small call, and hardly any is ever reached. So a call only notes
// what it waits for and until when, and the watch of the server, a timer that
// runs while there are calls, sets the deadline of those that are late: in the
// past.

// watch looks after the calls of a server.
type watch struct {
	every time.Duration
	tick  atomic.Int64 // how often it looked; the time that waits are noted in
	armed atomic.Bool

	mu  sync.Mutex // guards all
	all []weak.Pointer[exchange]
}

// ending is in the place of a wait that the watch is dealing with.
const ending = -1

// init sets the pace. A wait may end late by one look: an eighth of the shortest
// limit, at most a second.
func (w *watch) init(l *Limits) {
	w.every = time.Second
	for _, d := range []time.Duration{l.Body, l.Write} {
		if d > 0 {
			w.every = max(min(w.every, d/8), time.Millisecond)
		}
	}
	w.tick.Store(1)
}

// add makes an exchange one that is looked after, for as long as it lives.
func (w *watch) add(x *exchange) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.all) == cap(w.all) {
		w.all = slices.DeleteFunc(w.all, func(p weak.Pointer[exchange]) bool { return p.Value() == nil })
	}
	w.all = append(w.all, weak.Make(x))
}

// look ends the waits whose time is up, and goes on while there are any.
func (w *watch) look() {
	now := w.tick.Add(1)
	if w.pass(func(x *exchange, until int64) {
		if until>>1 <= now && x.wait.CompareAndSwap(until, ending) {
			setDeadline(x.w, direction(until&1), time.Unix(1, 0))
			x.late.Store(true)
			x.wait.Store(0)
		}
	}) {
		time.AfterFunc(w.every, w.look)
		return
	}
	w.armed.Store(false)
	if w.pass(func(*exchange, int64) {}) { // it began before it could see that nobody looks
		w.arm()
	}
}

// pass calls do for all exchanges that wait, and reports whether there were any.
func (w *watch) pass(do func(*exchange, int64)) (any bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.all {
		if x := p.Value(); x != nil {
			if until := x.wait.Load(); until > 0 {
				any = true
				do(x, until)
			}
		}
	}
	return any
}

// arm makes sure that somebody looks.
func (w *watch) arm() {
	if !w.armed.Load() && w.armed.CompareAndSwap(false, true) {
		time.AfterFunc(w.every, w.look)
	}
}

// waits notes that from now on, for at most limit, the exchange waits for its
// caller. No limit notes nothing.
func (x *exchange) waits(d direction, limit time.Duration) {
	if limit <= 0 {
		return
	}
	w := &x.s.watch
	x.waited()
	x.wait.Store((w.tick.Load()+int64((limit+w.every-1)/w.every)+1)<<1 | int64(d))
	w.arm()
}

// waited ends the wait. It reports whether all were over in time so far; if not,
// the connection has a deadline that has passed.
func (x *exchange) waited() bool {
	for until := x.wait.Load(); until != 0; until = x.wait.Load() {
		if until == ending {
			runtime.Gosched()
		} else if x.wait.CompareAndSwap(until, 0) {
			break
		}
	}
	return !x.late.Load()
}
