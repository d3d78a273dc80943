package resttest

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/httpapi/rest"
)

// Row is one call of a contract, and every status that it may answer.
type Row struct {
	ID     string // what the operation gives as its Contract
	Routes string // "PUT /a/{id}, PATCH /a/{id}", the canonical one first
	OK     []int
	Errors []int // as the operation declares them, ascending
	Alike  []int // errors that no operation declares, since many answer them alike
	Body   bool  // the call takes one
	Open   bool  // it asks for no permission of its own
}

// Method is that of the canonical route.
func (r *Row) Method() string { m, _, _ := strings.Cut(r.Routes, " "); return m }

// Path is the template of the canonical route.
func (r *Row) Path() string {
	_, path, _ := strings.Cut(r.Routes, " ")
	path, _, _ = strings.Cut(path, ",")
	return path
}

// Contract is what a dialect is held to. Set Rows and New before use; the
// methods may be called from many goroutines.
type Contract struct {
	Rows []Row
	New  func() (*rest.Dialect, error)

	mu    sync.Mutex
	shown map[showing]bool
}

// showing is one status of one operation. Of successes each route counts apart;
// failures are those of the operation.
type showing struct {
	op, route string
	status    int
}

// Operations returns the operations of the dialect by row, and what maps errors
// to statuses.
func (c *Contract) Operations() (map[string]*rest.Operation, *rest.Profile, error) {
	d, err := c.New()
	if err != nil {
		return nil, nil, err
	}
	ops := map[string]*rest.Operation{}
	var errs []error
	for _, o := range d.Operations() {
		if other := ops[o.Contract]; other != nil {
			errs = append(errs, fmt.Errorf("%s and %s are both row %s", other.ID, o.ID, o.Contract))
		}
		ops[o.Contract] = o
	}
	return ops, d.Profile(), errors.Join(errs...)
}

// Table fails the test unless the operations of the dialect are the rows: the
// same routes, statuses and bodies, each described.
func (c *Contract) Table(t *testing.T) {
	ops, profile, err := c.Operations()
	if err != nil {
		t.Fatal(err)
	}
	if len(ops) != len(c.Rows) {
		t.Errorf("%d operations, %d rows", len(ops), len(c.Rows))
	}
	for _, r := range c.Rows {
		t.Run(r.ID, func(t *testing.T) {
			o := ops[r.ID]
			if o == nil {
				t.Fatal("there is no operation")
			}
			if diff := cmp.Diff(shape{strings.Split(r.Routes, ", "), sorted(r.OK), sorted(r.Errors), r.Body}, shapeOf(o, profile)); diff != "" {
				t.Errorf("%s (-contract +table):\n%s", o.ID, diff)
			}
			if o.Summary == "" || o.Entity == "" || o.Permit == "" && !r.Open {
				t.Errorf("%s is not described: %+v", o.ID, o)
			}
		})
	}
}

// shape is what a row and an operation have in common.
type shape struct {
	Routes     []string
	OK, Errors []int
	Body       bool
}

func shapeOf(o *rest.Operation, profile *rest.Profile) shape {
	s := shape{OK: sorted(o.Status), Body: o.Body != rest.NoBody}
	for _, route := range o.Routes {
		s.Routes = append(s.Routes, route.Method+" "+route.Path)
	}
	for _, e := range o.Errors {
		status := e.Status
		if status == 0 {
			status = profile.Status[rest.Case{Kind: e.Kind, Code: e.Code}]
		}
		if status == 0 {
			status = profile.Status[rest.Case{Kind: e.Kind}]
		}
		s.Errors = append(s.Errors, status)
	}
	s.Errors = sorted(s.Errors)
	return s
}

// sorted is a copy in order, without what stands twice, never nil.
func sorted(n []int) []int {
	n = append([]int{}, n...)
	slices.Sort(n)
	return slices.Compact(n)
}

// Show notes that a test has seen a call answered with a status, as it had to be.
func (c *Contract) Show(a *rest.Access, method string, status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shown == nil {
		c.shown = map[showing]bool{}
	}
	s := showing{op: a.Operation, status: status}
	if status < 400 {
		s.route = method + " " + a.Template
	}
	c.shown[s] = true
}

// Missing lists the statuses of rows that no test has shown.
func (c *Contract) Missing() ([]string, error) {
	ops, _, err := c.Operations()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []string
	for _, r := range c.Rows {
		o := ops[r.ID]
		if o == nil {
			continue // told by Table
		}
		for _, status := range sorted(slices.Concat(r.Errors, r.Alike)) {
			if !c.shown[showing{o.ID, "", status}] {
				list = append(list, fmt.Sprintf("%s %s: %d", r.ID, r.Routes, status))
			}
		}
		for _, status := range r.OK {
			for route := range strings.SplitSeq(r.Routes, ", ") {
				if !c.shown[showing{o.ID, route, status}] {
					list = append(list, fmt.Sprintf("%s %s: %d", r.ID, route, status))
				}
			}
		}
	}
	return list, nil
}

// Main runs the tests and returns the code to exit with. If all of them ran and
// passed, it fails for every status that none of them has shown.
func (c *Contract) Main(m *testing.M) int {
	flag.Parse()
	code := m.Run()
	for _, name := range []string{"test.run", "test.skip", "test.list", "test.fuzz", "test.bench"} {
		if flag.Lookup(name).Value.String() != "" {
			return code
		}
	}
	if code != 0 {
		return code
	}
	missing, err := c.Missing()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for _, s := range missing {
		fmt.Fprintln(os.Stderr, "not shown by any test:", s)
		code = 1
	}
	return code
}
