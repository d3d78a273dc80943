package rest

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// rules are the value rules of one field, from its tag
//
//	rule:"required null trim same min=1 max=50 clamp=100 enum=a,b re=[a-z]+ default=25"
//
// Words are separated by blanks. min and max bound the value of a number, the
// characters of a text, the elements of an array or object, the bytes of a Raw.
// clamp lowers a larger number to it. enum, re and the bounds of texts hold for
// each element of a list of texts only through enum and re. re matches the
// whole text. null lists null as legal: it clears. same: a body that repeats a
// path parameter must agree with it. A type with Values() has them as its enum.
type rules struct {
	required, null, trim, same bool
	min, max, clamp            *bound
	enum                       []string
	re                         *regexp.Regexp
	reText                     string
	hasDef                     bool
	defText                    string
}

// bound is a limit, kept so that integers are compared exactly.
type bound struct {
	i       int64
	f       float64
	integer bool
}

func parseBound(text string) (*bound, error) {
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return &bound{i: i, f: float64(i), integer: true}, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, fmt.Errorf("%q is not a number", text)
	}
	return &bound{f: f}, nil
}

func (b *bound) String() string {
	if b.integer {
		return strconv.FormatInt(b.i, 10)
	}
	return strconv.FormatFloat(b.f, 'g', -1, 64)
}

func (r *rules) maximum() *float64 { return r.max.float() }
func (r *rules) minimum() *float64 { return r.min.float() }

func (b *bound) float() *float64 {
	if b == nil {
		return nil
	}
	return &b.f
}

// parseRules compiles a tag for a field whose codec is known.
func parseRules(tag string, f *Field) (*rules, error) {
	r := &rules{enum: slices.Clone(f.codec.base().values)}
	base := f.codec.base()
	item := base
	if base.shape == shapeSlice && base.elem != nil {
		item = base.elem.base()
		r.enum = slices.Clone(item.values)
	}
	seen := map[string]bool{}
	for word := range strings.FieldsSeq(tag) {
		key, arg, hasArg := strings.Cut(word, "=")
		if seen[key] {
			return nil, fmt.Errorf("rule %q is given twice", key)
		}
		seen[key] = true
		var err error
		switch key {
		case "required":
			r.required = true
		case "null":
			r.null = true
		case "trim":
			if r.trim = true; !base.textual() {
				err = fmt.Errorf("it wants a text")
			}
		case "same":
			if r.same = true; f.Path == "" || f.JSON == "" || !base.typ.Comparable() {
				err = fmt.Errorf("it wants a path and a body source of a comparable type")
			}
		case "min", "max", "clamp":
			var limit *bound
			if limit, err = parseBound(arg); err != nil {
				break
			}
			switch {
			case key == "clamp" && !base.numeric() || !base.numeric() && !base.measured():
				err = fmt.Errorf("a %s has no size", f.GoType)
			case !limit.integer && base.shape != shapeFloat:
				err = fmt.Errorf("it wants an integer")
			case key == "min":
				r.min = limit
			case key == "max":
				r.max = limit
			default:
				r.clamp = limit
			}
		case "enum":
			if r.enum = strings.Split(arg, ","); !item.textual() && item.shape != shapeInt && item.shape != shapeUint {
				err = fmt.Errorf("it wants a text or an integer")
			}
		case "re":
			if !item.textual() {
				err = fmt.Errorf("it wants a text")
				break
			}
			r.reText = arg
			r.re, err = regexp.Compile(`^(?:` + arg + `)$`)
		case "default":
			r.hasDef, r.defText = true, arg
		default:
			err = fmt.Errorf("it is not known")
		}
		takesArg := slices.Contains([]string{"min", "max", "clamp", "enum", "re", "default"}, key)
		if err == nil && takesArg != hasArg {
			err = fmt.Errorf("an argument is missing or too much")
		}
		if err != nil {
			return nil, fmt.Errorf("rule %q: %w", key, err)
		}
	}
	switch {
	case r.required && r.hasDef:
		return nil, fmt.Errorf("a required field has no use for a default")
	case r.required && r.null && f.codec.shape != shapeOpt && f.codec.shape != shapePointer && base.shape != shapeRaw && base.shape != shapeAny:
		return nil, fmt.Errorf("null cannot be told from nothing in a required %s: use Opt", f.GoType)
	case r.min != nil && r.max != nil && r.min.f > r.max.f:
		return nil, fmt.Errorf("min is larger than max")
	case r.hasDef && f.codec.secret:
		return nil, fmt.Errorf("a secret has no default")
	}
	return r, nil
}

// textual reports whether values are texts that rules can look at.
func (c *codec) textual() bool {
	return (c.shape == shapeString || c.shape == shapeText) && c.typ.Kind() == reflect.String
}

func (c *codec) numeric() bool {
	return c.shape == shapeInt || c.shape == shapeUint || c.shape == shapeFloat
}

// measured reports whether values have a number of parts.
func (c *codec) measured() bool {
	return c.textual() || c.shape == shapeSlice || c.shape == shapeMap || c.shape == shapeRaw
}

// checked reports whether there is anything to look at after reading a value.
func (r *rules) checked() bool {
	return r.min != nil || r.max != nil || r.clamp != nil || r.enum != nil || r.re != nil || r.trim
}

// apply holds a value to all rules; every one that it breaks is a finding.
// It reports whether there was none.
func (d *decoder) apply(f *Field, v reflect.Value) bool {
	r, c := f.rules, f.codec
	if !r.checked() {
		return true
	}
	for c.optional() {
		if c.shape == shapePointer {
			if v.IsNil() {
				return true
			}
			v = v.Elem()
		} else {
			v = v.Field(1)
		}
		c = c.elem
	}
	before := d.found.Len()
	if r.trim {
		if s := v.String(); strings.TrimSpace(s) != s {
			v.SetString(strings.TrimSpace(s))
		}
	}
	if c.numeric() {
		d.applyNumber(r, c, v)
	} else if c.measured() {
		d.applySize(r, c, v)
	}
	if r.enum != nil || r.re != nil {
		if c.shape == shapeSlice {
			for i := range v.Len() {
				d.pushIndex(i)
				d.applyText(r, c.elem, v.Index(i))
				d.pop()
			}
		} else {
			d.applyText(r, c, v)
		}
	}
	return d.found.Len() == before
}

// compare returns the sign of v - b.
func (b *bound) compare(c *codec, v reflect.Value) int {
	switch c.shape {
	case shapeInt:
		return cmpOrdered(v.Int(), b.i)
	case shapeUint:
		if b.i < 0 {
			return 1
		}
		return cmpOrdered(v.Uint(), uint64(b.i))
	}
	return cmpOrdered(v.Float(), b.f)
}

func cmpOrdered[T int64 | uint64 | float64 | int](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (d *decoder) applyNumber(r *rules, c *codec, v reflect.Value) {
	if r.clamp != nil && r.clamp.compare(c, v) > 0 {
		switch c.shape {
		case shapeInt:
			v.SetInt(r.clamp.i)
		case shapeUint:
			v.SetUint(uint64(r.clamp.i))
		default:
			v.SetFloat(r.clamp.f)
		}
	}
	if r.max != nil && r.max.compare(c, v) > 0 {
		d.fail("max", "must be at most "+r.max.String()+d.gotValue(c, v))
	}
	if r.min != nil && r.min.compare(c, v) < 0 {
		d.fail("min", "must be at least "+r.min.String()+d.gotValue(c, v))
	}
}

func (d *decoder) applySize(r *rules, c *codec, v reflect.Value) {
	var n int64
	unit := " elements"
	switch {
	case c.textual():
		n, unit = int64(utf8.RuneCountInString(v.String())), " characters"
	case c.shape == shapeRaw:
		n, unit = int64(v.Len()), " bytes"
	default:
		n = int64(v.Len())
	}
	if r.max != nil && n > r.max.i {
		d.fail("max", "must have at most "+r.max.String()+unit+", it has "+strconv.FormatInt(n, 10)+d.gotValue(c, v))
	}
	if r.min != nil && n < r.min.i {
		d.fail("min", "must have at least "+r.min.String()+unit+", it has "+strconv.FormatInt(n, 10)+d.gotValue(c, v))
	}
}

// applyText holds a text or an integer to enum and pattern.
func (d *decoder) applyText(r *rules, c *codec, v reflect.Value) {
	for c.optional() {
		if c.shape == shapePointer {
			if v.IsNil() {
				return
			}
			v = v.Elem()
		} else {
			v = v.Field(1)
		}
		c = c.elem
	}
	var text string
	switch c.shape {
	case shapeInt:
		text = strconv.FormatInt(v.Int(), 10)
	case shapeUint:
		text = strconv.FormatUint(v.Uint(), 10)
	default:
		text = v.String()
		if c.typ.Kind() != reflect.String {
			return
		}
	}
	if r.enum != nil && !slices.Contains(r.enum, text) {
		d.fail("enum", "must be one of "+strings.Join(r.enum, ", ")+d.gotValue(c, v))
	}
	if r.re != nil && !r.re.MatchString(text) {
		d.fail("re", "must match "+r.reText+d.gotValue(c, v))
	}
}

// gotValue words the offending value for a finding, at most maxEcho bytes of
// it; "" for secrets and for values with parts.
func (d *decoder) gotValue(c *codec, v reflect.Value) string {
	switch {
	case c.secret:
		return ""
	case c.textual():
		return ", got " + strconv.Quote(cut(v.String()))
	case c.shape == shapeInt:
		return ", got " + strconv.FormatInt(v.Int(), 10)
	case c.shape == shapeUint:
		return ", got " + strconv.FormatUint(v.Uint(), 10)
	case c.shape == shapeFloat:
		return ", got " + strconv.FormatFloat(v.Float(), 'g', -1, 64)
	}
	return ""
}

// maxEcho is how much of a value a finding shows.
const maxEcho = 64

// cut shortens a text to what may be echoed, at the boundary of a character.
func cut(s string) string {
	if len(s) <= maxEcho {
		return s
	}
	const mark = "…"
	end := maxEcho - len(mark)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + mark
}

// setDefault gives an absent field its default. The text was tried when the
// binder was made, so it fits.
func (d *decoder) setDefault(f *Field, v reflect.Value) {
	d.pushName(f.Name)
	d.plain(f.codec, v, f.rules.defText)
	d.pop()
}
