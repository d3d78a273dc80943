package store

import (
	"encoding"
	stdjson "encoding/json"
	"math"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/atoll-platform/atoll"
)

// plainCheck returns what in a value no log or snapshot could hold.
type plainCheck func(reflect.Value) []atoll.Finding

// check returns what in row no log or snapshot could hold.
func (d *tableDef) check(row any) []atoll.Finding {
	check, _ := d.plain()
	if check == nil {
		return nil
	}
	return check(reflect.ValueOf(row).Elem())
}

// checkOf returns the check for values of type t, nil if every value is good,
// and what in the type itself does not survive JSON unchanged.
func checkOf(t reflect.Type) (plainCheck, []atoll.Finding) {
	c := &checkMaker{made: make(map[reflect.Type]*plainCheck)}
	check := c.make(t, "")
	return check, c.findings
}

// PlainFaults returns what in the type of the rows of t does not survive JSON
// unchanged, such as functions, channels, interfaces and unexported fields.
func PlainFaults(t AnyTable) []atoll.Finding {
	_, findings := t.tableDef().plain()
	return findings
}

type checkMaker struct {
	made     map[reflect.Type]*plainCheck // holds nil while under way
	findings []atoll.Finding
}

func (c *checkMaker) refuse(path, msg string) plainCheck {
	c.findings = append(c.findings, atoll.Finding{Path: path, Code: "plain", Msg: msg})
	return nil
}

func (c *checkMaker) make(t reflect.Type, path string) plainCheck {
	if check, known := c.made[t]; known {
		if *check != nil {
			return *check
		}
		return func(v reflect.Value) []atoll.Finding { // recursive: known once made
			if *check == nil {
				return nil
			}
			return (*check)(v)
		}
	}
	slot := new(plainCheck)
	switch t.Kind() {
	case reflect.Struct, reflect.Slice, reflect.Map, reflect.Pointer, reflect.Array:
		c.made[t] = slot
		*slot = c.compose(t, path)
		if *slot == nil {
			delete(c.made, t) // nothing to check: forget, so that nothing is called
		}
		return *slot
	}
	return c.scalar(t, path)
}

func (c *checkMaker) scalar(t reflect.Type, path string) plainCheck {
	switch {
	case t == reflect.TypeFor[Sealed]():
		return checkText
	case isText(t) && t.Kind() == reflect.Uint8:
		return checkWord(t)
	case isText(t):
		return checkEncodes
	}
	switch t.Kind() {
	case reflect.Bool,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return nil
	case reflect.Float32, reflect.Float64:
		return func(v reflect.Value) []atoll.Finding {
			if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
				return fault("is not a number")
			}
			return nil
		}
	case reflect.String:
		return checkText
	}
	return c.refuse(path, t.String()+" is not plain data")
}

func (c *checkMaker) compose(t reflect.Type, path string) plainCheck {
	switch t {
	case reflect.TypeFor[time.Time]():
		return func(v reflect.Value) []atoll.Finding {
			if y := v.Interface().(time.Time).Year(); y < 0 || y > 9999 {
				return fault("is a time that has no text")
			}
			return nil
		}
	case reflect.TypeFor[stdjson.RawMessage](), reflect.TypeFor[jsontext.Value]():
		return func(v reflect.Value) []atoll.Finding {
			if !utf8.Valid(v.Bytes()) {
				return fault("is not UTF-8")
			}
			return nil
		}
	}
	if isText(t) {
		return checkEncodes
	}
	switch t.Kind() {
	case reflect.Pointer:
		switch t.Elem().Kind() {
		case reflect.Pointer:
			return c.refuse(path, t.String()+" has two ways to be nil")
		}
		return indirect(c.make(t.Elem(), path))
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return nil
		}
		return elements(c.make(t.Elem(), path+"/0"))
	case reflect.Map:
		switch t.Key().Kind() {
		case reflect.String, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
			reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		default:
			if !isText(t.Key()) {
				return c.refuse(path, t.Key().String()+" is no key of a JSON object")
			}
		}
		return members(c.make(t.Key(), path), c.make(t.Elem(), path+"/*"))
	}
	return c.fields(t, path)
}

func (c *checkMaker) fields(t reflect.Type, path string) plainCheck {
	type member struct {
		i     int
		name  string
		check plainCheck
	}
	var checks []member
	for i := range t.NumField() {
		f := t.Field(i)
		at := path + "/" + f.Name
		switch {
		case !f.IsExported():
			c.refuse(at, "unexported fields are not kept")
		case f.Tag.Get("json") == "-":
			c.refuse(at, "fields hidden from JSON are not kept")
		default:
			if check := c.make(f.Type, at); check != nil {
				checks = append(checks, member{i, f.Name, check})
			}
		}
	}
	if checks == nil {
		return nil
	}
	return func(v reflect.Value) (findings []atoll.Finding) {
		for _, m := range checks {
			if f := m.check(v.Field(m.i)); f != nil {
				findings = append(findings, below(m.name, f)...)
			}
		}
		return findings
	}
}

func indirect(check plainCheck) plainCheck {
	if check == nil {
		return nil
	}
	return func(v reflect.Value) []atoll.Finding {
		if v.IsNil() {
			return nil
		}
		return check(v.Elem())
	}
}

func elements(check plainCheck) plainCheck {
	if check == nil {
		return nil
	}
	return func(v reflect.Value) (findings []atoll.Finding) {
		for i := range v.Len() {
			if f := check(v.Index(i)); f != nil {
				findings = append(findings, below(strconv.Itoa(i), f)...)
			}
		}
		return findings
	}
}

func members(key, elem plainCheck) plainCheck {
	if key == nil && elem == nil {
		return nil
	}
	return func(v reflect.Value) (findings []atoll.Finding) {
		for it := v.MapRange(); it.Next(); {
			if key != nil {
				findings = append(findings, below("*", key(it.Key()))...)
			}
			if elem != nil {
				findings = append(findings, below("*", elem(it.Value()))...)
			}
		}
		return findings
	}
}

// isText reports whether a type writes and reads its own JSON or text.
func isText(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		return false // its element decides
	}
	p := reflect.PointerTo(t)
	writes := p.Implements(reflect.TypeFor[stdjson.Marshaler]()) || p.Implements(reflect.TypeFor[json.MarshalerTo]()) ||
		p.Implements(reflect.TypeFor[encoding.TextMarshaler]())
	reads := p.Implements(reflect.TypeFor[stdjson.Unmarshaler]()) || p.Implements(reflect.TypeFor[json.UnmarshalerFrom]()) ||
		p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
	return writes && reads
}

func checkText(v reflect.Value) []atoll.Finding {
	if !utf8.ValidString(v.String()) {
		return fault("is not UTF-8")
	}
	return nil
}

// checkWord tries the encoder of an enumeration once for each of its values.
func checkWord(t reflect.Type) plainCheck {
	findings := sync.OnceValue(func() *[256][]atoll.Finding {
		var all [256][]atoll.Finding
		v := reflect.New(t).Elem()
		for n := range all {
			v.SetUint(uint64(n))
			all[n] = checkEncodes(v)
		}
		return &all
	})
	return func(v reflect.Value) []atoll.Finding {
		return slices.Clone(findings()[v.Uint()]) // paths are put in front of it
	}
}

// checkEncodes tries the encoder of the type itself.
func checkEncodes(v reflect.Value) []atoll.Finding {
	if _, err := encodeRow(v.Interface()); err != nil {
		return fault("has no JSON: " + err.Error())
	}
	return nil
}

func fault(msg string) []atoll.Finding { return []atoll.Finding{{Code: "plain", Msg: msg}} }

func below(name string, findings []atoll.Finding) []atoll.Finding {
	for i := range findings {
		findings[i].Path = "/" + name + findings[i].Path
	}
	return findings
}
