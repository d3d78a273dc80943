package openapitest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/atoll-platform/atoll/httpapi"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/tenancy"
)

// TestDialects holds the documents that a platform serves against the
// specification, and its answers against the documents.
func TestDialects(t *testing.T) {
	p, err := platform.New(platform.WithAuthentication(tenancy.AcceptAll))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer p.Shutdown(t.Context())
	h, err := httpapi.New(p)
	if err != nil {
		t.Fatal(err)
	}
	call := func(method, target, body string) (*http.Request, *httptest.ResponseRecorder) {
		r := httptest.NewRequest(method, "http://localhost"+target, strings.NewReader(body))
		r.RemoteAddr = "127.0.0.1:1"
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return r, w
	}
	for dialect, calls := range map[string][]struct {
		method, target, body string
		status               int
	}{
		"coral": {{"GET", "/api/runtimes", "", 200}, {"GET", "/api/runtimes/none", "", 404}, {"GET", "/api/platform/stats", "", 200}, {"GET", "/api/users", "", 200}},
		"apcera": {
			{"GET", "/v1/namespace/default", "", 200}, {"GET", "/v1/policy", "", 200}, {"GET", "/v1/policy/quotas", "", 200}, {"GET", "/v1/policy/quotas?version=9", "", 404},
			{"GET", "/v1/policy/a.b", "", 400}, {"PUT", "/v1/policy", `{"docs":[{"name":"a","text":""}]}`, 200}, {"PUT", "/v1/policy", `[{"name":"a","text":""}]`, 409},
			{"PUT", "/v1/policy", `[{"name":"b","text":"x"}]`, 400}, {"PUT", "/v1/policy", `[{"name":"component","text":"","for_version":1}]`, 403},
			{"DELETE", "/v1/policy?doc=a", "", 200}, {"DELETE", "/v1/policy", "", 400}, {"GET", "/v1/sim?fqn=job::/&why=true", "", 200}, {"GET", "/v1/sim", "", 200},
			{"PUT", "/v1/sim?fqn=job::/", `{"docs":[{"name":"a","text":"job::/ { { permit read } }"}]}`, 200}, {"PUT", "/v1/sim?fqn=job", `{}`, 400},
		},
	} {
		t.Run(dialect, func(t *testing.T) {
			_, w := call("GET", "/openapi/"+dialect+".json", "")
			doc, err := Load(w.Body.Bytes())
			if err != nil {
				t.Fatalf("%v\n%s", err, w.Body)
			}
			for _, c := range calls {
				r, w := call(c.method, c.target, c.body)
				if w.Code != c.status {
					t.Errorf("%s %s: %d, want %d: %s", c.method, c.target, w.Code, c.status, w.Body)
					continue
				}
				if err := doc.Answer(r, w.Code, w.Header(), w.Body.Bytes()); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
