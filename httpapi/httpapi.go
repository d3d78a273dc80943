package httpapi

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/httpapi/apcera"
	"github.com/atoll-platform/atoll/httpapi/coral"
	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/httpapi/tutum"
	"github.com/atoll-platform/atoll/platform"
)

// Handler serves the APIs of a platform. It is safe for concurrent use.
type Handler struct {
	p      *platform.Platform
	server *rest.Server
}

// Option changes a Handler that New makes.
type Option func(*options)

type options struct {
	rest   rest.Options
	remote bool
}

// WithLogger sets where defects and refused logins are logged. The default is
// the platform's logger.
func WithLogger(l *slog.Logger) Option { return func(o *options) { o.rest.Logger = l } }

// WithAccessLog sets a hook that is called for every answered request, with a
// record that it must not keep. The default is none; rest.AccessLog makes one
// that logs.
func WithAccessLog(hook func(context.Context, *rest.Access)) Option {
	return func(o *options) { o.rest.Access = hook }
}

// WithLimits sets the bounds of serving. The default is that of rest.Limits.
func WithLimits(l rest.Limits) Option { return func(o *options) { o.rest.Limits = l } }

// WithBaseURL sets the scheme://host[:port] that links are built on. The
// default takes the Host of each request.
func WithBaseURL(u string) Option { return func(o *options) { o.rest.BaseURL = u } }

// Root chooses the dialect that answers "/". The default is coral.
func Root(dialect string) Option { return func(o *options) { o.rest.Root = dialect } }

// WithRemote lets a platform that accepts everybody serve other peers than
// this machine. By default those are answered 403.
func WithRemote() Option { return func(o *options) { o.remote = true } }

// New returns the handler of all APIs of p, which need not be started yet. It
// starts nothing. Options that do not fit are Invalid.
func New(p *platform.Platform, opts ...Option) (*Handler, error) {
	const op = "httpapi.New"
	if p == nil {
		return nil, atoll.Errorf(atoll.Invalid, op, "a platform is required")
	}
	o := options{rest: rest.Options{Logger: p.Logger(), Root: "coral", OpenAPI: true, Index: p.Index, Authenticator: p.Authenticator()}}
	for _, f := range opts {
		f(&o)
	}
	c, err := coral.New(p, coral.Options{Remote: o.remote})
	if err != nil {
		return nil, atoll.Wrap(op, err)
	}
	v1, err := apcera.New(p, apcera.Options{Remote: o.remote})
	if err != nil {
		return nil, atoll.Wrap(op, err)
	}
	t, err := tutum.New(p, tutum.Options{Remote: o.remote})
	if err != nil {
		return nil, atoll.Wrap(op, err)
	}
	o.rest.Dialects = map[string]rest.DialectOptions{
		"coral": {MaxBody: p.Settings().MaxBody},
		"tutum": {Authenticator: p.Authenticator().NamedKeys()},
	}
	s, err := rest.NewServer(o.rest, c, v1, t)
	if err != nil {
		return nil, atoll.Errorf(atoll.Invalid, op, "%w", err)
	}
	return &Handler{p: p, server: s}, nil
}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/healthz":
		probe(w, r, true)
	case "/readyz":
		probe(w, r, h.p.Ready())
	default:
		h.server.ServeHTTP(w, r)
	}
}

// probe answers a question about health.
func probe(w http.ResponseWriter, r *http.Request, ok bool) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/json")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	body := `{"status":"ok"}`
	if !ok {
		w.WriteHeader(http.StatusServiceUnavailable)
		body = `{"status":"unavailable"}`
	}
	if r.Method == http.MethodGet {
		_, _ = w.Write([]byte(body)) // the caller has left if it fails
	}
}

// Shutdown ends the streams that are open and lets no new ones open. Call it
// before http.Server.Shutdown, which waits for requests under way.
func (h *Handler) Shutdown(ctx context.Context) error { return h.server.Shutdown(ctx) }
