package fabric_test

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/atoll-platform/atoll/runtime/fabric"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// naiveName is a link name as the contract turns it into the begin of a variable.
func naiveName(s string) string {
	out := ""
	for _, c := range strings.ToUpper(s) {
		if strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", c) {
			out += string(c)
		} else {
			out += "_"
		}
	}
	return out
}

// naiveLink is the table of link variables, row by row, of all containers that
// run, or of those that only admits.
func naiveLink(sn *workload.Snapshot, name, host, url string, only func(*workload.Instance) bool) map[string]string {
	out := map[string]string{}
	if url != "" {
		out[naiveName(name)+"_TUTUM_API_URL"] = url
	}
	for _, i := range sn.Instances {
		running := (i.State.String() == "running" || i.State.String() == "updating") && i.Goal.String() == "run" && i.Retired == nil && i.Slot >= 0
		if !running || only != nil && !only(i) {
			continue
		}
		n := fmt.Sprintf("%s_%d_", naiveName(name), i.Slot+1)
		ports := slices.DeleteFunc(slices.Clone(i.Ports), func(b driver.Bound) bool { return b.Outer == 0 })
		sort.SliceStable(ports, func(a, b int) bool {
			if ports[a].Proto != ports[b].Proto {
				return ports[a].Proto == "tcp"
			}
			return ports[a].Number < ports[b].Number
		})
		for k, b := range ports {
			at := fmt.Sprintf("%s://%s:%d", b.Proto, host, b.Outer)
			if k == 0 {
				out[n+"PORT"] = at
			}
			p := fmt.Sprintf("%sPORT_%d_%s", n, b.Number, map[string]string{"tcp": "TCP", "udp": "UDP"}[b.Proto])
			out[p], out[p+"_ADDR"], out[p+"_PORT"], out[p+"_PROTO"] = at, host, fmt.Sprint(b.Outer), b.Proto
		}
		spec := sn.Workload.Spec
		for _, g := range sn.Generations {
			if g.Gen == i.Gen && g.Gen != sn.Workload.Gen {
				spec = g.Spec
			}
		}
		for k, v := range spec.Procs["main"].Env {
			out[n+"ENV_"+k] = v
		}
	}
	return out
}

func drawEnv(t *rapid.T, label string) map[string]string {
	return rapid.MapOfN(rapid.StringMatching(`[A-Z_][A-Z0-9_]{0,6}`), rapid.StringMatching(`[ -~]{0,8}`), 0, 4).Draw(t, label)
}

func TestLinkVariablesAreTheTableOfTheContract(t *testing.T) {
	s := fabric.New(openStore(t), nil, fabric.WithAdvertised("h.example"), fabric.WithPublicURL("http://p"))
	rapid.Check(t, func(t *rapid.T) {
		procs := func(label string) map[string]driver.Process {
			return map[string]driver.Process{"main": {Env: drawEnv(t, label)}}
		}
		w := &workload.Workload{FQN: "job::/tutum/neo::" + rapid.StringMatching(`[A-Za-z0-9]([A-Za-z0-9.+@_-]{0,12}[a-z0-9])?`).Draw(t, "name"), Gen: 2}
		w.ID = "id"
		w.Spec.Procs = procs("env")
		sn := &workload.Snapshot{Workload: w, Status: &workload.Status{}, Generations: []*workload.Generation{{Workload: "id", Gen: 1, Spec: workload.Spec{Template: driver.Template{Procs: procs("old env")}}}}}
		at := time.Unix(1, 0)
		for k := range rapid.IntRange(0, 6).Draw(t, "instances") {
			i := &workload.Instance{Workload: "id", Slot: k, Gen: rapid.Uint64Range(1, 2).Draw(t, "gen"),
				State: rapid.SampledFrom([]workload.State{workload.StateNew, workload.StateStarting, workload.StateRunning, workload.StateRunning, workload.StateUpdating, workload.StateStopping, workload.StateEnded}).Draw(t, "state"),
				Goal:  rapid.SampledFrom([]workload.Goal{workload.GoalRun, workload.GoalRun, workload.GoalRun, workload.GoalStop, workload.GoalDestroy}).Draw(t, "goal")}
			if rapid.IntRange(0, 9).Draw(t, "retired") == 0 {
				i.Retired = &at
			}
			if rapid.IntRange(0, 9).Draw(t, "once") == 0 {
				i.Slot = workload.Once
			}
			for _, p := range rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) driver.Port {
				return driver.Port{Number: rapid.IntRange(1, 65535).Draw(t, "number"), Proto: rapid.SampledFrom([]string{"tcp", "udp"}).Draw(t, "proto")}
			}), 0, 4, func(p driver.Port) driver.Port { return p }).Draw(t, "ports") {
				i.Ports = append(i.Ports, driver.Bound{Port: p, Host: "0.0.0.0", Outer: rapid.SampledFrom([]int{0, 1, 40000, 65535}).Draw(t, "outer")})
			}
			sn.Instances = append(sn.Instances, i)
		}
		name := w.Address().Local
		if diff := cmp.Diff(naiveLink(sn, name, "h.example", "http://p/api/v1/application/id/", nil), s.LinkVariables(sn)); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		for _, i := range sn.Instances {
			if diff := cmp.Diff(naiveLink(sn, name, "h.example", "", func(o *workload.Instance) bool { return o == i }), s.ContainerLinkVariables(sn, i)); diff != "" {
				t.Fatalf("one instance (-want +got):\n%s", diff)
			}
		}
	})
}

// TestEnvironmentsAreWhatTheContractSays makes random applications one after the
// other, with links to those before, and compares every environment with one
// that is put together from the words of the contract.
func TestEnvironmentsAreWhatTheContractSays(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			defer r.stop()
			var all []*workload.Snapshot
			for k := range rapid.IntRange(1, 5).Draw(rt, "applications") {
				defaults, own := drawEnv(rt, "image"), drawEnv(rt, "user")
				if rapid.Bool().Draw(rt, "own port") {
					own["PORT"] = "mine"
				}
				delete(own, "TUTUM_AUTH")
				var ports []driver.Port
				for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(1, 100), 0, 3, rapid.ID[int]).Draw(rt, "ports") {
					ports = append(ports, driver.Port{Number: n, Proto: rapid.SampledFrom([]string{"tcp", "udp"}).Draw(rt, "proto")})
				}
				r.must(r.Images().Register(fabric.Image{Name: fmt.Sprint("image", k), Driver: "func", Func: "serve", Ports: ports, Env: defaults}))
				n := application(fmt.Sprintf("app-%d.x", k), fmt.Sprint("image", k), count(rapid.IntRange(1, 3).Draw(rt, "count")))
				n.Spec.Procs = map[string]driver.Process{"main": {Env: own}}
				n.Spec.Rollout.Sequential = rapid.Bool().Draw(rt, "sequential")
				if rapid.Bool().Draw(rt, "global") {
					n.Roles = []string{"global"}
				}
				var before []map[string]string
				names := map[string]bool{}
				for range rapid.IntRange(0, min(3, len(all))).Draw(rt, "links") {
					target := rapid.SampledFrom(all).Draw(rt, "target")
					name := rapid.SampledFrom([]string{"", "a", "a-b", "A_B", "x1"}).Draw(rt, "link name")
					used := name
					if name == "" {
						used = target.Workload.Address().Local
					}
					if names[used] {
						continue
					}
					names[used] = true
					n.Links = append(n.Links, fabric.NewLink{Target: target.Workload.ID, Name: name})
					before = append(before, naiveLink(r.get(target), used, "127.0.0.1", "/api/v1/application/"+target.Workload.ID+"/", nil))
				}
				sn, err := r.Create(t.Context(), n)
				r.must(err)
				sn = r.get(sn)
				all = append(all, sn)
				for _, i := range sn.Instances {
					want := with(append([]map[string]string{defaults}, before...)...)
					var siblings map[string]string
					if n.Spec.Rollout.Sequential {
						siblings = naiveLink(sn, n.FQN.Local, "127.0.0.1", "", func(o *workload.Instance) bool { return o.Slot < i.Slot })
					}
					given := with(append(append(before, siblings), own)...)
					maps.Copy(want, siblings)
					maps.Copy(want, own)
					lowest := 0
					for _, b := range i.Ports {
						want[fmt.Sprintf("TUTUM_PORT_%d_%s", b.Number, strings.ToUpper(b.Proto))] = fmt.Sprint(b.Outer)
						if b.Proto == "tcp" && (lowest == 0 || b.Number < lowest) {
							lowest = b.Number
							if _, ok := own["PORT"]; !ok {
								want["PORT"] = fmt.Sprint(b.Outer)
							}
						}
					}
					if n.Roles != nil {
						want["TUTUM_AUTH"] = r.tokens.live[fabric.Subject(sn.Workload.ID)]
					}
					if diff := cmp.Diff(want, env(i)); diff != "" {
						rt.Fatalf("environment of %s, instance %d (-want +got):\n%s", n.FQN, i.Slot, diff)
					}
					if diff := cmp.Diff(given, r.ContainerVariables(sn, i)); diff != "" {
						rt.Fatalf("variables shown of %s, instance %d (-want +got):\n%s", n.FQN, i.Slot, diff)
					}
				}
			}
		})
	})
}

func TestLinkVariablesHaveABound(t *testing.T) {
	s := fabric.New(openStore(t), nil)
	w := &workload.Workload{FQN: "job::/tutum/neo::w", Gen: 1}
	w.Spec.Procs = map[string]driver.Process{"main": {Env: map[string]string{"BIG": strings.Repeat("x", 100<<10)}}}
	sn := &workload.Snapshot{Workload: w, Status: &workload.Status{}}
	for k := range 100 {
		sn.Instances = append(sn.Instances, &workload.Instance{Slot: k, State: workload.StateRunning, Gen: 1})
	}
	got := slices.Sorted(maps.Keys(s.LinkVariables(sn)))
	if diff := cmp.Diff([]string{"W_1_ENV_BIG", "W_2_ENV_BIG", "W_TUTUM_API_URL"}, got); diff != "" {
		t.Errorf("the first ones that fit into 256 KiB (-want +got):\n%s", diff)
	}
}
