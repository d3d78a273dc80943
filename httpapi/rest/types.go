package rest

import (
	"io"
	"log/slog"

	"github.com/atoll-platform/atoll"
)

// Presence tells how a member was sent.
type Presence uint8

const (
	Absent Presence = iota // not sent
	Nulled                 // sent as null
	Given                  // sent with a value
)

func (p Presence) String() string {
	switch p {
	case Absent:
		return "absent"
	case Nulled:
		return "null"
	default:
		return "given"
	}
}

// Opt is a value that may be absent, null, or given. Every field of a partial
// update is one, so that "leave it", "clear it" and "set it" stay three things.
// In an answer an absent Opt is left out and a nulled one is written as null.
// The zero Opt is absent.
type Opt[T any] struct {
	State Presence
	Value T // the zero value unless State is Given
}

// Some returns a given Opt.
func Some[T any](v T) Opt[T] { return Opt[T]{State: Given, Value: v} }

// Cleared returns a nulled Opt.
func Cleared[T any]() Opt[T] { return Opt[T]{State: Nulled} }

// Get returns the value and whether it was given.
func (o Opt[T]) Get() (T, bool) { return o.Value, o.State == Given }

// Or returns the value if given, otherwise def.
func (o Opt[T]) Or(def T) T {
	if o.State == Given {
		return o.Value
	}
	return def
}

// Sent reports whether the caller sent anything, a value or null.
func (o Opt[T]) Sent() bool { return o.State != Absent }

// Null reports whether the caller sent null.
func (o Opt[T]) Null() bool { return o.State == Nulled }

// IsZero reports whether the Opt is absent.
func (o Opt[T]) IsZero() bool { return o.State == Absent }

// Apply sets *dst to a given value, to the zero value for null, and leaves it
// alone when absent. It reports whether anything was sent.
func (o Opt[T]) Apply(dst *T) bool {
	if o.State != Absent {
		*dst = o.Value
	}
	return o.State != Absent
}

// Secret is a text of the caller that must never be shown again: it prints,
// logs and encodes as [redacted], and no finding echoes it.
type Secret string

const redacted = "[redacted]"

func (Secret) String() string               { return redacted }
func (Secret) GoString() string             { return redacted }
func (Secret) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Reveal returns the text.
func (s Secret) Reveal() string { return string(s) }

// Raw is one JSON value as its text, byte for byte: number text, order of
// members and white space survive. What binding stores in a Raw is valid JSON
// and belongs to the receiver; what an answer holds in a Raw is checked when
// it is encoded. The empty Raw is absent and is written as null.
type Raw []byte

func (r Raw) String() string { return string(r) }

// IsNull reports whether the value is absent or null.
func (r Raw) IsNull() bool { return len(r) == 0 || string(r) == "null" }

// AppendJSON makes Raw usable where a value that writes itself is expected.
func (r Raw) AppendJSON(dst []byte) []byte {
	if len(r) == 0 {
		return append(dst, "null"...)
	}
	return append(dst, r...)
}

// Pair is one parameter of a query, in the order of the URL.
type Pair struct {
	Name, Value string
	Bare        bool // the name stood alone, without "="
}

// Self is embedded in an input whose answer renders links.
type Self struct {
	Path  string // the canonical path of this request, escaped
	Query []Pair // the query without credentials
	Base  string // scheme and authority the caller reached us by, without a path
}

// Findings collects the faults of one input. The zero value is ready; after
// the first hundred faults it only counts.
type Findings struct {
	list []atoll.Finding
	more int
}

const maxFindings = 100

// Add records one fault. Path is the name of a field, or a JSON pointer for
// something inside one; msg is a sentence that names the thing and the rule.
func (f *Findings) Add(path, code, msg string) {
	f.Append(atoll.Finding{Path: path, Code: code, Msg: msg})
}

// Append records faults that another validator found.
func (f *Findings) Append(fs ...atoll.Finding) {
	room := min(len(fs), max(0, maxFindings-len(f.list)))
	f.list = append(f.list, fs[:room]...)
	f.more += len(fs) - room
}

// Err records what err says about the input: its findings if it has any,
// otherwise its safe text under path. Nil records nothing.
func (f *Findings) Err(path string, err error) {
	if err == nil {
		return
	}
	fs, msg, code := safeText(err)
	if len(fs) > 0 {
		f.Append(fs...)
		return
	}
	f.Add(path, code, msg)
}

// Len returns the number of faults recorded.
func (f *Findings) Len() int { return len(f.list) + f.more }

// Has reports whether a fault of the named field was recorded.
func (f *Findings) Has(field string) bool {
	for i := range f.list {
		if TopField(f.list[i].Path) == field {
			return true
		}
	}
	return false
}

// Upload is a body that is read by the service itself, after it decided that
// the caller may. Reader yields at most Length bytes; it is only valid during
// the call.
type Upload struct {
	Length int64
	Reader io.Reader
}
