package tenancy

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// Tenant is a virtual partition of the platform; everything of it lies in the
// namespace /t/<Name>.
type Tenant struct {
	store.Meta
	Seq         int32
	Name        string // unique on the platform, whatever the case
	Title       string
	Description string
	Metadata    json.RawMessage
	Config      json.RawMessage
	InstanceID  string // the instance that hosts it, "" if none does
	Disabled    bool
}

func (t *Tenant) namespace() string { return "/t/" + t.Name }

// FQN is the address of the tenant.
func (t *Tenant) FQN() policy.FQN { return policy.FQN{Type: "tenant", Namespace: t.namespace()} }

var tenants = store.NewTable(store.Spec[Tenant]{
	Name: "tenants", Schema: 1,
	Key: func(t *Tenant) string { return t.ID },
	FQN: func(_ store.Reader, t *Tenant) string { return t.FQN().String() },
})

var (
	tenantByName      = store.Unique(tenants, "name", func(t *Tenant) (store.Key, bool) { return store.KeyOf(fold(t.Name)), true })
	tenantBySeq       = store.Unique(tenants, "seq", func(t *Tenant) (store.Key, bool) { return store.KeyOf(int64(t.Seq)), t.Seq > 0 })
	tenantsByInstance = store.Index(tenants, "instance", func(t *Tenant) (store.Key, bool) { return store.KeyOf(t.InstanceID), t.InstanceID != "" })
)

// TenantByName returns the tenant with this name, in any case. The row is a constant.
func TenantByName(r store.Reader, name string) (*Tenant, bool) {
	return tenantByName.Get(r, store.KeyOf(fold(name)))
}

// TenantByID returns the tenant with this id. The row is a constant.
func TenantByID(r store.Reader, id string) (*Tenant, bool) { return tenants.Get(r, id) }

// Instance is a physical collection of services that hosts tenants.
type Instance struct {
	store.Meta
	Seq    int32
	Name   string
	ZK     *string
	Redis  *string
	Auth   *string
	API    *string
	Events *string
	Stats  json.RawMessage
}

// FQN is the address of the instance.
func (i *Instance) FQN() policy.FQN {
	return policy.FQN{Type: "instance", Namespace: "/cxengage", Local: fmt.Sprintf("IN%d", i.Seq)}
}

var instances = store.NewTable(store.Spec[Instance]{
	Name: "instances", Schema: 1,
	Key: func(i *Instance) string { return i.ID },
	FQN: func(_ store.Reader, i *Instance) string { return i.FQN().String() },
})

var instanceBySeq = store.Unique(instances, "seq", func(i *Instance) (store.Key, bool) { return store.KeyOf(int64(i.Seq)), i.Seq > 0 })

// Role is what a member may do in a tenant; each includes those before it.
type Role uint8

// The roles.
const (
	ReadRole Role = iota + 1
	WriteRole
	FullRole
	OwnerRole
)

var roles = [...]string{"none", "read", "write", "full", "owner"}

func (r Role) String() string {
	if int(r) < len(roles) {
		return roles[r]
	}
	return fmt.Sprintf("role %d", uint8(r))
}

// MarshalText returns the name of the role.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads the name of a role.
func (r *Role) UnmarshalText(b []byte) error {
	i := slices.Index(roles[:], string(b))
	if i < 0 {
		return fmt.Errorf("%.32q is not a role", b)
	}
	*r = Role(i)
	return nil
}

// Membership is the place of a user in a tenant; the only record of who owns one.
type Membership struct {
	store.Meta
	TenantID string
	UserID   string
	Role     Role
	Seq      int32 // order of adding
}

var memberships = store.NewTable(store.Spec[Membership]{
	Name: "memberships", Schema: 1,
	Key: func(m *Membership) string { return m.ID },
	FQN: func(r store.Reader, m *Membership) string {
		f := policy.FQN{Type: "member", Namespace: "/t", Local: m.ID}
		if t, ok := tenants.Get(r, m.TenantID); ok {
			f.Namespace = t.namespace()
		}
		if u, ok := users.Get(r, m.UserID); ok {
			f.Local = fmt.Sprint(u.Seq)
		}
		return f.String()
	},
})

var (
	memberByPair = store.Unique(memberships, "pair", func(m *Membership) (store.Key, bool) { return store.KeyOf(m.TenantID, m.UserID), true })
	ownerOf      = store.Unique(memberships, "owner", func(m *Membership) (store.Key, bool) {
		return store.KeyOf(m.TenantID), m.Role == OwnerRole
	})
	membersByTenant = store.Index(memberships, "tenant", func(m *Membership) (store.Key, bool) { return store.KeyOf(m.TenantID, int64(m.Seq)), true })
	membersByUser   = store.Index(memberships, "user", func(m *Membership) (store.Key, bool) { return store.KeyOf(m.UserID, int64(m.Seq)), true })
)
