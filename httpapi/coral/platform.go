package coral

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/runtime/fleet"
)

// The rows whose errors have words of their own.
const (
	changeClusterID  = "coral.cluster.change"
	updateSettingsID = "coral.settings.update"
)

// machineBody is a machine as the API shows it.
type machineBody struct {
	Alias  *string  `json:"alias"`
	IP     string   `json:"ip"`
	Port   int      `json:"port"`
	Roles  []string `json:"roles"`
	Status string   `json:"status" doc:"Joining, Up, Leaving or Down"`
}

// machineWords are the API's words for states of machines.
var machineWords = map[fleet.State]string{fleet.Joining: "Joining", fleet.Up: "Up", fleet.Draining: "Leaving", fleet.Leaving: "Leaving", fleet.Down: "Down"}

func machineOf(m *fleet.Machine) machineBody {
	b := machineBody{IP: m.Host, Port: m.Port, Roles: append([]string{}, m.Roles...), Status: machineWords[m.Status]}
	if m.Alias != "" {
		b.Alias = &m.Alias
	}
	return b
}

func (a *api) platformTable() []rest.Operation {
	return []rest.Operation{
		op(rest.Operation{ID: changeClusterID, Entity: "machine", Summary: "Let a machine join or leave", Contract: "C1", Action: "Join or leave cluster", Permit: "update",
			Routes: routes("POST", "/api/platform/cluster"), Body: rest.JSONBody,
			Errors: []rest.Case{invalid, denied, notFound, conflict, state}}, a.changeCluster),
		op(rest.Operation{ID: "coral.cluster.list", Entity: "machine", Summary: "List the machines", Contract: "C2", Permit: "read",
			Routes: routes("GET", "/api/platform/cluster"), Errors: []rest.Case{denied}}, a.listMachines),
		op(rest.Operation{ID: "coral.cluster.get", Entity: "machine", Summary: "Get a machine", Contract: "C3", Action: "Get machine", Permit: "read",
			Routes: routes("GET", "/api/platform/cluster/{mid}"), Errors: []rest.Case{denied, notFound}}, a.getMachine),
		op(rest.Operation{ID: "coral.platform.stats", Entity: "platform", Summary: "Get the statistics of the platform", Contract: "C4", Permit: "read",
			Routes: routes("GET", "/api/platform/stats"), Errors: []rest.Case{denied}}, a.platformStats),
		op(rest.Operation{ID: "coral.settings.get", Entity: "platform", Summary: "Get the settings", Contract: "C5", Permit: "read",
			Routes: routes("GET", "/api/platform/settings"), Errors: []rest.Case{denied}}, a.getSettings),
		op(rest.Operation{ID: updateSettingsID, Entity: "platform", Summary: "Change settings", Contract: "C6", Action: "Update settings", Permit: "update",
			Routes: append(routes("PATCH", "/api/platform/settings"), routes("POST", "/api/platform/settings")...), Body: rest.JSONBody,
			Errors: []rest.Case{invalid, denied, state}}, a.updateSettings),
	}
}

type changeClusterIn struct {
	Action string             `json:"action" rule:"required enum=join,leave"`
	IP     rest.Opt[string]   `json:"ip"`
	Port   rest.Opt[int]      `json:"port" rule:"min=1 max=65535"`
	Alias  rest.Opt[string]   `json:"alias" rule:"null"`
	Roles  rest.Opt[[]string] `json:"roles" alias:"role"`
}

// target is the machine that shall leave, "" for this one.
func (in *changeClusterIn) target() string {
	host, ok := in.IP.Get()
	if !ok {
		return in.Alias.Or("")
	}
	if port, ok := in.Port.Get(); ok {
		return net.JoinHostPort(host, strconv.Itoa(port))
	}
	return host
}

// Check refuses to take half a target for none: the whole cluster would leave.
func (in *changeClusterIn) Check(found *rest.Findings) {
	if in.Action != "leave" {
		return
	}
	host, named := in.IP.Get()
	switch {
	case named && host == "":
		found.Add("ip", "address", "ip is missing or not an IP address")
	case in.Port.Sent() && !named:
		found.Add("ip", "required", "ip is required beside port")
	}
	if alias, ok := in.Alias.Get(); ok && alias == "" {
		found.Add("alias", "form", "alias is empty")
	}
}

type changedCluster struct {
	Action  string      `json:"action"`
	Machine machineBody `json:"machine"`
	Success bool        `json:"success"`
	Message string      `json:"message"`
}

func (a *api) changeCluster(ctx context.Context, in changeClusterIn) (changedCluster, error) {
	host, port := in.IP.Or(""), in.Port.Or(0)
	if in.Action == "join" {
		m, err := a.p.Machines().Join(ctx, fleet.Address{Host: host, Port: port, Alias: in.Alias.Or(""), Roles: in.Roles.Or(nil)})
		if err != nil {
			return changedCluster{}, err
		}
		return changedCluster{Action: "add machine", Machine: machineOf(&m), Success: true, Message: "Machine " + m.Address() + " has joined the cluster."}, nil
	}
	m, err := a.p.Machines().Leave(ctx, in.target())
	if err != nil {
		return changedCluster{}, err
	}
	return changedCluster{Action: "remove machine", Machine: machineOf(&m), Success: true, Message: "Machine " + m.Address() + " has left the cluster."}, nil
}

type clusterBody struct {
	Cluster  clusterState  `json:"cluster"`
	Machines []machineBody `json:"machines"`
}

type clusterState struct {
	Enabled bool `json:"enabled"`
}

func (a *api) listMachines(ctx context.Context, _ struct{}) (clusterBody, error) {
	c, err := a.p.Machines().Cluster(ctx)
	if err != nil {
		return clusterBody{}, err
	}
	out := clusterBody{Cluster: clusterState{c.Enabled}, Machines: make([]machineBody, len(c.Machines))}
	for i := range c.Machines {
		out.Machines[i] = machineOf(&c.Machines[i])
	}
	return out, nil
}

type onMachine struct {
	Machine string `path:"mid,object" doc:"ip:port, alias, or an ip that only one machine has"`
}

func (a *api) getMachine(ctx context.Context, in onMachine) (machineBody, error) {
	m, err := a.p.Machines().Find(ctx, in.Machine)
	if err != nil {
		return machineBody{}, err
	}
	return machineOf(&m), nil
}

type platformStatsBody struct {
	TotalMachines   int                          `json:"totalMachines"`
	TotalRuntimes   int                          `json:"totalRuntimes"`
	TotalActors     int                          `json:"totalActors"`
	TotalMessages   uint64                       `json:"totalMessages"`
	TotalExceptions uint64                       `json:"totalExceptions"`
	Counters        map[string]map[string]uint64 `json:"counters"`
	TotalChildren   int                          `json:"totalChildren,omitempty"`
	Cluster         clusterStats                 `json:"cluster"`
	RunningSince    time.Time                    `json:"runningSince"`
}

type clusterStats struct {
	Leader  *string  `json:"leader" doc:"first member that is up"`
	Roles   []string `json:"roles" doc:"of all members"`
	Members []member `json:"members"`
}

type member struct {
	Address memberAddress `json:"address"`
	Status  string        `json:"status"`
	Roles   []string      `json:"roles"`
}

type memberAddress struct {
	FullAddress string `json:"fullAddress"`
	Protocol    string `json:"protocol"`
	System      string `json:"system"`
	IP          string `json:"ip"`
	Port        int    `json:"port"`
}

func (a *api) platformStats(ctx context.Context, _ struct{}) (platformStatsBody, error) {
	s, err := a.p.Statistics(ctx)
	if err != nil {
		return platformStatsBody{}, err
	}
	b := platformStatsBody{TotalMachines: len(s.Cluster.Machines), TotalRuntimes: s.Runtimes, TotalActors: s.Actors, TotalMessages: s.Messages,
		TotalExceptions: s.Exceptions, Counters: s.Counters, TotalChildren: s.Children, RunningSince: s.Since,
		Cluster: clusterStats{Roles: []string{}, Members: []member{}}}
	for i := range s.Cluster.Machines {
		m := &s.Cluster.Machines[i]
		shown := machineOf(m)
		at := memberAddress{FullAddress: "akka.tcp://coral@" + m.Address(), Protocol: "akka.tcp", System: "coral", IP: m.Host, Port: m.Port}
		b.Cluster.Members = append(b.Cluster.Members, member{Address: at, Status: shown.Status, Roles: shown.Roles})
		if b.Cluster.Leader == nil && m.Status == fleet.Up {
			b.Cluster.Leader = &at.FullAddress
		}
		b.Cluster.Roles = append(b.Cluster.Roles, m.Roles...)
	}
	slices.Sort(b.Cluster.Roles)
	b.Cluster.Roles = slices.Compact(b.Cluster.Roles)
	return b, nil
}

// clusterShown is how the tree shows whether others have joined; clusterKey is
// the key of the configuration.
const (
	clusterShown = "coral.cluster.enabled"
	clusterKey   = "coral.cluster.enable"
)

func (a *api) getSettings(ctx context.Context, _ struct{}) (map[string]any, error) {
	all, err := a.p.Settings().All(ctx)
	if err != nil {
		return nil, err
	}
	cluster, err := a.p.Machines().Cluster(ctx)
	if err != nil {
		return nil, err
	}
	delete(all, clusterKey)
	all[clusterShown] = cluster.Enabled
	out := map[string]any{}
	for i := range cluster.Machines {
		out[cluster.Machines[i].Address()] = tree(all)
	}
	return out, nil
}

// tree nests dotted keys.
func tree(flat map[string]any) map[string]any {
	root := map[string]any{}
	for _, key := range slices.Sorted(maps.Keys(flat)) {
		at := root
		parts := strings.Split(key, ".")
		for _, p := range parts[:len(parts)-1] {
			next, ok := at[p].(map[string]any)
			if !ok {
				next = map[string]any{}
				at[p] = next
			}
			at = next
		}
		at[parts[len(parts)-1]] = flat[key]
	}
	return root
}

type updateSettingsIn struct {
	Tree map[string]rest.Raw `body:"keep" doc:"a partial tree, with dotted keys at any level, perhaps below an ip:port key"`
}

// flatten turns the tree, with dotted keys at any level, into one level. Below
// the address of a machine is a tree of its own: settings are those of all.
func (in updateSettingsIn) flatten(machine func(key string) bool) (map[string]any, error) {
	f := flattened{values: map[string]any{}}
	for _, key := range slices.Sorted(maps.Keys(in.Tree)) {
		var v any
		dec := json.NewDecoder(bytes.NewReader(in.Tree[key]))
		dec.UseNumber()
		if err := dec.Decode(&v); err != nil {
			return nil, &atoll.Error{Kind: atoll.Invalid, Msg: "a value cannot be read", Err: err}
		}
		if sub, ok := v.(map[string]any); ok && machine(key) {
			f.add("", sub)
			continue
		}
		f.add("", map[string]any{key: v})
	}
	if len(f.findings) > 0 {
		return nil, &atoll.Error{Kind: atoll.Invalid, Msg: "some settings are given twice", Findings: f.findings}
	}
	return f.values, nil
}

type flattened struct {
	values   map[string]any
	findings []atoll.Finding
}

func (f *flattened) add(prefix string, tree map[string]any) {
	for _, k := range slices.Sorted(maps.Keys(tree)) {
		key, v := prefix+k, tree[k]
		if sub, ok := v.(map[string]any); ok {
			f.add(key+".", sub)
			continue
		}
		if old, ok := f.values[key]; ok && !reflect.DeepEqual(old, v) {
			f.findings = append(f.findings, atoll.Finding{Path: key, Code: "duplicate", Msg: fmt.Sprintf("%.200s is given twice, with two values", key)})
			continue
		}
		f.values[key] = v
	}
}

type updatedSettings struct {
	Action   string         `json:"action"`
	Success  bool           `json:"success"`
	Settings map[string]any `json:"settings" doc:"the keys that changed, dotted, with their new values"`
}

func (a *api) updateSettings(ctx context.Context, in updateSettingsIn) (updatedSettings, error) {
	cluster, err := a.p.Machines().Cluster(ctx)
	if err != nil {
		return updatedSettings{}, err
	}
	flat, err := in.flatten(func(key string) bool {
		return slices.ContainsFunc(cluster.Machines, func(m fleet.Machine) bool { return m.Address() == key })
	})
	if err != nil {
		return updatedSettings{}, err
	}
	if v, ok := flat[clusterShown]; ok {
		delete(flat, clusterShown)
		if v != cluster.Enabled {
			flat[clusterKey] = v
		}
	}
	changed, err := a.p.Settings().Update(ctx, flat)
	if err != nil {
		return updatedSettings{}, err
	}
	return updatedSettings{Action: "Update settings", Success: true, Settings: changed}, nil
}
