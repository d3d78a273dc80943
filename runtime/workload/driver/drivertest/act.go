package drivertest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"
)

// World is what an instance of the suite sees. The driver's test makes one
// from what the driver gives its instances; parts that the driver does not
// have are left nil.
type World struct {
	Stdout, Stderr io.Writer
	Environ        []string
	Args           json.RawMessage
	Stopped        <-chan struct{} // closed when the instance is asked to end
	Freed          <-chan struct{} // closed by Subject.Free; nil = never
	Dir            func() (*os.Root, error)
	Listen         func(number int, address string) (net.Listener, error)
	Result         func(json.RawMessage) error
	Metric         func(name string, value float64)
	Spawn          func(argv ...string) (pid int, err error) // starts a process that calls Act with argv
}

// Code is the error by which Act asks for an end with a code of its own.
type Code int

func (c Code) Error() string { return "code " + strconv.Itoa(int(c)) }

// ready is what an instance prints when it is where the suite wants it.
const ready = "ready\n"

// acts are the behaviours by name. Each gets the arguments behind its name.
var acts = map[string]func(w *World, args []string) error{
	"exit": func(_ *World, args []string) error {
		if n := number(args, 0); n != 0 {
			return Code(n)
		}
		return nil
	},
	"fail":   func(_ *World, args []string) error { return errors.New(args[0]) },
	"panic":  func(_ *World, args []string) error { panic(args[0]) },
	"goexit": func(*World, []string) error { goruntime.Goexit(); return nil },
	"wait": func(w *World, _ []string) error {
		fmt.Fprint(w.Stdout, ready)
		<-w.Stopped
		return nil
	},
	"ignore": func(w *World, _ []string) error {
		fmt.Fprint(w.Stdout, ready)
		<-w.Freed
		return nil
	},
	"lines": actLines,
	"long":  actLong,
	"raw": func(w *World, args []string) error {
		raw, err := strconv.Unquote(args[0])
		if err == nil {
			_, err = io.WriteString(w.Stdout, raw)
		}
		return err
	},
	"late": actLate,
	"environ": func(w *World, _ []string) error {
		return json.NewEncoder(w.Stdout).Encode(w.Environ)
	},
	"keep":   actKeep,
	"list":   actList,
	"serve":  actServe,
	"metric": actMetric,
	"args": func(w *World, _ []string) error {
		_, err := w.Stdout.Write(w.Args)
		return err
	},
	"result": actResult,
}

// Act behaves as argv says, which is the command of the instance. It returns
// when the instance is to end: with code 0 for nil, the code of a Code, and as
// any failing instance for another error. It may panic, or end its goroutine.
func Act(w *World, argv []string) error {
	if len(argv) == 0 || acts[argv[0]] == nil {
		return fmt.Errorf("no behaviour %q", argv)
	}
	return acts[argv[0]](w, argv[1:])
}

func number(args []string, i int) int {
	n, err := strconv.Atoi(args[i])
	if err != nil {
		panic(err)
	}
	return n
}

// actLines writes numbered lines to both streams, then part of a line.
func actLines(w *World, args []string) error {
	for i := range number(args, 0) {
		fmt.Fprintf(w.Stdout, "out %d\n", i)
		fmt.Fprintf(w.Stderr, "err %d\n", i)
	}
	fmt.Fprint(w.Stdout, "out part")
	return nil
}

// actLong writes a line of that many bytes, in pieces, without its end.
func actLong(w *World, args []string) error {
	b := bufio.NewWriterSize(w.Stdout, 60_000)
	for i := range number(args, 0) {
		if err := b.WriteByte('a' + byte(i%26)); err != nil {
			return err
		}
	}
	return b.Flush()
}

// actLate returns while something of it goes on writing.
func actLate(w *World, _ []string) error {
	if w.Spawn != nil {
		_, err := w.Spawn("flood")
		return err
	}
	going := make(chan struct{})
	go func() {
		for i := 0; ; i++ {
			select {
			case <-w.Freed:
				return
			default:
				fmt.Fprintln(w.Stdout, "late", i)
				goruntime.Gosched()
			}
			if i == 10 {
				close(going)
			}
		}
	}()
	<-going
	return nil
}

func init() { // here, for these refer to acts or are reached through Spawn alone
	acts["parent"] = actParent
	acts["flood"] = func(w *World, _ []string) error {
		for i := 0; ; i++ {
			fmt.Fprintln(w.Stdout, "late", i)
		}
	}
}

func actKeep(w *World, args []string) error {
	root, err := w.Dir()
	if err != nil {
		return err
	}
	defer root.Close()
	return root.WriteFile(args[0], []byte(args[1]), 0o600)
}

// actList prints the names and contents of the directory.
func actList(w *World, _ []string) error {
	root, err := w.Dir()
	if err != nil {
		return err
	}
	defer root.Close()
	names, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	for _, n := range names {
		b, err := root.ReadFile(n.Name())
		if err != nil {
			return err
		}
		fmt.Fprintf(w.Stdout, "%s=%s\n", n.Name(), b)
	}
	return nil
}

// actServe answers connections to a port with its number until it is stopped.
func actServe(w *World, args []string) error {
	l, err := w.Listen(number(args, 0), args[1])
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(c, "port ", args[0])
			c.Close()
		}
	}()
	fmt.Fprint(w.Stdout, ready)
	<-w.Stopped
	l.Close()
	<-ended
	return nil
}

func actMetric(w *World, args []string) error {
	w.Metric(args[0], float64(number(args, 1)))
	fmt.Fprint(w.Stdout, ready)
	<-w.Stopped
	return nil
}

// actResult hands over so many results of so many bytes each, whatever comes of it.
func actResult(w *World, args []string) error {
	for range number(args, 0) {
		_ = w.Result(json.RawMessage(`"` + strings.Repeat("x", number(args, 1)-2) + `"`))
	}
	return nil
}

// actParent starts children, names them, and then behaves as the rest of its arguments say.
func actParent(w *World, args []string) error {
	for _, how := range strings.Split(args[0], ",") {
		pid, err := w.Spawn(how)
		if err != nil {
			return err
		}
		fmt.Fprintf(w.Stdout, "child %d\n", pid)
	}
	return acts[args[1]](w, slices.Clone(args[2:]))
}
