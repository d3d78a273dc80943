package runtime

import (
	"context"
	"sync"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// source runs an actor that produces events by itself. It is the Outlet of its
// actor and the wrapper of the slots with its events.
type source struct {
	wrap node // what slots name
	n    *node
	act  actor.Source

	settling []*barrier // that were not waited for to the end; of who calls Settle
	sent     uint64     // between copies, when it was settled last

	mu     sync.Mutex
	cancel context.CancelFunc // of the run; nil when none is wanted
	ended  chan struct{}      // closed when the run is over; nil when none runs
	let    bool               // close the actor after the run
	gone   bool               // it runs no more
}

// Trigger makes a source something that a node can hold; it is not called.
func (s *source) Trigger(actor.Context, *actor.Event) (*actor.Event, error) { return nil, nil }

// StartSources lets the sources run; those that do already go on. It fails with
// Unavailable on a closed instance and with FailedState if a source that was
// stopped has not returned yet; the others are started all the same.
func (i *Instance) StartSources() error {
	const op = "runtime.StartSources"
	i.mu.Lock()
	err := i.gone(op)
	i.mu.Unlock()
	if err != nil {
		return err
	}
	var late error
	for at := range i.nodes() {
		n := &i.nodes()[at]
		act, ok := n.act.(actor.Source)
		if !ok {
			continue
		}
		i.mu.Lock()
		if err := i.gone(op); err != nil {
			i.mu.Unlock()
			return err
		}
		x := i.more()
		s := x.source(n, act)
		started, running := s.start(i)
		if started {
			x.jobs++
		}
		i.mu.Unlock()
		if running {
			late = &atoll.Error{Kind: atoll.FailedState, Op: op, Msg: "the source has not stopped yet", Subject: n.subject()}
		}
	}
	return late
}

// source returns what runs the actor of a node, made when first needed; i.mu is
// held.
func (x *instanceExt) source(n *node, act actor.Source) *source {
	for _, s := range x.sources {
		if s.n == n {
			return s
		}
	}
	s := &source{n: n, act: act}
	s.wrap.flags, s.wrap.act = flagSlot, s
	x.sources = append(x.sources, s)
	return s
}

// start starts a run. running says that an earlier one is being stopped.
func (s *source) start(i *Instance) (started, running bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone || s.ended != nil {
		return false, s.ended != nil && s.cancel == nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel, s.ended = cancel, make(chan struct{})
	go s.run(ctx, i)
	return true, false
}

func (s *source) run(ctx context.Context, i *Instance) {
	defer s.over(i)
	if err := s.guarded(ctx, i); err != nil && ctx.Err() == nil {
		i.tenant.eng.o.Log.Warn("source failed", "instance", i.id, "actor", s.n.spec.name, "error", err)
		i.control(op{fn: func(*frame) { s.n.fail() }})
	}
}

func (s *source) guarded(ctx context.Context, i *Instance) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = i.panicError(s.n.spec, r)
		}
	}()
	return s.act.Run(ctx, s)
}

// over notes the end of a run, however it came.
func (s *source) over(i *Instance) {
	s.mu.Lock()
	if s.cancel != nil {
		s.cancel()
		s.cancel = nil
	}
	close(s.ended)
	s.ended = nil
	let := s.let
	s.mu.Unlock()
	if let {
		s.n.endActor()
	}
	i.mu.Lock()
	i.more().jobs--
	i.mu.Unlock()
	i.control(op{fn: func(*frame) {}})
}

func (s *source) cancelRun() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel != nil {
		s.cancel()
		s.cancel = nil
	}
}

// letGo ends the runs for good. If one is still going on, the actor is left to it:
// false then.
func (s *source) letGo() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel != nil {
		s.cancel()
		s.cancel = nil
	}
	s.gone = true
	s.let = s.ended != nil
	return !s.let
}

// letGo sees to it that the actor does not run again, if it is a source. It
// returns false if a run is going on, which then closes the actor.
func (n *node) letGo() bool {
	act, ok := n.act.(actor.Source)
	if !ok {
		return true
	}
	n.inst.mu.Lock()
	s := n.inst.more().source(n, act)
	n.inst.mu.Unlock()
	return s.letGo()
}

// StopSources ends the sources and waits for them until ctx ends, then it fails
// with Timeout or Canceled and they end when they do. Events that they have
// emitted are handled.
func (i *Instance) StopSources(ctx context.Context) error {
	i.mu.Lock()
	x := i.ext.Load()
	if x == nil {
		i.mu.Unlock()
		return nil
	}
	sources := append([]*source(nil), x.sources...)
	i.mu.Unlock()
	for _, s := range sources {
		s.cancelRun()
	}
	for _, s := range sources {
		s.mu.Lock()
		ended := s.ended
		s.mu.Unlock()
		if ended == nil {
			continue
		}
		select {
		case <-ended:
		case <-ctx.Done():
			return atoll.Wrap("runtime.StopSources", ctx.Err())
		}
	}
	return nil
}

// Emit implements actor.Outlet.
func (s *source) Emit(ctx context.Context, e *actor.Event) error {
	if e == nil {
		return nil
	}
	_, err := s.n.inst.emit(ctx, []*actor.Event{e}, &s.wrap)
	return err
}

// EmitBatch implements actor.Outlet.
func (s *source) EmitBatch(ctx context.Context, es []*actor.Event) error {
	_, err := s.TakeBatch(ctx, es)
	return err
}

// TakeBatch implements actor.Taker.
func (s *source) TakeBatch(ctx context.Context, es []*actor.Event) (int, error) {
	return s.n.inst.emit(ctx, es, &s.wrap)
}

// emit is post for a source: it is not refused while the runtime stops. It
// returns how many events were taken.
func (i *Instance) emit(ctx context.Context, es []*actor.Event, n *node) (int, error) {
	const op = "runtime.Emit"
	done := 0
	for {
		if err := ctx.Err(); err != nil {
			return done, atoll.Wrap(op, err)
		}
		i.mu.Lock()
		if err := i.gone(op); err != nil {
			i.mu.Unlock()
			return done, err
		}
		for done < len(es) && (es[done] == nil || i.put(es[done], n, sizeOf(es[done]))) {
			done++
		}
		if i.stalled {
			i.mu.Unlock()
		} else {
			i.wake()
		}
		if done == len(es) {
			return done, nil
		}
		if err := i.awaitRoom(ctx); err != nil {
			return done, atoll.Wrap(op, err)
		}
	}
}
