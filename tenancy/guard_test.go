package tenancy

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// asked records the questions and refuses those it is told to.
type asked struct {
	mu      sync.Mutex
	list    []string
	refuses bool
}

func (a *asked) Decide(_ *policy.Principal, q policy.Question) policy.Decision {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, string(q.Action)+" @ "+q.Target.String())
	return policy.Decision{Allowed: !a.refuses}
}

// Each method asks the guard, and nothing happens if the guard refuses.
func TestEveryMethodAsksTheGuard(t *testing.T) {
	tests := map[string]struct {
		do   func(context.Context, *bench, *User) error
		want []string
	}{
		"Users.Create": {func(c context.Context, b *bench, _ *User) error {
			_, err := b.Users().Create(c, NewUser{Name: "x"})
			return err
		}, []string{"create @ user::/accounts::x"}},
		"Users.Create by e-mail": {func(c context.Context, b *bench, _ *User) error {
			_, err := b.Users().Create(c, NewUser{Email: "x@y"})
			return err
		}, []string{"create @ user::/accounts"}},
		"Users.Create administrators": {func(c context.Context, b *bench, _ *User) error {
			_, err := b.Users().Create(c, NewUser{Name: "x", Admin: true})
			return err
		},
			[]string{"create @ user::/accounts::x", "update @ user::/accounts"}},
		"Users.Get":           {func(c context.Context, b *bench, _ *User) error { _, err := b.Users().Get(c, "NEO"); return err }, []string{"read @ user::/accounts::neo"}},
		"Users.Get of nobody": {func(c context.Context, b *bench, _ *User) error { _, err := b.Users().Get(c, "nobody"); return err }, []string{"read @ user::/accounts"}},
		"Users.List": {func(c context.Context, b *bench, _ *User) error { _, err := b.Users().List(c); return err },
			[]string{"read @ user::/accounts", "read @ user::/accounts::neo", "read @ user::/accounts::root"}},
		"Users.Update": {func(c context.Context, b *bench, _ *User) error {
			_, err := b.Users().Update(c, "neo", UserUpdate{Email: To("a@b")})
			return err
		}, []string{"update @ user::/accounts::neo"}},
		"Users.Update of rights": {func(c context.Context, b *bench, _ *User) error {
			_, err := b.Users().Update(c, "neo", UserUpdate{Disabled: To(true)})
			return err
		},
			[]string{"update @ user::/accounts::neo", "update @ user::/accounts"}},
		"Users.Update of the name": {func(c context.Context, b *bench, _ *User) error {
			_, err := b.Users().Update(c, "neo", UserUpdate{Name: To("x")})
			return err
		},
			[]string{"update @ user::/accounts::neo", "update @ user::/accounts", "create @ user::/accounts::x"}},
		"Users.SetPassword": {func(c context.Context, b *bench, _ *User) error {
			return b.Users().SetPassword(c, "neo", "brand new", PasswordRule{})
		}, []string{"update @ user::/accounts::neo"}},
		"Users.VerifyPassword": {func(c context.Context, b *bench, _ *User) error {
			_, err := b.Users().VerifyPassword(c, "neo", "x")
			return err
		}, []string{"update @ user::/accounts::neo"}},
		"Users.Delete": {func(c context.Context, b *bench, _ *User) error {
			_, err := b.Users().Delete(c, "neo", false)
			return err
		}, []string{"delete @ user::/accounts::neo"}},
		"Keys.Create": {func(c context.Context, b *bench, _ *User) error {
			_, _, err := b.Keys().Create(c, "neo", NewKey{})
			return err
		}, []string{"create @ apikey::/accounts/neo"}},
		"Keys.Add": {func(c context.Context, b *bench, _ *User) error {
			_, err := b.Keys().Add(c, "neo", strange, "")
			return err
		}, []string{"create @ apikey::/accounts/neo"}},
		"Keys.List":          {func(c context.Context, b *bench, _ *User) error { _, err := b.Keys().List(c, "neo"); return err }, []string{"read @ apikey::/accounts/neo"}},
		"Keys.Get":           {func(c context.Context, b *bench, _ *User) error { _, err := b.Keys().Get(c, "neo", "1"); return err }, []string{"read @ apikey::/accounts/neo::1"}},
		"Keys.Get of none":   {func(c context.Context, b *bench, _ *User) error { _, err := b.Keys().Get(c, "neo", "7"); return err }, []string{"read @ apikey::/accounts/neo"}},
		"Keys.Get of nobody": {func(c context.Context, b *bench, _ *User) error { _, err := b.Keys().Get(c, "nobody", "1"); return err }, []string{"read @ apikey::/accounts"}},
		"Keys.Reveal": {func(c context.Context, b *bench, _ *User) error {
			_, _, err := b.Keys().Reveal(c, "neo", "1")
			return err
		}, []string{"read @ apikey::/accounts/neo::1"}},
		"Keys.Primary made": {func(c context.Context, b *bench, _ *User) error { _, _, err := b.Keys().Primary(c, "neo"); return err }, []string{"create @ apikey::/accounts/neo"}},
		"Keys.Reset": {func(c context.Context, b *bench, _ *User) error {
			_, _, err := b.Keys().Reset(c, "neo", "1")
			return err
		}, []string{"update @ apikey::/accounts/neo::1"}},
		"Keys.Delete": {func(c context.Context, b *bench, _ *User) error { return b.Keys().Delete(c, "neo", "1") }, []string{"delete @ apikey::/accounts/neo::1"}},
		"Keys.IssueSession": {func(c context.Context, b *bench, u *User) error {
			_, _, err := b.Keys().IssueSession(c, Session{UserID: u.ID, Lifetime: time.Hour})
			return err
		}, []string{"issue @ auth::/oauth2/http"}},
		"Projects.Create": {func(c context.Context, b *bench, _ *User) error {
			_, err := b.Projects().Create(c, NewProject{Name: "a b"})
			return err
		}, []string{"create @ project::/coral/neo::a~20b"}},
		"Projects.Get":  {func(c context.Context, b *bench, _ *User) error { _, err := b.Projects().Get(c, "p"); return err }, []string{"read @ project::/coral/neo::p"}},
		"Projects.List": {func(c context.Context, b *bench, _ *User) error { _, err := b.Projects().List(c); return err }, []string{"read @ project::/coral/neo::p"}},
		"Projects.Update": {func(c context.Context, b *bench, _ *User) error {
			_, err := b.Projects().Update(c, "p", ProjectUpdate{Name: To("q")})
			return err
		}, []string{"update @ project::/coral/neo::p"}},
		"Projects.Delete": {func(c context.Context, b *bench, _ *User) error { _, err := b.Projects().Delete(c, "p"); return err }, []string{"delete @ project::/coral/neo::p"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.user("root", admin)
			neo := b.user("neo")
			_, _, err := b.Keys().Create(b.ctx(), "neo", NewKey{})
			b.must(err)
			must(b.Projects().Create(b.as(neo), NewProject{Name: "p"}))(t)
			ctx := b.as(neo)

			no := &asked{refuses: true}
			b.guard = policy.NewGuard(no)
			before := b.st.View().Index()
			err = tt.do(ctx, b, neo)
			if k := atoll.KindOf(err); name != "Projects.List" && k != atoll.Denied && k != atoll.NotFound {
				t.Errorf("refused, it gives %v", err)
			}
			if b.st.View().Index() != before || len(no.list) == 0 {
				t.Error("something happened though the guard refused, or was not asked")
			}
			yes := &asked{}
			b.guard = policy.NewGuard(yes)
			if err := tt.do(ctx, b, neo); err != nil && atoll.KindOf(err) != atoll.NotFound && atoll.KindOf(err) != atoll.Conflict {
				t.Error(err)
			}
			diff(t, "questions", tt.want, yes.list)
		})
	}
}

// Two administrators who take each other's rights away at once do not both succeed.
func TestOneAdministratorIsLeft(t *testing.T) {
	for range 20 {
		b := newBench(t)
		names := []string{"a", "b", "c", "d"}
		for _, n := range names {
			b.user(n, admin)
		}
		var wg sync.WaitGroup
		for i, n := range names {
			wg.Go(func() {
				switch i % 3 {
				case 0:
					_, _ = b.Users().Update(b.ctx(), n, UserUpdate{Admin: To(false)})
				case 1:
					_, _ = b.Users().Update(b.ctx(), n, UserUpdate{Disabled: To(true)})
				default:
					_, _ = b.Users().Delete(b.ctx(), n, true)
				}
			})
		}
		wg.Wait()
		if n := len(slices.Collect(admins.All(b.st.View(), store.Key{}))); n != 1 {
			t.Fatalf("%d enabled administrators are left", n)
		}
	}
}
