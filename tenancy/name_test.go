package tenancy

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/atoll-platform/atoll/policy"
)

// Every name that is taken is a token of an FQN as it stands, folds to the
// name of one account, and never reads as an id.
func FuzzUserName(f *testing.F) {
	for _, s := range []string{"neo", "a.Z_9@b+c-", "account.7", "0b54c6a4-9c46-4d0e-9d3f-000000000001", "..", "zoë", "A", strings.Repeat("a", 64)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		free, coral := len(CheckUserName("name", s, Free)) == 0, len(CheckUserName("name", s, Coral)) == 0
		if coral && !free {
			t.Fatalf("Coral takes %q, which is no name", s)
		}
		if !free {
			return
		}
		if policy.Token(s, "") != s || isUUID(s) || len(s) > 64 {
			t.Fatalf("%q is taken", s)
		}
		if _, err := policy.ParseFQN((&User{Name: s}).FQN().String()); err != nil {
			t.Fatal(err)
		}
		if len(CheckUserName("name", fold(s), Free)) > 0 || len(CheckUserName("name", strings.ToUpper(s), Free)) > 0 {
			t.Fatalf("%q is a name but not in another case", s)
		}
	})
}

func TestFold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "text")
		want := strings.Map(func(r rune) rune {
			if 'A' <= r && r <= 'Z' {
				return r + 'a' - 'A'
			}
			return r
		}, s)
		if got := fold(s); got != want || fold(got) != got {
			t.Fatalf("fold(%q) = %q, want %q", s, got, want)
		}
	})
}

// What is split is joined again, but for the one space that a name ends with.
func TestSplitNamesJoin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		full := rapid.StringMatching(`[A-Za-z]{1,5}( [A-Za-z]{1,5}){0,3}`).Draw(t, "full")
		if first, last := splitName(full); joinName(first, last) != full {
			t.Fatalf("%q splits into %q and %q", full, first, last)
		}
	})
}
