//go:build linux

package execdriver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	goruntime "runtime"
	"sync"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// linger is how long the thread and the guard outlive the last instance.
const linger = time.Second

// Driver runs processes. It is safe for concurrent use. Make one with New.
type Driver struct {
	opts  Options
	guard guard
	watch watch

	mu     sync.Mutex
	closed bool
	live   map[*handle]struct{}
	users  int           // starts under way and instances
	jobs   chan func()   // to the thread; nil = there is none
	idle   *time.Timer   // ends the thread
	gone   chan struct{} // closed when the thread has ended
	none   chan struct{} // closed by the last user after Close
}

// New returns a Driver. It starts nothing. Unavailable on systems other than Linux.
func New(opts Options) (*Driver, error) {
	d := &Driver{opts: opts.withDefaults(), live: map[*handle]struct{}{}, none: make(chan struct{})}
	d.watch.every = d.opts.CheckEvery
	return d, nil
}

// Close kills all instances and waits until they have ended, at most until ctx
// does. Starts fail from then on. A Driver without instances keeps nothing
// open for long, so it need not be closed.
func (d *Driver) Close(ctx context.Context) error {
	d.mu.Lock()
	first := !d.closed
	d.closed = true
	var live []*handle
	for h := range d.live {
		live = append(live, h)
	}
	if d.users == 0 {
		d.rest()
		if first {
			close(d.none)
		}
	}
	d.mu.Unlock()
	for _, h := range live {
		_ = h.Kill()
	}
	select {
	case <-d.none:
	case <-ctx.Done():
		return atoll.Wrap("execdriver.Close", ctx.Err())
	}
	d.mu.Lock()
	gone := d.gone
	d.mu.Unlock()
	if gone != nil {
		<-gone
	}
	return nil
}

// enter counts a user and makes sure that there is a thread.
func (d *Driver) enter() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return atoll.Errorf(atoll.Unavailable, "execdriver.Start", "the driver is closed")
	}
	d.users++
	if d.idle != nil {
		d.idle.Stop()
	}
	if d.jobs == nil {
		d.jobs, d.gone = make(chan func()), make(chan struct{})
		go d.thread(d.jobs, d.gone)
	}
	return nil
}

// leave takes back an enter.
func (d *Driver) leave(h *handle) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.live, h)
	if d.users--; d.users > 0 {
		return
	}
	switch {
	case d.closed:
		d.rest()
		close(d.none)
	case d.idle == nil:
		d.idle = time.AfterFunc(linger, func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			if d.users == 0 {
				d.rest()
			}
		})
	default:
		d.idle.Reset(linger)
	}
}

// rest ends the thread. The caller holds d.mu, and there are no users.
func (d *Driver) rest() {
	if d.idle != nil {
		d.idle.Stop()
	}
	if d.jobs != nil {
		close(d.jobs)
		d.jobs = nil
	}
}

// thread starts processes, one after the other, from one thread of the system:
// the kernel kills each when the thread that started it ends, and this one
// ends with the platform, or when none of them is left.
func (d *Driver) thread(jobs <-chan func(), gone chan<- struct{}) {
	defer close(gone)
	goruntime.LockOSThread()
	defer goruntime.UnlockOSThread()
	defer d.guard.close()
	for job := range jobs {
		job()
	}
}

// spawn starts a process on the thread. When ctx ends first, what comes of it
// is killed, and the error is the context's.
func (d *Driver) spawn(ctx context.Context, c *command) (*process, error) {
	type result struct {
		p   *process
		err error
	}
	results := make(chan result, 1)
	d.mu.Lock()
	jobs := d.jobs // stays: the caller is a user
	d.mu.Unlock()
	job := func() {
		p, err := c.spawn()
		results <- result{p, err}
	}
	select {
	case jobs <- job:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	r := <-results // the system does not let a start be cancelled, and it is short
	return r.p, r.err
}

// Start starts the command of a process. It returns when the command itself
// runs, that is after the exec. A *StartError says that it could not be found
// (127), not be executed (126), or what else was in the way (1).
func (d *Driver) Start(ctx context.Context, r *driver.Run) (driver.Handle, error) {
	if err := ctx.Err(); err != nil {
		return nil, cancelled(err)
	}
	if err := d.enter(); err != nil {
		return nil, err
	}
	h, err := d.start(ctx, r)
	if err != nil {
		d.leave(nil)
		return nil, err
	}
	return h, nil
}

func cancelled(err error) error {
	return &driver.StartError{Code: driver.CodeError, Reason: "the start was cancelled", Err: err}
}

func (d *Driver) start(ctx context.Context, r *driver.Run) (*handle, error) {
	c, err := newCommand(r, r.Proc.Shell, r.Proc.Argv)
	if err != nil {
		return nil, err
	}
	c.limits = d.limits(r)
	out, err := openPumps(c, r.Stdout, r.Stderr)
	if err != nil {
		return nil, failed("no pipe for the output", err)
	}
	p, err := d.spawn(ctx, c)
	out.started()
	if err != nil {
		out.end()
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return nil, cancelled(err)
		}
		return nil, c.explain(err)
	}
	h := &handle{d: d, run: r, process: p, out: out, done: make(chan struct{})}
	if err := ctx.Err(); err != nil {
		_ = h.Kill()
		h.wait()
		return nil, cancelled(err)
	}
	d.mu.Lock()
	d.live[h] = struct{}{}
	closed := d.closed
	d.mu.Unlock()
	if closed {
		_ = h.Kill()
	}
	d.watch.add(h)
	h.protectLater()
	go func() {
		h.wait()
		d.leave(h)
		close(h.done)
	}()
	return h, nil
}

func failed(reason string, err error) error {
	return &driver.StartError{Code: driver.CodeError, Reason: reason, Err: err}
}

// limits returns the limits on each single process of a run.
func (d *Driver) limits(r *driver.Run) []limit {
	var ls []limit
	add := func(resource int, n int64) {
		if n > 0 {
			ls = append(ls, limit{resource, uint64(n)})
		}
	}
	size := d.opts.FileSize
	if disk := r.Limits.Disk; disk > 0 && (size == 0 || disk < size) {
		size = disk
	}
	add(limitFileSize, size)
	// Room that is reserved is not memory in use, so a process may have twice
	// as much; what the instance really uses is watched.
	add(limitData, 2*r.Limits.Memory)
	add(limitCPU, int64((d.opts.CPUTime+time.Second-1)/time.Second))
	add(limitOpenFiles, d.opts.OpenFiles)
	add(limitProcesses, d.opts.Processes)
	return ls
}

// localDir reports whether a directory of a spec stays below the instance's.
func localDir(dir string) bool { return dir == "" || filepath.IsLocal(dir) }

// workDir returns where a run's processes start.
func workDir(r *driver.Run) (string, error) {
	if !localDir(r.Proc.Dir) {
		return "", &driver.StartError{Code: driver.CodeNotExecutable, Reason: fmt.Sprintf("the working directory %.100q is not below the instance's", r.Proc.Dir)}
	}
	if r.Dir == "" {
		return "/", nil
	}
	root, err := os.OpenRoot(r.Dir)
	if err != nil {
		return "", failed("the directory of the instance cannot be opened", err)
	}
	defer root.Close()
	if r.Proc.Dir == "" {
		return r.Dir, nil
	}
	if info, err := root.Stat(r.Proc.Dir); err != nil || !info.IsDir() {
		return "", &driver.StartError{Code: driver.CodeNotExecutable, Reason: fmt.Sprintf("the working directory %.100q is not there", r.Proc.Dir), Err: err}
	}
	return filepath.Join(r.Dir, r.Proc.Dir), nil
}
