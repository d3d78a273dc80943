package store

import (
	"bytes"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/go-memdb"
)

// Reader is what rows can be read from: a View, a Tracked view or a Tx. All
// reads through one Reader see one state.
type Reader interface {
	// Index returns the index of the last commit that the state contains; a Tx
	// returns the one that it will have.
	Index() uint64

	lookup(def *tableDef, pk string) *record
	lookupUnique(ix *indexDef, key string) *record
	scan(sp span, yield func(*record) bool)
	count(def *tableDef) int
}

// tableInfo is a table within one store.
type tableInfo struct {
	def       *tableDef
	place     int // in View.tables, View.counts, Store.last
	referrers []*refDef
}

// tableState is what the store keeps of a table beside the trees. Restore
// replaces all of them, so that views of the old state keep theirs.
type tableState struct {
	info    *tableInfo
	byKey   *lookup
	unique  []*lookup     // by indexDef.pos; nil for other indexes
	touched atomic.Uint64 // index of the newest commit that has begun to change the lookups
}

func newTableStates(infos []*tableInfo) []*tableState {
	states := make([]*tableState, len(infos))
	for i, info := range infos {
		st := &tableState{info: info, byKey: newLookup(), unique: make([]*lookup, len(info.def.indexes))}
		for _, ix := range info.def.indexes {
			if ix.unique {
				st.unique[ix.pos] = newLookup()
			}
		}
		states[i] = st
	}
	return states
}

// View is the state of the store as of one commit, for as long as it is held.
// It costs nothing to take and needs no closing. Safe for concurrent use.
type View struct {
	store  *Store
	index  uint64
	txn    *memdb.Txn // read-only; its reads change nothing in it
	tables []*tableState
	counts []int
	lag    []lagged // a longer lag of a later view may be behind it in memory

	once   sync.Once
	latest map[*lineage]*record // of the lag, made when it is first needed
}

// Index returns the index of the last commit that the view contains.
func (v *View) Index() uint64 { return v.index }

func (v *View) state(def *tableDef) *tableState { return v.tables[v.store.place(def)] }

func (v *View) count(def *tableDef) int { return v.counts[v.store.place(def)] }

func (v *View) lookup(def *tableDef, pk string) *record {
	st := v.state(def)
	if rec := st.byKey.get(pk); rec != nil {
		for ; rec != nil; rec = rec.prev.Load() {
			if rec.since <= v.index {
				return rec
			}
		}
	} else if st.touched.Load() <= v.index {
		return nil
	}
	obj, err := v.txn.First(def.name, idIndex, &needle{[]byte(pk)})
	if err != nil {
		panic(err) // the schema is ours: a defect
	}
	rec, _ := obj.(*record)
	if rec == nil {
		return nil
	}
	return v.of(rec)
}

func (v *View) lookupUnique(ix *indexDef, key string) *record {
	st := v.state(ix.table)
	if rec := st.unique[ix.pos].get(key); rec != nil {
		if rec.since <= v.index {
			return rec
		}
	} else if st.touched.Load() <= v.index {
		return nil
	}
	if rec := firstExact(v.txn, ix, key); rec != nil {
		return v.of(rec)
	}
	return nil
}

func (v *View) scan(sp span, yield func(*record) bool) {
	sp.walk(v.txn, func(rec *record) bool { return yield(v.of(rec)) })
}

// firstExact returns a version of the row with exactly this key, from the trees.
func firstExact(txn *memdb.Txn, ix *indexDef, key string) *record {
	var first *record
	exactly(ix, key).walk(txn, func(rec *record) bool {
		first = rec
		return false
	})
	return first
}

// span is a part of an index, in one direction.
type span struct {
	def    *tableDef
	index  int    // indexDef.pos; -1 is the primary index
	low    string // a prefix, or with ranged the lower bound
	high   string // with ranged, the upper bound, "" none
	ranged bool
	down   bool
}

// exactly is the part of an index with one key and no longer one.
func exactly(ix *indexDef, key string) span {
	return span{def: ix.table, index: ix.pos, low: key + "\x00"}
}

func (sp *span) name() string {
	if sp.index < 0 {
		return idIndex
	}
	return sp.def.indexes[sp.index].name
}

func (sp *span) entry(rec *record) []byte {
	if sp.index < 0 {
		return rec.id
	}
	return rec.entries[sp.index].b
}

// contains reports whether rec lies in the part; nil does not.
func (sp *span) contains(rec *record) bool {
	if rec == nil {
		return false
	}
	b := sp.entry(rec)
	if b == nil {
		return false
	}
	if sp.ranged {
		return string(b) >= sp.low && (sp.high == "" || string(b) < sp.high)
	}
	return bytes.HasPrefix(b, []byte(sp.low))
}

// walk hands the records of the part to yield until it returns false.
func (sp span) walk(txn *memdb.Txn, yield func(*record) bool) {
	it, err := sp.open(txn)
	if err != nil {
		panic(err) // the schema is ours: a defect
	}
	for obj := it.Next(); obj != nil; obj = it.Next() {
		rec := obj.(*record)
		if sp.ranged && !sp.contains(rec) {
			if sp.down && sp.high != "" && string(sp.entry(rec)) >= sp.high {
				continue // the entry that equals the bound, once
			}
			return
		}
		if !yield(rec) {
			return
		}
	}
}

func (sp *span) open(txn *memdb.Txn) (memdb.ResultIterator, error) {
	low := &needle{[]byte(sp.low)}
	switch {
	case !sp.ranged && sp.down:
		return txn.GetReverse(sp.def.name, sp.name(), low)
	case !sp.ranged:
		return txn.Get(sp.def.name, sp.name(), low)
	case !sp.down:
		return txn.LowerBound(sp.def.name, sp.name(), low)
	case sp.high == "":
		return txn.GetReverse(sp.def.name, sp.name(), &needle{})
	}
	return txn.ReverseLowerBound(sp.def.name, sp.name(), &needle{[]byte(sp.high)})
}
