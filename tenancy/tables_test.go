package tenancy

import (
	"fmt"
	"testing"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/internal/store/storetest"
	"github.com/atoll-platform/atoll/policy"
)

func TestRowsSurviveTheLog(t *testing.T) {
	for _, table := range Tables() {
		t.Run(table.Name(), func(t *testing.T) { storetest.RoundTrip(t, table) })
	}
}

// fixture is one row of each table, referring to each other.
func fixture(b *bench) {
	put(b, users, &User{Meta: meta("u1"), Seq: 1, Name: "Neo", Email: "Neo@x.org", Home: "Neo"}, &User{Meta: meta("u2"), Seq: 2, Name: "smith", Home: "smith"})
	put(b, instances, &Instance{Meta: meta("i1"), Seq: 1, Name: "one"})
	put(b, tenants, &Tenant{Meta: meta("t1"), Seq: 1, Name: "Acme", InstanceID: "i1"}, &Tenant{Meta: meta("t2"), Seq: 2, Name: "other"})
	put(b, memberships, &Membership{Meta: meta("m1"), TenantID: "t1", UserID: "u1", Role: OwnerRole, Seq: 1})
	put(b, endusers, &EndUser{Meta: meta("e1"), TenantID: "t1", Seq: 1, Username: "ann"}, &EndUser{Meta: meta("e2"), TenantID: "t1", Seq: 2, Username: "bob"})
	name := "staff"
	put(b, groups, &Group{Meta: meta("g1"), TenantID: "t1", Seq: 1, Name: &name})
	put(b, groupmembers, &GroupMember{Meta: meta("gm1"), TenantID: "t1", GroupID: "g1", EndUserID: "e1"})
	put(b, invitations, &Invitation{Meta: meta("v1"), TenantID: "t1", Seq: 1, Email: "Ann@x.org", State: InvitationNew, KeyHash: "hash 1", InviterID: "u1", InviterEmail: "neo@x.org"})
	put(b, integrations, &Integration{Meta: meta("IG1"), TenantID: "t1", Type: "smtp"})
	put(b, projects, &Project{Meta: meta("p1"), OwnerID: "u1", Name: "p"})
	put(b, credentials, &Credential{Meta: meta("user:u1"), Algo: algoArgon2id})
	put(b, activity, &Activity{UserID: "u1", LastLogin: b.clock()})
	put(b, apikeys,
		&APIKey{Meta: meta("k1"), Kind: AccountKey, UserID: "u1", Seq: 1, Hash: "hash 1", Primary: true},
		&APIKey{Meta: meta("k2"), Kind: TenantKey, TenantID: "t1", Seq: 1, Hash: "hash 2"},
		&APIKey{Meta: meta("k3"), Kind: EndUserKey, TenantID: "t1", EndUserID: "e1", Hash: "hash 3"})
}

func TestEveryUniqueIndexRefusesADuplicate(t *testing.T) {
	tests := map[string]struct {
		index string
		put   func(*store.Tx) error
	}{
		"a user's name in another case": {"name", func(tx *store.Tx) error { return users.Insert(tx, &User{Meta: meta("x"), Name: "nEO"}) }},
		"a user's number":               {"seq", func(tx *store.Tx) error { return users.Insert(tx, &User{Meta: meta("x"), Name: "x", Seq: 1}) }},
		"a user's e-mail in another case": {"email", func(tx *store.Tx) error {
			return users.Insert(tx, &User{Meta: meta("x"), Name: "x", Email: "neo@X.org"})
		}},
		"a user's home in another case":   {"home", func(tx *store.Tx) error { return users.Insert(tx, &User{Meta: meta("x"), Name: "x", Home: "neo"}) }},
		"a tenant's name in another case": {"name", func(tx *store.Tx) error { return tenants.Insert(tx, &Tenant{Meta: meta("x"), Name: "ACME"}) }},
		"a tenant's number":               {"seq", func(tx *store.Tx) error { return tenants.Insert(tx, &Tenant{Meta: meta("x"), Name: "x", Seq: 1}) }},
		"an instance's number":            {"seq", func(tx *store.Tx) error { return instances.Insert(tx, &Instance{Meta: meta("x"), Seq: 1}) }},
		"a member": {"pair", func(tx *store.Tx) error {
			return memberships.Insert(tx, &Membership{Meta: meta("x"), TenantID: "t1", UserID: "u1", Role: ReadRole})
		}},
		"a second owner": {"owner", func(tx *store.Tx) error {
			return memberships.Insert(tx, &Membership{Meta: meta("x"), TenantID: "t1", UserID: "u2", Role: OwnerRole})
		}},
		"an end user's number": {"seq", func(tx *store.Tx) error {
			return endusers.Insert(tx, &EndUser{Meta: meta("x"), TenantID: "t1", Seq: 1, Username: "x"})
		}},
		"an end user's name": {"name", func(tx *store.Tx) error {
			return endusers.Insert(tx, &EndUser{Meta: meta("x"), TenantID: "t1", Seq: 9, Username: "ANN"})
		}},
		"a group's number": {"seq", func(tx *store.Tx) error { return groups.Insert(tx, &Group{Meta: meta("x"), TenantID: "t1", Seq: 1}) }},
		"a group's name": {"name", func(tx *store.Tx) error {
			name := "Staff"
			return groups.Insert(tx, &Group{Meta: meta("x"), TenantID: "t1", Seq: 9, Name: &name})
		}},
		"a place in a group": {"link", func(tx *store.Tx) error {
			return groupmembers.Insert(tx, &GroupMember{Meta: meta("x"), TenantID: "t1", GroupID: "g1", EndUserID: "e1"})
		}},
		"an invitation's number": {"seq", func(tx *store.Tx) error {
			return invitations.Insert(tx, &Invitation{Meta: meta("x"), TenantID: "t1", Seq: 1})
		}},
		"an open invitation's address": {"email", func(tx *store.Tx) error {
			return invitations.Insert(tx, &Invitation{Meta: meta("x"), TenantID: "t1", Seq: 9, Email: "ann@x.org", State: InvitationNew})
		}},
		"an invitation's key": {"key", func(tx *store.Tx) error {
			return invitations.Insert(tx, &Invitation{Meta: meta("x"), TenantID: "t1", Seq: 9, KeyHash: "hash 1"})
		}},
		"a project's name": {"name", func(tx *store.Tx) error {
			return projects.Insert(tx, &Project{Meta: meta("x"), OwnerID: "u1", Name: "p"})
		}},
		"a key's hash": {"hash", func(tx *store.Tx) error {
			return apikeys.Insert(tx, &APIKey{Meta: meta("x"), UserID: "u2", Hash: "hash 1"})
		}},
		"a number of an account's key": {"account", func(tx *store.Tx) error {
			return apikeys.Insert(tx, &APIKey{Meta: meta("x"), UserID: "u1", Seq: 1, Hash: "hash 9"})
		}},
		"a number of a tenant's key": {"tenant", func(tx *store.Tx) error {
			return apikeys.Insert(tx, &APIKey{Meta: meta("x"), TenantID: "t1", Seq: 1, Hash: "hash 9"})
		}},
		"a second primary key": {"primary", func(tx *store.Tx) error {
			return apikeys.Insert(tx, &APIKey{Meta: meta("x"), UserID: "u1", Hash: "hash 9", Primary: true})
		}},
		"an end user's second key": {"enduser", func(tx *store.Tx) error {
			return apikeys.Insert(tx, &APIKey{Meta: meta("x"), TenantID: "t1", EndUserID: "e1", Hash: "hash 9"})
		}},
	}
	b := newBench(t)
	fixture(b)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := b.st.Update(b.ctx(), tt.put)
			wantKind(t, err, atoll.Conflict, atoll.Exists)
			if e, ok := err.(*atoll.Error); ok && e.Details["index"] != tt.index {
				t.Errorf("refused by the index %v, want %s", e.Details["index"], tt.index)
			}
		})
	}
}

func TestEqualNamesInOtherScopesAreTaken(t *testing.T) {
	b := newBench(t)
	fixture(b)
	put(b, projects, &Project{Meta: meta("p2"), OwnerID: "u1", Name: "P"}, &Project{Meta: meta("p3"), OwnerID: "u2", Name: "p"})
	put(b, endusers, &EndUser{Meta: meta("e9"), TenantID: "t2", Seq: 1, Username: "ann"})
	put(b, groups, &Group{Meta: meta("g8"), TenantID: "t1", Seq: 8}, &Group{Meta: meta("g9"), TenantID: "t1", Seq: 9})
	put(b, invitations, &Invitation{Meta: meta("v2"), TenantID: "t1", Seq: 2, Email: "ann@x.org", State: InvitationDeclined, KeyHash: "hash 7"})
	put(b, users, &User{Meta: meta("u8"), Name: "a", Home: "a"}, &User{Meta: meta("u9"), Name: "b", Home: "b"}) // no number, no e-mail
}

func TestWhatGoesWithWhat(t *testing.T) {
	count := func(b *bench) map[string]int {
		v, n := b.st.View(), map[string]int{}
		for name, c := range map[string]int{"users": users.Count(v), "credentials": credentials.Count(v), "activity": activity.Count(v),
			"apikeys": apikeys.Count(v), "tenants": tenants.Count(v), "instances": instances.Count(v), "memberships": memberships.Count(v),
			"invitations": invitations.Count(v), "endusers": endusers.Count(v), "groups": groups.Count(v), "groupmembers": groupmembers.Count(v),
			"integrations": integrations.Count(v), "projects": projects.Count(v), "grants": policy.GrantTable().Count(v)} {
			if c > 0 {
				n[name] = c
			}
		}
		return n
	}
	t.Run("a tenant takes all of its own with it and no account", func(t *testing.T) {
		b := newBench(t)
		fixture(b)
		_, err := b.st.Update(b.ctx(), func(tx *store.Tx) error { _, err := tenants.Delete(tx, "t1"); return err })
		b.must(err)
		diff(t, "left", map[string]int{"users": 2, "credentials": 1, "activity": 1, "apikeys": 1, "tenants": 1, "instances": 1, "projects": 1}, count(b))
	})
	t.Run("an account takes its keys, grants, memberships, projects, password and activity with it", func(t *testing.T) {
		b := newBench(t)
		fixture(b)
		_, err := b.st.Update(b.ctx(), func(tx *store.Tx) error {
			if _, err := b.grant.AddOwner(tx, "r", "u1", "r"); err != nil {
				return err
			}
			m, _ := memberships.Get(tx, "m1")
			c := *m
			c.Role = FullRole
			return memberships.Put(tx, &c)
		})
		b.must(err)
		_, err = b.st.Update(b.ctx(), func(tx *store.Tx) error { u, _ := users.Get(tx, "u1"); return b.deleteUser(tx, u, false) })
		b.must(err)
		diff(t, "left", map[string]int{"users": 1, "apikeys": 2, "tenants": 2, "instances": 1, "invitations": 1, "endusers": 2,
			"groups": 1, "groupmembers": 1, "integrations": 1}, count(b))
		v, _ := invitationBySeq.Get(b.st.View(), store.KeyOf("t1", 1))
		if v.InviterID != "" || v.InviterEmail != "neo@x.org" {
			t.Errorf("the invitation names %q, %q; want nobody and the e-mail", v.InviterID, v.InviterEmail)
		}
	})
	t.Run("an instance stays while tenants are in it", func(t *testing.T) {
		b := newBench(t)
		fixture(b)
		_, err := b.st.Update(b.ctx(), func(tx *store.Tx) error { _, err := instances.Delete(tx, "i1"); return err })
		wantKind(t, err, atoll.Conflict, atoll.InUse)
	})
	t.Run("a row may not refer to what is not there", func(t *testing.T) {
		b := newBench(t)
		_, err := b.st.Update(b.ctx(), func(tx *store.Tx) error {
			return projects.Insert(tx, &Project{Meta: meta("p"), OwnerID: "nobody", Name: "p"})
		})
		wantKind(t, err, atoll.Reference, "")
	})
}

// Each row has the address that policy, audit and change stream know it by.
func TestAddressesOfRows(t *testing.T) {
	b := newBench(t)
	fixture(b)
	put(b, integrations, &Integration{Meta: meta("a b"), Type: "smtp"})
	put(b, projects, &Project{Meta: meta("p9"), OwnerID: "u1", Name: "my project"})
	put(b, apikeys, &APIKey{Meta: meta("0b54c6a4-9c46-4d0e-9d3f-000000000001"), Kind: SessionKey, UserID: "u1", Hash: "hash 8"})
	stream := b.st.Watch(b.ctx(), 0, nil)
	got := map[string]bool{}
	for range b.st.View().Index() {
		c, err := stream.Next(b.ctx())
		b.must(err)
		for _, ch := range c.Changes {
			if ch.FQN == "" {
				continue
			}
			if _, err := policy.ParseFQN(ch.FQN); err != nil {
				t.Errorf("%s %s: %v", ch.Table, ch.Key, err)
			}
			if got[ch.FQN] {
				t.Errorf("%s is the address of two rows", ch.FQN)
			}
			got[ch.FQN] = true
		}
	}
	for _, want := range []string{"user::/accounts::Neo", "tenant::/t/Acme", "instance::/cxengage::IN1", "member::/t/Acme::1", "user::/t/Acme::1",
		"group::/t/Acme::1", "member::/t/Acme/invitations::1", "integration::/t/Acme::IG1", "integration::/platform::a~20b", "project::/coral/Neo::p",
		"project::/coral/Neo::my~20project", "apikey::/accounts/Neo::1", "apikey::/t/Acme::1",
		"apikey::/accounts/Neo::0b54c6a4-9c46-4d0e-9d3f-000000000001"} {
		if !got[want] {
			t.Errorf("no row has the address %s; there are %v", want, fmt.Sprint(got))
		}
	}
}

func TestLookUps(t *testing.T) {
	b := newBench(t)
	fixture(b)
	v := b.st.View()
	ids := func(ok bool, id string) string {
		if !ok {
			return "none"
		}
		return id
	}
	of := func(u *User, ok bool) string {
		if u == nil {
			return ids(ok, "")
		}
		return ids(ok, u.ID)
	}
	tests := map[string]struct{ got, want string }{
		"a name in any case":                   {of(UserByName(v, "NEO")), "u1"},
		"a number":                             {of(UserBySeq(v, 2)), "u2"},
		"no number":                            {of(UserBySeq(v, 0)), "none"},
		"an e-mail in any case":                {of(UserByEmail(v, "neo@x.ORG")), "u1"},
		"no e-mail":                            {of(UserByEmail(v, "")), "none"},
		"a reference by name":                  {of(FindUser(v, "neo")), "u1"},
		"a UUID is an id and never a name":     {of(FindUser(v, "0b54c6a4-9c46-4d0e-9d3f-000000000001")), "none"},
		"an id that is not there":              {of(UserByID(v, "u7")), "none"},
		"the longer names are no part of Find": {of(FindUser(v, "neon")), "none"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if tt.got != tt.want {
				t.Errorf("found %s, want %s", tt.got, tt.want)
			}
		})
	}
	for name, n := range map[string]int{
		"members":      membersByTenant.Count(v, store.KeyOf("t1")),
		"tenants":      tenantsByInstance.Count(v, store.KeyOf("i1")),
		"integrations": integrationsByTenant.Count(v, store.KeyOf("t1")),
		"key":          keyByTenant.Count(v, store.KeyOf("t1", 1)),
		"end user":     keyByEndUser.Count(v, store.KeyOf("e1")),
		"name":         endUserByName.Count(v, store.KeyOf("t1", "ann")) * endUserBySeq.Count(v, store.KeyOf("t1", 1)),
		"group":        groupByName.Count(v, store.KeyOf("t1", "staff")) * groupBySeq.Count(v, store.KeyOf("t1", 1)) * groupMember.Count(v, store.KeyOf("t1", "g1", "e1")),
		"owner":        ownerOf.Count(v, store.KeyOf("t1")) * memberByPair.Count(v, store.KeyOf("t1", "u1")),
		"invitation":   invitationByEmail.Count(v, store.KeyOf("t1", "ann@x.org")) * invitationByKey.Count(v, store.KeyOf("hash 1")),
		"numbers":      tenantBySeq.Count(v, store.KeyOf(1)) * instanceBySeq.Count(v, store.KeyOf(1)),
	} {
		if n != 1 {
			t.Errorf("%s: %d found, want 1", name, n)
		}
	}
}

func TestLoginsDecideNothing(t *testing.T) {
	b := newBench(t)
	neo := b.user("neo")
	at := b.st.LastIndex(DecisiveTables()...)
	must(b.Authenticator(Accounts).Password(b.ctx(), "neo", "secret-neo"))(t)
	must(b.Projects().Create(b.as(neo), NewProject{Name: "p"}))(t)
	if now := b.st.LastIndex(DecisiveTables()...); now != at {
		t.Errorf("a login and a project move the index from %d to %d", at, now)
	}
	must(b.Projects().Delete(b.as(neo), "p"))(t)
	must(b.Users().Update(b.ctx(), "neo", UserUpdate{Name: To("smith")}))(t)
	if now := b.st.LastIndex(DecisiveTables()...); now != b.st.View().Index() {
		t.Error("another name does not move the index")
	}
}
