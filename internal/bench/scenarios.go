package main

import (
	goruntime "runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	atoll "github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/internal/bench/measure"
)

const (
	many    = 10_000 // actors of the sparse scenario
	spawned = 50_000 // actors of the spawn scenario
)

func pause() { goruntime.Gosched() }

func keep(xs ...any) { goruntime.KeepAlive(xs) }

// each splits n operations over the senders and waits for them.
func each(senders, n int, f func(n int)) {
	if senders == 1 {
		f(n)
		return
	}
	var wg sync.WaitGroup
	for k := range senders {
		wg.Go(func() { f((n + k) / senders) })
	}
	wg.Wait()
}

// sparse sends n events round robin and waits until all have come.
func sparse(n int, got *atomic.Int64, send func(k int)) time.Duration {
	start := time.Now()
	for k := range n {
		send(k % many)
		if k&1023 == 0 {
			for int64(k)-got.Load() > 4*many {
				pause()
			}
		}
	}
	for got.Load() < int64(n) {
		pause()
	}
	return time.Since(start)
}

// perOp returns what one of n operations costs that f performs.
func perOp(n int, f func()) float64 {
	start := time.Now()
	f()
	return float64(time.Since(start)) / float64(n)
}

// quantileOp has f time n calls and returns the quantile q.
func quantileOp(q float64, f func(n int, times []time.Duration)) func(n int) float64 {
	return func(n int) float64 {
		times := make([]time.Duration, n)
		f(n, times)
		slices.Sort(times)
		return float64(times[int(q*float64(n-1))])
	}
}

// scenarios are the measures of the event engine.
func scenarios() []measure.Scenario {
	actors := []string{"hollywood", "protoactor"}
	chain := func(name string, length, senders, n int, goal measure.Goal, floor func(n int) float64) measure.Scenario {
		return measure.Scenario{Name: name, Unit: "ns", N: n, Peers: actors, Goal: goal, Impls: []measure.Impl{
			{Name: "floor", Run: floor},
			{Name: "hollywood", Run: hollywoodChain(length, senders)},
			{Name: "protoactor", Run: protoChain(length, senders)},
			{Name: measure.Ours, Run: atollChain(length, senders)},
		}}
	}
	ask := func(name string, q float64, busy bool, goal measure.Goal) measure.Scenario {
		return measure.Scenario{Name: name, Unit: "ns", N: 10_000, Peers: actors, Goal: goal, Impls: []measure.Impl{
			{Name: "floor", Run: quantileOp(q, floorAsk)},
			{Name: "hollywood", Run: quantileOp(q, hollywoodAsk(busy))},
			{Name: "protoactor", Run: quantileOp(q, protoAsk(busy))},
			{Name: measure.Ours, Run: quantileOp(q, atollAsk(busy))},
		}}
	}
	spawn := func(name, unit string, rounds int, goal measure.Goal, cost func(all func(n int)) float64) measure.Scenario {
		of := func(f func(func(func(int)))) func(int) float64 {
			return func(int) float64 {
				var c float64
				f(func(spawn func(k int)) {
					c = cost(func(n int) {
						for k := range n {
							spawn(k)
						}
					})
				})
				return c
			}
		}
		return measure.Scenario{Name: name, Unit: unit, N: 1, Rounds: rounds, Peers: actors, Goal: goal, Impls: []measure.Impl{
			{Name: "hollywood", Run: of(hollywoodSpawn)},
			{Name: "protoactor", Run: of(protoSpawn)},
			{Name: measure.Ours, Run: of(atollSpawn)},
		}}
	}
	nanos := func(all func(n int)) float64 { return perOp(spawned, func() { all(spawned) }) }
	bytes := func(all func(n int)) float64 {
		before := heap()
		all(spawned)
		return float64(heap()-before) / spawned
	}
	return []measure.Scenario{
		chain("one sender to one actor", 1, 1, 400_000, measure.Goal{Must: 1.7, Aim: 2}, floorRing(1)),
		chain("eight senders to one actor", 1, 8, 400_000, measure.Goal{Must: 2, Aim: 2.8}, floorRing(8)),
		chain("a chain of five actors", 5, 1, 200_000, measure.Goal{Must: 6, Aim: 10}, floorDirect),
		{
			Name: "10,000 runtimes, one event each in turn", Unit: "ns", N: 100_000, Peers: actors, Goal: measure.Goal{Must: 5, Aim: 8},
			Impls: []measure.Impl{{Name: "hollywood", Run: hollywoodSparse}, {Name: "protoactor", Run: protoSparse}, {Name: measure.Ours, Run: atollSparse}},
		},
		ask("ask an idle runtime, median", 0.5, false, measure.Goal{Must: 8, Aim: 15}),
		ask("ask an idle runtime, p99", 0.99, false, measure.Goal{Must: 10, Aim: 40}),
		ask("ask a busy runtime, median", 0.5, true, measure.Goal{Must: 1.8, Aim: 2.3}),
		spawn("make an actor", "ns", 0, measure.Goal{Must: 3, Aim: 5}, nanos),
		spawn("memory of an idle actor", "B", 3, measure.Goal{Must: 240, Aim: 180, AtMost: true}, bytes),
		{
			Name: "parse to an event of its own", Unit: "ns", N: 20_000, Peers: []string{"fastjson", "sonic"}, Goal: measure.Goal{Must: 2.2, Aim: 3},
			Impls: []measure.Impl{
				{Name: "floor", Run: parses(reusedParse())}, {Name: "encoding/json", Run: parses(standardParse)}, {Name: "fastjson", Run: parses(fastjsonParse)},
				{Name: "sonic", Run: parses(sonicParse)}, {Name: measure.Ours, Run: parses(atollParse)},
			},
		},
		{
			Name: "p99 of one runtime beside 10,000 busy ones of another tenant", Unit: "ns", N: 2_000, Rounds: 3,
			Impls: []measure.Impl{{Name: "alone", Run: quantileOp(0.99, atollBeside(0))}, {Name: measure.Ours, Run: quantileOp(0.99, atollBeside(many))}},
		},
	}
}

func heap() int64 {
	goruntime.GC()
	goruntime.GC()
	var m goruntime.MemStats
	goruntime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// floorDirect is five direct calls.
func floorDirect(n int) float64 {
	c := newCounting(n)
	acts := []atoll.Actor{hand(), hand(), hand(), hand(), c}
	return perOp(n, func() {
		for range n {
			e := event
			for _, a := range acts {
				e, _ = a.Trigger(nil, e)
			}
		}
	})
}

// floorRing is a ring of 1,024 pointers under a mutex with two conditions.
func floorRing(senders int) func(n int) float64 {
	return func(n int) float64 {
		var mu sync.Mutex
		some, space := sync.NewCond(&mu), sync.NewCond(&mu)
		var buf [1024]*atoll.Event
		first, count := 0, 0
		c := newCounting(n)
		go func() {
			for range n {
				mu.Lock()
				for count == 0 {
					some.Wait()
				}
				e := buf[first]
				buf[first] = nil
				first = (first + 1) % len(buf)
				if count--; count == len(buf)/2 {
					space.Broadcast()
				}
				mu.Unlock()
				_, _ = c.Trigger(nil, e)
			}
		}()
		return perOp(n, func() {
			each(senders, n, func(n int) {
				for range n {
					mu.Lock()
					for count == len(buf) {
						space.Wait()
					}
					buf[(first+count)%len(buf)] = event
					if count++; count == 1 {
						some.Signal()
					}
					mu.Unlock()
				}
			})
			<-c.done
		})
	}
}

// floorAsk is a question over two channels.
func floorAsk(_ int, times []time.Duration) {
	in, out := make(chan *atoll.Event), make(chan *atoll.Event)
	go func() {
		for e := range in {
			out <- e
		}
	}()
	for k := range times {
		start := time.Now()
		in <- event
		<-out
		times[k] = time.Since(start)
	}
	close(in)
}
