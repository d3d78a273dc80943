package builtin

import (
	"encoding/json"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// The bounds of a window. Since what it holds is emitted as one event, it holds
// no more than fits into one: then the oldest event makes room and is counted
// as "dropped".
const (
	maxWindowEvents = 10_000 // the greatest number of a count window
	maxWindowBytes  = actor.MaxSize - 1<<10
	maxWindowTime   = 24 * time.Hour // the longest time window and step
)

var windowType = actor.Type{
	Name:     "window",
	Doc:      "Gathers events by number or time and emits them together.",
	Compile:  compiler(buildWindow),
	Stateful: true,
}

type windowParams struct {
	Method  string `json:"method" param:"required"`
	Number  int64  `json:"number" param:"required"`
	Sliding *int64 `json:"sliding"`
}

func buildWindow(p *windowParams, _ actor.Params, f *findings) actor.Maker {
	f.oneOf("/method", p.Method, "count", "time")
	limit, unit := int64(maxWindowEvents), "events"
	if p.Method == "time" {
		limit, unit = maxWindowTime.Milliseconds(), "milliseconds"
	}
	within := func(path string, n int64) {
		if f.clean(path) && (n < 1 || n > limit) {
			f.add(path, "range", "%q must be from 1 to %d %s", name(path), limit, unit)
		}
	}
	within("/number", p.Number)
	w := window{method: p.Method, number: int(p.Number), sliding: int(p.Number)}
	if p.Sliding != nil {
		within("/sliding", *p.Sliding)
		w.sliding = int(*p.Sliding)
	}
	if p.Method == "time" {
		return func(env *actor.Env) (actor.Actor, error) {
			return &timeWindow{window: w, created: env.Now()}, nil
		}
	}
	return func(*actor.Env) (actor.Actor, error) { return &countWindow{window: w}, nil }
}

// window is what both kinds hold: events with the time they came, oldest
// first.
type window struct {
	method          string
	number, sliding int
	held            []heldEvent
	bytes           int
}

type heldEvent struct {
	At    time.Time   `json:"at"`
	Event actor.Value `json:"event"`
}

// hold takes in an event, dropping the oldest ones if it does not fit besides
// them.
func (w *window) hold(c actor.Context, e *actor.Event, at time.Time) {
	h := heldEvent{At: at, Event: e.Value()}
	n := h.size()
	if n > maxWindowBytes {
		c.Count("dropped")
		return
	}
	drop := 0
	for bytes := w.bytes; drop < len(w.held) && (bytes+n > maxWindowBytes || len(w.held)-drop >= maxWindowEvents); drop++ {
		bytes -= w.held[drop].size()
		c.Count("dropped")
	}
	w.drop(drop)
	w.held = append(w.held, h)
	w.bytes += n
}

// size is what the event takes in the one that is emitted.
func (h *heldEvent) size() int { return len(h.Event.String()) + 1 }

// drop forgets the oldest n events.
func (w *window) drop(n int) {
	for i := range n {
		w.bytes -= w.held[i].size()
		w.held[i] = heldEvent{}
	}
	if w.held = w.held[n:]; len(w.held) == 0 {
		w.held = nil
	}
}

// emit returns the event that holds the window's events.
func (w *window) emit() *actor.Event {
	data := make([]actor.Value, len(w.held))
	for i := range w.held {
		data[i] = w.held[i].Event
	}
	return actor.NewEvent(actor.Field{Name: "data", Value: actor.Array(data...)})
}

func (w *window) StateNames() []string { return []string{"method", "number", "sliding"} }

func (w *window) State(name string) actor.Value {
	switch name {
	case "method":
		return actor.String(w.method)
	case "number":
		return actor.Int(int64(w.number))
	case "sliding":
		return actor.Int(int64(w.sliding))
	}
	return actor.Value{}
}

type savedWindow struct {
	Held    []heldEvent `json:"held"`
	Skip    int         `json:"skip,omitempty"`
	Created time.Time   `json:"created,omitzero"`
}

func (w *window) restoreHeld(held []heldEvent) error {
	n := window{}
	for _, h := range held {
		if h.Event.Kind() != actor.ObjectKind {
			return atoll.Errorf(atoll.Invalid, "window", "a saved event is no object")
		}
		n.held = append(n.held, h)
		n.bytes += h.size()
	}
	if len(n.held) > maxWindowEvents || n.bytes > maxWindowBytes {
		return atoll.Errorf(atoll.Invalid, "window", "the saved events do not fit into a window")
	}
	w.held, w.bytes = n.held, n.bytes
	return nil
}

// countWindow emits when it holds number events, and goes on sliding events
// further.
type countWindow struct {
	window
	skip int // events still to skip, for a step longer than the window
}

func (w *countWindow) Trigger(c actor.Context, e *actor.Event) (*actor.Event, error) {
	if w.skip > 0 {
		w.skip--
		return nil, nil
	}
	w.hold(c, e, time.Time{})
	if len(w.held) < w.number {
		return nil, nil
	}
	out := w.emit()
	w.drop(min(w.sliding, w.number))
	w.skip = max(w.sliding-w.number, 0)
	return out, nil
}

func (w *countWindow) SaveState() ([]byte, error) {
	return json.Marshal(savedWindow{Held: w.held, Skip: w.skip})
}

func (w *countWindow) RestoreState(data []byte) error {
	var saved savedWindow
	if err := restore("window", data, &saved); err != nil {
		return err
	}
	if len(saved.Held) >= w.number || saved.Skip < 0 || saved.Skip > max(w.sliding-w.number, 0) {
		return atoll.Errorf(atoll.Invalid, "window", "the saved window does not fit the parameters")
	}
	if err := w.restoreHeld(saved.Held); err != nil {
		return err
	}
	w.skip = saved.Skip
	return nil
}

// timeWindow emits every sliding milliseconds what came in the last number
// milliseconds.
type timeWindow struct {
	window
	created time.Time
}

func (w *timeWindow) Trigger(c actor.Context, e *actor.Event) (*actor.Event, error) {
	w.hold(c, e, c.Now())
	return nil, nil
}

func (w *timeWindow) Every() time.Duration { return time.Duration(w.sliding) * time.Millisecond }

func (w *timeWindow) Tick(c actor.Context) (*actor.Event, error) {
	span := time.Duration(w.number) * time.Millisecond
	now := c.Now()
	if w.sliding != w.number {
		old := 0
		for old < len(w.held) && now.Sub(w.held[old].At) > span {
			old++
		}
		w.drop(old)
		if now.Sub(w.created) < span {
			return nil, nil
		}
	}
	if len(w.held) == 0 {
		return nil, nil
	}
	out := w.emit()
	if w.sliding == w.number {
		w.drop(len(w.held))
	}
	return out, nil
}

func (w *timeWindow) SaveState() ([]byte, error) {
	return json.Marshal(savedWindow{Held: w.held, Created: w.created})
}

func (w *timeWindow) RestoreState(data []byte) error {
	var saved savedWindow
	if err := restore("window", data, &saved); err != nil {
		return err
	}
	if err := w.restoreHeld(saved.Held); err != nil {
		return err
	}
	w.created = saved.Created
	return nil
}
