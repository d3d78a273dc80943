package rest

import (
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
)

// fieldInfo is what metadata says of one field.
type fieldInfo struct {
	Type      string     `json:"type"`
	Required  bool       `json:"required"`
	ReadOnly  bool       `json:"read_only"`
	Label     string     `json:"label,omitempty"`
	MaxLength *int64     `json:"max_length,omitempty"`
	MinValue  *float64   `json:"min_value,omitempty"`
	MaxValue  *float64   `json:"max_value,omitempty"`
	Choices   []choice   `json:"choices,omitempty"`
	Links     []linkInfo `json:"links,omitempty"`
}

type choice struct {
	Value       string `json:"value"`
	DisplayName string `json:"display_name"`
}

type linkInfo struct {
	Type string `json:"type"`
	Name string `json:"name"`
}

// info describes a field to the callers of a row that creates or changes.
// Fields that only answers carry are read-only.
func (f *Field) info(create, answerOnly bool) fieldInfo {
	i := fieldInfo{
		Type: f.Wire, Required: f.OptRequired, Label: f.Label,
		ReadOnly: answerOnly || f.ReadOnly || f.CreateOnly && !create,
	}
	switch {
	case f.unbounded:
	case f.Wire == WireString || f.Wire == WireEmail:
		if f.Max != nil {
			n := int64(*f.Max)
			i.MaxLength = &n
		}
	case f.Wire == WireInteger || f.Wire == WireFloat:
		i.MinValue, i.MaxValue = f.Min, f.Max
	}
	if f.Wire == WireChoice {
		for _, v := range f.Enum {
			i.Choices = append(i.Choices, choice{v, v})
		}
	}
	for _, l := range f.Links {
		i.Links = append(i.Links, linkInfo{l.Type, l.Name})
	}
	return i
}

// fieldInfos describes the fields a row takes and those its answer adds, by name.
func (o *Operation) fieldInfos() map[string]fieldInfo {
	create := o.Routes[0].Method == http.MethodPost
	infos := map[string]fieldInfo{}
	add := func(t reflect.Type, answer bool) {
		if t == nil {
			return
		}
		fields, err := fieldsOf(structOf(t))
		if err != nil {
			return
		}
		for i := range fields {
			f := &fields[i]
			if _, taken := infos[f.JSON]; f.JSON != "" && !taken && !(answer && f.WriteOnly) {
				infos[f.JSON] = f.info(create, answer)
			}
		}
	}
	add(o.in, false)
	add(bodyTypeOf(o.out), true)
	return infos
}

// structOf is the type below pointers.
func structOf(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// metadata is what OPTIONS tells about one path: its view, and the fields of
// the rows that take some.
type metadata struct {
	name    string
	parses  []string
	renders []string
	actions []metadataAction
}

type metadataAction struct {
	method string
	op     *Operation
	fields map[string]fieldInfo
}

type metadataBody struct {
	Name        string                          `json:"name"`
	Description string                          `json:"description"`
	Parses      []string                        `json:"parses"`
	Renders     []string                        `json:"renders"`
	Actions     map[string]map[string]fieldInfo `json:"actions,omitempty"`
}

// newMetadata prepares the metadata of a path from its rows by method.
func newMetadata(p *Profile, path string, rows map[string]*Operation) *metadata {
	m := &metadata{name: viewOf(path, rows).title(), parses: p.parses(), renders: p.renders()}
	for _, method := range []string{http.MethodPost, http.MethodPut} {
		if o := rows[method]; o != nil && (o.Body == JSONBody || o.Body == FormBody) {
			m.actions = append(m.actions, metadataAction{method, o, o.fieldInfos()})
		}
	}
	return m
}

// body is the metadata for a caller; granted says which rows it may use, extra
// are fields that only the resource at hand has.
func (m *metadata) body(granted func(*Operation) bool, extra ...Field) any {
	b := metadataBody{Name: m.name, Parses: m.parses, Renders: m.renders}
	for _, a := range m.actions {
		if granted != nil && !granted(a.op) {
			continue
		}
		if b.Actions == nil {
			b.Actions = map[string]map[string]fieldInfo{}
		}
		fields := a.fields
		if len(extra) > 0 {
			fields = maps.Clone(fields)
		}
		for i := range extra {
			fields[extra[i].Name] = extra[i].info(a.method == http.MethodPost, false)
		}
		b.Actions[a.method] = fields
	}
	return b
}

// FieldLister is implemented by results of GET rows whose resource has fields
// of its own, which metadata shows beside those of the row's types.
type FieldLister interface{ MetadataFields() []Field }

// parses lists the types of bodies that a profile reads; forms need coercion.
func (p *Profile) parses() []string {
	media := []string{"application/json"}
	if p.Coerce {
		media = append(media, "application/x-www-form-urlencoded", "multipart/form-data")
	}
	return media
}

// renders lists the types of answers.
func (p *Profile) renders() []string {
	if len(p.Renderers) == 0 {
		return []string{"application/json"}
	}
	media := make([]string, len(p.Renderers))
	for i, r := range p.Renderers {
		media[i] = r.Media
	}
	return media
}

// view says how a path is called in metadata: after its entity, and list,
// detail or the action that it is.
type view struct{ entity, kind string }

func viewOf(path string, rows map[string]*Operation) view {
	var entity string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		if o := rows[method]; o != nil {
			entity = o.Entity
			break
		}
	}
	last := path[strings.LastIndexByte(path, '/')+1:]
	switch {
	case strings.HasPrefix(last, "{"):
		return view{entity, "detail"}
	case rows[http.MethodGet] != nil:
		return view{entity, "list"}
	}
	return view{entity, last}
}

// title is the view for people: "Class List".
func (v view) title() string {
	kind := v.kind
	if kind == "detail" {
		kind = "instance"
	}
	return titled(v.entity) + " " + titled(kind)
}

// name is the view for programs: "class-list".
func (v view) name() string {
	return strings.NewReplacer(" ", "-", "_", "-").Replace(strings.ToLower(v.entity + "-" + v.kind))
}

func titled(s string) string {
	words := strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '_' || r == '-' })
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, " ")
}

// Schema describes every path, method and field of the dialect in one value:
// for dialects that serve their own description. auth names the credentials
// that a row takes.
type Schema struct {
	Version   string           `json:"version"`
	Endpoints []SchemaEndpoint `json:"endpoints"`
}

// SchemaEndpoint is one path of a Schema.
type SchemaEndpoint struct {
	Name       string                  `json:"name"`
	View       string                  `json:"view"`
	Path       string                  `json:"path"`
	Parameters []SchemaParameter       `json:"parameters"`
	Methods    map[string]SchemaMethod `json:"methods"`
}

// SchemaParameter is a parameter of a path or a query.
type SchemaParameter struct {
	Name     string `json:"name"`
	In       string `json:"in"`
	Type     string `json:"type"`
	Required bool   `json:"required"`
}

// SchemaMethod is one row of a SchemaEndpoint.
type SchemaMethod struct {
	Description string               `json:"description"`
	Auth        []string             `json:"auth"`
	Response    string               `json:"response"`
	Status      int                  `json:"status"`
	Parameters  []SchemaParameter    `json:"parameters,omitempty"`
	Fields      map[string]fieldInfo `json:"fields,omitempty"`
}

// Schema returns the description of the dialect. Two paths with one name are
// an error: the entity of one of them is wrong.
func (d *Dialect) Schema(version string, auth func(*Operation) []string) (*Schema, error) {
	s := &Schema{Version: version}
	byPath := map[string]map[string]*Operation{}
	var paths []string
	for _, o := range d.ops {
		for _, r := range o.Routes {
			if byPath[r.Path] == nil {
				byPath[r.Path] = map[string]*Operation{}
				paths = append(paths, r.Path)
			}
			byPath[r.Path][r.Method] = o
		}
	}
	slices.Sort(paths)
	names := map[string]string{}
	for _, path := range paths {
		rows := byPath[path]
		v := viewOf(path, rows)
		if other, taken := names[v.name()]; taken {
			return nil, fmt.Errorf("the paths %s and %s are both called %s", other, path, v.name())
		}
		names[v.name()] = path
		e := SchemaEndpoint{
			Name: v.name(), View: v.title(), Path: d.profile.shown(path),
			Parameters: []SchemaParameter{}, Methods: map[string]SchemaMethod{},
		}
		params := templateParams(path)
		for method, o := range rows {
			fields := o.binder.object.fields
			m := SchemaMethod{Description: o.Summary, Auth: []string{}, Response: o.answers(), Status: o.Status[0]}
			if auth != nil {
				m.Auth = auth(o)
			}
			for i := range fields {
				f := &fields[i]
				if f.Path != "" && slices.Contains(params, f.Path) &&
					!slices.ContainsFunc(e.Parameters, func(p SchemaParameter) bool { return p.Name == f.Path }) {
					e.Parameters = append(e.Parameters, SchemaParameter{f.Path, "path", f.codec.base().wire(), true})
				}
				if f.Query != "" && f.query != queryRest {
					m.Parameters = append(m.Parameters, SchemaParameter{f.Query, "query", f.Wire, f.Required && f.JSON == ""})
				}
			}
			if o.Body == JSONBody || o.Body == FormBody {
				m.Fields = o.fieldInfos()
			}
			e.Methods[method] = m
		}
		slices.SortFunc(e.Parameters, func(a, b SchemaParameter) int {
			return slices.Index(params, a.Name) - slices.Index(params, b.Name)
		})
		s.Endpoints = append(s.Endpoints, e)
	}
	return s, nil
}

// shown is a template as callers write it.
func (p *Profile) shown(path string) string {
	path = strings.ReplaceAll(path, "...}", "}")
	if p.Slash != SlashNone && path != "/" {
		path += "/"
	}
	return path
}

// answers says in one word what the row answers.
func (o *Operation) answers() string {
	t := bodyTypeOf(o.out)
	switch {
	case o.outKind == outNone:
		return "none"
	case o.outKind == outBytes, o.outKind == outResponse, o.outKind == outRedirect:
		return "raw"
	case t == nil:
		return "null"
	case t.Kind() == reflect.Slice:
		return "list"
	}
	if fields, err := fieldsOf(structOf(t)); err == nil {
		if slices.ContainsFunc(fields, func(f Field) bool { return f.JSON == "objects" }) {
			return "list"
		}
	}
	return "object"
}
