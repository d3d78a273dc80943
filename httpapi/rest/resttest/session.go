package resttest

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"testing"

	"github.com/atoll-platform/atoll/httpapi/rest"
)

// Session is the calls that one test makes of an API, and what they have shown.
// Set Contract before use, and have Saw called for every request. Calls are made
// one after the other; Saw may be called by another goroutine.
type Session struct {
	*testing.T // the test or subtest that runs
	Contract   *Contract
	IDs        Numbers // of ids in bodies; without a Form none are numbered

	mu   sync.Mutex
	last rest.Access
}

// Saw takes the record of a request: it is a hook for access logs.
func (s *Session) Saw(_ context.Context, a *rest.Access) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = *a
}

// Subtest runs fn as a subtest, which fails in the place of the test.
func (s *Session) Subtest(name string, fn func(t *testing.T)) {
	outer := s.T
	outer.Run(name, func(t *testing.T) {
		s.T = t
		defer func() { s.T = outer }()
		fn(t)
	})
}

// Reply is an answer to a call of a Session.
type Reply struct {
	Call   string // for messages
	Method string
	Status int
	Header http.Header
	Body   string
	Access rest.Access // the record of the request; zero if it was none of an API

	s *Session
}

// Reply is the answer to the request that Saw has seen last.
func (s *Session) Reply(call, method string, status int, header http.Header, body string) *Reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &Reply{Call: call, Method: method, Status: status, Header: header, Body: body, Access: s.last, s: s}
	s.last = rest.Access{}
	return r
}

// JSON decodes the body into v.
func (r *Reply) JSON(v any) {
	r.s.Helper()
	if err := json.Unmarshal([]byte(r.Body), v); err != nil {
		r.s.Fatalf("%s answered no JSON of that form: %v: %s", r.Call, err, r.Body)
	}
}

// Is ends the test unless the answer has the status and, unless want is "", the
// whole body: see Numbers and Diff for what stands for texts that nobody knows
// before. What holds counts as shown to the contract.
func (r *Reply) Is(status int, want string) {
	s := r.s
	s.Helper()
	if r.Status != status {
		s.Fatalf("%s answered %d, want %d: %s", r.Call, r.Status, status, r.Body)
	}
	if want != "" {
		expected := s.IDs.In(Decode(s.T, want))
		if diff := Diff(expected, s.IDs.In(Decode(s.T, r.Body))); diff != "" {
			s.Fatalf("%s answered %d (-want +got):\n%s", r.Call, status, diff)
		}
	}
	s.Contract.Show(&r.Access, r.Method, status)
}
