package workload

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"sync"
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
	names := slices.Sorted(maps.Keys(r.spec.Procs))
	if len(names) == 0 {
		names = []string{""}
	}
	if len(names) == 1 {
		return r.launchOne(ctx, r.request(names[0], env, dir))
	}
	g := &group{grace: r.spec.Stop.Grace, done: make(chan struct{})}
	for _, name := range names {
		h, err := r.launchOne(ctx, r.request(name, env, dir))
		if err != nil {
			for _, started := range g.handles {
				safely(started.Kill)
			}
			for _, started := range g.handles {
				r.gone(started, killWait)
			}
			return nil, err
		}
		g.handles = append(g.handles, h)
	}
	g.follow(r.s.clock)
	return g, nil
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

// launchOne calls Start of the driver. A call that does not heed the end of its
// context is left behind, and what it starts after all is killed.
func (r *runner) launchOne(ctx context.Context, run *driver.Run) (driver.Handle, error) {
	type outcome struct {
		h   driver.Handle
		err error
	}
	started := make(chan outcome, 1)
	go func() {
		var o outcome
		o.err = guardPanic(func() (err error) {
			o.h, err = r.drv.Start(ctx, run)
			if err == nil && o.h == nil {
				err = atoll.Errorf(atoll.Failed, "workload", "the driver started nothing")
			}
			return err
		})
		started <- o
	}()
	select {
	case o := <-started:
		return o.h, o.err
	case <-ctx.Done():
	}
	late := time.NewTimer(abandonWait)
	defer late.Stop()
	select {
	case o := <-started:
		return o.h, o.err // serve or verify end it
	case <-late.C:
	}
	go func() {
		if o := <-started; o.err == nil {
			safely(o.h.Kill)
		}
	}()
	return nil, &driver.StartError{Code: driver.CodeError, Reason: "the driver did not answer"}
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
