package execdriver

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// Options are what New may be told. The zero Options are good.
type Options struct {
	StopTimeout time.Duration // a stop command that takes longer is killed; 0 = 10 s
	CheckEvery  time.Duration // between two looks at memory and directories; 0 = 1 s

	// Limits on each single process; 0 = none.
	CPUTime   time.Duration // processor time, in whole seconds
	FileSize  int64         // bytes of one file
	OpenFiles int64
	Processes int64 // of the same user; the system does not count those of root
}

func (o Options) withDefaults() Options {
	if o.StopTimeout <= 0 {
		o.StopTimeout = 10 * time.Second
	}
	if o.CheckEvery <= 0 {
		o.CheckEvery = time.Second
	}
	return o
}

// imagePrefix begins the names of the images that this driver has.
const imagePrefix = "exec/"

// Name returns "exec".
func (d *Driver) Name() string { return "exec" }

// Can says that command lines are run and limits are held.
func (d *Driver) Can() driver.Capabilities { return driver.Capabilities{Exec: true, Limits: true} }

// Reaches reports whether m is this machine.
func (d *Driver) Reaches(m *fleet.Machine) bool { return m.Local }

// Image returns an image without defaults for every name that begins with
// "exec/", and Reference for others: what runs is the command of the spec.
func (d *Driver) Image(_ context.Context, name string) (driver.Image, error) {
	if strings.HasPrefix(name, imagePrefix) && len(name) > len(imagePrefix) {
		return driver.Image{}, nil
	}
	return driver.Image{}, atoll.Errorf(atoll.Reference, "execdriver.Image", "no image %.100q: names of commands begin with %q", name, imagePrefix)
}

// Check wants a command for every process, of which the system can be told. It
// does not look for the command: the instance's PATH and directory are not
// known before its start.
func (d *Driver) Check(t *driver.Template) error {
	var findings []atoll.Finding
	found := func(path, code, msg string) {
		findings = append(findings, atoll.Finding{Path: path, Code: code, Msg: msg})
	}
	if len(t.Procs) == 0 {
		found("processes", "required", "a command is needed")
	}
	names := make([]string, 0, len(t.Procs))
	for name := range t.Procs {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		p := t.Procs[name]
		path := "processes/" + name
		if p.Shell == "" && (len(p.Argv) == 0 || p.Argv[0] == "") {
			found(path, "required", fmt.Sprintf("process %.100q has no command", name))
		}
		if hasNUL(append([]string{p.Shell, p.StopShell, p.Dir}, slices.Concat(p.Argv, p.StopArgv)...)) {
			found(path, "invalid", fmt.Sprintf("process %.100q has a NUL byte in a command", name))
		}
		for k, v := range p.Env {
			if k == "" || strings.ContainsAny(k, "=\x00") || strings.Contains(v, "\x00") {
				found(path+"/environment", "invalid", fmt.Sprintf("process %.100q has a variable that no environment can hold", name))
				break
			}
		}
		if !localDir(p.Dir) {
			found(path, "invalid", fmt.Sprintf("process %.100q has a directory outside of the instance's", name))
		}
	}
	if findings == nil {
		return nil
	}
	return &atoll.Error{Kind: atoll.Invalid, Op: "execdriver.Check", Msg: "the processes cannot be run", Findings: findings}
}

func hasNUL(texts []string) bool {
	return slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(s, "\x00") })
}
