package builtin

import (
	"fmt"
	"strings"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

var filterType = actor.Type{
	Name:    "filter",
	Doc:     "Passes the events in which every filter agrees.",
	Compile: compileFilter,
}

type filterParams struct {
	Filters []filterRule `json:"filters" param:"required"`
}

type filterRule struct {
	Type     string `json:"type" param:"required"`
	Function string `json:"function" param:"required"`
	Field    string `json:"field" param:"required"`
	Param    string `json:"param" param:"required"`
}

// compileFilter also takes the array of filters in the place of the parameters.
func compileFilter(in actor.Params) (actor.Maker, []atoll.Finding) {
	bare := in.Value.Kind() == actor.ArrayKind
	if bare {
		in.Value = actor.Object(actor.Field{Name: "filters", Value: in.Value})
	}
	mk, fs := compiler(buildFilter)(in)
	if bare {
		for i := range fs {
			fs[i].Path = strings.TrimPrefix(fs[i].Path, "/filters")
		}
	}
	return mk, fs
}

func buildFilter(p *filterParams, _ actor.Params, f *findings) actor.Maker {
	if f.clean("/filters") && len(p.Filters) == 0 {
		f.add("/filters", "empty", `"filters" must have at least one filter`)
	}
	rules := make(filter, len(p.Filters))
	for i, r := range p.Filters {
		at := fmt.Sprintf("/filters/%d", i)
		if f.clean(at+"/type") && r.Type != "startswith" {
			f.add(at+"/type", "choice", `"type" must be startswith, not %q`, r.Type)
		}
		f.oneOf(at+"/function", r.Function, "include", "exclude")
		rules[i] = prefixRule{key: actor.KeyOf(r.Field), prefix: r.Param, include: r.Function == "include"}
	}
	return stateless(rules)
}

// filter passes an event in which every rule agrees.
type filter []prefixRule

type prefixRule struct {
	key     actor.Key
	prefix  string
	include bool
}

func (f filter) Trigger(_ actor.Context, e *actor.Event) (*actor.Event, error) {
	for i := range f {
		r := &f[i]
		s, ok := e.Text(r.key)
		if (ok && strings.HasPrefix(s, r.prefix)) != r.include {
			return nil, nil
		}
	}
	return e, nil
}
