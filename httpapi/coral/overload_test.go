package coral_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/actor/builtin"
	"github.com/atoll-platform/atoll/httpapi"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/platform/platformtest"
	"github.com/atoll-platform/atoll/tenancy"
)

// overloaded serves a platform with the runtime r, whose actor "in" does work,
// over connections on this machine.
func overloaded(t testing.TB, mailbox int, work actor.Func) (*platform.Platform, *httptest.Server) {
	t.Helper()
	reg := builtin.Registry().Clone()
	if err := reg.Register(actor.Type{Name: "work", Compile: func(actor.Params) (actor.Maker, []atoll.Finding) {
		return func(*actor.Env) (actor.Actor, error) { return work, nil }, nil
	}}); err != nil {
		t.Fatal(err)
	}
	p := platformtest.New(t, platform.WithAuthentication(tenancy.AcceptAll), platform.WithActors(reg), platform.WithSettings(map[string]any{"coral.actor.mailbox": mailbox}))
	platformtest.Client(t, p).Post("/api/runtimes", `{"name":"r","actors":[{"name":"in","type":"work"},{"name":"out","type":"httpbroadcast"}],"links":[{"from":"in","to":"out"}]}`).Want(201)
	h, err := httpapi.New(p)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return p, s
}

const postHead = "POST /api/runtimes/r/actors/in HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"

// wire is one connection.
type wire struct {
	net.Conn
	in *bufio.Reader
}

func dial(t testing.TB, s *httptest.Server) *wire {
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Error(err)
		return nil
	}
	return &wire{c, bufio.NewReader(c)}
}

// answer reads an answer and returns its status, 0 for one that is not of the
// contract.
func (w *wire) answer(t testing.TB) int {
	res, err := http.ReadResponse(w.in, nil)
	if err != nil {
		t.Error(err)
		return 0
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
	}
	res.Body.Close()
	switch {
	case res.StatusCode == 200 && string(body) == `{"action":"Post event","success":true}`:
	case res.StatusCode == 429 && res.Header.Get("Retry-After") != "" && errorBodyFault(429, body) == "":
	default:
		t.Errorf("answer %d, Retry-After %q: %s", res.StatusCode, res.Header.Get("Retry-After"), body)
		return 0
	}
	return res.StatusCode
}

// TestTenTimesWhatARuntimeBears: of ten events that are posted over 64
// connections, half of which send one slowly, an actor handles one. What was
// accepted is handled, the rest is refused while the actor is at work, and memory
// holds no more than the mailbox.
func TestTenTimesWhatARuntimeBears(t *testing.T) {
	const (
		quick, slow = 32, 32
		each        = 60 // requests of a quick connection
		mailbox     = 50
		bound       = 24 << 20 // bytes
	)
	var handled, accepted, refused atomic.Int64
	turns := make(chan struct{}, quick*each+slow)
	p, s := overloaded(t, mailbox, func(actor.Context, *actor.Event) (*actor.Event, error) {
		<-turns
		handled.Add(1)
		return nil, nil
	})
	event := `{"text":"` + strings.Repeat("x", 32<<10) + `"}`
	var asked atomic.Int64
	count := func(status int) {
		switch status {
		case 200:
			accepted.Add(1)
		case 429:
			refused.Add(1)
		}
		if asked.Add(1)%10 == 0 {
			turns <- struct{}{}
		}
	}
	before := heap()
	var others, all sync.WaitGroup
	half := make(chan struct{})
	for range slow {
		others.Add(1)
		all.Go(func() {
			w := dial(t, s)
			if w == nil {
				others.Done()
				return
			}
			defer w.Close()
			_, err := fmt.Fprintf(w, postHead+"%s", len(event), event[:len(event)/2])
			others.Done()
			<-half // the other half comes when most have been served
			if err == nil {
				_, err = io.WriteString(w, event[len(event)/2:])
			}
			if err != nil {
				t.Error(err)
				return
			}
			count(w.answer(t))
		})
	}
	others.Wait()
	var quicks sync.WaitGroup
	for range quick {
		quicks.Go(func() {
			w := dial(t, s)
			if w == nil {
				return
			}
			defer w.Close()
			for range each {
				if _, err := fmt.Fprintf(w, postHead+"%s", len(event), event); err != nil {
					t.Error(err)
					return
				}
				count(w.answer(t))
			}
		})
	}
	quicks.Wait()
	if grown := heap() - before; grown > bound {
		t.Errorf("memory has grown by %d bytes for a mailbox of %d: %d were offered", grown, mailbox*len(event), quick*each*len(event))
	}
	close(half)
	all.Wait()
	if n := handled.Load(); n > asked.Load()/10 {
		t.Errorf("%d events of %d were handled in the meantime", n, asked.Load())
	}
	if asked.Load() != quick*each+slow || accepted.Load()+refused.Load() != asked.Load() || refused.Load() < asked.Load()/2 {
		t.Errorf("%d asked, %d accepted, %d refused", asked.Load(), accepted.Load(), refused.Load())
	}
	close(turns)
	eventually(t, "what was accepted is handled", func() bool { return handled.Load() >= accepted.Load() })
	st, err := p.Runtimes().Stats(t.Context(), "r")
	if err != nil || int64(st.Messages) != accepted.Load() || handled.Load() != accepted.Load() || st.Exceptions != 0 {
		t.Errorf("%d accepted; handled %d; statistics %+v, %v", accepted.Load(), handled.Load(), st, err)
	}
}

// heap is the memory that is in use.
func heap() int64 {
	goruntime.GC()
	var m goruntime.MemStats
	goruntime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkOverload posts as fast as 32 connections can to an actor that takes two
// milliseconds of a processor for each event, while 32 others send theirs a few
// bytes at a time. It reports how long accepted and refused requests take, and how
// many were offered for each one accepted. Beside it stands a handler that only
// reads the body while one goroutine keeps a processor busy: what the machine and
// net/http give under that load.
func BenchmarkOverload(b *testing.B) {
	busy := func() {
		for at := time.Now(); time.Since(at) < 2*time.Millisecond; {
		}
	}
	b.Run("an actor", func(b *testing.B) {
		_, s := overloaded(b, 200, func(actor.Context, *actor.Event) (*actor.Event, error) {
			busy()
			return nil, nil
		})
		overload(b, s)
	})
	b.Run("only reading the body", func(b *testing.B) {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, `{"action":"Post event","success":true}`)
		}))
		b.Cleanup(s.Close)
		var spinning sync.WaitGroup
		stop := make(chan struct{})
		spinning.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					busy()
				}
			}
		})
		defer spinning.Wait()
		defer close(stop)
		overload(b, s)
	})
}

// overload posts to s and reports.
func overload(b *testing.B, s *httptest.Server) {
	const event = `{"id":"7f3a","origin":"JFK","delay":17}`
	stop := make(chan struct{})
	var slow sync.WaitGroup
	for range 32 {
		slow.Go(func() {
			w := dial(b, s)
			if w == nil {
				return
			}
			defer w.Close()
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for {
				text := fmt.Sprintf(postHead, len(event)) + event
				for len(text) > 0 {
					n := min(len(text), 16)
					if _, err := io.WriteString(w, text[:n]); err != nil {
						b.Error(err)
						return
					}
					text = text[n:]
					select {
					case <-tick.C:
					case <-stop:
						return
					}
				}
				w.answer(b)
			}
		})
	}
	var mu sync.Mutex
	var taken, refused []time.Duration
	b.SetParallelism(max(32/goruntime.GOMAXPROCS(0), 1))
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		w := dial(b, s)
		if w == nil {
			return
		}
		defer w.Close()
		text := fmt.Sprintf(postHead, len(event)) + event
		var yes, no []time.Duration
		for pb.Next() {
			at := time.Now()
			if _, err := io.WriteString(w, text); err != nil {
				b.Error(err)
				return
			}
			switch status := w.answer(b); status {
			case 200:
				yes = append(yes, time.Since(at))
			case 429:
				no = append(no, time.Since(at))
			}
		}
		mu.Lock()
		defer mu.Unlock()
		taken, refused = append(taken, yes...), append(refused, no...)
	})
	b.StopTimer()
	close(stop)
	slow.Wait()
	report := func(what string, ds []time.Duration) {
		if len(ds) == 0 {
			return
		}
		slices.Sort(ds)
		b.ReportMetric(float64(ds[len(ds)*99/100].Microseconds())/1000, "p99-"+what+"-ms")
	}
	report("accepted", taken)
	report("refused", refused)
	b.ReportMetric(float64(len(taken)+len(refused))/float64(max(len(taken), 1)), "offered/accepted")
}
