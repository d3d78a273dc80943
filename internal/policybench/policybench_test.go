package main

import "testing"

// TestEnginesAgree asks every engine the questions of random worlds and of
// small versions of those that are measured: the ratios mean something only
// if all engines answer alike.
func TestEnginesAgree(t *testing.T) {
	worlds := []*world{worldA(), worldB(300), worldC(300), worldCT(), worldLayers()}
	for seed := range uint64(40) {
		worlds = append(worlds, worldRandom(seed))
	}
	allowed, denied := 0, 0
	for _, w := range worlds {
		for _, e := range engines() {
			l, err := e.load(e.text(w))
			if err != nil {
				t.Fatalf("%s, %s: %v", w.name, e.name, err)
			}
			ask := l.asker(w)
			for i, q := range w.questions {
				if len(w.questions) > 1000 && i%41 != 0 {
					continue // the slow engines
				}
				if got := ask(i); got != q.want {
					t.Fatalf("%s, %s: %v on %s for %v: got %t, want %t", w.name, e.name, q.action, q.namespace, w.users[q.user].ids, got, q.want)
				}
				if q.want {
					allowed++
				} else {
					denied++
				}
			}
		}
	}
	if allowed < 4000 || denied < 4000 {
		t.Errorf("%d allowed and %d denied questions: too one-sided to compare", allowed, denied)
	}
}
