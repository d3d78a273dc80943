package rest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"time"
)

// The type of a row's result decides how it is answered: any other type than
// those of this file is encoded as JSON under the row's first status. A result
// with a method StatusCode picks another declared status, one with a method
// Header adds headers.

// StatusCoder is implemented by results that choose among the declared
// statuses of their row. 0 is the first one.
type StatusCoder interface{ StatusCode() int }

// Headerer is implemented by results that add headers.
type Headerer interface{ Header(h http.Header) }

// Created answers V under 201, with the path or URL of what was made. An empty
// Location sends none.
type Created[T any] struct {
	V        T
	Location string
}

// Accepted answers V under 202.
type Accepted[T any] struct {
	V        T
	Location string
}

// Null answers the JSON value null under 200.
type Null struct{}

// None answers 204 without a body.
type None struct{}

// Bytes answers raw bytes. Len is exact, or negative for unknown; a Reader
// that yields fewer bytes cuts the connection, more are dropped. If Reader is
// an io.Closer it is closed in every case. A Name makes the answer an
// attachment of that name; without one, all types but text and JSON are
// attachments.
type Bytes struct {
	Type   string
	Len    int64
	Reader io.Reader
	Name   string
}

// Redirect sends the caller elsewhere, under the row's first status.
type Redirect struct{ Location string }

// Response is an answer made by somebody else's code, such as a script: its
// status and headers are passed on but for those that belong to the
// connection or would speak for the server. Body is sent as it is.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Stream answers messages as they come, in one of the row's forms.
//
// Next blocks for the next message; io.EOF ends the stream well, any other
// error ends it abruptly. It is called from one goroutine, with a context that
// ends when the caller leaves, the server shuts down or the reader is cut off
// for being slow. Close is called exactly once, when Next will not be called
// again.
type Stream[T any] struct {
	Next  func(ctx context.Context) (T, error)
	Close func() // may be nil

	ID    func(T) string // the id of a server-sent event; may be nil
	Event func(T) string // its name; may be nil
	Valid func() bool    // asked on every message and heartbeat; false ends the stream. May be nil

	Form  StreamForms // one form the row declares; 0 lets Accept choose
	Plain any         // the one JSON value for callers that ask for no stream; nil gives them the row's first form
}

// outKind is how an Out type is written.
type outKind uint8

const (
	outValue outKind = iota
	outCreated
	outAccepted
	outNull
	outNone
	outBytes
	outStream
	outRedirect
	outResponse
)

// status is the default status of the kind.
func (k outKind) status() int {
	switch k {
	case outCreated:
		return http.StatusCreated
	case outAccepted:
		return http.StatusAccepted
	case outNone:
		return http.StatusNoContent
	case outRedirect:
		return http.StatusFound
	}
	return http.StatusOK
}

// wrapped is implemented by the results that wrap a value.
type wrapped interface {
	wraps() outKind
	inner() (v any, location string)
	innerType() reflect.Type
}

func (Created[T]) wraps() outKind             { return outCreated }
func (c Created[T]) inner() (any, string)     { return c.V, c.Location }
func (Created[T]) innerType() reflect.Type    { return reflect.TypeFor[T]() }
func (Accepted[T]) wraps() outKind            { return outAccepted }
func (a Accepted[T]) inner() (any, string)    { return a.V, a.Location }
func (Accepted[T]) innerType() reflect.Type   { return reflect.TypeFor[T]() }
func (*Stream[T]) innerType() reflect.Type    { return reflect.TypeFor[T]() }
func (s Stream[T]) pump() streamSource        { return &typedStream[T]{s: s} }
func (s Stream[T]) plain() (any, StreamForms) { return s.Plain, s.Form }

// streamer is implemented by every Stream[T].
type streamer interface {
	pump() streamSource
	plain() (any, StreamForms)
}

// streamSource is a Stream without its type parameter.
type streamSource interface {
	next(ctx context.Context) (message, error)
	valid() bool
	close()
}

// message is one message of a stream before it is encoded.
type message struct {
	v         any
	id, event string
}

type typedStream[T any] struct{ s Stream[T] }

func (t *typedStream[T]) next(ctx context.Context) (message, error) {
	v, err := t.s.Next(ctx)
	if err != nil {
		return message{}, err
	}
	m := message{v: v}
	if t.s.ID != nil {
		m.id = t.s.ID(v)
	}
	if t.s.Event != nil {
		m.event = t.s.Event(v)
	}
	return m, nil
}

func (t *typedStream[T]) valid() bool { return t.s.Valid == nil || t.s.Valid() }

func (t *typedStream[T]) close() {
	if t.s.Close != nil {
		t.s.Close()
	}
}

var (
	wrappedType  = reflect.TypeFor[wrapped]()
	streamerType = reflect.TypeFor[streamer]()
)

// outKindOf says how results of type t are written.
func outKindOf(t reflect.Type) (outKind, error) {
	switch t {
	case reflect.TypeFor[Null]():
		return outNull, nil
	case reflect.TypeFor[None]():
		return outNone, nil
	case reflect.TypeFor[Bytes]():
		return outBytes, nil
	case reflect.TypeFor[Redirect]():
		return outRedirect, nil
	case reflect.TypeFor[Response]():
		return outResponse, nil
	}
	switch {
	case t.Kind() == reflect.Chan || t.Kind() == reflect.Func:
		return 0, fmt.Errorf("a result of type %s cannot be written", t)
	case t.Implements(streamerType):
		return outStream, nil
	case t.Implements(wrappedType):
		return reflect.Zero(t).Interface().(wrapped).wraps(), nil
	}
	return outValue, nil
}

// bodyTypeOf is the type whose fields the body of an answer shows, nil if it
// has none: for documents.
func bodyTypeOf(t reflect.Type) reflect.Type {
	switch kind, err := outKindOf(t); {
	case err != nil:
		return nil
	case kind == outValue:
		return t
	case kind == outCreated || kind == outAccepted:
		return reflect.Zero(t).Interface().(wrapped).innerType()
	case kind == outStream:
		return reflect.New(t).Interface().(interface{ innerType() reflect.Type }).innerType()
	}
	return nil
}

// Beat is how often an idle stream shows that it is alive.
const Beat = 15 * time.Second
