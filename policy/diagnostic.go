package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/atoll-platform/atoll"
)

// Code is the stable word of a Diagnostic. Those that start with W_ are
// warnings: they never keep a document from being used.
type Code string

// The codes of diagnostics.
const (
	ErrSize     Code = "E_SIZE"     // the text, or what its conditions stand for, is too large
	ErrUTF8     Code = "E_UTF8"     // a byte that is not UTF-8
	ErrChar     Code = "E_CHAR"     // a character that no token contains
	ErrQuote    Code = "E_QUOTE"    // a quote other than "
	ErrString   Code = "E_STRING"   // a string not closed on its line, or an unknown escape
	ErrTemplate Code = "E_TEMPLATE" // a [ without identifier and ]
	ErrHeader   Code = "E_HEADER"   // a malformed header
	ErrRealm    Code = "E_REALM"    // a malformed realm
	ErrType     Code = "E_TYPE"     // a resource type that is not registered
	ErrExpect   Code = "E_EXPECT"   // something else than the grammar wants
	ErrOp       Code = "E_OP"       // not an operator
	ErrReserved Code = "E_RESERVED" // a word or character of languages with negation
	ErrEmpty    Code = "E_EMPTY"    // a rule without consequents
	ErrValue    Code = "E_VALUE"    // a value that its claim type refuses
	ErrQuota    Code = "E_QUOTA"    // an unknown quota
	ErrRegex    Code = "E_REGEX"    // a regular expression that does not compile

	WarnUnbound Code = "W_UNBOUND" // a template that the realm does not bind
	WarnPrefix  Code = "W_PREFIX"  // a prefix test that covers longer names too
	WarnPermit  Code = "W_PERMIT"  // an action that the resource type does not have
	WarnPV      Code = "W_PV"      // a table or column that does not exist
	WarnDup     Code = "W_DUP"     // the same claim twice in one rule
)

// MaxDiagnostics bounds what is reported for one document.
const MaxDiagnostics = 20

// Diagnostic is one finding about the text of a document.
type Diagnostic struct {
	Document string `json:"document"`
	Line     int    `json:"line"`   // from 1
	Column   int    `json:"column"` // from 1, in code points
	Code     Code   `json:"code"`
	Message  string `json:"message"`
}

// Warning reports whether the document can be used nevertheless.
func (d Diagnostic) Warning() bool { return strings.HasPrefix(string(d.Code), "W_") }

// String prints the diagnostic as "name.pol:line:column: code: message".
func (d Diagnostic) String() string {
	return fmt.Sprintf("%s.pol:%d:%d: %s: %s", d.Document, d.Line, d.Column, d.Code, d.Message)
}

// HasErrors reports whether any of ds is more than a warning.
func HasErrors(ds []Diagnostic) bool {
	return slices.ContainsFunc(ds, func(d Diagnostic) bool { return !d.Warning() })
}

// DiagnosticsError returns an Invalid error that lists the errors among ds as
// findings, or nil if there are only warnings.
func DiagnosticsError(op string, ds []Diagnostic) error {
	if !HasErrors(ds) {
		return nil
	}
	e := &atoll.Error{Kind: atoll.Invalid, Op: op, Msg: "the policy text is not valid"}
	for _, d := range ds {
		if !d.Warning() {
			e.Findings = append(e.Findings, atoll.Finding{
				Path: fmt.Sprintf("%s.pol:%d:%d", d.Document, d.Line, d.Column), Code: string(d.Code), Msg: d.Message})
		}
	}
	return e
}

// diagnostics collects the findings of one document, errors in preference to
// warnings once there are too many.
type diagnostics struct {
	name, text string
	list       []Diagnostic
	errors     int
}

func (ds *diagnostics) add(code Code, at Pos, format string, args ...any) {
	d := Diagnostic{Document: ds.name, Line: int(at.Line), Column: column(ds.text, at), Code: code, Message: fmt.Sprintf(format, args...)}
	if d.Warning() && len(ds.list) >= MaxDiagnostics || ds.errors >= MaxDiagnostics {
		return
	}
	if !d.Warning() {
		ds.errors++
	}
	ds.list = append(ds.list, d)
}

// full reports whether no further error would be kept.
func (ds *diagnostics) full() bool { return ds.errors >= MaxDiagnostics }

// done returns the findings in the order of the text.
func (ds *diagnostics) done() []Diagnostic {
	slices.SortStableFunc(ds.list, func(a, b Diagnostic) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	for i := len(ds.list) - 1; i >= 0 && len(ds.list) > MaxDiagnostics; i-- {
		if ds.list[i].Warning() {
			ds.list = slices.Delete(ds.list, i, i+1)
		}
	}
	return ds.list
}
