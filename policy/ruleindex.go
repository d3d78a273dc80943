package policy

import (
	"cmp"
	"slices"
)

// ruleIndex finds the rules that ask for one of the caller's claims.
type ruleIndex struct {
	slots []indexSlot // open addressing by the hash of the key
	rules []*rule     // grouped by key
	rest  []*rule     // without key
}

type indexSlot struct {
	hash     uint64
	from, to int32 // empty if equal
}

func newRuleIndex(rules []rule) *ruleIndex {
	x := &ruleIndex{}
	for i := range rules {
		if r := &rules[i]; r.key != nil {
			x.rules = append(x.rules, r)
		} else {
			x.rest = append(x.rest, r)
		}
	}
	slices.SortStableFunc(x.rules, func(a, b *rule) int { return cmp.Compare(a.key.hash, b.key.hash) })
	size := 8
	for size < 2*len(rules) {
		size *= 2
	}
	x.slots = make([]indexSlot, size)
	for i := 0; i < len(x.rules); {
		h := x.rules[i].key.hash
		j := i
		for j < len(x.rules) && x.rules[j].key.hash == h {
			j++
		}
		s := h & uint64(size-1)
		for x.slots[s].from != x.slots[s].to {
			s = (s + 1) & uint64(size-1)
		}
		x.slots[s] = indexSlot{h, int32(i), int32(j)}
		i = j
	}
	return x
}

// with returns the rules whose key has this hash.
func (x *ruleIndex) with(hash uint64) []*rule {
	mask := uint64(len(x.slots) - 1)
	for s := hash & mask; ; s = (s + 1) & mask {
		switch e := &x.slots[s]; {
		case e.from == e.to:
			return nil
		case e.hash == hash:
			return x.rules[e.from:e.to]
		}
	}
}
