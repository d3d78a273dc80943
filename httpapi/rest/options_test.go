package rest

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type classIn struct {
	Instance string   `path:"instance_name,scope"`
	Name     string   `json:"name" rule:"required max=50" show:"create"`
	Note     string   `json:"description" rule:"max=256" opt:"unbounded"`
	Schema   Raw      `json:"schema" opt:"required"`
	Group    Opt[int] `json:"group" wire:"field" rule:"null"`
	GroupCan string   `json:"group_permissions" rule:"enum=none,read,create_objects" opt:"required"`
	OtherCan string   `json:"other_permissions" rule:"enum=none,read,create_objects" opt:"required"`
	Metadata Raw      `json:"metadata"`
}

type classChange struct {
	Class string `path:"name,object"`
	classIn
	Expected Opt[int] `json:"expected_revision" show:"wo"`
}

type classOut struct {
	Name     string `json:"name"`
	Status   string `json:"status" show:"computed"`
	Count    int    `json:"objects_count" show:"computed"`
	Revision int    `json:"revision" opt:"required"`
	Created  string `json:"created_at" wire:"datetime"`
	Updated  string `json:"updated_at" wire:"datetime"`
	Links    Raw    `json:"links" links:"self:detail objects:list group:detail"`
}

type classList struct {
	Next    *string    `json:"next"`
	Objects []classOut `json:"objects"`
}

func classOps() []Operation {
	const list, detail = "/v1.1/instances/{instance_name}/classes", "/v1.1/instances/{instance_name}/classes/{name}"
	type scope struct {
		Instance string `path:"instance_name,scope"`
		PageSize int    `query:"page_size" rule:"min=0 clamp=100 default=100"`
	}
	type object struct {
		Instance string `path:"instance_name,scope"`
		Name     string `path:"name,object"`
	}
	return []Operation{
		Op(Operation{ID: "class.list", Entity: "class", Summary: "List classes.", Routes: []Route{{"GET", list}}},
			func(context.Context, scope) (classList, error) { return classList{}, nil }),
		Op(Operation{ID: "class.create", Entity: "class", Summary: "Make a class.", Routes: []Route{{"POST", list}}, Body: FormBody},
			func(context.Context, classIn) (Created[classOut], error) { return Created[classOut]{}, nil }),
		Op(Operation{ID: "class.get", Entity: "class", Routes: []Route{{"GET", detail}}},
			func(context.Context, object) (classOut, error) { return classOut{}, nil }),
		Op(Operation{ID: "class.update", Entity: "class", Routes: []Route{{"PUT", detail}, {"PATCH", detail}}, Body: FormBody, Optional: true},
			func(context.Context, classChange) (classOut, error) { return classOut{}, nil }),
		Op(Operation{ID: "class.delete", Entity: "class", Routes: []Route{{"DELETE", detail}}},
			func(context.Context, object) (None, error) { return None{}, nil }),
		Op(Operation{ID: "class.rebuild", Entity: "class", Routes: []Route{{"POST", detail + "/rebuild_index"}}, Body: NoBody},
			func(context.Context, object) (None, error) { return None{}, nil }),
	}
}

func decoded(t testing.TB, text []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

// opsAt are the rows of a path by method.
func opsAt(ops []Operation, path string) map[string]*Operation {
	rows := map[string]*Operation{}
	for i := range ops {
		for _, r := range ops[i].Routes {
			if r.Path == path {
				rows[r.Method] = &ops[i]
			}
		}
	}
	return rows
}

func TestMetadataOfTheClassListEqualsThePublishedExample(t *testing.T) {
	p := *ruleS
	p.Renderers = []Renderer{{Media: "application/json"}, {Media: "text/html"}}
	ops := classOps()
	const list = "/v1.1/instances/{instance_name}/classes"
	body := newMetadata(&p, list, opsAt(ops, list)).body(nil)
	want, err := os.ReadFile("testdata/class-list-options.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(decoded(t, want), decoded(t, []byte(encoded(t, &p, body)))); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
}

func TestMetadataOfADetail(t *testing.T) {
	ops := classOps()
	const detail = "/v1.1/instances/{instance_name}/classes/{name}"
	m := newMetadata(ruleS, detail, opsAt(ops, detail))
	got := decoded(t, []byte(encoded(t, ruleS, m.body(nil)))).(map[string]any)
	if got["name"] != "Class Instance" {
		t.Errorf("it is called %v", got["name"])
	}
	fields := got["actions"].(map[string]any)["PUT"].(map[string]any)
	if len(fields) != 14 {
		t.Errorf("%d fields, want the list's 13 and expected_revision", len(fields))
	}
	if fields["name"].(map[string]any)["read_only"] != true {
		t.Errorf("name is %v: create-only fields are read-only here", fields["name"])
	}
	none := decoded(t, []byte(encoded(t, ruleS, m.body(func(*Operation) bool { return false })))).(map[string]any)
	if _, shown := none["actions"]; shown {
		t.Error("actions are shown to a caller who may use none")
	}
	extra := decoded(t, []byte(encoded(t, ruleS, m.body(nil, Field{Name: "title", Wire: WireString})))).(map[string]any)
	want := map[string]any{"type": "string", "required": false, "read_only": false}
	if diff := cmp.Diff(want, extra["actions"].(map[string]any)["PUT"].(map[string]any)["title"]); diff != "" {
		t.Errorf("a field of the resource's own (-want +got):\n%s", diff)
	}
	if again := decoded(t, []byte(encoded(t, ruleS, m.body(nil)))); cmp.Diff(any(got), again) != "" {
		t.Error("one resource's own fields are shown for another")
	}
}

// dialectOf is a dialect without the checks of New.
func dialectOf(p *Profile, ops []Operation) *Dialect {
	d := &Dialect{profile: *p}
	for i := range ops {
		d.ops = append(d.ops, &ops[i])
	}
	return d
}

func TestSchemaAndRowsAreABijection(t *testing.T) {
	p := *ruleS
	p.Slash = SlashEnd
	ops := classOps()
	d := dialectOf(&p, ops)
	s, err := d.Schema("v1.1", func(*Operation) []string { return []string{"account"} })
	if err != nil {
		t.Fatal(err)
	}
	type row struct{ name, path, method, response string }
	var got []row
	for _, e := range s.Endpoints {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			if m, ok := e.Methods[method]; ok {
				got = append(got, row{e.Name, e.Path, method, m.Response})
			}
		}
	}
	const list, detail = "/v1.1/instances/{instance_name}/classes/", "/v1.1/instances/{instance_name}/classes/{name}/"
	want := []row{
		{"class-list", list, "GET", "list"}, {"class-list", list, "POST", "object"},
		{"class-detail", detail, "GET", "object"}, {"class-detail", detail, "PUT", "object"}, {"class-detail", detail, "PATCH", "object"},
		{"class-detail", detail, "DELETE", "none"}, {"class-rebuild-index", detail + "rebuild_index/", "POST", "none"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(row{})); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	first := s.Endpoints[0]
	wantParams := []SchemaParameter{{"page_size", "query", "integer", false}}
	if diff := cmp.Diff(wantParams, first.Methods["GET"].Parameters); diff != "" {
		t.Errorf("parameters (-want +got):\n%s", diff)
	}
	meta := newMetadata(&p, ops[0].canonical(), opsAt(ops, ops[0].canonical())).body(nil).(metadataBody)
	if diff := cmp.Diff(meta.Actions[http.MethodPost], first.Methods["POST"].Fields); diff != "" {
		t.Errorf("the schema's fields differ from those of OPTIONS:\n%s", diff)
	}
	encoded(t, &p, s)

	other := Op(Operation{ID: "other", Entity: "class", Routes: []Route{{"GET", "/v1.1/classes"}}},
		func(context.Context, struct{}) (Null, error) { return Null{}, nil })
	if _, err := dialectOf(&p, append(ops, other)).Schema("v", nil); err == nil {
		t.Error("two paths are both called class-list")
	}
}
