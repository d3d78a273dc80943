package coral_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/httpapi"
	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/tenancy"
)

func TestAcceptAllAsksNobody(t *testing.T) {
	e := open(t)
	for name, c := range map[string]caller{
		"no credentials":              e.nobody(),
		"wrong credentials":           e.as("somebody"),
		"credentials that are broken": e.nobody().with("Authorization", "Basic %%%"),
		"another form of credentials": e.nobody().with("Authorization", "Bearer xyz"),
	} {
		e.Subtest(name, func(*testing.T) {
			c.get("/").is(200, `"api is running. enjoy"`)
			c.get("/api/platform/stats").is(200, "")
		})
	}
	c := e.nobody()
	c.create(pair("r")).is(201, `{"success":true,"created":"`+at0+`","id":"#1","definition":`+shownPair("r", implicitID)+`}`)
	c.create(strings.Replace(pair("s"), `{`, `{"owner":"neo",`, 1)).is(201, `{"success":true,"created":"`+at0+`","id":"#2","definition":`+shownPair("s", implicitID)+`}`)
	c.create(strings.Replace(pair("t"), `{`, `{"owner":"`+missingID+`",`, 1)).is(201, `{"success":true,"created":"`+at0+`","id":"#4","definition":`+shownPair("t", missingID)+`}`)
	c.get("/api/runtimes/t").is(200, `{"id":"#4","owner":"`+implicitID+`","name":"t","uniqueName":"coral-t","status":"created","project":null,"json":`+shownPair("t", missingID)+`,"starttime":"`+at0+`","machine":"127.0.0.1:2551"}`)
	c.post("/api/runtimes/r/permissions", `{"user":"coral","method":"*","uri":"/api/runtimes/r","allowed":false}`).is(201, "")
	c.get("/api/runtimes/r").is(200, "") // permissions are not consulted
}

func TestDenyAllLetsNobodyIn(t *testing.T) {
	e := populated(t, []platform.Option{platform.WithAuthentication(tenancy.DenyAll)}, httpapi.WithLimits(rest.Limits{BadLogins: -1}))
	for _, r := range rows {
		for _, c := range []caller{e.nobody(), e.as("root")} {
			c.do(r.Method(), r.try, nil).fails(401, "", "Valid credentials are required.")
		}
	}
	e.as("root").get("/api/nothing").fails(404, "", "There is nothing at /api/nothing.")
}

func TestModesAreSettings(t *testing.T) {
	for mode, status := range map[string]int{"accept-all": 200, "deny-all": 401, "coral": 401} {
		e := bare(t, []platform.Option{platform.WithSettings(map[string]any{"coral.authentication.mode": mode})})
		if a := e.nobody().get("/"); a.Status != status {
			t.Errorf("mode %s answers %d to nobody, want %d", mode, a.Status, status)
		}
	}
	for name, opt := range map[string]platform.Option{
		"an unset mode":               platform.WithAuthentication(0),
		"an unknown mode":             platform.WithAuthentication(99),
		"an unknown word":             platform.WithSettings(map[string]any{"coral.authentication.mode": "trust-me"}),
		"an empty word":               platform.WithSettings(map[string]any{"coral.authentication.mode": ""}),
		"ldap without a directory":    platform.WithSettings(map[string]any{"coral.authentication.mode": "ldap"}),
		"login with several factors":  platform.WithSettings(map[string]any{"coral.authentication.ldap.mfa.enabled": true}),
		"seeds that are no addresses": platform.WithSettings(map[string]any{"coral.cluster.seed-nodes": []string{"somewhere"}}),
		"seeds that are no list":      platform.WithSettings(map[string]any{"coral.cluster.seed-nodes": "127.0.0.1:2551"}),
	} {
		if _, err := platform.New(opt); !errors.Is(err, atoll.Invalid) {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
}

// fakeDirectory knows one person.
type fakeDirectory struct{}

func (fakeDirectory) Authenticate(_ context.Context, name, password string) (tenancy.Entry, error) {
	switch {
	case name == "down":
		return tenancy.Entry{}, errors.New("connection refused: ldaps://directory.internal")
	case name == "Tri-nity" && password == "knows kung fu":
		crew := "crew"
		return tenancy.Entry{DN: "uid=Tri-nity,ou=People,dc=zion", Name: "Tri-nity", FullName: "Trinity", Email: "t@zion.example", Department: &crew}, nil
	}
	return tenancy.Entry{}, atoll.Errorf(atoll.Unauthenticated, "test", "no")
}

func TestADirectoryKnowsThePasswords(t *testing.T) {
	e := bare(t, []platform.Option{platform.WithAuthentication(tenancy.WithDirectory), platform.WithDirectory(fakeDirectory{})})
	c := caller{e, e.http.Basic("Tri-nity", "knows kung fu")}
	c.get("/api/users/Tri-nity").is(200, `{"id":"#1","uniqueName":"Tri-nity","fullName":"Trinity","email":"t@zion.example","department":"crew","mobilePhone":null,"admin":false,"createdOn":"`+at0+`","lastLogin":"`+at0+`"}`)
	if want := tenancy.DirectoryID("UID=TRI-NITY,ou=people,DC=ZION"); e.id("#1") != want {
		t.Errorf("the id is %s, want %s, made of the name in the directory", e.id("#1"), want)
	}
	c.create(pair("r")).is(201, "")
	c.create(strings.Replace(pair("s"), `{`, `{"owner":"Tri-nity",`, 1)).is(201, "")
	c.create(strings.Replace(pair("t"), `{`, `{"owner":"`+e.id("#1")+`",`, 1)).is(400, `{"action":"Create runtime","success":false,"reason":"The runtime definition is not valid.","details":"*",
		"errors":["With directory authentication the owner must be given by name."],"codes":["owner-uuid-with-ldap"]}`)
	c.get("/api/runtimes/Tri-nity-r").is(200, "") // a dash in the name of the owner
	for _, who := range []struct{ name, password string }{{"Tri-nity", "wrong"}, {"Tri-nity", ""}, {"nobody", "knows kung fu"}, {"coral", "x"}} {
		caller{e, e.http.Basic(who.name, who.password)}.get("/").fails(401, "", "Valid credentials are required.")
	}
	a := caller{e, e.http.Basic("down", "x")}.get("/")
	if a.Status != 503 || strings.Contains(a.Body, "directory.internal") || a.Header.Get("Retry-After") != "1" {
		t.Errorf("a directory that cannot be asked: %d %v %s", a.Status, a.Header, a.Body)
	}
	if _, err := e.p.Users().Update(context.Background(), "Tri-nity", tenancy.UserUpdate{Admin: tenancy.To(true)}); err != nil {
		t.Fatal(err)
	}
	c.post("/api/users", `{"uniqueName":"x","fullName":"X","email":"x@x","password":"secret1"}`).is(409, `{"action":"Add user","success":false,"reason":"*"}`)
	c.patch("/api/users/Tri-nity", `{"password":"another one"}`).is(409, `{"action":"Update user","success":false,"reason":"*"}`)
}

func TestRequestsOfOtherSites(t *testing.T) {
	for name, e := range map[string]*env{"accept-all": open(t), "coral": start(t)} {
		c := e.as("root")
		for _, h := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
			for _, method := range []string{"GET", "POST", "DELETE", "OPTIONS"} {
				a := c.with(h[0], h[1]).do(method, "/api/runtimes", nil)
				if a.Status != 403 {
					t.Errorf("%s: %s with %v: %d %s", name, method, h, a.Status, a.Body)
				}
			}
		}
		c.with("Origin", "http://localhost").with("Sec-Fetch-Site", "same-origin").get("/api/runtimes").is(200, "[]")
		c.with("Sec-Fetch-Site", "none").get("/api/runtimes").is(200, "[]")
	}
}

func TestAcceptAllServesThisMachineAlone(t *testing.T) {
	e := open(t)
	h, err := httpapi.New(e.p)
	if err != nil {
		t.Fatal(err)
	}
	wide, err := httpapi.New(e.p, httpapi.WithRemote())
	if err != nil {
		t.Fatal(err)
	}
	closed, err := httpapi.New(start(t).p)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, peer, host, header string
		local, remote, coral     int
	}{
		{"this machine", "127.0.0.1:4000", "localhost:8000", "", 200, 200, 401},
		{"this machine by IPv6", "[::1]:4000", "[::1]:8000", "", 200, 200, 401},
		{"another machine", "192.0.2.7:4000", "localhost:8000", "", 403, 200, 401},
		{"a name that was bound to this machine", "127.0.0.1:4000", "evil.example", "", 403, 200, 401},
		{"somebody behind a proxy", "127.0.0.1:4000", "localhost", "X-Forwarded-For", 403, 200, 401},
	} {
		for _, s := range []struct {
			who  string
			h    *httpapi.Handler
			want int
		}{{"accept-all", h, tt.local}, {"accept-all with remote", wide, tt.remote}, {"coral", closed, tt.coral}} {
			r := httptest.NewRequest("GET", "http://"+tt.host+"/api/runtimes", nil)
			r.RemoteAddr = tt.peer
			if tt.header != "" {
				r.Header.Set(tt.header, "192.0.2.7")
			}
			w := httptest.NewRecorder()
			s.h.ServeHTTP(w, r)
			if w.Code != s.want {
				t.Errorf("%s from %s: %d, want %d: %s", s.who, tt.name, w.Code, s.want, w.Body)
			}
			if fault := errorBodyFault(w.Code, w.Body.Bytes()); fault != "" {
				t.Errorf("%s from %s answered %s", s.who, tt.name, fault)
			}
		}
	}
}
