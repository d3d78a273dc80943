package runtime

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// stateVersion is that of the form of a saved state.
const stateVersion = 1

// savedRuntime is what the actors of a runtime have come to, as JSON.
type savedRuntime struct {
	Version int         `json:"version"`
	Actors  []savedName `json:"actors"`
	Copies  []savedCopy `json:"copies"`
}

// savedName says which actor the state of that place is of.
type savedName struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

type savedCopy struct {
	Actors []savedActor `json:"actors"` // as in savedRuntime
	Events []savedEvent `json:"events,omitempty"`
}

// savedEvent is an event that waits: for an actor, or to go on from a source.
type savedEvent struct {
	To    string          `json:"to,omitempty"`
	From  string          `json:"from,omitempty"`
	Event json.RawMessage `json:"event"`
}

type savedActor struct {
	savedNode
	Children []savedChild `json:"children,omitempty"` // of a group, or copies
	Made     int          `json:"made,omitempty"`     // children, ever
	Turn     int          `json:"turn,omitempty"`     // of copies
}

type savedChild struct {
	Key    string `json:"key"`
	Number int    `json:"number"`
	savedNode
}

type savedNode struct {
	Messages   uint64            `json:"messages,omitempty"`
	Exceptions uint64            `json:"exceptions,omitempty"`
	Shunts     uint64            `json:"shunts,omitempty"`
	Counters   map[string]uint64 `json:"counters,omitempty"`
	State      json.RawMessage   `json:"state,omitempty"`
	Timers     []time.Duration   `json:"timers,omitempty"` // what is left of each
	Gone       bool              `json:"gone,omitempty"`
}

// save returns what the copies have come to. Their sources must not run. Mail
// waits meanwhile, and is part of it; asynchronous work and what copies hand to
// each other is waited for. It fails with the error of ctx, with Failed if an
// actor cannot save its state, and with Unavailable if the runtime ends.
func (s *spawned) save(ctx context.Context) ([]byte, error) {
	out := savedRuntime{Version: stateVersion, Actors: s.names()}
	for _, i := range s.copies {
		if !i.hold(true) {
			return nil, atoll.Errorf(atoll.Unavailable, "", "the runtime is closed")
		}
		defer i.hold(false)
	}
	if err := quiesce(ctx, s.copies, s.ring, 0, false); err != nil {
		return nil, err
	}
	for _, i := range s.copies {
		c, err := i.save(ctx)
		if err != nil {
			return nil, err
		}
		out.Copies = append(out.Copies, *c)
	}
	return json.Marshal(&out)
}

func (s *spawned) names() []savedName {
	names := make([]savedName, len(s.checked.Actors))
	for at := range s.checked.Actors {
		a := &s.checked.Actors[at]
		names[at].Name = a.Def.Name
		if a.Type != nil {
			names[at].Type = a.Type.Name
		}
	}
	return names
}

// save saves an instance that is held, once nothing goes on in it.
func (i *Instance) save(ctx context.Context) (*savedCopy, error) {
	for {
		if err := quiesce(ctx, []*Instance{i}, nil, 0, false); err != nil {
			return nil, err
		}
		if i.seize() {
			c, slots, err := i.saveHere()
			i.release()
			if c != nil || err != nil {
				return c.with(slots, err)
			}
			continue
		}
		i.mu.Lock()
		closed := i.state == stateClosed
		i.mu.Unlock()
		if closed {
			return nil, atoll.Errorf(atoll.Unavailable, "", "the runtime is closed")
		}
	}
}

// saveHere saves what the token is held for, and returns the mail; nil if
// something still goes on.
func (i *Instance) saveHere() (*savedCopy, []slot, error) {
	i.mu.Lock()
	if !i.atRest(0, false) {
		i.mu.Unlock()
		return nil, nil, nil
	}
	var slots []slot
	if b := i.box; b != nil {
		slots = append(append(slots, b.out[b.pos:]...), b.in...)
	}
	i.mu.Unlock()
	c := &savedCopy{Actors: make([]savedActor, len(i.nodes()))}
	for at := range i.nodes() {
		if err := i.nodes()[at].save(&c.Actors[at]); err != nil {
			return nil, nil, err
		}
	}
	return c, slots, nil
}

// with adds the mail. Questions are not part of it: who asked is not there any
// more when the state is restored.
func (c *savedCopy) with(slots []slot, err error) (*savedCopy, error) {
	if err != nil {
		return nil, err
	}
	for _, s := range slots {
		var e savedEvent
		if s.n.flags&flagSlot == 0 {
			e.To = s.n.spec.name
		} else if src, ok := s.n.act.(*source); ok {
			e.From = src.n.spec.name
		} else {
			continue
		}
		e.Event = s.e.AppendJSON(nil)
		c.Events = append(c.Events, e)
	}
	return c, nil
}

func (n *node) save(a *savedActor) error {
	if err := n.saveNode(&a.savedNode); err != nil {
		return err
	}
	x := n.ext.Load()
	if x == nil || x.group == nil {
		return nil
	}
	a.Made, a.Turn = x.group.made, x.group.turn
	for _, c := range x.group.inOrder() {
		s := savedChild{Key: c.key, Number: c.number}
		if err := c.saveNode(&s.savedNode); err != nil {
			return err
		}
		a.Children = append(a.Children, s)
	}
	return nil
}

func (n *node) saveNode(s *savedNode) (err error) {
	s.Messages, s.Exceptions, s.Gone = n.messages, n.exceptions, n.flags&flagGone != 0
	if x := n.ext.Load(); x != nil {
		s.Shunts, s.Counters = x.shunts, x.counters
		s.Timers = n.inst.tenant.eng.clock.left(x.timers)
	}
	saver, ok := n.act.(actor.Saver)
	if !ok || s.Gone {
		return nil
	}
	defer func() {
		if r := recover(); r != nil {
			err = n.inst.panicError(n.spec, r)
		}
	}()
	s.State, err = saver.SaveState()
	if err == nil && !json.Valid(s.State) {
		err = fmt.Errorf("its state is not JSON")
	}
	if err != nil {
		return &atoll.Error{Kind: atoll.Failed, Msg: fmt.Sprintf("actor %q could not save its state: %s", n.spec.name, failureText(err)), Subject: n.subject(), Err: err}
	}
	return nil
}

// left returns what is left of timers; one that has gone off for good has
// nothing left.
func (c *clock) left(ts []*timer) []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []time.Duration
	for _, t := range ts {
		left := time.Duration(0)
		if t.place >= 0 && t.place < len(c.heap) && c.heap[t.place] == t {
			left = max(time.Until(t.due), 0)
		}
		all = append(all, left)
	}
	return all
}
