package rest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
)

// Dialect is one API: a profile and its rows, checked and ready to serve. It
// is constant.
type Dialect struct {
	profile Profile
	ops     []*Operation
	tree    *tree

	alone  sync.Once // makes server, for a dialect that is a handler by itself
	server *Server
}

// New checks the profile against the rows and builds the router. All faults
// are reported in one error.
func New(p Profile, ops ...Operation) (*Dialect, error) {
	d := &Dialect{profile: p}
	if d.profile.MaxBody == 0 {
		d.profile.MaxBody = 1 << 20
	}
	if len(d.profile.Renderers) == 0 {
		d.profile.Renderers = []Renderer{{Media: "application/json"}}
	}
	var faults []error
	ids := map[string]bool{}
	for i := range ops {
		o := ops[i]
		if o.call == nil {
			faults = append(faults, fmt.Errorf("operation %q was not made by Op", o.ID))
			continue
		}
		if ids[o.ID] {
			faults = append(faults, fmt.Errorf("two operations are called %q", o.ID))
		}
		ids[o.ID] = true
		for _, r := range o.Routes {
			if r.Path != "/" && r.Path != p.Prefix && !strings.HasPrefix(r.Path, strings.TrimSuffix(p.Prefix, "/")+"/") {
				faults = append(faults, fmt.Errorf("operation %q: %s is outside of %s", o.ID, r.Path, p.Prefix))
			}
		}
		d.ops = append(d.ops, &o)
	}
	faults = append(faults, d.profile.check(d.ops))
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("rest: dialect %q: %w", p.Name, err)
	}
	t, err := newTree(d.ops)
	if err != nil {
		return nil, fmt.Errorf("rest: dialect %q: %w", p.Name, err)
	}
	d.tree = t
	if d.profile.Options == OptionsMetadata {
		for _, tpl := range t.templates {
			tpl.meta = newMetadata(&d.profile, tpl.text, tpl.ops)
		}
	}
	return d, nil
}

// Name is the profile's.
func (d *Dialect) Name() string { return d.profile.Name }

// Profile returns the profile. It must not be changed.
func (d *Dialect) Profile() *Profile { return &d.profile }

// Operations returns the rows, ordered by id. They must not be changed.
func (d *Dialect) Operations() []*Operation { return sortedOps(d.ops) }
