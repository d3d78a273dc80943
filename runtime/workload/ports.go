package workload

import (
	"context"
	"net"

	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// proposals are port numbers that were free a moment ago. They are found
// outside of transactions; a plan that is made again inside of one uses up
// those that are there.
type proposals struct {
	s      *Service
	found  []int
	next   int
	closed bool // no more are looked for
	short  bool // there were not enough
}

// triesPerPort bounds the search for a number that no row has.
const triesPerPort = 64

// take returns a port of a machine that no instance has.
func (p *proposals) take(r store.Reader, machine string, port driver.Port) (driver.Bound, bool) {
	for range triesPerPort {
		if p.next == len(p.found) {
			if p.closed {
				p.short = true
				return driver.Bound{}, false
			}
			n, ok := p.s.trial(port.Proto, p.s.host)
			if !ok {
				return driver.Bound{}, false
			}
			p.found = append(p.found, n)
		}
		n := p.found[p.next]
		p.next++
		if _, taken := takenPorts.Get(r, portKey(machine, n)); taken || p.used(n) {
			continue
		}
		host := p.s.host
		if m, ok := fleet.ByID(r, machine); ok && !m.Local {
			host = m.Host
		}
		return driver.Bound{Port: port, Host: host, Outer: n}, true
	}
	return driver.Bound{}, false
}

// used reports whether the plan has taken the number already.
func (p *proposals) used(n int) bool {
	for _, o := range p.found[:p.next-1] {
		if o == n {
			return true
		}
	}
	return false
}

// freePort lets the system choose a port that is free now.
func freePort(proto, host string) (int, bool) {
	var c net.ListenConfig
	if proto == "udp" {
		l, err := c.ListenPacket(context.Background(), "udp", net.JoinHostPort(host, "0"))
		if err != nil {
			return 0, false
		}
		defer l.Close()
		return l.LocalAddr().(*net.UDPAddr).Port, true
	}
	l, err := c.Listen(context.Background(), "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return 0, false
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, true
}
