package rest

import (
	"encoding"
	stdjson "encoding/json"
	"math"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/atoll-platform/atoll"
)

// NullRule says what null means for a member where its row does not list it.
type NullRule uint8

// The rules for null.
const (
	NullRefused NullRule = iota
	NullAbsent           // as if the member were not there
	NullClears           // legal for every field that is not required
)

// decoder is the state of reading one input. It is pooled.
type decoder struct {
	p       *Profile
	coerce  bool
	create  bool // the row creates: create-only fields are taken
	found   Findings
	path    []step
	members []member
	state   []fieldState
	grown   int // memory of typed arrays made so far, in bytes
}

// step is one level of the place a value is at.
type step struct {
	name  string
	index int // used when name is ""
	array bool
}

// member is one member of an object being read.
type member struct {
	field       int // -1 unknown
	name, value []byte
	dropped     bool // a later one of the same name counts
}

// fieldState is how far a field of an object has come.
type fieldState struct {
	seen  bool  // a source gave it a value, legal or not
	path  bool  // the path gave it
	where int32 // 1 + index of its member
}

// maxGrown bounds the memory that typed arrays of one body may take: an
// element of a few bytes of text can be a large struct.
const maxGrown = 32 << 20

var decoders = sync.Pool{New: func() any { return new(decoder) }}

func newDecoder(p *Profile, create bool) *decoder {
	d := decoders.Get().(*decoder)
	d.p, d.coerce, d.create = p, p.Coerce, create
	return d
}

// release gives the state back; nothing of the caller's stays in it.
func (d *decoder) release() {
	d.p, d.found, d.grown = nil, Findings{}, 0
	clear(d.path[:cap(d.path)])
	d.path, d.members, d.state = d.path[:0], d.members[:0], d.state[:0]
	if cap(d.members) > 1024 {
		d.members = nil
	}
	decoders.Put(d)
}

func (d *decoder) pushName(name string) { d.path = append(d.path, step{name: name}) }
func (d *decoder) pushIndex(i int)      { d.path = append(d.path, step{index: i, array: true}) }
func (d *decoder) pop()                 { d.path = d.path[:len(d.path)-1] }

var escapePointer = strings.NewReplacer("~", "~0", "/", "~1")

// here is the path of the value at hand: the name of a field, or a JSON
// pointer for what lies deeper.
func (d *decoder) here() string {
	if len(d.path) == 0 {
		return ""
	}
	if len(d.path) == 1 && !d.path[0].array && !strings.HasPrefix(d.path[0].name, "/") {
		return d.path[0].name
	}
	var b strings.Builder
	for _, s := range d.path {
		b.WriteByte('/')
		if s.array {
			b.WriteString(strconv.Itoa(s.index))
		} else {
			b.WriteString(escapePointer.Replace(s.name))
		}
	}
	return b.String()
}

// fail records a fault of the value at hand; rule completes the sentence that
// its path begins.
func (d *decoder) fail(code, rule string) bool {
	if d.found.Len() >= maxFindings {
		d.found.more++
		return false
	}
	at := d.here()
	subject := at
	if subject == "" {
		subject = "the body"
	}
	d.found.Add(at, code, subject+" "+rule)
	return false
}

// mismatch records that a JSON value is not of the type wanted.
func (d *decoder) mismatch(c *codec, text []byte) bool {
	return d.fail("type", "must be "+c.want()+d.got(c, text))
}

// got words a JSON value for a finding.
func (d *decoder) got(c *codec, text []byte) string {
	switch {
	case c.secret || c.base().secret:
		return ""
	case text[0] == '{':
		return ", got an object"
	case text[0] == '[':
		return ", got an array"
	}
	return ", got " + cut(string(text[:min(len(text), maxEcho+4)]))
}

// value reads one JSON value of valid text into v. It records every fault and
// reports whether there was none.
func (d *decoder) value(c *codec, v reflect.Value, text []byte) bool {
	switch c.shape {
	case shapeOpt:
		if !d.value(c.elem, v.Field(1), text) {
			return false
		}
		v.Field(0).SetUint(uint64(Given))
		return true
	case shapePointer:
		if text[0] == 'n' {
			v.SetZero()
			return true
		}
		if v.IsNil() {
			v.Set(reflect.New(c.typ.Elem()))
		}
		return d.value(c.elem, v.Elem(), text)
	case shapeCustom:
		if err := v.Addr().Interface().(stdjson.Unmarshaler).UnmarshalJSON(text); err != nil {
			return d.refused(err, c, text)
		}
		return true
	case shapeRaw:
		return d.raw(c, v, text)
	case shapeAny:
		if d.p.Duplicate != FieldIgnored && !d.unique(text) {
			return false
		}
		if a := anyOf(text); a != nil {
			v.Set(reflect.ValueOf(a))
		} else {
			v.SetZero()
		}
		return true
	case shapeSlice, shapeMap, shapeStruct:
		if d.coerce && text[0] == '"' {
			inner := unquote(text)
			if checkJSON(inner, false) == nil {
				text = trimSpace(inner)
			}
		}
		return d.composite(c, v, text)
	}
	return d.scalar(c, v, text)
}

// refused records what a type's own reader says about a value.
func (d *decoder) refused(err error, c *codec, text []byte) bool {
	fs, msg, code := safeText(err)
	if len(fs) == 0 {
		if msg == "" {
			msg = "the value is not valid"
		}
		return d.fail(code, "is refused: "+msg+d.got(c, text))
	}
	at := d.here()
	for _, f := range fs {
		if f.Path = strings.TrimPrefix(f.Path, "/"); f.Path != "" && at != "" {
			f.Path = pointer(at) + "/" + f.Path
		} else if f.Path == "" {
			f.Path = at
		}
		d.found.Append(f)
	}
	return false
}

// pointer turns the path of a finding into a JSON pointer.
func pointer(at string) string {
	if strings.HasPrefix(at, "/") {
		return at
	}
	return "/" + escapePointer.Replace(at)
}

// raw keeps the text of a value, or under coercion that of the JSON inside it.
func (d *decoder) raw(c *codec, v reflect.Value, text []byte) bool {
	if d.coerce && text[0] == '"' {
		if inner := unquote(text); checkJSON(inner, false) == nil {
			text = trimSpace(inner)
		}
	}
	if d.p.Duplicate != FieldIgnored && !d.unique(text) {
		return false
	}
	v.SetBytes(append(make([]byte, 0, len(text)), text...))
	return true
}

// unique holds a value that is kept whole to unique member names.
func (d *decoder) unique(text []byte) bool {
	if text[0] != '{' && text[0] != '[' {
		return true
	}
	if f := checkJSON(text, true); f != nil {
		return d.fail(f.Code, "must not name a member twice")
	}
	return true
}

// anyOf reads a value as plain Go data; numbers keep their text.
func anyOf(text []byte) any {
	switch text[0] {
	case 'n':
		return nil
	case 't':
		return true
	case 'f':
		return false
	case '"':
		return string(unquote(text))
	case '[':
		list := []any{}
		for w := walkInto(text); ; {
			_, value, ok := w.next(false)
			if !ok {
				return list
			}
			list = append(list, anyOf(value))
		}
	case '{':
		m := map[string]any{}
		for w := walkInto(text); ; {
			name, value, ok := w.next(true)
			if !ok {
				return m
			}
			m[string(unquote(name))] = anyOf(value)
		}
	}
	return stdjson.Number(text)
}

// composite reads arrays and objects.
func (d *decoder) composite(c *codec, v reflect.Value, text []byte) bool {
	switch {
	case c.shape == shapeSlice && text[0] == '[':
		return d.array(c, v, text)
	case c.shape == shapeMap && text[0] == '{':
		return d.table(c, v, text)
	case c.shape == shapeStruct && text[0] == '{':
		mark := len(d.state)
		d.state = append(d.state, make([]fieldState, len(c.object.fields))...)
		before := d.found.Len()
		d.object(c.object, v, text, mark)
		d.finish(c.object, v, mark)
		d.state = d.state[:mark]
		return d.found.Len() == before
	}
	return d.mismatch(c, text)
}

func (d *decoder) array(c *codec, v reflect.Value, text []byte) bool {
	n := count(text)
	if d.grown += n * int(c.typ.Elem().Size()); d.grown > maxGrown {
		return d.fail("max", "has too many elements")
	}
	s := reflect.MakeSlice(c.typ, n, n)
	ok := true
	w := walkInto(text)
	for i := range n {
		_, value, _ := w.next(false)
		d.pushIndex(i)
		ok = d.value(c.elem, s.Index(i), value) && ok
		d.pop()
	}
	v.Set(s)
	return ok
}

func (d *decoder) table(c *codec, v reflect.Value, text []byte) bool {
	m := reflect.MakeMap(c.typ)
	ok := true
	for w := walkInto(text); ; {
		name, value, more := w.next(true)
		if !more {
			break
		}
		if d.grown += int(c.typ.Elem().Size()) + 64; d.grown > maxGrown {
			return d.fail("max", "has too many members")
		}
		key := reflect.ValueOf(string(unquote(name))).Convert(c.typ.Key())
		d.pushName(key.String())
		if d.p.Duplicate != FieldIgnored && m.MapIndex(key).IsValid() {
			ok = d.fail("duplicate", "is there twice")
		}
		elem := reflect.New(c.typ.Elem()).Elem()
		ok = d.value(c.elem, elem, value) && ok
		d.pop()
		m.SetMapIndex(key, elem)
	}
	v.Set(m)
	return ok
}

// scalar reads the shapes without parts.
func (d *decoder) scalar(c *codec, v reflect.Value, text []byte) bool {
	first := text[0]
	quoted := first == '"'
	number := first == '-' || first >= '0' && first <= '9'
	switch c.shape {
	case shapeString, shapeTime, shapeText:
		switch {
		case quoted:
			return d.text(c, v, text, string(unquote(text)))
		case number && d.coerce && c.shape != shapeTime:
			return d.text(c, v, text, string(text))
		}
	case shapeBool:
		switch {
		case first == 't' || first == 'f':
			v.SetBool(first == 't')
			return true
		case d.coerce && (quoted || number):
			s := text
			if quoted {
				s = unquote(text)
			}
			if b, ok := looseBool(string(s)); ok {
				v.SetBool(b)
				return true
			}
		}
	case shapeInt, shapeUint, shapeFloat, shapeNumber:
		s := text
		if quoted && d.coerce {
			if s = trimSpace(unquote(text)); !isNumber(s) {
				break
			}
		} else if !number {
			break
		}
		return d.number(c, v, text, s)
	}
	return d.mismatch(c, text)
}

// text sets a value that is written as a text. token is what the caller sent.
func (d *decoder) text(c *codec, v reflect.Value, token []byte, s string) bool {
	switch c.shape {
	case shapeTime:
		t, err := time.Parse(time.RFC3339, s)
		if err != nil && d.p.Time != "" {
			t, err = time.Parse(d.p.Time, s)
		}
		if err != nil {
			return d.mismatch(c, token)
		}
		v.Set(reflect.ValueOf(t.UTC()))
	case shapeText:
		if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)); err != nil {
			return d.refused(err, c, token)
		}
	default:
		v.SetString(s)
	}
	return true
}

// number sets a numeric value from the text of a JSON number.
func (d *decoder) number(c *codec, v reflect.Value, token, s []byte) bool {
	text := string(s)
	switch c.shape {
	case shapeNumber:
		v.SetString(text)
		return true
	case shapeFloat:
		f, err := strconv.ParseFloat(text, c.typ.Bits())
		if err != nil {
			return d.fail("type", "must be a number that fits "+strconv.Itoa(c.typ.Bits())+" bits"+d.got(c, token))
		}
		v.SetFloat(f)
		return true
	}
	if strings.ContainsAny(text, ".eE") {
		whole, ok := integral(text)
		if !d.coerce || !ok {
			return d.mismatch(c, token)
		}
		text = whole
	}
	if c.shape == shapeInt {
		i, err := strconv.ParseInt(text, 10, c.typ.Bits())
		if err != nil {
			return d.fail("type", "must be an integer that fits "+strconv.Itoa(c.typ.Bits())+" bits"+d.got(c, token))
		}
		v.SetInt(i)
		return true
	}
	u, err := strconv.ParseUint(strings.TrimPrefix(text, "-0"), 10, c.typ.Bits())
	if text == "-0" {
		u, err = 0, nil
	}
	if err != nil {
		return d.fail("type", "must be a positive integer that fits "+strconv.Itoa(c.typ.Bits())+" bits"+d.got(c, token))
	}
	v.SetUint(u)
	return true
}

// integral returns the integer text of a number without a fraction.
func integral(text string) (string, bool) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return "", false
	}
	return strconv.FormatInt(int64(f), 10), true
}

// isNumber reports whether s is exactly a JSON number.
func isNumber(s []byte) bool {
	i := 0
	digits := func() bool {
		from := i
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		return i > from
	}
	if i < len(s) && s[i] == '-' {
		i++
	}
	if i < len(s) && s[i] == '0' {
		i++
	} else if !digits() {
		return false
	}
	if i < len(s) && s[i] == '.' {
		if i++; !digits() {
			return false
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		if i++; i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if !digits() {
			return false
		}
	}
	return i == len(s) && i > 0
}

// looseBool reads the words that coercion takes for a boolean.
func looseBool(s string) (value, ok bool) {
	switch strings.ToLower(s) {
	case "true", "t", "1":
		return true, true
	case "false", "f", "0":
		return false, true
	}
	return false, false
}

// plain reads a text without quotes, of a path, header, query or default.
func (d *decoder) plain(c *codec, v reflect.Value, s string) bool {
	switch c.shape {
	case shapeOpt:
		if !d.plain(c.elem, v.Field(1), s) {
			return false
		}
		v.Field(0).SetUint(uint64(Given))
		return true
	case shapePointer:
		v.Set(reflect.New(c.typ.Elem()))
		return d.plain(c.elem, v.Elem(), s)
	case shapeString:
		v.SetString(s)
		return true
	case shapeTime, shapeText:
		return d.text(c, v, quotedText(s), s)
	case shapeBool:
		low := s
		if d.p.Query.LooseBools {
			low = strings.ToLower(s)
		}
		if low == "true" || d.p.Query.LooseBools && s == "1" {
			v.SetBool(true)
			return true
		}
		if low == "false" || d.p.Query.LooseBools && s == "0" {
			v.SetBool(false)
			return true
		}
	case shapeInt, shapeUint, shapeFloat, shapeNumber:
		if isNumber([]byte(s)) {
			return d.number(c, v, quotedText(s), []byte(s))
		}
	default:
		text := trimSpace([]byte(s))
		if f := checkJSON(text, false); f != nil {
			return d.fail(f.Code, "must be JSON: "+f.Msg)
		}
		return d.value(c, v, text)
	}
	return d.mismatch(c, quotedText(s))
}

// quotedText is a text in the form in which findings echo it.
func quotedText(s string) []byte { return strconv.AppendQuote(nil, cut(s)) }

// A finding of a member that the row does not take.
func (d *decoder) unknown(name []byte) {
	d.found.Append(atoll.Finding{
		Path: d.under(string(name)), Code: "unknown",
		Msg: "unknown member " + strconv.Quote(cut(string(name))),
	})
}

// under is the path of a member of the value at hand.
func (d *decoder) under(name string) string {
	d.pushName(name)
	at := d.here()
	d.pop()
	return at
}
