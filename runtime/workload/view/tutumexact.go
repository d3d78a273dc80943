package view

import (
	"slices"
	"strings"

	"github.com/atoll-platform/atoll/runtime/workload"
)

// tutumProcs reports whether an application shows exactly what is run: one
// process without a shell and without ways of its own to stop.
func tutumProcs(s *workload.Spec) bool {
	if len(s.Procs) > 1 {
		return false
	}
	for _, p := range s.Procs {
		if p.Shell != "" || p.StopShell != "" || len(p.StopArgv) > 0 || p.Dir != "" || p.User != "" || p.Group != "" {
			return false
		}
	}
	return true
}

// tutumEnv reports whether an application could have been given the variables.
func tutumEnv(s *workload.Spec) bool {
	for _, p := range s.Procs {
		for k := range p.Env {
			if !tutumKeyForm.MatchString(k) || strings.HasPrefix(k, "TUTUM_") {
				return false
			}
		}
	}
	return true
}

// tutumPortsExact reports whether an application shows the ports exactly: it has
// no ports that need not answer.
func tutumPortsExact(s *workload.Spec) bool {
	for _, p := range s.Ports {
		if p.Optional {
			return false
		}
	}
	return true
}

func tutumSizeExact(s *workload.Spec) bool {
	r, _ := TutumResources(TutumSize(s.Resources))
	return s.Resources == r && s.NetMax == 0
}

func tutumRecoverExact(s *workload.Spec) bool {
	return slices.Equal(s.Recover.Steps, TutumRecovery(tutumPolicies(&s.Recover)).Steps)
}
