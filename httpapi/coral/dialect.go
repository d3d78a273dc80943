package coral

import (
	"context"
	"errors"
	"slices"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/runtime"
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
		op(rest.Operation{ID: "coral.greeting", Entity: "platform", Summary: "Tell that the API runs", Contract: "C0",
			Routes: []rest.Route{{Method: "GET", Path: "/"}}, Limit: rest.CheapLoad},
			func(context.Context, struct{}) (string, error) { return "api is running. enjoy", nil }),
	}
}

// op gives a row its function, as rest.Op does, and completes what the function
// fails with.
func op[In, Out any](o rest.Operation, fn func(context.Context, In) (Out, error)) rest.Operation {
	return rest.Op(o, func(ctx context.Context, in In) (Out, error) {
		out, err := fn(ctx, in)
		if err != nil {
			err = told(err)
		}
		return out, err
	})
}

// told adds what callers of single copies of a runtime may do instead.
func told(err error) error {
	e, ok := errors.AsType[*atoll.Error](err)
	if !ok || e.Kind != atoll.FailedState || e.Code != runtime.CopyCode {
		return err
	}
	c := *e
	c.Details = map[string]any{"allow": "GET, HEAD, OPTIONS"}
	return &c
}

// The failures that more than one row declares.
var (
	invalid   = rest.Case{Kind: atoll.Invalid}
	reference = rest.Case{Kind: atoll.Reference}
	denied    = rest.Case{Kind: atoll.Denied}
	notFound  = rest.Case{Kind: atoll.NotFound}
	conflict  = rest.Case{Kind: atoll.Conflict}
	state     = rest.Case{Kind: atoll.FailedState}
	quota     = rest.Case{Kind: atoll.Quota}
	failed    = rest.Case{Kind: atoll.Failed}
	timeout   = rest.Case{Kind: atoll.Timeout}
	busy      = rest.Case{Kind: atoll.Overloaded}
	aCopy     = rest.Case{Kind: atoll.FailedState, Code: runtime.CopyCode}
	notMine   = rest.Case{Kind: atoll.Denied, Code: atoll.NotOwner}
)

// routes is one method on several spellings of a path.
func routes(method string, paths ...string) []rest.Route {
	rs := make([]rest.Route, len(paths))
	for i, p := range paths {
		rs[i] = rest.Route{Method: method, Path: p}
	}
	return rs
}
