package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// output is a writer that can be read while others write.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

var noEnv = func(string) (string, bool) { return "", false }

// start runs a server and returns its base URL and what ends it.
func start(t *testing.T, args ...string) (base string, out, logs *output, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, logs = &output{}, &output{}
	ended := make(chan error, 1)
	args = append([]string{"--listen", "127.0.0.1:0", "--data", filepath.Join(t.TempDir(), "data"), "--work", filepath.Join(t.TempDir(), "work")}, args...)
	go func() { ended <- run(ctx, args, noEnv, out, logs) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() { stop() })
	address := regexp.MustCompile(`http://127\.0\.0\.1:\d+`)
	for deadline := time.After(30 * time.Second); ; {
		if base = address.FindString(out.String()); base != "" {
			return base, out, logs, stop
		}
		select {
		case err := <-ended:
			t.Fatalf("the server ended: %v\n%s", err, logs)
		case <-deadline:
			t.Fatalf("the server says nothing\n%s", logs)
		case <-time.After(time.Millisecond):
		}
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestTheDemonstrationShowsRealNumbers(t *testing.T) {
	base, out, logs, stop := start(t)
	want := map[string]any{"count": 192.0, "avg": 6.53125, "sd": 26.415136571749287, "min": -46.0, "max": 146.0}
	var got map[string]any
	for deadline := time.Now().Add(30 * time.Second); ; {
		status, body := get(t, base+"/api/runtimes/flights/actors/delays/state?by=LAX")
		got = nil
		if status == 200 {
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Fatal(err)
			}
		}
		if got["count"] == 192.0 || time.Now().After(deadline) {
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("delays from LAX (-want +got):\n%s", diff)
	}
	if n := strings.Count(out.String(), "\n  curl "); n != 5 {
		t.Errorf("the server suggests %d commands, want 5:\n%s", n, out)
	}
	for _, path := range []string{"/healthz", "/readyz", "/openapi/coral.json", "/"} {
		if status, body := get(t, base+path); status != 200 {
			t.Errorf("GET %s: %d %s", path, status, body)
		}
	}
	if err := stop(); err != nil {
		t.Errorf("the shutdown: %v\n%s", err, logs)
	}
}

func TestAccountsAndKeysOfTheCommandLine(t *testing.T) {
	key := strings.Repeat("0a", 20)
	base, _, logs, _ := start(t, "--auth", "coral", "--admin", "boss:a secret word", "--key", "robot:"+key, "--demo=false")
	ask := func(name, password string) int {
		r, err := http.NewRequest("GET", base+"/api/users", nil)
		if err != nil {
			t.Fatal(err)
		}
		if name != "" {
			r.SetBasicAuth(name, password)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	if got := [3]int{ask("", ""), ask("boss", "wrong"), ask("boss", "a secret word")}; got != [3]int{401, 401, 200} {
		t.Errorf("nobody, a wrong password and the administrator are answered %v", got)
	}
	open := func(key string) int {
		r, err := http.NewRequest("GET", base+"/api/v1/application/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "ApiKey robot:"+key)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	if got := [2]int{open(key), open(strings.Repeat("0b", 20))}; got != [2]int{200, 401} {
		t.Errorf("the key and another are answered %v", got)
	}
	if s := logs.String(); strings.Contains(s, "a secret word") || strings.Contains(s, key) {
		t.Errorf("a secret is in the logs:\n%s", s)
	}
}

func TestConfig(t *testing.T) {
	tests := map[string]struct {
		args []string
		env  map[string]string
		want config
		err  string
	}{
		"defaults": {want: config{listen: "127.0.0.1:8000", auth: "accept-all", data: "./data", work: "./instances", drivers: []string{"func"}, demo: true}},
		"flags": {
			args: []string{"--listen", "127.0.0.1:9", "--auth", "coral", "--admin", "a:b:c", "--key", "k:" + strings.Repeat("1", 40), "--data", "d", "--work", "w", "--drivers", "func,exec", "--demo=false", "--insecure"},
			want: config{listen: "127.0.0.1:9", auth: "coral", admin: credential{"a", "b:c"}, keys: []credential{{"k", strings.Repeat("1", 40)}}, data: "d", work: "w", drivers: []string{"func", "exec"}, insecure: true}},
		"the environment counts where no flag is": {
			args: []string{"--auth", "coral"}, env: map[string]string{"ATOLL_AUTH": "deny-all", "ATOLL_DEMO": "false", "ATOLL_LISTEN": "[::1]:1"},
			want: config{listen: "[::1]:1", auth: "coral", data: "./data", work: "./instances", drivers: []string{"func"}}},
		"accept-all stays on loopback":       {args: []string{"--listen", "0.0.0.0:1"}, err: "--insecure"},
		"accept-all elsewhere when insecure": {args: []string{"--listen", "0.0.0.0:1", "--insecure"}, want: config{listen: "0.0.0.0:1", auth: "accept-all", data: "./data", work: "./instances", drivers: []string{"func"}, demo: true, insecure: true}},
		"no host is every address":           {args: []string{"--listen", ":1"}, err: "--insecure"},
		"an unknown mode":                    {args: []string{"--auth", "none"}, err: "--auth"},
		"an unknown driver":                  {args: []string{"--drivers", "func,vm"}, err: "--drivers"},
		"an admin without a password":        {args: []string{"--admin", "a"}, err: "name:secret"},
		"a key of another length":            {args: []string{"--key", "a:12"}, err: "40 hexadecimal digits"},
		"a bad value in the environment":     {env: map[string]string{"ATOLL_DEMO": "perhaps"}, err: "ATOLL_DEMO"},
		"an argument that is no flag":        {args: []string{"now"}, err: "unexpected argument"},
		"an address without a port":          {args: []string{"--listen", "127.0.0.1"}, err: "--listen"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parseConfig(tt.args, func(k string) (string, bool) { v, ok := tt.env[k]; return v, ok }, io.Discard)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want one about %s", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(config{}, credential{})); diff != "" {
				t.Errorf("config (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHelpExplainsEveryFlag(t *testing.T) {
	var out bytes.Buffer
	if _, err := parseConfig([]string{"--help"}, noEnv, &out); !errors.Is(err, flag.ErrHelp) {
		t.Fatalf("--help: %v", err)
	}
	for _, f := range []string{"listen", "auth", "admin", "key", "data", "work", "drivers", "demo", "insecure"} {
		if !strings.Contains(out.String(), "-"+f) {
			t.Errorf("the help does not explain --%s:\n%s", f, out.String())
		}
	}
}

func TestCredentialsDoNotPrintTheirSecrets(t *testing.T) {
	c := credential{"boss", "hidden"}
	if s := fmt.Sprintf("%v %s %v", c, c, &keyList{c}); strings.Contains(s, "hidden") {
		t.Errorf("a credential prints its secret: %s", s)
	}
}
