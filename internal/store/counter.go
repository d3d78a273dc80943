package store

import (
	"math"

	"github.com/atoll-platform/atoll"
)

// counter is the row of a counter: the last number given out.
type counter struct {
	Key  string // scope, "/", kind
	Last int64
}

var counters = NewTable(Spec[counter]{Name: "counters", Schema: 1, Key: func(c *counter) string { return c.Key }})

// Counters returns the built-in table of counters, for LastIndex and filters.
func Counters() AnyTable { return counters }

// Next returns the next number of a counter, from 1. Numbers are given out
// without gaps to transactions that commit and never again: not after their row
// is deleted, nor after a restore. Kind: Unavailable above 2³¹−1.
func (tx *Tx) Next(scope, kind string) (int64, error) {
	c := counter{Key: scope + "/" + kind}
	if old, ok := counters.Get(tx, c.Key); ok {
		c = *old
	}
	if c.Last >= math.MaxInt32 {
		return 0, atoll.Errorf(atoll.Unavailable, "store.Next", "the numbers of %s have run out", c.Key)
	}
	c.Last++
	if err := counters.Put(tx, &c); err != nil {
		return 0, err
	}
	return c.Last, nil
}

// DropCounters forgets the counters of a scope that will never be used again,
// such as the ID of a deleted tenant.
func (tx *Tx) DropCounters(scope string) error {
	prefix := scope + "/"
	var keys []string
	for c := range counters.From(tx, prefix) {
		if len(c.Key) < len(prefix) || c.Key[:len(prefix)] != prefix {
			break
		}
		keys = append(keys, c.Key)
	}
	for _, k := range keys {
		if _, err := counters.Delete(tx, k); err != nil {
			return err
		}
	}
	return nil
}
