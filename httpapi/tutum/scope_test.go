package tutum_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/tenancy"
)

func TestObjectsOfOthersAreNotThere(t *testing.T) {
	in(t, func(e *env) {
		a := e.neo().created(`{"image":"worker"}`)
		c := e.neo().con(a, 0)
		for _, who := range []string{"mia", "root"} { // administrators too
			for _, r := range contract.Rows {
				if r.ID == "T1" || r.ID == "T2" || r.ID == "T8" {
					continue
				}
				for what, uuid := range map[string]string{"somebody else's": a.uuid(), "nobody's": noSuch, "no uuid": "worker", "one with a slash": "a%2Fb", "a dot": "."} {
					noun := "application"
					if strings.Contains(r.Path(), "/container") {
						noun = "container"
						if uuid == a.uuid() {
							uuid = c.uuid()
						}
					}
					body := any(nil)
					if r.ID == "T4" {
						body = `{"target_num_containers":3}`
					}
					got := e.as(who).do(r.Method(), target(&r, uuid), body)
					if got.Status != 404 {
						t.Errorf("%s for %s of %s: %d %s", r.ID, who, what, got.Status, got.Body)
						continue
					}
					got.fails(404, "There is no "+noun+" "+strings.ReplaceAll(uuid, "%2F", "/")+".")
				}
			}
			if n := e.as(who).get(apps).is(200, "").names(); len(n) != 0 {
				t.Errorf("%s sees %v", who, n)
			}
			if n := e.as(who).get(cons).is(200, "").names(); len(n) != 0 {
				t.Errorf("%s sees %v", who, n)
			}
			r := e.as(who).post(apps, `{"image":"worker","linked_to_application":["`+a.uri()+`"]}`)
			r.is(400, `{"error":"*","application":{"linked_to_application":["*"]}}`)
		}
		if diff := cmp.Diff(a, e.neo().app(a)); diff != "" {
			t.Errorf("somebody else changed it (-before +after):\n%s", diff)
		}
		// One kind of object is not the other; case does not matter.
		e.neo().get(apps+c.uuid()+"/").is(404, "")
		e.neo().get(cons+a.uuid()+"/").is(404, "")
		e.neo().get(apps+strings.ToUpper(a.uuid())+"/").is(200, "")
		e.neo().get(cons+strings.ToUpper(c.uuid())+"/logs/").is(200, "")
		e.neo().post(cons+strings.ToUpper(c.uuid())+"/stop/", nil).is(202, "")
	})
}

func TestWhatThePolicyRefuses(t *testing.T) {
	in(t, func(e *env) {
		a := e.neo().created(`{"image":"worker"}`)
		c := e.neo().con(a, 0)
		version := uint64(1)
		reader := func(actions string) {
			t.Helper()
			text := `job::/tutum/[who] { if (account->name == [who]) { permit ` + actions + ` } }`
			if _, _, err := e.p.Policy().Put(context.Background(), []policy.DocumentWrite{{Name: "tutum", Text: text, ForVersion: version}}); err != nil {
				t.Fatal(err)
			}
			version++
		}
		reader("read")
		for _, r := range contract.Rows {
			uuid := a.uuid()
			if strings.Contains(r.Path(), "/container") {
				uuid = c.uuid()
			}
			body := any(nil)
			switch r.ID {
			case "T2":
				body = `{"image":"worker"}`
			case "T4":
				body = `{"target_num_containers":2}`
			}
			if got := e.neo().do(r.Method(), target(&r, uuid), body); r.Method() == "GET" {
				got.is(200, "")
			} else {
				got.fails(403, "You may not "+r.Method()+" "+target(&r, uuid)+".")
			}
		}
		reader("read, stop")
		e.neo().delete(c.uri()).is(403, "") // it changes the target of its application
		reader("read, update")
		e.neo().post(c.uri()+"stop/", nil).is(403, "")
		e.neo().patch(a.uri(), `{"autorestart":"OFF"}`).is(202, "")
		reader("start")
		for _, r := range contract.Rows {
			if r.Method() != "GET" {
				continue
			}
			uuid, noun := a.uuid(), "application"
			if strings.Contains(r.Path(), "/container") {
				uuid, noun = c.uuid(), "container"
			}
			got := e.neo().get(target(&r, uuid))
			if !strings.Contains(r.Path(), "{uuid}") {
				got.is(200, `{"meta":{"limit":25,"next":null,"offset":0,"previous":null,"total_count":0},"objects":[]}`)
				continue
			}
			got.fails(404, "There is no "+noun+" "+uuid+".") // what may not be read is not there
		}
	})
}

func TestAKeyWithScopes(t *testing.T) {
	in(t, func(e *env) {
		a := e.neo().created(`{"image":"worker"}`)
		u, err := e.p.Users().Get(context.Background(), "neo")
		if err != nil {
			t.Fatal(err)
		}
		_, text, err := e.p.Keys().Create(context.Background(), u.ID, tenancy.NewKey{Scopes: []string{"job.read"}})
		if err != nil {
			t.Fatal(err)
		}
		reader := e.with("Authorization", "ApiKey neo:"+text.Reveal())
		reader.get(a.uri()).is(200, "")
		reader.post(a.uri()+"stop/", nil).is(403, "")
		reader.delete(a.uri()).is(403, "")
	})
}

func TestQuotas(t *testing.T) {
	in(t, func(e *env) {
		if _, _, err := e.p.Policy().Put(context.Background(), []policy.DocumentWrite{{Name: "few", Text: `quota::/tutum/neo { { max.instances 2 } }`}}); err != nil {
			t.Fatal(err)
		}
		e.neo().post(apps, `{"image":"worker","target_num_containers":3}`).is(400, `{"error":"*"}`)
		a := e.neo().created(`{"image":"worker","target_num_containers":2}`)
		e.neo().patch(a.uri(), `{"target_num_containers":3}`).is(400, `{"error":"*"}`)
		e.as("mia").created(`{"image":"worker","target_num_containers":3}`)
	})
}

// auth is the token of the container of an application with the role global.
func (e *env) auth(a object) string {
	e.Helper()
	run, ok := e.stage.played(e.neo().con(a, 0).uuid())
	if !ok {
		e.Fatal("the container was never started")
	}
	for _, v := range run.Env {
		if value, ok := strings.CutPrefix(v, "TUTUM_AUTH="); ok {
			return value
		}
	}
	return ""
}

func TestTheRoleGlobal(t *testing.T) {
	in(t, func(e *env) {
		neo := e.neo()
		plain := neo.created(`{"image":"worker"}`)
		if got := e.auth(plain); got != "" {
			t.Errorf("without the role: TUTUM_AUTH=%s", got)
		}
		e.pass(time.Second)
		a := neo.created(`{"image":"worker","name":"boss","roles":["global"]}`)
		if diff := cmp.Diff([]string{"global"}, neo.con(a, 0).strings("roles")); diff != "" {
			t.Errorf("roles of its container (-want +got):\n%s", diff)
		}
		token := e.auth(a)
		if !strings.HasPrefix(token, "ApiKey neo:") {
			t.Fatalf("TUTUM_AUTH=%s", token)
		}
		own := e.with("Authorization", token)
		if diff := cmp.Diff([]string{"worker", "boss"}, own.get(apps).is(200, "").names()); diff != "" {
			t.Errorf("what it sees (-want +got):\n%s", diff)
		}
		made := own.created(`{"image":"worker","name":"child"}`)
		neo.get(made.uri()).is(200, "") // it acts for its owner
		own.delete(made.uri()).is(202, "")
		e.with("Authorization", strings.Replace(token, "neo", "mia", 1)).get(apps).fails(401, "Unauthorized")
		for _, text := range []string{neo.get(a.uri()).Body, neo.get(neo.con(a, 0).uri()).Body, neo.get(apps).Body, neo.get(cons).Body} {
			if strings.Contains(text, strings.TrimPrefix(token, "ApiKey neo:")) || strings.Contains(text, "TUTUM_AUTH") {
				t.Errorf("the token is shown: %s", text)
			}
		}
		neo.delete(a.uri()).is(202, "")
		own.get(apps).fails(401, "Unauthorized")
	})
}
