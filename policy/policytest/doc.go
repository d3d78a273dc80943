// Package policytest tests policy documents: those of a program that embeds
// the platform, beside its other tests.
//
//	func TestOurPolicy(t *testing.T) {
//		texts, err := policytest.Load(os.DirFS("policy"))
//		…
//		set, err := policytest.Compile(texts, policytest.Fresh())
//		…
//		policytest.Run(t, set, policytest.Table{
//			"operators start jobs of their team": {
//				On: "job::/red::web", Given: []string{"LDAP->group=red-ops"},
//				May: []policy.Action{policy.Start, policy.Stop}, MayNot: []policy.Action{policy.Delete},
//			},
//			"packages of interns are small": {
//				On: "quota::/lab/ada", Given: []string{"LDAP->group=interns"},
//				Follows: []string{"max.package.size 500MB"},
//			},
//		})
//	}
//
// A case names a target, what the caller and the enforcement say, and what
// must and must not follow. One that fails names the rules behind what is too
// much, and what the rules would have asked for behind what is missing. Actions
// are decided by the compiled form, as on a platform; claims are derived by the
// written semantics, which it agrees with.
//
// Check does the same for one case without a test around it.
package policytest
