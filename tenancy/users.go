package tenancy

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// Users is the accounts of the platform. Each method asks the guard once; what
// it returns is the caller's to change.
type Users struct{ s *Service }

// NewUser is an account to be made.
type NewUser struct {
	// Name is given or, if empty and Email is set, made of it: the address in
	// lower case if that is a free name, else account.<number>.
	Name        string
	Email       string
	FullName    string // or FirstName and LastName
	FirstName   string
	LastName    string
	Department  *string
	MobilePhone *string
	Metadata    json.RawMessage
	Admin       bool
	Disabled    bool
	Password    string // "" is none: no login by password

	Shape        Shape
	PasswordRule PasswordRule // the zero rule is CoralPassword

	// Within, if set, runs in the transaction that makes the account and may
	// add what belongs to it. Its error undoes all.
	Within func(tx *store.Tx, u *User) error
}

// check returns everything that is wrong with n on its own.
func (n *NewUser) check() []atoll.Finding {
	var fs []atoll.Finding
	if n.Name != "" || n.Email == "" || n.Shape == Coral {
		fs = append(fs, CheckUserName("name", n.Name, n.Shape)...)
	}
	required := func(path, v string) bool {
		if v == "" && n.Shape == Coral {
			fs = append(fs, atoll.Finding{Path: path, Code: "required", Msg: path + " is required"})
		}
		return v != ""
	}
	if required("fullName", n.FullName) {
		fs = append(fs, checkText("fullName", n.FullName, MaxText)...)
	}
	fs = append(fs, checkText("firstName", n.FirstName, MaxText)...)
	fs = append(fs, checkText("lastName", n.LastName, MaxText)...)
	if n.FullName != "" && (n.FirstName != "" || n.LastName != "") {
		fs = append(fs, atoll.Finding{Path: "fullName", Code: "exclusive", Msg: "fullName is given, or firstName and lastName, not both"})
	}
	if required("email", n.Email) {
		fs = append(fs, CheckEmail("email", n.Email)...)
	}
	if required("password", n.Password) {
		fs = append(fs, n.PasswordRule.Check("password", n.Password, n.Name)...)
	}
	fs = append(fs, checkOptional("department", n.Department)...)
	fs = append(fs, checkOptional("mobilePhone", n.MobilePhone)...)
	return fs
}

func checkOptional(path string, s *string) []atoll.Finding {
	if s == nil {
		return nil
	}
	return checkText(path, *s, MaxText)
}

// Create makes an account and returns it.
//
// Invalid lists every fault; Conflict with code exists: name or e-mail is
// taken; Conflict with code reserved: the name is; FailedState: a directory
// keeps the accounts; Denied; Overloaded: too many passwords are being hashed.
func (u *Users) Create(ctx context.Context, n NewUser) (*User, error) {
	const op = "tenancy.Users.Create"
	s := u.s
	target := accounts
	if n.Name != "" && len(CheckUserName("", n.Name, Free)) == 0 {
		target.Local = n.Name
	}
	if err := s.ask(ctx, policy.Create, target); err != nil {
		return nil, err
	}
	if n.Admin || n.Disabled {
		if err := s.ask(ctx, policy.Update, accounts); err != nil {
			return nil, err
		}
	}
	if s.mode == WithDirectory {
		return nil, atoll.Errorf(atoll.FailedState, op, "accounts are made by the directory")
	}
	meta, faults := compactJSON("metadata", n.Metadata, maxMetadata)
	if err := invalid(op, append(n.check(), faults...)); err != nil {
		return nil, err
	}
	if n.Name != "" {
		// A name that is taken need not cost a hash.
		if err := s.free(s.st.View(), n.Name, n.Email); err != nil {
			return nil, err
		}
	}
	var cred *Credential
	if n.Password != "" {
		var err error
		if cred, err = s.hash.hash(ctx, n.Password); err != nil {
			return nil, err
		}
	}
	row := &User{Name: n.Name, Email: n.Email, FullName: n.FullName, FirstName: n.FirstName, LastName: n.LastName,
		Department: cloneText(n.Department), MobilePhone: cloneText(n.MobilePhone), Metadata: meta, Admin: n.Admin, Disabled: n.Disabled}
	row.ID = uuid.NewString()
	row.coupleNames()
	var made *User
	_, err := s.st.Update(ctx, func(tx *store.Tx) error {
		var err error
		made, err = s.insertUser(tx, row, cred, n.Within)
		return err
	})
	if err != nil {
		return nil, atoll.Wrap(op, err)
	}
	return made, nil
}

// coupleNames fills the full name from the first and last, or these from it.
func (u *User) coupleNames() {
	if u.FullName != "" {
		u.FirstName, u.LastName = splitName(u.FullName)
	} else {
		u.FullName = joinName(u.FirstName, u.LastName)
	}
}

// Reserved is the code of a Conflict with a name that nobody may take.
const Reserved atoll.Code = "reserved"

// free returns a Conflict if name or email are not to be had.
func (s *Service) free(r store.Reader, name, email string) error {
	taken := func(code atoll.Code, path, v, why string) error {
		msg := fmt.Sprintf("%s %q is %s", path, v, why)
		return &atoll.Error{Kind: atoll.Conflict, Code: code, Op: "tenancy.Users", Msg: msg, Subject: atoll.Subject{Type: "user", ID: v},
			Findings: []atoll.Finding{{Path: path, Code: string(code), Msg: msg}}, Details: map[string]any{"index": path}}
	}
	if reserved(name, s.domain) {
		return taken(Reserved, "name", name, "reserved")
	}
	if _, ok := UserByName(r, name); ok {
		return taken(atoll.Exists, "name", name, "taken")
	}
	if _, ok := UserByEmail(r, email); ok {
		return taken(atoll.Exists, "email", email, "taken")
	}
	return nil
}

// insertUser gives row its number, home and, if it has none, name, and writes
// it with its credential.
func (s *Service) insertUser(tx *store.Tx, row *User, cred *Credential, within func(*store.Tx, *User) error) (*User, error) {
	seq, err := next(tx, "", "user")
	if err != nil {
		return nil, err
	}
	c := *row
	c.Seq, c.Access = seq, tx.Index()
	if c.Name == "" {
		c.Name = s.nameFor(tx, c.Email, seq)
	}
	// A name that the platform made is the one name of that form.
	if err := s.free(tx, c.Name, c.Email); err != nil {
		return nil, err
	}
	c.Home = homeFor(tx, c.Name, seq)
	if err := users.Insert(tx, &c); err != nil {
		return nil, err
	}
	if cred != nil {
		if err := putCredential(tx, userSubject(c.ID), cred); err != nil {
			return nil, err
		}
	}
	tx.Note("user.create", c.FQN().String(), nil)
	made, err := user(tx, c.ID)
	if err != nil {
		return nil, err
	}
	if within != nil {
		if err := within(tx, made); err != nil {
			return nil, err
		}
	}
	return made, nil
}

// nameFor makes a name of a mail address.
func (s *Service) nameFor(r store.Reader, email string, seq int32) string {
	name := fold(email)
	if len(CheckUserName("", name, Free)) == 0 && !reserved(name, s.domain) {
		if _, taken := UserByName(r, name); !taken {
			return name
		}
	}
	return fmt.Sprintf("account.%d", seq)
}

// homeFor gives an account the first of these homes that is free: its name cut
// at the first "@", its name, its name with its number.
func homeFor(r store.Reader, name string, seq int32) string {
	cut, _, _ := strings.Cut(name, "@")
	for _, home := range []string{cut, name} {
		if home == "" {
			continue
		}
		if _, taken := userByHome.Get(r, store.KeyOf(fold(home))); !taken {
			return home
		}
	}
	return fmt.Sprintf("%s~%d", name, seq)
}

func putCredential(tx *store.Tx, subject string, hashed *Credential) error {
	c := *hashed
	c.ID, c.Set = subject, tx.Index()
	return credentials.Put(tx, &c)
}

// user returns a copy of an account that is known to exist.
func user(r store.Reader, id string) (*User, error) {
	row, ok := users.Get(r, id)
	if !ok {
		return nil, noUser("tenancy.Users", id)
	}
	return row.clone(), nil
}

func noUser(op, ref string) error {
	return &atoll.Error{Kind: atoll.NotFound, Op: op, Msg: fmt.Sprintf("no user %.100s", ref), Subject: atoll.Subject{Type: "user", ID: ref}}
}

// find returns the account that ref names, if the caller may do a on it. Who
// may not do it on accounts at large is not told whether one exists.
func (s *Service) find(ctx context.Context, op string, r store.Reader, ref string, a policy.Action) (*User, error) {
	row, ok := FindUser(r, ref)
	if !ok {
		if err := s.ask(ctx, a, accounts); err != nil {
			return nil, err
		}
		return nil, noUser(op, ref)
	}
	if err := s.ask(ctx, a, row.FQN()); err != nil {
		return nil, err
	}
	return row, nil
}

// Get returns the account that ref, an id or a name in any case, names. Kinds:
// NotFound, Denied; a caller who may not read accounts gets Denied for an
// account that does not exist.
func (u *Users) Get(ctx context.Context, ref string) (*User, error) {
	row, err := u.s.find(ctx, "tenancy.Users.Get", u.s.st.View(), ref, policy.Read)
	if err != nil {
		return nil, err
	}
	return row.clone(), nil
}

// List returns the accounts that the caller may read, by name; the implicit one
// is among them in mode AcceptAll. Denied: the caller may not read accounts at
// large.
func (u *Users) List(ctx context.Context) ([]*User, error) {
	if err := u.s.ask(ctx, policy.Read, accounts); err != nil {
		return nil, err
	}
	list := []*User{}
	readable := u.s.guard.Filter(ctx, policy.Read, accounts)
	for row := range userByName.All(u.s.st.View(), store.Key{}) {
		if row.Source == ImplicitUser && u.s.mode != AcceptAll {
			continue
		}
		if readable(row.FQN()) {
			list = append(list, row.clone())
		}
	}
	slices.SortFunc(list, func(a, b *User) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

// LastLogin returns when each of the accounts last logged in by password. Those
// that never did are not in the map. It asks nobody: the accounts are those
// that the caller has got.
func (u *Users) LastLogin(us ...*User) map[string]time.Time {
	v := u.s.st.View()
	m := make(map[string]time.Time, len(us))
	for _, x := range us {
		if a, ok := activity.Get(v, x.ID); ok {
			m[x.ID] = a.LastLogin
		}
	}
	return m
}

// HasPassword reports whether the account can log in by a password of ours.
func (u *Users) HasPassword(x *User) bool {
	_, ok := credentials.Get(u.s.st.View(), userSubject(x.ID))
	return ok
}
