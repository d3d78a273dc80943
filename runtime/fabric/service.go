package fabric

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// Service connects workloads. Make one with New, pass its Options to
// workload.New, and Bind it to the service made there. Methods that change
// something ask the guard through that service. Safe for concurrent use.
type Service struct {
	st     *store.Store
	guard  *policy.Guard
	images *Images
	tokens TokenIssuer
	newID  func() string

	publicURL  string
	advertised string
	domain     string
	owner      func(r store.Reader, w *workload.Workload) string

	workloads atomic.Pointer[workload.Service]
}

// TokenIssuer makes what lets the instances of a workload call the platform.
type TokenIssuer interface {
	// Issue makes a key, within tx, by which w acts for its owner, and returns the
	// whole value of the header that presents it. The key is of Subject(w.ID).
	Issue(tx *store.Tx, w *workload.Workload) (authorization string, err error)
	// Revoke ends, within tx, the keys of w; there may be none.
	Revoke(tx *store.Tx, w *workload.Workload) error
}

// Option changes a Service that New makes.
type Option func(*Service)

// WithImages sets the images that there are. Default: none.
func WithImages(im *Images) Option { return func(s *Service) { s.images = im } }

// WithTokens sets who issues the tokens of RoleGlobal. Default: nobody, and the
// role is refused.
func WithTokens(t TokenIssuer) Option { return func(s *Service) { s.tokens = t } }

// WithPublicURL sets what goes before the paths of the API in variables, such as
// https://example.com. Default: nothing does.
func WithPublicURL(url string) Option {
	return func(s *Service) { s.publicURL = strings.TrimRight(url, "/") }
}

// WithAdvertised sets the host at which the ports of instances answer. Default:
// 127.0.0.1.
func WithAdvertised(host string) Option { return func(s *Service) { s.advertised = host } }

// WithBaseDomain gives every workload and every instance a name of its own below
// domain; owner makes the label of the owner of a workload. Default: all have the
// advertised host.
func WithBaseDomain(domain string, owner func(r store.Reader, w *workload.Workload) string) Option {
	return func(s *Service) { s.domain, s.owner = strings.Trim(domain, "."), owner }
}

// WithIDs sets where ids of new workloads come from. Default: random UUIDs.
func WithIDs(next func() string) Option { return func(s *Service) { s.newID = next } }

// New returns a Service over st, which must be open with the tables of this
// package and of workload. It has no side effects.
func New(st *store.Store, guard *policy.Guard, opts ...Option) *Service {
	s := &Service{st: st, guard: guard, images: NewImages(), newID: uuid.NewString, advertised: "127.0.0.1"}
	for _, o := range opts {
		o(s)
	}
	return s
}

// Options are what workload.New needs to know of the Service: it prepares
// instances, and makes the environment of workload.EnvContainer.
func (s *Service) Options() []workload.Option {
	return []workload.Option{workload.WithConnector(connector{s}), workload.WithEnv(workload.EnvContainer, s.environment)}
}

// Bind sets the service whose workloads are connected. To be called once, before
// anything is created.
func (s *Service) Bind(w *workload.Service) { s.workloads.Store(w) }

// Images returns the images that there are.
func (s *Service) Images() *Images { return s.images }

func (s *Service) bound(op string) (*workload.Service, error) {
	if w := s.workloads.Load(); w != nil {
		return w, nil
	}
	return nil, atoll.Errorf(atoll.Unavailable, op, "there is no service of workloads yet")
}

// NewApplication describes a workload that is made from an image.
type NewApplication struct {
	// The workload. If its FQN is taken, the local name gets "-" and the first
	// eight digits of the id. Of the Spec the image decides Driver, Func, Image,
	// Ports, Defaults and the command of MainProcess, whose Env stays.
	workload.NewWorkload
	Image      Reference
	Entrypoint string        // "" = the image's
	Command    string        // "" = the image's
	Ports      []driver.Port // nil = the image's
	Links      []NewLink
	WebDNS     string
	Roles      []string
}

// NewLink is a link to be made.
type NewLink struct {
	Target string // id of a workload
	Name   string // "" = the local name of the target
}

// Create makes a workload from an image, with its links and its record, in one
// transaction. Linking asks for read, update and link on the new workload and
// for read and link on the target. Kinds: Invalid with every finding, on the
// paths image, entrypoint, command, ports, links, roles and webDNS and those of
// workload.Create; Conflict if even the longer name is taken; Reference, Quota,
// Denied, Unavailable as workload.Create. Conditions see the new workload.
func (s *Service) Create(ctx context.Context, n NewApplication, conds ...workload.Cond) (*workload.Snapshot, error) {
	const op = "fabric.Create"
	ws, err := s.bound(op)
	if err != nil {
		return nil, err
	}
	fs := s.fill(&n)
	wanted, more := s.checkLinks(ctx, s.st.View(), &n)
	if fs = append(fs, more...); fs != nil {
		if err := s.guard.Check(ctx, policy.Do(policy.Create, n.FQN)); err != nil { // it is not told what is wrong, who may not do it
			return nil, atoll.Wrap(op, err)
		}
		fs = append(fs, n.Spec.Check(n.Count)...)
		return nil, &atoll.Error{Kind: atoll.Invalid, Op: op, Msg: "the application is not valid", Findings: fs}
	}
	name, asked := n.FQN, n.ID
	for range 3 {
		var snap *workload.Snapshot
		if n.ID = asked; asked == "" {
			n.ID = s.newID()
		}
		for _, n.FQN = range []policy.FQN{name, longer(name, n.ID)} {
			snap, err = s.create(ctx, ws, &n, wanted, conds)
			if err == nil || atoll.CodeOf(err) != atoll.Exists {
				return snap, atoll.Wrap(op, err)
			}
		}
		if asked != "" {
			break
		}
	}
	return nil, atoll.Wrap(op, err)
}

// longer is the name that a workload gets if its name is taken.
func longer(f policy.FQN, id string) policy.FQN {
	f.Local += "-" + id[:min(8, len(id))]
	return f
}

// fill fills in what the image decides and returns what is wrong with n, but for
// its links and for what workload.Create finds.
func (s *Service) fill(n *NewApplication) (fs []atoll.Finding) {
	q := &wanted{image: n.Image, entrypoint: n.Entrypoint, command: n.Command, ports: n.Ports}
	m, ok := s.images.Resolve(n.Image)
	if !ok {
		fs = append(fs, unknownImage("image", n.Image))
		m = &Image{Driver: "none", AnyEntrypoint: true} // what was asked for is looked at all the same
	}
	fs = append(fs, m.fill(&n.Spec, q)...)
	fs = append(fs, checkWebDNS(n.WebDNS)...)
	for i, r := range n.Roles {
		switch at := fmt.Sprintf("roles/%d", i); {
		case r != RoleGlobal:
			fs = append(fs, atoll.Finding{Path: at, Code: "unknown", Msg: fmt.Sprintf("there is no role %.64q; there is %s", r, RoleGlobal)})
		case s.tokens == nil:
			fs = append(fs, atoll.Finding{Path: at, Code: "unknown", Msg: "no role can be given here: nobody issues tokens"})
		}
	}
	return fs
}

func unknownImage(path string, r Reference) atoll.Finding {
	return atoll.Finding{Path: path, Code: "unknown", Msg: fmt.Sprintf("there is no image %s", r)}
}

func checkWebDNS(host string) []atoll.Finding {
	if host == "" || isHostName(strings.TrimSuffix(host, ".")) {
		return nil
	}
	return []atoll.Finding{{Path: "webDNS", Code: "form", Msg: fmt.Sprintf("%.100q is no host name", host)}}
}

// create makes the rows.
func (s *Service) create(ctx context.Context, ws *workload.Service, n *NewApplication, wanted []NewLink, conds []workload.Cond) (*workload.Snapshot, error) {
	w := n.NewWorkload
	theirs := w.Within
	w.Within = func(tx *store.Tx, sn *workload.Snapshot) error {
		if err := s.link(ctx, tx, sn.Workload, wanted); err != nil {
			return err
		}
		a := &Application{Workload: sn.Workload.ID, WebDNS: n.WebDNS, Roles: slices.Compact(slices.Clone(n.Roles)),
			FromImage: true, Entrypoint: n.Entrypoint, Command: n.Command, Ports: n.Ports != nil}
		if len(a.Roles) > 0 {
			token, err := s.tokens.Issue(tx, sn.Workload)
			if err != nil {
				return err
			}
			a.Token = store.Sealed(token)
		}
		if err := applications.Insert(tx, a); err != nil {
			return err
		}
		if theirs != nil {
			return theirs(tx, sn)
		}
		return nil
	}
	return ws.Create(ctx, w, conds...)
}

// Change is a change of the record of a workload.
type Change struct {
	WebDNS *string // nil = as it is, "" = none
}

// Update changes a workload and its record in one transaction; change, which may
// be nil, is that of workload.Update. Kinds: as workload.Update.
func (s *Service) Update(ctx context.Context, id string, c Change, change func(*workload.Desired) error, conds ...workload.Cond) (*workload.Snapshot, error) {
	const op = "fabric.Update"
	ws, err := s.bound(op)
	if err != nil {
		return nil, err
	}
	both := func(d *workload.Desired) error {
		var err error
		if change != nil {
			err = change(d)
		}
		if c.WebDNS == nil {
			return err
		}
		return withFindings(err, checkWebDNS(*c.WebDNS))
	}
	sn, err := ws.UpdateWithin(ctx, id, both, func(tx *store.Tx, sn *workload.Snapshot) error {
		if c.WebDNS == nil {
			return nil
		}
		a := &Application{Workload: sn.Workload.ID}
		if old, ok := applications.Get(tx, a.Workload); ok {
			*a = *old
		}
		if a.WebDNS == *c.WebDNS {
			return nil
		}
		a.WebDNS = *c.WebDNS
		tx.Note("job.update", sn.Workload.FQN, map[string]any{"webDNS": a.WebDNS})
		return applications.Put(tx, a)
	}, conds...)
	return sn, atoll.Wrap(op, err)
}

// withFindings adds what is wrong besides to an error, unless that is of another kind.
func withFindings(err error, fs []atoll.Finding) error {
	if fs == nil || err != nil && atoll.KindOf(err) != atoll.Invalid {
		return err
	}
	out := &atoll.Error{Kind: atoll.Invalid, Msg: "the change is not valid"}
	if e, ok := errors.AsType[*atoll.Error](err); ok {
		out.Findings = slices.Clone(e.Findings)
	}
	out.Findings = append(out.Findings, fs...)
	return out
}

// Application returns the record of a workload; of one that was not made from
// an image it has the id alone. It is a constant.
func (s *Service) Application(sn *workload.Snapshot) *Application {
	if a, ok := applications.Get(s.st.View(), sn.Workload.ID); ok {
		return a
	}
	return &Application{Workload: sn.Workload.ID}
}
