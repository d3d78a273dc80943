package workload

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/policy"
)

// Carry lets replace put other rows in the place of all rows of the store, such
// as those of a snapshot, and goes on with them. If replace fails, nothing has
// happened to what runs. Else everything that ran of the old rows is stopped, in
// the way that its workload said, and killed when ctx ends; what the new rows
// have as running is suspended, as at Start, and started again if its slot still
// runs. Operations go on meanwhile; what they want is done afterwards.
//
// Unless the Service is live it calls replace and does nothing else. Kinds: that
// of replace; Failed, Canceled if the new rows could not be suspended.
func (s *Service) Carry(ctx context.Context, replace func() error) error {
	const op = "workload.Carry"
	if s.life.Load() != live {
		return replace()
	}
	sup := s.sup
	sup.turns.hold()
	defer sup.turns.release()
	if err := replace(); err != nil {
		return err
	}
	s.endAll(ctx)
	ctx = policy.WithPrincipal(context.WithoutCancel(ctx), component)
	err := errors.Join(s.suspendAll(ctx), s.failTasks(ctx), s.skipMissed(ctx))
	s.forgetBooks()
	sup.markAll()
	return atoll.Wrap(op, err)
}

// turns lets passes happen, or the replacement of all rows.
type turns struct {
	mu     sync.Mutex
	turn   *sync.Cond
	passes int
	held   bool
}

func newTurns() *turns {
	t := &turns{}
	t.turn = sync.NewCond(&t.mu)
	return t
}

// begin begins a pass, behind a replacement under way.
func (t *turns) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.held {
		t.turn.Wait()
	}
	t.passes++
}

// try begins what a pass does, unless a replacement is under way.
func (t *turns) try() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.held {
		return false
	}
	t.passes++
	return true
}

func (t *turns) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.passes--; t.passes == 0 && t.held {
		t.turn.Broadcast()
	}
}

// hold waits until no pass is under way; none begins then until release.
func (t *turns) hold() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.held {
		t.turn.Wait()
	}
	t.held = true
	for t.passes > 0 {
		t.turn.Wait()
	}
}

func (t *turns) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held = false
	t.turn.Broadcast()
}

// endAll stops all runs and forgets them, and what they reported. None can begin
// meanwhile.
func (s *Service) endAll(ctx context.Context) {
	var old []*runner
	most := time.Duration(0)
	for _, sh := range s.sup.shards {
		old = append(old, sh.all("")...)
	}
	tell := func(v verb, grace func(*runner) time.Duration) {
		for _, r := range old {
			r.tell(v, grace(r))
		}
	}
	none := func(*runner) time.Duration { return 0 }
	tell(verbStop, func(r *runner) time.Duration {
		most = max(most, r.spec.Stop.Grace)
		return r.spec.Stop.Grace
	})
	tell(verbRelease, none)
	ended := make(chan struct{})
	go func() {
		s.sup.runs.Wait()
		close(ended)
	}()
	within := func(ctx context.Context, d time.Duration) bool {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-ended:
			return true
		case <-ctx.Done():
		case <-timer.C:
		}
		return false
	}
	if !within(ctx, most+settle) {
		tell(verbStop, none)
		within(context.WithoutCancel(ctx), settle)
	}
	tell(verbLose, none) // what has not ended by now is abandoned
	<-ended
	for _, sh := range s.sup.shards {
		sh.renew()
	}
}

// renew forgets runs and reports: they are of rows that are no longer there.
func (sh *shard) renew() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.era++
	clear(sh.reports)
	clear(sh.runners)
}

// forgetBooks drops the output of what is no longer there.
func (s *Service) forgetBooks() {
	v := s.st.View()
	for id, k := range s.books.all() {
		if _, ok := workloads.Get(v, id); !ok {
			s.books.drop(id)
			continue
		}
		for _, i := range k.instances() {
			if _, ok := instances.Get(v, i); !ok {
				k.forget(i)
			}
		}
	}
}
