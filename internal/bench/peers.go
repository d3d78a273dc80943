package main

import (
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/anthdm/hollywood/actor"
	proto "github.com/asynkron/protoactor-go/actor"

	atoll "github.com/atoll-platform/atoll/actor"
	_ "github.com/atoll-platform/atoll/internal/bench/quiet" // before the peers
)

func init() { slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil))) }

func hollywood() *actor.Engine { return must(actor.NewEngine(actor.NewEngineConfig())) }

func protoactor() *proto.ActorSystem {
	return proto.NewActorSystem(proto.WithLoggerFactory(func(*proto.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }))
}

func hollywoodChain(length, senders int) func(n int) float64 {
	return func(n int) float64 {
		e := hollywood()
		c := newCounting(n)
		next := e.SpawnFunc(func(x *actor.Context) {
			if _, ok := x.Message().(*atoll.Event); ok {
				c.add()
			}
		}, "end")
		var pids = []*actor.PID{next}
		for range length - 1 {
			to := next
			next = e.SpawnFunc(func(x *actor.Context) {
				if m, ok := x.Message().(*atoll.Event); ok {
					x.Engine().Send(to, m)
				}
			}, "mid")
			pids = append(pids, next)
		}
		var sent atomic.Int64
		cost := perOp(n, func() {
			each(senders, n, func(n int) {
				for range n {
					e.Send(next, event)
					c.window(int(sent.Add(1)))
				}
			})
			<-c.done
		})
		for _, p := range pids {
			<-e.Poison(p).Done()
		}
		return cost
	}
}

func protoChain(length, senders int) func(n int) float64 {
	return func(n int) float64 {
		s := protoactor()
		c := newCounting(n)
		next := s.Root.Spawn(proto.PropsFromFunc(func(x proto.Context) {
			if _, ok := x.Message().(*atoll.Event); ok {
				c.add()
			}
		}))
		for range length - 1 {
			to := next
			next = s.Root.Spawn(proto.PropsFromFunc(func(x proto.Context) {
				if m, ok := x.Message().(*atoll.Event); ok {
					x.Send(to, m)
				}
			}))
		}
		var sent atomic.Int64
		cost := perOp(n, func() {
			each(senders, n, func(n int) {
				for range n {
					s.Root.Send(next, event)
					c.window(int(sent.Add(1)))
				}
			})
			<-c.done
		})
		s.Shutdown()
		return cost
	}
}

func hollywoodSparse(n int) float64 {
	e := hollywood()
	var got atomic.Int64
	pids := make([]*actor.PID, many)
	for k := range pids {
		pids[k] = e.SpawnFunc(func(x *actor.Context) {
			if _, ok := x.Message().(*atoll.Event); ok {
				got.Add(1)
			}
		}, "a", actor.WithInboxSize(8))
	}
	took := sparse(n, &got, func(k int) { e.Send(pids[k], event) })
	for _, p := range pids {
		e.Poison(p)
	}
	return float64(took) / float64(n)
}

func protoSparse(n int) float64 {
	s := protoactor()
	var got atomic.Int64
	props := proto.PropsFromFunc(func(x proto.Context) {
		if _, ok := x.Message().(*atoll.Event); ok {
			got.Add(1)
		}
	})
	pids := make([]*proto.PID, many)
	for k := range pids {
		pids[k] = s.Root.Spawn(props)
	}
	took := sparse(n, &got, func(k int) { s.Root.Send(pids[k], event) })
	s.Shutdown()
	return float64(took) / float64(n)
}

func hollywoodAsk(busy bool) func(n int, times []time.Duration) {
	return func(n int, times []time.Duration) {
		e := hollywood()
		pid := e.SpawnFunc(func(x *actor.Context) {
			if m, ok := x.Message().(*atoll.Event); ok && x.Sender() != nil {
				x.Respond(m)
			}
		}, "a")
		askAll(busy, times, func() { e.Send(pid, event) }, func() { must(e.Request(pid, event, time.Minute).Result()) })
		<-e.Poison(pid).Done()
	}
}

func protoAsk(busy bool) func(n int, times []time.Duration) {
	return func(n int, times []time.Duration) {
		s := protoactor()
		pid := s.Root.Spawn(proto.PropsFromFunc(func(x proto.Context) {
			if m, ok := x.Message().(*atoll.Event); ok && x.Sender() != nil {
				x.Respond(m)
			}
		}))
		askAll(busy, times, func() { s.Root.Send(pid, event) }, func() { must(s.Root.RequestFuture(pid, event, time.Minute).Result()) })
		s.Shutdown()
	}
}

// askAll times questions, beside a trickle of events that nobody waits for.
func askAll(busy bool, times []time.Duration, send, ask func()) {
	for k := range times {
		if busy {
			send()
		}
		start := time.Now()
		ask()
		times[k] = time.Since(start)
	}
}

func hollywoodSpawn(measure func(spawn func(k int))) {
	e := hollywood()
	all := make([]*actor.PID, spawned)
	measure(func(k int) {
		n := 0
		all[k] = e.SpawnFunc(func(*actor.Context) { n++ }, "a", actor.WithInboxSize(8))
	})
	keep(all, e)
}

// protoHand is an actor with a count, as hand is.
type protoHand struct{ n int }

func (h *protoHand) Receive(proto.Context) { h.n++ }

func protoSpawn(measure func(spawn func(k int))) {
	s := protoactor()
	props := proto.PropsFromProducer(func() proto.Actor { return &protoHand{} }, proto.WithMailbox(proto.UnboundedLockfree()))
	all := make([]*proto.PID, spawned)
	measure(func(k int) { all[k] = s.Root.Spawn(props) })
	keep(all, s)
}
