package builtin

import "github.com/atoll-platform/atoll/actor"

var minMaxType = actor.Type{
	Name:    "minmax",
	Doc:     "Limits a number to a range.",
	Compile: compiler(buildMinMax),
}

type minMaxParams struct {
	Field string   `json:"field" param:"required"`
	Min   *float64 `json:"min" param:"required"`
	Max   *float64 `json:"max" param:"required"`
}

func buildMinMax(p *minMaxParams, in actor.Params, f *findings) actor.Maker {
	if !f.clean("/min", "/max") {
		return nil
	}
	if *p.Min >= *p.Max {
		f.add("/min", "range", `"min" must be less than "max"`)
	}
	return stateless(&minMax{
		key: actor.KeyOf(p.Field),
		min: *p.Min, atMin: actor.Field{Name: p.Field, Value: in.Value.Get("min")},
		max: *p.Max, atMax: actor.Field{Name: p.Field, Value: in.Value.Get("max")},
	})
}

type minMax struct {
	key          actor.Key
	min, max     float64
	atMin, atMax actor.Field // what takes the place of a number beyond
}

func (m *minMax) Trigger(_ actor.Context, e *actor.Event) (*actor.Event, error) {
	n, ok := e.Number(m.key)
	switch {
	case !ok:
		return e, nil
	case n < m.min:
		return e.With(m.atMin), nil
	case n > m.max:
		return e.With(m.atMax), nil
	}
	return e, nil
}
