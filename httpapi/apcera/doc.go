// Package apcera is the Apcera API under /v1: so far policy documents, policy
// simulation and the default namespace of a caller.
//
// It translates and holds no rule. A table of operations names for each call
// its route, its types and the method of the platform that does it; the kernel
// in package rest makes routes, checks, errors and documents of the table.
// What a call may do, and what is wrong with its input, is decided by the
// services, which say the same to Go code.
//
// Callers send "Authorization: Bearer <token>": a key of an account or a
// workload, a session, or a token that the embedder's authenticator knows.
// Where the platform accepts everybody, whoever sends none, or one that is not
// known, is its implicit administrator; then callers of other machines and web
// pages of other sites are answered 403.
package apcera
