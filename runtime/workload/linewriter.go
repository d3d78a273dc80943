package workload

import (
	"bytes"
	"sync"
	"time"
)

// partialWait is how long the beginning of a line waits for its rest.
const partialWait = time.Second

// lineWriter cuts what is written to it into lines of one stream of one
// instance. It never blocks for long and never fails; after Close it drops what
// is written. Safe for concurrent use.
type lineWriter struct {
	out      *outlet
	instance string
	stream   Stream
	tee      func([]byte)

	mu       sync.Mutex
	part     []byte
	timer    *time.Timer
	skipping bool // the rest of a line that was too long
	closed   bool
}

func (o *outlet) writer(instance string, stream Stream) *lineWriter {
	return &lineWriter{out: o, instance: instance, stream: stream}
}

// Write takes p in. It always takes all of it.
func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return len(p), nil
	}
	if w.tee != nil {
		w.tee(p)
	}
	n := len(p)
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			w.add(p)
			break
		}
		w.add(p[:end])
		w.emit(true)
		p = p[end+1:]
	}
	w.arm()
	return n, nil
}

// add appends to the line that is not complete.
func (w *lineWriter) add(p []byte) {
	most := w.out.spec.LineMax
	for len(p) > 0 && !w.skipping {
		room := most - len(w.part)
		if room == 0 {
			if w.out.spec.CutLines {
				w.put(true)
				w.skipping = true
				return
			}
			w.put(false)
			room = most
		}
		k := min(room, len(p))
		w.part = append(w.part, p[:k]...)
		p = p[k:]
	}
}

// emit ends a line.
func (w *lineWriter) emit(nl bool) {
	if w.skipping {
		w.skipping = false
		return
	}
	w.put(nl)
}

func (w *lineWriter) put(nl bool) {
	b := w.out.books
	b.open(w.out.workload).append(b.now(), &w.out.spec, w.instance, w.stream, nl, w.part)
	if w.part = w.part[:0]; cap(w.part) > segmentSize {
		w.part = nil
	}
}

// arm sees to it that a line without an end is taken in time.
func (w *lineWriter) arm() {
	switch {
	case len(w.part) == 0:
		if w.timer != nil {
			w.timer.Stop()
			w.timer = nil
		}
	case w.timer == nil:
		w.timer = time.AfterFunc(partialWait, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.timer = nil
			if len(w.part) > 0 && !w.closed {
				w.put(false)
			}
		})
	}
}

// Close takes what is left of a line and ends the writer. It is idempotent.
func (w *lineWriter) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	if len(w.part) > 0 {
		w.put(false)
	}
	w.closed = true
	w.part = nil
	if w.timer != nil {
		w.timer.Stop()
	}
}
