package policy

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The benchmarks guard the cost of a decision against two floors made of Go
// maps: one with every answer worked out, and a trie of maps that walks the
// namespace as the set does.

// table is a benchmark's policy: texts, and questions with known answers.
type scenario struct {
	name  string
	texts []string
	rules int
	asks  []benchAsk
}

type benchAsk struct {
	claims []Claim
	target Target
	action Action
	want   bool
}

const authServer = "auth_server@apcera.me"

func nameClaim(n int) Claim { return Claim{authServer, "name", fmt.Sprintf("user%d", n)} }

// scenarioA: ten rules on ten namespaces for groups.
func scenarioA() scenario {
	s := scenario{name: "A-10", rules: 10}
	var b strings.Builder
	for i := range 10 {
		fmt.Fprintf(&b, "job::/team%d { if (LDAP->group == \"g%d\") { permit read, update } }\n", i, i)
	}
	s.texts = []string{b.String()}
	for i := range 10 {
		for j := range 10 {
			s.asks = append(s.asks, benchAsk{[]Claim{nameClaim(j), {"LDAP", "group", fmt.Sprintf("g%d", j)}},
				Target{Type: "job", Namespace: fmt.Sprintf("/team%d/web", i), Local: "shop"}, Update, i == j})
		}
	}
	return s
}

// scenarioB: n rules for groups on n/3 namespaces of three tokens.
func scenarioB(n int) scenario {
	s := scenario{name: fmt.Sprintf("B-%d", n), rules: n}
	rnd := rand.New(rand.NewPCG(1, 2))
	spaces := n/3 + 1
	ns := func(i int) string { return fmt.Sprintf("/org%d/team%d/app%d", i%20, i%400, i) }
	groups := make([][]int, spaces)
	var b strings.Builder
	for i := range n {
		g := rnd.IntN(200)
		groups[i%spaces] = append(groups[i%spaces], g)
		fmt.Fprintf(&b, "job::%s { if (LDAP->group == \"group%d\") { permit read, update } }\n", ns(i%spaces), g)
		if i%50 == 49 || i == n-1 {
			s.texts = append(s.texts, b.String())
			b.Reset()
		}
	}
	for range 4000 {
		space := rnd.IntN(spaces)
		a := benchAsk{target: Target{Type: "job", Namespace: ns(space), Local: "web"}, action: Update, claims: []Claim{nameClaim(rnd.IntN(5000))}}
		mine := groups[space][rnd.IntN(len(groups[space]))]
		for range 3 {
			g := rnd.IntN(200)
			a.claims = append(a.claims, Claim{"LDAP", "group", fmt.Sprintf("group%d", g)})
			a.want = a.want || slices.Contains(groups[space], g)
		}
		if rnd.IntN(2) == 0 {
			a.claims = append(a.claims, Claim{"LDAP", "group", fmt.Sprintf("group%d", mine)})
			a.want = true
		}
		s.asks = append(s.asks, a)
	}
	return s
}

// scenarioC: n rules for single users on n/3 namespaces of two tokens.
func scenarioC(n int) scenario {
	s := scenario{name: fmt.Sprintf("C-%d", n), rules: n}
	rnd := rand.New(rand.NewPCG(3, 4))
	spaces := n/3 + 1
	ns := func(i int) string { return fmt.Sprintf("/tenant%d/app%d", i%3000, i) }
	users := make([][]int, spaces)
	var b strings.Builder
	for i := range n {
		u := rnd.IntN(n / 10)
		users[i%spaces] = append(users[i%spaces], u)
		fmt.Fprintf(&b, "job::%s { if (%s->name == \"user%d\") { permit read, update } }\n", ns(i%spaces), authServer, u)
		if i%50 == 49 || i == n-1 {
			s.texts = append(s.texts, b.String())
			b.Reset()
		}
	}
	for range 4000 {
		space := rnd.IntN(spaces)
		u := rnd.IntN(n / 10)
		if rnd.IntN(2) == 0 {
			u = users[space][0]
		}
		s.asks = append(s.asks, benchAsk{[]Claim{nameClaim(u)}, Target{Type: "job", Namespace: ns(space), Local: "web"}, Update, slices.Contains(users[space], u)})
	}
	return s
}

// scenarioCT: one rule with a template for every user.
func scenarioCT() scenario {
	s := scenario{name: "CT-template", rules: 1, texts: []string{"job::/home/[who] { if (" + authServer + "->name == [who]) { permit read, update } }"}}
	for i := range 1000 {
		s.asks = append(s.asks, benchAsk{[]Claim{nameClaim(i)}, Target{Type: "job", Namespace: fmt.Sprintf("/home/user%d", i+i%2), Local: "web"}, Update, i%2 == 0})
	}
	return s
}

// scenarioLayers: 5,000 rules in three layers of derivation: groups give
// roles on namespaces, roles give permissions everywhere, "all" is expanded.
func scenarioLayers() scenario {
	s := scenario{name: "L-5000-three-layers"}
	rnd := rand.New(rand.NewPCG(5, 6))
	var b strings.Builder
	for _, t := range BuiltinTypes() {
		var acts []string
		for _, a := range t.Actions {
			acts = append(acts, string(a))
		}
		fmt.Fprintf(&b, "on %s::/ { if (permit == all) { permit %s } }\n", t.Name, strings.Join(acts, ", "))
		s.rules++
	}
	s.texts = append(s.texts, b.String())
	b.Reset()
	const roles = 60
	for i := range roles {
		grant := []string{"read", "read, update", "read, start, stop", "all"}[i%4]
		for _, t := range []string{"job", "package", "service", "route"} {
			if t != "job" && i%4 == 2 {
				continue
			}
			fmt.Fprintf(&b, "on %s::/ { if (role == \"role%d\") { permit %s } }\n", t, i, grant)
			s.rules++
		}
	}
	s.texts = append(s.texts, b.String())
	type grant struct{ group, role int }
	spaces := make([][]grant, 1500)
	ns := func(i int) string { return fmt.Sprintf("/org%d/team%d/app%d", i%15, i%150, i) }
	i := 0
	for s.rules < 5000 {
		b.Reset()
		for range 50 {
			g := grant{rnd.IntN(400), rnd.IntN(roles)}
			spaces[i%len(spaces)] = append(spaces[i%len(spaces)], g)
			fmt.Fprintf(&b, "on *::%s { if (LDAP->group == \"group%d\") { role role%d } }\n", ns(i%len(spaces)), g.group, g.role)
			i++
			s.rules++
		}
		s.texts = append(s.texts, b.String())
	}
	for range 4000 {
		space := rnd.IntN(len(spaces))
		a := benchAsk{target: Target{Type: "job", Namespace: ns(space), Local: "web"}, action: Update, claims: []Claim{nameClaim(rnd.IntN(5000))}}
		var groups []int
		for range 4 {
			groups = append(groups, rnd.IntN(400))
		}
		if rnd.IntN(2) == 0 && len(spaces[space]) > 0 {
			groups = append(groups, spaces[space][0].group)
		}
		for _, g := range groups {
			a.claims = append(a.claims, Claim{"LDAP", "group", fmt.Sprintf("group%d", g)})
			for _, x := range spaces[space] {
				a.want = a.want || x.group == g && (x.role%4 == 1 || x.role%4 == 3)
			}
		}
		s.asks = append(s.asks, a)
	}
	return s
}

func (s *scenario) documents(b testing.TB) []*Document {
	var docs []*Document
	for i, text := range s.texts {
		docs = append(docs, mustParse(b, fmt.Sprintf("doc%d", i), text))
	}
	return docs
}

// load compiles the texts one after another.
func (s *scenario) load(b testing.TB) *Set {
	set, ds := CompileSeq(func(yield func(*Document) bool) {
		for i, text := range s.texts {
			if !yield(mustParse(b, fmt.Sprintf("doc%d", i), text)) {
				return
			}
		}
	}, nil, nil)
	if set == nil {
		b.Fatal(ds)
	}
	return set
}

func (s *scenario) sessions(set *Set) []*Session {
	out := make([]*Session, len(s.asks))
	for i, a := range s.asks {
		out[i] = set.Session(a.claims)
	}
	return out
}

// floorTrie is the hand-written peer: a trie of Go maps with the granted
// claims at each node, behind a read lock.
type floorTrie struct {
	mu   sync.RWMutex
	root *floorNode
}

type floorNode struct {
	kids   map[string]*floorNode
	grants map[floorGrant]struct{}
	self   map[Action]struct{} // to the user of that name
}

type floorGrant struct {
	claim  Claim
	action Action
}

func (n *floorNode) at(path string) *floorNode {
	for _, tok := range strings.Split(path, "/")[1:] {
		if n.kids == nil {
			n.kids = map[string]*floorNode{}
		}
		if n.kids[tok] == nil {
			n.kids[tok] = &floorNode{}
		}
		n = n.kids[tok]
	}
	return n
}

func (f *floorTrie) allowed(t Target, a Action, claims []Claim) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	n := f.root
	rest := t.Namespace[1:]
	for n != nil {
		if n.grants != nil {
			for _, c := range claims {
				if _, ok := n.grants[floorGrant{c, a}]; ok {
					return true
				}
			}
		}
		if rest == "" {
			return false
		}
		tok, tail, _ := strings.Cut(rest, "/")
		if n.self != nil {
			if _, ok := n.self[a]; ok && claims[0].Value == tok {
				return true
			}
		}
		n, rest = n.kids[tok], tail
	}
	return false
}

// floor builds the hand-written peer of a scenario without derivation.
func (s *scenario) floor(docs []*Document) *floorTrie {
	f := &floorTrie{root: &floorNode{}}
	for _, d := range docs {
		for _, p := range d.Policies {
			path := ""
			for _, tok := range p.Realm.Namespace {
				if !isFree(tok) {
					path += "/" + tok
				}
			}
			n := f.root.at(path)
			for _, r := range p.Rules {
				k := r.any[0][0]
				for _, c := range r.Claims {
					if isFree(k.Right.Text) || k.Right.holds {
						if n.self == nil {
							n.self = map[Action]struct{}{}
						}
						n.self[Action(c.Value.Text)] = struct{}{}
						continue
					}
					if n.grants == nil {
						n.grants = map[floorGrant]struct{}{}
					}
					n.grants[floorGrant{Claim{k.Left.Issuer, k.Left.Type, k.Right.Text}, Action(c.Value.Text)}] = struct{}{}
				}
			}
		}
	}
	return f
}

func scenarios() []scenario {
	return []scenario{scenarioA(), scenarioB(10_000), scenarioB(100_000), scenarioC(10_000), scenarioC(100_000), scenarioCT(), scenarioLayers()}
}

func BenchmarkAllowed(b *testing.B) {
	for _, s := range scenarios() {
		docs := s.documents(b)
		set := mustCompile(b, docs, nil, nil)
		sessions := s.sessions(set)
		for i, a := range s.asks {
			if sessions[i].Allowed(a.target, a.action) != a.want {
				b.Fatalf("%s: %v on %v: want %v", s.name, a.claims, a.target, a.want)
			}
		}
		for _, want := range []bool{true, false} {
			var asks []int
			for i, a := range s.asks {
				if a.want == want {
					asks = append(asks, i)
				}
			}
			kind := map[bool]string{true: "allow", false: "deny"}[want]
			b.Run(s.name+"/"+kind+"/set", func(b *testing.B) {
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					k := asks[i]
					if i++; i == len(asks) {
						i = 0
					}
					if sessions[k].Allowed(s.asks[k].target, s.asks[k].action) != want {
						b.Fatal("wrong answer")
					}
				}
			})
			if s.name[0] == 'L' {
				b.Run(s.name+"/"+kind+"/percentiles", func(b *testing.B) { percentiles(b, &s, sessions, asks) })
				continue
			}
			floor := s.floor(docs)
			b.Run(s.name+"/"+kind+"/floor-trie", func(b *testing.B) {
				i := 0
				for b.Loop() {
					k := asks[i]
					if i++; i == len(asks) {
						i = 0
					}
					if floor.allowed(s.asks[k].target, s.asks[k].action, s.asks[k].claims) != want {
						b.Fatal("wrong answer")
					}
				}
			})
			answers := map[floorKey]bool{}
			for _, k := range asks {
				answers[floorKey{s.asks[k].claims[0].Value, s.asks[k].target, s.asks[k].action}] = want
			}
			b.Run(s.name+"/"+kind+"/floor-map", func(b *testing.B) {
				i := 0
				for b.Loop() {
					k := asks[i]
					if i++; i == len(asks) {
						i = 0
					}
					a := &s.asks[k]
					if answers[floorKey{a.claims[0].Value, a.target, a.action}] != want {
						b.Fatal("wrong answer")
					}
				}
			})
		}
	}
}

type floorKey struct {
	who    string
	target Target
	action Action
}

// percentiles measures single decisions, less what reading the clock costs.
func percentiles(b *testing.B, s *scenario, sessions []*Session, asks []int) {
	const n = 200_000
	clock := make([]time.Duration, 0, n)
	for range n {
		t := time.Now()
		clock = append(clock, time.Since(t))
	}
	slices.Sort(clock)
	took := make([]time.Duration, 0, n)
	for b.Loop() {
		took = took[:0]
		for i := range n {
			k := asks[i%len(asks)]
			t := time.Now()
			sessions[k].Allowed(s.asks[k].target, s.asks[k].action)
			took = append(took, time.Since(t))
		}
		slices.Sort(took)
	}
	b.ReportMetric(float64(took[n/2]-clock[n/2]), "p50-ns")
	b.ReportMetric(float64(took[n*99/100]-clock[n/2]), "p99-ns")
}

func BenchmarkLoad(b *testing.B) {
	for _, s := range []scenario{scenarioB(10_000), scenarioB(100_000), scenarioC(10_000), scenarioC(100_000), scenarioLayers()} {
		b.Run(s.name, func(b *testing.B) {
			var set *Set
			before := cpuTime()
			for b.Loop() {
				set = s.load(b)
			}
			b.ReportMetric(float64((cpuTime()-before).Milliseconds())/float64(b.N), "cpu-ms/load")
			heap := func() uint64 {
				runtime.GC()
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				return m.HeapAlloc
			}
			texts := 0
			for _, t := range s.texts {
				texts += len(t)
			}
			with := heap()
			runtime.KeepAlive(set)
			set = nil
			without := heap()
			b.ReportMetric(float64(with-without)/float64(s.rules), "B/rule")
			b.ReportMetric(float64(texts)/float64(s.rules), "textB/rule")
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/load")
		})
	}
}

// cpuTime is what the process has used of all processors.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkUpdate changes one document among many and makes one decision by
// the new set.
func BenchmarkUpdate(b *testing.B) {
	for _, s := range []scenario{scenarioB(10_000), scenarioB(100_000), scenarioC(100_000)} {
		b.Run(s.name+"/one-rule", func(b *testing.B) {
			set := mustCompile(b, s.documents(b), nil, nil)
			live := NewLive(set)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i++
				ns := s.asks[i%len(s.asks)].target.Namespace
				doc := mustParse(b, fmt.Sprintf("extra%d", i%100), fmt.Sprintf("job::%s { if (LDAP->group == \"fresh%d\") { permit stop } }", ns, i))
				next, _ := live.Load().With([]*Document{doc}, nil)
				live.Store(next)
			}
		})
		b.Run(s.name+"/fifty-rules", func(b *testing.B) {
			docs := s.documents(b)
			live := NewLive(mustCompile(b, docs, nil, nil))
			i := 0
			for b.Loop() {
				i++
				k := i % len(docs)
				doc := mustParse(b, docs[k].Name, s.texts[k])
				next, _ := live.Load().With([]*Document{doc}, nil)
				live.Store(next)
			}
		})
		b.Run(s.name+"/one-rule-and-decision", func(b *testing.B) {
			live := NewLive(mustCompile(b, s.documents(b), nil, nil))
			session := live.Load().Session(s.asks[0].claims)
			i := 0
			for b.Loop() {
				i++
				t := s.asks[i%len(s.asks)].target
				doc := mustParse(b, fmt.Sprintf("extra%d", i%100), fmt.Sprintf("job::%s { if (%s->name == \"%s\") { permit stop } }", t.Namespace, authServer, s.asks[0].claims[0].Value))
				next, _ := live.Load().With([]*Document{doc}, nil)
				live.Store(next)
				if session = session.On(live.Load()); !session.Allowed(t, Stop) {
					b.Fatal("the change is not active")
				}
			}
		})
	}
}

func BenchmarkSession(b *testing.B) {
	set := mustCompile(b, nil, nil, nil)
	claims := scenarioB(3000).asks[0].claims
	b.ReportAllocs()
	for b.Loop() {
		set.Session(claims)
	}
}

// BenchmarkAgainstFloor takes short turns between the set and the floor trie,
// so that both meet the same machine, and reports the fastest turn of each,
// which other work on the machine disturbs least, and the ratio of the
// medians.
func BenchmarkAgainstFloor(b *testing.B) {
	const turn, turns = 500, 400
	for _, s := range scenarios() {
		docs := s.documents(b)
		set := mustCompile(b, docs, nil, nil)
		sessions := s.sessions(set)
		var floor *floorTrie
		if s.name[0] != 'L' {
			floor = s.floor(docs)
		}
		for _, want := range []bool{true, false} {
			var asks []int
			for i, a := range s.asks {
				if a.want == want {
					asks = append(asks, i)
				}
			}
			b.Run(s.name+"/"+map[bool]string{true: "allow", false: "deny"}[want], func(b *testing.B) {
				var ours, theirs []float64
				at := 0
				measure := func(f func(k int) bool) float64 {
					start := time.Now()
					for i := range turn {
						if f(asks[(at+i)%len(asks)]) != want {
							b.Fatal("wrong answer")
						}
					}
					return float64(time.Since(start)) / turn
				}
				for b.Loop() {
					for range turns {
						ours = append(ours, measure(func(k int) bool { return sessions[k].Allowed(s.asks[k].target, s.asks[k].action) }))
						if floor != nil {
							theirs = append(theirs, measure(func(k int) bool {
								return floor.allowed(s.asks[k].target, s.asks[k].action, s.asks[k].claims)
							}))
						}
						at += turn
					}
				}
				slices.Sort(ours)
				slices.Sort(theirs)
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(ours[0], "set-best-ns")
				b.ReportMetric(ours[len(ours)/2], "set-ns")
				if floor != nil {
					b.ReportMetric(theirs[0], "trie-best-ns")
					b.ReportMetric(theirs[len(theirs)/2], "trie-ns")
					b.ReportMetric(ours[len(ours)/2]/theirs[len(theirs)/2], "x-trie")
				}
			})
		}
	}
}
