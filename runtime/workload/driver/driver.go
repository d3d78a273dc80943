package driver

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/runtime/fleet"
)

// Driver runs instances of one sort. It is safe for concurrent use.
type Driver interface {
	// Name is how specs refer to the driver: "func", "exec".
	Name() string
	// Can says what the driver is able to do.
	Can() Capabilities
	// Check returns what is wrong with a template, as an Invalid or Reference
	// error with findings. It is pure and quick.
	Check(t *Template) error
	// Reaches reports whether the driver can run something on machine m.
	Reaches(m *fleet.Machine) bool
	// Start starts one instance. It returns when the instance has started, a
	// *StartError when it could not be; ctx bounds the start alone.
	Start(ctx context.Context, r *Run) (Handle, error)
}

// Capabilities are what a driver is able to do.
type Capabilities struct {
	Exec     bool // runs command lines
	Limits   bool // holds instances to their Limits
	Network  bool // gives instances an address of their own
	Snapshot bool // implements Snapshotter
	Update   bool // implements Updater
	Adopt    bool // implements Adopter
	RunOnce  bool // takes Args and gives a Result
}

// Handle is one started instance.
type Handle interface {
	// Done is closed exactly once, when the instance has ended and nothing of it is left.
	Done() <-chan struct{}
	// Exit says how it ended. It is valid once Done is closed.
	Exit() Exit
	// Stop asks the instance to end. It does not wait for the end.
	Stop(ctx context.Context) error
	// Kill ends the instance, as far as the driver can. It does not wait for the end.
	Kill() error
	// Stats measures now; after the end it returns the last values, and no process.
	Stats(ctx context.Context) (Stats, error)
}

// Template is the part of a spec that instances are made from.
type Template struct {
	Driver   string
	Image    string // as the user named it
	Func     string // of funcdriver: the registered name
	Source   *SourceRef
	Packages []PackageRef
	Ports    []Port
	Procs    map[string]Process // by name; most workloads have one, "main"
	Config   json.RawMessage
	Deadline time.Duration // longest run, 0 = none
}

// SourceRef is source text that an instance runs.
type SourceRef struct {
	Runtime string // "python", as the dialect names it
	Text    string
}

// PackageRef is a package that must be in place before the start.
type PackageRef struct {
	FQN  string
	UUID string
}

// Port is a port that an instance listens on.
type Port struct {
	Number   int
	Proto    string // "tcp" or "udp"
	Optional bool   // no need to listen before the instance counts as running
}

// Bound is a port as one instance got it.
type Bound struct {
	Port
	Host  string // address on which the instance listens
	Outer int    // the number there
}

// Process is one command of a template.
type Process struct {
	Shell      string   // a command line for a shell, only where the contract of the API asks for one
	Argv       []string // else the command and its arguments
	Entrypoint string   // the first part of Argv as people wrote it; drivers need not look
	Command    string   // and the rest
	StopShell  string   // run to end it gently, "" = the driver's own way
	StopArgv   []string
	Env        map[string]string
	Dir        string // below the instance's directory
	User       string
	Group      string
}

// Run is what a driver gets to start one instance.
type Run struct {
	Instance string // id
	Workload string // id
	Attempt  int    // starts of this instance so far, from 1
	Slot     int    // -1 = run once
	Template *Template
	Name     string // of the process in Template.Procs
	Proc     Process
	Env      []string // the whole environment, "NAME=value"
	Dir      string   // private directory, "" = the workload has none
	Ports    []Bound
	Limits   fleet.Resources // 0 = no limit
	Stdout   io.Writer
	Stderr   io.Writer
	Config   json.RawMessage
	Args     json.RawMessage
	// Result takes the result of a run once: one, before Done, at most MaxResult bytes.
	Result func(json.RawMessage) error
	// Metric publishes a number of the instance under a name.
	Metric func(name string, value float64)
}

// MaxResult is the size of the largest result of a run, in bytes.
const MaxResult = 512 << 10

// Exit says how an instance ended.
type Exit struct {
	Code   int       // 0 is success; 128+n for signal n
	Signal string    // "SIGKILL"; "" if none
	Reason string    // one line for people, "" if the code says it all
	At     time.Time // when
}

// The codes of failures that drivers share.
const (
	CodeError         = 1   // the code of the workload returned an error
	CodePanic         = 2   // it panicked
	CodeNotExecutable = 126 // found, but cannot be run
	CodeNotFound      = 127
	CodeKilled        = 137
)

// StartError says that an instance could not be started.
type StartError struct {
	Code   int // CodeNotExecutable, CodeNotFound, CodePanic or CodeError
	Reason string
	Err    error
}

func (e *StartError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %v", e.Reason, e.Err)
	}
	return e.Reason
}

// Unwrap returns the cause.
func (e *StartError) Unwrap() error { return e.Err }

// Is reports a failed start as the kind Failed.
func (e *StartError) Is(target error) bool { return target == atoll.Failed }

// Stats is what an instance uses.
type Stats struct {
	PID     int           // of the first process while there is one; 0 = none
	CPU     time.Duration // processor time so far
	Memory  int64         // bytes
	Metrics map[string]float64
}

// Imager is a Driver that resolves images.
type Imager interface {
	// Image returns what the image of that name gives a template that leaves it out.
	Image(ctx context.Context, name string) (Image, error)
}

// Image is the defaults of an image.
type Image struct {
	Entrypoint string
	Command    string
	Ports      []Port
	Env        map[string]string
}

// Updater is a Driver whose instances take a new configuration while they run.
type Updater interface {
	Update(ctx context.Context, h Handle, r *Run) error
}

// Snapshotter is a Driver that can pack the directory of a running instance.
type Snapshotter interface {
	Snapshot(ctx context.Context, h Handle, w io.Writer) error
}

// Adopter is a Driver whose instances outlive the process of the platform.
type Adopter interface {
	Adopt(ctx context.Context) ([]Adopted, error)
}

// Adopted is an instance that was found running.
type Adopted struct {
	Instance string
	Attempt  int
	Handle   Handle
}
