package workload

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/atoll-platform/atoll"
)

// Stream is where a line of output was written.
type Stream uint8

// The streams.
const (
	Stdout Stream = iota
	Stderr
)

var streamWords = words{"stdout", "stderr"}

func (v Stream) String() string { return streamWords.of(uint8(v), "stream") }

// Line is a piece of output. Lines of a workload have numbers without gaps, in
// the order in which they were written; times never go back.
type Line struct {
	Seq      uint64
	Time     time.Time
	Instance string // "" is of the workload as a whole
	Stream   Stream
	NL       bool // the line ends here; else the next piece goes on
	Text     []byte
}

// The defaults of a LogSpec.
const (
	defaultLines         = 1500
	defaultBytes         = 8 << 20
	defaultInstanceBytes = 64 << 10
	defaultLineMax       = 64 << 10
)

func (l LogSpec) filled() LogSpec {
	set := func(v *int, to int) {
		if *v <= 0 {
			*v = to
		}
	}
	set(&l.Lines, defaultLines)
	set(&l.Bytes, defaultBytes)
	set(&l.InstanceBytes, defaultInstanceBytes)
	set(&l.LineMax, defaultLineMax)
	return l
}

// books keep the output of all workloads, in memory alone.
type books struct {
	now func() time.Time

	mu sync.Mutex // before book.mu
	by map[string]*book
}

func newBooks(now func() time.Time) *books { return &books{now: now, by: map[string]*book{}} }

// outlet is where writers of one workload write.
type outlet struct {
	books    *books
	workload string
	spec     LogSpec
}

func (b *books) of(workload string, spec *LogSpec) *outlet {
	return &outlet{books: b, workload: workload, spec: spec.filled()}
}

// find returns the book of a workload, nil if nothing was written.
func (b *books) find(workload string) *book {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.by[workload]
}

func (b *books) open(workload string) *book {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.by[workload]
	if k == nil {
		at := uint64(b.now().UnixNano())
		k = &book{next: at, last: at, rings: map[string]*ring{}, numbers: map[string]uint32{}}
		b.by[workload] = k
	}
	return k
}

// all returns the books as they are now.
func (b *books) all() map[string]*book {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.by)
}

func (b *books) drop(workload string) {
	b.mu.Lock()
	k := b.by[workload]
	delete(b.by, workload)
	b.mu.Unlock()
	if k != nil {
		k.close()
	}
}

func (b *books) dropInstance(workload, instance string) {
	if k := b.find(workload); k != nil {
		k.forget(instance)
	}
}

// note writes a line of the supervisor.
func (b *books) note(w *Workload, n note) {
	spec := w.Spec.Logs.filled()
	b.open(w.ID).append(b.now(), &spec, n.instance, Stderr, true, []byte("[platform] "+n.text))
}

// book is the output of one workload: all lines in one ring, and the lines of
// each instance in its own.
type book struct {
	mu      sync.Mutex
	next    uint64 // number of the next line
	last    uint64 // time of the last one
	all     ring
	rings   map[string]*ring
	numbers map[string]uint32 // of instances, in records
	names   []string          // by number
	wake    chan struct{}     // closed at the next line; nil while nobody waits
	closed  bool
}

func (k *book) append(now time.Time, spec *LogSpec, instance string, stream Stream, nl bool, text []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return
	}
	at := max(uint64(now.UnixNano()), k.last)
	rec := record{seq: k.next, at: at, instance: k.number(instance), text: text}
	if stream == Stderr {
		rec.flags |= flagStderr
	}
	if nl {
		rec.flags |= flagNewline
	}
	k.next, k.last = k.next+1, at
	k.all.maxLines, k.all.maxBytes = spec.Lines, spec.Bytes
	k.all.append(&rec)
	if instance != "" {
		r := k.rings[instance]
		if r == nil {
			r = &ring{}
			k.rings[instance] = r
		}
		r.maxLines, r.maxBytes = spec.InstanceLines, spec.InstanceBytes
		r.append(&rec)
	}
	if k.wake != nil {
		close(k.wake)
		k.wake = nil
	}
}

// number returns the number of an instance. Numbers of instances that were
// forgotten are used again once no line has them.
func (k *book) number(instance string) uint32 {
	n, ok := k.numbers[instance]
	if ok {
		return n
	}
	n = uint32(len(k.names))
	k.names = append(k.names, instance)
	k.numbers[instance] = n
	if len(k.names) > 4*max(len(k.rings), 1024) {
		k.renumber()
		n = k.numbers[instance]
	}
	return n
}

// renumber forgets the names that no line has any more.
func (k *book) renumber() {
	used := map[uint32]uint32{}
	names := make([]string, 0, len(k.rings))
	keep := func(name string) uint32 {
		old := k.numbers[name]
		n, ok := used[old]
		if !ok {
			n = uint32(len(names))
			used[old] = n
			names = append(names, name)
		}
		return n
	}
	old := k.names
	var all ring
	all.maxLines, all.maxBytes, all.first = k.all.maxLines, k.all.maxBytes, k.all.first
	k.all.read(0, func(_ uint64, rec *record) bool {
		c := *rec
		c.instance = keep(old[rec.instance])
		all.append(&c)
		return true
	})
	newest := old[len(old)-1]
	keep(newest)
	k.all = all
	k.names, k.numbers = names, make(map[string]uint32, len(names))
	for n, name := range names {
		k.numbers[name] = uint32(n)
	}
}

func (k *book) forget(instance string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.rings, instance)
}

// instances returns the instances that have a ring.
func (k *book) instances() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Collect(maps.Keys(k.rings))
}

// close ends the book: followers see the end.
func (k *book) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
	if k.wake != nil {
		close(k.wake)
		k.wake = nil
	}
}

func (k *book) ring(instance string) *ring {
	if instance == "" {
		return &k.all
	}
	return k.rings[instance]
}

func (k *book) line(rec *record, instance string) Line {
	if instance == "" {
		instance = k.names[rec.instance]
	}
	l := Line{Seq: rec.seq, Time: time.Unix(0, int64(rec.at)).UTC(), Instance: instance, NL: rec.flags&flagNewline != 0, Text: append([]byte(nil), rec.text...)}
	if rec.flags&flagStderr != 0 {
		l.Stream = Stderr
	}
	return l
}

// tail returns the newest n lines, all if n is negative.
func (k *book) tail(instance string, n int) []Line {
	k.mu.Lock()
	defer k.mu.Unlock()
	r := k.ring(instance)
	if r == nil || n == 0 {
		return nil
	}
	from := uint64(0)
	if n > 0 && n < r.n {
		from = r.end() - uint64(n)
	}
	var out []Line
	r.read(from, func(_ uint64, rec *record) bool {
		out = append(out, k.line(rec, instance))
		return true
	})
	return out
}

// Batch is what a Cursor returns.
type Batch struct {
	Lost  uint64 // lines that were gone before they were read, before Lines
	Lines []Line
}

// Cursor reads output as it is written. It holds nothing back: who reads too
// slowly loses the oldest lines, and is told how many. For one goroutine at a
// time.
type Cursor struct {
	books    *books
	workload string
	instance string
	at       uint64 // ordinal of the next line in its ring
	started  bool
	from     uint64 // number of the first line that is wanted
	book     *book
}

// batchLines bounds one Batch.
const batchLines = 256

// Next returns the next lines, waiting for them. Kinds: Canceled, Timeout;
// Unavailable once the workload is gone and everything was read.
func (c *Cursor) Next(ctx context.Context) (Batch, error) {
	for {
		if c.book == nil {
			c.book = c.books.open(c.workload)
		}
		b, wake, closed := c.take()
		switch {
		case len(b.Lines) > 0 || b.Lost > 0:
			return b, nil
		case closed:
			return Batch{}, atoll.Errorf(atoll.Unavailable, "workload.Next", "the workload is gone")
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return Batch{}, atoll.Wrap("workload.Next", ctx.Err())
		}
	}
}

func (c *Cursor) take() (b Batch, wake <-chan struct{}, closed bool) {
	k := c.book
	k.mu.Lock()
	defer k.mu.Unlock()
	r := k.ring(c.instance)
	if r != nil {
		if c.started && c.at < r.first {
			b.Lost = r.first - c.at
		}
		if !c.started || c.at < r.first {
			c.at = r.first
		}
		c.started = true
		r.read(c.at, func(ordinal uint64, rec *record) bool {
			c.at = ordinal + 1
			if rec.seq >= c.from {
				b.Lines = append(b.Lines, k.line(rec, c.instance))
			}
			return len(b.Lines) < batchLines
		})
	}
	if k.wake == nil && !k.closed {
		k.wake = make(chan struct{})
	}
	return b, k.wake, k.closed
}
