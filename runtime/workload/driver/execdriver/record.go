//go:build linux

package execdriver

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// record is what a file beside an instance's directory says of its first
// process and of the platform that started it. A number alone would name
// another process some day; with start time and boot it never does.
type record struct {
	pid        int
	start      uint64 // ticks since the boot
	session    int
	boot       string
	owner      int // the platform
	ownerStart uint64
}

const recordVersion = "run1"

func (r record) String() string {
	return fmt.Sprintf("%s %d %d %d %s %d %d\n", recordVersion, r.pid, r.start, r.session, r.boot, r.owner, r.ownerStart)
}

// parseRecord reads what String printed, and nothing else.
func parseRecord(text string) (record, bool) {
	f := strings.Split(strings.TrimSuffix(text, "\n"), " ")
	if len(f) != 7 || f[0] != recordVersion {
		return record{}, false
	}
	var r record
	var errs [5]error
	r.pid, errs[0] = strconv.Atoi(f[1])
	r.start, errs[1] = strconv.ParseUint(f[2], 10, 64)
	r.session, errs[2] = strconv.Atoi(f[3])
	r.boot = f[4]
	r.owner, errs[3] = strconv.Atoi(f[5])
	r.ownerStart, errs[4] = strconv.ParseUint(f[6], 10, 64)
	if errs != [5]error{} || r.pid <= 1 || r.boot == "" || r.String() != text {
		return record{}, false
	}
	return r, true
}

// bootID names the boot of the machine, "" if the system does not say.
var bootID = sync.OnceValue(func() string {
	b, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b))
})

// self is the platform as records name it.
var self = sync.OnceValue(func() stat {
	s, _ := statOf(os.Getpid())
	return s
})

// recordName returns the name of the file that records a process of the
// instance whose directory has that name.
func recordName(dir string, pid int) string { return "." + dir + "." + strconv.Itoa(pid) + ".run" }

// parseRecordName returns the directory that a file is the record of.
func parseRecordName(name string) (dir string, ok bool) {
	rest, isRecord := strings.CutSuffix(name, ".run")
	i := strings.LastIndexByte(rest, '.')
	if !isRecord || i < 2 || rest[0] != '.' {
		return "", false
	}
	if pid, err := strconv.Atoi(rest[i+1:]); err != nil || recordName(rest[1:i], pid) != name {
		return "", false
	}
	return rest[1:i], true
}

// record writes the record of a run, beside its directory: what runs in the
// directory is not to change it, nor to find it.
func (h *handle) record() error {
	if h.run.Dir == "" || bootID() == "" {
		return nil
	}
	s, ok := statOf(h.process.pid)
	if !ok {
		return nil // without /proc there is nothing to recognise it by
	}
	r := record{pid: s.pid, start: s.start, session: s.session, boot: bootID(), owner: self().pid, ownerStart: self().start}
	dir := filepath.Clean(h.run.Dir)
	file := filepath.Join(filepath.Dir(dir), recordName(filepath.Base(dir), s.pid))
	// Whoever sweeps beside us must not see half a record.
	half := file + unfinished
	err := os.WriteFile(half, []byte(r.String()), 0o600)
	if err == nil {
		err = os.Rename(half, file)
	}
	if err != nil {
		_ = os.Remove(half)
		return err
	}
	h.file = file
	return nil
}

// unfinished ends the name of a record that is being written.
const unfinished = ".new"

func (h *handle) unrecord() {
	if h.file != "" {
		_ = os.Remove(h.file) // if it stays, Sweep finds that nothing matches it
	}
}
