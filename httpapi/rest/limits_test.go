package rest_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/policy"
)

func TestSizesAreExact(t *testing.T) {
	body := func(n int) string { return `{"size":5` + strings.Repeat(" ", n-10) + "}" }
	pairs := func(n int) string { return "/things?" + strings.TrimSuffix(strings.Repeat("a=1&", n), "&") }
	for _, dialect := range toyNames {
		path := prefixOf(dialect) + "/things/"
		if dialect == "coral" || dialect == "apcera" || dialect == "cxengage" {
			path = strings.TrimSuffix(path, "/")
		}
		tests := map[string]struct {
			q       toyRequest
			chunked bool
			status  int
		}{
			"a body at the limit":                   {toyRequest{method: "PATCH", path: "/things/a", body: body(1024)}, false, 200},
			"a body over the limit":                 {toyRequest{method: "PATCH", path: "/things/a", body: body(1025)}, false, 413},
			"a body of unknown length at the limit": {toyRequest{method: "PATCH", path: "/things/a", body: body(1024)}, true, 200},
			"a body of unknown length over it":      {toyRequest{method: "PATCH", path: "/things/a", body: body(1025)}, true, 413},
			"an event over the limit":               {toyRequest{method: "POST", path: "/things/a/events", body: body(1025)}, true, 413},
			"a body nobody expects over the limit":  {toyRequest{method: "GET", path: "/things/a", body: body(1025)}, true, 413},
			"a target under the limit":              {toyRequest{method: "GET", path: "/things?" + strings.Repeat("x", 8191-len(path))}, false, 200},
			"a target at the limit":                 {toyRequest{method: "GET", path: "/things?" + strings.Repeat("x", 8192-len(path))}, false, 414},
			"a path that is too long":               {toyRequest{method: "GET", path: "/things/" + strings.Repeat("x", 9000)}, false, 414},
			"the most parameters there may be":      {toyRequest{method: "GET", path: pairs(256)}, false, 200},
			"one more parameter":                    {toyRequest{method: "GET", path: pairs(257)}, false, 400},
		}
		h := toyServer(t, rest.Options{}, toyDialect(t, dialect, &toy{}))
		for name, tt := range tests {
			t.Run(dialect+" "+name, func(t *testing.T) {
				tt.q.dialect = dialect
				r := tt.q.make()
				if tt.chunked {
					r.ContentLength = -1
				}
				got := serve(h, r)
				if got.status != tt.status {
					t.Errorf("got %d %.200s, want %d", got.status, got.body, tt.status)
				}
				if closes := got.header.Get("Connection") == "close"; closes != (tt.status == 413) {
					t.Errorf("the connection closes: %v", closes)
				}
			})
		}
	}
}

func TestBodyWhereNoneIsExpected(t *testing.T) {
	tests := map[string]struct {
		dialect, body, kind string
		chunked             bool
		status              int
	}{
		"is ignored whatever it is":                    {"coral", "not json", "text/plain", false, 200},
		"is ignored by a client that always sends one": {"syncano", "{}", "application/json", false, 200},
		"must be of a type":                            {"cxengage", "{}", "", false, 415},
		"may be the empty object":                      {"cxengage", " {} ", "application/json", false, 200},
		"may not have members":                         {"cxengage", `{"a":1}`, "application/json", false, 400},
		"may be announced and empty":                   {"cxengage", "", "", true, 200},
		"must be of a type when it comes in chunks":    {"cxengage", "{}", "", true, 415},
	}
	for name, tt := range tests {
		t.Run("a body "+name, func(t *testing.T) {
			h := toyServer(t, rest.Options{}, toyDialect(t, tt.dialect, &toy{}))
			r := toyRequest{dialect: tt.dialect, method: "GET", path: "/things/a", body: tt.body}.make()
			r.Header.Del("Content-Type")
			if tt.kind != "" {
				r.Header.Set("Content-Type", tt.kind)
			}
			if tt.chunked {
				r.ContentLength = -1
				if tt.body == "" {
					r.Body = io.NopCloser(strings.NewReader(""))
				}
			}
			if got := serve(h, r); got.status != tt.status {
				t.Errorf("got %d %s, want %d", got.status, got.body, tt.status)
			}
		})
	}
}

// TestBoundsRefuseAndRecover fills each bound, finds the next call refused in
// the dialect's words, and finds room again once one has left.
func TestBoundsRefuseAndRecover(t *testing.T) {
	refused := map[string]int{"coral": 429, "tutum": 429, "apcera": 503, "cxengage": 503, "syncano": 429}
	tests := map[string]struct {
		limits rest.Limits
		held   toyRequest // what fills the bound
		next   toyRequest // what is refused
		others toyRequest // what still passes, if it is set
	}{
		"calls in all":              {rest.Limits{InFlight: 2, PerPrincipal: 9}, toyRequest{method: "POST", path: "/heavy"}, toyRequest{method: "GET", path: "/open"}, toyRequest{}},
		"calls of one caller":       {rest.Limits{PerPrincipal: 2}, toyRequest{method: "POST", path: "/heavy"}, toyRequest{method: "GET", path: "/things"}, toyRequest{method: "POST", path: "/things/a/events", body: "{}"}},
		"heavy calls":               {rest.Limits{Heavy: 2}, toyRequest{method: "POST", path: "/heavy"}, toyRequest{method: "POST", path: "/heavy"}, toyRequest{method: "GET", path: "/things"}},
		"streams of one caller":     {rest.Limits{OwnStreams: 2}, toyRequest{method: "GET", path: "/poll"}, toyRequest{method: "GET", path: "/stream"}, toyRequest{method: "HEAD", path: "/stream"}},
		"streams in all":            {rest.Limits{Streams: 2}, toyRequest{method: "GET", path: "/poll"}, toyRequest{method: "GET", path: "/poll"}, toyRequest{method: "GET", path: "/things"}},
		"streams hold no call slot": {rest.Limits{InFlight: 1, Streams: 2}, toyRequest{method: "GET", path: "/poll"}, toyRequest{method: "GET", path: "/poll"}, toyRequest{method: "GET", path: "/things"}},
	}
	for _, dialect := range toyNames {
		for name, tt := range tests {
			t.Run(dialect+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					leave := make(chan struct{})
					toy := &toy{
						heavy: func(context.Context) (rest.None, error) { <-leave; return rest.None{}, nil },
						stream: func(context.Context) (rest.Stream[thing], error) {
							return rest.Stream[thing]{Next: func(ctx context.Context) (thing, error) {
								select {
								case <-leave:
									return thing{}, io.EOF
								case <-ctx.Done():
									return thing{}, ctx.Err()
								}
							}}, nil
						},
					}
					h := toyServer(t, rest.Options{Limits: tt.limits}, toyDialect(t, dialect, toy))
					tt.held.dialect, tt.next.dialect, tt.others.dialect = dialect, dialect, dialect
					var wg sync.WaitGroup
					for range 2 {
						wg.Go(func() {
							if got := tt.held.to(h); got.status != 204 {
								t.Errorf("a call within the bound: got %d %s", got.status, got.body)
							}
						})
						synctest.Wait()
					}
					for range 3 {
						got := tt.next.to(h)
						if got.status != refused[dialect] || got.header.Get("Retry-After") != "1" {
							t.Errorf("a call too many: got %d %s, Retry-After %q", got.status, got.body, got.header.Get("Retry-After"))
						}
						if tt.others.method != "" {
							if got := tt.others.to(h); got.status != 200 {
								t.Errorf("another call: got %d %s", got.status, got.body)
							}
						}
					}
					close(leave)
					wg.Wait()
					if got := tt.held.to(h); got.status != 204 {
						t.Errorf("after they left: got %d %s", got.status, got.body)
					}
				})
			})
		}
	}
}

func TestManyCallsNeverExceedTheBound(t *testing.T) {
	var now, most atomic.Int64
	toy := &toy{heavy: func(context.Context) (rest.None, error) {
		n := now.Add(1)
		for {
			m := most.Load()
			if n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		defer now.Add(-1)
		if n%7 == 0 {
			panic("now and then")
		}
		return rest.None{}, nil
	}}
	h := toyServer(t, rest.Options{Limits: rest.Limits{Heavy: 5, PerPrincipal: -1, InFlight: -1}}, toyDialect(t, "coral", toy))
	var wg sync.WaitGroup
	var other atomic.Int64
	for range 1000 {
		wg.Go(func() {
			got := toyRequest{dialect: "coral", method: "POST", path: "/heavy"}.to(h)
			if got.status != 204 && got.status != 429 && got.status != 500 {
				other.Add(1)
			}
		})
	}
	wg.Wait()
	if most.Load() > 5 || other.Load() > 0 || now.Load() != 0 {
		t.Errorf("%d at a time, %d strange answers, %d left over", most.Load(), other.Load(), now.Load())
	}
	for range 5 {
		if got := (toyRequest{dialect: "coral", method: "POST", path: "/heavy"}).to(h); got.status != 204 {
			t.Errorf("afterwards: got %d", got.status)
		}
	}
}

func TestRateIsOffUnlessItIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		call := toyRequest{dialect: "coral", method: "GET", path: "/things"}
		h := toyServer(t, rest.Options{Limits: rest.Limits{Rate: 2, Burst: 3}}, toyDialect(t, "coral", &toy{}))
		for i := range 3 {
			if got := call.to(h); got.status != 200 {
				t.Fatalf("call %d of the burst: got %d", i, got.status)
			}
		}
		if got := call.to(h); got.status != 429 || got.header.Get("Retry-After") != "1" {
			t.Errorf("over the rate: got %d, Retry-After %q", got.status, got.header.Get("Retry-After"))
		}
		if got := (toyRequest{dialect: "coral", method: "GET", path: "/open"}).to(h); got.status != 200 {
			t.Errorf("another caller: got %d", got.status)
		}
		time.Sleep(time.Second)
		for i := range 3 {
			want := 200
			if i == 2 {
				want = 429
			}
			if got := call.to(h); got.status != want {
				t.Errorf("call %d a second later: got %d, want %d", i, got.status, want)
			}
		}
		free := toyServer(t, rest.Options{}, toyDialect(t, "coral", &toy{}))
		for range 200 {
			if got := call.to(free); got.status != 200 {
				t.Fatalf("without a rate: got %d", got.status)
			}
		}
	})
}

func TestRefusedLoginsAreThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		auth := policy.AuthenticatorFunc(func(ctx context.Context, c policy.Credentials) (*policy.Principal, error) {
			asked++
			return toyUsers(ctx, c)
		})
		log, text := logged()
		h := toyServer(t, rest.Options{Authenticator: auth, Logger: log}, toyDialect(t, "coral", &toy{}))
		login := func(name, secret, peer string) int {
			r := toyRequest{dialect: "coral", method: "GET", path: "/things", anonymous: true}.make()
			r.SetBasicAuth(name, secret)
			r.RemoteAddr = peer
			return serve(h, r).status
		}
		for i := range 20 {
			if got := login("neo", "wrong", "10.0.0.1:1"); got != 401 {
				t.Fatalf("refusal %d: got %d", i, got)
			}
		}
		for range 3 {
			if got := login("neo", toySecret, "10.0.0.1:2"); got != 429 {
				t.Errorf("after 20 refusals: got %d, want 429", got)
			}
		}
		if asked != 20 {
			t.Errorf("the authenticator was asked %d times, want 20", asked)
		}
		if got := login("neo", toySecret, "10.0.0.2:1"); got != 200 {
			t.Errorf("from another peer: got %d", got)
		}
		if got := login("trinity", "wrong", "10.0.0.1:1"); got != 401 {
			t.Errorf("under another name: got %d", got)
		}
		if n := strings.Count(text.String(), "credentials refused"); n != 1 {
			t.Errorf("logged %d times within a second, want once", n)
		}
		time.Sleep(time.Minute)
		if got := login("neo", toySecret, "10.0.0.1:2"); got != 200 {
			t.Errorf("a minute later: got %d", got)
		}
		for range 19 {
			login("neo", "wrong", "10.0.0.1:1")
		}
		login("neo", toySecret, "10.0.0.1:1")
		if got := login("neo", "wrong", "10.0.0.1:1"); got != 401 {
			t.Errorf("a login that passes forgets the refused ones: got %d", got)
		}
	})
}

func TestAnOverloadedAuthenticatorIsOverloaded(t *testing.T) {
	auth := policy.AuthenticatorFunc(func(context.Context, policy.Credentials) (*policy.Principal, error) {
		return nil, &atoll.Error{Kind: atoll.Overloaded, Msg: "Busy.", RetryAfter: 3 * time.Second}
	})
	h := toyServer(t, rest.Options{Authenticator: auth}, toyDialect(t, "coral", &toy{}))
	got := toyRequest{dialect: "coral", method: "GET", path: "/things"}.to(h)
	if got.status != 429 || got.header.Get("Retry-After") != "3" || got.header.Get("Www-Authenticate") != "" {
		t.Errorf("got %d %v", got.status, got.header)
	}
}

// loopback is a real server around h.
func loopback(t testing.TB, h http.Handler) *httptest.Server {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func TestASlowBodyRunsOutOfTime(t *testing.T) {
	h := toyServer(t, rest.Options{Limits: rest.Limits{Body: 50 * time.Millisecond}}, toyDialect(t, "coral", &toy{}))
	s := loopback(t, h)
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := toyRequest{dialect: "coral", method: "PATCH", path: "/things/a"}.make()
	fmt.Fprintf(c, "PATCH /api/things/a HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Length: 100\r\n\r\n{", r.Header.Get("Authorization"))
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 504 {
		t.Errorf("got %d, want 504", res.StatusCode)
	}
}

// TestAReadDeadlineDoesNotOutliveTheBody lets a function run longer than the
// time a body has.
func TestAReadDeadlineDoesNotOutliveTheBody(t *testing.T) {
	reached := make(chan struct{})
	toy := &toy{heavy: func(ctx context.Context) (rest.None, error) {
		close(reached)
		select {
		case <-ctx.Done():
			return rest.None{}, ctx.Err()
		case <-time.After(80 * time.Millisecond):
			return rest.None{}, nil
		}
	}}
	s := loopback(t, toyServer(t, rest.Options{Limits: rest.Limits{Body: 20 * time.Millisecond, Handler: time.Minute}}, toyDialect(t, "coral", toy)))
	r := toyRequest{dialect: "coral", method: "POST", path: "/heavy"}.make()
	req, err := http.NewRequest("POST", s.URL+"/api/heavy", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = r.Header
	res, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if <-reached; res.StatusCode != 204 {
		t.Errorf("got %d, want 204", res.StatusCode)
	}
}

func TestConnectionsAreUsedAgainAndClosedWhenTheyMust(t *testing.T) {
	s := loopback(t, toyServer(t, rest.Options{}, toyDialect(t, "coral", &toy{})))
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	in := bufio.NewReader(c)
	auth := toyRequest{dialect: "coral", method: "GET", path: "/things/a"}.make().Header.Get("Authorization")
	send := func(head, body string) (int, bool) {
		t.Helper()
		fmt.Fprintf(c, "%s\r\nHost: x\r\nAuthorization: %s\r\n\r\n%s", head, auth, body)
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		return res.StatusCode, res.Close
	}
	if status, closes := send("PATCH /api/things/a HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: 5", "hello"); status != 415 || closes {
		t.Errorf("a body left unread: got %d, closes %v", status, closes)
	}
	if status, closes := send("PATCH /api/things/a HTTP/1.1\r\nContent-Length: 2", "{}"); status != 200 || closes {
		t.Errorf("the next request: got %d, closes %v", status, closes)
	}
	if status, closes := send("PATCH /api/things/a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Type: text/plain\r\nContent-Length: 5", ""); status != 415 || !closes {
		t.Errorf("a body that was not asked for: got %d, closes %v", status, closes)
	}
}
