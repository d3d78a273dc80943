package policy

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// Language is the Authorizer of the policy documents. It is safe for
// concurrent use; a decision takes no lock and, about a caller it knows,
// allocates nothing.
type Language struct {
	docs     *Documents
	sessions sessions
	hook     atomic.Pointer[func(Logged)]
}

// NewLanguage returns the Authorizer that decides by the active set of docs.
func NewLanguage(docs *Documents) *Language { return &Language{docs: docs} }

// Logged is one decision, for a decision log.
type Logged struct {
	Principal string
	Action    Action
	Target    FQN
	Allowed   bool
	Grounds   Grounds // the rule that it rests on
}

// Log sets a function that is told of each decision, nil for none. It is
// called by the deciding goroutine, so it must be quick and must not block; a
// DecisionLog stands between it and what is slow.
func (l *Language) Log(f func(Logged)) {
	if f == nil {
		l.hook.Store(nil)
		return
	}
	l.hook.Store(&f)
}

// adminClaim is what enforcement adds for a platform administrator.
var adminClaim = []Claim{{Type: "role", Value: "admin"}}

// Decide implements Authorizer.
func (l *Language) Decide(p *Principal, q Question) Decision {
	if p == nil {
		return Decision{}
	}
	s := l.session(p)
	ok, g := s.Why(q.Target, q.Action, with(p, q)...)
	if h := l.hook.Load(); h != nil {
		(*h)(Logged{Principal: p.Name, Action: q.Action, Target: q.Target, Allowed: ok, Grounds: g})
	}
	if ok {
		return Decision{Allowed: true}
	}
	return Decision{Missing: []string{fmt.Sprintf("permit %s on %s", q.Action, q.Target)}}
}

// with is what enforcement adds to a question.
func with(p *Principal, q Question) []Claim {
	switch {
	case !p.Admin:
		return q.With
	case len(q.With) == 0:
		return adminClaim
	}
	return append(adminClaim[:1:1], q.With...)
}

// Denied implements Denier: whether a document takes away what q asks for.
func (l *Language) Denied(p *Principal, q Question) bool {
	if p == nil || !l.docs.current().denies {
		return false
	}
	return l.session(p).Evaluate(q.Target, with(p, q)...).Has("deny", string(q.Action))
}

// session returns the caller in front of the active set.
func (l *Language) session(p *Principal) *Session {
	set := l.docs.current().set
	if s, ok := l.sessions.get(p); ok {
		if s.Set() == set {
			return s
		}
		s = s.On(set)
		l.sessions.put(p, s)
		return s
	}
	s := set.Session(p.Claims)
	l.sessions.put(p, s)
	return s
}

// maxSessions is how many callers are remembered; beyond it all are forgotten.
const maxSessions = 8192

// sessions remembers callers by their principal, which is immutable. Whoever
// makes principals keeps a bounded number of them and makes new ones when
// something changes.
type sessions struct {
	m sync.Map // *Principal → *Session
	n atomic.Int64
}

func (c *sessions) get(p *Principal) (*Session, bool) {
	s, ok := c.m.Load(p)
	if !ok {
		return nil, false
	}
	return s.(*Session), true
}

func (c *sessions) put(p *Principal, s *Session) {
	if _, old := c.m.Swap(p, s); !old && c.n.Add(1) > maxSessions {
		c.m.Clear()
		c.n.Store(0)
	}
}
