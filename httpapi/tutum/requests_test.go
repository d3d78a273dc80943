package tutum_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/atoll-platform/atoll/httpapi"
	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/tenancy"
)

// limited is a test on a platform with other bounds of serving.
func limited(t *testing.T, l rest.Limits, fn func(e *env)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { fn(start(t, nil, httpapi.WithLimits(l))) })
}

// targets are targets of all rows, for an application of neo and its container.
func (e *env) targets() map[string]string {
	e.Helper()
	a := e.neo().created(`{"image":"tutum/hello-world"}`)
	c := e.neo().con(a, 0)
	out := map[string]string{}
	for _, r := range contract.Rows {
		uuid := a.uuid()
		if strings.Contains(r.Path(), "/container") {
			uuid = c.uuid()
		}
		out[r.ID] = target(&r, uuid)
	}
	return out
}

func basic(name, key string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+key))
}

func TestEveryRowRefusesCallersWhoAreNotKnown(t *testing.T) {
	limited(t, rest.Limits{BadLogins: -1}, func(e *env) {
		if _, err := e.p.Users().Update(t.Context(), "mia", tenancy.UserUpdate{}); err != nil {
			t.Fatal(err)
		}
		targets := e.targets()
		for name, credentials := range map[string]string{
			"no credentials":                 "",
			"another scheme":                 "Bearer " + keys["neo"],
			"a scheme alone":                 "ApiKey",
			"no colon":                       "ApiKey neo" + keys["neo"],
			"no key":                         "ApiKey neo:",
			"no name":                        "ApiKey :" + keys["neo"],
			"an unknown name":                "ApiKey nobody:" + keys["neo"],
			"a wrong key":                    "ApiKey neo:" + strings.Repeat("0", 40),
			"the key of somebody else":       "ApiKey neo:" + keys["mia"],
			"a key that is longer":           "ApiKey neo:" + keys["neo"] + "0",
			"a key with a second colon":      "ApiKey neo:" + keys["neo"] + ":",
			"the password in place of a key": basic("neo", "correct horse"),
			"Basic that is no base64":        "Basic %%%",
			"Basic without a colon":          "Basic " + base64.StdEncoding.EncodeToString([]byte("neo")),
			"Basic with a wrong key":         basic("neo", keys["mia"]),
		} {
			for _, r := range contract.Rows {
				a := e.with("Authorization", credentials).do(r.Method(), targets[r.ID], nil)
				if a.Status != 401 {
					t.Fatalf("%s: %s answered %d %s", name, a.Call, a.Status, a.Body)
				}
				a.fails(401, "Unauthorized")
				if got := a.Header.Get("WWW-Authenticate"); got != "ApiKey" {
					t.Errorf("%s: WWW-Authenticate: %q", name, got)
				}
			}
		}
		// Keys do not belong in URLs.
		e.nobody().get(apps+"?username=neo&api_key="+keys["neo"]).fails(401, "Unauthorized")
	})
}

func TestADisabledAccountIsNotKnown(t *testing.T) {
	in(t, func(e *env) {
		e.neo().get(apps).is(200, "")
		off := true
		if _, err := e.p.Users().Update(t.Context(), "neo", tenancy.UserUpdate{Disabled: tenancy.To(off)}); err != nil {
			t.Fatal(err)
		}
		e.neo().get(apps).fails(401, "Unauthorized")
	})
}

func TestSpellingsOfCredentials(t *testing.T) {
	in(t, func(e *env) {
		for name, credentials := range map[string]string{
			"as documented":            "ApiKey neo:" + keys["neo"],
			"the scheme in lower case": "apikey neo:" + keys["neo"],
			"the scheme in upper case": "APIKEY neo:" + keys["neo"],
			"blanks around both parts": "ApiKey   neo : " + keys["neo"] + " ",
			"the name in another case": "ApiKey NEO:" + keys["neo"],
			"the key in upper case":    "ApiKey neo:" + strings.ToUpper(keys["neo"]),
			"Basic, as later clients":  basic("neo", keys["neo"]),
			"Basic in another case":    strings.Replace(basic("neo", keys["neo"]), "Basic", "bAsIc", 1),
		} {
			if a := e.with("Authorization", credentials).get(apps); a.Status != 200 {
				t.Errorf("%s: %d %s", name, a.Status, a.Body)
			}
		}
	})
}

func TestEveryRowAsksForAnAnswerInJSON(t *testing.T) {
	in(t, func(e *env) {
		targets := e.targets()
		for _, r := range contract.Rows {
			for _, accept := range []string{"text/html", "application/xml, text/*;q=0.5", "application/json;q=0", "image/png"} {
				e.neo().with("Accept", accept).do(r.Method(), targets[r.ID], nil).fails(415, "Only application/json can be returned.")
			}
		}
		for _, accept := range []string{"", "*/*", "application/*", "application/json", "Application/JSON; charset=utf-8", "text/html, application/json;q=0.1", "text/html,*/*;q=0.8"} {
			e.neo().with("Accept", accept).get(apps).is(200, "")
		}
	})
}

func TestEveryRowBoundsItsBody(t *testing.T) {
	in(t, func(e *env) {
		targets := e.targets()
		large := `{"x":"` + strings.Repeat("x", wholeBody-7) + `"}`
		for _, r := range contract.Rows {
			e.neo().do(r.Method(), targets[r.ID], large).fails(413, "The body is larger than the limit.")
			if !r.Body {
				continue
			}
			for _, typ := range []string{"text/plain", "application/x-www-form-urlencoded", "application/jsonx"} {
				e.neo().with("Content-Type", typ).do(r.Method(), targets[r.ID], `{}`).fails(415, "Only application/json is accepted.")
			}
			e.neo().with("Content-Encoding", "gzip").do(r.Method(), targets[r.ID], `{}`).fails(415, "Only application/json is accepted.")
			for name, body := range map[string]string{
				"an array": `[{}]`, "a text": `"x"`, "a number": `1`, "null": `null`, "half an object": `{"a":`, "trailing text": `{} x`,
				"two objects": `{}{}`, "a comma too many": `{"a":1,}`, "bytes that are no text": "{\"a\":\"\xff\"}", "a byte order mark": "\ufeff{}",
				"a control character": "{\"a\":\"\x01\"}", "deep nesting": `{"a":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`,
			} {
				if a := e.neo().do(r.Method(), targets[r.ID], body); a.Status != 400 {
					t.Errorf("%s with %s: %d %s", r.ID, name, a.Status, a.Body)
				} else {
					a.is(400, `{"error":"*"}`)
				}
			}
		}
	})
}

func TestBodiesAreIgnoredWhereNoneIsExpected(t *testing.T) {
	in(t, func(e *env) {
		neo := e.neo()
		a := neo.created(`{"image":"worker"}`)
		for _, body := range []string{"{}", "", "not json", `{"target_num_containers":-1}`, strings.Repeat("x", wholeBody)} {
			for _, typ := range []string{"application/json", "text/plain", "x"} {
				c := neo.with("Content-Type", typ)
				c.do("GET", apps, body).is(200, "")
				c.do("GET", a.uri(), body).is(200, "")
				c.do("POST", a.uri()+"stop/", body).is(202, "")
				e.settle()
				c.do("POST", a.uri()+"start/", body).is(202, "")
				e.settle()
			}
		}
		neo.with("Content-Encoding", "gzip").do("DELETE", a.uri(), "x").is(202, "")
	})
}

func TestBodiesMayComeWithoutAType(t *testing.T) {
	in(t, func(e *env) {
		for _, typ := range []string{"application/json", "application/json; charset=utf-8", "APPLICATION/JSON"} {
			e.neo().with("Content-Type", typ).post(apps, `{"image":"worker"}`).is(202, "")
		}
		h, err := httpapi.New(e.p)
		if err != nil {
			t.Fatal(err)
		}
		w, r := httptest.NewRecorder(), httptest.NewRequest("POST", apps, strings.NewReader(`{"image":"worker"}`))
		r.Header.Set("Authorization", "ApiKey neo:"+keys["neo"])
		if h.ServeHTTP(w, r); w.Code != 202 {
			t.Errorf("without a type: %d %s", w.Code, w.Body)
		}
		// An exactly full body is within the limit.
		body := `{"image":"worker","x":""}`
		body = strings.Replace(body, `""`, `"`+strings.Repeat("x", wholeBody-len(body))+`"`, 1)
		e.neo().post(apps, body).is(202, "")
	})
}

func TestTheSlashComesFirst(t *testing.T) {
	in(t, func(e *env) {
		for method, status := range map[string]int{"GET": 301, "HEAD": 301, "POST": 308, "PATCH": 308, "DELETE": 308, "PUT": 308, "OPTIONS": 308} {
			for target, location := range map[string]string{
				"/api/v1/application":                      "/api/v1/application/",
				"/api/v1/application?":                     "/api/v1/application/",
				"/api/v1/application?limit=2&name=a%20b":   "/api/v1/application/?limit=2&name=a%20b",
				"/api/v1/application/" + noSuch:            "/api/v1/application/" + noSuch + "/",
				"/api/v1/application/" + noSuch + "/start": "/api/v1/application/" + noSuch + "/start/",
				"/api/v1/container/x%2Fy":                  "/api/v1/container/x%2Fy/",
				"/api/v1/no/such/path":                     "/api/v1/no/such/path/",
				"/api/v1":                                  "/api/v1/",
			} {
				a := e.nobody().do(method, target, nil)
				if got := a.Header.Get("Location"); a.Status != status || got != location {
					t.Errorf("%s %s: %d to %q, want %d to %q", method, target, a.Status, got, status, location)
				}
			}
		}
		e.neo().get(apps+"?").is(200, `{"meta":{"limit":25,"next":null,"offset":0,"previous":null,"total_count":0},"objects":[]}`)
	})
}

func TestPathsAndMethods(t *testing.T) {
	in(t, func(e *env) {
		a := e.neo().created(`{"image":"worker"}`)
		c := e.neo().con(a, 0)
		for _, path := range []string{"/api/v1/", "/api/v1/image/", "/api/v1/image/worker/tag/latest/", "/api/v1/role/", "/api/v1/role/global/", "/api/v1/auth/",
			"/api/v1/register/", "/api/v1/action/", "/api/v1/applications/", "/api/v1/Application/", a.uri() + "scale/", c.uri() + "exec/", apps + "/", "/api/v1//application/"} {
			for _, method := range []string{"GET", "POST", "PURGE"} {
				if r := e.neo().do(method, path, nil); r.Status != 404 {
					t.Errorf("%s answered %d %s", r.Call, r.Status, r.Body)
				}
			}
		}
		for path, allow := range map[string]string{
			apps: "GET, HEAD, OPTIONS, POST", a.uri(): "DELETE, GET, HEAD, OPTIONS, PATCH", a.uri() + "start/": "OPTIONS, POST", a.uri() + "stop/": "OPTIONS, POST",
			a.uri() + "redeploy/": "OPTIONS, POST", a.uri() + "logs/": "GET, HEAD, OPTIONS",
			cons: "GET, HEAD, OPTIONS", c.uri(): "DELETE, GET, HEAD, OPTIONS", c.uri() + "start/": "OPTIONS, POST", c.uri() + "stop/": "OPTIONS, POST",
			c.uri() + "redeploy/": "OPTIONS, POST", c.uri() + "logs/": "GET, HEAD, OPTIONS",
		} {
			for _, method := range []string{"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "PURGE"} {
				if strings.Contains(allow, method) {
					continue
				}
				r := e.neo().do(method, path, `{}`)
				if r.Status != 405 || r.Header.Get("Allow") != allow {
					t.Errorf("%s answered %d, Allow %q, want %q", r.Call, r.Status, r.Header.Get("Allow"), allow)
				}
			}
			r := e.neo().do("OPTIONS", path, nil)
			if r.Status != 200 || r.Header.Get("Allow") != allow || !strings.HasPrefix(r.Body, `{"allow":["`) {
				t.Errorf("%s answered %d %s", r.Call, r.Status, r.Body)
			}
		}
		if now := e.neo().app(a); now.state() != "Running" {
			t.Errorf("a refused request changed something: %v", now)
		}
	})
}

func TestHEADAnswersAsGETWithoutABody(t *testing.T) {
	in(t, func(e *env) {
		for id, target := range e.targets() {
			for _, r := range contract.Rows {
				if r.ID != id || r.Method() != "GET" {
					continue
				}
				get, head := e.neo().get(target), e.neo().do("HEAD", target, nil)
				if head.Status != get.Status || head.Header.Get("Content-Length") != get.Header.Get("Content-Length") || head.Header.Get("Content-Type") != "application/json" {
					t.Errorf("%s: %d %v, GET %d %v", head.Call, head.Status, head.Header, get.Status, get.Header)
				}
			}
		}
		if a := e.neo().do("HEAD", apps+noSuch+"/", nil); a.Status != 404 {
			t.Errorf("%s answered %d", a.Call, a.Status)
		}
	})
}

func TestEveryRowIsBounded(t *testing.T) {
	limited(t, rest.Limits{Rate: 0.001, Burst: 30}, func(e *env) {
		targets := e.targets()
		for i := 0; ; i++ {
			if a := e.neo().get(apps); a.Status == 429 {
				break
			} else if i > 100 {
				t.Fatal("nothing was ever too much")
			}
		}
		for _, r := range contract.Rows {
			a := e.neo().do(r.Method(), targets[r.ID], nil)
			a.fails(429, "Too many calls. Slow down.")
			if a.Header.Get("Retry-After") == "" {
				t.Errorf("%s: 429 without Retry-After", a.Call)
			}
		}
	})
}

func TestWhoseRequestFailsHowIsOneOrder(t *testing.T) {
	in(t, func(e *env) {
		bad := `{"target_num_containers":"x"}`
		none := apps + noSuch + "/"
		e.nobody().do("PUT", apps, nil).is(405, "")
		e.nobody().with("Accept", "text/html").patch(none, bad).fails(401, "Unauthorized")
		e.neo().with("Accept", "text/html").with("Content-Type", "text/plain").patch(none, bad).fails(415, "Only application/json can be returned.")
		e.neo().with("Content-Type", "text/plain").patch(none, bad).fails(415, "Only application/json is accepted.")
		e.neo().patch(none, bad).is(400, `{"error":"*","application":{"target_num_containers":["target_num_containers must be an integer, got \"x\""]}}`)
		e.neo().patch(none, `{"target_num_containers":2}`).fails(404, "There is no application "+noSuch+".")
	})
}

func TestWhereEverybodyIsLetIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, []platform.Option{platform.WithAuthentication(tenancy.AcceptAll)})
		a := e.nobody().created(`{"image":"worker"}`)
		e.with("Authorization", "ApiKey who:knows").get(a.uri()).is(200, "")
		e.with("Sec-Fetch-Site", "cross-site").get(apps).is(403, "")
	})
	synctest.Test(t, func(t *testing.T) {
		e := start(t, []platform.Option{platform.WithAuthentication(tenancy.DenyAll)})
		e.neo().get(apps).fails(401, "Unauthorized")
	})
}

func TestAPlatformThatEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, nil)
		targets := e.targets()
		if err := e.p.Workloads().Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, r := range contract.Rows {
			body := any(nil)
			if r.Body {
				body = `{}`
			}
			if r.ID == "T2" {
				body = `{"image":"worker"}`
			}
			if r.ID == "T4" {
				body = `{"target_num_containers":2}`
			}
			if a := e.neo().do(r.Method(), targets[r.ID], body); r.Method() == http.MethodGet {
				a.is(200, "") // what is there can be read
			} else {
				a.is(503, "")
			}
		}
		a := e.neo().get(targets["T3"]).is(200, "").object()
		if a.state() != "Stopped" {
			t.Errorf("after the end of workloads: %v", a)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		e := start(t, nil)
		targets := e.targets()
		h, err := httpapi.New(e.p, httpapi.WithAccessLog(e.Saw))
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		ops, _, err := contract.Operations()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range contract.Rows {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(r.Method(), targets[r.ID], nil))
			contract.Show(&rest.Access{Operation: ops[r.ID].ID}, r.Method(), w.Code) // it is answered before the row is looked for
			if w.Code != 503 || w.Header().Get("Retry-After") == "" || w.Body.String() != `{"error":"The server is shutting down."}` {
				t.Errorf("%s: %d %v %s", r.ID, w.Code, w.Header(), w.Body)
			}
		}
	})
}
