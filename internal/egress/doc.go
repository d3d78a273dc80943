// Package egress is the one way out: the HTTP client and dialer through which
// actors, drains and probes reach the network.
//
// A tenant chooses where such a request goes, so a request could be aimed at
// what only the host itself can reach: its metadata service, a database in the
// private network, a router. The client therefore decides for each connection
// whether its destination is allowed, on the address that is really dialled,
// after the name was resolved and after each redirect. A name that resolves to
// something else the second time gains nothing.
//
// Without an allow-list, loopback and public addresses are allowed. With one,
// only what it lists:
//
//   - an address or prefix ("10.1.0.0/16") allows these addresses, private
//     ones too;
//   - a host name ("api.example.com", or "*.example.com" for every name below)
//     allows the loopback and public addresses that the name resolves to.
//
// Link-local, multicast, broadcast and unspecified addresses are never
// allowed, listed or not. An IPv4 address inside an IPv6 one (mapped, 6to4,
// NAT64) is judged as what it is.
//
// Proxies named by the environment are not used, response bodies are bounded,
// redirects stay on the scheme of the first request, and idle connections are
// few and short-lived.
package egress
