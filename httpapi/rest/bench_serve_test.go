package rest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/policy"
)

const benchEvent = `{"id":"0f8fad5b-d9cb-469f-a165-70867728950e","time":"2026-01-02T03:04:05.006","temperature":21.5,"tags":["a","b"],"n":12345678901234567890}`

// sink is a ResponseWriter that keeps nothing.
type sink struct {
	h http.Header
	n int
}

func (s *sink) Header() http.Header         { return s.h }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(b []byte) (int, error) { s.n += len(b); return len(b), nil }

func (*sink) SetReadDeadline(time.Time) error  { return nil }
func (*sink) SetWriteDeadline(time.Time) error { return nil }

type rewinding struct{ *bytes.Reader }

func (rewinding) Close() error { return nil }

func benchHandler(b *testing.B) http.Handler {
	p := &policy.Principal{Kind: policy.User, Name: "neo", UserID: "u-neo"}
	auth := policy.AuthenticatorFunc(func(context.Context, policy.Credentials) (*policy.Principal, error) { return p, nil })
	return toyServer(b, rest.Options{Authenticator: auth}, toyDialect(b, "coral", &toy{}))
}

// BenchmarkServe is the way in and out of the kernel without net/http: it
// guards the few microseconds and allocations that an event may cost.
func BenchmarkServe(b *testing.B) {
	h := benchHandler(b)
	for _, bench := range []struct{ name, method, path, body string }{
		{"post event", "POST", "/api/things/a/events", benchEvent},
		{"get", "GET", "/api/things/a", ""},
		{"patch", "PATCH", "/api/things/a", `{"size": 5}`},
		{"list", "GET", "/api/things?limit=5", ""},
		{"not found", "GET", "/api/things/missing", ""},
	} {
		b.Run(bench.name, func(b *testing.B) {
			r := httptest.NewRequest(bench.method, bench.path, nil)
			addCredentials("coral", r.Header)
			body := rewinding{bytes.NewReader([]byte(bench.body))}
			w := &sink{h: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				if bench.body != "" {
					body.Reset([]byte(bench.body))
					r.Body, r.ContentLength = body, int64(len(bench.body))
				}
				clear(w.h)
				h.ServeHTTP(w, r)
			}
		})
	}
}

// BenchmarkLoopback compares an event over a connection with a handler that
// does no more than reading the body. The kernel keeps at least 0.85 of its
// rate.
func BenchmarkLoopback(b *testing.B) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/things/{id}/events", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(done{true})
	})
	for _, bench := range []struct {
		name string
		h    http.Handler
	}{{"mux", mux}, {"kernel", benchHandler(b)}} {
		b.Run(bench.name, func(b *testing.B) {
			s := httptest.NewUnstartedServer(bench.h)
			s.Config.ReadHeaderTimeout, s.Config.IdleTimeout = 5*time.Second, time.Minute // as every server should
			s.Start()
			defer s.Close()
			u, err := url.Parse(s.URL)
			if err != nil {
				b.Fatal(err)
			}
			c, err := net.Dial("tcp", u.Host)
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			r := httptest.NewRequest("POST", "/api/things/a/events", bytes.NewReader([]byte(benchEvent)))
			addCredentials("coral", r.Header)
			var wire bytes.Buffer
			if err := r.Write(&wire); err != nil {
				b.Fatal(err)
			}
			answer := make([]byte, 4096)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Write(wire.Bytes()); err != nil {
					b.Fatal(err)
				}
				n, err := c.Read(answer)
				if err != nil || !bytes.HasPrefix(answer[:n], []byte("HTTP/1.1 200")) {
					b.Fatalf("%v %s", err, answer[:n])
				}
			}
		})
	}
}
