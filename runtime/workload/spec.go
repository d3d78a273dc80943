package workload

import (
	"time"

	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// Spec is what a workload is to be. What an interface treats in its own way is
// a value here, never a case in the code.
type Spec struct {
	driver.Template                   // a change opens a generation
	Defaults        map[string]string // variables that the image brings, below all others; as Template
	Resources       fleet.Resources   // 0 = none needed
	NetMax          int64             // bit/s that an instance may not exceed, 0 = no such limit; not reserved
	Place           Placement
	Recover         Recovery
	Rollout         Rollout
	Verify          Verify
	Stop            Stop
	Behave          Behave // fixed at creation
	Labels          map[string]string
	Tags            map[string]string
	Logs            LogSpec
	Scale           *Autoscale
	Weight          float64
	MaxCount        int // whoever scales; 0 = DefaultMaxCount
}

// Limits of every workload.
const (
	DefaultMaxCount = 10_000
	maxPorts        = 64
	maxSteps        = 16
	maxStamps       = 1000 // newest events kept of one slot
)

// Placement says where instances may be placed.
type Placement struct {
	Machine string          // id; "" = anywhere
	Hard    map[string]bool // tags that must be there, or must not
	Soft    map[string]bool // tags that count one point each
	// Overcommit makes the Resources limits alone: drivers that can hold instances
	// to them do, and machines set nothing aside.
	Overcommit bool
}

// reserves is what a machine sets aside for one instance.
func (s *Spec) reserves() fleet.Resources {
	if s.Place.Overcommit {
		return fleet.Resources{}
	}
	return s.Resources
}

// Rollout says how instances of one generation give way to those of the next.
type Rollout struct {
	Order         Order
	ForceOldAfter time.Duration // StartFirst: old ones end at last, 0 = never
	Sequential    bool          // one after the other, at creation and start too
}

// Verify says when a start counts as good.
type Verify struct {
	Ports        bool          // once every port that is not Optional accepts connections
	MinAlive     time.Duration // else, or without such a port: once it has lived this long
	Timeout      time.Duration // a start that takes longer has failed; 0 = DefaultStartTimeout
	PlaceTimeout time.Duration // so does one that finds no machine for so long; 0 = waits for ever
}

// DefaultStartTimeout bounds starts that name no bound themselves.
const DefaultStartTimeout = 120 * time.Second

// Stop says how instances are stopped.
type Stop struct {
	Grace time.Duration // between the gentle stop and the kill
	Stuck StuckPolicy
}

// Behave is how instances are kept and counted.
type Behave struct {
	Keep      Keep
	Index     Numbering
	Shrink    Shrink
	Strict    bool          // as many slots as Count while started; else Count binds at start and scale
	Revive    bool          // scaling up from nothing starts the workload
	Env       EnvStyle      // how the environment is made
	DirAfter  time.Duration // how long the directory is kept after the end, or WhileInSlot
	Retain    time.Duration // how long retired instances stay readable
	RetainMax int           // and how many of them; 0 = all
	Tombstone time.Duration // how long a deleted workload stays readable
	Runs      RunLimit
}

// WhileInSlot, as Behave.DirAfter, keeps the directory as long as the instance has its slot.
const WhileInSlot time.Duration = -1

// EnvStyle names a way to make the environment of an instance.
type EnvStyle string

// The styles. EnvBare, the variables of the spec, is always there; others fall
// back to it unless WithEnv says how they are made.
const (
	EnvBare      EnvStyle = "bare"
	EnvContainer EnvStyle = "container" // besides, what a container is told of its links and ports
)

// RunLimit bounds single runs: at most Max of a tenant at a time; others queue
// in order, for at most Queue. 0 = no bound.
type RunLimit struct {
	Max   int
	Queue time.Duration
}

// LogSpec bounds what is kept of the output. Zero values give the defaults.
type LogSpec struct {
	Lines         int  // of the workload; default 1500
	Bytes         int  // of the workload; default 8 MiB
	InstanceLines int  // of one instance; default no bound but InstanceBytes
	InstanceBytes int  // of one instance; default 64 KiB
	LineMax       int  // bytes; default 64 KiB
	CutLines      bool // the rest of a longer line is dropped; else it makes further pieces
}

// Autoscale asks for a count that follows a metric of the embedder.
type Autoscale struct {
	Min, Max int
	Metric   string
	Target   float64
	Cooldown time.Duration
}
