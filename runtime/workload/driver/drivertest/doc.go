// Package drivertest holds drivers of workloads to their contract, and offers
// one that breaks it on purpose.
//
// Run is the conformance suite. A driver passes it from a test of its own:
//
//	func TestConformance(t *testing.T) {
//		drivertest.Run(t, func(t testing.TB) *drivertest.Subject {
//			return &drivertest.Subject{Driver: mydriver.New(), Command: …}
//		})
//	}
//
// What the instances of the suite do is written once, in Act: the driver's
// test arranges that an instance started with the command of Subject.Command
// calls Act with a World made of what the driver gives its instances. A driver
// of functions registers one function for that; a driver of processes starts
// the test binary again.
//
// Faulty is a driver for tests of whoever uses drivers: it delays, fails,
// panics, hangs, forgets to end or ends at once, as a script says call by
// call. It has no clock of its own and keeps no goroutine while an instance
// runs, so it works in a bubble of testing/synctest.
package drivertest
