package builtin

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// findings collects the faults of one set of parameters.
type findings struct{ list []atoll.Finding }

// add reports a fault of the parameter at path, a JSON pointer.
func (f *findings) add(path, code, format string, args ...any) {
	f.list = append(f.list, atoll.Finding{Path: path, Code: code, Msg: fmt.Sprintf(format, args...)})
}

// clean reports whether none of the parameters has a fault, nor what they are
// in, nor what is in them. A rule that relates parameters applies to clean ones only.
func (f *findings) clean(paths ...string) bool {
	for _, x := range f.list {
		for _, p := range paths {
			if x.Path == p || strings.HasPrefix(x.Path, p+"/") || strings.HasPrefix(p, x.Path+"/") {
				return false
			}
		}
	}
	return true
}

// oneOf reports a value that is none of the words allowed.
func (f *findings) oneOf(path, value string, words ...string) {
	if !f.clean(path) {
		return
	}
	for _, w := range words {
		if value == w {
			return
		}
	}
	f.add(path, "choice", "%q must be %s, not %q", name(path), choice(words), value)
}

// required reports a parameter that other parameters make necessary.
func (f *findings) required(path string, missing bool) {
	if missing && f.clean(path) {
		f.add(path, "required", "%q is required", name(path))
	}
}

// object reports a value that is there but no object.
func (f *findings) object(path string, v actor.Value) bool {
	if v.Kind() != actor.ObjectKind && f.clean(path) {
		f.add(path, "type", "%q must be an object, not %s", name(path), v.Kind())
	}
	return v.Kind() == actor.ObjectKind
}

// name is the last element of a path.
func name(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

func choice(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// escape writes a member name as an element of a JSON pointer.
func escape(name string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }

// compiler makes the Compile function of a type whose parameters are decoded
// into a P. build sees P as far as it could be decoded, checks what Decode
// cannot know, and returns the maker; it is not used when there are findings.
func compiler[P any](build func(p *P, in actor.Params, f *findings) actor.Maker) func(actor.Params) (actor.Maker, []atoll.Finding) {
	return func(in actor.Params) (actor.Maker, []atoll.Finding) {
		var p P
		f := findings{list: actor.Decode(in.Value, &p)}
		mk := build(&p, in, &f)
		if len(f.list) > 0 {
			return nil, f.list
		}
		return mk, nil
	}
}

// stateless returns the maker of an actor that all instances can share.
func stateless(a actor.Actor) actor.Maker {
	return func(*actor.Env) (actor.Actor, error) { return a, nil }
}

// failed returns a Failed error of an actor at work.
func failed(typ, format string, args ...any) error {
	return atoll.Errorf(atoll.Failed, typ, format, args...)
}

// random returns the generator of an instance: a repeatable one for a seed,
// else one of the platform.
func random(seed *int64, env *actor.Env) *rand.Rand {
	switch {
	case seed != nil:
		return rand.New(rand.NewPCG(uint64(*seed), 0))
	case env.Rand != nil:
		return env.Rand()
	}
	return rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
}

// localFile checks the path of a file inside the directory for actors.
func (f *findings) localFile(path, file string, env *actor.Env) {
	switch {
	case !f.clean(path):
	case env.Files == nil:
		f.add(path, "unavailable", "%q cannot be used: this platform gives actors no directory", name(path))
	case file == "" || file == "." || strings.ContainsRune(file, 0) || strings.HasSuffix(file, "/") || !filepath.IsLocal(filepath.FromSlash(file)):
		f.add(path, "path", "%q must be the relative path of a file inside the directory for actors, not %q", name(path), file)
	}
}

// openRegular opens a regular file inside root. Links that leave root, devices,
// pipes and directories are refused.
func openRegular(root *os.Root, typ, file string, flags int) (*os.File, error) {
	local := filepath.FromSlash(file)
	// Opening a pipe could wait for its other end, opening a device has effects.
	if info, err := root.Stat(local); err == nil && !info.Mode().IsRegular() {
		return nil, failed(typ, "%s is not a regular file", file)
	}
	f, err := root.OpenFile(local, flags|nonblock, 0o644)
	if err != nil {
		return nil, openError(typ, file, err)
	}
	// What was looked at may not be what was opened.
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, failed(typ, "%s is not a regular file", file)
	}
	return f, nil
}

// openError tells why a file could not be opened without the names of
// directories outside of the one for actors.
func openError(typ, file string, err error) error {
	why := "it cannot be opened"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		why = "it does not exist"
	case errors.Is(err, fs.ErrPermission):
		why = "permission denied"
	}
	if pe, ok := errors.AsType[*fs.PathError](err); ok && strings.Contains(pe.Err.Error(), "escapes") {
		why = "it is outside of the directory for actors"
	}
	return &atoll.Error{Kind: atoll.Failed, Op: typ, Msg: fmt.Sprintf("file %s: %s", file, why), Err: err}
}
