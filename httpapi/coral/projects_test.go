package coral_test

import (
	"strings"
	"testing"
	"time"
)

func TestTheLifeOfAProject(t *testing.T) {
	for _, verb := range []string{"PATCH", "PUT"} {
		t.Run(verb, func(t *testing.T) {
			e := start(t)
			neo := e.as("neo")
			neo.get("/api/projects").is(200, `[]`)
			project := `{"id":"#1","name":"matrix","owner":"#2","description":"","definitions":[],"runtimes":[],"created":"` + at0 + `","updated":"` + at0 + `"}`
			// The id is shown within the definition first.
			neo.post("/api/projects", `{"name":"matrix"}`).is(201, `{"success":true,"created":"`+at0+`","id":"#1","definition":`+project+`}`)
			neo.get("/api/projects/matrix").is(200, project)
			neo.get("/api/projects/"+e.id("#1")).is(200, project)
			neo.get("/api/projects/"+strings.ToUpper(e.id("#1"))).is(200, project)
			neo.get("/api/projects").is(200, `[`+project+`]`)

			neo.create(strings.Replace(pair("r"), `{`, `{"projectid":"`+e.id("#1")+`",`, 1)).is(201, "")
			var runtime struct{ ID, Project string }
			neo.get("/api/runtimes/r").is(200, "").JSON(&runtime)
			if runtime.Project != e.id("#1") {
				t.Errorf("the runtime is of project %q", runtime.Project)
			}
			e.clock.advance(time.Minute)
			changed := `{"id":"#1","name":"zion","owner":"#2","description":"the city","definitions":[` + pair("later") + `],"runtimes":["#3"],"created":"` + at0 + `","updated":"2015-01-21T12:19:08.791"}`
			e.IDs.In(e.id("#1") + runtime.ID)
			neo.do(verb, "/api/projects/matrix", `{"name":"zion","description":"the city","definitions":[`+pair("later")+`],"owner":"mia"}`).
				is(200, `{"action":"Update project","success":true,"definition":`+changed+`}`)
			neo.do(verb, "/api/projects/zion", `{}`).is(200, `{"action":"Update project","success":true,"definition":`+changed+`}`)
			neo.get("/api/runtimes").is(200, "") // the definitions are kept, not run
			neo.delete("/api/projects/zion").is(200, `{"action":"Delete project","id":"#1","success":true,"time":"2015-01-21T12:19:08.791"}`)
			neo.delete("/api/projects/zion").fails(404, "Get project", "No project zion.")
			if a := neo.get("/api/runtimes/r").is(200, ""); !strings.Contains(a.Body, `"project":null`) {
				t.Errorf("the runtime is still of the project: %s", a.Body)
			}
		})
	}
}

func TestWhoSeesAProject(t *testing.T) {
	e := start(t)
	neo, mia, root := e.as("neo"), e.as("mia"), e.as("root")
	neo.post("/api/projects", `{"name":"p"}`).is(201, "")
	neo.get("/api/projects/p").is(200, "").JSON(new(struct{}))
	var p struct{ ID string }
	neo.get("/api/projects/p").JSON(&p)
	mia.get("/api/projects").is(200, `[]`)
	for _, ref := range []string{"p", p.ID} {
		mia.get("/api/projects/"+ref).fails(404, "Get project", "No project "+ref+".")
		mia.patch("/api/projects/"+ref, `{"name":"q"}`).fails(404, "Get project", "No project "+ref+".")
		mia.delete("/api/projects/"+ref).fails(404, "Get project", "No project "+ref+".")
	}
	root.get("/api/projects/p").fails(404, "Get project", "No project p.") // a name is one of the caller's own
	root.get("/api/projects/"+p.ID).is(200, "")
	root.patch("/api/projects/"+p.ID, `{"description":"seen"}`).is(200, "")

	mia.post("/api/projects", `{"name":"p"}`).is(201, "")
	mia.post("/api/projects", `{"name":"q","owner":"mia"}`).is(201, "")
	mia.post("/api/projects", `{"name":"q","owner":"neo"}`).fails(403, "", "You may not POST /api/projects.")
	root.post("/api/projects", `{"name":"q","owner":"neo"}`).is(201, "")
	root.post("/api/projects", `{"name":"q","owner":"nobody"}`).is(400, `{"action":"Add project","success":false,"reason":"owner is missing or not valid.","details":"*"}`)
	neo.get("/api/projects/q").is(200, "")
}

func TestProjectsWithFaults(t *testing.T) {
	e := start(t)
	neo := e.as("neo")
	neo.post("/api/projects", `{"name":"taken"}`).is(201, "")
	neo.post("/api/projects", `{"name":"p"}`).is(201, "")
	neo.post("/api/projects", `{"name":"taken"}`).is(409, `{"action":"Add project","success":false,"reason":"*","details":"*"}`)
	neo.patch("/api/projects/p", `{"name":"taken"}`).is(409, `{"action":"Update project","success":false,"reason":"*","details":"*"}`)
	neo.patch("/api/projects/p", `{"name":"p"}`).is(200, "")
	for _, tt := range []struct{ name, body, field string }{
		{"no name", `{}`, "name"}, {"an empty name", `{"name":""}`, "name"}, {"a name of another type", `{"name":7}`, "name"},
		{"a description of another type", `{"name":"x","description":[]}`, "description"},
		{"definitions that are no list", `{"name":"x","definitions":{}}`, "definitions"},
		{"a definition that is no object", `{"name":"x","definitions":[7]}`, "definitions"},
		{"a definition with faults", `{"name":"x","definitions":[` + pair("fine") + `,{"name":"bad"}]}`, "definitions"},
	} {
		e.Subtest(tt.name, func(t *testing.T) {
			a := neo.post("/api/projects", tt.body).is(400, `{"action":"Add project","success":false,"reason":"`+tt.field+` is missing or not valid.","details":"*"}`)
			if strings.Contains(tt.name, "faults") && !strings.Contains(a.Body, "definitions/1/actors: ") {
				t.Errorf("details do not tell where: %s", a.Body)
			}
			if tt.name != "no name" {
				neo.patch("/api/projects/p", tt.body).is(400, `{"action":"Update project","success":false,"reason":"`+tt.field+` is missing or not valid.","details":"*"}`)
			}
		})
	}
}
