package policy

import (
	"slices"
	"strings"
	"sync/atomic"
)

// Session is a caller in front of one Set: his claims are looked at once, and
// each decision about him is a walk that allocates nothing. It is safe for
// concurrent use.
type Session struct {
	set      *Set
	claims   *claimIndex
	verdicts *[16]atomic.Pointer[verdict] // of regular expressions, by leaf
}

// verdict is what a leaf said about the claims of the caller alone.
type verdict struct {
	leaf *leaf
	ok   bool
}

// Session returns a Session for a caller with these claims. Claims without
// issuer, and those of the issuers query and PV, are not a caller's to make
// and are left out.
func (s *Set) Session(claims []Claim) *Session {
	return &Session{set: s, claims: newClaimIndex(claims), verdicts: new([16]atomic.Pointer[verdict])}
}

// On returns the same caller in front of another Set. It costs one small
// allocation, so a cache may call it whenever the active set has moved.
func (s *Session) On(set *Set) *Session {
	if s.set == set {
		return s
	}
	return &Session{set: set, claims: s.claims, verdicts: s.verdicts}
}

// Set returns the Set that the session decides by.
func (s *Session) Set() *Set { return s.set }

// Claims returns the claims of the caller. The caller must not change them.
func (s *Session) Claims() []Claim { return s.claims.claims }

// Grounds is the rule that a decision rests on.
type Grounds struct {
	Document string
	System   bool
	Line     int // of the rule
	Rule     int // number of the rule in its document, from 0
}

// Allowed reports whether the action on t is permitted and, where denials
// count, not denied. With is what the enforcement adds for this question. It
// allocates nothing and takes no lock; only the first question about a place
// since its rules changed works out what they mean there.
func (s *Session) Allowed(t Target, a Action, with ...Claim) bool {
	ok, _ := s.decide(t, a, with)
	return ok
}

// Why is Allowed with the rule that permits: for a refusal by a denial the
// one that denies. It costs no more. The Grounds are zero if nothing permits,
// or if several rules had to be evaluated together.
func (s *Session) Why(t Target, a Action, with ...Claim) (bool, Grounds) {
	ok, r := s.decide(t, a, with)
	if r == nil {
		return ok, Grounds{}
	}
	return ok, r.grounds()
}

func (s *Session) decide(t Target, a Action, with []Claim) (bool, *rule) {
	types := s.set.types
	index, bit := types.index(t.Type), types.bit(a)
	if bit == 0 || len(t.Namespace) == 0 || t.Namespace[0] != '/' {
		return s.Evaluate(t, with...).Allowed(a), nil
	}
	if len(with) > 0 {
		return s.decideWith(t, a, index, bit, with)
	}
	q := request{set: s.set, session: s, claims: s.claims, target: t, bit: bit, fp: s.claims.fp, overridable: index >= 0 && types.deny[index]}
	if ok, done := q.decide(index); done {
		return ok, q.grant
	}
	return s.Evaluate(t).Allowed(a), nil
}

// decideWith is decide with claims of the enforcement.
func (s *Session) decideWith(t Target, a Action, index int, bit uint64, with []Claim) (bool, *rule) {
	q := request{set: s.set, session: s, claims: s.claims, target: t, bit: bit, fp: s.claims.fp, with: with, overridable: index >= 0 && s.set.types.deny[index]}
	for i := range with {
		c := &with[i]
		if c.Issuer == "" && c.Value == string(a) && (c.Type == "permit" || c.Type == "deny") {
			return s.Evaluate(t, with...).Allowed(a), nil
		}
		if i < len(q.hashes) {
			h := claimHash(refHash(c.Issuer, c.Type), c.Value)
			q.hashes[i] = h
			q.fp |= fingerprint(h)
		} else {
			q.fp = ^uint64(0)
		}
	}
	if ok, done := q.decide(index); done {
		return ok, q.grant
	}
	return s.Evaluate(t, with...).Allowed(a), nil
}

// decide walks until there is an answer. Done is false if only the evaluator
// can find it.
func (q *request) decide(index int) (ok, done bool) {
	for range 3 {
		q.walk(q.set.plan(index))
		switch {
		case q.state == missing:
			q.unfold()
			q.state, q.chain, q.asking, q.open, q.grant = undecided, 0, 0, 0, nil
		case q.state == denied:
			return false, true
		case q.state == granted:
			return true, !q.overridable || q.open&q.bit == 0
		default:
			return false, q.open&q.bit == 0
		}
	}
	return false, false
}

// unfold works out what the walk found missing. The copies keep the target
// of a decision on the stack.
func (q *request) unfold() {
	q.set.unfold(Target{Type: strings.Clone(q.target.Type), Namespace: strings.Clone(q.target.Namespace), Local: strings.Clone(q.target.Local)})
}

// state is how far a decision is.
type state uint8

const (
	undecided state = iota
	granted
	denied
	missing // an outcome has not been worked out yet
)

// request is one decision. It lives on the stack.
type request struct {
	set         *Set
	session     *Session
	claims      *claimIndex
	target      Target
	bit         uint64 // of the action
	fp          uint64
	chain       uint64 // outcome that was visited last
	asking      uint64 // by rules visited, of what others permit
	open        uint64
	grant       *rule // or the denial
	with        []Claim
	hashes      [8]uint64 // of the first claims in with
	state       state
	overridable bool
	subtrees    bool        // collect what stands for subtrees alone
	collect     *[]*element // instead of deciding
}

// walk visits the elements that cover the target, in the order of the plan:
// those of subtrees, then those of this namespace alone, then those of this
// name. It reports whether the decision is final.
func (q *request) walk(p *plan) bool {
	var buf [inlineTokens]int32
	at := path{text: q.target.Namespace[1:]}
	at.ends, at.more = cutPath(at.text, buf[:0], p.depth)
	var here *place // the last place of this very namespace that has ends
	count := 0
	for i := range p.shapes {
		s := &p.shapes[i]
		if len(s.pattern) > len(at.ends) {
			continue
		}
		var x *place
		if s.wild {
			x = s.findWild(&at)
		} else {
			x = s.find(&at)
		}
		if x == nil {
			continue
		}
		if len(x.below.rules) > 0 && q.visit(&x.below, &at) {
			return true
		}
		if x.end != nil && len(s.pattern) == len(at.ends) && !at.more {
			here, count = x, count+1
		}
	}
	switch {
	case count == 0 || q.subtrees:
		return false
	case count == 1:
		return q.ends(here.end, &at) || q.named(here.end, &at)
	}
	for i := range p.shapes {
		if s := &p.shapes[i]; len(s.pattern) == len(at.ends) {
			if x := s.find(&at); x != nil && x.end != nil && q.ends(x.end, &at) {
				return true
			}
		}
	}
	for i := range p.shapes {
		if s := &p.shapes[i]; len(s.pattern) == len(at.ends) {
			if x := s.find(&at); x != nil && x.end != nil && q.named(x.end, &at) {
				return true
			}
		}
	}
	return false
}

// cutToken splits a path at its first slash. Tokens are short, so a loop is
// quicker than a search.
func cutToken(s string) (tok, tail string) {
	for i := range len(s) {
		if s[i] == '/' {
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// ends visits what stands for one namespace, whatever the name.
func (q *request) ends(e *ends, at *path) bool {
	if len(e.exact.rules) > 0 && q.visit(&e.exact, at) {
		return true
	}
	local := q.target.Local
	if local == "" {
		return false
	}
	if len(e.any.rules) > 0 && q.visit(&e.any, at) {
		return true
	}
	for i := range e.forms {
		if e.forms[i].covers(local) && q.visit(e.forms[i].element, at) {
			return true
		}
	}
	return false
}

// named visits what stands for the name of the target.
func (q *request) named(e *ends, at *path) bool {
	if q.target.Local == "" || e.named.count == 0 {
		return false
	}
	x, ok := e.named.get(q.target.Local)
	return ok && q.visit(x, at)
}

// visit asks one element and reports whether the decision is final: a grant is
// where denials do not count, a denial always.
func (q *request) visit(e *element, at *path) bool {
	if q.collect != nil {
		*q.collect = append(*q.collect, e)
		return false
	}
	if q.set.plainAfter(e, q.asking) {
		return q.plain(e, at)
	}
	o := e.outcome.Load()
	for o != nil && o.parent != q.chain {
		o = o.next
	}
	if o == nil {
		q.state = missing
		return true
	}
	q.chain, q.asking = o.id, o.asking
	q.open |= o.open
	if len(q.with) > 0 && o.given != nil && q.try(o.given) {
		return true
	}
	return q.try(&o.rules)
}

// plain looks for a rule of a plain element that decides.
func (q *request) plain(e *element, at *path) bool {
	if e.acts&q.bit == 0 || q.state != undecided || e.some&q.fp == 0 && e.some != ^uint64(0) {
		return false
	}
	for i := range e.rules {
		if r := &e.rules[i]; r.need&^q.fp == 0 && r.acts&q.bit != 0 && q.grants(r, at) {
			q.state, q.grant = granted, r
			return !q.overridable
		}
	}
	return false
}

// grants is applies, quicker where all that r asks for is a claim that is a
// token of the namespace.
func (q *request) grants(r *rule, at *path) bool {
	if r.key == nil && r.more != nil && len(r.more.atoms) == 0 && len(r.more.leaves) == 1 {
		if l := r.more.leaves[0]; l.token > 0 {
			return q.makes(l.ref, l.hash, at.token(int(l.token-1)))
		}
	}
	return q.applies(r)
}

// try looks for a rule of g that decides.
func (q *request) try(g *ruleGroup) bool {
	if q.overridable && g.denies&q.bit != 0 {
		if r := q.find(g, true); r != nil {
			q.state, q.grant = denied, r
			return true
		}
	}
	if g.acts&q.bit != 0 && q.state == undecided {
		if r := q.find(g, false); r != nil {
			q.state, q.grant = granted, r
			return !q.overridable
		}
	}
	return false
}

// find returns a rule of o that applies and has the wanted effect.
func (q *request) find(g *ruleGroup, deny bool) *rule {
	if g.some&q.fp == 0 && g.some != ^uint64(0) {
		return nil
	}
	if g.index != nil && len(q.with) <= len(q.hashes) {
		return q.findIndexed(g.index, deny)
	}
	for i := range g.rules {
		if r := &g.rules[i]; r.need&^q.fp == 0 && r.effect(deny)&q.bit != 0 && q.applies(r) {
			return r
		}
	}
	return nil
}

func (q *request) findIndexed(x *ruleIndex, deny bool) *rule {
	for _, r := range x.rest {
		if r.need&^q.fp == 0 && r.effect(deny)&q.bit != 0 && q.applies(r) {
			return r
		}
	}
	if n := q.claims.few; n >= 0 {
		for i := range n {
			if r := q.findWith(x, q.claims.first[i], deny); r != nil {
				return r
			}
		}
	}
	for i := range q.claims.slots {
		if e := &q.claims.slots[i]; e.index != 0 {
			if r := q.findWith(x, e.hash, deny); r != nil {
				return r
			}
		}
	}
	for i := range q.with {
		if r := q.findWith(x, q.hashes[i], deny); r != nil {
			return r
		}
	}
	return nil
}

func (q *request) findWith(x *ruleIndex, hash uint64, deny bool) *rule {
	for _, r := range x.with(hash) {
		if r.need&^q.fp == 0 && r.effect(deny)&q.bit != 0 && q.applies(r) {
			return r
		}
	}
	return nil
}

func (r *rule) effect(deny bool) uint64 {
	if !deny {
		return r.acts
	}
	if r.more == nil {
		return 0
	}
	return r.more.denies
}

// applies reports whether everything that r asks for holds.
func (q *request) applies(r *rule) bool {
	if r.key != nil && !q.has(r.key) {
		return false
	}
	if r.more == nil {
		return true
	}
	for _, a := range r.more.atoms {
		if !q.has(a) {
			return false
		}
	}
	for _, l := range r.more.leaves {
		if !q.holds(l) {
			return false
		}
	}
	return true
}

// has reports whether the caller or the enforcement makes the claim.
func (q *request) has(a *atom) bool {
	if q.claims.has(a) {
		return true
	}
	for i := range q.with {
		if i < len(q.hashes) && q.hashes[i] != a.hash {
			continue
		}
		if a.is(&q.with[i]) {
			return true
		}
	}
	return false
}

// maxLeafSteps bounds what one leaf of shared references may cost; beyond it
// the leaf does not hold.
const maxLeafSteps = maxSteps

// holds reports whether some values of the shared references of l make all
// its tests hold.
func (q *request) holds(l *leaf) bool {
	if l.token != 0 {
		return q.makes(l.ref, l.hash, tokenOf(q.target, l.token))
	}
	if len(l.slots) == 0 {
		t := &l.tests[0]
		if t.op == RegexMatch && t.left.ref != nil {
			return q.matches(l, t)
		}
		return q.test(t, nil)
	}
	var buf [4]string
	values := buf[:]
	if len(l.slots) > len(buf) {
		values = make([]string, len(l.slots))
	}
	steps := 0
	return q.assign(l, values[:len(l.slots)], 0, &steps)
}

// makes reports whether the caller or the enforcement makes the claim.
func (q *request) makes(ref *Reference, hash uint64, value string) bool {
	if q.claims.makes(ref, hash, value) {
		return true
	}
	for i := range q.with {
		if c := &q.with[i]; c.Value == value && c.Type == ref.Type && c.Issuer == ref.Issuer {
			return true
		}
	}
	return false
}

// assign tries the values of slot n and of those after it.
func (q *request) assign(l *leaf, values []string, n int, steps *int) bool {
	for i := range l.tests {
		if int(l.tests[i].last) == n && !q.test(&l.tests[i], values) {
			return false
		}
	}
	if n == len(l.slots) {
		return true
	}
	s := &l.slots[n]
	if engineIssuer(s.ref.Issuer) {
		if s.ref.Type != "target" && s.ref.Type != "target_str" {
			return false
		}
		values[n] = q.target.String()
		return q.assign(l, values, n+1, steps)
	}
	for _, c := range q.claims.of(s.ref, s.hash) {
		if *steps++; *steps > maxLeafSteps {
			return false
		}
		values[n] = c.Value
		if q.assign(l, values, n+1, steps) {
			return true
		}
	}
	for i := range q.with {
		if c := &q.with[i]; c.Type == s.ref.Type && c.Issuer == s.ref.Issuer {
			values[n] = c.Value
			if q.assign(l, values, n+1, steps) {
				return true
			}
		}
	}
	return false
}

// test makes one comparison. Its right side is a text or has a value already.
func (q *request) test(t *test, values []string) bool {
	switch {
	case t.right.slot > 0:
		return q.left(t, values, values[t.right.slot-1])
	case len(t.right.text) > 1 && t.op.equality() && t.left.ref != nil && t.left.slot == 0:
		return q.equals(t)
	}
	return q.left(t, values, t.right.text.of(q.target))
}

// equals compares the left side with a text of several pieces.
func (q *request) equals(t *test) bool {
	if engineIssuer(t.left.ref.Issuer) {
		return q.left(t, nil, t.right.text.of(q.target))
	}
	for _, c := range q.claims.of(t.left.ref, t.left.hash) {
		if t.right.text.equals(q.target, c.Value) {
			return true
		}
	}
	for i := range q.with {
		if c := &q.with[i]; c.Type == t.left.ref.Type && c.Issuer == t.left.ref.Issuer && t.right.text.equals(q.target, c.Value) {
			return true
		}
	}
	return false
}

// left reports whether some value of the left side satisfies the operator.
func (q *request) left(t *test, values []string, w string) bool {
	switch {
	case t.left.slot > 0:
		return t.compare(values[t.left.slot-1], w)
	case t.left.ref == nil:
		return t.compare(t.left.text.of(q.target), w)
	case engineIssuer(t.left.ref.Issuer):
		if t.left.ref.Type != "target" && t.left.ref.Type != "target_str" {
			return false
		}
		return t.compare(q.target.String(), w)
	}
	for _, c := range q.claims.of(t.left.ref, t.left.hash) {
		if t.compare(c.Value, w) {
			return true
		}
	}
	return q.withMatches(t, w)
}

func (q *request) withMatches(t *test, w string) bool {
	for i := range q.with {
		if c := &q.with[i]; c.Type == t.left.ref.Type && c.Issuer == t.left.ref.Issuer && t.compare(c.Value, w) {
			return true
		}
	}
	return false
}

// compare applies the operator. Where it copies v the compiler cannot see
// that no claim outlives the decision, and the caller's list of claims would
// move from his stack to the heap.
func (t *test) compare(v, w string) bool {
	switch t.op {
	case RegexMatch:
		return t.regex.match(strings.Clone(v))
	case FQNMatch:
		if t.realm == nil {
			return fqnMatch(strings.Clone(v), strings.Clone(w))
		}
		target, ok := parseTarget(v)
		return ok && t.realm.Covers(target)
	}
	return t.op.plain(v, w)
}

// matches is a regular expression over the claims of one reference. What it
// says about the caller's claims is remembered.
func (q *request) matches(l *leaf, t *test) bool {
	if engineIssuer(t.left.ref.Issuer) {
		return q.left(t, nil, "")
	}
	claims := q.claims.of(t.left.ref, t.left.hash)
	if len(claims) == 0 {
		return q.withMatches(t, "")
	}
	place := &q.session.verdicts[claimHash(t.left.hash, t.regex.expr)%16]
	v := place.Load()
	if v == nil || v.leaf != l {
		v = &verdict{leaf: l, ok: slices.ContainsFunc(claims, func(c Claim) bool { return t.regex.match(c.Value) })}
		place.Store(v)
	}
	return v.ok || q.withMatches(t, "")
}
