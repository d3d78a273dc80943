package httpapi_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/atoll-platform/atoll/httpapi"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/platform/platformtest"
	"github.com/atoll-platform/atoll/tenancy"
)

const event = `{"carrier":"AA","origin":"JFK","destination":"SFO","delay":12.5,"distance":2586,"cancelled":false,"day":"2015-01-21"}`

// BenchmarkPostEvent posts one event over a connection on this machine: to a
// handler that only reads the body, and to an actor of a runtime, without and
// with credentials. What the first takes is the cost of net/http.
func BenchmarkPostEvent(b *testing.B) {
	const pair = `{"name":"r","actors":[{"name":"in","type":"httpbroadcast"},{"name":"sum","type":"stats","params":{"field":"delay"}}],"links":[{"from":"in","to":"sum"}]}`
	bare := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		_, _ = w.Write([]byte(`{"action":"Post event","success":true}`))
	})
	post := func(b *testing.B, h http.Handler, name string) {
		s := httptest.NewServer(h)
		b.Cleanup(s.Close)
		client := s.Client()
		client.Transport.(*http.Transport).MaxIdleConnsPerHost = 16
		b.ReportAllocs()
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				r, err := http.NewRequest("POST", s.URL+"/api/runtimes/r/actors/in", strings.NewReader(event))
				if err != nil {
					b.Error(err)
					return
				}
				r.Header.Set("Content-Type", "application/json")
				if name != "" {
					r.SetBasicAuth(name, platformtest.Password)
				}
				res, err := client.Do(r)
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
				if res.StatusCode != 200 {
					b.Errorf("status %d", res.StatusCode)
					return
				}
			}
		})
	}
	handler := func(b *testing.B, p *platform.Platform) *httpapi.Handler {
		h, err := httpapi.New(p)
		if err != nil {
			b.Fatal(err)
		}
		return h
	}
	b.Run("only reading the body", func(b *testing.B) { post(b, bare, "") })
	b.Run("without credentials", func(b *testing.B) {
		p := platformtest.New(b, platform.WithAuthentication(tenancy.AcceptAll))
		platformtest.Client(b, p).Post("/api/runtimes", pair).Want(201)
		post(b, handler(b, p), "")
	})
	b.Run("with a name and a password", func(b *testing.B) {
		p := platformtest.New(b)
		platformtest.Client(b, p).As(platformtest.User(b, p, "neo", false)).Post("/api/runtimes", pair).Want(201)
		post(b, handler(b, p), "neo")
	})
}

// BenchmarkHandler is the same without a connection.
func BenchmarkHandler(b *testing.B) {
	p := platformtest.New(b, platform.WithAuthentication(tenancy.AcceptAll))
	platformtest.Client(b, p).Post("/api/runtimes", `{"name":"r","actors":[{"name":"in","type":"httpbroadcast"},{"name":"out","type":"httpbroadcast"}],"links":[{"from":"in","to":"out"}]}`).Want(201)
	h, err := httpapi.New(p)
	if err != nil {
		b.Fatal(err)
	}
	body := strings.NewReader(event)
	r := httptest.NewRequest("POST", "http://localhost/api/runtimes/r/actors/in", body)
	r.RemoteAddr = "127.0.0.1:1"
	r.Header.Set("Content-Type", "application/json")
	b.ReportAllocs()
	for b.Loop() {
		body.Reset(event)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 200 && w.Code != 429 {
			b.Fatal(w.Code, w.Body)
		}
	}
}
