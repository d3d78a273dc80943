package apcera

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/policy"
)

// apiError is the body of every answer of 400 and above. All its booleans are
// always there.
type apiError struct {
	Code            int           `json:"code"`
	Message         string        `json:"message"`
	ClientSide      bool          `json:"client_side"`
	Fatal           bool          `json:"fatal" doc:"The same request will fail again."`
	Retry           bool          `json:"retry" doc:"The same request may be sent again."`
	TryAgainInMS    int           `json:"try_again_in_ms,omitempty"`
	RequestID       string        `json:"request_id"`
	DuplicateKey    bool          `json:"duplicate_key"`
	RequestInvalid  bool          `json:"request_invalid" doc:"In conflict with the current state."`
	RequiresRestart bool          `json:"requires_restart"`
	ResourceMissing bool          `json:"resource_missing"`
	TokenInvalid    bool          `json:"token_invalid"`
	MissingClaims   string        `json:"missing_claims,omitempty"`
	PolicyError     *policyError  `json:"policy_error,omitempty"`
	ErrorDetails    *errorDetails `json:"error_details,omitempty"`
}

// policyError says which limit of the policy a request exceeds.
type policyError struct {
	Kind      string `json:"kind" doc:"quota, docker, package or route"`
	Realm     string `json:"realm"`
	Claim     string `json:"claim"`
	Limit     any    `json:"limit"`
	Requested any    `json:"requested"`
	Current   any    `json:"current"`
}

// errorDetails is all that is wrong, for people and, about policy documents,
// for programs.
type errorDetails struct {
	Errors     string   `json:"errors"`
	Documents  []any    `json:"documents,omitempty"`
	References []string `json:"references,omitempty"`
}

// staleDocument is a document that is not at the version a write was made for.
type staleDocument struct {
	Name           string `json:"name"`
	CurrentVersion uint64 `json:"current_version"`
}

// wrongDocument is one error in the text of a document.
type wrongDocument struct {
	Name   string `json:"name"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Error  string `json:"error"`
}

// defaultWait is what a caller is told to wait for if nobody knows better, in
// milliseconds.
const defaultWait = 1000

func fail(_ *rest.Call, f *rest.Failure) any {
	b := apiError{
		Code: f.Status, Message: f.Text, RequestID: f.RequestID,
		ClientSide:      f.Status < 500,
		Retry:           f.Status == http.StatusServiceUnavailable,
		DuplicateKey:    f.Kind == atoll.Conflict && f.Code == atoll.Exists,
		RequestInvalid:  f.Status == http.StatusConflict && f.Code != atoll.Exists,
		RequiresRestart: f.Code == atoll.RequiresRestart,
		ResourceMissing: f.Kind == atoll.NotFound || f.Kind == atoll.Reference,
		TokenInvalid:    f.Kind == atoll.Unauthenticated,
	}
	b.Fatal = b.ClientSide && !b.TokenInvalid && f.Code != atoll.Stale && f.Code != atoll.RequiresRestart
	if b.Retry {
		if b.TryAgainInMS = f.RetryAfter * 1000; b.TryAgainInMS == 0 {
			b.TryAgainInMS = defaultWait
		}
	}
	if missing, ok := f.Details["missing_claims"].([]string); ok {
		b.MissingClaims = strings.Join(missing, ", ")
	}
	b.PolicyError = refusedBy(f)
	b.Message, b.ErrorDetails = details(f)
	return b
}

// refusedBy is the limit that a refusal rests on, nil if it is none.
func refusedBy(f *rest.Failure) *policyError {
	if f.Kind != atoll.Quota {
		return nil
	}
	text := func(name string) string { s, _ := f.Details[name].(string); return s }
	p := &policyError{Kind: text("kind"), Realm: text("realm"), Claim: text("claim"),
		Limit: f.Details["limit"], Requested: f.Details["requested"], Current: f.Details["current"]}
	if p.Kind == "" {
		p.Kind = "quota"
	}
	return p
}

// details are the message, which names what is at fault, and everything that
// is wrong.
func details(f *rest.Failure) (string, *errorDetails) {
	var lines []string
	d := errorDetails{}
	if found, ok := f.Details[policy.DetailDiagnostics].([]policy.Diagnostic); ok {
		for _, x := range found {
			lines = append(lines, x.String())
			d.Documents = append(d.Documents, wrongDocument{x.Document, x.Line, x.Column, string(x.Code) + ": " + x.Message})
		}
	} else {
		for _, x := range f.Findings {
			lines = append(lines, line(x))
		}
	}
	if stale, ok := f.Details[policy.DetailStale].([]policy.StaleDocument); ok {
		for _, x := range stale {
			lines = append(lines, fmt.Sprintf("document %s is at version %d", x.Name, x.Current))
			d.Documents = append(d.Documents, staleDocument{x.Name, x.Current})
		}
	}
	if refs, ok := f.Details["references"].([]string); ok {
		lines = append(lines, refs...)
		d.References = refs
	}
	if lines == nil {
		return f.Text, nil
	}
	d.Errors = strings.Join(lines, "\n")
	if f.Kind == atoll.Invalid {
		return lines[0], &d
	}
	return f.Text, &d
}

// line is a finding with the name of what it is about in front, unless its
// own text begins so.
func line(f atoll.Finding) string {
	if f.Path == "" || strings.HasPrefix(f.Msg, f.Path) {
		return f.Msg
	}
	return f.Path + ": " + f.Msg
}
