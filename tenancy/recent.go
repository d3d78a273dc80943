package tenancy

import "sync"

// recent is a bounded map that forgets what was not used for a while: entries
// live in two generations, and when the young one is half of the bound the old
// one is dropped. It keeps at most limit entries. Safe for concurrent use.
type recent[K comparable, V any] struct {
	limit int

	mu         sync.RWMutex
	young, old map[K]V
}

func newRecent[K comparable, V any](limit int) *recent[K, V] {
	return &recent[K, V]{limit: max(limit, 2), young: map[K]V{}}
}

func (r *recent[K, V]) get(k K) (V, bool) {
	r.mu.RLock()
	v, ok := r.young[k]
	if ok {
		r.mu.RUnlock()
		return v, true
	}
	v, ok = r.old[k]
	r.mu.RUnlock()
	if ok {
		r.put(k, v) // used: it moves to the young generation
	}
	return v, ok
}

func (r *recent[K, V]) put(k K, v V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.young[k]; !ok && len(r.young) >= r.limit/2 {
		r.old, r.young = r.young, make(map[K]V, r.limit/2)
	}
	delete(r.old, k)
	r.young[k] = v
}

func (r *recent[K, V]) drop(k K) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.young, k)
	delete(r.old, k)
}

func (r *recent[K, V]) len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.young) + len(r.old)
}
