package store_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/atoll-platform/atoll/internal/store"
)

// The toy tables: parents with a name that is unique by fold; children that
// refer to a parent in two ways and have a number that is unique under it.

type parent struct {
	store.Meta
	Name   string
	Group  int64 // 0 = in no group
	Labels map[string]string
	Secret store.Sealed
}

type child struct {
	ID       string
	ParentID string // restricts
	OwnerID  string // cascades; "" = none
	Num      int64
	Tags     []string
}

var (
	parents = store.NewTable(store.Spec[parent]{
		Name: "parents", Schema: 1,
		Key: func(p *parent) string { return p.ID },
		FQN: func(_ store.Reader, p *parent) string { return "parent::/toys::" + p.Name },
	})
	parentByName  = store.Unique(parents, "name", func(p *parent) (store.Key, bool) { return store.KeyOf(strings.ToLower(p.Name)), true })
	parentByGroup = store.Index(parents, "group", func(p *parent) (store.Key, bool) {
		return store.KeyOf(p.Group, p.Name), p.Group != 0
	})

	children = store.NewTable(store.Spec[child]{
		Name: "children", Schema: 1,
		Key: func(c *child) string { return c.ID },
		FQN: func(r store.Reader, c *child) string {
			if p, ok := parents.Get(r, c.ParentID); ok {
				return "child::/toys/" + p.Name + "::" + c.ID
			}
			return "child::/toys::" + c.ID
		},
		Public: func(c *child) any { return c.Num },
	})
	childByNum      = store.Unique(children, "num", func(c *child) (store.Key, bool) { return store.KeyOf(c.ParentID, c.Num), c.Num != 0 })
	childrenOf      = store.Reference(children, "ParentID", parents, func(c *child) string { return c.ParentID }, store.Restrict)
	childrenOwnedBy = store.Reference(children, "OwnerID", parents, func(c *child) string { return c.OwnerID }, store.Cascade)
)

func toys() []store.AnyTable { return []store.AnyTable{parents, children} }

// epoch is where the clocks of tests begin.
var epoch = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)

// ticking returns a clock that moves on by a second at each look.
func ticking() func() time.Time {
	var mu sync.Mutex
	now := epoch
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Second)
		return now
	}
}

func open(t testing.TB, opts ...store.Option) *store.Store {
	t.Helper()
	s, err := store.Open(toys(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// update runs fn in a transaction that must succeed.
func update(t testing.TB, s *store.Store, fn func(*store.Tx) error) uint64 {
	t.Helper()
	i, err := s.Update(context.Background(), fn)
	if err != nil {
		t.Fatalf("Update: %v", err)
	}
	return i
}

// add inserts rows of either toy table.
func add(rows ...any) func(*store.Tx) error {
	return func(tx *store.Tx) error {
		for _, r := range rows {
			var err error
			switch r := r.(type) {
			case parent:
				err = parents.Insert(tx, &r)
			case child:
				err = children.Insert(tx, &r)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
}

func named(id, name string) parent { return parent{Meta: store.Meta{ID: id}, Name: name} }

// ids collects the primary keys of parents.
func ids(rows func(func(*parent) bool)) []string {
	var got []string
	for p := range rows {
		got = append(got, p.ID)
	}
	return got
}

func childIDs(rows func(func(*child) bool)) []string {
	var got []string
	for c := range rows {
		got = append(got, c.ID)
	}
	return got
}

// state is everything in a store that readers can see.
type state struct {
	Index    uint64
	Parents  map[string]parent
	Children map[string]child
}

func stateOf(v *store.View) state {
	st := state{Index: v.Index(), Parents: map[string]parent{}, Children: map[string]child{}}
	for p := range parents.All(v) {
		st.Parents[p.ID] = *p
	}
	for c := range children.All(v) {
		st.Children[c.ID] = *c
	}
	return st
}

// memoryLog keeps entries, and fails while err is set.
type memoryLog struct {
	mu      sync.Mutex
	entries []*store.Entry
	err     error
}

func (l *memoryLog) Append(_ context.Context, e *store.Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	l.entries = append(l.entries, e)
	return nil
}

func (l *memoryLog) all() []*store.Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.entries)
}
