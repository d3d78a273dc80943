// Package driver is the contract between the supervisor of workloads and what
// really runs them: registered Go functions, processes of the operating
// system, or what an embedder adds.
//
// A Driver checks templates and starts instances; a Handle is one running
// instance. The supervisor decides when to start, stop and restart; a driver
// only does it, and says the truth about the end: Done closes exactly once and
// Exit is valid from then on.
//
// # Who calls
//
// One goroutine per instance calls Start, Stop and Kill, in that order; Stats
// may be called from anywhere, also after the end. Check is called at any time
// and from many goroutines; it is pure and quick.
//
// # What a driver may rely on
//
// A Run is read-only and valid until Done closes. Its writers never block and
// never fail, whatever is written, from any number of goroutines; what is
// written after the end is dropped. No two live instances share a port of
// their Ports. The directory is private, and is there before Start and until
// after Done.
//
// # What a driver must keep
//
// Start returns when the instance has started, and its context ends with the
// start, not with the run. Stop asks for a gentle end and Kill demands one;
// both are idempotent, may come at any time after Start, and wait for nothing.
// A panic in code of the workload is that instance's end, with code 2 and the
// stack on its standard error. Nothing of an instance is left behind when Done
// has closed: no goroutine, process, descriptor or listener.
//
// Package drivertest holds every driver to this.
package driver
