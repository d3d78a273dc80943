package runtime_test

import (
	"testing"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// pass emits every event unchanged.
var pass = actor.Func(func(_ actor.Context, e *actor.Event) (*actor.Event, error) { return e, nil })

// fields is a Compile that wants the named members of params, as strings.
func fields(names ...string) func(actor.Params) (actor.Maker, []atoll.Finding) {
	return func(p actor.Params) (actor.Maker, []atoll.Finding) {
		var fs []atoll.Finding
		for _, n := range names {
			if p.Value.Get(n).Kind() != actor.StringKind {
				fs = append(fs, atoll.Finding{Path: n, Code: "required", Msg: n + " must be a string"})
			}
		}
		if fs != nil {
			return nil, fs
		}
		return func(*actor.Env) (actor.Actor, error) { return pass, nil }, nil
	}
}

// testRegistry has types that stand for the sorts there are: plain, with
// parameters, with state, sources, with and without collect, and broken ones.
func testRegistry(t testing.TB) *actor.Registry {
	t.Helper()
	r := &actor.Registry{}
	for _, typ := range []actor.Type{
		{Name: "pass", Compile: fields()},
		{Name: "keep", Aliases: []string{"keeper"}, Stateful: true, Compile: fields("field")},
		{Name: "tick", Source: true, Compile: fields()},
		{Name: "score", Collects: []string{"count", "avg"}, Compile: fields()},
		{Name: "free", CollectAny: true, CollectData: true, Compile: fields()},
		{Name: "nothing", Compile: func(actor.Params) (actor.Maker, []atoll.Finding) { return nil, nil }},
		{Name: "panics", Compile: func(actor.Params) (actor.Maker, []atoll.Finding) { panic("boom") }},
		{Name: "unmade", Compile: func(actor.Params) (actor.Maker, []atoll.Finding) {
			return func(*actor.Env) (actor.Actor, error) {
				return nil, atoll.Errorf(atoll.Failed, "unmade", "the file cannot be opened")
			}, nil
		}},
	} {
		if err := r.Register(typ); err != nil {
			t.Fatal(err)
		}
	}
	return r
}
