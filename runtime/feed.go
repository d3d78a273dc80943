package runtime

import (
	"context"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/policy"
)

// Feed reads what an actor emits, for as long as its reader may. It is for one
// goroutine at a time, but Close may come from anywhere.
type Feed struct {
	sub  *Subscription
	s    *Service
	who  *policy.Principal
	id   string // of the runtime
	call call
	at   epoch // of the last answer of the guard
}

// Subscribe returns the events that an actor emits from now on; a reader who
// falls behind by more than buffer events loses the oldest. The caller closes
// the Feed. Kinds: NotFound, Denied, FailedState, Unavailable.
func (s *Service) Subscribe(ctx context.Context, ref, name string, buffer int) (*Feed, error) {
	const op = "runtime.Subscribe"
	f := &Feed{s: s, who: policy.PrincipalFrom(ctx), at: s.epoch(),
		call: call{policy.Read, "GET", policy.CallSuffix("actors", name, "events")}}
	rec, err := s.allowed(ctx, op, ref, f.call)
	if err != nil {
		return nil, err
	}
	inst, err := s.withActor(op, rec, name)
	if err != nil {
		return nil, err
	}
	f.id = rec.ID
	if f.sub, err = inst.Subscribe(name, buffer); err != nil {
		return nil, atoll.Wrap(op, err)
	}
	return f, nil
}

// Next returns the next event, waiting for it. Rights that have changed since
// count: Denied ends the Feed. Kinds: Denied; NotFound: the runtime is gone;
// Canceled, Timeout, Unavailable.
func (f *Feed) Next(ctx context.Context) (*actor.Event, error) {
	e, err := f.sub.Next(ctx)
	if err != nil {
		return nil, err
	}
	if now := f.s.epoch(); now != f.at {
		if err := f.again(ctx); err != nil {
			f.Close()
			return nil, err
		}
		f.at = now
	}
	return e, nil
}

// again asks the guard as Subscribe did, for the same caller.
func (f *Feed) again(ctx context.Context) error {
	const op = "runtime.Feed.Next"
	v := f.s.st.View()
	rec, ok := runtimes.Get(v, f.id)
	if !ok {
		return noRuntime(op, f.id)
	}
	if f.who == nil {
		return nil
	}
	q := f.call.question(f.s.address(v, rec), rec.ID, rec.OwnerID)
	return atoll.Wrap(op, f.s.guard.Check(policy.WithPrincipal(ctx, f.who), q))
}

// Lost returns how many events the reader was too slow for.
func (f *Feed) Lost() uint64 { return f.sub.Lost() }

// Close ends the Feed. It is idempotent.
func (f *Feed) Close() { f.sub.Close() }
