package rest

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// proxied are the headers by which proxies speak of whom they stand for.
// Behind a proxy every caller looks local.
var proxied = []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"}

// WhileOpen is the guard of an API that asks for no credentials while open says
// so: then a page of another site could do whatever the browser of a caller can
// reach. So it serves this machine alone, and its own pages, unless remote.
func WhileOpen(open func() bool, remote bool) *Guard {
	return &Guard{SameOrigin: open(), Local: func() bool { return open() && !remote }}
}

// refuses says why the guard turns the request away, "" if it does not.
func (g *Guard) refuses(r *http.Request) string {
	if g == nil {
		return ""
	}
	if g.SameOrigin && crossOrigin(r) {
		return "Requests of other sites are not served."
	}
	if g.Local == nil || !g.Local() {
		return ""
	}
	for _, name := range proxied {
		if len(r.Header[name]) > 0 {
			return "Requests through a proxy are not served."
		}
	}
	if !g.localPeer(r.RemoteAddr) {
		return "Only local callers are served."
	}
	if !g.localHost(r.Host) {
		return "The Host of the request is not served."
	}
	return ""
}

// crossOrigin reports whether a browser sent the request for another site.
func crossOrigin(r *http.Request) bool {
	if v := r.Header["Sec-Fetch-Site"]; len(v) > 0 && slices.ContainsFunc(v, func(s string) bool { return strings.EqualFold(s, "cross-site") }) {
		return true
	}
	for _, origin := range r.Header["Origin"] {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host) {
			return true
		}
	}
	return false
}

// localPeer reports whether the connection comes from this machine or a
// listed network. Addresses that are none are unix sockets.
func (g *Guard) localPeer(remote string) bool {
	if name, port, ok := plainHost(remote); ok && port && loopback(name) {
		return true
	}
	addr, ok := peerAddr(remote)
	if !ok {
		return remote == "" || remote == "@" || strings.HasPrefix(remote, "/")
	}
	return addr.IsLoopback() || slices.ContainsFunc(g.Peers, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// localHost reports whether the Host is a name of this machine or a listed one.
func (g *Guard) localHost(host string) bool {
	if name, _, ok := plainHost(host); ok && (name == "localhost" || loopback(name)) {
		return true
	}
	name, ok := hostName(host)
	if !ok {
		return false
	}
	if strings.EqualFold(name, "localhost") {
		return true
	}
	if addr, err := netip.ParseAddr(name); err == nil && addr.Unmap().IsLoopback() {
		return true
	}
	return slices.ContainsFunc(g.Hosts, func(h string) bool { return strings.EqualFold(h, name) })
}

// loopback knows the addresses that nearly every local call comes from and goes
// to, as they are written there. It spares them the parsing.
func loopback(addr string) bool { return addr == "127.0.0.1" || addr == "[::1]" }

// plainHost splits host[:port] without a look at what host is. ok is false if
// the port is none.
func plainHost(host string) (name string, port, ok bool) {
	i := strings.LastIndexByte(host, ':')
	if i < 0 || strings.HasSuffix(host, "]") {
		return host, false, true
	}
	return host[:i], true, i+1 < len(host) && digits(host[i+1:])
}

// hostName is the name or address in host[:port]. ok is false if host is no
// such thing.
func hostName(host string) (name string, ok bool) {
	name = host
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		h, port, err := net.SplitHostPort(host)
		if err != nil || !digits(port) {
			return "", false
		}
		name = h
	} else if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		name = host[1 : len(host)-1]
	}
	if name == "" || len(name) > 255 {
		return "", false
	}
	if addr, err := netip.ParseAddr(name); err == nil {
		return name, addr.Zone() == ""
	}
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_':
		default:
			return "", false
		}
	}
	return name, true
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) <= 5
}

// peerAddr is the address of a peer without its port.
func peerAddr(remote string) (netip.Addr, bool) {
	if ap, err := netip.ParseAddrPort(remote); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	if a, err := netip.ParseAddr(remote); err == nil {
		return a.Unmap().WithZone(""), true
	}
	return netip.Addr{}, false
}

// peerOf is the address of the caller as logs and throttles name it.
func peerOf(remote string) string {
	if i := strings.LastIndexByte(remote, ':'); i > 0 {
		return remote[:i]
	}
	if remote == "" || remote == "@" {
		return "local"
	}
	return remote
}
