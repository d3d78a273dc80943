package actor

import (
	"context"
	"time"

	"github.com/atoll-platform/atoll"
)

// Actor handles events, one at a time: the engine never calls two methods of
// one Actor concurrently, unless an optional interface below says so, so an
// Actor needs no locks.
//
// Trigger runs on each event and returns the event to emit to the linked
// actors, or nil for nothing. ErrNotProcessed says that the event lacks what
// the actor needs; any other error, and a panic, is that event's failure: it
// is counted, the state is kept and the next event is processed. Events are
// immutable and shared: an Actor that changes one emits e.With(…).
//
// Trigger must not block; an Actor that waits for the world is Async.
type Actor interface {
	Trigger(c Context, e *Event) (*Event, error)
}

// ErrNotProcessed is returned by Trigger for an event in which a required
// field is missing or of the wrong kind.
var ErrNotProcessed error = &atoll.Error{Kind: atoll.Unprocessable, Msg: "the actor could not process this event"}

// Func is an Actor made of one function, for actors without state.
type Func func(c Context, e *Event) (*Event, error)

// Trigger calls f.
func (f Func) Trigger(c Context, e *Event) (*Event, error) { return f(c, e) }

// Context is the running actor's view of its runtime. It is valid only during
// the call that it was passed to.
type Context interface {
	// Emit sends e to the linked actors before it returns, besides what Trigger
	// returns; an actor with several results calls it once for each.
	Emit(e *Event)
	// Collect reads what the definition's collect entry of that alias names.
	Collect(alias string) (Value, error)
	// CollectBy is Collect from the group child of that key of the source.
	CollectBy(alias, key string) (Value, error)
	// Count raises the actor's own counter of that name by one.
	Count(name string)
	// Now is the engine's clock.
	Now() time.Time
}

// Stateful actors expose named read-only values. Calls come between triggers.
// A Source or Async actor is asked while it runs and guards what it returns.
type Stateful interface {
	StateNames() []string    // in the order to show them
	State(name string) Value // Missing for an unknown name
}

// Ticker is an Actor with a clock of its own, such as a time window. Tick runs
// every Every() from the actor's creation, never concurrently with Trigger;
// its event, if any, is emitted.
type Ticker interface {
	Every() time.Duration
	Tick(c Context) (*Event, error)
}

// Timed actors do something when the timeout option of their definition
// elapses; the event, if any, is emitted. Others emit nothing then.
type Timed interface {
	Timeout(c Context) (*Event, error)
}

// Async is an Actor that waits for the outside world. The engine does not call
// Trigger for it but Perform, on goroutines of its own, at most Parallel() at
// a time and behind a bounded queue; results are emitted in the order in which
// the events came. Perform must return when ctx ends.
type Async interface {
	Actor
	Parallel() int
	Perform(ctx context.Context, e *Event) (*Event, error)
}

// Source is an Actor that produces events by itself while its runtime is
// running. Run is called at each start, on its own goroutine, and must return
// when ctx ends; it keeps its position for the next start. Returning nil
// before that means that the source is exhausted.
type Source interface {
	Actor
	Run(ctx context.Context, out Outlet) error
}

// Outlet takes the events of a Source. Both methods block while the runtime's
// mailbox is full and return the context's error when it ends.
type Outlet interface {
	Emit(ctx context.Context, e *Event) error
	EmitBatch(ctx context.Context, es []*Event) error
}

// Taker is an Outlet that tells how many events of a batch it took before it
// failed, so that a Source knows from where to go on. The engine's is one.
type Taker interface {
	// TakeBatch is EmitBatch that returns the number of events taken, which are
	// the first ones.
	TakeBatch(ctx context.Context, es []*Event) (int, error)
}

// Settler is an Outlet that tells when the events it took have been handled, so
// that a Source knows what it need not emit again. The engine's is one.
type Settler interface {
	// Settle waits until every event that the Outlet took before the call has
	// been handled: the actors that it reached have returned or failed, those that
	// are Async and those behind them too. It fails with the context's error, and
	// with Unavailable when the runtime ends without having handled them. It is
	// for one goroutine at a time; others may emit meanwhile.
	Settle(ctx context.Context) error
}

// Saver is a stateful Actor whose state can be carried over to another
// instance of the same definition. SaveState returns JSON; RestoreState is
// called once, before the first event.
type Saver interface {
	SaveState() ([]byte, error)
	RestoreState(data []byte) error
}

// Closer is an Actor that holds something to release. Close is the last call.
type Closer interface {
	Close() error
}
