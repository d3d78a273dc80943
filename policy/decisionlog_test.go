package policy_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/policy"
)

// TestAFullDecisionLogDropsAndCounts decides while nobody reads the log, from
// many goroutines: every decision is made, what fits is kept in order of
// arrival, and the rest is counted.
func TestAFullDecisionLogDropsAndCounts(t *testing.T) {
	o := newOffice(t)
	o.put(t, t.Context(), policy.DocumentWrite{Name: "dev", Text: neoStarts})
	log := policy.NewDecisionLog(10)
	o.lang.Log(log.Offer)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 250 {
				if !o.guard.Allowed(as(person("neo")), startDev) {
					t.Error("refused")
				}
			}
		})
	}
	all.Wait()
	if n := log.Dropped(); n != 990 {
		t.Errorf("%d dropped, want 990", n)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	written := 0
	log.Run(ctx, func(l policy.Logged) {
		if written++; !l.Allowed || l.Principal != "neo" {
			t.Errorf("logged %+v", l)
		}
	})
	if written != 10 {
		t.Errorf("%d written after the end, want the 10 that waited", written)
	}
}

func TestADecisionLogWritesInOrder(t *testing.T) {
	log := policy.NewDecisionLog(0) // room for one
	ctx, stop := context.WithCancel(t.Context())
	got := make(chan string)
	done := make(chan struct{})
	go func() {
		defer close(done)
		log.Run(ctx, func(l policy.Logged) { got <- l.Principal })
	}()
	var names, want []string
	for i := range 5 {
		name := fmt.Sprint("p", i)
		want = append(want, name)
		log.Offer(policy.Logged{Principal: name})
		names = append(names, <-got)
	}
	stop()
	<-done
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
}
