package rest

import (
	"encoding"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/atoll-platform/atoll"
)

// shape is how a Go type stands for JSON.
type shape uint8

const (
	shapeString shape = iota + 1
	shapeBool
	shapeInt
	shapeUint
	shapeFloat
	shapeTime
	shapeRaw
	shapeAny
	shapeNumber // encoding/json.Number: number text
	shapeSlice
	shapeMap
	shapeStruct
	shapeOpt
	shapePointer
	shapeText   // reads and writes itself as text
	shapeCustom // reads or writes its own JSON
)

// codec is everything reading and writing values of one Go type needs to know.
// Codecs are made once per type, live as long as the process and are constant.
type codec struct {
	shape  shape
	typ    reflect.Type
	elem   *codec  // of Opt, pointer, slice, map
	object *object // of struct
	values []string
	secret bool // a Secret, or made of Secrets

	appends, marshals, texts bool // how it writes itself; addr says the pointer does
	addr                     bool
	mapKeyText               bool

	noIn, noOut string // why values cannot be read, written; "" they can
}

// object is the codec of a struct: its fields as members of a JSON object.
type object struct {
	fields []Field
	byName map[string]int // members and their aliases
	byFold map[string]int // query names in lower case
	query  map[string]int // query names
	keep   int            // the field for unknown members, -1 none
	rest   int            // the field for unclaimed parameters, -1 none
	bare   int            // the field that takes bare names, -1 none
	self   []int          // index of an embedded Self, nil none
	body   int            // the field with a body:"raw" or "upload" tag, -1 none
	json   bool           // some field is a member, or keeps unknown ones
}

// valued is implemented by types with a closed set of texts.
type valued interface{ Values() []string }

var (
	textReader = reflect.TypeFor[encoding.TextUnmarshaler]()
	jsonReader = reflect.TypeFor[stdjson.Unmarshaler]()
	textWriter = reflect.TypeFor[encoding.TextMarshaler]()
	jsonWriter = reflect.TypeFor[stdjson.Marshaler]()
	appender   = reflect.TypeFor[interface{ AppendJSON([]byte) []byte }]()
	valuedType = reflect.TypeFor[valued]()
	secretType = reflect.TypeFor[Secret]()
	rawType    = reflect.TypeFor[Raw]()
	timeType   = reflect.TypeFor[time.Time]()
	spanType   = reflect.TypeFor[time.Duration]()
	numberType = reflect.TypeFor[stdjson.Number]()
	selfType   = reflect.TypeFor[Self]()
	pairsType  = reflect.TypeFor[[]Pair]()
	uploadType = reflect.TypeFor[Upload]()
)

var (
	codecs   sync.Map // reflect.Type → *codec, complete ones
	codecsMu sync.Mutex
)

// codecOf returns the codec of t, or every fault of its tags.
func codecOf(t reflect.Type) (*codec, error) {
	if c, ok := codecs.Load(t); ok {
		return c.(*codec), nil
	}
	codecsMu.Lock()
	defer codecsMu.Unlock()
	b := builder{open: map[reflect.Type]*codec{}}
	c := b.codec(t)
	if err := errors.Join(b.faults...); err != nil {
		return nil, err
	}
	for t, c := range b.open {
		codecs.LoadOrStore(t, c)
	}
	if done, ok := codecs.Load(t); ok {
		c = done.(*codec)
	}
	return c, nil
}

// builder makes the codecs that one type needs; open lets types be recursive.
type builder struct {
	open   map[reflect.Type]*codec
	faults []error
}

func (b *builder) fault(format string, args ...any) {
	b.faults = append(b.faults, fmt.Errorf(format, args...))
}

func (b *builder) codec(t reflect.Type) *codec {
	if c, ok := codecs.Load(t); ok {
		return c.(*codec)
	}
	if c, ok := b.open[t]; ok {
		return c
	}
	c := &codec{typ: t}
	if t.Name() == "" && (t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map) {
		// Recursion goes through a type with a name, so this one need not be
		// open: nobody then sees it before its element is known.
		b.byKind(c)
		b.hooks(c)
		if done, ok := b.open[t]; ok {
			return done
		}
		b.open[t] = c
		return c
	}
	b.open[t] = c
	if t.Kind() != reflect.Interface && t.Implements(valuedType) && t.Kind() != reflect.Pointer {
		c.values = reflect.Zero(t).Interface().(valued).Values()
	}
	switch t {
	case secretType:
		c.shape, c.secret = shapeString, true
		c.texts = true
		return c
	case rawType:
		c.shape = shapeRaw
		return c
	case timeType:
		c.shape = shapeTime
		return c
	case numberType:
		c.shape = shapeNumber
		return c
	case spanType:
		c.shape = shapeInt
		c.noIn = "a duration has no unit on the wire: use an integer and name the unit"
		c.noOut = c.noIn
		return c
	}
	if isOpt(t) {
		c.shape = shapeOpt
		c.elem = b.codec(t.Field(1).Type)
		c.secret = c.elem.secret
		c.noIn, c.noOut = c.elem.noIn, c.elem.noOut
		return c
	}
	b.byKind(c)
	b.hooks(c)
	return c
}

// byKind fills in what follows from the kind of the type.
func (b *builder) byKind(c *codec) {
	t := c.typ
	switch t.Kind() {
	case reflect.Pointer:
		if t.Name() != "" {
			c.shape, c.noIn = shapeCustom, "a pointer type with a name is not data"
			c.noOut = c.noIn
			return
		}
		c.shape = shapePointer
		c.elem = b.codec(t.Elem())
		c.secret = c.elem.secret
		c.noIn, c.noOut = c.elem.noIn, c.elem.noOut
	case reflect.String:
		c.shape = shapeString
	case reflect.Bool:
		c.shape = shapeBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		c.shape = shapeInt
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		c.shape = shapeUint
	case reflect.Float32, reflect.Float64:
		c.shape = shapeFloat
	case reflect.Interface:
		c.shape = shapeAny
		if t.NumMethod() > 0 {
			c.noIn = fmt.Sprintf("values of the interface %s cannot be made from JSON", t)
		}
	case reflect.Slice:
		c.shape = shapeSlice
		if hooked(t) {
			return
		}
		if t.Elem().Kind() == reflect.Uint8 {
			c.noIn = "bytes are not a JSON type: use Raw for JSON, string for text"
			c.noOut = c.noIn
			return
		}
		c.elem = b.codec(t.Elem())
		c.secret = c.elem.secret
		c.noIn, c.noOut = c.elem.noIn, c.elem.noOut
	case reflect.Map:
		c.shape = shapeMap
		if hooked(t) {
			return
		}
		c.elem = b.codec(t.Elem())
		c.secret = c.elem.secret
		c.noIn, c.noOut = c.elem.noIn, c.elem.noOut
		if t.Key().Kind() != reflect.String {
			c.noIn = fmt.Sprintf("keys of %s are not texts", t)
			if c.mapKeyText = t.Key().Implements(textWriter); !c.mapKeyText {
				c.noOut = c.noIn
			}
		}
	case reflect.Struct:
		c.shape = shapeStruct
		if hooked(t) {
			return
		}
		c.object = b.object(t)
	default:
		c.noIn = fmt.Sprintf("values of %s are not data", t)
		c.noOut = c.noIn
	}
}

// hooked reports whether the type reads or writes itself, so that its insides
// are its own business.
func hooked(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(textReader) || p.Implements(jsonReader) || p.Implements(textWriter) ||
		p.Implements(jsonWriter) || p.Implements(appender)
}

// hooks lets a type's own methods take over what byKind decided.
func (b *builder) hooks(c *codec) {
	t := c.typ
	if t.Kind() == reflect.Interface || t.Kind() == reflect.Pointer {
		return
	}
	p := reflect.PointerTo(t)
	switch {
	case p.Implements(appender):
		c.appends, c.addr = true, !t.Implements(appender)
	case p.Implements(jsonWriter):
		c.marshals, c.addr = true, !t.Implements(jsonWriter)
	case p.Implements(textWriter):
		c.texts, c.addr = true, !t.Implements(textWriter)
	}
	composite := c.elem == nil && c.object == nil && c.shape >= shapeSlice && c.noIn == ""
	switch {
	case p.Implements(jsonReader):
		c.shape, c.noIn = shapeCustom, ""
	case p.Implements(textReader):
		c.shape, c.noIn = shapeText, ""
	case composite:
		c.noIn = fmt.Sprintf("%s writes itself but cannot read itself", t)
	}
	switch {
	case c.appends, c.marshals, c.texts:
		c.noOut = ""
	case composite || c.shape == shapeCustom:
		c.noOut = fmt.Sprintf("%s reads itself but cannot write itself", t)
	case c.shape == shapeText && c.typ.Kind() != reflect.String:
		c.noOut = fmt.Sprintf("%s reads itself but cannot write itself", t)
	}
}

// isOpt reports whether t is an instance of Opt, not a struct that embeds one.
func isOpt(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t.PkgPath() == selfType.PkgPath() && strings.HasPrefix(t.Name(), "Opt[")
}

// base is the codec below Opt and pointers.
func (c *codec) base() *codec {
	for c.shape == shapeOpt || c.shape == shapePointer {
		c = c.elem
	}
	return c
}

// optional reports whether the type can hold the absence of a value.
func (c *codec) optional() bool { return c.shape == shapeOpt || c.shape == shapePointer }

// want says what JSON the type takes, to callers.
func (c *codec) want() string {
	switch c.shape {
	case shapeString, shapeText:
		return "a string"
	case shapeBool:
		return "true or false"
	case shapeInt, shapeUint:
		return "an integer"
	case shapeFloat, shapeNumber:
		return "a number"
	case shapeTime:
		return "a time as RFC 3339 writes it"
	case shapeSlice:
		return "an array"
	case shapeMap, shapeStruct:
		return "an object"
	case shapeOpt, shapePointer:
		return c.elem.want()
	}
	return "a JSON value"
}

// readable returns why values of the type cannot be bound, "" if they can.
func (c *codec) readable(seen map[*codec]bool) string {
	if seen[c] {
		return ""
	}
	seen[c] = true
	if c.noIn != "" {
		return c.noIn
	}
	if c.object != nil && c.shape == shapeStruct {
		for i := range c.object.fields {
			if f := &c.object.fields[i]; f.codec != nil {
				if why := f.codec.readable(seen); why != "" {
					return f.GoName + ": " + why
				}
			}
		}
	}
	if c.elem != nil {
		return c.elem.readable(seen)
	}
	return ""
}

// writable returns why values of the type cannot be encoded, "" if they can.
func (c *codec) writable(seen map[*codec]bool) string {
	if seen[c] {
		return ""
	}
	seen[c] = true
	if c.noOut != "" || c.appends || c.marshals || c.texts {
		return c.noOut
	}
	if c.object != nil {
		for i := range c.object.fields {
			f := &c.object.fields[i]
			if f.JSON == "" || f.WriteOnly {
				continue
			}
			if why := f.codec.writable(seen); why != "" {
				return f.GoName + ": " + why
			}
		}
	}
	if c.elem != nil {
		return c.elem.writable(seen)
	}
	return ""
}

// safeText returns what of err a caller may read.
func safeText(err error) (fs []atoll.Finding, msg, code string) {
	e, ok := errors.AsType[*atoll.Error](err)
	if !ok {
		return nil, "the value is not valid", "type"
	}
	code = string(e.Code)
	if code == "" {
		code = strings.ReplaceAll(e.Kind.String(), " ", "_")
	}
	if e.Kind == atoll.Internal {
		return nil, "the value is not valid", code
	}
	return e.Findings, e.Msg, code
}
