package runtime

import (
	"maps"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// Stats counts what a runtime or an actor has done since it was made.
type Stats struct {
	Name       string                       // of the actor; "" for a runtime
	Actors     int                          // in the definition
	Messages   uint64                       // events handled, shunts aside
	Exceptions uint64                       // events not processed or failed, shunts included
	Counters   map[string]map[string]uint64 // by actor, then by name; "total" sums over the actors
	Children   int                          // group children alive
}

// Add adds the counts of another runtime to s. Counters of one actor and name
// add up.
func (s *Stats) Add(o Stats) {
	s.Actors += o.Actors
	s.Messages += o.Messages
	s.Exceptions += o.Exceptions
	s.Children += o.Children
	for name, cs := range o.Counters {
		for c, n := range cs {
			s.raise(name, c, n)
		}
	}
}

// NewStats returns Stats of nothing.
func NewStats() Stats { return Stats{Counters: map[string]map[string]uint64{"total": {}}} }

func (s *Stats) raise(name, counter string, n uint64) {
	if n == 0 {
		return
	}
	if s.Counters == nil {
		s.Counters = map[string]map[string]uint64{"total": {}}
	}
	if s.Counters[name] == nil {
		s.Counters[name] = make(map[string]uint64)
	}
	s.Counters[name][counter] += n
}

// count adds what a node did under the name of its actor.
func (s *Stats) count(n *node) {
	s.Actors++
	s.Messages += n.messages
	s.Exceptions += n.exceptions
	x := n.ext.Load()
	if x == nil {
		return
	}
	if x.group != nil && n.flags&flagGroup != 0 {
		s.Children += len(x.group.byKey)
	}
	for _, to := range []string{n.spec.name, "total"} {
		s.raise(to, "shunt", x.shunts)
		for c, k := range x.counters {
			s.raise(to, c, k)
		}
	}
}

// statsPatience is how long Stats waits for a busy runtime to be between two
// events before it answers with what it knew last.
const statsPatience = 50 * time.Millisecond

// Stats returns the counts of the runtime. While an actor does not return they
// are those of the last time that they could be read.
func (i *Instance) Stats() Stats {
	read := func() Stats {
		s := NewStats()
		for at := range i.nodes() {
			s.count(&i.nodes()[at])
		}
		return s
	}
	i.mu.Lock()
	if i.state != stateRunning {
		defer i.mu.Unlock()
		return read()
	}
	i.mu.Unlock()
	got := make(chan Stats, 1)
	err := i.do("runtime.Stats", 0, statsPatience, func(*frame) {
		s := read()
		i.mu.Lock()
		i.more().last = s
		i.mu.Unlock()
		got <- s
	})
	if err == nil {
		return <-got
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.state != stateRunning {
		return read()
	}
	s := NewStats()
	s.Add(i.more().last)
	s.Actors = len(i.nodes())
	return s
}

// pickBy returns the node of an actor, or with by its child of that key; the
// token is held.
func (n *node) pickBy(op, by string) (*node, error) {
	if by == "" {
		return n, nil
	}
	if n.flags&flagOversees != 0 {
		if c, ok := n.ext.Load().group.byKey[by]; ok {
			return &c.node, nil
		}
	}
	return nil, &atoll.Error{Kind: atoll.NotFound, Op: op, Msg: "the actor has no group child of that key", Subject: atoll.Subject{Type: "group", ID: by}}
}

// inspect runs fn on an actor, or with by on its child of that key, between two
// events: behind the mail that is there, unless that takes long.
func inspect[T any](i *Instance, op, name, by string, fn func(*node) (T, error)) (T, error) {
	var zero T
	n, err := i.node(op, name)
	if err != nil {
		return zero, err
	}
	type answer struct {
		v   T
		err error
	}
	got := make(chan answer, 1)
	err = i.do(op, errandPatience, i.tenant.eng.o.CollectTimeout(), func(*frame) {
		at, err := n.pickBy(op, by)
		if err != nil {
			got <- answer{err: err}
			return
		}
		v, err := fn(at)
		got <- answer{v, err}
	})
	if err != nil {
		return zero, err
	}
	a := <-got
	return a.v, a.err
}

// ActorStats returns the counts of an actor: of a grouped one those of all its
// children, or with by those of the child of that key. NotFound for an unknown
// actor or key, Timeout while an actor does not return.
func (i *Instance) ActorStats(name, by string) (Stats, error) {
	return inspect(i, "runtime.ActorStats", name, by, func(n *node) (Stats, error) {
		s := NewStats()
		s.count(n)
		s.Name = name
		for k := range s.Counters {
			s.Counters[k] = maps.Clone(s.Counters[k])
		}
		return s, nil
	})
}

// State returns the state of an actor as an object, or with by that of its group
// child of that key. An actor without state has an empty one. Kinds: NotFound,
// Timeout while an actor does not return, Failed if State panics.
func (i *Instance) State(name, by string) (actor.Value, error) {
	return inspect(i, "runtime.State", name, by, func(n *node) (actor.Value, error) {
		v, err := n.states()
		return v, atoll.Wrap("runtime.State", err)
	})
}

// Children returns the keys of an actor's group children in the order in which
// they were made; nil for an actor without a group, for an unknown one, and
// while an actor does not return.
func (i *Instance) Children(name string) []string {
	keys, err := inspect(i, "runtime.Children", name, "", func(n *node) ([]string, error) {
		if n.flags&flagGroup == 0 {
			return nil, nil
		}
		var keys []string
		for _, c := range n.ext.Load().group.inOrder() {
			keys = append(keys, c.key)
		}
		return keys, nil
	})
	if err != nil {
		return nil
	}
	return keys
}
