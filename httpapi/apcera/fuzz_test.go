package apcera_test

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/atoll-platform/atoll/httpapi"
	"github.com/atoll-platform/atoll/httpapi/rest/resttest"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/platform/platformtest"
	"github.com/atoll-platform/atoll/tenancy"
)

// FuzzHandler sends whatever it likes as the administrator and as nobody in
// particular. Nothing is answered 5xx or outside of the forms of the API, and a
// call that is refused leaves the documents as they were.
func FuzzHandler(f *testing.F) {
	f.Add(uint8(0), "/v1/policy", "")
	f.Add(uint8(0), "/v1/policy/quotas?version=1", "")
	f.Add(uint8(0), "/v1/policy/%2e%2e?VERSION=0x1", "")
	f.Add(uint8(1), "/v1/policy", `{"docs":[{"name":"a","text":"on job::/ { if (a == \"b\") { permit read } }","for_version":0}]}`)
	f.Add(uint8(1), "/v1/policy", `[{"name":"quotas","text":"","for_version":1},{"name":"quotas"}]`)
	f.Add(uint8(1), "/v1/policy", `{"docs":[{"name":"a","text":"job::/ { { x 1 } }","for_version":1e3}]}`)
	f.Add(uint8(2), "/v1/policy?doc=a&b&doc=c,d&doc", "")
	f.Add(uint8(0), "/v1/sim?fqn=job::/sandbox/john&input=name=jane&claim=permit=create&why=true", "")
	f.Add(uint8(0), "/v1/sim?input=%22Google-%3Eemail=x%22&claim==&why=maybe&fqn=*::/", "")
	f.Add(uint8(1), "/v1/sim?fqn=gateway::/lab/bo&why=1", `{"docs":[{"name":"g","text":"gateway::/lab/[who] { if (name == [who]) { permit use } }"}]}`)
	f.Add(uint8(0), "/v1/namespace/default/", "[[[[")
	f.Add(uint8(3), "/v1/sim", "\x00\xff")
	ctx := context.Background()
	p := platformtest.New(f, platform.WithAuthentication(tenancy.AcceptAll))
	if _, err := p.Users().Create(ctx, newUser("neo")); err != nil {
		f.Fatal(err)
	}
	if _, err := p.Keys().Add(ctx, "neo", keys["neo"], ""); err != nil {
		f.Fatal(err)
	}
	h, err := httpapi.New(p)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, method uint8, target, body string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || u.Path != "/v1" && !strings.HasPrefix(u.Path, "/v1/") {
			t.Skip()
		}
		for _, token := range []string{"", "Bearer " + keys["neo"]} {
			before, version := p.Policy().Set(), p.Policy().Version()
			method := []string{"GET", "PUT", "DELETE", "OPTIONS"}[method%4]
			w := resttest.Send(h, method, target, body, "Authorization", token)
			if fault := errorFault(w.Code, w.Body.String()); w.Code >= 500 || fault != "" {
				t.Fatalf("%s %q %q: %d %s %s", method, target, body, w.Code, fault, w.Body)
			}
			if w.Code >= 400 && (p.Policy().Set() != before || p.Policy().Version() != version) {
				t.Fatalf("%s %q %q: %d, yet the documents changed", method, target, body, w.Code)
			}
		}
	})
}

func TestWhenThePlatformHasEnded(t *testing.T) {
	e := open(t)
	if err := e.p.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.nobody().put("/v1/policy", docs(doc("late", ""))).fails(503, "the store is closed", `"fatal":false,"retry":true,"try_again_in_ms":1000`)
}
