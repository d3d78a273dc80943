package policy

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/atoll-platform/atoll"
)

// grantRoot is what the URI of every grant lies under.
const grantRoot = "/api/runtimes/"

// MaxGrantURI is the length of the longest URI a grant may be written with, in bytes.
const MaxGrantURI = 2048

// Methods are the verbs a grant may name; "*" stands for all of them.
func Methods() []string { return slices.Clone(methods) }

var methods = []string{"GET", "POST", "PUT", "PATCH", "DELETE", "*"}

// ValidMethod reports whether m is a verb a grant may name, or "*".
func ValidMethod(m string) bool { return slices.Contains(methods, m) }

// GrantPath is the URI of a grant, read. Ref is the reference to the runtime
// as it was written; Path is the canonical suffix below the runtime, without
// the star.
type GrantPath struct {
	Ref  string // "r1", "neo-r1" or a UUID
	Path string // "" is the runtime itself, else "/actors/a"
	Star bool   // the URI ended in "/*": only what lies below
}

// ParseGrantURI reads the URI of a grant: a path under /api/runtimes/<ref>
// that may end in "/*". The query is dropped, one trailing slash is ignored,
// and each segment is unescaped once, so every spelling of a path is one Path.
//
// Invalid, with a finding for "uri": the URI names no single runtime, holds a
// star elsewhere, an empty or dot segment, or text that is no path.
func ParseGrantURI(uri string) (GrantPath, error) {
	fail := func(rule string) (GrantPath, error) {
		return GrantPath{}, &atoll.Error{Kind: atoll.Invalid, Op: "policy.ParseGrantURI", Msg: "uri is missing or not valid: " + rule,
			Findings: []atoll.Finding{{Path: "uri", Code: "uri", Msg: rule}}}
	}
	if uri == "" {
		return fail("uri is required")
	}
	if len(uri) > MaxGrantURI || !utf8.ValidString(uri) {
		return fail("uri has at most 2048 bytes of UTF-8 text")
	}
	path, _, _ := strings.Cut(uri, "?")
	rest, ok := strings.CutPrefix(path, grantRoot)
	if !ok {
		return fail("uri lies under /api/runtimes/ and names one runtime")
	}
	var p GrantPath
	if below, ok := strings.CutSuffix(rest, "/*"); ok {
		p.Star, rest = true, below
	} else {
		rest = strings.TrimSuffix(rest, "/")
	}
	segments := strings.Split(rest, "/")
	if segments[0] == "" || segments[0] == "*" {
		return fail("uri lies under /api/runtimes/ and names one runtime")
	}
	for i, s := range segments {
		if strings.ContainsRune(s, '*') {
			return fail("a star may stand only at the end, as /*")
		}
		plain, err := url.PathUnescape(s)
		switch {
		case err != nil || !utf8.ValidString(plain) || strings.ContainsFunc(plain, control):
			return fail("each segment of uri is text, escaped as in a URL")
		case strings.ContainsRune(s, '#'):
			return fail("uri has no fragment")
		case plain == "" || plain == "." || plain == "..":
			return fail("uri has no empty segment and no . or ..")
		}
		segments[i] = plain
	}
	p.Ref, p.Path = segments[0], CallSuffix(segments[1:]...)
	return p, nil
}

func control(r rune) bool { return r < 0x20 || r == 0x7f }

// CallSuffix returns the canonical suffix of a call below a runtime:
// CallSuffix() is "", CallSuffix("actors", "a", "stats") is "/actors/a/stats".
// Within a segment "/" and "%" are escaped, so a name cannot pass for a path;
// a name without them appears as it is.
func CallSuffix(segments ...string) string {
	n := 0
	for _, s := range segments {
		n += 1 + len(s)
	}
	var b strings.Builder
	b.Grow(n)
	for _, s := range segments {
		b.WriteByte('/')
		if strings.ContainsAny(s, "/%") {
			s = suffixEscaper.Replace(s)
		}
		b.WriteString(s)
	}
	return b.String()
}

var suffixEscaper = strings.NewReplacer("%", "%25", "/", "%2F")

// Covers reports whether a grant on p matches a call on suffix: without a star
// the path itself and all below it, with a star only what lies below. "Below"
// continues at a slash.
func (p GrantPath) Covers(suffix string) bool { return coversSuffix(p.Path, p.Star, suffix) }

func coversSuffix(path string, star bool, suffix string) bool {
	if !strings.HasPrefix(suffix, path) {
		return false
	}
	if len(suffix) == len(path) {
		return !star
	}
	return suffix[len(path)] == '/'
}
