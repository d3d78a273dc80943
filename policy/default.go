package policy

import "strings"

// Default is the rules of a platform without policy documents. Administrators
// may do everything. An account may read and update itself, do everything with
// its keys and projects and in /sandbox/<home>, have sessions issued, create and
// list runtimes in /coral/<name>, and run workloads in /tutum/<name>, as may the
// workloads it owns. A caller in privileged mode may do what that API offers. Nobody else
// may do anything.
type Default struct{}

// Decide implements Authorizer.
func (Default) Decide(p *Principal, q Question) Decision {
	if p == nil {
		return Decision{}
	}
	if p.Admin || p.Kind == Privileged && privileged(q.Target) {
		return Decision{Allowed: true}
	}
	var name, home, owner string
	for _, c := range p.Claims {
		if c.Issuer != AccountIssuer {
			continue
		}
		switch c.Type {
		case "name":
			name = c.Value
		case "home":
			home = c.Value
		case "owner":
			owner = c.Value
		}
	}
	return Decision{Allowed: own(q, name, home, owner)}
}

func own(q Question, name, home, owner string) bool {
	t := q.Target
	if lies(t.Namespace, "/sandbox/", home) {
		return true
	}
	switch t.Type {
	case "user":
		return name != "" && t.Namespace == "/accounts" && t.Local == name && (q.Action == Read || q.Action == Update)
	case "apikey":
		return lies(t.Namespace, "/accounts/", name)
	case "auth":
		return name != "" && t.Namespace == "/oauth2/http" && q.Action == Issue
	case "project":
		return lies(t.Namespace, "/coral/", name)
	case "runtime":
		return lies(t.Namespace, "/coral/", name) && (q.Action == Create || q.Action == Read)
	case "job":
		switch q.Action {
		case Create, Read, Update, Delete, Start, Stop, Link:
			return lies(t.Namespace, "/tutum/", name) || lies(t.Namespace, "/tutum/", owner)
		}
	}
	return false
}

// lies reports whether ns is root followed by token, or lies in it; the empty
// token names nothing.
func lies(ns, root, token string) bool {
	rest, ok := strings.CutPrefix(ns, root)
	return ok && token != "" && below(rest, token)
}

func privileged(t FQN) bool {
	switch t.Type {
	case "tenant", "member":
		return InNamespace(t.Namespace, "/t")
	case "user":
		return InNamespace(t.Namespace, "/accounts")
	case "integration":
		return true
	case "cluster":
		return InNamespace(t.Namespace, "/machines")
	case "job", "instance":
		return InNamespace(t.Namespace, "/cxengage")
	}
	return false
}
