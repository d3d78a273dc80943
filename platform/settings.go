package platform

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// A Setting describes one key of the configuration.
type Setting struct {
	Key     string // dotted: "coral.api.max-body"; one that ends in ".*" stands for every key below it
	Type    SettingType
	Default any  // of Type; nil is unset
	Live    bool // may change while the platform runs
	Inert   bool // kept and shown for clients that expect it, without effect
	Secret  bool // never shown
	Enum    []string
	Min     int64 // of an Int
	Doc     string
}

// SettingType is the type of a setting's value.
type SettingType uint8

// The types of settings. Values are string, bool, int64 and []string; AnyScalar is any of the first three.
const (
	Text SettingType = iota + 1
	Bool
	Int
	List
	AnyScalar
)

func (t SettingType) String() string {
	switch t {
	case Text:
		return "a string"
	case Bool:
		return "true or false"
	case Int:
		return "an integer"
	case List:
		return "a list of strings"
	case AnyScalar:
		return "a string, a number without fraction, true or false"
	}
	return "unknown"
}

// The keys that the platform itself reads.
const (
	keyLogLevel       = "coral.log-level"
	keyStartRuntimes  = "coral.start-runtimes-in-table"
	keyAPIInterface   = "coral.api.interface"
	keyAPIPort        = "coral.api.port"
	keyMaxBody        = "coral.api.max-body"
	keyNodeHost       = "coral.akka.hostname"
	keyNodePort       = "coral.akka.port"
	keyDistributor    = "coral.distributor.mode"
	keyDistAlias      = "coral.distributor.machine.alias"
	keyDistIP         = "coral.distributor.machine.ip"
	keyDistPort       = "coral.distributor.machine.port"
	keyAuthMode       = "coral.authentication.mode"
	keyClusterEnabled = "coral.cluster.enable"
	keyReuseNames     = "coral.runtime.reuse-deleted-names"
	keyPartitionKey   = "coral.runtime.partition-key"
	keyMailbox        = "coral.actor.mailbox"
	keyCollectTimeout = "coral.collect.timeout-ms"
	keyShuntTimeout   = "coral.shunt.timeout-ms"
	keyEventLog       = "coral.event-log.enabled"
	keyHTTPTimeout    = "coral.httpclient.timeout-ms"
	keyLogRoot        = "coral.log-actor.root"
	keySeedNodes      = "coral.cluster.seed-nodes"
	keyAdminName      = "coral.authentication.admin.name"
	keyAdminPassword  = "coral.authentication.admin.password"
	keyMultiFactor    = "coral.authentication.ldap.mfa.enabled"
)

// settingTable lists every key there is, in the order in which they are documented.
var settingTable = []Setting{
	{Key: "akka.loglevel", Type: Text, Default: "info", Inert: true, Doc: "log level of the original's actor system"},
	{Key: keyLogLevel, Type: Text, Default: "INFO", Live: true, Enum: []string{"DEBUG", "INFO", "WARN", "ERROR"}, Doc: "least severe level that is logged"},
	{Key: keyStartRuntimes, Type: Bool, Default: false, Doc: "start restored runtimes that were running"},
	{Key: keyAPIInterface, Type: Text, Default: "0.0.0.0", Doc: "address of the HTTP listener, as the server reports it"},
	{Key: keyAPIPort, Type: Int, Default: int64(8000), Min: 0, Doc: "port of the HTTP listener, as the server reports it"},
	{Key: keyMaxBody, Type: Int, Default: int64(1 << 20), Min: 1, Live: true, Doc: "largest request body, bytes"},
	{Key: keyNodeHost, Type: Text, Default: "127.0.0.1", Doc: "cluster address of this machine"},
	{Key: keyNodePort, Type: Int, Default: int64(2551), Min: 1, Doc: "cluster port of this machine"},
	{Key: keyDistributor, Type: Text, Default: "local", Live: true, Enum: []string{"local", "predefined", "round-robin", "least-nr-runtimes", "least-nr-actors", "random", "least-busy"}, Doc: "where runtimes are placed unless their definition says"},
	{Key: keyDistAlias, Type: Text, Live: true, Doc: "machine of the mode predefined"},
	{Key: keyDistIP, Type: Text, Live: true, Doc: "machine of the mode predefined"},
	{Key: keyDistPort, Type: Int, Min: 1, Live: true, Doc: "machine of the mode predefined"},
	{Key: keyAuthMode, Type: Text, Enum: []string{"accept-all", "deny-all", "coral", "ldap"}, Doc: "who is let in"},
	{Key: "coral.authentication.ldap.certificates", Type: List, Doc: "files with X.509 certificates; none is a plain connection"},
	{Key: keyMultiFactor, Type: Bool, Default: false, Doc: "reserved; true is refused"},
	{Key: "coral.authentication.ldap.*", Type: AnyScalar, Doc: "the directory of the mode ldap"},
	{Key: keyAdminName, Type: Text, Doc: "bootstrap administrator"},
	{Key: keyAdminPassword, Type: Text, Secret: true, Doc: "bootstrap administrator"},
	{Key: "coral.authentication.cache", Type: Bool, Default: true, Inert: true, Doc: "look-ups are always current"},
	{Key: keyClusterEnabled, Type: Bool, Default: false, Doc: "changed by joining and leaving"},
	{Key: keySeedNodes, Type: List, Doc: "initial members, ip:port; they join at the start if the cluster is enabled"},
	{Key: "coral.cassandra.contact-points", Type: List, Inert: true},
	{Key: "coral.cassandra.port", Type: Int, Default: int64(9042), Min: 1, Inert: true},
	{Key: "coral.cassandra.keyspace", Type: Text, Default: "coral", Inert: true},
	{Key: "coral.cassandra.user-table", Type: Text, Default: "users", Inert: true},
	{Key: "coral.cassandra.runtime-table", Type: Text, Default: "runtimes", Inert: true},
	{Key: "coral.cassandra.authorize-table", Type: Text, Default: "auth", Inert: true},
	{Key: "coral.cassandra.journal-table", Type: Text, Default: "journal", Inert: true},
	{Key: "coral.cassandra.snapshot-table", Type: Text, Default: "snapshots", Inert: true},
	{Key: "coral.cassandra.max-result-size", Type: Int, Default: int64(50000), Min: 1, Inert: true},
	{Key: "coral.cassandra.user", Type: Text, Inert: true},
	{Key: "coral.cassandra.password", Type: Text, Secret: true, Inert: true},
	{Key: "coral.cassandra.keyspace-autocreate", Type: Bool, Default: true, Inert: true},
	{Key: keyEventLog, Type: Bool, Default: false, Live: true, Doc: "keep the events of actors that ask for it"},
	{Key: "kafka.consumer.*", Type: AnyScalar, Doc: "defaults under a consumer's properties"},
	{Key: "kafka.producer.*", Type: AnyScalar, Doc: "defaults under a producer's properties"},
	{Key: "injections.actorPropFactories", Type: List, Default: []string{}, Doc: "actor types that the embedder registered"},
	{Key: keyReuseNames, Type: Bool, Default: true, Live: true, Doc: "names of deleted runtimes are free again at once"},
	{Key: keyPartitionKey, Type: Text, Live: true, Doc: "field that picks the copy of a copied runtime"},
	{Key: keyMailbox, Type: Int, Default: int64(10000), Min: 1, Live: true, Doc: "events a runtime may hold"},
	{Key: keyCollectTimeout, Type: Int, Default: int64(950), Min: 1, Live: true, Doc: "milliseconds"},
	{Key: keyShuntTimeout, Type: Int, Default: int64(10000), Min: 1, Live: true, Doc: "milliseconds"},
	{Key: keyHTTPTimeout, Type: Int, Default: int64(10000), Min: 1, Live: true, Doc: "milliseconds"},
	{Key: keyLogRoot, Type: Text, Doc: "the directory that actors may use"},
}

// settingDefaults are values of keys that a ".*" entry stands for.
var settingDefaults = map[string]any{
	"kafka.consumer.consumer.timeout.ms": int64(500),
	"kafka.consumer.auto.commit.enable":  false,
	"kafka.producer.producer.type":       "async",
}

// redacted is what a secret setting shows.
const redacted = "******"

// settingRow is a value that was changed while the platform ran.
type settingRow struct {
	store.Meta        // ID is the key
	Value      string // JSON; a secret could be here, and none of the live ones is
}

var settingRows = store.NewTable(store.Spec[settingRow]{
	Name: "settings", Schema: 1,
	Key: func(r *settingRow) string { return r.ID },
	FQN: func(store.Reader, *settingRow) string { return clusterFQN.String() },
})

// Settings is the configuration of a platform: defaults, below what New was
// given, below what Update changed since. It is safe for concurrent use, and
// reading takes no lock.
type Settings struct {
	st    *store.Store
	guard *policy.Guard
	base  map[string]any                 // defaults and options
	now   atomic.Pointer[map[string]any] // base and the rows
	body  atomic.Int64                   // MaxBody, which every request asks for
	mu    sync.Mutex                     // orders reloads
	level *slog.LevelVar                 // follows the log level; may be nil
}

func newSettings(st *store.Store, guard *policy.Guard, given map[string]any, level *slog.LevelVar) (*Settings, error) {
	s := &Settings{st: st, guard: guard, base: maps.Clone(settingDefaults), level: level}
	for _, d := range settingTable {
		if d.Default != nil {
			s.base[d.Key] = d.Default
		}
	}
	var findings []atoll.Finding
	for _, k := range slices.Sorted(maps.Keys(given)) {
		v, _, f := checkSetting(k, given[k])
		if f != nil {
			findings = append(findings, *f)
			continue
		}
		s.base[k] = v
	}
	if len(findings) > 0 {
		return nil, &atoll.Error{Kind: atoll.Invalid, Op: "platform.New", Msg: "the settings are not valid", Findings: findings}
	}
	if s.base[keySeedNodes] == nil {
		s.base[keySeedNodes] = []string{net.JoinHostPort(s.base[keyNodeHost].(string), fmt.Sprint(s.base[keyNodePort]))}
	}
	s.use(s.base)
	return s, nil
}

// reload makes the rows of the store effective; it is called after a commit.
func (s *Settings) reload() {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := maps.Clone(s.base)
	for r := range settingRows.All(s.st.View()) {
		var v any
		if err := json.Unmarshal([]byte(r.Value), &v); err != nil {
			continue // written by Update alone, which encodes what it checked
		}
		if c, _, f := checkSetting(r.ID, v); f == nil {
			m[r.ID] = c
		}
	}
	s.use(m)
	if s.level != nil {
		s.level.Set(logLevels[m[keyLogLevel].(string)])
	}
}

// use makes m effective. Nobody changes it from then on.
func (s *Settings) use(m map[string]any) {
	s.now.Store(&m)
	s.body.Store(min(m[keyMaxBody].(int64), actor.MaxSize))
}

var logLevels = map[string]slog.Level{"DEBUG": slog.LevelDebug, "INFO": slog.LevelInfo, "WARN": slog.LevelWarn, "ERROR": slog.LevelError}

// Describe returns the description of every key, in documented order.
func Describe() []Setting { return slices.Clone(settingTable) }

// All returns the effective value of every key that has one, secrets as
// asterisks. Denied.
func (s *Settings) All(ctx context.Context) (map[string]any, error) {
	if err := s.guard.Check(ctx, policy.Do(policy.Read, clusterFQN)); err != nil {
		return nil, atoll.Wrap("platform.Settings", err)
	}
	m := maps.Clone(*s.now.Load())
	for k := range m {
		if d, ok := describe(k); ok && (d.Secret || secretName(k)) {
			m[k] = redacted
		}
	}
	return m, nil
}

// secretName reports whether a key below a ".*" entry reads like a secret.
func secretName(key string) bool {
	key = strings.ToLower(key)
	return strings.Contains(key, "password") || strings.Contains(key, "secret") || strings.Contains(key, "sasl.jaas")
}

// Update changes settings, all of them or none, and returns the changed keys
// with their new values. Values are as encoding/json decodes them, or int64
// and []string. An unknown key or a value of another type is Invalid and each
// is named in the findings; a key that cannot change while the platform runs
// is FailedState with code requires_restart, unless the value is the one that
// it has, or the asterisks of a secret: what All returned may be sent back.
func (s *Settings) Update(ctx context.Context, changes map[string]any) (map[string]any, error) {
	const op = "platform.UpdateSettings"
	if err := s.guard.Check(ctx, policy.Do(policy.Update, clusterFQN)); err != nil {
		return nil, atoll.Wrap(op, err)
	}
	var findings []atoll.Finding
	var fixed []string
	next := make(map[string]any, len(changes))
	now := *s.now.Load()
	for _, k := range slices.Sorted(maps.Keys(changes)) {
		v, d, f := checkSetting(k, changes[k])
		switch {
		case f != nil:
			findings = append(findings, *f)
		case equalSetting(now[k], v) || v == redacted && (d.Secret || secretName(k)):
		case !d.Live:
			fixed = append(fixed, k)
		default:
			next[k] = v
		}
	}
	if len(findings) > 0 {
		return nil, &atoll.Error{Kind: atoll.Invalid, Op: op, Msg: "some settings are not valid", Findings: findings}
	}
	if len(fixed) > 0 {
		return nil, &atoll.Error{Kind: atoll.FailedState, Code: atoll.RequiresRestart, Op: op,
			Msg: "only a restart changes " + strings.Join(fixed, ", ")}
	}
	changed := map[string]any{}
	_, err := s.st.Update(ctx, func(tx *store.Tx) error {
		clear(changed)
		cur := *s.now.Load()
		for k, v := range next {
			if equalSetting(cur[k], v) {
				continue
			}
			b, err := json.Marshal(v)
			if err != nil {
				return err
			}
			if err := settingRows.Put(tx, &settingRow{Meta: store.Meta{ID: k}, Value: string(b)}); err != nil {
				return err
			}
			changed[k] = v
		}
		if len(changed) > 0 {
			tx.Note("settings.update", clusterFQN.String(), changed)
		}
		return nil
	})
	if err != nil {
		return nil, atoll.Wrap(op, err)
	}
	s.reload()
	return changed, nil
}

func equalSetting(a, b any) bool {
	if x, ok := a.([]string); ok {
		y, ok := b.([]string)
		return ok && slices.Equal(x, y)
	}
	if _, ok := b.([]string); ok {
		return false
	}
	return a == b
}

// text, flag and number read the effective value of a key of that type.
func (s *Settings) text(key string) string {
	v, _ := (*s.now.Load())[key].(string)
	return v
}

func (s *Settings) flag(key string) bool {
	v, _ := (*s.now.Load())[key].(bool)
	return v
}

func (s *Settings) number(key string) int64 {
	v, _ := (*s.now.Load())[key].(int64)
	return v
}

func (s *Settings) milliseconds(key string) func() time.Duration {
	return func() time.Duration { return time.Duration(s.number(key)) * time.Millisecond }
}

// MaxBody is the largest request body in bytes: at most the largest JSON text
// that anything works on.
func (s *Settings) MaxBody() int64 { return s.body.Load() }

func describe(key string) (Setting, bool) {
	for _, d := range settingTable {
		if d.Key == key {
			return d, true
		}
		if p, ok := strings.CutSuffix(d.Key, "*"); ok && strings.HasPrefix(key, p) && len(key) > len(p) && len(key) <= 256 {
			return d, true
		}
	}
	return Setting{}, false
}

// checkSetting returns the value of a key in its canonical type.
func checkSetting(key string, v any) (any, Setting, *atoll.Finding) {
	d, ok := describe(key)
	if !ok {
		return nil, d, &atoll.Finding{Path: key, Code: "unknown", Msg: fmt.Sprintf("there is no setting %.100q", key)}
	}
	bad := func(rule string) (any, Setting, *atoll.Finding) {
		return nil, d, &atoll.Finding{Path: key, Code: "type", Msg: key + " must be " + rule}
	}
	switch d.Type {
	case Text:
		t, ok := v.(string)
		if !ok || len(t) > 4096 {
			return bad(d.Type.String())
		}
		if len(d.Enum) > 0 && !slices.Contains(d.Enum, t) {
			return bad("one of " + strings.Join(d.Enum, ", "))
		}
		return t, d, nil
	case Bool:
		if b, ok := v.(bool); ok {
			if b && key == keyMultiFactor {
				return bad("false: login with several factors is not available")
			}
			return b, d, nil
		}
	case Int:
		n, ok := integer(v)
		if !ok {
			return bad(d.Type.String())
		}
		if n < d.Min || n > math.MaxInt32 {
			return bad(fmt.Sprintf("an integer from %d to %d", d.Min, math.MaxInt32))
		}
		return n, d, nil
	case List:
		if l, ok := stringList(v); ok {
			return l, d, nil
		}
	case AnyScalar:
		switch t := v.(type) {
		case string:
			if len(t) <= 4096 {
				return t, d, nil
			}
		case bool:
			return t, d, nil
		}
		if n, ok := integer(v); ok {
			return n, d, nil
		}
	}
	return bad(d.Type.String())
}

func integer(v any) (int64, bool) {
	switch n := v.(type) {
	case int:
		return int64(n), true
	case int64:
		return n, true
	case float64:
		if n == math.Trunc(n) && math.Abs(n) <= 1<<53 {
			return int64(n), true
		}
	case json.Number:
		i, err := n.Int64()
		return i, err == nil
	}
	return 0, false
}

func stringList(v any) ([]string, bool) {
	switch l := v.(type) {
	case []string:
		return slices.Clone(l), len(l) <= 1000
	case []any:
		out := make([]string, len(l))
		for i, e := range l {
			s, ok := e.(string)
			if !ok || i >= 1000 {
				return nil, false
			}
			out[i] = s
		}
		return out, true
	}
	return nil, false
}
