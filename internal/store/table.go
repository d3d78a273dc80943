package store

import (
	"iter"
	"reflect"
	"sync"
	"sync/atomic"

	"github.com/atoll-platform/atoll"
)

// Spec describes a table of rows of type T.
type Spec[T any] struct {
	Name   string // unique in a store; also the name in snapshots and logs
	Schema int    // version of the row's layout in snapshots and logs, from 1

	// Key returns the primary key of a row: UTF-8, not empty, never changing.
	Key func(*T) string

	// FQN returns the address of a row for audit and change stream; nil for
	// tables whose rows have none. It may read other tables through r. Of a
	// deleted row it is asked with the state before the transaction.
	FQN func(r Reader, row *T) string

	// Public returns what audit and change stream may show of a row. The
	// default is the row itself, in which Sealed fields redact themselves.
	Public func(*T) any

	// Upgrade turns the encoded row of layout from into layout from+1. It is
	// called as often as needed; required once Schema is above 1.
	Upgrade func(from int, row []byte) ([]byte, error)
}

// Table is a typed table. It is a package-level value that describes; the rows
// live in each Store that it is opened in. Safe for concurrent use.
type Table[T any] struct{ def *tableDef }

// AnyTable is a table of whatever row type.
type AnyTable interface {
	Name() string
	tableDef() *tableDef
}

// tableDef is a table without its row type. Rows are of type *T inside any.
type tableDef struct {
	id      int // of this process; place in Store.places
	name    string
	schema  int
	rowType reflect.Type // T
	newRow  func() any
	key     func(any) string
	fqn     func(Reader, any) string
	public  func(any) any
	upgrade func(int, []byte) ([]byte, error)
	hasMeta bool
	plain   func() (plainCheck, []atoll.Finding) // computed once

	indexes []*indexDef
	refs    []*refDef
	frozen  atomic.Bool // opened once: no further index
}

var tableCount atomic.Int64

// NewTable makes a table of spec. A spec without Name, Key or Schema is a
// defect of the program and panics.
func NewTable[T any](spec Spec[T]) *Table[T] {
	if spec.Name == "" || spec.Key == nil || spec.Schema < 1 || spec.Schema > 1 && spec.Upgrade == nil {
		panic("store: table " + spec.Name + " needs a Name, a Key, a Schema from 1 and, above 1, an Upgrade")
	}
	d := &tableDef{
		id:      int(tableCount.Add(1)) - 1,
		name:    spec.Name,
		schema:  spec.Schema,
		rowType: reflect.TypeFor[T](),
		newRow:  func() any { return new(T) },
		key:     func(row any) string { return spec.Key(row.(*T)) },
		fqn:     func(Reader, any) string { return "" },
		public:  func(row any) any { return row },
		upgrade: spec.Upgrade,
	}
	d.plain = sync.OnceValues(func() (plainCheck, []atoll.Finding) { return checkOf(d.rowType) })
	if spec.FQN != nil {
		d.fqn = func(r Reader, row any) string { return spec.FQN(r, row.(*T)) }
	}
	if spec.Public != nil {
		d.public = func(row any) any { return spec.Public(row.(*T)) }
	}
	_, d.hasMeta = any(new(T)).(metaRow)
	return &Table[T]{d}
}

// Name returns the name of the table.
func (t *Table[T]) Name() string { return t.def.name }

func (t *Table[T]) tableDef() *tableDef { return t.def }

// Get returns the row with the primary key id. The row is a constant: copy,
// change the copy, Put it. Maps, slices and pointers in it are constants too.
func (t *Table[T]) Get(r Reader, id string) (*T, bool) {
	rec := r.lookup(t.def, id)
	if rec == nil {
		return nil, false
	}
	return rec.row.(*T), true
}

// All yields the rows in the order of their primary keys. Rows written while
// it runs are not seen.
func (t *Table[T]) All(r Reader) iter.Seq[*T] {
	return rowsOf[T](r, span{def: t.def, index: -1})
}

// From yields the rows whose primary key is id or sorts behind it, in order.
func (t *Table[T]) From(r Reader, id string) iter.Seq[*T] {
	return rowsOf[T](r, span{def: t.def, index: -1, low: id, ranged: true})
}

// Count returns the number of rows, in constant time.
func (t *Table[T]) Count(r Reader) int { return r.count(t.def) }

// Insert adds row, which belongs to the store from then on. An embedded Meta is
// stamped: ID kept, Version 1, times, principal. Kinds: Conflict with code
// Exists if the primary key is taken; Invalid for a row that no log could
// hold (an empty key, text that is not UTF-8, a number that is none). Other
// unique indexes and references are checked when the transaction ends.
func (t *Table[T]) Insert(tx *Tx, row *T) error { return tx.write(t.def, row, true) }

// Put adds row or replaces the row of the same key; row belongs to the store
// from then on. An embedded Meta is stamped: Version one above the committed
// one, UpdatedAt and UpdatedBy; the created fields are kept. A row that differs
// from the stored one in nothing but Meta is no change at all. Kinds: as
// Insert, without Conflict; Internal if row is the stored row itself, changed
// in place.
func (t *Table[T]) Put(tx *Tx, row *T) error { return tx.write(t.def, row, false) }

// Delete removes the row with the primary key id, and the rows that refer to it
// through Cascade references. It reports whether there was one. Restrict
// references are checked when the transaction ends.
func (t *Table[T]) Delete(tx *Tx, id string) (bool, error) { return tx.remove(t.def, id) }

// metaRow is a row that embeds Meta.
type metaRow interface{ RowMeta() *Meta }
