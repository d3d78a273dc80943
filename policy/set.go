package policy

import (
	"iter"
	"slices"
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
	docs  table[*source]

	every   []shape   // of realms of every type
	roots   [][]shape // by number of the type
	plans   []plan    // by number of the type
	untyped plan      // of a type that is not registered
	askers  int       // rules that ask what others permit, but for those about a whole type
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
	return CompileSeq(slices.Values(docs), vars, types)
}

// CompileSeq is Compile for documents that are parsed one after another. Each
// is done with before the next one is asked for, so what many documents parse
// to need not be in memory at the same time.
func CompileSeq(docs iter.Seq[*Document], vars Variables, types *Registry) (*Set, []Diagnostic) {
	if types == nil {
		types, _ = NewRegistry(nil)
	}
	n := len(types.order)
	empty := &Set{types: types, vars: vars, roots: make([][]shape, n), plans: make([]plan, n)}
	return empty.change(docs, nil)
}

// With returns the set with the documents in put added or replaced and those
// named in drop removed. Only the places that these documents speak about are
// touched. If any finding is an error the Set is nil and s is still valid.
func (s *Set) With(put []*Document, drop []string) (*Set, []Diagnostic) {
	return s.change(slices.Values(put), drop)
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
	return n.change(slices.Values(again), nil)
}

// change is one transaction on the set.
func (s *Set) change(put iter.Seq[*Document], drop []string) (*Set, []Diagnostic) {
	var found []Diagnostic
	bad := false
	n := *s
	n.roots = slices.Clone(s.roots)
	b := newBuilder(&n, transactions.Add(1))
	for _, name := range drop {
		b.remove(name)
	}
	for d := range put {
		ds := checkDocument(d, s.vars, s.types)
		found = append(found, ds...)
		if bad = bad || HasErrors(ds); bad {
			continue // for the other findings
		}
		b.remove(d.Name)
		b.add(d)
	}
	if bad {
		return nil, found
	}
	b.finish()
	return &n, found
}

// elements returns the elements that cover t, in the order of a decision.
func (s *Set) elements(t Target) []*element {
	var out []*element
	q := request{target: t, collect: &out}
	q.walk(s.plan(s.types.index(t.Type)))
	return out
}

// plan returns what a decision about the type with that number looks into; -1
// is none of the types.
func (s *Set) plan(index int) *plan {
	if index < 0 {
		return &s.untyped
	}
	return &s.plans[index]
}

// unfold works out every outcome that a decision about t needs.
func (s *Set) unfold(t Target) []*outcome { return s.unfoldAll(s.elements(t)) }

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
