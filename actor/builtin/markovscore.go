package builtin

import (
	"math"

	"github.com/atoll-platform/atoll/actor"
)

var markovScoreType = actor.Type{
	Name:    "markovscore",
	Aliases: []string{"markov-score"},
	Doc:     "Adds the probability of a sequence of states to the event.",
	Compile: compiler(buildMarkovScore),
}

type markovScoreParams struct {
	TransitionProbs []markovTransition `json:"transitionProbs" param:"required"`
}

type markovTransition struct {
	Source      string  `json:"source" param:"required"`
	Destination string  `json:"destination" param:"required"`
	Prob        float64 `json:"prob" param:"required"`
}

func buildMarkovScore(p *markovScoreParams, _ actor.Params, _ *findings) actor.Maker {
	m := make(markovScore, len(p.TransitionProbs))
	for _, t := range p.TransitionProbs {
		m[pair{t.Source, t.Destination}] = t.Prob
	}
	return stateless(m)
}

type pair struct{ from, to string }

// markovScore holds the probability of each transition; others have none.
type markovScore map[pair]float64

var transitionsKey = actor.KeyOf("transitions")

func (m markovScore) Trigger(_ actor.Context, e *actor.Event) (*actor.Event, error) {
	list := e.Get(transitionsKey)
	if list.Kind() != actor.ArrayKind {
		return nil, actor.ErrNotProcessed
	}
	score, previous, first := 1.0, "", true
	for v := range list.Elems() {
		state, ok := v.Text()
		if !ok {
			return nil, actor.ErrNotProcessed
		}
		if !first {
			score *= m[pair{previous, state}]
		}
		previous, first = state, false
	}
	if math.IsInf(score, 0) || math.IsNaN(score) {
		return nil, failed("markovscore", "the product is out of range")
	}
	return e.With(actor.Field{Name: "score", Value: actor.Float(score)}), nil
}
