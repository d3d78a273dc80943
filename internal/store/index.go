package store

import "iter"

// indexDef is an index without its row type.
type indexDef struct {
	table  *tableDef
	pos    int // place in tableDef.indexes and record.entries
	name   string
	unique bool
	key    func(any) (Key, bool)
}

// RowIndex finds and orders the rows of a table by a key of theirs. Safe for
// concurrent use.
type RowIndex[T any] struct{ def *indexDef }

// UniqueIndex is a RowIndex in which no two rows have the same key.
type UniqueIndex[T any] struct{ RowIndex[T] }

// Index adds an index to t; rows for which key reports false are not in it. To
// be called for package-level values; after t was opened in a store, or with a
// name that t has already, it panics. key must be a pure function of the row.
func Index[T any](t *Table[T], name string, key func(*T) (Key, bool)) *RowIndex[T] {
	return &RowIndex[T]{addIndex(t, name, false, key)}
}

// Unique adds a unique index to t, as Index does. A transaction that would end
// with two rows of one key fails; rows may swap keys within one transaction.
func Unique[T any](t *Table[T], name string, key func(*T) (Key, bool)) *UniqueIndex[T] {
	return &UniqueIndex[T]{RowIndex[T]{addIndex(t, name, true, key)}}
}

func addIndex[T any](t *Table[T], name string, unique bool, key func(*T) (Key, bool)) *indexDef {
	d := t.def
	if d.frozen.Load() {
		panic("store: index " + d.name + "." + name + " comes after the table was opened")
	}
	if name == "" || name == idIndex || d.index(name) != nil {
		panic("store: table " + d.name + " cannot have a further index " + name)
	}
	ix := &indexDef{
		table: d, pos: len(d.indexes), name: name, unique: unique,
		key: func(row any) (Key, bool) { return key(row.(*T)) },
	}
	d.indexes = append(d.indexes, ix)
	return ix
}

func (d *tableDef) index(name string) *indexDef {
	for _, ix := range d.indexes {
		if ix.name == name {
			return ix
		}
	}
	return nil
}

// Get returns the row with exactly this key. Within a transaction that has, for
// now, several of them it returns one of those.
func (ix *UniqueIndex[T]) Get(r Reader, key Key) (*T, bool) {
	rec := r.lookupUnique(ix.def, key.s)
	if rec == nil {
		return nil, false
	}
	return rec.row.(*T), true
}

// All yields the rows with exactly this key or this key as leading parts,
// ordered by the rest of the key, then by primary key. The zero Key yields the
// whole index. Rows written while it runs are not seen.
func (ix *RowIndex[T]) All(r Reader, key Key) iter.Seq[*T] {
	return rowsOf[T](r, span{def: ix.def.table, index: ix.def.pos, low: key.s})
}

// Descend yields what All yields, from the last to the first.
func (ix *RowIndex[T]) Descend(r Reader, key Key) iter.Seq[*T] {
	return rowsOf[T](r, span{def: ix.def.table, index: ix.def.pos, low: key.s, down: true})
}

// Range yields, in order, the rows whose key is low or behind it and before
// high. A zero high is no bound.
func (ix *RowIndex[T]) Range(r Reader, low, high Key) iter.Seq[*T] {
	return rowsOf[T](r, span{def: ix.def.table, index: ix.def.pos, low: low.s, high: high.s, ranged: true})
}

// RangeDown yields what Range yields, from the last to the first.
func (ix *RowIndex[T]) RangeDown(r Reader, low, high Key) iter.Seq[*T] {
	return rowsOf[T](r, span{def: ix.def.table, index: ix.def.pos, low: low.s, high: high.s, ranged: true, down: true})
}

// Count returns the number of rows that All yields, by walking them.
func (ix *RowIndex[T]) Count(r Reader, key Key) int {
	n := 0
	for range ix.All(r, key) {
		n++
	}
	return n
}

func rowsOf[T any](r Reader, sp span) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		r.scan(sp, func(rec *record) bool { return yield(rec.row.(*T)) })
	}
}
