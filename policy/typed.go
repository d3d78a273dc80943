package policy

import (
	"math"
	"slices"
	"strings"
	"time"
)

// The functions in this file read the claims whose values the platform itself
// acts on. Each takes a Result for the target that it is about.

// deepest returns those of the claims that stand in the deepest realm, each
// counted at its deepest origin; ties all count.
func deepest(claims []Derived) []Derived {
	depth := -1
	var out []Derived
	for _, d := range claims {
		n := -1
		for _, o := range d.From {
			n = max(n, o.depth)
		}
		if n > depth {
			depth, out = n, nil
		}
		if n == depth {
			out = append(out, d)
		}
	}
	return out
}

// LogChoice says which audit items about access a realm writes.
type LogChoice uint8

// The choices, in order of precedence among claims of one realm.
const (
	LogDenied  LogChoice = 1 << iota // refusals; the default
	LogAllowed                       // grants
	LogNothing LogChoice = 0
)

// LogNoise returns which audit items the log claims of r ask for: those of
// the deepest realm count alone, none beats the others there, and the default
// is refusals.
func LogNoise(r Result) LogChoice {
	claims := deepest(r.Values("log"))
	if len(claims) == 0 {
		return LogDenied
	}
	var c LogChoice
	for _, d := range claims {
		switch d.Value {
		case "none":
			return LogNothing
		case "allow":
			c |= LogAllowed
		case "deny":
			c |= LogDenied
		}
	}
	return c
}

// DefaultNamespace returns the home of the principal: a defaultNamespace,
// else a defaultNamespacePrefix with the principal below it, else
// /sandbox/<principal>. An "@" and what follows is cut from the principal.
// Of several claims those of the deepest realm count, and of these the first
// in byte order.
func DefaultNamespace(r Result, principal string) string {
	principal, _, _ = strings.Cut(principal, "@")
	token := Token(principal, "nobody")
	for _, d := range deepest(r.Values("defaultNamespace")) {
		ns := d.Value
		if t, ok := parseTarget(ns); ok {
			ns = t.Namespace
		}
		if validNamespace(ns) {
			return ns
		}
	}
	for _, d := range deepest(r.Values("defaultNamespacePrefix")) {
		if d.Value == "/" {
			return "/" + token
		}
		if validNamespace(d.Value) {
			return d.Value + "/" + token
		}
	}
	return "/sandbox/" + token
}

// Lifetimes of tokens for which no document says otherwise.
const (
	UserTokenLife        = 86_400 * time.Second // auth::/oauth2/http
	MessagingTokenLife   = 1_200 * time.Second  // auth::/oauth2/nats
	ApplicationTokenLife = 1_800 * time.Second  // auth::/oauth2/apptoken
)

// TokenTimeout returns the life of a token: the shortest tokenTimeout of the
// deepest realm, or otherwise.
func TokenTimeout(r Result, otherwise time.Duration) time.Duration {
	best := time.Duration(0)
	for _, d := range deepest(r.Values("tokenTimeout")) {
		if t, ok := parseTimeout(d.Value); ok && (best == 0 || t < best) {
			best = t
		}
	}
	if best == 0 {
		return otherwise
	}
	return best
}

// TokenGrant is what the auth server may put into a token.
type TokenGrant struct {
	Issue  bool    // permit issue, and for people a name
	Name   string  // the first name in byte order, or the job's FQN
	Claims []Claim // of issuer auth_server@apcera.me, to be copied into the token
	Life   time.Duration
}

// AuthServer is the issuer of what a token of the platform says.
const AuthServer = "auth_server@apcera.me"

// IssueToken decides about a token for people or messaging, from the result
// of the realm that the request came through. For an application token use
// IssueApplicationToken.
func IssueToken(r Result, otherwise time.Duration) TokenGrant {
	g := TokenGrant{Life: TokenTimeout(r, otherwise), Claims: tokenClaims(r)}
	if names := r.Values("name"); len(names) > 0 {
		g.Name = names[0].Value
	}
	g.Issue = r.Allowed(Issue) && g.Name != ""
	return g
}

// IssueApplicationToken decides about a token for a job, from the result of
// auth::/oauth2/apptoken and that of the job's own FQN, which must permit it.
func IssueApplicationToken(realm, job Result) TokenGrant {
	g := TokenGrant{Name: job.Target.String(), Life: TokenTimeout(job, TokenTimeout(realm, ApplicationTokenLife)), Issue: job.Allowed(Issue)}
	for _, c := range append(tokenClaims(realm), tokenClaims(job)...) {
		if c.Type != "name" && !slices.Contains(g.Claims, c) {
			g.Claims = append(g.Claims, c)
		}
	}
	g.Claims = append(g.Claims, Claim{AuthServer, "name", g.Name})
	return g
}

func tokenClaims(r Result) []Claim {
	var out []Claim
	for _, d := range r.Claims {
		if d.Type != "permit" && d.Type != "tokenTimeout" && d.Type != "log" {
			out = append(out, Claim{AuthServer, d.Type, d.Value})
		}
	}
	return out
}

// Quota is one limit in force: a constraint of the realm that states it.
type Quota struct {
	Name  string // "max.package.size"
	Limit int64  // bytes, bits a second, or a bare number
	Scope string // the realm, templates replaced: a total counts everything inside it
}

// Quotas returns every limit that holds for the target of r, by name and
// scope. Several limits of one name all hold; of one name in one scope only
// the smallest is returned.
func Quotas(r Result) []Quota {
	var out []Quota
	for _, d := range r.Claims {
		u := quotaUnits[d.Type]
		if u == unitNone {
			continue
		}
		n, what := parseQuantity(d.Value, u)
		if what != "" {
			continue // a text that came from a reference
		}
		for _, o := range d.From {
			if i := slices.IndexFunc(out, func(q Quota) bool { return q.Name == d.Type && q.Scope == o.Scope }); i >= 0 {
				out[i].Limit = min(out[i].Limit, n)
			} else {
				out = append(out, Quota{d.Type, n, o.Scope})
			}
		}
	}
	slices.SortFunc(out, func(a, b Quota) int {
		if n := strings.Compare(a.Name, b.Name); n != 0 {
			return n
		}
		return strings.Compare(a.Scope, b.Scope)
	})
	return out
}

// MaxQuota returns the smallest limit called name, and whether there is one.
func MaxQuota(quotas []Quota, name string) (limit int64, ok bool) {
	limit = math.MaxInt64
	for _, q := range quotas {
		if q.Name == name {
			limit, ok = min(limit, q.Limit), true
		}
	}
	return limit, ok
}

// SchedulingTags are where a job may and should run.
type SchedulingTags struct {
	Must, MustNot     []string // hard
	Should, ShouldNot []string // soft
}

// Scheduling returns the scheduling tags that policy asserts on a job.
func Scheduling(r Result) SchedulingTags {
	var t SchedulingTags
	add := func(typ string, yes, no *[]string) {
		for _, d := range r.Values(typ) {
			if tag, not := strings.CutPrefix(d.Value, "-"); not {
				*no = append(*no, tag)
			} else {
				*yes = append(*yes, tag)
			}
		}
	}
	add("schedulingTag.hard", &t.Must, &t.MustNot)
	add("schedulingTag.soft", &t.Should, &t.ShouldNot)
	return t
}

// PipelineDisabled reports whether sp.disable switches the semantic pipeline
// off for a binding to a service of the given type, offered by a provider.
// The provider may be zero.
func PipelineDisabled(r Result, serviceType string, service, provider Target) bool {
	for _, d := range r.Values("sp.disable") {
		if d.Value == serviceType || fqnMatch(service.String(), d.Value) || !provider.IsZero() && fqnMatch(provider.String(), d.Value) {
			return true
		}
	}
	return false
}

// covers reports whether some claim of the type covers the target.
func covers(claims []Derived, t Target) bool {
	return slices.ContainsFunc(claims, func(d Derived) bool { return fqnMatch(t.String(), d.Value) })
}
