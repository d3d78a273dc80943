package rest

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/atoll-platform/atoll"
)

// Operation is one row of a dialect's table: all that routing, documents,
// OPTIONS and the pipeline need to know about one call. Rows are made by Op,
// which adds the typed function; after that a row is constant.
type Operation struct {
	ID      string // "apcera.job.update": unique in the dialect; names logs and metrics
	Entity  string // "job": keys messages and error maps
	Summary string // one line for documents
	Doc     string // a paragraph for documents

	Routes []Route // the first is canonical, the others are aliases

	Contract string // the row of the contract: coverage tests join on it
	Action   string // a phrase for error bodies: "Start runtime"
	Permit   string // the policy action that is asked for, for documents and OPTIONS

	Auth     AuthNeed
	Status   []int  // the declared successes; the first is the default. Empty is what the Out type implies
	Errors   []Case // failures beyond the common ones, for documents; a Status overrides the profile's
	Body     BodyMode
	Types    []BodyType    // further media types of a RawBody whose field has DecodeTyped
	Optional bool          // an empty body counts as {}
	MaxBody  int64         // 0 is the profile's
	Timeout  time.Duration // 0 is the server's; negative is none
	Stream   StreamForms
	Limit    Class
	ETag     bool // answers carry a weak tag of the commit index and the caller

	in, out reflect.Type
	outKind outKind
	binder  *binder
	picks   bool // the result may choose its status
	heads   bool // the result may add headers
	newIn   func() any
	freeIn  func(in any)
	call    func(ctx context.Context, in any) (any, error)
}

// Route is a method and a path template such as /v1/jobs/{uuid} or
// /v1/jobs/{uuid}/files/{path...}. Templates never end in a slash, whatever
// the dialect's slash rule says; "/" alone is the root.
type Route struct {
	Method string
	Path   string
}

// AuthNeed says which credentials a row asks for. Any other value than the
// three constants is the Name of the Schemes that count for the row.
type AuthNeed string

// What a row may need.
const (
	Required AuthNeed = ""         // the dialect's own credentials
	Public   AuthNeed = "public"   // none; none are read
	IfGiven  AuthNeed = "if-given" // none is a public caller, a bad one is refused
)

// BodyMode says what a row expects as its body.
type BodyMode uint8

// The modes of a body.
const (
	NoBody     BodyMode = iota // none; what comes is dealt with by Profile.NoBody
	JSONBody                   // one JSON value
	FormBody                   // one JSON value, or its fields as a form or multipart form
	RawBody                    // one JSON value that the row reads itself
	UploadBody                 // bytes with a declared length, opened by the service
)

// BodyType is a media type that a row reads besides JSON, by a method of its own:
//
//	DecodeTyped(media string, body []byte) error
//
// It is handed the body as it came, an empty one too, and may keep it until the
// function of the row returns.
type BodyType struct {
	Media   string // "application/x-ndjson": lower case, without parameters
	MaxBody int64  // 0 is the row's
}

// typed returns the further type of the row that a Content-Type header names,
// nil for none.
func (o *Operation) typed(header string) *BodyType {
	if len(o.Types) == 0 || header == "" || header == "application/json" {
		return nil
	}
	media := mediaType(header)
	for i := range o.Types {
		if o.Types[i].Media == media {
			return &o.Types[i]
		}
	}
	return nil
}

// checkTypes holds the further types of the row to their form.
func (o *Operation) checkTypes() error {
	for i, t := range o.Types {
		twice := slices.ContainsFunc(o.Types[:i], func(u BodyType) bool { return u.Media == t.Media })
		switch {
		case t.Media == "" || t.Media != mediaType(t.Media) || t.Media == "application/json" || twice:
			return fmt.Errorf("body type %q: want another one than JSON, once, in lower case and without parameters", t.Media)
		case t.MaxBody < 0:
			return fmt.Errorf("body type %q: MaxBody is negative", t.Media)
		case o.Body != RawBody || o.binder.object.body < 0 || !o.binder.object.fields[o.binder.object.body].typed:
			return fmt.Errorf("body type %q: Types want the body mode Raw and a field with DecodeTyped", t.Media)
		}
	}
	return nil
}

// StreamForms are the forms a stream may be asked for in.
type StreamForms uint8

// The forms of a stream. The first declared one, in this order, is the default.
const (
	Lines    StreamForms = 1 << iota // newline-delimited JSON
	SSE                              // server-sent events
	LongPoll                         // one message, or 204 after Operation.Timeout
)

// Class picks the bounds a call counts against.
type Class uint8

// The classes of load.
const (
	NormalLoad Class = iota
	CheapLoad        // answers from memory at once: not counted against its caller, only among all
	HeavyLoad        // few at a time
	StreamLoad       // stays open: counted as a stream, not as a call in flight
)

// Case is a failure as tables name it: a kind, or one code of it. Status is
// only read in Operation.Errors; as a key of a table it is 0.
type Case struct {
	Kind   atoll.Kind
	Code   atoll.Code
	Status int
}

// The codes of failures that only the kernel makes.
const (
	CodeRoute  atoll.Code = "route"  // NotFound: no such path
	CodeMethod atoll.Code = "method" // Invalid: the path does not take the method
	CodeAccept atoll.Code = "accept" // Invalid: no form the caller accepts
	CodeType   atoll.Code = "type"   // Invalid: the body is of a type or encoding the row does not read
	CodeLength atoll.Code = "length" // Invalid: an upload without a length
	CodeURI    atoll.Code = "uri"    // TooLarge: the request target is too long
	CodeGuard  atoll.Code = "guard"  // Denied: the same-origin or the peer guard refused
	CodeSyntax atoll.Code = "syntax" // Invalid: the query or the body cannot be read at all
)

// Op gives the row o its function. The types In and Out are examined once,
// here: a tag, status or body mode that does not fit panics, so that a wrong
// table never starts. fn runs with the caller as policy.PrincipalFrom(ctx); In
// belongs to it until it returns.
func Op[In, Out any](o Operation, fn func(context.Context, In) (Out, error)) Operation {
	o.in, o.out = reflect.TypeFor[In](), reflect.TypeFor[Out]()
	if err := o.complete(fn != nil); err != nil {
		panic(fmt.Sprintf("rest: operation %q: %v", o.ID, err))
	}
	pool := sync.Pool{New: func() any { return new(In) }}
	o.newIn = func() any { return pool.Get() }
	o.freeIn = func(in any) {
		p := in.(*In)
		var zero In
		*p = zero
		pool.Put(p)
	}
	o.call = func(ctx context.Context, in any) (any, error) {
		out, err := fn(ctx, *in.(*In))
		if err != nil {
			return nil, err
		}
		return out, nil
	}
	return o
}

// In and Out are the types of the row's function, for documents.
func (o *Operation) In() reflect.Type { return o.in }

// Out is the result type of the row's function.
func (o *Operation) Out() reflect.Type { return o.out }

// complete checks what can be checked without a profile and fills defaults.
func (o *Operation) complete(hasFn bool) error {
	if o.ID == "" {
		return fmt.Errorf("it has no ID")
	}
	if !hasFn {
		return fmt.Errorf("it has no function")
	}
	if o.in.Kind() != reflect.Struct {
		return fmt.Errorf("In is %s, want a struct", o.in)
	}
	if len(o.Routes) == 0 {
		return fmt.Errorf("it has no route")
	}
	for _, r := range o.Routes {
		if err := checkRoute(r); err != nil {
			return err
		}
	}
	kind, err := outKindOf(o.out)
	if err != nil {
		return err
	}
	o.outKind = kind
	if len(o.Status) == 0 {
		o.Status = []int{kind.status()}
	}
	for _, s := range o.Status {
		if s < 200 || s > 399 || kind == outNone && s != http.StatusNoContent && s != http.StatusNotModified ||
			kind == outRedirect && s < 300 || kind != outRedirect && kind != outResponse && s >= 300 {
			return fmt.Errorf("status %d does not fit an answer of type %s", s, o.out)
		}
	}
	if (kind == outStream) != (o.Stream != 0) {
		return fmt.Errorf("Stream and an Out of type Stream go together")
	}
	if kind == outStream {
		o.Limit = StreamLoad
	}
	for _, c := range o.Errors {
		if c.Kind == 0 || c.Status != 0 && (c.Status < 400 || c.Status > 599) {
			return fmt.Errorf("error case %v: want a kind and no status, or one from 400 to 599", c)
		}
	}
	if o.MaxBody < 0 {
		return fmt.Errorf("MaxBody is negative")
	}
	o.picks, o.heads = may[StatusCoder](o.out), may[Headerer](o.out)
	if o.binder, err = newBinder(o.in, o); err != nil {
		return err
	}
	return o.checkTypes()
}

// may reports whether results of type t, or the values they wrap, may
// implement I.
func may[I any](t reflect.Type) bool {
	if t.Kind() == reflect.Interface || t.Implements(reflect.TypeFor[I]()) {
		return true
	}
	if w, ok := reflect.Zero(t).Interface().(wrapped); ok {
		return may[I](w.innerType())
	}
	return false
}

// checkRoute holds a route to the form of templates.
func checkRoute(r Route) error {
	if r.Method == "" || strings.ToUpper(r.Method) != r.Method {
		return fmt.Errorf("route %s %s: the method is upper-case", r.Method, r.Path)
	}
	if r.Method == http.MethodHead || r.Method == http.MethodConnect {
		return fmt.Errorf("route %s %s: the kernel answers %s itself", r.Method, r.Path, r.Method)
	}
	_, err := parseTemplate(r.Path)
	return err
}

// canonical is the path template documents and logs use.
func (o *Operation) canonical() string { return o.Routes[0].Path }

// statusOf is the status the row gives a failure, 0 for the profile's.
func (o *Operation) statusOf(kind atoll.Kind, code atoll.Code) int {
	best := 0
	for _, c := range o.Errors {
		if c.Kind != kind || c.Status == 0 {
			continue
		}
		if c.Code == code {
			return c.Status
		}
		if c.Code == "" {
			best = c.Status
		}
	}
	return best
}

// sortedOps returns ops by id, so that documents do not depend on table order.
func sortedOps(ops []*Operation) []*Operation {
	return slices.SortedFunc(slices.Values(ops), func(a, b *Operation) int { return cmp.Compare(a.ID, b.ID) })
}
