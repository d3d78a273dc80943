package workload

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// Service keeps workloads: their rows in a store, and in step with them what
// drivers run. Every method asks the guard; a context without a principal is
// the embedding program and may do everything. Methods that change something
// are Unavailable unless the Service is between Start and Shutdown. Safe for
// concurrent use.
type Service struct {
	st      *store.Store
	guard   *policy.Guard
	drivers map[string]driver.Driver
	log     *slog.Logger
	now     func() time.Time
	newID   func() string
	envs    map[EnvStyle]EnvFunc
	conn    Connector
	quota   func(r store.Reader, s *Snapshot) error
	dirs    string
	host    string
	fleet   *fleet.Fleet
	trial   func(proto, host string) (int, bool)
	queue   int // single runs of a group that may wait

	sweeping [64]sync.Mutex // of directories, by instance

	life  atomic.Int32
	sup   *supervisor
	books *books
}

// The states of a Service.
const (
	unstarted int32 = iota
	live
	over
)

// Option changes a Service that New makes.
type Option func(*Service)

// WithLogger sets where failures in the background are reported. Default: nowhere.
func WithLogger(l *slog.Logger) Option { return func(s *Service) { s.log = l } }

// WithClock sets the source of time. It must be that of the store. Default: time.Now.
func WithClock(now func() time.Time) Option { return func(s *Service) { s.now = now } }

// WithIDs sets where ids of new rows come from. Default: random UUIDs.
func WithIDs(next func() string) Option { return func(s *Service) { s.newID = next } }

// WithEnv sets how the environment of a style is made. Default: EnvBare alone,
// which other styles fall back to.
func WithEnv(style EnvStyle, f EnvFunc) Option { return func(s *Service) { s.envs[style] = f } }

// WithConnector sets what prepares instances and lets the world reach them.
// Default: nothing does.
func WithConnector(c Connector) Option { return func(s *Service) { s.conn = c } }

// WithQuota sets a check of what a workload is about to be, inside the
// transaction; its error refuses the operation. Default: none.
func WithQuota(check func(r store.Reader, s *Snapshot) error) Option {
	return func(s *Service) { s.quota = check }
}

// WithDirs sets the directory below which instances get one of their own.
// Default: instances have none.
func WithDirs(root string) Option { return func(s *Service) { s.dirs = root } }

// WithHost sets the address on which instances listen. Default: 127.0.0.1.
func WithHost(host string) Option { return func(s *Service) { s.host = host } }

// WithPorts sets where free port numbers come from. Default: the system's
// choice, found by listening for a moment.
func WithPorts(next func(proto, host string) (int, bool)) Option {
	return func(s *Service) { s.trial = next }
}

// EnvFunc makes the environment of an instance, once for each generation that it
// runs, when its start begins: the targets of its links run then, if they ever
// do. It is a pure function, and what it returns belongs to the caller.
type EnvFunc func(q *EnvRequest) map[string]string

// New returns a Service over st, which must be open with the tables of this
// package and of fleet. It has no side effects. Kind: Invalid if something
// required is missing or two drivers have one name.
func New(st *store.Store, guard *policy.Guard, machines *fleet.Fleet, drivers []driver.Driver, opts ...Option) (*Service, error) {
	const op = "workload.New"
	if st == nil || machines == nil {
		return nil, atoll.Errorf(atoll.Invalid, op, "a service of workloads needs a store and a fleet")
	}
	s := &Service{
		st: st, guard: guard, fleet: machines, drivers: make(map[string]driver.Driver, len(drivers)),
		log: slog.New(slog.DiscardHandler), now: time.Now, newID: uuid.NewString,
		envs: map[EnvStyle]EnvFunc{EnvBare: bareEnv}, host: "127.0.0.1", trial: freePort, queue: 1000,
	}
	for _, d := range drivers {
		if s.drivers[d.Name()] != nil {
			return nil, atoll.Errorf(atoll.Invalid, op, "there are two drivers %q", d.Name())
		}
		s.drivers[d.Name()] = d
	}
	for _, o := range opts {
		o(s)
	}
	s.books = newBooks(s.clock)
	s.sup = newSupervisor(s)
	return s, nil
}

// Drivers returns the names of the drivers, sorted.
func (s *Service) Drivers() []string { return slices.Sorted(maps.Keys(s.drivers)) }

// Driver returns the driver of that name.
func (s *Service) Driver(name string) (driver.Driver, bool) {
	d, ok := s.drivers[name]
	return d, ok
}

func (s *Service) clock() time.Time { return s.now().Round(0).UTC() }

// ready returns Unavailable unless the Service is live.
func (s *Service) ready(op string) error {
	switch s.life.Load() {
	case live:
		return nil
	case unstarted:
		return atoll.Errorf(atoll.Unavailable, op, "workloads are not started")
	}
	return atoll.Errorf(atoll.Unavailable, op, "workloads are shut down")
}

// Cond is a condition of an operation, judged inside its transaction.
type Cond func(*Snapshot) error

// If lets an operation happen only if judge, called with the state that the
// operation would change, returns nil; else its error is the operation's. The
// state may be of a workload that was deleted.
func If(judge func(*Snapshot) error) Cond { return judge }

// edit is one operation under way.
type edit struct {
	*draft
	s  *Service
	tx *store.Tx
}

// notFound says that there is no such workload, or none any more.
func notFound(op, id string) error {
	return &atoll.Error{Kind: atoll.NotFound, Op: op, Msg: "there is no such workload", Subject: atoll.Subject{Type: "workload", ID: id}}
}

// change performs one operation on workload id: existence, permission,
// conditions, then fn in one transaction. What fn leaves is written, the
// supervisor told, and the state at acceptance returned.
func (s *Service) change(ctx context.Context, op, id string, action policy.Action, conds []Cond, fn func(*edit) error) (*Snapshot, error) {
	return s.changeWithin(ctx, op, id, action, conds, nil, fn)
}

// changeWithin is change with a function that adds to the transaction.
func (s *Service) changeWithin(ctx context.Context, op, id string, action policy.Action, conds []Cond, within func(*store.Tx, *Snapshot) error, fn func(*edit) error) (*Snapshot, error) {
	if err := s.ready(op); err != nil {
		return nil, err
	}
	w, ok := workloads.Get(s.st.View(), id)
	if !ok {
		return nil, notFound(op, id)
	}
	if err := s.guard.Check(ctx, policy.Do(action, w.Address())); err != nil {
		return nil, atoll.Wrap(op, err)
	}
	snap, err := s.transact(ctx, func(tx *store.Tx) (*draft, error) {
		sn := snapshot(tx, id)
		if sn == nil {
			return nil, notFound(op, id)
		}
		for _, c := range conds {
			if err := c(sn); err != nil {
				return nil, err
			}
		}
		if sn.Workload.Deleted != nil {
			return nil, notFound(op, id)
		}
		e := &edit{draft: newDraft(sn, tx.Now()), s: s, tx: tx}
		if err := fn(e); err != nil {
			return nil, err
		}
		return e.draft, nil
	}, within)
	return snap, atoll.Wrap(op, err)
}

// accept records an operation on the workload as a whole, and that every
// instance it touched has still to answer it.
func (e *edit) accept(kind OpKind) {
	st := e.status()
	st.Op = Op{Kind: kind, Seq: st.Op.Seq + 1, At: e.now, By: policy.ActorName(e.tx.Context())}
	for n := range e.insts {
		if x := &e.insts[n]; x.row != x.old && x.row != nil && x.row.Retired == nil && x.row.Slot != Once {
			e.inst(n).OpSeq = st.Op.Seq
		}
	}
}
