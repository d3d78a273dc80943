package tenancy

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atoll-platform/atoll"
)

func TestPasswordRules(t *testing.T) {
	tests := map[string]struct {
		rule     PasswordRule
		password string
		want     []string // codes
	}{
		"six characters with three different ones pass by default": {PasswordRule{}, "aaaabc", nil},
		"five characters are too few by default":                   {PasswordRule{}, "abcde", []string{"min"}},
		"characters are code points, not bytes":                    {PasswordRule{}, "äöü", []string{"min"}},
		"two different characters are too few":                     {CoralPassword, "ababab", []string{"distinct"}},
		"the name is refused in any case":                          {CoralPassword, "Trinity", []string{"name"}},
		"1024 characters of four bytes pass":                       {CoralPassword, strings.Repeat("😀", 1022) + "ab", []string{}},
		"1025 characters do not":                                   {CoralPassword, strings.Repeat("ab", 512) + "c", []string{"max"}},
		"seven characters are too few for CxEngage":                {CxEngagePassword, "aaaaaaa", []string{"min"}},
		"eight equal ones are enough":                              {CxEngagePassword, "aaaaaaaa", []string{}},
		"129 are too many":                                         {CxEngagePassword, strings.Repeat("a", 129), []string{"max"}},
		"one character is enough for Syncano":                      {SyncanoPassword, "a", []string{}},
		"none is not":                                              {SyncanoPassword, "", []string{"min"}},
		"an end user's has 128 at most":                            {EndUserPassword, strings.Repeat("a", 129), []string{"max"}},
		"no rule takes more than can be checked":                   {PasswordRule{Min: 1, Max: 5000}, strings.Repeat("a", 1025), []string{"max"}},
		"a rule without a maximum has one":                         {PasswordRule{Min: 1}, strings.Repeat("a", 1025), []string{"max"}},
		"text that is not UTF-8 is refused":                        {SyncanoPassword, "\xff", []string{"text"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := []string{}
			for _, f := range tt.rule.Check("password", tt.password, "trinity") {
				got = append(got, f.Code)
				if tt.password != "" && len(tt.password) > 3 && strings.Contains(f.Msg, tt.password) {
					t.Errorf("the finding tells the password: %s", f.Msg)
				}
			}
			diff(t, "findings", append([]string{}, tt.want...), got)
		})
	}
}

func TestHasher(t *testing.T) {
	h := newHasher(cheap)
	ctx := context.Background()
	a, b := must(h.hash(ctx, "red pill"))(t), must(h.hash(ctx, "red pill"))(t)
	if string(a.Hash) == string(b.Hash) || len(unseal(a.Hash)) != hashBytes || len(unseal(a.Salt)) != saltBytes {
		t.Error("two hashes of one password are not salted apart")
	}
	if a.Algo != "argon2id" || a.Params != cheap {
		t.Errorf("the row says %s %+v", a.Algo, a.Params)
	}
	tests := map[string]struct {
		c        *Credential
		password string
		want     bool
	}{
		"the password":                           {a, "red pill", true},
		"another password":                       {a, "blue pill", false},
		"no password":                            {a, "", false},
		"nobody's password":                      {nil, "red pill", false},
		"the password that the dummy stands for": {nil, "", false},
		"a hash of an unknown kind":              {&Credential{Algo: "md5", Hash: a.Hash, Salt: a.Salt, Params: cheap}, "red pill", false},
		"an empty hash":                          {&Credential{Algo: algoArgon2id, Params: cheap}, "red pill", false},
		"a row of another cost than the present": {must(newHasher(HashCost{Time: 2, Memory: 16, Threads: 1}).hash(ctx, "red pill"))(t), "red pill", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := must(h.verify(ctx, tt.c, tt.password))(t); got != tt.want {
				t.Errorf("right = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestHashersTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHasher(cheap)
		var release []func()
		for range cap(h.turns) {
			release = append(release, must(h.turn(t.Context()))(t))
		}
		start := time.Now()
		_, err := h.hash(t.Context(), "x")
		wantKind(t, err, atoll.Overloaded, "")
		if w := time.Since(start); w != time.Second {
			t.Errorf("refused after %v, want 1s", w)
		}
		if e := err.(*atoll.Error); e.RetryAfter <= 0 {
			t.Error("it does not say when to try again")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = h.verify(ctx, nil, "x")
		wantKind(t, err, atoll.Canceled, "")
		go func() {
			time.Sleep(time.Second / 2)
			release[0]()
		}()
		if _, err := h.hash(t.Context(), "x"); err != nil {
			t.Errorf("a turn that comes free in time is not taken: %v", err)
		}
	})
}

func TestVerifiedPasswords(t *testing.T) {
	v := newVerified()
	now := time.Unix(0, 0)
	m := v.mark("user:1", 7, "hash", "password")
	if v.knows(m, now) {
		t.Error("it knows what it never learned")
	}
	v.learn(m, now)
	for name, other := range map[string][32]byte{
		"another subject":           v.mark("user:2", 7, "hash", "password"),
		"a credential set later":    v.mark("user:1", 8, "hash", "password"),
		"another credential":        v.mark("user:1", 7, "hush", "password"),
		"another password":          v.mark("user:1", 7, "hash", "Password"),
		"the parts cut elsewhere":   v.mark("user:1", 7, "hashp", "assword"),
		"the same under a new life": newVerified().mark("user:1", 7, "hash", "password"),
	} {
		if v.knows(other, now) {
			t.Errorf("%s is taken for what was learned", name)
		}
	}
	if !v.knows(m, now.Add(5*time.Minute-1)) {
		t.Error("it forgets within five minutes")
	}
	if v.knows(m, now.Add(5*time.Minute)) || v.knows(m, now) {
		t.Error("it remembers for longer than five minutes")
	}
	for i := range 3 * verifiedLimit {
		v.learn(v.mark("user:1", uint64(i), "", "x"), now)
	}
	if n := v.seen.len(); n > verifiedLimit {
		t.Errorf("it remembers %d, bound %d", n, verifiedLimit)
	}
}

func TestRecentForgetsWhatIsNotUsed(t *testing.T) {
	r := newRecent[int, int](100)
	r.put(-1, 1)
	for i := range 1000 {
		r.put(i, i)
		if v, ok := r.get(-1); !ok || v != 1 {
			t.Fatalf("what is used all the time is forgotten after %d", i)
		}
		if n := r.len(); n > 100 {
			t.Fatalf("it holds %d, bound 100", n)
		}
	}
	if _, ok := r.get(0); ok {
		t.Error("what is never used is not forgotten")
	}
	r.drop(-1)
	if _, ok := r.get(-1); ok {
		t.Error("what is dropped is still there")
	}
}

func TestVerifyPassword(t *testing.T) {
	b := newBench(t, WithMode(AcceptAll))
	b.must(b.EnsureImplicit(b.ctx()))
	b.user("neo")
	tests := map[string]struct {
		ref, password string
		want          bool
		kind          atoll.Kind
	}{
		"the password":              {"neo", "secret-neo", true, 0},
		"another":                   {"neo", "secret", false, 0},
		"none":                      {"neo", "", false, 0},
		"one without end":           {"neo", strings.Repeat("x", 5000), false, 0},
		"of an account without one": {"coral", "x", false, 0},
		"of nobody":                 {"nobody", "x", false, atoll.NotFound},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := b.Users().VerifyPassword(b.ctx(), tt.ref, tt.password)
			wantKind(t, err, tt.kind, "")
			if got != tt.want {
				t.Errorf("right = %v, want %v", got, tt.want)
			}
		})
	}
}
