package policy

import "strings"

// RealmForm says which local names a realm covers.
type RealmForm uint8

// The forms of realm.
const (
	Subtree RealmForm = iota // the namespace and everything below it
	Exactly                  // "::": the namespace itself, with or without a local name
	Named                    // "::x": that namespace and that whole local name
)

// Realm is a set of resources, as the head of a policy or the operand of
// fqnMatch names it.
type Realm struct {
	Text      string // as written
	Type      string // "*" is every type; "all" is read as "*"
	Namespace []string
	Form      RealmForm
	Local     []string // tokens of the local name; the single token "*" is any name
	Pos       Pos
}

// Any reports whether the realm covers every local name of one namespace.
func (r *Realm) Any() bool { return r.Form == Named && len(r.Local) == 1 && r.Local[0] == "*" }

// parseRealm reads the text form of a realm; what says which rule a
// malformed text breaks.
func parseRealm(s string) (r Realm, what string) { return parseRealmIn(&slab[string]{}, s) }

// parseRealmIn is parseRealm with the tokens in a slab.
func parseRealmIn(mem *slab[string], s string) (r Realm, what string) {
	r.Text = s
	typ, rest, ok := strings.Cut(s, "::")
	switch {
	case !ok:
		return r, "a realm is type::/namespace"
	case typ == "*" || typ == "all":
		r.Type = "*"
	case typ != "*" && validType(typ):
		r.Type = typ
	default:
		return r, "the type of a realm is lower-case letters and digits, or *"
	}
	ns, local, named := strings.Cut(rest, "::")
	if ns == "" || ns[0] != '/' {
		return r, "the namespace of a realm starts with /"
	}
	if ns = strings.TrimSuffix(ns[1:], "/"); ns != "" {
		if r.Namespace, ok = realmTokens(mem, ns); !ok {
			return r, "the namespace of a realm is tokens joined by /; a template or * is a whole token"
		}
	} else if rest[:min(2, len(rest))] == "//" {
		return r, "the namespace of a realm is tokens joined by /"
	}
	switch {
	case !named:
	case local == "":
		r.Form = Exactly
	default:
		r.Form = Named
		if r.Local, ok = realmTokens(mem, local); !ok {
			return r, "the local name of a realm is tokens joined by /; a template or * is a whole token"
		}
	}
	return r, ""
}

func realmTokens(mem *slab[string], s string) ([]string, bool) {
	tokens := mem.list(strings.Count(s, "/") + 1)[:0]
	for {
		tok, rest, more := strings.Cut(s, "/")
		if tok != "*" && !(tok != "" && tok[0] == '[' && templateLen(tok) == len(tok)) && !isRealmToken(tok) {
			return nil, false
		}
		tokens = append(tokens, tok)
		if !more {
			return tokens, true
		}
		s = rest
	}
}

func isRealmToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; !tokenByte[c] && c != '%' && c != '$' {
			return false
		}
	}
	return s != ""
}

// isTemplate reports whether a realm token is a template.
func isTemplate(tok string) bool { return tok[0] == '[' }

// isFree reports whether a realm token covers more than one text.
func isFree(tok string) bool { return tok == "*" || isTemplate(tok) }

// Covers reports whether t lies in the realm: the types agree, each token of
// the realm is equal to that of t, * or a template, and one template stands
// for one text.
func (r *Realm) Covers(t Target) bool {
	if r.Type != "*" && r.Type != t.Type || r.Form == Named && t.Local == "" {
		return false
	}
	rest, ok := coversTokens(r.Namespace, strings.TrimPrefix(t.Namespace, "/"))
	if !ok || r.Form != Subtree && rest {
		return false
	}
	if r.Form == Named && !r.Any() {
		if rest, ok = coversTokens(r.Local, t.Local); !ok || rest {
			return false
		}
	}
	return r.repeats(t)
}

// coversTokens matches pattern with the first tokens of s and reports whether
// tokens were left over. It does not look at what templates stand for.
func coversTokens(pattern []string, s string) (rest, ok bool) {
	for _, p := range pattern {
		if s == "" {
			return false, false
		}
		tok, tail := s, ""
		if i := strings.IndexByte(s, '/'); i >= 0 {
			tok, tail = s[:i], s[i+1:]
		}
		if p != tok && !isFree(p) {
			return false, false
		}
		s = tail
	}
	return s != "", true
}

// repeats reports whether templates that occur twice stand for equal tokens.
func (r *Realm) repeats(t Target) bool {
	at := func(i int) (string, int32) {
		if i < len(r.Namespace) {
			return r.Namespace[i], int32(i + 1)
		}
		return r.Local[i-len(r.Namespace)], int32(len(r.Namespace) - i - 1)
	}
	n := len(r.Namespace) + len(r.Local)
	for i := range n {
		a, place := at(i)
		if !isTemplate(a) {
			continue
		}
		for j := range i {
			if b, first := at(j); a == b && tokenOf(t, first) != tokenOf(t, place) {
				return false
			}
		}
	}
	return true
}

// binding is one template with the token it stands for.
type binding struct{ name, text string }

// match is Covers that also returns what the templates stand for.
func (r *Realm) match(t Target) ([]binding, bool) {
	if !r.Covers(t) {
		return nil, false
	}
	var bound []binding
	bind := func(tokens []string, sign int32) {
		for i, tok := range tokens {
			if isTemplate(tok) {
				if _, seen := lookup(bound, tok[1:len(tok)-1]); !seen {
					bound = append(bound, binding{tok[1 : len(tok)-1], tokenOf(t, sign*int32(i+1))})
				}
			}
		}
	}
	bind(r.Namespace, 1)
	bind(r.Local, -1)
	return bound, true
}

// Target is the resource that a query is about: an FQN without * whose local
// name may be missing.
type Target = FQN

// parseTarget reads v as a target, for fqnMatch.
func parseTarget(v string) (Target, bool) {
	typ, rest, ok := strings.Cut(v, "::")
	if !ok || typ == "*" || !validType(typ) {
		return Target{}, false
	}
	ns, local, named := strings.Cut(rest, "::")
	if ns == "" || ns[0] != '/' {
		return Target{}, false
	}
	if len(ns) > 1 {
		ns = strings.TrimSuffix(ns, "/")
		if !targetTokens(ns[1:]) {
			return Target{}, false
		}
	}
	if named && !targetTokens(local) {
		return Target{}, false
	}
	return Target{Type: typ, Namespace: ns, Local: local}, true
}

func targetTokens(s string) bool {
	for {
		tok, rest, more := strings.Cut(s, "/")
		if !isRealmToken(tok) {
			return false
		}
		if !more {
			return true
		}
		s = rest
	}
}

// fqnMatch reports whether the realm that w spells covers the target that v
// spells; it is false if either is malformed.
func fqnMatch(v, w string) bool {
	t, ok := parseTarget(v)
	if !ok {
		return false
	}
	r, what := parseRealm(w)
	return what == "" && r.Covers(t)
}

// depth orders realms for "the deepest one counts": by namespace tokens, and
// at equal depth one with a local part is deeper.
func (r *Realm) depth() int {
	d := 2 * len(r.Namespace)
	if r.Form != Subtree {
		d++
	}
	return d
}

// scope is the realm for one target: templates are replaced by what they
// stand for.
func (r *Realm) scope(bound []binding) string {
	if len(bound) == 0 {
		return r.Text
	}
	return substitute(r.Text, bound)
}

// substitute replaces the bound templates in s.
func substitute(s string, bound []binding) string {
	if len(bound) == 0 || strings.IndexByte(s, '[') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if s[i] == '[' {
			if n := templateLen(s[i:]); n > 0 {
				if text, ok := lookup(bound, s[i+1:i+n-1]); ok {
					b.WriteString(text)
					i += n
					continue
				}
			}
		}
		b.WriteByte(s[i])
		i++
	}
	return b.String()
}

func lookup(bound []binding, name string) (string, bool) {
	for _, b := range bound {
		if b.name == name {
			return b.text, true
		}
	}
	return "", false
}
