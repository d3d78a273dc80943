package builtin

import "github.com/atoll-platform/atoll/actor"

// scored is how many values the statistics must hold before an outlier counts.
const scored = 20

var zscoreType = actor.Type{
	Name:     "zscore",
	Doc:      "Passes and marks the events whose number is far above the mean.",
	Compile:  compiler(buildZscore),
	Collects: []string{"count", "avg", "std"},
}

type zscoreParams struct {
	Field string  `json:"field" param:"required"`
	Score float64 `json:"score" param:"required"`
	By    *string `json:"by"`
}

func buildZscore(p *zscoreParams, _ actor.Params, _ *findings) actor.Maker {
	z := &zscore{key: actor.KeyOf(p.Field), field: p.Field, score: p.Score}
	if p.By != nil {
		z.grouped, z.by, z.group = true, actor.KeyOf(*p.By), *p.By
	}
	return stateless(z)
}

type zscore struct {
	key     actor.Key
	field   string
	score   float64
	grouped bool // the statistics are those of the event's group
	by      actor.Key
	group   string
}

var outlier = actor.Field{Name: "outlier", Value: actor.Bool(true)}

func (z *zscore) Trigger(c actor.Context, e *actor.Event) (*actor.Event, error) {
	x, ok := e.Number(z.key)
	if !ok {
		return nil, failed("zscore", "the event has no number %q", z.field)
	}
	key := ""
	if z.grouped {
		if key, ok = e.Text(z.by); !ok {
			return nil, failed("zscore", "the event has no %q to group by", z.group)
		}
	}
	count, err := z.collect(c, "count", key)
	if err != nil {
		return nil, err
	}
	avg, err := z.collect(c, "avg", key)
	if err != nil {
		return nil, err
	}
	std, err := z.collect(c, "std", key)
	if err != nil {
		return nil, err
	}
	if int64(count) > scored && x > avg+z.score*std {
		return e.With(outlier), nil
	}
	return nil, nil
}

func (z *zscore) collect(c actor.Context, alias, key string) (float64, error) {
	var v actor.Value
	var err error
	if z.grouped {
		v, err = c.CollectBy(alias, key)
	} else {
		v, err = c.Collect(alias)
	}
	if err != nil {
		return 0, err
	}
	f, ok := v.Float()
	if !ok {
		return 0, failed("zscore", "the collected %q is not a number", alias)
	}
	return f, nil
}
