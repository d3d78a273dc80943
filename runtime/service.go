package runtime

import (
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// Settings are what an operator may change while the platform runs. Functions
// that are nil give the default.
type Settings struct {
	ReuseDeletedNames func() bool   // whether the name of a deleted runtime is free again; default true
	StartRestored     func() bool   // whether runtimes that ran when they were stored start again; default false
	LDAP              func() bool   // whether users come from a directory; default false
	DistributorMode   func() string // how runtimes are placed; default local
	PartitionKey      func() string // the field that picks the copy of a runtime for an event; default the whole event
	MaxRuntimes       func() int    // that one user may have, administrators aside; default 10,000
	MaxActors         func() int    // in all runtimes of one user, administrators aside; default 100,000
}

func (s *Settings) fill() {
	if s.ReuseDeletedNames == nil {
		s.ReuseDeletedNames = func() bool { return true }
	}
	if s.StartRestored == nil {
		s.StartRestored = func() bool { return false }
	}
	if s.LDAP == nil {
		s.LDAP = func() bool { return false }
	}
	if s.DistributorMode == nil {
		s.DistributorMode = func() string { return Local }
	}
	if s.PartitionKey == nil {
		s.PartitionKey = func() string { return "" }
	}
	if s.MaxRuntimes == nil {
		s.MaxRuntimes = func() int { return 10_000 }
	}
	if s.MaxActors == nil {
		s.MaxActors = func() int { return 100_000 }
	}
}

// Option changes a Service that NewService makes.
type Option func(*Service)

// WithSettings sets what an operator may change. Default: the defaults.
func WithSettings(settings Settings) Option { return func(s *Service) { s.settings = settings } }

// WithGrants sets where permissions are kept. Default: none are, and the
// methods on permissions are Unavailable.
func WithGrants(g *policy.Grants) Option { return func(s *Service) { s.grants = g } }

// WithPlacer sets what chooses machines. Default: OnlyHere("127.0.0.1:2551").
func WithPlacer(p Placer) Option { return func(s *Service) { s.placer = p } }

// WithDecisive names the tables that decide who may do what and what users are
// called, besides the tables of this package and of policy: answers to calls on
// the event path are remembered until one of them changes. Default: until
// anything in the store changes.
func WithDecisive(tables ...store.AnyTable) Option {
	return func(s *Service) {
		s.decisive = append(append([]store.AnyTable{runtimes}, policy.Tables()...), tables...)
	}
}

// WithLogger sets where failures in the background are reported. Default: nowhere.
func WithLogger(l *slog.Logger) Option { return func(s *Service) { s.log = l } }

// WithLimits sets the limits of definitions. Default: those of CheckOptions.
func WithLimits(actors, links int) Option {
	return func(s *Service) { s.maxActors, s.maxLinks = actors, links }
}

// Service keeps runtimes: their rows in a store, and one instance of each in an
// Engine. A row is written first; the instance follows it. Safe for concurrent
// use.
//
// Every method asks the guard for the very call that the interfaces make, so
// that a program and a remote caller get the same answers. All of them return
// Unavailable unless the Service is between Launch and Shutdown.
type Service struct {
	st       *store.Store
	guard    *policy.Guard
	engine   *Engine
	reg      *actor.Registry
	env      *actor.Env
	users    Users
	settings Settings
	grants   *policy.Grants
	placer   Placer
	journal  *Journal // nil is none
	log      *slog.Logger
	decisive []store.AnyTable

	maxActors, maxLinks int

	mu    sync.RWMutex // guards lives and carried; the innermost
	lives map[string]*live
	ways  ways

	gate    sync.RWMutex      // held for writing while rows are replaced; the outermost
	carried map[string][]byte // states for runtimes, by id; guarded by mu

	life  sync.Mutex // guards stop and ended
	state atomic.Int32
	stop  context.CancelFunc
	ended chan struct{}

	meter meter

	patience context.Context // of what ends actors; over when that of Shutdown is
	hurry    context.CancelFunc
}

// The states of a Service.
const (
	unlaunched int32 = iota
	launched
	shutDown
)

// NewService returns a Service over st, which must be open with the tables of
// this package and of policy. Actors are of the types in reg and get env. Kind:
// Invalid if something that is required is missing.
func NewService(st *store.Store, guard *policy.Guard, engine *Engine, reg *actor.Registry, env *actor.Env, users Users, opts ...Option) (*Service, error) {
	if st == nil || engine == nil || reg == nil || users == nil {
		return nil, atoll.Errorf(atoll.Invalid, "runtime.NewService", "a service of runtimes needs a store, an engine, a registry and users")
	}
	if env == nil {
		env = noEnv()
	}
	s := &Service{st: st, guard: guard, engine: engine, reg: reg, env: env, users: users,
		placer: OnlyHere("127.0.0.1:2551"), log: slog.New(slog.DiscardHandler), lives: make(map[string]*live)}
	s.ways.seed = maphash.MakeSeed()
	s.meter.wanted = make(chan struct{})
	s.patience, s.hurry = context.WithCancel(context.Background())
	for _, o := range opts {
		o(s)
	}
	s.settings.fill()
	return s, nil
}

// ready returns Unavailable unless the Service is launched.
func (s *Service) ready(op string) error {
	switch s.state.Load() {
	case launched:
		return nil
	case unlaunched:
		return atoll.Errorf(atoll.Unavailable, op, "the runtimes are not started")
	}
	return atoll.Errorf(atoll.Unavailable, op, "the runtimes are shut down")
}

// Launch brings the runtimes in the store to life, as Reconcile does, and keeps
// them in step with their rows until Shutdown. The engine must be started. It
// is idempotent; after Shutdown it is Unavailable. A runtime that cannot be
// brought to life is no error of Launch: its status becomes Invalid.
func (s *Service) Launch(ctx context.Context) error {
	const op = "runtime.Launch"
	s.life.Lock()
	defer s.life.Unlock()
	switch s.state.Load() {
	case launched:
		return nil
	case shutDown:
		return s.ready(op)
	}
	ctx = policy.WithPrincipal(ctx, component)
	since := s.st.LastIndex()
	if err := s.reconcile(ctx); err != nil {
		return atoll.Wrap(op, err)
	}
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.stop, s.ended = cancel, make(chan struct{})
	s.state.Store(launched)
	stream := s.st.Watch(background, since, touchesRuntimes)
	go func() {
		defer close(s.ended)
		var both sync.WaitGroup
		both.Go(func() { s.measure(background) })
		s.follow(background, stream)
		both.Wait()
	}()
	return nil
}

// component is who changes rows in the background.
var component = &policy.Principal{Kind: policy.Component, Name: "system", Admin: true}

// Shutdown closes every instance, all at the same time, and leaves the rows as
// they are. It waits for the instances until ctx ends; what they have left then
// is dropped. It is idempotent.
func (s *Service) Shutdown(ctx context.Context) error {
	s.life.Lock()
	defer s.life.Unlock()
	was := s.state.Swap(shutDown)
	s.ways.forget()
	defer s.hurry()
	if was != launched {
		return nil
	}
	defer context.AfterFunc(ctx, s.hurry)()
	s.stop()
	<-s.ended
	var wg sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	free := make(chan struct{}, closers)
	for _, l := range s.all() {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			if err := s.end(ctx, l); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			}
		})
	}
	wg.Wait()
	return atoll.Wrap("runtime.Shutdown", errors.Join(errs...))
}

// closers is how many instances are closed at the same time.
const closers = 256

// end closes an instance for good.
func (s *Service) end(ctx context.Context, l *live) error {
	if err := l.take(ctx); err != nil {
		return err
	}
	defer l.leave()
	defer s.drop(l)
	return s.close(l)
}

func touchesRuntimes(c *store.Commit) bool {
	for i := range c.Changes {
		if c.Changes[i].Table == runtimes.Name() {
			return true
		}
	}
	return false
}

// follow brings instances in step with every commit that touches runtimes.
func (s *Service) follow(ctx context.Context, stream *store.Stream) {
	again := map[string]bool{} // ids that could not be brought in step
	tried := time.Now()
	for {
		c, err := s.next(ctx, stream, len(again) > 0)
		_, lost := errors.AsType[*store.LostError](err)
		switch {
		case ctx.Err() != nil || atoll.KindOf(err) == atoll.Unavailable && !lost:
			return
		case lost:
			if err := s.reconcile(ctx); err != nil {
				s.log.Error("runtimes are not in step with their rows", "error", err)
			}
			continue
		case c != nil:
			for i := range c.Changes {
				if c.Changes[i].Table == runtimes.Name() {
					s.keepUp(ctx, c.Changes[i].Key, again)
				}
			}
		}
		if time.Since(tried) >= retryAfter {
			for id := range again {
				s.keepUp(ctx, id, again)
			}
			tried = time.Now()
		}
	}
}

// keepUp brings one runtime in step, or notes that it must be tried again. It
// does not wait long for a source that will not stop: others are waiting.
func (s *Service) keepUp(ctx context.Context, id string, again map[string]bool) {
	ctx, cancel := context.WithTimeout(ctx, retryAfter/4)
	defer cancel()
	if err := s.sync(ctx, id); err != nil {
		again[id] = true
		s.log.Warn("a runtime is not yet in step with its row", "runtime", id, "error", err)
		return
	}
	delete(again, id)
}

// retryAfter is how long a runtime that could not be brought in step waits.
const retryAfter = time.Second

func (s *Service) next(ctx context.Context, stream *store.Stream, retry bool) (*store.Commit, error) {
	if retry {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, retryAfter)
		defer cancel()
	}
	return stream.Next(ctx)
}
