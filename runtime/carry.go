package runtime

import (
	"context"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/policy"
)

// SnapshotState returns what the actors of a runtime have come to, as JSON that
// RestoreState reads: the state of each actor that is an actor.Saver, of group
// children and copies too, counters, what is left of timers, and the events that
// wait. It is of one moment for each copy, between two events; what asynchronous
// actors have in hand is waited for, so an event is either in it or has been
// handled. Sources pause meanwhile, and events that are posted wait. Of a
// runtime that goes on, what happens later is not in it: stop a runtime before
// its state is taken elsewhere. One that is stopped handles what waits first, so
// that nothing is done twice.
//
// Kinds: NotFound, Denied, FailedState; Failed: an actor could not save its
// state; Timeout, Canceled: it did not come to rest in time; Unavailable.
func (s *Service) SnapshotState(ctx context.Context, ref string) ([]byte, error) {
	const op = "runtime.SnapshotState"
	rec, err := s.allowed(ctx, op, ref, call{policy.Read, "GET", "/state"})
	if err != nil {
		return nil, err
	}
	data, err := s.snapshot(ctx, op, rec.ID)
	return data, atoll.Wrap(op, err)
}

// restTime is how long a runtime may take to come to rest if its caller sets no
// limit.
const restTime = 30 * time.Second

func (s *Service) snapshot(ctx context.Context, op, id string) ([]byte, error) {
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, restTime)
		defer cancel()
	}
	l, err := s.hold(ctx, id)
	if err != nil {
		return nil, err
	}
	defer l.leave()
	rec, stored := runtimes.Get(s.st.View(), id)
	inst := l.now.Load()
	switch {
	case !stored && inst == nil:
		s.drop(l)
		return nil, noRuntime(op, id)
	case inst == nil:
		return nil, notRestored(op, id)
	case stored && rec.Status == Stopped && !l.sources: // nothing comes any more
		if err := quiesce(ctx, inst.copies, inst.ring, 0, true); err != nil {
			return nil, err
		}
	}
	if l.sources {
		defer s.startAgain(l)
		if err := inst.StopSources(ctx); err != nil {
			return nil, err
		}
	}
	return inst.save(ctx)
}

// startAgain starts sources that were paused. It is the caller's turn.
func (s *Service) startAgain(l *live) {
	if inst := l.now.Load(); inst != nil {
		if err := inst.StartSources(); err != nil {
			s.log.Warn("the sources of a runtime could not go on", "runtime", l.id, "error", err)
		}
	}
}

func notRestored(op, id string) error {
	return &atoll.Error{Kind: atoll.FailedState, Code: InvalidCode, Op: op, Msg: "the runtime could not be restored",
		Subject: atoll.Subject{Type: "runtime", ID: id}}
}

// RestoreState gives the actors of a runtime the state that SnapshotState has
// returned, of this runtime or of another of the same actors in as many copies.
// New actors take the place of those that are there, which are closed when they
// have handled what waits for them; if the state cannot be restored nothing
// changes. Actors that are no actor.Saver begin anew.
//
// Kinds: NotFound, Denied, FailedState; Invalid: the state is damaged or of
// other actors; Failed, Quota, Overloaded; Canceled, Timeout, Unavailable.
func (s *Service) RestoreState(ctx context.Context, ref string, data []byte) error {
	const op = "runtime.RestoreState"
	rec, err := s.allowed(ctx, op, ref, call{policy.Update, "PUT", "/state"})
	if err != nil {
		return err
	}
	l, err := s.hold(ctx, rec.ID)
	if err != nil {
		return atoll.Wrap(op, err)
	}
	defer l.leave()
	rec, ok := runtimes.Get(s.st.View(), l.id)
	if !ok {
		s.drop(l)
		return noRuntime(op, ref)
	}
	if l.now.Load() == nil {
		return notRestored(op, l.id)
	}
	if err := s.ready(op); err != nil {
		return err
	}
	return atoll.Wrap(op, s.replace(ctx, l, rec, data))
}

// replace puts copies with a restored state in the place of those that are
// there. It is the caller's turn.
func (s *Service) replace(ctx context.Context, l *live, rec *Record, data []byte) error {
	old := l.now.Load()
	made, err := s.engine.spawnCopies(old.checked, SpawnOptions{ID: l.id, Tenant: rec.OwnerID, Env: s.env}, old.text)
	if err != nil {
		return err
	}
	if err := made.load(data); err != nil {
		made.discard()
		return err
	}
	l.now.Store(made) // what is posted from now on waits until it is opened
	s.ways.forget()
	l.sources = false
	ending, cancel := context.WithTimeout(s.patience, closeTime)
	defer cancel()
	if err := old.Close(ending); err != nil {
		s.log.Warn("actors whose state was replaced did not end in time", "runtime", l.id, "error", err)
	}
	made.open()
	return l.bring(ctx, rec.Status)
}

// Carry runs replace, which puts other rows into the store, while no instance
// follows its row, and then gives runtimes the states that they had where the
// rows come from, by id: those that live here at the next Reconcile, others when
// they are brought to life, before their sources start. A runtime whose state
// cannot be restored is Invalid if it is new here, and else goes on as it is. A
// failure of replace is returned, and changes nothing.
func (s *Service) Carry(states map[string][]byte, replace func() error) error {
	s.gate.Lock()
	defer s.gate.Unlock()
	if err := replace(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.carried = states
	return nil
}

// carries returns the state that a runtime is still to be given, nil if none.
func (s *Service) carries(id string) []byte {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.carried[id]
}

// carriedOver forgets the state of a runtime.
func (s *Service) carriedOver(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.carried, id)
}

// SnapshotStates calls yield with the state of each runtime that lives, by id,
// as SnapshotState returns it, until yield fails. Kinds: Denied, Unavailable, and
// those of SnapshotState and of yield.
func (s *Service) SnapshotStates(ctx context.Context, yield func(id string, data []byte) error) error {
	const op = "runtime.SnapshotStates"
	if err := s.ready(op); err != nil {
		return err
	}
	if err := s.guard.Check(ctx, policy.Do(policy.Update, policy.FQN{Type: "cluster", Namespace: "/"})); err != nil {
		return atoll.Wrap(op, err)
	}
	for rec := range runtimes.All(s.st.View()) {
		data, err := s.snapshot(ctx, op, rec.ID)
		switch kind := atoll.KindOf(err); {
		case kind == atoll.NotFound || kind == atoll.FailedState: // deleted meanwhile, or without actors
			continue
		case err == nil:
			err = yield(rec.ID, data)
		}
		if err != nil {
			return atoll.Wrap(op, err)
		}
	}
	return nil
}
