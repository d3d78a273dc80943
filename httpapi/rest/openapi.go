package rest

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/policy"
)

// doc is a node of a document: a JSON object.
type doc = map[string]any

// newDocument is the OpenAPI 3.1 document of a dialect, made from nothing but
// its profile, its rows and the descriptors of their fields.
func newDocument(d *Dialect) ([]byte, error) {
	b := &documenter{p: &d.profile, schemas: doc{}, names: map[schemaKey]string{}}
	paths := doc{}
	for _, o := range d.Operations() {
		for i, r := range o.Routes {
			path := b.p.shown(r.Path)
			item, _ := paths[path].(doc)
			if item == nil {
				item = doc{}
				paths[path] = item
			}
			row, err := b.row(o, i)
			if err != nil {
				return nil, fmt.Errorf("operation %q: %w", o.ID, err)
			}
			item[strings.ToLower(r.Method)] = row
		}
	}
	b.schemas["Error"] = doc{"type": "object", "description": "What went wrong, in the words of this API."}
	version := b.p.Prefix[strings.LastIndexByte(b.p.Prefix, '/')+1:]
	if version == "" {
		version = "1"
	}
	root := doc{
		"openapi":    "3.1.0",
		"info":       doc{"title": titled(d.Name()), "version": version},
		"paths":      paths,
		"components": doc{"schemas": b.schemas, "securitySchemes": b.p.securitySchemes()},
	}
	var buf bytes.Buffer
	if err := errors.Join(b.faults...); err != nil {
		return nil, err
	}
	err := encode(&buf, root, &Profile{})
	return buf.Bytes(), err
}

// row documents one route of an operation.
func (b *documenter) row(o *Operation, route int) (doc, error) {
	r := o.Routes[route]
	row := doc{
		"operationId": o.ID,
		"summary":     o.Summary,
		"responses":   b.responses(o),
	}
	if route > 0 {
		row["operationId"] = o.ID + "." + strconv.Itoa(route)
		row["x-alias-of"] = o.Routes[0].Method + " " + b.p.shown(o.Routes[0].Path)
	}
	for key, value := range map[string]string{"description": o.Doc, "x-contract": o.Contract, "x-permit": o.Permit} {
		if value != "" {
			row[key] = value
		}
	}
	if o.Entity != "" {
		row["tags"] = []any{o.Entity}
	}
	if security := b.p.security(o); security != nil {
		row["security"] = security
	}
	if params := b.parameters(o, r); len(params) > 0 {
		row["parameters"] = params
	}
	if body := b.requestBody(o); body != nil {
		row["requestBody"] = body
	}
	return row, nil
}

// parameters documents what a route takes of path, query and header.
func (b *documenter) parameters(o *Operation, r Route) (list []any) {
	params := templateParams(r.Path)
	fields := o.binder.object.fields
	add := func(f *Field, name, in string, required bool) {
		p := doc{"name": name, "in": in, "schema": b.field(f, schemaKey{in: true}, true)}
		if required {
			p["required"] = true
		}
		if f.Doc != "" {
			p["description"] = f.Doc
		}
		switch f.query {
		case queryList, queryUnique:
			p["explode"] = true
		case queryCSV:
			p["explode"] = false
		}
		list = append(list, p)
	}
	for _, name := range params {
		for i := range fields {
			if fields[i].Path == name {
				add(&fields[i], name, "path", true)
			}
		}
	}
	for i := range fields {
		f := &fields[i]
		switch f.query {
		case queryRest:
			list = append(list, doc{
				"name": "filters", "in": "query", "style": "form", "explode": true, "description": f.Doc,
				"schema": doc{"type": "object", "additionalProperties": doc{"type": "string"}},
			})
			continue
		case queryPairs:
			list = append(list, doc{
				"name": f.Query, "in": "query", "explode": true, "description": f.Doc,
				"schema": doc{"type": "array", "items": doc{"type": "string"}},
			})
			continue
		}
		if f.Query != "" {
			add(f, f.Query, "query", f.Required && f.JSON == "" && f.Path == "")
		}
		if f.Header != "" && !ignoredHeader(f.Header) {
			add(f, f.Header, "header", f.Required && f.JSON == "")
		}
	}
	return list
}

// ignoredHeader names the headers that a document describes elsewhere.
func ignoredHeader(name string) bool {
	return slices.Contains([]string{"Accept", "Content-Type", "Authorization"}, http.CanonicalHeaderKey(name))
}

// requestBody documents the body of a row, nil for none.
func (b *documenter) requestBody(o *Operation) doc {
	obj := o.binder.object
	content := doc{}
	switch o.Body {
	case JSONBody, FormBody:
		var schema any = doc{}
		if obj.body < 0 {
			if !obj.json {
				return nil
			}
			schema = b.input(o)
		} else {
			schema = b.whole(o, &obj.fields[obj.body])
		}
		content["application/json"] = doc{"schema": schema}
		if o.Body == FormBody {
			content["application/x-www-form-urlencoded"] = doc{"schema": schema}
			content["multipart/form-data"] = doc{"schema": schema}
		}
	case RawBody:
		content["application/json"] = doc{"schema": b.whole(o, &obj.fields[obj.body])}
		for _, t := range o.Types {
			content[t.Media] = doc{}
		}
	case UploadBody:
		content["application/octet-stream"] = doc{}
	default:
		return nil
	}
	body := doc{"content": content}
	if !o.Optional {
		body["required"] = true
	}
	return body
}

// BodyFormer is implemented by inputs that read a body themselves. The values
// are of the types whose JSON they take, one or several, for documents alone.
type BodyFormer interface{ BodyForms() []any }

// whole documents a body that one field takes as it is.
func (b *documenter) whole(o *Operation, f *Field) doc {
	s := doc{}
	if in, ok := reflect.Zero(o.in).Interface().(BodyFormer); ok {
		var forms []any
		for _, v := range in.BodyForms() {
			c, err := codecOf(reflect.TypeOf(v))
			if err != nil {
				b.faults = append(b.faults, err)
				continue
			}
			forms = append(forms, b.of(c, schemaKey{in: true}, o.ID))
		}
		s["anyOf"] = forms
	} else if f.body == bodyRaw && !b.p.AnyTop {
		s["type"] = "object"
	}
	if f.Doc != "" {
		s["description"] = f.Doc
	}
	return s
}

// responses documents every status a row may answer.
func (b *documenter) responses(o *Operation) doc {
	out := doc{}
	for _, status := range o.Status {
		out[strconv.Itoa(status)] = b.success(o, status)
	}
	if o.Stream&LongPoll != 0 {
		out["204"] = doc{"description": "Nothing happened in time."}
	}
	if o.ETag {
		out["304"] = doc{"description": http.StatusText(http.StatusNotModified)}
	}
	why := map[int][]string{}
	for _, c := range b.cases(o) {
		status := b.p.status(o, c.Kind, c.Code)
		text := c.Kind.String()
		if c.Code != "" {
			text += " (" + string(c.Code) + ")"
		}
		if !slices.Contains(why[status], text) {
			why[status] = append(why[status], text)
		}
	}
	for status, texts := range why {
		out[strconv.Itoa(status)] = doc{
			"description": http.StatusText(status) + ": " + strings.Join(texts, ", "),
			"content":     doc{"application/json": doc{"schema": ref("Error")}},
		}
	}
	return out
}

// success documents one status that is not a failure.
func (b *documenter) success(o *Operation, status int) doc {
	text := http.StatusText(status)
	if text == "" {
		text = "Success"
	}
	r := doc{"description": text}
	headers := doc{}
	switch o.outKind {
	case outNone:
		return r
	case outRedirect:
		headers["Location"] = doc{"schema": doc{"type": "string"}}
	case outCreated, outAccepted:
		headers["Location"] = doc{"description": "Where it is found, if it is shown.", "schema": doc{"type": "string"}}
	}
	if len(headers) > 0 {
		r["headers"] = headers
	}
	content := doc{}
	switch t := bodyTypeOf(o.out); o.outKind {
	case outRedirect:
	case outNull:
		content["application/json"] = doc{"schema": doc{"type": "null"}}
	case outBytes, outResponse:
		content["*/*"] = doc{}
	case outStream:
		schema := b.output(t)
		if o.Stream&Lines != 0 {
			content["application/x-ndjson"] = doc{"schema": schema}
		}
		if o.Stream&SSE != 0 {
			content["text/event-stream"] = doc{"schema": doc{"type": "string"}}
		}
		if o.Stream&LongPoll != 0 {
			content["application/json"] = doc{"schema": schema}
		}
	default:
		content["application/json"] = doc{"schema": b.output(t)}
		for _, media := range b.p.renders() {
			if _, done := content[media]; !done {
				content[media] = doc{"schema": doc{"type": "string"}}
			}
		}
	}
	if len(content) > 0 && status != http.StatusNoContent && status != http.StatusNotModified {
		r["content"] = content
	}
	return r
}

// cases are the failures a row may answer: those that follow from what it
// takes, and those that it declares.
func (b *documenter) cases(o *Operation) []Case {
	cases := []Case{{Kind: atoll.Internal}, {Kind: atoll.Unavailable}, {Kind: atoll.Overloaded}, {Kind: atoll.TooLarge, Code: CodeURI}}
	if o.Auth != Public {
		cases = append(cases, Case{Kind: atoll.Unauthenticated}, Case{Kind: atoll.Denied})
	}
	if len(o.binder.object.fields) > 0 {
		cases = append(cases, Case{Kind: atoll.Invalid})
	}
	if len(templateParams(o.canonical())) > 0 {
		cases = append(cases, Case{Kind: atoll.NotFound})
	}
	if b.p.Accept == HeaderChecked {
		cases = append(cases, Case{Kind: atoll.Invalid, Code: CodeAccept})
	}
	switch o.Body {
	case NoBody:
	case UploadBody:
		cases = append(cases, Case{Kind: atoll.TooLarge}, Case{Kind: atoll.Invalid, Code: CodeLength})
	default:
		cases = append(cases, Case{Kind: atoll.TooLarge})
		if b.p.Type != HeaderIgnored {
			cases = append(cases, Case{Kind: atoll.Invalid, Code: CodeType})
		}
	}
	for _, c := range o.Errors {
		cases = append(cases, Case{Kind: c.Kind, Code: c.Code})
	}
	return cases
}

// schemeName is the key of a scheme in the document.
func (s *Scheme) schemeName(word string) string {
	place := map[Place]string{InAuthorization: "authorization", InHeader: "header", InQuery: "query", InPath: "path"}[s.In]
	return place + "-" + strings.ToLower(word)
}

// securitySchemes documents where credentials may be.
func (p *Profile) securitySchemes() doc {
	out := doc{}
	for _, s := range slices.Concat(p.Schemes, p.UserKeys) {
		for _, word := range s.Names {
			var entry doc
			switch {
			case s.In == InAuthorization && s.Form == policy.Basic && strings.EqualFold(word, "Basic"):
				entry = doc{"type": "http", "scheme": "basic"}
			case s.In == InAuthorization && strings.EqualFold(word, "Bearer"):
				entry = doc{"type": "http", "scheme": "bearer"}
			case s.In == InAuthorization:
				entry = doc{"type": "apiKey", "in": "header", "name": "Authorization", "description": "The word " + word + ", a blank, the key."}
			case s.In == InHeader:
				entry = doc{"type": "apiKey", "in": "header", "name": word}
			case s.In == InQuery:
				entry = doc{"type": "apiKey", "in": "query", "name": word}
			default:
				continue // a part of the path is a parameter already
			}
			out[s.schemeName(word)] = entry
		}
	}
	return out
}

// security documents which credentials a row takes, nil where the dialect has none.
func (p *Profile) security(o *Operation) []any {
	if o.Auth == Public {
		return []any{}
	}
	want := string(o.Auth)
	if o.Auth == IfGiven {
		want = ""
	}
	var list []any
	for _, s := range p.Schemes {
		if s.Name != want || s.In == InPath {
			continue
		}
		for _, word := range s.Names {
			list = append(list, doc{s.schemeName(word): []any{}})
		}
	}
	if o.Auth == IfGiven {
		list = append(list, doc{})
	}
	return list
}
