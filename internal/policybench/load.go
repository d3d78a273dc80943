package main

import (
	"fmt"
	goruntime "runtime"
	"strings"
	"syscall"
	"time"
)

// loading is what reading one world costs one engine, one value for each round.
type loading struct{ wall, cpu, bytes []float64 }

// loads measures how long the engines take to read their texts, and what they
// hold then.
func (b *bench) loads() error {
	fmt.Print("\n## Loading text\n\n| scenario | engine | time | CPU | bytes a rule | time / casbin | CPU / casbin | bytes / casbin |\n|---|---|---:|---:|---:|---:|---:|---:|\n")
	for _, w := range []*world{worldB(10_000), worldC(10_000), worldB(100_000), worldC(100_000)} {
		rounds := min(b.rounds, 5)
		var names []string
		var texts [][]string
		var each []engine
		for _, e := range engines() {
			if !leftOut(e.name, "load") {
				each, names, texts = append(each, e), append(names, e.name), append(texts, e.text(w))
			}
		}
		cost := map[string]*loading{}
		for _, n := range names {
			cost[n] = &loading{}
		}
		for round := range rounds {
			for k := range each {
				k = (k + round) % len(each)
				if each[k].name == "cedar-entity" && len(w.grants) > 50_000 && round >= 2 {
					continue // seconds each
				}
				if err := cost[names[k]].measure(&each[k], texts[k], len(w.grants)); err != nil {
					return fmt.Errorf("%s, %s: %w", w.name, names[k], err)
				}
			}
		}
		for _, n := range names {
			c, peer := cost[n], cost["casbin"]
			fmt.Printf("| %s | %s | %.0f ms | %.0f ms | %.0f | %.2f x | %.2f x | %.2f x |\n", w.name, n, median(c.wall), median(c.cpu), median(c.bytes),
				ratio(c.wall, peer.wall), ratio(c.cpu, peer.cpu), ratio(c.bytes, peer.bytes))
		}
	}
	return nil
}

// measure loads the text once. The text is copied first, so that what an
// engine keeps of it counts as its memory.
func (l *loading) measure(e *engine, texts []string, rules int) error {
	before := heap()
	fresh := make([]string, len(texts))
	for i := range texts {
		fresh[i] = strings.Clone(texts[i])
	}
	goruntime.GC()
	start, cpu := time.Now(), cpuTime()
	set, err := e.load(fresh)
	if err != nil {
		return err
	}
	l.wall = append(l.wall, float64(time.Since(start))/1e6)
	l.cpu = append(l.cpu, float64(cpuTime()-cpu)/1e6)
	clear(fresh)
	l.bytes = append(l.bytes, (heap()-before)/float64(rules))
	goruntime.KeepAlive(set)
	return nil
}

// heap is what is in use once all garbage is gone.
func heap() float64 {
	var m goruntime.MemStats
	for range 3 { // weak references and pools take more than one
		goruntime.GC()
	}
	goruntime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// cpuTime is what the process has used of all processors.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
