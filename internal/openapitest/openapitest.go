package openapitest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// Document is one valid OpenAPI 3.1 document. It is safe for concurrent use.
type Document struct {
	root   *openapi3.T
	router routers.Router
}

// Load parses text and returns why it is not a valid OpenAPI 3.1 document.
func Load(text []byte) (*Document, error) {
	root, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return nil, fmt.Errorf("openapitest: %w", err)
	}
	if root.OpenAPI != "3.1.0" {
		return nil, fmt.Errorf("openapitest: it is of version %q, want 3.1.0", root.OpenAPI)
	}
	if err := root.Validate(context.Background(), openapi3.EnableMultiError(), openapi3.EnableSchemaDefaultsValidation()); err != nil {
		return nil, fmt.Errorf("openapitest: %w", err)
	}
	r, err := gorillamux.NewRouter(root)
	if err != nil {
		return nil, fmt.Errorf("openapitest: %w", err)
	}
	return &Document{root, r}, nil
}

// Answer returns why a recorded answer to a request is not one that the
// document describes. The request's body is not looked at.
func (d *Document) Answer(r *http.Request, status int, header http.Header, body []byte) error {
	route, params, err := d.router.FindRoute(r)
	if err != nil {
		return fmt.Errorf("openapitest: %s %s: %w", r.Method, r.URL.Path, err)
	}
	options := &openapi3filter.Options{IncludeResponseStatus: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}
	err = openapi3filter.ValidateResponse(r.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route, Options: options},
		Status:                 status, Header: header, Body: io.NopCloser(bytes.NewReader(body)), Options: options,
	})
	if err != nil {
		return fmt.Errorf("openapitest: %s %s answered %d: %w", r.Method, r.URL.Path, status, err)
	}
	return nil
}
