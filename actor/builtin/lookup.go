package builtin

import (
	"slices"

	"github.com/atoll-platform/atoll/actor"
)

var lookupType = actor.Type{
	Name:    "lookup",
	Doc:     "Finds an event's key in a table to enrich, filter or replace the event.",
	Compile: compiler(buildLookup),
}

type lookupParams struct {
	Key      string                 `json:"key" param:"required"`
	Lookup   map[string]actor.Value `json:"lookup" param:"required"`
	Function string                 `json:"function" param:"required"`
	Match    string                 `json:"match"`
	Default  actor.Value            `json:"default"`
}

func buildLookup(p *lookupParams, in actor.Params, f *findings) actor.Maker {
	l := &lookup{key: actor.KeyOf(p.Key), entries: make(map[string]*entry, len(p.Lookup))}
	for key := range in.Value.Get("lookup").Fields() {
		if v := p.Lookup[key]; f.object("/lookup/"+escape(key), v) {
			l.entries[key] = newEntry(v)
			l.lengths = append(l.lengths, len(key))
		}
	}
	f.oneOf("/function", p.Function, "enrich", "filter", "check", "map")
	switch p.Function {
	case "enrich":
		l.function = enrich
	case "filter":
		l.function = pass
	default:
		l.function = check
	}
	if p.Match != "" || !in.Value.Get("match").IsMissing() {
		f.oneOf("/match", p.Match, "exact", "startswith")
	}
	slices.Sort(l.lengths)
	slices.Reverse(l.lengths)
	l.lengths = slices.Compact(l.lengths)
	if p.Match != "startswith" {
		l.lengths = nil
	}
	if !p.Default.IsMissing() && f.object("/default", p.Default) {
		t, err := actor.CompileTemplate(p.Default)
		if err != nil {
			f.add("/default", "template", `"default" is not a template: %v`, err)
		}
		l.fallback = t
	}
	return stateless(l)
}

type lookupFunction uint8

const (
	enrich lookupFunction = iota
	pass
	check
)

type lookup struct {
	key      actor.Key
	entries  map[string]*entry
	lengths  []int // of the table's keys, longest first, to match their start; nil matches whole keys
	function lookupFunction
	fallback *actor.Template
}

// entry is an object of the table, as an event and as fields to merge.
type entry struct {
	event  *actor.Event
	fields []actor.Field
	nested bool // a field is an object or array, to be merged with the event's
}

func newEntry(v actor.Value) *entry {
	e, _ := actor.FromValue(v)
	n := entryOf(e)
	return &n
}

func entryOf(e *actor.Event) entry {
	n := entry{event: e}
	for name, v := range e.All() {
		n.fields = append(n.fields, actor.Field{Name: name, Value: v})
		n.nested = n.nested || v.Kind() >= actor.ObjectKind
	}
	return n
}

func (l *lookup) Trigger(_ actor.Context, e *actor.Event) (*actor.Event, error) {
	value, ok := e.Text(l.key)
	if !ok {
		return nil, actor.ErrNotProcessed
	}
	if hit := l.find(value); hit != nil {
		switch l.function {
		case enrich:
			return hit.mergeInto(e), nil
		case pass:
			return e, nil
		}
		return hit.event, nil
	}
	if l.fallback != nil {
		filled := l.fallback.Fill(e)
		if l.function != enrich || filled.Err() != nil {
			return filled, nil
		}
		miss := entryOf(filled)
		return miss.mergeInto(e), nil
	}
	if l.function == enrich {
		return e, nil
	}
	return nil, nil
}

func (l *lookup) find(value string) *entry {
	if l.lengths == nil {
		return l.entries[value]
	}
	for _, n := range l.lengths {
		if n <= len(value) {
			if hit := l.entries[value[:n]]; hit != nil {
				return hit
			}
		}
	}
	return nil
}

// mergeInto returns the event with the entry merged into it.
func (n *entry) mergeInto(e *actor.Event) *actor.Event {
	if !n.nested {
		return e.With(n.fields...)
	}
	fields := slices.Clone(n.fields)
	for i, f := range fields {
		fields[i].Value = actor.Merge(e.Field(f.Name), f.Value)
	}
	return e.With(fields...)
}
