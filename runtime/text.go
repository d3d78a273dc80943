package runtime

import (
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// ParseDefinition reads a definition from its JSON text, which must be one
// object; Invalid or TooLarge otherwise, with what the parser found. Whatever
// is wrong inside the object is left to Check, which reports it together with
// everything else: a member of the wrong kind is kept as it is and appears in
// the Definition as if it were absent.
func ParseDefinition(text []byte) (*Definition, error) {
	const op = "runtime.ParseDefinition"
	v, err := actor.ParseValue(text)
	if err == nil && v.Kind() == actor.ObjectKind {
		return definitionOf(v), nil
	}
	out := &atoll.Error{Kind: atoll.Invalid, Op: op, Msg: "a runtime definition is one JSON object"}
	if e, ok := errors.AsType[*atoll.Error](err); ok {
		out.Kind, out.Code, out.Findings, out.Err = e.Kind, e.Code, e.Findings, e
	}
	return nil, out
}

// MarshalJSON returns the text of d.
func (d *Definition) MarshalJSON() ([]byte, error) { return d.Value().AppendJSON(nil), nil }

// UnmarshalJSON sets d to what ParseDefinition makes of the text.
func (d *Definition) UnmarshalJSON(text []byte) error {
	p, err := ParseDefinition(text)
	if err == nil {
		*d = *p
	}
	return err
}

// MarshalJSON returns the text of a.
func (a ActorDef) MarshalJSON() ([]byte, error) { return a.Value().AppendJSON(nil), nil }

// UnmarshalJSON sets a to what the text says, as far as it can be read.
func (a *ActorDef) UnmarshalJSON(text []byte) error {
	v, err := actor.ParseValue(text)
	if err == nil {
		*a = actorOf(v)
	}
	return err
}

func definitionOf(v actor.Value) *Definition {
	d := &Definition{origin: v}
	d.Name, _ = v.Get("name").Str()
	d.Owner, _ = v.Get("owner").Str()
	d.ProjectID, _ = v.Get("projectid").Str()
	d.Actors = actorsOf(v.Get("actors"))
	d.Links = linksOf(v.Get("links"))
	d.Distribution = distributionOf(v.Get("distribution"))
	return d
}

func actorOf(v actor.Value) ActorDef {
	a := ActorDef{origin: v}
	if v.Kind() != actor.ObjectKind {
		return a
	}
	a.Name, _ = v.Get("name").Str()
	a.Type, _ = v.Get("type").Str()
	a.Params, a.State = v.Get("params"), v.Get("state")
	if a.Group = groupOf(v.Get("group").Get("by")); a.Group == nil {
		a.Group = groupOf(v.Get("groupby"))
	}
	a.Collect = collectsOf(v.Get("collect"))
	a.Timeout = timeoutOf(v.Get("timeout"))
	n, _ := v.Get("copies").Int()
	a.Copies = int(n)
	if log := v.Get("log"); log.Kind() == actor.ObjectKind {
		a.Log = &EventLog{}
		a.Log.Incoming, _ = log.Get("incoming").Bool()
		a.Log.Outgoing, _ = log.Get("outgoing").Bool()
	}
	return a
}

// groupOf reads a field or a list of fields; nil if it is neither.
func groupOf(by actor.Value) *Group {
	if s, ok := by.Str(); ok {
		return By(s)
	}
	if by.Kind() != actor.ArrayKind {
		return nil
	}
	g := &Group{}
	for e := range by.Elems() {
		s, _ := e.Str()
		g.By = append(g.By, s)
	}
	return g
}

func collectsOf(v actor.Value) []Collect {
	if v.Kind() != actor.ArrayKind {
		return nil
	}
	cs := make([]Collect, 0, v.Len())
	for e := range v.Elems() {
		var c Collect
		c.Alias, _ = e.Get("alias").Str()
		c.From, _ = e.Get("from").Str()
		c.Field, _ = e.Get("field").Str()
		c.Data = e.Get("data")
		cs = append(cs, c)
	}
	return cs
}

func timeoutOf(v actor.Value) *Timeout {
	if v.Kind() != actor.ObjectKind {
		return nil
	}
	mode, _ := v.Get("mode").Str()
	s, _ := v.Get("duration").Float()
	return &Timeout{Duration: seconds(s), Mode: TimeoutMode(mode)}
}

// seconds converts without overflow: what a Duration cannot hold is 0.
func seconds(s float64) time.Duration {
	if s > 0 && s <= maxTimeout.Seconds() {
		return time.Duration(s * float64(time.Second))
	}
	return 0
}

// Value returns d as JSON, with the members in the order of a definition that
// was parsed, or in the order of the struct.
func (d *Definition) Value() actor.Value {
	now, before := members(d), members(definitionOf(d.origin))
	if d.origin.Kind() == actor.ObjectKind && slices.EqualFunc(now, before, sameField) {
		return d.origin
	}
	return written(d.origin, now, before)
}

// Value returns a as JSON, as Definition.Value does.
func (a ActorDef) Value() actor.Value {
	was := actorOf(a.origin)
	now, before := a.members(), was.members()
	if a.origin.Kind() != actor.MissingKind && slices.EqualFunc(now, before, sameField) {
		return a.origin
	}
	if !sameField(now[groupMember], before[groupMember]) {
		return without(written(a.origin, now, before), "groupby")
	}
	return written(a.origin, now, before)
}

// written prints an object: the members of origin in their order, those that
// differ between now and before anew, and those that origin lacks behind the
// one that precedes them in now. Both lists hold the same names.
func written(origin actor.Value, now, before []actor.Field) actor.Value {
	fields := make([]actor.Field, 0, len(now))
	for name, m := range origin.Fields() {
		if i := slices.IndexFunc(now, func(f actor.Field) bool { return f.Name == name }); i >= 0 && !sameField(now[i], before[i]) {
			m = now[i].Value
		}
		fields = append(fields, actor.Field{Name: name, Value: m})
	}
	at := 0
	for i, f := range now {
		if j := slices.IndexFunc(fields, func(g actor.Field) bool { return g.Name == f.Name }); j >= 0 {
			at = j + 1
		} else if !sameField(f, before[i]) {
			fields = slices.Insert(fields, at, f)
			at++
		}
	}
	return actor.Object(fields...)
}

func sameField(a, b actor.Field) bool {
	return a.Value.Kind() == b.Value.Kind() && a.Value.String() == b.Value.String()
}

func without(v actor.Value, name string) actor.Value {
	var fields []actor.Field
	for n, m := range v.Fields() {
		if n != name {
			fields = append(fields, actor.Field{Name: n, Value: m})
		}
	}
	return actor.Object(fields...)
}

// members returns the members of d that mean something, Missing where d has none.
func members(d *Definition) []actor.Field {
	fs := []actor.Field{
		{Name: "name", Value: text(d.Name)},
		{Name: "owner", Value: text(d.Owner)},
		{Name: "projectid", Value: text(d.ProjectID)},
		{Name: "actors"}, {Name: "links"}, {Name: "distribution"},
	}
	if d.Actors != nil {
		vs := make([]actor.Value, len(d.Actors))
		for i := range d.Actors {
			vs[i] = d.Actors[i].Value()
		}
		fs[3].Value = actor.Array(vs...)
	}
	if d.Links != nil {
		vs := make([]actor.Value, len(d.Links))
		for i, l := range d.Links {
			vs[i] = actor.Object(actor.Field{Name: "from", Value: actor.String(l.From)}, actor.Field{Name: "to", Value: actor.String(l.To)})
		}
		fs[4].Value = actor.Array(vs...)
	}
	if d.Distribution != nil {
		fs[5].Value = d.Distribution.value()
	}
	return fs
}

// groupMember is the place of group in the members of an actor.
const groupMember = 3

func (a *ActorDef) members() []actor.Field {
	fs := []actor.Field{
		{Name: "name", Value: text(a.Name)},
		{Name: "type", Value: text(a.Type)},
		{Name: "params", Value: a.Params},
		{Name: "group"}, {Name: "collect"}, {Name: "timeout"}, {Name: "copies"}, {Name: "log"},
		{Name: "state", Value: a.State},
	}
	if a.Group != nil {
		by := actor.Array(texts(a.Group.By)...)
		if len(a.Group.By) == 1 {
			by = actor.String(a.Group.By[0])
		}
		fs[groupMember].Value = actor.Object(actor.Field{Name: "by", Value: by})
	}
	if a.Collect != nil {
		vs := make([]actor.Value, len(a.Collect))
		for i, c := range a.Collect {
			vs[i] = actor.Object(actor.Field{Name: "alias", Value: actor.String(c.Alias)}, actor.Field{Name: "from", Value: actor.String(c.From)},
				actor.Field{Name: "field", Value: text(c.Field)}, actor.Field{Name: "data", Value: c.Data})
		}
		fs[4].Value = actor.Array(vs...)
	}
	if a.Timeout != nil {
		fs[5].Value = actor.Object(actor.Field{Name: "duration", Value: actor.Float(a.Timeout.Duration.Seconds())},
			actor.Field{Name: "mode", Value: actor.String(string(a.Timeout.Mode))})
	}
	if a.Copies != 0 {
		fs[6].Value = actor.Int(int64(a.Copies))
	}
	if a.Log != nil {
		fs[7].Value = actor.Object(actor.Field{Name: "incoming", Value: actor.Bool(a.Log.Incoming)},
			actor.Field{Name: "outgoing", Value: actor.Bool(a.Log.Outgoing)})
	}
	return fs
}

// text is s as a member, Missing if it is empty.
func text(s string) actor.Value {
	if s == "" {
		return actor.Value{}
	}
	return actor.String(s)
}

func texts(ss []string) []actor.Value {
	vs := make([]actor.Value, len(ss))
	for i, s := range ss {
		vs[i] = actor.String(s)
	}
	return vs
}

// pointer appends one step to a JSON pointer.
func pointer(at, step string) string {
	if len(step) > 64 {
		step = step[:64]
	}
	b := append(make([]byte, 0, len(at)+1+len(step)), at...)
	b = append(b, '/')
	for i := range len(step) {
		switch step[i] {
		case '~':
			b = append(b, "~0"...)
		case '/':
			b = append(b, "~1"...)
		default:
			b = append(b, step[i])
		}
	}
	return string(b)
}

func index(at string, i int) string { return at + "/" + strconv.Itoa(i) }
