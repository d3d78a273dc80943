package ldap

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/tenancy"
)

func TestAPlatformWithADirectory(t *testing.T) {
	s := serve(t, func(s *server) {
		s.add("uid=bob,ou=People,dc=example,dc=com", "hidden", map[string][]string{"uid": {"bob"}, "fullName": {"Bob"}, "email": {"bob@example.com"}})
	})
	p, err := platform.New(platform.WithAuthentication(tenancy.WithDirectory), platform.WithDirectory(s.directory()), platform.WithAdmin("root", "a long password"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer p.Shutdown(context.Background())
	login := func(name, password string) (*policy.Principal, error) {
		return p.Authenticator().Authenticate(t.Context(), policy.Credentials{Form: policy.Basic, Name: name, Secret: password})
	}

	who, err := login("ann", "secret")
	if err != nil {
		t.Fatalf("login: %v", err)
	}
	// The id is made of the lower-cased distinguished name.
	id := uuid.NewSHA1(uuid.NameSpaceX500, []byte(strings.ToLower("uid=ann,ou=People,dc=example,dc=com"))).String()
	u, err := p.Users().Get(policy.WithPrincipal(t.Context(), who), "ann")
	if err != nil {
		t.Fatalf("the account of the first login: %v", err)
	}
	core, mobile := "core", "123"
	want := &tenancy.User{Name: "ann", Email: "ann@example.com", FullName: "Ann Lee", FirstName: "Ann", LastName: "Lee",
		Department: &core, MobilePhone: &mobile, Source: tenancy.FromDirectory}
	want.ID = id
	if diff := cmp.Diff(want, u, cmpopts.IgnoreFields(tenancy.User{}, "Seq", "Home", "Access", "Version", "CreatedAt", "UpdatedAt", "CreatedBy", "UpdatedBy")); diff != "" {
		t.Errorf("account mismatch (-want +got):\n%s", diff)
	}

	for name, password := range map[string]string{"ann": "wrong", "ann,ou=People": "secret", "*": "secret", "carl": "secret", "bob": ""} {
		if _, err := login(name, password); atoll.KindOf(err) != atoll.Unauthenticated {
			t.Errorf("login of %q with %q: %v, want unauthenticated", name, password, err)
		}
	}
	if _, err := login("root", "hidden"); atoll.KindOf(err) != atoll.Unauthenticated {
		t.Errorf("login with a name that a local account has: %v, want unauthenticated", err)
	}
	_, before, _ := s.seen()
	if _, err := login("ann", "secret"); err != nil {
		t.Errorf("second login: %v", err)
	}
	if _, after, _ := s.seen(); len(after) != len(before) {
		t.Error("a password that was proved a moment ago was asked for again")
	}
	s.ln.Close()
	if _, err := login("bob", "hidden"); atoll.KindOf(err) != atoll.Unavailable {
		t.Errorf("login while the directory is gone: %v, want unavailable", err)
	}
}

// A name that the directory gives to somebody new does not open the account
// of who had it.
func TestANameOfAnotherRowIsRefused(t *testing.T) {
	s := serve(t, nil)
	d := &moved{Directory: s.directory()}
	p, err := platform.New(platform.WithAuthentication(tenancy.WithDirectory), platform.WithDirectory(d))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer p.Shutdown(context.Background())
	creds := policy.Credentials{Form: policy.Basic, Name: "ann", Secret: "secret"}
	if _, err := p.Authenticator().Authenticate(t.Context(), creds); err != nil {
		t.Fatalf("login: %v", err)
	}
	s.add("uid=ann,ou=Guests,dc=example,dc=com", "other", map[string][]string{"uid": {"ann"}, "fullName": {"Ann Other"}, "email": {"other@example.com"}})
	d.template = "uid={user},ou=Guests,dc=example,dc=com"
	creds.Secret = "other"
	if _, err := p.Authenticator().Authenticate(t.Context(), creds); atoll.KindOf(err) != atoll.Unauthenticated {
		t.Errorf("login of another person with the same name: %v, want unauthenticated", err)
	}
}

// moved is a directory whose template changes between logins.
type moved struct{ *Directory }
