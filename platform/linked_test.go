package platform_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

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

// linkable are functions that can be linked: both listen on one port.
func linkable(t testing.TB) *funcdriver.Driver {
	t.Helper()
	d := funcdriver.New()
	for _, name := range []string{"demo/db", "demo/web"} {
		err := d.Register(name, func(ctx context.Context, _ *funcdriver.Task) error {
			<-ctx.Done()
			return nil
		}, driver.Image{Ports: []driver.Port{{Number: 80, Proto: "tcp"}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// variables are what the instance in that slot was given.
func variables(t testing.TB, sn *workload.Snapshot, slot int) map[string]string {
	t.Helper()
	for _, i := range sn.Instances {
		if i.Slot == slot && i.Retired == nil {
			out := map[string]string{}
			for k, v := range i.Env {
				out[k] = v.Reveal()
			}
			return out
		}
	}
	t.Fatalf("no instance in slot %d", slot)
	return nil
}

// TestLinkedApplicationsGoOnInARestoredPlatform, also one that makes keys with
// another secret: links, variables and token are in the rows.
func TestLinkedApplicationsGoOnInARestoredPlatform(t *testing.T) {
	first := platformtest.New(t, platform.WithFunctions(linkable(t)))
	neo := platformtest.User(t, first, "neo", false)
	as := platformtest.As(t, first, neo)
	n := application(t, "demo/db")
	n.FQN.Local, n.Spec.Behave.Tombstone = "db", time.Hour
	db, err := first.Fabric().Create(as, n)
	db = settled(t, first, db, err)
	n = application(t, "demo/web")
	n.FQN.Local, n.Spec.Behave.Tombstone, n.Spec.Behave.Index = "web", time.Hour, workload.Ascending
	n.Roles, n.Links = []string{fabric.RoleGlobal}, []fabric.NewLink{{Target: db.Workload.ID}}
	web, err := first.Fabric().Create(as, n)
	web = settled(t, first, web, err)
	before := variables(t, web, 0)
	if !strings.HasPrefix(before["DB_1_PORT_80_TCP"], "tcp://127.0.0.1:") || !strings.HasPrefix(before["TUTUM_AUTH"], "ApiKey neo:") {
		t.Fatalf("web was given %v", before)
	}
	var image bytes.Buffer
	if err := first.Snapshot(t.Context(), &image); err != nil {
		t.Fatal(err)
	}

	p := platformtest.New(t, platform.WithFunctions(linkable(t)), platform.WithKeySecret([]byte("another secret of at least 32 bytes")))
	if err := p.Restore(t.Context(), &image); err != nil {
		t.Fatal(err)
	}
	db, web = waitFor(t, p, db.Workload.ID, upTo(1)), waitFor(t, p, web.Workload.ID, upTo(1))
	if diff := cmp.Diff(before, variables(t, web, 0)); diff != "" {
		t.Errorf("variables (-want +got):\n%s", diff)
	}
	link := []*fabric.Link{{Source: web.Workload.ID, Target: db.Workload.ID, Name: "db"}}
	if diff := cmp.Diff(link, p.Fabric().LinksTo(db)); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
	login := func() error {
		_, key, _ := strings.Cut(before["TUTUM_AUTH"], ":")
		_, err := p.Authenticator().NamedKeys().Authenticate(t.Context(), policy.Credentials{Form: policy.ApiKey, Name: "neo", Secret: key})
		return err
	}
	if err := login(); err != nil {
		t.Errorf("the token: %v", err)
	}
	web, err = p.Workloads().Scale(t.Context(), web.Workload.ID, 2)
	web = settled(t, p, web, err)
	if second := variables(t, web, 1); second["TUTUM_AUTH"] != before["TUTUM_AUTH"] || second["DB_1_PORT"] != p.Fabric().LinkVariables(db)["DB_1_PORT"] {
		t.Errorf("a later instance was given %v", second)
	}

	if _, err := p.Users().Delete(t.Context(), "neo", false); !errors.Is(err, atoll.Conflict) {
		t.Errorf("an account with applications is deleted: %v", err)
	}
	if _, err := p.Users().Delete(t.Context(), "neo", true); err != nil {
		t.Fatal(err)
	}
	if err := login(); !errors.Is(err, atoll.Unauthenticated) {
		t.Errorf("the token without its owner: %v, want unauthenticated", err)
	}
	for _, sn := range []*workload.Snapshot{web, db} {
		gone := waitFor(t, p, sn.Workload.ID, func(sn *workload.Snapshot) bool { return !sn.Status.Destroyed.IsZero() })
		if len(p.Fabric().LinksFrom(gone))+len(p.Fabric().LinksTo(gone)) != 0 || p.Fabric().Application(gone).Token != "" {
			t.Errorf("%s leaves links or its token", gone.Workload.FQN)
		}
	}
}
