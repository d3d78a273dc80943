package policy

import (
	"fmt"
	"strings"

	"github.com/atoll-platform/atoll"
)

// AnyScope is the scope that admits every question.
const AnyScope = "*"

// CheckScopes returns a finding for every text that is not a scope. A scope is
// "<type>.<action>", "<type>.*" or "*". An empty list that is not nil would
// admit nothing and is a finding too.
func CheckScopes(path string, scopes []string) []atoll.Finding {
	var fs []atoll.Finding
	if scopes != nil && len(scopes) == 0 {
		fs = append(fs, atoll.Finding{Path: path, Code: "scopes", Msg: path + " names at least one scope, or is left out for no restriction"})
	}
	for i, s := range scopes {
		typ, action, ok := strings.Cut(s, ".")
		if s == AnyScope || ok && typ != "*" && validType(typ) && (action == "*" || validType(action) && action != "*") {
			continue
		}
		fs = append(fs, atoll.Finding{Path: fmt.Sprintf("%s/%d", path, i), Code: "scope",
			Msg: fmt.Sprintf("%.64q is not a scope: want <type>.<action>, <type>.* or *", s)})
	}
	return fs
}

// InScope reports whether one of scopes admits action on a resource of type
// typ. No list, nil, is no restriction; an empty list admits nothing.
func InScope(scopes []string, typ string, action Action) bool {
	if scopes == nil {
		return true
	}
	for _, s := range scopes {
		if s == AnyScope {
			return true
		}
		if len(s) > len(typ) && s[:len(typ)] == typ && s[len(typ)] == '.' {
			if a := s[len(typ)+1:]; a == "*" || a == string(action) {
				return true
			}
		}
	}
	return false
}
