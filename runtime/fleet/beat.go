package fleet

import (
	"context"
	"sync"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// Machines of which Beats is set say every BeatEvery that they are alive. One
// that has not done so for BeatWindow is Down: what ran there is lost.
const (
	BeatEvery  = 10 * time.Second
	BeatWindow = 30 * time.Second
)

// beats is who was heard of last when, in memory alone.
type beats struct {
	mu      sync.Mutex
	heard   map[string]time.Time // by machine; nil unless started
	changed chan struct{}        // of size 1
	cancel  context.CancelFunc
	ended   chan struct{}
}

// Start begins to watch the machines that beat. Those that were up before are
// Joining until they are heard of, and Down after one window. It is idempotent.
func (f *Fleet) Start(ctx context.Context) error {
	const op = "fleet.Start"
	b := &f.beats
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.heard != nil {
		return nil
	}
	heard := map[string]time.Time{}
	_, err := f.st.Update(ctx, func(tx *store.Tx) error {
		clear(heard)
		for _, m := range All(tx) {
			if !m.watched() || m.Status == Down {
				continue
			}
			heard[m.ID] = tx.Now()
			if m.Status == Up {
				if err := Change(tx, m.ID, func(m *Machine) error { m.Status = Joining; return nil }); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return atoll.Wrap(op, err)
	}
	run, cancel := context.WithCancel(policy.WithPrincipal(context.WithoutCancel(ctx), watcher))
	b.heard, b.cancel, b.changed, b.ended = heard, cancel, make(chan struct{}, 1), make(chan struct{})
	stream := f.st.WatchFor(run, f.st.LastIndex(), func(c *store.Commit) bool {
		for k := range c.Changes {
			if m, ok := c.Changes[k].After.(*Machine); ok && m.watched() {
				return true
			}
		}
		return false
	})
	var both sync.WaitGroup
	both.Go(func() { f.watch(run) })
	both.Go(func() { f.follow(run, stream) })
	go func() {
		defer close(b.ended)
		both.Wait()
	}()
	return nil
}

// follow takes in machines that are watched from now on, and those of rows that
// took the place of all others.
func (f *Fleet) follow(ctx context.Context, stream *store.Stream) {
	for {
		if _, err := stream.Next(ctx); err != nil {
			if _, lost := err.(*store.LostError); !lost {
				return
			}
		}
		for _, m := range All(f.st.View()) {
			if m.watched() && m.Status != Down {
				f.beats.expect(m.ID, f.st.Now())
			}
		}
	}
}

// watcher is who declares machines down.
var watcher = &policy.Principal{Kind: policy.Component, Name: "fleet", Admin: true}

// watched reports whether the machine is to be heard of.
func (m *Machine) watched() bool { return m.Beats && !m.Local }

// Shutdown ends the watch; machines stay as they are. It is idempotent.
func (f *Fleet) Shutdown() {
	b := &f.beats
	b.mu.Lock()
	cancel, ended := b.cancel, b.ended
	b.cancel, b.heard = nil, nil
	b.mu.Unlock()
	if cancel != nil {
		cancel()
		<-ended
	}
}

// Beat says that machine id is alive: from then on it is watched. One that was
// Joining or Down is Up. Kinds: NotFound, Denied; Unavailable unless the watch
// has been started.
func (f *Fleet) Beat(ctx context.Context, id string) error {
	const op = "fleet.Beat"
	m, ok := ByID(f.st.View(), id)
	if !ok {
		return unknown(op, id)
	}
	if err := f.guard.Check(ctx, policy.Do(policy.Update, m.FQN())); err != nil {
		return atoll.Wrap(op, err)
	}
	if m.Local {
		return nil
	}
	if !f.beats.hear(id, f.st.Now()) {
		return atoll.Errorf(atoll.Unavailable, op, "machines are not watched")
	}
	if m.Beats && m.Status != Joining && m.Status != Down {
		return nil
	}
	_, err := f.st.Update(ctx, func(tx *store.Tx) error {
		return Change(tx, id, func(m *Machine) error {
			if m.Beats = true; m.Status == Joining || m.Status == Down {
				m.Status, m.StartedAt = Up, tx.Now()
			}
			return nil
		})
	})
	return atoll.Wrap(op, err)
}

func (b *beats) hear(id string, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.heard == nil {
		return false
	}
	_, known := b.heard[id]
	b.heard[id] = now
	if !known {
		select {
		case b.changed <- struct{}{}:
		default:
		}
	}
	return true
}

// expect lets a machine be watched from now on, unless it is.
func (b *beats) expect(id string, now time.Time) {
	b.mu.Lock()
	_, known := b.heard[id]
	b.mu.Unlock()
	if !known {
		b.hear(id, now)
	}
}

// silent returns the machines that were not heard of for a window, and when the
// next may be one of them; zero if nobody is watched.
func (b *beats) silent(now time.Time) (ids []string, next time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, at := range b.heard {
		switch end := at.Add(BeatWindow); {
		case !end.After(now):
			ids = append(ids, id)
			delete(b.heard, id)
		case next.IsZero() || end.Before(next):
			next = end
		}
	}
	return ids, next
}

func (f *Fleet) watch(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		now := f.st.Now()
		ids, next := f.beats.silent(now)
		for _, id := range ids {
			f.down(ctx, id)
		}
		if timer.Stop(); !next.IsZero() {
			timer.Reset(next.Sub(now))
		}
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-f.beats.changed:
		}
	}
}

// down declares a machine down. If that cannot be written it is tried again
// after another window.
func (f *Fleet) down(ctx context.Context, id string) {
	_, err := f.st.Update(ctx, func(tx *store.Tx) error {
		m, ok := ByID(tx, id)
		if !ok || !m.watched() || m.Status == Down {
			return nil
		}
		tx.Note("machine.down", m.FQN().String(), map[string]any{"address": m.Address()})
		return Change(tx, id, func(m *Machine) error { m.Status = Down; return nil })
	})
	if err != nil && ctx.Err() == nil {
		f.beats.hear(id, f.st.Now())
	}
}
