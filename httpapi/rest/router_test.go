package rest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// rows makes bare rows of templates, which is all that a tree looks at.
func routeRows(lines ...string) []*Operation {
	var ops []*Operation
	for i, line := range lines {
		method, path, _ := strings.Cut(line, " ")
		ops = append(ops, &Operation{ID: fmt.Sprint(i), Routes: []Route{{Method: method, Path: path}}})
	}
	return ops
}

func mustTree(t testing.TB, lines ...string) *tree {
	t.Helper()
	tr, err := newTree(routeRows(lines...))
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// meetings are the places where literals, parameters and tails meet in real
// tables, and some that are worse.
var meetings = []string{
	"GET /v1/jobs", "POST /v1/jobs", "GET /v1/jobs/{uuid}", "PUT /v1/jobs/{uuid}", "DELETE /v1/jobs/{uuid}",
	"GET /v1/jobs/health", "GET /v1/jobs/routes", "GET /v1/jobs/routes/{endpoint}", "POST /v1/jobs/docker",
	"GET /v1/jobs/{uuid}/files/{path...}", "GET /v1/jobs/{uuid}/files", "GET /v1/jobs/{uuid}/instances",
	"GET /v1/jobs/{uuid}/logs/drains/{id}", "PUT /v1/jobs/{uuid}/networks/{net}",
	"GET /v1/packages/{uuid}", "GET /v1/packages/dependencies", "GET /v1/packages/resources/{uuid}", "GET /v1/packages/{uuid}/{kind}",
	"POST /v1/services/start", "GET /v1/services/{id}", "PUT /v1/services/{id}",
	"GET /v1/endpoints/scripts/p/{link}/{name}", "POST /v1/endpoints/scripts/{name}/run", "GET /v1/endpoints/scripts/{name}/traces/{id}",
	"GET /", "GET /v1", "GET /v1/deep/{a}/{b}/x", "GET /v1/deep/{a}/y/{c}", "GET /v1/deep/z/{b}/x", "GET /v1/tails/{rest...}", "GET /v1/tails/{a}/b", "GET /v1/tails/a/{c}",
}

// bruteForce is the router as it is meant: of all templates that match, the
// one whose leftmost difference is more specific.
func bruteForce(templates []*template, segs []string) *template {
	var best *template
	for _, tpl := range templates {
		if len(tpl.segments) == 0 || !fits(tpl.segments, segs) {
			continue
		}
		if best == nil || lessSpecific(best.segments, tpl.segments) {
			best = tpl
		}
	}
	return best
}

func fits(want []segment, segs []string) bool {
	switch {
	case len(want) == 0:
		return len(segs) == 0
	case want[0].kind == tail:
		return len(segs) > 1 || len(segs) == 1 && segs[0] != ""
	case len(segs) == 0:
		return false
	case want[0].kind == literal && segs[0] != want[0].text, want[0].kind == param && segs[0] == "":
		return false
	}
	return fits(want[1:], segs[1:])
}

func lessSpecific(a, b []segment) bool {
	for i := range min(len(a), len(b)) {
		if a[i].kind != b[i].kind {
			return a[i].kind > b[i].kind
		}
	}
	return len(a) < len(b)
}

func TestLookupEqualsBruteForce(t *testing.T) {
	check := func(t *rapid.T, lines []string) {
		tr, err := newTree(routeRows(lines...))
		if err != nil {
			t.Fatal(err)
		}
		words := []string{"v1", "jobs", "health", "routes", "a", "b", "x", "y", "z", "p", "files", "", ".", "..", "a%2Fb", "%6Aobs", "start", "tails", "deep", "scripts", "endpoints", "traces", "run", "5"}
		var m match
		for range 40 {
			segs := rapid.SliceOfN(rapid.SampledFrom(words), 1, 7).Draw(t, "segments")
			compareLookup(t, tr, &m, "/"+strings.Join(segs, "/"))
		}
		for _, tpl := range tr.templates { // paths made to match
			for range 3 {
				path := ""
				for _, s := range tpl.segments {
					w := s.text
					if s.kind != literal {
						w = rapid.SampledFrom(words).Draw(t, "value")
					}
					path += "/" + w
				}
				compareLookup(t, tr, &m, path+rapid.SampledFrom([]string{"", "/", "//", "/a"}).Draw(t, "end"))
			}
		}
	}
	t.Run("on the meetings of real tables", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) { check(t, meetings) })
	})
	t.Run("on random tables", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) { check(t, randomTable(t)) })
	})
}

// randomTable draws templates that are not ambiguous.
func randomTable(t *rapid.T) []string {
	seen := map[string]bool{}
	var lines []string
	for range rapid.IntRange(1, 14).Draw(t, "templates") {
		path := ""
		n := rapid.IntRange(1, 4).Draw(t, "length")
		for i := range n {
			switch k := rapid.IntRange(0, 9).Draw(t, "kind"); {
			case k < 6:
				path += "/" + rapid.SampledFrom([]string{"a", "b", "x", "jobs"}).Draw(t, "literal")
			case k < 9 || i < n-1:
				path += fmt.Sprintf("/{p%d}", i)
			default:
				path += "/{rest...}"
			}
		}
		segs, err := parseTemplate(path)
		if err != nil {
			t.Fatal(err)
		}
		if !seen[templateShape(segs)] {
			seen[templateShape(segs)] = true
			lines = append(lines, "GET "+path)
		}
	}
	return lines
}

type failer interface {
	Helper()
	Fatalf(string, ...any)
}

func compareLookup(t failer, tr *tree, m *match, escaped string) {
	t.Helper()
	path, slash, ok := cleanPath(escaped)
	if !ok {
		return
	}
	if !tr.lookup(m, path, slash) {
		m.template = nil
	}
	var want *template
	if path == "/" {
		want = tr.root
	} else {
		want = bruteForce(tr.templates, strings.Split(path[1:], "/"))
	}
	if m.template != want {
		t.Fatalf("%s: got %s, want %s", escaped, name(m.template), name(want))
	}
}

func name(t *template) string {
	if t == nil {
		return "no template"
	}
	return t.text
}

func TestLookup(t *testing.T) {
	tr := mustTree(t, meetings...)
	type result struct {
		Template string
		Values   map[string]string
	}
	tests := map[string]struct {
		path string
		want result
	}{
		"a literal beats a parameter":                    {"/v1/jobs/health", result{"/v1/jobs/health", nil}},
		"a parameter takes what no literal takes":        {"/v1/jobs/health2", result{"/v1/jobs/{uuid}", map[string]string{"uuid": "health2"}}},
		"literals are case-sensitive":                    {"/v1/jobs/Health", result{"/v1/jobs/{uuid}", map[string]string{"uuid": "Health"}}},
		"an escaped letter is the letter":                {"/v1/%6Aobs", result{"/v1/jobs", nil}},
		"an escaped slash stays in its segment":          {"/v1/jobs/a%2Fb", result{"/v1/jobs/{uuid}", map[string]string{"uuid": "a/b"}}},
		"two dots are a value":                           {"/v1/jobs/..", result{"/v1/jobs/{uuid}", map[string]string{"uuid": ".."}}},
		"escaped dots are a value":                       {"/v1/jobs/%2e%2e", result{"/v1/jobs/{uuid}", map[string]string{"uuid": ".."}}},
		"a dot inside a value is kept":                   {"/v1/jobs/a.b", result{"/v1/jobs/{uuid}", map[string]string{"uuid": "a.b"}}},
		"an empty parameter matches nothing":             {"/v1/jobs//instances", result{}},
		"an empty first segment matches nothing":         {"//v1/jobs", result{}},
		"one slash at the end is cut off":                {"/v1/jobs/x/", result{"/v1/jobs/{uuid}", map[string]string{"uuid": "x"}}},
		"two slashes at the end are not":                 {"/v1/jobs/x//", result{}},
		"a tail is taken whole and never cleaned":        {"/v1/jobs/x/files/a/../b", result{"/v1/jobs/{uuid}/files/{path...}", map[string]string{"uuid": "x", "path": "a/../b"}}},
		"a tail keeps its slash":                         {"/v1/jobs/x/files/a/", result{"/v1/jobs/{uuid}/files/{path...}", map[string]string{"uuid": "x", "path": "a/"}}},
		"a tail unescapes":                               {"/v1/jobs/x/files/..%2fa", result{"/v1/jobs/{uuid}/files/{path...}", map[string]string{"uuid": "x", "path": "../a"}}},
		"a tail is not empty":                            {"/v1/jobs/x/files/", result{"/v1/jobs/{uuid}/files", map[string]string{"uuid": "x"}}},
		"the leftmost literal wins":                      {"/v1/deep/z/y/x", result{"/v1/deep/z/{b}/x", map[string]string{"b": "y"}}},
		"a literal that leads nowhere gives way":         {"/v1/endpoints/scripts/p/run", result{"/v1/endpoints/scripts/{name}/run", map[string]string{"name": "p"}}},
		"a public link called traces is the link":        {"/v1/endpoints/scripts/p/traces/5", result{"/v1/endpoints/scripts/p/{link}/{name}", map[string]string{"link": "traces", "name": "5"}}},
		"the root is a template of its own":              {"/", result{"/", nil}},
		"an empty path, of an absolute URL, is the root": {"", result{"/", nil}},
		"a path above all templates matches nothing":     {"/v2", result{}},
		"a tail gives way to a longer literal":           {"/v1/tails/q/b", result{"/v1/tails/{a}/b", map[string]string{"a": "q"}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var m match
			path, slash, ok := cleanPath(tt.path)
			got := result{}
			if ok && tr.lookup(&m, path, slash) {
				got.Template = m.template.text
				for _, p := range m.template.params {
					if got.Values == nil {
						got.Values = map[string]string{}
					}
					got.Values[p], _ = m.value(p)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("lookup of %q (-want +got):\n%s", tt.path, diff)
			}
		})
	}
}

func TestNULInAPathIsRefused(t *testing.T) {
	for _, path := range []string{"/v1/jobs/%00", "/v1/%00/x", "/v1/jobs/a%00b/files/x"} {
		if _, _, ok := cleanPath(path); ok {
			t.Errorf("%s passed", path)
		}
	}
}

func TestAllow(t *testing.T) {
	tr := mustTree(t, meetings...)
	tests := map[string]struct {
		path string
		want []string
	}{
		"HEAD comes with GET, the list is sorted":      {"/v1/jobs", []string{"GET", "HEAD", "OPTIONS", "POST"}},
		"a literal answers for all methods":            {"/v1/services/start", []string{"OPTIONS", "POST"}},
		"without GET there is no HEAD":                 {"/v1/jobs/docker", []string{"OPTIONS", "POST"}},
		"methods of one template come from all rows":   {"/v1/jobs/x", []string{"DELETE", "GET", "HEAD", "OPTIONS", "PUT"}},
		"a parameter's methods are not the literal's":  {"/v1/jobs/health", []string{"GET", "HEAD", "OPTIONS"}},
		"a template below a parameter is its own":      {"/v1/jobs/x/networks/n", []string{"OPTIONS", "PUT"}},
		"the tail's methods are those of the tail row": {"/v1/jobs/x/files/a/b", []string{"GET", "HEAD", "OPTIONS"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var m match
			if !tr.lookup(&m, tt.path, false) {
				t.Fatal("no such path")
			}
			if diff := cmp.Diff(tt.want, m.template.allow); diff != "" {
				t.Error(diff)
			}
			if got := strings.Join(tt.want, ", "); m.template.allowHeader[0] != got {
				t.Errorf("header %q, want %q", m.template.allowHeader[0], got)
			}
		})
	}
}

func TestTableFaults(t *testing.T) {
	tests := map[string]struct {
		rows []string
		want string
	}{
		"two templates that match the same paths":        {[]string{"GET /a/{b}", "GET /a/{c}"}, "match the same paths"},
		"two tails at one place":                         {[]string{"GET /a/{b...}", "GET /a/{c...}"}, "match the same paths"},
		"one method of one path twice":                   {[]string{"GET /a", "GET /a"}, "belongs to both"},
		"a tail in the middle":                           {[]string{"GET /a/{b...}/c"}, "only the last"},
		"a parameter without a name":                     {[]string{"GET /a/{}"}, "no parameter"},
		"a parameter twice":                              {[]string{"GET /a/{b}/{b}"}, "no parameter"},
		"an open brace":                                  {[]string{"GET /a/{b"}, "no parameter"},
		"a slash at the end":                             {[]string{"GET /a/"}, "slash at the end"},
		"an empty segment":                               {[]string{"GET /a//b"}, "no literal"},
		"the router's own signs in a literal":            {[]string{"GET /a/:b"}, "no literal"},
		"a template that does not start at the root":     {[]string{"GET a"}, "slash at the end"},
		"parameters of different names at one place are": {[]string{"GET /a/{b}/x", "GET /a/{c}/y"}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := newTree(routeRows(tt.rows...))
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want a fault that says %q", err, tt.want)
			}
		})
	}
}

func TestTreeOrderDoesNotMatter(t *testing.T) {
	paths := []string{"/v1/jobs/health", "/v1/jobs/x/files/a", "/v1/deep/z/y/x", "/v1/tails/a/b", "/v1/endpoints/scripts/p/run"}
	want := map[string]string{}
	rapid.Check(t, func(rt *rapid.T) {
		tr := mustTree(t, rapid.Permutation(slices.Clone(meetings)).Draw(rt, "order")...)
		for _, p := range paths {
			var m match
			if !tr.lookup(&m, p, false) {
				rt.Fatalf("%s is not found", p)
			}
			if want[p] == "" {
				want[p] = m.template.text
			}
			if got := m.template.text; got != want[p] {
				rt.Fatalf("%s is %s, was %s", p, got, want[p])
			}
		}
	})
}

func FuzzLookup(f *testing.F) {
	for _, s := range []string{"/v1/jobs/health", "/v1/jobs//", "/v1/jobs/a%2Fb/files/../x/", "", "//", "/%00", "/v1/%6Aobs", "/v1/tails/", "/v1/endpoints/scripts/p/traces/5/", "/é/;,*"} {
		f.Add(s)
	}
	tr := mustTree(f, meetings...)
	f.Fuzz(func(t *testing.T, path string) {
		r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://h/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.URL, err = r.URL.Parse("/" + strings.TrimPrefix(path, "/")); err != nil || r.URL.Host != "h" {
			t.Skip()
		}
		var m match
		if got, want := escapedPath(r.URL), r.URL.EscapedPath(); got != want {
			t.Errorf("escapedPath: %q, want %q", got, want)
		}
		compareLookup(t, tr, &m, r.URL.EscapedPath())
	})
}

func BenchmarkLookup(b *testing.B) {
	tr := mustTree(b, meetings...)
	for _, path := range []string{"/v1/jobs", "/v1/jobs/0f8fad5b-d9cb-469f-a165-70867728950e", "/v1/jobs/health", "/v1/jobs/x/logs/drains/7"} {
		b.Run(path, func(b *testing.B) {
			b.ReportAllocs()
			var m match
			for b.Loop() {
				p, slash, _ := cleanPath(path)
				if !tr.lookup(&m, p, slash) {
					b.Fatal("not found")
				}
			}
		})
	}
}
