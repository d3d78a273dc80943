package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/atoll-platform/atoll"
)

// The bounds of a Client.
const (
	DefaultMaxBody = 4 << 20 // bytes of a response body
	maxHeader      = 64 << 10
	maxRedirects   = 10
	maxIdle        = 64
	maxIdlePerHost = 4
	idleTimeout    = 30 * time.Second
	dialTimeout    = 10 * time.Second
	maxAddresses   = 8 // tried for one name
)

// Options adjust a Client. The zero Options allow loopback and public
// addresses.
type Options struct {
	// Allow is the allow-list: addresses, prefixes, host names, "*.suffix".
	Allow []string
	// MaxBody bounds a response body in bytes; 0 is DefaultMaxBody.
	MaxBody int64
	// Lookup resolves a host name; nil is the system's resolver.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// TLS is the base of the TLS configuration; nil is Go's default.
	TLS *tls.Config
}

// Client sends requests and opens connections where its policy allows them.
// It is safe for concurrent use. Time is bounded by the caller's contexts.
type Client struct {
	policy    *policy
	lookup    func(ctx context.Context, host string) ([]netip.Addr, error)
	maxBody   int64
	transport *http.Transport
	client    *http.Client
	closed    atomic.Bool
}

// New returns a Client. An entry of the allow-list that is neither a host name
// nor an address makes it Invalid, with a finding for each.
func New(o Options) (*Client, error) {
	p, err := parsePolicy(o.Allow)
	if err != nil {
		return nil, err
	}
	c := &Client{policy: p, lookup: o.Lookup, maxBody: o.MaxBody}
	if c.maxBody <= 0 {
		c.maxBody = DefaultMaxBody
	}
	if c.lookup == nil {
		c.lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	c.transport = &http.Transport{
		Proxy:                  nil, // a proxy would be asked in our place and could reach what we may not
		DialContext:            c.DialContext,
		TLSClientConfig:        o.TLS.Clone(),
		TLSHandshakeTimeout:    dialTimeout,
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeader,
	}
	c.client = &http.Client{Transport: bounded{c}, CheckRedirect: checkRedirect}
	return c, nil
}

// HTTP returns the confined HTTP client. Its errors wrap a Denied error for a
// destination that is not allowed and TooLarge, on reading the body, for a
// response over the bound.
func (c *Client) HTTP() *http.Client { return c.client }

// Close refuses all later requests and connections with Unavailable and closes
// the idle ones. Requests under way end by their own contexts.
func (c *Client) Close() error {
	c.closed.Store(true)
	c.transport.CloseIdleConnections()
	return nil
}

// DialContext connects to address over network "tcp" or "udp" if the policy
// allows the address that the host resolves to. It returns Denied if it does
// not, Failed if the name does not resolve or nothing answers.
func (c *Client) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	const op = "egress.Dial"
	if c.closed.Load() {
		return nil, atoll.Errorf(atoll.Unavailable, op, "the client is closed")
	}
	switch network {
	case "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6":
	default:
		return nil, atoll.Errorf(atoll.Invalid, op, "network %q is not supported", network)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, atoll.Errorf(atoll.Invalid, op, "%q is not host and port", address)
	}
	addrs, err := c.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{
		Timeout: dialTimeout,
		// The last word is spoken on the address the socket connects to.
		Control: func(_, address string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(address)
			if err != nil {
				return atoll.Errorf(atoll.Denied, op, "connections to %s are not allowed", host)
			}
			return c.policy.allow(host, ap.Addr())
		},
	}
	var errs []error
	for _, a := range addrs {
		conn, err := d.DialContext(ctx, network, net.JoinHostPort(a.String(), port))
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, dialError(op, host, errs)
}

// resolve returns the addresses of host, at most maxAddresses of them.
func (c *Client) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	addrs, err := c.lookup(ctx, host)
	if err != nil || len(addrs) == 0 {
		return nil, &atoll.Error{Kind: atoll.Failed, Op: "egress.Dial", Msg: fmt.Sprintf("the host name %s does not resolve", host), Err: err}
	}
	return addrs[:min(len(addrs), maxAddresses)], nil
}

// dialError is Denied if every address was, since then nothing was tried.
func dialError(op, host string, errs []error) error {
	denials := 0
	for _, err := range errs {
		if errors.Is(err, atoll.Denied) {
			denials++
		}
	}
	if denials == len(errs) {
		e, _ := errors.AsType[*atoll.Error](errs[0])
		return e
	}
	return &atoll.Error{Kind: atoll.Failed, Op: op, Msg: fmt.Sprintf("no connection to %s", host), Err: errors.Join(errs...)}
}

// checkRedirect follows a redirect on the same scheme. Headers that the caller
// chose do not travel to another host: they may carry credentials.
func checkRedirect(req *http.Request, via []*http.Request) error {
	const op = "egress.Redirect"
	first := via[0]
	switch {
	case req.URL.Scheme != first.URL.Scheme:
		return atoll.Errorf(atoll.Denied, op, "a redirect from %s to %s is not followed", first.URL.Scheme, req.URL.Scheme)
	case len(via) >= maxRedirects:
		return atoll.Errorf(atoll.Failed, op, "more than %d redirects", maxRedirects)
	}
	if req.URL.Host != first.URL.Host {
		kept := make(http.Header, 4)
		for _, name := range []string{"Accept", "Accept-Language", "Content-Type", "User-Agent"} {
			if v, ok := req.Header[name]; ok {
				kept[name] = v
			}
		}
		req.Header = kept
	}
	return nil
}

// bounded is the transport of a Client with the checks that each hop needs.
type bounded struct{ c *Client }

func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	const op = "egress.Request"
	if b.c.closed.Load() {
		closeBody(req)
		return nil, atoll.Errorf(atoll.Unavailable, op, "the client is closed")
	}
	if s := req.URL.Scheme; s != "http" && s != "https" {
		closeBody(req)
		return nil, atoll.Errorf(atoll.Denied, op, "the scheme %q is not allowed", s)
	}
	res, err := b.c.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	res.Body = &limitedBody{ReadCloser: res.Body, left: b.c.maxBody, max: b.c.maxBody}
	return res, nil
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}

// limitedBody fails with TooLarge when the body goes on after max bytes.
type limitedBody struct {
	io.ReadCloser
	left, max int64
}

func (l *limitedBody) Read(p []byte) (int, error) {
	if l.left < 0 {
		return 0, l.tooLarge()
	}
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1] // one more than allowed tells a full body from an endless one
	}
	n, err := l.ReadCloser.Read(p)
	l.left -= int64(n)
	if l.left < 0 {
		return n - 1, l.tooLarge()
	}
	return n, err
}

func (l *limitedBody) tooLarge() error {
	return atoll.Errorf(atoll.TooLarge, "egress.Request", "the response body is larger than %d bytes", l.max)
}
