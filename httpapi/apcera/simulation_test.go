package apcera_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/tenancy"
)

func newUser(name string) tenancy.NewUser { return tenancy.NewUser{Name: name} }

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// golden is a published answer.
func golden(t testing.TB, file string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestPublishedSimulations holds the two published answers. The second was
// published with a document that alone grants the claim, yet repeats the first
// without it: there the lines of that document follow.
func TestPublishedSimulations(t *testing.T) {
	e := start(t, platform.WithoutHomes())
	root := e.as("root")
	e.Subtest("what jane lacks to create jobs in the sandbox of john", func(*testing.T) {
		root.get("/v1/sim?fqn=job::/sandbox/john&input=name=jane&claim=permit=create&why=true").is(200, golden(t, "sim-john.json"))
	})
	tim := "/v1/sim?fqn=job::/sandbox/tim&input=name=tim&claim=permit=create&why=true"
	e.Subtest("the same for tim without the document", func(*testing.T) {
		root.get(tim).is(200, golden(t, "sim-tim.json"))
		root.put(tim, nil).is(200, golden(t, "sim-tim.json"))
		root.put(tim, "{}").is(200, golden(t, "sim-tim.json"))
		root.put(tim, `{"docs":null}`).is(200, golden(t, "sim-tim.json"))
	})
	e.Subtest("the same for tim with the document", func(t *testing.T) {
		var want map[string]any
		if err := json.Unmarshal([]byte(golden(t, "sim-tim.json")), &want); err != nil {
			t.Fatal(err)
		}
		want["lines"] = append(want["lines"].([]any),
			map[string]any{"context": "testpolicy.pol:1", "level": 0, "type": 0, "value": "permit create"},
			map[string]any{"context": "testpolicy.pol:1", "level": 1, "type": 3, "value": "job::/sandbox/tim"})
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		root.put(tim, docs(doc("testpolicy", "on job::/sandbox/tim {{ permit create }}"))).is(200, string(text))
		root.get("/v1/policy/testpolicy").is(404, "")
		root.get(tim).is(200, golden(t, "sim-tim.json"))
	})
}

const gates = `gateway::/lab/[who] {
  if (auth_server@apcera.me->name == [who] && badge == "green") {
    permit use
  }
}
gateway::/ {
  if (LDAP->group == "staff") { badge "green" }
}
`

// gatesLines is the answer about bo: level, type, context and value.
func gatesAnswer() string {
	lines := []struct {
		level, typ     int
		context, value string
	}{
		{0, 0, "gates.pol:3", `permit use`},
		{1, 3, "gates.pol:1", `gateway::/lab/[who]`},
		{1, 1, "gates.pol:2", `(auth_server@apcera.me->name == [who] && badge == "green")`},
		{2, 2, "INPUT", `name bo`},
		{2, 2, "ADD INPUT", `badge "green"`},
		{2, 0, "gates.pol:7", `badge "green"`},
		{3, 3, "gates.pol:6", `gateway::/`},
		{3, 1, "gates.pol:7", `(LDAP->group == "staff")`},
		{4, 2, "ADD INPUT", `LDAP->group "staff"`},
	}
	var b strings.Builder
	for i, l := range lines {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"context":%s,"level":%d,"type":%d,"value":%s}`, quoted(l.context), l.level, l.typ, quoted(l.value))
	}
	return `{"lines":[` + b.String() + `],"maxc":11,"maxl":4,"maxv":58}`
}

const none = `{"lines":[],"maxc":0,"maxl":0,"maxv":0}`

func TestSimulate(t *testing.T) {
	e := start(t)
	root := e.as("root")
	bo := "/v1/sim?fqn=gateway::/lab/bo&input=name=bo&claim=permit=use&why=true"
	// What the platform's own documents say about gateways is left out.
	alone := docs(doc("gates", gates), doc("clusterPermissions", ""))
	e.Subtest("a hypothetical simulation with documents of the request", func(*testing.T) {
		root.put(bo, alone).is(200, gatesAnswer())
	})
	e.Subtest("names of parameters in any case, words for true, unknown parameters", func(*testing.T) {
		for _, q := range []string{"FQN=gateway::/lab/bo&Input=name=bo&CLAIM=permit=use&WHY=TRUE", "fqn=gateway%3A%3A/lab/bo&input=name%3Dbo&claim=permit%3Duse&why=1&x=y&z"} {
			root.put("/v1/sim?"+q, alone).is(200, gatesAnswer())
		}
	})
	e.Subtest("a given name is not replaced", func(*testing.T) {
		root.put("/v1/sim?fqn=gateway::/lab/bo&input=name=cy&claim=permit=use&why=true", alone).is(200, none)
	})
	e.write("gates", gates)
	badge := "/v1/sim?fqn=gateway::/lab/bo&claim=badge"
	green := `{"lines":[{"context":"gates.pol:7","level":0,"type":0,"value":"badge \"green\""},{"context":"gates.pol:6","level":1,"type":3,"value":"gateway::/"},
		{"context":"gates.pol:7","level":1,"type":1,"value":"(LDAP->group == \"staff\")"},{"context":"ADD INPUT","level":2,"type":2,"value":"LDAP->group \"staff\""}],
		"maxc":11,"maxl":2,"maxv":24}`
	e.Subtest("with the documents that are kept", func(*testing.T) {
		root.get(badge+"&why=true").is(200, green)
	})
	e.Subtest("nothing hypothetical without why", func(*testing.T) {
		for _, q := range []string{"", "&why=false", "&why=0", "&why=true&why=False"} {
			root.get(badge+q).is(200, none)
		}
	})
	e.Subtest("a document of the request in the place of one that is kept", func(*testing.T) {
		root.put(badge+"&why=true", docs(doc("gates", ""))).is(200, none)
		root.get(badge+"&why=true").is(200, green)
	})
	e.Subtest("several targets: each line says which", func(*testing.T) {
		root.get("/v1/sim?fqn=quota::/a&fqn=quota::/b&claim=max.package.size").is(200, `{"lines":[
			{"context":"quotas.pol:1","level":0,"type":0,"value":"max.package.size 2GB","fqn":"quota::/a"},{"context":"quotas.pol:1","level":1,"type":3,"value":"quota::/","fqn":"quota::/a"},
			{"context":"quotas.pol:1","level":0,"type":0,"value":"max.package.size 2GB","fqn":"quota::/b"},{"context":"quotas.pol:1","level":1,"type":3,"value":"quota::/","fqn":"quota::/b"}],
			"maxc":12,"maxl":1,"maxv":20}`)
	})
	e.Subtest("every type at the root by default", func(*testing.T) {
		everywhere := root.get("/v1/sim?claim=max.package.size").is(200, `{"lines":[
			{"context":"quotas.pol:1","level":0,"type":0,"value":"max.package.size 2GB","fqn":"quota::/"},{"context":"quotas.pol:1","level":1,"type":3,"value":"quota::/","fqn":"quota::/"}],
			"maxc":12,"maxl":1,"maxv":20}`)
		root.get("/v1/sim?claim=max.package.size&fqn=*::/").is(200, everywhere.Body)
	})
	e.Subtest("quotes around a value with spaces", func(*testing.T) {
		in := url.QueryEscape(`LDAP->group="night shift"`)
		root.put("/v1/sim?fqn=gateway::/x&claim=badge&input="+in, docs(doc("gates", `gateway::/ { if (LDAP->group == "night shift") { badge blue } }`))).is(200, `{"lines":[
			{"context":"gates.pol:1","level":0,"type":0,"value":"badge blue"},{"context":"gates.pol:1","level":1,"type":3,"value":"gateway::/"},
			{"context":"gates.pol:1","level":1,"type":1,"value":"(LDAP->group == \"night shift\")"},{"context":"INPUT","level":2,"type":2,"value":"LDAP->group \"night shift\""}],
			"maxc":11,"maxl":2,"maxv":30}`)
	})
}

func TestSimulationsThatAreNotOne(t *testing.T) {
	e := start(t)
	root := e.as("root")
	for name, query := range map[string]string{
		"a target without namespace":         "fqn=job",
		"a target that is empty":             "fqn=",
		"a bare target":                      "fqn",
		"a type that nobody registered":      "fqn=planet::/",
		"an input without value":             "input=name",
		"an input with an empty value":       "input=name=",
		"an input without type":              "input==jane",
		"an input without issuer":            "input=" + url.QueryEscape("->name=x"),
		"a quoted parameter":                 "input=" + url.QueryEscape(`"Google->email=fred@apcera.com"`),
		"quotes on the left":                 "input=" + url.QueryEscape(`"name"=tim`),
		"half a quote":                       "input=" + url.QueryEscape(`name="tim`),
		"a quote within":                     "input=" + url.QueryEscape(`name=t"i"m`),
		"a claim in quotes":                  "claim=" + url.QueryEscape(`"permit=create"`),
		"an empty claim":                     "claim=",
		"a claim without value":              "claim=permit=",
		"a why that is neither":              "why=perhaps",
		"more targets than one call may ask": strings.Repeat("fqn=job::/&", 65),
		"a bad escape":                       "fqn=%zz",
	} {
		e.Subtest(name, func(*testing.T) {
			root.get("/v1/sim?"+query).is(400, "")
			root.put("/v1/sim?"+query, docs()).is(400, "")
		})
	}
	e.Subtest("every fault is reported", func(*testing.T) {
		root.get("/v1/sim?input=name&claim=a=&why=x&input=good=1").fails(400, `why must be true or false, got "x"`, `"error_details":{"errors":`+
			quoted("why must be true or false, got \"x\"\n"+
				`input/0: "name": an input is [issuer->]type=value, with quotes around the value alone`+"\n"+
				`claim/0: "a=": a claim is type or type=value, with quotes around the value alone`)+`}`)
	})
	e.Subtest("a document that does not parse", func(*testing.T) {
		root.put("/v1/sim", docs(doc("bad", "job::/ { if (a != b) { permit read } }"))).fails(400, "bad.pol:1:16: E_OP: '!=' is not an operator; write '==' or 'equals'", `"error_details":{
			"errors":"bad.pol:1:16: E_OP: '!=' is not an operator; write '==' or 'equals'",
			"documents":[{"name":"bad","line":1,"column":16,"error":"E_OP: '!=' is not an operator; write '==' or 'equals'"}]}`)
	})
	e.Subtest("a document of a type that nobody registered, twice, without name", func(*testing.T) {
		root.put("/v1/sim", docs(doc("bad", "planet::/ { { permit read } }"))).is(400, "")
		root.put("/v1/sim", docs(doc("a", ""), doc("a", ""))).is(400, "")
		root.put("/v1/sim", docs(doc("", ""))).is(400, "")
		root.put("/v1/sim", `{"docs":[{"text":""}]}`).is(400, "")
		root.put("/v1/sim", `{"docs":{}}`).is(400, "")
		root.put("/v1/sim", `[]`).is(400, "")
	})
	e.Subtest("one that grows beyond its bounds", func(t *testing.T) {
		var b strings.Builder
		b.WriteString("job::/ {\n")
		for i := range 20 {
			fmt.Fprintf(&b, "if (a%d == x) { a%d x }\n", i+1, i)
		}
		b.WriteString("}")
		a := root.put("/v1/sim?fqn=job::/&claim=a0=x&why=true", docs(doc("deep", b.String()))).is(400, "")
		if !strings.Contains(a.Body, "nests deeper than 16") {
			t.Errorf("%s", a.Body)
		}
	})
}

func TestWhoMaySimulate(t *testing.T) {
	e := start(t)
	neo := e.as("neo")
	e.Subtest("nobody without policy about what is asked for", func(*testing.T) {
		neo.get("/v1/sim?fqn=job::/dev&fqn=package::/dev&fqn=job::/ops").fails(403, "neo may not read policy::/dev with ResType job",
			`"missing_claims":"permit read on policy::/dev, permit read on policy::/ops"`)
		neo.get("/v1/sim").fails(403, "neo may not read policy::/ with ResType apikey", `"missing_claims":"permit read on policy::/"`)
		neo.put("/v1/sim?fqn=job::/dev", docs(doc("mine", "job::/dev { { permit read } }"))).is(403, "")
	})
	e.write("powers", `policy::/dev { if (account->name == neo && ResType == job) { permit read } }`)
	e.Subtest("who may read all realms of the question and the answer", func(*testing.T) {
		neo.put("/v1/sim?fqn=job::/dev&claim=permit=read", docs(doc("mine", "job::/dev { { permit read } }"))).is(200, `{"lines":[
			{"context":"mine.pol:1","level":0,"type":0,"value":"permit read"},{"context":"mine.pol:1","level":1,"type":3,"value":"job::/dev"}],"maxc":10,"maxl":1,"maxv":11}`)
		neo.get("/v1/sim?fqn=package::/dev").is(403, "")
		neo.get("/v1/sim?fqn=*::/dev").is(403, "")
	})
	e.Subtest("an answer that shows a realm further up", func(*testing.T) {
		neo.get("/v1/sim?fqn=job::/dev&claim=permit=read&why=true").fails(403, "neo may not read policy::/ with ResType job", `"missing_claims":"permit read on policy::/"`)
	})
	e.Subtest("a text that is not valid is told before", func(*testing.T) {
		e.as("mia").put("/v1/sim?fqn=job::/dev", docs(doc("mine", "job"))).is(400, "")
	})
}
