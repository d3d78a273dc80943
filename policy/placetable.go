package policy

import "slices"

// placeTable is the places of one shape by key. It is changed by copying, as
// table is: a change copies the list of pages and one page.
type placeTable struct {
	small []*place // all of them, while there are few
	pages []placePage
	count int32
	shift uint8 // bits of the hash below those that choose the page
	txn   uint64
}

// placePage is an open hash table of a power of two of slots.
type placePage struct {
	slots []placeSlot
	used  int32
	txn   uint64
}

type placeSlot struct {
	hash  uint64
	place *place // nil is free
}

// smallPlaces is how many places are found by looking at them all.
const smallPlaces = 4

// at returns the place with that very key, whose hash is h, or nil.
func (s *shape) at(h uint64, key string) *place {
	if s.pages == nil {
		for _, x := range s.small {
			if x.key == key {
				return x
			}
		}
		return nil
	}
	return s.pages[h>>s.shift].slot(h, key).place
}

// slot returns the slot of key, or the free slot where it belongs.
func (p *placePage) slot(h uint64, key string) *placeSlot {
	for i := h; ; i++ {
		e := &p.slots[i&uint64(len(p.slots)-1)]
		if e.place == nil || e.hash == h && e.place.key == key {
			return e
		}
	}
}

// full reports whether the page has no room for another place.
func (p *placePage) full() bool { return int(p.used) >= len(p.slots)*3/4 }

// put adds x, or replaces the place with its key, whose hash is h.
func (s *shape) put(txn, h uint64, x *place) {
	if s.pages == nil && !s.putSmall(txn, x) {
		return
	}
	p := s.own(txn, h)
	e := p.slot(h, x.key)
	if e.place != nil {
		e.place = x
		return
	}
	if p.full() && len(p.slots) >= pageSize && int(s.count) >= pageFill*len(s.pages)*3/4 {
		s.split(txn)
		p = s.own(txn, h)
	}
	if p.full() {
		p.resize(2 * len(p.slots))
	}
	*p.slot(h, x.key) = placeSlot{h, x}
	p.used++
	s.count++
}

// putSmall puts x into the list of few places; more reports that the list is
// full and was turned into a page.
func (s *shape) putSmall(txn uint64, x *place) (more bool) {
	if s.txn != txn {
		s.small, s.txn = slices.Clone(s.small), txn
	}
	if i := slices.IndexFunc(s.small, func(o *place) bool { return o.key == x.key }); i >= 0 {
		s.small[i] = x
		return false
	}
	if len(s.small) < smallPlaces {
		s.small = append(s.small, x)
		s.count++
		return false
	}
	p := placePage{slots: make([]placeSlot, 4*smallPlaces), txn: txn}
	for _, o := range s.small {
		h := s.hash(o.key)
		*p.slot(h, o.key) = placeSlot{h, o}
		p.used++
	}
	s.small, s.pages, s.shift = nil, []placePage{p}, 64
	return true
}

// remove removes the place with that key, if it is there.
func (s *shape) remove(txn uint64, key string) {
	h := s.hash(key)
	if s.at(h, key) == nil {
		return
	}
	s.count--
	if s.pages == nil {
		s.small = slices.DeleteFunc(slices.Clone(s.small), func(o *place) bool { return o.key == key })
		s.txn = txn
		return
	}
	p := s.own(txn, h)
	*p.slot(h, key) = placeSlot{}
	p.used--
	p.resize(len(p.slots)) // places of the same run move up, or they would not be found again
}

// own returns the page of h, which belongs to txn.
func (s *shape) own(txn, h uint64) *placePage {
	if s.txn != txn {
		s.pages, s.txn = slices.Clone(s.pages), txn
	}
	p := &s.pages[h>>s.shift]
	if p.txn != txn {
		p.slots, p.txn = slices.Clone(p.slots), txn
	}
	return p
}

// resize puts the places of p into n slots.
func (p *placePage) resize(n int) {
	old := p.slots
	p.slots = make([]placeSlot, n)
	for _, e := range old {
		if e.place != nil {
			*p.slot(e.hash, e.place.key) = e
		}
	}
}

// split doubles the number of pages.
func (s *shape) split(txn uint64) {
	old := s.pages
	s.pages = make([]placePage, 2*len(old))
	s.shift--
	s.txn = txn
	for i := range old {
		var used [2]int32
		bit := func(h uint64) int { return int(h>>s.shift) & 1 }
		for _, e := range old[i].slots {
			if e.place != nil {
				used[bit(e.hash)]++
			}
		}
		for k := range used {
			size := 4 * smallPlaces
			for int(used[k]) >= size*3/4 {
				size *= 2
			}
			s.pages[2*i+k] = placePage{slots: make([]placeSlot, size), used: used[k], txn: txn}
		}
		for _, e := range old[i].slots {
			if e.place != nil {
				*s.pages[2*i+bit(e.hash)].slot(e.hash, e.place.key) = e
			}
		}
	}
}
