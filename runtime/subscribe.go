package runtime

import (
	"context"
	"sync"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// Subscription receives what an actor emits. It holds a bounded number of
// events: when it is full the oldest is dropped and counted, so that a slow
// reader never slows the actor. It is safe for concurrent use.
type Subscription struct {
	close func()

	mu    sync.Mutex
	ring  []*actor.Event
	first int
	n     int
	lost  uint64
	ended bool
	some  chan struct{} // takes one when there is something to see
}

const maxSubscriptions = 1_000 // of an actor

// Subscribe returns a Subscription to what an actor of the instance emits,
// children and shunts to others aside, from now on. It holds buffer events, at
// least one and at most 100,000. NotFound for an unknown actor, Quota when the
// actor has 1,000 subscriptions, Unavailable on a closed instance.
func (i *Instance) Subscribe(name string, buffer int) (*Subscription, error) {
	const op = "runtime.Subscribe"
	n, err := i.node(op, name)
	if err != nil {
		return nil, err
	}
	s := &Subscription{ring: make([]*actor.Event, min(max(buffer, 1), 100_000)), some: make(chan struct{}, 1)}
	s.close = func() { i.unsubscribe(n, s) }
	if err := i.listen(name, s); err != nil {
		return nil, err
	}
	return s, nil
}

// listen lets a subscription have what an actor emits.
func (i *Instance) listen(name string, s *Subscription) error {
	const op = "runtime.Subscribe"
	n, err := i.node(op, name)
	if err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if err := i.gone(op); err != nil {
		return err
	}
	x := n.extend()
	var all []*Subscription
	if old := x.outlets.Load(); old != nil {
		all = *old
	}
	if len(all) >= maxSubscriptions {
		return atoll.Errorf(atoll.Quota, op, "the actor has its %d subscriptions already", maxSubscriptions)
	}
	all = append(all[:len(all):len(all)], s)
	x.outlets.Store(&all)
	return nil
}

func (i *Instance) unsubscribe(n *node, s *Subscription) {
	i.mu.Lock()
	defer i.mu.Unlock()
	x := n.ext.Load()
	old := x.outlets.Load()
	if old == nil {
		return
	}
	var all []*Subscription
	for _, o := range *old {
		if o != s {
			all = append(all, o)
		}
	}
	if all == nil {
		x.outlets.Store(nil)
	} else {
		x.outlets.Store(&all)
	}
}

// put adds an event.
func (s *Subscription) put(e *actor.Event) {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	if s.n == len(s.ring) {
		s.first = (s.first + 1) % len(s.ring)
		s.n--
		s.lost++
	}
	s.ring[(s.first+s.n)%len(s.ring)] = e
	s.n++
	s.mu.Unlock()
	s.tell()
}

func (s *Subscription) tell() {
	select {
	case s.some <- struct{}{}:
	default:
	}
}

// Next waits for the next event. It fails with Canceled or Timeout when ctx
// ends and with Unavailable when the subscription or the instance is closed and
// nothing is left.
func (s *Subscription) Next(ctx context.Context) (*actor.Event, error) {
	const op = "runtime.Subscription.Next"
	for {
		s.mu.Lock()
		if s.n > 0 {
			e := s.ring[s.first]
			s.ring[s.first] = nil
			s.first = (s.first + 1) % len(s.ring)
			s.n--
			more := s.n > 0 || s.ended
			s.mu.Unlock()
			if more {
				s.tell() // for another reader
			}
			return e, nil
		}
		ended := s.ended
		s.mu.Unlock()
		if ended {
			s.tell()
			return nil, atoll.Errorf(atoll.Unavailable, op, "the subscription is closed")
		}
		select {
		case <-s.some:
		case <-ctx.Done():
			return nil, atoll.Wrap(op, ctx.Err())
		}
	}
}

// Lost returns how many events were dropped because nobody read them in time.
func (s *Subscription) Lost() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost
}

// Close ends the subscription and drops what it holds.
func (s *Subscription) Close() {
	s.close()
	s.mu.Lock()
	clear(s.ring)
	s.n = 0
	s.mu.Unlock()
	s.end()
}

// end lets readers have what is left and then no more.
func (s *Subscription) end() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.tell()
}
