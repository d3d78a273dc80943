package runtime

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// ring ties the copies of a runtime together: what reaches a group in one copy
// and has a key that belongs to another copy is handed over to the same group
// there. So all events of a key meet in one child, whichever way they came.
//
// What is handed over goes before the mail of the copy that gets it, also while
// that one is stalled; so copies that wait for each other go on. A copy that
// hands over more than the others can take is stalled until they have caught
// up. Only what one event fans out to goes beyond, up to the size of a mailbox;
// the rest of it fails.
type ring struct {
	inboxes []inbox // by copy
	hops    int     // how often an event may be handed over: at each group
	waiting atomic.Int64
	bytes   atomic.Int64
	sent    atomic.Uint64 // ever

	mu      sync.Mutex  // below an instance's
	stalled []*Instance // copies that wait for the others
}

// inbox is what one copy has got from others.
type inbox struct {
	ring *ring
	inst *Instance

	mu    sync.Mutex
	tasks []task
	got   uint64 // tasks, ever
	done  uint64 // of them
	noted bool   // an op will see to it
}

// copyOf returns which of n copies an event belongs to by its key, from 0.
func copyOf(key string, n int) int { return int(murmur3(key, 0) % uint32(n)) }

// tie makes one ring of new instances that nobody else knows yet.
func tie(copies []*Instance) *ring {
	r := &ring{inboxes: make([]inbox, len(copies))}
	for at := range copies[0].nodes() {
		if copies[0].nodes()[at].flags&flagGroup != 0 {
			r.hops++
		}
	}
	for k, i := range copies {
		r.inboxes[k].ring, r.inboxes[k].inst = r, i
		i.more().ring = r
		for at := range i.nodes() {
			if n := &i.nodes()[at]; n.flags&flagGroup != 0 {
				n.flags |= flagShared
				n.ext.Load().group.ring = r
			}
		}
	}
	return r
}

// other returns the copy that the event of a grouped node belongs to, nil if
// that is its own, or the event belongs to no child.
func (n *node) other(e *actor.Event) *inbox {
	key, ok := groupKey(n.spec.by, e)
	if !ok {
		return nil
	}
	r := n.ext.Load().group.ring
	in := &r.inboxes[copyOf(key, len(r.inboxes))]
	if in.inst == n.inst {
		return nil
	}
	return in
}

// hand gives an event of n to the same node of the copy; the token of n's
// instance is held.
func (in *inbox) hand(n *node, e *actor.Event) error {
	r, o := in.ring, &n.inst.tenant.eng.o
	size := int64(sizeOf(e))
	if w := r.waiting.Load(); w >= int64(o.Mailbox()) || w > 0 && r.bytes.Load()+size > int64(o.MailboxBytes()) {
		return atoll.Errorf(atoll.Overloaded, "", "the copies of the runtime cannot take more events from each other")
	}
	r.waiting.Add(1)
	r.bytes.Add(size)
	r.sent.Add(1)
	in.mu.Lock()
	in.tasks = append(in.tasks, task{&in.inst.nodes()[n.spec.at], e})
	in.got++
	note := !in.noted
	in.noted = true
	in.mu.Unlock()
	if note {
		in.inst.control(op{fn: in.work})
	}
	if r.crowded(o) {
		r.stall(n.inst)
	}
	return nil
}

// work delivers what has come, a share at a time; the token is held.
func (in *inbox) work(f *frame) {
	defer func() {
		in.mu.Lock()
		in.noted = len(in.tasks) > 0
		again := in.noted
		if !again {
			in.tasks = nil
		}
		in.mu.Unlock()
		if again {
			in.inst.control(op{fn: in.work})
		}
		in.inst.settled()
	}()
	for range maxChunk {
		in.mu.Lock()
		if len(in.tasks) == 0 {
			in.mu.Unlock()
			return
		}
		t := in.tasks[0]
		in.tasks[0] = task{}
		in.tasks = in.tasks[1:]
		in.mu.Unlock()
		in.deliver(f, t)
	}
}

func (in *inbox) deliver(f *frame, t task) {
	defer func() {
		in.mu.Lock()
		in.done++
		in.mu.Unlock()
		in.ring.arrived(int64(sizeOf(t.e)), &in.inst.tenant.eng.o)
	}()
	f.deliver(t.n, t.e)
}

// arrived accounts for an event that was handled.
func (r *ring) arrived(size int64, o *EngineOptions) {
	r.bytes.Add(-size)
	if left := r.waiting.Add(-1); left <= crowd(o)/2 {
		r.free()
	}
}

// crowd is how many events may be on their way between copies before those that
// send more are stalled.
func crowd(o *EngineOptions) int64 { return max(int64(o.Mailbox())/8, 1) }

func (r *ring) crowded(o *EngineOptions) bool {
	return r.waiting.Load() > crowd(o) || r.bytes.Load() > int64(o.MailboxBytes())/8
}

// stall keeps an instance from its mail until the others have caught up.
func (r *ring) stall(i *Instance) {
	r.mu.Lock()
	known := slices.Contains(r.stalled, i)
	if !known {
		r.stalled = append(r.stalled, i)
	}
	r.mu.Unlock()
	if known {
		return
	}
	i.control(op{fn: i.restall})
	if r.waiting.Load() <= crowd(&i.tenant.eng.o)/2 {
		r.free()
	}
}

// free lets those that were stalled go on.
func (r *ring) free() {
	r.mu.Lock()
	free := r.stalled
	r.stalled = nil
	r.mu.Unlock()
	for _, i := range free {
		i.control(op{fn: i.restall})
	}
}

func (r *ring) stalls(i *Instance) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.stalled, i)
}

// restall decides anew whether an instance is stalled; the token is held.
func (i *Instance) restall(*frame) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.stalled = i.otherStalled(nil)
}
