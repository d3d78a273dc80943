package platform

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// Event is one commit as the change stream shows it: what changed, under
// which index, by whom. It holds only what its reader may read.
type Event struct {
	Index   uint64 // of the commit: where a later Watch resumes
	At      time.Time
	Actor   string
	Names   []string // what the domain calls it: "runtime.create"
	Changes []Change
}

// Change is what a commit did to one resource.
type Change struct {
	FQN    string
	Table  string
	Op     string // "create", "update", "delete"
	Before any    // the public projection of the row, nil if there was none
	After  any
}

// LostError tells a slow reader that events behind its position are no longer
// kept. Watching goes on behind Resume; what was missed shows in the present
// state.
type LostError struct{ Resume uint64 }

func (e *LostError) Error() string {
	return fmt.Sprintf("events up to %d are no longer kept", e.Resume)
}

// Watch is a resumable reader of the change stream. It holds nothing and needs
// no closing; however slow, it never slows a writer. For one goroutine at a time.
type Watch struct {
	p      *Platform
	stream *store.Stream
	filter policy.FQN
}

// Watch returns the events behind index since whose resources filter covers
// (see policy.FQN.Covers; the zero FQN covers all), until ctx ends. A since of
// 0 begins with the oldest event that is kept. Only resources that the caller
// in ctx may read are shown, asked anew for each event.
func (p *Platform) Watch(ctx context.Context, since uint64, filter policy.FQN) *Watch {
	return &Watch{p: p, stream: p.st.Watch(ctx, since, nil), filter: filter}
}

// Position is the index up to which the stream was read: a Watch that begins
// there misses nothing and repeats nothing.
func (w *Watch) Position() uint64 { return w.stream.Position() }

// Next returns the next event, waiting for it. The caller in ctx is the one
// whose rights count. Errors: *LostError, after which Next may be called again;
// Canceled and Timeout; Unavailable once the platform has shut down.
func (w *Watch) Next(ctx context.Context) (*Event, error) {
	for {
		c, err := w.stream.Next(ctx)
		if err != nil {
			if lost, ok := errors.AsType[*store.LostError](err); ok {
				return nil, &LostError{Resume: lost.Resume}
			}
			return nil, atoll.Wrap("platform.Watch", err)
		}
		if e := w.event(ctx, c); e != nil {
			return e, nil
		}
	}
}

// event is the part of c that the filter covers and the caller may read, nil for none.
func (w *Watch) event(ctx context.Context, c *store.Commit) *Event {
	e := &Event{Index: c.Index, At: c.At, Actor: c.Actor}
	shown := map[string]bool{}
	runtimes := map[string]policy.Question{} // what reading a runtime asks, by FQN
	for _, ch := range c.Changes {
		if q, ok := w.p.runtimes.ReadQuestion(ch.Table, ch.Key); ok {
			runtimes[ch.FQN] = q
		}
	}
	may := func(fqn string) bool {
		if ok, asked := shown[fqn]; asked {
			return ok
		}
		f, err := policy.ParseFQN(fqn)
		q, ok := runtimes[fqn]
		if !ok {
			q = policy.Do(policy.Read, f)
		}
		ok = err == nil && (w.filter.IsZero() || w.filter.Covers(f)) && w.p.guard.Allowed(ctx, q)
		shown[fqn] = ok
		return ok
	}
	for i, ch := range c.Changes {
		if hidden[ch.Table] || ch.FQN == "" || !may(ch.FQN) {
			continue
		}
		before, after := c.Public(i)
		e.Changes = append(e.Changes, Change{FQN: ch.FQN, Table: ch.Table, Op: verb(ch.Op), Before: before, After: after})
	}
	for _, n := range c.Notes {
		if may(n.FQN) {
			e.Names = append(e.Names, n.Event)
		}
	}
	if len(e.Changes) == 0 && len(e.Names) == 0 {
		return nil
	}
	return e
}
