package builtin

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/atoll-platform/atoll/actor"
)

// csvRecords reads a file of comma-separated values. The first row names the
// fields; a row with another number of values is a bad record.
type csvRecords struct {
	rows  csvRows
	names [][]byte // the fields as JSON members, `"name":`
	text  []byte
}

// readHeader reads the row with the names. Without one the file has no events.
func (c *csvRecords) readHeader() error {
	row, err := c.rows.next()
	if errors.Is(err, errBadRecord) {
		return errors.New("the first row, which names the fields, is malformed")
	}
	if err != nil {
		return err
	}
	seen := make(map[string]bool, len(row))
	for _, cell := range row {
		name := string(cell)
		if seen[name] {
			return fmt.Errorf("the first row names the field %q twice", name)
		}
		seen[name] = true
		c.names = append(c.names, append(actor.String(name).AppendJSON(nil), ':'))
	}
	return nil
}

func (c *csvRecords) next() (*actor.Event, error) {
	row, err := c.rows.next()
	if err != nil {
		return nil, err
	}
	if len(row) != len(c.names) {
		return nil, errBadRecord
	}
	text := append(c.text[:0], '{')
	for i, cell := range row {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(text, c.names[i]...)
		if isJSONNumber(cell) {
			text = append(text, cell...)
		} else {
			text = actor.String(string(cell)).AppendJSON(text)
		}
	}
	c.text = append(text, '}')
	return parseRecord(c.text)
}

// csvRows reads rows of cells: RFC 4180, with lines that may end in a line feed
// alone, and without the blank ones.
type csvRows struct {
	in   *input
	row  []byte // the text of the cells, one after the other
	ends []int  // where each cell ends in row
	out  [][]byte
}

// states of the scanner within a row
const (
	cellStart = iota
	cellPlain
	cellQuoted
	cellQuote // a quote in a quoted cell: it ends the cell or is the first of two
)

// next returns the cells of the next row, which are valid until the next call.
// A row with a stray quote, or too long, is passed over with errBadRecord.
func (c *csvRows) next() ([][]byte, error) {
	var line []byte
	for len(line) == 0 {
		var err error
		if line, err = c.in.readLine(maxRecord); err != nil {
			return nil, err
		}
	}
	c.row, c.ends, c.out = c.row[:0], c.ends[:0], c.out[:0]
	state, bad, length := cellStart, false, 0
	for {
		length += len(line) + 1
		for _, b := range line {
			switch {
			case state == cellQuoted:
				if b == '"' {
					state = cellQuote
				} else {
					c.row = append(c.row, b)
				}
			case state == cellQuote && b == '"':
				state = cellQuoted
				c.row = append(c.row, b)
			case b == ',':
				c.ends = append(c.ends, len(c.row))
				state = cellStart
			case state == cellStart && b == '"':
				state = cellQuoted
			default:
				// A quote inside of a plain cell, or text behind a closing quote.
				bad = bad || b == '"' || state == cellQuote
				state = cellPlain
				c.row = append(c.row, b)
			}
		}
		if state != cellQuoted {
			break
		}
		var err error
		line, err = c.in.readLine(maxRecord)
		if err == io.EOF || errors.Is(err, errBadRecord) || err == nil && length+len(line) > maxRecord {
			return nil, errBadRecord
		}
		if err != nil {
			return nil, err
		}
		c.row = append(c.row, '\n')
	}
	if bad {
		return nil, errBadRecord
	}
	c.ends = append(c.ends, len(c.row))
	from := 0
	for _, end := range c.ends {
		c.out = append(c.out, c.row[from:end])
		from = end
	}
	return c.out, nil
}

// isJSONNumber reports whether b is spelt like a number of JSON.
func isJSONNumber(b []byte) bool {
	b = bytes.TrimPrefix(b, []byte("-"))
	whole := leadingDigits(b)
	if whole == 0 || whole > 1 && b[0] == '0' {
		return false
	}
	if b = b[whole:]; len(b) > 0 && b[0] == '.' {
		n := leadingDigits(b[1:])
		if n == 0 {
			return false
		}
		b = b[1+n:]
	}
	if len(b) > 0 && b[0]|0x20 == 'e' {
		b = b[1:]
		if len(b) > 0 && (b[0] == '+' || b[0] == '-') {
			b = b[1:]
		}
		n := leadingDigits(b)
		return n > 0 && n == len(b)
	}
	return len(b) == 0
}

func leadingDigits(b []byte) int {
	n := 0
	for n < len(b) && '0' <= b[n] && b[n] <= '9' {
		n++
	}
	return n
}
