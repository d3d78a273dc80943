// Package platformtest starts platforms for tests: of this module, and of
// programs that embed it.
//
//	p := platformtest.New(t)
//	admin := platformtest.User(t, p, "ann", true)
//	c := platformtest.Client(t, p).As(admin)
//	var runtimes []map[string]any
//	c.Get("/api/runtimes").JSON(&runtimes)
//
// A platform of this package works in memory alone: no listener, no port, and
// a directory of actors that goes with the test. It is shut down when the test
// ends, and the test fails if that leaves something running.
package platformtest
