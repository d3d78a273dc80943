package store

import (
	"context"
	"reflect"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/go-memdb"

	"github.com/atoll-platform/atoll"
)

// Tx is a write transaction, valid while the function given to Update runs and
// in its goroutine only. It reads its own writes.
type Tx struct {
	store *Store
	ctx   context.Context // the transaction lives no longer than the call that has it
	base  *View
	now   time.Time
	actor string
	over  bool

	tables []*txTable
	order  []*pending // every row written, in order of its first write
	notes  []Note
	writes int
	mem    *memdb.Txn // begun when first needed
}

// txTable is what a transaction wrote to one table.
type txTable struct {
	state *tableState
	rows  map[string]*pending
	first *pending // rows is made for the second row
	added int      // rows created minus rows deleted

	// claims finds a written row by its key in a unique index. Once two written
	// rows had one key at the same time (contested) it may be wrong.
	claims    []map[string]*pending
	contested bool
	unflushed bool
}

// pending is a row that a transaction wrote.
type pending struct {
	table   *txTable
	pk      string
	before  *record // committed
	after   *record // as the transaction has it
	flushed *record // as the trees of the transaction have it
	writes  int
}

// Now returns the time of the transaction, in UTC, the same at each call.
func (tx *Tx) Now() time.Time {
	if tx.now.IsZero() {
		tx.now = tx.store.now()
	}
	return tx.now
}

// Index returns the index that the transaction's commit will have.
func (tx *Tx) Index() uint64 { return tx.base.index + 1 }

// Actor returns the name that the transaction's changes are recorded under.
func (tx *Tx) Actor() string { return tx.actor }

// Context returns the context of the call. Update refuses it: a transaction
// inside a transaction would wait for itself.
func (tx *Tx) Context() context.Context { return context.WithValue(tx.ctx, insideKey{}, tx.store) }

// insideKey marks the context of a transaction with its store.
type insideKey struct{}

// Note attaches an audit note: the name of what was done, the address of what
// it was done to, and facts that JSON can hold. A transaction with notes
// commits even if it changes no row.
func (tx *Tx) Note(event, fqn string, detail any) {
	tx.alive()
	tx.notes = append(tx.notes, Note{Event: event, FQN: fqn, Detail: detail})
	tx.writes++
}

// alive panics when the transaction is over: a Tx that outlives its function
// is a defect of the program.
func (tx *Tx) alive() {
	if tx.over {
		panic("store: use of a transaction that is over")
	}
}

func (tx *Tx) table(def *tableDef) *txTable {
	for _, t := range tx.tables {
		if t.state.info.def == def {
			return t
		}
	}
	return nil
}

func (tx *Tx) begin(def *tableDef) *txTable {
	if t := tx.table(def); t != nil {
		return t
	}
	t := &txTable{state: tx.base.state(def)}
	tx.tables = append(tx.tables, t)
	return t
}

func (t *txTable) row(pk string) *pending {
	if t.rows != nil {
		return t.rows[pk]
	}
	if t.first != nil && t.first.pk == pk {
		return t.first
	}
	return nil
}

func (tx *Tx) count(def *tableDef) int {
	n := tx.base.count(def)
	if t := tx.table(def); t != nil {
		n += t.added
	}
	return n
}

func (tx *Tx) lookup(def *tableDef, pk string) *record {
	tx.alive()
	if t := tx.table(def); t != nil {
		if p := t.row(pk); p != nil {
			return p.after
		}
	}
	return tx.base.lookup(def, pk)
}

func (tx *Tx) lookupUnique(ix *indexDef, key string) *record {
	tx.alive()
	t := tx.table(ix.table)
	if t == nil {
		return tx.base.lookupUnique(ix, key)
	}
	if t.contested {
		tx.flush(t)
		if rec := firstExact(tx.mem, ix, key); rec != nil {
			return tx.of(rec)
		}
		return nil
	}
	if t.claims != nil {
		if p := t.claims[ix.pos][key]; p != nil {
			return p.after
		}
	}
	rec := tx.base.lookupUnique(ix, key)
	if rec == nil || t.row(rec.pk) != nil {
		return nil // none, or one that the transaction moved away from the key
	}
	return rec
}

func (tx *Tx) scan(sp span, yield func(*record) bool) {
	tx.alive()
	if t := tx.table(sp.def); t != nil {
		tx.flush(t)
	}
	if tx.mem == nil {
		tx.base.scan(sp, yield)
		return
	}
	sp.walk(tx.mem, func(rec *record) bool { return yield(tx.of(rec)) })
}

// of returns the version of a row that the transaction has, after a flush of
// its table; rec is the one in the trees.
func (tx *Tx) of(rec *record) *record {
	if rec.line == nil {
		return rec // written in this transaction
	}
	return tx.base.of(rec)
}

// write is Insert and Put.
func (tx *Tx) write(def *tableDef, row any, insert bool) error {
	tx.alive()
	pk := def.key(row)
	if pk == "" || !utf8.ValidString(pk) {
		return atoll.Errorf(atoll.Invalid, "store.Put", "a row of %s needs a key that is text, not %q", def.name, pk)
	}
	t := tx.begin(def)
	p := t.row(pk)
	var current, committed *record
	if p != nil {
		current, committed = p.after, p.before
	} else {
		committed = tx.base.lookup(def, pk)
		current = committed
	}
	if current != nil {
		if insert {
			return taken(def, pk, []string{idIndex})
		}
		if current.row == row {
			return atoll.Errorf(atoll.Internal, "store.Put", "row %q of %s was changed in place: copy what the store hands out", pk, def.name)
		}
	}
	if f := def.check(row); f != nil {
		return &atoll.Error{Kind: atoll.Invalid, Op: "store.Put", Findings: f,
			Msg: "a row of " + def.name + " holds what cannot be stored", Subject: atoll.Subject{Type: def.name, ID: pk}}
	}
	if current != nil && sameRow(def, current.row, row) {
		return nil
	}
	if def.hasMeta {
		tx.stamp(row, current, committed)
	}
	rec := newRecord(def, row, pk, current)
	if p == nil {
		p = t.add(pk, committed)
		tx.order = append(tx.order, p)
	}
	tx.set(p, rec)
	return nil
}

// stamp writes the Meta of row. Version counts commits of the row, so it goes
// by the committed version however often one transaction writes the row.
func (tx *Tx) stamp(row any, current, committed *record) {
	m := row.(metaRow).RowMeta()
	now := tx.Now()
	m.Version = 1
	if committed != nil {
		m.Version = committed.row.(metaRow).RowMeta().Version + 1
	}
	m.CreatedAt, m.CreatedBy = now, tx.actor
	if current != nil {
		old := current.row.(metaRow).RowMeta()
		m.CreatedAt, m.CreatedBy = old.CreatedAt, old.CreatedBy
	}
	m.UpdatedAt, m.UpdatedBy = now, tx.actor
}

// sameRow reports whether two rows differ in nothing but Meta.
func sameRow(def *tableDef, old, row any) bool {
	if !def.hasMeta {
		return reflect.DeepEqual(old, row)
	}
	m := row.(metaRow).RowMeta()
	keep := *m
	*m = *old.(metaRow).RowMeta()
	same := m.ID == keep.ID && reflect.DeepEqual(old, row)
	*m = keep
	return same
}

// add begins the record of what happens to the row pk.
func (t *txTable) add(pk string, committed *record) *pending {
	p := &pending{table: t, pk: pk, before: committed, after: committed, flushed: committed}
	switch {
	case t.rows != nil:
		t.rows[pk] = p
	case t.first == nil:
		t.first = p
	default:
		t.rows = map[string]*pending{t.first.pk: t.first, pk: p}
	}
	return p
}

// set makes rec what the transaction has of the row; nil deletes it.
func (tx *Tx) set(p *pending, rec *record) {
	tx.writes++
	p.writes++
	t := p.table
	t.unflushed = true
	for _, ix := range t.state.info.def.indexes {
		if ix.unique {
			t.claim(ix.pos, p, rec)
		}
	}
	switch {
	case p.after == nil && rec != nil:
		t.added++
	case p.after != nil && rec == nil:
		t.added--
	}
	p.after = rec
}

// claim moves p's claim in unique index i from its present row to rec.
func (t *txTable) claim(i int, p *pending, rec *record) {
	if t.claims == nil {
		t.claims = make([]map[string]*pending, len(t.state.unique))
	}
	claims := t.claims[i]
	if old := p.after; old != nil && old.entries[i].b != nil {
		if k := old.entries[i].key(); claims[string(k)] == p {
			delete(claims, string(k))
		}
	}
	if rec == nil || rec.entries[i].b == nil {
		return
	}
	k := string(rec.entries[i].key())
	if claims == nil {
		claims = make(map[string]*pending, 1)
		t.claims[i] = claims
	}
	if other := claims[k]; other != nil && other != p {
		t.contested = true
	}
	claims[k] = p
}

// remove is Delete: the row, then whatever refers to it through Cascade.
func (tx *Tx) remove(def *tableDef, pk string) (bool, error) {
	tx.alive()
	found := tx.drop(def, pk)
	if !found {
		return false, nil
	}
	type row struct {
		def *tableDef
		pk  string
	}
	for gone := []row{{def, pk}}; len(gone) > 0; {
		r := gone[len(gone)-1]
		gone = gone[:len(gone)-1]
		for _, ref := range tx.base.state(r.def).info.referrers {
			if ref.onDelete != Cascade {
				continue
			}
			var referring []string
			tx.scan(exactly(ref.index, KeyOf(r.pk).s), func(rec *record) bool {
				referring = append(referring, rec.pk)
				return true
			})
			for _, child := range referring {
				if tx.drop(ref.from, child) {
					gone = append(gone, row{ref.from, child})
				}
			}
		}
	}
	return true, nil
}

// drop deletes one row and reports whether it was there.
func (tx *Tx) drop(def *tableDef, pk string) bool {
	t := tx.begin(def)
	p := t.row(pk)
	if p == nil {
		rec := tx.base.lookup(def, pk)
		if rec == nil {
			return false
		}
		p = t.add(pk, rec)
		tx.order = append(tx.order, p)
	}
	if p.after == nil {
		return false
	}
	tx.set(p, nil)
	return true
}

// begun begins to write the trees.
func (tx *Tx) begun() {
	if tx.mem == nil {
		tx.mem = tx.store.trees.Txn(true)
	}
}

// flush brings the trees of the transaction up to date with table t, for a scan.
func (tx *Tx) flush(t *txTable) {
	tx.begun()
	if !t.unflushed {
		return
	}
	t.unflushed = false
	t.each(tx.insert)
}

// index brings the trees up to date with the keys of table t, for the commit: a
// row that keeps its keys stays as it is there.
func (tx *Tx) index(t *txTable) {
	if !t.unflushed {
		return
	}
	t.each(func(p *pending) {
		if p.flushed != p.before || p.before == nil || p.after == nil || !sameKeys(p.before, p.after) {
			tx.insert(p)
		}
	})
}

// each calls do for every row written.
func (t *txTable) each(do func(*pending)) {
	if t.rows == nil {
		if t.first != nil {
			do(t.first)
		}
		return
	}
	for _, p := range t.rows {
		do(p)
	}
}

// insert brings the trees up to date with one row.
func (tx *Tx) insert(p *pending) {
	if p.flushed == p.after {
		return
	}
	tx.begun()
	name := p.table.state.info.def.name
	var err error
	if p.after != nil {
		err = tx.mem.Insert(name, p.after)
	} else {
		err = tx.mem.Delete(name, p.flushed)
	}
	if err != nil {
		panic(err) // the schema and the records are ours: a defect
	}
	p.flushed = p.after
}

// end aborts what was not committed.
func (tx *Tx) end() {
	tx.over = true
	if tx.mem != nil {
		tx.mem.Abort() // does nothing after Commit
	}
}
