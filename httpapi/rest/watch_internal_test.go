package rest

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// TestTheWatchRestsWhenNobodyWaits holds no timer that would keep a program busy.
func TestTheWatchRestsWhenNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := NewServer(Options{})
		if err != nil {
			t.Fatal(err)
		}
		x := s.pool.Get().(*exchange)
		x.s = s
		x.waits(reading, 30*time.Second)
		time.Sleep(10 * time.Second)
		if !s.watch.armed.Load() || !x.waited() {
			t.Error("a wait of ten seconds was not looked after, or was late")
		}
		time.Sleep(2 * time.Second)
		if s.watch.armed.Load() {
			t.Error("it looks though nobody waits")
		}
		at := s.watch.tick.Load()
		time.Sleep(time.Hour)
		if x.waits(writing, 3*time.Second); s.watch.tick.Load() != at {
			t.Error("it looked in between")
		}
		time.Sleep(2900 * time.Millisecond)
		if !x.waited() {
			t.Error("what began after a rest was late too soon")
		}
	})
}

func TestTheWatchForgetsExchangesThatAreGone(t *testing.T) {
	s, err := NewServer(Options{})
	if err != nil {
		t.Fatal(err)
	}
	kept := new(exchange)
	s.watch.add(kept)
	for range 100 {
		for range 1000 {
			s.watch.add(new(exchange))
		}
		runtime.GC()
	}
	s.watch.mu.Lock()
	defer s.watch.mu.Unlock()
	if n := len(s.watch.all); n > 8000 {
		t.Errorf("%d exchanges of 100,000 are remembered", n)
	}
	found := false
	for _, p := range s.watch.all {
		found = found || p.Value() == kept
	}
	if !found {
		t.Error("the one that lives is forgotten")
	}
	runtime.KeepAlive(kept)
}
