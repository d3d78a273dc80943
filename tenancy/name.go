package tenancy

import (
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/atoll-platform/atoll"
)

// Limits of the fields of a user.
const (
	MaxUserName = 64  // bytes
	MaxEmail    = 254 // bytes
	MaxText     = 255 // code points of any human text
)

// Shape is the restriction that an API puts on the users it creates. What is
// stored may be wider: each API restricts only its own creates.
type Shape uint8

// The shapes of new users.
const (
	Free  Shape = iota // any valid name; e-mail, full name and password may be missing
	Coral              // a name of [A-Za-z0-9_.]; e-mail, full name and password are required
)

// fold is the spelling under which names and e-mail addresses are compared:
// ASCII letters in lower case. What is stored and shown keeps its spelling.
func fold(s string) string {
	for i := range len(s) {
		if c := s[i]; 'A' <= c && c <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if c := b[i]; 'A' <= c && c <= 'Z' {
					b[i] = c + ('a' - 'A')
				}
			}
			return string(b)
		}
	}
	return s
}

func alphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// CheckUserName returns what is wrong with name as the name of an account: 1 to
// 64 characters of letters, digits and "._@+-" with a letter or digit among
// them, that do not read as a UUID or as account.<digits>. With the Coral shape
// only letters, digits, "_" and "." are left. It does not look for reserved or
// taken names.
func CheckUserName(path, name string, shape Shape) []atoll.Finding {
	finding := func(code, format string, args ...any) []atoll.Finding {
		return []atoll.Finding{{Path: path, Code: code, Msg: fmt.Sprintf(format, args...)}}
	}
	if name == "" {
		return finding("required", "%s is required", path)
	}
	if len(name) > MaxUserName {
		return finding("length", "%s has at most %d characters", path, MaxUserName)
	}
	others, set := "._@+-", "letters, digits and ._@+-"
	if shape == Coral {
		others, set = "_.", "letters, digits, _ and ."
	}
	sound := false
	for i := range len(name) {
		if c := name[i]; alphanumeric(c) {
			sound = true
		} else if strings.IndexByte(others, c) < 0 {
			return finding("characters", "%s %q holds other characters than %s", path, name, set)
		}
	}
	if !sound {
		return finding("characters", "%s %q holds no letter or digit", path, name)
	}
	if isUUID(name) {
		return finding("uuid", "%s may not read as a UUID", path)
	}
	if madeName(name) {
		return finding("made", "%s: names of the form account.<digits> are given by the platform alone", path)
	}
	return nil
}

// madeName reports whether name has the form that only the platform gives.
func madeName(name string) bool {
	digits, ok := strings.CutPrefix(fold(name), "account.")
	return ok && digits != "" && strings.Trim(digits, "0123456789") == ""
}

// isUUID reports whether s is the canonical text of a UUID, in either case.
func isUUID(s string) bool { return len(s) == 36 && uuid.Validate(s) == nil }

// reservedNames are taken on every platform, beside the components of its cluster.
var reservedNames = map[string]bool{"coral": true, "system": true, "anonymous": true, "embedder": true, "privileged-local": true}

var components = []string{"health_manager", "staging_coordinator", "api_server"}

// reserved reports whether nobody may take name at this cluster.
func reserved(name, clusterDomain string) bool {
	name = fold(name)
	if reservedNames[name] {
		return true
	}
	for _, c := range components {
		if name == c+"@"+fold(clusterDomain) {
			return true
		}
	}
	return false
}

// CheckEmail returns what is wrong with a mail address: one "@" with text on
// both sides, no space or control character, at most 254 bytes.
func CheckEmail(path, email string) []atoll.Finding {
	local, domain, ok := strings.Cut(email, "@")
	switch {
	case !ok || local == "" || domain == "" || strings.Contains(domain, "@"):
		return []atoll.Finding{{Path: path, Code: "email", Msg: path + " has one @ with text on both sides"}}
	case len(email) > MaxEmail:
		return []atoll.Finding{{Path: path, Code: "length", Msg: fmt.Sprintf("%s has at most %d bytes", path, MaxEmail)}}
	case !printable(email) || strings.ContainsAny(email, " \t\r\n\u00a0"):
		return []atoll.Finding{{Path: path, Code: "email", Msg: path + " has no spaces or control characters"}}
	}
	return nil
}

// splitName gives the first and last name that a full name stands for: the
// text before the last space, and the rest; one word is a first name.
func splitName(full string) (first, last string) {
	if i := strings.LastIndexByte(full, ' '); i >= 0 {
		return full[:i], full[i+1:]
	}
	return full, ""
}

// joinName gives the full name that a first and last name stand for: both
// joined by one space, or the one there is.
func joinName(first, last string) string {
	switch {
	case first == "":
		return last
	case last == "":
		return first
	}
	return first + " " + last
}
