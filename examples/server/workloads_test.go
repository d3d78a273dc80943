package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	goruntime "runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// application is what the tests look at of an application.
type application struct {
	UUID       string   `json:"uuid"`
	State      string   `json:"state"`
	Running    int      `json:"running_num_containers"`
	Containers []string `json:"containers"`
}

// container is what the tests look at of a container.
type container struct {
	State    string `json:"state"`
	ExitCode *int   `json:"exit_code"`
	Ports    []struct {
		Outer int `json:"outer_port"`
	} `json:"container_ports"`
}

// call sends a request and decodes the answer into v, which may be nil.
func call(t *testing.T, method, url, body string, want int, v any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != want {
		t.Fatalf("%s %s answered %d, want %d: %s", method, url, res.StatusCode, want, text)
	}
	if v != nil {
		if err := json.Unmarshal(text, v); err != nil {
			t.Fatalf("%s %s: %v: %s", method, url, err, text)
		}
	}
}

// until asks for an application until it is in a state, and returns it.
func until(t *testing.T, base, uuid, state string) application {
	t.Helper()
	var a application
	for deadline := time.Now().Add(20 * time.Second); ; goruntime.Gosched() {
		call(t, "GET", base+"/api/v1/application/"+uuid+"/", "", 200, &a)
		if a.State == state {
			return a
		}
		if time.Now().After(deadline) {
			t.Fatalf("the application is %s, want %s", a.State, state)
		}
	}
}

// logs asks for the output of an application until it holds text.
func logs(t *testing.T, base, uuid, text string) string {
	t.Helper()
	var l struct{ Logs string }
	for deadline := time.Now().Add(20 * time.Second); ; goruntime.Gosched() {
		call(t, "GET", base+"/api/v1/application/"+uuid+"/logs/", "", 200, &l)
		if strings.Contains(l.Logs, text) {
			return l.Logs
		}
		if time.Now().After(deadline) {
			t.Fatalf("no %q in the output:\n%s", text, l.Logs)
		}
	}
}

// TestTheTourOfApplications is the one of the README.
func TestTheTourOfApplications(t *testing.T) {
	base, _, out, stop := start(t, "--demo=false")
	var a application
	call(t, "POST", base+"/api/v1/application/", `{"image": "demo/hello", "name": "web"}`, 202, &a)
	a = until(t, base, a.UUID, "Running")
	uri := base + "/api/v1/application/" + a.UUID + "/"
	var c container
	call(t, "GET", base+a.Containers[0], "", 200, &c)
	if len(c.Ports) != 1 {
		t.Fatalf("its ports are %v", c.Ports)
	}
	id := strings.Split(a.Containers[0], "/")[4]
	if status, body := get(t, fmt.Sprintf("http://127.0.0.1:%d/x", c.Ports[0].Outer)); status != 200 || body != "hello from "+id+"\n" {
		t.Errorf("the container answers %d %q", status, body)
	}
	call(t, "PATCH", uri, `{"target_num_containers": 3}`, 202, nil)
	if a = until(t, base, a.UUID, "Running"); a.Running != 3 {
		t.Errorf("%d run, want 3", a.Running)
	}
	logs(t, base, a.UUID, "[web-1] time=")
	logs(t, base, a.UUID, "path=/x")
	call(t, "POST", uri+"stop/", "", 202, nil)
	if a = until(t, base, a.UUID, "Stopped"); a.Running != 0 {
		t.Errorf("%d run, want none", a.Running)
	}
	call(t, "POST", uri+"start/", "", 202, nil)
	until(t, base, a.UUID, "Running")
	call(t, "DELETE", uri, "", 202, nil)
	until(t, base, a.UUID, "Terminated")
	if err := stop(); err != nil {
		t.Errorf("the shutdown: %v\n%s", err, out)
	}
}

func TestDemoFunctions(t *testing.T) {
	base, _, _, _ := start(t, "--demo=false")
	env := func(vars ...string) string {
		var list []string
		for i := 0; i < len(vars); i += 2 {
			list = append(list, fmt.Sprintf(`{"key": %q, "value": %q}`, vars[i], vars[i+1]))
		}
		return `"container_envvars": [` + strings.Join(list, ",") + `]`
	}
	create := func(fields string) string {
		var a application
		call(t, "POST", base+"/api/v1/application/", "{"+fields+"}", 202, &a)
		return a.UUID
	}
	t.Run("the worker counts, and says when it is stopped", func(t *testing.T) {
		id := create(`"image": "demo/worker", ` + env("EVERY_MS", "1"))
		logs(t, base, id, "worked 3 times\n")
		call(t, "POST", base+"/api/v1/application/"+id+"/stop/", "", 202, nil)
		until(t, base, id, "Stopped")
		logs(t, base, id, "stopped\n")
	})
	t.Run("the crash has the code that is asked for", func(t *testing.T) {
		id := create(`"image": "demo/crash", ` + env("EXIT_CODE", "7", "AFTER_MS", "1"))
		a := until(t, base, id, "Stopped")
		var c container
		call(t, "GET", base+a.Containers[0], "", 200, &c)
		if c.ExitCode == nil || *c.ExitCode != 7 {
			t.Errorf("the exit code is %v, want 7", c.ExitCode)
		}
		logs(t, base, id, "crashing with 7\n")
	})
	t.Run("variables that are none are told", func(t *testing.T) {
		logs(t, base, create(`"image": "demo/crash", `+env("EXIT_CODE", "x")), `EXIT_CODE is no number: "x"`)
		logs(t, base, create(`"image": "demo/worker", `+env("EVERY_MS", "-1")), `EVERY_MS is no number of milliseconds: "-1"`)
	})
	t.Run("programs are no images unless they are asked for", func(t *testing.T) {
		call(t, "POST", base+"/api/v1/application/", `{"image": "exec/sh", "run_command": "true"}`, 400, nil)
	})
}

// TestProcessesEndWithTheServer and so do those of a group that will not stop.
func TestProcessesEndWithTheServer(t *testing.T) {
	if goruntime.GOOS != "linux" {
		t.Skip("processes are supervised on Linux alone")
	}
	base, _, out, stop := start(t, "--demo=false", "--drivers", "exec")
	var a application
	call(t, "POST", base+"/api/v1/application/", `{"image": "exec/sh", "run_command": "sh -c 'sleep 1000 & echo pids $$ $!; wait'", "target_num_containers": 2}`, 202, &a)
	until(t, base, a.UUID, "Running")
	pair := regexp.MustCompile(`pids (\d+) (\d+)\n`)
	var pids []int
	for len(pids) < 4 {
		pids = nil
		for _, m := range pair.FindAllStringSubmatch(logs(t, base, a.UUID, "pids"), -1) {
			for _, text := range m[1:] {
				pid, err := strconv.Atoi(text)
				if err != nil {
					t.Fatal(err)
				}
				pids = append(pids, pid)
			}
		}
	}
	if err := stop(); err != nil {
		t.Errorf("the shutdown: %v\n%s", err, out)
	}
	var left []int
	for _, pid := range pids {
		if runs(pid) {
			left = append(left, pid)
		}
	}
	if diff := cmp.Diff([]int(nil), left); diff != "" {
		t.Errorf("processes that are left (-want +got):\n%s", diff)
	}
}

// runs reports whether there is such a process, and not what waits to be buried.
func runs(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z")
}

// TestServersDoNotCleanUpAfterOneAnother even if they share a directory.
func TestServersDoNotCleanUpAfterOneAnother(t *testing.T) {
	work := t.TempDir()
	first, _, _, _ := start(t, "--demo=false", "--work", work)
	var a application
	call(t, "POST", first+"/api/v1/application/", `{"image": "demo/worker"}`, 202, &a)
	until(t, first, a.UUID, "Running")
	count := func() int {
		dirs, err := filepath.Glob(filepath.Join(work, "*", "*-*-*-*-*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(dirs)
	}
	before := count()
	start(t, "--demo=false", "--work", work)
	if after := count(); before == 0 || after != before {
		t.Errorf("%d directories of %d are left", after, before)
	}
}
