package ldap

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
)

// person is one entry of the directory of the tests.
type person struct {
	password string
	attrs    map[string][]string
}

// server is a directory server: it knows simple binds, base searches with an
// equality filter, and StartTLS.
type server struct {
	t      *testing.T
	ln     net.Listener
	people map[string]person // by normal distinguished name

	upgrade *tls.Config // for StartTLS; nil refuses it
	bind    int64       // result of every bind, if not 0
	silent  bool        // answers nothing
	flood   bool        // answers a bind with much
	garbage bool        // answers a bind with what is no packet
	hangUp  bool        // ends the connection on a bind
	refer   bool        // adds references to searches
	answers string      // the name of entries that are found; "" is theirs

	mu       sync.Mutex
	conns    int
	binds    []string // "name password"
	searches []string // "name filter"
}

func serve(t *testing.T, change func(*server)) *server {
	t.Helper()
	s := &server{t: t, people: make(map[string]person)}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.ln = ln
	s.add("uid=ann,ou=People,dc=example,dc=com", "secret", map[string][]string{"uid": {"ann"}, "fullName": {"Ann Lee"},
		"email": {"ann@example.com"}, "department": {"core"}, "mobile": {"123", "456"}})
	if change != nil {
		change(s)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := s.ln.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns++
			s.mu.Unlock()
			wg.Go(func() { s.talk(c) })
		}
	})
	t.Cleanup(func() {
		s.ln.Close()
		wg.Wait()
	})
	return s
}

func normal(t *testing.T, dn string) string {
	d, err := goldap.ParseDN(dn)
	if err != nil {
		t.Errorf("distinguished name %q: %v", dn, err)
		return ""
	}
	return d.String()
}

func (s *server) add(dn, password string, attrs map[string][]string) {
	s.people[normal(s.t, dn)] = person{password, attrs}
}

// directory returns a Directory that asks the server.
func (s *server) directory(opts ...Option) *Directory {
	s.t.Helper()
	host, port, err := net.SplitHostPort(s.ln.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		s.t.Fatal(err)
	}
	d, err := New(host, "uid={user},ou=People,dc=example,dc=com", append([]Option{WithPort(n), WithTimeout(10 * time.Second)}, opts...)...)
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

// seen returns what was asked.
func (s *server) seen() (conns int, binds, searches []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns, slices.Clone(s.binds), slices.Clone(s.searches)
}

func (s *server) talk(c net.Conn) {
	defer func() { c.Close() }()
	if s.silent {
		_, _ = io.Copy(io.Discard, c)
		return
	}
	bound := ""
	for {
		p, err := ber.ReadPacket(c)
		if err != nil || len(p.Children) < 2 {
			return
		}
		id, req := p.Children[0].Value, p.Children[1]
		switch req.Tag {
		case goldap.ApplicationBindRequest:
			var ok bool
			if bound, ok = s.bound(c, id, req); !ok {
				return
			}
		case goldap.ApplicationSearchRequest:
			s.search(c, id, req, bound)
		case goldap.ApplicationExtendedRequest:
			if s.upgrade == nil {
				s.result(c, id, goldap.ApplicationExtendedResponse, goldap.LDAPResultProtocolError)
				continue
			}
			s.result(c, id, goldap.ApplicationExtendedResponse, goldap.LDAPResultSuccess)
			c = tls.Server(c, s.upgrade)
		default:
			return
		}
	}
}

func (s *server) bound(c net.Conn, id any, req *ber.Packet) (string, bool) {
	dn, password := req.Children[1].Value.(string), req.Children[2].Data.String()
	s.mu.Lock()
	s.binds = append(s.binds, dn+" "+password)
	s.mu.Unlock()
	code := int64(goldap.LDAPResultInvalidCredentials)
	name := normal(s.t, dn)
	p, ok := s.people[name]
	switch {
	case s.hangUp:
		return "", false
	case s.garbage:
		_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
		return "", false
	case s.flood:
		big := ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, string(make([]byte, 16<<20)), "")
		_, _ = c.Write(s.envelope(id, goldap.ApplicationBindResponse, big).Bytes())
		return "", false
	case s.bind != 0:
		code = s.bind
	case password == "": // an unauthenticated bind succeeds, as with real servers
		code, name = goldap.LDAPResultSuccess, ""
	case ok && p.password == password:
		code = goldap.LDAPResultSuccess
	}
	s.result(c, id, goldap.ApplicationBindResponse, code)
	return name, true
}

func (s *server) search(c net.Conn, id any, req *ber.Packet, bound string) {
	dn, scope, f := req.Children[0].Value.(string), req.Children[1].Value.(int64), req.Children[6]
	text, err := goldap.DecompileFilter(f)
	if err != nil {
		s.t.Errorf("filter: %v", err)
	}
	s.mu.Lock()
	s.searches = append(s.searches, dn+" "+text)
	s.mu.Unlock()
	p, ok := s.people[normal(s.t, dn)]
	if f.Tag == goldap.FilterEqualityMatch && scope == goldap.ScopeBaseObject && ok && bound != "" &&
		f.Children[0].Value.(string) == "uid" && slices.Contains(p.attrs["uid"], f.Children[1].Value.(string)) {
		entry := dn
		if s.answers != "" {
			entry = s.answers
		}
		list := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
		for name, values := range p.attrs {
			a := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
			a.AppendChild(octets(name))
			set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
			for _, v := range values {
				set.AppendChild(octets(v))
			}
			a.AppendChild(set)
			list.AppendChild(a)
		}
		_, _ = c.Write(s.envelope(id, goldap.ApplicationSearchResultEntry, octets(entry), list).Bytes())
	}
	if s.refer {
		_, _ = c.Write(s.envelope(id, goldap.ApplicationSearchResultReference, octets("ldap://127.0.0.1:1/dc=elsewhere")).Bytes())
	}
	s.result(c, id, goldap.ApplicationSearchResultDone, goldap.LDAPResultSuccess)
}

func octets(v string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, v, "")
}

func (s *server) envelope(id any, op ber.Tag, children ...*ber.Packet) *ber.Packet {
	p := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id.(int64), ""))
	res := ber.Encode(ber.ClassApplication, ber.TypeConstructed, op, nil, "")
	for _, c := range children {
		res.AppendChild(c)
	}
	p.AppendChild(res)
	return p
}

func (s *server) result(c net.Conn, id any, op ber.Tag, code int64) {
	parts := []*ber.Packet{ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, code, ""), octets(""), octets("")}
	if code == goldap.LDAPResultReferral {
		refs := ber.Encode(ber.ClassContext, ber.TypeConstructed, 3, nil, "")
		refs.AppendChild(octets("ldap://127.0.0.1:1/"))
		parts = append(parts, refs)
	}
	_, _ = c.Write(s.envelope(id, op, parts...).Bytes())
}

// authority makes a certificate authority and returns a server's configuration
// with a certificate of it for 127.0.0.1, and the file with the authority.
func authority(t *testing.T) (*tls.Config, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "tests"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, file
}
