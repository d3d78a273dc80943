package fabric_test

import (
	"context"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/runtime/fabric"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/driver/funcdriver"
)

func with(maps_ ...map[string]string) map[string]string {
	out := map[string]string{}
	for _, m := range maps_ {
		maps.Copy(out, m)
	}
	return out
}

// db1 is what is told of a container of demo/db:1 under the name DB.
func db1(prefix, tcp, udp string) map[string]string {
	return map[string]string{
		prefix + "_PORT":                "tcp://127.0.0.1:" + tcp,
		prefix + "_PORT_3306_TCP":       "tcp://127.0.0.1:" + tcp,
		prefix + "_PORT_3306_TCP_ADDR":  "127.0.0.1",
		prefix + "_PORT_3306_TCP_PORT":  tcp,
		prefix + "_PORT_3306_TCP_PROTO": "tcp",
		prefix + "_PORT_53_UDP":         "udp://127.0.0.1:" + udp,
		prefix + "_PORT_53_UDP_ADDR":    "127.0.0.1",
		prefix + "_PORT_53_UDP_PORT":    udp,
		prefix + "_PORT_53_UDP_PROTO":   "udp",
		prefix + "_ENV_PASS":            "secret",
	}
}

func TestASourceWaitsForItsTargetAndIsToldWhereItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, fabric.WithPublicURL("https://example.com/"))
		defer r.stop()
		db := r.create("db", "demo/db:1", count(2), alive(5*time.Second), user("PASS", "secret"))
		synctest.Wait() // it has its ports
		web := r.create("web", "demo/web", linkTo(db, ""), linkTo(db, "my-db"), user("MODE", "fast", "IMAGE", "mine"), global)
		apiURL := map[string]string{"DB_TUTUM_API_URL": "https://example.com/api/v1/application/" + db.Workload.ID + "/"}
		if diff := cmp.Diff(apiURL, r.LinkVariables(db)); diff != "" {
			t.Errorf("link variables at acceptance (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[string]string{"MODE": "fast", "IMAGE": "mine"}, r.ContainerVariables(web, web.Instances[0])); diff != "" {
			t.Errorf("variables of a container before its start (-want +got):\n%s", diff)
		}
		time.Sleep(4 * time.Second)
		if a, b := states(r.get(db)), states(r.get(web)); a != "0:starting 1:starting " || b != "0:waiting " {
			t.Errorf("after 4 s: db %s, web %s", a, b)
		}
		time.Sleep(time.Second)
		if a, b := states(r.get(db)), states(r.get(web)); a != "0:running 1:running " || b != "0:running " {
			t.Fatalf("after 5 s: db %s, web %s", a, b)
		}
		db, web = r.get(db), r.get(web)
		told := with(apiURL, db1("DB_1", "40001", "40002"), db1("DB_2", "40003", "40004"))
		if diff := cmp.Diff(told, r.LinkVariables(db)); diff != "" {
			t.Errorf("link variables (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(db1("DB_2", "40003", "40004"), r.ContainerLinkVariables(db, current(db)[1])); diff != "" {
			t.Errorf("link variables of the second container (-want +got):\n%s", diff)
		}
		links := with(told, map[string]string{"MY_DB_TUTUM_API_URL": apiURL["DB_TUTUM_API_URL"]}, db1("MY_DB_1", "40001", "40002"), db1("MY_DB_2", "40003", "40004"))
		given := with(links, map[string]string{"MODE": "fast", "IMAGE": "mine"})
		i := current(web)[0]
		if diff := cmp.Diff(with(given, map[string]string{
			"PORT": "40005", "TUTUM_PORT_80_TCP": "40005", "TUTUM_AUTH": "ApiKey neo:0000000000000000000000000000000000000001",
		}), env(i)); diff != "" {
			t.Errorf("environment (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(given, r.ContainerVariables(web, i)); diff != "" {
			t.Errorf("variables of the container (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[string]string{"MODE": "fast", "IMAGE": "mine"}, r.Variables(web)); diff != "" {
			t.Errorf("variables of the application (-want +got):\n%s", diff)
		}
		want := []*fabric.Link{{Source: web.Workload.ID, Target: db.Workload.ID, Name: "db"}, {Source: web.Workload.ID, Target: db.Workload.ID, Name: "my-db", Order: 1}}
		for name, got := range map[string][]*fabric.Link{"from the source": r.LinksFrom(web), "to the target": r.LinksTo(db)} {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("links %s (-want +got):\n%s", name, diff)
			}
		}
		if len(r.LinksFrom(db))+len(r.LinksTo(web)) != 0 {
			t.Error("links in the other direction")
		}
		if got := r.PublicDNS(web.Workload); got != "127.0.0.1" {
			t.Errorf("host %s", got)
		}
	})
}

func TestVariablesStayUntilTheInstanceIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		r := newRig(t)
		defer r.stop()
		db := r.get(r.create("db", "demo/db:2"))
		web := r.create("web", "demo/web", linkTo(db, ""), count(2))
		first := env(current(r.get(web))[0])
		if first["DB_1_PORT"] != "tcp://127.0.0.1:40001" {
			t.Fatalf("environment %v", first)
		}
		same := func(what string) {
			t.Helper()
			if diff := cmp.Diff(first, env(current(r.get(web))[0])); diff != "" {
				t.Errorf("after %s (-want +got):\n%s", what, diff)
			}
		}
		if _, err := r.Redeploy(ctx, db.Workload.ID, nil); err != nil { // other ports
			t.Fatal(err)
		}
		same("a redeploy of the target")
		for _, f := range []func(context.Context, string, ...workload.Cond) (*workload.Snapshot, error){r.ws.StopWorkload, r.ws.StartWorkload} {
			if _, err := f(ctx, web.Workload.ID); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		same("stop and start")
		if _, err := r.ws.RestartInstance(ctx, current(r.get(web))[0].ID); err != nil {
			t.Fatal(err)
		}
		same("a restart")
		second := current(r.get(web))[1]
		if _, next, err := r.RedeployInstance(ctx, second.ID, nil); err != nil || next == second.ID {
			t.Fatal(next, err)
		}
		same("a redeploy of its sibling")
		if got := env(current(r.get(web))[1])["DB_1_PORT"]; got != "tcp://127.0.0.1:40004" {
			t.Errorf("the instance that was redeployed is told of %s", got)
		}
		if _, err := r.Redeploy(ctx, web.Workload.ID, nil); err != nil {
			t.Fatal(err)
		}
		for k, i := range current(r.get(web)) {
			if got := env(i); got["DB_1_PORT"] != "tcp://127.0.0.1:40004" || got["PORT"] == first["PORT"] {
				t.Errorf("instance %d after a redeploy: %v", k, got)
			}
		}
	})
}

func TestSourcesStopBeforeTheirTargets(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *rig, ...*workload.Snapshot){
		"when both are stopped": func(t *testing.T, r *rig, all ...*workload.Snapshot) {
			for _, sn := range all {
				if _, err := r.ws.StopWorkload(t.Context(), sn.Workload.ID); err != nil {
					t.Fatal(err)
				}
			}
		},
		"when both are deleted": func(t *testing.T, r *rig, all ...*workload.Snapshot) {
			for _, sn := range all {
				if _, err := r.ws.Delete(t.Context(), sn.Workload.ID); err != nil {
					t.Fatal(err)
				}
			}
		},
		"when the platform ends": func(t *testing.T, r *rig, _ ...*workload.Snapshot) {
			go func() { _ = r.ws.Shutdown(context.Background()) }()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				defer r.stop()
				db := r.create("db", "demo/db:1")
				web := r.create("web", "slow", linkTo(db, ""))
				if a := states(r.get(web)); a != "0:running " {
					t.Fatal(a)
				}
				end(t, r, web, db)
				time.Sleep(time.Second)
				if a, b := states(r.get(db)), states(r.get(web)); a != "0:stop-wait " || b != "0:stopping " {
					t.Errorf("after 1 s: db %s, web %s", a, b)
				}
				time.Sleep(2 * time.Second)
				db, web = r.get(db), r.get(web)
				for _, sn := range []*workload.Snapshot{db, web} {
					if i := sn.Instances[0]; i.State != workload.StateEnded {
						t.Errorf("after 3 s: %s is %v", sn.Workload.Title, i.State)
					}
				}
			})
		})
	}
}

func TestATargetThatNeverRunsHoldsNobodyUp(t *testing.T) {
	for name, target := range map[string]func(*rig) *workload.Snapshot{
		"that is stopped": func(r *rig) *workload.Snapshot {
			return r.create("db", "demo/db:1", func(n *fabric.NewApplication) { n.State = workload.Ready })
		},
		"that has crashed":        func(r *rig) *workload.Snapshot { return r.get(r.create("db", "fail")) },
		"of which none is wanted": func(r *rig) *workload.Snapshot { return r.create("db", "demo/db:1", count(0)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				defer r.stop()
				db := target(r)
				web := r.get(r.create("web", "demo/web", linkTo(db, "db")))
				if a := states(web); a != "0:running " {
					t.Errorf("web %s", a)
				}
				if diff := cmp.Diff(map[string]string{"DB_TUTUM_API_URL": "/api/v1/application/" + db.Workload.ID + "/"}, r.ContainerVariables(web, current(web)[0])); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestASourceIsToldOfEveryInstanceOfATargetThatBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		db := r.create("db", "demo/db:2", count(3), sequential, alive(time.Second))
		web := r.create("web", "demo/web", linkTo(db, ""))
		time.Sleep(2500 * time.Millisecond)
		if a, b := states(r.get(db)), states(r.get(web)); a != "0:running 1:running 2:starting " || b != "0:waiting " {
			t.Errorf("after 2.5 s: db %s, web %s", a, b)
		}
		time.Sleep(time.Second)
		web = r.get(web)
		if vars := r.ContainerVariables(web, current(web)[0]); vars["DB_3_PORT"] == "" {
			t.Errorf("web %s is told %v", states(web), vars)
		}
		// What comes later is waited for only while nothing else is there.
		if _, err := r.ws.Scale(t.Context(), db.Workload.ID, 4); err != nil {
			t.Fatal(err)
		}
		if late := r.get(r.create("late", "demo/web", linkTo(db, ""))); states(late) != "0:running " {
			t.Errorf("late %s", states(late))
		}
	})
}

func TestATargetThatIsStoppedMeanwhileIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		db := r.create("db", "demo/db:1", alive(time.Minute))
		web := r.create("web", "demo/web", linkTo(db, "db"))
		if a := states(r.get(web)); a != "0:waiting " {
			t.Fatalf("web %s", a)
		}
		if _, err := r.ws.Delete(t.Context(), db.Workload.ID); err != nil {
			t.Fatal(err)
		}
		if a := states(r.get(web)); a != "0:running " {
			t.Errorf("web %s", a)
		}
	})
}

func TestSiblingsAreToldOfThoseBeforeThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		r := newRig(t)
		defer r.stop()
		app := r.create("my-web", "demo/web", count(3), sequential, alive(time.Second), user("K", "v"))
		if a := states(r.get(app)); a != "0:starting 1:new 2:new " {
			t.Errorf("at first: %s", a)
		}
		time.Sleep(3 * time.Second)
		app = r.get(app)
		web := func(n, port string) map[string]string {
			p := "MY_WEB_" + n
			return map[string]string{p + "_PORT": "tcp://127.0.0.1:" + port, p + "_PORT_80_TCP": "tcp://127.0.0.1:" + port, p + "_PORT_80_TCP_ADDR": "127.0.0.1",
				p + "_PORT_80_TCP_PORT": port, p + "_PORT_80_TCP_PROTO": "tcp", p + "_ENV_K": "v"}
		}
		own := map[string]string{"K": "v"}
		for k, want := range []map[string]string{own, with(own, web("1", "40001")), with(own, web("1", "40001"), web("2", "40002"))} {
			if diff := cmp.Diff(want, r.ContainerVariables(app, current(app)[k])); diff != "" {
				t.Errorf("instance %d (-want +got):\n%s", k, diff)
			}
		}
		if _, _, err := r.RedeployInstance(ctx, current(app)[1].ID, nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		app = r.get(app)
		if diff := cmp.Diff(with(own, web("1", "40001")), r.ContainerVariables(app, current(app)[1])); diff != "" {
			t.Errorf("redeployed (-want +got):\n%s", diff)
		}
	})
}

func TestAnApplicationThatIsDeletedLosesItsLinksAndItsToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		r := newRig(t)
		defer r.stop()
		db := r.create("db", "slow")
		web := r.create("web", "slow", linkTo(db, "db"), global, func(n *fabric.NewApplication) { n.WebDNS = "www.example.com" })
		top := r.create("top", "demo/web", linkTo(web, "web"), global)
		web = r.get(web)
		if len(r.tokens.live) != 2 {
			t.Errorf("tokens %v", r.tokens.live)
		}
		if _, err := r.ws.Delete(ctx, web.Workload.ID); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{fabric.Subject(top.Workload.ID)}, slices.Sorted(maps.Keys(r.tokens.live))); diff != "" {
			t.Errorf("tokens of (-want +got):\n%s", diff)
		}
		if web = r.get(web); len(r.LinksFrom(web)) != 1 || len(r.LinksTo(web)) != 1 {
			t.Error("links go before the last instance has ended")
		}
		if _, err := r.Create(ctx, application("late", "demo/web", linkTo(web, "web"))); atoll.KindOf(err) != atoll.Invalid {
			t.Errorf("a link to what is being deleted: %v", err)
		}
		time.Sleep(3 * time.Second)
		web = r.get(web)
		if web.Status.Destroyed.IsZero() || len(r.LinksFrom(web))+len(r.LinksTo(web))+len(r.LinksTo(db))+len(r.LinksFrom(top)) != 0 {
			t.Errorf("links are left, %v", web.Status.Destroyed)
		}
		if a := states(r.get(top)); a != "0:running " {
			t.Errorf("a source whose target is deleted: %s", a)
		}
		want := &fabric.Application{Workload: web.Workload.ID, WebDNS: "www.example.com", Roles: []string{"global"}, FromImage: true}
		if diff := cmp.Diff(want, r.Application(web)); diff != "" {
			t.Errorf("the record for readers (-want +got):\n%s", diff)
		}
		time.Sleep(time.Hour + time.Minute)
		synctest.Wait()
		if diff := cmp.Diff(&fabric.Application{Workload: web.Workload.ID}, r.Application(web)); diff != "" {
			t.Errorf("the record goes with the row (-want +got):\n%s", diff)
		}
	})
}

func TestATokenThatCannotBeRevokedKeepsTheApplication(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		web := r.create("web", "demo/web", global)
		r.tokens.fail = atoll.Errorf(atoll.Internal, "issuer", "no")
		if _, err := r.ws.Delete(t.Context(), web.Workload.ID); atoll.KindOf(err) != atoll.Internal {
			t.Errorf("deleted: %v", err)
		}
		if web = r.get(web); web.Workload.Deleted != nil || r.Application(web).Token == "" {
			t.Errorf("half deleted: %+v", r.Application(web))
		}
		r.tokens.fail = nil
	})
}

func TestNobodyTakesThePlaceOfWhatThePlatformTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		web := r.get(r.create("web", "demo/web", global, user("TUTUM_PORT_80_TCP", "1", "TUTUM_AUTH", "mine", "PORT", "own")))
		if diff := cmp.Diff(map[string]string{"IMAGE": "web", "PORT": "own", "TUTUM_PORT_80_TCP": "40001", "TUTUM_AUTH": r.tokens.live[fabric.Subject(web.Workload.ID)]}, env(current(web)[0])); diff != "" {
			t.Errorf("environment (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[string]string{"PORT": "own"}, r.ContainerVariables(web, current(web)[0])); diff != "" {
			t.Errorf("shown (-want +got):\n%s", diff)
		}
	})
}

func TestAFunctionSeesItsVariablesAndItsWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		type seen struct {
			Env, Argv []string
			Config    string
		}
		got := make(chan seen, 1)
		r.must(r.funcs.Register("look", func(ctx context.Context, task *funcdriver.Task) error {
			got <- seen{Env: task.Environ(), Argv: task.Command(), Config: string(task.Config())}
			return nil
		}, driver.Image{}))
		r.must(r.Images().Register(fabric.Image{Name: "look", Driver: "func", Func: "look", Entrypoint: "look -v", Ports: tcp(8080, 80), Env: map[string]string{"A": "image", "B": "image"}}))
		r.create("x", "look", user("B", "mine", "PORT", "own"), func(n *fabric.NewApplication) { n.Command = `--name "two words" ''` })
		want := seen{Env: []string{"A=image", "B=mine", "PORT=own", "TUTUM_PORT_8080_TCP=40001", "TUTUM_PORT_80_TCP=40002"}, Argv: []string{"look", "-v", "--name", "two words", ""}}
		if diff := cmp.Diff(want, <-got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
