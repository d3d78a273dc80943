package drivertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// Subject is a driver under test. What is nil or false is not tested.
type Subject struct {
	Driver driver.Driver

	// Command returns what makes an instance call Act with argv.
	Command func(argv ...string) (driver.Template, driver.Process)
	// NotFound returns what names nothing that could be started.
	NotFound func() (driver.Template, driver.Process)
	// NotExecutable returns what names something that cannot be started.
	NotExecutable func() (driver.Template, driver.Process)
	// Hang returns what makes Start take for ever, unless its context ends.
	Hang func() (driver.Template, driver.Process)
	// Bad returns templates that Check refuses.
	Bad func() []driver.Template

	// Free lets instances end that ignore everything, of a driver that cannot kill.
	Free func()
	// Unkillable says that Kill cannot end an instance that ignores Stop.
	Unkillable bool
	// Spawns says that instances can start processes: World.Spawn is there.
	Spawns bool
	// Metrics says that instances can publish numbers: World.Metric is there.
	Metrics bool
	// Env is what every instance needs in its environment besides what is tested.
	Env []string
	// Close releases the driver.
	Close func()
}

// patience is how long the suite waits for what has to come.
const patience = 20 * time.Second

// Run holds a driver to its contract. factory is called once for each case;
// the driver it returns is used by that case alone.
func Run(t *testing.T, factory func(t testing.TB) *Subject) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			settle()
			before := measure()
			s := &suite{TB: t, Subject: factory(t)}
			if c.applies != nil && !c.applies(s.Subject) {
				s.finish()
				t.Skip("the driver does not have this")
			}
			c.test(s)
			s.finish()
			before.assertBack(t)
		})
	}
}

// suite is one case at work.
type suite struct {
	testing.TB
	*Subject
	n atomic.Int64
}

func (s *suite) finish() {
	if s.Free != nil {
		s.Free()
	}
	if s.Close != nil {
		s.Close()
	}
}

// instance is a started instance and what it wrote.
type instance struct {
	driver.Handle
	run      *driver.Run
	out, err *recorder
	results  *results
	metrics  sync.Map
}

// prepare returns a run of argv that has not been started.
func (s *suite) prepare(argv ...string) *instance {
	template, proc := s.Command(argv...)
	return s.with(template, proc)
}

func (s *suite) with(template driver.Template, proc driver.Process) *instance {
	i := &instance{out: &recorder{}, err: &recorder{}, results: &results{}}
	i.run = &driver.Run{
		Instance: "instance-" + strconv.FormatInt(s.n.Add(1), 10), Workload: "workload", Attempt: 1,
		Template: &template, Name: "main", Proc: proc, Env: slices.Clone(s.Env), Dir: s.TempDir(),
		Stdout: i.out, Stderr: i.err, Config: template.Config,
		Result: i.results.take, Metric: func(name string, v float64) { i.metrics.Store(name, v) },
	}
	return i
}

// start starts a prepared instance, which must succeed.
func (s *suite) start(i *instance) *instance {
	s.Helper()
	env, ports, argv := slices.Clone(i.run.Env), slices.Clone(i.run.Ports), slices.Clone(i.run.Proc.Argv)
	h, err := s.Driver.Start(s.Context(), i.run)
	if err != nil {
		s.Fatalf("start of %q: %v", i.run.Proc.Argv, err)
	}
	if diff := cmp.Diff([]any{env, ports, argv}, []any{i.run.Env, i.run.Ports, i.run.Proc.Argv}); diff != "" {
		s.Errorf("the start changed its run (-before +after):\n%s", diff)
	}
	i.Handle = h
	return i
}

// begin starts argv and waits until it says that it is ready.
func (s *suite) begin(argv ...string) *instance {
	s.Helper()
	i := s.start(s.prepare(argv...))
	s.await("the instance to be ready", func() bool { return i.out.has(ready) })
	return i
}

// end waits for the end of an instance and returns its exit, without the time, which is checked.
func (s *suite) end(i *instance) driver.Exit {
	s.Helper()
	select {
	case <-i.Done():
	case <-time.After(patience):
		s.Fatalf("instance %q does not end; stdout %.200q, stderr %.200q", i.run.Proc.Argv, i.out, i.err)
	}
	i.out.end()
	i.err.end()
	exit := i.Exit()
	if since := time.Since(exit.At); exit.At.IsZero() || since < 0 || since > time.Minute {
		s.Errorf("the exit has the time %v", exit.At)
	}
	exit.At = time.Time{}
	return exit
}

// wantExit checks code and signal of the end of an instance.
func (s *suite) wantExit(i *instance, code int, signal string) {
	s.Helper()
	if exit := s.end(i); exit.Code != code || exit.Signal != signal {
		s.Errorf("instance %q ended with %+v, want code %d, signal %q; stderr %.500q", i.run.Proc.Argv, exit, code, signal, i.err)
	}
}

// stop asks an instance to end and waits for it.
func (s *suite) stop(i *instance) {
	s.Helper()
	if err := i.Stop(s.Context()); err != nil {
		s.Errorf("stop: %v", err)
	}
	s.wantExit(i, 0, "")
}

func (s *suite) await(what string, cond func() bool) {
	s.Helper()
	if !within(patience, cond) {
		s.Fatalf("waited for %s in vain", what)
	}
}

// within asks until cond holds, at most for d.
func within(d time.Duration, cond func() bool) bool {
	if cond() {
		return true
	}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	limit := time.NewTimer(d)
	defer limit.Stop()
	for {
		select {
		case <-tick.C:
			if cond() {
				return true
			}
		case <-limit.C:
			return cond()
		}
	}
}

// recorder keeps what was written, and counts what came after the end.
type recorder struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	ended bool
	late  int
}

func (r *recorder) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		r.late++
		return len(b), nil
	}
	return r.buf.Write(b)
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.String()
}

func (r *recorder) has(s string) bool { return strings.Contains(r.String(), s) }

func (r *recorder) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
}

func (r *recorder) lateWrites() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.late
}

// results is where instances hand their results.
type results struct {
	mu  sync.Mutex
	got [][]byte
}

func (r *results) take(v json.RawMessage) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, bytes.Clone(v))
	return nil
}

func (r *results) all() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// freePort returns a TCP port of the loopback interface on which nobody listens.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// dial connects and returns all that the other side says.
func dial(address string) (string, error) {
	c, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return "", err
	}
	defer c.Close()
	b, err := io.ReadAll(c)
	return string(b), err
}

// wantStartError checks that a start fails with that code and leaves nothing.
func (s *suite) wantStartError(i *instance, code int) {
	s.Helper()
	h, err := s.Driver.Start(s.Context(), i.run)
	if err == nil {
		_ = h.Kill()
		<-h.Done()
		s.Fatalf("the start succeeded, and ended with %+v", h.Exit())
	}
	if h != nil {
		s.Errorf("a failed start returned a handle")
	}
	se, ok := errors.AsType[*driver.StartError](err)
	if !ok {
		s.Fatalf("the start failed with %T %v, want a *StartError", err, err)
	}
	if se.Code != code || se.Reason == "" {
		s.Errorf("the start failed with code %d and reason %q, want code %d and a reason", se.Code, se.Reason, code)
	}
}

// cancelled returns a context that has ended.
func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// names returns the entries of a directory.
func names(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var ns []string
	for _, e := range entries {
		ns = append(ns, e.Name())
	}
	return ns
}
