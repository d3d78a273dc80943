//go:build linux

package execdriver_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"

	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/driver/drivertest"
	"github.com/atoll-platform/atoll/runtime/workload/driver/execdriver"
)

// The words by which the test binary is told to be something else.
const (
	actWord      = "act-for-drivertest"
	platformWord = "be-a-platform"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 2 {
		switch os.Args[1] {
		case actWord:
			os.Exit(act(os.Args[2:]))
		case platformWord:
			bePlatform(os.Args[2], os.Args[3:])
		}
	}
	os.Exit(m.Run())
}

// act is an instance of the conformance suite.
func act(argv []string) int {
	stopped := make(chan struct{})
	switch argv[0] {
	case "ignore":
		signal.Ignore(syscall.SIGTERM)
		signal.Notify(make(chan os.Signal, 1), syscall.SIGUSR1) // else it would see that here as well
	default:
		terms := make(chan os.Signal, 1)
		signal.Notify(terms, syscall.SIGTERM)
		go func() { <-terms; close(stopped) }()
	}
	w := &drivertest.World{
		Stdout: os.Stdout, Stderr: os.Stderr, Environ: os.Environ(), Stopped: stopped,
		Dir:    func() (*os.Root, error) { return os.OpenRoot(".") },
		Listen: func(_ int, address string) (net.Listener, error) { return net.Listen("tcp", address) },
		Spawn: func(argv ...string) (int, error) {
			cmd := exec.Command(self(), append([]string{actWord}, argv...)...)
			cmd.Stdout, cmd.Env = os.Stdout, os.Environ()
			err := cmd.Start()
			return cmd.Process.Pid, err
		},
	}
	if argv[0] == "goexit" { // a program ends with its main goroutine only
		ended := make(chan struct{})
		go func() { defer close(ended); _ = drivertest.Act(w, argv) }()
		<-ended
		return driver.CodePanic
	}
	err := drivertest.Act(w, argv)
	if code, ok := errors.AsType[drivertest.Code](err); ok {
		return int(code)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return driver.CodeError
	}
	return 0
}

func self() string {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return exe
}

// bePlatform starts each of the shell commands, in a directory of its own
// below root, says that it did, and waits to be killed.
func bePlatform(root string, commands []string) {
	d, err := execdriver.New(execdriver.Options{})
	if err != nil {
		panic(err)
	}
	for i, c := range commands {
		dir := fmt.Sprintf("%s/instance-%d", root, i)
		if err := os.Mkdir(dir, 0o700); err != nil {
			panic(err)
		}
		if _, err := d.Start(context.Background(), &driver.Run{
			Instance: dir, Attempt: 1, Template: &driver.Template{}, Proc: driver.Process{Shell: c}, Dir: dir, Stdout: os.Stdout, Stderr: os.Stderr,
		}); err != nil {
			panic(err)
		}
	}
	fmt.Println("started")
	select {}
}

func newDriver(t testing.TB, o execdriver.Options) *execdriver.Driver {
	t.Helper()
	d, err := execdriver.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return d
}

func TestConformance(t *testing.T) {
	drivertest.Run(t, func(t testing.TB) *drivertest.Subject {
		d := newDriver(t, execdriver.Options{})
		withProc := func(p driver.Process) (driver.Template, driver.Process) {
			return driver.Template{Driver: "exec", Procs: map[string]driver.Process{"main": p}}, p
		}
		return &drivertest.Subject{
			Driver: d, Spawns: true, Env: []string{"GORACE=atexit_sleep_ms=0"}, // else a race build takes a second to end
			Command: func(argv ...string) (driver.Template, driver.Process) {
				return withProc(driver.Process{Argv: append([]string{self(), actWord}, argv...)})
			},
			NotFound: func() (driver.Template, driver.Process) {
				return withProc(driver.Process{Argv: []string{"no-such-command"}})
			},
			NotExecutable: func() (driver.Template, driver.Process) {
				return withProc(driver.Process{Argv: []string{"/etc/passwd"}})
			},
			Bad: func() []driver.Template {
				return []driver.Template{
					{},
					{Procs: map[string]driver.Process{"main": {}}},
					{Procs: map[string]driver.Process{"main": {Argv: []string{""}}}},
					{Procs: map[string]driver.Process{"main": {Argv: []string{"a\x00b"}}}},
					{Procs: map[string]driver.Process{"main": {Shell: "true", Dir: "../other"}}},
					{Procs: map[string]driver.Process{"main": {Shell: "true", Env: map[string]string{"A=B": "x"}}}},
				}
			},
			Close: func() {
				if err := d.Close(context.Background()); err != nil {
					t.Error(err)
				}
			},
		}
	})
}
