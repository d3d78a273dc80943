// Package platform puts the parts together: one in-process platform with its
// store, its accounts, its runtimes, workloads and machines, its settings,
// statistics, audit log and change stream.
//
// New checks and allocates; it starts no goroutine and opens nothing. Start
// makes the platform live: it opens the directory of actors, makes the accounts
// that the options ask for, registers this machine, ends what an earlier process
// left in the directory of workloads, starts the engine, and brings runtimes and
// workloads of a restored store up. Shutdown ends all of it, in reverse,
// gracefully until its context ends. Calls before Start and after Shutdown return
// Unavailable.
//
// Workloads run on drivers: registered Go functions always (Functions), others
// where the embedding program brings them (WithDrivers). No driver that runs
// programs is part of this package. Callers of the APIs name images, and what an
// image is only the embedding program says (Images).
//
// The services (Users, Keys, Projects, Runtimes, Workloads, Machines, Settings) ask the
// guard by themselves: a context without a principal is the embedding program
// and may do everything; one with a principal (policy.WithPrincipal) may do
// what the rules give that principal. HTTP is one more caller.
//
// # Invariants
//
// Every change goes through one write path with one commit point, so the audit
// log and the change stream record every change, in one order, under one
// index; what supervision writes to keep count shows in neither, the states of
// instances show in the stream alone. Running things follow the committed rows
// and are reconciled with them. No event of a runtime touches the store.
//
// A Platform is safe for concurrent use. Values that it returns belong to the
// caller.
package platform
