package store

import (
	"context"
	"fmt"
	"sync"

	"github.com/atoll-platform/atoll"
)

// history keeps the newest commits, without gaps. Its lock is the innermost.
type history struct {
	limit int // commits; 16 times as many changes

	mu      sync.Mutex
	ring    []*Commit // grows up to limit, then wraps
	head    int       // of the oldest
	n       int
	floor   uint64 // commits up to here are not kept
	tip     uint64 // newest commit
	changes int
	wake    chan struct{} // closed at the next commit; nil while nobody waits
}

const changesPerCommit = 16

func (h *history) append(c *Commit) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.n == h.limit {
		h.drop()
	}
	if h.n == len(h.ring) {
		ring := make([]*Commit, min(max(16, 2*h.n), h.limit))
		for i := range h.n {
			ring[i] = h.ring[(h.head+i)%len(h.ring)]
		}
		h.ring, h.head = ring, 0
	}
	h.ring[(h.head+h.n)%len(h.ring)] = c
	h.n++
	h.tip = c.Index
	h.changes += len(c.Changes)
	for h.n > 1 && h.changes > changesPerCommit*h.limit {
		h.drop()
	}
	h.notify()
}

func (h *history) drop() {
	c := h.ring[h.head]
	h.ring[h.head] = nil
	h.head = (h.head + 1) % len(h.ring)
	h.n--
	h.floor = c.Index
	h.changes -= len(c.Changes)
}

// reset forgets everything: the state of index does not follow from the last.
func (h *history) reset(index uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ring, h.head, h.n, h.changes = nil, 0, 0, 0
	h.floor, h.tip = index, index
	h.notify()
}

func (h *history) notify() {
	if h.wake != nil {
		close(h.wake)
		h.wake = nil
	}
}

// wait returns a channel that is closed at the next commit.
func (h *history) wait() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.waitLocked()
}

func (h *history) waitLocked() <-chan struct{} {
	if h.wake == nil {
		h.wake = make(chan struct{})
	}
	return h.wake
}

// after returns the first commit behind index; a channel to wait on if there is
// none yet; a LostError if it is no longer kept.
func (h *history) after(index uint64) (*Commit, <-chan struct{}, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case index < h.floor:
		return nil, nil, &LostError{Resume: h.floor}
	case index >= h.tip:
		return nil, h.waitLocked(), nil
	}
	return h.ring[(h.head+int(index-h.floor))%len(h.ring)], nil, nil
}

// LostError tells a reader of a stream that commits behind its position are no
// longer kept. The stream goes on behind Resume. The reader must look at a
// View taken after the error, which contains at least all that was lost.
type LostError struct{ Resume uint64 }

func (e *LostError) Error() string {
	return fmt.Sprintf("store: commits up to %d are no longer kept", e.Resume)
}

// Stream reads commits in their order. It holds nothing and needs no closing;
// however slow, it never slows a writer. For one goroutine at a time.
type Stream struct {
	store  *Store
	since  uint64
	filter func(*Commit) bool
	ended  <-chan struct{}
}

// Watch returns a stream of the commits behind index since for which filter
// returns true, until ctx ends. A nil filter lets all pass; filter runs in
// Next. A since in the future skips what comes before it.
func (s *Store) Watch(ctx context.Context, since uint64, filter func(*Commit) bool) *Stream {
	return &Stream{store: s, since: since, filter: filter, ended: ctx.Done()}
}

// Position returns the index that the stream has read up to: a stream begun
// there misses nothing and repeats nothing.
func (st *Stream) Position() uint64 { return st.since }

// Next returns the next commit, waiting for it. Errors: *LostError, after which
// Next may be called again; Canceled and Timeout; Canceled if the context of
// Watch has ended; Unavailable once the store is closed and everything kept was
// read.
func (st *Stream) Next(ctx context.Context) (*Commit, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, atoll.Wrap("store.Next", err)
		}
		select {
		case <-st.ended:
			return nil, errEnded()
		default:
		}
		c, wake, err := st.store.history.after(st.since)
		switch {
		case err != nil:
			st.since = err.(*LostError).Resume
			return nil, err
		case c != nil:
			st.since = c.Index
			if st.filter == nil || st.filter(c) {
				return c, nil
			}
			continue
		}
		select {
		case <-wake:
		case <-ctx.Done():
		case <-st.ended:
		case <-st.store.done:
			if st.store.LastIndex() <= st.since {
				return nil, errClosed("store.Next")
			}
		}
	}
}

func errEnded() error {
	return atoll.Errorf(atoll.Canceled, "store.Next", "the stream has ended")
}
