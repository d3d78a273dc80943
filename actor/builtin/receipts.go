package builtin

import (
	"context"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

const (
	maxReceipts = 256 // messages emitted and not committed
	settleGrace = 2 * time.Second
)

// receipts commits messages once the events they led to have been handled, in
// the order in which they came and as many at a time as there are. Meanwhile
// the consumer goes on, up to maxReceipts messages ahead.
type receipts struct {
	sub    actor.Subscription
	out    actor.Outlet
	due    chan actor.Message
	broken chan struct{} // closed when err is set
	done   chan struct{} // closed when the goroutine ends
	err    error
}

// newReceipts starts the goroutine that commits. When ctx ends, what has been
// emitted has a moment to be handled; what is not by then stays uncommitted.
// broke is called when nothing can be committed any more.
func newReceipts(ctx context.Context, sub actor.Subscription, out actor.Outlet, broke func()) *receipts {
	r := &receipts{sub: sub, out: out, due: make(chan actor.Message, maxReceipts),
		broken: make(chan struct{}), done: make(chan struct{})}
	go r.run(ctx, broke)
	return r
}

// add notes a message that has been emitted. It waits while too many are not
// committed, and returns why none will be any more.
func (r *receipts) add(m actor.Message) error {
	select {
	case r.due <- m:
		return nil
	case <-r.broken:
		return r.err
	}
}

// end waits until what was added is committed, or cannot be.
func (r *receipts) end() error {
	close(r.due)
	<-r.done
	return r.err
}

func (r *receipts) run(ctx context.Context, broke func()) {
	defer close(r.done)
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		t := time.NewTimer(settleGrace)
		defer t.Stop()
		select {
		case <-t.C:
			cancel()
		case <-r.done:
		}
	})
	defer stop()
	if r.err = r.commitAll(late); r.err != nil {
		close(r.broken)
		broke()
	}
}

// commitAll commits until there is nothing to add any more.
func (r *receipts) commitAll(ctx context.Context) (err error) {
	defer func() { // the bus may be somebody else's code
		if p := recover(); p != nil {
			err = atoll.Errorf(atoll.Failed, "kafka-consumer", "the event bus panicked: %v", p)
		}
	}()
	batch := make([]actor.Message, 0, maxReceipts)
	for m := range r.due {
		batch = append(batch[:0], m)
		for more := true; more && len(batch) < maxReceipts; {
			select {
			case m, ok := <-r.due:
				if more = ok; ok {
					batch = append(batch, m)
				}
			default:
				more = false
			}
		}
		if s, ok := r.out.(actor.Settler); ok {
			if err := s.Settle(ctx); err != nil {
				return err
			}
		}
		for _, m := range batch {
			if err := r.sub.Commit(m); err != nil {
				return err
			}
		}
		clear(batch)
	}
	return nil
}
