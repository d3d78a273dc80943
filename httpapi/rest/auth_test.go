package rest_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/policy"
)

// plainCredentials shows what Credentials themselves never show.
type plainCredentials struct{ Form, Name, Secret, UserKey, Tenant, Peer string }

func TestCredentials(t *testing.T) {
	basic := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	none := plainCredentials{Form: "none", Peer: "127.0.0.1"}
	tests := map[string]struct {
		dialect, path string
		header        http.Header
		want          plainCredentials
	}{
		"Basic":                                       {"coral", "/things", http.Header{"Authorization": {basic("neo:a:b")}}, plainCredentials{"basic", "neo", "a:b", "", "", "127.0.0.1"}},
		"Basic in another case":                       {"coral", "/things", http.Header{"Authorization": {strings.Replace(basic("neo:x"), "Basic", "bAsIc", 1)}}, plainCredentials{"basic", "neo", "x", "", "", "127.0.0.1"}},
		"Basic that is no base64 has no secret":       {"coral", "/things", http.Header{"Authorization": {"Basic ???"}}, plainCredentials{Form: "basic", Peer: "127.0.0.1"}},
		"Basic without a colon has no secret":         {"coral", "/things", http.Header{"Authorization": {basic("neo")}}, plainCredentials{Form: "basic", Peer: "127.0.0.1"}},
		"a scheme the dialect does not know is none":  {"coral", "/things", http.Header{"Authorization": {"Bearer x"}}, none},
		"no header is none":                           {"coral", "/things", http.Header{}, none},
		"ApiKey is split at the first colon, trimmed": {"tutum", "/things", http.Header{"Authorization": {"apikey  neo : k:1 "}}, plainCredentials{"apikey", "neo", "k:1", "", "", "127.0.0.1"}},
		"the second scheme of a dialect":              {"tutum", "/things", http.Header{"Authorization": {basic("neo:k")}}, plainCredentials{"basic", "neo", "k", "", "", "127.0.0.1"}},
		"keys in a query do not count everywhere":     {"tutum", "/things?api_key=k", http.Header{}, none},
		"Bearer": {"apcera", "/things", http.Header{"Authorization": {"Bearer  tok "}}, plainCredentials{"bearer", "", "tok", "", "", "127.0.0.1"}},
		"a token in the path, on its own rows alone": {"apcera", "/stage/tok%2F1/data", http.Header{"Authorization": {"Bearer other"}}, plainCredentials{"key", "", "tok/1", "", "", "127.0.0.1"}},
		"a key header":                                 {"syncano", "/things?api_key=second", http.Header{"X-Api-Key": {" first "}, "Authorization": {"token third"}}, plainCredentials{"key", "", "first", "", "", "127.0.0.1"}},
		"a key in the query comes second":              {"syncano", "/things?apikey=no&api_key=second", http.Header{"Authorization": {"token third"}}, plainCredentials{"key", "", "second", "", "", "127.0.0.1"}},
		"another name for it":                          {"syncano", "/things?apikey=second", http.Header{}, plainCredentials{"key", "", "second", "", "", "127.0.0.1"}},
		"an empty parameter is absent":                 {"syncano", "/things?api_key=", http.Header{"Authorization": {"TOKEN third"}}, plainCredentials{"key", "", "third", "", "", "127.0.0.1"}},
		"Bearer counts as token":                       {"syncano", "/things", http.Header{"Authorization": {"Bearer third"}}, plainCredentials{"key", "", "third", "", "", "127.0.0.1"}},
		"an empty key header decides too":              {"syncano", "/things?api_key=second", http.Header{"X-Api-Key": {""}}, plainCredentials{"key", "", "", "", "", "127.0.0.1"}},
		"the key of an end user":                       {"syncano", "/things?userkey=u2", http.Header{"X-Api-Key": {"k"}}, plainCredentials{"key", "", "k", "u2", "", "127.0.0.1"}},
		"the key of an end user, header before query":  {"syncano", "/things?user_key=u2", http.Header{"X-Api-Key": {"k"}, "X-User-Key": {"u1"}}, plainCredentials{"key", "", "k", "u1", "", "127.0.0.1"}},
		"Basic where only keys count is none":          {"syncano", "/things", http.Header{"Authorization": {basic("neo:x")}}, none},
		"the last of repeated parameters counts":       {"syncano", "/things?api_key=a&api_key=b", http.Header{}, plainCredentials{"key", "", "b", "", "", "127.0.0.1"}},
		"nothing is read in a row with its own scheme": {"apcera", "/stage/x/data", http.Header{}, plainCredentials{"key", "", "x", "", "", "127.0.0.1"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []plainCredentials
			auth := policy.AuthenticatorFunc(func(_ context.Context, c policy.Credentials) (*policy.Principal, error) {
				got = append(got, plainCredentials{c.Form.String(), c.Name, c.Secret, c.UserKey, c.Tenant, c.Peer})
				return &policy.Principal{Kind: policy.User, Name: "neo"}, nil
			})
			h := toyServer(t, rest.Options{Authenticator: auth}, toyDialect(t, tt.dialect, &toy{}))
			a := toyRequest{dialect: tt.dialect, method: "GET", path: tt.path, header: tt.header, anonymous: true}.to(h)
			if diff := cmp.Diff([]plainCredentials{tt.want}, got); diff != "" || a.status != 200 {
				t.Errorf("status %d, credentials (-want +got):\n%s", a.status, diff)
			}
		})
	}
}

func TestNeeds(t *testing.T) {
	asked := 0
	auth := policy.AuthenticatorFunc(func(ctx context.Context, c policy.Credentials) (*policy.Principal, error) {
		asked++
		return toyUsers(ctx, c)
	})
	tests := map[string]struct {
		path      string
		anonymous bool
		bad       bool
		status    int
		body      string
		asked     int
	}{
		"a public row reads no credentials":             {"/open", false, false, 200, `"public"`, 0},
		"a public row reads no bad ones either":         {"/open", false, true, 200, `"public"`, 0},
		"none is the public, where they are optional":   {"/maybe", true, false, 200, `"public"`, 0},
		"good ones are used, where they are optional":   {"/maybe", false, false, 200, `"neo"`, 1},
		"bad ones are refused, where they are optional": {"/maybe", false, true, 401, "", 1},
		"where they are required, none is asked about":  {"/things", true, false, 401, "", 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			asked = 0
			q := toyRequest{dialect: "coral", method: "GET", path: tt.path, anonymous: tt.anonymous}
			if tt.bad {
				q.header = http.Header{"Authorization": {"Basic bmVvOng="}}
			}
			got := q.to(toyServer(t, rest.Options{Authenticator: auth}, toyDialect(t, "coral", &toy{})))
			if got.status != tt.status || tt.body != "" && got.body != tt.body || asked != tt.asked {
				t.Errorf("got %d %s, asked %d times", got.status, got.body, asked)
			}
		})
	}
	t.Run("without an authenticator nobody is known", func(t *testing.T) {
		d := toyDialect(t, "coral", &toy{})
		if got := (toyRequest{dialect: "coral", method: "GET", path: "/things"}).to(d); got.status != 401 {
			t.Errorf("a required row: got %d", got.status)
		}
		if got := (toyRequest{dialect: "coral", method: "GET", path: "/open"}).to(d); got.status != 200 {
			t.Errorf("a public row: got %d", got.status)
		}
	})
	t.Run("an authenticator that knows nobody and says nothing refuses", func(t *testing.T) {
		silent := policy.AuthenticatorFunc(func(context.Context, policy.Credentials) (*policy.Principal, error) { return nil, nil })
		if got := (toyRequest{dialect: "coral", method: "GET", path: "/things"}).to(toyServer(t, rest.Options{Authenticator: silent}, toyDialect(t, "coral", &toy{}))); got.status != 401 {
			t.Errorf("got %d", got.status)
		}
	})
}

// TestPlantedCredentialsNeverShow sends credentials in every form and place,
// good and bad, through everything that can go wrong, and looks for them.
func TestPlantedCredentialsNeverShow(t *testing.T) {
	const secret = "PLANTED-5ecret"
	forms := map[string][]toyRequest{}
	for _, dialect := range toyNames {
		var list []toyRequest
		add := func(path string, h http.Header) {
			list = append(list, toyRequest{dialect: dialect, path: path, header: h, anonymous: true})
		}
		switch dialect {
		case "coral":
			add("", http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte("neo:"+secret))}})
			add("", http.Header{"Authorization": {"Basic " + secret}})
		case "tutum":
			add("", http.Header{"Authorization": {"ApiKey neo:" + secret}})
		case "apcera", "cxengage":
			add("", http.Header{"Authorization": {"Bearer " + secret}})
			if dialect == "apcera" {
				add("/stage/"+secret+"/data", nil)
			}
		case "syncano":
			add("", http.Header{"X-Api-Key": {secret}, "X-User-Key": {secret}})
			add("?api_key="+secret+"&user_key="+secret+"&limit=3", nil)
			add("?apikey="+secret+"&userkey="+secret, nil)
			add("", http.Header{"Authorization": {"token " + secret}})
		}
		forms[dialect] = list
	}
	outcomes := map[string]policy.Authenticator{
		"good": policy.AuthenticatorFunc(func(context.Context, policy.Credentials) (*policy.Principal, error) {
			return &policy.Principal{Kind: policy.User, Name: "neo", UserID: "u"}, nil
		}),
		"bad": policy.AuthenticatorFunc(func(_ context.Context, c policy.Credentials) (*policy.Principal, error) {
			return nil, &atoll.Error{Kind: atoll.Unauthenticated, Msg: "No.", Details: map[string]any{"credentials": c}}
		}),
		"broken": policy.AuthenticatorFunc(func(_ context.Context, c policy.Credentials) (*policy.Principal, error) {
			return nil, atoll.Errorf(atoll.Internal, "auth", "cannot look up %v", c)
		}),
		"panicking": policy.AuthenticatorFunc(func(_ context.Context, c policy.Credentials) (*policy.Principal, error) { panic(c) }),
	}
	for dialect, list := range forms {
		for outcome, auth := range outcomes {
			t.Run(dialect+" "+outcome, func(t *testing.T) {
				log, text := logged()
				var self []rest.Self
				toy := &toy{list: func(_ context.Context, in listIn) ([]thing, error) {
					self = append(self, in.Self)
					return nil, nil
				}}
				h := toyServer(t, rest.Options{Authenticator: auth, Logger: log, Access: rest.AccessLog(log)}, toyDialect(t, dialect, toy))
				for _, form := range list {
					for _, target := range []struct{ method, path string }{
						{"GET", "/things"}, {"GET", "/things/missing"}, {"GET", "/fail/denied/-"}, {"GET", "/fail/internal/-"},
						{"PATCH", "/things/a"}, {"BREW", "/things"}, {"OPTIONS", "/things"}, {"GET", "/nowhere"},
					} {
						q := form
						q.method = target.method
						if !strings.HasPrefix(q.path, "/stage") {
							q.path = target.path + q.path
						}
						a := q.to(h)
						if strings.Contains(a.body, "PLANTED") {
							t.Errorf("%s %s shows it: %d %s", q.method, q.path, a.status, a.body)
						}
						for name, values := range a.header {
							if strings.Contains(strings.Join(values, " "), "PLANTED") {
								t.Errorf("%s %s: header %s shows it: %s", q.method, q.path, name, values)
							}
						}
					}
				}
				if strings.Contains(text.String(), "PLANTED") || text.Len() == 0 {
					t.Errorf("the log:\n%.2000s", text)
				}
				for _, s := range self {
					for _, p := range s.Query {
						if strings.Contains(p.Value, "PLANTED") {
							t.Errorf("a link would repeat it: %v", s)
						}
					}
				}
				if outcome == "good" && len(self) == 0 && dialect != "apcera" {
					t.Error("no list was asked for")
				}
			})
		}
	}
}
