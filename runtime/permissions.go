package runtime

import (
	"context"
	"strings"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// PermissionInput is a permission as a caller writes it.
type PermissionInput struct {
	ID      string // a UUID; "" makes one
	User    string // id or name
	Runtime string // "", or this runtime
	Method  string // GET POST PUT PATCH DELETE or *
	URI     string // a path of this runtime, which may end in /*
	Allowed bool   // false denies
}

// names returns what tells whether a reference means the runtime.
func (s *Service) names(r store.Reader, rec *Record) func(string) bool {
	unique := UniqueName(s.ownerName(r, rec), rec.Name)
	return func(ref string) bool {
		return ref == rec.Name || ref == unique || strings.EqualFold(ref, rec.ID)
	}
}

// permission finds a runtime for a call on its permissions.
func (s *Service) permission(ctx context.Context, op, ref, method string, segments ...string) (*Record, error) {
	action := policy.Update
	if method == "GET" {
		action = policy.Read
	}
	rec, err := s.allowed(ctx, op, ref, call{action, method, policy.CallSuffix(append([]string{"permissions"}, segments...)...)})
	if err == nil && s.grants == nil {
		err = atoll.Errorf(atoll.Unavailable, op, "no permissions are kept here")
	}
	return rec, err
}

// Permissions returns the permissions on a runtime in the order of their
// making. Kinds: NotFound, Denied, Unavailable.
func (s *Service) Permissions(ctx context.Context, ref string) ([]*policy.Grant, error) {
	rec, err := s.permission(ctx, "runtime.Permissions", ref, "GET")
	if err != nil {
		return nil, err
	}
	return s.grants.List(s.st.View(), rec.ID), nil
}

// Permission returns one permission on a runtime. Kinds: Invalid: id is no
// UUID; NotFound, Denied, Unavailable.
func (s *Service) Permission(ctx context.Context, ref, id string) (*policy.Grant, error) {
	const op = "runtime.Permission"
	rec, err := s.permission(ctx, op, ref, "GET", id)
	if err != nil {
		return nil, err
	}
	g, err := s.grants.Get(s.st.View(), rec.ID, id)
	return g, atoll.Wrap(op, err)
}

// AddPermission grants a user calls on a runtime, or denies them. It counts
// from the next call on. Kinds: Invalid, with every finding; Reference: no such
// user; Conflict: the id is in use; NotFound, Denied, Unavailable.
func (s *Service) AddPermission(ctx context.Context, ref string, in PermissionInput) (*policy.Grant, error) {
	const op = "runtime.AddPermission"
	rec, err := s.permission(ctx, op, ref, "POST")
	if err != nil {
		return nil, err
	}
	var g *policy.Grant
	_, err = s.st.Update(ctx, func(tx *store.Tx) error {
		if _, ok := runtimes.Get(tx, rec.ID); !ok {
			return noRuntime(op, ref)
		}
		var err error
		g, err = s.grant(tx, rec, in)
		return err
	})
	return g, atoll.Wrap(op, err)
}

// Grant adds a permission on the runtime that ref names (an id, or owner-name)
// inside a transaction, without asking the guard: it is for what is made
// together with something else. It fails as AddPermission does, with Reference
// for a runtime that does not exist.
func (s *Service) Grant(tx *store.Tx, ref string, in PermissionInput) (*policy.Grant, error) {
	const op = "runtime.Grant"
	if s.grants == nil {
		return nil, atoll.Errorf(atoll.Unavailable, op, "no permissions are kept here")
	}
	rec := s.lookup(tx, caller{}, ref)
	if rec == nil {
		return nil, &atoll.Error{Kind: atoll.Reference, Op: op, Msg: "no runtime " + short(ref), Subject: atoll.Subject{Type: "runtime", ID: ref},
			Findings: []atoll.Finding{{Path: "runtime", Code: "unknown", Msg: "no runtime " + short(ref)}}}
	}
	g, err := s.grant(tx, rec, in)
	return g, atoll.Wrap(op, err)
}

// grant adds a permission on a runtime that exists.
func (s *Service) grant(tx *store.Tx, rec *Record, in PermissionInput) (*policy.Grant, error) {
	names := s.names(tx, rec)
	u, found := s.byName(tx, in.User)
	if isUUID(in.User) {
		u, found = s.user(tx, strings.ToLower(in.User))
	}
	row := policy.GrantInput{ID: in.ID, UserID: in.User, Method: in.Method, URI: in.URI, Allowed: in.Allowed}
	_, findings := policy.CheckGrant(row, rec.ID, names)
	if in.Runtime != "" && !names(in.Runtime) {
		findings = append(findings, atoll.Finding{Path: "runtime", Code: "runtime", Msg: "runtime is another one"})
	}
	switch {
	case len(findings) > 0:
		return nil, &atoll.Error{Kind: atoll.Invalid, Msg: "the permission is not valid", Findings: findings}
	case !found:
		return nil, &atoll.Error{Kind: atoll.Reference, Msg: "no user " + short(in.User), Subject: atoll.Subject{Type: "user", ID: in.User},
			Findings: []atoll.Finding{{Path: "user", Code: "unknown", Msg: "no user " + short(in.User)}}}
	}
	row.UserID = u.ID
	tx.Note("runtime.permission.add", s.address(tx, rec).String(), nil)
	return s.grants.Add(tx, rec.ID, row, names)
}

// SetPermission turns a permission into a denial or back. It fails as
// Permission does.
func (s *Service) SetPermission(ctx context.Context, ref, id string, allowed bool) (*policy.Grant, error) {
	const op = "runtime.SetPermission"
	rec, err := s.permission(ctx, op, ref, "PATCH", id)
	if err != nil {
		return nil, err
	}
	var g *policy.Grant
	_, err = s.st.Update(ctx, func(tx *store.Tx) error {
		tx.Note("runtime.permission.update", s.address(tx, rec).String(), nil)
		var err error
		g, err = s.grants.SetAllowed(tx, rec.ID, id, allowed)
		return err
	})
	return g, atoll.Wrap(op, err)
}

// RemovePermission takes a permission away and returns what it was. It fails as
// Permission does.
func (s *Service) RemovePermission(ctx context.Context, ref, id string) (*policy.Grant, error) {
	const op = "runtime.RemovePermission"
	rec, err := s.permission(ctx, op, ref, "DELETE", id)
	if err != nil {
		return nil, err
	}
	var g *policy.Grant
	_, err = s.st.Update(ctx, func(tx *store.Tx) error {
		tx.Note("runtime.permission.delete", s.address(tx, rec).String(), nil)
		var err error
		g, err = s.grants.Remove(tx, rec.ID, id)
		return err
	})
	return g, atoll.Wrap(op, err)
}
