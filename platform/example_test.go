package platform_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/driver/funcdriver"
)

// A function of the program is kept running: one copy, then three, then none.
// Whoever crashes is started again, at once and then after growing delays.
func ExamplePlatform_Workloads() {
	ctx := context.Background()
	p, err := platform.New()
	if err != nil {
		log.Fatal(err)
	}
	err = p.Functions().Register("acme/greeter", func(ctx context.Context, t *funcdriver.Task) error {
		fmt.Fprintf(t.Stdout(), "copy %d says %s\n", t.Slot(), t.Getenv("WORD"))
		<-ctx.Done() // it works until it is stopped
		return nil
	}, driver.Image{})
	if err != nil {
		log.Fatal(err)
	}
	if err := p.Start(ctx); err != nil {
		log.Fatal(err)
	}
	defer p.Shutdown(ctx)

	w := p.Workloads()
	now, err := w.Create(ctx, workload.NewWorkload{
		FQN:   policy.MustParseFQN("job::/acme::greeter"),
		State: workload.Started,
		Count: 1,
		Spec: workload.Spec{
			Template: driver.Template{Driver: "func", Func: "acme/greeter", Procs: map[string]driver.Process{
				"main": {Env: map[string]string{"WORD": "hello"}},
			}},
			Recover: workload.Recovery{Steps: []workload.Step{{
				Do: workload.ActionRestart, On: workload.OnFailed | workload.OnLost, Max: 5,
				Delay: workload.Delay{Free: true, First: time.Second, Top: time.Minute},
			}}},
			Stop:   workload.Stop{Grace: 5 * time.Second},
			Behave: workload.Behave{Keep: workload.KeepRecord, Strict: true},
		},
	})
	// An operation is accepted at once; Await waits until it has been done.
	settle := func() {
		if err == nil {
			now, err = w.Await(ctx, now.Workload.ID, now.Status.Op.Seq)
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(now.Status.Op.Kind, "-", now.Running(), "running")
	}
	settle()
	now, err = w.Scale(ctx, now.Workload.ID, 3)
	settle()
	now, err = w.StopWorkload(ctx, now.Workload.ID)
	settle()

	lines, err := w.Logs(ctx, now.Workload.ID, workload.LogQuery{})
	if err != nil {
		log.Fatal(err)
	}
	for _, l := range lines {
		fmt.Printf("%s\n", l.Text)
	}
	// Unordered output:
	// create - 1 running
	// scale - 3 running
	// stop - 0 running
	// copy 0 says hello
	// copy 1 says hello
	// copy 2 says hello
}
