package rest_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/policy"
)

// The toy is one small table under five profiles that differ as the five
// dialects of the platform do.

const (
	toySecret = "s3cr3t-p4ssw0rd"
	toyKey    = "5555555555666666666677777777778888888889"
)

var toyNames = []string{"coral", "tutum", "apcera", "cxengage", "syncano"}

type thing struct {
	ID   string `json:"id"`
	Size int    `json:"size"`
}

type statuses map[rest.Case]int

func kind(k atoll.Kind) rest.Case                   { return rest.Case{Kind: k} }
func kindCode(k atoll.Kind, c atoll.Code) rest.Case { return rest.Case{Kind: k, Code: c} }

// toyStatus is the common part; each profile changes what it does differently.
func toyStatus(changes statuses) map[rest.Case]int {
	s := statuses{
		kind(atoll.Invalid): 400, kind(atoll.Reference): 400, kind(atoll.Unprocessable): 400, kind(atoll.NotFound): 404,
		kind(atoll.Conflict): 409, kind(atoll.FailedState): 409, kind(atoll.Quota): 409, kind(atoll.Denied): 403,
		kind(atoll.Unauthenticated): 401, kind(atoll.TooLarge): 413, kind(atoll.Overloaded): 429, kind(atoll.Unavailable): 503,
		kind(atoll.Timeout): 503, kind(atoll.Failed): 500, kind(atoll.Internal): 500,
		kindCode(atoll.NotFound, rest.CodeRoute): 404, kindCode(atoll.Invalid, rest.CodeMethod): 405,
		kindCode(atoll.Invalid, rest.CodeAccept): 406, kindCode(atoll.Invalid, rest.CodeType): 415,
		kindCode(atoll.Invalid, rest.CodeLength): 411, kindCode(atoll.TooLarge, rest.CodeURI): 414,
	}
	for c, n := range changes {
		s[c] = n
	}
	return s
}

func findingsByField(f *rest.Failure) map[string][]string {
	fields := map[string][]string{}
	for _, x := range f.Findings {
		fields[rest.TopField(x.Path)] = append(fields[rest.TopField(x.Path)], x.Msg)
	}
	return fields
}

func toyProfile(name string) rest.Profile {
	p := rest.Profile{Name: name, MaxBody: 1024, Guard: &rest.Guard{}}
	switch name {
	case "coral":
		p.Prefix, p.Challenge = "/api", `Basic realm="Coral"`
		p.Schemes = []rest.Scheme{{In: rest.InAuthorization, Names: []string{"Basic"}, Form: policy.Basic}}
		p.Guard.SameOrigin = true
		p.Headers = http.Header{"Cache-Control": {"no-store"}, "Vary": {"Authorization"}}
		p.Renderers = []rest.Renderer{{Media: "application/json", Type: "application/json; charset=UTF-8"}}
		p.Status = toyStatus(statuses{kind(atoll.Unprocessable): 422, kind(atoll.Timeout): 504, kindCode(atoll.Denied, atoll.NotOwner): 401})
		p.Words = map[rest.Case]string{
			kind(atoll.NotFound): "No {type} {id}.", kind(atoll.Unauthenticated): "Valid credentials are required.",
			kind(atoll.Denied): "You may not {method} {path}.", kindCode(atoll.Denied, atoll.NotOwner): "The owner in the definition is not the logged-in user.",
			kindCode(atoll.Invalid, rest.CodeAccept): "Only application/json can be returned.", kindCode(atoll.Invalid, rest.CodeType): "Only application/json is accepted.",
		}
		p.Fail = func(c *rest.Call, f *rest.Failure) any {
			body := map[string]any{"success": false, "reason": f.Text}
			if c.Op != nil && f.Stage != rest.StageAuth {
				body["action"] = c.Op.Action
			}
			if f.Stage == rest.StageAccept || f.Stage == rest.StageType {
				body["action"] = "Set HTTP header"
			}
			return body
		}
	case "tutum":
		p.Prefix, p.Challenge, p.Slash = "/api/v1", "ApiKey", rest.SlashRedirect
		p.Schemes = []rest.Scheme{
			{In: rest.InAuthorization, Names: []string{"ApiKey"}, Form: policy.ApiKey},
			{In: rest.InAuthorization, Names: []string{"Basic"}, Form: policy.Basic},
		}
		p.Headers = http.Header{"Cache-Control": {"must-revalidate, max-age=0"}, "Vary": {"Accept, Authorization, Cookie"}}
		p.Options = rest.OptionsObject
		p.Status = toyStatus(statuses{kind(atoll.Conflict): 400, kind(atoll.FailedState): 400, kind(atoll.Quota): 400, kindCode(atoll.Invalid, rest.CodeAccept): 415})
		p.Words = map[rest.Case]string{kind(atoll.Unauthenticated): "Unauthorized"}
		p.Fail = func(c *rest.Call, f *rest.Failure) any {
			body := map[string]any{"error": f.Text}
			if len(f.Findings) > 0 && c.Op != nil {
				body[c.Op.Entity] = findingsByField(f)
			}
			return body
		}
	case "apcera":
		p.Prefix, p.Challenge, p.Accept, p.Type, p.AnyTop = "/v1", "Bearer", rest.HeaderIgnored, rest.HeaderIgnored, true
		p.Schemes = []rest.Scheme{
			{In: rest.InAuthorization, Names: []string{"Bearer"}, Form: policy.Bearer},
			{Name: "stager", In: rest.InPath, Names: []string{"token"}, Form: policy.Key},
		}
		p.Query = rest.QueryRule{FoldNames: true, LooseBools: true}
		p.Options = rest.OptionsNull
		p.Status = toyStatus(statuses{
			kind(atoll.Reference): 404, kind(atoll.Quota): 403, kind(atoll.Overloaded): 503, kindCode(atoll.Invalid, rest.CodeAccept): 400,
		})
		p.Fail = func(c *rest.Call, f *rest.Failure) any {
			body := map[string]any{
				"code": f.Status, "message": f.Text, "client_side": f.Status < 500, "request_id": f.RequestID,
				"retry": f.Status == 503, "fatal": f.Status < 500 && f.Status != 401 && f.Code != atoll.Stale && f.Code != atoll.RequiresRestart,
				"duplicate_key": f.Code == atoll.Exists, "request_invalid": f.Status == 409 && f.Code != atoll.Exists,
				"requires_restart": f.Code == atoll.RequiresRestart, "token_invalid": f.Status == 401,
				"resource_missing": f.Kind == atoll.NotFound || f.Kind == atoll.Reference,
			}
			if f.RetryAfter > 0 {
				body["try_again_in_ms"] = f.RetryAfter * 1000
			}
			if m, ok := f.Details["missing_claims"].([]string); ok {
				body["missing_claims"] = strings.Join(m, ", ")
			}
			return body
		}
	case "cxengage":
		p.Prefix, p.Type, p.NoBody, p.Accept = "/1.0", rest.HeaderNeeded, rest.NoBodyObject, rest.HeaderIgnored
		p.Unknown, p.ReadOnly, p.Duplicate = rest.FieldRefused, rest.FieldRefusedOnCreate, rest.FieldRefused
		p.Schemes = []rest.Scheme{{In: rest.InAuthorization, Names: []string{"Bearer"}, Form: policy.Bearer}}
		p.Guard.SameOrigin = true
		p.Headers = http.Header{"Cache-Control": {"no-store"}}
		p.Status = toyStatus(statuses{kind(atoll.Quota): 400, kind(atoll.Overloaded): 503, kind(atoll.Timeout): 500})
		p.Words = map[rest.Case]string{kind(atoll.NotFound): "{type} {id} does not exist"}
		p.Fail = func(_ *rest.Call, f *rest.Failure) any { return map[string]any{"error": f.Text} }
	case "syncano":
		p.Prefix, p.Slash, p.Coerce, p.Tenant = "/v1.1", rest.SlashEnd, true, "instance"
		p.Query.EmptyAbsent = true
		p.Schemes = []rest.Scheme{
			{In: rest.InHeader, Names: []string{"X-API-KEY"}, Form: policy.Key},
			{In: rest.InQuery, Names: []string{"api_key", "apikey"}, Form: policy.Key},
			{In: rest.InAuthorization, Names: []string{"token", "Bearer"}, Form: policy.Key},
		}
		p.UserKeys = []rest.Scheme{{In: rest.InHeader, Names: []string{"X-USER-KEY"}}, {In: rest.InQuery, Names: []string{"user_key", "userkey"}}}
		p.Options = rest.OptionsMetadata
		p.Headers = http.Header{"Cache-Control": {"no-store"}, "Vary": {"Accept, Authorization, X-API-KEY"}}
		p.Renderers = []rest.Renderer{
			{Media: "application/json", Type: "application/json; charset=utf-8"},
			{Media: "text/html", Type: "text/html; charset=utf-8", Header: http.Header{"Content-Security-Policy": {"default-src 'none'"}},
				Render: func(dst *bytes.Buffer, json []byte, _ *rest.Call) error {
					_, err := fmt.Fprintf(dst, "<!doctype html><pre>%s</pre>", html.EscapeString(string(json)))
					return err
				}},
		}
		p.Status = toyStatus(statuses{
			kind(atoll.Unauthenticated): 403, kind(atoll.Conflict): 400, kind(atoll.FailedState): 400, kind(atoll.Quota): 400,
			kind(atoll.Timeout): 503,
		})
		p.Fail = func(_ *rest.Call, f *rest.Failure) any {
			switch {
			case f.Code == atoll.Stale:
				return map[string]any{"expected_revision": f.Text}
			case len(f.Findings) > 0 && f.Code != rest.CodeSyntax:
				fields := findingsByField(f)
				if whole, ok := fields[""]; ok {
					delete(fields, "")
					fields["non_field_errors"] = whole
				}
				return fields
			}
			return map[string]any{"detail": f.Text}
		}
	}
	return p
}

type noIn struct{}

type idIn struct {
	ID string `path:"id,object"`
}

type listIn struct {
	rest.Self
	Limit int `query:"limit" rule:"default=25 min=0"`
}

type patchIn struct {
	ID   string           `path:"id,object"`
	Size rest.Opt[int]    `json:"size" rule:"min=0 max=1000"`
	Name rest.Opt[string] `json:"name" rule:"max=10"`
}

type postIn struct {
	Size int    `json:"size" rule:"required"`
	Name string `json:"name"`
}

// eventIn takes an event as it came.
type eventIn struct {
	ID    string `path:"id,object"`
	Event event  `body:"raw"`
}

type event struct{ n int }

func (e *event) DecodeBody(text []byte) error {
	if len(text) == 0 || text[0] != '{' || text[len(text)-1] != '}' {
		return atoll.Errorf(atoll.Invalid, "event", "An event is a JSON object.")
	}
	e.n = len(text)
	return nil
}

type uploadIn struct {
	Body rest.Upload `body:"upload"`
}

type tailIn struct {
	Path string `path:"path,object"`
}

type tokenIn struct {
	Token string `path:"token,scope"`
}

type failIn struct {
	Kind string `path:"kind,object"`
	Code string `path:"code,object"`
}

type done struct {
	Success bool `json:"success"`
}

// toy is the service behind the table.
type toy struct {
	get    func(context.Context, idIn) (thing, error)
	list   func(context.Context, listIn) ([]thing, error)
	upload func(context.Context, uploadIn) (done, error)
	bytes  func(context.Context) (rest.Bytes, error)
	script func(context.Context) (rest.Response, error)
	stream func(context.Context) (rest.Stream[thing], error)
	heavy  func(context.Context) (rest.None, error)
	tag    func(context.Context) (thing, error)
	fail   func() error
}

func missing(id string) error {
	return &atoll.Error{Kind: atoll.NotFound, Op: "toy.Get", Msg: "There is no such thing.", Subject: atoll.Subject{Type: "thing", ID: id}}
}

// failure of a kind and code, as a service would make it, with a cause that
// must never show.
func toyFailure(k atoll.Kind, c atoll.Code) error {
	return fmt.Errorf("wrapped in %s: %w", "HIDDEN", &atoll.Error{
		Kind: k, Code: c, Op: "toy.HIDDEN", Msg: "The safe text of " + k.String() + ".", Err: errors.New("the HIDDEN cause"),
		Subject: atoll.Subject{Type: "thing", ID: "t1"},
	})
}

func (t *toy) ops(prefix string) []rest.Operation {
	row := func(id, method, path string) rest.Operation {
		return rest.Operation{ID: "toy." + id, Entity: "thing", Summary: "Works on things", Action: strings.ToUpper(id[:1]) + id[1:] + " thing",
			Contract: id, Routes: []rest.Route{{Method: method, Path: prefix + path}}}
	}
	with := func(o rest.Operation, change func(*rest.Operation)) rest.Operation {
		change(&o)
		return o
	}
	ops := []rest.Operation{
		rest.Op(row("list", "GET", "/things"), func(ctx context.Context, in listIn) ([]thing, error) {
			if t.list != nil {
				return t.list(ctx, in)
			}
			return []thing{{"a", 1}}, nil
		}),
		rest.Op(with(row("create", "POST", "/things"), func(o *rest.Operation) { o.Body = rest.JSONBody }),
			func(_ context.Context, in postIn) (rest.Created[thing], error) {
				return rest.Created[thing]{V: thing{"new", in.Size}, Location: prefix + "/things/new"}, nil
			}),
		rest.Op(row("get", "GET", "/things/{id}"), func(ctx context.Context, in idIn) (thing, error) {
			switch {
			case t.get != nil:
				return t.get(ctx, in)
			case in.ID == "missing":
				return thing{}, missing(in.ID)
			}
			return thing{in.ID, 7}, nil
		}),
		rest.Op(with(row("update", "PATCH", "/things/{id}"), func(o *rest.Operation) { o.Body = rest.JSONBody }),
			func(_ context.Context, in patchIn) (thing, error) {
				if in.ID == "missing" {
					return thing{}, missing(in.ID)
				}
				return thing{in.ID, in.Size.Or(7)}, nil
			}),
		rest.Op(row("delete", "DELETE", "/things/{id}"), func(context.Context, idIn) (rest.None, error) { return rest.None{}, nil }),
		rest.Op(with(row("post", "POST", "/things/{id}/events"), func(o *rest.Operation) { o.Body, o.Limit = rest.RawBody, rest.CheapLoad }),
			func(context.Context, eventIn) (done, error) { return done{true}, nil }),
		rest.Op(row("health", "GET", "/things/health"), func(context.Context, noIn) (string, error) { return "fine", nil }),
		rest.Op(with(row("open", "GET", "/open"), func(o *rest.Operation) { o.Auth = rest.Public }),
			func(ctx context.Context, _ noIn) (string, error) { return policy.ActorName(ctx), nil }),
		rest.Op(with(row("maybe", "GET", "/maybe"), func(o *rest.Operation) { o.Auth = rest.IfGiven }),
			func(ctx context.Context, _ noIn) (string, error) { return policy.ActorName(ctx), nil }),
		rest.Op(with(row("null", "POST", "/null"), func(o *rest.Operation) {}), func(context.Context, noIn) (rest.Null, error) { return rest.Null{}, nil }),
		rest.Op(row("bytes", "GET", "/bytes"), func(ctx context.Context, _ noIn) (rest.Bytes, error) { return t.bytes(ctx) }),
		rest.Op(row("script", "GET", "/script"), func(ctx context.Context, _ noIn) (rest.Response, error) { return t.script(ctx) }),
		rest.Op(with(row("move", "GET", "/move"), func(o *rest.Operation) { o.Status = []int{303} }),
			func(context.Context, noIn) (rest.Redirect, error) {
				return rest.Redirect{Location: prefix + "/things"}, nil
			}),
		rest.Op(with(row("stream", "GET", "/stream"), func(o *rest.Operation) { o.Stream = rest.Lines | rest.SSE }),
			func(ctx context.Context, _ noIn) (rest.Stream[thing], error) { return t.stream(ctx) }),
		rest.Op(with(row("poll", "GET", "/poll"), func(o *rest.Operation) { o.Stream = rest.LongPoll }),
			func(ctx context.Context, _ noIn) (rest.Stream[thing], error) { return t.stream(ctx) }),
		rest.Op(with(row("heavy", "POST", "/heavy"), func(o *rest.Operation) { o.Limit = rest.HeavyLoad }),
			func(ctx context.Context, _ noIn) (rest.None, error) { return t.heavy(ctx) }),
		rest.Op(with(row("upload", "PUT", "/upload"), func(o *rest.Operation) { o.Body, o.MaxBody = rest.UploadBody, 1<<20 }),
			func(ctx context.Context, in uploadIn) (done, error) {
				if t.upload != nil {
					return t.upload(ctx, in)
				}
				_, err := io.Copy(io.Discard, in.Body.Reader)
				return done{err == nil}, err
			}),
		rest.Op(row("file", "GET", "/files/{path...}"), func(_ context.Context, in tailIn) (string, error) { return in.Path, nil }),
		rest.Op(row("fail", "GET", "/fail/{kind}/{code}"), func(_ context.Context, in failIn) (done, error) {
			if t.fail != nil {
				return done{}, t.fail()
			}
			for _, k := range atoll.Kinds() {
				if k.String() == in.Kind {
					return done{}, toyFailure(k, atoll.Code(strings.Trim(in.Code, "-")))
				}
			}
			return done{}, nil
		}),
		rest.Op(with(row("tagged", "GET", "/tagged"), func(o *rest.Operation) { o.ETag = true }),
			func(ctx context.Context, _ noIn) (thing, error) {
				if t.tag != nil {
					return t.tag(ctx)
				}
				return thing{"tagged", 1}, nil
			}),
	}
	if prefix == "/v1" {
		ops = append(ops, rest.Op(with(row("stage", "GET", "/stage/{token}/data"), func(o *rest.Operation) { o.Auth = "stager" }),
			func(_ context.Context, in tokenIn) (string, error) {
				if in.Token == "gone" {
					return "", missing("pipeline")
				}
				return "data", nil
			}))
	}
	if prefix == "/api" {
		root := row("root", "GET", "/")
		root.Routes[0].Path = "/"
		ops = append(ops, rest.Op(root, func(context.Context, noIn) (string, error) { return "api is running. enjoy", nil }))
	}
	return ops
}

// toyUsers knows one caller in every form.
var toyUsers = policy.AuthenticatorFunc(func(_ context.Context, c policy.Credentials) (*policy.Principal, error) {
	p := &policy.Principal{Kind: policy.User, Name: "neo", UserID: "u-neo"}
	switch c.Form {
	case policy.Basic, policy.ApiKey:
		if c.Name == "neo" && c.Secret == toySecret {
			return p, nil
		}
	case policy.Bearer, policy.Key:
		if c.Secret == toyKey || c.Secret == "gone" {
			return p, nil
		}
	}
	return nil, atoll.Errorf(atoll.Unauthenticated, "toy", "Who are you?")
})

// toyDialect is the toy under a profile, after change.
func toyDialect(t testing.TB, name string, toy *toy, change ...func(*rest.Profile)) *rest.Dialect {
	t.Helper()
	p := toyProfile(name)
	for _, c := range change {
		c(&p)
	}
	d, err := rest.New(p, toy.ops(p.Prefix)...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func toyServer(t testing.TB, o rest.Options, dialects ...*rest.Dialect) *rest.Server {
	t.Helper()
	if o.Authenticator == nil {
		o.Authenticator = toyUsers
	}
	s, err := rest.NewServer(o, dialects...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// toyRequest is a request in the words of a dialect, with good credentials.
type toyRequest struct {
	dialect, method, path, body string // path is below the prefix, without the final slash
	header                      http.Header
	anonymous                   bool
}

func prefixOf(dialect string) string { return toyProfile(dialect).Prefix }

func (q toyRequest) make() *http.Request {
	path := q.path
	if !strings.HasPrefix(path, "http") {
		target, query, found := strings.Cut(path, "?")
		path = prefixOf(q.dialect) + target
		if (q.dialect == "tutum" || q.dialect == "syncano") && !strings.HasSuffix(path, "/") {
			path += "/"
		}
		if found {
			path += "?" + query
		}
	}
	var body io.Reader
	if q.body != "" {
		body = strings.NewReader(q.body)
	}
	r := httptest.NewRequest(q.method, path, body)
	r.RemoteAddr = "127.0.0.1:4711"
	if q.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if !q.anonymous {
		addCredentials(q.dialect, r.Header)
	}
	for name, values := range q.header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	return r
}

func addCredentials(dialect string, h http.Header) {
	switch dialect {
	case "coral":
		h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("neo:"+toySecret)))
	case "tutum":
		h.Set("Authorization", "ApiKey neo:"+toySecret)
	case "apcera", "cxengage":
		h.Set("Authorization", "Bearer "+toyKey)
	case "syncano":
		h.Set("X-Api-Key", toyKey)
	}
}

// answer is what came of a request.
type answer struct {
	status  int
	header  http.Header
	body    string
	aborted bool
}

func serve(h http.Handler, r *http.Request) (a answer) {
	w := httptest.NewRecorder()
	defer func() {
		if cause := recover(); cause != nil {
			if cause != http.ErrAbortHandler {
				panic(cause)
			}
			a.aborted = true
		}
		res := w.Result()
		a.status, a.header, a.body = res.StatusCode, res.Header, w.Body.String()
		if a.aborted && !w.Flushed && w.Body.Len() == 0 {
			a.status = 0
		}
	}()
	h.ServeHTTP(w, r)
	return a
}

func (q toyRequest) to(h http.Handler) answer { return serve(h, q.make()) }
