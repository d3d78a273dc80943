package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
)

// config is what the command line and the environment say.
type config struct {
	listen   string
	auth     string
	admin    credential
	keys     []credential
	data     string
	work     string
	drivers  []string
	demo     bool
	insecure bool
}

// credential is name:secret. It never prints the secret.
type credential struct{ name, secret string }

func (c credential) String() string {
	if c.name == "" {
		return ""
	}
	return c.name + ":[redacted]"
}

func (c *credential) Set(s string) error {
	name, secret, ok := strings.Cut(s, ":")
	if !ok || name == "" || secret == "" {
		return errors.New("want name:secret")
	}
	c.name, c.secret = name, secret
	return nil
}

type keyList []credential

func (l *keyList) String() string { return fmt.Sprint([]credential(*l)) }

var hex40 = regexp.MustCompile(`^[0-9a-fA-F]{40}$`)

func (l *keyList) Set(s string) error {
	for one := range strings.SplitSeq(s, ",") {
		var c credential
		if err := c.Set(one); err != nil {
			return err
		}
		if !hex40.MatchString(c.secret) {
			return errors.New("a key is 40 hexadecimal digits")
		}
		*l = append(*l, c)
	}
	return nil
}

type wordList []string

func (l *wordList) String() string { return strings.Join(*l, ",") }

func (l *wordList) Set(s string) error {
	*l = strings.Split(s, ",")
	return nil
}

// parseConfig reads args, and for every flag that they leave out the
// environment variable ATOLL_<FLAG>.
func parseConfig(args []string, env func(string) (string, bool), out io.Writer) (config, error) {
	c := config{drivers: []string{"func"}}
	fs := flag.NewFlagSet("server", flag.ContinueOnError)
	fs.SetOutput(out)
	fs.StringVar(&c.listen, "listen", "127.0.0.1:8000", "`address` to listen on; port 0 picks a free one")
	fs.StringVar(&c.auth, "auth", "accept-all", "who is let in: accept-all (everybody is the administrator coral), coral (HTTP Basic), deny-all")
	fs.Var(&c.admin, "admin", "bootstrap administrator, `name:password`; made when there are no users yet")
	fs.Var((*keyList)(&c.keys), "key", "fixed API key, `name:40hex`, repeatable; the user is made if absent")
	fs.StringVar(&c.data, "data", "./data", "`directory` that actors may read and write; made if absent")
	fs.StringVar(&c.work, "work", "./instances", "`directory` below which instances of workloads get theirs; made if absent")
	fs.Var((*wordList)(&c.drivers), "drivers", "what workloads may run on, by `comma`: func is the functions demo/hello, demo/worker and demo/crash; exec lets whoever may create applications run any command, with images exec/<name>")
	fs.BoolVar(&c.demo, "demo", true, "create and start the runtime flights on real flight records")
	fs.BoolVar(&c.insecure, "insecure", false, "let accept-all listen on other addresses than loopback")
	fs.Usage = func() {
		fmt.Fprint(out, "Serves the Atoll APIs over HTTP.\n\nUsage: server [flags]\n\n")
		fs.PrintDefaults()
		fmt.Fprint(out, "\nEach flag is also an environment variable: --listen is ATOLL_LISTEN. A flag wins.\n")
	}
	if err := fs.Parse(args); err != nil {
		return config{}, err
	}
	if fs.NArg() > 0 {
		return config{}, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	given := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	var err error
	fs.VisitAll(func(f *flag.Flag) {
		name := "ATOLL_" + strings.ToUpper(f.Name)
		if v, ok := env(name); ok && !given[f.Name] && err == nil {
			if e := f.Value.Set(v); e != nil {
				err = fmt.Errorf("%s: %w", name, e)
			}
		}
	})
	if err != nil {
		return config{}, err
	}
	return c, c.check()
}

func (c config) check() error {
	switch c.auth {
	case "accept-all", "coral", "deny-all":
	default:
		return fmt.Errorf("--auth %q: want accept-all, coral or deny-all", c.auth)
	}
	for _, d := range c.drivers {
		if d != "func" && d != "exec" {
			return fmt.Errorf("--drivers %q: this server knows func and exec", d)
		}
	}
	host, _, err := net.SplitHostPort(c.listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	if c.auth == "accept-all" && !c.insecure && !loopback(host) {
		return fmt.Errorf("--auth accept-all lets everybody in as administrator: it listens on loopback only, not on %q, unless --insecure is given", c.listen)
	}
	return nil
}

// loopback reports whether host is certainly this machine alone.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
