package runtime

import "github.com/atoll-platform/atoll/actor"

// Checked is a definition without faults, resolved: names have become indexes
// into Actors and parameters have become what makes the actors. Check returns
// it and Engine.Spawn runs it. It is immutable and may be spawned many times.
type Checked struct {
	Def      *Definition
	Actors   []CheckedActor // in the order of the definition
	Links    [][2]int       // from and to as indexes into Actors; in order, a repeated link once
	Warnings []string       // what was accepted and will not have the effect it asks for
}

// CheckedActor is one actor of a Checked definition.
type CheckedActor struct {
	Def     ActorDef         // as written; a timeout is at least MinTimeout
	Type    *actor.Type      // of the actor; of a groupby actor, of what it groups
	Make    actor.Maker      // makes the actor, each child of its group, and each copy
	GroupBy []string         // the fields whose values select a child; nil is no group
	Collect []CheckedCollect // in the order of the definition
}

// CheckedCollect is one resolved collect entry.
type CheckedCollect struct {
	Alias string
	From  int          // index of the actor that is asked
	Field string       // the state field to read; "" if Data is what to ask with
	Data  *actor.Event // the event to shunt; nil if Field is set
}

// ActorIndex returns the index of the actor of that name, -1 if there is none.
func (c *Checked) ActorIndex(name string) int {
	for i := range c.Actors {
		if c.Actors[i].Def.Name == name {
			return i
		}
	}
	return -1
}

// instances is how many actors a runtime has, copies of actors and of the
// runtime included, and children of groups not.
func (c *Checked) instances() int {
	n := 0
	for i := range c.Actors {
		n += max(c.Actors[i].Def.Copies, 1)
	}
	return n * c.Def.Distribution.copies()
}
