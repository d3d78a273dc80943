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

// box holds what an instance has to do. An instance without work has none.
type box struct {
	in   []slot // arriving
	out  []slot // being worked off, from pos; touched by the holder of the token alone
	pos  int
	ops  []op
	late []op // being worked off
}

const (
	keepSlots = 4096 // larger buffers are not kept with an idle box
	maxChunk  = 64   // events between two looks at the lock
)

func (b *box) empty() bool { return len(b.in) == 0 && b.pos == len(b.out) && len(b.ops) == 0 }

// box returns the instance's box; i.mu is held.
func (i *Instance) needBox() *box {
	if i.box == nil {
		i.box = i.tenant.eng.boxes.Get().(*box)
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
	b.in, b.out, b.pos = b.in[:0], b.out[:0], 0
	i.tenant.eng.boxes.Put(b)
}

// creditBlock is what an instance takes from its tenant's bytes at a time; the
// first block is free, so that light traffic touches no shared count.
const creditBlock = 64 << 10

// put appends an event if there is room; i.mu is held and the instance takes
// events. The reason is 0 or Overloaded.
func (i *Instance) put(e *actor.Event, n *node) atoll.Kind {
	size := e.Size() + 16
	eng := i.tenant.eng
	if int(i.waiting) >= eng.o.Mailbox() || i.waiting > 0 && int(i.bytes)+size > eng.o.MailboxBytes() {
		return atoll.Overloaded
	}
	if need := i.bytes + int64(size) - i.credit; need > creditBlock {
		take := (need - 1) / creditBlock * creditBlock
		if i.tenant.bytes.Add(take) > int64(eng.o.TenantBytes()) {
			i.tenant.bytes.Add(-take)
			return atoll.Overloaded
		}
		i.credit += take
	}
	b := i.needBox()
	b.in = append(b.in, slot{e, n})
	i.waiting++
	i.bytes += int64(size)
	return 0
}

// taken accounts for events that have left the mailbox; i.mu is held.
func (i *Instance) taken(n int, bytes int) {
	i.waiting -= int32(n)
	i.bytes -= int64(bytes)
	if i.waiting == 0 && i.credit > 0 {
		i.tenant.bytes.Add(-i.credit)
		i.credit = 0
	}
	if x := i.ext.Load(); x != nil && x.room != nil && int(i.waiting) <= i.tenant.eng.o.Mailbox()/2 {
		close(x.room)
		x.room = nil
	}
}

// overloaded is the answer to who posts to a full mailbox. It is one value,
// since it is given when there is no time to spare.
var overloaded error = &atoll.Error{Kind: atoll.Overloaded, Op: "runtime.Post", Msg: "the mailbox of the runtime is full", RetryAfter: time.Second}
