package actor

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/atoll-platform/atoll"
)

// Decode sets the struct, map, slice or scalar that into points to from v and
// returns every finding, with JSON pointers relative to v; none means success.
//
// Struct fields are matched by the exact name in their json tag (the field's
// own name without one); members that match nothing are ignored. A member that
// is missing or null leaves its field as it was, so that the caller sets
// defaults beforehand, unless the field is tagged `param:"required"`. Kinds
// must match exactly: no string is taken for a number. Integers take whole
// numbers that fit. A pointer field is set to a new value when the member is
// there. Fields of type Value take anything.
func Decode(v Value, into any) []atoll.Finding {
	p := reflect.ValueOf(into)
	if p.Kind() != reflect.Pointer || p.IsNil() {
		return []atoll.Finding{{Code: "target", Msg: fmt.Sprintf("cannot decode into %T", into)}}
	}
	var d decoder
	d.value(v, p.Elem(), "")
	return d.findings
}

type decoder struct{ findings []atoll.Finding }

func (d *decoder) add(path, code, format string, args ...any) {
	what := "the value"
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		what = strconv.Quote(pointerUnescaper.Replace(path[i+1:]))
	}
	d.findings = append(d.findings, atoll.Finding{Path: path, Code: code, Msg: what + " " + fmt.Sprintf(format, args...)})
}

var (
	pointerEscaper   = strings.NewReplacer("~", "~0", "/", "~1")
	pointerUnescaper = strings.NewReplacer("~1", "/", "~0", "~")
	valueType        = reflect.TypeFor[Value]()
)

func (d *decoder) mismatch(path string, v Value, want string) {
	d.add(path, "type", "must be %s, not %s", want, v.kind)
}

func (d *decoder) value(v Value, dst reflect.Value, path string) {
	if dst.Type() == valueType {
		dst.Set(reflect.ValueOf(v))
		return
	}
	switch dst.Kind() {
	case reflect.Pointer:
		n := reflect.New(dst.Type().Elem())
		d.value(v, n.Elem(), path)
		dst.Set(n)
	case reflect.Struct:
		d.structure(v, dst, path)
	case reflect.Map:
		d.mapping(v, dst, path)
	case reflect.Slice:
		if v.kind != ArrayKind {
			d.mismatch(path, v, "an array")
			return
		}
		s := reflect.MakeSlice(dst.Type(), 0, 0)
		i := 0
		for e := range v.Elems() {
			n := reflect.New(dst.Type().Elem()).Elem()
			d.value(e, n, path+"/"+strconv.Itoa(i))
			s = reflect.Append(s, n)
			i++
		}
		dst.Set(s)
	case reflect.String:
		if s, ok := v.Str(); ok {
			dst.SetString(s)
		} else {
			d.mismatch(path, v, "a string")
		}
	case reflect.Bool:
		if b, ok := v.Bool(); ok {
			dst.SetBool(b)
		} else {
			d.mismatch(path, v, "true or false")
		}
	case reflect.Float32, reflect.Float64:
		f, ok := v.Float()
		switch {
		case v.kind != NumberKind:
			d.mismatch(path, v, "a number")
		case !ok || dst.Kind() == reflect.Float32 && math.Abs(f) > math.MaxFloat32:
			d.add(path, "range", "is out of range")
		default:
			dst.SetFloat(f)
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, ok := v.Int()
		switch {
		case v.kind != NumberKind:
			d.mismatch(path, v, "a whole number")
		case !ok || dst.OverflowInt(n):
			d.add(path, "range", "must be a whole number within the range")
		default:
			dst.SetInt(n)
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, ok := v.Int()
		switch {
		case v.kind != NumberKind:
			d.mismatch(path, v, "a whole number")
		case !ok || n < 0 || dst.OverflowUint(uint64(n)):
			d.add(path, "range", "must be a whole number, not negative, within the range")
		default:
			dst.SetUint(uint64(n))
		}
	case reflect.Interface:
		if dst.NumMethod() > 0 {
			d.add(path, "target", "cannot be decoded into %s", dst.Type())
			return
		}
		if x := v.Any(); x != nil {
			dst.Set(reflect.ValueOf(x))
		} else {
			dst.SetZero()
		}
	default:
		d.add(path, "target", "cannot be decoded into %s", dst.Type())
	}
}

func (d *decoder) structure(v Value, dst reflect.Value, path string) {
	if v.kind != ObjectKind && !v.IsMissing() {
		d.mismatch(path, v, "an object")
		return
	}
	t := dst.Type()
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous && f.Type.Kind() == reflect.Struct {
			d.structure(v, dst.Field(i), path)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		at := path + "/" + pointerEscaper.Replace(name)
		m := v.Get(name)
		switch {
		case !m.IsMissing():
			d.value(m, dst.Field(i), at)
		case f.Tag.Get("param") == "required":
			d.add(at, "required", "is required")
		}
	}
}

func (d *decoder) mapping(v Value, dst reflect.Value, path string) {
	if dst.Type().Key().Kind() != reflect.String {
		d.add(path, "target", "cannot be decoded into %s", dst.Type())
		return
	}
	if v.kind != ObjectKind {
		d.mismatch(path, v, "an object")
		return
	}
	m := reflect.MakeMap(dst.Type())
	for name, e := range v.Fields() {
		n := reflect.New(dst.Type().Elem()).Elem()
		d.value(e, n, path+"/"+pointerEscaper.Replace(name))
		m.SetMapIndex(reflect.ValueOf(name).Convert(dst.Type().Key()), n)
	}
	dst.Set(m)
}
