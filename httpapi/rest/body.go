package rest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/atoll-platform/atoll"
)

// The refusals around bodies.
var (
	errType     = refuse(atoll.Invalid, CodeType, "The type of the body is not one that is accepted here.")
	errEncoding = refuse(atoll.Invalid, CodeType, "A body with a Content-Encoding is not accepted.")
	errLength   = refuse(atoll.Invalid, CodeLength, "An upload needs a Content-Length.")
	errTooLarge = refuse(atoll.TooLarge, "", "The body is larger than the limit.")
)

// checkType looks at what the headers say of the body.
func (x *exchange) checkType() error {
	o, n := x.call.Op, x.r.ContentLength
	if h := x.r.Header["Content-Type"]; len(h) > 0 {
		x.contentType = h[0]
	}
	rule := x.p.Type
	if o.Body == NoBody {
		if x.p.NoBody == NoBodyIgnored {
			return nil
		}
		rule = HeaderNeeded
	}
	if n != 0 && o.Body != UploadBody {
		if enc := x.r.Header["Content-Encoding"]; len(enc) > 0 && enc[0] != "" && enc[0] != "identity" {
			return errEncoding
		}
	}
	if o.Body == UploadBody || rule == HeaderIgnored {
		return nil
	}
	if x.contentType == "" {
		if rule == HeaderNeeded && n != 0 {
			if n < 0 {
				x.typeMissing = true // whether there are bytes is known after reading
				return nil
			}
			return errType
		}
		return nil
	}
	if n == 0 && (o.Optional || o.Body == NoBody || rule == HeaderNeeded) {
		return nil
	}
	switch mediaType(x.contentType) {
	case "application/json":
		return nil
	case "application/x-www-form-urlencoded", "multipart/form-data":
		if o.Body == FormBody {
			return nil
		}
	}
	if o.typed(x.contentType) != nil {
		return nil
	}
	return errType
}

// maxBody is the limit of the row's body.
func (x *exchange) maxBody() int64 {
	if t := x.call.Op.typed(x.contentType); t != nil && t.MaxBody > 0 {
		return t.MaxBody
	}
	if x.call.Op.MaxBody > 0 {
		return x.call.Op.MaxBody
	}
	if x.m.maxBody != nil {
		if n := x.m.maxBody(); n > 0 {
			return n
		}
	}
	return x.p.MaxBody
}

// checkLength looks at the declared length of the body.
func (x *exchange) checkLength() error {
	n := x.r.ContentLength
	if x.call.Op.Body == UploadBody {
		if n < 0 {
			return errLength
		}
		if x.call.Op.MaxBody > 0 && n > x.call.Op.MaxBody {
			return errTooLarge
		}
		return nil
	}
	if x.most = x.maxBody(); n > x.most {
		return errTooLarge
	}
	return nil
}

// readBody reads the body into the exchange's buffer. A body that no row
// expects is read and dropped.
func (x *exchange) readBody() error {
	x.in = x.in[:0]
	if x.r.ContentLength == 0 || x.r.Body == nil || x.call.Op.Body == UploadBody {
		return nil
	}
	x.waits(reading, x.s.bounds.limits.Body)
	err := x.readAll(x.most)
	x.readArmed = !x.waited()
	if err == nil {
		x.bodyEnds()
	}
	if x.typeMissing && (len(x.in) > 0 || err == errTooLarge) {
		return errType
	}
	if err != nil {
		return err
	}
	if x.call.Op.Body == NoBody && x.p.NoBody == NoBodyIgnored {
		x.in = x.in[:0]
	}
	return nil
}

// readAll reads to the end, at most limit bytes. Memory grows with what came,
// not with what was announced.
func (x *exchange) readAll(limit int64) error {
	const step = 64 << 10
	n := x.r.ContentLength
	if n < 0 || n > step {
		n = 4 << 10
	}
	buf := x.in
	if int64(cap(buf)) < n+1 {
		buf = make([]byte, 0, n+1)
	}
	mark := step
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		k, err := x.r.Body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+k]
		x.in = buf
		if int64(len(buf)) > limit {
			return errTooLarge
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return x.readError(err)
		}
		if len(buf) >= mark {
			mark = len(buf) + step
			x.waits(reading, x.s.bounds.limits.Body)
		}
	}
}

// readError says what a broken body means.
func (x *exchange) readError(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &atoll.Error{Kind: atoll.Timeout, Op: "rest.body", Msg: "The body did not arrive in time.", Err: err}
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, context.Canceled), x.r.Context().Err() != nil:
		return &atoll.Error{Kind: atoll.Canceled, Op: "rest.body", Msg: "the caller gave up", Err: err}
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok { // a limit of the embedding program
		return errTooLarge
	}
	e := atoll.Errorf(atoll.Invalid, "rest.body", "The body could not be read.")
	e.Code, e.Err = CodeSyntax, err
	return e
}

// bodyDeadline gives the caller time to send more.
func (x *exchange) bodyDeadline() {
	if d := x.s.bounds.limits.Body; d > 0 {
		x.readArmed = setDeadline(x.w, reading, time.Now().Add(d))
	}
}

// bodyEnds takes the deadline away, or the connection's look-out for a leaving
// caller would run into it.
func (x *exchange) bodyEnds() {
	x.bodyRead = true
	if x.readArmed {
		x.readArmed = false
		setDeadline(x.w, reading, time.Time{})
	}
}

// leaveBody bounds the time that net/http spends on a body nobody read. One
// whose time is up already stays so.
func (x *exchange) leaveBody() {
	if x.r.ContentLength != 0 && !x.bodyRead && !x.readArmed {
		x.bodyDeadline()
	}
}

// direction of a deadline.
type direction uint8

const (
	reading direction = iota
	writing
)

// setDeadline sets a deadline of the connection where there is one.
func setDeadline(w http.ResponseWriter, d direction, t time.Time) bool {
	type deadlines interface {
		SetReadDeadline(time.Time) error
		SetWriteDeadline(time.Time) error
	}
	if c, ok := w.(deadlines); ok {
		if d == reading {
			return c.SetReadDeadline(t) == nil
		}
		return c.SetWriteDeadline(t) == nil
	}
	rc := http.NewResponseController(w)
	if d == reading {
		return rc.SetReadDeadline(t) == nil
	}
	return rc.SetWriteDeadline(t) == nil
}

// uploadReader extends the read deadline with every 64 KiB of progress.
type uploadReader struct {
	x    *exchange
	left int64
	mark int64
}

func (u *uploadReader) Read(p []byte) (int, error) {
	if u.x.finished.Load() {
		return 0, atoll.Errorf(atoll.Canceled, "rest.upload", "the call is over")
	}
	if u.left <= 0 {
		u.x.bodyEnds()
		return 0, io.EOF
	}
	if int64(len(p)) > u.left {
		p = p[:u.left]
	}
	if u.mark <= 0 {
		u.mark = 64 << 10
		u.x.bodyDeadline()
	}
	n, err := u.x.r.Body.Read(p)
	u.left -= int64(n)
	u.mark -= int64(n)
	switch {
	case err == io.EOF && u.left > 0:
		return n, u.x.readError(io.ErrUnexpectedEOF)
	case err != nil && err != io.EOF:
		return n, u.x.readError(err)
	case u.left == 0:
		u.x.bodyEnds()
	}
	return n, err
}
