package rest

import (
	"hash/maphash"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/atoll-platform/atoll/policy"
)

// Limits bound what callers can make a Server hold or do. Every zero field is
// its default; a negative one is no limit.
type Limits struct {
	URL   int // bytes of the request target: 8 KiB
	Pairs int // parameters of a query: 256

	InFlight     int // calls at a time: 1024
	PerPrincipal int // of one caller: 64
	Heavy        int // of rows of HeavyLoad: 8
	Streams      int // open streams: 1024
	OwnStreams   int // of one caller: 16
	Queue        int // messages that wait for a slow reader before it is cut off: 1000

	Rate  float64 // calls a second of one caller, checked before the body is read: no limit
	Burst int     // how many of these may come at once: 20

	BadLogins int // refused logins of one peer and name in a minute: 20

	// Callers that are slow with a body or an answer are cut off at the latest an
	// eighth of the shorter of both times after it, or a second.
	Body    time.Duration // to send a body, again for every 64 KiB: 30 s
	Handler time.Duration // for a row's function: 30 s
	Write   time.Duration // to take an answer: 30 s
	Message time.Duration // to take one message of a stream: 10 s
	Poll    time.Duration // a long poll waits: 60 s
}

// complete fills in the defaults.
func (l Limits) complete() Limits {
	for _, f := range []struct {
		field *int
		value int
	}{
		{&l.URL, 8 << 10}, {&l.Pairs, 256}, {&l.InFlight, 1024}, {&l.PerPrincipal, 64}, {&l.Heavy, 8},
		{&l.Streams, 1024}, {&l.OwnStreams, 16}, {&l.Queue, 1000}, {&l.Burst, 20}, {&l.BadLogins, 20},
	} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	if l.Queue < 0 {
		l.Queue = 1000 // a queue without bound is not on offer
	}
	for _, f := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&l.Body, 30 * time.Second}, {&l.Handler, 30 * time.Second}, {&l.Write, 30 * time.Second},
		{&l.Message, 10 * time.Second}, {&l.Poll, 60 * time.Second},
	} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	return l
}

// bounds are the counters behind Limits, shared by all dialects of a Server.
type bounds struct {
	limits   Limits
	inFlight atomic.Int64
	heavy    atomic.Int64
	streams  atomic.Int64
	callers  tally
	readers  tally
	buckets  buckets
	logins   throttle
}

// enter counts one more against limit, or refuses.
func enter(n *atomic.Int64, limit int) bool {
	if n.Add(1) > int64(limit) && limit >= 0 {
		n.Add(-1)
		return false
	}
	return true
}

// tally counts what each caller holds. Callers that hold nothing take no room.
type tally struct {
	shards [32]struct {
		mu sync.Mutex
		n  map[string]int
	}
}

var tallySeed = maphash.MakeSeed()

func (t *tally) shard(key string) int {
	return int(maphash.String(tallySeed, key) % uint64(len(t.shards)))
}

// enter counts one more for key, or refuses.
func (t *tally) enter(key string, limit int) bool {
	s := &t.shards[t.shard(key)]
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.n[key]
	if limit >= 0 && n >= limit {
		return false
	}
	if s.n == nil {
		s.n = make(map[string]int)
	}
	s.n[key] = n + 1
	return true
}

// leave takes back what enter counted.
func (t *tally) leave(key string) {
	s := &t.shards[t.shard(key)]
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.n[key]; n > 1 {
		s.n[key] = n - 1
	} else {
		delete(s.n, key)
	}
}

// buckets are token buckets by caller. A full bucket is the same as none, so
// full ones are dropped when there are many.
type buckets struct {
	mu    sync.Mutex
	at    map[string]bucket
	swept time.Time
}

type bucket struct {
	tokens float64
	at     time.Time
}

// maxKept bounds the memory of buckets and throttle.
const maxKept = 8192

// take takes a token of key, or says how long to wait for one.
func (b *buckets) take(key string, now time.Time, rate float64, burst int) (time.Duration, bool) {
	if rate <= 0 {
		return 0, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	full := max(float64(burst), 1)
	refill := func(x bucket) float64 { return min(full, x.tokens+now.Sub(x.at).Seconds()*rate) }
	x, ok := b.at[key]
	if !ok {
		x = bucket{tokens: full, at: now}
		if len(b.at) >= maxKept && now.Sub(b.swept) >= time.Second {
			b.swept = now
			for k, old := range b.at {
				if refill(old) >= full {
					delete(b.at, k)
				}
			}
		}
		if len(b.at) >= maxKept {
			return time.Second, false // everybody is busy: newcomers wait
		}
	}
	x.tokens, x.at = refill(x), now
	allowed := x.tokens >= 1
	if allowed {
		x.tokens--
	}
	if b.at == nil {
		b.at = make(map[string]bucket)
	}
	b.at[key] = x
	if allowed {
		return 0, true
	}
	return time.Duration((1 - x.tokens) / rate * float64(time.Second)), false
}

// throttle counts refused logins by peer and name in fixed minutes.
type throttle struct {
	some   atomic.Bool // any entry was ever made: spares the usual login the lock
	mu     sync.Mutex
	at     map[string]attempts
	logged time.Time
	swept  time.Time
}

type attempts struct {
	n     int
	until time.Time
}

// blocked says how long key must wait, 0 if it may try.
func (t *throttle) blocked(key string, now time.Time, limit int) time.Duration {
	if limit < 0 || !t.some.Load() {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if a, ok := t.at[key]; ok && a.n >= limit && now.Before(a.until) {
		return a.until.Sub(now)
	}
	return 0
}

// failed counts a refused login. It reports whether this one may be logged,
// which is so once a second.
func (t *throttle) failed(key string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.some.Store(true)
	if t.at == nil {
		t.at = make(map[string]attempts)
	}
	a, ok := t.at[key]
	if !ok && len(t.at) >= maxKept {
		if now.Sub(t.swept) >= time.Second {
			t.swept = now
			for k, old := range t.at {
				if !now.Before(old.until) {
					delete(t.at, k)
				}
			}
		}
		for k := range t.at { // still full: somebody's count is lost, memory is not
			if len(t.at) < maxKept {
				break
			}
			delete(t.at, k)
		}
	}
	if !now.Before(a.until) {
		a = attempts{until: now.Add(time.Minute)}
	}
	a.n++
	t.at[key] = a
	if now.Sub(t.logged) < time.Second {
		return false
	}
	t.logged = now
	return true
}

// passed forgets the refused logins of key.
func (t *throttle) passed(key string) {
	if !t.some.Load() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.at, key)
}

// callerKey is what the bounds of one caller are counted by.
func callerKey(p *policy.Principal, peer string) string {
	switch {
	case p == nil || p.Kind == policy.Public:
		return "peer " + peer
	case p.UserID != "":
		return p.UserID
	case p.KeyID != "":
		return p.KeyID
	}
	return p.Name
}

// seconds is d as Retry-After wants it: whole, at least 1.
func seconds(d time.Duration) int {
	return max(1, int((d+time.Second-1)/time.Second))
}

var smallInts = func() (s [1024][]string) {
	for i := range s {
		s[i] = []string{strconv.Itoa(i)}
	}
	return s
}()

// intHeader is n as a header value. The result is shared: it must not be changed.
func intHeader(n int) []string {
	if n >= 0 && n < len(smallInts) {
		return smallInts[n]
	}
	return []string{strconv.Itoa(n)}
}
