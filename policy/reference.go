package policy

import (
	"slices"
	"strings"
)

// The evaluator in this file is the written semantics of the language: it
// applies every rule whose realm covers the target until nothing new follows.
// The compiled form of a Set must agree with it on every input.

// Bounds on one evaluation; beyond them everything is refused.
const (
	maxDerived = 10_000
	maxSteps   = 400_000
)

// claimSet is what is known about a request.
type claimSet struct {
	values map[Reference][]string
	seen   map[Claim]bool
	free   map[string][]string // inputs of a simulation that stand for every issuer, by type
}

func newClaimSet(t Target) *claimSet {
	c := &claimSet{values: map[Reference][]string{}, seen: map[Claim]bool{}}
	c.add(Claim{Issuer: "query", Type: "target", Value: t.String()})
	c.add(Claim{Issuer: "query", Type: "target_str", Value: t.String()})
	return c
}

// input adds what the token or the enforcement says. Nobody but the engine
// speaks for the issuers query and PV, and only the enforcement for none.
func (c *claimSet) input(claims, with []Claim) {
	for _, k := range claims {
		if k.Issuer != "" && !engineIssuer(k.Issuer) {
			c.add(k)
		}
	}
	for _, k := range with {
		if !engineIssuer(k.Issuer) {
			c.add(k)
		}
	}
}

func engineIssuer(issuer string) bool { return issuer == "query" || issuer == policyVariables }

func (c *claimSet) add(k Claim) bool {
	if c.seen[k] {
		return false
	}
	c.seen[k] = true
	ref := Reference{k.Issuer, k.Type}
	c.values[ref] = append(c.values[ref], k.Value)
	return true
}

// of returns the values that a reference sees.
func (c *claimSet) of(ref Reference) []string {
	if free := c.free[ref.Type]; len(free) > 0 && !engineIssuer(ref.Issuer) {
		return slices.Concat(c.values[ref], free)
	}
	return c.values[ref]
}

// applied is a policy whose realm covers the target.
type applied struct {
	doc   *Document
	pol   *Policy
	bound []binding
}

// covering returns the policies of docs that cover t, in the order of docs.
func covering(docs []*Document, t Target) []applied {
	var out []applied
	for _, d := range docs {
		for _, p := range d.Policies {
			if bound, ok := p.Realm.match(t); ok {
				out = append(out, applied{d, p, bound})
			}
		}
	}
	return out
}

// evaluator derives claims for one target.
type evaluator struct {
	claims *claimSet
	vars   Variables
	from   map[Claim][]Origin           // by derived claim
	seen   map[Claim]map[originKey]bool // from, where it is long
	steps  int
	err    error

	asks  map[Claim][]*pending // what waits for a claim; without a value, for any of its type
	queue []*pending
}

// originKey is equal for equal origins of a claim about one target.
type originKey struct {
	doc, realm      string
	line, realmLine int
}

func (o *Origin) key() originKey { return originKey{o.Document, o.Realm, o.Line, o.RealmLine} }

// pending is a rule of the fixpoint: it is tried at first, and again when a
// claim that it asks for was derived.
type pending struct {
	applied
	rule   *Rule
	queued bool
}

// evaluate is the fixpoint over the given policies.
func evaluate(policies []applied, vars Variables, types *Registry, t Target, claims *claimSet) (Result, *evaluator) {
	e := &evaluator{claims: claims, vars: vars, from: map[Claim][]Origin{}}
	var given []Claim
	for k := range claims.seen {
		if k.Issuer == "" {
			given = append(given, k)
		}
	}
	e.enqueue(policies)
	for len(e.queue) > 0 && e.err == nil {
		p := e.queue[0]
		e.queue, p.queued = e.queue[1:], false
		e.rule(p.applied, p.rule)
	}
	res := Result{Target: t, given: given, overridable: types.overridable(t.Type), err: e.err}
	if e.err != nil {
		return res, e
	}
	for k, from := range e.from {
		res.Claims = append(res.Claims, Derived{Type: k.Type, Value: k.Value, From: from})
	}
	slices.SortFunc(res.Claims, compareDerived)
	return res, e
}

// enqueue makes every rule wait for its first trial, and notes what it asks
// for that rules may derive.
func (e *evaluator) enqueue(policies []applied) {
	e.asks = map[Claim][]*pending{}
	for _, a := range policies {
		for _, r := range a.pol.Rules {
			p := &pending{applied: a, rule: r, queued: true}
			e.queue = append(e.queue, p)
			wait := func(k Claim) {
				if list := e.asks[k]; len(list) == 0 || list[len(list)-1] != p {
					e.asks[k] = append(list, p)
				}
			}
			waitRef := func(ref Reference) {
				if ref.Issuer == "" {
					wait(Claim{Type: ref.Type})
				}
			}
			for _, c := range r.any {
				for _, k := range c {
					switch {
					case k.Right.IsRef:
						waitRef(k.Right.Ref)
						waitRef(k.Left)
					case k.Op.equality() && !k.Right.holds && k.Right.Text != "" && k.Left.Issuer == "":
						wait(Claim{Type: k.Left.Type, Value: k.Right.Text})
					default:
						waitRef(k.Left)
					}
				}
			}
			for i := range r.Claims {
				if v := &r.Claims[i].Value; v.IsRef {
					waitRef(v.Ref)
				}
			}
		}
	}
}

// wake makes the rules that ask for a new claim wait for another trial.
func (e *evaluator) wake(k Claim) {
	for _, list := range [2][]*pending{e.asks[k], e.asks[Claim{Type: k.Type}]} {
		for _, p := range list {
			if e.steps++; !p.queued {
				p.queued = true
				e.queue = append(e.queue, p)
			}
		}
	}
}

func (e *evaluator) rule(a applied, r *Rule) {
	for i := range r.Claims {
		if unbound(&r.Claims[i].Value, a.bound) {
			return
		}
	}
	if r.If == nil {
		e.conjunction(a, r, nil, nil)
		return
	}
	for _, c := range r.any {
		e.conjunction(a, r, c, nil)
	}
}

// unbound reports whether o is a template that the realm does not bind.
func unbound(o *Operand, bound []binding) bool {
	name, ok := o.template()
	if !ok {
		return false
	}
	_, is := lookup(bound, name)
	return !is
}

// slot is one thing that a rule assigns as a whole: a shared reference, or
// the row of a table of policy variables.
type slot struct {
	ref   Reference // of a shared reference
	table string    // of a row
	value string
	row   map[string]string
}

// slotsOf returns what conjunction c of rule r assigns: references that are
// the right side of a comparison or the value of a claim, and tables.
func slotsOf(r *Rule, c conjunction) []slot {
	var slots []slot
	add := func(s slot) {
		if !slices.ContainsFunc(slots, func(o slot) bool { return o.ref == s.ref && o.table == s.table }) {
			slots = append(slots, s)
		}
	}
	shared := func(ref Reference) bool {
		for _, k := range c {
			if k.Right.IsRef && k.Right.Ref == ref {
				return true
			}
		}
		for i := range r.Claims {
			if v := &r.Claims[i].Value; v.IsRef && v.Ref == ref {
				return true
			}
		}
		return false
	}
	for _, k := range c {
		refs := []Reference{k.Left}
		if k.Right.IsRef {
			refs = append(refs, k.Right.Ref)
		}
		for _, ref := range refs {
			if table, _, ok := ref.split(); ok {
				add(slot{table: table})
			} else if shared(ref) {
				add(slot{ref: ref})
			}
		}
	}
	return slots
}

// conjunction tries every assignment for which all comparisons of c hold and
// asserts the claims of r. If hold is not nil it is called instead.
func (e *evaluator) conjunction(a applied, r *Rule, c conjunction, hold func(slots []slot)) {
	for _, k := range c {
		if unbound(&k.Right, a.bound) {
			return
		}
	}
	slots := slotsOf(r, c)
	// when[i] lists the comparisons that can be made once slots[:i] are assigned.
	when := make([][]*Comparison, len(slots)+1)
	for _, k := range c {
		n := max(slotIndex(slots, k.Left), 0)
		if k.Right.IsRef {
			n = max(n, slotIndex(slots, k.Right.Ref))
		}
		when[n] = append(when[n], k)
	}
	e.assign(a, r, slots, when, 0, hold)
}

// slotIndex returns 1 + the index of the slot that ref is part of, or 0.
func slotIndex(slots []slot, ref Reference) int {
	table, _, pv := ref.split()
	for i, s := range slots {
		if pv && s.table == table && s.ref == (Reference{}) || !pv && s.ref == ref && s.table == "" {
			return i + 1
		}
	}
	return 0
}

func (e *evaluator) assign(a applied, r *Rule, slots []slot, when [][]*Comparison, n int, hold func([]slot)) {
	if e.steps++; e.steps > maxSteps {
		e.err = tooMuch("the assignments of shared references multiply without bound")
	}
	if e.err != nil {
		return
	}
	for _, k := range when[n] {
		if !e.holds(a, k, slots[:n]) {
			return
		}
	}
	if n == len(slots) {
		if hold != nil {
			hold(slots)
		} else {
			e.assert(a, r, slots)
		}
		return
	}
	if s := &slots[n]; s.ref != (Reference{}) {
		for _, v := range slices.Clip(e.claims.of(s.ref)) {
			s.value = v
			e.assign(a, r, slots, when, n+1, hold)
		}
	} else {
		for _, row := range e.vars[s.table].Rows {
			s.row = row
			e.assign(a, r, slots, when, n+1, hold)
		}
	}
}

// valuesOf returns the values of ref under an assignment.
func (e *evaluator) valuesOf(ref Reference, slots []slot) []string {
	i := slotIndex(slots, ref)
	table, column, pv := ref.split()
	switch {
	case i > 0 && pv:
		if v, ok := slots[i-1].row[column]; ok {
			return []string{v}
		}
		return nil
	case i > 0:
		return []string{slots[i-1].value}
	case pv:
		var out []string
		for _, row := range e.vars[table].Rows {
			if v, ok := row[column]; ok {
				out = append(out, v)
			}
		}
		return out
	}
	return e.claims.of(ref)
}

// holds reports whether the comparison holds for some of its values.
func (e *evaluator) holds(a applied, k *Comparison, slots []slot) bool {
	var right []string
	if k.Right.IsRef {
		right = e.valuesOf(k.Right.Ref, slots)
	} else {
		right = []string{k.constant(a.bound)}
	}
	for _, v := range e.valuesOf(k.Left, slots) {
		for _, w := range right {
			if e.steps++; k.test(v, w) {
				return true
			}
		}
	}
	return false
}

// constant returns the text of a right side that is no reference.
func (k *Comparison) constant(bound []binding) string {
	if !k.Right.holds {
		return k.Right.Text
	}
	return substitute(k.Right.Text, bound)
}

// test applies the operator.
func (k *Comparison) test(v, w string) bool {
	if k.Op == RegexMatch {
		return k.regex.match(v)
	}
	return k.Op.test(v, w)
}

func (o Operator) test(v, w string) bool {
	if o == FQNMatch {
		return fqnMatch(v, w)
	}
	return o.plain(v, w)
}

// plain applies an operator that compares texts as they are.
func (o Operator) plain(v, w string) bool {
	switch o {
	case BeginsWith:
		return strings.HasPrefix(v, w)
	case EndsWith:
		return strings.HasSuffix(v, w)
	case Contains:
		return strings.Contains(v, w)
	}
	return v == w
}

// assert adds the claims of r under an assignment.
func (e *evaluator) assert(a applied, r *Rule, slots []slot) {
	for i := range r.Claims {
		c := &r.Claims[i]
		if !c.Value.IsRef {
			text := c.Value.Text
			if c.Value.holds {
				text = substitute(text, a.bound)
			}
			e.derive(a, c, text)
			continue
		}
		for _, v := range slices.Clip(e.valuesOf(c.Value.Ref, slots)) {
			e.derive(a, c, v)
		}
	}
}

func (e *evaluator) derive(a applied, c *Assertion, value string) {
	k := Claim{Type: c.Type, Value: value}
	o := Origin{
		Document: a.doc.Name, System: a.doc.System, Line: int(c.Pos.Line),
		Realm: a.pol.Realm.Text, RealmLine: int(a.pol.Realm.Pos.Line), Scope: a.pol.Realm.scope(a.bound), depth: a.pol.Realm.depth(),
	}
	if e.known(k, o) {
		return
	}
	e.from[k] = append(e.from[k], o)
	if e.claims.add(k) {
		e.wake(k)
	}
	if len(e.from) > maxDerived && e.err == nil {
		e.err = tooMuch("more than 10,000 claims follow for one target")
	}
}

// known reports whether k is known to come from o.
func (e *evaluator) known(k Claim, o Origin) bool {
	from := e.from[k]
	if len(from) < 16 {
		return slices.Contains(from, o)
	}
	seen := e.seen[k]
	if seen == nil {
		if e.seen == nil {
			e.seen = map[Claim]map[originKey]bool{}
		}
		seen = make(map[originKey]bool, 2*len(from))
		for i := range from {
			seen[from[i].key()] = true
		}
		e.seen[k] = seen
	}
	had := seen[o.key()]
	seen[o.key()] = true
	return had
}
