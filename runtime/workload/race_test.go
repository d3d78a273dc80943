//go:build race

package workload

// underRace makes tests of sheer size smaller: they are slow enough.
const underRace = true
