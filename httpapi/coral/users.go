package coral

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/runtime"
	"github.com/atoll-platform/atoll/tenancy"
)

// userBody is a user as the API shows it.
type userBody struct {
	ID          string     `json:"id"`
	UniqueName  string     `json:"uniqueName" doc:"login name"`
	FullName    string     `json:"fullName"`
	Email       string     `json:"email"`
	Department  *string    `json:"department"`
	MobilePhone *string    `json:"mobilePhone"`
	Admin       bool       `json:"admin"`
	CreatedOn   time.Time  `json:"createdOn"`
	LastLogin   *time.Time `json:"lastLogin"`
}

func (a *api) usersOf(us ...*tenancy.User) []userBody {
	logins := a.p.Users().LastLogin(us...)
	out := make([]userBody, len(us))
	for i, u := range us {
		out[i] = userBody{ID: u.ID, UniqueName: u.Name, FullName: u.FullName, Email: u.Email,
			Department: u.Department, MobilePhone: u.MobilePhone, Admin: u.Admin, CreatedOn: u.CreatedAt}
		if t, ok := logins[u.ID]; ok {
			out[i].LastLogin = &t
		}
	}
	return out
}

type onUser struct {
	User string `path:"uid,object" doc:"UUID or unique name"`
}

func (a *api) userTable() []rest.Operation {
	const all, one = "/api/users", "/api/users/{uid}"
	const all2, one2 = "/api/platform/users", "/api/platform/users/{uid}"
	return []rest.Operation{
		op(rest.Operation{ID: "coral.user.create", Entity: "user", Summary: "Add a user", Contract: "C21", Action: "Add user", Permit: "create",
			Routes: routes("POST", all, all2), Body: rest.JSONBody, Limit: rest.HeavyLoad, Errors: []rest.Case{invalid, denied, conflict, state}}, a.createUser),
		op(rest.Operation{ID: "coral.user.list", Entity: "user", Summary: "List users", Contract: "C22", Permit: "read",
			Routes: routes("GET", all, all2), Errors: []rest.Case{denied}}, a.listUsers),
		op(rest.Operation{ID: "coral.user.get", Entity: "user", Summary: "Get a user", Contract: "C23", Action: "Get user", Permit: "read",
			Routes: routes("GET", one, one2), Errors: []rest.Case{denied, notFound}}, a.getUser),
		op(rest.Operation{ID: "coral.user.update", Entity: "user", Summary: "Change a user", Contract: "C24", Action: "Update user", Permit: "update",
			Routes: routes("PATCH", one, one2), Body: rest.JSONBody, Limit: rest.HeavyLoad, Errors: []rest.Case{invalid, denied, notFound, conflict, state}}, a.updateUser),
		op(rest.Operation{ID: "coral.user.delete", Entity: "user", Summary: "Delete a user", Contract: "C25", Action: "Delete user", Permit: "delete",
			Routes: routes("DELETE", one, one2), Errors: []rest.Case{denied, notFound, conflict}}, a.deleteUser),
	}
}

type createUserIn struct {
	UniqueName  string           `json:"uniqueName" alias:"uniquename" rule:"required"`
	FullName    string           `json:"fullName" alias:"fullname" rule:"required"`
	Email       string           `json:"email" rule:"required"`
	Password    rest.Secret      `json:"password" rule:"required"`
	Department  rest.Opt[string] `json:"department" rule:"null"`
	MobilePhone rest.Opt[string] `json:"mobilePhone" alias:"mobilephone,mobile" rule:"null"`
	Admin       rest.Opt[bool]   `json:"admin"`
	Permissions []userPermission `json:"permissions" doc:"made together with the user"`
}

type userPermission struct {
	Runtime string `json:"runtime" rule:"required" doc:"UUID or owner-name of a runtime"`
	Method  string `json:"method" rule:"required"`
	URI     string `json:"uri" rule:"required"`
	Allowed bool   `json:"allowed" rule:"required"`
}

type createdUser struct {
	Action      string   `json:"action"`
	ID          string   `json:"id"`
	Success     bool     `json:"success"`
	User        userBody `json:"user"`
	Permissions []string `json:"permissions" doc:"ids"`
}

func (a *api) createUser(ctx context.Context, in createUserIn) (rest.Created[createdUser], error) {
	n := tenancy.NewUser{Name: in.UniqueName, FullName: in.FullName, Email: in.Email, Password: in.Password.Reveal(),
		Department: pointer(in.Department), MobilePhone: pointer(in.MobilePhone), Admin: in.Admin.Or(false), Shape: tenancy.Coral}
	var grants []platform.NewGrant
	for _, p := range in.Permissions {
		grants = append(grants, platform.NewGrant{Runtime: p.Runtime, PermissionInput: runtime.PermissionInput{Method: p.Method, URI: p.URI, Allowed: p.Allowed}})
	}
	u, ids, err := a.p.CreateUser(ctx, n, grants)
	if err != nil {
		return rest.Created[createdUser]{}, a.inFields(err)
	}
	return rest.Created[createdUser]{V: createdUser{Action: "Add user", ID: u.ID, Success: true, User: a.usersOf(u)[0], Permissions: append([]string{}, ids...)}}, nil
}

// pointer is nil for a value that is absent or null.
func pointer[T any](o rest.Opt[T]) *T {
	if v, ok := o.Get(); ok {
		return &v
	}
	return nil
}

// inFields puts the API's own word for the login name into an error. A name that
// nobody may have is not valid; only where everybody is coral, coral is taken.
func (a *api) inFields(err error) error {
	e, ok := errors.AsType[*atoll.Error](err)
	if !ok {
		return err
	}
	c := *e
	if e.Kind == atoll.Conflict && e.Code == tenancy.Reserved && !a.p.AcceptsAll() {
		c.Kind, c.Code = atoll.Invalid, ""
	}
	c.Findings = slices.Clone(e.Findings)
	for i := range c.Findings {
		if c.Findings[i].Path == "name" {
			c.Findings[i].Path = "uniqueName"
		}
	}
	return &c
}

func (a *api) listUsers(ctx context.Context, _ struct{}) ([]userBody, error) {
	us, err := a.p.Users().List(ctx)
	if err != nil {
		return nil, err
	}
	return a.usersOf(us...), nil
}

func (a *api) getUser(ctx context.Context, in onUser) (userBody, error) {
	u, err := a.p.Users().Get(ctx, in.User)
	if err != nil {
		return userBody{}, err
	}
	return a.usersOf(u)[0], nil
}

type updateUserIn struct {
	onUser
	FullName    rest.Opt[string]      `json:"fullName" alias:"fullname"`
	Email       rest.Opt[string]      `json:"email"`
	Password    rest.Opt[rest.Secret] `json:"password"`
	Department  rest.Opt[string]      `json:"department" rule:"null"`
	MobilePhone rest.Opt[string]      `json:"mobilePhone" alias:"mobilephone,mobile" rule:"null"`
	Admin       rest.Opt[bool]        `json:"admin"`
}

type updatedUser struct {
	Action  string   `json:"action"`
	Success bool     `json:"success"`
	User    userBody `json:"user"`
}

func (a *api) updateUser(ctx context.Context, in updateUserIn) (updatedUser, error) {
	n := tenancy.UserUpdate{FullName: set(in.FullName), Email: set(in.Email), Admin: set(in.Admin)}
	if in.Department.Sent() {
		n.Department = tenancy.To(pointer(in.Department))
	}
	if in.MobilePhone.Sent() {
		n.MobilePhone = tenancy.To(pointer(in.MobilePhone))
	}
	if p, ok := in.Password.Get(); ok {
		n.Password = tenancy.To(p.Reveal())
	}
	u, err := a.p.Users().Update(ctx, in.User, n)
	if err != nil {
		return updatedUser{}, a.inFields(err)
	}
	return updatedUser{Action: "Update user", Success: true, User: a.usersOf(u)[0]}, nil
}

// set is the same presence in the words of the domain.
func set[T any](o rest.Opt[T]) tenancy.Opt[T] {
	if v, ok := o.Get(); ok {
		return tenancy.To(v)
	}
	return tenancy.Opt[T]{}
}

type deleteUserIn struct {
	onUser
	Force bool `query:"force" doc:"also delete the runtimes of the user"`
}

type deleted struct {
	Action  string    `json:"action"`
	ID      string    `json:"id"`
	Name    string    `json:"name,omitempty"`
	Success bool      `json:"success"`
	Time    time.Time `json:"time"`
}

func (a *api) deleteUser(ctx context.Context, in deleteUserIn) (deleted, error) {
	u, err := a.p.Users().Delete(ctx, in.User, in.Force)
	if err != nil {
		return deleted{}, err
	}
	return deleted{Action: "Delete user", ID: u.ID, Name: u.Name, Success: true, Time: a.p.Now()}, nil
}
