package workload

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"unicode/utf8"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// Trigger lets a workload run once whenever something happens. What that is,
// only those know who say so with Fire: a class of things and a signal.
type Trigger struct {
	store.Meta
	Num      uint64 // number in the tenant of the workload
	Workload string
	Title    string
	Text     string
	Class    string
	Signal   string
}

var triggers = store.NewTable(store.Spec[Trigger]{
	Name: "workloadtriggers", Schema: 1,
	Key: func(t *Trigger) string { return t.ID },
	FQN: func(r store.Reader, t *Trigger) string { return addressOf(r, t.Workload) },
})

var triggersByWorkload = store.Index(triggers, "workload", func(t *Trigger) (store.Key, bool) {
	return store.KeyOf(t.Workload, t.Num), true
})

var triggersByEvent = store.Index(triggers, "event", func(t *Trigger) (store.Key, bool) {
	return store.KeyOf(t.Class, t.Signal, t.Num), true
})

// Check returns what is wrong with a trigger.
func (t *Trigger) Check() []atoll.Finding {
	var f findings
	for _, word := range []struct{ path, text string }{{"class", t.Class}, {"signal", t.Signal}} {
		if word.text == "" || len(word.text) > maxTitle || !utf8.ValidString(word.text) {
			f.add(word.path, "form", "a %s has from 1 to %d bytes", word.path, maxTitle)
		}
	}
	f.titles(t.Title, t.Text)
	return f
}

func noTrigger(op, id string) error {
	return &atoll.Error{Kind: atoll.NotFound, Op: op, Msg: "there is no such trigger", Subject: atoll.Subject{Type: "trigger", ID: id}}
}

// CreateTrigger adds a trigger to t.Workload. Kinds: Invalid with every finding;
// NotFound, Denied, Unavailable.
func (s *Service) CreateTrigger(ctx context.Context, t Trigger) (*Trigger, error) {
	const op = "workload.CreateTrigger"
	row := &Trigger{Workload: t.Workload, Title: t.Title, Text: t.Text, Class: t.Class, Signal: t.Signal}
	if f := row.Check(); len(f) > 0 {
		return nil, &atoll.Error{Kind: atoll.Invalid, Op: op, Msg: "the trigger is not valid", Findings: f}
	}
	err := s.beside(ctx, op, t.Workload, func(tx *store.Tx, w *Workload) error {
		num, err := tx.Next(w.Tenant, "trigger")
		if err != nil {
			return err
		}
		row.ID, row.Num = s.newID(), uint64(num)
		return triggers.Insert(tx, row)
	})
	if err != nil {
		return nil, err
	}
	return row, nil
}

// ChangeTrigger lets edit change a trigger. Kinds: as CreateTrigger, Reference
// for a workload that there is not, and what edit returned.
func (s *Service) ChangeTrigger(ctx context.Context, id string, edit func(*Trigger) error) (*Trigger, error) {
	const op = "workload.ChangeTrigger"
	was, ok := triggers.Get(s.st.View(), id)
	if !ok {
		return nil, noTrigger(op, id)
	}
	var row *Trigger
	err := s.beside(ctx, op, was.Workload, func(tx *store.Tx, w *Workload) error {
		now, ok := triggers.Get(tx, id)
		if !ok {
			return noTrigger(op, id)
		}
		t := *now
		if err := edit(&t); err != nil {
			return err
		}
		t.Meta, t.Num = now.Meta, now.Num
		if f := t.Check(); len(f) > 0 {
			return &atoll.Error{Kind: atoll.Invalid, Msg: "the trigger is not valid", Findings: f}
		}
		if t.Workload != now.Workload {
			if err := s.mayMove(tx, op, w, t.Workload); err != nil {
				return err
			}
		}
		row = &t
		return triggers.Put(tx, row)
	})
	return row, err
}

// DeleteTrigger takes a trigger away. Kinds: NotFound, Denied, Unavailable.
func (s *Service) DeleteTrigger(ctx context.Context, id string) error {
	const op = "workload.DeleteTrigger"
	was, ok := triggers.Get(s.st.View(), id)
	if !ok {
		return noTrigger(op, id)
	}
	return s.beside(ctx, op, was.Workload, func(tx *store.Tx, _ *Workload) error {
		found, err := triggers.Delete(tx, id)
		if err == nil && !found {
			return noTrigger(op, id)
		}
		return err
	})
}

// Trigger returns a trigger. Kinds: NotFound, Denied.
func (s *Service) Trigger(ctx context.Context, id string) (*Trigger, error) {
	const op = "workload.Trigger"
	v := s.st.View()
	t, ok := triggers.Get(v, id)
	if !ok {
		return nil, noTrigger(op, id)
	}
	w, ok := workloads.Get(v, t.Workload)
	if !ok {
		return nil, noTrigger(op, id)
	}
	if err := s.guard.Check(ctx, policy.Do(policy.Read, w.Address())); err != nil {
		return nil, atoll.Wrap(op, err)
	}
	return t, nil
}

// Triggers yields the triggers of a workload in order of their number; of one
// that the caller may not read there are none.
func (s *Service) Triggers(ctx context.Context, workload string) iter.Seq[*Trigger] {
	return func(yield func(*Trigger) bool) {
		v := s.st.View()
		w, ok := workloads.Get(v, workload)
		if !ok || !s.guard.Allowed(ctx, policy.Do(policy.Read, w.Address())) {
			return
		}
		for t := range triggersByWorkload.All(v, store.KeyOf(workload)) {
			if !yield(t) {
				return
			}
		}
	}
}

// Event is something that happened to a thing of a tenant.
type Event struct {
	Tenant, Class, Signal string
	Args                  json.RawMessage // what the runs get
	Depth                 int             // causes before this one, see MaxDepth
}

// Fire lets every workload of the tenant run once that has a trigger for the
// event, and returns the runs as they were recorded, those that are blocked too.
// It asks nobody: whether the event happened was somebody's right already. The
// errors of those that cannot run are joined; the others run. Kinds: as RunOnce.
func (s *Service) Fire(ctx context.Context, e Event) ([]*Instance, error) {
	if err := s.ready("workload.Fire"); err != nil {
		return nil, err
	}
	ctx = policy.WithPrincipal(ctx, component)
	v := s.st.View()
	var runs []*Instance
	var errs []error
	for t := range triggersByEvent.All(v, store.KeyOf(e.Class, e.Signal)) {
		if w, ok := workloads.Get(v, t.Workload); !ok || w.Tenant != e.Tenant {
			continue
		}
		i, err := s.RunOnce(ctx, t.Workload, Single{Args: e.Args, Cause: Cause{Kind: CauseTrigger, ID: t.ID, Depth: e.Depth}})
		if err != nil {
			errs = append(errs, err)
			continue
		}
		runs = append(runs, i)
	}
	return runs, errors.Join(errs...)
}
