//go:build linux

package execdriver

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/atoll-platform/atoll"
)

// Swept is what Sweep found and ended.
type Swept struct {
	Groups      []int    // process groups that were killed
	Directories []string // names of directories that were dropped
}

// Sweep cleans up after a platform that did not get to it. root is the
// directory in which the instances' directories lie. Groups that are on record
// there and still alive are killed, and waited for, if process number, start
// time and boot are those of the record; groups whose platform is alive are
// left alone, and so are their directories. Directories for which keep returns
// false are dropped, all if keep is nil. A root that is not there is an empty
// one. Errors are Failed, and joined; Sweep goes on behind each.
func Sweep(ctx context.Context, root string, keep func(name string) bool) (Swept, error) {
	const op = "execdriver.Sweep"
	var swept Swept
	r, err := os.OpenRoot(root)
	if errors.Is(err, fs.ErrNotExist) {
		return swept, nil
	}
	if err != nil {
		return swept, atoll.Errorf(atoll.Failed, op, "the directory cannot be opened: %w", err)
	}
	defer r.Close()
	entries, err := fs.ReadDir(r.FS(), ".")
	if err != nil {
		return swept, atoll.Errorf(atoll.Failed, op, "the directory cannot be read: %w", err)
	}
	var errs []error
	used := map[string]bool{} // directories in which something may run
	for _, e := range entries {
		if half, ok := strings.CutSuffix(e.Name(), unfinished); ok && abandoned(e) {
			if _, ok := parseRecordName(half); ok {
				_ = r.Remove(e.Name())
			}
		}
		dir, ok := parseRecordName(e.Name())
		if !ok || !e.Type().IsRegular() || ctx.Err() != nil {
			continue
		}
		rec, ok := readRecord(r, e.Name())
		switch {
		case ok && rec.owned():
			used[dir] = true
			continue
		case ok && rec.alive():
			_ = syscall.Kill(-rec.pid, syscall.SIGKILL)
			if !groupGone(rec.pid) {
				used[dir] = true
				errs = append(errs, atoll.Errorf(atoll.Failed, op, "process group %d cannot be killed", rec.pid))
				continue
			}
			swept.Groups = append(swept.Groups, rec.pid)
		}
		if err := r.Remove(e.Name()); err != nil {
			errs = append(errs, atoll.Errorf(atoll.Failed, op, "a record cannot be removed: %w", err))
		}
	}
	for _, e := range entries {
		if !e.IsDir() || used[e.Name()] || (keep != nil && keep(e.Name())) || ctx.Err() != nil {
			continue
		}
		if err := r.RemoveAll(e.Name()); err != nil {
			errs = append(errs, atoll.Errorf(atoll.Failed, op, "directory %.100q cannot be dropped: %w", e.Name(), err))
			continue
		}
		swept.Directories = append(swept.Directories, e.Name())
	}
	slices.Sort(swept.Groups)
	if err := ctx.Err(); err != nil {
		errs = append(errs, atoll.Wrap(op, err))
	}
	return swept, errors.Join(errs...)
}

// Sweep is the function Sweep, in the form in which a platform asks it of the
// drivers that it has been given: what was found is not told.
func (d *Driver) Sweep(ctx context.Context, root string, keep func(name string) bool) error {
	_, err := Sweep(ctx, root, keep)
	return err
}

// abandoned reports whether nobody is writing a file any more.
func abandoned(e fs.DirEntry) bool {
	info, err := e.Info()
	return err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > time.Minute
}

// readRecord reads a file that may be anything.
func readRecord(r *os.Root, name string) (record, bool) {
	f, err := r.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return record{}, false
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 1024))
	if err != nil {
		return record{}, false
	}
	return parseRecord(string(b))
}

// owned reports whether the platform that started the process is alive.
func (r record) owned() bool {
	s, ok := statOf(r.owner)
	return r.boot == bootID() && ok && !s.dead && s.start == r.ownerStart
}

// alive reports whether something of the group is alive. If its first process
// is gone, the number may have been given to another group since; then all
// members must be younger than the record and of its session.
func (r record) alive() bool {
	if r.boot != bootID() {
		return false
	}
	if s, ok := statOf(r.pid); ok && !s.dead {
		return s.start == r.start && s.group == r.pid
	}
	all := members(r.pid)
	for _, m := range all {
		if m.session != r.session || m.start < r.start {
			return false
		}
	}
	return len(all) > 0
}
