package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/policy"
)

// Profile is what a dialect is beside its table: data, read at construction.
type Profile struct {
	Name   string // "coral"
	Prefix string // "/api/v1": whole segments, no slash at the end; templates start with it

	Slash     SlashRule
	Accept    HeaderRule // HeaderIgnored or HeaderChecked
	Type      HeaderRule // of bodies: HeaderIgnored, HeaderChecked (absent is JSON) or HeaderNeeded
	NoBody    NoBodyRule
	MaxBody   int64 // of JSON bodies; 0 is 1 MiB
	Query     QueryRule
	Unknown   FieldRule // members no field takes
	ReadOnly  FieldRule // members that only answers carry
	Duplicate FieldRule // FieldIgnored: the last one counts
	Null      NullRule  // null for a member whose row does not list it
	Time      string    // layout of times in answers; "" is RFC 3339 with nanoseconds
	Coerce    bool      // numbers, booleans and texts stand for each other; JSON inside texts
	AnyTop    bool      // any JSON value may be the body; else it is an object, unless the row's field says otherwise

	Schemes   []Scheme // where credentials are looked for; the first that is there decides
	UserKeys  []Scheme // where the key of an end user beside them is looked for
	Tenant    string   // path parameter that names the tenant the call is fenced to
	Challenge string   // WWW-Authenticate of a refused login that is answered 401
	Guard     *Guard   // nil is none

	Headers   http.Header // on every answer
	Renderers []Renderer  // the first is the default; none is application/json
	Options   OptionsForm
	// Granted says whether the caller in ctx may use a row of a path whose
	// parameters path returns, for OptionsMetadata; nil grants all.
	Granted func(ctx context.Context, o *Operation, path func(name string) (string, bool)) bool

	Status map[Case]int    // complete over kinds; a code of a kind where it differs
	Words  map[Case]string // texts for callers: {type} {id} {method} {path} {msg} are filled in; a missing one is the error's own
	Fail   func(*Call, *Failure) any
}

// SlashRule says how a dialect spells its paths and what becomes of the other spelling.
type SlashRule uint8

// The slash rules.
const (
	SlashNone     SlashRule = iota // canonical without; with one is served alike
	SlashEnd                       // canonical with; without is served alike
	SlashRedirect                  // canonical with; without is redirected, also for unknown paths
)

// HeaderRule says how strictly a header is taken.
type HeaderRule uint8

// The header rules.
const (
	HeaderChecked HeaderRule = iota // absent, or it must fit
	HeaderIgnored                   // not read
	HeaderNeeded                    // must be there and fit, when there is a body
)

// NoBodyRule says what becomes of a body that no row expects.
type NoBodyRule uint8

// The rules for bodies where none is expected.
const (
	NoBodyIgnored NoBodyRule = iota // read up to the limit, not examined
	NoBodyObject                    // it must be the empty object
)

// FieldRule says what becomes of a member a row does not take.
type FieldRule uint8

// The field rules.
const (
	FieldIgnored         FieldRule = iota
	FieldRefused                   // 400, each one named
	FieldRefusedOnCreate           // 400 in a POST, ignored else
)

// QueryRule says how query strings are read.
type QueryRule struct {
	FoldNames   bool // names are compared without regard to case
	EmptyAbsent bool // "a=" counts as no a
	LooseBools  bool // 1, 0 and any case of true and false, else only true and false
}

// OptionsForm is how OPTIONS is answered.
type OptionsForm uint8

// The forms of OPTIONS.
const (
	OptionsEmpty    OptionsForm = iota // 204
	OptionsObject                      // 200 {"allow": [...]}
	OptionsNull                        // 200 null
	OptionsMetadata                    // 200 with the row's metadata, asked for as the GET row
)

// Scheme is one place where credentials may be.
type Scheme struct {
	Name  string      // "" counts for Required rows, another for rows whose Auth is that name
	In    Place       // where to look
	Names []string    // words of the Authorization header in any case; else names of the header, the query or the path parameter
	Form  policy.Form // how the text is read: Basic is base64 of name:secret, ApiKey is name:secret, others are one secret
}

// Place is a part of the request that may carry credentials.
type Place uint8

// The places.
const (
	InAuthorization Place = iota
	InHeader
	InQuery
	InPath
)

// Renderer writes answers in one media type from their JSON form.
type Renderer struct {
	Media  string                                              // "text/html": what Accept is matched with
	Type   string                                              // the Content-Type header, "" is Media
	Render func(dst *bytes.Buffer, json []byte, c *Call) error // nil is the JSON as it is
	Header http.Header                                         // further headers of this form
}

// Guard refuses callers by where they come from, before anything else is
// looked at.
type Guard struct {
	SameOrigin bool // no cross-site request of a browser, whatever the method
	// Local wants a loopback peer or one of Peers, a Host that is a loopback
	// name or one of Hosts, and no sign of a proxy. nil is off; it is asked
	// per request, so a mode can be switched at run time.
	Local func() bool
	Peers []netip.Prefix
	Hosts []string // host names without port
}

// Always is a switch for Guard.Local that is on.
func Always() bool { return true }

// Call is what a dialect's renderer may know of a request.
type Call struct {
	Op        *Operation // nil if no row was chosen
	Template  string     // "" if no route matched
	Method    string
	Path      string // as asked for, decoded
	RequestID string
	Principal *policy.Principal // nil before authentication
	Allow     []string          // methods the path takes, sorted; nil if no route matched
}

// Stage says how far a request came.
type Stage uint8

// The stages, in the order of checks.
const (
	StageGuard Stage = iota + 1
	StageRoute
	StageMethod
	StageAuth
	StageAccept
	StageType
	StageLength
	StageBind
	StageCall
	StageRender
)

// Failure is an error ready to be put into a dialect's words.
type Failure struct {
	Status     int
	Kind       atoll.Kind
	Code       atoll.Code
	Stage      Stage
	Text       string // from Profile.Words or the error; safe to show
	Subject    atoll.Subject
	Findings   []atoll.Finding
	Details    map[string]any
	RetryAfter int // seconds; 0 is none
	RequestID  string
}

// kernelCases are the cases beside the kinds that every profile must map.
var kernelCases = []Case{
	{Kind: atoll.NotFound, Code: CodeRoute}, {Kind: atoll.Invalid, Code: CodeMethod},
	{Kind: atoll.Invalid, Code: CodeType}, {Kind: atoll.TooLarge, Code: CodeURI},
}

// check reports every fault of the profile at once.
func (p *Profile) check(ops []*Operation) error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if p.Name == "" {
		fault("the profile has no name")
	}
	if !strings.HasPrefix(p.Prefix, "/") || len(p.Prefix) > 1 && strings.HasSuffix(p.Prefix, "/") {
		fault("prefix %q: want /a/b", p.Prefix)
	}
	if p.Fail == nil {
		fault("the profile has no Fail")
	}
	if p.MaxBody < 0 {
		fault("MaxBody is negative")
	}
	need := slices.Clone(kernelCases)
	for _, k := range atoll.Kinds() {
		if k != atoll.Canceled {
			need = append(need, Case{Kind: k})
		}
	}
	if p.Accept == HeaderChecked {
		need = append(need, Case{Kind: atoll.Invalid, Code: CodeAccept})
	}
	if slices.ContainsFunc(ops, func(o *Operation) bool { return o.Body == UploadBody }) {
		need = append(need, Case{Kind: atoll.Invalid, Code: CodeLength})
	}
	for _, c := range need {
		if _, ok := p.Status[c]; !ok {
			fault("no status for %s %s", c.Kind, c.Code)
		}
	}
	for c, s := range p.Status {
		if c.Status != 0 || s < 400 || s > 599 {
			fault("status %d for %s %s: want 400 to 599 and a key without status", s, c.Kind, c.Code)
		}
	}
	for c := range p.Words {
		if c.Status != 0 || c.Kind == 0 {
			fault("words for %v: want a kind and no status", c)
		}
	}
	for _, s := range slices.Concat(p.Schemes, p.UserKeys) {
		if len(s.Names) == 0 {
			fault("a scheme has no names")
		}
	}
	for i, r := range p.Renderers {
		if r.Media == "" || i == 0 && r.Render != nil {
			fault("renderer %d: want a media type; the first one is the JSON itself", i)
		}
	}
	for _, o := range ops {
		if o.Auth != Required && o.Auth != Public && o.Auth != IfGiven &&
			!slices.ContainsFunc(p.Schemes, func(s Scheme) bool { return s.Name == string(o.Auth) }) {
			fault("operation %q: no scheme %q", o.ID, o.Auth)
		}
	}
	return errors.Join(faults...)
}

// status maps a failure to a status: the row's own, then (kind, code), then kind.
func (p *Profile) status(o *Operation, kind atoll.Kind, code atoll.Code) int {
	if o != nil {
		if s := o.statusOf(kind, code); s != 0 {
			return s
		}
	}
	if s, ok := p.Status[Case{Kind: kind, Code: code}]; ok {
		return s
	}
	if s, ok := p.Status[Case{Kind: kind}]; ok {
		return s
	}
	return http.StatusInternalServerError
}
