package platformtest_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/httpapi"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/platform/platformtest"
	"github.com/atoll-platform/atoll/runtime"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/driver/funcdriver"
	"github.com/atoll-platform/atoll/tenancy"
)

const pair = `{"name":"r","actors":[{"name":"in","type":"httpbroadcast"},{"name":"out","type":"httpbroadcast"}],"links":[{"from":"in","to":"out"}]}`

// A test of a program that embeds a platform makes one for itself, gives it a
// user, and calls its API as that user.
func ExampleClient() {
	TestFlights := func(t *testing.T) {
		p := platformtest.New(t)
		c := platformtest.Client(t, p).As(platformtest.User(t, p, "ann", false))
		c.Post("/api/runtimes", map[string]any{
			"name":   "flights",
			"actors": []any{map[string]any{"name": "in", "type": "httpbroadcast"}, map[string]any{"name": "out", "type": "httpbroadcast"}},
			"links":  []any{map[string]any{"from": "in", "to": "out"}},
		}).Want(201)
		var runtimes []struct{ UniqueName string }
		c.Get("/api/runtimes").Want(200).JSON(&runtimes)
		if len(runtimes) != 1 || runtimes[0].UniqueName != "ann-flights" {
			t.Errorf("runtimes: %v", runtimes)
		}
	}
	ok := testing.RunTests(func(_, _ string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: "TestFlights", F: TestFlights}})
	fmt.Println(ok)
	// Output: true
}

func TestAPlatformOfATest(t *testing.T) {
	var p *platform.Platform
	var files string
	t.Run("lives as long as the test", func(t *testing.T) {
		files = t.TempDir()
		p = platformtest.New(t, platform.WithFiles(files))
		if !p.Ready() {
			t.Error("it is not started")
		}
		if _, err := os.Stat(files); err != nil {
			t.Error(err)
		}
	})
	if p.Ready() {
		t.Error("it still runs after the test")
	}
	if _, err := p.Runtimes().Get(context.Background(), "r"); atoll.KindOf(err) != atoll.Unavailable {
		t.Errorf("after the test: %v, want unavailable", err)
	}
}

func TestCallsAsSomebody(t *testing.T) {
	p := platformtest.New(t)
	ann, root := platformtest.User(t, p, "ann", false), platformtest.User(t, p, "root", true)
	c := platformtest.Client(t, p)
	c.Get("/api/runtimes").Want(401)
	c.As(ann).Post("/api/runtimes", pair).Want(201)
	c.As(ann).Patch("/api/runtimes/r", map[string]string{"status": "start"}).Want(200)
	c.As(ann).With("Accept", "text/html").Get("/api/runtimes").Want(406)
	c.As(ann).With("Authorization", "").Get("/api/runtimes").Want(401)
	c.As(ann).Get("/api/users").Want(403)
	c.As(root).Get("/api/users").Want(200)
	c.As(root).Post("/api/runtimes/ann-r/actors/in", []byte(`{"n":1}`)).Want(200)
	c.Basic("ann", "another password").Get("/api/runtimes").Want(401)
	c.As(root).Delete("/api/runtimes/ann-r").Want(200)
	c.Get("/api/runtimes").Want(401) // what As returned was another client

	rs, err := p.Runtimes().List(platformtest.As(t, p, ann), runtime.Filter{})
	if err != nil || len(rs) != 0 {
		t.Errorf("runtimes of ann: %v, %v", rs, err)
	}
}

func TestAClientCallsWhatNewServes(t *testing.T) {
	p := platformtest.New(t, platform.WithAuthentication(tenancy.AcceptAll))
	h, err := httpapi.New(p)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "http://localhost/", nil)
	r.RemoteAddr = "127.0.0.1:1"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if diff := cmp.Diff(w.Body.String(), platformtest.Client(t, p).Get("/").Want(200).Body); diff != "" {
		t.Errorf("(-served +called):\n%s", diff)
	}
}

func TestAKeyOpensTheApplicationsOfItsAccount(t *testing.T) {
	p := platformtest.New(t)
	err := p.Functions().Register("demo/idle", func(ctx context.Context, _ *funcdriver.Task) error {
		<-ctx.Done()
		return nil
	}, driver.Image{})
	if err != nil {
		t.Fatal(err)
	}
	ann, bob := platformtest.User(t, p, "ann", false), platformtest.User(t, p, "bob", false)
	c := platformtest.Client(t, p)
	var made struct {
		ResourceURI string `json:"resource_uri"`
	}
	mine := c.Key("ann", platformtest.Key(t, p, ann))
	mine.Post("/api/v1/application/", map[string]string{"image": "demo/idle"}).Want(202).JSON(&made)
	mine.Get(made.ResourceURI).Want(200)
	c.Key("bob", platformtest.Key(t, p, bob)).Get(made.ResourceURI).Want(404)
	c.Key("ann", platformtest.Key(t, p, bob)).Get(made.ResourceURI).Want(401)
	c.Get(made.ResourceURI).Want(401)
}
