package tenancy

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/atoll-platform/atoll"
)

// people is a directory in memory.
type people struct {
	entries map[string]Entry // by name and password, "neo:pass"
	err     error
	panics  bool
	blocks  bool
	binds   atomic.Int32
}

func (d *people) Authenticate(ctx context.Context, name, password string) (Entry, error) {
	d.binds.Add(1)
	if d.panics {
		panic("boom")
	}
	if d.blocks {
		<-ctx.Done()
		return Entry{}, ctx.Err()
	}
	if d.err != nil {
		return Entry{}, d.err
	}
	e, ok := d.entries[name+":"+password]
	if !ok {
		return Entry{}, atoll.Errorf(atoll.Unauthenticated, "", "invalid credentials")
	}
	return e, nil
}

const dn = "uid=Neo,ou=People,dc=Example,dc=com"

func neoEntry() Entry {
	return Entry{DN: dn, FullName: "Thomas Anderson", Email: "neo@x.org", Department: text("core"), Mobile: text("1")}
}

func newPeople() *people { return &people{entries: map[string]Entry{"neo-1:pass": neoEntry()}} }

func TestDirectory(t *testing.T) {
	d := newPeople()
	b := newBench(t, WithMode(WithDirectory), WithDirectoryClient(d))
	a := b.Authenticator(WithDirectory)
	p := must(a.Password(b.ctx(), "neo-1", "pass"))(t)
	id := uuid.NewSHA1(uuid.NameSpaceX500, []byte(strings.ToLower(dn))).String()
	u := must(b.Users().Get(b.ctx(), "neo-1"))(t)
	want := &User{Meta: meta(id), Seq: 1, Name: "neo-1", Email: "neo@x.org", FullName: "Thomas Anderson", FirstName: "Thomas", LastName: "Anderson",
		Department: text("core"), MobilePhone: text("1"), Home: "neo-1", Source: FromDirectory, Access: 1}
	diff(t, "the account made at the first bind", want, u, noMeta)
	diff(t, "claims", userClaims(u, "password"), p.Claims)
	if b.Users().HasPassword(u) {
		t.Error("the account has a password of ours")
	}

	t.Run("a proved password is not asked again for a while", func(t *testing.T) {
		n := d.binds.Load()
		must(a.Password(b.ctx(), "neo-1", "pass"))(t)
		if d.binds.Load() != n {
			t.Error("it was")
		}
		b.pass(5 * time.Minute)
		must(a.Password(b.ctx(), "neo-1", "pass"))(t)
		if d.binds.Load() != n+1 {
			t.Error("after five minutes it was not")
		}
	})
	t.Run("the account follows its entry", func(t *testing.T) {
		e := neoEntry()
		e.FullName, e.Email, e.Mobile = "The One", "one@x.org", nil
		d.entries["neo-1:pass"] = e
		b.pass(5 * time.Minute)
		must(a.Password(b.ctx(), "neo-1", "pass"))(t)
		want.FullName, want.FirstName, want.LastName, want.Email, want.MobilePhone = "The One", "The", "One", "one@x.org", nil
		diff(t, "account", want, must(b.Users().Get(b.ctx(), id))(t), noMeta)
	})
	t.Run("a wrong password is refused", func(t *testing.T) {
		for range 2 {
			_, err := a.Password(b.ctx(), "neo-1", "wrong")
			wantKind(t, err, atoll.Unauthenticated, "")
		}
	})
	t.Run("the directory's passwords are not ours to change", func(t *testing.T) {
		wantKind(t, b.Users().SetPassword(b.ctx(), "neo-1", "brand new", PasswordRule{}), atoll.FailedState, "")
	})
	t.Run("accounts are made by the directory alone", func(t *testing.T) {
		_, err := b.Users().Create(b.ctx(), NewUser{Name: "x"})
		wantKind(t, err, atoll.FailedState, "")
	})
	t.Run("its keys are ours", func(t *testing.T) {
		_, text, err := b.Keys().Create(b.ctx(), "neo-1", NewKey{})
		b.must(err)
		if p := must(a.Key(b.ctx(), text.Reveal(), "", ""))(t); p.UserID != id {
			t.Errorf("it is %s", p.Name)
		}
	})
	t.Run("who is disabled here is refused", func(t *testing.T) {
		must(b.Users().Update(b.ctx(), "neo-1", UserUpdate{Disabled: To(true)}))(t)
		_, err := a.Password(b.ctx(), "neo-1", "pass")
		wantKind(t, err, atoll.Unauthenticated, "")
	})
}

func TestEntriesThatAreRefused(t *testing.T) {
	entry := func(dn, name string) Entry { return Entry{DN: dn, Name: name, FullName: "X", Email: "x@x.org"} }
	tests := map[string]struct {
		name string
		e    Entry
		kind atoll.Kind
	}{
		"a name that an account of ours has":      {"Local", entry("uid=local", ""), atoll.Unauthenticated},
		"a name that another entry has":           {"first", entry("uid=second", ""), atoll.Unauthenticated},
		"the name of the implicit administrator":  {"coral", entry("uid=coral", ""), atoll.Unauthenticated},
		"a reserved name":                         {"system", entry("uid=system", ""), atoll.Unauthenticated},
		"a name that is none":                     {"a b", entry("uid=a b", ""), atoll.Unauthenticated},
		"an entry of another name":                {"mallory", entry("uid=root", "root"), atoll.Unauthenticated},
		"an entry without a distinguished name":   {"nobody", entry("", ""), atoll.Unauthenticated},
		"an entry that spells the name otherwise": {"TRINITY", entry("uid=trinity", "Trinity"), 0},
		"an entry whose e-mail another has":       {"twin", Entry{DN: "uid=twin", Email: "LOCAL@x.org"}, 0},
		"an entry that holds what is no text":     {"odd", Entry{DN: "uid=odd", FullName: "\xff", Email: "none", Department: text("\x00"), Mobile: text("\x00")}, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := &people{entries: map[string]Entry{"first:pass": entry("uid=first", ""), tt.name + ":pass": tt.e}}
			b := newBench(t, WithMode(WithDirectory), WithDirectoryClient(d))
			put(b, users, &User{Meta: meta("local"), Seq: 7, Name: "local", Home: "local", Email: "local@x.org"})
			a := b.Authenticator(WithDirectory)
			d.entries["first:pass"] = Entry{DN: "uid=first"}
			must(a.Password(b.ctx(), "first", "pass"))(t)
			d.entries[tt.name+":pass"] = tt.e
			b.verified = newVerified()
			p, err := a.Password(b.ctx(), tt.name, "pass")
			wantKind(t, err, tt.kind, "")
			if err == nil {
				if u := must(b.Users().Get(b.ctx(), p.UserID))(t); tt.name != "TRINITY" && (u.Email != "" || u.FullName != "" || u.Department != nil) || fold(u.Name) != fold(tt.name) {
					t.Errorf("the account is %+v", u)
				}
			}
			if u, _ := UserByName(b.st.View(), "local"); u.Source != Local {
				t.Error("the account of ours was taken over")
			}
		})
	}
}

func TestDirectoriesThatFail(t *testing.T) {
	tests := map[string]struct {
		d    *people
		kind atoll.Kind
	}{
		"one that is down":    {&people{err: errors.New("connection refused")}, atoll.Unavailable},
		"one that panics":     {&people{panics: true}, atoll.Unavailable},
		"one that is silent":  {&people{blocks: true}, atoll.Unavailable},
		"one that says no":    {&people{}, atoll.Unauthenticated},
		"one that is overrun": {&people{blocks: true}, atoll.Overloaded},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, WithMode(WithDirectory), WithDirectoryClient(tt.d))
				if tt.kind == atoll.Overloaded {
					for range cap(b.binds) {
						b.binds <- struct{}{}
					}
				}
				start := time.Now()
				_, err := b.Authenticator(WithDirectory).Password(t.Context(), "neo", "pass")
				wantKind(t, err, tt.kind, "")
				if took := time.Since(start); took > time.Second {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

func TestServicesThatDoNotFit(t *testing.T) {
	b := newBench(t)
	tests := map[string][]Option{
		"an unset mode":                {WithMode(0)},
		"an unknown mode":              {WithMode(9)},
		"a directory mode without one": {WithMode(WithDirectory)},
		"a secret that is short":       {WithKeySecret([]byte("short"))},
		"an empty secret":              {WithKeySecret([]byte{})},
	}
	for name, opts := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := New(b.st, nil, opts...)
			wantKind(t, err, atoll.Invalid, "")
		})
	}
	t.Run("no store", func(t *testing.T) {
		_, err := New(nil, nil)
		wantKind(t, err, atoll.Invalid, "")
	})
	for s, want := range map[string]Mode{"accept-all": AcceptAll, "deny-all": DenyAll, "coral": Accounts, "ldap": WithDirectory, "": 0, "unset": 0, "Coral": 0} {
		m, err := ParseMode(s)
		if m != want || (want == 0) != (atoll.KindOf(err) == atoll.Invalid) {
			t.Errorf("ParseMode(%q) = %v, %v", s, m, err)
		}
	}
}
