package policy

import "strings"

// Bounds on one document beside its size. A condition is stored as a choice
// of conjunctions, so nested alternatives multiply.
const (
	maxNesting     = 64
	maxComparisons = 100_000 // over all conjunctions of a document that its conditions stand for
	maxRules       = 20_000
	maxRegex       = 1024   // bytes of one expression
	maxRegexCost   = 40_000 // size of all expressions of a document after repetition
)

// Parse reads the text of the document called name. It returns a nil Document
// if there is any error among the findings, of which there are at most
// MaxDiagnostics; warnings alone leave the Document usable. Parse knows no
// resource types: what depends on them is checked by Compile.
func Parse(name, text string) (*Document, []Diagnostic) {
	p := &parser{ds: diagnostics{name: name, text: text}}
	if len(text) > MaxDocument {
		p.ds.add(ErrSize, Pos{Line: 1}, "the text has %d bytes; at most %d are accepted", len(text), MaxDocument)
		return nil, p.ds.done()
	}
	text = strings.TrimPrefix(text, bom)
	p.ds.text = text
	p.scan = scanner{text: text, line: 1}
	p.doc = &Document{Name: name, Text: text}
	p.document()
	if p.ds.errors > 0 {
		return nil, p.ds.done()
	}
	p.doc.comments = p.scan.comments
	return p.doc, p.ds.done()
}

// ValidDocumentName reports whether s can name a document: letters, digits,
// "-" and "_", not "-" first, at most 128 characters.
func ValidDocumentName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' && i > 0) {
			return false
		}
	}
	return s != "" && len(s) <= 128
}

// parser is a recursive descent over the tokens. A method that returns false
// has reported why.
type parser struct {
	scan        scanner
	tok         token
	doc         *Document
	ds          diagnostics
	ruleCount   int
	comparisons int
	regexCost   int
	realm       *Realm // of the policy being read

	// What a document consists of lives and dies together, so it is made in
	// blocks: a text of one rule a line has ten small things on each.
	policies   slab[Policy]
	rules      slab[Rule]
	ruleLists  slab[*Rule]
	conditions slab[Condition]
	compared   slab[Comparison]
	choices    slab[conjunction]
	conjoined  slab[*Comparison]
	assertions slab[Assertion]
	tokens     slab[string]
	claims     []Assertion // of the rule being read
}

// errorf reports an error at pos and returns false.
func (p *parser) errorf(code Code, pos Pos, format string, args ...any) bool {
	p.ds.add(code, pos, format, args...)
	return false
}

// next moves to the next token; false at a lexical error.
func (p *parser) next() bool { return p.load(false) }

func (p *parser) load(regex bool) bool {
	if p.tok = p.scan.next(regex); p.tok.kind == tokBad {
		f := p.scan.fault
		return p.errorf(f.code, f.pos, "%s", f.msg)
	}
	return true
}

// unexpected reports that the current token is not what the grammar wants.
func (p *parser) unexpected(want string) bool {
	switch {
	case p.tok.kind == tokNot:
		return p.errorf(ErrReserved, p.tok.pos, "the language has no '!'; grant what is wanted instead of excluding")
	case p.tok.kind == tokAssign || p.tok.kind == tokUnequal:
		return p.errorf(ErrOp, p.tok.pos, "'%s' is not an operator; write '==' or 'equals'", p.tok.text)
	case p.tok.kind == tokWord && reserved(p.tok.text):
		return p.errorf(ErrReserved, p.tok.pos, "'%s' is reserved: the language has no negation and no alternative branch", p.tok.text)
	case p.tok.kind == tokEnd:
		return p.errorf(ErrExpect, p.tok.pos, "the text ends; %s expected", want)
	}
	return p.errorf(ErrExpect, p.tok.pos, "%s expected", want)
}

func reserved(word string) bool {
	return word == "else" || word == "not" || word == "unless" || word == "deny"
}

func (p *parser) expect(kind tokenKind, want string) bool {
	if p.tok.kind != kind {
		return p.unexpected(want)
	}
	return p.next()
}

func (p *parser) document() {
	if p.scan.space() && strings.HasPrefix(p.scan.text[p.scan.off:], "<") {
		if !p.header() {
			p.recover()
		}
	}
	ok := p.next()
	for !p.ds.full() {
		if ok && p.tok.kind == tokEnd {
			return
		}
		before := p.scan.off
		if ok {
			ok = p.policy()
		}
		if !ok {
			if p.tok.kind == tokEnd {
				return
			}
			p.recover()
			if p.scan.off == before && p.scan.off < len(p.scan.text) {
				p.scan.off++
			}
			ok = p.next()
		}
	}
}

// recover skips to what looks like the next policy: the next word, after the
// first line end, that is "on" or starts with a type and "::/".
func (p *parser) recover() {
	text := p.scan.text
	for p.scan.off < len(text) {
		nl := strings.IndexByte(text[p.scan.off:], '\n')
		if nl < 0 {
			p.scan.off = len(text)
			return
		}
		p.scan.off += nl + 1
		p.scan.line++
		line := text[p.scan.off:]
		if nl = strings.IndexByte(line, '\n'); nl >= 0 {
			line = line[:nl]
		}
		line = strings.TrimLeft(line, " \t\r")
		if word, _, _ := strings.Cut(line, " "); word == "on" || word == "on\r" || strings.Contains(word, "::/") && !strings.HasPrefix(word, "\"") && !strings.HasPrefix(word, "//") {
			return
		}
	}
}

// header reads <continuum-policy name="text" ...>.
func (p *parser) header() bool {
	s := &p.scan
	const start = "<continuum-policy"
	if !strings.HasPrefix(s.text[s.off:], start) {
		return p.errorf(ErrHeader, s.here(), "the header starts with %s", start)
	}
	s.off += len(start)
	for {
		from := s.off
		s.blank()
		if s.off >= len(s.text) {
			return p.errorf(ErrHeader, s.here(), "the header is not closed with >")
		}
		if s.text[s.off] == '>' {
			s.off++
			return true
		}
		name := s.off
		for s.off < len(s.text) && (s.text[s.off] == '-' || s.text[s.off] == '_' || isAlnum(s.text[s.off])) {
			s.off++
		}
		if from == name || s.off == name {
			s.off = name
			return p.errorf(ErrHeader, s.here(), "an attribute name or > expected")
		}
		a := Attribute{Name: s.text[name:s.off]}
		if s.blank(); s.off >= len(s.text) || s.text[s.off] != '=' {
			return p.errorf(ErrHeader, s.here(), "'=' expected after the attribute name")
		}
		s.off++
		if s.blank(); s.off >= len(s.text) || s.text[s.off] != '"' {
			return p.errorf(ErrHeader, s.here(), "a string expected after '='")
		}
		if p.tok = s.quoted(s.here(), true); p.tok.kind == tokBad {
			return p.errorf(s.fault.code, s.fault.pos, "%s", s.fault.msg)
		}
		a.Value = p.tok.text
		p.doc.Header = append(p.doc.Header, a)
	}
}

// blank skips white space alone.
func (s *scanner) blank() {
	for s.off < len(s.text) && strings.IndexByte(" \t\r\n", s.text[s.off]) >= 0 {
		if s.text[s.off] == '\n' {
			s.line++
		}
		s.off++
	}
}

func isAlnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func (p *parser) policy() bool {
	if p.tok.kind == tokWord && p.tok.text == "on" && !p.next() {
		return false
	}
	if p.tok.kind != tokWord || reserved(p.tok.text) {
		return p.unexpected("a realm")
	}
	realm, what := parseRealmIn(&p.tokens, p.tok.text)
	realm.Pos = p.tok.pos
	if what != "" {
		return p.errorf(ErrRealm, realm.Pos, "%s", what)
	}
	pol := p.policies.one()
	pol.Realm = realm
	p.realm = &pol.Realm
	if !p.next() || !p.expect(tokOpen, "'{' after the realm") {
		return false
	}
	for p.tok.kind != tokClose {
		r, ok := p.rule()
		if !ok {
			return false
		}
		if pol.Rules == nil {
			pol.Rules = p.ruleLists.list(1)[:0]
		}
		pol.Rules = append(pol.Rules, r)
	}
	pol.end = p.tok.pos
	p.doc.Policies = append(p.doc.Policies, pol)
	return p.next()
}

func (p *parser) rule() (*Rule, bool) {
	if p.ruleCount++; p.ruleCount > maxRules {
		return nil, p.errorf(ErrSize, p.tok.pos, "the document has more than %d rules; write several documents", maxRules)
	}
	r := p.rules.one()
	r.Pos = p.tok.pos
	p.claims = p.claims[:0]
	if p.tok.kind == tokWord && p.tok.text == "if" {
		if !p.next() || !p.expect(tokParen, "'(' after if") {
			return nil, false
		}
		c, ok := p.condition(0)
		if !ok {
			return nil, false
		}
		if r.If, r.any = c, nil; !p.expand(r) {
			return nil, false
		}
		if !p.expect(tokParenClose, "')', '&&' or '||'") {
			return nil, false
		}
	}
	r.open = p.tok.pos
	if p.tok.kind != tokOpen {
		if r.If == nil {
			return nil, p.unexpected("'if', '{' or '}'")
		}
		return nil, p.unexpected("'{'")
	}
	if !p.next() {
		return nil, false
	}
	if p.tok.kind == tokClose {
		return nil, p.errorf(ErrEmpty, p.tok.pos, "the rule asserts nothing")
	}
	for p.tok.kind != tokClose {
		if !p.claim() {
			return nil, false
		}
	}
	r.Claims = p.assertions.list(len(p.claims))
	copy(r.Claims, p.claims)
	r.end = p.tok.pos
	p.lint(r)
	return r, p.next()
}

// condition reads alternatives of conjunctions of terms.
func (p *parser) condition(depth int) (*Condition, bool) {
	var anyOf, allOf []*Condition
	for {
		c, ok := p.term(depth)
		if !ok {
			return nil, false
		}
		if anyOf == nil && allOf == nil && p.tok.kind != tokAnd && p.tok.kind != tokOr {
			return c, true
		}
		allOf = append(allOf, c)
		switch p.tok.kind {
		case tokAnd:
			if !p.next() {
				return nil, false
			}
			continue
		case tokOr:
			anyOf = append(anyOf, joined(allOf))
			allOf = nil
			if !p.next() {
				return nil, false
			}
			continue
		}
		if anyOf == nil {
			return joined(allOf), true
		}
		return &Condition{Any: append(anyOf, joined(allOf))}, true
	}
}

func joined(all []*Condition) *Condition {
	if len(all) == 1 {
		return all[0]
	}
	return &Condition{All: all}
}

func (p *parser) term(depth int) (*Condition, bool) {
	if p.tok.kind == tokParen {
		if depth+1 >= maxNesting {
			return nil, p.errorf(ErrExpect, p.tok.pos, "parentheses nest deeper than %d", maxNesting)
		}
		if !p.next() {
			return nil, false
		}
		c, ok := p.condition(depth + 1)
		return c, ok && p.expect(tokParenClose, "')', '&&' or '||'")
	}
	c := p.compared.one()
	c.Pos = p.tok.pos
	if p.tok.kind != tokWord || reserved(p.tok.text) {
		return nil, p.unexpected("a claim type")
	}
	first := p.tok
	if !p.next() {
		return nil, false
	}
	if p.tok.kind == tokArrow {
		if !p.next() {
			return nil, false
		}
		if first.template {
			return nil, p.errorf(ErrExpect, first.pos, "an issuer holds no template")
		}
		c.Left.Issuer = first.text
		first = p.tok
		if first.kind != tokWord || reserved(first.text) {
			return nil, p.unexpected("a claim type after '->'")
		}
		if !validClaimType(first.text) {
			return nil, p.errorf(ErrExpect, first.pos, "a claim type is letters, digits, '_', '.' and '-'")
		}
		if !p.next() {
			return nil, false
		}
	} else if !validClaimType(first.text) {
		return nil, p.errorf(ErrExpect, first.pos, "a claim type is letters, digits, '_', '.' and '-'")
	}
	c.Left.Type = first.text
	switch {
	case p.tok.kind == tokEqual:
	case p.tok.kind == tokWord && !reserved(p.tok.text):
		op, ok := parseOperator(p.tok.text)
		if !ok {
			return nil, p.errorf(ErrOp, p.tok.pos, "'%s' is not an operator", p.tok.text)
		}
		c.Op = op
	default:
		return nil, p.unexpected("an operator")
	}
	if !p.load(c.Op == RegexMatch) {
		return nil, false
	}
	right, ok := p.operand()
	if !ok {
		return nil, false
	}
	c.Right = right
	out := p.conditions.one()
	out.Comparison = c
	return out, p.checkOperand(c)
}

// checkOperand checks what an operator demands of a constant operand.
func (p *parser) checkOperand(c *Comparison) bool {
	o := &c.Right
	switch {
	case c.Op == RegexMatch:
		if o.IsRef || len(o.Text) > maxRegex {
			return p.errorf(ErrRegex, o.Pos, "the expression is a constant of at most %d bytes", maxRegex)
		}
		o.holds = false
		var cost int
		var err error
		if c.regex, cost, err = compileRegex(o.Text); err != nil {
			return p.errorf(ErrRegex, o.Pos, "%s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
		if p.regexCost += cost; p.regexCost > maxRegexCost {
			return p.errorf(ErrRegex, o.Pos, "the expressions of one document are too many or repeat too much")
		}
	case c.Op == FQNMatch && !o.IsRef:
		if _, alone := o.template(); alone {
			return true
		}
		if _, what := parseRealm(o.Text); what != "" {
			return p.errorf(ErrRealm, o.Pos, "%s", what)
		}
	}
	return true
}

// operand reads a string, a word, or a reference.
func (p *parser) operand() (Operand, bool) {
	o := Operand{Text: p.tok.text, Raw: p.scan.text[p.tok.pos.Offset:p.tok.end], Pos: p.tok.pos, Quoted: p.tok.kind == tokString, holds: p.tok.template}
	if p.tok.kind != tokString && p.tok.kind != tokWord {
		return o, p.unexpected("a value")
	}
	first := p.tok
	if !p.next() {
		return o, false
	}
	if first.kind != tokWord || p.tok.kind != tokArrow {
		return o, true
	}
	if first.template {
		return o, p.errorf(ErrExpect, first.pos, "an issuer holds no template")
	}
	if !p.next() {
		return o, false
	}
	if p.tok.kind != tokWord || !validClaimType(p.tok.text) || reserved(p.tok.text) {
		return o, p.unexpected("a claim type after '->'")
	}
	o.Ref, o.IsRef, o.holds = Reference{first.text, p.tok.text}, true, false
	o.Raw, o.Text = first.text+"->"+p.tok.text, ""
	return o, p.next()
}

func (p *parser) claim() bool {
	if p.tok.kind == tokWord && p.tok.text == "if" {
		return p.errorf(ErrReserved, p.tok.pos, "'if' does not nest; close the rule first")
	}
	if p.tok.kind != tokWord || reserved(p.tok.text) && p.tok.text != "deny" {
		return p.unexpected("a claim or '}'")
	}
	if !validClaimType(p.tok.text) {
		return p.errorf(ErrExpect, p.tok.pos, "a claim type is letters, digits, '_', '.' and '-'")
	}
	typ := p.tok
	at := typ.pos
	if !p.next() {
		return false
	}
	for {
		v, ok := p.operand()
		if !ok {
			return false
		}
		if at != typ.pos {
			at = v.Pos
		}
		p.claims = append(p.claims, Assertion{Type: typ.text, Value: v, Pos: at})
		if p.tok.kind != tokComma {
			return true
		}
		at = p.tok.pos
		if !p.next() {
			return false
		}
	}
}

// expand turns the condition of r into a choice of conjunctions.
func (p *parser) expand(r *Rule) bool {
	if c := r.If.Comparison; c != nil && p.comparisons < maxComparisons {
		p.comparisons++
		r.any = p.choices.list(1)
		r.any[0] = p.conjoined.list(1)
		r.any[0][0] = c
		return true
	}
	n := 0
	size, _ := r.If.weigh()
	if size <= maxComparisons {
		n = int(size)
	}
	if p.comparisons += n; size > maxComparisons || p.comparisons > maxComparisons {
		return p.errorf(ErrSize, r.Pos, "the alternatives of the condition multiply to more than %d comparisons", maxComparisons)
	}
	r.any = r.If.conjunctions()
	return true
}

// weigh returns how many comparisons and conjunctions c stands for.
func (c *Condition) weigh() (comparisons, conjunctions float64) {
	switch {
	case c.Comparison != nil:
		return 1, 1
	case c.Any != nil:
		for _, k := range c.Any {
			n, m := k.weigh()
			comparisons, conjunctions = comparisons+n, conjunctions+m
		}
	default:
		conjunctions = 1
		for _, k := range c.All {
			n, m := k.weigh()
			comparisons, conjunctions = comparisons*m+n*conjunctions, conjunctions*m
		}
	}
	return comparisons, conjunctions
}

func (c *Condition) conjunctions() []conjunction {
	switch {
	case c.Comparison != nil:
		return []conjunction{{c.Comparison}}
	case c.Any != nil:
		var out []conjunction
		for _, k := range c.Any {
			out = append(out, k.conjunctions()...)
		}
		return out
	}
	out := []conjunction{nil}
	for _, k := range c.All {
		alternatives := k.conjunctions()
		if len(alternatives) == 1 && len(out) == 1 {
			out[0] = append(out[0], alternatives[0]...)
			continue
		}
		product := make([]conjunction, 0, len(out)*len(alternatives))
		for _, a := range out {
			for _, b := range alternatives {
				product = append(product, append(a[:len(a):len(a)], b...))
			}
		}
		out = product
	}
	return out
}

// each calls f for every comparison, in the order of the text.
func (c *Condition) each(f func(*Comparison)) {
	if c.Comparison != nil {
		f(c.Comparison)
	}
	for _, k := range c.All {
		k.each(f)
	}
	for _, k := range c.Any {
		k.each(f)
	}
}

// binds reports whether the realm binds the template called name.
func (r *Realm) binds(name string) bool {
	for _, list := range [2][]string{r.Namespace, r.Local} {
		for _, tok := range list {
			if isTemplate(tok) && tok[1:len(tok)-1] == name {
				return true
			}
		}
	}
	return false
}

// validClaimType reports whether s can be the type of a claim.
func validClaimType(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || i > 0 && (c >= '0' && c <= '9' || c == '.' || c == '-')) {
			return false
		}
	}
	return s != ""
}
