package apcera_test

import (
	"os"
	"strings"
	"testing"

	"github.com/atoll-platform/atoll/httpapi/apcera"
	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/httpapi/rest/resttest"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/tenancy"
)

// rows is the contract of what is there so far.
var rows = []row{
	call("32", "GET /v1/namespace/default", "/v1/namespace/default", false),
	call("45", "GET /v1/policy", "/v1/policy", false),
	call("46", "GET /v1/policy/{name}", "/v1/policy/quotas", false, 400, 403, 404),
	call("47", "PUT /v1/policy", "/v1/policy", true, 400, 403, 409),
	call("48", "DELETE /v1/policy", "/v1/policy?doc=quotas", false, 400, 403, 404),
	call("60", "GET /v1/sim", "/v1/sim", false, 400, 403),
	call("61", "PUT /v1/sim", "/v1/sim", true, 400, 403),
}

// row is one call of the contract, and a target of it.
type row struct {
	resttest.Row
	try string
}

// call is a row. Every row may answer 401 besides, one with a body 413 and 415.
func call(id, route, try string, body bool, errors ...int) row {
	alike := []int{401}
	if body {
		alike = append(alike, 413, 415)
	}
	return row{resttest.Row{ID: id, Routes: route, OK: []int{200}, Errors: errors, Alike: alike, Body: body, Open: true}, try}
}

// contract is what the API is held to.
var contract = func() *resttest.Contract {
	c := &resttest.Contract{New: newDialect}
	for _, r := range rows {
		c.Rows = append(c.Rows, r.Row)
	}
	return c
}()

func newDialect() (*rest.Dialect, error) {
	p, err := platform.New()
	if err != nil {
		return nil, err
	}
	return apcera.New(p, apcera.Options{})
}

func TestTheTableIsTheContract(t *testing.T) { contract.Table(t) }

// TestMain runs the tests and then asks whether they have shown every status
// of every row.
func TestMain(m *testing.M) { os.Exit(contract.Main(m)) }

func TestEveryRowRefusesAlike(t *testing.T) {
	e := start(t)
	for _, r := range rows {
		e.Subtest(r.ID+" without a token that is known", func(t *testing.T) {
			for _, c := range []caller{e.nobody(), e.bearer("x"), e.bearer(""), e.bearer(strings.Repeat("0", 40)), {e, e.http.Basic("neo", "correct horse")}} {
				a := c.do(r.Method(), r.try, nil).fails(401, "Valid credentials are required.", "")
				if got := a.Header.Get("WWW-Authenticate"); got != "Bearer" {
					t.Errorf("WWW-Authenticate: %q", got)
				}
			}
		})
		if !r.Body {
			continue
		}
		e.Subtest(r.ID+" with an encoded body", func(t *testing.T) {
			e.as("root").with("Content-Encoding", "gzip").do(r.Method(), r.try, "{}").fails(415, "A body with a Content-Encoding is not accepted.", "")
		})
		e.Subtest(r.ID+" with a body beyond the limit", func(t *testing.T) {
			body := `{"x":"` + strings.Repeat("x", 8<<20-7) + `"}`
			if len(body) != 8<<20+1 {
				t.Fatal(len(body))
			}
			e.as("root").do(r.Method(), r.try, body).fails(413, "The body is larger than the limit.", "")
		})
		e.Subtest(r.ID+" with a body that is no JSON", func(t *testing.T) {
			for name, body := range map[string]string{
				"half an object": `{"docs":`, "trailing text": `{} x`, "two values": `{}{}`, "bytes that are no text": "{\"a\":\"\xff\"}",
				"nesting of 10,000": `{"a":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`, "a number": `1`, "a text": `"docs"`,
			} {
				if a := e.as("root").do(r.Method(), r.try, body); a.Status != 400 {
					t.Errorf("%s: %d %s", name, a.Status, a.Body)
				}
			}
		})
	}
}

func TestPathsAndMethods(t *testing.T) {
	e := start(t)
	e.as("neo").get("/v1/nothing").fails(404, "There is nothing at /v1/nothing.", "")
	e.as("neo").get("/v1/policy/a/b").fails(404, "There is nothing at /v1/policy/a/b.", "")
	a := e.as("neo").do("POST", "/v1/policy", "{}").fails(405, "/v1/policy does not take POST.", "")
	if got := a.Header.Get("Allow"); got != "DELETE, GET, HEAD, OPTIONS, PUT" {
		t.Errorf("Allow: %q", got)
	}
	a = e.as("neo").do("OPTIONS", "/v1/sim", nil).is(200, "null")
	if got := a.Header.Get("Allow"); got != "GET, HEAD, OPTIONS, PUT" {
		t.Errorf("Allow: %q", got)
	}
	e.as("neo").get("/v1/namespace/default/").is(200, "")
	if h := e.as("neo").do("HEAD", "/v1/namespace/default", nil); h.Status != 200 || h.Body != "" || h.Header.Get("Content-Length") == "" {
		t.Errorf("HEAD: %d %q %v", h.Status, h.Body, h.Header)
	}
}

func TestWhoeverComesWhereEverybodyIsAccepted(t *testing.T) {
	e := open(t)
	if _, err := e.p.Users().Create(t.Context(), tenancy.NewUser{Name: "neo"}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.p.Keys().Add(t.Context(), "neo", keys["neo"], ""); err != nil {
		t.Fatal(err)
	}
	e.Subtest("no token is the implicit administrator", func(*testing.T) {
		e.nobody().get("/v1/namespace/default").is(200, `{"namespace":"/sandbox/coral"}`)
	})
	e.Subtest("so is one that is not known", func(*testing.T) {
		e.bearer("x").get("/v1/namespace/default").is(200, `{"namespace":"/sandbox/coral"}`)
		e.bearer(keys["mia"]).get("/v1/namespace/default").is(200, `{"namespace":"/sandbox/coral"}`)
	})
	e.Subtest("a key names its owner", func(*testing.T) {
		e.as("neo").get("/v1/namespace/default").is(200, `{"namespace":"/sandbox/neo"}`)
		e.as("neo").get("/v1/policy").is(200, `{"docs":[]}`)
	})
	e.Subtest("what writes is written by coral", func(*testing.T) {
		e.nobody().put("/v1/policy", docs(doc("mine", ""))).is(200, `{"version":2}`)
		e.nobody().get("/v1/policy/mine").is(200, `{"name":"mine","text":"","version":1,"updated_at":"`+at0+`","updated_by":"coral"}`)
	})
	e.Subtest("pages of other sites and proxies are refused", func(*testing.T) {
		for name, value := range map[string]string{"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site", "X-Forwarded-For": "10.0.0.1"} {
			if a := e.nobody().with(name, value).put("/v1/policy", docs(doc("evil", ""))); a.Status != 403 {
				e.Errorf("%s: %d %s", name, a.Status, a.Body)
			}
		}
	})
	closed := bare(t, []platform.Option{platform.WithAuthentication(tenancy.DenyAll)})
	closed.Subtest("nobody is let in where everybody is refused", func(*testing.T) {
		closed.nobody().get("/v1/policy").fails(401, "Valid credentials are required.", "")
	})
}

func TestTheDocumentDescribesBothFormsOfAWrite(t *testing.T) {
	d, err := newDialect()
	if err != nil {
		t.Fatal(err)
	}
	text, err := d.Document()
	if err != nil {
		t.Fatal(err)
	}
	doc := resttest.Decode(t, string(text))
	at := func(path ...string) any {
		v := doc
		for _, name := range path {
			v = v.(map[string]any)[name]
		}
		return v
	}
	want := resttest.Decode(t, `[
		{"required": true, "content": {"application/json": {"schema": {"description": "An object with the list docs, or that list.",
			"anyOf": [{"$ref": "#/components/schemas/DocumentsFormInput"}, {"type": "array", "items": {"$ref": "#/components/schemas/DocumentFormInput"}}]}}}},
		{"type": "object", "required": ["docs"], "properties": {"docs": {"type": "array", "items": {"$ref": "#/components/schemas/DocumentFormInput"}}}},
		{"type": "object", "required": ["name", "text"], "properties": {"name": {"type": "string"}, "text": {"type": "string"},
			"for_version": {"type": ["integer", "null"], "format": "int64", "minimum": 0, "description": "The current version of a document that exists, to replace it."}}}]`)
	got := []any{at("paths", "/v1/policy", "put", "requestBody"),
		at("components", "schemas", "DocumentsFormInput"), at("components", "schemas", "DocumentFormInput")}
	if diff := resttest.Diff(want, got); diff != "" {
		t.Errorf("the document (-want +got):\n%s", diff)
	}
}
