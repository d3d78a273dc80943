package workload

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// safely calls a driver; its panic and its error change nothing.
func safely(fn func() error) { _ = guardPanic(fn) }

// exitOf asks a handle how its run ended.
func exitOf(h driver.Handle) (x driver.Exit) {
	x = driver.Exit{Code: driver.CodePanic, Reason: "the driver panicked"}
	safely(func() error {
		x = h.Exit()
		return nil
	})
	return x
}

// launch starts the processes of a run, in order of their names.
func (r *runner) launch(ctx context.Context, env map[string]store.Sealed, dir string) (driver.Handle, error) {
	if len(r.spec.Procs) <= 1 {
		name := ""
		for only := range r.spec.Procs {
			name = only
		}
		return r.launchOne(ctx, r.request(name, env, dir), nil)
	}
	g := &group{grace: r.spec.Stop.Grace, done: make(chan struct{})}
	for _, name := range slices.Sorted(maps.Keys(r.spec.Procs)) {
		h, err := r.launchOne(ctx, r.request(name, env, dir), g.handles)
		if err != nil {
			if err != errAbandoned {
				r.unlaunch(g.handles)
			}
			return nil, err
		}
		g.handles = append(g.handles, h)
	}
	g.follow(r.s.clock)
	return g, nil
}

// unlaunch ends the processes of a run that was not complete.
func (r *runner) unlaunch(started []driver.Handle) {
	for _, h := range started {
		safely(h.Kill)
	}
	for _, h := range started {
		r.gone(h, killWait)
	}
}

// request is what the driver gets for one process.
func (r *runner) request(name string, env map[string]store.Sealed, dir string) *driver.Run {
	proc := r.spec.Procs[name]
	run := &driver.Run{
		Instance: r.inst.ID, Workload: r.inst.Workload, Attempt: r.inst.Run, Slot: r.inst.Slot, Template: &r.spec.Template,
		Name: name, Proc: proc, Env: environ(env, proc.Env), Dir: dir, Ports: r.inst.Ports, Limits: r.spec.Resources,
		Stdout: r.out, Stderr: r.err, Config: r.spec.Config, Args: r.args, Metric: r.metric,
	}
	if r.cap != nil {
		run.Result = r.cap.take
	}
	return run
}

// maxMetrics bounds the names of metrics that are kept of a run.
const maxMetrics = 256

func (r *runner) metric(name string, value float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.metrics == nil {
		r.metrics = map[string]float64{}
	}
	if _, ok := r.metrics[name]; ok || len(r.metrics) < maxMetrics {
		r.metrics[name] = value
	}
}

// errAbandoned says that another goroutine goes on with the run.
var errAbandoned = errors.New("workload: the start was abandoned")

// launchOne calls Start of the driver. A call that does not heed the end of its
// context is left behind: another goroutine goes on with the run without it,
// and what it starts after all is killed.
func (r *runner) launchOne(ctx context.Context, run *driver.Run, started []driver.Handle) (driver.Handle, error) {
	var decided atomic.Bool // by whichever comes first: the answer, or the end of patience
	answered, over := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(over)
		late := time.NewTimer(abandonWait)
		defer late.Stop()
		select {
		case <-answered:
			return
		case <-late.C:
		}
		if decided.CompareAndSwap(false, true) {
			r.live(func() bool { return r.abandon(ctx, started) })
		}
	})
	h, err := r.call(ctx, run)
	if !decided.CompareAndSwap(false, true) {
		if err == nil {
			safely(h.Kill)
		}
		return nil, errAbandoned
	}
	if !stop() {
		close(answered)
		<-over
	}
	return h, err
}

// call calls Start of the driver behind a barrier.
func (r *runner) call(ctx context.Context, run *driver.Run) (h driver.Handle, err error) {
	err = guardPanic(func() (err error) {
		if h, err = r.drv.Start(ctx, run); err == nil && h == nil {
			err = atoll.Errorf(atoll.Failed, "workload", "the driver started nothing")
		}
		return err
	})
	return h, err
}

// abandon goes on with a run whose driver does not answer.
func (r *runner) abandon(ctx context.Context, started []driver.Handle) bool {
	r.unlaunch(started)
	r.sh.sup.gate.leave(r.inst.Machine)
	r.notStarted(ctx, &driver.StartError{Code: driver.CodeError, Reason: "the driver did not answer"})
	r.teardown()
	return true
}

// The pauses between attempts to reach a port.
const (
	firstProbe = 50 * time.Millisecond
	lastProbe  = time.Second
)

// verify waits until a start counts as good. It returns why it does not, ""
// if it does or the run has ended.
func (r *runner) verify(ctx context.Context, h driver.Handle) (reason string, forced bool) {
	v := &r.spec.Verify
	if v.Ports {
		probed := false
		for _, p := range r.inst.Ports {
			if p.Optional || p.Proto != "tcp" {
				continue
			}
			probed = true
			if reason := r.probe(ctx, h, p); reason != "" {
				return reason, true
			}
		}
		if probed {
			return "", false
		}
	}
	if v.MinAlive <= 0 {
		if ctx.Err() != nil {
			return r.cutShort(ctx), true
		}
		return "", false
	}
	alive := time.NewTimer(v.MinAlive)
	defer alive.Stop()
	select {
	case <-alive.C:
	case <-h.Done():
	case <-ctx.Done():
		return r.cutShort(ctx), true
	}
	return "", false
}

// goodAtOnce reports whether a start counts as good as soon as the driver has
// started, whatever follows.
func (r *runner) goodAtOnce() bool {
	v := &r.spec.Verify
	if v.Ports {
		for _, p := range r.inst.Ports {
			if !p.Optional && p.Proto == "tcp" {
				return false
			}
		}
	}
	return v.MinAlive <= 0
}

// probe tries to reach a port until it answers, the run ends or time is up.
func (r *runner) probe(ctx context.Context, h driver.Handle, p driver.Bound) string {
	var d net.Dialer
	address := net.JoinHostPort(p.Host, strconv.Itoa(p.Outer))
	for pause := firstProbe; ; pause = min(2*pause, lastProbe) {
		one, cancel := context.WithTimeout(ctx, lastProbe)
		c, err := d.DialContext(one, "tcp", address)
		cancel()
		if err == nil {
			_ = c.Close()
			return ""
		}
		again := time.NewTimer(pause)
		select {
		case <-again.C:
			continue
		case <-h.Done():
			again.Stop()
			return ""
		case <-ctx.Done():
			again.Stop()
			return fmt.Sprintf("port %d not answering", p.Number)
		}
	}
}

// group is the handles of several processes that run together: the first end is
// that of all.
type group struct {
	handles []driver.Handle
	grace   time.Duration
	done    chan struct{}

	mu   sync.Mutex
	exit *driver.Exit
}

func (g *group) follow(now func() time.Time) {
	var all sync.WaitGroup
	for _, h := range g.handles {
		all.Go(func() {
			<-h.Done()
			x := exitOf(h)
			g.mu.Lock()
			first := g.exit == nil
			if first {
				x.At = now()
				g.exit = &x
			}
			g.mu.Unlock()
			if first {
				g.endOthers(h)
			}
		})
	}
	go func() {
		all.Wait()
		close(g.done)
	}()
}

// endOthers stops the processes besides one that has ended.
func (g *group) endOthers(but driver.Handle) {
	ctx, cancel := context.WithTimeout(context.Background(), g.grace)
	defer cancel()
	for _, h := range g.handles {
		if h != but {
			safely(func() error { return h.Stop(ctx) })
		}
	}
	for _, h := range g.handles {
		if h == but {
			continue
		}
		select {
		case <-h.Done():
		case <-ctx.Done():
			safely(h.Kill)
		}
	}
}

func (g *group) Done() <-chan struct{} { return g.done }

func (g *group) Exit() driver.Exit {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.exit == nil {
		return driver.Exit{}
	}
	return *g.exit
}

func (g *group) Stop(ctx context.Context) error {
	for _, h := range g.handles {
		safely(func() error { return h.Stop(ctx) })
	}
	return nil
}

func (g *group) Kill() error {
	for _, h := range g.handles {
		safely(h.Kill)
	}
	return nil
}

// Stats is the sum of the processes, with the id of the first.
func (g *group) Stats(ctx context.Context) (driver.Stats, error) {
	var sum driver.Stats
	for k, h := range g.handles {
		st, err := h.Stats(ctx)
		if err != nil {
			return sum, err
		}
		if k == 0 {
			sum.PID = st.PID
		}
		sum.CPU += st.CPU
		sum.Memory += st.Memory
		for name, v := range st.Metrics {
			if sum.Metrics == nil {
				sum.Metrics = map[string]float64{}
			}
			sum.Metrics[name] = v
		}
	}
	return sum, nil
}
