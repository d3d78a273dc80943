package funcdriver_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	goruntime "runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/driver/drivertest"
	"github.com/atoll-platform/atoll/runtime/workload/driver/funcdriver"
)

func TestConformance(t *testing.T) {
	drivertest.Run(t, func(t testing.TB) *drivertest.Subject {
		freed := make(chan struct{})
		d := funcdriver.New()
		must(t, d.Register("act", func(ctx context.Context, task *funcdriver.Task) error {
			w := &drivertest.World{
				Stdout: task.Stdout(), Stderr: task.Stderr(), Environ: task.Environ(), Args: task.Args(),
				Stopped: ctx.Done(), Freed: freed, Dir: task.Dir, Result: task.Result, Metric: task.Metric,
				Listen: func(number int, _ string) (net.Listener, error) { return task.Listen(number) },
			}
			err := drivertest.Act(w, task.Command())
			if code, ok := errors.AsType[drivertest.Code](err); ok {
				return funcdriver.ExitCode(code)
			}
			return err
		}, driver.Image{}))
		return &drivertest.Subject{
			Driver: d, Unkillable: true, Metrics: true, Free: sync.OnceFunc(func() { close(freed) }),
			Command: func(argv ...string) (driver.Template, driver.Process) {
				return driver.Template{Driver: "func", Func: "act"}, driver.Process{Argv: argv}
			},
			NotFound: func() (driver.Template, driver.Process) {
				return driver.Template{Driver: "func", Func: "nobody"}, driver.Process{}
			},
			Bad: func() []driver.Template { return []driver.Template{{}, {Func: "nobody"}, {Func: "act "}} },
		}
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ran starts fn as a run and returns the run's exit and output when it has ended.
func ran(t *testing.T, fn funcdriver.Func, r *driver.Run) (driver.Exit, string) {
	t.Helper()
	d := funcdriver.New()
	must(t, d.Register("f", fn, driver.Image{}))
	var out bytes.Buffer
	r.Template, r.Stdout, r.Stderr = &driver.Template{Func: "f"}, &out, &out
	h, err := d.Start(t.Context(), r)
	must(t, err)
	<-h.Done()
	exit := h.Exit()
	exit.At = time.Time{}
	return exit, out.String()
}

func TestExits(t *testing.T) {
	tests := map[string]struct {
		fn   funcdriver.Func
		want driver.Exit
		out  string
	}{
		"nil is success":                  {fn: func(context.Context, *funcdriver.Task) error { return nil }},
		"a code of its own is silent":     {fn: func(context.Context, *funcdriver.Task) error { return funcdriver.ExitCode(75) }, want: driver.Exit{Code: 75}},
		"a wrapped code counts":           {fn: func(context.Context, *funcdriver.Task) error { return fmt.Errorf("done: %w", funcdriver.ExitCode(3)) }, want: driver.Exit{Code: 3}},
		"the code 0 is success":           {fn: func(context.Context, *funcdriver.Task) error { return funcdriver.ExitCode(0) }},
		"a code that no process has is 1": {fn: func(context.Context, *funcdriver.Task) error { return funcdriver.ExitCode(256) }, want: driver.Exit{Code: 1, Reason: "exit code 256"}, out: "exit code 256\n"},
		"a negative code is 1":            {fn: func(context.Context, *funcdriver.Task) error { return funcdriver.ExitCode(-1) }, want: driver.Exit{Code: 1, Reason: "exit code -1"}, out: "exit code -1\n"},
		"the reason is the first line":    {fn: func(context.Context, *funcdriver.Task) error { return errors.New("one\ntwo") }, want: driver.Exit{Code: 1, Reason: "one"}, out: "one\ntwo\n"},
		"the reason is valid text":        {fn: func(context.Context, *funcdriver.Task) error { return errors.New("a\xffb") }, want: driver.Exit{Code: 1, Reason: "ab"}, out: "a\xffb\n"},
		"the reason has a bound":          {fn: func(context.Context, *funcdriver.Task) error { return errors.New(strings.Repeat("x", 5000)) }, want: driver.Exit{Code: 1, Reason: strings.Repeat("x", 200)}, out: strings.Repeat("x", 5000) + "\n"},
		"a result that is no JSON fails":  {fn: func(_ context.Context, t *funcdriver.Task) error { _ = t.Result(json.RawMessage("{")); return nil }, want: driver.Exit{Code: 1, Reason: "the result is not JSON"}},
		"a function's own failure wins": {fn: func(_ context.Context, t *funcdriver.Task) error {
			_ = t.Result(json.RawMessage("{"))
			return funcdriver.ExitCode(9)
		}, want: driver.Exit{Code: 9}},
		"an error whose text panics is a panic": {fn: func(context.Context, *funcdriver.Task) error { return badError{} }, want: driver.Exit{Code: 2, Reason: "panic: no text"}},
		"a nil panic is a panic":                {fn: func(context.Context, *funcdriver.Task) error { panic(nil) }, want: driver.Exit{Code: 2, Reason: "panic: panic called with nil argument"}},
		"Goexit is code 2":                      {fn: func(context.Context, *funcdriver.Task) error { goruntime.Goexit(); return nil }, want: driver.Exit{Code: 2, Reason: "the goroutine of the function exited"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			exit, out := ran(t, tt.fn, &driver.Run{Result: func(json.RawMessage) error { return nil }})
			if diff := cmp.Diff(tt.want, exit); diff != "" {
				t.Errorf("exit mismatch (-want +got):\n%s", diff)
			}
			if exit.Code != driver.CodePanic && out != tt.out {
				t.Errorf("output %.300q, want %.300q", out, tt.out)
			}
			if strings.HasPrefix(tt.want.Reason, "panic") && !strings.Contains(out, "goroutine ") {
				t.Errorf("no stack in %q", out)
			}
		})
	}
}

type badError struct{}

func (badError) Error() string { panic("no text") }

func TestTask(t *testing.T) {
	r := &driver.Run{
		Instance: "i", Workload: "w", Attempt: 4, Slot: 2, Env: []string{"A=1", "A=2", "EMPTY=", "ODD"},
		Proc: driver.Process{Shell: "serve  --port 80"}, Config: json.RawMessage(`{}`),
		Ports: []driver.Bound{{Port: driver.Port{Number: 80, Proto: "tcp"}, Host: "127.0.0.1", Outer: 0}, {Port: driver.Port{Number: 53, Proto: "udp"}, Host: "127.0.0.1", Outer: 0}},
	}
	exit, out := ran(t, func(_ context.Context, task *funcdriver.Task) error {
		_, empty := task.LookupEnv("EMPTY")
		_, odd := task.LookupEnv("ODD")
		got := []any{task.Instance(), task.Workload(), task.Attempt(), task.Slot(), task.Getenv("A"), empty, odd, task.Command(), string(task.Config()), len(task.Ports())}
		want := []any{"i", "w", 4, 2, "2", true, false, []string{"serve", "--port", "80"}, "{}", 2}
		if diff := cmp.Diff(want, got); diff != "" {
			return errors.New(diff)
		}
		for number, kind := range map[int]atoll.Kind{80: 0, 53: atoll.NotFound, 81: atoll.NotFound} {
			if _, err := task.Listen(number); atoll.KindOf(err) != kind {
				return fmt.Errorf("listen on %d: %w", number, err)
			}
		}
		if _, err := task.ListenPacket(53); err != nil {
			return err
		}
		if _, err := task.ListenPacket(80); atoll.KindOf(err) != atoll.NotFound {
			return fmt.Errorf("listen for packets on 80: %w", err)
		}
		if _, err := task.Dir(); atoll.KindOf(err) != atoll.NotFound {
			return fmt.Errorf("no directory: %w", err)
		}
		if err := task.Result(json.RawMessage("1")); atoll.KindOf(err) != atoll.FailedState {
			return fmt.Errorf("nobody asked for a result: %w", err)
		}
		task.Logger().Info("done")
		return nil
	}, r)
	if exit.Code != 0 || !strings.Contains(out, "msg=done") {
		t.Errorf("exit %+v, output %s", exit, out)
	}
}

func TestWhatATaskOpenedIsClosedAtTheEnd(t *testing.T) {
	var task *funcdriver.Task
	var l net.Listener
	ran(t, func(_ context.Context, tk *funcdriver.Task) (err error) {
		task = tk
		l, err = tk.Listen(80)
		return err
	}, &driver.Run{Dir: t.TempDir(), Result: func(json.RawMessage) error { return nil }, Ports: []driver.Bound{{Port: driver.Port{Number: 80}, Host: "127.0.0.1"}}})
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept after the end: %v", err)
	}
	_, listen := task.Listen(80)
	_, dir := task.Dir()
	for what, err := range map[string]error{"listen": listen, "dir": dir, "result": task.Result(json.RawMessage("1"))} {
		if atoll.KindOf(err) != atoll.FailedState {
			t.Errorf("%s after the end: %v", what, err)
		}
	}
	task.Metric("late", 1)
	if n, err := io.WriteString(task.Stdout(), "late"); n != 4 || err != nil {
		t.Errorf("a late write returned %d, %v", n, err)
	}
}

func TestMetricsHaveABound(t *testing.T) {
	d := funcdriver.New()
	must(t, d.Register("f", func(_ context.Context, task *funcdriver.Task) error {
		for i := range 1000 {
			task.Metric(strconv.Itoa(i), 1)
		}
		task.Metric("0", 2)
		return nil
	}, driver.Image{}))
	h, err := d.Start(t.Context(), &driver.Run{Template: &driver.Template{Func: "f"}})
	must(t, err)
	<-h.Done()
	stats, err := h.Stats(t.Context())
	must(t, err)
	if len(stats.Metrics) != 256 || stats.Metrics["0"] != 2 {
		t.Errorf("%d metrics are kept, the first is %v", len(stats.Metrics), stats.Metrics["0"])
	}
}

func TestRegister(t *testing.T) {
	fn := func(context.Context, *funcdriver.Task) error { return nil }
	d := funcdriver.New()
	env := map[string]string{"A": "1"}
	must(t, d.Register("demo/hello", fn, driver.Image{Command: "serve", Env: env}))
	env["A"] = "changed"
	for name, tt := range map[string]struct {
		name string
		fn   funcdriver.Func
		kind atoll.Kind
	}{
		"a taken name is a conflict":           {"demo/hello", fn, atoll.Conflict},
		"an empty name is invalid":             {"", fn, atoll.Invalid},
		"a function without a body is as well": {"demo/none", nil, atoll.Invalid},
	} {
		if err := d.Register(tt.name, tt.fn, driver.Image{}); atoll.KindOf(err) != tt.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
	want := driver.Image{Command: "serve", Env: map[string]string{"A": "1"}}
	for _, name := range []string{"demo/hello", "demo/hello:latest"} {
		got, err := d.Image(t.Context(), name)
		must(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("image %s (-want +got):\n%s", name, diff)
		}
		got.Env["A"] = "mine now"
	}
	for _, name := range []string{"", "demo", "localhost:5000/hello", "demo/hello:"} {
		if _, err := d.Image(t.Context(), name); (err == nil) != (name == "demo/hello:") {
			t.Errorf("image %q: %v", name, err)
		}
	}
	if !d.Reaches(&fleet.Machine{Local: true}) || d.Reaches(&fleet.Machine{}) {
		t.Error("functions run on the local machine, and there alone")
	}
}

// A driver in a bubble of virtual time: the function waits an hour without taking one.
func TestVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := time.Now()
		exit, _ := ran(t, func(ctx context.Context, _ *funcdriver.Task) error {
			select {
			case <-time.After(time.Hour):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}, &driver.Run{})
		if exit.Code != 0 || time.Since(before) != time.Hour {
			t.Errorf("ended with %+v after %v", exit, time.Since(before))
		}
	})
}

// Guards what the driver adds to a function: start, stop and end together.
func BenchmarkStartStop(b *testing.B) {
	d := funcdriver.New()
	must(b, d.Register("f", func(ctx context.Context, _ *funcdriver.Task) error { <-ctx.Done(); return nil }, driver.Image{}))
	r := &driver.Run{Template: &driver.Template{Func: "f"}, Stdout: io.Discard, Stderr: io.Discard}
	b.ReportAllocs()
	for b.Loop() {
		h, err := d.Start(b.Context(), r)
		must(b, err)
		_ = h.Stop(b.Context())
		<-h.Done()
	}
}

func ExampleDriver() {
	d := funcdriver.New()
	err := d.Register("demo/greet", func(_ context.Context, t *funcdriver.Task) error {
		fmt.Fprintf(t.Stdout(), "hello %s\n", t.Getenv("NAME"))
		return funcdriver.ExitCode(3)
	}, driver.Image{})
	if err != nil {
		fmt.Println(err)
		return
	}
	var log strings.Builder
	h, err := d.Start(context.Background(), &driver.Run{
		Template: &driver.Template{Func: "demo/greet"}, Env: []string{"NAME=atoll"}, Stdout: &log, Stderr: &log,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	<-h.Done()
	fmt.Print(log.String())
	fmt.Println("code", h.Exit().Code)
	// Output:
	// hello atoll
	// code 3
}
