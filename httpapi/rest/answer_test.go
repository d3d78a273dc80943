package rest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/httpapi/rest"
)

// shown is what a test says about an answer.
type shown struct {
	Status int
	Header map[string]string
	Body   string
}

func (a answer) show(headers ...string) shown {
	s := shown{Status: a.status, Body: a.body, Header: map[string]string{}}
	for _, h := range headers {
		if v := a.header.Values(h); len(v) > 0 {
			s.Header[h] = strings.Join(v, " | ")
		}
	}
	return s
}

func TestResultsDecideTheAnswer(t *testing.T) {
	toy := &toy{
		bytes: func(context.Context) (rest.Bytes, error) {
			return rest.Bytes{Type: "image/png", Len: 4, Reader: strings.NewReader("\x89PNG")}, nil
		},
		script: func(context.Context) (rest.Response, error) {
			return rest.Response{Status: 207, Header: http.Header{
				"content-type": {"text/html"}, "X-Own": {"kept"}, "Connection": {"upgrade"}, "Set-Cookie": {"a=b"},
				"X-Request-Id": {"forged"}, "X-Split": {"a\r\nX-Evil: 1"}, "Access-Control-Allow-Origin": {"*"},
			}, Body: []byte("<b>hi</b>")}, nil
		},
	}
	tests := map[string]struct {
		dialect, method, path, body string
		headers                     []string
		want                        shown
	}{
		"a value is JSON under 200": {dialect: "coral", method: "GET", path: "/things/a", headers: []string{"Content-Type", "Content-Length"},
			want: shown{200, map[string]string{"Content-Type": "application/json; charset=UTF-8", "Content-Length": "19"}, `{"id":"a","size":7}`}},
		"the common headers are on every answer": {dialect: "tutum", method: "GET", path: "/things/a", headers: []string{"Cache-Control", "Vary", "X-Content-Type-Options"},
			want: shown{200, map[string]string{"Cache-Control": "must-revalidate, max-age=0", "Vary": "Accept, Authorization, Cookie", "X-Content-Type-Options": "nosniff"}, `{"id":"a","size":7}`}},
		"Created is 201 with its place": {dialect: "cxengage", method: "POST", path: "/things", body: `{"size":3}`, headers: []string{"Location"},
			want: shown{201, map[string]string{"Location": "/1.0/things/new"}, `{"id":"new","size":3}`}},
		"None is 204 without type, length and body": {dialect: "syncano", method: "DELETE", path: "/things/a", headers: []string{"Content-Type", "Content-Length"},
			want: shown{204, map[string]string{}, ""}},
		"Null is null": {dialect: "apcera", method: "POST", path: "/null", headers: []string{"Content-Type", "Content-Length"},
			want: shown{200, map[string]string{"Content-Type": "application/json", "Content-Length": "4"}, "null"}},
		"Redirect sends elsewhere": {dialect: "coral", method: "GET", path: "/move", headers: []string{"Location", "Content-Type"},
			want: shown{303, map[string]string{"Location": "/api/things"}, ""}},
		"Bytes come as they are, as an attachment": {dialect: "apcera", method: "GET", path: "/bytes", headers: []string{"Content-Type", "Content-Length", "Content-Disposition"},
			want: shown{200, map[string]string{"Content-Type": "image/png", "Content-Length": "4", "Content-Disposition": "attachment"}, "\x89PNG"}},
		"Response keeps what is its own": {dialect: "syncano", method: "GET", path: "/script",
			headers: []string{"Content-Type", "X-Own", "X-Split", "X-Evil", "Connection", "Set-Cookie", "Access-Control-Allow-Origin", "Content-Security-Policy", "Content-Length"},
			want:    shown{207, map[string]string{"Content-Type": "text/html", "X-Own": "kept", "Content-Security-Policy": "sandbox; default-src 'none'", "Content-Length": "9"}, "<b>hi</b>"}},
		"a public row has the public principal": {dialect: "coral", method: "GET", path: "/open", want: shown{200, map[string]string{}, `"public"`}},
		"a tail reaches its row uncleaned":      {dialect: "apcera", method: "GET", path: "/files/a/%2e%2e/b//c/", want: shown{200, map[string]string{}, `"a/../b//c/"`}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := toyServer(t, rest.Options{}, toyDialect(t, tt.dialect, toy))
			q := toyRequest{dialect: tt.dialect, method: tt.method, path: tt.path, body: tt.body}
			if diff := cmp.Diff(tt.want, q.to(h).show(tt.headers...)); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHeadIsGetWithoutBody(t *testing.T) {
	toy := &toy{
		bytes: func(context.Context) (rest.Bytes, error) {
			return rest.Bytes{Type: "text/plain", Len: 5, Reader: strings.NewReader("hello")}, nil
		},
		script: func(context.Context) (rest.Response, error) { return rest.Response{Body: []byte("out")}, nil },
	}
	for _, dialect := range toyNames {
		h := toyServer(t, rest.Options{}, toyDialect(t, dialect, toy))
		for _, path := range []string{"/things", "/things/a", "/things/missing", "/nowhere", "/things?limit=x", "/bytes", "/script"} {
			t.Run(dialect+" "+path, func(t *testing.T) {
				get := toyRequest{dialect: dialect, method: "GET", path: path}.to(h)
				head := toyRequest{dialect: dialect, method: "HEAD", path: path}.to(h)
				get.header.Del("X-Request-Id")
				head.header.Del("X-Request-Id")
				if len(get.body) == 0 || head.body != "" || head.status != get.status {
					t.Errorf("GET %d %q, HEAD %d %q", get.status, get.body, head.status, head.body)
				}
				// The request id is part of this dialect's error bodies, with the same length.
				if diff := cmp.Diff(get.header, head.header); diff != "" {
					t.Errorf("headers (-GET +HEAD):\n%s", diff)
				}
			})
		}
	}
}

func TestSlashRules(t *testing.T) {
	tests := map[string]struct {
		dialect, method, target string
		status                  int
		location                string
	}{
		"without a slash canonical, with one served alike":   {"coral", "GET", "/api/things/", 200, ""},
		"with a slash canonical, without one served alike":   {"syncano", "GET", "/v1.1/things", 200, ""},
		"GET is moved for good":                              {"tutum", "GET", "/api/v1/things", 301, "/api/v1/things/"},
		"HEAD is moved for good":                             {"tutum", "HEAD", "/api/v1/things", 301, "/api/v1/things/"},
		"other methods keep method and body":                 {"tutum", "POST", "/api/v1/things", 308, "/api/v1/things/"},
		"OPTIONS is moved before it is answered":             {"tutum", "OPTIONS", "/api/v1/things", 308, "/api/v1/things/"},
		"raw path and query are kept":                        {"tutum", "GET", "/api/v1/things/a%2Fb?x=%20&y", 301, "/api/v1/things/a%2Fb/?x=%20&y"},
		"an empty query is none":                             {"tutum", "GET", "/api/v1/things?", 301, "/api/v1/things/"},
		"unknown paths are moved too, before authentication": {"tutum", "GET", "/api/v1/nowhere", 301, "/api/v1/nowhere/"},
		"the prefix itself is moved":                         {"tutum", "GET", "/api/v1", 301, "/api/v1/"},
		"with the slash it is served":                        {"tutum", "GET", "/api/v1/things/", 200, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := toyServer(t, rest.Options{}, toyDialect(t, tt.dialect, &toy{}))
			r := toyRequest{dialect: tt.dialect, method: tt.method, path: "http://example.com" + tt.target}.make()
			got := serve(h, r)
			if got.status != tt.status || got.header.Get("Location") != tt.location {
				t.Errorf("got %d to %q, want %d to %q", got.status, got.header.Get("Location"), tt.status, tt.location)
			}
		})
	}
}

func TestOptions(t *testing.T) {
	tests := map[string]struct {
		dialect, path string
		header        http.Header
		anonymous     bool
		want          shown
	}{
		"an empty answer needs no credentials":    {dialect: "coral", path: "/things", anonymous: true, want: shown{204, map[string]string{"Allow": "GET, HEAD, OPTIONS, POST"}, ""}},
		"a list of methods":                       {dialect: "tutum", path: "/things/health", anonymous: true, want: shown{200, map[string]string{"Allow": "GET, HEAD, OPTIONS"}, `{"allow":["GET","HEAD","OPTIONS"]}`}},
		"null":                                    {dialect: "apcera", path: "/things/a", anonymous: true, want: shown{200, map[string]string{"Allow": "DELETE, GET, HEAD, OPTIONS, PATCH"}, "null"}},
		"nothing":                                 {dialect: "cxengage", path: "/null", anonymous: true, want: shown{204, map[string]string{"Allow": "OPTIONS, POST"}, ""}},
		"metadata needs credentials":              {dialect: "syncano", path: "/things/a", anonymous: true, want: shown{403, map[string]string{"Allow": "DELETE, GET, HEAD, OPTIONS, PATCH"}, `{"detail":"Who are you?"}`}},
		"metadata of what is missing is missing":  {dialect: "syncano", path: "/things/missing", want: shown{404, map[string]string{"Allow": "DELETE, GET, HEAD, OPTIONS, PATCH"}, `{"detail":"There is no such thing."}`}},
		"an unknown path has no methods":          {dialect: "coral", path: "/nowhere", want: shown{404, map[string]string{}, `{"reason":"No such path.","success":false}`}},
		"a preflight is answered before all else": {dialect: "syncano", path: "/things", anonymous: true, header: http.Header{"Origin": {"http://good.test"}, "Access-Control-Request-Method": {"POST"}}, want: shown{204, map[string]string{"Allow": "GET, HEAD, OPTIONS, POST", "Access-Control-Allow-Origin": "http://good.test"}, ""}},
		"a preflight of a stranger gets nothing":  {dialect: "syncano", path: "/things", anonymous: true, header: http.Header{"Origin": {"http://evil.test"}, "Access-Control-Request-Method": {"POST"}}, want: shown{204, map[string]string{"Allow": "GET, HEAD, OPTIONS, POST"}, ""}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			o := rest.Options{Dialects: map[string]rest.DialectOptions{tt.dialect: {Origins: []string{"http://good.test"}}}}
			h := toyServer(t, o, toyDialect(t, tt.dialect, &toy{}))
			q := toyRequest{dialect: tt.dialect, method: "OPTIONS", path: tt.path, header: tt.header, anonymous: tt.anonymous}
			got := q.to(h)
			if diff := cmp.Diff(tt.want, got.show("Allow", "Access-Control-Allow-Origin")); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			if got.header.Get("Access-Control-Allow-Credentials") != "" {
				t.Error("credentials of a browser are allowed")
			}
		})
	}
	t.Run("metadata shows the rows the caller may use", func(t *testing.T) {
		h := toyServer(t, rest.Options{}, toyDialect(t, "syncano", &toy{}, func(p *rest.Profile) {
			p.Granted = func(_ context.Context, o *rest.Operation, _ func(string) (string, bool)) bool {
				return o.ID != "toy.create"
			}
		}))
		got := toyRequest{dialect: "syncano", method: "OPTIONS", path: "/things"}.to(h)
		if got.status != 200 || !strings.Contains(got.body, `"name":"Thing List"`) || strings.Contains(got.body, "POST") {
			t.Errorf("got %d %s", got.status, got.body)
		}
	})
}

func TestAcceptPicksTheForm(t *testing.T) {
	h := toyServer(t, rest.Options{}, toyDialect(t, "syncano", &toy{}))
	tests := map[string]struct {
		accept []string
		status int
		kind   string
	}{
		"none is JSON":                    {nil, 200, "application/json; charset=utf-8"},
		"anything is JSON":                {[]string{"*/*"}, 200, "application/json; charset=utf-8"},
		"a family is enough":              {[]string{"application/*"}, 200, "application/json; charset=utf-8"},
		"a page is given to who ranks it": {[]string{"text/html, application/json;q=0.5"}, 200, "text/html; charset=utf-8"},
		"of equals the first is given":    {[]string{"text/html, application/json"}, 200, "application/json; charset=utf-8"},
		"a browser gets a page":           {[]string{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, 200, "text/html; charset=utf-8"},
		"several headers count as one":    {[]string{"image/png", "application/json"}, 200, "application/json; charset=utf-8"},
		"nothing fits":                    {[]string{"image/png"}, 406, "application/json; charset=utf-8"},
		"zero is not wanted":              {[]string{"application/json;q=0, text/html;q=0"}, 406, "application/json; charset=utf-8"},
		"a narrow refusal beats a star":   {[]string{"application/json;q=0, */*"}, 200, "text/html; charset=utf-8"},
		"a broken weight is none":         {[]string{"application/json;q=x"}, 406, "application/json; charset=utf-8"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := toyRequest{dialect: "syncano", method: "GET", path: "/things/a", header: http.Header{"Accept": tt.accept}}.to(h)
			if got.status != tt.status || got.header.Get("Content-Type") != tt.kind {
				t.Errorf("got %d %s, want %d %s", got.status, got.header.Get("Content-Type"), tt.status, tt.kind)
			}
		})
	}
	t.Run("a page shows no markup of values", func(t *testing.T) {
		got := toyRequest{dialect: "syncano", method: "GET", path: "/things/%3Cscript%3E", header: http.Header{"Accept": {"text/html"}}}.to(h)
		want := shown{200, map[string]string{"Content-Security-Policy": "default-src 'none'"}, `<!doctype html><pre>{&#34;id&#34;:&#34;&lt;script&gt;&#34;,&#34;size&#34;:7}</pre>`}
		if diff := cmp.Diff(want, got.show("Content-Security-Policy")); diff != "" {
			t.Error(diff)
		}
	})
}

func TestTags(t *testing.T) {
	index := uint64(7)
	h := toyServer(t, rest.Options{Index: func() uint64 { return index }}, toyDialect(t, "coral", &toy{}))
	first := toyRequest{dialect: "coral", method: "GET", path: "/tagged"}.to(h)
	tag := first.header.Get("Etag")
	if first.status != 200 || !strings.HasPrefix(tag, `W/"7.`) {
		t.Fatalf("got %d, tag %q", first.status, tag)
	}
	again := toyRequest{dialect: "coral", method: "GET", path: "/tagged", header: http.Header{"If-None-Match": {`"x", ` + tag}}}.to(h)
	if diff := cmp.Diff(shown{304, map[string]string{"Etag": tag}, ""}, again.show("Etag", "Content-Type", "Content-Length")); diff != "" {
		t.Errorf("an unchanged answer (-want +got):\n%s", diff)
	}
	stranger := toyRequest{dialect: "coral", method: "GET", path: "/tagged", anonymous: true, header: http.Header{"If-None-Match": {tag}}}.to(h)
	if stranger.status != 401 {
		t.Errorf("without credentials: got %d, want 401", stranger.status)
	}
	index++
	if moved := (toyRequest{dialect: "coral", method: "GET", path: "/tagged", header: http.Header{"If-None-Match": {tag}}}).to(h); moved.status != 200 {
		t.Errorf("after a commit: got %d, want 200", moved.status)
	}
	if off := (toyRequest{dialect: "coral", method: "GET", path: "/things/a"}).to(h); off.header.Get("Etag") != "" {
		t.Error("a row that did not ask for it has a tag")
	}
}

// breaking fails to be encoded.
type breaking struct{}

func (breaking) MarshalJSON() ([]byte, error) { return nil, errors.New("HIDDEN") }

type choosing struct {
	OK bool `json:"ok"`
	n  int
}

func (c choosing) StatusCode() int      { return c.n }
func (c choosing) Header(h http.Header) { h.Set("X-Next", "more") }

func TestResultsThatChoose(t *testing.T) {
	n := 0
	row := rest.Operation{ID: "choose", Routes: []rest.Route{{Method: "PUT", Path: "/api/link"}}, Status: []int{201, 200}}
	d, err := rest.New(toyProfile("coral"), rest.Op(row, func(context.Context, noIn) (choosing, error) { return choosing{true, n}, nil }))
	if err != nil {
		t.Fatal(err)
	}
	h := toyServer(t, rest.Options{}, d)
	for _, tt := range []struct{ choose, want int }{{0, 201}, {201, 201}, {200, 200}, {202, 500}} {
		n = tt.choose
		got := toyRequest{dialect: "coral", method: "PUT", path: "/link"}.to(h)
		if got.status != tt.want || tt.want < 500 && got.header.Get("X-Next") != "more" {
			t.Errorf("choosing %d: got %d %v, want %d", tt.choose, got.status, got.header, tt.want)
		}
	}
}

func TestAnEncoderThatFailsIsACleanError(t *testing.T) {
	row := rest.Operation{ID: "break", Action: "Break", Routes: []rest.Route{{Method: "GET", Path: "/api/break"}}}
	d, err := rest.New(toyProfile("coral"), rest.Op(row, func(context.Context, noIn) (map[string]any, error) {
		return map[string]any{"a": 1, "b": breaking{}}, nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	got := toyRequest{dialect: "coral", method: "GET", path: "/break"}.to(toyServer(t, rest.Options{}, d))
	want := shown{500, map[string]string{"Content-Type": "application/json; charset=UTF-8"},
		`{"action":"Break","reason":"An internal error occurred. The request id names it in the logs.","success":false}`}
	if diff := cmp.Diff(want, got.show("Content-Type")); diff != "" {
		t.Error(diff)
	}
}

// shortReader breaks after some bytes.
type shortReader struct {
	text   string
	err    error
	closed *int
}

func (s *shortReader) Read(p []byte) (int, error) {
	n := copy(p, s.text)
	if s.text = s.text[n:]; s.text == "" {
		return n, s.err
	}
	return n, nil
}

func (s *shortReader) Close() error { *s.closed++; return nil }

func TestBytesThatBreak(t *testing.T) {
	long := strings.Repeat("x", 100<<10)
	tests := map[string]struct {
		text    string
		err     error
		length  int64
		status  int
		aborted bool
		got     int
	}{
		"a reader that fails at once is an error of the dialect": {"", errors.New("HIDDEN"), 10, 500, false, -1},
		"too few bytes, seen at once, are one too":               {"abc", io.EOF, 10, 500, false, -1},
		"a reader that fails later cuts the connection":          {long, errors.New("HIDDEN"), int64(2 * len(long)), 200, true, len(long)},
		"too few bytes, seen later, cut the connection":          {long, io.EOF, int64(2 * len(long)), 200, true, len(long)},
		"an unknown length ends with the reader":                 {long, io.EOF, -1, 200, false, len(long)},
		"more bytes than announced are dropped":                  {long, io.EOF, 70 << 10, 200, false, 70 << 10},
		"no bytes at all":                                        {"", io.EOF, 0, 200, false, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			closed := 0
			h := toyServer(t, rest.Options{}, toyDialect(t, "apcera", &toy{bytes: func(context.Context) (rest.Bytes, error) {
				return rest.Bytes{Type: "application/zip", Len: tt.length, Reader: &shortReader{tt.text, tt.err, &closed}}, nil
			}}))
			got := toyRequest{dialect: "apcera", method: "GET", path: "/bytes"}.to(h)
			if got.status != tt.status || got.aborted != tt.aborted || tt.got >= 0 && len(got.body) != tt.got || closed != 1 {
				t.Errorf("got %d, aborted %v, %d bytes, closed %d times", got.status, got.aborted, len(got.body), closed)
			}
			if strings.Contains(got.body, "HIDDEN") {
				t.Errorf("the cause shows: %s", got.body)
			}
		})
	}
}

func TestUpload(t *testing.T) {
	var got string
	toy := &toy{upload: func(_ context.Context, in uploadIn) (done, error) {
		b, err := io.ReadAll(in.Body.Reader)
		got = string(b)
		return done{int64(len(b)) == in.Body.Length}, err
	}}
	h := toyServer(t, rest.Options{}, toyDialect(t, "apcera", toy))
	a := toyRequest{dialect: "apcera", method: "PUT", path: "/upload", body: "\x00not json"}.to(h)
	if a.status != 200 || a.body != `{"success":true}` || got != "\x00not json" {
		t.Errorf("got %d %s, the service read %q", a.status, a.body, got)
	}
	r := toyRequest{dialect: "apcera", method: "PUT", path: "/upload", body: "x"}.make()
	r.ContentLength = -1
	if a := serve(h, r); a.status != 411 {
		t.Errorf("without a length: got %d, want 411", a.status)
	}
	r = toyRequest{dialect: "apcera", method: "PUT", path: "/upload", body: "x"}.make()
	r.ContentLength = 1<<20 + 1
	if a := serve(h, r); a.status != 413 {
		t.Errorf("over the limit: got %d, want 413", a.status)
	}
}
