package store

import (
	"hash/maphash"
	"sync/atomic"
)

// lookup is a hash table from a key to the newest committed record with that
// key: one writer, which holds the store's write lock, and any number of
// readers without locks. It knows one version only; a reader of an older
// snapshot sees by record.since that it must look for an older one.
type lookup struct {
	seed   maphash.Seed
	shards [lookupShards]lookupShard
}

// Shards grow one by one, so that no single write pays for the whole table.
const (
	lookupShards    = 32
	lookupShardBits = 5
	lookupFirst     = 8 // buckets of a shard's first table
)

type lookupShard struct {
	buckets atomic.Pointer[[]atomic.Pointer[lookupNode]]
	n       int // writer only
}

type lookupNode struct {
	key  string
	rec  atomic.Pointer[record]
	next atomic.Pointer[lookupNode]
}

func newLookup() *lookup { return &lookup{seed: maphash.MakeSeed()} }

func (l *lookup) get(key string) *record {
	h := maphash.String(l.seed, key)
	buckets := l.shards[h%lookupShards].buckets.Load()
	if buckets == nil {
		return nil
	}
	b := *buckets
	for n := b[(h>>lookupShardBits)&uint64(len(b)-1)].Load(); n != nil; n = n.next.Load() {
		if n.key == key {
			return n.rec.Load()
		}
	}
	return nil
}

// put makes rec the record of key. A key that is there keeps its node.
func (l *lookup) put(key []byte, rec *record) {
	h := maphash.Bytes(l.seed, key)
	sh := &l.shards[h%lookupShards]
	if sh.buckets.Load() == nil {
		b := make([]atomic.Pointer[lookupNode], lookupFirst)
		sh.buckets.Store(&b)
	}
	b := *sh.buckets.Load()
	head := &b[(h>>lookupShardBits)&uint64(len(b)-1)]
	for n := head.Load(); n != nil; n = n.next.Load() {
		if n.key == string(key) {
			n.rec.Store(rec)
			return
		}
	}
	if sh.n >= len(b) {
		b = l.grow(sh, b)
		head = &b[(h>>lookupShardBits)&uint64(len(b)-1)]
	}
	n := &lookupNode{key: string(key)}
	n.rec.Store(rec)
	n.next.Store(head.Load())
	head.Store(n)
	sh.n++
}

// grow doubles a shard. Readers of the old buckets go on with the old nodes, so
// all nodes are made anew.
func (l *lookup) grow(sh *lookupShard, old []atomic.Pointer[lookupNode]) []atomic.Pointer[lookupNode] {
	b := make([]atomic.Pointer[lookupNode], 2*len(old))
	for i := range old {
		for n := old[i].Load(); n != nil; n = n.next.Load() {
			c := &lookupNode{key: n.key}
			c.rec.Store(n.rec.Load())
			h := maphash.String(l.seed, n.key)
			head := &b[(h>>lookupShardBits)&uint64(len(b)-1)]
			c.next.Store(head.Load())
			head.Store(c)
		}
	}
	sh.buckets.Store(&b)
	return b
}

// remove forgets key if rec is what it leads to.
func (l *lookup) remove(key []byte, rec *record) {
	h := maphash.Bytes(l.seed, key)
	buckets := l.shards[h%lookupShards].buckets.Load()
	if buckets == nil {
		return
	}
	b := *buckets
	at := &b[(h>>lookupShardBits)&uint64(len(b)-1)]
	for n := at.Load(); n != nil; n = at.Load() {
		if n.key == string(key) {
			if n.rec.Load() == rec {
				at.Store(n.next.Load())
				l.shards[h%lookupShards].n--
			}
			return
		}
		at = &n.next
	}
}
