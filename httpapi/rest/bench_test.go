package rest

import (
	"bytes"
	"reflect"
	"testing"
	"time"
)

type tenFields struct {
	ID     string      `path:"id,object"`
	Name   string      `json:"name" rule:"required max=64"`
	Owner  string      `json:"owner"`
	Note   Opt[string] `json:"note"`
	Count  int         `json:"count" rule:"min=0 max=100"`
	Size   int64       `json:"size"`
	Ratio  float64     `json:"ratio"`
	On     bool        `json:"on"`
	Kind   string      `json:"kind" rule:"enum=a,b,c"`
	Tags   []string    `json:"tags"`
	Config Raw         `json:"config"`
}

const tenBody = `{"name":"crawler","owner":"neo","note":"nightly run","count":12,"size":1048576,"ratio":0.75,"on":true,"kind":"b","tags":["x","y"],"config":{"from":"a","to":[1,2,3]}}`

// BenchmarkBindBody guards the cost of a usual request body: ten members.
func BenchmarkBindBody(b *testing.B) {
	op := Operation{Routes: []Route{{"PUT", "/x/{id}"}}, Body: JSONBody}
	bd, err := newBinder(reflect.TypeFor[tenFields](), &op)
	if err != nil {
		b.Fatal(err)
	}
	src := &source{path: path("id", "1b4e28ba"), body: []byte(tenBody)}
	b.SetBytes(int64(len(tenBody)))
	b.ReportAllocs()
	var in tenFields
	v := reflect.ValueOf(&in).Elem()
	for b.Loop() {
		in = tenFields{}
		if found := bd.bind(v, src, ruleC); found != nil {
			b.Fatal(found)
		}
	}
}

// BenchmarkBindQuery guards requests without a body: a path and three parameters.
func BenchmarkBindQuery(b *testing.B) {
	type in struct {
		Name  string `path:"name,scope"`
		ID    string `path:"id,object"`
		Limit int    `query:"limit" rule:"min=1 default=25 clamp=100"`
		State string `query:"state"`
		Force bool   `query:"force"`
	}
	op := Operation{Routes: []Route{{"GET", "/i/{name}/x/{id}"}}}
	bd, err := newBinder(reflect.TypeFor[in](), &op)
	if err != nil {
		b.Fatal(err)
	}
	src := &source{path: path("name", "n", "id", "1b4e28ba")}
	b.ReportAllocs()
	var dst in
	v := reflect.ValueOf(&dst).Elem()
	for b.Loop() {
		dst = in{}
		if src.query, err = parseQuery("limit=10&state=Running&force=true", 256); err != nil {
			b.Fatal(err)
		}
		if found := bd.bind(v, src, ruleC); found != nil {
			b.Fatal(found)
		}
	}
}

// BenchmarkBindPath guards the smallest requests: one path parameter.
func BenchmarkBindPath(b *testing.B) {
	type in struct {
		ID string `path:"id,object"`
	}
	op := Operation{Routes: []Route{{"GET", "/x/{id}"}}}
	bd, err := newBinder(reflect.TypeFor[in](), &op)
	if err != nil {
		b.Fatal(err)
	}
	src := &source{path: path("id", "1b4e28ba")}
	b.ReportAllocs()
	var dst in
	v := reflect.ValueOf(&dst).Elem()
	for b.Loop() {
		if found := bd.bind(v, src, ruleC); found != nil {
			b.Fatal(found)
		}
	}
}

// BenchmarkEncode guards the cost of a usual answer.
func BenchmarkEncode(b *testing.B) {
	type out struct {
		ID      string      `json:"id"`
		Name    string      `json:"name"`
		Owner   string      `json:"owner"`
		Note    Opt[string] `json:"note"`
		Count   int         `json:"count"`
		On      bool        `json:"on"`
		Tags    []string    `json:"tags"`
		Config  Raw         `json:"config"`
		Created time.Time   `json:"created"`
		Updated time.Time   `json:"updated"`
	}
	v := &out{"1b4e28ba-2fa1-11d2-883f-0016d3cca427", "crawler", "neo", Some("nightly"), 12, true, []string{"x", "y"}, Raw(`{"from":"a","to":[1,2,3]}`), time.Unix(1e9, 0), time.Unix(1e9, 5e6)}
	var buf bytes.Buffer
	b.ReportAllocs()
	for b.Loop() {
		buf.Reset()
		if err := encode(&buf, v, ruleC); err != nil {
			b.Fatal(err)
		}
	}
}
