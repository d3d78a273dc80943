package policy

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Pos is a place in the text of a document.
type Pos struct {
	Offset uint32 // in bytes
	Line   uint32 // from 1
}

// column counts code points from the start of the line of at, from 1.
func column(text string, at Pos) int {
	off := min(int(at.Offset), len(text))
	start := strings.LastIndexByte(text[:off], '\n') + 1
	return utf8.RuneCountInString(text[start:off]) + 1
}

// bom is the byte-order mark that a text may start with.
const bom = "\uFEFF"

type tokenKind uint8

const (
	tokEnd tokenKind = iota
	tokWord
	tokString
	tokOpen       // {
	tokClose      // }
	tokParen      // (
	tokParenClose // )
	tokComma
	tokArrow  // ->
	tokEqual  // ==
	tokAnd    // &&
	tokOr     // ||
	tokAssign // =
	tokUnequal
	tokNot
	tokBad // a lexical error, already described by scanner.fault
)

// token is one token of the text. The text of a string is what stands
// between its quotes, escapes resolved.
type token struct {
	kind     tokenKind
	template bool // the text may hold a template
	pos      Pos
	end      uint32
	text     string
}

// fault describes a lexical error.
type fault struct {
	code Code
	pos  Pos
	msg  string
}

// comment is one comment, without its line end.
type comment struct {
	pos  Pos
	text string
}

// scanner cuts a document into tokens. It keeps no token but the one it
// returns, so that an earlier fault of grammar is found before a later fault
// of spelling.
type scanner struct {
	text     string
	off      int
	line     uint32
	fault    fault
	comments []comment
}

// wordBreak holds the ASCII characters that end a word.
var wordBreak = func() (t [128]bool) {
	for c := range t {
		t[c] = c <= ' ' || c == 0x7f || strings.IndexByte("\"'`\\{}(),<>=!&;|", byte(c)) >= 0
	}
	return t
}()

// plainWord holds the bytes that go on with a word whatever stands around them.
var plainWord = func() (t [256]bool) {
	for c := range wordBreak {
		t[c] = !wordBreak[c] && strings.IndexByte("-/[]", byte(c)) < 0
	}
	return t
}()

func isQuote(r rune) bool {
	switch r {
	case '\'', '`', '«', '»', '‹', '›', 0xFF02, 0xFF07:
		return true
	}
	return r >= 0x2018 && r <= 0x201F || r >= 0x301D && r <= 0x301F
}

func (s *scanner) here() Pos { return Pos{uint32(s.off), s.line} }

func (s *scanner) bad(code Code, pos Pos, msg string) token {
	s.fault = fault{code, pos, msg}
	return token{kind: tokBad, pos: pos, end: uint32(s.off)}
}

// space skips white space and comments. It reports false at a byte that is
// not UTF-8 in a comment.
func (s *scanner) space() bool {
	for s.off < len(s.text) {
		switch c := s.text[s.off]; {
		case c == '\n':
			s.line++
			s.off++
		case c == ' ' || c == '\t' || c == '\r':
			s.off++
		case c == '/' && strings.HasPrefix(s.text[s.off:], "//"):
			start := s.here()
			end := strings.IndexByte(s.text[s.off:], '\n')
			if end < 0 {
				end = len(s.text) - s.off
			}
			line := s.text[s.off : s.off+end]
			if !utf8.ValidString(line) {
				s.off += invalidAt(line)
				return false
			}
			s.off += end
			s.comments = append(s.comments, comment{start, strings.TrimRight(line, " \t\r")})
		default:
			return true
		}
	}
	return true
}

// invalidAt returns the offset of the first byte of s that is not UTF-8.
func invalidAt(s string) int {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return i
			}
		}
	}
	return len(s)
}

// next returns the next token. With regex the brackets of the token are those
// of a regular expression and not of templates.
func (s *scanner) next(regex bool) token {
	if !s.space() {
		pos := s.here()
		s.off++
		return s.bad(ErrUTF8, pos, "not UTF-8")
	}
	pos := s.here()
	if s.off >= len(s.text) {
		return token{kind: tokEnd, pos: pos, end: pos.Offset}
	}
	one := func(k tokenKind, n int) token {
		s.off += n
		return token{kind: k, pos: pos, end: uint32(s.off), text: s.text[pos.Offset:s.off]}
	}
	two := byte(0)
	if s.off+1 < len(s.text) {
		two = s.text[s.off+1]
	}
	switch c := s.text[s.off]; c {
	case '{':
		return one(tokOpen, 1)
	case '}':
		return one(tokClose, 1)
	case '(':
		return one(tokParen, 1)
	case ')':
		return one(tokParenClose, 1)
	case ',':
		return one(tokComma, 1)
	case '"':
		return s.quoted(pos, regex)
	case '-':
		if two == '>' {
			return one(tokArrow, 2)
		}
	case '=':
		if two == '=' {
			return one(tokEqual, 2)
		}
		return one(tokAssign, 1)
	case '!':
		if two == '=' {
			return one(tokUnequal, 2)
		}
		return one(tokNot, 1)
	case '&', '|':
		if two == c {
			if c == '&' {
				return one(tokAnd, 2)
			}
			return one(tokOr, 2)
		}
		s.off++
		return s.bad(ErrChar, pos, "'"+string(c)+"' stands alone; write '"+string(c)+string(c)+"'")
	}
	return s.word(pos, regex)
}

func (s *scanner) word(pos Pos, regex bool) token {
	tok := token{kind: tokWord, pos: pos}
	var first fault // of a bracket
	for s.off < len(s.text) {
		c := s.text[s.off]
		if plainWord[c] {
			s.off++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s.text[s.off:])
			if r == utf8.RuneError && n == 1 || isQuote(r) || unicode.IsControl(r) {
				break
			}
			s.off += n
			continue
		}
		if wordBreak[c] ||
			c == '-' && strings.HasPrefix(s.text[s.off:], "->") ||
			c == '/' && strings.HasPrefix(s.text[s.off:], "//") && (s.off == int(pos.Offset) || s.text[s.off-1] != ':') {
			break
		}
		switch {
		case c == '[' && !regex:
			n := templateLen(s.text[s.off:])
			if n == 0 {
				if first.code == "" {
					first = fault{ErrTemplate, s.here(), "'[' starts a template: [name]"}
				}
				n = 1
			}
			tok.template = true
			s.off += n
			continue
		case c == ']' && !regex && first.code == "":
			first = fault{ErrChar, s.here(), "']' without '['"}
		}
		s.off++
	}
	if s.off == int(pos.Offset) {
		return s.strayChar(pos)
	}
	tok.end = uint32(s.off)
	tok.text = s.text[pos.Offset:s.off]
	if first.code != "" {
		return s.bad(first.code, first.pos, first.msg)
	}
	return tok
}

// strayChar consumes the character at pos, which starts no token.
func (s *scanner) strayChar(pos Pos) token {
	r, n := utf8.DecodeRuneInString(s.text[s.off:])
	s.off += n
	switch {
	case r == utf8.RuneError && n == 1:
		return s.bad(ErrUTF8, pos, "not UTF-8")
	case isQuote(r):
		return s.bad(ErrQuote, pos, "only \" quotes a string")
	case unicode.IsControl(r):
		return s.bad(ErrChar, pos, "a control character")
	}
	return s.bad(ErrChar, pos, "'"+string(r)+"' has no meaning here")
}

// quoted reads a string whose opening quote is at pos.
func (s *scanner) quoted(pos Pos, regex bool) token {
	s.off++
	tok := token{kind: tokString, pos: pos}
	var first fault
	note := func(code Code, at Pos, msg string) {
		if first.code == "" {
			first = fault{code, at, msg}
		}
	}
	var b []byte // set once an escape was met
	start := s.off
	for ; ; s.off++ {
		if s.off >= len(s.text) || s.text[s.off] == '\n' {
			return s.bad(ErrString, pos, "the string is not closed on its line")
		}
		c := s.text[s.off]
		switch {
		case c == '"':
			if b == nil {
				tok.text = s.text[start:s.off]
			} else {
				tok.text = string(append(b, s.text[start:s.off]...))
			}
			s.off++
			tok.end = uint32(s.off)
			if first.code != "" {
				return s.bad(first.code, first.pos, first.msg)
			}
			return tok
		case c == '\\':
			at := s.here()
			if s.off+1 < len(s.text) && (s.text[s.off+1] == '"' || s.text[s.off+1] == '\\') {
				b = append(b, s.text[start:s.off]...)
				start = s.off + 1
				s.off++
				continue
			}
			note(ErrString, at, `only \" and \\ are escapes`)
		case c == '[' && !regex:
			tok.template = true
			if templateLen(s.text[s.off:]) == 0 {
				note(ErrTemplate, s.here(), "'[' starts a template: [name]")
			}
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRuneInString(s.text[s.off:])
			if r == utf8.RuneError && n == 1 {
				note(ErrUTF8, s.here(), "not UTF-8")
			}
			s.off += n - 1
		case c < ' ' && c != '\t' && c != '\r' || c == 0x7f:
			note(ErrChar, s.here(), "a control character")
		}
	}
}

// templateLen returns the length of the template that s starts with, or 0.
func templateLen(s string) int {
	i := 1
	for ; i < len(s); i++ {
		c := s[i]
		if !(c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || i > 1 && c >= '0' && c <= '9') {
			break
		}
	}
	if i > 1 && i < len(s) && s[i] == ']' {
		return i + 1
	}
	return 0
}
