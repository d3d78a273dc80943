package policy

import (
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
)

// An element alone does not say what it grants: a role that it asserts means
// what the rules further up make of it. Its outcome is worked out when a
// decision first reaches it, for the elements that the decision passed
// before: every derivation that needs at least one rule of this element and
// else only rules of those, written as one rule over what callers and
// enforcement say. A decision then is a walk along the elements that asks
// each outcome, and derives nothing.

// outcome is an element after a certain sequence of elements. It is immutable.
type outcome struct {
	parent, id uint64
	next       *outcome // the same element after other sequences
	open       uint64   // actions whose derivations are not all written out
	asking     uint64   // actions that subgoals ask for, here and before
	rules      ruleGroup
	given      *ruleGroup // rules that ask the enforcement for something, if there are any

	facts  map[uint64][]*rule // by head, those of constant value
	wide   []*rule            // with other heads
	permit []*rule            // that permit what a subgoal of some element asks for
	deps   map[uint64][]dependent
	other  []dependent // that ask for other things than a constant
	loose  []string    // types whose values nobody knows before, here and before
	asked  []string    // types that subgoals ask for, here and before

	askedActs uint64 // actions that deps ask for
}

// ruleGroup is hot rules that decisions look through together.
type ruleGroup struct {
	acts   uint64 // that any of them permits
	denies uint64 // that any of them denies
	some   uint64 // fingerprints of which each of them asks for at least one; all bits if one asks for none
	rules  []rule
	index  *ruleIndex
}

// dependent is one subgoal of a rule.
type dependent struct {
	rule *rule
	sub  int
}

const (
	maxVariants  = 8       // outcomes kept for one element
	maxProducts  = 256     // combined rules that one rule of an element may become
	maxCombined  = 20_000  // combined rules of one element
	maxUnfolding = 200_000 // work for one element, see unfolder.work
	indexFrom    = 24      // hot rules from which an outcome is indexed
)

var (
	outcomeID atomic.Uint64
	unfolding sync.Mutex // one outcome is worked out at a time
)

// outcomeAfter returns the outcome of e after parent, if it is known.
func (e *element) outcomeAfter(parent uint64) *outcome {
	o := e.outcome.Load()
	for o != nil && o.parent != parent {
		o = o.next
	}
	return o
}

// plainAfter reports whether a decision reads the rules of e as they are: no
// rule before asks for what they permit, and no rule anywhere below. Such an
// element has no outcome and is no part of the sequence.
func (s *Set) plainAfter(e *element, asking uint64) bool {
	return e.hot == plain && e.acts&asking == 0 && s.askers == 0
}

// view is the rules of a plain element in the form of an outcome.
func (e *element) view() *outcome {
	return &outcome{rules: ruleGroup{acts: e.acts, some: e.some, rules: e.rules}}
}

// unfoldAll returns what each of a sequence of elements says, worked out where
// it is not known.
func (s *Set) unfoldAll(chain []*element) []*outcome {
	unfolding.Lock()
	defer unfolding.Unlock()
	var all, before []*outcome
	parent, asking := uint64(0), uint64(0)
	for _, e := range chain {
		if s.plainAfter(e, asking) {
			all = append(all, e.view())
			continue
		}
		o := e.outcomeAfter(parent)
		if o == nil {
			o = newOutcome(e, before, parent, s.types)
			o.next = e.outcome.Load()
			n := 1
			for v := o; v.next != nil; v = v.next {
				if n++; n > maxVariants {
					o.next = nil
					break
				}
			}
			e.outcome.Store(o)
		}
		all, before = append(all, o), append(before, o)
		parent, asking = o.id, o.asking
	}
	return all
}

// unfolder works out one outcome.
type unfolder struct {
	*outcome
	before   []*outcome
	types    *Registry
	queue    []*rule
	made     map[*rule][]*rule // combined rules, by the rule they come from
	combined []*rule
	hot      [][]rule
	count    int
	steps    int
	full     bool
}

func newOutcome(e *element, before []*outcome, parent uint64, types *Registry) *outcome {
	u := unfolder{outcome: &outcome{parent: parent, id: outcomeID.Add(1)}, before: before, types: types}
	if len(before) > 0 {
		last := before[len(before)-1]
		u.loose, u.asked, u.asking = slices.Clip(last.loose), slices.Clip(last.asked), last.asking
	}
	var deps []*rule
	n := int(e.hot)
	if n == plain {
		n = len(e.rules)
	}
	if n > 0 {
		u.hot = append(u.hot, e.rules[:n:n])
	}
	for i := range e.rules {
		switch r := &e.rules[i]; {
		case r.more != nil && r.more.opaque:
			u.opaque(r)
		case r.more != nil && len(r.more.subs) > 0:
			u.opaque(r)
			u.dependent(r)
			deps = append(deps, r)
		default:
			u.opaque(r)
			u.queue = append(u.queue, r)
		}
	}
	// What needs no supply goes first: it makes most of the rest superfluous.
	u.drain()
	for _, d := range deps {
		u.combine(d, -1, nil)
	}
	u.drain()
	u.finish()
	return u.outcome
}

// drain combines every new fact with the rules that ask for it.
func (u *unfolder) drain() {
	for len(u.queue) > 0 && !u.full {
		f := u.queue[0]
		u.queue = u.queue[1:]
		u.fact(f)
		u.feed(f)
	}
}

// overflow gives up writing out derivations; what is written out stays true.
func (u *unfolder) overflow() {
	u.full, u.open = true, ^uint64(0)
}

// work counts about so many comparisons or copies and reports whether more may
// be done. An element takes a few hundredths of a second at most, whatever is
// written there.
func (u *unfolder) work(n int) bool {
	if u.steps += n; u.steps > maxUnfolding {
		u.overflow()
	}
	return !u.full
}

// opaque notes what r may assert with values that are not known before.
func (u *unfolder) opaque(r *rule) {
	m := r.more
	if m == nil {
		return
	}
	for _, t := range m.loose {
		if !slices.Contains(u.loose, t) {
			u.loose = append(u.loose, t)
		}
	}
	if m.acting {
		u.open = ^uint64(0)
	}
}

// dependent notes what r asks for.
func (u *unfolder) dependent(r *rule) {
	for i := range r.more.subs {
		s := &r.more.subs[i]
		d := dependent{r, i}
		if s.hash != 0 {
			if u.deps == nil {
				u.deps = map[uint64][]dependent{}
			}
			u.deps[s.hash] = append(u.deps[s.hash], d)
			if v, _ := s.text.constant(); s.typ == "permit" {
				u.askedActs |= u.types.bits[Action(v)]
				u.asking |= u.types.bits[Action(v)]
			}
		} else {
			u.other = append(u.other, d)
			if s.typ == "permit" {
				u.asking = ^uint64(0)
			}
		}
		if !slices.Contains(u.asked, s.typ) {
			u.asked = append(u.asked, s.typ)
		}
	}
}

// fact keeps f for what other rules ask.
func (u *unfolder) fact(f *rule) {
	if f.acts != 0 {
		u.permit = append(u.permit, f)
	}
	if f.more == nil {
		return
	}
	wide := false
	for _, h := range f.more.heads {
		v, isConst := h.text.constant()
		if h.ref != nil || !isConst {
			wide = true
			continue
		}
		if u.facts == nil {
			u.facts = map[uint64][]*rule{}
		}
		k := headHash(h.typ, v)
		if l := u.facts[k]; len(l) == 0 || l[len(l)-1] != f {
			u.facts[k] = append(l, f)
		}
	}
	if wide {
		u.wide = append(u.wide, f)
	}
}

// feed combines the new fact f with every rule that asks for it.
func (u *unfolder) feed(f *rule) {
	all := append(slices.Clip(u.before), u.outcome)
	for _, o := range all {
		if len(o.deps) == 0 && len(o.other) == 0 {
			continue
		}
		for left := f.acts & o.askedActs; left != 0; left &= left - 1 {
			i := bits.TrailingZeros64(left)
			u.feedAll(o.deps[u.types.hashes[i]], f, "permit", literal(string(u.types.acts[i])), nil, 0)
		}
		if f.more != nil {
			for i := range f.more.heads {
				h := &f.more.heads[i]
				v, isConst := h.text.constant()
				switch {
				case h.ref == nil && isConst:
					u.feedAll(o.deps[headHash(h.typ, v)], f, h.typ, h.text, nil, 0)
				default:
					for _, list := range o.deps {
						u.feedAll(list, f, h.typ, h.text, h.ref, h.slot)
					}
				}
			}
		}
		for _, d := range o.other {
			s := &d.rule.more.subs[d.sub]
			if f.acts != 0 && s.typ == "permit" {
				for i, a := range u.types.acts {
					if f.acts&(1<<i) != 0 {
						u.feedAll([]dependent{d}, f, "permit", literal(string(a)), nil, 0)
					}
				}
			}
			if f.more != nil {
				for i := range f.more.heads {
					h := &f.more.heads[i]
					u.feedAll([]dependent{d}, f, h.typ, h.text, h.ref, h.slot)
				}
			}
		}
	}
}

func (u *unfolder) feedAll(list []dependent, f *rule, typ string, x text, ref *Reference, slot int32) {
	for _, d := range list {
		s := &d.rule.more.subs[d.sub]
		if s.typ != typ {
			continue
		}
		if !u.work(2) {
			return
		}
		if p, ok := supply(s, f, x, ref, slot); ok {
			u.combine(d.rule, d.sub, p)
		}
	}
}

// product is what must hold for one subgoal: the conditions of a rule, or an
// atom that the enforcement supplies.
type product struct {
	from *rule
	drop *leaf // of from, replaced by add
	atom *atom
	leaf *leaf
}

// supply returns what must hold for the head of f to be what s asks for.
func supply(s *subgoal, f *rule, x text, ref *Reference, slot int32) (*product, bool) {
	p := &product{from: f}
	t := test{op: s.op, regex: s.regex, right: side{text: s.text}}
	w, isConst := s.text.constant()
	switch v, known := x.constant(); {
	case ref != nil && slot > 0:
		t.left = f.more.slots[slot-1]
		p.drop = f.more.shared
		p.leaf = newLeaf(f.more.slots, append(slices.Clip(f.more.shared.tests), t))
	case ref != nil && isConst && s.op.equality() && !engineIssuer(ref.Issuer):
		p.atom = &atom{hash: claimHash(refHash(ref.Issuer, ref.Type), w), ref: ref, value: w}
	case ref != nil:
		t.left = side{ref: ref, hash: refHash(ref.Issuer, ref.Type)}
		p.leaf = newLeaf(nil, []test{t})
	case known && isConst:
		if s.op == RegexMatch {
			return p, s.regex.match(v)
		}
		return p, s.op.test(v, w)
	default:
		t.left = side{text: x}
		p.leaf = newLeaf(nil, []test{t})
	}
	return p, true
}

// enforced is what must hold for the enforcement to supply s.
func enforced(s *subgoal) *product {
	ref := &Reference{Type: s.typ}
	if w, ok := s.text.constant(); ok && s.op.equality() {
		return &product{atom: &atom{hash: s.hash, ref: ref, value: w}}
	}
	return &product{leaf: newLeaf(nil, []test{{
		left: side{ref: ref, hash: refHash("", s.typ)}, right: side{text: s.text}, op: s.op, regex: s.regex}})}
}

// choices returns every way to have what s asks for.
func (u *unfolder) choices(s *subgoal) []*product {
	out := []*product{enforced(s)}
	add := func(f *rule, typ string, x text, ref *Reference, slot int32) {
		if typ == s.typ && u.work(2) {
			if p, ok := supply(s, f, x, ref, slot); ok {
				out = append(out, p)
			}
		}
	}
	heads := func(f *rule) {
		if f.more != nil {
			for i := range f.more.heads {
				h := &f.more.heads[i]
				add(f, h.typ, h.text, h.ref, h.slot)
			}
		}
	}
	for _, o := range append(slices.Clip(u.before), u.outcome) {
		switch v, _ := s.text.constant(); {
		case s.typ != "permit":
		case s.hash != 0:
			for _, f := range o.permit {
				if f.acts&u.types.bits[Action(v)] != 0 {
					out = append(out, &product{from: f})
				}
			}
		default:
			for _, f := range o.permit {
				for i, a := range u.types.acts {
					if f.acts&(1<<i) != 0 {
						add(f, "permit", literal(string(a)), nil, 0)
					}
				}
			}
		}
		if s.hash != 0 {
			for _, f := range o.facts[s.hash] {
				heads(f)
			}
			for _, f := range o.wide {
				if !slices.Contains(o.facts[s.hash], f) {
					heads(f)
				}
			}
			continue
		}
		seen := map[*rule]bool{}
		for _, l := range o.facts {
			for _, f := range l {
				if !seen[f] && u.work(1) {
					seen[f] = true
					heads(f)
				}
			}
		}
		for _, f := range o.wide {
			if !seen[f] {
				heads(f)
			}
		}
	}
	return out
}

// combine writes out d for every choice of its subgoals, with subgoal fixed
// supplied by p.
func (u *unfolder) combine(d *rule, fixed int, p *product) {
	m := d.more
	base := rule{need: d.need, acts: d.acts, key: d.key, src: d.src, line: d.line, ord: d.ord, more: &extra{
		atoms: slices.Clone(m.atoms), leaves: slices.Clone(m.leaves), denies: m.denies, heads: m.heads, shared: m.shared, slots: m.slots, base: d}}
	var walk func(i int, r rule)
	walk = func(i int, r rule) {
		if !u.work(4 + len(r.more.atoms) + len(r.more.leaves)) {
			return
		}
		if i == len(m.subs) {
			u.add(d, r)
			return
		}
		if i == fixed {
			walk(i+1, r.with(p))
			return
		}
		for _, c := range u.choices(&m.subs[i]) {
			walk(i+1, r.with(c))
		}
	}
	walk(0, base)
}

// with returns r under the further conditions of p.
func (r rule) with(p *product) rule {
	m := *r.more
	m.atoms, m.leaves, m.via = slices.Clone(m.atoms), slices.Clone(m.leaves), slices.Clone(m.via)
	r.more = &m
	add := func(l *leaf) {
		if !slices.ContainsFunc(m.leaves, func(o *leaf) bool { return o.key == l.key }) {
			m.leaves = append(m.leaves, l)
		}
	}
	if f := p.from; f != nil {
		m.via = append(m.via, f)
		if f.key != nil {
			r.require(f.key)
		}
		if f.more != nil {
			for _, a := range f.more.atoms {
				r.require(a)
			}
			for _, l := range f.more.leaves {
				if l != p.drop {
					add(l)
				}
			}
		}
	}
	if p.atom != nil {
		r.require(p.atom)
	}
	if p.leaf != nil {
		add(p.leaf)
	}
	return r
}

// add keeps the combined rule r unless another one of the same origin asks
// for no more.
func (u *unfolder) add(d *rule, r rule) {
	if u.made == nil {
		u.made = map[*rule][]*rule{}
	}
	list := u.made[d]
	for _, o := range list {
		if o.need&^r.need == 0 && !u.work(1+(1+len(o.more.atoms))*(1+len(r.more.atoms))/16+len(o.more.leaves)*len(r.more.leaves)/4) {
			return
		}
		if o.implies(&r) {
			return
		}
	}
	if u.count++; len(list) >= maxProducts || u.count > maxCombined {
		u.overflow()
		return
	}
	n := &r
	u.made[d] = append(list, n)
	u.combined = append(u.combined, n)
	u.queue = append(u.queue, n)
}

// implies reports whether o applies wherever r does: it asks for a part of
// what r asks for.
func (o *rule) implies(r *rule) bool {
	if o.need&^r.need != 0 || o.key != nil && !r.asks(o.key) {
		return false
	}
	for _, a := range o.more.atoms {
		if !r.asks(a) {
			return false
		}
	}
	for _, l := range o.more.leaves {
		if !slices.ContainsFunc(r.more.leaves, func(k *leaf) bool { return k.key == l.key }) {
			return false
		}
	}
	return true
}

func (r *rule) asks(a *atom) bool {
	return r.key != nil && a.same(r.key) || slices.ContainsFunc(r.more.atoms, a.same)
}

// finish arranges what decisions read.
func (u *unfolder) finish() {
	if slices.ContainsFunc(u.loose, func(t string) bool { return slices.Contains(u.asked, t) }) {
		u.open = ^uint64(0)
	}
	var hot, given []rule
	for _, r := range u.combined {
		switch {
		case r.acts == 0 && r.more.denies == 0:
		case r.given():
			given = append(given, *r)
		default:
			h := *r
			if m := h.more; len(m.atoms) == 0 && len(m.leaves) == 0 && m.denies == 0 {
				h.more = nil // decisions need not look there
			}
			hot = append(hot, h)
		}
	}
	if hot != nil {
		u.hot = append(u.hot, slices.Clip(hot))
	}
	u.rules.fill(u.hot)
	if given != nil {
		u.outcome.given = &ruleGroup{}
		u.outcome.given.fill([][]rule{slices.Clip(given)})
	}
}

// given reports whether r asks for a claim that only the enforcement makes.
func (r *rule) given() bool {
	enforced := func(a *atom) bool { return a.ref.Issuer == "" }
	if r.key != nil && enforced(r.key) || slices.ContainsFunc(r.more.atoms, enforced) {
		return true
	}
	return slices.ContainsFunc(r.more.leaves, func(l *leaf) bool {
		ref := l.tests[0].left.ref
		return len(l.slots) == 0 && ref != nil && ref.Issuer == ""
	})
}

func (g *ruleGroup) fill(lists [][]rule) {
	if len(lists) == 1 {
		g.rules = lists[0]
	} else {
		g.rules = slices.Concat(lists...) // one run of memory for a decision
	}
	for i := range g.rules {
		r := &g.rules[i]
		g.acts |= r.acts
		if g.some |= r.need; r.need == 0 {
			g.some = ^uint64(0)
		}
		if r.more != nil {
			g.denies |= r.more.denies
		}
	}
	if len(g.rules) >= indexFrom {
		g.index = newRuleIndex(g.rules)
	}
}
