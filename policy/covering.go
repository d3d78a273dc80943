package policy

import (
	"context"
	"slices"
	"strings"
)

// Coverer is what an Authorizer implements if it can tell about a whole
// subtree at once. Lists ask it, so that they need not ask about every row.
type Coverer interface {
	// Covers reports whether p may do a with every resource of the type of root
	// in its namespace and below, without further claims of the enforcement. It
	// may say no where each single answer would be yes, never the reverse.
	Covers(p *Principal, a Action, root FQN) bool
}

// Filter returns what tells, for the caller in ctx, with which resources he may
// do a: the answer is that of Allowed about each, but resources of the type of
// root in its namespace and below cost nothing where the rules grant all of
// them. Use it for one list and drop it: it does not see later changes.
func (g *Guard) Filter(ctx context.Context, a Action, root FQN) func(FQN) bool {
	p := PrincipalFrom(ctx)
	if p == nil || g == nil {
		return func(FQN) bool { return true }
	}
	c, ok := g.a.(Coverer)
	covered := ok && c.Covers(p, a, root)
	return func(t FQN) bool {
		if covered && t.Type == root.Type && within(t.Namespace, root.Namespace) {
			return true
		}
		return g.a.Decide(p, Do(a, t)).Allowed
	}
}

// within reports whether namespace ns is root or lies below it.
func within(ns, root string) bool {
	rest, ok := strings.CutPrefix(ns, strings.TrimSuffix(root, "/"))
	return ok && (rest == "" || rest[0] == '/')
}

// Covers implements Coverer.
func (Default) Covers(p *Principal, _ Action, _ FQN) bool { return p != nil && p.Admin }

// Covers implements Coverer: behind the fence and the scopes the rules decide.
func (n *Native) Covers(p *Principal, a Action, root FQN) bool {
	c, ok := n.rules.(Coverer)
	return ok && p != nil && (p.Tenant == "" || inTenant(root.Namespace, p.Tenant)) && InScope(p.Scopes, root.Type, a) && c.Covers(p, a, root)
}

// Covers implements Coverer. While there is a decision log every resource is
// decided, and told, by itself.
func (l *Language) Covers(p *Principal, a Action, root FQN) bool {
	if p == nil || l.hook.Load() != nil {
		return false
	}
	return l.session(p).Covers(root, a, with(p, Question{})...)
}

// Covers reports whether the rules about whole subtrees permit the action on
// everything in the namespace of root and below, whatever its name. It says no
// on types with denials. It costs a few decisions.
func (s *Session) Covers(root FQN, a Action, with ...Claim) bool {
	types := s.set.types
	index, bit := types.index(root.Type), types.bit(a)
	if index < 0 || bit == 0 || types.deny[index] || root.Namespace == "" || root.Namespace[0] != '/' {
		return false
	}
	q := request{set: s.set, session: s, claims: s.claims, target: FQN{Type: root.Type, Namespace: root.Namespace}, bit: bit, fp: s.claims.fp, with: with}
	for i := range with {
		if i < len(q.hashes) {
			q.hashes[i] = claimHash(refHash(with[i].Issuer, with[i].Type), with[i].Value)
			q.fp |= fingerprint(q.hashes[i])
		} else {
			q.fp = ^uint64(0)
		}
	}
	var chain []*element
	c := request{target: q.target, collect: &chain, subtrees: true}
	c.walk(s.set.plan(index))
	for _, o := range s.set.outcomes(chain) {
		if o.given != nil && q.grantsAll(o.given) || q.grantsAll(&o.rules) {
			return true
		}
	}
	return false
}

// grantsAll reports whether a rule of g applies to everything below the target.
func (q *request) grantsAll(g *ruleGroup) bool {
	if g.acts&q.bit == 0 {
		return false
	}
	r := q.find(g, false)
	return r != nil && !r.looksAtTarget()
}

// looksAtTarget reports whether the rule asks for the name of the target, which
// is another for each. Templates of a realm about a subtree stand for tokens
// that everything below it shares.
func (r *rule) looksAtTarget() bool {
	if r.more == nil {
		return false
	}
	asks := func(s *side) bool { return s.ref != nil && engineIssuer(s.ref.Issuer) }
	return slices.ContainsFunc(r.more.leaves, func(l *leaf) bool {
		return slices.ContainsFunc(l.slots, func(s side) bool { return asks(&s) }) ||
			slices.ContainsFunc(l.tests, func(t test) bool { return asks(&t.left) || asks(&t.right) })
	})
}

// outcomes is unfoldAll without waiting where all is known.
func (s *Set) outcomes(chain []*element) []*outcome {
	known := make([]*outcome, 0, len(chain))
	parent, asking := uint64(0), uint64(0)
	for _, e := range chain {
		if s.plainAfter(e, asking) {
			known = append(known, e.view())
			continue
		}
		o := e.outcomeAfter(parent)
		if o == nil {
			return s.unfoldAll(chain)
		}
		known, parent, asking = append(known, o), o.id, o.asking
	}
	return known
}
