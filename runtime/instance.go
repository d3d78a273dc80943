package runtime

import (
	"context"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// Instance is one running definition. Its methods are safe for concurrent use.
//
// One goroutine at a time drives the actors: a worker, or the caller of Shunt,
// State and the like when nothing else is going on. It holds the token: the
// state stateRunning, which is set under mu and given back by release.
type Instance struct {
	mu lock // the innermost lock but for the queue's

	state   instanceState
	refuse  atoll.Kind // what posts are refused with; 0 takes them
	stalled bool       // mail waits for an asynchronous actor
	shut    bool       // closed or being closed
	place   uint32     // in Engine.instances
	one     slot       // the first event to come while there is no box: most need none
	box     *box
	tenant  *tenant
	next    *Instance // in the tenant's line
	ext     atomic.Pointer[instanceExt]
	plan    *plan
	first   *node // of as many as the plan has actors; few of them lie behind the instance
	id      string
}

// newInstance returns an Instance of a plan, in one piece of memory with its
// nodes if they are few: it saves an allocation, and a miss of the cache for
// each event of those that get one now and then.
func newInstance(p *plan) *Instance {
	var i *Instance
	switch n := len(p.specs); n {
	case 0:
		i = new(Instance)
	case 1:
		s := new(struct {
			Instance
			own [1]node
		})
		i = &s.Instance
		i.first = &s.own[0]
	case 2:
		s := new(struct {
			Instance
			own [2]node
		})
		i = &s.Instance
		i.first = &s.own[0]
	case 3:
		s := new(struct {
			Instance
			own [3]node
		})
		i = &s.Instance
		i.first = &s.own[0]
	default:
		i = new(Instance)
		i.first = unsafe.SliceData(make([]node, n))
	}
	i.plan = p
	return i
}

// nodes returns the actors of the instance, in the order of the plan.
func (i *Instance) nodes() []node {
	n := len(i.plan.specs)
	return (*[mostNodes]node)(unsafe.Pointer(i.first))[:n:n]
}

// mostNodes is more than any definition has actors.
const mostNodes = 1 << 24

type instanceState uint8

const (
	stateIdle instanceState = iota
	stateQueued
	stateRunning
	stateClosed
)

// instanceExt is what few instances have. It is made under mu; what is not
// marked otherwise is guarded by mu.
type instanceExt struct {
	env     *actor.Env    // not the engine's; never changes
	kids    int           // children of all groups; belongs to the token
	room    chan struct{} // closed when a full mailbox has room again
	ending  bool          // the last op is on its way
	closed  chan struct{} // closed at the end
	hard    bool          // what is left is dropped
	jobs    int           // sources that run and asynchronous work not yet passed on
	ctx     context.Context
	cancel  context.CancelFunc
	sources []*source

	leaving  []*node    // removed, with work on its way that is passed on yet; belongs to the token
	barriers []*barrier // reached, and waiting for stages; belongs to the token
	coming   []*barrier // on their way from other copies
	handled  uint64     // messages, as of the last time that they were counted
	counting bool       // an op will do so
	last     Stats      // as of the last time that they could be read
	held     bool       // its mail waits, whatever else
	ring     *ring      // of a runtime in copies; never changes
}

// more returns the extension, made when first needed; i.mu is held, or nobody
// else knows i yet.
func (i *Instance) more() *instanceExt {
	x := i.ext.Load()
	if x == nil {
		x = new(instanceExt)
		i.ext.Store(x)
	}
	return x
}

// extend is more for who does not hold i.mu.
func (i *Instance) extend() *instanceExt {
	if x := i.ext.Load(); x != nil {
		return x
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.more()
}

// ID returns the id that the instance was spawned with.
func (i *Instance) ID() string { return i.id }

// Checked returns the definition that the instance runs.
func (i *Instance) Checked() *Checked { return i.plan.checked }

// open starts the timers of a new instance and lets events in.
func (i *Instance) open() {
	for at := range i.nodes() {
		n := &i.nodes()[at]
		if n.flags&flagCopies != 0 {
			for _, c := range n.ext.Load().group.copies {
				i.startTimers(&c.node, c)
			}
		} else if n.flags&flagGroup == 0 {
			i.startTimers(n, nil)
		}
	}
	i.release()
}

// discard undoes a Spawn of which only the first made actors exist.
func (i *Instance) discard(made int) {
	for at := range made {
		i.nodes()[at].close()
	}
	i.mu.Lock()
	i.state, i.shut = stateClosed, true
	i.mu.Unlock()
	i.tenant.eng.dismiss(i)
}

// node returns the node of that name.
func (i *Instance) node(op, name string) (*node, error) {
	if at := i.plan.find(name); at >= 0 {
		return &i.nodes()[at], nil
	}
	return nil, &atoll.Error{Kind: atoll.NotFound, Op: op, Msg: "the runtime has no actor of that name", Subject: atoll.Subject{Type: "actor", ID: name}}
}

// Refuse makes all further posts and shunts fail with an error of that kind; 0
// lets them in again.
func (i *Instance) Refuse(k atoll.Kind) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.refuse = k
}

// gone returns an Unavailable error if the instance is closed or being closed;
// i.mu is held.
func (i *Instance) gone(op string) error {
	if i.shut {
		return atoll.Errorf(atoll.Unavailable, op, "the runtime is closed")
	}
	return nil
}

// admits returns why the instance takes no events now, nil if it does; i.mu is held.
func (i *Instance) admits(op string) error {
	if err := i.gone(op); err != nil {
		return err
	}
	if i.refuse != 0 {
		return atoll.Errorf(i.refuse, op, "the runtime does not take events now")
	}
	return nil
}

// wake gives an idle instance to the workers; i.mu is held, and released.
func (i *Instance) wake() {
	if i.state != stateIdle {
		i.mu.Unlock()
		return
	}
	i.state = stateQueued
	i.mu.Unlock()
	i.tenant.eng.queue.push(i)
}

// control has op done between events, before further mail. It returns false if
// the instance is closed.
func (i *Instance) control(o op) bool {
	i.mu.Lock()
	if i.state == stateClosed {
		i.mu.Unlock()
		return false
	}
	b := i.needBox()
	b.ops = append(b.ops, o)
	b.poke()
	i.wake()
	return true
}

// seize takes the token if nobody has it and says whether it did.
func (i *Instance) seize() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.state != stateIdle {
		return false
	}
	i.state = stateRunning
	return true
}

// release gives the token back.
func (i *Instance) release() {
	i.mu.Lock()
	i.state = stateIdle
	if b := i.box; i.one.e != nil || b != nil && !b.empty() {
		if b != nil && len(b.ops) > 0 || !i.stalled {
			i.wake()
			return
		}
	} else if i.finished() {
		i.wake()
		return
	} else {
		i.dropBox()
	}
	i.mu.Unlock()
}

func opOf(fn func(f *frame)) op { return op{fn: fn} }

// Post gives an event to an actor and returns when the mailbox has it. While
// the mailbox is full Post waits, until ctx ends. It must not be called from
// within an actor. Kinds: NotFound for an unknown actor, what Refuse said,
// Canceled and Timeout with ctx, Unavailable when the instance is closed.
func (i *Instance) Post(ctx context.Context, name string, e *actor.Event) error {
	n, err := i.node("runtime.Post", name)
	if err != nil {
		return err
	}
	return i.post(ctx, e, n)
}

// TryPost is Post that does not wait: a full mailbox is Overloaded at once.
func (i *Instance) TryPost(name string, e *actor.Event) error {
	n, err := i.node("runtime.Post", name)
	if err != nil {
		return err
	}
	return i.tryPost(e, n)
}

func (i *Instance) tryPost(e *actor.Event, n *node) error {
	size := sizeOf(e)
	i.mu.Lock()
	if i.refuse != 0 || i.shut {
		err := i.admits("runtime.Post")
		i.mu.Unlock()
		return err
	}
	if !i.put(e, n, size) {
		i.mu.Unlock()
		return overloaded
	}
	if i.state != stateIdle || i.stalled {
		i.mu.Unlock()
		return nil
	}
	i.wake()
	return nil
}

func (i *Instance) post(ctx context.Context, e *actor.Event, n *node) error {
	const op = "runtime.Post"
	for {
		err := i.tryPost(e, n)
		if err != overloaded {
			return err
		}
		if err := i.awaitRoom(ctx); err != nil {
			return atoll.Wrap(op, err)
		}
	}
}

// awaitRoom waits until a full mailbox is half empty, or a moment if it is the
// tenant's share that is used up.
func (i *Instance) awaitRoom(ctx context.Context) error {
	i.mu.Lock()
	if i.admits("") != nil || i.box == nil || i.box.waiting == 0 {
		i.mu.Unlock()
		return ctx.Err()
	}
	x := i.more()
	if x.room == nil {
		x.room = make(chan struct{})
	}
	room := x.room
	i.mu.Unlock()
	t := time.NewTimer(100 * time.Millisecond)
	defer t.Stop()
	select {
	case <-room:
	case <-t.C:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// PostBatch posts the events in order and returns how many the mailbox took.
// It waits and fails as Post does; what was accepted before stays accepted.
func (i *Instance) PostBatch(ctx context.Context, name string, es []*actor.Event) (int, error) {
	n, err := i.node("runtime.Post", name)
	if err != nil {
		return 0, err
	}
	return i.postBatch(ctx, es, n, true)
}

// TryPostBatch is PostBatch that does not wait.
func (i *Instance) TryPostBatch(name string, es []*actor.Event) (int, error) {
	n, err := i.node("runtime.Post", name)
	if err != nil {
		return 0, err
	}
	return i.postBatch(context.Background(), es, n, false)
}

func (i *Instance) postBatch(ctx context.Context, es []*actor.Event, n *node, wait bool) (int, error) {
	const op = "runtime.Post"
	done := 0
	for {
		i.mu.Lock()
		if err := i.admits(op); err != nil {
			i.mu.Unlock()
			return done, err
		}
		for done < len(es) && i.put(es[done], n, sizeOf(es[done])) {
			done++
		}
		if i.stalled {
			i.mu.Unlock()
		} else {
			i.wake()
		}
		switch {
		case done == len(es):
			return done, nil
		case !wait:
			return done, overloaded
		}
		if err := i.awaitRoom(ctx); err != nil {
			return done, atoll.Wrap(op, err)
		}
	}
}

// Port is an actor of an instance prepared for posting: it saves the look-up
// of the name.
type Port struct {
	i *Instance // as the node says, which the worker writes to while others post
	n *node
}

// Port returns the port of an actor; NotFound if there is none of that name.
func (i *Instance) Port(name string) (Port, error) {
	n, err := i.node("runtime.Port", name)
	if err != nil {
		return Port{}, err
	}
	return Port{i, n}, nil
}

// Post is Instance.Post.
func (p Port) Post(ctx context.Context, e *actor.Event) error { return p.i.post(ctx, e, p.n) }

// TryPost is Instance.TryPost.
func (p Port) TryPost(e *actor.Event) error { return p.i.tryPost(e, p.n) }
