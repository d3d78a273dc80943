package builtin

import (
	"math"

	"github.com/atoll-platform/atoll/actor"
)

var linearRegressionType = actor.Type{
	Name:    "linearregression",
	Doc:     "Adds a weighted sum of fields to the event.",
	Compile: compiler(buildLinearRegression),
}

type linearRegressionParams struct {
	Intercept float64            `json:"intercept" param:"required"`
	Weights   map[string]float64 `json:"weights" param:"required"`
	Outcome   *string            `json:"outcome"`
}

func buildLinearRegression(p *linearRegressionParams, in actor.Params, _ *findings) actor.Maker {
	l := &linearRegression{intercept: p.Intercept, outcome: "score"}
	// In the order of the definition: a sum of floats depends on it.
	for name := range in.Value.Get("weights").Fields() {
		l.weights = append(l.weights, weight{key: actor.KeyOf(name), factor: p.Weights[name]})
	}
	if p.Outcome != nil {
		l.outcome = *p.Outcome
	}
	return stateless(l)
}

type linearRegression struct {
	intercept float64
	weights   []weight
	outcome   string
}

type weight struct {
	key    actor.Key
	factor float64
}

func (l *linearRegression) Trigger(_ actor.Context, e *actor.Event) (*actor.Event, error) {
	score := l.intercept
	for i := range l.weights {
		x, ok := e.Number(l.weights[i].key)
		if !ok {
			return nil, actor.ErrNotProcessed
		}
		score += l.weights[i].factor * x
	}
	if math.IsInf(score, 0) || math.IsNaN(score) {
		return nil, failed("linearregression", "the sum is out of range")
	}
	return e.With(actor.Field{Name: l.outcome, Value: actor.Float(score)}), nil
}
