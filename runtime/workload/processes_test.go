//go:build linux

package workload_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/driver/execdriver"
)

// newExecRig is a rig whose driver runs processes.
func newExecRig(t *testing.T) *rig {
	t.Helper()
	d, err := execdriver.New(execdriver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{TB: t, st: openStore(t)}
	r.fleet = fleet.New(r.st, nil, nil)
	if err := r.fleet.RegisterLocal(t.Context(), "127.0.0.1", 1); err != nil {
		t.Fatal(err)
	}
	if r.Service, err = workload.New(r.st, nil, r.fleet, []driver.Driver{d}, workload.WithDirs(t.TempDir())); err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

func process(argv ...string) workload.Spec {
	s := spec("")
	s.Template = driver.Template{Driver: "exec", Procs: map[string]driver.Process{"main": {Argv: argv}}}
	s.Stop.Grace = time.Second
	return s
}

// alive counts the processes with this argument.
func alive(t *testing.T, argument string) (n int) {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		if line, err := os.ReadFile(d); err == nil && strings.Contains(string(line), "\x00"+argument+"\x00") {
			n++
		}
	}
	return n
}

func TestAProcessKilledFromOutsideIsStartedAgain(t *testing.T) {
	r := newExecRig(t)
	s := process("/bin/sleep", "47110")
	s.Recover = workload.Recovery{Steps: []workload.Step{{Do: workload.ActionRestart, On: workload.OnFailed, Max: 3}}}
	id := r.create(s, 1, workload.Started).Workload.ID
	for run := 1; run <= 3; run++ {
		r.watch(id, func(sn *workload.Snapshot) bool { return sn.Running() == 1 && sn.Instances[0].Run == run })
		st, err := r.Stats(t.Context(), r.get(id).Instances[0].ID)
		if err != nil || st.PID <= 0 {
			t.Fatalf("%+v, %v", st, err)
		}
		if err := syscall.Kill(st.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	r.watch(id, func(sn *workload.Snapshot) bool { return sn.Running() == 1 && sn.Instances[0].Run == 4 })
	if x := r.get(id).Instances[0].Exit; x.Code != 137 || x.Signal != "SIGKILL" || x.Outcome != workload.OutcomeFailed || x.Forced {
		t.Errorf("the last end: %+v", x)
	}
	r.stop()
	if n := alive(t, "47110"); n != 0 {
		t.Errorf("%d processes are alive", n)
	}
}

func TestAProcessThatFillsItsQuotaFails(t *testing.T) {
	r := newExecRig(t)
	defer r.stop()
	s := process("/bin/sh", "-c", "exec head -c 4000000 /dev/zero > f")
	s.Resources.Disk = 1 << 20
	s.Behave.DirAfter = 0
	id := r.create(s, 1, workload.Started).Workload.ID
	r.watch(id, func(sn *workload.Snapshot) bool { return !sn.Instances[0].State.Live() })
	i := r.get(id).Instances[0]
	if i.Exit.Code != 153 || i.Exit.Outcome != workload.OutcomeFailed {
		t.Errorf("exit %+v", i.Exit)
	}
	if m := fleet.All(r.st.View())[0]; m.Used != (fleet.Resources{}) {
		t.Errorf("still used: %+v", m.Used)
	}
	for {
		if _, err := os.Stat(r.Dir(i.ID)); errors.Is(err, os.ErrNotExist) {
			return // what it wrote is gone, right after its end was written
		}
		goruntime.Gosched()
	}
}

func TestNoProcessOutlivesAShutdownInTheMiddleOfAScaleUp(t *testing.T) {
	r := newExecRig(t)
	id := r.create(process("/bin/sleep", "47111"), 2, workload.Started).Workload.ID
	r.watch(id, func(sn *workload.Snapshot) bool { return sn.Running() == 2 })
	if _, err := r.Scale(t.Context(), id, 40); err != nil {
		t.Fatal(err)
	}
	r.watch(id, func(sn *workload.Snapshot) bool { return sn.Running() > 5 })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := r.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if n := alive(t, "47111"); n != 0 {
		t.Errorf("%d processes are alive", n)
	}
	odd := map[string]int{}
	for _, i := range r.get(id).Instances {
		if i.State != workload.StateEnded && i.State != workload.StateNew || i.State == workload.StateEnded && i.Run > 0 && i.Exit.Outcome != workload.OutcomeSuspended {
			odd[fmt.Sprint(i.State, " ", i.Exit.Outcome)]++
		}
	}
	if len(odd) > 0 {
		t.Errorf("states that are not true: %v", odd)
	}
	if sn := r.get(id); sn.Workload.Count != 40 || sn.Workload.State != workload.Started {
		t.Errorf("what is wanted was changed: %d, %v", sn.Workload.Count, sn.Workload.State)
	}
	r.st.Close()
	// The thread that spawns processes goes when it has been idle for a while.
	all := make([]byte, 1<<20)
	for n := 0; ; n++ {
		stacks := string(all[:goruntime.Stack(all, true)])
		if !strings.Contains(stacks, "runtime/workload.(*") {
			return
		}
		if n > 10_000 {
			t.Fatalf("goroutines are left:\n%s", stacks)
		}
		goruntime.Gosched()
	}
}
