package policy

import "strings"

// Denier is what a set of rules implements if it can refuse as well as
// permit. Native asks it about runtimes, where a refusal beats ownership.
type Denier interface {
	// Denied reports whether a rule refuses q expressly. It is consulted for
	// every call on a runtime: it does not block.
	Denied(p *Principal, q Question) bool
}

// Native is the Authorizer of the platform: what is decided without a policy
// document, in front of the rules that documents give. In this order:
//
//   - the fence: a principal with a Tenant never passes for a target outside
//     /t/<Tenant>;
//   - the scopes: a principal with Scopes passes only for what one of them admits;
//   - calls on runtimes: an administrator passes, a matching denial refuses, the
//     owner passes, a matching grant passes, else the rules decide;
//   - everything else is for the rules.
//
// It is safe for concurrent use and takes no lock.
type Native struct {
	grants GrantMatcher
	rules  Authorizer
	denier Denier
}

// GrantMatcher finds what the grants say about a call.
type GrantMatcher interface {
	// Match returns the verdict of all grants that userID holds on the runtime
	// of c. A matching denial wins over everything.
	Match(userID string, c *RuntimeCall) Verdict
}

// Verdict is what the grants say about one call.
type Verdict uint8

// The verdicts.
const (
	Silent  Verdict = iota // no grant matches
	Granted                // a grant matches and no denial does
	Refused                // a denial matches
)

func (v Verdict) String() string { return [...]string{"silent", "granted", "refused"}[min(v, Refused)] }

// NewNative returns the native decisions in front of rules. With nil grants
// nothing is granted on runtimes beyond ownership; nil rules are Default.
func NewNative(grants GrantMatcher, rules Authorizer) *Native {
	if rules == nil {
		rules = Default{}
	}
	d, _ := rules.(Denier)
	return &Native{grants: grants, rules: rules, denier: d}
}

// Decide implements Authorizer.
func (n *Native) Decide(p *Principal, q Question) Decision {
	if p == nil || p.Tenant != "" && !inTenant(q.Target.Namespace, p.Tenant) || !InScope(p.Scopes, q.Target.Type, q.Action) {
		return Decision{}
	}
	if q.Call == nil {
		return n.rules.Decide(p, q)
	}
	if p.Admin {
		return Decision{Allowed: true}
	}
	// Only an account has grants and owns runtimes: the token of a workload
	// carries the account's id, yet does not act as the account.
	account := p.UserID != "" && (p.Kind == User || p.Kind == Implicit)
	verdict := Silent
	if account && n.grants != nil {
		verdict = n.grants.Match(p.UserID, q.Call)
	}
	switch {
	case verdict == Refused || n.denier != nil && n.denier.Denied(p, q):
		return Decision{}
	case account && p.UserID == q.Call.Owner || verdict == Granted:
		return Decision{Allowed: true}
	}
	return n.rules.Decide(p, q)
}

// inTenant reports whether ns is /t/<tenant> or lies in it.
func inTenant(ns, tenant string) bool {
	rest, ok := strings.CutPrefix(ns, "/t/")
	return ok && below(rest, tenant)
}
