// Package measure takes one measure of several implementations in turn, many
// short times over, and compares them round by round: what else the machine
// does falls on all of them, and the median of the ratios stands when single
// times do not.
package measure

import (
	goruntime "runtime"
	"slices"
	"time"
)

// Ours is the name of the implementation that the others are compared with.
const Ours = "atoll"

// Scenario is a measure that several implementations are put to.
type Scenario struct {
	Name   string
	Unit   string
	N      int // operations of a round
	Rounds int // most that are worth it; 0 as many as asked for
	Impls  []Impl
	Peers  []string // whose best is compared; the others are floors
	Goal   Goal
}

// Impl is one implementation. Run performs n operations and returns what one
// costs, smaller being better; what it needs before and after costs nothing.
type Impl struct {
	Name string
	Run  func(n int) float64
}

// Goal is what a scenario is meant to reach: a ratio of the best peer's cost to
// ours that is at least so, or a cost of ours that is at most so.
type Goal struct {
	Must, Aim float64 // 0 is none
	AtMost    bool    // cost, not ratio
}

// Cost is what one implementation took.
type Cost struct {
	Name             string
	Median, Min, Max float64
}

// Result is what came of a scenario.
type Result struct {
	Name, Unit string
	Costs      []Cost
	Peer       string  // the best; "" if there is none
	Ratio      float64 // of its cost to ours, the median of the rounds
	Low, High  float64 // quartiles of the ratio
	Rounds     int
	Goal       Goal
}

// A scenario that takes longer than this gets fewer rounds, so that all end in
// good time on a machine that is slow or busy.
const (
	patience    = 15 * time.Second
	leastRounds = 3
)

// Measure takes the measure of each implementation once a round, in turns that
// alternate, after a short round that does not count.
func (s Scenario) Measure(rounds int) Result {
	if s.Rounds > 0 {
		rounds = min(rounds, s.Rounds)
	}
	costs := make([][]float64, len(s.Impls))
	for _, m := range s.Impls {
		m.Run(max(s.N/10, 1))
	}
	start := time.Now()
	for r := range rounds {
		if r >= leastRounds && time.Since(start) > patience {
			break
		}
		for k := range s.Impls {
			if r%2 == 1 {
				k = len(s.Impls) - 1 - k
			}
			goruntime.GC()
			costs[k] = append(costs[k], s.Impls[k].Run(s.N))
		}
	}
	return s.result(costs)
}

// MeasureTogether is Measure where one call of round measures all: afterwards
// each Run only tells what it took.
func (s Scenario) MeasureTogether(rounds int, round func() error) (Result, error) {
	costs := make([][]float64, len(s.Impls))
	if s.Rounds > 0 {
		rounds = min(rounds, s.Rounds)
	}
	start := time.Now()
	for r := range rounds {
		if r >= leastRounds && time.Since(start) > patience {
			break
		}
		if err := round(); err != nil {
			return Result{}, err
		}
		for k, m := range s.Impls {
			costs[k] = append(costs[k], m.Run(1))
		}
	}
	return s.result(costs), nil
}

func (s Scenario) result(costs [][]float64) Result {
	res := Result{Name: s.Name, Unit: s.Unit, Rounds: len(costs[0]), Goal: s.Goal}
	var ours, peers []float64
	for k, m := range s.Impls {
		res.Costs = append(res.Costs, Cost{m.Name, quantile(costs[k], 0.5), slices.Min(costs[k]), slices.Max(costs[k])})
		if m.Name == Ours {
			ours = costs[k]
		}
		if slices.Contains(s.Peers, m.Name) && (peers == nil || quantile(costs[k], 0.5) < quantile(peers, 0.5)) {
			res.Peer, peers = m.Name, costs[k]
		}
	}
	if ours != nil && peers != nil {
		ratios := make([]float64, len(ours))
		for r := range ours {
			ratios[r] = peers[r] / ours[r]
		}
		res.Ratio, res.Low, res.High = quantile(ratios, 0.5), quantile(ratios, 0.25), quantile(ratios, 0.75)
	}
	return res
}

// quantile returns the value below which the part q of all lies.
func quantile(all []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[int(q*float64(len(sorted)-1)+0.5)]
}

// Cost returns what the implementation of that name took.
func (r Result) Cost(name string) (Cost, bool) {
	at := slices.IndexFunc(r.Costs, func(c Cost) bool { return c.Name == name })
	if at < 0 {
		return Cost{}, false
	}
	return r.Costs[at], true
}

// Reached tells in a word how the result stands to its goal.
func (r Result) Reached() string {
	value := r.Ratio
	if r.Goal.AtMost {
		c, _ := r.Cost(Ours)
		value = c.Median
	}
	meets := func(goal float64) bool {
		if r.Goal.AtMost {
			return value <= goal
		}
		return value >= goal
	}
	switch {
	case r.Goal == Goal{}:
		return "-"
	case meets(r.Goal.Aim):
		return "reached"
	case r.Goal.Must == 0 || meets(r.Goal.Must):
		return "short of the aim"
	}
	return "NOT REACHED"
}
