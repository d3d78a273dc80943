package drivertest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// census counts what a driver could leave behind. Counts that the system does
// not offer are -1.
type census struct{ goroutines, descriptors, children int }

func measure() census {
	return census{goroutines: goruntime.NumGoroutine(), descriptors: descriptors(), children: children()}
}

// assertBack waits until the counts are where they were, or lower.
func (c census) assertBack(t *testing.T) {
	t.Helper()
	var now census
	if within(patience, func() bool {
		now = measure()
		return now.goroutines <= c.goroutines && now.descriptors <= c.descriptors && now.children <= c.children
	}) {
		return
	}
	stacks := make([]byte, 1<<16)
	stacks = stacks[:goruntime.Stack(stacks, true)]
	t.Errorf("left behind: %+v, was %+v\n%s", now, c, stacks)
}

// settle makes the process open what it opens once and keeps.
var settle = sync.OnceFunc(func() {
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
			c.Close()
		}
		l.Close()
	}
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
})

func descriptors() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return -1
	}
	return len(entries)
}

// children counts the processes whose parent this one is, dead ones that
// nobody waited for included.
func children() int {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		return -1
	}
	self, n := strconv.Itoa(os.Getpid()), 0
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		if f := statFields(name); len(f) > 1 && f[1] == self {
			n++
		}
	}
	return n
}

// alive reports whether a process is there and not dead.
func alive(pid int) bool {
	f := statFields(fmt.Sprintf("/proc/%d/stat", pid))
	return len(f) > 0 && f[0] != "Z" && f[0] != "X"
}

// statFields returns the fields behind the command name: state, parent, group, …
func statFields(name string) []string {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil
	}
	_, rest, ok := strings.Cut(string(b), ") ")
	for ok && strings.Contains(rest, ") ") {
		_, rest, _ = strings.Cut(rest, ") ")
	}
	return strings.Fields(rest)
}
