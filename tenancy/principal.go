package tenancy

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// principalLimit bounds how many principals are remembered.
const principalLimit = 16384

// via is how an account proved who it is.
type via string

const (
	viaPassword via = "password"
	viaKey      via = "key"
	viaImplicit via = "implicit"
)

// principalID is what a remembered principal is found by.
type principalID struct {
	id  string // of the key or the account
	end string // of the end user beside a tenant's key
	via via
}

// builtPrincipal is a principal and the very rows it was built from. Rows are
// constants that a change replaces, so as long as the store still has these,
// nothing about the principal has changed.
type builtPrincipal struct {
	p       *policy.Principal
	user    *User
	key     *APIKey
	tenant  *Tenant
	endUser *EndUser
	endKey  *APIKey
}

// implicitPrincipal is the implicit administrator, whom every call without
// credentials is, as of a commit.
type implicitPrincipal struct {
	p      *policy.Principal
	commit uint64
}

func (b *builtPrincipal) of(o *builtPrincipal) bool {
	return b.user == o.user && b.key == o.key && b.tenant == o.tenant && b.endUser == o.endUser && b.endKey == o.endKey
}

// principal returns the principal of the rows in b, remembered or built. An end
// user's groups and a user's memberships bump a row in b when they change.
func (s *Service) principal(r store.Reader, id principalID, b builtPrincipal) *policy.Principal {
	if known, ok := s.principals.get(id); ok && known.of(&b) {
		return known.p
	}
	made := b // a copy, so that what is known costs no memory
	switch {
	case b.tenant != nil:
		made.p = tenantPrincipal(r, &made)
	case b.key != nil && b.key.Kind == WorkloadKey:
		made.p = workloadPrincipal(&made)
	case b.user == nil:
		made.p = sessionPrincipal(&made)
	default:
		made.p = userPrincipal(r, &made, id.via)
	}
	slices.SortFunc(made.p.Claims, compareClaims)
	made.p.Claims = slices.Compact(made.p.Claims)
	s.principals.put(id, &made)
	return made.p
}

func compareClaims(a, b policy.Claim) int {
	return cmp.Or(cmp.Compare(a.Issuer, b.Issuer), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Value, b.Value))
}

func mark(table store.AnyTable, id string, m uint64) policy.StampEntry {
	return policy.StampEntry{Table: table.Name(), ID: id, Mark: m}
}

func userPrincipal(r store.Reader, b *builtPrincipal, how via) *policy.Principal {
	u := b.user
	p := &policy.Principal{Kind: policy.User, Name: u.Name, UserID: u.ID, Admin: u.Admin, Stamp: policy.Stamp{mark(users, u.ID, u.Access)}}
	if u.Source == ImplicitUser {
		p.Kind = policy.Implicit
	}
	account := func(typ, value string) policy.Claim {
		return policy.Claim{Issuer: policy.AccountIssuer, Type: typ, Value: value}
	}
	p.Claims = []policy.Claim{
		account("name", u.Name), account("id", u.ID), account("seq", fmt.Sprint(u.Seq)), account("home", u.Home),
		account("kind", "user"), account("via", string(how)),
		{Issuer: policy.AuthServerIssuer, Type: "name", Value: u.Name},
		{Issuer: policy.CoralIssuer, Type: "user", Value: u.ID},
	}
	for m := range membersByUser.All(r, store.KeyOf(u.ID)) {
		if t, ok := tenants.Get(r, m.TenantID); ok {
			p.Claims = append(p.Claims, policy.Claim{Issuer: policy.MembershipIssuer, Type: m.Role.String(), Value: t.Name})
		}
	}
	takeKey(p, b.key)
	return p
}

func workloadPrincipal(b *builtPrincipal) *policy.Principal {
	p := &policy.Principal{Kind: policy.Workload, Name: b.key.Subject, UserID: b.user.ID, Stamp: policy.Stamp{mark(users, b.user.ID, b.user.Access)}}
	p.Claims = []policy.Claim{
		{Issuer: policy.AccountIssuer, Type: "owner", Value: b.user.Name},
		{Issuer: policy.AccountIssuer, Type: "kind", Value: "workload"},
		{Issuer: policy.AuthServerIssuer, Type: "name", Value: b.key.Subject},
	}
	takeKey(p, b.key)
	return p
}

// sessionPrincipal is an external principal that has a session of ours.
func sessionPrincipal(b *builtPrincipal) *policy.Principal {
	p := &policy.Principal{Kind: policy.External, Name: b.key.Subject}
	p.Claims = []policy.Claim{{Issuer: policy.AuthServerIssuer, Type: "name", Value: b.key.Subject}}
	takeKey(p, b.key)
	return p
}

func tenantPrincipal(r store.Reader, b *builtPrincipal) *policy.Principal {
	p := &policy.Principal{Kind: policy.TenantKey, Name: b.key.fqn(r).String(), Tenant: b.tenant.Name,
		Stamp: policy.Stamp{mark(tenants, b.tenant.ID, b.tenant.Version)}}
	key := func(typ, value string) {
		p.Claims = append(p.Claims, policy.Claim{Issuer: policy.APIKeyIssuer, Type: typ, Value: value})
	}
	key("tenant", b.tenant.Name)
	key("id", fmt.Sprint(b.key.Seq))
	for _, f := range b.key.Flags.Names() {
		key("flag", f)
	}
	for _, sc := range b.key.Scopes {
		key("scope", sc)
	}
	if u := b.endUser; u != nil {
		p.Name = policy.FQN{Type: "user", Namespace: b.tenant.namespace(), Local: fmt.Sprint(u.Seq)}.String()
		key("flag", "user_key")
		p.Claims = append(p.Claims, policy.Claim{Issuer: policy.UserKeyIssuer, Type: "id", Value: fmt.Sprint(u.Seq)})
		for m := range groupsOfEndUser.All(r, store.KeyOf(u.ID)) {
			if g, ok := groups.Get(r, m.GroupID); ok {
				p.Claims = append(p.Claims, policy.Claim{Issuer: policy.UserKeyIssuer, Type: "group", Value: fmt.Sprint(g.Seq)})
			}
		}
		p.Stamp = append(p.Stamp, mark(endusers, u.ID, u.Access), mark(apikeys, b.endKey.ID, b.endKey.Version))
	}
	takeKey(p, b.key)
	p.Scopes = nil // a tenant's scopes grant, as claims; they do not restrict
	return p
}

// takeKey adds what a key says: its id, its restriction, its life, its claims.
func takeKey(p *policy.Principal, k *APIKey) {
	if k == nil {
		return
	}
	p.KeyID, p.Scopes, p.Expires = k.ID, slices.Clone(k.Scopes), k.ExpiresAt
	p.Claims = append(p.Claims, k.Claims...)
	p.Stamp = append(p.Stamp, mark(apikeys, k.ID, k.Version))
}

// Holds reports whether a principal that this service made is still what it
// was: every row it was built from is there and unchanged, and it has not
// expired. Streams ask on every wake-up, and end when it is not.
func (s *Service) Holds(p *policy.Principal) bool {
	if p == nil {
		return false
	}
	if !p.Expires.IsZero() && !s.now().Before(p.Expires) {
		return false
	}
	return holds(s.st.View(), p.Stamp)
}

func holds(r store.Reader, stamp policy.Stamp) bool {
	for _, e := range stamp {
		var m uint64
		var ok bool
		switch e.Table {
		case users.Name():
			var u *User
			if u, ok = users.Get(r, e.ID); ok {
				m, ok = u.Access, !u.Disabled
			}
		case apikeys.Name():
			var k *APIKey
			if k, ok = apikeys.Get(r, e.ID); ok {
				m = k.Version
			}
		case tenants.Name():
			var t *Tenant
			if t, ok = tenants.Get(r, e.ID); ok {
				m, ok = t.Version, !t.Disabled
			}
		case endusers.Name():
			var u *EndUser
			if u, ok = endusers.Get(r, e.ID); ok {
				m = u.Access
			}
		}
		if !ok || m != e.Mark {
			return false
		}
	}
	return true
}
