package view_test

import (
	"fmt"

	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/view"
)

// An application is one of the workloads that jobs are, too: what an application
// can show exactly may be changed there, and the rest is refused.
func Example() {
	c := view.TutumCreate{Namespace: "/t/neo", Tenant: "neo", Repository: "demo/web", Autorestart: "ON_FAILURE"}
	n, found := c.New()
	fmt.Println("findings:", len(found))

	s := &workload.Snapshot{
		Workload: &workload.Workload{FQN: n.FQN.String(), Title: n.Title, Home: n.Home, Spec: n.Spec, Count: n.Count, State: n.State},
		Status:   &workload.Status{},
	}
	fmt.Println("application:", view.GetTutum(s).Name, view.GetTutum(s).Size, view.GetTutum(s).Autorestart)

	job := view.GetApcera(s)
	fmt.Println("job:", job.Name, job.State, job.Resources.Memory>>20, "MiB, restart", job.Restart.Mode)

	d := &workload.Desired{FQN: n.FQN, Title: n.Title, Spec: n.Spec, Count: n.Count, State: n.State}
	job.Instances = 3
	fmt.Println("three instances:", view.PutApcera(n.Home, d, &job), d.Count)
	job.Restart.Mode = view.ApceraAlways
	fmt.Println("another restart:", view.PutApcera(n.Home, d, &job))
	// Output:
	// findings: 0
	// application: web XS ON_FAILURE
	// job: web started 256 MiB, restart failure
	// three instances: <nil> 3
	// another restart: the job cannot be changed so; restart: restart is governed by tutum autorestart
}

// An operation is judged inside the transaction that performs it.
func ExampleTutumMay() {
	s := &workload.Snapshot{
		Workload: &workload.Workload{Count: 1, State: workload.Started},
		Status:   &workload.Status{},
		Slots:    []*workload.Slot{{Index: 0}},
		Instances: []*workload.Instance{
			{Seq: 1, Slot: 0, State: workload.StateRunning},
		},
	}
	fmt.Println(view.TutumMay(s, view.TutumStop))
	fmt.Println(view.TutumMay(s, view.TutumStart))
	// Output:
	// <nil>
	// cannot start application in state Running
}
