package fleet

import (
	"math/rand/v2"
	"slices"
)

// Strategy chooses among machines.
type Strategy string

// The strategies of Pick.
const (
	Local       Strategy = "local"             // the machine that was asked
	RoundRobin  Strategy = "round-robin"       // by address, the one after the one used last
	LeastLoaded Strategy = "least-nr-runtimes" // the caller counts runtimes
	LeastActors Strategy = "least-nr-actors"   // the caller counts actors
	LeastBusy   Strategy = "least-busy"        // the caller counts recent messages
	Random      Strategy = "random"
	Predefined  Strategy = "predefined" // the machine that the definition or the settings name
)

// Known reports whether s is a strategy of this package.
func (s Strategy) Known() bool {
	switch s {
	case Local, RoundRobin, LeastLoaded, LeastActors, LeastBusy, Random, Predefined:
		return true
	}
	return false
}

// Pick chooses one of candidates by strategy and returns its index, or -1 if
// there is none. Candidates that are not up or do not accept work are passed
// over. loads[i] is what the least-… strategies compare for candidates[i];
// ties go to the lowest address. last is the address that round-robin used
// last, "" before the first use. Local and Predefined choose nothing here:
// they are answered by the caller, who knows the machine.
func Pick(s Strategy, candidates []Machine, loads []int64, last string, rnd *rand.Rand) int {
	var open []int
	for i := range candidates {
		if candidates[i].Status == Up && candidates[i].Accepts {
			open = append(open, i)
		}
	}
	if len(open) == 0 {
		return -1
	}
	slices.SortFunc(open, func(a, b int) int { return compareAddress(&candidates[a], &candidates[b]) })
	switch s {
	case RoundRobin:
		at := slices.IndexFunc(open, func(i int) bool { return candidates[i].Address() == last })
		return open[(at+1)%len(open)]
	case Random:
		return open[pickRandom(rnd, len(open))]
	case LeastLoaded, LeastActors, LeastBusy:
		best := open[0]
		for _, i := range open[1:] {
			if loads[i] < loads[best] {
				best = i
			}
		}
		return best
	}
	return -1
}

func pickRandom(rnd *rand.Rand, n int) int {
	if rnd == nil {
		return rand.IntN(n)
	}
	return rnd.IntN(n)
}
