package coral_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/platform"
)

const here = `{"alias":null,"ip":"127.0.0.1","port":2551,"roles":[],"status":"Up"}`

func TestOnlyAdministratorsSeeThePlatform(t *testing.T) {
	e := start(t)
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/api/platform/cluster", ""}, {"GET", "/api/platform/cluster/127.0.0.1", ""}, {"GET", "/api/platform/cluster/nobody", ""}, {"POST", "/api/platform/cluster", `{"action":"leave"}`},
		{"GET", "/api/platform/stats", ""}, {"GET", "/api/platform/settings", ""},
		{"PATCH", "/api/platform/settings", `{"coral.log-level":"WARN"}`}, {"POST", "/api/platform/settings", `{}`}, {"PATCH", "/api/platform/settings", `{"coral.api.port":1}`},
	} {
		e.as("neo").do(c.method, c.path, c.body).fails(403, "", "You may not "+c.method+" "+c.path+".")
		if c.method == "GET" && c.path != "/api/platform/cluster/nobody" {
			e.as("root").get(c.path).is(200, "")
		}
	}
}

func TestMachinesJoinAndLeave(t *testing.T) {
	e := open(t)
	c := e.nobody()
	const at = "/api/platform/cluster"
	c.get(at).is(200, `{"cluster":{"enabled":false},"machines":[`+here+`]}`)
	for _, ref := range []string{"127.0.0.1:2551", "127.0.0.1", "127.0.0.1%3A2551"} {
		c.get(at+"/"+ref).is(200, here)
	}
	c.get(at+"/10.0.0.9:2551").fails(404, "Get machine", "No machine 10.0.0.9:2551.")
	c.post(at, `{"action":"leave"}`).fails(409, "Join or leave cluster", "Only one machine remains.")

	const second = `{"alias":"second","ip":"10.0.0.2","port":2552,"roles":["db","web"],"status":"Up"}`
	c.post(at, `{"action":"join","ip":"10.0.0.2","port":2552,"alias":"second","role":["db","web"]}`).
		is(200, `{"action":"add machine","machine":`+second+`,"success":true,"message":"*"}`)
	c.get(at).is(200, `{"cluster":{"enabled":true},"machines":[`+second+`,`+here+`]}`)
	c.get(at+"/second").is(200, second)
	c.post(at, `{"action":"join","ip":"10.0.0.2","port":2553,"alias":null}`).is(200, `{"action":"add machine","machine":{"alias":null,"ip":"10.0.0.2","port":2553,"roles":[],"status":"Up"},"success":true,"message":"*"}`)
	c.get(at+"/10.0.0.2").fails(404, "Get machine", "No machine 10.0.0.2.") // two machines have it

	const conflict = `{"action":"Join or leave cluster","success":false,"reason":"*"}`
	c.post(at, `{"action":"join","ip":"10.0.0.2","port":2552}`).is(409, conflict)
	c.post(at, `{"action":"join","ip":"127.0.0.1","port":2551}`).is(409, conflict)
	c.post(at, `{"action":"join","ip":"10.0.0.3","port":2552,"alias":"second"}`).is(409, conflict)
	c.post(at, `{"action":"leave","ip":"10.0.0.9","port":2552}`).fails(404, "Get machine", "No machine 10.0.0.9:2552.")
	c.post(at, `{"action":"leave","alias":"nobody"}`).fails(404, "Get machine", "No machine nobody.")

	c.create(strings.Replace(pair("far"), `{`, `{"distribution":{"mode":"predefined","machine":{"ip":"10.0.0.2","port":2552}},`, 1)).is(201, "")
	c.start("far").is(200, "")
	placed := func() string {
		var r struct{ Machine, Status string }
		c.get("/api/runtimes/far").is(200, "").JSON(&r)
		return r.Machine + " " + r.Status
	}
	if got := placed(); got != "10.0.0.2:2552 running" {
		t.Errorf("placed at %s", got)
	}
	c.post(at, `{"action":"leave","alias":"second"}`).is(200, `{"action":"remove machine","machine":`+strings.Replace(second, "Up", "Down", 1)+`,"success":true,"message":"*"}`)
	if got := placed(); got != "127.0.0.1:2551 running" {
		t.Errorf("placed again at %s", got)
	}
	c.post(at, `{"action":"leave"}`).is(200, `{"action":"remove machine","machine":`+strings.Replace(here, "Up", "Down", 1)+`,"success":true,"message":"*"}`)
	c.get(at).is(200, `{"cluster":{"enabled":false},"machines":[`+here+`]}`)
}

func TestJoinAndLeaveWithFaults(t *testing.T) {
	e := open(t)
	c := e.nobody()
	c.post("/api/platform/cluster", `{"action":"join","ip":"10.0.0.2","port":2552}`).is(200, "")
	const action, address = "Action must be join or leave.", "Machine address is missing or not valid."
	for _, tt := range []struct{ name, body, reason string }{
		{"nothing", `{}`, action}, {"an unknown action", `{"action":"stay"}`, action}, {"an action of another type", `{"action":["join"]}`, action}, {"an action in capitals", `{"action":"JOIN","ip":"10.0.0.3","port":1}`, action},
		{"no address", `{"action":"join"}`, address}, {"no port", `{"action":"join","ip":"10.0.0.3"}`, address}, {"no ip", `{"action":"join","port":2551}`, address},
		{"a host name", `{"action":"join","ip":"example.com","port":2551}`, address}, {"an ip of another type", `{"action":"join","ip":10,"port":2551}`, address},
		{"port 0", `{"action":"join","ip":"10.0.0.3","port":0}`, address}, {"port 65536", `{"action":"join","ip":"10.0.0.3","port":65536}`, address},
		{"a port of another type", `{"action":"join","ip":"10.0.0.3","port":"2551"}`, address}, {"an alias that reads as an address", `{"action":"join","ip":"10.0.0.3","port":1,"alias":"10.0.0.4"}`, address},
		{"an alias with a space", `{"action":"join","ip":"10.0.0.3","port":1,"alias":"a b"}`, address},
		{"roles that are no list", `{"action":"join","ip":"10.0.0.3","port":1,"roles":"db"}`, "roles is missing or not valid."},
		{"an empty role", `{"action":"join","ip":"10.0.0.3","port":1,"roles":[""]}`, "roles is missing or not valid."},
		{"leaving with a port alone", `{"action":"leave","port":2552}`, address}, {"leaving with an empty ip", `{"action":"leave","ip":""}`, address}, {"leaving with an empty alias", `{"action":"leave","alias":""}`, address},
	} {
		e.Subtest(tt.name, func(*testing.T) {
			c.post("/api/platform/cluster", tt.body).is(400, `{"action":"Join or leave cluster","success":false,"reason":"`+tt.reason+`","details":"*"}`)
		})
	}
	c.get("/api/platform/cluster").is(200, `{"cluster":{"enabled":true},"machines":[{"alias":null,"ip":"10.0.0.2","port":2552,"roles":[],"status":"Up"},`+here+`]}`)
}

func TestStatisticsOfThePlatform(t *testing.T) {
	e := open(t)
	c := e.nobody()
	member := func(ip, port, roles string) string {
		return `{"address":{"fullAddress":"akka.tcp://coral@` + ip + `:` + port + `","protocol":"akka.tcp","system":"coral","ip":"` + ip + `","port":` + port + `},"status":"Up","roles":` + roles + `}`
	}
	c.get("/api/platform/stats").is(200, `{"totalMachines":1,"totalRuntimes":0,"totalActors":0,"totalMessages":0,"totalExceptions":0,"counters":{"total":{}},"runningSince":"`+at0+`",
		"cluster":{"leader":"akka.tcp://coral@127.0.0.1:2551","roles":[],"members":[`+member("127.0.0.1", "2551", "[]")+`]}}`)
	c.create(pair("a")).is(201, "")
	c.create(pair("b")).is(201, "")
	c.post("/api/platform/cluster", `{"action":"join","ip":"10.0.0.2","port":2552,"roles":["web","db","web"]}`).is(200, "")
	for _, r := range []string{"a", "b"} {
		c.post("/api/runtimes/"+r+"/actors/in", `{"n":1}`).is(200, "")
		c.post("/api/runtimes/"+r+"/actors/sum/shunt", `{"n":1}`).is(204, "")
		eventually(t, "both actors have handled it", func() bool {
			return strings.Contains(c.get("/api/runtimes/"+r+"/stats").Body, `"totalMessages":2`)
		})
	}
	c.get("/api/platform/stats").is(200, `{"totalMachines":2,"totalRuntimes":2,"totalActors":4,"totalMessages":4,"totalExceptions":0,"counters":{"total":{"shunt":2},"sum":{"shunt":2}},"runningSince":"`+at0+`",
		"cluster":{"leader":"akka.tcp://coral@10.0.0.2:2552","roles":["db","web"],"members":[`+member("10.0.0.2", "2552", `["web","db","web"]`)+`,`+member("127.0.0.1", "2551", "[]")+`]}}`)
	c.delete("/api/runtimes").is(200, `{"action":"Delete runtimes","success":true,"results":{"coral-a":true,"coral-b":true}}`)
}

func TestSettings(t *testing.T) {
	var level slog.LevelVar
	e := open(t, platform.WithLogLevel(&level), platform.WithFiles(""), platform.WithSettings(map[string]any{
		"coral.cassandra.password": "plan9plan9", "kafka.consumer.ssl.password": "plan9plan9", "coral.distributor.machine.port": 2552}))
	c := e.nobody()
	const at = "/api/platform/settings"
	want := `{"127.0.0.1:2551":{"akka":{"loglevel":"info"},"coral":{
		"log-level":"INFO","start-runtimes-in-table":false,"api":{"interface":"0.0.0.0","port":8000,"max-body":1048576},
		"akka":{"hostname":"127.0.0.1","port":2551},"distributor":{"mode":"local","machine":{"port":2552}},
		"authentication":{"mode":"accept-all","cache":true,"ldap":{"mfa":{"enabled":false}}},"cluster":{"enabled":false,"seed-nodes":["127.0.0.1:2551"]},
		"cassandra":{"port":9042,"keyspace":"coral","user-table":"users","runtime-table":"runtimes","authorize-table":"auth","journal-table":"journal","snapshot-table":"snapshots","max-result-size":50000,"password":"******","keyspace-autocreate":true},
		"event-log":{"enabled":false},"runtime":{"reuse-deleted-names":true},"actor":{"mailbox":10000},"collect":{"timeout-ms":950},"shunt":{"timeout-ms":10000},"httpclient":{"timeout-ms":10000}},
		"kafka":{"consumer":{"consumer":{"timeout":{"ms":500}},"auto":{"commit":{"enable":false}},"ssl":{"password":"******"}},"producer":{"producer":{"type":"async"}}},
		"injections":{"actorPropFactories":[]}}}`
	c.get(at).is(200, want)

	// What GET shows may be sent back, and changes nothing.
	c.patch(at, c.get(at).Body).is(200, `{"action":"Update settings","success":true,"settings":{}}`)
	c.patch(at, `{"coral":{"log-level":"WARN","shunt":{"timeout-ms":500}}}`).is(200, `{"action":"Update settings","success":true,"settings":{"coral.log-level":"WARN","coral.shunt.timeout-ms":500}}`)
	if level.Level() != slog.LevelWarn {
		t.Errorf("the level of the log is %v", level.Level())
	}
	c.post(at, `{"coral.shunt.timeout-ms":500,"coral.collect.timeout-ms":900}`).is(200, `{"action":"Update settings","success":true,"settings":{"coral.collect.timeout-ms":900}}`)
	c.patch(at, `{"127.0.0.1:2551":{"coral":{"actor.mailbox":20}},"coral":{"event-log":{"enabled":true}}}`).is(200, `{"action":"Update settings","success":true,"settings":{"coral.actor.mailbox":20,"coral.event-log.enabled":true}}`)
	c.patch(at, `{}`).is(200, `{"action":"Update settings","success":true,"settings":{}}`)
	c.get(at).is(200, strings.NewReplacer(`"log-level":"INFO"`, `"log-level":"WARN"`, `"shunt":{"timeout-ms":10000}`, `"shunt":{"timeout-ms":500}`,
		`"collect":{"timeout-ms":950}`, `"collect":{"timeout-ms":900}`, `"mailbox":10000`, `"mailbox":20`, `"event-log":{"enabled":false}`, `"event-log":{"enabled":true}`).Replace(want))
}

func TestSettingsWithFaults(t *testing.T) {
	e := open(t)
	c := e.nobody()
	const at = "/api/platform/settings"
	for _, tt := range []struct{ name, body, field string }{
		{"an unknown key", `{"coral":{"nope":1}}`, "coral.nope"}, {"a value of another type", `{"coral":{"actor":{"mailbox":"many"}}}`, "coral.actor.mailbox"},
		{"a number with a fraction", `{"coral.actor.mailbox":1.5}`, "coral.actor.mailbox"}, {"a number that is too small", `{"coral.actor.mailbox":0}`, "coral.actor.mailbox"},
		{"a number beyond all bounds", `{"coral.actor.mailbox":1e400}`, "coral.actor.mailbox"},
		{"a word that is none of the words", `{"coral.log-level":"LOUD"}`, "coral.log-level"}, {"null", `{"coral.log-level":null}`, "coral.log-level"},
		{"a tree in the place of a value", `{"coral.log-level":{"x":1}}`, "coral.log-level.x"}, {"a value in the place of a tree", `{"coral":1}`, "coral"},
		{"a machine that is no member", `{"10.0.0.9:1":{"coral.log-level":"WARN"}}`, "10.0.0.9:1.coral.log-level"},
		{"two values of one key", `{"coral.log-level":"WARN","coral":{"log-level":"ERROR"}}`, "coral.log-level"},
		{"a very long key", `{"` + strings.Repeat("x", 5000) + `":1}`, strings.Repeat("x", 200) + "…"},
		{"login with several factors", `{"coral.authentication.ldap.mfa.enabled":true}`, "coral.authentication.ldap.mfa.enabled"},
	} {
		e.Subtest(tt.name, func(*testing.T) {
			c.patch(at, tt.body).is(400, `{"action":"Update settings","success":false,"reason":"`+tt.field+` is missing or not valid.","details":"*"}`)
		})
	}
	var body struct{ Details string }
	c.patch(at, `{"coral":{"log-level":"WARN","nope":1,"shunt":{"timeout-ms":"x"}},"other":true}`).is(400, "").JSON(&body)
	for _, want := range []string{"coral.nope", "coral.shunt.timeout-ms", "other"} {
		if !strings.Contains(body.Details, want) {
			t.Errorf("details lack %s:\n%s", want, body.Details)
		}
	}
	c.patch(at, `{"coral":{"log-level":"WARN","api":{"port":9000}}}`).fails(409, "Update settings", "Only a restart changes coral.api.port.")
	c.patch(at, `{"coral":{"cluster":{"enabled":true}}}`).fails(409, "Update settings", "Only a restart changes coral.cluster.enable.")
	c.patch(at, `{"coral":{"cluster":{"enabled":false}}}`).is(200, `{"action":"Update settings","success":true,"settings":{}}`)
	if a := c.get(at).is(200, ""); !strings.Contains(a.Body, `"log-level":"INFO"`) {
		t.Errorf("a part of a refused change was applied: %s", a.Body)
	}
}

func TestTheLimitOfBodiesIsLive(t *testing.T) {
	e := open(t)
	c := e.nobody()
	c.create(pair("r")).is(201, "")
	const at = "/api/runtimes/r/actors/in"
	event := func(size int) string { return `{"x":"` + strings.Repeat("x", size-8) + `"}` }
	c.post(at, event(1<<20)).is(200, "")
	c.post(at, event(1<<20+1)).fails(413, "Post event", "The body is larger than the limit.")
	c.patch("/api/platform/settings", `{"coral.api.max-body":100}`).is(200, "")
	c.post(at, event(100)).is(200, "")
	c.post(at, event(101)).fails(413, "Post event", "The body is larger than the limit.")
	c.patch("/api/platform/settings", `{"coral.api.max-body":100000000}`).is(200, "")
	c.post(at, event(4<<20)).is(200, "")
	c.post(at, event(4<<20+1)).fails(413, "Post event", "The body is larger than the limit.") // nothing works on larger texts
}

func TestInitialMembers(t *testing.T) {
	e := open(t, platform.WithSettings(map[string]any{"coral.cluster.enable": true, "coral.cluster.seed-nodes": []string{"127.0.0.1:2551", "10.0.0.2:2552"}}))
	e.nobody().get("/api/platform/cluster").is(200, `{"cluster":{"enabled":true},"machines":[{"alias":null,"ip":"10.0.0.2","port":2552,"roles":[],"status":"Up"},`+here+`]}`)
}

func TestTheGreeting(t *testing.T) {
	e := start(t)
	a := e.as("neo").get("/").is(200, `"api is running. enjoy"`)
	if diff := cmp.Diff(`"api is running. enjoy"`, a.Body); diff != "" {
		t.Error(diff)
	}
}
