package runtime

// Sum adds the statistics of runtimes up: totals, and counters of equal actor
// and name, which may come from different runtimes. It changes none of them.
func Sum(all ...Stats) Stats {
	sum := NewStats()
	for _, s := range all {
		sum.Add(s)
	}
	return sum
}
