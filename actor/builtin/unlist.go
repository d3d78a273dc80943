package builtin

import "github.com/atoll-platform/atoll/actor"

var unlistType = actor.Type{
	Name:    "unlist",
	Doc:     "Emits each object of an array on its own.",
	Compile: compiler(buildUnlist),
}

type unlistParams struct {
	Field string `json:"field" param:"required"`
}

func buildUnlist(p *unlistParams, _ actor.Params, _ *findings) actor.Maker {
	key := actor.KeyOf(p.Field)
	return stateless(actor.Func(func(c actor.Context, e *actor.Event) (*actor.Event, error) {
		for v := range e.Get(key).Elems() {
			if o, ok := actor.FromValue(v); ok {
				c.Emit(o)
			}
		}
		return nil, nil
	}))
}
