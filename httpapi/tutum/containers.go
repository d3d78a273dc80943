package tutum

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/view"
)

func (a *api) containerTable() []rest.Operation {
	return []rest.Operation{
		rest.Op(rest.Operation{ID: "tutum.container.list", Entity: "container", Summary: "List all containers of all applications", Contract: "T8", Permit: string(policy.Read),
			Routes: route("GET", containersPath), Errors: []rest.Case{invalid}}, a.listContainers),
		rest.Op(rest.Operation{ID: "tutum.container.get", Entity: "container", Summary: "Get container details", Contract: "T9", Permit: string(policy.Read),
			Routes: route("GET", containerPath), Errors: []rest.Case{notFound}}, a.getContainer),
		rest.Op(rest.Operation{ID: "tutum.container.start", Entity: "container", Summary: "Start a container", Contract: "T10", Permit: string(policy.Start),
			Routes: route("POST", containerPath+"/start"), Errors: []rest.Case{denied, notFound, conflict, quota}}, a.startContainer),
		rest.Op(rest.Operation{ID: "tutum.container.stop", Entity: "container", Summary: "Stop a container", Contract: "T11", Permit: string(policy.Stop),
			Routes: route("POST", containerPath+"/stop"), Errors: []rest.Case{denied, notFound, conflict}}, a.stopContainer),
		rest.Op(rest.Operation{ID: "tutum.container.logs", Entity: "container", Summary: "Get logs for a container", Contract: "T12", Permit: string(policy.Read),
			Routes: route("GET", containerPath+"/logs"), Errors: []rest.Case{invalid, notFound}}, a.containerLogs),
		rest.Op(rest.Operation{ID: "tutum.container.delete", Entity: "container", Summary: "Terminate a container", Contract: "T13", Permit: string(policy.Update),
			Routes: route("DELETE", containerPath), Errors: []rest.Case{denied, notFound, conflict}}, a.deleteContainer),
		rest.Op(rest.Operation{ID: "tutum.container.redeploy", Entity: "container", Summary: "Replace a container", Contract: "E3", Permit: string(policy.Update),
			Routes: route("POST", containerPath+"/redeploy"), Body: rest.JSONBody, Optional: true, Errors: []rest.Case{invalid, denied, notFound, conflict, quota}}, a.redeployContainer),
	}
}

// shownContainer is a container with the application that it is of.
type shownContainer struct {
	view.TutumContainer
	of *view.TutumApplication
}

// listed is a container that a list may show.
type listed struct {
	of  *workload.Snapshot
	row *workload.Instance
}

func (a *api) containerItem(s *workload.Snapshot, i *workload.Instance, c *view.TutumContainer) containerItem {
	return containerItemOf(c, a.p.Fabric().ContainerDNS(s.Workload, i))
}

// showContainer is a container with all there is to say about it.
func (a *api) showContainer(s *workload.Snapshot, i *workload.Instance) container {
	f := a.p.Fabric()
	c := view.GetTutumContainer(s, i)
	b := container{containerItem: a.containerItem(s, i, &c), ContainerEnvvars: make([]containerVar, len(c.Env)),
		LinkVariables: f.ContainerLinkVariables(s, i), LinkedTo: linksOf(f.LinksFrom(s)), LinkedFrom: linksOf(f.LinksTo(s)), Roles: slices.Clone(f.Application(s).Roles)}
	for k, e := range c.Env {
		b.ContainerEnvvars[k] = containerVar{Container: b.ResourceURI, Key: e.Key, Value: e.Value}
	}
	return b
}

// acceptedContainer is the answer to an operation on a container.
func (a *api) acceptedContainer(s *workload.Snapshot, id string, err error) (rest.Accepted[container], error) {
	if err != nil {
		return rest.Accepted[container]{}, err
	}
	i, ok := s.Instance(id)
	if !ok {
		return rest.Accepted[container]{}, noSuch("container", id)
	}
	return rest.Accepted[container]{V: a.showContainer(s, i)}, nil
}

// listContainersIn is what a list of containers takes.
type listContainersIn struct {
	pageIn
	containerFilters
}

func (a *api) listContainers(ctx context.Context, in listContainersIn) (list[containerItem], error) {
	fs := in.all()
	var all []listed
	now := a.p.Now()
	for s := range a.applications(ctx) {
		of := sync.OnceValue(func() *view.TutumApplication { return new(view.GetTutum(s)) })
		for _, i := range view.TutumContainers(s) {
			if view.TutumListsContainer(s, i, now) && fs.match(func() shownContainer { return shownContainer{view.GetTutumContainer(s, i), of()} }) {
				all = append(all, listed{s, i})
			}
		}
	}
	slices.SortStableFunc(all, func(x, y listed) int {
		return cmp.Or(x.row.CreatedAt.Compare(y.row.CreatedAt), cmp.Compare(x.row.ID, y.row.ID))
	})
	return page(&in.pageIn, containersPath+"/", fs.names(), all, func(l listed) containerItem {
		c := view.GetTutumContainer(l.of, l.row)
		return a.containerItem(l.of, l.row, &c)
	}), nil
}

func (a *api) getContainer(ctx context.Context, in onContainer) (container, error) {
	s, i, err := a.findContainer(ctx, in.UUID)
	if err != nil {
		return container{}, err
	}
	return a.showContainer(s, i), nil
}

func (a *api) startContainer(ctx context.Context, in onContainer) (rest.Accepted[container], error) {
	_, i, err := a.findContainer(ctx, in.UUID)
	if err != nil {
		return rest.Accepted[container]{}, err
	}
	s, err := a.p.Workloads().StartInstance(ctx, i.ID, view.TutumContainerIf(i.ID, view.TutumStart))
	return a.acceptedContainer(s, i.ID, err)
}

func (a *api) stopContainer(ctx context.Context, in onContainer) (rest.Accepted[container], error) {
	_, i, err := a.findContainer(ctx, in.UUID)
	if err != nil {
		return rest.Accepted[container]{}, err
	}
	s, err := a.p.Workloads().StopInstance(ctx, i.ID, view.TutumContainerIf(i.ID, view.TutumStop))
	return a.acceptedContainer(s, i.ID, err)
}

func (a *api) containerLogs(ctx context.Context, in logsIn) (output, error) {
	s, i, err := a.findContainer(ctx, in.UUID)
	if err != nil {
		return output{}, err
	}
	lines, err := a.p.Workloads().Logs(ctx, s.Workload.ID, workload.LogQuery{Instances: []string{i.ID}})
	if err != nil {
		return output{}, err
	}
	return output{Logs: view.TutumLog(lines, in.Tail.or(-1))}, nil
}

func (a *api) deleteContainer(ctx context.Context, in onContainer) (rest.Accepted[container], error) {
	_, i, err := a.findContainer(ctx, in.UUID)
	if err != nil {
		return rest.Accepted[container]{}, err
	}
	s, err := a.p.Workloads().DeleteInstance(ctx, i.ID, workload.SlotGoes, view.TutumContainerIf(i.ID, view.TutumTerminate))
	return a.acceptedContainer(s, i.ID, err)
}

func (a *api) redeployContainer(ctx context.Context, in redeployIn) (rest.Accepted[container], error) {
	_, i, err := a.findContainer(ctx, in.UUID)
	if err != nil {
		return rest.Accepted[container]{}, err
	}
	s, next, err := a.p.Fabric().RedeployInstance(ctx, i.ID, in.tag(), view.TutumContainerIf(i.ID, view.TutumRedeploy))
	return a.acceptedContainer(s, next, err)
}
