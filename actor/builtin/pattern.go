package builtin

import (
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/atoll-platform/atoll/actor"
)

// sampler draws a value.
type sampler func(r *rand.Rand) actor.Value

// parsePattern returns the sampler that a string of a generator's format
// stands for: N(mu, sigma), U(max) or ['a', 'b']; nil for every other string,
// which stands for itself.
func parsePattern(s string) sampler {
	switch {
	case strings.HasPrefix(s, "N("):
		if args, ok := arguments(s[1:], 2); ok {
			return func(r *rand.Rand) actor.Value { return actor.Float(args[0] + args[1]*r.NormFloat64()) }
		}
	case strings.HasPrefix(s, "U("):
		if args, ok := arguments(s[1:], 1); ok {
			return func(r *rand.Rand) actor.Value { return actor.Float(args[0] * r.Float64()) }
		}
	case strings.HasPrefix(s, "["):
		if items, ok := choices(s); ok {
			return func(r *rand.Rand) actor.Value { return items[r.IntN(len(items))] }
		}
	}
	return nil
}

// arguments parses n numbers in parentheses.
func arguments(s string, n int) ([]float64, bool) {
	s, ok := strings.CutSuffix(s[1:], ")")
	if !ok {
		return nil, false
	}
	parts := strings.Split(s, ",")
	if len(parts) != n {
		return nil, false
	}
	args := make([]float64, n)
	for i, p := range parts {
		p = strings.TrimSpace(p)
		if !isDecimal(p) {
			return nil, false
		}
		f, err := strconv.ParseFloat(p, 64)
		if err != nil {
			return nil, false
		}
		args[i] = f
	}
	return args, true
}

// isDecimal reports whether s is digits with an optional sign and decimals.
func isDecimal(s string) bool {
	s = strings.TrimLeft(s[:min(1, len(s))], "+-") + s[min(1, len(s)):]
	whole, frac, point := strings.Cut(s, ".")
	return digits(whole) && (!point || digits(frac))
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// choices parses quoted strings in brackets.
func choices(s string) ([]actor.Value, bool) {
	s, ok := strings.CutSuffix(s[1:], "]")
	if !ok {
		return nil, false
	}
	var items []actor.Value
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		if len(part) < 2 || part[0] != '\'' || part[len(part)-1] != '\'' || strings.ContainsAny(part[1:len(part)-1], `'"[]`) {
			return nil, false
		}
		items = append(items, actor.String(strings.TrimSpace(part[1:len(part)-1])))
	}
	return items, true
}

// format is a compiled template of generated events.
type format struct {
	fields   []formatField
	constant *actor.Event // the event itself if nothing in it is drawn
}

// formatField is one member: drawn, an object with drawn members, or fixed.
type formatField struct {
	name   string
	fixed  actor.Value
	draw   sampler
	nested []formatField
}

// compileFormat compiles an object.
func compileFormat(v actor.Value) *format {
	fields, drawn := formatFields(v)
	f := &format{fields: fields}
	if !drawn {
		f.constant, _ = actor.FromValue(v)
	}
	return f
}

// formatFields compiles the members of an object and reports whether any of
// them is drawn.
func formatFields(v actor.Value) (fields []formatField, drawn bool) {
	for name, m := range v.Fields() {
		f := formatField{name: name, fixed: m}
		switch m.Kind() {
		case actor.StringKind:
			s, _ := m.Str()
			f.draw = parsePattern(s)
			drawn = drawn || f.draw != nil
		case actor.ObjectKind:
			if nested, d := formatFields(m); d {
				f.nested, drawn = nested, true
			}
		}
		fields = append(fields, f)
	}
	return fields, drawn
}

// event draws an event.
func (f *format) event(r *rand.Rand) *actor.Event {
	if f.constant != nil {
		return f.constant
	}
	return actor.NewEvent(fill(f.fields, r)...)
}

func fill(fields []formatField, r *rand.Rand) []actor.Field {
	out := make([]actor.Field, len(fields))
	for i := range fields {
		f := &fields[i]
		out[i] = actor.Field{Name: f.name, Value: f.fixed}
		switch {
		case f.draw != nil:
			out[i].Value = f.draw(r)
		case f.nested != nil:
			out[i].Value = actor.Object(fill(f.nested, r)...)
		}
	}
	return out
}
