package view

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// TutumApplication is what an application shows of a workload. What it is
// linked to, its roles and its host names are not part of the workload. A zero
// time means that there is none.
type TutumApplication struct {
	UUID, Name, UniqueName string

	ImageName, ImageRepository, ImageTag string

	State                             TutumState
	Target, Current, Running, Stopped int

	Size, Entrypoint, RunCommand          string
	Ports                                 []TutumPort
	Autorestart, Autoreplace, Autodestroy TutumPolicy
	Sequential                            bool

	DeployedAt, StartedAt, StoppedAt, DestroyedAt time.Time

	Containers        []*workload.Instance // those that Current counts, by index
	Env               []TutumVar           // as given by the user, by key
	StoppedWithErrors bool                 // Stopped, and a container ended with an exit code other than 0
}

// TutumContainer is what a container shows of an instance. A zero time means
// that there is none.
type TutumContainer struct {
	UUID, Application, Name, UniqueName string

	Index       int // from 1
	State       TutumState
	ExitCode    *int // nil before the first exit
	ExitCodeMsg *string

	ImageName, ImageRepository, ImageTag  string
	Size, Entrypoint, RunCommand          string
	Ports                                 []TutumPort
	Autorestart, Autoreplace, Autodestroy TutumPolicy

	DeployedAt, StartedAt, StoppedAt, DestroyedAt time.Time

	Env               []TutumVar // what the container was given, but for what the image and the platform add
	StoppedWithErrors bool
}

// TutumPort is a port of an application, whose Outer is nil, or of a container.
type TutumPort struct {
	Inner    int
	Outer    *int
	Protocol string
}

// TutumVar is a variable.
type TutumVar struct{ Key, Value string }

// GetTutum returns a workload as an application.
func GetTutum(s *workload.Snapshot) TutumApplication {
	w, spec := s.Workload, &s.Workload.Spec
	a := TutumApplication{
		UUID: w.ID, Name: tutumName(w), UniqueName: w.Address().Local,
		State: TutumApplicationState(s), Target: w.Count,
		Size: TutumSize(spec.Resources), Ports: tutumPorts(spec.Ports), Sequential: spec.Rollout.Sequential,
		DeployedAt: s.Status.Deployed, StartedAt: s.Status.Started, StoppedAt: s.Status.Stopped, DestroyedAt: s.Status.Destroyed,
		Containers: tutumCounted(s), Env: tutumVars(userEnv(spec)),
	}
	a.ImageName, a.ImageRepository, a.ImageTag = tutumImage(w, spec)
	a.Entrypoint, a.RunCommand = tutumCommand(spec)
	a.Autorestart, a.Autoreplace, a.Autodestroy = tutumPolicies(&spec.Recover)
	a.Current = len(a.Containers)
	errors, l := false, &line{s: s, shared: true}
	for _, i := range a.Containers {
		switch l.container(i) {
		case TutumRunning:
			a.Running++
		case TutumStopped:
			a.Stopped++
			errors = errors || i.Exit.Code != 0
		}
	}
	a.StoppedWithErrors = errors && a.State == TutumStopped
	return a
}

// GetTutumContainer returns an instance of s as a container.
func GetTutumContainer(s *workload.Snapshot, i *workload.Instance) TutumContainer {
	w, spec := s.Workload, s.Effective(i)
	c := TutumContainer{
		UUID: i.ID, Application: w.ID, Name: tutumName(w), UniqueName: TutumContainerName(s, i), Index: TutumIndex(i),
		State: TutumContainerState(s, i), Size: TutumSize(spec.Resources), Ports: tutumContainerPorts(spec, i),
		DeployedAt: i.FirstRunningAt, StartedAt: i.RunningAt, StoppedAt: i.Exit.At, Env: tutumVars(containerEnv(spec, i)),
	}
	if i.Retired != nil {
		c.DestroyedAt = *i.Retired
	}
	c.ImageName, c.ImageRepository, c.ImageTag = tutumImage(w, spec)
	c.Entrypoint, c.RunCommand = tutumCommand(spec)
	c.Autorestart, c.Autoreplace, c.Autodestroy = tutumPolicies(&w.Spec.Recover)
	if exited(i) {
		code, msg := i.Exit.Code, TutumExitMessage(i.Exit.Code)
		if c.State == TutumStartFailed && i.Exit.Reason != "" {
			msg = i.Exit.Reason
		}
		c.ExitCode, c.ExitCodeMsg = &code, &msg
		c.StoppedWithErrors = c.State == TutumStopped && code != 0
	} else if c.State == TutumStartFailed {
		msg := cmp.Or(i.Exit.Reason, "it could not be started")
		c.ExitCodeMsg = &msg
	}
	return c
}

// exited reports whether an instance has an exit code: a run of it has begun and
// ended by itself or was stopped.
func exited(i *workload.Instance) bool {
	if i.Exit.At.IsZero() {
		return false
	}
	if i.Exit.Code != 0 {
		return true
	}
	switch i.Exit.Outcome {
	case workload.OutcomeClean:
		return true
	case workload.OutcomeAsked:
		return i.Exit.Ran || !i.RunningAt.IsZero()
	}
	return false
}

// TutumExitMessage says what an exit code means.
func TutumExitMessage(code int) string {
	text := "Error"
	switch {
	case code == 0:
		text = "Success"
	case code == driver.CodeNotExecutable:
		text = "Not executable"
	case code == driver.CodeNotFound:
		text = "Not found"
	case code > 128 && code <= 128+64:
		text = fmt.Sprintf("Signal %d", code-128)
	}
	return fmt.Sprintf("Exit code %d (%s)", code, text)
}

// TutumTime prints a time as Tutum does: in UTC, whole seconds, cut off.
func TutumTime(t time.Time) string { return t.UTC().Format("Mon, 2 Jan 2006 15:04:05 -0700") }

// TutumIndex returns the number of a container in its application, from 1.
func TutumIndex(i *workload.Instance) int { return i.Slot + 1 }

// TutumContainerName returns the unique name of a container of s.
func TutumContainerName(s *workload.Snapshot, i *workload.Instance) string {
	return fmt.Sprintf("%s-%d", s.Workload.Address().Local, TutumIndex(i))
}

// TutumContainers returns the containers that there is a record of, by index, the
// older of one index first.
func TutumContainers(s *workload.Snapshot) []*workload.Instance {
	out := make([]*workload.Instance, 0, len(s.Instances))
	for _, i := range s.Instances {
		if i.Slot != workload.Once {
			out = append(out, i)
		}
	}
	slices.SortStableFunc(out, func(a, b *workload.Instance) int { return cmp.Compare(a.Slot, b.Slot) })
	return out
}

// tutumCounted returns the containers that are not terminated, without those that
// are ending and whose successor is there already.
func tutumCounted(s *workload.Snapshot) []*workload.Instance {
	succeeded := map[int]uint64{} // the newest that stays, by slot
	for _, i := range s.Instances {
		if i.Retired == nil && i.Goal != workload.GoalDestroy {
			succeeded[i.Slot] = i.Seq
		}
	}
	l := &line{s: s, shared: true}
	return slices.DeleteFunc(TutumContainers(s), func(i *workload.Instance) bool {
		return i.Retired != nil || l.container(i) == TutumTerminating && newer(succeeded, i)
	})
}

// newer reports whether an instance that was made after i has its slot. One that
// has not been written yet has no number.
func newer(succeeded map[int]uint64, i *workload.Instance) bool {
	seq, ok := succeeded[i.Slot]
	return ok && seq > i.Seq
}

func tutumName(w *workload.Workload) string { return cmp.Or(w.Title, w.Address().Local) }

// tutumImage returns the name, repository and tag of an image; what has none is
// named after what runs it.
func tutumImage(w *workload.Workload, spec *workload.Spec) (name, repository, tag string) {
	image := spec.Image
	if image == "" {
		image = spec.Driver + "/" + cmp.Or(spec.Func, w.Address().Local)
	}
	repository, tag = image, "latest"
	if k := strings.LastIndexByte(image, ':'); k > strings.LastIndexByte(image, '/') {
		repository, tag = image[:k], image[k+1:]
	}
	return repository + ":" + tag, repository, tag
}

// mainProcess is the process of workloads that have one and do not care for its name.
const mainProcess = "main"

// firstProcess returns the process that interfaces show which know one only.
func firstProcess(spec *workload.Spec) (string, driver.Process) {
	if p, ok := spec.Procs[mainProcess]; ok || len(spec.Procs) == 0 {
		return mainProcess, p
	}
	name := slices.Min(slices.Collect(maps.Keys(spec.Procs)))
	return name, spec.Procs[name]
}

// tutumCommand returns entrypoint and command of the process, as they were
// written if that is still what runs.
func tutumCommand(spec *workload.Spec) (entrypoint, command string) {
	_, p := firstProcess(spec)
	if p.Shell != "" {
		return "", p.Shell
	}
	if p.Entrypoint != "" || p.Command != "" {
		e, err1 := driver.SplitWords(p.Entrypoint)
		c, err2 := driver.SplitWords(p.Command)
		if err1 == nil && err2 == nil && slices.Equal(append(e, c...), p.Argv) {
			return p.Entrypoint, p.Command
		}
	}
	return "", driver.JoinWords(p.Argv)
}

func tutumPorts(ports []driver.Port) []TutumPort {
	out := make([]TutumPort, 0, len(ports))
	for _, p := range ports {
		out = append(out, TutumPort{Inner: p.Number, Protocol: p.Proto})
	}
	return out
}

// tutumContainerPorts are the ports of a container, with their outer numbers from
// its first deployment until it is terminated.
func tutumContainerPorts(spec *workload.Spec, i *workload.Instance) []TutumPort {
	out := tutumPorts(spec.Ports)
	if i.Retired != nil || i.FirstRunningAt.IsZero() {
		return out
	}
	for k := range out {
		for _, b := range i.Ports {
			if b.Number == out[k].Inner && b.Proto == out[k].Protocol {
				outer := b.Outer
				out[k].Outer = &outer
			}
		}
	}
	return out
}

func tutumPolicies(r *workload.Recovery) (restart, replace, destroy TutumPolicy) {
	return tutumPolicy(r, workload.ActionRestart), tutumPolicy(r, workload.ActionReplace), tutumPolicy(r, workload.ActionRemove)
}

// userEnv are the variables of the process, as its user wrote them.
func userEnv(spec *workload.Spec) map[string]string {
	_, p := firstProcess(spec)
	return p.Env
}

// containerEnv are the variables that a container was given, without those of
// its image and of the platform; before it was given any those of its user.
func containerEnv(spec *workload.Spec, i *workload.Instance) map[string]string {
	user := userEnv(spec)
	if len(i.Env) == 0 {
		return user
	}
	out := make(map[string]string, len(i.Env))
	for k, v := range i.Env {
		value := v.Reveal()
		if own, ok := user[k]; !ok || own != value {
			if def, ok := spec.Defaults[k]; ok && def == value || platformVariable(k) {
				continue
			}
		}
		out[k] = value
	}
	return out
}

// platformVariable reports whether the platform, not a user, sets a variable.
func platformVariable(key string) bool {
	return key == "PORT" || key == "TUTUM_AUTH" || strings.HasPrefix(key, "TUTUM_PORT_")
}

func tutumVars(env map[string]string) []TutumVar {
	out := make([]TutumVar, 0, len(env))
	for _, k := range slices.Sorted(maps.Keys(env)) {
		out = append(out, TutumVar{k, env[k]})
	}
	return out
}
