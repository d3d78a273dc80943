package platform_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/platform/platformtest"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/fabric"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/driver/funcdriver"
)

// application describes an application of neo made from the image of that name.
func application(t testing.TB, image string) fabric.NewApplication {
	t.Helper()
	ref, err := fabric.ParseReference(image)
	if err != nil {
		t.Fatal(err)
	}
	n := fabric.NewApplication{Image: ref}
	n.FQN, n.Tenant, n.State, n.Count = policy.MustParseFQN("job::/tutum/neo::app"), "neo", workload.Started, 1
	n.Spec.Behave = workload.Behave{Keep: workload.KeepRecord, Strict: true, Env: workload.EnvContainer}
	return n
}

// TestInstancesActForTheirOwner with a token that ends with their workload.
func TestInstancesActForTheirOwner(t *testing.T) {
	given := make(chan string, 1)
	fs := funcdriver.New()
	err := fs.Register("demo/caller", func(ctx context.Context, tk *funcdriver.Task) error {
		given <- tk.Getenv("TUTUM_AUTH")
		<-ctx.Done()
		return nil
	}, driver.Image{})
	if err != nil {
		t.Fatal(err)
	}
	p := platformtest.New(t, platform.WithFunctions(fs))
	neo := platformtest.User(t, p, "neo", false)
	n := application(t, "demo/caller")
	n.Roles = []string{fabric.RoleGlobal}
	sn, err := p.Fabric().Create(platformtest.As(t, p, neo), n)
	if err != nil {
		t.Fatal(err)
	}
	token := <-given
	name, key, ok := strings.Cut(strings.TrimPrefix(token, "ApiKey "), ":")
	if !ok || name != "neo" || len(key) != 40 {
		t.Fatalf("the token of an instance has another form: %d characters", len(token))
	}
	login := func() (*policy.Principal, error) {
		return p.Authenticator().NamedKeys().Authenticate(t.Context(), policy.Credentials{Form: policy.ApiKey, Name: name, Secret: key})
	}
	caller, err := login()
	if err != nil {
		t.Fatal(err)
	}
	if caller.Kind != policy.Workload || caller.Name != "application/"+sn.Workload.ID || caller.UserID != neo.ID {
		t.Errorf("it acts as %v %s for %s", caller.Kind, caller.Name, caller.UserID)
	}
	as := policy.WithPrincipal(t.Context(), caller)
	if _, err := p.Workloads().Scale(as, sn.Workload.ID, 0); err != nil {
		t.Errorf("an instance scales its own workload: %v", err)
	}
	if _, err := p.Workloads().Create(as, service("job::/sandbox/neo::x", 0)); !errors.Is(err, atoll.Denied) {
		t.Errorf("an instance creates something elsewhere: %v, want denied", err)
	}
	if _, err := p.Workloads().Delete(t.Context(), sn.Workload.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := login(); !errors.Is(err, atoll.Unauthenticated) {
		t.Errorf("the token after the end of the workload: %v, want unauthenticated", err)
	}
	n.FQN = policy.MustParseFQN("job::/elsewhere::app")
	if _, err := p.Fabric().Create(t.Context(), n); !errors.Is(err, atoll.Reference) {
		t.Errorf("a token for nobody: %v, want reference", err)
	}
}

func TestHostNamesBelowTheBaseDomain(t *testing.T) {
	none := func(context.Context, *funcdriver.Task) error { return nil }
	for name, want := range map[string]string{"neo": "app-neo.apps.example", "Tri.Nity": "app-tri-nity-1.apps.example", "m-": "app-m-1.apps.example"} {
		p := platformtest.New(t, platform.WithBaseDomain("apps.example"))
		if err := p.Functions().Register("demo/none", none, driver.Image{}); err != nil {
			t.Fatal(err)
		}
		platformtest.User(t, p, name, false)
		n := application(t, "demo/none")
		n.FQN.Namespace, n.Tenant, n.Count = "/tutum/"+name, name, 0
		sn, err := p.Fabric().Create(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, p.Fabric().PublicDNS(sn.Workload)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestRegisteredFunctionsAreImages(t *testing.T) {
	fs, _ := functions(t)
	p := platformtest.New(t, platform.WithFunctions(fs))
	if err := p.Images().Register(fabric.Image{Name: "demo/alias", Driver: "func", Func: "serve"}); err != nil {
		t.Fatal(err)
	}
	for image, want := range map[string]string{"serve": "serve", "demo/alias:v2": "serve", "demo/other": ""} {
		ref, err := fabric.ParseReference(image)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if m, ok := p.Images().Resolve(ref); ok {
			got = m.Func
		}
		if got != want {
			t.Errorf("%s runs %q, want %q", image, got, want)
		}
	}
}
