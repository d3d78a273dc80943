package workload

// Busy reports whether something is still to be looked at.
func (s *Service) Busy() bool {
	for _, sh := range s.sup.shards {
		sh.mu.Lock()
		busy := len(sh.queued) > 0 || sh.busy || sh.led
		sh.mu.Unlock()
		if busy {
			return true
		}
	}
	return false
}

// Timers counts the workloads that wait for a time.
func (s *Service) Timers() int {
	s.sup.timers.mu.Lock()
	defer s.sup.timers.mu.Unlock()
	return len(s.sup.timers.due)
}

// Runners counts the runs.
func (s *Service) Runners() (n int) {
	for _, sh := range s.sup.shards {
		n += len(sh.all(""))
	}
	return n
}

// Sized returns n, or less under the race detector.
func Sized(n int) int {
	if underRace {
		return max(1, n/5)
	}
	return n
}
