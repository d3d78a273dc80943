package workload

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/atoll-platform/atoll"
)

// findings collects what is wrong with an input.
type findings []atoll.Finding

func (f *findings) add(path, code, format string, args ...any) {
	*f = append(*f, atoll.Finding{Path: path, Code: code, Msg: fmt.Sprintf(format, args...)})
}

func (f *findings) duration(path string, d, most time.Duration) {
	if d < 0 || d > most {
		f.add(path, "range", "%s is from 0 to %v", path, most)
	}
}

func (f *findings) variables(path string, vars map[string]string) {
	if len(vars) > 1000 {
		f.add(path, "size", "there are at most 1000 variables")
	}
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.ContainsRune(vars[name], 0) || !utf8.ValidString(name+vars[name]) {
			f.add(path+"/"+name, "form", "variable %q: a name is not empty and has no =, and neither name nor value has a zero byte", name)
		}
	}
}

// day and year bound durations.
const (
	day  = 24 * time.Hour
	year = 366 * day
)

// Check returns everything that is wrong with the spec of a workload of count
// instances. It asks no driver.
func (s *Spec) Check(count int) []atoll.Finding {
	var f findings
	if s.Driver == "" {
		f.add("driver", "required", "a workload needs a driver")
	}
	limit := s.MaxCount
	if limit < 0 || limit > DefaultMaxCount {
		f.add("maxCount", "range", "maxCount is from 1 to %d", DefaultMaxCount)
	}
	if limit == 0 {
		limit = DefaultMaxCount
	}
	if count < 0 || count > limit {
		f.add("count", "range", "count is from 0 to %d", limit)
	}
	s.checkTemplate(&f)
	r := s.Resources
	if r.CPU < 0 || r.Memory < 0 || r.Disk < 0 || r.Net < 0 || s.NetMax < 0 {
		f.add("resources", "range", "resources are not negative")
	}
	s.Recover.check(&f)
	f.duration("rollout/forceOldAfter", s.Rollout.ForceOldAfter, year)
	f.duration("verify/minAlive", s.Verify.MinAlive, day)
	f.duration("verify/timeout", s.Verify.Timeout, day)
	f.duration("verify/placeTimeout", s.Verify.PlaceTimeout, year)
	f.duration("stop/grace", s.Stop.Grace, day)
	f.duration("deadline", s.Deadline, year)
	f.duration("behave/retain", s.Behave.Retain, year)
	f.duration("behave/tombstone", s.Behave.Tombstone, year)
	if s.Behave.DirAfter != WhileInSlot {
		f.duration("behave/dirAfter", s.Behave.DirAfter, year)
	}
	f.duration("behave/runs/queue", s.Behave.Runs.Queue, day)
	if s.Behave.RetainMax < 0 || s.Behave.Runs.Max < 0 {
		f.add("behave", "range", "limits are not negative")
	}
	l := s.Logs
	if l.Lines < 0 || l.Bytes < 0 || l.InstanceLines < 0 || l.InstanceBytes < 0 || l.LineMax < 0 ||
		l.Lines > 1_000_000 || l.Bytes > 1<<28 || l.InstanceLines > 1_000_000 || l.InstanceBytes > 1<<26 || l.LineMax > 1<<20 {
		f.add("logs", "range", "a log has at most 1,000,000 lines and 256 MiB, that of an instance 64 MiB, a line 1 MiB")
	}
	if math.IsNaN(s.Weight) || math.IsInf(s.Weight, 0) || s.Weight < 0 {
		f.add("weight", "range", "weight is not negative")
	}
	if a := s.Scale; a != nil && (a.Min < 0 || a.Max < a.Min || a.Max > limit || !(a.Target > 0) || a.Cooldown < 0) {
		f.add("scale", "range", "scaling goes from min to max, within the limit of the count, by a target above 0")
	}
	return f
}

func (s *Spec) checkTemplate(f *findings) {
	if len(s.Ports) > maxPorts {
		f.add("ports", "size", "there are at most %d ports", maxPorts)
	}
	seen := map[string]bool{}
	for k, p := range s.Ports {
		at := fmt.Sprintf("ports/%d", k)
		if p.Number < 1 || p.Number > 65535 {
			f.add(at, "range", "a port is from 1 to 65535, not %d", p.Number)
		}
		if p.Proto != "tcp" && p.Proto != "udp" {
			f.add(at, "form", "a port is tcp or udp, not %.20q", p.Proto)
		}
		key := fmt.Sprint(p.Number, p.Proto)
		if seen[key] {
			f.add(at, "duplicate", "port %d %s is declared twice", p.Number, p.Proto)
		}
		seen[key] = true
	}
	if len(s.Procs) > 16 {
		f.add("procs", "size", "there are at most 16 processes")
	}
	for _, name := range slices.Sorted(maps.Keys(s.Procs)) {
		f.variables("procs/"+name+"/env", s.Procs[name].Env)
	}
	f.variables("defaults", s.Defaults)
}

func (r *Recovery) check(f *findings) {
	if len(r.Steps) > maxSteps {
		f.add("recover/steps", "size", "there are at most %d steps", maxSteps)
	}
	for k, st := range r.Steps {
		at := fmt.Sprintf("recover/steps/%d", k)
		if st.Do < ActionRestart || st.Do > ActionRemove {
			f.add(at, "form", "a step restarts, replaces or removes")
		}
		if st.Max < -1 || st.Max > 1_000_000 || st.Window > 0 && st.Max > maxStamps {
			f.add(at, "range", "max is from -1 to 1,000,000, within a window at most %d", maxStamps)
		}
		if st.Max < 0 && st.Do != ActionRemove && (st.Delay.Top <= 0 || st.Delay.First <= 0) {
			f.add(at, "endless", "starts without limit need a delay")
		}
		f.duration(at+"/window", st.Window, year)
		f.duration(at+"/delay/first", st.Delay.First, day)
		f.duration(at+"/delay/top", st.Delay.Top, day)
		f.duration(at+"/delay/resetAfter", st.Delay.ResetAfter, year)
	}
	fl := r.Flap
	if fl.Min < 0 || fl.Min > maxStamps || !(fl.Share >= 0 && fl.Share <= 1) {
		f.add("recover/flap", "range", "min is from 0 to %d and share from 0 to 1", maxStamps)
	}
	f.duration("recover/flap/window", fl.Window, year)
	f.duration("recover/flap/errored", fl.Errored, year)
}

// checkSpec returns the findings about a spec as one error, and asks its driver.
func (s *Service) checkSpec(spec *Spec, count int) error {
	if f := spec.Check(count); len(f) > 0 {
		return &atoll.Error{Kind: atoll.Invalid, Msg: "the workload is not valid", Findings: f}
	}
	return s.checkDriver(spec)
}

func (s *Service) checkDriver(spec *Spec) error {
	d, ok := s.drivers[spec.Driver]
	if !ok {
		return &atoll.Error{Kind: atoll.Reference, Msg: fmt.Sprintf("there is no driver %.40q", spec.Driver), Subject: atoll.Subject{Type: "driver", ID: spec.Driver},
			Findings: []atoll.Finding{{Path: "driver", Code: "unknown", Msg: fmt.Sprintf("there is no driver %.40q", spec.Driver)}}}
	}
	return guardPanic(func() error { return d.Check(&spec.Template) })
}

// guardPanic runs code of a driver; its panic is that call's failure.
func guardPanic(fn func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = atoll.Errorf(atoll.Failed, "workload", "the driver panicked: %v", v)
		}
	}()
	return fn()
}
