package platform

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/actor/builtin"
	"github.com/atoll-platform/atoll/internal/egress"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime"
	"github.com/atoll-platform/atoll/runtime/fabric"
	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver/funcdriver"
	"github.com/atoll-platform/atoll/tenancy"
)

// clusterFQN is what settings, statistics and machines as a whole ask for.
var clusterFQN = policy.FQN{Type: "cluster", Namespace: "/"}

// Platform is one in-process platform. Make one with New.
type Platform struct {
	o         options
	log       *slog.Logger
	st        *store.Store
	guard     *policy.Guard
	documents *policy.Documents
	settings  *Settings
	tenancy   *tenancy.Service
	fleet     *fleet.Fleet
	env       *actor.Env // Files is set by Start
	outgoing  *egress.Client
	engine    *runtime.Engine
	runtimes  *runtime.Service
	functions *funcdriver.Driver
	workloads *workload.Service
	images    *fabric.Images
	fabric    *fabric.Service

	life  sync.Mutex // orders Start and Shutdown
	state lifeState
	root  *os.Root
	since atomic.Pointer[time.Time] // of Start, nil while the platform is not live
}

type lifeState uint8

const (
	made lifeState = iota
	live
	ended
)

// New returns a platform that is not started. It has no side effects. Options
// that do not fit are Invalid.
func New(opts ...Option) (*Platform, error) {
	o := options{log: slog.New(slog.DiscardHandler), now: time.Now, mode: tenancy.Accounts}
	for _, f := range opts {
		f(&o)
	}
	if err := o.adopt(); err != nil {
		return nil, err
	}
	p := &Platform{o: o, log: o.log}
	tables := slices.Concat(tenancy.Tables(), policy.Tables(), runtime.Tables(), fleet.Tables(), workload.Tables(), fabric.Tables(),
		[]store.AnyTable{settingRows, auditRows})
	storeOpts := []store.Option{store.WithClock(o.now), store.WithActor(policy.ActorName), store.WithDeriver(audit)}
	if o.history > 0 {
		storeOpts = append(storeOpts, store.WithHistory(o.history))
	}
	var err error
	if p.st, err = store.Open(tables, storeOpts...); err != nil {
		return nil, atoll.Wrap("platform.New", err)
	}
	types, err := policy.NewRegistry(append(policy.PlatformTypes(), o.types...))
	if err != nil {
		return nil, atoll.Wrap("platform.New", err)
	}
	p.documents = policy.NewDocuments(p.st, types)
	rules := o.rules
	if rules == nil {
		language := policy.NewLanguage(p.documents)
		language.Log(o.decisions)
		rules = language
	}
	grants := policy.NewGrants(p.st)
	p.guard = policy.NewGuard(policy.NewNative(grants, rules))
	p.documents.Use(p.guard)
	if p.settings, err = newSettings(p.st, p.guard, p.o.effectiveSettings(), o.level); err != nil {
		return nil, err
	}
	if p.tenancy, err = tenancy.New(p.st, p.guard, p.tenancyOptions()...); err != nil {
		return nil, atoll.Wrap("platform.New", err)
	}
	if p.outgoing, err = egress.New(egress.Options{Allow: o.outgoing}); err != nil {
		return nil, atoll.Wrap("platform.New", err)
	}
	registry := o.registry
	if registry == nil {
		registry = builtin.Registry()
	}
	if o.bus == nil {
		o.bus = actor.NewBus()
	}
	if o.bus, err = actor.Configure(o.bus, p.settings.below(keyConsumer), p.settings.below(keyProducer)); err != nil {
		return nil, atoll.Wrap("platform.New", err)
	}
	p.env = &actor.Env{
		HTTP: p.outgoing.HTTP(), HTTPTimeout: p.settings.milliseconds(keyHTTPTimeout),
		Bus: o.bus, Log: o.log, Now: o.now,
		Rand: func() *rand.Rand { return rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())) },
	}
	journal := runtime.NewJournal(runtime.JournalOptions{Enabled: func() bool { return p.settings.flag(keyEventLog) }, Now: o.now})
	p.engine = runtime.NewEngine(runtime.EngineOptions{
		Workers: o.workers, Env: p.env, Log: o.log, Now: o.now,
		Mailbox:        func() int { return int(p.settings.number(keyMailbox)) },
		CollectTimeout: p.settings.milliseconds(keyCollectTimeout),
		ShuntTimeout:   p.settings.milliseconds(keyShuntTimeout),
		EventLog:       journal.Keep,
	})
	p.runtimes, err = runtime.NewService(p.st, p.guard, p.engine, registry, p.env, accounts{},
		runtime.WithGrants(grants), runtime.WithLogger(o.log), runtime.WithDecisive(tenancy.DecisiveTables()...),
		runtime.WithPlacer(placer{p.settings}), runtime.WithJournal(journal),
		runtime.WithSettings(runtime.Settings{
			ReuseDeletedNames: func() bool { return p.settings.flag(keyReuseNames) },
			StartRestored:     func() bool { return p.settings.flag(keyStartRuntimes) },
			LDAP:              func() bool { return o.mode == tenancy.WithDirectory },
			DistributorMode:   func() string { return p.settings.text(keyDistributor) },
			PartitionKey:      func() string { return p.settings.text(keyPartitionKey) },
		}))
	if err != nil {
		return nil, atoll.Wrap("platform.New", err)
	}
	p.fleet = fleet.New(p.st, p.guard, func(tx *store.Tx, m *fleet.Machine) error {
		_, err := p.runtimes.PlaceAgain(tx, m.Address())
		return err
	})
	if err := p.newWorkloads(); err != nil {
		return nil, atoll.Wrap("platform.New", err)
	}
	p.tenancy.Register(dependents{p.runtimes, p.workloads})
	return p, nil
}

// adopt takes from the settings what no option says. Values of another type are
// left to the check of the settings.
func (o *options) adopt() error {
	text := func(key string) string {
		s, _ := o.settings[key].(string)
		return s
	}
	if word, ok := o.settings[keyAuthMode].(string); ok && !o.modeGiven {
		mode, err := tenancy.ParseMode(word)
		if err != nil {
			return atoll.Wrap("platform.New", err)
		}
		o.mode = mode
	}
	if o.admin[0] == "" {
		o.admin = [2]string{text(keyAdminName), text(keyAdminPassword)}
	}
	if o.files == "" {
		o.files = text(keyLogRoot)
	}
	var err error
	o.seeds, err = seedsOf(o.settings)
	return err
}

// effectiveSettings are the settings given, below those that options imply.
func (o *options) effectiveSettings() map[string]any {
	m := map[string]any{}
	maps.Copy(m, o.settings)
	m[keyAuthMode] = o.mode.String()
	if o.admin[0] != "" {
		m[keyAdminName], m[keyAdminPassword] = o.admin[0], redacted
	}
	if o.files != "" {
		m[keyLogRoot] = o.files
	}
	return m
}

func (p *Platform) tenancyOptions() []tenancy.Option {
	opts := []tenancy.Option{tenancy.WithMode(p.o.mode), tenancy.WithLogger(p.o.log), tenancy.WithClock(p.o.now), tenancy.WithDefinitionCheck(p.checkDefinition)}
	if p.o.directory != nil {
		opts = append(opts, tenancy.WithDirectoryClient(p.o.directory))
	}
	if p.o.external != nil {
		opts = append(opts, tenancy.WithExternal(p.o.external))
	}
	if p.o.secret != nil {
		opts = append(opts, tenancy.WithKeySecret(p.o.secret))
	}
	if p.o.hashCost != nil {
		opts = append(opts, tenancy.WithHashCost(*p.o.hashCost))
	}
	return opts
}

// Start makes the platform live. It is idempotent. After Shutdown it is
// Unavailable; if it fails, what it had started is ended again and it may be
// called once more.
func (p *Platform) Start(ctx context.Context) error {
	const op = "platform.Start"
	p.life.Lock()
	defer p.life.Unlock()
	switch p.state {
	case live:
		return nil
	case ended:
		return atoll.Errorf(atoll.Unavailable, op, "the platform is shut down")
	}
	if p.o.files != "" && p.root == nil {
		if err := p.openFiles(); err != nil {
			return atoll.Wrap(op, err)
		}
	}
	for _, step := range []func(context.Context) error{p.bootstrap, p.registerHere, p.joinSeeds, p.sweep, p.engine.Start, p.runtimes.Launch, p.workloads.Start} {
		if err := step(ctx); err != nil {
			return atoll.Wrap(op, err)
		}
	}
	p.state = live
	now := p.o.now()
	p.since.Store(&now)
	return nil
}

func (p *Platform) openFiles() error {
	if err := os.MkdirAll(p.o.files, 0o755); err != nil {
		return atoll.Errorf(atoll.Failed, "platform.Start", "the directory of actors cannot be made: %w", err)
	}
	root, err := os.OpenRoot(p.o.files)
	if err != nil {
		return atoll.Errorf(atoll.Failed, "platform.Start", "the directory of actors cannot be opened: %w", err)
	}
	p.root, p.env.Files = root, root
	return nil
}

// bootstrap makes the accounts that the options ask for.
func (p *Platform) bootstrap(ctx context.Context) error {
	p.settings.reload()
	if err := p.documents.Install(ctx, p.defaultDocuments()); err != nil {
		return err
	}
	if err := p.tenancy.EnsureImplicit(ctx); err != nil {
		return err
	}
	if p.o.admin[0] != "" {
		if _, err := p.tenancy.EnsureAdmin(ctx, p.o.admin[0], p.o.admin[1]); err != nil {
			return err
		}
	}
	for _, k := range p.o.keys {
		if err := p.ensureKey(ctx, k); err != nil {
			return err
		}
	}
	return nil
}

// defaultDocuments are the policy documents of a fresh platform.
func (p *Platform) defaultDocuments() []policy.DefaultDocument {
	docs := policy.DefaultDocuments(p.documents.Types())
	if !p.o.noHomes {
		docs = append(docs, policy.DefaultDocument{Name: "homes", Text: policy.HomesText})
	}
	return docs
}

func (p *Platform) ensureKey(ctx context.Context, k fixedKey) error {
	if _, err := p.Users().Get(ctx, k.user); errors.Is(err, atoll.NotFound) {
		if _, err := p.Users().Create(ctx, tenancy.NewUser{Name: k.user}); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	_, err := p.Keys().Add(ctx, k.user, k.key, "fixed key")
	if errors.Is(err, atoll.Conflict) {
		return nil // restored together with its user
	}
	return err
}

func (p *Platform) registerHere(ctx context.Context) error {
	return p.fleet.RegisterLocal(ctx, p.settings.text(keyNodeHost), int(p.settings.number(keyNodePort)))
}

// Shutdown ends everything that runs, in reverse order of Start, gracefully
// until ctx ends and hard then, and closes the store. It is idempotent. What
// could not end in time is reported; nothing of the platform's own is left
// running.
func (p *Platform) Shutdown(ctx context.Context) error {
	p.life.Lock()
	defer p.life.Unlock()
	if p.state == ended {
		return nil
	}
	p.state = ended
	p.since.Store(nil)
	errs := append(p.endWorkloads(ctx), p.runtimes.Shutdown(ctx), p.engine.Shutdown(ctx))
	p.outgoing.Close()
	if p.root != nil {
		errs = append(errs, p.root.Close())
	}
	p.st.Close()
	return atoll.Wrap("platform.Shutdown", errors.Join(errs...))
}

// Ready reports whether the platform is live. It never waits, not even for a
// restore under way.
func (p *Platform) Ready() bool { return p.since.Load() != nil }

// Users returns the accounts.
func (p *Platform) Users() *tenancy.Users { return p.tenancy.Users() }

// Keys returns the API keys of accounts.
func (p *Platform) Keys() *tenancy.Keys { return p.tenancy.Keys() }

// Projects returns the projects of accounts.
func (p *Platform) Projects() *tenancy.Projects { return p.tenancy.Projects() }

// Runtimes returns the runtimes.
func (p *Platform) Runtimes() *runtime.Service { return p.runtimes }

// Policy returns the policy documents.
func (p *Platform) Policy() *policy.Documents { return p.documents }

// Machines returns the machines.
func (p *Platform) Machines() *fleet.Fleet { return p.fleet }

// Settings returns the configuration.
func (p *Platform) Settings() *Settings { return p.settings }

// Authenticator returns who tells callers of the APIs apart, in the mode of
// the platform.
func (p *Platform) Authenticator() *tenancy.Authenticator {
	return p.tenancy.Authenticator(p.o.mode)
}

// Index returns the index of the newest commit.
func (p *Platform) Index() uint64 { return p.st.LastIndex() }

// Wait blocks until the commit with that index is visible: with the index that
// another call returned, it reads that call's writes. Canceled, Timeout,
// Unavailable after Shutdown.
func (p *Platform) Wait(ctx context.Context, index uint64) error {
	return atoll.Wrap("platform.Wait", p.st.Wait(ctx, index))
}

// Logger returns where the platform logs.
func (p *Platform) Logger() *slog.Logger { return p.log }
