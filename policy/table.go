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
	pageSize   = 64 // slots of a page
	pageFill   = 40 // entries for each page on average at most
)

// table is a map from names that is changed by copying: a change copies the
// list of pages and one page, whatever the size of the table. Within one
// transaction, which is known by its number, what was copied already is
// changed in place. The zero table is empty.
type table[V any] struct {
	small []entry[V]
	pages []page[V]
	count int32
	shift uint8 // bits of the hash below those that choose the page
	txn   uint64
}

// page is an open hash table of a power of two of slots; a slot without name
// is free. No name is empty.
type page[V any] struct {
	slots []entry[V]
	used  int32
	txn   uint64
}

type entry[V any] struct {
	hash uint64 // not set in a small table
	key  string
	val  V
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
	slots := t.pages[h>>t.shift].slots
	for i := h; ; i++ {
		e := &slots[i&uint64(len(slots)-1)]
		if e.hash == h && e.key == key {
			return e.val, true
		}
		if e.key == "" {
			var none V
			return none, false
		}
	}
}

// all calls f for every entry until it returns false.
func (t *table[V]) all(f func(key string, v V) bool) {
	for i := range t.small {
		if !f(t.small[i].key, t.small[i].val) {
			return
		}
	}
	for i := range t.pages {
		for j := range t.pages[i].slots {
			if e := &t.pages[i].slots[j]; e.key != "" && !f(e.key, e.val) {
				return
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
		t.small = append(t.small, entry[V]{key: key, val: v})
		if t.count++; t.count > smallTable {
			return t.grow(txn)
		}
		return t
	}
	h := maphash.String(seed, key)
	p := t.own(txn, h)
	if e := p.find(h, key); e.key != "" {
		e.val = v
		return t
	}
	if int(t.count) >= pageFill*len(t.pages) || int(p.used) >= len(p.slots)*7/8 {
		t = t.grow(txn)
		p = t.own(txn, h)
	}
	*p.find(h, key) = entry[V]{h, key, v}
	p.used++
	t.count++
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
	p := t.own(txn, h)
	e := p.find(h, key)
	if e.key == "" {
		return t
	}
	*e = entry[V]{}
	// Entries of the same run move up, or they would not be found again.
	old := p.slots
	p.slots = make([]entry[V], len(old))
	for i := range old {
		if old[i].key != "" {
			*p.find(old[i].hash, old[i].key) = old[i]
		}
	}
	p.used--
	t.count--
	return t
}

// find returns the slot of key, or the free slot where it belongs.
func (p *page[V]) find(h uint64, key string) *entry[V] {
	for i := h; ; i++ {
		e := &p.slots[i&uint64(len(p.slots)-1)]
		if e.key == "" || e.hash == h && e.key == key {
			return e
		}
	}
}

// own returns the page of h, which belongs to txn.
func (t *table[V]) own(txn uint64, h uint64) *page[V] {
	if t.txn != txn {
		t.pages, t.txn = slices.Clone(t.pages), txn
	}
	p := &t.pages[h>>t.shift]
	if p.txn != txn {
		p.slots, p.txn = slices.Clone(p.slots), txn
	}
	return p
}

// grow returns the table with room for more entries.
func (t table[V]) grow(txn uint64) table[V] {
	size, pages, shift := 2*len(t.pages), 0, t.shift
	switch {
	case t.pages == nil:
		pages, size, shift = 1, 2*smallTable, 64
	case len(t.pages) == 1 && len(t.pages[0].slots) < pageSize:
		pages, size = 1, 2*len(t.pages[0].slots)
	default:
		pages, size, shift = 2*len(t.pages), pageSize, shift-1
	}
	for {
		out := table[V]{count: t.count, txn: txn, shift: shift, pages: make([]page[V], pages)}
		for i := range out.pages {
			out.pages[i] = page[V]{slots: make([]entry[V], size), txn: txn}
		}
		fits := true
		t.all(func(key string, v V) bool {
			h := maphash.String(seed, key)
			p := &out.pages[h>>shift]
			if fits = int(p.used) < size*7/8; fits {
				*p.find(h, key) = entry[V]{h, key, v}
				p.used++
			}
			return fits
		})
		if fits {
			return out
		}
		pages, size, shift = 2*pages, pageSize, shift-1
	}
}
