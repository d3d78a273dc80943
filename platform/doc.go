// Package platform puts the parts together: one in-process platform with its
// store, its accounts, its runtimes and machines, its settings, statistics,
// audit log and change stream.
//
// New checks and allocates; it starts no goroutine and opens nothing. Start
// makes the platform live: it opens the directory of actors, starts the engine,
// registers this machine, makes the accounts that the options ask for, and
// brings the runtimes of a restored store up. Shutdown ends all of it, in
// reverse, gracefully until its context ends. Calls before Start and after
// Shutdown return Unavailable.
//
// The services (Users, Keys, Projects, Runtimes, Machines, Settings) ask the
// guard by themselves: a context without a principal is the embedding program
// and may do everything; one with a principal (policy.WithPrincipal) may do
// what the rules give that principal. HTTP is one more caller.
//
// # Invariants
//
// Every change goes through one write path with one commit point, so the audit
// log and the change stream record every change, in one order, under one
// index. Running things follow the committed rows and are reconciled with
// them. No event of a runtime touches the store.
//
// A Platform is safe for concurrent use. Values that it returns belong to the
// caller.
package platform
