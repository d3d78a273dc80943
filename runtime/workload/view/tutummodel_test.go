package view_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/view"
)

// model is an application as its contract tells of it, of containers that never
// end by themselves.
type model struct {
	Target     int
	Containers []modelContainer // by index
	next       int
	gone       bool
}

type modelContainer struct {
	Name  string
	State view.TutumState
}

func (m *model) add() {
	m.next++
	m.Containers = append(m.Containers, modelContainer{fmt.Sprint("web-", m.next), "Running"})
}

func (m *model) count(state view.TutumState) (n int) {
	for _, c := range m.Containers {
		if c.State == state {
			n++
		}
	}
	return n
}

func (m *model) state() view.TutumState {
	switch {
	case m.gone:
		return "Terminated"
	case len(m.Containers) == 0:
		return "Not running"
	case m.count("Running") == len(m.Containers):
		return "Running"
	case m.count("Running") > 0:
		return "Partly running"
	}
	return "Stopped"
}

func (m *model) all(state view.TutumState) {
	for k := range m.Containers {
		m.Containers[k].State = state
	}
}

func (m *model) scale(n int) {
	m.Target = n
	for len(m.Containers) < n {
		m.add()
	}
	for len(m.Containers) > n {
		victim := len(m.Containers) - 1
		for k, c := range m.Containers {
			if c.State != "Running" {
				victim = k // the last of those that do not run
			}
		}
		m.Containers = slices.Delete(m.Containers, victim, victim+1)
	}
}

// observed is what the view shows of the same.
func observed(s *workload.Snapshot) model {
	a := view.GetTutum(s)
	m := model{Target: a.Target}
	for _, i := range a.Containers {
		c := view.GetTutumContainer(s, i)
		m.Containers = append(m.Containers, modelContainer{c.UniqueName, c.State})
	}
	return m
}

// Random operations: what is legal, what is shown at acceptance and what at rest
// is what the contract says.
func TestApplicationsFollowTheirContract(t *testing.T) {
	legal := map[string]string{
		"start": "Partly running, Stopped", "stop": "Running, Partly running", "scale": "Running, Partly running, Not running",
		"change": "Running, Partly running, Stopped, Not running", "redeploy": "Running, Partly running, Stopped",
		"terminate": "Running, Partly running, Stopped, Not running",
	}
	shown := map[string]view.TutumState{"start": "Starting", "stop": "Stopping", "scale": "Scaling", "redeploy": "Redeploying", "terminate": "Terminating"}
	for seed := range uint64(12) {
		inBubble(t, func(t *testing.T, r *rig) {
			ctx := context.Background()
			rnd := rand.New(rand.NewPCG(seed, 1))
			m := &model{}
			n := 1 + rnd.IntN(3)
			s := r.settle(r.application("serve", view.TutumCreate{Name: "web", Target: &n, Sequential: rnd.IntN(2) == 0}))
			m.scale(n)
			id := s.Workload.ID
			var done []string
			for range 30 {
				op := []string{"start", "stop", "scale", "change", "redeploy", "start one", "stop one", "redeploy one", "terminate one", "terminate"}[rnd.IntN(10)]
				if op == "terminate" && rnd.IntN(4) > 0 {
					continue
				}
				var err error
				may, one := false, -1
				if strings.HasSuffix(op, " one") {
					if len(m.Containers) == 0 {
						continue
					}
					one = rnd.IntN(len(m.Containers))
				} else {
					may = slices.Contains(strings.Split(legal[op], ", "), string(m.state()))
				}
				target := rnd.IntN(5)
				if target == m.Target {
					target++
				}
				var i *workload.Instance
				up := false
				if one >= 0 {
					i = view.GetTutum(s).Containers[one]
					up = m.Containers[one].State == "Running"
				}
				var next *workload.Snapshot
				switch op {
				case "start":
					next, err = r.StartWorkload(ctx, id, view.TutumIf(view.TutumStart))
				case "stop":
					next, err = r.StopWorkload(ctx, id, view.TutumIf(view.TutumStop))
				case "scale":
					next, err = r.patch(s, view.TutumPatch{Target: &target})
				case "change":
					next, err = r.patch(s, view.TutumPatch{Autorestart: ptr([]string{"OFF", "ALWAYS"}[rnd.IntN(2)]), WebDNS: ptr("")})
				case "redeploy":
					next, err = r.Redeploy(ctx, id, nil, view.TutumIf(view.TutumRedeploy))
				case "terminate":
					next, err = r.Delete(ctx, id, view.TutumIf(view.TutumTerminate))
				case "start one":
					may = !up
					next, err = r.StartInstance(ctx, i.ID, view.TutumContainerIf(i.ID, view.TutumStart))
				case "stop one":
					may = up
					next, err = r.StopInstance(ctx, i.ID, view.TutumContainerIf(i.ID, view.TutumStop))
				case "redeploy one":
					may = true
					next, _, err = r.RedeployInstance(ctx, i.ID, nil, view.TutumContainerIf(i.ID, view.TutumRedeploy))
				case "terminate one":
					may = true
					next, err = r.DeleteInstance(ctx, i.ID, workload.SlotGoes, view.TutumContainerIf(i.ID, view.TutumTerminate))
				}
				done = append(done, fmt.Sprintf("%s of %s", op, m.state()))
				if (err == nil) != may || err != nil && atoll.KindOf(err) != atoll.Conflict {
					t.Fatalf("seed %d, %q: %v", seed, done, err)
				}
				if err != nil {
					continue
				}
				if want, ok := shown[op]; ok {
					if got := view.TutumApplicationState(next); got != want {
						t.Fatalf("seed %d, %q: accepted in state %q", seed, done, got)
					}
				} else if got := view.TutumApplicationState(next); got == "Scaling" || got == "Redeploying" || got == "Terminating" {
					t.Fatalf("seed %d, %q: an operation on one container shows as %q", seed, done, got)
				}
				switch op {
				case "start", "redeploy":
					m.all("Running")
				case "stop":
					m.all("Stopped")
				case "scale":
					m.scale(target)
				case "start one", "redeploy one":
					m.Containers[one].State = "Running"
				case "stop one":
					m.Containers[one].State = "Stopped"
				case "terminate one":
					m.Containers = slices.Delete(m.Containers, one, one+1)
					m.Target--
				case "terminate":
					m.Containers, m.gone = nil, true
				}
				if a := view.GetTutum(next); a.Target != m.Target {
					t.Fatalf("seed %d, %q: accepted with a target of %d", seed, done, a.Target)
				}
				time.Sleep(time.Second)
				s = r.settle(next)
				want := model{Target: m.Target, Containers: m.Containers}
				if len(want.Containers) == 0 {
					want.Containers = nil
				}
				if diff := cmp.Diff(want, observed(s), cmp.AllowUnexported(model{})); diff != "" {
					t.Fatalf("seed %d, %q (-want +got):\n%s", seed, done, diff)
				}
				a := view.GetTutum(s)
				if a.State != m.state() || a.Running != m.count("Running") || a.Stopped != m.count("Stopped") || a.Current != len(m.Containers) {
					t.Fatalf("seed %d, %q: %+v, want %s", seed, done, a, m.state())
				}
				if m.gone {
					return
				}
			}
		})
	}
}
