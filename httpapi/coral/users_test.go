package coral_test

import (
	"strings"
	"testing"
	"time"

	"github.com/atoll-platform/atoll/platform"
)

// shownUser is a user of populated as answers show it.
func shownUser(id, name string, admin bool, login string) string {
	isAdmin := "false"
	if admin {
		isAdmin = "true"
	}
	return `{"id":"` + id + `","uniqueName":"` + name + `","fullName":"` + name + ` of the test","email":"` + name + `@test.example","department":null,"mobilePhone":null,"admin":` + isAdmin + `,"createdOn":"` + at0 + `","lastLogin":` + login + `}`
}

func TestTheLifeOfAUser(t *testing.T) {
	for _, at := range []string{"/api/users", "/api/platform/users"} {
		t.Run(at, func(t *testing.T) {
			e := start(t)
			root := e.as("root")
			root.get(at).is(200, `[`+shownUser("#1", "mia", false, "null")+`,`+shownUser("#2", "neo", false, "null")+`,`+shownUser("#3", "root", true, `"`+at0+`"`)+`]`)
			const trinity = `{"id":"#4","uniqueName":"trinity","fullName":"Trinity","email":"trinity@zion.example","department":"crew","mobilePhone":"555","admin":false,"createdOn":"` + at0 + `","lastLogin":null}`
			root.post(at, `{"uniqueName":"trinity","fullName":"Trinity","email":"trinity@zion.example","password":"follow the rabbit","department":"crew","mobilePhone":"555"}`).
				is(201, `{"action":"Add user","id":"#4","success":true,"user":`+trinity+`,"permissions":[]}`)
			root.get(at+"/trinity").is(200, trinity)
			root.get(at+"/"+e.id("#4")).is(200, trinity)
			root.get(at+"/"+strings.ToUpper(e.id("#4"))).is(200, trinity)

			e.clock.advance(time.Hour)
			her := caller{e, e.http.Basic("trinity", "follow the rabbit")}
			seen := strings.Replace(trinity, `"lastLogin":null`, `"lastLogin":"2015-01-21T13:18:08.791"`, 1)
			her.get(at+"/trinity").is(200, seen)
			her.patch(at+"/trinity", `{"fullName":"Trinity T","email":"t@zion.example","department":null,"mobile":"777","password":"white rabbit"}`).
				is(200, `{"action":"Update user","success":true,"user":`+strings.NewReplacer(`"Trinity"`, `"Trinity T"`, "trinity@zion", "t@zion", `"crew"`, "null", "555", "777").Replace(seen)+`}`)
			her.get(at+"/trinity").fails(401, "", "Valid credentials are required.")
			caller{e, e.http.Basic("trinity", "white rabbit")}.get(at+"/trinity").is(200, "")
			root.patch(at+"/trinity", `{"admin":true}`).is(200, "")
			caller{e, e.http.Basic("trinity", "white rabbit")}.get(at).is(200, "")
			root.delete(at+"/trinity").is(200, `{"action":"Delete user","id":"#4","name":"trinity","success":true,"time":"2015-01-21T13:18:08.791"}`)
			root.delete(at+"/trinity").fails(404, "Get user", "No user trinity.")
			caller{e, e.http.Basic("trinity", "white rabbit")}.get(at+"/trinity").fails(401, "", "Valid credentials are required.")
		})
	}
}

func TestSpellingsOfFieldsOfAUser(t *testing.T) {
	e := start(t)
	root := e.as("root")
	root.post("/api/users", `{"uniquename":"a","fullname":"A","email":"a@x","password":"secret1","mobilephone":"1"}`).is(201, "")
	root.post("/api/users", `{"uniquename":"b","fullname":"B","email":"b@x","password":"secret1","mobile":"2","department":null,"mobilePhone":null,"admin":true,"permissions":[]}`).is(201, "")
	root.get("/api/users/a").is(200, `{"id":"#1","uniqueName":"a","fullName":"A","email":"a@x","department":null,"mobilePhone":"1","admin":false,"createdOn":"`+at0+`","lastLogin":null}`)
}

func TestUsersWithFaults(t *testing.T) {
	e := start(t)
	root := e.as("root")
	good := map[string]string{"uniqueName": `"tank"`, "fullName": `"Tank"`, "email": `"tank@zion.example"`, "password": `"dozer99"`}
	body := func(field, value string) string {
		var members []string
		for _, f := range []string{"uniqueName", "fullName", "email", "password", "department", "mobilePhone", "admin", "permissions"} {
			v := good[f]
			if f == field {
				v = value
			}
			if v != "" {
				members = append(members, `"`+f+`":`+v)
			}
		}
		return `{` + strings.Join(members, ",") + `}`
	}
	for _, tt := range []struct{ name, field, value string }{
		{"no name", "uniqueName", ``}, {"an empty name", "uniqueName", `""`}, {"a name with a dash", "uniqueName", `"ta-nk"`},
		{"a name with a space", "uniqueName", `"ta nk"`}, {"a name of 65 characters", "uniqueName", `"` + strings.Repeat("x", 65) + `"`},
		{"a name that reads as a UUID", "uniqueName", `"` + implicitID + `"`}, {"a name that is a number", "uniqueName", `7`},
		{"no full name", "fullName", ``}, {"an empty full name", "fullName", `""`}, {"a full name of another type", "fullName", `{}`},
		{"no mail address", "email", ``}, {"a mail address without @", "email", `"tank"`}, {"a mail address with two", "email", `"a@b@c"`}, {"a mail address with a space", "email", `"a @b"`},
		{"no password", "password", ``}, {"a password of 5 characters", "password", `"abcde"`}, {"a password of 2 different characters", "password", `"abababab"`},
		{"a password that is the name", "password", `"tank"`}, {"a password of another type", "password", `["dozer99"]`},
		{"a department of another type", "department", `1`}, {"a phone of another type", "mobilePhone", `5550100`}, {"an admin of another type", "admin", `"yes"`},
		{"permissions that are no list", "permissions", `{}`}, {"a permission that is empty", "permissions", `[{}]`},
		{"a permission on no runtime", "permissions", `[{"runtime":"neo-nothing","method":"GET","uri":"/api/runtimes/neo-nothing","allowed":true}]`},
	} {
		e.Subtest(tt.name, func(t *testing.T) {
			a := root.post("/api/users", body(tt.field, tt.value)).is(400, `{"action":"Add user","success":false,"reason":"`+tt.field+` is missing or not valid.","details":"*"}`)
			if strings.Contains(a.Body, "dozer99") || strings.Contains(a.Body, "abababab") {
				t.Errorf("the answer shows the password: %s", a.Body)
			}
		})
	}
	root.post("/api/users", `{}`).fails(400, "Add user", "uniqueName is missing or not valid.",
		"uniqueName is required", "fullName is required", "email is required", "password is required")
	root.post("/api/users", body("uniqueName", `"coral"`)).is(400, `{"action":"Add user","success":false,"reason":"uniqueName is missing or not valid.","details":"*"}`)
	root.post("/api/users", body("uniqueName", `"NEO"`)).is(409, `{"action":"Add user","success":false,"reason":"*","details":"*"}`)
	root.post("/api/users", body("email", `"neo@test.example"`)).is(409, "")
	for field, value := range map[string]string{"email": `"x"`, "fullName": `1`, "password": `"short"`, "admin": `1`, "department": `[]`} {
		root.patch("/api/users/neo", `{"`+field+`":`+value+`}`).is(400, `{"action":"Update user","success":false,"reason":"`+field+` is missing or not valid.","details":"*"}`)
	}
	root.patch("/api/users/neo", `{"email":"mia@test.example"}`).is(409, `{"action":"Update user","success":false,"reason":"*","details":"*"}`)
	root.patch("/api/users/nobody", `{}`).fails(404, "Get user", "No user nobody.")
	root.get("/api/users/nobody").fails(404, "Get user", "No user nobody.")
	root.get("/api/users/"+implicitID[:35]+"0").fails(404, "Get user", "No user "+implicitID[:35]+"0.")
}

func TestOnlyAdministratorsSeeOthers(t *testing.T) {
	e := start(t)
	neo := e.as("neo")
	neo.get("/api/users").fails(403, "", "You may not GET /api/users.")
	neo.get("/api/users/mia").fails(403, "", "You may not GET /api/users/mia.")
	neo.get("/api/users/nobody").fails(403, "", "You may not GET /api/users/nobody.")
	neo.post("/api/users", `{"uniqueName":"x","fullName":"X","email":"x@x","password":"secret1"}`).fails(403, "", "You may not POST /api/users.")
	neo.patch("/api/users/mia", `{"fullName":"M"}`).fails(403, "", "You may not PATCH /api/users/mia.")
	neo.patch("/api/users/neo", `{"admin":true}`).fails(403, "", "You may not PATCH /api/users/neo.")
	neo.delete("/api/users/mia").fails(403, "", "You may not DELETE /api/users/mia.")
	neo.delete("/api/users/neo").fails(403, "", "You may not DELETE /api/users/neo.")
	neo.get("/api/users/neo").is(200, shownUser("#1", "neo", false, `"`+at0+`"`))
	neo.patch("/api/users/neo", `{"fullName":"Thomas"}`).is(200, "")
}

func TestDeletingUsers(t *testing.T) {
	e := start(t)
	root, neo := e.as("root"), e.as("neo")
	neo.create(pair("r")).is(201, "")
	e.as("mia").create(pair("m")).is(201, "")
	e.as("mia").post("/api/runtimes/m/permissions", `{"user":"neo","method":"GET","uri":"/api/runtimes/m","allowed":true}`).is(201, "")
	root.delete("/api/users/neo").is(409, `{"action":"Delete user","success":false,"reason":"*"}`)
	root.delete("/api/users/neo?force=maybe").is(400, `{"action":"Delete user","success":false,"reason":"force is missing or not valid.","details":"*"}`)
	root.delete("/api/users/neo?force=true").is(200, "")
	root.get("/api/runtimes/neo-r").fails(404, "Find runtime", "No runtime neo-r.")
	e.as("mia").get("/api/runtimes/m/permissions").is(200, `{"permissions":[{"id":"#1","user":"#3","runtime":"#2","method":"*","uri":"/api/runtimes/m/*","allowed":true}]}`)
	root.delete("/api/users/root").is(409, `{"action":"Delete user","success":false,"reason":"*"}`)
	root.patch("/api/users/root", `{"admin":false}`).is(409, "")
	root.get("/api/users/root").is(200, "")
}

func TestUsersWithPermissions(t *testing.T) {
	e := start(t)
	root := e.as("root")
	e.as("neo").create(pair("r")).is(201, "")
	user := func(permissions string) string {
		return `{"uniqueName":"morpheus","fullName":"M","email":"m@x","password":"red pill","permissions":` + permissions + `}`
	}
	a := root.post("/api/users", user(`[{"runtime":"neo-r","method":"GET","uri":"/api/runtimes/neo-r/*","allowed":true},{"runtime":"neo-r","method":"LOOK","uri":"/api/runtimes/other/*","allowed":true}]`)).
		is(400, `{"action":"Add user","success":false,"reason":"permissions is missing or not valid.","details":"*"}`)
	for _, want := range []string{"permissions/1/method", "permissions/1/uri"} {
		if !strings.Contains(a.Body, want) {
			t.Errorf("details lack %s: %s", want, a.Body)
		}
	}
	root.get("/api/users/morpheus").fails(404, "Get user", "No user morpheus.")
	root.post("/api/users", user(`[{"runtime":"neo-r","method":"GET","uri":"/api/runtimes/neo-r/*","allowed":true},{"runtime":"neo-r","method":"POST","uri":"/api/runtimes/neo-r/actors/in","allowed":true}]`)).
		is(201, `{"action":"Add user","id":"#1","success":true,"user":{"id":"#1","uniqueName":"morpheus","fullName":"M","email":"m@x","department":null,"mobilePhone":null,"admin":false,"createdOn":"`+at0+`","lastLogin":null},"permissions":["#2","#3"]}`)
	him := caller{e, e.http.Basic("morpheus", "red pill")}
	him.get("/api/runtimes/neo-r/stats").is(200, "")
	him.get("/api/runtimes/neo-r").fails(403, "", "You may not GET /api/runtimes/neo-r.")
	him.post("/api/runtimes/neo-r/actors/in", `{}`).is(200, "")
	him.post("/api/runtimes/neo-r/actors/sum", `{}`).fails(403, "", "You may not POST /api/runtimes/neo-r/actors/sum.")
}

func TestTheImplicitUser(t *testing.T) {
	e := open(t)
	const coral = `{"id":"` + implicitID + `","uniqueName":"coral","fullName":"","email":"","department":null,"mobilePhone":null,"admin":true,"createdOn":"` + at0 + `","lastLogin":null}`
	e.nobody().get("/api/users").is(200, `[`+coral+`]`)
	e.nobody().get("/api/users/coral").is(200, coral)
	e.nobody().post("/api/users", `{"uniqueName":"coral","fullName":"C","email":"c@c","password":"abc123"}`).is(409, `{"action":"Add user","success":false,"reason":"*","details":"*"}`)
	e.nobody().delete("/api/users/coral").is(409, `{"action":"Delete user","success":false,"reason":"*"}`)
	e.nobody().patch("/api/users/coral", `{"fullName":"C"}`).is(409, "")
}

func TestTheBootstrapAdministrator(t *testing.T) {
	for name, o := range map[string]platform.Option{
		"of an option":    platform.WithAdmin("boss", "first of all"),
		"of the settings": platform.WithSettings(map[string]any{"coral.authentication.admin.name": "boss", "coral.authentication.admin.password": "first of all"}),
	} {
		t.Run(name, func(t *testing.T) {
			e := bare(t, []platform.Option{o})
			boss := caller{e, e.http.Basic("boss", "first of all")}
			boss.get("/api/users").is(200, `[{"id":"#1","uniqueName":"boss","fullName":"","email":"","department":null,"mobilePhone":null,"admin":true,"createdOn":"`+at0+`","lastLogin":"`+at0+`"}]`)
			if a := boss.get("/api/platform/settings").is(200, ""); strings.Contains(a.Body, "first of all") {
				t.Errorf("the settings show the password: %s", a.Body)
			}
		})
	}
}
