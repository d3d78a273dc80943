package tenancy

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// Mode is how the platform as a whole tells who calls.
type Mode uint8

// The modes. The zero Mode is unset: nobody is let in.
const (
	AcceptAll     Mode = iota + 1 // whoever is not known is the implicit administrator
	DenyAll                       // nobody is let in
	Accounts                      // accounts with passwords and keys of ours
	WithDirectory                 // passwords are a directory's; keys are ours
)

var modes = [...]string{"unset", "accept-all", "deny-all", "coral", "ldap"}

func (m Mode) String() string {
	if int(m) < len(modes) {
		return modes[m]
	}
	return fmt.Sprintf("mode %d", uint8(m))
}

// ParseMode reads the name of a mode: accept-all, deny-all, coral or ldap.
// Everything else is Invalid.
func ParseMode(s string) (Mode, error) {
	if i := slices.Index(modes[:], s); i > 0 {
		return Mode(i), nil
	}
	return 0, atoll.Errorf(atoll.Invalid, "tenancy.ParseMode", "%.64q is not a mode of authentication: want accept-all, deny-all, coral or ldap", s)
}

// Dependents are the packages that keep things of accounts and tenants: they
// say what there is, and let it go. Their methods run inside a transaction and
// change rows alone; what runs is stopped afterwards, by reconciliation.
type Dependents interface {
	// UserRefs lists the live runtimes and workloads named after the account.
	UserRefs(tx *store.Tx, userID string) ([]policy.FQN, error)
	// DropUser deletes what UserRefs lists.
	DropUser(tx *store.Tx, userID string) error
	// DropTenant deletes everything whose FQN lies in the namespace of the tenant.
	DropTenant(tx *store.Tx, tenant *Tenant) error
	// DropProject takes what belongs to the project out of it.
	DropProject(tx *store.Tx, projectID string) error
}

// Service is the accounts of the platform and who they are to its APIs. Safe
// for concurrent use.
type Service struct {
	st    *store.Store
	guard *policy.Guard

	mode      Mode
	directory Directory
	external  policy.Authenticator
	domain    string // of the cluster, for the names of its components
	secret    []byte // that keys are derived from
	cost      HashCost
	check     func(json.RawMessage) []atoll.Finding
	log       *slog.Logger
	now       func() time.Time

	hash       *hasher
	verified   *verified
	principals *recent[principalID, *builtPrincipal]
	implicit   atomic.Pointer[implicitPrincipal]
	binds      chan struct{}

	mu         sync.RWMutex // guards dependents
	dependents []Dependents

	users    Users
	keys     Keys
	projects Projects
}

// Option changes a Service from its default.
type Option func(*Service)

// WithMode sets how callers are told apart. The default is Accounts.
func WithMode(m Mode) Option { return func(s *Service) { s.mode = m } }

// WithDirectoryClient sets the directory that Mode WithDirectory asks. There is
// no default.
func WithDirectoryClient(d Directory) Option { return func(s *Service) { s.directory = d } }

// WithExternal sets who is asked about bearer tokens that are not keys of ours.
// By default they are refused.
func WithExternal(a policy.Authenticator) Option { return func(s *Service) { s.external = a } }

// WithKeySecret sets the secret from which the texts of keys are derived. Keys
// made under another secret still authenticate but cannot be shown again. The
// default is random, for the life of the process.
func WithKeySecret(secret []byte) Option {
	return func(s *Service) { s.secret = slices.Clone(secret) }
}

// WithHashCost sets the work put into new password hashes. The default is
// DefaultHashCost.
func WithHashCost(c HashCost) Option { return func(s *Service) { s.cost = c } }

// WithClusterDomain sets the domain whose component names nobody may take. The
// default is apcera.me.
func WithClusterDomain(domain string) Option { return func(s *Service) { s.domain = domain } }

// WithDefinitionCheck sets what says whether a text is a runtime definition
// that may be kept in a project. By default any JSON object is.
func WithDefinitionCheck(f func(json.RawMessage) []atoll.Finding) Option {
	return func(s *Service) { s.check = f }
}

// WithLogger sets where failures go that no caller sees. The default discards.
func WithLogger(l *slog.Logger) Option { return func(s *Service) { s.log = l } }

// WithClock sets the source of time. The default is time.Now.
func WithClock(now func() time.Time) Option { return func(s *Service) { s.now = now } }

// New returns the service over st, which must have been opened with Tables and
// policy.Tables. A nil guard allows everything. New has no side effects; it
// fails with Invalid for options that do not fit together.
func New(st *store.Store, guard *policy.Guard, opts ...Option) (*Service, error) {
	s := &Service{st: st, guard: guard, mode: Accounts, domain: "apcera.me", cost: DefaultHashCost,
		check: func(json.RawMessage) []atoll.Finding { return nil },
		log:   slog.New(slog.DiscardHandler), now: time.Now}
	for _, o := range opts {
		o(s)
	}
	const op = "tenancy.New"
	switch {
	case st == nil:
		return nil, atoll.Errorf(atoll.Invalid, op, "a store is required")
	case s.mode == 0 || int(s.mode) >= len(modes):
		return nil, atoll.Errorf(atoll.Invalid, op, "the mode of authentication is unset or unknown")
	case s.mode == WithDirectory && s.directory == nil:
		return nil, atoll.Errorf(atoll.Invalid, op, "mode ldap needs a directory")
	case s.secret != nil && len(s.secret) < 16:
		return nil, atoll.Errorf(atoll.Invalid, op, "the secret of keys has at least 16 bytes")
	}
	if s.secret == nil {
		s.secret = make([]byte, 32)
		rand.Read(s.secret)
	}
	s.hash = newHasher(s.cost)
	s.verified = newVerified()
	s.principals = newRecent[principalID, *builtPrincipal](principalLimit)
	s.binds = make(chan struct{}, maxBinds)
	s.users, s.keys, s.projects = Users{s}, Keys{s}, Projects{s}
	return s, nil
}

// Register adds a package that keeps things of accounts and tenants.
func (s *Service) Register(d Dependents) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dependents = append(s.dependents, d)
}

func (s *Service) registered() []Dependents {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.dependents)
}

// Mode returns how callers are told apart.
func (s *Service) Mode() Mode { return s.mode }

// Users returns the accounts.
func (s *Service) Users() *Users { return &s.users }

// Keys returns the keys of accounts.
func (s *Service) Keys() *Keys { return &s.keys }

// Projects returns the projects of accounts.
func (s *Service) Projects() *Projects { return &s.projects }

// ask returns nil if the caller in ctx may do a on target.
func (s *Service) ask(ctx context.Context, a policy.Action, target policy.FQN) error {
	return s.guard.Check(ctx, policy.Do(a, target))
}

// next gives the next number of kind in scope, which fits into an int32.
func next(tx *store.Tx, scope, kind string) (int32, error) {
	n, err := tx.Next(scope, kind)
	if err != nil {
		return 0, err
	}
	if n > 1<<31-1 {
		return 0, atoll.Errorf(atoll.Unavailable, "tenancy.next", "there are no more numbers for a %s", kind)
	}
	return int32(n), nil
}
