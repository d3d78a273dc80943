package tenancy

import (
	"fmt"
	"slices"

	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// InvitationState is how far an invitation came.
type InvitationState uint8

// The states of invitations.
const (
	InvitationNew InvitationState = iota + 1
	InvitationAccepted
	InvitationDeclined
)

var invitationStates = [...]string{"none", "new", "accepted", "declined"}

func (s InvitationState) String() string {
	if int(s) < len(invitationStates) {
		return invitationStates[s]
	}
	return fmt.Sprintf("invitation state %d", uint8(s))
}

// MarshalText returns the name of the state.
func (s InvitationState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the name of a state.
func (s *InvitationState) UnmarshalText(b []byte) error {
	i := slices.Index(invitationStates[:], string(b))
	if i < 0 {
		return fmt.Errorf("%.32q is not a state of an invitation", b)
	}
	*s = InvitationState(i)
	return nil
}

// Invitation asks somebody by mail to become a member of a tenant.
type Invitation struct {
	store.Meta
	TenantID     string
	Seq          int32
	Email        string
	Role         Role
	State        InvitationState
	KeyHash      store.Sealed // hash of the invitation's key, as in APIKey
	Gen          uint32
	InviterID    string // "" once the inviter is gone
	InviterEmail string
}

var invitations = store.NewTable(store.Spec[Invitation]{
	Name: "invitations", Schema: 1,
	Key: func(i *Invitation) string { return i.ID },
	FQN: func(r store.Reader, i *Invitation) string {
		return policy.FQN{Type: "member", Namespace: tenantNamespace(r, i.TenantID) + "/invitations", Local: fmt.Sprint(i.Seq)}.String()
	},
	Public: func(i *Invitation) any {
		return map[string]any{"Seq": i.Seq, "Email": i.Email, "Role": i.Role, "State": i.State, "InviterEmail": i.InviterEmail}
	},
})

var (
	invitationBySeq   = store.Unique(invitations, "seq", func(i *Invitation) (store.Key, bool) { return store.KeyOf(i.TenantID, int64(i.Seq)), true })
	invitationByEmail = store.Unique(invitations, "email", func(i *Invitation) (store.Key, bool) {
		return store.KeyOf(i.TenantID, fold(i.Email)), i.State == InvitationNew
	})
	invitationByKey      = store.Unique(invitations, "key", func(i *Invitation) (store.Key, bool) { return store.KeyOf(string(i.KeyHash)), i.KeyHash != "" })
	invitationsByInviter = store.Index(invitations, "inviter", func(i *Invitation) (store.Key, bool) { return store.KeyOf(i.InviterID), i.InviterID != "" })
)

// EndUser is a user of a tenant's application; it is no account of the platform.
type EndUser struct {
	store.Meta
	TenantID  string
	Seq       int32
	Username  string // unique in the tenant, whatever the case
	ProfileID string
	Access    uint64 // index of the last change of password, key or groups
}

var endusers = store.NewTable(store.Spec[EndUser]{
	Name: "endusers", Schema: 1,
	Key: func(u *EndUser) string { return u.ID },
	FQN: func(r store.Reader, u *EndUser) string {
		return policy.FQN{Type: "user", Namespace: tenantNamespace(r, u.TenantID), Local: fmt.Sprint(u.Seq)}.String()
	},
})

var (
	endUserBySeq  = store.Unique(endusers, "seq", func(u *EndUser) (store.Key, bool) { return store.KeyOf(u.TenantID, int64(u.Seq)), true })
	endUserByName = store.Unique(endusers, "name", func(u *EndUser) (store.Key, bool) { return store.KeyOf(u.TenantID, fold(u.Username)), true })
)

// Group is a group of end users of a tenant.
type Group struct {
	store.Meta
	TenantID    string
	Seq         int32
	Name        *string // unique in the tenant if set, whatever the case
	Label       string
	Description string
}

var groups = store.NewTable(store.Spec[Group]{
	Name: "groups", Schema: 1,
	Key: func(g *Group) string { return g.ID },
	FQN: func(r store.Reader, g *Group) string {
		return policy.FQN{Type: "group", Namespace: tenantNamespace(r, g.TenantID), Local: fmt.Sprint(g.Seq)}.String()
	},
})

var (
	groupBySeq  = store.Unique(groups, "seq", func(g *Group) (store.Key, bool) { return store.KeyOf(g.TenantID, int64(g.Seq)), true })
	groupByName = store.Unique(groups, "name", func(g *Group) (store.Key, bool) {
		if g.Name == nil {
			return store.KeyOf(), false
		}
		return store.KeyOf(g.TenantID, fold(*g.Name)), true
	})
)

// GroupMember puts an end user into a group.
type GroupMember struct {
	store.Meta
	TenantID  string
	GroupID   string
	EndUserID string
}

var groupmembers = store.NewTable(store.Spec[GroupMember]{
	Name: "groupmembers", Schema: 1,
	Key: func(m *GroupMember) string { return m.ID },
})

var (
	groupMember = store.Unique(groupmembers, "link", func(m *GroupMember) (store.Key, bool) {
		return store.KeyOf(m.TenantID, m.GroupID, m.EndUserID), true
	})
	groupsOfEndUser = store.Index(groupmembers, "enduser", func(m *GroupMember) (store.Key, bool) {
		return store.KeyOf(m.EndUserID), true
	})
)

// Integration is a connection of a tenant, or of the platform, to the outside.
type Integration struct {
	store.Meta
	Type       string
	Title      string
	TenantID   string       // "" is the platform's
	Config     store.Sealed // a JSON object
	SecretKeys []string     // members of Config that are never shown
}

var integrations = store.NewTable(store.Spec[Integration]{
	Name: "integrations", Schema: 1,
	Key: func(i *Integration) string { return i.ID },
	FQN: func(r store.Reader, i *Integration) string {
		f := policy.FQN{Type: "integration", Namespace: "/platform", Local: policy.Token(i.ID, "~")}
		if i.TenantID != "" {
			f.Namespace = tenantNamespace(r, i.TenantID)
		}
		return f.String()
	},
})

var integrationsByTenant = store.Index(integrations, "tenant", func(i *Integration) (store.Key, bool) { return store.KeyOf(i.TenantID, i.ID), true })

// tenantNamespace is the namespace of a tenant; of one that is gone it is a
// name that no tenant can have.
func tenantNamespace(r store.Reader, id string) string {
	if t, ok := tenants.Get(r, id); ok {
		return t.namespace()
	}
	return "/t/~" + id
}
