package view

import (
	"maps"
	"slices"
	"strings"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// TutumPatch is a change of an application. Members that are not sent are nil.
type TutumPatch struct {
	Target                                *int
	Autorestart, Autoreplace, Autodestroy *string
	WebDNS                                *string // checked here, and kept elsewhere; "" = none

	// Members that cannot change: they may be sent as they are.
	Image                              *string // <repository>:<tag>
	Name, Size, RunCommand, Entrypoint *string
	Ports                              *[]TutumPort
	Env                                *[]TutumVar
	Sequential                         *bool

	Other []atoll.Finding // what the caller found about members that are kept elsewhere
}

// Empty reports whether nothing is sent that could matter.
func (p *TutumPatch) Empty() bool {
	return p.Target == nil && p.Autorestart == nil && p.Autoreplace == nil && p.Autodestroy == nil && p.WebDNS == nil &&
		p.Image == nil && p.Name == nil && p.Size == nil && p.RunCommand == nil && p.Entrypoint == nil &&
		p.Ports == nil && p.Env == nil && p.Sequential == nil && len(p.Other) == 0
}

// Update returns the two parts of one call of workload.Service.Update, which
// belong together and are for one call: cond refuses the patch with Invalid
// and all findings, Path being the member, or with Conflict in a state in which
// it is not legal; change applies it. A patch that is Empty is legal always.
func (p *TutumPatch) Update() (change func(*workload.Desired) error, cond workload.Cond) {
	var home workload.Origin
	cond = workload.If(func(s *workload.Snapshot) error {
		home = s.Workload.Home
		if p.Empty() {
			return nil
		}
		if err := p.findings(s).err(atoll.Invalid, "the application is not valid"); err != nil {
			return err
		}
		op := TutumChange
		if p.Target != nil && *p.Target != s.Workload.Count {
			op = TutumScale
		}
		return TutumMay(s, op)
	})
	change = func(d *workload.Desired) error {
		if p.Target != nil {
			d.Count = *p.Target
		}
		r, err := p.recovery(&d.Spec.Recover, home)
		if err != nil {
			return err
		}
		d.Spec.Recover = r
		return nil
	}
	return change, cond
}

// findings returns everything that is wrong with the patch of s.
func (p *TutumPatch) findings(s *workload.Snapshot) findings {
	f := slices.Clip(findings(p.Other))
	is := GetTutum(s)
	if p.Target != nil && *p.Target != is.Target {
		most := TutumSettings{}.maxContainers()
		if s.Workload.Home == workload.Tutum && s.Workload.Spec.MaxCount > 0 {
			most = s.Workload.Spec.MaxCount
		}
		if *p.Target < 0 || *p.Target > most {
			f.add("target_num_containers", "range", "target_num_containers is from 0 to %d", most)
		}
	}
	for path, v := range map[string]*string{"autorestart": p.Autorestart, "autoreplace": p.Autoreplace, "autodestroy": p.Autodestroy} {
		if v != nil && !TutumPolicy(*v).valid() {
			f.add(path, "form", "%s is OFF, ON_FAILURE or ALWAYS, not %.20q", path, *v)
		}
	}
	if p.WebDNS != nil {
		f.host("web_public_dns", *p.WebDNS)
	}
	if len(f) == 0 {
		if _, err := p.recovery(&s.Workload.Spec.Recover, s.Workload.Home); err != nil {
			f = append(f, err.(*atoll.Error).Findings...)
		}
	}
	for _, m := range []struct {
		path string
		sent *string
		is   string
	}{
		{"image_tag", p.Image, is.ImageName}, {"name", p.Name, is.Name}, {"container_size", p.Size, is.Size},
		{"run_command", p.RunCommand, is.RunCommand}, {"entrypoint", p.Entrypoint, is.Entrypoint},
	} {
		if m.sent != nil && *m.sent != m.is {
			f.add(m.path, "fixed", "%s", cannotChange(m.path))
		}
	}
	if p.Ports != nil && !samePorts(*p.Ports, is.Ports) {
		f.add("container_ports", "fixed", "%s", cannotChange("container_ports"))
	}
	if p.Env != nil && !sameVars(*p.Env, is.Env) {
		f.add("container_envvars", "fixed", "%s", cannotChange("container_envvars"))
	}
	if p.Sequential != nil && *p.Sequential != is.Sequential {
		f.add("sequential_deployment", "fixed", "%s", cannotChange("sequential_deployment"))
	}
	slices.SortStableFunc(f, func(a, b atoll.Finding) int { return strings.Compare(a.Path, b.Path) })
	return f
}

// recovery returns what the policies come to. A policy that is sent as it is
// shown is no change.
func (p *TutumPatch) recovery(r *workload.Recovery, home workload.Origin) (workload.Recovery, error) {
	restart, replace, destroy := tutumPolicies(r)
	var f findings
	set := func(path string, is *TutumPolicy, sent *string) {
		if sent == nil || TutumPolicy(*sent) == *is {
			return
		}
		*is = TutumPolicy(*sent)
		if by := governs(home, partRecover); by != "" {
			f.add(path, "governed", "%s", governedBy(path, home, by))
		}
	}
	was := [...]TutumPolicy{restart, replace, destroy}
	set("autorestart", &restart, p.Autorestart)
	set("autoreplace", &replace, p.Autoreplace)
	set("autodestroy", &destroy, p.Autodestroy)
	if was == [...]TutumPolicy{restart, replace, destroy} {
		return *r, nil
	}
	next := TutumRecovery(restart, replace, destroy)
	next.Flap = r.Flap
	return next, f.err(atoll.Invalid, "the application is not valid")
}

func samePorts(sent, is []TutumPort) bool {
	set := func(ports []TutumPort) map[driver.Port]bool {
		out := map[driver.Port]bool{}
		for _, p := range ports {
			out[driver.Port{Number: p.Inner, Proto: strings.ToLower(p.Protocol)}] = true
		}
		return out
	}
	return len(sent) == len(is) && maps.Equal(set(sent), set(is))
}

func sameVars(sent, is []TutumVar) bool {
	set := func(vars []TutumVar) map[string]string {
		out := map[string]string{}
		for _, v := range vars {
			out[v.Key] = v.Value
		}
		return out
	}
	return len(sent) == len(is) && maps.Equal(set(sent), set(is))
}
