package apcera_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/policy"
)

const quotas2 = "on quota::/ {\n  { max.package.size 2GB }\n}\n\nquota::/sandbox/demouser {\n  { max.package.size 1GB }\n  { total.package.size 6GB }\n  { total.memory 5GB }\n  { total.disk 15GB }\n  { total.network 1Gbps }\n}"

// published are the two documents of the published example of a write.
var published = []map[string]any{
	doc("packageresolution", "on job::/ {\n  // For package dependency resolution.\n  { package.allow \"package::/apcera\" }\n\n  if (dependency equals os.linux) {\n    package.default \"package::/apcera/pkg/os::ubuntu-14.04-apc3\"\n  }\n  if (dependency equals runtime.ruby) {\n    // package.default \"package::/apcera/pkg/runtimes::ruby-2.2.4\"\n    package.default \"package::/apcera/pkg/runtimes::ruby-1.9.3-p547\"\n  }\n}\n\n// job::/sandbox/lparis {\n//   if (dependency equals runtime.java) \n//   {\n//     package.retire \"package::/apcera/pkg/runtimes::openjdk-1.6\"\n//   }\n// }\n", 1),
	doc("new-policy", "<continuum-policy description=\"Sample Solution: Requirement 4\">\n\non all::/sandbox/[name] {\n    if (auth_server@apcera.me->name == [name] && query->target fqnMatch \"*::/sandbox/[name]\") {\n        permit all\n    }\n}"),
}

func TestDefaultNamespace(t *testing.T) {
	e := start(t)
	for _, name := range []string{"joe.smith", "joe@zion.example", "joe.smith@b.example"} {
		if _, err := e.p.Users().Create(context.Background(), newUser(name)); err != nil {
			t.Fatal(err)
		}
	}
	e.Subtest("an account's own home", func(*testing.T) {
		e.as("neo").get("/v1/namespace/default").is(200, `{"namespace":"/sandbox/neo"}`)
	})
	for i, tt := range []struct{ name, want string }{
		{"joe.smith", "/sandbox/joe.smith"},
		{"joe@zion.example", "/sandbox/joe"},
		{"joe.smith@b.example", "/sandbox/joe.smith@b.example"}, // the part before the @ is another's home
	} {
		e.Subtest("the home of "+tt.name, func(*testing.T) {
			key := fmt.Sprintf("%040x", 0xbeef+i)
			if _, err := e.p.Keys().Add(context.Background(), tt.name, key, ""); err != nil {
				e.Fatal(err)
			}
			e.bearer(key).get("/v1/namespace/default").is(200, `{"namespace":"`+tt.want+`"}`)
		})
	}
	e.write("home", `auth::/oauth2/http { if (account->name == neo) { defaultNamespace "/myapps" } if (account->name == mia) { defaultNamespacePrefix "/team" } }`)
	e.Subtest("what a document says", func(*testing.T) {
		e.as("neo").get("/v1/namespace/default").is(200, `{"namespace":"/myapps"}`)
		e.as("mia").get("/v1/namespace/default").is(200, `{"namespace":"/team/mia"}`)
	})
}

func TestListDocuments(t *testing.T) {
	e := start(t)
	var want []string
	for _, name := range []string{"accounts", "adminUsers", "allUsersPermissions", "authSettings", "clusterPermissions", "component", "coral", "cxengage",
		"docker", "homes", "packageresolution", "quotas", "rolePermissions", "tenants", "tutum"} {
		want = append(want, `{"name":"`+name+`","updated_at":"`+at0+`","updated_by":"system","version":1}`)
	}
	e.Subtest("all documents by name, for who may read them", func(*testing.T) {
		e.as("root").get("/v1/policy").is(200, `{"docs":[`+strings.Join(want, ",")+`]}`)
	})
	e.Subtest("none for who may not", func(*testing.T) {
		e.as("neo").get("/v1/policy").is(200, `{"docs":[]}`)
	})
	e.write("powers", `policydoc::/::coral { if (account->name == neo) { permit read } }`)
	e.Subtest("those alone that may be read", func(*testing.T) {
		e.as("neo").get("/v1/policy").is(200, `{"docs":[`+want[6]+`]}`)
	})
}

func TestGetDocument(t *testing.T) {
	e := start(t)
	root := e.as("root")
	root.get("/v1/policy/quotas").is(200, `{"name":"quotas","text":"quota::/ { { max.package.size 2GB } }\n","version":1,"updated_at":"`+at0+`","updated_by":"system"}`)
	e.ns.Add(int64(time.Second))
	const at1 = "2015-11-05T19:43:42.112325841Z"
	root.put("/v1/policy", docs(doc("quotas", quotas2, 1))).is(200, `{"version":2}`)
	newest := `{"name":"quotas","text":` + quoted(quotas2) + `,"version":2,"updated_at":"` + at1 + `","updated_by":"root"}`
	e.Subtest("the newest version", func(*testing.T) {
		root.get("/v1/policy/quotas").is(200, newest)
		root.get("/v1/policy/quotas?version=2").is(200, newest)
		root.get("/v1/policy/quotas?VERSION=2&other=x").is(200, newest)
	})
	e.Subtest("an older version", func(*testing.T) {
		root.get("/v1/policy/quotas?version=1").is(200, `{"name":"quotas","text":"quota::/ { { max.package.size 2GB } }\n","version":1,"updated_at":"`+at0+`","updated_by":"system"}`)
	})
	e.Subtest("a version that never was", func(*testing.T) {
		root.get("/v1/policy/quotas?version=3").fails(404, "no policy document quotas version 3", "")
	})
	for _, v := range []string{"x", "0", "-1", "1.5", "", "99999999999999999999"} {
		e.Subtest("a version that is none: "+v, func(t *testing.T) {
			if a := root.get("/v1/policy/quotas?version="+v).is(400, ""); !strings.Contains(a.Body, "version") {
				t.Errorf("the message does not name it: %s", a.Body)
			}
		})
	}
	const rule = "a document's name is 1 to 128 letters, digits, - and _, and does not start with -"
	for _, name := range []string{"-quotas", "a.b", "a%20b", "a%2Fb", strings.Repeat("x", 129), "%C3%A9"} {
		e.Subtest("a name that is none: "+name, func(*testing.T) {
			root.get("/v1/policy/"+name).fails(400, "name: "+rule, `"error_details":{"errors":`+quoted("name: "+rule)+`}`)
		})
	}
	e.Subtest("a name that nobody has", func(*testing.T) {
		root.get("/v1/policy/Quotas").fails(404, "no policy document Quotas", "")
	})
	e.Subtest("a document that may not be read looks like none", func(*testing.T) {
		e.as("neo").get("/v1/policy/quotas").fails(404, "no policy document quotas", "")
	})
	e.write("powers", `policydoc::/ { if (account->name == neo) { permit read, create, update, delete } }`)
	e.Subtest("policy about realms that may not be read", func(*testing.T) {
		e.as("neo").get("/v1/policy/quotas").fails(403, "neo may not read policy::/ with ResType quota",
			`"missing_claims":"permit read on policy::/, permit read on policy::/sandbox/demouser"`)
	})
	e.Subtest("a deleted document, in every version", func(*testing.T) {
		root.delete("/v1/policy?doc=quotas").is(200, `{"version":4}`)
		root.get("/v1/policy/quotas").fails(404, "no policy document quotas", "")
		root.get("/v1/policy/quotas?version=1").fails(404, "no policy document quotas", "")
	})
	e.Subtest("made again its numbers go on, and the old versions are there", func(*testing.T) {
		root.put("/v1/policy", docs(doc("quotas", ""))).is(200, `{"version":5}`)
		root.get("/v1/policy/quotas").is(200, `{"name":"quotas","text":"","version":3,"updated_at":"`+at1+`","updated_by":"root"}`)
		root.get("/v1/policy/quotas?version=2").is(200, newest)
	})
}

func TestPutDocuments(t *testing.T) {
	e := start(t)
	root := e.as("root")
	e.Subtest("the published example: one version of the policy for both documents", func(*testing.T) {
		root.put("/v1/policy", docs(published...)).is(200, `{"version":2}`)
		root.get("/v1/policy/packageresolution").is(200, `{"name":"packageresolution","text":`+quoted(published[0]["text"].(string))+`,"version":2,"updated_at":"`+at0+`","updated_by":"root"}`)
	})
	e.Subtest("the same text again is a version too", func(*testing.T) {
		again := doc("new-policy", published[1]["text"].(string), 1)
		again["unknown"] = true
		root.with("Content-Type", "text/plain").put("/v1/policy", map[string]any{"docs": []any{again}, "other": 1}).is(200, `{"version":3}`)
	})
	e.Subtest("a bare list is taken for docs", func(*testing.T) {
		root.put("/v1/policy", []any{doc("bare", "// x", 0)}).is(200, `{"version":4}`)
		root.put("/v1/policy", `[{"name":"bare","text":"// y","for_version":1}]`).is(200, `{"version":5}`)
		root.put("/v1/policy", `[{"name":"fresh","text":"","for_version":null}]`).is(200, `{"version":6}`)
	})
	e.Subtest("the next call is judged by it", func(*testing.T) {
		e.as("neo").get("/v1/policy/fresh").is(404, "")
		root.put("/v1/policy", docs(doc("powers", `policydoc::/::fresh { if (account->name == neo) { permit read } }`))).is(200, "")
		e.as("neo").get("/v1/policy/fresh").is(200, "")
	})
	before := root.get("/v1/policy").Body

	shapes := map[string]struct{ body, errors string }{
		"no docs":                    {`{}`, "docs is required"},
		"docs that are null":         {`{"docs":null}`, "docs is required"},
		"docs that are no list":      {`{"docs":{}}`, "docs is a list of documents"},
		"a body that is null":        {`null`, "docs is a list of documents"},
		"no document":                {`{"docs":[]}`, "docs has 1 to 1000 entries"},
		"a document that is no one":  {`{"docs":[1]}`, "docs/0: a document is an object with name and text"},
		"names and texts that miss":  {`{"docs":[{},{"name":null,"text":1}]}`, "docs/0/name: name is required\ndocs/0/text: text is required\ndocs/1/name: name is required\ndocs/1/text: text is a text"},
		"versions that are none":     {`[{"name":"a","text":"","for_version":"1"},{"name":"b","text":"","for_version":1.5},{"name":"c","text":"","for_version":-1},{"name":"d","text":"","for_version":true}]`, "docs/0/for_version: for_version is a version: an integer from 0\ndocs/1/for_version: for_version is a version: an integer from 0\ndocs/2/for_version: for_version is a version: an integer from 0\ndocs/3/for_version: for_version is a version: an integer from 0"},
		"a name that is none":        {`[{"name":"a b","text":""}]`, "docs/0/name: a document's name is 1 to 128 letters, digits, - and _, and does not start with -"},
		"a name twice":               {`[{"name":"a","text":""},{"name":"a","text":""}]`, "docs/1/name: document a occurs twice"},
		"spellings of members count": {`[{"Name":"a","TEXT":""}]`, "docs/0/name: name is required\ndocs/0/text: text is required"},
	}
	for name, tt := range shapes {
		e.Subtest(name, func(*testing.T) {
			first, _, _ := strings.Cut(tt.errors, "\n")
			root.put("/v1/policy", tt.body).fails(400, first, `"error_details":{"errors":`+quoted(tt.errors)+`}`)
		})
	}
	e.Subtest("texts with errors, each with its place", func(*testing.T) {
		root.put("/v1/policy", docs(doc("fine", "job::/ { { permit read } }"), doc("teamRed", "job::/red {\n\n\n  if (a = b) { permit read } }\njob::/ { { } }"), doc("types", "planet::/ { { permit read } }"))).
			fails(400, "teamRed.pol:4:9: E_OP: '=' is not an operator; write '==' or 'equals'", `"error_details":{
			"errors":"teamRed.pol:4:9: E_OP: '=' is not an operator; write '==' or 'equals'\nteamRed.pol:5:12: E_EMPTY: the rule asserts nothing\ntypes.pol:1:1: E_TYPE: resource type \"planet\" is not registered",
			"documents":[
				{"name":"teamRed","line":4,"column":9,"error":"E_OP: '=' is not an operator; write '==' or 'equals'"},
				{"name":"teamRed","line":5,"column":12,"error":"E_EMPTY: the rule asserts nothing"},
				{"name":"types","line":1,"column":1,"error":"E_TYPE: resource type \"planet\" is not registered"}]}`)
	})
	e.Subtest("versions that are not the present ones, each named", func(*testing.T) {
		root.put("/v1/policy", docs(doc("bare", "", 1), doc("new", ""), doc("fresh", ""), doc("none", "", 7))).
			fails(409, "document bare is at version 2, not 1", `"fatal":false,"request_invalid":true,"error_details":{
			"errors":"document bare is at version 2\ndocument fresh is at version 1\ndocument none is at version 0",
			"documents":[{"name":"bare","current_version":2},{"name":"fresh","current_version":1},{"name":"none","current_version":0}]}`)
	})
	e.Subtest("a version of a document that is not there", func(*testing.T) {
		root.put("/v1/policy", docs(doc("none", "", 7))).is(409, "")
	})
	e.Subtest("a document of the platform's own", func(*testing.T) {
		root.put("/v1/policy", docs(doc("component", "", 1))).fails(403, "document component is the platform's own and cannot be changed", "")
	})
	e.Subtest("512 KiB pass, one byte more does not", func(*testing.T) {
		text := "// " + strings.Repeat("x", policy.MaxDocument-3)
		root.put("/v1/policy", docs(doc("large", text+"x"))).fails(400, "large.pol:1:1: E_SIZE: the text has 524289 bytes; at most 524288 are accepted", `"error_details":{
			"errors":"large.pol:1:1: E_SIZE: the text has 524289 bytes; at most 524288 are accepted",
			"documents":[{"name":"large","line":1,"column":1,"error":"E_SIZE: the text has 524289 bytes; at most 524288 are accepted"}]}`)
		if after := root.get("/v1/policy").Body; after != before {
			e.Errorf("refused writes changed something:\n%s\n%s", before, after)
		}
		root.put("/v1/policy", docs(doc("large", text))).is(200, `{"version":8}`)
	})
}

func TestWhoMayWrite(t *testing.T) {
	e := start(t)
	e.write("powers", `policydoc::/ { if (account->name == neo) { permit create, read, update, delete } }
policy::/dev { if (account->name == neo && ResType == job) { permit read, update } }
policydoc::/ { if (account->name == mia) { permit create } }`, "ops", "job::/ops { { permit read } }")
	neo, mia := e.as("neo"), e.as("mia")
	e.Subtest("who may nothing", func(*testing.T) {
		other := start(t)
		other.as("neo").put("/v1/policy", docs(doc("n", "job::/dev { { permit read } }"))).fails(403, "neo may not create policydoc::/::n",
			`"missing_claims":"permit create on policydoc::/::n, permit update on policy::/dev"`)
	})
	e.Subtest("what his realms are", func(*testing.T) {
		neo.put("/v1/policy", docs(doc("n", "job::/dev/x { { permit read } }"))).is(200, "")
		neo.delete("/v1/policy?doc=n").is(200, "")
	})
	e.Subtest("other realms, all of them named", func(*testing.T) {
		neo.put("/v1/policy", docs(doc("m", "job::/dev { { permit read } } job::/[x] { { permit read } } package::/dev { { permit read } }"))).
			fails(403, "neo may not update policy::/ with ResType job", `"missing_claims":"permit update on policy::/, permit update on policy::/dev"`)
	})
	e.Subtest("what the old text was about counts too", func(*testing.T) {
		neo.put("/v1/policy", docs(doc("ops", "", 1))).fails(403, "neo may not update policy::/ops with ResType job", `"missing_claims":"permit update on policy::/ops"`)
		neo.delete("/v1/policy?doc=ops").fails(403, "neo may not update policy::/ops with ResType job", `"missing_claims":"permit update on policy::/ops"`)
	})
	e.Subtest("a document that may not be read cannot be met by its version", func(*testing.T) {
		mia.put("/v1/policy", docs(doc("empty", ""))).is(200, "")
		e.write("hidden", "")
		mia.put("/v1/policy", docs(doc("hidden", "", 1))).is(409, "")
		mia.delete("/v1/policy?doc=hidden").fails(404, "no policy document hidden", "")
		e.as("root").get("/v1/policy/hidden?version=2").is(404, "")
	})
	e.Subtest("a caller may lock himself out, the embedding program repairs it", func(*testing.T) {
		neo.put("/v1/policy", docs(doc("more", ""))).is(200, "")
		e.as("root").delete("/v1/policy?doc=powers").is(200, "")
		neo.put("/v1/policy", docs(doc("more", "", 1))).is(403, "")
	})
}

func TestDeleteDocuments(t *testing.T) {
	e := start(t)
	root := e.as("root")
	fill := func() {
		e.Helper()
		for _, name := range []string{"packageDocument", "jobDocument", "third", "doc"} {
			if a := root.put("/v1/policy", docs(doc(name, ""))); a.Status != 200 {
				e.Fatal(a.Body)
			}
		}
	}
	left := func() (names []string) {
		var list struct{ Docs []struct{ Name string } }
		root.get("/v1/policy").is(200, "").JSON(&list)
		for _, d := range list.Docs {
			if slices.Contains([]string{"packageDocument", "jobDocument", "third", "doc"}, d.Name) {
				names = append(names, d.Name)
			}
		}
		return names
	}
	for _, tt := range []struct {
		query string
		left  []string
	}{
		{"doc=packageDocument&jobDocument", []string{"doc", "third"}}, // as the published example writes it
		{"doc=packageDocument&doc=jobDocument&doc=third", []string{"doc"}},
		{"doc=packageDocument,jobDocument&DOC=third", []string{"doc"}},
		{"third&jobDocument", []string{"doc", "packageDocument"}},
		{"doc=third&doc=third&third", []string{"doc", "jobDocument", "packageDocument"}},
		{"doc=,third,&unknown=packageDocument", []string{"doc", "jobDocument", "packageDocument"}},
		{"doc", []string{"jobDocument", "packageDocument", "third"}},
	} {
		e.Subtest(tt.query, func(t *testing.T) {
			fill()
			before := e.p.Policy().Version()
			root.delete("/v1/policy?"+tt.query).is(200, fmt.Sprintf(`{"version":%d}`, before+1))
			if got := left(); !slices.Equal(got, tt.left) {
				t.Errorf("left: %v, want %v", got, tt.left)
			}
			root.delete("/v1/policy?doc="+strings.Join(left(), ",")).is(200, "")
		})
	}
	fill()
	for _, query := range []string{"", "?doc=", "?doc=,,", "?other=third", "?doc=%20%zz"} {
		e.Subtest("nothing named: "+query, func(*testing.T) {
			a := root.delete("/v1/policy"+query).is(400, "")
			if !strings.Contains(query, "%zz") {
				a.fails(400, "doc is required: the name of a document", `"error_details":{"errors":"doc is required: the name of a document"}`)
			}
		})
	}
	e.Subtest("one that is not there keeps all", func(t *testing.T) {
		root.delete("/v1/policy?doc=third,Third").fails(404, "no policy document Third", "")
		root.delete("/v1/policy?doc="+url.QueryEscape("a b")).fails(404, "no policy document a b", "")
		if got := left(); len(got) != 4 {
			t.Errorf("left: %v", got)
		}
	})
	e.Subtest("one that may not be read is not there", func(*testing.T) {
		e.as("neo").delete("/v1/policy?doc=third").fails(404, "no policy document third", "")
	})
	e.write("readers", `policydoc::/ { if (account->name == neo) { permit read } }`)
	e.Subtest("one that may only be read", func(*testing.T) {
		e.as("neo").delete("/v1/policy?doc=third").fails(403, "neo may not delete policydoc::/::third", `"missing_claims":"permit delete on policydoc::/::third"`)
	})
	e.Subtest("one of the platform's own keeps all", func(t *testing.T) {
		root.delete("/v1/policy?doc=third&doc=rolePermissions").fails(403, "document rolePermissions is the platform's own and cannot be changed", "")
		if got := left(); len(got) != 4 {
			t.Errorf("left: %v", got)
		}
	})
}

func TestOfConcurrentPutsOneWins(t *testing.T) {
	e := start(t, platform.WithHistory(64))
	root := e.as("root")
	root.put("/v1/policy", docs(doc("race", "// first"))).is(200, `{"version":2}`)
	const writers = 12
	statuses := make([]int, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			statuses[i] = e.http.With("Authorization", "Bearer "+keys["root"]).Do("PUT", "/v1/policy", docs(doc("race", fmt.Sprint("// ", i), 1), doc(fmt.Sprint("extra", i), ""))).Status
		})
	}
	wg.Wait()
	won := -1
	for i, s := range statuses {
		switch {
		case s == 200 && won < 0:
			won = i
		case s != 409:
			t.Errorf("writer %d: %d beside %d", i, s, won)
		}
	}
	if won < 0 {
		t.Fatal("nobody won")
	}
	root.get("/v1/policy/race").is(200, fmt.Sprintf(`{"name":"race","text":"// %d","version":2,"updated_at":"%s","updated_by":"root"}`, won, at0))
	for i := range writers {
		want := 404
		if i == won {
			want = 200
		}
		if a := root.get(fmt.Sprint("/v1/policy/extra", i)); a.Status != want {
			t.Errorf("extra%d: %d, want %d", i, a.Status, want)
		}
	}
	if v := e.p.Policy().Version(); v != 3 {
		t.Errorf("policy version %d, want 3", v)
	}
}
