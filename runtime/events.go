package runtime

import (
	"context"
	"hash/maphash"
	"math/rand/v2"
	"strings"
	"sync/atomic"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/policy"
)

// Post hands an event to an actor and waits while the runtime's mailbox is
// full. A nil error means queued, not processed. Kinds: NotFound, Denied;
// FailedState for a runtime that is stopped or invalid; Canceled, Timeout,
// Unavailable.
func (s *Service) Post(ctx context.Context, ref, name string, e *actor.Event) error {
	for tries := 0; ; tries++ {
		w, err := s.way(ctx, wayKey{ref: ref, actor: name})
		if err != nil {
			return err
		}
		if err = w.to.Post(ctx, e); !s.stale(w, err, tries) {
			return err
		}
	}
}

// TryPost is Post that does not wait: Overloaded if the mailbox is full.
func (s *Service) TryPost(ctx context.Context, ref, name string, e *actor.Event) error {
	for tries := 0; ; tries++ {
		w, err := s.way(ctx, wayKey{ref: ref, actor: name})
		if err != nil {
			return err
		}
		if err = w.to.TryPost(e); !s.stale(w, err, tries) {
			return err
		}
	}
}

// PostBatch hands events to an actor in their order and returns how many were
// queued; it waits as Post does, and fails as Post does.
func (s *Service) PostBatch(ctx context.Context, ref, name string, es []*actor.Event) (int, error) {
	return s.postBatch(ctx, ref, name, es, true)
}

// TryPostBatch is PostBatch that does not wait: Overloaded, with how many were
// queued, if the mailbox does not take all of them.
func (s *Service) TryPostBatch(ctx context.Context, ref, name string, es []*actor.Event) (int, error) {
	return s.postBatch(ctx, ref, name, es, false)
}

func (s *Service) postBatch(ctx context.Context, ref, name string, es []*actor.Event, wait bool) (int, error) {
	done := 0
	for tries := 0; ; tries++ {
		w, err := s.way(ctx, wayKey{ref: ref, actor: name})
		if err != nil {
			return done, err
		}
		n, err := w.to.PostBatch(ctx, es[done:], wait)
		if done += n; !s.stale(w, err, tries) {
			return done, err
		}
	}
}

// Shunt runs an actor on an event and returns the result instead of emitting
// it; nil means that it was handled and gave nothing. Kinds: as Post, and
// Unprocessable: the event lacks what the actor needs; Failed: the actor
// failed; Timeout: no answer in time; Overloaded.
func (s *Service) Shunt(ctx context.Context, ref, name string, e *actor.Event) (*actor.Event, error) {
	w, err := s.way(ctx, wayKey{ref: ref, actor: name, shunt: true})
	if err != nil {
		return nil, err
	}
	return w.to.Shunt(ctx, e)
}

// stale says whether an instance refused an event because it, or its row, has
// changed since the way to it was found: then another may lead further.
func (s *Service) stale(w *way, err error, tries int) bool {
	if err == nil || tries == maxStale {
		return false
	}
	k := atoll.KindOf(err)
	return (k == atoll.Unavailable || k == atoll.FailedState) && s.epoch() != w.at
}

const maxStale = 1000 // only to have a bound

// wayKey is one question of the event path: whether this caller may hand
// events to that actor, and where it is. Principals are immutable, so the
// pointer stands for all that a decision depends on.
type wayKey struct {
	who   *policy.Principal
	ref   string
	actor string
	shunt bool
}

// way is the answer to the question of a wayKey, good at one epoch.
type way struct {
	key  wayKey
	at   epoch
	seen atomic.Uint64 // last commit at which it was found to be that epoch still
	to   *router
}

// epoch tells the state of everything that answers of the event path rest on.
func (s *Service) epoch() epoch {
	return epoch{s.ways.changes.Load(), s.st.LastIndex(s.decisive...)}
}

// way answers the question of a key for the caller in ctx. Answers that let
// events pass are remembered until anything that they rest on changes.
func (s *Service) way(ctx context.Context, k wayKey) (*way, error) {
	k.who = policy.PrincipalFrom(ctx)
	// Read before the rest is: what changes meanwhile makes the answer stale at once.
	commit := s.st.LastIndex()
	w := s.ways.get(&k)
	if w != nil && w.seen.Load() == commit && w.at.changes == s.ways.changes.Load() {
		return w, nil
	}
	at := s.epoch()
	if w != nil && w.at == at {
		w.seen.Store(commit)
		return w, nil
	}
	w, err := s.findWay(ctx, k)
	if err != nil {
		return nil, err
	}
	w.at = at
	w.seen.Store(commit)
	w.key = wayKey{who: k.who, ref: strings.Clone(k.ref), actor: strings.Clone(k.actor), shunt: k.shunt}
	s.ways.put(w)
	return w, nil
}

func (s *Service) findWay(ctx context.Context, k wayKey) (*way, error) {
	op, c := "runtime.Post", call{policy.Use, "POST", policy.CallSuffix("actors", k.actor)}
	if k.shunt {
		op, c.suffix = "runtime.Shunt", policy.CallSuffix("actors", k.actor, "shunt")
	}
	rec, err := s.allowed(ctx, op, k.ref, c)
	if err != nil {
		return nil, err
	}
	inst, err := s.withActor(op, rec, k.actor)
	if err != nil {
		return nil, err
	}
	if rec.Status == Stopped {
		return nil, &atoll.Error{Kind: atoll.FailedState, Code: StoppedCode, Op: op, Msg: "the runtime is stopped",
			Subject: atoll.Subject{Type: "runtime", ID: k.ref}}
	}
	to, err := inst.router(strings.Clone(k.actor), s.settings.PartitionKey)
	if err != nil {
		return nil, atoll.Wrap(op, err)
	}
	return &way{to: to}, nil
}

// ways remembers answers of the event path in a table of fixed size, in which
// a key has two places. Reading takes no lock.
type ways struct {
	changes atomic.Uint64 // of instances: spawned, closed
	seed    maphash.Seed
	slots   [waySlots]atomic.Pointer[way]
}

const waySlots = 4096 // a power of two

// epoch is a moment; answers of another one are stale.
type epoch struct {
	changes uint64 // of instances
	index   uint64 // of the store
}

// place returns the first of the two places of a key; the other is its neighbour.
func (w *ways) place(k *wayKey) uint64 {
	h := maphash.String(w.seed, k.ref) ^ maphash.String(w.seed, k.actor)*3
	if k.shunt {
		h += 2
	}
	if p := k.who; p != nil {
		h ^= maphash.String(w.seed, p.UserID) * 5
	}
	return h % waySlots
}

// get returns the answer to a question, which may be stale.
func (w *ways) get(k *wayKey) *way {
	i := w.place(k)
	if e := w.slots[i].Load(); e != nil && e.key == *k {
		return e
	}
	if e := w.slots[i^1].Load(); e != nil && e.key == *k {
		return e
	}
	return nil
}

// put takes the place of a stale answer if there is one, else of either.
func (w *ways) put(found *way) {
	i := w.place(&found.key)
	if e := w.slots[i].Load(); e != nil && e.at == found.at && e.key != found.key {
		if o := w.slots[i^1].Load(); o == nil || o.key == found.key || o.at != found.at || rand.Uint32()&1 == 0 {
			i ^= 1
		}
	}
	w.slots[i].Store(found)
}

// forget makes every answer stale, those that are being found included, and
// lets go of what they hold.
func (w *ways) forget() {
	w.changes.Add(1)
	for i := range w.slots {
		if w.slots[i].Load() != nil {
			w.slots[i].Store(nil)
		}
	}
}
