package actor

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"slices"
	"sync"
)

// Parse returns the event of a JSON text, which is copied; whitespace between
// tokens is dropped. Of members with one name the last value counts, at the
// place of the first. Text that is not one JSON object in UTF-8, or is nested
// deeper than MaxDepth, is Invalid, with a finding and the byte offset in
// Details; text longer than MaxSize is TooLarge.
func Parse(text []byte) (*Event, error) {
	const op = "actor.Parse"
	if len(text) > MaxSize {
		return nil, tooLarge(op, len(text))
	}
	var e Event
	p := parser{text: text}
	switch p.event(&e) {
	case parsedBad:
		return nil, p.err(op)
	case parsedIrregular:
		return regular(text), nil
	}
	return p.placed(&e), nil
}

// outcome is what parser.event found.
type outcome uint8

const (
	parsedBad       outcome = iota
	parsedIrregular         // valid, but a name occurs twice or is spelt with needless escapes
	parsedGood              // e is complete
)

// event validates the whole text and fills in e.
func (p *parser) event(e *Event) outcome {
	i := p.space(0)
	lead := p.gap
	if p.at(i) != '{' {
		p.fail(ruleObject, i)
		return parsedBad
	}
	start := i
	odd, n := false, 0
	var seen uint64 // a bit for each hash seen, modulo 64
	i = p.space(i + 1)
	if p.at(i) == '}' {
		i++
	} else {
		for {
			if p.at(i) != '"' {
				p.fail(ruleName, i)
				return parsedBad
			}
			from := i + 1
			hash, end := p.shortName(from)
			if end < 0 {
				if end = p.str(i); end < 0 {
					return parsedBad
				}
				name := p.text[from : end-1]
				odd = odd || p.escaped && !canonical(name)
				hash = hashName(borrowed(name))
			}
			if i = p.space(end); p.at(i) != ':' {
				p.fail(ruleColon, i)
				return parsedBad
			}
			i = p.space(i + 1)
			from, gap := i, p.gap
			if p.at(i) == '"' {
				i = p.str(i)
			} else {
				i = p.value(i, 1)
			}
			if i < 0 {
				return parsedBad
			}
			// The text will begin at the brace and lack the whitespace.
			off := from - gap
			w := newWord(hash, kindOf(p.text[from]), off, i-p.gap-off)
			bit := uint64(1) << (hash & 63)
			if seen&bit != 0 && n <= wide {
				odd = odd || e.repeated(n, hash)
			}
			seen |= bit
			e.set(n, w)
			n++
			i = p.space(i)
			if c := p.at(i); c == ',' {
				i = p.space(i + 1)
				continue
			} else if c == '}' {
				i++
				break
			}
			p.fail(ruleComma, i)
			return parsedBad
		}
	}
	end, gap := i, p.gap-lead
	if i = p.space(i); i < len(p.text) {
		p.fail(ruleTrailing, i)
		return parsedBad
	}
	if odd {
		return parsedIrregular
	}
	p.text, p.gap = p.text[start:end], gap
	return parsedGood
}

// placed moves a complete event from the stack, with its text.
func (p *parser) placed(e *Event) *Event {
	out, b := newEvent(len(p.text) - p.gap)
	if p.gap == 0 {
		b = append(b, p.text...)
	} else {
		b = appendCompact(b, p.text)
	}
	out.text, out.more, out.head = appendedString(b), e.more, e.head
	if !out.close() {
		return regular(p.text)
	}
	return out
}

// shortName reads the name at from with a single load if it has less than eight
// bytes, all of them plain. It returns its hashName and the index behind the
// closing quote, which is negative for other names.
func (p *parser) shortName(from int) (hash uint16, end int) {
	if uint(from)+8 > uint(len(p.text)) {
		return 0, -1
	}
	w := binary.LittleEndian.Uint64(p.text[from:])
	n := bits.TrailingZeros64(special(w)) / 8 // of plain bytes
	if n == 8 || byte(w>>(8*n)) != '"' {
		return 0, -1
	}
	w &= 1<<(8*n) - 1
	return mixName(w, w, n), from + n + 1
}

// repeated reports whether a field with that hash is among the first n already.
// It may be another name: the slow path sorts that out.
func (e *Event) repeated(n int, hash uint16) bool {
	for i := range n {
		if e.word(i).hash() == hash {
			return true
		}
	}
	return false
}

// canonical reports whether a name is spelt as appendQuoted spells it.
func canonical(name []byte) bool {
	b := appendQuoted(nil, unquoteBody(string(name)))
	return string(b[1:len(b)-1]) == string(name)
}

// set adds the word of field n, when there are n.
func (e *Event) set(n int, w word) {
	if n < inline {
		e.head[n] = w
		return
	}
	if e.more == nil {
		e.more = new(extra)
	}
	e.more.tail = append(e.more.tail, w)
}

// close indexes a wide event. It returns false if a name occurs twice.
func (e *Event) close() bool {
	n := e.fields()
	if n <= wide {
		return true
	}
	size := 32
	for size < 2*n {
		size *= 2
	}
	index := make([]uint32, size)
	for i := range n {
		w := e.word(i)
		m := e.member(i, w)
		slot := int(maphash.String(wideSeed, m)) & (size - 1)
		for ; index[slot] != 0; slot = (slot + 1) & (size - 1) {
			j := int(index[slot]) - 1
			if o := e.word(j); o.hash() == w.hash() && e.member(j, o) == m {
				return false
			}
		}
		index[slot] = uint32(i + 1)
	}
	e.more.index = index
	return true
}

// regular makes an event of a valid text whose names need work.
func regular(text []byte) *Event {
	p := parser{text: text}
	start := p.space(0)
	end := p.value(start, 0)
	s := compact(text[start:end], p.gap-start)
	var fields []Field
	for m := range members(s) {
		fields = append(fields, Field{m.name(), m.value()})
	}
	return NewEvent(fields...)
}

// NewEvent returns an event of the fields in that order. Of fields with one
// name the last value counts, at the place of the first; Missing values are
// left out. If the text would be longer than MaxSize, Err of the event tells.
func NewEvent(fields ...Field) *Event {
	fields = distinct(fields)
	n := 2
	for i := range fields {
		n += len(fields[i].Name) + 4 + fields[i].Value.size()
	}
	if n > 2*MaxSize {
		return &oversized
	}
	b := newBuilder(n)
	for i := range fields {
		if f := &fields[i]; f.Value.kind != MissingKind {
			b.field(f.Name, f.Value)
		}
	}
	return b.event()
}

// FromValue returns the event that an object is, and false for other kinds.
func FromValue(v Value) (*Event, bool) {
	if v.kind != ObjectKind {
		return nil, false
	}
	if len(v.str) > MaxSize {
		return &oversized, true
	}
	e, n := &Event{text: v.str}, 0
	for m := range members(v.str) {
		name := v.str[m.key+1 : m.start-2]
		if odd := !canonical([]byte(name)); odd {
			return regular([]byte(v.str)), true
		}
		e.set(n, newWord(hashName(name), kindOf(v.str[m.start]), m.start, m.end-m.start))
		n++
	}
	for i := range min(n, wide) {
		for j := range i {
			if e.word(i).hash() == e.word(j).hash() {
				return regular([]byte(v.str)), true
			}
		}
	}
	if !e.close() {
		return regular([]byte(v.str)), true
	}
	return e, true
}

// builder writes text and table of an event whose names are distinct.
type builder struct {
	e   Event // but for the text
	n   int   // fields
	buf []byte
	big bool
}

// builders keeps builders that are not in use: text is written there first, so
// that the event gets as much memory as it needs.
var builders = sync.Pool{New: func() any { return new(builder) }}

// newBuilder returns a builder for about n bytes of text.
func newBuilder(n int) *builder {
	b := builders.Get().(*builder)
	b.buf = slices.Grow(b.buf, n)
	return b
}

// mostKept is the largest buffer that is used again.
const mostKept = 64 << 10

// release gives b back.
func (b *builder) release() {
	if cap(b.buf) > mostKept {
		b.buf = nil
	}
	*b = builder{buf: b.buf[:0]}
	builders.Put(b)
}

func (b *builder) field(name string, v Value) {
	from := b.open()
	b.buf = append(appendQuoted(b.buf, name), ':')
	b.value(hashName(borrowed(b.buf[from+1:len(b.buf)-2])), v)
}

// member adds a field by the text of its name.
func (b *builder) member(k Key, v Value) {
	b.open()
	b.buf = append(b.buf, k.member...)
	b.value(k.hash, v)
}

// open starts a member and returns where.
func (b *builder) open() int {
	sep := byte(',')
	if len(b.buf) == 0 {
		sep = '{'
	}
	b.buf = append(b.buf, sep)
	return len(b.buf)
}

func (b *builder) value(hash uint16, v Value) {
	off := len(b.buf)
	b.buf = v.AppendJSON(b.buf)
	b.span(hash, v.kind, off)
}

// span adds the word of a value that stands from off to the end of the text.
func (b *builder) span(hash uint16, kind Kind, off int) {
	if len(b.buf) >= MaxSize {
		b.big = true
		return
	}
	b.e.set(b.n, newWord(hash, kind, off, len(b.buf)-off))
	b.n++
}

// event returns what was built and gives b back.
func (b *builder) event() *Event {
	defer b.release()
	if b.big {
		return &oversized
	}
	if b.n == 0 {
		return &Event{more: b.e.more}
	}
	e, text := newEvent(len(b.buf) + 1)
	text = append(append(text, b.buf...), '}')
	e.text, e.more, e.head = appendedString(text), b.e.more, b.e.head
	e.close()
	return e
}

// flatLimit is the length of text up to which With copies; beyond it the new
// event holds only the difference.
const flatLimit = 1 << 10

// With returns an event with the fields replaced, in their place, or added, in
// order. A Missing value removes the field. If the text would be longer than
// MaxSize, Err of the event tells.
func (e *Event) With(fields ...Field) *Event {
	if len(fields) == 0 || e == &oversized {
		return e
	}
	fields = distinct(fields)
	base, delta := e, (*Event)(nil)
	if e.more != nil && e.more.parent != nil {
		base, delta = e.more.parent, e
	}
	removes, size := false, 2
	for i := range fields {
		removes = removes || fields[i].Value.kind == MissingKind
		size += len(fields[i].Name) + 4 + fields[i].Value.size()
	}
	if size > 2*MaxSize {
		return &oversized
	}
	own := size
	if delta != nil {
		own += len(delta.text)
	}
	if removes || len(base.text) <= flatLimit || own > len(base.text)/2 {
		return e.flatWith(fields, size)
	}
	d := newBuilder(own)
	d.e.more = &extra{parent: base}
	total := base.fields()
	if delta != nil {
		total = delta.more.total
		d.copyWith(delta.own(), slices.Clone(fields), false)
	}
	for i := range fields {
		k := KeyOf(fields[i].Name)
		if delta != nil {
			if _, j := delta.find(k); j >= 0 {
				continue
			}
		}
		if _, j := base.find(k); j < 0 {
			total++
		}
		d.member(k, fields[i].Value)
	}
	d.e.more.total = total
	if len(base.text)+len(d.buf) > MaxSize {
		return &oversized
	}
	return d.event()
}

// own iterates over e's own table only.
func (e *Event) own() func(func(Key, Value) bool) {
	return func(yield func(Key, Value) bool) {
		for i := range e.fields() {
			w := e.word(i)
			if !yield(Key{e.member(i, w), w.hash()}, Value{kind: w.kind(), str: e.text[w.off():w.end()]}) {
				return
			}
		}
	}
}

// flatWith is With by a copy of everything.
func (e *Event) flatWith(fields []Field, size int) *Event {
	text := len(e.text)
	if e.more != nil && e.more.parent != nil {
		text += len(e.more.parent.text)
	}
	b := newBuilder(text + size)
	if !b.splice(e, fields) {
		b.copyWith(e.all(), slices.Clone(fields), true)
	}
	return b.event()
}

// plainName reports whether a name stands in a text as it is.
func plainName(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x80 {
			return false
		}
	}
	return true
}

// splice is copyWith for the common case: few fields with plain names. It
// returns false, having done nothing, in other cases.
func (b *builder) splice(e *Event, fields []Field) bool {
	if len(fields) > inline || e.more != nil && e.more.parent != nil {
		return false
	}
	var hashes [inline]uint16
	for j := range fields {
		if !plainName(fields[j].Name) {
			return false
		}
		hashes[j] = hashName(fields[j].Name)
	}
	var used [inline]bool
	from := 1
	for i := range e.fields() {
		w := e.word(i)
		m := e.text[from:w.off()]
		at := -1
		for j := range fields {
			if hashes[j] == w.hash() && m[1:len(m)-2] == fields[j].Name {
				at = j
			}
		}
		switch {
		case at < 0:
			b.open()
			off := len(b.buf) + w.off() - from
			b.buf = append(b.buf, e.text[from:w.end()]...)
			b.span(w.hash(), w.kind(), off)
		case fields[at].Value.kind != MissingKind:
			b.member(Key{m, w.hash()}, fields[at].Value)
			used[at] = true
		}
		from = w.end() + 1
	}
	for j := range fields {
		if f := &fields[j]; !used[j] && f.Value.kind != MissingKind {
			b.open()
			b.buf = append(append(append(b.buf, '"'), f.Name...), '"', ':')
			b.value(hashes[j], f.Value)
		}
	}
	return true
}

// copyWith writes the members with the fields in place of those of their name
// and, if rest is set, the other fields behind them.
func (b *builder) copyWith(all func(func(Key, Value) bool), fields []Field, rest bool) {
	var few [inline]Key
	keys := few[:0]
	for i := range fields {
		keys = append(keys, KeyOf(fields[i].Name))
	}
	var used map[int]bool
	var byMember map[string]int
	if len(fields) > inline {
		byMember = make(map[string]int, len(fields))
		for i, k := range keys {
			byMember[k.member] = i
		}
	}
	for k, v := range all {
		at := -1
		if byMember != nil {
			if i, ok := byMember[k.member]; ok {
				at = i
			}
		} else {
			for i := range keys {
				if keys[i] == k {
					at = i
				}
			}
		}
		if at >= 0 {
			if used == nil {
				used = make(map[int]bool)
			}
			used[at] = true
			v = fields[at].Value
			if v.kind == MissingKind {
				continue
			}
		}
		b.member(k, v)
	}
	for i := range fields {
		if rest && !used[i] && fields[i].Value.kind != MissingKind {
			b.member(keys[i], fields[i].Value)
		}
	}
}
