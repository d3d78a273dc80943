package view

import (
	"slices"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/runtime/workload"
)

// ApceraInstanceState is the state of an instance of a job.
type ApceraInstanceState string

// The states of an instance.
const (
	ApceraNew          ApceraInstanceState = "NEW"
	ApceraSetup        ApceraInstanceState = "SETUP"
	ApceraStartingWait ApceraInstanceState = "STARTING_WAIT"
	ApceraStarting     ApceraInstanceState = "STARTING"
	ApceraFirstRunning ApceraInstanceState = "FIRST_RUNNING"
	ApceraRunning      ApceraInstanceState = "RUNNING"
	ApceraUpdating     ApceraInstanceState = "UPDATING"
	ApceraStoppingWait ApceraInstanceState = "STOPPING_WAIT"
	ApceraStopping     ApceraInstanceState = "STOPPING"
	ApceraTeardown     ApceraInstanceState = "TEARDOWN"
	ApceraStopped      ApceraInstanceState = "STOPPED"
)

var apceraStates = map[workload.State]ApceraInstanceState{
	workload.StateNew:       ApceraNew,
	workload.StateSetup:     ApceraSetup,
	workload.StateWaiting:   ApceraStartingWait,
	workload.StateStarting:  ApceraStarting,
	workload.StateAttaching: ApceraFirstRunning,
	workload.StateRunning:   ApceraRunning,
	workload.StateUpdating:  ApceraUpdating,
	workload.StateStopWait:  ApceraStoppingWait,
	workload.StateStopping:  ApceraStopping,
	workload.StateTeardown:  ApceraTeardown,
	workload.StateBackoff:   ApceraStartingWait,
	workload.StateEnded:     ApceraStopped,
}

// ApceraStateOf returns the state of an instance of a job.
func ApceraStateOf(i *workload.Instance) ApceraInstanceState { return apceraStates[i.State] }

// ApceraInstance is what an instance of a job shows.
type ApceraInstance struct {
	UUID      string
	State     ApceraInstanceState
	CreatedAt time.Time
	Version   uint64 // of the job that it runs
	Machine   string // id; "" before it is placed
	Slot      int    // -1 = run once
	Exited    bool   // its processes are gone
	Failed    bool   // it ended otherwise than asked or well
	ExitCode  int    // 0 while it runs
	Announced bool   // its routes lead to it
	Reason    string
	Ports     map[int]int // the number on the host by the declared number
}

// GetApceraInstance returns an instance as jobs have them; routed says whether
// the job has a route.
func GetApceraInstance(i *workload.Instance, routed bool) ApceraInstance {
	a := ApceraInstance{
		UUID: i.ID, State: ApceraStateOf(i), CreatedAt: i.CreatedAt, Version: i.SpecVersion, Machine: i.Machine, Slot: i.Slot,
		Exited:    i.State == workload.StateTeardown || i.State == workload.StateEnded,
		Announced: routed && i.State == workload.StateRunning,
	}
	if a.Exited {
		o := i.Exit.Outcome
		a.Failed = o == workload.OutcomeFailed || o == workload.OutcomeTimeout || i.Exit.Forced || i.Exit.Stuck
		a.ExitCode, a.Reason = i.Exit.Code, i.Exit.Reason
	} else if i.Wait.Kind == workload.WaitCapacity || i.Wait.Kind == workload.WaitReturn {
		a.Reason = i.Wait.On
	} else if i.State == workload.StateStopping && i.Exit.Stuck {
		a.Reason = i.Exit.Reason
	}
	for _, b := range i.Ports {
		if a.Ports == nil {
			a.Ports = make(map[int]int, len(i.Ports))
		}
		a.Ports[b.Number] = b.Outer
	}
	return a
}

// The instances of a job that have ended stay in its list: the newest so many,
// for so long.
const (
	apceraKept    = 10
	apceraKeptFor = 10 * time.Minute
)

// ApceraInstances returns the instances of a job that are listed, in order of
// their number: those that have not retired, and the newest of the others.
func ApceraInstances(s *workload.Snapshot, now time.Time) []*workload.Instance {
	kept := 0
	var out []*workload.Instance
	for _, i := range slices.Backward(s.Instances) {
		if i.Retired != nil {
			if kept++; kept > apceraKept || now.Sub(*i.Retired) >= apceraKeptFor {
				continue
			}
		}
		out = append(out, i)
	}
	slices.Reverse(out)
	return out
}

// ApceraHealth is how a job does.
type ApceraHealth struct {
	Flapping bool
	Score    float64
	States   map[ApceraInstanceState]int
}

// GetApceraHealth returns how a job does at now.
func GetApceraHealth(s *workload.Snapshot, now time.Time) ApceraHealth {
	h := ApceraHealth{Flapping: s.Flapping(now), Score: s.Score(), States: map[ApceraInstanceState]int{}}
	for _, i := range ApceraInstances(s, now) {
		h.States[ApceraStateOf(i)]++
	}
	return h
}

// ApceraSees reports whether a workload is a job: every one is until it is deleted.
func ApceraSees(w *workload.Workload) bool { return w.Deleted == nil }

// ApceraIfVersion is the condition that a job is still at version. Conflict
// (stale) names both.
func ApceraIfVersion(version uint64) workload.Cond {
	return workload.If(func(s *workload.Snapshot) error {
		if s.Workload.Version == version {
			return nil
		}
		e := atoll.Errorf(atoll.Conflict, "", "version_id %d was sent, the current one is %d", version, s.Workload.Version)
		e.Code = atoll.Stale
		return e
	})
}
