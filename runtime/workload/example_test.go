package workload_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"time"

	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/driver/funcdriver"
)

// service makes a started Service whose functions are fs.
func service(fs map[string]funcdriver.Func) *workload.Service {
	ctx := context.Background()
	st, err := store.Open(append(workload.Tables(), fleet.Tables()...))
	if err != nil {
		log.Fatal(err)
	}
	machines := fleet.New(st, nil, nil)
	if err := machines.RegisterLocal(ctx, "127.0.0.1", 2551); err != nil {
		log.Fatal(err)
	}
	funcs := funcdriver.New()
	for name, f := range fs {
		if err := funcs.Register(name, f, driver.Image{}); err != nil {
			log.Fatal(err)
		}
	}
	s, err := workload.New(st, nil, machines, []driver.Driver{funcs})
	if err != nil {
		log.Fatal(err)
	}
	if err := s.Start(ctx); err != nil {
		log.Fatal(err)
	}
	return s
}

// A function is kept running in three copies, then in one.
func ExampleService_Create() {
	ctx := context.Background()
	s := service(map[string]funcdriver.Func{"worker": func(ctx context.Context, t *funcdriver.Task) error {
		<-ctx.Done()
		return nil
	}})
	defer s.Shutdown(ctx)

	sn, err := s.Create(ctx, workload.NewWorkload{
		FQN:   policy.MustParseFQN("job::/sandbox/neo::worker"),
		State: workload.Started,
		Count: 3,
		Spec: workload.Spec{
			Template: driver.Template{Driver: "func", Func: "worker"},
			Stop:     workload.Stop{Grace: 5 * time.Second},
			Behave:   workload.Behave{Strict: true},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	sn, err = s.Await(ctx, sn.Workload.ID, sn.Status.Op.Seq)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("running:", sn.Running())

	if sn, err = s.Scale(ctx, sn.Workload.ID, 1); err != nil {
		log.Fatal(err)
	}
	if sn, err = s.Await(ctx, sn.Workload.ID, sn.Status.Op.Seq); err != nil {
		log.Fatal(err)
	}
	fmt.Println("running:", sn.Running())
	// Output:
	// running: 3
	// running: 1
}

// A function is run once, with arguments, and leaves a result.
func ExampleService_RunOnce() {
	ctx := context.Background()
	s := service(map[string]funcdriver.Func{"double": func(_ context.Context, t *funcdriver.Task) error {
		var n int
		if err := json.Unmarshal(t.Args(), &n); err != nil {
			return err
		}
		fmt.Fprintln(t.Stdout(), "doubling", n)
		return t.Result(json.RawMessage(fmt.Sprint(2 * n)))
	}})
	defer s.Shutdown(ctx)

	sn, err := s.Create(ctx, workload.NewWorkload{
		FQN:  policy.MustParseFQN("job::/t/acme::double"),
		Spec: workload.Spec{Template: driver.Template{Driver: "func", Func: "double"}, Behave: workload.Behave{Retain: time.Hour}},
	})
	if err != nil {
		log.Fatal(err)
	}
	run, err := s.RunOnce(ctx, sn.Workload.ID, workload.Single{Args: json.RawMessage("21")})
	if err != nil {
		log.Fatal(err)
	}
	if run, err = s.AwaitInstance(ctx, run.ID, false); err != nil {
		log.Fatal(err)
	}
	left, err := s.Result(ctx, run.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%v: %s, %s", run.Exit.Outcome, left.Result, left.Stdout)
	// Output:
	// clean: 42, doubling 21
}

// What a workload prints can be followed as it is written.
func ExampleService_Follow() {
	ctx := context.Background()
	s := service(map[string]funcdriver.Func{"hello": func(ctx context.Context, t *funcdriver.Task) error {
		fmt.Fprintln(t.Stdout(), "hello")
		fmt.Fprintln(t.Stderr(), "world")
		<-ctx.Done()
		return nil
	}})
	defer s.Shutdown(ctx)

	sn, err := s.Create(ctx, workload.NewWorkload{
		FQN:   policy.MustParseFQN("job::/sandbox/neo::hello"),
		State: workload.Started,
		Count: 1,
		Spec:  workload.Spec{Template: driver.Template{Driver: "func", Func: "hello"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	lines, err := s.Follow(ctx, sn.Workload.ID, "", 0)
	if err != nil {
		log.Fatal(err)
	}
	for seen := 0; seen < 2; {
		batch, err := lines.Next(ctx)
		if err != nil {
			log.Fatal(err)
		}
		for _, l := range batch.Lines {
			fmt.Printf("%v: %s\n", l.Stream, l.Text)
			seen++
		}
	}
	// Output:
	// stdout: hello
	// stderr: world
}
