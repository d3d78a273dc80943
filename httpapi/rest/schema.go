package rest

import (
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// documenter makes the JSON Schemas (2020-12) of a document. Struct types with
// a name become components, so types may be recursive; what is read and what is
// written are different components.
type documenter struct {
	p       *Profile
	schemas doc
	names   map[schemaKey]string
	faults  []error
}

// schemaKey is what makes a component: the type, its direction, and for input
// whether the row creates.
type schemaKey struct {
	typ    reflect.Type
	in     bool
	create bool
}

func ref(name string) doc { return doc{"$ref": "#/components/schemas/" + name} }

// input is the schema of the members a row takes.
func (b *documenter) input(o *Operation) any {
	return b.structure(o.binder.in, schemaKey{o.in, true, o.Routes[0].Method == http.MethodPost}, o.ID)
}

// output is the schema of an answer of type t.
func (b *documenter) output(t reflect.Type) any {
	c, err := codecOf(t)
	if err != nil {
		b.faults = append(b.faults, err)
		return doc{}
	}
	return b.of(c, schemaKey{}, "")
}

// of is the schema of a codec.
func (b *documenter) of(c *codec, key schemaKey, hint string) doc {
	s := doc{}
	switch c.shape {
	case shapeString, shapeText:
		s["type"] = "string"
		if c.secret {
			s["writeOnly"] = true
		}
		if strings.EqualFold(c.typ.Name(), "UUID") {
			s["format"] = "uuid"
		}
	case shapeBool:
		s["type"] = "boolean"
	case shapeInt, shapeUint:
		s["type"] = "integer"
		if bits := c.typ.Bits(); bits == 32 || bits == 64 {
			s["format"] = "int" + strconv.Itoa(bits)
		}
		if c.shape == shapeUint {
			s["minimum"] = 0
		}
	case shapeFloat, shapeNumber:
		s["type"] = "number"
	case shapeTime:
		s = b.time(key.in)
	case shapeSlice:
		s["type"] = "array"
		if c.elem == nil {
			return doc{}
		}
		s["items"] = b.of(c.elem, key, hint)
	case shapeMap:
		s["type"] = "object"
		if c.elem == nil {
			return doc{}
		}
		s["additionalProperties"] = b.of(c.elem, key, hint)
	case shapeStruct:
		if c.object == nil {
			if c.texts && !c.appends && !c.marshals {
				return doc{"type": "string"}
			}
			return doc{}
		}
		key.typ = c.typ
		return b.structure(c, key, hint)
	case shapeOpt, shapePointer:
		s = b.of(c.elem, key, hint)
		if !key.in {
			s = orNull(s)
		}
		return s
	}
	if c.values != nil {
		s["enum"] = anys(c.values)
	}
	if !key.in && (c.appends || c.marshals) {
		return doc{} // it writes what it likes
	}
	return s
}

// time is the schema of times, which answers write in the profile's layout.
func (b *documenter) time(in bool) doc {
	s := doc{"type": "string"}
	layout := b.p.Time
	if layout == "" {
		layout = time.RFC3339Nano
	}
	if in || strings.HasPrefix(layout, "2006-01-02T15:04:05") && strings.HasSuffix(strings.TrimSuffix(layout, "07:00"), "Z") {
		s["format"] = "date-time"
	} else {
		s["examples"] = []any{time.Date(2015, 1, 21, 12, 18, 8, 791_000_000, time.UTC).Format(layout)}
	}
	if !in {
		s["type"] = []any{"string", "null"}
	}
	return s
}

// orNull lets a schema take null too.
func orNull(s doc) doc {
	switch t := s["type"].(type) {
	case string:
		s["type"] = []any{t, "null"}
		if enum, ok := s["enum"].([]any); ok {
			s["enum"] = append(enum, nil)
		}
		return s
	case []any:
		return s
	}
	if len(s) == 0 {
		return s
	}
	return doc{"anyOf": []any{s, doc{"type": "null"}}}
}

func anys(texts []string) []any {
	out := make([]any, len(texts))
	for i, t := range texts {
		out[i] = t
	}
	return out
}

// structure is the schema of a struct: a reference if it has a name.
func (b *documenter) structure(c *codec, key schemaKey, hint string) doc {
	if c.typ.Name() == "" && hint == "" {
		return b.members(c.object, key)
	}
	if name, ok := b.names[key]; ok {
		return ref(name)
	}
	name := b.free(c.typ, key, hint)
	b.names[key] = name
	b.schemas[name] = doc{}
	b.schemas[name] = b.members(c.object, key)
	return ref(name)
}

// free finds a component name that is not taken.
func (b *documenter) free(t reflect.Type, key schemaKey, hint string) string {
	name := componentName(t.Name())
	if name == "" {
		name = componentName(hint)
	}
	if key.in {
		name += "Input"
	}
	for try, n := name, 2; ; n++ {
		if _, taken := b.schemas[try]; !taken && try != "Error" {
			return try
		}
		try = fmt.Sprint(name, n)
	}
}

// componentName makes a name of ASCII letters and digits: the parts of a
// generic type's name without their packages.
func componentName(s string) string {
	generic := strings.Contains(s, "[")
	var out strings.Builder
	for part := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == '[' || r == ']' || r == ',' || r == '*' }) {
		if generic {
			part = part[strings.LastIndexByte(part, '/')+1:]
			part = part[strings.LastIndexByte(part, '.')+1:]
		}
		for word := range strings.FieldsFuncSeq(part, func(r rune) bool {
			return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r)
		}) {
			out.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return out.String()
}

// members is the schema of the members of an object.
func (b *documenter) members(o *object, key schemaKey) doc {
	props, required := doc{}, []any{}
	for i := range o.fields {
		f := &o.fields[i]
		if f.JSON == "" || !key.in && f.WriteOnly {
			continue
		}
		readOnly := f.ReadOnly || f.CreateOnly && !key.create
		if key.in && readOnly && (b.p.ReadOnly == FieldRefused || b.p.ReadOnly == FieldRefusedOnCreate && key.create) {
			continue
		}
		props[f.JSON] = b.field(f, key, key.in)
		switch {
		case key.in && f.Required && !readOnly && f.Query == "" && f.Path == "":
			required = append(required, f.JSON)
		case !key.in && !f.omitEmpty && !f.omitZero && f.codec.shape != shapeOpt:
			required = append(required, f.JSON)
		}
		if key.in {
			for _, a := range f.Alias {
				props[a] = doc{"description": "Another name of " + f.JSON + ".", "deprecated": true}
			}
		}
	}
	s := doc{"type": "object", "properties": props}
	if len(required) > 0 {
		s["required"] = required
	}
	if key.in && o.keep < 0 && (b.p.Unknown == FieldRefused || b.p.Unknown == FieldRefusedOnCreate && key.create) {
		s["additionalProperties"] = false
	}
	return s
}

// field is the schema of a field with its rules.
func (b *documenter) field(f *Field, key schemaKey, rules bool) doc {
	if f.codec == nil {
		return doc{}
	}
	if f.query == queryPresent {
		return doc{"type": "string", "description": "True when it is there, with any value."}
	}
	s := b.of(f.codec, key, "")
	if rules {
		s = b.ruled(f, s)
	}
	if key.in {
		base := f.codec.base()
		open := base.shape == shapeRaw || base.shape == shapeAny || base.shape == shapeCustom
		if f.Nullable || !f.Required && !open && f.JSON != "" && b.p.Null != NullRefused {
			s = orNull(s)
		}
		if f.ReadOnly || f.CreateOnly && !key.create && f.JSON != "" && key.typ != nil {
			s = noted(s, "readOnly", true)
		}
		if f.WriteOnly {
			s = noted(s, "writeOnly", true)
		}
	} else if f.ReadOnly {
		s = noted(s, "readOnly", true)
	}
	if f.Doc != "" && f.Path == "" && f.Query == "" && f.Header == "" {
		s = noted(s, "description", f.Doc)
	}
	return s
}

// noted adds a keyword to a schema; beside a reference too, which is legal
// since JSON Schema 2019-09.
func noted(s doc, key string, value any) doc {
	s[key] = value
	return s
}

// ruled adds the value rules of a field.
func (b *documenter) ruled(f *Field, s doc) doc {
	base := f.codec.base()
	r := f.rules
	lower, upper := "minimum", "maximum"
	switch {
	case base.textual():
		lower, upper = "minLength", "maxLength"
	case base.shape == shapeSlice:
		lower, upper = "minItems", "maxItems"
	case base.shape == shapeMap:
		lower, upper = "minProperties", "maxProperties"
	case !base.numeric():
		lower, upper = "", ""
	}
	if lower != "" {
		if r.min != nil {
			s[lower] = r.min.value()
		}
		if r.max != nil {
			s[upper] = r.max.value()
		}
	}
	at, item := s, base
	if items, ok := s["items"].(doc); ok {
		at, item = items, base.elem.base()
	}
	if r.enum != nil {
		if item.textual() {
			at["enum"] = anys(r.enum)
		} else {
			var numbers []any
			for _, text := range r.enum {
				if n, err := strconv.ParseInt(text, 10, 64); err == nil {
					numbers = append(numbers, n)
				}
			}
			at["enum"] = numbers
		}
	}
	if r.re != nil {
		at["pattern"] = "^(?:" + r.reText + ")$"
	}
	if r.hasDef {
		s["default"] = f.defaultValue()
	}
	return s
}

func (b *bound) value() any {
	if b.integer {
		return b.i
	}
	return b.f
}

// defaultValue is the default as a JSON value.
func (f *Field) defaultValue() any {
	base := f.codec.base()
	if base.textual() || base.shape == shapeTime || base.shape == shapeText {
		return f.rules.defText
	}
	return Raw(f.rules.defText)
}
