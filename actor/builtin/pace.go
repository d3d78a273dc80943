package builtin

import (
	"context"
	"math"
	"time"
)

// maxWait is the longest single wait; longer ones are waited in parts.
const maxWait = time.Hour

// pace is a number of events per second, above 0.
type pace struct{ rate float64 }

// begin starts counting at this moment.
func (p pace) begin() *pacedRun { return &pacedRun{rate: p.rate, from: time.Now()} }

// pacedRun says when the next event of a run is due. Events that are late are
// due at once, so that their number catches up with rate times elapsed.
type pacedRun struct {
	rate float64
	from time.Time
	n    int64 // events that were due
	seen time.Duration
}

// wait blocks until the next event is due and counts it. It returns false when
// ctx ends first.
func (r *pacedRun) wait(ctx context.Context) bool {
	due := seconds(float64(r.n) / r.rate)
	r.n++
	// The clock is asked only when the last answer does not do.
	if due <= r.seen {
		return true
	}
	for {
		r.seen = time.Since(r.from)
		left := due - r.seen
		if left <= 0 {
			return ctx.Err() == nil
		}
		if !wait(ctx, min(left, maxWait)) {
			return false
		}
	}
}

// wait blocks for d; it returns false when ctx ends first.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// seconds converts to a Duration, the longest one if it is longer still.
func seconds(s float64) time.Duration {
	if d := s * float64(time.Second); d < math.MaxInt64 {
		return time.Duration(d)
	}
	return math.MaxInt64
}

// stopped is the result of a source whose outlet failed: nil if the source was
// stopped.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
