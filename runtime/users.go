package runtime

import (
	"context"
	"strings"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// User is an account as far as runtimes are concerned.
type User struct {
	ID   string
	Name string
}

// Users finds accounts. It reads through r alone.
type Users interface {
	ByName(r store.Reader, name string) (User, bool)
	ByID(r store.Reader, id string) (User, bool)
}

// DefaultOwner is the implicit user, and DefaultOwnerName its name. It owns
// what the embedding program creates without naming an owner.
const (
	DefaultOwner     = "fb5ffab3-3759-4dd7-9d56-0ce2ee7b369f"
	DefaultOwnerName = "coral"
)

// caller is who calls, as far as names and ownership are concerned.
type caller struct {
	id       string // the account; "" is none
	admin    bool   // may act for others
	implicit bool   // credentials are not asked for
}

func callerOf(ctx context.Context) caller {
	p := policy.PrincipalFrom(ctx)
	switch {
	case p == nil:
		return caller{id: DefaultOwner, admin: true}
	case p.Kind == policy.Implicit:
		return caller{id: p.UserID, admin: true, implicit: true}
	case p.Kind == policy.User:
		return caller{id: p.UserID, admin: p.Admin}
	}
	return caller{}
}

// user finds an account by id; the implicit user is known always.
func (s *Service) user(r store.Reader, id string) (User, bool) {
	if u, ok := s.users.ByID(r, id); ok {
		return u, true
	}
	return User{ID: DefaultOwner, Name: DefaultOwnerName}, id == DefaultOwner
}

// ownerName returns the present name of an owner.
func (s *Service) ownerName(r store.Reader, rec *Record) string {
	if u, ok := s.user(r, rec.OwnerID); ok {
		return u.Name
	}
	return rec.OwnerName
}

func (s *Service) address(r store.Reader, rec *Record) policy.FQN {
	return Address(s.ownerName(r, rec), rec.Name)
}

// byName finds an account by its name.
func (s *Service) byName(r store.Reader, name string) (User, bool) {
	if u, ok := s.users.ByName(r, name); ok {
		return u, true
	}
	return User{ID: DefaultOwner, Name: DefaultOwnerName}, name == DefaultOwnerName
}

// owner returns the account that a new runtime belongs to, and the id that its
// definition shows, given what the definition says.
func (s *Service) owner(r store.Reader, c caller, written string) (u User, shown string, err error) {
	const op = "runtime.Create"
	notOwner := func() error {
		return &atoll.Error{Kind: atoll.Denied, Code: atoll.NotOwner, Op: op,
			Msg: "the owner in the definition is not the logged-in user", Subject: atoll.Subject{Type: "user", ID: written}}
	}
	self, known := User{}, false
	if c.id != "" {
		self, known = s.user(r, c.id)
	}
	named, found := User{}, false
	switch {
	case written == "":
	case isUUID(written):
		named, found = s.user(r, strings.ToLower(written))
	default:
		named, found = s.byName(r, written)
	}
	switch {
	case c.implicit && isUUID(written):
		return self, written, nil
	case written == "" || c.implicit:
		if !known {
			return User{}, "", &atoll.Error{Kind: atoll.Denied, Code: atoll.NotOwner, Op: op, Msg: "the caller has no account that could own a runtime"}
		}
		return self, self.ID, nil
	case c.admin && !found:
		return User{}, "", &atoll.Error{Kind: atoll.Reference, Op: op, Msg: "no user " + short(written) + " to own the runtime",
			Subject: atoll.Subject{Type: "user", ID: written}}
	case !c.admin && (!found || !known || named.ID != self.ID):
		return User{}, "", notOwner()
	}
	return named, named.ID, nil
}
