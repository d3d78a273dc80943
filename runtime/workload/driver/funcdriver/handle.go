package funcdriver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// ExitCode is an error by which a function ends with a code of its own. It may
// be wrapped. Codes that no process could have become CodeError.
type ExitCode int

func (c ExitCode) Error() string { return "exit code " + strconv.Itoa(int(c)) }

// maxMetrics bounds the numbers that one instance publishes.
const maxMetrics = 256

// handle is one running function.
type handle struct {
	run    *driver.Run
	cancel context.CancelFunc
	done   chan struct{}
	exit   driver.Exit // written before done is closed

	life  sync.RWMutex // held shared while the run is called; taken before mu
	ended bool         // guarded by life

	mu      sync.Mutex
	metrics map[string]float64
	opened  []io.Closer // closed at the end
	results int
	fault   string // why the run fails whatever the function returns
}

// enter runs fn to its end. It is the instance's goroutine.
func (h *handle) enter(ctx context.Context, fn Func, t *Task, entered chan<- struct{}) {
	defer close(h.done)
	defer h.cancel()
	h.exit = driver.Exit{Code: driver.CodePanic, Reason: "the goroutine of the function exited"}
	defer func() {
		if v := recover(); v != nil {
			h.exit = panicked(t.Stderr(), v)
		}
		h.finish()
	}()
	close(entered)
	h.exit = exitOf(fn(ctx, t), t.Stderr())
}

// exitOf says how a function ended that returned err.
func exitOf(err error, stderr io.Writer) driver.Exit {
	if err == nil {
		return driver.Exit{}
	}
	if code, ok := errors.AsType[ExitCode](err); ok && code >= 0 && code <= 255 {
		return driver.Exit{Code: int(code)}
	}
	text := err.Error()
	fmt.Fprintln(stderr, text)
	return driver.Exit{Code: driver.CodeError, Reason: firstLine(text)}
}

// panicked says how a function ended that panicked with v, on the goroutine that recovered it.
func panicked(stderr io.Writer, v any) driver.Exit {
	text := fmt.Sprint(v)
	fmt.Fprintf(stderr, "panic: %s\n\n%s", text, debug.Stack())
	return driver.Exit{Code: driver.CodePanic, Reason: "panic: " + firstLine(text)}
}

// firstLine returns what of a text fits a reason.
func firstLine(text string) string {
	b := []byte(text)
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		b = b[:i]
	}
	return string(bytes.ToValidUTF8(b[:min(len(b), 200)], nil))
}

// finish cuts the task off from the run and closes what it left open.
func (h *handle) finish() {
	h.life.Lock()
	h.ended = true
	h.life.Unlock()
	h.mu.Lock()
	opened := h.opened
	h.opened = nil
	if h.fault != "" && h.exit.Code == 0 {
		h.exit = driver.Exit{Code: driver.CodeError, Reason: h.fault}
	}
	h.exit.At = time.Now()
	h.mu.Unlock()
	for _, c := range opened {
		_ = c.Close() // most are closed already
	}
}

// keep remembers what is to be closed at the end. It refuses when that has come.
func (h *handle) keep(c io.Closer) error {
	h.life.RLock()
	defer h.life.RUnlock()
	if h.ended {
		_ = c.Close()
		return atoll.Errorf(atoll.FailedState, "funcdriver.Task", "the instance has ended")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.opened = append(h.opened, c)
	return nil
}

// result checks a result and passes it on.
func (h *handle) result(v json.RawMessage) error {
	h.life.RLock()
	defer h.life.RUnlock()
	if err := h.checkResult(v); err != nil {
		return err
	}
	return h.run.Result(v)
}

// checkResult counts a result and says what is wrong with it, if the run fails of that.
func (h *handle) checkResult(v json.RawMessage) error {
	const op = "funcdriver.Result"
	h.mu.Lock()
	defer h.mu.Unlock()
	var err *atoll.Error
	switch {
	case h.ended:
		return atoll.Errorf(atoll.FailedState, op, "the instance has ended")
	case h.run.Result == nil:
		return atoll.Errorf(atoll.FailedState, op, "nobody asked for a result")
	case h.results > 0:
		err = atoll.Errorf(atoll.FailedState, op, "a run has one result")
	case len(v) > driver.MaxResult:
		err = atoll.Errorf(atoll.TooLarge, op, "the result has %d bytes, more than %d", len(v), driver.MaxResult)
	case !json.Valid(v):
		err = atoll.Errorf(atoll.Invalid, op, "the result is not JSON")
	}
	h.results++
	if err != nil {
		h.fault = err.Msg
		return err
	}
	return nil
}

// metric keeps a number and passes it on.
func (h *handle) metric(name string, value float64) {
	h.life.RLock()
	defer h.life.RUnlock()
	if !h.ended && h.setMetric(name, value) && h.run.Metric != nil {
		h.run.Metric(name, value)
	}
}

// setMetric reports whether there is room for the number.
func (h *handle) setMetric(name string, value float64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.metrics[name]; !ok && len(h.metrics) >= maxMetrics {
		return false
	}
	if h.metrics == nil {
		h.metrics = map[string]float64{}
	}
	h.metrics[name] = value
	return true
}

// Done is closed when the function has returned.
func (h *handle) Done() <-chan struct{} { return h.done }

// Exit is empty until Done is closed.
func (h *handle) Exit() driver.Exit {
	select {
	case <-h.done:
		return h.exit
	default:
		return driver.Exit{}
	}
}

// Stop cancels the function's context.
func (h *handle) Stop(context.Context) error {
	h.cancel()
	return nil
}

// Kill cancels the function's context: there is no more that can be done to a function.
func (h *handle) Kill() error {
	h.cancel()
	return nil
}

// Stats returns the numbers that the function published. A function shares
// processor and memory with all others, so those are not known.
func (h *handle) Stats(context.Context) (driver.Stats, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return driver.Stats{Metrics: maps.Clone(h.metrics)}, nil
}
