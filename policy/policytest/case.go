package policytest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/policy"
)

// Case is one question to a set of documents, and what its answer must be.
type Case struct {
	On string // the target: type::/namespace or type::/namespace::name
	// Given are claims, each "[issuer->]type=value" with double quotes around a
	// value with spaces. Those without issuer are the enforcement's: service,
	// ResType, or role=admin for an administrator of the platform.
	Given []string
	As    *policy.Principal // a caller whose claims count beside those given; nil is none

	May     []policy.Action // permitted
	MayNot  []policy.Action // refused
	Follows []string        // claims that the rules assert, "type value" as String of policy.Claim prints them
	Never   []string        // claims that they do not assert
	Exactly []string        // if not nil, all claims that they assert, in any order
}

// Table is cases by what they show.
type Table map[string]Case

// Run holds set against each case of the table in a subtest of its own.
func Run(t *testing.T, set *policy.Set, table Table) {
	t.Helper()
	for name, c := range table {
		t.Run(name, func(t *testing.T) {
			t.Helper()
			report(t, Check(set, c))
		})
	}
}

// report fails t with every finding.
func report(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	e, ok := err.(*atoll.Error)
	if !ok || len(e.Findings) == 0 {
		t.Error(err)
		return
	}
	for _, f := range e.Findings {
		t.Error(f.Msg)
	}
}

// Check holds set against one case. The error is Invalid for a case that is
// none, and Failed with a finding for everything that is not as the case says.
func Check(set *policy.Set, c Case) error {
	const op = "policytest.Check"
	target, err := policy.ParseFQN(c.On)
	if err != nil {
		return atoll.Wrap(op, err)
	}
	if _, known := set.Types().Type(target.Type); !known {
		return atoll.Errorf(atoll.Invalid, op, "resource type %s is not registered", target.Type)
	}
	k := checking{set: set, target: target}
	if err := k.given(c); err != nil {
		return atoll.Wrap(op, err)
	}
	for _, a := range slices.Concat(c.May, c.MayNot) {
		if t, _ := set.Types().Type(target.Type); !slices.Contains(t.Actions, a) {
			return atoll.Errorf(atoll.Invalid, op, "%s is not an action on resources of type %s", a, target.Type)
		}
	}
	k.actions(c)
	k.claims(c)
	if len(k.findings) == 0 {
		return nil
	}
	return &atoll.Error{Kind: atoll.Failed, Op: op, Msg: "the documents say something else about " + c.On, Findings: k.findings}
}

// checking is one case in front of a set.
type checking struct {
	set      *policy.Set
	target   policy.Target
	session  *policy.Session
	with     []policy.Claim
	findings []atoll.Finding
}

// given makes the caller.
func (k *checking) given(c Case) error {
	var claims []policy.Claim
	if c.As != nil {
		claims = slices.Clone(c.As.Claims)
		if c.As.Admin {
			k.with = append(k.with, policy.Claim{Type: "role", Value: "admin"})
		}
	}
	for _, text := range c.Given {
		in, err := policy.ParseSimInput(text)
		if err != nil {
			return err
		}
		if in.Issuer == "" {
			k.with = append(k.with, in.Claim)
		} else {
			claims = append(claims, in.Claim)
		}
	}
	k.session = k.set.Session(claims)
	return nil
}

func (k *checking) found(code, format string, args ...any) {
	k.findings = append(k.findings, atoll.Finding{Code: code, Msg: fmt.Sprintf(format, args...)})
}

// maxNeeds is how many rules a refusal that should be none names.
const maxNeeds = 5

func (k *checking) actions(c Case) {
	for _, a := range c.May {
		if k.session.Allowed(k.target, a, k.with...) {
			continue
		}
		why := "no rule grants it"
		if list := k.session.Needs(k.target, a, k.with...); len(list) > 0 {
			var parts []string
			for _, n := range list[:min(len(list), maxNeeds)] {
				parts = append(parts, needs(n))
			}
			why = strings.Join(parts, "; ")
		}
		k.found("refused", "may not %s %s: %s", a, k.target, why)
	}
	for _, a := range c.MayNot {
		if ok, grounds := k.session.Why(k.target, a, k.with...); ok {
			k.found("allowed", "may %s %s: %s", a, k.target, place(grounds))
		}
	}
}

func (k *checking) claims(c Case) {
	if len(c.Follows)+len(c.Never) == 0 && c.Exactly == nil {
		return
	}
	derived := map[string]policy.Derived{}
	for _, d := range k.session.Evaluate(k.target, k.with...).Claims {
		derived[policy.Claim{Type: d.Type, Value: d.Value}.String()] = d
	}
	wanted := slices.Concat(c.Follows, c.Exactly)
	slices.Sort(wanted)
	for _, w := range slices.Compact(wanted) {
		if _, ok := derived[w]; !ok {
			k.found("missing", "%s does not follow for %s", w, k.target)
		}
	}
	refused := slices.Clone(c.Never)
	if c.Exactly != nil {
		for text := range derived {
			if !slices.Contains(c.Exactly, text) {
				refused = append(refused, text)
			}
		}
	}
	slices.Sort(refused)
	for _, w := range slices.Compact(refused) {
		if d, ok := derived[w]; ok {
			var from []string
			for _, o := range d.From {
				from = append(from, fmt.Sprintf("%s.pol:%d", o.Document, o.Line))
			}
			k.found("follows", "%s follows for %s: %s", w, k.target, strings.Join(from, ", "))
		}
	}
}
