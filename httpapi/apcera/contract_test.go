package apcera_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/httpapi/apcera"
	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/tenancy"
)

// A row is one call of the contract and every status it may answer. Every row
// also answers 401; rows with a body answer 413 and 415.
type row struct {
	id     string
	route  string
	errors []int
	body   bool
	try    string // a target
}

// rows is the contract of what is there so far.
var rows = []row{
	{id: "32", route: "GET /v1/namespace/default", try: "/v1/namespace/default"},
	{id: "45", route: "GET /v1/policy", try: "/v1/policy"},
	{id: "46", route: "GET /v1/policy/{name}", errors: ints(400, 403, 404), try: "/v1/policy/quotas"},
	{id: "47", route: "PUT /v1/policy", errors: ints(400, 403, 409), body: true, try: "/v1/policy"},
	{id: "48", route: "DELETE /v1/policy", errors: ints(400, 403, 404), try: "/v1/policy?doc=quotas"},
	{id: "60", route: "GET /v1/sim", errors: ints(400, 403), try: "/v1/sim"},
	{id: "61", route: "PUT /v1/sim", errors: ints(400, 403), body: true, try: "/v1/sim"},
}

func ints(n ...int) []int { return n }

// statuses are all that the row may answer.
func (r *row) statuses() []int {
	all := slices.Concat(ints(200, 401), r.errors)
	if r.body {
		all = append(all, 413, 415)
	}
	slices.Sort(all)
	return all
}

func (r *row) method() string { m, _, _ := strings.Cut(r.route, " "); return m }

// table is the operations of the dialect by row of the contract.
func table() (map[string]*rest.Operation, *rest.Dialect, error) {
	p, err := platform.New()
	if err != nil {
		return nil, nil, err
	}
	d, err := apcera.New(p, apcera.Options{})
	if err != nil {
		return nil, nil, err
	}
	ops := map[string]*rest.Operation{}
	for _, o := range d.Operations() {
		if ops[o.Contract] != nil {
			return nil, nil, fmt.Errorf("%s and %s are both row %s", ops[o.Contract].ID, o.ID, o.Contract)
		}
		ops[o.Contract] = o
	}
	return ops, d, nil
}

func TestTheTableIsTheContract(t *testing.T) {
	ops, d, err := table()
	if err != nil {
		t.Fatal(err)
	}
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
				status := d.Profile().Status[rest.Case{Kind: c.Kind, Code: c.Code}]
				if status == 0 {
					status = d.Profile().Status[rest.Case{Kind: c.Kind}]
				}
				got.Errors = append(got.Errors, status)
			}
			want := shape{Routes: []string{r.route}, OK: ints(200), Errors: slices.Concat(ints(), r.errors), Body: r.body}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-contract +table):\n%s", o.ID, diff)
			}
			if o.Summary == "" || o.Entity == "" {
				t.Errorf("%s is not described: %+v", o.ID, o)
			}
		})
	}
}

// A showing is one status of one operation.
type showing struct {
	op     string
	status int
}

// recorder keeps what tests have shown.
type recorder struct {
	mu  sync.Mutex
	all map[showing]bool
}

var shown = recorder{all: map[showing]bool{}}

func (r *recorder) add(a *rest.Access, status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all[showing{a.Operation, status}] = true
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
		ops, _, err := table()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		for _, r := range rows {
			for _, status := range r.statuses() {
				if o := ops[r.id]; o != nil && !shown.all[showing{o.ID, status}] {
					fmt.Fprintln(os.Stderr, "not shown by any test:", r.id, r.route, status)
					code = 1
				}
			}
		}
	}
	os.Exit(code)
}

func TestEveryRowRefusesAlike(t *testing.T) {
	e := start(t)
	for _, r := range rows {
		e.run(r.id+" without a token that is known", func(t *testing.T) {
			for _, c := range []caller{e.nobody(), e.bearer("x"), e.bearer(""), e.bearer(strings.Repeat("0", 40)), {e, e.http.Basic("neo", "correct horse")}} {
				a := c.do(r.method(), r.try, nil).fails(401, "Valid credentials are required.", "")
				if got := a.Header.Get("WWW-Authenticate"); got != "Bearer" {
					t.Errorf("WWW-Authenticate: %q", got)
				}
			}
		})
		if !r.body {
			continue
		}
		e.run(r.id+" with an encoded body", func(t *testing.T) {
			e.as("root").with("Content-Encoding", "gzip").do(r.method(), r.try, "{}").fails(415, "A body with a Content-Encoding is not accepted.", "")
		})
		e.run(r.id+" with a body beyond the limit", func(t *testing.T) {
			body := `{"x":"` + strings.Repeat("x", 8<<20-7) + `"}`
			if len(body) != 8<<20+1 {
				t.Fatal(len(body))
			}
			e.as("root").do(r.method(), r.try, body).fails(413, "The body is larger than the limit.", "")
		})
		e.run(r.id+" with a body that is no JSON", func(t *testing.T) {
			for name, body := range map[string]string{
				"half an object": `{"docs":`, "trailing text": `{} x`, "two values": `{}{}`, "bytes that are no text": "{\"a\":\"\xff\"}",
				"nesting of 10,000": `{"a":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`, "a number": `1`, "a text": `"docs"`,
			} {
				if a := e.as("root").do(r.method(), r.try, body); a.Status != 400 {
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
	e.run("no token is the implicit administrator", func(*testing.T) {
		e.nobody().get("/v1/namespace/default").is(200, `{"namespace":"/sandbox/coral"}`)
	})
	e.run("so is one that is not known", func(*testing.T) {
		e.bearer("x").get("/v1/namespace/default").is(200, `{"namespace":"/sandbox/coral"}`)
		e.bearer(keys["mia"]).get("/v1/namespace/default").is(200, `{"namespace":"/sandbox/coral"}`)
	})
	e.run("a key names its owner", func(*testing.T) {
		e.as("neo").get("/v1/namespace/default").is(200, `{"namespace":"/sandbox/neo"}`)
		e.as("neo").get("/v1/policy").is(200, `{"docs":[]}`)
	})
	e.run("what writes is written by coral", func(*testing.T) {
		e.nobody().put("/v1/policy", docs(doc("mine", ""))).is(200, `{"version":2}`)
		e.nobody().get("/v1/policy/mine").is(200, `{"name":"mine","text":"","version":1,"updated_at":"`+at0+`","updated_by":"coral"}`)
	})
	e.run("pages of other sites and proxies are refused", func(*testing.T) {
		for name, value := range map[string]string{"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site", "X-Forwarded-For": "10.0.0.1"} {
			if a := e.nobody().with(name, value).put("/v1/policy", docs(doc("evil", ""))); a.Status != 403 {
				e.t.Errorf("%s: %d %s", name, a.Status, a.Body)
			}
		}
	})
	closed := bare(t, []platform.Option{platform.WithAuthentication(tenancy.DenyAll)})
	closed.run("nobody is let in where everybody is refused", func(*testing.T) {
		closed.nobody().get("/v1/policy").fails(401, "Valid credentials are required.", "")
	})
}
