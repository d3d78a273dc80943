package tenancy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

func claim(issuer, typ, value string) policy.Claim {
	return policy.Claim{Issuer: issuer, Type: typ, Value: value}
}

// userClaims are the claims of an account, sorted.
func userClaims(u *User, how string, more ...policy.Claim) []policy.Claim {
	cs := []policy.Claim{
		claim("account", "home", u.Home), claim("account", "id", u.ID), claim("account", "kind", "user"),
		claim("account", "name", u.Name), claim("account", "seq", fmt.Sprint(u.Seq)), claim("account", "via", how),
		claim("auth_server@apcera.me", "name", u.Name), claim("coral", "user", u.ID),
	}
	return append(cs, more...)
}

const strange = "00000000000000000000000000000000000000ff"

func TestAuthenticateByModeAndForm(t *testing.T) {
	b := newBench(t, WithMode(AcceptAll), WithExternal(policy.AuthenticatorFunc(func(_ context.Context, c policy.Credentials) (*policy.Principal, error) {
		if c.Secret != "jwt" {
			return nil, atoll.Errorf(atoll.Unauthenticated, "", "no")
		}
		return &policy.Principal{Name: "ext"}, nil
	})))
	b.must(b.EnsureImplicit(b.ctx()))
	neo := b.user("Neo")
	off := b.user("off", func(n *NewUser) { n.Disabled = true })
	key := func(u *User, n NewKey) string {
		_, text, err := b.Keys().Create(b.ctx(), u.ID, n)
		b.must(err)
		return text.Reveal()
	}
	good, dead := key(neo, NewKey{}), key(off, NewKey{})
	old := key(neo, NewKey{ExpiresAt: b.clock().Add(time.Second)})
	_, session, err := b.Keys().IssueSession(b.ctx(), Session{UserID: neo.ID, Lifetime: time.Hour})
	b.must(err)
	var workload KeyText
	_, err = b.st.Update(b.ctx(), func(tx *store.Tx) (err error) {
		workload, err = b.Keys().IssueWorkload(tx, neo.ID, "job::/tutum/Neo::web")
		return err
	})
	b.must(err)
	put(b, tenants, &Tenant{Meta: meta("t"), Seq: 1, Name: "Acme"}, &Tenant{Meta: meta("t2"), Seq: 2, Name: "gone", Disabled: true})
	put(b, endusers, &EndUser{Meta: meta("e"), TenantID: "t", Seq: 5, Username: "ann"})
	tkey, ukey, gone := strings.Repeat("1", 40), strings.Repeat("2", 40), strings.Repeat("3", 40)
	put(b, apikeys,
		&APIKey{Meta: meta("tk"), Kind: TenantKey, TenantID: "t", Seq: 1, Hash: keyHash(tkey), Flags: IgnoreACL},
		&APIKey{Meta: meta("uk"), Kind: EndUserKey, TenantID: "t", EndUserID: "e", Hash: keyHash(ukey)},
		&APIKey{Meta: meta("gk"), Kind: TenantKey, TenantID: "t2", Seq: 1, Hash: keyHash(gone)})
	b.pass(2 * time.Second)

	form := func(f policy.Form, name, secret string) policy.Credentials {
		return policy.Credentials{Form: f, Name: name, Secret: secret}
	}
	// What each mode makes of the credentials: the kind and name of the
	// principal, or the kind of error.
	const no = "unauthenticated"
	tests := map[string]struct {
		c                policy.Credentials
		accounts, accept string
	}{
		"nothing":                              {policy.Credentials{}, no, "implicit coral"},
		"name and password":                    {form(policy.Basic, "Neo", "secret-Neo"), "user Neo", "implicit coral"},
		"a name in another case":               {form(policy.Basic, "nEO", "secret-Neo"), "user Neo", "implicit coral"},
		"a wrong password":                     {form(policy.Basic, "Neo", "secret-neo"), no, "implicit coral"},
		"an empty password":                    {form(policy.Basic, "Neo", ""), no, "implicit coral"},
		"an empty name":                        {form(policy.Basic, "", "secret-Neo"), no, "implicit coral"},
		"an endless password":                  {form(policy.Basic, "Neo", strings.Repeat("x", 1<<20)), no, "implicit coral"},
		"an unknown name":                      {form(policy.Basic, "nobody", "secret-Neo"), no, "implicit coral"},
		"the password of a disabled account":   {form(policy.Basic, "off", "secret-off"), no, "implicit coral"},
		"the implicit account by a password":   {form(policy.Basic, "coral", "x"), no, "implicit coral"},
		"a key as a password":                  {form(policy.Basic, "Neo", good), no, "implicit coral"},
		"name and key":                         {form(policy.ApiKey, "neo", good), "user Neo", "user Neo"},
		"name and key in upper case":           {form(policy.ApiKey, "neo", strings.ToUpper(good)), "user Neo", "user Neo"},
		"another's name and key":               {form(policy.ApiKey, "off", good), no, "implicit coral"},
		"name and unknown key":                 {form(policy.ApiKey, "neo", strange), no, "implicit coral"},
		"name and password as a key":           {form(policy.ApiKey, "neo", "secret-Neo"), no, "implicit coral"},
		"name and key of a workload":           {form(policy.ApiKey, "neo", workload.Reveal()), "workload job::/tutum/Neo::web", "workload job::/tutum/Neo::web"},
		"name and key of a session":            {form(policy.ApiKey, "neo", session.Reveal()), no, "implicit coral"},
		"name and key of a tenant":             {form(policy.ApiKey, "neo", tkey), no, "implicit coral"},
		"an expired key":                       {form(policy.ApiKey, "neo", old), no, "implicit coral"},
		"the key of a disabled account":        {form(policy.ApiKey, "off", dead), no, "implicit coral"},
		"a key as bearer":                      {form(policy.Bearer, "", good), "user Neo", "user Neo"},
		"a session as bearer":                  {form(policy.Bearer, "", session.Reveal()), "user Neo", "user Neo"},
		"a workload as bearer":                 {form(policy.Bearer, "", workload.Reveal()), "workload job::/tutum/Neo::web", "workload job::/tutum/Neo::web"},
		"a tenant's key as bearer":             {form(policy.Bearer, "", tkey), no, "implicit coral"},
		"an unknown key as bearer":             {form(policy.Bearer, "", strange), no, "implicit coral"},
		"a token of the embedder's":            {form(policy.Bearer, "", "jwt"), "external ext", "external ext"},
		"an unknown token":                     {form(policy.Bearer, "", "other"), no, "implicit coral"},
		"an empty token":                       {form(policy.Bearer, "", ""), no, "implicit coral"},
		"an account's key alone":               {form(policy.Key, "", good), "user Neo", "user Neo"},
		"a user key beside an account's key":   {policy.Credentials{Form: policy.Key, Secret: good, UserKey: strange}, "user Neo", "user Neo"},
		"a session's key alone":                {form(policy.Key, "", session.Reveal()), no, "implicit coral"},
		"an unknown key alone":                 {form(policy.Key, "", strange), no, "implicit coral"},
		"a user key alone":                     {form(policy.Key, "", ukey), no, "implicit coral"},
		"a tenant's key":                       {form(policy.Key, "", tkey), "tenant key apikey::/t/Acme::1", "tenant key apikey::/t/Acme::1"},
		"a tenant's key on its tenant":         {policy.Credentials{Form: policy.Key, Secret: tkey, Tenant: "aCME"}, "tenant key apikey::/t/Acme::1", "tenant key apikey::/t/Acme::1"},
		"a tenant's key on another tenant":     {policy.Credentials{Form: policy.Key, Secret: tkey, Tenant: "gone"}, "denied", "denied"},
		"a tenant's key on no tenant there is": {policy.Credentials{Form: policy.Key, Secret: tkey, Tenant: "nowhere"}, "denied", "denied"},
		"a tenant's key with a user key":       {policy.Credentials{Form: policy.Key, Secret: tkey, UserKey: ukey}, "tenant key user::/t/Acme::5", "tenant key user::/t/Acme::5"},
		"a tenant's key with an unknown one":   {policy.Credentials{Form: policy.Key, Secret: tkey, UserKey: strange}, "denied", "denied"},
		"a tenant's key with an account's key": {policy.Credentials{Form: policy.Key, Secret: tkey, UserKey: good}, "denied", "denied"},
		"the key of a disabled tenant":         {form(policy.Key, "", gone), no, "implicit coral"},
		"a form that nobody knows":             {form(policy.Form(99), "Neo", "secret-Neo"), no, "implicit coral"},
	}
	answer := func(p *policy.Principal, err error) string {
		if err != nil {
			if p != nil {
				return "a principal and an error"
			}
			return atoll.KindOf(err).String()
		}
		return p.Kind.String() + " " + p.Name
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for mode, want := range map[Mode]string{Accounts: tt.accounts, AcceptAll: tt.accept, DenyAll: no, 0: no, 9: no} {
				for range 2 { // and as remembered
					if got := answer(b.Authenticator(mode).Authenticate(b.ctx(), tt.c)); got != want {
						t.Errorf("%s: %s, want %s", mode, got, want)
					}
				}
			}
		})
	}
	t.Run("Basic may carry name and key where an API says so", func(t *testing.T) {
		if got := answer(b.Authenticator(Accounts).NamedKeys().Authenticate(b.ctx(), form(policy.Basic, "neo", good))); got != "user Neo" {
			t.Error(got)
		}
	})
	t.Run("all refusals read alike", func(t *testing.T) {
		texts := map[string]bool{}
		for _, tt := range tests {
			if _, err := b.Authenticator(Accounts).Authenticate(b.ctx(), tt.c); atoll.KindOf(err) == atoll.Unauthenticated {
				var e *atoll.Error
				errors.As(err, &e)
				texts[e.Msg] = true
			}
		}
		delete(texts, "no") // the embedder's own
		if len(texts) != 1 {
			t.Errorf("refusals say %v", texts)
		}
	})
}

func TestPrincipals(t *testing.T) {
	b := newBench(t, WithMode(AcceptAll))
	b.must(b.EnsureImplicit(b.ctx()))
	neo := b.user("Neo@zion", admin)
	put(b, tenants, &Tenant{Meta: meta("t"), Seq: 1, Name: "Acme"}, &Tenant{Meta: meta("t2"), Seq: 2, Name: "zoo"})
	put(b, memberships, &Membership{Meta: meta("m"), TenantID: "t", UserID: neo.ID, Role: OwnerRole, Seq: 1},
		&Membership{Meta: meta("m2"), TenantID: "t2", UserID: neo.ID, Role: ReadRole, Seq: 2})
	put(b, endusers, &EndUser{Meta: meta("e"), TenantID: "t", Seq: 5, Username: "ann", Access: 77})
	put(b, groups, &Group{Meta: meta("g"), TenantID: "t", Seq: 3}, &Group{Meta: meta("g2"), TenantID: "t", Seq: 4})
	put(b, groupmembers, &GroupMember{Meta: meta("gm"), TenantID: "t", GroupID: "g2", EndUserID: "e"}, &GroupMember{Meta: meta("gm2"), TenantID: "t", GroupID: "g", EndUserID: "e"})
	tkey, ukey := strings.Repeat("1", 40), strings.Repeat("2", 40)
	put(b, apikeys,
		&APIKey{Meta: meta("tk"), Kind: TenantKey, TenantID: "t", Seq: 9, Hash: keyHash(tkey), Flags: AnonymousRead | UserCreate, Scopes: []string{"job.read"}},
		&APIKey{Meta: meta("uk"), Kind: EndUserKey, TenantID: "t", EndUserID: "e", Hash: keyHash(ukey)})
	_, session, err := b.Keys().IssueSession(b.ctx(), Session{Subject: "ann@corp", Claims: []policy.Claim{claim("Google", "email", "ann@corp")}, Lifetime: time.Hour})
	b.must(err)
	narrow, text, err := b.Keys().Create(b.ctx(), neo.ID, NewKey{Scopes: []string{"job.*"}, ExpiresAt: b.clock().Add(time.Hour)})
	b.must(err)
	wl := must(b.workload(neo, "application/1"))(t)

	a := b.Authenticator(Accounts)
	members := []policy.Claim{claim("membership", "owner", "Acme"), claim("membership", "read", "zoo")}
	stamp := func(table, id string, m uint64) policy.StampEntry {
		return policy.StampEntry{Table: table, ID: id, Mark: m}
	}
	self := stamp("users", neo.ID, neo.Access)
	tenant := func(more ...policy.Claim) []policy.Claim {
		return append([]policy.Claim{claim("apikey", "flag", "anonymous_read"), claim("apikey", "flag", "user_create")}, more...)
	}
	tests := map[string]struct {
		got  func() (*policy.Principal, error)
		want *policy.Principal
	}{
		"an account by its password": {func() (*policy.Principal, error) { return a.Password(b.ctx(), "neo@zion", "secret-Neo@zion") },
			&policy.Principal{Kind: policy.User, Name: "Neo@zion", UserID: neo.ID, Admin: true, Claims: userClaims(neo, "password", members...), Stamp: policy.Stamp{self}}},
		"an account by a narrow key": {func() (*policy.Principal, error) { return a.Key(b.ctx(), text.Reveal(), "", "") },
			&policy.Principal{Kind: policy.User, Name: "Neo@zion", UserID: neo.ID, KeyID: narrow.ID, Admin: true, Claims: userClaims(neo, "key", members...),
				Scopes: []string{"job.*"}, Expires: b.clock().Add(time.Hour), Stamp: policy.Stamp{self, stamp("apikeys", narrow.ID, 1)}}},
		"the implicit administrator": {func() (*policy.Principal, error) { return b.Authenticator(AcceptAll).Nobody(b.ctx()) },
			&policy.Principal{Kind: policy.Implicit, Name: "coral", UserID: ImplicitID, Admin: true,
				Claims: userClaims(&User{Meta: meta(ImplicitID), Name: "coral", Home: "coral"}, "implicit"), Stamp: policy.Stamp{stamp("users", ImplicitID, 1)}}},
		"a workload, which is not its owner": {func() (*policy.Principal, error) { return a.AccountKey(b.ctx(), "neo@zion", wl.text) },
			&policy.Principal{Kind: policy.Workload, Name: "application/1", UserID: neo.ID, KeyID: wl.id,
				Claims: []policy.Claim{claim("account", "kind", "workload"), claim("account", "owner", "Neo@zion"), claim("auth_server@apcera.me", "name", "application/1")},
				Stamp:  policy.Stamp{self, stamp("apikeys", wl.id, 1)}}},
		"an external principal by its session": {func() (*policy.Principal, error) {
			return a.Authenticate(b.ctx(), policy.Credentials{Form: policy.Bearer, Secret: session.Reveal()})
		},
			&policy.Principal{Kind: policy.External, Name: "ann@corp", KeyID: sessionID(b, "ann@corp"), Expires: b.clock().Add(time.Hour),
				Claims: []policy.Claim{claim("Google", "email", "ann@corp"), claim("auth_server@apcera.me", "name", "ann@corp")},
				Stamp:  policy.Stamp{stamp("apikeys", sessionID(b, "ann@corp"), 1)}}},
		"a tenant's key, whose scopes are claims": {func() (*policy.Principal, error) { return a.Key(b.ctx(), tkey, "", "acme") },
			&policy.Principal{Kind: policy.TenantKey, Name: "apikey::/t/Acme::9", Tenant: "Acme", KeyID: "tk",
				Claims: tenant(claim("apikey", "id", "9"), claim("apikey", "scope", "job.read"), claim("apikey", "tenant", "Acme")),
				Stamp:  policy.Stamp{stamp("tenants", "t", 1), stamp("apikeys", "tk", 1)}}},
		"a tenant's key with an end user": {func() (*policy.Principal, error) { return a.Key(b.ctx(), tkey, ukey, "") },
			&policy.Principal{Kind: policy.TenantKey, Name: "user::/t/Acme::5", Tenant: "Acme", KeyID: "tk",
				Claims: []policy.Claim{claim("apikey", "flag", "anonymous_read"), claim("apikey", "flag", "user_create"), claim("apikey", "flag", "user_key"),
					claim("apikey", "id", "9"), claim("apikey", "scope", "job.read"), claim("apikey", "tenant", "Acme"),
					claim("userkey", "group", "3"), claim("userkey", "group", "4"), claim("userkey", "id", "5")},
				Stamp: policy.Stamp{stamp("tenants", "t", 1), stamp("endusers", "e", 77), stamp("apikeys", "uk", 1), stamp("apikeys", "tk", 1)}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := must(tt.got())(t)
			diff(t, "principal", tt.want, got)
			if again := must(tt.got())(t); again != got {
				t.Error("it was built twice")
			}
			if !b.Holds(got) {
				t.Error("it does not hold")
			}
		})
	}
}

type issued struct{ id, text string }

func (b *bench) workload(owner *User, subject string) (issued, error) {
	var text KeyText
	_, err := b.st.Update(b.ctx(), func(tx *store.Tx) (err error) {
		text, err = b.Keys().IssueWorkload(tx, owner.ID, subject)
		return err
	})
	return issued{sessionID(b, subject), text.Reveal()}, err
}

func sessionID(b *bench, subject string) string {
	for k := range keysBySubject.All(b.st.View(), store.KeyOf(subject)) {
		return k.ID
	}
	return ""
}

func TestPrincipalsOfTheEmbedder(t *testing.T) {
	tests := map[string]struct {
		gives *policy.Principal
		err   error
		want  *policy.Principal
		kind  atoll.Kind
	}{
		"it is external whatever it says": {
			gives: &policy.Principal{Kind: policy.User, Name: "ann", UserID: "x", KeyID: "y", Tenant: "acme", Scopes: []string{"job.read"}, Claims: []policy.Claim{claim("LDAP", "group", "b"), claim("LDAP", "group", "a")}},
			want: &policy.Principal{Kind: policy.External, Name: "ann", Tenant: "acme", Scopes: []string{"job.read"},
				Claims: []policy.Claim{claim("LDAP", "group", "a"), claim("LDAP", "group", "b"), claim("auth_server@apcera.me", "name", "ann")}}},
		"it has one name": {gives: &policy.Principal{Name: "ann", Claims: []policy.Claim{claim("auth_server@apcera.me", "name", "root")}},
			want: &policy.Principal{Kind: policy.External, Name: "ann", Claims: []policy.Claim{claim("auth_server@apcera.me", "name", "ann")}}},
		"a claim of accounts is an error":       {gives: &policy.Principal{Name: "ann", Claims: []policy.Claim{claim("account", "name", "root")}}, kind: atoll.Internal},
		"a claim of memberships is an error":    {gives: &policy.Principal{Name: "ann", Claims: []policy.Claim{claim("membership", "owner", "t")}}, kind: atoll.Internal},
		"a claim of Coral is an error":          {gives: &policy.Principal{Name: "ann", Claims: []policy.Claim{claim("coral", "user", "t")}}, kind: atoll.Internal},
		"a claim of keys is an error":           {gives: &policy.Principal{Name: "ann", Claims: []policy.Claim{claim("apikey", "tenant", "t")}}, kind: atoll.Internal},
		"a claim of user keys is an error":      {gives: &policy.Principal{Name: "ann", Claims: []policy.Claim{claim("userkey", "id", "1")}}, kind: atoll.Internal},
		"a claim about the thing is an error":   {gives: &policy.Principal{Name: "ann", Claims: []policy.Claim{claim("res", "owner", "1")}}, kind: atoll.Internal},
		"a claim about the query is an error":   {gives: &policy.Principal{Name: "ann", Claims: []policy.Claim{claim("query", "target", "1")}}, kind: atoll.Internal},
		"a claim of variables is an error":      {gives: &policy.Principal{Name: "ann", Claims: []policy.Claim{claim("PV", "t.c", "1")}}, kind: atoll.Internal},
		"a claim without an issuer is an error": {gives: &policy.Principal{Name: "ann", Claims: []policy.Claim{claim("", "role", "admin")}}, kind: atoll.Internal},
		"nobody is nobody":                      {kind: atoll.Unauthenticated},
		"somebody without a name is nobody":     {gives: &policy.Principal{}, kind: atoll.Unauthenticated},
		"a refusal is a refusal":                {err: atoll.Errorf(atoll.Unauthenticated, "", "expired"), kind: atoll.Unauthenticated},
		"an overload is an overload":            {err: atoll.Errorf(atoll.Overloaded, "", "busy"), kind: atoll.Overloaded},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, WithExternal(policy.AuthenticatorFunc(func(context.Context, policy.Credentials) (*policy.Principal, error) { return tt.gives, tt.err })))
			got, err := b.Authenticator(Accounts).Authenticate(b.ctx(), policy.Credentials{Form: policy.Bearer, Secret: "jwt"})
			wantKind(t, err, tt.kind, "")
			diff(t, "principal", tt.want, got)
		})
	}
	t.Run("a panic of it is the platform's no more than once", func(t *testing.T) {
		b := newBench(t, WithExternal(policy.AuthenticatorFunc(func(context.Context, policy.Credentials) (*policy.Principal, error) { panic("boom") })))
		_, err := b.Authenticator(Accounts).Authenticate(b.ctx(), policy.Credentials{Form: policy.Bearer, Secret: "jwt"})
		wantKind(t, err, atoll.Unavailable, "")
	})
}

// Whatever changes, the very next request obeys, though passwords, keys and
// principals are remembered.
func TestTheNextRequestObeys(t *testing.T) {
	type world struct {
		*bench
		neo  *User
		key  *APIKey
		text string
	}
	by := map[string]func(w *world) (*policy.Principal, error){
		"password": func(w *world) (*policy.Principal, error) {
			return w.Authenticator(Accounts).Password(w.ctx(), "neo", "secret-neo")
		},
		"key": func(w *world) (*policy.Principal, error) {
			return w.Authenticator(Accounts).Key(w.ctx(), w.text, "", "")
		},
	}
	update := func(n UserUpdate) func(*world) error {
		return func(w *world) error { _, err := w.Users().Update(w.ctx(), w.neo.ID, n); return err }
	}
	has := func(c policy.Claim) func(*policy.Principal) bool {
		return func(p *policy.Principal) bool { return p.HasClaim(c) }
	}
	gone := func(p *policy.Principal) bool { return p == nil }
	tests := map[string]struct {
		change        func(*world) error
		password, key func(*policy.Principal) bool
	}{
		"disabled":         {update(UserUpdate{Disabled: To(true)}), gone, gone},
		"deleted":          {func(w *world) error { _, err := w.Users().Delete(w.ctx(), "neo", false); return err }, gone, gone},
		"renamed":          {update(UserUpdate{Name: To("other")}), gone, has(claim("account", "name", "other"))},
		"administrator":    {update(UserUpdate{Admin: To(true)}), func(p *policy.Principal) bool { return p.Admin }, func(p *policy.Principal) bool { return p.Admin }},
		"another password": {update(UserUpdate{Password: To("brand new")}), gone, has(claim("account", "via", "key"))},
		"a key reset":      {func(w *world) error { _, _, err := w.Keys().Reset(w.ctx(), "neo", w.key.ID); return err }, has(claim("account", "via", "password")), gone},
		"a key deleted":    {func(w *world) error { return w.Keys().Delete(w.ctx(), "neo", "1") }, has(claim("account", "via", "password")), gone},
		"made a member": {func(w *world) error {
			_, err := w.st.Update(w.ctx(), func(tx *store.Tx) error {
				u, _ := users.Get(tx, w.neo.ID)
				c := u.clone()
				c.Access = tx.Index()
				if err := users.Put(tx, c); err != nil {
					return err
				}
				if err := tenants.Insert(tx, &Tenant{Meta: meta("t"), Name: "acme"}); err != nil {
					return err
				}
				return memberships.Insert(tx, &Membership{Meta: meta("m"), TenantID: "t", UserID: w.neo.ID, Role: FullRole})
			})
			return err
		}, has(claim("membership", "full", "acme")), has(claim("membership", "full", "acme"))},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := &world{bench: newBench(t)}
			w.user("root", admin)
			w.neo = w.user("neo")
			key, text, err := w.Keys().Create(w.ctx(), "neo", NewKey{})
			w.must(err)
			w.key, w.text = key, text.Reveal()
			before := map[string]*policy.Principal{}
			for form, ask := range by {
				for range 2 {
					before[form] = must(ask(w))(t)
				}
			}
			// Others keep asking meanwhile, so that stale answers find their way
			// into every cache there is.
			stop := make(chan struct{})
			var wg sync.WaitGroup
			for _, ask := range by {
				wg.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
							_, _ = ask(w)
						}
					}
				})
			}
			w.must(tt.change(w))
			for form, right := range map[string]func(*policy.Principal) bool{"password": tt.password, "key": tt.key} {
				p, err := by[form](w)
				if p == nil && atoll.KindOf(err) != atoll.Unauthenticated {
					t.Errorf("by %s: %v", form, err)
				}
				if !right(p) {
					t.Errorf("by %s the next request sees %+v", form, p)
				}
				if p != before[form] && w.Holds(before[form]) {
					t.Errorf("by %s the principal of before still holds", form)
				}
			}
			close(stop)
			wg.Wait()
		})
	}
}

func TestLastLogin(t *testing.T) {
	b := newBench(t)
	neo := b.user("neo")
	login := func() {
		t.Helper()
		must(b.Authenticator(Accounts).Password(b.ctx(), "neo", "secret-neo"))(t)
	}
	last := func() any {
		if at, ok := b.Users().LastLogin(neo)[neo.ID]; ok {
			return at
		}
		return "never"
	}
	start := b.clock()
	diff(t, "before the first login", any("never"), last())
	login()
	diff(t, "after it", any(start), last())
	version := must(b.Users().Get(b.ctx(), "neo"))(t).Version
	b.pass(4 * time.Minute)
	login()
	diff(t, "a remembered password is no login", any(start), last())
	b.pass(2 * time.Minute)
	login()
	diff(t, "after five minutes it is proved again", any(b.clock()), last())
	at := b.st.View().Index()
	b.pass(30 * time.Second)
	b.verified = newVerified()
	login()
	if b.st.View().Index() != at {
		t.Error("it is written more than once a minute")
	}
	if now := must(b.Users().Get(b.ctx(), "neo"))(t).Version; now != version {
		t.Error("a login changes the account")
	}
	_, err := b.Authenticator(Accounts).Password(b.ctx(), "neo", "wrong")
	wantKind(t, err, atoll.Unauthenticated, "")
}

func TestLoginByMail(t *testing.T) {
	b := newBench(t)
	b.user("neo", func(n *NewUser) { n.Email = "neo@x.org" })
	a := b.Authenticator(Accounts)
	if p := must(a.Email(b.ctx(), "NEO@x.org", "secret-neo"))(t); p.Name != "neo" {
		t.Errorf("it is %s", p.Name)
	}
	for _, c := range [][2]string{{"neo@x.org", "wrong"}, {"other@x.org", "secret-neo"}, {"", "secret-neo"}, {"neo", "secret-neo"}, {"neo@x.org", ""}} {
		_, err := a.Email(b.ctx(), c[0], c[1])
		wantKind(t, err, atoll.Unauthenticated, "")
	}
}

// Unknown names wait for the same turns and do the same work as known ones.
func TestUnknownUsersTakeTheSamePath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.user("neo")
		for range cap(b.hash.turns) {
			must(b.hash.turn(t.Context()))(t)
		}
		for _, name := range []string{"neo", "nobody"} {
			_, err := b.Authenticator(Accounts).Password(t.Context(), name, "guess")
			wantKind(t, err, atoll.Overloaded, "")
		}
	})
}

func TestAcceptAllWithoutAStart(t *testing.T) {
	b := newBench(t, WithMode(AcceptAll))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if p, err := b.Authenticator(AcceptAll).Authenticate(b.ctx(), policy.Credentials{}); err != nil || p.UserID != ImplicitID {
				t.Errorf("%+v, %v", p, err)
			}
		})
	}
	wg.Wait()
}
