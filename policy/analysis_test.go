package policy

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAnalyze(t *testing.T) {
	set := mustCompile(t, []*Document{
		mustParse(t, "a", `job::/ { if (team == red) { permit read } }
job::/ { if (team == blue || LDAP->group == g) { permit read } }
job::/ { if (team == green) { permit start } }
job::/ { { permit ssh } }
job::/x { if (LDAP->group == g) { team green  colour blue } }
job::/x { if (LDAP->group == g) { colour blue } }
job::/x { if (role == any && service fqnMatch "service::/") { permit bind } }`),
		mustParse(t, "b", `auth::/ { { tokenTimeout 5s } }
auth::/ { { tokenTimeout 6s } }`),
	}, nil, nil)
	want := []Note{
		{"a", 1, NoteDead, "nothing asserts what (team == red) asks for"},
		{"a", 4, NoteOpen, "everybody may ssh everything of job::/"},
		{"a", 6, NoteUnused, "no rule asks for colour"},
		{"b", 2, NoteConflict, "tokenTimeout on auth::/ is 5s elsewhere"},
	}
	if diff := cmp.Diff(want, set.Analyze()); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

func TestImpact(t *testing.T) {
	before := setOf(t, "job::/a { if (LDAP->group == g) { permit read, stop } }")
	after := setOf(t, "job::/a { if (LDAP->group == g) { permit read, start } if (LDAP->group == h) { permit read } }")
	target := MustParseFQN("job::/a::x")
	got := Impact(before, after, []Caller{{"ann", []Claim{{"LDAP", "group", "g"}}}, {"bo", []Claim{{"LDAP", "group", "h"}}}}, []Target{target, MustParseFQN("job::/b::x")})
	want := []Effect{{"ann", target, Start, true}, {"ann", target, Stop, false}, {"bo", target, Read, true}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
	if got := Impact(before, before, nil, nil); got != nil {
		t.Errorf("no change has effects: %v", got)
	}
}
