// Package workload keeps things running: jobs, containers, services and
// scripts are one model of rows, one state machine and one supervisor.
//
// # Rows
//
// A Workload says what is wanted: a Spec, a Count, and whether it is started.
// While it is, it has one Slot for each wanted copy; an Instance fills a slot, or
// is run once. What the interfaces of the platform treat differently is a value
// of the Spec, never a case in the code: Recovery says what follows an end,
// Rollout how generations give way, Verify when a start counts as good, Behave
// what a row of an instance stands for and how long it is kept.
//
// A Snapshot is one workload with all that belongs to it, as of one index.
// Whatever is said about a workload is a pure function of a Snapshot and a time.
//
// # Who changes what
//
// An operation changes what is wanted, in one transaction, and returns; Await
// waits for the answer. Only the supervisor tells drivers what to do, after a
// commit; only recovery lets it change what is wanted. A condition (If) is judged
// inside the transaction, so of two operations that exclude one another one is
// accepted.
//
// # The supervisor
//
// Everything about one workload happens in one shard, one pass after the
// other. A pass takes in what runners report, plans every step that is due,
// writes them in one transaction, and only then tells runners. Each live run has
// one goroutine; an idle workload has no goroutine, no timer and no entry
// anywhere. There is one timer for all workloads, and nothing is polled.
//
// Used, on a machine, is the sum of what is placed there: it changes in the
// transaction that moves an instance, and never exceeds Total. Ports are rows: no
// two instances have the same.
//
// # Runs on request
//
// A workload with Runs is run once at a time, when asked for: by RunOnce, at the
// times of a Schedule, or when somebody calls Fire with an event that a Trigger
// is for.
//
// # The end of the platform
//
// Shutdown stops what runs without changing what is wanted; so does the loss of
// the process. After Start what ran goes on: such an end is a suspension, which
// recovery neither answers nor counts. Runs that a driver finds alive go on. Output, metrics and handles live in
// memory alone.
//
// # Ownership
//
// Rows that are handed out are constants, maps and slices in them too. A Service
// and everything it returns is safe for concurrent use, but a Cursor, which is
// for one goroutine.
package workload
