package policytest_test

import (
	"errors"
	"fmt"
	"testing/fstest"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/policy/policytest"
)

func Example() {
	files := fstest.MapFS{
		"members.pol": {Data: []byte(`job::/billing { if (LDAP->group == "ledger") { role operator } }`)},
		"rights.pol":  {Data: []byte("on job::/ {\n  if (role == operator) { permit start, stop }\n  if (role == auditor) { permit read } }")},
	}
	texts, err := policytest.Load(files)
	if err != nil {
		panic(err)
	}
	set, err := policytest.Compile(texts)
	if err != nil {
		panic(err)
	}
	ines := []string{"LDAP->group=ledger"}
	fmt.Println(policytest.Check(set, policytest.Case{
		On: "job::/billing/eu::ledger", Given: ines,
		May: []policy.Action{policy.Start, policy.Stop}, MayNot: []policy.Action{policy.Read},
		Exactly: []string{"role operator", "permit start", "permit stop"},
	}))
	err = policytest.Check(set, policytest.Case{
		On: "job::/shipping::labels", Given: ines,
		May: []policy.Action{policy.Start},
	})
	var e *atoll.Error
	if errors.As(err, &e) {
		for _, f := range e.Findings {
			fmt.Println(f.Msg)
		}
	}
	// Output:
	// <nil>
	// may not start job::/shipping::labels: no rule grants it
}
