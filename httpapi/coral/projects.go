package coral

import (
	"context"
	"encoding/json"
	"time"

	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/tenancy"
)

// projectBody is a project as the API shows it.
type projectBody struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	Owner       string     `json:"owner" doc:"UUID"`
	Description string     `json:"description"`
	Definitions []rest.Raw `json:"definitions" doc:"definitions of runtimes, kept and not instantiated"`
	Runtimes    []string   `json:"runtimes" doc:"UUIDs of the runtimes that name the project"`
	Created     time.Time  `json:"created"`
	Updated     time.Time  `json:"updated"`
}

func (a *api) projectOf(p *tenancy.Project) projectBody {
	b := projectBody{ID: p.ID, Name: p.Name, Owner: p.OwnerID, Description: p.Description, Created: p.CreatedAt, Updated: p.UpdatedAt,
		Definitions: make([]rest.Raw, len(p.Definitions)), Runtimes: append([]string{}, a.p.ProjectRuntimes(p.ID)...)}
	for i, d := range p.Definitions {
		b.Definitions[i] = rest.Raw(d)
	}
	return b
}

type onProject struct {
	Project string `path:"project,object" doc:"UUID, or the name of an own project"`
}

func (a *api) projectTable() []rest.Operation {
	const all, one = "/api/projects", "/api/projects/{project}"
	return []rest.Operation{
		op(rest.Operation{ID: "coral.project.create", Entity: "project", Summary: "Create a project", Contract: "C31", Action: "Add project", Permit: "create",
			Routes: routes("POST", all), Body: rest.JSONBody, Errors: []rest.Case{invalid, reference, denied, conflict, quota}}, a.createProject),
		op(rest.Operation{ID: "coral.project.list", Entity: "project", Summary: "List projects", Contract: "C32", Permit: "read",
			Routes: routes("GET", all)}, a.listProjects),
		op(rest.Operation{ID: "coral.project.get", Entity: "project", Summary: "Get a project", Contract: "C33", Action: "Get project", Permit: "read",
			Routes: routes("GET", one), Errors: []rest.Case{notFound}}, a.getProject),
		op(rest.Operation{ID: "coral.project.update", Entity: "project", Summary: "Change a project", Contract: "C34", Action: "Update project", Permit: "update",
			Routes: append(routes("PATCH", one), routes("PUT", one)...), Body: rest.JSONBody, Errors: []rest.Case{invalid, notFound, conflict}}, a.updateProject),
		op(rest.Operation{ID: "coral.project.delete", Entity: "project", Summary: "Delete a project", Contract: "C35", Action: "Delete project", Permit: "delete",
			Routes: routes("DELETE", one), Errors: []rest.Case{notFound}}, a.deleteProject),
	}
}

type createProjectIn struct {
	Name        string           `json:"name" rule:"required"`
	Description rest.Opt[string] `json:"description"`
	Definitions []rest.Raw       `json:"definitions"`
	Owner       rest.Opt[string] `json:"owner" doc:"UUID or unique name; administrators only"`
}

type madeProject struct {
	Success    bool        `json:"success"`
	Created    time.Time   `json:"created"`
	ID         string      `json:"id"`
	Definition projectBody `json:"definition"`
}

func texts(raws []rest.Raw) []json.RawMessage {
	out := make([]json.RawMessage, len(raws))
	for i, r := range raws {
		out[i] = json.RawMessage(r)
	}
	return out
}

func (a *api) createProject(ctx context.Context, in createProjectIn) (rest.Created[madeProject], error) {
	p, err := a.p.Projects().Create(ctx, tenancy.NewProject{Name: in.Name, Description: in.Description.Or(""), Definitions: texts(in.Definitions), Owner: in.Owner.Or("")})
	if err != nil {
		return rest.Created[madeProject]{}, err
	}
	return rest.Created[madeProject]{V: madeProject{Success: true, Created: p.CreatedAt, ID: p.ID, Definition: a.projectOf(p)}}, nil
}

func (a *api) listProjects(ctx context.Context, _ struct{}) ([]projectBody, error) {
	ps, err := a.p.Projects().List(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]projectBody, len(ps))
	for i, p := range ps {
		out[i] = a.projectOf(p)
	}
	return out, nil
}

func (a *api) getProject(ctx context.Context, in onProject) (projectBody, error) {
	p, err := a.p.Projects().Get(ctx, in.Project)
	if err != nil {
		return projectBody{}, err
	}
	return a.projectOf(p), nil
}

type updateProjectIn struct {
	onProject
	Name        rest.Opt[string]     `json:"name"`
	Description rest.Opt[string]     `json:"description"`
	Definitions rest.Opt[[]rest.Raw] `json:"definitions" doc:"replaces all of them"`
}

type updatedProject struct {
	Action     string      `json:"action"`
	Success    bool        `json:"success"`
	Definition projectBody `json:"definition"`
}

func (a *api) updateProject(ctx context.Context, in updateProjectIn) (updatedProject, error) {
	n := tenancy.ProjectUpdate{Name: set(in.Name), Description: set(in.Description)}
	if ds, ok := in.Definitions.Get(); ok {
		n.Definitions = tenancy.To(texts(ds))
	}
	p, err := a.p.Projects().Update(ctx, in.Project, n)
	if err != nil {
		return updatedProject{}, err
	}
	return updatedProject{Action: "Update project", Success: true, Definition: a.projectOf(p)}, nil
}

func (a *api) deleteProject(ctx context.Context, in onProject) (deleted, error) {
	p, err := a.p.Projects().Delete(ctx, in.Project)
	if err != nil {
		return deleted{}, err
	}
	return deleted{Action: "Delete project", ID: p.ID, Success: true, Time: a.p.Now()}, nil
}
