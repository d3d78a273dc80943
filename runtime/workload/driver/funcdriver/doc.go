// Package funcdriver runs workloads that are Go functions, registered by name.
//
// A function has started once it is entered, and ends when it returns: nil is
// code 0, an ExitCode is that code, another error is code 1 with its text on
// standard error, a panic and runtime.Goexit are code 2, a panic with its
// stack on standard error. A panic never leaves its instance.
//
// Stop and Kill cancel the context of the function. A function that does not
// return then cannot be ended by anybody: Done stays open until it does
// return, and what it holds stays held. A function should therefore watch its
// context wherever it waits.
//
// Everything a function needs reaches it through its Task: environment,
// arguments, ports, directory, log, metrics. What it opens through the Task is
// closed when it returns, and what goroutines that it left behind write after
// that is dropped.
//
// A Driver is safe for concurrent use; functions may be registered at any time.
package funcdriver
