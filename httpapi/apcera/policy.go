package apcera

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/policy"
)

func (a *api) policyTable() []rest.Operation {
	return []rest.Operation{
		rest.Op(rest.Operation{ID: "apcera.policy.list", Entity: "policydoc", Summary: "List the policy documents", Contract: "45", Permit: "read",
			Routes: route("GET", "/v1/policy")}, a.listDocuments),
		rest.Op(rest.Operation{ID: "apcera.policy.get", Entity: "policydoc", Summary: "Get a policy document", Contract: "46", Permit: "read",
			Routes: route("GET", "/v1/policy/{name}"), Errors: []rest.Case{invalid, denied, notFound}}, a.getDocument),
		rest.Op(rest.Operation{ID: "apcera.policy.put", Entity: "policydoc", Summary: "Add or update policy documents, all or none", Contract: "47", Permit: "update",
			Routes: route("PUT", "/v1/policy"), Body: rest.RawBody, Errors: []rest.Case{invalid, denied, stale}}, a.putDocuments),
		rest.Op(rest.Operation{ID: "apcera.policy.delete", Entity: "policydoc", Summary: "Delete policy documents, all or none", Contract: "48", Permit: "delete",
			Routes: route("DELETE", "/v1/policy"), Errors: []rest.Case{invalid, denied, notFound}}, a.deleteDocuments),
	}
}

type documentList struct {
	Docs []documentInfo `json:"docs"`
}

type documentInfo struct {
	Name      string    `json:"name"`
	UpdatedAt time.Time `json:"updated_at"`
	UpdatedBy string    `json:"updated_by"`
	Version   uint64    `json:"version"`
}

func (a *api) listDocuments(ctx context.Context, _ struct{}) (documentList, error) {
	docs, err := a.p.Policy().List(ctx)
	if err != nil {
		return documentList{}, err
	}
	out := documentList{Docs: make([]documentInfo, len(docs))}
	for i, d := range docs {
		out.Docs[i] = documentInfo{d.Name, d.UpdatedAt, d.UpdatedBy, d.Version}
	}
	return out, nil
}

type documentIn struct {
	Name    string           `path:"name,object"`
	Version rest.Opt[uint64] `query:"version" rule:"min=1" doc:"An older version; the newest by default."`
}

type documentBody struct {
	Name      string    `json:"name"`
	Text      string    `json:"text"`
	Version   uint64    `json:"version"`
	UpdatedAt time.Time `json:"updated_at"`
	UpdatedBy string    `json:"updated_by"`
}

func (a *api) getDocument(ctx context.Context, in documentIn) (documentBody, error) {
	d, err := a.p.Policy().Get(ctx, in.Name, in.Version.Or(0))
	if err != nil {
		return documentBody{}, err
	}
	return documentBody{d.Name, d.Text, d.Version, d.UpdatedAt, d.UpdatedBy}, nil
}

type putIn struct {
	Body any `body:"raw,any" doc:"An object with the list docs, or that list."`

	writes []policy.DocumentWrite
}

// documentForm and documentsForm are how documents are written.
type documentForm struct {
	Name       string           `json:"name" rule:"required"`
	Text       string           `json:"text" rule:"required"`
	ForVersion rest.Opt[uint64] `json:"for_version" doc:"The current version of a document that exists, to replace it."`
}

type documentsForm struct {
	Docs []documentForm `json:"docs" rule:"required"`
}

// BodyForms is for documents.
func (putIn) BodyForms() []any { return []any{documentsForm{}, []documentForm(nil)} }

// Check reads the documents out of the body.
func (in *putIn) Check(found *rest.Findings) {
	entries := docsOf(in.Body, found)
	if entries == nil && found.Len() == 0 {
		found.Add("docs", "required", "docs is required")
	}
	for i, e := range entries {
		w := policy.DocumentWrite{Name: member(e, "name", i, found), Text: member(e, "text", i, found)}
		if n, ok := e["for_version"]; ok && n != nil {
			v, err := strconv.ParseUint(fmt.Sprint(n), 10, 64)
			if _, number := n.(json.Number); !number || err != nil {
				found.Add(fmt.Sprintf("docs/%d/for_version", i), "type", "for_version is a version: an integer from 0")
			}
			w.ForVersion = v
		}
		in.writes = append(in.writes, w)
	}
}

// docsOf returns the documents in a body, which is an object with docs or the
// list itself; nil if there is none.
func docsOf(body any, found *rest.Findings) []map[string]any {
	if o, ok := body.(map[string]any); ok {
		if body = o["docs"]; body == nil {
			return nil
		}
	}
	list, ok := body.([]any)
	if !ok {
		found.Add("docs", "type", "docs is a list of documents")
		return nil
	}
	entries := make([]map[string]any, len(list))
	for i, x := range list {
		if entries[i], ok = x.(map[string]any); !ok {
			found.Add(fmt.Sprintf("docs/%d", i), "type", "a document is an object with name and text")
		}
	}
	return entries
}

// member returns a required text of a document. A document that is none was
// reported already.
func member(e map[string]any, name string, i int, found *rest.Findings) string {
	switch v := e[name].(type) {
	case string:
		return v
	case nil:
		if e != nil {
			found.Add(fmt.Sprintf("docs/%d/%s", i, name), "required", name+" is required")
		}
	default:
		found.Add(fmt.Sprintf("docs/%d/%s", i, name), "type", name+" is a text")
	}
	return ""
}

type versionBody struct {
	Version uint64 `json:"version" doc:"Of the policy as a whole: one more with each write."`
}

func (a *api) putDocuments(ctx context.Context, in putIn) (versionBody, error) {
	version, _, err := a.p.Policy().Put(ctx, in.writes)
	return versionBody{version}, err
}

type deleteIn struct {
	Docs []rest.Pair `query:"doc,pairs" doc:"Names of documents: repeated, joined by commas, or further parameters without a value."`
}

// names are the documents named by the query.
func (in *deleteIn) names() (names []string) {
	for _, p := range in.Docs {
		text := p.Value
		if p.Bare {
			text = p.Name
		}
		for name := range strings.SplitSeq(text, ",") {
			if name != "" {
				names = append(names, name)
			}
		}
	}
	return names
}

// Check wants a name.
func (in *deleteIn) Check(found *rest.Findings) {
	if len(in.names()) == 0 {
		found.Add("doc", "required", "doc is required: the name of a document")
	}
}

func (a *api) deleteDocuments(ctx context.Context, in deleteIn) (versionBody, error) {
	version, err := a.p.Policy().Delete(ctx, in.names())
	return versionBody{version}, err
}
