package rest_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"testing"

	"github.com/atoll-platform/atoll/httpapi/rest"
)

func TestSameOriginGuard(t *testing.T) {
	tests := map[string]struct {
		header http.Header
		host   string
		status int
	}{
		"no browser":                       {http.Header{}, "a.test", 200},
		"the same origin":                  {http.Header{"Origin": {"http://a.test"}}, "a.test", 200},
		"the same origin in capitals":      {http.Header{"Origin": {"http://A.test"}}, "a.test", 200},
		"another host":                     {http.Header{"Origin": {"http://b.test"}}, "a.test", 403},
		"another port":                     {http.Header{"Origin": {"http://a.test:81"}}, "a.test", 403},
		"an origin without a name":         {http.Header{"Origin": {"null"}}, "a.test", 403},
		"an origin that is none":           {http.Header{"Origin": {"%zz"}}, "a.test", 403},
		"two origins, one of them strange": {http.Header{"Origin": {"http://a.test", "http://b.test"}}, "a.test", 403},
		"a cross-site fetch":               {http.Header{"Sec-Fetch-Site": {"cross-site"}}, "a.test", 403},
		"a fetch of the same site":         {http.Header{"Sec-Fetch-Site": {"same-origin"}}, "a.test", 200},
		"a page typed in":                  {http.Header{"Sec-Fetch-Site": {"none"}}, "a.test", 200},
	}
	for name, tt := range tests {
		for _, method := range []string{"GET", "POST", "OPTIONS", "BREW", "HEAD"} {
			for _, guarded := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s %s guarded %v", name, method, guarded), func(t *testing.T) {
					h := toyServer(t, rest.Options{}, toyDialect(t, "coral", &toy{}, func(p *rest.Profile) { p.Guard = &rest.Guard{SameOrigin: guarded} }))
					r := toyRequest{dialect: "coral", method: method, path: "/things", header: tt.header}.make()
					r.Host = tt.host
					got := serve(h, r).status
					if refused := got == 403; refused != (guarded && tt.status == 403) {
						t.Errorf("got %d", got)
					}
				})
			}
		}
	}
}

// TestLocalGuard goes through peer × Host × forwarding header × switch.
func TestLocalGuard(t *testing.T) {
	peers := map[string]bool{"127.0.0.1:1": true, "127.9.9.9:1": true, "[::1]:1": true, "[::ffff:127.0.0.1]:1": true, "@": true, "": true, "/run/x.sock": true,
		"10.1.2.3:1": true, "10.2.0.1:1": false, "192.168.0.1:1": false, "[fe80::1%lo]:1": false, "[2001:db8::1]:1": false, "strange": false}
	hosts := map[string]bool{"localhost": true, "LOCALHOST:8080": true, "127.0.0.1": true, "127.0.0.1:80": true, "[::1]": true, "[::1]:80": true, "box.internal:1": true,
		"evil.test": false, "evil.test:80": false, "localhost.evil.test": false, "127.0.0.1.evil.test": false, "": false, "localhost:x": false, "a b": false, "[::1": false}
	headers := map[string]bool{"": true, "Forwarded": false, "X-Forwarded-For": false, "X-Real-IP": false, "Via": false, "X-Other": true}
	on := true
	h := toyServer(t, rest.Options{Dialects: map[string]rest.DialectOptions{"cxengage": {Guard: &rest.Guard{
		Local: func() bool { return on }, Peers: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}, Hosts: []string{"box.internal"}}}}},
		toyDialect(t, "cxengage", &toy{}))
	for peer, peerOK := range peers {
		for host, hostOK := range hosts {
			for header, headerOK := range headers {
				for _, on = range []bool{true, false} {
					r := toyRequest{dialect: "cxengage", method: "GET", path: "/things/a"}.make()
					r.RemoteAddr, r.Host = peer, host
					if header != "" {
						r.Header.Set(header, "127.0.0.1")
					}
					want := 200
					if on && !(peerOK && hostOK && headerOK) {
						want = 403
					}
					if got := serve(h, r).status; got != want {
						t.Errorf("peer %q host %q header %q on %v: got %d, want %d", peer, host, header, on, got, want)
					}
				}
			}
		}
	}
}
