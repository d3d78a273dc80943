package store

import (
	"context"
	"sync"

	"github.com/atoll-platform/atoll"
)

// Tracked is a View that remembers what was read through it. It is bounded:
// who reads very much of a table is told of any change of that table. Safe for
// concurrent use.
type Tracked struct {
	view *View

	mu     sync.Mutex
	tables map[*tableDef]*trackedTable
}

type trackedTable struct {
	all   bool
	keys  map[string]struct{} // primary keys
	spans map[span]struct{}
}

// trackedLimit is how many reads of one table are told apart.
const trackedLimit = 256

// Track returns a tracked view of the present state.
func (s *Store) Track() *Tracked {
	return &Tracked{view: s.View(), tables: make(map[*tableDef]*trackedTable)}
}

// Index returns the index of the last commit that the view contains.
func (t *Tracked) Index() uint64 { return t.view.index }

// View returns the view itself; what is read through that is not remembered.
func (t *Tracked) View() *View { return t.view }

// Changed blocks until something that was read through t has changed since, or
// may have: it returns nil too if the commits between are no longer kept. Kinds:
// Canceled, Timeout, Unavailable if the store is closed before.
func (t *Tracked) Changed(ctx context.Context) error {
	s := t.view.store
	for at := t.view.index; ; {
		c, wake, err := s.history.after(at)
		switch {
		case err != nil:
			return nil
		case c != nil:
			if t.affected(c) {
				return nil
			}
			at = c.Index
			continue
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return atoll.Wrap("store.Changed", ctx.Err())
		case <-s.done:
			if s.LastIndex() <= at {
				return errClosed("store.Changed")
			}
		}
	}
}

func (t *Tracked) affected(c *Commit) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range c.sets {
		tt := t.tables[p.info.def]
		if tt == nil {
			continue
		}
		if _, ok := tt.keys[p.pk]; ok || tt.all {
			return true
		}
		for sp := range tt.spans {
			if sp.contains(p.before) || sp.contains(p.after) {
				return true
			}
		}
	}
	return false
}

// note remembers a read with add, unless the table is remembered as a whole.
func (t *Tracked) note(def *tableDef, add func(*trackedTable)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	tt := t.tables[def]
	if tt == nil {
		tt = &trackedTable{keys: make(map[string]struct{}), spans: make(map[span]struct{})}
		t.tables[def] = tt
	}
	if tt.all {
		return
	}
	add(tt)
	if len(tt.keys)+len(tt.spans) > trackedLimit {
		*tt = trackedTable{all: true}
	}
}

func (t *Tracked) lookup(def *tableDef, pk string) *record {
	t.note(def, func(tt *trackedTable) { tt.keys[pk] = struct{}{} })
	return t.view.lookup(def, pk)
}

func (t *Tracked) lookupUnique(ix *indexDef, key string) *record {
	t.note(ix.table, func(tt *trackedTable) { tt.spans[exactly(ix, key)] = struct{}{} })
	return t.view.lookupUnique(ix, key)
}

func (t *Tracked) scan(sp span, yield func(*record) bool) {
	key := sp
	key.down = false
	t.note(sp.def, func(tt *trackedTable) { tt.spans[key] = struct{}{} })
	t.view.scan(sp, yield)
}

func (t *Tracked) count(def *tableDef) int {
	t.note(def, func(tt *trackedTable) { *tt = trackedTable{all: true} })
	return t.view.count(def)
}

var _ Reader = (*Tracked)(nil)
