package policy

import (
	"context"
	"sync/atomic"
)

// DecisionLog passes decisions on to a function that may be slow. Whoever
// decides never waits for it: decisions that find the log full are dropped and
// counted. It is safe for concurrent use.
//
//	d := policy.NewDecisionLog(4096)
//	language.Log(d.Offer)
//	go d.Run(ctx, write)
type DecisionLog struct {
	waiting chan Logged
	dropped atomic.Uint64
}

// NewDecisionLog returns a log in which up to size decisions wait, at least one.
func NewDecisionLog(size int) *DecisionLog {
	return &DecisionLog{waiting: make(chan Logged, max(size, 1))}
}

// Offer puts a decision into the log, or drops it if the log is full. It
// never blocks.
func (d *DecisionLog) Offer(l Logged) {
	select {
	case d.waiting <- l:
	default:
		d.dropped.Add(1)
	}
}

// Run calls write for each decision in the order of the log, until ctx ends
// and what waited then is written. One Run at a time keeps the order.
func (d *DecisionLog) Run(ctx context.Context, write func(Logged)) {
	for {
		select {
		case l := <-d.waiting:
			write(l)
			continue
		case <-ctx.Done():
		}
		for n := len(d.waiting); n > 0; n-- {
			select {
			case l := <-d.waiting:
				write(l)
			default:
				return
			}
		}
		return
	}
}

// Dropped returns how many decisions found the log full.
func (d *DecisionLog) Dropped() uint64 { return d.dropped.Load() }
