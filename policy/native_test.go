package policy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/policy"
)

func account(name string) *policy.Principal {
	claim := func(typ, v string) policy.Claim {
		return policy.Claim{Issuer: policy.AccountIssuer, Type: typ, Value: v}
	}
	return &policy.Principal{Kind: policy.User, Name: name, UserID: "id-" + name,
		Claims: []policy.Claim{claim("home", name), claim("kind", "user"), claim("name", name)}}
}

func change(p *policy.Principal, f func(*policy.Principal)) *policy.Principal {
	c := *p
	f(&c)
	return &c
}

func TestNativeAndDefault(t *testing.T) {
	neo := account("neo")
	admin := change(neo, func(p *policy.Principal) { p.Admin = true })
	workload := &policy.Principal{Kind: policy.Workload, Name: "application/1", UserID: "id-neo", Claims: []policy.Claim{
		{Issuer: policy.AccountIssuer, Type: "kind", Value: "workload"}, {Issuer: policy.AccountIssuer, Type: "owner", Value: "neo"}}}
	scoped := func(scopes ...string) *policy.Principal {
		return change(admin, func(p *policy.Principal) { p.Scopes = scopes })
	}
	fenced := change(admin, func(p *policy.Principal) { p.Tenant = "acme" })
	local := &policy.Principal{Kind: policy.Privileged, Name: policy.PrivilegedName}
	external := &policy.Principal{Kind: policy.External, Name: "neo", Claims: []policy.Claim{{Issuer: policy.AuthServerIssuer, Type: "name", Value: "neo"}}}
	call := func(owner string) *policy.RuntimeCall {
		return &policy.RuntimeCall{Runtime: "R", Owner: owner, Method: "GET"}
	}

	tests := map[string]struct {
		p      *policy.Principal
		action policy.Action
		target string
		call   *policy.RuntimeCall
		want   bool
	}{
		"an administrator may do anything":                       {p: admin, action: policy.Delete, target: "user::/accounts::smith", want: true},
		"an account reads itself":                                {p: neo, action: policy.Read, target: "user::/accounts::neo", want: true},
		"an account updates itself":                              {p: neo, action: policy.Update, target: "user::/accounts::neo", want: true},
		"an account does not delete itself":                      {p: neo, action: policy.Delete, target: "user::/accounts::neo"},
		"an account does not read another":                       {p: neo, action: policy.Read, target: "user::/accounts::smith"},
		"an account does not read accounts at large":             {p: neo, action: policy.Read, target: "user::/accounts"},
		"an account does not update accounts at large":           {p: neo, action: policy.Update, target: "user::/accounts"},
		"an account has its keys":                                {p: neo, action: policy.Delete, target: "apikey::/accounts/neo::3", want: true},
		"an account has no keys of a longer name":                {p: neo, action: policy.Read, target: "apikey::/accounts/neon::3"},
		"an account makes runtimes under its name":               {p: neo, action: policy.Create, target: "runtime::/coral/neo", want: true},
		"an account makes none under another name":               {p: neo, action: policy.Create, target: "runtime::/coral/smith"},
		"an account has its projects":                            {p: neo, action: policy.Update, target: "project::/coral/neo::p", want: true},
		"an account runs workloads under its name":               {p: neo, action: policy.Start, target: "job::/tutum/neo::web", want: true},
		"an account runs none under another name":                {p: neo, action: policy.Start, target: "job::/tutum/smith::web"},
		"an account has all of its home":                         {p: neo, action: policy.Bind, target: "service::/sandbox/neo/db::main", want: true},
		"an account has nothing beside its home":                 {p: neo, action: policy.Read, target: "service::/sandbox/neon::main"},
		"an account has sessions issued":                         {p: neo, action: policy.Issue, target: "auth::/oauth2/http", want: true},
		"a workload has none issued":                             {p: workload, action: policy.Issue, target: "auth::/oauth2/http"},
		"a workload runs workloads of its owner":                 {p: workload, action: policy.Create, target: "job::/tutum/neo::web", want: true},
		"a workload does not touch its owner's account":          {p: workload, action: policy.Read, target: "user::/accounts::neo"},
		"a workload does not mint keys":                          {p: workload, action: policy.Create, target: "apikey::/accounts/neo"},
		"a workload does not read keys":                          {p: workload, action: policy.Read, target: "apikey::/accounts/neo::1"},
		"a workload does not own its owner's runtimes":           {p: workload, action: policy.Read, target: "runtime::/coral/neo::r", call: call("id-neo")},
		"an owner may do all with a runtime":                     {p: neo, action: policy.Delete, target: "runtime::/coral/neo::r", call: call("id-neo"), want: true},
		"others may do nothing with it":                          {p: neo, action: policy.Read, target: "runtime::/coral/smith::r", call: call("id-smith")},
		"no account owns what has no owner":                      {p: external, action: policy.Read, target: "runtime::/coral/x::r", call: call("")},
		"an administrator passes for every runtime":              {p: admin, action: policy.Read, target: "runtime::/coral/smith::r", call: call("id-smith"), want: true},
		"a tenant's caller passes within":                        {p: fenced, action: policy.Read, target: "object::/t/acme/books::1", want: true},
		"a tenant's caller passes for the tenant":                {p: fenced, action: policy.Read, target: "tenant::/t/acme", want: true},
		"a tenant's caller never passes for another tenant":      {p: fenced, action: policy.Read, target: "object::/t/acme2/books::1"},
		"a tenant's caller never passes outside":                 {p: fenced, action: policy.Read, target: "runtime::/coral/neo::r", call: call("id-neo")},
		"a tenant's caller never passes for the root":            {p: fenced, action: policy.Read, target: "object::/"},
		"a scope admits its action":                              {p: scoped("job.read"), action: policy.Read, target: "job::/tutum/neo::web", want: true},
		"a scope admits no other action":                         {p: scoped("job.read"), action: policy.Start, target: "job::/tutum/neo::web"},
		"a scope admits no other type":                           {p: scoped("job.read", "jobs.*"), action: policy.Read, target: "package::/tutum/neo::web"},
		"a scope for a type admits every action":                 {p: scoped("user.*", "job.*"), action: policy.Start, target: "job::/tutum/neo::web", want: true},
		"a scope for a type is no prefix":                        {p: scoped("jo.*"), action: policy.Start, target: "job::/tutum/neo::web"},
		"the scope for all admits all":                           {p: scoped("*"), action: policy.Start, target: "job::/tutum/neo::web", want: true},
		"an empty list of scopes admits nothing":                 {p: change(admin, func(p *policy.Principal) { p.Scopes = []string{} }), action: policy.Read, target: "job::/"},
		"scopes hold for calls on runtimes":                      {p: scoped("job.*"), action: policy.Use, target: "runtime::/coral/neo::r", call: call("id-neo")},
		"a privileged caller has tenants":                        {p: local, action: policy.Delete, target: "tenant::/t/acme", want: true},
		"a privileged caller has accounts":                       {p: local, action: policy.Create, target: "user::/accounts", want: true},
		"a privileged caller does not read policy":               {p: local, action: policy.Read, target: "policy::/"},
		"a privileged caller does not read audit":                {p: local, action: policy.Read, target: "audit::/"},
		"a privileged caller does not read runtimes":             {p: local, action: policy.Read, target: "runtime::/coral/neo::r", call: call("id-neo")},
		"an external name is not the account of that name":       {p: external, action: policy.Read, target: "user::/accounts::neo"},
		"an external name has no runtimes of that account":       {p: external, action: policy.Create, target: "runtime::/coral/neo"},
		"somebody without a name does not reach an unnamed part": {p: &policy.Principal{Kind: policy.User}, action: policy.Read, target: "apikey::/accounts"},
	}
	auth := policy.NewNative(nil, nil)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := auth.Decide(tt.p, policy.Question{Action: tt.action, Target: policy.MustParseFQN(tt.target), Call: tt.call})
			if got.Allowed != tt.want {
				t.Errorf("%s may %s %s = %v, want %v", tt.p.Name, tt.action, tt.target, got.Allowed, tt.want)
			}
		})
	}
}

// refusing is rules that permit everything and refuse some expressly.
type refusing struct{ refused bool }

func (refusing) Decide(*policy.Principal, policy.Question) policy.Decision {
	return policy.Decision{Allowed: true}
}
func (r refusing) Denied(*policy.Principal, policy.Question) bool { return r.refused }

func TestRulesAndGrantsTogether(t *testing.T) {
	st, g := newGrants(t)
	add(t, st, g, "R", policy.GrantInput{UserID: "id-smith", Method: "GET", URI: "/api/runtimes/r", Allowed: false})
	q := policy.Question{Action: policy.Read, Target: policy.MustParseFQN("runtime::/coral/neo::r"), Call: &policy.RuntimeCall{Runtime: "R", Owner: "id-neo", Method: "GET"}}
	tests := map[string]struct {
		rules policy.Authorizer
		p     *policy.Principal
		want  bool
	}{
		"a rule permits what no grant speaks about":     {refusing{}, account("trinity"), true},
		"a denial beats the rule":                       {refusing{}, account("smith"), false},
		"a refusing rule beats ownership":               {refusing{refused: true}, account("neo"), false},
		"a refusing rule does not bind administrators":  {refusing{refused: true}, change(account("neo"), func(p *policy.Principal) { p.Admin = true }), true},
		"without a rule that permits, nobody else may":  {policy.Default{}, account("trinity"), false},
		"without a rule that refuses, the owner may":    {policy.Default{}, account("neo"), true},
		"nobody at all is refused, whatever rules say":  {refusing{}, nil, false},
		"a denial does not bind the others":             {refusing{}, account("neo"), true},
		"a tenant's caller is fenced before every rule": {refusing{}, &policy.Principal{Kind: policy.TenantKey, Tenant: "a"}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := policy.NewNative(g, tt.rules).Decide(tt.p, q).Allowed; got != tt.want {
				t.Errorf("allowed = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestGuard(t *testing.T) {
	g := policy.NewGuard(policy.NewNative(nil, nil))
	q := policy.Do(policy.Delete, policy.MustParseFQN("user::/accounts::smith"))
	if err := g.Check(context.Background(), q); err != nil {
		t.Errorf("the embedding program is refused: %v", err)
	}
	ctx := policy.WithPrincipal(context.Background(), account("neo"))
	err := g.Check(ctx, q)
	want := &atoll.Error{Kind: atoll.Denied, Op: "policy.Check", Msg: "neo may not delete user::/accounts::smith",
		Subject: atoll.Subject{Type: "user", ID: "user::/accounts::smith"},
		Details: map[string]any{"missing_claims": []string{"permit delete on user::/accounts::smith"}}}
	if diff := cmp.Diff(want, err); diff != "" {
		t.Errorf("refusal (-want +got):\n%s", diff)
	}
	if g.Allowed(ctx, q) || !g.Allowed(context.Background(), q) {
		t.Error("Allowed and Check disagree")
	}
}

func TestCheckScopes(t *testing.T) {
	tests := map[string]struct {
		scopes []string
		want   []string // paths of findings
	}{
		"no list is no restriction":   {nil, nil},
		"the three forms are taken":   {[]string{"job.read", "runtime.*", "*"}, nil},
		"an empty list is refused":    {[]string{}, []string{"scopes"}},
		"every bad scope is found":    {[]string{"job", "job.", ".read", "*.read", "Job.read", "job.read", "job.re*d", ""}, []string{"scopes/0", "scopes/1", "scopes/2", "scopes/3", "scopes/4", "scopes/6", "scopes/7"}},
		"a scope has two parts alone": {[]string{"job.read.all"}, []string{"scopes/0"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, f := range policy.CheckScopes("scopes", tt.scopes) {
				got = append(got, f.Path)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCredentialsNeverShow(t *testing.T) {
	c := policy.Credentials{Form: policy.Key, Name: "neo", Secret: "planted-secret", UserKey: "planted-key", Tenant: "acme", Peer: "::1"}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "c", c, "p", &c)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "c", c, "all", []any{c})
	js, err := json.Marshal(map[string]any{"c": c, "p": &c})
	if err != nil {
		t.Fatal(err)
	}
	shown := fmt.Sprintf("%v %+v %#v %s %q %x %d %v %+v", c, c, c, c, c, c, c, &c, []policy.Credentials{c}) + log.String() + string(js)
	if strings.Contains(shown, "planted") {
		t.Errorf("a secret shows: %s", shown)
	}
	if want := `key name="neo" tenant="acme" peer="::1"`; c.String() != want {
		t.Errorf("String is %s, want %s", c, want)
	}
}

// Whatever rules say, a principal of a tenant never reaches beyond it, and one
// with scopes never beyond these.
func TestFenceAndScopesHoldWhateverRulesSay(t *testing.T) {
	auth := policy.NewNative(nil, refusing{})
	token := rapid.SampledFrom([]string{"t", "acme", "acme2", "a", "accounts", "coral", "x"})
	rapid.Check(t, func(t *rapid.T) {
		tokens := rapid.SliceOfN(token, 0, 4).Draw(t, "namespace")
		f := policy.FQN{Type: rapid.SampledFrom([]string{"object", "job", "user", "runtime"}).Draw(t, "type"), Namespace: "/" + strings.Join(tokens, "/"),
			Local: rapid.SampledFrom([]string{"", "acme", "acme/x"}).Draw(t, "local")}
		p := &policy.Principal{Kind: policy.TenantKey, Name: "k", UserID: "u", Tenant: token.Draw(t, "tenant"), Admin: rapid.Bool().Draw(t, "admin")}
		q := policy.Do(rapid.SampledFrom([]policy.Action{policy.Read, policy.Use}).Draw(t, "action"), f)
		if f.Type == "runtime" {
			q.Call = &policy.RuntimeCall{Runtime: "r", Owner: "u", Method: "GET"}
		}
		within := len(tokens) >= 2 && tokens[0] == "t" && tokens[1] == p.Tenant
		if got := auth.Decide(p, q).Allowed; got != within {
			t.Fatalf("a principal of %s reaches %s: %v", p.Tenant, f, got)
		}
		p.Tenant = ""
		p.Scopes = []string{rapid.SampledFrom([]string{"object.read", "job.*", "*", "user.use"}).Draw(t, "scope")}
		typ, action, _ := strings.Cut(p.Scopes[0], ".")
		admitted := typ == "*" || typ == f.Type && (action == "*" || action == string(q.Action))
		if got := auth.Decide(p, q).Allowed; got != admitted {
			t.Fatalf("%v does %s on %s: %v", p.Scopes, q.Action, f, got)
		}
	})
}
