//go:build linux

package execdriver

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// defaultPath is where commands are looked for when the instance has no PATH,
// as the C library does.
const defaultPath = "/bin:/usr/bin"

// command is a process that is to be started.
type command struct {
	path   string
	argv   []string
	env    []string
	dir    string
	group  int // to join; 0 = one of its own
	user   *syscall.Credential
	limits []limit
	files  [3]uintptr
}

// process is one that was started.
type process struct {
	pid   int
	pidfd *os.File // nil = the system has none
}

// newCommand finds out what a command line or an argument vector means for a run.
func newCommand(r *driver.Run, shell string, argv []string) (*command, error) {
	c := &command{argv: argv, env: r.Env}
	if shell != "" {
		c.argv = []string{"/bin/sh", "-c", shell}
	}
	if len(c.argv) == 0 || c.argv[0] == "" {
		return nil, &driver.StartError{Code: driver.CodeNotFound, Reason: "there is no command"}
	}
	if hasNUL(c.argv) || hasNUL(c.env) {
		return nil, &driver.StartError{Code: driver.CodeNotExecutable, Reason: "a NUL byte is in the command or the environment"}
	}
	var err error
	if c.dir, err = workDir(r); err != nil {
		return nil, err
	}
	if c.user, err = credential(r); err != nil {
		return nil, err
	}
	if c.path, err = lookPath(c.argv[0], c.env, c.dir); err != nil {
		return nil, err
	}
	return c, nil
}

// lookPath returns the file that a command names, as execvp would find it for
// a process with that environment and directory.
func lookPath(name string, env []string, dir string) (string, error) {
	absolute := func(p string) string {
		if filepath.IsAbs(p) {
			return p
		}
		return filepath.Join(dir, p)
	}
	if strings.Contains(name, "/") {
		path := absolute(name)
		return path, executable(path, name)
	}
	path := defaultPath
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			path = v
			break // as getenv: the first counts
		}
	}
	err := error(&driver.StartError{Code: driver.CodeNotFound, Reason: fmt.Sprintf("command %.100q is not in the PATH of the instance", name)})
	for _, entry := range strings.Split(path, ":") {
		file := filepath.Join(absolute(entry), name)
		e := executable(file, name)
		if e == nil {
			return file, nil
		}
		if se, ok := errors.AsType[*driver.StartError](e); ok && se.Code == driver.CodeNotExecutable {
			if info, statErr := os.Stat(file); statErr == nil && !info.IsDir() {
				err = e // what is found later is better, but this is better than nothing
			}
		}
	}
	return "", err
}

// executable says what is wrong with a file as a command.
func executable(file, name string) error {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR):
		return &driver.StartError{Code: driver.CodeNotFound, Reason: fmt.Sprintf("command %.100q is not there", name)}
	case err != nil:
		return &driver.StartError{Code: driver.CodeNotExecutable, Reason: fmt.Sprintf("command %.100q cannot be executed", name), Err: err}
	case info.IsDir():
		return &driver.StartError{Code: driver.CodeNotExecutable, Reason: fmt.Sprintf("command %.100q is a directory", name)}
	case info.Mode()&0o111 == 0:
		return &driver.StartError{Code: driver.CodeNotExecutable, Reason: fmt.Sprintf("command %.100q is not executable", name)}
	}
	return nil
}

// explain turns the system's refusal of a start into a *StartError.
func (c *command) explain(err error) error {
	switch {
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.ENOMEM), errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return failed("the system has no room for another process", err)
	case errors.Is(err, syscall.ENOENT): // the file was there a moment ago
		return &driver.StartError{Code: driver.CodeNotExecutable, Reason: fmt.Sprintf("command %.100q or what interprets it is not there", c.argv[0]), Err: err}
	}
	return &driver.StartError{Code: driver.CodeNotExecutable, Reason: fmt.Sprintf("command %.100q cannot be executed", c.argv[0]), Err: err}
}

// spawn starts the process. Call it on the driver's thread.
func (c *command) spawn() (*process, error) {
	p, err := c.fork(len(c.limits) > 0)
	if len(c.limits) > 0 && errors.Is(err, syscall.EPERM) {
		// The system does not allow tracing here: then the limits come a moment late.
		if p, err = c.fork(false); err == nil {
			setLimits(p.pid, c.limits)
		}
	}
	return p, err
}

// fork starts the process; traced, it sets the limits before the first instruction.
func (c *command) fork(traced bool) (*process, error) {
	pidfd := -1
	pid, err := syscall.ForkExec(c.path, c.argv, &syscall.ProcAttr{
		Dir: c.dir, Env: c.env, Files: c.files[:],
		Sys: &syscall.SysProcAttr{
			Setpgid: true, Pgid: c.group, Pdeathsig: syscall.SIGKILL, PidFD: &pidfd, Credential: c.user, Ptrace: traced,
		},
	})
	if err != nil {
		return nil, err
	}
	if traced { // it stops behind its exec, or was killed, which the wait for its end sees again
		_ = waitid(idPID, pid, syscall.WEXITED|syscall.WSTOPPED|syscall.WNOWAIT)
		setLimits(pid, c.limits)
		_ = syscall.PtraceDetach(pid) // fails for a dead one alone
	}
	p := &process{pid: pid}
	if pidfd >= 0 {
		if syscall.SetNonblock(pidfd, true) == nil {
			p.pidfd = os.NewFile(uintptr(pidfd), "pidfd")
		} else {
			syscall.Close(pidfd)
		}
	}
	return p, nil
}
