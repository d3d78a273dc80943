package coral

import (
	"context"
	"errors"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime"
)

// permissionBody is a permission as the API shows it.
type permissionBody struct {
	ID      string `json:"id"`
	User    string `json:"user" doc:"UUID"`
	Runtime string `json:"runtime" doc:"UUID"`
	Method  string `json:"method"`
	URI     string `json:"uri"`
	Allowed bool   `json:"allowed"`
}

func permissionOf(g *policy.Grant) permissionBody {
	return permissionBody{ID: g.ID, User: g.UserID, Runtime: g.RuntimeID, Method: g.Method, URI: g.URI, Allowed: g.Allowed}
}

func (a *api) permissionTable() []rest.Operation {
	const all, one = "/api/runtimes/{rid}/permissions", "/api/runtimes/{rid}/permissions/{pid}"
	return []rest.Operation{
		op(rest.Operation{ID: "coral.permission.create", Entity: "permission", Summary: "Add a permission", Contract: "C26", Action: "Add permission", Permit: "update",
			Routes: routes("POST", all), Body: rest.JSONBody, Errors: []rest.Case{invalid, reference, notFound, denied, aCopy, conflict}}, a.createPermission),
		op(rest.Operation{ID: "coral.permission.list", Entity: "permission", Summary: "List the permissions of a runtime", Contract: "C27", Permit: "read",
			Routes: routes("GET", all), Errors: []rest.Case{notFound, denied, aCopy}}, a.listPermissions),
		op(rest.Operation{ID: "coral.permission.get", Entity: "permission", Summary: "Get a permission", Contract: "C28", Action: "Get permission", Permit: "read",
			Routes: routes("GET", one), Errors: []rest.Case{invalid, notFound, denied, aCopy}}, a.getPermission),
		op(rest.Operation{ID: "coral.permission.update", Entity: "permission", Summary: "Grant or deny by a permission", Contract: "C29", Action: "Update permission", Permit: "update",
			Routes: routes("PATCH", all, one), Body: rest.JSONBody, Errors: []rest.Case{invalid, notFound, denied, aCopy}}, a.updatePermission),
		op(rest.Operation{ID: "coral.permission.delete", Entity: "permission", Summary: "Delete a permission", Contract: "C30", Action: "Delete permission", Permit: "update",
			Routes: routes("DELETE", all, one), Body: rest.JSONBody, Optional: true, Errors: []rest.Case{invalid, notFound, denied, aCopy}}, a.deletePermission),
	}
}

type createPermissionIn struct {
	onRuntime
	ID      rest.Opt[string] `json:"id" doc:"UUID; made if absent"`
	User    string           `json:"user" rule:"required" doc:"UUID or unique name"`
	Of      rest.Opt[string] `json:"runtime" doc:"this runtime, if given"`
	Method  string           `json:"method" rule:"required"`
	URI     string           `json:"uri" rule:"required"`
	Allowed bool             `json:"allowed" rule:"required"`
}

type madePermission struct {
	Action  string `json:"action"`
	ID      string `json:"id"`
	Success bool   `json:"success"`
}

func (a *api) createPermission(ctx context.Context, in createPermissionIn) (rest.Created[madePermission], error) {
	g, err := a.p.Runtimes().AddPermission(ctx, in.Runtime, runtime.PermissionInput{
		ID: in.ID.Or(""), User: in.User, Runtime: in.Of.Or(""), Method: in.Method, URI: in.URI, Allowed: in.Allowed})
	if err != nil {
		return rest.Created[madePermission]{}, aboutPermission(err, in.ID.Or(""))
	}
	return rest.Created[madePermission]{V: madePermission{Action: "Add permission", ID: g.ID, Success: true}}, nil
}

// aboutPermission names the permission that input is not valid for.
func aboutPermission(err error, id string) error {
	e, ok := errors.AsType[*atoll.Error](err)
	if !ok || e.Kind != atoll.Invalid {
		return err
	}
	c := *e
	c.Subject = atoll.Subject{Type: "permission", ID: id}
	return &c
}

type permissionList struct {
	Permissions []permissionBody `json:"permissions"`
}

func (a *api) listPermissions(ctx context.Context, in onRuntime) (permissionList, error) {
	gs, err := a.p.Runtimes().Permissions(ctx, in.Runtime)
	if err != nil {
		return permissionList{}, err
	}
	out := permissionList{Permissions: make([]permissionBody, len(gs))}
	for i, g := range gs {
		out.Permissions[i] = permissionOf(g)
	}
	return out, nil
}

type onPermission struct {
	onRuntime
	ID string `path:"pid,object" doc:"UUID"`
}

func (a *api) getPermission(ctx context.Context, in onPermission) (permissionBody, error) {
	g, err := a.p.Runtimes().Permission(ctx, in.Runtime, in.ID)
	if err != nil {
		return permissionBody{}, aboutPermission(err, in.ID)
	}
	return permissionOf(g), nil
}

type updatePermissionIn struct {
	onRuntime
	ID      string `path:"pid,object" json:"id" rule:"required" doc:"UUID; the path's wins"`
	Allowed bool   `json:"allowed" rule:"required"`
}

type updatedPermission struct {
	Action  string `json:"action"`
	ID      string `json:"id"`
	Allowed bool   `json:"allowed"`
	Success bool   `json:"success"`
}

func (a *api) updatePermission(ctx context.Context, in updatePermissionIn) (updatedPermission, error) {
	g, err := a.p.Runtimes().SetPermission(ctx, in.Runtime, in.ID, in.Allowed)
	if err != nil {
		return updatedPermission{}, aboutPermission(err, in.ID)
	}
	return updatedPermission{Action: "Update permission", ID: g.ID, Allowed: g.Allowed, Success: true}, nil
}

type deletePermissionIn struct {
	onRuntime
	ID string `path:"pid,object" json:"id" query:"id" rule:"required" doc:"UUID; the path's wins, then the body's"`
}

type deletedPermission struct {
	Action  string `json:"action"`
	Owner   string `json:"owner" doc:"UUID of the user that had it"`
	ID      string `json:"id"`
	Success bool   `json:"success"`
}

func (a *api) deletePermission(ctx context.Context, in deletePermissionIn) (deletedPermission, error) {
	g, err := a.p.Runtimes().RemovePermission(ctx, in.Runtime, in.ID)
	if err != nil {
		return deletedPermission{}, aboutPermission(err, in.ID)
	}
	return deletedPermission{Action: "Delete permission", Owner: g.UserID, ID: g.ID, Success: true}, nil
}
