package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/tenancy"
)

const (
	opAuthenticate = "ldap.Authenticate"
	maxAnswer      = 256 << 10 // bytes that are read of a connection
	maxPassword    = 4 << 10
)

func refused() error {
	return &atoll.Error{Kind: atoll.Unauthenticated, Op: opAuthenticate, Msg: "valid credentials are required"}
}

// Authenticate implements tenancy.Directory: it proves a login name and its
// password, and returns the person's entry. Kinds: Unauthenticated for whom the
// directory does not know, Overloaded when too many log in at a time,
// Unavailable when it cannot be asked, Timeout and Canceled.
func (d *Directory) Authenticate(ctx context.Context, name, password string) (tenancy.Entry, error) {
	if !usable(name) || password == "" || len(password) > maxPassword {
		return tenancy.Entry{}, refused()
	}
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	case <-ctx.Done():
		if caller.Err() != nil {
			return tenancy.Entry{}, atoll.Wrap(opAuthenticate, caller.Err())
		}
		return tenancy.Entry{}, &atoll.Error{Kind: atoll.Overloaded, Op: opAuthenticate, Msg: "too many logins at a time", RetryAfter: time.Second}
	}
	dn := d.distinguished(name)
	e, err := d.login(ctx, dn, name, password)
	switch {
	case err == nil:
		return e, nil
	case atoll.KindOf(err) == atoll.Unauthenticated:
		d.log.LogAttrs(ctx, slog.LevelInfo, "login refused by the directory", slog.String("dn", dn), slog.Any("reason", errors.Unwrap(err)))
		return tenancy.Entry{}, refused()
	case caller.Err() != nil:
		return tenancy.Entry{}, atoll.Wrap(opAuthenticate, caller.Err())
	case ctx.Err() != nil || expired(err):
		return tenancy.Entry{}, &atoll.Error{Kind: atoll.Timeout, Op: opAuthenticate, Msg: "the directory did not answer in time", Err: err}
	}
	return tenancy.Entry{}, &atoll.Error{Kind: atoll.Unavailable, Op: opAuthenticate, Msg: "the directory cannot be asked", Err: err}
}

// expired says whether an error is that of a connection whose time is over,
// which may come a moment before that of the context.
func expired(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

// login binds and reads the entry on a connection of its own.
func (d *Directory) login(ctx context.Context, dn, name, password string) (tenancy.Entry, error) {
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", d.address)
	if err != nil {
		return tenancy.Entry{}, err
	}
	// Neither binding nor searching knows contexts: the connection ends with it.
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	defer stop()
	c, err := d.converse(ctx, raw)
	if err != nil {
		raw.Close()
		return tenancy.Entry{}, err
	}
	defer c.Close()
	if d.startTLS {
		if err := c.StartTLS(d.tls.Clone()); err != nil {
			return tenancy.Entry{}, err
		}
	}
	if _, err := c.SimpleBind(&goldap.SimpleBindRequest{Username: dn, Password: password}); err != nil {
		return tenancy.Entry{}, judged(err)
	}
	return d.entry(c, dn, name)
}

// converse starts the protocol on a connection.
func (d *Directory) converse(ctx context.Context, raw net.Conn) (*goldap.Conn, error) {
	var conn net.Conn = &bounded{Conn: raw, left: maxAnswer}
	secure := d.tls != nil && !d.startTLS
	if secure {
		t := tls.Client(conn, d.tls.Clone())
		if err := t.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		conn = t
	}
	c := goldap.NewConn(conn, secure)
	c.SetTimeout(2 * d.timeout) // the context ends before
	c.Start()
	return c, nil
}

// bounded reads no more than is left.
type bounded struct {
	net.Conn
	left int
}

var errTooMuch = errors.New("the directory sends too much")

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooMuch
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	if b.left <= 0 && err == nil && n == 0 {
		err = io.ErrNoProgress
	}
	return n, err
}

// unknown are the results of a bind that say that the directory does not vouch
// for the person; all others say something of the directory.
var unknown = []uint16{goldap.LDAPResultInvalidCredentials, goldap.LDAPResultNoSuchObject, goldap.LDAPResultInvalidDNSyntax,
	goldap.LDAPResultInappropriateAuthentication, goldap.LDAPResultInsufficientAccessRights, goldap.LDAPResultNamingViolation,
	goldap.LDAPResultReferral, goldap.LDAPResultUnwillingToPerform}

// judged makes a refusal of the result of a bind, if it is one.
func judged(err error) error {
	if goldap.IsErrorAnyOf(err, unknown...) {
		return because(err)
	}
	return err
}

// because is a refusal with a reason for the log.
func because(reason error) error {
	return &atoll.Error{Kind: atoll.Unauthenticated, Op: opAuthenticate, Err: reason}
}

// entry reads the entry that was bound to.
func (d *Directory) entry(c *goldap.Conn, dn, name string) (tenancy.Entry, error) {
	seconds := max(int(d.timeout/time.Second), 1)
	found, err := c.Search(goldap.NewSearchRequest(dn, goldap.ScopeBaseObject, goldap.NeverDerefAliases, 1, seconds, false,
		filter(name), []string{"uid", "fullName", "email", "department", "mobile"}, nil))
	if err != nil {
		return tenancy.Entry{}, judged(err)
	}
	if len(found.Entries) != 1 {
		return tenancy.Entry{}, because(errors.New("the entry does not have the login name as its uid"))
	}
	row := found.Entries[0]
	if !sameName(row.DN, dn) {
		return tenancy.Entry{}, because(errors.New("the directory answers with another entry"))
	}
	e := tenancy.Entry{DN: dn, FullName: row.GetEqualFoldAttributeValue("fullName"), Email: row.GetEqualFoldAttributeValue("email"),
		Department: optional(row, "department"), Mobile: optional(row, "mobile")}
	if uid := row.GetEqualFoldAttributeValue("uid"); strings.EqualFold(uid, name) {
		e.Name = uid
	}
	if e.FullName == "" || e.Email == "" {
		return tenancy.Entry{}, because(errors.New("the entry lacks fullName or email"))
	}
	return e, nil
}

func optional(row *goldap.Entry, name string) *string {
	if values := row.GetEqualFoldAttributeValues(name); len(values) > 0 && values[0] != "" {
		return &values[0]
	}
	return nil
}
