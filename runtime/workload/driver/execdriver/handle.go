//go:build linux

package execdriver

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// handle is one running process group.
type handle struct {
	d       *Driver
	run     *driver.Run
	process *process
	out     *pumps
	done    chan struct{}
	exit    driver.Exit // written before done is closed
	file    string      // the record of the run; "" = none

	protect  *time.Timer // runs protectNow; nil = was not started
	watching sync.Mutex  // held while the instance is looked at

	mu      sync.Mutex
	ending  bool   // the first process has ended: nothing more is started in the group
	ended   bool   // the number of the group is free: no signal may be sent
	stopped bool   // Stop was called
	reason  string // why the driver killed the instance
	helpers sync.WaitGroup

	statsMu sync.Mutex
	stats   driver.Stats
}

// Done is closed when the group is dead and all that it wrote is delivered.
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

// signal sends signals to the whole group, while there is one.
func (h *handle) signal(sigs ...syscall.Signal) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.send(sigs...)
}

// send is signal for a caller that holds h.mu.
func (h *handle) send(sigs ...syscall.Signal) error {
	if h.ended {
		return nil
	}
	for _, sig := range sigs {
		if err := syscall.Kill(-h.process.pid, sig); err != nil && err != syscall.ESRCH {
			return atoll.Errorf(atoll.Failed, "execdriver.Handle", "the process group cannot be signalled: %w", err)
		}
	}
	return nil
}

// Kill sends SIGKILL to the whole group.
func (h *handle) Kill() error { return h.signal(syscall.SIGKILL) }

// kill is Kill by the driver, for a reason that the exit will name.
func (h *handle) kill(reason string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reason == "" && !h.ending {
		h.reason = reason
	}
	_ = h.send(syscall.SIGKILL)
}

// Stop runs the stop command of the spec, or else sends SIGTERM to the whole
// group, once. A group that was suspended goes on, so that it can end. A stop
// command that fails or takes too long is followed by SIGTERM.
func (h *handle) Stop(context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped || h.ending {
		return nil
	}
	h.stopped = true
	if h.run.Proc.StopShell == "" && len(h.run.Proc.StopArgv) == 0 {
		return h.terminate()
	}
	h.helpers.Add(1)
	go func() {
		defer h.helpers.Done()
		if err := h.stopCommand(); err != nil {
			if h.run.Stderr != nil {
				fmt.Fprintf(h.run.Stderr, "[platform] stop command: %v\n", err)
			}
			h.mu.Lock()
			defer h.mu.Unlock()
			_ = h.terminate()
		}
	}()
	return nil
}

// terminate asks the group to end. The caller holds h.mu.
func (h *handle) terminate() error { return h.send(syscall.SIGTERM, syscall.SIGCONT) }

// stopCommand runs the stop command inside the group, so that it ends with it.
func (h *handle) stopCommand() error {
	c, err := newCommand(h.run, h.run.Proc.StopShell, h.run.Proc.StopArgv)
	if err != nil {
		return err
	}
	c.group, c.limits = h.process.pid, h.d.limits(h.run)
	out, err := openPumps(c, h.run.Stdout, h.run.Stderr)
	if err != nil {
		return err
	}
	p, err := h.d.spawn(context.Background(), c)
	out.started()
	defer out.end()
	if err != nil {
		return c.explain(err)
	}
	h.mu.Lock()
	if h.ending { // the group was killed before this process joined it
		_ = syscall.Kill(p.pid, syscall.SIGKILL)
	}
	h.mu.Unlock()
	late := p.awaitEnd(time.Now().Add(h.d.opts.StopTimeout))
	if late != nil {
		_ = syscall.Kill(p.pid, syscall.SIGKILL)
		_ = p.awaitEnd(time.Time{})
	}
	h.mu.Lock()
	ending := h.ending
	h.mu.Unlock()
	status, _ := p.collect()
	switch {
	case ending: // it did what it should, or died with its group
		return nil
	case late != nil:
		return fmt.Errorf("no end after %v", h.d.opts.StopTimeout)
	case status.Exited() && status.ExitStatus() == 0:
		return nil
	}
	e := exitOf(status)
	return fmt.Errorf("ended with code %d", e.Code)
}

// shortLife is how long an instance is protected from the end of the platform
// by the kernel's signal to its first process alone. Most that crash at once,
// or do one small thing, end sooner, and the rest is dear beside that.
const shortLife = 10 * time.Millisecond

func (h *handle) protectLater() { h.protect = time.AfterFunc(shortLife, h.protectNow) }

// protectNow has the instance guarded and records it.
func (h *handle) protectNow() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ending {
		return
	}
	h.d.guard.add(h.process.pid)
	if err := h.record(); err != nil { // then a later platform would not find it
		h.reason = fmt.Sprintf("killed: its record cannot be written: %v", err)
		_ = h.send(syscall.SIGKILL)
	}
}

// wait sees the instance to its end. It returns when nothing of it is left.
func (h *handle) wait() {
	pid := h.process.pid
	_ = h.process.awaitEnd(time.Time{})
	h.mu.Lock()
	h.ending = true
	_ = h.send(syscall.SIGKILL) // the rest of the group; the number is taken as long as nobody waited
	h.mu.Unlock()
	if h.protect != nil {
		h.protect.Stop()
	}
	h.helpers.Wait()
	h.d.guard.remove(pid)
	h.mu.Lock()
	h.ended = true
	status, usage := h.process.collect()
	h.mu.Unlock()
	clean := groupGone(pid)
	h.out.end()
	h.unrecord()
	h.d.watch.remove(h)
	h.watching.Lock() // a look under way is over
	defer h.watching.Unlock()

	h.exit = exitOf(status)
	h.exit.Reason, h.exit.At = h.reason, time.Now()
	if !clean {
		h.exit.Reason = "a process of the instance cannot be killed"
	}
	h.statsMu.Lock()
	defer h.statsMu.Unlock()
	h.stats.PID = 0
	h.stats.CPU = max(h.stats.CPU, time.Duration(usage.Utime.Nano()+usage.Stime.Nano()))
	if h.stats.Memory == 0 {
		h.stats.Memory = int64(usage.Maxrss) << 10
	}
}

// exitOf says how a process ended.
func exitOf(status syscall.WaitStatus) driver.Exit {
	if status.Signaled() {
		return driver.Exit{Code: 128 + int(status.Signal()), Signal: signalName(status.Signal())}
	}
	return driver.Exit{Code: status.ExitStatus()}
}

// Stats measures the whole group: its first process, processor time and
// resident memory. After the end it returns the last values, and no process.
func (h *handle) Stats(ctx context.Context) (driver.Stats, error) {
	if err := ctx.Err(); err != nil {
		return driver.Stats{}, atoll.Wrap("execdriver.Stats", err)
	}
	var now usage
	for _, m := range members(h.process.pid) {
		now.add(m)
	}
	h.mu.Lock()
	over := h.ending
	h.mu.Unlock()
	h.statsMu.Lock()
	defer h.statsMu.Unlock()
	if !over { // the group was this one all the while
		h.stats.PID = h.process.pid
		h.stats.CPU = max(h.stats.CPU, now.cpu)
		h.stats.Memory = now.memory
	} else {
		h.stats.PID = 0
	}
	return h.stats, nil
}
