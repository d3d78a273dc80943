package policytest_test

import (
	"os"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/policy/policytest"
)

func compile(t *testing.T, text string, opts ...policytest.Option) *policy.Set {
	t.Helper()
	set, err := policytest.Compile([]policy.DocumentText{{Name: "d", Text: text}}, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

const rights = `job::/dev { if (LDAP->group == dev) { permit read, start  package.allow "package::/base" } }
job::/dev { if (LDAP->group == dev && LDAP->shift == night) { permit stop } }
service::/dev { if (job fqnMatch "job::/web") { permit bind } }`

func TestCheckSaysWhatIsDifferent(t *testing.T) {
	tests := map[string]struct {
		c    policytest.Case
		kind atoll.Kind
		want []string
	}{
		"all as it says": {c: policytest.Case{On: "job::/dev::a", Given: []string{"LDAP->group=dev"}, May: []policy.Action{"read", "start"}, MayNot: []policy.Action{"stop", "delete"},
			Follows: []string{"permit read", "package.allow package::/base"}, Never: []string{"permit stop"}, Exactly: []string{"permit start", "permit read", "package.allow package::/base"}}},
		"nothing follows, and nothing must": {c: policytest.Case{On: "job::/ops::a", Given: []string{"LDAP->group=dev"}, Exactly: []string{}}},
		"the other side of a binding":       {c: policytest.Case{On: "service::/dev::s", Given: []string{"job=job::/web::shop"}, May: []policy.Action{"bind"}}},
		"the caller of a principal": {c: policytest.Case{On: "job::/dev::a", As: &policy.Principal{Claims: []policy.Claim{{Issuer: "LDAP", Type: "group", Value: "dev"}}},
			Given: []string{`LDAP->shift=night`}, May: []policy.Action{"stop"}}},
		"refused where it may": {c: policytest.Case{On: "job::/dev::a", Given: []string{"LDAP->group=dev"}, May: []policy.Action{"stop", "delete"}}, kind: atoll.Failed,
			want: []string{"may not stop job::/dev::a: d.pol:2 lacks LDAP->shift night", "may not delete job::/dev::a: no rule grants it"}},
		"allowed where it may not": {c: policytest.Case{On: "job::/dev::a", Given: []string{"LDAP->group=dev"}, MayNot: []policy.Action{"read"}}, kind: atoll.Failed,
			want: []string{"may read job::/dev::a: d.pol:1"}},
		"claims that miss and that are too much": {c: policytest.Case{On: "job::/dev::a", Given: []string{"LDAP->group=dev"}, Follows: []string{"permit stop"}, Never: []string{"permit read"}, Exactly: []string{"permit start"}}, kind: atoll.Failed,
			want: []string{"permit stop does not follow for job::/dev::a", "package.allow package::/base follows for job::/dev::a: d.pol:1", "permit read follows for job::/dev::a: d.pol:1"}},
		"a target that is none":            {c: policytest.Case{On: "job"}, kind: atoll.Invalid},
		"a type that nobody registered":    {c: policytest.Case{On: "planet::/"}, kind: atoll.Invalid},
		"an action that the type has not":  {c: policytest.Case{On: "job::/", May: []policy.Action{"fly"}}, kind: atoll.Invalid},
		"a claim that is none":             {c: policytest.Case{On: "job::/", Given: []string{"group"}}, kind: atoll.Invalid},
		"an action that services have not": {c: policytest.Case{On: "service::/dev", MayNot: []policy.Action{"start"}}, kind: atoll.Invalid},
	}
	set := compile(t, rights)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := policytest.Check(set, tt.c)
			if atoll.KindOf(err) != tt.kind {
				t.Fatalf("Check: %v, want %v", err, tt.kind)
			}
			var got []string
			if e, ok := err.(*atoll.Error); ok {
				for _, f := range e.Findings {
					got = append(got, f.Msg)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAFreshPlatform is a table of what the documents of a fresh platform say.
func TestAFreshPlatform(t *testing.T) {
	set, err := policytest.Compile(nil, policytest.Fresh("boss"))
	if err != nil {
		t.Fatal(err)
	}
	neo := []string{"account->name=neo", "account->home=neo", "account->kind=user"}
	policytest.Run(t, set, policytest.Table{
		"an account is at home":           {On: "job::/sandbox/neo::web", Given: neo, May: []policy.Action{policy.Create, policy.Delete}},
		"and nowhere else":                {On: "job::/sandbox/trinity::web", Given: neo, MayNot: []policy.Action{policy.Create, policy.Read}, Never: []string{"role admin"}},
		"a named administrator":           {On: "package::/any::thing", Given: []string{"auth_server@apcera.me->name=boss"}, May: []policy.Action{policy.Delete}, Follows: []string{"role admin", "permit all"}},
		"an administrator by his account": {On: "policydoc::/::x", As: &policy.Principal{Admin: true}, May: []policy.Action{policy.Update}},
	})
}

func TestCompile(t *testing.T) {
	moon := policytest.Types(policy.ResourceType{Name: "moon", Actions: []policy.Action{"land"}})
	on := policytest.Case{On: "moon::/sea", Given: []string{"I->n=x"}, May: []policy.Action{"land"}}
	set := compile(t, `moon::/ { if (I->n == PV->Crew.name) { permit land } }`, moon,
		policytest.Variables(policy.Variables{"Crew": {Columns: []string{"name"}, Rows: []map[string]string{{"name": "x"}}}}))
	if err := policytest.Check(set, on); err != nil {
		t.Error(err)
	}
	t.Run("a document in the place of one of a fresh platform", func(t *testing.T) {
		set, err := policytest.Compile([]policy.DocumentText{{Name: "homes", Text: ""}}, policytest.Fresh())
		if err != nil {
			t.Fatal(err)
		}
		policytest.Run(t, set, policytest.Table{"nobody is at home": {On: "job::/sandbox/neo", Given: []string{"account->home=neo"}, MayNot: []policy.Action{policy.Create}}})
	})
	for name, texts := range map[string][]policy.DocumentText{
		"a text with an error": {{Name: "d", Text: "job"}},
		"an unregistered type": {{Name: "d", Text: "planet::/ { { permit read } }"}},
		"a name twice":         {{Name: "d"}, {Name: "d"}},
	} {
		if set, err := policytest.Compile(texts); atoll.KindOf(err) != atoll.Invalid || set != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := policytest.Compile(nil, policytest.Types(policy.ResourceType{Name: "job"})); atoll.KindOf(err) != atoll.Conflict {
		t.Errorf("a type twice: %v", err)
	}
}

func TestLoad(t *testing.T) {
	got, err := policytest.Load(fstest.MapFS{"b.pol": {Data: []byte("// b")}, "a.pol": {}, "notes.txt": {}, "sub/c.pol": {}})
	if diff := cmp.Diff([]policy.DocumentText{{Name: "a"}, {Name: "b", Text: "// b"}}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err := policytest.Load(fstest.MapFS{"a b.pol": {}}); atoll.KindOf(err) != atoll.Invalid {
		t.Errorf("a name that is none: %v", err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(dir+"/d.pol", 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := policytest.Load(os.DirFS(dir)); atoll.KindOf(err) != atoll.Failed {
		t.Errorf("a directory: %v", err)
	}
}
