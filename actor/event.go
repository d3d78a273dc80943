package actor

import (
	"encoding/binary"
	"hash/maphash"
	"iter"
	"math/bits"
	"strings"
	"unsafe"

	"github.com/atoll-platform/atoll"
)

// A word describes one field of an event: 16 bits hash of the name, 4 bits kind,
// 22 bits each for offset and length of the value in the text. The name itself
// stands in the text between the value before it and its own value.
type word uint64

const (
	spanBits = 22
	spanMask = 1<<spanBits - 1
	inline   = 8  // words held in the Event itself
	wide     = 16 // more fields than this get an index
)

func newWord(hash uint16, kind Kind, off, n int) word {
	return word(hash)<<48 | word(kind)<<44 | word(off)<<spanBits | word(n)
}

func (w word) hash() uint16 { return uint16(w >> 48) }
func (w word) kind() Kind   { return Kind(w >> 44 & 15) }
func (w word) off() int     { return int(w >> spanBits & spanMask) }
func (w word) end() int     { return w.off() + int(w&spanMask) }

// Event is one JSON object on its way through a runtime. It is immutable: it is
// shared by all who receive it and is safe for concurrent use. Events are used
// by pointer. The zero Event is the empty object.
//
// An Event is its compact JSON text and a table with eight bytes for each
// field. Names are not interned anywhere, so new ones cost nothing beyond their
// event. No name occurs twice. Nested values are text until somebody looks.
type Event struct {
	text string // "" is the empty object
	more *extra
	head [inline]word // 0 behind the last field
}

// extra is what few events have.
type extra struct {
	parent *Event   // the text and table hold only what differs from it
	total  int      // fields with those of the parent, if there is one
	tail   []word   // the words from the ninth on, if there are as many
	index  []uint32 // of wide events: places by hash, one more than the field's number
}

// Size returns the bytes of memory that e holds. Memory it shares with the
// event that it was made from counts in full.
func (e *Event) Size() int {
	n := int(unsafe.Sizeof(*e)) + len(e.text)
	if e.more != nil {
		n += e.more.size()
	}
	return n
}

func (x *extra) size() int {
	n := int(unsafe.Sizeof(*x)) + 8*len(x.tail) + 4*len(x.index)
	if x.parent != nil {
		n += x.parent.Size()
	}
	return n
}

// Key is the name of a field prepared for look-ups: an actor makes its keys
// once. The zero Key names no field.
type Key struct {
	member string // the name as it stands in a text, quotes and colon included
	hash   uint16
}

// KeyOf returns the Key of a field name.
func KeyOf(name string) Key {
	b := append(appendQuoted(make([]byte, 0, len(name)+3), name), ':')
	return Key{member: string(b), hash: hashName(string(b[1 : len(b)-2]))}
}

// Name returns the field name.
func (k Key) Name() string {
	if k.member == "" {
		return ""
	}
	return unquote(k.member[:len(k.member)-1])
}

// hashName hashes a name by its ends and length: collisions cost one comparison.
func hashName(s string) uint16 {
	var a, z uint64
	if n := len(s); n >= 8 {
		b := unsafe.Slice(unsafe.StringData(s), n)
		a, z = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[n-8:])
	} else {
		for i := range n {
			a |= uint64(s[i]) << (8 * i)
		}
		z = a
	}
	return mixName(a, z, len(s))
}

func mixName(a, z uint64, n int) uint16 {
	h := (a ^ bits.RotateLeft64(z, 23) ^ uint64(n)<<56) * 0x9E3779B97F4A7C15
	return uint16((h ^ h<<32) >> 48)
}

var wideSeed = maphash.MakeSeed()

func (e *Event) word(i int) word {
	if i < inline {
		return e.head[i]
	}
	return e.more.tail[i-inline]
}

// fields returns how many fields the table has.
func (e *Event) fields() int {
	if e.more != nil && len(e.more.tail) > 0 {
		return inline + len(e.more.tail)
	}
	n := 0
	for n < inline && e.head[n] != 0 {
		n++
	}
	return n
}

// member returns the name of the i-th field as it stands in the text.
func (e *Event) member(i int, w word) string {
	from := 1
	if i > 0 {
		from = e.word(i-1).end() + 1
	}
	return e.text[from:w.off()]
}

// find returns the word of a field of e's own table, and its number.
func (e *Event) find(k Key) (word, int) {
	for i, w := range &e.head {
		if w.hash() == k.hash && w != 0 && e.text[e.nameAt(i):w.off()] == k.member {
			return w, i
		}
	}
	if e.more != nil {
		return e.findTail(k)
	}
	return 0, -1
}

// nameAt returns where the name of a field of the head begins.
func (e *Event) nameAt(i int) int {
	if i == 0 {
		return 1
	}
	return e.head[i-1].end() + 1
}

func (e *Event) findTail(k Key) (word, int) {
	x := e.more
	if x.index != nil {
		mask := len(x.index) - 1
		for slot := int(maphash.String(wideSeed, k.member)) & mask; ; slot = (slot + 1) & mask {
			i := int(x.index[slot]) - 1
			if i < 0 {
				return 0, -1
			}
			if w := e.word(i); w.hash() == k.hash && e.member(i, w) == k.member {
				return w, i
			}
		}
	}
	for i, w := range x.tail {
		if w.hash() == k.hash && e.member(i+inline, w) == k.member {
			return w, i + inline
		}
	}
	return 0, -1
}

// locate returns the word of a field and the event whose text it is in.
func (e *Event) locate(k Key) (word, *Event) {
	w, i := e.find(k)
	if i < 0 && e.more != nil && e.more.parent != nil {
		e = e.more.parent
		w, _ = e.find(k)
	}
	return w, e
}

// Get returns the value of a field, Missing if there is none.
func (e *Event) Get(k Key) Value {
	w, in := e.locate(k)
	if w == 0 {
		return Value{}
	}
	return Value{kind: w.kind(), str: in.text[w.off():w.end()]}
}

// Field is Get for a name that is looked up once only.
func (e *Event) Field(name string) Value {
	if !plainName(name) || e.more != nil {
		return e.Get(KeyOf(name))
	}
	hash := hashName(name)
	for i, w := range &e.head {
		if w.hash() == hash && w != 0 && e.text[e.nameAt(i)+1:w.off()-2] == name {
			return Value{kind: w.kind(), str: e.text[w.off():w.end()]}
		}
	}
	return Value{}
}

// Number returns the field if it is a JSON number within the range of float64.
func (e *Event) Number(k Key) (float64, bool) {
	w, in := e.locate(k)
	if w.kind() != NumberKind {
		return 0, false
	}
	return parseFloat(in.text[w.off():w.end()])
}

// Text returns the field if it is a string, or a number, which counts by its text.
func (e *Event) Text(k Key) (string, bool) {
	w, in := e.locate(k)
	switch w.kind() {
	case StringKind:
		return unquote(in.text[w.off():w.end()]), true
	case NumberKind:
		return in.text[w.off():w.end()], true
	}
	return "", false
}

// Len returns the number of fields.
func (e *Event) Len() int {
	if e.more != nil && e.more.parent != nil {
		return e.more.total
	}
	return e.fields()
}

// all iterates over the members as they stand in the text, and their values.
func (e *Event) all() iter.Seq2[Key, Value] {
	return func(yield func(Key, Value) bool) {
		var parent *Event
		if e.more != nil {
			parent = e.more.parent
		}
		if parent != nil {
			for i := range parent.fields() {
				w := parent.word(i)
				k := Key{parent.member(i, w), w.hash()}
				in := parent
				if own, j := e.find(k); j >= 0 {
					w, in = own, e
				}
				if !yield(k, Value{kind: w.kind(), str: in.text[w.off():w.end()]}) {
					return
				}
			}
		}
		for i := range e.fields() {
			w := e.word(i)
			k := Key{e.member(i, w), w.hash()}
			if parent != nil {
				if _, j := parent.find(k); j >= 0 {
					continue
				}
			}
			if !yield(k, Value{kind: w.kind(), str: e.text[w.off():w.end()]}) {
				return
			}
		}
	}
}

// All iterates over the fields in order.
func (e *Event) All() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		for k, v := range e.all() {
			if !yield(k.Name(), v) {
				return
			}
		}
	}
}

// AppendJSON appends the compact JSON text of e to b.
func (e *Event) AppendJSON(b []byte) []byte {
	switch {
	case e.text == "":
		return append(b, "{}"...)
	case e.more == nil || e.more.parent == nil:
		return append(b, e.text...)
	}
	sep := byte('{')
	for k, v := range e.all() {
		b = append(append(append(b, sep), k.member...), v.str...)
		sep = ','
	}
	return append(b, '}')
}

// String returns the compact JSON text of e.
func (e *Event) String() string {
	switch {
	case e.text == "":
		return "{}"
	case e.more == nil || e.more.parent == nil:
		return e.text
	}
	return appendedString(e.AppendJSON(make([]byte, 0, len(e.text)+len(e.more.parent.text))))
}

// MarshalJSON returns the compact JSON text of e.
func (e *Event) MarshalJSON() ([]byte, error) { return e.AppendJSON(nil), nil }

// Value returns e as an object.
func (e *Event) Value() Value {
	if e == &oversized {
		return Value{}
	}
	return Value{kind: ObjectKind, str: e.String()}
}

// Equal reports whether e and f are the same JSON object. Nil equals only nil.
func (e *Event) Equal(f *Event) bool {
	if e == nil || f == nil || e == &oversized || f == &oversized {
		return e == f
	}
	return e.Value().Equal(f.Value())
}

// oversized stands for every event that could not be built.
var oversized Event

// Err returns a TooLarge error if e could not be built because its text would
// be longer than MaxSize, else nil. Such an event has no fields; the engine
// counts it as a failure of the actor that emits it.
func (e *Event) Err() error {
	if e == &oversized {
		return errOversized
	}
	return nil
}

var errOversized error = &atoll.Error{Kind: atoll.TooLarge, Op: "actor.Event", Msg: "the event would be larger than the limit for events"}

// EventOf converts a Go map, struct or anything else that encoding/json writes
// as an object. Everything else is Invalid.
func EventOf(x any) (*Event, error) {
	const op = "actor.EventOf"
	v, err := ValueOf(x)
	if err != nil {
		return nil, atoll.Wrap(op, err)
	}
	e, ok := FromValue(v)
	if !ok {
		return nil, atoll.Errorf(atoll.Invalid, op, "an event is one JSON object, not %s", strings.TrimSpace(v.Kind().String()))
	}
	if err := e.Err(); err != nil {
		return nil, err
	}
	return e, nil
}
