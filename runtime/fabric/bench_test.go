package fabric_test

import (
	"testing"

	"github.com/atoll-platform/atoll/runtime/fabric"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// BenchmarkLinkVariables guards what it costs to show an application of a
// hundred containers with two ports, the largest there is by default.
func BenchmarkLinkVariables(b *testing.B) {
	s := fabric.New(openStore(b), nil)
	w := &workload.Workload{FQN: "job::/tutum/neo::web", Gen: 1}
	w.Spec.Procs = map[string]driver.Process{"main": {Env: map[string]string{"A": "1", "B": "2"}}}
	sn := &workload.Snapshot{Workload: w, Status: &workload.Status{}}
	for k := range 100 {
		sn.Instances = append(sn.Instances, &workload.Instance{Slot: k, State: workload.StateRunning, Gen: 1, Ports: []driver.Bound{
			{Port: driver.Port{Number: 80, Proto: "tcp"}, Outer: 40000 + k}, {Port: driver.Port{Number: 53, Proto: "udp"}, Outer: 50000 + k},
		}})
	}
	for b.Loop() {
		if n := len(s.LinkVariables(sn)); n != 1+100*11 {
			b.Fatal(n)
		}
	}
}

// BenchmarkParseReference guards the first thing that a creation does.
func BenchmarkParseReference(b *testing.B) {
	for b.Loop() {
		if _, err := fabric.ParseReference("registry.example.com:5000/team/web:1.0"); err != nil {
			b.Fatal(err)
		}
	}
}
