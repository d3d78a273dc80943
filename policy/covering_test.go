package policy

import (
	"context"
	"fmt"
	"testing"
)

// deciding is an Authorizer over one set that counts what it is asked.
type deciding struct {
	set   *Set
	asked *int
}

func (d deciding) session(p *Principal) *Session { return d.set.Session(p.Claims) }

func (d deciding) Decide(p *Principal, q Question) Decision {
	*d.asked++
	return Decision{Allowed: d.session(p).Allowed(q.Target, q.Action, with(p, q)...)}
}

func (d deciding) Covers(p *Principal, a Action, root FQN) bool {
	return d.session(p).Covers(root, a, with(p, Question{})...)
}

// below returns a random target in the namespace of root, or anywhere.
func (w world) below(root FQN) Target {
	t := w.target()
	if w.IntN(4) > 0 {
		t.Type = root.Type
		if ns := root.Namespace; ns != "/" {
			if t.Namespace == "/" {
				t.Namespace = ns
			} else {
				t.Namespace = ns + t.Namespace
			}
		}
	}
	return t
}

// TestFilterIsCheck asks random documents about random lists: row by row, and
// through a filter. The answers are the same, whatever the filter knew at once.
func TestFilterIsCheck(t *testing.T) {
	worlds := 400
	if *full {
		worlds = 6000
	}
	types := worldTypes(t)
	spared, granted := 0, 0
	for n := range worlds {
		w := newWorld(11, n)
		var docs []*Document
		for i := range 1 + w.IntN(4) {
			docs = append(docs, mustParse(t, fmt.Sprintf("d%d", i), w.document()))
		}
		set := mustCompile(t, docs, w.variables(), types)
		asked := 0
		guard := NewGuard(NewNative(nil, deciding{set, &asked}))
		for range 6 {
			p := &Principal{Kind: User, Name: "x", Admin: w.IntN(3) == 0, Claims: w.claims()}
			switch w.IntN(6) {
			case 0:
				p.Tenant = "a"
			case 1:
				p.Scopes = []string{"job.read"}
			}
			ctx := WithPrincipal(context.Background(), p)
			root, a := w.target(), pick(w, worldActions...)
			root.Local = ""
			keep := guard.Filter(ctx, a, root)
			for range 8 {
				target := w.below(root)
				asked = 0
				got := keep(target)
				if asked == 0 && got {
					spared++
				}
				if got {
					granted++
				}
				if want := guard.Allowed(ctx, Do(a, target)); got != want {
					t.Fatalf("world %d: %s on %s below %s by %+v: the filter says %v, the check %v\n%s", n, a, target, root, p, got, want, textsOf(docs, nil))
				}
			}
		}
	}
	if spared < worlds/20 || spared == granted {
		t.Errorf("of %d rows that were granted %d were known at once: the test shows little", granted, spared)
	}
}

func TestCovers(t *testing.T) {
	types := platformTypes(t)
	tests := map[string]struct {
		text string
		root string
		want bool
	}{
		"a rule about the subtree":                       {`job::/a { if (I->n == "x") { permit read } }`, "job::/a", true},
		"one about a tree further up":                    {`job::/ { if (I->n == "x") { permit read } }`, "job::/a/b", true},
		"one about every type":                           {`all::/a { if (I->n == "x") { permit read } }`, "job::/a", true},
		"one with a template that the namespace binds":   {`job::/a/[who] { if (I->n == [who]) { permit read } }`, "job::/a/x", true},
		"one with a template that names somebody else":   {`job::/a/[who] { if (I->n == [who]) { permit read } }`, "job::/a/y", false},
		"one with a template that is still open":         {`job::/a/[who] { if (I->n == [who]) { permit read } }`, "job::/a", false},
		"one further down":                               {`job::/a/b { if (I->n == "x") { permit read } }`, "job::/a", false},
		"one about the namespace alone":                  {`job::/a:: { if (I->n == "x") { permit read } }`, "job::/a", false},
		"one about all names of the namespace":           {`job::/a::* { if (I->n == "x") { permit read } }`, "job::/a", false},
		"a role that is derived further up":              {`job::/ { if (I->n == "x") { role boss } } job::/a { if (role == boss) { permit read } }`, "job::/a", true},
		"a role that is derived for one namespace alone": {`job::/a:: { if (I->n == "x") { role boss } } job::/a { if (role == boss) { permit read } }`, "job::/a", false},
		"a rule that looks at the name":                  {`job::/a { if (query->target beginsWith "job::/a") { permit read } }`, "job::/a", false},
		"a claim that the caller does not make":          {`job::/a { if (I->n == "y") { permit read } }`, "job::/a", false},
		"another action":                                 {`job::/a { { permit update } }`, "job::/a", false},
		"another type":                                   {`package::/a { { permit read } }`, "job::/a", false},
		"a type that may be denied":                      {`runtime::/a { { permit read } }`, "runtime::/a", false},
		"every type at once":                             {`all::/a { { permit read } }`, "*::/a", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			set := mustCompile(t, []*Document{mustParse(t, "d", tt.text)}, nil, types)
			if got := set.Session([]Claim{{"I", "n", "x"}}).Covers(MustParseFQN(tt.root), Read); got != tt.want {
				t.Errorf("Covers(%s) = %v, want %v", tt.root, got, tt.want)
			}
		})
	}
}

// BenchmarkFilter guards that a list of 10,000 rows under a realm that is
// granted as a whole costs next to nothing for each row.
func BenchmarkFilter(b *testing.B) {
	set := freshSet(b)
	rows := make([]FQN, 10_000)
	for i := range rows {
		rows[i] = FQN{Type: "user", Namespace: "/accounts", Local: fmt.Sprint("user", i)}
	}
	asked := 0
	guard := NewGuard(NewNative(nil, deciding{set, &asked}))
	ctx := WithPrincipal(context.Background(), &Principal{Kind: User, Name: "root", Admin: true})
	root := FQN{Type: "user", Namespace: "/accounts"}
	b.Run("filter", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			keep := guard.Filter(ctx, Read, root)
			for i := range rows {
				if !keep(rows[i]) {
					b.Fatal("refused")
				}
			}
		}
	})
	s := set.Session(nil)
	b.Run("decisions", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for i := range rows {
				if !s.Allowed(rows[i], Read, adminClaim...) {
					b.Fatal("refused")
				}
			}
		}
	})
}
