package tenancy

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// Source says where an account comes from.
type Source uint8

// The sources of accounts.
const (
	Local         Source = iota // made here, with a password of ours
	FromDirectory               // made at the first bind to the directory, which keeps the password
	ImplicitUser                // the administrator of accept-all; it never logs in by credentials
)

var sources = [...]string{"local", "ldap", "implicit"}

func (s Source) String() string {
	if int(s) < len(sources) {
		return sources[s]
	}
	return fmt.Sprintf("source %d", uint8(s))
}

// MarshalText returns the name of the source.
func (s Source) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the name of a source.
func (s *Source) UnmarshalText(b []byte) error {
	i := slices.Index(sources[:], string(b))
	if i < 0 {
		return fmt.Errorf("%.32q is not a source of accounts", b)
	}
	*s = Source(i)
	return nil
}

// The implicit administrator.
const (
	ImplicitID   = "fb5ffab3-3759-4dd7-9d56-0ce2ee7b369f"
	ImplicitName = "coral"
)

// User is an account of the platform, seen by every API. Rows are constants:
// callers of this package get copies that they may change.
type User struct {
	store.Meta
	Seq        int32  // number of the account, 1 and up; 0 only while the implicit one has none
	Name       string // unique on the platform, whatever the case
	Email      string // "" is none; unique if set, whatever the case
	FullName   string
	FirstName  string
	LastName   string
	Department *string
	// MobilePhone is nil if unknown, as is Department.
	MobilePhone *string
	Metadata    json.RawMessage // a compact JSON object, or nothing
	Admin       bool            // platform administrator
	Disabled    bool
	Home        string // token of /sandbox/<Home>; unique, never changes
	Source      Source
	Access      uint64 // index of the last change of Name, Admin, Disabled, password or memberships
}

// FQN is the address of the account.
func (u *User) FQN() policy.FQN {
	return policy.FQN{Type: "user", Namespace: accountsNamespace, Local: u.Name}
}

// keys is the address of the account's keys as a collection.
func (u *User) keys() policy.FQN {
	return policy.FQN{Type: "apikey", Namespace: accountsNamespace + "/" + u.Name}
}

func (u *User) clone() *User {
	c := *u
	c.Department, c.MobilePhone = cloneText(u.Department), cloneText(u.MobilePhone)
	c.Metadata = slices.Clone(u.Metadata)
	return &c
}

func cloneText(s *string) *string {
	if s == nil {
		return nil
	}
	c := *s
	return &c
}

const accountsNamespace = "/accounts"

// accounts is the collection of all accounts.
var accounts = policy.FQN{Type: "user", Namespace: accountsNamespace}

var users = store.NewTable(store.Spec[User]{
	Name: "users", Schema: 1,
	Key: func(u *User) string { return u.ID },
	FQN: func(_ store.Reader, u *User) string { return u.FQN().String() },
})

var (
	userByName = store.Unique(users, "name", func(u *User) (store.Key, bool) { return store.KeyOf(fold(u.Name)), true })
	userBySeq  = store.Unique(users, "seq", func(u *User) (store.Key, bool) { return store.KeyOf(int64(u.Seq)), u.Seq > 0 })
	userByMail = store.Unique(users, "email", func(u *User) (store.Key, bool) { return store.KeyOf(fold(u.Email)), u.Email != "" })
	userByHome = store.Unique(users, "home", func(u *User) (store.Key, bool) { return store.KeyOf(fold(u.Home)), u.Home != "" })
	admins     = store.Index(users, "admin", func(u *User) (store.Key, bool) {
		return store.KeyOf(u.Source == ImplicitUser), u.Admin && !u.Disabled
	})
)

// UserByID returns the account with this id. The row is a constant.
func UserByID(r store.Reader, id string) (*User, bool) { return users.Get(r, id) }

// UserByName returns the account with this name, in any case. The row is a constant.
func UserByName(r store.Reader, name string) (*User, bool) {
	return userByName.Get(r, store.KeyOf(fold(name)))
}

// UserBySeq returns the account with this number. The row is a constant.
func UserBySeq(r store.Reader, seq int32) (*User, bool) {
	if seq <= 0 {
		return nil, false
	}
	return userBySeq.Get(r, store.KeyOf(int64(seq)))
}

// UserByEmail returns the account with this mail address, in any case. The row
// is a constant.
func UserByEmail(r store.Reader, email string) (*User, bool) {
	if email == "" {
		return nil, false
	}
	return userByMail.Get(r, store.KeyOf(fold(email)))
}

// FindUser returns the account that ref names: a UUID is an id and nothing
// else, any other text a name. The row is a constant.
func FindUser(r store.Reader, ref string) (*User, bool) {
	if isUUID(ref) {
		return UserByID(r, fold(ref))
	}
	return UserByName(r, ref)
}
