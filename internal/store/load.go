package store

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"hash"
	"io"
	"math"

	"github.com/go-json-experiment/json"
	"github.com/hashicorp/go-memdb"

	"github.com/atoll-platform/atoll"
)

// loader builds the state that a snapshot describes, beside the store.
type loader struct {
	store *Store
	in    *bufio.Reader
	sum   hash.Hash
	nr    int // of the line last read
	view  *View
	trees *memdb.MemDB
}

func (l *loader) invalid(format string, args ...any) error {
	e := atoll.Errorf(atoll.Invalid, "", format, args...)
	e.Details = map[string]any{"line": l.nr}
	return e
}

// line returns the next line without its end; a line without an end is refused.
func (l *loader) line() ([]byte, error) {
	l.nr++
	var line []byte
	for {
		part, err := l.in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return line, nil
		case len(line) > snapshotMaxLine:
			return nil, l.invalid("line %d of the snapshot is longer than %d bytes", l.nr, snapshotMaxLine)
		case err == bufio.ErrBufferFull:
		case err == io.EOF:
			return nil, l.invalid("the snapshot is cut short in line %d", l.nr)
		default:
			return nil, &atoll.Error{Kind: atoll.Failed, Msg: "the snapshot could not be read", Err: err}
		}
	}
}

func (l *loader) load() error {
	raw, err := l.line()
	if err != nil {
		return err
	}
	var header snapshotHeader
	if err := json.Unmarshal(raw, &header, json.RejectUnknownMembers(true)); err != nil || header.Format != snapshotFormat {
		return l.invalid("this is not a snapshot of a store")
	}
	if header.Version != snapshotVersion {
		return l.invalid("the snapshot has version %d, readable is %d", header.Version, snapshotVersion)
	}
	if header.Index > math.MaxInt64 {
		return l.invalid("the snapshot has the index %d, which leaves no room", header.Index)
	}
	l.sum.Write(raw)
	trees, err := newTrees(l.store.infos)
	if err != nil {
		return err
	}
	l.view = &View{store: l.store, index: header.Index, tables: newTableStates(l.store.infos), counts: make([]int, len(l.store.infos))}
	txn := trees.Txn(true)
	defer txn.Abort()
	for rows := uint64(0); ; rows++ {
		raw, err := l.line()
		if err != nil {
			return err
		}
		var line snapshotLine
		if err := json.Unmarshal(raw, &line, json.RejectUnknownMembers(true)); err != nil {
			return l.invalid("line %d of the snapshot is damaged: %w", l.nr, err)
		}
		if line.End != nil {
			if err := l.end(line, rows); err != nil {
				return err
			}
			break
		}
		l.sum.Write(raw)
		rec, info, err := l.row(&line)
		if err != nil {
			return err
		}
		if err := txn.Insert(info.def.name, rec); err != nil {
			return err
		}
	}
	txn.Commit()
	l.view.txn = trees.Txn(false)
	l.trees = trees
	return l.references()
}

func (l *loader) end(line snapshotLine, rows uint64) error {
	if line.Table != "" || line.Row != nil || line.End.Rows != rows || line.End.Sum != hex.EncodeToString(l.sum.Sum(nil)) {
		return l.invalid("the snapshot is damaged: its end does not fit what comes before")
	}
	if _, err := l.in.ReadByte(); err == nil {
		return l.invalid("the snapshot goes on behind its end")
	} else if err != io.EOF {
		return &atoll.Error{Kind: atoll.Failed, Msg: "the snapshot could not be read", Err: err}
	}
	return nil
}

// row takes one row into the lookups and counts.
func (l *loader) row(r *snapshotLine) (*record, *tableInfo, error) {
	info := l.store.byName[r.Table]
	if info == nil {
		return nil, nil, l.invalid("line %d of the snapshot is of a table %q, which is not in the store", l.nr, r.Table)
	}
	row, pk, err := decodeRow(info.def, r.Schema, bytes.Clone(r.Row))
	if err != nil {
		return nil, nil, l.invalid("line %d of the snapshot: %w", l.nr, err)
	}
	rec := newRecord(info.def, row, pk, nil)
	st := l.view.tables[info.place]
	if st.byKey.get(pk) != nil {
		return nil, nil, l.invalid("line %d of the snapshot: a second row %q of %s", l.nr, pk, r.Table)
	}
	for i, u := range st.unique {
		if u != nil && rec.entries[i].b != nil && u.get(string(rec.entries[i].key())) != nil {
			return nil, nil, l.invalid("line %d of the snapshot: row %q of %s has the %s of another row", l.nr, pk, r.Table, info.def.indexes[i].name)
		}
	}
	rec.line, rec.inTree = &lineage{}, true
	rec.line.head.Store(rec)
	st.link(rec)
	l.view.counts[info.place]++
	return rec, info, nil
}

// references checks those of all rows.
func (l *loader) references() error {
	for _, st := range l.view.tables {
		for _, ref := range st.info.def.refs {
			var dangling string
			l.view.scan(span{def: st.info.def, index: ref.index.pos}, func(rec *record) bool {
				if l.view.lookup(ref.to, ref.target(rec.row)) == nil {
					dangling = rec.pk
				}
				return dangling == ""
			})
			if dangling != "" {
				return l.invalid("%s of row %q of %s names a row of %s that is not in the snapshot", ref.name, dangling, st.info.def.name, ref.to.name)
			}
		}
	}
	return nil
}
