package runtime

import (
	"strings"
	"time"

	"github.com/atoll-platform/atoll/actor"
)

// Definition describes a runtime: its actors and the links between them. A
// program writes it as a literal,
//
//	runtime.Definition{
//		Name: "delays",
//		Actors: []runtime.ActorDef{
//			{Name: "in", Type: "httpbroadcast"},
//			{Name: "stats", Type: "stats", Params: runtime.Params(map[string]any{"field": "delay"}), Group: runtime.By("origin")},
//		},
//		Links: runtime.Links("in -> stats"),
//	}
//
// or reads it with ParseDefinition. One that was parsed prints back with all
// its members, known or not, in their order and with the text of its numbers;
// members that were changed since are printed anew in their place.
//
// A Definition holds what was written, right or wrong; Check tells which.
type Definition struct {
	Name         string
	Owner        string // name or id of a user; "" is the caller
	ProjectID    string // what is not a UUID names no project
	Actors       []ActorDef
	Links        []Link
	Distribution *Distribution // nil is the platform's mode

	origin actor.Value // what it was parsed from
}

// ActorDef describes one actor.
type ActorDef struct {
	Name    string
	Type    string
	Params  actor.Value // an object or an array; Missing is none
	Group   *Group      // nil is no group
	Collect []Collect
	Timeout *Timeout  // nil is none
	Copies  int       // 0 is one
	Log     *EventLog // nil is none
	State   actor.Value

	origin actor.Value
}

// Group puts one child of the actor behind each combination of the values of
// some fields. A list of one field is that field.
type Group struct {
	By []string
}

// Collect lets an actor read the state of another, or ask it to work on an event.
type Collect struct {
	Alias string
	From  string // name of the actor
	Field string // the state field to read
	Data  actor.Value
}

// TimeoutMode says what follows when a timeout elapses.
type TimeoutMode string

// The timeout modes.
const (
	Continue TimeoutMode = "continue" // it starts again
	Exit     TimeoutMode = "exit"     // the actor is removed
)

// Timeout runs the timer of an actor after Duration.
type Timeout struct {
	Duration time.Duration
	Mode     TimeoutMode
}

// EventLog says which events of an actor are kept in the event log.
type EventLog struct {
	Incoming, Outgoing bool
}

// Link carries what one actor emits to another.
type Link struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Params returns the parameters of an actor from a Go value, as encoding/json
// would write it. What cannot be written as JSON becomes a text that says so;
// Check refuses it.
func Params(v any) actor.Value {
	p, err := actor.ValueOf(v)
	if err != nil {
		return actor.String(err.Error())
	}
	return p
}

// By returns the Group of those fields.
func By(fields ...string) *Group { return &Group{By: fields} }

// Links reads links from lines such as "in -> stats", "in -> a -> b" and
// "in -> a, b". A line without an arrow, or with an empty name, becomes a link
// that Check refuses.
func Links(lines ...string) []Link {
	links := make([]Link, 0, len(lines))
	for _, line := range lines {
		stages := strings.Split(line, "->")
		if len(stages) == 1 {
			links = append(links, Link{From: strings.TrimSpace(line)})
		}
		for i := 1; i < len(stages); i++ {
			for from := range strings.SplitSeq(stages[i-1], ",") {
				for to := range strings.SplitSeq(stages[i], ",") {
					links = append(links, Link{From: strings.TrimSpace(from), To: strings.TrimSpace(to)})
				}
			}
		}
	}
	return links
}

// actorsOf returns the definitions in an array, nil for anything else.
func actorsOf(v actor.Value) []ActorDef {
	if v.Kind() != actor.ArrayKind {
		return nil
	}
	defs := make([]ActorDef, 0, v.Len())
	for e := range v.Elems() {
		defs = append(defs, actorOf(e))
	}
	return defs
}

// linksOf returns the links in an array, nil for anything else.
func linksOf(v actor.Value) []Link {
	if v.Kind() != actor.ArrayKind {
		return nil
	}
	links := make([]Link, 0, v.Len())
	for e := range v.Elems() {
		links = append(links, linkOf(e))
	}
	return links
}

func linkOf(v actor.Value) (l Link) {
	l.From, _ = v.Get("from").Str()
	l.To, _ = v.Get("to").Str()
	return l
}
