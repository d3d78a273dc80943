package drivertest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/driver/drivertest"
)

func run(id string) *driver.Run { return &driver.Run{Instance: id, Workload: "w", Attempt: 1} }

func ended(h driver.Handle) bool {
	select {
	case <-h.Done():
		return true
	default:
		return false
	}
}

func TestFaultyStart(t *testing.T) {
	boom := errors.New("boom")
	tests := map[string]struct {
		fault   drivertest.Fault
		timeout time.Duration
		takes   time.Duration
		err     error
	}{
		"the zero fault starts at once":         {timeout: time.Minute},
		"a delay passes":                        {fault: drivertest.Fault{StartDelay: time.Second}, timeout: time.Minute, takes: time.Second},
		"a delay ends with its context":         {fault: drivertest.Fault{StartDelay: time.Hour}, timeout: time.Minute, takes: time.Minute, err: context.DeadlineExceeded},
		"a deaf delay does not":                 {fault: drivertest.Fault{StartDelay: time.Hour, StartDeaf: true}, timeout: time.Minute, takes: time.Hour},
		"a hang ends with its context":          {fault: drivertest.Fault{StartHang: true}, timeout: time.Minute, takes: time.Minute, err: context.DeadlineExceeded},
		"an error comes after its delay":        {fault: drivertest.Fault{StartErr: boom, StartDelay: time.Second}, timeout: time.Minute, takes: time.Second, err: boom},
		"an ended context fails an eager start": {timeout: 0, err: context.DeadlineExceeded},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := drivertest.NewFaulty("faulty", drivertest.Always(tt.fault))
				defer f.Release()
				ctx, cancel := context.WithTimeout(context.Background(), tt.timeout)
				defer cancel()
				before := time.Now()
				_, err := f.Start(ctx, run("a"))
				if got := time.Since(before); got != tt.takes {
					t.Errorf("the start took %v, want %v", got, tt.takes)
				}
				if !errors.Is(err, tt.err) {
					t.Errorf("the start returned %v, want %v", err, tt.err)
				}
			})
		})
	}
}

func TestFaultyEnds(t *testing.T) {
	killed := driver.Exit{Code: driver.CodeKilled, Signal: "SIGKILL"}
	tests := map[string]struct {
		fault drivertest.Fault
		do    func(h driver.Handle)
		after time.Duration
		ended bool
		want  driver.Exit
	}{
		"a good instance ends when stopped":       {do: func(h driver.Handle) { h.Stop(t.Context()) }, ended: true},
		"and when killed":                         {do: func(h driver.Handle) { h.Kill() }, ended: true, want: killed},
		"and only then":                           {do: func(driver.Handle) {}, after: time.Hour},
		"one that ends at once does":              {fault: drivertest.Fault{Ends: true, Exit: driver.Exit{Code: 7}}, do: func(driver.Handle) {}, ended: true, want: driver.Exit{Code: 7}},
		"one that ends later runs until then":     {fault: drivertest.Fault{Ends: true, After: time.Minute}, do: func(driver.Handle) {}, after: time.Minute - 1},
		"and has ended then":                      {fault: drivertest.Fault{Ends: true, After: time.Minute, Exit: driver.Exit{Code: 3}}, do: func(driver.Handle) {}, after: time.Minute + 1, ended: true, want: driver.Exit{Code: 3}},
		"one that ignores Stop goes on":           {fault: drivertest.Fault{IgnoreStop: true}, do: func(h driver.Handle) { h.Stop(t.Context()) }, after: time.Hour},
		"until it is killed":                      {fault: drivertest.Fault{IgnoreStop: true}, do: func(h driver.Handle) { h.Stop(t.Context()); h.Kill() }, ended: true, want: killed},
		"a slow stop takes its time":              {fault: drivertest.Fault{StopDelay: time.Second, StopExit: driver.Exit{Code: 143}}, do: func(h driver.Handle) { h.Stop(t.Context()); h.Stop(t.Context()) }, after: 2 * time.Second, ended: true, want: driver.Exit{Code: 143}},
		"one that ignores Kill goes on":           {fault: drivertest.Fault{IgnoreKill: true}, do: func(h driver.Handle) { h.Kill() }, after: time.Hour},
		"one that forgets never ends":             {fault: drivertest.Fault{Forget: true, Ends: true}, do: func(h driver.Handle) { h.Stop(t.Context()); h.Kill() }, after: time.Hour},
		"killing twice is one end":                {do: func(h driver.Handle) { h.Kill(); h.Kill(); h.Stop(t.Context()) }, ended: true, want: killed},
		"a failing stop leaves the instance be":   {fault: drivertest.Fault{StopErr: errors.New("no")}, do: func(h driver.Handle) { h.Stop(t.Context()) }, after: time.Hour},
		"a panicking stop leaves the instance be": {fault: drivertest.Fault{StopPanic: "no"}, do: func(h driver.Handle) { defer func() { _ = recover() }(); h.Stop(t.Context()) }, after: time.Hour},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := drivertest.NewFaulty("faulty", drivertest.Always(tt.fault))
				defer f.Release()
				h, err := f.Start(t.Context(), run("a"))
				if err != nil {
					t.Fatal(err)
				}
				tt.do(h)
				time.Sleep(tt.after)
				synctest.Wait()
				if got := ended(h); got != tt.ended {
					t.Fatalf("ended: %v, want %v", got, tt.ended)
				}
				got := h.Exit()
				got.At = time.Time{}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("exit mismatch (-want +got):\n%s", diff)
				}
				if n := len(f.Running()); (n == 0) != tt.ended {
					t.Errorf("%d instances are listed as running", n)
				}
			})
		})
	}
}

func TestFaultyScriptsAndHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		boom := errors.New("boom")
		f := drivertest.NewFaulty("faulty", drivertest.InTurn(drivertest.Fault{StartErr: boom}, drivertest.Fault{Forget: true}, drivertest.Fault{}))
		if _, err := f.Start(t.Context(), run("a")); !errors.Is(err, boom) {
			t.Fatalf("first start: %v", err)
		}
		h, err := f.Start(t.Context(), run("b"))
		if err != nil {
			t.Fatal(err)
		}
		_ = h.Kill()
		good, err := f.Start(t.Context(), run("c"))
		if err != nil {
			t.Fatal(err)
		}
		_ = good.Stop(t.Context())
		var got []string
		for _, c := range f.Calls() {
			got = append(got, fmt.Sprintf("%v %d %s", c.Verb, c.N, c.Instance))
		}
		if diff := cmp.Diff([]string{"start 1 a", "start 2 b", "kill 1 b", "start 3 c", "stop 1 c"}, got); diff != "" {
			t.Errorf("calls mismatch (-want +got):\n%s", diff)
		}
		if !f.End("b", driver.Exit{Code: 9}) || h.Exit().Code != 9 {
			t.Error("an instance that forgets is not ended from outside")
		}
		if f.End("b", driver.Exit{}) {
			t.Error("an instance ended twice")
		}
	})
}

func TestFaultyStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := drivertest.NewFaulty("faulty", drivertest.Always(drivertest.Fault{StatsHang: true}))
		defer f.Release()
		h, err := f.Start(t.Context(), run("a"))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if _, err := h.Stats(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("hanging stats returned %v", err)
		}
	})
}

// A driver whose second start of every instance hangs, for a test of how the
// hang is given up.
func ExampleNewFaulty() {
	f := drivertest.NewFaulty("faulty", func(c drivertest.Call) drivertest.Fault {
		return drivertest.Fault{StartHang: c.Attempt == 2}
	})
	defer f.Release()
	_, err := f.Start(context.Background(), &driver.Run{Instance: "a", Attempt: 1})
	fmt.Println(err)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = f.Start(ctx, &driver.Run{Instance: "a", Attempt: 2})
	fmt.Println(err)
	// Output:
	// <nil>
	// the start was cancelled: context canceled
}
