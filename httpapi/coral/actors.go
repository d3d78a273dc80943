package coral

import (
	"context"
	"slices"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/httpapi/rest"
)

type onActor struct {
	onRuntime
	Actor string `path:"aid,object" doc:"name of the actor"`
}

type onChild struct {
	onActor
	By string `query:"by" doc:"key of a child of the actor's group"`
}

func (a *api) actorTable() []rest.Operation {
	event := []rest.Case{invalid, notFound, denied, aCopy, state, busy}
	read := []rest.Case{notFound, denied, aCopy, failed, timeout}
	return []rest.Operation{
		op(rest.Operation{ID: "coral.actor.post", Entity: "actor", Summary: "Post an event", Contract: "C16", Action: "Post event", Permit: "use",
			Doc: "Hands the event to the actor's queue and does not wait for the work. A full queue is refused at once. " +
				"A body of type application/x-ndjson is one event a line: the answer counts what was accepted and what was refused.",
			Routes: routes("POST", "/api/runtimes/{rid}/actors/{aid}"), Body: rest.RawBody, Types: []rest.BodyType{{Media: linesType, MaxBody: maxLines}}, Limit: rest.CheapLoad, Errors: event}, a.post),
		op(rest.Operation{ID: "coral.actor.shunt", Entity: "actor", Summary: "Have an event processed and get the result", Contract: "C17", Action: "Shunt actor", Permit: "use",
			Doc:    "The result is answered in the place of being emitted; 204 means that the actor handled the event and gave nothing.",
			Routes: routes("POST", "/api/runtimes/{rid}/actors/{aid}/shunt"), Body: rest.RawBody, Status: []int{200, 204},
			Errors: append([]rest.Case{{Kind: atoll.Unprocessable}, failed, timeout}, event...)}, a.shunt),
		op(rest.Operation{ID: "coral.actor.get", Entity: "actor", Summary: "Get an actor", Contract: "C18", Action: "Get actor", Permit: "read",
			Routes: routes("GET", "/api/runtimes/{rid}/actors/{aid}"), Errors: read}, a.getActor),
		op(rest.Operation{ID: "coral.actor.state", Entity: "actor", Summary: "Get the state of an actor", Contract: "C19", Action: "Get actor", Permit: "read",
			Routes: routes("GET", "/api/runtimes/{rid}/actors/{aid}/state"), Errors: append([]rest.Case{state}, read...)}, a.actorState),
		op(rest.Operation{ID: "coral.actor.stats", Entity: "actor", Summary: "Get the statistics of an actor", Contract: "C20", Action: "Get actor", Permit: "read",
			Routes: routes("GET", "/api/runtimes/{rid}/actors/{aid}/stats"), Errors: []rest.Case{notFound, denied, state, timeout}}, a.actorStats),
	}
}

// event is a body that is read as an event.
type event struct{ e *actor.Event }

// DecodeBody reads the event; number text and order of members are kept.
func (b *event) DecodeBody(body []byte) (err error) {
	b.e, err = actor.Parse(body)
	return err
}

type eventIn struct {
	onActor
	Event event `body:"raw"`
}

// result is what an actor made of an event; nil is nothing.
type result struct{ e *actor.Event }

// StatusCode is 204 for nothing.
func (r result) StatusCode() int {
	if r.e == nil {
		return 204
	}
	return 200
}

// AppendJSON writes the event as it is.
func (r result) AppendJSON(dst []byte) []byte {
	if r.e == nil {
		return append(dst, "null"...)
	}
	return r.e.AppendJSON(dst)
}

func (a *api) shunt(ctx context.Context, in eventIn) (result, error) {
	e, err := a.p.Runtimes().Shunt(ctx, in.Runtime, in.Actor, in.Event.e)
	return result{e}, err
}

// actorBody is an actor as the API shows it.
type actorBody struct {
	Name     string     `json:"name"`
	Type     string     `json:"type"`
	Params   rest.Raw   `json:"params" doc:"as in the definition, or null"`
	Runtime  string     `json:"runtime" doc:"UUID"`
	Links    actorLinks `json:"links"`
	State    rest.Raw   `json:"state"`
	Children []string   `json:"children,omitzero" doc:"keys of the children of a grouped actor"`
	Group    rest.Raw   `json:"group,omitempty"`
	Collect  rest.Raw   `json:"collect,omitempty"`
	Timeout  rest.Raw   `json:"timeout,omitempty"`
	Log      rest.Raw   `json:"log,omitempty"`
	Copies   rest.Raw   `json:"copies,omitempty"`
}

type actorLinks struct {
	From []string `json:"from"`
	To   []string `json:"to"`
}

func (a *api) getActor(ctx context.Context, in onChild) (actorBody, error) {
	info, err := a.p.Runtimes().ActorInfo(ctx, in.Runtime, in.Actor, in.By)
	if err != nil {
		return actorBody{}, err
	}
	written := info.Def.Value()
	option := func(name string) rest.Raw {
		if v := written.Get(name); !v.IsMissing() {
			return valueOf(v)
		}
		return nil
	}
	b := actorBody{Name: info.Def.Name, Type: info.Def.Type, Params: option("params"), Runtime: info.Runtime,
		Links: actorLinks{From: info.From, To: info.To}, State: stateOf(info.State),
		Group: option("group"), Collect: option("collect"), Timeout: option("timeout"), Log: option("log"), Copies: option("copies")}
	if by := option("groupby"); b.Group == nil && by != nil {
		b.Group = slices.Concat(rest.Raw(`{"by":`), by, rest.Raw(`}`))
	}
	if info.Grouped {
		b.Children = append([]string{}, info.Children...)
	}
	return b, nil
}

// stateOf is a state, which is an object even if it cannot be known.
func stateOf(v actor.Value) rest.Raw {
	if v.Kind() != actor.ObjectKind {
		return rest.Raw("{}")
	}
	return valueOf(v)
}

func (a *api) actorState(ctx context.Context, in onChild) (rest.Raw, error) {
	v, err := a.p.Runtimes().State(ctx, in.Runtime, in.Actor, in.By)
	if err != nil {
		return nil, err
	}
	return stateOf(v), nil
}

func (a *api) actorStats(ctx context.Context, in onChild) (statsBody, error) {
	s, err := a.p.Runtimes().ActorStats(ctx, in.Runtime, in.Actor, in.By)
	if err != nil {
		return statsBody{}, err
	}
	return statsOf(s), nil
}
