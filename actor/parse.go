package actor

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf8"

	"github.com/atoll-platform/atoll"
)

const (
	// MaxSize is the length that the JSON text of an event or a value may have.
	MaxSize = 4 << 20
	// MaxDepth is how deep arrays and objects may be nested in parsed text.
	MaxDepth = 64
)

// rule is what a text breaks.
type rule uint8

const (
	ruleNone rule = iota
	ruleEnd
	ruleValue
	ruleObject
	ruleName
	ruleColon
	ruleComma
	ruleNumber
	ruleLiteral
	ruleControl
	ruleEscape
	ruleUTF8
	ruleDepth
	ruleTrailing
)

var rules = [...]struct{ code, msg string }{
	ruleEnd:      {"unexpected-end", "the text ends inside a value"},
	ruleValue:    {"value-expected", "a value is expected"},
	ruleObject:   {"object-expected", "an event is one JSON object"},
	ruleName:     {"name-expected", "a member name in quotes is expected"},
	ruleColon:    {"colon-expected", "a colon is expected behind a member name"},
	ruleComma:    {"comma-expected", "a comma or the closing bracket is expected"},
	ruleNumber:   {"bad-number", "the number is malformed"},
	ruleLiteral:  {"bad-literal", "true, false or null is expected"},
	ruleControl:  {"control-character", "a control character must be escaped in a string"},
	ruleEscape:   {"bad-escape", "the escape in the string is malformed"},
	ruleUTF8:     {"bad-utf8", "the text must be UTF-8"},
	ruleDepth:    {"too-deep", "the text is nested too deep"},
	ruleTrailing: {"trailing-data", "nothing may follow the value"},
}

// parser validates one text. Positions are indexes into the text; a negative
// one says that it is invalid.
type parser struct {
	text []byte
	gap  int // insignificant whitespace passed so far

	// What the last string held.
	escaped bool

	bad   rule
	badAt int
}

func (p *parser) fail(r rule, at int) int {
	if r != ruleEnd && at >= len(p.text) {
		r = ruleEnd
	}
	p.bad, p.badAt = r, at
	return -1
}

func (p *parser) err(op string) error {
	r := rules[p.bad]
	return &atoll.Error{
		Kind: atoll.Invalid, Op: op, Msg: "the text is not valid JSON",
		Findings: []atoll.Finding{{Code: r.code, Msg: fmt.Sprintf("%s (byte %d)", r.msg, p.badAt)}},
		Details:  map[string]any{"offset": p.badAt, "rule": r.code},
	}
}

func tooLarge(op string, n int) error {
	return &atoll.Error{Kind: atoll.TooLarge, Op: op, Msg: fmt.Sprintf("the JSON text has %d bytes, the limit is %d", n, MaxSize)}
}

// at returns the byte at i, 0 behind the end.
func (p *parser) at(i int) byte {
	if uint(i) < uint(len(p.text)) {
		return p.text[i]
	}
	return 0
}

// space returns the index of the next significant byte.
func (p *parser) space(i int) int {
	if uint(i) < uint(len(p.text)) && p.text[i] > ' ' {
		return i
	}
	return p.spaces(i)
}

func (p *parser) spaces(i int) int {
	from := i
	for i < len(p.text) {
		switch p.text[i] {
		case ' ', '\n', '\t', '\r':
			i++
			continue
		}
		break
	}
	p.gap += i - from
	return i
}

// value returns the index behind the value that begins at i.
func (p *parser) value(i, depth int) int {
	switch c := p.at(i); c {
	case '"':
		return p.str(i)
	case '{':
		return p.object(i, depth)
	case '[':
		return p.array(i, depth)
	case 't':
		return p.literal(i, "true")
	case 'f':
		return p.literal(i, "false")
	case 'n':
		return p.literal(i, "null")
	default:
		if c == '-' || c-'0' <= 9 {
			return p.number(i)
		}
	}
	return p.fail(ruleValue, i)
}

func (p *parser) object(i, depth int) int {
	if depth >= MaxDepth {
		return p.fail(ruleDepth, i)
	}
	i = p.space(i + 1)
	if p.at(i) == '}' {
		return i + 1
	}
	for {
		if p.at(i) != '"' {
			return p.fail(ruleName, i)
		}
		if i = p.str(i); i < 0 {
			return i
		}
		if i = p.space(i); p.at(i) != ':' {
			return p.fail(ruleColon, i)
		}
		if i = p.value(p.space(i+1), depth+1); i < 0 {
			return i
		}
		i = p.space(i)
		switch p.at(i) {
		case ',':
			i = p.space(i + 1)
		case '}':
			return i + 1
		default:
			return p.fail(ruleComma, i)
		}
	}
}

func (p *parser) array(i, depth int) int {
	if depth >= MaxDepth {
		return p.fail(ruleDepth, i)
	}
	i = p.space(i + 1)
	if p.at(i) == ']' {
		return i + 1
	}
	for {
		if i = p.value(i, depth+1); i < 0 {
			return i
		}
		i = p.space(i)
		switch p.at(i) {
		case ',':
			i = p.space(i + 1)
		case ']':
			return i + 1
		default:
			return p.fail(ruleComma, i)
		}
	}
}

func (p *parser) literal(i int, want string) int {
	for j := range len(want) {
		if p.at(i+j) != want[j] {
			return p.fail(ruleLiteral, i+j)
		}
	}
	return i + len(want)
}

func (p *parser) digits(i int) int {
	for uint(i) < uint(len(p.text)) && p.text[i]-'0' <= 9 {
		i++
	}
	return i
}

func (p *parser) number(i int) int {
	if p.at(i) == '-' {
		i++
	}
	if p.at(i) == '0' {
		i++
	} else {
		from := i
		if i = p.digits(i); i == from {
			return p.fail(ruleNumber, i)
		}
	}
	c := p.at(i)
	if c == '.' {
		from := i + 1
		if i = p.digits(from); i == from {
			return p.fail(ruleNumber, i)
		}
		c = p.at(i)
	}
	if c|0x20 == 'e' {
		i++
		if c = p.at(i); c == '+' || c == '-' {
			i++
		}
		from := i
		if i = p.digits(i); i == from {
			return p.fail(ruleNumber, i)
		}
	}
	return i
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special has the high bit of the lowest byte of w that a string cannot hold
// as it is, or that needs a look: quote, backslash, control or not ASCII.
// Bits above the lowest may be wrong.
func special(w uint64) uint64 {
	quote := w ^ ones*'"'
	slash := w ^ ones*'\\'
	return ((w - ones*' ') | (quote - ones) | (slash - ones) | w) & highs
}

// str returns the index behind the string whose opening quote is at i.
func (p *parser) str(i int) int {
	text := p.text
	p.escaped = false
	i++
	for {
		for i+8 <= len(text) {
			w := special(binary.LittleEndian.Uint64(text[i:]))
			if w != 0 {
				i += bits.TrailingZeros64(w) >> 3
				break
			}
			i += 8
		}
		if i >= len(text) {
			return p.fail(ruleEnd, i)
		}
		switch c := text[i]; {
		case c == '"':
			return i + 1
		case c == '\\':
			p.escaped = true
			if i = p.escape(i); i < 0 {
				return i
			}
		case c < ' ':
			return p.fail(ruleControl, i)
		case c < utf8.RuneSelf:
			i++
		default:
			r, n := utf8.DecodeRune(text[i:])
			if r == utf8.RuneError && n == 1 {
				return p.fail(ruleUTF8, i)
			}
			i += n
		}
	}
}

// escape returns the index behind the escape whose backslash is at i.
func (p *parser) escape(i int) int {
	switch p.at(i + 1) {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		for j := i + 2; j < i+6; j++ {
			c := p.at(j)
			if l := c | 0x20; c-'0' > 9 && (l < 'a' || l > 'f') {
				return p.fail(ruleEscape, j)
			}
		}
		return i + 6
	}
	return p.fail(ruleEscape, i+1)
}

// compact returns the text from..to without insignificant whitespace, of which
// there are gap bytes.
func compact(text []byte, gap int) string {
	if gap == 0 {
		return string(text)
	}
	return appendedString(appendCompact(make([]byte, 0, len(text)-gap), text))
}

// appendCompact appends a text without its insignificant whitespace.
func appendCompact(b, text []byte) []byte {
	for i := 0; i < len(text); {
		switch c := text[i]; c {
		case ' ', '\n', '\t', '\r':
			i++
		case '"':
			from := i
			for i++; text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
			i++
			b = append(b, text[from:i]...)
		default:
			b = append(b, c)
			i++
		}
	}
	return b
}

// ParseValue returns the value of a JSON text, which is copied; whitespace
// between tokens is dropped. Text that is not one value of valid JSON in UTF-8,
// or is nested deeper than MaxDepth, is Invalid, with a finding and the byte
// offset in Details; text longer than MaxSize is TooLarge.
func ParseValue(text []byte) (Value, error) {
	const op = "actor.ParseValue"
	if len(text) > MaxSize {
		return Value{}, tooLarge(op, len(text))
	}
	p := parser{text: text}
	start := p.space(0)
	end := p.value(start, 0)
	if end < 0 {
		return Value{}, p.err(op)
	}
	gap := p.gap - start
	if i := p.space(end); i < len(text) {
		p.fail(ruleTrailing, i)
		return Value{}, p.err(op)
	}
	return rawValue(compact(text[start:end], gap)), nil
}
