package store_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/internal/store/storetest"
)

func TestRowsSurvive(t *testing.T) { storetest.RoundTrip(t, append(toys(), store.Counters())...) }

func TestOpenTellsAllThatIsWrong(t *testing.T) {
	type bad struct {
		F func()
		C chan int
	}
	odd := store.NewTable(store.Spec[bad]{Name: "odd", Schema: 1, Key: func(*bad) string { return "" }})
	twin := store.NewTable(store.Spec[child]{Name: "children", Schema: 1, Key: func(c *child) string { return c.ID }})
	_, err := store.Open([]store.AnyTable{odd, children, twin})
	e, ok := errors.AsType[*atoll.Error](err)
	if !ok || e.Kind != atoll.Invalid {
		t.Fatalf("Open: %v", err)
	}
	var got []string
	for _, f := range e.Findings {
		got = append(got, f.Code+" "+f.Path)
	}
	want := []string{"plain odd/F", "plain odd/C", "duplicate children", "reference children", "reference children"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

func TestDefectsOfTablesPanic(t *testing.T) {
	key := func(c *child) (store.Key, bool) { return store.KeyOf(c.ID), true }
	fresh := func() *store.Table[child] {
		return store.NewTable(store.Spec[child]{Name: "fresh", Schema: 1, Key: func(c *child) string { return c.ID }})
	}
	tests := map[string]func(){
		"a table without a key":            func() { store.NewTable(store.Spec[child]{Name: "x", Schema: 1}) },
		"a table without a name":           func() { store.NewTable(store.Spec[child]{Schema: 1, Key: func(*child) string { return "" }}) },
		"a table without a layout version": func() { store.NewTable(store.Spec[child]{Name: "x", Key: func(*child) string { return "" }}) },
		"a later layout without an upgrade": func() {
			store.NewTable(store.Spec[child]{Name: "x", Schema: 2, Key: func(*child) string { return "" }})
		},
		"two indexes of a name":               func() { f := fresh(); store.Index(f, "a", key); store.Unique(f, "a", key) },
		"an index named as the primary one":   func() { store.Index(fresh(), "id", key) },
		"an index of a table that was opened": func() { open(t); store.Index(children, "late", key) },
		"reading a table of another store":    func() { fresh().Get(open(t).View(), "x") },
	}
	for name, fn := range tests {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("it does not panic")
				}
			}()
			fn()
		})
	}
}
