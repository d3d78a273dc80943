package policy

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var full = flag.Bool("policy.full", false, "make 200,000 random decisions instead of a few thousand")

func mustCompile(t testing.TB, docs []*Document, vars Variables, types *Registry) *Set {
	t.Helper()
	set, ds := Compile(docs, vars, types)
	if set == nil {
		t.Fatalf("does not compile: %v", ds)
	}
	return set
}

func TestCompiledExamples(t *testing.T) {
	types := exampleTypes(t)
	for _, e := range readExamples(t, "testdata/examples.txt") {
		t.Run(e.name, func(t *testing.T) {
			set := mustCompile(t, e.documents(t), e.vars, types)
			for _, a := range e.asks {
				s := set.Session(a.claims)
				checkAsk(t, a, s.Evaluate(a.target, a.with...), func(x Action) bool { return s.Allowed(a.target, x, a.with...) })
			}
		})
	}
}

// world makes random documents over a small vocabulary, so that rules meet.
type world struct{ *rand.Rand }

func newWorld(series, n int) world { return world{rand.New(rand.NewPCG(uint64(series), uint64(n)))} }

func pick[T any](w world, list ...T) T { return list[w.IntN(len(list))] }

func (w world) token() string { return pick(w, "a", "b", "c") }

func (w world) realm() (string, []string) {
	var templates []string
	tok := func() string {
		switch w.IntN(6) {
		case 0:
			return "*"
		case 1:
			n := pick(w, "t", "u")
			templates = append(templates, n)
			return "[" + n + "]"
		}
		return w.token()
	}
	s := pick(w, "job", "job", "job", "runtime", "route", "*", "all") + "::/"
	for i := range w.IntN(4) {
		if i > 0 {
			s += "/"
		}
		s += tok()
	}
	switch w.IntN(8) {
	case 0:
		s += "::"
	case 1:
		s += "::*"
	case 2:
		s += "::" + tok()
	case 3:
		s += "::" + tok() + "/" + tok()
	}
	return s, templates
}

func (w world) value(templates []string) string {
	switch w.IntN(10) {
	case 0:
		if len(templates) > 0 {
			return "[" + pick(w, templates...) + "]"
		}
	case 1:
		if len(templates) > 0 {
			return `"` + w.token() + "[" + pick(w, templates...) + `]"`
		}
	case 2:
		return pick(w, "[z]", `"[z]"`)
	case 3:
		return "aa"
	}
	return w.token()
}

func (w world) reference() string {
	switch w.IntN(12) {
	case 0, 1, 2, 3:
		return pick(w, "role", "team")
	case 4:
		return "permit"
	case 5:
		return "query->target_str"
	case 6:
		return pick(w, "PV->T.k", "PV->T.v", "PV->U.k", "PV->N.k")
	case 7:
		return pick(w, "job", "res->x")
	}
	return pick(w, "I->n", "I->m", "J->n")
}

func (w world) comparison(templates []string) string {
	l := w.reference()
	if w.IntN(9) == 0 {
		return l + " == " + w.reference()
	}
	if l == "permit" {
		return l + " == " + pick(w, "all", "all", "read", "fly", w.value(templates))
	}
	switch w.IntN(12) {
	case 0:
		return l + " beginsWith " + w.value(templates)
	case 1:
		return l + " endsWith " + w.value(templates)
	case 2:
		return l + " contains " + w.value(templates)
	case 3:
		return l + " regexMatch \"" + pick(w, "^[ab]$", "c", "a.*") + "\""
	case 4:
		return l + " fqnMatch \"" + pick(w, "job::/", "job::/a", "*::/a/[q]", "job::/b::*") + "\""
	case 5:
		return l + " equals " + w.value(templates)
	}
	return l + " == " + w.value(templates)
}

func (w world) condition(templates []string, depth int) string {
	if depth > 1 || w.IntN(2) == 0 {
		return w.comparison(templates)
	}
	op := pick(w, " && ", " && ", " || ")
	var parts []string
	for range 1 + w.IntN(3) {
		c := w.condition(templates, depth+1)
		if strings.Contains(c, "&&") || strings.Contains(c, "||") {
			c = "(" + c + ")"
		}
		parts = append(parts, c)
	}
	return strings.Join(parts, op)
}

func (w world) claim(realm string, templates []string) string {
	switch w.IntN(14) {
	case 0, 1, 2, 3, 4:
		return "permit " + pick(w, "read", "all", "update", "create, start", "fly")
	case 5:
		if strings.HasPrefix(realm, "runtime") {
			return "deny " + pick(w, "get", "read", "all", "fly")
		}
		return "permit read"
	case 6:
		return pick(w, "role ", "team ", "name ", "permit ", "job ") + w.reference()
	case 7:
		return "permit " + w.value(templates)
	}
	return pick(w, "role ", "team ") + w.value(templates)
}

func (w world) document() string {
	var b strings.Builder
	for range 1 + w.IntN(3) {
		realm, templates := w.realm()
		fmt.Fprintf(&b, "on %s {\n", realm)
		for range 1 + w.IntN(4) {
			b.WriteString("  ")
			if w.IntN(5) > 0 {
				fmt.Fprintf(&b, "if (%s) ", w.condition(templates, 0))
			}
			b.WriteString("{")
			for range 1 + w.IntN(2) {
				b.WriteString(" " + w.claim(realm, templates))
			}
			b.WriteString(" }\n")
		}
		b.WriteString("}\n")
	}
	return b.String()
}

func (w world) target() Target {
	t := Target{Type: pick(w, "job", "job", "job", "runtime", "route", "quota"), Namespace: "/"}
	for i := range w.IntN(4) {
		if i > 0 {
			t.Namespace += "/"
		}
		t.Namespace += w.token()
	}
	switch w.IntN(4) {
	case 0:
		t.Local = w.token() + "/" + w.token()
	case 1, 2:
		t.Local = w.token()
	}
	return t
}

func (w world) claims() []Claim {
	var out []Claim
	for range w.IntN(5) {
		out = append(out, Claim{pick(w, "I", "I", "J", "", "query"), pick(w, "n", "m", "role", "target_str"), pick(w, "a", "b", "c", "aa", "job::/a")})
	}
	return out
}

func (w world) with() []Claim {
	var out []Claim
	for range w.IntN(6) - 3 {
		out = append(out, Claim{pick(w, "", "res", "I"), pick(w, "role", "x", "job", "permit", "team"), pick(w, "a", "b", "job::/a::c", "all", "read", "job::/b")})
	}
	return out
}

func (w world) variables() Variables {
	v := Variables{}
	for _, n := range []string{"T", "U"} {
		t := Table{Columns: []string{"k", "v"}}
		for range w.IntN(4) {
			row := map[string]string{}
			for _, c := range t.Columns {
				if w.IntN(4) > 0 {
					row[c] = pick(w, "a", "b", "c", "job::/a", "read")
				}
			}
			t.Rows = append(t.Rows, row)
		}
		v[n] = t
	}
	return v
}

var worldActions = []Action{"read", "all", "update", "create", "start", "get", "fly", "a"}

func worldTypes(t testing.TB) *Registry {
	reg, err := NewRegistry([]ResourceType{{Name: "runtime", Actions: []Action{"get", "read"}, Overridable: true}})
	if err != nil {
		t.Fatal(err)
	}
	return reg
}

// compare makes decisions on both forms and reports the first difference.
func compare(t *testing.T, w world, set *Set, docs []*Document, vars Variables, n int) (allowed int) {
	t.Helper()
	for range n {
		target, claims, with := w.target(), w.claims(), w.with()
		want := referenceResult(docs, vars, set.types, target, claims, with)
		s := set.Session(claims)
		if diff := cmp.Diff(listed(want), listed(s.Evaluate(target, with...))); diff != "" {
			t.Fatalf("claims differ for %s %v %v (-reference +set):\n%s%s", target, claims, with, diff, textsOf(docs, vars))
		}
		for _, a := range worldActions {
			got, grounds := s.Why(target, a, with...)
			if got != want.Allowed(a) {
				t.Fatalf("%s on %s with %v %v: set says %v %v, reference %v\n%s", a, target, claims, with, got, grounds, want.Allowed(a), textsOf(docs, vars))
			}
			if got {
				allowed++
			}
		}
	}
	return allowed
}

func textsOf(docs []*Document, vars Variables) string {
	var b strings.Builder
	for _, d := range docs {
		fmt.Fprintf(&b, "-- %s\n%s", d.Name, d.Text)
	}
	return b.String() + fmt.Sprint(vars)
}

// TestCompiledIsReference compares Set with the written semantics on random
// documents, callers and targets.
func TestCompiledIsReference(t *testing.T) {
	worlds := 150
	if *full {
		worlds = 2600 // times 10 targets and 8 actions
	}
	types := worldTypes(t)
	open, allowed := 0, 0
	for n := range worlds {
		w := newWorld(7, n)
		var docs []*Document
		for i := range 1 + w.IntN(5) {
			docs = append(docs, mustParse(t, fmt.Sprintf("d%d", i), w.document()))
		}
		vars := w.variables()
		set := mustCompile(t, docs, vars, types)
		allowed += compare(t, w, set, docs, vars, 10)
		for _, o := range set.unfold(w.target()) {
			if o.open != 0 {
				open++
				break
			}
		}
	}
	decisions := worlds * 10 * len(worldActions)
	t.Logf("%d decisions, %d allowed; %d of %d worlds need the evaluator at some place", decisions, allowed, open, worlds)
	if open > worlds/4 {
		t.Error("too much falls back to the evaluator: the compiled form is hardly tested")
	}
	if allowed < decisions/50 || allowed > decisions/2 {
		t.Error("the random worlds decide too much one way")
	}
}

// TestChangedIsRebuilt compares a set changed step by step with one compiled
// at once.
func TestChangedIsRebuilt(t *testing.T) {
	worlds := 40
	if *full {
		worlds = 400
	}
	types := worldTypes(t)
	for n := range worlds {
		w := newWorld(8, n)
		current := map[string]*Document{}
		vars := w.variables()
		set := mustCompile(t, nil, vars, types)
		for range 12 {
			name := fmt.Sprintf("d%d", w.IntN(5))
			var ds []Diagnostic
			before := set
			switch w.IntN(5) {
			case 0:
				delete(current, name)
				set, ds = set.With(nil, []string{name})
			case 1:
				vars = w.variables()
				set, ds = set.WithVariables(vars)
			default:
				current[name] = mustParse(t, name, w.document())
				set, ds = set.With([]*Document{current[name]}, nil)
			}
			if set == nil {
				t.Fatal(ds)
			}
			var docs []*Document
			for _, name := range set.Documents() {
				docs = append(docs, current[name])
			}
			if len(docs) != len(current) {
				t.Fatalf("set holds %v, want %d documents", set.Documents(), len(current))
			}
			compare(t, w, set, docs, vars, 4)
			_ = before.Session(nil).Allowed(w.target(), Read) // an old set stays usable
		}
		for name := range current {
			set, _ = set.With(nil, []string{name})
		}
		if len(set.every) > 0 || set.docs.count != 0 || set.askers != 0 {
			t.Fatal("a set without documents still holds rules")
		}
		for _, r := range set.roots {
			if len(r) > 0 {
				t.Fatal("a set without documents still holds rules")
			}
		}
	}
}
