package tenancy

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"io"
	"sync"
	"time"
)

const (
	// verifiedFor is how long a verified password need not be hashed again.
	verifiedFor = 5 * time.Minute
	// verifiedLimit bounds how many verified passwords are remembered.
	verifiedLimit = 8192
)

// verified remembers which passwords were found right, so that not every
// request costs a login. It holds no password: an entry is a keyed hash of
// subject, state of the credential and password under a key that never leaves
// the process. The state is in the hash, so a changed password misses at once.
type verified struct {
	macs  sync.Pool // of hash.Hash under the key
	seen  *recent[[sha256.Size]byte, time.Time]
	lives time.Duration
}

func newVerified() *verified {
	v := &verified{seen: newRecent[[sha256.Size]byte, time.Time](verifiedLimit), lives: verifiedFor}
	key := make([]byte, 32)
	rand.Read(key)
	v.macs.New = func() any { return hmac.New(sha256.New, key) }
	return v
}

// mark is the entry of password for subject, whose credential is in state.
func (v *verified) mark(subject string, set uint64, state, password string) (m [sha256.Size]byte) {
	h := v.macs.Get().(hash.Hash)
	defer v.macs.Put(h)
	h.Reset()
	var n [8]byte
	part := func(b string) {
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		io.WriteString(h, b)
	}
	part(subject)
	binary.BigEndian.PutUint64(n[:], set)
	h.Write(n[:])
	part(state)
	part(password)
	h.Sum(m[:0])
	return m
}

// knows reports whether m was found right and is not too old at now.
func (v *verified) knows(m [sha256.Size]byte, now time.Time) bool {
	until, ok := v.seen.get(m)
	if ok && !now.Before(until) {
		v.seen.drop(m)
		return false
	}
	return ok
}

func (v *verified) learn(m [sha256.Size]byte, now time.Time) { v.seen.put(m, now.Add(v.lives)) }
