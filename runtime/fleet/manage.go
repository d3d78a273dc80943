package fleet

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// Add registers a machine that is no member of the cluster, as the function Add
// does inside a transaction. One that Beats is Joining until it is heard of. Kinds:
// Invalid, Conflict, Denied.
func (f *Fleet) Add(ctx context.Context, m Machine) (*Machine, error) {
	const op = "fleet.Add"
	if err := f.guard.Check(ctx, policy.Do(policy.Update, collection)); err != nil {
		return nil, atoll.Wrap(op, err)
	}
	if m.ID == "" {
		m.ID = uuid.NewString()
	}
	if m.Beats && m.Status == 0 {
		m.Status = Joining
	}
	var added *Machine
	_, err := f.st.Update(ctx, func(tx *store.Tx) (err error) {
		added, err = Add(tx, m)
		if err == nil {
			tx.Note("machine.add", added.FQN().String(), map[string]any{"address": added.Address()})
		}
		return err
	})
	if err != nil {
		return nil, atoll.Wrap(op, err)
	}
	return added, nil
}

// manage changes one machine for who may.
func (f *Fleet) manage(ctx context.Context, op, id string, fn func(tx *store.Tx, m *Machine) error) error {
	m, ok := ByID(f.st.View(), id)
	if !ok {
		return unknown(op, id)
	}
	if err := f.guard.Check(ctx, policy.Do(policy.Update, m.FQN())); err != nil {
		return atoll.Wrap(op, err)
	}
	_, err := f.st.Update(ctx, func(tx *store.Tx) error {
		m, ok := ByID(tx, id)
		if !ok {
			return unknown(op, id)
		}
		return fn(tx, m)
	})
	return atoll.Wrap(op, err)
}

// Change edits a machine, as the function Change does inside a transaction.
// Kinds: NotFound, Invalid, Denied, what edit returned.
func (f *Fleet) Change(ctx context.Context, id string, edit func(*Machine) error) error {
	return f.manage(ctx, "fleet.Change", id, func(tx *store.Tx, m *Machine) error {
		tx.Note("machine.update", m.FQN().String(), nil)
		return Change(tx, id, edit)
	})
}

// Drop forgets a machine; what was placed there is lost. Kinds: NotFound,
// Denied; Conflict for the machine of this process, and what Refuse says.
func (f *Fleet) Drop(ctx context.Context, id string) error {
	return f.manage(ctx, "fleet.Drop", id, func(tx *store.Tx, m *Machine) error {
		if refuses := f.refuses.Load(); refuses != nil {
			if err := (*refuses)(tx, m); err != nil {
				return err
			}
		}
		tx.Note("machine.drop", m.FQN().String(), map[string]any{"address": m.Address()})
		return Drop(tx, id)
	})
}

// Refuse sets what may keep a machine from being dropped, inside the
// transaction. The last one counts.
func (f *Fleet) Refuse(refuses func(r store.Reader, m *Machine) error) { f.refuses.Store(&refuses) }

// Drain lets nothing more be placed on a machine. What runs there moves
// elsewhere, if it is of a kind that goes on after a loss; the rest stops once
// within has passed, if that is above 0. It is idempotent; a later call moves the
// deadline. Kinds: NotFound, Denied; FailedState for a machine that is not up.
func (f *Fleet) Drain(ctx context.Context, id string, within time.Duration) error {
	return f.manage(ctx, "fleet.Drain", id, func(tx *store.Tx, m *Machine) error {
		if m.Status != Up && m.Status != Draining {
			return atoll.Errorf(atoll.FailedState, "", "machine %s is %v", m.Address(), m.Status)
		}
		by := time.Time{}
		if within > 0 {
			by = tx.Now().Add(within)
		}
		tx.Note("machine.drain", m.FQN().String(), map[string]any{"within": within.String()})
		return Change(tx, id, func(m *Machine) error {
			m.Status, m.DrainBy = Draining, by
			return nil
		})
	})
}

// Undrain ends Drain: the machine is up, and things are placed there again.
// Kinds: NotFound, Denied; FailedState for a machine that is not drained.
func (f *Fleet) Undrain(ctx context.Context, id string) error {
	return f.manage(ctx, "fleet.Undrain", id, func(tx *store.Tx, m *Machine) error {
		if m.Status != Draining {
			return atoll.Errorf(atoll.FailedState, "", "machine %s is %v", m.Address(), m.Status)
		}
		tx.Note("machine.undrain", m.FQN().String(), nil)
		return Change(tx, id, func(m *Machine) error {
			m.Status, m.DrainBy = Up, time.Time{}
			return nil
		})
	})
}
