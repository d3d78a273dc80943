package policy

import (
	"bufio"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// example is one worked example: documents, tables and questions.
type example struct {
	name  string
	texts map[string]string
	order []string
	vars  Variables
	asks  []ask
}

// ask is one question: "? target [inputs] => claims" lists every derived
// claim, "? target [inputs] +a,b -c" what is allowed and refused.
type ask struct {
	line   string
	target Target
	claims []Claim // with an issuer
	with   []Claim // of enforcement
	all    []string
	listed bool
	allow  []Action
	refuse []Action
}

func parseInputs(s string) (claims, with []Claim) {
	for _, in := range strings.Split(s, ";") {
		if in = strings.TrimSpace(in); in == "" {
			continue
		}
		k, v, _ := strings.Cut(in, "=")
		if issuer, typ, ok := strings.Cut(k, "->"); ok {
			claims = append(claims, Claim{issuer, typ, v})
		} else {
			with = append(with, Claim{"", k, v})
		}
	}
	return claims, with
}

func readExamples(t testing.TB, file string) []example {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []example
	var e *example
	doc := "d"
	for sc := bufio.NewScanner(f); sc.Scan(); {
		line := sc.Text()
		switch {
		case strings.HasPrefix(line, "# "):
			out = append(out, example{name: line[2:], texts: map[string]string{}, vars: Variables{}})
			e, doc = &out[len(out)-1], "d"
		case strings.HasPrefix(line, "-- "):
			doc = line[3:]
		case strings.HasPrefix(line, "$ "):
			name, cells, _ := strings.Cut(line[2:], ": ")
			row, table := map[string]string{}, e.vars[name]
			for _, cell := range strings.Split(cells, ", ") {
				k, v, _ := strings.Cut(cell, "=")
				row[k] = v
				if len(table.Rows) == 0 {
					table.Columns = append(table.Columns, k)
				}
			}
			table.Rows = append(table.Rows, row)
			e.vars[name] = table
		case strings.HasPrefix(line, "? "):
			target, rest, _ := strings.Cut(line[2:], " [")
			inputs, rest, _ := strings.Cut(rest, "] ")
			a := ask{line: line, target: MustParseFQN(target)}
			a.claims, a.with = parseInputs(inputs)
			if all, ok := strings.CutPrefix(rest, "=> "); ok {
				a.listed = true
				if all != "none" {
					a.all = strings.Split(all, "; ")
				}
			} else {
				for _, f := range strings.Fields(rest) {
					for _, x := range strings.Split(f[1:], ",") {
						if f[0] == '+' {
							a.allow = append(a.allow, Action(x))
						} else {
							a.refuse = append(a.refuse, Action(x))
						}
					}
				}
			}
			e.asks = append(e.asks, a)
		case e != nil:
			if _, ok := e.texts[doc]; !ok {
				e.order = append(e.order, doc)
			}
			e.texts[doc] += line + "\n"
		}
	}
	return out
}

// exampleTypes are the types that the examples use.
func exampleTypes(t testing.TB) *Registry {
	t.Helper()
	reg, err := NewRegistry([]ResourceType{
		{Name: "runtime", Actions: []Action{"get", "post", "put", "patch", "delete", "head", "options"}, Overridable: true},
		{Name: "class", Actions: crud},
	})
	if err != nil {
		t.Fatal(err)
	}
	return reg
}

func mustParse(t testing.TB, name, text string) *Document {
	t.Helper()
	doc, ds := Parse(name, text)
	if doc == nil {
		t.Fatalf("%s does not parse: %v", name, ds)
	}
	return doc
}

func (e *example) documents(t testing.TB) []*Document {
	var docs []*Document
	for _, n := range e.order {
		docs = append(docs, mustParse(t, n, e.texts[n]))
	}
	return docs
}

func listed(r Result) (out []string) {
	for _, d := range r.Claims {
		out = append(out, d.Type+" "+d.Value)
	}
	return out
}

// referenceResult evaluates with the written semantics.
func referenceResult(docs []*Document, vars Variables, types *Registry, t Target, claims, with []Claim) Result {
	cs := newClaimSet(t)
	cs.input(claims, with)
	r, _ := evaluate(covering(docs, t), vars, types, t, cs)
	return r
}

func checkAsk(t *testing.T, a ask, r Result, allowed func(Action) bool) {
	t.Helper()
	if a.listed {
		sorted := cmp.Transformer("sorted", func(s []string) map[string]bool {
			m := map[string]bool{}
			for _, x := range s {
				m[x] = true
			}
			return m
		})
		if diff := cmp.Diff(a.all, listed(r), sorted); diff != "" {
			t.Errorf("%s: mismatch (-want +got):\n%s", a.line, diff)
		}
	}
	for _, x := range a.allow {
		if !allowed(x) {
			t.Errorf("%s: %s is refused", a.line, x)
		}
	}
	for _, x := range a.refuse {
		if allowed(x) {
			t.Errorf("%s: %s is allowed", a.line, x)
		}
	}
}

func TestReferenceExamples(t *testing.T) {
	types := exampleTypes(t)
	for _, e := range readExamples(t, "testdata/examples.txt") {
		t.Run(e.name, func(t *testing.T) {
			docs := e.documents(t)
			for _, d := range docs {
				if ds := checkDocument(d, e.vars, types); HasErrors(ds) {
					t.Fatal(ds)
				}
			}
			if len(e.asks) == 0 {
				t.Fatal("the example asks nothing")
			}
			for _, a := range e.asks {
				r := referenceResult(docs, e.vars, types, a.target, a.claims, a.with)
				checkAsk(t, a, r, r.Allowed)
			}
		})
	}
}

func TestCheckDocument(t *testing.T) {
	tests := map[string]struct {
		text string
		want []string
	}{
		"an unregistered type":                       {text: "jobs::/ {}", want: []string{"1:1 E_TYPE"}},
		"deny where grants only add up":              {text: "job::/ { { deny read } }", want: []string{"1:12 E_RESERVED"}},
		"deny on every type":                         {text: "all::/ { { deny get } }", want: []string{"1:12 E_RESERVED"}},
		"deny where it counts":                       {text: "runtime::/ { { deny get } }"},
		"an unknown action":                          {text: "job::/ { { permit read, fly } }", want: []string{"1:25 W_PERMIT"}},
		"all is an action of every type":             {text: "all::/ { { permit all, use } }"},
		"an unknown quota":                           {text: "quota::/ { { max.pods 5 } }", want: []string{"1:14 E_QUOTA"}},
		"a quota needs its unit":                     {text: "quota::/ { { total.memory 5 } }", want: []string{"1:27 E_VALUE"}},
		"a unit is case-sensitive":                   {text: "quota::/ { { total.memory 5gb } }", want: []string{"1:27 E_VALUE"}},
		"a rate is in bits":                          {text: "quota::/ { { total.network 5GB } }", want: []string{"1:28 E_VALUE"}},
		"a bare quota has no unit":                   {text: "quota::/ { { total.cpu 5ms } }", want: []string{"1:24 E_VALUE"}},
		"a quantity that overflows":                  {text: "quota::/ { { total.memory 99999999PB } }", want: []string{"1:27 E_VALUE"}},
		"good quotas":                                {text: "quota::/ { { total.memory 5TB max.job.network 1Gbps max.instances 3 total.cpu 50 } }"},
		"max is free text elsewhere":                 {text: "job::/ { { max.pods many } }"},
		"a token timeout needs a unit":               {text: "auth::/ { { tokenTimeout 900 } }", want: []string{"1:26 E_VALUE"}},
		"good token timeouts":                        {text: "auth::/ { { tokenTimeout 900s, 15m, \"2h\" } }"},
		"a token timeout elsewhere is free text":     {text: "route::/ { { tokenTimeout soon } }"},
		"a package claim names packages":             {text: "job::/ { { package.allow \"job::/x\" } }", want: []string{"1:26 E_VALUE"}},
		"a package claim may hold a template":        {text: "job::/[x] { { package.allow \"package::/home/[x]\" } }"},
		"log knows three values":                     {text: "job::/ { { log loud } }", want: []string{"1:16 E_VALUE"}},
		"an unknown table":                           {text: "job::/ { if (a == PV->Nope.x) { b PV->T.x } }", want: []string{"1:19 W_PV"}},
		"an unknown column":                          {text: "job::/ { if (PV->T.y == q) { b PV->T.x } }", want: []string{"1:14 W_PV"}},
		"other claims take any text, also templates": {text: "job::/[t] { { sp.disable whatever role [t] } }"},
	}
	vars := Variables{"T": {Columns: []string{"x"}}}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, brief(checkDocument(mustParse(t, "d", tt.text), vars, exampleTypes(t)))); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}
