package funcdriver

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

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

// defaults returns a copy of the image that the caller may keep.
func (e *entry) defaults() driver.Image {
	image := e.image
	image.Ports, image.Env = slices.Clone(image.Ports), maps.Clone(image.Env)
	return image
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
	e := &entry{fn: fn, image: image}
	e.image = e.defaults() // the caller's slices and maps stay the caller's
	d.funcs[name] = e
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
		return e.defaults(), nil
	}
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		if e, ok := d.lookup(name[:i]); ok {
			return e.defaults(), nil
		}
	}
	return driver.Image{}, atoll.Errorf(atoll.Reference, "funcdriver.Image", "no function %.100q is registered", name)
}

// Start enters the function of the template on a goroutine of its own, and
// returns when it is entered. Values of ctx do not reach the function.
func (d *Driver) Start(ctx context.Context, r *driver.Run) (driver.Handle, error) {
	if r == nil || r.Template == nil {
		return nil, &driver.StartError{Code: driver.CodeNotFound, Reason: "no function is named"}
	}
	e, ok := d.lookup(r.Template.Func)
	if !ok {
		return nil, &driver.StartError{Code: driver.CodeNotFound, Reason: fmt.Sprintf("no function %.100q is registered", r.Template.Func)}
	}
	if err := ctx.Err(); err != nil {
		return nil, &driver.StartError{Code: driver.CodeError, Reason: "the start was cancelled", Err: err}
	}
	run, cancel := context.WithCancel(context.Background())
	h := &handle{run: r, cancel: cancel, done: make(chan struct{})}
	t := &Task{h: h, stdout: stream{h, r.Stdout}, stderr: stream{h, r.Stderr}}
	entered := make(chan struct{})
	go h.enter(run, e.fn, t, entered)
	<-entered
	return h, nil
}
