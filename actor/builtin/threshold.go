package builtin

import "github.com/atoll-platform/atoll/actor"

var thresholdType = actor.Type{
	Name:    "threshold",
	Doc:     "Passes the events whose number has reached a limit.",
	Compile: compiler(buildThreshold),
}

type thresholdParams struct {
	Key       string  `json:"key" param:"required"`
	Threshold float64 `json:"threshold" param:"required"`
}

func buildThreshold(p *thresholdParams, _ actor.Params, _ *findings) actor.Maker {
	return stateless(&threshold{key: actor.KeyOf(p.Key), limit: p.Threshold})
}

type threshold struct {
	key   actor.Key
	limit float64
}

func (t *threshold) Trigger(_ actor.Context, e *actor.Event) (*actor.Event, error) {
	n, ok := e.Number(t.key)
	switch {
	case !ok:
		return nil, actor.ErrNotProcessed
	case n >= t.limit:
		return e, nil
	}
	return nil, nil
}
