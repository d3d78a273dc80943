package runtime

import (
	"context"
	goruntime "runtime"
	"sync/atomic"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// ask is a question to an actor that waits in the mailbox.
type ask struct {
	node   // the wrapper that its slot names
	target *node
	state  atomic.Uint32 // asked, then answered or abandoned by who comes first
	done   chan struct{} // takes one when answered
	timer  *time.Timer
	out    *actor.Event
	err    error
}

const (
	askOpen uint32 = iota
	askAnswered
	askAbandoned
)

func newAsk() *ask {
	q := &ask{done: make(chan struct{}, 1)}
	q.flags, q.act = flagSlot, q
	return q
}

// Trigger makes an ask something that a node can hold; it is not called.
func (q *ask) Trigger(actor.Context, *actor.Event) (*actor.Event, error) { return nil, nil }

// serve runs the actor for the asker, unless that has gone.
func (q *ask) serve(f *frame, e *actor.Event) {
	n := q.target
	switch {
	case q.state.Load() == askAbandoned:
		q.recycle()
	case n.flags&flagGone != 0:
		q.reply(nil, n.goneError("runtime.Shunt"))
	default:
		if c := f.asynchronous(n, e); c != nil {
			if err := c.ext.Load().stage.take(e, q); err != nil {
				c.fail()
				q.reply(nil, c.actorError(err))
			}
			return
		}
		q.reply(f.ask(n, e))
	}
}

// asynchronous returns the node that will perform an event asked of n, nil if
// n answers at once. It counts the shunt.
func (f *frame) asynchronous(n *node, e *actor.Event) *node {
	at := n
	if n.flags&flagOversees != 0 {
		c, err := n.pick(e)
		if err != nil || c == nil {
			return nil
		}
		at = &c.node
		if at.flags&flagAsync == 0 {
			if n.flags&flagCopies != 0 {
				g := n.ext.Load().group
				g.turn = (g.turn + len(g.copies) - 1) % len(g.copies)
			}
			return nil
		}
		at.extend().shunts++
	}
	if at.flags&flagAsync == 0 {
		return nil
	}
	n.extend().shunts++
	return at
}

// reply answers; the asker may be gone, then the ask is free.
func (q *ask) reply(out *actor.Event, err error) {
	q.out, q.err = out, err
	if q.state.CompareAndSwap(askOpen, askAnswered) {
		q.done <- struct{}{}
		return
	}
	q.recycle()
}

// recycle gives the ask back.
func (q *ask) recycle() {
	eng := q.target.inst.tenant.eng
	q.target, q.out, q.err = nil, nil, nil
	q.state.Store(askOpen)
	eng.asks.Put(q)
}

func (n *node) goneError(op string) error {
	return &atoll.Error{Kind: atoll.NotFound, Op: op, Msg: "the actor was removed by its timeout", Subject: n.subject()}
}

// provenShunts is how many quick answers an actor gives from the mailbox before
// callers run it themselves. An actor that blocks although it must not is
// thus found out by the time limit.
const provenShunts = 3

// Shunt runs an actor on an event and returns its result instead of emitting
// it; nil and no error when the actor handled the event without a result. When
// the runtime has nothing else to do, an actor that is known to be quick is run
// by the caller's own goroutine. It must not be called from within an actor.
//
// Kinds: NotFound for an unknown actor, Unprocessable when the actor does not
// work on such an event, Failed for its errors and panics, Timeout when there
// is no answer in time, Canceled with ctx, Overloaded when the mailbox is full,
// what Refuse said, Unavailable when the instance is closed.
func (i *Instance) Shunt(ctx context.Context, name string, e *actor.Event) (*actor.Event, error) {
	const op = "runtime.Shunt"
	n, err := i.node(op, name)
	if err != nil {
		return nil, err
	}
	eng := i.tenant.eng
	i.mu.Lock()
	if err := i.admits(op); err != nil {
		i.mu.Unlock()
		return nil, err
	}
	if i.state == stateIdle && n.proven >= provenShunts && n.flags&(flagAsync|flagGone|flagOversees) == 0 && ctx.Err() == nil {
		i.state = stateRunning
		i.mu.Unlock()
		return i.askHere(n, e)
	}
	q := eng.asks.Get().(*ask)
	q.target = n
	if !i.put(e, &q.node, sizeOf(e)) {
		i.mu.Unlock()
		q.recycle()
		return nil, overloaded
	}
	i.wake()
	start := time.Now()
	// The answer is often there before it would pay to sleep.
	for k := 0; k < askLooks && q.state.Load() == askOpen; k++ {
		goruntime.Gosched()
	}
	limit := eng.o.ShuntTimeout()
	if q.state.Load() != askOpen {
		<-q.done
		return q.answered(n, start)
	}
	if q.timer == nil {
		q.timer = time.NewTimer(limit)
	} else {
		q.timer.Reset(limit)
	}
	timer := q.timer
	var gaveUp error
	select {
	case <-q.done:
	case <-timer.C:
		gaveUp = &atoll.Error{Kind: atoll.Timeout, Op: op, Msg: "the actor did not answer in time", Subject: n.subject()}
	case <-ctx.Done():
		gaveUp = atoll.Wrap(op, ctx.Err())
	}
	timer.Stop()
	if gaveUp != nil {
		if q.state.CompareAndSwap(askOpen, askAbandoned) {
			return nil, gaveUp
		}
		<-q.done
	}
	return q.answered(n, start)
}

// askLooks is how often an asker looks for the answer before it sleeps.
const askLooks = 16

// answered returns the answer and notes whether it came quickly.
func (q *ask) answered(n *node, start time.Time) (*actor.Event, error) {
	i, out, err := n.inst, q.out, q.err
	q.recycle()
	if x := n.ext.Load(); (x == nil || x.stage == nil) && time.Since(start) < 5*time.Millisecond {
		i.mu.Lock()
		n.proven = min(n.proven+1, provenShunts)
		i.mu.Unlock()
	}
	return out, err
}

// askHere answers on the caller's goroutine, which holds the token.
func (i *Instance) askHere(n *node, e *actor.Event) (*actor.Event, error) {
	eng := i.tenant.eng
	f := eng.frames.Get().(*frame)
	done := false
	defer func() {
		if !done {
			n.fail() // the actor ended the caller's goroutine
		}
		i.release()
	}()
	out, err := f.ask(n, e)
	f.n = nil
	eng.frames.Put(f)
	done = true
	return out, err
}
