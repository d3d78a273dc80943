package tenancy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// UserUpdate says which fields of an account change. Unset fields stay.
type UserUpdate struct {
	Name        Opt[string] // while nothing is named after the account
	Email       Opt[string] // "" takes it away
	FullName    Opt[string] // rewrites first and last name
	FirstName   Opt[string] // rewrites the full name, as does LastName
	LastName    Opt[string]
	Department  Opt[*string]
	MobilePhone Opt[*string]
	Metadata    Opt[json.RawMessage]
	Admin       Opt[bool]
	Disabled    Opt[bool]
	Password    Opt[string]

	PasswordRule PasswordRule // the zero rule is CoralPassword
	Version      uint64       // if not 0, the version that the account must still have
}

// privileged reports whether the update needs rights on accounts at large.
func (n *UserUpdate) privileged() bool { return n.Admin.Set || n.Disabled.Set || n.Name.Set }

func (n *UserUpdate) check(row *User) []atoll.Finding {
	var fs []atoll.Finding
	if n.Name.Set && n.Name.Value != row.Name {
		fs = append(fs, CheckUserName("name", n.Name.Value, Free)...)
	}
	if n.Email.Set && n.Email.Value != "" && n.Email.Value != row.Email {
		fs = append(fs, CheckEmail("email", n.Email.Value)...)
	}
	for _, t := range []struct {
		path string
		o    Opt[string]
	}{{"fullName", n.FullName}, {"firstName", n.FirstName}, {"lastName", n.LastName}} {
		if t.o.Set {
			fs = append(fs, checkText(t.path, t.o.Value, MaxText)...)
		}
	}
	if n.FullName.Set && (n.FirstName.Set || n.LastName.Set) {
		fs = append(fs, atoll.Finding{Path: "fullName", Code: "exclusive", Msg: "fullName is given, or firstName and lastName, not both"})
	}
	fs = append(fs, checkOptional("department", n.Department.Value)...)
	fs = append(fs, checkOptional("mobilePhone", n.MobilePhone.Value)...)
	if n.Password.Set {
		name := row.Name
		if n.Name.Set {
			name = n.Name.Value
		}
		fs = append(fs, n.PasswordRule.Check("password", n.Password.Value, name)...)
	}
	return fs
}

// Update changes the account that ref names and returns it as it is now. An
// account may change itself but for Name, Admin and Disabled.
//
// NotFound, Denied as Get; Invalid lists every fault; Conflict with code exists
// or reserved: name or e-mail is not to be had; with code stale: it is no
// longer of that Version; with code in_use: something is named after it, or it
// is the last enabled administrator; FailedState: the implicit account never
// changes, and a directory keeps the passwords of its accounts.
func (u *Users) Update(ctx context.Context, ref string, n UserUpdate) (*User, error) {
	const op = "tenancy.Users.Update"
	s := u.s
	row, err := s.find(ctx, op, s.st.View(), ref, policy.Update)
	if err != nil {
		return nil, err
	}
	if n.privileged() {
		if err := s.ask(ctx, policy.Update, accounts); err != nil {
			return nil, err
		}
	}
	if n.Name.Set && n.Name.Value != row.Name && len(CheckUserName("", n.Name.Value, Free)) == 0 {
		if err := s.ask(ctx, policy.Create, policy.FQN{Type: "user", Namespace: accountsNamespace, Local: n.Name.Value}); err != nil {
			return nil, err
		}
	}
	if err := changeable(op, row); err != nil {
		return nil, err
	}
	meta, faults := compactJSON("metadata", n.Metadata.Value, maxMetadata)
	n.Metadata.Value = meta
	if err := invalid(op, append(n.check(row), faults...)); err != nil {
		return nil, err
	}
	var cred *Credential
	if n.Password.Set {
		if row.Source == FromDirectory {
			return nil, atoll.Errorf(atoll.FailedState, op, "the directory keeps the password of user %s", row.Name)
		}
		if cred, err = s.hash.hash(ctx, n.Password.Value); err != nil {
			return nil, err
		}
	}
	var made *User
	_, err = s.st.Update(ctx, func(tx *store.Tx) error {
		now, ok := users.Get(tx, row.ID)
		switch {
		case !ok:
			return noUser(op, ref)
		case n.Version != 0 && n.Version != now.Version:
			return &atoll.Error{Kind: atoll.Conflict, Code: atoll.Stale, Op: op, Msg: fmt.Sprintf("user %s has changed", now.Name),
				Subject: atoll.Subject{Type: "user", ID: ref}, Details: map[string]any{"version": now.Version}}
		}
		if err := s.updateUser(tx, now, &n, cred); err != nil {
			return err
		}
		made, err = user(tx, row.ID)
		return err
	})
	if err != nil {
		return nil, atoll.Wrap(op, err)
	}
	return made, nil
}

// changeable refuses the implicit account.
func changeable(op string, row *User) error {
	if row.Source == ImplicitUser {
		return &atoll.Error{Kind: atoll.Conflict, Code: "implicit", Op: op, Msg: fmt.Sprintf("user %s is the implicit administrator and cannot be changed or deleted", row.Name),
			Subject: atoll.Subject{Type: "user", ID: row.Name}}
	}
	return nil
}

// updateUser writes what n changes of row.
func (s *Service) updateUser(tx *store.Tx, row *User, n *UserUpdate, cred *Credential) error {
	c := row.clone()
	apply(n.Name, &c.Name)
	apply(n.Email, &c.Email)
	apply(n.Department, &c.Department)
	apply(n.MobilePhone, &c.MobilePhone)
	apply(n.Admin, &c.Admin)
	apply(n.Disabled, &c.Disabled)
	if n.Metadata.Set {
		c.Metadata = bytes.Clone(n.Metadata.Value)
	}
	switch {
	case n.FullName.Set:
		c.FullName = n.FullName.Value
		c.FirstName, c.LastName = splitName(c.FullName)
	case n.FirstName.Set || n.LastName.Set:
		apply(n.FirstName, &c.FirstName)
		apply(n.LastName, &c.LastName)
		c.FullName = joinName(c.FirstName, c.LastName)
	}
	if err := s.freeFor(tx, row, c); err != nil {
		return err
	}
	if c.Name != row.Name {
		if err := s.unnamed(tx, row); err != nil {
			return err
		}
	}
	if row.Admin && !row.Disabled && (!c.Admin || c.Disabled) {
		if err := s.notLastAdmin(tx, row); err != nil {
			return err
		}
	}
	if cred != nil {
		if err := s.setCredential(tx, c.ID, cred); err != nil {
			return err
		}
	}
	if cred != nil || c.Name != row.Name || c.Admin != row.Admin || c.Disabled != row.Disabled {
		c.Access = tx.Index()
	}
	if err := users.Put(tx, c); err != nil {
		return err
	}
	if now, ok := users.Get(tx, row.ID); ok && now.Version != row.Version {
		tx.Note("user.update", now.FQN().String(), nil)
	}
	return nil
}

// freeFor refuses a new name or e-mail of row that another account has.
func (s *Service) freeFor(r store.Reader, row, changed *User) error {
	name, email := changed.Name, changed.Email
	if fold(name) == fold(row.Name) {
		name = ""
	}
	if fold(email) == fold(row.Email) {
		email = ""
	}
	return s.free(r, name, email)
}

// unnamed refuses if something is named after the account.
func (s *Service) unnamed(tx *store.Tx, row *User) error {
	refs, err := s.userRefs(tx, row.ID)
	if err != nil {
		return err
	}
	for p := range projectByName.All(tx, store.KeyOf(row.ID)) {
		refs = append(refs, p.fqn(tx).String())
	}
	if len(refs) > 0 {
		return inUse("tenancy.Users.Update", row, "its name is part of the names of other things", refs)
	}
	return nil
}

func (s *Service) userRefs(tx *store.Tx, id string) ([]string, error) {
	var refs []string
	for _, d := range s.registered() {
		fs, err := d.UserRefs(tx, id)
		if err != nil {
			return nil, err
		}
		for _, f := range fs {
			refs = append(refs, f.String())
		}
	}
	return refs, nil
}

func inUse(op string, row *User, why string, refs []string) error {
	return &atoll.Error{Kind: atoll.Conflict, Code: atoll.InUse, Op: op, Msg: fmt.Sprintf("user %s: %s", row.Name, why),
		Subject: atoll.Subject{Type: "user", ID: row.Name}, Details: map[string]any{"references": refs}}
}

// codeLastAdmin is the code of a Conflict that keeps the platform governable.
const codeLastAdmin atoll.Code = "last_admin"

// notLastAdmin refuses if row is the last enabled administrator. The implicit
// one counts only where it is let in.
func (s *Service) notLastAdmin(r store.Reader, row *User) error {
	for a := range admins.All(r, store.Key{}) {
		if a.ID != row.ID && (a.Source != ImplicitUser || s.mode == AcceptAll) {
			return nil
		}
	}
	return &atoll.Error{Kind: atoll.Conflict, Code: codeLastAdmin, Op: "tenancy.Users", Msg: fmt.Sprintf("user %s is the last enabled administrator", row.Name),
		Subject: atoll.Subject{Type: "user", ID: row.Name}}
}

// SetPassword gives the account that ref names a new password, which must
// satisfy rule (the zero rule is CoralPassword). Sessions of the account end,
// its keys stay. It fails as Update does.
func (u *Users) SetPassword(ctx context.Context, ref, password string, rule PasswordRule) error {
	_, err := u.Update(ctx, ref, UserUpdate{Password: To(password), PasswordRule: rule})
	return err
}

// VerifyPassword reports whether password is the one of the account that ref
// names, for callers who must show it again before they change something. It
// asks whether the caller may update the account, works in every mode and is no
// login. NotFound, Denied; Overloaded; without a password of ours it is false.
func (u *Users) VerifyPassword(ctx context.Context, ref, password string) (bool, error) {
	v := u.s.st.View()
	row, err := u.s.find(ctx, "tenancy.Users.VerifyPassword", v, ref, policy.Update)
	if err != nil {
		return false, err
	}
	if password == "" || len(password) > maxPasswordBytes {
		return false, nil
	}
	cred, _ := credentials.Get(v, userSubject(row.ID))
	return u.s.hash.verify(ctx, cred, password)
}

// setCredential writes a new password and ends the sessions of the account.
func (s *Service) setCredential(tx *store.Tx, userID string, cred *Credential) error {
	if err := putCredential(tx, userSubject(userID), cred); err != nil {
		return err
	}
	return dropKeys(tx, sessionsOf(tx, userID))
}
