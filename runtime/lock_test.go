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
	go func() {
		close(held)
		l.Lock()
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
	l.Unlock()
	<-got
}
