package drivertest_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/driver/drivertest"
	"github.com/atoll-platform/atoll/runtime/workload/driver/funcdriver"
)

// mixed starts functions, but what its faulty driver knows goes to that.
type mixed struct {
	*funcdriver.Driver
	faulty map[string]*drivertest.Faulty
}

func (m *mixed) Start(ctx context.Context, r *driver.Run) (driver.Handle, error) {
	if f, ok := m.faulty[r.Template.Func]; ok {
		return f.Start(ctx, r)
	}
	return m.Driver.Start(ctx, r)
}

// The suite's cases of failing starts, on a driver that has them all.
func TestSuiteOnADriverThatHangsAndRefuses(t *testing.T) {
	drivertest.Run(t, func(t testing.TB) *drivertest.Subject {
		freed := make(chan struct{})
		d := funcdriver.New()
		if err := d.Register("act", func(ctx context.Context, task *funcdriver.Task) error {
			err := drivertest.Act(&drivertest.World{
				Stdout: task.Stdout(), Stderr: task.Stderr(), Environ: task.Environ(), Args: task.Args(),
				Stopped: ctx.Done(), Freed: freed, Dir: task.Dir, Result: task.Result, Metric: task.Metric,
				Listen: func(number int, _ string) (net.Listener, error) { return task.Listen(number) },
			}, task.Command())
			if code, ok := errors.AsType[drivertest.Code](err); ok {
				return funcdriver.ExitCode(code)
			}
			return err
		}, driver.Image{}); err != nil {
			t.Fatal(err)
		}
		m := &mixed{Driver: d, faulty: map[string]*drivertest.Faulty{
			"hangs": drivertest.NewFaulty("hangs", drivertest.Always(drivertest.Fault{StartHang: true})),
			"broken": drivertest.NewFaulty("broken", drivertest.Always(drivertest.Fault{
				StartErr: &driver.StartError{Code: driver.CodeNotExecutable, Reason: "it is broken"},
			})),
		}}
		named := func(name string) func() (driver.Template, driver.Process) {
			return func() (driver.Template, driver.Process) { return driver.Template{Func: name}, driver.Process{} }
		}
		return &drivertest.Subject{
			Driver: m, Unkillable: true, Free: sync.OnceFunc(func() { close(freed) }),
			Command: func(argv ...string) (driver.Template, driver.Process) {
				return driver.Template{Func: "act"}, driver.Process{Argv: argv}
			},
			Hang: named("hangs"), NotExecutable: named("broken"),
		}
	})
}
