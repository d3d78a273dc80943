package platformtest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/atoll-platform/atoll/httpapi"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/tenancy"
)

// HTTP calls the APIs of a platform in memory. It is immutable: As and With
// return others.
type HTTP struct {
	t      testing.TB
	h      http.Handler
	header http.Header
}

// Client returns a client without credentials of the APIs of p.
func Client(t testing.TB, p *platform.Platform, opts ...httpapi.Option) *HTTP {
	t.Helper()
	h, err := httpapi.New(p, opts...)
	if err != nil {
		t.Fatalf("httpapi.New: %v", err)
	}
	return &HTTP{t: t, h: h, header: http.Header{}}
}

// As returns a client that sends the name of u and Password.
func (c *HTTP) As(u *tenancy.User) *HTTP { return c.Basic(u.Name, Password) }

// Basic returns a client that sends a name and a password.
func (c *HTTP) Basic(name, password string) *HTTP {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(name, password)
	return c.With("Authorization", r.Header.Get("Authorization"))
}

// Key returns a client that sends a name and an API key of that account.
func (c *HTTP) Key(name, key string) *HTTP { return c.With("Authorization", "ApiKey "+name+":"+key) }

// With returns a client that sends a header; an empty value sends none.
func (c *HTTP) With(name, value string) *HTTP {
	d := *c
	d.header = c.header.Clone()
	if d.header.Del(name); value != "" {
		d.header.Set(name, value)
	}
	return &d
}

// Get calls GET.
func (c *HTTP) Get(target string) *Answer { return c.Do("GET", target, nil) }

// Delete calls DELETE without a body.
func (c *HTTP) Delete(target string) *Answer { return c.Do("DELETE", target, nil) }

// Post calls POST with body, see Do.
func (c *HTTP) Post(target string, body any) *Answer { return c.Do("POST", target, body) }

// Patch calls PATCH with body, see Do.
func (c *HTTP) Patch(target string, body any) *Answer { return c.Do("PATCH", target, body) }

// Do makes one call and returns the answer. A body that is a string or bytes
// is sent as it is, nil sends none, everything else is sent as JSON; the type
// of a body is application/json unless With chose another.
func (c *HTTP) Do(method, target string, body any) *Answer {
	c.t.Helper()
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	case []byte:
		reader = bytes.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			c.t.Fatalf("encode the body of %s %s: %v", method, target, err)
		}
		reader = bytes.NewReader(text)
	}
	r := httptest.NewRequest(method, "http://localhost"+target, reader)
	r.RemoteAddr = "127.0.0.1:40000"
	for name, values := range c.header {
		r.Header[name] = values
	}
	if reader != nil && r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	c.h.ServeHTTP(w, r)
	res := w.Result()
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatalf("read the answer of %s %s: %v", method, target, err)
	}
	return &Answer{t: c.t, Call: method + " " + target, Status: res.StatusCode, Header: res.Header, Body: string(text)}
}

// Answer is what a call was answered.
type Answer struct {
	t      testing.TB
	Call   string // method and target
	Status int
	Header http.Header
	Body   string
}

// Want fails the test unless the status is as wanted. It returns a.
func (a *Answer) Want(status int) *Answer {
	a.t.Helper()
	if a.Status != status {
		a.t.Fatalf("%s answered %d, want %d: %s", a.Call, a.Status, status, a.Body)
	}
	return a
}

// JSON decodes the body into v.
func (a *Answer) JSON(v any) *Answer {
	a.t.Helper()
	if err := json.Unmarshal([]byte(a.Body), v); err != nil {
		a.t.Fatalf("%s answered no JSON of that form: %v: %s", a.Call, err, a.Body)
	}
	return a
}
