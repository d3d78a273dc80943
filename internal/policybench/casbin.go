package main

import (
	"fmt"
	"strings"

	"github.com/casbin/casbin/v3"
	"github.com/casbin/casbin/v3/model"
	stringadapter "github.com/casbin/casbin/v3/persist/string-adapter"
)

// casbin: one policy line for each grant, in the form for tenants: the first
// token of a namespace is the domain. Users have groups as roles, and a
// pattern covers what lies below a namespace.

const (
	casbinModel = `[request_definition]
r = sub, dom, obj, act
[policy_definition]
p = sub, dom, obj, act
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = `
	casbinPlain = "r.act == p.act && (p.dom == r.dom || p.dom == \"*\") && keyMatch(r.obj, p.obj) && g(r.sub, p.sub)"
	casbinSelf  = `r.act == p.act && keyGet2(r.obj, p.obj, "name") == r.sub`
)

// domain is the first token of a namespace.
func domain(namespace string) string {
	if toks := tokens(namespace); len(toks) > 0 {
		return toks[0]
	}
	return "*"
}

func casbinText(w *world) []string {
	plain, self := false, false
	var b strings.Builder
	for i := range w.grants {
		g := &w.grants[i]
		if g.self() {
			self = true
			fmt.Fprintf(&b, "p, [name], %s, job::%s/:name/*, %s\n", domain(g.root()), strings.TrimSuffix(g.root(), "/"), g.action)
		} else {
			plain = true
			fmt.Fprintf(&b, "p, %s, %s, job::%s/*, %s\n", g.who, domain(g.namespace), strings.TrimSuffix(g.namespace, "/"), g.action)
		}
	}
	matcher := casbinPlain
	switch {
	case self && plain:
		matcher = `p.sub != "[name]" && ` + casbinPlain + ` || p.sub == "[name]" && ` + casbinSelf
	case self:
		matcher = casbinSelf
	}
	return []string{casbinModel + matcher + "\n", b.String()}
}

type casbinSet struct{ e *casbin.Enforcer }

func casbinLoad(texts []string) (loaded, error) {
	m, err := model.NewModelFromString(texts[0])
	if err != nil {
		return nil, err
	}
	e, err := casbin.NewEnforcer(m, stringadapter.NewAdapter(texts[1]))
	if err != nil {
		return nil, err
	}
	e.SetAdapter(nil)
	return &casbinSet{e}, nil
}

func (c *casbinSet) asker(w *world) func(int) bool {
	var roles [][]string
	seen := map[[2]string]bool{}
	for _, u := range w.users {
		for _, id := range u.ids[1:] {
			if k := [2]string{u.ids[0], id}; !seen[k] {
				seen[k] = true
				roles = append(roles, []string{u.ids[0], id})
			}
		}
	}
	if len(roles) > 0 {
		if _, err := c.e.AddGroupingPolicies(roles); err != nil {
			panic(err)
		}
	}
	objects, domains := make([]string, len(w.questions)), make([]string, len(w.questions))
	for i, q := range w.questions {
		objects[i], domains[i] = "job::"+strings.TrimSuffix(q.namespace, "/")+"/::web", domain(q.namespace)
	}
	return func(i int) bool {
		q := &w.questions[i]
		ok, err := c.e.Enforce(w.users[q.user].ids[0], domains[i], objects[i], q.action)
		if err != nil {
			panic(err)
		}
		return ok
	}
}
