package rest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/httpapi/rest"
)

var updateErrors = flag.Bool("update-errors", false, "rewrite the golden error bodies")

// toyCodes are the codes that profiles treat apart.
var toyCodes = map[atoll.Kind][]atoll.Code{
	atoll.Conflict: {atoll.Exists, atoll.Stale, atoll.InUse}, atoll.FailedState: {atoll.RequiresRestart}, atoll.Denied: {atoll.NotOwner},
}

// TestKindsToStatuses holds each profile to the one table of kinds.
func TestKindsToStatuses(t *testing.T) {
	table := []struct {
		kind atoll.Kind
		code atoll.Code
		want [5]int // coral tutum apcera cxengage syncano
	}{
		{atoll.Invalid, "", [5]int{400, 400, 400, 400, 400}}, {atoll.Reference, "", [5]int{400, 400, 404, 400, 400}},
		{atoll.Unprocessable, "", [5]int{422, 400, 400, 400, 400}}, {atoll.NotFound, "", [5]int{404, 404, 404, 404, 404}},
		{atoll.Conflict, "", [5]int{409, 400, 409, 409, 400}}, {atoll.Conflict, atoll.Exists, [5]int{409, 400, 409, 409, 400}},
		{atoll.Conflict, atoll.Stale, [5]int{409, 400, 409, 409, 400}}, {atoll.Conflict, atoll.InUse, [5]int{409, 400, 409, 409, 400}},
		{atoll.FailedState, "", [5]int{409, 400, 409, 409, 400}}, {atoll.FailedState, atoll.RequiresRestart, [5]int{409, 400, 409, 409, 400}},
		{atoll.Quota, "", [5]int{409, 400, 403, 400, 400}}, {atoll.Denied, "", [5]int{403, 403, 403, 403, 403}},
		{atoll.Denied, atoll.NotOwner, [5]int{401, 403, 403, 403, 403}}, {atoll.Unauthenticated, "", [5]int{401, 401, 401, 401, 403}},
		{atoll.TooLarge, "", [5]int{413, 413, 413, 413, 413}}, {atoll.Overloaded, "", [5]int{429, 429, 503, 503, 429}},
		{atoll.Unavailable, "", [5]int{503, 503, 503, 503, 503}}, {atoll.Timeout, "", [5]int{504, 503, 503, 500, 503}},
		{atoll.Failed, "", [5]int{500, 500, 500, 500, 500}}, {atoll.Internal, "", [5]int{500, 500, 500, 500, 500}},
	}
	covered := map[string]bool{}
	for _, row := range table {
		covered[row.kind.String()+string(row.code)] = true
	}
	for _, k := range atoll.Kinds() {
		for _, c := range append([]atoll.Code{""}, toyCodes[k]...) {
			if k != atoll.Canceled && !covered[k.String()+string(c)] {
				t.Errorf("%s %s is not in the table", k, c)
			}
		}
	}
	for i, dialect := range toyNames {
		h := toyServer(t, rest.Options{}, toyDialect(t, dialect, &toy{}))
		for _, row := range table {
			t.Run(fmt.Sprintf("%s %s %s", dialect, row.kind, row.code), func(t *testing.T) {
				got := failingRequest(dialect, row.kind, row.code).to(h)
				if got.status != row.want[i] {
					t.Errorf("got %d, want %d", got.status, row.want[i])
				}
				retry := got.header.Get("Retry-After") != ""
				if want := row.kind == atoll.Overloaded || row.kind == atoll.Unavailable; retry != want {
					t.Errorf("Retry-After is %v, want %v", retry, want)
				}
				challenge := got.header.Get("Www-Authenticate")
				if want := toyProfile(dialect).Challenge; row.kind == atoll.Unauthenticated && challenge != want || row.kind != atoll.Unauthenticated && challenge != "" {
					t.Errorf("challenge %q", challenge)
				}
			})
		}
	}
}

func failingRequest(dialect string, k atoll.Kind, c atoll.Code) toyRequest {
	return toyRequest{dialect: dialect, method: "GET", path: "/fail/" + strings.ReplaceAll(k.String(), " ", "%20") + "/-" + string(c)}
}

var requestIDs = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{10}`)

// TestErrorBodies compares every error body of every profile with a golden
// file, and looks for what must never show.
func TestErrorBodies(t *testing.T) {
	for _, dialect := range toyNames {
		t.Run(dialect, func(t *testing.T) {
			h := toyServer(t, rest.Options{}, toyDialect(t, dialect, &toy{}))
			got := map[string]any{}
			add := func(name string, a answer) {
				if strings.Contains(a.body, "HIDDEN") || strings.Contains(a.body, "wrapped") {
					t.Errorf("%s shows its cause: %s", name, a.body)
				}
				id := a.header.Get("X-Request-Id")
				if !requestIDs.MatchString(id) {
					t.Errorf("%s: request id %q", name, id)
				}
				if m := requestIDs.FindString(a.body); m != "" && m != id {
					t.Errorf("%s names %s in the body, %s in the header", name, m, id)
				}
				var body any
				if err := json.Unmarshal([]byte(requestIDs.ReplaceAllString(a.body, "ID")), &body); err != nil {
					t.Fatalf("%s: %q: %v", name, a.body, err)
				}
				got[name] = map[string]any{"status": float64(a.status), "body": body}
			}
			for _, k := range atoll.Kinds() {
				if k == atoll.Canceled {
					continue
				}
				for _, c := range append([]atoll.Code{""}, toyCodes[k]...) {
					add(strings.TrimSpace(k.String()+" "+string(c)), failingRequest(dialect, k, c).to(h))
				}
			}
			for name, q := range map[string]toyRequest{
				"kernel: no path":        {method: "GET", path: "/nowhere"},
				"kernel: no method":      {method: "BREW", path: "/things"},
				"kernel: no credentials": {method: "GET", path: "/things", anonymous: true},
				"kernel: accept":         {method: "GET", path: "/things", header: http.Header{"Accept": {"image/png"}}},
				"kernel: type":           {method: "PATCH", path: "/things/a", body: `{}`, header: http.Header{"Content-Type": {"text/plain"}}},
				"kernel: encoding":       {method: "PATCH", path: "/things/a", body: `{}`, header: http.Header{"Content-Encoding": {"gzip"}}},
				"kernel: too large":      {method: "PATCH", path: "/things/a", body: strings.Repeat(" ", 1025)},
				"kernel: findings":       {method: "PATCH", path: "/things/a", body: `{"size": -1, "name": "a name that is too long"}`},
				"kernel: query":          {method: "GET", path: "/things?limit=%zz"},
				"kernel: cross-site":     {method: "GET", path: "/things", header: http.Header{"Sec-Fetch-Site": {"cross-site"}}},
				"kernel: uri":            {method: "GET", path: "/things?" + strings.Repeat("x", 9000)},
			} {
				q.dialect = dialect
				if a := q.to(h); a.status >= 400 {
					add(name, a)
				}
			}
			file := filepath.Join("testdata", "errors", dialect+".json")
			if *updateErrors {
				text, err := json.MarshalIndent(got, "", "  ")
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var want map[string]any
			if err := json.Unmarshal(text, &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("error bodies (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRowsOverrideStatuses(t *testing.T) {
	row := rest.Operation{ID: "login", Routes: []rest.Route{{Method: "POST", Path: "/v1.1/login"}}, Auth: rest.Public,
		Errors: []rest.Case{{Kind: atoll.Unauthenticated, Status: 401}, {Kind: atoll.FailedState, Code: "copy", Status: 405}}}
	fail := error(atoll.Errorf(atoll.Unauthenticated, "login", "Wrong name or password."))
	d, err := rest.New(toyProfile("syncano"), rest.Op(row, func(context.Context, noIn) (rest.None, error) { return rest.None{}, fail }))
	if err != nil {
		t.Fatal(err)
	}
	h := toyServer(t, rest.Options{}, d)
	if got := (toyRequest{dialect: "syncano", method: "POST", path: "/login"}).to(h); got.status != 401 || got.body != `{"detail":"Wrong name or password."}` {
		t.Errorf("a login: got %d %s", got.status, got.body)
	}
	fail = &atoll.Error{Kind: atoll.FailedState, Code: "copy", Msg: "It is a copy.", Details: map[string]any{"allow": "GET, HEAD"}}
	if got := (toyRequest{dialect: "syncano", method: "POST", path: "/login"}).to(h); got.status != 405 || got.header.Get("Allow") != "GET, HEAD" {
		t.Errorf("a copy: got %d, Allow %q", got.status, got.header.Get("Allow"))
	}
	fail = &atoll.Error{Kind: atoll.FailedState, Msg: "It is stopped."}
	if got := (toyRequest{dialect: "syncano", method: "POST", path: "/login"}).to(h); got.status != 400 {
		t.Errorf("another code: got %d, want 400", got.status)
	}
}

func TestManyFindingsAreCutOff(t *testing.T) {
	var findings []atoll.Finding
	for i := range 250 {
		findings = append(findings, atoll.Finding{Path: fmt.Sprintf("f%d", i), Msg: "is wrong"})
	}
	var f *rest.Failure
	d := toyDialect(t, "coral", &toy{fail: func() error { return &atoll.Error{Kind: atoll.Invalid, Findings: findings} }}, func(p *rest.Profile) {
		p.Fail = func(_ *rest.Call, got *rest.Failure) any { f = got; return nil }
	})
	failingRequest("coral", atoll.Invalid, "").to(toyServer(t, rest.Options{}, d))
	if len(f.Findings) != 101 || f.Findings[100].Msg != "and 150 more" || !slices.Equal(f.Findings[:100], findings[:100]) {
		t.Errorf("got %d findings, the last %v", len(f.Findings), f.Findings[len(f.Findings)-1])
	}
}

func TestErrorsThatAreNotOurs(t *testing.T) {
	for name, tt := range map[string]struct {
		err    error
		status int
	}{
		"an error without a kind is internal":   {errors.New("HIDDEN"), 500},
		"a deadline is a timeout":               {fmt.Errorf("HIDDEN: %w", context.DeadlineExceeded), 504},
		"the outer safe text wins":              {atoll.Wrap("outer", toyFailure(atoll.Quota, "")), 409},
		"a kind alone is an error":              {atoll.NotFound, 404},
		"an internal error shows no findings":   {&atoll.Error{Kind: atoll.Internal, Msg: "HIDDEN", Findings: []atoll.Finding{{Msg: "HIDDEN"}}}, 500},
		"a kind from the future is internal":    {&atoll.Error{Kind: 99, Msg: "HIDDEN text"}, 500},
		"an error of kind zero is internal too": {&atoll.Error{Msg: "HIDDEN text"}, 500},
	} {
		t.Run(name, func(t *testing.T) {
			h := toyServer(t, rest.Options{}, toyDialect(t, "coral", &toy{fail: func() error { return tt.err }}))
			got := failingRequest("coral", atoll.Invalid, "").to(h)
			if got.status != tt.status || strings.Contains(got.body, "HIDDEN") {
				t.Errorf("got %d %s, want %d without the cause", got.status, got.body, tt.status)
			}
		})
	}
}

// logged collects records of a logger.
func logged() (*slog.Logger, *bytes.Buffer) {
	var b bytes.Buffer
	return slog.New(slog.NewTextHandler(&b, nil)), &b
}

func TestInternalErrorsAreLoggedOnce(t *testing.T) {
	log, text := logged()
	h := toyServer(t, rest.Options{Logger: log}, toyDialect(t, "coral", &toy{}))
	got := failingRequest("coral", atoll.Internal, "").to(h)
	if n := strings.Count(text.String(), "the HIDDEN cause"); n != 1 || !strings.Contains(text.String(), got.header.Get("X-Request-Id")) {
		t.Errorf("the log has the cause %d times:\n%s", n, text)
	}
	text.Reset()
	failingRequest("coral", atoll.Invalid, "").to(h)
	if text.Len() > 0 {
		t.Errorf("a caller's fault is logged: %s", text)
	}
}

func TestACallerWhoLeftGetsNothing(t *testing.T) {
	var seen rest.Access
	ctx, cancel := context.WithCancel(context.Background())
	h := toyServer(t, rest.Options{Access: func(_ context.Context, a *rest.Access) { seen = *a }}, toyDialect(t, "coral", &toy{
		get: func(ctx context.Context, _ idIn) (thing, error) {
			cancel()
			<-ctx.Done()
			return thing{}, ctx.Err()
		}}))
	got := serve(h, toyRequest{dialect: "coral", method: "GET", path: "/things/a"}.make().WithContext(ctx))
	if !got.aborted || got.status != 0 || seen.Status != 499 {
		t.Errorf("aborted %v, status %d, logged %d", got.aborted, got.status, seen.Status)
	}
}

func TestAFunctionHasUntilItsDeadline(t *testing.T) {
	h := toyServer(t, rest.Options{Limits: rest.Limits{Handler: time.Nanosecond}}, toyDialect(t, "coral", &toy{
		get: func(ctx context.Context, _ idIn) (thing, error) {
			<-ctx.Done()
			return thing{}, ctx.Err()
		}}))
	if got := (toyRequest{dialect: "coral", method: "GET", path: "/things/a"}).to(h); got.status != 504 {
		t.Errorf("got %d, want 504", got.status)
	}
}
