package main

import (
	goruntime "runtime"
	"sync"
	"sync/atomic"
	"time"

	atoll "github.com/atoll-platform/atoll/actor"
)

const (
	many    = 10_000  // actors of the sparse scenario
	spawned = 200_000 // actors of the spawn scenario
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

func scenarios() []scenario {
	actors := []string{"hollywood", "protoactor"}
	chain := func(name string, length, senders, n int, floor func(n int)) scenario {
		return scenario{name, n, "ns", []run{
			{"floor", perOp(floor)},
			{"hollywood", perOp(hollywoodChain(length, senders))},
			{"protoactor", perOp(protoChain(length, senders))},
			{"atoll", perOp(atollChain(length, senders))},
		}, actors}
	}
	ask := func(name string, q float64, busy bool) scenario {
		return scenario{name, 50_000, "ns", []run{
			{"floor", quantileOp(q, floorAsk)},
			{"hollywood", quantileOp(q, hollywoodAsk(busy))},
			{"protoactor", quantileOp(q, protoAsk(busy))},
			{"atoll", quantileOp(q, atollAsk(busy))},
		}, actors}
	}
	bytes := func(f func(func(func(int)))) func(int) float64 {
		return func(int) float64 {
			var per float64
			f(func(spawn func(k int)) {
				before := heap()
				for k := range spawned {
					spawn(k)
				}
				per = float64(heap()-before) / spawned
			})
			return per
		}
	}
	nanos := func(f func(func(func(int)))) func(int) float64 {
		return func(int) float64 {
			var per float64
			f(func(spawn func(k int)) {
				start := time.Now()
				for k := range spawned {
					spawn(k)
				}
				per = float64(time.Since(start)) / spawned
			})
			return per
		}
	}
	return []scenario{
		chain("one to one", 1, 1, 1_000_000, floorRing(1)),
		chain("eight to one", 1, 8, 1_000_000, floorRing(8)),
		chain("chain of five", 5, 1, 500_000, floorDirect),
		{"10,000 sparse", 500_000, "ns", []run{{"hollywood", hollywoodSparse}, {"protoactor", protoSparse}, {"atoll", atollSparse}}, actors},
		ask("ask idle p50", 0.5, false),
		ask("ask idle p99", 0.99, false),
		ask("ask busy p50", 0.5, true),
		{"spawn time", 1, "ns", []run{{"hollywood", nanos(hollywoodSpawn)}, {"protoactor", nanos(protoSpawn)}, {"atoll", nanos(atollSpawn)}}, actors},
		{"idle memory", 1, "B", []run{{"hollywood", bytes(hollywoodSpawn)}, {"protoactor", bytes(protoSpawn)}, {"atoll", bytes(atollSpawn)}}, actors},
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
func floorDirect(n int) {
	c := newCounting(n)
	acts := []atoll.Actor{hand(), hand(), hand(), hand(), c}
	for range n {
		e := event
		for _, a := range acts {
			e, _ = a.Trigger(nil, e)
		}
	}
}

// floorRing is a ring of 1,024 pointers under a mutex with two conditions.
func floorRing(senders int) func(n int) {
	return func(n int) {
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
