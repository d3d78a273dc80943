package policy

import (
	"context"
	"fmt"

	"github.com/atoll-platform/atoll"
)

// Action is what a caller wants to do with a resource.
type Action string

// The actions of the platform.
const (
	Create  Action = "create"
	Read    Action = "read"
	Update  Action = "update"
	Delete  Action = "delete"
	Start   Action = "start"
	Stop    Action = "stop"
	Use     Action = "use"
	Bind    Action = "bind"
	Link    Action = "link"
	Join    Action = "join"
	Map     Action = "map"
	SSH     Action = "ssh"
	Promote Action = "promote"
	Issue   Action = "issue"
)

// Question is what a service asks before it acts.
type Question struct {
	Action Action
	Target FQN
	With   []Claim      // what enforcement knows about the request, issuer ""
	Call   *RuntimeCall // for runtimes: the call that grants are matched against
}

// RuntimeCall is a call on a runtime as Coral's grants see it. Go callers and
// HTTP callers of one method pass the same one, so both get the same answer.
type RuntimeCall struct {
	Runtime string // id
	Owner   string // user id
	Method  string // GET POST PATCH DELETE
	Suffix  string // path below the runtime, "" or "/actors/a/stats"
}

// Decision is the answer to a Question.
type Decision struct {
	Allowed bool
	Missing []string // what would have been needed: "permit create on job::/dev::app"
}

// Authorizer decides. Implementations are safe for concurrent use, do not
// block and answer from one consistent snapshot of their rules.
type Authorizer interface {
	Decide(p *Principal, q Question) Decision
}

// Guard is what services hold: the Authorizer behind the rule that a context
// without a principal is the embedding program and is allowed everything.
type Guard struct{ a Authorizer }

// NewGuard returns a Guard over a.
func NewGuard(a Authorizer) *Guard { return &Guard{a: a} }

// Check returns nil if the caller in ctx may do what q asks, else a Denied
// error that names what is missing.
func (g *Guard) Check(ctx context.Context, q Question) error {
	p := PrincipalFrom(ctx)
	if p == nil || g == nil {
		return nil
	}
	d := g.a.Decide(p, q)
	if d.Allowed {
		return nil
	}
	missing := d.Missing
	if len(missing) == 0 {
		missing = []string{fmt.Sprintf("permit %s on %s", q.Action, q.Target)}
	}
	return &atoll.Error{Kind: atoll.Denied, Op: "policy.Check",
		Msg:     fmt.Sprintf("%s may not %s %s", p.Name, q.Action, q.Target),
		Subject: atoll.Subject{Type: q.Target.Type, ID: q.Target.String()},
		Details: map[string]any{"missing_claims": missing}}
}

// Allowed is Check for filtering lists.
func (g *Guard) Allowed(ctx context.Context, q Question) bool {
	p := PrincipalFrom(ctx)
	return p == nil || g == nil || g.a.Decide(p, q).Allowed
}

// Do is the common Question: action on target.
func Do(a Action, target FQN) Question { return Question{Action: a, Target: target} }
