package workload

import (
	"cmp"
	"container/heap"
	"context"
	"sync"
	"time"
)

// timers wakes workloads at their time, with one timer for all of them. A
// workload has at most one entry; an idle one has none.
type timers struct {
	now  func() time.Time
	fire func(ctx context.Context, id string)

	mu      sync.Mutex
	due     dueHeap
	byID    map[string]*due
	changed chan struct{} // of size 1: the first entry is another
}

type due struct {
	at  time.Time
	seq uint64
	id  string
	pos int

	index uint64
}

func newTimers(now func() time.Time, fire func(context.Context, string)) *timers {
	return &timers{now: now, fire: fire, byID: map[string]*due{}, changed: make(chan struct{}, 1)}
}

// set makes at the time of workload id, as follows from its state of index; zero
// is none. What follows from an older state than the last is ignored.
func (t *timers) set(id string, seq uint64, at time.Time, index uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var first *due
	if len(t.due) > 0 {
		first = t.due[0]
	}
	e := t.byID[id]
	switch {
	case e != nil && index < e.index:
		return
	case at.IsZero() && e == nil:
		return
	case at.IsZero():
		heap.Remove(&t.due, e.pos)
		delete(t.byID, id)
	case e == nil:
		e = &due{at: at, seq: seq, id: id, index: index}
		t.byID[id] = e
		heap.Push(&t.due, e)
	default:
		e.at, e.index = at, index
		heap.Fix(&t.due, e.pos)
	}
	if len(t.due) > 0 && (t.due[0] != first || t.due[0] == e) {
		select {
		case t.changed <- struct{}{}:
		default:
		}
	}
}

// clear forgets all times.
func (t *timers) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.due = nil
	clear(t.byID)
}

// pop returns the workloads that are due, in order, and the time until the next.
func (t *timers) pop() (ids []string, wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	for len(t.due) > 0 {
		e := t.due[0]
		if w := e.at.Sub(now); w > 0 {
			return ids, w
		}
		heap.Pop(&t.due)
		delete(t.byID, e.id)
		ids = append(ids, e.id)
	}
	return ids, 0
}

func (t *timers) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		ids, wait := t.pop()
		for _, id := range ids {
			t.fire(ctx, id)
		}
		if wait > 0 {
			timer.Reset(wait)
		} else {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-t.changed:
		}
	}
}

type dueHeap []*due

func (h dueHeap) Len() int { return len(h) }
func (h dueHeap) Less(a, b int) bool {
	if c := h[a].at.Compare(h[b].at); c != 0 {
		return c < 0
	}
	return cmp.Compare(h[a].seq, h[b].seq) < 0
}
func (h dueHeap) Swap(a, b int) {
	h[a], h[b] = h[b], h[a]
	h[a].pos, h[b].pos = a, b
}
func (h *dueHeap) Push(x any) {
	e := x.(*due)
	e.pos = len(*h)
	*h = append(*h, e)
}
func (h *dueHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return e
}
