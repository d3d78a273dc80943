//go:build linux

package execdriver

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of processor time in /proc: 1/100 s for every program.
const tick = time.Second / 100

// stat is what the system says of a process.
type stat struct {
	pid     int
	dead    bool // ended, and not waited for
	group   int
	session int
	cpu     time.Duration // with the children it waited for
	start   uint64        // ticks since the boot
	memory  int64         // resident bytes
}

// statOf reads the state of a process. It reports false if there is none.
func statOf(pid int) (stat, bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return stat{}, false
	}
	return parseStat(pid, b)
}

// parseStat reads a line of /proc/<pid>/stat. The name of the command may hold
// anything, so the fields count from the last parenthesis.
func parseStat(pid int, b []byte) (stat, bool) {
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return stat{}, false
	}
	f := strings.Fields(string(b[i+1:]))
	if len(f) < 22 {
		return stat{}, false
	}
	var bad bool
	number := func(i int) int64 {
		n, err := strconv.ParseInt(f[i], 10, 64)
		bad = bad || err != nil
		return n
	}
	s := stat{
		pid: pid, dead: f[0] == "Z" || f[0] == "X", group: int(number(2)), session: int(number(3)),
		cpu:   time.Duration(number(11)+number(12)+number(13)+number(14)) * tick,
		start: uint64(number(19)), memory: number(21) * int64(os.Getpagesize()),
	}
	return s, !bad
}

// processes calls f with every process there is, dead ones excepted.
func processes(f func(stat)) {
	dir, err := os.Open("/proc")
	if err != nil {
		return
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if s, ok := statOf(pid); ok && !s.dead {
			f(s)
		}
	}
}

// members returns the living processes of a group.
func members(group int) []stat {
	var all []stat
	processes(func(s stat) {
		if s.group == group {
			all = append(all, s)
		}
	})
	return all
}

// usage is what several processes use together.
type usage struct {
	cpu    time.Duration
	memory int64
}

func (u *usage) add(s stat) {
	u.cpu += s.cpu
	u.memory += s.memory
}
