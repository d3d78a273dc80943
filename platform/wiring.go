package platform

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime"
	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/tenancy"
)

// accounts lets runtimes find their owners.
type accounts struct{}

func (accounts) ByName(r store.Reader, name string) (runtime.User, bool) {
	return accountOf(tenancy.UserByName(r, name))
}

func (accounts) ByID(r store.Reader, id string) (runtime.User, bool) {
	return accountOf(tenancy.UserByID(r, id))
}

func accountOf(u *tenancy.User, ok bool) (runtime.User, bool) {
	if !ok {
		return runtime.User{}, false
	}
	return runtime.User{ID: u.ID, Name: u.Name}, true
}

// dependents tells tenancy what runtimes and workloads keep of accounts and tenants.
type dependents struct {
	runtimes  *runtime.Service
	workloads *workload.Service
}

func (d dependents) UserRefs(tx *store.Tx, userID string) ([]policy.FQN, error) {
	refs, err := d.runtimes.UserRefs(tx, userID)
	return append(refs, d.workloads.Refs(tx, namedAfter(tx, userID))...), err
}

func (d dependents) DropUser(tx *store.Tx, userID string) error {
	if err := d.workloads.DeleteWithin(tx, namedAfter(tx, userID)); err != nil {
		return err
	}
	return d.runtimes.DropUser(tx, userID)
}

func (d dependents) DropProject(tx *store.Tx, id string) error { return d.runtimes.DropProject(tx, id) }

// DropTenant deletes workloads alone: no runtime lies in the namespace of a tenant.
func (d dependents) DropTenant(tx *store.Tx, t *tenancy.Tenant) error {
	return d.workloads.DeleteWithin(tx, within("/t/"+t.Name))
}

// tutumRoot goes before the name of an account in the namespace of its applications.
const tutumRoot = "/tutum/"

// namedAfter selects the workloads in the namespaces that carry the name or the
// home of an account.
func namedAfter(r store.Reader, userID string) func(*workload.Workload) bool {
	u, ok := tenancy.UserByID(r, userID)
	if !ok {
		return func(*workload.Workload) bool { return false }
	}
	account, home := within(tutumRoot+u.Name), within("/sandbox/"+u.Home)
	return func(w *workload.Workload) bool { return account(w) || u.Home != "" && home(w) }
}

// within selects the workloads in a namespace.
func within(namespace string) func(*workload.Workload) bool {
	return func(w *workload.Workload) bool { return policy.InNamespace(w.Address().Namespace, namespace) }
}

// placer lets the fleet choose the machines of runtimes.
type placer struct{ settings *Settings }

func (p placer) Place(tx *store.Tx, pl runtime.Placement) (string, []string, error) {
	m, warning, err := fleet.Place(tx, fleet.Strategy(pl.Mode), p.named(pl.Distribution), p.load(tx, pl))
	if err != nil {
		return "", nil, err
	}
	if warning != "" {
		return m.Address(), []string{warning}, nil
	}
	return m.Address(), nil, nil
}

// load returns what the mode compares machines by, nil if it is none of theirs.
func (p placer) load(tx *store.Tx, pl runtime.Placement) func(*fleet.Machine) int64 {
	switch fleet.Strategy(pl.Mode) {
	case fleet.LeastLoaded, fleet.LeastActors:
		loads := sync.OnceValue(func() map[string]runtime.Load { return runtime.Loads(tx) })
		return func(m *fleet.Machine) int64 {
			l := loads()[m.Address()]
			if fleet.Strategy(pl.Mode) == fleet.LeastLoaded {
				return int64(l.Runtimes)
			}
			return int64(l.Actors)
		}
	case fleet.LeastBusy:
		busy := sync.OnceValue(pl.Busy)
		return func(m *fleet.Machine) int64 { return int64(busy()[m.Address()]) }
	}
	return nil
}

func (p placer) Member(r store.Reader, m runtime.Machine) bool {
	for _, x := range fleet.Members(r).Machines {
		if x.Address() == m.String() {
			return true
		}
	}
	return false
}

// named is the machine of the mode predefined.
func (p placer) named(d *runtime.Distribution) string {
	if d != nil && d.Machine != nil {
		return d.Machine.String()
	}
	if alias := p.settings.text(keyDistAlias); alias != "" {
		return alias
	}
	return runtime.Machine{IP: p.settings.text(keyDistIP), Port: int(p.settings.number(keyDistPort))}.String()
}

// checkDefinition says whether a text may be kept as a definition of a project.
func (p *Platform) checkDefinition(text json.RawMessage) []atoll.Finding {
	def, err := runtime.ParseDefinition(text)
	if err == nil {
		_, err = p.runtimes.Check(context.Background(), def)
	}
	if e, ok := errors.AsType[*atoll.Error](err); ok {
		if len(e.Findings) > 0 {
			fs := slices.Clone(e.Findings)
			for i := range fs {
				fs[i].Path = strings.TrimPrefix(fs[i].Path, "/") // relative to the definition
			}
			return fs
		}
		return []atoll.Finding{{Code: "definition", Msg: e.Msg}}
	}
	return nil
}
