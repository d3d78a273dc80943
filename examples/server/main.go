// Server is a platform with its APIs on one port, and a demonstration that
// works at once: statistics over real flight records. Run it with --help.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/atoll-platform/atoll/httpapi"
	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/tenancy"
)

func main() {
	// A platform at rest holds about 2 MB, and under load the garbage of requests
	// would fill as much again thirty times a second. With this, which is never
	// touched and so takes no memory of the machine, the collector waits for 16 MB
	// more of it; a large platform is collected as often as ever.
	ballast := make([]byte, 16<<20)
	defer runtime.KeepAlive(ballast)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return
		}
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
}

// A shutdown takes less than ten seconds: so long for the calls that are under
// way, then so long for the platform. Instances of workloads that have not
// stopped by then are killed.
const (
	callsTime    = 2 * time.Second
	platformTime = 7 * time.Second
)

// run serves until ctx ends.
func run(ctx context.Context, args []string, env func(string) (string, bool), out, logs io.Writer) (err error) {
	c, err := parseConfig(args, env, logs)
	if err != nil {
		return err
	}
	level := new(slog.LevelVar)
	log := slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: level}))
	listener, err := net.Listen("tcp", c.listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	workloads, drive, err := c.workloads(listener.Addr())
	if err != nil {
		return err
	}
	p, err := platform.New(append(append(c.options(listener.Addr()), workloads...), platform.WithLogger(log), platform.WithLogLevel(level))...)
	if err != nil {
		return err
	}
	drive(p)
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), platformTime)
		defer cancel()
		err = errors.Join(err, p.Shutdown(end))
	}()
	if err := p.Start(ctx); err != nil {
		return err
	}
	if c.demo {
		if err := demo(ctx, p, c.data); err != nil {
			return err
		}
	}
	opts := []httpapi.Option{httpapi.WithAccessLog(access(log))}
	if c.insecure {
		opts = append(opts, httpapi.WithRemote())
	}
	h, err := httpapi.New(p, opts...)
	if err != nil {
		return err
	}
	fmt.Fprint(out, greeting(listener.Addr().String(), c))
	return serve(ctx, listener, h, log)
}

// access logs failures always, and every request at level debug.
func access(log *slog.Logger) func(context.Context, *rest.Access) {
	every := rest.AccessLog(log)
	return func(ctx context.Context, a *rest.Access) {
		if a.Status >= 500 || log.Enabled(ctx, slog.LevelDebug) {
			every(ctx, a)
		}
	}
}

// serve answers requests until ctx ends, then lets those under way finish.
func serve(ctx context.Context, l net.Listener, h *httpapi.Handler, log *slog.Logger) error {
	s := &http.Server{
		Handler: h, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10,
	}
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	log.Info("shutting down")
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), callsTime)
	defer cancel()
	err := errors.Join(h.Shutdown(end), s.Shutdown(end))
	if err != nil {
		err = errors.Join(err, s.Close())
	}
	<-failed
	return err
}

// options are what the configuration means to the platform.
func (c config) options(addr net.Addr) []platform.Option {
	mode, _ := tenancy.ParseMode(c.auth) // checked with the flags
	opts := []platform.Option{platform.WithAuthentication(mode), platform.WithFiles(c.data)}
	if tcp, ok := addr.(*net.TCPAddr); ok {
		opts = append(opts, platform.WithSettings(map[string]any{"coral.api.interface": tcp.IP.String(), "coral.api.port": tcp.Port}))
	}
	if c.admin.name != "" {
		opts = append(opts, platform.WithAdmin(c.admin.name, c.admin.secret))
	}
	for _, k := range c.keys {
		opts = append(opts, platform.WithKey(k.name, k.secret))
	}
	return opts
}

func greeting(addr string, c config) string {
	s := fmt.Sprintf("Atoll serves http://%s\n", addr)
	if !c.demo || c.auth == "deny-all" {
		return s
	}
	login, key := "", ""
	if c.auth == "coral" {
		login, key = "-u name:password ", "-H 'Authorization: ApiKey name:key' "
	}
	return s + fmt.Sprintf(`Try:
  curl -sw '\n' %[2]s'http://%[1]s/api/runtimes/coral-flights/actors/delays/state?by=LAX'
  curl -sw '\n' %[2]s-H 'Content-Type: application/json' -d '{"delay":500,"origin":"LAX"}' http://%[1]s/api/runtimes/coral-flights/actors/in
  curl -sw '\n' %[2]shttp://%[1]s/api/runtimes/coral-flights/stats
  curl -sw '\n' %[3]s-H 'Content-Type: application/json' -d '{"image":"demo/hello","target_num_containers":2}' http://%[1]s/api/v1/application/
  curl -sw '\n' %[3]shttp://%[1]s/api/v1/application/
`, addr, login, key)
}
