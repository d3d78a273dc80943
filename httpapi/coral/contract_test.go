package coral_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/atoll-platform/atoll/httpapi"
	"github.com/atoll-platform/atoll/httpapi/coral"
	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/httpapi/rest/resttest"
	"github.com/atoll-platform/atoll/platform"
)

// row is one call of the contract, and a target of its first route.
type row struct {
	resttest.Row
	try string
}

// rows is the contract.
var rows = []row{
	call("C0", "GET /", "/", false, ints(200)),
	call("C1", "POST /api/platform/cluster", "/api/platform/cluster", true, ints(200), 400, 403, 404, 409),
	call("C2", "GET /api/platform/cluster", "/api/platform/cluster", false, ints(200), 403),
	call("C3", "GET /api/platform/cluster/{mid}", "/api/platform/cluster/127.0.0.1", false, ints(200), 403, 404),
	call("C4", "GET /api/platform/stats", "/api/platform/stats", false, ints(200), 403),
	call("C5", "GET /api/platform/settings", "/api/platform/settings", false, ints(200), 403),
	call("C6", "PATCH /api/platform/settings, POST /api/platform/settings", "/api/platform/settings", true, ints(200), 400, 403, 409),

	call("C7", "POST /api/runtimes", "/api/runtimes", true, ints(201, 200), 400, 401, 409, 500),
	call("C8", "GET /api/runtimes", "/api/runtimes", false, ints(200), 400),
	call("C9", "DELETE /api/runtimes", "/api/runtimes", false, ints(200), 500),
	call("C10", "GET /api/runtimes/{rid}", "/api/runtimes/r", false, ints(200), 403, 404, 405),
	call("C11", "PATCH /api/runtimes/{rid}", "/api/runtimes/r", true, ints(200), 400, 403, 404, 405, 409),
	call("C12", "DELETE /api/runtimes/{rid}", "/api/runtimes/r", false, ints(200), 403, 404, 405),
	call("C13", "GET /api/runtimes/{rid}/actors", "/api/runtimes/r/actors", false, ints(200), 403, 404, 405),
	call("C14", "GET /api/runtimes/{rid}/links", "/api/runtimes/r/links", false, ints(200), 403, 404, 405),
	call("C15", "GET /api/runtimes/{rid}/stats", "/api/runtimes/r/stats", false, ints(200), 403, 404),
	call("C16", "POST /api/runtimes/{rid}/actors/{aid}", "/api/runtimes/r/actors/in", true, ints(200), 400, 403, 404, 405, 409, 429),
	call("C17", "POST /api/runtimes/{rid}/actors/{aid}/shunt", "/api/runtimes/r/actors/in/shunt", true, ints(200, 204), 400, 403, 404, 405, 409, 422, 429, 500, 504),
	call("C18", "GET /api/runtimes/{rid}/actors/{aid}", "/api/runtimes/r/actors/in", false, ints(200), 403, 404, 405, 500, 504),
	call("C19", "GET /api/runtimes/{rid}/actors/{aid}/state", "/api/runtimes/r/actors/in/state", false, ints(200), 403, 404, 405, 409, 500, 504),
	call("C20", "GET /api/runtimes/{rid}/actors/{aid}/stats", "/api/runtimes/r/actors/in/stats", false, ints(200), 403, 404, 409, 504),

	call("C21", "POST /api/users, POST /api/platform/users", "/api/users", true, ints(201), 400, 403, 409),
	call("C22", "GET /api/users, GET /api/platform/users", "/api/users", false, ints(200), 403),
	call("C23", "GET /api/users/{uid}, GET /api/platform/users/{uid}", "/api/users/neo", false, ints(200), 403, 404),
	call("C24", "PATCH /api/users/{uid}, PATCH /api/platform/users/{uid}", "/api/users/neo", true, ints(200), 400, 403, 404, 409),
	call("C25", "DELETE /api/users/{uid}, DELETE /api/platform/users/{uid}", "/api/users/neo", false, ints(200), 403, 404, 409),

	call("C26", "POST /api/runtimes/{rid}/permissions", "/api/runtimes/r/permissions", true, ints(201), 400, 403, 404, 405, 409),
	call("C27", "GET /api/runtimes/{rid}/permissions", "/api/runtimes/r/permissions", false, ints(200), 403, 404, 405),
	call("C28", "GET /api/runtimes/{rid}/permissions/{pid}", "/api/runtimes/r/permissions/x", false, ints(200), 400, 403, 404, 405),
	call("C29", "PATCH /api/runtimes/{rid}/permissions, PATCH /api/runtimes/{rid}/permissions/{pid}", "/api/runtimes/r/permissions", true, ints(200), 400, 403, 404, 405),
	call("C30", "DELETE /api/runtimes/{rid}/permissions, DELETE /api/runtimes/{rid}/permissions/{pid}", "/api/runtimes/r/permissions", true, ints(200), 400, 403, 404, 405),

	call("C31", "POST /api/projects", "/api/projects", true, ints(201), 400, 403, 409),
	call("C32", "GET /api/projects", "/api/projects", false, ints(200)),
	call("C33", "GET /api/projects/{project}", "/api/projects/p", false, ints(200), 404),
	call("C34", "PATCH /api/projects/{project}, PUT /api/projects/{project}", "/api/projects/p", true, ints(200), 400, 404, 409),
	call("C35", "DELETE /api/projects/{project}", "/api/projects/p", false, ints(200), 404),
}

func ints(n ...int) []int { return n }

// call is a row. Every row may answer 401 and 406 besides, one with a body 413
// and 415.
func call(id, routes, try string, body bool, ok []int, errors ...int) row {
	alike := ints(401, 406)
	if body {
		alike = append(alike, 413, 415)
	}
	return row{resttest.Row{ID: id, Routes: routes, OK: ok, Errors: errors, Alike: alike, Body: body, Open: id == "C0"}, try}
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
	return coral.New(p, coral.Options{})
}

func TestTheTableIsTheContract(t *testing.T) { contract.Table(t) }

// TestMain runs the tests and then asks whether they have shown every status
// of every row.
func TestMain(m *testing.M) { os.Exit(contract.Main(m)) }

func TestEveryRowRefusesAlike(t *testing.T) {
	e := populated(t, nil, httpapi.WithLimits(rest.Limits{BadLogins: -1}))
	e.as("neo").create(pair("r")).is(201, "")
	all, _, err := contract.Operations()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		method := r.Method()
		e.Subtest(r.ID+" without credentials", func(t *testing.T) {
			for _, c := range []caller{e.nobody(), e.nobody().with("Authorization", "Basic %%%"), e.nobody().with("Authorization", "Bearer x"),
				{e, e.http.Basic("neo", "wrong horse")}, {e, e.http.Basic("neo", "")}, {e, e.http.Basic("", "correct horse")}, {e, e.http.Basic("nobody", "correct horse")}} {
				a := c.do(method, r.try, nil).fails(401, "", "Valid credentials are required.")
				if got := a.Header.Get("WWW-Authenticate"); got != `Basic realm="Coral"` {
					t.Errorf("WWW-Authenticate: %q", got)
				}
			}
		})
		e.Subtest(r.ID+" for a caller who wants HTML", func(t *testing.T) {
			e.as("neo").with("Accept", "text/html").do(method, r.try, nil).fails(406, "Set HTTP header", "Only application/json can be returned.")
		})
		if !r.Body {
			continue
		}
		action := all[r.ID].Action
		e.Subtest(r.ID+" with a body that is no JSON by its type", func(t *testing.T) {
			e.as("neo").with("Content-Type", "text/plain").do(method, r.try, "{}").fails(415, "Set HTTP header", "Only application/json is accepted.")
			e.as("neo").with("Content-Encoding", "gzip").do(method, r.try, "{}").fails(415, "Set HTTP header", "Only application/json is accepted.")
		})
		e.Subtest(r.ID+" with a body beyond the limit", func(t *testing.T) {
			body := `{"x":"` + strings.Repeat("x", 1<<20-7) + `"}`
			if len(body) != 1<<20+1 {
				t.Fatal(len(body))
			}
			e.as("neo").do(method, r.try, body).fails(413, action, "The body is larger than the limit.")
		})
		e.Subtest(r.ID+" with a body that is no JSON object", func(t *testing.T) {
			for name, body := range badBodies() {
				if strings.TrimSpace(body) == "" && method == "DELETE" {
					continue // it may be left out
				}
				a := e.as("neo").do(method, r.try, body)
				if a.Status != http.StatusBadRequest {
					t.Fatalf("%s: %d %s", name, a.Status, a.Body)
				}
				a.is(400, `{"action":"`+action+`","success":false,"reason":"Request body is not a JSON object.","details":"*"}`)
			}
		})
	}
}

func badBodies() map[string]string {
	return map[string]string{
		"nothing":                "",
		"white space":            " \n",
		"an array":               `[{}]`,
		"a text":                 `"x"`,
		"a number":               `1`,
		"null":                   `null`,
		"half an object":         `{"a":`,
		"trailing text":          `{} x`,
		"two objects":            `{}{}`,
		"a comma too many":       `{"a":1,}`,
		"single quotes":          `{'a':1}`,
		"a number with a plus":   `{"a":+1}`,
		"not a number":           `{"a":NaN}`,
		"a control character":    "{\"a\":\"\x01\"}",
		"bytes that are no text": "{\"a\":\"\xff\"}",
		"nesting of 10,000":      `{"a":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`,
		"a byte order mark":      "\ufeff{}",
	}
}
