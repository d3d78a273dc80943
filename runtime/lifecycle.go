package runtime

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// The codes of FailedState for runtimes.
const (
	StoppedCode atoll.Code = "stopped" // a stopped runtime takes no events
	InvalidCode atoll.Code = "invalid" // nothing works on a runtime that could not be restored
	RunningCode atoll.Code = "running" // it runs already
)

// Changed is what Start, Stop and Delete have done.
type Changed struct {
	Runtime           // as it is now; of Delete, as it was
	At      time.Time // of the change
	Reason  string    // why nothing was done, "" if something was
}

// Start makes the sources of a runtime active. Kinds: NotFound, Denied;
// FailedState unless it is created or stopped; Unavailable.
func (s *Service) Start(ctx context.Context, ref string) (*Changed, error) {
	return s.change(ctx, "runtime.Start", ref, policy.Start, func(rec *Record) (Status, string, error) {
		if rec.Status == Created || rec.Status == Stopped {
			return Running, "", nil
		}
		code := RunningCode
		if rec.Status == Invalid {
			code = InvalidCode
		}
		return 0, "", &atoll.Error{Kind: atoll.FailedState, Code: code, Msg: "only a created or stopped runtime can start"}
	})
}

// Stop makes the sources of a runtime idle; from then on it refuses events. If
// it does not run nothing happens, and the Reason says so. Kinds: NotFound,
// Denied, Unavailable.
func (s *Service) Stop(ctx context.Context, ref string) (*Changed, error) {
	return s.change(ctx, "runtime.Stop", ref, policy.Stop, func(rec *Record) (Status, string, error) {
		if rec.Status == Running {
			return Stopped, "", nil
		}
		return rec.Status, "the runtime is not running", nil
	})
}

// change moves a runtime to the status that next says, or refuses.
func (s *Service) change(ctx context.Context, op, ref string, action policy.Action, next func(*Record) (Status, string, error)) (*Changed, error) {
	rec, err := s.allowed(ctx, op, ref, call{action, "PATCH", ""})
	if err != nil {
		return nil, err
	}
	out := &Changed{}
	_, err = s.st.Update(ctx, func(tx *store.Tx) error {
		now, ok := runtimes.Get(tx, rec.ID)
		if !ok {
			return noRuntime(op, ref)
		}
		status, reason, err := next(now)
		if err != nil {
			return err
		}
		out.Runtime, out.At, out.Reason = s.runtime(tx, now), tx.Now(), reason
		if reason != "" {
			return nil
		}
		c := *now
		c.Status, c.Since = status, tx.Now()
		if err := runtimes.Put(tx, &c); err != nil {
			return err
		}
		tx.Note("runtime."+string(action), s.address(tx, now).String(), nil)
		out.Runtime = s.runtime(tx, &c)
		return nil
	})
	if err != nil {
		return nil, atoll.Wrap(op, err)
	}
	s.follows(ctx, rec.ID)
	return out, nil
}

// follows brings the instance in step with a change of its row that this
// process made. If that fails it is tried again in the background.
func (s *Service) follows(ctx context.Context, id string) {
	if err := s.sync(ctx, id); err != nil {
		s.log.Warn("a runtime is not yet in step with its row", "runtime", id, "error", err)
	}
}

// Delete ends a runtime in whatever state: its sources stop, its actors close,
// its permissions go. Kinds: NotFound, Denied, Unavailable.
func (s *Service) Delete(ctx context.Context, ref string) (*Changed, error) {
	const op = "runtime.Delete"
	rec, err := s.allowed(ctx, op, ref, call{policy.Delete, "DELETE", ""})
	if err != nil {
		return nil, err
	}
	out, err := s.delete(ctx, op, rec.ID)
	if err == nil && out == nil {
		err = noRuntime(op, ref)
	}
	return out, err
}

// delete removes the row, then the instance; nil if the row has gone already.
func (s *Service) delete(ctx context.Context, op, id string) (*Changed, error) {
	var out *Changed
	_, err := s.st.Update(ctx, func(tx *store.Tx) error {
		now, ok := runtimes.Get(tx, id)
		if !ok {
			return nil
		}
		out = &Changed{Runtime: s.runtime(tx, now), At: tx.Now()}
		return s.remove(tx, now)
	})
	if err != nil {
		return nil, atoll.Wrap(op, err)
	}
	s.follows(ctx, id)
	return out, nil
}

// remove deletes a row inside a transaction.
func (s *Service) remove(tx *store.Tx, rec *Record) error {
	address := s.address(tx, rec).String()
	if _, err := runtimes.Delete(tx, rec.ID); err != nil {
		return err
	}
	tx.Note("runtime.delete", address, nil)
	if s.settings.ReuseDeletedNames() {
		return nil
	}
	return reserve(tx, rec.OwnerID, rec.Name)
}

// DeleteAll deletes every runtime that the caller may delete and reports on
// each by its unique name, or by its id where another one reads alike. The
// error is that of the first that failed; the report is complete all the same.
func (s *Service) DeleteAll(ctx context.Context) (map[string]bool, error) {
	const op = "runtime.DeleteAll"
	if err := s.ready(op); err != nil {
		return nil, err
	}
	v := s.st.View()
	results := map[string]bool{}
	var first error
	for _, r := range s.sorted(v, runtimes.All(v)) {
		if !s.guard.Allowed(ctx, call{policy.Delete, "DELETE", ""}.question(r.FQN, r.ID, r.Owner)) {
			continue
		}
		name := r.UniqueName
		if _, reads := results[name]; reads {
			name = r.ID
		}
		_, err := s.delete(ctx, op, r.ID)
		results[name] = err == nil
		if err != nil && first == nil {
			first = err
		}
	}
	return results, first
}

// sorted returns runtimes in the order of their unique names.
func (s *Service) sorted(r store.Reader, recs func(yield func(*Record) bool)) []Runtime {
	var rs []Runtime
	for rec := range recs {
		rs = append(rs, s.runtime(r, rec))
	}
	slices.SortFunc(rs, func(a, b Runtime) int {
		if c := strings.Compare(a.UniqueName, b.UniqueName); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return rs
}
