package policy

import (
	"cmp"
	"hash/maphash"
	"slices"
	"strings"
	"unique"
)

// atom is the test that a caller or the enforcement makes one exact claim. It
// is found in a session by hash and then compared in full, so a session needs
// to know nothing of the documents, nor they of each other.
type atom struct {
	hash  uint64
	ref   *Reference
	value string
}

// refHash and claimHash are the hashes of what a reference sees and of one
// claim.
func refHash(issuer, typ string) uint64 {
	return mix(maphash.String(seed, issuer)*0x9E3779B97F4A7C15 ^ maphash.String(seed, typ))
}

func claimHash(ref uint64, value string) uint64 {
	return mix(ref ^ maphash.String(seed, value))
}

func mix(h uint64) uint64 {
	h ^= h >> 32
	h *= 0xD6E8FEB86659FD93
	h ^= h >> 32
	return h
}

// fingerprint is one of 64 bits for a hash: a rule whose bits a request lacks
// cannot apply.
func fingerprint(hash uint64) uint64 { return 1 << (hash >> 58) }

// part is a piece of a text: literal, or a token of the target.
type part struct {
	lit   string
	token int32 // 0 is literal; n is namespace token n-1; -n is local token n-1
}

// text is a value that may depend on the target. A nil list is the empty text.
type text []part

func literal(s string) text { return text{{lit: s}} }

// constant returns the text if it does not depend on the target.
func (x text) constant() (string, bool) {
	switch {
	case len(x) == 0:
		return "", true
	case len(x) == 1 && x[0].token == 0:
		return x[0].lit, true
	}
	return "", false
}

// tokenOf returns one token of the target; a realm has made sure that it is
// there.
func tokenOf(t Target, n int32) string {
	s := t.Local
	if n > 0 {
		s = t.Namespace[1:]
		n = n - 1
	} else {
		n = -n - 1
	}
	tok, tail := cutToken(s)
	for ; n > 0; n-- {
		tok, tail = cutToken(tail)
	}
	return tok
}

func (p part) of(t Target) string {
	if p.token == 0 {
		return p.lit
	}
	return tokenOf(t, p.token)
}

// of returns the text for one target, without allocating if it is one piece.
func (x text) of(t Target) string {
	if len(x) == 1 {
		return x[0].of(t)
	}
	var b strings.Builder
	for _, p := range x {
		b.WriteString(p.of(t))
	}
	return b.String()
}

// equals reports whether the text for target t is v.
func (x text) equals(t Target, v string) bool {
	for _, p := range x {
		s := p.of(t)
		if !strings.HasPrefix(v, s) {
			return false
		}
		v = v[len(s):]
	}
	return v == ""
}

func (x text) key(b []byte) []byte {
	for _, p := range x {
		b = append(b, byte(p.token), byte(p.token>>8))
		b = append(b, p.lit...)
		b = append(b, 0)
	}
	return append(b, 1)
}

// side is one side of a comparison: a text, the values of a reference, or the
// value that a shared reference has been given.
type side struct {
	text text
	ref  *Reference // nil is text
	hash uint64     // of ref
	slot int32      // 1 + index of the shared reference in its leaf; 0 is none
}

func (s *side) key(b []byte) []byte {
	if s.ref == nil {
		return s.text.key(append(b, 't'))
	}
	b = append(b, 'r')
	b = append(b, s.ref.Issuer...)
	b = append(b, 0)
	b = append(b, s.ref.Type...)
	return append(b, 0, byte(s.slot))
}

// test is one comparison of a leaf.
type test struct {
	left, right side
	op          Operator
	regex       *regex
	realm       *Realm // of fqnMatch with a constant
	last        int32  // slots that must have a value before it can be made
}

// leaf is what must hold for a request beside atoms: one comparison, or
// several that share references.
type leaf struct {
	ref   *Reference // of a leaf that wants a claim to be one token of the target
	hash  uint64     // of ref
	token int32      // that token; 0 is another leaf
	key   string     // what it demands; equal keys are equal leaves
	slots []side     // the shared references
	tests []test
}

func newLeaf(slots []side, tests []test) *leaf {
	var b []byte
	for i := range slots {
		b = slots[i].key(b)
	}
	keys := make([]string, len(tests))
	for i := range tests {
		t := &tests[i]
		t.last = max(t.left.slot, t.right.slot)
		if w, ok := t.right.text.constant(); ok && t.op == FQNMatch && t.right.ref == nil {
			if r, what := parseRealm(w); what == "" {
				t.realm = &r
			}
		}
		op := t.op
		if op == Equals {
			op = Equal
		}
		keys[i] = string(t.right.key(append(t.left.key(nil), byte(op))))
	}
	slices.Sort(keys)
	l := &leaf{key: string(b) + "|" + strings.Join(slices.Compact(keys), ""), slots: slots, tests: tests}
	if t := &tests[0]; len(tests) == 1 && len(slots) == 0 && t.op.equality() && t.left.ref != nil && !engineIssuer(t.left.ref.Issuer) &&
		t.right.ref == nil && len(t.right.text) == 1 {
		l.ref, l.hash, l.token = t.left.ref, t.left.hash, t.right.text[0].token
	}
	return l
}

// session claims

// claimIndex finds the claims of a caller by hash and by reference. It is
// immutable.
type claimIndex struct {
	fp     uint64
	few    int // claims, if all their hashes are in first
	first  [fewClaims]uint64
	claims []Claim     // sorted by issuer and type
	slots  []claimSlot // open addressing by hash
	refs   []refRange
}

// fewClaims is how many claims are found by looking at them all.
const fewClaims = 8

type claimSlot struct {
	hash  uint64
	index int32 // 1 + index of the claim; 0 is free
}

type refRange struct {
	hash     uint64
	from, to int32
	name     unique.Handle[Reference]
}

// canonical returns a reference whose texts are those of every equal one, so
// that comparing them need not look at them.
func canonical(r Reference) *Reference {
	r = unique.Make(r).Value()
	return &r
}

func newClaimIndex(claims []Claim) *claimIndex {
	x := &claimIndex{}
	for _, c := range claims {
		if c.Issuer != "" && !engineIssuer(c.Issuer) {
			x.claims = append(x.claims, c)
		}
	}
	slices.SortFunc(x.claims, func(a, b Claim) int {
		return cmp.Or(strings.Compare(a.Issuer, b.Issuer), strings.Compare(a.Type, b.Type), strings.Compare(a.Value, b.Value))
	})
	x.claims = slices.Compact(x.claims)
	size := 0
	if len(x.claims) <= fewClaims {
		x.few = len(x.claims)
	} else {
		for size = 32; size < 2*len(x.claims); size *= 2 {
		}
		x.slots, x.few = make([]claimSlot, size), -1
	}
	for i := range x.claims {
		c := &x.claims[i]
		rh := refHash(c.Issuer, c.Type)
		h := claimHash(rh, c.Value)
		x.fp |= fingerprint(h)
		if size == 0 {
			x.first[i] = h
		} else {
			s := h & uint64(size-1)
			for x.slots[s].index != 0 {
				s = (s + 1) & uint64(size-1)
			}
			x.slots[s] = claimSlot{h, int32(i + 1)}
		}
		if n := len(x.refs); n == 0 || x.refs[n-1].hash != rh {
			x.refs = append(x.refs, refRange{hash: rh, from: int32(i), to: int32(i), name: unique.Make(Reference{c.Issuer, c.Type})})
		}
		ref := x.refs[len(x.refs)-1].name.Value()
		c.Issuer, c.Type = ref.Issuer, ref.Type
		x.refs[len(x.refs)-1].to++
	}
	return x
}

// has reports whether the caller makes the claim.
func (x *claimIndex) has(a *atom) bool {
	if x.few >= 0 {
		for i := range x.few {
			if x.first[i] == a.hash && a.is(&x.claims[i]) {
				return true
			}
		}
		return false
	}
	mask := uint64(len(x.slots) - 1)
	for s := a.hash & mask; ; s = (s + 1) & mask {
		e := &x.slots[s]
		if e.index == 0 {
			return false
		}
		if e.hash == a.hash && a.is(&x.claims[e.index-1]) {
			return true
		}
	}
}

// is reports whether c is the claim.
func (a *atom) is(c *Claim) bool {
	return c.Value == a.value && c.Type == a.ref.Type && c.Issuer == a.ref.Issuer
}

// makes reports whether the caller makes the claim that a reference with this
// hash sees, with this value.
func (x *claimIndex) makes(ref *Reference, hash uint64, value string) bool {
	for i := range x.refs {
		r := &x.refs[i]
		if r.hash != hash {
			continue
		}
		for k := r.from; k < r.to; k++ {
			if c := &x.claims[k]; c.Value == value && c.Type == ref.Type && c.Issuer == ref.Issuer {
				return true
			}
		}
	}
	return false
}

// of returns the claims that a reference sees.
func (x *claimIndex) of(ref *Reference, hash uint64) []Claim {
	for i := range x.refs {
		if r := &x.refs[i]; r.hash == hash {
			if c := x.claims[r.from:r.to]; c[0].Type == ref.Type && c[0].Issuer == ref.Issuer {
				return c
			}
		}
	}
	return nil
}
