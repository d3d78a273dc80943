package policy

import (
	"slices"
	"strings"
)

// rule is one conjunction of a written rule, ready to decide. It is small,
// since there is one for each rule that the platform holds; what most rules
// do not need is in more.
type rule struct {
	need uint64 // fingerprint of every atom that it asks for
	acts uint64 // actions that it permits
	key  *atom  // one of its atoms, nil if it has none
	more *extra
	src  *source
	line uint32
	ord  uint32 // of the rule in its document
}

// extra is what only some rules have.
type extra struct {
	atoms  []*atom // beside the key
	leaves []*leaf
	denies uint64
	heads  []head    // claims other than actions that have a bit
	subs   []subgoal // comparisons over claims that rules may derive
	shared *leaf     // the leaf of the rule's own shared references, one of leaves
	slots  []side    // the references of that leaf
	opaque bool      // asks for what only the evaluator can find out
	loose  []string  // types of the claims that it asserts with values nobody knows before
	acting bool      // asserts permit or deny with such a value
	via    []*rule   // of a combined rule: those that derive what it asks for
	base   *rule     // of a combined rule: the one it comes from
}

// head is a claim that a rule asserts.
type head struct {
	typ  string
	text text
	ref  *Reference // the value is each value of ref
	slot int32      // ref is that shared reference
}

// subgoal is a comparison over claims without issuer: rules may derive them,
// or the enforcement supply them.
type subgoal struct {
	typ   string
	op    Operator
	text  text
	regex *regex
	hash  uint64 // of typ and value, for an equality with a constant; else 0
}

// headHash is the hash under which derived claims of a constant value meet
// the equalities that ask for them.
func headHash(typ, value string) uint64 { return claimHash(refHash("", typ), value) }

// compiler turns the rules of one document into compiled ones.
type compiler struct {
	src   *source
	vars  Variables
	types *Registry
	names *names
	out   []rule
}

// names is what the documents of one compilation share.
type names struct {
	refs  map[Reference]*Reference
	atoms map[atomKey]*atom
	last  *Reference // that was asked for
}

type atomKey struct {
	ref   *Reference
	value string
}

func newNames() *names {
	return &names{refs: map[Reference]*Reference{}, atoms: map[atomKey]*atom{}, last: &Reference{}}
}

// maxRows bounds how many rules one rule over policy variables becomes.
const maxRows = 1000

func (c *compiler) ref(r Reference) *Reference {
	n := c.names
	if *n.last == r {
		return n.last
	}
	p := n.refs[r]
	if p == nil {
		p = canonical(r)
		n.refs[*p] = p
	}
	n.last = p
	return p
}

func (c *compiler) atom(r Reference, value string) *atom {
	k := atomKey{c.ref(r), value}
	a := c.names.atoms[k]
	if a == nil {
		k.value = strings.Clone(value)
		a = &atom{hash: claimHash(refHash(r.Issuer, r.Type), value), ref: k.ref, value: k.value}
		c.names.atoms[k] = a
	}
	return a
}

// policy appends the rules of p to those compiled.
func (c *compiler) policy(p *Policy, ord *uint32) {
	b := ruleBuilder{compiler: c, realm: &p.Realm}
	b.bindTokens()
	for _, r := range p.Rules {
		b.ord = *ord
		*ord++
		b.rule(r)
	}
}

// ruleBuilder compiles the rules of one policy.
type ruleBuilder struct {
	*compiler
	realm  *Realm
	tokens []binding // template to the text of its token number
	places []int32
	equal  []*leaf // templates that occur twice
	ord    uint32
	rows   map[string]map[string]string // row of each table of policy variables
	spare  extra                        // of the rule being compiled
}

func (b *ruleBuilder) bindTokens() {
	note := func(tok string, place int32) {
		if !isTemplate(tok) {
			return
		}
		name := tok[1 : len(tok)-1]
		for i, t := range b.tokens {
			if t.name == name {
				b.equal = append(b.equal, newLeaf(nil, []test{{left: side{text: text{{token: b.places[i]}}}, right: side{text: text{{token: place}}}}}))
				return
			}
		}
		b.tokens, b.places = append(b.tokens, binding{name: name}), append(b.places, place)
	}
	for i, tok := range b.realm.Namespace {
		note(tok, int32(i+1))
	}
	for i, tok := range b.realm.Local {
		note(tok, int32(-i-1))
	}
}

// text turns a text with templates into pieces.
func (b *ruleBuilder) text(o *Operand) text {
	if !o.holds || len(b.tokens) == 0 {
		return literal(o.Text)
	}
	var out text
	s, start := o.Text, 0
	for i := 0; i < len(s); {
		n := 0
		if s[i] == '[' {
			n = templateLen(s[i:])
		}
		place := int32(0)
		if n > 0 {
			if k := slices.IndexFunc(b.tokens, func(t binding) bool { return t.name == s[i+1:i+n-1] }); k >= 0 {
				place = b.places[k]
			}
		}
		if place == 0 {
			i++
			continue
		}
		if start < i {
			out = append(out, part{lit: s[start:i]})
		}
		out = append(out, part{token: place})
		i += n
		start = i
	}
	if start < len(s) || out == nil {
		out = append(out, part{lit: s[start:]})
	}
	return out
}

func (b *ruleBuilder) rule(r *Rule) {
	if b.common(r) {
		return
	}
	for i := range r.Claims {
		if unbound(&r.Claims[i].Value, b.tokens) {
			return
		}
	}
	choices := r.any
	if r.If == nil {
		choices = []conjunction{nil}
	}
	for _, c := range choices {
		b.rows = nil
		if !slices.ContainsFunc(c, func(k *Comparison) bool { return unbound(&k.Right, b.tokens) }) {
			b.expand(r, c)
		}
	}
}

// common compiles r if it is of the most common kind, which grants actions for
// one claim of the caller, and reports whether it was.
func (b *ruleBuilder) common(r *Rule) bool {
	if len(b.equal) > 0 || r.If == nil || r.If.Comparison == nil {
		return false
	}
	k := r.If.Comparison
	if !k.Op.equality() || k.Right.IsRef || k.Right.holds || k.Left.Issuer == "" || engineIssuer(k.Left.Issuer) {
		return false
	}
	out := rule{src: b.src, line: r.Pos.Line, ord: b.ord}
	for i := range r.Claims {
		a := &r.Claims[i]
		bit := b.types.bit(Action(a.Value.Text))
		if a.Type != "permit" || bit == 0 || a.Value.IsRef || a.Value.holds {
			return false
		}
		out.acts |= bit
	}
	out.key = b.atom(k.Left, k.Right.Text)
	out.need = fingerprint(out.key.hash)
	b.out = append(b.out, out)
	return true
}

// expand compiles c once for every combination of the rows it names.
func (b *ruleBuilder) expand(r *Rule, c conjunction) {
	var tables []string
	rows := 1
	for _, s := range slotsOf(r, c) {
		if s.table != "" {
			tables = append(tables, s.table)
			rows = min(rows*len(b.vars[s.table].Rows), maxRows+1)
		}
	}
	switch {
	case len(tables) == 0:
		b.conjunction(r, c)
	case rows > maxRows:
		b.opaque(r)
	default:
		b.rows = map[string]map[string]string{}
		b.row(r, c, tables)
	}
}

func (b *ruleBuilder) row(r *Rule, c conjunction, tables []string) {
	if len(tables) == 0 {
		b.conjunction(r, c)
		return
	}
	for _, row := range b.vars[tables[0]].Rows {
		b.rows[tables[0]] = row
		b.row(r, c, tables[1:])
	}
}

// opaque keeps what r may assert without saying when.
func (b *ruleBuilder) opaque(r *Rule) {
	out := b.start(r)
	out.more.opaque = true
	for i := range r.Claims {
		b.loose(&out, r.Claims[i].Type)
	}
	out.shrink()
	b.out = append(b.out, out)
}

func (b *ruleBuilder) loose(out *rule, typ string) {
	if typ == "permit" || typ == "deny" {
		out.more.acting = true
	}
	if !slices.Contains(out.more.loose, typ) {
		out.more.loose = append(out.more.loose, typ)
	}
}

func (b *ruleBuilder) start(r *Rule) rule {
	b.spare = extra{leaves: slices.Clip(b.equal)}
	return rule{more: &b.spare, src: b.src, line: r.Pos.Line, ord: b.ord}
}

// value resolves a reference that is a cell of the current row; known is
// false if it is no policy variable.
func (b *ruleBuilder) value(ref Reference) (v string, there, known bool) {
	table, column, pv := ref.split()
	if !pv {
		return "", false, false
	}
	v, there = b.rows[table][column]
	return v, there, true
}

// conjunction compiles one choice under the current rows.
func (b *ruleBuilder) conjunction(r *Rule, c conjunction) {
	out := b.start(r)
	m := out.more
	var slots []side
	for _, s := range slotsOf(r, c) {
		if s.table == "" {
			slots = append(slots, side{ref: b.ref(s.ref), hash: refHash(s.ref.Issuer, s.ref.Type), slot: int32(len(slots) + 1)})
			if s.ref.Issuer == "" {
				b.opaque(r)
				return
			}
		}
	}
	sideOf := func(ref Reference) side {
		for _, s := range slots {
			if *s.ref == ref {
				return s
			}
		}
		return side{ref: b.ref(ref), hash: refHash(ref.Issuer, ref.Type)}
	}
	var shared []test
	for _, k := range c {
		if len(slots) == 0 && k.Op.equality() && !k.Right.IsRef && !k.Right.holds && k.Left.Issuer != "" && k.Left.Issuer != policyVariables && !engineIssuer(k.Left.Issuer) {
			out.require(b.atom(k.Left, k.Right.Text)) // by far the most common
			continue
		}
		t := test{op: k.Op, regex: k.regex}
		if v, there, pv := b.value(k.Left); pv {
			if !there {
				return
			}
			t.left = side{text: literal(v)}
		} else {
			t.left = sideOf(k.Left)
		}
		switch {
		case !k.Right.IsRef:
			t.right = side{text: b.text(&k.Right)}
		default:
			if v, there, pv := b.value(k.Right.Ref); pv {
				if !there {
					return
				}
				t.right = side{text: literal(v)}
			} else {
				t.right = sideOf(k.Right.Ref)
			}
		}
		v, isConst := t.right.text.constant()
		isConst = isConst && t.right.ref == nil
		switch {
		case t.left.slot > 0 || t.right.slot > 0:
			if t.left.ref != nil && t.left.ref.Issuer == "" {
				b.opaque(r)
				return
			}
			shared = append(shared, t)
		case t.left.ref == nil:
			w, _ := t.left.text.constant()
			if isConst {
				if !k.test(w, v) {
					return
				}
				continue
			}
			m.leaves = append(m.leaves, newLeaf(nil, []test{t}))
		case t.left.ref.Issuer == "":
			s := subgoal{typ: t.left.ref.Type, op: t.op, text: t.right.text, regex: t.regex}
			if isConst && t.op.equality() {
				s.hash = headHash(s.typ, v)
			}
			m.subs = append(m.subs, s)
		case isConst && t.op.equality() && !engineIssuer(t.left.ref.Issuer):
			out.require(b.atom(*t.left.ref, v))
		default:
			m.leaves = append(m.leaves, newLeaf(nil, []test{t}))
		}
	}
	if len(shared) > 0 {
		m.shared, m.slots = newLeaf(slots, shared), slots
		m.leaves = append(m.leaves, m.shared)
	}
	b.heads(&out, r, slots)
	out.shrink()
	b.out = append(b.out, out)
}

// heads compiles what r asserts.
func (b *ruleBuilder) heads(out *rule, r *Rule, slots []side) {
	m := out.more
	add := func(typ string, x text) {
		v, isConst := x.constant()
		switch {
		case typ != "permit" && typ != "deny":
		case !isConst:
			b.loose(out, typ)
			return
		case b.types.bits[Action(v)] != 0 && typ == "permit":
			out.acts |= b.types.bits[Action(v)]
			return
		case b.types.bits[Action(v)] != 0:
			m.denies |= b.types.bits[Action(v)]
			return
		}
		m.heads = append(m.heads, head{typ: typ, text: x})
	}
	for i := range r.Claims {
		a := &r.Claims[i]
		if bit := b.types.bits[Action(a.Value.Text)]; a.Type == "permit" && bit != 0 && !a.Value.IsRef && !a.Value.holds {
			out.acts |= bit
			continue
		}
		if !a.Value.IsRef {
			add(a.Type, b.text(&a.Value))
			continue
		}
		table, column, pv := a.Value.Ref.split()
		switch {
		case pv && b.rows[table] != nil:
			if v, ok := b.rows[table][column]; ok {
				add(a.Type, literal(v))
			}
		case pv:
			for _, row := range b.vars[table].Rows {
				if v, ok := row[column]; ok {
					add(a.Type, literal(v))
				}
			}
		case a.Type == "permit" || a.Type == "deny" || a.Value.Ref.Issuer == "":
			b.loose(out, a.Type)
		default:
			h := head{typ: a.Type, ref: b.ref(a.Value.Ref)}
			for _, s := range slots {
				if *s.ref == a.Value.Ref {
					h.slot = s.slot
				}
			}
			m.heads = append(m.heads, h)
		}
	}
}

// require adds an atom to what r asks for.
func (r *rule) require(a *atom) {
	r.need |= fingerprint(a.hash)
	if r.key == nil {
		r.key = a
		return
	}
	if a.same(r.key) {
		return
	}
	for _, o := range r.more.atoms {
		if o.same(a) {
			return
		}
	}
	r.more.atoms = append(r.more.atoms, a)
}

func (a *atom) same(b *atom) bool {
	return a == b || a.hash == b.hash && a.value == b.value && *a.ref == *b.ref
}

// shrink gives r an extra of its own, or none if it needs none.
func (r *rule) shrink() {
	m := r.more
	if len(m.atoms) == 0 && len(m.leaves) == 0 && m.denies == 0 && len(m.heads) == 0 && len(m.subs) == 0 && !m.opaque && len(m.loose) == 0 {
		r.more = nil
		return
	}
	own := *m
	r.more = &own
}

// hot reports whether r by itself can decide: it grants or denies and asks
// for nothing that other rules derive.
func (r *rule) hot() bool {
	return (r.acts != 0 || r.more != nil && r.more.denies != 0) && (r.more == nil || len(r.more.subs) == 0 && !r.more.opaque)
}
