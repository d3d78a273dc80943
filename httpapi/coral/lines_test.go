package coral_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/actor/builtin"
	"github.com/atoll-platform/atoll/platform"
)

const ndjson = "application/x-ndjson"

func TestEventsInLines(t *testing.T) {
	e := start(t, platform.WithSettings(map[string]any{"coral.api.max-body": 1000}))
	neo := e.as("neo")
	neo.create(pair("r")).is(201, "")
	lines := neo.with("Content-Type", ndjson)
	total := 0
	tests := map[string]struct {
		body     string
		accepted int
		want     string
	}{
		"each line is an event":            {`{"n":1}` + "\n" + `{"n":2}` + "\n", 2, `{"action":"Post event","success":true,"accepted":2,"refused":0}`},
		"the last line need not end":       {`{"n":1}` + "\r\n" + `{"n":2}`, 2, `{"action":"Post event","success":true,"accepted":2,"refused":0}`},
		"nothing is no line":               {"", 0, `{"action":"Post event","success":true,"accepted":0,"refused":0}`},
		"empty lines are ignored":          {"\n\n" + `{"n":1}` + "\n \t\r\n", 1, `{"action":"Post event","success":true,"accepted":1,"refused":0}`},
		"a bad line is refused alone":      {`{"n":1}` + "\n[1]\n\n" + `{"n":2}`, 2, `{"action":"Post event","success":false,"accepted":2,"refused":1,"errors":[{"line":2,"reason":"*"}]}`},
		"two events on a line are none":    {`{"n":1}{"n":2}` + "\n" + `{"n":3}`, 1, `{"action":"Post event","success":false,"accepted":1,"refused":1,"errors":[{"line":1,"reason":"*"}]}`},
		"a line at the limit of one event": {`{"n":1,"x":"` + strings.Repeat("a", 1000-14) + `"}` + "\n", 1, `{"action":"Post event","success":true,"accepted":1,"refused":0}`},
		"a line over the limit":            {`{"n":1,"x":"` + strings.Repeat("a", 1000-13) + `"}` + "\n" + `{"n":2}`, 1, `{"action":"Post event","success":false,"accepted":1,"refused":1,"errors":[{"line":1,"reason":"The line is larger than the limit of an event."}]}`},
		"more than one post":               {strings.Repeat(`{"n":1}`+"\n", 3000), 3000, `{"action":"Post event","success":true,"accepted":3000,"refused":0}`},
	}
	for name, tt := range tests {
		e.Subtest(name, func(t *testing.T) {
			got := lines.post("/api/runtimes/r/actors/in", tt.body)
			for strings.Contains(got.Body, `"reason":"`) && strings.Contains(tt.want, `"reason":"*"`) {
				i := strings.Index(got.Body, `"reason":"`)
				end := strings.Index(got.Body[i+10:], `"}`)
				got.Body = got.Body[:i] + `"reasons":"*` + got.Body[i+10+end:]
			}
			got.is(200, strings.ReplaceAll(tt.want, `"reason":"*"`, `"reasons":"*"`))
			total += tt.accepted
		})
	}
	e.Subtest("every accepted line is handled", func(t *testing.T) {
		eventually(t, "all are counted", func() bool {
			return strings.Contains(neo.get("/api/runtimes/r/actors/in/stats").Body, fmt.Sprintf(`"totalMessages":%d,`, total))
		})
	})
	e.Subtest("twenty bad lines are told, all are counted", func(t *testing.T) {
		a := lines.post("/api/runtimes/r/actors/in", strings.Repeat("x\n", 2000))
		if a.Status != 200 || !strings.Contains(a.Body, `"accepted":0,"refused":2000,`) || strings.Count(a.Body, `"line":`) != 20 || !strings.Contains(a.Body, `{"line":20,`) {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	})
	e.Subtest("a body has a limit of its own", func(t *testing.T) {
		line := `{"x":"` + strings.Repeat("a", 900) + "\"}\n"
		lines.post("/api/runtimes/r/actors/in", strings.Repeat("\n", 8<<20)).is(200, `{"action":"Post event","success":true,"accepted":0,"refused":0}`)
		lines.post("/api/runtimes/r/actors/in", strings.Repeat(line, 8<<20/len(line)+1)).is(413, "")
	})
	e.Subtest("the row is checked as with one event", func(t *testing.T) {
		lines.post("/api/runtimes/r/actors/who", "x\n").fails(404, "Get actor", "No actor who.")
		lines.post("/api/runtimes/who/actors/in", "").fails(404, "Find runtime", "No runtime who.")
		e.as("mia").with("Content-Type", ndjson).post("/api/runtimes/neo-r/actors/in", `{}`).is(403, "")
		lines.post("/api/runtimes/r/actors/in/shunt", `{}`).fails(415, "Set HTTP header", "Only application/json is accepted.")
		lines.post("/api/runtimes", `{}`).fails(415, "Set HTTP header", "Only application/json is accepted.")
		neo.start("r").is(200, "")
		neo.stop("r").is(200, "")
		lines.post("/api/runtimes/r/actors/in", `{}`).is(409, "")
	})
}

func TestLinesBeyondAFullQueueAreRefused(t *testing.T) {
	reg := builtin.Registry().Clone()
	release := make(chan struct{})
	entered := make(chan struct{}, 1)
	block := actor.Func(func(actor.Context, *actor.Event) (*actor.Event, error) {
		select {
		case entered <- struct{}{}:
		default:
		}
		<-release
		return nil, nil
	})
	if err := reg.RegisterFunc("gate", block); err != nil {
		t.Fatal(err)
	}
	e := start(t, platform.WithActors(reg), platform.WithWorkers(4), platform.WithSettings(map[string]any{"coral.actor.mailbox": 5}))
	defer close(release)
	neo := e.as("neo")
	neo.create(`{"name":"r","actors":[{"name":"in","type":"gate"},{"name":"out","type":"httpbroadcast"}],"links":[{"from":"in","to":"out"}]}`).is(201, "")
	lines := neo.with("Content-Type", ndjson)
	lines.post("/api/runtimes/r/actors/in", `{}`).is(200, "")
	<-entered
	const full = "The mailbox of the runtime is full."
	lines.post("/api/runtimes/r/actors/in", "x\n"+strings.Repeat("{}\n", 7)).is(200, `{"action":"Post event","success":false,"accepted":5,"refused":3,"errors":[
		{"line":1,"reason":"An event is one JSON object (byte 0)."},{"line":7,"reason":"`+full+`"},{"line":8,"reason":"`+full+`"}]}`)
	a := lines.post("/api/runtimes/r/actors/in", "{}\n{}")
	a.fails(429, "Post event", full)
	if a.Header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
	}
}
