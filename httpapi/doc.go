// Package httpapi serves the APIs of a platform over HTTP.
//
// New returns a plain http.Handler; the embedder owns the listener, its
// timeouts and its TLS. Mount it at the root of a server, or below a path with
// http.StripPrefix. Do not put it behind http.ServeMux patterns that clean
// paths: ServeMux answers paths such as //x and a/../b with redirects of its
// own before the handler sees them.
//
//	p, err := platform.New(platform.WithAuthentication(tenancy.AcceptAll))
//	…
//	h, err := httpapi.New(p)
//	…
//	http.ListenAndServe("127.0.0.1:8000", h)
//
// The Coral API is at /api and answers /, the Tutum API is at /api/v1 and the
// policy API of Apcera at /v1. Tutum's callers present a name and a key, those of
// the others as each API says.
// /healthz answers 200 while the process serves, /readyz while the platform is
// started; neither asks for credentials. /openapi/<dialect>.json describes an API.
package httpapi
