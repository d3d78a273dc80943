package httpapi_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/atoll-platform/atoll/httpapi"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/platform/platformtest"
	"github.com/atoll-platform/atoll/tenancy"
)

const event = `{"carrier":"AA","origin":"JFK","destination":"SFO","delay":12.5,"distance":2586,"cancelled":false,"day":"2015-01-21"}`

// BenchmarkPostEvent posts events over connections on this machine: to an actor
// of a runtime; to a handler that only reads the body and answers with the same
// text, which is the cost of net/http; and to what one would write by hand, which
// decodes the body into a map and sends it over a channel. All are asked in
// turns, so that what else the machine does falls on all; what is told is the
// median turn of each, per request, and the medians of the turns' ratios: how
// many requests are answered in the time in which the other answers one.
func BenchmarkPostEvent(b *testing.B) {
	const pair = `{"name":"r","actors":[{"name":"in","type":"httpbroadcast"},{"name":"sum","type":"stats","params":{"field":"delay"}}],"links":[{"from":"in","to":"sum"}]}`
	answer := func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		_, _ = w.Write([]byte(`{"action":"Post event","success":true}`))
	}
	bare := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		answer(w)
	})
	beside := func(b *testing.B, p *platform.Platform, name string) {
		h, err := httpapi.New(p)
		if err != nil {
			b.Fatal(err)
		}
		events := make(chan map[string]any, 1000)
		defer close(events)
		go func() {
			for range events {
			}
		}()
		byHand := http.NewServeMux()
		byHand.HandleFunc("POST /api/runtimes/{runtime}/actors/{actor}", func(w http.ResponseWriter, r *http.Request) {
			var e map[string]any
			if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			events <- e
			answer(w)
		})
		posters := []*poster{newPoster(b, h, name), newPoster(b, bare, ""), newPoster(b, byHand, "")}
		times, ratios := make([][]float64, len(posters)), make([][]float64, len(posters))
		for _, p := range posters {
			p.turn(b)
		}
		for b.Loop() {
			for k, p := range posters {
				times[k] = append(times[k], p.turn(b))
				ratios[k] = append(ratios[k], times[k][len(times[k])-1]/times[0][len(times[0])-1])
			}
		}
		median := func(of []float64) float64 {
			slices.Sort(of)
			return of[len(of)/2]
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(median(times[0]), "ns/request")
		b.ReportMetric(median(times[1]), "bare-ns/request")
		b.ReportMetric(median(times[2]), "by-hand-ns/request")
		b.ReportMetric(median(ratios[1]), "of-bare")
		b.ReportMetric(median(ratios[2]), "of-by-hand")
	}
	b.Run("without credentials", func(b *testing.B) {
		p := platformtest.New(b, platform.WithAuthentication(tenancy.AcceptAll))
		platformtest.Client(b, p).Post("/api/runtimes", pair).Want(201)
		beside(b, p, "")
	})
	b.Run("with a name and a password", func(b *testing.B) {
		p := platformtest.New(b)
		platformtest.Client(b, p).As(platformtest.User(b, p, "neo", false)).Post("/api/runtimes", pair).Want(201)
		beside(b, p, "neo")
	})
}

// poster posts events to a server over as many connections as it has senders.
type poster struct {
	url, name string
	client    *http.Client
}

const (
	senders  = 32
	requests = 512 // of a turn
)

func newPoster(b *testing.B, h http.Handler, name string) *poster {
	s := httptest.NewServer(h)
	b.Cleanup(s.Close)
	s.Client().Transport.(*http.Transport).MaxIdleConnsPerHost = senders
	return &poster{url: s.URL + "/api/runtimes/r/actors/in", name: name, client: s.Client()}
}

// turn posts the requests of a turn and returns how many nanoseconds one took.
func (p *poster) turn(b *testing.B) float64 {
	begin := time.Now()
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			for range requests / senders {
				if err := p.post(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return float64(time.Since(begin)) / requests
}

func (p *poster) post() error {
	r, err := http.NewRequest("POST", p.url, strings.NewReader(event))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if p.name != "" {
		r.SetBasicAuth(p.name, platformtest.Password)
	}
	res, err := p.client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != 200 {
		return fmt.Errorf("status %d", res.StatusCode)
	}
	return nil
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
