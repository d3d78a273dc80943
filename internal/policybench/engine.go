package main

import (
	"fmt"
	"strings"
	"sync"

	"github.com/atoll-platform/atoll/policy"
)

// engine is one implementation that answers the questions of a world.
type engine struct {
	name string
	text func(*world) []string          // the grants in the engine's own language
	load func([]string) (loaded, error) // reads them as its users would
}

// loaded is an engine that has read its grants.
type loaded interface {
	// asker makes known what an embedding service knows before a question
	// comes: callers and resources. The function answers a question by number
	// and is safe for concurrent use.
	asker(*world) func(i int) bool
}

func engines() []engine {
	return []engine{
		{"atoll", atollText, atollLoad},
		{"trie", trieText, trieLoad},
		{"cedar", cedarText, cedarLoad},
		{"cedar-entity", cedarEntityText, cedarEntityLoad},
		{"casbin", casbinText, casbinLoad},
		{"opa-data", opaText, opaLoad},
	}
}

// atoll: documents of fifty rules each.

func atollText(w *world) []string {
	if w.documents != nil {
		return w.documents
	}
	var out []string
	var b strings.Builder
	for i := range w.grants {
		g := &w.grants[i]
		if g.self() {
			fmt.Fprintf(&b, "job::%s { if (%s->name == [name]) { permit %s } }\n", g.namespace, authServer, g.action)
		} else {
			c := claim(g.who)
			fmt.Fprintf(&b, "job::%s { if (%s->%s == \"%s\") { permit %s } }\n", g.namespace, c.Issuer, c.Type, c.Value, g.action)
		}
		if i%50 == 49 || i == len(w.grants)-1 {
			out = append(out, b.String())
			b.Reset()
		}
	}
	return out
}

type atollSet struct{ set *policy.Set }

func atollLoad(texts []string) (loaded, error) {
	var bad error
	set, found := policy.CompileSeq(func(yield func(*policy.Document) bool) {
		for i, text := range texts {
			d, found := policy.Parse(fmt.Sprintf("doc%d", i), text)
			if d == nil {
				bad = fmt.Errorf("%v", found)
				return
			}
			if !yield(d) {
				return
			}
		}
	}, nil, nil)
	if bad != nil {
		return nil, bad
	}
	if policy.HasErrors(found) {
		return nil, fmt.Errorf("%v", found)
	}
	return &atollSet{set}, nil
}

// atollAsk is a question ready to be asked.
type atollAsk struct {
	session *policy.Session
	target  policy.Target
	action  policy.Action
}

func (a *atollSet) asks(w *world) []atollAsk {
	sessions := make([]*policy.Session, len(w.users))
	for i, u := range w.users {
		var claims []policy.Claim
		for _, id := range u.ids {
			claims = append(claims, claim(id))
		}
		sessions[i] = a.set.Session(claims)
	}
	asks := make([]atollAsk, len(w.questions))
	for i, q := range w.questions {
		asks[i] = atollAsk{sessions[q.user], q.target(), policy.Action(q.action)}
	}
	return asks
}

func (a *atollSet) asker(w *world) func(int) bool {
	asks := a.asks(w)
	return func(i int) bool {
		q := &asks[i]
		return q.session.Allowed(q.target, q.action)
	}
}

// trie is what one would write by hand: Go maps by token, with the granted
// ids at each node, behind a read lock.

type trie struct {
	mu    sync.RWMutex
	types map[string]*trieNode
}

type trieNode struct {
	kids   map[string]*trieNode
	grants map[trieGrant]struct{}
	self   map[policy.Action]struct{} // to the user of the name of the next token
}

type trieGrant struct {
	claim  policy.Claim
	action policy.Action
}

// trieText is one line for each grant: who, action, name.
func trieText(w *world) []string {
	var b strings.Builder
	for i := range w.grants {
		g := &w.grants[i]
		fmt.Fprintf(&b, "%s %s %s\n", g.who, g.action, fqn(g.root()))
	}
	return []string{b.String()}
}

func trieLoad(texts []string) (loaded, error) {
	t := &trie{types: map[string]*trieNode{"job": {}}}
	for line := range strings.Lines(texts[0]) {
		who, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		action, name, _ := strings.Cut(rest, " ")
		typ, namespace, _ := strings.Cut(name, "::")
		t.grant(who, action, typ, namespace)
	}
	return t, nil
}

func (t *trie) grant(who, action, typ, namespace string) {
	n := t.types[typ]
	for _, tok := range tokens(namespace) {
		kid := n.kids[tok]
		if kid == nil {
			if n.kids == nil {
				n.kids = map[string]*trieNode{}
			}
			kid = &trieNode{}
			n.kids[tok] = kid
		}
		n = kid
	}
	if who == "" {
		if n.self == nil {
			n.self = map[policy.Action]struct{}{}
		}
		n.self[policy.Action(action)] = struct{}{}
		return
	}
	if n.grants == nil {
		n.grants = map[trieGrant]struct{}{}
	}
	n.grants[trieGrant{claim(who), policy.Action(action)}] = struct{}{}
}

func (t *trie) allowed(target policy.Target, a policy.Action, claims []policy.Claim) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	n := t.types[target.Type]
	rest := target.Namespace[1:]
	for n != nil {
		if n.grants != nil {
			for _, c := range claims {
				if _, ok := n.grants[trieGrant{c, a}]; ok {
					return true
				}
			}
		}
		if rest == "" {
			return false
		}
		tok, tail, _ := strings.Cut(rest, "/")
		if n.self != nil {
			if _, ok := n.self[a]; ok && claims[0].Value == tok {
				return true
			}
		}
		n, rest = n.kids[tok], tail
	}
	return false
}

func (t *trie) asker(w *world) func(int) bool {
	claims := make([][]policy.Claim, len(w.users))
	for i, u := range w.users {
		for _, id := range u.ids {
			claims[i] = append(claims[i], claim(id))
		}
	}
	return func(i int) bool {
		q := &w.questions[i]
		return t.allowed(q.target(), policy.Action(q.action), claims[q.user])
	}
}
