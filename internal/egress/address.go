package egress

import "net/netip"

// class is what kind of destination an address is.
type class uint8

const (
	forbidden class = iota // never allowed: link-local, multicast, broadcast, unspecified
	special                // private or reserved: allowed when a prefix lists it
	loopback
	public
)

// reserved lists the ranges of unicast addresses that are not public.
var reserved = prefixes(
	"0.0.0.0/8",       // this network
	"10.0.0.0/8",      // private
	"100.64.0.0/10",   // carrier-grade NAT
	"172.16.0.0/12",   // private
	"192.0.0.0/24",    // protocol assignments
	"192.0.2.0/24",    // documentation
	"192.88.99.0/24",  // 6to4 relays
	"192.168.0.0/16",  // private
	"198.18.0.0/15",   // benchmarks
	"198.51.100.0/24", // documentation
	"203.0.113.0/24",  // documentation
	"240.0.0.0/4",     // reserved
	"2001::/23",       // protocol assignments, Teredo and ORCHID among them
	"2001:db8::/32",   // documentation
	"3fff::/20",       // documentation
)

var (
	globalUnicast = netip.MustParsePrefix("2000::/3")
	sixToFour     = netip.MustParsePrefix("2002::/16")
	nat64         = netip.MustParsePrefix("64:ff9b::/96")
	siteLocal     = netip.MustParsePrefix("fec0::/10")
	broadcast     = netip.MustParseAddr("255.255.255.255")
)

func prefixes(texts ...string) []netip.Prefix {
	ps := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		ps[i] = netip.MustParsePrefix(t)
	}
	return ps
}

// classify judges an address by what it reaches. An address that carries an
// IPv4 address is at most as good as that one, and never loopback.
func classify(a netip.Addr) class {
	a = a.Unmap()
	switch {
	case !a.IsValid(), a.Zone() != "", a.IsUnspecified(), a.IsMulticast(), a.IsLinkLocalUnicast(), a == broadcast:
		return forbidden
	case a.IsLoopback():
		return loopback
	}
	for _, p := range reserved {
		if p.Contains(a) {
			return special
		}
	}
	if a.Is4() {
		return public
	}
	b := a.As16()
	switch {
	case sixToFour.Contains(a):
		return disguised([4]byte(b[2:6]))
	case nat64.Contains(a):
		return disguised([4]byte(b[12:16]))
	case b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe: // ISATAP
		return disguised([4]byte(b[12:16]))
	case siteLocal.Contains(a), !globalUnicast.Contains(a):
		return special
	}
	return public
}

// disguised is the class of an address that leads to the IPv4 address b.
func disguised(b [4]byte) class {
	if c := classify(netip.AddrFrom4(b)); c == public {
		return public
	}
	return forbidden
}
