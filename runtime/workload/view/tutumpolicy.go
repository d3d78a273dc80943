package view

import (
	"time"

	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload"
)

// TutumPolicy says when one of the steps of recovery is taken.
type TutumPolicy string

// The policies. TutumOnFailure is an exit code other than 0 or a failed start.
const (
	TutumOff       TutumPolicy = "OFF"
	TutumOnFailure TutumPolicy = "ON_FAILURE"
	TutumAlways    TutumPolicy = "ALWAYS"
)

func (p TutumPolicy) valid() bool {
	return p == TutumOff || p == TutumOnFailure || p == TutumAlways
}

func (p TutumPolicy) endings() workload.Ending {
	switch p {
	case TutumOnFailure:
		return workload.OnFailed | workload.OnLost
	case TutumAlways:
		return workload.OnFailed | workload.OnLost | workload.OnClean
	}
	return 0
}

// The budgets of recovery: three restarts of a container within a minute, three
// replacements of one index within five.
const (
	tutumTries         = 3
	tutumRestartWindow = time.Minute
	tutumReplaceWindow = 5 * time.Minute
)

// TutumRecovery returns what the three policies mean: a restart is tried first,
// then a replacement, then the container is destroyed.
func TutumRecovery(restart, replace, destroy TutumPolicy) workload.Recovery {
	var r workload.Recovery
	if on := restart.endings(); on != 0 {
		r.Steps = append(r.Steps, workload.Step{Do: workload.ActionRestart, On: on, Max: tutumTries, Window: tutumRestartWindow,
			Delay: workload.Delay{Free: true, First: time.Second, Top: 2 * time.Second}})
	}
	if on := replace.endings(); on != 0 {
		r.Steps = append(r.Steps, workload.Step{Do: workload.ActionReplace, On: on, Max: tutumTries, Window: tutumReplaceWindow})
	}
	if on := destroy.endings(); on != 0 {
		r.Steps = append(r.Steps, workload.Step{Do: workload.ActionRemove, On: on, Max: -1})
	}
	return r
}

// tutumPolicy returns the policy that comes nearest to the steps that take an action.
func tutumPolicy(r *workload.Recovery, do workload.Action) TutumPolicy {
	var on workload.Ending
	for _, st := range r.Steps {
		if st.Do == do && st.Max != 0 {
			on |= st.On
		}
	}
	switch {
	case on&workload.OnClean != 0:
		return TutumAlways
	case on&workload.OnFailed != 0:
		return TutumOnFailure
	}
	return TutumOff
}

// tutumSizes are the sizes of containers, the smallest first.
var tutumSizes = [...]struct {
	name string
	fleet.Resources
}{
	{"XS", fleet.Resources{Memory: 256 << 20, CPU: 250}},
	{"S", fleet.Resources{Memory: 512 << 20, CPU: 500}},
	{"M", fleet.Resources{Memory: 1024 << 20, CPU: 1000}},
	{"L", fleet.Resources{Memory: 2048 << 20, CPU: 2000}},
	{"XL", fleet.Resources{Memory: 4096 << 20, CPU: 4000}},
}

// TutumSize returns the smallest size that covers r, the largest if none does.
func TutumSize(r fleet.Resources) string {
	for _, s := range tutumSizes {
		if r.Memory <= s.Memory && r.CPU <= s.CPU {
			return s.name
		}
	}
	return tutumSizes[len(tutumSizes)-1].name
}

// TutumResources returns what a size stands for, and whether there is such a size.
func TutumResources(size string) (fleet.Resources, bool) {
	for _, s := range tutumSizes {
		if s.name == size {
			return s.Resources, true
		}
	}
	return fleet.Resources{}, false
}

// TutumSettings are what an embedder may set for applications. Zero values give
// the defaults.
type TutumSettings struct {
	MaxContainers int           // of one application; default 100
	StartTimeout  time.Duration // default 120 s
	StopTimeout   time.Duration // default 10 s
	Keep          time.Duration // how long what was terminated stays readable; default 1 h
}

func (t TutumSettings) maxContainers() int {
	if t.MaxContainers > 0 {
		return t.MaxContainers
	}
	return 100
}

func orDefault(d, def time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return def
}

// TutumSpec returns what every application begins with: one record per
// container, with its directory as long as it has its index, and indexes that
// do not come back.
func TutumSpec(t TutumSettings) workload.Spec {
	start, keep := orDefault(t.StartTimeout, 120*time.Second), orDefault(t.Keep, time.Hour)
	return workload.Spec{
		Resources: tutumSizes[0].Resources,
		Place:     workload.Placement{Overcommit: true}, // a size is a limit, not a share of a machine
		Rollout:   workload.Rollout{Order: workload.StopFirst},
		Verify:    workload.Verify{Timeout: start, PlaceTimeout: start},
		Stop:      workload.Stop{Grace: orDefault(t.StopTimeout, 10*time.Second), Stuck: workload.Abandon},
		Behave: workload.Behave{
			Keep: workload.KeepRecord, Index: workload.Ascending, Shrink: workload.IdleFirst, Strict: true, Revive: true,
			Env: workload.EnvContainer, DirAfter: workload.WhileInSlot, Retain: keep, Tombstone: keep,
		},
		Logs:     workload.LogSpec{Lines: 100_000, Bytes: tutumLogMax, InstanceBytes: tutumLogMax},
		MaxCount: t.maxContainers(),
	}
}
