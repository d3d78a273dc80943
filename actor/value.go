package actor

import (
	"encoding/json"
	"iter"
	"math"
	"strconv"
	"strings"

	"github.com/atoll-platform/atoll"
)

// Kind is the JSON type of a Value.
type Kind uint8

// The kinds. MissingKind, the kind of the zero Value, is the absence of a value.
const (
	MissingKind Kind = iota
	NullKind
	BoolKind
	NumberKind
	StringKind
	ObjectKind
	ArrayKind
)

var kindNames = [...]string{"missing", "null", "boolean", "number", "string", "object", "array"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// form tells how a Value is held.
type form uint8

const (
	textForm   form = iota // str is valid compact JSON text
	stringForm             // str is the string itself
	intForm                // bits is an int64
	floatForm              // bits is a finite float64
)

// Value is one JSON value. It is immutable and small, meant to be passed by
// value; it may share memory with the event that it was read from. Numbers that
// came as text keep that text exactly and are decoded when they are asked for.
// The zero Value is Missing. Values are safe for concurrent use.
type Value struct {
	str  string
	bits uint64
	kind Kind
	form form
}

// Int returns a number.
func Int(n int64) Value { return Value{kind: NumberKind, form: intForm, bits: uint64(n)} }

// Float returns a number, or null for what JSON has no number for: NaN and the
// infinities.
func Float(f float64) Value {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return Null()
	}
	return Value{kind: NumberKind, form: floatForm, bits: math.Float64bits(f)}
}

// String returns a string. Bytes of s that are not UTF-8 become U+FFFD when it
// is written.
func String(s string) Value { return Value{kind: StringKind, form: stringForm, str: s} }

// Bool returns true or false.
func Bool(b bool) Value {
	if b {
		return Value{kind: BoolKind, str: "true"}
	}
	return Value{kind: BoolKind, str: "false"}
}

// Null returns null.
func Null() Value { return Value{kind: NullKind, str: "null"} }

// Field is a named value: a member of an object.
type Field struct {
	Name  string
	Value Value
}

// Object returns an object of the fields in that order. Of fields with one name
// the last value counts, at the place of the first; Missing values are left out.
func Object(fields ...Field) Value {
	return Value{kind: ObjectKind, str: appendedString(appendObject(nil, fields))}
}

// Array returns an array of the values; a Missing one becomes null.
func Array(vs ...Value) Value {
	b := append(make([]byte, 0, 2+16*len(vs)), '[')
	for i, v := range vs {
		if i > 0 {
			b = append(b, ',')
		}
		b = v.AppendJSON(b)
	}
	return Value{kind: ArrayKind, str: appendedString(append(b, ']'))}
}

// ValueOf converts a Go value as encoding/json would. Values and Events stand
// for themselves. What cannot be written as JSON is Invalid.
func ValueOf(x any) (Value, error) {
	switch x := x.(type) {
	case nil:
		return Null(), nil
	case Value:
		return x, nil
	case *Event:
		return x.Value(), nil
	case string:
		return String(x), nil
	case bool:
		return Bool(x), nil
	case int:
		return Int(int64(x)), nil
	case int64:
		return Int(x), nil
	}
	text, err := marshal(x)
	if err != nil {
		return Value{}, &atoll.Error{Kind: atoll.Invalid, Op: "actor.ValueOf", Msg: "the value cannot be written as JSON: " + err.Error(), Err: err}
	}
	v, err := ParseValue(text)
	return v, atoll.Wrap("actor.ValueOf", err)
}

// marshal is json.Marshal without the escapes meant for HTML.
func marshal(x any) ([]byte, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(x); err != nil {
		return nil, err
	}
	return []byte(b.String()), nil
}

// Kind returns the kind of v.
func (v Value) Kind() Kind { return v.kind }

// IsMissing reports whether v is Missing or null, which mean the same wherever
// an actor reads a field.
func (v Value) IsMissing() bool { return v.kind <= NullKind }

// Float returns the number nearest to v; false if v is not a number or beyond
// the range of float64.
func (v Value) Float() (float64, bool) {
	if v.kind != NumberKind {
		return 0, false
	}
	switch v.form {
	case intForm:
		return float64(int64(v.bits)), true
	case floatForm:
		return math.Float64frombits(v.bits), true
	}
	return parseFloat(v.str)
}

// Int returns v if it is a whole number that int64 holds exactly, however it is
// written: 7, 7.0 and 70e-1 are all 7.
func (v Value) Int() (int64, bool) {
	if v.kind != NumberKind {
		return 0, false
	}
	switch v.form {
	case intForm:
		return int64(v.bits), true
	case floatForm:
		f := math.Float64frombits(v.bits)
		if f != math.Trunc(f) || f < -1<<63 || f >= 1<<63 {
			return 0, false
		}
		return int64(f), true
	}
	return parseInt(v.str)
}

// Str returns the string that v is; false for every other kind.
func (v Value) Str() (string, bool) {
	switch {
	case v.kind != StringKind:
		return "", false
	case v.form == stringForm:
		return v.str, true
	}
	return unquote(v.str), true
}

// Text returns a string as it is and a number by its text; false for every
// other kind.
func (v Value) Text() (string, bool) {
	if v.kind == NumberKind {
		if v.form == textForm {
			return v.str, true
		}
		return string(v.AppendJSON(nil)), true
	}
	return v.Str()
}

// Bool returns the boolean that v is and whether it is one.
func (v Value) Bool() (val, ok bool) {
	return v.kind == BoolKind && v.str == "true", v.kind == BoolKind
}

// Get returns the member of that name of an object, Missing if there is none
// or v is no object.
func (v Value) Get(name string) Value {
	var found Value
	if v.kind == ObjectKind {
		for m := range members(v.str) {
			if m.is(name) {
				found = m.value()
			}
		}
	}
	return found
}

// At returns the element at i, counted from 0, of an array; Missing if there is
// none or v is no array.
func (v Value) At(i int) Value {
	if i >= 0 {
		for e := range v.Elems() {
			if i == 0 {
				return e
			}
			i--
		}
	}
	return Value{}
}

// Len returns the number of elements of an array or of members of an object, 0
// for other kinds.
func (v Value) Len() int {
	n := 0
	switch v.kind {
	case ObjectKind:
		for range v.Fields() {
			n++
		}
	case ArrayKind:
		for range v.Elems() {
			n++
		}
	}
	return n
}

// Fields iterates over the members of an object in order; nothing for other
// kinds. A name that occurs twice is given once, with its last value.
func (v Value) Fields() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		if v.kind != ObjectKind {
			return
		}
		repeated := repeats(v.str)
		for m := range members(v.str) {
			name, val := m.name(), m.value()
			if repeated != nil {
				last, ok := repeated[name]
				if !ok {
					continue
				}
				delete(repeated, name)
				val = last
			}
			if !yield(name, val) {
				return
			}
		}
	}
}

// repeats returns the last value of each name if a name occurs twice, else nil.
func repeats(text string) map[string]Value {
	var few [16]string
	n := 0
	for m := range members(text) {
		if n == len(few) {
			n++
			break
		}
		name := m.name()
		for _, s := range few[:n] {
			if s == name {
				return lastValues(text)
			}
		}
		few[n] = name
		n++
	}
	if n <= len(few) {
		return nil
	}
	all, total := lastValues(text), 0
	for range members(text) {
		total++
	}
	if len(all) == total {
		return nil
	}
	return all
}

func lastValues(text string) map[string]Value {
	all := make(map[string]Value)
	for m := range members(text) {
		all[m.name()] = m.value()
	}
	return all
}

// Elems iterates over the elements of an array; nothing for other kinds.
func (v Value) Elems() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.kind != ArrayKind {
			return
		}
		for i := 1; v.str[i] != ']'; {
			end := skipValue(v.str, i)
			if !yield(rawValue(v.str[i:end])) {
				return
			}
			if v.str[end] != ',' {
				return
			}
			i = end + 1
		}
	}
}

// AppendJSON appends the compact JSON text of v to b; Missing is written as null.
func (v Value) AppendJSON(b []byte) []byte {
	switch {
	case v.kind == MissingKind:
		return append(b, "null"...)
	case v.form == stringForm:
		return appendQuoted(b, v.str)
	case v.form == intForm:
		return strconv.AppendInt(b, int64(v.bits), 10)
	case v.form == floatForm:
		return appendFloat(b, math.Float64frombits(v.bits))
	}
	return append(b, v.str...)
}

// size is about the length of the JSON text of v.
func (v Value) size() int {
	if v.form == intForm || v.form == floatForm {
		return 24
	}
	return len(v.str) + 2
}

// MarshalJSON returns the compact JSON text of v.
func (v Value) MarshalJSON() ([]byte, error) { return v.AppendJSON(nil), nil }

// UnmarshalJSON sets v to the value of the text; it fails as ParseValue does.
func (v *Value) UnmarshalJSON(text []byte) error {
	p, err := ParseValue(text)
	if err == nil {
		*v = p
	}
	return err
}

// String returns the JSON text of v, for people; "missing" for Missing.
func (v Value) String() string {
	if v.kind == MissingKind {
		return "missing"
	}
	if v.form == textForm {
		return v.str
	}
	return string(v.AppendJSON(nil))
}

// Any returns v as encoding/json would decode it with UseNumber: nil, bool,
// json.Number, string, []any and map[string]any.
func (v Value) Any() any {
	switch v.kind {
	case BoolKind:
		return v.str == "true"
	case NumberKind:
		t, _ := v.Text()
		return json.Number(t)
	case StringKind:
		s, _ := v.Str()
		return s
	case ArrayKind:
		vs := []any{}
		for e := range v.Elems() {
			vs = append(vs, e.Any())
		}
		return vs
	case ObjectKind:
		m := make(map[string]any)
		for name, e := range v.Fields() {
			m[name] = e.Any()
		}
		return m
	}
	return nil
}
