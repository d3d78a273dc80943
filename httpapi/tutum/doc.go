// Package tutum is the Tutum API, version 1: applications, which are scaled
// sets of containers of one image, under /api/v1/application/, and their
// containers under /api/v1/container/.
//
// It translates and holds no rule. A table of operations names for each call
// its route, its types and the method of the platform that does it; the kernel
// in package rest makes routes, checks, errors and documents of the table.
// What an application may do in which state, and what is wrong with a new one,
// is decided by the services, which say the same to Go code.
//
// # Callers
//
// "Authorization: ApiKey name:key", or Basic credentials with the key in place
// of the password, name an account. It sees and touches what lies in its own
// namespace; the uuid of somebody else's application is not found. Where the
// platform accepts everybody, whoever sends no credentials, or some that are
// not known, is its implicit administrator; then callers of other machines and
// web pages of other sites are answered 403.
//
// # Answers
//
// 202 means accepted and recorded, not done: the body shows the state and the
// numbers that the call has led to, and work that fails later shows in states
// alone. Callers poll. Links are paths that begin with /api/v1/ wherever the
// handler is mounted. Every answer of 400 and above has a text "error"; input
// that is not valid is told by member beside it, below "application" or
// "container".
//
// # Where the API leaves room
//
//   - Of two operations that exclude one another one is accepted; the other is
//     judged by the state that the first has set.
//   - An object in a state that does not allow an operation is 400; the text
//     names the state.
//   - Terminated objects are listed for five minutes and can be read as long
//     as the platform keeps their records.
//   - Images are what the embedding program has registered: requests name
//     neither files nor functions of the host.
package tutum
