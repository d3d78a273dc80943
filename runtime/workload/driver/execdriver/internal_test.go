//go:build linux

package execdriver

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// eventually asks until cond holds, at most for a while.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for !cond() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("waited for %s in vain", what)
		}
	}
}

// strangers starts a group as a platform that is gone would have left it, and
// returns its number and what its record would say.
func strangers(t *testing.T) (int, record) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", "trap '' TERM; sleep 1000 & wait")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	s, ok := statOf(cmd.Process.Pid)
	if !ok {
		t.Fatal("the process is not there")
	}
	return s.pid, record{pid: s.pid, start: s.start, session: s.session, boot: bootID(), owner: 1 << 22, ownerStart: 1}
}

func TestSweepKillsWhatMatches(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*record)
		killed bool
		kept   bool // the directory is
	}{
		"all three values match":            {change: func(*record) {}, killed: true},
		"another start time is another":     {change: func(r *record) { r.start++ }},
		"another boot is long ago":          {change: func(r *record) { r.boot = "another" }},
		"what a living platform has stays":  {change: func(r *record) { r.owner, r.ownerStart = self().pid, self().start }, kept: true},
		"an owner's number may be reused":   {change: func(r *record) { r.owner = self().pid }, killed: true},
		"a number that leads no group":      {change: func(r *record) { r.pid = os.Getpid() }},
		"a process of the system is spared": {change: func(r *record) { r.pid = 2 }},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			pid, r := strangers(t)
			tt.change(&r)
			file := filepath.Join(root, recordName("a.b", r.pid))
			if err := os.WriteFile(file, []byte(r.String()), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(filepath.Join(root, "a.b"), 0o700); err != nil {
				t.Fatal(err)
			}
			swept, err := Sweep(t.Context(), root, nil)
			if err != nil {
				t.Fatal(err)
			}
			want := Swept{}
			if tt.killed {
				want.Groups = []int{pid}
			}
			if !tt.kept {
				want.Directories = []string{"a.b"}
			}
			if diff := cmp.Diff(want, swept); diff != "" {
				t.Errorf("swept mismatch (-want +got):\n%s", diff)
			}
			if got := len(members(pid)) == 0; got != tt.killed {
				t.Errorf("killed: %v, want %v", got, tt.killed)
			}
			if _, err := os.Stat(file); (err == nil) != tt.kept {
				t.Errorf("the record: %v", err)
			}
		})
	}
}

// The first process is gone, and what it started is still there.
func TestSweepFindsGroupsWithoutTheirFirstProcess(t *testing.T) {
	for name, session := range map[string]int{"of the session on record": 0, "of another session": 1} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			pid, r := strangers(t)
			r.session += session
			eventually(t, "the child", func() bool { return len(members(pid)) == 2 })
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the end of the first process", func() bool { return len(members(pid)) == 1 })
			if err := os.WriteFile(filepath.Join(root, recordName("d", pid)), []byte(r.String()), 0o600); err != nil {
				t.Fatal(err)
			}
			swept, err := Sweep(t.Context(), root, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := len(swept.Groups) == 1 && len(members(pid)) == 0, session == 0; got != want {
				t.Errorf("killed: %v, want %v", got, want)
			}
		})
	}
}

func TestSweepOfStrangeRoots(t *testing.T) {
	root := t.TempDir()
	outside := filepath.Join(t.TempDir(), "outside")
	for _, err := range []error{
		os.Mkdir(outside, 0o700),
		os.WriteFile(outside+"/precious", nil, 0o600),
		os.Symlink(outside, root+"/link"),
		os.Symlink("/etc/passwd", root+"/.x.77.run"),
		syscall.Mkfifo(root+"/.y.78.run", 0o600),
		os.WriteFile(root+"/.z.79.run", []byte(strings.Repeat("x", 1<<20)), 0o600),
		os.WriteFile(root+"/.w.80.run.new", nil, 0o600),
		os.WriteFile(root+"/.v.81.run.new", nil, 0o600),
		os.Chtimes(root+"/.v.81.run.new", time.Time{}, time.Now().Add(-time.Hour)),
		os.WriteFile(root+"/file", nil, 0o600),
		os.MkdirAll(root+"/old/deep/deeper", 0o700),
		os.Symlink(outside, root+"/old/link"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	swept, err := Sweep(t.Context(), root, nil)
	if diff := cmp.Diff(Swept{Directories: []string{"old"}}, swept); diff != "" || err != nil {
		t.Errorf("sweep: %v\n%s", err, diff)
	}
	if _, err := os.Stat(outside + "/precious"); err != nil {
		t.Error(err)
	}
	if half, _ := filepath.Glob(root + "/.*.new"); !slices.Equal(half, []string{root + "/.w.80.run.new"}) {
		t.Errorf("unfinished records that are left: %v", half)
	}
	if swept, err = Sweep(t.Context(), root+"/none", nil); err != nil || swept.Directories != nil {
		t.Errorf("a root that is not there: %v, %v", swept, err)
	}
	if _, err = Sweep(t.Context(), root+"/file", nil); err == nil {
		t.Error("a file was swept")
	}
}

// The guard is killed, and its successor knows what it knew.
func TestGuardIsReplaced(t *testing.T) {
	d, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	start := func() driver.Handle {
		h, err := d.Start(t.Context(), &driver.Run{Template: &driver.Template{}, Proc: driver.Process{Argv: []string{"/bin/sleep", "1000"}}})
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	guardPID := func() int {
		d.guard.mu.Lock()
		defer d.guard.mu.Unlock()
		return d.guard.pid
	}
	guarded := func(n int) {
		t.Helper()
		eventually(t, "the groups to be guarded", func() bool {
			d.guard.mu.Lock()
			defer d.guard.mu.Unlock()
			return len(d.guard.groups) == n && d.guard.pid != 0
		})
	}
	a := start()
	guarded(1)
	first := guardPID()
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = waitid(idPID, first, syscall.WEXITED|syscall.WNOWAIT)
	b := start()
	eventually(t, "the dead guard to be found out", func() bool { return guardPID() != first })
	c := start()
	guarded(3)
	if guardPID() == first {
		t.Fatal("the dead guard was not replaced")
	}
	// Its end of the pipe breaks, as if the platform were gone.
	d.guard.mu.Lock()
	syscall.Close(d.guard.pipe)
	null, err := syscall.Open(os.DevNull, syscall.O_WRONLY|syscall.O_CLOEXEC, 0)
	d.guard.pipe = null
	d.guard.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []driver.Handle{a, b, c} {
		select {
		case <-h.Done():
			if h.Exit().Signal != "SIGKILL" {
				t.Errorf("exit %+v", h.Exit())
			}
		case <-time.After(10 * time.Second):
			t.Error("the guard left a group alone")
		}
	}
	if err := d.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestParseStat(t *testing.T) {
	const rest = " S 1 42 7 0 -1 4194304 1 2 3 4 100 50 25 25 20 0 1 0 12345 4096000 300 18446744073709551615"
	want := stat{pid: 9, group: 42, session: 7, cpu: 2 * time.Second, start: 12345, memory: 300 * int64(os.Getpagesize())}
	for name, tt := range map[string]struct {
		line string
		ok   bool
	}{
		"a plain name":            {"9 (sleep)" + rest, true},
		"a name with spaces":      {"9 (my prog)" + rest, true},
		"a name with parentheses": {"9 (a) S 1 2 (b))" + rest, true},
		"a line that is cut":      {"9 (sleep) S 1 42", false},
		"nothing":                 {"", false},
		"a name that never ends":  {"9 (sleep", false},
		"a number that is none":   {"9 (sleep)" + strings.Replace(rest, "12345", "x", 1), false},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := parseStat(9, []byte(tt.line))
			if ok != tt.ok || (ok && got != want) {
				t.Errorf("got %+v, %v", got, ok)
			}
		})
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add(record{pid: 4711, start: 99, session: 12, boot: "b", owner: 3, ownerStart: 4}.String())
	f.Add("run1 1 2 3 boot 4 5\n")
	f.Add("run1 4711 99 12 b 3 4")
	f.Add("run2 4711 99 12 b 3 4\n")
	f.Add("run1 -4711 99 12 b 3 4\n")
	f.Add("run1 +4711 99 12 b 3 4\n")
	f.Fuzz(func(t *testing.T, text string) {
		r, ok := parseRecord(text)
		if !ok {
			return
		}
		if r.String() != text || r.pid <= 1 {
			t.Errorf("%q is read as %+v", text, r)
		}
	})
}

func FuzzParseRecordName(f *testing.F) {
	f.Add(".a.1.run")
	f.Add(".a.b..12.run")
	f.Add("..1.run")
	f.Add(".a.01.run")
	f.Fuzz(func(t *testing.T, name string) {
		dir, ok := parseRecordName(name)
		if ok && (dir == "" || !strings.HasPrefix(name, "."+dir+".")) {
			t.Errorf("%q is the record of %q", name, dir)
		}
	})
}

// The method is what a platform calls.
func TestADriverSweeps(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "old"), 0o700); err != nil {
		t.Fatal(err)
	}
	d, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close(t.Context()) }()
	if err := d.Sweep(t.Context(), root, nil); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(root); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}
