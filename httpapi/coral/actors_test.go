package coral_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/platform"
)

// flights is a runtime with a lookup, a group, a collector and a source.
const flights = `{"name":"flights","actors":[
	{"name":"in","type":"httpbroadcast"},
	{"name":"limit","type":"threshold","params":{"key":"n","threshold":10}},
	{"name":"sum","type":"stats","params":{"field":"n"},"group":{"by":"city"}},
	{"name":"short","type":"stats","params":{"field":"n"},"groupby":"city","log":{"incoming":false},"timeout":{"duration":3600,"mode":"continue"},"note":"kept"},
	{"name":"score","type":"zscore","params":{"field":"n","score":2},"collect":[{"alias":"count","from":"all","field":"count"},{"alias":"avg","from":"all","field":"avg"},{"alias":"std","from":"all","field":"sd"}]},
	{"name":"all","type":"stats","params":{"field":"n"}}],
	"links":[{"from":"in","to":"limit"},{"from":"in","to":"sum"},{"from":"in","to":"short"},{"from":"in","to":"all"},{"from":"in","to":"score"}]}`

func TestEventsOfAnActor(t *testing.T) {
	e := start(t)
	neo := e.as("neo")
	neo.create(flights).is(201, "")
	for _, body := range []string{`{"city":"A","n":1}`, `{"city":"A","n":3}`, `{"city":"B","n":5}`, `{"n":7}`} {
		neo.post("/api/runtimes/flights/actors/in", body).is(200, `{"action":"Post event","success":true}`)
	}
	eventually(t, "everything is counted", func() bool {
		return strings.Contains(neo.get("/api/runtimes/flights/actors/all/state").Body, `"count":4`)
	})
	neo.get("/api/runtimes/flights/actors/all/state").is(200, `{"count":4,"avg":4,"sd":2.23606797749979,"min":1,"max":7}`)
	neo.get("/api/runtimes/flights/actors/sum/state?by=A").is(200, `{"count":2,"avg":2,"sd":1,"min":1,"max":3}`)
	neo.get("/api/runtimes/flights/actors/in/state").is(200, `{}`)
	neo.get("/api/runtimes/flights/actors/sum/stats?by=B").is(200, `{"name":"sum","totalActors":1,"totalMessages":1,"totalExceptions":0,"counters":{"total":{}}}`)
	neo.get("/api/runtimes/flights/actors/sum/stats").is(200, `{"name":"sum","totalActors":1,"totalMessages":4,"totalExceptions":0,"counters":{"total":{}},"totalChildren":2}`)

	neo.get("/api/runtimes/flights/actors/all").is(200, `{"name":"all","type":"stats","params":{"field":"n"},"runtime":"#1","links":{"from":["in"],"to":[]},
		"state":{"count":4,"avg":4,"sd":2.23606797749979,"min":1,"max":7}}`)
	neo.get("/api/runtimes/flights/actors/in").is(200, `{"name":"in","type":"httpbroadcast","params":null,"runtime":"#1","links":{"from":[],"to":["limit","sum","short","all","score"]},"state":{}}`)
	neo.get("/api/runtimes/flights/actors/sum").is(200, `{"name":"sum","type":"stats","params":{"field":"n"},"runtime":"#1","links":{"from":["in"],"to":[]},
		"state":{"actors":{"A":1,"B":2}},"children":["A","B"],"group":{"by":"city"}}`)
	neo.get("/api/runtimes/flights/actors/sum?by=B").is(200, `{"name":"sum","type":"stats","params":{"field":"n"},"runtime":"#1","links":{"from":["in"],"to":[]},
		"state":{"count":1,"avg":5,"sd":0,"min":5,"max":5},"children":["A","B"],"group":{"by":"city"}}`)
	neo.get("/api/runtimes/flights/actors/short").is(200, `{"name":"short","type":"stats","params":{"field":"n"},"runtime":"#1","links":{"from":["in"],"to":[]},
		"state":{"actors":{"A":1,"B":2}},"children":["A","B"],"group":{"by":"city"},"log":{"incoming":false},"timeout":{"duration":3600,"mode":"continue"}}`)
	neo.get("/api/runtimes/flights/actors/score").is(200, `{"name":"score","type":"zscore","params":{"field":"n","score":2},"runtime":"#1","links":{"from":["in"],"to":[]},"state":{},
		"collect":[{"alias":"count","from":"all","field":"count"},{"alias":"avg","from":"all","field":"avg"},{"alias":"std","from":"all","field":"sd"}]}`)

	for _, path := range []string{"", "/state", "/stats"} {
		neo.get("/api/runtimes/flights/actors/nobody"+path).fails(404, "Get actor", "No actor nobody.")
		neo.get("/api/runtimes/flights/actors/IN"+path).fails(404, "Get actor", "No actor IN.")
		if a := neo.get("/api/runtimes/flights/actors/sum" + path + "?by=C"); a.Status != 404 || !strings.Contains(a.Body, `"action":"Get actor"`) {
			t.Errorf("a child that is not there: %d %s", a.Status, a.Body)
		}
	}
	neo.post("/api/runtimes/flights/actors/nobody", `{}`).fails(404, "Get actor", "No actor nobody.")
	neo.post("/api/runtimes/flights/actors/nobody/shunt", `{}`).fails(404, "Get actor", "No actor nobody.")
}

func TestShunt(t *testing.T) {
	e := start(t)
	neo := e.as("neo")
	neo.create(flights).is(201, "")
	const at = "/api/runtimes/flights/actors/"
	neo.post(at+"limit/shunt", `{"n":12,"x":[1.0]}`).is(200, `{"n":12,"x":[1.0]}`)
	neo.post(at+"limit/shunt", `{"n":2}`).is(204, "")
	neo.post(at+"limit/shunt", `{"m":2}`).fails(422, "Shunt actor", "The actor could not process this event.")
	neo.post(at+"limit/shunt", `{"n":"12"}`).fails(422, "Shunt actor", "The actor could not process this event.")
	neo.post(at+"sum/shunt", `{"n":1,"city":"A"}`).is(204, "")
	neo.get(at+"sum/state?by=A").is(200, `{"count":1,"avg":1,"sd":0,"min":1,"max":1}`)
	neo.get("/api/runtimes/flights/stats").is(200, `{"totalActors":6,"totalMessages":0,"totalExceptions":2,
		"counters":{"total":{"shunt":5},"limit":{"shunt":4},"sum":{"shunt":1}},"totalChildren":1}`)
	neo.get(at+"limit/stats").is(200, `{"name":"limit","totalActors":1,"totalMessages":0,"totalExceptions":2,"counters":{"total":{"shunt":4},"limit":{"shunt":4}}}`)
}

func TestAStoppedRuntimeRefusesEvents(t *testing.T) {
	e := start(t)
	neo := e.as("neo")
	neo.create(pair("r")).is(201, "")
	neo.post("/api/runtimes/r/actors/in", `{}`).is(200, "")
	neo.start("r").is(200, "")
	neo.stop("r").is(200, "")
	neo.post("/api/runtimes/r/actors/in", `{}`).fails(409, "Post event", "The runtime is stopped.")
	neo.post("/api/runtimes/r/actors/in/shunt", `{}`).fails(409, "Shunt actor", "The runtime is stopped.")
}

func TestActorsThatFail(t *testing.T) {
	reg, release := breaking(t, nil)
	e := start(t, platform.WithActors(reg), platform.WithWorkers(8),
		platform.WithSettings(map[string]any{"coral.shunt.timeout-ms": 50, "coral.collect.timeout-ms": 50, "coral.actor.mailbox": 1}))
	defer close(release)
	neo := e.as("neo")
	for _, typ := range []string{"failing", "panicking", "stateless", "blocking"} {
		neo.create(solo(typ, typ)).is(201, "")
	}
	neo.post("/api/runtimes/failing/actors/a/shunt", `{}`).fails(500, "Shunt actor", "The actor failed: the disk is full")
	neo.post("/api/runtimes/panicking/actors/a/shunt", `{}`).is(500, `{"action":"Shunt actor","success":false,"reason":"*"}`)
	for _, path := range []string{"", "/state"} {
		neo.get("/api/runtimes/stateless/actors/a"+path).is(500, `{"action":"Get actor","success":false,"reason":"*"}`)
	}

	const blocked = "/api/runtimes/blocking/actors/a"
	neo.post(blocked+"/shunt", `{}`).fails(504, "Shunt actor", "The actor did not answer in time.")
	for _, path := range []string{"", "/state", "/stats"} {
		neo.get(blocked+path).fails(504, "Get actor", "The actor did not answer in time.")
	}
	for n := 0; neo.post(blocked, `{}`).Status == 200; n++ { // questions that timed out may still hold a place
		if n == 10 {
			t.Fatal("a mailbox of one place takes more than ten events")
		}
	}
	for path, action := range map[string]string{"": "Post event", "/shunt": "Shunt actor"} {
		a := neo.post(blocked+path, `{}`).is(429, `{"action":"`+action+`","success":false,"reason":"*"}`)
		if a.Header.Get("Retry-After") != "1" {
			t.Errorf("%s of a full queue: Retry-After %q", action, a.Header.Get("Retry-After"))
		}
	}
}

func TestARuntimeThatCouldNotBeRestored(t *testing.T) {
	reg, _ := breaking(t, nil)
	from := open(t, platform.WithActors(reg))
	from.nobody().create(solo("r", "failing")).is(201, "")
	var saved bytes.Buffer
	if err := from.p.Snapshot(context.Background(), &saved); err != nil {
		t.Fatal(err)
	}
	e := open(t)
	if err := e.p.Restore(context.Background(), &saved); err != nil {
		t.Fatal(err)
	}
	c := e.nobody()
	c.get("/api/runtimes?status=invalid").is(200, `[{"id":"#1","owner":"`+implicitID+`","name":"r","uniqueName":"coral-r","status":"invalid","project":null,
		"json":`+strings.Replace(solo("r", "failing"), `"name":"r"`, `"name":"r","owner":"`+implicitID+`"`, 1)+`,"starttime":"*","machine":"127.0.0.1:2551"}]`)
	c.get("/api/runtimes/r/actors/a").is(200, `{"name":"a","type":"failing","params":null,"runtime":"#1","links":{"from":["in"],"to":[]},"state":{}}`)
	c.get("/api/runtimes/r/stats").is(200, `{"totalActors":2,"totalMessages":0,"totalExceptions":0,"counters":{"total":{}}}`)
	c.start("r").fails(409, "Start runtime", "Only a created or stopped runtime can start.")
	c.get("/api/runtimes/r/actors/a/state").fails(409, "Get actor", "The runtime could not be restored.")
	c.get("/api/runtimes/r/actors/a/stats").fails(409, "Get actor", "The runtime could not be restored.")
	c.post("/api/runtimes/r/actors/a", `{}`).fails(409, "Post event", "The runtime could not be restored.")
	c.stop("r").is(200, `{"action":"Stop runtime","name":"r","owner":"coral","success":true,"time":"*","reason":"The runtime is not running."}`)
	c.delete("/api/runtimes/r").is(200, "")
}

func TestEventsPassUnchanged(t *testing.T) {
	e := open(t)
	c := e.nobody()
	c.create(pair("r")).is(201, "")
	for name, tt := range map[string]struct{ sent, got string }{
		"large integers":           {`{"n":123456789012345678901234567890,"m":9007199254740993}`, ""},
		"numbers of any size":      {`{"a":1e400,"b":-0,"c":1.0,"d":1E+2,"e":0.1000}`, ""},
		"texts with any character": {`{"a":"<>&\u2028 é 😀","\"":"\\"}`, ""},
		"members in their order":   {`{"z":1,"a":{"y":[],"b":null},"m":true}`, ""},
		"an empty event":           {`{}`, ""},
		"the last of two members":  {`{"a":1,"b":2,"a":3}`, `{"b":2,"a":3}`},
		"white space around":       {" \n{\"a\" : 1}\t", `{"a":1}`},
	} {
		e.Subtest(name, func(t *testing.T) {
			if tt.got == "" {
				tt.got = tt.sent
			}
			a := c.post("/api/runtimes/r/actors/in/shunt", tt.sent).is(200, "")
			if strings.Contains(name, "last") { // in either place
				a.is(200, tt.got)
			} else if strings.Contains(name, "space") {
				a.is(200, tt.got)
			} else if diff := cmp.Diff(tt.got, a.Body); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestGroupsOverTheAPI(t *testing.T) {
	e := open(t)
	c := e.nobody()
	c.create(`{"name":"g","actors":[{"name":"in","type":"httpbroadcast"},{"name":"by2","type":"stats","params":{"field":"n"},"group":{"by":["city","year"]}},{"name":"out","type":"threshold","params":{"key":"n","threshold":0},"group":{"by":"city"}}],
		"links":[{"from":"in","to":"by2"},{"from":"in","to":"out"}]}`).is(201, "")
	c.post("/api/runtimes/g/actors/by2/shunt", `{"city":"A","year":2015,"n":1}`).is(204, "")
	c.post("/api/runtimes/g/actors/by2/shunt", `{"city":"A","n":1}`).is(204, "") // a field is missing: nothing, and no exception
	c.post("/api/runtimes/g/actors/out/shunt", `{"city":7,"n":1}`).is(200, `{"city":7,"n":1}`)
	c.get("/api/runtimes/g/actors/by2").is(200, `{"name":"by2","type":"stats","params":{"field":"n"},"runtime":"#1","links":{"from":["in"],"to":[]},"state":{"actors":{"[\"A\",2015]":1}},"children":["[\"A\",2015]"],"group":{"by":["city","year"]}}`)
	c.get(`/api/runtimes/g/actors/by2/state?by=%5B%22A%22,2015%5D`).is(200, `{"count":1,"avg":1,"sd":0,"min":1,"max":1}`)
	c.get("/api/runtimes/g/actors/out/stats?by=7").is(200, `{"name":"out","totalActors":1,"totalMessages":0,"totalExceptions":0,"counters":{"total":{"shunt":1},"out":{"shunt":1}}}`)
}
