package workload

import (
	"context"
	"slices"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// LogQuery says which output is wanted. The zero value is that of the workload
// as a whole, all that is kept.
type LogQuery struct {
	Instances []string // merged in the order in which they were written; empty = the workload's own ring
	Tail      int      // the newest n lines; 0 = all
}

// Logs returns output of workload id. It is readable while instances run and
// after their end, as long as their rows are kept. Kinds: NotFound, Denied.
func (s *Service) Logs(ctx context.Context, id string, q LogQuery) ([]Line, error) {
	if err := s.mayRead(ctx, "workload.Logs", id); err != nil {
		return nil, err
	}
	k := s.books.find(id)
	if k == nil {
		return nil, nil
	}
	n := q.Tail
	if n <= 0 {
		n = -1
	}
	if len(q.Instances) == 0 {
		return k.tail("", n), nil
	}
	var out []Line
	for _, i := range q.Instances {
		if i != "" {
			out = append(out, k.tail(i, n)...)
		}
	}
	slices.SortStableFunc(out, func(a, b Line) int {
		if a.Seq < b.Seq {
			return -1
		}
		return 1
	})
	if n > 0 && len(out) > n {
		out = out[len(out)-n:]
	}
	return out, nil
}

func (s *Service) mayRead(ctx context.Context, op, id string) error {
	w, ok := workloads.Get(s.st.View(), id)
	if !ok {
		return notFound(op, id)
	}
	return atoll.Wrap(op, s.guard.Check(ctx, policy.Do(policy.Read, w.Address())))
}

// Follow returns a cursor over the output of workload id, or of one instance of
// it, that begins with what is kept of number from and above. Kinds: NotFound,
// Denied.
func (s *Service) Follow(ctx context.Context, id, instance string, from uint64) (*Cursor, error) {
	if err := s.mayRead(ctx, "workload.Follow", id); err != nil {
		return nil, err
	}
	return &Cursor{books: s.books, workload: id, instance: instance, from: from}, nil
}

// statsWait bounds a measurement.
const statsWait = 2 * time.Second

// Stats measures a running instance now. One that does not run has none. Kinds:
// NotFound, Denied, Timeout, Failed.
func (s *Service) Stats(ctx context.Context, instance string) (driver.Stats, error) {
	const op = "workload.Stats"
	_, i, err := s.Instance(ctx, instance)
	if err != nil {
		return driver.Stats{}, err
	}
	r := s.sup.shard(i.Workload).runner(i.Workload, runKey{i.ID, i.Run})
	if r == nil {
		return driver.Stats{}, nil
	}
	r.mu.Lock()
	h := r.handle
	metrics := make(map[string]float64, len(r.metrics))
	for k, v := range r.metrics {
		metrics[k] = v
	}
	r.mu.Unlock()
	if h == nil {
		return driver.Stats{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, statsWait)
	defer cancel()
	type answer struct {
		st  driver.Stats
		err error
	}
	got := make(chan answer, 1)
	go func() {
		var a answer
		a.err = guardPanic(func() (err error) {
			a.st, err = h.Stats(ctx)
			return err
		})
		got <- a
	}()
	select {
	case a := <-got:
		if a.err != nil {
			return driver.Stats{}, atoll.Errorf(atoll.Failed, op, "the instance could not be measured: %w", a.err)
		}
		for k, v := range a.st.Metrics {
			metrics[k] = v
		}
		a.st.Metrics = metrics
		return a.st, nil
	case <-ctx.Done():
		return driver.Stats{}, atoll.Wrap(op, ctx.Err())
	}
}
