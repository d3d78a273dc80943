package view

import (
	"math"
	"time"

	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// ApceraJob is what a job says that is part of its workload, and that a PUT
// replaces as a whole. Times are in whole seconds.
type ApceraJob struct {
	FQN, Name    string // fixed; "" = not sent
	State        workload.Want
	Instances    int
	Packages     []driver.PackageRef // those of the user
	Processes    map[string]ApceraProcess
	Ports        []ApceraPort
	Resources    ApceraResources
	Restart      ApceraRestart
	Rollout      ApceraRollout
	Hard, Soft   map[string]bool // scheduling tags
	Tags, Labels map[string]string
	Weight       int
	Scale        *workload.Autoscale
}

// ApceraProcess is a process of a job. The raw commands win where both are given.
type ApceraProcess struct {
	StartCommand    string
	StartCommandRaw []string
	StartTimeout    int // 0 = the default, 30
	StopCommand     string
	StopCommandRaw  []string
	StopTimeout     int // 0 = the default, 5
	Environment     map[string]string
	User, Group     string
}

// ApceraPort is a port of a job, without its routes.
type ApceraPort struct {
	Number   int
	Optional bool
}

// ApceraResources are the resources of one instance.
type ApceraResources struct{ CPU, Memory, Disk, Network, NetMax int64 }

// ApceraRestart says what follows the end of an instance.
type ApceraRestart struct {
	Mode            ApceraRestartMode
	MaximumAttempts int // 0 = without limit
}

// ApceraRestartMode is a mode of restarts.
type ApceraRestartMode string

// The modes.
const (
	ApceraAlways    ApceraRestartMode = "always"
	ApceraOnFailure ApceraRestartMode = "failure"
	ApceraNo        ApceraRestartMode = "no"
)

// ApceraRollout says how versions give way, and what flapping is.
type ApceraRollout struct {
	ForceStopOldAfter int
	FlappingMin       int
	FlappingShare     float64
	FlappingWindow    int
	ErroredWindow     int
}

// ApceraDefaults returns the job that a body which leaves everything out means.
func ApceraDefaults() ApceraJob {
	return ApceraJob{
		State: workload.Ready, Instances: 1,
		Processes: map[string]ApceraProcess{"app": {}},
		Resources: ApceraResources{Memory: 256 << 20, Disk: 1 << 30, Network: 5_000_000},
		Restart:   ApceraRestart{Mode: ApceraAlways},
		Rollout:   ApceraRollout{ForceStopOldAfter: 120, FlappingMin: 3, FlappingShare: 0.5, FlappingWindow: 300},
	}
}

// The defaults of a job that it shows as 0.
const (
	apceraStart = 30 * time.Second
	apceraGrace = 5 * time.Second
)

// ApceraSpec returns what every job begins with: a record for each run, and a
// new version beside the old one.
func ApceraSpec() workload.Spec {
	return workload.Spec{
		Template: driver.Template{Driver: "exec"},
		Recover:  workload.Recovery{Steps: apceraSteps(ApceraRestart{Mode: ApceraAlways})},
		Rollout:  workload.Rollout{Order: workload.StartFirst},
		Verify:   workload.Verify{Ports: true, MinAlive: 250 * time.Millisecond, Timeout: apceraStart},
		Stop:     workload.Stop{Grace: apceraGrace, Stuck: workload.Abandon},
		Behave: workload.Behave{
			Keep: workload.KeepHistory, Index: workload.Dense, Shrink: workload.HighestFirst, Strict: true, Env: EnvJob,
			DirAfter: apceraKeptFor, Retain: apceraKeptFor, RetainMax: apceraKept,
		},
		MaxCount: workload.DefaultMaxCount,
	}
}

// The styles of environment beside those of package workload.
const (
	EnvJob    workload.EnvStyle = "job"    // with what packages and bindings bring
	EnvScript workload.EnvStyle = "script" // of a single run
)

// apceraSteps is what a restart means. A mode that answers nothing keeps its
// limit in a step that no end matches.
func apceraSteps(r ApceraRestart) []workload.Step {
	st := workload.Step{Do: workload.ActionReplace, Max: r.MaximumAttempts,
		Delay: workload.Delay{Free: true, First: time.Second, Top: time.Minute, ResetAfter: 10 * time.Second}}
	if st.Max == 0 {
		st.Max = -1
	}
	switch r.Mode {
	case ApceraAlways:
		st.On = workload.OnClean | workload.OnFailed | workload.OnLost | workload.OnDeleted
	case ApceraOnFailure:
		st.On = workload.OnFailed | workload.OnLost
	default:
		if r.MaximumAttempts == 0 {
			return nil
		}
	}
	return []workload.Step{st}
}

// apceraRestart returns what comes nearest to steps.
func apceraRestart(steps []workload.Step) ApceraRestart {
	on, most := answers(steps)
	r := ApceraRestart{Mode: ApceraNo, MaximumAttempts: max(0, most)}
	switch {
	case on&workload.OnClean != 0:
		r.Mode = ApceraAlways
	case on&workload.OnFailed != 0:
		r.Mode = ApceraOnFailure
	}
	return r
}

// answers returns which ends are answered by another start, and how often the
// first such answer is given; -1 is without limit.
func answers(steps []workload.Step) (on workload.Ending, most int) {
	first := true
	for _, st := range steps {
		if st.Do == workload.ActionRemove || st.Max == 0 {
			continue
		}
		if on |= st.On; first {
			most, first = st.Max, false
		}
	}
	return on, most
}

func apceraRecoverExact(s *workload.Spec) bool {
	steps := apceraSteps(apceraRestart(s.Recover.Steps))
	return len(steps) == len(s.Recover.Steps) && (len(steps) == 0 || steps[0] == s.Recover.Steps[0])
}

// apceraImageExact reports whether a job shows what is run: a function by its
// tag, an image by its origin, else a process.
func apceraImageExact(s *workload.Spec) bool {
	return s.Image == "" && s.Source == nil && (s.Driver == functions && s.Func != "" || s.Driver == processes && s.Func == "")
}

// The drivers that interfaces know by name.
const (
	functions = "func"
	processes = "exec"
)

func apceraProcsExact(s *workload.Spec) bool {
	for _, p := range s.Procs {
		if p.Dir != "" {
			return false
		}
	}
	return true
}

// GetApcera returns a workload as a job.
func GetApcera(s *workload.Snapshot) ApceraJob { return apceraOf(desired(s.Workload)) }

func apceraOf(d *workload.Desired) ApceraJob {
	s := &d.Spec
	j := ApceraJob{
		FQN: d.FQN.String(), Name: d.FQN.Local, State: d.State, Instances: d.Count, Packages: s.Packages,
		Processes: apceraProcesses(s), Ports: apceraPorts(s.Ports), Restart: apceraRestart(s.Recover.Steps),
		Resources: ApceraResources{CPU: s.Resources.CPU, Memory: s.Resources.Memory, Disk: s.Resources.Disk, Network: s.Resources.Net, NetMax: s.NetMax},
		Rollout: ApceraRollout{
			ForceStopOldAfter: wholeSeconds(s.Rollout.ForceOldAfter), FlappingMin: s.Recover.Flap.Min, FlappingShare: s.Recover.Flap.Share,
			FlappingWindow: wholeSeconds(s.Recover.Flap.Window), ErroredWindow: wholeSeconds(s.Recover.Flap.Errored),
		},
		Hard: s.Place.Hard, Soft: s.Place.Soft, Tags: s.Tags, Labels: s.Labels, Weight: int(math.Round(s.Weight)), Scale: s.Scale,
	}
	if f := apceraFunction(s); f != "" {
		j.Tags = make(map[string]string, len(s.Tags)+1)
		for k, v := range s.Tags {
			j.Tags[k] = v
		}
		j.Tags[functionTag] = f
	}
	return j
}

// functionTag is the tag of a job that names the function that it runs.
const functionTag = "function"

// apceraFunction returns the function that a job names, "" if it runs something else.
func apceraFunction(s *workload.Spec) string {
	if s.Driver == functions {
		return s.Func
	}
	return ""
}

// wholeSeconds returns a duration in seconds, rounded up.
func wholeSeconds(d time.Duration) int {
	n := d / time.Second
	if d%time.Second > 0 {
		n++
	}
	return int(n)
}

// shownSeconds is wholeSeconds where 0 stands for the default.
func shownSeconds(d, def time.Duration) int {
	if d == def {
		return 0
	}
	return max(1, wholeSeconds(d))
}

func apceraProcesses(s *workload.Spec) map[string]ApceraProcess {
	timeout := s.Verify.Timeout
	if timeout == 0 {
		timeout = workload.DefaultStartTimeout
	}
	start, stop := shownSeconds(timeout, apceraStart), shownSeconds(s.Stop.Grace, apceraGrace)
	procs := s.Procs
	if len(procs) == 0 {
		procs = map[string]driver.Process{"app": {}}
	}
	out := make(map[string]ApceraProcess, len(procs))
	for name, p := range procs {
		out[name] = ApceraProcess{
			StartCommand: p.Shell, StartCommandRaw: p.Argv, StartTimeout: start,
			StopCommand: p.StopShell, StopCommandRaw: p.StopArgv, StopTimeout: stop,
			Environment: p.Env, User: p.User, Group: p.Group,
		}
	}
	return out
}

func apceraPorts(ports []driver.Port) []ApceraPort {
	var out []ApceraPort
	for _, p := range ports {
		out = append(out, ApceraPort{Number: p.Number, Optional: p.Optional})
	}
	return out
}

func (r ApceraResources) fleet() fleet.Resources {
	return fleet.Resources{CPU: r.CPU, Memory: r.Memory, Disk: r.Disk, Net: r.Network}
}
