package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/atoll-platform/atoll/policy"
)

// grant is one rule: it gives an action on a namespace and everything below
// it to a user, to a group or, with a last token [name], to the user whom that
// token names. Every engine reads the same grants in a text of its own.
type grant struct {
	namespace string // "/a/b"; "/a/[name]" is the namespace of each user below /a
	who       string // "user7" or "group7"; "" with [name]
	action    string
}

// self reports whether g is for the user whom the namespace names.
func (g *grant) self() bool { return g.who == "" }

// root is the literal part of the namespace.
func (g *grant) root() string {
	if root := strings.TrimSuffix(g.namespace, "/[name]"); root != "" {
		return root
	}
	return "/"
}

// user is a caller: ids are what grants may name, his own name first.
type user struct {
	ids []string
}

// question asks for an action on a resource called "web".
type question struct {
	user      int
	namespace string
	action    string
	want      bool // by asking every grant in turn
}

func (q *question) target() policy.Target { return jobIn(q.namespace) }

func jobIn(namespace string) policy.Target {
	return policy.Target{Type: "job", Namespace: namespace, Local: "web"}
}

// world is the grants, the callers and the questions of one scenario.
type world struct {
	name      string
	grants    []grant
	users     []user
	questions []question
	documents []string // of the policy language, if they are not one rule for each grant
}

const authServer = "auth_server@apcera.me"

// claim returns what an id of a user is to the policy language.
func claim(id string) policy.Claim {
	if strings.HasPrefix(id, "group") {
		return policy.Claim{Issuer: "LDAP", Type: "group", Value: id}
	}
	return policy.Claim{Issuer: authServer, Type: "name", Value: id}
}

// fqn is how the namespaces of jobs are called where one name must say it all.
func fqn(namespace string) string { return "job::" + namespace }

// prefixes returns a namespace with all that are above it, the root first.
func prefixes(namespace string) []string {
	out := []string{"/"}
	for i := 1; i < len(namespace); i++ {
		if namespace[i] == '/' {
			out = append(out, namespace[:i])
		}
	}
	if namespace != "/" {
		out = append(out, namespace)
	}
	return out
}

// tokens returns the tokens of a namespace.
func tokens(namespace string) []string {
	if namespace == "/" {
		return nil
	}
	return strings.Split(namespace[1:], "/")
}

// answer fills in the answers of the questions by the definition of a grant.
func (w *world) answer() {
	by := map[string][]*grant{}
	for i := range w.grants {
		g := &w.grants[i]
		by[g.root()] = append(by[g.root()], g)
	}
	for i := range w.questions {
		q := &w.questions[i]
		q.want = false
		toks := tokens(q.namespace)
		for depth, p := range prefixes(q.namespace) {
			for _, g := range by[p] {
				switch {
				case g.action != q.action:
				case g.self():
					q.want = q.want || depth < len(toks) && toks[depth] == w.users[q.user].ids[0]
				default:
					q.want = q.want || slices.Contains(w.users[q.user].ids, g.who)
				}
			}
		}
	}
}

const questions = 4000

// users returns n users in three groups each.
func usersInGroups(rnd *rand.Rand, n, groups int) []user {
	out := make([]user, n)
	for i := range out {
		out[i].ids = []string{fmt.Sprintf("user%d", i)}
		for range 3 {
			out[i].ids = append(out[i].ids, fmt.Sprintf("group%d", rnd.IntN(groups)))
		}
	}
	return out
}

// worldA is ten rules on ten namespaces for groups.
func worldA() *world {
	w := &world{name: "A-10"}
	for i := range 10 {
		w.grants = append(w.grants, grant{fmt.Sprintf("/team%d", i), fmt.Sprintf("group%d", i), "update"})
		w.users = append(w.users, user{[]string{fmt.Sprintf("user%d", i), fmt.Sprintf("group%d", i)}})
		for j := range 10 {
			w.questions = append(w.questions, question{user: j, namespace: fmt.Sprintf("/team%d/web", i), action: "update"})
		}
	}
	w.answer()
	return w
}

// worldB is n rules for groups on n/3 namespaces of three tokens.
func worldB(n int) *world {
	rnd := rand.New(rand.NewPCG(1, 2))
	w := &world{name: fmt.Sprintf("B-%d", n), users: usersInGroups(rnd, 5000, 200)}
	members := map[string][]int{}
	for i, u := range w.users {
		for _, g := range u.ids[1:] {
			members[g] = append(members[g], i)
		}
	}
	spaces := n/3 + 1
	at := make([][]string, spaces)
	ns := func(i int) string { return fmt.Sprintf("/org%d/team%d/app%d", i%20, i%400, i) }
	for i := range n {
		s := i % spaces
		g := fmt.Sprintf("group%d", rnd.IntN(200))
		at[s] = append(at[s], g)
		w.grants = append(w.grants, grant{ns(s), g, "update"})
	}
	for range questions {
		s := rnd.IntN(spaces)
		q := question{user: rnd.IntN(len(w.users)), namespace: ns(s), action: "update"}
		if mine := members[at[s][rnd.IntN(len(at[s]))]]; rnd.IntN(2) == 0 && len(mine) > 0 {
			q.user = mine[rnd.IntN(len(mine))]
		}
		w.questions = append(w.questions, q)
	}
	w.answer()
	return w
}

// worldC is n rules for single users on n/3 namespaces of two tokens.
func worldC(n int) *world {
	rnd := rand.New(rand.NewPCG(3, 4))
	w := &world{name: fmt.Sprintf("C-%d", n)}
	for i := range n / 10 {
		w.users = append(w.users, user{[]string{fmt.Sprintf("user%d", i)}})
	}
	spaces := n/3 + 1
	at := make([][]int, spaces)
	ns := func(i int) string { return fmt.Sprintf("/tenant%d/app%d", i%3000, i) }
	for i := range n {
		s, u := i%spaces, rnd.IntN(len(w.users))
		at[s] = append(at[s], u)
		w.grants = append(w.grants, grant{ns(s), w.users[u].ids[0], "update"})
	}
	for range questions {
		s := rnd.IntN(spaces)
		q := question{user: rnd.IntN(len(w.users)), namespace: ns(s), action: "update"}
		if rnd.IntN(2) == 0 {
			q.user = at[s][rnd.IntN(len(at[s]))]
		}
		w.questions = append(w.questions, q)
	}
	w.answer()
	return w
}

// worldCT is one rule with a template for every user.
func worldCT() *world {
	w := &world{name: "CT-[name]", grants: []grant{{"/home/[name]", "", "update"}}}
	for i := range 1000 {
		w.users = append(w.users, user{[]string{fmt.Sprintf("user%d", i)}})
		w.questions = append(w.questions, question{user: i, namespace: fmt.Sprintf("/home/user%d", i+i%2), action: "update"})
	}
	w.answer()
	return w
}

// worldLayers is 5,000 rules in three layers: groups have roles on
// namespaces, roles have permissions, and "all" means every action. The
// grants are what follows from them.
func worldLayers() *world {
	rnd := rand.New(rand.NewPCG(5, 6))
	w := &world{name: "L-5000", users: usersInGroups(rnd, 5000, 400)}
	var b strings.Builder
	rules := 0
	for _, t := range policy.BuiltinTypes() {
		var acts []string
		for _, a := range t.Actions {
			acts = append(acts, string(a))
		}
		fmt.Fprintf(&b, "on %s::/ { if (permit == all) { permit %s } }\n", t.Name, strings.Join(acts, ", "))
		rules++
	}
	w.documents = append(w.documents, b.String())
	b.Reset()
	const roles = 60
	for i := range roles {
		for _, t := range []string{"job", "package", "service", "route"} {
			if t != "job" && i%4 == 2 {
				continue
			}
			fmt.Fprintf(&b, "on %s::/ { if (role == \"role%d\") { permit %s } }\n", t, i, []string{"read", "read, update", "read, start, stop", "all"}[i%4])
			rules++
		}
	}
	w.documents = append(w.documents, b.String())
	const spaces = 1500
	ns := func(i int) string { return fmt.Sprintf("/org%d/team%d/app%d", i%15, i%150, i) }
	groups := make([][]string, spaces)
	for i := 0; rules < 5000; {
		b.Reset()
		for range 50 {
			g, role := fmt.Sprintf("group%d", rnd.IntN(400)), rnd.IntN(roles)
			fmt.Fprintf(&b, "on *::%s { if (LDAP->group == \"%s\") { role role%d } }\n", ns(i%spaces), g, role)
			if role%2 == 1 {
				w.grants = append(w.grants, grant{ns(i % spaces), g, "update"})
				groups[i%spaces] = append(groups[i%spaces], g)
			}
			i++
			rules++
		}
		w.documents = append(w.documents, b.String())
	}
	members := map[string][]int{}
	for i, u := range w.users {
		for _, g := range u.ids[1:] {
			members[g] = append(members[g], i)
		}
	}
	for range questions {
		s := rnd.IntN(spaces)
		q := question{user: rnd.IntN(len(w.users)), namespace: ns(s), action: "update"}
		if len(groups[s]) > 0 && rnd.IntN(2) == 0 {
			if mine := members[groups[s][0]]; len(mine) > 0 {
				q.user = mine[rnd.IntN(len(mine))]
			}
		}
		w.questions = append(w.questions, q)
	}
	w.answer()
	return w
}

// worldRandom is small and has everything: grants at every depth, to users,
// groups and names, and questions that hit and miss.
func worldRandom(seed uint64) *world {
	rnd := rand.New(rand.NewPCG(seed, 7))
	w := &world{name: fmt.Sprintf("random-%d", seed)}
	for i := range 8 {
		u := user{[]string{fmt.Sprintf("user%d", i)}}
		for range rnd.IntN(4) {
			u.ids = append(u.ids, fmt.Sprintf("group%d", rnd.IntN(5)))
		}
		w.users = append(w.users, u)
	}
	ns := func() string {
		var b strings.Builder
		for range rnd.IntN(4) {
			b.WriteString("/" + []string{"a", "b", "ab", "user1", "user2", "user12"}[rnd.IntN(6)])
		}
		if b.Len() == 0 {
			return "/"
		}
		return b.String()
	}
	actions := []string{"read", "update", "start", "stop"}
	seen := map[grant]bool{}
	for range 1 + rnd.IntN(24) {
		g := grant{ns(), fmt.Sprintf("user%d", rnd.IntN(8)), actions[rnd.IntN(4)]}
		switch rnd.IntN(4) {
		case 0, 1:
			g.who = fmt.Sprintf("group%d", rnd.IntN(5))
		case 2:
			g.who, g.namespace = "", strings.TrimSuffix(g.namespace, "/")+"/[name]"
		}
		if !seen[g] {
			seen[g] = true
			w.grants = append(w.grants, g)
		}
	}
	for range 200 {
		w.questions = append(w.questions, question{user: rnd.IntN(8), namespace: ns(), action: actions[rnd.IntN(4)]})
	}
	w.answer()
	return w
}
