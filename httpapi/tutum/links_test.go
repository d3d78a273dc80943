package tutum_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/platform"
)

// environment are the variables with which a container was last started.
func (e *env) environment(container object) map[string]string {
	e.Helper()
	run, ok := e.stage.played(container.uuid())
	if !ok {
		e.Fatalf("%s was never started", container.text("unique_name"))
	}
	out := map[string]string{}
	for _, v := range run.Env {
		name, value, _ := strings.Cut(v, "=")
		out[name] = value
	}
	return out
}

// outer is the outer port of a container's first port.
func (o object) outer() string {
	return fmt.Sprint(o["container_ports"].([]any)[0].(map[string]any)["outer_port"])
}

func TestLinks(t *testing.T) {
	in(t, func(e *env) {
		neo := e.neo()
		db := neo.created(`{"image":"redis","name":"my-db","target_num_containers":2,"container_envvars":[{"key":"PASSWORD","value":"x y"}]}`)
		web := neo.created(`{"image":"tutum/hello-world","name":"web","container_envvars":[{"key":"DB_2_ENV_PASSWORD","value":"mine"}],
			"linked_to_application":[{"to_application":"` + db.uri() + `","name":"db"},"` + db.uuid() + `"]}`)
		links := []any{map[string]any{"from_application": web.uri(), "to_application": db.uri(), "name": "db"},
			map[string]any{"from_application": web.uri(), "to_application": db.uri(), "name": "my-db"}}
		for what, o := range map[string]object{"web": web, "its container": neo.con(web, 0)} {
			if diff := cmp.Diff(links, o["linked_to_application"]); diff != "" || len(o["linked_from_application"].([]any)) != 0 {
				t.Errorf("links of %s (-want +got):\n%s", what, diff)
			}
		}
		for what, o := range map[string]object{"db": neo.app(db), "its container": neo.con(db, 1)} {
			if diff := cmp.Diff(links, o["linked_from_application"]); diff != "" || len(o["linked_to_application"].([]any)) != 0 {
				t.Errorf("links of %s (-want +got):\n%s", what, diff)
			}
		}
		want := map[string]string{"DB_TUTUM_API_URL": db.uri(), "MY_DB_TUTUM_API_URL": db.uri()}
		for i := range 2 {
			c := neo.con(db, i)
			for _, p := range []string{"DB", "MY_DB"} {
				p = fmt.Sprintf("%s_%d_", p, i+1)
				want[p+"PORT"] = "tcp://127.0.0.1:" + c.outer()
				want[p+"PORT_6379_TCP"] = "tcp://127.0.0.1:" + c.outer()
				want[p+"PORT_6379_TCP_ADDR"], want[p+"PORT_6379_TCP_PORT"], want[p+"PORT_6379_TCP_PROTO"] = "127.0.0.1", c.outer(), "tcp"
				want[p+"ENV_PASSWORD"] = "x y"
			}
			// A container shows its own part, without the URL.
			for name := range c["link_variables"].(map[string]any) {
				if !strings.HasPrefix(name, fmt.Sprintf("MY_DB_%d_", i+1)) {
					t.Errorf("container %d has the variable %s", i+1, name)
				}
			}
		}
		shown := map[string]any{}
		for k, v := range want {
			if strings.HasPrefix(k, "MY_DB_") {
				shown[k] = v
			}
		}
		if diff := cmp.Diff(shown, neo.app(db)["link_variables"]); diff != "" {
			t.Errorf("link_variables (-want +got):\n%s", diff)
		}
		want["DB_2_ENV_PASSWORD"] = "mine" // the application's own word is the last
		c := neo.con(web, 0)
		got := map[string]string{}
		for _, v := range c["container_envvars"].([]any) {
			v := v.(map[string]any)
			if v["container"] != c.uri() {
				t.Errorf("%v is not of the container", v)
			}
			got[v["key"].(string)] = v["value"].(string)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("container_envvars (-want +got):\n%s", diff)
		}
		want["PORT"], want["TUTUM_PORT_80_TCP"] = c.outer(), c.outer()
		if diff := cmp.Diff(want, e.environment(c)); diff != "" {
			t.Errorf("its environment (-want +got):\n%s", diff)
		}
		// They are static: a change of the target needs a redeploy of the source.
		neo.patch(db.uri(), `{"target_num_containers":1}`).is(202, "")
		e.settle()
		neo.post(web.uri()+"stop/", nil).is(202, "")
		e.settle()
		neo.post(web.uri()+"start/", nil).is(202, "")
		e.settle()
		if diff := cmp.Diff(want, e.environment(neo.con(web, 0))); diff != "" {
			t.Errorf("after a restart (-before +after):\n%s", diff)
		}
		neo.post(web.uri()+"redeploy/", nil).is(202, "")
		e.settle()
		if env := e.environment(neo.con(web, 0)); env["DB_1_PORT"] == "" || env["DB_2_PORT"] != "" || env["DB_2_ENV_PASSWORD"] != "mine" {
			t.Errorf("after a redeploy: %v", env)
		}
		// The target may go: what was given stays, the link goes with it.
		neo.delete(db.uri()).is(202, "")
		e.settle()
		if now := neo.app(web); now.state() != "Running" || len(now["linked_to_application"].([]any)) != 0 || e.environment(neo.con(web, 0))["DB_1_PORT"] == "" {
			t.Errorf("without its target: %v", now)
		}
		for _, ref := range []string{db.uri(), db.uuid(), strings.ToUpper(db.uuid()), noSuch, "x", apps, cons + neo.con(web, 0).uuid() + "/"} {
			neo.post(apps, `{"image":"worker","linked_to_application":["`+ref+`"]}`).is(400, `{"error":"*","application":{"linked_to_application":["*"]}}`)
		}
		neo.post(apps, `{"image":"worker","linked_to_application":["`+web.uri()+`",{"to_application":"`+web.uuid()+`","name":"web"}]}`).
			is(400, `{"error":"*","application":{"linked_to_application":["*"]}}`)
		neo.delete(web.uri()).is(202, "")
		e.settle()
	})
}

func TestEnvironmentOfAContainer(t *testing.T) {
	in(t, func(e *env) {
		neo := e.neo()
		a := neo.created(`{"image":"redis","container_envvars":[{"key":"PORT","value":"7"},{"key":"REDIS_MODE","value":"mine"},{"key":"B","value":""},{"key":"A","value":"ä \"x\" $HOME"}]}`)
		c := neo.con(a, 0)
		if diff := cmp.Diff(map[string]string{"PORT": "7", "REDIS_MODE": "mine", "B": "", "A": `ä "x" $HOME`, "TUTUM_PORT_6379_TCP": c.outer()}, e.environment(c)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		vars := func(o object, member string) []any {
			own := o.uri()
			return []any{map[string]any{"key": "A", "value": `ä "x" $HOME`, member: own}, map[string]any{"key": "B", "value": "", member: own},
				map[string]any{"key": "PORT", "value": "7", member: own}, map[string]any{"key": "REDIS_MODE", "value": "mine", member: own}}
		}
		if diff := cmp.Diff(vars(a, "application"), a["container_envvars"]); diff != "" {
			t.Errorf("of the application (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(vars(c, "container"), c["container_envvars"]); diff != "" {
			t.Errorf("of the container (-want +got):\n%s", diff)
		}
		plain := neo.created(`{"image":"redis","name":"plain"}`)
		if c = neo.con(plain, 0); len(c["container_envvars"].([]any)) != 0 || e.environment(c)["REDIS_MODE"] != "image" {
			t.Errorf("the image's variables: %v, %v", c["container_envvars"], e.environment(c))
		}
		udp := neo.created(`{"image":"worker","container_ports":[{"protocol":"udp","inner_port":53},{"protocol":"tcp","inner_port":443},{"protocol":"tcp","inner_port":80}]}`)
		env := e.environment(neo.con(udp, 0))
		if env["PORT"] != env["TUTUM_PORT_80_TCP"] || env["PORT"] == "" || env["TUTUM_PORT_53_UDP"] == "" || env["TUTUM_PORT_443_TCP"] == "" {
			t.Errorf("ports: %v", env)
		}
	})
}

func TestNamesOfHosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, []platform.Option{platform.WithBaseDomain("apps.example.com"), platform.WithPublicURL("https://tutum.example.com")})
		a := e.neo().created(`{"image":"redis","name":"db"}`)
		c := e.neo().con(a, 0)
		if a.text("public_dns") != "db-neo.apps.example.com" || c.text("public_dns") != "db-1-neo.apps.example.com" {
			t.Errorf("%s, %s", a.text("public_dns"), c.text("public_dns"))
		}
		vars := a["link_variables"].(map[string]any)
		if vars["DB_TUTUM_API_URL"] != "https://tutum.example.com"+a.uri() || vars["DB_1_PORT_6379_TCP_ADDR"] != "db-1-neo.apps.example.com" {
			t.Errorf("%v", vars)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		e := start(t, []platform.Option{platform.WithAdvertised("localhost")})
		a := e.neo().created(`{"image":"redis","name":"db"}`)
		if c := e.neo().con(a, 0); a.text("public_dns") != "localhost" || c.text("public_dns") != "localhost" {
			t.Errorf("%s, %s", a.text("public_dns"), c.text("public_dns"))
		}
	})
}

func TestLogs(t *testing.T) {
	in(t, func(e *env) {
		neo := e.neo()
		a := neo.created(`{"image":"worker","target_num_containers":2,"run_command":"lines=3 raw=part after=1h exit=0"}`)
		one := neo.con(a, 0)
		neo.get(one.uri()+"logs/").is(200, `{"logs":"line 1\nline 2\nline 3\n"}`)
		e.pass(2 * time.Second) // a line without an end is taken in time
		neo.get(one.uri()+"logs/").is(200, `{"logs":"line 1\nline 2\nline 3\npart"}`)
		for tail, want := range map[string]string{"0": "", "1": `part`, "2": `line 3\npart`, "4": `line 1\nline 2\nline 3\npart`, "9": `line 1\nline 2\nline 3\npart`, "99999999999999999999": `line 1\nline 2\nline 3\npart`, "1&tail=2": `line 3\npart`} {
			neo.get(one.uri()+"logs/?tail="+tail).is(200, `{"logs":"`+want+`"}`)
		}
		for _, tail := range []string{"x", "-1", "1.5", "", "1e1"} {
			neo.get(one.uri()+"logs/?tail="+tail).is(400, `{"error":"*"}`)
			neo.get(a.uri()+"logs/?tail="+tail).is(400, `{"error":"*"}`)
		}
		whole := neo.get(a.uri()+"logs/").is(200, "").object().text("logs")
		lines := strings.Split(strings.TrimSuffix(whole, "\n"), "\n")
		slices.Sort(lines)
		if diff := cmp.Diff([]string{"[worker-1] line 1", "[worker-1] line 2", "[worker-1] line 3", "[worker-1] part", "[worker-2] line 1", "[worker-2] line 2", "[worker-2] line 3", "[worker-2] part"}, lines); diff != "" {
			t.Errorf("of the application (-want +got):\n%s", diff)
		}
		if got := neo.get(a.uri()+"logs/?tail=3").is(200, "").object().text("logs"); strings.Count(got, "[worker-") != 3 || !strings.HasSuffix(whole, got) {
			t.Errorf("the last three: %q", got)
		}
		// They survive stop, restart and termination, and no replacement.
		neo.post(a.uri()+"stop/", nil).is(202, "")
		e.settle()
		neo.get(one.uri()+"logs/?tail=1").is(200, `{"logs":"part"}`)
		neo.delete(one.uri()).is(202, "")
		e.settle()
		neo.get(one.uri()+"logs/?tail=1").is(200, `{"logs":"part"}`)
	})
	in(t, func(e *env) {
		neo := e.neo()
		a := neo.created(`{"image":"worker","run_command":"quiet"}`)
		neo.get(neo.con(a, 0).uri()+"logs/").is(200, `{"logs":""}`)
		neo.get(a.uri()+"logs/").is(200, `{"logs":""}`)
		failed := neo.created(`{"image":"worker","run_command":"fail=127"}`)
		neo.get(failed.uri()+"logs/").is(200, "")
		odd := neo.created(`{"image":"worker","run_command":"hex=610a62ff63e4bd0a"}`)
		neo.get(neo.con(odd, 0).uri()+"logs/").is(200, `{"logs":"a\nb`+"\ufffd"+`c`+"\ufffd\ufffd"+`\n"}`)
	})
	in(t, func(e *env) { // of an application: those of its containers that are listed
		neo := e.neo()
		a := neo.created(`{"image":"worker","target_num_containers":2,"run_command":"lines=2000"}`)
		if got := neo.get(a.uri()+"logs/").is(200, "").object().text("logs"); strings.Count(got, "\n") != 4000 {
			t.Errorf("%d lines", strings.Count(got, "\n"))
		}
		neo.delete(neo.con(a, 1).uri()).is(202, "")
		e.settle()
		if got := neo.get(a.uri()+"logs/").is(200, "").object().text("logs"); strings.Count(got, "[worker-2] ") != 2000 {
			t.Errorf("of one that has just gone: %d lines in all", strings.Count(got, "\n"))
		}
		e.pass(5 * time.Minute)
		if got := neo.get(a.uri()+"logs/").is(200, "").object().text("logs"); strings.Count(got, "[worker-1] ") != 2000 || strings.Contains(got, "[worker-2] ") {
			t.Errorf("of one that is not listed any more: %d lines in all", strings.Count(got, "\n"))
		}
	})
	in(t, func(e *env) { // the newest 1 MiB, cut at the start of a line
		neo := e.neo()
		a := neo.created(`{"image":"worker","run_command":"lines=1500 dots=1000"}`)
		got := neo.get(neo.con(a, 0).uri()+"logs/").is(200, "").object().text("logs")
		dots := strings.Repeat(".", 1000)
		if len(got) > 1<<20 || len(got) < 1<<20-1100 || !strings.HasPrefix(got, "line ") || !strings.HasSuffix(got, "\nline 1500"+dots+"\n") {
			t.Errorf("%d bytes, from %.20q to %q", len(got), got, got[max(0, len(got)-20):])
		}
		first, _, _ := strings.Cut(got, "\n")
		if n := strings.Count(got, "\n"); first != fmt.Sprintf("line %d", 1500-n+1)+dots {
			t.Errorf("it begins with %.20q, and has %d lines", first, n)
		}
	})
}
