package rest

import (
	"bytes"
	"encoding"
	stdjson "encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// encoder writes one value as JSON into a buffer that is sent only when it is
// complete. It is pooled.
type encoder struct {
	out   []byte
	time  string // layout of times
	depth int
	names []mapKey
}

// maxOutDepth stops values that contain themselves.
const maxOutDepth = 500

var encoders = sync.Pool{New: func() any { return new(encoder) }}

// encode appends v as JSON to buf, or leaves buf as it was and returns why v
// cannot be written. Nil slices are [], nil maps {}, nil pointers and zero
// times null; members are in the order of declaration, keys of maps sorted.
// Numbers, white space and order inside a Raw are kept. Text that is not valid
// UTF-8 is mended, characters special to HTML are not escaped.
func encode(buf *bytes.Buffer, v any, p *Profile) error {
	e := encoders.Get().(*encoder)
	e.time, e.depth = p.Time, 0
	if e.time == "" {
		e.time = time.RFC3339Nano
	}
	e.out = buf.AvailableBuffer()
	err := e.any(v)
	if err == nil {
		buf.Write(e.out)
	}
	e.out = nil
	encoders.Put(e)
	return err
}

// any writes a value of a type that is only known now.
func (e *encoder) any(v any) error {
	switch v := v.(type) {
	case nil:
		e.out = append(e.out, "null"...)
		return nil
	case string:
		e.out = appendQuoted(e.out, v)
		return nil
	case bool:
		e.out = strconv.AppendBool(e.out, v)
		return nil
	case int:
		e.out = strconv.AppendInt(e.out, int64(v), 10)
		return nil
	case map[string]any:
		return e.looseMap(v)
	}
	rv := reflect.ValueOf(v)
	c, err := codecOf(rv.Type())
	if err != nil {
		return err
	}
	if e.depth == 0 && c.shape == shapeStruct && c.noOut == "" && !(c.appends || c.marshals || c.texts) {
		e.depth = 1
		return e.object(c.object, rv) // what nearly every answer is
	}
	return e.value(c, rv)
}

func (e *encoder) looseMap(m map[string]any) error {
	if e.depth++; e.depth > maxOutDepth {
		return fmt.Errorf("the value is nested deeper than %d levels, or contains itself", maxOutDepth)
	}
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	e.out = append(e.out, '{')
	for i, k := range keys {
		if i > 0 {
			e.out = append(e.out, ',')
		}
		e.out = append(appendQuoted(e.out, k), ':')
		if err := e.any(m[k]); err != nil {
			return err
		}
	}
	e.out = append(e.out, '}')
	e.depth--
	return nil
}

// value writes v, whose type is that of c.
func (e *encoder) value(c *codec, v reflect.Value) error {
	if c.appends || c.marshals || c.texts {
		return e.own(c, v)
	}
	if c.noOut != "" {
		return fmt.Errorf("%s cannot be written: %s", c.typ, c.noOut)
	}
	switch c.shape {
	case shapeString, shapeText:
		e.out = appendQuoted(e.out, v.String())
	case shapeBool:
		e.out = strconv.AppendBool(e.out, v.Bool())
	case shapeInt:
		e.out = strconv.AppendInt(e.out, v.Int(), 10)
	case shapeUint:
		e.out = strconv.AppendUint(e.out, v.Uint(), 10)
	case shapeFloat:
		f := v.Float()
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("%v is not a JSON number", f)
		}
		e.out = jsontext.AppendFloat(e.out, f, c.typ.Bits())
	case shapeNumber:
		s := v.String()
		if !isNumber([]byte(s)) {
			return fmt.Errorf("%q is not a JSON number", cut(s))
		}
		e.out = append(e.out, s...)
	case shapeTime:
		t := v.Interface().(time.Time)
		if t.IsZero() {
			e.out = append(e.out, "null"...)
			return nil
		}
		e.out = append(e.out, '"')
		e.out = append(t.UTC().AppendFormat(e.out, e.time), '"')
	case shapeRaw:
		return e.raw(v.Bytes())
	case shapeAny:
		if v.IsNil() {
			e.out = append(e.out, "null"...)
			return nil
		}
		return e.any(v.Interface())
	default:
		return e.composite(c, v)
	}
	return nil
}

// composite writes the shapes that hold values.
func (e *encoder) composite(c *codec, v reflect.Value) error {
	if e.depth++; e.depth > maxOutDepth {
		return fmt.Errorf("the value is nested deeper than %d levels, or contains itself", maxOutDepth)
	}
	defer func() { e.depth-- }()
	switch c.shape {
	case shapeOpt:
		if Presence(v.Field(0).Uint()) != Given {
			e.out = append(e.out, "null"...)
			return nil
		}
		return e.value(c.elem, v.Field(1))
	case shapePointer:
		if v.IsNil() {
			e.out = append(e.out, "null"...)
			return nil
		}
		return e.value(c.elem, v.Elem())
	case shapeSlice:
		e.out = append(e.out, '[')
		for i := range v.Len() {
			if i > 0 {
				e.out = append(e.out, ',')
			}
			if err := e.value(c.elem, v.Index(i)); err != nil {
				return fmt.Errorf("%d: %w", i, err)
			}
		}
		e.out = append(e.out, ']')
		return nil
	case shapeMap:
		return e.table(c, v)
	case shapeStruct:
		return e.object(c.object, v)
	}
	return fmt.Errorf("%s cannot be written", c.typ)
}

func (e *encoder) object(o *object, v reflect.Value) error {
	e.out = append(e.out, '{')
	first := true
	for i := range o.fields {
		f := &o.fields[i]
		if f.JSON == "" && f.body != bodyKeep || f.WriteOnly {
			continue
		}
		var fv reflect.Value
		if len(f.index) == 1 {
			fv = v.Field(f.index[0])
		} else {
			fv = v.FieldByIndex(f.index)
		}
		if f.body == bodyKeep {
			kept := fv.Interface().(map[string]Raw)
			for _, name := range sortedKeys(kept) {
				if !first {
					e.out = append(e.out, ',')
				}
				first = false
				e.out = append(appendQuoted(e.out, name), ':')
				if err := e.raw(kept[name]); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
			continue
		}
		if (f.omitEmpty || f.omitZero || f.codec.shape == shapeOpt) && f.left(fv) {
			continue
		}
		if !first {
			e.out = append(e.out, ',')
		}
		first = false
		e.out = append(e.out, f.quoted...)
		if f.codec.typ == stringType { // most members are
			e.out = appendQuoted(e.out, fv.String())
			continue
		}
		if err := e.value(f.codec, fv); err != nil {
			return fmt.Errorf("%s: %w", f.JSON, err)
		}
	}
	e.out = append(e.out, '}')
	return nil
}

func sortedKeys(m map[string]Raw) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// left reports whether the member is left out of its object.
func (f *Field) left(v reflect.Value) bool {
	if f.codec.shape == shapeOpt && v.Field(0).Uint() == uint64(Absent) {
		return true
	}
	switch {
	case f.omitZero:
		if z, ok := v.Interface().(interface{ IsZero() bool }); ok {
			return z.IsZero()
		}
		return v.IsZero()
	case f.omitEmpty:
		switch v.Kind() {
		case reflect.Pointer:
			return v.IsNil()
		case reflect.Slice, reflect.Map, reflect.String, reflect.Array:
			return v.Len() == 0
		case reflect.Struct:
			return f.codec.shape == shapeTime && v.IsZero()
		}
		return v.IsZero()
	}
	return false
}

var stringType = reflect.TypeFor[string]()

// mapKey is one key of a map with its text, for sorting.
type mapKey struct {
	text string
	key  reflect.Value
}

func (e *encoder) table(c *codec, v reflect.Value) error {
	from := len(e.names)
	defer func() {
		clear(e.names[from:])
		e.names = e.names[:from]
	}()
	for it := v.MapRange(); it.Next(); {
		k := mapKey{key: it.Key()}
		if c.mapKeyText {
			text, err := k.key.Interface().(encoding.TextMarshaler).MarshalText()
			if err != nil {
				return err
			}
			k.text = string(text)
		} else {
			k.text = k.key.String()
		}
		e.names = append(e.names, k)
	}
	keys := e.names[from:]
	slices.SortFunc(keys, func(a, b mapKey) int {
		if a.text < b.text {
			return -1
		}
		return 1
	})
	e.out = append(e.out, '{')
	for i, k := range keys {
		if i > 0 {
			e.out = append(e.out, ',')
		}
		e.out = append(appendQuoted(e.out, k.text), ':')
		if err := e.value(c.elem, v.MapIndex(k.key)); err != nil {
			return fmt.Errorf("%s: %w", k.text, err)
		}
	}
	e.out = append(e.out, '}')
	return nil
}

// raw writes JSON text as it is, once it is known to be JSON.
func (e *encoder) raw(text []byte) error {
	if len(text) == 0 {
		e.out = append(e.out, "null"...)
		return nil
	}
	if !jsontext.Value(text).IsValid(allowRepeated) {
		return fmt.Errorf("a raw value is not valid JSON")
	}
	e.out = append(e.out, text...)
	return nil
}

// own lets a value write itself.
func (e *encoder) own(c *codec, v reflect.Value) error {
	if c.addr {
		if !v.CanAddr() {
			p := reflect.New(c.typ)
			p.Elem().Set(v)
			v = p.Elem()
		}
		v = v.Addr()
	}
	switch w := v.Interface().(type) {
	case interface{ AppendJSON([]byte) []byte }:
		e.out = w.AppendJSON(e.out)
	case stdjson.Marshaler:
		text, err := w.MarshalJSON()
		if err != nil {
			return err
		}
		return e.raw(text)
	case encoding.TextMarshaler:
		text, err := w.MarshalText()
		if err != nil {
			return err
		}
		e.out = appendQuoted(e.out, string(text))
	}
	return nil
}

// appendQuoted appends s as a JSON string. Bytes that are not UTF-8 become the
// replacement character: what a process wrote to its log is not worth a 500.
func appendQuoted(dst []byte, s string) []byte {
	for i := range len(s) {
		if b := s[i]; b < 0x20 || b == '"' || b == '\\' || b >= 0x80 {
			dst, _ = jsontext.AppendQuote(dst, s)
			return dst
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}
