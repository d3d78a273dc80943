package runtime

import (
	"maps"
	"slices"
	"strings"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// maxGroupKey is how long a group key may be: keys outlive their events.
const maxGroupKey = 1 << 10

// group holds the children of a node, made when their key is first seen, or
// its copies.
type group struct {
	byKey  map[string]*child
	made   int
	copies []*child
	turn   int   // of copies
	ring   *ring // of a runtime in copies; nil if it is one
}

type child struct {
	node
	key    string
	number int // by creation, from 1
}

// pick returns the child for an event, nil if the event lacks a group field.
func (n *node) pick(e *actor.Event) (*child, error) {
	g := n.ext.Load().group
	if n.flags&flagCopies != 0 {
		c := g.copies[g.turn]
		g.turn = (g.turn + 1) % len(g.copies)
		return c, nil
	}
	key, ok := groupKey(n.spec.by, e)
	if !ok {
		return nil, nil
	}
	if c, ok := g.byKey[key]; ok {
		return c, nil
	}
	if len(key) > maxGroupKey {
		return nil, atoll.Errorf(atoll.Quota, "", "the group key has %d bytes, the limit is %d", len(key), maxGroupKey)
	}
	eng, x := n.inst.tenant.eng, n.inst.extend()
	if limit := eng.o.Children(); x.kids >= limit {
		return nil, atoll.Errorf(atoll.Quota, "", "the runtime has its %d group children already", limit)
	}
	env := eng.o.Env
	if x.env != nil {
		env = x.env
	}
	c, err := g.add(n, strings.Clone(key), env)
	if err != nil {
		return nil, err
	}
	x.kids++
	n.inst.startTimers(&c.node, c)
	return c, nil
}

// add makes a child.
func (g *group) add(n *node, key string, env *actor.Env) (*child, error) {
	c := &child{key: key, number: g.made + 1}
	c.inst, c.spec, c.flags = n.inst, n.spec, n.spec.flags&flagLogOut|flagChild
	if err := c.makeActor(env); err != nil {
		return nil, err
	}
	g.made++
	g.byKey[key] = c
	if n.flags&flagCopies != 0 {
		g.copies = append(g.copies, c)
	}
	return c, nil
}

// remove forgets a child of a group; a copy keeps its turn and does nothing. The
// child counts until nothing of it is left.
func (g *group) remove(c *child) {
	if len(g.copies) == 0 {
		delete(g.byKey, c.key)
	}
}

// inOrder returns the children by creation.
func (g *group) inOrder() []*child {
	return slices.SortedFunc(maps.Values(g.byKey), func(a, b *child) int { return a.number - b.number })
}

// groupKey is the value of the one field as text, or the compact JSON array of
// the values of several.
func groupKey(by []actor.Key, e *actor.Event) (string, bool) {
	if len(by) == 1 {
		return e.Text(by[0])
	}
	b := []byte{'['}
	for i, k := range by {
		v := e.Get(k)
		if v.IsMissing() {
			return "", false
		}
		if i > 0 {
			b = append(b, ',')
		}
		if s, ok := v.Str(); ok {
			v = actor.String(s)
		}
		b = v.AppendJSON(b)
	}
	return string(append(b, ']')), true
}

// numbers returns the children's numbers by key.
func (g *group) numbers() actor.Value {
	fields := make([]actor.Field, 0, len(g.byKey))
	for _, c := range g.inOrder() {
		fields = append(fields, actor.Field{Name: c.key, Value: actor.Int(int64(c.number))})
	}
	return actor.Object(fields...)
}
