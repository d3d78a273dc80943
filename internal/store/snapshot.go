package store

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/atoll-platform/atoll"
)

// A snapshot is one JSON object a line: a header, the rows of each table in
// order of table and key, an end with the number of rows and the SHA-256 of
// all before it. Equal states have equal snapshots.
type (
	snapshotHeader struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
		Index   uint64 `json:"index"`
	}
	// snapshotLine is a row, or with End alone the end.
	snapshotLine struct {
		Table  string         `json:"table,omitzero"`
		Schema int            `json:"schema,omitzero"`
		Row    jsontext.Value `json:"row,omitzero"`
		End    *snapshotEnd   `json:"end,omitzero"`
	}
	snapshotEnd struct {
		Rows uint64 `json:"rows"`
		Sum  string `json:"sum"`
	}
)

const (
	snapshotFormat  = "atoll store"
	snapshotVersion = 1
	snapshotMaxLine = 64 << 20
)

// Snapshot writes the present state to w, all tables, counters and the index,
// in the versioned form that Restore reads. It blocks no writer. The secrets
// are in it, in clear. Kind: Failed if w fails.
func (s *Store) Snapshot(w io.Writer) error { return s.View().Snapshot(w) }

// Snapshot writes the state of the view to w, as Store.Snapshot.
func (v *View) Snapshot(w io.Writer) error {
	sum := sha256.New()
	out := bufio.NewWriterSize(io.MultiWriter(w, sum), 64<<10)
	sw := &snapshotWriter{out: out}
	sw.line(snapshotHeader{snapshotFormat, snapshotVersion, v.index})
	var rows uint64
	for _, st := range v.tables {
		def := st.info.def
		v.scan(span{def: def, index: -1}, func(rec *record) bool {
			raw, err := encodeRow(rec.row)
			if err != nil {
				sw.err = atoll.Errorf(atoll.Internal, "store.Snapshot", "row %q of %s cannot be encoded: %w", rec.pk, def.name, err)
				return false
			}
			sw.line(snapshotLine{Table: def.name, Schema: def.schema, Row: raw})
			rows++
			return sw.err == nil
		})
	}
	if sw.err == nil {
		sw.fail(out.Flush())
	}
	sw.line(snapshotLine{End: &snapshotEnd{rows, hex.EncodeToString(sum.Sum(nil))}})
	if sw.err == nil {
		sw.fail(out.Flush())
	}
	return sw.err
}

// snapshotWriter writes lines until the first error.
type snapshotWriter struct {
	out *bufio.Writer
	err error
}

func (sw *snapshotWriter) line(v any) {
	if sw.err != nil {
		return
	}
	raw, err := json.Marshal(v)
	if err != nil {
		sw.err = atoll.Errorf(atoll.Internal, "store.Snapshot", "a line cannot be encoded: %w", err)
		return
	}
	_, err = sw.out.Write(append(raw, '\n'))
	sw.fail(err)
}

func (sw *snapshotWriter) fail(err error) {
	if err != nil && sw.err == nil {
		sw.err = &atoll.Error{Kind: atoll.Failed, Op: "store.Snapshot", Msg: "the snapshot could not be written", Err: err}
	}
}

// Restore replaces everything in the store by what Snapshot wrote to r, or
// nothing at all. The index becomes the one of the snapshot; where the store has
// been there or further, it moves on by one instead, so that positions never
// run backwards. Streams learn that they lost commits. Readers and writers go
// on while it reads; what they commit before it ends is replaced too. The log
// is not written: who keeps one starts it anew from here. Not to be called in a
// transaction.
//
// Kinds: Invalid for a stream that is damaged, cut short, of a later version,
// or in which a unique key or a reference is broken; Failed if r fails;
// Unavailable if the store is closed.
func (s *Store) Restore(r io.Reader) error {
	l := &loader{store: s, in: bufio.NewReaderSize(r, 64<<10), sum: sha256.New()}
	if err := l.load(); err != nil {
		return atoll.Wrap("store.Restore", err)
	}
	return s.replace(l)
}

// replace makes the loaded state the state of the store.
func (s *Store) replace(l *loader) error {
	if err := s.acquire(context.Background(), "store.Restore"); err != nil {
		return err
	}
	defer s.release()
	v := l.view
	if present := s.view.Load().index; present > 0 && v.index <= present {
		v.index = present + 1
	}
	s.trees = l.trees
	s.view.Store(v)
	for i := range s.last {
		s.last[i].Store(v.index)
	}
	s.settled.Store(v.index)
	s.history.reset(v.index)
	return nil
}
