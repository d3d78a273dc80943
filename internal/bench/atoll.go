package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/runtime"
)

const text = `{"id":"ev-000123","tag":"alpha","t":21.75,"amount":1200,"ok":true,"url":"/shop/item/99","agent":"curl/8.5.0-dev","n":73411}`

var event = must(actor.Parse([]byte(text)))

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// counting counts what it gets and closes done at the end.
type counting struct {
	n, want int
	done    chan struct{}
	got     atomic.Int64 // for senders that must not run ahead
}

func newCounting(want int) *counting { return &counting{want: want, done: make(chan struct{})} }

func (c *counting) add() {
	c.n++
	if c.n&255 == 0 {
		c.got.Store(int64(c.n))
	}
	if c.n == c.want {
		close(c.done)
	}
}

// window keeps a sender at most 8,192 events ahead: the peers have no bound of
// their own, and would measure their memory otherwise.
func (c *counting) window(sent int) {
	if sent&255 != 0 {
		return
	}
	for int64(sent)-c.got.Load() > 8192 {
		pause()
	}
}

func (c *counting) Trigger(actor.Context, *actor.Event) (*actor.Event, error) {
	c.add()
	return nil, nil
}

// handing passes events on.
type handing struct{ n int }

func (h *handing) Trigger(_ actor.Context, e *actor.Event) (*actor.Event, error) {
	h.n++
	return e, nil
}

// pipeline returns a checked chain of actors.
func pipeline(makers ...func() actor.Actor) *runtime.Checked {
	c := &runtime.Checked{Def: &runtime.Definition{Name: "bench"}}
	for k, m := range makers {
		c.Actors = append(c.Actors, runtime.CheckedActor{
			Def:  runtime.ActorDef{Name: fmt.Sprint("a", k)},
			Make: func(*actor.Env) (actor.Actor, error) { return m(), nil },
		})
		if k > 0 {
			c.Links = append(c.Links, [2]int{k - 1, k})
		}
	}
	return c
}

func hand() actor.Actor { return &handing{} }

// withEngine runs f on a started engine.
func withEngine(f func(e *runtime.Engine)) {
	e := runtime.NewEngine(runtime.EngineOptions{})
	if err := e.Start(context.Background()); err != nil {
		panic(err)
	}
	f(e)
	if err := e.Shutdown(context.Background()); err != nil {
		panic(err)
	}
}

func portOf(e *runtime.Engine, c *runtime.Checked) runtime.Port {
	return must(must(e.Spawn(c, runtime.SpawnOptions{})).Port("a0"))
}

func post(p runtime.Port, n int) {
	ctx := context.Background()
	for range n {
		if err := p.Post(ctx, event); err != nil {
			panic(err)
		}
	}
}

func atollChain(length, senders int) func(n int) float64 {
	return func(n int) (cost float64) {
		withEngine(func(e *runtime.Engine) {
			c := newCounting(n)
			var makers []func() actor.Actor
			for range length - 1 {
				makers = append(makers, hand)
			}
			p := portOf(e, pipeline(append(makers, func() actor.Actor { return c })...))
			cost = perOp(n, func() {
				each(senders, n, func(n int) { post(p, n) })
				<-c.done
			})
		})
		return cost
	}
}

func atollSparse(n int) float64 {
	var took time.Duration
	withEngine(func(e *runtime.Engine) {
		var got atomic.Int64
		c := pipeline(func() actor.Actor {
			return actor.Func(func(actor.Context, *actor.Event) (*actor.Event, error) {
				got.Add(1)
				return nil, nil
			})
		})
		ports := make([]runtime.Port, many)
		for k := range ports {
			ports[k] = portOf(e, c)
		}
		took = sparse(n, &got, func(k int) {
			if err := ports[k].Post(context.Background(), event); err != nil {
				panic(err)
			}
		})
	})
	return float64(took) / float64(n)
}

func atollAsk(busy bool) func(n int, times []time.Duration) {
	return func(n int, times []time.Duration) {
		withEngine(func(e *runtime.Engine) {
			i := must(e.Spawn(pipeline(hand), runtime.SpawnOptions{}))
			p := must(i.Port("a0"))
			askAll(busy, times, func() { post(p, 1) }, func() { must(i.Shunt(context.Background(), "a0", event)) })
		})
	}
}

func atollSpawn(measure func(spawn func(k int))) {
	withEngine(func(e *runtime.Engine) {
		c := pipeline(hand)
		all := make([]*runtime.Instance, spawned)
		measure(func(k int) { all[k] = must(e.Spawn(c, runtime.SpawnOptions{})) })
		keep(all)
	})
}

// atollBeside times events of a tenant with one runtime while another keeps that
// many runtimes busy.
func atollBeside(others int) func(n int, times []time.Duration) {
	return func(n int, times []time.Duration) {
		withEngine(func(e *runtime.Engine) {
			busy := make([]runtime.Port, others)
			for k := range busy {
				busy[k] = must(must(e.Spawn(pipeline(hand), runtime.SpawnOptions{Tenant: "busy"})).Port("a0"))
			}
			got := make(chan time.Time, 1)
			one := must(must(e.Spawn(pipeline(func() actor.Actor {
				return actor.Func(func(actor.Context, *actor.Event) (*actor.Event, error) {
					got <- time.Now()
					return nil, nil
				})
			}), runtime.SpawnOptions{Tenant: "single"})).Port("a0"))
			stop, ended := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(ended)
				for others > 0 {
					for _, p := range busy {
						select {
						case <-stop:
							return
						default:
						}
						_ = p.TryPost(event) // a full mailbox is a busy one
					}
				}
			}()
			for k := range times {
				start := time.Now()
				post(one, 1)
				times[k] = (<-got).Sub(start)
			}
			close(stop)
			<-ended
		})
	}
}
