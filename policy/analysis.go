package policy

import (
	"cmp"
	"fmt"
	"slices"
)

// Note is a finding about documents as a whole: nothing is wrong with the
// text, but it does not do what its writer may think.
type Note struct {
	Document string
	Line     int
	Code     NoteCode
	Message  string
}

// NoteCode is the stable word of a Note.
type NoteCode string

// The codes of notes.
const (
	NoteDead     NoteCode = "dead"     // the rule asks for a claim that nothing derives and no enforcement supplies
	NoteUnused   NoteCode = "unused"   // the rule asserts only a claim that no rule asks for and the platform does not know
	NoteOpen     NoteCode = "open"     // the rule permits on a whole type without condition
	NoteConflict NoteCode = "conflict" // two rules of one realm set a claim of one value differently
)

// platformClaims are the claim types that the platform reads.
var platformClaims = map[string]bool{
	"permit": true, "deny": true, "name": true, "defaultNamespace": true, "defaultNamespacePrefix": true, "tokenTimeout": true,
	"package.allow": true, "package.default": true, "package.lock": true, "package.retire": true, "docker.allow": true, "sp.disable": true,
	"schedulingTag.hard": true, "schedulingTag.soft": true, "log": true, "label": true,
}

// enforcedClaims are the claim types without issuer that enforcement supplies.
var enforcedClaims = map[string]bool{
	"job": true, "service": true, "network": true, "route": true, "dependency": true, "ResType": true,
	"gateway": true, "provider": true, "package": true, "image": true,
}

// oneValued are the claims of which one value counts.
var oneValued = map[string]bool{"defaultNamespace": true, "defaultNamespacePrefix": true, "tokenTimeout": true}

// Analyze returns notes on the documents of the set, by document and line.
// The claim types in supplied are those that the embedder's enforcement adds
// beside the platform's own; so is role.
func (s *Set) Analyze(supplied ...string) []Note {
	a := analysis{values: map[string]map[string]bool{}, any: map[string]bool{"role": true}, asked: map[string]bool{}}
	for _, t := range supplied {
		a.any[t] = true
	}
	for _, name := range s.Documents() {
		a.docs = append(a.docs, s.Document(name))
	}
	a.each(a.collect)
	a.each(a.judge)
	a.conflicts()
	slices.SortStableFunc(a.notes, func(x, y Note) int { return cmp.Or(cmp.Compare(x.Document, y.Document), cmp.Compare(x.Line, y.Line)) })
	return a.notes
}

type analysis struct {
	docs   []*Document
	values map[string]map[string]bool // constants that rules assert, by type
	any    map[string]bool            // types that may have any value
	asked  map[string]bool            // types that conditions ask for
	notes  []Note
}

func (a *analysis) each(f func(*Document, *Policy, *Rule)) {
	for _, d := range a.docs {
		for _, p := range d.Policies {
			for _, r := range p.Rules {
				f(d, p, r)
			}
		}
	}
}

func (a *analysis) collect(_ *Document, _ *Policy, r *Rule) {
	for i := range r.Claims {
		c := &r.Claims[i]
		if c.Value.IsRef || c.Value.holds {
			a.any[c.Type] = true
			continue
		}
		if a.values[c.Type] == nil {
			a.values[c.Type] = map[string]bool{}
		}
		a.values[c.Type][c.Value.Text] = true
		if c.Value.IsRef && c.Value.Ref.Issuer == "" {
			a.asked[c.Value.Ref.Type] = true
		}
	}
	for _, c := range r.any {
		for _, k := range c {
			if k.Left.Issuer == "" {
				a.asked[k.Left.Type] = true
			}
			if k.Right.IsRef && k.Right.Ref.Issuer == "" {
				a.asked[k.Right.Ref.Type] = true
			}
		}
	}
}

func (a *analysis) note(d *Document, r *Rule, code NoteCode, format string, args ...any) {
	a.notes = append(a.notes, Note{d.Name, int(r.Pos.Line), code, fmt.Sprintf(format, args...)})
}

func (a *analysis) judge(d *Document, p *Policy, r *Rule) {
	if r.If == nil && p.Realm.Form == Subtree && len(p.Realm.Namespace) == 0 {
		for i := range r.Claims {
			if r.Claims[i].Type == "permit" {
				a.note(d, r, NoteOpen, "everybody may %s everything of %s", r.Claims[i].Value.Text, p.Realm.Text)
			}
		}
	}
	var dead *Comparison
	for _, c := range r.any {
		i := slices.IndexFunc(c, func(k *Comparison) bool { return !a.possible(k) })
		if i < 0 {
			dead = nil
			break
		}
		dead = c[i]
	}
	if dead != nil {
		a.note(d, r, NoteDead, "nothing asserts what (%s) asks for", dead)
	}
	for i := range r.Claims {
		t := r.Claims[i].Type
		if platformClaims[t] || quotaUnits[t] != unitNone || a.asked[t] {
			return
		}
	}
	a.note(d, r, NoteUnused, "no rule asks for %s", r.Claims[0].Type)
}

// possible reports whether some claim could satisfy the comparison.
func (a *analysis) possible(k *Comparison) bool {
	t := k.Left.Type
	if k.Left.Issuer != "" || a.any[t] || enforcedClaims[t] || k.Right.IsRef || k.Right.holds {
		return true
	}
	for v := range a.values[t] {
		if k.test(v, k.Right.Text) {
			return true
		}
	}
	return false
}

// conflicts notes claims of which one value counts that one realm sets
// differently without condition.
func (a *analysis) conflicts() {
	type place struct{ realm, typ string }
	first := map[place]string{}
	a.each(func(d *Document, p *Policy, r *Rule) {
		if r.If != nil {
			return
		}
		for i := range r.Claims {
			c := &r.Claims[i]
			k := place{p.Realm.Text, c.Type}
			switch v, seen := first[k]; {
			case !oneValued[c.Type]:
			case !seen:
				first[k] = c.Value.Text
			case v != c.Value.Text:
				a.note(d, r, NoteConflict, "%s on %s is %s elsewhere", c.Type, p.Realm.Text, v)
			}
		}
	})
}

// Caller is somebody whose permissions an Impact looks at.
type Caller struct {
	Name   string
	Claims []Claim
}

// Effect is one permission that a change gives or takes.
type Effect struct {
	Caller string
	Target Target
	Action Action
	Gained bool // else lost
}

// Impact compares two sets: which of the callers gain or lose which actions
// on which targets when after becomes active in place of before. Actions are
// those of the target's type. Effects come in the order of the arguments.
func Impact(before, after *Set, callers []Caller, targets []Target) []Effect {
	var out []Effect
	for _, c := range callers {
		was := before.Session(c.Claims)
		will := was.On(after)
		for _, t := range targets {
			info, _ := after.types.Type(t.Type)
			for _, a := range info.Actions {
				if x, y := was.Allowed(t, a), will.Allowed(t, a); x != y {
					out = append(out, Effect{c.Name, t, a, y})
				}
			}
		}
	}
	return out
}
