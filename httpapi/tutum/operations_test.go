package tutum_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// states makes an application of neo in each state that it can be in, and says
// for how long it stays so at least.
var states = map[string]func(e *env) object{
	"Starting": func(e *env) object {
		return e.neo().created(`{"image":"worker","run_command":"boot=60s","target_num_containers":2}`)
	},
	"Running":     func(e *env) object { return e.neo().created(`{"image":"worker","target_num_containers":2}`) },
	"Not running": notRunning,
	"Partly running": func(e *env) object {
		a := e.neo().created(`{"image":"worker","target_num_containers":2}`)
		e.neo().post(e.neo().con(a, 0).uri()+"stop/", nil).is(202, "")
		e.settle()
		return e.neo().app(a)
	},
	"Scaling": func(e *env) object {
		a := e.neo().created(`{"image":"worker","run_command":"boot=1m"}`)
		e.pass(time.Minute)
		e.neo().patch(a.uri(), `{"target_num_containers":2}`).is(202, "")
		e.settle()
		return e.neo().app(a)
	},
	"Redeploying": func(e *env) object {
		a := e.neo().created(`{"image":"worker","run_command":"boot=1m"}`)
		e.pass(time.Minute)
		e.neo().post(a.uri()+"redeploy/", nil).is(202, "")
		e.settle()
		return e.neo().app(a)
	},
	"Stopping": func(e *env) object {
		a := e.neo().created(`{"image":"worker","run_command":"linger=9s"}`)
		e.neo().post(a.uri()+"stop/", nil).is(202, "")
		e.settle()
		return e.neo().app(a)
	},
	"Stopped": func(e *env) object {
		return e.neo().created(`{"image":"worker","run_command":"exit=0","target_num_containers":2}`)
	},
	"Start failed": func(e *env) object {
		return e.neo().created(`{"image":"worker","run_command":"fail=127","target_num_containers":2}`)
	},
	"Terminating": func(e *env) object {
		a := e.neo().created(`{"image":"worker","run_command":"linger=9s"}`)
		e.neo().delete(a.uri()).is(202, "")
		e.settle()
		return e.neo().app(a)
	},
	"Terminated": func(e *env) object {
		a := e.neo().created(`{"image":"worker"}`)
		e.neo().delete(a.uri()).is(202, "")
		e.settle()
		return e.neo().app(a)
	},
	// In these no operation is under way: containers start and stop by themselves.
	"Starting (recovery)": func(e *env) object {
		a := e.neo().created(`{"image":"worker","run_command":"exit=1 after=1s","autorestart":"ALWAYS"}`)
		e.pass(2500 * time.Millisecond) // started again at 1 s, waits at 2 s for the second restart
		return e.neo().app(a)
	},
	"Stopping (single container)": func(e *env) object {
		a := e.neo().created(`{"image":"worker","run_command":"linger=9s"}`)
		e.neo().post(e.neo().con(a, 0).uri()+"stop/", nil).is(202, "")
		e.settle()
		return e.neo().app(a)
	},
}

func notRunning(e *env) object {
	a := e.neo().created(`{"image":"worker"}`)
	e.neo().patch(a.uri(), `{"target_num_containers":0}`).is(202, "")
	e.settle()
	return e.neo().app(a)
}

// stateOf is the state that a name of states stands for.
func stateOf(name string) string {
	for _, word := range []string{" (recovery)", " (single container)"} {
		if n := len(name) - len(word); n > 0 && name[n:] == word {
			return name[:n]
		}
	}
	return name
}

func TestWhatAnApplicationMayDoInWhichState(t *testing.T) {
	ops := []struct {
		name, method, path, body, after string // after is the state of the answer, "" the one before
	}{
		{"start", "POST", "start/", "", "Starting"},
		{"stop", "POST", "stop/", "", "Stopping"},
		{"scale", "PATCH", "", `{"target_num_containers":7}`, "Scaling"},
		{"change", "PATCH", "", `{"autodestroy":"ON_FAILURE"}`, ""},
		{"redeploy", "POST", "redeploy/", "", "Redeploying"},
		{"terminate", "DELETE", "", "", "Terminating"},
	}
	legal := map[string]string{ // as in the contract, by operation
		"Starting": "", "Running": "stop scale change redeploy terminate", "Partly running": "start stop scale change redeploy terminate",
		"Scaling": "", "Redeploying": "", "Stopping": "", "Stopped": "start change redeploy terminate", "Start failed": "start change redeploy terminate",
		"Not running": "scale change terminate", "Terminating": "", "Terminated": "",
		"Starting (recovery)": "stop change terminate", "Stopping (single container)": "stop change terminate",
	}
	for name, make := range states {
		t.Run(name, func(t *testing.T) {
			in(t, func(e *env) {
				for _, op := range ops {
					a := make(e)
					if a.state() != stateOf(name) {
						t.Fatalf("made %s instead: %v", a.state(), a)
					}
					before := e.neo().app(a)
					r := e.neo().do(op.method, a.uri()+op.path, op.body)
					if !slices.Contains(strings.Fields(legal[name]), op.name) {
						r.fails(400, "cannot "+op.name+" application in state "+stateOf(name))
						if diff := cmp.Diff(before, e.neo().app(a)); diff != "" {
							t.Errorf("a refused %s changed something (-before +after):\n%s", op.name, diff)
						}
						continue
					}
					got, want := r.is(202, "").object().state(), op.after
					if want == "" {
						want = stateOf(name)
					}
					if got != want {
						t.Errorf("the answer to %s shows %s, want %s", op.name, got, want)
					}
				}
			})
		})
	}
}

func TestWhatAContainerMayDoInWhichState(t *testing.T) {
	one := func(body string, wait time.Duration) func(e *env) object {
		return func(e *env) object {
			a := e.neo().created(body)
			e.pass(wait)
			return e.neo().con(a, 0)
		}
	}
	then := func(made func(e *env) object, method, path string) func(e *env) object {
		return func(e *env) object {
			c := made(e)
			e.neo().do(method, c.uri()+path, nil).is(202, "")
			e.settle()
			return e.neo().get(c.uri()).is(200, "").object()
		}
	}
	makers := map[string]func(e *env) object{
		"Running":      one(`{"image":"worker"}`, 0),
		"Stopped":      one(`{"image":"worker","run_command":"exit=3"}`, 0),
		"Start failed": one(`{"image":"worker","run_command":"fail=126"}`, 0),
		"Stopping":     then(one(`{"image":"worker","run_command":"linger=9s"}`, 0), "POST", "stop/"),
		"Starting":     then(one(`{"image":"worker","run_command":"exit=0 boot=1s"}`, time.Second), "POST", "start/"),
		"Terminating":  then(one(`{"image":"worker","run_command":"linger=9s"}`, 0), "DELETE", ""),
		"Terminated":   then(one(`{"image":"worker"}`, 0), "DELETE", ""),
		"Init": func(e *env) object { // the second, when an operation on the first one alone is under way
			a := e.neo().created(`{"image":"worker","run_command":"linger=9s"}`)
			next := e.neo().post(e.neo().con(a, 0).uri()+"redeploy/", nil).is(202, "").object()
			e.settle()
			return e.neo().get(next.uri()).is(200, "").object()
		},
	}
	ops := []struct{ name, method, path, after string }{
		{"start", "POST", "start/", "Starting"}, {"stop", "POST", "stop/", "Stopping"}, {"redeploy", "POST", "redeploy/", "Init"}, {"terminate", "DELETE", "", "Terminating"},
	}
	legal := map[string]string{"Init": "terminate", "Starting": "", "Running": "stop redeploy terminate", "Stopping": "", "Stopped": "start redeploy terminate",
		"Start failed": "start redeploy terminate", "Terminating": "", "Terminated": ""}
	for state, make := range makers {
		t.Run(state, func(t *testing.T) {
			in(t, func(e *env) {
				for _, op := range ops {
					c := make(e)
					if c.state() != state {
						t.Fatalf("made %s instead: %v", c.state(), c)
					}
					r := e.neo().do(op.method, c.uri()+op.path, nil)
					if !slices.Contains(strings.Fields(legal[state]), op.name) {
						r.fails(400, "cannot "+op.name+" container in state "+state)
						if diff := cmp.Diff(c, e.neo().get(c.uri()).is(200, "").object()); diff != "" {
							t.Errorf("a refused %s changed something (-before +after):\n%s", op.name, diff)
						}
						continue
					}
					next := r.is(202, "").object()
					// The successor of one that does not run need not wait.
					if next.state() != op.after && !(op.name == "redeploy" && next.state() == "Starting" && state != "Running") {
						t.Errorf("the answer shows %s, want %s", next.state(), op.after)
					}
					if same := next.uuid() == c.uuid(); same == (op.name == "redeploy") {
						t.Errorf("%s answers the container %s, asked for was %s", op.name, next.uuid(), c.uuid())
					}
				}
			})
		})
	}
}

func TestAnOperationOnTheWholeHoldsItsContainers(t *testing.T) {
	in(t, func(e *env) {
		neo := e.neo()
		a := neo.created(`{"image":"worker","target_num_containers":2,"run_command":"boot=1s slower=5s"}`)
		e.pass(2 * time.Second)
		c := neo.con(a, 0)
		if c.state() != "Running" {
			t.Fatalf("the first one is %s", c.state())
		}
		for _, path := range []string{"start/", "stop/", "redeploy/"} {
			neo.post(c.uri()+path, nil).fails(400, "cannot "+path[:len(path)-1]+" container in state Running while its application is in state Starting")
		}
		neo.delete(c.uri()).fails(400, "cannot terminate container in state Running while its application is in state Starting")
		e.pass(5 * time.Second)
		neo.post(c.uri()+"stop/", nil).is(202, "")
	})
}

func TestStartStopAndStartAgain(t *testing.T) {
	in(t, func(e *env) {
		neo := e.neo()
		a := neo.created(`{"image":"tutum/hello-world","target_num_containers":3,"run_command":"say=hello"}`)
		first, ports := a.strings("containers"), map[string]any{}
		for _, uri := range first {
			ports[uri] = neo.get(uri).is(200, "").object()["container_ports"]
		}
		e.pass(time.Second)
		neo.post(a.uri()+"stop/", nil).is(202, "")
		e.settle()
		e.pass(time.Second)
		if s := neo.post(a.uri()+"start/", nil).is(202, "").object(); s.state() != "Starting" || s.counts() != "0/0/3/3" {
			t.Errorf("the start is answered %s %s", s.state(), s.counts())
		}
		e.settle()
		now := neo.app(a)
		if diff := cmp.Diff(first, now.strings("containers")); diff != "" || now.state() != "Running" {
			t.Errorf("%s, containers (-before +after):\n%s", now.state(), diff)
		}
		if now.text("stopped_datetime") != at(time.Second) || now.text("started_datetime") != at(2*time.Second) || now.text("deployed_datetime") != at0 {
			t.Errorf("times after a new start: %v", now)
		}
		for _, uri := range first {
			c := neo.get(uri).is(200, "").object()
			if diff := cmp.Diff(ports[uri], c["container_ports"]); diff != "" {
				t.Errorf("ports (-before +after):\n%s", diff)
			}
			if c.text("deployed_datetime") != at0 || c.text("started_datetime") != at(2*time.Second) || c.text("stopped_datetime") != at(time.Second) || fmt.Sprint(c["exit_code"]) != "0" {
				t.Errorf("a container after a new start: %v", c)
			}
			neo.get(uri+"logs/").is(200, `{"logs":"hello\nhello\n"}`)
		}
		// A start touches what does not run, and leaves the others alone.
		e.pass(time.Second)
		neo.post(first[1]+"stop/", nil).is(202, "")
		e.settle()
		if now := neo.app(a); now.state() != "Partly running" || now.counts() != "2/1/3/3" {
			t.Errorf("one is stopped: %s %s", now.state(), now.counts())
		}
		neo.post(a.uri()+"start/", nil).is(202, "")
		e.settle()
		for i, want := range []string{at(2 * time.Second), at(3 * time.Second), at(2 * time.Second)} {
			if c := neo.get(first[i]).is(200, "").object(); c.text("started_datetime") != want {
				t.Errorf("container %d was started %s, want %s", i, c.text("started_datetime"), want)
			}
		}
	})
}

func TestAContainerThatDoesNotStopIsKilled(t *testing.T) {
	in(t, func(e *env) {
		neo := e.neo()
		a := neo.created(`{"image":"worker","run_command":"deaf","autorestart":"ALWAYS"}`)
		c := neo.con(a, 0)
		neo.post(a.uri()+"stop/", nil).is(202, "")
		e.pass(9999 * time.Millisecond)
		if now := neo.app(a); now.state() != "Stopping" {
			t.Errorf("before its time is over: %s", now.state())
		}
		e.pass(time.Millisecond)
		now := neo.get(c.uri()).is(200, "").object()
		if now.state() != "Stopped" || fmt.Sprint(now["exit_code"]) != "137" || now.text("exit_code_msg") != "Exit code 137 (Signal 9)" || now.text("stopped_datetime") != at(10*time.Second) {
			t.Errorf("killed: %v", now)
		}
	})
}

func TestScaling(t *testing.T) {
	in(t, func(e *env) {
		neo := e.neo()
		a := neo.created(`{"image":"worker","target_num_containers":2}`)
		names := func(o object) (out []string) {
			for _, uri := range o.strings("containers") {
				out = append(out, neo.get(uri).is(200, "").object().text("unique_name"))
			}
			return out
		}
		up := neo.patch(a.uri(), `{"target_num_containers":4}`).is(202, "").object()
		if up.state() != "Scaling" || up.counts() != "2/0/4/4" || len(up.strings("containers")) != 4 {
			t.Errorf("scaled up: %s %s", up.state(), up.counts())
		}
		e.settle()
		now := neo.app(a)
		if diff := cmp.Diff([]string{"worker-1", "worker-2", "worker-3", "worker-4"}, names(now)); diff != "" || now.state() != "Running" || now.counts() != "4/0/4/4" {
			t.Errorf("%s %s (-want +got):\n%s", now.state(), now.counts(), diff)
		}
		// Those that do not run go first, then the highest.
		neo.post(now.strings("containers")[1]+"stop/", nil).is(202, "")
		e.settle()
		down := neo.patch(a.uri(), `{"target_num_containers":2}`).is(202, "").object()
		if down.state() != "Scaling" || down.counts() != "2/0/4/2" {
			t.Errorf("scaled down: %s %s", down.state(), down.counts())
		}
		e.settle()
		now = neo.app(a)
		if diff := cmp.Diff([]string{"worker-1", "worker-3"}, names(now)); diff != "" || now.state() != "Running" || now.counts() != "2/0/2/2" {
			t.Errorf("%s %s (-want +got):\n%s", now.state(), now.counts(), diff)
		}
		// Numbers do not come back.
		neo.patch(a.uri(), `{"target_num_containers":3}`).is(202, "")
		e.settle()
		if diff := cmp.Diff([]string{"worker-1", "worker-3", "worker-5"}, names(neo.app(a))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		neo.patch(a.uri(), `{"target_num_containers":0}`).is(202, "")
		e.settle()
		if now = neo.app(a); now.state() != "Not running" || now.counts() != "0/0/0/0" || len(now.strings("containers")) != 0 {
			t.Errorf("scaled to nothing: %v", now)
		}
		if now["stopped_datetime"] != nil {
			t.Errorf("nothing was stopped: %v", now["stopped_datetime"])
		}
		neo.patch(a.uri(), `{"target_num_containers":1}`).is(202, "")
		e.settle()
		if now = neo.app(a); now.state() != "Running" || cmp.Diff([]string{"worker-6"}, names(now)) != "" {
			t.Errorf("scaled up from nothing: %s %v", now.state(), names(now))
		}
		// The present target is no change, wherever a change is legal.
		if same := neo.patch(a.uri(), `{"target_num_containers":1}`).is(202, "").object(); same.state() != "Running" {
			t.Errorf("the same target: %s", same.state())
		}
		neo.post(a.uri()+"stop/", nil).is(202, "")
		e.settle()
		neo.patch(a.uri(), `{"target_num_containers":1}`).is(202, "")
		neo.patch(a.uri(), `{"target_num_containers":2,"autorestart":"ALWAYS"}`).fails(400, "cannot scale application in state Stopped")
		if now = neo.app(a); now.text("autorestart") != "OFF" {
			t.Error("a refused PATCH changed something")
		}
	})
}

func TestTerminatingAContainer(t *testing.T) {
	in(t, func(e *env) {
		neo := e.neo()
		a := neo.created(`{"image":"worker","target_num_containers":2,"autoreplace":"ALWAYS","run_command":"linger=2s"}`)
		uris := a.strings("containers")
		if c := neo.delete(uris[1]).is(202, "").object(); c.state() != "Terminating" || c["destroyed_datetime"] != nil {
			t.Errorf("accepted: %v", c)
		}
		if now := neo.app(a); now.state() != "Running" || now.counts() != "1/0/2/1" {
			t.Errorf("one is ending: %s %s", now.state(), now.counts())
		}
		e.pass(2 * time.Second)
		now := neo.app(a)
		if diff := cmp.Diff(uris[:1], now.strings("containers")); diff != "" || now.state() != "Running" || now.counts() != "1/0/1/1" {
			t.Errorf("%s %s (-want +got):\n%s", now.state(), now.counts(), diff)
		}
		if c := neo.get(uris[1]).is(200, "").object(); c.state() != "Terminated" || c.text("destroyed_datetime") != at(2*time.Second) {
			t.Errorf("it is gone: %v", c)
		}
		neo.delete(uris[0]).is(202, "")
		e.pass(2 * time.Second)
		if now = neo.app(a); now.state() != "Not running" || now.counts() != "0/0/0/0" {
			t.Errorf("the last one is gone: %s %s", now.state(), now.counts())
		}
		neo.delete(uris[0]).fails(400, "cannot terminate container in state Terminated")
		neo.delete(a.uri()).is(202, "")
		e.settle()
		if now = neo.app(a); now.state() != "Terminated" {
			t.Errorf("an application without containers, terminated: %s", now.state())
		}
	})
}

func TestRedeploy(t *testing.T) {
	in(t, func(e *env) {
		neo := e.neo()
		a := neo.created(`{"image":"tutum/hello-world:v1","target_num_containers":2,"run_command":"say=hello"}`)
		was := a.strings("containers")
		e.pass(time.Second)
		r := neo.post(a.uri()+"redeploy/", `{"tag":"v2"}`).is(202, "").object()
		if r.state() != "Redeploying" || r.text("image_tag") != "/api/v1/image/tutum/hello-world/tag/v2/" || r.text("image_name") != "tutum/hello-world:v2" || r.counts() != "0/0/2/2" {
			t.Errorf("accepted: %s %s %s", r.state(), r.counts(), r.text("image_tag"))
		}
		e.settle()
		now := neo.app(a)
		is := now.strings("containers")
		if now.state() != "Running" || len(is) != 2 || slices.Contains(was, is[0]) || slices.Contains(was, is[1]) || now.text("deployed_datetime") != at(time.Second) {
			t.Errorf("redeployed: %v", now)
		}
		for i, uri := range is {
			c := neo.get(uri).is(200, "").object()
			if c.text("unique_name") != fmt.Sprintf("hello-world-%d", i+1) || c.text("image_name") != "tutum/hello-world:v2" || c.text("deployed_datetime") != at(time.Second) {
				t.Errorf("container %d: %v", i, c)
			}
			neo.get(uri+"logs/").is(200, `{"logs":"hello\n"}`) // it starts empty
			old := neo.get(was[i]).is(200, "").object()
			if old.state() != "Terminated" || old.text("image_name") != "tutum/hello-world:v1" {
				t.Errorf("old container %d: %v", i, old)
			}
		}
		// The same tag, in every way to say so.
		for _, body := range []any{nil, "", "{}", `{"tag":null}`, `{"tag":"v2"}`, `{"tagg":"v3"}`} {
			if r := neo.post(a.uri()+"redeploy/", body).is(202, "").object(); r.text("image_name") != "tutum/hello-world:v2" {
				t.Errorf("%v: %s", body, r.text("image_name"))
			}
			e.settle()
		}
		neo.post(a.uri()+"redeploy/", `{"tag":"no tag"}`).is(400, `{"error":"*","application":{"tag":["*"]}}`)
		neo.post(a.uri()+"redeploy/", `{"tag":2}`).fails(400, "tag must be a string, got 2", "tag", "tag must be a string, got 2")
	})
	in(t, func(e *env) { // an image with one tag
		neo := e.neo()
		a := neo.created(`{"image":"registry.example.com:5000/only/one:v1"}`)
		neo.post(a.uri()+"redeploy/", `{"tag":"v2"}`).is(400, `{"error":"*","application":{"tag":["there is no image registry.example.com:5000/only/one:v2"]}}`)
		if now := neo.app(a); now.state() != "Running" || now.text("image_name") != "registry.example.com:5000/only/one:v1" {
			t.Errorf("after a refused redeploy: %v", now)
		}
	})
}

func TestRedeployOfOneContainer(t *testing.T) {
	in(t, func(e *env) {
		neo := e.neo()
		a := neo.created(`{"image":"worker","target_num_containers":2,"run_command":"linger=2s"}`)
		was := a.strings("containers")
		next := neo.post(was[0]+"redeploy/", `{"tag":"v2"}`).is(202, "").object()
		if next.uri() == was[0] || next.state() != "Init" || next.text("unique_name") != "worker-1" || next.text("image_name") != "worker:v2" {
			t.Errorf("the answer is the new container: %v", next)
		}
		if now := neo.app(a); now.state() != "Partly running" || now.counts() != "1/0/2/2" || now.text("image_name") != "worker:v2" {
			t.Errorf("while it is replaced: %s %s %s", now.state(), now.counts(), now.text("image_name"))
		}
		e.pass(2 * time.Second)
		now := neo.app(a)
		if diff := cmp.Diff([]string{next.uri(), was[1]}, now.strings("containers")); diff != "" || now.state() != "Running" {
			t.Errorf("%s (-want +got):\n%s", now.state(), diff)
		}
		if c := neo.get(was[1]).is(200, "").object(); c.text("image_name") != "worker:latest" {
			t.Errorf("the other one: %s", c.text("image_name"))
		}
		neo.post(next.uri()+"redeploy/", `{"tag":7}`).fails(400, "tag must be a string, got 7", "tag", "tag must be a string, got 7")
	})
}

func TestSequentialDeployment(t *testing.T) {
	in(t, func(e *env) {
		neo := e.neo()
		a := neo.create(`{"image":"redis","name":"db","target_num_containers":3,"sequential_deployment":true,"run_command":"boot=2s env"}`)
		shows := func(want ...string) {
			t.Helper()
			var got []string
			for _, uri := range a.strings("containers") {
				got = append(got, neo.get(uri).is(200, "").object().state())
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
		shows("Starting", "Init", "Init")
		e.pass(2 * time.Second)
		shows("Running", "Starting", "Init")
		e.pass(2 * time.Second)
		shows("Running", "Running", "Starting")
		e.pass(2 * time.Second)
		shows("Running", "Running", "Running")
		// Each knows its earlier siblings under the application's own name.
		for i, uri := range a.strings("containers") {
			c := neo.get(uri).is(200, "").object()
			vars := map[string]bool{}
			for _, v := range c["container_envvars"].([]any) {
				vars[v.(map[string]any)["key"].(string)] = true
			}
			for k := range 3 {
				if name := fmt.Sprintf("DB_%d_PORT_6379_TCP", k+1); vars[name] != (k < i) {
					t.Errorf("container %d: %s is %v", i+1, name, vars[name])
				}
			}
		}
		if now := neo.app(a); now["sequential_deployment"] != true || now.state() != "Running" {
			t.Errorf("%v", now)
		}
	})
	in(t, func(e *env) { // one that does not come up ends the sequence
		neo := e.neo()
		a := neo.created(`{"image":"worker","target_num_containers":3,"sequential_deployment":true,"run_command":"fail=126"}`)
		if a.state() != "Start failed" {
			t.Errorf("%s", a.state())
		}
		for i := range 3 {
			c := neo.con(a, i)
			if c.state() != "Start failed" || c.text("exit_code_msg") == "" {
				t.Errorf("container %d: %v", i, c)
			}
		}
	})
}

func TestOfTwoEqualOperationsOneIsAccepted(t *testing.T) {
	ops := map[string]struct {
		made, method, path, body string
		one                      bool // on the container
	}{
		"start":             {`{"image":"worker","run_command":"exit=0 boot=1s"}`, "POST", "start/", "", false},
		"stop":              {`{"image":"worker","run_command":"linger=1s"}`, "POST", "stop/", "", false},
		"scale":             {`{"image":"worker","run_command":"boot=1s"}`, "PATCH", "", `{"target_num_containers":3}`, false},
		"redeploy":          {`{"image":"worker","run_command":"linger=1s"}`, "POST", "redeploy/", "", false},
		"terminate":         {`{"image":"worker","run_command":"linger=1s"}`, "DELETE", "", "", false},
		"start a container": {`{"image":"worker","run_command":"exit=0 boot=1s"}`, "POST", "start/", "", true},
		"stop a container":  {`{"image":"worker","run_command":"linger=1s"}`, "POST", "stop/", "", true},
		"redeploy one":      {`{"image":"worker","run_command":"linger=1s"}`, "POST", "redeploy/", "", true},
		"terminate one":     {`{"image":"worker","run_command":"linger=1s"}`, "DELETE", "", "", true},
	}
	in(t, func(e *env) {
		for name, op := range ops {
			a := e.neo().created(op.made)
			e.pass(time.Second)
			uri := a.uri()
			if op.one {
				uri = e.neo().con(a, 0).uri()
			}
			got := make([]int, 16)
			var wg sync.WaitGroup
			for i := range got {
				wg.Go(func() {
					got[i] = e.http.With("Authorization", "ApiKey neo:"+keys["neo"]).Do(op.method, uri+op.path, op.body).Status
				})
			}
			wg.Wait()
			accepted := 0
			for _, s := range got {
				switch s {
				case 202:
					accepted++
				case 400:
				default:
					t.Errorf("%s answered %d", name, s)
				}
			}
			if accepted != 1 {
				t.Errorf("%s: %d of %d were accepted: %v", name, accepted, len(got), got)
			}
			e.settle()
		}
	})
}
