package policy

import (
	"context"
	"fmt"
	"log/slog"
)

// Form is the way in which a caller presents who it is. Which forms count, and
// in which order they are looked for, is the choice of each API; the first one
// present decides.
type Form uint8

// The forms of credentials.
const (
	None   Form = iota // the caller presents nothing
	Basic              // a name and a password
	ApiKey             // a name and a key of that account, however they were sent
	Bearer             // one opaque text
	Key                // one key alone, perhaps with the key of an end user beside it
)

var formNames = [...]string{"none", "basic", "apikey", "bearer", "key"}

func (f Form) String() string {
	if int(f) < len(formNames) {
		return formNames[f]
	}
	return fmt.Sprintf("form %d", uint8(f))
}

// Credentials is what a caller presented, before anybody believed it. It never
// prints, logs or marshals its secrets.
type Credentials struct {
	Form    Form
	Name    string // Basic, ApiKey: the account
	Secret  string // the password, key or token
	UserKey string // Key: the key of an end user, "" if none
	Tenant  string // Key: the tenant that the request addresses, "" if none
	Peer    string // address of the caller, for logs and limits
}

// String prints the credentials without their secrets.
func (c Credentials) String() string {
	return fmt.Sprintf("%s name=%q tenant=%q peer=%q", c.Form, c.Name, c.Tenant, c.Peer)
}

// GoString is String, so %#v shows no secret either.
func (c Credentials) GoString() string { return "policy.Credentials{" + c.String() + "}" }

// Format prints String under every verb.
func (c Credentials) Format(s fmt.State, verb rune) {
	if verb == 'v' && s.Flag('#') {
		fmt.Fprint(s, c.GoString())
		return
	}
	fmt.Fprint(s, c.String())
}

// LogValue is the loggable part: all but the secrets.
func (c Credentials) LogValue() slog.Value {
	return slog.GroupValue(slog.String("form", c.Form.String()), slog.String("name", c.Name),
		slog.String("tenant", c.Tenant), slog.String("peer", c.Peer))
}

// MarshalText is String: credentials are never written out.
func (c Credentials) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Authenticator turns credentials into a Principal. Implementations are safe
// for concurrent use and return Unauthenticated for everybody they do not
// know, with one text for every reason, and Overloaded if proving it would
// take longer than the caller should wait. They return Denied for a caller who
// is known but not for the tenant the request addresses.
type Authenticator interface {
	Authenticate(ctx context.Context, c Credentials) (*Principal, error)
}

// AuthenticatorFunc is a function used as an Authenticator.
type AuthenticatorFunc func(ctx context.Context, c Credentials) (*Principal, error)

// Authenticate calls f.
func (f AuthenticatorFunc) Authenticate(ctx context.Context, c Credentials) (*Principal, error) {
	return f(ctx, c)
}
