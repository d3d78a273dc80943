package workload

import (
	"context"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// Bounds of tasks.
const (
	taskKept      = 24 * time.Hour
	tasksKept     = 1000
	eventsPerTask = 10_000
)

// Doing is a task under way, in the hands of who does it. Safe for concurrent use.
type Doing struct {
	s  *Service
	id string

	mu   sync.Mutex
	over bool
}

// ID returns the id of the task.
func (d *Doing) ID() string { return d.id }

// Begin records that a long operation of the given kind on a thing has begun. Its
// doer says how it goes, and has to call Complete or Fail. Unavailable.
func (s *Service) Begin(ctx context.Context, kind, fqn string) (*Doing, error) {
	const op = "workload.Begin"
	if err := s.ready(op); err != nil {
		return nil, err
	}
	d := &Doing{s: s, id: s.newID()}
	_, err := s.st.Update(ctx, func(tx *store.Tx) error {
		if err := forgetTasks(tx); err != nil {
			return err
		}
		t := &Task{ID: d.id, Kind: kind, FQN: fqn, By: policy.ActorName(ctx), Started: tx.Now(), Events: 1}
		if err := tasks.Insert(tx, t); err != nil {
			return err
		}
		return taskEvents.Insert(tx, &TaskEvent{ID: s.newID(), Task: d.id, Time: tx.Now(), Type: EventStarted, Payload: map[string]string{"message": "started"}})
	})
	if err != nil {
		return nil, atoll.Wrap(op, err)
	}
	return d, nil
}

// forgetTasks drops tasks that are over for long, and the oldest of too many.
func forgetTasks(tx *store.Tx) error {
	over := tasks.Count(tx) - tasksKept
	var ids []string
	for t := range tasksByEnd.All(tx, store.Key{}) {
		if over--; over < 0 && tx.Now().Sub(t.Completed) < taskKept {
			break
		}
		ids = append(ids, t.ID)
	}
	for _, id := range ids {
		if _, err := tasks.Delete(tx, id); err != nil {
			return err
		}
	}
	return nil
}

// Say records a step. Type, time, id and task of e are filled in where they are
// empty; beyond 10,000 events of one task only its end is recorded. Once the
// task is over it is FailedState.
func (d *Doing) Say(ctx context.Context, e TaskEvent) error {
	if e.Type == EventStarted {
		e.Type = EventProgress
	}
	return d.event(ctx, e)
}

// Complete ends the task well.
func (d *Doing) Complete(ctx context.Context, message string) error {
	return d.event(ctx, TaskEvent{Type: EventComplete, Payload: map[string]string{"message": message}})
}

// Fail ends the task with what went wrong.
func (d *Doing) Fail(ctx context.Context, cause error) error {
	text := "failed"
	if cause != nil {
		text = cause.Error()
	}
	return d.event(ctx, TaskEvent{Type: EventError, Payload: map[string]string{"message": text, "error": text}})
}

func (d *Doing) event(ctx context.Context, e TaskEvent) error {
	const op = "workload.Task"
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over {
		return atoll.Errorf(atoll.FailedState, op, "the task is over")
	}
	_, err := d.s.st.Update(ctx, func(tx *store.Tx) error { return d.s.tell(tx, d.id, e) })
	if err == nil && e.Type >= EventError {
		d.over = true
	}
	return atoll.Wrap(op, err)
}

// tell adds an event to a task.
func (s *Service) tell(tx *store.Tx, id string, e TaskEvent) error {
	t, ok := tasks.Get(tx, id)
	if !ok {
		return atoll.Errorf(atoll.NotFound, "", "the task is not kept any more")
	}
	if t.State != TaskRunning {
		return atoll.Errorf(atoll.FailedState, "", "the task is over")
	}
	end := e.Type >= EventError
	if t.Events >= eventsPerTask && !end {
		return nil
	}
	c := *t
	c.Events++
	e.ID, e.Task, e.Time = s.newID(), id, tx.Now()
	for last := range eventsByTime.Descend(tx, store.KeyOf(id)) {
		if !e.Time.After(last.Time) {
			e.Time = last.Time.Add(1)
		}
		break
	}
	e.Payload = maps.Clone(e.Payload)
	if e.Payload == nil {
		e.Payload = map[string]string{}
	}
	if _, ok := e.Payload["message"]; !ok {
		e.Payload["message"] = e.Type.String()
	}
	if end {
		c.State, c.Completed = TaskComplete, tx.Now()
		if e.Type == EventError {
			c.State = TaskErrored
		}
	}
	if err := tasks.Put(tx, &c); err != nil {
		return err
	}
	return taskEvents.Insert(tx, &e)
}

// failTasks ends the tasks whose doer is gone.
func (s *Service) failTasks(ctx context.Context) error {
	_, err := s.st.Update(ctx, func(tx *store.Tx) error {
		for _, t := range slices.Collect(tasks.All(tx)) {
			if t.State != TaskRunning {
				continue
			}
			err := s.tell(tx, t.ID, TaskEvent{Type: EventError, Payload: map[string]string{"message": "platform restarted", "error": "platform restarted"}})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

// mayFollow finds a task and asks whether the caller may read it: who may read
// what it works on, and who began it.
func (s *Service) mayFollow(ctx context.Context, op, id string) (*Task, *store.View, error) {
	v := s.st.View()
	t, ok := tasks.Get(v, id)
	if !ok {
		return nil, nil, &atoll.Error{Kind: atoll.NotFound, Op: op, Msg: "there is no such task", Subject: atoll.Subject{Type: "task", ID: id}}
	}
	if p := policy.PrincipalFrom(ctx); p != nil && p.Name != t.By {
		f, err := policy.ParseFQN(t.FQN)
		if err != nil {
			f = policy.FQN{Type: "cluster", Namespace: "/"}
		}
		if err := s.guard.Check(ctx, policy.Do(policy.Read, f)); err != nil {
			return nil, nil, atoll.Wrap(op, err)
		}
	}
	return t, v, nil
}

// Task returns a task and its events later than after. Kinds: NotFound, Denied.
func (s *Service) Task(ctx context.Context, id string, after time.Time) (*Task, []*TaskEvent, error) {
	t, v, err := s.mayFollow(ctx, "workload.Task", id)
	if err != nil {
		return nil, nil, err
	}
	return t, slices.Collect(eventsAfter(v, id, after)), nil
}

func eventsAfter(r store.Reader, id string, after time.Time) iter.Seq[*TaskEvent] {
	if after.IsZero() {
		return eventsByTime.All(r, store.KeyOf(id))
	}
	return func(yield func(*TaskEvent) bool) {
		for e := range eventsByTime.Range(r, store.KeyOf(id, after), store.Key{}) {
			if e.Task != id {
				return
			}
			if e.Time.After(after) && !yield(e) {
				return
			}
		}
	}
}

// FollowTask calls fn with each event of a task later than after, as they
// happen, and returns after the last one. Readers are independent and miss
// nothing. Kinds: NotFound, also if the task is forgotten meanwhile; Denied;
// Canceled, Timeout; Unavailable; what fn returned.
func (s *Service) FollowTask(ctx context.Context, id string, after time.Time, fn func(*TaskEvent) error) error {
	const op = "workload.FollowTask"
	for {
		t, v, err := s.mayFollow(ctx, op, id)
		if err != nil {
			return err
		}
		for e := range eventsAfter(v, id, after) {
			after = e.Time
			if err := fn(e); err != nil {
				return err
			}
		}
		if t.State != TaskRunning {
			return nil
		}
		_, err = s.st.Watch(ctx, v.Index(), func(c *store.Commit) bool {
			for k := range c.Changes {
				if r, ok := c.Changes[k].After.(*TaskEvent); ok && r.Task == id {
					return true
				}
				if c.Changes[k].Table == tasks.Name() && c.Changes[k].Key == id {
					return true
				}
			}
			return false
		}).Next(ctx)
		if _, lost := err.(*store.LostError); err != nil && !lost {
			return atoll.Wrap(op, err)
		}
	}
}
