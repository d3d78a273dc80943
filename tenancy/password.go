package tenancy

import (
	"fmt"
	"unicode/utf8"

	"github.com/atoll-platform/atoll"
)

// maxPasswordBytes bounds every password before anything is done with it:
// 1024 code points of four bytes.
const maxPasswordBytes = 4096

// PasswordRule is what an API asks of a new password. Lengths count code
// points. A password that was set under one rule works everywhere.
type PasswordRule struct {
	Min, Max int
	Distinct int  // different characters, at least
	NotName  bool // the password is not the user's name, in any case
}

// The rules of the APIs.
var (
	CoralPassword    = PasswordRule{Min: 6, Max: 1024, Distinct: 3, NotName: true} // also the default in Go
	CxEngagePassword = PasswordRule{Min: 8, Max: 128}
	SyncanoPassword  = PasswordRule{Min: 1, Max: 1024}
	EndUserPassword  = PasswordRule{Min: 1, Max: 128}
)

// Check returns everything in which password breaks the rule for the user
// called name. The zero rule is CoralPassword. A finding never holds the
// password.
func (r PasswordRule) Check(path, password, name string) []atoll.Finding {
	if r == (PasswordRule{}) {
		r = CoralPassword
	}
	var fs []atoll.Finding
	add := func(code, format string, args ...any) {
		fs = append(fs, atoll.Finding{Path: path, Code: code, Msg: path + " " + fmt.Sprintf(format, args...)})
	}
	if !utf8.ValidString(password) {
		add("text", "is not UTF-8 text")
		return fs
	}
	n := utf8.RuneCountInString(password)
	if n < r.Min {
		add("min", "has at least %d characters", r.Min)
	}
	limit := maxPasswordBytes / utf8.UTFMax
	if r.Max > 0 {
		limit = min(limit, r.Max)
	}
	if n > limit {
		add("max", "has at most %d characters", limit)
		return fs
	}
	if r.Distinct > 0 {
		seen := make(map[rune]struct{}, r.Distinct)
		for _, c := range password {
			if seen[c] = struct{}{}; len(seen) >= r.Distinct {
				break
			}
		}
		if len(seen) < r.Distinct {
			add("distinct", "has at least %d different characters", r.Distinct)
		}
	}
	if r.NotName && fold(password) == fold(name) {
		add("name", "is not the user's name")
	}
	return fs
}
