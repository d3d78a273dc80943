package store

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-memdb"

	"github.com/atoll-platform/atoll"
)

// Store holds tables of rows in memory. Safe for concurrent use: any number of
// readers, which nothing blocks, and one writer at a time.
type Store struct {
	clock   func() time.Time
	actor   func(context.Context) string
	log     Log
	deriver func(*Tx, *Commit) error

	infos  []*tableInfo // by place, in order of name
	byName map[string]*tableInfo
	places []int // by tableDef.id; -1 = not in this store

	write  chan struct{} // full while somebody writes; taken before history.mu
	closed bool          // by the writer
	done   chan struct{}
	stop   sync.Once
	trees  *memdb.MemDB // by the writer
	lag    int          // versions

	view    atomic.Pointer[View]
	last    []atomic.Uint64 // by place: index of the last visible commit that changed the table
	settled atomic.Uint64   // index of the last commit that last tells of
	history history
}

// Option changes a Store that Open makes.
type Option func(*Store)

// WithClock sets the source of time for Meta, commits and Tx.Now. Default:
// time.Now.
func WithClock(now func() time.Time) Option { return func(s *Store) { s.clock = now } }

// WithActor sets how the name that changes are recorded under is found in the
// context of Update. Default: "" always.
func WithActor(actor func(context.Context) string) Option { return func(s *Store) { s.actor = actor } }

// WithLog sets a log that is written ahead of each commit. Default: none.
func WithLog(log Log) Option { return func(s *Store) { s.log = log } }

// WithDeriver sets a function that runs last inside each transaction of Update
// that commits something: it sees the commit so far and may write further rows,
// such as audit. Its error aborts the transaction. Default: none.
func WithDeriver(derive func(*Tx, *Commit) error) Option {
	return func(s *Store) { s.deriver = derive }
}

// WithHistory sets how many commits are kept for streams, and bounds the row
// changes in them to 16 times as many. Default: 4096; at least 1.
func WithHistory(commits int) Option { return func(s *Store) { s.history.limit = max(commits, 1) } }

const defaultHistory = 4096

// Open returns an empty store of tables and the built-in table of counters.
// Kind: Invalid, with every finding, if two tables have one name, a reference
// leads to a table that is not among them, or a row type holds what does not
// survive JSON unchanged.
func Open(tables []AnyTable, opts ...Option) (*Store, error) {
	s := &Store{
		clock:  time.Now,
		actor:  func(context.Context) string { return "" },
		byName: make(map[string]*tableInfo),
		write:  make(chan struct{}, 1),
		done:   make(chan struct{}),
	}
	s.history.limit, s.lag = defaultHistory, defaultLag
	for _, o := range opts {
		o(s)
	}
	if findings := s.adopt(tables); len(findings) > 0 {
		return nil, &atoll.Error{Kind: atoll.Invalid, Op: "store.Open", Msg: "the tables do not make a store", Findings: findings}
	}
	trees, err := newTrees(s.infos)
	if err != nil {
		return nil, atoll.Errorf(atoll.Internal, "store.Open", "the tables do not make a schema: %w", err)
	}
	s.trees = trees
	s.last = make([]atomic.Uint64, len(s.infos))
	s.view.Store(&View{store: s, txn: trees.Txn(false), tables: newTableStates(s.infos), counts: make([]int, len(s.infos))})
	return s, nil
}

// adopt takes the tables in and returns what is wrong with them.
func (s *Store) adopt(tables []AnyTable) (findings []atoll.Finding) {
	find := func(table, code, msg string) {
		findings = append(findings, atoll.Finding{Path: table, Code: code, Msg: msg})
	}
	for _, t := range append(slices.Clone(tables), AnyTable(counters)) {
		d := t.tableDef()
		d.frozen.Store(true)
		if s.byName[d.name] != nil {
			find(d.name, "duplicate", "a store has one table of a name")
			continue
		}
		info := &tableInfo{def: d}
		s.infos = append(s.infos, info)
		s.byName[d.name] = info
		_, faults := d.plain()
		for _, f := range faults {
			find(d.name+f.Path, f.Code, f.Msg)
		}
	}
	slices.SortFunc(s.infos, func(a, b *tableInfo) int { return strings.Compare(a.def.name, b.def.name) })
	for place, info := range s.infos {
		info.place = place
		for len(s.places) <= info.def.id {
			s.places = append(s.places, -1)
		}
		s.places[info.def.id] = place
	}
	for _, info := range s.infos {
		for _, ref := range info.def.refs {
			to := s.byName[ref.to.name]
			if to == nil || to.def != ref.to {
				find(info.def.name, "reference", "reference "+ref.name+" leads to the table "+ref.to.name+", which is not in the store")
				continue
			}
			to.referrers = append(to.referrers, ref)
		}
	}
	return findings
}

// place returns the place of a table. A table of another store is a defect of
// the program and panics.
func (s *Store) place(def *tableDef) int {
	if def.id < len(s.places) {
		if p := s.places[def.id]; p >= 0 {
			return p
		}
	}
	panic("store: table " + def.name + " is not in this store")
}

func (s *Store) now() time.Time { return s.clock().Round(0).UTC() }

// Now returns the time by the clock of the store, in UTC.
func (s *Store) Now() time.Time { return s.now() }

// View returns the present state. It takes no lock and allocates nothing.
func (s *Store) View() *View { return s.view.Load() }

// LastIndex returns the index of the last commit that changed any of tables, or
// of the last commit at all if none is given. It takes no lock: a cache
// computed from a View taken after LastIndex may be used for as long as
// LastIndex returns the same.
func (s *Store) LastIndex(tables ...AnyTable) uint64 {
	if len(tables) == 0 {
		return s.settled.Load()
	}
	var last uint64
	for _, t := range tables {
		last = max(last, s.last[s.place(t.tableDef())].Load())
	}
	return last
}

// Wait blocks until the commit with the given index is visible: what a caller
// who wrote it reads from then on contains it. Kinds: Canceled, Timeout,
// Unavailable if the store is closed before.
func (s *Store) Wait(ctx context.Context, index uint64) error {
	for {
		wake := s.history.wait()
		if s.view.Load().index >= index {
			return nil
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return atoll.Wrap("store.Wait", ctx.Err())
		case <-s.done:
			if s.view.Load().index >= index {
				return nil
			}
			return errClosed("store.Wait")
		}
	}
}

// Close ends the store for writers and streams, after the transaction that is
// under way. Views stay readable. It is idempotent, and not to be called in a
// transaction.
func (s *Store) Close() {
	s.stop.Do(func() {
		s.write <- struct{}{}
		s.closed = true
		close(s.done)
		<-s.write
	})
}

// acquire makes the caller the writer, who must call release.
func (s *Store) acquire(ctx context.Context, op string) error {
	if ctx.Value(insideKey{}) == s {
		return atoll.Errorf(atoll.Internal, op, "a transaction cannot be begun inside a transaction")
	}
	if err := ctx.Err(); err != nil {
		return atoll.Wrap(op, err)
	}
	select {
	case s.write <- struct{}{}:
	default:
		select {
		case s.write <- struct{}{}:
		case <-ctx.Done():
			return atoll.Wrap(op, ctx.Err())
		}
	}
	if s.closed {
		s.release()
		return errClosed(op)
	}
	return nil
}

func (s *Store) release() { <-s.write }

func errClosed(op string) error {
	return atoll.Errorf(atoll.Unavailable, op, "the store is closed")
}
