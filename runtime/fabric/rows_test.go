package fabric_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/internal/store/storetest"
	"github.com/atoll-platform/atoll/runtime/fabric"
)

func TestRowsArePlainData(t *testing.T) { storetest.RoundTrip(t, fabric.Tables()...) }

func TestLinkedApplicationsGoOnAfterARestart(t *testing.T) {
	for name, crash := range map[string]bool{"that was announced": false, "that nobody expected": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				old := newRig(t)
				db := old.get(old.create("db", "demo/db:1", user("PASS", "secret")))
				web := old.get(old.create("web", "demo/web", linkTo(db, "db"), global, func(n *fabric.NewApplication) { n.WebDNS = "w.example.com" }))
				first := env(current(web)[0])
				var image bytes.Buffer
				if !crash {
					old.must(old.ws.Shutdown(ctx))
				}
				old.must(old.st.Snapshot(&image))
				record, links := old.Application(web), old.LinksFrom(web)
				old.stop()

				st := openStore(t)
				if err := st.Restore(&image); err != nil {
					t.Fatal(err)
				}
				r := newRigOn(t, st, nil)
				defer r.stop()
				r.ports.Store(50000)
				r.tokens = old.tokens
				db, web = r.get(db), r.get(web)
				if a, b := states(db), states(web); a != "0:running " || b != "0:running " {
					t.Fatalf("db %s, web %s", a, b)
				}
				if diff := cmp.Diff(record, r.Application(web)); diff != "" {
					t.Errorf("record (-want +got):\n%s", diff)
				}
				if record.Token == "" || record.Token.Reveal() != r.Application(web).Token.Reveal() {
					t.Error("the token is another")
				}
				if diff := cmp.Diff(links, r.LinksTo(db)); diff != "" {
					t.Errorf("links (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(first, env(current(web)[0])); diff != "" {
					t.Errorf("environment (-want +got):\n%s", diff)
				}
				if _, err := r.ws.Scale(ctx, web.Workload.ID, 2); err != nil {
					t.Fatal(err)
				}
				second := env(current(r.get(web))[1])
				if second["TUTUM_AUTH"] != first["TUTUM_AUTH"] || second["DB_1_PORT"] != r.LinkVariables(db)["DB_1_PORT"] || second["DB_1_ENV_PASS"] != "secret" {
					t.Errorf("a later instance: %v", second)
				}
			})
		})
	}
}

func TestTheTokenIsShownNowhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		stream := r.st.Watch(t.Context(), r.st.LastIndex(), nil)
		web := r.get(r.create("web", "demo/web", global))
		token := r.tokens.live[fabric.Subject(web.Workload.ID)]
		app := r.create("other", "demo/web")
		var shown strings.Builder
		for stream.Position() < r.st.LastIndex() {
			c, err := stream.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for k := range c.Changes {
				before, after := c.Public(k)
				_ = json.NewEncoder(&shown).Encode([]any{before, after})
				fmt.Fprintf(&shown, "%v %+v %#v %s\n", after, after, after, c.Changes[k].FQN)
			}
			_ = json.NewEncoder(&shown).Encode(c.Notes)
		}
		fmt.Fprintf(&shown, "%+v %#v", r.Application(web), *r.Application(web))
		fmt.Fprint(&shown, r.LinkVariables(web), r.ContainerVariables(web, web.Instances[0]), r.ContainerLinkVariables(web, web.Instances[0]), r.Variables(web))
		_ = json.NewEncoder(&shown).Encode(web)
		if token == "" || strings.Contains(shown.String(), strings.TrimPrefix(token, "ApiKey neo:")) || !strings.Contains(shown.String(), `"applications"`) && !strings.Contains(shown.String(), web.Workload.ID) {
			t.Errorf("the token %q is shown in %d bytes", token, shown.Len())
		}
		if env(r.get(app).Instances[0])["TUTUM_AUTH"] != "" {
			t.Error("an application without the role has a token")
		}
	})
}

func TestLinksAndRecordsFollowTheirWorkload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		db := r.create("db", "demo/db:1")
		var commit *store.Commit
		stream := r.st.Watch(t.Context(), r.st.LastIndex(), nil)
		web := r.create("web", "demo/web", linkTo(db, "db"), global)
		for commit == nil || commit.Index != web.Index {
			var err error
			if commit, err = stream.Next(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		got := map[string]int{}
		for _, c := range commit.Changes {
			if c.FQN == web.Workload.FQN {
				got[c.Table]++
			}
		}
		want := map[string]int{"workloads": 1, "workloadslots": 1, "workloadinstances": 1, "workloadstatus": 1, "links": 1, "applications": 1}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("rows of the commit, by address (-want +got):\n%s", diff)
		}
		var notes []string
		for _, n := range commit.Notes {
			notes = append(notes, fmt.Sprint(n.Event, " ", n.FQN, " ", n.Detail))
		}
		if diff := cmp.Diff([]string{"job.create job::/tutum/neo::web <nil>", "job.link job::/tutum/neo::web map[name:db target:job::/tutum/neo::db]"}, notes); diff != "" {
			t.Errorf("notes (-want +got):\n%s", diff)
		}
	})
}
