// Package actor holds what actors are made of and work on: events and values,
// paths into them, templates, the contract between an actor and the engine that
// drives it, the registry of actor types, and the bus between pipelines. It
// knows no engine and no store.
//
// # Events and values
//
// An Event is one JSON object, flat and immutable: its compact text and a small
// table of its fields. Parse validates it fully, once; from then on it is shared
// by pointer and never copied. Reading a field compares a hash or two; a number
// is decoded when it is asked for and its text survives every actor that passes
// it on. With returns a changed event and leaves the old one as it is.
//
// A Value is any JSON value, a field of an event or one made in Go. Missing, the
// zero Value, is the absence of one; for actors null means the same (IsMissing).
//
// Text is bounded: MaxSize bytes, MaxDepth levels. An event that an actor builds
// beyond MaxSize is not a panic but an event whose Err says so.
//
// # Actors
//
// An Actor handles one event at a time and keeps its state in plain fields. What
// else it can do it says by the optional interfaces Stateful, Ticker, Timed,
// Async, Source, Saver and Closer. A Type tells the Registry how to check the
// parameters of a definition and how to make instances; Decode reads parameters
// into a struct and reports every finding.
//
//	r := new(actor.Registry)
//	err := r.RegisterFunc("loud", func(c actor.Context, e *actor.Event) (*actor.Event, error) {
//		return e.With(actor.Field{Name: "loud", Value: actor.Bool(true)}), nil
//	})
//
// # Memory and concurrency
//
// Events, Values, Keys, Paths and Templates are immutable and safe for
// concurrent use, and so is a Registry. Values read from an event keep that
// event's text alive. Instances of actors belong to the engine that made them.
package actor
