package tenancy

import (
	"context"

	"github.com/google/uuid"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
)

// EnsureAdmin makes an administrator if the platform has no account yet, and
// reports whether it did. It is for the embedding program, at start-up: it asks
// nobody. The password need not satisfy a rule but may not be empty, and the
// name is any valid one that is not reserved.
//
// Invalid lists every fault; Conflict: the name is reserved; Overloaded.
func (s *Service) EnsureAdmin(ctx context.Context, name, password string) (bool, error) {
	const op = "tenancy.EnsureAdmin"
	if s.hasUsers(s.st.View()) {
		return false, nil
	}
	fs := CheckUserName("name", name, Free)
	fs = append(fs, PasswordRule{Min: 1}.Check("password", password, name)...)
	if err := invalid(op, fs); err != nil {
		return false, err
	}
	cred, err := s.hash.hash(ctx, password)
	if err != nil {
		return false, err
	}
	row := &User{Name: name, Admin: true}
	row.ID = uuid.NewString()
	made := false
	_, err = s.st.Update(ctx, func(tx *store.Tx) error {
		if made = !s.hasUsers(tx); !made {
			return nil
		}
		_, err := s.insertUser(tx, row, cred, nil)
		return err
	})
	if err != nil {
		return false, atoll.Wrap(op, err)
	}
	return made, nil
}

// hasUsers reports whether there is an account beside the implicit one.
func (s *Service) hasUsers(r store.Reader) bool {
	n := users.Count(r)
	if _, ok := users.Get(r, ImplicitID); ok {
		n--
	}
	return n > 0
}

// EnsureImplicit makes the implicit account if there is none yet. In mode
// AcceptAll it is the administrator that everybody is; in the others nobody is
// it, and it only owns what the embedding program makes without naming an owner.
func (s *Service) EnsureImplicit(ctx context.Context) error {
	return s.ensureImplicit(ctx)
}

func (s *Service) ensureImplicit(ctx context.Context) error {
	if _, ok := users.Get(s.st.View(), ImplicitID); ok {
		return nil
	}
	_, err := s.st.Update(ctx, func(tx *store.Tx) error {
		if _, ok := users.Get(tx, ImplicitID); ok {
			return nil
		}
		u := &User{Name: ImplicitName, Admin: true, Home: ImplicitName, Source: ImplicitUser, Access: tx.Index()}
		u.ID = ImplicitID
		if err := users.Insert(tx, u); err != nil {
			return err
		}
		tx.Note("user.create", u.FQN().String(), nil)
		return nil
	})
	return atoll.Wrap("tenancy.EnsureImplicit", err)
}
