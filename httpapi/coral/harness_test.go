package coral_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"regexp"
	goruntime "runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/atoll-platform/atoll/httpapi"
	"github.com/atoll-platform/atoll/httpapi/rest/resttest"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/platform/platformtest"
	"github.com/atoll-platform/atoll/tenancy"
)

// env is one platform and what its API has shown so far.
type env struct {
	resttest.Session
	p     *platform.Platform
	http  *platformtest.HTTP
	log   *logBuffer
	clock *clock
}

// clock is the time of a platform under test.
type clock struct{ ns atomic.Int64 }

// now moves on a little each time, so that what is made in turn has an order.
func (c *clock) now() time.Time          { return time.Unix(0, c.ns.Add(1)).UTC() }
func (c *clock) advance(d time.Duration) { c.ns.Add(int64(d)) }

// morning is when every test begins; as the API writes it.
var morning = time.Date(2015, 1, 21, 12, 18, 8, 791_000_000, time.UTC)

const at0 = "2015-01-21T12:18:08.791"

type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// start is a platform of the mode coral with the administrator root and the
// users neo and mia, all with the password of platformtest.
func start(t *testing.T, opts ...platform.Option) *env {
	t.Helper()
	return populated(t, opts)
}

func populated(t *testing.T, opts []platform.Option, more ...httpapi.Option) *env {
	t.Helper()
	e := bare(t, opts, more...)
	platformtest.User(t, e.p, "root", true)
	platformtest.User(t, e.p, "neo", false)
	platformtest.User(t, e.p, "mia", false)
	return e
}

// open is a platform of the mode accept-all.
func open(t *testing.T, opts ...platform.Option) *env {
	t.Helper()
	return bare(t, append([]platform.Option{platform.WithAuthentication(tenancy.AcceptAll)}, opts...))
}

func bare(t *testing.T, opts []platform.Option, more ...httpapi.Option) *env {
	t.Helper()
	e := &env{log: &logBuffer{}, clock: &clock{},
		Session: resttest.Session{T: t, Contract: contract, IDs: resttest.Numbers{Form: uuidForm, Keep: implicitID}}}
	e.clock.ns.Store(morning.UnixNano())
	base := []platform.Option{
		platform.WithClock(e.clock.now),
		platform.WithLogger(slog.New(slog.NewTextHandler(e.log, &slog.HandlerOptions{Level: slog.LevelDebug}))),
	}
	e.p = platformtest.New(t, append(base, opts...)...)
	e.http = platformtest.Client(t, e.p, append(more, httpapi.WithAccessLog(e.Saw))...)
	return e
}

// caller makes calls as somebody.
type caller struct {
	e *env
	h *platformtest.HTTP
}

// as calls with the name of a user and the password of platformtest.
func (e *env) as(name string) caller { return caller{e, e.http.Basic(name, platformtest.Password)} }

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
func (c caller) post(target string, body any) *reply {
	c.e.Helper()
	return c.do("POST", target, body)
}
func (c caller) patch(target string, body any) *reply {
	c.e.Helper()
	return c.do("PATCH", target, body)
}
func (c caller) create(definition string) *reply {
	c.e.Helper()
	return c.post("/api/runtimes", definition)
}
func (c caller) start(runtime string) *reply {
	c.e.Helper()
	return c.patch("/api/runtimes/"+runtime, `{"status":"start"}`)
}
func (c caller) stop(runtime string) *reply {
	c.e.Helper()
	return c.patch("/api/runtimes/"+runtime, `{"status":"stop"}`)
}

// check holds an answer against the rules for every answer.
func (r *reply) check() {
	t := r.e.T
	t.Helper()
	if r.Header.Get("X-Request-Id") == "" || r.Header.Get("Cache-Control") != "no-store" || r.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%s: headers that every answer has: %v", r.Call, r.Header)
	}
	if r.Method == "HEAD" || r.Status == 204 {
		if r.Body != "" {
			t.Errorf("%s answered %d with a body: %s", r.Call, r.Status, r.Body)
		}
		return
	}
	if got := r.Header.Get("Content-Type"); got != "application/json; charset=UTF-8" {
		t.Errorf("%s answered %d of type %q", r.Call, r.Status, got)
	}
	if fault := errorBodyFault(r.Status, []byte(r.Body)); fault != "" {
		t.Errorf("%s answered %d %s: %s", r.Call, r.Status, fault, r.Body)
	}
}

// errorBodyFault says what keeps body from being an answer of that status.
func errorBodyFault(status int, body []byte) string {
	if !json.Valid(body) {
		return "no JSON"
	}
	if status < 400 {
		return ""
	}
	var b struct {
		Action  *string         `json:"action"`
		Success *bool           `json:"success"`
		Reason  *string         `json:"reason"`
		Details *string         `json:"details"`
		Errors  []string        `json:"errors"`
		Codes   []string        `json:"codes"`
		Results map[string]bool `json:"results"`

		Findings []struct {
			Pointer    string `json:"pointer"`
			Code       string `json:"code"`
			Message    string `json:"message"`
			Suggestion string `json:"suggestion"`
		} `json:"findings"`
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	switch err := dec.Decode(&b); {
	case err != nil:
		return "another body than that of an error: " + err.Error()
	case b.Success == nil || *b.Success:
		return "without success false"
	case b.Reason == nil || *b.Reason == "" || strings.ContainsAny(*b.Reason, "\r\n"):
		return "without a reason of one line"
	case len(b.Errors) != len(b.Codes):
		return "with errors and codes of different length"
	case b.Details != nil && (*b.Details == "" || strings.Contains(*b.Details, "goroutine ") || strings.Contains(*b.Details, ".go:")):
		return "with details that are empty or a stack trace"
	}
	return ""
}

// is fails the test unless the answer has the status and, unless want is "",
// the whole body, where "#1", "#2" … stand for the UUIDs of the platform in the
// order in which they were shown, and "*" for a text that is not empty. What
// holds counts as shown.
func (r *reply) is(status int, want string) *reply {
	r.e.Helper()
	r.Is(status, want)
	return r
}

// fails is is with the error body of that action and reason, and of details if
// there are some.
func (r *reply) fails(status int, action, reason string, details ...string) *reply {
	r.e.Helper()
	b := map[string]any{"success": false, "reason": reason}
	if action != "" {
		b["action"] = action
	}
	if len(details) > 0 {
		b["details"] = strings.Join(details, "\n")
	}
	text, err := json.Marshal(b)
	if err != nil {
		r.e.Fatal(err)
	}
	return r.is(status, string(text))
}

// id is the UUID that a number stands for.
func (e *env) id(number string) string {
	e.Helper()
	id, ok := e.IDs.ID(number)
	if !ok {
		e.Fatalf("nothing is numbered %s", number)
	}
	return id
}

var uuidForm = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// implicitID is the one id that is the same on every platform.
const implicitID = "fb5ffab3-3759-4dd7-9d56-0ce2ee7b369f"

// pair is the smallest runtime: what is posted to in is summed up by sum.
func pair(name string) string {
	return `{"name":"` + name + `","actors":[{"name":"in","type":"httpbroadcast"},{"name":"sum","type":"stats","params":{"field":"n"}}],"links":[{"from":"in","to":"sum"}]}`
}

// eventually waits for what other goroutines do.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); goruntime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}
