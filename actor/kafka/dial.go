package kafka

import (
	"context"
	"crypto/tls"
	"net"
	"time"
)

const dialTime = 10 * time.Second

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// dialer returns what connects to the brokers of settings, nil for the
// client's own way. Foreign ones are reached only where the policy for outgoing
// connections allows.
func (b *Bus) dialer(s *settings) dialFunc {
	plain := (&net.Dialer{Timeout: dialTime}).DialContext
	if s.foreign {
		plain = b.out.DialContext
	}
	switch {
	case s.tls:
		return func(ctx context.Context, network, address string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, dialTime)
			defer cancel()
			c, err := plain(ctx, network, address)
			if err != nil {
				return nil, err
			}
			host, _, err := net.SplitHostPort(address)
			if err != nil {
				c.Close()
				return nil, err
			}
			t := tls.Client(c, &tls.Config{ServerName: host, RootCAs: s.roots, MinVersion: tls.VersionTLS12})
			if err := t.HandshakeContext(ctx); err != nil {
				c.Close()
				return nil, err
			}
			return t, nil
		}
	case s.foreign:
		return func(ctx context.Context, network, address string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, dialTime)
			defer cancel()
			return plain(ctx, network, address)
		}
	}
	return nil
}
