package rest

import (
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/policy"
)

// nobody is the principal of rows that need none.
var nobody = &policy.Principal{Kind: policy.Public, Name: "public"}

// find looks for the text of the scheme. present is true if something was
// sent in its place, text is it.
func (s *Scheme) find(x *exchange) (text string, present bool) {
	switch s.In {
	case InAuthorization:
		for _, h := range x.r.Header["Authorization"] {
			word, rest, _ := strings.Cut(strings.TrimSpace(h), " ")
			for _, name := range s.Names {
				if strings.EqualFold(word, name) {
					return strings.TrimSpace(rest), true
				}
			}
		}
	case InHeader:
		for _, name := range s.Names {
			if v := x.r.Header.Values(name); len(v) > 0 {
				return strings.TrimSpace(v[0]), true
			}
		}
	case InQuery:
		pairs := x.pairs()
		for _, name := range s.Names {
			if v, ok := x.p.Query.param(pairs, name); ok {
				return v, true
			}
		}
	case InPath:
		for _, name := range s.Names {
			if v, ok := x.match.value(name); ok {
				return v, true
			}
		}
	}
	return "", false
}

// read takes the text of the scheme apart. A text of the wrong form becomes
// credentials without a secret, which nobody has.
func (s *Scheme) read(text string) policy.Credentials {
	c := policy.Credentials{Form: s.Form}
	switch s.Form {
	case policy.Basic:
		var room [128]byte
		raw, err := base64.StdEncoding.AppendDecode(room[:0], []byte(text))
		if err != nil {
			return c
		}
		if name, secret, ok := strings.Cut(string(raw), ":"); ok {
			c.Name, c.Secret = name, secret
		}
	case policy.ApiKey:
		if name, secret, ok := strings.Cut(text, ":"); ok {
			c.Name, c.Secret = strings.TrimSpace(name), strings.TrimSpace(secret)
		}
	default:
		c.Secret = text
	}
	return c
}

// credentials are what the request presents, by the schemes of the row: the
// first one that is there decides, and no other is looked at.
func (x *exchange) credentials() policy.Credentials {
	c := policy.Credentials{Form: policy.None}
	want := string(x.call.Op.Auth)
	if x.call.Op.Auth == IfGiven {
		want = ""
	}
	for i := range x.p.Schemes {
		s := &x.p.Schemes[i]
		if s.Name != want {
			continue
		}
		if text, ok := s.find(x); ok {
			c = s.read(text)
			break
		}
	}
	for i := range x.p.UserKeys {
		if text, ok := x.p.UserKeys[i].find(x); ok {
			c.UserKey = text
			break
		}
	}
	if x.p.Tenant != "" {
		c.Tenant, _ = x.match.value(x.p.Tenant)
	}
	c.Peer = x.peer
	return c
}

// authenticate finds out who calls.
func (x *exchange) authenticate() error {
	if x.call.Op.Auth == Public {
		x.call.Principal = nobody
		return nil
	}
	c := x.credentials()
	if c.Form == policy.None && x.call.Op.Auth == IfGiven {
		x.call.Principal = nobody
		return nil
	}
	if x.m.auth == nil {
		return unauthenticated(nil)
	}
	logins, limit := &x.s.bounds.logins, x.s.bounds.limits.BadLogins
	key := ""
	if c.Name != "" {
		key = c.Peer + "\x00" + c.Name
		if len(key) > 256 {
			key = key[:256]
		}
		if wait := logins.blocked(key, x.start, limit); wait > 0 {
			return &atoll.Error{Kind: atoll.Overloaded, Op: "rest.authenticate", RetryAfter: wait,
				Msg: "Too many refused logins. Try again later."}
		}
	}
	p, err := x.m.auth.Authenticate(x.r.Context(), c)
	switch {
	case err == nil && p != nil:
		if key != "" {
			logins.passed(key)
		}
		x.call.Principal = p
		return nil
	case err == nil:
		err = unauthenticated(nil)
	}
	if errors.Is(err, atoll.Unauthenticated) && c.Form != policy.None {
		if key == "" {
			key = c.Peer
		}
		if logins.failed(key, time.Now()) {
			x.s.log.LogAttrs(x.r.Context(), slog.LevelWarn, "credentials refused",
				slog.String("dialect", x.p.Name), slog.String("request_id", x.call.RequestID),
				slog.String("form", c.Form.String()), slog.String("peer", c.Peer))
		}
	}
	return err
}

func unauthenticated(cause error) error {
	return &atoll.Error{Kind: atoll.Unauthenticated, Op: "rest.authenticate", Msg: "Valid credentials are required.", Err: cause}
}

// secretParams are the query names that may carry credentials, for cleaning links.
func (p *Profile) secretParams() map[string]bool {
	names := map[string]bool{}
	for _, list := range [][]Scheme{p.Schemes, p.UserKeys} {
		for _, s := range list {
			if s.In == InQuery {
				for _, n := range s.Names {
					names[strings.ToLower(n)] = true
				}
			}
		}
	}
	return names
}

// cleanPairs is the query without credentials.
func (m *mount) cleanPairs(pairs []Pair) []Pair {
	if len(m.secrets) == 0 {
		return pairs
	}
	for i := range pairs {
		if m.secrets[strings.ToLower(pairs[i].Name)] {
			kept := make([]Pair, 0, len(pairs))
			for _, p := range pairs {
				if !m.secrets[strings.ToLower(p.Name)] {
					kept = append(kept, p)
				}
			}
			return kept
		}
	}
	return pairs
}

// challenge asks for credentials where the answer is 401.
func (x *exchange) challenge(h http.Header, f *Failure) {
	if f.Kind == atoll.Unauthenticated && f.Status == http.StatusUnauthorized && x.p.Challenge != "" {
		h["Www-Authenticate"] = x.m.challenge
	}
}
