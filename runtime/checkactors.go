package runtime

import (
	"fmt"
	"slices"
	"strings"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// groupType is the actor type that stands for another type behind a group.
const groupType = "groupby"

func (c *check) checkActors(v actor.Value) {
	if v.Kind() != actor.ArrayKind {
		c.fault(NoActorSection, "/actors", "actors must be a list")
		return
	}
	defs := c.out.Def.Actors
	c.checkActorNames(defs)
	instances := 0
	for i := range defs {
		instances += max(1, min(defs[i].Copies, MaxCopies))
	}
	switch {
	case len(defs) == 0:
		c.fault(NoActors, "/actors", "a runtime has at least one actor")
		return
	case len(defs) > c.opts.MaxActors:
		c.fault(TooManyActors, "/actors", "a runtime has at most %d actors, not %d", c.opts.MaxActors, len(defs))
		return
	case instances*c.out.Def.Distribution.copies() > c.opts.MaxActors && instances <= c.opts.MaxActors:
		c.fault(TooManyActors, "/distribution/copies", "a runtime has at most %d actors; with its copies these are %d", c.opts.MaxActors, instances*c.out.Def.Distribution.copies())
		return
	case instances > c.opts.MaxActors:
		c.fault(TooManyActors, "/actors", "a runtime has at most %d actors; with their copies these are %d", c.opts.MaxActors, instances)
		return
	}
	c.sources = make(map[string]bool)
	raw := make([]actor.Value, 0, len(defs))
	for e := range v.Elems() {
		raw = append(raw, e)
		for item := range collectOf(e).Elems() {
			if from, _ := item.Get("from").Str(); from != "" {
				c.sources[from] = true
			}
		}
	}
	c.out.Actors = make([]CheckedActor, len(defs))
	for i := range defs {
		c.checkActor(i, raw[i])
	}
}

func (c *check) checkActorNames(defs []ActorDef) {
	c.names = make(map[string]int, len(defs))
	nameless := false
	for i := range defs {
		if defs[i].Name == "" {
			nameless = true
			c.fault(ActorsWithoutNames, index("/actors", i), "an actor has a name that is not empty")
		}
	}
	for i := range defs {
		name := defs[i].Name
		if name == "" {
			continue
		}
		at := index("/actors", i) + "/name"
		first, taken := c.names[name]
		switch {
		case !taken:
			c.names[name] = i
		case !nameless:
			c.fault(DuplicateActorNames, at, "actor %d has the name %q too", first, short(name))
		}
		switch {
		case name == Total:
			c.fault(InvalidActorDefinitions, at, "the name %q is reserved", name)
		case !validActorName(name):
			c.fault(InvalidActorDefinitions, at, "the name %q must have 1 to %d letters, digits, _ . or -, and begin with a letter, a digit or _", short(name), MaxName)
		}
	}
}

// checkActor tests type, parameters, collect and options of one actor.
func (c *check) checkActor(i int, v actor.Value) {
	a := &c.out.Actors[i]
	a.Def = c.out.Def.Actors[i]
	at := index("/actors", i)
	if v.Kind() != actor.ObjectKind {
		c.fault(InvalidActorDefinitions, at, "an actor must be an object")
		return
	}
	form := actorForm{typeName: a.Def.Type, params: v.Get("params"), typeAt: at + "/type", paramsAt: at + "/params"}
	if a.Def.Type == groupType && form.params.Kind() == actor.ObjectKind {
		c.unwrapGroup(a, &form)
	}
	a.Type = c.lookup(a.Def.Name, form)
	c.checkOptions(a, v, at)
	if a.Type == nil {
		return
	}
	aliases := c.checkCollect(i, a, collectOf(v), at)
	switch k := form.params.Kind(); k {
	case actor.MissingKind, actor.NullKind:
		form.params = actor.Value{}
	case actor.ObjectKind, actor.ArrayKind:
	default:
		c.fault(InvalidActorDefinitions, form.paramsAt, "actor %q: params must be an object or an array, not a %s", short(a.Def.Name), k)
		return
	}
	make, findings := compile(a.Type, actor.Params{Value: form.params, Collect: aliases, Env: c.env})
	for _, f := range findings {
		c.fault(InvalidActorDefinitions, below(form.paramsAt, f.Path), "actor %q: %s", short(a.Def.Name), f.Msg)
	}
	a.Make = make
}

// actorForm is what an actor is made from, and where that stands.
type actorForm struct {
	typeName, typeAt string
	params           actor.Value
	paramsAt         string
	nested           bool // inside a groupby actor
}

// unwrapGroup reads a groupby actor as its inner type behind a group.
func (c *check) unwrapGroup(a *CheckedActor, form *actorForm) {
	params, at := form.params, form.paramsAt
	name, by := "by", params.Get("by")
	for _, alias := range []string{"field", "fields"} {
		if v := params.Get(alias); by.IsMissing() && !v.IsMissing() {
			name, by = alias, v
		}
	}
	if fields, rule := groupFields(by); rule != "" {
		c.fault(InvalidActorDefinitions, pointer(at, name), "actor %q: %s", short(a.Def.Name), rule)
	} else {
		a.GroupBy = fields
	}
	inner := params.Get("actor")
	form.typeName, _ = inner.Get("type").Str()
	form.typeAt, form.paramsAt = at+"/actor/type", at+"/actor/params"
	form.params, form.nested = inner.Get("params"), true
	if form.typeName == groupType {
		c.fault(InvalidActorDefinitions, form.typeAt, "actor %q: a group cannot hold a group", short(a.Def.Name))
	}
}

// lookup finds the type of an actor and reports one that is unknown.
func (c *check) lookup(name string, form actorForm) *actor.Type {
	if form.typeName == "" {
		c.fault(InvalidActorDefinitions, form.typeAt, "actor %q: type must be the name of an actor type", short(name))
		return nil
	}
	if form.typeName == groupType {
		if !form.nested {
			c.fault(InvalidActorDefinitions, form.paramsAt, "actor %q: params must be an object with by and actor", short(name))
		}
		return nil
	}
	if t, ok := c.reg.Lookup(form.typeName); ok {
		return t
	}
	hint := c.suggest(InvalidActorDefinitions, form.typeName, slices.Values(append(c.reg.Names(), groupType)))
	c.fault(InvalidActorDefinitions, form.typeAt, "actor %q: unknown type %q%s", short(name), short(form.typeName), didYouMean(hint))
	c.suggested(InvalidActorDefinitions, hint)
	return nil
}

// compile runs the Compile of a type, which may be the embedder's code. A type
// that panics or returns neither a maker nor a finding refuses the parameters.
func compile(t *actor.Type, p actor.Params) (m actor.Maker, findings []atoll.Finding) {
	defer func() {
		if r := recover(); r != nil {
			m, findings = nil, []atoll.Finding{{Code: "panic", Msg: fmt.Sprintf("type %q failed on these params: %v", t.Name, r)}}
		}
	}()
	m, findings = t.Compile(p)
	if m == nil && len(findings) == 0 {
		findings = []atoll.Finding{{Code: "refused", Msg: fmt.Sprintf("type %q refuses these params", t.Name)}}
	}
	return m, findings
}

// below joins the pointer of an object with a path inside it, which is a JSON
// pointer or names separated by dots.
func below(at, path string) string {
	switch {
	case path == "":
		return at
	case path[0] == '/':
		return at + path
	}
	for step := range strings.SplitSeq(path, ".") {
		at = pointer(at, step)
	}
	return at
}

// groupFields reads what to group by, or returns the rule that it breaks.
func groupFields(by actor.Value) (fields []string, rule string) {
	const want = "by must be the name of a field, or a list of different ones"
	g := groupOf(by)
	if g == nil || len(g.By) == 0 || len(g.By) > 64 {
		return nil, want
	}
	for i, f := range g.By {
		if f == "" || slices.Contains(g.By[:i], f) {
			return nil, want
		}
	}
	return g.By, ""
}
