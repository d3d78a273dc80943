package coral_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestReferencesToRuntimes(t *testing.T) {
	e := start(t)
	neo, mia := e.as("neo"), e.as("mia")
	e.as("root").post("/api/users", `{"uniqueName":"my","fullName":"My","email":"my@x","password":"correct horse"}`).is(201, "")
	id := func(c caller, name string) string {
		var made struct{ ID string }
		c.create(pair(name)).is(201, "").JSON(&made)
		return made.ID
	}
	plain, dashed, hers := id(neo, "runtime1"), id(neo, "my-runtime"), id(mia, "other")
	dots := id(neo, "run.1")
	uuidLike := "neo-" + plain
	tests := []struct {
		name string
		who  caller
		ref  string
		want string // id, or "" for none
	}{
		{"a name of one's own", neo, "runtime1", plain},
		{"owner and name", neo, "neo-runtime1", plain},
		{"a UUID", neo, plain, plain},
		{"a UUID in capitals", neo, strings.ToUpper(plain), plain},
		{"a UUID with the owner before it", neo, uuidLike, ""},
		{"a UUID of nothing", neo, missingID, ""},
		{"a name with a dash while no user is called so", neo, "my-runtime", dashed},
		{"owner and a name with a dash", neo, "neo-my-runtime", dashed},
		{"somebody else's by the bare name", neo, "other", ""},
		{"another spelling", neo, "RUNTIME1", ""},
		{"a name with a dot and a number", neo, "run.1", dots},
		{"a copy of what has no copies", neo, "runtime1.1", ""},
		{"nothing but a dash", neo, "-", ""},
		{"a name behind a dash", neo, "-runtime1", ""},
		{"somebody else's by owner and name", e.as("root"), "mia-other", hers},
		{"escaped letters", neo, "%72untime1", plain},
		{"an escaped slash", neo, "neo%2Fruntime1", ""},
		{"a very long name", neo, strings.Repeat("x", 4000), ""},
	}
	for _, tt := range tests {
		e.Subtest(tt.name, func(t *testing.T) {
			a := tt.who.get("/api/runtimes/" + tt.ref)
			if tt.want == "" {
				if a.Status != 404 || !strings.Contains(a.Body, `"action":"Find runtime"`) {
					t.Errorf("%d %s", a.Status, a.Body)
				}
				return
			}
			var got struct{ ID string }
			a.is(200, "").JSON(&got)
			if got.ID != tt.want {
				t.Errorf("it is %s, want %s", got.ID, tt.want)
			}
		})
	}

	// A user of that name has a runtime of that name: now it comes first.
	my := e.as("my")
	taken := id(my, "runtime")
	my.post("/api/runtimes/runtime/permissions", `{"user":"neo","method":"GET","uri":"/api/runtimes/runtime","allowed":true}`).is(201, "")
	var got struct{ ID string }
	neo.get("/api/runtimes/my-runtime").is(200, "").JSON(&got)
	if got.ID != taken {
		t.Errorf("my-runtime is %s, want that of the user my", got.ID)
	}
	// Even a grant does not make a bare name reach somebody else's runtime.
	neo.get("/api/runtimes/runtime").fails(404, "Find runtime", "No runtime runtime.")
	neo.delete("/api/runtimes/neo-my-runtime").is(200, "")
	neo.get("/api/runtimes/"+dashed).fails(404, "Find runtime", "No runtime "+dashed+".")
}

func TestReferencesInAcceptAll(t *testing.T) {
	e := open(t)
	c := e.nobody()
	var made struct{ ID string }
	c.create(pair("runtime1")).is(201, "").JSON(&made)
	for _, ref := range []string{"runtime1", "coral-runtime1", made.ID, "neo-runtime1", "any-body-runtime1"} {
		var got struct{ ID string }
		c.get("/api/runtimes/"+ref).is(200, "").JSON(&got)
		if got.ID != made.ID {
			t.Errorf("%s is %s", ref, got.ID)
		}
	}
	c.get("/api/runtimes/neo-runtime2").fails(404, "Find runtime", "No runtime neo-runtime2.")
}

func TestPathsAndVerbs(t *testing.T) {
	e := open(t)
	c := e.nobody()
	c.create(pair("r")).is(201, "")
	for _, path := range []string{"/api", "/api/nothing", "/api/runtimes/r/nothing", "/api/runtimes/r/actors/in/state/x", "/api/platform", "/api/Runtimes", "/api/runtimes/r%2Factors", "/api//runtimes/"} {
		a := c.get(path)
		if a.Status != 404 || !strings.Contains(a.Body, `"success":false,"reason":`) {
			t.Errorf("%s: %d %s", path, a.Status, a.Body)
		}
	}
	c.get("/api/nothing").fails(404, "", "There is nothing at /api/nothing.")

	routes := map[string][]string{}
	for _, r := range rows {
		for route := range strings.SplitSeq(r.Routes, ", ") {
			method, path, _ := strings.Cut(route, " ")
			routes[path] = append(routes[path], method)
		}
	}
	for path, methods := range routes {
		allowed := append(slices.Clone(methods), "OPTIONS")
		if slices.Contains(methods, "GET") {
			allowed = append(allowed, "HEAD")
		}
		slices.Sort(allowed)
		target := strings.NewReplacer("{rid}", "r", "{aid}", "in", "{uid}", "coral", "{mid}", "127.0.0.1", "{pid}", missingID, "{project}", "p").Replace(path)
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "BREW"} {
			if slices.Contains(allowed, method) && method != "OPTIONS" {
				continue
			}
			a := c.do(method, target, nil)
			want := http.StatusMethodNotAllowed
			if method == "OPTIONS" {
				want = http.StatusNoContent
			}
			if got := a.Header.Get("Allow"); a.Status != want || got != strings.Join(allowed, ", ") {
				t.Errorf("%s %s: %d, Allow %q, want %d and %v", method, target, a.Status, got, want, allowed)
			}
			if method == "BREW" {
				a.fails(405, "", target+" does not take BREW.")
			}
		}
	}
}

func TestHeadIsGetWithoutBody(t *testing.T) {
	e := open(t)
	c := e.nobody()
	c.create(pair("r")).is(201, "")
	for _, path := range []string{"/", "/api/runtimes", "/api/runtimes/r", "/api/runtimes/r/actors/in", "/api/runtimes/none", "/api/users", "/api/projects/none", "/api/nothing", "/api/platform/settings"} {
		head, get := c.do("HEAD", path, nil), c.get(path)
		for _, h := range []string{"Content-Type", "Content-Length", "Cache-Control", "Vary"} {
			if head.Header.Get(h) != get.Header.Get(h) {
				t.Errorf("HEAD %s: %s %q, of GET %q", path, h, head.Header.Get(h), get.Header.Get(h))
			}
		}
		if head.Status != get.Status {
			t.Errorf("HEAD %s: %d, GET %d", path, head.Status, get.Status)
		}
	}
}

func TestSlashesAtTheEnd(t *testing.T) {
	e := open(t)
	c := e.nobody()
	c.post("/api/runtimes/", pair("r")).is(201, "")
	for _, path := range []string{"/api/runtimes", "/api/runtimes/r", "/api/runtimes/r/actors", "/api/runtimes/r/actors/in/stats", "/api/users", "/api/platform/cluster"} {
		if plain, slash := c.get(path), c.get(path+"/"); slash.Status != 200 || slash.Body != plain.Body {
			t.Errorf("%s/: %d %s", path, slash.Status, slash.Body)
		}
	}
	c.post("/api/runtimes/r/actors/in/", `{}`).is(200, `{"action":"Post event","success":true}`)
	c.patch("/api/runtimes/r/", `{"status":"start"}`).is(200, "")
}

func TestHeadersOfRequests(t *testing.T) {
	e := open(t)
	c := e.nobody()
	c.create(pair("r")).is(201, "")
	for _, accept := range []string{"", "*/*", "application/*", "application/json", "application/json;q=0.5, text/html", "text/html, */*;q=0.1", "Application/JSON; charset=utf-8"} {
		c.with("Accept", accept).get("/api/runtimes").is(200, "")
	}
	for _, accept := range []string{"text/html", "application/xml", "application/json;q=0", "image/*"} {
		c.with("Accept", accept).get("/api/runtimes").fails(406, "Set HTTP header", "Only application/json can be returned.")
	}
	for _, typ := range []string{"application/json", "application/json; charset=UTF-8", "Application/Json"} {
		c.with("Content-Type", typ).post("/api/runtimes/r/actors/in", `{}`).is(200, "")
	}
	for _, typ := range []string{"text/plain", "application/x-www-form-urlencoded", "application/vnd.api+json", "json", "multipart/form-data; boundary=x"} {
		c.with("Content-Type", typ).post("/api/runtimes/r/actors/in", `{}`).fails(415, "Set HTTP header", "Only application/json is accepted.")
	}
	c.with("Content-Type", "text/plain").do("GET", "/api/runtimes", "not looked at").is(200, "")
}

func TestOrderOfChecks(t *testing.T) {
	e := start(t)
	e.as("neo").create(pair("r")).is(201, "")
	both := func(c caller) caller { return c.with("Accept", "text/html").with("Content-Type", "text/plain") }
	both(e.nobody()).patch("/api/runtimes/none", `x`).fails(401, "", "Valid credentials are required.")
	both(e.as("mia")).patch("/api/runtimes/none", `x`).fails(406, "Set HTTP header", "Only application/json can be returned.")
	e.as("mia").with("Content-Type", "text/plain").patch("/api/runtimes/none", `x`).fails(415, "Set HTTP header", "Only application/json is accepted.")
	e.as("mia").patch("/api/runtimes/none", `x`).is(400, "") // says nothing about the runtime
	e.as("mia").patch("/api/runtimes/none", `{"status":"stop"}`).fails(404, "Find runtime", "No runtime none.")
	e.as("mia").get("/api/runtimes/neo-r/actors/nobody").fails(403, "", "You may not GET /api/runtimes/neo-r/actors/nobody.")
	e.as("neo").get("/api/runtimes/neo-r/actors/nobody").fails(404, "Get actor", "No actor nobody.")
}

func TestUnknownAndRepeatedMembers(t *testing.T) {
	e := open(t)
	c := e.nobody()
	c.create(`{"note":{"a":[1]},`+pair("first")[1:]).is(201, `{"success":true,"created":"`+at0+`","id":"#1","definition":{"note":{"a":[1]},`+shownPair("first", implicitID)[1:]+`}`)
	c.create(`{"name":"wrong","name":"second",`+pair("x")[12:]).is(201, "")
	if a := c.get("/api/runtimes/second").is(200, ""); !json.Valid([]byte(a.Body)) || strings.Contains(a.Body, "wrong") {
		t.Errorf("the first of two members is still there: %s", a.Body)
	}
	c.post("/api/projects", `{"name":"p","name":"q","color":"red"}`).is(201, "")
	c.get("/api/projects/q").is(200, "")
	c.patch("/api/runtimes/second", `{"STATUS":"stop","status":"start","x":1e400}`).is(200, "")
}
