package workload

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
	"unicode/utf8"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// Schedule lets a workload run again and again: one that runs on request is run
// once, any other is started if it does not run. It has either Every or Cron.
//
// A time that comes while the run of the last one goes on is skipped; times that
// passed while the platform was down are not made up.
type Schedule struct {
	store.Meta
	Num      uint64 // number in the tenant of the workload
	Workload string
	Title    string
	Text     string
	Every    time.Duration // from when it was set, or last came
	Cron     string        // see ParseCron
	Zone     string        // of Cron, "" is UTC
	Next     time.Time     // when it comes next; set by this package
}

var schedules = store.NewTable(store.Spec[Schedule]{
	Name: "workloadschedules", Schema: 1,
	Key: func(c *Schedule) string { return c.ID },
	FQN: func(r store.Reader, c *Schedule) string { return addressOf(r, c.Workload) },
})

var schedulesByWorkload = store.Index(schedules, "workload", func(c *Schedule) (store.Key, bool) {
	return store.KeyOf(c.Workload, c.Num), true
})

// Bounds of the period of a schedule.
const (
	minEvery = time.Second
	maxEvery = 366 * 24 * time.Hour
	maxTitle = 1000
)

// Check returns what is wrong with a schedule.
func (c *Schedule) Check() []atoll.Finding {
	var f findings
	if (c.Every != 0) == (c.Cron != "") {
		f.add("", "either", "a schedule has either a period or a time")
	}
	if c.Every != 0 && (c.Every < minEvery || c.Every > maxEvery) {
		f.add("every", "range", "every is from %v to %v", minEvery, maxEvery)
	}
	if c.Cron != "" || c.Zone != "" {
		cron := c.Cron
		if cron == "" {
			cron = "* * * * *"
		}
		if _, err := ParseCron(cron, c.Zone); err != nil {
			if e, ok := errors.AsType[*atoll.Error](err); ok {
				f = append(f, e.Findings...)
			}
		}
	}
	f.titles(c.Title, c.Text)
	return f
}

func (f *findings) titles(title, text string) {
	if len(title) > maxTitle || !utf8.ValidString(title) {
		f.add("title", "size", "a title has at most %d bytes", maxTitle)
	}
	if len(text) > 10*maxTitle || !utf8.ValidString(text) {
		f.add("text", "size", "a description has at most %d bytes", 10*maxTitle)
	}
}

// after returns when a schedule comes next; zero if never.
func (c *Schedule) after(now time.Time) time.Time {
	if c.Every > 0 {
		return now.Add(c.Every)
	}
	cron, err := ParseCron(c.Cron, c.Zone)
	if err != nil {
		return time.Time{} // of a zone that this host does not know
	}
	return cron.Next(now)
}

func noSchedule(op, id string) error {
	return &atoll.Error{Kind: atoll.NotFound, Op: op, Msg: "there is no such schedule", Subject: atoll.Subject{Type: "schedule", ID: id}}
}

// CreateSchedule adds a schedule to c.Workload. Kinds: Invalid with every
// finding; NotFound, Denied, Unavailable.
func (s *Service) CreateSchedule(ctx context.Context, c Schedule) (*Schedule, error) {
	const op = "workload.CreateSchedule"
	row := &Schedule{Workload: c.Workload, Title: c.Title, Text: c.Text, Every: c.Every, Cron: c.Cron, Zone: c.Zone}
	if f := row.Check(); len(f) > 0 {
		return nil, &atoll.Error{Kind: atoll.Invalid, Op: op, Msg: "the schedule is not valid", Findings: f}
	}
	err := s.beside(ctx, op, c.Workload, func(tx *store.Tx, w *Workload) error {
		num, err := tx.Next(w.Tenant, "schedule")
		if err != nil {
			return err
		}
		row.ID, row.Num, row.Next = s.newID(), uint64(num), row.after(tx.Now())
		return schedules.Insert(tx, row)
	})
	if err != nil {
		return nil, err
	}
	s.sup.agenda.set(row.ID, row.Num, row.Next, row.Version)
	return row, nil
}

// ChangeSchedule lets edit change what a schedule says; it then comes next as if
// it had been set just now. Kinds: as CreateSchedule, and what edit returned.
func (s *Service) ChangeSchedule(ctx context.Context, id string, edit func(*Schedule) error) (*Schedule, error) {
	const op = "workload.ChangeSchedule"
	was, ok := schedules.Get(s.st.View(), id)
	if !ok {
		return nil, noSchedule(op, id)
	}
	var row *Schedule
	err := s.beside(ctx, op, was.Workload, func(tx *store.Tx, w *Workload) error {
		now, ok := schedules.Get(tx, id)
		if !ok {
			return noSchedule(op, id)
		}
		c := *now
		if err := edit(&c); err != nil {
			return err
		}
		c.Meta, c.Num = now.Meta, now.Num
		if f := c.Check(); len(f) > 0 {
			return &atoll.Error{Kind: atoll.Invalid, Msg: "the schedule is not valid", Findings: f}
		}
		if c.Workload != now.Workload {
			if err := s.mayMove(tx, op, w, c.Workload); err != nil {
				return err
			}
		}
		c.Next = c.after(tx.Now())
		row = &c
		return schedules.Put(tx, row)
	})
	if err != nil {
		return nil, err
	}
	s.sup.agenda.set(row.ID, row.Num, row.Next, row.Version)
	return row, nil
}

// DeleteSchedule takes a schedule away. Runs of it that go on do so. Kinds:
// NotFound, Denied, Unavailable.
func (s *Service) DeleteSchedule(ctx context.Context, id string) error {
	const op = "workload.DeleteSchedule"
	was, ok := schedules.Get(s.st.View(), id)
	if !ok {
		return noSchedule(op, id)
	}
	return s.beside(ctx, op, was.Workload, func(tx *store.Tx, _ *Workload) error {
		found, err := schedules.Delete(tx, id)
		if err == nil && !found {
			return noSchedule(op, id)
		}
		return err
	})
}

// Schedule returns a schedule. Kinds: NotFound, Denied.
func (s *Service) Schedule(ctx context.Context, id string) (*Schedule, error) {
	const op = "workload.Schedule"
	v := s.st.View()
	c, ok := schedules.Get(v, id)
	if !ok {
		return nil, noSchedule(op, id)
	}
	w, ok := workloads.Get(v, c.Workload)
	if !ok {
		return nil, noSchedule(op, id)
	}
	if err := s.guard.Check(ctx, policy.Do(policy.Read, w.Address())); err != nil {
		return nil, atoll.Wrap(op, err)
	}
	return c, nil
}

// Schedules yields the schedules of a workload in order of their number; of one
// that the caller may not read there are none.
func (s *Service) Schedules(ctx context.Context, workload string) iter.Seq[*Schedule] {
	return func(yield func(*Schedule) bool) {
		v := s.st.View()
		w, ok := workloads.Get(v, workload)
		if !ok || !s.guard.Allowed(ctx, policy.Do(policy.Read, w.Address())) {
			return
		}
		for c := range schedulesByWorkload.All(v, store.KeyOf(workload)) {
			if !yield(c) {
				return
			}
		}
	}
}

// beside lets fn write what belongs to a workload beside its own rows, for who
// may update it.
func (s *Service) beside(ctx context.Context, op, id string, fn func(*store.Tx, *Workload) error) error {
	if err := s.ready(op); err != nil {
		return err
	}
	w, ok := workloads.Get(s.st.View(), id)
	if !ok {
		return notFound(op, id)
	}
	if err := s.guard.Check(ctx, policy.Do(policy.Update, w.Address())); err != nil {
		return atoll.Wrap(op, err)
	}
	_, err := s.st.Update(ctx, func(tx *store.Tx) error {
		w, ok := workloads.Get(tx, id)
		if !ok || w.Deleted != nil {
			return notFound(op, id)
		}
		tx.Note("job.update", w.FQN, nil)
		return fn(tx, w)
	})
	return atoll.Wrap(op, err)
}

// mayMove reports whether what belongs to a workload may go to another one of
// its tenant.
func (s *Service) mayMove(tx *store.Tx, op string, from *Workload, to string) error {
	w, ok := workloads.Get(tx, to)
	if !ok || w.Deleted != nil || w.Tenant != from.Tenant {
		return &atoll.Error{Kind: atoll.Reference, Op: op, Msg: "there is no such workload", Subject: atoll.Subject{Type: "workload", ID: to},
			Findings: []atoll.Finding{{Path: "workload", Code: "unknown", Msg: fmt.Sprintf("there is no workload %.100q", to)}}}
	}
	return s.guard.Check(tx.Context(), policy.Do(policy.Update, w.Address()))
}

// dropBeside takes away what cannot be without its workload.
func dropBeside(tx *store.Tx, id string) error {
	var gone []string
	for c := range schedulesByWorkload.All(tx, store.KeyOf(id)) {
		gone = append(gone, c.ID)
	}
	for _, c := range gone {
		if _, err := schedules.Delete(tx, c); err != nil {
			return err
		}
	}
	gone = nil
	for t := range triggersByWorkload.All(tx, store.KeyOf(id)) {
		gone = append(gone, t.ID)
	}
	for _, t := range gone {
		if _, err := triggers.Delete(tx, t); err != nil {
			return err
		}
	}
	return nil
}
