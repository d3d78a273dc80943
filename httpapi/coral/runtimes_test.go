package coral_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/actor/builtin"
	"github.com/atoll-platform/atoll/httpapi"
	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/tenancy"
)

// shownPair is pair as answers show it, with the owner behind the name.
func shownPair(name, owner string) string {
	return strings.Replace(pair(name), `"name":"`+name+`"`, `"name":"`+name+`","owner":"`+owner+`"`, 1)
}

func TestTheLifeOfARuntime(t *testing.T) {
	e := start(t)
	neo := e.as("neo")
	neo.get("/api/runtimes").is(200, `[]`)
	neo.delete("/api/runtimes").is(200, `{"action":"Delete runtimes","success":true}`)

	neo.create(pair("runtime1")).is(201, `{"success":true,"created":"`+at0+`","id":"#2","definition":`+shownPair("runtime1", "#1")+`}`)
	created := `{"id":"#2","owner":"#1","name":"runtime1","uniqueName":"neo-runtime1","status":"created","project":null,
		"json":` + shownPair("runtime1", "#1") + `,"starttime":"` + at0 + `","machine":"127.0.0.1:2551"}`
	neo.get("/api/runtimes/runtime1").is(200, created)
	neo.get("/api/runtimes").is(200, `[`+created+`]`)

	e.clock.advance(time.Second)
	const at1 = "2015-01-21T12:18:09.791"
	neo.start("runtime1").is(200, `{"action":"Start runtime","name":"runtime1","owner":"neo","success":true,"time":"`+at1+`"}`)
	neo.get("/api/runtimes/runtime1").is(200, strings.NewReplacer(at0, at1, `"created"`, `"running"`).Replace(created))
	neo.start("runtime1").fails(409, "Start runtime", "Only a created or stopped runtime can start.")

	e.clock.advance(time.Second)
	const at2 = "2015-01-21T12:18:10.791"
	neo.stop("runtime1").is(200, `{"action":"Stop runtime","name":"runtime1","owner":"neo","success":true,"time":"`+at2+`"}`)
	e.clock.advance(time.Second)
	neo.stop("neo-runtime1").is(200, `{"action":"Stop runtime","name":"runtime1","owner":"neo","success":true,"time":"2015-01-21T12:18:11.791","reason":"The runtime is not running."}`)
	neo.get("/api/runtimes/runtime1").is(200, strings.NewReplacer(at0, at2, `"created"`, `"stopped"`).Replace(created))
	neo.start("runtime1").is(200, "")

	neo.get("/api/runtimes/runtime1/actors").is(200, `{"actors":[{"name":"in","type":"httpbroadcast"},{"name":"sum","type":"stats","params":{"field":"n"}}]}`)
	neo.get("/api/runtimes/runtime1/links").is(200, `{"links":[{"from":"in","to":"sum"}]}`)
	neo.get("/api/runtimes/runtime1/stats").is(200, `{"totalActors":2,"totalMessages":0,"totalExceptions":0,"counters":{"total":{}}}`)

	neo.delete("/api/runtimes/runtime1").is(200, `{"action":"Delete runtime","name":"neo-runtime1","success":true,"time":"2015-01-21T12:18:11.791"}`)
	neo.delete("/api/runtimes/runtime1").fails(404, "Find runtime", "No runtime runtime1.")
	neo.get("/api/runtimes").is(200, `[]`)
}

func TestCallsOnARuntimeThatIsNotThere(t *testing.T) {
	e := start(t)
	const missing = "/api/runtimes/neo-nothing"
	for _, c := range []struct{ method, path, body string }{
		{"GET", "", ""}, {"DELETE", "", ""}, {"PATCH", "", `{"status":"start"}`}, {"PATCH", "", `{"status":"stop"}`},
		{"GET", "/actors", ""}, {"GET", "/links", ""}, {"GET", "/stats", ""},
		{"POST", "/actors/in", `{}`}, {"POST", "/actors/in/shunt", `{}`},
		{"GET", "/actors/in", ""}, {"GET", "/actors/in/state", ""}, {"GET", "/actors/in/stats", ""},
		{"GET", "/permissions", ""}, {"POST", "/permissions", `{"user":"mia","method":"*","uri":"/api/runtimes/x","allowed":true}`},
		{"GET", "/permissions/" + implicitID, ""}, {"PATCH", "/permissions/" + implicitID, `{"allowed":true}`}, {"DELETE", "/permissions/" + implicitID, ""},
	} {
		e.Subtest(c.method+" "+c.path, func(*testing.T) {
			e.as("neo").do(c.method, missing+c.path, c.body).fails(404, "Find runtime", "No runtime neo-nothing.")
		})
	}
}

func TestUpdateTakesStartAndStopAlone(t *testing.T) {
	e := start(t)
	neo := e.as("neo")
	neo.create(pair("r")).is(201, "")
	for _, body := range []string{`{}`, `{"status":"pause"}`, `{"status":"START"}`, `{"status":1}`, `{"status":null}`, `{"status":["start"]}`, `{"Status":"start"}`} {
		neo.patch("/api/runtimes/r", body).is(400, `{"action":"Update runtime","success":false,"reason":"Status must be start or stop.","details":"*"}`)
	}
	neo.patch("/api/runtimes/r", `{"status":"stop","status":"start","more":1}`).is(200, `{"action":"Start runtime","name":"r","owner":"neo","success":true,"time":"`+at0+`"}`)
}

func TestListOfRuntimes(t *testing.T) {
	e := start(t)
	neo, mia, root := e.as("neo"), e.as("mia"), e.as("root")
	const project = "9d1e2b40-8a1f-4b8e-8a7c-000000000001"
	neo.create(pair("b")).is(201, "")
	neo.create(strings.Replace(pair("a"), `{`, `{"projectid":"`+strings.ToUpper(project)+`",`, 1)).is(201, "")
	mia.create(pair("c")).is(201, "")
	mia.start("c").is(200, "")
	names := func(r *reply) string {
		var list []struct{ UniqueName, Status string }
		r.is(200, "").JSON(&list)
		out := []string{}
		for _, l := range list {
			out = append(out, l.UniqueName+" "+l.Status)
		}
		return strings.Join(out, ", ")
	}
	for _, c := range []struct {
		who   caller
		query string
		want  string
	}{
		{neo, "", "neo-a created, neo-b created"},
		{mia, "", "mia-c running"},
		{root, "", "mia-c running, neo-a created, neo-b created"},
		{root, "?status=running", "mia-c running"},
		{root, "?status=stopped", ""},
		{root, "?status=deleted", ""},
		{root, "?project=" + project, "neo-a created"},
		{root, "?project=" + strings.ToUpper(project), "neo-a created"},
		{mia, "?project=" + project, ""},
		{root, "?project=none&status=created", ""},
	} {
		if got := names(c.who.get("/api/runtimes" + c.query)); got != c.want {
			t.Errorf("%s: %q, want %q", c.query, got, c.want)
		}
	}
	root.get("/api/runtimes?status=asleep").is(400, `{"success":false,"reason":"status is missing or not valid.","details":"*"}`)
	root.get("/api/runtimes?%zz").is(400, `{"success":false,"reason":"*"}`)
	if a := root.get("/api/runtimes?a=%zz"); strings.Contains(a.Body, "body") {
		t.Errorf("a query that cannot be read is called a body: %s", a.Body)
	}

	mia.delete("/api/runtimes").is(200, `{"action":"Delete runtimes","success":true,"results":{"mia-c":true}}`)
	root.delete("/api/runtimes").is(200, `{"action":"Delete runtimes","success":true,"results":{"neo-a":true,"neo-b":true}}`)
}

func TestDefinitionsWithFaults(t *testing.T) {
	e := start(t, platform.WithFiles(""))
	neo := e.as("neo")
	type fault struct{ code, text string }
	noName := fault{"no-runtime-name", "The runtime has no name, or one with characters other than letters, digits, _ . and -."}
	noActors := fault{"no-actor-section", "The definition has no list of actors."}
	noLinks := fault{"no-links-section", "The definition has no list of links."}
	actors := `"actors":[{"name":"in","type":"httpbroadcast"},{"name":"sum","type":"stats","params":{"field":"n"}}]`
	links := `"links":[{"from":"in","to":"sum"}]`
	tests := map[string]struct {
		definition string
		want       []fault
	}{
		"nothing at all":                               {`{}`, []fault{noName, noActors, noLinks}},
		"no name":                                      {`{` + actors + `,` + links + `}`, []fault{noName}},
		"an empty name":                                {`{"name":"",` + actors + `,` + links + `}`, []fault{noName}},
		"a name that is a number":                      {`{"name":1,` + actors + `,` + links + `}`, []fault{noName}},
		"a name with a slash":                          {`{"name":"a/b",` + actors + `,` + links + `}`, []fault{noName}},
		"a name that reads as a UUID":                  {`{"name":"` + implicitID + `",` + actors + `,` + links + `}`, []fault{noName}},
		"a name of 129 characters":                     {`{"name":"` + strings.Repeat("x", 129) + `",` + actors + `,` + links + `}`, []fault{noName}},
		"actors that are no list":                      {`{"name":"r","actors":{},` + links + `}`, []fault{noActors, {"links-without-actor", "Every link must name actors of the runtime."}}},
		"no actor":                                     {`{"name":"r","actors":[],"links":[]}`, []fault{{"no-actors", "The list of actors is empty."}, {"no-links", "The list of links is empty."}}},
		"an actor without a name":                      {`{"name":"r","actors":[{"type":"httpbroadcast"},{"name":"","type":"httpbroadcast"}],"links":[{"from":"a","to":"b"}]}`, []fault{{"actors-without-names", "Every actor must have a name."}, {"links-without-actor", "Every link must name actors of the runtime."}}},
		"two actors of one name":                       {`{"name":"r","actors":[{"name":"in","type":"httpbroadcast"},{"name":"in","type":"httpbroadcast"},{"name":"sum","type":"stats","params":{"field":"n"}}],` + links + `}`, []fault{{"duplicate-actor-names", "The names of the actors must differ."}}},
		"an unknown type and bad params":               {`{"name":"r","actors":[{"name":"in","type":"nope"},{"name":"sum","type":"stats","params":{}}],` + links + `}`, []fault{{"invalid-actor-definitions", "Some actors have an unknown type, or a name or parameters that are not valid."}}},
		"an actor called total":                        {`{"name":"r","actors":[{"name":"total","type":"httpbroadcast"},{"name":"in","type":"httpbroadcast"}],"links":[{"from":"in","to":"total"}]}`, []fault{{"invalid-actor-definitions", "Some actors have an unknown type, or a name or parameters that are not valid."}}},
		"links that are no list":                       {`{"name":"r",` + actors + `,"links":"in -> sum"}`, []fault{noLinks}},
		"no link":                                      {`{"name":"r",` + actors + `,"links":[]}`, []fault{{"no-links", "The list of links is empty."}}},
		"a link without an end":                        {`{"name":"r",` + actors + `,"links":[{"from":"in","to":"sum"},{"from":"in"}]}`, []fault{{"links-without-from-or-to", "Every link must have from and to."}, {"links-without-actor", "Every link must name actors of the runtime."}}},
		"a link to nobody":                             {`{"name":"r",` + actors + `,"links":[{"from":"in","to":"sum"},{"from":"in","to":"smu"}]}`, []fault{{"links-without-actor", "Every link must name actors of the runtime."}}},
		"a circle":                                     {`{"name":"r","actors":[{"name":"a","type":"httpbroadcast"},{"name":"b","type":"httpbroadcast"}],"links":[{"from":"a","to":"b"},{"from":"b","to":"a"}]}`, []fault{{"circular-links", "The links must not form a circle."}}},
		"a link to itself":                             {`{"name":"r","actors":[{"name":"a","type":"httpbroadcast"}],"links":[{"from":"a","to":"a"}]}`, []fault{{"circular-links", "The links must not form a circle."}}},
		"an actor in no link":                          {`{"name":"r","actors":[{"name":"x","type":"httpbroadcast"},{"name":"in","type":"httpbroadcast"},{"name":"sum","type":"stats","params":{"field":"n"}}],` + links + `}`, []fault{{"orphaned-actors", "Every actor must be in a link, or be collected from."}}},
		"a collector without collect":                  {`{"name":"r","actors":[{"name":"in","type":"httpbroadcast"},{"name":"sum","type":"zscore","params":{"field":"n","score":2}}],` + links + `}`, []fault{{"collect-missing", "Some actors need a collect and have none."}}},
		"a distribution that is none":                  {`{"name":"r","distribution":{"mode":1,"copies":0},` + actors + `,` + links + `}`, []fault{{"invalid-distribution", "The distribution is not valid."}}},
		"options of an actor":                          {`{"name":"r","actors":[{"name":"in","type":"httpbroadcast","copies":0,"timeout":{},"group":{}},{"name":"sum","type":"stats","params":{"field":"n"}}],` + links + `}`, []fault{{"invalid-actor-option", "Some options of actors are not valid."}}},
		"an actor that wants files that nobody offers": {`{"name":"r","actors":[{"name":"in","type":"httpbroadcast"},{"name":"sum","type":"log","params":{"file":"x.log"}}],` + links + `}`, []fault{{"invalid-actor-definitions", "Some actors have an unknown type, or a name or parameters that are not valid."}}},
	}
	for name, tt := range tests {
		e.Subtest(name, func(*testing.T) {
			var codes, texts []string
			for _, f := range tt.want {
				codes, texts = append(codes, `"`+f.code+`"`), append(texts, `"`+f.text+`"`)
			}
			body := `{"success":false,"reason":"The runtime definition is not valid.","details":"*","errors":[` + strings.Join(texts, ",") + `],"codes":[` + strings.Join(codes, ",") + `]}`
			neo.create(tt.definition).is(400, strings.Replace(body, `{`, `{"action":"Create runtime",`, 1))
			checked := neo.post("/api/runtimes?dry-run=true", tt.definition)
			checked.Body, _, _ = strings.Cut(checked.Body, `,"findings":`)
			checked.Body = strings.TrimSuffix(checked.Body, "}") + "}"
			checked.is(400, strings.Replace(body, `{`, `{"action":"Create runtime",`, 1))
		})
	}
	neo.get("/api/runtimes").is(200, `[]`)
}

func TestDetailsNameActorAndField(t *testing.T) {
	e := start(t)
	a := e.as("neo").create(`{"name":"r","actors":[{"name":"in","type":"httpbrodcast"},{"name":"sum","type":"stats","params":{}}],"links":[{"from":"in","to":"sum"}]}`)
	var body struct{ Details string }
	a.is(400, "").JSON(&body)
	for _, want := range []string{"/actors/0/type", `"in"`, `"httpbroadcast"`, "/actors/1/params/field", `"sum"`} {
		if !strings.Contains(body.Details, want) {
			t.Errorf("details lack %s:\n%s", want, body.Details)
		}
	}
}

func TestADryRunTellsEveryPlaceOfEveryFault(t *testing.T) {
	e := start(t)
	const faulty = `{"name":"r","actors":[{"name":"in","type":"httpbrodcast"},{"name":"sum","type":"stats","copies":0},{"name":"x","type":"stats","params":{"field":"n"}}],
		"links":[{"from":"in","to":"smu"},{"from":"inn","to":"sum"},{"from":"zzzzzz","to":"sum"}]}`
	e.as("neo").post("/api/runtimes?dry-run=true", faulty).is(400, `{"action":"Create runtime","success":false,"reason":"The runtime definition is not valid.","details":"*",
		"errors":["Some actors have an unknown type, or a name or parameters that are not valid.","Every link must name actors of the runtime.","Every actor must be in a link, or be collected from.","Some options of actors are not valid."],
		"codes":["invalid-actor-definitions","links-without-actor","orphaned-actors","invalid-actor-option"],
		"findings":[
			{"pointer":"/actors/0/type","code":"invalid-actor-definitions","message":"actor \"in\": unknown type \"httpbrodcast\" (did you mean \"httpbroadcast\"?)","suggestion":"httpbroadcast"},
			{"pointer":"/actors/1/params/field","code":"invalid-actor-definitions","message":"actor \"sum\": \"field\" is required"},
			{"pointer":"/links/0/to","code":"links-without-actor","message":"to names no actor: \"smu\" (did you mean \"sum\"?)","suggestion":"sum"},
			{"pointer":"/links/1/from","code":"links-without-actor","message":"from names no actor: \"inn\" (did you mean \"in\"?)","suggestion":"in"},
			{"pointer":"/links/2/from","code":"links-without-actor","message":"from names no actor: \"zzzzzz\""},
			{"pointer":"/actors/2","code":"orphaned-actors","message":"actor \"x\" is in no link"},
			{"pointer":"/actors/1/copies","code":"invalid-actor-option","message":"actor \"sum\": copies must be an integer from 1 to 1000"}]}`)
	if a := e.as("neo").create(faulty); a.Status != 400 || strings.Contains(a.Body, `"findings"`) {
		t.Errorf("creating it answers %d %s", a.Status, a.Body)
	}
}

func TestDryRunMakesNothing(t *testing.T) {
	e := start(t)
	neo := e.as("neo")
	neo.post("/api/runtimes?dry-run=true", pair("r")).is(200, `{"success":true,"definition":`+shownPair("r", "#1")+`}`)
	odd := func(text string) string {
		return strings.Replace(text, `{`, `{"distribution":{"mode":"split-brain"},`, 1)
	}
	neo.post("/api/runtimes?dry-run=true", odd(pair("r"))).
		is(200, `{"success":true,"definition":`+odd(shownPair("r", "#1"))+`,"warnings":["*"]}`)
	neo.get("/api/runtimes").is(200, `[]`)
	neo.post("/api/runtimes?dry-run=false", pair("r")).is(201, "")
	neo.post("/api/runtimes?dry-run=true", pair("r")).is(200, `{"success":true,"definition":`+shownPair("r2", "#1")+`}`)
	neo.post("/api/runtimes?dry-run=perhaps", pair("r")).is(400, `{"action":"Create runtime","success":false,"reason":"dry-run is missing or not valid.","details":"*"}`)
}

func TestWarningsOfADefinition(t *testing.T) {
	e := start(t)
	a := e.as("neo").create(strings.Replace(pair("r"), `{`, `{"distribution":{"mode":"predefined"},`, 1))
	var body struct{ Warnings []string }
	a.is(201, "").JSON(&body)
	if len(body.Warnings) == 0 {
		t.Errorf("predefined without a machine is accepted without a warning: %s", a.Body)
	}
}

func TestNamesOfRuntimes(t *testing.T) {
	e := start(t)
	neo := e.as("neo")
	for _, tt := range []struct {
		taken  []string
		wanted string
		result string
	}{
		{[]string{"job"}, "job", "job2"},
		{[]string{"run4", "run5"}, "run4", "run6"},
		{[]string{"77"}, "77", "78"},
		{[]string{"a1b2"}, "a1b2", "a1b3"},
		{[]string{"b09"}, "b09", "b10"},
	} {
		for _, name := range tt.taken {
			neo.create(pair(name)).is(201, "")
		}
		var body struct {
			Definition struct{ Name string }
		}
		neo.create(pair(tt.wanted)).is(201, "").JSON(&body)
		if body.Definition.Name != tt.result {
			t.Errorf("%s beside %v became %s, want %s", tt.wanted, tt.taken, body.Definition.Name, tt.result)
		}
	}
	e.as("mia").create(pair("job")).is(201, `{"success":true,"created":"`+at0+`","id":"#2","definition":`+shownPair("job", "#1")+`}`)
}

func TestOnlyTheTopLevelNameIsRewritten(t *testing.T) {
	e := start(t)
	definition := `{"name":"in","extra":{"name":"in","list":[1.0,1e400,123456789012345678901234567890]},"actors":[{"name":"in","type":"httpbroadcast","note":"kept"},{"name":"sum","type":"stats","params":{"field":"n"}}],"links":[{"from":"in","to":"sum","weight":7}]}`
	e.as("neo").create(definition).is(201, `{"success":true,"created":"`+at0+`","id":"#2","definition":`+strings.Replace(definition, `"name":"in"`, `"name":"in","owner":"#1"`, 1)+`}`)
	second := strings.Replace(definition, `"name":"in"`, `"name":"in2","owner":"#1"`, 1)
	e.as("neo").create(definition).is(201, `{"success":true,"created":"`+at0+`","id":"#3","definition":`+second+`}`)
	a := e.as("neo").get("/api/runtimes/in2")
	if !strings.Contains(a.Body, `"name":"in2","owner":"`) || !strings.Contains(a.Body, `[1.0,1e400,123456789012345678901234567890]`) {
		t.Errorf("the owner is not behind the name, or numbers changed: %s", a.Body)
	}
	e.as("neo").get("/api/runtimes/in/actors").is(200, `{"actors":[{"name":"in","type":"httpbroadcast","note":"kept"},{"name":"sum","type":"stats","params":{"field":"n"}}]}`)
}

func TestDeletedNames(t *testing.T) {
	for _, tt := range []struct {
		reuse bool
		want  string
	}{{true, "r"}, {false, "r2"}} {
		t.Run(fmt.Sprint("reused ", tt.reuse), func(t *testing.T) {
			e := start(t, platform.WithSettings(map[string]any{"coral.runtime.reuse-deleted-names": tt.reuse}))
			neo := e.as("neo")
			neo.create(pair("r")).is(201, "")
			neo.delete("/api/runtimes/r").is(200, "")
			neo.create(pair("r")).is(201, `{"success":true,"created":"`+at0+`","id":"#2","definition":`+strings.Replace(shownPair("r", "#1"), `"name":"r"`, `"name":"`+tt.want+`"`, 1)+`}`)
		})
	}
}

func TestOwnersOfNewRuntimes(t *testing.T) {
	e := start(t)
	owned := func(owner string) string { return strings.Replace(pair("r"), `{`, `{"owner":"`+owner+`",`, 1) }
	id := func(name string) string {
		u, err := e.p.Users().Get(context.Background(), name)
		if err != nil {
			t.Fatal(err)
		}
		return u.ID
	}
	neo, root := e.as("neo"), e.as("root")
	const not = "The owner in the definition is not the logged-in user."
	for name, tt := range map[string]struct {
		who   caller
		owner string
		want  string // unique name, or "" for a refusal
	}{
		"a user for itself by name":        {neo, "neo", "neo-r"},
		"a user for itself by UUID":        {neo, id("neo"), "neo-r2"},
		"a user for somebody else":         {neo, "mia", ""},
		"a user for somebody else by UUID": {neo, id("mia"), ""},
		"a user for nobody there is":       {neo, "nobody", ""},
		"an administrator for another":     {root, "mia", "mia-r"},
		"an administrator by UUID":         {root, strings.ToUpper(id("mia")), "mia-r2"},
	} {
		e.Subtest(name, func(t *testing.T) {
			if dry := tt.who.post("/api/runtimes?dry-run=true", owned(tt.owner)); tt.want == "" {
				dry.fails(401, "Create runtime", not)
			} else {
				dry.is(200, "")
			}
			a := tt.who.create(owned(tt.owner))
			if tt.want == "" {
				if h := a.fails(401, "Create runtime", not).Header.Get("WWW-Authenticate"); h != "" {
					t.Errorf("a challenge for who is logged in: %q", h)
				}
			} else if a.is(201, "").Status != 201 {
				t.Error(a.Body)
			}
		})
	}
	root.create(owned("nobody")).fails(400, "Create runtime", "No user nobody to own the runtime.")
	root.post("/api/runtimes?dry-run=true", owned("nobody")).fails(400, "Create runtime", "No user nobody to own the runtime.")
	var list []struct{ UniqueName string }
	root.get("/api/runtimes").is(200, "").JSON(&list)
	got := []string{}
	for _, r := range list {
		got = append(got, r.UniqueName)
	}
	if len(got) != 4 || !strings.HasPrefix(got[0], "mia-r") || !strings.HasPrefix(got[3], "neo-r") {
		t.Errorf("runtimes: %v", got)
	}
}

// breaking is the built-in actors and some that fail.
func breaking(t testing.TB, closing func()) (*actor.Registry, chan struct{}) {
	t.Helper()
	release := make(chan struct{})
	reg := builtin.Registry().Clone()
	for name, make := range map[string]actor.Maker{
		"unmakeable": func(*actor.Env) (actor.Actor, error) {
			return nil, atoll.Errorf(atoll.Failed, "test", "the file cannot be opened")
		},
		"blocking": func(*actor.Env) (actor.Actor, error) {
			return actor.Func(func(_ actor.Context, e *actor.Event) (*actor.Event, error) { <-release; return e, nil }), nil
		},
		"failing": func(*actor.Env) (actor.Actor, error) {
			return actor.Func(func(actor.Context, *actor.Event) (*actor.Event, error) {
				return nil, atoll.Errorf(atoll.Failed, "test", "the disk is full")
			}), nil
		},
		"panicking": func(*actor.Env) (actor.Actor, error) {
			return actor.Func(func(actor.Context, *actor.Event) (*actor.Event, error) { panic("s3cret-of-the-process") }), nil
		},
		"stateless": func(*actor.Env) (actor.Actor, error) { return panicState{}, nil },
		"closing":   func(*actor.Env) (actor.Actor, error) { return closer{closing}, nil },
	} {
		err := reg.Register(actor.Type{Name: name, Doc: "Fails.", Stateful: name == "stateless",
			Compile: func(actor.Params) (actor.Maker, []atoll.Finding) { return make, nil }})
		if err != nil {
			t.Fatal(err)
		}
	}
	return reg, release
}

type panicState struct{}

func (panicState) Trigger(_ actor.Context, e *actor.Event) (*actor.Event, error) { return e, nil }
func (panicState) StateNames() []string                                          { return []string{"x"} }
func (panicState) State(string) actor.Value                                      { panic("no state today") }

type closer struct{ fn func() }

func (closer) Trigger(_ actor.Context, e *actor.Event) (*actor.Event, error) { return e, nil }
func (c closer) Close() error                                                { c.fn(); return nil }

// solo is a runtime of the actor a of some type, behind in.
func solo(name, typ string) string {
	return `{"name":"` + name + `","actors":[{"name":"in","type":"httpbroadcast"},{"name":"a","type":"` + typ + `"}],"links":[{"from":"in","to":"a"}]}`
}

func TestARuntimeThatCannotBeMadeLeavesNothing(t *testing.T) {
	reg, _ := breaking(t, nil)
	e := start(t, platform.WithActors(reg))
	neo := e.as("neo")
	a := neo.create(solo("r", "unmakeable")).is(500, `{"action":"Create runtime","success":false,"reason":"*"}`)
	if !strings.Contains(a.Body, "the file cannot be opened") {
		t.Errorf("the reason does not say why: %s", a.Body)
	}
	neo.get("/api/runtimes").is(200, `[]`)
	neo.create(pair("r")).is(201, `{"success":true,"created":"`+at0+`","id":"#2","definition":`+shownPair("r", "#1")+`}`)
}

func TestDeletingAllTellsOfWhatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, _ := breaking(t, func() { time.Sleep(2 * time.Second) })
		e := bare(t, []platform.Option{platform.WithAuthentication(tenancy.AcceptAll), platform.WithActors(reg)},
			httpapi.WithLimits(rest.Limits{Handler: time.Second}))
		c := e.nobody()
		c.create(solo("a", "closing")).is(201, "")
		c.create(pair("b")).is(201, "")
		c.delete("/api/runtimes").is(500, `{"action":"Delete runtimes","success":false,"reason":"Some runtimes could not be deleted.","results":{"coral-a":true,"coral-b":false}}`)
		c.delete("/api/runtimes").is(200, `{"action":"Delete runtimes","success":true,"results":{"coral-b":true}}`)
	})
}

func TestCopiesAreNotCalledOneByOne(t *testing.T) {
	e := start(t)
	neo := e.as("neo")
	neo.create(strings.Replace(pair("r"), `{`, `{"distribution":{"mode":"duplicate","machines":"local","copies":2},`, 1)).is(201, "")
	for _, c := range []struct{ method, path, body string }{
		{"GET", "", ""}, {"DELETE", "", ""}, {"PATCH", "", `{"status":"start"}`}, {"GET", "/actors", ""}, {"GET", "/links", ""},
		{"POST", "/actors/in", `{}`}, {"POST", "/actors/in/shunt", `{}`}, {"GET", "/actors/in", ""}, {"GET", "/actors/in/state", ""},
		{"GET", "/permissions", ""}, {"POST", "/permissions", `{"user":"mia","method":"*","uri":"/api/runtimes/neo-r","allowed":true}`},
		{"GET", "/permissions/" + missingID, ""}, {"PATCH", "/permissions", `{"id":"` + missingID + `","allowed":true}`}, {"DELETE", "/permissions/" + missingID, ""},
	} {
		for _, ref := range []string{"r.1", "neo-r.2"} {
			a := neo.do(c.method, "/api/runtimes/"+ref+c.path, c.body)
			if a.Status != 405 || a.Header.Get("Allow") != "GET, HEAD, OPTIONS" {
				t.Fatalf("%s %s: %d %v %s", c.method, ref+c.path, a.Status, a.Header, a.Body)
			}
			a.is(405, "")
		}
	}
	neo.get("/api/runtimes/r.3").fails(404, "Find runtime", "No runtime r.3.")
	if a := neo.get("/api/runtimes/r"); a.Status != 200 || !strings.Contains(a.Body, `"copies":[{"name":"neo-r.1","machine":"127.0.0.1:2551"},{"name":"neo-r.2","machine":"127.0.0.1:2551"}]`) {
		t.Errorf("a runtime in copies: %d %s", a.Status, a.Body)
	}
	neo.get("/api/runtimes/neo-r.2/stats").is(200, `{"totalActors":2,"totalMessages":0,"totalExceptions":0,"counters":{"total":{}}}`)
	neo.get("/api/runtimes/r/stats").is(200, `{"totalActors":4,"totalMessages":0,"totalExceptions":0,"counters":{"total":{}}}`)
	neo.get("/api/runtimes/r.1/actors/in/stats").is(200, `{"name":"in","totalActors":1,"totalMessages":0,"totalExceptions":0,"counters":{"total":{}}}`)
}

func TestANameThatCannotBeRaised(t *testing.T) {
	e := start(t)
	nines := strings.Repeat("9", 128)
	e.as("neo").create(pair(nines)).is(201, "")
	e.as("neo").create(pair(nines)).fails(409, "Create runtime", "A runtime of that name exists, and a longer name is too long.")
}

func TestAPlatformThatDoesNotRun(t *testing.T) {
	e := open(t)
	e.nobody().create(pair("r")).is(201, "")
	if err := e.p.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/api/runtimes", "/api/runtimes/r", "/api/platform/stats"} {
		a := e.nobody().get(path)
		if a.Status != 503 || a.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %v %s", path, a.Status, a.Header, a.Body)
		}
	}
}
