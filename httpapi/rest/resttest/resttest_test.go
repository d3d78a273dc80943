package resttest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/httpapi/rest/resttest"
	"github.com/atoll-platform/atoll/policy"
)

// greeter is a dialect of one call.
func greeter() (*rest.Dialect, error) {
	profile := rest.Profile{
		Name: "greeter", Prefix: "/greet", Challenge: "Bearer",
		Schemes: []rest.Scheme{{In: rest.InAuthorization, Names: []string{"Bearer"}, Form: policy.Bearer}},
		Status:  map[rest.Case]int{},
		Words:   map[rest.Case]string{},
		Fail:    func(_ *rest.Call, f *rest.Failure) any { return map[string]string{"error": f.Text} },
	}
	for _, k := range atoll.Kinds() {
		profile.Status[rest.Case{Kind: k}] = http.StatusInternalServerError
	}
	for c, status := range map[rest.Case]int{
		{Kind: atoll.Invalid}: 400, {Kind: atoll.NotFound}: 404, {Kind: atoll.Unauthenticated}: 401,
		{Kind: atoll.NotFound, Code: rest.CodeRoute}: 404, {Kind: atoll.Invalid, Code: rest.CodeMethod}: 405,
		{Kind: atoll.Invalid, Code: rest.CodeAccept}: 406, {Kind: atoll.Invalid, Code: rest.CodeType}: 415,
		{Kind: atoll.TooLarge, Code: rest.CodeURI}: 414,
	} {
		profile.Status[c] = status
	}
	type in struct {
		Name string `path:"name,object"`
	}
	return rest.New(profile, rest.Op(rest.Operation{
		ID: "greeter.greet", Contract: "G1", Entity: "greeting", Summary: "Greets somebody", Status: []int{200},
		Routes: []rest.Route{{Method: "GET", Path: "/greet/{name}"}, {Method: "GET", Path: "/greet/{name}/again"}},
		Errors: []rest.Case{{Kind: atoll.NotFound}},
	}, func(_ context.Context, in in) (string, error) { return in.Name, nil }))
}

func contract() *resttest.Contract {
	return &resttest.Contract{New: greeter, Rows: []resttest.Row{
		{ID: "G1", Routes: "GET /greet/{name}, GET /greet/{name}/again", OK: []int{200}, Errors: []int{404}, Alike: []int{401}, Open: true},
	}}
}

func TestTheTableFits(t *testing.T) { contract().Table(t) }

func TestARowNamesItsCanonicalRoute(t *testing.T) {
	r := contract().Rows[0]
	if got := r.Method() + " " + r.Path(); got != "GET /greet/{name}" {
		t.Errorf("the canonical route is %s", got)
	}
}

func TestWhatNoTestHasShownIsMissing(t *testing.T) {
	c := contract()
	missing := func(want ...string) {
		t.Helper()
		got, err := c.Missing()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("missing mismatch (-want +got):\n%s", diff)
		}
	}
	const first, again, rows = "G1 GET /greet/{name}: 200", "G1 GET /greet/{name}/again: 200", "G1 GET /greet/{name}, GET /greet/{name}/again: "
	missing(rows+"401", rows+"404", first, again)
	c.Show(&rest.Access{Operation: "greeter.greet", Template: "/greet/{name}/again"}, "GET", 200)
	c.Show(&rest.Access{Operation: "greeter.greet", Template: "/greet/{name}"}, "HEAD", 200) // another route
	c.Show(&rest.Access{Operation: "another", Template: "/greet/{name}"}, "GET", 200)
	missing(rows+"401", rows+"404", first)
	c.Show(&rest.Access{Operation: "greeter.greet", Template: "/greet/{name}/again"}, "GET", 404) // of the operation, whatever the route
	c.Show(&rest.Access{Operation: "greeter.greet"}, "GET", 401)
	c.Show(&rest.Access{Operation: "greeter.greet", Template: "/greet/{name}"}, "GET", 200)
	missing()
}

func TestDiff(t *testing.T) {
	tests := map[string]struct {
		want, got string
		same      bool
	}{
		"equal values":                        {`{"a":[1,"x",null]}`, `{"a":[1,"x",null]}`, true},
		"the order of members":                {`{"a":1,"b":2}`, `{"b":2,"a":1}`, true},
		"a star is any text":                  {`{"a":["*"]}`, `{"a":["x"]}`, true},
		"a star is no empty text":             {`"*"`, `""`, false},
		"a star is no number":                 {`"*"`, `1`, false},
		"a star is no missing member":         {`{"a":"*"}`, `{}`, false},
		"a star in the answer is a text":      {`"x"`, `"*"`, false},
		"a member too many":                   {`{}`, `{"a":1}`, false},
		"an element too many":                 {`["*"]`, `["x","y"]`, false},
		"the same number in another notation": {`1`, `1.0`, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := resttest.Diff(resttest.Decode(t, tt.want), resttest.Decode(t, tt.got)); (diff == "") != tt.same {
				t.Errorf("%s beside %s: %q", tt.want, tt.got, diff)
			}
		})
	}
}

func TestNumbers(t *testing.T) {
	n := resttest.Numbers{Form: regexp.MustCompile(`id-[a-z]`), Keep: "id-k"}
	got := n.In(resttest.Decode(t, `{"b":"id-x and id-y","a":["id-z","id-k"],"id-y":1}`))
	if diff := cmp.Diff(resttest.Decode(t, `{"a":["#1","id-k"],"b":"#2 and #3","#3":1}`), got); diff != "" {
		t.Errorf("numbers mismatch (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff("#2", n.In("id-x")); diff != "" {
		t.Errorf("an id has another number the second time:\n%s", diff)
	}
	if id, ok := n.ID("#3"); id != "id-y" || !ok {
		t.Errorf("#3 is %q, %v", id, ok)
	}
	if id, ok := n.ID("#4"); ok {
		t.Errorf("#4 is %q", id)
	}
}

func TestSend(t *testing.T) {
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, empty := r.Header["X-B"]
		fmt.Fprint(w, r.Method, " ", r.URL, " ", r.RemoteAddr, " ", r.Header.Get("X-A"), " ", empty, " ", string(body))
	})
	w := resttest.Send(echo, "PUT", "/a?b=%zz", "text", "X-A", "1", "X-B", "")
	if diff := cmp.Diff("PUT /a?b=%zz 127.0.0.1:1 1 false text", w.Body.String()); diff != "" {
		t.Errorf("what arrived (-want +got):\n%s", diff)
	}
	if w := resttest.Send(echo, "GET", "/%zz", ""); w != nil {
		t.Errorf("a target that no server sees was answered: %s", w.Body)
	}
}

func TestSession(t *testing.T) {
	c := contract()
	s := resttest.Session{T: t, Contract: c, IDs: resttest.Numbers{Form: regexp.MustCompile(`id-[a-z]`)}}
	call := func(a rest.Access, status int, body string) *resttest.Reply {
		if a.Operation != "" {
			s.Saw(t.Context(), &a)
		}
		return s.Reply("GET /greet/ann", "GET", status, http.Header{}, body)
	}
	s.Subtest("an answer that holds is shown to the contract", func(t *testing.T) {
		if s.T != t {
			t.Error("the session fails another test")
		}
		call(rest.Access{Operation: "greeter.greet", Template: "/greet/{name}"}, 200, `{"to":"ann","by":["id-x","id-y","id-x"]}`).Is(200, `{"to":"*","by":["#1","#2","#1"]}`)
	})
	if s.T != t {
		t.Error("after a subtest the session fails another test")
	}
	call(rest.Access{Operation: "greeter.greet"}, 404, "no JSON").Is(404, "")
	call(rest.Access{}, 401, `{}`).Is(401, `{}`) // what no operation answered counts for none
	got, err := c.Missing()
	if err != nil {
		t.Fatal(err)
	}
	const rows = "G1 GET /greet/{name}, GET /greet/{name}/again: "
	if diff := cmp.Diff([]string{rows + "401", "G1 GET /greet/{name}/again: 200"}, got); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
	var to struct{ To string }
	if call(rest.Access{}, 200, `{"to":"ann"}`).JSON(&to); to.To != "ann" {
		t.Errorf("decoded %+v", to)
	}
}
