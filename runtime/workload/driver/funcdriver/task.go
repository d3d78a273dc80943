package funcdriver

import (
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// Task is what a running function sees of its workload. Its methods are safe
// for concurrent use, and harmless after the function has returned.
type Task struct {
	h              *handle
	stdout, stderr io.Writer
}

// stream passes writes on until the function has returned.
type stream struct {
	h *handle
	w io.Writer
}

func (s stream) Write(b []byte) (int, error) {
	s.h.life.RLock()
	defer s.h.life.RUnlock()
	if s.h.ended || s.w == nil {
		return len(b), nil
	}
	return s.w.Write(b)
}

// Stdout goes to the instance's log. Writes never block and never fail.
func (t *Task) Stdout() io.Writer { return t.stdout }

// Stderr goes to the instance's log as well, on the other stream.
func (t *Task) Stderr() io.Writer { return t.stderr }

// Logger returns a logger that writes lines of text to Stdout.
func (t *Task) Logger() *slog.Logger { return slog.New(slog.NewTextHandler(t.stdout, nil)) }

// Getenv returns a variable of the instance's environment, "" if it is not
// set. Of two with the same name the last counts.
func (t *Task) Getenv(name string) string {
	v, _ := t.LookupEnv(name)
	return v
}

// LookupEnv returns a variable of the instance's environment and whether it is set.
func (t *Task) LookupEnv(name string) (string, bool) {
	for _, kv := range slices.Backward(t.h.run.Env) {
		if k, v, ok := strings.Cut(kv, "="); ok && k == name {
			return v, true
		}
	}
	return "", false
}

// Environ returns the whole environment, "NAME=value".
func (t *Task) Environ() []string { return slices.Clone(t.h.run.Env) }

// Command returns the command and its arguments as the spec has them; a
// command line is split at white space, without quoting.
func (t *Task) Command() []string {
	if len(t.h.run.Proc.Argv) > 0 {
		return slices.Clone(t.h.run.Proc.Argv)
	}
	return strings.Fields(t.h.run.Proc.Shell)
}

// Instance is the id of this instance.
func (t *Task) Instance() string { return t.h.run.Instance }

// Workload is the id of the workload.
func (t *Task) Workload() string { return t.h.run.Workload }

// Slot is the number of the copy, -1 for a single run.
func (t *Task) Slot() int { return t.h.run.Slot }

// Attempt counts the starts of this instance, from 1.
func (t *Task) Attempt() int { return t.h.run.Attempt }

// Config is JSON from the spec, nil if it has none.
func (t *Task) Config() json.RawMessage { return slices.Clone(t.h.run.Config) }

// Args is the input of a single run, nil if there is none.
func (t *Task) Args() json.RawMessage { return slices.Clone(t.h.run.Args) }

// Ports returns where this instance may listen.
func (t *Task) Ports() []driver.Bound { return slices.Clone(t.h.run.Ports) }

// address returns where the instance may listen for a declared port.
func (t *Task) address(number int, udp bool) (string, error) {
	for _, p := range t.h.run.Ports {
		if p.Number == number && (p.Proto == "udp") == udp {
			return net.JoinHostPort(p.Host, strconv.Itoa(p.Outer)), nil
		}
	}
	return "", atoll.Errorf(atoll.NotFound, "funcdriver.Listen", "the workload declares no port %d", number)
}

// Listen listens on the TCP port that the workload declares under that number.
// The listener is closed when the function returns, if it is not before. An
// undeclared number is NotFound, a failure to listen is Failed.
func (t *Task) Listen(number int) (net.Listener, error) {
	address, err := t.address(number, false)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, atoll.Errorf(atoll.Failed, "funcdriver.Listen", "port %d: %w", number, err)
	}
	return l, t.h.keep(l)
}

// ListenPacket is Listen for a UDP port.
func (t *Task) ListenPacket(number int) (net.PacketConn, error) {
	address, err := t.address(number, true)
	if err != nil {
		return nil, err
	}
	c, err := net.ListenPacket("udp", address)
	if err != nil {
		return nil, atoll.Errorf(atoll.Failed, "funcdriver.ListenPacket", "port %d: %w", number, err)
	}
	return c, t.h.keep(c)
}

// Dir opens the instance's private directory. It is closed when the function
// returns, if it is not before. NotFound if the workload has none.
func (t *Task) Dir() (*os.Root, error) {
	if t.h.run.Dir == "" {
		return nil, atoll.Errorf(atoll.NotFound, "funcdriver.Dir", "the workload has no directory")
	}
	root, err := os.OpenRoot(t.h.run.Dir)
	if err != nil {
		return nil, atoll.Errorf(atoll.Failed, "funcdriver.Dir", "the directory cannot be opened: %w", err)
	}
	return root, t.h.keep(root)
}

// Result hands over the result of a single run: JSON, at most
// driver.MaxResult bytes, once. Invalid, TooLarge and FailedState say which of
// these was broken; the run then fails, whatever the function returns.
// FailedState is also the answer where nobody asked for a result.
func (t *Task) Result(v json.RawMessage) error { return t.h.result(v) }

// Metric publishes a number of this instance. At most 256 names are kept.
func (t *Task) Metric(name string, value float64) { t.h.metric(name, value) }
