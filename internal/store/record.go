package store

import (
	"bytes"
	"errors"
	"sync/atomic"

	"github.com/hashicorp/go-memdb"
)

// record is one version of a row: the row with all of its index entries, so
// that neither a later write nor a scan computes them again. But for prev and
// old it is immutable once committed.
type record struct {
	row     any // *T
	pk      string
	id      []byte  // pk, the entry in the primary index
	entries []entry // by indexDef.pos
	since   uint64  // index of the commit that made it current

	line   *lineage               // nil until it is committed
	prev   atomic.Pointer[record] // the version before, while this one is in the lag
	old    atomic.Bool            // there is a newer version
	inTree bool                   // by the writer: the trees have this version
}

// entry is a place in an index: key, a zero byte, primary key. The zero byte
// ends the key, since no part of a key begins with it, and the primary key makes
// the entries of equal keys distinct while a transaction is under way.
type entry struct {
	b []byte // nil: the row is not in this index
	n int    // length of the key
}

func (e entry) key() []byte { return e.b[:e.n] }

// newRecord computes the entries of row. It shares those that prev, an older
// version of the row, has too.
func newRecord(def *tableDef, row any, pk string, prev *record) *record {
	rec := &record{row: row, pk: pk}
	if prev != nil {
		rec.pk, rec.id = prev.pk, prev.id
	} else {
		rec.id = []byte(pk)
	}
	if len(def.indexes) == 0 {
		return rec
	}
	rec.entries = make([]entry, len(def.indexes))
	for i, ix := range def.indexes {
		k, ok := ix.key(row)
		if !ok {
			continue
		}
		if prev != nil && prev.entries[i].b != nil && string(prev.entries[i].key()) == k.s {
			rec.entries[i] = prev.entries[i]
			continue
		}
		b := make([]byte, 0, len(k.s)+1+len(pk))
		b = append(b, k.s...)
		b = append(b, 0)
		rec.entries[i] = entry{append(b, pk...), len(k.s)}
	}
	return rec
}

// sameKey reports whether both rows have the same key in index i; either may be nil.
func sameKey(a, b *record, i int) bool {
	var x, y entry
	if a != nil {
		x = a.entries[i]
	}
	if b != nil {
		y = b.entries[i]
	}
	return (x.b == nil) == (y.b == nil) && x.n == y.n && (x.b == nil || bytes.Equal(x.key(), y.key()))
}

// sameKeys reports whether both rows have the same keys in every index.
func sameKeys(a, b *record) bool {
	for i := range a.entries {
		if !sameKey(a, b, i) {
			return false
		}
	}
	return true
}

// idIndex is the name go-memdb demands for the primary index.
const idIndex = "id"

// recordIndexer hands go-memdb the entries that a record already has. All
// indexes are declared unique to go-memdb: entries are distinct by themselves,
// and it then appends nothing to them.
type recordIndexer struct{ pos int }

var errIndexer = errors.New("store: a tree holds something that is not a record")

func (x recordIndexer) FromObject(obj any) (bool, []byte, error) {
	rec, ok := obj.(*record)
	if !ok {
		return false, nil, errIndexer
	}
	if x.pos < 0 {
		return true, rec.id, nil
	}
	b := rec.entries[x.pos].b
	return b != nil, b, nil
}

// FromArgs takes one *needle.
func (x recordIndexer) FromArgs(args ...any) ([]byte, error) {
	if len(args) == 1 {
		if n, ok := args[0].(*needle); ok {
			return n.b, nil
		}
	}
	return nil, errIndexer
}

// needle is a key or a prefix to look for; behind a pointer it boxes for free.
type needle struct{ b []byte }

func schemaOf(infos []*tableInfo) *memdb.DBSchema {
	s := &memdb.DBSchema{Tables: make(map[string]*memdb.TableSchema, len(infos))}
	for _, info := range infos {
		d := info.def
		ts := &memdb.TableSchema{Name: d.name, Indexes: map[string]*memdb.IndexSchema{
			idIndex: {Name: idIndex, Unique: true, Indexer: recordIndexer{-1}},
		}}
		for _, ix := range d.indexes {
			ts.Indexes[ix.name] = &memdb.IndexSchema{
				Name: ix.name, Unique: true, AllowMissing: true, Indexer: recordIndexer{ix.pos},
			}
		}
		s.Tables[d.name] = ts
	}
	return s
}

// newTrees returns empty trees for the tables. They are a snapshot: go-memdb
// then spends nothing on its watch channels, which the store does not use.
func newTrees(infos []*tableInfo) (*memdb.MemDB, error) {
	db, err := memdb.NewMemDB(schemaOf(infos))
	if err != nil {
		return nil, err
	}
	return db.Snapshot(), nil
}
