package rest_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/httpapi/rest"
)

// text is a body in one of two types.
type textBody struct{ media, text string }

func (b *textBody) DecodeBody(body []byte) error {
	b.media, b.text = "json", string(body)
	return nil
}

func (b *textBody) DecodeTyped(media string, body []byte) error {
	if string(body) == "bad" {
		return &atoll.Error{Kind: atoll.Invalid, Findings: []atoll.Finding{{Code: "text", Msg: "The text is bad."}}}
	}
	b.media, b.text = media, string(body)
	return nil
}

type textIn struct {
	Text textBody `body:"raw"`
}

func textRow(types ...rest.BodyType) rest.Operation {
	return rest.Operation{ID: "toy.text", Entity: "text", Summary: "Reads a text", Contract: "text",
		Routes: []rest.Route{{Method: "POST", Path: "/api/text"}}, Body: rest.RawBody, MaxBody: 20, Types: types}
}

func echoText(_ context.Context, in textIn) (string, error) {
	return in.Text.media + ":" + in.Text.text, nil
}

func TestARowMayReadFurtherTypes(t *testing.T) {
	d, err := rest.New(toyProfile("coral"), rest.Op(textRow(rest.BodyType{Media: "text/plain", MaxBody: 40}, rest.BodyType{Media: "text/csv"}), echoText),
		rest.Op(rest.Operation{ID: "toy.other", Entity: "text", Summary: "Reads JSON alone", Contract: "other",
			Routes: []rest.Route{{Method: "POST", Path: "/api/other"}}, Body: rest.RawBody}, echoText))
	if err != nil {
		t.Fatal(err)
	}
	h := toyServer(t, rest.Options{}, d)
	tests := map[string]struct {
		path, media, body string
		chunked           bool
		status            int
		want              string
	}{
		"JSON as ever":                               {"/text", "application/json", `{"a":1}`, false, 200, `"json:{\"a\":1}"`},
		"no type is JSON":                            {"/text", "", `{"a":1}`, false, 200, `"json:{\"a\":1}"`},
		"a declared type":                            {"/text", "text/plain", "a\nb", false, 200, `"text/plain:a\nb"`},
		"a declared type with parameters":            {"/text", "Text/Plain; charset=utf-8", "x", false, 200, `"text/plain:x"`},
		"another declared type":                      {"/text", "text/csv", "a,b", false, 200, `"text/csv:a,b"`},
		"a type that is not declared":                {"/text", "text/html", "x", false, 415, "*"},
		"a type that another row declares":           {"/other", "text/plain", "x", false, 415, "*"},
		"its own limit":                              {"/text", "text/plain", strings.Repeat("x", 40), false, 200, `"text/plain:` + strings.Repeat("x", 40) + `"`},
		"over its own limit":                         {"/text", "text/plain", strings.Repeat("x", 41), false, 413, "*"},
		"over its own limit without a length":        {"/text", "text/plain", strings.Repeat("x", 41), true, 413, "*"},
		"the row's limit where it has none":          {"/text", "text/csv", strings.Repeat("x", 21), false, 413, "*"},
		"the row's limit is that of JSON":            {"/text", "application/json", `{"a":"` + strings.Repeat("x", 20) + `"}`, false, 413, "*"},
		"what the type says of a bad body is told":   {"/text", "text/plain", "bad", false, 400, "*"},
		"a declared type cannot be encoded any more": {"/text", "text/plain", "zip", false, 415, "*"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			header := http.Header{"Content-Type": {tt.media}}
			if tt.body == "zip" {
				header.Set("Content-Encoding", "gzip")
			}
			r := toyRequest{dialect: "coral", method: "POST", path: tt.path, body: tt.body, header: header}.make()
			if tt.chunked {
				r.ContentLength = -1
			}
			got := serve(h, r)
			if got.status != tt.status || tt.want != "*" && strings.TrimSpace(got.body) != tt.want {
				t.Errorf("%d %s, want %d %s", got.status, got.body, tt.status, tt.want)
			}
		})
	}
	r := toyRequest{dialect: "coral", method: "POST", path: "/text", header: http.Header{"Content-Type": {"text/plain"}}}.make()
	if got := serve(h, r); got.status != 200 || strings.TrimSpace(got.body) != `"text/plain:"` {
		t.Errorf("an empty body of a declared type: %d %s", got.status, got.body)
	}
}

func TestBodyTypesThatFitNoRow(t *testing.T) {
	type plain struct {
		Text rest.Raw `body:"raw"`
	}
	op := func(types ...rest.BodyType) (fault string) {
		defer func() { fault = fmt.Sprint(recover()) }()
		rest.Op(textRow(types...), echoText)
		return ""
	}
	for name, types := range map[string][]rest.BodyType{
		"an empty type":            {{}},
		"JSON, which is read ever": {{Media: "application/json"}},
		"capitals":                 {{Media: "Text/Plain"}},
		"parameters":               {{Media: "text/plain; charset=utf-8"}},
		"one type twice":           {{Media: "text/plain"}, {Media: "text/plain"}},
		"a negative limit":         {{Media: "text/plain", MaxBody: -1}},
	} {
		if fault := op(types...); !strings.Contains(fault, "body type") {
			t.Errorf("%s: %s", name, fault)
		}
	}
	fault := func() (fault string) {
		defer func() { fault = fmt.Sprint(recover()) }()
		rest.Op(textRow(rest.BodyType{Media: "text/plain"}), func(context.Context, plain) (string, error) { return "", nil })
		return ""
	}()
	if !strings.Contains(fault, "DecodeTyped") {
		t.Errorf("a field that reads no types: %s", fault)
	}
	if diff := cmp.Diff("<nil>", op(rest.BodyType{Media: "text/plain"})); diff != "" {
		t.Errorf("a fit type:\n%s", diff)
	}
}
