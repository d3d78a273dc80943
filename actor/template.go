package actor

import (
	"strings"

	"github.com/atoll-platform/atoll"
)

// Template is an object with places that are filled from an event: string
// values "${path}". It is immutable and safe for concurrent use.
type Template struct {
	fields []templateField
}

type templateField struct {
	name   string
	kind   Kind // of the value if it is fixed or an object or array with places in it
	pieces []piece
}

// piece is text, or the place for a value.
type piece struct {
	text string
	path *Path
}

// CompileTemplate prepares an object. A string value at any depth, in arrays
// too, that starts with "${" and ends with "}" stands for the value of the path
// between, of any kind; null if the path finds nothing or is none. Everything
// else, names included, is copied. A Value that is no object is Invalid.
func CompileTemplate(v Value) (*Template, error) {
	if v.kind != ObjectKind {
		return nil, atoll.Errorf(atoll.Invalid, "actor.CompileTemplate", "a template is an object, not %s", v.kind)
	}
	t := &Template{}
	for name, f := range v.Fields() {
		tf := templateField{name: name, kind: f.kind, pieces: compilePieces(nil, f, 0)}
		t.fields = append(t.fields, tf)
	}
	return t, nil
}

// place returns the path of a string that is a place.
func place(v Value) (*Path, bool) {
	s, ok := v.Str()
	if !ok || len(s) < 3 || !strings.HasPrefix(s, "${") || s[len(s)-1] != '}' {
		return nil, false
	}
	p, ok := ParsePath(strings.TrimSpace(s[2 : len(s)-1]))
	if !ok {
		p = Path{steps: []step{{op: stepIndex, index: -1}}}
	}
	return &p, true
}

// addText appends text to the pieces, to the last one if that is text.
func addText(ps []piece, text string) []piece {
	if n := len(ps); n > 0 && ps[n-1].path == nil {
		ps[n-1].text += text
		return ps
	}
	return append(ps, piece{text: text})
}

func compilePieces(ps []piece, v Value, depth int) []piece {
	switch v.kind {
	case StringKind:
		if p, ok := place(v); ok {
			return append(ps, piece{path: p})
		}
	case ObjectKind, ArrayKind:
		if depth >= maxWalk || !strings.Contains(v.str, "${") && !strings.Contains(v.str, `\u`) {
			break
		}
		open, shut := "{", "}"
		if v.kind == ArrayKind {
			open, shut = "[", "]"
		}
		n := 0
		for e := range v.Elems() {
			if n > 0 {
				open = ","
			}
			ps = compilePieces(addText(ps, open), e, depth+1)
			n++
		}
		for name, e := range v.Fields() {
			if n > 0 {
				open = ","
			}
			ps = compilePieces(addText(ps, open+string(appendQuoted(nil, name))+":"), e, depth+1)
			n++
		}
		if n == 0 {
			shut = open + shut
		}
		return addText(ps, shut)
	}
	return addText(ps, string(v.AppendJSON(nil)))
}

// Fill returns the template with the places filled from e. If its text would be
// longer than MaxSize, Err of the event tells.
func (t *Template) Fill(e *Event) *Event {
	b := newBuilder(64 + 16*len(t.fields))
	for i := range t.fields {
		f := &t.fields[i]
		from := b.open()
		b.buf = append(appendQuoted(b.buf, f.name), ':')
		hash := hashName(borrowed(b.buf[from+1 : len(b.buf)-2]))
		off := len(b.buf)
		kind := f.kind
		for _, p := range f.pieces {
			if p.path == nil {
				b.buf = append(b.buf, p.text...)
				continue
			}
			v := p.path.EvalEvent(e)
			if len(f.pieces) == 1 {
				kind = max(v.kind, NullKind)
			}
			b.buf = v.AppendJSON(b.buf)
			if len(b.buf) > MaxSize {
				return &oversized
			}
		}
		b.span(hash, kind, off)
	}
	return b.event()
}
