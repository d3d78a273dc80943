package store_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
)

func readerOf(s string) io.Reader { return strings.NewReader(s) }

// fixture is a snapshot with everything in it.
func fixture(t testing.TB) string {
	s := open(t, store.WithClock(func() time.Time { return epoch }), store.WithActor(func(context.Context) string { return "neo" }))
	update(t, s, family)
	update(t, s, func(tx *store.Tx) error {
		if _, err := tx.Next("", "user"); err != nil {
			return err
		}
		p := named("p3", "Cid")
		p.Secret, p.Group, p.Labels = "s3cr3t", 1<<60+1, map[string]string{"a": "b\n", "c": "\u2028"}
		return parents.Insert(tx, &p)
	})
	return snapshotOf(t, s)
}

// TestSnapshotOfVersionOne reads a file that a released layout wrote.
func TestSnapshotOfVersionOne(t *testing.T) {
	want, err := os.ReadFile(filepath.Join("testdata", "snapshot-1.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), fixture(t)); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
	s := open(t)
	if err := s.Restore(bytes.NewReader(want)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), snapshotOf(t, s)); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
	if p, ok := parentByName.Get(s.View(), store.KeyOf("cid")); !ok || p.Secret.Reveal() != "s3cr3t" {
		t.Errorf("the secret came back as %q", p.Secret.Reveal())
	}
}

// resum gives a changed snapshot an end that fits.
func resum(lines ...string) string {
	body := strings.Join(lines, "\n") + "\n"
	return body + fmt.Sprintf(`{"end":{"rows":%d,"sum":"%x"}}`, len(lines)-1, sha256.Sum256([]byte(body))) + "\n"
}

func TestRestoreIsAllOrNothing(t *testing.T) {
	good := fixture(t)
	lines := strings.Split(strings.TrimSuffix(good, "\n"), "\n")
	body := lines[:len(lines)-1]
	with := func(more ...string) string { return resum(append(append([]string{}, body...), more...)...) }
	tests := map[string]struct {
		in   io.Reader
		kind atoll.Kind
	}{
		"nothing":                               {readerOf(""), atoll.Invalid},
		"something else":                        {readerOf("{}\n"), atoll.Invalid},
		"a later version":                       {readerOf(resum(`{"format":"atoll store","version":2,"index":1}`)), atoll.Invalid},
		"an index that leaves no room":          {readerOf(resum(`{"format":"atoll store","version":1,"index":9223372036854775808}`)), atoll.Invalid},
		"an unknown member in the header":       {readerOf(resum(`{"format":"atoll store","version":1,"index":1,"x":1}`)), atoll.Invalid},
		"a stream without its last byte":        {readerOf(good[:len(good)-1]), atoll.Invalid},
		"a stream without its end":              {readerOf(strings.Join(body, "\n") + "\n"), atoll.Invalid},
		"a stream with more behind its end":     {readerOf(good + "\n"), atoll.Invalid},
		"a row left out":                        {readerOf(strings.Replace(good, body[1]+"\n", "", 1)), atoll.Invalid},
		"an end that counts wrongly":            {readerOf(strings.Replace(good, `"rows":6`, `"rows":7`, 1)), atoll.Invalid},
		"a changed byte":                        {readerOf(strings.Replace(good, "Ann", "Anm", 1)), atoll.Invalid},
		"a table that is not in the store":      {readerOf(with(`{"table":"x","schema":1,"row":{}}`)), atoll.Invalid},
		"a row of a later layout":               {readerOf(with(`{"table":"children","schema":2,"row":{"ID":"x"}}`)), atoll.Invalid},
		"a row with an unknown member":          {readerOf(with(`{"table":"children","schema":1,"row":{"ID":"x","Y":1}}`)), atoll.Invalid},
		"a row without a key":                   {readerOf(with(`{"table":"children","schema":1,"row":{}}`)), atoll.Invalid},
		"a line without a row":                  {readerOf(with(`{}`)), atoll.Invalid},
		"two rows of one key":                   {readerOf(with(`{"table":"children","schema":1,"row":{"ID":"c1"}}`)), atoll.Invalid},
		"two rows of one unique key":            {readerOf(with(`{"table":"parents","schema":1,"row":{"ID":"p9","Name":"ANN"}}`)), atoll.Invalid},
		"a reference to nothing":                {readerOf(with(`{"table":"children","schema":1,"row":{"ID":"x","OwnerID":"p9"}}`)), atoll.Invalid},
		"a reader that fails":                   {iotest.TimeoutReader(iotest.OneByteReader(readerOf(good))), atoll.Failed},
		"a reference to a row that comes later": {readerOf(with(`{"table":"children","schema":1,"row":{"ID":"x","OwnerID":"p9"}}`, `{"table":"parents","schema":1,"row":{"ID":"p9","Name":"Zoe"}}`)), 0},
		"a snapshot in small pieces":            {iotest.OneByteReader(readerOf(good)), 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			update(t, s, add(named("old", "Old")))
			before := stateOf(s.View())
			err := s.Restore(tt.in)
			if atoll.KindOf(err) != tt.kind {
				t.Fatalf("Restore: %v, want kind %v", err, tt.kind)
			}
			after := stateOf(s.View())
			if changed := !cmp.Equal(before, after); changed != (tt.kind == 0) {
				t.Errorf("Restore: %v, changed %v:\n%s", err, changed, cmp.Diff(before, after))
			}
			update(t, s, add(named("new", "New")))
		})
	}
}

func TestRestoreNeverRunsBackwards(t *testing.T) {
	snapshot := fixture(t) // at 2
	tests := map[string]struct{ commits, want int }{
		"an empty store takes the index of the snapshot": {0, 2},
		"a store behind it too":                          {1, 2},
		"a store at it moves on":                         {2, 3},
		"a store beyond it moves on":                     {7, 8},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			commits(t, s, tt.commits)
			old, state := s.View(), stateOf(s.View())
			tracked := s.Track()
			parents.Get(tracked, "nobody")
			stream := s.Watch(context.Background(), s.LastIndex(), nil)
			if err := s.Restore(readerOf(snapshot)); err != nil {
				t.Fatal(err)
			}
			want := uint64(tt.want)
			if got := []uint64{s.LastIndex(), s.View().Index(), s.LastIndex(children)}; !cmp.Equal(got, []uint64{want, want, want}) {
				t.Errorf("indexes %v, want %d", got, want)
			}
			_, err := stream.Next(context.Background())
			if lost, ok := errors.AsType[*store.LostError](err); !ok || lost.Resume != want {
				t.Errorf("a stream from before: %v, want a loss up to %d", err, want)
			}
			if err := tracked.Changed(context.Background()); err != nil {
				t.Errorf("a tracked view from before: %v", err)
			}
			commits(t, s, 2)
			if c, err := stream.Next(context.Background()); err != nil || c.Index != want+1 {
				t.Errorf("the stream goes on with %v %v", c, err)
			}
			if diff := cmp.Diff(state, stateOf(old)); diff != "" {
				t.Errorf("a view from before changed (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSnapshotTellsAFailingWriter(t *testing.T) {
	s := open(t)
	update(t, s, family)
	if err := s.Snapshot(failingWriter{}); atoll.KindOf(err) != atoll.Failed || !errors.Is(err, errAbort) {
		t.Errorf("Snapshot: %v", err)
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errAbort }

func TestApplyFollowsTheLogOnly(t *testing.T) {
	row := func(op store.Op, key, raw string) store.EntryRow {
		return store.EntryRow{Table: "children", Schema: 1, Op: op, Key: key, Row: []byte(raw)}
	}
	tests := map[string]struct {
		entry store.Entry
		kind  atoll.Kind
	}{
		"the next entry":            {store.Entry{Index: 2, Rows: []store.EntryRow{row(store.Created, "c3", `{"ID":"c3"}`)}}, 0},
		"an entry of notes alone":   {store.Entry{Index: 2, Notes: []store.EntryNote{{Event: "x"}}}, 0},
		"an entry that was applied": {store.Entry{Index: 1}, atoll.Conflict},
		"an entry too far on":       {store.Entry{Index: 3}, atoll.Invalid},
		"a row created twice":       {store.Entry{Index: 2, Rows: []store.EntryRow{row(store.Created, "c1", `{"ID":"c1"}`)}}, atoll.Invalid},
		"an update of nothing":      {store.Entry{Index: 2, Rows: []store.EntryRow{row(store.Updated, "c9", `{"ID":"c9"}`)}}, atoll.Invalid},
		"a deletion of nothing":     {store.Entry{Index: 2, Rows: []store.EntryRow{row(store.Deleted, "c9", "")}}, atoll.Invalid},
		"a row under a wrong key":   {store.Entry{Index: 2, Rows: []store.EntryRow{row(store.Created, "c3", `{"ID":"c4"}`)}}, atoll.Invalid},
		"a row that is none":        {store.Entry{Index: 2, Rows: []store.EntryRow{row(store.Created, "c3", `[]`)}}, atoll.Invalid},
		"no operation":              {store.Entry{Index: 2, Rows: []store.EntryRow{row(0, "c3", `{"ID":"c3"}`)}}, atoll.Invalid},
		"an unknown table":          {store.Entry{Index: 2, Rows: []store.EntryRow{{Table: "x", Schema: 1, Op: store.Created, Key: "x"}}}, atoll.Invalid},
		"a unique key taken":        {store.Entry{Index: 2, Rows: []store.EntryRow{row(store.Created, "c3", `{"ID":"c3","ParentID":"p1","Num":1}`)}}, atoll.Invalid},
		"a reference to nothing":    {store.Entry{Index: 2, Rows: []store.EntryRow{row(store.Created, "c3", `{"ID":"c3","OwnerID":"p9"}`)}}, atoll.Invalid},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			update(t, s, family)
			before := stateOf(s.View())
			if err := s.Apply(context.Background(), &tt.entry); atoll.KindOf(err) != tt.kind {
				t.Fatalf("Apply: %v, want kind %v", err, tt.kind)
			}
			if tt.kind == 0 {
				if s.LastIndex() != 2 {
					t.Errorf("the index is %d, want 2", s.LastIndex())
				}
			} else if diff := cmp.Diff(before, stateOf(s.View())); diff != "" {
				t.Errorf("the refused entry left something (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOldLayoutsAreUpgradedStepByStep(t *testing.T) {
	type row3 struct{ ID, Name, Title string }
	rows := store.NewTable(store.Spec[row3]{
		Name: "children", Schema: 3, Key: func(r *row3) string { return r.ID },
		Upgrade: func(from int, raw []byte) ([]byte, error) {
			var m map[string]string
			if err := json.Unmarshal(raw, &m); err != nil {
				return nil, err
			}
			switch from {
			case 1:
				m["Name"] = m["Label"]
				delete(m, "Label")
			case 2:
				m["Title"] = strings.ToUpper(m["Name"])
			}
			if m["Name"] == "bad" {
				return nil, errAbort
			}
			return json.Marshal(m)
		},
	})
	head := `{"format":"atoll store","version":1,"index":4}`
	s, err := store.Open([]store.AnyTable{rows})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Restore(readerOf(resum(head,
		`{"table":"children","schema":1,"row":{"ID":"a","Label":"ann"}}`,
		`{"table":"children","schema":2,"row":{"ID":"b","Name":"bob"}}`,
		`{"table":"children","schema":3,"row":{"ID":"c","Name":"cid","Title":"Sir"}}`))); err != nil {
		t.Fatal(err)
	}
	var got []row3
	for r := range rows.All(s.View()) {
		got = append(got, *r)
	}
	if diff := cmp.Diff([]row3{{"a", "ann", "ANN"}, {"b", "bob", "BOB"}, {"c", "cid", "Sir"}}, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if err := s.Restore(readerOf(resum(head, `{"table":"children","schema":2,"row":{"ID":"b","Name":"bad"}}`))); atoll.KindOf(err) != atoll.Invalid || !errors.Is(err, errAbort) {
		t.Errorf("a failing upgrade: %v", err)
	}
}

// FuzzApply: whatever an entry holds, Apply does not panic and changes nothing
// unless it takes it all.
func FuzzApply(f *testing.F) {
	for _, rows := range []string{
		`[{"table":"children","schema":1,"op":"created","key":"c3","row":{"ID":"c3","ParentID":"p1","Num":3}}]`,
		`[{"table":"children","schema":1,"op":"deleted","key":"c1"},{"table":"parents","schema":1,"op":"deleted","key":"p2"}]`,
		`[{"table":"parents","schema":1,"op":"updated","key":"p1","row":{"ID":"p1","Name":"Bob"}},{"table":"parents","schema":1,"op":"updated","key":"p2","row":{"ID":"p2","Name":"Ann"}}]`,
		`[{"table":"counters","schema":1,"op":"created","key":"/x","row":{"Key":"/x","Last":-1}}]`,
	} {
		f.Add([]byte(`{"index":2,"rows":` + rows + `,"notes":[{"event":"e","detail":{"a":1}}]}`))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var e store.Entry
		if json.Unmarshal(in, &e) != nil {
			return
		}
		s := open(t)
		update(t, s, family)
		before := snapshotOf(t, s)
		if err := s.Apply(context.Background(), &e); err != nil {
			if k := atoll.KindOf(err); k != atoll.Invalid && k != atoll.Conflict {
				t.Fatalf("Apply: %v, kind %v", err, k)
			}
			if diff := cmp.Diff(before, snapshotOf(t, s)); diff != "" {
				t.Fatalf("the refused entry left something (-want +got):\n%s", diff)
			}
			return
		}
		if err := open(t).Restore(readerOf(snapshotOf(t, s))); err != nil {
			t.Fatalf("what was applied cannot be restored: %v", err)
		}
	})
}

// FuzzRestore: whatever the bytes, Restore does not panic, and changes nothing
// unless it takes all; what it takes, it writes back to the same meaning.
func FuzzRestore(f *testing.F) {
	good := fixture(f)
	f.Add([]byte(good))
	f.Add([]byte(good[:len(good)/2]))
	f.Add([]byte(resum(`{"format":"atoll store","version":1,"index":18446744073709551615}`)))
	f.Add([]byte(resum(`{"format":"atoll store","version":1,"index":9}`, `{"table":"children","schema":1,"row":{"ID":"\ud800"}}`)))
	f.Fuzz(func(t *testing.T, in []byte) {
		s := open(t)
		update(t, s, family)
		before := stateOf(s.View())
		// The sum is made to fit, so that what lies behind that check is tried too.
		for _, in := range []string{string(in), resum(strings.Split(strings.TrimSuffix(string(in), "\n"), "\n")...)} {
			err := s.Restore(readerOf(in))
			if err != nil {
				if k := atoll.KindOf(err); k != atoll.Invalid {
					t.Fatalf("Restore: %v, kind %v", err, k)
				}
				if diff := cmp.Diff(before, stateOf(s.View())); diff != "" {
					t.Fatalf("the refused snapshot left something (-want +got):\n%s", diff)
				}
				continue
			}
			written := snapshotOf(t, s)
			again := open(t)
			if err := again.Restore(readerOf(written)); err != nil {
				t.Fatalf("what was written is refused: %v", err)
			}
			if diff := cmp.Diff(written, snapshotOf(t, again)); diff != "" {
				t.Fatalf("written again (-want +got):\n%s", diff)
			}
			before = stateOf(s.View())
		}
	})
}
