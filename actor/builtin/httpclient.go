package builtin

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

const (
	httpParallel = 8 // requests of one actor at a time
	httpTimeout  = 10 * time.Second
)

var httpClientType = actor.Type{
	Name:     "httpclient",
	Doc:      "Sends each event as an HTTP request and emits the response.",
	Compile:  compiler(buildHTTPClient),
	Stateful: true,
}

type httpClientParams struct {
	Mode     string            `json:"mode" param:"required"`
	URL      *string           `json:"url"`
	Field    *string           `json:"field"`
	Method   string            `json:"method" param:"required"`
	Response *string           `json:"response"`
	Headers  map[string]string `json:"headers"`
}

func buildHTTPClient(p *httpClientParams, in actor.Params, f *findings) actor.Maker {
	shape := httpClient{method: p.Method, emit: true, header: make(http.Header)}
	f.oneOf("/mode", p.Mode, "static", "dynamic")
	f.oneOf("/method", p.Method, "GET", "POST", "PUT", "DELETE")
	switch p.Mode {
	case "static":
		f.required("/url", p.URL == nil)
		if p.URL != nil {
			if err := checkURL(*p.URL); err != "" && f.clean("/url") {
				f.add("/url", "url", `"url" %s`, err)
			}
			shape.url = *p.URL
		}
	case "dynamic":
		f.required("/field", p.Field == nil)
		if p.Field != nil {
			shape.dynamic, shape.field, shape.key = true, *p.Field, actor.KeyOf(*p.Field)
		}
	}
	if p.Response != nil {
		f.oneOf("/response", *p.Response, "emit", "none")
		shape.emit = *p.Response != "none"
	}
	for name := range in.Value.Get("headers").Fields() {
		shape.setHeader(name, p.Headers[name], f)
	}
	if in.Env.HTTP == nil {
		f.add("", "unavailable", "this platform gives actors no HTTP client")
	}
	return func(env *actor.Env) (actor.Actor, error) {
		if env.HTTP == nil {
			return nil, failed("httpclient", "this platform gives actors no HTTP client")
		}
		h := &httpClient{
			method: shape.method, url: shape.url, dynamic: shape.dynamic, field: shape.field, key: shape.key,
			emit: shape.emit, header: shape.header, host: shape.host,
			client: env.HTTP, timeout: env.HTTPTimeout, latest: actor.Null(),
		}
		return h, nil
	}
}

type httpClient struct {
	method  string
	url     string
	dynamic bool // the URL comes from the field
	field   string
	key     actor.Key
	emit    bool
	header  http.Header
	host    string // Host header, "" for that of the URL
	client  *http.Client
	timeout func() time.Duration

	mu     sync.Mutex // Perform runs in parallel, and State beside it
	latest actor.Value
}

// managed are headers that the client itself writes.
var managed = []string{"Connection", "Content-Length", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

func (h *httpClient) setHeader(name, value string, f *findings) {
	at := "/headers/" + escape(name)
	canonical := http.CanonicalHeaderKey(name)
	switch {
	case !f.clean(at):
	case !isToken(name) || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
		f.add(at, "header", "%q is not a header with a value of one line", name)
	case slices.Contains(managed, canonical):
		f.add(at, "header", "the header %q cannot be set", name)
	case canonical == "Host":
		h.host = value
	default:
		h.header.Set(canonical, value)
	}
}

func isToken(s string) bool {
	return s != "" && strings.Trim(s, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// checkURL returns what is wrong with the URL, "" if nothing.
func checkURL(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return "must be a complete http or https URL"
	}
	return ""
}

func (h *httpClient) Parallel() int { return httpParallel }

// Trigger performs the request in place, for callers that can wait.
func (h *httpClient) Trigger(_ actor.Context, e *actor.Event) (*actor.Event, error) {
	return h.Perform(context.Background(), e)
}

// Perform sends the event and returns the response, whatever its status.
func (h *httpClient) Perform(ctx context.Context, e *actor.Event) (*actor.Event, error) {
	timeout := httpTimeout
	if h.timeout != nil {
		timeout = h.timeout()
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := h.request(ctx, e)
	if err != nil {
		return nil, err
	}
	res, err := h.client.Do(req)
	if err != nil {
		return nil, httpError(ctx, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, httpError(ctx, err)
	}
	out := actor.NewEvent(
		actor.Field{Name: "status", Value: actor.String(strings.TrimSpace(res.Status))},
		actor.Field{Name: "headers", Value: headerValue(res.Header)},
		actor.Field{Name: "body", Value: bodyValue(res.Header.Get("Content-Type"), body)},
	)
	if err := out.Err(); err != nil {
		return nil, err
	}
	h.mu.Lock()
	h.latest = out.Value()
	h.mu.Unlock()
	if !h.emit {
		return nil, nil
	}
	return out, nil
}

func (h *httpClient) request(ctx context.Context, e *actor.Event) (*http.Request, error) {
	target := h.url
	if h.dynamic {
		s, ok := e.Get(h.key).Str()
		if !ok {
			return nil, failed("httpclient", "the event has no URL in %q", h.field)
		}
		if bad := checkURL(s); bad != "" {
			return nil, failed("httpclient", "the URL in %q %s", h.field, bad)
		}
		target = s
	}
	var body io.Reader
	if h.method != http.MethodGet {
		body = bytes.NewReader(e.AppendJSON(nil))
	}
	req, err := http.NewRequestWithContext(ctx, h.method, target, body)
	if err != nil {
		return nil, failed("httpclient", "the request cannot be made: %v", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, v := range h.header {
		req.Header[name] = v
	}
	if h.host != "" {
		req.Host = h.host
	}
	return req, nil
}

// httpError tells what failed without the URL, which may carry credentials.
func httpError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return atoll.Wrap("httpclient", ctx.Err())
	}
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err
	}
	msg := err.Error()
	if e, ok := errors.AsType[*atoll.Error](err); ok {
		msg = e.Msg
	}
	return &atoll.Error{Kind: atoll.Failed, Op: "httpclient", Msg: "the request failed: " + msg, Err: err}
}

// headerValue is an object of the headers by name; several values of one name
// are joined by commas.
func headerValue(h http.Header) actor.Value {
	fields := make([]actor.Field, 0, len(h))
	for name, values := range h {
		fields = append(fields, actor.Field{Name: name, Value: actor.String(strings.Join(values, ", "))})
	}
	slices.SortFunc(fields, func(a, b actor.Field) int { return strings.Compare(a.Name, b.Name) })
	return actor.Object(fields...)
}

// bodyValue is the value of a JSON body, and the text of every other one.
func bodyValue(contentType string, body []byte) actor.Value {
	if media, _, err := mime.ParseMediaType(contentType); err == nil && media == "application/json" {
		if v, err := actor.ParseValue(body); err == nil {
			return v
		}
	}
	return actor.String(string(body))
}

func (h *httpClient) StateNames() []string { return []string{"latestResponse"} }

func (h *httpClient) State(name string) actor.Value {
	if name != "latestResponse" {
		return actor.Value{}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.latest
}
