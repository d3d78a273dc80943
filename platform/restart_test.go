package platform_test

import (
	"bytes"
	"context"
	"errors"
	goruntime "runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/platform/platformtest"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/driver/funcdriver"
)

// TestARestoredPlatformGoesOnWithItsWorkloads, wherever it is restored.
func TestARestoredPlatformGoesOnWithItsWorkloads(t *testing.T) {
	fs, _ := functions(t)
	first := platformtest.New(t, platform.WithFunctions(fs))
	sn, err := first.Workloads().Create(t.Context(), service("job::/a::web", 2))
	id := settled(t, first, sn, err).Workload.ID
	stopped, err := first.Workloads().Create(t.Context(), service("job::/a::idle", 1))
	stopped = settled(t, first, stopped, err)
	stopped, err = first.Workloads().StopWorkload(t.Context(), stopped.Workload.ID)
	settled(t, first, stopped, err)
	var image bytes.Buffer
	if err := first.Snapshot(t.Context(), &image); err != nil {
		t.Fatal(err)
	}
	check := func(t *testing.T, p *platform.Platform, n *running) {
		t.Helper()
		after := waitFor(t, p, id, upTo(2))
		for _, i := range after.Instances {
			if i.Run != 2 || i.Exit.Outcome != workload.OutcomeSuspended || i.Exit.Reason != "platform restarted" {
				t.Errorf("slot %d: run %d, %+v", i.Slot, i.Run, i.Exit)
			}
		}
		if idle, err := p.Workloads().Get(t.Context(), stopped.Workload.ID); err != nil || idle.Workload.State != workload.Stopped || idle.Running() != 0 {
			t.Errorf("what was stopped: %v", err)
		}
		if n.Load() != 2 {
			t.Errorf("%d functions run", n.Load())
		}
	}
	t.Run("a platform that is started later", func(t *testing.T) {
		fs, n := functions(t)
		p, err := platform.New(platform.WithFunctions(fs))
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Restore(t.Context(), bytes.NewReader(image.Bytes())); err != nil {
			t.Fatal(err)
		}
		if err := p.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		check(t, p, n)
		if err := p.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("a platform that runs something else", func(t *testing.T) {
		fs, n := functions(t)
		p := platformtest.New(t, platform.WithFunctions(fs), platform.WithWorkDir(t.TempDir()))
		sn, err := p.Workloads().Create(t.Context(), service("job::/a::web", 5))
		settled(t, p, sn, err)
		if err := p.Restore(t.Context(), bytes.NewReader(image.Bytes())); err != nil {
			t.Fatal(err)
		}
		check(t, p, n)
		if err := p.Restore(t.Context(), strings.NewReader("nothing")); !errors.Is(err, atoll.Invalid) {
			t.Errorf("a stream that is none: %v, want invalid", err)
		}
		if n.Load() != 2 {
			t.Errorf("%d functions run after a restore that failed", n.Load())
		}
	})
}

// TestShutdownInTheMiddleOfAScaleUp leaves nothing that runs, and rows that say so.
func TestShutdownInTheMiddleOfAScaleUp(t *testing.T) {
	before := goruntime.NumGoroutine()
	for _, reached := range []int32{1, 2, 30} {
		fs, n := functions(t)
		p, err := platform.New(platform.WithFunctions(fs), platform.WithWorkDir(t.TempDir()))
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		sn, err := p.Workloads().Create(t.Context(), service("job::/a::web", 1))
		id := settled(t, p, sn, err).Workload.ID
		if _, err := p.Workloads().Scale(t.Context(), id, 100); err != nil {
			t.Fatal(err)
		}
		for n.Load() < reached {
			goruntime.Gosched()
		}
		if err := p.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n.Load() != 0 {
			t.Errorf("%d functions run", n.Load())
		}
		sn, err = p.Workloads().Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range sn.Instances {
			if i.State.Placed() || i.Goal != workload.GoalRun || i.Exit.Outcome != workload.OutcomeSuspended && i.Run > 0 {
				t.Fatalf("slot %d: %v, goal %v, %+v", i.Slot, i.State, i.Goal, i.Exit)
			}
		}
		if sn.Workload.State != workload.Started || sn.Workload.Count != 100 || len(sn.Slots) != 100 {
			t.Errorf("what is wanted is %v, %d, %d slots", sn.Workload.State, sn.Workload.Count, len(sn.Slots))
		}
		var image bytes.Buffer
		if err := p.Snapshot(t.Context(), &image); err != nil {
			t.Fatal(err)
		}
		fs, n = functions(t)
		again, err := platform.New(platform.WithFunctions(fs))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(again.Restore(t.Context(), &image), again.Start(t.Context())); err != nil {
			t.Fatal(err)
		}
		waitFor(t, again, id, upTo(100))
		if n.Load() != 100 {
			t.Errorf("%d functions run again", n.Load())
		}
		if err := again.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(5 * time.Second); goruntime.NumGoroutine() > before; goruntime.Gosched() {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", goruntime.NumGoroutine(), before, buf[:goruntime.Stack(buf, true)])
		}
	}
}

// TestAShutdownWaitsAsLongAsItMay and says what did not end then.
func TestAShutdownWaitsAsLongAsItMay(t *testing.T) {
	for name, tt := range map[string]struct {
		takes time.Duration // of the function to stop
		grace time.Duration
		most  time.Duration // of the shutdown
		kind  atoll.Kind
	}{
		"it ends within its grace":        {takes: 3 * time.Second, grace: 5 * time.Second, most: 4 * time.Second},
		"it ends when it is killed":       {takes: 3 * time.Second, grace: time.Second, most: 4 * time.Second},
		"it never ends":                   {takes: time.Hour, grace: 5 * time.Second, most: 15 * time.Second, kind: atoll.Timeout},
		"its grace is more than there is": {takes: time.Hour, grace: time.Hour, most: 15 * time.Second, kind: atoll.Timeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fs := funcdriver.New()
				err := fs.Register("serve", func(ctx context.Context, _ *funcdriver.Task) error {
					<-ctx.Done()
					time.Sleep(tt.takes)
					return nil
				}, driver.Image{})
				if err != nil {
					t.Fatal(err)
				}
				p, err := platform.New(platform.WithFunctions(fs))
				if err != nil {
					t.Fatal(err)
				}
				if err := p.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				n := service("job::/a::slow", 2)
				n.Spec.Stop.Grace = tt.grace
				sn, err := p.Workloads().Create(t.Context(), n)
				settled(t, p, sn, err)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				begin := time.Now()
				err = p.Shutdown(ctx)
				if k := atoll.KindOf(err); k != tt.kind || time.Since(begin) > tt.most {
					t.Errorf("%v, after %v", err, time.Since(begin))
				}
				sn, err = p.Workloads().Get(t.Context(), sn.Workload.ID)
				if err != nil {
					t.Fatal(err)
				}
				for _, i := range sn.Instances {
					if i.State.Placed() {
						t.Errorf("slot %d is %v", i.Slot, i.State)
					}
				}
				time.Sleep(tt.takes) // what was left behind ends with the bubble
			})
		})
	}
}

// TestAPlatformAnswersWhileItIsRestored: what is asked for meanwhile is done
// when what ran before has ended.
func TestAPlatformAnswersWhileItIsRestored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := funcdriver.New()
		err := fs.Register("serve", func(ctx context.Context, _ *funcdriver.Task) error {
			<-ctx.Done()
			time.Sleep(4 * time.Second)
			return nil
		}, driver.Image{})
		if err != nil {
			t.Fatal(err)
		}
		p, err := platform.New(platform.WithFunctions(fs))
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		sn, err := p.Workloads().Create(t.Context(), service("job::/a::web", 1))
		sn = settled(t, p, sn, err)
		var image bytes.Buffer
		if err := p.Snapshot(t.Context(), &image); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		begin := time.Now()
		go func() { done <- p.Restore(t.Context(), &image) }()
		time.Sleep(time.Second)
		if !p.Ready() {
			t.Error("the platform is not ready while it is restored")
		}
		other, err := p.Workloads().Create(t.Context(), service("job::/a::other", 1))
		if err != nil || other.Running() != 0 {
			t.Errorf("create: %v", err)
		}
		if d := time.Since(begin); d != time.Second {
			t.Errorf("the answers took %v", d-time.Second)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		settled(t, p, other, nil)
		synctest.Wait()
		for _, id := range []string{sn.Workload.ID, other.Workload.ID} {
			if now, err := p.Workloads().Get(t.Context(), id); err != nil || now.Running() != 1 {
				t.Errorf("%s does not run: %v", id, err)
			}
		}
		if d := time.Since(begin); d != 4*time.Second {
			t.Errorf("it took %v, want the time that the function needs to stop", d)
		}
		if err := p.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
