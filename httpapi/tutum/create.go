package tutum

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/runtime/fabric"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/view"
)

// imageMember is the member that names the image: requests have two for it.
func (f *fields) imageMember() string {
	if _, ok := f.Image.Get(); ok {
		return "image"
	}
	return "image_tag"
}

// image reads the name of the image. Both members must mean the same.
func (f *fields) image() (r fabric.Reference, found []atoll.Finding) {
	given := false
	found = f.eachImage(func(member string, is fabric.Reference) []atoll.Finding {
		if given && is != r {
			return []atoll.Finding{{Path: member, Code: "form", Msg: "image and image_tag name different images"}}
		}
		r, given = is, true
		return nil
	})
	if !given && len(found) == 0 {
		found = append(found, atoll.Finding{Path: "image_tag", Code: "required", Msg: "image_tag is required"})
	}
	return r, found
}

// eachImage calls fn with the image that each of the two members names that was
// given, and returns what is wrong with them and what fn says.
func (f *fields) eachImage(fn func(member string, is fabric.Reference) []atoll.Finding) (found []atoll.Finding) {
	for _, m := range []struct {
		name  string
		value rest.Opt[string]
	}{{"image", f.Image}, {"image_tag", f.ImageTag}} {
		text, ok := m.value.Get()
		if !ok {
			continue
		}
		is, err := fabric.ParseReference(text)
		if err != nil {
			found = append(found, under(m.name, err)...)
			continue
		}
		found = append(found, fn(m.name, is)...)
	}
	return found
}

// under are the findings of err as those of one member.
func under(member string, err error) []atoll.Finding {
	e, ok := errors.AsType[*atoll.Error](err)
	if !ok || len(e.Findings) == 0 {
		return []atoll.Finding{{Path: member, Code: "form", Msg: err.Error()}}
	}
	fs := slices.Clone(e.Findings)
	for i := range fs {
		fs[i].Path = member
	}
	return fs
}

// create makes an application. Whatever is wrong with it is told at once: by
// its own members, by its image and by its links.
func (a *api) create(ctx context.Context, in *fields) (*workload.Snapshot, error) {
	who := account(ctx)
	image, found := in.image()
	c := view.TutumCreate{
		Namespace: namespace(who), Tenant: who, Repository: image.Repository,
		Name: in.Name.Or(""), Size: in.ContainerSize.Or(""), RunCommand: pointer(in.RunCommand), Entrypoint: pointer(in.Entrypoint),
		Target: pointer(in.Target), Ports: in.ports(), Env: in.vars(),
		Autorestart: in.Autorestart.Or(""), Autoreplace: in.Autoreplace.Or(""), Autodestroy: in.Autodestroy.Or(""),
		Sequential: in.Sequential.Or(false), Roles: in.Roles.Or(nil), WebDNS: in.WebPublicDNS.Or(""),
	}
	n := fabric.NewApplication{Image: image, Entrypoint: in.Entrypoint.Or(""), Command: in.RunCommand.Or(""), WebDNS: c.WebDNS}
	for _, l := range in.Links.Or(nil) {
		c.LinkNames = append(c.LinkNames, l.Name)
		n.Links = append(n.Links, fabric.NewLink{Target: idOf(l.Target), Name: l.Name})
	}
	w, more := c.New()
	found = append(found, more...)
	n.NewWorkload, n.Roles = w, roles(c.Roles)
	if in.Ports.Sent() {
		n.Ports = w.Spec.Ports
	}
	s, err := a.p.Fabric().Create(ctx, n, func(*workload.Snapshot) error { return notValid(found) })
	return s, named(join(found, err), in)
}

// roles are those of the request as they are known to the platform.
func roles(in []string) []string {
	out, _ := view.TutumRoles(in)
	return out
}

func notValid(found []atoll.Finding) error {
	if len(found) == 0 {
		return nil
	}
	return &atoll.Error{Kind: atoll.Invalid, Op: "tutum.create", Msg: "the application is not valid", Findings: found}
}

// join adds to what was found before what a service found beyond that: a member
// is told once.
func join(found []atoll.Finding, err error) error {
	e, ok := errors.AsType[*atoll.Error](err)
	if len(found) == 0 || !ok || e.Kind != atoll.Invalid && e.Kind != atoll.Reference {
		return err
	}
	told := map[string]bool{}
	for _, f := range found {
		told[memberOf(f.Path)] = true
	}
	all := slices.Clone(found)
	for _, f := range e.Findings {
		if m, known := members[first(f.Path)]; known && !told[m] && !(m == "image_tag" && told["image"]) {
			all = append(all, f)
		}
	}
	return notValid(all)
}

// members are the names of the services for what the API calls otherwise.
var members = map[string]string{
	"image": "image_tag", "driver": "image_tag", "func": "image_tag", "entrypoint": "entrypoint", "command": "run_command", "ports": "container_ports",
	"links": "linked_to_application", "roles": "roles", "webDNS": "web_public_dns", "count": "target_num_containers", "procs": "container_envvars",
}

// first is the first part of a path, with or without a slash before it.
func first(path string) string {
	path, _, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return path
}

// memberOf is the member of the API that a path lies in.
func memberOf(path string) string {
	if m, ok := members[first(path)]; ok {
		return m
	}
	return first(path)
}

// named puts the API's own names into the findings of an error. What a service
// says of the image is said of the member that named it.
func named(err error, in *fields) error {
	e, ok := errors.AsType[*atoll.Error](err)
	if !ok || len(e.Findings) == 0 {
		return err
	}
	c := *e
	c.Findings = slices.Clone(e.Findings)
	for i := range c.Findings {
		own := first(c.Findings[i].Path) == "image_tag"
		if c.Findings[i].Path = memberOf(c.Findings[i].Path); c.Findings[i].Path == "image_tag" && !own {
			c.Findings[i].Path = in.imageMember()
		}
	}
	return &c
}

// pointer is nil for a value that was not given.
func pointer[T any](o rest.Opt[T]) *T {
	if v, ok := o.Get(); ok {
		return &v
	}
	return nil
}

func (f *fields) ports() []view.TutumPort {
	given, ok := f.Ports.Get()
	if !ok {
		return nil
	}
	out := make([]view.TutumPort, len(given))
	for i, p := range given {
		out[i] = view.TutumPort{Inner: p.InnerPort, Protocol: p.Protocol}
	}
	return out
}

func (f *fields) vars() []view.TutumVar {
	given, ok := f.Envvars.Get()
	if !ok {
		return nil
	}
	out := make([]view.TutumVar, len(given))
	for i, v := range given {
		out[i] = view.TutumVar{Key: v.Key, Value: v.Value}
	}
	return out
}
