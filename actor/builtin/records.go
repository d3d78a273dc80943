package builtin

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/atoll-platform/atoll/actor"
)

// maxRecord bounds one record of a file: a line, a CSV row with its line
// breaks, an element of an array.
const maxRecord = 1 << 20

// errBadRecord says that a record was passed over: it is too long or not what
// the format allows.
var errBadRecord = errors.New("bad record")

// input reads a file and knows its place in it.
type input struct {
	r      *bufio.Reader
	offset int64 // bytes passed
	line   int64 // line ends passed
	buf    []byte
}

func newInput(r io.Reader, offset, line int64) *input {
	return &input{r: bufio.NewReaderSize(r, 64<<10), offset: offset, line: line}
}

// readLine returns the next line without its end, which is valid until the
// next call; io.EOF when there is none. A line longer than max is passed over
// to its end with errBadRecord.
func (in *input) readLine(max int) ([]byte, error) {
	in.buf = in.buf[:0]
	long := false
	for {
		part, err := in.r.ReadSlice('\n')
		in.offset += int64(len(part))
		long = long || len(in.buf)+len(part) > max+2
		if err == nil && !long && len(in.buf) == 0 {
			in.line++
			return checkLine(part, max)
		}
		if !long {
			in.buf = append(in.buf, part...)
		}
		switch {
		case err == nil:
			in.line++
		case err == bufio.ErrBufferFull:
			continue
		case err != io.EOF:
			return nil, err
		case len(in.buf) == 0 && !long:
			return nil, io.EOF
		}
		if long {
			return nil, errBadRecord
		}
		return checkLine(in.buf, max)
	}
}

// checkLine cuts the line end off.
func checkLine(line []byte, max int) ([]byte, error) {
	line = bytes.TrimSuffix(line, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) > max {
		return nil, errBadRecord
	}
	return line, nil
}

// skipMark passes the byte order mark that some programs begin a file with.
func (in *input) skipMark() {
	mark := []byte("\xef\xbb\xbf")
	if b, _ := in.r.Peek(len(mark)); in.offset == 0 && bytes.Equal(b, mark) {
		n, _ := in.r.Discard(len(mark))
		in.offset += int64(n)
	}
}

// records reads the events of a file one after the other: errBadRecord for one
// that was passed over, io.EOF behind the last.
type records interface {
	next() (*actor.Event, error)
}

// lineRecords reads a file with one JSON object a line. Blank lines are no
// records.
type lineRecords struct{ in *input }

func (l lineRecords) next() (*actor.Event, error) {
	for {
		line, err := l.in.readLine(maxRecord)
		if err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(line)) > 0 {
			return parseRecord(line)
		}
	}
}

func parseRecord(text []byte) (*actor.Event, error) {
	e, err := actor.Parse(text)
	if err != nil {
		return nil, errBadRecord
	}
	return e, nil
}

// arrayRecords reads the elements of a file that is one JSON array.
type arrayRecords struct {
	in     *input
	open   bool // behind the opening bracket
	closed bool
}

var errNoArray = errors.New("the file is not a JSON array")

func (a *arrayRecords) next() (*actor.Event, error) {
	if !a.open {
		c, err := a.skipSpace()
		if err == io.EOF {
			return nil, io.EOF
		}
		if err == nil && c != '[' {
			err = errNoArray
		}
		if err != nil {
			return nil, err
		}
		a.open = true
	}
	if a.closed {
		return nil, io.EOF
	}
	text, err := a.element()
	if err != nil {
		return nil, err
	}
	if len(text) == 0 && a.closed {
		return nil, io.EOF // an empty array, or a comma behind the last element
	}
	return parseRecord(text)
}

// element reads up to the comma or bracket that ends an element. What is in it
// is left to the parser; only strings and nesting matter here.
func (a *arrayRecords) element() ([]byte, error) {
	c, err := a.skipSpace()
	text, long := a.in.buf[:0], false
	depth, quoted, escaped := 0, false, false
	for ; ; c, err = a.in.readByte() {
		switch {
		case err == io.EOF:
			// The array was cut off: so was this element, if it had begun.
			a.closed = true
			a.in.buf = text
			if len(text) == 0 && !long {
				return nil, io.EOF
			}
			return nil, errBadRecord
		case err != nil:
			return nil, err
		case escaped:
			escaped = false
		case quoted:
			escaped, quoted = c == '\\', c != '"'
		case c == '"':
			quoted = true
		case c == '{' || c == '[':
			depth++
		case depth > 0:
			if c == '}' || c == ']' {
				depth--
			}
		case c == ',' || c == ']':
			a.closed = c == ']'
			a.in.buf = text
			if long {
				return nil, errBadRecord
			}
			return bytes.TrimRight(text, " \t\r\n"), nil
		}
		if long = long || len(text) >= maxRecord; !long {
			text = append(text, c)
		}
	}
}

func (a *arrayRecords) skipSpace() (byte, error) {
	for {
		c, err := a.in.readByte()
		if err != nil || c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return c, err
		}
	}
}

func (in *input) readByte() (byte, error) {
	c, err := in.r.ReadByte()
	if err == nil {
		in.offset++
		if c == '\n' {
			in.line++
		}
	}
	return c, err
}
