package ldap

import (
	"strings"
	"unicode/utf8"

	goldap "github.com/go-ldap/ldap/v3"
)

const (
	userMark = "{user}"
	maxName  = 256 // bytes of a login name
)

// checkTemplate says what is wrong with the template of a distinguished name.
func checkTemplate(t string) string {
	if !strings.Contains(t, userMark) {
		return "must have {user} where the login name goes"
	}
	whole, err := goldap.ParseDN(strings.ReplaceAll(t, userMark, "x"))
	if err != nil || len(whole.RDNs) == 0 {
		return "must be a distinguished name, such as uid={user},ou=People,dc=example,dc=com"
	}
	if marked, err := goldap.ParseDN(strings.ReplaceAll(t, userMark, escapeValue("a,b+c=d"))); err != nil || !sameShape(whole, marked) {
		return "must have {user} in the place of a value"
	}
	return ""
}

// sameShape says whether two names have the same attributes, whatever their
// values.
func sameShape(a, b *goldap.DN) bool {
	if len(a.RDNs) != len(b.RDNs) {
		return false
	}
	for i, r := range a.RDNs {
		if len(r.Attributes) != len(b.RDNs[i].Attributes) {
			return false
		}
		for j, at := range r.Attributes {
			if !strings.EqualFold(at.Type, b.RDNs[i].Attributes[j].Type) {
				return false
			}
		}
	}
	return true
}

// usable says whether a login name can be one at all.
func usable(name string) bool {
	return name != "" && len(name) <= maxName && utf8.ValidString(name)
}

// distinguished returns the distinguished name of a login name.
func (d *Directory) distinguished(name string) string {
	return strings.ReplaceAll(d.template, userMark, escapeValue(name))
}

// escapeValue escapes a value of a distinguished name by RFC 4514, in
// hexadecimal, and control characters with it.
func escapeValue(v string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(v) {
		c := v[i]
		edge := c == ' ' && (i == 0 || i == len(v)-1) || c == '#' && i == 0
		if c < ' ' || c == 0x7f || edge || strings.IndexByte(`"+,;<>\`, c) >= 0 {
			b.WriteByte('\\')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// filter returns the search for the entry of a login name, by RFC 4515.
func filter(name string) string { return "(uid=" + goldap.EscapeFilter(name) + ")" }

// sameName says whether two distinguished names are one, in any case.
func sameName(a, b string) bool {
	x, err := goldap.ParseDN(a)
	if err != nil {
		return false
	}
	y, err := goldap.ParseDN(b)
	return err == nil && x.EqualFold(y)
}
