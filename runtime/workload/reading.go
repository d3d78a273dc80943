package workload

import (
	"context"
	"iter"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// Get returns workload id, also if it was deleted and is still kept. Kinds:
// NotFound, Denied.
func (s *Service) Get(ctx context.Context, id string) (*Snapshot, error) {
	const op = "workload.Get"
	sn := snapshot(s.st.View(), id)
	if sn == nil {
		return nil, notFound(op, id)
	}
	if err := s.guard.Check(ctx, policy.Do(policy.Read, sn.Workload.Address())); err != nil {
		return nil, atoll.Wrap(op, err)
	}
	return sn, nil
}

// Resolve returns the workload of that name. Kinds: NotFound, Denied.
func (s *Service) Resolve(ctx context.Context, name policy.FQN) (*Snapshot, error) {
	const op = "workload.Resolve"
	v := s.st.View()
	w, ok := workloadByFQN.Get(v, store.KeyOf(name.String()))
	if !ok {
		return nil, notFound(op, name.String())
	}
	if err := s.guard.Check(ctx, policy.Do(policy.Read, name)); err != nil {
		return nil, atoll.Wrap(op, err)
	}
	return snapshot(v, w.ID), nil
}

// BySeq returns the workload of that number. Kinds: NotFound, Denied.
func (s *Service) BySeq(ctx context.Context, seq uint64) (*Snapshot, error) {
	w, ok := workloadBySeq.Get(s.st.View(), store.KeyOf(seq))
	if !ok {
		return nil, notFound("workload.BySeq", "")
	}
	return s.Get(ctx, w.ID)
}

// Filter says which workloads a list has. Its zero value is all that were not deleted.
type Filter struct {
	Tenant  string               // "" = all
	Deleted bool                 // those kept after their deletion too
	Match   func(*Workload) bool // nil = all
}

// List yields the workloads that the caller may read, in order of their number,
// all as of one index.
func (s *Service) List(ctx context.Context, f Filter) iter.Seq[*Snapshot] {
	return func(yield func(*Snapshot) bool) {
		v := s.st.View()
		rows := workloadBySeq.All(v, store.Key{})
		if f.Tenant != "" {
			rows = workloadsByTenant.All(v, store.KeyOf(f.Tenant))
		}
		for w := range rows {
			if w.Deleted != nil && !f.Deleted || f.Match != nil && !f.Match(w) ||
				!s.guard.Allowed(ctx, policy.Do(policy.Read, w.Address())) {
				continue
			}
			if !yield(snapshot(v, w.ID)) {
				return
			}
		}
	}
}

// Instance returns an instance with its workload. Kinds: NotFound, Denied.
func (s *Service) Instance(ctx context.Context, id string) (*Snapshot, *Instance, error) {
	return s.instance(ctx, func(v store.Reader) (*Instance, bool) { return instances.Get(v, id) }, id)
}

// InstanceBySeq returns the instance of that number with its workload. Kinds:
// NotFound, Denied.
func (s *Service) InstanceBySeq(ctx context.Context, seq uint64) (*Snapshot, *Instance, error) {
	return s.instance(ctx, func(v store.Reader) (*Instance, bool) {
		n, ok := numbers.Get(v, numberKey(seq))
		if !ok {
			return nil, false
		}
		return instances.Get(v, n.Instance)
	}, "")
}

func (s *Service) instance(ctx context.Context, find func(store.Reader) (*Instance, bool), id string) (*Snapshot, *Instance, error) {
	const op = "workload.Instance"
	v := s.st.View()
	i, ok := find(v)
	if !ok {
		return nil, nil, noInstance(op, id)
	}
	sn := snapshot(v, i.Workload)
	if sn == nil {
		return nil, nil, noInstance(op, id)
	}
	if err := s.guard.Check(ctx, policy.Do(policy.Read, sn.Workload.Address())); err != nil {
		return nil, nil, atoll.Wrap(op, err)
	}
	return sn, i, nil
}

// Result returns what a single run was given and left. Kinds: NotFound, Denied.
func (s *Service) Result(ctx context.Context, id string) (*RunResult, error) {
	if _, _, err := s.Instance(ctx, id); err != nil {
		return nil, err
	}
	if r, ok := results.Get(s.st.View(), id); ok {
		return r, nil
	}
	return &RunResult{Instance: id}, nil
}

// AwaitTimeout bounds Await.
const AwaitTimeout = 2 * time.Minute

// Await waits until operation seq on workload id has been answered by all
// instances that it touched, or was superseded, and returns the state then; for
// a workload that is gone by then nil. Kinds: NotFound if it is gone from the
// start; Timeout; Canceled; Denied; Unavailable.
func (s *Service) Await(ctx context.Context, id string, seq uint64) (*Snapshot, error) {
	first := true
	return s.until(ctx, "workload.Await", id, func(sn *Snapshot) bool {
		if sn == nil {
			return !first
		}
		first = false
		return sn.Status.Op.Seq != seq || !sn.UnderWay()
	})
}

// AwaitInstance waits until an instance has ended or, if running is set, until
// it runs, and returns it. Kinds: as Await.
func (s *Service) AwaitInstance(ctx context.Context, id string, running bool) (*Instance, error) {
	const op = "workload.AwaitInstance"
	i, ok := instances.Get(s.st.View(), id)
	if !ok {
		return nil, noInstance(op, id)
	}
	_, err := s.until(ctx, op, i.Workload, func(sn *Snapshot) bool {
		if sn == nil {
			return true
		}
		now, ok := sn.Instance(id)
		if !ok {
			return true
		}
		i = now
		return !i.State.Live() || running && i.State == StateRunning
	})
	return i, err
}

// until waits until done says so of the workload.
func (s *Service) until(ctx context.Context, op, id string, done func(*Snapshot) bool) (*Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, AwaitTimeout)
	defer cancel()
	w, ok := workloads.Get(s.st.View(), id)
	if !ok {
		return nil, notFound(op, id)
	}
	if err := s.guard.Check(ctx, policy.Do(policy.Read, w.Address())); err != nil {
		return nil, atoll.Wrap(op, err)
	}
	for {
		v := s.st.View()
		sn := snapshot(v, id)
		if done(sn) {
			return sn, nil
		}
		if sn == nil {
			return nil, notFound(op, id)
		}
		if err := s.changed(ctx, v.Index(), id); err != nil {
			if atoll.KindOf(err) == atoll.Timeout {
				return nil, atoll.Errorf(atoll.Timeout, op, "the operation is still under way")
			}
			return nil, atoll.Wrap(op, err)
		}
	}
}

// changed waits for a commit behind index that touches workload id.
func (s *Service) changed(ctx context.Context, index uint64, id string) error {
	_, err := s.st.Watch(ctx, index, func(c *store.Commit) bool {
		for k := range c.Changes {
			if owner(&c.Changes[k]) == id {
				return true
			}
		}
		return false
	}).Next(ctx)
	if _, lost := err.(*store.LostError); lost {
		return nil
	}
	return err
}

// owner returns the workload that a changed row belongs to, "" if it is no row of one.
func owner(c *store.Change) string {
	row := c.After
	if row == nil {
		row = c.Before
	}
	switch r := row.(type) {
	case *Workload:
		return r.ID
	case *Slot:
		return r.Workload
	case *Instance:
		return r.Workload
	case *Status:
		return r.Workload
	case *Generation:
		return r.Workload
	}
	return ""
}
