package store

import "sync/atomic"

// A change of a row that leaves its keys as they are need not touch the trees:
// they lead to some version of the row, its lineage leads to the newest one,
// and each version to the one before. So the trees hold every row, under its
// right keys, but not always in its newest version.
//
// Versions that the trees do not have, or that lead to an older one, are in the
// lag, in the order of their commits. It is bounded: what leaves it is brought
// into the trees, if it is still the newest, and lets go of its predecessor.
// A view has the lag as it was; with it and its trees it knows its state however
// far the store has moved on.

// lineage is what all versions of one row share, from its creation to its end.
type lineage struct {
	head atomic.Pointer[record] // the newest committed version, also after the end
	gone bool                   // by the writer: the row was deleted
}

// lagged is a version in the lag.
type lagged struct {
	def *tableDef
	rec *record
}

// defaultLag is how many versions the lag may hold in a store of few rows; in
// one of more it may hold as many as there are rows.
const defaultLag = 1024

// of returns the version of a row that the view contains; rec is the one that
// its trees have.
func (v *View) of(rec *record) *record {
	if !rec.old.Load() {
		return rec
	}
	h := rec.line.head.Load()
	for h != nil && h.since > v.index {
		h = h.prev.Load()
	}
	if h != nil {
		return h
	}
	if late := v.late()[rec.line]; late != nil && late.since > rec.since {
		return late
	}
	return rec
}

// late returns the newest versions in the lag of the view. Only views that are
// far behind ask for it.
func (v *View) late() map[*lineage]*record {
	v.once.Do(func() {
		v.latest = make(map[*lineage]*record, len(v.lag))
		for i := range v.lag {
			v.latest[v.lag[i].rec.line] = v.lag[i].rec
		}
	})
	return v.latest
}

// age returns the lag as it is after the transaction, and brings into the trees
// what has to leave it: a few versions for each new one, so that no commit pays
// for many.
func (tx *Tx) age(sets []*pending) []lagged {
	lag, added := tx.base.lag, 0
	for _, p := range sets {
		if p.before != nil && p.after != nil {
			lag = append(lag, lagged{p.table.state.info.def, p.after})
			added++
		}
	}
	bound := 0
	for _, n := range tx.base.counts {
		bound += n
	}
	bound = max(bound, tx.store.lag)
	for range 2 * added {
		if len(lag) <= bound {
			break
		}
		tx.catchUp(&lag[0])
		lag = lag[1:]
	}
	return lag
}

// catchUp lets a version leave the lag.
func (tx *Tx) catchUp(l *lagged) {
	rec := l.rec
	rec.prev.Store(nil)
	if rec.inTree || rec.line.gone || rec.line.head.Load() != rec {
		return
	}
	if t := tx.table(l.def); t != nil {
		if p := t.row(rec.pk); p != nil && p.after != p.before {
			return // the version of this transaction follows it
		}
	}
	tx.begun()
	if err := tx.mem.Insert(l.def.name, rec); err != nil {
		panic(err) // the schema and the records are ours: a defect
	}
	rec.inTree = true
}

// adopt makes p.after a version of its row. It is not visible yet.
func (p *pending) adopt(index uint64) {
	switch a, b := p.after, p.before; {
	case a == nil:
		b.line.gone = true
	case b == nil:
		a.since, a.line, a.inTree = index, &lineage{}, true
	default:
		a.since, a.line, a.inTree = index, b.line, p.flushed == a
		a.prev.Store(b)
		b.old.Store(true)
	}
}
