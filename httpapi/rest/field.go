package rest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Field describes one field of an In or Out type: where it comes from, what it
// may hold, what documents say about it. It is read from the tags of the field:
//
//	path:"uuid,object"       a parameter of the path; scope, parent or object
//	header:"Content-Digest"  one header value
//	query:"limit"            the last value; "tag,list" all, "tag,unique" equal ones once,
//	                         "ids,csv" split at commas, "reverse,present" a bool,
//	                         "doc,pairs" with bare names, "*" what no other field takes
//	json:"name"              a member of the body or answer, ",omitempty" and ",omitzero" of the answer
//	body:"raw"               the whole body, an object; "raw,any" any JSON value, "keep" the
//	                         members no field takes, "upload" a reader
//	rule:"required max=50"   see the rules: required null trim same min max clamp enum re default
//	show:"ro"                only in answers; "wo" never in answers, "create" only taken by
//	                         POST rows, "computed" made by the service
//	alias:"a,b"              other names of the member
//	label:"-" doc:"…" wire:"field" links:"self:detail objects:list"
//	opt:"required"           what OPTIONS claims where it differs: required, optional, unbounded
//
// A field with several sources takes the first that is there: path, header,
// body, query. A field without a source needs json:"-".
//
// The descriptors are made once per type; binding, OPTIONS, schema answers and
// OpenAPI read the same ones, so a field cannot be accepted and undocumented.
type Field struct {
	Name   string       // as callers know it
	GoName string       // as the code knows it
	GoType reflect.Type // its declared type
	Wire   string       // one of the wire words below

	Path   string // the parameter of the path it is bound to, "" none
	Role   string // scope, parent or object, for a path parameter
	Header string
	Query  string // "*" is every parameter that no other field takes
	JSON   string // the member of the body
	Alias  []string

	Required, OptRequired                     bool // enforced; claimed by OPTIONS
	ReadOnly, WriteOnly, CreateOnly, Computed bool
	Nullable                                  bool // null is listed as legal
	Max, Min                                  *float64
	Enum                                      []string
	Pattern, Default                          string
	Links                                     []Link
	Label, Doc                                string
	index                                     []int
	codec                                     *codec
	rules                                     *rules
	query                                     queryMode
	body                                      bodyUse
	typed                                     bool // reads the row's further body types itself
	unbounded                                 bool // OPTIONS claims no bounds
	omitEmpty, omitZero                       bool
	quoted                                    string // `"name":`
}

// Link is one entry of a field that holds links.
type Link struct{ Name, Type string }

// The wire words, as metadata shows them.
const (
	WireField    = "field" // JSON of any form, or computed
	WireString   = "string"
	WireInteger  = "integer"
	WireFloat    = "float"
	WireBoolean  = "boolean"
	WireDatetime = "datetime"
	WireEmail    = "email"
	WireChoice   = "choice"
	WireLinks    = "links"
	WireFile     = "file upload"
)

var wireWords = []string{WireField, WireString, WireInteger, WireFloat, WireBoolean, WireDatetime, WireEmail, WireChoice, WireLinks, WireFile}

// queryMode says which occurrences of a parameter a field takes.
type queryMode uint8

const (
	queryLast    queryMode = iota
	queryList              // all, in order
	queryUnique            // all, equal ones once
	queryCSV               // all, each split at commas
	queryPairs             // all as Pairs, and the bare names that no field takes
	queryPresent           // whether there is one
	queryRest              // what no other field takes
)

var queryModes = map[string]queryMode{
	"": queryLast, "list": queryList, "unique": queryUnique, "csv": queryCSV, "pairs": queryPairs, "present": queryPresent,
}

// bodyUse says what a field takes of the body besides members.
type bodyUse uint8

const (
	bodyMember bodyUse = iota
	bodyRaw            // all of it, an object
	bodyAny            // all of it, any JSON value
	bodyKeep           // the members that no field takes
	bodyUpload         // a reader
)

var bodyUses = map[string]bodyUse{"": bodyMember, "raw": bodyRaw, "raw,any": bodyAny, "keep": bodyKeep, "upload": bodyUpload}

// bodyReader is implemented by fields that read the bytes of a body themselves.
// The bytes are only lent; the findings of its error become the call's.
type bodyReader interface{ DecodeBody(body []byte) error }

var bodyReaderType = reflect.TypeFor[bodyReader]()

// typedReader is implemented by fields that read bodies of the row's further
// types, as bodyReader reads JSON.
type typedReader interface {
	DecodeTyped(media string, body []byte) error
}

var typedReaderType = reflect.TypeFor[typedReader]()

// FieldsOf returns the descriptors of a struct type.
func FieldsOf[T any]() ([]Field, error) { return fieldsOf(reflect.TypeFor[T]()) }

// fieldsOf returns the descriptors of a struct type, or every fault of its tags.
// The result is shared: it must not be changed.
func fieldsOf(t reflect.Type) ([]Field, error) {
	c, err := codecOf(t)
	if err != nil {
		return nil, err
	}
	if c.object == nil {
		return nil, nil
	}
	return c.object.fields, nil
}

// object makes the codec of a struct type's fields.
func (b *builder) object(t reflect.Type) *object {
	o := &object{byName: map[string]int{}, query: map[string]int{}, byFold: map[string]int{}, keep: -1, rest: -1, bare: -1, body: -1}
	b.flatten(o, t, t, nil)
	for i := range o.fields {
		b.register(o, t, i)
	}
	return o
}

// flatten collects the fields of t, with those of embedded structs in place.
func (b *builder) flatten(o *object, outer, t reflect.Type, index []int) {
	for i := range t.NumField() {
		sf := t.Field(i)
		at := append(slices.Clone(index), i)
		tagged := sourceTagged(sf.Tag)
		switch {
		case sf.Type == selfType && sf.Anonymous:
			o.self = at
		case sf.Anonymous && !tagged && sf.Type.Kind() == reflect.Struct && !hooked(sf.Type):
			b.flatten(o, outer, sf.Type, at)
		case !sf.IsExported():
			if tagged {
				b.fault("%s.%s: it has tags but is not exported", outer, sf.Name)
			}
		case !tagged && sf.Tag.Get("json") == "-":
		case !tagged:
			b.fault("%s.%s: it has no source; json:\"-\" leaves it out", outer, sf.Name)
		default:
			f, err := b.field(sf, at)
			if err != nil {
				b.fault("%s.%s: %v", outer, sf.Name, err)
				continue
			}
			o.fields = append(o.fields, f)
		}
	}
}

// sourceTagged reports whether a tag names a source of values.
func sourceTagged(tag reflect.StructTag) bool {
	for _, key := range []string{"path", "header", "query", "body"} {
		if _, ok := tag.Lookup(key); ok {
			return true
		}
	}
	name, ok := tag.Lookup("json")
	return ok && name != "-"
}

// field makes one descriptor from a struct field and its tags.
func (b *builder) field(sf reflect.StructField, index []int) (Field, error) {
	f := Field{GoName: sf.Name, GoType: sf.Type, index: index, Doc: sf.Tag.Get("doc")}
	if err := f.sources(sf.Tag); err != nil {
		return f, err
	}
	if f.body == bodyUpload {
		if sf.Type != uploadType {
			return f, fmt.Errorf("body:\"upload\" wants the type Upload, it is %s", sf.Type)
		}
		f.rules, f.Wire = &rules{}, WireFile
		return f, nil
	}
	f.typed = reflect.PointerTo(sf.Type).Implements(typedReaderType)
	if (f.body == bodyRaw || f.body == bodyAny) && reflect.PointerTo(sf.Type).Implements(bodyReaderType) {
		f.rules, f.Wire = &rules{}, WireField
		return f, nil
	}
	if f.query == queryPairs || f.query == queryRest {
		if sf.Type != pairsType {
			return f, fmt.Errorf("query:%q wants the type []Pair, it is %s", sf.Tag.Get("query"), sf.Type)
		}
		f.rules, f.Wire = &rules{}, WireField
		return f, nil
	}
	f.codec = b.codec(sf.Type)
	if err := f.fit(); err != nil {
		return f, err
	}
	if err := f.shows(sf.Tag); err != nil {
		return f, err
	}
	r, err := parseRules(sf.Tag.Get("rule"), &f)
	if err != nil {
		return f, err
	}
	f.rules = r
	return f, f.describe(sf.Tag)
}

// sources reads the tags that say where values come from.
func (f *Field) sources(tag reflect.StructTag) error {
	var opt string
	if f.Path, opt, _ = strings.Cut(tag.Get("path"), ","); f.Path != "" {
		if f.Role = opt; !slices.Contains([]string{"", "scope", "parent", "object"}, opt) {
			return fmt.Errorf("path role %q: want scope, parent or object", opt)
		}
	}
	f.Header = tag.Get("header")
	if f.Query, opt, _ = strings.Cut(tag.Get("query"), ","); f.Query != "" {
		mode, ok := queryModes[opt]
		if !ok {
			return fmt.Errorf("query option %q is not known", opt)
		}
		if f.query = mode; f.Query == "*" {
			f.query = queryRest
		}
	}
	var err error
	if f.JSON, opt, _ = strings.Cut(tag.Get("json"), ","); f.JSON == "-" {
		f.JSON = ""
	} else if f.JSON != "" || opt != "" {
		for o := range strings.SplitSeq(opt, ",") {
			switch o {
			case "":
			case "omitempty":
				f.omitEmpty = true
			case "omitzero":
				f.omitZero = true
			default:
				err = fmt.Errorf("json option %q is not supported", o)
			}
		}
		if f.JSON == "" {
			err = fmt.Errorf("the json tag has no name")
		}
	}
	if err != nil {
		return err
	}
	use, ok := bodyUses[tag.Get("body")]
	if !ok {
		return fmt.Errorf("body %q: want raw, raw,any, keep or upload", tag.Get("body"))
	}
	if f.body = use; use != bodyMember && f.Path+f.Header+f.Query+f.JSON != "" {
		return fmt.Errorf("a field of the whole body has no other source")
	}
	if a := tag.Get("alias"); a != "" {
		f.Alias = strings.Split(a, ",")
	}
	for _, name := range []string{f.JSON, f.Query, f.Path, f.Header} {
		if f.Name = name; name != "" {
			break
		}
	}
	if f.Name == "" {
		f.Name = f.GoName
	}
	f.quoted = string(appendQuoted(nil, f.JSON)) + ":"
	return nil
}

// fit holds the type of the field to what its sources can give.
func (f *Field) fit() error {
	c := f.codec
	inText := f.Path != "" || f.Header != "" || f.Query != "" && f.query == queryLast
	switch base := c.base(); {
	case f.query == queryPresent && c.typ.Kind() != reflect.Bool:
		return fmt.Errorf("query option present wants a bool, it is %s", f.GoType)
	case f.query == queryList || f.query == queryUnique || f.query == queryCSV:
		if base.shape != shapeSlice || base.elem == nil || !base.elem.fromText() {
			return fmt.Errorf("a list of query values wants a slice of texts or numbers, it is %s", f.GoType)
		}
	case inText && !base.fromText():
		return fmt.Errorf("a %s cannot be read from the text of a path, header or query", f.GoType)
	case f.body == bodyKeep && (c.shape != shapeMap || c.elem.shape != shapeRaw):
		return fmt.Errorf("body:\"keep\" wants map[string]Raw, it is %s", f.GoType)
	case (f.body == bodyRaw || f.body == bodyAny) && base.shape != shapeRaw && !(f.body == bodyAny && base.shape == shapeAny):
		return fmt.Errorf("body:\"raw\" wants Raw or a type with DecodeBody, it is %s", f.GoType)
	}
	return nil
}

// fromText reports whether one text without quotes can be read as the type.
func (c *codec) fromText() bool {
	switch c.shape {
	case shapeString, shapeBool, shapeInt, shapeUint, shapeFloat, shapeTime, shapeText, shapeRaw:
		return true
	}
	return false
}

// shows reads the tag that says who sees and who sets the field.
func (f *Field) shows(tag reflect.StructTag) error {
	for word := range strings.FieldsFuncSeq(tag.Get("show"), func(r rune) bool { return r == ',' || r == ' ' }) {
		switch word {
		case "ro":
			f.ReadOnly = true
		case "wo":
			f.WriteOnly = true
		case "create":
			f.CreateOnly = true
		case "computed":
			f.ReadOnly, f.Computed = true, true
		default:
			return fmt.Errorf("show %q: want ro, wo, create or computed", word)
		}
	}
	if f.ReadOnly && (f.WriteOnly || f.CreateOnly) {
		return fmt.Errorf("a read-only field is never sent")
	}
	return nil
}

// describe fills in what documents say about the field.
func (f *Field) describe(tag reflect.StructTag) error {
	r, base := f.rules, f.codec.base()
	f.Required, f.Nullable = r.required, r.null
	f.Max, f.Min, f.Default, f.Pattern = r.maximum(), r.minimum(), r.defText, r.reText
	f.Enum = r.enum
	if f.Required && f.ReadOnly {
		return fmt.Errorf("a read-only field cannot be required")
	}
	switch opt := tag.Get("opt"); opt {
	case "":
		f.OptRequired = f.Required
	case "required":
		f.OptRequired = true
	case "optional":
	case "unbounded":
		f.OptRequired, f.unbounded = f.Required, true
	default:
		return fmt.Errorf("opt %q: want required, optional or unbounded", opt)
	}
	if text := tag.Get("links"); text != "" {
		for part := range strings.FieldsSeq(text) {
			name, typ, ok := strings.Cut(part, ":")
			if !ok || name == "" || typ == "" {
				return fmt.Errorf("links %q: want name:type name:type", text)
			}
			f.Links = append(f.Links, Link{name, typ})
		}
	}
	switch word, ok := tag.Lookup("wire"); {
	case ok:
		if f.Wire = word; !slices.Contains(wireWords, word) {
			return fmt.Errorf("wire %q is not one of %s", word, strings.Join(wireWords, ", "))
		}
	case len(f.Links) > 0:
		f.Wire = WireLinks
	case f.Computed:
		f.Wire = WireField
	case len(f.Enum) > 0:
		f.Wire = WireChoice
	default:
		f.Wire = base.wire()
	}
	switch label, ok := tag.Lookup("label"); {
	case label == "-" || !ok && (f.Wire == WireChoice || f.Wire == WireLinks || f.Computed):
	case ok:
		f.Label = label
	default:
		f.Label = strings.ReplaceAll(f.Name, "_", " ")
	}
	return nil
}

// wire is the wire word that follows from the type.
func (c *codec) wire() string {
	switch c.shape {
	case shapeString, shapeText:
		return WireString
	case shapeBool:
		return WireBoolean
	case shapeInt, shapeUint:
		return WireInteger
	case shapeFloat, shapeNumber:
		return WireFloat
	case shapeTime:
		return WireDatetime
	}
	return WireField
}

// register enters field i of o under its names.
func (b *builder) register(o *object, t reflect.Type, i int) {
	f := &o.fields[i]
	once := func(at *int, what string) {
		if *at >= 0 {
			b.fault("%s.%s: a second field with %s", t, f.GoName, what)
		}
		*at = i
	}
	enter := func(m map[string]int, what string, names ...string) {
		for _, name := range names {
			if _, taken := m[name]; taken || name == "" {
				b.fault("%s.%s: the %s %q is taken or empty", t, f.GoName, what, name)
			}
			m[name] = i
		}
	}
	if f.JSON != "" {
		o.json = true
		enter(o.byName, "member", append([]string{f.JSON}, f.Alias...)...)
	}
	switch {
	case f.query == queryRest:
		once(&o.rest, `query:"*"`)
	case f.Query != "":
		names := []string{f.Query}
		if f.JSON == "" {
			names = append(names, f.Alias...)
		}
		enter(o.query, "parameter", names...)
		for _, name := range names {
			o.byFold[strings.ToLower(name)] = i
		}
		if f.query == queryPairs {
			once(&o.bare, "query option pairs")
		}
	}
	switch f.body {
	case bodyRaw, bodyAny, bodyUpload:
		once(&o.body, "the whole body")
	case bodyKeep:
		o.json = true
		once(&o.keep, `body:"keep"`)
	}
}

// TopField returns the name of the field that the path of a finding lies in.
func TopField(path string) string {
	if !strings.HasPrefix(path, "/") {
		return path
	}
	name, _, _ := strings.Cut(path[1:], "/")
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
}
