package policy

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAllowedDoesNotAllocate(t *testing.T) {
	for _, s := range []scenario{scenarioA(), scenarioB(2000), scenarioC(2000), scenarioCT(), scenarioLayers()} {
		set := mustCompile(t, s.documents(t), nil, nil)
		sessions := s.sessions(set)
		for i, a := range s.asks {
			if got := sessions[i].Allowed(a.target, a.action); got != a.want {
				t.Fatalf("%s: %v on %v: got %v", s.name, a.claims, a.target, got)
			}
		}
		i := 0
		if n := testing.AllocsPerRun(1000, func() {
			i++
			k := i % len(s.asks)
			sessions[k].Allowed(s.asks[k].target, s.asks[k].action)
			sessions[k].Why(s.asks[k].target, s.asks[k].action, Claim{"", "role", "admin"}, Claim{"res", "kind", "item"})
		}); n != 0 {
			t.Errorf("%s: %v allocations for each decision", s.name, n)
		}
	}
}

// TestDefaultsDoNotAllocate makes the decisions of a tenant's data, whose
// documents use references, templates and every layer.
func TestDefaultsDoNotAllocate(t *testing.T) {
	set := freshSet(t)
	s := set.Session([]Claim{{"apikey", "tenant", "acme"}, {"apikey", "flag", "user_key"}, {"userkey", "id", "7"}, {"userkey", "group", "3"}})
	target := MustParseFQN("object::/t/acme/books::12")
	with := []Claim{{"res", "kind", "item"}, {"res", "owner", "7"}, {"res", "owner_level", "write"}, {"res", "other_level", "none"}, {"res", "class_other", "read"}}
	if !s.Allowed(target, Update, with...) || s.Allowed(target, Delete, with...) || s.Allowed(MustParseFQN("object::/t/globex/books::12"), Read, with...) {
		t.Fatal("wrong decisions")
	}
	if n := testing.AllocsPerRun(100, func() { s.Allowed(target, Update, with...) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	for _, o := range set.unfold(target) {
		if o.open != 0 {
			t.Error("the default documents need the evaluator")
		}
	}
}

func TestWhy(t *testing.T) {
	set := mustCompile(t, []*Document{
		mustParse(t, "members", "job::/a {\n  if (LDAP->group == g) { role dev } }"),
		mustParse(t, "rights", "job::/ {\n\n  if (role == dev) { permit read }\n { permit start } }"),
		mustParse(t, "calls", "runtime::/ { { permit use } if (x->y == z) { deny use } }"),
	}, nil, platformTypes(t))
	tests := map[string]struct {
		claims []Claim
		target string
		action Action
		want   bool
		where  Grounds
	}{
		"a grant names its rule":         {[]Claim{{"LDAP", "group", "g"}}, "job::/a::x", Read, true, Grounds{Document: "rights", Line: 3}},
		"an open grant too":              {nil, "job::/b", Start, true, Grounds{Document: "rights", Line: 4, Rule: 1}},
		"a refusal names none":           {nil, "job::/a::x", Read, false, Grounds{}},
		"a denial names its rule":        {[]Claim{{"x", "y", "z"}}, "runtime::/r", Use, false, Grounds{Document: "calls", Line: 1, Rule: 1}},
		"nothing is known about nowhere": {nil, "nope::/r", Use, false, Grounds{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			ok, g := set.Session(tt.claims).Why(MustParseFQN(tt.target), tt.action)
			if ok != tt.want || g != tt.where {
				t.Errorf("got %v %+v, want %v %+v", ok, g, tt.want, tt.where)
			}
		})
	}
}

func TestNeeds(t *testing.T) {
	set := setOf(t, `job::/a/[t] { if (LDAP->group == g && x->y == [t]) { role dev } }
job::/ { if (role == dev && z->v == w) { permit read }
 if (z->v beginsWith q) { permit read } }`)
	got := set.Session([]Claim{{"LDAP", "group", "g"}}).Needs(MustParseFQN("job::/a/b"), Read)
	want := []Need{
		{Grounds: Grounds{Document: "d", Line: 3, Rule: 2}, Conditions: []string{"z->v beginsWith q"}},
		{Grounds: Grounds{Document: "d", Line: 2, Rule: 1}, Claims: []Claim{{"z", "v", "w"}}, Conditions: []string{"x->y == b"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

// TestCallersDoNotSpeakForTheEngine checks that no token forges what only the
// engine or the enforcement says.
func TestCallersDoNotSpeakForTheEngine(t *testing.T) {
	set := setOf(t, `job::/ { if (role == admin) { permit read } if (query->target == "job::/x") { permit start } }`)
	s := set.Session([]Claim{{"", "role", "admin"}, {"", "permit", "read"}, {"query", "target", "job::/x"}})
	target := MustParseFQN("job::/y")
	if s.Allowed(target, Read) || s.Allowed(target, Start) {
		t.Error("a token forged a claim")
	}
	if !s.Allowed(target, Read, Claim{"", "role", "admin"}) || !s.Allowed(MustParseFQN("job::/x"), Start) {
		t.Error("the enforcement and the engine are not heard")
	}
	if s.Allowed(target, Start, Claim{"query", "target", "job::/x"}) {
		t.Error("the enforcement forged the target")
	}
}

// TestLiveUpdates makes decisions beside a writer that moves a grant from one
// rule to another in one change: no reader may see neither or, once the
// writer is done with a change, the old state.
func TestLiveUpdates(t *testing.T) {
	s := scenarioB(600)
	types := platformTypes(t)
	live := NewLive(mustCompile(t, s.documents(t), nil, types))
	target := MustParseFQN("job::/org1/team1/app1::web")
	version := func(n int) []*Document {
		role := fmt.Sprintf("role%d", n%2)
		return []*Document{
			mustParse(t, "members", fmt.Sprintf("job::/org1/team1 { if (LDAP->group == crew) { role %s } { epoch e%d } }", role, n)),
			mustParse(t, "rights", fmt.Sprintf("job::/ { if (role == %s) { permit stop } if (epoch == e%d) { permit start } if (epoch == e%d) { permit ssh } }", role, n, n-1)),
		}
	}
	var written atomic.Int64
	update := func(n int) error {
		err := live.Update(func(now *Set) (*Set, error) {
			next, ds := now.With(version(n), nil)
			return next, DiagnosticsError("test", ds)
		})
		written.Store(int64(n))
		return err
	}
	if err := update(1); err != nil {
		t.Fatal(err)
	}
	base := live.Load().Session([]Claim{{"LDAP", "group", "crew"}})
	var readers, writer sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				c := base.On(live.Load())
				if !c.Allowed(target, Stop) || !c.Allowed(target, Start) || c.Allowed(target, SSH) {
					t.Error("a reader saw half a change")
					return
				}
			}
		})
	}
	writer.Go(func() {
		for n := 2; n < 300; n++ {
			if err := update(n); err != nil {
				t.Error(err)
				return
			}
			if r := base.On(live.Load()).Evaluate(target); !r.Has("epoch", fmt.Sprintf("e%d", n)) {
				t.Errorf("a reader after change %d saw an older state", n)
				return
			}
		}
	})
	writer.Wait()
	close(stop)
	readers.Wait()
}

func TestLiveRefusesBadChanges(t *testing.T) {
	live := &Live{}
	before := live.Load()
	err := live.Update(func(s *Set) (*Set, error) {
		next, ds := s.With([]*Document{mustParse(t, "bad", "nope::/ {}")}, nil)
		return next, DiagnosticsError("test", ds)
	})
	if err == nil || live.Load() != before {
		t.Errorf("a bad change became active: %v", err)
	}
	if err := live.Update(func(*Set) (*Set, error) { return nil, nil }); err == nil {
		t.Error("a change to nothing is accepted")
	}
}
