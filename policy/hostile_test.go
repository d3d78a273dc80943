package policy

import (
	"fmt"
	goruntime "runtime"
	"strings"
	"testing"
	"time"
)

// hostile is a document made to be expensive, and who asks what about it.
type hostile struct {
	text   string
	claims []Claim
	target string
	want   bool
}

// hostiles are the most expensive documents that we know of for each thing
// that a document can make the engine do.
func hostiles() map[string]hostile {
	build := func(f func(b *strings.Builder)) string {
		var b strings.Builder
		f(&b)
		return b.String()
	}
	many := func(n int, format string) string {
		return build(func(b *strings.Builder) {
			for i := range n {
				fmt.Fprintf(b, format, i)
			}
		})
	}
	var callers []Claim
	for i := range 60 {
		for _, iss := range []string{"I", "J", "K", "L"} {
			for _, typ := range []string{"n", "a", "b"} {
				callers = append(callers, Claim{iss, typ, fmt.Sprintf("%s%d", typ, i)})
			}
		}
	}
	cross := "job::/ { " + many(200, "if (I->n == v%d) { a x b x c x d x } ") + "if (a == x && b == x && c == x && d == x) { permit read } }"
	wide := func(rules int, ask string) string {
		return "job::/ { " + build(func(b *strings.Builder) {
			for i := range rules {
				b.WriteString("if (" + strings.TrimSuffix(many(250, fmt.Sprintf("I->n == r%dv%%d && ", i)), " && ") + ") { a x b x c x } ")
			}
		}) + "if (" + ask + ") { permit read } }"
	}
	steps := func(order func(i int) int) string {
		return "job::/ { { r0 x } " + build(func(b *strings.Builder) {
			for i := range 3000 {
				k := order(i)
				fmt.Fprintf(b, "if (r%d == x) { r%d x } ", k, k+1)
			}
		}) + "if (r3000 == x) { permit read } "
	}
	return map[string]hostile{
		"conditions that multiply":          {text: cross, claims: []Claim{{"I", "n", "v7"}}, want: true},
		"conditions that multiply, refused": {text: cross, claims: []Claim{{"I", "n", "nobody"}}},
		"long conditions that multiply":     {text: wide(100, "a == x && b == x && c == x")},
		"long conditions behind one claim":  {text: wide(100, "a == x")},
		"a long ladder of roles":            {text: steps(func(i int) int { return i }) + "}", want: true},
		"a ladder written from its top":     {text: steps(func(i int) int { return 2999 - i }) + "}", want: true},
		"a ladder that has to be evaluated": {text: strings.ReplaceAll(steps(func(i int) int { return 2999 - i }), "permit read", "permit start") + "if (s == x) { r0 z r1 s->t } if (r1 == y->z && r1 contains r2) { r0 y } }"},
		"more claims than are derived":      {text: "job::/ { " + many(11_000, "{ c v%d } ") + "{ permit read } if (c == D->e) { permit stop } }", want: true},
		"shared references that multiply":   {text: "job::/ { if (X->y contains I->n && X->y contains J->n && X->y contains K->n && X->y contains L->n && X->z == q) { permit read } }", claims: append(callers, Claim{"X", "y", "n0n1n2n3n4n5n6n7n8n9n10n11n12n13n14n15n16n17n18n19n20n21n22n23n24n25n26n27n28n29n30n31n32n33n34n35n36n37n38n39n40n41n42n43n44n45n46n47n48n49n50n51n52n53n54n55n56n57n58n59"})},
		"shared references that never meet": {text: "job::/ { if (" + strings.TrimSuffix(strings.Repeat("I->n == J->n && K->n == I->n && ", 40), " && ") + " && I->a == I->b && J->a == J->b && K->a == K->b) { permit read } }", claims: callers},
		"one claim from everywhere":         {text: "job::/ { " + strings.Repeat("{a b}\n", 19_990) + "if (s == x) { r0 z r1 s->t } if (r1 == y->z && r1 contains r2) { r0 y permit y->t } }"},
		"a rule that every claim wakes":     {text: "job::/ { " + many(6000, "{ c v%d } ") + many(200, "if (c contains c && c contains z) { d e%d } ") + "if (s == x) { permit s->t } }"},
		"realms of every shape": {text: build(func(b *strings.Builder) {
			for i := range 8192 {
				b.WriteString("job::")
				for k := range 13 {
					if i>>k&1 == 1 {
						b.WriteString("/*")
					} else {
						b.WriteString("/a")
					}
				}
				b.WriteString(" {{permit stop}}\n")
			}
		}), target: "job::" + strings.Repeat("/a", 13) + "::x"},
		"a realm of 100,000 tokens":          {text: "job::" + strings.Repeat("/*", 100_000) + " {{permit stop}}", target: "job::" + strings.Repeat("/a", 300)},
		"alternatives that multiply":         {text: "job::/ { if (" + strings.TrimSuffix(strings.Repeat("(I->n == a || I->n == b || I->n == c) && ", 8), " && ") + ") { permit read } }"},
		"alternatives of derived claims":     {text: "job::/ { { r a } if (" + strings.TrimSuffix(strings.Repeat("(r == a || r == b || r == c) && ", 8), " && ") + ") { permit read } }", want: true},
		"expressions that repeat":            {text: "job::/ { " + many(4, "if (I->n regexMatch \"(a{1,20}){1,20}x%d\") { permit read } ") + "}", claims: []Claim{{"I", "n", strings.Repeat("a", 1000)}}},
		"many different expressions":         {text: "job::/ { " + many(400, "if (I->n regexMatch \"(a|b)*c%dx\") { permit read } ") + "}", claims: []Claim{{"I", "n", strings.Repeat("ab", 200)}}},
		"one namespace with everybody in it": {text: "job::/a { " + many(9000, "if (I->n == u%d) { permit read } ") + "}", claims: []Claim{{"I", "n", "u8999"}}, target: "job::/a::b", want: true},
	}
}

// TestHostileDocuments loads each of the most expensive documents and makes a
// first decision by it: both together take little time and memory. The time is
// that of the processor, with room for a slow one.
func TestHostileDocuments(t *testing.T) {
	if raceDetector {
		t.Skip("one goroutine does it all, and times under the detector say nothing")
	}
	for name, h := range hostiles() {
		t.Run(name, func(t *testing.T) {
			if h.target == "" {
				h.target = "job::/a::b"
			}
			if len(h.text) > MaxDocument {
				t.Fatalf("%d bytes: too long to be loaded", len(h.text))
			}
			target, ok := parseTarget(h.target)
			if !ok {
				t.Fatal("bad target")
			}
			var before, after goruntime.MemStats
			goruntime.ReadMemStats(&before)
			start := cpuTime()
			doc, ds := Parse("d", h.text)
			if doc == nil {
				t.Fatal(ds)
			}
			set := mustCompile(t, []*Document{doc}, nil, nil)
			loaded := cpuTime()
			if got := set.Session(h.claims).Allowed(target, Read); got != h.want {
				t.Errorf("got %v, want %v", got, h.want)
			}
			first := cpuTime() - loaded
			goruntime.ReadMemStats(&after)
			memory := after.TotalAlloc - before.TotalAlloc
			t.Logf("loaded in %v, first decision in %v, %d KiB in all", loaded-start, first, memory>>10)
			if all := loaded - start + first; all > 2*time.Second {
				t.Errorf("%v of the processor", all)
			}
			if memory > 64<<20 {
				t.Errorf("%d MiB", memory>>20)
			}
		})
	}
}
