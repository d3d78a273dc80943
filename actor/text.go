package actor

import (
	"iter"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// The functions of this file work on text that the parser has accepted or that
// was written by this package: valid, without whitespace between tokens.

// appendedString returns b as a string without a copy; b must not be used again.
func appendedString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// member is one name and value of an object's text.
type member struct {
	text       string
	key        int // the opening quote of the name
	start, end int // the value
}

func (m member) value() Value { return rawValue(m.text[m.start:m.end]) }

func (m member) name() string { return unquote(m.text[m.key : m.start-1]) }

func (m member) is(name string) bool {
	raw := m.text[m.key+1 : m.start-2]
	if strings.IndexByte(raw, '\\') >= 0 {
		return unquoteBody(raw) == name
	}
	return raw == name
}

// members iterates over an object's text, repeated names included.
func members(text string) iter.Seq[member] {
	return func(yield func(member) bool) {
		for i := 1; text[i] != '}'; {
			m := member{text: text, key: i}
			m.start = skipString(text, i) + 1
			m.end = skipValue(text, m.start)
			if !yield(m) || text[m.end] != ',' {
				return
			}
			i = m.end + 1
		}
	}
}

// rawValue returns the Value of a text.
func rawValue(text string) Value { return Value{kind: kindOf(text[0]), str: text} }

// kindOf tells the kind of a value by its first byte.
func kindOf(c byte) Kind { return kindTable[c] }

var kindTable = [256]Kind{
	'n': NullKind, 't': BoolKind, 'f': BoolKind, '"': StringKind, '{': ObjectKind, '[': ArrayKind, '-': NumberKind,
	'0': NumberKind, '1': NumberKind, '2': NumberKind, '3': NumberKind, '4': NumberKind,
	'5': NumberKind, '6': NumberKind, '7': NumberKind, '8': NumberKind, '9': NumberKind,
}

// skipString returns the index behind the string that begins at i.
func skipString(s string, i int) int {
	for i++; ; i++ {
		i += strings.IndexByte(s[i:], '"')
		j := i
		for s[j-1] == '\\' {
			j--
		}
		// An even number of backslashes before it leaves the quote a quote. The
		// opening quote stops the count: it is no backslash.
		if (i-j)%2 == 0 {
			return i + 1
		}
	}
}

// skipValue returns the index behind the value that begins at i.
func skipValue(s string, i int) int {
	depth := 0
	for i < len(s) {
		switch s[i] {
		case '"':
			i = skipString(s, i)
			if depth == 0 {
				return i
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
			if depth < 0 {
				return i
			}
			if depth == 0 {
				return i + 1
			}
		case ',':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	return i
}

// unquote returns what a JSON string, quotes included, stands for.
func unquote(raw string) string {
	body := raw[1 : len(raw)-1]
	if strings.IndexByte(body, '\\') < 0 {
		return body
	}
	return unquoteBody(body)
}

func unquoteBody(s string) string {
	b := make([]byte, 0, len(s))
	for {
		i := strings.IndexByte(s, '\\')
		if i < 0 {
			return appendedString(append(b, s...))
		}
		b = append(b, s[:i]...)
		c := s[i+1]
		s = s[i+2:]
		switch c {
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			r := hex4(s)
			s = s[4:]
			if utf16.IsSurrogate(r) {
				if len(s) >= 6 && s[0] == '\\' && s[1] == 'u' {
					if p := utf16.DecodeRune(r, hex4(s[2:])); p != utf8.RuneError {
						b = utf8.AppendRune(b, p)
						s = s[6:]
						continue
					}
				}
				r = utf8.RuneError
			}
			b = utf8.AppendRune(b, r)
		default:
			b = append(b, c)
		}
	}
}

func hex4(s string) rune {
	var r rune
	for i := range 4 {
		c := s[i]
		switch {
		case c <= '9':
			c -= '0'
		case c <= 'F':
			c -= 'A' - 10
		default:
			c -= 'a' - 10
		}
		r = r<<4 | rune(c)
	}
	return r
}

const hexDigits = "0123456789abcdef"

// appendQuoted appends s as a JSON string in its canonical spelling: only the
// quote, the backslash and control characters are escaped.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				b = append(append(b, s[from:i]...), "\uFFFD"...)
				from = i + 1
			}
			i += n
			continue
		}
		b = append(b, s[from:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\b':
			b = append(b, '\\', 'b')
		case '\f':
			b = append(b, '\\', 'f')
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		from = i
	}
	return append(append(b, s[from:]...), '"')
}

// appendObject appends the text of an object of the fields.
func appendObject(b []byte, fields []Field) []byte {
	b = append(b, '{')
	n := 0
	for _, f := range distinct(fields) {
		if f.Value.kind == MissingKind {
			continue
		}
		if n > 0 {
			b = append(b, ',')
		}
		n++
		b = append(appendQuoted(b, f.Name), ':')
		b = f.Value.AppendJSON(b)
	}
	return append(b, '}')
}

// distinct returns fields whose names are UTF-8 and occur once, with the last
// value at the place of the first: fields itself if nothing has to change.
func distinct(fields []Field) []Field {
	ok := len(fields) <= inline
	for i := range fields {
		ok = ok && utf8.ValidString(fields[i].Name)
		for j := 0; ok && j < i; j++ {
			ok = fields[i].Name != fields[j].Name
		}
	}
	if ok {
		return fields
	}
	at := make(map[string]int, len(fields))
	once := make([]Field, 0, len(fields))
	for _, f := range fields {
		f.Name = strings.ToValidUTF8(f.Name, "\uFFFD")
		if i, ok := at[f.Name]; ok {
			once[i].Value = f.Value
			continue
		}
		at[f.Name] = len(once)
		once = append(once, f)
	}
	return once
}

// borrowed returns b as a string that must not outlive the next change of b.
func borrowed(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
