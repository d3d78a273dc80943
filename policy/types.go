package policy

import (
	"slices"

	"github.com/atoll-platform/atoll"
)

// ResourceType is a kind of resource that policies can be about.
type ResourceType struct {
	Name        string
	Actions     []Action // what "permit" can grant; "all" is always valid
	Overridable bool     // "deny" is a legal claim and takes a permission away
}

// Registry holds the resource types that documents may name. It is immutable
// and safe for concurrent use.
type Registry struct {
	types  map[string]*typeInfo
	order  []string
	deny   []bool // by number of the type: overridable
	single map[string]bool
	bits   map[Action]uint64 // one bit for each action, and for "all"
	acts   []Action          // by bit
	hashes []uint64          // of the claim that permits it, by bit
}

// typeInfo is a resource type with its number.
type typeInfo struct {
	ResourceType
	index int
}

// maxActions is how many actions have a bit of their own; decisions about
// others are slower, not different.
const maxActions = 64

// allActions is the value of "permit all": an ordinary value that rules expand.
const allActions Action = "all"

var crud = []Action{Create, Read, Update, Delete}

// BuiltinTypes returns the fifteen resource types that every Registry holds.
func BuiltinTypes() []ResourceType {
	with := func(list []Action, more ...Action) []Action { return append(slices.Clone(list), more...) }
	return []ResourceType{
		{Name: "audit", Actions: []Action{Read}},
		{Name: "auth", Actions: []Action{Issue}},
		{Name: "cluster", Actions: []Action{Read, Update}},
		{Name: "gateway", Actions: []Action{Promote, Use}},
		{Name: "job", Actions: with(crud, Start, Stop, SSH, Map, Bind, Link, Join, Promote, Issue)},
		{Name: "network", Actions: []Action{Create, Read, Join, Delete}},
		{Name: "package", Actions: with(crud, Use)},
		{Name: "policy", Actions: []Action{Read, Update}},
		{Name: "policydoc", Actions: with(crud)},
		{Name: "provider", Actions: with(crud, Use)},
		{Name: "quota", Actions: []Action{Read, Update}},
		{Name: "route", Actions: with(crud, Map)},
		{Name: "sempiperule", Actions: []Action{Create, Read, Delete}},
		{Name: "service", Actions: with(crud, Bind)},
		{Name: "stagpipe", Actions: with(crud, Use)},
	}
}

// PlatformTypes returns the resource types that the platform registers beside
// the builtin ones.
func PlatformTypes() []ResourceType {
	types := []ResourceType{
		{Name: "runtime", Actions: append(slices.Clone(crud), Start, Stop, Use), Overridable: true},
		{Name: "channel", Actions: append(slices.Clone(crud), Use)},
	}
	for _, n := range []string{"project", "user", "apikey", "tenant", "instance", "integration", "member", "group", "class", "object"} {
		types = append(types, ResourceType{Name: n, Actions: slices.Clone(crud)})
	}
	return types
}

// NewRegistry returns the builtin types and those given. The claim types in
// single have at most one value for each issuer, beside those that the
// platform itself supplies; only simulations care. Invalid for a malformed
// name, Conflict for one that is taken.
func NewRegistry(types []ResourceType, single ...string) (*Registry, error) {
	const op = "policy.NewRegistry"
	r := &Registry{types: map[string]*typeInfo{}, single: map[string]bool{},
		bits: map[Action]uint64{allActions: 1}, acts: []Action{allActions}}
	for _, n := range []string{"job", "service", "network", "route", "dependency", "ResType", "gateway", "provider", "package", "image", "target", "target_str", "name", "email"} {
		r.single[n] = true
	}
	for _, n := range single {
		r.single[n] = true
	}
	for _, t := range append(BuiltinTypes(), types...) {
		if t.Name == "*" || t.Name == "all" || !validType(t.Name) {
			return nil, atoll.Errorf(atoll.Invalid, op, "%.64q: a resource type is lower-case letters and digits", t.Name)
		}
		if r.types[t.Name] != nil {
			return nil, &atoll.Error{Kind: atoll.Conflict, Code: atoll.Exists, Op: op, Msg: "resource type " + t.Name + " is registered twice"}
		}
		for _, a := range t.Actions {
			if r.bits[a] == 0 && len(r.acts) < maxActions {
				r.bits[a] = 1 << len(r.acts)
				r.acts = append(r.acts, a)
			}
		}
		r.types[t.Name] = &typeInfo{ResourceType: t, index: len(r.order)}
		r.deny = append(r.deny, t.Overridable)
		r.order = append(r.order, t.Name)
	}
	slices.Sort(r.order)
	for _, a := range r.acts {
		r.hashes = append(r.hashes, headHash("permit", string(a)))
	}
	return r, nil
}

// Type returns the resource type called name.
func (r *Registry) Type(name string) (ResourceType, bool) {
	if t := r.types[name]; t != nil {
		return t.ResourceType, true
	}
	return ResourceType{}, false
}

// Names returns the registered types in order.
func (r *Registry) Names() []string { return slices.Clone(r.order) }

// overridable reports whether a denial counts on resources of that type.
func (r *Registry) overridable(name string) bool {
	t := r.types[name]
	return t != nil && t.Overridable
}

// index returns the number of a type, or -1. The types that everybody asks
// about need no look-up.
func (r *Registry) index(name string) int {
	switch name {
	case "audit":
		return 0
	case "auth":
		return 1
	case "cluster":
		return 2
	case "gateway":
		return 3
	case "job":
		return 4
	case "network":
		return 5
	case "package":
		return 6
	case "policy":
		return 7
	case "policydoc":
		return 8
	case "provider":
		return 9
	case "quota":
		return 10
	case "route":
		return 11
	case "sempiperule":
		return 12
	case "service":
		return 13
	case "stagpipe":
		return 14
	}
	if t := r.types[name]; t != nil {
		return t.index
	}
	return -1
}

// bit returns the bit of an action, or 0. Those of the platform have fixed
// bits in the order in which the builtin types first name them.
func (r *Registry) bit(a Action) uint64 {
	switch a {
	case allActions:
		return 1 << 0
	case Read:
		return 1 << 1
	case Issue:
		return 1 << 2
	case Update:
		return 1 << 3
	case Promote:
		return 1 << 4
	case Use:
		return 1 << 5
	case Create:
		return 1 << 6
	case Delete:
		return 1 << 7
	case Start:
		return 1 << 8
	case Stop:
		return 1 << 9
	}
	return r.bits[a]
}

// permits reports whether a is an action of the type, or of any for "*".
func (r *Registry) permits(name string, a Action) bool {
	if a == allActions {
		return true
	}
	if name != "*" {
		t := r.types[name]
		return t != nil && slices.Contains(t.Actions, a)
	}
	for _, t := range r.types {
		if slices.Contains(t.Actions, a) {
			return true
		}
	}
	return false
}

// Variables are the tables of policy variables: PV->table.column in a
// document is a cell of a row.
type Variables map[string]Table

// Table is one table of policy variables. A missing cell equals nothing.
type Table struct {
	Columns []string
	Rows    []map[string]string
}

// split returns table and column of a reference to a policy variable.
func (r Reference) split() (table, column string, ok bool) {
	if r.Issuer != policyVariables {
		return "", "", false
	}
	for i := range len(r.Type) {
		if r.Type[i] == '.' {
			return r.Type[:i], r.Type[i+1:], true
		}
	}
	return r.Type, "", true
}
