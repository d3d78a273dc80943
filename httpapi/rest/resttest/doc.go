// Package resttest holds dialects to their contracts. It is for the tests of
// the packages below httpapi.
//
// A [Contract] lists the calls of an API with every status that each may answer.
// Contract.Table compares it with the operations of the dialect, tests say with
// Contract.Show what they have seen answered, and Contract.Main, called by
// TestMain, fails the run if a status of a row was shown by no test.
//
//	var contract = resttest.Contract{
//		New:  func() (*rest.Dialect, error) { … },
//		Rows: []resttest.Row{{ID: "32", Routes: "GET /v1/namespace/default", OK: []int{200}, Alike: []int{401}}},
//	}
//
//	func TestMain(m *testing.M)                { os.Exit(contract.Main(m)) }
//	func TestTheTableIsTheContract(t *testing.T) { contract.Table(t) }
//
// A [Session] makes the calls of a test: [Session.Saw] is the access log of the
// server under test, and [Reply.Is] holds an answer to a status and a whole body
// and shows it to the contract. [Decode] reads JSON, [Numbers] puts numbers in
// the place of ids that differ from run to run, and [Diff] compares, with "*"
// for texts that are not told. [Send] makes the calls of fuzz targets.
package resttest
