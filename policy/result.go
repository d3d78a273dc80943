package policy

import (
	"cmp"
	"slices"

	"github.com/atoll-platform/atoll"
)

// Origin is one rule that asserted a claim.
type Origin struct {
	Document  string
	System    bool
	Line      int    // of the claim
	Realm     string // as written
	RealmLine int
	Scope     string // the realm for this target: templates replaced
	depth     int
}

// Derived is a claim that the rules assert, with every rule that does.
type Derived struct {
	Type, Value string
	From        []Origin
}

// Result is everything that follows for one target and one set of inputs. The
// zero Result holds nothing.
type Result struct {
	Target      Target
	Claims      []Derived // sorted by type and value
	given       []Claim   // by enforcement, issuer none
	overridable bool
	err         error
}

// Err returns an Internal error if derivation was given up because it grew
// without bound; then the Result holds no claim.
func (r Result) Err() error { return r.err }

// Has reports whether the claim is in the result.
func (r Result) Has(typ, value string) bool {
	_, ok := slices.BinarySearchFunc(r.Claims, Derived{Type: typ, Value: value}, compareDerived)
	return ok
}

// Values returns the claims of one type.
func (r Result) Values(typ string) []Derived {
	i, _ := slices.BinarySearchFunc(r.Claims, Derived{Type: typ}, compareDerived)
	j := i
	for j < len(r.Claims) && r.Claims[j].Type == typ {
		j++
	}
	return r.Claims[i:j:j]
}

// Allowed reports whether the action is permitted and, where denials count,
// not denied.
func (r Result) Allowed(a Action) bool {
	return r.err == nil && r.holds("permit", a) && !(r.overridable && r.holds("deny", a))
}

func (r Result) holds(typ string, a Action) bool {
	return r.Has(typ, string(a)) || slices.Contains(r.given, Claim{Type: typ, Value: string(a)})
}

func compareDerived(a, b Derived) int {
	return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Value, b.Value))
}

func tooMuch(what string) error {
	return atoll.Errorf(atoll.Internal, "policy.Evaluate", "%s", what)
}
