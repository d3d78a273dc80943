package ldap

import (
	"crypto/tls"
	"log/slog"
	"slices"
	"time"
)

// Option changes a Directory that New makes from its defaults.
type Option func(*options)

type options struct {
	port         int
	certificates []string
	tls          *tls.Config
	startTLS     bool
	timeout      time.Duration
	connections  int
	mfa          bool
	log          *slog.Logger
}

// WithPort sets the port. The default is 636 with TLS from the first byte,
// else 389.
func WithPort(port int) Option { return func(o *options) { o.port = port } }

// WithCertificates sets files with X.509 certificates in PEM that vouch for the
// directory, and turns TLS on. By default the connection is plain.
func WithCertificates(files ...string) Option {
	return func(o *options) { o.certificates = slices.Clone(files) }
}

// WithTLS turns TLS on with a configuration: nil trusts what the system trusts.
// Certificates of WithCertificates go over its own.
func WithTLS(c *tls.Config) Option {
	return func(o *options) {
		if o.tls = c.Clone(); c == nil {
			o.tls = &tls.Config{}
		}
	}
}

// WithStartTLS turns to TLS after connecting, on the plain port. Without
// certificates it trusts what the system trusts.
func WithStartTLS() Option { return func(o *options) { o.startTLS = true } }

// WithTimeout bounds a login. The default is 500 ms.
func WithTimeout(d time.Duration) Option { return func(o *options) { o.timeout = d } }

// WithConnections bounds the logins at a time. The default is 16.
func WithConnections(n int) Option { return func(o *options) { o.connections = n } }

// WithLogger sets where it is said why somebody was refused, without passwords.
// The default discards.
func WithLogger(l *slog.Logger) Option { return func(o *options) { o.log = l } }
