//go:build linux

package execdriver

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// guardScript reads the groups that start and end, and kills those that are
// left when the platform is gone and its end of the pipe with it.
const guardScript = `trap '' HUP INT QUIT TERM PIPE TSTP TTIN TTOU
g=' '
while read -r l; do
	p=${l#?}
	case $l in
	+*) g="$g$p " ;;
	-*) case $g in *" $p "*) g="${g%%" $p "*} ${g#*" $p "}" ;; esac ;;
	esac
done
for p in $g; do kill -s KILL -- "-$p"; done
`

const fSetPipeSize = 1031 // F_SETPIPE_SZ

// guard is a shell in a session of its own that outlives the platform for just
// as long as it takes to kill what the platform left. A guard that cannot be
// started or was killed is replaced when the next group is added; in between the kernel's
// signal and Sweep remain.
type guard struct {
	mu     sync.Mutex
	pid    int // 0 = there is none
	pipe   int // what it reads, without blocking
	groups map[int]struct{}
}

// start starts a guard, which knows all groups at once. The caller holds g.mu.
func (g *guard) start() {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer null.Close()
	var p [2]int
	if err := syscall.Pipe2(p[:], syscall.O_CLOEXEC); err != nil {
		return
	}
	defer syscall.Close(p[0])
	pid, err := syscall.ForkExec("/bin/sh", []string{"sh", "-c", guardScript, "atoll-guard"}, &syscall.ProcAttr{
		Dir: "/", Env: []string{}, Files: []uintptr{uintptr(p[0]), null.Fd(), null.Fd()},
		Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil || syscall.SetNonblock(p[1], true) != nil {
		syscall.Close(p[1])
		return
	}
	// Room for a long list at once; a smaller pipe does as well.
	_, _, _ = syscall.Syscall(syscall.SYS_FCNTL, uintptr(p[1]), fSetPipeSize, 1<<20)
	g.pid, g.pipe = pid, p[1]
	var all strings.Builder
	for group := range g.groups {
		all.WriteString("+" + strconv.Itoa(group) + "\n")
	}
	g.write(all.String())
}

// write tells the guard something. One that does not listen is dropped: it
// would kill by an old list. The caller holds g.mu.
func (g *guard) write(text string) {
	for g.pid != 0 && text != "" {
		n, err := syscall.Write(g.pipe, []byte(text))
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			g.drop()
			return
		}
		text = text[n:]
	}
}

// drop ends the guard. The caller holds g.mu.
func (g *guard) drop() {
	if g.pid == 0 {
		return
	}
	_ = syscall.Kill(g.pid, syscall.SIGKILL) // before the pipe closes: it is to kill nobody
	syscall.Close(g.pipe)
	reap(g.pid)
	g.pid = 0
}

// reap waits for a child that has been killed.
func reap(pid int) (syscall.WaitStatus, syscall.Rusage) {
	var ws syscall.WaitStatus
	var ru syscall.Rusage
	for {
		if _, err := syscall.Wait4(pid, &ws, 0, &ru); err != syscall.EINTR {
			return ws, ru
		}
	}
}

// add tells the guard of a group.
func (g *guard) add(group int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.groups == nil {
		g.groups = map[int]struct{}{}
	}
	g.groups[group] = struct{}{}
	if g.pid == 0 {
		g.start()
		return
	}
	g.write("+" + strconv.Itoa(group) + "\n")
}

// remove tells the guard that a group is gone. Call it while the number of the
// group is still taken.
func (g *guard) remove(group int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, ok := g.groups[group]; !ok {
		return
	}
	delete(g.groups, group)
	g.write("-" + strconv.Itoa(group) + "\n")
}

func (g *guard) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.drop()
}
