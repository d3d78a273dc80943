package runtime

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// live is one runtime in the engine.
type live struct {
	id string

	turn    chan struct{} // full while somebody brings the instance in step with the row
	sources bool          // active, or meant to be
	gone    bool          // no longer in Service.lives

	now atomic.Pointer[spawned] // changed by whose turn it is; nil while there is no instance
}

// take waits for the turn of the caller, who calls leave.
func (l *live) take(ctx context.Context) error {
	select {
	case l.turn <- struct{}{}:
		return nil
	default:
	}
	select {
	case l.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *live) leave() { <-l.turn }

// closeTime is how long an instance may take to stop its sources and to close
// its actors before it is left behind.
const closeTime = 10 * time.Second

// close ends the instance, if there is one, whatever becomes of who asked for it.
// It is the caller's turn.
func (s *Service) close(l *live) error {
	inst := l.now.Swap(nil)
	if inst == nil {
		return nil
	}
	s.ways.forget()
	l.sources = false
	ctx, cancel := context.WithTimeout(s.patience, closeTime)
	defer cancel()
	return inst.Close(ctx)
}

// Reconcile makes the instances equal to the rows: it spawns what is missing,
// closes what has no row, and starts and stops sources. What was running when
// it was stored, and has no instance here, comes back stopped unless the
// settings say otherwise; a definition that is refused now makes its row
// Invalid, and an Invalid row whose definition is good again becomes Stopped.
// It is idempotent. Kinds: Denied, Canceled, Timeout, Unavailable, Failed.
func (s *Service) Reconcile(ctx context.Context) error {
	const op = "runtime.Reconcile"
	if err := s.ready(op); err != nil {
		return err
	}
	if err := s.guard.Check(ctx, policy.Do(policy.Update, policy.FQN{Type: "cluster", Namespace: "/"})); err != nil {
		return atoll.Wrap(op, err)
	}
	return atoll.Wrap(op, s.reconcile(ctx))
}

func (s *Service) reconcile(ctx context.Context) error {
	var errs []error
	for rec := range runtimes.All(s.st.View()) {
		if err := s.sync(ctx, rec.ID); err != nil {
			errs = append(errs, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	for _, l := range s.all() {
		if err := s.sync(ctx, l.id); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// all returns the live runtimes of this moment.
func (s *Service) all() []*live {
	s.mu.RLock()
	defer s.mu.RUnlock()
	ls := make([]*live, 0, len(s.lives))
	for _, l := range s.lives {
		ls = append(ls, l)
	}
	return ls
}

// hold returns the live runtime of that id when it is the caller's turn; it
// makes one if there is none.
func (s *Service) hold(ctx context.Context, id string) (*live, error) {
	for {
		l := s.liveOf(id)
		if err := l.take(ctx); err != nil {
			return nil, err
		}
		if !l.gone {
			return l, nil
		}
		l.leave()
	}
}

func (s *Service) liveOf(id string) *live {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lives[id]
	if l == nil {
		l = &live{id: id, turn: make(chan struct{}, 1)}
		s.lives[id] = l
	}
	return l
}

// drop forgets l. It is the caller's turn.
func (s *Service) drop(l *live) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.gone = true
	delete(s.lives, l.id)
}

// instance returns the instance of a runtime, nil if it has none. It does not
// wait for one that is being brought in step.
func (s *Service) instance(id string) *spawned {
	s.mu.RLock()
	l := s.lives[id]
	s.mu.RUnlock()
	if l == nil {
		return nil
	}
	return l.now.Load()
}

// sync brings the instance of one runtime in step with its row.
func (s *Service) sync(ctx context.Context, id string) error {
	s.gate.RLock()
	defer s.gate.RUnlock()
	l, err := s.hold(ctx, id)
	if err != nil {
		return err
	}
	defer l.leave()
	v := s.st.View()
	rec, ok := runtimes.Get(v, id)
	if !ok && s.journal != nil {
		defer s.journal.forget(id)
	}
	if !ok || s.state.Load() == shutDown {
		err := s.close(l)
		s.drop(l)
		return err
	}
	if inst := l.now.Load(); inst != nil && inst.text != rec.Definition {
		if err := s.close(l); err != nil {
			return err
		}
	}
	status := rec.Status
	if state := s.carries(id); l.now.Load() != nil && state != nil {
		if err := s.replace(ctx, l, rec, state); err != nil {
			s.log.Error("the state of a runtime could not be restored", "runtime", id, "error", err)
		}
		s.carriedOver(id)
	} else if l.now.Load() == nil {
		restored, err := s.revive(l, rec, state)
		if err != nil {
			return err
		}
		if status = restored; status != Invalid {
			s.carriedOver(id)
		}
	}
	if status != rec.Status || rec.OwnerName != s.ownerName(v, rec) {
		if err := s.mark(ctx, rec, status); err != nil {
			return err
		}
	}
	if l.now.Load() == nil {
		return nil
	}
	return l.bring(ctx, status)
}

// revive spawns the instance of a stored row, with a state if there is one, and
// returns the status that the row is to have.
func (s *Service) revive(l *live, rec *Record, state []byte) (Status, error) {
	def, err := ParseDefinition([]byte(rec.Definition))
	if err == nil {
		checked, ps := Check(def, s.reg, s.env, s.checkOptions(nil, false))
		if err = ProblemsError("runtime.Reconcile", ps); err == nil {
			err = s.spawn(l, checked, rec.OwnerID, rec.Definition, state)
		}
	}
	switch kind := atoll.KindOf(err); {
	case err == nil && rec.Status == Running && !s.settings.StartRestored():
		return Stopped, nil
	case err == nil && rec.Status == Invalid:
		return Stopped, nil
	case err == nil:
		return rec.Status, nil
	case kind == atoll.Unavailable || kind == atoll.Canceled || kind == atoll.Overloaded:
		return rec.Status, err // not the definition's fault
	}
	s.log.Warn("a stored runtime could not be brought to life", "runtime", rec.ID, "error", err)
	return Invalid, nil
}

// spawn makes the instance. It is the caller's turn.
func (s *Service) spawn(l *live, checked *Checked, ownerID, text string, state []byte) error {
	made, err := s.engine.spawnCopies(checked, SpawnOptions{ID: l.id, Tenant: ownerID, Env: s.env}, text)
	if err != nil {
		return err
	}
	if state != nil {
		if err := made.load(state); err != nil {
			made.discard()
			return err
		}
	}
	made.open()
	l.now.Store(made)
	s.ways.forget()
	return nil
}

// mark writes a status that follows from bringing a row to life, and the
// present name of its owner, unless the row has changed meanwhile.
func (s *Service) mark(ctx context.Context, rec *Record, status Status) error {
	_, err := s.st.Update(ctx, func(tx *store.Tx) error {
		now, ok := runtimes.Get(tx, rec.ID)
		if !ok || now.Version != rec.Version {
			return nil
		}
		c := *now
		c.OwnerName = s.ownerName(tx, now)
		if status != now.Status {
			c.Status, c.Since = status, tx.Now()
			tx.Note("runtime."+status.String(), s.address(tx, now).String(), nil)
		}
		return runtimes.Put(tx, &c)
	})
	return err
}

// bring switches the sources, and has the instance refuse events that were on
// their way when the runtime was stopped; it may be called again and again. It is
// the caller's turn.
func (l *live) bring(ctx context.Context, status Status) error {
	if status == Stopped {
		l.now.Load().refuse(atoll.FailedState)
	} else {
		l.now.Load().refuse(0)
	}
	if status == Running {
		l.sources = true // also if only some could start: the next try starts the others
		return l.now.Load().StartSources()
	}
	if !l.sources {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, closeTime)
	defer cancel()
	if err := l.now.Load().StopSources(ctx); err != nil {
		return err
	}
	l.sources = false
	return nil
}

// UserRefs returns the addresses of the runtimes of a user.
func (s *Service) UserRefs(tx *store.Tx, userID string) ([]policy.FQN, error) {
	var refs []policy.FQN
	for rec := range runtimeByName.All(tx, store.KeyOf(userID)) {
		refs = append(refs, s.address(tx, rec))
	}
	return refs, nil
}

// DropUser deletes the runtimes of a user and gives up the names reserved for
// it. The instances follow after the commit.
func (s *Service) DropUser(tx *store.Tx, userID string) error {
	for _, rec := range slices.Collect(runtimeByName.All(tx, store.KeyOf(userID))) {
		if err := s.remove(tx, rec); err != nil {
			return err
		}
	}
	for _, n := range slices.Collect(reservedByOwner.All(tx, store.KeyOf(userID))) {
		if _, err := reservedNames.Delete(tx, n.key()); err != nil {
			return err
		}
	}
	return nil
}

// DropTenant is for what belongs to a tenant: runtimes do not.
func (s *Service) DropTenant(*store.Tx, string) error { return nil }

// DropProject takes the runtimes of a project out of it.
func (s *Service) DropProject(tx *store.Tx, projectID string) error {
	for _, rec := range slices.Collect(runtimesByProject.All(tx, store.KeyOf(projectID))) {
		c := *rec
		c.ProjectID = ""
		if err := runtimes.Put(tx, &c); err != nil {
			return err
		}
	}
	return nil
}
