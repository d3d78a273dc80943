package rest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestCallContext(t *testing.T) {
	type key struct{}
	parent, leave := context.WithCancel(context.WithValue(context.Background(), key{}, "kept"))
	defer leave()
	fresh := func(d time.Duration) *callContext {
		c := &callContext{parent: parent, id: "id-1"}
		if d > 0 {
			c.deadline = time.Now().Add(d)
		}
		return c
	}
	t.Run("values come through, before and after it is waited on", func(t *testing.T) {
		c := fresh(time.Second)
		for range 2 {
			if c.Value(key{}) != "kept" || RequestID(c) != "id-1" {
				t.Errorf("got %v, %q", c.Value(key{}), RequestID(c))
			}
			c.Done()
		}
		c.end()
	})
	synctest.Test(t, func(t *testing.T) {
		c := &callContext{parent: context.Background(), deadline: time.Now().Add(time.Second)}
		if d, ok := c.Deadline(); !ok || time.Until(d) != time.Second || c.Err() != nil {
			t.Errorf("deadline %v %v, error %v", d, ok, c.Err())
		}
		time.Sleep(2 * time.Second)
		if !errors.Is(c.Err(), context.DeadlineExceeded) {
			t.Errorf("without waiting: %v", c.Err())
		}
		<-c.Done()
		if !errors.Is(c.Err(), context.DeadlineExceeded) {
			t.Errorf("after waiting: %v", c.Err())
		}
		c.end()
	})
	synctest.Test(t, func(t *testing.T) {
		c := &callContext{parent: context.Background(), deadline: time.Now().Add(time.Second)}
		child, cancel := context.WithCancel(c)
		defer cancel()
		start := time.Now()
		<-child.Done()
		if time.Since(start) != time.Second {
			t.Errorf("a child ends after %v", time.Since(start))
		}
		c.end()
	})
	t.Run("it ends with the call, however late it is waited on", func(t *testing.T) {
		c := fresh(0)
		c.end()
		if !errors.Is(c.Err(), context.Canceled) {
			t.Errorf("got %v", c.Err())
		}
		<-c.Done()
		d := fresh(time.Hour)
		done := d.Done()
		d.end()
		<-done
	})
	t.Run("it ends with its parent", func(t *testing.T) {
		p, cancel := context.WithCancel(context.Background())
		c := &callContext{parent: p}
		cancel()
		if !errors.Is(c.Err(), context.Canceled) {
			t.Errorf("got %v", c.Err())
		}
		<-c.Done()
		c.end()
	})
	t.Run("the earlier deadline counts", func(t *testing.T) {
		p, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		c := &callContext{parent: p, deadline: time.Now().Add(time.Hour)}
		if d, ok := c.Deadline(); !ok || time.Until(d) > time.Minute {
			t.Errorf("got %v %v", d, ok)
		}
	})
}

func TestTheThrottleIsBounded(t *testing.T) {
	var l throttle
	now := time.Now()
	for i := range 3 * maxKept {
		l.failed(string(rune(i)), now)
	}
	if len(l.at) > maxKept {
		t.Errorf("it keeps %d names", len(l.at))
	}
	var b buckets
	for i := range 3 * maxKept {
		b.take(string(rune(i)), now, 1, 1)
	}
	if len(b.at) > maxKept {
		t.Errorf("it keeps %d buckets", len(b.at))
	}
	if _, ok := b.take("late", now.Add(time.Hour), 1, 1); !ok || len(b.at) > 10 {
		t.Errorf("full buckets are kept: %d", len(b.at))
	}
}
