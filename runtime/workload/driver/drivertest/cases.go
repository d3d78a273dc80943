package drivertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

type testCase struct {
	name    string
	applies func(*Subject) bool // nil = always
	test    func(*suite)
}

func killable(s *Subject) bool { return !s.Unkillable }
func spawns(s *Subject) bool   { return s.Spawns }
func runsOnce(s *Subject) bool { return s.Driver.Can().RunOnce }

var cases = []testCase{
	{"a clean end is code 0", nil, func(s *suite) { s.wantExit(s.start(s.prepare("exit", "0")), 0, "") }},
	{"a code of its own is kept", nil, func(s *suite) { s.wantExit(s.start(s.prepare("exit", "41")), 41, "") }},
	{"an error is code 1 and its text on standard error", nil, testError},
	{"a panic is code 2 and its stack on standard error", nil, testPanic},
	{"a goroutine that exits is code 2", nil, func(s *suite) { s.wantExit(s.start(s.prepare("goexit")), driver.CodePanic, "") }},
	{"what is not there fails to start with 127", func(s *Subject) bool { return s.NotFound != nil }, func(s *suite) {
		s.wantStartError(s.with(s.NotFound()), driver.CodeNotFound)
	}},
	{"what cannot run fails to start with 126", func(s *Subject) bool { return s.NotExecutable != nil }, func(s *suite) {
		s.wantStartError(s.with(s.NotExecutable()), driver.CodeNotExecutable)
	}},
	{"an end before Start returns is an end like any", nil, testQuick},
	{"the exit is empty until the end", nil, testEmptyExit},
	{"stop is obeyed", nil, func(s *suite) { s.stop(s.begin("wait")) }},
	{"stop can be ignored until Kill", killable, testIgnore},
	{"what ignores everything stays until it returns", func(s *Subject) bool { return s.Unkillable }, testUnkillable},
	{"Kill may come at any time", killable, testKillAnyTime},
	{"Stop may come at any time and twice", nil, testStopTwice},
	{"all methods may be called at once", nil, testAllAtOnce},
	{"an ended context fails the start", nil, testCancelledStart},
	{"a context bounds the start alone", nil, testContextAfterStart},
	{"a start that hangs ends with its context", func(s *Subject) bool { return s.Hang != nil }, testHang},
	{"a hundred instances run side by side", nil, testParallel},
	{"lines keep their order within a stream", nil, testLines},
	{"a long line without an end arrives whole", nil, testLong},
	{"bytes that are no text arrive as they are", nil, testRaw},
	{"nothing is written after the end", nil, testLate},
	{"the environment is exactly the one given", nil, testEnviron},
	{"the directory is private and outlives a restart", nil, testDirectory},
	{"ports can be listened on, and again after the end", nil, testPorts},
	{"stats are there during the run and after", nil, testStats},
	{"metrics are published", func(s *Subject) bool { return s.Metrics }, testMetrics},
	{"children end with their instance", spawns, testChildren},
	{"children end with a killed instance", spawns, testKilledChildren},
	{"check has no effect", nil, testCheck},
	{"arguments reach a single run", runsOnce, testArgs},
	{"a result is handed over once", runsOnce, testResult},
	{"a result that is too large fails the run", runsOnce, func(s *suite) { testBadResult(s, 1, driver.MaxResult+1, 0) }},
	{"a second result fails the run", runsOnce, func(s *suite) { testBadResult(s, 2, 10, 1) }},
	{"crash loops leave nothing behind", nil, testCrashLoop},
}

func testError(s *suite) {
	i := s.start(s.prepare("fail", "the disk is full"))
	s.wantExit(i, driver.CodeError, "")
	if !i.err.has("the disk is full") {
		s.Errorf("standard error is %q", i.err)
	}
}

func testPanic(s *suite) {
	i := s.start(s.prepare("panic", "out of luck"))
	s.wantExit(i, driver.CodePanic, "")
	if !i.err.has("out of luck") || !i.err.has("drivertest.Act") {
		s.Errorf("no stack on standard error: %q", i.err)
	}
}

func testQuick(s *suite) {
	for range 20 {
		s.wantExit(s.start(s.prepare("exit", "3")), 3, "")
	}
}

func testEmptyExit(s *suite) {
	i := s.begin("wait")
	if diff := cmp.Diff(driver.Exit{}, i.Exit()); diff != "" {
		s.Errorf("exit of a running instance (-want +got):\n%s", diff)
	}
	s.stop(i)
}

func testIgnore(s *suite) {
	i := s.begin("ignore")
	if err := i.Stop(s.Context()); err != nil {
		s.Errorf("stop: %v", err)
	}
	if within(100*time.Millisecond, func() bool { return isDone(i) }) {
		s.Errorf("the instance ended by itself: %+v", i.Exit())
	}
	if err := i.Kill(); err != nil {
		s.Errorf("kill: %v", err)
	}
	s.wantExit(i, driver.CodeKilled, "SIGKILL")
}

func isDone(i *instance) bool {
	select {
	case <-i.Done():
		return true
	default:
		return false
	}
}

func testUnkillable(s *suite) {
	i := s.begin("ignore")
	for range 2 {
		if err := errors.Join(i.Stop(s.Context()), i.Kill()); err != nil {
			s.Errorf("stop and kill: %v", err)
		}
	}
	if within(50*time.Millisecond, func() bool { return isDone(i) }) {
		s.Fatalf("the end of what still runs is reported: %+v", i.Exit())
	}
	s.Free()
	s.wantExit(i, 0, "")
}

func testKillAnyTime(s *suite) {
	i := s.start(s.prepare("ignore"))
	for range 3 {
		if err := i.Kill(); err != nil {
			s.Errorf("kill at once: %v", err)
		}
	}
	s.wantExit(i, driver.CodeKilled, "SIGKILL")
	before := i.Exit()
	if err := errors.Join(i.Kill(), i.Stop(s.Context())); err != nil {
		s.Errorf("kill and stop after the end: %v", err)
	}
	if diff := cmp.Diff(before, i.Exit()); diff != "" {
		s.Errorf("the exit changed after the end (-before +after):\n%s", diff)
	}
}

func testStopTwice(s *suite) {
	i := s.begin("wait")
	if err := errors.Join(i.Stop(s.Context()), i.Stop(s.Context())); err != nil {
		s.Errorf("stop twice: %v", err)
	}
	s.wantExit(i, 0, "")
	if err := errors.Join(i.Stop(s.Context()), i.Stop(cancelled())); err != nil {
		s.Errorf("stop after the end: %v", err)
	}
}

func testAllAtOnce(s *suite) {
	i := s.begin("wait")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { _ = i.Stop(s.Context()) })
		wg.Go(func() { _, _ = i.Stats(s.Context()) })
		wg.Go(func() { _ = i.Exit() })
		wg.Go(func() { <-i.Done(); _ = i.Kill() })
	}
	s.wantExit(i, 0, "")
	wg.Wait()
}

func testCancelledStart(s *suite) {
	i := s.prepare("ignore")
	if h, err := s.Driver.Start(cancelled(), i.run); err == nil {
		_ = h.Kill()
		s.Fatal("a start with an ended context succeeded")
	}
	if i.out.String() != "" {
		s.Errorf("the instance ran, and wrote %q", i.out)
	}
}

func testContextAfterStart(s *suite) {
	i := s.prepare("wait")
	ctx, cancel := context.WithCancel(s.Context())
	h, err := s.Driver.Start(ctx, i.run)
	if err != nil {
		cancel()
		s.Fatal(err)
	}
	i.Handle = h
	s.await("the instance to be ready", func() bool { return i.out.has(ready) })
	cancel()
	if within(50*time.Millisecond, func() bool { return isDone(i) }) {
		s.Fatalf("the instance ended with the context of its start: %+v", i.Exit())
	}
	s.stop(i)
}

func testHang(s *suite) {
	i := s.with(s.Hang())
	ctx, cancel := context.WithTimeout(s.Context(), 20*time.Millisecond)
	defer cancel()
	result := make(chan error, 1)
	go func() {
		_, err := s.Driver.Start(ctx, i.run)
		result <- err
	}()
	select {
	case err := <-result:
		if err == nil {
			s.Error("a start that hangs succeeded")
		}
	case <-time.After(patience):
		s.Fatal("the start does not end with its context")
	}
}

func testParallel(s *suite) {
	const n = 100
	all := make([]*instance, n)
	for k := range all {
		if k%2 == 0 {
			all[k] = s.prepare("wait")
		} else {
			all[k] = s.prepare("exit", fmt.Sprint(k))
		}
	}
	failures := make(chan error, n)
	var wg sync.WaitGroup
	for _, i := range all {
		wg.Go(func() {
			h, err := s.Driver.Start(s.Context(), i.run)
			if err != nil {
				failures <- err
				return
			}
			i.Handle = h
		})
	}
	wg.Wait()
	close(failures)
	for err := range failures {
		s.Errorf("start: %v", err)
	}
	if s.Failed() {
		for _, i := range all {
			if i.Handle != nil {
				_ = i.Kill()
			}
		}
		s.FailNow()
	}
	for k, i := range all {
		if k%2 == 0 {
			s.await("an instance to be ready", func() bool { return i.out.has(ready) })
			s.stop(i)
		} else {
			s.wantExit(i, k, "")
		}
	}
}

func testLines(s *suite) {
	const n = 5000
	i := s.start(s.prepare("lines", fmt.Sprint(n)))
	s.wantExit(i, 0, "")
	var out, err strings.Builder
	for k := range n {
		fmt.Fprintf(&out, "out %d\n", k)
		fmt.Fprintf(&err, "err %d\n", k)
	}
	out.WriteString("out part")
	if i.out.String() != out.String() || i.err.String() != err.String() {
		s.Errorf("%d and %d bytes arrived, want %d and %d, or their order is not the one of the writes",
			len(i.out.String()), len(i.err.String()), out.Len(), err.Len())
	}
}

func testLong(s *suite) {
	const n = 1<<20 + 7
	i := s.start(s.prepare("long", fmt.Sprint(n)))
	s.wantExit(i, 0, "")
	got := i.out.String()
	if len(got) != n {
		s.Fatalf("%d bytes arrived, want %d", len(got), n)
	}
	for k := range got {
		if got[k] != 'a'+byte(k%26) {
			s.Fatalf("byte %d is %q", k, got[k])
		}
	}
}

func testRaw(s *suite) {
	raw := "\xff\xfe\x00\x80 ü \xc3\n\n\r\x1b[0m\xf0\x9f"
	i := s.start(s.prepare("raw", fmt.Sprintf("%+q", raw)))
	s.wantExit(i, 0, "")
	if diff := cmp.Diff([]byte(raw), []byte(i.out.String())); diff != "" {
		s.Errorf("output mismatch (-want +got):\n%s", diff)
	}
}

func testLate(s *suite) {
	i := s.start(s.prepare("late"))
	s.wantExit(i, 0, "")
	_ = within(50*time.Millisecond, func() bool { return i.out.lateWrites() > 0 })
	if n := i.out.lateWrites() + i.err.lateWrites(); n > 0 {
		s.Errorf("%d writes came after the end", n)
	}
}

func testEnviron(s *suite) {
	i := s.prepare("environ")
	i.run.Env = append(i.run.Env, "A=1", "SPACE=two words", "EMPTY=", "EQUALS=a=b", "UTF=größe", `QUOTE="$HOME" 'x' ;`)
	i.run.Proc.Env = map[string]string{"NOT": "resolved into Run.Env"}
	want := slices.Clone(i.run.Env)
	s.wantExit(s.start(i), 0, "")
	var got []string
	if err := json.Unmarshal([]byte(i.out.String()), &got); err != nil {
		s.Fatalf("%v: %q", err, i.out)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.Errorf("environment mismatch (-want +got):\n%s", diff)
	}
}

func testDirectory(s *suite) {
	first, other := s.prepare("keep", "name", "kept"), s.prepare("list")
	s.wantExit(s.start(first), 0, "")
	s.wantExit(s.start(other), 0, "")
	if got := other.out.String(); got != "" {
		s.Errorf("the directory of another instance holds %q", got)
	}
	again := s.prepare("list")
	again.run.Instance, again.run.Dir, again.run.Attempt = first.run.Instance, first.run.Dir, 2
	s.wantExit(s.start(again), 0, "")
	if diff := cmp.Diff("name=kept\n", again.out.String()); diff != "" {
		s.Errorf("directory after a restart (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"name"}, names(s, first.run.Dir)); diff != "" {
		s.Errorf("directory after the end (-want +got):\n%s", diff)
	}
}

func testPorts(s *suite) {
	port := freePort(s)
	for attempt := range 2 {
		address := fmt.Sprintf("127.0.0.1:%d", port)
		i := s.prepare("serve", "80", address)
		i.run.Attempt = attempt + 1
		i.run.Ports = []driver.Bound{{Port: driver.Port{Number: 80, Proto: "tcp"}, Host: "127.0.0.1", Outer: port}}
		s.start(i)
		s.await("the port", func() bool { return i.out.has(ready) || isDone(i) })
		got, err := dial(address)
		if err != nil || got != "port 80" {
			s.Errorf("the port answers %q, %v; stderr %q", got, err, i.err)
		}
		s.stop(i)
		if _, err := dial(address); err == nil {
			s.Error("the port answers after the end")
		}
	}
}

func testStats(s *suite) {
	i := s.begin("wait")
	during, err := i.Stats(s.Context())
	if err != nil {
		s.Errorf("stats: %v", err)
	}
	if s.Driver.Can().Exec && !alive(during.PID) && descriptors() >= 0 {
		s.Errorf("the stats name process %d, which is not there", during.PID)
	}
	if during.CPU < 0 || during.Memory < 0 || during.PID < 0 {
		s.Errorf("negative stats: %+v", during)
	}
	s.stop(i)
	after, err := i.Stats(s.Context())
	if err != nil {
		s.Errorf("stats after the end: %v", err)
	}
	if after.CPU < during.CPU {
		s.Errorf("processor time went back from %v to %v", during.CPU, after.CPU)
	}
	if after.PID != 0 {
		s.Errorf("process %d is named after the end", after.PID)
	}
}

func testMetrics(s *suite) {
	i := s.begin("metric", "depth", "17")
	want := map[string]float64{"depth": 17}
	stats, err := i.Stats(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	if diff := cmp.Diff(want, stats.Metrics); diff != "" {
		s.Errorf("metrics mismatch (-want +got):\n%s", diff)
	}
	if v, ok := i.metrics.Load("depth"); !ok || v != 17.0 {
		s.Errorf("the run was told %v", v)
	}
	s.stop(i)
	if stats, err = i.Stats(s.Context()); err != nil {
		s.Fatal(err)
	}
	if diff := cmp.Diff(want, stats.Metrics); diff != "" {
		s.Errorf("metrics after the end (-want +got):\n%s", diff)
	}
}

// childPIDs returns the processes that a "parent" named.
func childPIDs(s *suite, i *instance, n int) []int {
	var pids []int
	s.await("the children", func() bool {
		pids = nil
		for line := range strings.Lines(i.out.String()) {
			var pid int
			if _, err := fmt.Sscanf(line, "child %d\n", &pid); err == nil && strings.HasSuffix(line, "\n") {
				pids = append(pids, pid)
			}
		}
		return len(pids) == n
	})
	return pids
}

func wantGone(s *suite, pids []int) {
	s.Helper()
	for _, pid := range pids {
		if alive(pid) {
			s.Errorf("process %d is alive after the end of its instance", pid)
		}
	}
}

func testChildren(s *suite) {
	i := s.start(s.prepare("parent", "ignore,wait,ignore", "exit", "5"))
	pids := childPIDs(s, i, 3)
	s.wantExit(i, 5, "")
	wantGone(s, pids)
}

func testKilledChildren(s *suite) {
	i := s.start(s.prepare("parent", "ignore,ignore", "ignore"))
	pids := childPIDs(s, i, 2)
	if err := i.Kill(); err != nil {
		s.Error(err)
	}
	s.wantExit(i, driver.CodeKilled, "SIGKILL")
	wantGone(s, pids)
}

func testCheck(s *suite) {
	good, _ := s.Command("wait")
	good.Config = json.RawMessage(`{"a":1}`)
	var bad []driver.Template
	if s.Bad != nil {
		bad = s.Bad()
	}
	before := fmt.Sprintf("%#v %#v", good, bad)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := s.Driver.Check(&good); err != nil {
				s.Errorf("a good template is refused: %v", err)
			}
			for k := range bad {
				err := s.Driver.Check(&bad[k])
				e, ok := errors.AsType[*atoll.Error](err)
				if !ok || (e.Kind != atoll.Invalid && e.Kind != atoll.Reference) || len(e.Findings) == 0 {
					s.Errorf("bad template %d: %v, want an Invalid or Reference error with findings", k, err)
				}
			}
		})
	}
	wg.Wait()
	if after := fmt.Sprintf("%#v %#v", good, bad); after != before {
		s.Errorf("check changed a template from %s to %s", before, after)
	}
	if n := children(); n > 0 {
		s.Errorf("check started %d processes", n)
	}
}

func testArgs(s *suite) {
	i := s.prepare("args")
	i.run.Slot, i.run.Args = -1, json.RawMessage(`{"n": 1.50}`)
	s.wantExit(s.start(i), 0, "")
	if diff := cmp.Diff(`{"n": 1.50}`, i.out.String()); diff != "" {
		s.Errorf("arguments mismatch (-want +got):\n%s", diff)
	}
}

func testResult(s *suite) {
	i := s.prepare("result", "1", fmt.Sprint(driver.MaxResult))
	i.run.Slot = -1
	s.wantExit(s.start(i), 0, "")
	if all := i.results.all(); len(all) != 1 || len(all[0]) != driver.MaxResult {
		s.Errorf("%d results arrived", len(all))
	}
}

// testBadResult hands over results of which only the first few may arrive, and must fail.
func testBadResult(s *suite, n, size, arrive int) {
	i := s.prepare("result", fmt.Sprint(n), fmt.Sprint(size))
	i.run.Slot = -1
	s.wantExit(s.start(i), driver.CodeError, "")
	if got := len(i.results.all()); got != arrive {
		s.Errorf("%d results arrived, want %d", got, arrive)
	}
	if i.Exit().Reason == "" {
		s.Error("the exit has no reason")
	}
}

func testCrashLoop(s *suite) {
	dir := s.TempDir()
	for k := range 100 {
		i := s.prepare("exit", "9")
		i.run.Instance, i.run.Dir, i.run.Attempt = "crashing", dir, k+1
		s.wantExit(s.start(i), 9, "")
	}
	if diff := cmp.Diff([]string(nil), names(s, dir)); diff != "" {
		s.Errorf("the directory holds (-want +got):\n%s", diff)
	}
}
