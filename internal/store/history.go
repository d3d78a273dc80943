package store

import (
	"context"
	"fmt"
	"slices"
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
	parked  []*Stream     // that wait for a commit of their choice
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
	h.parked = slices.DeleteFunc(h.parked, func(st *Stream) bool {
		switch {
		case c.Index <= st.since:
			return false // it begins in the future
		case st.choice(c):
			st.unpark <- struct{}{}
			return true
		}
		st.since = c.Index
		return false
	})
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
	for _, st := range h.parked {
		st.unpark <- struct{}{}
	}
	h.parked = nil
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
	c, err := h.next(index)
	if c == nil && err == nil {
		return nil, h.waitLocked(), nil
	}
	return c, nil, err
}

// parkAfter is after for a stream that, if there is none yet, waits for a commit
// of its choice.
func (h *history) parkAfter(st *Stream) (*Commit, <-chan struct{}, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c, err := h.next(st.since)
	if c == nil && err == nil {
		h.parked = append(h.parked, st)
		return nil, st.unpark, nil
	}
	return c, nil, err
}

func (h *history) next(index uint64) (*Commit, error) {
	switch {
	case index < h.floor:
		return nil, &LostError{Resume: h.floor}
	case index >= h.tip:
		return nil, nil
	}
	return h.ring[(h.head+int(index-h.floor))%len(h.ring)], nil
}

// leave ends the wait of a stream.
func (h *history) leave(st *Stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.parked = slices.DeleteFunc(h.parked, func(o *Stream) bool { return o == st })
	select {
	case <-st.unpark:
	default:
	}
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

	choice func(*Commit) bool // besides filter; nil = every commit wakes
	unpark chan struct{}      // of size 1
}

// Watch returns a stream of the commits behind index since for which filter
// returns true, until ctx ends. A nil filter lets all pass; filter runs in
// Next. A since in the future skips what comes before it.
func (s *Store) Watch(ctx context.Context, since uint64, filter func(*Commit) bool) *Stream {
	return &Stream{store: s, since: since, filter: filter, ended: ctx.Done()}
}

// WatchFor is Watch for a reader that few commits concern: while it waits, choice
// is asked by the writer, and nothing is woken for a commit that it refuses. So
// choice must be quick, must not use the store, and may run in any goroutine.
func (s *Store) WatchFor(ctx context.Context, since uint64, choice func(*Commit) bool) *Stream {
	return &Stream{store: s, since: since, filter: choice, ended: ctx.Done(), choice: choice, unpark: make(chan struct{}, 1)}
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
		c, wake, err := st.after()
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
		closed := false
		select {
		case <-wake:
		case <-ctx.Done():
		case <-st.ended:
		case <-st.store.done:
			closed = true
		}
		if st.choice != nil {
			st.store.history.leave(st)
		}
		if closed && st.store.LastIndex() <= st.since {
			return nil, errClosed("store.Next")
		}
	}
}

func (st *Stream) after() (*Commit, <-chan struct{}, error) {
	if st.choice != nil {
		return st.store.history.parkAfter(st)
	}
	return st.store.history.after(st.since)
}

func errEnded() error {
	return atoll.Errorf(atoll.Canceled, "store.Next", "the stream has ended")
}
