package view

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// New returns the workload that a job is, in its namespace, and everything that
// is wrong with it.
func (j *ApceraJob) New(fqn policy.FQN, tenant string) (workload.NewWorkload, []atoll.Finding) {
	var f findings
	if j.Name != "" && j.Name != fqn.Local {
		f.add("name", "form", "name is %q, as the fqn says", fqn.Local)
	}
	d := workload.Desired{FQN: fqn, Spec: ApceraSpec()}
	if j.State > workload.Started {
		f.add("state", "form", "a new job is ready or started")
	}
	f = append(f, j.put(&d)...)
	return workload.NewWorkload{FQN: fqn, Tenant: tenant, Home: workload.Apcera, Spec: d.Spec, Count: d.Count, State: d.State}, f
}

// PutApcera makes a workload that was made in home what a job says. Every field
// is replaced; one that is sent as it is shown is no change. Kinds, with
// findings: Invalid for what no job may be, Conflict for what is governed elsewhere.
func PutApcera(home workload.Origin, d *workload.Desired, j *ApceraJob) error {
	was := d.Spec
	var f findings
	if j.FQN != "" && j.FQN != d.FQN.String() {
		f.add("fqn", "fixed", "the fqn of a job cannot be changed")
	}
	if j.Name != "" && j.Name != d.FQN.Local {
		f.add("name", "form", "name is %q, as the fqn says", d.FQN.Local)
	}
	if j.State == workload.Errored && d.State != workload.Errored || j.State > workload.Errored {
		f.add("state", "form", "a job is made ready, started or stopped")
	}
	f = append(f, j.put(d)...)
	if err := f.err(atoll.Invalid, "the job is not valid"); err != nil {
		return err
	}
	f.refuse(workload.Apcera, home, &was, &d.Spec, map[part]string{
		partImage: j.imageField(&was), partProcs: "processes", partEnv: "processes", partPorts: "ports", partResources: "resources",
		partRecover: "restart", partStop: "stop_timeout",
	})
	return f.err(atoll.Conflict, "the job cannot be changed so")
}

// imageField names the field that changes what is run.
func (j *ApceraJob) imageField(was *workload.Spec) string {
	if !slices.Equal(j.Packages, was.Packages) {
		return "packages"
	}
	return "tags." + functionTag
}

// put writes the fields that differ from what is shown, and returns what is wrong.
func (j *ApceraJob) put(d *workload.Desired) findings {
	f := j.check()
	is, s := apceraOf(d), &d.Spec
	d.State, d.Count = j.State, j.Instances
	if !slices.Equal(j.Packages, is.Packages) {
		s.Packages = slices.Clone(j.Packages)
	}
	j.putProcesses(s, is.Processes, &f)
	if !slices.Equal(j.Ports, is.Ports) {
		s.Ports = j.ports(s.Ports)
	}
	if j.Resources != is.Resources {
		s.Resources, s.NetMax = j.Resources.fleet(), j.Resources.NetMax
	}
	if j.Restart != is.Restart {
		s.Recover.Steps = apceraSteps(j.Restart)
	}
	putSeconds(&s.Rollout.ForceOldAfter, is.Rollout.ForceStopOldAfter, j.Rollout.ForceStopOldAfter)
	putSeconds(&s.Recover.Flap.Window, is.Rollout.FlappingWindow, j.Rollout.FlappingWindow)
	putSeconds(&s.Recover.Flap.Errored, is.Rollout.ErroredWindow, j.Rollout.ErroredWindow)
	s.Recover.Flap.Min, s.Recover.Flap.Share = j.Rollout.FlappingMin, j.Rollout.FlappingShare
	putMap(&s.Place.Hard, j.Hard)
	putMap(&s.Place.Soft, j.Soft)
	putMap(&s.Labels, j.Labels)
	j.putTags(s)
	if j.Weight != is.Weight {
		s.Weight = float64(j.Weight)
	}
	if !reflect.DeepEqual(j.Scale, is.Scale) {
		s.Scale = j.Scale
	}
	return f
}

// putSeconds writes a duration if it is not what is shown.
func putSeconds(d *time.Duration, is, sent int) {
	if sent != is {
		*d = time.Duration(sent) * time.Second
	}
}

// putMap writes a map if it differs, so that an empty one is none.
func putMap[V comparable](m *map[string]V, sent map[string]V) {
	if !maps.Equal(*m, sent) {
		*m = maps.Clone(sent)
	}
}

// putTags writes the tags; one of them says which function is run, and so what
// runs the job.
func (j *ApceraJob) putTags(s *workload.Spec) {
	function := j.Tags[functionTag]
	tags := maps.Clone(j.Tags)
	delete(tags, functionTag)
	putMap(&s.Tags, tags)
	switch {
	case function == apceraFunction(s):
	case function != "":
		s.Driver, s.Func = functions, function
	case s.Image == "":
		s.Driver, s.Func = processes, ""
	default:
		s.Func = ""
	}
}

func (j *ApceraJob) putProcesses(s *workload.Spec, is map[string]ApceraProcess, f *findings) {
	start := j.timeout(f, "start_command_timeout", func(p *ApceraProcess) int { return p.StartTimeout })
	stop := j.timeout(f, "stop_timeout", func(p *ApceraProcess) int { return p.StopTimeout })
	shown := ApceraProcess{}
	for _, p := range is {
		shown = p
	}
	if start != shown.StartTimeout {
		s.Verify.Timeout = orDefault(time.Duration(start)*time.Second, apceraStart)
	}
	if stop != shown.StopTimeout {
		s.Stop.Grace = orDefault(time.Duration(stop)*time.Second, apceraGrace)
	}
	if maps.EqualFunc(j.Processes, is, ApceraProcess.same) {
		return
	}
	procs := make(map[string]driver.Process, len(j.Processes))
	for name, want := range j.Processes {
		p := s.Procs[name]
		if old, ok := is[name]; ok && want.same(old) {
			procs[name] = p
			continue
		}
		if !slices.Equal(p.Argv, want.StartCommandRaw) {
			p.Argv, p.Entrypoint, p.Command = slices.Clone(want.StartCommandRaw), "", ""
		}
		p.Shell, p.StopShell, p.StopArgv = want.StartCommand, want.StopCommand, slices.Clone(want.StopCommandRaw)
		p.User, p.Group = want.User, want.Group
		putMap(&p.Env, want.Environment)
		procs[name] = p
	}
	s.Procs = procs
}

// same reports whether two processes are equal but for the timeouts, which a job
// has for all of them.
func (p ApceraProcess) same(o ApceraProcess) bool {
	return p.StartCommand == o.StartCommand && slices.Equal(p.StartCommandRaw, o.StartCommandRaw) &&
		p.StopCommand == o.StopCommand && slices.Equal(p.StopCommandRaw, o.StopCommandRaw) &&
		maps.Equal(p.Environment, o.Environment) && p.User == o.User && p.Group == o.Group
}

// timeout returns the timeout that the processes ask for: those that ask for the
// default follow the others.
func (j *ApceraJob) timeout(f *findings, field string, of func(*ApceraProcess) int) int {
	t := 0
	for _, name := range slices.Sorted(maps.Keys(j.Processes)) {
		p := j.Processes[name]
		switch n := of(&p); {
		case n < 0 || n > daySeconds:
			f.add("processes."+name+"."+field, "range", "%s is from 0 to %d seconds", field, daySeconds)
		case n != 0 && t != 0 && n != t:
			f.add("processes."+name+"."+field, "form", "the processes of a job have one %s", field)
		case n != 0:
			t = n
		}
	}
	return t
}

// Bounds of times, in seconds.
const (
	daySeconds  = 24 * 60 * 60
	yearSeconds = 366 * daySeconds
)

// ports returns the ports that a job asks for. Those that are there already keep
// what a job does not say of them.
func (j *ApceraJob) ports(is []driver.Port) []driver.Port {
	left := slices.Clone(is)
	out := make([]driver.Port, 0, len(j.Ports))
	for _, want := range j.Ports {
		p := driver.Port{Number: want.Number, Proto: "tcp"}
		if k := slices.IndexFunc(left, func(p driver.Port) bool { return p.Number == want.Number }); k >= 0 {
			p = left[k]
			left = slices.Delete(left, k, k+1)
		}
		p.Optional = want.Optional
		out = append(out, p)
	}
	return out
}

// check returns what no job may be, whatever it was before.
func (j *ApceraJob) check() findings {
	var f findings
	if j.Instances < 0 || j.Instances > workload.DefaultMaxCount {
		f.add("num_instances", "range", "num_instances is from 0 to %d", workload.DefaultMaxCount)
	}
	for name, v := range map[string]int64{"cpu": j.Resources.CPU, "memory": j.Resources.Memory, "disk": j.Resources.Disk,
		"network": j.Resources.Network, "netmax": j.Resources.NetMax} {
		if v < 0 {
			f.add("resources."+name, "range", "%s is not negative", name)
		}
	}
	for k, p := range j.Ports {
		if p.Number < 0 || p.Number > 65535 {
			f.add(fmt.Sprintf("ports.%d.number", k), "range", "a port is from 0 to 65535, not %d", p.Number)
		}
	}
	if m := j.Restart.Mode; m != ApceraAlways && m != ApceraOnFailure && m != ApceraNo {
		f.add("restart.restart_mode", "form", "restart_mode is always, failure or no, not %.20q", string(m))
	}
	if n := j.Restart.MaximumAttempts; n < 0 || n > 1_000_000 {
		f.add("restart.maximum_attempts", "range", "maximum_attempts is from 0 to 1000000")
	}
	r := j.Rollout
	for name, v := range map[string]int{"force_stop_old_instances_after": r.ForceStopOldAfter, "flapping_window": r.FlappingWindow,
		"errored_state_window": r.ErroredWindow} {
		if v < 0 || v > yearSeconds {
			f.add("rollout."+name, "range", "%s is from 0 to %d seconds", name, yearSeconds)
		}
	}
	if r.FlappingMin < 0 || r.FlappingMin > 1000 {
		f.add("rollout.flapping_minimum_restarts", "range", "flapping_minimum_restarts is from 0 to 1000")
	}
	if !(r.FlappingShare >= 0 && r.FlappingShare <= 1) {
		f.add("rollout.flapping_percent", "range", "flapping_percent is from 0 to 1")
	}
	if j.Weight < 0 {
		f.add("weight", "range", "weight is not negative")
	}
	slices.SortFunc(f, func(a, b atoll.Finding) int { return compareFindings(&a, &b) })
	return f
}
