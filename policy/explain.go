package policy

import (
	"cmp"
	"slices"
	"strings"
)

// MissingClaim is what a refusal says: missing claim "permit read" on
// "job::/dev::shop".
func MissingClaim(typ, value string, t Target) string {
	return "missing claim " + quote(typ+" "+quoteValue(value)) + " on " + quote(t.String())
}

// Need is one rule that would have permitted, and what it found missing.
type Need struct {
	Grounds
	Claims     []Claim  // that the caller does not make; issuer "" is for the enforcement
	Conditions []string // other comparisons that did not hold
}

// maxNeeds bounds the answer of Needs.
const maxNeeds = 20

// Needs explains a refusal: the rules that permit the action on t with what
// each of them lacks, those that lack least first, at most 20. It looks at
// the same Set as Allowed and is meant for answers to people, not for every
// decision.
func (s *Session) Needs(t Target, a Action, with ...Claim) []Need {
	bit := s.set.types.bit(a)
	if bit == 0 || t.Namespace == "" {
		return nil
	}
	q := request{set: s.set, session: s, claims: s.claims, target: t, with: with}
	for i := range min(len(with), len(q.hashes)) {
		q.hashes[i] = claimHash(refHash(with[i].Issuer, with[i].Type), with[i].Value)
	}
	var out []Need
	for _, o := range s.set.unfold(t) {
		for i := range o.rules.rules {
			if r := &o.rules.rules[i]; r.acts&bit != 0 {
				out = append(out, q.need(r))
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Need) int {
		return cmp.Compare(len(a.Claims)+len(a.Conditions), len(b.Claims)+len(b.Conditions))
	})
	return slices.Clip(out[:min(len(out), maxNeeds)])
}

// need returns what r lacks.
func (q *request) need(r *rule) Need {
	n := Need{Grounds: r.grounds()}
	lacks := func(a *atom) {
		if !q.has(a) {
			n.Claims = append(n.Claims, Claim{a.ref.Issuer, a.ref.Type, a.value})
		}
	}
	if r.key != nil {
		lacks(r.key)
	}
	if r.more == nil {
		return n
	}
	for _, a := range r.more.atoms {
		lacks(a)
	}
	for _, l := range r.more.leaves {
		if !q.holds(l) {
			n.Conditions = append(n.Conditions, l.text(q.target))
		}
	}
	return n
}

// text prints what the leaf asks for about a target.
func (l *leaf) text(t Target) string {
	var parts []string
	for i := range l.tests {
		k := &l.tests[i]
		op := k.op
		if op == Equals {
			op = Equal
		}
		parts = append(parts, k.left.print(t)+" "+op.String()+" "+k.right.print(t))
	}
	return strings.Join(parts, " && ")
}

func (s *side) print(t Target) string {
	if s.ref != nil {
		return s.ref.String()
	}
	return quoteValue(s.text.of(t))
}

func (r *rule) grounds() Grounds {
	return Grounds{Document: r.src.name, System: r.src.system, Line: int(r.line), Rule: int(r.ord)}
}
