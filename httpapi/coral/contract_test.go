package coral_test

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/httpapi"
	"github.com/atoll-platform/atoll/httpapi/coral"
	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/platform"
)

// A row is one call of the contract: its routes, the first of which is
// canonical, and every status it may answer. Every row also answers 401 and
// 406; rows with a body answer 413 and 415.
type row struct {
	id     string
	routes string
	ok     []int
	errors []int
	body   bool
	try    string // a target of the first route
}

// rows is the contract.
var rows = []row{
	{id: "C0", routes: "GET /", ok: ints(200), try: "/"},
	{id: "C1", routes: "POST /api/platform/cluster", ok: ints(200), errors: ints(400, 403, 404, 409), body: true, try: "/api/platform/cluster"},
	{id: "C2", routes: "GET /api/platform/cluster", ok: ints(200), errors: ints(403), try: "/api/platform/cluster"},
	{id: "C3", routes: "GET /api/platform/cluster/{mid}", ok: ints(200), errors: ints(403, 404), try: "/api/platform/cluster/127.0.0.1"},
	{id: "C4", routes: "GET /api/platform/stats", ok: ints(200), errors: ints(403), try: "/api/platform/stats"},
	{id: "C5", routes: "GET /api/platform/settings", ok: ints(200), errors: ints(403), try: "/api/platform/settings"},
	{id: "C6", routes: "PATCH /api/platform/settings, POST /api/platform/settings", ok: ints(200), errors: ints(400, 403, 409), body: true, try: "/api/platform/settings"},

	{id: "C7", routes: "POST /api/runtimes", ok: ints(201, 200), errors: ints(400, 401, 409, 500), body: true, try: "/api/runtimes"},
	{id: "C8", routes: "GET /api/runtimes", ok: ints(200), errors: ints(400), try: "/api/runtimes"},
	{id: "C9", routes: "DELETE /api/runtimes", ok: ints(200), errors: ints(500), try: "/api/runtimes"},
	{id: "C10", routes: "GET /api/runtimes/{rid}", ok: ints(200), errors: ints(403, 404, 405), try: "/api/runtimes/r"},
	{id: "C11", routes: "PATCH /api/runtimes/{rid}", ok: ints(200), errors: ints(400, 403, 404, 405, 409), body: true, try: "/api/runtimes/r"},
	{id: "C12", routes: "DELETE /api/runtimes/{rid}", ok: ints(200), errors: ints(403, 404, 405), try: "/api/runtimes/r"},
	{id: "C13", routes: "GET /api/runtimes/{rid}/actors", ok: ints(200), errors: ints(403, 404, 405), try: "/api/runtimes/r/actors"},
	{id: "C14", routes: "GET /api/runtimes/{rid}/links", ok: ints(200), errors: ints(403, 404, 405), try: "/api/runtimes/r/links"},
	{id: "C15", routes: "GET /api/runtimes/{rid}/stats", ok: ints(200), errors: ints(403, 404), try: "/api/runtimes/r/stats"},
	{id: "C16", routes: "POST /api/runtimes/{rid}/actors/{aid}", ok: ints(200), errors: ints(400, 403, 404, 405, 409, 429), body: true, try: "/api/runtimes/r/actors/in"},
	{id: "C17", routes: "POST /api/runtimes/{rid}/actors/{aid}/shunt", ok: ints(200, 204), errors: ints(400, 403, 404, 405, 409, 422, 429, 500, 504), body: true, try: "/api/runtimes/r/actors/in/shunt"},
	{id: "C18", routes: "GET /api/runtimes/{rid}/actors/{aid}", ok: ints(200), errors: ints(403, 404, 405, 500, 504), try: "/api/runtimes/r/actors/in"},
	{id: "C19", routes: "GET /api/runtimes/{rid}/actors/{aid}/state", ok: ints(200), errors: ints(403, 404, 405, 409, 500, 504), try: "/api/runtimes/r/actors/in/state"},
	{id: "C20", routes: "GET /api/runtimes/{rid}/actors/{aid}/stats", ok: ints(200), errors: ints(403, 404, 409, 504), try: "/api/runtimes/r/actors/in/stats"},

	{id: "C21", routes: "POST /api/users, POST /api/platform/users", ok: ints(201), errors: ints(400, 403, 409), body: true, try: "/api/users"},
	{id: "C22", routes: "GET /api/users, GET /api/platform/users", ok: ints(200), errors: ints(403), try: "/api/users"},
	{id: "C23", routes: "GET /api/users/{uid}, GET /api/platform/users/{uid}", ok: ints(200), errors: ints(403, 404), try: "/api/users/neo"},
	{id: "C24", routes: "PATCH /api/users/{uid}, PATCH /api/platform/users/{uid}", ok: ints(200), errors: ints(400, 403, 404, 409), body: true, try: "/api/users/neo"},
	{id: "C25", routes: "DELETE /api/users/{uid}, DELETE /api/platform/users/{uid}", ok: ints(200), errors: ints(403, 404, 409), try: "/api/users/neo"},

	{id: "C26", routes: "POST /api/runtimes/{rid}/permissions", ok: ints(201), errors: ints(400, 403, 404, 405, 409), body: true, try: "/api/runtimes/r/permissions"},
	{id: "C27", routes: "GET /api/runtimes/{rid}/permissions", ok: ints(200), errors: ints(403, 404, 405), try: "/api/runtimes/r/permissions"},
	{id: "C28", routes: "GET /api/runtimes/{rid}/permissions/{pid}", ok: ints(200), errors: ints(400, 403, 404, 405), try: "/api/runtimes/r/permissions/x"},
	{id: "C29", routes: "PATCH /api/runtimes/{rid}/permissions, PATCH /api/runtimes/{rid}/permissions/{pid}", ok: ints(200), errors: ints(400, 403, 404, 405), body: true, try: "/api/runtimes/r/permissions"},
	{id: "C30", routes: "DELETE /api/runtimes/{rid}/permissions, DELETE /api/runtimes/{rid}/permissions/{pid}", ok: ints(200), errors: ints(400, 403, 404, 405), body: true, try: "/api/runtimes/r/permissions"},

	{id: "C31", routes: "POST /api/projects", ok: ints(201), errors: ints(400, 403, 409), body: true, try: "/api/projects"},
	{id: "C32", routes: "GET /api/projects", ok: ints(200), try: "/api/projects"},
	{id: "C33", routes: "GET /api/projects/{project}", ok: ints(200), errors: ints(404), try: "/api/projects/p"},
	{id: "C34", routes: "PATCH /api/projects/{project}, PUT /api/projects/{project}", ok: ints(200), errors: ints(400, 404, 409), body: true, try: "/api/projects/p"},
	{id: "C35", routes: "DELETE /api/projects/{project}", ok: ints(200), errors: ints(404), try: "/api/projects/p"},
}

func ints(n ...int) []int { return n }

// method is that of the canonical route.
func (r *row) method() string { m, _, _ := strings.Cut(r.routes, " "); return m }

// statuses are all that the row may answer.
func (r *row) statuses() []int {
	all := slices.Concat(r.ok, r.errors, ints(401, 406))
	if r.body {
		all = append(all, 413, 415)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// table is the operations of the dialect by row of the contract.
func table(t testing.TB) (map[string]*rest.Operation, *rest.Profile) {
	p, err := platform.New()
	if err != nil {
		t.Fatal(err)
	}
	d, err := coral.New(p, coral.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ops := map[string]*rest.Operation{}
	for _, o := range d.Operations() {
		if ops[o.Contract] != nil {
			t.Errorf("%s and %s are both row %s", ops[o.Contract].ID, o.ID, o.Contract)
		}
		ops[o.Contract] = o
	}
	return ops, d.Profile()
}

func TestTheTableIsTheContract(t *testing.T) {
	ops, profile := table(t)
	if len(ops) != len(rows) {
		t.Errorf("%d operations, %d rows", len(ops), len(rows))
	}
	for _, r := range rows {
		t.Run(r.id, func(t *testing.T) {
			o := ops[r.id]
			if o == nil {
				t.Fatal("there is no operation")
			}
			type shape struct {
				Routes     []string
				OK, Errors []int
				Body       bool
			}
			got := shape{OK: o.Status, Errors: ints(), Body: o.Body != rest.NoBody}
			for _, route := range o.Routes {
				got.Routes = append(got.Routes, route.Method+" "+route.Path)
			}
			for _, c := range o.Errors {
				status := c.Status
				if status == 0 {
					if status = profile.Status[rest.Case{Kind: c.Kind, Code: c.Code}]; status == 0 {
						status = profile.Status[rest.Case{Kind: c.Kind}]
					}
				}
				got.Errors = append(got.Errors, status)
			}
			slices.Sort(got.Errors)
			got.Errors = slices.Compact(got.Errors)
			want := shape{Routes: strings.Split(r.routes, ", "), OK: r.ok, Errors: slices.Concat(ints(), r.errors), Body: r.body}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-contract +table):\n%s", o.ID, diff)
			}
			if o.Summary == "" || o.Entity == "" || o.Permit == "" && o.ID != "coral.greeting" {
				t.Errorf("%s is not described: %+v", o.ID, o)
			}
		})
	}
}

// A showing is one status of one route of one operation. Routes count apart for
// successes alone: failures are those of the operation.
type showing struct {
	op, route string
	status    int
}

// recorder keeps what tests have shown.
type recorder struct {
	mu  sync.Mutex
	all map[showing]bool
}

var shown = recorder{all: map[showing]bool{}}

func (r *recorder) add(a *rest.Access, method string, status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	route := ""
	if status < 400 {
		route = method + " " + a.Template
	}
	r.all[showing{a.Operation, route, status}] = true
}

// missing lists what of the contract nothing has shown.
func (r *recorder) missing(ops map[string]*rest.Operation) (list []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, row := range rows {
		o := ops[row.id]
		if o == nil {
			continue // told by TestTheTableIsTheContract
		}
		for _, status := range row.statuses() {
			if status >= 400 {
				if !r.all[showing{o.ID, "", status}] {
					list = append(list, fmt.Sprintf("%s %s: %d", row.id, row.routes, status))
				}
				continue
			}
			for route := range strings.SplitSeq(row.routes, ", ") {
				if !r.all[showing{o.ID, route, status}] {
					list = append(list, fmt.Sprintf("%s %s: %d", row.id, route, status))
				}
			}
		}
	}
	sort.Strings(list)
	return list
}

// TestMain runs the tests and then asks whether they have shown every status
// of every row, unless only some of them ran.
func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	whole := true
	for _, name := range []string{"test.run", "test.skip", "test.list", "test.fuzz", "test.bench"} {
		whole = whole && flag.Lookup(name).Value.String() == ""
	}
	if code == 0 && whole {
		p, err := platform.New()
		if err == nil {
			var d *rest.Dialect
			if d, err = coral.New(p, coral.Options{}); err == nil {
				ops := map[string]*rest.Operation{}
				for _, o := range d.Operations() {
					ops[o.Contract] = o
				}
				for _, s := range shown.missing(ops) {
					fmt.Fprintln(os.Stderr, "not shown by any test:", s)
					code = 1
				}
			}
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func TestEveryRowRefusesAlike(t *testing.T) {
	e := populated(t, nil, httpapi.WithLimits(rest.Limits{BadLogins: -1}))
	e.as("neo").create(pair("r")).is(201, "")
	all := ops(t)
	for _, r := range rows {
		method := r.method()
		e.run(r.id+" without credentials", func(t *testing.T) {
			for _, c := range []caller{e.nobody(), e.nobody().with("Authorization", "Basic %%%"), e.nobody().with("Authorization", "Bearer x"),
				{e, e.http.Basic("neo", "wrong horse")}, {e, e.http.Basic("neo", "")}, {e, e.http.Basic("", "correct horse")}, {e, e.http.Basic("nobody", "correct horse")}} {
				a := c.do(method, r.try, nil).fails(401, "", "Valid credentials are required.")
				if got := a.Header.Get("WWW-Authenticate"); got != `Basic realm="Coral"` {
					t.Errorf("WWW-Authenticate: %q", got)
				}
			}
		})
		e.run(r.id+" for a caller who wants HTML", func(t *testing.T) {
			e.as("neo").with("Accept", "text/html").do(method, r.try, nil).fails(406, "Set HTTP header", "Only application/json can be returned.")
		})
		if !r.body {
			continue
		}
		action := all[r.id].Action
		e.run(r.id+" with a body that is no JSON by its type", func(t *testing.T) {
			e.as("neo").with("Content-Type", "text/plain").do(method, r.try, "{}").fails(415, "Set HTTP header", "Only application/json is accepted.")
			e.as("neo").with("Content-Encoding", "gzip").do(method, r.try, "{}").fails(415, "Set HTTP header", "Only application/json is accepted.")
		})
		e.run(r.id+" with a body beyond the limit", func(t *testing.T) {
			body := `{"x":"` + strings.Repeat("x", 1<<20-7) + `"}`
			if len(body) != 1<<20+1 {
				t.Fatal(len(body))
			}
			e.as("neo").do(method, r.try, body).fails(413, action, "The body is larger than the limit.")
		})
		e.run(r.id+" with a body that is no JSON object", func(t *testing.T) {
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

func ops(t testing.TB) map[string]*rest.Operation {
	o, _ := table(t)
	return o
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
