package workload

import (
	"fmt"
	"slices"

	"github.com/atoll-platform/atoll"
)

// words are the names of an enumeration, by value.
type words []string

func (w words) of(v uint8, what string) string {
	if int(v) < len(w) {
		return w[v]
	}
	return fmt.Sprintf("%s %d", what, v)
}

func (w words) text(v uint8, what string) ([]byte, error) {
	if int(v) >= len(w) {
		return nil, atoll.Errorf(atoll.Invalid, "workload", "%d is no %s", v, what)
	}
	return []byte(w[v]), nil
}

func (w words) value(text []byte, what string) (uint8, error) {
	if i := slices.Index(w, string(text)); i >= 0 {
		return uint8(i), nil
	}
	return 0, atoll.Errorf(atoll.Invalid, "workload", "%.40q is no %s", text, what)
}

// Want is what somebody asked of a workload as a whole.
type Want uint8

// The wants. Errored is what the supervisor makes of a workload that flaps for too long.
const (
	Ready Want = iota
	Started
	Stopped
	Errored
)

var wantWords = words{"ready", "started", "stopped", "errored"}

func (v Want) String() string                { return wantWords.of(uint8(v), "want") }
func (v Want) MarshalText() ([]byte, error)  { return wantWords.text(uint8(v), "want") }
func (v *Want) UnmarshalText(b []byte) error { return read((*uint8)(v), wantWords, b, "want") }

func read(v *uint8, w words, b []byte, what string) error {
	n, err := w.value(b, what)
	if err == nil {
		*v = n
	}
	return err
}

// Goal is what is wanted of a slot (run or stop) or of one instance.
type Goal uint8

// The goals.
const (
	GoalRun Goal = iota
	GoalStop
	GoalDestroy
)

var goalWords = words{"run", "stop", "destroy"}

func (v Goal) String() string                { return goalWords.of(uint8(v), "goal") }
func (v Goal) MarshalText() ([]byte, error)  { return goalWords.text(uint8(v), "goal") }
func (v *Goal) UnmarshalText(b []byte) error { return read((*uint8)(v), goalWords, b, "goal") }

// State is where an instance is in its life.
type State uint8

// The states of an instance. From StateSetup to StateBackoff it is placed: it
// has a machine, capacity and ports. All but StateEnded are live.
const (
	StateNew State = iota
	StateSetup
	StateWaiting
	StateStarting
	StateAttaching
	StateRunning
	StateUpdating
	StateStopWait
	StateStopping
	StateTeardown
	StateBackoff
	StateEnded
)

var stateWords = words{"new", "setup", "waiting", "starting", "attaching", "running", "updating", "stop-wait", "stopping", "teardown", "backoff", "ended"}

func (v State) String() string                { return stateWords.of(uint8(v), "state") }
func (v State) MarshalText() ([]byte, error)  { return stateWords.text(uint8(v), "state") }
func (v *State) UnmarshalText(b []byte) error { return read((*uint8)(v), stateWords, b, "state") }

// Live reports whether an instance in this state has not ended.
func (v State) Live() bool { return v < StateEnded }

// atWork reports whether the code of an instance in this state may be running.
func (v State) atWork() bool { return v >= StateStarting && v <= StateStopping }

// Placed reports whether an instance in this state occupies a machine.
func (v State) Placed() bool { return v > StateNew && v < StateEnded }

// Action is what recovery does about the end of an instance.
type Action uint8

// The actions.
const (
	ActionNone    Action = iota
	ActionRestart        // the same record runs again
	ActionReplace        // a new record takes the slot
	ActionRemove         // the slot goes away and the count falls by one
)

var actionWords = words{"none", "restart", "replace", "remove"}

func (v Action) String() string                { return actionWords.of(uint8(v), "action") }
func (v Action) MarshalText() ([]byte, error)  { return actionWords.text(uint8(v), "action") }
func (v *Action) UnmarshalText(b []byte) error { return read((*uint8)(v), actionWords, b, "action") }

// Outcome says why an instance is not running any more.
type Outcome uint8

// The outcomes.
const (
	OutcomeNone         Outcome = iota
	OutcomeAsked                // somebody asked for it
	OutcomeClean                // it ended by itself with code 0
	OutcomeFailed               // it ended by itself otherwise, or could not start
	OutcomeLost                 // its machine is gone
	OutcomeTimeout              // it ran longer than its deadline
	OutcomeQueueTimeout         // it waited too long for its turn
	OutcomeBlocked              // it was never allowed to run
	OutcomeSuspended            // the platform ended; it goes on when that starts again
)

var outcomeWords = words{"none", "asked", "clean", "failed", "lost", "timeout", "queue-timeout", "blocked", "suspended"}

func (v Outcome) String() string                { return outcomeWords.of(uint8(v), "outcome") }
func (v Outcome) MarshalText() ([]byte, error)  { return outcomeWords.text(uint8(v), "outcome") }
func (v *Outcome) UnmarshalText(b []byte) error { return read((*uint8)(v), outcomeWords, b, "outcome") }

// WaitKind is what an instance waits for.
type WaitKind uint8

// What an instance can wait for. WaitLimit and WaitDrain are the reasons of a
// stop that nobody asked for.
const (
	WaitNone        WaitKind = iota
	WaitTurn                 // those before it in a sequence
	WaitPredecessor          // the end of the instance that it replaces
	WaitTime                 // the delay before an automatic start
	WaitRunSlot              // a place among the runs of its group
	WaitCapacity             // a machine with room; On names the first constraint that none meets
	WaitLinks                // the targets of its links
	WaitSources              // those that are linked to it, to stop first
	WaitReturn               // a function of its own that was abandoned and still runs
	WaitLimit                // its end: it ran for its deadline
	WaitDrain                // its end: the machine is drained
)

var waitWords = words{"none", "turn", "predecessor", "time", "run-slot", "capacity", "links", "sources", "return", "deadline", "drain"}

func (v WaitKind) String() string                { return waitWords.of(uint8(v), "wait") }
func (v WaitKind) MarshalText() ([]byte, error)  { return waitWords.text(uint8(v), "wait") }
func (v *WaitKind) UnmarshalText(b []byte) error { return read((*uint8)(v), waitWords, b, "wait") }

// OpKind is a kind of operation on a workload as a whole.
type OpKind uint8

// The operations, those of one update by falling rank: stop, start, rollout, scale.
const (
	OpNone OpKind = iota
	OpCreate
	OpStop
	OpStart
	OpRollout
	OpScale
	OpDelete
)

var opWords = words{"none", "create", "stop", "start", "rollout", "scale", "delete"}

func (v OpKind) String() string                { return opWords.of(uint8(v), "operation") }
func (v OpKind) MarshalText() ([]byte, error)  { return opWords.text(uint8(v), "operation") }
func (v *OpKind) UnmarshalText(b []byte) error { return read((*uint8)(v), opWords, b, "operation") }

// Order is how instances of an older generation give way to the newer.
type Order uint8

// The orders of a rollout.
const (
	StopFirst  Order = iota // the old one ends, then the new one starts
	StartFirst              // the new one runs before the old one is stopped
	Manual                  // an explicit start takes the newest generation, nothing else does
)

var orderWords = words{"stop-first", "start-first", "manual"}

func (v Order) String() string                { return orderWords.of(uint8(v), "order") }
func (v Order) MarshalText() ([]byte, error)  { return orderWords.text(uint8(v), "order") }
func (v *Order) UnmarshalText(b []byte) error { return read((*uint8)(v), orderWords, b, "order") }

// StuckPolicy is what becomes of an instance that does not end when killed.
type StuckPolicy uint8

// The policies.
const (
	Abandon StuckPolicy = iota // it counts as ended with code 137; what it holds stays held until it returns
	Hold                       // it stays in StateStopping until it returns
)

var stuckWords = words{"abandon", "hold"}

func (v StuckPolicy) String() string               { return stuckWords.of(uint8(v), "policy") }
func (v StuckPolicy) MarshalText() ([]byte, error) { return stuckWords.text(uint8(v), "policy") }
func (v *StuckPolicy) UnmarshalText(b []byte) error {
	return read((*uint8)(v), stuckWords, b, "policy")
}

// Keep is what the row of an instance stands for.
type Keep uint8

// The ways to keep instances.
const (
	KeepRecord  Keep = iota // one record, many runs
	KeepHistory             // each run is a new record
)

var keepWords = words{"record", "history"}

func (v Keep) String() string                { return keepWords.of(uint8(v), "keep") }
func (v Keep) MarshalText() ([]byte, error)  { return keepWords.text(uint8(v), "keep") }
func (v *Keep) UnmarshalText(b []byte) error { return read((*uint8)(v), keepWords, b, "keep") }

// Numbering is how new slots get their index.
type Numbering uint8

// The numberings.
const (
	Dense     Numbering = iota // the lowest that is free, from 0
	Ascending                  // one above the highest ever used
)

var numberingWords = words{"dense", "ascending"}

func (v Numbering) String() string               { return numberingWords.of(uint8(v), "numbering") }
func (v Numbering) MarshalText() ([]byte, error) { return numberingWords.text(uint8(v), "numbering") }
func (v *Numbering) UnmarshalText(b []byte) error {
	return read((*uint8)(v), numberingWords, b, "numbering")
}

// Shrink is which slots go first when the count falls.
type Shrink uint8

// The orders of shrinking.
const (
	HighestFirst Shrink = iota
	IdleFirst           // those that do not run, then the highest
)

var shrinkWords = words{"highest", "idle"}

func (v Shrink) String() string                { return shrinkWords.of(uint8(v), "order") }
func (v Shrink) MarshalText() ([]byte, error)  { return shrinkWords.text(uint8(v), "order") }
func (v *Shrink) UnmarshalText(b []byte) error { return read((*uint8)(v), shrinkWords, b, "order") }

// CauseKind is what started a single run.
type CauseKind uint8

// The kinds of cause.
const (
	CauseNone CauseKind = iota
	CauseAPI
	CauseSchedule
	CauseTrigger
	CauseEndpoint
	CauseStager
)

var causeWords = words{"none", "api", "schedule", "trigger", "endpoint", "stager"}

func (v CauseKind) String() string                { return causeWords.of(uint8(v), "cause") }
func (v CauseKind) MarshalText() ([]byte, error)  { return causeWords.text(uint8(v), "cause") }
func (v *CauseKind) UnmarshalText(b []byte) error { return read((*uint8)(v), causeWords, b, "cause") }

// Phase is how a workload as a whole was last seen, to tell when that changed.
type Phase uint8

// The phases.
const (
	PhaseNone     Phase = iota
	PhaseStarting       // nothing runs yet
	PhaseUp             // something runs and no operation is under way
	PhaseDown           // nothing is live
)

var phaseWords = words{"none", "starting", "up", "down"}

func (v Phase) String() string                { return phaseWords.of(uint8(v), "phase") }
func (v Phase) MarshalText() ([]byte, error)  { return phaseWords.text(uint8(v), "phase") }
func (v *Phase) UnmarshalText(b []byte) error { return read((*uint8)(v), phaseWords, b, "phase") }
