package policy

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/atoll-platform/atoll"
	"github.com/google/go-cmp/cmp"
)

func platformTypes(t testing.TB) *Registry {
	t.Helper()
	types, err := NewRegistry(PlatformTypes())
	if err != nil {
		t.Fatal(err)
	}
	return types
}

// freshSet is the documents of a fresh platform, without the optional homes.
func freshSet(t testing.TB) *Set {
	t.Helper()
	types := platformTypes(t)
	var docs []*Document
	for _, d := range DefaultDocuments(types) {
		doc := mustParse(t, d.Name, d.Text)
		doc.System = d.System
		docs = append(docs, doc)
	}
	set, ds := Compile(docs, nil, types)
	if len(ds) > 0 {
		t.Fatalf("the default documents have findings: %v", ds)
	}
	return set
}

func simInputs(t testing.TB, inputs ...string) (out []SimInput) {
	t.Helper()
	for _, s := range inputs {
		in, err := ParseSimInput(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, in)
	}
	return out
}

// TestPublishedSimulations compares with the two published answers,
// character for character. The second one was published with a document that
// alone grants the claim, yet repeats the first: there the injected document
// adds its own lines.
func TestPublishedSimulations(t *testing.T) {
	set := freshSet(t)
	indent := func(r SimResponse) string {
		b, err := json.MarshalIndent(r, "", "    ")
		if err != nil {
			t.Fatal(err)
		}
		return string(b) + "\n"
	}
	for file, req := range map[string]SimRequest{
		"testdata/sim-john.json": {Targets: []Target{MustParseFQN("job::/sandbox/john")}, Inputs: simInputs(t, "name=jane"), Claims: []SimClaim{{"permit", "create"}}, Why: true},
		"testdata/sim-tim.json":  {Targets: []Target{MustParseFQN("job::/sandbox/tim")}, Inputs: simInputs(t, "name=tim"), Claims: []SimClaim{{"permit", "create"}}, Why: true},
	} {
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, err := set.Simulate(req)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), indent(got)); diff != "" {
			t.Errorf("%s mismatch (-want +got):\n%s", file, diff)
		}
		if diff := cmp.Diff([]string{"job::/"}, got.Realms); diff != "" {
			t.Errorf("realms mismatch (-want +got):\n%s", diff)
		}
	}
	req := SimRequest{Targets: []Target{MustParseFQN("job::/sandbox/tim")}, Inputs: simInputs(t, "name=tim"), Claims: []SimClaim{{"permit", "create"}}, Why: true,
		Docs: []*Document{mustParse(t, "testpolicy", "on job::/sandbox/tim {{ permit create }}")}}
	got, err := set.Simulate(req)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"0 0 testpolicy.pol:1 permit create", "1 3 testpolicy.pol:1 job::/sandbox/tim"}
	if diff := cmp.Diff(want, brieflyLines(got)[8:]); diff != "" {
		t.Errorf("injected document mismatch (-want +got):\n%s", diff)
	}
	if set.Document("testpolicy") != nil {
		t.Error("the simulation kept its document")
	}
}

func brieflyLines(r SimResponse) (out []string) {
	for _, l := range r.Lines {
		fqn := ""
		if l.FQN != "" {
			fqn = " @" + l.FQN
		}
		out = append(out, fmt.Sprintf("%d %d %s %s%s", l.Level, l.Type, l.Context, l.Value, fqn))
	}
	return out
}

const gates = `gateway::/lab/[who] {
  if (auth_server@apcera.me->name == [who] && badge == "green") {
    permit use
  }
}
gateway::/ {
  if (LDAP->group == "staff") { badge "green" }
}
`

func TestSimulate(t *testing.T) {
	tests := map[string]struct {
		docs   map[string]string
		fqn    []string
		input  []string
		claim  []SimClaim
		why    bool
		want   []string
		widths [3]int
	}{
		"a hypothetical simulation": {
			docs: map[string]string{"gates": gates}, fqn: []string{"gateway::/lab/bo"}, input: []string{"name=bo"}, claim: []SimClaim{{"permit", "use"}}, why: true,
			want: []string{
				`0 0 gates.pol:3 permit use`,
				`1 3 gates.pol:1 gateway::/lab/[who]`,
				`1 1 gates.pol:2 (auth_server@apcera.me->name == [who] && badge == "green")`,
				`2 2 INPUT name bo`,
				`2 2 ADD INPUT badge "green"`,
				`2 0 gates.pol:7 badge "green"`,
				`3 3 gates.pol:6 gateway::/`,
				`3 1 gates.pol:7 (LDAP->group == "staff")`,
				`4 2 ADD INPUT LDAP->group "staff"`,
			}, widths: [3]int{11, 4, 58}},
		"a given name is not replaced": {
			docs: map[string]string{"gates": gates}, fqn: []string{"gateway::/lab/bo"}, input: []string{"name=cy"}, claim: []SimClaim{{"permit", "use"}}, why: true},
		"what is derived needs no addition": {
			docs: map[string]string{"gates": gates}, fqn: []string{"gateway::/lab/bo"}, input: []string{"name=bo", "LDAP->group=staff"}, claim: []SimClaim{{Type: "permit"}}, why: true,
			want: []string{
				`0 0 gates.pol:3 permit use`,
				`1 3 gates.pol:1 gateway::/lab/[who]`,
				`1 1 gates.pol:2 (auth_server@apcera.me->name == [who] && badge == "green")`,
				`2 2 INPUT name bo`,
				`2 0 gates.pol:7 badge "green"`,
				`3 3 gates.pol:6 gateway::/`,
				`3 1 gates.pol:7 (LDAP->group == "staff")`,
				`4 2 INPUT LDAP->group staff`,
			}, widths: [3]int{11, 4, 58}},
		"without why only what is derived is shown": {
			docs: map[string]string{"gates": gates}, fqn: []string{"gateway::/lab/bo"}, input: []string{"name=bo"}},
		"documents come in byte order of their names, alternatives one by one": {
			docs:  map[string]string{"b": "job::/ { if (x == a || x == b) { permit read } }", "a": "job::/ { { role r } }", "B": "job::/ { { permit read } }"},
			fqn:   []string{"job::/"},
			input: []string{"x=b", "x=a"},
			want: []string{
				`0 0 B.pol:1 permit read`, `1 3 B.pol:1 job::/`,
				`0 0 b.pol:1 permit read`, `1 3 b.pol:1 job::/`, `1 1 b.pol:1 (x == a)`, `2 2 INPUT x a`,
				`0 0 b.pol:1 permit read`, `1 3 b.pol:1 job::/`, `1 1 b.pol:1 (x == b)`, `2 2 INPUT x b`,
				`0 0 a.pol:1 role r`, `1 3 a.pol:1 job::/`,
			}, widths: [3]int{7, 2, 11}},
		"a quoted input is shown as given": {
			docs: map[string]string{"d": `job::/ { if (name == "tim s") { role r } }`}, fqn: []string{"job::/"}, input: []string{`name="tim s"`},
			want:   []string{`0 0 d.pol:1 role r`, `1 3 d.pol:1 job::/`, `1 1 d.pol:1 (name == "tim s")`, `2 2 INPUT name "tim s"`},
			widths: [3]int{7, 2, 17}},
		"the bound text stands for a template": {
			docs: map[string]string{"d": "job::/[t] { if (apikey->tenant == [t]) { role r } }"}, fqn: []string{"job::/acme"}, why: true,
			want:   []string{`0 0 d.pol:1 role r`, `1 3 d.pol:1 job::/[t]`, `1 1 d.pol:1 (apikey->tenant == [t])`, `2 2 ADD INPUT apikey->tenant "acme"`},
			widths: [3]int{9, 2, 23}},
		"claims that support each other explain nothing": {
			docs: map[string]string{"d": "job::/ { if (a == x) { b y }  if (b == y) { a x } }"}, fqn: []string{"job::/"}},
		"several targets name themselves": {
			docs: map[string]string{"d": "*::/ { { role r } }"}, fqn: []string{"job::/", "route::/a::b"},
			want:   []string{`0 0 d.pol:1 role r @job::/`, `1 3 d.pol:1 *::/ @job::/`, `0 0 d.pol:1 role r @route::/a::b`, `1 3 d.pol:1 *::/ @route::/a::b`},
			widths: [3]int{7, 1, 6}},
		"the type * is every type": {
			docs: map[string]string{"d": "job::/a { { role r } } route::/a { { role q } }"}, fqn: []string{"*::/a"},
			want:   []string{`0 0 d.pol:1 role r @job::/a`, `1 3 d.pol:1 job::/a @job::/a`, `0 0 d.pol:1 role q @route::/a`, `1 3 d.pol:1 route::/a @route::/a`},
			widths: [3]int{7, 1, 9}},
		"the tested address is the one that is copied": {
			docs:  map[string]string{"d": `auth::/ { if (G->email endsWith "@x") { name G->email } }`},
			fqn:   []string{"auth::/"},
			input: []string{"G->email=a@x", "G->email=b@y"},
			want:  []string{`0 0 d.pol:1 name G->email`, `1 3 d.pol:1 auth::/`, `1 1 d.pol:1 (G->email endsWith "@x")`, `2 2 INPUT G->email a@x`}, widths: [3]int{7, 2, 24}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var docs []*Document
			for n, text := range tt.docs {
				docs = append(docs, mustParse(t, n, text))
			}
			set := mustCompile(t, docs, nil, nil)
			req := SimRequest{Inputs: simInputs(t, tt.input...), Claims: tt.claim, Why: tt.why}
			for _, f := range tt.fqn {
				req.Targets = append(req.Targets, MustParseFQN(f))
			}
			got, err := set.Simulate(req)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, brieflyLines(got)); diff != "" {
				t.Errorf("lines mismatch (-want +got):\n%s", diff)
			}
			if w := [3]int{got.MaxContext, got.MaxLevel, got.MaxValue}; w != tt.widths {
				t.Errorf("widths %v, want %v", w, tt.widths)
			}
		})
	}
}

func TestSimulationBounds(t *testing.T) {
	var deep, wide strings.Builder
	deep.WriteString("job::/ { if (r17 == x) { permit read } ")
	for i := range 17 {
		fmt.Fprintf(&deep, "if (r%d == x) { r%d x } ", i, i+1)
	}
	wide.WriteString("job::/ { ")
	for i := range 40 {
		fmt.Fprintf(&wide, "if (a == x && b == x && c == x) { permit p%d } ", i)
	}
	for _, n := range []string{"a", "b", "c"} {
		for i := range 100 {
			fmt.Fprintf(&wide, "if (q == x%d) { %s x } ", i, n)
		}
	}
	tests := map[string]struct {
		text string
		req  SimRequest
	}{
		"more than 16 nested claims":    {text: deep.String() + "}", req: SimRequest{Why: true, Targets: []Target{MustParseFQN("job::/")}}},
		"more than 10,000 lines":        {text: wide.String() + "}", req: SimRequest{Why: true, Targets: []Target{MustParseFQN("job::/")}}},
		"a type that is not registered": {text: "", req: SimRequest{Targets: []Target{MustParseFQN("nope::/")}}},
		"a document with errors":        {text: "", req: SimRequest{Docs: []*Document{mustParse(t, "x", "nope::/ {}")}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			set := mustCompile(t, []*Document{mustParse(t, "d", tt.text)}, nil, nil)
			if _, err := set.Simulate(tt.req); atoll.KindOf(err) != atoll.Invalid {
				t.Errorf("got %v, want Invalid", err)
			}
		})
	}
}

func TestParseSimParameters(t *testing.T) {
	for in, want := range map[string]Claim{
		"name=jane":                      {"", "name", "jane"},
		"Google->email=bob@gmail.com":    {"Google", "email", "bob@gmail.com"},
		`name="tim s"`:                   {"", "name", "tim s"},
		"ResType=gateway":                {"", "ResType", "gateway"},
		"a=b=c":                          {"", "a", "b=c"},
		"auth_server@apcera.me->name=ed": {"auth_server@apcera.me", "name", "ed"},
	} {
		got, err := ParseSimInput(in)
		if err != nil || got.Claim != want {
			t.Errorf("ParseSimInput(%s) = %v, %v; want %v", in, got.Claim, err, want)
		}
	}
	for _, in := range []string{"", "name", "=x", "name=", `"name=x"`, `"name"=x`, `name="x`, `name=x"y`, "->a=b", "a b=c"} {
		if _, err := ParseSimInput(in); atoll.KindOf(err) != atoll.Invalid {
			t.Errorf("ParseSimInput(%s): %v, want Invalid", in, err)
		}
	}
	for in, want := range map[string]SimClaim{"permit": {"permit", ""}, "permit=create": {"permit", "create"}, `role="a b"`: {"role", "a b"}} {
		if got, err := ParseSimClaim(in); err != nil || got != want {
			t.Errorf("ParseSimClaim(%s) = %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", `"permit"`, "permit=", `"permit=create"`} {
		if _, err := ParseSimClaim(in); atoll.KindOf(err) != atoll.Invalid {
			t.Errorf("ParseSimClaim(%s): %v, want Invalid", in, err)
		}
	}
}

// TestSimulationIsEvaluation compares the claims at the root of a simulation
// without why with those that evaluation derives.
func TestSimulationIsEvaluation(t *testing.T) {
	types := worldTypes(t)
	for n := range 150 {
		w := newWorld(9, n)
		docs := []*Document{mustParse(t, "a", w.document()), mustParse(t, "b", w.document())}
		vars := w.variables()
		set := mustCompile(t, docs, vars, types)
		target := w.target()
		if types.types[target.Type] == nil {
			continue
		}
		var req SimRequest
		var claims, with []Claim
		req.Targets = []Target{target}
		for _, c := range w.claims() {
			if c.Issuer != "" && !engineIssuer(c.Issuer) {
				req.Inputs = append(req.Inputs, SimInput{Claim: c})
				claims = append(claims, c)
			}
		}
		got, err := set.Simulate(req)
		if err != nil {
			t.Fatal(err)
		}
		roots := map[string]bool{}
		for _, l := range got.Lines {
			if l.Level == 0 {
				typ, _, _ := strings.Cut(l.Value, " ")
				roots[typ] = true
			}
		}
		want := map[string]bool{}
		for _, d := range set.evaluate(target, claims, with).Claims {
			want[d.Type] = true
		}
		if diff := cmp.Diff(want, roots); diff != "" {
			t.Fatalf("world %d: types of claims differ (-evaluated +simulated):\n%s\n%v", n, diff, textsOf(docs, vars))
		}
		req.Why = true
		if _, err := set.Simulate(req); err != nil && atoll.KindOf(err) != atoll.Invalid {
			t.Fatal(err)
		}
	}
}
