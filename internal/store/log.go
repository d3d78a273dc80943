package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/atoll-platform/atoll"
)

// Log is written ahead of each commit of Update, in the order of commits, one
// call at a time. When Append returns nil the entry must be safe, for it
// becomes visible; when it returns an error the transaction fails as
// Unavailable, and the next Append comes with the same index. Append must not
// call the store, and must not keep the context. Entries hold secrets in clear.
type Log interface {
	Append(ctx context.Context, e *Entry) error
}

// Entry is a commit as a log holds it: plain data for encoding/json, complete
// in itself, so that Apply needs no code of the domain.
type Entry struct {
	Index uint64      `json:"index"`
	At    time.Time   `json:"at"`
	Actor string      `json:"actor,omitempty"`
	Rows  []EntryRow  `json:"rows,omitempty"`
	Notes []EntryNote `json:"notes,omitempty"`
}

// EntryRow is what a commit did to one row.
type EntryRow struct {
	Table  string          `json:"table"`
	Schema int             `json:"schema"`
	Op     Op              `json:"op"`
	Key    string          `json:"key"`
	Row    json.RawMessage `json:"row,omitempty"` // as it is after the commit; none if deleted
}

// EntryNote is an audit note; its detail is in the JSON that it shows to others.
type EntryNote struct {
	Event  string          `json:"event"`
	FQN    string          `json:"fqn,omitempty"`
	Detail json.RawMessage `json:"detail,omitempty"`
}

func entryOf(c *Commit) (*Entry, error) {
	e := &Entry{Index: c.Index, At: c.At, Actor: c.Actor, Rows: make([]EntryRow, len(c.sets))}
	for i, p := range c.sets {
		def := p.info.def
		r := &e.Rows[i]
		*r = EntryRow{Table: def.name, Schema: def.schema, Op: c.Changes[i].Op, Key: p.pk}
		if p.after == nil {
			continue
		}
		raw, err := encodeRow(p.after.row)
		if err != nil {
			return nil, atoll.Errorf(atoll.Internal, "store.Update", "row %q of %s cannot be encoded: %w", p.pk, def.name, err)
		}
		r.Row = raw
	}
	for _, n := range c.Notes {
		note := EntryNote{Event: n.Event, FQN: n.FQN}
		if n.Detail != nil {
			raw, err := json.Marshal(n.Detail)
			if err != nil {
				return nil, atoll.Errorf(atoll.Internal, "store.Update", "the note %s cannot be encoded: %w", n.Event, err)
			}
			note.Detail = raw
		}
		e.Notes = append(e.Notes, note)
	}
	return e, nil
}

// Apply makes a logged entry visible: same rows, same index, no stamping, no
// deriving, no writing to the log. Unique indexes and references are checked,
// and a commit goes to the streams. Kinds: Conflict with code Stale if the
// store contains the entry's index already; Invalid if the entry does not
// follow from the present state; Unavailable if the store is closed; Canceled,
// Timeout.
func (s *Store) Apply(ctx context.Context, e *Entry) error {
	if err := s.acquire(ctx, "store.Apply"); err != nil {
		return err
	}
	defer s.release()
	tx := &Tx{store: s, ctx: ctx, base: s.view.Load(), actor: e.Actor, now: e.At}
	defer tx.end()
	if e.Index <= tx.base.index {
		err := atoll.Errorf(atoll.Conflict, "store.Apply", "commit %d is in the store already", e.Index)
		err.Code = atoll.Stale
		return err
	}
	if e.Index != tx.Index() {
		return atoll.Errorf(atoll.Invalid, "store.Apply", "commit %d does not follow %d", e.Index, tx.base.index)
	}
	for _, r := range e.Rows {
		if err := tx.replay(&r); err != nil {
			return err
		}
	}
	for _, n := range e.Notes {
		var detail any
		if n.Detail != nil {
			detail = n.Detail
		}
		tx.notes = append(tx.notes, Note{Event: n.Event, FQN: n.FQN, Detail: detail})
	}
	sets, err := tx.settle()
	if err != nil {
		return &atoll.Error{Kind: atoll.Invalid, Op: "store.Apply", Msg: "the entry does not follow from the present state", Err: err}
	}
	for _, t := range tx.tables {
		tx.flush(t)
	}
	s.publish(tx, sets, tx.describe(sets))
	return nil
}

// replay does to one row what the entry says.
func (tx *Tx) replay(r *EntryRow) error {
	info := tx.store.byName[r.Table]
	if info == nil {
		return atoll.Errorf(atoll.Invalid, "store.Apply", "there is no table %q", r.Table)
	}
	before := tx.lookup(info.def, r.Key)
	if r.Op < Created || r.Op > Deleted || (before == nil) != (r.Op == Created) {
		return atoll.Errorf(atoll.Invalid, "store.Apply", "row %q of %s cannot be %v here", r.Key, r.Table, r.Op)
	}
	if r.Op == Deleted {
		tx.drop(info.def, r.Key)
		return nil
	}
	row, pk, err := decodeRow(info.def, r.Schema, r.Row)
	if err != nil {
		return atoll.Wrap("store.Apply", err)
	}
	if pk != r.Key {
		return atoll.Errorf(atoll.Invalid, "store.Apply", "row %q of %s is filed under %q", pk, r.Table, r.Key)
	}
	t := tx.begin(info.def)
	p := t.row(pk)
	if p == nil {
		p = t.add(pk, before)
		tx.order = append(tx.order, p)
	}
	tx.set(p, newRecord(info.def, row, pk, before))
	return nil
}
