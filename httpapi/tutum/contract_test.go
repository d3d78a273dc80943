package tutum_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/httpapi/tutum"
	"github.com/atoll-platform/atoll/platform"
)

// A row is one call of the contract and every status it may answer, besides
// those of every row: 401, 413 for a body beyond the limit, 415 for Accept,
// 429 and 503.
type row struct {
	id     string
	method string
	path   string
	ok     int
	errors []int
	body   bool
}

const (
	apps      = "/api/v1/application/"
	cons      = "/api/v1/container/"
	noSuch    = "0b2c7a3e-1111-4222-8333-444455556666"
	oneApp    = "/api/v1/application/{uuid}"
	oneCon    = "/api/v1/container/{uuid}"
	wholeBody = 1 << 20
)

// rows is the contract.
var rows = []row{
	{id: "T1", method: "GET", path: "/api/v1/application", ok: 200, errors: ints(400)},
	{id: "T2", method: "POST", path: "/api/v1/application", ok: 202, errors: ints(400, 403), body: true},
	{id: "T3", method: "GET", path: oneApp, ok: 200, errors: ints(404)},
	{id: "T4", method: "PATCH", path: oneApp, ok: 202, errors: ints(400, 403, 404), body: true},
	{id: "T5", method: "POST", path: oneApp + "/start", ok: 202, errors: ints(400, 403, 404)},
	{id: "T6", method: "POST", path: oneApp + "/stop", ok: 202, errors: ints(400, 403, 404)},
	{id: "T7", method: "DELETE", path: oneApp, ok: 202, errors: ints(400, 403, 404)},
	{id: "T8", method: "GET", path: "/api/v1/container", ok: 200, errors: ints(400)},
	{id: "T9", method: "GET", path: oneCon, ok: 200, errors: ints(404)},
	{id: "T10", method: "POST", path: oneCon + "/start", ok: 202, errors: ints(400, 403, 404)},
	{id: "T11", method: "POST", path: oneCon + "/stop", ok: 202, errors: ints(400, 403, 404)},
	{id: "T12", method: "GET", path: oneCon + "/logs", ok: 200, errors: ints(400, 404)},
	{id: "T13", method: "DELETE", path: oneCon, ok: 202, errors: ints(400, 403, 404)},
	{id: "E1", method: "GET", path: oneApp + "/logs", ok: 200, errors: ints(400, 404)},
	{id: "E2", method: "POST", path: oneApp + "/redeploy", ok: 202, errors: ints(400, 403, 404), body: true},
	{id: "E3", method: "POST", path: oneCon + "/redeploy", ok: 202, errors: ints(400, 403, 404), body: true},
}

func ints(n ...int) []int { return n }

// statuses are all that the row may answer.
func (r *row) statuses() []int {
	all := slices.Concat(ints(r.ok), r.errors, ints(401, 413, 415, 429, 503))
	slices.Sort(all)
	return slices.Compact(all)
}

// try is a target of the row, of the object with that uuid.
func (r *row) try(uuid string) string { return strings.ReplaceAll(r.path, "{uuid}", uuid) + "/" }

// table is the operations of the dialect by row of the contract.
func table(t testing.TB) (map[string]*rest.Operation, *rest.Profile) {
	p, err := platform.New()
	if err != nil {
		t.Fatal(err)
	}
	d, err := tutum.New(p, tutum.Options{})
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
				Routes     []rest.Route
				OK, Errors []int
				Body       bool
			}
			got := shape{Routes: o.Routes, OK: o.Status, Errors: ints(), Body: o.Body != rest.NoBody}
			for _, c := range o.Errors {
				got.Errors = append(got.Errors, profile.Status[rest.Case{Kind: c.Kind}])
			}
			slices.Sort(got.Errors)
			got.Errors = slices.Compact(got.Errors)
			want := shape{Routes: []rest.Route{{Method: r.method, Path: r.path}}, OK: ints(r.ok), Errors: r.errors, Body: r.body}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-contract +table):\n%s", o.ID, diff)
			}
			if o.Summary == "" || o.Entity == "" || o.Permit == "" {
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
			if !r.all[showing{o.ID, status}] {
				list = append(list, fmt.Sprintf("%s %s %s: %d", row.id, row.method, row.path, status))
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
		if err := everythingShown(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func everythingShown() error {
	p, err := platform.New()
	if err != nil {
		return err
	}
	d, err := tutum.New(p, tutum.Options{})
	if err != nil {
		return err
	}
	ops := map[string]*rest.Operation{}
	for _, o := range d.Operations() {
		ops[o.Contract] = o
	}
	if missing := shown.missing(ops); len(missing) > 0 {
		return fmt.Errorf("not shown by any test:\n%s", strings.Join(missing, "\n"))
	}
	return nil
}
