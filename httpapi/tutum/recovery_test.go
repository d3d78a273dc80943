package tutum_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// started is how often something was started in the place of the n-th container
// of an application, from 0.
func (e *env) started(app object, n int) int {
	e.stage.mu.Lock()
	defer e.stage.mu.Unlock()
	return e.stage.starts[fmt.Sprint(app.uuid(), n)]
}

// outcome is what recovery has made of an application with one container.
type outcome struct {
	App, Counts string // running/stopped/current/target
	Starts      int
	Same        bool // the container is still the first one
	Container   string
	Exit        string
}

func (c caller) outcome(app object, first string) outcome {
	c.e.Helper()
	now := c.app(app)
	con := c.get(first).is(200, "").object()
	o := outcome{App: now.state(), Counts: now.counts(), Starts: c.e.started(app, 0), Container: con.state(), Exit: fmt.Sprint(con["exit_code"], " ", con["exit_code_msg"])}
	o.Same = slices.Equal(now.strings("containers"), []string{first})
	return o
}

func TestRecovery(t *testing.T) {
	const failed, clean, wontStart = "exit=1", "exit=0", "fail=127"
	tests := map[string]struct {
		command, policies string
		after             time.Duration
		want              outcome
	}{
		"without a policy it stays": {failed, ``, time.Hour,
			outcome{"Stopped", "0/1/1/1", 1, true, "Stopped", "1 Exit code 1 (Error)"}},
		"a clean end stays": {clean, ``, time.Hour,
			outcome{"Stopped", "0/1/1/1", 1, true, "Stopped", "0 Exit code 0 (Success)"}},
		"a failed start stays": {wontStart, ``, time.Hour,
			outcome{"Start failed", "0/0/1/1", 1, true, "Start failed", "127 the stage is not set"}},

		"ON_FAILURE ignores a clean end":                   {clean, `"autorestart":"ON_FAILURE"`, time.Hour, outcome{"Stopped", "0/1/1/1", 1, true, "Stopped", "0 Exit code 0 (Success)"}},
		"the first restart is at once":                     {failed, `"autorestart":"ON_FAILURE"`, 0, outcome{"Starting", "0/0/1/1", 2, true, "Starting", "1 Exit code 1 (Error)"}},
		"the second one not before a second":               {failed, `"autorestart":"ON_FAILURE"`, 999 * time.Millisecond, outcome{"Starting", "0/0/1/1", 2, true, "Starting", "1 Exit code 1 (Error)"}},
		"the second one after a second":                    {failed, `"autorestart":"ON_FAILURE"`, time.Second, outcome{"Starting", "0/0/1/1", 3, true, "Starting", "1 Exit code 1 (Error)"}},
		"the third one not before two more":                {failed, `"autorestart":"ON_FAILURE"`, 2999 * time.Millisecond, outcome{"Starting", "0/0/1/1", 3, true, "Starting", "1 Exit code 1 (Error)"}},
		"there are three of them":                          {failed, `"autorestart":"ON_FAILURE"`, 3 * time.Second, outcome{"Stopped", "0/1/1/1", 4, true, "Stopped", "1 Exit code 1 (Error)"}},
		"and no more":                                      {failed, `"autorestart":"ON_FAILURE"`, time.Hour, outcome{"Stopped", "0/1/1/1", 4, true, "Stopped", "1 Exit code 1 (Error)"}},
		"ALWAYS restarts after a clean end":                {clean, `"autorestart":"ALWAYS"`, time.Hour, outcome{"Stopped", "0/1/1/1", 4, true, "Stopped", "0 Exit code 0 (Success)"}},
		"failed starts are restarted too":                  {wontStart, `"autorestart":"ON_FAILURE"`, time.Hour, outcome{"Start failed", "0/0/1/1", 4, true, "Start failed", "127 the stage is not set"}},
		"what comes up stays up":                           {"fail=127 times=2", `"autorestart":"ON_FAILURE"`, time.Hour, outcome{"Running", "1/0/1/1", 3, true, "Running", "127 Exit code 127 (Not found)"}},
		"three restarts a minute are enough for slow ends": {"exit=1 after=30s", `"autorestart":"ALWAYS"`, 10*time.Minute + 5*time.Second, outcome{"Running", "1/0/1/1", 20, true, "Running", "1 Exit code 1 (Error)"}},

		"a replacement is a new container":       {"exit=1 times=1", `"autoreplace":"ON_FAILURE"`, 0, outcome{"Running", "1/0/1/1", 2, false, "Terminated", "1 Exit code 1 (Error)"}},
		"there are three replacements":           {failed, `"autoreplace":"ON_FAILURE"`, time.Minute, outcome{"Stopped", "0/1/1/1", 4, false, "Terminated", "1 Exit code 1 (Error)"}},
		"replacements come again with time":      {"exit=1 after=100s", `"autoreplace":"ALWAYS"`, time.Hour - time.Second, outcome{"Running", "1/0/1/1", 36, false, "Terminated", "1 Exit code 1 (Error)"}},
		"ON_FAILURE replaces no clean end":       {clean, `"autoreplace":"ON_FAILURE"`, time.Hour, outcome{"Stopped", "0/1/1/1", 1, true, "Stopped", "0 Exit code 0 (Success)"}},
		"restarts go first, anew for each":       {failed, `"autorestart":"ALWAYS","autoreplace":"ALWAYS"`, time.Minute, outcome{"Stopped", "0/1/1/1", 16, false, "Terminated", "1 Exit code 1 (Error)"}},
		"destroyed at its end":                   {clean, `"autodestroy":"ALWAYS"`, 0, outcome{"Not running", "0/0/0/0", 1, false, "Terminated", "0 Exit code 0 (Success)"}},
		"ON_FAILURE destroys no clean end":       {clean, `"autodestroy":"ON_FAILURE"`, 0, outcome{"Stopped", "0/1/1/1", 1, true, "Stopped", "0 Exit code 0 (Success)"}},
		"ON_FAILURE destroys a failed start":     {wontStart, `"autodestroy":"ON_FAILURE"`, 0, outcome{"Not running", "0/0/0/0", 1, false, "Terminated", "127 Exit code 127 (Not found)"}},
		"restart is tried first, then destroyed": {clean, `"autorestart":"ALWAYS","autodestroy":"ALWAYS"`, time.Minute, outcome{"Not running", "0/0/0/0", 4, false, "Terminated", "0 Exit code 0 (Success)"}},
		"all three in their order":               {failed, `"autorestart":"ALWAYS","autoreplace":"ALWAYS","autodestroy":"ALWAYS"`, time.Minute, outcome{"Not running", "0/0/0/0", 16, false, "Terminated", "1 Exit code 1 (Error)"}},
	}
	in(t, func(e *env) {
		for name, tt := range tests {
			policies := tt.policies
			if policies != "" {
				policies = "," + policies
			}
			a := e.neo().create(`{"image":"tutum/hello-world","run_command":"` + tt.command + `"` + policies + `}`)
			e.settle()
			e.pass(tt.after)
			if diff := cmp.Diff(tt.want, e.neo().outcome(a, a.strings("containers")[0])); diff != "" {
				t.Errorf("%s, after %v (-want +got):\n%s", name, tt.after, diff)
			}
			if r := e.neo().delete(a.uri()); r.Status != 202 { // so that it does not crash on
				t.Errorf("%s cannot be terminated: %s", name, r.Body)
			}
		}
	})
}

func TestARestartKeepsTheContainer(t *testing.T) {
	in(t, func(e *env) {
		neo := e.neo()
		a := neo.create(`{"image":"redis","run_command":"exit=5 after=1s times=1","autorestart":"ALWAYS","container_envvars":[{"key":"A","value":"1"}]}`)
		e.settle()
		before := neo.con(a, 0)
		was := e.environment(before)
		e.pass(time.Second)
		after := neo.con(a, 0)
		if after.text("started_datetime") != at(time.Second) || after.text("stopped_datetime") != at(time.Second) || fmt.Sprint(after["exit_code"]) != "5" || after.text("deployed_datetime") != at0 {
			t.Errorf("after its restart: %v", after)
		}
		for _, member := range []string{"uuid", "unique_name", "container_ports", "container_envvars", "state"} {
			if diff := cmp.Diff(before[member], after[member]); diff != "" {
				t.Errorf("%s (-before +after):\n%s", member, diff)
			}
		}
		if diff := cmp.Diff(was, e.environment(after)); diff != "" {
			t.Errorf("environment (-before +after):\n%s", diff)
		}
	})
}

func TestAReplacementKeepsTheIndex(t *testing.T) {
	in(t, func(e *env) {
		neo := e.neo()
		a := neo.create(`{"image":"redis","target_num_containers":2,"run_command":"exit=5 after=1s times=1 linger=2s","autoreplace":"ALWAYS"}`)
		e.settle()
		was := a.strings("containers")
		e.pass(time.Second)
		now := neo.app(a)
		is := now.strings("containers")
		if now.state() != "Running" || now.counts() != "2/0/2/2" || slices.Contains(is, was[0]) || slices.Contains(is, was[1]) {
			t.Errorf("%s %s: %v, before %v", now.state(), now.counts(), is, was)
		}
		for i, uri := range is {
			if c := neo.get(uri).is(200, "").object(); c.text("unique_name") != fmt.Sprintf("redis-%d", i+1) || c["exit_code"] != nil {
				t.Errorf("the new container: %v", c)
			}
		}
		if c := neo.get(was[0]).is(200, "").object(); c.state() != "Terminated" || fmt.Sprint(c["exit_code"]) != "5" {
			t.Errorf("the old container: %v", c)
		}
	})
}

func TestACrashLoopCanBeStopped(t *testing.T) {
	for name, op := range map[string]struct{ method, path, end string }{
		"stopped": {"POST", "stop/", "Stopped"}, "terminated": {"DELETE", "", "Terminated"},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(e *env) {
				neo := e.neo()
				a := neo.create(`{"image":"worker","run_command":"exit=1 boot=100ms","autorestart":"ALWAYS","autoreplace":"ALWAYS"}`)
				e.pass(1200 * time.Millisecond)
				now := neo.app(a)
				if now.state() != "Starting" {
					t.Fatalf("it does not crash in a loop: %v", now)
				}
				for _, path := range []string{"start/", "redeploy/"} {
					neo.post(a.uri()+path, nil).fails(400, "cannot "+path[:len(path)-1]+" application in state Starting")
				}
				neo.patch(a.uri(), `{"target_num_containers":2}`).fails(400, "cannot scale application in state Starting")
				neo.do(op.method, a.uri()+op.path, nil).is(202, "")
				e.settle()
				starts := e.started(a, 0)
				e.pass(time.Hour / 2)
				if now = neo.app(a); now.state() != op.end || e.started(a, 0) != starts {
					t.Errorf("%s, started %d times more", now.state(), e.started(a, 0)-starts)
				}
			})
		})
	}
	in(t, func(e *env) { // or quieted
		neo := e.neo()
		a := neo.create(`{"image":"worker","run_command":"exit=1","autorestart":"ALWAYS"}`)
		e.settle()
		neo.patch(a.uri(), `{"autorestart":"OFF"}`).is(202, "")
		e.pass(time.Hour)
		if n := e.started(a, 0); n != 3 || neo.app(a).state() != "Stopped" {
			t.Errorf("started %d times, %s", n, neo.app(a).state())
		}
	})
}

func TestAManualStartClearsTheWindows(t *testing.T) {
	in(t, func(e *env) {
		neo := e.neo()
		a := neo.create(`{"image":"worker","run_command":"exit=1","autorestart":"ALWAYS"}`)
		e.pass(10 * time.Second)
		if n := e.started(a, 0); n != 4 {
			t.Fatalf("started %d times", n)
		}
		neo.post(a.uri()+"start/", nil).is(202, "")
		e.pass(10 * time.Second)
		if n := e.started(a, 0); n != 8 {
			t.Errorf("after a start of the application: started %d times in all", n)
		}
		neo.post(neo.con(a, 0).uri()+"start/", nil).is(202, "")
		e.pass(10 * time.Second)
		if n := e.started(a, 0); n != 12 {
			t.Errorf("after a start of the container: started %d times in all", n)
		}
	})
}

func TestARequestedEndIsNotRecovered(t *testing.T) {
	in(t, func(e *env) {
		neo := e.neo()
		a := neo.create(`{"image":"worker","target_num_containers":2,"run_command":"bye=7","autorestart":"ALWAYS","autoreplace":"ALWAYS","autodestroy":"ALWAYS"}`)
		e.settle()
		c := neo.con(a, 0)
		neo.post(c.uri()+"stop/", nil).is(202, "")
		e.pass(time.Minute)
		if now := neo.get(c.uri()).is(200, "").object(); now.state() != "Stopped" || fmt.Sprint(now["exit_code"]) != "7" || now.text("exit_code_msg") != "Exit code 7 (Error)" {
			t.Errorf("a container that was stopped: %v", now)
		}
		neo.post(a.uri()+"stop/", nil).is(202, "")
		e.pass(time.Minute)
		if now := neo.app(a); now.state() != "Stopped" || now.counts() != "0/2/2/2" {
			t.Errorf("an application that was stopped: %s %s", now.state(), now.counts())
		}
		if n := e.started(a, 0) + e.started(a, 1); n != 2 {
			t.Errorf("started %d times", n)
		}
	})
}

func TestWhatExitCodesMean(t *testing.T) {
	in(t, func(e *env) {
		for code, want := range map[string]string{"0": "Exit code 0 (Success)", "1": "Exit code 1 (Error)", "125": "Exit code 125 (Error)", "126": "Exit code 126 (Not executable)",
			"127": "Exit code 127 (Not found)", "128": "Exit code 128 (Error)", "137": "Exit code 137 (Signal 9)", "143": "Exit code 143 (Signal 15)", "255": "Exit code 255 (Error)"} {
			a := e.neo().created(`{"image":"worker","run_command":"exit=` + code + `"}`)
			if got := e.neo().con(a, 0).text("exit_code_msg"); got != want {
				t.Errorf("%s: %q", code, got)
			}
		}
	})
}

func TestAStartThatTakesTooLongHasFailed(t *testing.T) {
	in(t, func(e *env) {
		neo := e.neo()
		a := neo.create(`{"image":"worker","run_command":"boot=10m"}`)
		e.pass(120*time.Second - time.Millisecond)
		if now := neo.app(a); now.state() != "Starting" {
			t.Errorf("in time: %s", now.state())
		}
		e.pass(10 * time.Second)
		now := neo.con(a, 0)
		if now.state() != "Start failed" || now.text("exit_code_msg") == "" {
			t.Errorf("too late: %v", now)
		}
		neo.post(a.uri()+"start/", nil).is(202, "")
	})
}
