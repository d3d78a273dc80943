// Command bench measures the event engine beside hollywood, protoactor-go and
// floors made of the standard library, all in one run, and prints a table.
// Ratios within a run carry over between machines; times do not.
//
//	go run . [-rounds 5] [-scale 1.0] [-only chain]
package main

import (
	"flag"
	"fmt"
	goruntime "runtime"
	"slices"
	"strings"
	"time"
)

// scenario is one row block of the table: a measure that several
// implementations are put to.
type scenario struct {
	name  string
	n     int
	unit  string
	runs  []run
	peers []string // compared with the best of these
}

// run measures n operations of one implementation and returns what one costs,
// smaller being better.
type run struct {
	name string
	f    func(n int) float64
}

// perOp times f as a whole.
func perOp(f func(n int)) func(n int) float64 {
	return func(n int) float64 {
		start := time.Now()
		f(n)
		return float64(time.Since(start)) / float64(n)
	}
}

// quantileOp times each call of f and returns the quantile q.
func quantileOp(q float64, f func(n int, times []time.Duration)) func(n int) float64 {
	return func(n int) float64 {
		times := make([]time.Duration, n)
		f(n, times)
		slices.Sort(times)
		return float64(times[int(q*float64(n-1))])
	}
}

func main() {
	rounds := flag.Int("rounds", 5, "times that each measure is taken")
	scale := flag.Float64("scale", 1, "factor on the number of operations")
	only := flag.String("only", "", "measure only scenarios whose name contains this")
	flag.Parse()
	fmt.Printf("%s, GOMAXPROCS %d, %d rounds, medians\n\n", goruntime.Version(), goruntime.GOMAXPROCS(0), *rounds)
	fmt.Println("| scenario | implementation | cost | min..max | best peer / this | floor / this |")
	fmt.Println("|---|---|---:|---:|---:|---:|")
	for _, s := range scenarios() {
		if strings.Contains(s.name, *only) {
			s.print(*rounds, max(1, int(float64(s.n)**scale)))
		}
	}
}

// print takes all measures of s in turn, round by round, so that what else the
// machine does falls on all of them.
func (s scenario) print(rounds, n int) {
	costs := make([][]float64, len(s.runs))
	for range rounds {
		for k, r := range s.runs {
			goruntime.GC()
			costs[k] = append(costs[k], r.f(n))
		}
	}
	median := make(map[string]float64)
	for k, r := range s.runs {
		slices.Sort(costs[k])
		median[r.name] = costs[k][rounds/2]
	}
	peer := 0.0
	for _, p := range s.peers {
		if m := median[p]; peer == 0 || m < peer {
			peer = m
		}
	}
	ratio := func(a, b float64) string {
		if a == 0 {
			return "-"
		}
		return fmt.Sprintf("%.2f", a/b)
	}
	for k, r := range s.runs {
		fmt.Printf("| %s | %s | %.0f %s | %.0f..%.0f | %s | %s |\n", s.name, r.name, median[r.name], s.unit,
			costs[k][0], costs[k][rounds-1], ratio(peer, median[r.name]), ratio(median["floor"], median[r.name]))
	}
}
