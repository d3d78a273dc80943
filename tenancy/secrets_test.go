package tenancy

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// No password, key or hash shows in errors, logs, printed values, JSON, the
// change stream or notes.
func TestSecretsNeverShow(t *testing.T) {
	var shown strings.Builder
	log := slog.New(slog.NewJSONHandler(&shown, &slog.HandlerOptions{Level: slog.LevelDebug}))
	d := newPeople()
	b := newBench(t, WithLogger(log), WithMode(WithDirectory), WithDirectoryClient(d))
	b.mode = Accounts // one service, all the ways in
	show := func(what ...any) {
		for _, v := range what {
			fmt.Fprintf(&shown, "%v %+v %#v %s %q %x %d\n", v, v, v, v, v, v, v)
			if js, err := json.Marshal(v); err == nil {
				shown.Write(js)
			}
			log.Info("x", "v", v)
		}
	}
	const password, second = "planted-password", "planted-second"
	u := must(b.Users().Create(b.ctx(), NewUser{Name: "neo", Password: password}))(t)
	k, text, err := b.Keys().Create(b.ctx(), "neo", NewKey{})
	b.must(err)
	fixed := must(b.Keys().Add(b.ctx(), "neo", strings.Repeat("1234abcd", 5), ""))(t)
	s, session, err := b.Keys().IssueSession(b.ctx(), Session{UserID: u.ID, Lifetime: time.Hour})
	b.must(err)
	_, err = b.st.Update(b.ctx(), func(tx *store.Tx) error {
		if err := integrations.Insert(tx, &Integration{Meta: meta("IG1"), Config: `{"pw":"planted-integration"}`}); err != nil {
			return err
		}
		return invitations.Insert(tx, &Invitation{Meta: meta("v"), KeyHash: keyHash("x")})
	})
	b.must(err)
	b.must(b.Users().SetPassword(b.ctx(), "neo", second, PasswordRule{}))
	_, reset, err := b.Keys().Reset(b.ctx(), "neo", "1")
	b.must(err)

	// Failures of every sort.
	a := b.Authenticator(Accounts)
	for _, c := range []policy.Credentials{
		{Form: policy.Basic, Name: "neo", Secret: password}, {Form: policy.Basic, Name: "nobody", Secret: second},
		{Form: policy.ApiKey, Name: "smith", Secret: reset.Reveal()}, {Form: policy.Bearer, Secret: text.Reveal()},
		{Form: policy.Key, Secret: text.Reveal(), UserKey: text.Reveal()}, {Form: policy.Basic, Name: "neo", Secret: second},
	} {
		p, err := a.Authenticate(b.ctx(), c)
		show(c, &c, p, err)
	}
	d.entries["neo:"+password] = neoEntry()
	_, err = b.Authenticator(WithDirectory).Password(b.ctx(), "smith", password)
	show(err)
	d.panics = true
	_, err = b.Authenticator(WithDirectory).Password(b.ctx(), "smith", password)
	show(err)
	for _, n := range []NewUser{{Name: "!", Password: "planted-\x00"}, {Name: "planted-password", Password: password}} {
		_, err := b.Users().Create(b.ctx(), n)
		show(err)
	}
	_, err = b.Keys().Add(b.ctx(), "neo", text.Reveal()+"f", "")
	show(err)

	// What there is, and what changed.
	show(u, k, fixed, s, text, session, reset, &text, b.Service.hash.dummy)
	secrets := map[string]string{"the first password": password, "the second password": second, "a key": text.Reveal(), "a key after its reset": reset.Reveal(),
		"a given key": strings.Repeat("1234abcd", 5), "a session": session.Reveal(), "an integration's secret": "planted-integration"}
	v := b.st.View()
	for c := range credentials.All(v) {
		secrets["the hash of a password"], secrets["the salt of a password"] = c.Hash.Reveal(), c.Salt.Reveal()
		show(c, *c)
	}
	for k := range apikeys.All(v) {
		secrets["the hash of key "+k.ID] = k.Hash.Reveal()
		show(*k)
		fmt.Fprintf(&shown, "%v %+v\n", k, *k)
	}
	for i := range integrations.All(v) {
		show(i)
	}
	stream := b.st.Watch(b.ctx(), 0, nil)
	for range v.Index() {
		c := must(stream.Next(b.ctx()))(t)
		show(c.Notes)
		for i := range c.Changes {
			before, after := c.Public(i)
			show(before, after)
		}
	}
	for what, secret := range secrets {
		// The one name that reads like a password is shown as the name it is.
		text := strings.ReplaceAll(shown.String(), `"planted-password"`, "")
		text = strings.ReplaceAll(text, "accounts::planted-password", "")
		if i := strings.Index(strings.ToLower(text), strings.ToLower(secret)); i >= 0 {
			t.Errorf("%s shows: …%s…", what, text[max(0, i-80):min(len(text), i+len(secret)+20)])
		}
	}
}

func TestKindsOfThingsHaveNames(t *testing.T) {
	type named interface {
		fmt.Stringer
		MarshalText() ([]byte, error)
	}
	for name, v := range map[string]named{"local": Local, "ldap": FromDirectory, "implicit": ImplicitUser, "read": ReadRole, "write": WriteRole, "full": FullRole, "owner": OwnerRole,
		"new": InvitationNew, "accepted": InvitationAccepted, "declined": InvitationDeclined, "account": AccountKey, "tenant": TenantKey, "enduser": EndUserKey, "session": SessionKey, "workload": WorkloadKey} {
		if b, _ := v.MarshalText(); v.String() != name || string(b) != name {
			t.Errorf("%s is called %s, %s", name, v, b)
		}
	}
	for _, v := range []fmt.Stringer{Source(9), Role(9), InvitationState(9), KeyKind(9), Mode(9)} {
		if !strings.HasSuffix(v.String(), "9") {
			t.Errorf("an unknown value is called %s", v)
		}
	}
	for _, v := range []interface{ UnmarshalText([]byte) error }{new(Source), new(Role), new(InvitationState), new(KeyKind)} {
		if v.UnmarshalText([]byte("other")) == nil {
			t.Errorf("%T takes an unknown name", v)
		}
	}
	diff(t, "flags", []string{"ignore_acl", "user_create", "group_create", "anonymous_read"}, (IgnoreACL | UserCreate | GroupCreate | AnonymousRead).Names())
}
