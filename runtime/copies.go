package runtime

import (
	"context"
	"errors"
	"slices"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// spawned is a runtime in the engine: its copies, which are one unless the
// definition asks for more, and what they were made from.
type spawned struct {
	copies  []*Instance
	ring    *ring // of more than one
	checked *Checked
	text    string               // of the definition
	carried map[*Instance]uint64 // messages that a state which was restored had counted
}

// spawnCopies makes the instances of a runtime, which take no events before they
// are opened. Either all are made or none.
func (e *Engine) spawnCopies(c *Checked, o SpawnOptions, text string) (*spawned, error) {
	s := &spawned{checked: c, text: text}
	n := c.Def.Distribution.copies()
	for range n {
		i, err := e.prepare(c, o)
		if err != nil {
			s.discard()
			return nil, err
		}
		s.copies = append(s.copies, i)
	}
	if n > 1 {
		s.ring = tie(s.copies)
	}
	return s, nil
}

// refuse makes posts and shunts fail with an error of that kind; 0 lets them in.
func (s *spawned) refuse(k atoll.Kind) {
	for _, i := range s.copies {
		i.Refuse(k)
	}
}

// open lets events in.
func (s *spawned) open() {
	for _, i := range s.copies {
		i.open()
	}
}

// discard undoes spawnCopies.
func (s *spawned) discard() {
	for _, i := range s.copies {
		i.discard(len(i.nodes()))
	}
}

// Close closes the copies.
func (s *spawned) Close(ctx context.Context) error { return closeAll(ctx, s.copies, s.ring) }

// StartSources starts the sources of all copies, and fails as that of one does.
func (s *spawned) StartSources() error {
	var errs []error
	for _, i := range s.copies {
		errs = append(errs, i.StartSources())
	}
	return errors.Join(errs...)
}

// StopSources stops the sources of all copies at the same time.
func (s *spawned) StopSources(ctx context.Context) error {
	for _, i := range s.copies {
		i.cancelSources()
	}
	var errs []error
	for _, i := range s.copies {
		errs = append(errs, i.StopSources(ctx))
	}
	return errors.Join(errs...)
}

// cancelSources tells the sources to end, without waiting for them.
func (i *Instance) cancelSources() {
	i.mu.Lock()
	x := i.ext.Load()
	if x == nil {
		i.mu.Unlock()
		return
	}
	sources := slices.Clone(x.sources)
	i.mu.Unlock()
	for _, s := range sources {
		s.cancelRun()
	}
}

// Stats sums what the copies have counted; k chooses one of them, 0 means all.
func (s *spawned) Stats(k int) Stats {
	if k > 0 {
		return s.copies[k-1].Stats()
	}
	sum := NewStats()
	for _, i := range s.copies {
		sum.Add(i.Stats())
	}
	return sum
}

// ActorStats sums what an actor has counted in the copies, where it is still
// one actor; k chooses a copy, 0 means all. A group child is in the copy that
// its key belongs to.
func (s *spawned) ActorStats(k int, name, by string) (Stats, error) {
	switch {
	case k > 0:
		return s.copies[k-1].ActorStats(name, by)
	case by != "":
		return s.holder(name, by).ActorStats(name, by)
	}
	sum := NewStats()
	for _, i := range s.copies {
		st, err := i.ActorStats(name, "")
		if err != nil {
			return Stats{}, err
		}
		sum.Add(st)
	}
	sum.Name, sum.Actors = name, 1
	return sum, nil
}

// holder returns the copy that has a child of an actor: that which the key of a
// group belongs to, else the first.
func (s *spawned) holder(name, by string) *Instance {
	at := s.checked.ActorIndex(name)
	if len(s.copies) == 1 || by == "" || at < 0 || len(s.checked.Actors[at].GroupBy) == 0 {
		return s.copies[0]
	}
	return s.copies[copyOf(by, len(s.copies))]
}

// State returns the state of an actor: of a child in the copy that its key
// belongs to; of a group, the children of all copies; else of the first copy.
func (s *spawned) State(name, by string) (actor.Value, error) {
	at := s.checked.ActorIndex(name)
	if by != "" || len(s.copies) == 1 || at < 0 || len(s.checked.Actors[at].GroupBy) == 0 {
		return s.holder(name, by).State(name, by)
	}
	var all []actor.Field
	for _, i := range s.copies {
		v, err := i.State(name, "")
		if err != nil {
			return actor.Value{}, err
		}
		for key := range v.Get("actors").Fields() {
			all = append(all, actor.Field{Name: key, Value: actor.Int(int64(len(all) + 1))})
		}
	}
	return actor.Object(actor.Field{Name: "actors", Value: actor.Object(all...)}), nil
}

// Children returns the keys of the children of a group, copy by copy.
func (s *spawned) Children(name string) []string {
	var keys []string
	for _, i := range s.copies {
		keys = append(keys, i.Children(name)...)
	}
	return keys
}

// Subscribe returns one Subscription to what the actor emits in all copies.
func (s *spawned) Subscribe(name string, buffer int) (*Subscription, error) {
	first, err := s.copies[0].Subscribe(name, buffer)
	if err != nil || len(s.copies) == 1 {
		return first, err
	}
	own := first.close
	first.close = func() {
		own()
		for _, i := range s.copies[1:] {
			if n, err := i.node("", name); err == nil {
				i.unsubscribe(n, first)
			}
		}
	}
	for _, i := range s.copies[1:] {
		if err := i.listen(name, first); err != nil {
			first.Close()
			return nil, err
		}
	}
	return first, nil
}

// router hands events of one actor to the copies of a runtime: those for a
// group by its key, others by the field that is named, or by their whole text.
type router struct {
	s     *spawned
	name  string
	ports []Port
	field func() string
}

func (s *spawned) router(name string, field func() string) (*router, error) {
	r := &router{s: s, name: name, ports: make([]Port, len(s.copies)), field: field}
	for k, i := range s.copies {
		var err error
		if r.ports[k], err = i.Port(name); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// of returns the index of the copy that an event belongs to.
func (r *router) of(e *actor.Event) int {
	n := len(r.ports)
	if n == 1 {
		return 0
	}
	if by := r.ports[0].n.spec.by; len(by) > 0 {
		if key, ok := groupKey(by, e); ok {
			return copyOf(key, n)
		}
	}
	if field := r.field(); field != "" {
		v := e.Field(field)
		if key, ok := v.Text(); ok {
			return copyOf(key, n)
		}
		if !v.IsMissing() {
			return copyOf(v.String(), n)
		}
	}
	return copyOf(e.String(), n)
}

// Post is Instance.Post on the copy that the event belongs to.
func (r *router) Post(ctx context.Context, e *actor.Event) error {
	return r.ports[r.of(e)].Post(ctx, e)
}

// TryPost is Instance.TryPost on the copy that the event belongs to.
func (r *router) TryPost(e *actor.Event) error { return r.ports[r.of(e)].TryPost(e) }

// Shunt is Instance.Shunt on the copy that the event belongs to.
func (r *router) Shunt(ctx context.Context, e *actor.Event) (*actor.Event, error) {
	return r.s.copies[r.of(e)].Shunt(ctx, r.name, e)
}

// PostBatch posts events in their order, runs of one copy together, and returns
// how many were queued: those before the first that was not.
func (r *router) PostBatch(ctx context.Context, es []*actor.Event, wait bool) (int, error) {
	done := 0
	for done < len(es) {
		k, end := 0, len(es)
		if len(r.ports) > 1 {
			k = r.of(es[done])
			for end = done + 1; end < len(es) && r.of(es[end]) == k; end++ {
			}
		}
		n, err := r.ports[k].n.inst.postBatch(ctx, es[done:end], r.ports[k].n, wait)
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// copyError refuses what is not done with one copy of a runtime.
func copyError(op, ref, whole string) error {
	return &atoll.Error{Kind: atoll.FailedState, Code: CopyCode, Op: op,
		Msg:     "one copy of a runtime only has statistics: use " + short(whole),
		Subject: atoll.Subject{Type: "runtime", ID: ref}}
}
