package builtin

import (
	"errors"

	"github.com/atoll-platform/atoll/actor"
)

var functionType = actor.Type{
	Name:        "function",
	Doc:         "Computes an expression over fields and collected values.",
	Compile:     compiler(buildFunction),
	CollectAny:  true,
	CollectData: true,
}

type functionParams struct {
	Function    string `json:"function" param:"required"`
	OutputField string `json:"outputfield" param:"required"`
	Merge       bool   `json:"merge"`
}

func buildFunction(p *functionParams, in actor.Params, f *findings) actor.Maker {
	if !f.clean("/function") {
		return nil
	}
	x, err := parseExpression(p.Function, in.Collect)
	if err != nil {
		f.add("/function", "expression", `"function" is not an expression: %v`, err)
	}
	return stateless(&function{expression: x, output: p.OutputField, merge: p.Merge})
}

type function struct {
	expression *expression
	output     string
	merge      bool
}

func (f *function) Trigger(c actor.Context, e *actor.Event) (*actor.Event, error) {
	v, err := f.expression.run(&scope{event: e, collect: c.Collect})
	if errors.Is(err, errMissing) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := actor.Field{Name: f.output, Value: v}
	if f.merge {
		return e.With(out), nil
	}
	return actor.NewEvent(out), nil
}
