package platform

import (
	"fmt"
	"strings"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload"
)

// resources are the amounts that quotas limit, by the word in their names.
var resources = []struct {
	word string
	of   func(fleet.Resources) int64
}{
	{"cpu", func(r fleet.Resources) int64 { return r.CPU }},
	{"disk", func(r fleet.Resources) int64 { return r.Disk }},
	{"memory", func(r fleet.Resources) int64 { return r.Memory }},
	{"network", func(r fleet.Resources) int64 { return r.Net }},
}

// quota refuses what a caller makes of a workload if limits of the policy
// documents are exceeded that were kept before, or by less. The embedding program
// and the platform's own components have no limits.
func (p *Platform) quota(r store.Reader, s *workload.Snapshot) error {
	tx, ok := r.(*store.Tx)
	if !ok {
		return nil
	}
	caller := policy.PrincipalFrom(tx.Context())
	if caller == nil || caller.Kind == policy.Component {
		return nil
	}
	var with []policy.Claim
	if caller.Admin {
		with = []policy.Claim{{Type: "role", Value: "admin"}}
	}
	limits := policy.Quotas(p.documents.Set().Session(caller.Claims).Evaluate(quotaTarget(s.Workload), with...))
	if len(limits) == 0 {
		return nil
	}
	before := p.st.View()
	was := &workload.Workload{}
	p.workloads.Refs(before, func(w *workload.Workload) bool {
		if w.ID == s.Workload.ID {
			was = w
		}
		return false
	})
	for _, l := range limits {
		if err := p.exceeds(before, l, was, s.Workload); err != nil {
			return err
		}
	}
	return nil
}

// quotaTarget is what the limits of a workload are asked of.
func quotaTarget(w *workload.Workload) policy.FQN {
	f := w.Address()
	f.Type = "quota"
	return f
}

// exceeds reports that a limit does not allow what a workload becomes.
func (p *Platform) exceeds(r store.Reader, l policy.Quota, was, is *workload.Workload) error {
	var old, use, others int64
	word := l.Name[strings.LastIndexByte(l.Name, '.')+1:]
	switch {
	case l.Name == "max.instances":
		old, use = int64(was.Count), int64(is.Count)
	case strings.HasPrefix(l.Name, "max.instance."):
		old, use = amount(was, word), amount(is, word)
	case strings.HasPrefix(l.Name, "max.job."):
		old, use = times(amount(was, word), was.Count), times(amount(is, word), is.Count)
	case l.Name == "total."+word && word != "size":
		scope, err := policy.ParseFQN(l.Scope)
		if err != nil {
			return nil
		}
		old, use = inUse(was, word), inUse(is, word)
		p.workloads.Refs(r, func(w *workload.Workload) bool {
			if w.ID != is.ID && scope.Covers(quotaTarget(w)) {
				others += inUse(w, word)
			}
			return false
		})
	default:
		return nil
	}
	if use <= old || use+others <= l.Limit {
		return nil
	}
	return &atoll.Error{Kind: atoll.Quota, Op: "platform.quota", Subject: atoll.Subject{Type: "workload", ID: is.FQN},
		Msg:     fmt.Sprintf("%s of %s is %d: %d are asked for", l.Name, l.Scope, l.Limit, use+others),
		Details: map[string]any{"realm": l.Scope, "claim": l.Name, "limit": l.Limit, "requested": use, "current": others}}
}

// amount is what one instance needs of a resource.
func amount(w *workload.Workload, word string) int64 {
	for _, r := range resources {
		if r.word == word {
			return r.of(w.Spec.Resources)
		}
	}
	return 0
}

// inUse is what all instances of a workload need that is started.
func inUse(w *workload.Workload, word string) int64 {
	if w.State != workload.Started {
		return 0
	}
	return times(amount(w, word), w.Count)
}

// times multiplies without overflowing.
func times(amount int64, n int) int64 {
	const most = 1 << 62
	if n > 0 && amount > most/int64(n) {
		return most
	}
	return amount * int64(n)
}
