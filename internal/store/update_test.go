package store_test

import (
	"context"
	"errors"
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
)

// family is a state with two parents and a child of each kind of reference.
var family = add(named("p1", "Ann"), named("p2", "Bob"),
	child{ID: "c1", ParentID: "p1", Num: 1}, child{ID: "c2", ParentID: "p1", OwnerID: "p2", Num: 2})

func TestRulesAtTheEndOfATransaction(t *testing.T) {
	rename := func(tx *store.Tx, id, name string) error {
		p, _ := parents.Get(tx, id)
		c := *p
		c.Name = name
		return parents.Put(tx, &c)
	}
	tests := map[string]struct {
		fn      func(*store.Tx) error
		kind    atoll.Kind
		code    atoll.Code
		subject atoll.Subject
		details map[string]any
	}{
		"a taken primary key is refused": {
			fn: add(named("p1", "Cid")), kind: atoll.Conflict, code: atoll.Exists,
			subject: atoll.Subject{Type: "parents", ID: "p1"}, details: map[string]any{"index": "id"},
		},
		"a taken unique key is refused by its fold": {
			fn: add(named("p3", "ANN")), kind: atoll.Conflict, code: atoll.Exists,
			subject: atoll.Subject{Type: "parents", ID: "p3"}, details: map[string]any{"index": "name"},
		},
		"a taken compound key is refused": {
			fn: add(child{ID: "c3", ParentID: "p1", Num: 2}), kind: atoll.Conflict, code: atoll.Exists,
			subject: atoll.Subject{Type: "children", ID: "c3"}, details: map[string]any{"index": "num"},
		},
		"two new rows of one key are refused": {
			fn: add(named("p3", "Cid"), named("p4", "cid")), kind: atoll.Conflict, code: atoll.Exists,
			subject: atoll.Subject{Type: "parents", ID: "p3"}, details: map[string]any{"index": "name"},
		},
		"a row moved onto a taken key is refused": {
			fn: func(tx *store.Tx) error { return rename(tx, "p2", "ann") }, kind: atoll.Conflict, code: atoll.Exists,
			subject: atoll.Subject{Type: "parents", ID: "p2"}, details: map[string]any{"index": "name"},
		},
		"rows outside a unique index do not collide": {fn: add(child{ID: "c3"}, child{ID: "c4"})},
		"rows may swap their keys": {fn: func(tx *store.Tx) error {
			return errors.Join(rename(tx, "p1", "Bob"), rename(tx, "p2", "Ann"))
		}},
		"a key is free once its row is deleted": {fn: func(tx *store.Tx) error {
			if err := add(named("p3", "Cid"))(tx); err != nil {
				return err
			}
			if _, err := parents.Delete(tx, "p3"); err != nil {
				return err
			}
			return add(named("p4", "Cid"))(tx)
		}},
		"a reference to nothing is refused": {
			fn: add(child{ID: "c3", ParentID: "nobody"}), kind: atoll.Reference,
			subject: atoll.Subject{Type: "children", ID: "c3"}, details: map[string]any{"reference": "children.ParentID"},
		},
		"a row may be inserted before what it refers to": {fn: add(child{ID: "c3", ParentID: "p3"}, named("p3", "Cid"))},
		"a row that others refer to stays": {
			fn:   func(tx *store.Tx) error { _, err := parents.Delete(tx, "p1"); return err },
			kind: atoll.Conflict, code: atoll.InUse,
			subject: atoll.Subject{Type: "parents", ID: "p1"}, details: map[string]any{"reference": "children.ParentID"},
		},
		"it may go together with them, in any order": {fn: func(tx *store.Tx) error {
			_, e1 := parents.Delete(tx, "p1")
			_, e2 := children.Delete(tx, "c1")
			_, e3 := children.Delete(tx, "c2")
			return errors.Join(e1, e2, e3)
		}},
		"a cascade takes the referring rows along at once": {fn: func(tx *store.Tx) error {
			if _, err := parents.Delete(tx, "p2"); err != nil {
				return err
			}
			if _, ok := children.Get(tx, "c2"); ok {
				return errors.New("c2 is still there")
			}
			return nil
		}},
		"a row written after the cascade refers to nothing": {
			fn: func(tx *store.Tx) error {
				if _, err := parents.Delete(tx, "p2"); err != nil {
					return err
				}
				return add(child{ID: "c2", OwnerID: "p2"})(tx)
			},
			kind: atoll.Reference, subject: atoll.Subject{Type: "children", ID: "c2"}, details: map[string]any{"reference": "children.OwnerID"},
		},
		"an empty primary key is refused": {fn: add(named("", "Cid")), kind: atoll.Invalid},
		"text that is not UTF-8 is refused": {
			fn: add(named("p3", "\xff")), kind: atoll.Invalid, subject: atoll.Subject{Type: "parents", ID: "p3"},
		},
		"a stored row changed in place is a defect": {
			fn: func(tx *store.Tx) error {
				p, _ := parents.Get(tx, "p1")
				return parents.Put(tx, p)
			},
			kind: atoll.Internal,
		},
		"an error of the function is returned as it is": {fn: func(*store.Tx) error { return atoll.Denied }, kind: atoll.Denied},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			update(t, s, family)
			before := stateOf(s.View())
			_, err := s.Update(context.Background(), tt.fn)
			if atoll.KindOf(err) != tt.kind || atoll.CodeOf(err) != tt.code {
				t.Fatalf("Update: %v, want kind %v code %q", err, tt.kind, tt.code)
			}
			if e, ok := errors.AsType[*atoll.Error](err); ok {
				if diff := cmp.Diff(tt.subject, e.Subject); diff != "" {
					t.Errorf("subject (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(tt.details, e.Details); diff != "" {
					t.Errorf("details (-want +got):\n%s", diff)
				}
			}
			if err != nil {
				if diff := cmp.Diff(before, stateOf(s.View())); diff != "" {
					t.Errorf("the failed transaction left something (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestMetaIsStamped(t *testing.T) {
	who := "ann"
	s := open(t, store.WithClock(ticking()), store.WithActor(func(context.Context) string { return who }))
	at := func(n int) time.Time { return epoch.Add(time.Duration(n) * time.Second) }
	meta := func() store.Meta {
		p, ok := parents.Get(s.View(), "p1")
		if !ok {
			t.Fatal("p1 is missing")
		}
		return p.Meta
	}
	same := func(what string, want store.Meta) {
		t.Helper()
		if diff := cmp.Diff(want, meta()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	update(t, s, add(named("p1", "Ann")))
	same("inserted", store.Meta{ID: "p1", Version: 1, CreatedAt: at(1), UpdatedAt: at(1), CreatedBy: "ann", UpdatedBy: "ann"})

	who = "bob"
	index := update(t, s, func(tx *store.Tx) error {
		for _, name := range []string{"x", "y", "Annette"} {
			p := named("p1", name)
			if err := parents.Put(tx, &p); err != nil {
				return err
			}
		}
		return nil
	})
	changed := store.Meta{ID: "p1", Version: 2, CreatedAt: at(1), UpdatedAt: at(2), CreatedBy: "ann", UpdatedBy: "bob"}
	same("several puts are one version", changed)

	if got := update(t, s, func(tx *store.Tx) error {
		p := named("p1", "Annette")
		return parents.Put(tx, &p)
	}); got != index {
		t.Errorf("a put of the same row made commit %d", got)
	}
	if got := update(t, s, func(tx *store.Tx) error {
		p, q := named("p1", "z"), named("p1", "Annette")
		return errors.Join(parents.Put(tx, &p), parents.Put(tx, &q))
	}); got != index {
		t.Errorf("there and back made commit %d", got)
	}
	same("no change", changed)
}

func TestARowPutThereAndBackStaysTheRowItWas(t *testing.T) {
	s := open(t)
	update(t, s, family)
	was, _ := parents.Get(s.View(), "p1")
	update(t, s, func(tx *store.Tx) error {
		p, q := named("p1", "Cid"), named("p1", "Ann")
		if err := parents.Put(tx, &p); err != nil {
			return err
		}
		ids(parents.All(tx)) // brings the trees into it
		if err := parents.Put(tx, &q); err != nil {
			return err
		}
		ids(parents.All(tx))
		return add(child{ID: "c3"})(tx)
	})
	var scanned []*parent
	for p := range parents.All(s.View()) {
		scanned = append(scanned, p)
	}
	got, _ := parents.Get(s.View(), "p1")
	if got != was || scanned[0] != was {
		t.Errorf("Get %v, All %v, want %v", got, scanned[0], was)
	}
	c, err := s.Watch(context.Background(), 1, nil).Next(context.Background())
	if err != nil || len(c.Changes) != 1 || c.Changes[0].Key != "c3" {
		t.Errorf("the commit is %v, %v", c, err)
	}
}

func TestCommitIsTheLastWordOnATransaction(t *testing.T) {
	var derived store.Commit
	s := open(t, store.WithClock(func() time.Time { return epoch }),
		store.WithActor(func(context.Context) string { return "neo" }),
		store.WithDeriver(func(tx *store.Tx, c *store.Commit) error {
			derived = *c
			if tx.Index() != c.Index {
				t.Errorf("Tx.Index() = %d in commit %d", tx.Index(), c.Index)
			}
			return add(child{ID: "derived", ParentID: "p1"})(tx)
		}))
	update(t, s, func(tx *store.Tx) error {
		tx.Note("parent.create", "parent::/toys::Ann", 7)
		return add(child{ID: "c1", ParentID: "p1", Num: 5}, named("p1", "Ann"))(tx)
	})
	c, err := s.Watch(context.Background(), 0, nil).Next(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	stamped := named("p1", "Ann")
	stamped.Meta = store.Meta{ID: "p1", Version: 1, CreatedAt: epoch, UpdatedAt: epoch, CreatedBy: "neo", UpdatedBy: "neo"}
	want := store.Commit{Index: 1, At: epoch, Actor: "neo",
		Changes: []store.Change{
			{Table: "children", Key: "c1", FQN: "child::/toys/Ann::c1", Op: store.Created, After: &child{ID: "c1", ParentID: "p1", Num: 5}},
			{Table: "parents", Key: "p1", FQN: "parent::/toys::Ann", Op: store.Created, After: &stamped},
			{Table: "children", Key: "derived", FQN: "child::/toys/Ann::derived", Op: store.Created, After: &child{ID: "derived", ParentID: "p1"}},
		},
		Notes: []store.Note{{Event: "parent.create", FQN: "parent::/toys::Ann", Detail: 7}},
	}
	exported := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".sets" }, cmp.Ignore())
	if diff := cmp.Diff(want, *c, exported); diff != "" {
		t.Errorf("commit (-want +got):\n%s", diff)
	}
	want.Changes = want.Changes[:2]
	if diff := cmp.Diff(want, derived, exported); diff != "" {
		t.Errorf("the deriver saw (-want +got):\n%s", diff)
	}
	if before, after := c.Public(0); before != nil || after != int64(5) {
		t.Errorf("public projection of a child: %v, %v", before, after)
	}
	if before, after := c.Public(1); before != nil || after != c.Changes[1].After {
		t.Errorf("public projection of a parent: %v, %v", before, after)
	}
}

func TestDeletedRowsKeepTheirAddress(t *testing.T) {
	s := open(t)
	update(t, s, family)
	update(t, s, func(tx *store.Tx) error {
		_, e1 := children.Delete(tx, "c1")
		_, e2 := children.Delete(tx, "c2")
		_, e3 := parents.Delete(tx, "p1")
		return errors.Join(e1, e2, e3)
	})
	c, err := s.Watch(context.Background(), 1, nil).Next(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, ch := range c.Changes {
		got = append(got, ch.Op.String()+" "+ch.FQN)
	}
	want := []string{"deleted child::/toys/Ann::c1", "deleted child::/toys/Ann::c2", "deleted parent::/toys::Ann"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
}

func TestFailureLeavesEverythingAsItWas(t *testing.T) {
	boom := errors.New("boom")
	log := &memoryLog{}
	var derive error
	s := open(t, store.WithLog(log), store.WithDeriver(func(tx *store.Tx, _ *store.Commit) error {
		if derive != nil {
			return errors.Join(add(named("derived", "Derived"))(tx), derive)
		}
		return nil
	}))
	update(t, s, family)
	before, snapshot := stateOf(s.View()), snapshotOf(t, s)
	write := func(tx *store.Tx) error {
		if _, err := tx.Next("", "user"); err != nil {
			return err
		}
		if _, err := parents.Delete(tx, "p2"); err != nil {
			return err
		}
		childrenOf.Count(tx, store.KeyOf("p1")) // brings the trees into it
		return add(named("p9", "Zoe"))(tx)
	}
	unchanged := func(what string) {
		t.Helper()
		if diff := cmp.Diff(before, stateOf(s.View())); diff != "" {
			t.Errorf("%s left something (-want +got):\n%s", what, diff)
		}
		if diff := cmp.Diff(snapshot, snapshotOf(t, s)); diff != "" {
			t.Errorf("%s left something in the snapshot (-want +got):\n%s", what, diff)
		}
		if got := s.LastIndex(parents, children, store.Counters()); got != 1 {
			t.Errorf("%s moved LastIndex to %d", what, got)
		}
	}

	log.err = boom
	if _, err := s.Update(context.Background(), write); atoll.KindOf(err) != atoll.Unavailable || !errors.Is(err, boom) {
		t.Errorf("failing log: %v", err)
	}
	log.err = nil
	unchanged("a failing log")

	derive = boom
	if _, err := s.Update(context.Background(), write); !errors.Is(err, boom) {
		t.Errorf("failing deriver: %v", err)
	}
	derive = nil
	unchanged("a failing deriver")

	func() {
		defer func() {
			if got := recover(); got != boom {
				t.Errorf("recovered %v, want the panic of the function", got)
			}
		}()
		_, _ = s.Update(context.Background(), func(tx *store.Tx) error {
			_ = write(tx)
			panic(boom)
		})
	}()
	unchanged("a panic")

	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = s.Update(context.Background(), func(tx *store.Tx) error {
			_ = write(tx)
			runtime.Goexit()
			return nil
		})
	}()
	<-done
	unchanged("the end of the goroutine")

	if _, err := s.Update(context.Background(), func(tx *store.Tx) error {
		tx.Note("odd", "", func() {})
		return write(tx)
	}); atoll.KindOf(err) != atoll.Internal {
		t.Errorf("a note that no log can hold: %v", err)
	}
	unchanged("a note that no log can hold")

	if got := update(t, s, write); got != 2 {
		t.Errorf("the next commit is %d, want 2", got)
	}
	if n := len(log.all()); n != 2 {
		t.Errorf("%d entries in the log, want 2", n)
	}
}

func TestNotesAloneCommit(t *testing.T) {
	s := open(t)
	if got := update(t, s, func(*store.Tx) error { return nil }); got != 0 {
		t.Errorf("an empty transaction made commit %d", got)
	}
	if got := update(t, s, func(tx *store.Tx) error { tx.Note("looked", "", nil); return nil }); got != 1 {
		t.Errorf("a note made commit %d, want 1", got)
	}
	if got := s.LastIndex(parents); got != 0 {
		t.Errorf("it moved LastIndex of a table to %d", got)
	}
}

func TestTransactionsDoNotNest(t *testing.T) {
	s, other := open(t), open(t)
	update(t, s, func(tx *store.Tx) error {
		if _, err := s.Update(tx.Context(), func(*store.Tx) error { return nil }); atoll.KindOf(err) != atoll.Internal {
			t.Errorf("Update in Update: %v", err)
		}
		if _, err := other.Update(tx.Context(), add(named("p", "P"))); err != nil {
			t.Errorf("Update of another store: %v", err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := s.Update(ctx, func(*store.Tx) error { return nil }); atoll.KindOf(err) != atoll.Canceled {
			t.Errorf("Update with an ended context: %v", err)
		}
		return nil
	})
}

func TestATransactionThatIsOverPanics(t *testing.T) {
	s := open(t)
	var kept *store.Tx
	update(t, s, func(tx *store.Tx) error { kept = tx; return nil })
	uses := map[string]func(){
		"Get":    func() { parents.Get(kept, "p1") },
		"Insert": func() { _ = add(named("p", "P"))(kept) },
		"Delete": func() { _, _ = parents.Delete(kept, "p1") },
		"Note":   func() { kept.Note("x", "", nil) },
		"All":    func() { ids(parents.All(kept)) },
	}
	for name, use := range uses {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("it does not panic")
				}
			}()
			use()
		})
	}
}

func TestClosedStoreRefusesWriters(t *testing.T) {
	s := open(t)
	update(t, s, family)
	snapshot := snapshotOf(t, s)
	s.Close()
	s.Close()
	if _, err := s.Update(context.Background(), family); atoll.KindOf(err) != atoll.Unavailable {
		t.Errorf("Update: %v", err)
	}
	if err := s.Apply(context.Background(), &store.Entry{Index: 2}); atoll.KindOf(err) != atoll.Unavailable {
		t.Errorf("Apply: %v", err)
	}
	if err := s.Restore(readerOf(snapshot)); atoll.KindOf(err) != atoll.Unavailable {
		t.Errorf("Restore: %v", err)
	}
	if err := s.Wait(context.Background(), 2); atoll.KindOf(err) != atoll.Unavailable {
		t.Errorf("Wait: %v", err)
	}
	if err := s.Wait(context.Background(), 1); err != nil {
		t.Errorf("Wait for what is there: %v", err)
	}
	if parents.Count(s.View()) != 2 {
		t.Error("the rows are not readable")
	}
}

func TestIterationDoesNotSeeItsOwnWrites(t *testing.T) {
	s := open(t)
	update(t, s, family)
	update(t, s, func(tx *store.Tx) error {
		n := 0
		for c := range children.All(tx) {
			n++
			if err := add(child{ID: "z" + c.ID})(tx); err != nil {
				return err
			}
		}
		if n != 2 || children.Count(tx) != 4 {
			t.Errorf("saw %d rows, there are %d", n, children.Count(tx))
		}
		return nil
	})
}

func TestCountersGiveEachNumberOnce(t *testing.T) {
	s := open(t)
	next := func(scope, kind string) (n int64) {
		update(t, s, func(tx *store.Tx) (err error) { n, err = tx.Next(scope, kind); return err })
		return n
	}
	got := []int64{next("", "user"), next("", "user"), next("t1", "user"), next("t1", "key"), next("t2", "user")}
	_, err := s.Update(context.Background(), func(tx *store.Tx) error {
		if _, err := tx.Next("", "user"); err != nil {
			return err
		}
		return errAbort
	})
	if err != errAbort {
		t.Fatal(err)
	}
	got = append(got, next("", "user"))
	restored := open(t)
	if err := restored.Restore(readerOf(snapshotOf(t, s))); err != nil {
		t.Fatal(err)
	}
	s = restored
	got = append(got, next("", "user"))
	update(t, s, func(tx *store.Tx) error { return tx.DropCounters("t1") })
	got = append(got, next("t1", "user"), next("t2", "user"))
	if diff := cmp.Diff([]int64{1, 2, 1, 1, 1, 3, 4, 1, 2}, got); diff != "" {
		t.Errorf("numbers (-want +got):\n%s", diff)
	}
	last := open(t)
	if err := last.Apply(context.Background(), &store.Entry{Index: 1, Rows: []store.EntryRow{
		{Table: "counters", Schema: 1, Op: store.Created, Key: "/user", Row: []byte(`{"Key":"/user","Last":2147483646}`)},
	}}); err != nil {
		t.Fatal(err)
	}
	s = last
	if n := next("", "user"); n != math.MaxInt32 {
		t.Errorf("the last number is %d", n)
	}
	if _, err := s.Update(context.Background(), func(tx *store.Tx) error { _, err := tx.Next("", "user"); return err }); atoll.KindOf(err) != atoll.Unavailable {
		t.Errorf("beyond the last number: %v", err)
	}
}
