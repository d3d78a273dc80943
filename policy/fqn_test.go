package policy_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/policy"
)

func TestParseFQN(t *testing.T) {
	tests := map[string]struct {
		in   string
		want policy.FQN
		kind atoll.Kind
	}{
		"a collection has no local name":         {in: "job::/sandbox/neo", want: policy.FQN{Type: "job", Namespace: "/sandbox/neo"}},
		"the root is a namespace":                {in: "job::/", want: policy.FQN{Type: "job", Namespace: "/"}},
		"a local name may have several tokens":   {in: "object::/t/a::books/12", want: policy.FQN{Type: "object", Namespace: "/t/a", Local: "books/12"}},
		"names keep their case":                  {in: "user::/accounts::Neo", want: policy.FQN{Type: "user", Namespace: "/accounts", Local: "Neo"}},
		"all token characters are taken":         {in: "user::/accounts::a.Z_9@b+c~-", want: policy.FQN{Type: "user", Namespace: "/accounts", Local: "a.Z_9@b+c~-"}},
		"a filter may name every type":           {in: "*::/t", want: policy.FQN{Type: "*", Namespace: "/t"}},
		"no separator is refused":                {in: "job", kind: atoll.Invalid},
		"no type is refused":                     {in: "::/a", kind: atoll.Invalid},
		"upper case in a type is refused":        {in: "Job::/a", kind: atoll.Invalid},
		"a type may not begin with a digit":      {in: "1job::/a", kind: atoll.Invalid},
		"a relative namespace is refused":        {in: "job::a", kind: atoll.Invalid},
		"a slash after the namespace is refused": {in: "job::/a/", kind: atoll.Invalid},
		"an empty token is refused":              {in: "job::/a//b", kind: atoll.Invalid},
		"an empty local name is refused":         {in: "job::/a::", kind: atoll.Invalid},
		"a third part is refused":                {in: "job::/a::b::c", kind: atoll.Invalid},
		"a space is refused":                     {in: "job::/a b", kind: atoll.Invalid},
		"a percent sign is refused":              {in: "job::/a%b", kind: atoll.Invalid},
		"a token of 255 bytes is taken":          {in: "job::/" + strings.Repeat("a", 255), want: policy.FQN{Type: "job", Namespace: "/" + strings.Repeat("a", 255)}},
		"a token of 256 bytes is refused":        {in: "job::/" + strings.Repeat("a", 256), kind: atoll.Invalid},
		"more than 1024 bytes are refused":       {in: "job::/" + strings.Repeat("a/", 512) + "a", kind: atoll.Invalid},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := policy.ParseFQN(tt.in)
			if k := atoll.KindOf(err); k != tt.kind {
				t.Fatalf("ParseFQN(%q): %v, want kind %v", tt.in, err, tt.kind)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("ParseFQN(%q) mismatch (-want +got):\n%s", tt.in, diff)
			}
		})
	}
}

func TestCovers(t *testing.T) {
	tests := map[string]struct {
		filter, target string
		want           bool
	}{
		"a name covers itself":                         {"job::/a::b", "job::/a::b", true},
		"the root covers everything of its type":       {"job::/", "job::/a/b::c", true},
		"the root covers nothing of another type":      {"job::/", "package::/a::c", false},
		"a star covers every type":                     {"*::/a", "package::/a::c", true},
		"a namespace covers itself":                    {"job::/a", "job::/a", true},
		"a namespace covers what lies below":           {"job::/a", "job::/a/b::c", true},
		"a namespace is cut at a slash":                {"job::/a", "job::/ab::c", false},
		"a namespace does not cover what lies above":   {"job::/a/b", "job::/a::c", false},
		"a local name covers only its namespace":       {"job::/a::c", "job::/a/b::c", false},
		"a local name covers what lies below it":       {"object::/a::c", "object::/a::c/1", true},
		"a local name is cut at a slash":               {"object::/a::c", "object::/a::c1", false},
		"a local name does not cover the collection":   {"job::/a::c", "job::/a", false},
		"comparison minds the case":                    {"job::/A", "job::/a", false},
		"the collection of a tenant covers its things": {"*::/t/x", "object::/t/x/books::1", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := policy.MustParseFQN(tt.filter).Covers(policy.MustParseFQN(tt.target)); got != tt.want {
				t.Errorf("%s covers %s = %v, want %v", tt.filter, tt.target, got, tt.want)
			}
		})
	}
}

func TestToken(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"plain text is itself":                {"my-service_1.0@x+y", "my-service_1.0@x+y"},
		"other bytes become hex":              {"a b/c", "a~20b~2Fc"},
		"a tilde becomes hex":                 {"~20", "~7E20"},
		"text beyond ASCII becomes its bytes": {"ä", "~C3~A4"},
		"nothing gives the fallback":          {"", "~SV3"},
		"255 bytes fit":                       {strings.Repeat("a", 255), strings.Repeat("a", 255)},
		"256 bytes give the fallback":         {strings.Repeat("a", 256), "~SV3"},
		"85 escaped bytes fit":                {strings.Repeat(" ", 85), strings.Repeat("~20", 85)},
		"86 escaped bytes give the fallback":  {strings.Repeat(" ", 86), "~SV3"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := policy.Token(tt.in, "~SV3"); got != tt.want {
				t.Errorf("Token(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

// Different texts never share a token, and each token is one that an FQN takes.
func TestTokenIsInjective(t *testing.T) {
	text := rapid.OneOf(rapid.StringMatching(`[a~ /2E7%0]{0,8}`), rapid.String())
	rapid.Check(t, func(t *rapid.T) {
		a, b := text.Draw(t, "a"), text.Draw(t, "b")
		x, y := policy.Token(a, "~1"), policy.Token(b, "~2")
		if a != b && x == y {
			t.Fatalf("%q and %q both give %q", a, b, x)
		}
		f := policy.FQN{Type: "job", Namespace: "/a", Local: x}
		if back, err := policy.ParseFQN(f.String()); err != nil || back != f {
			t.Fatalf("%q gives the token %q, which is none: %v", a, x, err)
		}
	})
}

func TestFQNText(t *testing.T) {
	var f policy.FQN
	if err := f.UnmarshalText([]byte("job::/a::b")); err != nil {
		t.Fatal(err)
	}
	if b, _ := f.MarshalText(); string(b) != "job::/a::b" {
		t.Errorf("text is %q", b)
	}
	if err := f.UnmarshalText(nil); err != nil || !f.IsZero() {
		t.Errorf("no text gives %v, %v; want the zero FQN", f, err)
	}
	if err := f.UnmarshalText([]byte("job")); atoll.KindOf(err) != atoll.Invalid {
		t.Errorf("a bad text gives %v", err)
	}
}

func FuzzParseFQN(f *testing.F) {
	for _, s := range []string{"job::/", "job::/a/b::c/d", "*::/t", "job::/a::", "::", "user::/accounts::a@b+c~-", "job::/a::b::c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q, err := policy.ParseFQN(s)
		if err != nil {
			if atoll.KindOf(err) != atoll.Invalid {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		if q.String() != s {
			t.Fatalf("%q prints as %q", s, q)
		}
		if !q.Covers(q) && q.Type != "*" {
			t.Fatalf("%q does not cover itself", s)
		}
	})
}
