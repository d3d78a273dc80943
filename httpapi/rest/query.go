package rest

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/atoll-platform/atoll"
)

// parseQuery splits a raw query into pairs, in order. Empty parts are skipped.
// More than limit pairs, a bad escape, a semicolon, and names or values that
// are not valid UTF-8 are refused.
func parseQuery(raw string, limit int) ([]Pair, error) {
	if raw == "" {
		return nil, nil
	}
	if strings.IndexByte(raw, ';') >= 0 {
		return nil, queryError("it has a semicolon: parameters are separated by &")
	}
	n := 1 + strings.Count(raw, "&")
	if limit > 0 && n > limit {
		if n = countParts(raw); n > limit {
			return nil, queryError(fmt.Sprintf("it has more than %d parameters", limit))
		}
	}
	pairs := make([]Pair, 0, n)
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, valued := strings.Cut(part, "=")
		p := Pair{Bare: !valued}
		var ok1, ok2 bool
		if p.Name, ok1 = unescapeText(name); ok1 {
			p.Value, ok2 = unescapeText(value)
		}
		if !ok1 || !ok2 {
			return nil, queryError("it has a bad escape or text that is not UTF-8")
		}
		pairs = append(pairs, p)
	}
	return pairs, nil
}

func countParts(raw string) (n int) {
	for part := range strings.SplitSeq(raw, "&") {
		if part != "" {
			n++
		}
	}
	return n
}

func unescapeText(s string) (string, bool) {
	if strings.IndexByte(s, '%') >= 0 || strings.IndexByte(s, '+') >= 0 {
		var err error
		if s, err = url.QueryUnescape(s); err != nil {
			return "", false
		}
	}
	return s, validText(s)
}

func queryError(why string) error {
	return &atoll.Error{Kind: atoll.Invalid, Code: CodeSyntax, Op: "rest.parseQuery", Msg: "the query cannot be read: " + why}
}

// param is the last value of a parameter, by the rule's idea of its name.
func (q *QueryRule) param(pairs []Pair, name string) (string, bool) {
	for i := len(pairs) - 1; i >= 0; i-- {
		p := &pairs[i]
		if (p.Name == name || q.FoldNames && strings.EqualFold(p.Name, name)) && (p.Value != "" || !q.EmptyAbsent) {
			return p.Value, true
		}
	}
	return "", false
}
