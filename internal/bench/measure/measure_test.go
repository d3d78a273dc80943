package measure

import (
	"strings"
	"testing"
)

// costs returns an implementation that answers with these in turn, the first for
// the round that does not count.
func costs(name string, all ...float64) Impl {
	k := -1
	return Impl{name, func(int) float64 { k++; return all[k] }}
}

func TestRatiosAreTakenRoundByRound(t *testing.T) {
	s := Scenario{
		Name: "chain", Unit: "ns", N: 10, Peers: []string{"slow", "quick"}, Goal: Goal{Must: 2, Aim: 4},
		Impls: []Impl{costs("slow", 0, 90, 900, 90), costs("quick", 0, 30, 300, 30), costs(Ours, 0, 10, 100, 10), costs("floor", 0, 1, 1, 1)},
	}
	r := s.Measure(3)
	if r.Peer != "quick" || r.Ratio != 3 || r.Low != 3 || r.High != 3 {
		t.Errorf("ratio %v (%v..%v) to %q, want 3 in each round to the best peer", r.Ratio, r.Low, r.High, r.Peer)
	}
	var b strings.Builder
	Summary(&b, []Result{r})
	if want := "| chain | 10 ns | quick 30 ns | 3 (3..3) | 3 | ≥ 2 | ≥ 4 | short of the aim |\n"; !strings.HasSuffix(b.String(), want) {
		t.Errorf("the table ends\n%s, want\n%s", b.String(), want)
	}
}

func TestReached(t *testing.T) {
	ours := func(v float64) []Cost { return []Cost{{Name: Ours, Median: v}} }
	tests := map[string]struct {
		in   Result
		want string
	}{
		"a ratio at the aim is enough":           {Result{Ratio: 4, Goal: Goal{Must: 2, Aim: 4}}, "reached"},
		"a ratio between the two is short of it": {Result{Ratio: 3, Goal: Goal{Must: 2, Aim: 4}}, "short of the aim"},
		"a ratio below what must be is said so":  {Result{Ratio: 1, Goal: Goal{Must: 2, Aim: 4}}, "NOT REACHED"},
		"a cost is to be small":                  {Result{Costs: ours(180), Goal: Goal{Must: 240, Aim: 180, AtMost: true}}, "reached"},
		"a cost that is too large is said so":    {Result{Costs: ours(241), Goal: Goal{Must: 240, Aim: 180, AtMost: true}}, "NOT REACHED"},
		"what has no goal has reached none":      {Result{Ratio: 1}, "-"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tt.in.Reached(); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}
