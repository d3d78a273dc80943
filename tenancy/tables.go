package tenancy

import (
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// Tables lists the tables of this package, for the store to be opened with.
func Tables() []store.AnyTable {
	return []store.AnyTable{users, credentials, activity, apikeys, tenants, instances, memberships, invitations,
		endusers, groups, groupmembers, integrations, projects}
}

// DecisiveTables lists the tables that say who somebody is: an answer that
// depends on a principal, or on what an account is called, stays good while none
// of them changes. A login or a project changes none of them.
func DecisiveTables() []store.AnyTable {
	return []store.AnyTable{users, apikeys, tenants, memberships, endusers, groups, groupmembers}
}

// What goes with what: the rows that name an account, a tenant, an end user or
// a group go with it. An instance is kept while tenants are in it.
var (
	_ = store.Reference(activity, "UserID", users, func(a *Activity) string { return a.UserID }, store.Cascade)
	_ = store.Reference(apikeys, "UserID", users, func(k *APIKey) string { return k.UserID }, store.Cascade)
	_ = store.Reference(memberships, "UserID", users, func(m *Membership) string { return m.UserID }, store.Cascade)
	_ = store.Reference(projects, "OwnerID", users, func(p *Project) string { return p.OwnerID }, store.Cascade)
	_ = store.Reference(policy.GrantTable(), "UserID", users, func(g *policy.Grant) string { return g.UserID }, store.Cascade)

	_ = store.Reference(tenants, "InstanceID", instances, func(t *Tenant) string { return t.InstanceID }, store.Restrict)
	_ = store.Reference(apikeys, "TenantID", tenants, func(k *APIKey) string { return k.TenantID }, store.Cascade)
	_ = store.Reference(memberships, "TenantID", tenants, func(m *Membership) string { return m.TenantID }, store.Cascade)
	_ = store.Reference(invitations, "TenantID", tenants, func(i *Invitation) string { return i.TenantID }, store.Cascade)
	_ = store.Reference(endusers, "TenantID", tenants, func(u *EndUser) string { return u.TenantID }, store.Cascade)
	_ = store.Reference(groups, "TenantID", tenants, func(g *Group) string { return g.TenantID }, store.Cascade)
	_ = store.Reference(groupmembers, "TenantID", tenants, func(m *GroupMember) string { return m.TenantID }, store.Cascade)
	_ = store.Reference(integrations, "TenantID", tenants, func(i *Integration) string { return i.TenantID }, store.Cascade)

	_ = store.Reference(apikeys, "EndUserID", endusers, func(k *APIKey) string { return k.EndUserID }, store.Cascade)
	_ = store.Reference(groupmembers, "EndUserID", endusers, func(m *GroupMember) string { return m.EndUserID }, store.Cascade)
	_ = store.Reference(groupmembers, "GroupID", groups, func(m *GroupMember) string { return m.GroupID }, store.Cascade)
)
