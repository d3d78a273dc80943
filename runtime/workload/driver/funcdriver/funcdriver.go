package funcdriver

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// Func is a function that can be run as a workload. It returns when its work
// is done or ctx has ended.
type Func func(ctx context.Context, t *Task) error

// Driver runs registered functions. Make one with New.
type Driver struct {
	mu    sync.RWMutex
	funcs map[string]*entry
}

type entry struct {
	fn    Func
	image driver.Image
}

// New returns a Driver without functions.
func New() *Driver { return &Driver{funcs: map[string]*entry{}} }

// Register makes fn known under name, which may have the form of an image
// name such as "demo/hello". image is what a workload gets that leaves those
// parts out. A name that is taken is a Conflict, an empty one Invalid.
func (d *Driver) Register(name string, fn Func, image driver.Image) error {
	const op = "funcdriver.Register"
	if name == "" || fn == nil {
		return atoll.Errorf(atoll.Invalid, op, "a function needs a name and a body")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.funcs[name]; ok {
		return &atoll.Error{Kind: atoll.Conflict, Code: atoll.Exists, Op: op, Msg: fmt.Sprintf("function %q is registered already", name)}
	}
	d.funcs[name] = &entry{fn: fn, image: image}
	return nil
}

// Names returns the registered names, sorted.
func (d *Driver) Names() []string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return slices.Sorted(maps.Keys(d.funcs))
}

func (d *Driver) lookup(name string) (*entry, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	e, ok := d.funcs[name]
	return e, ok
}

// Name returns "func".
func (d *Driver) Name() string { return "func" }

// Can says that functions can be run once.
func (d *Driver) Can() driver.Capabilities { return driver.Capabilities{RunOnce: true} }

// Reaches reports whether m is this machine.
func (d *Driver) Reaches(m *fleet.Machine) bool { return m.Local }

// Check wants the name of a registered function. Reference names the missing one.
func (d *Driver) Check(t *driver.Template) error {
	if _, ok := d.lookup(t.Func); ok {
		return nil
	}
	return &atoll.Error{Kind: atoll.Reference, Op: "funcdriver.Check", Msg: fmt.Sprintf("no function %.100q is registered", t.Func),
		Subject:  atoll.Subject{Type: "function", ID: t.Func},
		Findings: []atoll.Finding{{Path: "func", Code: "unknown", Msg: fmt.Sprintf("no function %.100q is registered", t.Func)}}}
}

// Image returns the defaults that the function of that name was registered with; a tag is ignored.
func (d *Driver) Image(_ context.Context, name string) (driver.Image, error) {
	if e, ok := d.lookup(name); ok {
		return e.image, nil
	}
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		if e, ok := d.lookup(name[:i]); ok {
			return e.image, nil
		}
	}
	return driver.Image{}, atoll.Errorf(atoll.Reference, "funcdriver.Image", "no function %.100q is registered", name)
}

// Start enters the function of the template on a goroutine of its own.
func (d *Driver) Start(ctx context.Context, r *driver.Run) (driver.Handle, error) {
	e, ok := d.lookup(r.Template.Func)
	if !ok {
		return nil, &driver.StartError{Code: driver.CodeNotFound, Reason: fmt.Sprintf("no function %.100q is registered", r.Template.Func)}
	}
	if err := ctx.Err(); err != nil {
		return nil, &driver.StartError{Code: driver.CodeError, Reason: "the start was cancelled", Err: err}
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	h := &handle{cancel: cancel, done: make(chan struct{}), started: time.Now(), metrics: map[string]float64{}}
	t := &Task{run: r, h: h}
	entered := make(chan struct{})
	go h.run(run, e.fn, t, entered)
	<-entered
	return h, nil
}

type handle struct {
	cancel  context.CancelFunc
	done    chan struct{}
	started time.Time
	exit    driver.Exit // written before done is closed
	killed  atomic.Bool

	mu      sync.Mutex
	metrics map[string]float64
}

func (h *handle) run(ctx context.Context, fn Func, t *Task, entered chan struct{}) {
	defer close(h.done)
	defer h.cancel()
	h.exit = driver.Exit{Code: driver.CodePanic, Reason: "the function did not return"} // Goexit leaves it so
	defer func() {
		if v := recover(); v != nil {
			fmt.Fprintf(t.run.Stderr, "panic: %v\n\n%s", v, debug.Stack())
			h.exit = driver.Exit{Code: driver.CodePanic, Reason: fmt.Sprintf("panic: %.200v", v)}
		}
		h.exit.At = time.Now()
	}()
	close(entered)
	if err := fn(ctx, t); err != nil {
		fmt.Fprintln(t.run.Stderr, err)
		h.exit = driver.Exit{Code: driver.CodeError, Reason: err.Error()}
		if code, ok := err.(ExitCode); ok {
			h.exit = driver.Exit{Code: int(code)}
		}
		return
	}
	h.exit = driver.Exit{}
}

// ExitCode is an error by which a function ends with a code of its own.
type ExitCode int

func (c ExitCode) Error() string { return "exit code " + strconv.Itoa(int(c)) }

func (h *handle) Done() <-chan struct{} { return h.done }

func (h *handle) Exit() driver.Exit {
	select {
	case <-h.done:
		return h.exit
	default:
		return driver.Exit{}
	}
}

func (h *handle) Stop(context.Context) error {
	h.cancel()
	return nil
}

// Kill cancels the function's context: there is no more that can be done to a function.
func (h *handle) Kill() error {
	h.killed.Store(true)
	h.cancel()
	return nil
}

func (h *handle) Stats(context.Context) (driver.Stats, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return driver.Stats{Metrics: maps.Clone(h.metrics)}, nil
}

// Task is what a running function sees of its workload. Its methods are safe
// for concurrent use.
type Task struct {
	run *driver.Run
	h   *handle
}

// Stdout and Stderr go to the instance's log. Writes never block and never fail.
func (t *Task) Stdout() io.Writer { return t.run.Stdout }

// Stderr is the standard error of the instance.
func (t *Task) Stderr() io.Writer { return t.run.Stderr }

// Logger returns a logger that writes lines of text to Stdout.
func (t *Task) Logger() *slog.Logger { return slog.New(slog.NewTextHandler(t.run.Stdout, nil)) }

// Getenv returns a variable of the instance's environment, "" if it is not set.
func (t *Task) Getenv(name string) string {
	for _, kv := range slices.Backward(t.run.Env) {
		if k, v, ok := strings.Cut(kv, "="); ok && k == name {
			return v
		}
	}
	return ""
}

// Environ returns the whole environment, "NAME=value".
func (t *Task) Environ() []string { return slices.Clone(t.run.Env) }

// Command returns the command and its arguments as the spec has them.
func (t *Task) Command() []string {
	if len(t.run.Proc.Argv) > 0 {
		return slices.Clone(t.run.Proc.Argv)
	}
	return strings.Fields(t.run.Proc.Shell)
}

// Instance, Workload and Slot say which copy this is.
func (t *Task) Instance() string { return t.run.Instance }

// Workload is the id of the workload.
func (t *Task) Workload() string { return t.run.Workload }

// Slot is the number of the copy, -1 for a single run.
func (t *Task) Slot() int { return t.run.Slot }

// Config and Args are JSON from the spec and from whoever asked for a single run.
func (t *Task) Config() json.RawMessage { return t.run.Config }

// Args is the input of a single run.
func (t *Task) Args() json.RawMessage { return t.run.Args }

// Ports returns where this instance may listen.
func (t *Task) Ports() []driver.Bound { return slices.Clone(t.run.Ports) }

// Listen listens on the port that the workload declares under that number.
func (t *Task) Listen(number int) (net.Listener, error) {
	for _, p := range t.run.Ports {
		if p.Number == number && p.Proto != "udp" {
			return net.Listen("tcp", net.JoinHostPort(p.Host, strconv.Itoa(p.Outer)))
		}
	}
	return nil, atoll.Errorf(atoll.NotFound, "funcdriver.Listen", "the workload declares no port %d", number)
}

// Dir opens the instance's private directory. The caller closes it. NotFound
// if the workload has none.
func (t *Task) Dir() (*os.Root, error) {
	if t.run.Dir == "" {
		return nil, atoll.Errorf(atoll.NotFound, "funcdriver.Dir", "the workload has no directory")
	}
	return os.OpenRoot(t.run.Dir)
}

// Result hands over the result of a single run, once.
func (t *Task) Result(v json.RawMessage) error {
	if t.run.Result == nil {
		return atoll.Errorf(atoll.FailedState, "funcdriver.Result", "nobody asked for a result")
	}
	return t.run.Result(v)
}

// Metric publishes a number of this instance. At most 256 names are kept.
func (t *Task) Metric(name string, value float64) {
	t.h.mu.Lock()
	if _, ok := t.h.metrics[name]; ok || len(t.h.metrics) < 256 {
		t.h.metrics[name] = value
	}
	t.h.mu.Unlock()
	if t.run.Metric != nil {
		t.run.Metric(name, value)
	}
}
