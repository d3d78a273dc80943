package ldap

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/tenancy"
)

const (
	defaultTimeout     = 500 * time.Millisecond
	defaultConnections = 16
	plainPort          = 389
	securePort         = 636
	maxCertificateFile = 1 << 20
)

// Directory proves passwords by simple binds. It is a tenancy.Directory, holds
// nothing open between logins, and is safe for concurrent use.
type Directory struct {
	address  string
	template string
	tls      *tls.Config // nil is plain
	startTLS bool
	timeout  time.Duration
	slots    chan struct{}
	log      *slog.Logger
}

var _ tenancy.Directory = (*Directory)(nil)

func defaults() options {
	return options{timeout: defaultTimeout, connections: defaultConnections, log: slog.New(slog.DiscardHandler)}
}

// New returns the Directory at host in which the person with the login name
// has the distinguished name that the template gives with the name in the place
// of {user}. It reads the files of certificates and connects to nothing.
// Options that do not fit are Invalid, with all findings.
func New(host, template string, opts ...Option) (*Directory, error) {
	return build("ldap.New", host, template, defaults(), opts, nil)
}

func build(op, host, template string, o options, opts []Option, findings []atoll.Finding) (*Directory, error) {
	for _, f := range opts {
		f(&o)
	}
	add := func(key, code, format string, args ...any) {
		for _, f := range findings {
			if f.Path == key {
				return
			}
		}
		findings = append(findings, atoll.Finding{Path: key, Code: code, Msg: fmt.Sprintf("%q ", key) + fmt.Sprintf(format, args...)})
	}
	if host == "" || strings.ContainsAny(host, " /\x00") {
		add(keyHost, "required", "must name the host of the directory")
	}
	if msg := checkTemplate(template); msg != "" {
		add(keyBindDN, "template", "%s", msg)
	}
	if o.port < 0 || o.port > 65535 {
		add(keyPort, "range", "must be from 1 to 65535")
	}
	if o.mfa {
		add(keyMultiFactor, "unsupported", "must not be true: there is no login with several factors")
	}
	if o.timeout <= 0 || o.connections < 1 || o.log == nil {
		add("options", "range", "need a timeout, a connection and a logger")
	}
	d := &Directory{template: template, startTLS: o.startTLS, timeout: o.timeout, log: o.log}
	if o.tls != nil || o.startTLS || len(o.certificates) > 0 {
		if d.tls = o.tls; d.tls == nil {
			d.tls = &tls.Config{}
		}
		d.tls.MinVersion = max(d.tls.MinVersion, tls.VersionTLS12)
		if d.tls.ServerName == "" {
			d.tls.ServerName = host
		}
	}
	if len(o.certificates) > 0 {
		d.tls.RootCAs = x509.NewCertPool()
	}
	for _, file := range o.certificates {
		if msg := trust(d.tls.RootCAs, file); msg != "" {
			findings = append(findings, atoll.Finding{Path: keyCertificates, Code: "file", Msg: msg})
		}
	}
	if len(findings) > 0 {
		return nil, &atoll.Error{Kind: atoll.Invalid, Op: op, Msg: "the directory is not described well", Findings: findings}
	}
	port := o.port
	switch {
	case port != 0:
	case d.tls != nil && !d.startTLS:
		port = securePort
	default:
		port = plainPort
	}
	d.address = net.JoinHostPort(host, strconv.Itoa(port))
	d.slots = make(chan struct{}, o.connections)
	return d, nil
}

// trust adds the certificates of a file to the pool, or says why it cannot.
func trust(pool *x509.CertPool, file string) string {
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxCertificateFile {
		return fmt.Sprintf("%q is no file of certificates that can be read", file)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Sprintf("%q cannot be read", file)
	}
	if !pool.AppendCertsFromPEM(text) {
		return fmt.Sprintf("%q holds no X.509 certificate in PEM", file)
	}
	return ""
}
