package workload

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// Bounds of what a runner waits for.
const (
	killWait      = 2 * time.Second // for an end after a kill
	abandonWait   = 5 * time.Second // for a start that was cancelled
	connectorWait = 10 * time.Second
	setupTimeout  = 10 * time.Minute
)

// runner is the goroutine of one run: it calls the driver, in order, and reports.
type runner struct {
	sh   *shard
	s    *Service
	w    *Workload
	inst *Instance
	spec *Spec
	drv  driver.Driver
	out  *lineWriter
	err  *lineWriter
	cap  *capture // of a single run
	args []byte

	connected bool   // it was prepared, and is to be released
	good      bool   // its start has counted as good
	adopted   bool   // it was started by an earlier process
	born      uint64 // index of the commit that began the run, or of a later one

	cancel context.CancelFunc // of what is under way before the run serves
	early  context.Context

	mu      sync.Mutex
	wants   wants
	signal  chan struct{} // of size 1
	handle  driver.Handle
	metrics map[string]float64
	done    bool
}

// finished reports whether the run is over and nothing of it is left.
func (r *runner) finished() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.done
}

// wants is what a runner has been told so far.
type wants struct {
	proceed, attach, update, stop, release, lose bool
	grace                                        time.Duration
	env                                          map[string]store.Sealed // to proceed with
}

func newRunner(sh *shard, rows store.Reader, d *draft, c *command) *runner {
	s := sh.sup.s
	r := &runner{sh: sh, s: s, w: d.w, inst: c.inst, spec: c.spec, drv: s.drivers[c.spec.Driver], signal: make(chan struct{}, 1)}
	r.connected, r.born = c.inst.State == StateSetup, rows.Index()
	r.early, r.cancel = context.WithCancel(context.Background())
	book := s.books.of(c.inst.Workload, &c.spec.Logs)
	r.out, r.err = book.writer(c.inst.ID, Stdout), book.writer(c.inst.ID, Stderr)
	if c.inst.Slot == Once {
		r.cap = &capture{}
		r.out.tee, r.err.tee = r.cap.stdout, r.cap.stderr
		if row, ok := results.Get(rows, c.inst.ID); ok {
			r.args = row.Args
		}
	}
	return r
}

func (r *runner) key() runKey { return runKey{r.inst.ID, r.inst.Run} }

// tell passes a verb on. It never blocks; what was told before is not forgotten.
func (r *runner) tell(v verb, grace time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := &r.wants
	switch v {
	case verbAttach:
		w.attach = true
	case verbUpdate:
		w.update = true
	case verbStop:
		if !w.stop || grace < w.grace {
			w.stop, w.grace = true, grace
		}
	case verbRelease:
		w.release = true
	case verbLose:
		w.lose = true
	}
	if w.stop || w.release || w.lose {
		r.cancel()
	}
	select {
	case r.signal <- struct{}{}:
	default:
	}
}

// proceed lets the run start, with that environment.
func (r *runner) proceed(env map[string]store.Sealed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wants.proceed, r.wants.env = true, env
	select {
	case r.signal <- struct{}{}:
	default:
	}
}

func (r *runner) told() wants {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.wants
}

// took forgets that something is wanted that has been done.
func (r *runner) took(clear func(*wants)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(&r.wants)
}

func (r *runner) report(e event, fill func(*report)) {
	rep := report{instance: r.inst.ID, run: r.inst.Run, event: e, at: r.s.clock()}
	if fill != nil {
		fill(&rep)
	}
	r.sh.report(r.inst.Workload, rep)
}

// run is the life of the runner, but for one whose driver does not answer.
func (r *runner) run() { r.live(r.pursue) }

// live does what is left of the run's life, in whichever goroutine. rest reports
// whether it is over then.
func (r *runner) live(rest func() bool) {
	if !r.guarded(rest) {
		return
	}
	r.close()
	r.cancel()
	r.mu.Lock()
	r.done = true
	r.mu.Unlock()
	r.sh.sup.runs.Done()
}

// guarded calls fn, whose panic ends the life too.
func (r *runner) guarded(fn func() bool) (over bool) {
	defer func() {
		if v := recover(); v != nil { // of a connector: the unit fails alone
			r.s.log.Error("a run ended in a panic", "instance", r.inst.ID, "panic", v)
			r.ended(eventFailed, driver.Exit{Code: driver.CodePanic, Reason: "internal failure"}, true)
			over = true
		}
	}()
	return fn()
}

// pursue goes through the run from its begin to its end, unless another
// goroutine goes on with it.
func (r *runner) pursue() (over bool) {
	if r.adopted {
		r.goOn()
		return true
	}
	env := r.inst.Env
	if r.connected {
		var ok bool
		if env, ok = r.setup(); !ok {
			r.teardown()
			return true
		}
	}
	h, err := r.start(env)
	if err == errAbandoned {
		return false
	}
	if err == nil {
		r.serve(h)
	}
	r.teardown()
	return true
}

// setup prepares the instance and waits until it may start.
func (r *runner) setup() (map[string]store.Sealed, bool) {
	ctx, cancel := context.WithTimeout(r.early, setupTimeout)
	defer cancel()
	var prepared map[string]store.Sealed
	dir, err := r.s.makeDir(r.inst)
	if err == nil {
		var more map[string]string
		if more, err = r.s.conn.Prepare(ctx, r.w, r.spec, r.inst, dir); err == nil {
			prepared = seal(more)
		}
	}
	if err != nil {
		r.ended(eventFailed, driver.Exit{Code: driver.CodeError, Reason: "setup: " + err.Error()}, false)
		return nil, false
	}
	r.report(eventSetup, func(rep *report) { rep.env = prepared })
	for {
		switch w := r.told(); {
		case w.release || w.lose:
			return nil, false
		case w.proceed || w.stop: // a start that is stopped already ends as one that was cut short
			return w.env, true
		}
		<-r.signal
	}
}

// errOver says that a run ended before it served, which was reported.
var errOver = errors.New("workload: the run is over")

// start starts and verifies the run within its timeout. Without an error there
// is a handle to wait for.
func (r *runner) start(env map[string]store.Sealed) (driver.Handle, error) {
	ctx, cancel := context.WithTimeout(r.early, r.spec.Verify.timeout())
	defer cancel()
	fail := func(x driver.Exit) (driver.Handle, error) {
		r.ended(eventFailed, x, false)
		return nil, errOver
	}
	dir, err := r.s.makeDir(r.inst)
	if err != nil {
		return fail(driver.Exit{Code: driver.CodeError, Reason: "directory: " + err.Error()})
	}
	if r.drv == nil {
		return fail(driver.Exit{Code: driver.CodeNotFound, Reason: "no driver " + r.spec.Driver})
	}
	if !r.sh.sup.gate.enter(ctx, r.inst.Machine, r.w.Tenant) {
		return fail(driver.Exit{Code: driver.CodeError, Reason: r.cutShort(ctx)})
	}
	h, err := r.launch(ctx, env, dir)
	if err == errAbandoned {
		return nil, err
	}
	r.sh.sup.gate.leave(r.inst.Machine)
	if err != nil {
		r.notStarted(ctx, err)
		return nil, errOver
	}
	r.mu.Lock()
	r.handle = h
	r.mu.Unlock()
	if err := r.prove(ctx, h); err != nil {
		return nil, err
	}
	return h, nil
}

// prove waits until the start counts as good; else the run is ended, and that
// reported.
func (r *runner) prove(ctx context.Context, h driver.Handle) error {
	reason, forced := r.verify(ctx, h)
	if reason == "" || r.told().stop { // one that is being stopped has not failed
		return nil
	}
	safely(h.Kill)
	if !r.gone(h, killWait) {
		r.stuck(h, driver.Exit{Code: driver.CodeKilled, Reason: reason})
		return errOver
	}
	x := exitOf(h)
	if x.Code == 0 && x.Signal == "" {
		x.Code = driver.CodeError
	}
	x.Reason = reason
	r.ended(eventFailed, x, forced)
	return errOver
}

// notStarted reports that the driver could not start the run.
func (r *runner) notStarted(ctx context.Context, err error) {
	x := driver.Exit{Code: driver.CodeError, Reason: err.Error()}
	if e, ok := errors.AsType[*driver.StartError](err); ok && e.Code != 0 {
		x.Code = e.Code
	}
	if ctx.Err() != nil {
		x.Reason = r.cutShort(ctx)
	}
	r.ended(eventFailed, x, false)
}

// cutShort says why a start came to nothing.
func (r *runner) cutShort(ctx context.Context) string {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return "not started in time"
	}
	return "the start was cancelled"
}

// serve reports the run as running and follows it to its end.
func (r *runner) serve(h driver.Handle) {
	r.good = r.goodAtOnce()
	select {
	case <-h.Done():
		r.ended(eventExit, exitOf(h), false)
		return
	default:
	}
	r.good = true
	if !r.told().stop {
		r.report(eventRunning, nil)
	}
	attached := r.adopted && r.connected && r.inst.State > StateAttaching
	for {
		w := r.told()
		switch {
		case w.lose:
			safely(h.Kill)
			r.gone(h, killWait)
			return
		case w.stop:
			r.stop(h, attached)
			return
		case w.attach:
			r.took(func(w *wants) { w.attach = false })
			r.connector("attached", r.s.conn.Attach)
			attached = true
			r.report(eventAttached, nil)
			continue
		case w.update:
			r.took(func(w *wants) { w.update = false })
			r.update(h)
			continue
		}
		select {
		case <-h.Done():
			r.ended(eventExit, exitOf(h), false)
			return
		case <-r.signal:
		}
	}
}

// connector calls the connector, bounded in time.
func (r *runner) connector(what string, call func(context.Context, *Workload, *Instance) error) {
	ctx, cancel := context.WithTimeout(context.Background(), connectorWait)
	defer cancel()
	if err := call(ctx, r.w, r.inst); err != nil {
		r.s.log.Warn("an instance could not be "+what, "instance", r.inst.ID, "error", err)
	}
}

// update lets a running instance take over the newest version.
func (r *runner) update(h driver.Handle) {
	version := r.w.Version
	if sn := snapshot(r.s.st.View(), r.inst.Workload); sn != nil {
		version = sn.Workload.Version
		if u, ok := r.drv.(driver.Updater); ok && r.drv.Can().Update {
			ctx, cancel := context.WithTimeout(r.early, connectorWait)
			defer cancel()
			spec := sn.Effective(r.inst)
			if err := guardPanic(func() error {
				return u.Update(ctx, h, &driver.Run{Instance: r.inst.ID, Workload: r.inst.Workload, Template: &spec.Template, Config: spec.Config})
			}); err != nil {
				r.s.log.Warn("an instance did not take its new version", "instance", r.inst.ID, "error", err)
			}
		}
	}
	r.report(eventUpdated, func(rep *report) { rep.version = version })
}

// stop ends a run: gently, then by force.
func (r *runner) stop(h driver.Handle, attached bool) {
	if attached {
		r.connector("detached", r.s.conn.Detach)
	}
	grace := r.told().grace
	if grace > 0 {
		ctx, cancel := context.WithTimeout(context.Background(), grace)
		safely(func() error { return h.Stop(ctx) })
		defer cancel()
		if r.gone(h, grace) {
			r.ended(eventExit, exitOf(h), false)
			return
		}
		if r.told().lose {
			return
		}
	}
	safely(h.Kill)
	if r.gone(h, killWait) {
		r.ended(eventExit, exitOf(h), true)
		return
	}
	r.stuck(h, driver.Exit{Code: driver.CodeKilled, Reason: "did not stop"})
}

// stuck follows a run that does not end even when killed.
func (r *runner) stuck(h driver.Handle, x driver.Exit) {
	if r.told().stop {
		r.report(eventStuck, nil)
	} else {
		r.report(eventFailed, func(rep *report) { rep.exit, rep.forced, rep.stuck = r.tidy(x), true, true })
	}
	released := false
	for {
		select {
		case <-h.Done():
			r.ended(eventExit, exitOf(h), true)
			return
		case <-r.signal:
		}
		switch w := r.told(); {
		case w.lose:
			return
		case w.release && !released:
			released = true
			r.teardown()
		}
	}
}

// gone waits for the end of a run. A stop with less grace than before, or a
// lost machine, ends the wait early.
func (r *runner) gone(h driver.Handle, wait time.Duration) bool {
	grace := r.told().grace
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-h.Done():
			return true
		case <-timer.C:
			return false
		case <-r.signal:
			if w := r.told(); w.grace < grace || w.lose && wait > killWait {
				return false
			}
		}
	}
}

// ended reports the end of the run.
func (r *runner) ended(e event, x driver.Exit, forced bool) {
	r.close()
	r.report(e, func(rep *report) {
		rep.exit, rep.forced, rep.good = r.tidy(x), forced, r.good
		if r.cap != nil {
			rep.result = r.cap.result(r.inst.ID, r.args)
			if r.cap.broken() && rep.exit.Code == 0 {
				rep.exit.Code, rep.exit.Reason = driver.CodeError, "the result was refused"
			}
		}
	})
}

// tidy makes plain text of what a driver says.
func (r *runner) tidy(x driver.Exit) driver.Exit {
	const most = 1000
	x.At = r.s.clock()
	x.Signal = strings.ToValidUTF8(x.Signal, "\ufffd")
	if len(x.Reason) > most {
		x.Reason = x.Reason[:most]
	}
	x.Reason = strings.ToValidUTF8(x.Reason, "\ufffd")
	return x
}

// close ends the output of the run: what is written later is dropped.
func (r *runner) close() {
	r.out.Close()
	r.err.Close()
}

// teardown waits for the word to give back what was prepared, and does.
func (r *runner) teardown() {
	if r.s.conn == nil {
		return
	}
	for {
		switch w := r.told(); {
		case w.lose:
			if r.connected {
				r.connector("released", r.s.conn.Release)
			}
			return
		case w.release:
			r.connector("detached", r.s.conn.Detach)
			r.connector("released", r.s.conn.Release)
			r.report(eventReleased, nil)
			return
		}
		<-r.signal
	}
}
