package runtime

import (
	"sync/atomic"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// errand is something to do once with the token, for somebody who waits for it.
// It goes behind the mail that is there, so that whoever posted before sees what
// came of it, and before it when that takes too long.
type errand struct {
	wrap  node // what its slot names
	fn    func(f *frame)
	begun atomic.Bool
	done  chan struct{}
}

// Trigger makes an errand something that a node can hold; it is not called.
func (a *errand) Trigger(actor.Context, *actor.Event) (*actor.Event, error) { return nil, nil }

// run does it, unless that has been done; the token is held.
func (a *errand) run(f *frame) {
	if a.begun.CompareAndSwap(false, true) {
		defer close(a.done)
		a.fn(f)
	}
}

const (
	errandPatience = 100 * time.Millisecond // before an errand overtakes the mail
	maxErrands     = 1024                   // that wait for one actor to return
)

// do runs fn with the token: on this goroutine if nobody has it, else on that of
// who has it, when the mail that is there now has been handled, or after
// behind between two events. It fails with Timeout when that is not reached
// within limit, then fn may still run later, with Overloaded when many wait
// already, and with Unavailable on a closed instance.
func (i *Instance) do(op string, behind, limit time.Duration, fn func(f *frame)) error {
	if i.seize() {
		f := i.tenant.eng.frames.Get().(*frame)
		defer i.release()
		defer i.tenant.eng.frames.Put(f)
		fn(f)
		return nil
	}
	a := &errand{fn: fn, done: make(chan struct{})}
	a.wrap.flags, a.wrap.act = flagSlot, a
	start := time.Now()
	if behind > 0 && i.queueErrand(a) {
		if a.await(min(behind, limit)) {
			return nil
		}
	}
	i.mu.Lock()
	full := i.box != nil && len(i.box.ops) >= maxErrands
	i.mu.Unlock()
	if full {
		return atoll.Errorf(atoll.Overloaded, op, "the runtime is busy and %d others wait for it", maxErrands)
	}
	if !i.control(opOf(a.run)) {
		return atoll.Errorf(atoll.Unavailable, op, "the runtime is closed")
	}
	if a.await(limit - time.Since(start)) {
		return nil
	}
	return atoll.Errorf(atoll.Timeout, op, "the runtime is busy: no answer in %v", limit)
}

// queueErrand puts an errand behind the mail, if there is room: half of the
// mailbox is for events alone, or questions that nobody waits for any more would
// take it from them.
func (i *Instance) queueErrand(a *errand) bool {
	i.mu.Lock()
	if i.state == stateClosed || i.needBox().waiting >= i.box.most/2 || !i.put(blank, &a.wrap, sizeOf(blank)) {
		i.mu.Unlock()
		return false
	}
	if i.stalled {
		i.mu.Unlock()
	} else {
		i.wake()
	}
	return true
}

// await says whether the errand was done in time.
func (a *errand) await(limit time.Duration) bool {
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-a.done:
		return true
	case <-t.C:
		return false
	}
}
