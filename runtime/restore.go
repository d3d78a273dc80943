package runtime

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// load puts a saved state into copies that are not opened. If it fails they are
// of no use any more. Kinds: Invalid: it is not the state of such a runtime, or an
// actor refuses it; Failed: a child could not be made; Quota; Overloaded: the
// mailbox does not take the events.
func (s *spawned) load(data []byte) error {
	var in savedRuntime
	if err := json.Unmarshal(data, &in); err != nil {
		return &atoll.Error{Kind: atoll.Invalid, Msg: "the state cannot be read", Err: err}
	}
	switch {
	case in.Version != stateVersion:
		return atoll.Errorf(atoll.Invalid, "", "a state of version %d cannot be read", in.Version)
	case !slices.Equal(in.Actors, s.names()):
		return atoll.Errorf(atoll.Invalid, "", "the state is of a runtime with other actors")
	case len(in.Copies) != len(s.copies):
		return atoll.Errorf(atoll.Invalid, "", "the state is of a runtime in %d copies, not %d", len(in.Copies), len(s.copies))
	}
	for k, i := range s.copies {
		if len(in.Copies[k].Actors) != len(i.nodes()) {
			return atoll.Errorf(atoll.Invalid, "", "the state lacks actors")
		}
		if err := i.load(&in.Copies[k]); err != nil {
			return err
		}
		if s.carried == nil {
			s.carried = make(map[*Instance]uint64, len(s.copies))
		}
		s.carried[i] = i.messages()
	}
	return nil
}

func (i *Instance) load(c *savedCopy) error {
	for at := range i.nodes() {
		if err := i.nodes()[at].load(&c.Actors[at]); err != nil {
			return err
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, s := range c.Events {
		e, err := actor.Parse(s.Event)
		if err != nil {
			return &atoll.Error{Kind: atoll.Invalid, Msg: "an event of the state cannot be read", Err: err}
		}
		n, err := i.slotOf(s)
		if err != nil {
			return err
		}
		if !i.put(e, n, sizeOf(e)) {
			return atoll.Errorf(atoll.Overloaded, "", "the mailbox does not take the events of the state")
		}
	}
	return nil
}

// slotOf returns what the slot of a saved event names; i.mu is held.
func (i *Instance) slotOf(s savedEvent) (*node, error) {
	name := s.To + s.From
	at := i.plan.find(name)
	if at < 0 || s.To != "" && s.From != "" {
		return nil, atoll.Errorf(atoll.Invalid, "", "the state has an event for no actor: %q", short(name))
	}
	n := &i.nodes()[at]
	if s.From == "" {
		return n, nil
	}
	act, ok := n.act.(actor.Source)
	if !ok {
		return nil, atoll.Errorf(atoll.Invalid, "", "the state has an event from %q, which is no source", short(name))
	}
	return &i.more().source(n, act).wrap, nil
}

func (n *node) load(a *savedActor) error {
	if err := n.loadNode(&a.savedNode); err != nil {
		return err
	}
	if n.flags&flagOversees == 0 {
		if len(a.Children) > 0 {
			return atoll.Errorf(atoll.Invalid, "", "the state has children of actor %q, which has no group", n.spec.name)
		}
		return nil
	}
	g := n.ext.Load().group
	if n.flags&flagCopies != 0 {
		if len(a.Children) != len(g.copies) || a.Turn < 0 || a.Turn >= len(g.copies) {
			return atoll.Errorf(atoll.Invalid, "", "the state is of other copies of actor %q", n.spec.name)
		}
		g.turn = a.Turn
		for k := range a.Children {
			if err := g.copies[k].loadNode(&a.Children[k].savedNode); err != nil {
				return err
			}
		}
		return nil
	}
	return n.loadGroup(g, a)
}

func (n *node) loadGroup(g *group, a *savedActor) error {
	eng := n.inst.tenant.eng
	n.inst.mu.Lock()
	x := n.inst.more()
	n.inst.mu.Unlock()
	env := eng.o.Env
	if x.env != nil {
		env = x.env
	}
	for k := range a.Children {
		s := &a.Children[k]
		if _, twice := g.byKey[s.Key]; twice || len(s.Key) > maxGroupKey || s.Number <= g.made || s.Number > maxMade {
			return atoll.Errorf(atoll.Invalid, "", "the state has a child of actor %q that cannot be: %q", n.spec.name, short(s.Key))
		}
		if x.kids >= eng.o.Children() {
			return atoll.Errorf(atoll.Quota, "", "the state has more than %d group children", eng.o.Children())
		}
		g.made = s.Number - 1
		c, err := g.add(n, s.Key, env)
		if err != nil {
			return &atoll.Error{Kind: atoll.Failed, Msg: fmt.Sprintf("a child of actor %q could not be made: %s", n.spec.name, failureText(err)), Err: err}
		}
		x.kids++
		if err := c.loadNode(&s.savedNode); err != nil {
			return err
		}
		n.inst.startTimers(&c.node, c)
	}
	g.made = min(max(g.made, a.Made), maxMade)
	return nil
}

// maxMade is more children than a group ever makes.
const maxMade = 1 << 52

func (n *node) loadNode(s *savedNode) (err error) {
	n.messages, n.exceptions = s.Messages, s.Exceptions
	if s.Shunts > 0 || len(s.Counters) > 0 || len(s.Timers) > 0 {
		x := n.extend()
		x.shunts, x.left = s.Shunts, s.Timers
		for name := range s.Counters {
			if len(x.counters) == maxCounters {
				break
			}
			if x.counters == nil {
				x.counters = make(map[string]uint64)
			}
			x.counters[name] = s.Counters[name]
		}
	}
	if s.Gone {
		n.letGo()
		n.closeActor()
		n.flags |= flagGone
		return nil
	}
	if len(s.State) == 0 {
		return nil
	}
	saver, ok := n.act.(actor.Saver)
	if !ok {
		return atoll.Errorf(atoll.Invalid, "", "actor %q takes no state", n.spec.name)
	}
	defer func() {
		if r := recover(); r != nil {
			err = n.inst.panicError(n.spec, r)
		}
	}()
	if err := saver.RestoreState(s.State); err != nil {
		return &atoll.Error{Kind: atoll.Invalid, Msg: fmt.Sprintf("actor %q refuses the state: %s", n.spec.name, failureText(err)), Subject: n.subject(), Err: err}
	}
	return nil
}
