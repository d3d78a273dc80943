package rest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/atoll-platform/atoll"
)

// internalText is all a caller learns of a defect.
const internalText = "An internal error occurred. The request id names it in the logs."

// failure puts err into the profile's status and words.
func (x *exchange) failure(err error, stage Stage) *Failure {
	e, ok := errors.AsType[*atoll.Error](err)
	if !ok {
		e = &atoll.Error{Kind: atoll.KindOf(err), Err: err}
		if e.Kind == atoll.Timeout {
			e.Msg = "No answer in time."
		}
	}
	f := &Failure{
		Kind: e.Kind, Code: e.Code, Stage: stage, RequestID: x.call.RequestID,
	}
	if f.Kind == 0 || f.Kind > atoll.Canceled {
		f.Kind = atoll.Internal
	}
	if f.Kind != atoll.Internal {
		f.Subject, f.Details = e.Subject, e.Details
		f.Findings = trimFindings(e.Findings)
	} else {
		f.Code = ""
	}
	f.Status = x.p.status(x.call.Op, f.Kind, f.Code)
	f.Text = x.words(f, e)
	if f.Kind == atoll.Overloaded || f.Kind == atoll.Unavailable {
		f.RetryAfter = seconds(e.RetryAfter)
	}
	return f
}

// trimFindings keeps the first hundred findings and says how many there were.
func trimFindings(list []atoll.Finding) []atoll.Finding {
	if len(list) <= maxFindings+1 { // one more is the line that counts the rest
		return list
	}
	kept := append(make([]atoll.Finding, 0, maxFindings+1), list[:maxFindings]...)
	return append(kept, atoll.Finding{Code: "more", Msg: fmt.Sprintf("and %d more", len(list)-maxFindings)})
}

// words is the text for the caller: of the code, of the kind, or the error's own.
func (x *exchange) words(f *Failure, e *atoll.Error) string {
	text, ok := x.p.Words[Case{Kind: f.Kind, Code: f.Code}]
	if !ok && f.Code != "" {
		text, ok = x.p.Words[Case{Kind: f.Kind}]
		if kernelCode(f.Code) && e.Msg != "" { // a kind's words speak of resources
			return e.Msg
		}
	}
	msg := e.Msg
	switch {
	case f.Kind == atoll.Internal:
		msg = internalText
	case msg == "" && len(e.Findings) > 0:
		msg = e.Findings[0].Msg
	case msg == "":
		msg = sentence(f.Kind.String())
	}
	if !ok {
		return msg
	}
	if strings.IndexByte(text, '{') < 0 {
		return text
	}
	return strings.NewReplacer("{type}", f.Subject.Type, "{id}", f.Subject.ID, "{method}", x.call.Method,
		"{path}", x.call.Path, "{msg}", msg).Replace(text)
}

func kernelCode(c atoll.Code) bool {
	switch c {
	case CodeRoute, CodeMethod, CodeAccept, CodeType, CodeLength, CodeURI, CodeGuard, CodeSyntax:
		return true
	}
	return false
}

func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }

// fail answers err in the dialect's form. Nothing may have been sent before.
func (x *exchange) fail(err error, stage Stage) {
	x.err = err
	f := x.failure(err, stage)
	if f.Kind == atoll.Canceled {
		x.status = statusCanceled
		panic(http.ErrAbortHandler) // an empty 200 would be a lie
	}
	if f.Kind == atoll.Internal {
		x.s.log.LogAttrs(context.WithoutCancel(x.r.Context()), slog.LevelError, "request failed",
			slog.String("request_id", x.call.RequestID), slog.String("operation", x.operation()),
			slog.String("template", x.call.Template), slog.String("error", err.Error()))
	}
	h := x.w.Header()
	if f.RetryAfter > 0 {
		h["Retry-After"] = intHeader(f.RetryAfter)
	}
	x.challenge(h, f)
	if f.Status == http.StatusMethodNotAllowed {
		if allow, ok := f.Details["allow"].(string); ok {
			h.Set("Allow", allow)
		} else if x.match.template != nil {
			h["Allow"] = x.match.template.allowHeader
		}
	}
	if f.Status == http.StatusRequestEntityTooLarge || f.Stage == StageLength && f.Kind == atoll.Timeout {
		h["Connection"] = closeHeader
	}
	body := x.p.Fail(&x.call, f)
	x.out.Reset()
	if err := encode(&x.out, body, x.p); err != nil {
		panic(fmt.Errorf("rest: the error body of %s cannot be encoded: %w", x.p.Name, err))
	}
	x.send(f.Status)
}

// statusCanceled is the status that logs show for a caller who left.
const statusCanceled = 499

var closeHeader = []string{"close"}

// refuse is a failure that the kernel itself finds.
func refuse(kind atoll.Kind, code atoll.Code, msg string) error {
	return &atoll.Error{Kind: kind, Code: code, Op: "rest.serve", Msg: msg}
}
