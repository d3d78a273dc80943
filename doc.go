// Package atoll is the root of one in-process platform for multi-tenant event
// pipelines, supervised workloads, tenants, users, keys and policies, over an
// in-memory store. This package holds the one vocabulary that all others
// share: the kinds of failure.
package atoll
