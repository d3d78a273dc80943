package runtime

import (
	"context"
	"fmt"
	"math"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/atoll-platform/atoll/actor"
)

// The benchmarks guard the event path. Floors, in the same run, tell what the
// machine gives today; ratios to them carry over between machines, times do not.

const benchText = `{"id":"ev-000123","tag":"alpha","t":21.75,"amount":1200,"ok":true,"url":"/shop/item/99","agent":"curl/8.5.0-dev","n":73411}`

// counter counts events and tells when it has had enough.
type counter struct {
	n, want int64
	done    chan struct{}
}

func newCounter(want int) *counter { return &counter{want: int64(want), done: make(chan struct{})} }

func (c *counter) make() actor.Actor { return c }
func (c *counter) Trigger(actor.Context, *actor.Event) (*actor.Event, error) {
	if c.n++; c.n == c.want {
		close(c.done)
	}
	return nil, nil
}

// passing hands events on and counts them, as any actor does something.
type passing struct{ n int }

func (p *passing) Trigger(_ actor.Context, e *actor.Event) (*actor.Event, error) {
	p.n++
	return e, nil
}

func newPassing() actor.Actor { return &passing{} }

func chain(n int, last part) *Checked {
	var parts []part
	var links []string
	for k := range n - 1 {
		parts = append(parts, part{name: fmt.Sprint("a", k), make: newPassing})
	}
	parts = append(parts, last)
	for k := range n - 1 {
		links = append(links, parts[k].name+" "+parts[k+1].name)
	}
	return graph(parts, links...)
}

func port(b *testing.B, i *Instance, name string) Port {
	p, err := i.Port(name)
	if err != nil {
		b.Fatal(err)
	}
	return p
}

func BenchmarkOneToOne(b *testing.B) {
	ev := event(b, benchText)
	b.Run("engine", func(b *testing.B) {
		c := newCounter(b.N)
		p := port(b, spawn(b, engine(b, EngineOptions{}), graph([]part{{name: "a", make: c.make}})), "a")
		b.ReportAllocs()
		b.ResetTimer()
		for range b.N {
			if err := p.Post(b.Context(), ev); err != nil {
				b.Fatal(err)
			}
		}
		<-c.done
	})
	b.Run("batch64", func(b *testing.B) {
		c := newCounter(b.N)
		i := spawn(b, engine(b, EngineOptions{}), graph([]part{{name: "a", make: c.make}}))
		es := slices.Repeat([]*actor.Event{ev}, 64)
		b.ReportAllocs()
		b.ResetTimer()
		for n := 0; n < b.N; n += 64 {
			if _, err := i.PostBatch(b.Context(), "a", es[:min(64, b.N-n)]); err != nil {
				b.Fatal(err)
			}
		}
		<-c.done
	})
	b.Run("floor", func(b *testing.B) {
		c := newCounter(b.N)
		r := newRing(c.make())
		go r.run()
		b.ResetTimer()
		for range b.N {
			r.push(ev)
		}
		<-c.done
		r.stop()
	})
}

func BenchmarkEightToOne(b *testing.B) {
	ev := event(b, benchText)
	eight := func(b *testing.B, post func()) {
		var wg sync.WaitGroup
		for k := range 8 {
			wg.Go(func() {
				for n := k; n < b.N; n += 8 {
					post()
				}
			})
		}
		wg.Wait()
	}
	b.Run("engine", func(b *testing.B) {
		c := newCounter(b.N)
		p := port(b, spawn(b, engine(b, EngineOptions{}), graph([]part{{name: "a", make: c.make}})), "a")
		b.ReportAllocs()
		b.ResetTimer()
		eight(b, func() {
			if err := p.Post(b.Context(), ev); err != nil {
				b.Error(err)
			}
		})
		<-c.done
	})
	b.Run("floor", func(b *testing.B) {
		c := newCounter(b.N)
		r := newRing(c.make())
		go r.run()
		b.ResetTimer()
		eight(b, func() { r.push(ev) })
		<-c.done
		r.stop()
	})
}

func BenchmarkChainOfFive(b *testing.B) {
	ev := event(b, benchText)
	b.Run("engine", func(b *testing.B) {
		c := newCounter(b.N)
		p := port(b, spawn(b, engine(b, EngineOptions{}), chain(5, part{name: "end", make: c.make})), "a0")
		b.ReportAllocs()
		b.ResetTimer()
		for range b.N {
			if err := p.Post(b.Context(), ev); err != nil {
				b.Fatal(err)
			}
		}
		<-c.done
	})
	b.Run("floor", func(b *testing.B) {
		c := newCounter(b.N)
		acts := []actor.Actor{newPassing(), newPassing(), newPassing(), newPassing(), c}
		b.ResetTimer()
		for range b.N {
			e := ev
			for _, a := range acts {
				e, _ = a.Trigger(nil, e)
			}
		}
	})
}

func BenchmarkTenThousandSparse(b *testing.B) {
	const many = 10_000
	ev := event(b, benchText)
	e := engine(b, EngineOptions{})
	var handled atomic.Int64
	c := graph([]part{{name: "a", make: fn(func(actor.Context, *actor.Event) (*actor.Event, error) {
		handled.Add(1)
		return nil, nil
	})}})
	var ports []Port
	for range many {
		ports = append(ports, port(b, spawn(b, e, c), "a"))
	}
	b.ReportAllocs()
	b.ResetTimer()
	for n := range b.N {
		if err := ports[n%many].Post(b.Context(), ev); err != nil {
			b.Fatal(err)
		}
	}
	for handled.Load() < int64(b.N) {
		goruntime.Gosched()
	}
}

func BenchmarkAsk(b *testing.B) {
	ev := event(b, benchText)
	run := func(b *testing.B, ask func() error) {
		times := make([]time.Duration, 0, b.N)
		b.ReportAllocs()
		b.ResetTimer()
		for range b.N {
			start := time.Now()
			if err := ask(); err != nil {
				b.Fatal(err)
			}
			times = append(times, time.Since(start))
		}
		b.StopTimer()
		slices.Sort(times)
		b.ReportMetric(float64(times[len(times)/2]), "p50-ns")
		b.ReportMetric(float64(times[len(times)*99/100]), "p99-ns")
	}
	shunt := func(b *testing.B, i *Instance) func() error {
		return func() error {
			_, err := i.Shunt(b.Context(), "a", ev)
			return err
		}
	}
	b.Run("idle", func(b *testing.B) {
		i := spawn(b, engine(b, EngineOptions{}), graph([]part{{name: "a", make: fn(echo)}}))
		run(b, shunt(b, i))
	})
	b.Run("mailbox", func(b *testing.B) {
		i := spawn(b, engine(b, EngineOptions{}), graph([]part{{name: "a", make: fn(echo)}}))
		ask := shunt(b, i)
		run(b, func() error {
			i.mu.Lock()
			i.nodes()[0].proven = 0
			i.mu.Unlock()
			return ask()
		})
	})
}

func BenchmarkSpawn(b *testing.B) {
	const many = 1_000_000
	c := graph([]part{{name: "a", make: newPassing}})
	for range b.N {
		e := engine(b, EngineOptions{})
		all := make([]*Instance, many)
		routines := goruntime.NumGoroutine()
		before := heapBytes()
		start := time.Now()
		for n := range all {
			i, err := e.Spawn(c, SpawnOptions{})
			if err != nil {
				b.Fatal(err)
			}
			all[n] = i
		}
		took := time.Since(start)
		b.ReportMetric(float64(heapBytes()-before)/many, "B/actor")
		b.ReportMetric(float64(took)/many, "ns/actor")
		b.ReportMetric(float64(goruntime.NumGoroutine()-routines), "goroutines")
		goruntime.KeepAlive(all)
	}
}

func heapBytes() uint64 {
	goruntime.GC()
	goruntime.GC()
	var m goruntime.MemStats
	goruntime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkQueuedEvent(b *testing.B) {
	// Memory comes in steps of 16 bytes: texts of 113 to 128 bytes take their turns.
	const many = 100_000
	var texts [][]byte
	length := 0
	for n := range 16 {
		text := strings.Replace(benchText, "alpha", strings.Repeat("a", n), 1)
		texts = append(texts, []byte(text))
		length += len(texts[n])
	}
	for range min(b.N, 3) { // what it measures does not depend on how often
		gate := make(chan struct{})
		entered := make(chan struct{}, 1)
		i := spawn(b, engine(b, EngineOptions{Mailbox: func() int { return many }}), graph([]part{{name: "a", make: fn(func(actor.Context, *actor.Event) (*actor.Event, error) {
			select {
			case entered <- struct{}{}:
			default:
			}
			<-gate
			return nil, nil
		})}}))
		if err := i.TryPost("a", number(1)); err != nil {
			b.Fatal(err)
		}
		<-entered
		i.mu.Lock()
		i.needBox().in = make([]slot, 0, many)
		i.mu.Unlock()
		before := heapBytes() - 16*many
		for k := range many {
			e, err := actor.Parse(texts[k%16])
			if err != nil {
				b.Fatal(err)
			}
			if err := i.TryPost("a", e); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(heapBytes()-before)/many-float64(length)/16, "over-B/event")
		close(gate)
		if err := i.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// filtering, summing and limiting are what the stream benchmarks drive.
type filtering struct {
	url  actor.Key
	with string
}

func (f *filtering) Trigger(_ actor.Context, e *actor.Event) (*actor.Event, error) {
	if s, ok := e.Text(f.url); ok && strings.HasPrefix(s, f.with) {
		return e, nil
	}
	return nil, nil
}

type summing struct {
	key                       actor.Key
	n, avg, vari, lowest, top float64
}

func (s *summing) Trigger(_ actor.Context, e *actor.Event) (*actor.Event, error) {
	x, ok := e.Number(s.key)
	if !ok {
		return nil, nil
	}
	s.n++
	w := 1 / s.n
	d := w * (x - s.avg)
	s.vari += (s.n-1)*d*d - w*s.vari
	s.avg += d
	s.lowest, s.top = math.Min(s.lowest, x), math.Max(s.top, x)
	return e, nil
}

type limiting struct {
	key   actor.Key
	limit float64
	count *counter
}

func (l *limiting) Trigger(c actor.Context, e *actor.Event) (*actor.Event, error) {
	x, ok := e.Number(l.key)
	if !ok {
		return nil, actor.ErrNotProcessed
	}
	_, _ = l.count.Trigger(c, e)
	if x >= l.limit {
		return e, nil
	}
	return nil, nil
}

func BenchmarkStream(b *testing.B) {
	stream := func(b *testing.B) (Port, *counter) {
		c := newCounter(b.N)
		i := spawn(b, engine(b, EngineOptions{}), graph([]part{
			{name: "filter", make: func() actor.Actor { return &filtering{actor.KeyOf("url"), "/shop/"} }},
			{name: "stats", make: func() actor.Actor { return &summing{key: actor.KeyOf("amount")} }},
			{name: "limit", make: func() actor.Actor { return &limiting{actor.KeyOf("t"), 50, c} }},
			{name: "drop", make: fn(pass)},
		}, "filter stats", "stats limit", "limit drop"))
		return port(b, i, "filter"), c
	}
	b.Run("structured", func(b *testing.B) {
		ev := event(b, benchText)
		p, c := stream(b)
		b.ReportAllocs()
		b.ResetTimer()
		for range b.N {
			if err := p.Post(b.Context(), ev); err != nil {
				b.Fatal(err)
			}
		}
		<-c.done
	})
	b.Run("bytes", func(b *testing.B) {
		text := []byte(benchText)
		p, c := stream(b)
		b.ReportAllocs()
		b.ResetTimer()
		for range b.N {
			e, err := actor.Parse(text)
			if err != nil {
				b.Fatal(err)
			}
			if err := p.Post(b.Context(), e); err != nil {
				b.Fatal(err)
			}
		}
		<-c.done
	})
}

// BenchmarkFairness measures how long an event of a tenant with one runtime
// waits while another tenant keeps 10,000 runtimes busy.
func BenchmarkFairness(b *testing.B) {
	const many = 10_000
	ev := event(b, benchText)
	e := engine(b, EngineOptions{})
	spin := graph([]part{{name: "a", make: fn(func(actor.Context, *actor.Event) (*actor.Event, error) {
		for k := 0; k < 1000; k++ {
			_ = k
		}
		return nil, nil
	})}})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var busy []Port
	for range many {
		i, err := e.Spawn(spin, SpawnOptions{Tenant: "busy"})
		if err != nil {
			b.Fatal(err)
		}
		busy = append(busy, port(b, i, "a"))
	}
	wg.Go(func() {
		for {
			for _, p := range busy {
				select {
				case <-stop:
					return
				default:
				}
				for range 8 {
					_ = p.TryPost(ev)
				}
			}
			for !e.queue.quiet() && lined(&e.queue) > many/2 {
				goruntime.Gosched()
			}
		}
	})
	got := make(chan time.Time, 1)
	one, err := e.Spawn(graph([]part{{name: "a", make: fn(func(actor.Context, *actor.Event) (*actor.Event, error) {
		got <- time.Now()
		return nil, nil
	})}}), SpawnOptions{Tenant: "single"})
	if err != nil {
		b.Fatal(err)
	}
	var times []time.Duration
	b.ResetTimer()
	for range b.N {
		start := time.Now()
		if err := one.Post(context.Background(), "a", ev); err != nil {
			b.Fatal(err)
		}
		times = append(times, (<-got).Sub(start))
	}
	b.StopTimer()
	close(stop)
	wg.Wait()
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2]), "p50-ns")
	b.ReportMetric(float64(times[len(times)*99/100]), "p99-ns")
}

// mutexRing is the floor: a mutex, two conditions and a ring of 1,024 slots.
type mutexRing struct {
	act         actor.Actor
	mu          sync.Mutex
	some, space *sync.Cond
	buf         [1024]slot
	first, n    int
	end         bool
}

func newRing(a actor.Actor) *mutexRing {
	r := &mutexRing{act: a}
	r.some, r.space = sync.NewCond(&r.mu), sync.NewCond(&r.mu)
	return r
}

func (r *mutexRing) push(e *actor.Event) {
	r.mu.Lock()
	for r.n == len(r.buf) {
		r.space.Wait()
	}
	r.buf[(r.first+r.n)%len(r.buf)] = slot{e: e}
	if r.n++; r.n == 1 {
		r.some.Signal()
	}
	r.mu.Unlock()
}

func (r *mutexRing) run() {
	for {
		r.mu.Lock()
		for r.n == 0 {
			if r.end {
				r.mu.Unlock()
				return
			}
			r.some.Wait()
		}
		s := r.buf[r.first]
		r.first = (r.first + 1) % len(r.buf)
		if r.n--; r.n == len(r.buf)/2 {
			r.space.Broadcast()
		}
		r.mu.Unlock()
		_, _ = r.act.Trigger(nil, s.e)
	}
}

func (r *mutexRing) stop() {
	r.mu.Lock()
	r.end = true
	r.some.Signal()
	r.mu.Unlock()
}

// lined returns how many instances wait in lines.
func lined(q *queue) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.n
}
