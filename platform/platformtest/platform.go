package platformtest

import (
	"context"
	"testing"
	"time"

	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/tenancy"
)

// cheap makes password hashes fast and weak.
var cheap = tenancy.HashCost{Time: 1, Memory: 64, Threads: 1}

// shutdownTime is how long a platform of a test may take to end.
const shutdownTime = 20 * time.Second

// New returns a started platform in mode tenancy.Accounts, with a directory of
// its own for actors and cheap password hashes. Options come after these and
// may change them.
func New(t testing.TB, opts ...platform.Option) *platform.Platform {
	t.Helper()
	base := []platform.Option{platform.WithFiles(t.TempDir()), platform.WithHashCost(cheap)}
	p, err := platform.New(append(base, opts...)...)
	if err != nil {
		t.Fatalf("platform.New: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), shutdownTime)
		defer cancel()
		if err := p.Shutdown(ctx); err != nil {
			t.Errorf("platform.Shutdown: %v", err)
		}
	})
	if err := p.Start(context.Background()); err != nil {
		t.Fatalf("platform.Start: %v", err)
	}
	return p
}

// Password is the password of every user that User makes.
const Password = "correct horse"

// User makes an account with Password and returns it.
func User(t testing.TB, p *platform.Platform, name string, admin bool) *tenancy.User {
	t.Helper()
	u, err := p.Users().Create(context.Background(), tenancy.NewUser{Name: name, FullName: name + " of the test",
		Email: name + "@test.example", Password: Password, Admin: admin})
	if err != nil {
		t.Fatalf("create user %s: %v", name, err)
	}
	return u
}

// As returns a context in which the user calls, as it would after a login.
func As(t testing.TB, p *platform.Platform, u *tenancy.User) context.Context {
	t.Helper()
	caller, err := p.Authenticator().Password(context.Background(), u.Name, Password)
	if err != nil {
		t.Fatalf("log in as %s: %v", u.Name, err)
	}
	return policy.WithPrincipal(context.Background(), caller)
}

// Key gives the user an API key and returns its text.
func Key(t testing.TB, p *platform.Platform, u *tenancy.User) string {
	t.Helper()
	_, text, err := p.Keys().Create(context.Background(), u.Name, tenancy.NewKey{Description: "of the test"})
	if err != nil {
		t.Fatalf("make a key for %s: %v", u.Name, err)
	}
	return text.Reveal()
}
