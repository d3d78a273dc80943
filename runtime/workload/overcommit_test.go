package workload_test

import (
	"testing"
	"testing/synctest"

	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload"
)

func TestResourcesThatAreLimitsAloneNeedNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		ms := fleet.All(r.st.View())
		s := spec("serve")
		s.Resources = *ms[0].Total // one instance takes the whole machine
		s.Place.Overcommit = true
		sn := r.create(s, 3, workload.Started)
		synctest.Wait()
		if got := states(r.get(sn.Workload.ID)); got != "0:running 1:running 2:running " {
			t.Errorf("instances: %q", got)
		}
		if ms = fleet.All(r.st.View()); ms[0].Used != (fleet.Resources{}) || ms[0].Instances != 3 {
			t.Errorf("machine: %+v", ms[0])
		}
		s.Place.Overcommit = false
		r.create(s, 2, workload.Started)
		synctest.Wait()
		if ms = fleet.All(r.st.View()); ms[0].Used != *ms[0].Total || ms[0].Instances != 4 {
			t.Errorf("machine with one that has it for itself: %+v", ms[0])
		}
	})
}
