package workload

import (
	"context"
	"testing"
	"time"
)

func TestAStopThatComesBeforeItsRunWaitsForIt(t *testing.T) {
	sh := &shard{runners: map[string]map[runKey]*runner{}}
	begin := func(run int) *runner {
		r := &runner{inst: &Instance{Workload: "w", Run: run}, signal: make(chan struct{}, 1)}
		r.early, r.cancel = context.WithCancel(t.Context())
		sh.add(r)
		return r
	}
	for _, grace := range []time.Duration{3 * time.Second, time.Second, 2 * time.Second} {
		sh.tell("w", runKey{"", 1}, verbStop, grace)
	}
	sh.tell("w", runKey{"", 1}, verbLose, 0) // of a run before it: there is none to lose
	first, second := begin(1), begin(2)
	if w := first.told(); !w.stop || w.grace != time.Second || w.lose || first.early.Err() == nil {
		t.Errorf("the run was told %+v, %v", w, first.early.Err())
	}
	if w := second.told(); w.stop || second.early.Err() != nil {
		t.Errorf("another run was told %+v", w)
	}
	sh.tell("w", runKey{"", 3}, verbStop, 0)
	if sh.remove("w", runKey{"", 3}); len(sh.early) != 0 {
		t.Errorf("stops of runs that are over are kept: %v", sh.early)
	}
}
