package workload

import (
	"context"
	"errors"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// Start begins to keep workloads. What ran when the rows were written, in this
// store or in one that was restored, is suspended first: it is started again if
// its slot still runs. It is idempotent; after Shutdown it is Unavailable.
func (s *Service) Start(ctx context.Context) error {
	const op = "workload.Start"
	switch s.life.Load() {
	case live:
		return nil
	case over:
		return s.ready(op)
	}
	ctx = policy.WithPrincipal(ctx, component)
	adopted, err := s.takeOver(ctx)
	if err != nil {
		return atoll.Wrap(op, err)
	}
	if err := s.failTasks(ctx); err != nil {
		return atoll.Wrap(op, err)
	}
	if err := s.skipMissed(ctx); err != nil {
		return atoll.Wrap(op, err)
	}
	s.fleet.Refuse(pinned)
	if err := s.fleet.Start(ctx); err != nil {
		return atoll.Wrap(op, err)
	}
	if !s.life.CompareAndSwap(unstarted, live) {
		return s.ready(op)
	}
	s.resume(adopted)
	s.sup.start(ctx, s.st.LastIndex())
	return nil
}

// pinned refuses to drop a machine that a workload names.
func pinned(r store.Reader, m *fleet.Machine) error {
	for w := range workloads.All(r) {
		if w.Deleted == nil && w.Spec.Place.Machine == m.ID {
			e := atoll.Errorf(atoll.Conflict, "", "machine %s is the one that %s runs on", m.Address(), w.FQN)
			e.Code = atoll.InUse
			return e
		}
	}
	return nil
}

// suspendAll ends what is placed although nothing runs it: what an earlier
// process of the platform left behind.
func (s *Service) suspendAll(ctx context.Context) error { return s.suspend(ctx, nil) }

// suspend is suspendAll but for the runs in keep.
func (s *Service) suspend(ctx context.Context, keep map[runKey]driver.Handle) error {
	for _, id := range s.occupied() {
		_, err := s.st.Update(ctx, func(tx *store.Tx) error {
			sn := snapshot(tx, id)
			if sn == nil {
				return nil
			}
			d := newDraft(sn, tx.Now())
			wd := &world{suspend: true}
			for n := range d.insts {
				i := d.insts[n].row
				if keep[runKey{i.ID, i.Run}] != nil {
					continue
				}
				if i.State.Placed() {
					d.leave(n, eventSuspend, wd)
				}
				if d.insts[n].row.Exit.Stuck {
					d.inst(n).Exit.Stuck = false
				}
			}
			return s.write(tx, d)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// occupied returns the workloads of which something is placed or stuck.
func (s *Service) occupied() []string {
	var ids []string
	seen := map[string]bool{}
	for i := range instances.All(s.st.View()) {
		if (i.State.Placed() || i.Exit.Stuck) && !seen[i.Workload] {
			seen[i.Workload] = true
			ids = append(ids, i.Workload)
		}
	}
	return ids
}

// settle is how long Shutdown waits, after its context has ended, for what was
// killed.
const settle = killWait + time.Second

// Shutdown stops what runs, in the way that each workload says, and leaves what
// is wanted as it is: after the next Start it goes on. What has not ended when
// ctx does is killed. It is idempotent. Timeout if something did not end even
// then; it was abandoned, and its row says so.
func (s *Service) Shutdown(ctx context.Context) error {
	const op = "workload.Shutdown"
	if s.life.Swap(over) != live {
		return nil
	}
	sup := s.sup
	sup.suspending.Store(true)
	sup.turns.hold() // what was accepted before has begun by then
	sup.turns.release()
	s.drain() // what was planned before has begun by then
	for _, id := range s.occupied() {
		sup.mark(id)
	}
	s.drain()
	ended := make(chan struct{})
	go func() {
		sup.runs.Wait()
		close(ended)
	}()
	var late error
	select {
	case <-ended:
	case <-ctx.Done():
		for _, sh := range sup.shards {
			for _, r := range sh.all("") {
				r.tell(verbStop, 0)
			}
		}
		timer := time.NewTimer(settle)
		select {
		case <-ended:
		case <-timer.C:
		}
		timer.Stop()
	}
	stuck := 0
	for _, sh := range sup.shards {
		for _, r := range sh.all("") {
			if !r.finished() {
				stuck++
			}
			r.tell(verbLose, 0)
		}
	}
	if stuck > 0 {
		late = atoll.Errorf(atoll.Timeout, op, "%d instances did not stop", stuck)
	}
	s.drain()
	sup.stop()
	sup.tasks.Wait()
	s.fleet.Shutdown()
	<-ended
	err := s.suspendAll(policy.WithPrincipal(context.WithoutCancel(ctx), component))
	return atoll.Wrap(op, errors.Join(late, err))
}

// drain lets the shards take in what was reported.
func (s *Service) drain() {
	for _, sh := range s.sup.shards {
		sh.mu.Lock()
		for (len(sh.queued) > 0 || len(sh.reports) > 0 || sh.busy || sh.led) && !sh.closed {
			sh.idle.Wait()
		}
		sh.mu.Unlock()
	}
}
