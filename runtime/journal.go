package runtime

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/policy"
)

// LogType says which way an event of the event log went.
type LogType uint8

// The types of logged events.
const (
	LoggedIn  LogType = 1 // it came to the actor
	LoggedOut LogType = 2 // the actor emitted it
)

// LoggedEvent is one entry of the event log of a runtime.
type LoggedEvent struct {
	Type    LogType
	Owner   string // id of the user
	Runtime string // id
	Actor   string
	At      time.Time
	Event   *actor.Event
}

// MarshalJSON returns the entry as an object with logtype, owner, runtime, actor,
// day, hour, timestamp and json, times in UTC.
func (e LoggedEvent) MarshalJSON() ([]byte, error) {
	at := e.At.UTC()
	return actor.Object(
		actor.Field{Name: "logtype", Value: actor.Int(int64(e.Type))},
		actor.Field{Name: "owner", Value: actor.String(e.Owner)},
		actor.Field{Name: "runtime", Value: actor.String(e.Runtime)},
		actor.Field{Name: "actor", Value: actor.String(e.Actor)},
		actor.Field{Name: "day", Value: actor.String(at.Format(time.DateOnly))},
		actor.Field{Name: "hour", Value: actor.Int(int64(at.Hour()))},
		actor.Field{Name: "timestamp", Value: actor.String(at.Format("2006-01-02T15:04:05.000"))},
		actor.Field{Name: "json", Value: e.Event.Value()},
	).AppendJSON(nil), nil
}

// JournalOptions are the settings of a Journal. All are optional.
type JournalOptions struct {
	Enabled func() bool      // whether events are kept now; default they are
	Now     func() time.Time // default time.Now
	Bytes   int              // kept of one runtime, the newest; default 1 MiB
	Total   int              // kept in all; default 64 MiB
}

// Journal is the event log: it keeps the newest events of actors whose
// definition asks for it, in memory. Give Keep to the Engine as its EventLog and
// the Journal to the Service. It is safe for concurrent use and never blocks for
// long. When all runtimes together have used up what there is, those that log
// more only keep what they can by letting go of their own oldest entries.
type Journal struct {
	o     JournalOptions
	total atomic.Int64

	mu   sync.RWMutex // above that of a log
	logs map[string]*eventLog
}

// NewJournal returns an empty Journal.
func NewJournal(o JournalOptions) *Journal {
	if o.Enabled == nil {
		o.Enabled = func() bool { return true }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Bytes <= 0 {
		o.Bytes = 1 << 20
	}
	if o.Total <= 0 {
		o.Total = 64 << 20
	}
	return &Journal{o: o, logs: make(map[string]*eventLog)}
}

// eventLog is the entries of one runtime, a ring that grows.
type eventLog struct {
	mu    sync.Mutex
	ring  []logEntry
	first int
	n     int
	bytes int
	lost  uint64
	ended bool
}

type logEntry struct {
	typ   LogType
	actor string
	at    time.Time
	event *actor.Event
}

// entrySize is what an entry takes beside its event.
const entrySize = 64

func (e *logEntry) size() int { return e.event.Size() + entrySize }

// Keep takes an entry. It is for EngineOptions.EventLog.
func (j *Journal) Keep(e LogEntry) {
	if !j.o.Enabled() {
		return
	}
	entry := logEntry{typ: LoggedIn, actor: e.Actor, at: j.o.Now(), event: e.Event}
	if e.Outgoing {
		entry.typ = LoggedOut
	}
	j.log(e.Instance).put(j, entry)
}

func (j *Journal) log(id string) *eventLog {
	j.mu.RLock()
	l := j.logs[id]
	j.mu.RUnlock()
	if l != nil {
		return l
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if l = j.logs[id]; l == nil {
		l = &eventLog{}
		j.logs[id] = l
	}
	return l
}

func (l *eventLog) put(j *Journal, e logEntry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	size := e.size()
	total := j.total.Add(int64(size))
	freed := 0
	for l.n > 0 && (l.bytes+size > j.o.Bytes || total-int64(freed) > int64(j.o.Total)) {
		freed += l.drop()
	}
	j.total.Add(-int64(freed))
	if l.bytes+size > j.o.Bytes || total-int64(freed) > int64(j.o.Total) {
		j.total.Add(-int64(size))
		l.lost++
		return
	}
	if l.n == len(l.ring) {
		ring := make([]logEntry, max(2*l.n, 16))
		for k := range l.n {
			ring[k] = l.ring[(l.first+k)%len(l.ring)]
		}
		l.ring, l.first = ring, 0
	}
	l.ring[(l.first+l.n)%len(l.ring)] = e
	l.n++
	l.bytes += size
}

// drop lets go of the oldest entry and returns its size.
func (l *eventLog) drop() int {
	size := l.ring[l.first].size()
	l.ring[l.first] = logEntry{}
	l.first = (l.first + 1) % len(l.ring)
	l.n--
	l.bytes -= size
	l.lost++
	return size
}

// forget ends the log of a runtime that is gone.
func (j *Journal) forget(id string) {
	j.mu.Lock()
	l := j.logs[id]
	delete(j.logs, id)
	j.mu.Unlock()
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	j.total.Add(-int64(l.bytes))
	l.ring, l.n, l.bytes = nil, 0, 0
}

// LogFilter chooses entries of an event log; the zero LogFilter chooses all.
type LogFilter struct {
	Actor        string
	Type         LogType   // 0 is both
	Since, Until time.Time // the first one included, the second one not; zero is open
	Limit        int       // the newest that fit; 0 is all
}

func (f *LogFilter) fits(e *logEntry) bool {
	return (f.Actor == "" || f.Actor == e.actor) && (f.Type == 0 || f.Type == e.typ) &&
		(f.Since.IsZero() || !e.at.Before(f.Since)) && (f.Until.IsZero() || e.at.Before(f.Until))
}

// LoggedEvents is what the event log has of a runtime.
type LoggedEvents struct {
	Events []LoggedEvent // the oldest first
	Lost   uint64        // entries that were let go of since the runtime was made, for lack of room
}

// read returns the entries of a runtime that fit.
func (j *Journal) read(id, owner string, f LogFilter) LoggedEvents {
	j.mu.RLock()
	l := j.logs[id]
	j.mu.RUnlock()
	out := LoggedEvents{Events: []LoggedEvent{}}
	if l == nil {
		return out
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	out.Lost = l.lost
	from := l.n
	for left := f.Limit; from > 0; from-- {
		if !f.fits(&l.ring[(l.first+from-1)%len(l.ring)]) {
			continue
		}
		if left--; f.Limit > 0 && left < 0 {
			break
		}
	}
	for k := from; k < l.n; k++ {
		if e := &l.ring[(l.first+k)%len(l.ring)]; f.fits(e) {
			out.Events = append(out.Events, LoggedEvent{Type: e.typ, Owner: owner, Runtime: id, Actor: e.actor, At: e.at, Event: e.event})
		}
	}
	return out
}

// WithJournal sets where the event log is kept. Default: there is none, and
// Service.EventLog is Unavailable.
func WithJournal(j *Journal) Option { return func(s *Service) { s.journal = j } }

// EventLog returns what the event log has of a runtime. Kinds: NotFound, also
// for an actor that is named and is not there; Denied; Invalid: a negative limit
// or an unknown type; FailedState, Unavailable.
func (s *Service) EventLog(ctx context.Context, ref string, f LogFilter) (LoggedEvents, error) {
	const op = "runtime.EventLog"
	rec, err := s.allowed(ctx, op, ref, call{policy.Read, "GET", "/log"})
	switch {
	case err != nil:
		return LoggedEvents{}, err
	case s.journal == nil:
		return LoggedEvents{}, atoll.Errorf(atoll.Unavailable, op, "no event log is kept here")
	case f.Limit < 0 || f.Type > LoggedOut:
		return LoggedEvents{}, atoll.Errorf(atoll.Invalid, op, "a limit is not negative, and a type is 1 or 2")
	case f.Actor != "":
		if _, err := s.withActor(op, rec, f.Actor); err != nil {
			return LoggedEvents{}, err
		}
	}
	return s.journal.read(rec.ID, rec.OwnerID, f), nil
}
