package policy

import (
	"slices"
	"strings"
)

// lint reports what a rule can hardly mean.
func (p *parser) lint(r *Rule) {
	if r.If != nil {
		if c := r.If.Comparison; c != nil {
			p.lintComparison(c)
		} else {
			r.If.each(p.lintComparison)
		}
	}
	for i := range r.Claims {
		p.lintOperand(&r.Claims[i].Value)
	}
	if len(r.Claims) > 1 {
		p.lintTwice(r.Claims)
	}
}

// lintOperand reports a template that nothing binds.
func (p *parser) lintOperand(o *Operand) {
	if !o.holds {
		return
	}
	if name, ok := o.template(); ok && !p.realm.binds(name) {
		p.ds.add(WarnUnbound, o.Pos, "nothing in the realm binds [%s], so the rule never applies", name)
	}
}

func (p *parser) lintComparison(c *Comparison) {
	p.lintOperand(&c.Right)
	if c.Op != BeginsWith || !c.Right.holds || !strings.HasSuffix(c.Right.Text, "]") {
		return
	}
	if i := strings.LastIndexByte(c.Right.Text, '['); i >= 0 && p.realm.binds(c.Right.Text[i+1:len(c.Right.Text)-1]) {
		p.ds.add(WarnPrefix, c.Right.Pos, "a prefix test: the value of the template covers every longer name too")
	}
}

// lintTwice reports claims that occur before in the same rule.
func (p *parser) lintTwice(claims []Assertion) {
	type claimed struct {
		typ, value string
		ref        Reference
	}
	of := func(a *Assertion) claimed { return claimed{a.Type, a.Value.Text, a.Value.Ref} }
	var seen map[claimed]bool
	if len(claims) > 8 {
		seen = make(map[claimed]bool, len(claims))
	}
	for i := range claims {
		k, again := of(&claims[i]), false
		if seen != nil {
			again, seen[k] = seen[k], true
		} else {
			again = slices.ContainsFunc(claims[:i], func(a Assertion) bool { return of(&a) == k })
		}
		if again {
			p.ds.add(WarnDup, claims[i].Value.Pos, "the rule asserts this claim already")
		}
	}
}
