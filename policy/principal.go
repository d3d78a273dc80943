package policy

import (
	"context"
	"slices"
	"time"
)

// Claim is a statement somebody makes about a caller, a request or a resource.
type Claim struct {
	Issuer string // "" is the enforcement itself
	Type   string
	Value  string
}

// String prints the claim as a policy document would write it.
func (c Claim) String() string {
	if c.Issuer == "" {
		return c.Type + " " + c.Value
	}
	return c.Issuer + "->" + c.Type + " " + c.Value
}

// Issuers of the claims that the platform itself makes. No authenticator of an
// embedder may use them, but for AuthServerIssuer.
const (
	AccountIssuer    = "account"
	AuthServerIssuer = "auth_server@apcera.me"
	CoralIssuer      = "coral"
	MembershipIssuer = "membership"
	APIKeyIssuer     = "apikey"
	UserKeyIssuer    = "userkey"
)

// Privileged callers are known to policy under this name.
const PrivilegedName = "privileged-local"

// PrincipalKind says what sort of caller a Principal is.
type PrincipalKind uint8

// The kinds of principal.
const (
	User       PrincipalKind = iota + 1 // an account that proved who it is
	Implicit                            // the implicit administrator of accept-all
	Privileged                          // a local caller of a privileged dialect
	TenantKey                           // a key of a tenant, perhaps with one of its end users
	Workload                            // a running workload, by its own token
	External                            // known to the embedder's authenticator alone
	Public                              // the URL itself is the right to one call
	Component                           // a part of the platform
)

var principalKinds = [...]string{"none", "user", "implicit", "privileged", "tenant key", "workload", "external", "public", "component"}

func (k PrincipalKind) String() string {
	if int(k) < len(principalKinds) {
		return principalKinds[k]
	}
	return "unknown"
}

// Stamp records the state of the rows a Principal was built from; a maker of
// principals reuses one only while its Stamp still equals those rows.
type Stamp []StampEntry

// StampEntry is one row of a Stamp.
type StampEntry struct {
	Table, ID string
	Mark      uint64 // the row's Access or Version
}

// Principal says who calls. It is immutable once it is in a context, and
// safe for concurrent use; policy knows nothing of its makers.
type Principal struct {
	Kind    PrincipalKind
	Name    string   // for audit
	UserID  string   // the account; of a Workload its owner
	Tenant  string   // fence: nothing outside /t/<Tenant> is ever permitted; "" is none
	KeyID   string   // the key that was used
	Admin   bool     // platform administrator: enforcement adds the claim role=admin
	Claims  []Claim  // sorted
	Scopes  []string // "<type>.<action>", "<type>.*", "*"; nil is no restriction
	Expires time.Time
	Stamp   Stamp
}

// HasClaim reports whether the principal carries exactly this claim.
func (p *Principal) HasClaim(c Claim) bool { return slices.Contains(p.Claims, c) }

type principalKey struct{}

// WithPrincipal returns a context in which p is the caller.
func WithPrincipal(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalValue is what a context in which p is the caller answers to key; ok is
// false if key asks for something else. It is for the Value method of contexts
// that carry more than the caller, which WithPrincipal would have to wrap.
func PrincipalValue(p *Principal, key any) (value any, ok bool) {
	if _, ok := key.(principalKey); ok {
		return p, true
	}
	return nil, false
}

// PrincipalFrom returns the caller in ctx, or nil: then the embedding program
// itself calls, and everything is allowed.
func PrincipalFrom(ctx context.Context) *Principal {
	p, _ := ctx.Value(principalKey{}).(*Principal)
	return p
}

// ActorName is the name under which audit and rows record the caller in ctx:
// the principal's, or "embedder".
func ActorName(ctx context.Context) string {
	if p := PrincipalFrom(ctx); p != nil {
		return p.Name
	}
	return "embedder"
}
