//go:build linux

package execdriver

import (
	goruntime "runtime"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// The limits that are set on processes.
const (
	limitCPU       = syscall.RLIMIT_CPU
	limitFileSize  = syscall.RLIMIT_FSIZE
	limitData      = syscall.RLIMIT_DATA
	limitOpenFiles = syscall.RLIMIT_NOFILE
)

// limitProcesses is not in package syscall, and differs on one family.
var limitProcesses = func() int {
	if strings.HasPrefix(goruntime.GOARCH, "mips") {
		return 8
	}
	return 6
}()

// limit is a bound on one resource of a process.
type limit struct {
	resource int
	max      uint64
}

// setLimits sets the limits of a process, soft and hard. One that is above
// what the platform itself may have stays as it is.
func setLimits(pid int, limits []limit) {
	for _, l := range limits {
		value := struct{ cur, max uint64 }{l.max, l.max}
		_, _, _ = syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), uintptr(l.resource), uintptr(unsafe.Pointer(&value)), 0, 0, 0)
	}
}

// Whom waitid waits for.
const (
	idPID   = 1
	idPidFD = 3
)

// waitid waits for a child without a need to know what became of it. It
// returns EAGAIN where WNOHANG finds it running.
func waitid(kind, id, options int) error {
	for {
		var info [128]byte // siginfo_t; its first word is 0 where nothing is reported
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, uintptr(kind), uintptr(id), uintptr(unsafe.Pointer(&info)), uintptr(options), 0, 0)
		switch {
		case errno == syscall.EINTR:
			continue
		case errno != 0:
			return errno
		case info == [128]byte{}:
			return syscall.EAGAIN
		}
		return nil
	}
}

// awaitEnd blocks until the process has ended, and leaves it to be waited for,
// so that its number stays taken. It needs no thread while it waits. A
// deadline that passed is its only error; the zero time is none.
func (p *process) awaitEnd(deadline time.Time) error {
	if p.pidfd != nil && p.pidfd.SetReadDeadline(deadline) == nil {
		rc, err := p.pidfd.SyscallConn()
		if err == nil {
			err = rc.Read(func(fd uintptr) bool {
				return waitid(idPidFD, int(fd), syscall.WEXITED|syscall.WNOHANG|syscall.WNOWAIT) != syscall.EAGAIN
			})
			if err == nil || !deadline.IsZero() {
				return err
			}
		}
	}
	_ = waitid(idPID, p.pid, syscall.WEXITED|syscall.WNOWAIT)
	return nil
}

// collect waits for the process, which has ended, and releases it.
func (p *process) collect() (syscall.WaitStatus, syscall.Rusage) {
	if p.pidfd != nil {
		p.pidfd.Close()
	}
	return reap(p.pid)
}

// groupGone waits until a group has no living member. Its first process has
// been waited for, and all were sent SIGKILL, which they obey soon. It reports
// false if that took too long.
func groupGone(group int) bool {
	pause := 50 * time.Microsecond
	for start := time.Now(); syscall.Kill(-group, 0) != syscall.ESRCH; {
		waited := time.Since(start)
		if waited > 20*time.Millisecond && len(members(group)) == 0 {
			return true // only dead ones that their parent leaves lying
		}
		if waited > 10*time.Second {
			return false
		}
		time.Sleep(pause)
		pause = min(2*pause, 20*time.Millisecond)
	}
	return true
}
