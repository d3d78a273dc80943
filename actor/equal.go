package actor

import (
	"slices"
	"strings"
)

// maxWalk bounds the recursion into nested values. Parsed text is at most
// MaxDepth deep, built values may be deeper; below this they are compared by
// their text.
const maxWalk = 1024

// Equal reports whether v and w are the same JSON value: numbers are compared
// by value, objects without regard to order. Missing equals only Missing.
func (v Value) Equal(w Value) bool { return equal(v, w, 0) }

func equal(v, w Value, depth int) bool {
	switch {
	case v.kind != w.kind:
		return false
	case v.form == w.form && v.str == w.str && v.bits == w.bits:
		return true
	}
	switch v.kind {
	case NumberKind:
		return decimalOf(v) == decimalOf(w)
	case StringKind:
		a, _ := v.Str()
		b, _ := w.Str()
		return a == b
	case ArrayKind, ObjectKind:
		return depth < maxWalk && string(appendCanonical(nil, v, depth)) == string(appendCanonical(nil, w, depth))
	}
	return false
}

// appendCanonical appends a text that is the same for values that are equal
// and for no others.
func appendCanonical(b []byte, v Value, depth int) []byte {
	if depth >= maxWalk {
		return v.AppendJSON(b)
	}
	switch v.kind {
	case NumberKind:
		return decimalOf(v).append(b)
	case StringKind:
		s, _ := v.Str()
		return appendQuoted(b, s)
	case ArrayKind:
		b = append(b, '[')
		for e := range v.Elems() {
			b = append(appendCanonical(b, e, depth+1), ',')
		}
		return append(b, ']')
	case ObjectKind:
		var fields []Field
		for name, e := range v.Fields() {
			fields = append(fields, Field{name, e})
		}
		slices.SortFunc(fields, func(x, y Field) int { return strings.Compare(x.Name, y.Name) })
		b = append(b, '{')
		for _, f := range fields {
			b = append(appendQuoted(b, f.Name), ':')
			b = append(appendCanonical(b, f.Value, depth+1), ',')
		}
		return append(b, '}')
	}
	return v.AppendJSON(b)
}
