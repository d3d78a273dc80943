package egress

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/atoll-platform/atoll"
)

// policy is a compiled allow-list.
type policy struct {
	listed   bool // there is a list: what it does not name is refused
	prefixes []netip.Prefix
	hosts    map[string]bool // lower case, without the final dot
	suffixes []string        // ".example.com"
}

// parsePolicy compiles the entries of an allow-list and reports every bad one.
func parsePolicy(entries []string) (*policy, error) {
	p := &policy{listed: len(entries) > 0, hosts: make(map[string]bool)}
	var bad []atoll.Finding
	for i, text := range entries {
		if err := p.add(text); err != "" {
			bad = append(bad, atoll.Finding{Path: fmt.Sprintf("/allow/%d", i), Code: "invalid", Msg: err})
		}
	}
	if bad != nil {
		return nil, &atoll.Error{Kind: atoll.Invalid, Op: "egress.New", Msg: "the allow-list is not valid", Findings: bad}
	}
	return p, nil
}

// add compiles one entry; the result is the fault, "" for none.
func (p *policy) add(text string) string {
	if strings.Contains(text, "/") {
		prefix, err := netip.ParsePrefix(text)
		if err != nil || prefix.Addr().Is4In6() {
			return fmt.Sprintf("%q is not an address prefix", text)
		}
		p.prefixes = append(p.prefixes, prefix.Masked())
		return ""
	}
	if a, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		if a.Zone() != "" {
			return fmt.Sprintf("%q has a zone: link-local addresses cannot be allowed", text)
		}
		a = a.Unmap()
		p.prefixes = append(p.prefixes, netip.PrefixFrom(a, a.BitLen()))
		return ""
	}
	name, below := strings.CutPrefix(foldHost(text), "*.")
	if !isHostName(name) {
		return fmt.Sprintf("%q is neither a host name nor an address", text)
	}
	if below {
		p.suffixes = append(p.suffixes, "."+name)
	} else {
		p.hosts[name] = true
	}
	return ""
}

// allow returns nil if a connection to address a, dialled for that host, is
// allowed, else a Denied error.
func (p *policy) allow(host string, a netip.Addr) error {
	a = a.Unmap()
	c := classify(a)
	if c == forbidden {
		return denied(host, a)
	}
	for _, prefix := range p.prefixes {
		if prefix.Contains(a) {
			return nil
		}
	}
	if c == special || p.listed && !p.names(host) {
		return denied(host, a)
	}
	return nil
}

// names reports whether the list has the host by name.
func (p *policy) names(host string) bool {
	host = foldHost(host)
	if p.hosts[host] {
		return true
	}
	for _, s := range p.suffixes {
		if strings.HasSuffix(host, s) && len(host) > len(s) {
			return true
		}
	}
	return false
}

func denied(host string, a netip.Addr) error {
	msg := fmt.Sprintf("connections to %s are not allowed", host)
	if host != a.String() {
		msg = fmt.Sprintf("connections to %s (%s) are not allowed", host, a)
	}
	return &atoll.Error{Kind: atoll.Denied, Op: "egress.Dial", Msg: msg}
}

func foldHost(host string) string {
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

func isHostName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}
