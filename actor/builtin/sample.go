package builtin

import (
	"math/rand/v2"

	"github.com/atoll-platform/atoll/actor"
)

var sampleType = actor.Type{
	Name:    "sample",
	Doc:     "Passes a random fraction of the events.",
	Compile: compiler(buildSample),
}

type sampleParams struct {
	Fraction float64 `json:"fraction" param:"required"`
	Seed     *int64  `json:"seed"`
}

func buildSample(p *sampleParams, _ actor.Params, f *findings) actor.Maker {
	if f.clean("/fraction") && (p.Fraction < 0 || p.Fraction > 1) {
		f.add("/fraction", "range", `"fraction" must be from 0 to 1`)
	}
	return func(env *actor.Env) (actor.Actor, error) {
		return &sample{fraction: p.Fraction, rand: random(p.Seed, env)}, nil
	}
}

type sample struct {
	fraction float64
	rand     *rand.Rand
}

func (s *sample) Trigger(_ actor.Context, e *actor.Event) (*actor.Event, error) {
	if s.rand.Float64() < s.fraction {
		return e, nil
	}
	return nil, nil
}
