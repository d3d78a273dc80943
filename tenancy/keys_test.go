package tenancy

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

func TestKeyTexts(t *testing.T) {
	secret := []byte("secret")
	h := hmac.New(sha256.New, secret)
	h.Write([]byte("account\x00id\x00\x00\x00\x00\x02"))
	sum := h.Sum(nil)[:20]
	sum[19] &= 0xfe
	if got := keyText(secret, AccountKey, "id", 2); got != hex.EncodeToString(sum) {
		t.Errorf("text is %s, want %x", got, sum)
	}
	rapid.Check(t, func(t *rapid.T) {
		kind := KeyKind(rapid.IntRange(1, 5).Draw(t, "kind"))
		id, gen := rapid.String().Draw(t, "id"), rapid.Uint32().Draw(t, "gen")
		text := keyText(secret, kind, id, gen)
		if !IsKeyText(text) || text != strings.ToLower(text) {
			t.Fatalf("%q is no key", text)
		}
		odd := strings.Contains("13579bdf", text[39:])
		if odd != (kind == TenantKey) {
			t.Fatalf("the last digit of a key of kind %s is that of %q", kind, text)
		}
		for _, other := range []string{keyText(secret, kind, id, gen+1), keyText(secret, kind%5+1, id, gen), keyText(secret, kind, id+"x", gen), keyText([]byte("other"), kind, id, gen)} {
			if other == text {
				t.Fatal("different keys have one text")
			}
		}
		if keyHash(text) != keyHash(strings.ToUpper(text)) || keyHash(text).Reveal() != fmt.Sprintf("%x", sha256.Sum256([]byte(text))) {
			t.Fatal("the hash is not that of the lower-case text")
		}
	})
	for in, want := range map[string]bool{strings.Repeat("aF", 20): true, strings.Repeat("a", 39): false, strings.Repeat("a", 41): false, strings.Repeat("g", 40): false, "": false} {
		if IsKeyText(in) != want {
			t.Errorf("IsKeyText(%q) = %v", in, !want)
		}
	}
}

func TestKeysOfAnAccount(t *testing.T) {
	b := newBench(t)
	neo := b.user("neo")
	ctx, ks := b.as(neo), b.Keys()
	works := func(text string) bool {
		_, err := b.Authenticator(Accounts).AccountKey(b.ctx(), "neo", text)
		return err == nil
	}
	one, first, err := ks.Create(ctx, "NEO", NewKey{Description: "build", Scopes: []string{"job.read"}, ExpiresAt: b.clock().Add(time.Hour).In(time.FixedZone("x", 3600))})
	b.must(err)
	want := &APIKey{Meta: meta(one.ID), Kind: AccountKey, UserID: neo.ID, Seq: 1, Description: "build", Scopes: []string{"job.read"}, ExpiresAt: b.clock().Add(time.Hour)}
	diff(t, "made", want, one, noMeta)
	if !works(first.Reveal()) {
		t.Error("the new key is refused")
	}
	diff(t, "by number", want, must(ks.Get(ctx, "neo", "1"))(t), noMeta)
	diff(t, "by id", want, must(ks.Get(ctx, neo.ID, strings.ToUpper(one.ID)))(t), noMeta)

	again, ok, err := ks.Reveal(ctx, "neo", "1")
	if err != nil || !ok || again.Reveal() != first.Reveal() {
		t.Errorf("shown again: %v, %v", ok, err)
	}
	reset, second, err := ks.Reset(ctx, "neo", "1")
	b.must(err)
	want.Gen = 1
	diff(t, "reset", want, reset, noMeta)
	if works(first.Reveal()) || !works(second.Reveal()) {
		t.Error("after a reset the old text works or the new one does not")
	}
	primary, ptext, err := ks.Primary(ctx, "neo")
	b.must(err)
	same, stext, err := ks.Primary(ctx, "neo")
	b.must(err)
	diff(t, "the primary key is made once", primary, same)
	if !primary.Primary || primary.Seq != 2 || ptext.Reveal() != stext.Reveal() || !works(ptext.Reveal()) {
		t.Errorf("the primary key is %+v", primary)
	}
	_, _, err = ks.Create(ctx, "neo", NewKey{Primary: true})
	wantKind(t, err, atoll.Conflict, atoll.Exists)
	diff(t, "all", []*APIKey{want, primary}, must(ks.List(ctx, "neo"))(t), noMeta)

	b.must(ks.Delete(ctx, "neo", "1"))
	if works(second.Reveal()) {
		t.Error("a deleted key works")
	}
	if k, _, err := ks.Create(ctx, "neo", NewKey{}); err != nil || k.Seq != 3 {
		t.Errorf("the number of a deleted key returns: %+v, %v", k, err)
	}
	b.pass(2 * time.Hour)
	_, expired, err := ks.Create(ctx, "neo", NewKey{ExpiresAt: b.clock().Add(time.Minute)})
	b.must(err)
	if !works(expired.Reveal()) {
		t.Error("a key is refused before it expires")
	}
	b.pass(time.Minute)
	if works(expired.Reveal()) {
		t.Error("a key works when it has expired")
	}
}

func TestKeysGivenByTheEmbedder(t *testing.T) {
	b := newBench(t)
	b.user("neo")
	b.user("smith")
	text := strings.Repeat("aB", 20)
	k := must(b.Keys().Add(b.ctx(), "neo", text, "from the command line"))(t)
	diff(t, "added twice", k, must(b.Keys().Add(b.ctx(), "neo", strings.ToLower(text), ""))(t))
	if _, ok, err := b.Keys().Reveal(b.ctx(), "neo", "1"); ok || err != nil {
		t.Errorf("a given key is shown again: %v, %v", ok, err)
	}
	if p := must(b.Authenticator(Accounts).Key(b.ctx(), text, "", ""))(t); p.Name != "neo" {
		t.Errorf("it is %s", p.Name)
	}
	_, err := b.Keys().Add(b.ctx(), "smith", text, "")
	wantKind(t, err, atoll.Conflict, atoll.Exists)
	_, err = b.Keys().Add(b.ctx(), "neo", "short", "\x00")
	wantKind(t, err, atoll.Invalid, "")
	diff(t, "findings", []string{"description:text", "key:key"}, paths(err))
}

func TestKeysThatCannotBeMade(t *testing.T) {
	b := newBench(t)
	b.user("neo")
	tests := map[string]struct {
		ref  string
		n    NewKey
		kind atoll.Kind
		want []string
	}{
		"every fault is found":        {"neo", NewKey{Description: strings.Repeat("x", 256), Scopes: []string{"a", "b.c", "d"}, ExpiresAt: b.clock()}, atoll.Invalid, []string{"description:length", "scopes/0:scope", "scopes/2:scope", "expiresAt:past"}},
		"an empty list of scopes":     {"neo", NewKey{Scopes: []string{}}, atoll.Invalid, []string{"scopes:scopes"}},
		"scopes without end":          {"neo", NewKey{Scopes: make([]string, 101)}, atoll.Invalid, []string{"scopes:length"}},
		"a key of nobody":             {"nobody", NewKey{}, atoll.NotFound, nil},
		"an id that nobody has":       {"0b54c6a4-9c46-4d0e-9d3f-000000000001", NewKey{}, atoll.NotFound, nil},
		"a key that expired long ago": {"neo", NewKey{ExpiresAt: time.Unix(1, 0)}, atoll.Invalid, []string{"expiresAt:past"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, _, err := b.Keys().Create(b.ctx(), tt.ref, tt.n)
			wantKind(t, err, tt.kind, "")
			diff(t, "findings", tt.want, paths(err))
		})
	}
	t.Run("a number too many", func(t *testing.T) {
		rows := make([]*APIKey, maxAccountKeys)
		u := must(b.Users().Get(b.ctx(), "neo"))(t)
		for i := range rows {
			rows[i] = &APIKey{Meta: meta(fmt.Sprint("k", i)), Kind: AccountKey, UserID: u.ID, Hash: keyHash(fmt.Sprint(i))}
		}
		put(b, apikeys, rows...)
		_, _, err := b.Keys().Create(b.ctx(), "neo", NewKey{})
		wantKind(t, err, atoll.Quota, "")
	})
}

func TestWhoMayDoWhatWithKeys(t *testing.T) {
	b := newBench(t)
	root, neo := b.user("root", admin), b.user("neo")
	b.user("smith")
	ks := b.Keys()
	for _, n := range []string{"neo", "smith"} {
		_, _, err := ks.Create(b.ctx(), n, NewKey{})
		b.must(err)
	}
	scoped := func(scopes ...string) context.Context {
		p := *policy.PrincipalFrom(b.as(neo))
		p.Scopes = scopes
		return policy.WithPrincipal(b.ctx(), &p)
	}
	wl := must(b.workload(neo, "application/1"))(t)
	token := policy.WithPrincipal(b.ctx(), must(b.Authenticator(Accounts).AccountKey(b.ctx(), "neo", wl.text))(t))
	create := func(n NewKey) func(context.Context) error {
		return func(c context.Context) error { _, _, err := ks.Create(c, "neo", n); return err }
	}
	reveal := func(c context.Context) error { _, _, err := ks.Reveal(c, "neo", "1"); return err }
	reset := func(c context.Context) error { _, _, err := ks.Reset(c, "neo", "1"); return err }
	list := func(c context.Context) error { _, err := ks.List(c, "neo"); return err }
	primary := func(c context.Context) error { _, _, err := ks.Primary(c, "neo"); return err }
	get := func(who, key string) func(context.Context) error {
		return func(c context.Context) error { _, err := ks.Get(c, who, key); return err }
	}
	tests := map[string]struct {
		ctx  context.Context
		do   func(context.Context) error
		kind atoll.Kind
	}{
		"an account lists its keys":                       {b.as(neo), list, 0},
		"an administrator lists them":                     {b.as(root), list, 0},
		"an account does not see another's":               {b.as(neo), get("smith", "1"), atoll.Denied},
		"an account is not told which keys others have":   {b.as(neo), get("smith", "7"), atoll.Denied},
		"an account is not told which accounts there are": {b.as(neo), get("nobody", "1"), atoll.Denied},
		"a key that is not there is not found":            {b.as(neo), get("neo", "99"), atoll.NotFound},
		"a number that is none is not found":              {b.as(neo), get("neo", "-1"), atoll.NotFound},
		"another's key is not found under one's name":     {b.as(root), get("neo", must(ks.Get(b.ctx(), "smith", "1"))(t).ID), atoll.NotFound},
		"a workload does not list its owner's keys":       {token, list, atoll.Denied},
		"a workload does not see one":                     {token, reveal, atoll.Denied},
		"a workload does not mint one":                    {token, create(NewKey{}), atoll.Denied},
		"a workload does not reset one":                   {token, reset, atoll.Denied},
		"a workload has no sessions issued": {token, func(c context.Context) error {
			_, _, err := ks.IssueSession(c, Session{UserID: neo.ID, Lifetime: time.Hour})
			return err
		}, atoll.Denied},
		"a narrow key makes no wide one":                   {scoped("apikey.*"), create(NewKey{}), atoll.Denied},
		"a narrow key makes none beside it":                {scoped("apikey.*"), create(NewKey{Scopes: []string{"job.read"}}), atoll.Denied},
		"a narrow key makes one as narrow":                 {scoped("apikey.*", "job.read"), create(NewKey{Scopes: []string{"apikey.read", "job.read"}}), 0},
		"a narrow key adds none":                           {scoped("apikey.*"), func(c context.Context) error { _, err := ks.Add(c, "neo", strange, ""); return err }, atoll.Denied},
		"a narrow key does not show a wide one":            {scoped("apikey.*"), reveal, atoll.Denied},
		"a narrow key does not reset a wide one":           {scoped("apikey.*"), reset, atoll.Denied},
		"a narrow key does not show or make the primary":   {scoped("apikey.*"), primary, atoll.Denied},
		"a key for all that is so by scope shows it":       {scoped("*"), reveal, 0},
		"a key without the scope does not even list":       {scoped("job.*"), list, atoll.Denied},
		"a narrow key may list, since lists show no texts": {scoped("apikey.read"), list, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { wantKind(t, tt.do(tt.ctx), tt.kind, "") })
	}
}

func TestSessions(t *testing.T) {
	b := newBench(t)
	root, neo := b.user("root", admin), b.user("neo")
	ks := b.Keys()
	issue := func(ctx context.Context, s Session) (*APIKey, string, error) {
		k, text, err := ks.IssueSession(ctx, s)
		return k, text.Reveal(), err
	}
	mine := Session{UserID: neo.ID, Lifetime: time.Hour, Claims: []policy.Claim{claim("Google", "email", "neo@x.org")}}
	tests := map[string]struct {
		ctx  context.Context
		s    Session
		kind atoll.Kind
		want []string
	}{
		"an account has one for itself":               {b.as(neo), mine, 0, nil},
		"an account has none for another":             {b.as(neo), Session{UserID: root.ID, Lifetime: time.Hour}, atoll.Denied, nil},
		"an account has none for a name":              {b.as(neo), Session{Subject: "neo", Lifetime: time.Hour}, atoll.Denied, nil},
		"an administrator has one for anybody":        {b.as(root), Session{Subject: "ann", Lifetime: time.Hour}, 0, nil},
		"nobody's account has none":                   {b.ctx(), Session{UserID: "nobody", Lifetime: time.Hour}, atoll.Reference, nil},
		"a session is for one or the other, and ends": {b.ctx(), Session{UserID: "a", Subject: "b"}, atoll.Invalid, []string{"userID:required", "lifetime:range"}},
		"a session is for somebody":                   {b.ctx(), Session{Lifetime: 366 * 24 * time.Hour}, atoll.Invalid, []string{"userID:required", "lifetime:range"}},
		"a session carries no reserved claims":        {b.ctx(), Session{Subject: "ann", Lifetime: 1, Claims: []policy.Claim{claim("account", "name", "root"), claim("", "role", "admin"), claim("x", "", "")}}, atoll.Invalid, []string{"claims:issuer", "claims:issuer", "claims:claim"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, _, err := issue(tt.ctx, tt.s)
			wantKind(t, err, tt.kind, "")
			diff(t, "findings", tt.want, paths(err))
		})
	}
	who := func(text string) string {
		p, err := b.Authenticator(Accounts).Authenticate(b.ctx(), policy.Credentials{Form: policy.Bearer, Secret: text})
		if err != nil {
			return atoll.KindOf(err).String()
		}
		return p.Name
	}
	t.Run("a session carries its claims beside the account's", func(t *testing.T) {
		k, text, err := issue(b.as(neo), mine)
		b.must(err)
		p := must(b.Authenticator(Accounts).Authenticate(b.ctx(), policy.Credentials{Form: policy.Bearer, Secret: text}))(t)
		diff(t, "claims", append([]policy.Claim{claim("Google", "email", "neo@x.org")}, userClaims(neo, "key")...), p.Claims)
		if p.KeyID != k.ID || !p.Expires.Equal(b.clock().Add(time.Hour)) {
			t.Errorf("it is %+v", p)
		}
	})
	t.Run("a session of a narrow key is as narrow", func(t *testing.T) {
		p := *policy.PrincipalFrom(b.as(neo))
		p.Scopes = []string{"auth.issue"}
		k, _, err := issue(policy.WithPrincipal(b.ctx(), &p), mine)
		b.must(err)
		diff(t, "scopes", p.Scopes, k.Scopes)
	})
	t.Run("another password ends the sessions, not the keys", func(t *testing.T) {
		_, text, err := issue(b.as(neo), mine)
		b.must(err)
		_, key, err := ks.Create(b.ctx(), "neo", NewKey{})
		b.must(err)
		b.must(b.Users().SetPassword(b.ctx(), "neo", "brand new", PasswordRule{}))
		if who(text) != "unauthenticated" || who(key.Reveal()) != "neo" {
			t.Errorf("the session gives %s, the key %s", who(text), who(key.Reveal()))
		}
	})
	t.Run("a session ends in time", func(t *testing.T) {
		_, text, err := issue(b.ctx(), Session{Subject: "bob", Lifetime: time.Minute})
		b.must(err)
		p, err := b.Authenticator(Accounts).Authenticate(b.ctx(), policy.Credentials{Form: policy.Bearer, Secret: text})
		b.must(err)
		b.pass(time.Minute)
		if who(text) != "unauthenticated" || b.Holds(p) {
			t.Error("it goes on")
		}
	})
	t.Run("sessions are bounded, the oldest make room", func(t *testing.T) {
		var texts []string
		for range maxSessions + 3 {
			b.pass(time.Millisecond)
			_, text, err := issue(b.as(neo), mine)
			b.must(err)
			texts = append(texts, text)
		}
		v := b.st.View()
		n := 0
		for range sessionsOf(v, neo.ID) {
			n++
		}
		if n != maxSessions || who(texts[2]) != "unauthenticated" || who(texts[3]) != "neo" {
			t.Errorf("%d sessions; the third gives %s, the fourth %s", n, who(texts[2]), who(texts[3]))
		}
	})
	t.Run("expired ones are cleared away", func(t *testing.T) {
		b.pass(2 * MaxSession)
		for range 3 {
			_, _, err := issue(b.ctx(), Session{Subject: "eve", Lifetime: time.Hour})
			b.must(err)
		}
		n := 0
		for k := range apikeys.All(b.st.View()) {
			if k.Kind == SessionKey {
				n++
			}
		}
		if n != 3 {
			t.Errorf("%d sessions are left", n)
		}
	})
}

func TestKeysOfWorkloads(t *testing.T) {
	b := newBench(t)
	neo := b.user("neo")
	web, db := must(b.workload(neo, "application/web"))(t), must(b.workload(neo, "application/db"))(t)
	_, err := b.st.Update(b.ctx(), func(tx *store.Tx) error { return b.Keys().DropWorkload(tx, "application/web") })
	b.must(err)
	a := b.Authenticator(Accounts)
	if _, err := a.AccountKey(b.ctx(), "neo", web.text); atoll.KindOf(err) != atoll.Unauthenticated {
		t.Errorf("the key of a workload that is gone gives %v", err)
	}
	if _, err := a.AccountKey(b.ctx(), "neo", db.text); err != nil {
		t.Error(err)
	}
	if n := len(must(b.Keys().List(b.ctx(), "neo"))(t)); n != 0 {
		t.Errorf("%d keys of workloads are listed as the account's", n)
	}
	_, err = b.st.Update(b.ctx(), func(tx *store.Tx) error { _, err := b.Keys().IssueWorkload(tx, neo.ID, ""); return err })
	wantKind(t, err, atoll.Invalid, "")
}

func TestAnotherSecretShowsNoKeyButTakesIt(t *testing.T) {
	b := newBench(t)
	b.user("neo")
	_, text, err := b.Keys().Create(b.ctx(), "neo", NewKey{})
	b.must(err)
	var snapshot strings.Builder
	b.must(b.st.Snapshot(&snapshot))
	c := newBench(t, WithKeySecret([]byte("another secret of enough bytes")))
	b.must(c.st.Restore(strings.NewReader(snapshot.String())))
	if p := must(c.Authenticator(Accounts).Key(c.ctx(), text.Reveal(), "", ""))(t); p.Name != "neo" {
		t.Errorf("it is %s", p.Name)
	}
	if _, ok, err := c.Keys().Reveal(c.ctx(), "neo", "1"); ok || err != nil {
		t.Errorf("it is shown: %v, %v", ok, err)
	}
	if p := must(c.Authenticator(Accounts).Password(c.ctx(), "neo", "secret-neo"))(t); p.Name != "neo" {
		t.Errorf("the password gives %s", p.Name)
	}
}
