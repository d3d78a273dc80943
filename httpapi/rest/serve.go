package rest

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/atoll-platform/atoll"
)

// exchange is one request on its way through the kernel. Exchanges are pooled:
// nothing that outlives the request may keep one.
type exchange struct {
	s    *Server
	m    *mount
	p    *Profile
	w    http.ResponseWriter
	r    *http.Request
	call Call

	match    match
	query    []Pair
	queryErr error
	parsed   bool
	renderer int
	form     StreamForms // asked for by Accept
	peer     string
	tag      string

	contentType string // of the body, once checkType has run
	ctx         *callContext

	in       []byte       // the body
	out      bytes.Buffer // the JSON of the answer
	page     bytes.Buffer // the answer, where it is not the JSON itself
	source   source
	readPath func(string) (string, bool)

	wait atomic.Int64 // for the caller: the tick at which the time is up and, in the lowest bit, the direction
	late atomic.Bool  // a time was up
	held http.Flusher // has what was sent, until all is done

	record Access // for the hook

	start     time.Time
	sent      bool // headers are out
	status    int
	written   int64
	err       error
	abandoned bool // somebody may still hold it: not for the pool
	finished  atomic.Bool

	typeMissing         bool
	bodyRead, readArmed bool  // all of it was read; its deadline is set
	most                int64 // bytes of the body, but of an upload
	inFlight, heavy     bool
	caller, reader      string // what the tallies hold
	stream              bool
}

// ServeHTTP answers one request. Whatever happens below it, the bounds it
// holds are freed and a caller sees either the dialect's answer or a cut
// connection. It panics with http.ErrAbortHandler alone.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := s.pool.Get().(*exchange)
	x.s, x.w, x.r, x.start = s, w, r, time.Now()
	defer x.end()
	x.serve()
}

// end is the panic barrier and the last step of every exchange. It has to be
// deferred itself.
func (x *exchange) end() {
	abort := false
	if cause := recover(); cause != nil {
		abort = x.panicked(cause)
	}
	x.release()
	if hook := x.s.opts.Access; hook != nil {
		hook(context.WithoutCancel(x.r.Context()), x.access())
	}
	if x.held != nil && !abort {
		x.held.Flush()
	}
	x.waited()
	x.recycle()
	if abort {
		panic(http.ErrAbortHandler)
	}
}

// panicked deals with a panic. It reports whether the connection has to be
// cut.
func (x *exchange) panicked(cause any) (abort bool) {
	if cause == http.ErrAbortHandler {
		if x.status == 0 {
			x.status = statusCanceled
		}
		return true
	}
	x.abandoned = true
	x.s.log.LogAttrs(context.WithoutCancel(x.r.Context()), slog.LevelError, "panic",
		slog.String("request_id", x.call.RequestID), slog.String("operation", x.operation()),
		slog.String("template", x.call.Template), slog.String("panic", fmt.Sprint(cause)),
		slog.String("stack", string(debug.Stack())))
	if x.sent {
		return true
	}
	defer func() {
		if recover() == nil {
			return
		}
		if abort = x.sent; abort {
			return
		}
		// The dialect's own error body is what fails.
		x.sent, x.status = true, http.StatusInternalServerError
		h := x.w.Header()
		clear(h)
		h["Content-Type"], h["X-Content-Type-Options"] = jsonType, nosniff
		x.w.WriteHeader(x.status)
		_, _ = x.w.Write([]byte(`{"error":"` + internalText + `"}`))
	}()
	err := &atoll.Error{Kind: atoll.Internal, Op: "rest.serve", Err: fmt.Errorf("panic: %v", cause)}
	if x.p == nil {
		panic(err)
	}
	h := x.w.Header()
	clear(h)
	x.commonHeaders(h)
	x.fail(err, StageCall)
	return false
}

// release gives back what the exchange holds of the bounds.
func (x *exchange) release() {
	b := &x.s.bounds
	if x.inFlight {
		b.inFlight.Add(-1)
	}
	if x.heavy {
		b.heavy.Add(-1)
	}
	if x.caller != "" {
		b.callers.leave(x.caller)
	}
	if x.reader != "" {
		b.readers.leave(x.reader)
	}
	if x.stream {
		b.streams.Add(-1)
		x.s.open.Done()
	}
	if x.ctx != nil {
		x.ctx.end()
	}
	x.finished.Store(true)
}

func (x *exchange) access() *Access {
	a := &x.record
	*a = Access{
		Start: x.start, Duration: time.Since(x.start), RequestID: x.call.RequestID, Operation: x.operation(),
		Template: x.call.Template, Method: x.r.Method, Status: x.status, Bytes: x.written, Peer: x.peer, Err: x.err,
	}
	if x.p != nil {
		a.Dialect = x.p.Name
	}
	if x.call.Principal != nil {
		a.Principal = x.call.Principal.Name
	}
	return a
}

func (x *exchange) operation() string {
	if x.call.Op == nil {
		return ""
	}
	return x.call.Op.ID
}

// maxPooled is the largest buffer that waits for the next request.
const maxPooled = 256 << 10

// recycle puts the exchange back, keeping its buffers.
func (x *exchange) recycle() {
	if x.abandoned {
		return
	}
	s := x.s
	if x.in = x.in[:0]; cap(x.in) > maxPooled {
		x.in = nil
	}
	if x.out.Reset(); x.out.Cap() > maxPooled {
		x.out = bytes.Buffer{}
	}
	if x.page.Reset(); x.page.Cap() > maxPooled {
		x.page = bytes.Buffer{}
	}
	clear(x.match.values)
	clear(x.match.segs)
	x.match.template, x.match.values, x.match.segs = nil, x.match.values[:0], x.match.segs[:0]
	x.s, x.m, x.p, x.w, x.r, x.call = nil, nil, nil, nil, nil, Call{}
	x.query, x.queryErr, x.parsed, x.renderer, x.form = nil, nil, false, 0, 0
	x.contentType, x.record = "", Access{}
	x.peer, x.tag, x.ctx, x.source, x.held = "", "", nil, source{}, nil
	x.start, x.sent, x.status, x.written, x.err = time.Time{}, false, 0, 0, nil
	x.typeMissing, x.bodyRead, x.readArmed, x.most = false, false, false, 0
	x.inFlight, x.heavy, x.caller, x.reader, x.stream = false, false, "", "", false
	x.finished.Store(false)
	x.late.Store(false)
	s.pool.Put(x)
}

// The refusals before the body.
var (
	errURI      = refuse(atoll.TooLarge, CodeURI, "The request target is too long.")
	errPath     = refuse(atoll.Invalid, CodeSyntax, "The path holds a NUL.")
	errRoute    = refuse(atoll.NotFound, CodeRoute, "No such path.")
	errMethod   = refuse(atoll.Invalid, CodeMethod, "The path does not take this method.")
	errAccept   = refuse(atoll.Invalid, CodeAccept, "No form that the Accept header admits can be returned.")
	errStopping = refuse(atoll.Unavailable, "", "The server is shutting down.")
)

func overloaded(what string, retry time.Duration) error {
	return &atoll.Error{Kind: atoll.Overloaded, Op: "rest.serve", Msg: what, RetryAfter: retry}
}

// serve takes the request through the checks in their order.
func (x *exchange) serve() {
	r := x.r
	x.call.RequestID, x.call.Method = x.s.newID(), r.Method
	x.peer = peerOf(r.RemoteAddr)
	h := x.w.Header()
	escaped := escapedPath(r.URL)
	if max := x.s.bounds.limits.URL; max >= 0 && len(escaped)+len(r.URL.RawQuery) >= max {
		x.tooLong(h, escaped, max)
		return
	}
	path, slash, clean := cleanPath(escaped)
	if !clean { // no template matches it, but its dialect answers
		x.m = x.s.choose(dropNUL(escaped))
	} else {
		x.m = x.s.choose(path)
	}
	if x.m == nil {
		x.noDialect(h, path)
		return
	}
	x.p = &x.m.d.profile
	x.commonHeaders(h)
	x.call.Path = r.URL.Path
	if x.s.stopping() {
		x.fail(errStopping, StageGuard)
		return
	}
	if !enter(&x.s.bounds.inFlight, x.s.bounds.limits.InFlight) {
		x.fail(overloaded("The server is busy.", time.Second), StageGuard)
		return
	}
	x.inFlight = true
	if why := x.m.guard.refuses(r); why != "" {
		x.fail(refuse(atoll.Denied, CodeGuard, why), StageGuard)
		return
	}
	switch {
	case !clean:
		x.fail(errPath, StageRoute)
		return
	case !slash && x.p.Slash == SlashRedirect:
		x.addSlash(escaped)
		return
	case !x.m.d.tree.lookup(&x.match, path, slash):
		x.fail(errRoute, StageRoute)
		return
	}
	t := x.match.template
	x.call.Template, x.call.Allow, x.call.Op = t.text, t.allow, t.ops[r.Method]
	if r.Method == http.MethodOptions {
		if x.preflight(h) {
			return
		}
		if x.call.Op == nil {
			x.options()
			return
		}
	}
	if x.call.Op == nil {
		x.fail(errMethod, StageMethod)
		return
	}
	x.run()
}

// tooLong answers a target beyond the limit in the dialect of what can be
// read of it.
func (x *exchange) tooLong(h http.Header, escaped string, limit int) {
	if len(escaped) > limit {
		escaped = escaped[:limit]
		if i := strings.LastIndexByte(escaped, '/'); i > 0 {
			escaped = escaped[:i]
		}
	}
	path, _, ok := cleanPath(escaped)
	if !ok {
		path = dropNUL(escaped)
	}
	x.m = x.s.choose(path)
	if x.m == nil {
		x.noDialect(h, "")
		return
	}
	x.p = &x.m.d.profile
	x.commonHeaders(h)
	x.fail(errURI, StageRoute)
}

// noDialect answers what belongs to the server alone.
func (x *exchange) noDialect(h http.Header, path string) {
	h["X-Request-Id"] = []string{x.call.RequestID}
	h["X-Content-Type-Options"] = nosniff
	x.leaveBody()
	x.sent = true
	x.status, x.written = x.s.aside(x.w, x.r, path)
}

// dropNUL makes a path that cannot be cleaned good enough to choose a dialect.
func dropNUL(escaped string) string {
	path, _, ok := cleanPath(strings.ReplaceAll(escaped, "%00", "%20"))
	if !ok {
		return ""
	}
	return path
}

// hidePath keeps paths that carry credentials out of error bodies.
func (x *exchange) hidePath() {
	for i := range x.p.Schemes {
		if s := &x.p.Schemes[i]; s.In == InPath && s.Name == string(x.call.Op.Auth) {
			x.call.Path = x.call.Template
		}
	}
}

// commonHeaders are on every answer of the dialect.
func (x *exchange) commonHeaders(h http.Header) {
	h["X-Request-Id"] = []string{x.call.RequestID}
	h["X-Content-Type-Options"] = nosniff
	for i := range x.m.headers {
		h[x.m.headers[i].name] = x.m.headers[i].values
	}
}

// addSlash sends the caller to the canonical spelling of the path.
func (x *exchange) addSlash(escaped string) {
	status := http.StatusPermanentRedirect
	if x.r.Method == http.MethodGet || x.r.Method == http.MethodHead {
		status = http.StatusMovedPermanently
	}
	to := escaped + "/"
	if x.r.URL.RawQuery != "" {
		to += "?" + x.r.URL.RawQuery
	}
	x.w.Header()["Location"] = []string{to}
	x.send(status)
}

// run is everything after routing.
func (x *exchange) run() {
	out, ok := x.perform()
	if !ok {
		return
	}
	x.render(out)
}

// perform takes the request from authentication to the result of its row. If
// it does not get there it has answered.
func (x *exchange) perform() (out any, ok bool) {
	o := x.call.Op
	if o.Auth != Required {
		x.hidePath()
	}
	if err := x.authenticate(); err != nil {
		x.fail(err, StageAuth)
		return nil, false
	}
	if !x.negotiate() {
		x.fail(errAccept, StageAccept)
		return nil, false
	}
	if err := x.checkType(); err != nil {
		x.fail(err, StageType)
		return nil, false
	}
	if err := x.checkLength(); err != nil {
		x.fail(err, StageLength)
		return nil, false
	}
	if err := x.admit(); err != nil {
		x.fail(err, StageLength)
		return nil, false
	}
	if o.ETag && x.unchanged() {
		return nil, false
	}
	if err := x.readBody(); err != nil {
		x.fail(err, StageLength)
		return nil, false
	}
	in := o.newIn()
	if err := x.bind(in); err != nil {
		x.fail(err, StageBind)
		return nil, false
	}
	out, err := o.call(x.context(), in)
	if err != nil {
		if x.r.Context().Err() != nil {
			err = &atoll.Error{Kind: atoll.Canceled, Op: "rest.serve", Err: err}
		}
		x.fail(err, StageCall)
		return nil, false
	}
	o.freeIn(in)
	return out, true
}

// negotiate looks at Accept.
func (x *exchange) negotiate() bool {
	o := x.call.Op
	switch o.outKind {
	case outStream:
		x.form = streamForm(x.r.Header["Accept"], o.Stream)
		if x.form != 0 {
			return true
		}
	case outBytes, outResponse: // of a type that only the call knows
		return true
	}
	if x.p.Accept == HeaderIgnored {
		return true
	}
	if x.renderer = x.p.renderer(x.r.Header); x.renderer < 0 {
		x.renderer = 0
		return o.Stream&^LongPoll != 0 && accepts(x.r.Header["Accept"], x.streamType()) > 0
	}
	return true
}

// streamType is the media type of the row's first stream form.
func (x *exchange) streamType() string {
	if x.call.Op.Stream.first() == Lines {
		return "application/x-ndjson"
	}
	return "text/event-stream"
}

// admit counts the call against the bounds of its caller and class.
func (x *exchange) admit() error {
	b, o := &x.s.bounds, x.call.Op
	key := callerKey(x.call.Principal, x.peer)
	if wait, ok := b.buckets.take(key, x.start, b.limits.Rate, b.limits.Burst); !ok {
		return overloaded("Too many calls. Slow down.", wait)
	}
	switch o.Limit {
	case CheapLoad:
		return nil
	case StreamLoad:
		if x.r.Method == http.MethodHead {
			break
		}
		if !b.readers.enter(key, b.limits.OwnStreams) {
			return overloaded("Too many streams of one caller are open.", time.Second)
		}
		x.reader = key
		if !enter(&b.streams, b.limits.Streams) {
			return overloaded("Too many streams are open.", time.Second)
		}
		if !x.s.enterStream() {
			b.streams.Add(-1)
			return errStopping
		}
		x.stream = true
		b.inFlight.Add(-1)
		x.inFlight = false
		return nil
	case HeavyLoad:
		if !enter(&b.heavy, b.limits.Heavy) {
			return overloaded("Too many calls of this sort are running.", time.Second)
		}
		x.heavy = true
	}
	if !b.callers.enter(key, b.limits.PerPrincipal) {
		return overloaded("Too many calls of one caller are running.", time.Second)
	}
	x.caller = key
	return nil
}

// pairs is the query as far as it can be read.
func (x *exchange) pairs() []Pair {
	if !x.parsed {
		x.parsed = true
		if raw := x.r.URL.RawQuery; raw != "" {
			x.query, x.queryErr = parseQuery(raw, x.s.bounds.limits.Pairs)
		}
	}
	return x.query
}

// bind fills the row's input and reports every fault of the request.
func (x *exchange) bind(in any) error {
	pairs := x.pairs()
	if x.queryErr != nil {
		return x.queryErr
	}
	if x.readPath == nil {
		x.readPath = func(name string) (string, bool) { return x.match.value(name) }
	}
	src := &x.source
	src.path, src.header, src.body = x.readPath, x.r.Header, x.in
	src.query = x.m.cleanPairs(pairs)
	src.contentType = x.contentType
	o := x.call.Op
	if o.Body == UploadBody {
		x.abandoned = true // the reader may outlive the call
		src.upload = Upload{Length: x.r.ContentLength, Reader: &uploadReader{x: x, left: x.r.ContentLength}}
	}
	if o.binder.object.self != nil {
		base, ok := x.base()
		if !ok {
			return refuse(atoll.Invalid, CodeSyntax, "The Host of the request is not host[:port].")
		}
		src.self = Self{Path: x.selfPath(), Query: src.query, Base: base}
	}
	findings := o.binder.bind(reflect.ValueOf(in).Elem(), src, x.p)
	if len(findings) == 0 {
		return nil
	}
	e := &atoll.Error{Kind: atoll.Invalid, Op: "rest.bind", Findings: findings}
	for i := range findings {
		if f := &findings[i]; f.Path == "" && unreadable[f.Code] {
			e.Code = CodeSyntax
		}
	}
	return e
}

// unreadable are the codes of findings on a body that could not be read at all.
var unreadable = map[string]bool{string(CodeSyntax): true, "trailing": true, "duplicate": true, "utf8": true, "depth": true, "type": true}

// base is scheme and host that links start with.
func (x *exchange) base() (string, bool) {
	if x.s.base != "" {
		return x.s.base, true
	}
	if _, ok := hostName(x.r.Host); !ok {
		return "", false
	}
	if x.r.TLS != nil {
		return "https://" + x.r.Host, true
	}
	return "http://" + x.r.Host, true
}

// selfPath is the path of the request in the dialect's canonical spelling.
func (x *exchange) selfPath() string {
	path, slash, _ := cleanPath(escapedPath(x.r.URL))
	if path == "/" {
		return path
	}
	if x.p.Slash != SlashNone || slash && x.match.template.hasTail {
		path += "/"
	}
	return path
}

// context is the context of the row's function.
func (x *exchange) context() context.Context {
	x.ctx = &callContext{parent: x.r.Context(), id: x.call.RequestID, caller: x.call.Principal, deadline: x.deadline()}
	return x.ctx
}

// deadline is when the row's function has to be done; zero is never.
func (x *exchange) deadline() time.Time {
	if x.call.Op.outKind == outStream {
		return time.Time{}
	}
	d := x.call.Op.Timeout
	if d == 0 {
		d = x.s.bounds.limits.Handler
	}
	if d <= 0 {
		return time.Time{}
	}
	return x.start.Add(d)
}

// unchanged answers 304 if the caller has the answer of this index already.
func (x *exchange) unchanged() bool {
	if x.s.opts.Index == nil || x.r.Method != http.MethodGet && x.r.Method != http.MethodHead {
		return false
	}
	x.tag = x.s.tag(x.call.Principal)
	for _, h := range x.r.Header["If-None-Match"] {
		for tag := range strings.SplitSeq(h, ",") {
			if tag = strings.TrimSpace(tag); tag == x.tag || tag == "*" {
				x.w.Header()["Etag"] = []string{x.tag}
				x.send(http.StatusNotModified)
				return true
			}
		}
	}
	return false
}
