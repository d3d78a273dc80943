//go:build linux

package execdriver

import (
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// pumps carry what a process writes to the writers of its run.
type pumps struct {
	theirs []int      // the ends that the process gets; closed once it has started
	null   int        // what it reads, and writes to where the run has no writer
	ours   []*os.File // the ends that are read
	wg     sync.WaitGroup
	to     []io.Writer
	ending atomic.Bool
}

// openPumps opens the descriptors of a command.
func openPumps(c *command, stdout, stderr io.Writer) (*pumps, error) {
	null, err := syscall.Open(os.DevNull, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	p := &pumps{null: null}
	c.files = [3]uintptr{uintptr(null), uintptr(null), uintptr(null)}
	for i, w := range []io.Writer{stdout, stderr} {
		if w == nil {
			continue
		}
		var fds [2]int
		if err := syscall.Pipe2(fds[:], syscall.O_CLOEXEC); err != nil {
			p.started()
			p.end()
			return nil, err
		}
		c.files[1+i] = uintptr(fds[1])
		p.theirs = append(p.theirs, fds[1])
		// Ours alone does not block; the process is to find an ordinary pipe.
		if err := syscall.SetNonblock(fds[0], true); err != nil {
			syscall.Close(fds[0])
			p.started()
			p.end()
			return nil, err
		}
		p.ours = append(p.ours, os.NewFile(uintptr(fds[0]), "output"))
		p.to = append(p.to, w)
	}
	return p, nil
}

// started closes what belongs to the process alone, and begins to read.
func (p *pumps) started() {
	for _, fd := range p.theirs {
		syscall.Close(fd)
	}
	p.theirs = nil
	syscall.Close(p.null)
	for i, f := range p.ours {
		p.wg.Go(func() { p.pump(f, p.to[i]) })
	}
}

// end delivers what was written so far and returns. A process that left the
// group may hold the pipe open; its writes are not waited for.
func (p *pumps) end() {
	for _, f := range p.ours {
		_ = f.SetReadDeadline(time.Unix(1, 0))
	}
	p.ending.Store(true) // behind the deadlines, which wake who sees it
	p.wg.Wait()
	for _, f := range p.ours {
		f.Close()
	}
}

// chunk is the most that is read at once.
const chunk = 32 << 10

// rest is the most that is read of a pipe at the end: the largest that the
// system lets a process make it.
const rest = 1 << 20

var buffers = sync.Pool{New: func() any { return new([chunk]byte) }}

// pump reads until nobody writes any more, or the deadline passes; what is in
// the pipe then is still read. It holds no memory while it waits.
func (p *pumps) pump(f *os.File, w io.Writer) {
	rc, err := f.SyscallConn()
	if err != nil {
		return
	}
	var readErr error
	var n int
	err = rc.Read(func(fd uintptr) bool {
		for {
			if p.ending.Load() {
				return false // and the deadline has passed
			}
			if n, readErr = copyChunk(int(fd), w); readErr == syscall.EAGAIN {
				return false
			}
			if n == 0 || readErr != nil {
				return true
			}
		}
	})
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	_ = rc.Control(func(fd uintptr) {
		for total := 0; total < rest; total += n {
			if n, readErr = copyChunk(int(fd), w); n == 0 || readErr != nil {
				return
			}
		}
	})
}

// copyChunk reads once and writes what came. 0 is the end.
func copyChunk(fd int, w io.Writer) (int, error) {
	buf := buffers.Get().(*[chunk]byte)
	defer buffers.Put(buf)
	for {
		n, err := syscall.Read(fd, buf[:])
		if err == syscall.EINTR {
			continue
		}
		if n > 0 {
			_, _ = w.Write(buf[:n]) // never fails; a writer that does is not the process's fault
		}
		return max(n, 0), err
	}
}
