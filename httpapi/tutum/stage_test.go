package tutum_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// stage is a driver whose containers do what their command says, in virtual
// time. The words of a command are
//
//	boot=5s    the start takes so long
//	slower=2s  and so much longer for each container before it
//	fail=127   the start fails with that code
//	exit=3     it ends with that code, at once or
//	after=2s   so much later
//	times=2    only in its first so many starts, by what was started in its slot
//	linger=3s  it takes so long to end when told to stop
//	deaf       it does not end when told to, only when killed
//	bye=7      the code with which it ends when told to stop
//	say=text   writes a line
//	lines=3    writes so many lines, and
//	dots=9     so many dots in each of them, and
//	raw=text   then this, without an end
//	hex=6162   writes these bytes
//	env        writes its environment, a line for each variable
//
// and others mean nothing: it runs until it is told to end.
type stage struct {
	mu     sync.Mutex
	starts map[string]int // by workload and slot
	runs   []driver.Run   // in the order of their starts
}

func (*stage) Name() string                  { return "stage" }
func (*stage) Can() driver.Capabilities      { return driver.Capabilities{} }
func (*stage) Check(*driver.Template) error  { return nil }
func (*stage) Reaches(m *fleet.Machine) bool { return m.Local }

// played is the newest run of a container, false if it was never started.
func (s *stage) played(container string) (driver.Run, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range slices.Backward(s.runs) {
		if r.Instance == container {
			return r, true
		}
	}
	return driver.Run{}, false
}

func (s *stage) Start(ctx context.Context, r *driver.Run) (driver.Handle, error) {
	s.mu.Lock()
	key := fmt.Sprint(r.Workload, r.Slot)
	s.starts[key]++
	nth := s.starts[key]
	s.runs = append(s.runs, *r)
	s.mu.Unlock()
	words := map[string]string{}
	for _, w := range r.Proc.Argv {
		name, value, _ := strings.Cut(w, "=")
		words[name] = value
	}
	span := func(name string) time.Duration { d, _ := time.ParseDuration(words[name]); return d }
	number := func(name string) int { n, _ := strconv.Atoi(words[name]); return n }
	if boot := span("boot") + time.Duration(r.Slot)*span("slower"); boot > 0 {
		select {
		case <-time.After(boot):
		case <-ctx.Done():
			return nil, &driver.StartError{Code: driver.CodeError, Reason: "the start was called off", Err: ctx.Err()}
		}
	}
	quiet := words["times"] != "" && nth > number("times")
	if _, fails := words["fail"]; fails && !quiet {
		return nil, &driver.StartError{Code: number("fail"), Reason: "the stage is not set"}
	}
	h := &actor{done: make(chan struct{}), stop: make(chan struct{}), kill: make(chan struct{})}
	_, ends := words["exit"]
	_, deaf := words["deaf"]
	go func() {
		defer close(h.done)
		if text := words["say"]; text != "" {
			fmt.Fprintln(r.Stdout, text)
		}
		for i := range number("lines") {
			fmt.Fprintf(r.Stdout, "line %d%s\n", i+1, strings.Repeat(".", number("dots")))
		}
		fmt.Fprint(r.Stdout, words["raw"])
		if b, err := hex.DecodeString(words["hex"]); err == nil {
			r.Stdout.Write(b)
		}
		if _, ok := words["env"]; ok {
			for _, v := range r.Env {
				fmt.Fprintln(r.Stderr, v)
			}
		}
		over := make(<-chan time.Time)
		if ends && !quiet {
			over = time.After(span("after"))
		}
		stop := h.stop
		if deaf {
			stop = nil
		}
		select {
		case <-over:
			h.end(number("exit"), "")
		case <-stop:
			select {
			case <-time.After(span("linger")):
				h.end(number("bye"), "")
			case <-h.kill:
				h.end(driver.CodeKilled, "SIGKILL")
			}
		case <-h.kill:
			h.end(driver.CodeKilled, "SIGKILL")
		}
	}()
	return h, nil
}

// actor is one container on the stage.
type actor struct {
	done, stop, kill chan struct{}
	once, fatal      sync.Once
	exit             driver.Exit
}

func (a *actor) end(code int, signal string) {
	a.exit = driver.Exit{Code: code, Signal: signal, At: time.Now()}
}
func (a *actor) Done() <-chan struct{}                       { return a.done }
func (a *actor) Exit() driver.Exit                           { return a.exit }
func (a *actor) Stop(context.Context) error                  { a.once.Do(func() { close(a.stop) }); return nil }
func (a *actor) Kill() error                                 { a.fatal.Do(func() { close(a.kill) }); return nil }
func (a *actor) Stats(context.Context) (driver.Stats, error) { return driver.Stats{}, nil }
