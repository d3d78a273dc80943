package view

import (
	"bytes"
	"encoding/json"
	"math"
	"time"
	"unicode/utf8"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// SyncanoStatus is the status of a trace: of one run of a script.
type SyncanoStatus string

// The statuses.
const (
	SyncanoPending      SyncanoStatus = "pending"
	SyncanoProcessing   SyncanoStatus = "processing"
	SyncanoSuccess      SyncanoStatus = "success"
	SyncanoFailure      SyncanoStatus = "failure"
	SyncanoTimeout      SyncanoStatus = "timeout"
	SyncanoQueueTimeout SyncanoStatus = "queue_timeout"
	SyncanoBlocked      SyncanoStatus = "blocked"
)

// SyncanoStatusOf returns the status of a run.
func SyncanoStatusOf(i *workload.Instance) SyncanoStatus {
	switch {
	case i.State == workload.StateNew && i.Goal == workload.GoalRun:
		return SyncanoPending
	case i.State.Live():
		return SyncanoProcessing
	}
	switch i.Exit.Outcome {
	case workload.OutcomeClean:
		return SyncanoSuccess
	case workload.OutcomeTimeout:
		return SyncanoTimeout
	case workload.OutcomeQueueTimeout:
		return SyncanoQueueTimeout
	case workload.OutcomeBlocked:
		return SyncanoBlocked
	}
	return SyncanoFailure
}

// SyncanoTrace is what a trace shows of a run. Its result, arguments and output
// are kept apart.
type SyncanoTrace struct {
	ID         uint64
	Status     SyncanoStatus
	ExecutedAt time.Time      // zero before the start
	Duration   *time.Duration // nil before the end, whole milliseconds
}

// GetSyncanoTrace returns a run as a trace.
func GetSyncanoTrace(i *workload.Instance) SyncanoTrace {
	t := SyncanoTrace{ID: i.Num, Status: SyncanoStatusOf(i), ExecutedAt: i.StartedAt}
	if !i.State.Live() && !i.StartedAt.IsZero() {
		d := max(0, i.Exit.At.Sub(i.StartedAt)).Truncate(time.Millisecond)
		t.Duration = &d
	}
	return t
}

// SyncanoTraces returns the runs that one cause has started, newest first.
func SyncanoTraces(s *workload.Snapshot, kind workload.CauseKind, id string) []*workload.Instance {
	var out []*workload.Instance
	for k := len(s.Instances) - 1; k >= 0; k-- {
		if i := s.Instances[k]; i.Slot == workload.Once && i.Cause.Kind == kind && i.Cause.ID == id {
			out = append(out, i)
		}
	}
	return out
}

// SyncanoSees returns which workloads are scripts of a tenant: those that run on request.
func SyncanoSees(tenant string) func(*workload.Workload) bool {
	return func(w *workload.Workload) bool {
		return w.Deleted == nil && w.Tenant == tenant && w.Spec.Behave.Runs != (workload.RunLimit{})
	}
}

// SyncanoFunction is the runtime of scripts that name a registered function.
const SyncanoFunction = "go_func"

// SyncanoScript is what a script says that is part of its workload.
type SyncanoScript struct {
	Label, Description string
	Runtime, Source    string
	Config             json.RawMessage // an object; its timeout is the longest run in seconds
}

// The limits of a script.
const (
	syncanoSourceMax  = 3 << 20
	syncanoConfigMax  = 256 << 10
	syncanoConfigKeys = 1024
	syncanoKeyMax     = 64
	syncanoTimeout    = 30 * time.Second
	syncanoTimeoutMax = 300 * time.Second
)

// SyncanoSpec returns what every script begins with: it runs on request, eight
// at a time in a tenant, and each run leaves a trace for a day.
func SyncanoSpec() workload.Spec {
	queue := 30 * time.Second
	return workload.Spec{
		Template: driver.Template{Deadline: syncanoTimeout},
		Verify:   workload.Verify{Timeout: 10 * time.Second, PlaceTimeout: queue},
		Stop:     workload.Stop{Stuck: workload.Abandon},
		Behave: workload.Behave{
			Keep: workload.KeepHistory, Env: EnvScript, Retain: 24 * time.Hour, RetainMax: 1000, Runs: workload.RunLimit{Max: 8, Queue: queue},
		},
		Logs: workload.LogSpec{InstanceBytes: 512 << 10},
	}
}

// GetSyncano returns a workload as a script.
func GetSyncano(s *workload.Snapshot) SyncanoScript { return syncanoOf(desired(s.Workload)) }

func syncanoOf(d *workload.Desired) SyncanoScript {
	v := SyncanoScript{Label: d.Title, Description: d.Text, Runtime: d.Spec.Driver, Config: d.Spec.Config}
	switch s := &d.Spec; {
	case s.Source != nil:
		v.Runtime, v.Source = s.Source.Runtime, s.Source.Text
	case s.Driver == functions:
		v.Runtime, v.Source = SyncanoFunction, s.Func
	}
	if len(v.Config) == 0 {
		v.Config = json.RawMessage("{}")
	}
	return v
}

// syncanoImageExact reports whether a script shows what is run: a function by its
// name, else its source.
func syncanoImageExact(s *workload.Spec) bool {
	if s.Image != "" || len(s.Packages) > 0 {
		return false
	}
	if s.Source != nil {
		return s.Func == "" && s.Driver != functions
	}
	return s.Driver == functions
}

func syncanoConfigExact(s *workload.Spec) bool {
	var f findings
	return f.config(s.Config) == s.Deadline && len(f) == 0
}

// New returns the workload that a script is, and everything that is wrong with it.
// driver returns what runs the source of a runtime, false if there is no such runtime.
func (v *SyncanoScript) New(fqn policy.FQN, tenant string, driver func(runtime string) (string, bool)) (workload.NewWorkload, []atoll.Finding) {
	d := workload.Desired{FQN: fqn, Spec: SyncanoSpec()}
	f := v.put(&d, driver)
	return workload.NewWorkload{
		FQN: fqn, Title: d.Title, Text: d.Text, Tenant: tenant, Home: workload.Syncano, Spec: d.Spec, Numbered: true,
	}, f
}

// PutSyncano makes a workload that was made in home what a script says. A field
// that is sent as it is shown is no change. Invalid, with findings, for what no
// script may be and for what is governed elsewhere.
func PutSyncano(home workload.Origin, d *workload.Desired, v *SyncanoScript, driver func(runtime string) (string, bool)) error {
	was := d.Spec
	is := syncanoOf(d)
	f := v.put(d, driver)
	image := "source"
	if v.Runtime != is.Runtime {
		image = "runtime_name"
	}
	f.refuse(workload.Syncano, home, &was, &d.Spec, map[part]string{partImage: image, partConfig: "config"})
	return f.err(atoll.Invalid, "the script is not valid")
}

// put writes the fields that differ from what is shown, and returns what is wrong.
func (v *SyncanoScript) put(d *workload.Desired, runs func(runtime string) (string, bool)) findings {
	var f findings
	is, s := syncanoOf(d), &d.Spec
	f.text("label", v.Label, is.Label, 64)
	f.text("description", v.Description, is.Description, 256)
	d.Title, d.Text = v.Label, v.Description
	if v.Runtime != is.Runtime || v.Source != is.Source {
		if len(v.Source) > syncanoSourceMax {
			f.add("source", "size", "source has at most 3 MiB")
		}
		if name, ok := runs(v.Runtime); !ok {
			f.add("runtime_name", "unknown", "there is no runtime %.40q", v.Runtime)
		} else if s.Driver = name; name == functions {
			s.Func, s.Source = v.Source, nil
		} else {
			s.Func, s.Source = "", &driver.SourceRef{Runtime: v.Runtime, Text: v.Source}
		}
	}
	if !sameJSON(v.Config, is.Config) {
		s.Deadline = f.config(v.Config)
		s.Config = append(json.RawMessage(nil), v.Config...)
	}
	return f
}

// text checks the length of a text; one that is there already may stay.
func (f *findings) text(path, s, is string, most int) {
	if s != is && (utf8.RuneCountInString(s) > most || !utf8.ValidString(s)) {
		f.add(path, "size", "%s has at most %d characters", path, most)
	}
}

// config checks a configuration and returns the longest run that it allows.
func (f *findings) config(c json.RawMessage) time.Duration {
	const path = "config"
	if len(c) == 0 {
		return syncanoTimeout
	}
	if len(c) > syncanoConfigMax {
		f.add(path, "size", "config has at most 256 KiB")
		return 0
	}
	var members map[string]json.RawMessage
	if b := bytes.TrimSpace(c); json.Unmarshal(b, &members) != nil || members == nil {
		f.add(path, "form", "config is an object")
		return 0
	}
	if len(members) > syncanoConfigKeys {
		f.add(path, "size", "config has at most %d keys", syncanoConfigKeys)
	}
	for k := range members {
		if utf8.RuneCountInString(k) > syncanoKeyMax {
			f.add(path, "size", "a key of config has at most %d characters", syncanoKeyMax)
			break
		}
	}
	raw, ok := members["timeout"]
	if !ok {
		return syncanoTimeout
	}
	var seconds float64
	if json.Unmarshal(raw, &seconds) != nil || bytes.Equal(raw, []byte("null")) || !(seconds > 0) || seconds > syncanoTimeoutMax.Seconds() {
		f.add(path, "range", "timeout is above 0 and at most 300 seconds")
		return 0
	}
	return max(1, time.Duration(math.Round(seconds*float64(time.Second))))
}
