package tenancy

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
)

func raw(texts ...string) []json.RawMessage {
	list := make([]json.RawMessage, len(texts))
	for i, s := range texts {
		list[i] = json.RawMessage(s)
	}
	return list
}

func TestProjects(t *testing.T) {
	b := newBench(t)
	root, neo := b.user("root", admin), b.user("neo")
	smith := b.user("smith")
	ps := b.Projects()
	defs := raw(`{"name": "r",  "n": 12345678901234567890.10, "name2":"\u00e4<"}`, "{}")
	p := must(ps.Create(b.as(neo), NewProject{Name: "my project", Description: "d", Definitions: defs}))(t)
	want := &Project{Meta: meta(p.ID), OwnerID: neo.ID, Name: "my project", Description: "d", Definitions: defs}
	diff(t, "made, each byte of the definitions kept", want, p, noMeta)
	defs[1][0] = 'x'
	want.Definitions = raw(string(defs[0]), "{}")
	diff(t, "by id", want, must(ps.Get(b.as(neo), strings.ToUpper(p.ID)))(t), noMeta)
	diff(t, "by name", want, must(ps.Get(b.as(neo), "my project"))(t), noMeta)
	diff(t, "by an administrator", want, must(ps.Get(b.as(root), p.ID))(t), noMeta)

	b.pass(time.Second)
	of := must(ps.Create(b.as(root), NewProject{Name: "my project", Owner: "SMITH"}))(t)
	diff(t, "made for another", &Project{Meta: meta(of.ID), OwnerID: smith.ID, Name: "my project", Definitions: raw()}, of, noMeta)
	names := func(ctx context.Context) string {
		var s []string
		for _, p := range must(ps.List(ctx))(t) {
			s = append(s, p.OwnerID)
		}
		return strings.Join(s, " ")
	}
	if a, n, s := names(b.as(root)), names(b.as(neo)), names(b.as(smith)); a != neo.ID+" "+smith.ID || n != neo.ID || s != smith.ID {
		t.Errorf("lists: %q, %q, %q", a, n, s)
	}

	fails := map[string]struct {
		do   func() error
		kind atoll.Kind
		code atoll.Code
	}{
		"others do not see it":                {func() error { _, err := ps.Get(b.as(smith), p.ID); return err }, atoll.NotFound, ""},
		"others do not change it":             {func() error { _, err := ps.Update(b.as(smith), p.ID, ProjectUpdate{}); return err }, atoll.NotFound, ""},
		"others do not delete it":             {func() error { _, err := ps.Delete(b.as(smith), p.ID); return err }, atoll.NotFound, ""},
		"a name means one's own":              {func() error { _, err := ps.Get(b.as(root), "my project"); return err }, atoll.NotFound, ""},
		"a name is taken exactly":             {func() error { _, err := ps.Create(b.as(neo), NewProject{Name: "my project"}); return err }, atoll.Conflict, atoll.Exists},
		"none is made for another":            {func() error { _, err := ps.Create(b.as(neo), NewProject{Name: "x", Owner: "smith"}); return err }, atoll.Denied, ""},
		"none is made for nobody":             {func() error { _, err := ps.Create(b.as(root), NewProject{Name: "x", Owner: "nobody"}); return err }, atoll.Reference, ""},
		"who is nobody is not told to others": {func() error { _, err := ps.Create(b.as(neo), NewProject{Name: "x", Owner: "nobody"}); return err }, atoll.Denied, ""},
		"the program names an owner":          {func() error { _, err := ps.Create(b.ctx(), NewProject{Name: "x"}); return err }, atoll.Invalid, ""},
		"an old version is refused":           {func() error { _, err := ps.Update(b.as(neo), p.ID, ProjectUpdate{Version: 9}); return err }, atoll.Conflict, atoll.Stale},
	}
	for name, tt := range fails {
		t.Run(name, func(t *testing.T) { wantKind(t, tt.do(), tt.kind, tt.code) })
	}
	other := must(ps.Create(b.as(neo), NewProject{Name: "My Project"}))(t)
	_, err := ps.Update(b.as(neo), other.ID, ProjectUpdate{Name: To("my project")})
	wantKind(t, err, atoll.Conflict, atoll.Exists)

	got := must(ps.Update(b.as(neo), "my project", ProjectUpdate{Name: To("renamed"), Definitions: To(raw(`{"a":1}`)), Version: 1}))(t)
	want.Name, want.Definitions = "renamed", raw(`{"a":1}`)
	diff(t, "changed", want, got, noMeta)
	if now := must(ps.Update(b.as(neo), "renamed", ProjectUpdate{Description: To("d")}))(t); now.Version != got.Version {
		t.Error("an update that changes nothing makes a version")
	}
	diff(t, "deleted", got, must(ps.Delete(b.as(neo), "renamed"))(t))
	_, err = ps.Get(b.as(neo), p.ID)
	wantKind(t, err, atoll.NotFound, "")
}

func TestProjectsThatCannotBeMade(t *testing.T) {
	check := func(d json.RawMessage) []atoll.Finding {
		if strings.Contains(string(d), "bad") {
			return []atoll.Finding{{Code: "no-links", Msg: "no links"}, {Path: "actors/0", Code: "type", Msg: "unknown"}}
		}
		return nil
	}
	b := newBench(t, WithDefinitionCheck(check))
	neo := b.user("neo")
	tests := map[string]struct {
		n    NewProject
		want []string
	}{
		"a name is required":          {NewProject{}, []string{"name:required"}},
		"texts are bounded":           {NewProject{Name: strings.Repeat("ä", 256), Description: strings.Repeat("x", 65537)}, []string{"name:length", "description:length"}},
		"texts are text":              {NewProject{Name: "a\nb", Description: "\xff"}, []string{"name:text", "description:text"}},
		"definitions are objects":     {NewProject{Name: "a", Definitions: raw("[]", "", "{", "null", "{}")}, []string{"definitions/0:object", "definitions/1:object", "definitions/2:object", "definitions/3:object"}},
		"definitions are checked":     {NewProject{Name: "a", Definitions: raw("{}", `{"bad":1}`)}, []string{"definitions/1:no-links", "definitions/1/actors/0:type"}},
		"definitions are not many":    {NewProject{Name: "a", Definitions: raw(strings.Split(strings.Repeat("{} ", 257), " ")[:257]...)}, []string{"definitions:length"}},
		"definitions are not endless": {NewProject{Name: "a", Definitions: raw(`{"a":"` + strings.Repeat("x", 4<<20) + `"}`)}, []string{"definitions:size"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := b.Projects().Create(b.as(neo), tt.n)
			wantKind(t, err, atoll.Invalid, "")
			diff(t, "findings", tt.want, paths(err))
			p := must(b.Projects().Create(b.as(neo), NewProject{Name: "sound"}))(t)
			_, err = b.Projects().Update(b.as(neo), p.ID, ProjectUpdate{Name: To(tt.n.Name), Description: To(tt.n.Description), Definitions: To(tt.n.Definitions)})
			wantKind(t, err, atoll.Invalid, "")
			diff(t, "findings of an update", tt.want, paths(err))
			must(b.Projects().Delete(b.as(neo), p.ID))(t)
		})
	}
	t.Run("a number too many", func(t *testing.T) {
		rows := make([]*Project, maxProjects)
		for i := range rows {
			rows[i] = &Project{Meta: store.Meta{ID: fmt.Sprint("p", i)}, OwnerID: neo.ID, Name: fmt.Sprint(i)}
		}
		put(b, projects, rows...)
		_, err := b.Projects().Create(b.as(neo), NewProject{Name: "one more"})
		wantKind(t, err, atoll.Quota, "")
	})
}
