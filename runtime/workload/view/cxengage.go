package view

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// CxEngageService is what a service says that is part of its workload. Times are
// in milliseconds.
type CxEngageService struct {
	Name        string
	Instance    string // fixed; "" = not sent
	Driver      string
	Command     []string // of functions their name
	Env         map[string]string
	Cwd         string
	Config      json.RawMessage // with the secrets in it
	Node        string          // id of the machine, "" = anywhere
	Count       int
	Restart     CxEngageRestart
	MaxRestarts int // -1 = without limit
	Backoff     int
	Settle      int
	StopTimeout int
}

// CxEngageRestart says which ends of a process are answered by a restart.
type CxEngageRestart string

// The modes.
const (
	CxEngageNever     CxEngageRestart = "never"
	CxEngageOnFailure CxEngageRestart = "on-failure"
	CxEngageAlways    CxEngageRestart = "always"
)

// The limits and defaults of a service.
const (
	cxengageCountMax   = 64
	cxengageBackoffMax = 30_000
	cxengageSettleMax  = 10_000
	cxengageStopMax    = 60_000
)

// CxEngageDefaults returns the service that a body which leaves everything out means.
func CxEngageDefaults() CxEngageService {
	return CxEngageService{Count: 1, Restart: CxEngageNever, MaxRestarts: 5, Backoff: 200, Settle: 100, StopTimeout: 5000}
}

// CxEngageSpec returns what every service begins with: records of processes that
// take newer settings at their next start.
func CxEngageSpec() workload.Spec {
	return workload.Spec{
		Recover: workload.Recovery{Steps: cxengageSteps(CxEngageNever, 5, 200)},
		Rollout: workload.Rollout{Order: workload.Manual},
		Verify:  workload.Verify{MinAlive: 100 * time.Millisecond, Timeout: 120 * time.Second},
		Stop:    workload.Stop{Grace: 5 * time.Second, Stuck: workload.Hold},
		Behave: workload.Behave{
			Keep: workload.KeepRecord, Index: workload.Ascending, Shrink: workload.HighestFirst, Env: workload.EnvBare, DirAfter: workload.WhileInSlot,
		},
		Logs:     workload.LogSpec{InstanceLines: 1000, InstanceBytes: 4 << 20, LineMax: 4 << 10, CutLines: true},
		MaxCount: cxengageCountMax,
	}
}

// cxengageSteps is what a restart means. A mode that answers nothing keeps its
// numbers in a step that no end matches.
func cxengageSteps(mode CxEngageRestart, most, backoff int) []workload.Step {
	st := workload.Step{Do: workload.ActionRestart, Max: most,
		Delay: workload.Delay{First: time.Duration(backoff) * time.Millisecond, Top: cxengageBackoffMax * time.Millisecond, ResetAfter: time.Minute}}
	switch mode {
	case CxEngageOnFailure:
		st.On = workload.OnFailed | workload.OnLost
	case CxEngageAlways:
		st.On = workload.OnFailed | workload.OnLost | workload.OnClean
	}
	return []workload.Step{st}
}

// cxengageRestart returns what comes nearest to steps.
func cxengageRestart(steps []workload.Step) (mode CxEngageRestart, most, backoff int) {
	var on workload.Ending
	mode, most, backoff = CxEngageNever, 5, 200
	first := true
	for _, st := range steps {
		if st.Do == workload.ActionRemove {
			continue
		}
		on |= st.On
		if first {
			first, most = false, st.Max
			if ms := int(st.Delay.First / time.Millisecond); ms > 0 {
				backoff = min(ms, cxengageBackoffMax)
			}
		}
	}
	switch {
	case on&workload.OnClean != 0:
		mode = CxEngageAlways
	case on&workload.OnFailed != 0:
		mode = CxEngageOnFailure
	}
	return mode, most, backoff
}

func cxengageRecoverExact(s *workload.Spec) bool {
	return slices.Equal(s.Recover.Steps, cxengageSteps(cxengageRestart(s.Recover.Steps)))
}

// cxengageImageExact reports whether a service shows what is run: a function by
// its name, a process by its arguments.
func cxengageImageExact(s *workload.Spec) bool {
	if s.Image != "" || s.Source != nil || len(s.Packages) > 0 {
		return false
	}
	return (s.Driver == functions) == (s.Func != "")
}

func cxengageProcsExact(s *workload.Spec) bool {
	if len(s.Procs) > 1 {
		return false
	}
	_, p := firstProcess(s)
	if function := s.Driver == functions; function && (len(p.Argv) > 0 || p.Dir != "") || !function && (len(p.Argv) == 0 || p.Argv[0] == "") {
		return false
	}
	return p.Shell == "" && p.StopShell == "" && len(p.StopArgv) == 0 && p.User == "" && p.Group == ""
}

func cxengageEnvExact(s *workload.Spec) bool {
	return s.Driver != functions && len(s.Procs) <= 1 || len(allEnv(s)) == 0
}

// GetCxEngage returns a workload as a service.
func GetCxEngage(s *workload.Snapshot) CxEngageService {
	v := cxengageOf(desired(s.Workload))
	v.Instance = s.Workload.Realm
	return v
}

func cxengageOf(d *workload.Desired) CxEngageService {
	s := &d.Spec
	_, p := firstProcess(s)
	v := CxEngageService{
		Name: d.Title, Driver: s.Driver, Command: cxengageCommand(s), Env: p.Env, Cwd: p.Dir, Config: s.Config, Node: s.Place.Machine,
		Count: d.Count, Settle: milliseconds(s.Verify.MinAlive), StopTimeout: milliseconds(s.Stop.Grace),
	}
	if v.Name == "" {
		v.Name = d.FQN.Local
	}
	v.Restart, v.MaxRestarts, v.Backoff = cxengageRestart(s.Recover.Steps)
	return v
}

func cxengageCommand(s *workload.Spec) []string {
	if s.Driver == functions {
		return []string{s.Func}
	}
	_, p := firstProcess(s)
	if len(p.Argv) == 0 && p.Shell != "" {
		return []string{"/bin/sh", "-c", p.Shell}
	}
	return p.Argv
}

// milliseconds returns a duration in milliseconds, rounded up.
func milliseconds(d time.Duration) int {
	return int((d + time.Millisecond - 1) / time.Millisecond)
}

// New returns the workload that a service is, and everything that is wrong with it.
func (v *CxEngageService) New(namespace, tenant string) (workload.NewWorkload, []atoll.Finding) {
	d := workload.Desired{FQN: policy.FQN{Type: "job", Namespace: namespace}, Spec: CxEngageSpec()}
	f := v.put(&d)
	d.Spec.Defaults = map[string]string{"PATH": "/usr/local/bin:/usr/bin:/bin"}
	cxengageConfig(&d.Spec)
	return workload.NewWorkload{
		FQN: d.FQN, Title: d.Title, Tenant: tenant, Realm: v.Instance, Home: workload.CxEngage, Spec: d.Spec, Count: d.Count,
	}, f
}

// configVariable tells a process of its configuration.
const configVariable = "CX_CONFIG"

// cxengageConfig keeps the variable that tells a process of its configuration in
// step with that.
func cxengageConfig(s *workload.Spec) {
	env := maps.Clone(s.Defaults)
	if delete(env, configVariable); s.Driver != functions && len(s.Config) > 0 {
		if env == nil {
			env = map[string]string{}
		}
		env[configVariable] = string(s.Config)
	}
	putMap(&s.Defaults, env)
}

// PutCxEngage makes a workload that was made in home what a service says. A
// field that is sent as it is shown is no change; another name moves the FQN.
// Kinds, with findings: Invalid for what no service may be, Conflict for what is
// governed elsewhere.
func PutCxEngage(home workload.Origin, d *workload.Desired, v *CxEngageService) error {
	was := d.Spec
	f := v.put(d)
	if err := f.err(atoll.Invalid, "the service is not valid"); err != nil {
		return err
	}
	if home == workload.CxEngage {
		cxengageConfig(&d.Spec)
	}
	image := "driver"
	if v.Driver == was.Driver {
		image = "command"
	}
	procs := "command"
	if _, p := firstProcess(&was); p.Dir != v.Cwd {
		procs = "cwd"
	}
	f.refuse(workload.CxEngage, home, &was, &d.Spec, map[part]string{
		partImage: image, partProcs: procs, partEnv: "env", partRecover: v.restartField(&was), partStop: "stop-timeout-ms", partConfig: "config",
	})
	return f.err(atoll.Conflict, "the service cannot be changed so")
}

// restartField names the field that changes what follows an end.
func (v *CxEngageService) restartField(was *workload.Spec) string {
	mode, most, _ := cxengageRestart(was.Recover.Steps)
	switch {
	case mode != v.Restart:
		return "restart"
	case most != v.MaxRestarts:
		return "max-restarts"
	}
	return "backoff-ms"
}

// put writes the fields that differ from what is shown, and returns what is wrong.
func (v *CxEngageService) put(d *workload.Desired) findings {
	is, s := cxengageOf(d), &d.Spec
	f := v.check(&is)
	if v.Name != is.Name {
		d.Title, d.FQN.Local = v.Name, policy.Token(v.Name, fmt.Sprintf("~%x", sha256.Sum256([]byte(v.Name))))
	}
	d.Count = v.Count
	v.putCommand(s, &is)
	if !sameJSON(v.Config, is.Config) {
		s.Config = slices.Clone(v.Config)
	}
	s.Place.Machine = v.Node
	if v.Restart != is.Restart || v.MaxRestarts != is.MaxRestarts || v.Backoff != is.Backoff {
		s.Recover.Steps = cxengageSteps(v.Restart, v.MaxRestarts, v.Backoff)
	}
	if v.Settle != is.Settle {
		s.Verify.MinAlive = time.Duration(v.Settle) * time.Millisecond
	}
	if v.StopTimeout != is.StopTimeout {
		s.Stop.Grace = time.Duration(v.StopTimeout) * time.Millisecond
	}
	return f
}

// putCommand writes what is run, if it differs.
func (v *CxEngageService) putCommand(s *workload.Spec, is *CxEngageService) {
	name, p := firstProcess(s)
	command := v.Driver != is.Driver || !slices.Equal(v.Command, is.Command)
	if !command && maps.Equal(v.Env, is.Env) && v.Cwd == is.Cwd {
		return
	}
	if command {
		s.Driver, s.Func = v.Driver, ""
		p.Argv, p.Shell, p.Entrypoint, p.Command = slices.Clone(v.Command), "", "", ""
		if v.Driver == functions {
			p.Argv = nil
			if len(v.Command) > 0 {
				s.Func = v.Command[0]
			}
		}
	}
	putMap(&p.Env, v.Env)
	p.Dir = v.Cwd
	procs := maps.Clone(s.Procs)
	if procs == nil {
		procs = map[string]driver.Process{}
	}
	procs[name] = p
	s.Procs = procs
}

// sameJSON reports whether two values are equal as they are written, or but for blanks.
func sameJSON(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y bytes.Buffer
	return json.Compact(&x, a) == nil && json.Compact(&y, b) == nil && bytes.Equal(x.Bytes(), y.Bytes())
}

// check returns what no service may be. What is shown already may stay.
func (v *CxEngageService) check(is *CxEngageService) findings {
	var f findings
	if n := utf8.RuneCountInString(v.Name); n < 1 || n > 255 || !utf8.ValidString(v.Name) {
		f.add("name", "size", "a name has 1 to 255 characters")
	}
	if v.Driver == "" {
		f.add("driver", "required", "a service has a driver")
	}
	if v.Driver != is.Driver || !slices.Equal(v.Command, is.Command) {
		switch {
		case len(v.Command) == 0 || v.Command[0] == "":
			f.add("command", "required", "a service has a command")
		case v.Driver == functions && len(v.Command) > 1:
			f.add("command", "form", "the command of a function is its name alone")
		case strings.ContainsRune(strings.Join(v.Command, ""), 0):
			f.add("command", "form", "a command has no zero byte")
		}
	}
	if v.Driver == functions {
		if len(v.Env) > 0 && !maps.Equal(v.Env, is.Env) {
			f.add("env", "form", "a function has no env")
		}
		if v.Cwd != "" && v.Cwd != is.Cwd {
			f.add("cwd", "form", "a function has no cwd")
		}
	}
	if len(v.Config) > 0 && !sameJSON(v.Config, is.Config) {
		if c := bytes.TrimSpace(v.Config); !json.Valid(c) || c[0] != '{' {
			f.add("config", "form", "config is an object")
		}
	}
	f.within("count", v.Count, is.Count, 1, cxengageCountMax)
	if v.Restart != is.Restart && v.Restart != CxEngageNever && v.Restart != CxEngageOnFailure && v.Restart != CxEngageAlways {
		f.add("restart", "form", "restart is never, on-failure or always, not %.20q", string(v.Restart))
	}
	f.within("max-restarts", v.MaxRestarts, is.MaxRestarts, -1, 1_000_000)
	f.within("backoff-ms", v.Backoff, is.Backoff, 1, cxengageBackoffMax)
	f.within("settle-ms", v.Settle, is.Settle, 0, cxengageSettleMax)
	f.within("stop-timeout-ms", v.StopTimeout, is.StopTimeout, 0, cxengageStopMax)
	return f
}

// within checks the bounds of a number; one that is there already may stay.
func (f *findings) within(path string, v, is, least, most int) {
	if v != is && (v < least || v > most) {
		f.add(path, "range", "%s is from %d to %d", path, least, most)
	}
}
