package atoll

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind is the class of a failure. The set is closed: every public method
// documents which of these it returns, and every API maps each of them to one
// answer. Finer cases are told apart by Error.Code, never by text.
//
// A Kind is itself an error, so errors.Is(err, atoll.NotFound) asks whether
// err is a failure of that kind.
type Kind uint8

const (
	_               Kind = iota // no error
	Internal                    // a defect of ours: logged, its text never shown to a caller
	Invalid                     // the request can never succeed as it stands
	Reference                   // the request names something that does not exist
	Unprocessable               // well formed, but the receiver cannot work on it (an event an actor refuses)
	NotFound                    // it does not exist, or is hidden from this caller
	Conflict                    // it exists already, changed under the caller, or is still in use
	FailedState                 // the thing is not in a state that allows the operation
	Quota                       // a limit of the tenant, account or policy is reached
	Denied                      // the caller is known and may not do this
	Unauthenticated             // the caller is not known
	TooLarge                    // larger than the limit for its kind
	Overloaded                  // a bounded queue is full: the same call may succeed a moment later
	Unavailable                 // not started, shutting down or shut down
	Timeout                     // no answer in time
	Failed                      // code of the embedder or of the outside world failed; its text may be shown
	Canceled                    // the caller gave up
	kindEnd
)

var kindNames = [...]string{
	"no error", "internal", "invalid", "reference", "unprocessable", "not found", "conflict", "failed state",
	"quota", "denied", "unauthenticated", "too large", "overloaded", "unavailable", "timeout", "failed", "canceled",
}

// Kinds returns every kind there is, in order.
func Kinds() []Kind {
	ks := make([]Kind, 0, kindEnd-1)
	for k := Internal; k < kindEnd; k++ {
		ks = append(ks, k)
	}
	return ks
}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Error makes a Kind usable as the target of errors.Is.
func (k Kind) Error() string { return k.String() }

// Code is a finer case within a Kind.
type Code string

// The codes that more than one package uses.
const (
	Exists          Code = "exists"           // Conflict: a unique value is taken
	Stale           Code = "stale"            // Conflict: the version sent is not the current one
	InUse           Code = "in_use"           // Conflict: something still refers to it
	RequiresRestart Code = "requires_restart" // FailedState: cannot change while it runs
	NotOwner        Code = "not_owner"        // Denied: the named owner is not the caller
)

// Subject names what a failure is about.
type Subject struct {
	Type string // "runtime", "user"
	ID   string // as the caller wrote it
}

// Finding is one fault of an input. Validation reports all findings, not the first.
type Finding struct {
	Path string // JSON pointer or field name; "" is the whole input
	Code string // stable word for programs
	Msg  string // one sentence that names the thing and the rule
}

// Error is the only error type that crosses a public method. Msg and the
// texts of Findings are safe for the caller to read; Err, the cause, is for
// logs and errors.Is alone.
type Error struct {
	Kind       Kind
	Code       Code
	Op         string // "runtime.Start"
	Msg        string
	Subject    Subject
	Findings   []Finding
	Details    map[string]any // further facts for the answer, by documented name
	RetryAfter time.Duration  // with Overloaded and Unavailable; 0 is unknown
	Err        error
}

// Errorf returns an *Error of the given kind whose Msg is formatted from
// format and args. A %w verb in format sets the cause as fmt.Errorf does.
func Errorf(kind Kind, op, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Op: op, Msg: err.Error(), Err: errors.Unwrap(err)}
}

// Wrap returns err with the operation put in front, keeping its kind, and nil
// for nil. An error that is not ours becomes Internal, or Canceled and Timeout
// for the two errors of a context.
func Wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		c := *e
		if c.Op == "" {
			c.Op = op
		} else if c.Op != op {
			c.Op = op + ": " + c.Op
		}
		return &c
	}
	e := &Error{Kind: KindOf(err), Op: op, Err: err}
	switch e.Kind {
	case Canceled:
		e.Msg = "the caller gave up"
	case Timeout:
		e.Msg = "no answer in time"
	}
	return e
}

// Error prints operation, message, findings and cause, for logs.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Op != "" {
		b.WriteString(e.Op)
		b.WriteString(": ")
	}
	switch {
	case e.Msg != "":
		b.WriteString(e.Msg)
	case e.Err == nil && len(e.Findings) == 0:
		b.WriteString(e.Kind.String())
	}
	for i, f := range e.Findings {
		if i > 0 || e.Msg != "" {
			b.WriteString("; ")
		}
		if f.Path != "" {
			b.WriteString(f.Path)
			b.WriteString(": ")
		}
		b.WriteString(f.Msg)
	}
	if e.Err != nil && !strings.Contains(e.Msg, e.Err.Error()) {
		if e.Msg != "" || len(e.Findings) > 0 {
			b.WriteString(": ")
		}
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is the kind of e.
func (e *Error) Is(target error) bool {
	k, ok := target.(Kind)
	return ok && k == e.Kind
}

// KindOf returns the kind of err: 0 for nil, Canceled and Timeout for the
// errors of a context, Internal for errors that are not ours.
func KindOf(err error) Kind {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return max(e.Kind, Internal)
	}
	if k, ok := errors.AsType[Kind](err); ok {
		return max(k, Internal)
	}
	switch {
	case errors.Is(err, context.Canceled):
		return Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return Timeout
	}
	return Internal
}

// CodeOf returns the code of err, "" if it has none.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}
