package policy

import (
	"slices"
	"strings"
	"sync/atomic"
)

// node is one namespace token in the tree of one resource type. Nodes are
// changed by copying: a change copies the path from the root to the node.
type node struct {
	txn   uint64
	kids  table[*node]
	wild  *node // for * and templates
	below *element
	end   *ends
}

// ends holds the rules of realms with a local part at one namespace.
type ends struct {
	exact *element // "::"
	any   *element // "::*"
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

// element is the rules that stand at one place of the tree. It is immutable
// but for what has been worked out about it.
type element struct {
	blocks  []*block
	outcome atomic.Pointer[outcome]
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

// change returns e without the block of drop and with add.
func (e *element) change(drop *source, add *block) *element {
	n := &element{}
	if e != nil {
		n.blocks = make([]*block, 0, len(e.blocks)+1)
		for _, b := range e.blocks {
			if b.src != drop {
				n.blocks = append(n.blocks, b)
			}
		}
	}
	if add != nil {
		n.blocks = append(n.blocks, add)
	}
	if len(n.blocks) == 0 {
		return nil
	}
	return n
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
		c := *n
		c.txn = ed.txn
		n = &c
	}
	if len(namespace) > 0 {
		tok := namespace[0]
		if isFree(tok) {
			n.wild = ed.at(n.wild, r, namespace[1:])
			return n.orNil()
		}
		kid, had := n.kids.get(tok)
		switch after := ed.at(kid, r, namespace[1:]); {
		case after == nil && had:
			n.kids = n.kids.remove(ed.txn, tok)
		case after != nil && after != kid:
			if !had {
				tok = strings.Clone(tok)
			}
			n.kids = n.kids.put(ed.txn, tok, after)
		}
		return n.orNil()
	}
	if r.Form == Subtree {
		n.below = n.below.change(ed.drop, ed.add)
		return n.orNil()
	}
	end := &ends{}
	if n.end != nil {
		*end = *n.end
	}
	switch {
	case r.Form == Exactly:
		end.exact = end.exact.change(ed.drop, ed.add)
	case r.Any():
		end.any = end.any.change(ed.drop, ed.add)
	case slices.ContainsFunc(r.Local, isFree):
		ed.atForm(end, r)
	default:
		name := strings.Join(r.Local, "/")
		old, _ := end.named.get(name)
		if e := old.change(ed.drop, ed.add); e != nil {
			end.named = end.named.put(ed.txn, name, e)
		} else {
			end.named = end.named.remove(ed.txn, name)
		}
	}
	n.end = end
	if end.exact == nil && end.any == nil && end.named.count == 0 && len(end.forms) == 0 {
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
		end.forms = append(end.forms, form{tokens: tokens})
	}
	if end.forms[i].element = end.forms[i].element.change(ed.drop, ed.add); end.forms[i].element == nil {
		end.forms = slices.Delete(end.forms, i, i+1)
	}
}

// orNil returns nil for a node that holds nothing.
func (n *node) orNil() *node {
	if n.kids.count == 0 && n.wild == nil && n.below == nil && n.end == nil {
		return nil
	}
	return n
}

// elements appends the elements that cover the rest of a target, in the order
// in which decisions visit them: free tokens before literal ones, so that
// what follows a literal token depends on the tokens after it as little as
// can be.
func (n *node) elements(rest, local string, out []*element) []*element {
	for n != nil {
		if n.below != nil {
			out = append(out, n.below)
		}
		if rest == "" {
			if n.end != nil {
				out = n.end.elements(local, out)
			}
			return out
		}
		tok, tail, _ := strings.Cut(rest, "/")
		if n.wild != nil {
			out = n.wild.elements(tail, local, out)
		}
		n, _ = n.kids.get(tok)
		rest = tail
	}
	return out
}

func (e *ends) elements(local string, out []*element) []*element {
	if e.exact != nil {
		out = append(out, e.exact)
	}
	if local == "" {
		return out
	}
	if e.any != nil {
		out = append(out, e.any)
	}
	for i := range e.forms {
		if e.forms[i].covers(local) {
			out = append(out, e.forms[i].element)
		}
	}
	if x, ok := e.named.get(local); ok {
		out = append(out, x)
	}
	return out
}
