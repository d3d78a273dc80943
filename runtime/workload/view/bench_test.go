package view_test

import (
	"testing"

	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/view"
)

// Lists show every workload, and a workload may have ten thousand instances: what
// a view costs is to grow with them, not with their square.
func BenchmarkGetTutum(b *testing.B) {
	for name, n := range map[string]int{"100 containers": 100, "10000 instances": 10_000} {
		is := make([]*workload.Instance, n)
		for k := range is {
			is[k] = []*workload.Instance{running, fresh, backoff}[k%3]
		}
		s := under(whole(is...), workload.OpStart)
		s.Workload.Spec.Rollout.Sequential = true
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				view.GetTutum(s)
			}
		})
		b.Run(name+", one of them", func(b *testing.B) {
			for b.Loop() {
				view.GetTutumContainer(s, s.Instances[n/2])
			}
		})
	}
}
