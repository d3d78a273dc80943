package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go"
)

// cedar: one policy for each grant; namespaces are entities in a hierarchy.

const (
	cedarUser      = "User"
	cedarGroup     = "Group"
	cedarNamespace = "NS"
)

var cedarActions = []string{"read", "update", "start", "stop"}

func cedarID(id string) cedar.EntityUID {
	if strings.HasPrefix(id, "group") {
		return cedar.NewEntityUID(cedarGroup, cedar.String(id))
	}
	return cedar.NewEntityUID(cedarUser, cedar.String(id))
}

func namespaceID(namespace string) cedar.EntityUID {
	return cedar.NewEntityUID(cedarNamespace, cedar.String(fqn(namespace)))
}

func cedarText(w *world) []string {
	var b strings.Builder
	for i := range w.grants {
		g := &w.grants[i]
		who := ""
		switch {
		case g.self():
		case strings.HasPrefix(g.who, "group"):
			who = fmt.Sprintf(" in %s::%q", cedarGroup, g.who)
		default:
			who = fmt.Sprintf(" == %s::%q", cedarUser, g.who)
		}
		fmt.Fprintf(&b, "permit (principal%s, action == Action::%q, resource in %s::%q)", who, g.action, cedarNamespace, fqn(g.root()))
		if g.self() {
			n := len(tokens(g.root()))
			fmt.Fprintf(&b, " when { resource has t%d && resource.t%d == principal.name }", n, n)
		}
		b.WriteString(";\n")
	}
	return []string{b.String()}
}

type cedarSet struct{ policies *cedar.PolicySet }

func cedarLoad(texts []string) (loaded, error) {
	set, err := cedar.NewPolicySetFromBytes("", []byte(texts[0]))
	if err != nil {
		return nil, err
	}
	return &cedarSet{set}, nil
}

func (c *cedarSet) asker(w *world) func(int) bool {
	entities := cedar.EntityMap{}
	for _, u := range w.users {
		var groups []cedar.EntityUID
		for _, id := range u.ids[1:] {
			groups = append(groups, cedarID(id))
			entities[cedarID(id)] = cedar.Entity{UID: cedarID(id)}
		}
		e := cedar.Entity{UID: cedarID(u.ids[0]), Parents: cedar.NewEntityUIDSet(groups...),
			Attributes: cedar.NewRecord(cedar.RecordMap{"name": cedar.String(u.ids[0])})}
		entities[e.UID] = e
	}
	requests := make([]cedar.Request, len(w.questions))
	for i, q := range w.questions {
		all := prefixes(q.namespace)
		for k, p := range all {
			e := cedar.Entity{UID: namespaceID(p)}
			if k > 0 {
				e.Parents = cedar.NewEntityUIDSet(namespaceID(all[k-1]))
			}
			attributes := cedar.RecordMap{}
			for n, tok := range tokens(p) {
				attributes[cedar.String(fmt.Sprintf("t%d", n))] = cedar.String(tok)
			}
			e.Attributes = cedar.NewRecord(attributes)
			entities[e.UID] = e
		}
		requests[i] = cedarRequest(w, &q, q.namespace)
	}
	return func(i int) bool {
		d, _ := cedar.Authorize(c.policies, entities, requests[i])
		return d == cedar.Allow
	}
}

func cedarRequest(w *world, q *question, resource string) cedar.Request {
	return cedar.Request{
		Principal: cedarID(w.users[q.user].ids[0]),
		Action:    cedar.NewEntityUID("Action", cedar.String(q.action)),
		Resource:  namespaceID(resource),
		Context:   cedar.NewRecord(nil),
	}
}

// cedar-entity: what a namespace grants stands in attributes of its entity,
// inherited grants included, so that one policy for each action answers.

func cedarEntityText(w *world) []string {
	type attributes map[string][]string
	own := map[string]attributes{}
	for i := range w.grants {
		g := &w.grants[i]
		a := own[g.root()]
		if a == nil {
			a = attributes{}
			own[g.root()] = a
		}
		if g.self() {
			a["self_"+g.action] = nil
		} else {
			a[g.action] = append(a[g.action], g.who)
		}
	}
	// Entities stand for the namespaces with grants and those asked about
	// that a name rule applies to.
	all := map[string]bool{}
	named := false
	for ns := range own {
		all[ns] = true
	}
	for i := range w.grants {
		named = named || w.grants[i].self()
	}
	if named {
		for _, q := range w.questions {
			all[q.namespace] = true
		}
	}
	type entity struct {
		UID     map[string]string `json:"uid"`
		Attrs   map[string]any    `json:"attrs"`
		Parents []string          `json:"parents"`
	}
	var out []entity
	for ns := range all {
		e := entity{UID: map[string]string{"type": cedarNamespace, "id": fqn(ns)}, Attrs: map[string]any{}, Parents: []string{}}
		toks := tokens(ns)
		for depth, p := range prefixes(ns) {
			for name, ids := range own[p] {
				key, value := name, ids
				if action, ok := strings.CutPrefix(name, "self_"); ok {
					if depth >= len(toks) {
						continue
					}
					key, value = action, []string{toks[depth]}
				}
				had, _ := e.Attrs[key].([]string)
				e.Attrs[key] = append(slices.Clip(had), value...)
			}
		}
		out = append(out, e)
	}
	text, err := json.Marshal(out)
	if err != nil {
		panic(err)
	}
	return []string{string(text)}
}

type cedarEntities struct {
	policies *cedar.PolicySet
	entities cedar.EntityMap
}

func cedarEntityLoad(texts []string) (loaded, error) {
	var b strings.Builder
	for _, a := range cedarActions {
		fmt.Fprintf(&b, "permit (principal, action == Action::%q, resource) when { resource has %s && resource.%s.containsAny(principal.ids) };\n", a, a, a)
	}
	set, err := cedar.NewPolicySetFromBytes("", []byte(b.String()))
	if err != nil {
		return nil, err
	}
	c := &cedarEntities{policies: set}
	return c, json.Unmarshal([]byte(texts[0]), &c.entities)
}

// principals adds the callers to the entities.
func (c *cedarEntities) principals(w *world) {
	for _, u := range w.users {
		var ids []cedar.Value
		for _, id := range u.ids {
			ids = append(ids, cedar.String(id))
		}
		e := cedar.Entity{UID: cedarID(u.ids[0]), Attributes: cedar.NewRecord(cedar.RecordMap{"ids": cedar.NewSet(ids...)})}
		c.entities[e.UID] = e
	}
}

func (c *cedarEntities) requests(w *world) []cedar.Request {
	out := make([]cedar.Request, len(w.questions))
	for i, q := range w.questions {
		resource := "none"
		for _, p := range prefixes(q.namespace) {
			if _, ok := c.entities[namespaceID(p)]; ok {
				resource = p
			}
		}
		out[i] = cedarRequest(w, &q, resource)
	}
	return out
}

func (c *cedarEntities) asker(w *world) func(int) bool {
	c.principals(w)
	requests := c.requests(w)
	return func(i int) bool {
		d, _ := cedar.Authorize(c.policies, c.entities, requests[i])
		return d == cedar.Allow
	}
}
