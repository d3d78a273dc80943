package ldap

import (
	"slices"
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func sorted(less func(a, b string) bool) cmp.Option { return cmpopts.SortSlices(less) }

func TestEscapeValue(t *testing.T) {
	// Examples of RFC 4514, sections 2.4 and 4, and what surrounds them.
	tests := map[string]struct{ in, want string }{
		"plain text stays":                    {"James Smith", "James Smith"},
		"characters that separate":            {`Smith, "J", III`, `Smith\2C \22J\22\2C III`},
		"plus, semicolon and angles":          {"a+b;c<d>e", `a\2Bb\3Bc\3Cd\3Ee`},
		"a backslash":                         {`a\b`, `a\5Cb`},
		"spaces at the ends":                  {"  a  ", `\20 a \20`},
		"one space":                           {" ", `\20`},
		"a number sign at the beginning":      {"#a#", `\23a#`},
		"NUL and controls":                    {"a\x00\r\n\x7f", `a\00\0D\0A\7F`},
		"letters of all languages stay":       {"Lučić", "Lučić"},
		"what means something in filters not": {"*()", "*()"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := escapeValue(tt.in); got != tt.want {
				t.Errorf("escapeValue(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

// FuzzName holds that a login name is one value of the distinguished name and
// of the filter, and nothing else, whatever it looks like.
func FuzzName(f *testing.F) {
	for _, s := range []string{"ann", "*", "ann)(uid=*", "ann,ou=x", "a+b=c", "\x00", " a ", "#", `\`, `\2C`, "é", "a=b", "\r\n", `"`, ";<>"} {
		f.Add(s)
	}
	d, err := New("h", "uid={user},ou=People+l={user},dc=example")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if !usable(name) {
			return
		}
		dn, err := goldap.ParseDN(d.distinguished(name))
		if err != nil {
			t.Fatalf("name %q makes no distinguished name: %v", name, err)
		}
		var got []string
		for _, r := range dn.RDNs {
			for _, a := range r.Attributes {
				got = append(got, a.Type+"="+a.Value)
			}
		}
		if want := []string{"uid=" + name, "ou=People", "l=" + name, "dc=example"}; !slices.Equal(got, want) {
			t.Fatalf("name %q is read as %q, want %q", name, got, want)
		}
		p, err := goldap.CompileFilter(filter(name))
		if err != nil || p.Tag != goldap.FilterEqualityMatch {
			t.Fatalf("name %q makes no simple filter: %v", name, err)
		}
		if v := p.Children[1].Data.String(); v != name || p.Children[0].Data.String() != "uid" {
			t.Fatalf("name %q is searched as %q", name, v)
		}
		if !sameName(d.distinguished(name), strings.ToUpper(d.template[:4])+d.distinguished(name)[4:]) {
			t.Fatalf("name %q is not itself", name)
		}
	})
}
