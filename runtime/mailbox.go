package runtime

import (
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// slot is one event in a mailbox.
type slot struct {
	e *actor.Event
	n *node // where it goes; with flagSlot not an actor's but a wrapper's
}

// op is something to do between events.
type op struct {
	fn func(f *frame)
	n  *node // with timer
	t  *timer
}

// box holds what an instance has to do, beyond the one event that it holds
// itself. An instance without work has none.
type box struct {
	in   []slot // arriving
	out  []slot // being worked off, from pos; touched by the holder of the token alone
	pos  int
	ops  []op
	late []op // being worked off

	runner *worker // who works it off, if a worker does

	waiting int   // events accepted and not begun
	bytes   int   // of these
	credit  int64 // of the tenant's bytes, beyond the free block
	most    int   // events, as of a little while ago
	room    int   // bytes, as of a little while ago

	own [2][4]slot // the first buffers: few events are one allocation
}

func newBox() *box {
	b := new(box)
	b.in, b.out = b.own[0][:0], b.own[1][:0]
	return b
}

const (
	keepSlots = 4096 // larger buffers are not kept with an idle box
	maxChunk  = 64   // events between two looks at the lock
	slotSize  = 16

	// creditBlock is what an instance takes from its tenant's bytes at a time;
	// the first block is free, so that light traffic touches no shared count.
	creditBlock = 64 << 10
)

// poke makes the worker look at the instance before the next event; i.mu is held.
func (b *box) poke() {
	if b.runner != nil {
		b.runner.poked.Store(true)
	}
}

func (b *box) empty() bool { return len(b.in) == 0 && b.pos == len(b.out) && len(b.ops) == 0 }

// limits asks for the bounds of a mailbox.
func (b *box) limits(o *EngineOptions) { b.most, b.room = o.Mailbox(), o.MailboxBytes() }

// needBox returns the instance's box, with what the instance holds itself in it;
// i.mu is held.
func (i *Instance) needBox() *box {
	if i.box == nil {
		eng := i.tenant.eng
		i.box = eng.boxes.Get().(*box)
		i.box.limits(&eng.o)
		if i.one.e != nil {
			i.box.in = append(i.box.in, i.one)
			i.box.waiting, i.box.bytes = 1, sizeOf(i.one.e)
			i.one = slot{}
		}
	}
	return i.box
}

// dropBox gives an empty box back; i.mu is held.
func (i *Instance) dropBox() {
	b := i.box
	if b == nil {
		return
	}
	i.box = nil
	if cap(b.in) > keepSlots {
		b.in = nil
	}
	if cap(b.out) > keepSlots {
		b.out = nil
	}
	b.in, b.out, b.pos, b.runner = b.in[:0], b.out[:0], 0, nil
	i.tenant.eng.boxes.Put(b)
}

// sizeOf is what an event counts in a mailbox.
func sizeOf(e *actor.Event) int { return e.Size() + slotSize }

// put appends an event of that size if there is room; i.mu is held and the
// instance takes events. It returns false if the mailbox is full.
func (i *Instance) put(e *actor.Event, n *node, size int) bool {
	b := i.box
	if b == nil {
		if i.one.e == nil && size <= creditBlock && i.tenant.eng.o.Mailbox() > 0 {
			i.one = slot{e, n}
			return true
		}
		b = i.needBox()
	} else if b.waiting&127 == 127 {
		b.limits(&i.tenant.eng.o)
	}
	if b.waiting >= b.most || b.bytes+size > b.room && b.waiting > 0 {
		if b.limits(&i.tenant.eng.o); b.waiting >= b.most || b.bytes+size > b.room {
			return false
		}
	}
	if int64(b.bytes+size)-b.credit > creditBlock && !i.borrow(b, size) {
		return false
	}
	b.in = append(b.in, slot{e, n})
	b.waiting++
	b.bytes += size
	return true
}

// borrow takes a further part of the tenant's bytes.
func (i *Instance) borrow(b *box, size int) bool {
	take := (int64(b.bytes+size) - b.credit - 1) / creditBlock * creditBlock
	if i.tenant.bytes.Add(take) > int64(i.tenant.eng.o.TenantBytes()) {
		i.tenant.bytes.Add(-take)
		return false
	}
	b.credit += take
	return true
}

// taken accounts for events that have left the mailbox; i.mu is held.
func (i *Instance) taken(n int, bytes int) {
	b := i.box
	b.waiting -= n
	b.bytes -= bytes
	if b.waiting == 0 && b.credit > 0 {
		i.tenant.bytes.Add(-b.credit)
		b.credit = 0
	}
	if x := i.ext.Load(); x != nil && x.room != nil && b.waiting <= b.most/2 {
		close(x.room)
		x.room = nil
	}
}

// overloaded is the answer to who posts to a full mailbox. It is one value,
// since it is given when there is no time to spare.
var overloaded error = &atoll.Error{Kind: atoll.Overloaded, Op: "runtime.Post", Msg: "the mailbox of the runtime is full", RetryAfter: time.Second}
