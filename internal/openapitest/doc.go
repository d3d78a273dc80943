// Package openapitest holds the OpenAPI documents of dialects against the
// OpenAPI 3.1 specification, and recorded answers against the documents. It is
// a module of its own, so that the validator it uses weighs on no embedder.
package openapitest
