package tenancy_test

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/tenancy"
)

func newService(opts ...tenancy.Option) *tenancy.Service {
	st, err := store.Open(slices.Concat(tenancy.Tables(), policy.Tables()))
	if err != nil {
		panic(err)
	}
	guard := policy.NewGuard(policy.NewNative(policy.NewGrants(st), policy.Default{}))
	s, err := tenancy.New(st, guard, append(opts, tenancy.WithHashCost(tenancy.HashCost{Time: 1, Memory: 8, Threads: 1}))...)
	if err != nil {
		panic(err)
	}
	return s
}

func ExampleUsers_Create() {
	ctx := context.Background() // the embedding program may do everything
	s := newService()
	u, err := s.Users().Create(ctx, tenancy.NewUser{Name: "neo", FullName: "Thomas Anderson", Password: "red pill"})
	fmt.Println(u.Seq, u.FQN(), u.LastName, err)

	_, err = s.Users().Create(ctx, tenancy.NewUser{Name: "NEO"})
	fmt.Println(errors.Is(err, atoll.Conflict), atoll.CodeOf(err))
	// Output:
	// 1 user::/accounts::neo Anderson <nil>
	// true exists
}

func ExampleUsers_Update() {
	ctx := context.Background()
	s := newService()
	_, _ = s.Users().Create(ctx, tenancy.NewUser{Name: "neo", Email: "neo@example.org"})
	u, err := s.Users().Update(ctx, "neo", tenancy.UserUpdate{FullName: tenancy.To("Thomas Anderson")})
	fmt.Println(u.FirstName, u.LastName, u.Email, u.Version, err)
	// Output: Thomas Anderson neo@example.org 2 <nil>
}

func ExampleKeys_Create() {
	ctx := context.Background()
	s := newService(tenancy.WithKeySecret([]byte("kept by the embedding program")))
	_, _ = s.Users().Create(ctx, tenancy.NewUser{Name: "neo"})
	key, text, err := s.Keys().Create(ctx, "neo", tenancy.NewKey{Scopes: []string{"job.read"}})
	fmt.Println(key.Seq, text, len(text.Reveal()), err)

	p, err := s.Authenticator(tenancy.Accounts).AccountKey(ctx, "neo", text.Reveal())
	fmt.Println(p.Kind, p.Name, p.Scopes, err)
	// Output:
	// 1 [redacted] 40 <nil>
	// user neo [job.read] <nil>
}

func ExampleAuthenticator() {
	ctx := context.Background()
	s := newService()
	_, _ = s.EnsureAdmin(ctx, "root", "a password")
	a := s.Authenticator(s.Mode())
	p, err := a.Authenticate(ctx, policy.Credentials{Form: policy.Basic, Name: "Root", Secret: "a password"})
	fmt.Println(p.Name, p.Admin, err)
	_, err = a.Authenticate(ctx, policy.Credentials{Form: policy.Basic, Name: "root", Secret: "a guess"})
	fmt.Println(errors.Is(err, atoll.Unauthenticated))

	// From here on root calls.
	ctx = policy.WithPrincipal(ctx, p)
	list, err := s.Users().List(ctx)
	fmt.Println(len(list), err)
	// Output:
	// root true <nil>
	// true
	// 1 <nil>
}

func ExampleProjects_Create() {
	ctx := context.Background()
	s := newService()
	_, _ = s.Users().Create(ctx, tenancy.NewUser{Name: "neo"})
	p, err := s.Projects().Create(ctx, tenancy.NewProject{Name: "flights", Owner: "neo"})
	fmt.Println(p.Name, len(p.Definitions), err)
	// Output: flights 0 <nil>
}
