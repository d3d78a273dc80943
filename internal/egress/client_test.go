package egress

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
)

func newClient(t *testing.T, o Options) *Client {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func get(t *testing.T, c *Client, url string) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.HTTP().Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return string(b), err
}

func server(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// secureServer answers "secure" over TLS and keeps refused handshakes quiet.
func secureServer(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "secure") }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func TestLoopbackIsReached(t *testing.T) {
	s := server(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") })
	got, err := get(t, newClient(t, Options{}), s.URL)
	if err != nil || got != "hello" {
		t.Errorf("get = %q, %v", got, err)
	}
}

func TestLiteralDestinationsAreRefused(t *testing.T) {
	for _, u := range []string{
		"http://169.254.169.254/latest/meta-data", "http://[fe80::1]/", "http://[fe80::1%25eth0]/", "http://10.0.0.1/",
		"http://[::ffff:a9fe:a9fe]/", "http://0.0.0.0/", "http://[::]/", "http://[64:ff9b::7f00:1]/", "https://192.168.0.1/",
	} {
		if _, err := get(t, newClient(t, Options{}), u); !errors.Is(err, atoll.Denied) {
			t.Errorf("get %s: %v, want Denied", u, err)
		}
	}
}

func TestOtherSchemesAreRefused(t *testing.T) {
	for _, u := range []string{"ftp://127.0.0.1/x", "file:///etc/passwd", "gopher://127.0.0.1/"} {
		if _, err := get(t, newClient(t, Options{}), u); !errors.Is(err, atoll.Denied) {
			t.Errorf("get %s: %v, want Denied", u, err)
		}
	}
}

// rebinding answers the first lookup with one address and later ones with another.
func rebinding(first, later string) func(context.Context, string) ([]netip.Addr, error) {
	var n atomic.Int32
	return func(context.Context, string) ([]netip.Addr, error) {
		if n.Add(1) == 1 {
			return []netip.Addr{netip.MustParseAddr(first)}, nil
		}
		return []netip.Addr{netip.MustParseAddr(later)}, nil
	}
}

func TestANameThatChangesItsAddressIsCheckedAgain(t *testing.T) {
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		io.WriteString(w, "first")
	})
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	c := newClient(t, Options{Lookup: rebinding("127.0.0.1", "10.0.0.1")})
	u := "http://moving.example.com:" + port
	if got, err := get(t, c, u); got != "first" || err != nil {
		t.Fatalf("first get = %q, %v", got, err)
	}
	if _, err := get(t, c, u); !errors.Is(err, atoll.Denied) {
		t.Errorf("second get: %v, want Denied", err)
	}
}

func TestANameMayResolveToForbiddenAndAllowedAddresses(t *testing.T) {
	s := server(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") })
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	c := newClient(t, Options{Lookup: func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("127.0.0.1")}, nil
	}})
	if got, err := get(t, c, "http://both.example.com:"+port); got != "ok" || err != nil {
		t.Errorf("get = %q, %v; want the allowed address to answer", got, err)
	}
}

func TestRedirects(t *testing.T) {
	secure := secureServer(t)
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		switch to := r.URL.Query().Get("to"); to {
		case "":
			io.WriteString(w, "end")
		default:
			http.Redirect(w, r, to, http.StatusFound)
		}
	})
	tests := map[string]struct {
		to   string
		want string
		kind atoll.Kind
	}{
		"a redirect on the same scheme is followed":          {to: "/", want: "end"},
		"a redirect to a private address is refused":         {to: "http://10.0.0.1/", kind: atoll.Denied},
		"a redirect to the metadata service is refused":      {to: "http://169.254.169.254/", kind: atoll.Denied},
		"a redirect to another scheme is refused":            {to: secure.URL, kind: atoll.Denied},
		"a redirect to a file is refused":                    {to: "file:///etc/passwd", kind: atoll.Denied},
		"a name that resolves to a private one is refused":   {to: "http://inside.example.com/", kind: atoll.Denied},
		"a name that does not resolve is a failure":          {to: "http://nowhere.example.com/", kind: atoll.Failed},
		"a relative redirect stays on the server":            {to: "/?x=1", want: "end"},
		"a disguised private address is refused as a target": {to: "http://[::ffff:10.0.0.1]/", kind: atoll.Denied},
	}
	c := newClient(t, Options{Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
		if host == "inside.example.com" {
			return []netip.Addr{netip.MustParseAddr("192.168.7.7")}, nil
		}
		return nil, errors.New("no such host")
	}})
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := get(t, c, s.URL+"/?to="+url.QueryEscape(tt.to))
			if tt.kind != 0 && !errors.Is(err, tt.kind) || tt.kind == 0 && err != nil {
				t.Fatalf("get: %v, want kind %v", err, tt.kind)
			}
			if got != tt.want {
				t.Errorf("get = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestEndlessRedirectsEnd(t *testing.T) {
	var n atomic.Int32
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		http.Redirect(w, r, "/again", http.StatusFound)
	})
	if _, err := get(t, newClient(t, Options{}), s.URL); !errors.Is(err, atoll.Failed) {
		t.Errorf("get: %v, want Failed", err)
	}
	if n.Load() != maxRedirects {
		t.Errorf("%d requests, want %d", n.Load(), maxRedirects)
	}
}

func TestChosenHeadersDoNotTravelToAnotherHost(t *testing.T) {
	var seen http.Header
	other := server(t, func(w http.ResponseWriter, r *http.Request) { seen = r.Header.Clone() })
	s := server(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) })
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil)
	req.Header.Set("X-Api-Key", "secret")
	req.Header.Set("Accept", "text/plain")
	res, err := newClient(t, Options{}).HTTP().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	got := [2]string{seen.Get("X-Api-Key"), seen.Get("Accept")}
	if diff := cmp.Diff([2]string{"", "text/plain"}, got); diff != "" {
		t.Errorf("headers at the other host mismatch (-want +got):\n%s", diff)
	}
}

func TestTheBodyIsBounded(t *testing.T) {
	tests := map[string]struct {
		size int
		kind atoll.Kind
	}{
		"a body of exactly the bound is read": {size: 1000},
		"one byte more is too large":          {size: 1001, kind: atoll.TooLarge},
		"a much larger one too":               {size: 100_000, kind: atoll.TooLarge},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := server(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, strings.Repeat("x", tt.size)) })
			got, err := get(t, newClient(t, Options{MaxBody: 1000}), s.URL)
			if k := atoll.KindOf(err); k != tt.kind {
				t.Errorf("kind %v, want %v", k, tt.kind)
			}
			if want := min(tt.size, 1000); len(got) != want {
				t.Errorf("%d bytes, want %d", len(got), want)
			}
		})
	}
}

func TestACompressedBodyIsBoundedByWhatItBecomes(t *testing.T) {
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(bomb(t, 1<<20))
	})
	if _, err := get(t, newClient(t, Options{MaxBody: 1000}), s.URL); !errors.Is(err, atoll.TooLarge) {
		t.Errorf("get: %v, want TooLarge", err)
	}
}

func TestProxiesOfTheEnvironmentAreIgnored(t *testing.T) {
	var asked atomic.Bool
	proxy := server(t, func(http.ResponseWriter, *http.Request) { asked.Store(true) })
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("http_proxy", proxy.URL)
	c := newClient(t, Options{Lookup: func(context.Context, string) ([]netip.Addr, error) { return nil, errors.New("none") }})
	if _, err := get(t, c, "http://public.example.com/"); !errors.Is(err, atoll.Failed) || asked.Load() {
		t.Errorf("get: %v, proxy asked: %v", err, asked.Load())
	}
}

func TestAListConfinesTheClient(t *testing.T) {
	s := server(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") })
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	lookup := func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}
	c := newClient(t, Options{Allow: []string{"api.example.com"}, Lookup: lookup})
	if got, err := get(t, c, "http://api.example.com:"+port); got != "ok" || err != nil {
		t.Errorf("listed host: %q, %v", got, err)
	}
	if _, err := get(t, c, "http://127.0.0.1:"+port); !errors.Is(err, atoll.Denied) {
		t.Errorf("unlisted address: %v, want Denied", err)
	}
}

func TestCloseRefusesLaterRequests(t *testing.T) {
	s := server(t, func(w http.ResponseWriter, r *http.Request) {})
	c := newClient(t, Options{})
	if _, err := get(t, c, s.URL); err != nil {
		t.Fatal(err)
	}
	c.Close()
	c.Close()
	if _, err := get(t, c, s.URL); !errors.Is(err, atoll.Unavailable) {
		t.Errorf("request: %v, want Unavailable", err)
	}
	if _, err := c.DialContext(t.Context(), "tcp", s.Listener.Addr().String()); !errors.Is(err, atoll.Unavailable) {
		t.Errorf("dial: %v, want Unavailable", err)
	}
}

func TestDial(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	tests := map[string]struct {
		network, address string
		kind             atoll.Kind
	}{
		"a loopback listener is reached":           {"tcp", l.Addr().String(), 0},
		"a datagram socket to loopback is allowed": {"udp", "127.0.0.1:9", 0},
		"datagrams to a private address are not":   {"udp", "10.0.0.1:9", atoll.Denied},
		"a unix socket is invalid":                 {"unix", "/var/run/docker.sock", atoll.Invalid},
		"an address without a port is invalid":     {"tcp", "127.0.0.1", atoll.Invalid},
		"a port that nobody listens on fails":      {"tcp", closed.Addr().String(), atoll.Failed},
	}
	c := newClient(t, Options{})
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			conn, err := c.DialContext(t.Context(), tt.network, tt.address)
			if k := atoll.KindOf(err); k != tt.kind {
				t.Errorf("kind %v (%v), want %v", k, err, tt.kind)
			}
			if conn != nil {
				conn.Close()
			}
		})
	}
}

func TestHTTPSVerifiesTheServer(t *testing.T) {
	s := secureServer(t)
	if _, err := get(t, newClient(t, Options{}), s.URL); err == nil {
		t.Error("an unknown certificate was accepted")
	}
	c := newClient(t, Options{TLS: s.Client().Transport.(*http.Transport).TLSClientConfig})
	if got, err := get(t, c, s.URL); got != "secure" || err != nil {
		t.Errorf("get = %q, %v", got, err)
	}
}
