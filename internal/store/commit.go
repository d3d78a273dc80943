package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/go-memdb"

	"github.com/atoll-platform/atoll"
)

// Op is what a commit did to a row.
type Op uint8

// The things that can happen to a row.
const (
	Created Op = iota + 1
	Updated
	Deleted
)

var opNames = [...]string{"none", "created", "updated", "deleted"}

func (o Op) String() string {
	if int(o) < len(opNames) {
		return opNames[o]
	}
	return fmt.Sprintf("op %d", uint8(o))
}

// MarshalText returns the name of a known Op.
func (o Op) MarshalText() ([]byte, error) {
	if o < Created || o > Deleted {
		return nil, atoll.Errorf(atoll.Invalid, "store.Op", "%v is no operation on a row", o)
	}
	return []byte(o.String()), nil
}

// UnmarshalText takes what MarshalText returns and nothing else.
func (o *Op) UnmarshalText(text []byte) error {
	i := slices.Index(opNames[:], string(text))
	if i < int(Created) {
		return atoll.Errorf(atoll.Invalid, "store.Op", "%q is no operation on a row", text)
	}
	*o = Op(i)
	return nil
}

// Change is what a commit did to one row, in all: a row written several times
// in a transaction changed once. Before and After are rows (*T), nil where there
// is none; they are constants and may hold secrets. Commit.Public shows
// what others may see.
type Change struct {
	Table, Key, FQN string
	Op              Op
	Before, After   any
}

// Note is an audit note that the domain attached to a transaction.
type Note struct {
	Event, FQN string
	Detail     any
}

// Commit is one transaction that became visible. It is immutable and safe for
// concurrent use.
type Commit struct {
	Index   uint64
	At      time.Time
	Actor   string
	Changes []Change // in order of the first write to each row
	Notes   []Note

	sets []rowChange // of Changes, by position
}

// rowChange is a Change as the store itself looks at it.
type rowChange struct {
	info          *tableInfo
	pk            string
	before, after *record
}

// Public returns what audit and change stream may show of the change at
// position i: the rows before and after, nil where there is none, in the
// projection of their table.
func (c *Commit) Public(i int) (before, after any) {
	public := c.sets[i].info.def.public
	if b := c.Changes[i].Before; b != nil {
		before = public(b)
	}
	if a := c.Changes[i].After; a != nil {
		after = public(a)
	}
	return before, after
}

// Update runs fn in one write transaction: either all that it wrote becomes
// visible under one index, which is returned, or nothing does. It waits while
// another transaction is under way. A fn that changed nothing commits
// nothing, and the present index is returned. If fn panics nothing is changed
// and the panic goes on. Nothing outside the store may happen in fn, and
// fn must not call Update: with the context of the transaction that is refused,
// with another it would wait for itself until that context ends.
//
// Errors: what fn returned. Conflict with code Exists (Subject, Details
// "index") if a unique key would have two rows; Reference if a row would
// refer to one that does not exist; Conflict with code InUse if a row that
// others refer to would be gone; Unavailable if the log fails or the store is
// closed; Canceled and Timeout while it waits for its turn; Internal for a
// transaction inside a transaction.
func (s *Store) Update(ctx context.Context, fn func(*Tx) error) (uint64, error) {
	if err := s.acquire(ctx, "store.Update"); err != nil {
		return 0, err
	}
	defer s.release()
	tx := &Tx{store: s, ctx: ctx, base: s.view.Load(), actor: s.actor(ctx)}
	defer tx.end()
	if err := fn(tx); err != nil {
		return 0, err
	}
	return s.commit(tx)
}

// commit ends a transaction whose function has returned.
func (s *Store) commit(tx *Tx) (uint64, error) {
	if tx.writes == 0 {
		return tx.base.index, nil
	}
	sets, err := tx.settle()
	if err != nil {
		return 0, err
	}
	if len(sets) == 0 && len(tx.notes) == 0 {
		return tx.base.index, nil
	}
	c := tx.describe(sets)
	if s.deriver != nil {
		writes := tx.writes
		if err := s.deriver(tx, c); err != nil {
			return 0, err
		}
		if tx.writes != writes {
			if sets, err = tx.settle(); err != nil {
				return 0, err
			}
			c = tx.describe(sets)
		}
	}
	for _, t := range tx.tables {
		tx.index(t)
	}
	if s.log != nil {
		e, err := entryOf(c)
		if err != nil {
			return 0, err
		}
		if err := s.log.Append(tx.Context(), e); err != nil {
			return 0, &atoll.Error{Kind: atoll.Unavailable, Op: "store.Update", Msg: "the change could not be recorded", Err: err}
		}
	}
	s.publish(tx, sets, c)
	return c.Index, nil
}

// settle returns the rows that the transaction really changed, after the
// checks that wait for its end.
func (tx *Tx) settle() ([]*pending, error) {
	sets := make([]*pending, 0, len(tx.order))
	for _, p := range tx.order {
		if p.before == p.after {
			continue
		}
		if p.writes > 1 && p.before != nil && p.after != nil &&
			sameRow(p.table.state.info.def, p.before.row, p.after.row) {
			p.after = p.before // there and back again; the keys are the same
			p.table.unflushed = true
			continue
		}
		sets = append(sets, p)
	}
	if err := tx.checkUnique(sets); err != nil {
		return nil, err
	}
	if err := tx.checkReferences(sets); err != nil {
		return nil, err
	}
	return sets, nil
}

// describe makes the commit of a settled transaction.
func (tx *Tx) describe(sets []*pending) *Commit {
	c := &Commit{Index: tx.Index(), At: tx.Now(), Actor: tx.actor, Notes: slices.Clip(tx.notes)}
	if len(sets) > 0 {
		c.Changes = make([]Change, len(sets))
		c.sets = make([]rowChange, len(sets))
	}
	for i, p := range sets {
		c.sets[i] = rowChange{p.table.state.info, p.pk, p.before, p.after}
		def := p.table.state.info.def
		ch := &c.Changes[i]
		ch.Table, ch.Key = def.name, p.pk
		if p.before != nil {
			ch.Before, ch.Op = p.before.row, Deleted
		}
		if p.after != nil {
			ch.After, ch.Op = p.after.row, Created
			if p.before != nil {
				ch.Op = Updated
			}
			ch.FQN = def.fqn(tx, ch.After)
		} else {
			ch.FQN = def.fqn(tx.base, ch.Before)
		}
	}
	return c
}

// publish makes a settled and flushed transaction visible. Nothing in it can
// fail. The lookups run ahead of the view: a reader of the old view finds the
// new index at what it meets and asks the trees.
func (s *Store) publish(tx *Tx, sets []*pending, c *Commit) {
	old := tx.base
	lag := tx.age(sets)
	for _, p := range sets {
		p.table.state.touched.Store(c.Index)
		p.adopt(c.Index)
	}
	for _, p := range sets {
		p.unlink() // leaves keys alone that lead to another row by now
		p.link()
	}
	v := &View{store: s, index: c.Index, txn: old.txn, tables: old.tables, counts: old.counts, lag: lag}
	if tx.mem != nil {
		tx.mem.Commit()
		v.txn = s.trees.Txn(false)
	}
	for _, t := range tx.tables {
		if t.added != 0 {
			if &v.counts[0] == &old.counts[0] {
				v.counts = slices.Clone(old.counts)
			}
			v.counts[t.state.info.place] += t.added
		}
	}
	s.view.Store(v)
	for _, p := range sets {
		s.last[p.table.state.info.place].Store(c.Index)
	}
	s.settled.Store(c.Index) // behind those of the tables: who sees this sees them
	s.history.append(c)
}

// unlink takes the keys that the row no longer has out of the lookups.
func (p *pending) unlink() {
	if p.before == nil {
		return
	}
	st := p.table.state
	if p.after == nil {
		st.byKey.remove(p.before.id, p.before)
	}
	for i, l := range st.unique {
		if l != nil && p.before.entries[i].b != nil && (p.after == nil || !sameKey(p.before, p.after, i)) {
			l.remove(p.before.entries[i].key(), p.before)
		}
	}
}

// link leads the keys of the row to its new version.
func (p *pending) link() {
	if p.after != nil {
		p.after.line.head.Store(p.after)
		p.table.state.link(p.after)
	}
}

func (st *tableState) link(rec *record) {
	st.byKey.put(rec.id, rec)
	for i, l := range st.unique {
		if l != nil && rec.entries[i].b != nil {
			l.put(rec.entries[i].key(), rec)
		}
	}
}

var _ Reader = (*Tx)(nil)
var _ Reader = (*View)(nil)
var _ memdb.SingleIndexer = recordIndexer{}
