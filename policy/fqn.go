package policy

import (
	"fmt"
	"strings"

	"github.com/atoll-platform/atoll"
)

// Limits of names, in bytes.
const (
	MaxToken = 255
	MaxFQN   = 1024
)

// FQN is the fully qualified name of one resource or of a collection:
// type::/namespace::local. Policy, audit and change stream address everything
// by it. The zero FQN names nothing. Values made by ParseFQN or built from
// tokens made by Token are valid; comparison is by ==, case-sensitive.
type FQN struct {
	Type      string // "job"; "*" only in filters
	Namespace string // "/" or "/a/b", never with a trailing slash but the root's
	Local     string // "" for a collection, else tokens joined by "/"
}

// ParseFQN reads the text form. A trailing slash after the namespace is
// refused. Invalid names the rule that was broken.
func ParseFQN(s string) (FQN, error) {
	const op = "policy.ParseFQN"
	if len(s) > MaxFQN {
		return FQN{}, atoll.Errorf(atoll.Invalid, op, "a name has at most %d bytes", MaxFQN)
	}
	typ, rest, ok := strings.Cut(s, "::")
	if !ok {
		return FQN{}, atoll.Errorf(atoll.Invalid, op, "%.64q: want type::/namespace::name", s)
	}
	ns, local, hasLocal := strings.Cut(rest, "::")
	if !validType(typ) {
		return FQN{}, atoll.Errorf(atoll.Invalid, op, "%.64q: the type is lower-case letters and digits", s)
	}
	if !validNamespace(ns) {
		return FQN{}, atoll.Errorf(atoll.Invalid, op, "%.64q: the namespace is / or tokens that each follow a /", s)
	}
	if hasLocal && !validTokens(local) {
		return FQN{}, atoll.Errorf(atoll.Invalid, op, "%.64q: the local name is tokens joined by /", s)
	}
	return FQN{Type: typ, Namespace: ns, Local: local}, nil
}

// MustParseFQN is ParseFQN for tests and examples; it panics on an error.
func MustParseFQN(s string) FQN {
	f, err := ParseFQN(s)
	if err != nil {
		panic(err)
	}
	return f
}

// String returns the text form, which ParseFQN reads back.
func (f FQN) String() string {
	if f.Local == "" {
		return f.Type + "::" + f.Namespace
	}
	return f.Type + "::" + f.Namespace + "::" + f.Local
}

// AppendText appends the text form to b.
func (f FQN) AppendText(b []byte) ([]byte, error) {
	b = append(b, f.Type...)
	b = append(b, "::"...)
	b = append(b, f.Namespace...)
	if f.Local != "" {
		b = append(b, "::"...)
		b = append(b, f.Local...)
	}
	return b, nil
}

// MarshalText returns the text form.
func (f FQN) MarshalText() ([]byte, error) { return f.AppendText(nil) }

// UnmarshalText reads the text form; the empty text is the zero FQN.
func (f *FQN) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*f = FQN{}
		return nil
	}
	v, err := ParseFQN(string(b))
	if err != nil {
		return err
	}
	*f = v
	return nil
}

// IsZero reports whether f names nothing.
func (f FQN) IsZero() bool { return f == FQN{} }

// Covers reports whether f, read as a filter, matches target: the type is
// equal or *, the namespace is equal or above, and a local name in f demands
// the same namespace and the same local name or one below it.
func (f FQN) Covers(target FQN) bool {
	if f.Type != "*" && f.Type != target.Type {
		return false
	}
	if f.Local != "" {
		return f.Namespace == target.Namespace && below(target.Local, f.Local)
	}
	return InNamespace(target.Namespace, f.Namespace)
}

// InNamespace reports whether namespace ns is root or lies in it.
func InNamespace(ns, root string) bool { return root == "/" || below(ns, root) }

func below(s, prefix string) bool {
	return strings.HasPrefix(s, prefix) && (len(s) == len(prefix) || s[len(prefix)] == '/')
}

// Token makes a valid token of any text: s itself if it is one and holds no
// "~", else every other byte becomes ~XX in upper-case hex. If that is too
// long the fallback, for example "~SV3", is used. Different texts give
// different tokens; nothing parses one back.
func Token(s, fallback string) string {
	plain := s != "" && len(s) <= MaxToken
	for i := 0; plain && i < len(s); i++ {
		plain = tokenByte[s[i]] && s[i] != '~'
	}
	if plain {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; tokenByte[c] && c != '~' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "~%02X", c)
		}
	}
	if b.Len() == 0 || b.Len() > MaxToken {
		return fallback
	}
	return b.String()
}

var tokenByte = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("._@+~-", byte(c)) >= 0
	}
	return t
}()

func validType(s string) bool {
	if s == "*" {
		return true
	}
	for i := range len(s) {
		if c := s[i]; !(c >= 'a' && c <= 'z' || i > 0 && c >= '0' && c <= '9') {
			return false
		}
	}
	return s != ""
}

func validNamespace(s string) bool {
	return s == "/" || len(s) > 1 && s[0] == '/' && validTokens(s[1:])
}

func validTokens(s string) bool {
	n := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '/':
			if n == 0 {
				return false
			}
			n = 0
		case !tokenByte[c]:
			return false
		default:
			if n++; n > MaxToken {
				return false
			}
		}
	}
	return n > 0
}
