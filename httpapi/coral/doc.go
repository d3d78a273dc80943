// Package coral is the Coral API: platform, runtimes, actors, users,
// permissions and projects under /api, and the greeting at /.
//
// It translates and holds no rule. A table of operations names for each call
// its route, its types and the method of the platform that does it; the kernel
// in package rest makes routes, checks, errors and documents of the table.
// What a call may do, and what is wrong with its input, is decided by the
// services, which say the same to Go code.
//
// # Errors
//
// Every answer of 400 and above is one body: success false, a reason of one
// line, the action of the call where the call is known, details with every
// finding on a line of its own, and, for a definition with faults, errors and
// codes of the same length and order. Reasons and actions are stable texts.
// What could not be found names itself: the action of a runtime that is
// missing is "Find runtime" whatever the call, that of one of its actors
// "Get actor".
//
// # Where the API leaves room
//
//   - An event for a full queue is refused at once with 429 and Retry-After,
//     one for a stopped runtime with 409.
//   - POST /api/runtimes?dry-run=true checks a definition, and whether its owner
//     may have it, and makes nothing. It answers 200 with the definition as it
//     would be stored and its warnings; or it fails as making it would, a 400 with findings
//     beside errors and codes: every place of every fault, with a JSON pointer
//     into the definition, the code, a message, and a suggestion where something
//     near was probably meant.
//   - Events may be posted in lines, as application/x-ndjson: the answer counts
//     those that were accepted and refused and tells the first refused lines. A
//     line that is no event is refused alone; what does not fit into the queue
//     is refused with what follows it, with 429 if nothing was accepted.
//   - A change of settings is a tree, dotted keys, or both; what GET shows may
//     be sent back, and the answer lists the keys that changed.
//   - Single copies of a runtime in copies have statistics and nothing else:
//     405 for every other call.
//   - The same-origin guard is on, since Basic credentials and the mode
//     accept-all are ambient; accept-all serves this machine alone unless
//     Options say otherwise.
package coral
