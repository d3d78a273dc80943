package tenancy

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
)

// Directory proves passwords that are not ours, for example by a simple bind
// to LDAP. Implementations are safe for concurrent use, escape the name
// themselves and return soon after ctx ends.
type Directory interface {
	// Authenticate returns the entry of name if password is its. A refusal is
	// an error of kind Unauthenticated; any other error means that the
	// directory could not be asked.
	Authenticate(ctx context.Context, name, password string) (Entry, error)
}

// Entry is a person in a directory.
type Entry struct {
	DN         string // distinguished name; the account's id is made of it
	Name       string // unique name; "" is the name that was used to log in
	FullName   string
	Email      string
	Department *string
	Mobile     *string
}

const (
	// maxBinds is how many binds run at a time, bindTime how long one may take
	// and, as well, how long a caller waits for its turn.
	maxBinds = 16
	bindTime = 500 * time.Millisecond
)

// directoryNamespace is the namespace of the ids made of distinguished names:
// the one that RFC 9562 gives to X.500.
var directoryNamespace = uuid.NameSpaceX500

// DirectoryID is the id of the account of a distinguished name, in any case.
func DirectoryID(dn string) string {
	return uuid.NewSHA1(directoryNamespace, []byte(fold(dn))).String()
}

// bind proves a password by the directory and returns the account of its
// entry, made at the first bind.
func (s *Service) bind(ctx context.Context, name, password string) (*User, error) {
	const op = "tenancy.bind"
	e, err := s.askDirectory(ctx, name, password)
	if err != nil {
		return nil, err
	}
	if e.Name == "" {
		e.Name = name
	}
	if e.DN == "" || len(CheckUserName("", e.Name, Free)) > 0 || fold(e.Name) != fold(name) {
		s.log.WarnContext(ctx, "directory entry refused", "dn", e.DN, "name", e.Name)
		return nil, unauthenticated()
	}
	id := DirectoryID(e.DN)
	row, ok := users.Get(s.st.View(), id)
	if !ok || !e.same(row) {
		_, err := s.st.Update(ctx, func(tx *store.Tx) error {
			var err error
			row, err = s.mirror(tx, id, e)
			return err
		})
		if atoll.KindOf(err) == atoll.Conflict {
			s.log.WarnContext(ctx, "directory entry refused: its name is held by another account", "dn", e.DN, "name", e.Name)
			return nil, unauthenticated()
		}
		if err != nil {
			return nil, atoll.Wrap(op, err)
		}
	}
	if fold(row.Name) != fold(e.Name) {
		return nil, unauthenticated()
	}
	return row, nil
}

// askDirectory binds within the bounds of number and time.
func (s *Service) askDirectory(ctx context.Context, name, password string) (e Entry, err error) {
	const op = "tenancy.bind"
	ctx, cancel := context.WithTimeout(ctx, bindTime)
	defer cancel()
	select {
	case s.binds <- struct{}{}:
		defer func() { <-s.binds }()
	case <-ctx.Done():
		return e, &atoll.Error{Kind: atoll.Overloaded, Op: op, Msg: "too many logins at a time", RetryAfter: time.Second}
	}
	defer func() { // the directory is somebody else's code
		if r := recover(); r != nil {
			s.log.ErrorContext(ctx, "directory panicked", "panic", r)
			err = atoll.Errorf(atoll.Unavailable, op, "the directory cannot be asked")
		}
	}()
	e, err = s.directory.Authenticate(ctx, name, password)
	switch {
	case err == nil:
		return e, nil
	case atoll.KindOf(err) == atoll.Unauthenticated:
		return e, unauthenticated()
	}
	return e, &atoll.Error{Kind: atoll.Unavailable, Op: op, Msg: "the directory cannot be asked", RetryAfter: time.Second, Err: err}
}

// same reports whether row says of the person what the directory does.
func (e *Entry) same(row *User) bool {
	return row.FullName == e.FullName && row.Email == e.Email && equalText(row.Department, e.Department) && equalText(row.MobilePhone, e.Mobile)
}

func equalText(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }

// mirror writes the account of an entry. What the entry says badly, or an
// e-mail that another account has, is left out; a name that another account has
// is a Conflict.
func (s *Service) mirror(tx *store.Tx, id string, e Entry) (*User, error) {
	if len(CheckEmail("", e.Email)) > 0 {
		e.Email = ""
	}
	if len(checkText("", e.FullName, MaxText)) > 0 {
		e.FullName = ""
	}
	if len(checkOptional("", e.Department)) > 0 {
		e.Department = nil
	}
	if len(checkOptional("", e.Mobile)) > 0 {
		e.Mobile = nil
	}
	if other, ok := UserByEmail(tx, e.Email); ok && other.ID != id {
		e.Email = ""
	}
	now, ok := users.Get(tx, id)
	if !ok {
		row := &User{Name: e.Name, Email: e.Email, FullName: e.FullName, Source: FromDirectory,
			Department: cloneText(e.Department), MobilePhone: cloneText(e.Mobile)}
		row.ID = id
		row.coupleNames()
		return s.insertUser(tx, row, nil, nil)
	}
	c := now.clone()
	c.Email, c.FullName, c.Department, c.MobilePhone = e.Email, e.FullName, cloneText(e.Department), cloneText(e.Mobile)
	c.FirstName, c.LastName = splitName(c.FullName)
	if err := users.Put(tx, c); err != nil {
		return nil, err
	}
	return user(tx, id)
}
