package main

import (
	"flag"
	"fmt"
	"os"
	goruntime "runtime"
	"slices"
	"strings"
	"time"
)

// bench holds what the command line says.
type bench struct {
	rounds int
	turn   time.Duration
	only   string
}

func main() {
	var b bench
	flag.IntVar(&b.rounds, "rounds", 9, "turns that each engine has at each scenario")
	flag.DurationVar(&b.turn, "turn", 15*time.Millisecond, "length of a turn")
	flag.StringVar(&b.only, "only", "", "measure only scenarios whose name contains this: "+strings.Join(scenarioNames(), " "))
	flag.Parse()
	load, _ := os.ReadFile("/proc/loadavg")
	fmt.Printf("%s, GOMAXPROCS %d, %d rounds, load %s\n", goruntime.Version(), goruntime.GOMAXPROCS(0), b.rounds, strings.TrimSpace(string(load)))
	start := time.Now()
	if err := b.run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("\ntook %s\n", time.Since(start).Round(time.Second))
}

func scenarioNames() []string {
	return []string{"A-10", "CT-[name]", "B-10000", "B-100000", "C-10000", "C-100000", "L-5000", "load", "update", "readers"}
}

// leftOut reports whether an engine is left out of a scenario: it would take
// minutes and tell nothing.
func leftOut(engine, scenario string) bool {
	switch engine {
	case "cedar-entity":
		return scenario == "A-10" || scenario == "CT-[name]"
	case "cedar":
		return scenario == "B-100000" || scenario == "C-100000" || scenario == "load"
	}
	return false
}

func (b *bench) wants(name string) bool { return strings.Contains(name, b.only) }

func (b *bench) run() error {
	worlds := []*world{worldA(), worldCT(), worldB(10_000), worldB(100_000), worldC(10_000), worldC(100_000), worldLayers()}
	var decided []*deciders
	for _, w := range worlds {
		if !b.wants(w.name) {
			continue
		}
		d, err := b.decide(w)
		if err != nil {
			return err
		}
		decided = append(decided, d)
	}
	printDecisions(decided)
	printGrowth(decided)
	if b.wants("load") {
		if err := b.loads(); err != nil {
			return err
		}
	}
	if b.wants("update") {
		if err := b.updates(); err != nil {
			return err
		}
	}
	if b.wants("readers") {
		return b.readers()
	}
	return nil
}

// kinds are the answers, which are measured apart.
var kinds = []bool{true, false}

func kindName(allow bool) string {
	if allow {
		return "allow"
	}
	return "deny"
}

// deciders is what the decisions of one world cost.
type deciders struct {
	world   *world
	engines []string
	cost    map[bool]map[string][]float64 // ns by engine, one for each round
	allocs  map[bool]float64              // of atoll
	p50     map[bool]float64              // of atoll, single decisions
	p99     map[bool]float64
}

// decide measures the decisions of w.
func (b *bench) decide(w *world) (*deciders, error) {
	d := &deciders{world: w, cost: map[bool]map[string][]float64{}, allocs: map[bool]float64{}, p50: map[bool]float64{}, p99: map[bool]float64{}}
	var asks []func(int) bool
	for _, e := range engines() {
		if leftOut(e.name, w.name) {
			continue
		}
		l, err := e.load(e.text(w))
		if err != nil {
			return nil, fmt.Errorf("%s, %s: %w", w.name, e.name, err)
		}
		asks = append(asks, l.asker(w))
		d.engines = append(d.engines, e.name)
	}
	goruntime.GC()
	for _, allow := range kinds {
		var numbers []int
		for i, q := range w.questions {
			if q.want == allow {
				numbers = append(numbers, i)
			}
		}
		d.cost[allow] = map[string][]float64{}
		turns := make([]*turn, len(asks))
		for k := range asks {
			warm(asks[k], numbers)
			turns[k] = newTurn(asks[k], numbers, allow, b.turn)
		}
		for round := range b.rounds {
			for k := range turns {
				if k = (k + round) % len(turns); round%2 == 1 {
					k = len(turns) - 1 - k
				}
				if turns[k].n == 1 && round >= 3 {
					continue // a single decision fills the turn: no need to be exact
				}
				c, err := turns[k].take()
				if err != nil {
					return nil, fmt.Errorf("%s, %s: %w", w.name, d.engines[k], err)
				}
				d.cost[allow][d.engines[k]] = append(d.cost[allow][d.engines[k]], c)
			}
		}
		d.allocs[allow] = allocations(func() { turns[0].take() }, turns[0].n)
		d.p50[allow], d.p99[allow] = singles(asks[0], numbers)
	}
	return d, nil
}

// turn asks one engine n questions at a time.
type turn struct {
	ask     func(int) bool
	numbers []int
	want    bool
	n, at   int
}

// warm asks every question once, for a second at most: what an engine works
// out when it first sees a place is no part of a decision.
func warm(ask func(int) bool, numbers []int) {
	start := time.Now()
	for _, k := range numbers {
		if ask(k); time.Since(start) > time.Second {
			return
		}
	}
}

// newTurn finds out how many questions fill the time.
func newTurn(ask func(int) bool, numbers []int, want bool, length time.Duration) *turn {
	t := &turn{ask: ask, numbers: numbers, want: want, n: 1}
	for t.n < 1<<20 {
		start := time.Now()
		t.take()
		took := time.Since(start)
		if took >= length/2 {
			t.n = max(1, int(float64(t.n)*float64(length)/float64(took)))
			break
		}
		t.n *= 2
	}
	return t
}

// take asks and returns what one question cost, in nanoseconds.
func (t *turn) take() (float64, error) {
	wrong := 0
	start := time.Now()
	for range t.n {
		if t.ask(t.numbers[t.at]) != t.want {
			wrong++
		}
		if t.at++; t.at == len(t.numbers) {
			t.at = 0
		}
	}
	took := time.Since(start)
	if wrong > 0 {
		return 0, fmt.Errorf("%d wrong answers", wrong)
	}
	return float64(took) / float64(t.n), nil
}

// allocations returns how many allocations f makes for each of n operations.
func allocations(f func(), n int) float64 {
	var before, after goruntime.MemStats
	goruntime.ReadMemStats(&before)
	f()
	goruntime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / float64(n)
}

// singles measures single decisions, less what reading the clock costs.
func singles(ask func(int) bool, numbers []int) (p50, p99 float64) {
	const n = 200_000
	clock, took := make([]time.Duration, n), make([]time.Duration, n)
	for i := range clock {
		start := time.Now()
		clock[i] = time.Since(start)
	}
	for i := range took {
		k := numbers[i%len(numbers)]
		start := time.Now()
		ask(k)
		took[i] = time.Since(start)
	}
	slices.Sort(clock)
	slices.Sort(took)
	return float64(took[n/2] - clock[n/2]), float64(took[n*99/100] - clock[n/2])
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(values))
	return s[len(s)/2]
}

// ratio is the median of a/b over the rounds.
func ratio(a, b []float64) float64 {
	var r []float64
	for i := range min(len(a), len(b)) {
		r = append(r, a[i]/b[i])
	}
	return median(r)
}

func quantity(v float64) string {
	switch {
	case v == 0:
		return "-"
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func nanoseconds(v float64) string {
	switch {
	case v == 0:
		return "-"
	case v >= 1e6:
		return fmt.Sprintf("%.1f ms", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.1f µs", v/1e3)
	}
	return fmt.Sprintf("%.0f ns", v)
}

func printDecisions(all []*deciders) {
	if len(all) == 0 {
		return
	}
	fmt.Print("\n## A decision\n\nHow many times as long as atoll each engine takes; for the trie, what part of its time atoll takes.\n\n")
	fmt.Println("| scenario | answer | atoll | allocs | atoll / trie | cedar | cedar-entity | casbin | opa-data | atoll p50 | p99 |")
	fmt.Println("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
	for _, d := range all {
		for _, allow := range kinds {
			c := d.cost[allow]
			peer := func(name string) string {
				if c[name] == nil {
					return "-"
				}
				return fmt.Sprintf("%s x (%s)", quantity(ratio(c[name], c["atoll"])), nanoseconds(median(c[name])))
			}
			fmt.Printf("| %s | %s | %s | %.0f | %s x (%s) | %s | %s | %s | %s | %s | %s |\n", d.world.name, kindName(allow),
				nanoseconds(median(c["atoll"])), d.allocs[allow], quantity(ratio(c["atoll"], c["trie"])), nanoseconds(median(c["trie"])),
				peer("cedar"), peer("cedar-entity"), peer("casbin"), peer("opa-data"), nanoseconds(d.p50[allow]), nanoseconds(d.p99[allow]))
		}
	}
}

// printGrowth compares the costs of one scenario with ten times the rules.
func printGrowth(all []*deciders) {
	by := map[string]*deciders{}
	for _, d := range all {
		by[d.world.name] = d
	}
	header := false
	for _, s := range []string{"B", "C"} {
		small, large := by[s+"-10000"], by[s+"-100000"]
		if small == nil || large == nil {
			continue
		}
		if !header {
			fmt.Print("\n## Growth\n\nA decision over 100,000 rules as a multiple of one over 10,000.\n\n| scenario | answer | atoll | trie |\n|---|---|---:|---:|\n")
			header = true
		}
		for _, allow := range kinds {
			growth := func(engine string) float64 {
				return median(large.cost[allow][engine]) / median(small.cost[allow][engine])
			}
			fmt.Printf("| %s | %s | %.2f x | %.2f x |\n", s, kindName(allow), growth("atoll"), growth("trie"))
		}
	}
}
