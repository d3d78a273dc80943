package egress

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
)

func TestPolicy(t *testing.T) {
	tests := map[string]struct {
		allow []string
		host  string
		addr  string
		want  bool
	}{
		"loopback is allowed by default":                       {addr: "127.0.0.1", want: true},
		"all of 127/8 is loopback":                             {addr: "127.8.9.10", want: true},
		"IPv6 loopback is allowed by default":                  {addr: "::1", want: true},
		"a public IPv4 address is allowed by default":          {addr: "93.184.216.34", want: true},
		"a public IPv6 address is allowed by default":          {addr: "2606:2800:220:1::1", want: true},
		"the metadata service is refused":                      {addr: "169.254.169.254"},
		"IPv6 link-local is refused":                           {addr: "fe80::1"},
		"IPv6 link-local with a zone is refused":               {addr: "fe80::1%eth0"},
		"a loopback address with a zone is refused":            {addr: "::1%lo"},
		"10/8 is refused":                                      {addr: "10.0.0.1"},
		"172.16/12 is refused":                                 {addr: "172.31.255.255"},
		"the neighbour of 172.16/12 is public":                 {addr: "172.32.0.0", want: true},
		"192.168/16 is refused":                                {addr: "192.168.1.1"},
		"carrier-grade NAT is refused":                         {addr: "100.64.0.1"},
		"the neighbour of carrier-grade NAT is public":         {addr: "100.128.0.1", want: true},
		"the unspecified IPv4 address is refused":              {addr: "0.0.0.0"},
		"the rest of 0/8 is refused":                           {addr: "0.1.2.3"},
		"the unspecified IPv6 address is refused":              {addr: "::"},
		"broadcast is refused":                                 {addr: "255.255.255.255"},
		"reserved class E is refused":                          {addr: "240.0.0.1"},
		"IPv4 multicast is refused":                            {addr: "224.0.0.1"},
		"IPv6 multicast is refused":                            {addr: "ff02::1"},
		"unique local IPv6 is refused":                         {addr: "fd00::1"},
		"site-local IPv6 is refused":                           {addr: "fec0::1"},
		"mapped metadata service is refused":                   {addr: "::ffff:169.254.169.254"},
		"mapped private address is refused":                    {addr: "::ffff:10.0.0.1"},
		"mapped loopback is loopback":                          {addr: "::ffff:127.0.0.1", want: true},
		"6to4 of a private address is refused":                 {addr: "2002:0a00:0001::1"},
		"6to4 of the metadata service is refused":              {addr: "2002:a9fe:a9fe::"},
		"6to4 of loopback is refused":                          {addr: "2002:7f00:0001::"},
		"6to4 of a public address is public":                   {addr: "2002:5db8:d822::1", want: true},
		"NAT64 of a private address is refused":                {addr: "64:ff9b::10.0.0.1"},
		"NAT64 of loopback is refused":                         {addr: "64:ff9b::127.0.0.1"},
		"NAT64 of a public address is public":                  {addr: "64:ff9b::93.184.216.34", want: true},
		"local-use NAT64 is refused":                           {addr: "64:ff9b:1::a9fe:a9fe"},
		"Teredo is refused":                                    {addr: "2001:0:53aa:64c::1"},
		"ISATAP of a private address is refused":               {addr: "2606:2800:220:1:0:5efe:10.0.0.1"},
		"an IPv4-compatible address is refused":                {addr: "::10.0.0.1"},
		"documentation addresses are refused":                  {addr: "203.0.113.9"},
		"IPv6 documentation addresses are refused":             {addr: "2001:db8::1"},
		"a listed prefix allows a private address":             {allow: []string{"10.1.0.0/16"}, addr: "10.1.2.3", want: true},
		"a listed prefix allows its mapped form":               {allow: []string{"10.1.0.0/16"}, addr: "::ffff:10.1.2.3", want: true},
		"a list refuses private addresses outside of it":       {allow: []string{"10.1.0.0/16"}, addr: "10.2.0.1"},
		"a list refuses public addresses outside of it":        {allow: []string{"10.1.0.0/16"}, addr: "93.184.216.34"},
		"a list refuses loopback outside of it":                {allow: []string{"10.1.0.0/16"}, addr: "127.0.0.1"},
		"a listed address is allowed":                          {allow: []string{"192.168.1.9"}, addr: "192.168.1.9", want: true},
		"a listed link-local prefix stays refused":             {allow: []string{"169.254.0.0/16"}, addr: "169.254.169.254"},
		"a listed everything still refuses multicast":          {allow: []string{"0.0.0.0/0"}, addr: "224.0.0.1"},
		"a listed name allows its public address":              {allow: []string{"api.example.com"}, host: "api.example.com", addr: "93.184.216.34", want: true},
		"a name is compared without case and final dot":        {allow: []string{"API.example.com."}, host: "api.EXAMPLE.com.", addr: "93.184.216.34", want: true},
		"a listed name does not allow a private address":       {allow: []string{"api.example.com"}, host: "api.example.com", addr: "10.0.0.1"},
		"a listed name and prefix together do":                 {allow: []string{"api.example.com", "10.0.0.0/24"}, host: "api.example.com", addr: "10.0.0.1", want: true},
		"a list of names refuses other names":                  {allow: []string{"api.example.com"}, host: "example.com", addr: "93.184.216.34"},
		"a suffix allows names below it":                       {allow: []string{"*.example.com"}, host: "a.b.example.com", addr: "93.184.216.34", want: true},
		"a suffix does not allow the name itself":              {allow: []string{"*.example.com"}, host: "example.com", addr: "93.184.216.34"},
		"a suffix does not allow names that only end like it":  {allow: []string{"*.example.com"}, host: "badexample.com", addr: "93.184.216.34"},
		"a listed name is not found inside a longer host name": {allow: []string{"example.com"}, host: "example.com.evil.net", addr: "93.184.216.34"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := parsePolicy(tt.allow)
			if err != nil {
				t.Fatal(err)
			}
			host := tt.host
			if host == "" {
				host = tt.addr
			}
			err = p.allow(host, netip.MustParseAddr(tt.addr))
			if got := err == nil; got != tt.want {
				t.Errorf("allow(%s, %s) = %v, want allowed %v", host, tt.addr, err, tt.want)
			}
			if err != nil && !errors.Is(err, atoll.Denied) {
				t.Errorf("allow(%s, %s) = %v, want Denied", host, tt.addr, err)
			}
		})
	}
}

func TestPolicyReportsEveryBadEntry(t *testing.T) {
	_, err := parsePolicy([]string{"example.com", "10.0.0.0/33", "", "a b", "*.", "fe80::1%eth0", "::1"})
	e, ok := errors.AsType[*atoll.Error](err)
	if !ok || e.Kind != atoll.Invalid {
		t.Fatalf("parsePolicy: %v, want Invalid", err)
	}
	var paths []string
	for _, f := range e.Findings {
		paths = append(paths, f.Path)
	}
	want := []string{"/allow/1", "/allow/2", "/allow/3", "/allow/4", "/allow/5"}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Errorf("findings mismatch (-want +got):\n%s", diff)
	}
}

func FuzzPolicy(f *testing.F) {
	for _, seed := range []string{"10.0.0.0/8", "*.example.com", "::ffff:1.2.3.4", "fe80::1%lo", "[::1]", "0/0", "a..b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, entry string) {
		p, err := parsePolicy([]string{entry})
		if err != nil {
			return
		}
		for _, a := range []string{"169.254.169.254", "fe80::1", "224.0.0.1", "0.0.0.0", "::ffff:169.254.1.1"} {
			if p.allow("host", netip.MustParseAddr(a)) == nil {
				t.Errorf("the entry %q allows %s", entry, a)
			}
		}
	})
}
