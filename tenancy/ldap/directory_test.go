package ldap

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/tenancy"
)

func ann() tenancy.Entry {
	core, mobile := "core", "123"
	return tenancy.Entry{DN: "uid=ann,ou=People,dc=example,dc=com", Name: "ann", FullName: "Ann Lee", Email: "ann@example.com", Department: &core, Mobile: &mobile}
}

func TestAuthenticate(t *testing.T) {
	without := func(attrs ...string) func(*server) {
		return func(s *server) {
			for _, p := range s.people {
				for _, a := range attrs {
					delete(p.attrs, a)
				}
			}
		}
	}
	result := func(code int64) func(*server) { return func(s *server) { s.bind = code } }
	bare := ann()
	bare.Department, bare.Mobile = nil, nil
	tests := map[string]struct {
		server         func(*server)
		name, password string
		want           tenancy.Entry
		kind           atoll.Kind
		unasked        bool // nothing is sent
	}{
		"the right password":                               {name: "ann", password: "secret", want: ann()},
		"the case of a name is the directory's affair":     {name: "ANN", password: "secret", kind: atoll.Unauthenticated},
		"a wrong password":                                 {name: "ann", password: "Secret", kind: atoll.Unauthenticated},
		"nobody of that name":                              {name: "bob", password: "secret", kind: atoll.Unauthenticated},
		"an empty password is no anonymous bind":           {name: "ann", kind: atoll.Unauthenticated, unasked: true},
		"an empty name":                                    {password: "secret", kind: atoll.Unauthenticated, unasked: true},
		"a name that is too long":                          {name: strings.Repeat("a", 1000), password: "secret", kind: atoll.Unauthenticated, unasked: true},
		"a password that is too long":                      {name: "ann", password: strings.Repeat("a", 5000), kind: atoll.Unauthenticated, unasked: true},
		"a name that is no text":                           {name: "ann\xff", password: "secret", kind: atoll.Unauthenticated, unasked: true},
		"a name with a star":                               {name: "*", password: "secret", kind: atoll.Unauthenticated},
		"a name with a filter":                             {name: "ann)(uid=*", password: "secret", kind: atoll.Unauthenticated},
		"a name with a further part":                       {name: "ann,ou=People", password: "secret", kind: atoll.Unauthenticated},
		"a name with a further value":                      {name: "ann+cn=x", password: "secret", kind: atoll.Unauthenticated},
		"a name with NUL":                                  {name: "ann\x00", password: "secret", kind: atoll.Unauthenticated},
		"a name with a space around it":                    {name: "ann ", password: "secret", kind: atoll.Unauthenticated},
		"a name with an escape":                            {name: `\61nn`, password: "secret", kind: atoll.Unauthenticated},
		"department and mobile may be missing":             {server: without("department", "mobile"), name: "ann", password: "secret", want: bare},
		"without email nobody comes in":                    {server: without("email"), name: "ann", password: "secret", kind: atoll.Unauthenticated},
		"without fullName nobody comes in":                 {server: without("fullName"), name: "ann", password: "secret", kind: atoll.Unauthenticated},
		"an entry without the name as uid":                 {server: without("uid"), name: "ann", password: "secret", kind: atoll.Unauthenticated},
		"references to elsewhere are not followed":         {server: func(s *server) { s.refer = true }, name: "ann", password: "secret", want: ann()},
		"a referral in answer to a bind is a refusal":      {server: result(goldap.LDAPResultReferral), name: "ann", password: "secret", kind: atoll.Unauthenticated},
		"another entry than the one bound to is a refusal": {server: func(s *server) { s.answers = "uid=root,dc=example,dc=com" }, name: "ann", password: "secret", kind: atoll.Unauthenticated},
		"the spelling of the name may differ":              {server: func(s *server) { s.answers = "UID=ann, OU=people, DC=example, DC=com" }, name: "ann", password: "secret", want: ann()},
		"a directory that is busy":                         {server: result(goldap.LDAPResultBusy), name: "ann", password: "secret", kind: atoll.Unavailable},
		"a directory that wants encryption":                {server: result(goldap.LDAPResultConfidentialityRequired), name: "ann", password: "secret", kind: atoll.Unavailable},
		"a directory that hangs up":                        {server: func(s *server) { s.hangUp = true }, name: "ann", password: "secret", kind: atoll.Unavailable},
		"a server that is no directory":                    {server: func(s *server) { s.garbage = true }, name: "ann", password: "secret", kind: atoll.Unavailable},
		"a directory that sends without end":               {server: func(s *server) { s.flood = true }, name: "ann", password: "secret", kind: atoll.Unavailable},
		"a directory that is gone":                         {server: func(s *server) { s.ln.Close() }, name: "ann", password: "secret", kind: atoll.Unavailable},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := serve(t, tt.server)
			var log strings.Builder
			d := s.directory(WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
			got, err := d.Authenticate(t.Context(), tt.name, tt.password)
			if k := atoll.KindOf(err); k != tt.kind {
				t.Fatalf("Authenticate: %v, want kind %v", err, tt.kind)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("entry mismatch (-want +got):\n%s", diff)
			}
			if tt.password != "" && tt.kind != 0 && strings.Contains(log.String()+err.Error(), "secret") {
				t.Errorf("the password is shown: %v; %s", err, log.String())
			}
			conns, binds, searches := s.seen()
			if tt.unasked && conns > 0 {
				t.Errorf("the directory was asked: %q", binds)
			}
			for _, f := range searches {
				if !strings.HasSuffix(f, "(uid=ann)") {
					t.Errorf("the directory was searched for %q", f)
				}
			}
		})
	}
}

// TestEveryNameReachesItsEntryAlone has entries whose names are made to be
// taken for something else.
func TestEveryNameReachesItsEntryAlone(t *testing.T) {
	for _, name := range []string{"ann-lee", "*", "(ann)", "ann)(uid=*", "ann,ou=People", "a+cn=b", `a\b`, `"ann"`, "a;b<c>", "#ann", "a=b", "a/b", "Åsa Öberg", "a b", "ann\x00x"} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, nil)
			dn := goldap.DN{RDNs: []*goldap.RelativeDN{{Attributes: []*goldap.AttributeTypeAndValue{{Type: "uid", Value: name}}}}}
			s.add(dn.String()+",ou=People,dc=example,dc=com", "pass", map[string][]string{"uid": {name}, "FULLNAME": {"X"}, "Email": {"x@example.com"}})
			got, err := s.directory().Authenticate(t.Context(), name, "pass")
			if err != nil {
				t.Fatalf("Authenticate: %v", err)
			}
			if diff := cmp.Diff(tenancy.Entry{DN: got.DN, Name: name, FullName: "X", Email: "x@example.com"}, got); diff != "" {
				t.Errorf("entry mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTLS(t *testing.T) {
	config, file := authority(t)
	_, other := authority(t)
	secure := func(s *server) { s.ln = tls.NewListener(s.ln, config) }
	upgrade := func(s *server) { s.upgrade = config }
	tests := map[string]struct {
		server func(*server)
		opts   []Option
		kind   atoll.Kind
	}{
		"a certificate of the authority":           {server: secure, opts: []Option{WithCertificates(file)}},
		"one of several authorities":               {server: secure, opts: []Option{WithCertificates(other, file)}},
		"a certificate of another authority":       {server: secure, opts: []Option{WithCertificates(other)}, kind: atoll.Unavailable},
		"a certificate that the system knows not":  {server: secure, opts: []Option{WithTLS(nil)}, kind: atoll.Unavailable},
		"a certificate of another host":            {server: secure, opts: []Option{WithCertificates(file), WithTLS(&tls.Config{ServerName: "ldap.example.com"})}, kind: atoll.Unavailable},
		"a directory that speaks no TLS":           {opts: []Option{WithCertificates(file)}, kind: atoll.Unavailable},
		"StartTLS":                                 {server: upgrade, opts: []Option{WithStartTLS(), WithCertificates(file)}},
		"StartTLS with another authority":          {server: upgrade, opts: []Option{WithStartTLS(), WithCertificates(other)}, kind: atoll.Unavailable},
		"StartTLS with a directory that knows not": {opts: []Option{WithStartTLS(), WithCertificates(file)}, kind: atoll.Unavailable},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := serve(t, tt.server)
			_, err := s.directory(tt.opts...).Authenticate(t.Context(), "ann", "secret")
			if k := atoll.KindOf(err); k != tt.kind {
				t.Fatalf("Authenticate: %v, want kind %v", err, tt.kind)
			}
			if _, binds, _ := s.seen(); tt.kind != 0 && len(binds) > 0 {
				t.Errorf("the password was sent: %q", binds)
			}
		})
	}
}

func TestALoginTakesNoLongerThanItMay(t *testing.T) {
	s := serve(t, func(s *server) { s.silent = true })
	config, file := authority(t)
	for name, d := range map[string]*Directory{
		"plain":    s.directory(WithTimeout(50 * time.Millisecond)),
		"TLS":      s.directory(WithTimeout(50*time.Millisecond), WithCertificates(file)),
		"StartTLS": s.directory(WithTimeout(50*time.Millisecond), WithStartTLS(), WithTLS(config)),
	} {
		t.Run(name, func(t *testing.T) {
			base := goruntime.NumGoroutine()
			start := time.Now()
			if _, err := d.Authenticate(t.Context(), "ann", "secret"); atoll.KindOf(err) != atoll.Timeout {
				t.Errorf("Authenticate: %v, want timeout", err)
			}
			if took := time.Since(start); took < 50*time.Millisecond || took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			for end := time.Now().Add(10 * time.Second); goruntime.NumGoroutine() > base; goruntime.Gosched() {
				if time.Now().After(end) {
					t.Fatalf("%d goroutines are left of %d", goruntime.NumGoroutine(), base)
				}
			}
		})
	}
	t.Run("the default is half a second", func(t *testing.T) {
		d, err := New("localhost", "uid={user}")
		if err != nil || d.timeout != 500*time.Millisecond || cap(d.slots) != 16 {
			t.Errorf("New: timeout %v, %d connections, %v", d.timeout, cap(d.slots), err)
		}
	})
	t.Run("it ends with the caller", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := s.directory().Authenticate(ctx, "ann", "secret")
			done <- err
		}()
		for n, _, _ := s.seen(); n < 4; n, _, _ = s.seen() {
			goruntime.Gosched()
		}
		cancel()
		if err := <-done; atoll.KindOf(err) != atoll.Canceled {
			t.Errorf("Authenticate: %v, want canceled", err)
		}
	})
}

func TestNoMoreLoginsAtATimeThanAllowed(t *testing.T) {
	s := serve(t, func(s *server) { s.silent = true })
	d := s.directory(WithConnections(2), WithTimeout(time.Minute))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := d.Authenticate(ctx, "ann", "secret")
			ended <- err
		}()
	}
	for n, _, _ := s.seen(); n < 2; n, _, _ = s.seen() {
		goruntime.Gosched()
	}
	hurried := *d
	hurried.timeout = 50 * time.Millisecond
	if _, err := hurried.Authenticate(t.Context(), "ann", "secret"); atoll.KindOf(err) != atoll.Overloaded {
		t.Errorf("a third login: %v, want overloaded", err)
	}
	if _, err := d.Authenticate(canceled(t), "ann", "secret"); atoll.KindOf(err) != atoll.Canceled {
		t.Errorf("a login of a caller who has gone: %v, want canceled", err)
	}
	if n, _, _ := s.seen(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
	cancel()
	for range 2 {
		if err := <-ended; atoll.KindOf(err) != atoll.Canceled {
			t.Errorf("a login whose caller gives up: %v, want canceled", err)
		}
	}
}

func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func TestNew(t *testing.T) {
	const template = "uid={user},ou=People,dc=example,dc=com"
	_, file := authority(t)
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		values  map[string]any
		opts    []Option
		address string
		paths   []string
	}{
		"the least":                     {values: map[string]any{keyHost: "h", keyBindDN: template}, address: "h:389"},
		"with certificates":             {values: map[string]any{keyHost: "h", keyBindDN: template, keyCertificates: []any{file}}, address: "h:636"},
		"StartTLS is on the plain port": {values: map[string]any{keyHost: "h", keyBindDN: template, keyCertificates: []string{file}, keyStartTLS: true}, address: "h:389"},
		"an empty list is plain":        {values: map[string]any{keyHost: "::1", keyBindDN: template, keyCertificates: []any{}, keyPort: 1389.0, keyMultiFactor: false}, address: "[::1]:1389"},
		"values as text":                {values: map[string]any{keyHost: "h", keyBindDN: template, keyPort: "1389", keyMultiFactor: "false"}, address: "h:1389"},
		"options go over settings":      {values: map[string]any{keyHost: "h", keyBindDN: template, keyPort: 1}, opts: []Option{WithPort(2)}, address: "h:2"},
		"several factors are refused":   {values: map[string]any{keyHost: "h", keyBindDN: template, keyMultiFactor: true}, paths: []string{keyMultiFactor}},
		"nothing":                       {paths: []string{keyHost, keyBindDN}},
		"everything wrong": {
			values: map[string]any{keyHost: 1, keyBindDN: true, keyPort: 1.5, keyCertificates: "a", keyStartTLS: 3, keyMultiFactor: "maybe"},
			paths:  []string{keyHost, keyBindDN, keyPort, keyCertificates, keyStartTLS, keyMultiFactor},
		},
		"bad values": {
			values: map[string]any{keyHost: "a b", keyBindDN: "uid=ann", keyPort: 70000, keyCertificates: []any{empty, empty + "x"}},
			paths:  []string{keyHost, keyBindDN, keyPort, keyCertificates, keyCertificates},
		},
		"a template that is no name":           {values: map[string]any{keyHost: "h", keyBindDN: "{user}@example.com"}, paths: []string{keyBindDN}},
		"a template with the name as a type":   {values: map[string]any{keyHost: "h", keyBindDN: "{user}=x,dc=com"}, paths: []string{keyBindDN}},
		"a certificate that is not text":       {values: map[string]any{keyHost: "h", keyBindDN: template, keyCertificates: []any{1}}, paths: []string{keyCertificates}},
		"options without sense":                {values: map[string]any{keyHost: "h", keyBindDN: template}, opts: []Option{WithTimeout(0)}, paths: []string{"options"}},
		"keys that are not of the directory's": {values: map[string]any{keyHost: "h", keyBindDN: template, "coral.log-level": 1, keyMultiFactor[:len(keyMultiFactor)-7] + "mobile-field": "m"}, address: "h:389"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d, err := FromSettings(tt.values, tt.opts...)
			if len(tt.paths) == 0 {
				if err != nil || d.address != tt.address {
					t.Fatalf("FromSettings: %v, %+v, want address %q", err, d, tt.address)
				}
				return
			}
			e, ok := err.(*atoll.Error)
			if !ok || e.Kind != atoll.Invalid {
				t.Fatalf("FromSettings: %v, want invalid", err)
			}
			var paths []string
			for _, f := range e.Findings {
				paths = append(paths, f.Path)
			}
			less := func(a, b string) bool { return a < b }
			if diff := cmp.Diff(tt.paths, paths, sorted(less)); diff != "" {
				t.Errorf("paths of findings mismatch (-want +got):\n%s\n%v", diff, err)
			}
		})
	}
}

func TestTheDirectoryNeedsNoListenerToBeMade(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	accepted := make(chan struct{})
	go func() {
		if c, err := ln.Accept(); err == nil {
			c.Close()
			close(accepted)
		}
	}()
	if _, err := New("127.0.0.1", "uid={user}", WithPort(ln.Addr().(*net.TCPAddr).Port)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-accepted:
		t.Error("New connected")
	default:
	}
}
