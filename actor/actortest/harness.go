package actortest

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// Epoch is where the clock of a Harness starts.
var Epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// OutcomeKind is how an actor ended an event.
type OutcomeKind string

// The outcomes.
const (
	Nothing      OutcomeKind = "nothing"       // handled, no result
	Result       OutcomeKind = "result"        // an event
	NotProcessed OutcomeKind = "not processed" // ErrNotProcessed
	Failed       OutcomeKind = "failed"        // any other error, or a panic
)

// Outcome is what became of one event.
type Outcome struct {
	Kind  OutcomeKind
	Event string // JSON text of the result
	Err   string // message of a failure
}

// Emits returns the outcome of a result with that JSON text.
func Emits(event string) Outcome { return Outcome{Kind: Result, Event: event} }

// Option adjusts a Harness.
type Option func(*Harness)

// WithFiles gives the actor a directory to use; the default is none.
func WithFiles(dir *os.Root) Option { return func(h *Harness) { h.env.Files = dir } }

// WithHTTP gives the actor an HTTP client; the default is none.
func WithHTTP(c *http.Client, timeout time.Duration) Option {
	return func(h *Harness) {
		h.env.HTTP = c
		h.env.HTTPTimeout = func() time.Duration { return timeout }
	}
}

// WithBus gives the actor an event bus; the default is none.
func WithBus(b actor.Bus) Option { return func(h *Harness) { h.env.Bus = b } }

// WithLog sets the platform's log; the default discards.
func WithLog(l *slog.Logger) Option { return func(h *Harness) { h.env.Log = l } }

// WithSeed makes the platform's random numbers repeat; the default seed is 1.
func WithSeed(seed uint64) Option { return func(h *Harness) { h.seed = seed } }

// WithWallClock makes time.Now the clock, for sources in a synctest bubble.
// Advance then only sleeps.
func WithWallClock() Option { return func(h *Harness) { h.wall = true } }

// WithCollect lets the definition collect that alias and answers with the JSON
// value; "" answers with an error.
func WithCollect(alias, value string) Option {
	return func(h *Harness) {
		h.aliases = append(h.aliases, alias)
		h.SetCollect(alias, value)
	}
}

// Harness is one running actor. It is not safe for concurrent use, except
// beside Run.
type Harness struct {
	tb       testing.TB
	env      actor.Env
	aliases  []string
	collects map[string]string
	seed     uint64
	wall     bool
	now      time.Time
	nextTick time.Time
	counters map[string]int
	instance actor.Actor

	mu      sync.Mutex // guards emitted: a Source emits from its own goroutine
	emitted []string
}

func newHarness(tb testing.TB, opts []Option) *Harness {
	h := &Harness{
		tb: tb, seed: 1, now: Epoch,
		collects: make(map[string]string), counters: make(map[string]int),
	}
	h.env = actor.Env{
		Log:         slog.New(slog.DiscardHandler),
		Now:         h.Now,
		HTTPTimeout: func() time.Duration { return 10 * time.Second },
		Rand:        func() *rand.Rand { return rand.New(rand.NewPCG(h.seed, 0)) },
	}
	for _, o := range opts {
		o(h)
	}
	return h
}

// Compile compiles the parameters, JSON text or "" for none, and returns the
// findings.
func Compile(tb testing.TB, t *actor.Type, params string, opts ...Option) []atoll.Finding {
	tb.Helper()
	_, findings := newHarness(tb, opts).compile(t, params)
	return findings
}

func (h *Harness) compile(t *actor.Type, params string) (actor.Maker, []atoll.Finding) {
	h.tb.Helper()
	var v actor.Value
	if params != "" {
		var err error
		if v, err = actor.ParseValue([]byte(params)); err != nil {
			h.tb.Fatalf("the parameters are not JSON: %v", err)
		}
	}
	mk, findings := t.Compile(actor.Params{Value: v, Collect: h.aliases, Env: &h.env})
	if mk == nil && len(findings) == 0 {
		h.tb.Fatalf("%s: Compile returned neither a maker nor findings", t.Name)
	}
	return mk, findings
}

// Start compiles the parameters and makes an instance, which is closed at the
// end of the test. Findings and a failing maker end the test.
func Start(tb testing.TB, t *actor.Type, params string, opts ...Option) *Harness {
	tb.Helper()
	h, err := Make(tb, t, params, opts...)
	if err != nil {
		tb.Fatalf("%s: %v", t.Name, err)
	}
	return h
}

// Make is Start for an actor whose maker may fail.
func Make(tb testing.TB, t *actor.Type, params string, opts ...Option) (*Harness, error) {
	tb.Helper()
	h := newHarness(tb, opts)
	mk, findings := h.compile(t, params)
	if len(findings) > 0 {
		tb.Fatalf("%s: %v", t.Name, findings)
	}
	var err error
	if h.instance, err = mk(&h.env); err != nil {
		return nil, err
	}
	if tick, ok := h.instance.(actor.Ticker); ok {
		h.nextTick = h.Now().Add(tick.Every())
	}
	tb.Cleanup(h.Close)
	return h, nil
}

// Close closes the actor if it is a Closer.
func (h *Harness) Close() {
	c, ok := h.instance.(actor.Closer)
	h.instance = nil
	if ok {
		if err := c.Close(); err != nil {
			h.tb.Errorf("Close: %v", err)
		}
	}
}

// Actor returns the instance.
func (h *Harness) Actor() actor.Actor { return h.instance }

// SetCollect changes what a collect answers.
func (h *Harness) SetCollect(alias, value string) { h.collects[alias] = value }

// Send passes events, JSON texts, to the actor one after the other.
func (h *Harness) Send(events ...string) []Outcome {
	h.tb.Helper()
	outcomes := make([]Outcome, len(events))
	for i, text := range events {
		e, err := actor.Parse([]byte(text))
		if err != nil {
			h.tb.Fatalf("event %s: %v", text, err)
		}
		outcomes[i] = h.run(func() (*actor.Event, error) {
			if a, ok := h.instance.(actor.Async); ok {
				return a.Perform(h.tb.Context(), e)
			}
			return h.instance.Trigger(callContext{h}, e)
		})
	}
	return outcomes
}

// run calls the actor as the engine does: a panic is the event's failure, and
// a result is recorded as emitted.
func (h *Harness) run(call func() (*actor.Event, error)) (o Outcome) {
	defer func() {
		if r := recover(); r != nil {
			h.tb.Logf("panic: %v", r)
			o = Outcome{Kind: Failed, Err: "panic"}
		}
	}()
	e, err := call()
	switch {
	case errors.Is(err, actor.ErrNotProcessed):
		return Outcome{Kind: NotProcessed}
	case err != nil:
		msg := err.Error()
		if e, ok := errors.AsType[*atoll.Error](err); ok && e.Msg != "" {
			msg = e.Msg
		}
		return Outcome{Kind: Failed, Err: msg}
	case e == nil:
		return Outcome{Kind: Nothing}
	}
	if err := e.Err(); err != nil {
		return Outcome{Kind: Failed, Err: err.Error()}
	}
	h.record(e)
	return Emits(e.String())
}

func (h *Harness) record(es ...*actor.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range es {
		h.emitted = append(h.emitted, e.String())
	}
}

// Emitted returns the JSON texts of all that was emitted since the last call.
func (h *Harness) Emitted() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	es := h.emitted
	h.emitted = nil
	return es
}

// Counters returns the counters that the actor raised.
func (h *Harness) Counters() map[string]int { return h.counters }

// Now returns the harness's time.
func (h *Harness) Now() time.Time {
	if h.wall {
		return time.Now()
	}
	return h.now
}

// Advance moves the clock by d, ticking a Ticker whenever its time comes.
func (h *Harness) Advance(d time.Duration) {
	h.tb.Helper()
	if h.wall {
		time.Sleep(d)
		return
	}
	end := h.now.Add(d)
	if t, ok := h.instance.(actor.Ticker); ok {
		for ; !h.nextTick.After(end); h.nextTick = h.nextTick.Add(t.Every()) {
			h.now = h.nextTick
			if o := h.run(func() (*actor.Event, error) { return t.Tick(callContext{h}) }); o.Kind == Failed {
				h.tb.Errorf("Tick: %s", o.Err)
			}
		}
	}
	h.now = end
}

// Timeout runs what the actor does when its timeout elapses.
func (h *Harness) Timeout() Outcome {
	t, ok := h.instance.(actor.Timed)
	if !ok {
		return Outcome{Kind: Nothing}
	}
	return h.run(func() (*actor.Event, error) { return t.Timeout(callContext{h}) })
}

// State returns the state as a JSON object with the names in their order.
func (h *Harness) State() string {
	h.tb.Helper()
	s, ok := h.instance.(actor.Stateful)
	if !ok {
		return "{}"
	}
	var fields []actor.Field
	for _, name := range s.StateNames() {
		v := s.State(name)
		if v.Kind() == actor.MissingKind {
			h.tb.Errorf("the state names %q but has no value for it", name)
		}
		fields = append(fields, actor.Field{Name: name, Value: v})
	}
	return actor.Object(fields...).String()
}

// Save returns the saved state of a Saver.
func (h *Harness) Save() string {
	h.tb.Helper()
	data, err := h.instance.(actor.Saver).SaveState()
	if err != nil {
		h.tb.Fatalf("SaveState: %v", err)
	}
	return string(data)
}

// Restore hands saved state to a Saver.
func (h *Harness) Restore(data string) error {
	return h.instance.(actor.Saver).RestoreState([]byte(data))
}

// Run runs a Source until it is exhausted or ctx ends; what it emits is
// recorded. It may run on a goroutine of its own.
func (h *Harness) Run(ctx context.Context) error {
	return h.instance.(actor.Source).Run(ctx, outlet{h})
}

// callContext is what the harness offers to a running actor.
type callContext struct{ h *Harness }

func (c callContext) Emit(e *actor.Event) { c.h.record(e) }

func (c callContext) Count(name string) { c.h.counters[name]++ }

func (c callContext) Now() time.Time { return c.h.Now() }

func (c callContext) Collect(alias string) (actor.Value, error) {
	return c.collect(alias)
}

// CollectBy answers with what SetCollect set for "alias/key".
func (c callContext) CollectBy(alias, key string) (actor.Value, error) {
	return c.collect(alias + "/" + key)
}

func (c callContext) collect(name string) (actor.Value, error) {
	text := c.h.collects[name]
	if text == "" {
		return actor.Value{}, atoll.Errorf(atoll.Failed, "collect", "nothing to collect for %q", name)
	}
	v, err := actor.ParseValue([]byte(text))
	if err != nil {
		c.h.tb.Errorf("collect %s: %v", name, err)
	}
	if v.IsMissing() {
		return actor.Value{}, atoll.Errorf(atoll.Failed, "collect", "%q is null", name)
	}
	return v, nil
}

// outlet records what a Source emits.
type outlet struct{ h *Harness }

func (o outlet) Emit(ctx context.Context, e *actor.Event) error {
	return o.EmitBatch(ctx, []*actor.Event{e})
}

func (o outlet) EmitBatch(ctx context.Context, es []*actor.Event) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o.h.record(es...)
	return nil
}
