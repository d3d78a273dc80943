package runtime

import (
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// task is an event on its way to a node.
type task struct {
	n *node
	e *actor.Event
}

// frame drives events through the graph of an instance on behalf of whoever
// holds its token. It is the Context that actors see. An actor that calls Emit
// or Collect has the frame below it at work until that returns.
type frame struct {
	n     *node // whose call is going on
	tasks []task
	base  *frame // the outermost
	next  *frame
	depth int

	asked bool          // the result goes to an asker, not to the links
	taken []actor.Value // what was emitted meanwhile
	bytes int           // of taken
	work  int           // triggers run, for the account of the tenant; of the outermost those of all
}

const maxNested = 10_000 // frames: links form no cycle, but data collects may

// below returns the frame for what the actor of f causes within its call.
func (f *frame) below() *frame {
	if f.next == nil {
		f.next = &frame{base: f.base, depth: f.depth + 1}
		if f.base == nil {
			f.next.base = f
		}
	}
	return f.next
}

// deliver runs an event through n and all that follows from it.
func (f *frame) deliver(n *node, e *actor.Event) {
	f.drive(n, e)
	for len(f.tasks) > 0 { // an actor panicked: what waits behind it goes on
		t := f.pop()
		f.drive(t.n, t.e)
	}
}

func (f *frame) pop() task {
	last := len(f.tasks) - 1
	t := f.tasks[last]
	f.tasks[last] = task{}
	f.tasks = f.tasks[:last]
	return t
}

// drive runs an event through n and then works until no task is left or an
// actor panics.
func (f *frame) drive(n *node, e *actor.Event) {
	defer f.catch()
	f.run(n, e)
}

// run is drive without the barrier against panics.
func (f *frame) run(n *node, e *actor.Event) {
	nodes := n.inst.nodes()
	for {
		f.n = n
		f.work++
		var out *actor.Event
		var err error
		if n.flags == 0 {
			n.messages++
			out, err = n.act.Trigger(f, e)
		} else {
			n, out, err = n.special(f, e)
		}
		switch {
		case err != nil:
			n.fail()
		case out == nil:
		case n.to > 0 && n.ext.Load() == nil && out.Err() == nil:
			// By far the most common case: one link, and nobody who listens.
			n, e = &nodes[n.to-1], out
			continue
		default:
			if to := f.follow(n, out); to != nil {
				n, e = to, out
				continue
			}
		}
		if len(f.tasks) == 0 {
			f.n = nil
			return
		}
		t := f.pop()
		n, e = t.n, t.e
	}
}

// follow shows what n emits to who listens, returns the first node that it goes
// to, nil if there is none, and leaves the others for later.
func (f *frame) follow(n *node, e *actor.Event) *node {
	outs := n.spec.outs
	if !n.emitted(e) || len(outs) == 0 {
		return nil
	}
	nodes := n.inst.nodes()
	for k := len(outs) - 1; k > 0; k-- {
		f.tasks = append(f.tasks, task{&nodes[outs[k]], e})
	}
	return &nodes[outs[0]]
}

// catch is the barrier: it makes a panic the failure of the event in hand. What
// waits behind it in the graph goes on.
func (f *frame) catch() {
	if f.base != nil {
		f.base.work += f.work
		f.work = 0
	}
	if f.n == nil {
		return
	}
	reason := recover()
	if reason == nil {
		return // the goroutine is ending: its owner sees to the rest
	}
	n := f.n
	f.n = nil
	n.busy = false
	n.fail()
	_ = n.inst.panicError(n.spec, reason)
}

// special handles an event for a node with flags. It returns the node that
// handled it, too.
func (n *node) special(f *frame, e *actor.Event) (*node, *actor.Event, error) {
	if n.flags&flagGone != 0 {
		return n, nil, nil
	}
	if n.flags&flagShared != 0 {
		if in := n.other(e); in != nil {
			return n, nil, in.hand(n, e)
		}
	}
	if n.flags&flagLogIn != 0 {
		n.logged(e, false)
	}
	n.messages++
	if n.flags&flagOversees != 0 {
		c, err := n.pick(e)
		if err != nil || c == nil {
			return n, nil, err
		}
		n = &c.node
		f.n = n
		n.messages++
	}
	if n.flags&flagAsync != 0 {
		return n, nil, n.ext.Load().stage.take(e, nil)
	}
	out, err := n.act.Trigger(f, e)
	return n, out, err
}

// logged hands an event to the event log.
func (n *node) logged(e *actor.Event, outgoing bool) {
	if hook := n.inst.tenant.eng.o.EventLog; hook != nil {
		hook(LogEntry{Instance: n.inst.id, Actor: n.spec.name, Outgoing: outgoing, Event: e})
	}
}

// emitted shows an event that n emits to who listens. It returns false for one
// that could not be built, a failure of n.
func (n *node) emitted(e *actor.Event) bool {
	if e.Err() != nil {
		n.fail()
		return false
	}
	if n.flags&flagLogOut != 0 {
		n.logged(e, true)
	}
	if x := n.home().ext.Load(); x != nil {
		if subs := x.outlets.Load(); subs != nil {
			for _, s := range *subs {
				s.put(e)
			}
		}
	}
	return true
}

// pass sends what n emits to the linked actors.
func (f *frame) pass(n *node, e *actor.Event) {
	if !n.emitted(e) {
		return
	}
	for _, at := range n.spec.outs {
		f.deliver(&n.inst.nodes()[at], e)
	}
}

// Emit implements actor.Context.
func (f *frame) Emit(e *actor.Event) {
	n := f.n
	switch {
	case n == nil || e == nil:
	case f.asked:
		f.capture(e)
	default:
		if f.depth >= maxNested {
			n.fail()
			return
		}
		busy := n.busy
		n.busy = true
		f.below().pass(n, e)
		n.busy = busy
	}
}

// capture keeps what is emitted for an asker, up to what one event can hold.
func (f *frame) capture(e *actor.Event) {
	if f.bytes <= actor.MaxSize {
		f.taken = append(f.taken, e.Value())
		f.bytes += e.Size()
	}
}

// Count implements actor.Context.
func (f *frame) Count(name string) {
	if f.n == nil {
		return
	}
	f.n.count(name)
	if h := f.n.home(); h != f.n {
		h.count(name)
	}
}

const maxCounters = 1_000 // names of an actor

func (n *node) count(name string) {
	x := n.extend()
	if x.counters == nil {
		x.counters = make(map[string]uint64)
	}
	if _, ok := x.counters[name]; ok || len(x.counters) < maxCounters {
		x.counters[name]++
	}
}

// Now implements actor.Context.
func (f *frame) Now() time.Time {
	if f.n == nil {
		return time.Now()
	}
	return f.n.inst.tenant.eng.o.Now()
}

// ask runs n on an event and returns the result instead of emitting it.
func (f *frame) ask(n *node, e *actor.Event) (*actor.Event, error) {
	at := n
	x := n.extend()
	x.shunts++
	if n.flags&flagLogIn != 0 {
		n.logged(e, false)
	}
	if n.flags&flagOversees != 0 {
		c, err := n.pick(e)
		if err != nil {
			n.fail()
			return nil, n.actorError(err)
		}
		if c == nil {
			return nil, nil
		}
		at = &c.node
		at.extend().shunts++
	}
	out, err := f.answer(at, e)
	if err == nil && out != nil {
		err = out.Err()
	}
	if err != nil {
		at.fail()
		return nil, at.actorError(err)
	}
	return out, nil
}

// answer calls the actor of n, with a barrier against panics.
func (f *frame) answer(n *node, e *actor.Event) (out *actor.Event, err error) {
	asked, was := f.asked, f.n
	f.asked, f.n = true, n
	done := false
	defer func() {
		taken := f.taken
		f.asked, f.n, f.taken, f.bytes = asked, was, nil, 0
		if !done {
			if r := recover(); r != nil {
				n.busy = false
				out, err = nil, n.inst.panicError(n.spec, r)
				return
			}
		}
		if err == nil && len(taken) > 0 {
			if out != nil {
				taken = append(taken, out.Value())
			}
			out = actor.NewEvent(actor.Field{Name: "data", Value: actor.Array(taken...)})
		}
	}()
	if n.flags&flagAsync != 0 {
		out, err = n.inst.performNow(n, e)
	} else {
		out, err = n.act.Trigger(f, e)
	}
	done = true
	return out, err
}

// Collect implements actor.Context.
func (f *frame) Collect(alias string) (actor.Value, error) { return f.collect(alias, "", false) }

// CollectBy implements actor.Context.
func (f *frame) CollectBy(alias, key string) (actor.Value, error) { return f.collect(alias, key, true) }

func collectError(format string, args ...any) error {
	return atoll.Errorf(atoll.Failed, "", format, args...)
}

func (f *frame) collect(alias, key string, by bool) (actor.Value, error) {
	if f.n == nil {
		return actor.Value{}, collectError("collect outside of a call")
	}
	for k := range f.n.spec.def.Collect {
		c := &f.n.spec.def.Collect[k]
		if c.Alias != alias {
			continue
		}
		src := &f.n.inst.nodes()[c.From]
		name := src.spec.name
		if src.flags&flagGone != 0 {
			return actor.Value{}, collectError("collect %q: actor %q is gone", alias, name)
		}
		if c.Field == "" {
			return f.collectData(src, c)
		}
		if by && src.flags&flagGroup != 0 {
			child, ok := src.ext.Load().group.byKey[key]
			if !ok {
				return actor.Value{}, collectError("collect %q: actor %q has no group %q", alias, name, key)
			}
			src = &child.node
		}
		v := src.state(c.Field)
		if v.IsMissing() {
			return actor.Value{}, collectError("collect %q: actor %q has no value for %q", alias, name, c.Field)
		}
		return v, nil
	}
	return actor.Value{}, collectError("collect %q is not defined", alias)
}

func (f *frame) collectData(src *node, c *CheckedCollect) (actor.Value, error) {
	n := f.n
	if src == n.home() || src.busy || f.depth >= maxNested {
		return actor.Value{}, collectError("collect %q: actor %q is asked in a circle", c.Alias, src.spec.name)
	}
	if src.flags&flagShared != 0 && src.other(c.Data) != nil {
		return actor.Value{}, collectError("collect %q: the group of actor %q lives in another copy of the runtime", c.Alias, src.spec.name)
	}
	busy := n.home().busy
	n.home().busy = true
	out, err := f.below().ask(src, c.Data)
	n.home().busy = busy
	switch {
	case err != nil:
		return actor.Value{}, collectError("collect %q: %s", c.Alias, failureText(err))
	case out == nil:
		return actor.Value{}, collectError("collect %q: actor %q has no answer", c.Alias, src.spec.name)
	}
	return out.Value(), nil
}

// state returns one state value of n, Missing if it has none of that name.
func (n *node) state(name string) actor.Value {
	if n.flags&flagGroup != 0 {
		if name == "actors" {
			return n.ext.Load().group.numbers()
		}
		return actor.Value{}
	}
	if n.flags&flagCopies != 0 {
		n = &n.ext.Load().group.copies[0].node
	}
	if s, ok := n.act.(actor.Stateful); ok {
		return s.State(name)
	}
	return actor.Value{}
}

// states returns all state values of n as an object.
func (n *node) states() (v actor.Value, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = n.inst.panicError(n.spec, r)
		}
	}()
	if n.flags&flagGroup != 0 {
		return actor.Object(actor.Field{Name: "actors", Value: n.state("actors")}), nil
	}
	if n.flags&flagCopies != 0 {
		n = &n.ext.Load().group.copies[0].node
	}
	s, ok := n.act.(actor.Stateful)
	if !ok {
		return actor.Object(), nil
	}
	var fields []actor.Field
	for _, name := range s.StateNames() {
		v := s.State(name)
		if v.Kind() == actor.MissingKind {
			v = actor.Null()
		}
		fields = append(fields, actor.Field{Name: name, Value: v})
	}
	return actor.Object(fields...), nil
}

// call runs a timer function of n and passes on what it returns.
func (f *frame) call(n *node, fn func(actor.Context) (*actor.Event, error)) {
	if n.flags&flagGone != 0 {
		return
	}
	out, err := f.guarded(n, fn)
	switch {
	case err != nil:
		n.fail()
	case out != nil:
		f.pass(n, out)
	}
	f.n = nil
}

func (f *frame) guarded(n *node, fn func(actor.Context) (*actor.Event, error)) (out *actor.Event, err error) {
	f.n = n
	defer func() {
		if r := recover(); r != nil {
			n.busy = false
			out, err = nil, n.inst.panicError(n.spec, r)
		}
	}()
	return fn(f)
}
