package rest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/atoll-platform/atoll/httpapi/rest"
)

type panicReader struct{ left int }

func (p *panicReader) Read(b []byte) (int, error) {
	if p.left == 0 {
		panic("HIDDEN reader")
	}
	n := min(len(b), p.left)
	p.left -= n
	return n, nil
}

type panicIn struct {
	Size int `json:"size"`
}

func (panicIn) Check(*rest.Findings) { panic("HIDDEN check") }

type panicOut struct{}

func (panicOut) MarshalJSON() ([]byte, error) { panic("HIDDEN encoder") }

func TestPanics(t *testing.T) {
	row := func(id, method string, change func(*rest.Operation)) rest.Operation {
		o := rest.Operation{ID: id, Routes: []rest.Route{{Method: method, Path: "/api/" + id}}}
		if change != nil {
			change(&o)
		}
		return o
	}
	profile := toyProfile("coral")
	fail := profile.Fail
	profile.Fail = func(c *rest.Call, f *rest.Failure) any {
		if c.Op != nil && c.Op.ID == "fail" {
			panic("HIDDEN fail")
		}
		return fail(c, f)
	}
	profile.Renderers = append(profile.Renderers, rest.Renderer{Media: "text/html", Render: func(*bytes.Buffer, []byte, *rest.Call) error { panic("HIDDEN renderer") }})
	d, err := rest.New(profile,
		rest.Op(row("call", "GET", nil), func(context.Context, noIn) (thing, error) { panic("HIDDEN call") }),
		rest.Op(row("nil", "GET", nil), func(context.Context, noIn) (thing, error) { var p *thing; return *p, nil }),
		rest.Op(row("check", "POST", func(o *rest.Operation) { o.Body = rest.JSONBody }), func(context.Context, panicIn) (thing, error) { return thing{}, nil }),
		rest.Op(row("encode", "GET", nil), func(context.Context, noIn) (panicOut, error) { return panicOut{}, nil }),
		rest.Op(row("fail", "GET", nil), func(context.Context, noIn) (thing, error) { return thing{}, errors.New("HIDDEN") }),
		rest.Op(row("fine", "GET", nil), func(context.Context, noIn) (thing, error) { return thing{}, nil }),
		rest.Op(row("early", "GET", nil), func(context.Context, noIn) (rest.Bytes, error) {
			return rest.Bytes{Len: 9, Reader: &panicReader{}}, nil
		}),
		rest.Op(row("late", "GET", nil), func(context.Context, noIn) (rest.Bytes, error) {
			return rest.Bytes{Len: 1 << 20, Reader: &panicReader{100 << 10}}, nil
		}),
		rest.Op(row("abort", "GET", nil), func(context.Context, noIn) (thing, error) { panic(http.ErrAbortHandler) }),
		rest.Op(row("stream", "GET", func(o *rest.Operation) { o.Stream = rest.Lines }), func(context.Context, noIn) (rest.Stream[thing], error) {
			n := 0
			return rest.Stream[thing]{Next: func(context.Context) (thing, error) {
				if n++; n == 3 {
					panic("HIDDEN source")
				}
				return thing{"a", n}, nil
			}}, nil
		}),
	)
	if err != nil {
		t.Fatal(err)
	}
	const body = `"reason":"An internal error occurred. The request id names it in the logs."`
	tests := map[string]struct {
		method, path, body, accept string
		status                     int
		aborted                    bool
		contains                   string
		log                        string
	}{
		"in the row's function":                     {method: "GET", path: "/call", status: 500, contains: body, log: "HIDDEN call"},
		"of the run time":                           {method: "GET", path: "/nil", status: 500, contains: body, log: "nil pointer"},
		"in a check of the input":                   {method: "POST", path: "/check", body: "{}", status: 500, contains: body, log: "HIDDEN check"},
		"in the encoder, before the first byte":     {method: "GET", path: "/encode", status: 500, contains: body, log: "HIDDEN encoder"},
		"in a reader, before the first byte":        {method: "GET", path: "/early", status: 500, contains: body, log: "HIDDEN reader"},
		"in a reader, after it, cuts":               {method: "GET", path: "/late", status: 200, aborted: true, log: "HIDDEN reader"},
		"in a renderer that fails for errors too":   {method: "GET", path: "/fine", accept: "text/html", status: 500, contains: `{"error":"An internal error`, log: "HIDDEN renderer"},
		"in the dialect's error body":               {method: "GET", path: "/fail", status: 500, contains: `{"error":"An internal error`, log: "HIDDEN fail"},
		"of somebody who wants the connection gone": {method: "GET", path: "/abort", status: 0, aborted: true},
		"in the source of a stream cuts":            {method: "GET", path: "/stream", status: 200, aborted: true, contains: "{\"id\":\"a\",\"size\":2}\n", log: "HIDDEN source"},
	}
	for name, tt := range tests {
		t.Run("a panic "+name, func(t *testing.T) {
			log, text := logged()
			h := toyServer(t, rest.Options{Logger: log, Limits: rest.Limits{InFlight: 1, PerPrincipal: 1, Streams: 1}}, d)
			q := toyRequest{dialect: "coral", method: tt.method, path: tt.path, body: tt.body}
			if tt.accept != "" {
				q.header = http.Header{"Accept": {tt.accept}}
			}
			for range 3 { // a slot that was kept would show
				text.Reset()
				got := q.to(h)
				if got.status != tt.status || got.aborted != tt.aborted || !strings.Contains(got.body, tt.contains) || strings.Contains(got.body, "HIDDEN") {
					t.Errorf("got %d, aborted %v, %s", got.status, got.aborted, got.body)
				}
				if tt.log != "" && (!strings.Contains(text.String(), tt.log) || strings.Count(text.String(), "stack=") != 1 && tt.path != "/fail") {
					t.Errorf("the log says\n%s", text)
				}
			}
			if got := (toyRequest{dialect: "coral", method: "GET", path: "/fine"}).to(h); got.status != 200 {
				t.Errorf("afterwards: got %d %s", got.status, got.body)
			}
		})
	}
}

var _ io.Reader = (*panicReader)(nil)
