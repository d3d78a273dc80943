package workload

import (
	"time"

	"github.com/atoll-platform/atoll/internal/store"
)

// TaskState is where a task is.
type TaskState uint8

// The states of a task.
const (
	TaskRunning TaskState = iota
	TaskComplete
	TaskErrored
)

var taskWords = words{"running", "complete", "errored"}

func (v TaskState) String() string                { return taskWords.of(uint8(v), "state") }
func (v TaskState) MarshalText() ([]byte, error)  { return taskWords.text(uint8(v), "state") }
func (v *TaskState) UnmarshalText(b []byte) error { return read((*uint8)(v), taskWords, b, "state") }

// Task is a long operation that can be followed.
type Task struct {
	ID        string
	Kind      string // "manifest.deploy"
	FQN       string // what it works on
	By        string // who started it
	State     TaskState
	Started   time.Time
	Completed time.Time // zero while it runs
	Events    int       // so far
}

// TaskEvent is one step of a task. Times are strictly increasing within it.
type TaskEvent struct {
	ID      string
	Task    string
	Time    time.Time
	Type    TaskEventType
	Thread  string // the strand it belongs to
	Stage   string // group of steps
	Step    TaskStep
	Tags    []string
	Payload map[string]string // "message" is always there; "error" with EventError
}

// TaskStep names a part of a task.
type TaskStep struct {
	Name  string
	Index int
	Total int
}

// TaskEventType is a kind of task event.
type TaskEventType uint8

// The types of event. EventError and EventComplete are the last of a task.
const (
	EventStarted TaskEventType = iota
	EventProgress
	EventWarning
	EventError
	EventComplete
)

var eventWords = words{"started", "progress", "warning", "error", "complete"}

func (v TaskEventType) String() string               { return eventWords.of(uint8(v), "event") }
func (v TaskEventType) MarshalText() ([]byte, error) { return eventWords.text(uint8(v), "event") }
func (v *TaskEventType) UnmarshalText(b []byte) error {
	return read((*uint8)(v), eventWords, b, "event")
}

var tasks = store.NewTable(store.Spec[Task]{
	Name: "tasks", Schema: 1,
	Key: func(t *Task) string { return t.ID },
})

// tasksByEnd orders the tasks that are over.
var tasksByEnd = store.Index(tasks, "end", func(t *Task) (store.Key, bool) {
	return store.KeyOf(t.Completed), !t.Completed.IsZero()
})

var taskEvents = store.NewTable(store.Spec[TaskEvent]{
	Name: "taskevents", Schema: 1,
	Key: func(e *TaskEvent) string { return e.ID },
})

var _ = store.Reference(taskEvents, "Task", tasks, func(e *TaskEvent) string { return e.Task }, store.Cascade)

var eventsByTime = store.Unique(taskEvents, "time", func(e *TaskEvent) (store.Key, bool) {
	return store.KeyOf(e.Task, e.Time), true
})
