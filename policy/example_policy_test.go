package policy_test

import (
	"fmt"
	"os"

	"github.com/atoll-platform/atoll/policy"
)

const members = `// who is who
job::/billing { if (LDAP->group == "ledger") { role operator } }
`

const rights = `on job::/ { if (role == operator) { permit start, stop
                                    permit read } }
`

func compile(texts ...string) *policy.Set {
	var docs []*policy.Document
	for i, text := range texts {
		doc, findings := policy.Parse(fmt.Sprintf("doc%d", i), text)
		if doc == nil {
			panic(findings)
		}
		docs = append(docs, doc)
	}
	set, findings := policy.Compile(docs, nil, nil)
	if set == nil {
		panic(findings)
	}
	return set
}

func ExampleParse() {
	_, findings := policy.Parse("teamRed", "on job::/red {\n  if (role = admin) { permit read }\n}")
	for _, f := range findings {
		fmt.Println(f)
	}
	// Output:
	// teamRed.pol:2:12: E_OP: '=' is not an operator; write '==' or 'equals'
}

func ExampleFormat() {
	doc, _ := policy.Parse("d", `job::/dev{if(a==b){permit read,update}}`)
	fmt.Print(policy.Format(doc))
	// Output:
	// on job::/dev {
	//   if (a == b) { permit read, update }
	// }
}

func ExampleCompile() {
	set := compile(members, rights)
	ines := set.Session([]policy.Claim{{Issuer: "LDAP", Type: "group", Value: "ledger"}})

	fmt.Println(ines.Allowed(policy.MustParseFQN("job::/billing/eu::ledger"), policy.Start))
	fmt.Println(ines.Allowed(policy.MustParseFQN("job::/shipping::labels"), policy.Start))
	// Output:
	// true
	// false
}

func ExampleSession_Evaluate() {
	ines := compile(members, rights).Session([]policy.Claim{{Issuer: "LDAP", Type: "group", Value: "ledger"}})

	for _, c := range ines.Evaluate(policy.MustParseFQN("job::/billing/eu::ledger")).Claims {
		fmt.Printf("%s %s from %s.pol:%d\n", c.Type, c.Value, c.From[0].Document, c.From[0].Line)
	}
	// Output:
	// permit read from doc1.pol:2
	// permit start from doc1.pol:1
	// permit stop from doc1.pol:1
	// role operator from doc0.pol:2
}

func ExampleSession_Why() {
	ines := compile(members, rights).Session([]policy.Claim{{Issuer: "LDAP", Type: "group", Value: "ledger"}})

	allowed, grounds := ines.Why(policy.MustParseFQN("job::/billing::ledger"), policy.Stop)
	fmt.Printf("%v by %s.pol:%d\n", allowed, grounds.Document, grounds.Line)
	// Output:
	// true by doc1.pol:1
}

func ExampleSession_Needs() {
	nobody := compile(members, rights).Session(nil)

	for _, n := range nobody.Needs(policy.MustParseFQN("job::/billing::ledger"), policy.Stop) {
		fmt.Printf("%s.pol:%d needs %v\n", n.Document, n.Line, n.Claims)
	}
	// Output:
	// doc1.pol:1 needs [LDAP->group ledger]
}

func ExampleSet_Simulate() {
	set := compile(members, rights)
	input, _ := policy.ParseSimInput("name=ines")
	answer, _ := set.Simulate(policy.SimRequest{
		Targets: []policy.Target{policy.MustParseFQN("job::/billing::ledger")},
		Inputs:  []policy.SimInput{input},
		Claims:  []policy.SimClaim{{Type: "permit", Value: "read"}},
		Why:     true,
	})
	for _, l := range answer.Lines {
		fmt.Fprintf(os.Stdout, "%*s%s: %s\n", 2*l.Level, "", l.Context, l.Value)
	}
	// Output:
	// doc1.pol:2: permit read
	//   doc1.pol:1: job::/
	//   doc1.pol:1: (role == operator)
	//     ADD INPUT: role operator
	//     doc0.pol:2: role operator
	//       doc0.pol:2: job::/billing
	//       doc0.pol:2: (LDAP->group == "ledger")
	//         ADD INPUT: LDAP->group "ledger"
}

func ExampleLive() {
	live := policy.NewLive(compile(members, rights))
	ines := live.Load().Session([]policy.Claim{{Issuer: "LDAP", Type: "group", Value: "ledger"}})
	target := policy.MustParseFQN("job::/billing::ledger")

	err := live.Update(func(now *policy.Set) (*policy.Set, error) {
		doc, _ := policy.Parse("doc1", "on job::/ { if (role == operator) { permit read } }")
		next, findings := now.With([]*policy.Document{doc}, nil)
		return next, policy.DiagnosticsError("example", findings)
	})
	fmt.Println(err, ines.Allowed(target, policy.Start), ines.On(live.Load()).Allowed(target, policy.Start))
	// Output:
	// <nil> true false
}
