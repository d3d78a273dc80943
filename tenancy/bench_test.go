package tenancy

import (
	"fmt"
	"testing"

	"github.com/atoll-platform/atoll/policy"
)

// A request with a password that was proved lately costs no login.
func BenchmarkAuthenticateCachedBasic(b *testing.B) {
	w := newBench(b)
	w.user("neo")
	a := w.Authenticator(Accounts)
	c := policy.Credentials{Form: policy.Basic, Name: "neo", Secret: "secret-neo"}
	must(a.Authenticate(w.ctx(), c))(b)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := a.Authenticate(w.ctx(), c); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// A request with a key costs a hash and a look-up, however many keys there are.
func BenchmarkAuthenticateKey(b *testing.B) {
	w := newBench(b)
	u := w.user("neo")
	rows := make([]*APIKey, 5000)
	texts := make([]string, len(rows))
	for i := range rows {
		id := fmt.Sprint("k", i)
		texts[i] = keyText(w.secret, AccountKey, id, 0)
		rows[i] = &APIKey{Meta: meta(id), Kind: AccountKey, UserID: u.ID, Seq: int32(i + 1), Hash: keyHash(texts[i])}
	}
	put(w, apikeys, rows...)
	a := w.Authenticator(Accounts)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := a.Key(w.ctx(), texts[i%len(texts)], "", ""); err != nil {
			b.Fatal(err)
		}
	}
}

// A login costs what the hash costs.
func BenchmarkAuthenticateFull(b *testing.B) {
	w := newBench(b, WithHashCost(DefaultHashCost))
	w.user("neo")
	a := w.Authenticator(Accounts)
	for b.Loop() {
		w.verified = newVerified()
		must(a.Password(w.ctx(), "neo", "secret-neo"))(b)
	}
}
