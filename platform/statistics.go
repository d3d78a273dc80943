package platform

import (
	"context"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime"
	"github.com/atoll-platform/atoll/runtime/fleet"
)

// Statistics is what a platform has done since it was started.
type Statistics struct {
	runtime.Stats // summed over all runtimes
	Runtimes      int
	Cluster       fleet.Cluster
	Since         time.Time // of Start
}

// Statistics returns what the platform has done. Denied, Unavailable.
func (p *Platform) Statistics(ctx context.Context) (Statistics, error) {
	const op = "platform.Statistics"
	if err := p.guard.Check(ctx, policy.Do(policy.Read, clusterFQN)); err != nil {
		return Statistics{}, atoll.Wrap(op, err)
	}
	n, sum, err := p.runtimes.PlatformStats(ctx)
	if err != nil {
		return Statistics{}, atoll.Wrap(op, err)
	}
	st := Statistics{Stats: sum, Runtimes: n, Cluster: fleet.Members(p.st.View())}
	if since := p.since.Load(); since != nil {
		st.Since = *since
	}
	return st, nil
}
