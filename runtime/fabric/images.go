package fabric

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// Image is what a reference to an image stands for. Callers of the platform name
// images; only the embedding program says what they run.
type Image struct {
	Name   string // a reference; without a tag it is all tags
	Driver string // "func", "exec", …
	Func   string // what the driver runs by name, of the func driver the function
	// Entrypoint and Command are the command line, split into words as
	// driver.SplitWords does. Without Func the first word is the program.
	Entrypoint string
	Command    string
	// Entrypoints are the programs that may take the place of Entrypoint, by
	// their first word; with Func and none of them any may.
	Entrypoints []string
	// AnyEntrypoint lets callers choose any program, also by the command alone.
	AnyEntrypoint bool
	Ports         []driver.Port
	Env           map[string]string
}

// clone returns a copy that the caller may keep.
func (m *Image) clone() *Image {
	c := *m
	c.Entrypoints, c.Ports, c.Env = slices.Clone(m.Entrypoints), slices.Clone(m.Ports), maps.Clone(m.Env)
	return &c
}

// Source is a driver that knows images itself.
type Source interface {
	driver.Driver
	driver.Imager
}

// Images knows which images there are. Safe for concurrent use; an image that is
// registered later is known to the next that asks.
type Images struct {
	mu      sync.RWMutex
	byName  map[string]*Image // "path" for all tags, "path:tag" for one
	sources []Source
}

// NewImages returns Images that know none.
func NewImages() *Images { return &Images{byName: map[string]*Image{}} }

// Register makes an image known. Kinds: Invalid with every finding; Conflict
// (exists) if the name is taken.
func (im *Images) Register(m Image) error {
	const op = "fabric.Register"
	fs := m.check()
	ref, reason := parseReference(m.Name)
	if reason != "" {
		fs = append(fs, atoll.Finding{Path: "name", Code: "form", Msg: reason})
	}
	if fs != nil {
		return &atoll.Error{Kind: atoll.Invalid, Op: op, Msg: fmt.Sprintf("image %.100q cannot be registered", m.Name), Findings: fs}
	}
	key := ref.Path()
	if tagged(m.Name) {
		key = ref.String()
	}
	im.mu.Lock()
	defer im.mu.Unlock()
	if im.byName[key] != nil {
		return &atoll.Error{Kind: atoll.Conflict, Code: atoll.Exists, Op: op, Msg: fmt.Sprintf("image %s is registered already", key),
			Subject: atoll.Subject{Type: "image", ID: key}}
	}
	im.byName[key] = m.clone()
	return nil
}

// tagged reports whether a valid name says its tag.
func tagged(name string) bool {
	return strings.HasPrefix(name, addressHead) || strings.LastIndexByte(name, ':') > strings.LastIndexByte(name, '/')
}

// check returns what is wrong with an image, but for its name.
func (m *Image) check() []atoll.Finding {
	var fs []atoll.Finding
	add := func(path, code, format string, args ...any) {
		fs = append(fs, atoll.Finding{Path: path, Code: code, Msg: fmt.Sprintf(format, args...)})
	}
	if m.Driver == "" {
		add("driver", "required", "an image needs a driver")
	}
	program, f := commandLine("entrypoint", m.Entrypoint)
	if fs = append(fs, f...); len(program) == 0 && f == nil && m.Func == "" && !m.AnyEntrypoint {
		add("entrypoint", "required", "an image runs a function or a program, or lets the caller choose")
	}
	_, f = commandLine("command", m.Command)
	fs = append(fs, f...)
	for i, e := range m.Entrypoints {
		if e == "" {
			add(fmt.Sprintf("entrypoints/%d", i), "required", "a program has a name")
		}
	}
	seen := map[driver.Port]bool{}
	for i, p := range m.Ports {
		at := fmt.Sprintf("ports/%d", i)
		key := driver.Port{Number: p.Number, Proto: p.Proto}
		switch {
		case p.Number < 1 || p.Number > 65535:
			add(at, "range", "a port is from 1 to 65535, not %d", p.Number)
		case p.Proto != "tcp" && p.Proto != "udp":
			add(at, "form", "a port is tcp or udp, not %.20q", p.Proto)
		case seen[key]:
			add(at, "duplicate", "port %d %s is declared twice", p.Number, p.Proto)
		}
		seen[key] = true
	}
	return fs
}

// Ask makes the images of a driver known too: what nobody has registered is
// looked for there, by its name without the tag. A driver of functions has an
// image for each; one that runs commands lets the caller choose the program. To
// be asked are the drivers in the order of these calls.
func (im *Images) Ask(s Source) {
	im.mu.Lock()
	defer im.mu.Unlock()
	im.sources = append(im.sources, s)
}

// Resolve returns the image that a reference names: the one with its tag, else
// the one for all tags, else that of a driver. It is the caller's to change.
func (im *Images) Resolve(r Reference) (*Image, bool) {
	im.mu.RLock()
	m := im.byName[r.String()]
	if m == nil {
		m = im.byName[r.Path()]
	}
	sources := im.sources[:len(im.sources):len(im.sources)]
	im.mu.RUnlock()
	if m != nil {
		return m.clone(), true
	}
	name := r.Path()
	for _, s := range sources {
		d, err := imageOf(s, name)
		if err != nil {
			continue
		}
		can := s.Can()
		m := &Image{Name: name, Driver: s.Name(), Entrypoint: d.Entrypoint, Command: d.Command, Ports: d.Ports, Env: d.Env, AnyEntrypoint: can.Exec}
		if !can.Exec {
			m.Func = name
		}
		return m.clone(), true
	}
	return nil, false
}

// imageOf asks a driver; its panic is a failure.
func imageOf(s Source, name string) (m driver.Image, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = atoll.Errorf(atoll.Failed, "fabric.Resolve", "the driver panicked: %v", v)
		}
	}()
	return s.Image(context.Background(), name)
}

// Names returns the names that were registered, sorted.
func (im *Images) Names() []string {
	im.mu.RLock()
	defer im.mu.RUnlock()
	names := make([]string, 0, len(im.byName))
	for _, m := range im.byName {
		names = append(names, m.Name)
	}
	slices.Sort(names)
	return names
}
