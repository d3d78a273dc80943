package builtin_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/actor/actortest"
	"github.com/atoll-platform/atoll/internal/egress"
)

// confined is the HTTP client that a platform gives to actors.
func confined(t *testing.T, timeout time.Duration) actortest.Option {
	t.Helper()
	c, err := egress.New(egress.Options{MaxBody: 1 << 16})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return actortest.WithHTTP(c.HTTP(), timeout)
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// request is what a server saw.
type request struct{ Method, Path, Type, Extra, Body string }

func TestHTTPClientRequests(t *testing.T) {
	tests := map[string]struct {
		params string // the URL stands for %s
		event  string
		want   request
	}{
		"a GET has no body":               {`{"mode":"static","url":"%s/x","method":"GET"}`, `{"a":1}`, request{"GET", "/x", "", "", ""}},
		"a POST sends the event":          {`{"mode":"static","url":"%s/x","method":"POST"}`, `{"a": 1.50}`, request{"POST", "/x", "application/json", "", `{"a":1.50}`}},
		"so does a PUT":                   {`{"mode":"static","url":"%s/","method":"PUT"}`, `{}`, request{"PUT", "/", "application/json", "", `{}`}},
		"and a DELETE":                    {`{"mode":"static","url":"%s/","method":"DELETE"}`, `{}`, request{"DELETE", "/", "application/json", "", `{}`}},
		"headers are added and override":  {`{"mode":"static","url":"%s/","method":"POST","headers":{"x-extra":"e","content-type":"text/x"}}`, `{}`, request{"POST", "/", "text/x", "e", `{}`}},
		"the URL may come from the event": {`{"mode":"dynamic","field":"u","method":"GET"}`, `{"u":"%s/from/event?q=1"}`, request{"GET", "/from/event", "", "", ""}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got request
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				b, _ := io.ReadAll(r.Body)
				got = request{r.Method, r.URL.Path, r.Header.Get("Content-Type"), r.Header.Get("X-Extra"), string(b)}
			})
			h := actortest.Start(t, typeOf(t, "httpclient"), strings.Replace(tt.params, "%s", url, 1), confined(t, time.Minute))
			if o := h.Send(strings.Replace(tt.event, "%s", url, 1))[0]; o.Kind != actortest.Result {
				t.Errorf("outcome %v, want a result", o)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("request mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHTTPClientResponses(t *testing.T) {
	tests := map[string]struct {
		status      int
		contentType string
		body        string
		want        string // status and body of the result
	}{
		"a JSON body is parsed":              {200, "application/json", `{"ok": 1.0}`, `"200 OK" {"ok":1.0}`},
		"parameters of the type are allowed": {200, "application/json; charset=utf-8", `[1]`, `"200 OK" [1]`},
		"another body is a string":           {200, "text/plain", `{"ok":1}`, `"200 OK" "{\"ok\":1}"`},
		"malformed JSON is a string":         {200, "application/json", `{"ok":`, `"200 OK" "{\"ok\":"`},
		"deep JSON is a string":              {200, "application/json", strings.Repeat("[", 100), `"200 OK" "` + strings.Repeat("[", 100) + `"`},
		"an empty body is an empty string":   {204, "application/json", ``, `"204 No Content" ""`},
		"a refusal is a result too":          {404, "text/plain", `gone`, `"404 Not Found" "gone"`},
		"a failure of the server too":        {503, "text/plain", ``, `"503 Service Unavailable" ""`},
		"an unknown status has no text":      {299, "text/plain", ``, `"299 status code 299" ""`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", tt.contentType)
				w.Header()["X-Twice"] = []string{"a", "b"}
				w.WriteHeader(tt.status)
				io.WriteString(w, tt.body)
			})
			h := actortest.Start(t, typeOf(t, "httpclient"), fmt.Sprintf(`{"mode":"static","url":%q,"method":"GET"}`, url), confined(t, time.Minute))
			if diff := cmp.Diff(`{"latestResponse":null}`, h.State()); diff != "" {
				t.Errorf("state before the first response (-want +got):\n%s", diff)
			}
			o := h.Send(`{"q":1}`)[0]
			e, err := actor.Parse([]byte(o.Event))
			if err != nil {
				t.Fatalf("outcome %v", o)
			}
			got := e.Field("status").String() + " " + e.Field("body").String()
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("response mismatch (-want +got):\n%s", diff)
			}
			headers := e.Field("headers")
			if diff := cmp.Diff([2]string{`"` + tt.contentType + `"`, `"a, b"`}, [2]string{headers.Get("Content-Type").String(), headers.Get("X-Twice").String()}); diff != "" {
				t.Errorf("headers mismatch (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(`{"latestResponse":`+o.Event+`}`, h.State()); diff != "" {
				t.Errorf("state mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHTTPClientMayStayQuiet(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {})
	h := actortest.Start(t, typeOf(t, "httpclient"), fmt.Sprintf(`{"mode":"static","url":%q,"method":"GET","response":"none"}`, url), confined(t, time.Minute))
	if diff := cmp.Diff([]actortest.Outcome{nothing}, h.Send(`{}`)); diff != "" {
		t.Errorf("outcome mismatch (-want +got):\n%s", diff)
	}
}

func TestHTTPClientFailures(t *testing.T) {
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	done := make(chan struct{})
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/private":
			http.Redirect(w, r, "http://10.0.0.1/", http.StatusFound)
		case "/scheme":
			http.Redirect(w, r, secure.URL, http.StatusFound)
		case "/slow":
			select {
			case <-done:
			case <-r.Context().Done():
			}
		case "/big":
			io.WriteString(w, strings.Repeat("x", 1<<16+1))
		case "/cut":
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "short")
		}
	})
	defer close(done)
	tests := map[string]struct{ event, want string }{
		"a missing URL":                         {`{}`, `the event has no URL in "u"`},
		"a URL of another kind":                 {`{"u":7}`, `the event has no URL in "u"`},
		"a URL that is none":                    {`{"u":"nowhere"}`, `the URL in "u" must be a complete http or https URL`},
		"a URL of a file":                       {`{"u":"file:///etc/passwd"}`, `the URL in "u" must be a complete http or https URL`},
		"the metadata service":                  {`{"u":"http://169.254.169.254/latest"}`, `the request failed: connections to 169.254.169.254 are not allowed`},
		"a private address":                     {`{"u":"http://192.168.0.1/"}`, `the request failed: connections to 192.168.0.1 are not allowed`},
		"a redirect to a private address":       {`{"u":"%s/private"}`, `the request failed: connections to 10.0.0.1 are not allowed`},
		"a redirect to another scheme":          {`{"u":"%s/scheme"}`, `the request failed: a redirect from http to https is not followed`},
		"a server that does not answer":         {`{"u":"%s/slow"}`, `no answer in time`},
		"a body that is too large":              {`{"u":"%s/big"}`, `the request failed: the response body is larger than 65536 bytes`},
		"a body that is cut off":                {`{"u":"%s/cut"}`, `the request failed: unexpected EOF`},
		"a certificate that nobody vouches for": {`{"u":"` + secure.URL + `"}`, `the request failed: tls: failed to verify certificate: x509: certificate signed by unknown authority`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			timeout := time.Minute
			if strings.Contains(tt.event, "/slow") {
				timeout = 100 * time.Millisecond
			}
			h := actortest.Start(t, typeOf(t, "httpclient"), `{"mode":"dynamic","field":"u","method":"GET"}`, confined(t, timeout))
			if diff := cmp.Diff([]actortest.Outcome{failed(tt.want)}, h.Send(strings.Replace(tt.event, "%s", url, 1))); diff != "" {
				t.Errorf("outcome mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHTTPClientEndsWithItsContext(t *testing.T) {
	reached := make(chan struct{})
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		close(reached)
		<-r.Context().Done()
	})
	h := actortest.Start(t, typeOf(t, "httpclient"), fmt.Sprintf(`{"mode":"static","url":%q,"method":"GET"}`, url), confined(t, time.Hour))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := h.Actor().(actor.Async).Perform(ctx, actor.NewEvent())
		ended <- err
	}()
	<-reached
	cancel()
	if err := <-ended; err == nil {
		t.Error("Perform ended without an error")
	}
}
