package tutum_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	goruntime "runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/atoll-platform/atoll/httpapi"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/platform/platformtest"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/driver/funcdriver"
)

// serve answers each line of each connection to a port of a container.
func serve(ctx context.Context, t *funcdriver.Task, port int, answer func(line string) string) error {
	l, err := t.Listen(port)
	if err != nil {
		return err
	}
	go func() {
		<-ctx.Done()
		_ = l.Close() // whoever waits for a connection learns of it
	}()
	for {
		c, err := l.Accept()
		if err != nil {
			return nil
		}
		go func() {
			defer c.Close()
			for lines := bufio.NewScanner(c); lines.Scan(); {
				fmt.Fprintln(c, answer(lines.Text()))
			}
		}()
	}
}

// ask sends one line and reads one. A container that is Running has been entered
// and may have still to listen.
func ask(address, line string) (string, error) {
	began := time.Now()
	c, err := net.DialTimeout("tcp", address, 10*time.Second)
	for errors.Is(err, syscall.ECONNREFUSED) && time.Since(began) < 10*time.Second {
		goruntime.Gosched()
		c, err = net.DialTimeout("tcp", address, 10*time.Second)
	}
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return "", err
	}
	fmt.Fprintln(c, line)
	answer, err := bufio.NewReader(c).ReadString('\n')
	return strings.TrimSpace(answer), err
}

// counter is a store of one number.
func counter(ctx context.Context, t *funcdriver.Task) error {
	fmt.Fprintln(t.Stdout(), "ready to accept connections")
	var n atomic.Int64
	return serve(ctx, t, 6379, func(line string) string {
		if line != "INCR hits" {
			return "-ERR"
		}
		return fmt.Sprint(n.Add(1))
	})
}

// web counts its visitors in the store that it is linked to.
func web(ctx context.Context, t *funcdriver.Task) error {
	store := t.Getenv("REDIS_1_PORT_6379_TCP_ADDR") + ":" + t.Getenv("REDIS_1_PORT_6379_TCP_PORT")
	fmt.Fprintf(t.Stdout(), "%s listens on %s, stores in %s\n", t.Getenv("GREETING"), t.Getenv("PORT"), t.Getenv("REDIS_1_PORT"))
	return serve(ctx, t, 80, func(line string) string {
		n, err := ask(store, "INCR hits")
		if err != nil {
			return "error: " + err.Error()
		}
		fmt.Fprintln(t.Stdout(), "visit", n)
		return t.Getenv("GREETING") + " visitor " + n
	})
}

// client calls the API as published clients do: over the network, without an
// Accept header, with the paths that answers name.
type client struct {
	t    *testing.T
	p    *platform.Platform
	base string
	http *http.Client
}

func (c *client) call(method, path, body string) object {
	c.t.Helper()
	r, err := http.NewRequest(method, c.base+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Authorization", "ApiKey neo:"+keys["neo"])
	a, err := c.http.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer a.Body.Close()
	var o object
	if err := json.NewDecoder(a.Body).Decode(&o); err != nil || a.StatusCode > 299 {
		c.t.Fatalf("%s %s: %s %v %v", method, path, a.Status, err, o)
	}
	return o
}

// until polls an object until it is in a state, looking whenever something has
// changed in the platform.
func (c *client) until(uri, state string) object {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 30*time.Second)
	defer cancel()
	for {
		index := c.p.Index()
		o := c.call("GET", uri, "")
		if o.state() == state {
			return o
		}
		if err := c.p.Wait(ctx, index+1); err != nil {
			c.t.Fatalf("%s is %s and will not be %s", uri, o.state(), state)
		}
	}
}

// TestASessionOfAClient is what somebody does who tries the API: two functions
// that talk to one another over real ports.
func TestASessionOfAClient(t *testing.T) {
	p := platformtest.New(t, platform.WithKey("neo", keys["neo"]))
	for name, image := range map[string]driver.Image{"redis": {Ports: []driver.Port{{Number: 6379, Proto: "tcp"}}}, "demo/web": {Ports: []driver.Port{{Number: 80, Proto: "tcp"}}}} {
		fn := counter
		if name != "redis" {
			fn = web
		}
		if err := p.Functions().Register(name, fn, image); err != nil {
			t.Fatal(err)
		}
	}
	h, err := httpapi.New(p)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	defer s.Close()
	c := &client{t, p, s.URL, s.Client()}
	visit := func(container object) string {
		t.Helper()
		got, err := ask(container.text("public_dns")+":"+container.outer(), "GET /")
		if err != nil {
			t.Fatal(err)
		}
		return got
	}

	db := c.call("POST", apps, `{"image":"redis"}`)
	c.until(db.uri(), "Running")
	w := c.call("POST", apps, `{"image":"demo/web","name":"web","container_envvars":[{"key":"GREETING","value":"Hello"}],"linked_to_application":[{"to_application":"`+db.uri()+`"}]}`)
	w = c.until(w.uri(), "Running")
	first := c.call("GET", w.strings("containers")[0], "")
	if got := visit(first); got != "Hello visitor 1" {
		t.Fatalf("the first visit: %q", got)
	}

	if up := c.call("PATCH", w.uri(), `{"target_num_containers":3}`); up.state() != "Scaling" {
		t.Errorf("scaling: %s", up.state())
	}
	w = c.until(w.uri(), "Running")
	list := c.call("GET", cons+"?application__name=web&state=Running", "")
	for i, o := range list["objects"].([]any) {
		if got := visit(object(o.(map[string]any))); got != fmt.Sprintf("Hello visitor %d", i+2) {
			t.Errorf("a visit of container %d: %q", i+1, got)
		}
	}
	if n := len(list["objects"].([]any)); n != 3 {
		t.Errorf("%d containers", n)
	}
	logs := c.call("GET", w.uri()+"logs/", "").text("logs")
	for _, line := range []string{"[web-1] Hello listens on ", "[web-1] visit 1", "[web-2] ", "[web-3] ", "visit 4"} {
		if !strings.Contains(logs, line) {
			t.Errorf("the logs do not say %q: %s", line, logs)
		}
	}
	if got := c.call("GET", db.strings("containers")[0]+"logs/?tail=1", "").text("logs"); got != "ready to accept connections\n" {
		t.Errorf("logs of the store: %q", got)
	}

	c.call("POST", w.uri()+"stop/", "{}")
	c.until(w.uri(), "Stopped")
	if c, err := net.DialTimeout("tcp", first.text("public_dns")+":"+first.outer(), 10*time.Second); err == nil {
		c.Close()
		t.Error("a stopped container answers")
	}
	c.call("POST", w.uri()+"start/", "")
	w = c.until(w.uri(), "Running")
	again := c.call("GET", w.strings("containers")[0], "")
	if again.outer() != first.outer() || visit(again) != "Hello visitor 5" {
		t.Errorf("after a new start: port %s, before %s", again.outer(), first.outer())
	}

	c.call("DELETE", w.uri(), "")
	c.until(w.uri(), "Terminated")
	c.call("DELETE", db.uri(), "")
	c.until(db.uri(), "Terminated")
	if n := fmt.Sprint(c.call("GET", apps+"?state=Terminated", "")["meta"].(map[string]any)["total_count"]); n != "2" {
		t.Errorf("%s applications are gone", n)
	}
}
