package tutum

import (
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

// New returns the Tutum API of p. Basic credentials are a name and a key: serve
// it with an authenticator that reads them so, such as NamedKeys of the
// platform's. An error is a defect of the table.
func New(p *platform.Platform, o Options) (*rest.Dialect, error) {
	a := &api{p}
	return rest.New(profile(rest.WhileOpen(p.AcceptsAll, o.Remote)), slices.Concat(a.applicationTable(), a.containerTable())...)
}

// The failures that more than one row declares.
var (
	invalid  = rest.Case{Kind: atoll.Invalid}
	denied   = rest.Case{Kind: atoll.Denied}
	notFound = rest.Case{Kind: atoll.NotFound}
	conflict = rest.Case{Kind: atoll.Conflict}
	quota    = rest.Case{Kind: atoll.Quota}
)

// The paths of the API, as templates.
const (
	applicationsPath = prefix + "/application"
	applicationPath  = applicationsPath + "/{uuid}"
	containersPath   = prefix + "/container"
	containerPath    = containersPath + "/{uuid}"
)

// applicationURI and containerURI are where an object is found.
func applicationURI(uuid string) string { return applicationsPath + "/" + uuid + "/" }
func containerURI(uuid string) string   { return containersPath + "/" + uuid + "/" }

// imageURI identifies an image. Nothing is served there.
func imageURI(repository, tag string) string {
	return prefix + "/image/" + repository + "/tag/" + tag + "/"
}

// route is the one route of a row.
func route(method, path string) []rest.Route { return []rest.Route{{Method: method, Path: path}} }
