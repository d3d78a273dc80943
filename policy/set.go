package policy

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"weak"

	"github.com/atoll-platform/atoll"
)

// Set is a compiled set of documents with its tables and types. It is
// immutable and safe for concurrent use: what a reader has is one version of
// the whole, and a change makes another Set that shares what did not change.
type Set struct {
	types *Registry
	vars  Variables
	every *node   // realms of every type
	roots []*node // by number of the type
	docs  table[*source]
}

// source is a document in a Set.
type source struct {
	name   string
	text   string
	system bool
	tables []string // of policy variables that it names
	parsed atomic.Pointer[weak.Pointer[Document]]
}

// document returns the parsed text. It is parsed again if nobody needed it
// for a while: decisions do not.
func (s *source) document() *Document {
	if w := s.parsed.Load(); w != nil {
		if d := w.Value(); d != nil {
			return d
		}
	}
	d, _ := Parse(s.name, s.text)
	if d == nil { // cannot be: it was parsed before
		d = &Document{Name: s.name}
	}
	d.System = s.system
	w := weak.Make(d)
	s.parsed.Store(&w)
	return d
}

var transactions atomic.Uint64

// Compile checks and compiles documents. If any finding is an error the Set
// is nil. Documents must have different names; of several with one name the
// last counts. A nil types is the builtin ones.
func Compile(docs []*Document, vars Variables, types *Registry) (*Set, []Diagnostic) {
	if types == nil {
		types, _ = NewRegistry(nil)
	}
	empty := &Set{types: types, vars: vars, roots: make([]*node, len(types.order))}
	return empty.change(docs, nil)
}

// With returns the set with the documents in put added or replaced and those
// named in drop removed. Only the places that these documents speak about are
// touched. If any finding is an error the Set is nil and s is still valid.
func (s *Set) With(put []*Document, drop []string) (*Set, []Diagnostic) {
	return s.change(put, drop)
}

// WithVariables returns the set with other tables: documents that name a
// table are compiled again.
func (s *Set) WithVariables(vars Variables) (*Set, []Diagnostic) {
	n := *s
	n.vars = vars
	var again []*Document
	s.docs.all(func(_ string, src *source) bool {
		if len(src.tables) > 0 {
			again = append(again, src.document())
		}
		return true
	})
	return n.change(again, nil)
}

// change is one transaction on the set.
func (s *Set) change(put []*Document, drop []string) (*Set, []Diagnostic) {
	var found []Diagnostic
	for _, d := range put {
		found = append(found, checkDocument(d, s.vars, s.types)...)
	}
	if HasErrors(found) {
		return nil, found
	}
	n := *s
	n.roots = slices.Clone(s.roots)
	b := builder{set: &n, txn: transactions.Add(1), atoms: map[Claim]*atom{}, refs: map[Reference]*Reference{}}
	for _, name := range drop {
		b.remove(name)
	}
	for _, d := range put {
		b.remove(d.Name)
		b.add(d)
	}
	return &n, found
}

// builder makes one Set from another.
type builder struct {
	set   *Set
	txn   uint64
	atoms map[Claim]*atom
	refs  map[Reference]*Reference
}

// root returns where the tree of a type hangs.
func (b *builder) root(typ string) **node {
	if typ == "*" {
		return &b.set.every
	}
	return &b.set.roots[b.set.types.index(typ)]
}

func (b *builder) remove(name string) {
	src, ok := b.set.docs.get(name)
	if !ok {
		return
	}
	b.set.docs = b.set.docs.remove(b.txn, name)
	for _, p := range src.document().Policies {
		root := b.root(p.Realm.Type)
		ed := edit{txn: b.txn, drop: src}
		*root = ed.at(*root, &p.Realm, p.Realm.Namespace)
	}
}

func (b *builder) add(d *Document) {
	src := &source{name: d.Name, text: d.Text, system: d.System}
	w := weak.Make(d)
	src.parsed.Store(&w)
	c := compiler{src: src, vars: b.set.vars, types: b.set.types, atoms: b.atoms, refs: b.refs}
	src.tables = tablesOf(d)
	type place struct {
		realm *Realm
		rules []rule
	}
	var places []place
	byRealm := map[string]int{}
	ord := uint32(0)
	for _, p := range d.Policies {
		rules := c.policy(p, &ord)
		if len(rules) == 0 {
			continue
		}
		if len(d.Policies) == 1 {
			places = append(places, place{&p.Realm, rules})
			break
		}
		k := placeKey(&p.Realm)
		i, ok := byRealm[k]
		if !ok {
			i = len(places)
			byRealm[k] = i
			places = append(places, place{&p.Realm, rules})
			continue
		}
		places[i].rules = append(places[i].rules, rules...)
	}
	for _, p := range places {
		root := b.root(p.realm.Type)
		ed := edit{txn: b.txn, add: newBlock(src, p.rules)}
		*root = ed.at(*root, p.realm, p.realm.Namespace)
	}
	b.set.docs = b.set.docs.put(b.txn, d.Name, src)
}

// placeKey is equal for realms whose rules stand at the same place.
func placeKey(r *Realm) string {
	var b strings.Builder
	b.WriteString(r.Type)
	write := func(tokens []string, sep string) {
		for _, tok := range tokens {
			if isFree(tok) {
				tok = "*"
			}
			b.WriteString(sep + tok)
		}
	}
	write(r.Namespace, "/")
	switch {
	case r.Form == Exactly:
		b.WriteString("::")
	case r.Any():
		b.WriteString("::::")
	case r.Form == Named:
		write(r.Local, "::")
	}
	return b.String()
}

// tablesOf returns the tables of policy variables that d names.
func tablesOf(d *Document) []string {
	var out []string
	note := func(r Reference) {
		if t, _, ok := r.split(); ok && !slices.Contains(out, t) {
			out = append(out, t)
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

// elements returns the elements that cover t, in the order of a decision.
func (s *Set) elements(t Target) []*element {
	return s.pair(s.types.index(t.Type)).elements(strings.TrimPrefix(t.Namespace, "/"), t.Local, nil)
}

// pair returns the trees of the type with that number; -1 is none.
func (s *Set) pair(index int) pair {
	if index < 0 {
		return pair{every: s.every}
	}
	return pair{s.every, s.roots[index]}
}

// unfold works out every outcome that a decision about t needs.
func (s *Set) unfold(t Target) []*outcome { return unfold(s.elements(t), s.types) }

// Documents returns the names of the documents in order.
func (s *Set) Documents() []string {
	var out []string
	s.docs.all(func(name string, _ *source) bool {
		out = append(out, name)
		return true
	})
	slices.Sort(out)
	return out
}

// Document returns the document called name, or nil. It is a constant.
func (s *Set) Document(name string) *Document {
	if src, ok := s.docs.get(name); ok {
		return src.document()
	}
	return nil
}

// Types returns the resource types of the set.
func (s *Set) Types() *Registry { return s.types }

// Variables returns the tables of the set. They are constants.
func (s *Set) Variables() Variables { return s.vars }

// Live holds the active Set. Readers load it without waiting; a change is
// built aside and becomes active as a whole, or not at all. The zero Live
// holds an empty set of builtin types.
type Live struct {
	mu  sync.Mutex // one writer at a time
	set atomic.Pointer[Set]
}

// NewLive returns a Live that holds set.
func NewLive(set *Set) *Live {
	l := &Live{}
	l.set.Store(set)
	return l
}

// Load returns the active set.
func (l *Live) Load() *Set {
	if s := l.set.Load(); s != nil {
		return s
	}
	s, _ := Compile(nil, nil, nil)
	l.set.CompareAndSwap(nil, s)
	return l.set.Load()
}

// Store makes set the active one.
func (l *Live) Store(set *Set) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.set.Store(set)
}

// Update makes the active set the one that change returns for it, unless
// change fails. Whoever loads after Update returned sees the new set.
func (l *Live) Update(change func(*Set) (*Set, error)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	next, err := change(l.Load())
	if err != nil {
		return atoll.Wrap("policy.Live.Update", err)
	}
	if next == nil {
		return atoll.Errorf(atoll.Internal, "policy.Live.Update", "the change made no set")
	}
	l.set.Store(next)
	return nil
}
