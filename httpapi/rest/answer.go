package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/policy"
)

// render writes the result of the row's function.
func (x *exchange) render(out any) {
	o, h := x.call.Op, x.w.Header()
	if x.tag != "" {
		h["Etag"] = []string{x.tag}
	}
	status, body := o.Status[0], out
	location := ""
	switch o.outKind {
	case outCreated, outAccepted:
		body, location = out.(wrapped).inner()
	case outNull:
		body = nil
	case outRedirect:
		location = out.(Redirect).Location
	case outBytes:
		x.bytes(out.(Bytes), status)
		return
	case outResponse:
		x.foreign(out.(Response))
		return
	case outStream:
		x.streamed(out.(streamer))
		return
	}
	if o.picks {
		status = x.pickStatus(out, body)
	}
	x.out.Reset()
	if o.outKind != outNone && o.outKind != outRedirect {
		if err := encode(&x.out, body, x.p); err != nil {
			x.fail(&atoll.Error{Kind: atoll.Internal, Op: "rest.render", Err: err}, StageRender)
			return
		}
	}
	if o.heads {
		addHeaders(h, out)
		addHeaders(h, body)
	}
	if location != "" {
		h["Location"] = []string{oneLine(location)}
	}
	x.send(status)
}

// pickStatus is the status the result chooses, which the row must declare.
func (x *exchange) pickStatus(values ...any) int {
	for _, v := range values {
		if c, ok := v.(StatusCoder); ok {
			if s := c.StatusCode(); s != 0 {
				if !slices.Contains(x.call.Op.Status, s) {
					panic(fmt.Sprintf("rest: operation %q answers %d, which it does not declare", x.call.Op.ID, s))
				}
				return s
			}
		}
	}
	return x.call.Op.Status[0]
}

func addHeaders(h http.Header, v any) {
	if a, ok := v.(Headerer); ok {
		a.Header(h)
	}
}

// oneLine makes a header value of a text.
func oneLine(s string) string {
	if strings.ContainsAny(s, "\r\n\x00") {
		return strings.NewReplacer("\r", "", "\n", "", "\x00", "").Replace(s)
	}
	return s
}

// send writes status, headers and what is in the out buffer, in the form the
// caller wants.
func (x *exchange) send(status int) {
	h := x.w.Header()
	text := x.out.Bytes()
	if status == http.StatusNoContent || status == http.StatusNotModified {
		text = nil
	}
	if len(text) > 0 {
		if r := &x.p.Renderers[x.renderer]; r.Render != nil {
			x.page.Reset()
			if err := r.Render(&x.page, text, &x.call); err != nil {
				panic(fmt.Errorf("rest: the renderer of %s failed: %w", r.Media, err))
			}
			text = x.page.Bytes()
			for name, values := range r.Header {
				h[http.CanonicalHeaderKey(name)] = slices.Clone(values)
			}
		}
		h["Content-Type"] = x.m.types[x.renderer]
	}
	if len(x.m.origins) > 0 {
		x.allowOrigin(h)
	}
	if status != http.StatusNoContent && status != http.StatusNotModified {
		h["Content-Length"] = intHeader(len(text))
	}
	x.whole(status, text)
}

// whole sends an answer of which all is there.
func (x *exchange) whole(status int, text []byte) {
	if f, ok := x.w.(http.Flusher); ok && x.r.ProtoMajor == 1 {
		// The end of the exchange sees it out, so that the watch can look after all of it.
		x.held = f
		x.waits(writing, x.s.bounds.limits.Write)
		x.head(status)
	} else {
		x.writeHead(status)
	}
	if x.r.Method != http.MethodHead && len(text) > 0 {
		n, err := x.w.Write(text)
		x.written = int64(n)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

// writeHead sends the headers, with a deadline for what follows.
func (x *exchange) writeHead(status int) {
	if d := x.s.bounds.limits.Write; d > 0 {
		setDeadline(x.w, writing, time.Now().Add(d))
	}
	x.head(status)
}

func (x *exchange) head(status int) {
	x.leaveBody()
	x.sent, x.status = true, status
	x.w.WriteHeader(status)
}

// bytes copies raw bytes. What fails before the first byte is an error of the
// dialect; after it, the connection is cut.
func (x *exchange) bytes(b Bytes, status int) {
	if c, ok := b.Reader.(io.Closer); ok {
		defer func() { _ = c.Close() }() // nothing is left to say about it
	}
	if b.Reader == nil {
		b.Reader, b.Len = strings.NewReader(""), 0
	}
	h := x.w.Header()
	kind := b.Type
	if kind == "" {
		kind = "application/octet-stream"
	}
	h["Content-Type"] = []string{oneLine(kind)}
	if b.Len >= 0 {
		h["Content-Length"] = intHeader(int(b.Len))
	}
	disposition(h, kind, b.Name)
	if x.r.Method == http.MethodHead {
		x.writeHead(status)
		return
	}
	const chunk = 32 << 10
	buf := make([]byte, chunk)
	left := b.Len
	for first := true; ; first = false {
		space := buf
		if left >= 0 && left < chunk {
			space = buf[:left]
		}
		n, err := 0, error(io.EOF)
		if len(space) > 0 {
			n, err = io.ReadFull(b.Reader, space)
		}
		ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		broken := err != nil && !ended || ended && left >= 0 && int64(n) < left
		if broken && first {
			for _, name := range []string{"Content-Type", "Content-Length", "Content-Disposition", "Content-Security-Policy"} {
				delete(h, name)
			}
			if ended {
				err = fmt.Errorf("rest: %d bytes were announced: %w", b.Len, io.ErrUnexpectedEOF)
			}
			x.fail(err, StageRender)
			return
		}
		if first {
			x.writeHead(status)
		} else if d := x.s.bounds.limits.Write; d > 0 {
			setDeadline(x.w, writing, time.Now().Add(d))
		}
		k, werr := x.w.Write(buf[:n])
		x.written += int64(k)
		if werr != nil || broken {
			if werr == nil {
				x.err = err
			}
			panic(http.ErrAbortHandler)
		}
		if left >= 0 {
			left -= int64(n)
		}
		if ended || left == 0 {
			return
		}
	}
}

// disposition keeps browsers from showing foreign bytes as pages of ours.
func disposition(h http.Header, kind, name string) {
	media, _, err := mime.ParseMediaType(kind)
	if err != nil {
		media = ""
	}
	page := strings.Contains(media, "html") || strings.Contains(media, "xml") || strings.Contains(media, "svg")
	if page {
		h["Content-Security-Policy"] = []string{"sandbox; default-src 'none'"}
	}
	switch {
	case name != "":
		h["Content-Disposition"] = []string{mime.FormatMediaType("attachment", map[string]string{"filename": name})}
	case !strings.HasPrefix(media, "text/") && media != "application/json" && !strings.HasSuffix(media, "+json") && media != "application/x-ndjson":
		h["Content-Disposition"] = []string{"attachment"}
	}
}

// ours are the headers that foreign code does not set: those of the
// connection, and those by which the server speaks to browsers for all its
// pages.
var ours = map[string]bool{
	"Connection": true, "Keep-Alive": true, "Proxy-Authenticate": true, "Proxy-Authorization": true, "Proxy-Connection": true,
	"Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true, "Content-Length": true, "Date": true,
	"Set-Cookie": true, "Set-Cookie2": true, "Www-Authenticate": true, "Clear-Site-Data": true, "X-Request-Id": true,
	"Strict-Transport-Security": true, "X-Content-Type-Options": true, "Content-Security-Policy": true, "Content-Disposition": true,
}

// foreign passes on an answer that somebody else's code made.
func (x *exchange) foreign(f Response) {
	if f.Status == 0 {
		f.Status = http.StatusOK
	}
	if f.Status < 200 || f.Status > 599 {
		x.fail(&atoll.Error{Kind: atoll.Failed, Op: "rest.render", Msg: fmt.Sprintf("The code answered with status %d.", f.Status)}, StageRender)
		return
	}
	h := x.w.Header()
	for name, values := range f.Header {
		name = http.CanonicalHeaderKey(name)
		if ours[name] || strings.HasPrefix(name, "Access-Control-") || !validHeader(name, values) {
			continue
		}
		h[name] = slices.Clone(values)
	}
	empty := f.Status == http.StatusNoContent || f.Status == http.StatusNotModified
	if empty {
		f.Body = nil
	} else {
		if len(h["Content-Type"]) == 0 {
			h["Content-Type"] = []string{"application/octet-stream"}
		}
		disposition(h, h["Content-Type"][0], "")
		h["Content-Length"] = intHeader(len(f.Body))
	}
	x.whole(f.Status, f.Body)
}

// validHeader refuses names and values that would break the answer apart.
func validHeader(name string, values []string) bool {
	for i := range len(name) {
		c := name[i]
		if c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '_' {
			return false
		}
	}
	return name != "" && !slices.ContainsFunc(values, func(v string) bool { return strings.ContainsAny(v, "\r\n\x00") })
}

// options answers OPTIONS for a path that has no row for it.
func (x *exchange) options() {
	h, t := x.w.Header(), x.match.template
	h["Allow"] = t.allowHeader
	x.out.Reset()
	switch x.p.Options {
	case OptionsObject:
		if err := json.NewEncoder(&x.out).Encode(map[string]any{"allow": t.allow}); err != nil {
			panic(err)
		}
		x.out.Truncate(x.out.Len() - 1)
		x.send(http.StatusOK)
	case OptionsNull:
		x.out.WriteString("null")
		x.send(http.StatusOK)
	case OptionsMetadata:
		x.describe()
	default:
		x.send(http.StatusNoContent)
	}
}

// describe answers with the metadata of the path, to callers that may read
// it: the GET row runs as it would for a GET, and refuses as it would.
func (x *exchange) describe() {
	t := x.match.template
	x.call.Op = t.ops[http.MethodGet]
	var own []Field
	if x.call.Op == nil {
		for _, m := range t.allow {
			if x.call.Op = t.ops[m]; x.call.Op != nil {
				break
			}
		}
		if err := x.authenticate(); err != nil {
			x.fail(err, StageAuth)
			return
		}
		if !x.negotiate() {
			x.fail(errAccept, StageAccept)
			return
		}
	} else {
		out, ok := x.perform()
		if !ok {
			return
		}
		switch out := out.(type) {
		case FieldLister:
			own = out.MetadataFields()
		case streamer:
			out.pump().close()
		case Bytes:
			if c, ok := out.Reader.(io.Closer); ok {
				_ = c.Close() // it was never read
			}
		}
	}
	ctx := policy.WithPrincipal(x.r.Context(), x.call.Principal)
	body := t.meta.body(func(o *Operation) bool {
		return x.p.Granted == nil || x.p.Granted(ctx, o, x.match.value)
	}, own...)
	x.out.Reset()
	if err := encode(&x.out, body, x.p); err != nil {
		x.fail(&atoll.Error{Kind: atoll.Internal, Op: "rest.describe", Err: err}, StageRender)
		return
	}
	x.send(http.StatusOK)
}

// preflight answers a browser that asks whether it may call, in dialects that
// describe themselves; in others OPTIONS is no more than OPTIONS.
func (x *exchange) preflight(h http.Header) bool {
	if x.p.Options != OptionsMetadata {
		return false
	}
	if len(x.r.Header["Origin"]) == 0 || len(x.r.Header["Access-Control-Request-Method"]) == 0 {
		return false
	}
	h["Allow"] = x.match.template.allowHeader
	if x.allowOrigin(h) {
		h["Access-Control-Allow-Methods"] = x.match.template.allowHeader
		h["Access-Control-Allow-Headers"] = []string{"Authorization, Content-Type, X-API-KEY, X-USER-KEY"}
		h["Access-Control-Max-Age"] = []string{"600"}
	}
	x.send(http.StatusNoContent)
	return true
}

// allowOrigin admits a listed origin, never with credentials of its own.
func (x *exchange) allowOrigin(h http.Header) bool {
	origin := x.r.Header.Get("Origin")
	if origin == "" || !slices.Contains(x.m.origins, origin) {
		return false
	}
	h["Access-Control-Allow-Origin"] = []string{origin}
	if !slices.Contains(h["Vary"], "Origin") {
		h["Vary"] = append(slices.Clone(h["Vary"]), "Origin")
	}
	return true
}
