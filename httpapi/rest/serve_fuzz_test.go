package rest_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/atoll-platform/atoll/httpapi/rest"
)

// FuzzServe sends whatever it likes to all profiles side by side. Nothing a
// caller sends is answered 500, panics or leaves a bound occupied.
func FuzzServe(f *testing.F) {
	f.Add("GET", "/api/things?limit=1", "Accept: */*", "")
	f.Add("PATCH", "/api/v1/things/a/", "Content-Type: application/json", `{"size": 5, "name": null}`)
	f.Add("POST", "/v1/things/a/events", "Content-Type: text/plain\nContent-Encoding: gzip", `{"a":1e400}`)
	f.Add("POST", "/1.0/things", "Content-Type: application/json", `{"size":1,"size":2,"x":{}}`)
	f.Add("OPTIONS", "/v1.1/things/", "Origin: http://a\nAccess-Control-Request-Method: GET", "")
	f.Add("PUT", "/v1/upload", "X-Api-Key: x", "\x00\xff")
	f.Add("GET", "/v1/files/a/%2e%2e/%00", "Authorization: Basic Og==", "")
	f.Add("GET", "/v1.1/stream/?api_key=%zz", "Accept: text/event-stream;q=x,,", "")
	f.Add("BREW", "//", "Host: a/b\nIf-None-Match: *", "[[[[")
	f.Add("GET", "/v1/fail/not%20found/-", "Sec-Fetch-Site: cross-site", "")
	ends := func(context.Context) (rest.Stream[thing], error) {
		return (&source{last: 2, ends: io.EOF}).stream(), nil
	}
	toy := &toy{
		stream: ends,
		bytes: func(context.Context) (rest.Bytes, error) {
			return rest.Bytes{Len: -1, Reader: strings.NewReader("abc")}, nil
		},
		script: func(context.Context) (rest.Response, error) { return rest.Response{Body: []byte("abc")}, nil },
		heavy:  func(context.Context) (rest.None, error) { return rest.None{}, nil },
	}
	var all []*rest.Dialect
	for _, name := range toyNames {
		all = append(all, toyDialect(f, name, toy))
	}
	h := toyServer(f, rest.Options{Limits: rest.Limits{InFlight: 1, PerPrincipal: 1, Heavy: 1, Streams: 1, OwnStreams: 1, BadLogins: -1}, Index: func() uint64 { return 1 }}, all...)
	f.Fuzz(func(t *testing.T, method, target, header, body string) {
		for _, c := range method {
			if c <= ' ' || c >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, c) {
				t.Skip() // net/http answers these itself
			}
		}
		u, err := url.ParseRequestURI(target)
		if err != nil || method == "" || strings.Contains(u.Path, "/fail/internal") || strings.Contains(u.Path, "/fail/failed") || strings.Contains(u.Path, "/fail/timeout") || strings.Contains(u.Path, "/fail/canceled") {
			t.Skip()
		}
		r := httptest.NewRequest(http.MethodGet, "/", strings.NewReader(body))
		r.Method, r.URL, r.Header = method, u, http.Header{}
		if len(body)%2 == 1 {
			r.ContentLength = -1
		}
		for _, name := range toyNames {
			if strings.HasPrefix(u.Path, prefixOf(name)+"/") {
				addCredentials(name, r.Header)
			}
		}
		for line := range strings.SplitSeq(header, "\n") {
			if name, value, ok := strings.Cut(line, ":"); ok {
				if value = strings.TrimSpace(value); http.CanonicalHeaderKey(name) == "Host" {
					r.Host = value
				} else {
					r.Header[http.CanonicalHeaderKey(name)] = append(r.Header[http.CanonicalHeaderKey(name)], value)
				}
			}
		}
		got := serve(h, r)
		if got.status == 500 || got.aborted {
			t.Fatalf("%s %s %q %q: %d %s, aborted %v", method, target, header, body, got.status, got.body, got.aborted)
		}
		if got.status >= 400 && method != http.MethodHead && !bytes.HasPrefix([]byte(got.body), []byte("{")) && !strings.HasPrefix(got.body, "<!doctype html>") {
			t.Fatalf("%s %s: %d without a body of the dialect: %q", method, target, got.status, got.body)
		}
		probe := toyRequest{dialect: "coral", method: "GET", path: "/things/a"}.to(h)
		if probe.status != 200 {
			t.Fatalf("after %s %s: the next request gets %d %s", method, target, probe.status, probe.body)
		}
	})
}
