package fabric

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// MainProcess is the name of the one process that a workload made from an image has.
const MainProcess = "main"

// MaxCommand is the length of the longest command line, in characters.
const MaxCommand = 4096

// commandLine splits a command line, and returns what is wrong with it.
func commandLine(path, line string) ([]string, []atoll.Finding) {
	if utf8.RuneCountInString(line) > MaxCommand {
		return nil, []atoll.Finding{{Path: path, Code: "size", Msg: fmt.Sprintf("a command has at most %d characters", MaxCommand)}}
	}
	words, err := driver.SplitWords(line)
	if e, ok := errors.AsType[*atoll.Error](err); ok {
		return nil, []atoll.Finding{{Path: path, Code: "form", Msg: e.Msg}}
	}
	return words, nil
}

// wanted is what a caller asked for of an image.
type wanted struct {
	image      Reference
	entrypoint string        // "" = the image's
	command    string        // "" = the image's
	ports      []driver.Port // nil = the image's
}

// fill sets the parts of spec that an image decides, and returns what is wrong
// with the command that was asked for. Variables and everything else of spec stay.
func (m *Image) fill(spec *workload.Spec, q *wanted) []atoll.Finding {
	argv, entrypoint, command, fs := m.argv(q)
	ports := q.ports
	if ports == nil {
		ports = m.Ports
	}
	t := &spec.Template
	t.Driver, t.Func, t.Image = m.Driver, m.Func, q.image.String()
	t.Ports = slices.Clone(ports)
	spec.Defaults = maps.Clone(m.Env)
	proc := t.Procs[MainProcess]
	proc.Shell, proc.Argv, proc.Entrypoint, proc.Command = "", argv, entrypoint, command
	t.Procs = maps.Clone(t.Procs)
	if t.Procs == nil {
		t.Procs = map[string]driver.Process{}
	}
	t.Procs[MainProcess] = proc
	return fs
}

// argv returns the words of the effective entrypoint and command, and these.
func (m *Image) argv(q *wanted) (argv []string, entrypoint, command string, fs []atoll.Finding) {
	words := func(path, asked, own string) (string, []string) {
		text := asked
		if text == "" {
			text = own
		}
		list, f := commandLine(path, text)
		fs = append(fs, f...)
		return text, list
	}
	entrypoint, first := words("entrypoint", q.entrypoint, m.Entrypoint)
	command, rest := words("command", q.command, m.Command)
	if fs == nil && !m.admits(entrypoint, first) {
		fs = append(fs, atoll.Finding{Path: "entrypoint", Code: "denied",
			Msg: fmt.Sprintf("image %s does not let callers choose %.100q as its program", q.image, entrypoint)})
	}
	return slices.Concat(first, rest), entrypoint, command, fs
}

// admits reports whether the image allows an entrypoint.
func (m *Image) admits(entrypoint string, words []string) bool {
	switch {
	case m.AnyEntrypoint || entrypoint == m.Entrypoint:
		return true
	case len(words) == 0:
		return m.Func != ""
	case m.Func != "" && m.Entrypoints == nil:
		return true
	}
	return slices.Contains(m.Entrypoints, words[0])
}
