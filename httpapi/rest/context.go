package rest

import (
	"context"
	"sync"
	"time"

	"github.com/atoll-platform/atoll/policy"
)

type requestIDKey struct{}

// RequestID is the id of the request that ctx belongs to, "" outside of one.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// callContext is the context of a row's function. It costs nothing until
// somebody waits on it: only Done arms its timer.
type callContext struct {
	parent   context.Context
	id       string
	caller   *policy.Principal
	deadline time.Time // zero is none

	mu     sync.Mutex
	inner  context.Context // made by Done
	cancel context.CancelFunc
	over   bool
}

// Deadline is when the function has to be done.
func (c *callContext) Deadline() (time.Time, bool) {
	if c.deadline.IsZero() {
		return c.parent.Deadline()
	}
	if d, ok := c.parent.Deadline(); ok && d.Before(c.deadline) {
		return d, true
	}
	return c.deadline, true
}

// Done is closed at the deadline, when the caller leaves and when the call is over.
func (c *callContext) Done() <-chan struct{} { return c.arm().Done() }

// Err is nil until Done is closed.
func (c *callContext) Err() error {
	c.mu.Lock()
	inner, over := c.inner, c.over
	c.mu.Unlock()
	switch {
	case inner != nil:
		return inner.Err()
	case over:
		return context.Canceled
	}
	if err := c.parent.Err(); err != nil {
		return err
	}
	if !c.deadline.IsZero() && !time.Now().Before(c.deadline) {
		return context.DeadlineExceeded
	}
	return nil
}

// Value knows the caller, the request id, and what the request's context knows.
func (c *callContext) Value(key any) any {
	if v, ok := policy.PrincipalValue(c.caller, key); ok {
		return v
	}
	if key == (requestIDKey{}) {
		return c.id
	}
	c.mu.Lock()
	inner := c.inner
	c.mu.Unlock()
	if inner != nil { // so that contexts made from this one need no goroutine
		return inner.Value(key)
	}
	return c.parent.Value(key)
}

// arm makes the context that others wait on.
func (c *callContext) arm() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inner == nil {
		if c.deadline.IsZero() {
			c.inner, c.cancel = context.WithCancel(c.parent)
		} else {
			c.inner, c.cancel = context.WithDeadline(c.parent, c.deadline)
		}
		if c.over {
			c.cancel()
		}
	}
	return c.inner
}

// end says that the call is over.
func (c *callContext) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	if c.cancel != nil {
		c.cancel()
	}
}
