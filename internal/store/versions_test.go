package store_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/atoll-platform/atoll/internal/store"
)

// aged is a row whose keys change less often than the rest of it.
type aged struct {
	ID    string
	Name  string
	Group int
	N     int
}

var (
	ageds      = store.NewTable(store.Spec[aged]{Name: "aged", Schema: 1, Key: func(r *aged) string { return r.ID }})
	agedName   = store.Unique(ageds, "name", func(r *aged) (store.Key, bool) { return store.KeyOf(r.Name), r.Name != "" })
	agedGroups = store.Index(ageds, "group", func(r *aged) (store.Key, bool) { return store.KeyOf(r.Group), r.Group > 0 })
)

// sameAged compares all that can be read of a state with the rows that it has.
func sameAged(r store.Reader, want map[string]aged) string {
	var rows []aged
	for _, id := range slices.Sorted(maps.Keys(want)) {
		rows = append(rows, want[id])
	}
	var all []aged
	for row := range ageds.All(r) {
		all = append(all, *row)
	}
	if diff := gocmp.Diff(rows, all); diff != "" {
		return "all rows (-want +got):\n" + diff
	}
	for k := range 6 {
		id, name := fmt.Sprint("r", k), fmt.Sprint("n", k)
		w, ok := want[id]
		if got, found := ageds.Get(r, id); found != ok || found && *got != w {
			return fmt.Sprintf("row %s: %+v, %v", id, got, found)
		}
		var named []aged
		for _, row := range rows {
			if row.Name == name {
				named = append(named, row)
			}
		}
		if got, found := agedName.Get(r, store.KeyOf(name)); found != (len(named) > 0) || found && *got != named[0] {
			return fmt.Sprintf("name %s: %+v, %v", name, got, found)
		}
		var in, group []aged
		for _, row := range rows {
			if row.Group == k+1 {
				in = append(in, row)
			}
		}
		for row := range agedGroups.All(r, store.KeyOf(k+1)) {
			group = append(group, *row)
		}
		if diff := gocmp.Diff(in, group); diff != "" {
			return fmt.Sprintf("group %d (-want +got):\n%s", k+1, diff)
		}
	}
	return ""
}

// TestEveryViewKeepsItsState changes rows with and without their keys, in
// transactions that read what they wrote and sometimes fail, and reads through
// views of every age. The lag is so short that most of them are behind it.
func TestEveryViewKeepsItsState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, err := store.Open([]store.AnyTable{ageds}, store.WithLag(rapid.IntRange(0, 6).Draw(t, "lag")))
		if err != nil {
			t.Fatal(err)
		}
		type old struct {
			view *store.View
			rows map[string]aged
		}
		views := []old{{s.View(), map[string]aged{}}}
		rows := map[string]aged{}
		for range rapid.IntRange(1, 30).Draw(t, "transactions") {
			next := maps.Clone(rows)
			fails := rapid.IntRange(0, 9).Draw(t, "fails") == 0
			_, err := s.Update(context.Background(), func(tx *store.Tx) error {
				for range rapid.IntRange(1, 5).Draw(t, "writes") {
					id := fmt.Sprint("r", rapid.IntRange(0, 5).Draw(t, "row"))
					row := next[id]
					row.ID = id
					switch rapid.IntRange(0, 9).Draw(t, "kind") {
					case 0:
						if _, err := ageds.Delete(tx, id); err != nil {
							return err
						}
						delete(next, id)
						continue
					case 1:
						row.Group = rapid.IntRange(0, 6).Draw(t, "group")
					case 2:
						row.Name = fmt.Sprint("n", rapid.IntRange(0, 5).Draw(t, "name"))
						for other, o := range next {
							if other != id && o.Name == row.Name {
								row.Name = ""
							}
						}
					case 3:
						if diff := sameAged(tx, next); diff != "" {
							t.Fatalf("inside: %s", diff)
						}
						continue
					default:
						row.N = rapid.IntRange(0, 3).Draw(t, "n")
					}
					if err := ageds.Put(tx, &row); err != nil {
						return err
					}
					next[id] = row
				}
				if fails {
					return errors.New("no")
				}
				return nil
			})
			if (err != nil) != fails {
				t.Fatal(err)
			}
			if !fails {
				rows = next
			}
			views = append(views, old{s.View(), rows})
			for _, v := range []old{views[len(views)-1], views[rapid.IntRange(0, len(views)-1).Draw(t, "view")]} {
				if diff := sameAged(v.view, v.rows); diff != "" {
					t.Fatalf("view of %d at %d: %s", v.view.Index(), s.LastIndex(), diff)
				}
			}
		}
		for _, v := range views {
			if diff := sameAged(v.view, v.rows); diff != "" {
				t.Fatalf("view of %d in the end: %s", v.view.Index(), diff)
			}
		}
	})
}

// TestOldViewsAreReadWhileRowsChange scans views of a sum that no transaction changes.
func TestOldViewsAreReadWhileRowsChange(t *testing.T) {
	s, err := store.Open([]store.AnyTable{ageds}, store.WithLag(8))
	if err != nil {
		t.Fatal(err)
	}
	put := func(change func(k int) int, rows ...int) {
		if _, err := s.Update(context.Background(), func(tx *store.Tx) error {
			for _, k := range rows {
				row := aged{ID: fmt.Sprint("r", k), Group: 1}
				if old, ok := ageds.Get(tx, row.ID); ok {
					row = *old
				}
				row.N += change(k)
				if err := ageds.Put(tx, &row); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	put(func(int) int { return 10 }, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				v := s.View()
				for range 20 {
					sum := 0
					for row := range agedGroups.All(v, store.KeyOf(1)) {
						sum += row.N
					}
					for k := range 10 {
						row, _ := ageds.Get(v, fmt.Sprint("r", k))
						sum += row.N
					}
					if sum != 200 {
						t.Errorf("the view of %d has the sum %d", v.Index(), sum)
						return
					}
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := range 3000 {
		from, to := i%10, (i*7+3)%10 // never the same
		put(func(k int) int {
			if k == from {
				return -1
			}
			return 1
		}, from, to)
	}
	close(done)
	readers.Wait()
}

func TestTheLagIsBounded(t *testing.T) {
	s, err := store.Open([]store.AnyTable{ageds}, store.WithLag(100))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5000 {
		if _, err := s.Update(context.Background(), func(tx *store.Tx) error {
			return ageds.Put(tx, &aged{ID: fmt.Sprint("r", i%50), N: i})
		}); err != nil {
			t.Fatal(err)
		}
		if n := s.Lag(); n > 101 {
			t.Fatalf("%d versions lag after %d commits", n, i)
		}
	}
}
