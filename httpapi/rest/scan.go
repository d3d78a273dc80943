package rest

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"unicode/utf8"

	"github.com/atoll-platform/atoll"
	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth is how deep the arrays and objects of a body may nest.
const maxDepth = 64

// scanner checks one JSON text. It is pooled: a jsontext.Decoder carries
// buffers worth keeping.
type scanner struct {
	buf bytes.Buffer
	dec *jsontext.Decoder
}

var (
	scanners      = sync.Pool{New: func() any { return &scanner{dec: jsontext.NewDecoder(new(bytes.Buffer))} }}
	allowRepeated = jsontext.AllowDuplicateNames(true)
)

// checkJSON returns nil if text is exactly one JSON value in valid UTF-8, not
// nested deeper than maxDepth, with nothing but white space around it. Repeated
// member names are refused only when unique is set.
func checkJSON(text []byte, unique bool) *atoll.Finding {
	if !depthWithin(text, maxDepth) {
		return &atoll.Finding{Code: "depth", Msg: fmt.Sprintf("the JSON text nests deeper than %d levels", maxDepth)}
	}
	s := scanners.Get().(*scanner)
	s.buf = *bytes.NewBuffer(text)
	if unique {
		s.dec.Reset(&s.buf)
	} else {
		s.dec.Reset(&s.buf, allowRepeated)
	}
	_, err := s.dec.ReadValue()
	if err == nil {
		if rest := text[s.dec.InputOffset():]; len(trimSpace(rest)) > 0 {
			err = errTrailing
		}
	}
	var f *atoll.Finding
	if err != nil {
		f = syntaxFinding(text, int(s.dec.InputOffset()), err)
	}
	s.buf = bytes.Buffer{}
	scanners.Put(s)
	return f
}

var errTrailing = errors.New("text after the value")

// syntaxFinding words a refusal of jsontext. It shows a position and never
// the text itself, which may hold a secret.
func syntaxFinding(text []byte, offset int, err error) *atoll.Finding {
	var se *jsontext.SyntacticError
	if errors.As(err, &se) {
		offset = int(se.ByteOffset)
	}
	at := fmt.Sprintf(" at byte %d", offset)
	switch {
	case len(trimSpace(text)) == 0:
		return &atoll.Finding{Code: "syntax", Msg: "a JSON value is expected, the text is empty"}
	case errors.Is(err, errTrailing):
		return &atoll.Finding{Code: "trailing", Msg: "there is text after the JSON value" + at}
	case errors.Is(err, jsontext.ErrDuplicateName):
		return &atoll.Finding{Code: "duplicate", Msg: "an object names the same member twice" + at}
	case !utf8.Valid(text):
		return &atoll.Finding{Code: "utf8", Msg: "the text is not valid UTF-8" + at}
	default:
		return &atoll.Finding{Code: "syntax", Msg: "the text is not valid JSON" + at}
	}
}

// depthWithin reports whether brackets outside strings nest at most limit
// deep. It accepts any bytes and is exact for valid JSON.
func depthWithin(text []byte, limit int) bool {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i = stringEnd(text, i) - 1
		case '{', '[':
			if depth++; depth > limit {
				return false
			}
		case '}', ']':
			depth--
		}
	}
	return true
}

// stringEnd returns the index behind the string that opens at i, or the length
// of an unclosed text.
func stringEnd(text []byte, i int) int {
	for i++; i < len(text); {
		j := bytes.IndexByte(text[i:], '"')
		if j < 0 {
			return len(text)
		}
		i += j + 1
		back := 0
		for k := i - 2; text[k] == '\\'; k-- {
			back++
		}
		if back%2 == 0 {
			return i
		}
	}
	return len(text)
}

func isSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' }

func skipSpace(text []byte, i int) int {
	for i < len(text) && isSpace(text[i]) {
		i++
	}
	return i
}

// trimSpace cuts the white space of JSON off both ends.
func trimSpace(text []byte) []byte {
	text = text[skipSpace(text, 0):]
	for len(text) > 0 && isSpace(text[len(text)-1]) {
		text = text[:len(text)-1]
	}
	return text
}

// The functions below walk text that checkJSON accepted, so they need no
// error paths.

// valueEnd returns the index behind the value that starts at i.
func valueEnd(text []byte, i int) int {
	switch text[i] {
	case '"':
		return stringEnd(text, i)
	case '{', '[':
		depth := 0
		for ; i < len(text); i++ {
			switch text[i] {
			case '"':
				i = stringEnd(text, i) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
		return i
	default:
		for i < len(text) && text[i] != ',' && text[i] != ']' && text[i] != '}' && !isSpace(text[i]) {
			i++
		}
		return i
	}
}

// walk goes through the members of an object or the elements of an array.
type walk struct {
	text []byte
	i    int
}

func walkInto(text []byte) walk { return walk{text: text, i: skipSpace(text, 1)} }

// next returns the next element, and its quoted name if it is a member.
func (w *walk) next(member bool) (name, value []byte, ok bool) {
	if w.i >= len(w.text) || w.text[w.i] == '}' || w.text[w.i] == ']' {
		return nil, nil, false
	}
	if member {
		end := stringEnd(w.text, w.i)
		name = w.text[w.i:end]
		w.i = skipSpace(w.text, skipSpace(w.text, end)+1)
	}
	end := valueEnd(w.text, w.i)
	value = w.text[w.i:end]
	if w.i = skipSpace(w.text, end); w.i < len(w.text) && w.text[w.i] == ',' {
		w.i = skipSpace(w.text, w.i+1)
	}
	return name, value, true
}

// count returns the number of elements of an array.
func count(text []byte) (n int) {
	for w := walkInto(text); ; n++ {
		if _, _, ok := w.next(false); !ok {
			return n
		}
	}
}

// unquote returns the meaning of a quoted string; the result may share memory
// with the token.
func unquote(token []byte) []byte {
	if in := token[1 : len(token)-1]; bytes.IndexByte(in, '\\') < 0 {
		return in
	}
	out, _ := jsontext.AppendUnquote(make([]byte, 0, len(token)), token)
	return out
}
