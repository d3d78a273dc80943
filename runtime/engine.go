package runtime

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	goruntime "runtime"
	"sync"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// EngineOptions are the settings of an Engine. All are optional. Functions are
// asked at each use, so their answers may change while the engine runs; they
// must be quick and safe for concurrent use.
type EngineOptions struct {
	Workers        int                  // default GOMAXPROCS
	Spares         int                  // further workers while actors block; default 256
	Mailbox        func() int           // events that a runtime holds; default 10,000
	MailboxBytes   func() int           // bytes of events that a runtime holds; default 64 MiB
	TenantBytes    func() int           // bytes of events that the runtimes of a tenant hold; default 256 MiB
	Children       func() int           // group children of a runtime; default 1,000,000
	CollectTimeout func() time.Duration // default 950 ms
	ShuntTimeout   func() time.Duration // default 10 s
	Env            *actor.Env           // for actors; nil is one that offers nothing
	Log            *slog.Logger         // default discards
	Now            func() time.Time     // what actors see as the time; default time.Now
	EventLog       func(LogEntry)       // takes what actors with a log option handle; nil = the option has no effect
}

// LogEntry is one event of an actor with a log option. The hook that takes it
// runs between the events of the runtime and must not block.
type LogEntry struct {
	Instance, Actor string
	Outgoing        bool // else incoming
	Event           *actor.Event
}

// Engine runs instances of definitions on a fixed set of workers. An instance
// that has nothing to do costs memory only: no goroutine, no timer. Engines are
// safe for concurrent use.
type Engine struct {
	o     EngineOptions
	queue queue
	clock clock

	frames sync.Pool // *frame, for callers that run an idle instance
	boxes  sync.Pool // *box
	asks   sync.Pool // *ask

	mu        sync.Mutex // covers what follows; taken before an instance's
	state     engineState
	instances []*Instance // each knows its place
	plans     map[*Checked]*plan
	tenants   map[string]*tenant
	panics    rateLimit
}

type engineState uint8

const (
	engineNew engineState = iota
	engineRunning
	engineStopping
	engineStopped
)

// NewEngine returns an Engine that has not been started.
func NewEngine(o EngineOptions) *Engine {
	if o.Workers <= 0 {
		o.Workers = goruntime.GOMAXPROCS(0)
	}
	if o.Spares <= 0 {
		o.Spares = 256
	}
	fallback(&o.Mailbox, 10_000)
	fallback(&o.MailboxBytes, 64<<20)
	fallback(&o.TenantBytes, 256<<20)
	fallback(&o.Children, 1_000_000)
	fallback(&o.CollectTimeout, 950*time.Millisecond)
	fallback(&o.ShuntTimeout, 10*time.Second)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Env == nil {
		o.Env = &actor.Env{
			HTTPTimeout: func() time.Duration { return 10 * time.Second },
			Log:         o.Log, Now: o.Now,
			Rand: func() *rand.Rand { return rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())) },
		}
	}
	e := &Engine{o: o, plans: make(map[*Checked]*plan), tenants: make(map[string]*tenant)}
	e.frames.New = func() any { return new(frame) }
	e.boxes.New = func() any { return newBox() }
	e.asks.New = func() any { return newAsk() }
	e.queue.init(e)
	e.clock.init(e)
	return e
}

// fallback sets an option that was not given to one that always answers v.
func fallback[T any](f *func() T, v T) {
	if *f == nil {
		*f = func() T { return v }
	}
}

// Start starts the workers. A second call does nothing; one after Shutdown is
// Unavailable.
func (e *Engine) Start(context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch e.state {
	case engineNew:
		e.state = engineRunning
		e.queue.start(e.o.Workers)
	case engineStopping, engineStopped:
		return e.notRunning("runtime.Engine.Start")
	}
	return nil
}

func (e *Engine) notRunning(op string) error {
	return atoll.Errorf(atoll.Unavailable, op, "the engine is not running")
}

// Shutdown closes all instances, each after what its mailbox holds, and stops
// the workers. When ctx ends, what is left is dropped, asynchronous work is
// cancelled, and what is still inside an actor a moment later is abandoned:
// Shutdown returns a Timeout error that says how much. A second call waits for
// the same.
func (e *Engine) Shutdown(ctx context.Context) error {
	const op = "runtime.Engine.Shutdown"
	e.mu.Lock()
	if e.state == engineNew || e.state == engineStopped {
		e.state = engineStopped
		e.mu.Unlock()
		return nil
	}
	e.state = engineStopping
	all := append([]*Instance(nil), e.instances...)
	e.mu.Unlock()
	for _, i := range all {
		i.beginClose()
	}
	var late []*Instance
	for _, i := range all {
		if i.awaitClose(ctx) != nil {
			i.harden()
			late = append(late, i)
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	stuck := 0
	for _, i := range late {
		if i.awaitClose(last) != nil {
			stuck++
		}
	}
	e.clock.stop()
	busy := e.queue.stop(last)
	if stuck > 0 || busy > 0 {
		return atoll.Errorf(atoll.Timeout, op, "%d runtimes did not end in time and %d workers are still inside an actor", stuck, busy)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.state = engineStopped
	return nil
}

// SpawnOptions are the settings of one instance.
type SpawnOptions struct {
	ID     string     // names the instance in logs
	Tenant string     // whose it is: tenants share the workers evenly
	Env    *actor.Env // default the engine's
}

// Spawn makes an instance of a checked definition. Its actors live at once and
// handle what is posted; its sources are idle until StartSources. A Maker that
// fails, or panics, makes Spawn fail with Failed and leaves nothing behind. Spawn is
// Unavailable on an engine that is not running.
func (e *Engine) Spawn(c *Checked, o SpawnOptions) (*Instance, error) {
	i, err := e.prepare(c, o)
	if err != nil {
		return nil, err
	}
	i.open()
	return i, nil
}

// prepare is Spawn without letting the instance go: no timer runs, and what is
// posted waits, until it is opened, or discarded.
func (e *Engine) prepare(c *Checked, o SpawnOptions) (*Instance, error) {
	const op = "runtime.Spawn"
	if o.Env == nil {
		o.Env = e.o.Env
	}
	i, err := e.admit(c, o)
	if err != nil {
		return nil, atoll.Wrap(op, err)
	}
	for at := range i.nodes() {
		if err := i.nodes()[at].make(i, &i.plan.specs[at], o.Env); err != nil {
			i.discard(at)
			name := c.Actors[at].Def.Name
			return nil, &atoll.Error{
				Kind: atoll.Failed, Op: op, Msg: fmt.Sprintf("actor %q could not be made: %s", name, failureText(err)),
				Subject: atoll.Subject{Type: "actor", ID: name}, Err: err,
			}
		}
	}
	return i, nil
}

// admit registers a new instance whose actors are not made yet.
func (e *Engine) admit(c *Checked, o SpawnOptions) (*Instance, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.state != engineRunning {
		return nil, e.notRunning("")
	}
	p, ok := e.plans[c]
	if !ok {
		p = newPlan(c)
		e.plans[c] = p
	}
	p.uses++
	t, ok := e.tenants[o.Tenant]
	if !ok {
		t = &tenant{name: o.Tenant, eng: e}
		e.tenants[o.Tenant] = t
	}
	t.uses++
	i := newInstance(p)
	i.id, i.tenant, i.place, i.state = o.ID, t, uint32(len(e.instances)), stateRunning
	if p.env(o.Env, e.o.Env) {
		i.more().env = o.Env
	}
	e.instances = append(e.instances, i)
	return i, nil
}

// dismiss forgets an instance.
func (e *Engine) dismiss(i *Instance) {
	e.mu.Lock()
	defer e.mu.Unlock()
	last := len(e.instances) - 1
	moved := e.instances[last]
	e.instances[i.place], moved.place = moved, i.place
	e.instances[last] = nil
	e.instances = e.instances[:last]
	if i.plan.uses--; i.plan.uses == 0 {
		delete(e.plans, i.plan.checked)
	}
	if i.tenant.uses--; i.tenant.uses == 0 && e.tenants[i.tenant.name] == i.tenant {
		delete(e.tenants, i.tenant.name)
	}
}

// panicked logs what an actor panicked with, once a second at most.
func (e *Engine) panicked(i *Instance, name string, reason any, stack []byte) {
	if e.panics.allow() {
		e.o.Log.Error("actor panicked", "instance", i.id, "actor", name, "panic", fmt.Sprint(reason), "stack", string(stack))
	}
}

// rateLimit allows one thing a second.
type rateLimit struct {
	mu   sync.Mutex
	last time.Time
}

func (r *rateLimit) allow() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if !r.last.IsZero() && now.Sub(r.last) < time.Second {
		return false
	}
	r.last = now
	return true
}
