package rest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/atoll-platform/atoll/httpapi/rest"
)

// flawed is a request with flaws that fail at different stages.
type flawed struct {
	guard, slash, route, method, auth, accept, kind, length, body, object bool
}

func (f flawed) request(dialect string) *http.Request {
	q := toyRequest{dialect: dialect, method: http.MethodPatch, path: "/things/ok", body: `{"size": 5}`, header: http.Header{}}
	if f.object {
		q.path = "/things/missing"
	}
	if f.route {
		q.path = "/nothing/here"
	}
	if f.method {
		q.method = "BREW"
	}
	q.anonymous = f.auth
	if f.guard {
		q.header.Set("Origin", "http://evil.test")
	}
	if f.accept {
		q.header.Set("Accept", "image/png")
	}
	if f.kind {
		q.header.Set("Content-Type", "text/plain")
	}
	if f.body {
		q.body = `{"size": -1}`
	}
	if f.length {
		q.body += strings.Repeat(" ", 1024)
	}
	r := q.make()
	if f.slash {
		r.URL.Path = strings.TrimSuffix(r.URL.Path, "/")
	}
	return r
}

func TestOrderOfChecks(t *testing.T) {
	flaws := []struct {
		name   string
		set    func(*flawed)
		status map[string]int // where it differs from the others; 0 is no failure
		common int
	}{
		{"a request of another site", func(f *flawed) { f.guard = true }, map[string]int{"tutum": 0, "apcera": 0, "syncano": 0}, 403},
		{"the other spelling", func(f *flawed) { f.slash = true }, map[string]int{"tutum": 308}, 0},
		{"an unknown path", func(f *flawed) { f.route = true }, nil, 404},
		{"an unknown method", func(f *flawed) { f.method = true }, nil, 405},
		{"no credentials", func(f *flawed) { f.auth = true }, map[string]int{"syncano": 403}, 401},
		{"an Accept nobody can serve", func(f *flawed) { f.accept = true }, map[string]int{"tutum": 415, "apcera": 0, "cxengage": 0}, 406},
		{"a body of a strange type", func(f *flawed) { f.kind = true }, map[string]int{"apcera": 0}, 415},
		{"a body too large", func(f *flawed) { f.length = true }, nil, 413},
		{"a body with a bad value", func(f *flawed) { f.body = true }, nil, 400},
		{"an object that is not there", func(f *flawed) { f.object = true }, nil, 404},
	}
	for _, name := range toyNames {
		h := toyServer(t, rest.Options{}, toyDialect(t, name, &toy{}))
		expect := func(i int) int {
			if s, ok := flaws[i].status[name]; ok {
				return s
			}
			return flaws[i].common
		}
		check := func(t *testing.T, want int, set ...int) {
			t.Helper()
			var f flawed
			for _, i := range set {
				flaws[i].set(&f)
			}
			if want == 0 {
				want = 200
			}
			if got := serve(h, f.request(name)); got.status != want {
				t.Errorf("got %d %s, want %d", got.status, got.body, want)
			}
		}
		t.Run(name+" answers a request without a flaw", func(t *testing.T) { check(t, 200) })
		for i := range flaws {
			t.Run(fmt.Sprintf("%s answers %s", name, flaws[i].name), func(t *testing.T) { check(t, expect(i), i) })
			for j := i + 1; j < len(flaws); j++ {
				want := expect(i)
				if want == 0 {
					want = expect(j)
				}
				t.Run(fmt.Sprintf("%s answers %s before %s", name, flaws[i].name, flaws[j].name), func(t *testing.T) { check(t, want, i, j) })
			}
			t.Run(fmt.Sprintf("%s answers %s before all that follow", name, flaws[i].name), func(t *testing.T) {
				var all []int
				want := 0
				for j := i; j < len(flaws); j++ {
					all = append(all, j)
					if want == 0 {
						want = expect(j)
					}
				}
				check(t, want, all...)
			})
		}
	}
}
