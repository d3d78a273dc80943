package tenancy

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

const (
	maxProjects       = 1000    // of one account
	maxDefinitions    = 256     // in one project
	maxDefinitionSize = 4 << 20 // bytes, of all definitions of a project
)

// Projects is the projects of accounts: any account may keep some, its owner
// and administrators may change them, nobody else learns that they exist. Each
// method asks the guard once; what it returns is the caller's to change.
type Projects struct{ s *Service }

// NewProject is a project to be made.
type NewProject struct {
	Name        string
	Description string
	Definitions []json.RawMessage
	Owner       string // id or name of an account; "" is the caller's
}

// ProjectUpdate says which fields of a project change. Unset fields stay.
type ProjectUpdate struct {
	Name        Opt[string]
	Description Opt[string]
	Definitions Opt[[]json.RawMessage] // replaces all of them
	Version     uint64                 // if not 0, the version that the project must still have
}

func checkProjectName(name string) []atoll.Finding {
	if name == "" {
		return []atoll.Finding{{Path: "name", Code: "required", Msg: "name is required"}}
	}
	return checkText("name", name, MaxText)
}

// definitions returns copies of the definitions and what is wrong with them.
// The text of each is kept as it is.
func (s *Service) definitions(raw []json.RawMessage) ([]json.RawMessage, []atoll.Finding) {
	if len(raw) > maxDefinitions {
		return nil, []atoll.Finding{{Path: "definitions", Code: "length", Msg: fmt.Sprintf("definitions has at most %d entries", maxDefinitions)}}
	}
	var fs []atoll.Finding
	size := 0
	list := make([]json.RawMessage, 0, len(raw))
	for i, d := range raw {
		path := fmt.Sprintf("definitions/%d", i)
		if size += len(d); size > maxDefinitionSize {
			return nil, append(fs, atoll.Finding{Path: "definitions", Code: "size", Msg: fmt.Sprintf("definitions has at most %d bytes", maxDefinitionSize)})
		}
		if c, faults := compactJSON(path, d, maxDefinitionSize); len(c) == 0 {
			if len(faults) == 0 {
				faults = []atoll.Finding{{Path: path, Code: "object", Msg: path + " is a JSON object"}}
			}
			fs = append(fs, faults...)
			continue
		}
		for _, f := range s.check(d) {
			if f.Path == "" {
				f.Path = path
			} else {
				f.Path = path + "/" + f.Path
			}
			fs = append(fs, f)
		}
		list = append(list, slices.Clone(d))
	}
	return list, fs
}

// Create makes a project and returns it.
//
// Invalid lists every fault; Reference: no such owner; Denied: the owner is
// somebody else; Conflict: the owner has a project of this name; Quota: too
// many projects.
func (p *Projects) Create(ctx context.Context, n NewProject) (*Project, error) {
	const op = "tenancy.Projects.Create"
	s := p.s
	ref := n.Owner
	if ref == "" {
		caller := policy.PrincipalFrom(ctx)
		if caller == nil || caller.UserID == "" {
			return nil, invalid(op, []atoll.Finding{{Path: "owner", Code: "required", Msg: "owner is required of a caller without an account"}})
		}
		ref = caller.UserID
	}
	owner, ok := FindUser(s.st.View(), ref)
	target := policy.FQN{Type: "project", Namespace: "/coral"}
	if ok {
		target.Namespace += "/" + owner.Name
		target.Local = policy.Token(n.Name, "")
	}
	if err := s.ask(ctx, policy.Create, target); err != nil {
		return nil, err
	}
	if !ok {
		return nil, &atoll.Error{Kind: atoll.Reference, Op: op, Msg: fmt.Sprintf("no user %.100s to own the project", ref), Subject: atoll.Subject{Type: "user", ID: ref},
			Findings: []atoll.Finding{{Path: "owner", Code: "reference", Msg: fmt.Sprintf("no user %.100s", ref)}}}
	}
	defs, faults := s.definitions(n.Definitions)
	fs := append(checkProjectName(n.Name), checkText("description", n.Description, 64<<10)...)
	if err := invalid(op, append(fs, faults...)); err != nil {
		return nil, err
	}
	row := &Project{OwnerID: owner.ID, Name: n.Name, Description: n.Description, Definitions: defs}
	row.ID = uuid.NewString()
	var made *Project
	_, err := s.st.Update(ctx, func(tx *store.Tx) error {
		if _, ok := users.Get(tx, row.OwnerID); !ok {
			return noUser(op, ref)
		}
		if err := s.freeProject(tx, op, row.OwnerID, row.Name); err != nil {
			return err
		}
		if projectByName.Count(tx, store.KeyOf(row.OwnerID)) >= maxProjects {
			return atoll.Errorf(atoll.Quota, op, "an account has at most %d projects", maxProjects)
		}
		c := *row
		if err := projects.Insert(tx, &c); err != nil {
			return err
		}
		tx.Note("project.create", c.fqn(tx).String(), nil)
		var err error
		made, err = project(tx, c.ID)
		return err
	})
	if err != nil {
		return nil, atoll.Wrap(op, err)
	}
	return made, nil
}

func (s *Service) freeProject(r store.Reader, op, ownerID, name string) error {
	if _, taken := projectByName.Get(r, store.KeyOf(ownerID, name)); !taken {
		return nil
	}
	msg := fmt.Sprintf("a project called %q exists already", name)
	return &atoll.Error{Kind: atoll.Conflict, Code: atoll.Exists, Op: op, Msg: msg, Subject: atoll.Subject{Type: "project", ID: name},
		Findings: []atoll.Finding{{Path: "name", Code: string(atoll.Exists), Msg: msg}}, Details: map[string]any{"index": "name"}}
}

func project(r store.Reader, id string) (*Project, error) {
	row, ok := projects.Get(r, id)
	if !ok {
		return nil, noProject("tenancy.Projects", id)
	}
	return row.clone(), nil
}

func noProject(op, ref string) error {
	return &atoll.Error{Kind: atoll.NotFound, Op: op, Msg: fmt.Sprintf("no project %.100s", ref), Subject: atoll.Subject{Type: "project", ID: ref}}
}

// find returns the project that ref names: any by its id, the caller's own by
// name. To who may not read it, it does not exist.
func (p *Projects) find(ctx context.Context, op string, r store.Reader, ref string, a policy.Action) (*Project, error) {
	row, ok := (*Project)(nil), false
	if isUUID(ref) {
		row, ok = projects.Get(r, fold(ref))
	}
	if caller := policy.PrincipalFrom(ctx); !ok && caller != nil && caller.UserID != "" {
		row, ok = projectByName.Get(r, store.KeyOf(caller.UserID, ref))
	}
	if !ok {
		return nil, noProject(op, ref)
	}
	target := row.fqn(r)
	err := p.s.ask(ctx, a, target)
	if err != nil && (a == policy.Read || !p.s.guard.Allowed(ctx, policy.Do(policy.Read, target))) {
		return nil, noProject(op, ref)
	}
	return row, err
}

// Get returns the project that ref, an id or the name of one of the caller's
// own, names. NotFound also for projects that the caller may not read.
func (p *Projects) Get(ctx context.Context, ref string) (*Project, error) {
	row, err := p.find(ctx, "tenancy.Projects.Get", p.s.st.View(), ref, policy.Read)
	if err != nil {
		return nil, err
	}
	return row.clone(), nil
}

// List returns the projects that the caller may read, in the order of their
// making.
func (p *Projects) List(ctx context.Context) ([]*Project, error) {
	v := p.s.st.View()
	list := []*Project{}
	readable := p.s.guard.Filter(ctx, policy.Read, policy.FQN{Type: "project", Namespace: "/coral"})
	for row := range projects.All(v) {
		if readable(row.fqn(v)) {
			list = append(list, row.clone())
		}
	}
	slices.SortFunc(list, func(a, b *Project) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return list, nil
}

// Update changes a project and returns it as it is now. NotFound as Get;
// Denied; Invalid lists every fault; Conflict with code exists: the owner has
// a project of this name; with code stale: it is no longer of that Version.
func (p *Projects) Update(ctx context.Context, ref string, n ProjectUpdate) (*Project, error) {
	const op = "tenancy.Projects.Update"
	s := p.s
	row, err := p.find(ctx, op, s.st.View(), ref, policy.Update)
	if err != nil {
		return nil, err
	}
	defs, fs := s.definitions(n.Definitions.Value)
	if n.Name.Set {
		fs = append(fs, checkProjectName(n.Name.Value)...)
	}
	fs = append(fs, checkText("description", n.Description.Value, 64<<10)...)
	if err := invalid(op, fs); err != nil {
		return nil, err
	}
	var made *Project
	_, err = s.st.Update(ctx, func(tx *store.Tx) error {
		now, ok := projects.Get(tx, row.ID)
		switch {
		case !ok:
			return noProject(op, ref)
		case n.Version != 0 && n.Version != now.Version:
			return &atoll.Error{Kind: atoll.Conflict, Code: atoll.Stale, Op: op, Msg: fmt.Sprintf("project %q has changed", now.Name),
				Subject: atoll.Subject{Type: "project", ID: ref}, Details: map[string]any{"version": now.Version}}
		}
		c := now.clone()
		apply(n.Name, &c.Name)
		apply(n.Description, &c.Description)
		if n.Definitions.Set {
			c.Definitions = defs
		}
		if c.Name != now.Name {
			if err := s.freeProject(tx, op, c.OwnerID, c.Name); err != nil {
				return err
			}
		}
		if err := projects.Put(tx, c); err != nil {
			return err
		}
		if after, ok := projects.Get(tx, row.ID); ok && after.Version != now.Version {
			tx.Note("project.update", after.fqn(tx).String(), nil)
		}
		made, err = project(tx, row.ID)
		return err
	})
	if err != nil {
		return nil, atoll.Wrap(op, err)
	}
	return made, nil
}

// Delete removes a project and returns what it was. Runtimes of the project
// stay. NotFound as Get; Denied.
func (p *Projects) Delete(ctx context.Context, ref string) (*Project, error) {
	const op = "tenancy.Projects.Delete"
	row, err := p.find(ctx, op, p.s.st.View(), ref, policy.Delete)
	if err != nil {
		return nil, err
	}
	var gone *Project
	_, err = p.s.st.Update(ctx, func(tx *store.Tx) error {
		now, ok := projects.Get(tx, row.ID)
		if !ok {
			return noProject(op, ref)
		}
		gone = now.clone()
		for _, d := range p.s.registered() {
			if err := d.DropProject(tx, now.ID); err != nil {
				return err
			}
		}
		if _, err := projects.Delete(tx, now.ID); err != nil {
			return err
		}
		tx.Note("project.delete", now.fqn(tx).String(), nil)
		return nil
	})
	if err != nil {
		return nil, atoll.Wrap(op, err)
	}
	return gone, nil
}

// ProjectByID returns the project with this id. The row is a constant.
func ProjectByID(r store.Reader, id string) (*Project, bool) { return projects.Get(r, id) }
