package tutum

import (
	"slices"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/runtime/fabric"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/view"
)

// patch is what the request would change of an application. Members that cannot
// change may come as they are shown.
func (a *api) patch(s *workload.Snapshot, in *fields) *view.TutumPatch {
	p := &view.TutumPatch{
		Target: pointer(in.Target), Autorestart: pointer(in.Autorestart), Autoreplace: pointer(in.Autoreplace), Autodestroy: pointer(in.Autodestroy),
		Name: pointer(in.Name), Size: pointer(in.ContainerSize), RunCommand: pointer(in.RunCommand), Entrypoint: pointer(in.Entrypoint),
		Sequential: pointer(in.Sequential),
	}
	if in.WebPublicDNS.Sent() { // null and an empty text clear
		host := in.WebPublicDNS.Or("")
		p.WebDNS = &host
	}
	if in.Ports.Sent() {
		ports := in.ports()
		p.Ports = &ports
	}
	if in.Envvars.Sent() {
		vars := in.vars()
		p.Env = &vars
	}
	fixed := func(member string, same bool) {
		p.Kept = true
		if !same {
			p.Other = append(p.Other, atoll.Finding{Path: member, Code: "fixed", Msg: member + " cannot be changed"})
		}
	}
	bad := in.eachImage(func(member string, is fabric.Reference) []atoll.Finding {
		fixed(member, is.String() == view.GetTutum(s).ImageName)
		return nil
	})
	p.Other = append(p.Other, bad...)
	if sent, ok := in.Links.Get(); ok {
		fixed("linked_to_application", slices.EqualFunc(sent, a.p.Fabric().LinksFrom(s), func(r ref, l *fabric.Link) bool {
			return idOf(r.Target) == l.Target && (r.Name == "" || r.Name == l.Name)
		}))
	}
	if sent, ok := in.Roles.Get(); ok {
		names, found := view.TutumRoles(sent)
		p.Other = append(p.Other, found...)
		fixed("roles", len(found) > 0 || slices.Equal(names, a.p.Fabric().Application(s).Roles))
	}
	return p
}
