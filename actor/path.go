package actor

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Path picks a value out of an event: names with dots between them, "name[2]"
// for an element, "name['any text']" for a member with any name, "*" for the
// current value. The empty path is the whole event. Paths are immutable.
type Path struct {
	text  string
	steps []step
}

// step is one element of a path.
type step struct {
	name  string
	key   Key
	op    stepOp
	index int    // of stepIndex; negative is missing
	sub   string // of stepMember
}

type stepOp uint8

const (
	stepName stepOp = iota
	stepSelf
	stepIndex
	stepMember
)

// ParsePath returns the path that s spells, and false if it spells none; then
// the Path is one that finds nothing anywhere.
func ParsePath(s string) (Path, bool) {
	p := pathParser{s: s}
	p.space()
	if p.i == len(s) {
		return Path{text: s}, true
	}
	var steps []step
	for {
		st, ok := p.element()
		if !ok {
			break
		}
		steps = append(steps, st)
		if p.i == len(s) {
			return Path{text: s, steps: steps}, true
		}
		if !p.take('.') {
			break
		}
	}
	return Path{text: s, steps: []step{{op: stepIndex, index: -1}}}, false
}

// String returns the path as it was written.
func (p Path) String() string { return p.text }

type pathParser struct {
	s string
	i int
}

func (p *pathParser) space() {
	for p.i < len(p.s) {
		r, n := utf8.DecodeRuneInString(p.s[p.i:])
		if !unicode.IsSpace(r) {
			return
		}
		p.i += n
	}
}

// take passes c and the space behind it.
func (p *pathParser) take(c byte) bool {
	if p.i < len(p.s) && p.s[p.i] == c {
		p.i++
		p.space()
		return true
	}
	return false
}

func (p *pathParser) element() (step, bool) {
	if p.take('*') {
		return step{op: stepSelf}, true
	}
	from := p.i
	for p.i < len(p.s) {
		r, n := utf8.DecodeRuneInString(p.s[p.i:])
		letter := unicode.IsLetter(r) || r == '_' || r == '$'
		if !letter && (p.i == from || !unicode.IsDigit(r)) {
			break
		}
		p.i += n
	}
	if p.i == from {
		return step{}, false
	}
	st := step{name: p.s[from:p.i], key: KeyOf(p.s[from:p.i])}
	p.space()
	if !p.take('[') {
		return st, true
	}
	if p.i < len(p.s) && p.s[p.i] == '\'' {
		end := strings.IndexByte(p.s[p.i+1:], '\'')
		if end < 0 {
			return step{}, false
		}
		st.op, st.sub = stepMember, p.s[p.i+1:p.i+1+end]
		p.i += end + 2
		p.space()
		return st, p.take(']')
	}
	negative := p.take('-')
	from = p.i
	for p.i < len(p.s) && p.s[p.i]-'0' <= 9 {
		// No array has so many elements: further digits change nothing.
		if st.index <= MaxSize {
			st.index = st.index*10 + int(p.s[p.i]-'0')
		}
		p.i++
	}
	if p.i == from {
		return step{}, false
	}
	st.op = stepIndex
	if negative {
		st.index = -1
	}
	p.space()
	return st, p.take(']')
}

// Eval returns what the path picks out of v. What is not there is Missing: a
// path never fails.
func (p Path) Eval(v Value) Value { return evalSteps(v, p.steps) }

// EvalEvent is Eval of the event as an object.
func (p Path) EvalEvent(e *Event) Value {
	if len(p.steps) == 0 {
		return e.Value()
	}
	st := &p.steps[0]
	if st.op == stepSelf {
		return evalSteps(e.Value(), p.steps[1:])
	}
	return evalSteps(st.narrow(e.Get(st.key)), p.steps[1:])
}

func evalSteps(v Value, steps []step) Value {
	for i := range steps {
		if st := &steps[i]; st.op != stepSelf {
			v = st.narrow(lookup(v, st.name))
		}
		if v.kind == MissingKind {
			break
		}
	}
	return v
}

// narrow applies what stands in brackets behind a name to the value of the name.
func (st *step) narrow(v Value) Value {
	switch st.op {
	case stepIndex:
		return v.At(st.index)
	case stepMember:
		return lookup(v, st.sub)
	}
	return v
}

// lookup returns the member of an object, or of the objects in an array: the
// value itself if there is one such object, an array of the values if more.
func lookup(v Value, name string) Value {
	if v.kind != ArrayKind {
		return v.Get(name)
	}
	var found []Value
	found = gather(found, v, name, 0)
	switch len(found) {
	case 0:
		return Value{}
	case 1:
		return found[0]
	}
	return Array(found...)
}

func gather(found []Value, v Value, name string, depth int) []Value {
	for e := range v.Elems() {
		switch e.kind {
		case ObjectKind:
			if m := e.Get(name); m.kind != MissingKind {
				found = append(found, m)
			}
		case ArrayKind:
			if depth < maxWalk {
				found = gather(found, e, name, depth+1)
			}
		}
	}
	return found
}
