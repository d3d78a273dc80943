package httpapi_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/httpapi"
	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/platform/platformtest"
	"github.com/atoll-platform/atoll/tenancy"
)

func TestNewRefuses(t *testing.T) {
	p := platformtest.New(t)
	for name, f := range map[string]func() (*httpapi.Handler, error){
		"no platform":              func() (*httpapi.Handler, error) { return httpapi.New(nil) },
		"a root that is not there": func() (*httpapi.Handler, error) { return httpapi.New(p, httpapi.Root("pascal")) },
		"a base that is no URL":    func() (*httpapi.Handler, error) { return httpapi.New(p, httpapi.WithBaseURL("::")) },
	} {
		if _, err := f(); !errors.Is(err, atoll.Invalid) {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
}

func TestHealth(t *testing.T) {
	p, err := platform.New()
	if err != nil {
		t.Fatal(err)
	}
	h, err := httpapi.New(p)
	if err != nil {
		t.Fatal(err)
	}
	type answer struct {
		Status int
		Body   string
	}
	ask := func(method, path string) answer {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		return answer{w.Code, w.Body.String()}
	}
	check := func(when string, want map[string]answer) {
		t.Helper()
		got := map[string]answer{}
		for call := range want {
			method, path, _ := strings.Cut(call, " ")
			got[call] = ask(method, path)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	ok, not := answer{200, `{"status":"ok"}`}, answer{503, `{"status":"unavailable"}`}
	check("before the start", map[string]answer{"GET /healthz": ok, "GET /readyz": not, "HEAD /readyz": {503, ""}, "POST /healthz": {405, ""}})
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("started", map[string]answer{"GET /healthz": ok, "GET /readyz": ok, "HEAD /healthz": {200, ""}})
	if err := p.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("shut down", map[string]answer{"GET /healthz": ok, "GET /readyz": not})
}

func TestWhatIsOfNoAPI(t *testing.T) {
	c := platformtest.Client(t, platformtest.New(t, platform.WithAuthentication(tenancy.AcceptAll)))
	for _, path := range []string{"/nothing", "/apis", "/openapi/", "/openapi/pascal.json", "/openapi/coral.json/x"} {
		if a := c.Get(path).Want(404); a.Body != `{"error":"No such path."}` {
			t.Errorf("%s: %s", path, a.Body)
		}
	}
	if a := c.Get("/openapi/coral.json").Want(200); !strings.Contains(a.Body, `"/api/runtimes/{rid}/actors/{aid}/shunt"`) || a.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%v %.200s", a.Header, a.Body)
	}
}

func TestTheAccessHookSeesTemplatesAlone(t *testing.T) {
	p := platformtest.New(t, platform.WithAuthentication(tenancy.AcceptAll))
	var mu sync.Mutex
	var seen []rest.Access
	c := platformtest.Client(t, p, httpapi.WithLogger(slog.New(slog.DiscardHandler)), httpapi.WithAccessLog(func(_ context.Context, a *rest.Access) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, *a)
	}))
	c.Get("/api/runtimes/secret-name/stats?key=secret").Want(404)
	if len(seen) != 1 {
		t.Fatalf("%d records", len(seen))
	}
	type record struct {
		Dialect, Operation, Template, Method, Principal string
		Status                                          int
	}
	a := seen[0]
	if diff := cmp.Diff(record{"coral", "coral.runtime.stats", "/api/runtimes/{rid}/stats", "GET", "coral", 404}, record{a.Dialect, a.Operation, a.Template, a.Method, a.Principal, a.Status}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestShutdownOfTheHandler(t *testing.T) {
	p := platformtest.New(t, platform.WithAuthentication(tenancy.AcceptAll))
	h, err := httpapi.New(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "http://localhost/api/runtimes", nil)
	r.RemoteAddr = "127.0.0.1:1"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 503 || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), `"success":false`) {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}
