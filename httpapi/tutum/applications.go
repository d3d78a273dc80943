package tutum

import (
	"cmp"
	"context"
	"slices"

	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/fabric"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/view"
)

func (a *api) applicationTable() []rest.Operation {
	return []rest.Operation{
		rest.Op(rest.Operation{ID: "tutum.application.list", Entity: "application", Summary: "List all applications", Contract: "T1", Permit: string(policy.Read),
			Routes: route("GET", applicationsPath), Errors: []rest.Case{invalid}}, a.listApplications),
		rest.Op(rest.Operation{ID: "tutum.application.create", Entity: "application", Summary: "Create a new application", Contract: "T2", Permit: string(policy.Create),
			Routes: route("POST", applicationsPath), Body: rest.JSONBody, Errors: []rest.Case{invalid, denied, quota}}, a.createApplication),
		rest.Op(rest.Operation{ID: "tutum.application.get", Entity: "application", Summary: "Get application details", Contract: "T3", Permit: string(policy.Read),
			Routes: route("GET", applicationPath), Errors: []rest.Case{notFound}}, a.getApplication),
		rest.Op(rest.Operation{ID: "tutum.application.update", Entity: "application", Summary: "Update an application", Contract: "T4", Permit: string(policy.Update),
			Routes: route("PATCH", applicationPath), Body: rest.JSONBody, Optional: true, Errors: []rest.Case{invalid, denied, notFound, conflict, quota}}, a.updateApplication),
		rest.Op(rest.Operation{ID: "tutum.application.start", Entity: "application", Summary: "Start an application", Contract: "T5", Permit: string(policy.Start),
			Routes: route("POST", applicationPath+"/start"), Errors: []rest.Case{denied, notFound, conflict, quota}}, a.startApplication),
		rest.Op(rest.Operation{ID: "tutum.application.stop", Entity: "application", Summary: "Stop an application", Contract: "T6", Permit: string(policy.Stop),
			Routes: route("POST", applicationPath+"/stop"), Errors: []rest.Case{denied, notFound, conflict}}, a.stopApplication),
		rest.Op(rest.Operation{ID: "tutum.application.delete", Entity: "application", Summary: "Terminate an application", Contract: "T7", Permit: string(policy.Delete),
			Routes: route("DELETE", applicationPath), Errors: []rest.Case{denied, notFound, conflict}}, a.deleteApplication),
		rest.Op(rest.Operation{ID: "tutum.application.logs", Entity: "application", Summary: "Get logs of all containers of an application", Contract: "E1", Permit: string(policy.Read),
			Routes: route("GET", applicationPath+"/logs"), Errors: []rest.Case{invalid, notFound}}, a.applicationLogs),
		rest.Op(rest.Operation{ID: "tutum.application.redeploy", Entity: "application", Summary: "Replace all containers of an application", Contract: "E2", Permit: string(policy.Update),
			Routes: route("POST", applicationPath+"/redeploy"), Body: rest.JSONBody, Optional: true, Errors: []rest.Case{invalid, denied, notFound, conflict, quota}}, a.redeployApplication),
	}
}

// itemOf is an application as lists show it.
func (a *api) itemOf(s *workload.Snapshot, v *view.TutumApplication, r *fabric.Application) applicationItem {
	var webDNS *string
	if r.WebDNS != "" {
		webDNS = &r.WebDNS
	}
	return itemOf(v, a.p.Fabric().PublicDNS(s.Workload), webDNS)
}

// show is an application with all there is to say about it.
func (a *api) show(s *workload.Snapshot) application {
	f := a.p.Fabric()
	v, r := view.GetTutum(s), f.Application(s)
	b := application{applicationItem: a.itemOf(s, &v, r), Containers: containersOf(&v), ContainerEnvvars: make([]applicationVar, len(v.Env)),
		LinkVariables: f.LinkVariables(s), LinkedTo: linksOf(f.LinksFrom(s)), LinkedFrom: linksOf(f.LinksTo(s)), Roles: slices.Clone(r.Roles)}
	for i, e := range v.Env {
		b.ContainerEnvvars[i] = applicationVar{Application: b.ResourceURI, Key: e.Key, Value: e.Value}
	}
	return b
}

func linksOf(ls []*fabric.Link) []link {
	out := make([]link, len(ls))
	for i, l := range ls {
		out[i] = link{From: applicationURI(l.Source), To: applicationURI(l.Target), Name: l.Name}
	}
	return out
}

// accepted is the answer to an operation on an application.
func (a *api) accepted(s *workload.Snapshot, err error) (rest.Accepted[application], error) {
	if err != nil {
		return rest.Accepted[application]{}, err
	}
	return rest.Accepted[application]{V: a.show(s)}, nil
}

// listApplicationsIn is what a list of applications takes.
type listApplicationsIn struct {
	pageIn
	applicationFilters
}

func (a *api) listApplications(ctx context.Context, in listApplicationsIn) (list[applicationItem], error) {
	fs := in.all()
	var all []*workload.Snapshot
	now := a.p.Now()
	for s := range a.applications(ctx) {
		if view.TutumLists(s, now) && fs.match(func() view.TutumApplication { return view.GetTutum(s) }) {
			all = append(all, s)
		}
	}
	slices.SortStableFunc(all, func(x, y *workload.Snapshot) int {
		return cmp.Or(x.Workload.CreatedAt.Compare(y.Workload.CreatedAt), cmp.Compare(x.Workload.ID, y.Workload.ID))
	})
	return page(&in.pageIn, applicationsPath+"/", fs.names(), all, func(s *workload.Snapshot) applicationItem {
		v := view.GetTutum(s)
		return a.itemOf(s, &v, a.p.Fabric().Application(s))
	}), nil
}

func (a *api) createApplication(ctx context.Context, in fields) (rest.Accepted[application], error) {
	s, err := a.create(ctx, &in)
	if err != nil {
		return rest.Accepted[application]{}, err
	}
	return rest.Accepted[application]{V: a.show(s), Location: applicationURI(s.Workload.ID)}, nil
}

func (a *api) getApplication(ctx context.Context, in onApplication) (application, error) {
	s, err := a.find(ctx, in.UUID)
	if err != nil {
		return application{}, err
	}
	return a.show(s), nil
}

// updateApplicationIn is an application and what is to change.
type updateApplicationIn struct {
	onApplication
	fields
}

func (a *api) updateApplication(ctx context.Context, in updateApplicationIn) (rest.Accepted[application], error) {
	s, err := a.find(ctx, in.UUID)
	if err != nil {
		return rest.Accepted[application]{}, err
	}
	patch := a.patch(s, &in.fields)
	change, cond := patch.Update()
	next, err := a.p.Fabric().Update(ctx, s.Workload.ID, fabric.Change{WebDNS: patch.WebDNS}, change, cond)
	return a.accepted(next, named(err, &in.fields))
}

func (a *api) startApplication(ctx context.Context, in onApplication) (rest.Accepted[application], error) {
	s, err := a.find(ctx, in.UUID)
	if err == nil {
		s, err = a.p.Workloads().StartWorkload(ctx, s.Workload.ID, view.TutumIf(view.TutumStart))
	}
	return a.accepted(s, err)
}

func (a *api) stopApplication(ctx context.Context, in onApplication) (rest.Accepted[application], error) {
	s, err := a.find(ctx, in.UUID)
	if err == nil {
		s, err = a.p.Workloads().StopWorkload(ctx, s.Workload.ID, view.TutumIf(view.TutumStop))
	}
	return a.accepted(s, err)
}

func (a *api) deleteApplication(ctx context.Context, in onApplication) (rest.Accepted[application], error) {
	s, err := a.find(ctx, in.UUID)
	if err == nil {
		s, err = a.p.Workloads().Delete(ctx, s.Workload.ID, view.TutumIf(view.TutumTerminate))
	}
	return a.accepted(s, err)
}

// logsIn is how much of an output is wanted.
type logsIn struct {
	UUID string  `path:"uuid,object"`
	Tail decimal `query:"tail" doc:"the last lines alone, so many; by default all that is kept"`
}

func (a *api) applicationLogs(ctx context.Context, in logsIn) (output, error) {
	s, err := a.find(ctx, in.UUID)
	if err != nil {
		return output{}, err
	}
	lines, err := a.p.Workloads().Logs(ctx, s.Workload.ID, workload.LogQuery{})
	if err != nil {
		return output{}, err
	}
	return output{Logs: view.TutumApplicationLog(s, lines, in.Tail.or(-1), a.p.Now())}, nil
}

// redeployIn is what a redeploy may change.
type redeployIn struct {
	UUID string           `path:"uuid,object"`
	Tag  rest.Opt[string] `json:"tag" doc:"of the image; the present one if it is null or left out"`
}

func (in *redeployIn) tag() *string {
	if t, ok := in.Tag.Get(); ok {
		return &t
	}
	return nil
}

func (a *api) redeployApplication(ctx context.Context, in redeployIn) (rest.Accepted[application], error) {
	s, err := a.find(ctx, in.UUID)
	if err == nil {
		s, err = a.p.Fabric().Redeploy(ctx, s.Workload.ID, in.tag(), view.TutumIf(view.TutumRedeploy))
	}
	return a.accepted(s, err)
}
