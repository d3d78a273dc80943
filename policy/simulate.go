package policy

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/atoll-platform/atoll"
)

// Bounds of a simulation.
const (
	maxSimNesting = 16         // goals within goals
	maxSimLines   = 10_000     // of the answer
	maxSimSteps   = 2_000_000  // rules and comparisons looked at
	maxSimDerived = 20_000_000 // steps of deriving what follows, for all targets
)

// SimInput is a claim that a simulation takes as given. Without issuer it
// stands for every issuer.
type SimInput struct {
	Claim
	raw string // as the request wrote it
}

// ParseSimInput reads "[issuer->]type=value". The value may be in quotes if it
// holds spaces; quotes anywhere else are Invalid.
func ParseSimInput(s string) (SimInput, error) {
	const op = "policy.ParseSimInput"
	left, value, raw, ok := cutParameter(s)
	if !ok {
		return SimInput{}, atoll.Errorf(atoll.Invalid, op, "%.64q: an input is [issuer->]type=value, with quotes around the value alone", s)
	}
	in := SimInput{Claim: Claim{Type: left, Value: value}}
	if issuer, typ, has := strings.Cut(left, "->"); has {
		in.Issuer, in.Type = issuer, typ
		if issuer == "" {
			return SimInput{}, atoll.Errorf(atoll.Invalid, op, "%.64q: the issuer is missing", s)
		}
	}
	if !validClaimType(in.Type) {
		return SimInput{}, atoll.Errorf(atoll.Invalid, op, "%.64q: a claim type is letters, digits, '_', '.' and '-'", s)
	}
	in.raw = left + " " + raw
	return in, nil
}

// cutParameter splits a parameter at its first "=".
func cutParameter(s string) (left, value, raw string, ok bool) {
	left, raw, ok = strings.Cut(s, "=")
	if !ok || left == "" || raw == "" || strings.Contains(left, `"`) {
		return "", "", "", false
	}
	value = raw
	if len(raw) >= 2 && raw[0] == '"' && raw[len(raw)-1] == '"' {
		value = raw[1 : len(raw)-1]
	}
	return left, value, raw, !strings.Contains(value, `"`)
}

// SimClaim is what a simulation asks for: the claims of one type, or one claim.
type SimClaim struct {
	Type  string
	Value string // "" is any
}

// ParseSimClaim reads "type" or "type=value"; quoting is as in ParseSimInput.
func ParseSimClaim(s string) (SimClaim, error) {
	c := SimClaim{Type: s}
	if strings.Contains(s, "=") {
		left, value, _, ok := cutParameter(s)
		if !ok {
			return SimClaim{}, atoll.Errorf(atoll.Invalid, "policy.ParseSimClaim", "%.64q: a claim is type or type=value, with quotes around the value alone", s)
		}
		c = SimClaim{left, value}
	}
	if !validClaimType(c.Type) {
		return SimClaim{}, atoll.Errorf(atoll.Invalid, "policy.ParseSimClaim", "%.64q: a claim type is letters, digits, '_', '.' and '-'", s)
	}
	return c, nil
}

// SimRequest is one simulation.
type SimRequest struct {
	Targets []Target    // the type may be "*"; none is every type at the root
	Inputs  []SimInput  // made by ParseSimInput
	Claims  []SimClaim  // none is every claim
	Why     bool        // also explain what is missing
	Docs    []*Document // added to the set, or in place of those of the same name, for this simulation
}

// LineType is the kind of a SimLine.
type LineType int

// The kinds of line.
const (
	LineClaim LineType = iota
	LineCondition
	LineInput
	LineFQN
)

// SimLine is one line of the explanation tree.
type SimLine struct {
	Context string   `json:"context"`
	Level   int      `json:"level"`
	Type    LineType `json:"type"`
	Value   string   `json:"value"`
	FQN     string   `json:"fqn,omitempty"` // with several targets: which one
}

// SimResponse is the explanation tree, and the widths of its columns.
type SimResponse struct {
	Lines      []SimLine `json:"lines"`
	MaxContext int       `json:"maxc"`
	MaxLevel   int       `json:"maxl"`
	MaxValue   int       `json:"maxv"`
	Realms     []string  `json:"-"` // that appear in it, each once
}

// Simulate explains which claims follow from the inputs and, with Why, what
// would have to be given for those that do not. Invalid if the documents of
// the request have errors, a type is not registered, or the answer would grow
// beyond its bounds.
func (s *Set) Simulate(req SimRequest) (SimResponse, error) {
	const op = "policy.Simulate"
	if len(req.Docs) > 0 {
		next, ds := s.With(req.Docs, nil)
		if next == nil {
			return SimResponse{}, DiagnosticsError(op, ds)
		}
		s = next
	}
	targets, err := s.simTargets(req.Targets)
	if err != nil {
		return SimResponse{}, err
	}
	out, steps, derived := SimResponse{Lines: []SimLine{}}, 0, 0
	for _, t := range targets {
		m := newSimulation(s, t, req)
		if derived += m.derived.steps; derived > maxSimDerived {
			return SimResponse{}, atoll.Errorf(atoll.Invalid, op, "the explanation takes too long")
		}
		m.lines, m.steps = out.Lines, steps // the bounds are those of the whole answer
		from := len(out.Lines)
		if err := m.run(req.Claims); err != nil {
			return SimResponse{}, err
		}
		out.Lines, steps = m.lines, m.steps
		if len(targets) > 1 {
			for i := range out.Lines[from:] {
				out.Lines[from+i].FQN = t.String()
			}
		}
	}
	for _, l := range out.Lines {
		out.MaxContext = max(out.MaxContext, utf8.RuneCountInString(l.Context))
		out.MaxLevel = max(out.MaxLevel, l.Level)
		out.MaxValue = max(out.MaxValue, utf8.RuneCountInString(l.Value))
		if l.Type == LineFQN && !slices.Contains(out.Realms, l.Value) {
			out.Realms = append(out.Realms, l.Value)
		}
	}
	return out, nil
}

// simTargets replaces the type "*" by every registered one.
func (s *Set) simTargets(asked []Target) ([]Target, error) {
	if len(asked) == 0 {
		asked = []Target{{Type: "*", Namespace: "/"}}
	}
	var out []Target
	for _, t := range asked {
		switch {
		case t.Type == "*":
			for _, n := range s.types.order {
				t.Type = n
				out = append(out, t)
			}
		case s.types.types[t.Type] == nil:
			return nil, atoll.Errorf(atoll.Invalid, "policy.Simulate", "resource type %.64q is not registered", t.Type)
		default:
			out = append(out, t)
		}
	}
	return out, nil
}

// simulation explains one target.
type simulation struct {
	set      *Set
	inputs   []SimInput
	why      bool
	policies []applied // in document and text order
	derived  *evaluator
	lines    []SimLine
	open     []goal
	steps    int
	err      error
}

// goal is a claim to be explained: a value, or a reference that supplies it.
type goal struct {
	typ, value string
	ref        string
}

func newSimulation(s *Set, t Target, req SimRequest) *simulation {
	m := &simulation{set: s, inputs: req.Inputs, why: req.Why, policies: s.covering(t)}
	slices.SortStableFunc(m.policies, func(a, b applied) int { return cmp.Compare(a.doc.Name, b.doc.Name) })
	cs := newClaimSet(t)
	cs.free = map[string][]string{}
	for _, in := range req.Inputs {
		switch {
		case in.Issuer == "":
			cs.free[in.Type] = append(cs.free[in.Type], in.Value)
		case !engineIssuer(in.Issuer):
			cs.add(in.Claim)
		}
	}
	_, m.derived = evaluate(m.policies, s.vars, s.types, t, cs)
	m.err = m.derived.err
	return m
}

// goalOf returns what an assertion can make true.
func goalOf(a applied, c *Assertion) goal {
	if c.Value.IsRef {
		return goal{typ: c.Type, ref: c.Value.Raw}
	}
	return goal{typ: c.Type, value: substitute(c.Value.Text, a.bound)}
}

func (m *simulation) run(filter []SimClaim) error {
	seen := map[goal]bool{}
	for _, a := range m.policies {
		for _, r := range a.pol.Rules {
			for i := range r.Claims {
				g := goalOf(a, &r.Claims[i])
				if !seen[g] && m.wanted(a, &r.Claims[i], g, filter) {
					seen[g] = true
					m.explain(g, 0)
				}
				if m.err != nil {
					return m.err
				}
			}
		}
	}
	return nil
}

// wanted reports whether a goal passes the filter.
func (m *simulation) wanted(a applied, c *Assertion, g goal, filter []SimClaim) bool {
	if len(filter) == 0 {
		return true
	}
	return slices.ContainsFunc(filter, func(f SimClaim) bool {
		switch {
		case f.Type != g.typ:
			return false
		case f.Value == "" || g.ref == "" && f.Value == g.value:
			return true
		}
		return g.ref != "" && slices.ContainsFunc(m.derived.from[Claim{Type: f.Type, Value: f.Value}], func(o Origin) bool {
			return o.Document == a.doc.Name && o.Line == int(c.Pos.Line) && o.RealmLine == int(a.pol.Realm.Pos.Line)
		})
	})
}

// explain writes one subtree for each supported way to assert g and reports
// whether there is any.
func (m *simulation) explain(g goal, level int) bool {
	if slices.Contains(m.open, g) {
		return false
	}
	if len(m.open) >= maxSimNesting {
		m.err = atoll.Errorf(atoll.Invalid, "policy.Simulate", "the explanation nests deeper than %d claims", maxSimNesting)
		return false
	}
	m.open = append(m.open, g)
	defer func() { m.open = m.open[:len(m.open)-1] }()
	found := false
	for _, a := range m.policies {
		for _, r := range a.pol.Rules {
			if m.step(); m.err != nil {
				return false
			}
			i := slices.IndexFunc(r.Claims, func(c Assertion) bool { return asserts(a, &c, g) })
			if i < 0 || slices.ContainsFunc(r.Claims, func(c Assertion) bool { return unbound(&c.Value, a.bound) }) {
				continue
			}
			choices := r.any
			if r.If == nil {
				choices = []conjunction{nil}
			}
			for _, c := range choices {
				if m.subtree(a, r, &r.Claims[i], c, g, level) {
					found = true
				}
				if m.err != nil {
					return false
				}
			}
		}
	}
	return found
}

// asserts reports whether c can assert g: the same reference, the same value,
// or below the goals that were asked for a reference that might supply it.
func asserts(a applied, c *Assertion, g goal) bool {
	if c.Type != g.typ {
		return false
	}
	got := goalOf(a, c)
	return got == g || got.ref != "" && g.ref == ""
}

func (m *simulation) line(l SimLine) {
	if len(m.lines) >= maxSimLines {
		m.err = atoll.Errorf(atoll.Invalid, "policy.Simulate", "the explanation has more than %d lines", maxSimLines)
		return
	}
	m.lines = append(m.lines, l)
}

// step counts what the explanation costs.
func (m *simulation) step() {
	if m.steps++; m.steps > maxSimSteps && m.err == nil {
		m.err = atoll.Errorf(atoll.Invalid, "policy.Simulate", "the explanation takes too long")
	}
}

func contextOf(d *Document, line uint32) string {
	s := d.Name + ".pol:" + strconv.Itoa(int(line))
	if d.System {
		s = "(s) " + s
	}
	return s
}

// subtree writes how rule r asserts g under the conditions of c, or nothing.
func (m *simulation) subtree(a applied, r *Rule, claim *Assertion, c conjunction, g goal, level int) bool {
	fired := m.fires(a, r, c, claim, g)
	if !fired && (!m.why || len(c) == 0) {
		return false
	}
	mark := len(m.lines)
	m.line(SimLine{Context: contextOf(a.doc, claim.Pos.Line), Level: level, Type: LineClaim, Value: claim.Type + " " + claim.Value.Raw})
	m.line(SimLine{Context: contextOf(a.doc, a.pol.Realm.Pos.Line), Level: level + 1, Type: LineFQN, Value: a.pol.Realm.Text})
	if c != nil {
		m.line(SimLine{Context: contextOf(a.doc, r.Pos.Line), Level: level + 1, Type: LineCondition, Value: "(" + c.String() + ")"})
	}
	for _, k := range c {
		m.step()
		if m.err != nil || !m.support(a, k, level+2) {
			m.lines = m.lines[:mark]
			return false
		}
	}
	return m.err == nil
}

// fires reports whether the rule in fact asserts g under c.
func (m *simulation) fires(a applied, r *Rule, c conjunction, claim *Assertion, g goal) bool {
	fired := false
	e := m.derived
	e.steps = 0
	e.conjunction(a, r, c, func(slots []slot) {
		switch {
		case !claim.Value.IsRef:
			fired = true
		case g.ref != "":
			fired = fired || len(e.valuesOf(claim.Value.Ref, slots)) > 0
		default:
			fired = fired || slices.Contains(e.valuesOf(claim.Value.Ref, slots), g.value)
		}
	})
	if e.err != nil {
		m.err = e.err
	}
	return fired
}

// support writes what makes the comparison true, or could.
func (m *simulation) support(a applied, k *Comparison, level int) bool {
	if unbound(&k.Right, a.bound) {
		return false
	}
	right := m.rightValues(a, k)
	holds := func(v string) bool { return slices.ContainsFunc(right, func(w string) bool { return k.test(v, w) }) }
	if engineIssuer(k.Left.Issuer) {
		return slices.ContainsFunc(m.derived.valuesOf(k.Left, nil), holds)
	}
	for _, in := range m.inputs {
		if in.Type == k.Left.Type && (in.Issuer == "" || in.Issuer == k.Left.Issuer) && holds(in.Value) {
			m.line(SimLine{Context: "INPUT", Level: level, Type: LineInput, Value: in.raw})
			return true
		}
	}
	if k.Left.Issuer == "" {
		for _, v := range m.derivedValues(k.Left.Type) {
			if holds(v) && m.explain(goal{typ: k.Left.Type, value: v}, level) {
				return true
			}
			if m.err != nil {
				return false
			}
		}
	}
	return m.why && m.hypothetical(a, k, level)
}

// rightValues returns what the right side of k stands for.
func (m *simulation) rightValues(a applied, k *Comparison) []string {
	if k.Right.IsRef {
		return m.derived.valuesOf(k.Right.Ref, nil)
	}
	return []string{k.constant(a.bound)}
}

// derivedValues returns the derived values of a type in the order of the
// rules that assert them.
func (m *simulation) derivedValues(typ string) []string {
	var out []string
	for _, v := range m.derived.claims.values[Reference{Type: typ}] {
		if _, ok := m.derived.from[Claim{Type: typ, Value: v}]; ok {
			out = append(out, v)
		}
	}
	slices.SortStableFunc(out, func(x, y string) int { return cmp.Compare(m.rank(typ, x), m.rank(typ, y)) })
	return out
}

// rank is the number of the first rule, in document order, that can assert
// the claim.
func (m *simulation) rank(typ, value string) int {
	n := 0
	for _, a := range m.policies {
		for _, r := range a.pol.Rules {
			n++
			if slices.ContainsFunc(r.Claims, func(c Assertion) bool { return asserts(a, &c, goal{typ: typ, value: value}) }) {
				return n
			}
		}
	}
	return n
}

// hypothetical writes which input would make k true, and which rules could.
func (m *simulation) hypothetical(a applied, k *Comparison, level int) bool {
	want := goal{typ: k.Left.Type, value: k.constant(a.bound)}
	equality := k.Op.equality() && k.Left.Issuer == "" && !k.Right.IsRef
	if equality && slices.Contains(m.open, want) {
		return false
	}
	supported := false
	given := slices.ContainsFunc(m.inputs, func(in SimInput) bool {
		return in.Type == k.Left.Type && (in.Issuer == "" || in.Issuer == k.Left.Issuer)
	})
	if !given || !m.set.types.single[k.Left.Type] {
		witness := k.Right.Raw
		if text := k.constant(a.bound); !k.Right.IsRef && text != k.Right.Text {
			witness = quote(text)
		}
		m.line(SimLine{Context: "ADD INPUT", Level: level, Type: LineInput, Value: k.Left.String() + " " + witness})
		supported = true
	}
	if equality && m.explain(want, level) {
		supported = true
	}
	return supported
}
