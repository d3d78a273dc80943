package workload

import (
	"context"
	"iter"
	"maps"
	"slices"

	"github.com/atoll-platform/atoll/internal/store"
)

// Connector prepares instances and lets the world reach them. The methods that
// take a Reader are pure functions of rows; the others are called outside of
// transactions, are idempotent, may be called from many goroutines and end with
// their context.
type Connector interface {
	// Prepare makes ready what instance i needs before its start, in its
	// directory, and returns the variables that it gets besides.
	Prepare(ctx context.Context, w *Workload, spec *Spec, i *Instance, dir string) (map[string]string, error)
	// Ready reports whether every started target of the links of w has an instance that runs.
	Ready(r store.Reader, w *Workload) bool
	// Attach lets the world reach i.
	Attach(ctx context.Context, w *Workload, i *Instance) error
	// Detach ends that; what is under way may go on.
	Detach(ctx context.Context, w *Workload, i *Instance) error
	// Release gives back what Prepare took.
	Release(ctx context.Context, w *Workload, i *Instance) error
	// StopsBefore reports whether w may stop now: no source of its links has still
	// to do so. With all set the platform ends, and whatever runs has to.
	StopsBefore(r store.Reader, w *Workload, all bool) bool
}

// Selective is a Connector that has nothing to prepare, attach or release for
// some workloads.
type Selective interface {
	// Needs reports whether the methods that take a context are to be called for
	// the instances of w. It is a pure function of rows.
	Needs(r store.Reader, w *Workload) bool
}

// Dropper is a Connector that has rows of its own beside a workload.
type Dropper interface {
	// Dropped runs in the transaction in which w is deleted, after that is
	// written: its name is free, and it is kept for readers alone. An error
	// refuses the deletion.
	Dropped(tx *store.Tx, w *Workload) error
}

// Ender is a Connector that keeps rows until nothing of a deleted workload is left.
type Ender interface {
	// Ended runs in the transaction in which the last instance of w has ended,
	// which was deleted. An error defers that.
	Ended(tx *store.Tx, w *Workload) error
}

// Forgetter is a Connector that keeps rows for the readers of a deleted workload.
type Forgetter interface {
	// Forgotten runs in the transaction in which the row of w is gone too. An
	// error defers that.
	Forgotten(tx *store.Tx, w *Workload) error
}

// departed tells the connector what becomes of a workload in this transaction.
func (s *Service) departed(tx *store.Tx, d *draft) error {
	was := d.base.Workload
	if d.w != nil && d.w.Deleted != nil && was.Deleted == nil {
		if f, ok := s.conn.(Dropper); ok {
			if err := f.Dropped(tx, d.w); err != nil {
				return err
			}
		}
	}
	if !d.st.Destroyed.IsZero() && d.base.Status.Destroyed.IsZero() || d.w == nil && d.base.Status.Destroyed.IsZero() {
		if f, ok := s.conn.(Ender); ok {
			if err := f.Ended(tx, was); err != nil {
				return err
			}
		}
	}
	if d.w == nil {
		if f, ok := s.conn.(Forgetter); ok {
			return f.Forgotten(tx, was)
		}
	}
	return nil
}

// EnvRequest is what the environment of an instance is made from. All of it is
// constant.
type EnvRequest struct {
	Reader   store.Reader // everything else, as of now
	Workload *Workload
	Spec     *Spec // that the instance follows
	Instance *Instance
	Shared   *any                // kept for the next instance of Workload, as of the same moment; nil at first
	Siblings iter.Seq[*Instance] // the instances of the workload, itself too, as they are about to be
}

// bareEnv is the environment of EnvBare: the variables of the image, below
// those of the spec. Several processes keep theirs to themselves.
func bareEnv(q *EnvRequest) map[string]string {
	spec := q.Spec
	env := maps.Clone(spec.Defaults)
	if env == nil {
		env = map[string]string{}
	}
	for _, p := range spec.Procs {
		for k, v := range p.Env {
			if len(spec.Procs) == 1 {
				env[k] = v
			} else {
				delete(env, k)
			}
		}
	}
	return env
}

// environment makes the environment of an instance of a draft.
func (s *Service) environment(r store.Reader, d *draft, i *Instance, shared *any) map[string]store.Sealed {
	q := &EnvRequest{Reader: r, Workload: d.w, Spec: d.effective(i), Instance: i, Shared: shared, Siblings: func(yield func(*Instance) bool) {
		for n := range d.insts {
			if row := d.insts[n].row; row != nil && !yield(row) {
				return
			}
		}
	}}
	f := s.envs[q.Spec.Behave.Env]
	if f == nil {
		f = bareEnv
	}
	return seal(f(q))
}

func seal(env map[string]string) map[string]store.Sealed {
	out := make(map[string]store.Sealed, len(env))
	for k, v := range env {
		out[k] = store.Sealed(v)
	}
	return out
}

// environ is the environment of one process of an instance, sorted: the
// variables of the instance above those of the process.
func environ(env map[string]store.Sealed, own map[string]string) []string {
	out := make([]string, 0, len(env)+len(own))
	for k, v := range env {
		out = append(out, k+"="+v.Reveal())
	}
	for k, v := range own {
		if _, ok := env[k]; !ok {
			out = append(out, k+"="+v)
		}
	}
	slices.Sort(out)
	return out
}
