package workload

import (
	"testing"

	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

func TestARunThatIsStoppedAsItMayStartReportsItsEnd(t *testing.T) {
	st := newStepper(t, 1, true).st
	s, err := New(st, nil, fleet.New(st, nil, nil), []driver.Driver{simDriver{}}, WithConnector(simConnector{}))
	if err != nil {
		t.Fatal(err)
	}
	sh := newShard(s.sup)
	i := &Instance{Workload: "w", State: StateSetup, Run: 1}
	i.ID = "i"
	spec := &Spec{Template: driver.Template{Driver: "sim"}}
	r := newRunner(sh, st.View(), &draft{w: &Workload{Spec: *spec}}, &command{inst: i, verb: verbStart, spec: spec})
	r.proceed(nil) // it has not looked yet when it is told to stop
	r.tell(verbStop, 0)
	env, ok := r.setup()
	if !ok {
		t.Fatal("it waits for the word to give back what it has prepared, and nobody will give it")
	}
	if _, err := r.start(env); err == nil {
		t.Error("it was started")
	}
	var events []event
	for _, rep := range sh.reports["w"] {
		events = append(events, rep.event)
	}
	if len(events) != 2 || events[0] != eventSetup || events[1] != eventFailed {
		t.Errorf("reports %v", events)
	}
}
