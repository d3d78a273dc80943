package rest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/httpapi/rest"
)

func TestDialectsSideBySide(t *testing.T) {
	var all []*rest.Dialect
	for _, name := range toyNames {
		all = append(all, toyDialect(t, name, &toy{}))
	}
	on := true
	o := rest.Options{OpenAPI: true, Dialects: map[string]rest.DialectOptions{"cxengage": {Enabled: func() bool { return on }}}}
	h := toyServer(t, o, all...)
	const nobody = `{"error":"No such path."}`
	get := func(target string) answer {
		r := httptest.NewRequest("GET", target, nil)
		for _, name := range toyNames {
			if strings.HasPrefix(r.URL.Path, prefixOf(name)) || r.URL.Path == "/" {
				addCredentials(name, r.Header)
				if r.URL.Path == "/" {
					break
				}
			}
		}
		return serve(h, r)
	}
	for target, want := range map[string]shown{
		"/":                      {200, map[string]string{"Content-Type": "application/json; charset=UTF-8"}, `"api is running. enjoy"`},
		"/api/things/health":     {200, map[string]string{"Content-Type": "application/json; charset=UTF-8"}, `"fine"`},
		"/api/v1/things/health/": {200, map[string]string{"Content-Type": "application/json"}, `"fine"`},
		"/v1/things/health":      {200, map[string]string{"Content-Type": "application/json"}, `"fine"`},
		"/1.0/things/health":     {200, map[string]string{"Content-Type": "application/json"}, `"fine"`},
		"/v1.1/things/health/":   {200, map[string]string{"Content-Type": "application/json; charset=utf-8"}, `"fine"`},
		"/v11/things":            {404, map[string]string{"Content-Type": "application/json"}, nobody},
		"/v":                     {404, map[string]string{"Content-Type": "application/json"}, nobody},
		"/elsewhere":             {404, map[string]string{"Content-Type": "application/json"}, nobody},
		"//v1/things":            {404, map[string]string{"Content-Type": "application/json"}, nobody},
		"/openapi/none.json":     {404, map[string]string{"Content-Type": "application/json"}, nobody},
		"/%00":                   {404, map[string]string{"Content-Type": "application/json"}, nobody},
		"/v1/%00":                {400, map[string]string{"Content-Type": "application/json"}, ""},
	} {
		got := get(target).show("Content-Type")
		if want.Status == 400 {
			got.Body = ""
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", target, diff)
		}
	}
	for _, name := range toyNames {
		if got := get("/openapi/" + name + ".json"); got.status != 200 || !strings.Contains(got.body, `"openapi"`) {
			t.Errorf("the document of %s: got %d %.100s", name, got.status, got.body)
		}
	}
	on = false
	off, unknown := get("/1.0/things/health"), get("/2.0/things/health")
	off.header.Del("X-Request-Id")
	unknown.header.Del("X-Request-Id")
	if diff := cmp.Diff(unknown.show(), off.show()); diff != "" || cmp.Diff(unknown.header, off.header) != "" {
		t.Errorf("a dialect that is off differs from an unknown path:\n%s", diff)
	}
	if got := get("/openapi/cxengage.json"); got.status != 404 {
		t.Errorf("its document: got %d", got.status)
	}
}

func TestMountingFaults(t *testing.T) {
	coral := toyDialect(t, "coral", &toy{})
	for name, tt := range map[string]struct {
		o        rest.Options
		dialects []*rest.Dialect
		want     string
	}{
		"a dialect twice":                   {rest.Options{}, []*rest.Dialect{coral, coral}, "twice"},
		"options for nobody":                {rest.Options{Dialects: map[string]rest.DialectOptions{"x": {}}}, []*rest.Dialect{coral}, `"x"`},
		"a root that is not there":          {rest.Options{Root: "x"}, []*rest.Dialect{coral}, "root"},
		"a base URL with a path":            {rest.Options{BaseURL: "http://h/p"}, nil, "BaseURL"},
		"a base URL of another scheme":      {rest.Options{BaseURL: "ftp://h"}, nil, "BaseURL"},
		"a base URL that holds credentials": {rest.Options{BaseURL: "http://a:b@h"}, nil, "BaseURL"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := rest.NewServer(tt.o, tt.dialects...); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}

func TestSelf(t *testing.T) {
	tests := map[string]struct {
		dialect, target, host, base string
		want                        rest.Self
		status                      int
	}{
		"the Host of the request":        {"coral", "/things?limit=3&b", "h.test:81", "", rest.Self{Path: "/api/things", Query: []rest.Pair{{Name: "limit", Value: "3"}, {Name: "b", Bare: true}}, Base: "http://h.test:81"}, 200},
		"a configured URL wins":          {"coral", "/things", "evil.test", "https://good.test", rest.Self{Path: "/api/things", Base: "https://good.test"}, 200},
		"the path is the canonical one":  {"syncano", "/things", "h", "", rest.Self{Path: "/v1.1/things/", Base: "http://h"}, 200},
		"credentials are taken out":      {"syncano", "/things?api_key=" + toyKey + "&limit=1", "h", "", rest.Self{Path: "/v1.1/things/", Query: []rest.Pair{{Name: "limit", Value: "1"}}, Base: "http://h"}, 200},
		"a Host that is none is refused": {"coral", "/things", "a/b", "", rest.Self{}, 400},
		"an empty Host is refused":       {"coral", "/things", "", "", rest.Self{}, 400},
		"a strange Host under a set URL": {"coral", "/things", "a/b", "http://good.test", rest.Self{Path: "/api/things", Base: "http://good.test"}, 200},
		"a port that is no number":       {"coral", "/things", "h:x", "", rest.Self{}, 400},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got rest.Self
			h := toyServer(t, rest.Options{BaseURL: tt.base}, toyDialect(t, tt.dialect, &toy{list: func(_ context.Context, in listIn) ([]thing, error) {
				got = in.Self
				return nil, nil
			}}))
			r := toyRequest{dialect: tt.dialect, method: "GET", path: tt.target}.make()
			r.Host = tt.host
			a := serve(h, r)
			if diff := cmp.Diff(tt.want, got); diff != "" || a.status != tt.status {
				t.Errorf("status %d (-want +got):\n%s", a.status, diff)
			}
		})
	}
}

func TestAccessHook(t *testing.T) {
	var got []rest.Access
	o := rest.Options{Access: func(_ context.Context, a *rest.Access) { got = append(got, *a) }}
	h := toyServer(t, o, toyDialect(t, "coral", &toy{}))
	for _, q := range []toyRequest{
		{method: "GET", path: "/things/a"}, {method: "GET", path: "/things/missing"}, {method: "GET", path: "/nowhere"}, {method: "GET", path: "/things", anonymous: true},
	} {
		q.dialect = "coral"
		q.to(h)
	}
	serve(h, httptest.NewRequest("GET", "/else", nil))
	type line struct {
		Dialect, Operation, Template, Method, Principal string
		Status                                          int
		Bytes                                           int64
		Kind                                            atoll.Kind
	}
	var lines []line
	for _, a := range got {
		lines = append(lines, line{a.Dialect, a.Operation, a.Template, a.Method, a.Principal, a.Status, a.Bytes, atoll.KindOf(a.Err)})
		if a.RequestID == "" || a.Start.IsZero() {
			t.Errorf("incomplete: %+v", a)
		}
	}
	want := []line{
		{"coral", "toy.get", "/api/things/{id}", "GET", "neo", 200, 19, 0},
		{"coral", "toy.get", "/api/things/{id}", "GET", "neo", 404, 67, atoll.NotFound},
		{"coral", "", "", "GET", "", 404, 42, atoll.NotFound},
		{"coral", "toy.list", "/api/things", "GET", "", 401, 60, atoll.Unauthenticated},
		{"", "", "", "GET", "", 404, 25, 0},
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

func TestConstructionFaults(t *testing.T) {
	row := func(change func(*rest.Operation)) func() rest.Operation {
		return func() rest.Operation {
			o := rest.Operation{ID: "x", Routes: []rest.Route{{Method: "GET", Path: "/api/x"}}}
			change(&o)
			return rest.Op(o, func(context.Context, noIn) (thing, error) { return thing{}, nil })
		}
	}
	for name, make := range map[string]func() rest.Operation{
		"a row without an id":              row(func(o *rest.Operation) { o.ID = "" }),
		"a row without a route":            row(func(o *rest.Operation) { o.Routes = nil }),
		"a method in small letters":        row(func(o *rest.Operation) { o.Routes[0].Method = "get" }),
		"HEAD, which comes by itself":      row(func(o *rest.Operation) { o.Routes[0].Method = "HEAD" }),
		"a parameter that no field takes":  row(func(o *rest.Operation) { o.Routes[0].Path = "/api/{x}" }),
		"a success that is none":           row(func(o *rest.Operation) { o.Status = []int{404} }),
		"204 and 200 at once for a value":  row(func(o *rest.Operation) { o.Status = []int{304} }),
		"a stream form without a stream":   row(func(o *rest.Operation) { o.Stream = rest.SSE }),
		"an error case that is a success":  row(func(o *rest.Operation) { o.Errors = []rest.Case{{Kind: atoll.Denied, Status: 200}} }),
		"an upload without a field for it": row(func(o *rest.Operation) { o.Body = rest.UploadBody }),
		"a negative limit of the body":     row(func(o *rest.Operation) { o.MaxBody = -1 }),
		"an input that is no struct": func() rest.Operation {
			return rest.Op(rest.Operation{ID: "x", Routes: []rest.Route{{Method: "GET", Path: "/api/x"}}}, func(context.Context, int) (thing, error) { return thing{}, nil })
		},
		"a result that cannot be written": func() rest.Operation {
			return rest.Op(rest.Operation{ID: "x", Routes: []rest.Route{{Method: "GET", Path: "/api/x"}}}, func(context.Context, noIn) (chan int, error) { return nil, nil })
		},
	} {
		t.Run(name+" panics", func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("it passed")
				}
			}()
			make()
		})
	}
	good := row(func(*rest.Operation) {})
	for name, tt := range map[string]struct {
		change func(*rest.Profile)
		ops    []rest.Operation
		want   string
	}{
		"a row that was not made by Op":    {nil, []rest.Operation{{ID: "raw"}}, "not made by Op"},
		"two rows of one id":               {nil, []rest.Operation{good(), good()}, "two operations"},
		"a row outside of the prefix":      {func(p *rest.Profile) { p.Prefix = "/other" }, []rest.Operation{good()}, "outside of /other"},
		"a kind without a status":          {func(p *rest.Profile) { delete(p.Status, rest.Case{Kind: atoll.Quota}) }, nil, "no status for quota"},
		"a kernel case without a status":   {func(p *rest.Profile) { delete(p.Status, rest.Case{Kind: atoll.NotFound, Code: rest.CodeRoute}) }, nil, "no status for not found route"},
		"a status that is a success":       {func(p *rest.Profile) { p.Status[rest.Case{Kind: atoll.Quota}] = 200 }, nil, "status 200"},
		"no error body":                    {func(p *rest.Profile) { p.Fail = nil }, nil, "no Fail"},
		"no name":                          {func(p *rest.Profile) { p.Name = "" }, nil, "no name"},
		"a prefix that ends in a slash":    {func(p *rest.Profile) { p.Prefix = "/api/" }, nil, "want /a/b"},
		"a scheme nobody declared":         {nil, []rest.Operation{row(func(o *rest.Operation) { o.Auth = "stager" })()}, `no scheme "stager"`},
		"a first renderer that is no JSON": {func(p *rest.Profile) { p.Renderers = []rest.Renderer{{}} }, nil, "renderer 0"},
	} {
		t.Run(name+" is refused", func(t *testing.T) {
			p := toyProfile("coral")
			if tt.change != nil {
				tt.change(&p)
			}
			if _, err := rest.New(p, tt.ops...); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}

func TestOddTargets(t *testing.T) {
	h := toyServer(t, rest.Options{}, toyDialect(t, "coral", &toy{}))
	r := httptest.NewRequest("GET", "/", nil)
	addCredentials("coral", r.Header)
	r.URL.Path = ""
	if got := serve(h, r); got.status != 200 {
		t.Errorf("an absolute URL without a path: got %d", got.status)
	}
	r = httptest.NewRequest(http.MethodConnect, "/api/things", nil)
	addCredentials("coral", r.Header)
	if got := serve(h, r); got.status != 405 || got.header.Get("Allow") != "GET, HEAD, OPTIONS, POST" {
		t.Errorf("CONNECT: got %d, Allow %q", got.status, got.header.Get("Allow"))
	}
}
