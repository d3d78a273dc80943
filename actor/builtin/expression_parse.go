package builtin

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/atoll-platform/atoll/actor"
)

// The bounds of an expression's text.
const (
	maxExpression = 8 << 10 // bytes
	maxNesting    = 64      // parentheses, signs and negations inside one another
)

// syntaxError says where an expression does not follow the grammar.
type syntaxError struct {
	offset int
	msg    string
}

func (e *syntaxError) Error() string { return fmt.Sprintf("at byte %d: %s", e.offset, e.msg) }

// parseExpression compiles an expression. A name whose first element is one of
// the aliases reads the collected value, every other name the event.
func parseExpression(src string, aliases []string) (x *expression, err error) {
	if len(src) > maxExpression {
		return nil, &syntaxError{maxExpression, fmt.Sprintf("an expression has at most %d bytes", maxExpression)}
	}
	p := &parser{src: src, known: aliases, used: make(map[string]int)}
	defer func() {
		// The parser leaves its recursion by panicking with a *syntaxError.
		if r := recover(); r != nil {
			e, ok := r.(*syntaxError)
			if !ok {
				panic(r)
			}
			x, err = nil, e
		}
	}()
	n := p.or()
	if p.peek() != 0 {
		p.fail("unexpected %q", p.peek())
	}
	return &expression{eval: n, aliases: len(p.used)}, nil
}

type parser struct {
	src   string
	pos   int
	depth int
	known []string
	used  map[string]int // aliases, by number
}

func (p *parser) fail(format string, args ...any) {
	panic(&syntaxError{p.pos, fmt.Sprintf(format, args...)})
}

// peek skips white space and returns the next character, 0 at the end.
func (p *parser) peek() rune {
	for p.pos < len(p.src) {
		r, size := utf8.DecodeRuneInString(p.src[p.pos:])
		if r == utf8.RuneError && size == 1 {
			p.fail("the text is not UTF-8")
		}
		if r == 0 {
			p.fail("unexpected zero character")
		}
		if !unicode.IsSpace(r) {
			return r
		}
		p.pos += size
	}
	return 0
}

// take consumes the token if it is next.
func (p *parser) take(token string) bool {
	p.peek()
	if !strings.HasPrefix(p.src[p.pos:], token) {
		return false
	}
	p.pos += len(token)
	return true
}

func (p *parser) expect(token string) {
	if !p.take(token) {
		if r := p.peek(); r != 0 {
			p.fail("want %q, not %q", token, r)
		}
		p.fail("want %q, not the end", token)
	}
}

// nest guards recursion; the result undoes it.
func (p *parser) nest() func() {
	if p.depth++; p.depth > maxNesting {
		p.fail("more than %d levels of nesting", maxNesting)
	}
	return func() { p.depth-- }
}

func (p *parser) or() node {
	parts := []node{p.and()}
	for p.take("||") {
		parts = append(parts, p.and())
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return logic("||", true, parts)
}

func (p *parser) and() node {
	parts := []node{p.not()}
	for p.take("&&") {
		parts = append(parts, p.not())
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return logic("&&", false, parts)
}

func (p *parser) not() node {
	if p.peek() == '!' {
		p.pos++
		defer p.nest()()
		return negation(p.not())
	}
	return p.test()
}

func (p *parser) test() node {
	left := p.sum()
	for _, op := range [...]string{">=", "<=", "==", "!=", ">", "<"} {
		if p.take(op) {
			return comparison(op, left, p.sum())
		}
	}
	return left
}

func (p *parser) sum() node { return p.chain("+-", p.term) }

func (p *parser) term() node { return p.chain("*/", p.unary) }

// chain parses operands between operators of equal rank.
func (p *parser) chain(operators string, operand func() node) node {
	parts := []node{operand()}
	var ops []byte
	for {
		r := p.peek()
		if r == 0 || !strings.ContainsRune(operators, r) {
			break
		}
		p.pos++
		ops = append(ops, byte(r))
		parts = append(parts, operand())
	}
	if ops == nil {
		return parts[0]
	}
	return arithmetic(ops, parts)
}

func (p *parser) unary() node {
	if p.peek() == '-' {
		p.pos++
		defer p.nest()()
		return minus(p.unary())
	}
	return p.atom()
}

func (p *parser) atom() node {
	switch r := p.peek(); {
	case r == 0:
		p.fail("unexpected end")
	case r == '(':
		p.pos++
		defer p.nest()()
		n := p.or()
		p.expect(")")
		return n
	case r == '\'':
		return constant(text(p.quoted()))
	case '0' <= r && r <= '9':
		return constant(number(p.number()))
	case isNameStart(r):
		return p.path()
	default:
		p.fail("unexpected %q", r)
	}
	return nil
}

// quoted parses a text between single quotes.
func (p *parser) quoted() string {
	p.expect("'")
	end := strings.IndexByte(p.src[p.pos:], '\'')
	if end < 0 {
		p.fail("the text has no closing quote")
	}
	s := p.src[p.pos : p.pos+end]
	if !utf8.ValidString(s) {
		p.fail("the text is not UTF-8")
	}
	p.pos += end + 1
	return s
}

func (p *parser) digits() {
	start := p.pos
	for p.pos < len(p.src) && '0' <= p.src[p.pos] && p.src[p.pos] <= '9' {
		p.pos++
	}
	if p.pos == start {
		p.fail("want a digit")
	}
}

func (p *parser) number() float64 {
	start := p.pos
	p.digits()
	if p.pos < len(p.src) && p.src[p.pos] == '.' {
		p.pos++
		p.digits()
	}
	f, err := strconv.ParseFloat(p.src[start:p.pos], 64)
	if err != nil {
		p.fail("the number is out of range")
	}
	return f
}

// path parses a name with its elements, or one of the words true and false.
func (p *parser) path() node {
	start := p.pos
	first := p.name()
	plain := true
	var b strings.Builder
	b.WriteString(first)
	for {
		if p.take("[") {
			plain = false
			p.bracket(&b)
		}
		if !p.take(".") {
			break
		}
		plain = false
		if r := p.peek(); !isNameStart(r) {
			p.fail("want a name after the dot")
		}
		b.WriteByte('.')
		b.WriteString(p.name())
	}
	if plain && (first == "true" || first == "false") {
		return constant(flag(first == "true"))
	}
	path, ok := actor.ParsePath(b.String())
	if !ok {
		p.pos = start
		p.fail("%s is not a path", b.String())
	}
	for _, alias := range p.known {
		if alias == first {
			number, again := p.used[alias]
			if !again {
				number = len(p.used)
				p.used[alias] = number
			}
			return collected(alias, number, path, b.String())
		}
	}
	return field(path, b.String())
}

// bracket parses what follows an opening bracket, up to the closing one.
func (p *parser) bracket(b *strings.Builder) {
	b.WriteByte('[')
	if p.peek() == '\'' {
		b.WriteString("'" + p.quoted() + "'")
	} else {
		sign := p.take("-")
		p.peek()
		start := p.pos
		p.digits()
		if sign {
			b.WriteByte('-')
		}
		b.WriteString(p.src[start:p.pos])
	}
	p.expect("]")
	b.WriteByte(']')
}

func (p *parser) name() string {
	start := p.pos
	for p.pos < len(p.src) {
		r, size := utf8.DecodeRuneInString(p.src[p.pos:])
		if !isNameStart(r) && !(p.pos > start && unicode.IsDigit(r)) {
			break
		}
		p.pos += size
	}
	return p.src[start:p.pos]
}

func isNameStart(r rune) bool { return r == '_' || r == '$' || unicode.IsLetter(r) }
