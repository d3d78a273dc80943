package policy_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/policy"
)

func TestParseGrantURI(t *testing.T) {
	tests := map[string]struct {
		in   string
		want policy.GrantPath
		kind atoll.Kind
	}{
		"a runtime":                               {in: "/api/runtimes/r1", want: policy.GrantPath{Ref: "r1"}},
		"all below a runtime":                     {in: "/api/runtimes/neo-r1/*", want: policy.GrantPath{Ref: "neo-r1", Star: true}},
		"a path below a runtime":                  {in: "/api/runtimes/r1/actors/a/shunt", want: policy.GrantPath{Ref: "r1", Path: "/actors/a/shunt"}},
		"all below a path":                        {in: "/api/runtimes/r1/actors/*", want: policy.GrantPath{Ref: "r1", Path: "/actors", Star: true}},
		"a trailing slash is ignored":             {in: "/api/runtimes/r1/", want: policy.GrantPath{Ref: "r1"}},
		"the query is dropped":                    {in: "/api/runtimes/r1/stats?x=/*", want: policy.GrantPath{Ref: "r1", Path: "/stats"}},
		"escapes are read once":                   {in: "/api/runtimes/%721/actors/my%20actor", want: policy.GrantPath{Ref: "r1", Path: "/actors/my actor"}},
		"an escaped slash stays in its segment":   {in: "/api/runtimes/r1/actors/a%2Fb", want: policy.GrantPath{Ref: "r1", Path: "/actors/a%2Fb"}},
		"an escaped star is a name":               {in: "/api/runtimes/r1/actors/%2A", want: policy.GrantPath{Ref: "r1", Path: "/actors/*"}},
		"nothing is refused":                      {in: "", kind: atoll.Invalid},
		"everything is refused":                   {in: "/*", kind: atoll.Invalid},
		"the whole API is refused":                {in: "/api/*", kind: atoll.Invalid},
		"all runtimes are refused":                {in: "/api/runtimes/", kind: atoll.Invalid},
		"all runtimes by a star are refused":      {in: "/api/runtimes/*", kind: atoll.Invalid},
		"another collection is refused":           {in: "/api/users/neo", kind: atoll.Invalid},
		"a relative path is refused":              {in: "api/runtimes/r1", kind: atoll.Invalid},
		"a whole URL is refused":                  {in: "http://x/api/runtimes/r1", kind: atoll.Invalid},
		"a star inside is refused":                {in: "/api/runtimes/r1/*/stats", kind: atoll.Invalid},
		"a star within a name is refused":         {in: "/api/runtimes/r1/ac*", kind: atoll.Invalid},
		"two stars are refused":                   {in: "/api/runtimes/r1/*/*", kind: atoll.Invalid},
		"an empty segment is refused":             {in: "/api/runtimes/r1//stats", kind: atoll.Invalid},
		"a segment that goes up is refused":       {in: "/api/runtimes/r1/../r2", kind: atoll.Invalid},
		"an escaped one is refused too":           {in: "/api/runtimes/r1/%2e%2e/r2", kind: atoll.Invalid},
		"a bad escape is refused":                 {in: "/api/runtimes/r1/%zz", kind: atoll.Invalid},
		"a fragment is refused":                   {in: "/api/runtimes/r1/actors#x", kind: atoll.Invalid},
		"control characters are refused":          {in: "/api/runtimes/r1/a%00", kind: atoll.Invalid},
		"text that is not UTF-8 is refused":       {in: "/api/runtimes/r1/\xff", kind: atoll.Invalid},
		"an overlong text is refused":             {in: "/api/runtimes/" + strings.Repeat("a", 2048), kind: atoll.Invalid},
		"a slash and a star after it are refused": {in: "/api/runtimes//*", kind: atoll.Invalid},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := policy.ParseGrantURI(tt.in)
			if k := atoll.KindOf(err); k != tt.kind {
				t.Fatalf("ParseGrantURI(%q): %v, want kind %v", tt.in, err, tt.kind)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("ParseGrantURI(%q) mismatch (-want +got):\n%s", tt.in, diff)
			}
		})
	}
}

func TestGrantPathCovers(t *testing.T) {
	tests := map[string]struct {
		uri, suffix string
		want        bool
	}{
		"a runtime covers itself":                       {"/api/runtimes/r", "", true},
		"a runtime covers all below":                    {"/api/runtimes/r", "/actors/a/stats", true},
		"a star does not cover the runtime itself":      {"/api/runtimes/r/*", "", false},
		"a star covers all below the runtime":           {"/api/runtimes/r/*", "/actors", true},
		"a path covers itself":                          {"/api/runtimes/r/actors/a", "/actors/a", true},
		"a path covers what lies below":                 {"/api/runtimes/r/actors/a", "/actors/a/state", true},
		"a path is cut at a slash":                      {"/api/runtimes/r/actors/a", "/actors/ab", false},
		"a path does not cover what lies above":         {"/api/runtimes/r/actors/a", "/actors", false},
		"a path with a star does not cover itself":      {"/api/runtimes/r/actors/*", "/actors", false},
		"a path with a star covers what lies below":     {"/api/runtimes/r/actors/*", "/actors/a", true},
		"a name with a slash in it is not a path below": {"/api/runtimes/r/actors/a/*", policy.CallSuffix("actors", "a/b"), false},
		"a name with a slash in it can be named":        {"/api/runtimes/r/actors/a%2fb", policy.CallSuffix("actors", "a/b", "state"), true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := policy.ParseGrantURI(tt.uri)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Covers(tt.suffix); got != tt.want {
				t.Errorf("%s covers %q = %v, want %v", tt.uri, tt.suffix, got, tt.want)
			}
		})
	}
}

func FuzzParseGrantURI(f *testing.F) {
	for _, s := range []string{"/api/runtimes/r1/*", "/api/runtimes/r1/actors/a%2Fb?x=1", "/api/runtimes/*", "/api/runtimes/a/%2e", "/api/runtimes/a/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := policy.ParseGrantURI(s)
		if err != nil {
			if e, ok := err.(*atoll.Error); !ok || e.Kind != atoll.Invalid || len(e.Findings) != 1 || e.Findings[0].Path != "uri" {
				t.Fatalf("%q: %#v", s, err)
			}
			return
		}
		if p.Ref == "" || p.Path != "" && p.Path[0] != '/' || strings.Contains(p.Path, "//") || strings.HasSuffix(p.Path, "/") {
			t.Fatalf("%q gives %+v", s, p)
		}
		if p.Covers(p.Path) == p.Star || !p.Covers(p.Path+"/x") || p.Covers(p.Path+"x") {
			t.Fatalf("%q gives %+v, which does not cover what it should", s, p)
		}
	})
}
