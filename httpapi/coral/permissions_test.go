package coral_test

import (
	"strings"
	"testing"
)

const missingID = "00000000-0000-4000-8000-000000000000"

func TestTheLifeOfAPermission(t *testing.T) {
	for _, inPath := range []bool{false, true} {
		e := start(t)
		neo, mia := e.as("neo"), e.as("mia")
		neo.create(pair("r")).is(201, "")
		const at = "/api/runtimes/r/permissions"
		owner := `{"id":"#1","user":"#3","runtime":"#2","method":"*","uri":"/api/runtimes/r/*","allowed":true}`
		neo.get(at).is(200, `{"permissions":[`+owner+`]}`)
		neo.post(at, `{"user":"mia","method":"GET","uri":"/api/runtimes/r","allowed":true}`).is(201, `{"action":"Add permission","id":"#4","success":true}`)
		added := `{"id":"#4","user":"#5","runtime":"#2","method":"GET","uri":"/api/runtimes/r","allowed":true}`
		neo.get(at+"/"+e.id("#4")).is(200, added)
		neo.get(at+"/"+strings.ToUpper(e.id("#4"))).is(200, added)
		neo.get(at).is(200, `{"permissions":[`+owner+`,`+added+`]}`)
		mia.get("/api/runtimes/neo-r").is(200, "")
		mia.get("/api/runtimes/neo-r/permissions/"+e.id("#4")).is(200, added)

		update, remove := neo.patch(at, `{"id":"`+e.id("#4")+`","allowed":false}`), func() *reply { return neo.do("DELETE", at, `{"id":"`+e.id("#4")+`"}`) }
		if inPath {
			update = neo.patch(at+"/"+e.id("#4"), `{"id":"ignored, since the path names it","allowed":false}`)
			remove = func() *reply { return neo.delete(at + "/" + e.id("#4")) }
		}
		update.is(200, `{"action":"Update permission","id":"#4","allowed":false,"success":true}`)
		mia.get("/api/runtimes/neo-r").fails(403, "", "You may not GET /api/runtimes/neo-r.")
		remove().is(200, `{"action":"Delete permission","owner":"#5","id":"#4","success":true}`)
		neo.get(at+"/"+e.id("#4")).fails(404, "Get permission", "No permission "+e.id("#4")+".")
		neo.do("DELETE", at+"?id="+e.id("#1"), nil).is(200, `{"action":"Delete permission","owner":"#3","id":"#1","success":true}`)
		neo.get(at).is(200, `{"permissions":[]}`)
		neo.get("/api/runtimes/r/stats").is(200, "") // an owner is one by the runtime, not by the row
	}
}

func TestPermissionsWithFaults(t *testing.T) {
	e := start(t)
	neo := e.as("neo")
	neo.create(pair("r")).is(201, "")
	neo.create(pair("s")).is(201, "")
	const at = "/api/runtimes/r/permissions"
	for _, tt := range []struct{ name, body, reason string }{
		{"nothing", `{}`, "user is missing or not valid."},
		{"no user", `{"method":"GET","uri":"/api/runtimes/r","allowed":true}`, "user is missing or not valid."},
		{"an unknown user", `{"user":"nobody","method":"GET","uri":"/api/runtimes/r","allowed":true}`, "user is missing or not valid."},
		{"an unknown user by UUID", `{"user":"` + missingID + `","method":"GET","uri":"/api/runtimes/r","allowed":true}`, "user is missing or not valid."},
		{"no method", `{"user":"mia","uri":"/api/runtimes/r","allowed":true}`, "method is missing or not valid."},
		{"an empty method", `{"user":"mia","method":"","uri":"/api/runtimes/r","allowed":true}`, "method is missing or not valid."},
		{"an unknown method", `{"user":"mia","method":"HEAD","uri":"/api/runtimes/r","allowed":true}`, "method is missing or not valid."},
		{"a method in small letters", `{"user":"mia","method":"get","uri":"/api/runtimes/r","allowed":true}`, "method is missing or not valid."},
		{"no allowed", `{"user":"mia","method":"GET","uri":"/api/runtimes/r"}`, "allowed is missing or not valid."},
		{"an allowed of another type", `{"user":"mia","method":"GET","uri":"/api/runtimes/r","allowed":"yes"}`, "allowed is missing or not valid."},
		{"no uri", `{"user":"mia","method":"GET","allowed":true}`, "uri is missing or not valid."},
		{"an empty uri", `{"user":"mia","method":"GET","uri":"","allowed":true}`, "uri is missing or not valid."},
		{"a uri of everything", `{"user":"mia","method":"GET","uri":"/*","allowed":true}`, "uri is missing or not valid."},
		{"a uri of the API", `{"user":"mia","method":"GET","uri":"/api/*","allowed":true}`, "uri is missing or not valid."},
		{"a uri of no runtime", `{"user":"mia","method":"GET","uri":"/api/runtimes/","allowed":true}`, "uri is missing or not valid."},
		{"a uri of all runtimes", `{"user":"mia","method":"GET","uri":"/api/runtimes/*","allowed":true}`, "uri is missing or not valid."},
		{"a uri with a star inside", `{"user":"mia","method":"GET","uri":"/api/runtimes/r/*/stats","allowed":true}`, "uri is missing or not valid."},
		{"a uri of another runtime", `{"user":"mia","method":"GET","uri":"/api/runtimes/s","allowed":true}`, "The uri does not name this runtime."},
		{"another runtime", `{"user":"mia","runtime":"s","method":"GET","uri":"/api/runtimes/r","allowed":true}`, "runtime is missing or not valid."},
		{"an id that is no UUID", `{"id":"7","user":"mia","method":"GET","uri":"/api/runtimes/r","allowed":true}`, "7 is not a permission id."},
	} {
		e.Subtest(tt.name, func(*testing.T) {
			neo.post(at, tt.body).is(400, `{"action":"Add permission","success":false,"reason":"`+tt.reason+`","details":"*"}`)
		})
	}
	neo.post(at, `{"id":"`+missingID+`","runtime":"neo-r","user":"mia","method":"*","uri":"/api/runtimes/neo-r/actors","allowed":true}`).is(201, `{"action":"Add permission","id":"#1","success":true}`)
	neo.post("/api/runtimes/s/permissions", `{"id":"`+strings.ToUpper(missingID)+`","user":"mia","method":"*","uri":"/api/runtimes/s/*","allowed":true}`).
		fails(409, "Add permission", "Permission "+missingID+" exists already.")

	neo.get(at+"/7").is(400, `{"action":"Get permission","success":false,"reason":"7 is not a permission id.","details":"*"}`)
	neo.patch(at, `{"id":"7","allowed":true}`).is(400, `{"action":"Update permission","success":false,"reason":"7 is not a permission id.","details":"*"}`)
	neo.patch(at+"/7", `{"allowed":true}`).is(400, `{"action":"Update permission","success":false,"reason":"7 is not a permission id.","details":"*"}`)
	neo.patch(at, `{"allowed":true}`).is(400, `{"action":"Update permission","success":false,"reason":"id is missing or not valid.","details":"*"}`)
	neo.patch(at, `{"id":7,"allowed":true}`).is(400, `{"action":"Update permission","success":false,"reason":"id is missing or not valid.","details":"*"}`)
	neo.patch(at, `{"id":"`+missingID+`"}`).is(400, `{"action":"Update permission","success":false,"reason":"allowed is missing or not valid.","details":"*"}`)
	neo.delete(at).is(400, `{"action":"Delete permission","success":false,"reason":"id is missing or not valid.","details":"*"}`)
	neo.delete(at+"/7").is(400, `{"action":"Delete permission","success":false,"reason":"7 is not a permission id.","details":"*"}`)
	const other = "11111111-0000-4000-8000-000000000000"
	neo.patch(at, `{"id":"`+other+`","allowed":true}`).fails(404, "Get permission", "No permission "+other+".")
	neo.delete(at+"?id="+other).fails(404, "Get permission", "No permission "+other+".")
	neo.get("/api/runtimes/s/permissions/"+missingID).fails(404, "Get permission", "No permission "+missingID+".")
}

func TestPermissionsDecide(t *testing.T) {
	type grant struct {
		method, uri string
		allowed     bool
	}
	tests := map[string]struct {
		grants []grant
		may    []string
		mayNot []string
	}{
		"without any a user may nothing": {nil, nil, []string{"GET ", "DELETE ", "GET /stats", "POST /actors/in"}},
		"a path covers itself and what is below": {[]grant{{"GET", "/api/runtimes/neo-r/actors", true}},
			[]string{"GET /actors", "GET /actors/in", "GET /actors/in/stats"}, []string{"GET ", "GET /stats", "POST /actors/in"}},
		"a star covers what is below alone": {[]grant{{"*", "/api/runtimes/neo-r/*", true}},
			[]string{"GET /actors", "POST /actors/in", "GET /stats"}, []string{"GET ", "PATCH ", "DELETE "}},
		"below begins at a slash": {[]grant{{"GET", "/api/runtimes/neo-r/actors/in", true}}, []string{"GET /actors/in"}, []string{"GET /actors/in2"}},
		"a method counts alone":   {[]grant{{"POST", "/api/runtimes/neo-r", true}}, []string{"POST /actors/in"}, []string{"GET /actors/in", "GET "}},
		"a denial beats a grant, however special": {[]grant{{"*", "/api/runtimes/neo-r", false}, {"GET", "/api/runtimes/neo-r/stats", true}},
			nil, []string{"GET /stats", "GET "}},
		"a special denial beats a general grant": {[]grant{{"*", "/api/runtimes/neo-r", true}, {"GET", "/api/runtimes/neo-r/stats", false}},
			[]string{"GET ", "GET /links"}, []string{"GET /stats"}},
		"an equal grant and denial deny": {[]grant{{"GET", "/api/runtimes/neo-r", true}, {"GET", "/api/runtimes/neo-r", false}}, nil, []string{"GET "}},
		"duplicates do no harm":          {[]grant{{"GET", "/api/runtimes/neo-r", true}, {"GET", "/api/runtimes/neo-r", true}}, []string{"GET "}, []string{"DELETE "}},
		"a rule by the name holds for every spelling": {[]grant{{"*", "/api/runtimes/r", true}, {"*", "/api/runtimes/r/stats", false}},
			[]string{"GET ", "GET /links"}, []string{"GET /stats"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e := start(t)
			e.as("neo").create(strings.Replace(pair("r"), `"actors":[`, `"actors":[{"name":"in2","type":"httpbroadcast"},`, 1)[:0]+pair("r")).is(201, `{"success":true,"created":"`+at0+`","id":"#2","definition":`+shownPair("r", "#1")+`}`)
			for _, g := range tt.grants {
				allowed := "false"
				if g.allowed {
					allowed = "true"
				}
				e.as("neo").post("/api/runtimes/r/permissions", `{"user":"mia","method":"`+g.method+`","uri":"`+g.uri+`","allowed":`+allowed+`}`).is(201, "")
			}
			for _, ref := range []string{"neo-r", e.id("#2"), strings.ToUpper(e.id("#2"))} { // no spelling goes round a rule
				try := func(call string) *reply {
					method, path, _ := strings.Cut(call, " ")
					body := any(nil)
					if method == "POST" {
						body = `{}`
					}
					if method == "PATCH" {
						body = `{"status":"stop"}`
					}
					return e.as("mia").do(method, "/api/runtimes/"+ref+path, body)
				}
				for _, call := range tt.mayNot {
					method, path, _ := strings.Cut(call, " ")
					try(call).fails(403, "", "You may not "+method+" /api/runtimes/"+ref+path+".")
				}
				for _, call := range tt.may {
					if a := try(call); a.Status != 200 {
						t.Errorf("%s on %s: %d %s", call, ref, a.Status, a.Body)
					}
				}
			}
			e.as("root").get("/api/runtimes/neo-r/stats").is(200, "")
			e.as("neo").get("/api/runtimes/r/stats").is(200, "")
		})
	}
}

func TestADenialOnTheOwnRow(t *testing.T) {
	e := start(t)
	neo := e.as("neo")
	neo.create(pair("r")).is(201, "")
	neo.get("/api/runtimes/r/permissions").is(200, `{"permissions":[{"id":"#1","user":"#3","runtime":"#2","method":"*","uri":"/api/runtimes/r/*","allowed":true}]}`)
	neo.patch("/api/runtimes/r/permissions", `{"id":"`+e.id("#1")+`","allowed":false}`).is(200, "")
	for _, ref := range []string{"r", "neo-r", e.id("#2")} {
		neo.get("/api/runtimes/"+ref+"/stats").fails(403, "", "You may not GET /api/runtimes/"+ref+"/stats.")
		neo.get("/api/runtimes/"+ref).is(200, "")
	}
	neo.get("/api/runtimes/r/%73tats").fails(403, "", "You may not GET /api/runtimes/r/stats.")
	neo.get("/api/runtimes/r/stats/?x=/api/runtimes/r").fails(403, "", "You may not GET /api/runtimes/r/stats/.")
}

func TestEveryCallOnARuntimeAsksForPermission(t *testing.T) {
	e := start(t)
	e.as("neo").create(pair("r")).is(201, "")
	for _, c := range []struct{ method, path, body string }{
		{"GET", "", ""}, {"DELETE", "", ""}, {"PATCH", "", `{"status":"start"}`}, {"GET", "/actors", ""}, {"GET", "/links", ""}, {"GET", "/stats", ""},
		{"POST", "/actors/in", `{}`}, {"POST", "/actors/in/shunt", `{}`}, {"GET", "/actors/in", ""}, {"GET", "/actors/in/state", ""}, {"GET", "/actors/in/stats", ""},
		{"GET", "/permissions", ""}, {"POST", "/permissions", `{"user":"mia","method":"*","uri":"/api/runtimes/neo-r","allowed":true}`},
		{"GET", "/permissions/" + missingID, ""}, {"PATCH", "/permissions", `{"id":"` + missingID + `","allowed":true}`}, {"DELETE", "/permissions/" + missingID, ""},
		{"GET", "/actors/nobody", ""}, {"POST", "/actors/nobody", `{}`}, // 403 before 404 of a part
	} {
		e.as("mia").do(c.method, "/api/runtimes/neo-r"+c.path, c.body).fails(403, "", "You may not "+c.method+" /api/runtimes/neo-r"+c.path+".")
	}
	e.as("mia").get("/api/runtimes/r").fails(404, "Find runtime", "No runtime r.")
}
