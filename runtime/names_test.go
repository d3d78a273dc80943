package runtime_test

import (
	"strings"
	"testing"

	"github.com/atoll-platform/atoll/runtime"
)

func TestFreeName(t *testing.T) {
	x127 := strings.Repeat("x", 127)
	uuidStem := "ffffffff-ffff-4fff-8fff-fffffffffff" // a digit short of a UUID
	tests := map[string]struct{ wanted, taken, want string }{
		"a free name is kept":                     {"job", "", "job"},
		"no number counts as 1":                   {"job", "job", "job2"},
		"the number is raised until free":         {"job4", "job4 job5", "job6"},
		"a name of digits alone":                  {"77", "77", "78"},
		"only the last number counts":             {"a1b2", "a1b2", "a1b3"},
		"lower numbers that are free stay unused": {"job9", "job9", "job10"},
		"a number beyond 64 bits":                 {"j99999999999999999999", "j99999999999999999999", "j100000000000000000000"},
		"leading zeros":                           {"a007", "a007", "a8"},
		"a dash is no sign":                       {"a-1", "a-1", "a-2"},
		"no room for a number":                    {x127 + "y", x127 + "y", ""},
		"just room for a number":                  {x127, x127, x127 + "2"},
		"a raised name is never a UUID":           {uuidStem, uuidStem, uuidStem + "10"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			taken := map[string]bool{}
			for _, n := range strings.Fields(tt.taken) {
				taken[n] = true
			}
			if got := runtime.FreeName(tt.wanted, func(s string) bool { return taken[s] }); got != tt.want {
				t.Errorf("FreeName(%q) = %q, want %q", tt.wanted, got, tt.want)
			}
		})
	}
}
