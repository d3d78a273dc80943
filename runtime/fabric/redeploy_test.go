package fabric_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/runtime/fabric"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// shown is what of a spec an image decides.
type shown struct {
	Image  string
	Ports  []driver.Port
	Image1 string // the variable IMAGE
	Argv   []string
	Env    map[string]string
}

func show(s *workload.Spec) shown {
	p := s.Procs[fabric.MainProcess]
	return shown{s.Image, s.Ports, s.Defaults["IMAGE"], p.Argv, p.Env}
}

func TestRedeployTakesTheImageAnew(t *testing.T) {
	tag := func(s string) *string { return &s }
	kept := map[string]string{"K": "v"}
	for name, tt := range map[string]struct {
		edit  func(*fabric.NewApplication)
		tag   *string
		want  shown
		found []string
	}{
		"without a tag it is the same":       {want: shown{"demo/db:1", append(tcp(3306), driver.Port{Number: 53, Proto: "udp"}), "db1", nil, kept}},
		"another tag is another image":       {tag: tag("2"), want: shown{"demo/db:2", tcp(3307), "db2", nil, kept}},
		"ports that were asked for stay":     {edit: func(n *fabric.NewApplication) { n.Ports = tcp(1) }, tag: tag("2"), want: shown{"demo/db:2", tcp(1), "db2", nil, kept}},
		"no ports stay no ports":             {edit: func(n *fabric.NewApplication) { n.Ports = []driver.Port{} }, tag: tag("2"), want: shown{"demo/db:2", []driver.Port{}, "db2", nil, kept}},
		"a command that was asked for stays": {edit: func(n *fabric.NewApplication) { n.Command, n.Entrypoint = "a 'b c'", "e" }, tag: tag("2"), want: shown{"demo/db:2", tcp(3307), "db2", []string{"e", "a", "b c"}, kept}},
		"a tag that nobody knows is refused": {tag: tag("9"), found: []string{"tag unknown"}},
		"a tag that is none is refused":      {tag: tag("a b"), found: []string{"tag form"}},
		"an empty tag is none":               {tag: tag(""), found: []string{"tag form"}},
		"a function that is gone is refused": {tag: tag("bad"), found: []string{"func unknown"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				defer r.stop()
				if tt.edit == nil {
					tt.edit = func(*fabric.NewApplication) {}
				}
				app := r.get(r.create("db", "demo/db:1", count(2), user("K", "v"), tt.edit))
				was := show(&app.Workload.Spec)
				first := current(app)[0]

				sn, next, err := r.RedeployInstance(t.Context(), first.ID, tt.tag)
				if diff := cmp.Diff(tt.found, found(err)); diff != "" {
					t.Fatalf("%v (-want +got):\n%s", err, diff)
				}
				if tt.found == nil {
					if diff := cmp.Diff(tt.want, show(&sn.Workload.Spec)); diff != "" {
						t.Errorf("one instance (-want +got):\n%s", diff)
					}
					app = r.get(app)
					if i := current(app)[0]; i.ID != next || next == first.ID {
						t.Errorf("the successor is %s, not %s", i.ID, next)
					}
					for k, want := range []shown{tt.want, was} {
						if diff := cmp.Diff(want, show(app.Effective(current(app)[k]))); diff != "" {
							t.Errorf("instance %d (-want +got):\n%s", k, diff)
						}
					}
				}
				_, err = r.Redeploy(t.Context(), app.Workload.ID, tt.tag)
				if diff := cmp.Diff(tt.found, found(err)); diff != "" {
					t.Fatalf("%v (-want +got):\n%s", err, diff)
				}
				app = r.get(app)
				want := tt.want
				if tt.found != nil {
					want = was
				}
				for k, i := range current(app) {
					if diff := cmp.Diff(want, show(app.Effective(i))); diff != "" {
						t.Errorf("all, instance %d (-want +got):\n%s", k, diff)
					}
				}
			})
		})
	}
}

func TestAnImageIsResolvedAtEachRedeploy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		r := newRig(t)
		defer r.stop()
		images := r.Images()
		r.must(images.Register(fabric.Image{Name: "late", Driver: "func", Func: "serve", Command: "one"}))
		app := r.get(r.create("x", "late"))
		r.must(images.Register(fabric.Image{Name: "late:latest", Driver: "func", Func: "slow", Command: "two", Ports: tcp(9)}))
		if _, err := r.Redeploy(ctx, app.Workload.ID, nil); err != nil {
			t.Fatal(err)
		}
		app = r.get(app)
		if diff := cmp.Diff(shown{Image: "late:latest", Ports: tcp(9), Argv: []string{"two"}}, show(&app.Workload.Spec)); diff != "" || app.Workload.Spec.Func != "slow" {
			t.Errorf("(-want +got):\n%s", diff)
		}

		// Somebody else gives it another command: a redeploy does not undo that.
		if _, err := r.ws.Update(ctx, app.Workload.ID, func(d *workload.Desired) error {
			p := d.Spec.Procs[fabric.MainProcess]
			p.Argv = []string{"three"}
			d.Spec.Procs = map[string]driver.Process{fabric.MainProcess: p}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := r.Redeploy(ctx, app.Workload.ID, nil); err != nil {
			t.Fatal(err)
		}
		if app = r.get(app); !slices.Equal(app.Workload.Spec.Procs[fabric.MainProcess].Argv, []string{"three"}) {
			t.Errorf("%+v", app.Workload.Spec.Procs)
		}
	})
}

func TestAWorkloadWithoutAnImageIsRedeployedAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		r := newRig(t)
		defer r.stop()
		n := application("x", "demo/web").NewWorkload
		n.Spec.Template = driver.Template{Driver: "func", Func: "serve"}
		sn, err := r.ws.Create(ctx, n)
		r.must(err)
		first := current(r.get(sn))[0]
		if _, err := r.Redeploy(ctx, sn.Workload.ID, nil); err != nil {
			t.Fatal(err)
		}
		if i := current(r.get(sn))[0]; i.ID == first.ID || i.State != workload.StateRunning {
			t.Errorf("%+v", i)
		}
		tag := "1"
		if _, err := r.Redeploy(ctx, sn.Workload.ID, &tag); !slices.Equal(found(err), []string{"tag unknown"}) {
			t.Error(err)
		}
		if diff := cmp.Diff(&fabric.Application{Workload: sn.Workload.ID}, r.Application(sn)); diff != "" {
			t.Errorf("record (-want +got):\n%s", diff)
		}
		host := "x.example.com"
		if _, err := r.Update(ctx, sn.Workload.ID, fabric.Change{WebDNS: &host}, nil); err != nil || r.Application(sn).WebDNS != host {
			t.Errorf("%v %+v", err, r.Application(sn))
		}
		if _, err := r.ws.Update(ctx, sn.Workload.ID, func(d *workload.Desired) error { d.Spec.Image = "of/another:dialect"; return nil }); err != nil {
			t.Error(err)
		}
		if _, err := r.Redeploy(ctx, sn.Workload.ID, nil); err != nil {
			t.Error(err)
		}
		for _, id := range []string{"nobody", ""} {
			if _, err := r.Redeploy(ctx, id, nil); atoll.KindOf(err) != atoll.NotFound {
				t.Error(err)
			}
			if _, _, err := r.RedeployInstance(ctx, id, nil); atoll.KindOf(err) != atoll.NotFound {
				t.Error(err)
			}
		}
	})
}
