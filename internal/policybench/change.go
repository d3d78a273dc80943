package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cedar-policy/cedar-go"

	"github.com/atoll-platform/atoll/policy"
)

// updates measures how soon one changed document among many is in force: one
// grant is added, and a question that depends on it is answered.
func (b *bench) updates() error {
	fmt.Print("\n## One document changed\n\nFrom the text to the first decision by it.\n\n| scenario | median | p99 |\n|---|---:|---:|\n")
	for _, w := range []*world{worldB(10_000), worldB(100_000), worldC(100_000)} {
		l, err := atollLoad(atollText(w))
		if err != nil {
			return err
		}
		live := policy.NewLive(l.(*atollSet).set)
		session := live.Load().Session([]policy.Claim{claim("user0")})
		var took []float64
		for i := range 2000 {
			ns := w.questions[i%len(w.questions)].namespace
			text := fmt.Sprintf("job::%s { if (%s->name == \"user0\") { permit stop } }", ns, authServer)
			start := time.Now()
			d, found := policy.Parse(fmt.Sprintf("extra%d", i%100), text)
			if policy.HasErrors(found) {
				return fmt.Errorf("%v", found)
			}
			set, found := live.Load().With([]*policy.Document{d}, nil)
			if policy.HasErrors(found) {
				return fmt.Errorf("%v", found)
			}
			live.Store(set)
			if !session.On(live.Load()).Allowed(jobIn(ns), policy.Stop) {
				return fmt.Errorf("%s: the change is not in force", w.name)
			}
			took = append(took, float64(time.Since(start)))
		}
		slices.Sort(took)
		fmt.Printf("| %s | %s | %s |\n", w.name, nanoseconds(took[len(took)/2]), nanoseconds(took[len(took)*99/100]))
	}
	return nil
}

// changing is an engine whose grants change while others read. A change moves
// a right: user0 may stop on one of two namespaces, always on one and never
// on both.
type changing struct {
	name  string
	ask   func(i int) bool       // one of the world's questions
	move  func(first bool)       // returns once the right has moved
	probe func() (a, b, ok bool) // both questions by one version; ok is false without versions
	stale func(first bool) bool  // asked right after move
}

// readers measures two readers on questions of the world while the right of
// user0 moves every 100 ms.
func (b *bench) readers() error {
	w := worldB(10_000)
	l, err := atollLoad(atollText(w))
	if err != nil {
		return err
	}
	c, err := cedarEntityLoad(cedarEntityText(w))
	if err != nil {
		return err
	}
	t, err := trieLoad(trieText(w))
	if err != nil {
		return err
	}
	all := []changing{atollChanging(l.(*atollSet), w), trieChanging(t.(*trie), w), cedarChanging(c.(*cedarEntities), w)}
	rate, p50, p99 := make([][]float64, len(all)), make([][]float64, len(all)), make([][]float64, len(all))
	torn, stale := make([]int, len(all)), make([]int, len(all))
	for range min(b.rounds, 5) {
		for k := range all {
			r := all[k].contend(len(w.questions), 1500*time.Millisecond)
			rate[k], p50[k], p99[k] = append(rate[k], r.rate), append(p50[k], r.p50), append(p99[k], r.p99)
			torn[k] += r.torn
			stale[k] += r.stale
		}
	}
	fmt.Print("\n## Two readers and a change every 100 ms\n\n| engine | decisions/s | p50 | p99 | p99 / p50 | atoll / this, decisions | torn | stale |\n|---|---:|---:|---:|---:|---:|---:|---:|\n")
	for k := range all {
		fmt.Printf("| %s | %.0f | %s | %s | %.1f x | %.2f x | %d | %d |\n", all[k].name, median(rate[k]), nanoseconds(median(p50[k])), nanoseconds(median(p99[k])),
			ratio(p99[k], p50[k]), ratio(rate[0], rate[k]), torn[k], stale[k])
	}
	return nil
}

type contention struct {
	rate, p50, p99 float64
	torn, stale    int
}

// contend runs two readers and one writer for a while. One reading in 64 is
// timed by itself.
func (c *changing) contend(n int, length time.Duration) contention {
	var stop atomic.Bool
	var torn, decisions atomic.Int64
	var mu sync.Mutex
	var times []float64
	c.move(true)
	var readers sync.WaitGroup
	for r := range 2 {
		readers.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(r), 9))
			var mine []float64
			count := 0
			for !stop.Load() {
				for range 63 {
					c.ask(rnd.IntN(n))
				}
				k := rnd.IntN(n)
				start := time.Now()
				c.ask(k)
				mine = append(mine, float64(time.Since(start)))
				count += 64
				if a, b, ok := c.probe(); ok && a == b {
					torn.Add(1)
				}
			}
			decisions.Add(int64(count))
			mu.Lock()
			defer mu.Unlock()
			times = append(times, mine...)
		})
	}
	out := contention{}
	start := time.Now()
	tick := time.NewTicker(100 * time.Millisecond)
	for first := false; time.Since(start) < length; first = !first {
		<-tick.C
		c.move(first)
		if c.stale(first) {
			out.stale++
		}
	}
	tick.Stop()
	stop.Store(true)
	readers.Wait()
	slices.Sort(times)
	out.rate = float64(decisions.Load()) / time.Since(start).Seconds()
	out.p50, out.p99, out.torn = times[len(times)/2], times[len(times)*99/100], int(torn.Load())
	return out
}

const (
	firstPlace  = "/org1/team1/moving1"
	secondPlace = "/org2/team2/moving2"
)

func atollChanging(a *atollSet, w *world) changing {
	live := policy.NewLive(a.set)
	asks := a.asks(w)
	var sessions [2]*policy.Session
	for i := range sessions {
		sessions[i] = a.set.Session([]policy.Claim{claim("user0")})
	}
	may := func(s *policy.Session, ns string) bool {
		return s.Allowed(jobIn(ns), policy.Stop)
	}
	return changing{
		name: "atoll",
		// As a service would: the session is that of the caller's token, in
		// front of whatever set is active.
		ask: func(i int) bool {
			q := &asks[i]
			return q.session.On(live.Load()).Allowed(q.target, q.action)
		},
		move: func(first bool) {
			texts := map[bool]string{true: fmt.Sprintf("job::%s { if (%s->name == user0) { permit stop } }", firstPlace, authServer),
				false: fmt.Sprintf("job::%s { if (%s->name == user0) { permit stop } }", secondPlace, authServer)}
			one, _ := policy.Parse("one", texts[first])
			two, _ := policy.Parse("two", "")
			if !first {
				one, two = two, one
				one.Name, two.Name = "one", "two"
			}
			set, _ := live.Load().With([]*policy.Document{one, two}, nil)
			live.Store(set)
		},
		probe: func() (bool, bool, bool) {
			s := sessions[0].On(live.Load())
			return may(s, firstPlace), may(s, secondPlace), true
		},
		stale: func(first bool) bool {
			s := sessions[1].On(live.Load())
			return may(s, firstPlace) != first || may(s, secondPlace) == first
		},
	}
}

func trieChanging(t *trie, w *world) changing {
	user0 := []policy.Claim{claim("user0")}
	t.grant("user0", "read", "job", firstPlace) // makes the nodes
	t.grant("user0", "read", "job", secondPlace)
	node := func(ns string) *trieNode {
		n := t.types["job"]
		for _, tok := range tokens(ns) {
			n = n.kids[tok]
		}
		return n
	}
	g := trieGrant{user0[0], policy.Stop}
	return changing{
		name: "trie",
		ask:  t.asker(w),
		move: func(first bool) {
			t.mu.Lock()
			defer t.mu.Unlock()
			from, to := node(firstPlace), node(secondPlace)
			if first {
				from, to = to, from
			}
			delete(from.grants, g)
			to.grants[g] = struct{}{}
		},
		probe: func() (bool, bool, bool) { return false, false, false },
		stale: func(first bool) bool {
			return t.allowed(jobIn(firstPlace), policy.Stop, user0) != first || t.allowed(jobIn(secondPlace), policy.Stop, user0) == first
		},
	}
}

// cedarChanging copies the map of entities for each change, as one who wants
// versions must.
func cedarChanging(c *cedarEntities, w *world) changing {
	c.principals(w)
	requests := c.requests(w)
	var entities atomic.Pointer[cedar.EntityMap]
	entities.Store(&c.entities)
	place := func(m cedar.EntityMap, ns string, granted bool) {
		ids := []cedar.Value{}
		if granted {
			ids = append(ids, cedar.String("user0"))
		}
		uid := namespaceID(ns)
		m[uid] = cedar.Entity{UID: uid, Attributes: cedar.NewRecord(cedar.RecordMap{"stop": cedar.NewSet(ids...)})}
	}
	may := func(m *cedar.EntityMap, ns string) bool {
		d, _ := cedar.Authorize(c.policies, m, cedar.Request{Principal: cedarID("user0"), Action: cedar.NewEntityUID("Action", "stop"),
			Resource: namespaceID(ns), Context: cedar.NewRecord(nil)})
		return d == cedar.Allow
	}
	return changing{
		name: "cedar-entity",
		ask: func(i int) bool {
			d, _ := cedar.Authorize(c.policies, entities.Load(), requests[i])
			return d == cedar.Allow
		},
		move: func(first bool) {
			m := maps.Clone(*entities.Load())
			place(m, firstPlace, first)
			place(m, secondPlace, !first)
			entities.Store(&m)
		},
		probe: func() (bool, bool, bool) {
			m := entities.Load()
			return may(m, firstPlace), may(m, secondPlace), true
		},
		stale: func(first bool) bool {
			m := entities.Load()
			return may(m, firstPlace) != first || may(m, secondPlace) == first
		},
	}
}
