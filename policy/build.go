package policy

import (
	"cmp"
	"slices"
	"strings"
	"weak"
)

// builder makes one Set from another. Documents are taken away and added
// first; then every element that they speak of gets its new rules at once.
type builder struct {
	set   *Set
	txn   uint64
	names *names

	every   *shapes
	own     []*shapes // by number of the type; nil is untouched
	drops   map[*source]bool
	rules   []rule // of all that is added
	adds    []addition
	touched []touch
	locals  []named
}

// addition is a run of rules for one element.
type addition struct {
	from, to int
	next     int // the addition to the same element before this one; -1 is none
}

// touch is an element that changes.
type touch struct {
	element *element
	last    int // addition; -1 is none
	root    bool
}

// shapes is the shapes of one resource type while they change.
type shapes struct {
	by      map[string]*shape
	changed []changed
}

// changed is a place that may have become empty.
type changed struct {
	shape *shape
	place *place
}

// named is an element of one name, which may have become empty.
type named struct {
	end     *ends
	name    string
	element *element
}

func newBuilder(s *Set, txn uint64) *builder {
	return &builder{set: s, txn: txn, names: newNames(), own: make([]*shapes, len(s.roots)),
		drops: map[*source]bool{}}
}

// shapes returns the shapes of a type, to be changed.
func (b *builder) shapes(typ string) *shapes {
	at, from := &b.every, b.set.every
	if typ != "*" {
		i := b.set.types.index(typ)
		at, from = &b.own[i], b.set.roots[i]
	}
	if *at == nil {
		*at = &shapes{by: map[string]*shape{}}
		for i := range from {
			s := from[i]
			(*at).by[s.pattern] = &s
		}
	}
	return *at
}

func (b *builder) remove(name string) {
	src, ok := b.set.docs.get(name)
	if !ok {
		return
	}
	b.set.docs = b.set.docs.remove(b.txn, name)
	b.drops[src] = true
	for _, p := range src.document().Policies {
		b.element(&p.Realm, false)
	}
}

func (b *builder) add(d *Document) {
	src := &source{name: d.Name, text: d.Text, system: d.System}
	w := weak.Make(d)
	src.parsed.Store(&w)
	c := compiler{src: src, vars: b.set.vars, types: b.set.types, names: b.names, out: b.rules}
	src.tables = tablesOf(d)
	ord := uint32(0)
	for _, p := range d.Policies {
		from := len(c.out)
		c.policy(p, &ord)
		if len(c.out) == from {
			continue
		}
		t := &b.touched[b.element(&p.Realm, true).mark-1]
		b.adds = append(b.adds, addition{from, len(c.out), t.last})
		t.last = len(b.adds) - 1
	}
	b.rules = c.out
	b.set.docs = b.set.docs.put(b.txn, d.Name, src)
}

// element returns what stands at the place of a realm, to be changed; nil if
// nothing is there and make is false.
func (b *builder) element(r *Realm, make bool) *element {
	var pattern [16]byte
	var buf [128]byte
	pat, key := pattern[:0], buf[:0]
	for i, tok := range r.Namespace {
		if i > 0 {
			key = append(key, '/')
		}
		if isFree(tok) {
			pat, key = append(pat, '*'), append(key, '*')
		} else {
			pat, key = append(pat, 'a'), append(key, tok...)
		}
	}
	all := b.shapes(r.Type)
	s := all.by[string(pat)]
	if s == nil {
		if !make {
			return nil
		}
		s = newShape(string(pat))
		all.by[s.pattern] = s
	}
	h := s.hash(string(key))
	x := s.at(h, string(key))
	switch {
	case x == nil && !make:
		return nil
	case x == nil:
		x = b.place(all, s, h, &place{key: string(key)}, r)
	case x.below.mark == 0:
		x = b.place(all, s, h, x.clone(), r)
	}
	e := &x.below
	if r.Form != Subtree {
		if e = b.end(x, r, make); e == nil {
			return nil
		}
	}
	b.touch(e, false)
	return e
}

// touch makes sure that e has a mark.
func (b *builder) touch(e *element, root bool) {
	if e.mark == 0 {
		b.touched = append(b.touched, touch{element: e, last: -1, root: root})
		e.mark = int32(len(b.touched))
	}
}

// place puts a place that belongs to this change into its shape. That it does
// shows in the mark of what stands below it.
func (b *builder) place(all *shapes, s *shape, h uint64, x *place, r *Realm) *place {
	s.put(b.txn, h, x)
	b.touch(&x.below, len(r.Namespace) == 0)
	all.changed = append(all.changed, changed{s, x})
	return x
}

// clone returns a place whose elements can be changed.
func (x *place) clone() *place {
	n := &place{key: x.key}
	x.below.copyTo(&n.below)
	if x.end != nil {
		n.end = &ends{named: x.end.named, forms: slices.Clone(x.end.forms)}
		x.end.exact.copyTo(&n.end.exact)
		x.end.any.copyTo(&n.end.any)
	}
	return n
}

// copyTo makes to the same element for another version of its place.
func (e *element) copyTo(to *element) {
	to.rules, to.acts, to.some, to.hot = e.rules, e.acts, e.some, e.hot
	to.outcome.Store(e.outcome.Load())
}

// end returns the element of a realm with a local part at x.
func (b *builder) end(x *place, r *Realm, make bool) *element {
	if x.end == nil {
		if !make {
			return nil
		}
		x.end = &ends{}
	}
	switch {
	case r.Form == Exactly:
		return &x.end.exact
	case r.Any():
		return &x.end.any
	case slices.ContainsFunc(r.Local, isFree):
		return b.form(x.end, r, make)
	}
	name := strings.Join(r.Local, "/")
	old, ok := x.end.named.get(name)
	if ok && old.mark != 0 || !ok && !make {
		return old
	}
	e := &element{}
	if ok {
		old.copyTo(e)
	}
	x.end.named = x.end.named.put(b.txn, strings.Clone(name), e)
	b.locals = append(b.locals, named{x.end, name, e})
	return e
}

func (b *builder) form(end *ends, r *Realm, make bool) *element {
	tokens := slices.Clone(r.Local)
	for i, tok := range tokens {
		if tokens[i] = strings.Clone(tok); isFree(tok) {
			tokens[i] = "*"
		}
	}
	i := slices.IndexFunc(end.forms, func(f form) bool { return slices.Equal(f.tokens, tokens) })
	if i < 0 {
		if !make {
			return nil
		}
		e := &element{}
		end.forms = append(end.forms, form{tokens, e})
		return e
	}
	if old := end.forms[i].element; true {
		if old.mark != 0 {
			return old
		}
		e := &element{}
		old.copyTo(e)
		end.forms[i].element = e
	}
	return end.forms[i].element
}

// finish gives every touched element its rules and puts the shapes into the
// set.
func (b *builder) finish() {
	var runs []addition
	for _, t := range b.touched {
		e := t.element
		e.mark = 0
		runs = runs[:0]
		n, kept := 0, 0
		for i := t.last; i >= 0; i = b.adds[i].next {
			if a := b.adds[i]; !b.drops[b.rules[a.from].src] {
				runs = append(runs, a)
				n += a.to - a.from
			}
		}
		for i := range e.rules {
			if !b.drops[e.rules[i].src] {
				kept++
			}
		}
		if n == 0 && kept == len(e.rules) {
			continue
		}
		rules := make([]rule, 0, n+kept)
		for _, hot := range [2]bool{true, false} {
			for i := range e.rules {
				if r := &e.rules[i]; r.hot() == hot && !b.drops[r.src] {
					rules = append(rules, *r)
				}
			}
			for _, run := range slices.Backward(runs) {
				for i := run.from; i < run.to; i++ {
					if r := &b.rules[i]; r.hot() == hot {
						rules = append(rules, *r)
					}
				}
			}
		}
		if !t.root {
			b.set.askers -= e.asksPermit()
		}
		if e.fill(rules, t.root); !t.root {
			b.set.askers += e.asksPermit()
		}
	}
	for _, n := range b.locals {
		if n.element.empty() {
			n.end.named = n.end.named.remove(b.txn, n.name)
		}
	}
	everyChanged := b.every != nil
	if everyChanged {
		b.set.every = b.every.finish(b.txn)
	}
	b.set.plans = slices.Clone(b.set.plans)
	for i, s := range b.own {
		if s != nil {
			b.set.roots[i] = s.finish(b.txn)
		}
		if s != nil || everyChanged {
			b.set.plans[i] = newPlan(b.set.every, b.set.roots[i])
		}
	}
	if everyChanged {
		b.set.untyped = newPlan(b.set.every, nil)
	}
}

// finish drops what has become empty and returns the shapes in order.
func (a *shapes) finish(txn uint64) []shape {
	for _, c := range a.changed {
		if c.place.tidy() {
			c.shape.remove(txn, c.place.key)
		}
	}
	var out []shape
	for _, s := range a.by {
		if s.count > 0 {
			out = append(out, *s)
		}
	}
	slices.SortFunc(out, func(a, b shape) int { return cmp.Compare(a.pattern, b.pattern) })
	return out
}

// tidy drops the elements without rules and reports whether none is left.
func (x *place) tidy() bool {
	if e := x.end; e != nil {
		e.forms = slices.DeleteFunc(e.forms, func(f form) bool { return f.element.empty() })
		if e.exact.empty() && e.any.empty() && e.named.count == 0 && len(e.forms) == 0 {
			x.end = nil
		}
	}
	return x.end == nil && x.below.empty()
}

// tablesOf returns the tables of policy variables that d names.
func tablesOf(d *Document) []string {
	var out []string
	note := func(r Reference) {
		if t, _, ok := r.split(); ok && !slices.Contains(out, t) {
			out = append(out, strings.Clone(t))
		}
	}
	for _, p := range d.Policies {
		for _, r := range p.Rules {
			for _, c := range r.any {
				for _, k := range c {
					note(k.Left)
					note(k.Right.Ref)
				}
			}
			for i := range r.Claims {
				note(r.Claims[i].Value.Ref)
			}
		}
	}
	return out
}
