package runtime

import (
	"context"
	"errors"
	"math/rand/v2"
	goruntime "runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// blocker blocks on events with a field "block" until its gate opens.
type blocker struct {
	gate    chan struct{}
	once    sync.Once
	entered chan struct{}
}

// newBlocker returns a blocker whose gate opens at the end of the test, before
// an engine that was made earlier is shut down.
func newBlocker(t *testing.T) *blocker {
	b := &blocker{gate: make(chan struct{}), entered: make(chan struct{}, 1000)}
	t.Cleanup(b.open)
	return b
}

func (b *blocker) open() { b.once.Do(func() { close(b.gate) }) }

func (b *blocker) make() actor.Actor { return b }
func (b *blocker) Trigger(_ actor.Context, e *actor.Event) (*actor.Event, error) {
	if !e.Field("block").IsMissing() {
		select {
		case b.entered <- struct{}{}:
		default:
		}
		<-b.gate
	}
	return e, nil
}

// orders checks that the numbers of each producer rise.
type orders struct {
	last  map[string]int64
	wrong int
	n     int
}

func (o *orders) Trigger(_ actor.Context, e *actor.Event) (*actor.Event, error) {
	p, _ := e.Field("p").Text()
	n, _ := e.Get(nKey).Int()
	if last, ok := o.last[p]; ok && n <= last {
		o.wrong++
	}
	o.last[p] = n
	o.n++
	return nil, nil
}
func (o *orders) StateNames() []string { return []string{"wrong", "n"} }
func (o *orders) State(name string) actor.Value {
	if name == "wrong" {
		return actor.Int(int64(o.wrong))
	}
	return actor.Int(int64(o.n))
}

// ticking is a source that emits numbers until it is stopped and goes on where
// it was.
type ticking struct{ n atomic.Int64 }

func (*ticking) Trigger(actor.Context, *actor.Event) (*actor.Event, error) { return nil, nil }
func (s *ticking) Run(ctx context.Context, out actor.Outlet) error {
	for ctx.Err() == nil {
		n := s.n.Load() + 1
		e := actor.NewEvent(actor.Field{Name: "p", Value: actor.String("source")}, actor.Field{Name: "n", Value: actor.Int(n)})
		if err := out.Emit(ctx, e); err != nil {
			return err
		}
		s.n.Store(n)
	}
	return nil
}

// slow performs after a moment that differs from event to event.
type slow struct{ most int }

func (*slow) Trigger(actor.Context, *actor.Event) (*actor.Event, error) { return nil, nil }
func (s *slow) Parallel() int                                           { return s.most }
func (*slow) Perform(ctx context.Context, e *actor.Event) (*actor.Event, error) {
	if n, _ := e.Get(nKey).Int(); n%3 == 0 {
		goruntime.Gosched()
	}
	return e, nil
}

func TestNothingAcceptedIsLostOrReordered(t *testing.T) {
	const producers, instances = 8, 4
	each := 1500
	if testing.Short() {
		each = 200
	}
	base := goruntime.NumGoroutine()
	bound := 64
	e := NewEngine(EngineOptions{Mailbox: func() int { return bound }})
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	var all []*Instance
	var sources []*ticking
	for range instances {
		src := &ticking{}
		sources = append(sources, src)
		all = append(all, spawn(t, e, graph([]part{
			{name: "src", make: func() actor.Actor { return src }},
			{name: "in", make: fn(echo)},
			{name: "wait", make: func() actor.Actor { return &slow{most: 4} }},
			{name: "group", by: []string{"p"}, make: fn(echo)},
			{name: "end", make: func() actor.Actor { return &orders{last: map[string]int64{}} }},
			{name: "end2", make: func() actor.Actor { return &orders{last: map[string]int64{}} }},
		}, "src end", "in wait", "wait end", "in group", "group end2")))
	}
	accepted := make([]atomic.Int64, instances)
	shunts := make([]atomic.Int64, instances)
	over := atomic.Int64{}
	stop := make(chan struct{})
	var watch, work sync.WaitGroup
	watch.Go(func() {
		r := rand.New(rand.NewPCG(1, 2))
		for {
			select {
			case <-stop:
				return
			default:
			}
			i := all[r.IntN(instances)]
			i.mu.Lock()
			if i.box != nil && i.box.waiting > bound {
				over.Add(1)
			}
			i.mu.Unlock()
			switch r.IntN(6) {
			case 0:
				if err := i.StartSources(); err != nil && atoll.KindOf(err) != atoll.FailedState {
					t.Error(err)
				}
			case 1:
				if err := i.StopSources(t.Context()); err != nil {
					t.Error(err)
				}
			case 2:
				i.Stats()
			case 3:
				if _, err := i.State("end", ""); err != nil {
					t.Error(err)
				}
			case 4:
				s, err := i.Subscribe("in", 4)
				if err != nil {
					t.Error(err)
					continue
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				_, _ = s.Next(ctx)
				cancel()
				s.Close()
			default:
				goruntime.Gosched()
			}
		}
	})
	for p := range producers {
		work.Go(func() {
			r := rand.New(rand.NewPCG(uint64(p), 3))
			name := actor.String(string(rune('a' + p)))
			for n := range each {
				at := r.IntN(instances)
				e := actor.NewEvent(actor.Field{Name: "p", Value: name}, actor.Field{Name: "n", Value: actor.Int(int64(n))})
				switch r.IntN(4) {
				case 0:
					if all[at].TryPost("in", e) == nil {
						accepted[at].Add(1)
					}
				case 1:
					_, err := all[at].Shunt(t.Context(), "in", e)
					if err == nil {
						shunts[at].Add(1)
					} else if atoll.KindOf(err) != atoll.Overloaded {
						t.Error(err)
					}
				default:
					if err := all[at].Post(t.Context(), "in", e); err != nil {
						t.Error(err)
						return
					}
					accepted[at].Add(1)
				}
			}
		})
	}
	work.Wait()
	close(stop)
	watch.Wait()
	if over.Load() > 0 {
		t.Errorf("a mailbox held more than %d events %d times", bound, over.Load())
	}
	for at, i := range all {
		if err := i.StopSources(t.Context()); err != nil {
			t.Error(err)
		}
		emitted := sources[at].n.Load()
		if err := i.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		in := accepted[at].Load()
		type counts struct{ In, Wait, Group, End, End2, Shunt, WrongEnd, WrongEnd2 int64 }
		node := func(name string) *node { return &i.nodes()[i.plan.find(name)] }
		got := counts{
			In: int64(node("in").messages), Wait: int64(node("wait").messages), Group: int64(node("group").messages),
			End: int64(node("end").messages), End2: int64(node("end2").messages), Shunt: shunts[at].Load(),
			WrongEnd: int64(node("end").act.(*orders).wrong), WrongEnd2: int64(node("end2").act.(*orders).wrong),
		}
		want := counts{In: in, Wait: in, Group: in, End: in + emitted, End2: in, Shunt: got.Shunt}
		// A source may have been stopped between the mailbox and its own count.
		if got.End > want.End && got.End <= want.End+int64(each) {
			want.End = got.End
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("instance %d (-want +got):\n%s", at, diff)
		}
	}
	if err := e.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	settle(t, base)
}

// settle waits until no more than base goroutines are left.
func settle(t *testing.T, base int) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for goruntime.NumGoroutine() > base {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, %d before\n%s", goruntime.NumGoroutine(), base, buf[:goruntime.Stack(buf, true)])
		}
		goruntime.Gosched()
	}
}

func TestMailboxIsExact(t *testing.T) {
	for _, bound := range []int{1, 2, 3, 7, 16} {
		e := engine(t, EngineOptions{Mailbox: func() int { return bound }})
		b := newBlocker(t)
		i := spawn(t, e, graph([]part{{name: "a", make: b.make}}))
		if err := i.TryPost("a", event(t, `{"block":1}`)); err != nil {
			t.Fatal(err)
		}
		<-b.entered
		for n := range bound {
			if err := i.TryPost("a", number(n)); err != nil {
				t.Fatalf("bound %d: event %d: %v", bound, n, err)
			}
		}
		err := i.TryPost("a", number(0))
		var full *atoll.Error
		if !errors.As(err, &full) || full.Kind != atoll.Overloaded || full.RetryAfter <= 0 {
			t.Errorf("bound %d: one too many: %v, want Overloaded with RetryAfter", bound, err)
		}
		if n, err := i.TryPostBatch("a", []*actor.Event{number(1)}); n != 0 || atoll.KindOf(err) != atoll.Overloaded {
			t.Errorf("bound %d: a batch too many: %d, %v", bound, n, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		posted := make(chan error)
		go func() { posted <- i.Post(ctx, "a", number(0)) }()
		cancel()
		if err := <-posted; atoll.KindOf(err) != atoll.Canceled {
			t.Errorf("bound %d: Post until cancelled: %v", bound, err)
		}
		go func() { posted <- i.Post(t.Context(), "a", number(0)) }()
		b.open()
		if err := <-posted; err != nil {
			t.Errorf("bound %d: Post that waited: %v", bound, err)
		}
	}
}

func TestMailboxIsBoundedInBytes(t *testing.T) {
	e := engine(t, EngineOptions{MailboxBytes: func() int { return 10_000 }, TenantBytes: func() int { return 1 << 20 }})
	b := newBlocker(t)
	c := graph([]part{{name: "a", make: b.make}})
	i := spawn(t, e, c)
	if err := i.TryPost("a", event(t, `{"block":1}`)); err != nil {
		t.Fatal(err)
	}
	<-b.entered
	held := 0
	for i.TryPost("a", number(1)) == nil {
		held += number(1).Size()
	}
	if held < 5_000 || held > 10_000 {
		t.Errorf("the mailbox held %d bytes of events, the bound is 10000", held)
	}
	b.open()
}

func TestTenantIsBoundedInBytes(t *testing.T) {
	const share = 1 << 20
	e := engine(t, EngineOptions{Workers: 1, TenantBytes: func() int { return share }})
	b := newBlocker(t)
	c := graph([]part{{name: "a", make: b.make}})
	big := actor.NewEvent(actor.Field{Name: "block", Value: actor.String(strings.Repeat("x", 20_000))})
	held := 0
	for range 20 {
		i, err := e.Spawn(c, SpawnOptions{Tenant: "greedy"})
		if err != nil {
			t.Fatal(err)
		}
		for i.TryPost("a", big) == nil {
			held += big.Size()
		}
	}
	if most := share + 20*(creditBlock+2*big.Size()); held > most {
		t.Errorf("a tenant's mailboxes took %d bytes, want at most %d", held, most)
	}
	other, err := e.Spawn(c, SpawnOptions{Tenant: "other"})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 20 {
		if err := other.TryPost("a", big); err != nil {
			t.Fatalf("another tenant's event %d: %v", n, err)
		}
	}
	b.open()
}

func TestABlockedActorStopsNobodyElse(t *testing.T) {
	e := engine(t, EngineOptions{Workers: 2})
	b := newBlocker(t)
	c := graph([]part{{name: "a", make: b.make}})
	const blocked = 40
	for range blocked {
		i, err := e.Spawn(c, SpawnOptions{Tenant: "bad"})
		if err != nil {
			t.Fatal(err)
		}
		if err := i.TryPost("a", event(t, `{"block":1}`)); err != nil {
			t.Fatal(err)
		}
	}
	got := make(chan struct{})
	good, err := e.Spawn(graph([]part{{name: "a", make: fn(func(actor.Context, *actor.Event) (*actor.Event, error) {
		got <- struct{}{}
		return nil, nil
	})}}), SpawnOptions{Tenant: "good"})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 100 {
		if err := good.TryPost("a", number(n)); err != nil {
			t.Fatal(err)
		}
		select {
		case <-got:
		case <-time.After(10 * time.Second):
			t.Fatalf("event %d of a good neighbour waits for a blocked one", n)
		}
	}
	if n := len(b.entered); n > stuckShare+2 {
		t.Errorf("one tenant blocks %d workers, want at most %d", n, stuckShare+2)
	}
	b.open()
}

func TestShuntTimesOutWhenTheActorBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := NewEngine(EngineOptions{Workers: 1, ShuntTimeout: func() time.Duration { return time.Second }})
		if err := e.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		b := newBlocker(t)
		i := spawn(t, e, graph([]part{{name: "a", make: b.make}}))
		start := time.Now()
		_, err := i.Shunt(t.Context(), "a", event(t, `{"block":1}`))
		if atoll.KindOf(err) != atoll.Timeout || time.Since(start) != time.Second {
			t.Errorf("after %v: %v, want Timeout after 1s", time.Since(start), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := i.Shunt(ctx, "a", number(1)); atoll.KindOf(err) != atoll.Timeout {
			t.Errorf("a second one with a deadline: %v, want Timeout", err)
		}
		if _, err := i.State("a", ""); atoll.KindOf(err) != atoll.Timeout {
			t.Errorf("State meanwhile: %v, want Timeout", err)
		}
		if s := i.Stats(); s.Actors != 1 {
			t.Errorf("Stats meanwhile: %+v", s)
		}
		b.open()
		synctest.Wait()
		if _, err := i.Shunt(t.Context(), "a", number(1)); err != nil {
			t.Errorf("after the actor returned: %v", err)
		}
		if err := e.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAFloodFromOneEventIsNotHeld(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n = 10_000
	}
	i := spawn(t, engine(t, EngineOptions{}), graph([]part{
		{name: "a", make: fn(func(c actor.Context, e *actor.Event) (*actor.Event, error) {
			for range n {
				c.Emit(e)
			}
			return nil, nil
		})},
		{name: "b", make: fn(pass)},
	}, "a b"))
	if err := i.TryPost("a", number(1)); err != nil {
		t.Fatal(err)
	}
	if err := i.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := i.Stats(); s.Messages != uint64(n)+1 || s.Exceptions != 0 {
		t.Errorf("%+v", s)
	}
}

func TestGroupsAreBounded(t *testing.T) {
	i := spawn(t, engine(t, EngineOptions{Children: func() int { return 2 }}), graph([]part{{name: "a", by: []string{"k"}, make: fn(echo)}}))
	long := actor.NewEvent(actor.Field{Name: "k", Value: actor.String(strings.Repeat("x", maxGroupKey+1))})
	for _, e := range []*actor.Event{long, event(t, `{"k":"a"}`), event(t, `{"k":"b"}`), event(t, `{"k":"c"}`), event(t, `{"k":"a"}`)} {
		if err := i.Post(t.Context(), "a", e); err != nil {
			t.Fatal(err)
		}
	}
	if err := i.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := i.Stats(); s.Messages != 5 || s.Exceptions != 2 || s.Children != 2 {
		t.Errorf("%+v, want 5 messages, 2 exceptions, 2 children", s)
	}
}

func TestStateSeesWhatWasPostedBefore(t *testing.T) {
	e := engine(t, EngineOptions{})
	i := spawn(t, e, graph([]part{{name: "a", make: fn(echo)}, {name: "b", make: func() actor.Actor { return &sums{} }}}, "a b"))
	for n := range 500 {
		if err := i.Post(t.Context(), "a", number(1)); err != nil {
			t.Fatal(err)
		}
		v, err := i.State("b", "")
		if c, _ := v.Get("count").Int(); err != nil || c != int64(n+1) {
			t.Fatalf("after %d events: %v, %v", n+1, v, err)
		}
	}
}

func TestQuestionsToABlockedActorAreBounded(t *testing.T) {
	e := engine(t, EngineOptions{CollectTimeout: func() time.Duration { return time.Millisecond }, Mailbox: func() int { return 10 }})
	b := newBlocker(t)
	i := spawn(t, e, graph([]part{{name: "a", make: b.make}}))
	if err := i.TryPost("a", event(t, `{"block":1}`)); err != nil {
		t.Fatal(err)
	}
	<-b.entered
	kinds := map[atoll.Kind]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for range 40 {
				_, err := i.State("a", "")
				mu.Lock()
				kinds[atoll.KindOf(err)]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if kinds[atoll.Overloaded] == 0 || kinds[atoll.Timeout]+kinds[atoll.Overloaded] != 2000 {
		t.Errorf("2000 questions: %v, want Timeout for some and Overloaded for the rest", kinds)
	}
	i.mu.Lock()
	waiting := len(i.box.ops) + i.box.waiting
	i.mu.Unlock()
	if waiting > maxErrands+50+10 {
		t.Errorf("%d questions wait", waiting)
	}
	b.open()
	if err := i.Post(t.Context(), "a", number(1)); err != nil {
		t.Errorf("after the actor returned: %v", err)
	}
}

func TestTenantsTakeTurns(t *testing.T) {
	e := engine(t, EngineOptions{Workers: 1, Spares: 1})
	gate, entered := make(chan struct{}), make(chan struct{})
	first := spawn(t, e, graph([]part{{name: "a", make: fn(func(actor.Context, *actor.Event) (*actor.Event, error) {
		close(entered)
		<-gate
		return nil, nil
	})}}))
	if err := first.TryPost("a", number(1)); err != nil {
		t.Fatal(err)
	}
	<-entered
	e.queue.mu.Lock()
	e.queue.watching = true // no spare worker: the order is what counts here
	e.queue.mu.Unlock()
	var handled, before atomic.Int64
	before.Store(-1)
	many := graph([]part{{name: "a", make: fn(func(actor.Context, *actor.Event) (*actor.Event, error) {
		handled.Add(1)
		return nil, nil
	})}})
	const runtimes, each = 2000, 8
	for range runtimes {
		i, err := e.Spawn(many, SpawnOptions{Tenant: "many"})
		if err != nil {
			t.Fatal(err)
		}
		for n := range each {
			if err := i.TryPost("a", number(n)); err != nil {
				t.Fatal(err)
			}
		}
	}
	done := make(chan struct{})
	one, err := e.Spawn(graph([]part{{name: "a", make: fn(func(actor.Context, *actor.Event) (*actor.Event, error) {
		before.Store(handled.Load())
		close(done)
		return nil, nil
	})}}), SpawnOptions{Tenant: "one"})
	if err != nil {
		t.Fatal(err)
	}
	if err := one.TryPost("a", number(1)); err != nil {
		t.Fatal(err)
	}
	close(gate)
	<-done
	if n := before.Load(); n > 2*quantum {
		t.Errorf("%d of %d events of the other tenant went first, want at most %d", n, runtimes*each, 2*quantum)
	}
}
