package runtime

import (
	"context"
	"slices"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// barrier is a slot behind the events of a source. When its turn comes, they
// have run through all actors that do not wait for the world; then it waits for
// the stages that still have some of their events, and for those behind these.
// In another copy of the runtime it stands behind what that one has got from
// its siblings, in the place of behind its mail.
type barrier struct {
	wrap   node      // what the slot names
	in     *inbox    // what it waits for first; nil if there is nothing
	upto   uint64    // events of in
	rounds int       // how often stages may yet pass events on to others
	waits  []waiting // of this round
	done   chan struct{}
	err    error // set before done is closed
}

// waiting is what a barrier waits for: that a stage has passed on that many.
type waiting struct {
	s      *stage
	passed uint64
}

// Trigger makes a barrier something that a node can hold; it is not called.
func (b *barrier) Trigger(actor.Context, *actor.Event) (*actor.Event, error) { return nil, nil }

// blank stands in the slot of a barrier.
var blank = actor.NewEvent()

func unsettled() error {
	return atoll.Errorf(atoll.Unavailable, "runtime.Settle", "the runtime ends and may not have handled the events")
}

// Settle implements actor.Settler. In a runtime in copies an event may be handed
// over at each group on its way: so often it looks into all copies.
func (s *source) Settle(ctx context.Context) error {
	if err := s.await(ctx); err != nil { // an earlier call may have given up: one at a time waits in the mailbox
		return err
	}
	i := s.n.inst
	b, err := i.fence()
	if err != nil {
		return err
	}
	s.settling = append(s.settling, b)
	if err := s.await(ctx); err != nil {
		return err
	}
	r := i.ext.Load().ring
	if r == nil {
		return nil
	}
	sent := r.sent.Load()
	if sent == s.sent { // what was handed over before was settled then
		return nil
	}
	for range r.hops {
		for k := range r.inboxes {
			b, err := r.inboxes[k].fence()
			if err != nil {
				return err
			}
			s.settling = append(s.settling, b)
		}
		if err := s.await(ctx); err != nil {
			return err
		}
	}
	s.sent = sent
	return nil
}

// await waits for the barriers of the source.
func (s *source) await(ctx context.Context) error {
	for len(s.settling) > 0 {
		if err := s.settling[0].await(ctx); err != nil {
			if s.settling[0].ended() {
				s.settling = s.settling[1:]
			}
			return err
		}
		s.settling = s.settling[1:]
	}
	s.settling = nil
	return nil
}

// ended says whether the wait is over, either way.
func (b *barrier) ended() bool {
	select {
	case <-b.done:
		return true
	default:
		return false
	}
}

func (b *barrier) await(ctx context.Context) error {
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return atoll.Wrap("runtime.Settle", ctx.Err())
	}
}

// fence puts a barrier into the mailbox, which takes it even when it is full
// or the instance is being closed.
func (i *Instance) fence() (*barrier, error) {
	b := &barrier{done: make(chan struct{})}
	b.wrap.flags, b.wrap.act = flagSlot, b
	i.mu.Lock()
	if x := i.more(); i.state == stateClosed || x.hard {
		i.mu.Unlock()
		return nil, unsettled()
	}
	box := i.needBox()
	box.in = append(box.in, slot{blank, &b.wrap})
	box.waiting++
	box.bytes += sizeOf(blank)
	if i.stalled {
		i.mu.Unlock()
	} else {
		i.wake()
	}
	return b, nil
}

// fence puts a barrier behind what the copy has got by now.
func (in *inbox) fence() (*barrier, error) {
	i := in.inst
	b := &barrier{in: in, done: make(chan struct{})}
	i.mu.Lock()
	x := i.more()
	if i.state == stateClosed || x.hard {
		i.mu.Unlock()
		return nil, unsettled()
	}
	x.coming = append(x.coming, b)
	i.mu.Unlock()
	i.control(op{fn: func(*frame) {
		i.mu.Lock()
		at := slices.Index(x.coming, b)
		if at >= 0 {
			x.coming = slices.Delete(x.coming, at, at+1)
		}
		i.mu.Unlock()
		if at < 0 {
			return // it was dropped
		}
		in.mu.Lock()
		b.upto = in.got
		in.mu.Unlock()
		i.reached(b)
	}})
	return b, nil
}

// reached has a barrier whose turn has come wait for the stages; the token is held.
func (i *Instance) reached(b *barrier) {
	for at := range i.nodes() {
		if i.nodes()[at].asynchronous() {
			b.rounds++
		}
	}
	x := i.ext.Load()
	x.barriers = append(x.barriers, b)
	i.settled()
}

// settled ends the barriers that have nothing to wait for any more; the token
// is held.
func (i *Instance) settled() {
	x := i.ext.Load()
	if x == nil || len(x.barriers) == 0 {
		return
	}
	i.mu.Lock()
	hard := x.hard
	i.mu.Unlock()
	if hard { // what was cancelled looks as if it were done
		i.unsettle()
		return
	}
	x.barriers = slices.DeleteFunc(x.barriers, func(b *barrier) bool {
		if b.waitsFor(i) {
			return false
		}
		close(b.done)
		return true
	})
}

// unsettle ends all barriers without success; the token is held.
func (i *Instance) unsettle() {
	x := i.ext.Load()
	if x == nil {
		return
	}
	for _, b := range x.barriers {
		b.drop()
	}
	x.barriers = nil
	i.mu.Lock()
	coming := x.coming
	x.coming = nil
	i.mu.Unlock()
	for _, b := range coming {
		b.drop()
	}
}

func (b *barrier) drop() {
	b.err = unsettled()
	close(b.done)
}

// waitsFor says whether there is a stage to wait for. What a stage has passed
// on may be in another then, but not more often than there are stages.
func (b *barrier) waitsFor(i *Instance) bool {
	if b.in != nil {
		b.in.mu.Lock()
		left := b.in.done < b.upto
		b.in.mu.Unlock()
		if left {
			return true
		}
		b.in = nil
	}
	for {
		b.waits = slices.DeleteFunc(b.waits, func(w waiting) bool {
			w.s.mu.Lock()
			defer w.s.mu.Unlock()
			return w.s.passed >= w.passed
		})
		if len(b.waits) > 0 {
			return true
		}
		if b.rounds == 0 {
			return false
		}
		b.rounds--
		for s := range i.stages() {
			s.mu.Lock()
			if s.passed < s.taken {
				b.waits = append(b.waits, waiting{s, s.taken})
			}
			s.mu.Unlock()
		}
		if len(b.waits) == 0 {
			return false
		}
	}
}

// asynchronous says whether the actor, or those of its group, have stages.
func (n *node) asynchronous() bool {
	x := n.ext.Load()
	if x == nil || x.group == nil {
		return n.flags&flagAsync != 0
	}
	for _, l := range n.inst.ext.Load().leaving {
		if l.home() == n {
			return true
		}
	}
	for _, c := range x.group.byKey {
		return c.flags&flagAsync != 0
	}
	return false
}

// stages goes over the stages of all actors, group children and copies, and of
// those that were removed with work on its way; the token is held.
func (i *Instance) stages() func(yield func(*stage) bool) {
	return func(yield func(*stage) bool) {
		if x := i.ext.Load(); x != nil {
			for _, n := range x.leaving {
				if !yield(n.ext.Load().stage) {
					return
				}
			}
		}
		for at := range i.nodes() {
			x := i.nodes()[at].ext.Load()
			if x == nil {
				continue
			}
			if x.stage != nil && !yield(x.stage) {
				return
			}
			if x.group == nil {
				continue
			}
			for _, c := range x.group.byKey {
				if y := c.ext.Load(); y != nil && y.stage != nil && !yield(y.stage) {
					return
				}
			}
		}
	}
}
