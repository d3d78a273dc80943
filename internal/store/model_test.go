package store_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
)

// model is the toy tables as plain maps, changed by the rules of the contract.
type model struct {
	parents  map[string]parent
	children map[string]child
}

func (m model) clone() model {
	return model{maps.Clone(m.parents), maps.Clone(m.children)}
}

func sameParent(a, b parent) bool {
	a.Meta, b.Meta = store.Meta{ID: a.ID}, store.Meta{ID: b.ID}
	return gocmp.Equal(a, b)
}

// putParent puts p and reports whether an insert found the key taken.
func (m model) putParent(committed model, p parent, insert bool, now time.Time) (taken bool) {
	old, exists := m.parents[p.ID]
	if insert && exists {
		return true
	}
	if exists && sameParent(old, p) {
		return false
	}
	p.Version, p.CreatedAt, p.CreatedBy, p.UpdatedAt, p.UpdatedBy = 1, now, "neo", now, "neo"
	if exists {
		p.CreatedAt, p.CreatedBy = old.CreatedAt, old.CreatedBy
	}
	if c, ok := committed.parents[p.ID]; ok {
		p.Version = c.Version + 1
	}
	m.parents[p.ID] = p
	return false
}

func (m model) putChild(c child, insert bool) (taken bool) {
	if _, exists := m.children[c.ID]; insert && exists {
		return true
	}
	m.children[c.ID] = c
	return false
}

func (m model) deleteParent(id string) bool {
	if _, ok := m.parents[id]; !ok {
		return false
	}
	delete(m.parents, id)
	maps.DeleteFunc(m.children, func(_ string, c child) bool { return c.OwnerID == id })
	return true
}

// settle drops what changed there and back.
func (m model) settle(committed model) {
	for id, p := range m.parents {
		if old, ok := committed.parents[id]; ok && sameParent(old, p) {
			m.parents[id] = old
		}
	}
}

func (m model) duplicates() bool {
	names, nums := map[string]bool{}, map[string]bool{}
	for _, p := range m.parents {
		if names[strings.ToLower(p.Name)] {
			return true
		}
		names[strings.ToLower(p.Name)] = true
	}
	for _, c := range m.children {
		k := fmt.Sprint(c.ParentID, " ", c.Num)
		if c.Num != 0 && nums[k] {
			return true
		}
		nums[k] = true
	}
	return false
}

func (m model) dangling() bool {
	for _, c := range m.children {
		_, p := m.parents[c.ParentID]
		_, o := m.parents[c.OwnerID]
		if c.ParentID != "" && !p || c.OwnerID != "" && !o {
			return true
		}
	}
	return false
}

// change is a store.Change with rows as values.
type change struct {
	Table, Key    string
	Op            store.Op
	Before, After any
}

func diffOf[T any](table string, before, after map[string]T) (changes []change) {
	for k, b := range before {
		if a, ok := after[k]; !ok {
			changes = append(changes, change{table, k, store.Deleted, b, nil})
		} else if !gocmp.Equal(a, b) {
			changes = append(changes, change{table, k, store.Updated, b, a})
		}
	}
	for k, a := range after {
		if _, ok := before[k]; !ok {
			changes = append(changes, change{table, k, store.Created, nil, a})
		}
	}
	return changes
}

func (m model) diff(before model) []change {
	changes := append(diffOf("parents", before.parents, m.parents), diffOf("children", before.children, m.children)...)
	sortChanges(changes)
	return changes
}

func sortChanges(changes []change) {
	slices.SortFunc(changes, func(a, b change) int {
		return cmp.Or(strings.Compare(a.Table, b.Table), strings.Compare(a.Key, b.Key))
	})
}

func changesOf(c *store.Commit) []change {
	value := func(row any) any {
		switch r := row.(type) {
		case *parent:
			return *r
		case *child:
			return *r
		}
		return nil
	}
	var changes []change
	for _, ch := range c.Changes {
		changes = append(changes, change{ch.Table, ch.Key, ch.Op, value(ch.Before), value(ch.After)})
	}
	sortChanges(changes)
	return changes
}

// verify compares all reads of r with the model.
func (m model) verify(t *rapid.T, r store.Reader) {
	t.Helper()
	var got model
	got.parents, got.children = map[string]parent{}, map[string]child{}
	for p := range parents.All(r) {
		got.parents[p.ID] = *p
	}
	for c := range children.All(r) {
		got.children[c.ID] = *c
	}
	equal(t, "parents", m.parents, got.parents)
	equal(t, "children", m.children, got.children)
	equal(t, "count of parents", len(m.parents), parents.Count(r))
	equal(t, "count of children", len(m.children), children.Count(r))
	for _, id := range allIDs {
		want, ok := m.parents[id]
		p, found := parents.Get(r, id)
		if ok != found || ok && !gocmp.Equal(want, *p) {
			t.Fatalf("Get(%s) = %v %v, want %v %v", id, p, found, want, ok)
		}
		var of, owned []string
		for _, c := range m.children {
			if c.ParentID == id {
				of = append(of, c.ID)
			}
			if c.OwnerID == id {
				owned = append(owned, c.ID)
			}
			if got, found := childByNum.Get(r, store.KeyOf(c.ParentID, c.Num)); c.Num != 0 && (!found || got.ParentID != c.ParentID || got.Num != c.Num) {
				t.Fatalf("child %d of %s: %v %v", c.Num, c.ParentID, got, found)
			}
		}
		slices.Sort(of)
		slices.Sort(owned)
		equal(t, "children of "+id, of, childIDs(childrenOf.All(r, store.KeyOf(id))))
		equal(t, "children owned by "+id, owned, childIDs(childrenOwnedBy.All(r, store.KeyOf(id))))
	}
	for _, name := range allNames {
		holders := map[string]bool{}
		for _, p := range m.parents {
			if strings.EqualFold(p.Name, name) {
				holders[p.ID] = true
			}
		}
		p, found := parentByName.Get(r, store.KeyOf(strings.ToLower(name)))
		if found != (len(holders) > 0) || found && !holders[p.ID] {
			t.Fatalf("by name %s: %v %v, want one of %v", name, p, found, holders)
		}
	}
	byGroup := slices.SortedFunc(maps.Values(m.parents), func(a, b parent) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
	})
	byGroup = slices.DeleteFunc(byGroup, func(p parent) bool { return p.Group == 0 })
	within := func(low, high int64) (want []string) {
		for _, p := range byGroup {
			if p.Group >= low && p.Group < high {
				want = append(want, p.ID)
			}
		}
		return want
	}
	for _, g := range allGroups {
		want := within(g, g+1)
		equal(t, "group", want, ids(parentByGroup.All(r, store.KeyOf(g))))
		slices.Reverse(want)
		equal(t, "group, down", want, ids(parentByGroup.Descend(r, store.KeyOf(g))))
		for _, high := range allGroups {
			want := within(g, high)
			equal(t, "range", want, ids(parentByGroup.Range(r, store.KeyOf(g), store.KeyOf(high))))
			slices.Reverse(want)
			equal(t, "range, down", want, ids(parentByGroup.RangeDown(r, store.KeyOf(g), store.KeyOf(high))))
		}
		want = within(g, 1<<40)
		equal(t, "open range", want, ids(parentByGroup.Range(r, store.KeyOf(g), store.Key{})))
		slices.Reverse(want)
		equal(t, "open range, down", want, ids(parentByGroup.RangeDown(r, store.KeyOf(g), store.Key{})))
	}
}

func equal(t *rapid.T, what string, want, got any) {
	t.Helper()
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

var (
	allIDs    = []string{"a", "b", "c", "ab", "a\x00", "é"}
	allNames  = []string{"x", "X", "y", "xy", "x\x00", "z", "ä", "Ä", "w"}
	allGroups = []int64{-300, -1, 1, 2, 256, 257}
)

var errAbort = errors.New("aborted by the test")

// drawName draws a name that is mostly free, and the own one often enough.
func drawName(t *rapid.T, m model, id string) string {
	names := allNames
	if rapid.IntRange(0, 9).Draw(t, "any name") > 0 {
		names = slices.DeleteFunc(slices.Clone(allNames), func(name string) bool {
			for _, p := range m.parents {
				if p.ID != id && strings.EqualFold(p.Name, name) {
					return true
				}
			}
			return false
		})
	}
	return rapid.SampledFrom(names).Draw(t, "name")
}

// drawTarget draws a key that mostly is one of a parent, or none.
func drawTarget(t *rapid.T, m model) string {
	targets := append(slices.Sorted(maps.Keys(m.parents)), "", "")
	if rapid.IntRange(0, 19).Draw(t, "any target") == 0 {
		targets = allIDs
	}
	return rapid.SampledFrom(targets).Draw(t, "target")
}

// step does one random thing in a transaction and to the model.
func step(t *rapid.T, tx *store.Tx, m, committed model) {
	id := rapid.SampledFrom(allIDs).Draw(t, "id")
	switch rapid.IntRange(0, 6).Draw(t, "op") {
	case 0, 1, 2:
		insert := rapid.Bool().Draw(t, "insert")
		p := parent{
			Meta:  store.Meta{ID: id},
			Name:  drawName(t, m, id),
			Group: rapid.SampledFrom(append(allGroups, 0)).Draw(t, "group"),
		}
		if rapid.Bool().Draw(t, "labels") {
			p.Labels = map[string]string{"k": p.Name}
		}
		taken := m.putParent(committed, p, insert, tx.Now())
		put := parents.Put
		if insert {
			put = parents.Insert
		}
		expectTaken(t, put(tx, &p), taken)
	case 3, 4:
		insert := rapid.Bool().Draw(t, "insert")
		c := child{
			ID:       id,
			ParentID: drawTarget(t, m),
			OwnerID:  drawTarget(t, m),
			Num:      rapid.Int64Range(0, 9).Draw(t, "num"),
		}
		taken := m.putChild(c, insert)
		put := children.Put
		if insert {
			put = children.Insert
		}
		expectTaken(t, put(tx, &c), taken)
	case 5:
		got, err := parents.Delete(tx, id)
		if want := m.deleteParent(id); err != nil || got != want {
			t.Fatalf("Delete parent %s: %v %v, want %v", id, got, err, want)
		}
	case 6:
		_, want := m.children[id]
		delete(m.children, id)
		if got, err := children.Delete(tx, id); err != nil || got != want {
			t.Fatalf("Delete child %s: %v %v, want %v", id, got, err, want)
		}
	}
	if rapid.IntRange(0, 3).Draw(t, "look") == 0 {
		m.verify(t, tx)
	}
}

func expectTaken(t *rapid.T, err error, taken bool) {
	t.Helper()
	if taken != (atoll.CodeOf(err) == atoll.Exists) || !taken && err != nil {
		t.Fatalf("put: %v, taken %v", err, taken)
	}
}

func TestStoreBehavesAsItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := &memoryLog{}
		clock := ticking()
		s, err := store.Open(toys(), store.WithClock(clock), store.WithLog(log), store.WithActor(func(context.Context) string { return "neo" }))
		if err != nil {
			t.Fatal(err)
		}
		stream := s.Watch(context.Background(), 0, nil)
		now := model{map[string]parent{}, map[string]child{}}
		var index uint64
		type old struct {
			view *store.View
			m    model
		}
		var olds []old
		for range rapid.IntRange(1, 12).Draw(t, "transactions") {
			next := now.clone()
			abort := rapid.IntRange(0, 5).Draw(t, "abort") == 0
			failing := rapid.IntRange(0, 7).Draw(t, "log fails") == 0
			log.err = nil
			if failing {
				log.err = errAbort
			}
			got, err := s.Update(context.Background(), func(tx *store.Tx) error {
				for range rapid.IntRange(0, 8).Draw(t, "steps") {
					step(t, tx, next, now)
				}
				if abort {
					return errAbort
				}
				return nil
			})
			next.settle(now)
			changes := next.diff(now)
			code := atoll.CodeOf(err)
			switch {
			case abort:
				if err != errAbort {
					t.Fatalf("aborted: %v", err)
				}
			case next.duplicates():
				if atoll.KindOf(err) != atoll.Conflict || code != atoll.Exists {
					t.Fatalf("duplicates: %v", err)
				}
			case next.dangling():
				if atoll.KindOf(err) != atoll.Reference && code != atoll.InUse {
					t.Fatalf("dangling: %v", err)
				}
			case len(changes) == 0:
				if err != nil || got != index {
					t.Fatalf("no change: %d %v, want %d", got, err, index)
				}
			case failing:
				if atoll.KindOf(err) != atoll.Unavailable || !errors.Is(err, errAbort) {
					t.Fatalf("failing log: %v", err)
				}
			default:
				index++
				if err != nil || got != index {
					t.Fatalf("commit: %d %v, want %d", got, err, index)
				}
				now = next
				c, err := stream.Next(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "index of the commit", index, c.Index)
				equal(t, "changes", changes, changesOf(c))
			}
			now.verify(t, s.View())
			equal(t, "index", index, s.View().Index())
			if rapid.Bool().Draw(t, "keep") {
				olds = append(olds, old{s.View(), now})
			}
			if len(olds) > 3 {
				olds = olds[1:]
			}
			for _, o := range olds {
				o.m.verify(t, o.view)
			}
		}
		replayed := replay(t, log.all())
		equal(t, "replayed", stateOf(s.View()), stateOf(replayed.View()))
		equal(t, "snapshot of the replayed", snapshotOf(t, s), snapshotOf(t, replayed))
		restored, err := store.Open(toys())
		if err != nil {
			t.Fatal(err)
		}
		if err := restored.Restore(strings.NewReader(snapshotOf(t, s))); err != nil {
			t.Fatal(err)
		}
		equal(t, "restored", stateOf(s.View()), stateOf(restored.View()))
		now.verify(t, restored.View())
	})
}

// replay plays entries, after a trip through JSON, into an empty store.
func replay(t interface {
	Helper()
	Fatal(...any)
}, entries []*store.Entry) *store.Store {
	t.Helper()
	s, err := store.Open(toys())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		raw, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var decoded store.Entry
		if err := json.Unmarshal(raw, &decoded); err != nil {
			t.Fatal(err)
		}
		if err := s.Apply(context.Background(), &decoded); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func snapshotOf(t interface {
	Helper()
	Fatal(...any)
}, s *store.Store) string {
	t.Helper()
	var b bytes.Buffer
	if err := s.Snapshot(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
