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

	Kept  bool            // members that are kept elsewhere were sent too
	Other []atoll.Finding // what the caller found about those
}

// Empty reports whether nothing is sent that could matter.
func (p *TutumPatch) Empty() bool {
	return p.Target == nil && p.Autorestart == nil && p.Autoreplace == nil && p.Autodestroy == nil && p.WebDNS == nil &&
		p.Image == nil && p.Name == nil && p.Size == nil && p.RunCommand == nil && p.Entrypoint == nil &&
		p.Ports == nil && p.Env == nil && p.Sequential == nil && !p.Kept && len(p.Other) == 0
}

// Update returns the two parts of one call of workload.Service.Update, which
// belong together and are for one call: cond refuses the patch with Invalid
// and all findings, Path being the member, or with Conflict in a state in which
// it is not legal; change applies it. A patch that is Empty is legal as long as there
// is an application.
func (p *TutumPatch) Update() (change func(*workload.Desired) error, cond workload.Cond) {
	var home workload.Origin
	cond = workload.If(func(s *workload.Snapshot) error {
		home = s.Workload.Home
		if p.Empty() && s.Workload.Deleted == nil {
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
	change = func(d *workload.Desired) error { return PutTutum(home, d, p) }
	return change, cond
}

// PutTutum applies a patch to a workload that was made in home. A policy that
// is sent as it is shown is no change. Invalid, with findings, if one that
// differs is governed elsewhere.
func PutTutum(home workload.Origin, d *workload.Desired, p *TutumPatch) error {
	if p.Target != nil {
		d.Count = *p.Target
	}
	restart, replace, destroy := tutumPolicies(&d.Spec.Recover)
	var changed []string
	for _, m := range []struct {
		path string
		is   *TutumPolicy
		sent *string
	}{{"autorestart", &restart, p.Autorestart}, {"autoreplace", &replace, p.Autoreplace}, {"autodestroy", &destroy, p.Autodestroy}} {
		if m.sent != nil && TutumPolicy(*m.sent) != *m.is {
			*m.is = TutumPolicy(*m.sent)
			changed = append(changed, m.path)
		}
	}
	if len(changed) == 0 {
		return nil
	}
	was := d.Spec
	d.Spec.Recover.Steps = TutumRecovery(restart, replace, destroy).Steps
	var f findings
	if by, ok := governed(workload.Tutum, home, &was, &d.Spec)[partRecover]; ok {
		for _, path := range changed {
			f.add(path, string(Governed), "%s: %s", cannotChange(path), governedBy(path, home, by))
		}
	}
	return f.err(atoll.Invalid, "the application is not valid")
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
	if err := PutTutum(s.Workload.Home, desired(s.Workload), p); err != nil {
		f = append(f, err.(*atoll.Error).Findings...)
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
