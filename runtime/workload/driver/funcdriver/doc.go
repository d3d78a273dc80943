// Package funcdriver runs workloads that are Go functions, registered by name.
//
// A function has started once it is entered, and ends when it returns: nil is
// code 0, an error is code 1 with its text on standard error, a panic and
// runtime.Goexit are code 2, a panic with its stack on standard error. Stop
// cancels the context of the function; a function that does not return then
// cannot be killed, and Done stays open until it does return. Everything a
// function needs reaches it through its Task.
package funcdriver
