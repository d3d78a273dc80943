package policy

import (
	"cmp"
	"hash/maphash"
	"slices"
	"strings"
	"sync/atomic"
)

// place is one namespace that realms of a resource type name: what stands for
// it and everything below, and what for it alone.
type place struct {
	key   string  // the namespace without its first slash, "*" for what is free
	below element // rules of realms without local part
	end   *ends
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

// element is the rules that stand at one place; those that can decide by
// themselves come first. It is immutable but for what has been worked out
// about it.
type element struct {
	outcome atomic.Pointer[outcome]
	rules   []rule
	acts    uint64 // that any of the hot rules permits
	some    uint64 // as in ruleGroup, of the hot rules
	hot     int32  // rules in front that can decide by themselves, or plain
	mark    int32  // 1 + the number of its change while a builder works on it
}

// plain as the number of hot rules says that a decision may read the rules
// as they are, see Set.plainAfter.
const plain = -1

// empty reports whether nothing stands at the element.
func (e *element) empty() bool { return len(e.rules) == 0 }

// fill gives e other rules. Root is for what covers a whole type: rules there
// may ask for what plain rules grant.
func (e *element) fill(rules []rule, root bool) {
	e.outcome.Store(nil)
	e.rules, e.acts, e.some, e.hot = rules, 0, 0, 0
	asIs := !root && len(rules) < indexFrom
	for i := range rules {
		r := &rules[i]
		if !r.hot() {
			asIs = false
			break
		}
		e.hot++
		e.acts |= r.acts
		if e.some |= r.need; r.need == 0 {
			e.some = ^uint64(0)
		}
		asIs = asIs && r.plain()
	}
	if asIs {
		e.hot = plain
	}
}

// plain reports whether all that r does is to permit, on conditions that only
// the caller and the enforcement can fulfil.
func (r *rule) plain() bool {
	m := r.more
	return m == nil || m.denies == 0 && len(m.heads) == 0 && len(m.subs) == 0 && len(m.loose) == 0 && !m.opaque && !m.acting
}

// asksPermit returns how many rules of e ask for what other rules permit.
func (e *element) asksPermit() (n int) {
	for i := range e.rules {
		if m := e.rules[i].more; m != nil && slices.ContainsFunc(m.subs, func(s subgoal) bool { return s.typ == "permit" }) {
			n++
		}
	}
	return n
}

// shape is all places whose namespaces have as many tokens and the free ones
// at the same positions. A decision looks into each shape once, by hash, so
// what it costs depends on the shapes in use and not on how many places there
// are or what lies between them.
type shape struct {
	pattern string // a byte for each token: '*' is free, 'a' literal
	wild    bool   // a token is free
	tail    bool   // the last one alone, behind a literal one
	placeTable
}

func newShape(pattern string) *shape {
	free := strings.IndexByte(pattern, '*')
	return &shape{pattern: pattern, wild: free >= 0, tail: free > 0 && free == len(pattern)-1}
}

// plan is the shapes that a decision about one type looks into, in order: what
// stands higher first, then free tokens before literal ones, and realms of
// every type before those of one. So what an element means depends as little
// as can be on literal names that it does not lie under.
type plan struct {
	shapes []shape
	depth  int // tokens of the longest pattern
}

// newPlan merges two ordered lists of shapes.
func newPlan(every, own []shape) plan {
	p := plan{shapes: slices.Concat(every, own)}
	slices.SortStableFunc(p.shapes, func(a, b shape) int { return cmp.Compare(a.pattern, b.pattern) })
	for i := range p.shapes {
		p.depth = max(p.depth, len(p.shapes[i].pattern))
	}
	return p
}

// path is the namespace of a target, cut into tokens.
type path struct {
	text string
	ends []int32 // where the tokens end
	more bool    // there are tokens behind them
}

// inlineTokens is how many tokens of a path need no memory of their own.
const inlineTokens = 24

// cutPath appends where the first tokens of text end, at most n of them.
func cutPath(text string, ends []int32, n int) (_ []int32, more bool) {
	for at := 0; at < len(text); {
		if len(ends) == n {
			return ends, true
		}
		if i := strings.IndexByte(text[at:], '/'); i >= 0 {
			at += i
		} else {
			at = len(text)
		}
		ends = append(ends, int32(at))
		at++
	}
	return ends, false
}

// token returns token i.
func (p *path) token(i int) string {
	start := int32(0)
	if i > 0 {
		start = p.ends[i-1] + 1
	}
	return p.text[start:p.ends[i]]
}

// find returns the place of s that covers p, or nil.
func (s *shape) find(p *path) *place {
	n := len(s.pattern)
	if s.wild {
		return s.findWild(p)
	}
	key := ""
	if n > 0 {
		key = p.text[:p.ends[n-1]]
	}
	if s.pages == nil {
		for _, x := range s.small {
			if x.key == key {
				return x
			}
		}
		return nil
	}
	h := maphash.String(seed, key)
	slots := s.pages[h>>s.shift].slots
	for i := h; ; i++ {
		e := &slots[i&uint64(len(slots)-1)]
		if e.place == nil {
			return nil
		}
		if e.hash == h && e.place.key == key {
			return e.place
		}
	}
}

// findWild is find for a shape with free tokens.
func (s *shape) findWild(p *path) *place {
	if s.pages == nil {
		if s.tail {
			return s.findTail(p)
		}
		for _, x := range s.small {
			if s.matches(x, p) {
				return x
			}
		}
		return nil
	}
	h := uint64(0)
	for i := range len(s.pattern) {
		if s.pattern[i] != '*' {
			h = mix(h ^ maphash.String(seed, p.token(i)))
		}
	}
	slots := s.pages[h>>s.shift].slots
	for i := h; ; i++ {
		e := &slots[i&uint64(len(slots)-1)]
		if e.place == nil {
			return nil
		}
		if e.hash == h && s.matches(e.place, p) {
			return e.place
		}
	}
}

// findTail is findWild among a few places of which the last token is free.
func (s *shape) findTail(p *path) *place {
	key := p.text[:p.ends[len(s.pattern)-2]]
	for _, x := range s.small {
		if len(x.key) == len(key)+2 && x.key[:len(key)] == key {
			return x
		}
	}
	return nil
}

// matches compares the literal tokens of the key of x with those of p.
func (s *shape) matches(x *place, p *path) bool {
	key, start := x.key, int32(0)
	for i := range len(s.pattern) {
		end := p.ends[i]
		if s.pattern[i] == '*' {
			key, start = key[min(2, len(key)):], end+1
			continue
		}
		tok := p.text[start:end]
		if len(key) < len(tok) || key[:len(tok)] != tok || len(key) > len(tok) && key[len(tok)] != '/' {
			return false
		}
		key, start = key[min(len(tok)+1, len(key)):], end+1
	}
	return key == ""
}

// hash is the hash under which find looks for a namespace of the shape.
func (s *shape) hash(key string) uint64 {
	if !s.wild {
		return maphash.String(seed, key)
	}
	h := uint64(0)
	for tok := range strings.SplitSeq(key, "/") {
		if tok != "*" {
			h = mix(h ^ maphash.String(seed, tok))
		}
	}
	return h
}
