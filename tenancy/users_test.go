package tenancy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

func text(s string) *string { return &s }

func TestCreateUser(t *testing.T) {
	b := newBench(t)
	got := must(b.Users().Create(b.ctx(), NewUser{Name: "Neo", Email: "Neo@Matrix.org", FullName: "Thomas A. Anderson", Department: text("core"),
		MobilePhone: text(""), Metadata: json.RawMessage(` {"a" : 1.50} `), Admin: true, Password: "red pill"}))(t)
	want := &User{Seq: 1, Name: "Neo", Email: "Neo@Matrix.org", FullName: "Thomas A. Anderson", FirstName: "Thomas A.", LastName: "Anderson",
		Department: text("core"), MobilePhone: text(""), Metadata: json.RawMessage(`{"a":1.50}`), Admin: true, Home: "Neo", Access: 1,
		Meta: store.Meta{ID: got.ID, Version: 1, CreatedAt: b.clock(), UpdatedAt: b.clock(), CreatedBy: "embedder"}}
	want.UpdatedBy = got.UpdatedBy
	diff(t, "made", want, got)
	if id, err := uuid.Parse(got.ID); err != nil || id.Version() != 4 {
		t.Errorf("id %s is no random UUID", got.ID)
	}
	diff(t, "by id", want, must(b.Users().Get(b.ctx(), strings.ToUpper(got.ID)))(t))
	diff(t, "by name", want, must(b.Users().Get(b.ctx(), "nEO"))(t))
	if !b.Users().HasPassword(got) {
		t.Error("it has no password")
	}
	*got.Department = "changed by the caller"
	diff(t, "what the caller changed is the caller's", want, must(b.Users().Get(b.ctx(), "neo"))(t))
}

func TestCreateUserFindsEveryFault(t *testing.T) {
	tests := map[string]struct {
		in   NewUser
		want []string
	}{
		"a name is required":                       {NewUser{}, []string{"name:required"}},
		"a name has 64 characters at most":         {NewUser{Name: strings.Repeat("a", 65)}, []string{"name:length"}},
		"a name has no spaces":                     {NewUser{Name: "a b"}, []string{"name:characters"}},
		"a name has a letter or digit":             {NewUser{Name: "._-"}, []string{"name:characters"}},
		"a name beyond ASCII is refused":           {NewUser{Name: "zoë"}, []string{"name:characters"}},
		"a name is no UUID":                        {NewUser{Name: "0B54C6A4-9c46-4d0e-9d3f-0123456789ab"}, []string{"name:uuid"}},
		"a name is none that the platform gives":   {NewUser{Name: "Account.7"}, []string{"name:made"}},
		"Coral takes no dash":                      {NewUser{Name: "a-b", Email: "a@b", FullName: "A", Password: "secret", Shape: Coral}, []string{"name:characters"}},
		"Coral requires the rest":                  {NewUser{Name: "a", Shape: Coral}, []string{"fullName:required", "email:required", "password:required"}},
		"Coral requires a name beside an e-mail":   {NewUser{Email: "a@b", FullName: "A", Password: "secret", Shape: Coral}, []string{"name:required"}},
		"an e-mail has one @":                      {NewUser{Name: "a", Email: "a@b@c"}, []string{"email:email"}},
		"an e-mail has text around the @":          {NewUser{Name: "a", Email: "@b"}, []string{"email:email"}},
		"an e-mail has no spaces":                  {NewUser{Name: "a", Email: "a b@c"}, []string{"email:email"}},
		"an e-mail has 254 bytes at most":          {NewUser{Name: "a", Email: "a@" + strings.Repeat("b", 253)}, []string{"email:length"}},
		"a name is full or in parts":               {NewUser{Name: "a", FullName: "A B", LastName: "B"}, []string{"fullName:exclusive"}},
		"texts have 255 characters at most":        {NewUser{Name: "a", FullName: strings.Repeat("ä", 256), Department: text(strings.Repeat("ä", 256))}, []string{"fullName:length", "department:length"}},
		"texts have no control characters":         {NewUser{Name: "a", FirstName: "a\x00", LastName: "\xff", MobilePhone: text("\n")}, []string{"firstName:text", "lastName:text", "mobilePhone:text"}},
		"metadata is an object":                    {NewUser{Name: "a", Metadata: json.RawMessage(`[1]`)}, []string{"metadata:object"}},
		"metadata is whole JSON":                   {NewUser{Name: "a", Metadata: json.RawMessage(`{"a":`)}, []string{"metadata:object"}},
		"metadata is bounded":                      {NewUser{Name: "a", Metadata: json.RawMessage(`{"a":"` + strings.Repeat("x", 64<<10) + `"}`)}, []string{"metadata:length"}},
		"a password is long enough and not a name": {NewUser{Name: "aab", Password: "AAB"}, []string{"password:min", "password:distinct", "password:name"}},
		"all faults come at once":                  {NewUser{Name: "!", Email: "x", Password: "x", Metadata: json.RawMessage(`1`)}, []string{"name:characters", "email:email", "password:min", "password:distinct", "metadata:object"}},
	}
	b := newBench(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := b.Users().Create(b.ctx(), tt.in)
			wantKind(t, err, atoll.Invalid, "")
			diff(t, "findings", tt.want, paths(err))
		})
	}
	if n := users.Count(b.st.View()); n != 0 {
		t.Errorf("%d users were made", n)
	}
}

func TestNamesThatAreNotToBeHad(t *testing.T) {
	b := newBench(t, WithClusterDomain("Example.org"))
	b.user("Neo", func(n *NewUser) { n.Email = "neo@x.org" })
	tests := map[string]struct {
		in   NewUser
		code atoll.Code
		path string
	}{
		"a name in another case":    {NewUser{Name: "nEo"}, atoll.Exists, "name"},
		"an e-mail in another case": {NewUser{Name: "other", Email: "NEO@x.org"}, atoll.Exists, "email"},
		"coral":                     {NewUser{Name: "Coral"}, "reserved", "name"},
		"system":                    {NewUser{Name: "system"}, "reserved", "name"},
		"anonymous":                 {NewUser{Name: "anonymous"}, "reserved", "name"},
		"embedder":                  {NewUser{Name: "embedder"}, "reserved", "name"},
		"the privileged caller":     {NewUser{Name: "privileged-local"}, "reserved", "name"},
		"a component":               {NewUser{Name: "Health_manager@example.org"}, "reserved", "name"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := b.Users().Create(b.ctx(), tt.in)
			wantKind(t, err, atoll.Conflict, tt.code)
			diff(t, "findings", []string{tt.path + ":" + string(tt.code)}, paths(err))
		})
	}
	t.Run("other names at the cluster's domain are free", func(t *testing.T) { b.user("admin@example.org") })
	t.Run("what was refused took no number", func(t *testing.T) {
		if u := b.user("next"); u.Seq != 3 {
			t.Errorf("the next user has the number %d, want 3", u.Seq)
		}
	})
}

func TestNamesMadeOfMail(t *testing.T) {
	b := newBench(t)
	for i, tt := range []struct{ email, name, home string }{
		{"Ann@x.org", "ann@x.org", "ann"},
		{"ann@y.org", "ann@y.org", "ann@y.org"},                // the home ann is taken
		{"böb@x.org", "account.3", "account.3"},                // no name
		{"health_manager@apcera.me", "account.4", "account.4"}, // a reserved one
	} {
		u := must(b.Users().Create(b.ctx(), NewUser{Email: tt.email}))(t)
		if u.Name != tt.name || u.Home != tt.home || u.Seq != int32(i+1) || u.Email != tt.email {
			t.Errorf("%s gives %q at home in %q", tt.email, u.Name, u.Home)
		}
	}
	if u := b.user("ann"); u.Home != "ann~5" {
		t.Errorf("ann, whose home is taken, lives in %q, want ann~5", u.Home)
	}
}

func TestFullAndPartialNames(t *testing.T) {
	tests := map[string]struct{ in, want [3]string }{
		"a full name is split at the last space": {[3]string{"Ada King Lovelace", "", ""}, [3]string{"Ada King Lovelace", "Ada King", "Lovelace"}},
		"one word is a first name":               {[3]string{"Ada", "", ""}, [3]string{"Ada", "Ada", ""}},
		"parts are joined by one space":          {[3]string{"", "Ada", "Lovelace"}, [3]string{"Ada Lovelace", "Ada", "Lovelace"}},
		"one part stands alone":                  {[3]string{"", "", "Lovelace"}, [3]string{"Lovelace", "", "Lovelace"}},
		"a full name is kept as written":         {[3]string{" Ada  L ", "", ""}, [3]string{" Ada  L ", " Ada  L", ""}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			u := must(b.Users().Create(b.ctx(), NewUser{Name: "a", FullName: tt.in[0], FirstName: tt.in[1], LastName: tt.in[2]}))(t)
			diff(t, "made", tt.want, [3]string{u.FullName, u.FirstName, u.LastName})
			v := b.user("b")
			n := UserUpdate{FirstName: To(tt.in[1]), LastName: To(tt.in[2])}
			if tt.in[0] != "" {
				n = UserUpdate{FullName: To(tt.in[0])}
			}
			v = must(b.Users().Update(b.ctx(), v.ID, n))(t)
			diff(t, "updated", tt.want, [3]string{v.FullName, v.FirstName, v.LastName})
		})
	}
}

func TestUpdateUser(t *testing.T) {
	b := newBench(t)
	u := b.user("neo", admin, func(n *NewUser) { n.Email, n.Department = "neo@x.org", text("core") })
	b.user("smith", admin, func(n *NewUser) { n.Email = "smith@x.org" })
	step := func(what string, n UserUpdate, change func(*User)) {
		t.Helper()
		before := must(b.Users().Get(b.ctx(), u.ID))(t)
		got := must(b.Users().Update(b.ctx(), u.ID, n))(t)
		change(before)
		diff(t, what, before, got, noMeta)
	}
	step("nothing changes nothing", UserUpdate{}, func(*User) {})
	if now := must(b.Users().Get(b.ctx(), u.ID))(t); now.Version != 1 || b.st.View().Index() != 2 {
		t.Errorf("an update of nothing made version %d at index %d", now.Version, b.st.View().Index())
	}
	step("an e-mail in another case is one's own", UserUpdate{Email: To("NEO@x.org")}, func(u *User) { u.Email = "NEO@x.org" })
	step("an e-mail is taken away", UserUpdate{Email: To("")}, func(u *User) { u.Email = "" })
	step("a field is cleared", UserUpdate{Department: To[*string](nil), MobilePhone: To(text("1"))}, func(u *User) { u.Department, u.MobilePhone = nil, text("1") })
	step("metadata is replaced", UserUpdate{Metadata: To(json.RawMessage(`{"b": 2}`))}, func(u *User) { u.Metadata = json.RawMessage(`{"b":2}`) })
	step("metadata is taken away", UserUpdate{Metadata: To(json.RawMessage(nil))}, func(u *User) { u.Metadata = nil })
	step("a name changes, the home stays", UserUpdate{Name: To("the-one")}, func(u *User) { u.Name, u.Access = "the-one", b.st.View().Index() })
	step("a name changes its case", UserUpdate{Name: To("The-One")}, func(u *User) { u.Name, u.Access = "The-One", b.st.View().Index() })
	step("rights change the access", UserUpdate{Admin: To(false), Disabled: To(true)}, func(u *User) { u.Admin, u.Disabled, u.Access = false, true, b.st.View().Index() })
	step("a password changes the access", UserUpdate{Password: To("another")}, func(u *User) { u.Access = b.st.View().Index() })

	tests := map[string]struct {
		ref  string
		n    UserUpdate
		kind atoll.Kind
		code atoll.Code
		want []string
	}{
		"another's name in another case": {"the-one", UserUpdate{Name: To("SMITH")}, atoll.Conflict, atoll.Exists, []string{"name:exists"}},
		"another's e-mail":               {"the-one", UserUpdate{Email: To("Smith@x.org")}, atoll.Conflict, atoll.Exists, []string{"email:exists"}},
		"a reserved name":                {"the-one", UserUpdate{Name: To("system")}, atoll.Conflict, "reserved", []string{"name:reserved"}},
		"an old version":                 {"the-one", UserUpdate{Version: 1}, atoll.Conflict, atoll.Stale, nil},
		"nobody":                         {"nobody", UserUpdate{}, atoll.NotFound, "", nil},
		"every fault at once": {"the-one", UserUpdate{Name: To(""), Email: To("x"), FullName: To("\x00"), FirstName: To("a"), Department: To(text("\x00")), Password: To("a"), Metadata: To(json.RawMessage("x"))},
			atoll.Invalid, "", []string{"name:required", "email:email", "fullName:text", "fullName:exclusive", "department:text", "password:min", "password:distinct", "metadata:object"}},
		"the last enabled administrator is not disabled": {"smith", UserUpdate{Disabled: To(true)}, atoll.Conflict, "last_admin", nil},
		"the last enabled administrator stays one":       {"smith", UserUpdate{Admin: To(false)}, atoll.Conflict, "last_admin", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := b.Users().Update(b.ctx(), tt.ref, tt.n)
			wantKind(t, err, tt.kind, tt.code)
			diff(t, "findings", tt.want, paths(err))
		})
	}
}

func TestWhoMayDoWhatWithAccounts(t *testing.T) {
	b := newBench(t)
	root, neo, smith := b.user("root", admin), b.user("neo"), b.user("smith")
	u := b.Users()
	tests := map[string]struct {
		as   *User
		do   func(context.Context) error
		kind atoll.Kind
	}{
		"an account reads itself":                          {neo, func(c context.Context) error { _, err := u.Get(c, "neo"); return err }, 0},
		"an account does not read another":                 {neo, func(c context.Context) error { _, err := u.Get(c, smith.ID); return err }, atoll.Denied},
		"an account is not told whether another exists":    {neo, func(c context.Context) error { _, err := u.Get(c, "nobody"); return err }, atoll.Denied},
		"an administrator is told":                         {root, func(c context.Context) error { _, err := u.Get(c, "nobody"); return err }, atoll.NotFound},
		"an account does not list":                         {neo, func(c context.Context) error { _, err := u.List(c); return err }, atoll.Denied},
		"an account does not create":                       {neo, func(c context.Context) error { _, err := u.Create(c, NewUser{Name: "x"}); return err }, atoll.Denied},
		"an account changes itself":                        {neo, func(c context.Context) error { _, err := u.Update(c, "neo", UserUpdate{Email: To("n@x")}); return err }, 0},
		"an account changes its password":                  {neo, func(c context.Context) error { return u.SetPassword(c, "neo", "brand new", PasswordRule{}) }, 0},
		"an account does not make itself an administrator": {neo, func(c context.Context) error { _, err := u.Update(c, "neo", UserUpdate{Admin: To(true)}); return err }, atoll.Denied},
		"an account does not disable itself": {neo, func(c context.Context) error {
			_, err := u.Update(c, "neo", UserUpdate{Disabled: To(true)})
			return err
		}, atoll.Denied},
		"an account does not rename itself":  {neo, func(c context.Context) error { _, err := u.Update(c, "neo", UserUpdate{Name: To("neo2")}); return err }, atoll.Denied},
		"an account does not change another": {neo, func(c context.Context) error { _, err := u.Update(c, "smith", UserUpdate{}); return err }, atoll.Denied},
		"an account does not delete itself":  {neo, func(c context.Context) error { _, err := u.Delete(c, "neo", false); return err }, atoll.Denied},
		"an administrator renames": {root, func(c context.Context) error {
			_, err := u.Update(c, "smith", UserUpdate{Name: To("jones")})
			return err
		}, 0},
		"a refusal precedes the faults of the input": {neo, func(c context.Context) error { _, err := u.Create(c, NewUser{Name: "!"}); return err }, atoll.Denied},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { wantKind(t, tt.do(b.as(tt.as)), tt.kind, "") })
	}
	list := must(u.List(b.as(root)))(t)
	var names []string
	for _, x := range list {
		names = append(names, x.Name)
	}
	if !slices.IsSorted(names) || len(names) != 3 {
		t.Errorf("the list is %v", names)
	}
}

// things is a package that keeps things of accounts.
type things struct {
	refs    map[string][]policy.FQN
	dropped []string
	err     error
}

func (d *things) UserRefs(_ *store.Tx, id string) ([]policy.FQN, error) { return d.refs[id], d.err }
func (d *things) DropUser(_ *store.Tx, id string) error {
	d.dropped = append(d.dropped, id)
	return d.err
}
func (d *things) DropTenant(*store.Tx, *Tenant) error { return d.err }

func (d *things) DropProject(*store.Tx, string) error { return d.err }

func TestDeleteUser(t *testing.T) {
	b := newBench(t)
	d := &things{refs: map[string][]policy.FQN{}}
	b.Register(d)
	root := b.user("root", admin)
	neo := b.user("neo")
	must(b.Projects().Create(b.as(neo), NewProject{Name: "p"}))(t)
	key, _, err := b.Keys().Create(b.as(neo), "neo", NewKey{})
	b.must(err)
	r := policy.MustParseFQN("runtime::/coral/neo::r")
	d.refs[neo.ID] = []policy.FQN{r}

	t.Run("the last enabled administrator stays", func(t *testing.T) {
		_, err := b.Users().Delete(b.ctx(), "root", true)
		wantKind(t, err, atoll.Conflict, "last_admin")
	})
	t.Run("an account with live runtimes stays", func(t *testing.T) {
		_, err := b.Users().Delete(b.ctx(), "neo", false)
		wantKind(t, err, atoll.Conflict, atoll.InUse)
		if e := err.(*atoll.Error); !slices.Equal(e.Details["references"].([]string), []string{r.String()}) {
			t.Errorf("details %v do not name the runtime", e.Details)
		}
	})
	t.Run("an account with live runtimes or projects keeps its name", func(t *testing.T) {
		_, err := b.Users().Update(b.ctx(), "neo", UserUpdate{Name: To("neon")})
		wantKind(t, err, atoll.Conflict, atoll.InUse)
		if e := err.(*atoll.Error); !slices.Equal(e.Details["references"].([]string), []string{r.String(), "project::/coral/neo::p"}) {
			t.Errorf("details %v do not name runtime and project", e.Details)
		}
	})
	t.Run("a failing dependent leaves everything", func(t *testing.T) {
		d.err = errors.New("no")
		before := b.st.View().Index()
		if _, err := b.Users().Delete(b.ctx(), "neo", true); err == nil || b.st.View().Index() != before {
			t.Errorf("deleted at %d, %v", b.st.View().Index(), err)
		}
		d.err = nil
	})
	t.Run("force takes runtimes along", func(t *testing.T) {
		d.dropped = nil
		gone := must(b.Users().Delete(b.as(root), "NEO", true))(t)
		diff(t, "what it was", neo, gone, noMeta)
		diff(t, "dropped", []string{neo.ID}, d.dropped)
		v := b.st.View()
		if _, ok := apikeys.Get(v, key.ID); ok || projects.Count(v) != 0 || credentials.Count(v) != 1 {
			t.Error("something of it is left")
		}
		if c := b.st.LastIndex(store.Counters()); c != v.Index() {
			t.Error("its counters are left")
		}
	})
	t.Run("the owner of a tenant stays even by force", func(t *testing.T) {
		u := b.user("owner")
		put(b, tenants, &Tenant{Meta: meta("t"), Name: "acme"})
		put(b, memberships, &Membership{Meta: meta("m"), TenantID: "t", UserID: u.ID, Role: OwnerRole})
		_, err := b.Users().Delete(b.ctx(), "owner", true)
		wantKind(t, err, atoll.Conflict, atoll.InUse)
	})
	t.Run("its name is free again, its number never", func(t *testing.T) {
		if u := b.user("neo"); u.Seq != 4 || u.ID == neo.ID {
			t.Errorf("the new neo is number %d, %s", u.Seq, u.ID)
		}
	})
}

func TestImplicitAdministrator(t *testing.T) {
	b := newBench(t, WithMode(AcceptAll))
	for range 2 {
		b.must(b.EnsureImplicit(b.ctx()))
	}
	list := must(b.Users().List(b.ctx()))(t)
	want := &User{Meta: meta(ImplicitID), Name: "coral", Admin: true, Home: "coral", Source: ImplicitUser, Access: 1}
	diff(t, "accounts", []*User{want}, list, noMeta)

	_, err := b.Users().Update(b.ctx(), "coral", UserUpdate{Email: To("a@b")})
	wantKind(t, err, atoll.Conflict, "implicit")
	wantKind(t, b.Users().SetPassword(b.ctx(), "coral", "a password", PasswordRule{}), atoll.Conflict, "implicit")
	_, err = b.Users().Delete(b.ctx(), ImplicitID, true)
	wantKind(t, err, atoll.Conflict, "implicit")

	t.Run("it takes no number", func(t *testing.T) {
		if u := b.user("neo", admin); u.Seq != 1 {
			t.Errorf("the first account is number %d", u.Seq)
		}
	})
	t.Run("beside it every administrator may go", func(t *testing.T) {
		if _, err := b.Users().Delete(b.ctx(), "neo", false); err != nil {
			t.Error(err)
		}
	})
	t.Run("other modes keep it for the embedding program and do not list it", func(t *testing.T) {
		b := newBench(t)
		b.must(b.EnsureImplicit(b.ctx()))
		if n := users.Count(b.st.View()); n != 1 {
			t.Errorf("%d accounts are stored", n)
		}
		if list := must(b.Users().List(b.ctx()))(t); len(list) != 0 {
			t.Errorf("%d accounts are listed", len(list))
		}
	})
}

func TestBootstrapAdministrator(t *testing.T) {
	b := newBench(t)
	_, err := b.EnsureAdmin(b.ctx(), "a b", "")
	wantKind(t, err, atoll.Invalid, "")
	diff(t, "findings", []string{"name:characters", "password:min"}, paths(err))
	if made := must(b.EnsureAdmin(b.ctx(), "root", "x"))(t); !made {
		t.Error("none was made")
	}
	u := must(b.Users().Get(b.ctx(), "root"))(t)
	diff(t, "made", &User{Meta: meta(u.ID), Seq: 1, Name: "root", Admin: true, Home: "root", Access: 1}, u, noMeta)
	if _, err := b.Authenticator(Accounts).Password(b.ctx(), "root", "x"); err != nil {
		t.Error(err)
	}
	if made := must(b.EnsureAdmin(b.ctx(), "other", "x"))(t); made {
		t.Error("a second one was made")
	}
}

// n creates at once give n consecutive numbers, whatever fails among them.
func TestConcurrentCreates(t *testing.T) {
	const n = 60
	b := newBench(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var seqs []int32
	refused := errors.New("undone")
	for i := range n {
		wg.Go(func() {
			name := fmt.Sprint("user", i)
			if i%3 == 0 {
				_, err := b.Users().Create(b.ctx(), NewUser{Name: "un" + name, Within: func(*store.Tx, *User) error { return refused }})
				if !errors.Is(err, refused) {
					t.Errorf("the failing create gives %v", err)
				}
				return
			}
			if i%3 == 1 { // two of each name
				name = fmt.Sprint("user", i/6)
			}
			u, err := b.Users().Create(b.ctx(), NewUser{Name: name, Password: "a password"})
			if err != nil {
				if atoll.CodeOf(err) != atoll.Exists {
					t.Error(err)
				}
				return
			}
			mu.Lock()
			seqs = append(seqs, u.Seq)
			mu.Unlock()
		})
	}
	wg.Wait()
	slices.Sort(seqs)
	for i, s := range seqs {
		if s != int32(i+1) {
			t.Fatalf("the numbers are %v", seqs)
		}
	}
	if len(seqs) != users.Count(b.st.View()) {
		t.Errorf("%d answers, %d accounts", len(seqs), users.Count(b.st.View()))
	}
}

// Whatever accounts are made, changed and deleted: there is always an enabled
// administrator once there was one, names, e-mails, homes and numbers are
// unique, numbers never return, nothing dangles.
func TestAccountsUnderRandomOperations(t *testing.T) {
	name := rapid.SampledFrom([]string{"a", "A", "b", "b@x", "B@y", "c", "c@x"})
	rapid.Check(t, func(rt *rapid.T) {
		b := newBench(t)
		must(b.EnsureAdmin(b.ctx(), "root", "x"))(t)
		var highest int32 = 1
		rt.Repeat(map[string]func(*rapid.T){
			"create": func(rt *rapid.T) {
				n := NewUser{Name: name.Draw(rt, "name"), Admin: rapid.Bool().Draw(rt, "admin")}
				if rapid.Bool().Draw(rt, "mail") {
					n.Email = name.Draw(rt, "local") + "@mail"
					if strings.Count(n.Email, "@") > 1 {
						n.Email = ""
					}
				}
				if u, err := b.Users().Create(b.ctx(), n); err == nil {
					if u.Seq <= highest {
						rt.Fatalf("number %d after %d", u.Seq, highest)
					}
					highest = u.Seq
				} else if atoll.CodeOf(err) != atoll.Exists {
					rt.Fatal(err)
				}
			},
			"update": func(rt *rapid.T) {
				n := UserUpdate{Admin: Opt[bool]{rapid.Bool().Draw(rt, "admin"), rapid.Bool().Draw(rt, "set")}, Disabled: To(rapid.Bool().Draw(rt, "off"))}
				if rapid.Bool().Draw(rt, "rename") {
					n.Name = To(name.Draw(rt, "to"))
				}
				_, err := b.Users().Update(b.ctx(), rapid.OneOf(name, rapid.Just("root")).Draw(rt, "who"), n)
				if k := atoll.KindOf(err); k != 0 && k != atoll.NotFound && k != atoll.Conflict {
					rt.Fatal(err)
				}
			},
			"delete": func(rt *rapid.T) {
				_, err := b.Users().Delete(b.ctx(), rapid.OneOf(name, rapid.Just("root")).Draw(rt, "who"), rapid.Bool().Draw(rt, "force"))
				if k := atoll.KindOf(err); k != 0 && k != atoll.NotFound && k != atoll.Conflict {
					rt.Fatal(err)
				}
			},
			"project": func(rt *rapid.T) {
				_, err := b.Projects().Create(b.ctx(), NewProject{Name: name.Draw(rt, "project"), Owner: name.Draw(rt, "owner")})
				if k := atoll.KindOf(err); k != 0 && k != atoll.Reference && k != atoll.Conflict {
					rt.Fatal(err)
				}
			},
			"": func(rt *rapid.T) {
				v, enabled := b.st.View(), 0
				seen := map[string]string{}
				for u := range users.All(v) {
					if u.Admin && !u.Disabled {
						enabled++
					}
					for _, k := range []string{"name " + fold(u.Name), "mail " + fold(u.Email), "home " + fold(u.Home), fmt.Sprint("seq ", u.Seq)} {
						if other, ok := seen[k]; ok && k != "mail " {
							rt.Fatalf("%s is of %s and %s", k, other, u.Name)
						}
						seen[k] = u.Name
					}
				}
				if enabled == 0 {
					rt.Fatal("there is no enabled administrator")
				}
				for p := range projects.All(v) {
					if _, ok := users.Get(v, p.OwnerID); !ok {
						rt.Fatalf("project %s has lost its owner", p.Name)
					}
				}
			},
		})
	})
}
