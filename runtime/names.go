package runtime

import (
	"math/big"
	"strings"
)

// FreeName returns the name that a new runtime gets: the wanted one, or if that
// is taken the first free one with the number at its end raised; a name without
// a number counts as 1. It returns "" if no free name is short enough.
func FreeName(wanted string, taken func(string) bool) string {
	if !taken(wanted) {
		return wanted
	}
	stem := strings.TrimRight(wanted, "0123456789")
	n := big.NewInt(1)
	if digits := wanted[len(stem):]; digits != "" {
		n.SetString(digits, 10)
	}
	for one := big.NewInt(1); ; {
		name := stem + n.Add(n, one).String()
		if len(name) > MaxName {
			return ""
		}
		if !isUUID(name) && !taken(name) {
			return name
		}
	}
}

// UniqueName is the name of a runtime that no other runtime has, as far as no
// user name contains a dash.
func UniqueName(owner, name string) string { return owner + "-" + name }
