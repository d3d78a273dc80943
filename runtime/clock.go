package runtime

import (
	"container/heap"
	"slices"
	"sync"
	"time"

	"github.com/atoll-platform/atoll/actor"
)

// clock runs the ticks and timeouts of all instances of an engine from one heap
// and one timer of the system.
type clock struct {
	eng *Engine

	mu    sync.Mutex
	heap  timers
	timer *time.Timer
	ended bool
}

// timer is one tick or timeout of a node.
type timer struct {
	n      *node
	c      *child // n's, if it is one
	due    time.Time
	period time.Duration
	kind   timerKind

	// guarded by clock.mu
	place   int  // in the heap; -1 is not there
	pending bool // it has gone off and its node has not run yet
}

type timerKind uint8

const (
	timerTick timerKind = iota
	timerAgain
	timerExit
)

// minPeriod keeps an actor with a clock from taking all of a worker.
const minPeriod = time.Millisecond

func (c *clock) init(e *Engine) { c.eng = e }

// startTimers sets the clocks of a new actor going; the token is held or nobody
// else knows the node yet.
func (i *Instance) startTimers(n *node, c *child) {
	if n.flags&flagGone != 0 { // of a state that was restored
		return
	}
	clk := &i.tenant.eng.clock
	if t, ok := n.act.(actor.Ticker); ok {
		if every := t.Every(); every > 0 {
			clk.start(&timer{n: n, c: c, period: max(every, minPeriod), kind: timerTick})
		}
	}
	if t := n.spec.def.Def.Timeout; t != nil {
		kind := timerAgain
		if t.Mode == Exit {
			kind = timerExit
		}
		clk.start(&timer{n: n, c: c, period: max(t.Duration, minPeriod), kind: kind})
	}
}

func (c *clock) start(t *timer) {
	x := t.n.extend()
	x.timers = append(x.timers, t)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	first := t.period
	if k := len(x.timers) - 1; k < len(x.left) {
		first = min(max(x.left[k], 0), t.period)
	}
	t.due = time.Now().Add(first)
	heap.Push(&c.heap, t)
	if t.place == 0 {
		c.arm()
	}
}

// arm sets the timer of the system to the next due; c.mu is held.
func (c *clock) arm() {
	if len(c.heap) == 0 {
		return
	}
	d := time.Until(c.heap[0].due)
	if c.timer == nil {
		c.timer = time.AfterFunc(d, c.fire)
	} else {
		c.timer.Reset(d)
	}
}

// fire hands what is due to its instances. What comes round again is set to its
// next turn; turns that an instance has not got to are one.
func (c *clock) fire() {
	var due []*timer
	c.mu.Lock()
	now := time.Now()
	for len(c.heap) > 0 && !c.heap[0].due.After(now) {
		t := c.heap[0]
		if t.kind == timerExit {
			heap.Pop(&c.heap)
		} else {
			late := now.Sub(t.due)
			t.due = t.due.Add(t.period * (1 + late/t.period))
			heap.Fix(&c.heap, 0)
		}
		if !t.pending {
			t.pending = true
			due = append(due, t)
		}
	}
	if !c.ended {
		c.arm()
	}
	c.mu.Unlock()
	for _, t := range due {
		t.n.inst.control(op{n: t.n, t: t})
	}
}

// remove takes a timer off the clock.
func (c *clock) remove(t *timer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.place >= 0 && t.place < len(c.heap) && c.heap[t.place] == t {
		heap.Remove(&c.heap, t.place)
	}
}

func (c *clock) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	c.heap = nil
	if c.timer != nil {
		c.timer.Stop()
	}
}

// run lets the node act on its timer; the token is held.
func (t *timer) run(f *frame, n *node) {
	clk := &n.inst.tenant.eng.clock
	clk.mu.Lock()
	t.pending = false
	clk.mu.Unlock()
	if n.flags&flagGone != 0 {
		return
	}
	if t.kind == timerTick {
		f.call(n, n.act.(actor.Ticker).Tick)
		return
	}
	if a, ok := n.act.(actor.Timed); ok {
		f.call(n, a.Timeout)
	}
	if t.kind == timerExit {
		n.leave(t.c)
	}
}

// leave removes an actor for good: what comes to it is dropped.
func (n *node) leave(c *child) {
	for _, t := range n.ext.Load().timers {
		n.inst.tenant.eng.clock.remove(t)
	}
	n.flags |= flagGone
	if c != nil {
		n.home().ext.Load().group.remove(c)
	}
	if s := n.ext.Load().stage; s != nil && !s.empty() {
		x := n.inst.extend()
		x.leaving = append(x.leaving, n)
		return
	}
	n.left()
}

// left is the end of an actor that was removed: nothing of it is on its way.
func (n *node) left() {
	if n.letGo() {
		n.endActor()
	}
	if n.flags&flagChild != 0 && n.spec.flags&flagGroup != 0 {
		n.inst.extend().kids--
	}
}

// leftBehind ends an actor that was removed when the last of its results has
// been passed on; the token is held.
func (n *node) leftBehind() {
	x := n.inst.ext.Load()
	if at := slices.Index(x.leaving, n); at >= 0 {
		x.leaving = slices.Delete(x.leaving, at, at+1)
		n.left()
	}
}

// timers is a heap by due time.
type timers []*timer

func (h timers) Len() int           { return len(h) }
func (h timers) Less(a, b int) bool { return h[a].due.Before(h[b].due) }
func (h timers) Swap(a, b int) {
	h[a], h[b] = h[b], h[a]
	h[a].place, h[b].place = a, b
}
func (h *timers) Push(x any) {
	t := x.(*timer)
	t.place = len(*h)
	*h = append(*h, t)
}
func (h *timers) Pop() any {
	last := len(*h) - 1
	t := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	t.place = -1
	return t
}
