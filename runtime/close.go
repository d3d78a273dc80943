package runtime

import (
	"context"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// grace is what actors have to end after the caller's patience is over.
const grace = 100 * time.Millisecond

// Close ends the instance: further events are refused, sources stop, what the
// mailbox holds is handled, actors are closed. When ctx ends, what is left is
// dropped and asynchronous work is cancelled; if an actor does not return even
// then, Close gives up with a Timeout error, and the rest is cleaned up when it
// does. A second call waits for the same.
func (i *Instance) Close(ctx context.Context) error {
	return closeAll(ctx, []*Instance{i}, nil)
}

func unending() error {
	return atoll.Errorf(atoll.Timeout, "runtime.Close", "an actor of the runtime does not return")
}

func (i *Instance) beginClose() {
	i.mu.Lock()
	if i.state == stateClosed {
		i.mu.Unlock()
		return
	}
	x := i.more()
	if !i.shut {
		i.shut = true
		x.closed = make(chan struct{})
		for _, s := range x.sources {
			s.cancelRun()
		}
		if x.room != nil {
			close(x.room)
			x.room = nil
		}
	}
	i.mu.Unlock()
	i.control(opOf(func(*frame) {}))
}

func (i *Instance) awaitClose(ctx context.Context) error {
	i.mu.Lock()
	x := i.ext.Load()
	if x == nil || x.closed == nil {
		i.mu.Unlock()
		return nil
	}
	closed := x.closed
	i.mu.Unlock()
	select {
	case <-closed:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-closed:
		return nil
	default:
		return ctx.Err()
	}
}

// harden drops what a closing instance still has to do.
func (i *Instance) harden() {
	i.mu.Lock()
	x := i.more()
	x.hard = true
	if x.cancel != nil {
		x.cancel()
	}
	i.mu.Unlock()
	i.control(opOf(func(*frame) {}))
}

// hardened says whether mail is to be dropped; i.mu is held.
func (i *Instance) hardened() bool {
	x := i.ext.Load()
	return x != nil && x.hard && (i.one.e != nil || i.box != nil && (i.box.pos < len(i.box.out) || len(i.box.in) > 0))
}

// dropMail empties the mailbox; i.mu and the token are held.
func (i *Instance) dropMail() {
	b := i.box
	for _, s := range append(b.out[b.pos:], b.in...) {
		if s.n.flags&flagSlot != 0 {
			switch a := s.n.act.(type) {
			case *ask:
				a.reply(nil, atoll.Errorf(atoll.Unavailable, "runtime.Shunt", "the runtime was closed"))
			case *barrier:
				a.drop()
			}
		}
	}
	clear(b.in)
	clear(b.out)
	b.in, b.out, b.pos = b.in[:0], b.out[:0], 0
	i.taken(b.waiting, b.bytes)
}

// finished starts the end of a closing instance that has nothing left to do and
// says whether it did; i.mu and the token are held.
func (i *Instance) finished() bool {
	x := i.ext.Load()
	if !i.shut || x.ending || x.jobs > 0 && !x.hard || i.stalled && !x.hard && (i.one.e != nil || i.box != nil && i.box.waiting > 0) {
		return false
	}
	x.ending = true
	b := i.needBox()
	b.ops = append(b.ops, opOf(i.finish))
	return true
}

// finish is the last op.
func (i *Instance) finish(*frame) {
	i.unsettle()
	x := i.ext.Load()
	for at := range i.nodes() {
		i.nodes()[at].close()
	}
	for _, n := range x.leaving {
		n.ext.Load().stage.abandon()
		n.left()
	}
	x.leaving = nil
	i.mu.Lock()
	i.state = stateClosed
	if x.cancel != nil {
		x.cancel()
	}
	late := i.box.ops
	i.box.ops = nil
	i.mu.Unlock()
	// Who waits for one of these is told by its closed channel or its time limit.
	clear(late)
	i.tenant.eng.dismiss(i)
	close(x.closed)
}

// close ends what belongs to a node and closes its actor.
func (n *node) close() {
	if x := n.ext.Load(); x != nil {
		for _, t := range x.timers {
			n.inst.tenant.eng.clock.remove(t)
		}
		if x.group != nil {
			for _, c := range x.group.byKey {
				c.close()
			}
		}
		if subs := x.outlets.Load(); subs != nil {
			for _, s := range *subs {
				s.end()
			}
		}
		if x.stage != nil {
			x.stage.abandon()
		}
	}
	if n.letGo() {
		n.closeActor()
	}
}

func (n *node) closeActor() {
	if n.flags&flagGone == 0 {
		n.endActor()
	}
}

// endActor closes the actor, whatever was done with it before.
func (n *node) endActor() {
	c, ok := n.act.(actor.Closer)
	if !ok {
		return
	}
	defer func() {
		if r := recover(); r != nil {
			_ = n.inst.panicError(n.spec, r)
		}
	}()
	if err := c.Close(); err != nil {
		n.inst.tenant.eng.o.Log.Warn("actor did not close well", "instance", n.inst.id, "actor", n.spec.name, "error", err)
	}
}
