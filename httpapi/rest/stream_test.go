package rest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/httpapi/rest"
)

// pipeNet joins clients and one server in memory, so that both can live in a
// synctest bubble.
type pipeNet struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipeNet() *pipeNet { return &pipeNet{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipeNet) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipeNet) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipeNet) Addr() net.Addr { return &net.UnixAddr{Name: "@", Net: "unix"} }

func (p *pipeNet) dial(t *testing.T) net.Conn {
	t.Helper()
	client, server := net.Pipe()
	p.conns <- server
	return client
}

// bubble serves h in memory inside a synctest bubble; f gets a way to connect.
func bubble(t *testing.T, h http.Handler, f func(t *testing.T, dial func() net.Conn)) {
	t.Helper()
	p := newPipeNet()
	s := &http.Server{Handler: h, ErrorLog: nil}
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Serve(p) })
	f(t, func() net.Conn { return p.dial(t) })
	_ = s.Close()
	wg.Wait()
}

// ask sends a GET over c and returns the head of the answer.
func ask(t *testing.T, c net.Conn, q toyRequest) (*http.Response, *bufio.Reader) {
	t.Helper()
	r := q.make()
	var head strings.Builder
	fmt.Fprintf(&head, "%s %s HTTP/1.1\r\nHost: a.test\r\n", r.Method, r.URL.RequestURI())
	_ = r.Header.Write(&head)
	head.WriteString("\r\n")
	if _, err := io.WriteString(c, head.String()); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), r)
	if err != nil {
		t.Fatal(err)
	}
	return res, bufio.NewReader(res.Body)
}

// source is a stream of things 1, 2, 3 … each after a pause.
type source struct {
	pause  time.Duration
	last   int // 0 is endless
	ends   error
	closed atomic.Int32
	valid  atomic.Bool
	n      int
}

func (s *source) stream() rest.Stream[thing] {
	s.valid.Store(true)
	return rest.Stream[thing]{
		Next: func(ctx context.Context) (thing, error) {
			if s.last > 0 && s.n == s.last {
				return thing{}, s.ends
			}
			if s.pause > 0 {
				select {
				case <-time.After(s.pause):
				case <-ctx.Done():
					return thing{}, ctx.Err()
				}
			} else if ctx.Err() != nil {
				return thing{}, ctx.Err()
			}
			s.n++
			return thing{"t", s.n}, nil
		},
		Close: func() { s.closed.Add(1) },
		ID:    func(t thing) string { return fmt.Sprint(t.Size) },
		Event: func(thing) string { return "thing" },
		Valid: s.valid.Load,
	}
}

func (s *source) toy() *toy {
	return &toy{stream: func(context.Context) (rest.Stream[thing], error) { return s.stream(), nil }}
}

func streamRequest(accept string) toyRequest {
	return toyRequest{dialect: "apcera", method: "GET", path: "/stream", header: http.Header{"Accept": {accept}}}
}

func TestStreamForms(t *testing.T) {
	tests := map[string]struct {
		accept string
		want   shown
	}{
		"lines are the default": {"*/*", shown{200, map[string]string{"Content-Type": "application/x-ndjson"}, "{\"id\":\"t\",\"size\":1}\n{\"id\":\"t\",\"size\":2}\n"}},
		"lines by name":         {"application/x-ndjson", shown{200, map[string]string{"Content-Type": "application/x-ndjson"}, "{\"id\":\"t\",\"size\":1}\n{\"id\":\"t\",\"size\":2}\n"}},
		"server-sent events": {"text/event-stream", shown{200, map[string]string{"Content-Type": "text/event-stream"},
			"id: 1\nevent: thing\ndata: {\"id\":\"t\",\"size\":1}\n\nid: 2\nevent: thing\ndata: {\"id\":\"t\",\"size\":2}\n\n"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			src := &source{last: 2, ends: io.EOF}
			h := toyServer(t, rest.Options{}, toyDialect(t, "apcera", src.toy()))
			got := streamRequest(tt.accept).to(h)
			if diff := cmp.Diff(tt.want, got.show("Content-Type", "Content-Length")); diff != "" || got.aborted {
				t.Errorf("aborted %v (-want +got):\n%s", got.aborted, diff)
			}
			if src.closed.Load() != 1 {
				t.Errorf("the source was closed %d times", src.closed.Load())
			}
		})
	}
	t.Run("HEAD gets the headers alone, and closes the source", func(t *testing.T) {
		src := &source{}
		q := streamRequest("text/event-stream")
		q.method = "HEAD"
		got := q.to(toyServer(t, rest.Options{}, toyDialect(t, "apcera", src.toy())))
		want := shown{200, map[string]string{"Content-Type": "text/event-stream"}, ""}
		if diff := cmp.Diff(want, got.show("Content-Type")); diff != "" || src.closed.Load() != 1 || src.n != 0 {
			t.Errorf("closed %d times after %d messages\n%s", src.closed.Load(), src.n, diff)
		}
	})
	t.Run("who asks for no stream gets the plain value, if there is one", func(t *testing.T) {
		h := toyServer(t, rest.Options{}, toyDialect(t, "apcera", &toy{stream: func(context.Context) (rest.Stream[thing], error) {
			s := (&source{last: 1, ends: io.EOF}).stream()
			s.Plain = thing{"plain", 0}
			return s, nil
		}}))
		for accept, want := range map[string]string{"*/*": `{"id":"plain","size":0}`, "application/json": `{"id":"plain","size":0}`, "application/x-ndjson": "{\"id\":\"t\",\"size\":1}\n"} {
			if got := streamRequest(accept).to(h); got.body != want {
				t.Errorf("Accept %s: got %s", accept, got.body)
			}
		}
	})
	t.Run("a failure before the first message is the dialect's", func(t *testing.T) {
		h := toyServer(t, rest.Options{}, toyDialect(t, "apcera", &toy{stream: func(context.Context) (rest.Stream[thing], error) {
			return rest.Stream[thing]{}, missing("task")
		}}))
		if got := streamRequest("*/*").to(h); got.status != 404 {
			t.Errorf("got %d", got.status)
		}
	})
	t.Run("an error of the source cuts", func(t *testing.T) {
		src := &source{last: 1, ends: errors.New("lost")}
		got := streamRequest("*/*").to(toyServer(t, rest.Options{}, toyDialect(t, "apcera", src.toy())))
		if !got.aborted || got.body != "{\"id\":\"t\",\"size\":1}\n" {
			t.Errorf("aborted %v, %q", got.aborted, got.body)
		}
	})
}

func TestStreamOverAConnection(t *testing.T) {
	type ends struct {
		name string
		how  func(*testing.T, *source, *rest.Server, net.Conn)
	}
	for _, end := range []ends{
		{"the caller leaves", func(_ *testing.T, _ *source, _ *rest.Server, c net.Conn) { _ = c.Close() }},
		{"the server shuts down", func(t *testing.T, _ *source, s *rest.Server, _ net.Conn) {
			if err := s.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
		}},
		{"the rights end", func(_ *testing.T, src *source, _ *rest.Server, _ net.Conn) { src.valid.Store(false) }},
	} {
		t.Run("a stream ends when "+end.name, func(t *testing.T) {
			// The bubble itself fails if a goroutine of the stream remains.
			synctest.Test(t, func(t *testing.T) {
				src := &source{pause: 20 * time.Second}
				s := toyServer(t, rest.Options{}, toyDialect(t, "apcera", src.toy()))
				bubble(t, s, func(t *testing.T, dial func() net.Conn) {
					c := dial()
					start := time.Now()
					res, body := ask(t, c, streamRequest("text/event-stream"))
					if res.StatusCode != 200 {
						t.Fatalf("got %d", res.StatusCode)
					}
					var got []string
					for range 9 { // two heartbeats, two messages
						line, err := body.ReadString('\n')
						if err != nil {
							t.Fatal(err)
						}
						got = append(got, fmt.Sprintf("%2.0fs %s", time.Since(start).Seconds(), strings.TrimSpace(line)))
					}
					want := []string{"15s :", "15s ", "20s id: 1", "20s event: thing", `20s data: {"id":"t","size":1}`, "20s ", "30s :", "30s ", "40s id: 2"}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("the stream (-want +got):\n%s", diff)
					}
					done := make(chan error, 1)
					go func() { _, err := io.Copy(io.Discard, body); done <- err }()
					synctest.Wait()
					end.how(t, src, s, c)
					if err := <-done; err == nil {
						t.Error("the cut stream looks complete")
					}
					_ = c.Close()
					synctest.Wait()
					if src.closed.Load() != 1 {
						t.Errorf("the source was closed %d times", src.closed.Load())
					}
				})
			})
		})
	}
}

func TestASlowReaderIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{}
		var seen rest.Access
		o := rest.Options{Limits: rest.Limits{Queue: 5}, Access: func(_ context.Context, a *rest.Access) { seen = *a }}
		bubble(t, toyServer(t, o, toyDialect(t, "apcera", src.toy())), func(t *testing.T, dial func() net.Conn) {
			c := dial()
			_, body := ask(t, c, streamRequest("*/*"))
			synctest.Wait()
			if src.n > 20 {
				t.Errorf("the source was read %d messages ahead", src.n)
			}
			time.Sleep(10 * time.Second) // the time of one message
			if _, err := io.Copy(io.Discard, body); err == nil {
				t.Error("the cut stream looks complete")
			}
			synctest.Wait()
		})
		if src.closed.Load() != 1 || seen.Operation != "toy.stream" {
			t.Errorf("closed %d times, logged %v", src.closed.Load(), seen)
		}
	})
}

func TestBothFormsCarryTheSame(t *testing.T) {
	read := func(accept string) (sizes []int) {
		src := &source{last: 500, ends: io.EOF}
		got := streamRequest(accept).to(toyServer(t, rest.Options{}, toyDialect(t, "apcera", src.toy())))
		for line := range strings.Lines(got.body) {
			line = strings.TrimPrefix(strings.TrimSpace(line), "data: ")
			var one thing
			if json.Unmarshal([]byte(line), &one) == nil && one.Size > 0 && strings.HasPrefix(line, "{") {
				sizes = append(sizes, one.Size)
			}
		}
		return sizes
	}
	lines, events := read("application/x-ndjson"), read("text/event-stream")
	if diff := cmp.Diff(lines, events); diff != "" || len(lines) != 500 || lines[499] != 500 {
		t.Errorf("%d lines, %d events\n%s", len(lines), len(events), diff)
	}
}

func TestLongPoll(t *testing.T) {
	poll := toyRequest{dialect: "syncano", method: "GET", path: "/poll"}
	tests := map[string]struct {
		src    *source
		status int
		body   string
		after  time.Duration
	}{
		"the first message answers":             {&source{pause: 7 * time.Second}, 200, `{"id":"t","size":1}`, 7 * time.Second},
		"nothing until the limit is nothing":    {&source{pause: time.Hour}, 204, "", time.Minute},
		"a stream that ends is nothing":         {&source{last: -1}, 204, "", 0},
		"an error is the dialect's":             {&source{last: -2}, 404, `{"detail":"There is no such thing."}`, 0},
		"rights that ended meanwhile are asked": {&source{pause: time.Second, ends: io.EOF}, 403, `{"detail":"Valid credentials are required."}`, time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := toyServer(t, rest.Options{}, toyDialect(t, "syncano", &toy{stream: func(context.Context) (rest.Stream[thing], error) {
					s := tt.src.stream()
					switch tt.src.last {
					case -1:
						s.Next = func(context.Context) (thing, error) { return thing{}, io.EOF }
					case -2:
						s.Next = func(context.Context) (thing, error) { return thing{}, missing("x") }
					}
					if tt.status == 403 {
						tt.src.valid.Store(false)
					}
					return s, nil
				}}))
				start := time.Now()
				got := poll.to(h)
				if got.status != tt.status || got.body != tt.body || time.Since(start) != tt.after || tt.src.closed.Load() != 1 {
					t.Errorf("got %d %s after %v, closed %d times", got.status, got.body, time.Since(start), tt.src.closed.Load())
				}
			})
		})
	}
	t.Run("a shutdown answers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := toyServer(t, rest.Options{}, toyDialect(t, "syncano", (&source{pause: time.Hour}).toy()))
			got := make(chan answer)
			go func() { got <- poll.to(h) }()
			synctest.Wait()
			if err := h.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
			if a := <-got; a.status != 503 || a.header.Get("Retry-After") == "" {
				t.Errorf("got %d %s", a.status, a.body)
			}
			if a := poll.to(h); a.status != 503 {
				t.Errorf("after the shutdown: got %d", a.status)
			}
		})
	})
	t.Run("a shutdown does not wait longer than it may", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			leave := make(chan struct{})
			h := toyServer(t, rest.Options{}, toyDialect(t, "syncano", &toy{stream: func(context.Context) (rest.Stream[thing], error) {
				return rest.Stream[thing]{Next: func(context.Context) (thing, error) { <-leave; return thing{}, io.EOF }}, nil
			}}))
			got := make(chan answer)
			go func() { got <- poll.to(h) }()
			synctest.Wait()
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			if err := h.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			close(leave)
			<-got
		})
	})
}
