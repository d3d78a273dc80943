package openapitest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/policy"
)

type shade string

func (shade) Values() []string { return []string{"dark", "light"} }

type tree struct {
	ID       string           `json:"id"`
	Shade    shade            `json:"shade"`
	Children []tree           `json:"children"`
	Parent   *tree            `json:"parent"`
	Planted  time.Time        `json:"planted"`
	Config   rest.Raw         `json:"config"`
	Counts   map[string]int64 `json:"counts"`
	Note     rest.Opt[string] `json:"note"`
}

type page[T any] struct {
	Next    rest.Opt[string] `json:"next"`
	Objects []T              `json:"objects"`
}

type treeInput struct {
	Name  string                `json:"name" rule:"required min=1 max=50 re=[a-z]+" doc:"What it is called."`
	Size  rest.Opt[int]         `json:"size" rule:"min=1 max=9 null"`
	Level int                   `json:"level" rule:"enum=1,2 default=1"`
	Kinds []shade               `json:"kinds" alias:"kindes" rule:"max=3"`
	ID    string                `json:"id" show:"ro"`
	Pass  rest.Opt[rest.Secret] `json:"pass"`
	Port  uint16                `json:"port" rule:"default=80"`
	Meta  map[string]rest.Raw   `json:"meta" rule:"max=8"`
	Tags  []string              `json:"tags" rule:"default=[\"a\"]"`
	Until rest.Opt[time.Time]   `json:"until"`
}

type one struct {
	ID string `path:"id,object" doc:"Which one."`
}

type filter struct {
	rest.Self
	Limit int         `query:"limit" rule:"min=0 max=100 default=25"`
	Tags  []string    `query:"tag,list"`
	IDs   []int       `query:"ids,csv"`
	Back  bool        `query:"reverse,present"`
	Docs  []rest.Pair `query:"doc,pairs"`
	Rest  []rest.Pair `query:"*"`
	Trace string      `header:"X-Trace"`
}

type event struct {
	ID   string   `path:"id"`
	Body rest.Raw `body:"raw"`
}

type upload struct {
	Token string      `path:"token"`
	Tail  string      `path:"path"`
	Body  rest.Upload `body:"upload"`
}

var planted = time.Date(2015, 1, 21, 12, 18, 8, 791108000, time.UTC)

func rows(prefix string) []rest.Operation {
	route := func(method, path string) []rest.Route { return []rest.Route{{Method: method, Path: prefix + path}} }
	oak := tree{ID: "oak", Shade: "dark", Planted: planted, Config: rest.Raw(`{"n":1.0}`), Counts: map[string]int64{"a": 1}}
	return []rest.Operation{
		rest.Op(rest.Operation{ID: "tree.list", Entity: "tree", Summary: "List.", Routes: route("GET", "/trees"), ETag: true, Auth: rest.Public},
			func(context.Context, filter) (page[tree], error) {
				return page[tree]{Next: rest.Cleared[string](), Objects: []tree{{ID: "elm", Shade: "light", Config: rest.Raw("[1e400]"), Note: rest.Some("old"), Children: []tree{oak}, Parent: &oak}}}, nil
			}),
		rest.Op(rest.Operation{ID: "tree.create", Entity: "tree", Doc: "Plants one.", Contract: "1", Permit: "create", Routes: route("POST", "/trees"),
			Body: rest.FormBody, Auth: rest.Public, Errors: []rest.Case{{Kind: atoll.Conflict, Code: atoll.Exists, Status: 409}}},
			func(context.Context, treeInput) (rest.Created[tree], error) {
				return rest.Created[tree]{V: oak, Location: prefix + "/trees/oak"}, nil
			}),
		rest.Op(rest.Operation{ID: "tree.update", Routes: append(route("PATCH", "/trees/{id}"), route("POST", "/trees/{id}")...), Body: rest.JSONBody, Optional: true},
			func(context.Context, struct {
				one
				treeInput
			}) (rest.Accepted[tree], error) {
				return rest.Accepted[tree]{V: oak}, nil
			}),
		rest.Op(rest.Operation{ID: "tree.get", Auth: rest.Public, Routes: route("GET", "/trees/{id}")},
			func(_ context.Context, in one) (tree, error) {
				if in.ID != "oak" {
					return tree{}, &atoll.Error{Kind: atoll.NotFound, Msg: "no such tree"}
				}
				return oak, nil
			}),
		rest.Op(rest.Operation{ID: "tree.delete", Auth: rest.Public, Routes: route("DELETE", "/trees/{id}")},
			func(context.Context, one) (rest.None, error) { return rest.None{}, nil }),
		rest.Op(rest.Operation{ID: "tree.event", Auth: rest.IfGiven, Routes: route("POST", "/trees/{id}/events"), Body: rest.RawBody},
			func(context.Context, event) (rest.Null, error) { return rest.Null{}, nil }),
		rest.Op(rest.Operation{ID: "tree.upload", Auth: "stager", Routes: route("PUT", "/up/{token}/{path...}"), Body: rest.UploadBody},
			func(context.Context, upload) (rest.Bytes, error) { return rest.Bytes{}, nil }),
		rest.Op(rest.Operation{ID: "tree.watch", Routes: route("GET", "/trees/{id}/watch"), Stream: rest.Lines | rest.SSE | rest.LongPoll},
			func(context.Context, one) (rest.Stream[tree], error) { return rest.Stream[tree]{}, nil }),
		rest.Op(rest.Operation{ID: "tree.moved", Routes: route("GET", "/moved")},
			func(context.Context, struct{}) (rest.Redirect, error) { return rest.Redirect{}, nil }),
	}
}

// profiles are the five ways in which dialects differ for a document.
func profiles() map[string]rest.Profile {
	status := map[rest.Case]int{
		{Kind: atoll.NotFound, Code: rest.CodeRoute}: 404, {Kind: atoll.Invalid, Code: rest.CodeMethod}: 405,
		{Kind: atoll.Invalid, Code: rest.CodeType}: 415, {Kind: atoll.TooLarge, Code: rest.CodeURI}: 414,
		{Kind: atoll.Invalid, Code: rest.CodeAccept}: 406, {Kind: atoll.Invalid, Code: rest.CodeLength}: 411,
	}
	for _, k := range atoll.Kinds() {
		if k != atoll.Canceled {
			status[rest.Case{Kind: k}] = 400
		}
	}
	for kind, s := range map[atoll.Kind]int{atoll.Internal: 500, atoll.NotFound: 404, atoll.Denied: 403, atoll.Unauthenticated: 401, atoll.Unavailable: 503, atoll.Overloaded: 429} {
		status[rest.Case{Kind: kind}] = s
	}
	base := rest.Profile{
		Status: status,
		Fail:   func(_ *rest.Call, f *rest.Failure) any { return map[string]any{"error": f.Text} },
		Schemes: []rest.Scheme{
			{In: rest.InAuthorization, Names: []string{"Basic"}, Form: policy.Basic},
			{In: rest.InAuthorization, Names: []string{"token", "Bearer"}, Form: policy.Bearer},
			{In: rest.InHeader, Names: []string{"X-API-KEY"}, Form: policy.Key},
			{In: rest.InQuery, Names: []string{"api_key"}, Form: policy.Key},
			{Name: "stager", In: rest.InPath, Names: []string{"token"}, Form: policy.Bearer},
		},
	}
	with := func(name, prefix string, change func(*rest.Profile)) rest.Profile {
		p := base
		p.Name, p.Prefix = name, prefix
		change(&p)
		return p
	}
	return map[string]rest.Profile{
		"C": with("c", "/api", func(p *rest.Profile) { p.Time = "2006-01-02T15:04:05.000" }),
		"T": with("t", "/api/v1", func(p *rest.Profile) {
			p.Slash, p.Null, p.Time = rest.SlashRedirect, rest.NullAbsent, "Mon, 2 Jan 2006 15:04:05 +0000"
		}),
		"A": with("a", "/v1", func(p *rest.Profile) {
			p.Accept, p.Null, p.Query = rest.HeaderIgnored, rest.NullAbsent, rest.QueryRule{FoldNames: true}
		}),
		"X": with("x", "/1.0", func(p *rest.Profile) {
			p.Unknown, p.ReadOnly, p.Duplicate, p.Null, p.NoBody = rest.FieldRefused, rest.FieldRefusedOnCreate, rest.FieldRefused, rest.NullClears, rest.NoBodyObject
			p.Time = "2006-01-02T15:04:05.000Z07:00"
		}),
		"S": with("s", "/v1.1", func(p *rest.Profile) {
			p.Slash, p.Coerce, p.Time = rest.SlashEnd, true, "2006-01-02T15:04:05.000000Z07:00"
		}),
	}
}

func TestDocumentsOfAllDialectsAreValid(t *testing.T) {
	for name, p := range profiles() {
		t.Run(name, func(t *testing.T) {
			d, err := rest.New(p, rows(p.Prefix)...)
			if err != nil {
				t.Fatal(err)
			}
			text, err := d.Document()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Load(text); err != nil {
				t.Errorf("%v\n%s", err, text)
			}
		})
	}
}

func TestAnswersAreThoseOfTheDocument(t *testing.T) {
	for name, p := range profiles() {
		d, err := rest.New(p, rows(p.Prefix)...)
		if err != nil {
			t.Fatal(err)
		}
		text, err := d.Document()
		if err != nil {
			t.Fatal(err)
		}
		doc, err := Load(text)
		if err != nil {
			t.Fatal(err)
		}
		slash := ""
		if p.Slash != rest.SlashNone {
			slash = "/"
		}
		for _, tt := range []struct {
			method, path, body string
			status             int
		}{
			{"GET", "/trees", "", 200}, {"GET", "/trees/oak", "", 200}, {"GET", "/trees/elm", "", 404},
			{"POST", "/trees", `{"name":"oak"}`, 201}, {"POST", "/trees", `{}`, 400}, {"DELETE", "/trees/oak", "", 204},
			{"PATCH", "/trees/oak", `{}`, 401}, {"POST", "/trees/oak/events", `{"a":1}`, 200},
		} {
			t.Run(name+" "+tt.method+" "+tt.path, func(t *testing.T) {
				r := httptest.NewRequest(tt.method, p.Prefix+tt.path+slash, strings.NewReader(tt.body))
				if tt.body == "" {
					r = httptest.NewRequest(tt.method, p.Prefix+tt.path+slash, nil)
				} else {
					r.Header.Set("Content-Type", "application/json")
				}
				w := httptest.NewRecorder()
				d.ServeHTTP(w, r)
				if w.Code != tt.status {
					t.Fatalf("status %d, want %d: %s", w.Code, tt.status, w.Body)
				}
				if err := doc.Answer(r, w.Code, w.Header(), w.Body.Bytes()); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestWhatIsNotADocumentIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON":          `{`,
		"another version":  `{"openapi":"3.0.0","info":{"title":"x","version":"1"},"paths":{}}`,
		"an untyped path":  `{"openapi":"3.1.0","info":{"title":"x","version":"1"},"paths":{"/{a}":{"get":{"responses":{"200":{"description":"x"}}}}}}`,
		"a lost reference": `{"openapi":"3.1.0","info":{"title":"x","version":"1"},"paths":{"/a":{"get":{"responses":{"200":{"description":"x","content":{"application/json":{"schema":{"$ref":"#/components/schemas/No"}}}}}}}}}`,
	} {
		if _, err := Load([]byte(text)); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestAnAnswerBesideTheDocumentIsFound(t *testing.T) {
	p := profiles()["C"]
	d, err := rest.New(p, rows(p.Prefix)...)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := d.Document()
	doc, err := Load(text)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/api/trees/oak", nil)
	h := http.Header{"Content-Type": {"application/json"}}
	for name, tt := range map[string]struct {
		status int
		body   string
	}{"a status": {207, `{}`}, "a missing member": {200, `{"id":"oak"}`}, "a wrong type": {200, `[]`}} {
		if err := doc.Answer(r, tt.status, h, []byte(tt.body)); err == nil {
			t.Errorf("%s that the document does not know is accepted", name)
		}
	}
}
