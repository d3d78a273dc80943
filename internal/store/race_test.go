package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
)

// TestEverythingAtOnce runs each operation against itself and its siblings.
// The writers keep an invariant that holds in every state: the parents' groups
// add up to zero, and each name is held by one parent.
func TestEverythingAtOnce(t *testing.T) {
	const (
		writers = 4
		rounds  = 100
		rows    = 16
	)
	s := open(t, store.WithHistory(64), store.WithLog(&memoryLog{}))
	ctx, cancel := context.WithCancel(context.Background())
	update(t, s, func(tx *store.Tx) error {
		for i := range rows {
			if err := add(named(fmt.Sprint("p", i), fmt.Sprint("N", i)))(tx); err != nil {
				return err
			}
		}
		return nil
	})
	var write, read sync.WaitGroup
	for w := range writers {
		write.Go(func() {
			for i := range rounds {
				if err := transfer(ctx, s, (w*7+i)%rows, (w*3+i*5+1)%rows, i%10 == 9); err != nil {
					t.Errorf("transfer: %v", err)
				}
			}
		})
	}
	running := func(fn func()) {
		read.Go(func() {
			for ctx.Err() == nil {
				fn()
			}
		})
	}
	for range 2 {
		running(func() { consistent(t, s.View(), rows) })
	}
	running(func() {
		before := s.LastIndex(parents)
		if v := s.View(); v.Index() < before {
			t.Errorf("a view of %d taken after LastIndex %d", v.Index(), before)
		}
	})
	running(func() {
		v := s.Track()
		consistent(t, v, rows)
		if err := v.Changed(ctx); err != nil && atoll.KindOf(err) != atoll.Canceled {
			t.Errorf("Changed: %v", err)
		}
	})
	running(func() {
		if err := s.Snapshot(io.Discard); err != nil {
			t.Errorf("Snapshot: %v", err)
		}
	})
	read.Go(func() {
		stream := s.Watch(ctx, 0, nil)
		var last uint64
		for {
			c, err := stream.Next(ctx)
			if lost, ok := errors.AsType[*store.LostError](err); ok {
				last = lost.Resume
				continue
			}
			if err != nil {
				return
			}
			if c.Index != last+1 {
				t.Errorf("commit %d after %d", c.Index, last)
			}
			last = c.Index
			if s.View().Index() < c.Index {
				t.Errorf("commit %d is told before it is visible", c.Index)
			}
		}
	})
	write.Wait()
	cancel()
	read.Wait()
	consistent(t, s.View(), rows)
	if got := s.LastIndex(); got < writers*rounds/2 {
		t.Errorf("only %d commits", got)
	}
}

// transfer moves one from the group of a parent to another's and swaps their
// names; if abort is set it fails at the end.
func transfer(ctx context.Context, s *store.Store, a, b int, abort bool) error {
	index, err := s.Update(ctx, func(tx *store.Tx) error {
		x, ok1 := parents.Get(tx, fmt.Sprint("p", a))
		y, ok2 := parents.Get(tx, fmt.Sprint("p", b))
		if a == b || !ok1 || !ok2 {
			return nil
		}
		x1, y1 := *x, *y
		x1.Group, y1.Group = x.Group-1, y.Group+1
		x1.Name, y1.Name = y.Name, x.Name
		if err := errors.Join(parents.Put(tx, &x1), parents.Put(tx, &y1)); err != nil {
			return err
		}
		if abort {
			return errAbort
		}
		return nil
	})
	if err == errAbort {
		return nil
	}
	if err != nil {
		return err
	}
	if p, ok := parents.Get(s.View(), fmt.Sprint("p", a)); !ok || s.View().Index() < index {
		return fmt.Errorf("what was written in %d is not visible: %v", index, p)
	}
	return s.Wait(ctx, index)
}

func consistent(t *testing.T, r store.Reader, rows int) {
	t.Helper()
	var sum int64
	for i := range rows {
		p, ok := parents.Get(r, fmt.Sprint("p", i))
		if !ok {
			t.Errorf("p%d is missing at %d", i, r.Index())
			return
		}
		sum += p.Group
		if q, ok := parentByName.Get(r, store.KeyOf(fmt.Sprint("n", i))); !ok || q.Name != fmt.Sprint("N", i) {
			t.Errorf("n%d leads to %v at %d", i, q, r.Index())
		}
		if q, ok := parentByName.Get(r, store.KeyOf(fmt.Sprint("n", p.Name[1:]))); !ok || q != p {
			t.Errorf("%s leads to another row at %d", p.Name, r.Index())
		}
	}
	if sum != 0 || parents.Count(r) != rows {
		t.Errorf("groups add up to %d in %d rows at %d", sum, parents.Count(r), r.Index())
	}
}

// TestRestoreUnderTraffic replaces the state while others read and write.
func TestRestoreUnderTraffic(t *testing.T) {
	s := open(t)
	update(t, s, family)
	snapshot := snapshotOf(t, s)
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for w := range 2 {
		all.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				id := fmt.Sprint("w", w, "-", i)
				if _, err := s.Update(ctx, add(named(id, id))); err != nil && atoll.KindOf(err) != atoll.Canceled {
					t.Errorf("Update: %v", err)
				}
			}
		})
	}
	all.Go(func() {
		var last uint64
		for ctx.Err() == nil {
			v := s.View()
			if v.Index() < last {
				t.Errorf("the index ran back from %d to %d", last, v.Index())
			}
			last = v.Index()
			if _, ok := parents.Get(v, "p1"); !ok {
				t.Error("p1 is missing")
			}
		}
	})
	for range 20 {
		if err := s.Restore(readerOf(snapshot)); err != nil {
			t.Error(err)
		}
	}
	cancel()
	all.Wait()
}
