package tenancy

import (
	"encoding/json"
	"slices"

	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// Project is a named set of runtime definitions that an account keeps. The
// definitions are stored, not run.
type Project struct {
	store.Meta
	OwnerID     string
	Name        string // free text, unique among the owner's projects, case-sensitive
	Description string
	Definitions []json.RawMessage
}

func (p *Project) clone() *Project {
	c := *p
	c.Definitions = make([]json.RawMessage, len(p.Definitions))
	for i, d := range p.Definitions {
		c.Definitions[i] = slices.Clone(d)
	}
	return &c
}

// fqn is the address of the project: below its owner.
func (p *Project) fqn(r store.Reader) policy.FQN {
	owner := p.OwnerID
	if u, ok := users.Get(r, p.OwnerID); ok {
		owner = u.Name
	}
	return policy.FQN{Type: "project", Namespace: "/coral/" + owner, Local: policy.Token(p.Name, "~"+p.ID)}
}

var projects = store.NewTable(store.Spec[Project]{
	Name: "projects", Schema: 1,
	Key: func(p *Project) string { return p.ID },
	FQN: func(r store.Reader, p *Project) string { return p.fqn(r).String() },
})

// projectByName also orders: the projects of one owner by name.
var projectByName = store.Unique(projects, "name", func(p *Project) (store.Key, bool) { return store.KeyOf(p.OwnerID, p.Name), true })
