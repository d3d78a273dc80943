package workload

import (
	"encoding/json"
	"time"

	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// Origin is where a workload was made. It decides whose view of it is exact.
type Origin string

// The origins.
const (
	Go       Origin = "go"
	Apcera   Origin = "apcera"
	Tutum    Origin = "tutum"
	CxEngage Origin = "cxengage"
	Syncano  Origin = "syncano"
)

// Workload is a thing that is kept running, or run when asked for. Version
// counts changes of this row and of nothing else.
type Workload struct {
	store.Meta
	FQN     string // address; free again once Deleted is set
	Seq     uint64 // number in the platform, never reused
	Num     uint64 // number in the tenant; 0 = has none
	Title   string // as people call it
	Text    string // description
	Tenant  string // who it counts for
	Realm   string // the instance it belongs to, "" is the tenant's
	Home    Origin
	Spec    Spec
	Gen     uint64 // generation; one more with each replacing change and each redeploy
	State   Want
	Count   int        // wanted number of instances
	Deleted *time.Time // set: this row is kept for readers alone
}

// Address returns the FQN of the workload.
func (w *Workload) Address() policy.FQN {
	f, _ := policy.ParseFQN(w.FQN)
	return f
}

// Generation is the Spec that a workload had before its Gen went up, kept while
// an instance refers to it.
type Generation struct {
	Workload string
	Gen      uint64
	Spec     Spec
	Until    time.Time // when the next generation came
}

// Slot is one place to fill: a workload of which N instances are wanted has N.
type Slot struct {
	Workload  string
	Index     int
	Goal      Goal   // run or stop
	Gen       uint64 // wanted generation
	Epoch     uint64 // one more with each explicit start and replacing change
	Attempts  int    // automatic starts since Epoch
	Streak    int    // automatic starts in a row
	Spent     bool   // recovery has given up
	NotBefore time.Time
	Restarts  []time.Time // the newest automatic restarts
	Replaces  []time.Time // the newest automatic replacements
}

// Instance is one copy of a workload, in a slot or run once. With KeepRecord it
// is one record of many runs, else each run has its own.
type Instance struct {
	store.Meta
	Seq         uint64 // number in the platform, never reused
	Num         uint64 // number in the tenant, of single runs
	Workload    string
	Slot        int    // Once = none
	Gen         uint64 // generation that it runs
	SpecVersion uint64 // Version of the workload that it has taken over
	Run         int    // starts begun
	Up          bool   // reached StateRunning in this run
	Goal        Goal
	State       State
	Next        Action // decided when it ended
	Wait        Wait
	Machine     string // "" before it is first placed
	Reserved    fleet.Resources
	Ports       []driver.Bound
	Env         map[string]store.Sealed
	EnvMade     bool   // Env is whole, and stays while Gen and Ports do
	Group       string // single runs of one group share its limit
	Exit        Exit   // of the last run that ended
	Swept       bool   // its directory was dropped since

	PlacedAt, StartedAt, RunningAt, FirstRunningAt time.Time

	Retired *time.Time // left its slot for good
	Cause   Cause
	OpSeq   uint64 // the operation it has still to answer, 0 = none
}

// Once is the Slot of an instance that is run once.
const Once = -1

// Wait says what an instance waits for.
type Wait struct {
	Kind  WaitKind
	On    string    // what exactly, for people
	Until time.Time // when it gives up; zero = never
}

// Exit is how the last run of an instance ended.
type Exit struct {
	driver.Exit
	Outcome Outcome
	Ran     bool // it had been running, or ended with 0
	Forced  bool // it was killed
	Stuck   bool // it did not even end when killed, and still runs
}

// Cause says why a single run was started.
type Cause struct {
	Kind  CauseKind
	ID    string
	Depth int // causes before this one
}

// Op is an operation on a workload as a whole.
type Op struct {
	Kind OpKind
	Seq  uint64 // from 1, per workload
	At   time.Time
	By   string
}

// Status is what the supervisor keeps of a workload beside its slots.
type Status struct {
	Workload  string
	Op        Op // the last one accepted
	NextIndex int
	Phase     Phase
	FlapSince time.Time // begin of the present period of flapping
	FlapFalse time.Time // since when it does not flap, within the period

	// When a deployment was last complete, and when the workload last became up,
	// became down and was gone.
	Deployed, Started, Stopped, Destroyed time.Time
}

// RunResult is what a single run was given and what it left: at most 512 KiB.
type RunResult struct {
	Instance string
	Args     json.RawMessage
	Result   json.RawMessage
	Stdout   []byte
	Stderr   []byte
}

// portRow says that a port of a machine is taken.
type portRow struct {
	Machine  string
	Number   int
	Instance string
}

// numberRow leads from the number of an instance to its id.
type numberRow struct {
	Seq      uint64
	Instance string
}
