// Package atoll is the root of one in-process platform for multi-tenant event
// pipelines, supervised workloads, tenants, users, keys and policies, over an
// in-memory store. The package itself holds the one vocabulary that all others
// share: the kinds of failure.
//
// # The tour
//
// A program makes a platform, starts it, and uses its services:
//
//	p, err := platform.New(platform.WithFiles("./data"))
//	…
//	err = p.Start(ctx)
//	defer p.Shutdown(ctx)
//
// Package platform puts everything together; what it hands out is in the
// packages below it.
//
//   - runtime: a runtime is a graph of actors, defined as a Go struct or as
//     JSON, checked as a whole, and driven by an engine that costs nothing while
//     there is nothing to do. Post hands an event over, Shunt asks for an answer,
//     Subscribe watches what an actor emits. runtime/fleet keeps machines and
//     places things on them.
//   - actor: events, and the contract of the types that handle them;
//     actor/builtin has the types that come with the platform, actor/actortest
//     the harness to test your own.
//   - tenancy: accounts, passwords, API keys, projects, and who a caller is.
//   - policy: names of resources, principals, grants, and the policy language,
//     which can be used alone: parse, compile, decide, explain, simulate.
//   - httpapi: the same over HTTP, as a handler. Each API is a table of
//     operations in a package of its own, over one kernel, httpapi/rest.
//
// A context that carries no principal is the embedding program's, which may do
// everything; policy.WithPrincipal names somebody else, who may do what the
// rules say. Every change goes through one write path, so that the audit log
// (Platform.Audit) and the change stream (Platform.Watch) miss nothing.
//
// # Errors
//
// Public methods return *Error. Its Kind says what class of failure it is and
// each method documents which it returns; its Msg and Findings may be shown to
// whoever called. Decide by errors.Is(err, atoll.NotFound) or KindOf, never by
// text.
package atoll
