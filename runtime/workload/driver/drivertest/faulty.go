package drivertest

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// Verb is a method of a driver or a handle that somebody called.
type Verb uint8

// The verbs of a Call.
const (
	VerbStart Verb = iota + 1
	VerbStop
	VerbKill
	VerbStats
	VerbCheck
)

var verbs = [...]string{"unknown", "start", "stop", "kill", "stats", "check"}

func (v Verb) String() string {
	if int(v) < len(verbs) {
		return verbs[v]
	}
	return verbs[0]
}

// Call is one call of a Faulty driver.
type Call struct {
	N        int // calls of this verb so far, from 1
	Verb     Verb
	Instance string
	Workload string
	Attempt  int // of the run the call is about
	Slot     int
	At       time.Time
}

// Fault is how one call of Start, and the instance that it starts, behave. The
// zero Fault is a good instance: it starts at once, runs until it is stopped
// or killed, and then ends with code 0 or 137.
type Fault struct {
	StartDelay time.Duration // how long Start takes; it ends early with its context
	StartDeaf  bool          // Start does not look at its context
	StartHang  bool          // Start returns only when its context ends, with StartDeaf never, unless Faulty.Release is called
	StartErr   error         // what Start returns instead of a handle
	StartPanic any           // what Start panics with

	Output string        // written to Stdout once started
	Result string        // JSON handed to Run.Result once started, "" = none
	After  time.Duration // after this the instance ends by itself, if Ends is set
	Ends   bool          // the instance ends by itself
	Exit   driver.Exit   // how, when it ends by itself; At is filled in

	IgnoreStop bool          // Stop does nothing
	StopDelay  time.Duration // from Stop to the end
	StopExit   driver.Exit   // how it ends when stopped
	StopErr    error         // what Stop returns; it does nothing then
	StopPanic  any
	IgnoreKill bool // Kill does nothing: the instance is abandoned, unless Faulty.End ends it
	KillErr    error
	KillPanic  any
	Forget     bool // Done never closes, whatever happens

	Stats      driver.Stats
	StatsErr   error
	StatsPanic any
	StatsHang  bool // Stats returns only when its context ends
}

// Faulty is a driver that behaves as its script says. It is safe for
// concurrent use. Make one with NewFaulty.
type Faulty struct {
	name   string
	can    driver.Capabilities
	script func(Call) Fault
	freed  chan struct{}

	mu       sync.Mutex
	checkErr error
	calls    []Call
	counts   [len(verbs)]int
	live     []*faultyHandle
	once     sync.Once
}

// maxCalls bounds the history: the oldest half is dropped beyond it.
const maxCalls = 1 << 17

// NewFaulty returns a driver of that name. script is asked once for every
// Start, by one goroutine at a time, and says what becomes of it; nil makes
// every instance a good one.
func NewFaulty(name string, script func(Call) Fault) *Faulty {
	if script == nil {
		script = func(Call) Fault { return Fault{} }
	}
	return &Faulty{name: name, script: script, freed: make(chan struct{}), can: driver.Capabilities{RunOnce: true}}
}

// Always returns a script that gives every start the same fault.
func Always(f Fault) func(Call) Fault { return func(Call) Fault { return f } }

// InTurn returns a script that gives the first start the first fault, the
// second start the second, and every further one the last.
func InTurn(faults ...Fault) func(Call) Fault {
	return func(c Call) Fault {
		if len(faults) == 0 {
			return Fault{}
		}
		return faults[min(c.N, len(faults))-1]
	}
}

// Declare sets what Can returns. Call it before the driver is used.
func (f *Faulty) Declare(c driver.Capabilities) { f.can = c }

// Refuse makes Check return err from now on, nil accepts every template again.
func (f *Faulty) Refuse(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.checkErr = err
}

// Name returns the name given to NewFaulty.
func (f *Faulty) Name() string { return f.name }

// Can returns what Declare set: single runs alone, if it was not called.
func (f *Faulty) Can() driver.Capabilities { return f.can }

// Reaches reports whether m is this machine.
func (f *Faulty) Reaches(m *fleet.Machine) bool { return m.Local }

// Check returns what Refuse set.
func (f *Faulty) Check(*driver.Template) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note(Call{Verb: VerbCheck})
	return f.checkErr
}

// note counts and records a call. The caller holds f.mu.
func (f *Faulty) note(c Call) Call {
	f.counts[c.Verb]++
	c.N, c.At = f.counts[c.Verb], time.Now()
	if len(f.calls) >= maxCalls {
		f.calls = slices.Delete(f.calls, 0, maxCalls/2)
	}
	f.calls = append(f.calls, c)
	return c
}

// Start does what the script says.
func (f *Faulty) Start(ctx context.Context, r *driver.Run) (driver.Handle, error) {
	f.mu.Lock()
	c := f.note(Call{Verb: VerbStart, Instance: r.Instance, Workload: r.Workload, Attempt: r.Attempt, Slot: r.Slot})
	fault := f.script(c)
	f.mu.Unlock()

	if err := f.hold(ctx, &fault); err != nil {
		return nil, &driver.StartError{Code: driver.CodeError, Reason: "the start was cancelled", Err: err}
	}
	if fault.StartPanic != nil {
		panic(fault.StartPanic)
	}
	if fault.StartErr != nil {
		return nil, fault.StartErr
	}
	h := &faultyHandle{f: f, fault: fault, call: c, done: make(chan struct{})}
	f.mu.Lock()
	f.live = append(f.live, h)
	f.mu.Unlock()
	if fault.Output != "" && r.Stdout != nil {
		_, _ = io.WriteString(r.Stdout, fault.Output)
	}
	if fault.Result != "" && r.Result != nil {
		_ = r.Result([]byte(fault.Result))
	}
	if fault.Ends {
		h.endAfter(fault.After, fault.Exit)
	}
	return h, nil
}

// hold takes the time that a start takes.
func (f *Faulty) hold(ctx context.Context, fault *Fault) error {
	ended := ctx.Done()
	if fault.StartDeaf {
		ended = nil
	}
	switch {
	case fault.StartHang:
		select {
		case <-f.freed:
			return nil
		case <-ended:
			return ctx.Err()
		}
	case fault.StartDelay > 0:
		t := time.NewTimer(fault.StartDelay)
		defer t.Stop()
		select {
		case <-t.C:
			return nil
		case <-ended:
			return ctx.Err()
		}
	case fault.StartDeaf:
		return nil
	}
	return ctx.Err()
}

// Calls returns what was called so far, in order.
func (f *Faulty) Calls() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// Count returns how often v was called.
func (f *Faulty) Count(v Verb) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if int(v) >= len(f.counts) {
		return 0
	}
	return f.counts[v]
}

// Running returns the starts whose instances have not ended, in order of their start.
func (f *Faulty) Running() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := make([]Call, len(f.live))
	for i, h := range f.live {
		calls[i] = h.call
	}
	return calls
}

// End ends the newest running instance of that id from outside, as a crash or
// a signal would, even one that forgets or ignores everything. It reports
// whether there was one.
func (f *Faulty) End(instance string, exit driver.Exit) bool {
	f.mu.Lock()
	var found *faultyHandle
	for _, h := range slices.Backward(f.live) {
		if h.call.Instance == instance {
			found = h
			break
		}
	}
	f.mu.Unlock()
	if found == nil {
		return false
	}
	found.end(exit, true)
	return true
}

// Release frees every hanging Start and ends every running instance, so that a
// test leaves nothing behind. The driver starts no further hang afterwards.
func (f *Faulty) Release() {
	f.once.Do(func() { close(f.freed) })
	f.mu.Lock()
	live := slices.Clone(f.live)
	f.mu.Unlock()
	for _, h := range live {
		h.end(driver.Exit{Code: driver.CodeKilled, Signal: "SIGKILL", Reason: "released"}, true)
	}
}

func (f *Faulty) called(v Verb, h *faultyHandle) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := h.call
	c.Verb = v
	f.note(c)
}

func (f *Faulty) drop(h *faultyHandle) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.live = slices.DeleteFunc(f.live, func(o *faultyHandle) bool { return o == h })
}

// faultyHandle is an instance of a Faulty.
type faultyHandle struct {
	f     *Faulty
	fault Fault
	call  Call
	done  chan struct{}

	mu      sync.Mutex
	timers  []*time.Timer
	ended   bool
	stopped bool
	exit    driver.Exit
}

func (h *faultyHandle) Done() <-chan struct{} { return h.done }

func (h *faultyHandle) Exit() driver.Exit {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.exit
}

func (h *faultyHandle) endAfter(d time.Duration, exit driver.Exit) {
	if d <= 0 {
		h.end(exit, false)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.ended {
		h.timers = append(h.timers, time.AfterFunc(d, func() { h.end(exit, false) }))
	}
}

func (h *faultyHandle) end(exit driver.Exit, force bool) {
	h.mu.Lock()
	if h.ended || (h.fault.Forget && !force) {
		h.mu.Unlock()
		return
	}
	h.ended = true
	for _, t := range h.timers {
		t.Stop()
	}
	h.timers = nil
	if exit.At.IsZero() {
		exit.At = time.Now()
	}
	h.exit = exit
	h.mu.Unlock()
	h.f.drop(h)
	close(h.done)
}

func (h *faultyHandle) Stop(context.Context) error {
	h.f.called(VerbStop, h)
	if h.fault.StopPanic != nil {
		panic(h.fault.StopPanic)
	}
	if h.fault.StopErr != nil {
		return h.fault.StopErr
	}
	h.mu.Lock()
	again := h.stopped
	h.stopped = true
	h.mu.Unlock()
	if !again && !h.fault.IgnoreStop {
		h.endAfter(h.fault.StopDelay, h.fault.StopExit)
	}
	return nil
}

func (h *faultyHandle) Kill() error {
	h.f.called(VerbKill, h)
	if h.fault.KillPanic != nil {
		panic(h.fault.KillPanic)
	}
	if h.fault.KillErr != nil {
		return h.fault.KillErr
	}
	if !h.fault.IgnoreKill {
		h.end(driver.Exit{Code: driver.CodeKilled, Signal: "SIGKILL"}, false)
	}
	return nil
}

func (h *faultyHandle) Stats(ctx context.Context) (driver.Stats, error) {
	h.f.called(VerbStats, h)
	if h.fault.StatsPanic != nil {
		panic(h.fault.StatsPanic)
	}
	if h.fault.StatsHang {
		select {
		case <-ctx.Done():
			return driver.Stats{}, fmt.Errorf("stats of %s: %w", h.call.Instance, ctx.Err())
		case <-h.f.freed:
		}
	}
	return h.fault.Stats, h.fault.StatsErr
}
