package tutum

import (
	"context"
	"errors"
	"iter"
	"strings"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/view"
)

// account is the name of the account for which the caller acts: its own, or of
// an application that calls its owner's.
func account(ctx context.Context) string {
	p := policy.PrincipalFrom(ctx)
	if p == nil {
		return policy.ActorName(ctx)
	}
	for _, c := range p.Claims {
		if c.Issuer == policy.AccountIssuer && (c.Type == "name" || c.Type == "owner") {
			return c.Value
		}
	}
	return p.Name
}

// namespace is where the applications of an account lie.
func namespace(account string) string { return "/tutum/" + policy.Token(account, "~long") }

// noSuch says that there is no such object for this caller.
func noSuch(what, uuid string) error {
	return &atoll.Error{Kind: atoll.NotFound, Op: "tutum.find", Subject: atoll.Subject{Type: what, ID: uuid}}
}

// hidden makes what the caller may not read something that is not there.
func hidden(err error, what, uuid string) error {
	if errors.Is(err, atoll.NotFound) || errors.Is(err, atoll.Denied) {
		return noSuch(what, uuid)
	}
	return err
}

// find returns the application of the caller that has the uuid.
func (a *api) find(ctx context.Context, uuid string) (*workload.Snapshot, error) {
	s, err := a.p.Workloads().Get(ctx, strings.ToLower(uuid))
	if err != nil {
		return nil, hidden(err, "application", uuid)
	}
	if !view.TutumSees(account(ctx))(s.Workload) {
		return nil, noSuch("application", uuid)
	}
	return s, nil
}

// findContainer returns the container of an application of the caller that has
// the uuid.
func (a *api) findContainer(ctx context.Context, uuid string) (*workload.Snapshot, *workload.Instance, error) {
	s, i, err := a.p.Workloads().Instance(ctx, strings.ToLower(uuid))
	if err != nil {
		return nil, nil, hidden(err, "container", uuid)
	}
	if i.Slot == workload.Once || !view.TutumSees(account(ctx))(s.Workload) {
		return nil, nil, noSuch("container", uuid)
	}
	return s, i, nil
}

// applications are those of the caller that it may read, terminated ones too.
func (a *api) applications(ctx context.Context) iter.Seq[*workload.Snapshot] {
	name := account(ctx)
	return a.p.Workloads().List(ctx, workload.Filter{Tenant: name, Deleted: true, Match: view.TutumSees(name)})
}
