package workload

import (
	"context"
	"errors"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// errPassed says that a time of a schedule is not to be served any more.
var errPassed = errors.New("workload: the time has passed")

// errBusy says that the last run of a schedule goes on.
var errBusy = errors.New("workload: the last run goes on")

// skipMissed lets schedules whose time has passed come next at their next time.
func (s *Service) skipMissed(ctx context.Context) error {
	_, err := s.st.Update(ctx, func(tx *store.Tx) error {
		var late []*Schedule
		for c := range schedules.All(tx) {
			if !c.Next.IsZero() && !c.Next.After(tx.Now()) {
				late = append(late, c)
			}
		}
		for _, c := range late {
			if err := c.advance(tx); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

// advance lets a schedule come next at the first time behind now.
func (c *Schedule) advance(tx *store.Tx) error {
	row := *c
	row.Next = row.after(tx.Now())
	if row.Every > 0 && !c.Next.IsZero() { // it keeps its beat
		behind := tx.Now().Sub(c.Next)
		row.Next = c.Next.Add((behind/row.Every + 1) * row.Every)
	}
	return schedules.Put(tx, &row)
}

// setAgenda notes the times of all schedules.
func (sup *supervisor) setAgenda() {
	for c := range schedules.All(sup.s.st.View()) {
		sup.agenda.set(c.ID, c.Num, c.Next, c.Version)
	}
}

// dispatch serves the time of a schedule that has come: the run and the next
// time are one transaction, so a time is served once at most.
func (sup *supervisor) dispatch(ctx context.Context, id string) {
	s := sup.s
	c, ok := schedules.Get(s.st.View(), id)
	if !ok || c.Next.IsZero() {
		return
	}
	if c.Next.After(s.now()) {
		sup.agenda.set(c.ID, c.Num, c.Next, c.Version)
		return
	}
	due := c.Next
	serve := func(tx *store.Tx, _ *Snapshot) error {
		now, ok := schedules.Get(tx, id)
		if !ok || !now.Next.Equal(due) {
			return errPassed
		}
		return now.advance(tx)
	}
	free := If(func(sn *Snapshot) error {
		for _, i := range sn.Instances {
			if i.State.Live() && i.Cause.Kind == CauseSchedule && i.Cause.ID == id {
				return errBusy
			}
		}
		return nil
	})
	ctx = policy.WithPrincipal(ctx, component)
	var err error
	if w, ok := workloads.Get(s.st.View(), c.Workload); ok && w.Spec.Behave.Runs != (RunLimit{}) {
		_, err = s.runOnce(ctx, c.Workload, Single{Cause: Cause{Kind: CauseSchedule, ID: id}}, serve, []Cond{free})
	} else {
		_, err = s.startWithin(ctx, c.Workload, serve, nil)
	}
	if err != nil && !errors.Is(err, errPassed) {
		if !errors.Is(err, errBusy) && ctx.Err() == nil {
			s.log.Warn("a scheduled run was refused", "schedule", id, "workload", c.Workload, "error", err)
		}
		_, err = s.st.Update(ctx, func(tx *store.Tx) error { return serve(tx, nil) })
	}
	if err != nil && atoll.KindOf(err) == atoll.Unavailable {
		sup.agenda.set(c.ID, c.Num, s.now().Add(retryCommit), c.Version)
		return
	}
	if c, ok := schedules.Get(s.st.View(), id); ok {
		sup.agenda.set(c.ID, c.Num, c.Next, c.Version)
	}
}

// rescheduled notes the time of a schedule that somebody else wrote.
func (sup *supervisor) rescheduled(ch *store.Change) {
	switch row := ch.After.(type) {
	case *Schedule:
		sup.agenda.set(row.ID, row.Num, row.Next, row.Version)
	case nil:
		if _, ok := ch.Before.(*Schedule); ok {
			sup.agenda.set(ch.Key, 0, time.Time{}, ^uint64(0))
		}
	}
}
