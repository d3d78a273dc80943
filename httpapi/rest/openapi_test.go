package rest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/policy"
)

type treeOut struct {
	ID       string           `json:"id"`
	Kind     colour           `json:"kind"`
	Children []treeOut        `json:"children"`
	Parent   *treeOut         `json:"parent,omitempty"`
	At       time.Time        `json:"at"`
	Config   Raw              `json:"config"`
	Counts   map[string]int64 `json:"counts"`
	Note     Opt[string]      `json:"note"`
}

type treeIn struct {
	Name  string      `json:"name" rule:"required min=1 max=50 re=[a-z]+" doc:"What it is called."`
	Size  Opt[int]    `json:"size" rule:"min=1 max=9 null"`
	Kinds []colour    `json:"kinds" alias:"kindes" rule:"max=3"`
	ID    string      `json:"id" show:"ro"`
	Pass  Opt[Secret] `json:"pass"`
	Sub   struct {
		Deep bool `json:"deep" rule:"default=true"`
	} `json:"sub"`
}

// documented is a profile and rows that use everything a document can show.
func documented(rules *Profile) *Dialect {
	p := *rules
	p.Name, p.Prefix = "toy", "/v1"
	p.Schemes = []Scheme{
		{In: InAuthorization, Names: []string{"Basic"}, Form: policy.Basic},
		{In: InAuthorization, Names: []string{"token", "Bearer"}, Form: policy.Bearer},
		{In: InHeader, Names: []string{"X-API-KEY"}, Form: policy.Key},
		{Name: "stager", In: InPath, Names: []string{"token"}, Form: policy.Bearer},
	}
	p.Status = map[Case]int{{Kind: atoll.Invalid, Code: CodeAccept}: 406}
	for _, k := range atoll.Kinds() {
		p.Status[Case{Kind: k}] = 400
	}
	p.Status[Case{Kind: atoll.Internal}] = 500
	type object struct {
		ID string `path:"id,object" doc:"Which one."`
	}
	type listed struct {
		Limit int      `query:"limit" rule:"min=0 max=100 default=25"`
		Tags  []string `query:"tag,list"`
		IDs   []string `query:"ids,csv"`
		Back  bool     `query:"reverse,present"`
		Docs  []Pair   `query:"doc,pairs"`
		Rest  []Pair   `query:"*"`
		Trace string   `header:"X-Trace"`
	}
	type whole struct {
		ID   string `path:"id"`
		Body Raw    `body:"raw"`
	}
	type upload struct {
		Token string `path:"token"`
		Tail  string `path:"path"`
		Body  Upload `body:"upload"`
	}
	return dialectOf(&p, []Operation{
		Op(Operation{ID: "tree.list", Entity: "tree", Summary: "List.", Routes: []Route{{"GET", "/v1/trees"}}, ETag: true},
			func(context.Context, listed) ([]treeOut, error) { return nil, nil }),
		Op(Operation{ID: "tree.create", Entity: "tree", Doc: "Plants one.", Contract: "1", Permit: "create", Routes: []Route{{"POST", "/v1/trees"}}, Body: FormBody,
			Errors: []Case{{Kind: atoll.Conflict, Code: atoll.Exists, Status: 409}}},
			func(context.Context, treeIn) (Created[treeOut], error) { return Created[treeOut]{}, nil }),
		Op(Operation{ID: "tree.update", Routes: []Route{{"PATCH", "/v1/trees/{id}"}, {"POST", "/v1/trees/{id}"}}, Body: JSONBody, Optional: true},
			func(context.Context, struct {
				object
				treeIn
			}) (Accepted[treeOut], error) {
				return Accepted[treeOut]{}, nil
			}),
		Op(Operation{ID: "tree.delete", Auth: Public, Routes: []Route{{"DELETE", "/v1/trees/{id}"}}},
			func(context.Context, object) (None, error) { return None{}, nil }),
		Op(Operation{ID: "tree.event", Auth: IfGiven, Routes: []Route{{"POST", "/v1/trees/{id}/events"}}, Body: RawBody},
			func(context.Context, whole) (Null, error) { return Null{}, nil }),
		Op(Operation{ID: "tree.upload", Auth: "stager", Routes: []Route{{"PUT", "/v1/up/{token}/{path...}"}}, Body: UploadBody},
			func(context.Context, upload) (Bytes, error) { return Bytes{}, nil }),
		Op(Operation{ID: "tree.watch", Routes: []Route{{"GET", "/v1/trees/{id}/watch"}}, Stream: Lines | SSE | LongPoll},
			func(context.Context, object) (Stream[treeOut], error) { return Stream[treeOut]{}, nil }),
		Op(Operation{ID: "tree.moved", Routes: []Route{{"GET", "/v1/moved"}}},
			func(context.Context, struct{}) (Redirect, error) { return Redirect{}, nil }),
	})
}

func document(t testing.TB, d *Dialect) map[string]any {
	t.Helper()
	text, err := newDocument(d)
	if err != nil {
		t.Fatal(err)
	}
	return decoded(t, text).(map[string]any)
}

// at follows keys through a document.
func at(t testing.TB, v any, keys ...string) any {
	t.Helper()
	for _, k := range keys {
		m, ok := v.(map[string]any)
		if !ok || m[k] == nil {
			t.Fatalf("no %q of %q in %v", k, keys, v)
		}
		v = m[k]
	}
	return v
}

func TestADocumentHasEveryRowOnce(t *testing.T) {
	d := documented(ruleS)
	var got []string
	for path, item := range at(t, document(t, d), "paths").(map[string]any) {
		for method, row := range item.(map[string]any) {
			got = append(got, strings.ToUpper(method)+" "+path+" "+row.(map[string]any)["operationId"].(string))
		}
	}
	slices.Sort(got)
	want := []string{
		"DELETE /v1/trees/{id} tree.delete", "GET /v1/moved tree.moved", "GET /v1/trees tree.list", "GET /v1/trees/{id}/watch tree.watch",
		"PATCH /v1/trees/{id} tree.update", "POST /v1/trees tree.create", "POST /v1/trees/{id} tree.update.1",
		"POST /v1/trees/{id}/events tree.event", "PUT /v1/up/{token}/{path} tree.upload",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestADocumentShowsTheRulesOfFields(t *testing.T) {
	for dialect, extra := range map[string]map[string]any{"S": {}, "X": {"additionalProperties": false}} {
		root := document(t, documented(allRules[dialect]))
		null := func(t string) any {
			if dialect == "X" {
				return []any{t, "null"}
			}
			return t
		}
		colours := []any{"red", "green"}
		sub := map[string]any{"type": null("object"), "properties": map[string]any{"deep": map[string]any{"type": null("boolean"), "default": true}}}
		want := map[string]any{
			"type":     "object",
			"required": []any{"name"},
			"properties": map[string]any{
				"name":   map[string]any{"type": "string", "minLength": 1., "maxLength": 50., "pattern": "^(?:[a-z]+)$", "description": "What it is called."},
				"size":   map[string]any{"type": []any{"integer", "null"}, "format": "int64", "minimum": 1., "maximum": 9.},
				"kinds":  map[string]any{"type": null("array"), "maxItems": 3., "items": map[string]any{"type": "string", "enum": colours}},
				"kindes": map[string]any{"deprecated": true, "description": "Another name of kinds."},
				"pass":   map[string]any{"type": null("string"), "writeOnly": true},
				"sub":    sub,
			},
		}
		props := want["properties"].(map[string]any)
		if dialect == "S" {
			props["id"] = map[string]any{"type": "string", "readOnly": true}
		}
		for k, v := range extra {
			want[k] = v
			sub[k] = v
		}
		if diff := cmp.Diff(any(want), at(t, root, "components", "schemas", "TreeInInput")); diff != "" {
			t.Errorf("%s: input (-want +got):\n%s", dialect, diff)
		}
	}
}

func TestADocumentShowsAnswers(t *testing.T) {
	root := document(t, documented(ruleS))
	self := map[string]any{"$ref": "#/components/schemas/TreeOut"}
	want := map[string]any{
		"type":     "object",
		"required": []any{"id", "kind", "children", "at", "config", "counts"},
		"properties": map[string]any{
			"id":       map[string]any{"type": "string"},
			"kind":     map[string]any{"type": "string", "enum": []any{"red", "green"}},
			"children": map[string]any{"type": "array", "items": self},
			"parent":   map[string]any{"anyOf": []any{self, map[string]any{"type": "null"}}},
			"at":       map[string]any{"type": []any{"string", "null"}, "format": "date-time"},
			"config":   map[string]any{},
			"counts":   map[string]any{"type": "object", "additionalProperties": map[string]any{"type": "integer", "format": "int64"}},
			"note":     map[string]any{"type": []any{"string", "null"}},
		},
	}
	if diff := cmp.Diff(any(want), at(t, root, "components", "schemas", "TreeOut")); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
	created := at(t, root, "paths", "/v1/trees", "post", "responses", "201", "content", "application/json", "schema")
	if diff := cmp.Diff(any(self), created); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	for _, path := range [][]string{
		{"/v1/trees", "post", "responses", "409"}, {"/v1/trees", "get", "responses", "304"}, {"/v1/trees", "get", "responses", "406"},
		{"/v1/trees/{id}", "delete", "responses", "204"}, {"/v1/trees/{id}/watch", "get", "responses", "200", "content", "text/event-stream"},
		{"/v1/moved", "get", "responses", "302", "headers", "Location"}, {"/v1/trees", "post", "requestBody", "content", "multipart/form-data"},
		{"/v1/up/{token}/{path}", "put", "requestBody", "content", "application/octet-stream"},
	} {
		at(t, root, append([]string{"paths"}, path...)...)
	}
	timed := *ruleC
	if got := at(t, document(t, documented(&timed)), "components", "schemas", "TreeOut", "properties", "at").(map[string]any); got["format"] != nil || got["examples"] == nil {
		t.Errorf("a time without a zone is %v, want an example and no format", got)
	}
}

func TestADocumentShowsWhoMayCall(t *testing.T) {
	root := document(t, documented(ruleS))
	basic, token, bearer, key := "authorization-basic", "authorization-token", "authorization-bearer", "header-x-api-key"
	all := []any{}
	for _, name := range []string{basic, token, bearer, key} {
		at(t, root, "components", "securitySchemes", name)
		all = append(all, map[string]any{name: []any{}})
	}
	for _, tt := range []struct {
		path, method string
		want         any
	}{
		{"/v1/trees", "get", all}, {"/v1/trees/{id}", "delete", []any{}}, {"/v1/trees/{id}/events", "post", append(slices.Clone(all), map[string]any{})},
	} {
		if diff := cmp.Diff(tt.want, at(t, root, "paths", tt.path, tt.method, "security")); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", tt.method, tt.path, diff)
		}
	}
}

func TestADocumentIsTheSameEveryTime(t *testing.T) {
	a, err := newDocument(documented(ruleX))
	if err != nil {
		t.Fatal(err)
	}
	b, _ := newDocument(documented(ruleX))
	if string(a) != string(b) {
		t.Error("two documents of one table differ")
	}
}

func TestComponentNames(t *testing.T) {
	for in, want := range map[string]string{
		"Job":                                    "Job",
		"list":                                   "List",
		"Page[github.com/x/y/httpapi/foo.Job]":   "PageJob",
		"Two[int,github.com/x/y.B]":              "TwoIntB",
		"tree.update":                            "TreeUpdate",
		"Page[*github.com/x/a-b.T[x.y/z.Inner]]": "PageTInner",
	} {
		if got := componentName(in); got != want {
			t.Errorf("componentName(%q) = %q, want %q", in, got, want)
		}
	}
}
