package runtime

import (
	goruntime "runtime"
	"sync"
	"testing"
)

func TestLockLetsOneIn(t *testing.T) {
	var l lock
	n := 0
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 10_000 {
				l.Lock()
				n++
				l.Unlock()
			}
		})
	}
	wg.Wait()
	if n != 160_000 {
		t.Errorf("%d of 160,000 were counted", n)
	}
}

// TestLockSleeps holds the lock for much longer than anybody looks for it.
func TestLockSleeps(t *testing.T) {
	var l lock
	l.Lock()
	held, got := make(chan struct{}), make(chan struct{})
	n := 0
	go func() {
		close(held)
		l.Lock()
		n++
		l.Unlock()
		close(got)
	}()
	<-held
	for range 100 {
		select {
		case <-got:
			t.Fatal("two have the lock")
		default:
			goruntime.Gosched()
		}
	}
	n++
	l.Unlock()
	if <-got; n != 2 {
		t.Errorf("%d of 2 were counted", n)
	}
}
