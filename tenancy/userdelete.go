package tenancy

import (
	"context"
	"slices"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// Delete removes the account that ref names, with its password, keys, grants,
// memberships, projects and activity, and returns what it was. Invitations that
// it sent keep its e-mail. With force its runtimes and workloads go too; tenants
// that it owns never do.
//
// NotFound, Denied as Get; Conflict: it is the implicit account, the last
// enabled administrator, owns a tenant or, without force, live runtimes or
// workloads (code in_use, with the references in the details).
func (u *Users) Delete(ctx context.Context, ref string, force bool) (*User, error) {
	const op = "tenancy.Users.Delete"
	s := u.s
	row, err := s.find(ctx, op, s.st.View(), ref, policy.Delete)
	if err != nil {
		return nil, err
	}
	var gone *User
	_, err = s.st.Update(ctx, func(tx *store.Tx) error {
		now, ok := users.Get(tx, row.ID)
		if !ok {
			return noUser(op, ref)
		}
		gone = now.clone()
		return s.deleteUser(tx, now, force)
	})
	if err != nil {
		return nil, atoll.Wrap(op, err)
	}
	return gone, nil
}

func (s *Service) deleteUser(tx *store.Tx, row *User, force bool) error {
	const op = "tenancy.Users.Delete"
	if err := changeable(op, row); err != nil {
		return err
	}
	if row.Admin && !row.Disabled {
		if err := s.notLastAdmin(tx, row); err != nil {
			return err
		}
	}
	var owned []string
	for m := range membersByUser.All(tx, store.KeyOf(row.ID)) {
		if t, ok := tenants.Get(tx, m.TenantID); ok && m.Role == OwnerRole {
			owned = append(owned, t.FQN().String())
		}
	}
	if len(owned) > 0 {
		return inUse(op, row, "it owns tenants", owned)
	}
	refs, err := s.userRefs(tx, row.ID)
	if err != nil {
		return err
	}
	if len(refs) > 0 && !force {
		return inUse(op, row, "it owns runtimes or workloads", refs)
	}
	if len(refs) > 0 {
		for _, d := range s.registered() {
			if err := d.DropUser(tx, row.ID); err != nil {
				return err
			}
		}
	}
	for _, i := range slices.Collect(invitationsByInviter.All(tx, store.KeyOf(row.ID))) {
		c := *i
		c.InviterID = ""
		if err := invitations.Put(tx, &c); err != nil {
			return err
		}
	}
	if _, err := credentials.Delete(tx, userSubject(row.ID)); err != nil {
		return err
	}
	if _, err := users.Delete(tx, row.ID); err != nil {
		return err
	}
	if err := tx.DropCounters(row.ID); err != nil { // the id never returns
		return err
	}
	tx.Note("user.delete", row.FQN().String(), nil)
	return nil
}
