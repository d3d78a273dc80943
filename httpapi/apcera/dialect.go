package apcera

import (
	"context"
	"slices"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/platform"
)

// Options adjust the dialect.
type Options struct {
	// Remote lets a platform that accepts everybody serve other peers than
	// this machine. By default it answers 403 to them, and to requests that
	// came over a proxy.
	Remote bool
}

// api is the functions of the table.
type api struct{ p *platform.Platform }

// New returns the Apcera API of p. An error is a defect of the table.
func New(p *platform.Platform, o Options) (*rest.Dialect, error) {
	a := &api{p}
	return rest.New(profile(rest.WhileOpen(p.AcceptsAll, o.Remote)), slices.Concat(a.namespaceTable(), a.policyTable(), a.simulationTable())...)
}

// The failures that more than one row declares.
var (
	invalid  = rest.Case{Kind: atoll.Invalid}
	denied   = rest.Case{Kind: atoll.Denied}
	notFound = rest.Case{Kind: atoll.NotFound}
	stale    = rest.Case{Kind: atoll.Conflict, Code: atoll.Stale}
)

// route is the one route of a row.
func route(method, path string) []rest.Route { return []rest.Route{{Method: method, Path: path}} }

func (a *api) namespaceTable() []rest.Operation {
	return []rest.Operation{
		rest.Op(rest.Operation{ID: "apcera.namespace.default", Entity: "namespace", Summary: "Get the default namespace of the caller",
			Contract: "32", Routes: route("GET", "/v1/namespace/default"), Limit: rest.CheapLoad}, a.defaultNamespace),
	}
}

type namespaceBody struct {
	Namespace string `json:"namespace" doc:"Where names without a namespace lie."`
}

func (a *api) defaultNamespace(ctx context.Context, _ struct{}) (namespaceBody, error) {
	return namespaceBody{a.p.Policy().DefaultNamespace(ctx)}, nil
}
