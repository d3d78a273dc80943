package httpapi_test

import (
	"fmt"
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

// BenchmarkPostLines posts bodies of lines over a connection on this machine. A
// body of a hundred events is to cost little more than a body of one.
func BenchmarkPostLines(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprintf("events=%d", n), func(b *testing.B) {
			p := platformtest.New(b, platform.WithAuthentication(tenancy.AcceptAll), platform.WithSettings(map[string]any{"coral.actor.mailbox": 1_000_000}))
			platformtest.Client(b, p).Post("/api/runtimes", `{"name":"r","actors":[{"name":"in","type":"httpbroadcast"},{"name":"sum","type":"stats","params":{"field":"delay"}}],"links":[{"from":"in","to":"sum"}]}`).Want(201)
			h, err := httpapi.New(p)
			if err != nil {
				b.Fatal(err)
			}
			s := httptest.NewServer(h)
			b.Cleanup(s.Close)
			body := strings.Repeat(event+"\n", n)
			for b.Loop() {
				r, err := http.NewRequest("POST", s.URL+"/api/runtimes/r/actors/in", strings.NewReader(body))
				if err != nil {
					b.Fatal(err)
				}
				r.Header.Set("Content-Type", "application/x-ndjson")
				res, err := s.Client().Do(r)
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
				if res.StatusCode != 200 {
					b.Fatal(res.Status)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/event")
		})
	}
}
