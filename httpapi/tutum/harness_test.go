package tutum_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atoll-platform/atoll/httpapi"
	"github.com/atoll-platform/atoll/httpapi/rest/resttest"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/platform/platformtest"
	"github.com/atoll-platform/atoll/runtime/fabric"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// keys are the keys of the accounts of a test.
var keys = map[string]string{
	"root": "000000000000000000000000000000000000ad32",
	"neo":  "0000000000000000000000000000000000000e02",
	"mia":  "00000000000000000000000000000000000031a2",
}

// at0 is when every bubble begins, as the API writes it.
const at0 = "Sat, 1 Jan 2000 00:00:00 +0000"

// env is one platform in a bubble and what its API has shown so far.
type env struct {
	resttest.Session
	p     *platform.Platform
	http  *platformtest.HTTP
	stage *stage
}

// in runs a test in virtual time, on a platform with the administrator root
// and the users neo and mia.
func in(t *testing.T, fn func(e *env), opts ...platform.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { fn(start(t, opts)) })
}

func start(t *testing.T, opts []platform.Option, more ...httpapi.Option) *env {
	t.Helper()
	e := &env{stage: &stage{starts: map[string]int{}}, Session: resttest.Session{T: t, Contract: &contract, IDs: resttest.Numbers{Form: uuidForm}}}
	e.p = platformtest.New(t, append([]platform.Option{platform.WithDrivers(e.stage)}, opts...)...)
	for _, i := range images {
		if err := e.p.Images().Register(i); err != nil {
			t.Fatal(err)
		}
	}
	e.http = platformtest.Client(t, e.p, append(more, httpapi.WithAccessLog(e.Saw))...)
	if e.p.AcceptsAll() {
		return e
	}
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		platformtest.User(t, e.p, name, name == "root")
		if _, err := e.p.Keys().Add(context.Background(), name, keys[name], "of the test"); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

// images are what the applications of tests are made of.
var images = []fabric.Image{
	{Name: "tutum/hello-world", Driver: "stage", Func: "act", Command: "/run.sh", Ports: []driver.Port{{Number: 80, Proto: "tcp"}}},
	{Name: "tutum/mysql", Driver: "stage", Func: "act", Command: "/run.sh", Ports: []driver.Port{{Number: 3306, Proto: "tcp"}}},
	{Name: "redis", Driver: "stage", Func: "act", Ports: []driver.Port{{Number: 6379, Proto: "tcp"}}, Env: map[string]string{"REDIS_MODE": "image"}},
	{Name: "worker", Driver: "stage", Func: "act", Entrypoint: "work"},
	{Name: "registry.example.com:5000/only/one:v1", Driver: "stage", Func: "act"},
}

// settle lets everything happen that happens without time passing.
func (e *env) settle() { synctest.Wait() }

// pass lets time pass, and then everything happen that happens then.
func (e *env) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// caller makes calls as somebody.
type caller struct {
	e *env
	h *platformtest.HTTP
}

// as calls with the key of an account.
func (e *env) as(name string) caller { return e.with("Authorization", "ApiKey "+name+":"+keys[name]) }

// neo is who calls in most tests.
func (e *env) neo() caller { return e.as("neo") }

func (e *env) with(name, value string) caller { return caller{e, e.http.With(name, value)} }

// nobody calls without credentials.
func (e *env) nobody() caller { return caller{e, e.http} }

func (c caller) with(name, value string) caller { return caller{c.e, c.h.With(name, value)} }

// reply is an answer that has not been looked at.
type reply struct {
	*resttest.Reply
	e *env
}

func (c caller) do(method, target string, body any) *reply {
	c.e.Helper()
	a := c.h.Do(method, target, body)
	r := &reply{c.e.Reply(a.Call, method, a.Status, a.Header, a.Body), c.e}
	if fault := answerFault(method, r.Status, r.Header.Get, []byte(r.Body)); fault != "" {
		c.e.Errorf("%s answered %d %s: %v %s", r.Call, r.Status, fault, r.Header, r.Body)
	}
	return r
}

func (c caller) get(target string) *reply    { c.e.Helper(); return c.do("GET", target, nil) }
func (c caller) delete(target string) *reply { c.e.Helper(); return c.do("DELETE", target, nil) }
func (c caller) post(target string, body any) *reply {
	c.e.Helper()
	return c.do("POST", target, body)
}
func (c caller) patch(target string, body any) *reply {
	c.e.Helper()
	return c.do("PATCH", target, body)
}

// create makes an application and returns it as it was accepted.
func (c caller) create(body any) object {
	c.e.Helper()
	return c.post(apps, body).is(202, "").object()
}

// created is create, and waits until nothing happens any more.
func (c caller) created(body any) object {
	c.e.Helper()
	o := c.create(body)
	c.e.settle()
	return c.app(o)
}

// app reads an application again.
func (c caller) app(o object) object {
	c.e.Helper()
	return c.get(o.uri()).is(200, "").object()
}

// con reads the n-th container of an application as it is now, from 0.
func (c caller) con(app object, n int) object {
	c.e.Helper()
	return c.get(c.app(app).strings("containers")[n]).is(200, "").object()
}

// object is an object that an answer showed.
type object map[string]any

func (r *reply) object() object {
	r.e.Helper()
	o, ok := resttest.Decode(r.e.T, r.Body).(map[string]any)
	if !ok {
		r.e.Fatalf("%s answered no object: %s", r.Call, r.Body)
	}
	return o
}

func (o object) text(name string) string { s, _ := o[name].(string); return s }
func (o object) uri() string             { return o.text("resource_uri") }
func (o object) uuid() string            { return o.text("uuid") }
func (o object) state() string           { return o.text("state") }

func (o object) strings(name string) []string {
	list, _ := o[name].([]any)
	out := make([]string, len(list))
	for i := range list {
		out[i], _ = list[i].(string)
	}
	return out
}

// counts are running, stopped, current and target.
func (o object) counts() string {
	return fmt.Sprint(o["running_num_containers"], "/", o["stopped_num_containers"], "/", o["current_num_containers"], "/", o["target_num_containers"])
}

// answerFault says what keeps an answer from being one of this API.
func answerFault(method string, status int, header func(string) string, body []byte) string {
	switch {
	case header("X-Request-Id") == "" || header("X-Content-Type-Options") != "nosniff":
		return "without the headers of every answer"
	case header("Cache-Control") != "must-revalidate, max-age=0" || header("Vary") != "Accept, Authorization, Cookie":
		return "without the headers of the contract"
	case status == 301 || status == 308:
		if header("Location") == "" || len(body) > 0 {
			return "a redirect without Location or with a body"
		}
		return ""
	case header("Content-Type") != "application/json":
		return "of another type"
	case method == "HEAD":
		if len(body) > 0 {
			return "HEAD with a body"
		}
		return ""
	case header("Content-Length") != fmt.Sprint(len(body)):
		return "with a wrong Content-Length"
	}
	var o map[string]any
	if json.Unmarshal(body, &o) != nil || len(o) == 0 {
		return "no JSON object with members"
	}
	if status >= 400 {
		return errorFault(status, o)
	}
	for _, name := range []string{"logs", "pk", "is_dirty", "endpoint", "list", "fetch", "create", "save", "refresh", "delete", "start", "stop", "redeploy", "get_all_attributes"} {
		if _, ok := o[name]; ok && len(o) > 1 {
			return "with a member that breaks clients"
		}
	}
	return ""
}

// errorFault says what keeps o from being the body of an error.
func errorFault(status int, o map[string]any) string {
	text, _ := o["error"].(string)
	if text == "" || strings.ContainsAny(text, "\r\n") || strings.Contains(text, "goroutine ") || strings.Contains(text, ".go:") {
		return "without error, or with one that shows too much"
	}
	for name, v := range o {
		if name == "error" {
			continue
		}
		fields, ok := v.(map[string]any)
		if status != 400 || name != "application" && name != "container" || !ok || len(fields) == 0 {
			return "with a member that no error has"
		}
		for _, texts := range fields {
			if list, ok := texts.([]any); !ok || len(list) == 0 {
				return "with a field without texts"
			}
		}
	}
	return ""
}

// is fails the test unless the answer has the status and, unless want is "",
// the whole body, where "#1", "#2" … stand for the uuids of the platform in the
// order in which they were shown, and "*" for a text that is not empty. What
// holds counts as shown.
func (r *reply) is(status int, want string) *reply {
	r.e.Helper()
	r.Is(status, want)
	return r
}

// fails is is with the whole body of an error: its text and, for every member
// at fault, a text.
func (r *reply) fails(status int, text string, fields ...string) *reply {
	r.e.Helper()
	b := map[string]any{"error": text}
	if len(fields) > 0 {
		m := map[string][]string{}
		for i := 0; i+1 < len(fields); i += 2 {
			m[fields[i]] = append(m[fields[i]], fields[i+1])
		}
		b["application"] = m
		if strings.Contains(r.Call, cons) {
			b = map[string]any{"error": text, "container": m}
		}
	}
	raw, err := json.Marshal(b)
	if err != nil {
		r.e.Fatal(err)
	}
	return r.is(status, string(raw))
}

var uuidForm = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)
