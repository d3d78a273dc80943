package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/atoll-platform/atoll"
)

// A stream has two sides. A feeder goroutine takes messages from the source
// into a bounded queue; the handler's goroutine writes them. So heartbeats,
// shutdown and a slow reader never interrupt a Next half-way, and a source is
// not held up by a connection: a reader that lets the queue fill is cut off.

// feed is the queue between both sides.
type feed struct {
	messages chan message
	slow     chan struct{} // closed when the queue was full
	err      error         // why the source ended; readable once messages is closed
}

var errSlow = errors.New("the reader is too slow")

// pump runs the source until it ends, ctx ends or the queue is full.
func (x *exchange) pump(ctx context.Context, src streamSource, f *feed) {
	defer close(f.messages)
	defer func() {
		if cause := recover(); cause != nil {
			f.err = fmt.Errorf("panic: %v", cause)
			x.s.log.LogAttrs(context.WithoutCancel(ctx), slog.LevelError, "panic in a stream", slog.String("request_id", x.call.RequestID),
				slog.String("operation", x.operation()), slog.String("panic", fmt.Sprint(cause)), slog.String("stack", string(debug.Stack())))
		}
	}()
	for {
		m, err := src.next(ctx)
		if err != nil {
			f.err = err
			return
		}
		select {
		case f.messages <- m:
		default:
			f.err = errSlow
			close(f.slow)
			return
		}
	}
}

// streamed answers a Stream in the form the caller wants.
func (x *exchange) streamed(s streamer) {
	src := s.pump()
	plain, form := s.plain()
	if form == 0 {
		form = x.form
	}
	if form == 0 && plain == nil {
		form = x.call.Op.Stream.first()
	}
	if form&x.call.Op.Stream != form {
		src.close()
		panic(fmt.Sprintf("rest: operation %q streams in a form it does not declare", x.call.Op.ID))
	}
	if form == 0 || x.r.Method == http.MethodHead && form == LongPoll {
		defer src.close()
		x.plainAnswer(plain, form)
		return
	}
	if x.r.Method == http.MethodHead {
		src.close()
		x.streamHeaders(form)
		x.writeHead(x.call.Op.Status[0])
		return
	}
	ctx, cancel := context.WithCancel(x.ctx)
	f := &feed{messages: make(chan message, x.s.bounds.limits.Queue), slow: make(chan struct{})}
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		x.pump(ctx, src, f)
	}()
	defer src.close()
	defer func() { <-fed }()
	defer cancel()
	if form == LongPoll {
		x.longPoll(ctx, src, f)
		return
	}
	x.write(ctx, src, f, form)
}

// plainAnswer is the one JSON value of callers that ask for no stream.
func (x *exchange) plainAnswer(v any, form StreamForms) {
	x.out.Reset()
	if form == LongPoll {
		x.send(http.StatusNoContent)
		return
	}
	if err := encode(&x.out, v, x.p); err != nil {
		x.fail(&atoll.Error{Kind: atoll.Internal, Op: "rest.render", Err: err}, StageRender)
		return
	}
	addHeaders(x.w.Header(), v)
	x.send(x.call.Op.Status[0])
}

var (
	linesType = []string{"application/x-ndjson"}
	sseType   = []string{"text/event-stream"}
	noBuffer  = []string{"no"}
)

func (x *exchange) streamHeaders(form StreamForms) {
	h := x.w.Header()
	if form == SSE {
		h["Content-Type"] = sseType
	} else {
		h["Content-Type"] = linesType
	}
	h["X-Accel-Buffering"] = noBuffer
}

// longPoll answers with the first message, or 204 when the time is over.
func (x *exchange) longPoll(ctx context.Context, src streamSource, f *feed) {
	wait := x.call.Op.Timeout
	if wait == 0 {
		wait = x.s.bounds.limits.Poll
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case m, ok := <-f.messages:
		switch {
		case !ok && errors.Is(f.err, io.EOF):
			x.out.Reset()
			x.send(http.StatusNoContent)
		case !ok:
			x.fail(f.err, StageCall)
		case !src.valid():
			x.fail(unauthenticated(nil), StageCall)
		default:
			x.plainAnswer(m.v, 0)
		}
	case <-timer.C:
		x.out.Reset()
		x.send(http.StatusNoContent)
	case <-x.s.quit:
		x.fail(errStopping, StageCall)
	case <-ctx.Done():
		x.fail(&atoll.Error{Kind: atoll.Canceled, Op: "rest.stream", Err: ctx.Err()}, StageCall)
	}
}

// write sends messages until the source ends. Every other end cuts the
// connection, so that what is missing is seen to be missing.
func (x *exchange) write(ctx context.Context, src streamSource, f *feed, form StreamForms) {
	x.streamHeaders(form)
	x.writeHead(x.call.Op.Status[0])
	if !x.flush() {
		panic(http.ErrAbortHandler)
	}
	beat := time.NewTicker(Beat)
	defer beat.Stop()
	for {
		select {
		case m, ok := <-f.messages:
			if !x.batch(src, f, m, ok, form) {
				return
			}
		case <-f.slow:
			x.cut(errSlow)
		case <-beat.C:
			if !src.valid() {
				x.cut(errors.New("the rights of the reader ended"))
			}
			if form == SSE {
				x.out.Reset()
				x.out.WriteString(":\n\n")
				x.deliver()
			}
		case <-x.s.quit:
			x.cut(errStopping)
		case <-ctx.Done():
			x.status = statusCanceled
			panic(http.ErrAbortHandler)
		}
	}
}

// batch writes a message and those that wait behind it, then flushes once. It
// reports whether the stream goes on.
func (x *exchange) batch(src streamSource, f *feed, m message, ok bool, form StreamForms) bool {
	const most = 64 << 10
	x.out.Reset()
	for {
		if !ok {
			if x.out.Len() > 0 {
				x.deliver()
			}
			if !errors.Is(f.err, io.EOF) {
				x.cut(f.err)
			}
			return false
		}
		if !src.valid() {
			x.cut(errors.New("the rights of the reader ended"))
		}
		if err := appendMessage(&x.out, m, form, x.p); err != nil {
			x.cut(err)
		}
		if x.out.Len() >= most {
			x.deliver()
			return true
		}
		select {
		case m, ok = <-f.messages:
		default:
			x.deliver()
			return true
		}
	}
}

// appendMessage writes a message in its form.
func appendMessage(buf *bytes.Buffer, m message, form StreamForms, p *Profile) error {
	if form == SSE {
		if m.id != "" {
			buf.WriteString("id: " + oneLine(m.id) + "\n")
		}
		if m.event != "" {
			buf.WriteString("event: " + oneLine(m.event) + "\n")
		}
		buf.WriteString("data: ")
	}
	start := buf.Len()
	if err := encode(buf, m.v, p); err != nil {
		return err
	}
	if text := buf.Bytes()[start:]; bytes.ContainsAny(text, "\r\n") { // white space that a Raw kept
		line := strings.NewReplacer("\r", " ", "\n", " ").Replace(string(text))
		buf.Truncate(start)
		buf.WriteString(line)
	}
	buf.WriteByte('\n')
	if form == SSE {
		buf.WriteByte('\n')
	}
	return nil
}

// deliver writes and flushes the out buffer within the time of one message.
func (x *exchange) deliver() {
	if d := x.s.bounds.limits.Message; d > 0 {
		setDeadline(x.w, writing, time.Now().Add(d))
	}
	n, err := x.w.Write(x.out.Bytes())
	x.written += int64(n)
	if err != nil || !x.flush() {
		panic(http.ErrAbortHandler)
	}
}

func (x *exchange) flush() bool {
	if f, ok := x.w.(http.Flusher); ok {
		f.Flush()
		return true
	}
	err := http.NewResponseController(x.w).Flush()
	return err == nil || errors.Is(err, http.ErrNotSupported)
}

// cut ends the stream so that it never looks complete.
func (x *exchange) cut(why error) {
	x.err = why
	panic(http.ErrAbortHandler)
}
