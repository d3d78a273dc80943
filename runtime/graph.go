package runtime

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// plan is a Checked definition compiled for driving; its instances share it.
type plan struct {
	checked *Checked
	specs   []spec
	index   map[string]int // places by name, of plans too large to search
	uses    int            // guarded by Engine.mu
}

// spec is what the instances of one actor of a plan share.
type spec struct {
	at    int
	name  string
	by    []actor.Key
	outs  []int32 // places of the linked actors, in the order of the links
	flags flag
	def   *CheckedActor
	to    uint32 // of one that has one link and no more to do with what it emits: its place, plus one
}

// flag marks the nodes that need more than a call of Trigger.
type flag uint16

const (
	flagGroup    flag = 1 << iota // children by group key
	flagCopies                    // children in turn
	flagAsync                     // Perform on other goroutines
	flagLogIn                     // incoming events go to the event log
	flagGone                      // removed by its timeout
	flagSlot                      // no actor but the wrapper of a slot
	flagShared                    // a group whose keys are spread over the copies of the runtime
	flagLogOut                    // outgoing events go to the event log
	flagChild                     // of a group or copies
	flagOversees = flagGroup | flagCopies
)

func newPlan(c *Checked) *plan {
	p := &plan{checked: c, specs: make([]spec, len(c.Actors))}
	for at := range c.Actors {
		a := &c.Actors[at]
		s := &p.specs[at]
		s.at, s.name, s.def = at, a.Def.Name, a
		for _, name := range a.GroupBy {
			s.by = append(s.by, actor.KeyOf(name))
		}
		switch {
		case len(a.GroupBy) > 0:
			s.flags |= flagGroup
		case a.Def.Copies > 1:
			s.flags |= flagCopies
		}
		if a.Def.Log != nil && a.Def.Log.Incoming {
			s.flags |= flagLogIn
		}
		if a.Def.Log != nil && a.Def.Log.Outgoing {
			s.flags |= flagLogOut
		}
	}
	for _, l := range c.Links {
		p.specs[l[0]].outs = append(p.specs[l[0]].outs, int32(l[1]))
	}
	for at := range p.specs {
		if s := &p.specs[at]; len(s.outs) == 1 && s.flags == 0 {
			s.to = uint32(s.outs[0]) + 1
		}
	}
	if len(p.specs) > 8 {
		p.index = make(map[string]int, len(p.specs))
		for at := range p.specs {
			p.index[p.specs[at].name] = at
		}
	}
	return p
}

// find returns the place of the actor of that name, -1 if there is none.
func (p *plan) find(name string) int {
	if p.index != nil {
		if at, ok := p.index[name]; ok {
			return at
		}
		return -1
	}
	for at := range p.specs {
		if p.specs[at].name == name {
			return at
		}
	}
	return -1
}

// env reports whether instances must remember an environment: it is not the
// engine's, and there are children to make later.
func (p *plan) env(own, engines *actor.Env) bool {
	if own == engines {
		return false
	}
	for at := range p.specs {
		if p.specs[at].flags&flagGroup != 0 {
			return true
		}
	}
	return false
}

// node is one actor of an instance, or one child of a group. Whoever holds the
// instance's token may touch it, nobody else.
type node struct {
	act        actor.Actor // nil for a group, which has children only
	inst       *Instance
	spec       *spec
	messages   uint64
	exceptions uint64
	ext        atomic.Pointer[extension]
	to         uint32 // spec.to, where each event finds it
	flags      flag
	busy       bool  // its Trigger is on the stack below
	proven     uint8 // quick answers to asks; guarded by Instance.mu
}

// home returns the node that stands for the actor: a child's group.
func (n *node) home() *node {
	if n.flags&flagChild == 0 {
		return n
	}
	return &n.inst.nodes()[n.spec.at]
}

// make makes the actor, or the group's or copies' frame.
func (n *node) make(i *Instance, s *spec, env *actor.Env) error {
	n.inst, n.spec, n.flags, n.to = i, s, s.flags, s.to
	if s.flags&flagGroup != 0 {
		n.extend().group = &group{byKey: make(map[string]*child)}
		return nil
	}
	if s.flags&flagCopies != 0 {
		g := &group{byKey: make(map[string]*child)}
		n.extend().group = g
		for k := range s.def.Def.Copies {
			if _, err := g.add(n, fmt.Sprint(k+1), env); err != nil {
				return err
			}
		}
		return nil
	}
	return n.makeActor(env)
}

func (n *node) makeActor(env *actor.Env) (err error) {
	n.act, err = safeMake(n.inst, n.spec, env)
	if err != nil {
		return err
	}
	if a, ok := n.act.(actor.Async); ok {
		n.flags |= flagAsync
		n.extend().stage = newStage(n, a)
	}
	return nil
}

func safeMake(i *Instance, s *spec, env *actor.Env) (a actor.Actor, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = i.panicError(s, r)
		}
	}()
	a, err = s.def.Make(env)
	if err == nil && a == nil {
		err = atoll.Errorf(atoll.Failed, "", "its maker returned nothing")
	}
	return a, err
}

// panicError reports a panic of an actor and makes it an error.
func (i *Instance) panicError(s *spec, reason any) error {
	i.tenant.eng.panicked(i, s.name, reason, debug.Stack())
	return atoll.Errorf(atoll.Failed, "", "actor %q panicked", s.name)
}

// failureText is what may be shown of an error of an actor.
func failureText(err error) string {
	if e, ok := errors.AsType[*atoll.Error](err); ok && e.Msg != "" {
		return e.Msg
	}
	return err.Error()
}

// actorError makes the outcome of an actor's failure for whoever asked.
func (n *node) actorError(err error) error {
	const op = "runtime.Shunt"
	if errors.Is(err, atoll.Unprocessable) {
		return &atoll.Error{Kind: atoll.Unprocessable, Op: op, Msg: failureText(err), Subject: n.subject(), Err: err}
	}
	if errors.Is(err, atoll.Timeout) {
		return &atoll.Error{Kind: atoll.Timeout, Op: op, Msg: failureText(err), Subject: n.subject(), Err: err}
	}
	return &atoll.Error{Kind: atoll.Failed, Op: op, Msg: failureText(err), Subject: n.subject(), Err: err}
}

func (n *node) subject() atoll.Subject { return atoll.Subject{Type: "actor", ID: n.spec.name} }

// fail counts an exception.
func (n *node) fail() {
	n.exceptions++
	if h := n.home(); h != n {
		h.exceptions++
	}
}

// extension is what few nodes have.
type extension struct {
	group    *group
	stage    *stage
	timers   []*timer
	left     []time.Duration // of the timers of a state that was restored, before they start
	shunts   uint64
	counters map[string]uint64
	outlets  atomic.Pointer[[]*Subscription]
}

// extend returns the node's extension, made when first needed.
func (n *node) extend() *extension {
	if x := n.ext.Load(); x != nil {
		return x
	}
	n.ext.CompareAndSwap(nil, new(extension))
	return n.ext.Load()
}
