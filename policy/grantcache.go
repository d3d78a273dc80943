package policy

import (
	"hash/maphash"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/atoll-platform/atoll/internal/store"
)

const (
	grantShards     = 64
	grantShardLimit = 1024 // runtimes remembered in one shard
)

// grantCache keeps, for each runtime that was asked about, what its grants say.
// Reading takes no lock: a shard is a constant map of slots, a slot holds one
// constant set that is good as long as no grant has changed since it was read.
type grantCache struct {
	seed   maphash.Seed
	shards [grantShards]grantShard
}

type grantShard struct {
	mu    sync.Mutex // held to add a slot
	slots atomic.Pointer[map[string]*grantSlot]
}

type grantSlot struct{ set atomic.Pointer[grantSet] }

// grantSet is the grants of one runtime as of one index, by user.
type grantSet struct {
	index uint64
	users map[string]*userGrants
}

type userGrants struct{ denials, grants []grantRule }

type grantRule struct {
	method, path string
	star         bool
}

func (r *grantRule) matches(method, suffix string) bool {
	return (r.method == "*" || r.method == method) && coversSuffix(r.path, r.star, suffix)
}

func (c *grantCache) init() { c.seed = maphash.MakeSeed() }

// of returns the set of a runtime as of now. The index is read before the
// snapshot, so a set is never older than the index it carries.
func (c *grantCache) of(st *store.Store, runtimeID string) *grantSet {
	index := st.LastIndex(grantRows)
	slot := c.slot(runtimeID)
	if s := slot.set.Load(); s != nil && s.index == index {
		return s
	}
	s := readGrants(st.View(), runtimeID)
	s.index = index
	slot.set.Store(s)
	return s
}

func (c *grantCache) slot(runtimeID string) *grantSlot {
	sh := &c.shards[maphash.String(c.seed, runtimeID)%grantShards]
	if m := sh.slots.Load(); m != nil {
		if s, ok := (*m)[runtimeID]; ok {
			return s
		}
	}
	return sh.add(runtimeID)
}

func (sh *grantShard) add(runtimeID string) *grantSlot {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	next := map[string]*grantSlot{}
	if m := sh.slots.Load(); m != nil {
		if s, ok := (*m)[runtimeID]; ok {
			return s
		}
		if len(*m) < grantShardLimit { // else the shard starts anew
			next = maps.Clone(*m)
		}
	}
	s := &grantSlot{}
	next[runtimeID] = s
	sh.slots.Store(&next)
	return s
}

func readGrants(r store.Reader, runtimeID string) *grantSet {
	set := &grantSet{}
	for g := range ofRuntime(r, runtimeID) {
		if g.Allowed && g.OwnerRow {
			continue // ownership is the runtime's, not this row's
		}
		if set.users == nil {
			set.users = map[string]*userGrants{}
		}
		u := set.users[g.UserID]
		if u == nil {
			u = &userGrants{}
			set.users[g.UserID] = u
		}
		rule := grantRule{method: g.Method, path: g.Path, star: g.Star}
		if g.Allowed {
			u.grants = append(u.grants, rule)
		} else {
			u.denials = append(u.denials, rule)
		}
	}
	return set
}

func (s *grantSet) verdict(userID, method, suffix string) Verdict {
	u := s.users[userID]
	if u == nil {
		return Silent
	}
	for i := range u.denials {
		if u.denials[i].matches(method, suffix) {
			return Refused
		}
	}
	for i := range u.grants {
		if u.grants[i].matches(method, suffix) {
			return Granted
		}
	}
	return Silent
}
