package platform

import (
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/driver/funcdriver"
	"github.com/atoll-platform/atoll/tenancy"
)

// Option changes a Platform that New makes from its defaults.
type Option func(*options)

type options struct {
	log       *slog.Logger
	level     *slog.LevelVar
	now       func() time.Time
	mode      tenancy.Mode
	modeGiven bool // by an option, and not by a setting
	directory tenancy.Directory
	external  policy.Authenticator
	secret    []byte
	hashCost  *tenancy.HashCost
	admin     [2]string
	keys      []fixedKey
	files     string
	outgoing  []string
	registry  *actor.Registry
	bus       actor.Bus
	rules     policy.Authorizer
	types     []policy.ResourceType
	noHomes   bool
	decisions func(policy.Logged)
	settings  map[string]any
	seeds     []fleet.Address
	workers   int
	history   int
	drivers   []driver.Driver
	functions *funcdriver.Driver
	workDir   string
	advertise string
	publicURL string
	domain    string
}

type fixedKey struct{ user, key string }

// WithLogger sets where the platform logs. The default discards.
func WithLogger(l *slog.Logger) Option { return func(o *options) { o.log = l } }

// WithLogLevel lets the setting coral.log-level drive level, which the handler
// of the logger uses.
func WithLogLevel(level *slog.LevelVar) Option { return func(o *options) { o.level = level } }

// WithClock sets the source of time for rows and audit. The default is time.Now.
func WithClock(now func() time.Time) Option { return func(o *options) { o.now = now } }

// WithAuthentication sets how callers of the APIs are told apart. The default
// is the setting coral.authentication.mode, or else tenancy.Accounts: names with
// passwords, and keys.
func WithAuthentication(m tenancy.Mode) Option {
	return func(o *options) { o.mode, o.modeGiven = m, true }
}

// WithDirectory sets the directory that the mode tenancy.WithDirectory asks.
func WithDirectory(d tenancy.Directory) Option { return func(o *options) { o.directory = d } }

// WithTokens sets who is asked about bearer tokens that are no keys of the
// platform. By default they are refused.
func WithTokens(a policy.Authenticator) Option { return func(o *options) { o.external = a } }

// WithKeySecret sets the secret from which the texts of API keys are derived.
// The default is random, so that keys cannot be shown again after a restart.
func WithKeySecret(secret []byte) Option {
	return func(o *options) { o.secret = slices.Clone(secret) }
}

// WithHashCost sets the work put into password hashes. The default is
// tenancy.DefaultHashCost; tests lower it.
func WithHashCost(c tenancy.HashCost) Option { return func(o *options) { o.hashCost = &c } }

// WithAdmin sets the administrator that Start makes while there are no users.
func WithAdmin(name, password string) Option {
	return func(o *options) { o.admin = [2]string{name, password} }
}

// WithKey gives the user of that name a fixed API key of 40 hexadecimal
// digits; Start makes the user if it is absent. It may be given several times.
func WithKey(user, key string) Option {
	return func(o *options) { o.keys = append(o.keys, fixedKey{user, key}) }
}

// WithFiles sets the one directory that actors may read and write. Nothing
// outside it can be reached, through no link either. Without it definitions
// with files are not valid.
func WithFiles(dir string) Option { return func(o *options) { o.files = dir } }

// WithOutgoing sets the addresses that actors may send requests to: IP
// addresses, prefixes, host names, "*.suffix". The default is loopback and
// public addresses, never link-local or private ones.
func WithOutgoing(allow ...string) Option {
	return func(o *options) { o.outgoing = slices.Clone(allow) }
}

// WithActors sets the actor types of the platform. The default is
// builtin.Registry(); clone that one to add your own.
func WithActors(r *actor.Registry) Option { return func(o *options) { o.registry = r } }

// WithBus sets the event bus that kafka-consumer and kafka-producer use, such
// as a connection to Kafka; who made it closes it, after Shutdown. The default
// is actor.NewBus(), within the process.
func WithBus(b actor.Bus) Option { return func(o *options) { o.bus = b } }

// WithRules sets the rules behind the native decisions on runtimes, tenants
// and scopes. The default is the policy documents of the platform.
func WithRules(a policy.Authorizer) Option { return func(o *options) { o.rules = a } }

// WithResourceTypes registers further resource types that policy documents may
// name, beside the platform's own.
func WithResourceTypes(types ...policy.ResourceType) Option {
	return func(o *options) { o.types = append(o.types, types...) }
}

// WithoutHomes leaves the document "homes" out of a fresh platform: nobody is
// permitted everything in the namespace that carries his name.
func WithoutHomes() Option { return func(o *options) { o.noHomes = true } }

// WithDecisionLog sets a function that is told of every decision of the policy
// documents. It must be quick and must not block. The default is none.
func WithDecisionLog(f func(policy.Logged)) Option { return func(o *options) { o.decisions = f } }

// WithSettings sets values of settings by key, see Describe. It may be given
// several times. An option that sets the same thing wins.
func WithSettings(values map[string]any) Option {
	return func(o *options) {
		if o.settings == nil {
			o.settings = map[string]any{}
		}
		maps.Copy(o.settings, values)
	}
}

// WithWorkers sets how many workers drive the runtimes. The default is GOMAXPROCS.
func WithWorkers(n int) Option { return func(o *options) { o.workers = n } }

// WithHistory sets how many commits are kept for watchers. The default is 4096.
func WithHistory(commits int) Option { return func(o *options) { o.history = commits } }

// WithFunctions sets the registered Go functions that workloads may run. The
// default is a driver without functions; Platform.Functions has it either way.
func WithFunctions(f *funcdriver.Driver) Option { return func(o *options) { o.functions = f } }

// WithDrivers adds drivers of workloads besides the functions, such as one of
// package execdriver: the platform brings none that could run what an embedder
// did not write. It may be given several times. The platform owns them: one that
// is a Sweeper cleans up at Start, one that is a Closer is closed at Shutdown.
func WithDrivers(d ...driver.Driver) Option {
	return func(o *options) { o.drivers = append(o.drivers, d...) }
}

// WithWorkDir sets the directory below which each instance of a workload gets a
// private one; Start makes it. It belongs to this platform alone: what lies there
// under the id of an instance that no longer exists is removed. By default
// instances have no directories.
func WithWorkDir(dir string) Option { return func(o *options) { o.workDir = dir } }

// WithAdvertised sets the host that ports of workloads are shown to be reached
// at. While it is a loopback address instances listen there, otherwise on every
// address of the machine. The default is 127.0.0.1.
func WithAdvertised(host string) Option { return func(o *options) { o.advertise = host } }

// WithPublicURL sets where the APIs are reached from outside, scheme://host[:port]
// without a path, as workloads are told. The default is empty: they are not.
func WithPublicURL(u string) Option { return func(o *options) { o.publicURL = u } }

// WithBaseDomain sets the domain below which workloads get names of their own.
// The default is empty: they are shown by the advertised host.
func WithBaseDomain(domain string) Option { return func(o *options) { o.domain = domain } }
