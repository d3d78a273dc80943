package workload

import (
	"encoding/json"
	"sync"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// capture keeps what a single run leaves, within the bounds of a RunResult.
type capture struct {
	mu       sync.Mutex
	out, err []byte
	value    json.RawMessage
	taken    bool
	refused  bool
}

func (c *capture) stdout(p []byte) { c.keep(&c.out, p) }
func (c *capture) stderr(p []byte) { c.keep(&c.err, p) }

func (c *capture) keep(b *[]byte, p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if room := driver.MaxResult - len(*b); len(p) > room {
		p = p[:room]
	}
	*b = append(*b, p...)
}

// take takes the result: one, that is JSON and not too large.
func (c *capture) take(v json.RawMessage) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var err error
	switch {
	case c.taken:
		err = atoll.Errorf(atoll.Conflict, "workload.Result", "a run has one result")
	case len(v) > driver.MaxResult:
		err = atoll.Errorf(atoll.TooLarge, "workload.Result", "a result has at most %d bytes", driver.MaxResult)
	case !json.Valid(v):
		err = atoll.Errorf(atoll.Invalid, "workload.Result", "a result is JSON")
	}
	if err != nil {
		c.refused = true
		return err
	}
	c.taken, c.value = true, append(json.RawMessage(nil), v...)
	return nil
}

func (c *capture) broken() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refused
}

// result is the row of what was left. Result comes first, then output fills
// the room there is.
func (c *capture) result(instance string, args []byte) *RunResult {
	c.mu.Lock()
	defer c.mu.Unlock()
	room := driver.MaxResult - len(c.value)
	cut := func(b []byte) []byte {
		b = b[:min(len(b), room)]
		room -= len(b)
		if len(b) == 0 {
			return nil
		}
		return append([]byte(nil), b...)
	}
	return &RunResult{Instance: instance, Args: args, Result: c.value, Stderr: cut(c.err), Stdout: cut(c.out)}
}
