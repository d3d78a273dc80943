package builtin

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/actor"
)

// readRows reads all rows and counts the bad ones.
func readRows(t *testing.T, text []byte) (rows [][]string, bad int) {
	t.Helper()
	c := csvRows{in: newInput(bytes.NewReader(text), 0, 0)}
	for {
		row, err := c.next()
		switch {
		case err == io.EOF:
			if c.in.offset != int64(len(text)) {
				t.Errorf("ends at byte %d of %d", c.in.offset, len(text))
			}
			return rows, bad
		case errors.Is(err, errBadRecord):
			bad++
		case err != nil:
			t.Fatal(err)
		default:
			cells := make([]string, len(row))
			for i, cell := range row {
				cells[i] = string(cell)
			}
			rows = append(rows, cells)
		}
	}
}

// What the standard library reads without complaint is read the same way.
func FuzzCSV(f *testing.F) {
	for _, seed := range []string{
		"a,b\n1,2\n", "\"x,\"\"y\"\"\nz\",2\r\n", "a\"b,c\n", "\"open\nnever closed", "\n\n,\n", "\"a\"b\n", "a\r\nb\rc\r", "\"\r\n\"", ",,,\n\"\",\"\"\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		rows, bad := readRows(t, text)
		r := csv.NewReader(bytes.NewReader(text))
		r.FieldsPerRecord = -1
		want, err := r.ReadAll()
		if err != nil {
			if bad == 0 {
				t.Errorf("no row is bad, but encoding/csv says: %v", err)
			}
			return
		}
		if diff := cmp.Diff(want, rows); diff != "" || bad != 0 {
			t.Errorf("%d bad rows, mismatch (-want +got):\n%s", bad, diff)
		}
	})
}

// A well-formed array gives its objects; nothing makes the reader fail, hang or
// lose its place.
func FuzzArray(f *testing.F) {
	for _, seed := range []string{
		`[{"a":1},{"b":[{}]}]`, `[1,"],[",{"x":"\"]"}]`, `[`, `[{]`, `[{},,{}`, `{}`, "[\n]x", `["\\",{}]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		a := &arrayRecords{in: newInput(bytes.NewReader(text), 0, 0)}
		var got []string
		bad := 0
		for {
			e, err := a.next()
			if err == nil {
				got = append(got, e.String())
				continue
			}
			if errors.Is(err, errBadRecord) {
				bad++
				continue
			}
			if err != io.EOF && err != errNoArray {
				t.Fatal(err)
			}
			break
		}
		if a.in.offset > int64(len(text)) || bad+len(got) > len(text) {
			t.Errorf("byte %d of %d after %d records", a.in.offset, len(text), bad+len(got))
		}
		var elements []json.RawMessage
		if json.Unmarshal(text, &elements) != nil {
			return
		}
		var want []string
		for _, m := range elements {
			if e, err := actor.Parse(m); err == nil {
				want = append(want, e.String())
			}
		}
		if !slices.Equal(want, got) || bad != len(elements)-len(want) {
			t.Errorf("got %q and %d bad ones, want %q and %d", got, bad, want, len(elements)-len(want))
		}
	})
}

func FuzzNumberText(f *testing.F) {
	for _, seed := range []string{"0", "-1.5e+3", "01", "1.", "-", "1e", "1E5", ".5", "1_0", "+1", "NaN"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want := json.Valid([]byte(s)) && s[0] != '{' && strings.IndexByte("-0123456789", s[0]) >= 0 && strings.TrimSpace(s) == s
		if got := isJSONNumber([]byte(s)); got != want {
			t.Errorf("isJSONNumber(%q) = %v, want %v", s, got, want)
		}
	})
}

// endless never ends and has no line ends.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	if e.read > 5<<20 {
		return 0, io.EOF
	}
	for i := range p {
		p[i] = '"'
	}
	e.read += len(p)
	return len(p), nil
}

func TestAnEndlessRecordTakesNoMemory(t *testing.T) {
	for name, read := range map[string]func(in *input) error{
		"line":    func(in *input) error { _, err := lineRecords{in}.next(); return err },
		"element": func(in *input) error { _, err := (&arrayRecords{in: in, open: true}).next(); return err },
		"row":     func(in *input) error { _, err := (&csvRows{in: in}).next(); return err },
	} {
		in := newInput(&endless{}, 0, 0)
		if err := read(in); !errors.Is(err, errBadRecord) {
			t.Errorf("%s: %v, want a bad record", name, err)
		}
		if cap(in.buf) > 4*maxRecord {
			t.Errorf("%s: holds %d bytes", name, cap(in.buf))
		}
	}
}
