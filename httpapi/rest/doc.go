// Package rest is the HTTP kernel: it turns tables of typed operations into
// HTTP handlers. A dialect is a Profile, which is data, and a table of
// Operations, each of which is data and one function
//
//	func(ctx context.Context, in In) (Out, error)
//
// that sees neither request, status nor any rule of the dialect. From the same
// table come routing, OPTIONS, schema answers and an OpenAPI document.
//
// # Use
//
// New checks a profile and its rows and makes a Dialect; every inconsistency
// is an error there, or a panic of Op, never of a request. NewServer mounts
// dialects side by side behind one set of bounds: a dialect is chosen by the
// longest prefix, "/" alone belongs to Options.Root, everything else is 404. A
// Dialect is itself a handler, with the zero Options: without an Authenticator
// it refuses every row that needs one.
//
// # Order of checks
//
// The first failure answers, in one order for all dialects: guards, slash
// rule, route, method; authentication, Accept, Content-Type, length, binding
// with every finding; then the row's function, which checks scope, permission,
// references and state in the services. OPTIONS is answered with the method.
//
// # Answers
//
// A JSON answer is encoded completely before its first byte is sent: a failing
// encoder is a clean 500, Content-Length is exact, and HEAD costs nothing
// more than GET. Errors are *atoll.Error values; Profile.Status gives the
// status, Profile.Words the text, Profile.Fail the body. An Internal error
// shows a fixed sentence and the request id.
//
// # Ownership and concurrency
//
// Profiles, Operations, Dialects and Servers are constant after construction
// and safe for concurrent use. The In of a call belongs to its function until
// that returns; bytes of a body:"raw" field that decodes itself are only lent
// to DecodeBody. A Server starts no goroutine of its own but those that feed
// open streams, which Shutdown ends, and a timer that looks for slow callers
// while there are calls.
//
// # Limits
//
// URL, query, header values, bodies, calls in flight (all, per caller, per
// class), streams, times and failed logins are bounded; see Limits. Nothing
// about a caller is kept beyond a call but the throttle of failed logins,
// which is bounded too.
package rest
