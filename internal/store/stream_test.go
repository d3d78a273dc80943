package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
)

// commit makes commits that each insert one parent.
func commits(t testing.TB, s *store.Store, n int) {
	t.Helper()
	for range n {
		i := s.LastIndex()
		update(t, s, add(named(fmt.Sprint("n", i), fmt.Sprint("N", i))))
	}
}

func TestStreamDeliversInOrder(t *testing.T) {
	s := open(t)
	commits(t, s, 3)
	even := func(c *store.Commit) bool { return c.Index%2 == 0 }
	tests := map[string]struct {
		since  uint64
		filter func(*store.Commit) bool
		want   []uint64
	}{
		"from the beginning":             {0, nil, []uint64{1, 2, 3, 4, 5}},
		"behind a position":              {2, nil, []uint64{3, 4, 5}},
		"what the filter lets pass":      {0, even, []uint64{2, 4}},
		"only what comes":                {3, nil, []uint64{4, 5}},
		"a position that is yet to come": {4, nil, []uint64{5}},
	}
	streams := map[string]*store.Stream{}
	for name, tt := range tests {
		streams[name] = s.Watch(context.Background(), tt.since, tt.filter)
	}
	commits(t, s, 2)
	s.Close()
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []uint64
			for {
				c, err := streams[name].Next(context.Background())
				if err != nil {
					if atoll.KindOf(err) != atoll.Unavailable {
						t.Errorf("at the end: %v", err)
					}
					break
				}
				got = append(got, c.Index)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("commits (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSlowReaderLearnsWhatItLost(t *testing.T) {
	s := open(t, store.WithHistory(4))
	stream := s.Watch(context.Background(), 0, nil)
	commits(t, s, 10)
	_, err := stream.Next(context.Background())
	lost, ok := errors.AsType[*store.LostError](err)
	if !ok || lost.Resume != 6 || stream.Position() != 6 {
		t.Fatalf("Next: %v at %d, want a loss up to 6", err, stream.Position())
	}
	var got []uint64
	for range 4 {
		c, err := stream.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, c.Index)
	}
	if diff := cmp.Diff([]uint64{7, 8, 9, 10}, got); diff != "" {
		t.Errorf("commits after the loss (-want +got):\n%s", diff)
	}
	resumed := s.Watch(context.Background(), lost.Resume, nil)
	if c, err := resumed.Next(context.Background()); err != nil || c.Index != 7 {
		t.Errorf("a stream from Resume: %v %v", c, err)
	}
}

func TestHistoryIsBoundedInChangesToo(t *testing.T) {
	s := open(t, store.WithHistory(2)) // 32 changes
	many := func(prefix string) {
		update(t, s, func(tx *store.Tx) error {
			for i := range 20 {
				if err := add(child{ID: fmt.Sprint(prefix, i)})(tx); err != nil {
					return err
				}
			}
			return nil
		})
	}
	many("a")
	many("b")
	_, err := s.Watch(context.Background(), 0, nil).Next(context.Background())
	if lost, ok := errors.AsType[*store.LostError](err); !ok || lost.Resume != 1 {
		t.Errorf("Next: %v, want a loss up to 1", err)
	}
}

func TestWaitersWake(t *testing.T) {
	ends := map[string]struct {
		end  func(s *store.Store, cancel context.CancelFunc)
		kind atoll.Kind
	}{
		"by the commit":             {func(s *store.Store, _ context.CancelFunc) { commits(t, s, 1) }, 0},
		"by the end of the context": {func(_ *store.Store, cancel context.CancelFunc) { cancel() }, atoll.Canceled},
		"by the deadline":           {func(*store.Store, context.CancelFunc) {}, atoll.Timeout},
		"by the end of the store":   {func(s *store.Store, _ context.CancelFunc) { s.Close() }, atoll.Unavailable},
		"by a restore":              {func(s *store.Store, _ context.CancelFunc) { _ = s.Restore(readerOf(snapshotOf(t, s))) }, 0},
	}
	waits := map[string]func(ctx context.Context, s *store.Store) error{
		"Wait": func(ctx context.Context, s *store.Store) error { return s.Wait(ctx, 2) },
		"Next": func(ctx context.Context, s *store.Store) error {
			_, err := s.Watch(context.Background(), 1, nil).Next(ctx)
			if _, lost := errors.AsType[*store.LostError](err); lost {
				return nil
			}
			return err
		},
		"Changed": func(ctx context.Context, s *store.Store) error {
			v := s.Track()
			parents.Count(v)
			return v.Changed(ctx)
		},
	}
	for wname, wait := range waits {
		for ename, end := range ends {
			t.Run(wname+" wakes "+ename, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := open(t)
					commits(t, s, 1)
					ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
					defer cancel()
					result := make(chan error, 1)
					go func() { result <- wait(ctx, s) }()
					synctest.Wait()
					select {
					case err := <-result:
						t.Fatalf("it did not wait: %v", err)
					default:
					}
					end.end(s, cancel)
					if err := <-result; atoll.KindOf(err) != end.kind {
						t.Errorf("%v, want kind %v", err, end.kind)
					}
				})
			})
		}
	}
}

func TestStreamEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		ctx, cancel := context.WithCancel(context.Background())
		stream := s.Watch(ctx, 0, nil)
		result := make(chan error, 1)
		go func() { _, err := stream.Next(context.Background()); result <- err }()
		synctest.Wait()
		cancel()
		if err := <-result; atoll.KindOf(err) != atoll.Canceled {
			t.Errorf("Next: %v", err)
		}
	})
}

func TestTrackedViewTellsWhatConcernsItsReader(t *testing.T) {
	insert := func(rows ...any) func(*store.Tx) error { return add(rows...) }
	put := func(p parent) func(*store.Tx) error {
		return func(tx *store.Tx) error { return parents.Put(tx, &p) }
	}
	grouped := func(id, name string, group int64) parent {
		p := named(id, name)
		p.Group = group
		return p
	}
	tests := map[string]struct {
		read  func(r store.Reader)
		write func(*store.Tx) error
		want  bool
	}{
		"a row that was read changed":            {func(r store.Reader) { parents.Get(r, "p1") }, put(named("p1", "Anna")), true},
		"another row changed":                    {func(r store.Reader) { parents.Get(r, "p1") }, put(named("p2", "Bobby")), false},
		"a row that was missing came":            {func(r store.Reader) { parents.Get(r, "p3") }, insert(named("p3", "Cid")), true},
		"another table changed":                  {func(r store.Reader) { ids(parents.All(r)) }, insert(child{ID: "c3"}), false},
		"a name that was looked up changed":      {func(r store.Reader) { parentByName.Get(r, store.KeyOf("ann")) }, put(named("p1", "Anna")), true},
		"a name that was free is taken":          {func(r store.Reader) { parentByName.Get(r, store.KeyOf("cid")) }, insert(named("p3", "Cid")), true},
		"another name changed":                   {func(r store.Reader) { parentByName.Get(r, store.KeyOf("ann")) }, put(named("p2", "Bobby")), false},
		"a row came into a part that was listed": {func(r store.Reader) { ids(parentByGroup.All(r, store.KeyOf(1))) }, put(grouped("p1", "Ann", 1)), true},
		"a row came into another part":           {func(r store.Reader) { ids(parentByGroup.All(r, store.KeyOf(1))) }, put(grouped("p1", "Ann", 2)), false},
		"a row came into a range":                {func(r store.Reader) { ids(parentByGroup.RangeDown(r, store.KeyOf(1), store.KeyOf(5))) }, put(grouped("p1", "Ann", 4)), true},
		"a row came behind a range":              {func(r store.Reader) { ids(parentByGroup.Range(r, store.KeyOf(1), store.KeyOf(5))) }, put(grouped("p1", "Ann", 5)), false},
		"the whole table was listed":             {func(r store.Reader) { ids(parents.All(r)) }, put(named("p2", "Bobby")), true},
		"the rows were counted":                  {func(r store.Reader) { parents.Count(r) }, insert(named("p3", "Cid")), true},
		"very much was read": {func(r store.Reader) {
			for i := range 1000 {
				parents.Get(r, fmt.Sprint(i))
			}
		}, put(named("p2", "Bobby")), true},
		"nothing was read": {func(store.Reader) {}, put(named("p2", "Bobby")), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			update(t, s, family)
			v := s.Track()
			tt.read(v)
			update(t, s, tt.write)
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			err := v.Changed(ctx)
			if got := err == nil; got != tt.want {
				t.Errorf("Changed: %v, want told %v", err, tt.want)
			}
		})
	}
}

func TestTrackedViewIsToldWhenItCannotKnow(t *testing.T) {
	s := open(t, store.WithHistory(1))
	v := s.Track()
	parents.Get(v, "p1")
	update(t, s, add(child{ID: "c1"}))
	update(t, s, add(child{ID: "c2"}))
	if err := v.Changed(context.Background()); err != nil {
		t.Errorf("Changed: %v", err)
	}
}

func TestLastIndexIsOfTheTablesAskedFor(t *testing.T) {
	s := open(t)
	update(t, s, add(named("p1", "Ann")))
	update(t, s, add(child{ID: "c1"}))
	update(t, s, func(tx *store.Tx) error { _, err := tx.Next("", "user"); return err })
	got := []uint64{s.LastIndex(parents), s.LastIndex(children), s.LastIndex(parents, children), s.LastIndex(store.Counters()), s.LastIndex()}
	if diff := cmp.Diff([]uint64{1, 2, 2, 3, 3}, got); diff != "" {
		t.Errorf("indexes (-want +got):\n%s", diff)
	}
}

func TestAStreamOfChoiceSleepsThroughTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, store.WithHistory(4))
		asked := 0
		stream := s.WatchFor(context.Background(), 0, func(c *store.Commit) bool {
			asked++
			return c.Index%100 == 0
		})
		var got []uint64
		var all sync.WaitGroup
		all.Go(func() {
			for {
				c, err := stream.Next(context.Background())
				if err != nil {
					if atoll.KindOf(err) != atoll.Unavailable {
						t.Errorf("at the end: %v", err)
					}
					return
				}
				got = append(got, c.Index)
			}
		})
		synctest.Wait()
		for range 250 { // far more than the store keeps, and nothing is lost
			commits(t, s, 1)
			if s.LastIndex()%100 == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		s.Close()
		all.Wait()
		if diff := cmp.Diff([]uint64{100, 200}, got); diff != "" {
			t.Errorf("commits (-want +got):\n%s", diff)
		}
		if asked != 252 || stream.Position() != 250 { // the chosen ones are asked about again
			t.Errorf("asked %d times, at %d", asked, stream.Position())
		}
	})
}

func TestAStreamOfChoiceLosesAndEndsAsOthersDo(t *testing.T) {
	s := open(t, store.WithHistory(4))
	commits(t, s, 10)
	stream := s.WatchFor(context.Background(), 0, func(*store.Commit) bool { return true })
	if _, err := stream.Next(context.Background()); err == nil || stream.Position() != 6 {
		t.Errorf("at %d: %v", stream.Position(), err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ahead := s.WatchFor(context.Background(), 12, func(*store.Commit) bool { return true })
	go func() {
		commits(t, s, 3)
		cancel()
	}()
	if c, err := ahead.Next(context.Background()); err != nil || c.Index != 13 {
		t.Errorf("behind a position that is yet to come: %v, %v", c, err)
	}
	if _, err := ahead.Next(ctx); atoll.KindOf(err) != atoll.Canceled {
		t.Errorf("cancelled: %v", err)
	}
}
