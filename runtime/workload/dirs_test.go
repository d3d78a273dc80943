package workload_test

import (
	"context"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver/funcdriver"
)

func TestADirectoryIsKeptAsLongAsItsWorkloadSays(t *testing.T) {
	tests := map[string]struct {
		after time.Duration
		want  []bool // after the stop, nine minutes later, after eleven, and once the slot is gone
	}{
		"not at all":              {0, []bool{false, false, false, false}},
		"for ten minutes":         {10 * time.Minute, []bool{true, true, false, false}},
		"while it is in its slot": {workload.WhileInSlot, []bool{true, true, true, false}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, workload.WithDirs(t.TempDir()))
				defer r.stop()
				found := make(chan bool, 1)
				register(t, r.funcs, "write", func(ctx context.Context, task *funcdriver.Task) error {
					dir, err := task.Dir()
					if err != nil {
						return err
					}
					_, err = dir.Stat("file")
					found <- err == nil
					if err := dir.WriteFile("file", []byte("x"), 0o600); err != nil {
						return err
					}
					<-ctx.Done()
					return nil
				})
				s := spec("write")
				s.Behave.DirAfter = tt.after
				id := r.create(s, 1, workload.Started).Workload.ID
				if <-found {
					t.Error("a new directory has a file")
				}
				synctest.Wait()
				dir := r.Dir(r.get(id).Instances[0].ID)
				there := func() bool {
					synctest.Wait()
					_, err := os.Stat(dir)
					return err == nil
				}
				if !there() {
					t.Fatal("no directory")
				}
				var got []bool
				if _, err := r.StopWorkload(t.Context(), id); err != nil {
					t.Fatal(err)
				}
				got = append(got, there())
				time.Sleep(9 * time.Minute)
				got = append(got, there())
				time.Sleep(2 * time.Minute)
				got = append(got, there())

				// What is kept is found by the next run.
				if _, err := r.StartWorkload(t.Context(), id); err != nil {
					t.Fatal(err)
				}
				if f := <-found; f != got[2] {
					t.Errorf("the next run finds the file: %v", f)
				}
				if !there() {
					t.Error("no directory in the next run")
				}
				if _, err := r.Delete(t.Context(), id); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				time.Sleep(11 * time.Minute)
				got = append(got, there())
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("the directory is there (-want +got):\n%s", diff)
				}
			})
		})
	}
}
