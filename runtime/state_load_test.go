package runtime_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
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
	"github.com/atoll-platform/atoll/actor/builtin"
	"github.com/atoll-platform/atoll/runtime"
)

// counting sums what it gets in three ways that must agree: over the whole, by
// key, and behind an actor in copies.
func counting(copies int) *runtime.Definition {
	field := runtime.Params(map[string]any{"field": "n"})
	d := &runtime.Definition{Name: "r",
		Actors: []runtime.ActorDef{
			{Name: "in", Type: "httpbroadcast"},
			{Name: "all", Type: "stats", Params: field},
			{Name: "by", Type: "stats", Params: field, Group: runtime.By("key")},
			{Name: "turn", Type: "httpbroadcast", Copies: 3},
			{Name: "end", Type: "stats", Params: field}},
		Links: runtime.Links("in -> all, by, turn", "turn -> end")}
	if copies > 1 {
		d.Distribution = &runtime.Distribution{Mode: runtime.DuplicateRuntime, Copies: copies}
	}
	return d
}

// loaded is a world that is full soon.
func loaded() worldOption {
	return worldOption{reg: builtin.Registry(), engine: runtime.EngineOptions{Mailbox: func() int { return 200 }}}
}

// handled returns how many messages actors of a runtime have handled, which must
// be the same for each of them.
func (w *world) handled(ref string, names ...string) uint64 {
	w.t.Helper()
	var n uint64
	for k, name := range names {
		st := must[runtime.Stats](w.t)(w.svc.ActorStats(context.Background(), ref, name, ""))
		if k > 0 && st.Messages != n {
			w.t.Errorf("%s has handled %d messages, the others %d", name, st.Messages, n)
		}
		n = st.Messages
	}
	return n
}

// posters post events until they are told to end, and count those that were
// taken. They go on with another world when they are told that it is there.
type posters struct {
	accepted atomic.Uint64
	to       atomic.Pointer[world]
	end      atomic.Bool
	wg       sync.WaitGroup
}

func (p *posters) start(t *testing.T, n int) {
	for k := range n {
		p.wg.Go(func() {
			var es []*actor.Event
			for m := range 16 {
				es = append(es, event(t, fmt.Sprintf(`{"n":1,"key":"k%d","m":%d}`, (k+m)%9, m)))
			}
			for turn := 0; !p.end.Load(); turn++ {
				w := p.to.Load()
				var took int
				var err error
				switch turn % 3 {
				case 0:
					took, err = w.svc.TryPostBatch(context.Background(), "r", "in", es)
				case 1:
					if err = w.svc.Post(context.Background(), "r", "in", es[turn%len(es)]); err == nil {
						took = 1
					}
				default:
					if err = w.svc.TryPost(context.Background(), "r", "in", es[turn%len(es)]); err == nil {
						took = 1
					}
				}
				p.accepted.Add(uint64(took))
				if k := atoll.KindOf(err); err != nil && k != atoll.Overloaded && k != atoll.FailedState {
					t.Errorf("posting: %v", err)
					return
				}
			}
		})
	}
}

// await waits until p has got so much done.
func (p *posters) await(more uint64) {
	for goal := p.accepted.Load() + more; p.accepted.Load() < goal; {
		goruntime.Gosched()
	}
}

// TestASnapshotUnderLoadIsOfOneMoment: it loses nothing of the runtime that goes
// on, and what it holds agrees with itself.
func TestASnapshotUnderLoadIsOfOneMoment(t *testing.T) {
	for _, copies := range []int{1, 3} {
		t.Run(fmt.Sprintf("in %d copies", copies), func(t *testing.T) {
			ctx := context.Background()
			w, other := newWorld(t, loaded()), newWorld(t, loaded())
			w.create(ctx, counting(copies))
			other.create(ctx, counting(copies))
			var p posters
			p.to.Store(w)
			p.start(t, 3)
			last := uint64(0)
			for range 4 {
				p.await(200)
				before := p.accepted.Load()
				data := must[[]byte](t)(w.svc.SnapshotState(ctx, "r"))
				if err := other.svc.RestoreState(ctx, "r", data); err != nil {
					t.Fatal(err)
				}
				other.settle("r")
				n := other.handled("r", "in", "all", "by", "turn", "end")
				if n < before || n < last {
					t.Errorf("the snapshot has %d events; %d had been accepted before it", n, before)
				}
				last = n
			}
			p.end.Store(true)
			p.wg.Wait()
			w.settle("r")
			if n := w.handled("r", "in", "all", "by", "turn", "end"); n != p.accepted.Load() || n < last {
				t.Errorf("%d events were handled, %d accepted", n, p.accepted.Load())
			}
		})
	}
}

// TestARuntimeThatIsStoppedCarriesAllOver: with posters that do not let up,
// stopping it, taking its state elsewhere and starting it there loses and doubles
// no event that was accepted, here or there.
func TestARuntimeThatIsStoppedCarriesAllOver(t *testing.T) {
	for _, copies := range []int{1, 3} {
		t.Run(fmt.Sprintf("in %d copies", copies), func(t *testing.T) {
			ctx := context.Background()
			w := newWorld(t, loaded())
			w.create(ctx, counting(copies))
			must[*runtime.Changed](t)(w.svc.Start(ctx, "r"))
			var p posters
			p.to.Store(w)
			p.start(t, 3)
			for range 4 {
				p.await(200)
				must[*runtime.Changed](t)(w.svc.Stop(ctx, "r"))
				data := must[[]byte](t)(w.svc.SnapshotState(ctx, "r"))
				next := newWorld(t, loaded())
				next.create(ctx, counting(copies))
				if err := next.svc.RestoreState(ctx, "r", data); err != nil {
					t.Fatal(err)
				}
				must[*runtime.Changed](t)(next.svc.Start(ctx, "r"))
				p.to.Store(next)
				w = next
			}
			p.await(200)
			p.end.Store(true)
			p.wg.Wait()
			w.settle("r")
			if n := w.handled("r", "in", "all", "by", "turn", "end"); n != p.accepted.Load() {
				t.Errorf("%d events were handled, %d accepted", n, p.accepted.Load())
			}
		})
	}
}

// TestPostersDoNotNoticeThatActorsAreReplaced: a state that is given back under
// load loses no event that is accepted afterwards, and refuses none.
func TestPostersDoNotNoticeThatActorsAreReplaced(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, loaded())
	w.create(ctx, counting(1))
	data := must[[]byte](t)(w.svc.SnapshotState(ctx, "r"))
	var p posters
	p.to.Store(w)
	p.start(t, 3)
	for range 10 {
		p.await(50)
		if err := w.svc.RestoreState(ctx, "r", data); err != nil {
			t.Fatal(err)
		}
	}
	before := p.accepted.Load()
	p.await(200)
	p.end.Store(true)
	p.wg.Wait()
	w.settle("r")
	if n := w.handled("r", "in", "all", "by", "turn", "end"); n < p.accepted.Load()-before || n > p.accepted.Load() {
		t.Errorf("%d events were handled, %d accepted since", n, p.accepted.Load()-before)
	}
}

// settle waits until nothing goes on in a runtime.
func (w *world) settle(ref string) {
	w.t.Helper()
	for last := uint64(1 << 63); ; {
		st := must[runtime.Stats](w.t)(w.svc.Stats(context.Background(), ref))
		if runtime.Quiet(w.svc, must[*runtime.Runtime](w.t)(w.svc.Get(context.Background(), ref)).ID) && st.Messages == last {
			return
		}
		last = st.Messages
		goruntime.Gosched()
	}
}

// TestAFileIsReadOnWhereItWas: by a runtime that gets the state of another, which
// has handed on some of its lines, and holds some.
func TestAFileIsReadOnWhereItWas(t *testing.T) {
	const lines = 500
	dir := t.TempDir()
	var text strings.Builder
	for n := range lines {
		fmt.Fprintf(&text, "{\"n\":%d}\n", n)
	}
	if err := os.WriteFile(filepath.Join(dir, "in.jsonl"), []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		ctx := context.Background()
		var mu sync.Mutex
		seen := map[string]int{}
		reg := builtin.Registry().Clone()
		dead := new(atomic.Bool) // the process with the runtime
		if err := reg.Register(actor.Type{Name: "slow", Compile: func(actor.Params) (actor.Maker, []atoll.Finding) {
			return func(*actor.Env) (actor.Actor, error) {
				dead := dead
				return actor.Func(func(_ actor.Context, e *actor.Event) (*actor.Event, error) {
					time.Sleep(10 * time.Millisecond)
					mu.Lock()
					defer mu.Unlock()
					if !dead.Load() {
						seen[e.String()]++
					}
					return nil, nil
				}), nil
			}, nil
		}}); err != nil {
			t.Fatal(err)
		}
		begin := func(state []byte) *world {
			w := newWorld(t, worldOption{reg: reg, env: &actor.Env{Files: root, Now: time.Now}, engine: runtime.EngineOptions{Mailbox: func() int { return 20 }}})
			w.create(ctx, &runtime.Definition{Name: "r", Actors: []runtime.ActorDef{
				{Name: "in", Type: "file", Params: runtime.Params(map[string]any{"file": "in.jsonl"})}, {Name: "out", Type: "slow"}},
				Links: runtime.Links("in -> out")})
			if state != nil {
				if err := w.svc.RestoreState(ctx, "r", state); err != nil {
					t.Fatal(err)
				}
			}
			must[*runtime.Changed](t)(w.svc.Start(ctx, "r"))
			return w
		}
		var state []byte
		for range 3 { // cut off at any point, with lines in the mailbox
			w := begin(state)
			time.Sleep(time.Second)
			state = must[[]byte](t)(w.svc.SnapshotState(ctx, "r"))
			if !strings.Contains(string(state), `"from":"in"`) {
				t.Error("no line waits in the mailbox: the test shows nothing of them")
			}
			mu.Lock()
			now := len(seen)
			mu.Unlock()
			if now >= lines {
				t.Fatal("all lines are handled already")
			}
			dead.Store(true)
			dead = new(atomic.Bool)
			gone, cancel := context.WithCancel(ctx)
			cancel()
			_ = w.svc.Shutdown(gone)
		}
		begin(state)
		time.Sleep(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		want := map[string]int{}
		for n := range lines {
			want[fmt.Sprintf(`{"n":%d}`, n)] = 1
		}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Errorf("lines handled (-want +got):\n%s", diff)
		}
	})
}
