package tenancy

import (
	"context"
	"slices"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// unauthenticated is the one answer to all who are not known: it does not say
// which part was wrong.
func unauthenticated() error {
	return &atoll.Error{Kind: atoll.Unauthenticated, Op: "tenancy.Authenticate", Msg: "valid credentials are required"}
}

// Authenticator tells who presents credentials, in one mode. It is a
// policy.Authenticator: Authenticate goes by the form, where Basic is name and
// password, and ApiKey is name and key however they were sent. Which forms an
// API looks at is its own choice. Safe for concurrent use.
//
// In mode AcceptAll nobody is refused: who presents nothing, a password, or a
// key that is not known is the implicit administrator. In mode DenyAll
// everybody is refused.
type Authenticator struct {
	s    *Service
	mode Mode
}

// Authenticator returns the authenticator of the given mode; Service.Mode is the
// platform's.
func (s *Service) Authenticator(mode Mode) *Authenticator { return &Authenticator{s, mode} }

// Authenticate implements policy.Authenticator. Kinds: Unauthenticated, Denied
// (a key of another tenant than the one addressed, an unknown user key),
// Overloaded, Unavailable (no directory).
func (a *Authenticator) Authenticate(ctx context.Context, c policy.Credentials) (*policy.Principal, error) {
	switch c.Form {
	case policy.Basic:
		return a.Password(ctx, c.Name, c.Secret)
	case policy.ApiKey:
		return a.AccountKey(ctx, c.Name, c.Secret)
	case policy.Bearer:
		return a.Token(ctx, c)
	case policy.Key:
		return a.Key(ctx, c.Secret, c.UserKey, c.Tenant)
	}
	return a.Nobody(ctx)
}

// NamedKeys is a with Basic credentials read as name and key, for APIs that
// take them so.
func (a *Authenticator) NamedKeys() policy.Authenticator {
	return policy.AuthenticatorFunc(func(ctx context.Context, c policy.Credentials) (*policy.Principal, error) {
		if c.Form == policy.Basic {
			c.Form = policy.ApiKey
		}
		return a.Authenticate(ctx, c)
	})
}

// closed reports whether the mode lets nobody in.
func (a *Authenticator) closed() bool {
	return a.mode != AcceptAll && a.mode != Accounts && a.mode != WithDirectory
}

// Nobody is who presents no credentials.
func (a *Authenticator) Nobody(ctx context.Context) (*policy.Principal, error) {
	if a.mode != AcceptAll {
		return nil, unauthenticated()
	}
	commit := a.s.st.LastIndex()
	if known := a.s.implicit.Load(); known != nil && known.commit == commit {
		return known.p, nil
	}
	u, ok := users.Get(a.s.st.View(), ImplicitID)
	if !ok { // not started, or another state was restored
		if err := a.s.ensureImplicit(ctx); err != nil {
			return nil, err
		}
		if u, ok = users.Get(a.s.st.View(), ImplicitID); !ok {
			return nil, atoll.Errorf(atoll.Unavailable, "tenancy.Authenticate", "there is no implicit administrator")
		}
	}
	p := a.s.principal(a.s.st.View(), principalID{id: u.ID, via: viaImplicit}, builtPrincipal{user: u})
	a.s.implicit.Store(&implicitPrincipal{p, commit})
	return p, nil
}

// known turns a refusal into the implicit administrator where everybody is let in.
func (a *Authenticator) known(ctx context.Context, p *policy.Principal, err error) (*policy.Principal, error) {
	if a.mode == AcceptAll && atoll.KindOf(err) == atoll.Unauthenticated {
		return a.Nobody(ctx)
	}
	return p, err
}

// Password proves an account by its name, in any case, and password. In mode
// AcceptAll both are ignored, even wrong ones. Unauthenticated, Overloaded,
// Unavailable.
func (a *Authenticator) Password(ctx context.Context, name, password string) (*policy.Principal, error) {
	if a.mode == AcceptAll {
		return a.Nobody(ctx)
	}
	if a.closed() || name == "" || password == "" || len(password) > maxPasswordBytes {
		return nil, unauthenticated()
	}
	v := a.s.st.View()
	u, ok := UserByName(v, name)
	if ok && u.Source == ImplicitUser {
		u, ok = nil, false
	}
	return a.prove(ctx, v, u, ok, name, password)
}

// Email is Password by mail address, for accounts that have one. It knows no
// directory and, in mode AcceptAll, refuses what is wrong: a login answers with
// the account's own key.
func (a *Authenticator) Email(ctx context.Context, email, password string) (*policy.Principal, error) {
	if a.closed() || email == "" || password == "" || len(password) > maxPasswordBytes {
		return nil, unauthenticated()
	}
	v := a.s.st.View()
	u, _ := UserByEmail(v, email)
	return a.local(ctx, v, u, password)
}

// prove is Password for the account that has the name, if any.
func (a *Authenticator) prove(ctx context.Context, v *store.View, u *User, found bool, name, password string) (*policy.Principal, error) {
	if a.mode != WithDirectory {
		return a.local(ctx, v, u, password)
	}
	if found && u.Source != FromDirectory || reserved(name, a.s.domain) {
		return nil, unauthenticated()
	}
	s, now := a.s, a.s.now()
	if found && s.verified.knows(s.verified.mark("directory:"+u.ID, 0, "", password), now) {
		return a.admit(ctx, v, u, false)
	}
	u, err := s.bind(ctx, name, password)
	if err != nil {
		return nil, err
	}
	p, err := a.admit(ctx, nil, u, true)
	if err == nil {
		s.verified.learn(s.verified.mark("directory:"+u.ID, 0, "", password), now)
	}
	return p, err
}

// local verifies the password of u, which may be nil, by the credential in the
// same snapshot. It does the same work for everybody.
func (a *Authenticator) local(ctx context.Context, v *store.View, u *User, password string) (*policy.Principal, error) {
	s := a.s
	var cred *Credential
	if u != nil && u.Source == Local {
		cred, _ = credentials.Get(v, userSubject(u.ID))
	}
	if cred != nil {
		m := s.verified.mark(cred.ID, cred.Set, cred.Hash.Reveal(), password)
		if s.verified.knows(m, s.now()) {
			return a.admit(ctx, v, u, false)
		}
		ok, err := s.hash.verify(ctx, cred, password)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, unauthenticated()
		}
		s.verified.learn(m, s.now())
		return a.admit(ctx, nil, u, true)
	}
	if _, err := s.hash.verify(ctx, nil, password); err != nil {
		return nil, err
	}
	return nil, unauthenticated()
}

// admit returns the principal of an account whose password was right, unless
// it is disabled. After a full verification, which takes a while, the account
// is read again: v is nil then.
func (a *Authenticator) admit(ctx context.Context, v *store.View, u *User, verified bool) (*policy.Principal, error) {
	s := a.s
	if v == nil {
		v = s.st.View()
		now, ok := users.Get(v, u.ID)
		if !ok || now.Access != u.Access {
			return nil, unauthenticated() // it changed meanwhile: the next try sees how
		}
		u = now
	}
	if u.Disabled {
		return nil, unauthenticated()
	}
	if verified {
		s.loggedIn(ctx, u.ID)
	}
	return s.principal(v, principalID{id: u.ID, via: viaPassword}, builtPrincipal{user: u}), nil
}

// loginStep is how often the last login of an account is written down at most.
const loginStep = time.Minute

// loggedIn writes down that an account has logged in. A failure is logged: it
// does not undo the login.
func (s *Service) loggedIn(ctx context.Context, id string) {
	now := whole(s.now())
	if was, ok := activity.Get(s.st.View(), id); ok && now.Sub(was.LastLogin) < loginStep && !now.Before(was.LastLogin) {
		return
	}
	_, err := s.st.Update(ctx, func(tx *store.Tx) error {
		if _, ok := users.Get(tx, id); !ok {
			return nil
		}
		return activity.Put(tx, &Activity{UserID: id, LastLogin: now})
	})
	if err != nil {
		s.log.WarnContext(ctx, "last login not written", "user", id, "error", err)
	}
}

// AccountKey proves an account or a workload of it by the account's name, in
// any case, and a key that belongs to it. Unauthenticated.
func (a *Authenticator) AccountKey(ctx context.Context, name, key string) (*policy.Principal, error) {
	if a.closed() {
		return nil, unauthenticated()
	}
	v := a.s.st.View()
	k, ok := a.s.keyOf(v, key)
	if !ok || k.Kind != AccountKey && k.Kind != WorkloadKey {
		return a.known(ctx, nil, unauthenticated())
	}
	u, ok := users.Get(v, k.UserID)
	if !ok || fold(u.Name) != fold(name) {
		return a.known(ctx, nil, unauthenticated())
	}
	p, err := a.s.byKey(v, k)
	return a.known(ctx, p, err)
}

// Token proves whoever has a bearer token: an account, a session or a workload
// by a key of ours, anybody else by the embedder's authenticator. Kinds:
// Unauthenticated, and what the embedder's authenticator returns.
func (a *Authenticator) Token(ctx context.Context, c policy.Credentials) (*policy.Principal, error) {
	if a.closed() || c.Secret == "" {
		return a.known(ctx, nil, unauthenticated())
	}
	if IsKeyText(c.Secret) {
		v := a.s.st.View()
		k, ok := a.s.keyOf(v, c.Secret)
		if !ok || k.Kind != AccountKey && k.Kind != SessionKey && k.Kind != WorkloadKey {
			return a.known(ctx, nil, unauthenticated())
		}
		p, err := a.s.byKey(v, k)
		return a.known(ctx, p, err)
	}
	p, err := a.s.outside(ctx, c)
	return a.known(ctx, p, err)
}

// Key proves an account by its key or a tenant by one of its own, perhaps with
// one of its end users. tenant is the one that the request addresses, "" if
// none. Unauthenticated; Denied: the key is another tenant's, whether or not
// the one addressed exists, or the user key is not known.
func (a *Authenticator) Key(ctx context.Context, key, userKey, tenant string) (*policy.Principal, error) {
	if a.closed() {
		return nil, unauthenticated()
	}
	v := a.s.st.View()
	k, ok := a.s.keyOf(v, key)
	switch {
	case ok && k.Kind == AccountKey:
		p, err := a.s.byKey(v, k)
		return a.known(ctx, p, err)
	case ok && k.Kind == TenantKey:
		p, err := a.s.byTenantKey(v, k, userKey, tenant)
		return a.known(ctx, p, err)
	}
	return a.known(ctx, nil, unauthenticated())
}

// keyOf returns the key with this text if it is still good.
func (s *Service) keyOf(r store.Reader, text string) (*APIKey, bool) {
	if !IsKeyText(text) {
		return nil, false
	}
	k, ok := keyByHash.Get(r, store.KeyOf(string(keyHash(text))))
	if !ok || k.expired(s.now()) {
		return nil, false
	}
	return k, true
}

// byKey returns the principal of a key that is not a tenant's.
func (s *Service) byKey(r store.Reader, k *APIKey) (*policy.Principal, error) {
	b := builtPrincipal{key: k}
	if k.UserID != "" {
		u, ok := users.Get(r, k.UserID)
		if !ok || u.Disabled {
			return nil, unauthenticated()
		}
		b.user = u
	} else if k.Kind != SessionKey {
		return nil, unauthenticated()
	}
	return s.principal(r, principalID{id: k.ID, via: viaKey}, b), nil
}

func (s *Service) byTenantKey(r store.Reader, k *APIKey, userKey, tenant string) (*policy.Principal, error) {
	t, ok := tenants.Get(r, k.TenantID)
	if !ok || t.Disabled {
		return nil, unauthenticated()
	}
	if tenant != "" && fold(tenant) != fold(t.Name) {
		return nil, atoll.Errorf(atoll.Denied, "tenancy.Authenticate", "the key is not one of this tenant")
	}
	b := builtPrincipal{key: k, tenant: t}
	id := principalID{id: k.ID, via: viaKey}
	if userKey != "" {
		ek, ok := s.keyOf(r, userKey)
		if ok && (ek.Kind != EndUserKey || ek.TenantID != t.ID) {
			ok = false
		}
		var eu *EndUser
		if ok {
			eu, ok = endusers.Get(r, ek.EndUserID)
		}
		if !ok {
			return nil, atoll.Errorf(atoll.Denied, "tenancy.Authenticate", "the user key is not known")
		}
		b.endKey, b.endUser, id.end = ek, eu, eu.ID
	}
	return s.principal(r, id, b), nil
}

// outside asks the embedder's authenticator and makes an external principal of
// its answer. A claim of a reserved issuer is an error of the embedder's.
func (s *Service) outside(ctx context.Context, c policy.Credentials) (*policy.Principal, error) {
	const op = "tenancy.Authenticate"
	if s.external == nil {
		return nil, unauthenticated()
	}
	got, err := s.askExternal(ctx, c)
	if err != nil {
		return nil, err
	}
	if got == nil || got.Name == "" {
		return nil, unauthenticated()
	}
	if fs := checkClaims("claims", got.Claims); len(fs) > 0 {
		return nil, &atoll.Error{Kind: atoll.Internal, Op: op, Msg: "the embedder's authenticator returned claims that are not its own", Findings: fs}
	}
	p := *got
	p.Kind, p.UserID, p.KeyID, p.Stamp = policy.External, "", "", nil
	name := policy.Claim{Issuer: policy.AuthServerIssuer, Type: "name", Value: p.Name}
	p.Claims = slices.DeleteFunc(slices.Clone(p.Claims), func(c policy.Claim) bool {
		return c.Issuer == name.Issuer && c.Type == name.Type
	})
	p.Claims = append(p.Claims, name)
	slices.SortFunc(p.Claims, compareClaims)
	p.Claims = slices.Compact(p.Claims)
	if p.Scopes != nil {
		p.Scopes = slices.Clone(p.Scopes)
	}
	return &p, nil
}

func (s *Service) askExternal(ctx context.Context, c policy.Credentials) (p *policy.Principal, err error) {
	defer func() { // it is somebody else's code
		if r := recover(); r != nil {
			s.log.ErrorContext(ctx, "authenticator of the embedder panicked", "panic", r)
			p, err = nil, atoll.Errorf(atoll.Unavailable, "tenancy.Authenticate", "the authenticator cannot be asked")
		}
	}()
	p, err = s.external.Authenticate(ctx, c)
	return p, atoll.Wrap("tenancy.Authenticate", err)
}
