package policy

import (
	"slices"
	"strings"
	"sync/atomic"
)

// node is one namespace token in the tree of one resource type. Nodes are
// changed by copying: a change copies the path from the root to the node.
type node struct {
	below element       // rules of realms without local part
	kids  *table[*node] // nil is none
	wild  *node         // for * and templates
	end   *ends
	txn   uint64

	kidsTxn uint64 // that kids belongs to
}

// ends holds the rules of realms with a local part at one namespace.
type ends struct {
	exact element // "::"
	any   element // "::*"
	named table[*element]
	forms []form // local names with * or templates in them
}

type form struct {
	tokens  []string // "*" for what is free
	element *element
}

func (f *form) covers(local string) bool {
	for i, tok := range f.tokens {
		got, rest, more := strings.Cut(local, "/")
		if tok != "*" && tok != got || more != (i < len(f.tokens)-1) {
			return false
		}
		local = rest
	}
	return true
}

// element is the rules that stand at one place of the tree; without blocks
// there are none. It is immutable but for what has been worked out about it.
type element struct {
	outcome atomic.Pointer[outcome]
	blocks  []*block
}

// copyTo makes to the same element for another version of the tree.
func (e *element) copyTo(to *element) {
	to.blocks = e.blocks
	to.outcome.Store(e.outcome.Load())
}

// block is the rules of one document at one place; those that can decide by
// themselves come first.
type block struct {
	src   *source
	rules []rule
	hot   int
}

func newBlock(src *source, rules []rule) *block {
	b := &block{src: src, rules: make([]rule, 0, len(rules))}
	for _, r := range rules {
		if r.hot() {
			b.rules = append(b.rules, r)
		}
	}
	b.hot = len(b.rules)
	for _, r := range rules {
		if !r.hot() {
			b.rules = append(b.rules, r)
		}
	}
	return b
}

// change makes e an element without the block of drop and with add.
func (e *element) change(drop *source, add *block) {
	blocks := make([]*block, 0, len(e.blocks)+1)
	for _, b := range e.blocks {
		if b.src != drop {
			blocks = append(blocks, b)
		}
	}
	if add != nil {
		blocks = append(blocks, add)
	}
	if len(blocks) == 0 {
		blocks = nil
	}
	e.blocks = slices.Clip(blocks)
	e.outcome.Store(nil)
}

// edit is one change of the rules at the place of a realm.
type edit struct {
	txn  uint64
	drop *source // whose block goes
	add  *block  // what comes
}

// at returns the tree with the edit made at the place of r; a tree without
// rules is nil.
func (ed *edit) at(n *node, r *Realm, namespace []string) *node {
	switch {
	case n == nil && ed.add == nil:
		return nil
	case n == nil:
		n = &node{txn: ed.txn}
	case n.txn != ed.txn:
		c := &node{kids: n.kids, wild: n.wild, end: n.end, txn: ed.txn}
		n.below.copyTo(&c.below)
		n = c
	}
	if len(namespace) > 0 {
		tok := namespace[0]
		if isFree(tok) {
			n.wild = ed.at(n.wild, r, namespace[1:])
			return n.orNil()
		}
		kid, had := n.kid(tok)
		switch after := ed.at(kid, r, namespace[1:]); {
		case after == nil && had:
			n.setKids(ed.txn, n.kids.remove(ed.txn, tok))
		case after != nil && after != kid:
			if !had {
				tok = strings.Clone(tok)
			}
			var kids table[*node]
			if n.kids != nil {
				kids = *n.kids
			}
			n.setKids(ed.txn, kids.put(ed.txn, tok, after))
		}
		return n.orNil()
	}
	if r.Form == Subtree {
		n.below.change(ed.drop, ed.add)
		return n.orNil()
	}
	end := &ends{}
	if n.end != nil {
		end.named, end.forms = n.end.named, n.end.forms
		n.end.exact.copyTo(&end.exact)
		n.end.any.copyTo(&end.any)
	}
	switch {
	case r.Form == Exactly:
		end.exact.change(ed.drop, ed.add)
	case r.Any():
		end.any.change(ed.drop, ed.add)
	case slices.ContainsFunc(r.Local, isFree):
		ed.atForm(end, r)
	default:
		name := strings.Join(r.Local, "/")
		e := &element{}
		if old, ok := end.named.get(name); ok {
			old.copyTo(e)
		}
		if e.change(ed.drop, ed.add); e.blocks != nil {
			end.named = end.named.put(ed.txn, name, e)
		} else {
			end.named = end.named.remove(ed.txn, name)
		}
	}
	n.end = end
	if end.exact.blocks == nil && end.any.blocks == nil && end.named.count == 0 && len(end.forms) == 0 {
		n.end = nil
	}
	return n.orNil()
}

func (ed *edit) atForm(end *ends, r *Realm) {
	tokens := slices.Clone(r.Local)
	for i, tok := range tokens {
		if isFree(tok) {
			tokens[i] = "*"
		}
	}
	end.forms = slices.Clone(end.forms)
	i := slices.IndexFunc(end.forms, func(f form) bool { return slices.Equal(f.tokens, tokens) })
	if i < 0 {
		i = len(end.forms)
		end.forms = append(end.forms, form{tokens, &element{}})
	}
	e := &element{}
	end.forms[i].element.copyTo(e)
	if e.change(ed.drop, ed.add); e.blocks == nil {
		end.forms = slices.Delete(end.forms, i, i+1)
	} else {
		end.forms[i].element = e
	}
}

// kid returns the node of a literal token.
func (n *node) kid(tok string) (*node, bool) {
	if n.kids == nil {
		return nil, false
	}
	return n.kids.get(tok)
}

// setKids replaces the kids of a node that belongs to txn.
func (n *node) setKids(txn uint64, kids table[*node]) {
	switch {
	case kids.count == 0:
		n.kids = nil
	case n.kidsTxn == txn && n.kids != nil:
		*n.kids = kids
	default:
		n.kids, n.kidsTxn = &kids, txn
	}
}

// orNil returns nil for a node that holds nothing.
func (n *node) orNil() *node {
	if n.kids == nil && n.wild == nil && n.below.blocks == nil && n.end == nil {
		return nil
	}
	return n
}

// pair is the two trees that a target lies in: that of every type, and that
// of its own. Either may be nil.
type pair struct{ every, own *node }

// elements appends the elements that cover the rest of a target, in the order
// in which decisions visit them: what stands higher first, then free tokens
// before literal ones. So what an element means depends as little as can be
// on literal names that it does not lie under.
func (p pair) elements(rest, local string, out []*element) []*element {
	for p.every != nil || p.own != nil {
		for _, n := range [2]*node{p.every, p.own} {
			if n != nil && n.below.blocks != nil {
				out = append(out, &n.below)
			}
		}
		if rest == "" {
			return p.ends(local, out)
		}
		tok, tail, _ := strings.Cut(rest, "/")
		if w := p.wild(); w != (pair{}) {
			out = w.elements(tail, local, out)
		}
		p, rest = p.kid(tok), tail
	}
	return out
}

func (p pair) wild() (w pair) {
	if p.every != nil {
		w.every = p.every.wild
	}
	if p.own != nil {
		w.own = p.own.wild
	}
	return w
}

func (p pair) kid(tok string) (k pair) {
	if p.every != nil && p.every.kids != nil {
		k.every, _ = p.every.kids.get(tok)
	}
	if p.own != nil && p.own.kids != nil {
		k.own, _ = p.own.kids.get(tok)
	}
	return k
}

func (p pair) ends(local string, out []*element) []*element {
	for _, n := range [2]*node{p.every, p.own} {
		if n == nil || n.end == nil {
			continue
		}
		if n.end.exact.blocks != nil {
			out = append(out, &n.end.exact)
		}
		if local == "" {
			continue
		}
		if n.end.any.blocks != nil {
			out = append(out, &n.end.any)
		}
		for i := range n.end.forms {
			if n.end.forms[i].covers(local) {
				out = append(out, n.end.forms[i].element)
			}
		}
	}
	if local == "" {
		return out
	}
	for _, n := range [2]*node{p.every, p.own} {
		if n != nil && n.end != nil && n.end.named.count > 0 {
			if x, ok := n.end.named.get(local); ok {
				out = append(out, x)
			}
		}
	}
	return out
}
