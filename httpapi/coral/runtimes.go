package coral

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/runtime"
)

// runtimeBody is a runtime as the API shows it.
type runtimeBody struct {
	ID         string    `json:"id" doc:"UUID of the runtime"`
	Owner      string    `json:"owner" doc:"UUID of the user that it belongs to"`
	Name       string    `json:"name" doc:"name without the owner's"`
	UniqueName string    `json:"uniqueName" doc:"unique name of the owner, a dash, the name"`
	Status     string    `json:"status" doc:"created, running, stopped or invalid"`
	Project    *string   `json:"project" doc:"UUID of a project, or null"`
	Definition rest.Raw  `json:"json" doc:"the definition with its final name and the UUID of its owner"`
	StartTime  time.Time `json:"starttime" doc:"last change of state"`
	Machine    string    `json:"machine" doc:"ip:port of the machine that it is placed on"`
	Copies     []copyOf  `json:"copies,omitempty" doc:"of a runtime in copies, in their order"`
}

// copyOf is one copy of a runtime.
type copyOf struct {
	Name    string `json:"name" doc:"what its statistics are asked for by"`
	Machine string `json:"machine" doc:"ip:port"`
}

func runtimeOf(r *runtime.Runtime) runtimeBody {
	b := runtimeBody{ID: r.ID, Owner: r.Owner, Name: r.Name, UniqueName: r.UniqueName, Status: r.Status.String(),
		Definition: rest.Raw(r.Definition), StartTime: r.Since, Machine: r.Machine}
	if r.Project != "" {
		b.Project = &r.Project
	}
	for k, m := range r.Copies {
		b.Copies = append(b.Copies, copyOf{r.UniqueName + "." + strconv.Itoa(k+1), m})
	}
	return b
}

// updateRuntimeID is the row of two actions; startRuntime is the one that a
// state may refuse.
const (
	updateRuntimeID = "coral.runtime.update"
	startRuntime    = "Start runtime"
)

type onRuntime struct {
	Runtime string `path:"rid,scope" doc:"name, owner-name or UUID"`
}

func (a *api) runtimeTable() []rest.Operation {
	found := []rest.Case{notFound, denied, aCopy}
	return []rest.Operation{
		op(rest.Operation{ID: "coral.runtime.create", Entity: "runtime", Summary: "Create a runtime", Contract: "C7", Action: "Create runtime", Permit: "create",
			Routes: routes("POST", "/api/runtimes"), Body: rest.RawBody, Status: []int{201, 200},
			Doc:    "The owner is the caller unless an administrator names another user. With dry-run the definition is checked and nothing is made.",
			Errors: []rest.Case{invalid, reference, notMine, conflict, quota, failed}}, a.createRuntime),
		op(rest.Operation{ID: "coral.runtime.list", Entity: "runtime", Summary: "List runtimes", Contract: "C8", Permit: "read",
			Routes: routes("GET", "/api/runtimes"), Errors: []rest.Case{invalid}}, a.listRuntimes),
		op(rest.Operation{ID: "coral.runtime.deleteall", Entity: "runtime", Summary: "Delete all runtimes", Contract: "C9", Action: "Delete runtimes", Permit: "delete",
			Routes: routes("DELETE", "/api/runtimes"), Errors: []rest.Case{failed}}, a.deleteRuntimes),
		op(rest.Operation{ID: "coral.runtime.get", Entity: "runtime", Summary: "Get a runtime", Contract: "C10", Permit: "read",
			Routes: routes("GET", "/api/runtimes/{rid}"), Errors: found}, a.getRuntime),
		op(rest.Operation{ID: updateRuntimeID, Entity: "runtime", Summary: "Start or stop a runtime", Contract: "C11", Action: "Update runtime", Permit: "start",
			Routes: routes("PATCH", "/api/runtimes/{rid}"), Body: rest.JSONBody,
			Errors: []rest.Case{invalid, notFound, denied, aCopy, state}}, a.updateRuntime),
		op(rest.Operation{ID: "coral.runtime.delete", Entity: "runtime", Summary: "Delete a runtime", Contract: "C12", Action: "Delete runtime", Permit: "delete",
			Routes: routes("DELETE", "/api/runtimes/{rid}"), Errors: found}, a.deleteRuntime),
		op(rest.Operation{ID: "coral.runtime.actors", Entity: "runtime", Summary: "List the actors of a runtime", Contract: "C13", Permit: "read",
			Routes: routes("GET", "/api/runtimes/{rid}/actors"), Errors: found}, a.listActors),
		op(rest.Operation{ID: "coral.runtime.links", Entity: "runtime", Summary: "List the links of a runtime", Contract: "C14", Permit: "read",
			Routes: routes("GET", "/api/runtimes/{rid}/links"), Errors: found}, a.listLinks),
		op(rest.Operation{ID: "coral.runtime.stats", Entity: "runtime", Summary: "Get the statistics of a runtime", Contract: "C15", Permit: "read",
			Routes: routes("GET", "/api/runtimes/{rid}/stats"), Errors: []rest.Case{notFound, denied}}, a.runtimeStats),
	}
}

// definition is a body that is read as a definition of a runtime.
type definition struct{ def *runtime.Definition }

// DecodeBody reads the definition; what is wrong with its rules shows later.
func (d *definition) DecodeBody(body []byte) (err error) {
	d.def, err = runtime.ParseDefinition(body)
	return err
}

type createRuntimeIn struct {
	Definition definition `body:"raw"`
	DryRun     bool       `query:"dry-run" doc:"check the definition and make nothing"`
}

type createdRuntime struct {
	Success    bool      `json:"success"`
	Created    time.Time `json:"created,omitzero"`
	ID         string    `json:"id,omitempty"`
	Definition rest.Raw  `json:"definition"`
	Warnings   []string  `json:"warnings,omitempty"`
	status     int
}

// StatusCode is 200 for a definition that was only checked.
func (c createdRuntime) StatusCode() int { return c.status }

func (a *api) createRuntime(ctx context.Context, in createRuntimeIn) (createdRuntime, error) {
	if in.DryRun {
		c, err := a.p.Runtimes().DryRun(ctx, in.Definition.def)
		if e, ok := errors.AsType[*atoll.Error](err); ok && e.Details != nil {
			e.Details[dryRun] = true
		}
		if err != nil {
			return createdRuntime{}, err
		}
		return createdRuntime{Success: true, Definition: rest.Raw(c.Definition), Warnings: c.Warnings, status: 200}, nil
	}
	c, err := a.p.Runtimes().Create(ctx, in.Definition.def)
	if err != nil {
		return createdRuntime{}, err
	}
	return createdRuntime{Success: true, Created: c.Created, ID: c.ID, Definition: rest.Raw(c.Definition), Warnings: c.Warnings, status: 201}, nil
}

type listRuntimesIn struct {
	Project rest.Opt[string] `query:"project" doc:"only those of the project with this UUID"`
	Status  rest.Opt[string] `query:"status" rule:"enum=created,running,stopped,invalid,deleted" doc:"only those in this state"`
}

func (a *api) listRuntimes(ctx context.Context, in listRuntimesIn) ([]runtimeBody, error) {
	f := runtime.Filter{Project: in.Project.Or("")}
	if word, ok := in.Status.Get(); ok {
		s, err := runtime.ParseStatus(word)
		if err != nil {
			return nil, err
		}
		f.Status = &s
	}
	rs, err := a.p.Runtimes().List(ctx, f)
	if err != nil {
		return nil, err
	}
	out := make([]runtimeBody, len(rs))
	for i := range rs {
		out[i] = runtimeOf(&rs[i])
	}
	return out, nil
}

type deletedRuntimes struct {
	Action  string          `json:"action"`
	Success bool            `json:"success"`
	Results map[string]bool `json:"results,omitempty"`
}

func (a *api) deleteRuntimes(ctx context.Context, _ struct{}) (deletedRuntimes, error) {
	results, err := a.p.Runtimes().DeleteAll(ctx)
	if err != nil && len(results) > 0 {
		err = &atoll.Error{Kind: atoll.Failed, Msg: "some runtimes could not be deleted", Err: err, Details: map[string]any{"results": results}}
	}
	if err != nil {
		return deletedRuntimes{}, err
	}
	return deletedRuntimes{Action: "Delete runtimes", Success: true, Results: results}, nil
}

func (a *api) getRuntime(ctx context.Context, in onRuntime) (runtimeBody, error) {
	r, err := a.p.Runtimes().Get(ctx, in.Runtime)
	if err != nil {
		return runtimeBody{}, err
	}
	return runtimeOf(r), nil
}

type updateRuntimeIn struct {
	onRuntime
	Status string `json:"status" rule:"required enum=start,stop"`
}

// changed is what calls answer that change the state of a runtime.
type changed struct {
	Action  string    `json:"action"`
	Name    string    `json:"name"`
	Owner   string    `json:"owner,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Success bool      `json:"success"`
	Time    time.Time `json:"time"`
}

func (a *api) updateRuntime(ctx context.Context, in updateRuntimeIn) (changed, error) {
	do, action := a.p.Runtimes().Start, startRuntime
	if in.Status == "stop" {
		do, action = a.p.Runtimes().Stop, "Stop runtime"
	}
	c, err := do(ctx, in.Runtime)
	if err != nil {
		return changed{}, err
	}
	out := changed{Action: action, Name: c.Name, Owner: c.OwnerName, Success: true, Time: c.At}
	if c.Reason != "" {
		out.Reason = sentence(c.Reason)
	}
	return out, nil
}

func (a *api) deleteRuntime(ctx context.Context, in onRuntime) (changed, error) {
	c, err := a.p.Runtimes().Delete(ctx, in.Runtime)
	if err != nil {
		return changed{}, err
	}
	return changed{Action: "Delete runtime", Name: c.UniqueName, Success: true, Time: c.At}, nil
}

type actorList struct {
	Actors []rest.Raw `json:"actors"`
}

func (a *api) listActors(ctx context.Context, in onRuntime) (actorList, error) {
	defs, err := a.p.Runtimes().Actors(ctx, in.Runtime)
	if err != nil {
		return actorList{}, err
	}
	out := actorList{Actors: make([]rest.Raw, len(defs))}
	for i := range defs {
		out.Actors[i] = defs[i].Value().AppendJSON(nil)
	}
	return out, nil
}

type link struct {
	From string `json:"from"`
	To   string `json:"to"`
}

type linkList struct {
	Links []link `json:"links"`
}

func (a *api) listLinks(ctx context.Context, in onRuntime) (linkList, error) {
	ls, err := a.p.Runtimes().Links(ctx, in.Runtime)
	if err != nil {
		return linkList{}, err
	}
	out := linkList{Links: make([]link, len(ls))}
	for i, l := range ls {
		out.Links[i] = link{From: l.From, To: l.To}
	}
	return out, nil
}

// statsBody is the statistics of a runtime or an actor.
type statsBody struct {
	Name            string                       `json:"name,omitempty" doc:"of the actor"`
	TotalActors     int                          `json:"totalActors"`
	TotalMessages   uint64                       `json:"totalMessages"`
	TotalExceptions uint64                       `json:"totalExceptions"`
	Counters        map[string]map[string]uint64 `json:"counters" doc:"by actor and name; total sums over the actors"`
	TotalChildren   int                          `json:"totalChildren,omitempty" doc:"children of groups that are alive"`
}

func statsOf(s runtime.Stats) statsBody {
	return statsBody{Name: s.Name, TotalActors: s.Actors, TotalMessages: s.Messages, TotalExceptions: s.Exceptions, Counters: s.Counters, TotalChildren: s.Children}
}

func (a *api) runtimeStats(ctx context.Context, in onRuntime) (statsBody, error) {
	s, err := a.p.Runtimes().Stats(ctx, in.Runtime)
	if err != nil {
		return statsBody{}, err
	}
	return statsOf(s), nil
}

// valueOf is a value of an actor as the text of an answer.
func valueOf(v actor.Value) rest.Raw { return v.AppendJSON(nil) }
