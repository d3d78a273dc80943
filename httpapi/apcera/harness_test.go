package apcera_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/atoll-platform/atoll/httpapi"
	"github.com/atoll-platform/atoll/httpapi/rest/resttest"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/platform/platformtest"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/tenancy"
)

// keys are the tokens of the accounts of a test.
var keys = map[string]string{
	"root": "000000000000000000000000000000000000ad31",
	"neo":  "0000000000000000000000000000000000000e01",
	"mia":  "00000000000000000000000000000000000031a0",
}

// morning is when every test begins.
var morning = time.Date(2015, 11, 5, 19, 43, 41, 112_325_841, time.UTC)

const at0 = "2015-11-05T19:43:41.112325841Z"

// env is one platform and what its API has shown so far.
type env struct {
	resttest.Session
	p    *platform.Platform
	http *platformtest.HTTP
	ns   atomic.Int64
}

// start is a platform with the administrator root and the users neo and mia.
func start(t *testing.T, opts ...platform.Option) *env {
	t.Helper()
	e := bare(t, opts)
	for name, key := range keys {
		platformtest.User(t, e.p, name, name == "root")
		if _, err := e.p.Keys().Add(context.Background(), name, key, "of the test"); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

// open is a platform that accepts everybody.
func open(t *testing.T, opts ...platform.Option) *env {
	t.Helper()
	return bare(t, append([]platform.Option{platform.WithAuthentication(tenancy.AcceptAll)}, opts...))
}

func bare(t *testing.T, opts []platform.Option, more ...httpapi.Option) *env {
	t.Helper()
	e := &env{Session: resttest.Session{T: t, Contract: contract}}
	e.ns.Store(morning.UnixNano())
	now := func() time.Time { return time.Unix(0, e.ns.Load()).UTC() }
	e.p = platformtest.New(t, append([]platform.Option{platform.WithClock(now)}, opts...)...)
	e.http = platformtest.Client(t, e.p, append(more, httpapi.WithAccessLog(e.Saw))...)
	return e
}

// write puts documents as the embedding program.
func (e *env) write(pairs ...string) {
	e.Helper()
	var writes []policy.DocumentWrite
	for i := 0; i < len(pairs); i += 2 {
		writes = append(writes, policy.DocumentWrite{Name: pairs[i], Text: pairs[i+1]})
	}
	if _, _, err := e.p.Policy().Put(context.Background(), writes); err != nil {
		e.Fatal(err)
	}
}

// caller makes calls as somebody.
type caller struct {
	e *env
	h *platformtest.HTTP
}

// as calls with the key of an account.
func (e *env) as(name string) caller { return e.bearer(keys[name]) }

func (e *env) bearer(token string) caller {
	return caller{e, e.http.With("Authorization", "Bearer "+token)}
}

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
	r.check()
	return r
}

func (c caller) get(target string) *reply    { c.e.Helper(); return c.do("GET", target, nil) }
func (c caller) delete(target string) *reply { c.e.Helper(); return c.do("DELETE", target, nil) }
func (c caller) put(target string, body any) *reply {
	c.e.Helper()
	return c.do("PUT", target, body)
}

// doc is one document of a PUT.
func doc(name, text string, forVersion ...int) map[string]any {
	d := map[string]any{"name": name, "text": text}
	if len(forVersion) > 0 {
		d["for_version"] = forVersion[0]
	}
	return d
}

// docs is the body of a PUT.
func docs(list ...map[string]any) map[string]any { return map[string]any{"docs": list} }

// check holds an answer against the rules for every answer.
func (r *reply) check() {
	t := r.e.T
	t.Helper()
	h := r.Header
	if h.Get("X-Request-Id") == "" || h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Vary") != "Accept, Authorization" {
		t.Errorf("%s: headers that every answer has: %v", r.Call, h)
	}
	if got := h.Get("Content-Type"); got != "application/json" {
		t.Errorf("%s answered %d of type %q", r.Call, r.Status, got)
	}
	if r.Method == "HEAD" {
		return
	}
	if h.Get("Content-Length") != fmt.Sprint(len(r.Body)) {
		t.Errorf("%s: Content-Length %s of %d bytes", r.Call, h.Get("Content-Length"), len(r.Body))
	}
	if fault := errorFault(r.Status, r.Body); fault != "" {
		t.Errorf("%s answered %d %s: %s", r.Call, r.Status, fault, r.Body)
	}
	if r.Status >= 400 {
		if id, _ := resttest.Decode(t, r.Body).(map[string]any)["request_id"].(string); id != h.Get("X-Request-Id") {
			t.Errorf("%s: request_id %q, header %q", r.Call, id, h.Get("X-Request-Id"))
		}
	}
}

// errorFault says what keeps body from being an answer of that status.
func errorFault(status int, body string) string {
	if !json.Valid([]byte(body)) {
		return "no JSON"
	}
	if status < 400 {
		return ""
	}
	var b map[string]any
	if json.Unmarshal([]byte(body), &b) != nil {
		return "no object"
	}
	for _, name := range []string{"client_side", "fatal", "retry", "duplicate_key", "request_invalid", "requires_restart", "resource_missing", "token_invalid"} {
		if _, ok := b[name].(bool); !ok {
			return "without the boolean " + name
		}
		delete(b, name)
	}
	message, _ := b["message"].(string)
	if b["code"] != float64(status) || message == "" || strings.Contains(message, "goroutine") {
		return "with another code or no message"
	}
	if d, ok := b["error_details"].(map[string]any); ok && (d["errors"] == nil || d["errors"] == "") {
		return "with error_details without errors"
	}
	for _, name := range []string{"code", "message", "request_id", "try_again_in_ms", "missing_claims", "policy_error", "error_details"} {
		delete(b, name)
	}
	if len(b) > 0 {
		return fmt.Sprint("with members that the contract does not have: ", b)
	}
	return ""
}

// is fails the test unless the answer has the status and, unless want is "",
// the whole body, where "*" stands for a text that is not empty. What holds
// counts as shown.
func (r *reply) is(status int, want string) *reply {
	r.e.Helper()
	r.Is(status, want)
	return r
}

// fails is is with the whole error body: what the status implies, the message,
// and members that differ or are there besides, as JSON without braces.
func (r *reply) fails(status int, message, more string) *reply {
	r.e.Helper()
	b := map[string]any{"code": status, "message": message, "request_id": "*", "client_side": status < 500, "fatal": status < 500 && status != 401,
		"retry": status == 503, "duplicate_key": false, "request_invalid": false, "requires_restart": false,
		"resource_missing": status == 404, "token_invalid": status == 401}
	if err := json.Unmarshal([]byte("{"+more+"}"), &b); err != nil {
		r.e.Fatal(err)
	}
	text, err := json.Marshal(b)
	if err != nil {
		r.e.Fatal(err)
	}
	return r.is(status, string(text))
}
