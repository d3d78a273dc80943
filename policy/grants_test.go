package policy_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/internal/store/storetest"
	"github.com/atoll-platform/atoll/policy"
)

func newGrants(t testing.TB) (*store.Store, *policy.Grants) {
	t.Helper()
	st, err := store.Open(policy.Tables())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Close)
	return st, policy.NewGrants(st)
}

func named(refs ...string) func(string) bool {
	return func(ref string) bool {
		for _, r := range refs {
			if r == ref {
				return true
			}
		}
		return false
	}
}

func add(t interface{ Fatal(...any) }, st *store.Store, g *policy.Grants, runtime string, in policy.GrantInput) *policy.Grant {
	var made *policy.Grant
	_, err := st.Update(context.Background(), func(tx *store.Tx) (err error) {
		made, err = g.Add(tx, runtime, in, named("r"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestGrantRowsSurvive(t *testing.T) { storetest.RoundTrip(t, policy.GrantTable()) }

func TestAddListAndRemoveGrants(t *testing.T) {
	st, g := newGrants(t)
	ctx := context.Background()
	const id = "11111111-2222-4333-8444-555555555555"
	a := add(t, st, g, "R", policy.GrantInput{ID: strings.ToUpper(id), UserID: "u", Method: "GET", URI: "/api/runtimes/r/actors/*", Allowed: true})
	want := &policy.Grant{UserID: "u", RuntimeID: "R", Method: "GET", URI: "/api/runtimes/r/actors/*", Path: "/actors", Star: true, Allowed: true}
	want.ID = id
	if diff := cmp.Diff(want, a, cmpopts.IgnoreFields(store.Meta{}, "Version", "CreatedAt", "UpdatedAt")); diff != "" {
		t.Errorf("made (-want +got):\n%s", diff)
	}
	b := add(t, st, g, "R", policy.GrantInput{UserID: "u", Method: "GET", URI: "/api/runtimes/r/actors/*", Allowed: true})
	add(t, st, g, "S", policy.GrantInput{UserID: "u", Method: "*", URI: "/api/runtimes/r", Allowed: true})

	if diff := cmp.Diff([]*policy.Grant{a, b}, g.List(st.View(), "R")); diff != "" {
		t.Errorf("grants of R (-want +got):\n%s", diff)
	}
	tests := map[string]struct {
		do   func(*store.Tx) error
		kind atoll.Kind
	}{
		"an id in use is a conflict": {func(tx *store.Tx) error {
			_, err := g.Add(tx, "R", policy.GrantInput{ID: id, UserID: "u", Method: "GET", URI: "/api/runtimes/r"}, named("r"))
			return err
		}, atoll.Conflict},
		"a text that is no UUID is invalid":         {func(tx *store.Tx) error { _, err := g.SetAllowed(tx, "R", "x", true); return err }, atoll.Invalid},
		"the grant of another runtime is not found": {func(tx *store.Tx) error { _, err := g.Remove(tx, "S", id); return err }, atoll.NotFound},
		"a grant that never was is not found": {func(tx *store.Tx) error {
			_, err := g.SetAllowed(tx, "R", "99999999-2222-4333-8444-555555555555", true)
			return err
		}, atoll.NotFound},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := st.Update(ctx, tt.do); atoll.KindOf(err) != tt.kind {
				t.Errorf("%v, want kind %v", err, tt.kind)
			}
		})
	}
	if _, err := st.Update(ctx, func(tx *store.Tx) error {
		if _, err := g.SetAllowed(tx, "R", id, false); err != nil {
			return err
		}
		_, err := g.Remove(tx, "R", b.ID)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if list := g.List(st.View(), "R"); len(list) != 1 || list[0].Allowed {
		t.Errorf("after turning one into a denial and removing the other: %+v", list)
	}
	if _, err := st.Update(ctx, func(tx *store.Tx) error { return g.DropRuntime(tx, "R") }); err != nil {
		t.Fatal(err)
	}
	if n := len(g.List(st.View(), "R")) + 10*len(g.List(st.View(), "S")); n != 10 {
		t.Error("dropping a runtime drops its grants and no others")
	}
}

func TestEveryFaultOfAGrantIsFound(t *testing.T) {
	tests := map[string]struct {
		in   policy.GrantInput
		want []string // paths
	}{
		"everything at once":        {policy.GrantInput{ID: "x", Method: "get", URI: "/*"}, []string{"id", "user", "method", "uri"}},
		"an empty method":           {policy.GrantInput{UserID: "u", URI: "/api/runtimes/r"}, []string{"method"}},
		"an unknown method":         {policy.GrantInput{UserID: "u", Method: "HEAD", URI: "/api/runtimes/r"}, []string{"method"}},
		"a uri of another runtime":  {policy.GrantInput{UserID: "u", Method: "*", URI: "/api/runtimes/q"}, []string{"uri"}},
		"a sound grant has nothing": {policy.GrantInput{UserID: "u", Method: "*", URI: "/api/runtimes/r/*"}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, fs := policy.CheckGrant(tt.in, "R", named("r"))
			var got []string
			for _, f := range fs {
				got = append(got, f.Path)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEffectiveGrants(t *testing.T) {
	st, g := newGrants(t)
	grant := func(uri string, allowed bool) *policy.Grant {
		return add(t, st, g, "R", policy.GrantInput{UserID: "u", Method: "GET", URI: uri, Allowed: allowed})
	}
	first := grant("/api/runtimes/r", true)
	grant("/api/runtimes/r/", true)      // the same, spelled otherwise
	grant("/api/runtimes/r/stats", true) // denied below
	deny := grant("/api/runtimes/r/stats", false)
	grant("/api/runtimes/r/stats", false)
	if diff := cmp.Diff([]*policy.Grant{first, deny}, g.Effective(st.View(), "R")); diff != "" {
		t.Errorf("effective (-want +got):\n%s", diff)
	}
}

// modelGrant and decide are the rules of grants as they are written down, on
// whole paths and without an index.
type modelGrant struct {
	user, method, uri string
	allowed, owner    bool
}

func (m modelGrant) matches(user, method, path string) bool {
	if m.user != user || m.method != "*" && m.method != method {
		return false
	}
	if x, ok := strings.CutSuffix(m.uri, "/*"); ok {
		return strings.HasPrefix(path, x+"/")
	}
	return path == m.uri || strings.HasPrefix(path, m.uri+"/")
}

func modelDecide(grants []modelGrant, admin bool, user, owner, method, path string) bool {
	if admin {
		return true
	}
	for _, g := range grants {
		if !g.allowed && g.matches(user, method, path) {
			return false
		}
	}
	if user == owner {
		return true
	}
	for _, g := range grants {
		if g.allowed && !g.owner && g.matches(user, method, path) {
			return true
		}
	}
	return false
}

// What Native decides about a runtime is what the rules say, whatever grants
// there are and in whatever order they came, changed and went.
func TestNativeEqualsTheRulesOfGrants(t *testing.T) {
	paths := []string{"", "/actors", "/actors/a", "/actors/ab", "/actors/a/stats", "/links", "/permissions"}
	user := rapid.SampledFrom([]string{"neo", "trinity", "smith"})
	suffix := rapid.SampledFrom(paths)
	rapid.Check(t, func(rt *rapid.T) {
		st, g := newGrants(t)
		auth := policy.NewNative(g, nil)
		var model []modelGrant
		var ids []string
		apply := func(fn func(*store.Tx) error) {
			if _, err := st.Update(context.Background(), fn); err != nil {
				rt.Fatal(err)
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"grant": func(rt *rapid.T) {
				m := modelGrant{user: user.Draw(rt, "user"), allowed: rapid.Bool().Draw(rt, "allowed"),
					method: rapid.SampledFrom(policy.Methods()).Draw(rt, "method"),
					uri:    "/api/runtimes/r" + suffix.Draw(rt, "path") + rapid.SampledFrom([]string{"", "/*"}).Draw(rt, "star")}
				made := add(rt, st, g, "R", policy.GrantInput{UserID: m.user, Method: m.method, URI: m.uri, Allowed: m.allowed})
				model, ids = append(model, m), append(ids, made.ID)
			},
			"owner row": func(rt *rapid.T) {
				var made *policy.Grant
				apply(func(tx *store.Tx) (err error) { made, err = g.AddOwner(tx, "R", "neo", "r"); return err })
				model = append(model, modelGrant{user: "neo", method: "*", uri: "/api/runtimes/r/*", allowed: true, owner: true})
				ids = append(ids, made.ID)
			},
			"turn": func(rt *rapid.T) {
				if len(ids) == 0 {
					return
				}
				i := rapid.IntRange(0, len(ids)-1).Draw(rt, "which")
				model[i].allowed = !model[i].allowed
				apply(func(tx *store.Tx) error { _, err := g.SetAllowed(tx, "R", ids[i], model[i].allowed); return err })
			},
			"remove": func(rt *rapid.T) {
				if len(ids) == 0 {
					return
				}
				i := rapid.IntRange(0, len(ids)-1).Draw(rt, "which")
				apply(func(tx *store.Tx) error { _, err := g.Remove(tx, "R", ids[i]); return err })
				model = append(model[:i:i], model[i+1:]...)
				ids = append(ids[:i:i], ids[i+1:]...)
			},
			"": func(rt *rapid.T) {
				u, owner := user.Draw(rt, "caller"), rapid.SampledFrom([]string{"neo", "trinity"}).Draw(rt, "owner")
				method, path := rapid.SampledFrom([]string{"GET", "POST", "PATCH", "DELETE"}).Draw(rt, "verb"), suffix.Draw(rt, "called")
				p := &policy.Principal{Kind: policy.User, Name: u, UserID: u, Admin: rapid.IntRange(0, 9).Draw(rt, "admin") == 0}
				got := auth.Decide(p, policy.Question{Action: policy.Read, Target: policy.MustParseFQN("runtime::/coral/" + owner + "::r"),
					Call: &policy.RuntimeCall{Runtime: "R", Owner: owner, Method: method, Suffix: path}}).Allowed
				if want := modelDecide(model, p.Admin, u, owner, method, "/api/runtimes/r"+path); got != want {
					rt.Fatalf("%s %s by %s of %s's: %v, want %v under %+v", method, path, u, owner, got, want, model)
				}
			},
		})
	})
}

// A denial binds the very next call, also while others ask all the time.
func TestGrantsBindTheNextCall(t *testing.T) {
	st, g := newGrants(t)
	auth := policy.NewNative(g, nil)
	p := &policy.Principal{Kind: policy.User, Name: "u", UserID: "u"}
	q := policy.Question{Action: policy.Use, Target: policy.MustParseFQN("runtime::/coral/o::r"), Call: &policy.RuntimeCall{Runtime: "R", Owner: "o", Method: "POST", Suffix: "/actors/a"}}
	made := add(t, st, g, "R", policy.GrantInput{UserID: "u", Method: "*", URI: "/api/runtimes/r", Allowed: true})

	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			other := q
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				auth.Decide(p, q)
				other.Call = &policy.RuntimeCall{Runtime: fmt.Sprint("R", i, n%100), Owner: "o", Method: "GET"}
				if auth.Decide(p, other).Allowed {
					t.Error("a runtime without grants is open")
					return
				}
			}
		})
	}
	for i := range 300 {
		allowed := i%2 == 1
		if _, err := st.Update(context.Background(), func(tx *store.Tx) error { _, err := g.SetAllowed(tx, "R", made.ID, allowed); return err }); err != nil {
			t.Fatal(err)
		}
		if got := auth.Decide(p, q).Allowed; got != allowed {
			t.Fatalf("after change %d the call is allowed = %v, want %v", i, got, allowed)
		}
	}
	close(stop)
	wg.Wait()
}

func BenchmarkDecideRuntimeCall(b *testing.B) {
	st, g := newGrants(b)
	for i := range 1000 {
		add(b, st, g, fmt.Sprint("R", i), policy.GrantInput{UserID: "u", Method: "POST", URI: "/api/runtimes/r/actors/*", Allowed: true})
	}
	auth := policy.NewNative(g, nil)
	p := &policy.Principal{Kind: policy.User, Name: "u", UserID: "u"}
	target := policy.MustParseFQN("runtime::/coral/o::r")
	calls := make([]policy.RuntimeCall, 1000)
	for i := range calls {
		calls[i] = policy.RuntimeCall{Runtime: fmt.Sprint("R", i), Owner: "o", Method: "POST", Suffix: "/actors/a"}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if !auth.Decide(p, policy.Question{Action: policy.Use, Target: target, Call: &calls[i%1000]}).Allowed {
			b.Fatal("refused")
		}
	}
}

// Another state that is put in the place of the present one binds at once, too.
func TestGrantsAfterARestore(t *testing.T) {
	st, g := newGrants(t)
	auth := policy.NewNative(g, nil)
	p := &policy.Principal{Kind: policy.User, Name: "u", UserID: "u"}
	q := policy.Question{Action: policy.Use, Target: policy.MustParseFQN("runtime::/coral/o::r"), Call: &policy.RuntimeCall{Runtime: "R", Owner: "o", Method: "GET"}}
	var before strings.Builder
	if err := st.Snapshot(&before); err != nil {
		t.Fatal(err)
	}
	add(t, st, g, "R", policy.GrantInput{UserID: "u", Method: "*", URI: "/api/runtimes/r", Allowed: true})
	if !auth.Decide(p, q).Allowed {
		t.Fatal("the grant does not count")
	}
	if err := st.Restore(strings.NewReader(before.String())); err != nil {
		t.Fatal(err)
	}
	if auth.Decide(p, q).Allowed {
		t.Error("a grant that is gone still counts")
	}
}
