//go:build linux

package execdriver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/driver/execdriver"
)

const patience = 20 * time.Second

// buffer keeps what an instance writes.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// within asks until cond holds, at most for a while.
func within(cond func() bool) bool {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for !cond() {
		select {
		case <-tick.C:
		case <-limit:
			return false
		}
	}
	return true
}

func await(t testing.TB, what string, cond func() bool) {
	t.Helper()
	if !within(cond) {
		t.Fatalf("waited for %s in vain", what)
	}
}

// alive reports whether a process is there and not dead.
func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	return f[0] != "Z" && f[0] != "X"
}

// job is a started command.
type job struct {
	driver.Handle
	run      *driver.Run
	out, err *buffer
}

func prepare(t testing.TB, p driver.Process) *job {
	j := &job{out: &buffer{}, err: &buffer{}}
	dir := filepath.Join(t.TempDir(), "instance")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	j.run = &driver.Run{
		Instance: "i", Attempt: 1, Template: &driver.Template{}, Proc: p, Dir: dir, Stdout: j.out, Stderr: j.err,
		Env: []string{"PATH=/usr/bin:/bin"},
	}
	return j
}

func (j *job) start(t testing.TB, d driver.Driver) *job {
	t.Helper()
	h, err := d.Start(t.Context(), j.run)
	if err != nil {
		t.Fatal(err)
	}
	j.Handle = h
	t.Cleanup(func() { // before its directory is removed
		_ = h.Kill()
		select {
		case <-h.Done():
		case <-time.After(patience):
			t.Error("a job has not ended")
		}
	})
	return j
}

func shell(t testing.TB, d driver.Driver, line string) *job {
	t.Helper()
	return prepare(t, driver.Process{Shell: line}).start(t, d)
}

// end waits for the end and returns the exit without its time.
func (j *job) end(t testing.TB) driver.Exit {
	t.Helper()
	select {
	case <-j.Done():
	case <-time.After(patience):
		t.Fatalf("no end; stdout %q, stderr %q", j.out, j.err)
	}
	exit := j.Exit()
	exit.At = time.Time{}
	return exit
}

func (j *job) want(t testing.TB, want driver.Exit) {
	t.Helper()
	if diff := cmp.Diff(want, j.end(t)); diff != "" {
		t.Errorf("exit mismatch (-want +got):\n%s\nstderr %s", diff, j.err)
	}
}

// pids waits until an instance has printed n numbers, and returns them.
func (j *job) pids(t testing.TB, n int) []int {
	t.Helper()
	var pids []int
	await(t, "process numbers", func() bool {
		pids = nil
		for line := range strings.Lines(j.out.String()) {
			if pid, err := strconv.Atoi(strings.TrimSuffix(line, "\n")); err == nil && strings.HasSuffix(line, "\n") {
				pids = append(pids, pid)
			}
		}
		return len(pids) >= n
	})
	return pids
}

func wantDead(t testing.TB, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		if alive(pid) {
			t.Errorf("process %d is alive", pid)
		}
	}
}

func TestExits(t *testing.T) {
	d := newDriver(t, execdriver.Options{})
	for name, tt := range map[string]struct {
		line string
		want driver.Exit
	}{
		"0 is success":               {"exit 0", driver.Exit{}},
		"a code is kept":             {"exit 200", driver.Exit{Code: 200}},
		"a shell's 127 is an exit":   {"no-such-command", driver.Exit{Code: 127}},
		"a shell's 126 is an exit":   {"/etc/passwd", driver.Exit{Code: 126}},
		"a signal has 128 and name":  {"kill -s SEGV $$", driver.Exit{Code: 139, Signal: "SIGSEGV"}},
		"SIGTERM is 143":             {"kill $$", driver.Exit{Code: 143, Signal: "SIGTERM"}},
		"a real-time signal as well": {"kill -36 $$", driver.Exit{Code: 164, Signal: "SIGRTMIN+2"}},
	} {
		t.Run(name, func(t *testing.T) { shell(t, d, tt.line).want(t, tt.want) })
	}
}

func TestStartErrors(t *testing.T) {
	d := newDriver(t, execdriver.Options{})
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain := write("plain", "#!/bin/sh\n", 0o600)
	orphan := write("orphan", "#!/no/such/interpreter\n", 0o700)
	garbage := write("garbage", "\x00\x01\x02", 0o700)
	for name, tt := range map[string]struct {
		proc driver.Process
		env  []string
		code int
	}{
		"no command":                        {driver.Process{}, nil, 127},
		"a name that no PATH has":           {driver.Process{Argv: []string{"no-such"}}, []string{"PATH=/bin"}, 127},
		"an empty PATH":                     {driver.Process{Argv: []string{"true"}}, []string{"PATH="}, 127},
		"the platform's PATH does not help": {driver.Process{Argv: []string{"true"}}, []string{"PATH=/nowhere"}, 127},
		"a path that is not there":          {driver.Process{Argv: []string{"/no/such/file"}}, nil, 127},
		"a path through a file":             {driver.Process{Argv: []string{plain + "/x"}}, nil, 127},
		"a file that is no program":         {driver.Process{Argv: []string{plain}}, nil, 126},
		"one of the PATH that is none":      {driver.Process{Argv: []string{"plain"}}, []string{"PATH=/bin:" + dir}, 126},
		"a directory":                       {driver.Process{Argv: []string{dir}}, nil, 126},
		"a script without its interpreter":  {driver.Process{Argv: []string{orphan}}, nil, 126},
		"a file that nothing executes":      {driver.Process{Argv: []string{garbage}}, nil, 126},
		"a NUL byte":                        {driver.Process{Argv: []string{"/bin/true", "a\x00b"}}, nil, 126},
		"a NUL byte in the environment":     {driver.Process{Argv: []string{"/bin/true"}}, []string{"A=\x00"}, 126},
		"arguments beyond all bounds":       {driver.Process{Argv: []string{"/bin/true", strings.Repeat("x", 4<<20)}}, nil, 126},
		"a directory that is not there":     {driver.Process{Argv: []string{"/bin/true"}, Dir: "sub"}, nil, 126},
		"a directory outside":               {driver.Process{Argv: []string{"/bin/true"}, Dir: "../x"}, nil, 126},
		"a user that is not there":          {driver.Process{Argv: []string{"/bin/true"}, User: "no-such-user"}, nil, 126},
		"a group that is not there":         {driver.Process{Argv: []string{"/bin/true"}, Group: "no-such-group"}, nil, 126},
	} {
		t.Run(name, func(t *testing.T) {
			j := prepare(t, tt.proc)
			j.run.Env = tt.env
			_, err := d.Start(t.Context(), j.run)
			se, ok := errors.AsType[*driver.StartError](err)
			if !ok || se.Code != tt.code || se.Reason == "" || len(se.Reason) > 300 {
				t.Errorf("start: %.300v, want code %d and a short reason", err, tt.code)
			}
		})
	}
}

func TestCommands(t *testing.T) {
	d := newDriver(t, execdriver.Options{})
	for name, tt := range map[string]struct {
		proc driver.Process
		env  []string
		want string
	}{
		"no shell touches arguments":    {driver.Process{Argv: []string{"/bin/echo", "$HOME", "*", "a b"}}, nil, "$HOME * a b\n"},
		"a command line is a shell's":   {driver.Process{Shell: "echo $X | tr a-z A-Z"}, []string{"PATH=/usr/bin:/bin", "X=ok"}, "OK\n"},
		"without PATH the system's is":  {driver.Process{Argv: []string{"echo", "found"}}, []string{}, "found\n"},
		"a relative command is found":   {driver.Process{Argv: []string{"./tool"}}, nil, "tool\n"},
		"a relative PATH is the dir's":  {driver.Process{Argv: []string{"tool"}}, []string{"PATH=/none:."}, "tool\n"},
		"a directory below is used":     {driver.Process{Argv: []string{"/bin/pwd"}, Dir: "sub"}, nil, "DIR/sub\n"},
		"standard input is empty":       {driver.Process{Argv: []string{"/bin/cat"}}, nil, ""},
		"it does not block its writers": {driver.Process{Shell: "grep flags: /proc/self/fdinfo/1"}, []string{"PATH=/usr/bin:/bin"}, "flags:\t01\n"},
	} {
		t.Run(name, func(t *testing.T) {
			j := prepare(t, tt.proc)
			j.run.Env = tt.env
			if err := errors.Join(os.Mkdir(j.run.Dir+"/sub", 0o700), os.WriteFile(j.run.Dir+"/tool", []byte("#!/bin/sh\necho tool\n"), 0o700)); err != nil {
				t.Fatal(err)
			}
			j.start(t, d).want(t, driver.Exit{})
			if diff := cmp.Diff(strings.ReplaceAll(tt.want, "DIR", j.run.Dir), j.out.String()); diff != "" {
				t.Errorf("output mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

// What the test itself was given without close-on-exec reaches every program
// that it starts; the driver adds nothing to that.
func TestNoDescriptorOfTheDriverIsInherited(t *testing.T) {
	d := newDriver(t, execdriver.Options{})
	shell(t, d, "sleep 1000")
	cmd := exec.Command("/bin/ls", "/proc/self/fd")
	cmd.Stderr = &buffer{}
	want, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	j := prepare(t, driver.Process{Argv: []string{"/bin/ls", "/proc/self/fd"}}).start(t, d)
	j.want(t, driver.Exit{})
	if diff := cmp.Diff(string(want), j.out.String()); diff != "" {
		t.Errorf("descriptors (-os/exec +driver):\n%s", diff)
	}
}

func TestKilledFromOutside(t *testing.T) {
	d := newDriver(t, execdriver.Options{})
	for name, sig := range map[string]syscall.Signal{"by SIGKILL": syscall.SIGKILL, "by SIGUSR1": syscall.SIGUSR1} {
		t.Run(name, func(t *testing.T) {
			j := shell(t, d, "sleep 1000 & echo $!; (trap '' TERM USR1; sleep 1000) & echo $!; echo $$; wait")
			pids := j.pids(t, 3)
			if err := syscall.Kill(pids[2], sig); err != nil {
				t.Fatal(err)
			}
			exit := j.end(t)
			if exit.Code != 128+int(sig) || exit.Signal == "" {
				t.Errorf("exit %+v", exit)
			}
			wantDead(t, pids...)
		})
	}
}

// A daemon that stays in the group ends with it, even one that ignores all it can.
func TestDaemonInTheGroup(t *testing.T) {
	d := newDriver(t, execdriver.Options{})
	j := shell(t, d, `( (trap '' TERM HUP INT; echo $(exec sh -c 'echo $PPID'); while :; do sleep 1000; done) >&1 2>/dev/null </dev/null & ) ; exit 4`)
	pids := j.pids(t, 0)
	j.want(t, driver.Exit{Code: 4})
	pids = append(pids, j.pids(t, 0)...)
	wantDead(t, pids...)
}

// A process that left the group holds the pipe, and does not hold up the end.
func TestEscapedProcessDoesNotHoldTheEnd(t *testing.T) {
	d := newDriver(t, execdriver.Options{})
	j := shell(t, d, "setsid sh -c 'echo $$; while :; do echo spam; done' & while ! read x < /dev/null && [ ! -e go ]; do sleep 0.01; done; echo last; exit 3")
	pids := j.pids(t, 1)
	defer func() { _ = syscall.Kill(pids[0], syscall.SIGKILL) }()
	if err := os.WriteFile(j.run.Dir+"/go", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	j.want(t, driver.Exit{Code: 3})
	if !strings.Contains(j.out.String(), "last") {
		t.Error("what was written before the end did not arrive")
	}
}

func TestStop(t *testing.T) {
	d := newDriver(t, execdriver.Options{StopTimeout: 100 * time.Millisecond})
	const loop = "echo $$; while :; do sleep 0.02; done"
	for name, tt := range map[string]struct {
		proc driver.Process
		want driver.Exit
	}{
		"SIGTERM goes to the group":             {driver.Process{Shell: "trap 'exit 5' TERM; " + loop}, driver.Exit{Code: 5}},
		"a suspended group goes on":             {driver.Process{Shell: "trap 'exit 6' TERM; echo $$; kill -s STOP $$; " + loop}, driver.Exit{Code: 6}},
		"a stop command is run instead":         {driver.Process{Shell: "trap 'exit 1' TERM; echo $$; while [ ! -e end ]; do sleep 0.02; done; exit 7", StopShell: "touch end"}, driver.Exit{Code: 7}},
		"a stop command without a shell too":    {driver.Process{Shell: "trap 'exit 1' TERM; echo $$; while [ ! -e end ]; do sleep 0.02; done; exit 8", StopArgv: []string{"touch", "end"}}, driver.Exit{Code: 8}},
		"one that fails is followed by SIGTERM": {driver.Process{Shell: "trap 'exit 9' TERM; " + loop, StopShell: "exit 1"}, driver.Exit{Code: 9}},
		"one that is not found as well":         {driver.Process{Shell: "trap 'exit 10' TERM; " + loop, StopArgv: []string{"no-such"}}, driver.Exit{Code: 10}},
		"one that takes too long as well":       {driver.Process{Shell: "trap 'exit 11' TERM; " + loop, StopShell: "trap '' TERM; sleep 1000"}, driver.Exit{Code: 11}},
		"one that kills the group is fine":      {driver.Process{Shell: loop, StopShell: "kill -s KILL 0"}, driver.Exit{Code: 137, Signal: "SIGKILL"}},
	} {
		t.Run(name, func(t *testing.T) {
			j := prepare(t, tt.proc).start(t, d)
			j.pids(t, 1)
			if err := errors.Join(j.Stop(t.Context()), j.Stop(t.Context())); err != nil {
				t.Error(err)
			}
			j.want(t, tt.want)
		})
	}
}

func TestStopCommandEndsWithItsInstance(t *testing.T) {
	d := newDriver(t, execdriver.Options{StopTimeout: time.Hour})
	j := prepare(t, driver.Process{Shell: "echo $$; sleep 1000", StopShell: "echo $$; trap '' TERM; sleep 1000"}).start(t, d)
	j.pids(t, 1)
	if err := j.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	pids := j.pids(t, 2)
	if err := j.Kill(); err != nil {
		t.Fatal(err)
	}
	j.want(t, driver.Exit{Code: 137, Signal: "SIGKILL"})
	wantDead(t, pids...)
}

func TestLimits(t *testing.T) {
	watching := execdriver.Options{CheckEvery: 10 * time.Millisecond}
	byKernel := execdriver.Options{CheckEvery: time.Hour, OpenFiles: 33, CPUTime: time.Second}
	for name, tt := range map[string]struct {
		opts   execdriver.Options
		line   string
		limits fleet.Resources
		want   driver.Exit
		out    string
	}{
		"are set before the first instruction": {opts: byKernel, line: "ulimit -n; ulimit -t; ulimit -f; ulimit -d", limits: fleet.Resources{Disk: 1 << 20, Memory: 1 << 30}, out: "33\n1\n2048\n2097152\n"},
		"are none where none is asked for":     {opts: watching, line: "ulimit -f; ulimit -d", out: "unlimited\nunlimited\n"},
		"end what uses the processor too long": {opts: byKernel, line: "while :; do :; done", want: driver.Exit{Code: 137, Signal: "SIGKILL"}},
		"end what fills its directory":         {opts: watching, line: "i=0; while :; do i=$((i+1)); head -c 50000 /dev/zero > f$i; sleep 0.01; done", limits: fleet.Resources{Disk: 1 << 20}, want: driver.Exit{Code: 137, Signal: "SIGKILL", Reason: "killed: more than 1048576 bytes in the directory"}},
		"end what fills a file":                {opts: byKernel, line: "exec head -c 2000000 /dev/zero > f", limits: fleet.Resources{Disk: 1 << 20}, want: driver.Exit{Code: 153, Signal: "SIGXFSZ"}},
		"end what uses too much memory":        {opts: watching, line: "head -c 30000000 /dev/zero | tail -c 30000000 & head -c 30000000 /dev/zero | tail -c 30000000 | sleep 1000", limits: fleet.Resources{Memory: 20 << 20}, want: driver.Exit{Code: 137, Signal: "SIGKILL", Reason: "killed: more than 20971520 bytes of memory in use"}},
	} {
		t.Run(name, func(t *testing.T) {
			j := prepare(t, driver.Process{Shell: tt.line})
			j.run.Limits = tt.limits
			if strings.Contains(name, "memory") {
				j.run.Stdout = nil
			}
			j.start(t, newDriver(t, tt.opts)).want(t, tt.want)
			if j.out.String() != tt.out {
				t.Errorf("output %q, want %q", j.out, tt.out)
			}
		})
	}
}

func TestStatsCoverTheGroup(t *testing.T) {
	d := newDriver(t, execdriver.Options{})
	j := shell(t, d, "sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'; sleep 1000 & echo $$; wait")
	pid := j.pids(t, 1)[0]
	during, err := j.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if during.PID != pid || during.CPU <= 0 || during.Memory < 1<<18 {
		t.Errorf("stats %+v, want process %d, and time and memory", during, pid)
	}
	if err := j.Kill(); err != nil {
		t.Fatal(err)
	}
	j.end(t)
	after, err := j.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if after.PID != 0 || after.CPU < during.CPU || after.Memory != during.Memory {
		t.Errorf("stats after the end %+v, during %+v", after, during)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := j.Stats(ctx); atoll.KindOf(err) != atoll.Canceled {
		t.Errorf("stats with an ended context: %v", err)
	}
}

func TestClose(t *testing.T) {
	d, err := execdriver.New(execdriver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var jobs []*job
	for range 5 {
		jobs = append(jobs, shell(t, d, "trap '' TERM; echo $$; sleep 1000"))
	}
	if err := errors.Join(d.Close(t.Context()), d.Close(t.Context())); err != nil {
		t.Error(err)
	}
	for _, j := range jobs {
		j.want(t, driver.Exit{Code: 137, Signal: "SIGKILL"})
	}
	if _, err := d.Start(t.Context(), jobs[0].run); atoll.KindOf(err) != atoll.Unavailable {
		t.Errorf("start after Close: %v", err)
	}
}

// Starts, kills and Close at once: each start fails, or its instance ends.
func TestStartsDuringClose(t *testing.T) {
	d, err := execdriver.New(execdriver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 40 {
		j := prepare(t, driver.Process{Argv: []string{"/bin/sleep", "1000"}})
		wg.Go(func() {
			if h, err := d.Start(t.Context(), j.run); err == nil {
				<-h.Done()
			} else if atoll.KindOf(err) != atoll.Unavailable {
				t.Error(err)
			}
		})
	}
	wg.Go(func() {
		if err := d.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	wg.Wait()
}

func TestUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only the superuser runs commands as others")
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Skip("there is no user nobody")
	}
	d := newDriver(t, execdriver.Options{})
	j := prepare(t, driver.Process{Shell: "id -u; id -g; touch mine && echo ok", User: "nobody"})
	for dir := j.run.Dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	j.start(t, d).want(t, driver.Exit{})
	if diff := cmp.Diff(nobody.Uid+"\n"+nobody.Gid+"\nok\n", j.out.String()); diff != "" {
		t.Errorf("output mismatch (-want +got):\n%s", diff)
	}
}

func TestImages(t *testing.T) {
	d := newDriver(t, execdriver.Options{})
	for name, kind := range map[string]atoll.Kind{"exec/date": 0, "exec/date:1": 0, "exec/": atoll.Reference, "date": atoll.Reference, "": atoll.Reference} {
		if _, err := d.Image(t.Context(), name); atoll.KindOf(err) != kind {
			t.Errorf("image %q: %v", name, err)
		}
	}
}

// The test of the parent that is killed with SIGKILL: nothing survives it.
func TestNothingOutlivesAKilledPlatform(t *testing.T) {
	root := t.TempDir()
	const stubborn = "trap '' TERM HUP INT; echo $$; (while :; do sleep 1000; done) & echo $!; (exec sleep 1000) & echo $!; while :; do wait; done"
	cmd := exec.Command(self(), platformWord, root, stubborn, stubborn, "exec sleep 1000")
	out := &buffer{}
	cmd.Stdout, cmd.Stderr, cmd.Env = out, os.Stderr, []string{"PATH=/usr/bin:/bin"}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	j := &job{out: out}
	pids := j.pids(t, 6)
	records := func() []string { found, _ := filepath.Glob(root + "/.*.run"); return found }
	await(t, "the records, which are written last", func() bool { return len(records()) == 3 })

	// A platform that is alive keeps what is its own.
	swept, err := execdriver.Sweep(t.Context(), root, nil)
	if diff := cmp.Diff(execdriver.Swept{}, swept); diff != "" || err != nil {
		t.Errorf("sweep beside a living platform: %v\n%s", err, diff)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for _, pid := range pids {
		await(t, fmt.Sprintf("the end of process %d", pid), func() bool { return !alive(pid) })
	}
	swept, err = execdriver.Sweep(t.Context(), root, func(name string) bool { return name == "instance-1" })
	if diff := cmp.Diff(execdriver.Swept{Directories: []string{"instance-0", "instance-2"}}, swept); diff != "" || err != nil {
		t.Errorf("sweep: %v\n%s", err, diff)
	}
	left, _ := os.ReadDir(root)
	if len(left) != 1 || left[0].Name() != "instance-1" || len(records()) != 0 {
		t.Errorf("left: %v", left)
	}
}
