package runtime

import "github.com/atoll-platform/atoll/actor"

// checkOptions tests group, timeout, copies, log and state of an actor.
func (c *check) checkOptions(a *CheckedActor, v actor.Value, at string) {
	c.checkGroup(a, v, at)
	c.checkTimeout(a, v.Get("timeout"), at+"/timeout")
	if n := v.Get("copies"); !n.IsMissing() {
		if k, ok := n.Int(); !ok || k < 1 || k > MaxCopies {
			c.option(a, at+"/copies", "copies must be an integer from 1 to %d", MaxCopies)
		} else if k > 1 && a.Type != nil && a.Type.Source {
			c.option(a, at+"/copies", "a source handles no events that copies could share")
		}
	}
	log := v.Get("log")
	if !log.IsMissing() {
		if log.Kind() != actor.ObjectKind {
			c.option(a, at+"/log", "log must be an object")
		}
		for _, m := range []string{"incoming", "outgoing"} {
			if b := log.Get(m); !b.IsMissing() && b.Kind() != actor.BoolKind {
				c.option(a, at+"/log/"+m, "log.%s must be true or false", m)
			}
		}
	}
	incoming, _ := log.Get("incoming").Bool()
	c.checkState(a, v.Get("state"), at+"/state", incoming)
}

// option records an option that is not valid.
func (c *check) option(a *CheckedActor, at, format string, args ...any) {
	c.fault(InvalidActorOption, at, "actor %q: "+format, append([]any{short(a.Def.Name)}, args...)...)
}

func (c *check) checkGroup(a *CheckedActor, v actor.Value, at string) {
	clause, by := v.Get("group"), v.Get("groupby")
	at += "/group"
	if clause.IsMissing() && by.IsMissing() {
		return
	}
	if a.Def.Type == groupType {
		c.option(a, at, "a groupby actor cannot have a group as well")
		return
	}
	switch {
	case clause.IsMissing():
		at += "by"
		if by.Kind() != actor.StringKind {
			c.option(a, at, "groupby must be the name of a field")
			return
		}
	case clause.Kind() != actor.ObjectKind:
		c.option(a, at, "group must be an object with by")
		return
	default:
		by, at = clause.Get("by"), at+"/by"
	}
	fields, rule := groupFields(by)
	switch {
	case rule != "":
		c.option(a, at, "%s", rule)
	case a.Type != nil && a.Type.Source:
		c.option(a, at, "a source handles no events that could be grouped")
	}
	a.GroupBy = fields
}

func (c *check) checkTimeout(a *CheckedActor, v actor.Value, at string) {
	if v.IsMissing() {
		return
	}
	if v.Kind() != actor.ObjectKind {
		c.option(a, at, "timeout must be an object with duration and mode")
		return
	}
	if s, ok := v.Get("duration").Float(); !ok || !(s > 0 && s <= maxTimeout.Seconds()) {
		c.option(a, at+"/duration", "timeout.duration must be a number of seconds above 0")
	}
	if mode, _ := v.Get("mode").Str(); mode != string(Continue) && mode != string(Exit) {
		c.option(a, at+"/mode", "timeout.mode must be %q or %q", Continue, Exit)
	}
	if t := a.Def.Timeout; t != nil {
		a.Def.Timeout = &Timeout{Duration: max(t.Duration, MinTimeout), Mode: t.Mode}
	}
}

// checkState tests the ways in which the state of an actor shall be computed.
func (c *check) checkState(a *CheckedActor, v actor.Value, at string, incoming bool) {
	if v.IsMissing() {
		return
	}
	if v.Kind() != actor.ObjectKind {
		c.option(a, at, "state must be an object")
		return
	}
	on := map[string]bool{"calc-local": true}
	for _, way := range []string{"calc-local", "collect-local", "spark-batch", "log-batch"} {
		m := v.Get(way)
		if m.IsMissing() {
			continue
		}
		if enabled, ok := stateWay(m); ok {
			on[way] = enabled
		} else {
			c.option(a, at+"/"+way, "state.%s must be true, false, or an object with enabled", way)
		}
	}
	batch := on["spark-batch"] || on["log-batch"]
	switch {
	case on["spark-batch"] && on["log-batch"]:
		c.option(a, at, "spark-batch and log-batch exclude each other")
	case batch && !incoming:
		c.option(a, at, "a batch needs the incoming events in the log: set log.incoming")
	case on["spark-batch"]:
		c.warn("actor %q: spark-batch is not available here", short(a.Def.Name))
	}
	if a.Type != nil && a.Type.Stateful && !on["calc-local"] && !on["collect-local"] && !batch {
		c.option(a, at, "an actor with state needs one way to compute it")
	}
}

// stateWay reads true, false, or {"enabled":…,"update":{"duration":{"hours":1}}}.
func stateWay(v actor.Value) (enabled, ok bool) {
	if b, ok := v.Bool(); ok {
		return b, true
	}
	if v.Kind() != actor.ObjectKind {
		return false, false
	}
	enabled = true
	if e := v.Get("enabled"); !e.IsMissing() {
		if enabled, ok = e.Bool(); !ok {
			return false, false
		}
	}
	update := v.Get("update")
	if update.IsMissing() {
		return enabled, true
	}
	every := update.Get("duration")
	if every.Kind() != actor.ObjectKind {
		return false, false
	}
	for _, n := range every.Fields() {
		if f, ok := n.Float(); !ok || f < 0 {
			return false, false
		}
	}
	return enabled, true
}
