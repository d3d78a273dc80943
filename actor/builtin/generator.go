package builtin

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"sync"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

var generatorType = actor.Type{
	Name:     "generator",
	Doc:      "Produces events from a format with random values, at a rate.",
	Compile:  compiler(buildGenerator),
	Source:   true,
	Stateful: true,
}

type generatorParams struct {
	Format actor.Value `json:"format" param:"required"`
	Timer  struct {
		Rate  float64     `json:"rate" param:"required"`
		Times *int64      `json:"times"`
		Delay actor.Value `json:"delay"`
	} `json:"timer" param:"required"`
	Seed *int64 `json:"seed"`
}

func buildGenerator(p *generatorParams, in actor.Params, f *findings) actor.Maker {
	if f.clean("/format") {
		f.object("/format", p.Format)
	}
	if f.clean("/timer/rate") && p.Timer.Rate < 0 {
		f.add("/timer/rate", "range", `"rate" must not be negative`)
	}
	delay := p.Timer.Delay
	if d, ok := delay.Float(); !ok || d < 0 {
		delay = actor.Int(0)
	}
	shape := compileFormat(p.Format)
	return func(env *actor.Env) (actor.Actor, error) {
		g := &generator{
			format: p.Format, shape: shape, pace: pace{p.Timer.Rate}, times: p.Timer.Times,
			rate: in.Value.Get("timer").Get("rate"), delay: delay,
		}
		if p.Seed != nil {
			g.seeded = rand.NewPCG(uint64(*p.Seed), 0)
			g.rand = rand.New(g.seeded)
		} else {
			g.rand = random(nil, env)
		}
		return g, nil
	}
}

type generator struct {
	format      actor.Value
	shape       *format
	pace        pace
	times       *int64
	rate, delay actor.Value

	mu      sync.Mutex // Run changes what State and SaveState read
	count   int64
	pending *actor.Event // drawn, but refused when the source was stopped
	rand    *rand.Rand
	seeded  *rand.PCG // source of rand if it is repeatable
	before  rand.PCG  // seeded as it was when pending was drawn
}

// Trigger ignores events.
func (g *generator) Trigger(actor.Context, *actor.Event) (*actor.Event, error) { return nil, nil }

// Run emits the first event after the delay and then as many as the rate asks
// for, counted from the start of this run.
func (g *generator) Run(ctx context.Context, out actor.Outlet) error {
	if g.pace.rate == 0 {
		return nil
	}
	delay, _ := g.delay.Float()
	if !wait(ctx, seconds(delay)) {
		return nil
	}
	for run := g.pace.begin(); g.more(); {
		if !run.wait(ctx) {
			return nil
		}
		if err := out.Emit(ctx, g.next()); err != nil {
			return stopped(ctx, err)
		}
		g.emitted()
	}
	return nil
}

// more reports whether there are events left to emit.
func (g *generator) more() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.times == nil || g.count < *g.times
}

// next returns the next event; it stays the next one until it was emitted.
func (g *generator) next() *actor.Event {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pending == nil {
		if g.seeded != nil {
			g.before = *g.seeded
		}
		g.pending = g.shape.event(g.rand)
	}
	return g.pending
}

func (g *generator) emitted() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count++
	g.pending = nil
}

func (g *generator) StateNames() []string {
	return []string{"rate", "times", "delay", "format", "count"}
}

func (g *generator) State(name string) actor.Value {
	switch name {
	case "rate":
		return g.rate
	case "times":
		if g.times == nil {
			return actor.Null()
		}
		return actor.Int(*g.times)
	case "delay":
		return g.delay
	case "format":
		return g.format
	case "count":
		g.mu.Lock()
		defer g.mu.Unlock()
		return actor.Int(g.count)
	}
	return actor.Value{}
}

// savedGenerator is the saved form. Random is the state of a seeded source.
type savedGenerator struct {
	Count  int64  `json:"count"`
	Random []byte `json:"random,omitempty"`
}

func (g *generator) SaveState() ([]byte, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	saved := savedGenerator{Count: g.count}
	if g.seeded != nil {
		from := *g.seeded
		if g.pending != nil {
			from = g.before // the other instance draws it again
		}
		state, err := from.MarshalBinary()
		if err != nil {
			return nil, err
		}
		saved.Random = state
	}
	return json.Marshal(saved)
}

func (g *generator) RestoreState(data []byte) error {
	var saved savedGenerator
	if err := restore("generator", data, &saved); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if saved.Count < 0 {
		return atoll.Errorf(atoll.Invalid, "generator", "the saved count is negative")
	}
	if g.seeded != nil && saved.Random != nil {
		if err := g.seeded.UnmarshalBinary(saved.Random); err != nil {
			return &atoll.Error{Kind: atoll.Invalid, Op: "generator", Msg: "the saved random state is not valid", Err: err}
		}
	}
	g.count = saved.Count
	return nil
}
