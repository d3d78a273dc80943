package view_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/view"
)

var homes = []workload.Origin{workload.Go, workload.Apcera, workload.Tutum, workload.CxEngage, workload.Syncano}

// words are names of all sorts.
var words = rapid.SampledFrom([]string{"", "a", "web", "A B", "TUTUM_X", "x=y", "ü", "a'b\"c", "--port", "/bin/run"})

// anyEnv draws variables.
func anyEnv(t *rapid.T, label string) map[string]string {
	return rapid.MapOfN(rapid.SampledFrom([]string{"A", "B", "a-b", "TUTUM_X"}), words, 0, 2).Draw(t, label)
}

func anyDuration(t *rapid.T, label string) time.Duration {
	return time.Duration(rapid.SampledFrom([]int64{0, 1, 250, 999, 1000, 1500, 5000, 10_000, 30_000, 60_000, 120_000, 300_000}).Draw(t, label)) * time.Millisecond
}

// anySpec draws a spec that need not be the work of any interface.
func anySpec(t *rapid.T) workload.Spec {
	s := workload.Spec{
		Template: driver.Template{
			Driver: rapid.SampledFrom([]string{"func", "exec", "vm"}).Draw(t, "driver"),
			Image:  rapid.SampledFrom([]string{"", "demo/web", "demo/web:v1", "reg:5000/web"}).Draw(t, "image"),
			Func:   rapid.SampledFrom([]string{"", "serve", "other"}).Draw(t, "func"),
		},
		Resources: fleet.Resources{
			CPU: rapid.SampledFrom([]int64{0, 250, 300, 4000}).Draw(t, "cpu"), Memory: rapid.SampledFrom([]int64{0, 256 << 20, 1 << 30, 1 << 40}).Draw(t, "memory"),
			Disk: rapid.SampledFrom([]int64{0, 1}).Draw(t, "disk"),
		},
		Rollout: workload.Rollout{Order: workload.Order(rapid.IntRange(0, 2).Draw(t, "order")), ForceOldAfter: anyDuration(t, "force"), Sequential: rapid.Bool().Draw(t, "sequential")},
		Verify:  workload.Verify{MinAlive: anyDuration(t, "alive"), Timeout: anyDuration(t, "timeout")},
		Stop:    workload.Stop{Grace: anyDuration(t, "grace"), Stuck: workload.StuckPolicy(rapid.IntRange(0, 1).Draw(t, "stuck"))},
		Labels:  anyEnv(t, "labels"), Tags: anyEnv(t, "tags"),
		Weight: rapid.SampledFrom([]float64{0, 0.4, 1, 50}).Draw(t, "weight"),
	}
	if rapid.Bool().Draw(t, "sourced") {
		s.Source = &driver.SourceRef{Runtime: "starlark", Text: words.Draw(t, "text")}
	}
	if rapid.Bool().Draw(t, "configured") {
		s.Config = json.RawMessage(rapid.SampledFrom([]string{`{}`, `{"a": 1}`, `{"timeout": 5}`, `[]`, `7`}).Draw(t, "config"))
	}
	s.Deadline = anyDuration(t, "deadline")
	s.Packages = rapid.SampledFrom([][]driver.PackageRef{nil, {{FQN: "package::/x::y"}}}).Draw(t, "packages")
	for k := range rapid.IntRange(0, 3).Draw(t, "ports") {
		s.Ports = append(s.Ports, driver.Port{Number: 80 + k/2, Proto: []string{"tcp", "udp"}[k%2], Optional: rapid.Bool().Draw(t, "optional")})
	}
	for k := range rapid.IntRange(0, 2).Draw(t, "processes") {
		if s.Procs == nil {
			s.Procs = map[string]driver.Process{}
		}
		s.Procs[[]string{"main", "app"}[k]] = driver.Process{
			Shell: words.Draw(t, "shell"), Argv: rapid.SliceOfN(words, 0, 2).Draw(t, "argv"), StopShell: words.Draw(t, "stop shell"),
			Env: anyEnv(t, "env"), Dir: words.Draw(t, "dir"), User: words.Draw(t, "user"),
			Entrypoint: rapid.SampledFrom([]string{"", "/bin/run"}).Draw(t, "entrypoint"), Command: rapid.SampledFrom([]string{"", "--port", "'"}).Draw(t, "command"),
		}
	}
	for range rapid.IntRange(0, 3).Draw(t, "steps") {
		s.Recover.Steps = append(s.Recover.Steps, workload.Step{
			Do: workload.Action(rapid.IntRange(1, 3).Draw(t, "do")), On: workload.Ending(rapid.IntRange(0, 15).Draw(t, "on")), Max: rapid.IntRange(-1, 4).Draw(t, "max"),
			Window: anyDuration(t, "window"), Delay: workload.Delay{Free: rapid.Bool().Draw(t, "free"), First: anyDuration(t, "first"), Top: anyDuration(t, "top")},
		})
	}
	s.Recover.Flap = workload.Flap{Min: rapid.IntRange(0, 3).Draw(t, "flaps"), Share: 0.5, Window: anyDuration(t, "flap window"), Errored: anyDuration(t, "errored")}
	s.Place.Machine = rapid.SampledFrom([]string{"", "m1"}).Draw(t, "machine")
	if rapid.Bool().Draw(t, "tagged") {
		s.Place.Hard = map[string]bool{"gpu": true}
	}
	return s
}

// homely draws a spec as an interface makes it.
func homely(t *rapid.T, home workload.Origin) workload.NewWorkload {
	fqn := policy.MustParseFQN("job::/t/neo::web")
	var n workload.NewWorkload
	var found []atoll.Finding
	switch home {
	case workload.Apcera:
		j := anyJob(t)
		n, found = j.New(fqn, "neo")
	case workload.Tutum:
		c := anyApplication(t)
		n, found = c.New()
		n.Spec.Driver, n.Spec.Func, n.Spec.Image = "func", "serve", "demo/serve:latest"
	case workload.CxEngage:
		v := anyService(t)
		n, found = v.New("/t/neo", "neo")
	case workload.Syncano:
		v := anyScript(t)
		n, found = v.New(fqn, "neo", runtimes)
	default:
		n = workload.NewWorkload{FQN: fqn, Home: home, Spec: anySpec(t), Title: words.Draw(t, "title"), Count: rapid.IntRange(0, 200).Draw(t, "count")}
	}
	if len(found) > 0 {
		t.Fatalf("%s: %v", home, found)
	}
	return n
}

func runtimes(name string) (string, bool) {
	d, ok := map[string]string{"go_func": "func", "starlark": "starlark", "python3": "exec"}[name]
	return d, ok
}

func anyJob(t *rapid.T) view.ApceraJob {
	j := view.ApceraDefaults()
	j.Instances = rapid.IntRange(0, 9).Draw(t, "instances")
	j.Processes = map[string]view.ApceraProcess{}
	for k := range rapid.IntRange(0, 2).Draw(t, "processes") {
		j.Processes[[]string{"app", "aux"}[k]] = view.ApceraProcess{
			StartCommand: words.Draw(t, "start"), StartCommandRaw: rapid.SliceOfN(words, 0, 2).Draw(t, "raw"), StartTimeout: 7, StopTimeout: 9,
			StopCommand: words.Draw(t, "stop"), Environment: anyEnv(t, "env"), User: words.Draw(t, "user"),
		}
	}
	if rapid.Bool().Draw(t, "function") {
		j.Tags = map[string]string{"function": "serve", "x": "y"}
	}
	for k := range rapid.IntRange(0, 2).Draw(t, "ports") {
		j.Ports = append(j.Ports, view.ApceraPort{Number: 80 + k, Optional: rapid.Bool().Draw(t, "optional")})
	}
	j.Restart = view.ApceraRestart{Mode: rapid.SampledFrom([]view.ApceraRestartMode{"always", "failure", "no"}).Draw(t, "mode"), MaximumAttempts: rapid.IntRange(0, 3).Draw(t, "attempts")}
	j.Rollout.ForceStopOldAfter = rapid.IntRange(0, 200).Draw(t, "force")
	j.Rollout.ErroredWindow = rapid.IntRange(0, 200).Draw(t, "errored")
	j.Resources.NetMax = rapid.Int64Range(0, 2).Draw(t, "netmax")
	j.Hard = rapid.SampledFrom([]map[string]bool{nil, {"gpu": true}}).Draw(t, "hard")
	j.Labels = anyEnv(t, "labels")
	j.Weight = rapid.IntRange(0, 5).Draw(t, "weight")
	j.State = rapid.SampledFrom([]workload.Want{workload.Ready, workload.Started}).Draw(t, "state")
	return j
}

var policies = rapid.SampledFrom([]string{"OFF", "ON_FAILURE", "ALWAYS"})

func anyApplication(t *rapid.T) view.TutumCreate {
	c := view.TutumCreate{
		Namespace: "/t/neo", Tenant: "neo", Name: "web", Size: rapid.SampledFrom([]string{"", "XS", "S", "M", "L", "XL"}).Draw(t, "size"),
		Target: ptr(rapid.IntRange(1, 5).Draw(t, "target")), Sequential: rapid.Bool().Draw(t, "sequential"),
		Autorestart: policies.Draw(t, "restart"), Autoreplace: policies.Draw(t, "replace"), Autodestroy: policies.Draw(t, "destroy"),
	}
	if rapid.Bool().Draw(t, "variables") {
		c.Env = []view.TutumVar{{Key: "A", Value: words.Draw(t, "value")}}
	}
	if rapid.Bool().Draw(t, "port") {
		c.Ports = []view.TutumPort{{Inner: 80, Protocol: "TCP"}}
	}
	return c
}

func anyService(t *rapid.T) view.CxEngageService {
	v := view.CxEngageDefaults()
	v.Name = rapid.SampledFrom([]string{"web", "my web!", strings.Repeat("ü", 255)}).Draw(t, "name")
	if v.Driver, v.Command = "func", []string{"serve"}; rapid.Bool().Draw(t, "process") {
		v.Driver, v.Command = "exec", []string{"/bin/run", words.Draw(t, "argument")}
		v.Env, v.Cwd = anyEnv(t, "env"), words.Draw(t, "cwd")
	}
	v.Config = rapid.SampledFrom([]json.RawMessage{nil, json.RawMessage(`{"a":1}`)}).Draw(t, "config")
	v.Node = rapid.SampledFrom([]string{"", "m1"}).Draw(t, "node")
	v.Count = rapid.IntRange(1, 64).Draw(t, "count")
	v.Restart = rapid.SampledFrom([]view.CxEngageRestart{"never", "on-failure", "always"}).Draw(t, "restart")
	v.MaxRestarts = rapid.IntRange(-1, 5).Draw(t, "max")
	v.Backoff = rapid.IntRange(1, 30_000).Draw(t, "backoff")
	v.Settle = rapid.IntRange(0, 10_000).Draw(t, "settle")
	v.StopTimeout = rapid.IntRange(0, 60_000).Draw(t, "stop")
	return v
}

func anyScript(t *rapid.T) view.SyncanoScript {
	return view.SyncanoScript{
		Label: words.Draw(t, "label"), Description: words.Draw(t, "description"), Runtime: rapid.SampledFrom([]string{"go_func", "starlark", "python3"}).Draw(t, "runtime"),
		Source: words.Draw(t, "source"), Config: json.RawMessage(rapid.SampledFrom([]string{`{}`, `{"a":1}`, `{"timeout":5}`, `{"timeout":0.25}`}).Draw(t, "config")),
	}
}

func desiredOf(n *workload.NewWorkload) *workload.Desired {
	return &workload.Desired{FQN: n.FQN, Title: n.Title, Text: n.Text, Spec: n.Spec, Count: n.Count, State: n.State}
}

func snapshotOf(n *workload.NewWorkload) *workload.Snapshot {
	return &workload.Snapshot{Status: &workload.Status{}, Workload: &workload.Workload{FQN: n.FQN.String(), Title: n.Title, Text: n.Text, Tenant: n.Tenant,
		Home: n.Home, Spec: n.Spec, Count: n.Count, State: n.State, Gen: 1}}
}

// asShown puts what each interface shows of a workload back.
var asShown = map[workload.Origin]func(*workload.Snapshot, *workload.Desired) error{
	workload.Apcera: func(s *workload.Snapshot, d *workload.Desired) error {
		j := view.GetApcera(s)
		return view.PutApcera(s.Workload.Home, d, &j)
	},
	workload.Tutum: func(s *workload.Snapshot, d *workload.Desired) error {
		a := view.GetTutum(s)
		p := view.TutumPatch{
			Target: &a.Target, Autorestart: (*string)(&a.Autorestart), Autoreplace: (*string)(&a.Autoreplace), Autodestroy: (*string)(&a.Autodestroy),
			Image: &a.ImageName, Name: &a.Name, Size: &a.Size, RunCommand: &a.RunCommand, Entrypoint: &a.Entrypoint, Ports: &a.Ports, Env: &a.Env, Sequential: &a.Sequential,
		}
		change, cond := p.Update()
		if err := cond(s); err != nil && atoll.KindOf(err) != atoll.Conflict { // a Conflict is about the state
			return err
		}
		return change(d)
	},
	workload.CxEngage: func(s *workload.Snapshot, d *workload.Desired) error {
		v := view.GetCxEngage(s)
		return view.PutCxEngage(s.Workload.Home, d, &v)
	},
	workload.Syncano: func(s *workload.Snapshot, d *workload.Desired) error {
		v := view.GetSyncano(s)
		return view.PutSyncano(s.Workload.Home, d, &v, runtimes)
	},
}

func TestWhatIsReadAndSentBackChangesNothing(t *testing.T) {
	for _, home := range homes {
		for by, put := range asShown {
			t.Run(fmt.Sprintf("%s of %s", by, home), func(t *testing.T) {
				rapid.Check(t, func(t *rapid.T) {
					n := homely(t, home)
					d := desiredOf(&n)
					if err := put(snapshotOf(&n), d); err != nil {
						t.Fatalf("refused: %v", err)
					}
					if diff := cmp.Diff(desiredOf(&n), d); diff != "" {
						t.Fatalf("it changes (-was +is):\n%s", diff)
					}
				})
			})
		}
	}
}

func TestWhatIsPutIsShown(t *testing.T) {
	t.Run("job", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			n, j := homely(t, workload.Apcera), anyJob(t)
			d := desiredOf(&n)
			if err := view.PutApcera(n.Home, d, &j); err != nil {
				t.Fatal(err)
			}
			n.Spec, n.Count, n.State = d.Spec, d.Count, d.State
			got := view.GetApcera(snapshotOf(&n))
			got.FQN, got.Name = "", ""
			if len(j.Processes) == 0 {
				j.Processes = map[string]view.ApceraProcess{"app": {StartTimeout: got.Processes["app"].StartTimeout, StopTimeout: got.Processes["app"].StopTimeout}}
			}
			if diff := cmp.Diff(j, got, sameWhenEmpty); diff != "" {
				t.Fatalf("(-put +shown):\n%s", diff)
			}
		})
	})
	t.Run("application", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			n := homely(t, workload.Tutum)
			d := desiredOf(&n)
			p := view.TutumPatch{Target: ptr(rapid.IntRange(0, 100).Draw(t, "n")), Autorestart: ptr(policies.Draw(t, "a")), Autoreplace: ptr(policies.Draw(t, "b")), Autodestroy: ptr(policies.Draw(t, "c"))}
			if err := view.PutTutum(n.Home, d, &p); err != nil {
				t.Fatal(err)
			}
			n.Spec, n.Count = d.Spec, d.Count
			a := view.GetTutum(snapshotOf(&n))
			if diff := cmp.Diff(p, view.TutumPatch{Target: &a.Target, Autorestart: (*string)(&a.Autorestart), Autoreplace: (*string)(&a.Autoreplace), Autodestroy: (*string)(&a.Autodestroy)}); diff != "" {
				t.Fatalf("(-put +shown):\n%s", diff)
			}
		})
	})
	t.Run("service", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			n, v := homely(t, workload.CxEngage), anyService(t)
			d := desiredOf(&n)
			if err := view.PutCxEngage(n.Home, d, &v); err != nil {
				t.Fatal(err)
			}
			if _, err := policy.ParseFQN(d.FQN.String()); err != nil {
				t.Fatal(err)
			}
			n.Spec, n.Count, n.Title = d.Spec, d.Count, d.Title
			if diff := cmp.Diff(v, view.GetCxEngage(snapshotOf(&n)), sameWhenEmpty); diff != "" {
				t.Fatalf("(-put +shown):\n%s", diff)
			}
			_, told := d.Spec.Defaults["CX_CONFIG"]
			if want := v.Driver != "func" && len(v.Config) > 0; told != want {
				t.Fatalf("the process is told its configuration: %v", told)
			}
		})
	})
	t.Run("script", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			n, v := homely(t, workload.Syncano), anyScript(t)
			d := desiredOf(&n)
			if err := view.PutSyncano(n.Home, d, &v, runtimes); err != nil {
				t.Fatal(err)
			}
			n.Spec, n.Title, n.Text = d.Spec, d.Title, d.Text
			if diff := cmp.Diff(v, view.GetSyncano(snapshotOf(&n)), sameWhenEmpty); diff != "" {
				t.Fatalf("(-put +shown):\n%s", diff)
			}
		})
	})
}

// sameWhenEmpty treats nothing and an empty collection alike.
var sameWhenEmpty = cmp.FilterValues(func(a, b any) bool { return empty(a) && empty(b) }, cmp.Ignore())

func empty(v any) bool {
	switch v := v.(type) {
	case map[string]string:
		return len(v) == 0
	case map[string]bool:
		return len(v) == 0
	case []string:
		return len(v) == 0
	case []view.ApceraPort:
		return len(v) == 0
	}
	return false
}

// Whatever another interface changes, what the workload was made with shows it
// exactly: sending that back as a new workload gives the same.
func TestForeignChangesStayExact(t *testing.T) {
	for _, home := range []workload.Origin{workload.Apcera, workload.Tutum, workload.CxEngage} {
		t.Run(string(home), func(t *testing.T) {
			accepted := 0
			rapid.Check(t, func(t *rapid.T) {
				n := homely(t, home)
				d := desiredOf(&n)
				if home != workload.Apcera && rapid.Bool().Draw(t, "job") {
					j := view.GetApcera(snapshotOf(&n))
					other := anyJob(t)
					switch rapid.IntRange(0, 5).Draw(t, "field") {
					case 0:
						j.Processes = other.Processes
					case 1:
						j.Restart = other.Restart
					case 2:
						j.Ports = other.Ports
					case 3:
						j.Resources = other.Resources
					case 4:
						j.Labels, j.Hard, j.Weight = other.Labels, other.Hard, other.Weight
					case 5:
						j.Tags = other.Tags
					}
					if view.PutApcera(home, d, &j) != nil {
						return
					}
				} else if home != workload.CxEngage {
					v := view.GetCxEngage(snapshotOf(&n))
					other := anyService(t)
					switch rapid.IntRange(0, 4).Draw(t, "field") {
					case 0:
						v.Driver, v.Command = other.Driver, other.Command
					case 1:
						v.Restart, v.MaxRestarts = other.Restart, other.MaxRestarts
					case 2:
						v.StopTimeout = other.StopTimeout
					case 3:
						v.Env = other.Env
					case 4:
						v.Cwd = other.Cwd
					}
					if view.PutCxEngage(home, d, &v) != nil {
						return
					}
				}
				accepted++
				n.Spec, n.Count, n.Title, n.State = d.Spec, d.Count, d.Title, d.State
				remade := remake(t, snapshotOf(&n))
				if diff := cmp.Diff(governedParts(&d.Spec), governedParts(&remade)); diff != "" {
					t.Fatalf("not exact (-is +as shown):\n%s", diff)
				}
			})
			if accepted == 0 {
				t.Error("every change was refused")
			}
		})
	}
}

// remake makes a workload anew of what its own interface shows.
func remake(t *rapid.T, s *workload.Snapshot) workload.Spec {
	switch s.Workload.Home {
	case workload.Apcera:
		j := view.GetApcera(s)
		if j.State > workload.Started {
			j.State = workload.Ready
		}
		n, found := j.New(s.Workload.Address(), "neo")
		if len(found) > 0 {
			t.Fatal(found)
		}
		return n.Spec
	case workload.Tutum:
		a := view.GetTutum(s)
		c := view.TutumCreate{Namespace: "/t/neo", Name: a.UniqueName, Size: a.Size, Entrypoint: &a.Entrypoint, RunCommand: &a.RunCommand, Target: ptr(1), Ports: a.Ports,
			Env: a.Env, Autorestart: string(a.Autorestart), Autoreplace: string(a.Autoreplace), Autodestroy: string(a.Autodestroy), Sequential: a.Sequential}
		n, found := c.New()
		if len(found) > 0 {
			t.Fatal(found)
		}
		argv, err := driver.SplitWords(a.Entrypoint + " " + a.RunCommand)
		if err != nil {
			t.Fatal(err)
		}
		p := n.Spec.Procs["main"]
		p.Argv = argv
		n.Spec.Procs["main"] = p
		n.Spec.Driver, n.Spec.Func, n.Spec.Image = "func", "serve", a.ImageName
		return n.Spec
	}
	v := view.GetCxEngage(s)
	n, found := v.New("/t/neo", "neo")
	if len(found) > 0 {
		t.Fatal(found)
	}
	return n.Spec
}

// exactly is what the interface in which a workload was made governs of it.
type exactly struct {
	Driver, Image, Func string
	Argv, Shell         []string
	Env                 map[string]string
	Recover             []workload.Step
	Grace               time.Duration
	Resources           fleet.Resources
}

func governedParts(s *workload.Spec) exactly {
	e := exactly{Driver: s.Driver, Image: s.Image, Func: s.Func, Recover: s.Recover.Steps, Env: map[string]string{}}
	if s.Rollout.Order != workload.StopFirst {
		e.Grace = s.Stop.Grace // of applications a setting
	} else {
		e.Resources = s.Resources
	}
	for _, name := range slices.Sorted(maps.Keys(s.Procs)) {
		p := s.Procs[name]
		e.Argv = append(e.Argv, p.Argv...)
		if p.Shell != "" {
			e.Shell = append(e.Shell, p.Shell)
		}
		maps.Copy(e.Env, p.Env)
	}
	return e
}

func TestRefusalsNameFieldAndOwner(t *testing.T) {
	app := func() (*workload.Desired, view.ApceraJob) {
		c := view.TutumCreate{Namespace: "/t/neo", Tenant: "neo", Name: "web", Autorestart: "ON_FAILURE"}
		n, _ := c.New()
		n.Spec.Driver, n.Spec.Func, n.Spec.Image = "func", "serve", "demo/serve:latest"
		return desiredOf(&n), view.GetApcera(snapshotOf(&n))
	}
	for name, tt := range map[string]struct {
		edit func(*view.ApceraJob)
		want []atoll.Finding
	}{
		"another restart": {func(j *view.ApceraJob) { j.Restart.Mode = "always" },
			[]atoll.Finding{{Path: "restart", Code: "governed", Msg: "restart is governed by tutum autorestart"}}},
		"resources that are no size": {func(j *view.ApceraJob) { j.Resources.Memory++ },
			[]atoll.Finding{{Path: "resources", Code: "governed", Msg: "resources is governed by tutum container_size"}}},
		"resources that are another size": {func(j *view.ApceraJob) { j.Resources.Memory, j.Resources.CPU = 512<<20, 500 }, nil},
		"a second process": {func(j *view.ApceraJob) {
			j.Processes = map[string]view.ApceraProcess{"main": j.Processes["main"], "aux": {StartTimeout: 120, StopTimeout: 10}}
		}, []atoll.Finding{{Path: "processes", Code: "governed", Msg: "processes is governed by tutum run_command"}}},
		"a command": {func(j *view.ApceraJob) {
			p := j.Processes["main"]
			p.StartCommandRaw = []string{"--port", "80"}
			j.Processes = map[string]view.ApceraProcess{"main": p}
		}, nil},
		"a command for a shell": {func(j *view.ApceraJob) {
			p := j.Processes["main"]
			p.StartCommand = "serve | tee log"
			j.Processes = map[string]view.ApceraProcess{"main": p}
		}, []atoll.Finding{{Path: "processes", Code: "governed", Msg: "processes is governed by tutum run_command"}}},
		"variables": {func(j *view.ApceraJob) {
			p := j.Processes["main"]
			p.Environment = map[string]string{"A": "1"}
			j.Processes = map[string]view.ApceraProcess{"main": p}
		}, nil},
		"a port":           {func(j *view.ApceraJob) { j.Ports = []view.ApceraPort{{Number: 80}} }, nil},
		"an optional port": {func(j *view.ApceraJob) { j.Ports = []view.ApceraPort{{Number: 80, Optional: true}} }, []atoll.Finding{{Path: "ports", Code: "governed", Msg: "ports is governed by tutum container_ports"}}},
		"another function": {func(j *view.ApceraJob) { j.Tags = map[string]string{"function": "other"} }, []atoll.Finding{{Path: "tags.function", Code: "governed", Msg: "tags.function is governed by tutum image_tag"}}},
		"labels and tags":  {func(j *view.ApceraJob) { j.Labels = map[string]string{"a": "b"}; j.Tags["c"] = "d" }, nil},
		"scheduling tags":  {func(j *view.ApceraJob) { j.Hard, j.Soft = map[string]bool{"gpu": true}, map[string]bool{"ssd": true} }, nil},
		"what flapping is": {func(j *view.ApceraJob) { j.Rollout.FlappingMin, j.Rollout.FlappingWindow = 3, 300 }, nil},
		"everything at once": {func(j *view.ApceraJob) { *j = defaultsOf(j) }, []atoll.Finding{
			{Path: "tags.function", Code: "governed", Msg: "tags.function is governed by tutum image_tag"},
			{Path: "resources", Code: "governed", Msg: "resources is governed by tutum container_size"},
			{Path: "restart", Code: "governed", Msg: "restart is governed by tutum autorestart"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			d, j := app()
			tt.edit(&j)
			err := view.PutApcera(workload.Tutum, d, &j)
			if tt.want == nil {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			e, ok := err.(*atoll.Error)
			if !ok || e.Kind != atoll.Conflict {
				t.Fatalf("%v is no Conflict", err)
			}
			if diff := cmp.Diff(tt.want, e.Findings); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// defaultsOf is a job that leaves out all but its name.
func defaultsOf(j *view.ApceraJob) view.ApceraJob {
	d := view.ApceraDefaults()
	d.FQN, d.Name = j.FQN, j.Name
	return d
}

func TestOthersDoNotChangeTheirOwnersWords(t *testing.T) {
	job := view.ApceraDefaults()
	job.Tags = map[string]string{"function": "serve"}
	n, _ := job.New(policy.MustParseFQN("job::/t/neo::web"), "neo")
	t.Run("an application cannot set the restart of a job", func(t *testing.T) {
		s := snapshotOf(&n)
		p := view.TutumPatch{Autorestart: ptr("ON_FAILURE"), Autoreplace: ptr("OFF")}
		change, cond := p.Update()
		err := cond(s)
		if err == nil {
			err = change(desiredOf(&n))
		}
		want := []atoll.Finding{
			{Path: "autoreplace", Code: "governed", Msg: "autoreplace cannot be changed: autoreplace is governed by apcera restart"},
			{Path: "autorestart", Code: "governed", Msg: "autorestart cannot be changed: autorestart is governed by apcera restart"},
		}
		if e, ok := err.(*atoll.Error); !ok || e.Kind != atoll.Invalid || !cmp.Equal(e.Findings, want) {
			t.Errorf("%v", err)
		}
	})
	t.Run("a service cannot set the restart, a fraction of a second or a directory of a job", func(t *testing.T) {
		v := view.GetCxEngage(snapshotOf(&n))
		v.Restart, v.StopTimeout = "on-failure", 1500
		err := view.PutCxEngage(workload.Apcera, desiredOf(&n), &v)
		want := []atoll.Finding{
			{Path: "restart", Code: "governed", Msg: "restart is governed by apcera restart"},
			{Path: "stop-timeout-ms", Code: "governed", Msg: "stop-timeout-ms is governed by apcera stop_timeout"},
		}
		if e, ok := err.(*atoll.Error); !ok || e.Kind != atoll.Conflict || !cmp.Equal(e.Findings, want) {
			t.Errorf("%v", err)
		}
		v = view.GetCxEngage(snapshotOf(&n))
		v.StopTimeout, v.Settle, v.Node = 2000, 10, "m1"
		if err := view.PutCxEngage(workload.Apcera, desiredOf(&n), &v); err != nil {
			t.Errorf("what a job shows or does not show: %v", err)
		}
	})
	t.Run("a job cannot give a script a command", func(t *testing.T) {
		v := view.SyncanoScript{Runtime: "go_func", Source: "serve", Config: json.RawMessage("{}")}
		n, _ := v.New(policy.MustParseFQN("job::/t/neo::script"), "neo", runtimes)
		j := view.GetApcera(snapshotOf(&n))
		j.Processes = map[string]view.ApceraProcess{"app": {StartCommand: "x", StartTimeout: 10, StopTimeout: j.Processes["app"].StopTimeout}}
		err := view.PutApcera(workload.Syncano, desiredOf(&n), &j)
		want := []atoll.Finding{{Path: "processes", Code: "governed", Msg: "processes is governed by syncano source"}}
		if e, ok := err.(*atoll.Error); !ok || e.Kind != atoll.Conflict || !cmp.Equal(e.Findings, want) {
			t.Errorf("%v", err)
		}
	})
	t.Run("a service cannot give a script a configuration that is none", func(t *testing.T) {
		v := view.SyncanoScript{Runtime: "go_func", Source: "serve", Config: json.RawMessage("{}")}
		n, _ := v.New(policy.MustParseFQN("job::/t/neo::script"), "neo", runtimes)
		c := view.GetCxEngage(snapshotOf(&n))
		c.Config = json.RawMessage(`{"timeout": 90}`) // the longest run is still another
		if err := view.PutCxEngage(workload.Syncano, desiredOf(&n), &c); atoll.KindOf(err) != atoll.Conflict {
			t.Errorf("%v", err)
		}
	})
}

func TestNumbersThatNobodyCanMeanAreRefused(t *testing.T) {
	j := view.ApceraDefaults()
	j.Instances, j.Resources.CPU, j.Ports = -1, -1, []view.ApceraPort{{Number: 70000}}
	j.Restart = view.ApceraRestart{Mode: "sometimes", MaximumAttempts: -1}
	j.Rollout = view.ApceraRollout{ForceStopOldAfter: -1, FlappingMin: -1, FlappingShare: math.NaN(), FlappingWindow: math.MaxInt, ErroredWindow: -1}
	j.Weight, j.State, j.Name = -1, workload.Errored, "other"
	j.Processes = map[string]view.ApceraProcess{"a": {StartTimeout: -1, StopTimeout: 5}, "b": {StartTimeout: math.MaxInt, StopTimeout: 6}}
	_, found := j.New(policy.MustParseFQN("job::/t/neo::web"), "neo")
	var paths []string
	for _, f := range found {
		paths = append(paths, f.Path)
	}
	slices.Sort(paths)
	want := []string{"name", "num_instances", "ports.0.number", "processes.a.start_command_timeout", "processes.b.start_command_timeout", "processes.b.stop_timeout",
		"resources.cpu", "restart.maximum_attempts", "restart.restart_mode", "rollout.errored_state_window", "rollout.flapping_minimum_restarts",
		"rollout.flapping_percent", "rollout.flapping_window", "rollout.force_stop_old_instances_after", "state", "weight"}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Errorf("job (-want +got):\n%s", diff)
	}

	v := view.CxEngageService{Driver: "func", Command: []string{"a", "b"}, Env: map[string]string{"A": "1"}, Cwd: "x", Config: json.RawMessage("7"),
		Count: 65, Restart: "sometimes", MaxRestarts: -2, Backoff: 0, Settle: 10001, StopTimeout: 60001}
	_, found = v.New("/t/neo", "neo")
	paths = nil
	for _, f := range found {
		paths = append(paths, f.Path)
	}
	want = []string{"name", "command", "env", "cwd", "config", "count", "restart", "max-restarts", "backoff-ms", "settle-ms", "stop-timeout-ms"}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Errorf("service (-want +got):\n%s", diff)
	}

	for config, want := range map[string]bool{
		`{}`: true, ``: true, `{"timeout": 300}`: true, `{"timeout": 0.5}`: true, `{"timeout": 0}`: false, `{"timeout": 301}`: false, `{"timeout": "5"}`: false,
		`{"timeout": null}`: false, `[]`: false, `null`: false, `{`: false, `{"` + strings.Repeat("k", 65) + `": 1}`: false,
	} {
		s := view.SyncanoScript{Runtime: "go_func", Source: "serve", Config: json.RawMessage(config)}
		if _, found := s.New(policy.MustParseFQN("job::/t/neo::s"), "neo", runtimes); (len(found) == 0) != want {
			t.Errorf("config %.40s: %v", config, found)
		}
	}
	s := view.SyncanoScript{Label: strings.Repeat("l", 65), Description: strings.Repeat("d", 257), Runtime: "cobol", Source: strings.Repeat("s", 3<<20+1)}
	if _, found := s.New(policy.MustParseFQN("job::/t/neo::s"), "neo", runtimes); len(found) != 4 {
		t.Errorf("script: %v", found)
	}
}
