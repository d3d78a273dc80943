package apcera

import (
	"context"
	"fmt"

	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/policy"
)

func (a *api) simulationTable() []rest.Operation {
	return []rest.Operation{
		rest.Op(rest.Operation{ID: "apcera.simulation.get", Entity: "simulation", Summary: "Explain what the policy says", Contract: "60", Permit: "read",
			Routes: route("GET", "/v1/sim"), Errors: []rest.Case{invalid, denied}, Limit: rest.HeavyLoad}, a.simulate),
		rest.Op(rest.Operation{ID: "apcera.simulation.put", Entity: "simulation", Summary: "Explain what the policy would say with further documents", Contract: "61", Permit: "read",
			Routes: route("PUT", "/v1/sim"), Body: rest.JSONBody, Optional: true, Errors: []rest.Case{invalid, denied}, Limit: rest.HeavyLoad}, a.simulateWith),
	}
}

type simulationIn struct {
	FQN   []string `query:"fqn,list" doc:"What the simulation is about, of the type * for every type; *::/ by default."`
	Input []string `query:"input,list" doc:"A claim that is given, as [issuer->]type=value; double quotes around a value with spaces."`
	Claim []string `query:"claim,list" doc:"A claim to explain, as type or type=value; every claim by default."`
	Why   bool     `query:"why" doc:"Also explain what would have to be given."`

	request policy.SimRequest
}

// Check reads the parameters.
func (in *simulationIn) Check(found *rest.Findings) {
	in.request = policy.SimRequest{Why: in.Why}
	each("fqn", in.FQN, policy.ParseFQN, &in.request.Targets, found)
	each("input", in.Input, policy.ParseSimInput, &in.request.Inputs, found)
	each("claim", in.Claim, policy.ParseSimClaim, &in.request.Claims, found)
}

// each reads every value of a parameter.
func each[T any](name string, texts []string, read func(string) (T, error), into *[]T, found *rest.Findings) {
	for i, text := range texts {
		v, err := read(text)
		if err != nil {
			found.Err(fmt.Sprintf("%s/%d", name, i), err)
			continue
		}
		*into = append(*into, v)
	}
}

type simulationWithIn struct {
	simulationIn
	Docs []simulatedDocument `json:"docs" doc:"Documents for this simulation alone, in the place of those of the same name."`
}

type simulatedDocument struct {
	Name string `json:"name" rule:"required"`
	Text string `json:"text" rule:"required"`
}

type simulationBody struct {
	Lines []simulationLine `json:"lines"`
	MaxC  int              `json:"maxc" doc:"The longest context."`
	MaxL  int              `json:"maxl" doc:"The deepest level."`
	MaxV  int              `json:"maxv" doc:"The longest value."`
}

type simulationLine struct {
	Context string `json:"context" doc:"Document and line, INPUT or ADD INPUT."`
	Level   int    `json:"level"`
	Type    int    `json:"type" doc:"0 is a claim, 1 a condition, 2 an input, 3 a realm."`
	Value   string `json:"value"`
	FQN     string `json:"fqn,omitempty" doc:"What the line is about, if the simulation is about several things."`
}

func (a *api) simulate(ctx context.Context, in simulationIn) (simulationBody, error) {
	return a.simulation(ctx, in.request)
}

func (a *api) simulateWith(ctx context.Context, in simulationWithIn) (simulationBody, error) {
	texts := make([]policy.DocumentText, len(in.Docs))
	for i, d := range in.Docs {
		texts[i] = policy.DocumentText{Name: d.Name, Text: d.Text}
	}
	return a.simulation(ctx, in.request, texts...)
}

func (a *api) simulation(ctx context.Context, req policy.SimRequest, texts ...policy.DocumentText) (simulationBody, error) {
	r, err := a.p.Policy().Simulate(ctx, req, texts...)
	if err != nil {
		return simulationBody{}, err
	}
	out := simulationBody{Lines: make([]simulationLine, len(r.Lines)), MaxC: r.MaxContext, MaxL: r.MaxLevel, MaxV: r.MaxValue}
	for i, l := range r.Lines {
		out.Lines[i] = simulationLine{l.Context, l.Level, int(l.Type), l.Value, l.FQN}
	}
	return out, nil
}
