package runtime

import (
	"fmt"
	"slices"
	"strings"

	"github.com/atoll-platform/atoll/actor"
)

// collectOf returns the collect entries of an actor: its own, else those in its
// parameters, else those of the actor that a groupby holds.
func collectOf(v actor.Value) actor.Value {
	if own := v.Get("collect"); !own.IsMissing() {
		return own
	}
	params := v.Get("params")
	if in := params.Get("collect"); !in.IsMissing() {
		return in
	}
	if t, _ := v.Get("type").Str(); t == groupType {
		inner := params.Get("actor")
		if in := inner.Get("collect"); !in.IsMissing() {
			return in
		}
		return inner.Get("params").Get("collect")
	}
	return actor.Value{}
}

// checkCollect tests and resolves the collect entries of an actor and returns
// their aliases. Types that take no collect are handed what can be resolved;
// the rest is ignored with a warning.
func (c *check) checkCollect(i int, a *CheckedActor, v actor.Value, at string) []string {
	at += "/collect"
	t := a.Type
	if v.Kind() != actor.ArrayKind || v.Len() == 0 {
		if len(t.Collects) > 0 {
			c.fault(CollectMissing, at, "actor %q: type %q needs a collect of %s", short(a.Def.Name), t.Name, strings.Join(t.Collects, ", "))
		}
		return nil
	}
	strict := len(t.Collects) > 0 || t.CollectAny
	var aliases []string
	clean, k := true, -1
	for item := range v.Elems() {
		k++
		e := c.collectEntry(a, item)
		if !strict {
			if e.from < 0 || e.Alias == "" || slices.Contains(aliases, e.Alias) || e.Field == "" && e.Data == nil {
				c.warn("actor %q: type %q takes no collect; entry %d is ignored", short(a.Def.Name), t.Name, k)
				continue
			}
		} else {
			clean = c.checkEntry(i, a, e, aliases, index(at, k)) && clean
		}
		aliases = append(aliases, e.Alias)
		a.Collect = append(a.Collect, CheckedCollect{Alias: e.Alias, From: e.from, Field: e.Field, Data: e.Data})
	}
	if strict && clean && len(t.Collects) > 0 {
		for _, want := range t.Collects {
			if !slices.Contains(aliases, want) {
				c.fault(CollectAliasMismatch, at, "actor %q: alias %q is missing; type %q needs %s", short(a.Def.Name), want, t.Name, strings.Join(t.Collects, ", "))
			}
		}
		for k, alias := range aliases {
			if !slices.Contains(t.Collects, alias) && !t.CollectAny {
				c.fault(CollectAliasMismatch, index(at, k)+"/alias", "actor %q: type %q has no alias %q", short(a.Def.Name), t.Name, short(alias))
			}
		}
	}
	return aliases
}

type collectEntry struct {
	CheckedCollect
	fromName string
	from     int
}

func (c *check) collectEntry(a *CheckedActor, item actor.Value) collectEntry {
	var e collectEntry
	e.Alias, _ = item.Get("alias").Str()
	e.fromName, _ = item.Get("from").Str()
	e.Field, _ = item.Get("field").Str()
	if e.Field == "" {
		e.Data, _ = actor.FromValue(item.Get("data"))
	}
	e.from = -1
	if i, ok := c.names[e.fromName]; ok {
		e.from = i
	}
	return e
}

// checkEntry tests one entry and reports whether it is complete and its alias
// is new.
func (c *check) checkEntry(self int, a *CheckedActor, e collectEntry, aliases []string, at string) bool {
	name, ok := short(a.Def.Name), true
	if e.Alias == "" {
		ok = false
		c.fault(CollectEmptyAlias, at+"/alias", "actor %q: a collect has an alias that is not empty", name)
	}
	if e.fromName == "" {
		ok = false
		c.fault(CollectEmptyFrom, at+"/from", "actor %q: a collect has a from that is not empty", name)
	}
	if e.Field == "" && (e.Data == nil || !a.Type.CollectData) {
		ok = false
		c.fault(CollectEmptyField, at+"/field", "actor %q: a collect has a field that is not empty%s", name, orData(a.Type))
	}
	if e.Alias != "" && slices.Contains(aliases, e.Alias) {
		ok = false
		c.fault(CollectDuplicateAlias, at+"/alias", "actor %q: alias %q occurs twice", name, short(e.Alias))
	}
	for _, part := range []struct{ member, text string }{{"alias", e.Alias}, {"from", e.fromName}, {"field", e.Field}} {
		if strings.IndexFunc(part.text, notAlphanumeric) >= 0 {
			c.fault(CollectNotAlphanumeric, at+"/"+part.member, "actor %q: %s %q must be letters, digits and _", name, part.member, short(part.text))
		}
	}
	switch {
	case e.fromName == "":
	case e.fromName == a.Def.Name:
		c.fault(CollectFromSelf, at+"/from", "actor %q collects from itself", name)
	case e.from < 0:
		hint := c.suggest(CollectFromUnknownActor, e.fromName, c.actorNames)
		c.fault(CollectFromUnknownActor, at+"/from", "actor %q: from names no actor: %q%s", name, short(e.fromName), didYouMean(hint))
		c.suggested(CollectFromUnknownActor, hint)
	}
	return ok
}

func orData(t *actor.Type) string {
	if t.CollectData {
		return ", or data that is an object"
	}
	return ""
}

// warn adds a warning, a hundred at most.
func (c *check) warn(format string, args ...any) {
	if len(c.out.Warnings) < maxFaults {
		c.out.Warnings = append(c.out.Warnings, fmt.Sprintf(format, args...))
	}
}
