package builtin

import "github.com/atoll-platform/atoll/actor"

var jsonType = actor.Type{
	Name:    "json",
	Doc:     "Makes a new event from a template.",
	Compile: compiler(buildJSON),
}

type jsonParams struct {
	Template actor.Value `json:"template" param:"required"`
}

func buildJSON(p *jsonParams, _ actor.Params, f *findings) actor.Maker {
	if !f.clean("/template") || !f.object("/template", p.Template) {
		return nil
	}
	t, err := actor.CompileTemplate(p.Template)
	if err != nil {
		f.add("/template", "template", `"template" is not a template: %v`, err)
		return nil
	}
	return stateless(actor.Func(func(_ actor.Context, e *actor.Event) (*actor.Event, error) { return t.Fill(e), nil }))
}
