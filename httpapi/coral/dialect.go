package coral

import (
	"context"
	"slices"

	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/platform"
)

// Options adjust the dialect.
type Options struct {
	// Remote lets the mode accept-all serve other peers than this machine. By
	// default it answers 403 to them, and to requests that came over a proxy.
	Remote bool
}

// api is the functions of the table.
type api struct{ p *platform.Platform }

// New returns the Coral API of p. An error is a defect of the table.
func New(p *platform.Platform, o Options) (*rest.Dialect, error) {
	a := &api{p}
	everybody := func() bool { return p.AcceptsAll() && !o.Remote }
	return rest.New(profile(everybody), slices.Concat(
		a.rootTable(), a.platformTable(), a.runtimeTable(), a.actorTable(), a.userTable(), a.permissionTable(), a.projectTable())...)
}

func (a *api) rootTable() []rest.Operation {
	return []rest.Operation{
		rest.Op(rest.Operation{ID: "coral.greeting", Entity: "platform", Summary: "Tell that the API runs", Contract: "C0",
			Routes: []rest.Route{{Method: "GET", Path: "/"}}, Limit: rest.CheapLoad},
			func(context.Context, struct{}) (string, error) { return "api is running. enjoy", nil }),
	}
}

// routes is one method on several spellings of a path.
func routes(method string, paths ...string) []rest.Route {
	rs := make([]rest.Route, len(paths))
	for i, p := range paths {
		rs[i] = rest.Route{Method: method, Path: p}
	}
	return rs
}

// done is what calls answer that only say that they worked.
type done struct {
	Action  string `json:"action"`
	Success bool   `json:"success"`
}
