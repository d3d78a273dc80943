// Package coral is the Coral API: platform, runtimes, actors, users,
// permissions and projects under /api, and the greeting at /.
//
// It translates and holds no rule. A table of operations names for each call
// its route, its types and the method of the platform that does it; the kernel
// in package rest makes routes, checks, errors and documents of the table.
// What a call may do, and what is wrong with its input, is decided by the
// services, which say the same to Go code.
package coral
