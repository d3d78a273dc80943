package workload_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/driver/funcdriver"
)

// begun returns when single runs of a cause began, since the bubble did.
func (r *rig) begun(id string, kind workload.CauseKind, cause string, since time.Time) (out []time.Duration) {
	for _, i := range r.get(id).Instances {
		if i.Cause.Kind == kind && i.Cause.ID == cause {
			out = append(out, i.StartedAt.Sub(since))
		}
	}
	return out
}

func onRequest(fn string) workload.Spec {
	s := spec(fn)
	s.Behave.Runs = workload.RunLimit{Max: 8, Queue: time.Minute}
	s.Behave.Retain = 1000 * time.Hour
	return s
}

func TestASchedulesTimesAreServedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := openStore(t)
		r := newRigOn(t, st)
		register(t, r.funcs, "slow", func(ctx context.Context, _ *funcdriver.Task) error {
			time.Sleep(25 * time.Second)
			return nil
		})
		begin := time.Now()
		id := r.create(onRequest("slow"), 0, workload.Ready).Workload.ID
		c, err := r.CreateSchedule(t.Context(), workload.Schedule{Workload: id, Every: 10 * time.Second})
		if err != nil || !c.Next.Equal(begin.Add(10*time.Second)) || c.Num != 1 {
			t.Fatalf("%+v, %v", c, err)
		}
		time.Sleep(65 * time.Second)
		// Each run takes 25 s: the times that come meanwhile are skipped.
		want := []time.Duration{10 * time.Second, 40 * time.Second}
		if diff := cmp.Diff(want, r.begun(id, workload.CauseSchedule, c.ID, begin)); diff != "" {
			t.Errorf("runs (-want +got):\n%s", diff)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = r.Shutdown(ctx)
		time.Sleep(time.Hour)

		// After a restart it goes on; what passed meanwhile is not made up.
		next, err := workload.New(st, nil, r.fleet, []driver.Driver{r.funcs})
		if err != nil {
			t.Fatal(err)
		}
		r.Service = next
		began := time.Now()
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(12 * time.Second)
		runs := r.begun(id, workload.CauseSchedule, c.ID, began)
		if n := len(runs); n != 3 || runs[2] <= 0 || runs[2] > 10*time.Second {
			t.Errorf("runs around the restart: %v", runs)
		}

		// A change counts from now.
		c, err = r.ChangeSchedule(t.Context(), c.ID, func(c *workload.Schedule) error { c.Every, c.Cron = 0, "0 * * * *"; return nil })
		if err != nil || c.Next.Minute() != 0 || time.Until(c.Next) > time.Hour {
			t.Errorf("%+v, %v", c, err)
		}
		if err := r.DeleteSchedule(t.Context(), c.ID); err != nil {
			t.Error(err)
		}
		time.Sleep(3 * time.Hour)
		if n := len(r.begun(id, workload.CauseSchedule, c.ID, began)); n != 3 {
			t.Errorf("%d runs after it was deleted", n)
		}
		r.stop()
	})
}

func TestASchedulesClocksChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		time.Sleep(time.Until(time.Date(2000, 3, 24, 12, 0, 0, 0, time.UTC)))
		id := r.create(onRequest("clean"), 0, workload.Ready).Workload.ID
		c, err := r.CreateSchedule(t.Context(), workload.Schedule{Workload: id, Cron: "30 2 * * *", Zone: "Europe/Berlin"})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * 24 * time.Hour)
		var got []string
		for _, i := range r.get(id).Instances {
			got = append(got, i.StartedAt.Format(time.RFC3339))
		}
		want := []string{"2000-03-25T01:30:00Z", "2000-03-26T01:00:00Z", "2000-03-27T00:30:00Z", "2000-03-28T00:30:00Z"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("runs (-want +got):\n%s", diff)
		}
		if c, err := r.Schedule(t.Context(), c.ID); err != nil || c.Next.Format(time.RFC3339) != "2000-03-29T00:30:00Z" {
			t.Errorf("next: %+v, %v", c, err)
		}
	})
}

func TestAScheduleStartsWhatDoesNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		id := r.create(spec("clean"), 2, workload.Ready).Workload.ID
		if _, err := r.CreateSchedule(t.Context(), workload.Schedule{Workload: id, Every: time.Minute}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if sn := r.get(id); sn.Workload.State != workload.Started || states(sn) != "0:ended 1:ended " || sn.Instances[0].Run != 1 {
			t.Errorf("after a minute: %v %s", sn.Workload.State, states(sn))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if sn := r.get(id); sn.Instances[1].Run != 2 {
			t.Errorf("after two minutes: run %d", sn.Instances[1].Run)
		}
	})
}

func TestARefusedTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := newFaultyRig(t) // its driver cannot run anything once
		defer r.stop()
		s := onRequest("")
		s.Driver = "faulty"
		id := r.create(s, 0, workload.Ready).Workload.ID
		c, err := r.CreateSchedule(t.Context(), workload.Schedule{Workload: id, Every: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		begin := r.st.LastIndex()
		time.Sleep(10*time.Minute + time.Second)
		if n := r.st.LastIndex() - begin; n != 10 {
			t.Errorf("%d commits for ten refused times", n)
		}
		if _, err := r.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Schedule(t.Context(), c.ID); !errors.Is(err, atoll.NotFound) {
			t.Errorf("a schedule without its workload: %v", err)
		}
		time.Sleep(time.Hour + time.Minute)
	})
}

func TestScheduleRefuses(t *testing.T) {
	tests := map[string]struct {
		schedule workload.Schedule
		paths    []string
	}{
		"neither a period nor a time": {workload.Schedule{}, []string{""}},
		"both":                        {workload.Schedule{Every: time.Minute, Cron: "* * * * *"}, []string{""}},
		"a period that is too short":  {workload.Schedule{Every: time.Millisecond}, []string{"every"}},
		"a time that is none":         {workload.Schedule{Cron: "61 * * * *", Zone: "Nowhere"}, []string{"zone", "cron"}},
		"a title that is too long":    {workload.Schedule{Every: time.Minute, Title: string(make([]byte, 2000))}, []string{"title"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, f := range tt.schedule.Check() {
				got = append(got, f.Path)
			}
			if diff := cmp.Diff(tt.paths, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTriggersRunWhatTheyBelongTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		ctx := t.Context()
		register(t, r.funcs, "echo", func(_ context.Context, task *funcdriver.Task) error { return task.Result(task.Args()) })
		make := func(signal string) (string, *workload.Trigger) {
			id := r.create(onRequest("echo"), 0, workload.Ready).Workload.ID
			tr, err := r.CreateTrigger(ctx, workload.Trigger{Workload: id, Class: "book", Signal: signal})
			if err != nil {
				t.Fatal(err)
			}
			return id, tr
		}
		one, first := make("post_create")
		_, second := make("post_create")
		_, _ = make("post_delete")
		runs, err := r.Fire(ctx, workload.Event{Class: "book", Signal: "post_create", Args: json.RawMessage(`{"a":1}`), Depth: 2})
		if err != nil || len(runs) != 2 {
			t.Fatalf("%d runs, %v", len(runs), err)
		}
		causes := []workload.Cause{runs[0].Cause, runs[1].Cause}
		slices.SortFunc(causes, func(a, b workload.Cause) int {
			if a.ID == first.ID {
				return -1
			}
			return 1
		})
		want := []workload.Cause{{Kind: workload.CauseTrigger, ID: first.ID, Depth: 2}, {Kind: workload.CauseTrigger, ID: second.ID, Depth: 2}}
		if diff := cmp.Diff(want, causes); diff != "" {
			t.Errorf("causes (-want +got):\n%s", diff)
		}
		synctest.Wait()
		if res, err := r.Result(ctx, runs[0].ID); err != nil || string(res.Result) != `{"a":1}` {
			t.Errorf("%s, %v", res.Result, err)
		}
		if runs, err := r.Fire(ctx, workload.Event{Tenant: "other", Class: "book", Signal: "post_create"}); err != nil || len(runs) != 0 {
			t.Errorf("of another tenant: %v, %v", runs, err)
		}
		runs, err = r.Fire(ctx, workload.Event{Class: "book", Signal: "post_create", Depth: workload.MaxDepth + 1})
		if err != nil || len(runs) != 2 || runs[0].Exit.Outcome != workload.OutcomeBlocked {
			t.Errorf("too deep: %v, %v", runs, err)
		}
		if _, err := r.ChangeTrigger(ctx, second.ID, func(t *workload.Trigger) error { t.Workload = one; t.Signal = "post_update"; return nil }); err != nil {
			t.Error(err)
		}
		var of []string
		for tr := range r.Triggers(ctx, one) {
			of = append(of, tr.Signal)
		}
		if diff := cmp.Diff([]string{"post_create", "post_update"}, of); diff != "" {
			t.Errorf("triggers (-want +got):\n%s", diff)
		}
		if _, err := r.ChangeTrigger(ctx, second.ID, func(t *workload.Trigger) error { t.Workload = "nobody"; return nil }); !errors.Is(err, atoll.Reference) {
			t.Errorf("moved to nobody: %v", err)
		}
		if err := r.DeleteTrigger(ctx, first.ID); err != nil {
			t.Error(err)
		}
		if runs, err := r.Fire(ctx, workload.Event{Class: "book", Signal: "post_create"}); err != nil || len(runs) != 0 {
			t.Errorf("after their end: %v, %v", runs, err)
		}
		if _, err := r.CreateTrigger(ctx, workload.Trigger{Workload: one}); !errors.Is(err, atoll.Invalid) {
			t.Errorf("without a class: %v", err)
		}
	})
}
