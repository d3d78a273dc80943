package policy

import (
	"hash/maphash"
	"slices"
)

// seed keys every hash of this process, so that nobody can choose names that
// collide.
var seed = maphash.MakeSeed()

const (
	smallTable = 8  // entries kept as a plain list
	pageSize   = 64 // buckets of one page
)

// table is a map from names that is changed by copying: a change copies the
// list of pages, one page and one bucket, whatever the size of the table.
// Within one transaction, which is known by its number, what was copied
// already is changed in place. The zero table is empty.
type table[V any] struct {
	small []entry[V]
	pages []*page[V]
	count int
	txn   uint64
}

type entry[V any] struct {
	hash uint64 // not set in a small table
	key  string
	val  V
}

type page[V any] struct {
	buckets [][]entry[V]
	txn     uint64
}

// get returns the value of key.
func (t *table[V]) get(key string) (V, bool) {
	if t.pages == nil {
		for i := range t.small {
			if t.small[i].key == key {
				return t.small[i].val, true
			}
		}
		var none V
		return none, false
	}
	h := maphash.String(seed, key)
	p := t.pages[(h/pageSize)&uint64(len(t.pages)-1)]
	b := p.buckets[h&uint64(len(p.buckets)-1)]
	for i := range b {
		if b[i].hash == h && b[i].key == key {
			return b[i].val, true
		}
	}
	var none V
	return none, false
}

// all calls f for every entry until it returns false.
func (t *table[V]) all(f func(key string, v V) bool) {
	for i := range t.small {
		if !f(t.small[i].key, t.small[i].val) {
			return
		}
	}
	for _, p := range t.pages {
		for _, b := range p.buckets {
			for i := range b {
				if !f(b[i].key, b[i].val) {
					return
				}
			}
		}
	}
}

// put returns the table with key set to v.
func (t table[V]) put(txn uint64, key string, v V) table[V] {
	if t.pages == nil {
		if t.txn != txn {
			t.small, t.txn = slices.Clone(t.small), txn
		}
		for i := range t.small {
			if t.small[i].key == key {
				t.small[i].val = v
				return t
			}
		}
		t.count++
		if t.small = append(t.small, entry[V]{key: key, val: v}); t.count <= smallTable {
			return t
		}
		return t.grow(txn)
	}
	h := maphash.String(seed, key)
	b := t.bucket(txn, h)
	for i := range *b {
		if (*b)[i].key == key {
			*b = slices.Clone(*b)
			(*b)[i].val = v
			return t
		}
	}
	*b = append(slices.Clip(*b), entry[V]{h, key, v})
	if t.count++; t.count > 2*len(t.pages)*len(t.pages[0].buckets) {
		return t.grow(txn)
	}
	return t
}

// remove returns the table without key.
func (t table[V]) remove(txn uint64, key string) table[V] {
	if t.pages == nil {
		if i := slices.IndexFunc(t.small, func(e entry[V]) bool { return e.key == key }); i >= 0 {
			t.small, t.txn = slices.Concat(t.small[:i], t.small[i+1:]), txn
			t.count--
		}
		return t
	}
	h := maphash.String(seed, key)
	b := t.bucket(txn, h)
	if i := slices.IndexFunc(*b, func(e entry[V]) bool { return e.key == key }); i >= 0 {
		*b = slices.Concat((*b)[:i], (*b)[i+1:])
		t.count--
	}
	return t
}

// bucket returns the place of the bucket of h, in a page that belongs to txn.
// The entries of the bucket are shared with other versions.
func (t *table[V]) bucket(txn uint64, h uint64) *[]entry[V] {
	if t.txn != txn {
		t.pages, t.txn = slices.Clone(t.pages), txn
	}
	i := (h / pageSize) & uint64(len(t.pages)-1)
	p := t.pages[i]
	if p.txn != txn {
		p = &page[V]{buckets: slices.Clone(p.buckets), txn: txn}
		t.pages[i] = p
	}
	return &p.buckets[h&uint64(len(p.buckets)-1)]
}

// grow returns the table with room for twice its entries.
func (t table[V]) grow(txn uint64) table[V] {
	buckets := 8
	for buckets < t.count {
		buckets *= 2
	}
	out := table[V]{count: t.count, txn: txn, pages: make([]*page[V], max(1, buckets/pageSize))}
	for i := range out.pages {
		out.pages[i] = &page[V]{buckets: make([][]entry[V], min(buckets, pageSize)), txn: txn}
	}
	add := func(e entry[V]) {
		p := out.pages[(e.hash/pageSize)&uint64(len(out.pages)-1)]
		b := &p.buckets[e.hash&uint64(len(p.buckets)-1)]
		*b = append(slices.Clip(*b), e)
	}
	for _, e := range t.small {
		e.hash = maphash.String(seed, e.key)
		add(e)
	}
	for _, p := range t.pages {
		for _, b := range p.buckets {
			for _, e := range b {
				add(e)
			}
		}
	}
	return out
}
