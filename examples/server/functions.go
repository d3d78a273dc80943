package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/driver/funcdriver"
)

// functions returns the functions of the demonstration: images that anybody may
// run.
func functions() (*funcdriver.Driver, error) {
	d := funcdriver.New()
	return d, errors.Join(
		d.Register("demo/hello", hello, driver.Image{Ports: []driver.Port{{Number: 80, Proto: "tcp"}}, Env: map[string]string{"GREETING": "hello"}}),
		d.Register("demo/worker", worker, driver.Image{Env: map[string]string{"EVERY_MS": "1000"}}),
		d.Register("demo/crash", crash, driver.Image{Env: map[string]string{"EXIT_CODE": "1", "AFTER_MS": "1000"}}),
	)
}

// farewell is how long hello lets requests under way finish.
const farewell = 5 * time.Second

// hello answers HTTP on the first TCP port of its instance, the one that PORT
// tells.
func hello(ctx context.Context, t *funcdriver.Task) error {
	number := 0
	for _, p := range t.Ports() {
		if p.Proto == "tcp" && (number == 0 || p.Number < number) {
			number = p.Number
		}
	}
	l, err := t.Listen(number)
	if err != nil {
		return err
	}
	log := t.Logger()
	log.Info("listening", "address", l.Addr().String())
	s := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		log.Info("request", "method", r.Method, "path", r.URL.Path)
		fmt.Fprintf(w, "%s from %s\n", t.Getenv("GREETING"), t.Instance())
	})}
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	err = s.Shutdown(end)
	<-failed
	return err
}

// worker counts, says so every EVERY_MS milliseconds and shows the count as the
// metric "count".
func worker(ctx context.Context, t *funcdriver.Task) error {
	every, err := milliseconds(t, "EVERY_MS")
	if err != nil {
		return err
	}
	tick := time.NewTicker(max(every, time.Millisecond))
	defer tick.Stop()
	for n := 1; ; n++ {
		fmt.Fprintf(t.Stdout(), "worked %d times\n", n)
		t.Metric("count", float64(n))
		select {
		case <-tick.C:
		case <-ctx.Done():
			fmt.Fprintln(t.Stdout(), "stopped")
			return nil
		}
	}
}

// crash ends with the code in EXIT_CODE after AFTER_MS milliseconds, and with 0
// if it is stopped before.
func crash(ctx context.Context, t *funcdriver.Task) error {
	code, err := strconv.Atoi(t.Getenv("EXIT_CODE"))
	if err != nil {
		return fmt.Errorf("EXIT_CODE is no number: %q", t.Getenv("EXIT_CODE"))
	}
	after, err := milliseconds(t, "AFTER_MS")
	if err != nil {
		return err
	}
	select {
	case <-time.After(after):
		fmt.Fprintf(t.Stderr(), "crashing with %d\n", code)
		return funcdriver.ExitCode(code)
	case <-ctx.Done():
		return nil
	}
}

// milliseconds reads a variable that is a time.
func milliseconds(t *funcdriver.Task, name string) (time.Duration, error) {
	n, err := strconv.ParseUint(t.Getenv(name), 10, 31)
	if err != nil {
		return 0, fmt.Errorf("%s is no number of milliseconds: %q", name, t.Getenv(name))
	}
	return time.Duration(n) * time.Millisecond, nil
}
