package rest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/atoll-platform/atoll/policy"
)

// Options are what the embedding program decides about serving. The zero
// value is usable; it authenticates nobody.
type Options struct {
	Authenticator policy.Authenticator           // of dialects that bring none of their own; nil refuses everybody
	Logger        *slog.Logger                   // defects, panics, refused logins; nil discards
	Access        func(context.Context, *Access) // called for every request; the record is lent until it returns
	Limits        Limits
	BaseURL       string        // scheme://host[:port] that links are built on; "" takes the Host of the request
	Root          string        // the dialect that answers "/"; "" is the first that has such a row
	Index         func() uint64 // the commit index, for rows with an ETag; nil sends no tags
	OpenAPI       bool          // serve /openapi/<dialect>.json
	Dialects      map[string]DialectOptions
}

// DialectOptions are the choices for one dialect, by its name.
type DialectOptions struct {
	Authenticator policy.Authenticator // nil is Options.Authenticator
	Enabled       func() bool          // nil is always. A disabled dialect answers as if it was not there
	Guard         *Guard               // nil is the profile's
	MaxBody       func() int64         // limit of JSON bodies, asked per request; nil or 0 is the profile's
	Origins       []string             // origins that may call from browsers, without credentials of their own
}

// Access is the record of one answered request. It holds no path, query or
// header: those may carry credentials.
type Access struct {
	Start     time.Time
	Duration  time.Duration
	RequestID string
	Dialect   string // "" if no dialect was chosen
	Operation string // id of the row, "" if none was chosen
	Template  string
	Method    string
	Status    int // 499 if the caller left
	Bytes     int64
	Principal string
	Peer      string
	Err       error // what was answered with an error body
}

// AccessLog returns a hook that logs each record at level Info.
func AccessLog(l *slog.Logger) func(context.Context, *Access) {
	return func(ctx context.Context, a *Access) {
		l.LogAttrs(ctx, slog.LevelInfo, "request", slog.String("dialect", a.Dialect), slog.String("operation", a.Operation),
			slog.String("method", a.Method), slog.String("template", a.Template), slog.Int("status", a.Status),
			slog.Int64("bytes", a.Bytes), slog.Duration("duration", a.Duration), slog.String("principal", a.Principal),
			slog.String("peer", a.Peer), slog.String("request_id", a.RequestID))
	}
}

// Server is a handler of several dialects behind one set of bounds. It is
// safe for concurrent use.
type Server struct {
	opts   Options
	log    *slog.Logger
	mounts []*mount // longest prefix first
	root   []*mount // who may answer "/", best first
	bounds bounds
	watch  watch
	pool   sync.Pool
	idBase string
	idNext atomic.Uint64
	seed   maphash.Seed
	base   string

	quit     chan struct{} // closed at shutdown: ends streams
	quitOnce sync.Once
	open     sync.WaitGroup // streams
	openMu   sync.Mutex     // orders open.Add against Shutdown
	closed   bool
}

// mount is a dialect in a server.
type mount struct {
	d         *Dialect
	under     string // prefix and a slash
	auth      policy.Authenticator
	enabled   func() bool
	guard     *Guard
	maxBody   func() int64
	origins   []string
	secrets   map[string]bool
	headers   []header
	challenge []string
	types     [][]string // Content-Type by renderer
	document  []byte
}

// header is one header with values that are shared by all answers.
type header struct {
	name   string
	values []string
}

// NewServer mounts dialects. Prefixes are distinct; options for a dialect that
// is not there are an error. It starts nothing.
func NewServer(o Options, dialects ...*Dialect) (*Server, error) {
	s := &Server{opts: o, log: o.Logger, quit: make(chan struct{}), seed: maphash.MakeSeed()}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.bounds.limits = o.Limits.complete()
	s.watch.init(&s.bounds.limits)
	s.pool.New = func() any {
		x := new(exchange)
		s.watch.add(x)
		return x
	}
	var base [4]byte
	_, _ = rand.Read(base[:]) // never fails
	s.idBase = hex.EncodeToString(base[:]) + "-"
	var faults []error
	if o.BaseURL != "" {
		u, err := url.Parse(o.BaseURL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
			faults = append(faults, fmt.Errorf("BaseURL %q: want http(s)://host", o.BaseURL))
		} else {
			s.base = u.Scheme + "://" + u.Host
		}
	}
	names, prefixes := map[string]bool{}, map[string]bool{}
	for _, d := range dialects {
		if names[d.Name()] || prefixes[d.profile.Prefix] {
			faults = append(faults, fmt.Errorf("dialect %q at %s is mounted twice", d.Name(), d.profile.Prefix))
		}
		names[d.Name()], prefixes[d.profile.Prefix] = true, true
		m, err := newMount(d, o)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		s.mounts = append(s.mounts, m)
	}
	for name := range o.Dialects {
		if !names[name] {
			faults = append(faults, fmt.Errorf("options for a dialect %q that is not mounted", name))
		}
	}
	if o.Root != "" && !names[o.Root] {
		faults = append(faults, fmt.Errorf("the root dialect %q is not mounted", o.Root))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("rest: %w", err)
	}
	for _, m := range s.mounts {
		if m.d.tree.root != nil && (o.Root == "" || m.d.Name() == o.Root) {
			s.root = append(s.root, m)
		}
	}
	slices.SortStableFunc(s.mounts, func(a, b *mount) int { return cmp.Compare(len(b.under), len(a.under)) })
	return s, nil
}

func newMount(d *Dialect, o Options) (*mount, error) {
	own := o.Dialects[d.Name()]
	p := &d.profile
	m := &mount{
		d: d, under: strings.TrimSuffix(p.Prefix, "/") + "/", auth: own.Authenticator, enabled: own.Enabled,
		guard: own.Guard, maxBody: own.MaxBody, origins: own.Origins, secrets: p.secretParams(), challenge: []string{p.Challenge},
	}
	if m.auth == nil {
		m.auth = o.Authenticator
	}
	if m.guard == nil {
		m.guard = p.Guard
	}
	for name, values := range p.Headers {
		m.headers = append(m.headers, header{http.CanonicalHeaderKey(name), slices.Clip(slices.Clone(values))})
	}
	for _, r := range p.Renderers {
		m.types = append(m.types, []string{cmp.Or(r.Type, r.Media)})
	}
	if o.OpenAPI {
		doc, err := newDocument(d)
		if err != nil {
			return nil, fmt.Errorf("dialect %q: %w", d.Name(), err)
		}
		m.document = doc
	}
	return m, nil
}

func (m *mount) on() bool { return m.enabled == nil || m.enabled() }

// choose is the dialect of a clean path: the longest prefix among those that
// are on.
func (s *Server) choose(path string) *mount {
	if path == "/" {
		for _, m := range s.root {
			if m.on() {
				return m
			}
		}
	}
	for _, m := range s.mounts {
		if (strings.HasPrefix(path, m.under) || len(path) == len(m.under)-1 && path == m.under[:len(path)]) && m.on() {
			return m
		}
	}
	return nil
}

// newID makes a request id: unique among processes, ordered within one.
func (s *Server) newID() string {
	var b [24]byte
	id := append(b[:0], s.idBase...)
	n := s.idNext.Add(1)
	var raw [8]byte
	binary.BigEndian.PutUint64(raw[:], n)
	id = hex.AppendEncode(id, raw[3:])
	return string(id)
}

// tag is the weak ETag of the caller at the commit index.
func (s *Server) tag(p *policy.Principal) string {
	id := ""
	if p != nil {
		id = p.Kind.String() + "\x00" + p.Name + "\x00" + p.UserID + "\x00" + p.KeyID + "\x00" + p.Tenant
	}
	return `W/"` + strconv.FormatUint(s.opts.Index(), 10) + "." + strconv.FormatUint(maphash.String(s.seed, id), 16) + `"`
}

// Shutdown ends the open streams and refuses further calls as Unavailable. It
// returns when the last stream is gone, or with the error of ctx.
func (s *Server) Shutdown(ctx context.Context) error {
	s.openMu.Lock()
	s.closed = true
	s.openMu.Unlock()
	s.quitOnce.Do(func() { close(s.quit) })
	gone := make(chan struct{})
	go func() {
		s.open.Wait()
		close(gone)
	}()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stopping reports whether Shutdown was called.
func (s *Server) stopping() bool {
	select {
	case <-s.quit:
		return true
	default:
		return false
	}
}

// enterStream registers an open stream, unless the server is stopping.
func (s *Server) enterStream() bool {
	s.openMu.Lock()
	defer s.openMu.Unlock()
	if s.closed {
		return false
	}
	s.open.Add(1)
	return true
}

// aside answers what belongs to no dialect: documents, if they are served, and
// 404. It reports the status.
func (s *Server) aside(w http.ResponseWriter, r *http.Request, path string) (status int, n int64) {
	h := w.Header()
	h["Content-Type"] = jsonType
	if s.opts.OpenAPI && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		if name, ok := strings.CutPrefix(path, "/openapi/"); ok {
			for _, m := range s.mounts {
				if name == m.d.Name()+".json" && m.on() {
					h["Content-Length"] = intHeader(len(m.document))
					w.WriteHeader(http.StatusOK)
					if r.Method == http.MethodHead {
						return http.StatusOK, 0
					}
					k, _ := w.Write(m.document)
					return http.StatusOK, int64(k)
				}
			}
		}
	}
	h["Content-Length"] = intHeader(len(noSuchPath))
	w.WriteHeader(http.StatusNotFound)
	if r.Method == http.MethodHead {
		return http.StatusNotFound, 0
	}
	k, _ := w.Write(noSuchPath)
	return http.StatusNotFound, int64(k)
}

var (
	jsonType   = []string{"application/json"}
	noSuchPath = []byte(`{"error":"No such path."}`)
	nosniff    = []string{"nosniff"}
)

// Document is the OpenAPI 3.1 document of the dialect.
func (d *Dialect) Document() ([]byte, error) {
	doc, err := newDocument(d)
	return bytes.Clone(doc), err
}

// ServeHTTP serves the dialect alone, with the zero Options.
func (d *Dialect) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.alone.Do(func() {
		s, err := NewServer(Options{}, d)
		if err != nil {
			panic(err) // one checked dialect without options always mounts
		}
		d.server = s
	})
	d.server.ServeHTTP(w, r)
}
