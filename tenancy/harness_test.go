package tenancy

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

var cheap = HashCost{Time: 1, Memory: 8, Threads: 1}

// bench is a service over a fresh store, with time that only tests move.
type bench struct {
	*Service
	tb    testing.TB
	time  atomic.Pointer[time.Time]
	grant *policy.Grants
}

func (b *bench) clock() time.Time     { return *b.time.Load() }
func (b *bench) pass(d time.Duration) { t := b.clock().Add(d); b.time.Store(&t) }
func (b *bench) ctx() context.Context { return context.Background() }
func (b *bench) must(err error)       { b.tb.Helper(); mustNot(b.tb, err) }
func mustNot(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
func must[T any](v T, err error) func(testing.TB) T {
	return func(tb testing.TB) T { tb.Helper(); mustNot(tb, err); return v }
}

func newBench(tb testing.TB, opts ...Option) *bench {
	tb.Helper()
	b := &bench{tb: tb}
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	b.time.Store(&start)
	st, err := store.Open(slices.Concat(Tables(), policy.Tables()), store.WithClock(b.clock), store.WithActor(policy.ActorName))
	mustNot(tb, err)
	tb.Cleanup(st.Close)
	b.grant = policy.NewGrants(st)
	guard := policy.NewGuard(policy.NewNative(b.grant, nil))
	opts = append([]Option{WithHashCost(cheap), WithClock(b.clock), WithKeySecret([]byte("a secret of sixteen bytes or more"))}, opts...)
	b.Service, err = New(st, guard, opts...)
	mustNot(tb, err)
	return b
}

// user makes an account with a password of "secret-<name>".
func (b *bench) user(name string, change ...func(*NewUser)) *User {
	b.tb.Helper()
	n := NewUser{Name: name, Password: "secret-" + name}
	for _, c := range change {
		c(&n)
	}
	return must(b.Users().Create(b.ctx(), n))(b.tb)
}

func admin(n *NewUser) { n.Admin = true }

// as is a context in which the account calls.
func (b *bench) as(u *User) context.Context {
	v := b.st.View()
	row, ok := users.Get(v, u.ID)
	if !ok {
		b.tb.Fatalf("no user %s", u.Name)
	}
	return policy.WithPrincipal(b.ctx(), b.principal(v, principalID{id: u.ID, via: viaPassword}, builtPrincipal{user: row}))
}

// put writes rows past the services.
func put[T any](b *bench, t *store.Table[T], rows ...*T) {
	b.tb.Helper()
	_, err := b.st.Update(b.ctx(), func(tx *store.Tx) error {
		for _, r := range rows {
			if err := t.Insert(tx, r); err != nil {
				return err
			}
		}
		return nil
	})
	b.must(err)
}

func meta(id string) store.Meta { return store.Meta{ID: id} }

// wantKind fails unless err is of that kind and code.
func wantKind(t testing.TB, err error, kind atoll.Kind, code atoll.Code) {
	t.Helper()
	if atoll.KindOf(err) != kind || atoll.CodeOf(err) != code {
		t.Errorf("error %v is %v/%q, want %v/%q", err, atoll.KindOf(err), atoll.CodeOf(err), kind, code)
	}
}

// paths are the paths of the findings in err.
func paths(err error) []string {
	var ps []string
	if e, ok := err.(*atoll.Error); ok {
		for _, f := range e.Findings {
			ps = append(ps, f.Path+":"+f.Code)
		}
	}
	return ps
}

// noMeta compares rows without what the store stamps.
var noMeta = cmpopts.IgnoreFields(store.Meta{}, "Version", "CreatedAt", "UpdatedAt", "CreatedBy", "UpdatedBy")

func diff(t testing.TB, what string, want, got any, opts ...cmp.Option) {
	t.Helper()
	if d := cmp.Diff(want, got, opts...); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}
